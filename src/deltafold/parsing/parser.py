"""The parser: bytes in, events out. This is what callers see; the work is in `reader`."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from deltafold.arguments.lift import Lift
from deltafold.machine.lifecycle import ResponseState
from deltafold.model.anomalies import Anomaly
from deltafold.model.errors import UsageError
from deltafold.model.events import EVENTS, Event
from deltafold.model.limits import DEFAULT, Limits
from deltafold.model.response import Outcome, Response
from deltafold.parsing.loop import Bytes, read, read_async
from deltafold.parsing.reader import Reader
from deltafold.registry import DIALECTS
from deltafold.wire.blocks import as_bytes
from deltafold.wire.body_kind import FRAMINGS
from deltafold.wire.json_text import escape_surrogates

if TYPE_CHECKING:
    from deltafold.arguments.watch import ArgumentsWatch

__all__ = ["ResponseParser", "parse"]


KNOWN_DIALECTS = (*DIALECTS, "auto")
NOBODY: frozenset[str] = frozenset()
"""One for all parsers: each empty one takes its memory."""
DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a snapshot may raise that somebody has changed."""


class HasToDict(Protocol):
    """An event of an SDK of OpenAI or Anthropic."""

    @abstractmethod
    def to_dict(self) -> Mapping[str, Any]:
        """The event as it was sent."""


class HasModelDump(Protocol):
    """An event of an SDK whose types are Pydantic models."""

    @abstractmethod
    def model_dump(self, *, mode: str, by_alias: bool, exclude_unset: bool) -> Mapping[str, Any]:
        """The event as it was sent."""


class ResponseParser:
    """Parses one response stream. Feed it what the transport gives, and take what comes out.

    It can be copied and pickled, by its snapshot: a copy goes on from where this one stands, on its own.
    """

    def __init__(
        self,
        dialect: str = "auto",
        *,
        framing: str = "auto",
        strict: bool = False,
        limits: Limits | None = None,
        lifts: Iterable[Lift] = (),
        approval_required: Iterable[str] = (),
        think_tags: bool = False,
    ) -> None:
        """
        :param dialect: the wire: `"responses"`, `"chat"`, `"anthropic"`, `"gemini"`; or `"auto"`, which the
            first payload that says anything decides.
        :param framing: `"sse"`, `"json_array"`, `"ndjson"`, `"aws_eventstream"`, or `"auto"`, which the first
            bytes decide. Bodies in no framing (HTML, compressed, one JSON document) are told from any.
        :param strict: raise a `WireError` at the first anomaly that `ANOMALIES` counts as strict.
        :param limits: what the stream may make us hold.
        :param lifts: strings inside tool arguments that are really text or reasoning.
        :param approval_required: names of tools whose calls are marked `needs_approval`.
        :param think_tags: on Chat Completions, text between `<think>` and `</think>` is reasoning.
        """
        if not isinstance(dialect, str) or dialect not in KNOWN_DIALECTS:
            known = ", ".join(map(repr, DIALECTS))
            raise UsageError(f"there is no dialect {dialect!r}: use {known} or 'auto'")
        if not isinstance(framing, str) or framing not in FRAMINGS:
            known = ", ".join(map(repr, FRAMINGS))
            raise UsageError(f"there is no framing {framing!r:.60}: use one of {known}")
        limits = DEFAULT if limits is None else limits
        if not isinstance(limits, Limits):
            raise TypeError(f"limits must be Limits, not {type(limits).__name__!r}")
        lifts = tuple(lifts)
        for lift in lifts:
            if not isinstance(lift, Lift):
                raise TypeError(f"lifts must hold Lift, not {type(lift).__name__!r}")
        if isinstance(approval_required, (str, bytes)):
            raise TypeError("approval_required must be an iterable of names, not one name")
        names = frozenset(approval_required) or NOBODY
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"approval_required must hold names of tools, not {name!r:.60}")
        if type(strict) is not bool:
            raise TypeError(f"strict must be a bool, not {strict!r:.60}")
        if type(think_tags) is not bool:
            raise TypeError(f"think_tags must be a bool, not {think_tags!r:.60}")
        self._limits = limits
        self._reader = Reader(dialect, framing, strict, limits, lifts, names, think_tags)
        self._watch: ArgumentsWatch | None = None

    # ------------------------------------------------------------------------------------------- input

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Stores bytes as the transport gave them.

        Raises `TypeError` for anything but bytes, and `UsageError` after `close()`, `cancel()`, or once a
        `WireError` has been raised. What the bytes hold never raises here.
        """
        self._reader.feed(data if type(data) is bytes else as_bytes(data))

    def feed_payload(self, payload: str | Bytes | Mapping[str, Any] | HasToDict | HasModelDump) -> None:
        """Stores one event that is already out of its frame: a WebSocket message, an event of an SDK.

        Of an SDK's object its `to_dict()` is taken, else its `model_dump()` of the fields that were sent.

        Raises `TypeError` for what is no JSON text or object, and `UsageError` as `feed()` does, or where
        bytes have been fed before.
        """
        self._reader.check_payload()
        if isinstance(payload, str):
            text = escape_surrogates(payload)
        elif isinstance(payload, (bytes, bytearray, memoryview)):
            text = as_bytes(payload).decode("utf-8", "replace")
        else:
            sent = told_by(payload)
            most = self._limits.event_bytes
            try:
                text = (
                    " " * (most + 1) if is_longer(sent, most, self._limits.json_depth) else json.dumps(sent)
                )
            except RecursionError:
                text = "[" * (self._limits.json_depth + 1)
            except ValueError as error:
                raise TypeError(f"the payload is no JSON object: {error}") from error
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

    def read(self, chunks: Iterable[Bytes]) -> Iterator[Event]:
        """The events of a body that comes in chunks: each chunk is fed, and at the end `close()` is called.

        Where `chunks` raises, its exception goes on to the caller, after all events that had come before. If
        it is an `Exception`, the parser stays open: call `reconnect()` and `read()` what comes over another
        connection, or `close()`. If it is none (`KeyboardInterrupt`, `CancelledError`), or where the loop is
        left early, `cancel()` is called.

        Raises what `feed()` and `next_event()` raise, and `TypeError` for what cannot be looped over.
        """
        if isinstance(chunks, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"read() takes chunks, and feed() one: this is {type(chunks).__name__!r}")
        return read(self, iter(chunks))

    def aread(self, chunks: AsyncIterable[Bytes]) -> AsyncIterator[Event]:
        """`read()` for chunks that have to be waited for, under any event loop."""
        return read_async(self, aiter(chunks))

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

        Open strings, arrays and objects stand as far as they came. Of a custom tool, which takes any text, it
        is the text. Asking again costs what has come since, and calls that nobody asks about cost nothing.
        The value grows in place: copy what is to be kept.
        """
        watch = self._watch
        if watch is None:
            from deltafold.arguments.watch import ArgumentsWatch

            watch = self._watch = ArgumentsWatch()
        return watch.read(self._reader.fold, output_index)

    # ---------------------------------------------------------------------------------------- snapshot

    def snapshot(self) -> dict[str, Any]:
        """The whole state, with what was fed and not yet read, as a versioned dict of JSON values.

        Raises `UsageError` once a `WireError` has been met: there is nothing to go on from.
        """
        from deltafold.parsing.snapshot import wrap

        return wrap(self._reader.getstate())

    @classmethod
    def resume(cls, snapshot: Mapping[str, Any]) -> ResponseParser:
        """The parser that goes on exactly where the one of the snapshot stood, in another process if need be.

        Raises `UsageError` where the snapshot is none, of another version, or damaged.
        """
        from deltafold.parsing.snapshot import from_json, unwrap

        content = unwrap(snapshot)
        try:
            if content["dialect_name"] not in DIALECTS:
                raise ValueError(f"there is no dialect {content['dialect_name']!r}")
            parser = cls(
                framing=content["framing"],
                strict=content["strict"],
                limits=from_json(content["fold"]["limits"]),
                lifts=from_json(content["lifts"]),
                think_tags=content["think_tags"],
            )
            parser._reader.setstate(content)
        except DAMAGE as error:
            raise UsageError(f"the snapshot is damaged: {error}") from error
        return parser

    def __reduce__(self) -> tuple[Any, ...]:
        more = {name: value for name, value in self.__dict__.items() if name not in OWN}
        return type(self).resume, (self.snapshot(),), more or None

    def __repr__(self) -> str:
        reader = self._reader
        return (
            f"<{type(self).__name__} {reader.dialect_name!r} {reader.fold.state}: "
            f"{len(reader.fold.items)} items, {reader.report.count} anomalies>"
        )


OWN = frozenset({"_limits", "_reader", "_watch"})
"""What a parser has; whatever else stands in one, a subclass or its owner has put there."""


def is_longer(payload: dict[str, Any], most: int, depth: int) -> bool:
    """Whether the JSON text of a payload surely has more characters than `most`, without making it.

    What is nested deeper than `depth` is not counted: it has a limit of its own, if it ends at all.
    """
    count = 2
    waiting: list[tuple[Any, int]] = [(payload, depth)]
    while waiting:
        value, depth = waiting.pop()
        members = value
        if isinstance(value, dict):
            members = value.values()
            for key in value:
                count += 4 + (len(key) if isinstance(key, str) else 1)
        for member in members:
            if isinstance(member, str):
                count += 2 + len(member)
            elif not isinstance(member, (dict, list, tuple)):
                count += 1
            else:
                count += 2
                if depth and count <= most:
                    waiting.append((member, depth - 1))
        if count > most:
            return True
    return False


def told_by(payload: Any) -> dict[str, Any]:
    """The JSON object of a payload that is no text. Raises `TypeError`."""
    if not isinstance(payload, Mapping):
        if type(payload) in EVENTS.values():
            raise TypeError("an event of this library is no payload; event_from_dict() takes its to_dict()")
        for name, options in AS_TOLD:
            method = None if isinstance(payload, type) else getattr(payload, name, None)
            if callable(method):
                payload = method(**options)
                break
    if not isinstance(payload, Mapping):
        raise TypeError(
            "a payload is a str, bytes, a mapping, or an object with to_dict() or model_dump(), "
            f"not {type(payload).__name__!r}"
        )
    return dict(payload)


AS_TOLD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("to_dict", {}),
    ("model_dump", {"mode": "json", "by_alias": True, "exclude_unset": True}),
)
"""How the types of SDKs tell what the server sent, and no fields beside it."""


def parse(data: bytes | bytearray | memoryview, dialect: str = "auto", **options: Any) -> Response:
    """The response of a stored body, streamed or not. Options are those of `ResponseParser`.

    What was out of order is in its `anomalies`. Raises what `ResponseParser.next_event()` raises.
    """
    parser = ResponseParser(dialect, **options)
    parser.feed(data)
    parser.close()
    for _ in parser.events():
        pass
    return parser.response
