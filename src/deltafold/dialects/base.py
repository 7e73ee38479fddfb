"""What the dialects have in common: their memory, and the faults that every wire can have."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_in
from deltafold.dialects.emitter import Emitter
from deltafold.machine import make
from deltafold.machine.fold import Emitted, Fold, PendingFinish
from deltafold.machine.lifecycle import CANCELLED, COMPLETED, FAILED, INCOMPLETE, TRUNCATED
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.json_values import copied, count_of
from deltafold.model.response import Outcome, Usage
from deltafold.wire.json_text import Paths, ReportAnomaly

__all__ = [
    "MOST_COUNTS",
    "Dialect",
    "ErrorTerminatedDialect",
    "HotPieces",
    "Tallies",
    "Translator",
    "ends_complete",
    "error_beside",
    "error_field_of",
    "usage_from",
]

JSON: TypeAlias = dict[str, Any]

MOST_COUNTS: Final = 64
"""Members of a usage that is handed out as often as it changes. Servers have about twenty."""


DIGITS: Final = re.compile("[0-9]++")
VAGUE: Final = (ErrorKind.UNKNOWN, ErrorKind.SERVER_ERROR)
"""Kinds of errors that tell hardly more than that the response failed."""


class Tallies:
    """An object that comes with nearly every payload, with numbers in it of which no event comes."""

    __slots__ = ("between", "names", "numbers", "sent")

    def __init__(self, sent: JSON, names: tuple[str, ...]) -> None:
        self.sent = sent
        """The object as it came once."""
        self.names = names
        """Its members that may be other numbers in other payloads, in the order in which they stand there."""
        self.between: list[str] = []
        """What stands behind each of these numbers."""
        self.numbers = ""
        """The text of the last payload, from the first of these numbers to the last one."""

    def latest(self) -> JSON:
        """The object as it came last. It shares nothing with another."""
        found: JSON = dict(copied(self.sent))
        at = 0
        for name, piece in zip(self.names, self.between, strict=True):
            number = DIGITS.match(self.numbers, at)
            assert number is not None
            found[name] = int(number[0])
            at = number.end() + len(piece)
        return found


class HotPieces:
    """What makes text of pieces of arguments that come by the short cut."""

    __slots__ = ()

    key: ClassVar[str] = ""
    """The name of the array in which such a piece stands alone."""
    patterns: ClassVar[tuple[re.Pattern[str], ...]] = ()
    """What a piece looks like in octets, one character for each, in each spacing."""

    @abstractmethod
    def place(self, found: re.Match[str]) -> tuple[int, str]:
        """The index of the item that a piece belongs to, and its text there.

        The text is "" where the piece has to go the long way: then nothing has changed.
        """


class Translator(Protocol):
    """What the reader asks of a dialect, or of what stands in for one."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether the response has ended."""

    @property
    @abstractmethod
    def last_sequence_number(self) -> int | None:
        """The last number that is known."""

    @property
    @abstractmethod
    def is_failing(self) -> bool:
        """Whether the response has failed, its end was not sent yet, and nothing can follow but the end.

        A body ends by itself. Where events are fed one by one nobody would know that the last one has come.
        """

    @abstractmethod
    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""

    @abstractmethod
    def handle_done(self) -> list[Emitted]:
        """`[DONE]` came."""

    @abstractmethod
    def translate_body(self, payload: JSON) -> list[Emitted]:
        """A whole body that is one JSON object."""

    @abstractmethod
    def reject_body(self, error: ResponseError) -> list[Emitted]:
        """The stream is none of this dialect."""

    @abstractmethod
    def end(self, outcome: Outcome) -> list[Emitted]:
        """The transport ended, or the caller gave up."""


class Dialect(Emitter):
    """Translates the payloads of one stream. This is all that the parser asks of a dialect.

    A reader sees the fold, which does not change while a payload is translated, and gives events. Whatever it
    remembers from payload to payload is named in its `SNAPSHOT_FIELDS`, for snapshots.
    """

    name: ClassVar[str] = ""
    """Its name in the registry."""
    fragments: ClassVar[Paths] = frozenset()
    """Where pieces of a longer text stand in its payloads: halves of surrogate pairs may meet there."""
    heartbeats: ClassVar[frozenset[str]] = frozenset({"keepalive", "ping"})
    """Values of `type` that are mere signs of life."""
    resets: ClassVar[frozenset[str]] = frozenset()
    """Values of `type` with which a connection may begin that goes on after a number."""
    state_classes: ClassVar[tuple[tuple[type, int], ...]] = ()
    """Classes of its state that have `SNAPSHOT_FIELDS`, each with how many of them its constructor takes."""

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *Emitter.SNAPSHOT_FIELDS,
        "last_sequence_number",
        "last_number_before_reconnect",
    )
    """What it remembers from payload to payload."""
    __slots__ = ("last_number_before_reconnect", "last_sequence_number", "think_tags")

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        fold.dialect = self.name
        self.think_tags = False
        """Whether text between `<think>` and `</think>` is reasoning; on Chat Completions."""
        self.last_sequence_number: int | None = None
        self.last_number_before_reconnect: int | None = None
        """The highest sequence number received before `reconnect()`: lower numbers are replays."""

    # ------------------------------------------------------------------------------- what each one provides

    @property
    @abstractmethod
    def is_failing(self) -> bool:
        """Whether the response has failed, its end was not sent yet, and nothing can follow but the end."""

    @abstractmethod
    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""

    @abstractmethod
    def handle_done(self) -> list[Emitted]:
        """`[DONE]` came."""

    @abstractmethod
    def translate_body(self, payload: JSON) -> list[Emitted]:
        """A whole body that is one JSON object."""

    @abstractmethod
    def reject_body(self, error: ResponseError) -> list[Emitted]:
        """The stream is none of this dialect."""

    @abstractmethod
    def end(self, outcome: Outcome) -> list[Emitted]:
        """The transport ended, or the caller gave up. Nothing where the end had been sent."""

    @abstractmethod
    def text_path(
        self, payload: JSON, event: Any
    ) -> tuple[tuple[str | int, ...], tuple[str, Callable[[str], bool]] | None] | None:
        """Where the text of an event stands in the payload that made it.

        Only if payloads that differ in nothing else make events that differ in nothing else; with what
        knows the texts of which that may be untrue, where there are any.
        """

    def hot_pieces(self, payload: JSON) -> HotPieces | None:
        """What makes text of a piece of arguments, where a payload brings nothing else that is new.

        Only if payloads that differ in nothing but that piece make no other events than its text.
        """
        return None

    def tallies(self, payload: JSON) -> Tallies | None:
        """The object in a payload that holds numbers of which no event comes, where there is one."""
        return None

    def tally(self, tallies: Tallies) -> None:
        """A payload with such an object came, by the short cut."""

    @abstractmethod
    def can_begin(self, payload: JSON, name: str) -> bool | None:
        """Whether a response may begin with a payload; None where that belongs to no response."""

    def was_seen(self, payload: JSON, name: str) -> bool | None:
        """Whether a payload that comes over another connection had come before, by its number.

        None where numbers do not tell, as on a wire that has none.
        """
        return None

    def number_of(self, payload: JSON) -> Any:
        """What a payload says is its number in the stream; None on a wire without numbers."""
        return None

    def response_of(self, payload: JSON) -> JSON | None:
        """The response object inside of a payload."""
        return None

    def is_fuller(self, error: ResponseError) -> bool:
        """Whether a second error says more than the first one, which else stands.

        A proxy that lost its server adds an error of its own; another tells the cause behind a mere "failed".
        """
        here = (event.error for event in reversed(self.out) if isinstance(event, e.ErrorReported))
        known = next(here, self.fold.error)
        return error.kind is not ErrorKind.UNKNOWN and (known is None or known.kind in VAGUE)

    def has_begun(self) -> bool:
        """Whether anything of the response has come."""
        return self.started or self.ended

    # ------------------------------------------------------------------------------------------ its state

    def getstate(self) -> dict[str, Any]:
        """All that the translator remembers, by name."""
        return {
            "lifts": self.lifts.getstate(),
            **{name: getattr(self, name) for name in self.SNAPSHOT_FIELDS},
        }

    def setstate(self, state: dict[str, Any]) -> None:
        """Makes a new translator remember what another one did."""
        for name in self.SNAPSHOT_FIELDS:
            setattr(self, name, state[name])
        self.lifts.setstate(state["lifts"])


class ErrorTerminatedDialect(Dialect):
    """A wire on which an error is the last thing of a stream, and `[DONE]` belongs to another wire."""

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (*Dialect.SNAPSHOT_FIELDS, "failing")
    __slots__ = ("failing",)

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.failing: JSON | None = None
        """The response's own `error`, once the server has sent one."""

    @property
    def is_failing(self) -> bool:
        """Whether the response has failed, and its end was not handed out yet: nothing follows an error."""
        return self.failing is not None and not self.ended

    def handle_done(self) -> list[Emitted]:
        """`[DONE]` came, which only proxies send on this wire. It ends nothing."""
        self.begin_payload()
        self.report_once(AnomalyCode.DONE_OF_ANOTHER_WIRE, None, "[DONE] came, which this wire does not have")
        return self.out

    def end(self, outcome: Outcome) -> list[Emitted]:
        """The transport ended, or the caller gave up. Nothing where the end was handed out before."""
        self.begin_payload()
        if not self.ended:
            self._end(outcome)
        return self.out

    def reject_body(self, error: ResponseError) -> list[Emitted]:
        """The stream is none of this dialect."""
        self.begin_payload()
        if not self.ended:
            self.fail_as(error, {})
            self._end(FAILED)
        return self.out

    def refuse_dialect(self, payload: JSON, message: str) -> None:
        """Reports that a payload is of another wire. The caller ends the response."""
        super().refuse_dialect(payload, message)
        self.failing = {"code": "wrong_dialect", "message": message}

    def fail(self, payload: JSON, error: ResponseError) -> None:
        """A payload brought an error, with which the response will end."""
        self.fail_as(error, error_field_of(payload, error))

    def fail_as(self, error: ResponseError, field: JSON) -> None:
        """The response will end with an error, and `field` will be its own `error`."""
        self.failing = field
        self.out.append(e.ErrorReported(error))

    @abstractmethod
    def _end(self, outcome: Outcome) -> None:
        """Ends all that is open, and the response."""

    def ending(self, outcome: Outcome, word: str | None, reason: str | None) -> PendingFinish:
        """How the response ends: `word` is the server's own for what cut it, `reason` the finish reason."""
        data: JSON = {}
        if outcome is not TRUNCATED:
            data["status"] = str(outcome)
        if outcome is INCOMPLETE and word is not None:
            data["incomplete_details"] = {"reason": word}
        if self.failing is not None:
            data["error"] = self.failing
        by_server = outcome is COMPLETED or outcome is INCOMPLETE
        by_server = by_server or (outcome is CANCELLED and reason == "cancelled")  # else the caller gave up
        return PendingFinish(outcome, data, None, reason, by_server)


def error_beside(payload: JSON) -> Any:
    """`error_in()` of a payload, asked only where it has a member that may tell of one: nearly none has."""
    if any(name == "error" or name == "base_resp" or name[:1] == "x" for name in payload):
        return error_in(payload)
    return None


def error_field_of(payload: JSON, error: ResponseError) -> JSON:
    """What the response's own `error` is, once an event has brought one."""
    sent = payload.get("error")
    return dict(copied(sent)) if isinstance(sent, dict) else {"code": error.code, "message": error.message}


def ends_complete(stop: Any) -> bool:
    """Whether what a finish word means (`stop_of()` of a dialect) is a complete end, or nobody knows it."""
    return stop is None or stop.outcome is COMPLETED


def usage_from(data: JSON) -> Usage:
    """Usage in the words of the Responses API or of Chat Completions."""

    inputs = table(data, "input_tokens_details") or table(data, "prompt_tokens_details")
    outputs = table(data, "output_tokens_details") or table(data, "completion_tokens_details")
    return make.usage(
        count_of(data, "input_tokens", "prompt_tokens"),
        count_of(data, "output_tokens", "completion_tokens"),
        count_of(data, "total_tokens"),
        count_of(inputs, "cached_tokens"),
        count_of(inputs, "cache_write_tokens"),
        count_of(outputs, "reasoning_tokens"),
        data,
    )


def table(data: JSON, name: str) -> JSON:
    found = data.get(name)
    return found if isinstance(found, dict) else {}
