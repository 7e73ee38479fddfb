"""The type of the `google-genai` package: `GenerateContentResponse`, of a chunk and of a whole response.

The package is imported when a function here is called; this library does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from deltafold.encoding.encoder import StreamEncoder, encode_response
from deltafold.model.errors import UsageError
from deltafold.model.events import Event
from deltafold.model.response import Response

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse

__all__ = ["content_chunks", "content_response", "payload_of"]


def content_chunks(
    events: Iterable[Event], encoder: StreamEncoder | None = None
) -> Iterator[GenerateContentResponse]:
    """Events of any dialect as chunks of the class `google.genai.types.GenerateContentResponse`.

    Lazy: each event is converted when it is asked for. Members that the SDK has no field for are left out, as
    it leaves them out itself. `encoder` is a `StreamEncoder("gemini")` of the caller's, whose `losses` say
    what could not be told; without one it is made here.
    """
    encoder = StreamEncoder("gemini") if encoder is None else encoder
    if encoder.dialect != "gemini":
        raise UsageError(f"an encoder of the dialect 'gemini' is expected, not {encoder.dialect!r}")
    for event in events:
        for payload in encoder.payloads(event):
            yield content_of(payload)


def content_response(response: Response) -> GenerateContentResponse:
    """A response of any dialect as `google.genai.types.GenerateContentResponse`."""
    return content_of(encode_response(response, "gemini"))


def content_of(payload: dict[str, Any]) -> GenerateContentResponse:
    """A body or chunk as the SDK's class, made as the SDK makes it of what a server sends."""
    from google.genai.types import GenerateContentResponse

    found: Any = GenerateContentResponse._from_response(response=payload, kwargs={})
    made: GenerateContentResponse = found
    return made


def payload_of(chunk: Any) -> dict[str, Any]:
    """A chunk of the SDK as a payload for `ResponseParser.feed_payload()`.

    Raises `UsageError` where it is no object of the SDK.
    """
    dump = getattr(chunk, "model_dump", None)
    if dump is None:
        raise UsageError(f"a chunk of the SDK is expected, not {type(chunk).__name__}")
    told: dict[str, Any] = dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    told.pop("sdkHttpResponse", None)
    return told
