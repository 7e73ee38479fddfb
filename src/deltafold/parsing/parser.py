"""The parser: bytes in, events out. This is what callers see; the work is in `reader`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deltafold.arguments.lift import Lift
from deltafold.machine.lifecycle import ResponseState
from deltafold.machine.records import Value
from deltafold.model.anomalies import Anomaly
from deltafold.model.errors import UsageError
from deltafold.model.events import Event
from deltafold.model.limits import DEFAULT, Limits
from deltafold.model.response import Outcome, Response
from deltafold.parsing.reader import Reader
from deltafold.registry import DIALECTS
from deltafold.wire.json_text import escape_surrogates
from deltafold.wire.sse import as_bytes

__all__ = ["ResponseParser", "parse"]


DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a snapshot may raise that somebody has changed."""


class Watched:
    """Arguments that somebody asked about: how far they have been read."""

    __slots__ = ("_joins", "_pieces", "_reader", "_size", "value")

    def __init__(self, value: Value) -> None:
        from deltafold.arguments.reader import ArgumentsReader

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
        if not isinstance(dialect, str) or dialect not in (*DIALECTS, "auto"):
            known = ", ".join(map(repr, DIALECTS))
            raise UsageError(f"there is no dialect {dialect!r}: use {known} or 'auto'")
        limits = DEFAULT if limits is None else limits
        if not isinstance(limits, Limits):
            raise TypeError(f"limits must be Limits, not {type(limits).__name__!r}")
        lifts = tuple(lifts)
        for lift in lifts:
            if not isinstance(lift, Lift):
                raise TypeError(f"lifts must hold Lift, not {type(lift).__name__!r}")
        if isinstance(approval_required, (str, bytes)):
            raise TypeError("approval_required must be an iterable of names, not one name")
        names = frozenset(approval_required)
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"approval_required must hold names of tools, not {name!r:.60}")
        self._limits = limits
        self._reader = Reader(
            dialect,
            strict=bool(strict),
            limits=limits,
            lifts=lifts,
            approval_required=names,
            think_tags=bool(think_tags),
        )
        self._watched: dict[int, Watched] = {}

    # ------------------------------------------------------------------------------------------- input

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Stores bytes as the transport gave them.

        Raises `TypeError` for anything but bytes, and `UsageError` after `close()`, `cancel()`, or once a
        `WireError` has been raised. What the bytes hold never raises here.
        """
        self._reader.feed(data if type(data) is bytes else as_bytes(data))

    def feed_payload(self, payload: str | bytes | Mapping[str, Any]) -> None:
        """Stores one event that is already out of its frame: a WebSocket message, an event of an SDK.

        Raises `TypeError` for what is no JSON text or object, and `UsageError` as `feed()` does, or where
        bytes have been fed before.
        """
        self._reader.check_payload()
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
        self._reader.feed_payload(text)

    def reconnect(self) -> None:
        """The transport broke: what is fed from now on comes over another connection to the same response.

        What had been fed before is still read first; what the old connection left unfinished is dropped, for
        the new one tells it again. What the new one tells again of the response is passed over: by its
        sequence number, else by its content. A connection of which that cannot be said is refused
        (`REPLAY_REFUSED`). Connections may also differ in the way of feeding.

        Raises `UsageError` after `close()` or `cancel()`, once a `WireError` has been raised, and after the
        end of the response.
        """
        self._reader.reconnect()

    def close(self) -> None:
        """The transport ended. Idempotent; raises nothing."""
        self._reader.stop(Outcome.TRUNCATED)

    def cancel(self) -> None:
        """The caller gave up. What had arrived is kept. Idempotent; raises nothing."""
        self._reader.stop(Outcome.CANCELLED)

    # ------------------------------------------------------------------------------------------ output

    def next_event(self) -> Event | None:
        """The next event, or None where nothing more can be had from what was fed so far.

        Raises `WireError` in strict mode and `LimitExceeded` in both, after all events before the fault,
        and again at every later call.
        """
        return next(self._reader.events(), None)

    def events(self) -> Iterator[Event]:
        """`next_event()` until there is none: lazy, holds no state, safe to abandon and to call again."""
        return self._reader.events()

    @property
    def response(self) -> Response:
        """The response folded from exactly the events handed out so far.

        Valid at any time, also after an error. Building it costs its size; reading it again nothing.
        """
        return self._reader.response()

    @property
    def state(self) -> ResponseState:
        """Where the response is in its life."""
        return self._reader.fold.state

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What was out of order, in the order it was met; at most `Limits.anomalies`."""
        return tuple(self._reader.report.anomalies)

    @property
    def anomaly_count(self) -> int:
        """How many anomalies there were, those included that were not kept."""
        return self._reader.report.count

    @property
    def needs_input(self) -> bool:
        """Whether `next_event()` would give None, and more bytes could change that.

        To know it, what was fed is read up to the next event, or to the fault that `next_event()` will raise.
        """
        return self._reader.needs_input()

    @property
    def last_sequence_number(self) -> int | None:
        """The resume cursor (`starting_after`): the last event all of which has been handed out."""
        return self._reader.last_sequence_number()

    @property
    def last_event_id(self) -> str:
        """The last SSE event id, over all connections: what a server may want as `Last-Event-ID`."""
        return self._reader.decoder.last_event_id

    @property
    def reconnection_time(self) -> int | None:
        """Milliseconds to wait before connecting again, as the stream itself last set them; else None."""
        return self._reader.decoder.reconnection_time

    @property
    def bytes_fed(self) -> int:
        """All bytes that were fed, over all connections; payloads that were fed do not count."""
        return self._reader.bytes_fed()

    @property
    def bytes_pending(self) -> int:
        """Bytes fed that no event has come of yet: unread, or those of an unfinished event."""
        return self._reader.bytes_pending()

    def partial_arguments(self, output_index: int) -> Any:
        """The arguments of a call as far as they are known, parsed; None while nothing is.

        Open strings, arrays and objects stand as far as they came. Asking again costs what has come since,
        and calls that nobody asks about cost nothing. The value grows in place: copy what is to be kept.
        """
        record = self._reader.fold.items.get(output_index)
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
        from deltafold.parsing.snapshot import seal

        return seal(self._reader.getstate())

    @classmethod
    def resume(cls, snapshot: Mapping[str, Any]) -> ResponseParser:
        """The parser that goes on exactly where the one of the snapshot stood, in another process if need be.

        Raises `UsageError` where the snapshot is none, of another version, or damaged.
        """
        from deltafold.parsing.snapshot import thaw, unseal

        content = unseal(snapshot)
        try:
            if content["dialect_name"] not in DIALECTS:
                raise ValueError(f"there is no dialect {content['dialect_name']!r}")
            parser = cls(
                strict=content["strict"],
                limits=thaw(content["fold"]["limits"]),
                lifts=thaw(content["lifts"]),
                think_tags=content["think_tags"],
            )
            parser._reader.setstate(content)
        except DAMAGE as error:
            raise UsageError(f"the snapshot is damaged: {error}") from error
        return parser


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
