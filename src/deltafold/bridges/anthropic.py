"""The types of the `anthropic` package: its raw stream events, and its messages.

The package is imported when a function here is called; this library does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from deltafold.bridges.sdk import dumped, payloads
from deltafold.encoding.encoder import StreamEncoder, encode_response
from deltafold.model.events import Event
from deltafold.model.response import Response

if TYPE_CHECKING:
    from anthropic.types import Message, RawMessageStreamEvent

__all__ = ["message", "message_events", "payload_of"]


def message_events(
    events: Iterable[Event], encoder: StreamEncoder | None = None
) -> Iterator[RawMessageStreamEvent]:
    """Events of any dialect as raw stream events of `anthropic.types`.

    Lazy: each event is converted when it is asked for. An event of a type that the SDK does not know (`ping`,
    `error`) comes as the nearest of its classes, with all its members. `encoder` is a
    `StreamEncoder("anthropic")` of the caller's, whose `losses` say what could not be sent; without one it is
    made here.
    """
    from anthropic._models import construct_type
    from anthropic.types import RawMessageStreamEvent

    for payload in payloads(events, "anthropic", encoder):
        made: Any = construct_type(value=payload, type_=RawMessageStreamEvent)
        yield made


def message(response: Response) -> Message:
    """A response of any dialect as `anthropic.types.Message`."""
    from anthropic.types import Message

    return Message.construct(**encode_response(response, "anthropic"))


def payload_of(event: Any) -> dict[str, Any]:
    """An event of the SDK as a payload for `ResponseParser.feed_payload()`, with what came alone.

    Raises `UsageError` where it is no object of the SDK.
    """
    return dumped(event, "an event", exclude_unset=True)
