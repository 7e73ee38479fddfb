"""A candidate: its content, and what the server says of it: finish reason, citations, grounding, logprobs.

A finish reason may come with every chunk: the last one counts. Members that a chunk repeats say nothing new;
citations and logprobs go on from chunk to chunk, and of grounding each chunk may bring other members.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.calls import cut_call
from deltafold.dialects.gemini.parts import read_part
from deltafold.dialects.gemini.state import OpenCandidate
from deltafold.dialects.gemini.table import (
    LISTS_OF_PIECES,
    MERGED,
    OF_CANDIDATE,
    finish_word,
    stop_of,
)
from deltafold.machine import make
from deltafold.machine.lifecycle import COMPLETED
from deltafold.machine.records import empty
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import copied

__all__ = ["end_candidate", "listed", "read_candidate"]

JSON: TypeAlias = dict[str, Any]


def read_candidate(emitter: Emitter, candidate: OpenCandidate, sent: JSON) -> None:
    """What a chunk brings of a candidate."""
    content = sent.get("content")
    if type(content) is list:
        emitter.report_invalid("content", content)
        content = {"parts": content}
    if type(content) is dict:
        parts = listed(emitter, "parts", content.get("parts"))
        if type(parts) is list:
            for part in parts:
                if type(part) is dict:
                    read_part(emitter, candidate, part)
                elif part is not None:
                    report_unreadable(emitter, candidate, "part", part)
        elif parts is not None:
            report_unreadable(emitter, candidate, "parts", parts)
    elif content is not None:
        report_unreadable(emitter, candidate, "content", content)
    read_members(emitter, candidate, sent, content if type(content) is dict else {})


def report_unreadable(emitter: Emitter, candidate: OpenCandidate, what: str, value: Any) -> None:
    """What should have been content is none: a call that is open may lack a piece of its arguments."""
    emitter.report_invalid(what, value)
    call = candidate.call
    if call is not None and call.open:
        call.damaged = True


def listed(emitter: Emitter, what: str, value: Any) -> Any:
    """An array, of which an only element may have come bare."""
    if type(value) is not dict or not value:
        return value
    emitter.report_invalid(what, value)
    return [value]


def read_members(emitter: Emitter, candidate: OpenCandidate, sent: JSON, content: JSON) -> None:
    """What is said of a candidate, and of its content, beside its parts."""
    new: JSON = {}
    for key, value in sent.items():
        if key in OF_CANDIDATE or empty(value):
            continue
        if key in LISTS_OF_PIECES or key in MERGED:
            if type(value) is dict:
                value = new_pieces(candidate, key, value)
                if value:
                    new[key] = value
            else:
                emitter.report_invalid(key, value)
        elif value != candidate.known.get(key):
            candidate.known[key] = new[key] = copied(value)
    beside = {}
    for key, value in content.items():
        if key != "parts" and value != candidate.content.get(key) and (key != "role" or value != "model"):
            beside[key] = copied(value)
    if beside:
        candidate.content.update(beside)
        new["content"] = beside
    word = finish_word(sent.get("finishReason"))
    if word is not None and word != candidate.finish_reason:
        candidate.finish_reason = word
        if stop_of(word) is None:
            emitter.report_once(
                AnomalyCode.FINISH_REASON_UNKNOWN, word[:60], f"{word[:60]!r} is a word of no table"
            )
    elif not new:
        return
    candidate.announced = True
    emitter.out.append(make.choice_updated(candidate.index, candidate.finish_reason, new))


def new_pieces(candidate: OpenCandidate, key: str, sent: JSON) -> JSON:
    """What is new in a member that comes in pieces: citationMetadata, groundingMetadata, logprobsResult."""
    new: JSON = {}
    for name, value in sent.items():
        place = f"{key}.{name}"
        if empty(value) and place in candidate.known:
            continue
        if key == "citationMetadata" and type(value) is list:
            entries = []
            for entry in value:
                cited = name + json.dumps(entry, sort_keys=True)
                if cited not in candidate.cited:
                    candidate.cited[cited] = None
                    entries.append(copied(entry))
            if entries or place not in candidate.known:
                candidate.known[place] = None
                new[name] = entries
        elif key in MERGED:
            if place not in candidate.known or value != candidate.known[place]:
                candidate.known[place] = new[name] = copied(value)
        else:
            candidate.known[place] = None
            new[name] = copied(value)
    return new


def end_candidate(emitter: Emitter, candidate: OpenCandidate, closes: str | None) -> None:
    """Nothing more of a candidate will come. What is open in it stays so where `closes` is None."""
    stop = None if candidate.finish_reason is None else stop_of(candidate.finish_reason)
    cut = stop is not None and stop.outcome is not COMPLETED
    if not candidate.announced:
        emitter.out.append(make.choice_updated(candidate.index, candidate.finish_reason, {}))
    if closes is not None:
        run = candidate.run
        is_last = run is not None and run.index == candidate.last
        candidate.end_run(emitter, "incomplete" if cut and is_last else "completed")
    for call in candidate.calls.values():
        if call.open:
            cut_call(emitter, call, None if closes is None else "incomplete")
