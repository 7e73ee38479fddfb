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
from typing import Any

from deltafold.diagnosis.error_payloads import error_from_text
from deltafold.dialects.claims import wire_of
from deltafold.machine.fold import Emitted, PendingFinish
from deltafold.machine.lifecycle import FAILED, FINISHED, IDLE, TRUNCATED
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import (
    DeltafoldError,
    ErrorKind,
    LimitExceeded,
    ResponseError,
    UsageError,
    WireError,
)
from deltafold.model.events import ErrorReported, Event, UnknownEvent
from deltafold.model.faults import StickyFault
from deltafold.model.response import Outcome, Response
from deltafold.parsing.bodies import begin_frames, find_body_kind, hold_body, read_rest
from deltafold.parsing.connections import (
    end_replay,
    expect_replay,
    is_bytes,
    next_connection,
    queue_for_connection,
)
from deltafold.parsing.fast_path import FAST_EVENTS, FastPath
from deltafold.parsing.frames import read_frame, read_non_event
from deltafold.parsing.payload_values import (
    dispatch_object,
    dispatch_value,
    payloads_of,
    read_later,
    read_values,
)
from deltafold.parsing.reporter import ReadingStage, Reporter
from deltafold.parsing.state import ReaderState
from deltafold.wire.blocks import CR, EVENT, LF, text_of
from deltafold.wire.body_kind import EVENT_STREAM, Body, Opening
from deltafold.wire.json_text import RepeatedResponseReader

__all__ = ["Reader"]


class Reader(ReaderState):
    """Reads one response stream, for the `ResponseParser` that owns it."""

    __slots__ = ()

    # ------------------------------------------------------------------------------------------- input

    def feed(self, data: bytes) -> None:
        """Bytes as the transport gave them. Raises `UsageError`."""
        if data and self.direct_to_decoder:
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
        if self.queued_connections and self.closed is None and not self.raised:
            queue_for_connection(self, data, "feed()")
            return
        if self.closed is not None or self.raised or self.report.payload_count is not None:
            self.refuse_input("feed()")
        if self.body is EVENT_STREAM and not self.ignore_input:
            self.decoder.push(data)
            self.decoder.drained = False
        elif data and self.report.framed is not None and not self.ignore_input:
            self.report.framed.push(data)
            self.decoder.drained = False
        elif data:
            hold_body(self, data)
            self.decoder.drained = False

    def check_payload(self) -> None:
        """Raises `UsageError` where no payload may be fed."""
        ready = self.queued_connections or (self.body is None and not self.body_chunks)
        if self.closed is not None or self.raised or not ready:
            self.refuse_input("feed_payload()")

    def feed_payload(self, text: str) -> None:
        """The JSON text of one event. Raises `UsageError`."""
        if self.queued_connections:
            queue_for_connection(self, text, "feed_payload()")
            return
        if self.report.payload_count is None:
            self.report.payload_count = 0
        self.decoder.drained = False
        if self.payloads is None:
            self.payloads = deque()
        self.payloads.append(text)

    def reconnect(self) -> None:
        """What is fed from now on comes over another connection. Raises `UsageError`."""
        ended = self.fold.state is FINISHED
        if self.closed is not None or self.raised or ended:
            self.refuse_input("reconnect()")
        if self.queued_connections is None:
            self.queued_connections = deque()
        self.queued_connections.append([])
        self.direct_to_decoder = self.decoder.drained = False

    def stop(self, outcome: Outcome) -> None:
        """Nothing more will be fed."""
        if self.closed is None:
            self.closed = outcome
            self.direct_to_decoder = self.decoder.drained = False

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
        pending = self.pending
        if not pending:
            decoder = self.decoder
            if (
                self.direct_to_decoder
                and not self.values
                and not self.rest
                and decoder.is_waiting_for_block_end()
            ):
                decoder.drained = True
                self.report.current_payload = ""
                return None
            if not self._fill():
                if self.fault is not None:
                    self.raised = True
                    raise self.fault.exception()
                return None
        waiting = pending.pop()
        self.last_response = None
        event: Event
        try:
            if isinstance(waiting, PendingFinish):
                event = finished = self.fold.end(waiting, self.report.kept())
                self.last_response, self.response_size = finished.response, self.fold.size
            else:
                event = waiting
                self.fold.apply(event)
        except LimitExceeded as fault:
            self._fail(fault)
        else:
            if self.hot.candidate is not None:
                self.hot.learn_from_candidate(event)
                self.own_dialect.begin_payload()  # the next ones need not come to it
            if type(event) is UnknownEvent and not self.foreign and self.fold.state is IDLE:
                self._note_foreign(event)
            return event
        self.raised = True
        raise self._fault_to_raise()

    def _note_foreign(self, event: UnknownEvent) -> None:
        # Text out of a JSON body is a document that was cut off.
        if self.body is not Body.JSON or not isinstance(event.payload, str):
            self.foreign = wire_of(event.payload, event.type)

    def _fault_to_raise(self) -> DeltafoldError:
        assert self.fault is not None
        return self.fault.exception()

    def _failed(self) -> bool:
        """Whether nothing more can be read.

        (Once it has been seen to be None, mypyc takes the attribute to be so also behind calls that set it.)
        """
        return self.fault is not None

    def response(self) -> Response:
        """The response so far, built anew only where something came."""
        response, report = self.last_response, self.report
        if (
            response is None
            or self.response_size != self.fold.size
            or len(response.anomalies) != len(report.anomalies)
        ):
            response = self.last_response = self.fold.response(report.kept())
            self.response_size = self.fold.size
        return response

    def needs_input(self) -> bool:
        """Whether nothing can be had that was fed, and more bytes could change that."""
        if self._failed() or self.closed is not None or self.fold.state is FINISHED:
            return False
        return not self.pending and not self._fill() and not self._failed()

    @property
    def dialect_name(self) -> str:
        """The name of the dialect, "auto" while nothing has decided it."""
        return "auto" if self.dialect_unknown else self.own_dialect.name

    def last_sequence_number(self) -> int | None:
        """That of the last event all of which has been handed out."""
        waiting = self.pending or self.values or self.rest
        return self.cursor if waiting else self.dialect.last_sequence_number

    def bytes_fed(self) -> int:
        """Over all connections."""
        return self.bytes_before + self.bytes_of_connection() + self._bytes_of_later()

    def bytes_pending(self) -> int:
        """Those that no event has come of yet."""
        if self.body is EVENT_STREAM:
            return self.decoder.bytes_pending + self._bytes_of_later()
        if self.report.framed is not None:
            return self.report.framed.bytes_pending + self._bytes_of_later()
        return (self.body_size if self.stage is ReadingStage.READING else 0) + self._bytes_of_later()

    def _bytes_of_later(self) -> int:
        return self.later_size

    # ---------------------------------------------------------------------------------------- snapshot

    def getstate(self) -> dict[str, Any]:
        """All that was read, and what is still to be read, as JSON values. Raises `UsageError`."""
        if self.fault is not None:
            raise UsageError("snapshot() after a failed parse")
        from deltafold.parsing.snapshot import learn, to_json

        dialect = self.own_dialect
        learn(dialect.name)
        return {
            "strict": self.strict,
            "framing": self.framing,
            "lifts": to_json(self.lifts),
            "think_tags": self.think_tags,
            "decoder": self.decoder.getstate(),
            "framed": None if self.report.framed is None else self.report.framed.getstate(),
            "fold": to_json(self.fold),
            "report": to_json(self.report.getstate()),
            "dialect_name": dialect.name,
            "dialect": to_json(dialect.getstate()),
            "replay": None if self.replay is None else to_json(self.replay.getstate()),
            "later": [
                b64encode(b"".join(pieces)).decode() if is_bytes(pieces) else [*pieces]
                for pieces in self.queued_connections or ()
            ],
            "reader": {name: to_json(getattr(self, name)) for name in self.SNAPSHOT_FIELDS},
            "head": b64encode(b"".join(self.body_chunks)).decode(),
        }

    def setstate(self, content: Mapping[str, Any]) -> None:
        """Makes a new reader, of the same options, go on where another one stood."""
        from deltafold.parsing.snapshot import from_json, learn

        learn(content["dialect_name"])
        fold = self.fold = from_json(content["fold"])
        self.report = Reporter(self.decoder, fold, strict=self.strict, limit=self.limits.anomalies)
        self.report.setstate(from_json(content["report"]))
        for name in self.SNAPSHOT_FIELDS:
            setattr(self, name, from_json(content["reader"][name]))
        self.hot = FastPath(self.decoder, fold, self.pending)
        self.decoder.setstate(content["decoder"])
        self.select_dialect(content["dialect_name"]).setstate(from_json(content["dialect"]))
        if content["replay"] is not None:
            expect_replay(self).setstate(from_json(content["replay"]))
        later = [[b64decode(sent)] if isinstance(sent, str) else [*sent] for sent in content["later"]]
        self.queued_connections = deque(later) if later else None
        self.later_size = sum([len(piece) for pieces in later if is_bytes(pieces) for piece in pieces])
        head = b64decode(content["head"])
        self.body_chunks = [head] if head else []
        if content["framed"] is not None:
            begin_frames(self, self.body).setstate(content["framed"])
        self.opening = Opening() if self.body is Body.JSON else None

    # ------------------------------------------------------------------------------------------- steps

    def _fill(self) -> bool:
        """Reads on until an event is waiting. False where nothing more can be had."""
        if self.fault is not None or self.ignore_input:
            return False
        pending = self.pending
        try:
            while not pending:
                if not self._read():
                    self.decoder.drained = self.closed is None
                    self.report.current_payload = ""
                    return False
            pending.reverse()
            return True
        except WireError as fault:
            if self.fold.state is FINISHED:
                pending.clear()
                self.ignore_input = True
                self.direct_to_decoder = False
            else:
                self._fail(fault)
        return False

    def _fail(self, fault: WireError) -> None:
        if fault.event_index is None:
            fault.offset, fault.event_index = self.report.position()
        self.fault = StickyFault(fault)
        self.direct_to_decoder = self.decoder.drained = False
        self.hot.invalidate()
        # What made it is let go: nothing is read any more.
        self.pending.clear()
        self.values = None
        self.rest = ""
        self.payloads = self.queued_connections = None
        self.later_size = 0
        self.body_chunks = []
        self.opening = None
        if self.report.framed is not None:
            self.report.framed.drop()
        self.announcement = RepeatedResponseReader()
        self.own_dialect.begin_payload()
        self.fold.announced_records = None

    def _read(self) -> bool:
        """One step: a value, a frame, the end. False where there is none."""
        self.cursor = self.dialect.last_sequence_number
        if self.replay is not None and self.replay.over:
            end_replay(self, self.replay)
            return True
        if self.values:
            value, name, self.name = self.values.pop(), self.name, ""
            self.hot.invalidate()
            dispatch_value(self, value, "" if type(value) is dict and "type" in value else name)
            return True
        if self.rest:
            self.report.current_payload = self.rest
            read_later(self, payloads_of(self, self.rest, self.rest_at))
            return True
        report = self.report
        if report.payload_count is not None and self.dialect.is_failing:
            if self.replay is not None:
                end_replay(self, self.replay)
            self.pending.extend(self.dialect.end(TRUNCATED))
            return True
        if self.body is EVENT_STREAM:
            signal = self.decoder.advance()
            if signal is EVENT:
                self._read_event()
                return True
            if signal:
                read_non_event(self, signal)
                return True
        elif report.payload_count is not None:
            if self.payloads:
                text = self.payloads.popleft()
                report.payload_count += 1
                if exceeds(text, self.limits.event_bytes):
                    raise LimitExceeded("event_bytes", self.limits.event_bytes)
                report.current_payload = text
                read_values(self, text, "")
                return True
        elif report.framed is not None:
            if self.closed is not None and not self.queued_connections:
                report.framed.close()
            step = report.framed.advance()
            if step:
                read_frame(self, report.framed, step)
                return True
        elif find_body_kind(self):
            return True
        if self.queued_connections:
            next_connection(self)
            return True
        if self.closed is None or self.stage is ReadingStage.ENDED:
            return False
        report.current_payload = ""
        if self.stage is ReadingStage.READING:
            self.stage = ReadingStage.READ
            report.at_end = True
            read_rest(self)
        else:
            self.stage = ReadingStage.ENDED
            if self.replay is not None:
                end_replay(self, self.replay)
            self.pending.extend(self._end(self.closed))
        return True

    def _end(self, outcome: Outcome) -> list[Emitted]:
        """The events of the end, where nothing sent it."""
        own = self.own_dialect
        if outcome is not TRUNCATED:
            return self.dialect.end(outcome)
        if self.foreign and not own.ended and not own.has_begun() and self.fold.error is None:
            self.report(AnomalyCode.NOTHING_UNDERSTOOD, f"the events look like {self.foreign}"[:200])
            message = f"Not one event is known to dialect={own.name!r}. What came looks like {self.foreign}."
            return self.dialect.reject_body(
                ResponseError(ErrorKind.INVALID_REQUEST, message, "nothing_understood", retryable=False)
            )
        events = self.dialect.end(outcome)
        last = events[-1] if events else None
        stray = self.stray if self.stray_after == self.events_so_far() else ""
        if stray and isinstance(last, PendingFinish) and last.outcome is TRUNCATED:
            self.report.current_payload = stray
            self.report(AnomalyCode.TEXT_AT_END, "the stream broke off with text")
            last.outcome = FAILED
            last.data = {**last.data, "status": "failed"}
            events.insert(len(events) - 1, ErrorReported(error_from_text(stray)))
        return events

    def _read_event(self) -> None:
        """The event that the decoder came upon: nearly always one JSON object in UTF-8."""
        decoder, report, pending = self.decoder, self.report, self.pending
        anomalies = report.count
        text, kind = decoder.data, text_of(decoder.event_name)
        decoder.data = decoder.event_name = ""
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
        payload = self.announcement.read(text, self.depth, strict=self.strict)
        if payload is None:
            payload = read_values(self, text, kind)
        elif "data" in payload or self.dialect_unknown:
            self.has_halves = False
            payload = dispatch_object(self, payload, kind)
        else:
            pending.extend(self.dialect.translate(payload, kind))
        # A fault that one delta has, the next one has as well: both have to go the long way.
        if (
            len(pending) == 1
            and type(pending[0]) in FAST_EVENTS
            and report.count == anomalies
            and payload is not None
        ):
            self.hot.set_candidate(payload)
        elif self.hot.templates or self.hot.pieces:
            self.hot.invalidate_for_pending()


def exceeds(text: str, most: int) -> bool:
    """Whether a text has more bytes in UTF-8 than that."""
    if len(text) > most or len(text) * 4 <= most or text.isascii():
        return len(text) > most
    return len(text.encode("utf-8", "replace")) > most
