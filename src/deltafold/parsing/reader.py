"""The reader: what was fed becomes events. Orchestration only; each thing it calls has a file of its own.

`feed()` only stores. `events()` first asks the fast path for a delta whose block equals one that came before;
otherwise `next()` hands out the event that is pending. Where none is, it reads the next frame and lets the
dialect translate it. So a dialect always sees the state that the caller has seen, and the state moves only as
events are handed out.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from deltafold.arguments.lift import Lift
from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_text, is_error_payload
from deltafold.dialects.base import Dialect, Translator
from deltafold.dialects.claims import dialect_of, form_of, unwrapped, wire_of
from deltafold.machine.fold import Emitted, Fold, PendingFinish
from deltafold.machine.lifecycle import CANCELLED, FAILED, FINISHED, IDLE, TRUNCATED
from deltafold.model.anomalies import ANOMALIES, AnomalyCode
from deltafold.model.errors import (
    DeltafoldError,
    ErrorKind,
    LimitExceeded,
    ResponseError,
    UsageError,
    WireError,
)
from deltafold.model.events import ErrorReported, Event, Heartbeat, UnknownEvent
from deltafold.model.faults import StickyFault
from deltafold.model.frozen import evolve
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome, Response
from deltafold.parsing.fast_path import FAST_EVENTS, FastPath
from deltafold.parsing.reporter import EXCERPT, ReadingStage, Reporter
from deltafold.registry import DIALECTS, part_of
from deltafold.wire.blocks import (
    COMMENT,
    CR,
    EVENT,
    LF,
    NAMED_BLOCK_WITHOUT_DATA,
    STRAY_LINE,
    BlockScanner,
    Signal,
    text_of,
)
from deltafold.wire.body_kind import BOM, EVENT_STREAM, MOST_BLANKS, Body, Opening, is_binary, sniff
from deltafold.wire.frame_decoder import FrameDecoder, Step
from deltafold.wire.json_text import (
    DONE,
    EVERYWHERE,
    NotJSON,
    Paths,
    RepeatedResponseReader,
    ReportAnomaly,
    has_surrogates,
    is_strict_json,
    next_payloads,
    read_object,
    replace_lone_surrogates,
    whole_objects,
)

if TYPE_CHECKING:
    from deltafold.parsing.replay import Replay

__all__ = ["Reader"]

# So much of a line that is no field is kept, for an error message.
LONGEST_STRAY: Final = 1_000
MOST_RAW: Final = 4096
MOST_PIECES: Final = 1024
"""So many chunks of a body are held as they are."""
MOST_SHOWN: Final = 65_536
"""So many bytes of a body are held that is no stream, to be quoted in its error."""
UNKNOWN: Final[Paths] = frozenset({EVERYWHERE})
"""Where pieces of text stand while nobody knows the dialect."""


class Reader:
    """Reads one response stream, for the `ResponseParser` that owns it."""

    SNAPSHOT_FIELDS: Final = (
        "_body",
        "_bytes_before",
        "_closed",
        "_cursor",
        "_ignore_input",
        "_foreign",
        "_has_halves",
        "_body_size",
        "_name",
        "_direct_to_decoder",
        "_payloads",
        "_pending",
        "_rest",
        "_rest_at",
        "_stage",
        "_stray",
        "_stray_after",
        "_dialect_unknown",
        "_values",
    )
    """What a snapshot keeps of the reader itself."""
    __slots__ = (
        "_announcement",
        "_depth",
        "_fault",
        "_fragments",
        "_framing",
        "_body_chunks",
        "_later_size",
        "_queued_connections",
        "_joined",
        "_joins_at",
        "_lifts",
        "_limits",
        "_looked",
        "_opening",
        "_dialect",
        "_raised",
        "_replay",
        "_response",
        "_response_size",
        "_strict",
        "_think_tags",
        "decoder",
        "dialect",
        "fold",
        "hot",
        "report",
        *SNAPSHOT_FIELDS,
    )

    def __init__(
        self,
        dialect: str,
        *,
        framing: str,
        strict: bool,
        limits: Limits,
        lifts: tuple[Lift, ...],
        approval_required: frozenset[str],
        think_tags: bool,
    ) -> None:
        self._framing = framing
        self._strict = strict
        self._limits = limits
        self._depth = limits.json_depth
        self._lifts = lifts
        self._think_tags = think_tags
        self.fold = Fold(limits, approval_required)
        self.decoder = BlockScanner(limits=limits)
        self.report = Reporter(self.decoder, self.fold, strict=strict, limit=limits.anomalies)
        self._dialect_unknown = dialect == "auto"
        # What kind of body this is, None while its first bytes do not tell, and those that were held for it.
        self._body: Body | None = None
        self._body_chunks: list[bytes] = []
        self._body_size = 0
        # The first pieces of it were joined already, and at so many the rest is.
        self._joined = 0
        self._joins_at = MOST_PIECES
        # What follows the first value of a body that begins with JSON, and how many pieces were looked at.
        self._opening: Opening | None = None
        self._looked = 0
        # Whether bytes go straight to the decoder: it is an event stream, and nothing has ended it.
        self._direct_to_decoder = False
        self._announcement = RepeatedResponseReader()
        # Payloads that were fed, once there are any: an empty deque takes as much as all else that is idle.
        self._payloads: deque[str] | None = None
        # Values read from the present frame, the next one last, with the name of its event, which is that of
        # the first one; the text of which more are to be read, and from where on; and events that are to be
        # handed out, the next one last.
        self._values: list[Any] = []
        self._name = ""
        self._rest, self._rest_at = "", 0
        # Whether the text may have halves of surrogate pairs that is read while nobody knows the dialect.
        self._has_halves = False
        self._pending: list[Emitted] = []
        self.hot = FastPath(self.decoder, self.fold, self._pending)
        # The last sequence number before the present step.
        self._cursor: int | None = None
        self._select_dialect(DIALECTS[0] if self._dialect_unknown else dialect)
        # The response as it was built last, and how much text it held.
        self._response: Response | None = None
        self._response_size = 0
        # What ended the reading, and whether the caller has seen it.
        self._fault: StickyFault | None = None
        self._raised = False
        self._closed: Outcome | None = None
        self._stage = ReadingStage.READING
        # What came over each later connection, while an earlier one is being read: bytes, or payloads. And
        # what tells old from new on the present one, where that is not the first.
        self._queued_connections: deque[list[Any]] | None = None
        # Bytes of all of them.
        self._later_size = 0
        self._replay: Replay | None = None
        # What the first event looks like that the dialect did not know, while it knows none; and the last
        # line of the stream that is no field, with the number of events before it.
        self._foreign = ""
        self._stray = ""
        self._stray_after = 0
        # Bytes of the connections before the present one.
        self._bytes_before = 0
        # No exception may follow `ResponseFinished`. If late input exceeds a limit, all further input is
        # ignored.
        self._ignore_input = False

    def _dialect_of(self, name: str, fold: Fold, report: ReportAnomaly) -> Dialect:
        lifts = CallLifts(self._lifts, report)
        made: Dialect = part_of(name, "reader").DIALECT(fold, report, lifts, think_tags=self._think_tags)
        return made

    def _set_active_dialect(self, dialect: Any) -> None:
        self.dialect: Translator = dialect
        self.hot.set_dialect(dialect)

    def _select_dialect(self, name: str) -> Dialect:
        dialect = self._dialect = self._dialect_of(name, self.fold, self.report)
        self._set_active_dialect(dialect)
        self._fragments: Paths = UNKNOWN if self._dialect_unknown else dialect.fragments
        return dialect

    # ------------------------------------------------------------------------------------------- input

    def feed(self, data: bytes) -> None:
        """Bytes as the transport gave them. Raises `UsageError`."""
        if data and self._direct_to_decoder:
            # The decoder's push(), written out: for chunks of few bytes its call would cost as much again.
            decoder = self.decoder
            decoder.chunks.append(data)
            decoder.unjoined_size = held = decoder.unjoined_size + len(data)
            if LF in data or CR in data:
                decoder.has_unjoined_line = True
                decoder.drained = False
            elif held > decoder.join_at:
                decoder.join_long_line()
                if decoder.has_unjoined_line:
                    decoder.drained = False
            return
        if self._queued_connections and self._closed is None and not self._raised:
            self._queue_for_connection(data, "feed()")
            return
        if self._closed is not None or self._raised or self.report.payload_count is not None:
            self._refuse_input("feed()")
        if self._body is EVENT_STREAM and not self._ignore_input:
            self.decoder.push(data)
            self.decoder.drained = False
        elif data and self.report.framed is not None and not self._ignore_input:
            self.report.framed.push(data)
            self.decoder.drained = False
        elif data:
            self._buffer_body(data)
            self.decoder.drained = False

    def check_payload(self) -> None:
        """Raises `UsageError` where no payload may be fed."""
        ready = self._queued_connections or (self._body is None and not self._body_chunks)
        if self._closed is not None or self._raised or not ready:
            self._refuse_input("feed_payload()")

    def feed_payload(self, text: str) -> None:
        """The JSON text of one event. Raises `UsageError`."""
        if self._queued_connections:
            self._queue_for_connection(text, "feed_payload()")
            return
        if self.report.payload_count is None:
            self.report.payload_count = 0
        self.decoder.drained = False
        if self._payloads is None:
            self._payloads = deque()
        self._payloads.append(text)

    def reconnect(self) -> None:
        """What is fed from now on comes over another connection. Raises `UsageError`."""
        ended = self.fold.state is FINISHED
        if self._closed is not None or self._raised or ended:
            self._refuse_input("reconnect()")
        if self._queued_connections is None:
            self._queued_connections = deque()
        self._queued_connections.append([])
        self._direct_to_decoder = self.decoder.drained = False

    def stop(self, outcome: Outcome) -> None:
        """Nothing more will be fed."""
        if self._closed is None:
            self._closed = outcome
            self._direct_to_decoder = self.decoder.drained = False

    def _refuse_input(self, call: str) -> None:
        if self._closed is not None:
            why = "after " + ("cancel()" if self._closed is CANCELLED else "close()")
        elif self._raised:
            why = "after a failed parse"
        elif self.fold.state is FINISHED and call == "reconnect()":
            why = "after the end of the response"
        else:
            why = "beside the other way of feeding"
        raise UsageError(f"{call} {why}")

    # ------------------------------------------------------------------------------------------ output

    def events(self) -> Iterator[Event]:
        """What can be had of what was fed. Raises `WireError`.

        Between two events anything may happen to the parser, so all is asked anew for each.
        """
        hot, decoder = self.hot, self.decoder
        while not decoder.drained:
            event: Event | None = hot.take()
            if event is None:
                event = self.next()
                if event is None:
                    return
            yield event

    def next(self) -> Event | None:
        """The next pending event, applied to the fold; reads input until there is one. Raises `WireError`.

        `events()` tries the fast path first.
        """
        pending = self._pending
        if not pending:
            decoder = self.decoder
            if (
                self._direct_to_decoder
                and not self._values
                and not self._rest
                and decoder.is_waiting_for_block_end()
            ):
                decoder.drained = True
                self.report.current_payload = ""
                return None
            if not self._fill():
                if self._fault is not None:
                    self._raised = True
                    raise self._fault.exception()
                return None
        waiting = pending.pop()
        self._response = None
        event: Event
        try:
            if isinstance(waiting, PendingFinish):
                event = finished = self.fold.end(waiting, self.report.kept())
                self._response, self._response_size = finished.response, self.fold.size
            else:
                event = waiting
                self.fold.apply(event)
        except LimitExceeded as fault:
            self._fail(fault)
        else:
            if self.hot.candidate is not None:
                self.hot.learn_from_candidate(event)
                self._dialect.begin_payload()  # the next ones need not come to it
            if type(event) is UnknownEvent and not self._foreign and self.fold.state is IDLE:
                self._note_foreign(event)
            return event
        self._raised = True
        raise self._fault_to_raise()

    def _note_foreign(self, event: UnknownEvent) -> None:
        # Text out of a JSON body is a document that was cut off.
        if self._body is not Body.JSON or not isinstance(event.payload, str):
            self._foreign = wire_of(event.payload, event.type)

    def _fault_to_raise(self) -> DeltafoldError:
        assert self._fault is not None
        return self._fault.exception()

    def _failed(self) -> bool:
        """Whether nothing more can be read.

        (Once it has been seen to be None, mypyc takes the attribute to be so also behind calls that set it.)
        """
        return self._fault is not None

    def response(self) -> Response:
        """The response so far, built anew only where something came."""
        response, report = self._response, self.report
        if (
            response is None
            or self._response_size != self.fold.size
            or len(response.anomalies) != len(report.anomalies)
        ):
            response = self._response = self.fold.response(report.kept())
            self._response_size = self.fold.size
        return response

    def needs_input(self) -> bool:
        """Whether nothing can be had that was fed, and more bytes could change that."""
        if self._failed() or self._closed is not None or self.fold.state is FINISHED:
            return False
        return not self._pending and not self._fill() and not self._failed()

    @property
    def dialect_name(self) -> str:
        """The name of the dialect, "auto" while nothing has decided it."""
        return "auto" if self._dialect_unknown else self._dialect.name

    def last_sequence_number(self) -> int | None:
        """That of the last event all of which has been handed out."""
        waiting = self._pending or self._values or self._rest
        return self._cursor if waiting else self.dialect.last_sequence_number

    def bytes_fed(self) -> int:
        """Over all connections."""
        return self._bytes_before + self._bytes_of_connection() + self._bytes_of_later()

    def bytes_pending(self) -> int:
        """Those that no event has come of yet."""
        if self._body is EVENT_STREAM:
            return self.decoder.bytes_pending + self._bytes_of_later()
        if self.report.framed is not None:
            return self.report.framed.bytes_pending + self._bytes_of_later()
        return (self._body_size if self._stage is ReadingStage.READING else 0) + self._bytes_of_later()

    def _bytes_of_connection(self) -> int:
        framed = self.report.framed
        if framed is not None:
            return framed.bytes_fed
        return self.decoder.bytes_fed if self._body is EVENT_STREAM else self._body_size

    def _bytes_of_later(self) -> int:
        return self._later_size

    # ---------------------------------------------------------------------------------------- snapshot

    def getstate(self) -> dict[str, Any]:
        """All that was read, and what is still to be read, as JSON values. Raises `UsageError`."""
        if self._fault is not None:
            raise UsageError("snapshot() after a failed parse")
        from deltafold.parsing.snapshot import learn, to_json

        dialect = self._dialect
        learn(dialect.name)
        return {
            "strict": self._strict,
            "framing": self._framing,
            "lifts": to_json(self._lifts),
            "think_tags": self._think_tags,
            "decoder": self.decoder.getstate(),
            "framed": None if self.report.framed is None else self.report.framed.getstate(),
            "fold": to_json(self.fold),
            "report": to_json(self.report.getstate()),
            "dialect_name": dialect.name,
            "dialect": to_json(dialect.getstate()),
            "replay": None if self._replay is None else to_json(self._replay.getstate()),
            "later": [
                b64encode(b"".join(pieces)).decode() if is_bytes(pieces) else [*pieces]
                for pieces in self._queued_connections or ()
            ],
            "reader": {name: to_json(getattr(self, name)) for name in self.SNAPSHOT_FIELDS},
            "head": b64encode(b"".join(self._body_chunks)).decode(),
        }

    def setstate(self, content: Mapping[str, Any]) -> None:
        """Makes a new reader, of the same options, go on where another one stood."""
        from deltafold.parsing.snapshot import from_json, learn

        learn(content["dialect_name"])
        fold = self.fold = from_json(content["fold"])
        self.report = Reporter(self.decoder, fold, strict=self._strict, limit=self._limits.anomalies)
        self.report.setstate(from_json(content["report"]))
        for name in self.SNAPSHOT_FIELDS:
            setattr(self, name, from_json(content["reader"][name]))
        self.hot = FastPath(self.decoder, fold, self._pending)
        self.decoder.setstate(content["decoder"])
        self._select_dialect(content["dialect_name"]).setstate(from_json(content["dialect"]))
        if content["replay"] is not None:
            self._expect_replay().setstate(from_json(content["replay"]))
        later = [[b64decode(sent)] if isinstance(sent, str) else [*sent] for sent in content["later"]]
        self._queued_connections = deque(later) if later else None
        self._later_size = sum([len(piece) for pieces in later if is_bytes(pieces) for piece in pieces])
        head = b64decode(content["head"])
        self._body_chunks = [head] if head else []
        if content["framed"] is not None:
            self._begin_frames(self._body).setstate(content["framed"])
        self._opening = Opening() if self._body is Body.JSON else None

    # ------------------------------------------------------------------------------------------- steps

    def _fill(self) -> bool:
        """Reads on until an event is waiting. False where nothing more can be had."""
        if self._fault is not None or self._ignore_input:
            return False
        pending = self._pending
        try:
            while not pending:
                if not self._read():
                    self.decoder.drained = self._closed is None
                    self.report.current_payload = ""
                    return False
            pending.reverse()
            return True
        except WireError as fault:
            if self.fold.state is FINISHED:
                pending.clear()
                self._ignore_input = True
                self._direct_to_decoder = False
            else:
                self._fail(fault)
        return False

    def _fail(self, fault: WireError) -> None:
        if fault.event_index is None:
            fault.offset, fault.event_index = self.report.position()
        self._fault = StickyFault(fault)
        self._direct_to_decoder = self.decoder.drained = False
        self.hot.invalidate(None)
        # What made it is let go: nothing is read any more.
        self._pending.clear()
        self._values = []
        self._rest = ""
        self._payloads = self._queued_connections = None
        self._later_size = 0
        self._body_chunks = []
        self._opening = None
        if self.report.framed is not None:
            self.report.framed.drop()
        self._announcement = RepeatedResponseReader()
        self._dialect.begin_payload()
        self.fold.announced_records.clear()

    def _read(self) -> bool:
        """One step: a value, a frame, the end. False where there is none."""
        self._cursor = self.dialect.last_sequence_number
        if self._replay is not None and self._replay.over:
            self._end_replay(self._replay)
            return True
        if self._values:
            value, name, self._name = self._values.pop(), self._name, ""
            self._dispatch_value(value, "" if type(value) is dict and "type" in value else name)
            return True
        if self._rest:
            self.report.current_payload = self._rest
            self._read_later(self._payloads_of(self._rest, self._rest_at))
            return True
        report = self.report
        if report.payload_count is not None and self.dialect.is_failing:
            if self._replay is not None:
                self._end_replay(self._replay)
            self._pending.extend(self.dialect.end(TRUNCATED))
            return True
        if self._body is EVENT_STREAM:
            signal = self.decoder.advance()
            if signal is EVENT:
                self._read_event()
                return True
            if signal:
                self._read_non_event(signal)
                return True
        elif report.payload_count is not None:
            if self._payloads:
                text = self._payloads.popleft()
                report.payload_count += 1
                if exceeds(text, self._limits.event_bytes):
                    raise LimitExceeded("event_bytes", self._limits.event_bytes)
                report.current_payload = text
                self._read_values(text, "")
                return True
        elif report.framed is not None:
            if self._closed is not None and not self._queued_connections:
                report.framed.close()
            step = report.framed.advance()
            if step:
                self._read_frame(report.framed, step)
                return True
        elif self._sniffed():
            return True
        if self._queued_connections:
            self._next_connection()
            return True
        if self._closed is None or self._stage is ReadingStage.ENDED:
            return False
        report.current_payload = ""
        if self._stage is ReadingStage.READING:
            self._stage = ReadingStage.READ
            report.at_end = True
            self._read_rest()
        else:
            self._stage = ReadingStage.ENDED
            if self._replay is not None:
                self._end_replay(self._replay)
            self._pending.extend(self._end(self._closed))
        return True

    def _end(self, outcome: Outcome) -> list[Emitted]:
        """The events of the end, where nothing sent it."""
        own = self._dialect
        if outcome is not TRUNCATED:
            return self.dialect.end(outcome)
        if self._foreign and not own.ended and not own.has_begun() and self.fold.error is None:
            self.report(AnomalyCode.NOTHING_UNDERSTOOD, f"the events look like {self._foreign}"[:200])
            message = f"Not one event is known to dialect={own.name!r}. What came looks like {self._foreign}."
            return self.dialect.reject_body(
                ResponseError(ErrorKind.INVALID_REQUEST, message, "nothing_understood", retryable=False)
            )
        events = self.dialect.end(outcome)
        last = events[-1] if events else None
        stray = self._stray if self._stray_after == self._events_so_far() else ""
        if stray and isinstance(last, PendingFinish) and last.outcome is TRUNCATED:
            self.report.current_payload = stray
            self.report(AnomalyCode.TEXT_AT_END, "the stream broke off with text")
            last.outcome = FAILED
            last.data = {**last.data, "status": "failed"}
            events.insert(len(events) - 1, ErrorReported(error_from_text(stray)))
        return events

    def _read_event(self) -> None:
        """The event that the decoder came upon: nearly always one JSON object in UTF-8."""
        decoder, report, pending = self.decoder, self.report, self._pending
        anomalies = report.count
        text, kind = decoder.data, text_of(decoder.event_name)
        decoder.data = ""
        if not text.isascii():
            # Large data are let go of as soon as they are there in another form.
            data = text.encode("latin-1")
            text = ""
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                report.current_payload = text = data.decode("utf-8", "replace")
                report(AnomalyCode.INVALID_UTF8, f"byte {error.start} of the data: {error.reason}")
            del data
        report.current_payload = text
        payload = (
            None if self._dialect_unknown else self._announcement.read(text, self._depth, strict=self._strict)
        )
        if payload is None:
            payload = self._read_values(text, kind)
        else:
            if "data" in payload:
                payload = self._unwrapped(payload)
            pending.extend(self.dialect.translate(payload, kind))
        # A fault that one delta has, the next one has as well: both have to go the long way.
        if (
            len(pending) == 1
            and type(pending[0]) in FAST_EVENTS
            and report.count == anomalies
            and payload is not None
        ):
            self.hot.set_candidate(payload)
        elif self.hot.groups:
            self.hot.invalidate_for_pending()

    def _read_frame(self, framed: FrameDecoder[Any], step: Step) -> None:
        """What the decoder of another framing came upon."""
        report = self.report
        if step is Step.FLAW:
            report.current_payload = text = framed.data.decode("utf-8", "replace")
            report(framed.flaw_code, framed.flaw)
            if text:
                self._unknown("", text)
            return
        name, data = "", framed.data
        if self._body is Body.AWS_EVENT_STREAM:
            from deltafold.wire.aws_eventstream import unwrapped

            report.current_payload = data[:EXCERPT].decode("utf-8", "replace")
            sent, name = unwrapped(framed.headers, data, self._depth)
            self._has_halves = True  # nobody has looked
            if isinstance(sent, dict):
                self._dispatch_value(sent, name)
                return
            data = sent
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            report.current_payload = text = data.decode("utf-8", "replace")
            report(AnomalyCode.INVALID_UTF8, f"byte {error.start} of the data: {error.reason}")
        report.current_payload = text
        payload = None if self._dialect_unknown else read_object(text, self._depth, strict=self._strict)
        if payload is None:
            self._read_values(text, name)
        else:
            if "data" in payload:
                payload = self._unwrapped(payload)
            self._pending.extend(self.dialect.translate(payload, name))

    def _read_non_event(self, signal: Signal) -> None:
        """Something else that the decoder came upon."""
        decoder = self.decoder
        if signal is COMMENT:
            self._emit_heartbeat(Heartbeat("comment", text_of(decoder.text)))
        elif signal is NAMED_BLOCK_WITHOUT_DATA:
            self._emit_heartbeat(Heartbeat(text_of(decoder.event_name)))
        elif signal is STRAY_LINE:
            self._read_stray(text_of(decoder.text))
        else:  # ERROR_FIELD
            self.report.current_payload = text = text_of(decoder.text)
            self.report(AnomalyCode.ERROR_FIELD, "an error came as an SSE field")
            values = self._payloads_of(text)
            while self._rest:
                values += self._payloads_of(self._rest, self._rest_at)
            texts = [value.text if isinstance(value, NotJSON) else value for value in values]
            self._read_later([{"type": "error", "error": sent} for sent in texts])

    def _read_stray(self, text: str) -> None:
        """A line that is no field: "The field is ignored", unless a server has written an error there."""
        start = text.strip()
        if start.startswith(("{", "[")) and is_strict_json(start):
            self.report.current_payload = start
            values = self._payloads_of(start)
            if all(is_payload(value) for value in values):
                self.report(AnomalyCode.PAYLOAD_IN_NO_FIELD, "a line of the stream is a payload, no field")
                self._read_later(values)
        elif self.decoder.event_count:
            self._note_stray(start)

    def _note_stray(self, text: str) -> None:
        """Words that are no event: if nothing follows them, they say why."""
        self._stray, self._stray_after = text[:LONGEST_STRAY], self._events_so_far()

    def _events_so_far(self) -> int:
        """On the present connection, whatever its framing."""
        report = self.report
        if report.payload_count is not None:
            return report.payload_count
        return self.decoder.event_count if report.framed is None else report.framed.event_count

    def _unwrapped(self, payload: dict[str, Any]) -> dict[str, Any]:
        inner = unwrapped(payload)
        if inner is not payload:
            self.report(AnomalyCode.PAYLOAD_WRAPPED, "a payload is wrapped in a member `data`")
        return inner

    def _emit_heartbeat(self, event: Heartbeat) -> None:
        if not self.dialect.ended:
            self._pending.append(event)

    def _payloads_of(self, text: str, start: int = 0) -> list[Any]:
        """The payloads in a text from a position on. Where there are more of them, `_rest` is that text."""
        if not start and self._dialect_unknown:
            self._has_halves = has_surrogates(text)
        values, end = next_payloads(
            text, start, self._depth, self._fragments, self.report, strict=self._strict
        )
        self._rest, self._rest_at = (text, end) if end < len(text) else ("", 0)
        if any(is_batch(value) for value in values):
            self.report(AnomalyCode.SEVERAL_PAYLOADS, "payloads come in an array")
            values = [one for value in values for one in (value if is_batch(value) else [value])]
        return values

    def _read_values(self, text: str, name: str) -> dict[str, Any] | None:
        """Whatever the data of an event hold. Gives the object where they are just one."""
        values = self._payloads_of(text)
        if len(values) == 1 and not self._rest:
            self._dispatch_value(values[0], name)
            return values[0] if type(values[0]) is dict else None
        if not text or text.isspace():
            self._emit_heartbeat(Heartbeat(name or "empty"))
        else:
            # Where events are parted by one line end only, the name is that of the last one.
            self._read_later(values)
            self._name = name
        return None

    def _read_later(self, values: list[Any]) -> None:
        """Values that are to be read one after another, where none are waiting."""
        self._values = values[::-1]

    def _dispatch_value(self, value: Any, name: str) -> None:
        """One value out of the data of an event."""
        if type(value) is dict:
            self._stray = ""
            if "data" in value:
                value = self._unwrapped(value)
            if self._dialect_unknown:
                value = self._detect_dialect(value, name)
            self._pending.extend(self.dialect.translate(value, name))
        elif not isinstance(value, NotJSON):
            kind = "null" if value is None else type(value).__name__
            self.report(AnomalyCode.PAYLOAD_IS_NO_OBJECT, f"the payload is {kind}, no object")
            self._unknown(name, value)
        elif value.text == DONE:
            self._pending.extend(self.dialect.handle_done())
        elif value.text.startswith(":"):
            self._emit_heartbeat(Heartbeat("comment", value.text[1:].strip()))
        elif name == "error":
            self._pending.extend(self.dialect.translate({"type": name, "error": value.text}, name))
        else:
            if is_sentence(value.text):
                self._note_stray(value.text)
            self._unknown(name, value.text)

    def _unknown(self, name: str, value: Any) -> None:
        if not self.dialect.ended:
            event = UnknownEvent(name, value)
            self._pending.extend([event] if self._replay is None else self._replay.filter_event(event))

    def _detect_dialect(self, payload: dict[str, Any], name: str = "") -> dict[str, Any]:
        """The first payload tells the dialect; signs of life and bare errors have none. Gives the payload."""
        found = self._dialect.name if self._dialect.has_begun() else dialect_of(payload, name)
        fragments: Paths = frozenset()
        if found is not None:
            self._dialect_unknown = False
            if found != self._dialect.name:
                self._select_dialect(found)
            fragments = self._fragments = self._dialect.fragments
        # So far, pieces of a text were left as they are, wherever they stand.
        return replace_lone_surrogates(payload, self.report, fragments) if self._has_halves else payload

    # ----------------------------------------------------------------------------------- reconnection

    def _queue_for_connection(self, piece: Any, call: str) -> None:
        """What comes over a later connection waits until the earlier ones have been read."""
        assert self._queued_connections is not None
        pieces: list[Any] = self._queued_connections[-1]
        if pieces and type(pieces[0]) is not type(piece):
            self._refuse_input(call)
        if piece or isinstance(piece, str):
            pieces.append(piece)
            if not isinstance(piece, str):
                self._later_size += len(piece)
            self.decoder.drained = False

    def _next_connection(self) -> None:
        """The old connection has been read as far as it is whole: the next one begins."""
        if self._body is Body.JSON and self._body_chunks:
            text = b"".join(self._body_chunks).decode("utf-8-sig", "replace")
            self._body_chunks = []
            if is_strict_json(text):
                self._read_body(text)
                return
        if self._replay is not None:
            self._replay.abandon()
            self._end_replay(self._replay)
        self._bytes_before += self._bytes_of_connection()
        self.decoder.reconnect()
        self.report.payload_count = None
        assert self._queued_connections is not None
        pieces = self._queued_connections.popleft()
        self._body, self._direct_to_decoder = None, False
        self._body_chunks, self._body_size = [], 0
        self._loosen()
        self._opening, self.report.framed = None, None
        if is_bytes(pieces):
            self._body_chunks, self._body_size = [b"".join(pieces)], sum(map(len, pieces))
            self._later_size -= self._body_size
        elif pieces:
            self._payloads = deque(pieces)
            self.report.payload_count = 0
        self.hot.invalidate(None)
        if not self._dialect_unknown and not self.dialect.ended:
            self._expect_replay()

    def _expect_replay(self) -> Replay:
        """Payloads go through a `Replay` now, which drops what was handed out before `reconnect()`."""
        from deltafold.parsing.replay import DeferredAnomalies, Replay

        dialect, held = self._dialect, DeferredAnomalies()
        replica = self._dialect_of(dialect.name, Fold(self._limits, self.fold.approval_required), held)
        self._replay = replay = Replay(dialect, replica, held, self.report)
        self._set_active_dialect(replay)
        return replay

    def _end_replay(self, replay: Replay) -> None:
        """The new connection has caught up: its payloads go straight to the dialect that is complete.

        That is `replay.successor`. `data` and `usage` stay as they were handed out.
        """
        self._replay = self._response = None
        successor = replay.successor
        if replay.has_waiting and self._closed is TRUNCATED and not self._queued_connections:
            self.report(AnomalyCode.REPLAY_REFUSED, "it broke off before all that had come had come again")
        if successor is replay.live:
            self._set_active_dialect(successor)
        else:
            data, usage = self.fold.data, self.fold.usage
            replay.keep_counts()
            self.fold.replace_with(successor.fold)
            self.fold.data, self.fold.usage = data, usage  # as the events had it that were handed out
            self._select_dialect(successor.name).setstate(successor.getstate())
        if replay.ending is not None:
            self._pending.append(replay.ending)
        self._direct_to_decoder = (
            self._body is EVENT_STREAM and self._closed is None and not self._queued_connections
        )

    # -------------------------------------------------------------------------------- bodies and the end

    def _buffer_body(self, data: bytes) -> None:
        """Bytes of a body whose kind is not known, or that is no event stream."""
        if self._ignore_input:
            return
        head = self._body_chunks
        room = MOST_SHOWN - self._body_size
        self._body_size += len(data)
        if self._body is Body.HTML or self._body is Body.COMPRESSED:
            data = data[: max(room, 0)]  # its beginning is all that is shown of it
            if not data:
                return
        head.append(data)
        if len(head) >= self._joins_at:
            # A list of small chunks takes many times their memory, and joining very many at once as well.
            if self._opening is not None:
                for piece in head[self._looked :]:
                    self._opening.read(piece)
            head[self._joined :] = [b"".join(head[self._joined :])]
            self._joined = self._looked = len(head)
            self._joins_at = self._joined + MOST_PIECES

    def _sniffed(self) -> bool:
        """Finds out what kind of body this is. True where there is something in it to be read now."""
        if self._body is None and self._body_chunks:
            new = self._body_chunks[self._looked :]
            if (
                self._looked
                and self._body_size <= MOST_BLANKS
                and self._closed is None
                and not b"".join(new).strip()
            ):
                self._looked = len(self._body_chunks)  # blanks behind blanks: nothing has become clear
                return False
            head = b"".join(self._body_chunks)
            self._body_chunks = [head]
            self._loosen()
            start = head.removeprefix(BOM).strip()
            self._looked = int(not start or (start == b"[" and self._framing == "auto"))
            self._become(sniff(head, closed=self._closed is not None, framing=self._framing), head)
            if not self._body_chunks:
                return True
        if self._opening is not None and self._look_behind():
            return True
        if self._body is Body.JSON:
            opening = self._opening
            self._check_body(self._body_size if opening is None or opening.start < 0 else opening.start)
        return False

    def _check_body(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise LimitExceeded("body_bytes", self._limits.body_bytes)

    def _loosen(self) -> None:
        """The pieces that are held are those of another body, or one."""
        self._joined = self._looked = 0
        self._joins_at = MOST_PIECES

    def _become(self, body: Body | None, head: bytes) -> None:
        """The body is of this kind, and begins so."""
        self._body = body
        self._opening = None
        if body is EVENT_STREAM:
            self._body_chunks = []
            self.decoder.push(head)
            self._direct_to_decoder = (
                self._closed is None and self._replay is None and not self._queued_connections
            )
        elif body is Body.JSON_ARRAY or body is Body.NDJSON or body is Body.AWS_EVENT_STREAM:
            self._body_chunks = []
            self._begin_frames(body).push(head)
        elif body is Body.JSON:
            self._opening, self._looked = Opening(), 0

    def _begin_frames(self, body: Body | None) -> FrameDecoder[Any]:
        """The decoder of a framing, which from here on is the stream's."""
        made: FrameDecoder[Any]
        if body is Body.JSON_ARRAY:
            from deltafold.wire.json_array import JSONArrayDecoder

            made = JSONArrayDecoder(limits=self._limits)
        elif body is Body.NDJSON:
            from deltafold.wire.ndjson import NDJSONDecoder

            made = NDJSONDecoder(limits=self._limits)
        else:
            from deltafold.wire.aws_eventstream import AWSEventStreamDecoder

            made = AWSEventStreamDecoder(limits=self._limits)
        self.report.framed = made
        return made

    def _look_behind(self) -> bool:
        """Whether a body that begins with a JSON object turns out to be a stream."""
        opening = self._opening
        assert opening is not None
        for piece in self._body_chunks[self._looked :]:
            opening.read(piece)
        self._looked = len(self._body_chunks)
        kind = opening.kind()
        if kind is None:
            return False
        self._opening = None
        if kind is Body.JSON or self._framing == "aws_eventstream":
            return False
        head = b"".join(self._body_chunks)
        first = head[: opening.end].decode("utf-8", "replace").strip()
        if kind is EVENT_STREAM:
            self._check_body(opening.start)
            self.report.current_payload = first
            self.report(AnomalyCode.VALUE_BEFORE_EVENTS, "a JSON value stands before the events")
            self._become(kind, head)
            self._read_values(first.removeprefix("\ufeff"), "")
            return True
        if self._framing != "auto" or "\n" in first:
            return False  # what is written over several lines is none of JSON lines
        self._check_body(opening.start)
        self._become(kind, head)
        return True

    def _read_rest(self) -> None:
        """What only the end of the body makes readable."""
        cancelled = self._closed is CANCELLED  # then what was cut off is no fault
        if self._body is EVENT_STREAM:
            data = self.decoder.pending_data()
            if data:
                self._read_unfinished(text_of(self.decoder.pending_name), text_of(data), cancelled)
            elif not cancelled and not self.decoder.event_count and (line := self.decoder.stray_line()):
                self._refuse_body(AnomalyCode.BODY_IS_TEXT, line)
            elif not cancelled and (line := self.decoder.unfinished_line()):
                self._read_stray(line)
            return
        framed = self.report.framed
        if framed is not None:
            flaw = None if cancelled else framed.unfinished()
            if flaw is not None:
                self.report.current_payload = framed.pending[:EXCERPT].decode("utf-8", "replace")
                self.report(*flaw)
            return
        text = b"".join(self._body_chunks).decode("utf-8-sig", "replace")
        if self._body is Body.JSON:
            if not cancelled or is_strict_json(text):
                self._read_body(text)
        elif self._body is Body.HTML and not cancelled:
            self._refuse_body(AnomalyCode.BODY_IS_HTML, text)
        elif self._body is Body.COMPRESSED and not cancelled:
            self._refuse_body(AnomalyCode.BODY_IS_COMPRESSED, "")

    def _read_unfinished(self, name: str, text: str, cancelled: bool) -> None:
        """The event that was begun when the stream ended, with what came of its data."""
        self.report.current_payload = text
        name = "" if name == "message" else name
        end = whole_objects(text)
        if not cancelled:
            if end == len(text):
                self.report(AnomalyCode.UNTERMINATED_FINAL_EVENT, "the stream ended before the blank line")
            else:
                self.report(AnomalyCode.UNFINISHED_FINAL_EVENT, "the stream ended inside an event")
        if text[:end].strip():
            self._read_values(text[:end], name)

    def _read_body(self, text: str) -> None:
        if text.lstrip().startswith("[") and not is_strict_json(text):
            self._refuse_body(AnomalyCode.BODY_IS_TEXT, text)
            return
        self.report.current_payload = text
        self.report(AnomalyCode.BODY_IS_JSON, "the body is a JSON document, not an event stream")
        values = self._payloads_of(text)
        if len(values) == 1 and not self._rest:
            value = values[0]
            if isinstance(value, dict):
                if "data" in value:
                    value = self._unwrapped(value)
                if self._dialect_unknown:
                    value = self._detect_dialect(value)
                self._pending.extend(self.dialect.translate_body(value))
                return
        self._read_later(values)

    def _refuse_body(self, code: AnomalyCode, text: str) -> None:
        if code is AnomalyCode.BODY_IS_TEXT and is_binary(text):
            code, text = AnomalyCode.BODY_IS_COMPRESSED, ""
        self.report.current_payload = text
        rule = ANOMALIES[code]
        self.report(code, rule.meaning)
        form = form_of(text) if code is AnomalyCode.BODY_IS_TEXT else ""
        looks = f" They look like {form}." if form else ""
        message, raw = f"{rule.meaning}{looks} {text[:EXCERPT]}".strip(), text[:MOST_RAW]
        error = ResponseError(ErrorKind.INVALID_REQUEST, message, str(code), raw=raw)
        if code is not AnomalyCode.BODY_IS_COMPRESSED and not form:
            error = evolve(error_from_text(text), message=message, code=str(code), raw=raw)
        self._pending.extend(self.dialect.reject_body(error))


def is_payload(value: Any) -> bool:
    """Whether a value is of one of the wires, or tells of an error."""
    return type(value) is dict and (dialect_of(value) is not None or is_error_payload(value))


def is_batch(value: Any) -> bool:
    """Whether a value is an array of payloads."""
    return type(value) is list and len(value) > 0 and all(type(entry) is dict for entry in value)


def is_sentence(text: str) -> bool:
    """Whether data that are no JSON may be words of a server, not a payload that was cut or damaged."""
    return text[:1] not in ("{", '"') and text[:2] not in ("[{", '["', "[[") and not DONE.startswith(text)


def exceeds(text: str, most: int) -> bool:
    """Whether a text has more bytes in UTF-8 than that."""
    if len(text) > most or len(text) * 4 <= most or text.isascii():
        return len(text) > most
    return len(text.encode("utf-8", "replace")) > most


def is_bytes(pieces: list[Any]) -> bool:
    """Whether bytes came over a connection, not payloads."""
    return bool(pieces) and isinstance(pieces[0], bytes)
