"""Parts of a candidate's content: text, thoughts with their signatures, and parts of every other kind.

Consecutive parts of text are one message, consecutive thoughts one reasoning item. A part with a signature of
its own, or with members that are not known, is a part by itself and joined to no other, so that all of it
can be sent back. Any other part is an item, whole as it comes; a function call is read in `calls`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.calls import doubt, read_call
from deltafold.dialects.gemini.partial_arguments import is_true
from deltafold.dialects.gemini.state import OpenCandidate, OpenRun
from deltafold.dialects.gemini.table import BARE, DATA, SIDE, item_members
from deltafold.machine.values import MODELLED
from deltafold.model import events as e
from deltafold.model.json_values import copied

__all__ = ["read_part"]

JSON: TypeAlias = dict[str, Any]

MESSAGE: Final = "message"
REASONING: Final = "reasoning"


def read_part(emitter: Emitter, candidate: OpenCandidate, part: JSON) -> None:
    """A part of the content, in which the proto allows but one kind of data: some servers send two."""
    text = part.get("text")
    if type(text) is str:
        thought = part.get("thought")
        if not part.keys() - BARE and (thought is None or type(thought) is bool):
            if text:
                read_text(emitter, candidate, text, {}, thought=thought is True)
            return
        rest = {key: value for key, value in part.items() if key not in BARE and value is not None}
        if "functionCall" not in rest and DATA.isdisjoint(rest):
            if rest.get("thoughtSignature") == "":
                del rest["thoughtSignature"]  # says nothing, and may not be sent back
            is_thought = thought is True
            if thought is not None and type(thought) is not bool:
                is_thought = is_true(emitter, "thought", part)
                if not is_thought:
                    rest["thought"] = thought
            if text or rest:
                read_text(emitter, candidate, text, rest, thought=is_thought)
            return
        if text:
            read_text(emitter, candidate, text, {}, thought=thought is True)
        part = {key: value for key, value in part.items() if key != "text"}
    call = part.get("functionCall")
    if type(call) is dict:
        read_call(emitter, candidate, call, part)
        return
    for name in ("text", "functionCall"):
        if part.get(name) is not None:
            emitter.report_invalid(name, part[name])
            emitter.out.append(e.UnknownEvent("part", part))
            if name == "functionCall":
                doubt(emitter, candidate)
            return
    fields = {key: value for key, value in part.items() if value is not None}
    if fields and not (len(fields) == 1 and fields.get("thoughtSignature") == ""):
        read_other_part(emitter, candidate, fields)


def read_text(emitter: Emitter, candidate: OpenCandidate, text: str, more: JSON, *, thought: bool) -> None:
    """Text or thought, with what else its part says: its thought signature, and what is not known."""
    kind = REASONING if thought else MESSAGE
    run = candidate.run
    if run is None or run.kind != kind:
        candidate.end_run(emitter, "completed")
        run = candidate.run = OpenRun(kind, candidate.begin_item(emitter, blank_item(kind)))
    if more or not run.joins:
        emitter.begin_part(run.index, "content", run.parts, blank_part(kind, more))
        run.parts += 1
        run.joins = not more
    if text:
        key = ("content", run.parts - 1, "text")
        emitter.emit_text(run.index, "reasoning" if thought else "text", key, text)


def read_other_part(emitter: Emitter, candidate: OpenCandidate, fields: JSON) -> None:
    """A part of another kind: code and its result, a file, a call of a server's tool and its response."""
    candidate.end_run(emitter, "completed")
    data = {"type": data_key(fields), "status": "in_progress", **item_members(copied(fields))}
    emitter.finish_item(candidate.begin_item(emitter, data), "completed")


def data_key(fields: JSON) -> str:
    """The member of a part that is its data."""
    for key in fields:
        if key not in SIDE:
            return "part" if key in MODELLED else key
    return next(iter(fields))


def blank_item(kind: str) -> JSON:
    """A message or reasoning item as it begins."""
    if kind == REASONING:
        return {"type": "reasoning", "summary": [], "content": []}
    return {"type": "message", "role": "assistant", "status": "in_progress", "content": []}


def blank_part(kind: str, more: JSON) -> JSON:
    """A part of text as it begins, without its text."""
    members = item_members(dict(copied(more))) if more else {}
    if kind == REASONING:
        return {"type": "reasoning_text", "text": "", **members}
    return {"type": "output_text", "text": "", "annotations": [], **members}
