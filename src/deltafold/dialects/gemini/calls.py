"""Function calls: to which call a `functionCall` belongs, and what it says of that call.

A call comes whole in one part, or begins with its name and goes on in later ones (`willContinue`), with
pieces of its arguments (`partial_arguments`). Some servers send a whole call again, with its signature or id.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.argument_text import ArgumentText
from deltafold.dialects.gemini.partial_arguments import ARGUMENTS, PieceReader, first_path, is_true
from deltafold.dialects.gemini.state import OpenCandidate, OpenFunctionCall
from deltafold.dialects.gemini.table import ARGS, MADE_ID, OF_CALL, item_members
from deltafold.machine.build import NO_ARGUMENTS
from deltafold.machine.records import empty
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import compact, copied, string

__all__ = ["cut_call", "doubt", "read_call", "take_calls_back"]

JSON: TypeAlias = dict[str, Any]


def read_call(emitter: Emitter, candidate: OpenCandidate, sent: JSON, part: JSON) -> None:
    """A functionCall, inside of its part: a call, or a piece of one that is open. The whole rule is this.

    An id that is known decides. Else a name begins a call, and what has none continues the open one.
    """
    name, ident = string(sent, "name"), string(sent, "id")
    call = candidate.calls[candidate.ids[ident]] if ident in candidate.ids else None
    if call is None and name and goes_on_by_name(candidate.call, sent, name, ident):
        call = candidate.call
    if call is None and name:
        begin_call(emitter, candidate, sent, part, name, ident or None)
        return
    if call is None:
        call = candidate.call
        if call is None or not call.open:
            if sent or call is None or not call.streamed:
                emitter.report_once(
                    AnomalyCode.CALL_NOT_OPEN, None, "a functionCall has no name, and no call is open"
                )
                emitter.out.append(e.UnknownEvent("functionCall", part))
                if sent.keys() - {"willContinue"}:
                    doubt(emitter, candidate)
            return
    if not call.open:
        if not sent.get("partialArgs"):
            read_repeated_call(emitter, candidate, call, sent, part)
            return
        # A call that is whole is sent again, in pieces: they are a value of their own.
        call.open, call.text = True, ArgumentText()
        call.text.tree = {}
    update_call(emitter, candidate, call, sent, part)
    reader = PieceReader(emitter, call)
    args = args_of(sent)
    if type(args) is dict and args:
        reader.read_members(args)
    reader.read(sent.get("partialArgs"))
    if not is_true(emitter, "willContinue", sent):
        end_call(emitter, call, reader)


def goes_on_by_name(call: OpenFunctionCall | None, sent: JSON, name: str, ident: str | None) -> bool:
    """Whether a piece with the name of the open call goes on with it.

    It does where nothing of the call's arguments came yet, or the string is open that the piece names.
    """
    if call is None or not call.open or ident or name != call.data["name"]:
        return False
    path = first_path(sent.get("partialArgs"))
    return bool(path) and (call.text is None or (call.text.tree is None and call.text.goes_on(path)))


def doubt(emitter: Emitter, candidate: OpenCandidate) -> None:
    """Arguments came that fit no call: one that came in pieces, or without any, may lack them."""
    call = candidate.call
    if call is None:
        candidate.pieces_astray = True
    elif call.open:
        call.damaged = True
    elif call.streamed or emitter.so_far(call.index, ARGUMENTS) == NO_ARGUMENTS:
        emitter.update_item(call.index, {"status": "incomplete"})


def begin_call(
    emitter: Emitter, candidate: OpenCandidate, sent: JSON, part: JSON, name: str, ident: str | None
) -> None:
    """A call begins, and ends at once unless more of it will come."""
    candidate.end_run(emitter, "completed")
    before = candidate.call
    if before is not None and before.open and (ident is None or not before.has_id):
        cut_call(emitter, before, "incomplete")  # the server did not say whether that one is whole
    made = MADE_ID.format(emitter.free_index())
    data: JSON = {"type": "function_call", "call_id": made if ident is None else ident, "name": name}
    data |= call_members(sent, part)
    index = candidate.begin_item(emitter, {**data, "arguments": "", "status": "in_progress"})
    call = candidate.calls[index] = OpenFunctionCall(index, data)
    candidate.newest = index
    if ident is not None:
        candidate.ids[ident] = index
        call.has_id = True
    args, pieces = args_of(sent), sent.get("partialArgs")
    more = is_true(emitter, "willContinue", sent)
    if not more and not pieces:
        emitter.emit_whole_value(index, "arguments", ARGUMENTS, arguments_of(emitter, args), whole=True)
        emitter.finish_item(index, "completed")
        return
    call.streamed = call.open = True
    call.damaged = candidate.pieces_astray
    candidate.pieces_astray = False
    reader = PieceReader(emitter, call)
    if type(args) is dict and args:
        reader.read_members(args)
    elif args is not None and type(args) is not dict:
        emitter.report_invalid("args", args)
    reader.read(pieces)
    if not more:
        end_call(emitter, call, reader)


def args_of(sent: JSON) -> Any:
    """The arguments of a call that came as a value, wherever a relay puts them."""
    for name in ARGS:
        if sent.get(name) is not None:
            return sent[name]
    return None


def arguments_of(emitter: Emitter, args: Any) -> str:
    """The JSON text of arguments that came as a value."""
    if args is None:
        return "{}"
    if type(args) is dict:
        return compact(args)
    emitter.report_invalid("args", args)
    return (args or "{}") if isinstance(args, str) else compact(args)


def call_members(sent: JSON, part: JSON) -> JSON:
    """Members of a call beside its id, name and arguments: its thought signature, and those not known."""
    inside = {key: value for key, value in sent.items() if key not in OF_CALL and value is not None}
    beside = {key: value for key, value in part.items() if key != "functionCall" and not empty(value)}
    signature = sent.get("thoughtSignature")  # where some proxies put it
    if "thoughtSignature" not in beside and not empty(signature):
        beside["thoughtSignature"] = signature
    if beside.get("thought") is False:
        del beside["thought"]
    members: JSON = item_members(dict(copied(beside)))
    if inside:
        members["functionCall"] = copied(inside)
    return members


def update_call(
    emitter: Emitter, candidate: OpenCandidate, call: OpenFunctionCall, sent: JSON, part: JSON
) -> None:
    """More is known of a call: its id, another name, a signature."""
    known, new = call.data, call_members(sent, part)
    ident, name = string(sent, "id"), string(sent, "name")
    if ident and ident != known["call_id"]:
        if known["call_id"] in candidate.ids:
            emitter.report_once(AnomalyCode.CALL_ID_CHANGED, call.index, f"the id became {ident[:40]!r}")
        candidate.ids[ident] = call.index
        call.has_id = True
        new["call_id"] = ident
    if name and name != known["name"]:
        emitter.report_once(
            AnomalyCode.NAME_CHANGED, call.index, f"{known['name']!r:.40} became {name[:40]!r}"
        )
        new["name"] = name
    news = {key: value for key, value in new.items() if known.get(key) != value}
    if news:
        known.update(news)
        emitter.update_item(call.index, news)


def read_repeated_call(
    emitter: Emitter, candidate: OpenCandidate, call: OpenFunctionCall, sent: JSON, part: JSON
) -> None:
    """A call that is whole is sent again."""
    update_call(emitter, candidate, call, sent, part)
    args = args_of(sent)
    if not empty(args):
        text = arguments_of(emitter, args)
        emitter.emit_whole_value(call.index, "arguments", ARGUMENTS, text, whole=True)


def end_call(emitter: Emitter, call: OpenFunctionCall, reader: PieceReader) -> None:
    """The server said that the call is whole."""
    reader.end()
    call.open = False
    call.text = None
    if not emitter.has_ended(call.index):
        emitter.finish_item(call.index, "incomplete" if call.damaged else "completed")
    elif call.damaged:
        emitter.update_item(call.index, {"status": "incomplete"})


def cut_call(emitter: Emitter, call: OpenFunctionCall, status: str | None) -> None:
    """A call ends of which the server did not say that it is whole: its text stays open."""
    if emitter.has_ended(call.index):
        call.open, call.text = False, None  # it was whole, and was being sent again
        return
    PieceReader(emitter, call).cut()
    if status is not None:
        emitter.report_once(
            AnomalyCode.CALL_NOT_ENDED, call.index, "a call was to go on, and nothing more of it came"
        )
    call.open = False
    call.text = None
    emitter.finish_item(call.index, status)


def take_calls_back(emitter: Emitter, choices: set[int]) -> None:
    """The server says that calls of these candidates are malformed or not allowed: none is to be run."""
    for index, record in emitter.fold.items.items():
        if record.type != "function_call" or record.choice_index not in choices:
            continue
        if record.data.get("status") == "completed":
            emitter.emit_item(index, {**emitter.take_update(index), "status": "incomplete"})
