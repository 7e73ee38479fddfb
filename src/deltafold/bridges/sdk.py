"""What the bridges have in common: events as payloads of one wire, and an SDK's objects as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from deltafold.encoding.encoder import StreamEncoder
from deltafold.model.errors import UsageError
from deltafold.model.events import Event

__all__ = ["dumped", "payloads"]


def payloads(
    events: Iterable[Event], dialect: str, encoder: StreamEncoder | None
) -> Iterator[dict[str, Any]]:
    """The payloads that events are in a dialect, by the caller's encoder or by one that is made here.

    Raises `UsageError` where the encoder is of another dialect.
    """
    encoder = StreamEncoder(dialect) if encoder is None else encoder
    if encoder.dialect != dialect:
        raise UsageError(f"an encoder of the dialect {dialect!r} is expected, not {encoder.dialect!r}")
    for event in events:
        yield from encoder.payloads(event)


def dumped(thing: Any, called: str, **options: bool) -> dict[str, Any]:
    """An object of an SDK as JSON. Raises `UsageError` where it is none; `called` is what it should be."""
    dump = getattr(thing, "model_dump", None)
    if dump is None:
        raise UsageError(f"{called} of the SDK is expected, not {type(thing).__name__}")
    payload: dict[str, Any] = dump(mode="json", by_alias=True, warnings=False, **options)
    return payload
