"""Tool calls: which call a fragment belongs to, its id and name, and when its item begins.

A call becomes an item once its name is known. What comes of its arguments is read in `call_arguments`. The
one call in `function_call`, the field that was there before `tool_calls`, is called legacy.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.chat.call_arguments import (
    OPENING,
    argument_text,
    emit_arguments,
    has_arguments,
    is_whole,
    read_arguments,
    read_whole_arguments,
)
from deltafold.dialects.chat.state import OpenCall, OpenCalls
from deltafold.dialects.chat.table import OF_CALL, OF_CALL_ITEM, OF_FUNCTION, first
from deltafold.dialects.emitter import Emitter
from deltafold.machine.records import empty
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import copied, weight, whole_number

__all__ = ["end_calls", "read_calls", "read_legacy_call", "read_whole_calls", "read_whole_legacy_call"]

JSON: TypeAlias = dict[str, Any]

MOST_UPDATES: Final = 16
LONGEST_NAME: Final = 1024
"""Characters of a name that grows with each of its pieces."""
IDS: Final = ("id", "call_id", "tool_call_id")
"""Where the id of a call stands; some servers name it as other APIs do."""


# ------------------------------------------------------------------------------------------------- fragments


def read_calls(emitter: Emitter, calls: OpenCalls, sent: Any) -> None:
    """`tool_calls` of a delta."""
    if isinstance(sent, dict):
        sent = [sent]
    if sent is not None and not isinstance(sent, list):
        emitter.report_invalid("tool_calls", sent)
        return
    for call in sent or ():
        if isinstance(call, dict):
            read_call(emitter, calls, call)
        else:
            emitter.report_invalid("a tool call", call)


def read_call(emitter: Emitter, calls: OpenCalls, sent: JSON) -> None:
    """A fragment of a call."""
    function = function_of(sent)
    place, ident, name = place_of(emitter, sent), call_id(sent), call_name(sent, function)
    call = find_call(emitter, calls, place, ident, name, argument_text(sent, function))
    if call is None:
        call = begin_call(emitter, calls, place, custom=is_custom(sent), legacy=False)
    merge_fields(emitter, calls, call, ident, name, sent, function)
    read_arguments(emitter, call, sent, function)


def read_legacy_call(emitter: Emitter, calls: OpenCalls, function: JSON) -> None:
    """A fragment of the call in `function_call`, which has neither index nor id."""
    call = None if calls.legacy is None else calls.calls[calls.legacy]
    if call is None:
        call = begin_call(emitter, calls, None, custom=False, legacy=True)
    merge_fields(emitter, calls, call, None, call_name({}, function), {}, function)
    read_arguments(emitter, call, {}, function)


def begin_call(
    emitter: Emitter, calls: OpenCalls, place: int | None, *, custom: bool, legacy: bool
) -> OpenCall:
    """Something came of a call, which is no item yet. Raises `LimitExceeded`."""
    emitter.hold_item()
    call = OpenCall(place, len(calls.calls), custom, legacy)
    calls.add(call)
    return call


def place_of(emitter: Emitter, sent: JSON) -> int | None:
    """The wire's index of a call. It is but a name: some count from -1, and some send it as text."""
    found = sent.get("index")
    if found is None:
        return None
    if type(found) is int:
        return emitter.check_index_limit(found)
    emitter.report_invalid("the index of a call", found)
    number = whole_number(found)
    return None if number is None else emitter.check_index_limit(number)


def find_call(
    emitter: Emitter, calls: OpenCalls, place: int | None, ident: str | None, name: str, text: Any
) -> OpenCall | None:
    """Which call a fragment belongs to; None where it begins one. This is the whole rule.

    An id that is known decides. Else the index does, unless another id together with a name says that a
    new call began under an index already taken (Gemini's endpoint gives every call index 0). Without a
    name a fragment never begins a call while one is open, whatever its id (LM Studio gives each fragment
    a new one) and, where it has none, whatever its index. Without an index the fragment goes on the last
    call, unless it has a name.
    """
    known = calls.of_id(ident)
    if known is not None:
        here = known if place is None else calls.of_place(place)
        if here is not None and here.id_repeats and not name:
            return here
        if place is None or known.place is None or known.place == place:
            return None if is_other(emitter, known, name) else known
        if not name:
            return move_call(emitter, calls, known, place)
    last = calls.of_place(place)
    if last is None and place is not None and ident is None and not name:
        return find_elsewhere(emitter, calls, place) if text else None
    if last is None or not name:
        return last
    if ident is not None and last.id is not None:
        begins = not goes_on(emitter, last, name, text)  # another id, and a name
    elif not last.name:
        begins = False  # the name comes late
    elif name == last.name:
        begins = is_whole(emitter, last)  # the name comes with every fragment
    else:
        begins = has_arguments(emitter, last)  # the name comes in pieces
    if not begins:
        return last
    if place is not None:
        emitter.report_once(
            AnomalyCode.CALL_INDEX_REUSED, calls.choice_index, f"tool call index {place} has another call"
        )
    return None


def is_other(emitter: Emitter, call: OpenCall, name: str) -> bool:
    """Whether a fragment with the id of a call begins another one: its name is no more of that name."""
    if not name or not call.name or name.startswith(call.name):
        return False
    return is_whole(emitter, call)


def goes_on(emitter: Emitter, last: OpenCall, name: str, text: Any) -> bool:
    """Whether a fragment with another id and the same name goes on with a call: no arguments begin so."""
    if name != last.name or last.custom or not isinstance(text, str) or not text.strip():
        return False
    begins = text.lstrip()[0] in OPENING
    return not begins and has_arguments(emitter, last) and not is_whole(emitter, last)


def find_elsewhere(emitter: Emitter, calls: OpenCalls, place: int) -> OpenCall | None:
    """The call that mere arguments belong to under an index where none began."""
    if 0 <= place < len(calls.calls) and calls.calls[place].place is None:
        found = calls.calls[place]  # those that began without an index are counted
        if found.legacy:
            return None
        found.place = place
        calls.by_place[place] = place
        return found
    last = calls.of_place(None)
    if last is None or not last.name or last.legacy or is_whole(emitter, last):
        return None
    return move_call(emitter, calls, last, place)


def move_call(emitter: Emitter, calls: OpenCalls, call: OpenCall, place: int) -> OpenCall:
    """A call goes on under another index."""
    emitter.report_once(
        AnomalyCode.CALL_INDEX_CHANGED, calls.choice_index, f"tool call index {call.place} became {place}"
    )
    calls.by_place[place] = call.at
    return call


# --------------------------------------------------------------------------------------------- what is known


def merge_fields(
    emitter: Emitter,
    calls: OpenCalls,
    call: OpenCall,
    ident: str | None,
    name: str,
    sent: JSON,
    function: JSON,
) -> None:
    """What a fragment says of its call beside the arguments: its id, its name, fields that are not known."""
    new: JSON = {}
    if ident is not None and call.id is None:
        if calls.by_id.setdefault(ident, call.at) == call.at:
            call.id = new["call_id"] = ident
        else:
            # Results could not be told apart: this one gets an id of its own at its end.
            emitter.report_once(
                AnomalyCode.CALL_ID_REPEATED, ident[:40], f"two calls have the id {ident[:40]!r}"
            )
            call.id_repeats = True
    elif ident is not None and ident != call.id:
        emitter.report_once(AnomalyCode.CALL_ID_CHANGED, call.index, f"{call.id!r:.40} became {ident[:40]!r}")
    if name and name != call.name:
        if not call.name or name.startswith(call.name):
            call.name = new["name"] = name
            call.name_rest = []
        elif not has_arguments(emitter, call) and len(call.name) > LONGEST_NAME:
            emitter.hold_text(len(name))
            call.name_rest.append(name)
        elif not has_arguments(emitter, call):
            call.name = new["name"] = call.name + name
        else:
            emitter.report_once(
                AnomalyCode.NAME_CHANGED, call.index, f"{call.name[:40]!r} became {name[:40]!r}"
            )
        emitter.check_name(call.name, calls.choice_index)
    for source, known in ((sent, OF_CALL), (function, OF_FUNCTION)):
        for key, value in source.items():
            if key in known or empty(value) or call.more.get(key) == value:
                continue
            if key in IDS and value == ident:
                continue
            if key in OF_CALL_ITEM:
                emitter.report_once(
                    AnomalyCode.INVALID_FIELD, f"call {key[:40]}", f"a call has {key[:40]} {value!r:.40}"
                )
            else:
                call.more[key] = new[key] = copied(value)
    if call.index is None and call.name:
        start_call(emitter, calls, call)
    elif call.index is not None and new:
        update_call(emitter, calls, call, call.index, new)


def update_call(emitter: Emitter, calls: OpenCalls, call: OpenCall, index: int, new: JSON) -> None:
    """More is known of an item that had begun. It is sent at once, but not too often: that copies all
    of the item."""
    added = emitter.added.get(index)
    in_fold = index in emitter.fold.items and (added is None or not added.texts)
    late = calls.late.get(index)
    if in_fold and call.updates < MOST_UPDATES:
        call.updates += 1
        if late is not None:
            for key in new:
                late.pop(key, None)
        emitter.update_item(index, new)
        return
    if late is None:
        late = calls.late[index] = {}
    emitter.hold_text(weight(new))
    late.update(new)


def start_call(emitter: Emitter, calls: OpenCalls, call: OpenCall) -> int:
    """A call becomes an item once its name is known. Gives its index."""
    sent: JSON = {
        "type": "custom_tool_call" if call.custom else "function_call",
        "status": "in_progress",
        "call_id": call.id,
        "name": call.name,
        "input" if call.custom else "arguments": "",
        **call.more,
    }
    emitter.release_item()
    member = "function_call" if call.legacy else None
    index = call.index = emitter.begin_item(sent, choice_index=calls.choice_index, member=member)
    calls.by_item[index] = call.at
    pieces, call.pieces, call.size = call.pieces, [], 0
    text = "".join(pieces)
    emitter.release_text(len(text))
    for piece in [text] if text.isascii() else pieces:  # halves of characters have to meet
        emit_arguments(emitter, call, piece)
    return index


# ----------------------------------------------------------------------------------------------------- whole


def read_whole_calls(emitter: Emitter, calls: OpenCalls, sent: Any) -> None:
    """`tool_calls` of a message, each whole."""
    for position, call in enumerate(sent if isinstance(sent, list) else ()):
        if isinstance(call, dict):
            read_whole_call(emitter, calls, position, call)


def read_whole_call(emitter: Emitter, calls: OpenCalls, position: int, sent: JSON) -> None:
    """A message has a call whole: what had come is not sent again."""
    function, ident = function_of(sent), call_id(sent)
    known = calls.of_id(ident)
    if known is None and position < len(calls.calls):
        candidate = calls.calls[position]
        if ident is None or candidate.id is None:
            known = candidate
    if known is None:
        read_call(emitter, calls, {**sent, "index": len(calls.calls)})
    else:
        merge_fields(emitter, calls, known, ident, call_name(sent, function), sent, function)
        read_whole_arguments(emitter, known, sent, function)


def read_whole_legacy_call(emitter: Emitter, calls: OpenCalls, function: JSON) -> None:
    """A message has the call in `function_call` whole."""
    if calls.legacy is None:
        read_legacy_call(emitter, calls, function)
    else:
        call = calls.calls[calls.legacy]
        merge_fields(emitter, calls, call, None, call_name({}, function), {}, function)
        read_whole_arguments(emitter, call, {}, function)


# --------------------------------------------------------------------------------------------------- the end


def end_calls(emitter: Emitter, calls: OpenCalls, *, cancelled: bool) -> str | None:
    """Each call has an item and an id from here on. Gives the id of the call in `function_call`.

    Where the caller gave up, what is missing might have come.
    """
    legacy: str | None = None
    for call in calls.calls:
        if call.index is None:
            if not cancelled:
                emitter.report(AnomalyCode.CALL_NAME_MISSING, "a tool call ended without a name")
            start_call(emitter, calls, call)
        index = call.index
        if call.name_rest and index is not None:
            calls.late.setdefault(index, {})["name"] = call.name + "".join(call.name_rest)
        if call.id is None and index is not None:
            call.id = f"call_{index}_synthesized"
            calls.late.setdefault(index, {})["call_id"] = call.id
            if not call.legacy and not cancelled and not call.id_repeats:
                emitter.report(AnomalyCode.CALL_ID_MISSING, f"the call of {call.name[:40]!r} has no id")
        if call.legacy:
            legacy = call.id
    return legacy


# ---------------------------------------------------------------------------------------- where what stands


def function_of(sent: JSON) -> JSON:
    """What a call says of its function or custom tool. Some servers send both, one of them blank."""
    function, custom = sent.get("function"), sent.get("custom")
    if isinstance(function, dict) and (any(function.values()) or not isinstance(custom, dict)):
        return function
    if isinstance(custom, dict) and (any(custom.values()) or not isinstance(function, dict)):
        return custom
    return function if isinstance(function, dict) else {}


def is_custom(sent: JSON) -> bool:
    """Whether a call is one of a custom tool."""
    return sent.get("type") == "custom" or function_of(sent) is sent.get("custom")


def call_id(sent: JSON) -> str | None:
    """The id of a call, if it says anything."""
    for name in IDS:
        ident = sent.get(name)
        if isinstance(ident, str) and ident not in ("", "null"):
            return ident
    return None


def call_name(sent: JSON, function: JSON) -> str:
    """The name of a call, wherever a server puts it; "" where it is not sent."""
    name = first(function, "name")
    if name is None:
        name = first(sent, "name", "function_name", "tool_name")
    return name if isinstance(name, str) else ""
