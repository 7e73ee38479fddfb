"""What an API cannot say: the named losses of writing and of converting."""

from __future__ import annotations

from enum import StrEnum

import attrs

from deltafold.model.attrs_repr import Shown

__all__ = ["LOSSES", "Loss", "LossCode", "LossRule"]


class LossCode(StrEnum):
    """The name of a kind of loss. `LOSSES` says what each one means."""

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


@attrs.frozen(repr=False)
class LossRule(Shown):
    """What a loss means, and what is written in its place."""

    meaning: str
    handling: str


_C = LossCode

LOSSES: dict[LossCode, LossRule] = {
    _C.FIELD_NOT_SUPPORTED: LossRule("The API has no such field.", "The field is left out."),
    _C.VALUE_CHANGED: LossRule(
        "The API has the field, and not this value of it.", "The nearest value is written, or none."
    ),
    _C.CONTENT_NOT_SUPPORTED: LossRule(
        "The API takes no such part or item there.", "The part or item is left out."
    ),
    _C.REASONING_NOT_SUPPORTED: LossRule(
        "Reasoning goes back only to the API that signed or encrypted it.",
        "It is left out, and is never told as text.",
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
    _C.CALL_NOT_WHOLE: LossRule("The call had not come whole.", "It is left out and wants no result."),
}


@attrs.frozen(repr=False)
class Loss(Shown):
    """Something that the API written to cannot say. What was done about it is in `LOSSES[code]`."""

    code: LossCode
    message: str
    """What was lost, by the name that it had at its source."""
    output_index: int | None = None
    """The item of a response that it was part of."""
    path: str | None = None
    """Its place in a request, such as `messages[3].content[0].cache_control`."""
