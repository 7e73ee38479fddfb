"""The named losses: what one wire can say and another cannot, and what is written instead."""

from __future__ import annotations

from enum import StrEnum

import attrs

from deltafold.model.attrs_repr import Shown

__all__ = ["LOSSES", "Loss", "LossCode", "LossRule"]


class LossCode(StrEnum):
    """The name of something that a wire cannot say. `LOSSES` says what each one means."""

    VALUE_REPLACED = "value_replaced"
    LATE_FRAGMENT = "late_fragment"
    ITEM_UNSUPPORTED = "item_unsupported"
    PART_UNSUPPORTED = "part_unsupported"
    FURTHER_CHOICE = "further_choice"
    CHOICE_DATA = "choice_data"
    ANNOTATION_UNSUPPORTED = "annotation_unsupported"
    LOGPROBS_UNSUPPORTED = "logprobs_unsupported"
    AUDIO_UNSUPPORTED = "audio_unsupported"
    IMAGE_UNSUPPORTED = "image_unsupported"
    REASONING_ENCRYPTED = "reasoning_encrypted"
    REASONING_SUMMARY = "reasoning_summary"
    REFUSAL_AS_TEXT = "refusal_as_text"
    CUSTOM_TOOL_AS_FUNCTION = "custom_tool_as_function"
    CALL_NAME_MISSING = "call_name_missing"
    ARGUMENTS_NO_OBJECT = "arguments_no_object"
    ARGUMENTS_AFTER_END = "arguments_after_end"
    FINISH_REASON = "finish_reason"
    LIFTED_TEXT = "lifted_text"
    EVENT_UNWRITABLE = "event_unwritable"
    FIELD_UNSUPPORTED = "field_unsupported"
    ID_CHANGED = "id_changed"


@attrs.frozen(repr=False)
class Loss(Shown):
    """Something that the target cannot say as the source did."""

    code: LossCode
    message: str
    """What was met, in one sentence."""
    output_index: int | None = None
    """The item that it belongs to; None where it belongs to the response."""
    path: str | None = None
    """Where it stood in a request, as keys and positions with dots between."""


@attrs.frozen(repr=False)
class LossRule(Shown):
    """One row of the table of losses."""

    meaning: str
    """What was met, in one sentence."""
    instead: str
    """What is written instead."""


_C = LossCode
LOSSES: dict[LossCode, LossRule] = {
    _C.VALUE_REPLACED: LossRule(
        "A value was corrected after it had been written.",
        "What was written stands; the final value goes where the wire tells whole values.",
    ),
    _C.LATE_FRAGMENT: LossRule(
        "A fragment came after its item had been told whole.",
        "It stands in the end of the response, where the wire has a place for it.",
    ),
    _C.ITEM_UNSUPPORTED: LossRule("The wire has no item of this type.", "The item is left out."),
    _C.PART_UNSUPPORTED: LossRule("The wire has no part of this type.", "The part is left out."),
    _C.FURTHER_CHOICE: LossRule(
        "An item belongs to another choice than the first, and the wire has but one.", "It is left out."
    ),
    _C.CHOICE_DATA: LossRule("A choice has fields that the wire does not have.", "They are left out."),
    _C.ANNOTATION_UNSUPPORTED: LossRule(
        "A citation has another shape on the wire, which cannot be made of what is known.", "It is left out."
    ),
    _C.LOGPROBS_UNSUPPORTED: LossRule(
        "The wire has no log probabilities of this shape.", "They are left out."
    ),
    _C.AUDIO_UNSUPPORTED: LossRule("The wire has no spoken output.", "It is left out."),
    _C.IMAGE_UNSUPPORTED: LossRule("The wire has no previews of images.", "They are left out."),
    _C.REASONING_ENCRYPTED: LossRule(
        "Encrypted reasoning or a signature is of use to the API alone that made it.", "It is left out."
    ),
    _C.REASONING_SUMMARY: LossRule(
        "An item has both reasoning and a summary of it, and the wire has one place for them.",
        "The reasoning is written; what of its summary came later is left out.",
    ),
    _C.REFUSAL_AS_TEXT: LossRule("The wire has no refusals.", "The refusal is written as text."),
    _C.CUSTOM_TOOL_AS_FUNCTION: LossRule(
        "The wire has no calls of custom tools.",
        "A call of a function with one argument, `input`, is written when it is whole.",
    ),
    _C.CALL_NAME_MISSING: LossRule("A call has no name.", "It is left out."),
    _C.ARGUMENTS_NO_OBJECT: LossRule(
        "The arguments of a call are no JSON object, and the wire has nothing else.",
        "What had been written of them stands; on Gemini the call is left out.",
    ),
    _C.ARGUMENTS_AFTER_END: LossRule(
        "More arguments came after the object was closed.", "They are left out."
    ),
    _C.FINISH_REASON: LossRule(
        "The wire has no word for the finish reason.", "The nearest word with the same outcome is written."
    ),
    _C.LIFTED_TEXT: LossRule(
        "Text was lifted out of the arguments of a call.", "It is written only with `lifted=True`."
    ),
    _C.EVENT_UNWRITABLE: LossRule(
        "An event that is not known has no form that could be written safely.", "It is left out."
    ),
    _C.FIELD_UNSUPPORTED: LossRule("The target has no such field.", "It is left out."),
    _C.ID_CHANGED: LossRule(
        "An id does not fit the wire.", "A prefix and a digest are written, the same for call and result."
    ),
}
