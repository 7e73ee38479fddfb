"""The parser: bytes in, events out. Orchestration only; each thing it calls has a file of its own.

`feed()` stores. Everything else happens in `next_event()`: it hands out the event that is waiting; where none
is, it reads the next frame and has the dialect translate that. So a translator always sees the state that the
caller has seen, and the state moves only as events are handed out.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from deltafold.arguments import ArgumentsReader
from deltafold.dialects.chat import ChatDialect
from deltafold.dialects.lifts import CallLifts
from deltafold.dialects.responses import ResponsesDialect
from deltafold.errors import (
    ANOMALIES,
    Anomaly,
    AnomalyCode,
    ErrorKind,
    LimitExceeded,
    ResponseError,
    UsageError,
    WireError,
)
from deltafold.events import (
    ArgumentsDelta,
    Event,
    Heartbeat,
    ItemStarted,
    ReasoningDelta,
    TextDelta,
    UnknownEvent,
)
from deltafold.fold import Ending, Fold, Value
from deltafold.hot import HotEvent, HotPath, Lane, unescaped
from deltafold.lifting import Lift
from deltafold.limits import Limits
from deltafold.payload import DONE, Unread, escape_surrogates, is_strict_json, read_payloads
from deltafold.report import EXCERPT, Reporter
from deltafold.response import Outcome, Response
from deltafold.snapshot import CLASSES, freeze, seal, thaw, unseal
from deltafold.sniff import Body, sniff
from deltafold.sse import BARE, COMMENT, ERROR_FIELD, EVENT, Frame, SSEDecoder, as_bytes
from deltafold.state import ResponseState

__all__ = ["ResponseParser", "parse"]

HOT = (TextDelta, ReasoningDelta, ArgumentsDelta)
MOST_MISSES = 32


DIALECTS = ("responses", "chat", "auto")


class Watched:
    """Arguments that somebody asked about: how far they have been read."""

    __slots__ = ("_joins", "_pieces", "_reader", "_size", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self._reader = ArgumentsReader()
        self._joins = value.joins
        self._pieces = 0
        self._size = 0

    def read(self) -> Any:
        """Reads what has come since, and gives the best present value."""
        value = self.value
        if value.joins == self._joins:
            new = value.fragments[self._pieces :]
        else:
            new = [value.text[self._size :]]
        for text in new:
            self._reader.feed(text)
            self._size += len(text)
        self._joins = value.joins
        self._pieces = len(value.fragments)
        return self._reader.value()


class Stage(StrEnum):
    """How far the reading is."""

    READING = "reading"
    READ = "read"
    """All that was fed has been read, and nothing more will come."""
    ENDED = "ended"
    """The dialect knows."""


CLASSES["Unread"] = Unread
CLASSES["Lift"] = Lift
CLASSES["Body"] = Body
CLASSES["Stage"] = Stage


class ResponseParser:
    """Parses one response stream. Feed it what the transport gives, and take what comes out."""

    def __init__(
        self,
        dialect: str = "responses",
        *,
        strict: bool = False,
        limits: Limits | None = None,
        lifts: Iterable[Lift] = (),
        approval_required: Iterable[str] = (),
        think_tags: bool = False,
    ) -> None:
        """
        :param dialect: `"responses"`, `"chat"`, or `"auto"`, which the first payload decides.
        :param strict: raise a `WireError` at the first anomaly that `ANOMALIES` counts as strict.
        :param limits: what the stream may make us hold.
        :param lifts: strings inside tool arguments that are really text or reasoning.
        :param approval_required: names of tools whose calls are marked `needs_approval`.
        :param think_tags: on Chat Completions, text between `<think>` and `</think>` is reasoning.
        """
        if dialect not in DIALECTS:
            raise UsageError(f"there is no dialect {dialect!r}: use 'responses', 'chat' or 'auto'")
        limits = Limits() if limits is None else limits
        self._strict = strict
        self._limits = limits
        self._depth = limits.json_depth
        self._fold = Fold(limits, frozenset(approval_required))
        self._lifts = tuple(lifts)
        self._think_tags = think_tags
        self._decoder = SSEDecoder(limits=limits)
        self._report = Reporter(self._decoder, self._fold, strict=strict, most=limits.anomalies)
        self._undecided = dialect == "auto"
        self._use("responses" if self._undecided else dialect)
        # What kind of body this is, None while its first bytes do not tell, and those that were held for it.
        self._body: Body | None = None
        self._head: list[bytes] = []
        self._held = 0
        # Whether bytes go straight to the decoder: it is an event stream, and nothing has ended it.
        self._open = False
        self._payloads: deque[str] = deque()
        # Values read from the present frame, and events that are to be handed out.
        self._values: deque[tuple[Any, str]] = deque()
        self._pending: deque[Event | Ending] = deque()
        # Whether nothing can be had before more is fed.
        self._starved = False
        # The short cut for hot deltas: a payload that may show what they look like, and how often in a row
        # that was of no use.
        self._hot = HotPath()
        self._lanes = self._hot.lanes
        self._candidate: tuple[dict[str, Any], str, bytes] | None = None
        self._misses = 0
        self._longest = min(limits.line_bytes, limits.event_bytes)
        self._text_limit = limits.text_size
        self._watched: dict[int, Watched] = {}
        self._response: Response | None = None
        self._fault: WireError | None = None
        self._closed: Outcome | None = None
        self._stage = Stage.READING
        # What comes after the end can pass limits as well. No exception may follow ResponseFinished, so that
        # from there on nothing is read.
        self._deaf = False

    def _use(self, dialect: str) -> None:
        lifts = CallLifts(self._lifts, self._report)
        self._dialect: ResponsesDialect | ChatDialect
        if dialect == "chat":
            self._dialect = ChatDialect(self._fold, self._report, lifts, think_tags=self._think_tags)
        else:
            self._dialect = ResponsesDialect(self._fold, self._report, lifts)
        self._fragments = self._dialect.fragments
        if self._undecided:
            self._fragments |= ChatDialect.fragments

    # ------------------------------------------------------------------------------------------- input

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Stores bytes as the transport gave them.

        Raises `TypeError` for anything but bytes, and `UsageError` after `close()`, `cancel()`, or once a
        `WireError` has been raised. What the bytes hold never raises here.
        """
        if self._open and type(data) is bytes:
            if self._decoder.push(data):
                self._starved = False
            return
        data = as_bytes(data)
        if self._closed is not None or self._fault is not None or self._report.by_payload is not None:
            self._refuse_input("feed()")
        if self._body is Body.EVENTS and not self._deaf:
            self._decoder.push(data)
            self._starved = False
        elif data:
            self._hold(data)
            self._starved = False

    def feed_payload(self, payload: str | bytes | Mapping[str, Any]) -> None:
        """Stores one event that is already out of its frame: a WebSocket message, an event of an SDK.

        Raises `TypeError` for what is no JSON text or object, and `UsageError` as `feed()` does, or where
        bytes have been fed before.
        """
        if self._closed is not None or self._fault is not None or self._body is not None or self._head:
            self._refuse_input("feed_payload()")
        if isinstance(payload, Mapping):
            try:
                text = json.dumps(dict(payload))
            except RecursionError:
                text = "[" * (self._limits.json_depth + 1)
            except ValueError as error:
                raise TypeError(f"the payload is no JSON object: {error}") from error
        elif isinstance(payload, str):
            text = escape_surrogates(payload)
        else:
            text = as_bytes(payload).decode("utf-8", "replace")
        if self._report.by_payload is None:
            self._report.by_payload = 0
        self._starved = False
        self._payloads.append(text)

    def close(self) -> None:
        """The transport ended. Idempotent; raises nothing."""
        self._stop(Outcome.TRUNCATED)

    def cancel(self) -> None:
        """The caller gave up. What had arrived is kept. Idempotent; raises nothing."""
        self._stop(Outcome.CANCELLED)

    def _stop(self, outcome: Outcome) -> None:
        if self._closed is None:
            self._closed = outcome
            self._open = self._starved = False

    def _refuse_input(self, call: str) -> None:
        if self._closed is not None:
            why = "after " + ("cancel()" if self._closed is Outcome.CANCELLED else "close()")
        elif self._fault is not None:
            why = "after a failed parse"
        else:
            why = "beside the other way of feeding"
        raise UsageError(f"{call} {why}")

    # ------------------------------------------------------------------------------------------ output

    def next_event(self) -> Event | None:
        """The next event, or None where nothing more can be had from what was fed so far.

        Raises `WireError` in strict mode and `LimitExceeded` in both, after all events before the fault,
        and again at every later call.
        """
        if self._starved:
            return None
        if self._open and not self._pending:
            decoder = self._decoder
            if decoder.position >= decoder.complete and not self._values and decoder.waits():
                self._starved = True
                return None
            if self._lanes and decoder.plain:
                # The short cut: the next block may be a plain delta like one that went the long way. `hot`
                # says why a match is enough.
                buffer, position = decoder.buffer, decoder.position
                for lane in self._lanes:
                    if buffer.startswith(lane.head, position):
                        found = lane.match(buffer, position + lane.skip)
                        if found is not None:
                            event = self._hot_event(lane, found)
                            if event is not None:
                                return event
                            break
        if not self._pending and not self._fill():
            if self._fault is not None:
                raise self._fault
            return None
        waiting = self._pending.popleft()
        self._response = None
        try:
            if isinstance(waiting, Ending):
                finished = self._fold.end(waiting)
                self._response = finished.response
                return finished
            self._fold.apply(waiting)
        except LimitExceeded as fault:
            self._pending.clear()
            self._fail(fault)
            raise
        if self._candidate is not None and isinstance(waiting, HOT):
            self._learn(waiting)
        return waiting

    def events(self) -> Iterator[Event]:
        """`next_event()` until there is none: lazy, holds no state, safe to abandon and to call again."""
        # iter(self.next_event, None) would compare each event with None, which costs more than to make it.
        while (event := self.next_event()) is not None:
            yield event

    @property
    def response(self) -> Response:
        """The response folded from exactly the events handed out so far.

        Valid at any time, also after an error. Building it costs its size; reading it again nothing.
        """
        if self._response is None:
            self._response = self._fold.response()
        return self._response

    @property
    def state(self) -> ResponseState:
        """Where the response is in its life."""
        return self._fold.state

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What was out of order, in the order it was met; at most `Limits.anomalies`."""
        return tuple(self._report.anomalies)

    @property
    def anomaly_count(self) -> int:
        """How many anomalies there were, those included that were not kept."""
        return self._report.count

    @property
    def needs_input(self) -> bool:
        """Whether `next_event()` would give None, and more bytes could change that."""
        if self._fault is not None or self._closed is not None or self._fold.state is ResponseState.FINISHED:
            return False
        return not self._pending and not self._fill() and self._fault is None

    @property
    def last_sequence_number(self) -> int | None:
        """The resume cursor (`starting_after`): the last event all of which has been handed out."""
        dialect = self._dialect
        unread = self._pending or self._values
        return dialect.sequence_number_before if unread else dialect.last_sequence_number

    def partial_arguments(self, output_index: int) -> Any:
        """The arguments of a call as far as they are known, parsed; None while nothing is.

        Open strings, arrays and objects stand as far as they came. Asking again costs what has come since,
        and calls that nobody asks about cost nothing. The value grows in place: copy what is to be kept.
        """
        record = self._fold.items.get(output_index)
        value = None if record is None else record.values.get(("arguments",))
        if value is None:
            return None
        watched = self._watched.get(output_index)
        if watched is None or watched.value is not value:
            watched = self._watched[output_index] = Watched(value)
        return watched.read()

    # ---------------------------------------------------------------------------------------- snapshot

    def snapshot(self) -> dict[str, Any]:
        """The whole state, with what was fed and not yet read, as a versioned dict of JSON values.

        Raises `UsageError` once a `WireError` has been raised: there is nothing to go on from.
        """
        if self._fault is not None:
            raise UsageError("snapshot() after a failed parse")
        return seal(
            {
                "strict": self._strict,
                "lifts": freeze(self._lifts),
                "think_tags": self._think_tags,
                "decoder": self._decoder.getstate(),
                "fold": freeze(self._fold),
                "report": freeze(self._report.getstate()),
                "dialect_name": self._dialect.name,
                "dialect": freeze(self._dialect.getstate()),
                "parser": {name: freeze(getattr(self, name)) for name in MEMORY},
                "head": b64encode(b"".join(self._head)).decode(),
            }
        )

    @classmethod
    def resume(cls, snapshot: Mapping[str, Any]) -> ResponseParser:
        """The parser that goes on exactly where the one of the snapshot stood, in another process if need be.

        Raises `UsageError` where the snapshot is none, of another version, or damaged.
        """
        content = unseal(snapshot)
        try:
            fold = thaw(content["fold"])
            parser = cls(strict=content["strict"], limits=fold.limits, lifts=thaw(content["lifts"]))
            parser._think_tags = content["think_tags"]
            parser._fold = fold
            parser._report = Reporter(
                parser._decoder, fold, strict=content["strict"], most=fold.limits.anomalies
            )
            parser._report.setstate(thaw(content["report"]))
            for name in MEMORY:
                setattr(parser, name, thaw(content["parser"][name]))
            parser._use(content["dialect_name"])
            parser._decoder.setstate(content["decoder"])
            parser._dialect.setstate(thaw(content["dialect"]))
            head = b64decode(content["head"])
            parser._head = [head] if head else []
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise UsageError(f"the snapshot is damaged: {error}") from error
        return parser

    # --------------------------------------------------------------------------------------- short cut

    def _hot_event(self, lane: Lane, found: re.Match[bytes]) -> Event | None:
        """The event of a block that matched; None where it has to go the long way after all."""
        groups = found.groups()
        target = lane.targets.get(lane.identity(groups))
        if target is None or self._values:
            return None
        dialect = self._dialect
        number = dialect.last_sequence_number
        if lane.count is not None:
            number = int(groups[lane.count])
            if number - 1 != dialect.last_sequence_number:
                return None
        try:
            text = groups[lane.text].decode()
        except UnicodeDecodeError:
            return None
        if "\\" in text:
            text = unescaped(text)
        fold, decoder = self._fold, self._decoder
        end = found.end()
        size = fold.size + len(text)
        if not text or size > self._text_limit or end - decoder.position > self._longest:
            return None
        if target.opens is not None and text[0] in target.opens:
            return None
        # From here on it is as if the event had gone the long way.
        dialect.last_sequence_number = number
        decoder.position = end
        decoder.event_count += 1
        fold.size = size
        target.append(text)
        self._response = None
        self._misses = 0
        event = target.make(text)
        event.__class__ = target.kind
        return event  # type: ignore[no-any-return]

    def _learn(self, event: HotEvent) -> None:
        """A block went the long way and made just one event: does it show how the next ones look?"""
        assert self._candidate is not None
        payload, name, block = self._candidate
        self._candidate = None
        self._misses += 1
        found = self._dialect.plain_text(payload, event)
        if found is not None:
            path, opens = found
            self._hot.learn(block, name, payload, path, event, self._fold.fragments(event), opens)
        else:
            self._hot.forget(event.output_index)

    def _cool(self) -> None:
        """What goes the long way may change what hot deltas rely on."""
        if not self._pending:
            self._hot.forget(None)
        for event in self._pending:
            # A new item may be the one that the next fragment means.
            begins = isinstance(event, ItemStarted)
            self._hot.forget(None if begins else getattr(event, "output_index", None))

    # ------------------------------------------------------------------------------------------- steps

    def _fill(self) -> bool:
        """Reads on until an event is waiting. False where nothing more can be had."""
        if self._fault is not None or self._deaf:
            return False
        pending = self._pending
        try:
            while not pending:
                if self._open and not self._values:
                    if not self._read_frame():
                        self._starved = True
                        return False
                elif not self._read():
                    self._starved = self._closed is None
                    return False
            return True
        except WireError as fault:
            pending.clear()
            if self._fold.state is ResponseState.FINISHED:
                self._deaf = True
                self._open = False
            else:
                self._fail(fault)
        return False

    def _fail(self, fault: WireError) -> None:
        if fault.event_index is None:
            fault.offset, fault.event_index = self._report.position()
        self._fault = fault
        self._open = self._starved = False
        self._lanes.clear()

    def _read(self) -> bool:
        """One step: a value, a frame, the end. False where there is none."""
        if self._values:
            value, name = self._values.popleft()
            self._take(value, name)
            return True
        report = self._report
        if report.by_payload is not None:
            if self._payloads:
                report.text = self._payloads.popleft()
                report.by_payload += 1
                self._read_text(report.text, "", report.count)
                return True
        elif self._body is Body.EVENTS:
            if self._read_frame():
                return True
        elif self._sniffed():
            return True
        if self._closed is None or self._stage is Stage.ENDED:
            return False
        report.text = ""
        if self._stage is Stage.READING:
            self._stage = Stage.READ
            report.at_end = True
            self._read_rest()
        else:
            self._stage = Stage.ENDED
            self._pending.extend(self._dialect.end(self._closed))
        return True

    def _read_frame(self) -> bool:
        decoder = self._decoder
        signal = decoder.advance()
        if signal is EVENT:
            data = decoder.data
            anomalies = self._report.count
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                self._report.text = text = data.decode("utf-8", "replace")
                self._report(AnomalyCode.INVALID_UTF8, f"byte {error.start} of the data: {error.reason}")
            self._report.text = text
            name = decoder.event_name
            self._read_text(text, name.decode("utf-8", "replace") if name else "", anomalies)
        elif signal is COMMENT:
            self._alive(Heartbeat("comment", decoder.text.decode("utf-8", "replace")))
        elif signal is BARE:
            self._alive(Heartbeat(decoder.event_name.decode("utf-8", "replace")))
        elif signal is ERROR_FIELD:
            self._report.text = text = decoder.text.decode("utf-8", "replace")
            self._report(AnomalyCode.ERROR_FIELD, "an error came as an SSE field")
            for value in self._payloads_of(text):
                self._values.append(({"type": "error", "error": value}, ""))
        return bool(signal)

    def _alive(self, event: Heartbeat) -> None:
        if not self._dialect.ended:
            self._pending.append(event)

    def _payloads_of(self, text: str) -> list[Any]:
        return read_payloads(text, self._depth, self._fragments, self._report, strict=self._strict)

    def _read_text(self, text: str, name: str, anomalies: int) -> None:
        """The data of one event, and how many anomalies there were before it."""
        report, pending = self._report, self._pending
        values = self._payloads_of(text)
        if len(values) == 1:
            value = values[0]
            if type(value) is dict and not self._undecided:
                pending.extend(self._dialect.translate(value, name))
            else:
                self._take(value, name)
            if (
                len(pending) == 1
                and type(pending[0]) in HOT
                and self._misses < MOST_MISSES
                and report.count == anomalies  # else the next such block has its own
                and report.by_payload is None
                and (block := self._decoder.block()) is not None
            ):
                self._candidate = value, name, block
            elif self._lanes:
                self._cool()
        elif not text or text.isspace():
            self._alive(Heartbeat(name or "empty"))
        else:
            self._hot.forget(None)
            self._values.extend((value, name if i == 0 else "") for i, value in enumerate(values))

    def _take(self, value: Any, name: str) -> None:
        """One value out of the data of an event."""
        if type(value) is dict:
            if self._undecided:
                self._decide(value)
            self._pending.extend(self._dialect.translate(value, name))
        elif not isinstance(value, Unread):
            kind = "null" if value is None else type(value).__name__
            self._report(AnomalyCode.PAYLOAD_IS_NO_OBJECT, f"the payload is {kind}, no object")
            self._unknown(name, value)
        elif value == DONE:
            self._pending.extend(self._dialect.done_sentinel())
        elif value.startswith(":"):
            self._alive(Heartbeat("comment", value[1:].strip()))
        else:
            self._unknown(name, str(value))

    def _unknown(self, name: str, value: Any) -> None:
        if not self._dialect.ended:
            self._pending.append(UnknownEvent(name, value))

    def _decide(self, payload: dict[str, Any]) -> None:
        """The first payload tells the dialect; signs of life and bare errors have none."""
        kind = payload.get("object")
        if isinstance(self._dialect, ResponsesDialect) and (self._dialect.ending or self._dialect.ended):
            self._undecided = False  # a bare error was the end
        elif "choices" in payload or (isinstance(kind, str) and kind.startswith("chat.completion")):
            self._undecided = False
            self._use("chat")
        elif isinstance(payload.get("type"), str) and payload["type"].startswith("response."):
            self._undecided = False

    # -------------------------------------------------------------------------------- bodies and the end

    def _hold(self, data: bytes) -> None:
        """Bytes of a body whose kind is not known, or that is no event stream."""
        if self._deaf:
            return
        self._head.append(data)
        self._held += len(data)
        if self._body in (Body.HTML, Body.COMPRESSED) and self._held > 65_536:
            self._head = [b"".join(self._head)[:65_536]]

    def _sniffed(self) -> bool:
        """Finds out what kind of body this is. True where that is an event stream."""
        if self._body is None and self._head:
            head = b"".join(self._head)
            self._head = [head]
            self._body = sniff(head, closed=self._closed is not None)
            if self._body is Body.EVENTS:
                self._head = []
                self._decoder.push(head)
                self._open = self._closed is None
                return True
        if self._body is Body.JSON and self._held > self._limits.body_bytes:
            raise LimitExceeded("body_bytes", self._limits.body_bytes)
        return False

    def _read_rest(self) -> None:
        """What only the end of the body makes readable."""
        cancelled = self._closed is Outcome.CANCELLED  # then what was cut off is no fault
        if self._body is Body.EVENTS:
            frame = self._decoder.pending
            if frame is not None and frame.data:
                self._read_unfinished(frame, cancelled)
            elif not cancelled and not self._decoder.event_count and (line := self._decoder.stray_line()):
                self._refuse_body(AnomalyCode.BODY_IS_TEXT, line.decode("utf-8", "replace"))
            return
        text = b"".join(self._head).decode("utf-8", "replace")
        if self._body is Body.JSON:
            if not cancelled or is_strict_json(text):
                self._read_body(text)
        elif self._body is Body.HTML and not cancelled:
            self._refuse_body(AnomalyCode.BODY_IS_HTML, text)
        elif self._body is Body.COMPRESSED and not cancelled:
            self._refuse_body(AnomalyCode.BODY_IS_COMPRESSED, "")

    def _read_unfinished(self, frame: Frame, cancelled: bool) -> None:
        self._report.text = text = frame.data
        anomalies = self._report.count
        name = "" if frame.event == "message" else frame.event
        if text.strip() == DONE or (text.lstrip().startswith("{") and is_strict_json(text)):
            if not cancelled:
                self._report(AnomalyCode.UNTERMINATED_FINAL_EVENT, "the stream ended before the blank line")
            self._read_text(text, name, anomalies)
        elif not cancelled:
            self._report(AnomalyCode.UNFINISHED_FINAL_EVENT, "the stream ended inside an event")

    def _read_body(self, text: str) -> None:
        self._report.text = text
        self._report(AnomalyCode.BODY_IS_JSON, "the body is a JSON document, not an event stream")
        values = self._payloads_of(text)
        if len(values) == 1:
            value = values[0]
            if isinstance(value, list) and value and isinstance(value[0], dict):
                value = value[0]  # Google wraps errors so
            if isinstance(value, dict):
                if self._undecided:
                    self._decide(value)
                self._pending.extend(self._dialect.body(value))
                return
        self._values.extend((value, "") for value in values)

    def _refuse_body(self, code: AnomalyCode, text: str) -> None:
        self._report.text = text
        rule = ANOMALIES[code]
        self._report(code, rule.meaning)
        kind = ErrorKind.INVALID_REQUEST if code is AnomalyCode.BODY_IS_COMPRESSED else ErrorKind.SERVER_ERROR
        message = f"{rule.meaning} {text[:EXCERPT]}".strip()
        error = ResponseError(
            kind, message, str(code), retryable=kind is ErrorKind.SERVER_ERROR, raw=text[:4096]
        )
        self._pending.extend(self._dialect.fail(error))


MEMORY = (
    "_body",
    "_closed",
    "_deaf",
    "_held",
    "_open",
    "_payloads",
    "_pending",
    "_stage",
    "_undecided",
    "_values",
)


def parse(data: bytes | bytearray | memoryview, dialect: str = "auto", **options: Any) -> Response:
    """The response of a stored body, streamed or not. Options are those of `ResponseParser`.

    Raises what `ResponseParser.next_event()` raises.
    """
    parser = ResponseParser(dialect, **options)
    parser.feed(data)
    parser.close()
    for _ in parser.events():
        pass
    return parser.response
