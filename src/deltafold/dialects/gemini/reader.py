"""Gemini: streamGenerateContent and generateContent, of AI Studio, Vertex AI, Code Assist and their relays.

Each payload is a GenerateContentResponse: candidates with parts, and metadata. Consecutive parts of text are
one message, consecutive thoughts one reasoning item, each function call and each part of another kind is an
item; they are numbered in the order of their appearance. A part with a signature of its own, or with members
that are not known, is a part by itself and joined to no other, so that all of it can be sent back.

No payload is the end. A finish reason may come with every chunk (Vertex, Gemini 1.0), before the text, or
after it in a chunk without content, and usage may follow: the end is the end of the transport.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, is_error_payload
from deltafold.dialects.base import ErrorTerminatedDialect, error_beside, error_field_of
from deltafold.dialects.claims import dialect_of
from deltafold.dialects.gemini.partial_arguments import Container, PartialArguments, Path, compact, steps_of
from deltafold.dialects.gemini.table import (
    BARE,
    LISTS_OF_PIECES,
    MADE_ID,
    MERGED,
    OF_CALL,
    OF_CANDIDATE,
    OF_DOCUMENT,
    OF_ITEM,
    OF_RESPONSE,
    SIDE,
    STOPS,
    VALUES,
    Stop,
    block_word,
    camelled,
    finish_word,
    is_snake,
    stop_of,
    usage_from,
)
from deltafold.dialects.gemini.table import COUNTS as USAGE_COUNTS
from deltafold.machine.fold import Emitted, Fold, PendingFinish
from deltafold.machine.lifecycle import (
    CANCELLED,
    COMPLETED,
    FAILED,
    INCOMPLETE,
    ITEM_STATUS_AT_END,
    TRUNCATED,
)
from deltafold.machine.records import empty
from deltafold.machine.values import MODELLED, ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.json_values import copied, joined, string, weight
from deltafold.model.response import Outcome
from deltafold.wire.json_text import HIGH, LAST, Paths, ReportAnomaly, join_halves

__all__ = ["GeminiDialect"]

JSON: TypeAlias = dict[str, Any]

MOST_COUNTS: Final = 64
"""How many members of the usage are handed out each time that one of them changes."""
CALL_TEXT: Final = ("candidates", 0, "content", "parts", 0, "functionCall", "partialArgs", 0, "stringValue")
GOES_ON: Final = frozenset({"partialArgs", "willContinue"})
PIECE: Final = frozenset({"jsonPath", "stringValue", "willContinue"})
PLAIN: Final = (e.TextDelta, e.ReasoningDelta, e.ArgumentsDelta)
"""The events of a chunk that brings nothing but text."""
MESSAGE: Final = "message"
REASONING: Final = "reasoning"
ARGUMENTS: Final[ValuePath] = ("arguments",)
HALF: Final[ValuePath] = ("partialArgs",)
"""Where half a surrogate pair waits that ends a piece of a string inside of arguments."""


class OpenRun:
    """Consecutive parts of text, or of thought: a message or a reasoning item that is open."""

    SNAPSHOT_FIELDS: Final = ("kind", "index", "parts", "joins")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, kind: str, index: int) -> None:
        self.kind = kind
        self.index = index
        self.parts = 0
        """How many parts have begun."""
        self.joins = False
        """Whether a bare part goes on with the last one."""


class OpenCall:
    """A function call."""

    SNAPSHOT_FIELDS: Final = ("index", "data", "partial", "streamed", "open", "damaged")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int, data: JSON) -> None:
        self.index = index
        self.data = data
        """The item, without its arguments and status."""
        self.partial: PartialArguments | None = None
        """What makes text of arguments that come piece by piece."""
        self.streamed = False
        """Whether the call was sent in several pieces."""
        self.open = False
        """Whether more of it will come."""
        self.damaged = False
        """Whether a piece of it could not be read: what is known of it is not the whole."""


class OpenCandidate:
    """What is known of one candidate."""

    SNAPSHOT_FIELDS: Final = (
        "index",
        "run",
        "calls",
        "ids",
        "newest",
        "last",
        "finish",
        "known",
        "cited",
        "shown",
        "content",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int) -> None:
        self.index = index
        self.run: OpenRun | None = None
        self.calls: dict[int, OpenCall] = {}
        """Its calls, by their output indexes."""
        self.ids: dict[str, int] = {}
        """Their output indexes, by the ids that the server gave them."""
        self.newest: int | None = None
        """The output index of the call that began last."""
        self.last: int | None = None
        """The output index of the item that began last."""
        self.finish: str | None = None
        """The finish reason that was sent last."""
        self.known: JSON = {}
        """What was handed on of its other members."""
        self.cited: set[str] = set()
        """The citations that were handed on."""
        self.shown = False
        """Whether anything that was handed on says that it exists."""
        self.content: JSON = {}
        """What its content has beside parts."""

    @property
    def call(self) -> OpenCall | None:
        """The call that began last."""
        return None if self.newest is None else self.calls[self.newest]


class GeminiDialect(ErrorTerminatedDialect):
    """Translates the payloads of one stream."""

    name = "gemini"
    escaped_texts: ClassVar[frozenset[str]] = frozenset({"stringValue"})
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
        (Container, 2),
        (OpenCall, 2),
        (OpenCandidate, 1),
        (OpenRun, 2),
        (PartialArguments, 0),
    )

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *ErrorTerminatedDialect.SNAPSHOT_FIELDS,
        "known",
        "usage",
        "counted",
        "shown_usage",
        "block",
        "candidates",
    )
    __slots__ = SNAPSHOT_FIELDS[len(ErrorTerminatedDialect.SNAPSHOT_FIELDS) :]

    def __init__(
        self, fold: Fold, report: ReportAnomaly, lifts: CallLifts, *, think_tags: bool = False
    ) -> None:
        super().__init__(fold, report, lifts, think_tags=think_tags)
        self.known: JSON = {}
        """What was handed on of the response's own members."""
        self.usage: JSON = {}
        self.shown_usage: JSON = {}
        """That which was handed on. Nearly every chunk of text counts the tokens so far, which would be two
        events for each, and nobody needs the second: so it waits for a chunk that brings more than text."""
        self.counted: tuple[JSON, list[str], list[str]] | None = None
        """A usage and its counts, by name and as written, where that came last by the short cut."""
        self.block: str | None = None
        """Why the prompt was refused."""
        self.candidates: dict[int, OpenCandidate] = {}

    # ---------------------------------------------------------------------------------------- the parser

    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""
        self.begin_payload()
        self._catch_up()
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
        return True if inner.keys() & OF_RESPONSE or is_snake(inner) else None

    def text_path(
        self, payload: JSON, event: Any
    ) -> tuple[tuple[str | int, ...], tuple[str, Callable[[str], bool]] | None] | None:
        """Where the text of an event stands in the payload that made it.

        Payloads that are equal in all else tell nothing new: neither members of the response nor of the
        candidate, nor usage. So the text alone makes an event, as long as its run goes on.
        """
        inner = unwrapped(payload)
        candidates = inner.get("candidates")
        if self.pending_surrogates or type(candidates) is not list or len(candidates) != 1:
            return None
        content = candidates[0].get("content")
        parts = content.get("parts") if type(content) is dict else None
        if type(parts) is not list or len(parts) != 1:
            return None
        part = parts[0]
        if type(part) is not dict:
            return None
        path: tuple[str | int, ...]
        if type(event) is e.ArgumentsDelta:
            if not self._goes_on(part, event.text):
                return None
            path = CALL_TEXT
        elif part.keys() - BARE or part.get("text") != event.text:
            return None
        else:
            path = ("candidates", 0, "content", "parts", 0, "text")
        return path if inner is payload else ("response", *path), None

    def _goes_on(self, part: JSON, text: str) -> bool:
        """Whether a part brings nothing but more of a string among the arguments, which goes on."""
        call = part.get("functionCall")
        if self.lifts.declared or len(part) != 1 or type(call) is not dict or call.keys() - GOES_ON:
            return False
        pieces = call.get("partialArgs")
        if call.get("willContinue") is not True or type(pieces) is not list or len(pieces) != 1:
            return False
        piece = pieces[0]
        if type(piece) is not dict or piece.keys() != PIECE or piece["willContinue"] is not True:
            return False
        return type(piece["stringValue"]) is str and compact(piece["stringValue"])[1:-1] == text

    def tallies(self, payload: JSON) -> tuple[str, ...]:
        """The counts of tokens that a chunk of text brings."""
        usage = unwrapped(payload).get("usageMetadata")
        if type(usage) is not dict:
            return ()
        return tuple([name for name in USAGE_COUNTS if type(usage.get(name)) is int])

    def tally(self, payload: JSON, names: list[str], numbers: list[str]) -> None:
        """A payload like that one came, by the short cut, with these counts in it."""
        self.counted = unwrapped(payload)["usageMetadata"], names, numbers

    # -------------------------------------------------------------------------------------- a payload

    def _payload(self, payload: JSON, name: str) -> None:
        inner = unwrapped(payload)
        if is_snake(inner):
            inner = camelled(inner)
        if not inner.keys() & OF_RESPONSE:
            self._other_payload(payload, inner, name)
            return
        candidates = inner.get("candidates")
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
                    self._candidate(sent, index)
                    if failed is None and error_beside(sent) is not None:
                        failed = sent
                else:
                    self._invalid("candidate", sent)
        elif candidates is not None:
            self._invalid("candidates", candidates)
        self._usage(inner.get("usageMetadata"))
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

    def _invalid(self, what: str, value: Any) -> None:
        self.report_once(AnomalyCode.INVALID_FIELD, what, f"{what} is {value!r:.40}")

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
            elif key != "promptFeedback" or key not in known:
                new[key] = value
        for key, value in outer.items() if outer is not None else ():
            if key != "response" and key not in inner and value != known.get(key) and not empty(value):
                new[key] = value
        if not new and self.started:
            return
        known.update(new)
        feedback = new.get("promptFeedback")
        if type(feedback) is dict:
            self.block = block_word(feedback.get("blockReason"))
        data = document_members(new)
        if self.started:
            self.out.append(e.StatusChanged(None, data))
        else:
            self.begin_response({"object": "response", "status": "in_progress", **data})

    def _usage(self, sent: Any) -> None:
        """The last usage that counts anything replaces the one before: what is left out there is 0."""
        if type(sent) is dict:
            counts = False
            for name in USAGE_COUNTS:
                if name in sent:
                    counts = True
            if counts:
                if sent != self.usage:
                    self.usage = dict(copied(sent))
            else:
                self._add_to_usage(sent)
        elif sent is not None:
            self._invalid("usageMetadata", sent)
        # What has more members than any server tells is sent at the end.
        if (len(self.out) != 1 or type(self.out[0]) not in PLAIN) and len(self.usage) <= MOST_COUNTS:
            self._tell_usage()

    def _add_to_usage(self, sent: JSON) -> None:
        """What a usage says that counts nothing: on Vertex, the type of traffic."""
        new = {key: value for key, value in sent.items() if key not in self.usage or self.usage[key] != value}
        if not new:
            return
        if self.usage is self.shown_usage or len(self.usage) <= MOST_COUNTS:
            self.usage = dict(self.usage)  # the other one was handed out
        for key, value in new.items():
            self.hold_text(len(key) + weight(value) - weight(self.usage.get(key)))
            self.usage[key] = copied(value)

    def _tell_usage(self) -> None:
        """Hands on the usage as it is by now, where that is new."""
        if self.usage != self.shown_usage:
            self.shown_usage = self.usage
            self.out.append(e.UsageReported(usage_from(self.usage)))

    def _catch_up(self) -> None:
        """Takes note of what came by the short cut."""
        if self.counted is not None:
            usage, names, numbers = self.counted
            self.counted = None
            sent = dict(copied(usage))
            for name, number in zip(names, numbers, strict=True):
                sent[name] = int(number)
            if sent != self.usage:
                self.usage = sent

    def _error(self, payload: JSON) -> None:
        error = error_from_payload(payload)
        if self.failing is not None:
            self.report_once(
                AnomalyCode.ERROR_AFTER_FAILURE, None, "an error came after the response had failed"
            )
            if error.kind is ErrorKind.UNKNOWN:
                return
        self.failing = error_field_of(payload, error)
        self.out.append(e.ErrorReported(error))
        if getattr(self.report, "payload_count", None) is not None:
            self._end(TRUNCATED)  # a caller that feeds payloads knows no other end

    def _wrong_dialect(self, payload: JSON, found: str) -> None:
        message = f"a payload of another wire came where Gemini's were expected: use dialect={found!r}"
        self.refuse_dialect(payload, message)
        self.failing = {"code": "wrong_dialect", "message": message}
        self._end(TRUNCATED)

    # ---------------------------------------------------------------------------------------- a candidate

    def _candidate(self, sent: JSON, index: int) -> None:
        candidate = self.candidates.get(index)
        if candidate is None:
            self.check_index_limit(index)
            if len(self.candidates) >= self.fold.limits.items:
                raise LimitExceeded("items", self.fold.limits.items)
            candidate = self.candidates[index] = OpenCandidate(index)
        content = sent.get("content")
        if type(content) is dict:
            parts = content.get("parts")
            if type(parts) is list:
                for part in parts:
                    if type(part) is dict:
                        self._part(candidate, part)
                    elif part is not None:
                        self._invalid("part", part)
            elif parts is not None:
                self._invalid("parts", parts)
        elif content is not None:
            self._invalid("content", content)
        self._rest(candidate, sent, content if type(content) is dict else {})

    def _rest(self, candidate: OpenCandidate, sent: JSON, content: JSON) -> None:
        """What is told of a candidate beside its parts."""
        new: JSON = {}
        for key, value in sent.items():
            if key in OF_CANDIDATE or empty(value):
                continue
            if key in LISTS_OF_PIECES or key in MERGED:
                if type(value) is dict:
                    value = self._new_pieces(candidate, key, value)
                    if value:
                        new[key] = value
                else:
                    self._invalid(key, value)
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
        if word is not None and word != candidate.finish:
            candidate.finish = word
            if stop_of(word) is None:
                self.report_once(
                    AnomalyCode.FINISH_REASON_UNKNOWN, word[:60], f"{word[:60]!r} is a word of no table"
                )
        elif not new:
            return
        candidate.shown = True
        self.out.append(e.ChoiceUpdated(candidate.index, candidate.finish, new))

    def _new_pieces(self, candidate: OpenCandidate, key: str, sent: JSON) -> JSON:
        """What is new in a member of a candidate that comes in pieces."""
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
                        candidate.cited.add(cited)
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

    # --------------------------------------------------------------------------------------------- a part

    def _part(self, candidate: OpenCandidate, part: JSON) -> None:
        text = part.get("text")
        if type(text) is str:
            thought = part.get("thought")
            if not part.keys() - BARE and (thought is None or type(thought) is bool):
                if text:
                    self._text(candidate, text, {}, thought=thought is True)
                return
            rest = {key: value for key, value in part.items() if key not in BARE and value is not None}
            if "functionCall" not in rest and not has_data(rest):
                signature = rest.get("thoughtSignature")
                if signature == "":
                    del rest["thoughtSignature"]  # says nothing, and may not be sent back
                if thought is not None and type(thought) is not bool:
                    rest["thought"] = thought
                if text or rest:
                    self._text(candidate, text, rest, thought=thought is True)
                return
            # The proto allows but one kind of data in a part.
            if text:
                self._text(candidate, text, {}, thought=thought is True)
            part = {key: value for key, value in part.items() if key != "text"}
        call = part.get("functionCall")
        if type(call) is dict:
            self._call(candidate, call, part)
            return
        for name in ("text", "functionCall"):
            if part.get(name) is not None:
                self._invalid(name, part[name])
                self.out.append(e.UnknownEvent("part", part))
                return
        fields = {key: value for key, value in part.items() if value is not None}
        if fields and not (len(fields) == 1 and fields.get("thoughtSignature") == ""):
            self._other_part(candidate, fields)

    # --------------------------------------------------------------------------------- text and thoughts

    def _text(self, candidate: OpenCandidate, text: str, more: JSON, *, thought: bool) -> None:
        kind = REASONING if thought else MESSAGE
        run = candidate.run
        if run is None or run.kind != kind:
            self._end_run(candidate, "completed")
            run = candidate.run = OpenRun(kind, self._begin(candidate, blank_item(kind)))
        if more or not run.joins:
            self.begin_part(run.index, "content", run.parts, blank_part(kind, more))
            run.parts += 1
            run.joins = not more
        if text:
            self.emit_text(
                run.index, "reasoning" if thought else "text", ("content", run.parts - 1, "text"), text
            )

    def _end_run(self, candidate: OpenCandidate, status: str) -> None:
        """A message or reasoning item is whole."""
        run = candidate.run
        if run is not None:
            candidate.run = None
            self.finish_item(run.index, status)

    def _begin(self, candidate: OpenCandidate, data: JSON) -> int:
        """An item begins. Raises `LimitExceeded`."""
        candidate.last = self.begin_item(data, choice_index=candidate.index)
        candidate.shown = True
        return candidate.last

    def _other_part(self, candidate: OpenCandidate, fields: JSON) -> None:
        """A part of another kind is whole as it comes."""
        self._end_run(candidate, "completed")
        data = {"type": data_key(fields), "status": "in_progress", **item_members(copied(fields))}
        self.finish_item(self._begin(candidate, data), "completed")

    # ---------------------------------------------------------------------------------------------- calls

    def _call(self, candidate: OpenCandidate, sent: JSON, part: JSON) -> None:
        """A functionCall: a call, or a piece of one that is open. The whole rule is this.

        An id that is known decides. Else a name begins a call, and what has none continues the open one.
        """
        name, ident = string(sent, "name"), string(sent, "id")
        call = candidate.calls[candidate.ids[ident]] if ident in candidate.ids else None
        if call is None and not name:
            call = candidate.call
            if call is None or not call.open:
                if sent or call is None or not call.streamed:
                    self.report_once(
                        AnomalyCode.CALL_NOT_OPEN, None, "a functionCall has no name, and no call is open"
                    )
                    self.out.append(e.UnknownEvent("functionCall", part))
                return
        if call is None:
            self._begin_call(candidate, sent, part, name or "", ident or None)
            return
        if not call.open:
            if not sent.get("partialArgs"):
                self._tell_call(candidate, call, sent, part)
                return
            # A call that is whole is sent again, in pieces: they are a value of their own.
            call.open, call.partial = True, PartialArguments()
            call.partial.tree = {}
        self._learn(candidate, call, sent, part)
        args = sent.get("args")
        if type(args) is dict and args:
            self._add_members(call, args)
        self._pieces(call, sent.get("partialArgs"))
        if sent.get("willContinue") is not True:
            self._end_call(call)

    def _begin_call(
        self, candidate: OpenCandidate, sent: JSON, part: JSON, name: str, ident: str | None
    ) -> None:
        self._end_run(candidate, "completed")
        before = candidate.call
        if before is not None and before.open:
            self._cut_call(before, "incomplete")  # whether that one is whole was not told
        made = MADE_ID.format(self.free_index())
        data: JSON = {"type": "function_call", "call_id": made if ident is None else ident, "name": name}
        data |= call_members(sent, part)
        index = self._begin(candidate, {**data, "arguments": "", "status": "in_progress"})
        call = candidate.calls[index] = OpenCall(index, data)
        candidate.newest = index
        if ident is not None:
            candidate.ids[ident] = index
        args, pieces = sent.get("args"), sent.get("partialArgs")
        more = sent.get("willContinue") is True
        if not more and not pieces:
            self.tell_value(index, "arguments", ARGUMENTS, self._arguments_of(args), whole=True)
            self.finish_item(index, "completed")
            return
        call.streamed = call.open = True
        if type(args) is dict and args:
            self._add_members(call, args)
        elif args is not None and type(args) is not dict:
            self._invalid("args", args)
        self._pieces(call, pieces)
        if not more:
            self._end_call(call)

    def _arguments_of(self, args: Any) -> str:
        """The JSON text of arguments that came as a value."""
        if args is None:
            return "{}"
        if type(args) is dict:
            return compact(args)
        self._invalid("args", args)
        return (args or "{}") if isinstance(args, str) else compact(args)

    def _learn(self, candidate: OpenCandidate, call: OpenCall, sent: JSON, part: JSON) -> None:
        """More is told of a call: its id, another name, a signature."""
        known, new = call.data, call_members(sent, part)
        ident, name = string(sent, "id"), string(sent, "name")
        if ident and ident != known["call_id"]:
            if known["call_id"] in candidate.ids:
                self.report_once(AnomalyCode.CALL_ID_CHANGED, call.index, f"the id became {ident[:40]!r}")
            candidate.ids[ident] = call.index
            new["call_id"] = ident
        if name and name != known["name"]:
            self.report_once(
                AnomalyCode.NAME_CHANGED, call.index, f"{known['name']!r:.40} became {name[:40]!r}"
            )
            new["name"] = name
        news = {key: value for key, value in new.items() if known.get(key) != value}
        if news:
            call.data = {**known, **news}
            self.update_item(call.index, news)

    def _tell_call(self, candidate: OpenCandidate, call: OpenCall, sent: JSON, part: JSON) -> None:
        """A call that is whole is sent again."""
        self._learn(candidate, call, sent, part)
        if not empty(sent.get("args")):
            text = self._arguments_of(sent["args"])
            self.tell_value(call.index, "arguments", ARGUMENTS, text, whole=True)

    # ---------------------------------------------------------------------------- arguments piece by piece

    def _say(self, index: int, text: str) -> None:
        """A fragment of arguments is handed out."""
        if text:
            self.emit_text(index, "arguments", ARGUMENTS, text)

    def _raw(self, call: OpenCall) -> str:
        """The arguments as they were written, before anything was lifted out of them."""
        raw = self.lifts.raw(call.index) if self.lifts.declared else None
        return self.so_far(call.index, ARGUMENTS) if raw is None else joined(raw)

    def _writer(self, call: OpenCall) -> PartialArguments:
        """What makes text of the pieces; the text begins with the first of them."""
        partial = call.partial
        if partial is None:
            partial = call.partial = PartialArguments()
            self._say(call.index, partial.begin({}))
        return partial

    def _add_members(self, call: OpenCall, args: JSON) -> None:
        """Members that come as values while the call goes on."""
        writer = self._writer(call)
        for key, value in args.items():
            if writer.tree is None and writer.can_place((key,)):
                self._say(call.index, self._half(call) + writer.place((key,), compact(value), more=False))
            else:
                self._grow_tree(call, writer)
                if not writer.put((key,), copied(value), empty=False):
                    self._drop(call, {key: value})

    def _pieces(self, call: OpenCall, pieces: Any) -> None:
        if type(pieces) is list:
            for piece in pieces:
                if type(piece) is dict:
                    self._piece(call, piece)
                else:
                    self._drop(call, piece)
        elif pieces is not None:
            self._drop(call, pieces)

    def _drop(self, call: OpenCall, piece: Any) -> None:
        """A piece that has no place in the arguments: the call is not whole without it."""
        call.damaged = True
        self.report_once(
            AnomalyCode.PARTIAL_ARGUMENT_LOST, call.index, f"a piece of arguments is {piece!r:.80}"
        )
        self.out.append(e.UnknownEvent("partialArgs", piece))

    def _piece(self, call: OpenCall, piece: JSON) -> None:
        """One leaf of the arguments."""
        path = piece.get("jsonPath")
        found = steps_of(path) if isinstance(path, str) else None
        if found is None:
            self._drop(call, piece)
            return
        steps, ends_array = found
        if len(steps) >= self.fold.limits.json_depth:
            raise LimitExceeded("json_depth", self.fold.limits.json_depth)
        writer = self._writer(call)
        more = piece.get("willContinue") is True
        known, value = leaf_of(piece)
        if not known:
            self._drop(call, piece)
        elif value is NOTHING:
            self._end_of(call, writer, steps, ends_array=ends_array, more=more)
        elif ends_array or not steps:
            self._drop(call, piece)
        elif isinstance(value, str) and writer.tree is None and writer.goes_on(steps):
            text = self._whole_letters(call, value, more=more)
            self._say(call.index, writer.more_text(text, more=more))
        else:
            self._leaf(call, writer, steps, value, piece, more=more)

    def _leaf(
        self, call: OpenCall, writer: PartialArguments, steps: Path, value: Any, piece: JSON, *, more: bool
    ) -> None:
        """A leaf that does not just go on with the string that is open."""
        place = writer.can_place(steps) if writer.tree is None else False
        if place is None:
            self._drop(call, piece)
        elif place:
            half = self._half(call)
            more = more and isinstance(value, str)
            if isinstance(value, str):
                value = self._whole_letters(call, value, more=more)
            self._say(call.index, half + writer.place(steps, compact(value), more=more))
        else:
            self._grow_tree(call, writer)
            if isinstance(value, str):
                value = self._whole_letters(call, value, more=False)
            if not writer.put(steps, value, empty=False):
                self._drop(call, piece)

    def _end_of(
        self, call: OpenCall, writer: PartialArguments, steps: Path, *, ends_array: bool, more: bool
    ) -> None:
        """A path without a value: the end of what is open there, or an empty object or array."""
        if more:
            return
        if writer.tree is not None:
            writer.put(steps, [] if ends_array else {}, empty=True)
        elif steps and writer.goes_on(steps):
            self._say(call.index, self._half(call) + writer.more_text("", more=False))
        elif steps and writer.depth_of(steps) == len(steps):
            self._say(call.index, self._half(call) + writer.close_to(len(steps) - 1))
        elif steps and writer.can_place(steps):
            self._say(
                call.index, self._half(call) + writer.place(steps, "[]" if ends_array else "{}", more=False)
            )

    def _grow_tree(self, call: OpenCall, writer: PartialArguments) -> None:
        """A path came again that is closed: what had been handed out cannot go on."""
        if writer.tree is None:
            self.report_once(AnomalyCode.VALUE_CONTRADICTED, call.index, "a path of the arguments came again")
            half = self._half(call)
            writer.become_tree(self._raw(call) + half)

    def _whole_letters(self, call: OpenCall, text: str, *, more: bool) -> str:
        """A piece of a string in whole characters: a half of a surrogate pair waits for the other one."""
        if text and (self.pending_surrogates or HIGH <= text[0] <= LAST or HIGH <= text[-1] <= LAST):
            text = join_halves(self.pending_surrogates, (call.index, HALF), text, self.report)
        return text if more else text + self._half(call)

    def _half(self, call: OpenCall) -> str:
        """What stands for half a pair whose other half did not come."""
        if self.pending_surrogates.pop((call.index, HALF), None) is None:
            return ""
        self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
        return "\ufffd"

    def _end_call(self, call: OpenCall) -> None:
        """The server told that the call is whole."""
        writer = self._writer(call)
        if writer.tree is None:
            self._say(call.index, self._half(call) + writer.close_to(-1))
        else:
            self.tell_value(call.index, "arguments", ARGUMENTS, writer.whole(), whole=True)
        call.open = False
        call.partial = None
        if not self.has_ended(call.index):
            self.finish_item(call.index, "incomplete" if call.damaged else "completed")
        elif call.damaged:
            self.update_item(call.index, {"status": "incomplete"})

    def _cut_call(self, call: OpenCall, status: str | None) -> None:
        """A call ends of which the server did not tell that it is whole: its text stays open."""
        if self.has_ended(call.index):
            call.open, call.partial = False, None  # it was whole, and was being sent again
            return
        if call.partial is not None and call.partial.tree is not None:
            # As much of it as surely stands: without its end it is no JSON.
            text = call.partial.whole()[:-1]
            self.tell_value(call.index, "arguments", ARGUMENTS, text, whole=False)
        if status is not None:
            self.report_once(
                AnomalyCode.CALL_NOT_ENDED, call.index, "a call was to go on, and nothing more of it came"
            )
        call.open = False
        call.partial = None
        self.finish_item(call.index, status)

    # -------------------------------------------------------------------------------------------- the end

    def _end(self, outcome: Outcome) -> None:
        """Nothing more will come."""
        self._catch_up()
        self._tell_usage()
        outcome, word, stop = self._outcome(outcome)
        closes = ITEM_STATUS_AT_END[outcome]
        broken: set[int] = set()
        for candidate in self.candidates.values():
            self._end_candidate(candidate, closes)
            found = None if candidate.finish is None else stop_of(candidate.finish)
            if found is not None and not found.keeps_calls:
                broken.add(candidate.index)
        if broken:
            self._take_back(broken)
        data: JSON = {}
        if outcome is not TRUNCATED:
            data["status"] = str(outcome)
        if outcome is INCOMPLETE and word is not None:
            data["incomplete_details"] = {"reason": word}
        if self.failing is not None:
            data["error"] = self.failing
        reason = word if stop is None or stop.reason is None else stop.reason
        self.end_response(PendingFinish(outcome, data, None, reason))

    def _end_candidate(self, candidate: OpenCandidate, closes: str | None) -> None:
        stop = None if candidate.finish is None else stop_of(candidate.finish)
        cut = stop is not None and stop.outcome is not COMPLETED
        if not candidate.shown:
            self.out.append(e.ChoiceUpdated(candidate.index, candidate.finish, {}))
        if closes is not None:
            run = candidate.run
            self._end_run(
                candidate, "incomplete" if cut and run and run.index == candidate.last else "completed"
            )
        call = candidate.call
        if call is not None and call.open:
            self._cut_call(call, None if closes is None else "incomplete")

    def _take_back(self, broken: set[int]) -> None:
        """The server says that calls of these candidates are malformed or not allowed: none is to be run."""
        for index, record in self.fold.items.items():
            if record.type != "function_call" or record.choice_index not in broken:
                continue
            if record.data.get("status") == "completed":
                self._update(index, {**self.waiting.pop(index, {}), "status": "incomplete"})

    def _outcome(self, outcome: Outcome) -> tuple[Outcome, str | None, Stop | None]:
        """The outcome, with the finish reason that decided it and what that means."""
        words = [candidate.finish for _, candidate in sorted(self.candidates.items())]
        first = words[0] if words else None
        stop = None if first is None else stop_of(first)
        if self.failing is not None:
            return FAILED, first, stop
        if outcome is CANCELLED:
            return CANCELLED, first, stop
        if not words and self.block is not None:
            return INCOMPLETE, self.block, STOPS["CONTENT_FILTER"]
        if not words or None in words:
            self.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the response did")
            return TRUNCATED, None, None
        for word in words:
            found = None if word is None else stop_of(word)
            if found is not None and found.outcome is FAILED:
                self.failing = {"code": None, "message": None}
                error = ResponseError(ErrorKind.UNKNOWN, None, retryable=True, raw={"finishReason": word})
                self.out.append(e.ErrorReported(error))
                return FAILED, word, found
        for word in words:
            found = None if word is None else stop_of(word)
            if found is not None and found.outcome is not COMPLETED:
                return found.outcome, word, found
        return COMPLETED, first, stop


class Nothing:
    """Stands for a value that a piece does not have."""

    __slots__ = ()


NOTHING: Final = Nothing()


def leaf_of(piece: JSON) -> tuple[bool, Any]:
    """The value of a piece of arguments, and whether it could be read. `NOTHING` where it has none."""
    for name in VALUES[:3]:
        value = piece.get(name)
        if value is None:
            continue
        if name == "stringValue":
            return isinstance(value, str), value
        if name == "boolValue":
            return type(value) is bool, value
        if type(value) is float and value.is_integer() and abs(value) < 2**53:
            value = int(value)  # a double: 50 is what the model wrote
        return type(value) in (int, float), value
    if piece.get("nullValue") is not None:
        return True, None
    # ProtoJSON writes it as null, and an SDK's dump writes null for whatever a piece does not have.
    return True, None if "nullValue" in piece and not piece.keys() & set(VALUES[:3]) else NOTHING


def unwrapped(payload: JSON) -> JSON:
    """The chunk inside of what Code Assist wraps around it."""
    inner = payload.get("response")
    return inner if type(inner) is dict and "candidates" not in payload and "type" not in payload else payload


def has_data(fields: JSON) -> bool:
    """Whether a part has data beside its text."""
    return not DATA.isdisjoint(fields)


DATA: Final = frozenset(
    {
        "functionCall",
        "inlineData",
        "fileData",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
        "functionResponse",
        "audioTranscription",
    }
)
"""Kinds of data that a part may have, of which the proto allows one."""


def data_key(fields: JSON) -> str:
    """The member of a part that is its data."""
    for key in fields:
        if key not in SIDE:
            return "part" if key in MODELLED else key
    return next(iter(fields))


def item_members(fields: JSON) -> JSON:
    """Members of a part as those of an item; those that the item has of its own stand under `part`."""
    clashing = {key: value for key, value in fields.items() if key in OF_ITEM}
    if not clashing:
        return fields
    return {**{key: value for key, value in fields.items() if key not in OF_ITEM}, "part": clashing}


def call_members(sent: JSON, part: JSON) -> JSON:
    """What is told of a call beside its id, name and arguments."""
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
