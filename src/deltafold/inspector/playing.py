"""Runs a capture through the parser, and tells a view what came, when, and where it stood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import attrs

from deltafold.diagnosis.classify import classify_http_error
from deltafold.inspector.capture import Capture, CaptureError, Piece, body_of
from deltafold.inspector.looks import appearance
from deltafold.model.anomalies import Anomaly, AnomalyCode
from deltafold.model.errors import ResponseError, WireError
from deltafold.model.events import ErrorReported, Event, ResponseFinished
from deltafold.model.response import Outcome, Response
from deltafold.parsing.parser import ResponseParser

__all__ = ["Ending", "Moment", "View", "play"]


LOOKED_AT = 1 << 16
"""Bytes by which a body that is no response is named."""


UNKNOWN = {
    AnomalyCode.NOTHING_UNDERSTOOD,
    AnomalyCode.BODY_IS_HTML,
    AnomalyCode.BODY_IS_TEXT,
    AnomalyCode.BODY_IS_COMPRESSED,
}
"""What a body is met with in which there is no response."""


@attrs.frozen
class Moment:
    """When and where something was met."""

    time: float | None
    """Seconds since the start of the capture; None where nobody noted them."""
    offset: int
    """Bytes to the end of that which sent it, over all connections."""


@attrs.frozen
class Ending:
    """What came of a capture."""

    response: Response
    anomalies: int
    """How many there were, those included that were not kept."""
    size: int
    """Bytes of all connections."""
    moment: Moment
    fault: WireError | None = None
    interrupted: bool = False
    """Whether Ctrl-C ended it."""
    notes: tuple[str, ...] = ()


class View(Protocol):
    """What is shown of a stream, in the order in which it is met."""

    def begin(self, capture: Capture) -> None: ...

    def arrived(self, data: bytes, moment: Moment) -> None:
        """What is read next, before what comes of it."""

    def reconnected(self, moment: Moment) -> None: ...

    def event(self, event: Event, moment: Moment) -> None: ...

    def anomaly(self, anomaly: Anomaly, moment: Moment) -> None: ...

    def pause(self) -> None:
        """All that had come is shown; the next piece may be long in coming."""

    def end(self, ending: Ending) -> None: ...


def play(captures: Iterable[Capture], parser: ResponseParser, view: View) -> Ending:
    """Shows a response as it arrives. Several captures are connections of one response, in their order."""
    player = Player(parser, view)
    fault = None
    notes: list[str] = []
    for number, capture in enumerate(captures):
        view.begin(capture)
        if capture.is_refused and number == 0:
            return refused(capture, view)
        if number:
            player.reconnect()
        fault = player.run(capture)
        notes += capture.notes
        if fault is not None or player.interrupted:
            break
    else:
        fault = player.stop()
    response = parser.response
    if player.others:
        notes.append(f"further responses on the same WebSocket, not shown: {player.others}")
    if any(anomaly.code in UNKNOWN for anomaly in parser.anomalies):
        notes.append(f"it looks like {appearance(player.head)}")
    moment, size = player.moment(), parser.bytes_fed + player.payload_bytes
    ending = Ending(response, parser.anomaly_count, size, moment, fault, player.interrupted, tuple(notes))
    view.end(ending)
    return ending


def refused(capture: Capture, view: View) -> Ending:
    """Shows a request that was refused: there is no stream, but a status, headers and a body."""
    try:
        body = body_of(capture.pieces)
    except CaptureError as fault:
        body = b""
        capture.notes.append(str(fault))
    error = classify_http_error(capture.status or 0, capture.headers, body)
    response = failed(error)
    moment = Moment(None, len(body))
    view.arrived(body, moment)
    view.event(ErrorReported(error), moment)
    view.event(ResponseFinished(Outcome.FAILED, response), moment)
    ending = Ending(response, 0, len(body), moment, notes=tuple(capture.notes))
    view.end(ending)
    return ending


def failed(error: ResponseError) -> Response:
    """A response that never began."""
    data = {"status": "failed", "error": {"code": str(error.kind), "message": error.message}}
    return Response(None, None, "failed", Outcome.FAILED, (), None, error, None, "error", data)


class Player:
    """Feeds a parser, and keeps count of where it is."""

    def __init__(self, parser: ResponseParser, view: View) -> None:
        self.parser = parser
        self.view = view
        self.time: float | None = None
        self.shown = 0
        self.payloads: bool | None = None
        self.payload_bytes = 0
        self.interrupted = False
        self.head = b""
        self.others = 0

    def moment(self) -> Moment:
        """Where the parser is now."""
        parser = self.parser
        return Moment(self.time, parser.bytes_fed - parser.bytes_pending + self.payload_bytes)

    def reconnect(self) -> None:
        """Another connection begins."""
        if self.parser.response.outcome is None:
            self.parser.reconnect()
            self.payloads = None
            self.view.reconnected(self.moment())

    def run(self, capture: Capture) -> WireError | None:
        """Reads a capture to its end; what it gives back is a fault."""
        try:
            try:
                for piece in capture.pieces:
                    self.time = piece.time
                    self.feed(piece)
                    self.show()
                    self.view.pause()
            except KeyboardInterrupt:
                self.interrupted = True
                self.parser.cancel()
                self.show()
        except CaptureError as error:
            capture.notes.append(str(error))
        except WireError as error:
            self.show_anomalies()
            return error
        return None

    def stop(self) -> WireError | None:
        """The last connection has ended."""
        try:
            self.parser.close()
            self.show()
        except WireError as error:
            self.show_anomalies()
            return error
        return None

    def feed(self, piece: Piece) -> None:
        """Bytes or a payload: what the first piece of a connection is decides how the others are fed."""
        self.view.arrived(piece.raw, self.moment())
        if len(self.head) < LOOKED_AT:
            self.head += piece.raw[:LOOKED_AT]
        if self.payloads is None:
            self.payloads = isinstance(piece.data, str)
        if self.payloads:
            self.payload_bytes += len(piece.raw)
            if b'"response.created"' in piece.raw[:200] and self.parser.response.outcome is not None:
                self.others += 1  # one WebSocket may carry several responses, one after the other
            if piece.raw.strip() and not self.others:
                self.parser.feed_payload(piece.data)
        elif isinstance(piece.data, str):
            self.parser.feed(b"data: " + piece.raw.replace(b"\n", b" ") + b"\n\n")
        else:
            self.parser.feed(piece.data)

    def show(self) -> None:
        """Hands on all events that can be had, and before each the anomalies that came with it."""
        for event in self.parser.events():
            self.show_anomalies()
            self.view.event(event, self.moment())
        self.show_anomalies()

    def show_anomalies(self) -> None:
        """Hands on the anomalies that are new."""
        parser = self.parser
        if parser.anomaly_count > self.shown:
            for anomaly in parser.anomalies[self.shown :]:
                self.view.anomaly(anomaly, self.moment())
            self.shown = parser.anomaly_count
