"""The arguments of a call: text that comes in fragments, and what of a fragment is new.

Some servers send `{}` before or after the arguments, some send the arguments so far again with each fragment,
or all of them at the end. What comes before the name of a call is kept until the item begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from deltafold.dialects.chat.state import OpenCall
from deltafold.dialects.chat.table import first
from deltafold.dialects.emitter import Emitter
from deltafold.machine.evidence import EMPTY_ARGUMENTS
from deltafold.machine.records import begins
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import compact, is_same_json
from deltafold.wire.json_text import is_strict_json

__all__ = ["OPENING", "emit_arguments", "emit_held", "has_arguments", "is_whole", "may_repeat"]

JSON: TypeAlias = dict[str, Any]

# Whether arguments that begin again are those of the same call is seen by parsing what came so far. Text full
# of braces must not make that quadratic.
MOST_CHECKS: Final = 16
ARGUMENTS: Final = ("arguments", "input", "parameters")
"""Where the arguments of a function stand; some servers pass the model's own word on."""
OPENING: Final = "{["
CLOSING: Final = ("}", "]")


def argument_text(sent: JSON, function: JSON) -> Any:
    """The arguments, wherever a server puts them."""
    text = first(function, *ARGUMENTS)
    return first(sent, "arguments", "input") if text is None else text


# -------------------------------------------------------------------------------------- what has come so far


def so_far(emitter: Emitter, call: OpenCall) -> str:
    """The arguments as they came."""
    if call.index is None:
        return "".join(call.pieces)
    return emitter.sent_so_far(call.index, call.key)


def size_so_far(emitter: Emitter, call: OpenCall) -> int:
    """How many characters `so_far()` has, without joining them."""
    if call.index is None:
        return call.size
    raw = emitter.lifts.raw(call.index)
    return emitter.size_so_far(call.index, call.key) if raw is None else raw.size()


def pieces_so_far(emitter: Emitter, call: OpenCall) -> Iterator[str]:
    """The pieces of the arguments so far, without joining them."""
    if call.index is None:
        return iter(call.pieces)
    raw = emitter.lifts.raw(call.index)
    return emitter.pieces(call.index, call.key) if raw is None else iter(raw.fragments)


def pieces_back(emitter: Emitter, call: OpenCall) -> Iterator[str]:
    """The same, the last one first."""
    if call.index is None:
        return reversed(call.pieces)
    raw = emitter.lifts.raw(call.index)
    return emitter.pieces_back(call.index, call.key) if raw is None else reversed(raw.fragments)


def has_arguments(emitter: Emitter, call: OpenCall) -> bool:
    """Whether any of the arguments have come."""
    if call.held:
        return True
    for piece in pieces_back(emitter, call):  # noqa: SIM110 - a loop is cheaper here than a generator
        if piece:
            return True
    return False


def is_whole(emitter: Emitter, call: OpenCall) -> bool:
    """Whether the arguments so far are a whole object or array."""
    if call.held:
        return True
    if not ends_as_json(emitter, call):
        return False
    size = size_so_far(emitter, call)
    if call.checks >= MOST_CHECKS and size < 2 * call.checked:
        return False
    call.checks += 1
    call.checked = size
    return is_strict_json(so_far(emitter, call))


def ends_as_json(emitter: Emitter, call: OpenCall) -> bool:
    """Whether the arguments so far may be whole by their last character, wherever they were cut."""
    for piece in pieces_back(emitter, call):
        if piece and not piece.isspace():
            return piece.rstrip().endswith(("}", "]"))
    return False


def first_piece_begins(emitter: Emitter, call: OpenCall, text: str) -> bool:
    """Whether a fragment begins as the arguments did, and not just with the same bracket."""
    if len(text) == 1:
        return False
    return text.startswith(next((piece for piece in pieces_so_far(emitter, call) if piece), ""))


# ------------------------------------------------------------------------------------------------- fragments


def read_arguments(emitter: Emitter, call: OpenCall, sent: JSON, function: JSON) -> None:
    """A fragment of the arguments."""
    text = argument_text(sent, function)
    if isinstance(text, (dict, list)):
        text = written(emitter, call, text)
    elif text is not None and not isinstance(text, str):
        emitter.report_invalid("arguments", text)
        call.is_odd = True
        call.gap = call.gap or size_so_far(emitter, call)
        return
    if not text:
        return
    if not call.custom:
        if text.strip() == "{}" and (call.held or not has_arguments(emitter, call)):
            if call.held:
                report_repetition(emitter, call, "the arguments came again")
            call.held = text
            return
        if call.held:
            held, call.held = call.held, ""
            if text.lstrip().startswith("{"):
                report_repetition(emitter, call, "`{}` came before the arguments")
            else:
                emit_arguments(emitter, call, held)
        text = new_text(emitter, call, text)
    emit_arguments(emitter, call, text)


def written(emitter: Emitter, call: OpenCall, value: Any) -> str:
    """Arguments that are a JSON value, as text."""
    emitter.report_once(
        AnomalyCode.ARGUMENTS_NOT_TEXT, call.index, f"the arguments are a {type(value).__name__}"
    )
    return compact(value)


def new_text(emitter: Emitter, call: OpenCall, text: str) -> str:
    """What of a fragment is new: some servers send the arguments so far again, or all of them."""
    if text[0] not in OPENING or not has_arguments(emitter, call) or not may_repeat(emitter, call, text):
        return text
    if call.cumulative or is_whole(emitter, call):
        if text.strip() in EMPTY_ARGUMENTS:
            report_repetition(emitter, call, "`{}` came after the arguments")
            return ""
        size = size_so_far(emitter, call)
        if begins(pieces_so_far(emitter, call), text[:size]):
            report_repetition(emitter, call, "the arguments came again")
            return text[size:]
        if text.rstrip().endswith(CLOSING) and is_same_json(text, so_far(emitter, call)):
            report_repetition(emitter, call, "the arguments came again in another spelling")
            return ""
    elif size_so_far(emitter, call) <= len(text) and first_piece_begins(emitter, call, text):
        known = so_far(emitter, call)
        if text.startswith(known) and not is_json_prefix(known + text):
            report_repetition(emitter, call, "the arguments so far came again")
            call.cumulative = True
            return text[len(known) :]
    return text


def may_repeat(emitter: Emitter, call: OpenCall, text: str) -> bool:
    """Whether a fragment that opens something may hold what has come before: cheap tests before the dear
    ones."""
    return call.cumulative or ends_as_json(emitter, call) or first_piece_begins(emitter, call, text)


def report_repetition(emitter: Emitter, call: OpenCall, message: str) -> None:
    """Reports that arguments came more than once."""
    emitter.report_once(AnomalyCode.ARGUMENTS_REPEATED, call.index, message)


def emit_arguments(emitter: Emitter, call: OpenCall, text: str) -> None:
    """Arguments are handed on, or kept until the name is known."""
    if not text:
        return
    if call.index is None:
        emitter.hold_text(len(text))
        call.pieces.append(text)
        call.size += len(text)
    else:
        emitter.emit_text(call.index, "arguments", call.key, text)


def emit_held(emitter: Emitter, call: OpenCall) -> bool:
    """The call ends: arguments that were held back are handed out. Gives whether those are what was sent.

    A call of which arguments came that could not be read is no call without arguments, and one that such came
    in the midst of is not whole.
    """
    held, call.held = call.held, ""
    emit_arguments(emitter, call, held)
    if call.gap and (call.custom or call.gap < size_so_far(emitter, call)):
        return False
    return not call.is_odd or has_arguments(emitter, call)


def is_json_prefix(text: str) -> bool:
    """Whether a text may go on to be JSON."""
    from deltafold.arguments.reader import ArgumentsReader

    reader = ArgumentsReader()
    reader.feed(text)
    return reader.error is None


# ----------------------------------------------------------------------------------------------------- whole


def read_whole_arguments(emitter: Emitter, call: OpenCall, sent: JSON, function: JSON) -> None:
    """A message has the arguments whole: what had come is not sent again."""
    text = argument_text(sent, function)
    if isinstance(text, (dict, list)):
        text = written(emitter, call, text)
    if not isinstance(text, str) or not text:
        return
    call.gap = 0
    size = size_so_far(emitter, call)
    if size + len(call.held) <= len(text) and text.startswith(so_far(emitter, call) + call.held):
        if len(text) == size + len(call.held):
            return
        if call.index is not None:
            # The other half of a pair is sent with it.
            emitter.pending_surrogates.pop((call.index, call.key), None)
        call.held = ""
        emit_arguments(emitter, call, text[size:])
    elif call.index is not None:
        if call.held:
            report_repetition(emitter, call, "`{}` came before the arguments")
        call.held = ""
        emitter.emit_whole_value(call.index, "arguments", call.key, text, whole=False)
    else:
        emitter.report(AnomalyCode.VALUE_CONTRADICTED, "the message tells other arguments than were streamed")
        call.held = ""
        emitter.release_text(call.size)
        call.pieces, call.size = [], 0
        emit_arguments(emitter, call, text)
