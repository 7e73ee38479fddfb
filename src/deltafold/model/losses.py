"""What an API cannot say: the named losses of writing and of converting."""

from __future__ import annotations

from enum import StrEnum

from deltafold.model.frozen import frozen

__all__ = ["LOSSES", "Loss", "LossCode", "LossRule"]


class LossCode(StrEnum):
    """The name of a kind of loss. `LOSSES` says what each one means."""

    # streams and responses
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
    # requests and turns
    FIELD_NOT_SUPPORTED = "field_not_supported"
    VALUE_CHANGED = "value_changed"
    CONTENT_NOT_SUPPORTED = "content_not_supported"
    REASONING_NOT_SUPPORTED = "reasoning_not_supported"
    INSTRUCTIONS_MOVED = "instructions_moved"
    ARGUMENTS_NOT_AN_OBJECT = "arguments_not_an_object"
    ERROR_FLAG_NOT_SUPPORTED = "error_flag_not_supported"
    TOOL_NOT_SUPPORTED = "tool_not_supported"
    CONVERSATION_MISSING = "conversation_missing"
    CALL_NOT_WHOLE = "call_not_whole"


@frozen
class LossRule:
    """What a loss means, and what is written in its place."""

    meaning: str
    handling: str


_C = LossCode

LOSSES: dict[LossCode, LossRule] = {
    _C.VALUE_REPLACED: LossRule(
        "A value was corrected after it had been written.",
        "What was written stands; the final value goes where the wire tells whole values.",
    ),
    _C.LATE_FRAGMENT: LossRule(
        "A fragment came after its item had been sent whole.",
        "It stands in the end of the response, where the wire has a place for it.",
    ),
    _C.ITEM_UNSUPPORTED: LossRule("The wire has no item of this type.", "The item is left out."),
    _C.PART_UNSUPPORTED: LossRule(
        "The wire has no part of this type, or not in an item of that type.", "The part is left out."
    ),
    _C.FURTHER_CHOICE: LossRule(
        "An item belongs to another choice than the first, or that has no item, and the wire has but one.",
        "It is left out.",
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
        "The call is left out, but for what had been written of it, and the response ends as if a limit had "
        "cut it.",
    ),
    _C.ARGUMENTS_AFTER_END: LossRule(
        "More arguments came after the object was closed.", "They are left out."
    ),
    _C.FINISH_REASON: LossRule(
        "The wire has no word for the finish reason, or a call could not be written as it is.",
        "The nearest word with the same outcome is written, or that of a limit.",
    ),
    _C.LIFTED_TEXT: LossRule(
        "Text was lifted out of the arguments of a call.", "It is written only with `lifted=True`."
    ),
    _C.EVENT_UNWRITABLE: LossRule(
        "An event that is not known, or a member, could not be written without being read as something else.",
        "It is left out.",
    ),
    _C.FIELD_NOT_SUPPORTED: LossRule("The API has no such field.", "The field is left out."),
    _C.VALUE_CHANGED: LossRule(
        "The API has the field, and not this value of it.", "The nearest value is written, or none."
    ),
    _C.CONTENT_NOT_SUPPORTED: LossRule(
        "The API takes no such part or item there.", "The part or item is left out."
    ),
    _C.REASONING_NOT_SUPPORTED: LossRule(
        "Reasoning goes back only to the API that signed or encrypted it.",
        "It is left out, and is never written as text.",
    ),
    _C.INSTRUCTIONS_MOVED: LossRule(
        "The API takes no instructions at that place of the conversation.",
        "They stand among the first instructions.",
    ),
    _C.ARGUMENTS_NOT_AN_OBJECT: LossRule(
        "The API takes objects alone as arguments, and these are none.", "An empty object is written."
    ),
    _C.ERROR_FLAG_NOT_SUPPORTED: LossRule(
        "The API cannot mark the result of a call as an error.", "The result goes without the mark."
    ),
    _C.TOOL_NOT_SUPPORTED: LossRule("The API has no such tool.", "The tool is left out."),
    _C.CONVERSATION_MISSING: LossRule(
        "The request goes on with a conversation or an item that its server has stored.",
        "What is stored is missing in the request.",
    ),
    _C.CALL_NOT_WHOLE: LossRule(
        "The call had not come whole.",
        "It is left out and wants no result. A stream may leave it open, and ends as if a limit had cut it; "
        "where the call had been written as whole, it ends in an error.",
    ),
}


@frozen
class Loss:
    """Something that the API written to cannot say. What was done about it is in `LOSSES[code]`."""

    code: LossCode
    message: str
    """What was lost, by the name that it had at its source."""
    output_index: int | None = None
    """The item of a response that it was part of."""
    path: str | None = None
    """Its place in a request, such as `messages[3].content[0].cache_control`."""
