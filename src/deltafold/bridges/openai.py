"""The types of the `openai` package: its stream events and chunks, its responses and completions.

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
    from openai.types.chat import ChatCompletion, ChatCompletionChunk
    from openai.types.responses import Response as OpenAIResponse
    from openai.types.responses import ResponseStreamEvent

__all__ = ["chat_chunks", "chat_completion", "payload_of", "response_events", "responses_response"]


def response_events(
    events: Iterable[Event], encoder: StreamEncoder | None = None
) -> Iterator[ResponseStreamEvent]:
    """Events of any dialect as stream events of `openai.types.responses`.

    Lazy: each event is converted when it is asked for. An event of a type that the SDK does not know comes as
    the nearest of its classes, with all its members. `encoder` is a `StreamEncoder("responses")` of the
    caller's, whose `losses` say what could not be sent; without one it is made here.
    """
    from openai._models import construct_type
    from openai.types.responses import ResponseStreamEvent

    for payload in payloads(events, "responses", encoder):
        made: Any = construct_type(value=payload, type_=ResponseStreamEvent)
        yield made


def chat_chunks(
    events: Iterable[Event], encoder: StreamEncoder | None = None
) -> Iterator[ChatCompletionChunk]:
    """Events of any dialect as `ChatCompletionChunk`s. `encoder` is as of `response_events()`."""
    from openai.types.chat import ChatCompletionChunk

    for payload in payloads(events, "chat", encoder):
        yield ChatCompletionChunk.construct(**payload)


def responses_response(response: Response) -> OpenAIResponse:
    """A response of any dialect as `openai.types.responses.Response`."""
    from openai.types.responses import Response as OpenAIResponse

    return OpenAIResponse.construct(**encode_response(response, "responses"))


def chat_completion(response: Response) -> ChatCompletion:
    """A response of any dialect as `ChatCompletion`."""
    from openai.types.chat import ChatCompletion

    return ChatCompletion.construct(**encode_response(response, "chat"))


def payload_of(event: Any) -> dict[str, Any]:
    """An event or chunk of the SDK as a payload for `ResponseParser.feed_payload()`, with what came alone.

    Raises `UsageError` where it is no object of the SDK.
    """
    return dumped(event, "an event", exclude_unset=True)
