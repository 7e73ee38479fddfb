"""Gemini: streamGenerateContent and generateContent, of AI Studio, Vertex AI, Code Assist and their relays.

Each payload is a GenerateContentResponse: candidates with parts, and metadata. Consecutive parts of text are
one message, consecutive thoughts one reasoning item, each function call and each part of another kind is an
item; they are numbered in the order of their appearance.

No payload is the end. A finish reason may come with every chunk (Vertex, Gemini 1.0), before the text, or
after it in a chunk without content, and usage may follow: the end is the end of the transport.

This file reads a payload and what the response says of itself. Each candidate is read in `candidates`, its
parts in `parts`, function calls in `calls` and `partial_arguments`, counts in `usage`, and `ending` decides
how the response ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, is_error_payload
from deltafold.dialects.base import ErrorTerminatedDialect, HotPieces, Tallies, error_beside
from deltafold.dialects.claims import dialect_of
from deltafold.dialects.gemini.argument_text import ArgumentText, Container
from deltafold.dialects.gemini.calls import take_calls_back
from deltafold.dialects.gemini.candidates import end_candidate, listed, read_candidate
from deltafold.dialects.gemini.ending import outcome_of
from deltafold.dialects.gemini.hot_pieces import GeminiPieces, brings_one_piece
from deltafold.dialects.gemini.state import OpenCandidate, OpenFunctionCall, OpenRun
from deltafold.dialects.gemini.table import (
    BARE,
    COUNTS,
    OF_DOCUMENT,
    OF_RESPONSE,
    block_word,
    camelled,
    is_snake,
    stop_of,
)
from deltafold.dialects.gemini.usage import LatestUsage, counts_anything
from deltafold.machine import make
from deltafold.machine.fold import Emitted, Fold
from deltafold.machine.lifecycle import ITEM_STATUS_AT_END, TRUNCATED
from deltafold.machine.records import empty
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded
from deltafold.model.json_values import copied
from deltafold.model.response import Outcome
from deltafold.wire.json_text import Paths, ReportAnomaly

__all__ = ["GeminiDialect"]

JSON: TypeAlias = dict[str, Any]

TEXT: Final = ("candidates", 0, "content", "parts", 0, "text")


class GeminiDialect(ErrorTerminatedDialect):
    """Translates the payloads of one stream."""

    name = "gemini"
    fragments: ClassVar[Paths] = frozenset(
        (*outer, "candidates", "content", "parts", *inner)
        for outer in ((), ("response",))
        for inner in (
            ("text",),
            ("functionCall", "partialArgs", "stringValue"),
            ("function_call", "partial_args", "string_value"),
        )
    )
    """Where pieces of a longer text stand."""
    state_classes: ClassVar[tuple[tuple[type, int], ...]] = (
        (ArgumentText, 0),
        (Container, 2),
        (OpenFunctionCall, 2),
        (OpenCandidate, 1),
        (OpenRun, 2),
        (LatestUsage, 0),
    )

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *ErrorTerminatedDialect.SNAPSHOT_FIELDS,
        "known",
        "usage",
        "block_reason",
        "candidates",
    )
    __slots__ = SNAPSHOT_FIELDS[len(ErrorTerminatedDialect.SNAPSHOT_FIELDS) :]

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.known: JSON = {}
        """What was handed on of the response's own members."""
        self.usage = LatestUsage()
        self.block_reason: str | None = None
        """Why the prompt was refused."""
        self.candidates: dict[int, OpenCandidate] = {}

    # ---------------------------------------------------------------------------------------- the parser

    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""
        self.begin_payload()
        if self.ended:
            kind = payload.get("type")
            if not isinstance(kind, str) or kind not in self.heartbeats:
                self.report_once(AnomalyCode.EVENT_AFTER_END, None, "a chunk came after the end")
        else:
            self._payload(payload, name)
        return self.out

    def translate_body(self, payload: JSON) -> list[Emitted]:
        """A whole body that is one JSON object: it looks like the one chunk of a stream."""
        return self.translate(payload, "")

    def can_begin(self, payload: JSON, name: str) -> bool | None:
        """Whether a response may begin with a payload; None where that belongs to no response."""
        inner = unwrapped(payload)
        return None if OF_RESPONSE.isdisjoint(inner) and not is_snake(inner) else True

    def text_path(
        self, payload: JSON, event: Any
    ) -> tuple[tuple[str | int, ...], tuple[str, Callable[[str], bool]] | None] | None:
        """Where the text of an event stands in the payload that made it.

        Payloads that are equal in all else say nothing new: neither members of the response nor of the
        candidate, nor usage. So the text alone makes an event, as long as its run goes on.
        """
        inner = unwrapped(payload)
        part = self._only_part(inner)
        if part is None or part.keys() - BARE or part.get("text") != event.text:
            return None
        return TEXT if inner is payload else ("response", *TEXT), None

    def hot_pieces(self, payload: JSON) -> HotPieces | None:
        """What makes text of a piece of arguments, where a payload brings nothing else that is new.

        Members that tell something new would have made events of their own.
        """
        inner = unwrapped(payload)
        part = self._only_part(inner)
        if part is None or self.lifts.declared or self.failing is not None or not brings_one_piece(part):
            return None
        index = inner["candidates"][0].get("index", 0)
        candidate = self.candidates.get(index) if type(index) is int else None
        return None if candidate is None else GeminiPieces(self, candidate)

    def _only_part(self, inner: JSON) -> JSON | None:
        """The part of a payload that has but one, unless others like it may say something else.

        What counts no tokens is laid over what was counted before.
        """
        candidates, usage = inner.get("candidates"), inner.get("usageMetadata")
        if self.pending_surrogates or is_snake(inner) or type(candidates) is not list or len(candidates) != 1:
            return None
        if type(usage) is dict and not counts_anything(usage):
            return None
        content = candidates[0].get("content")
        parts = content.get("parts") if type(content) is dict else None
        return parts[0] if type(parts) is list and len(parts) == 1 else None

    def tallies(self, payload: JSON) -> Tallies | None:
        """The usage that a chunk of text brings, and which counts of tokens stand in it."""
        usage = unwrapped(payload).get("usageMetadata")
        if type(usage) is not dict:
            return None
        return Tallies(usage, tuple([name for name in COUNTS if type(usage.get(name)) is int]))

    def tally(self, tallies: Tallies) -> None:
        """A chunk with such a usage came, by the short cut."""
        self.usage.tallied = tallies

    def getstate(self) -> dict[str, Any]:
        """All that the translator remembers, by name."""
        self.usage.catch_up()
        return super().getstate()

    # -------------------------------------------------------------------------------------- a payload

    def _payload(self, payload: JSON, name: str) -> None:
        inner = unwrapped(payload)
        if is_snake(inner):
            inner = camelled(inner)
        if OF_RESPONSE.isdisjoint(inner):
            self._other_payload(payload, inner, name)
            return
        candidates = listed(self, "candidates", inner.get("candidates"))
        if candidates is None:
            found = dialect_of(payload, name)
            if found is not None and found != self.name:
                self._wrong_dialect(payload, found)
                return
        self._members(inner, payload if inner is not payload and "response" in payload else None)
        failed: JSON | None = None
        if type(candidates) is list:
            seen: set[int] = set()
            for position, sent in enumerate(candidates):
                if type(sent) is dict:
                    # An index of 0 is left out. Where several have none, their order decides.
                    index = self.index(sent, "index", "the index of a candidate")
                    if index is None:
                        index = 0 if 0 not in seen else position
                    seen.add(index)
                    read_candidate(self, self._candidate(index), sent)
                    if failed is None and error_beside(sent) is not None:
                        failed = sent
                else:
                    self.report_invalid("candidate", sent)
        elif candidates is not None:
            self.report_invalid("candidates", candidates)
        self.usage.read(self, inner.get("usageMetadata"))
        if error_beside(inner) is not None or (candidates is None and is_error_payload(inner)):
            failed = inner
        if failed is not None:
            self._error(failed)

    def _other_payload(self, payload: JSON, inner: JSON, name: str) -> None:
        """A payload that is no GenerateContentResponse."""
        kind = payload.get("type")
        found = dialect_of(payload, name)
        if isinstance(kind, str) and kind in self.heartbeats:
            self.out.append(e.Heartbeat(str(kind)))
        elif found is not None and found != self.name:
            self._wrong_dialect(payload, found)
        elif is_error_payload(payload) or name == "error":
            self._error(payload)
        elif is_error_payload(inner):
            self._error(inner)
        else:
            self.out.append(e.UnknownEvent(kind if isinstance(kind, str) else name, payload))

    def _candidate(self, index: int) -> OpenCandidate:
        candidate = self.candidates.get(index)
        if candidate is None:
            self.check_index_limit(index)
            if len(self.candidates) >= self.fold.limits.items:
                raise LimitExceeded("items", self.fold.limits.items)
            candidate = self.candidates[index] = OpenCandidate(index)
        return candidate

    def _members(self, inner: JSON, outer: JSON | None) -> None:
        """The members of the response beside its candidates and usage. Repeated ones say nothing new."""
        known, new = self.known, {}
        for key, value in inner.items():
            if key in ("candidates", "usageMetadata", "error") or value == known.get(key) or empty(value):
                continue
            if key == "responseId" and key in known:
                self.report_once(
                    AnomalyCode.RESPONSE_ID_CHANGED, None, f"{known[key]!r:.40} became {value!r:.40}"
                )
            elif key != "promptFeedback" or key not in known or (self.block_reason is None and blocks(value)):
                new[key] = value
        for key, value in outer.items() if outer is not None else ():
            if key != "response" and key not in inner and value != known.get(key) and not empty(value):
                new[key] = value
        if not new and self.started:
            return
        known.update(new)
        feedback = new.get("promptFeedback")
        if type(feedback) is dict:
            self.block_reason = block_word(feedback.get("blockReason"))
        data = document_members(new)
        if self.started:
            self.out.append(make.status_changed(None, data))
        else:
            self.begin_response({"object": "response", "status": "in_progress", **data})

    # -------------------------------------------------------------------------------------------- the end

    def _error(self, payload: JSON) -> None:
        error = error_from_payload(payload)
        if self.failing is not None:
            self.report_once(
                AnomalyCode.ERROR_AFTER_FAILURE, None, "an error came after the response had failed"
            )
            if not self.is_fuller(error):
                return
        self.fail(payload, error)
        if getattr(self.report, "payload_count", None) is not None:
            self._end(TRUNCATED)  # a caller that feeds payloads knows no other end

    def _wrong_dialect(self, payload: JSON, found: str) -> None:
        message = f"a payload of another wire came where Gemini's were expected: use dialect={found!r}"
        self.refuse_dialect(payload, message)
        self._end(TRUNCATED)

    def _end(self, outcome: Outcome) -> None:
        """Nothing more will come."""
        self.usage.report(self)
        outcome, word, stop = outcome_of(self, self.candidates, self.block_reason, outcome)
        closes = ITEM_STATUS_AT_END[outcome]
        broken: set[int] = set()
        for candidate in self.candidates.values():
            end_candidate(self, candidate, closes)
            found = None if candidate.finish_reason is None else stop_of(candidate.finish_reason)
            if found is not None and not found.keeps_calls:
                broken.add(candidate.index)
        if broken:
            take_calls_back(self, broken)
        reason = word if stop is None or stop.reason is None else stop.reason
        self.end_response(self.ending(outcome, word, reason))


def unwrapped(payload: JSON) -> JSON:
    """The chunk inside of what Code Assist wraps around it."""
    inner = payload.get("response")
    return inner if type(inner) is dict and "candidates" not in payload and "type" not in payload else payload


def blocks(feedback: Any) -> bool:
    """Whether a promptFeedback says that the prompt was refused."""
    return type(feedback) is dict and block_word(feedback.get("blockReason")) is not None


def document_members(new: JSON) -> JSON:
    """Members of the response in the words of the Responses API; others keep their names."""
    data: JSON = {}
    clashing: JSON = {}
    for key, value in new.items():
        if key == "responseId":
            data["id"] = value
        elif key == "modelVersion":
            data["model"] = value
        elif key in OF_DOCUMENT:
            clashing[key] = copied(value)
        else:
            data[key] = copied(value)
    if clashing:
        data["members"] = clashing
    return data


DIALECT: Final = GeminiDialect
"""What the registry finds here."""
