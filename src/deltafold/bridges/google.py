"""The type of the `google-genai` package: `GenerateContentResponse`, of a chunk and of a whole response.

The package is imported when a function here is called; this library does not depend on it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, get_args

from deltafold.bridges.sdk import dumped, payloads
from deltafold.dialects.conversion import json_object, json_text
from deltafold.encoding.encoder import StreamEncoder, encode_response
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
    it leaves them out itself; an error, for which it has no class, is the body of `sdk_http_response`.
    `encoder` is a `StreamEncoder("gemini")` of the caller's, whose `losses` say what could not be sent;
    without one it is made here.
    """
    for payload in payloads(events, "gemini", encoder):
        yield content_of(payload)


def content_response(response: Response) -> GenerateContentResponse:
    """A response of any dialect as `google.genai.types.GenerateContentResponse`; its error as of
    `content_chunks()`."""
    return content_of(encode_response(response, "gemini"))


def content_of(payload: dict[str, Any]) -> GenerateContentResponse:
    """A body or chunk as the SDK's class, made as the SDK makes it of what a server sends."""
    from google.genai.types import GenerateContentResponse, HttpResponse

    if "error" in payload:
        return GenerateContentResponse(sdk_http_response=HttpResponse(body=json_text(payload)))
    words_for_numbers(payload, GenerateContentResponse)
    found: Any = GenerateContentResponse._from_response(response=payload, kwargs={})
    made: GenerateContentResponse = found
    return made


def words_for_numbers(payload: dict[str, Any], model: Any) -> None:
    """Makes texts of the numbers that some servers send for words, which the SDK's classes cannot read."""
    waiting: list[tuple[Any, Any]] = [(payload, model)]
    while waiting:
        data, kind = waiting.pop()
        if not isinstance(data, dict):
            continue
        for name, field in kind.model_fields.items():
            key = field.alias or name
            inner = inner_type(field.annotation)
            if inner is None or key not in data:
                continue
            value = data[key]
            if not issubclass(inner, enum.Enum):
                waiting += [(entry, inner) for entry in (value if isinstance(value, list) else [value])]
            elif isinstance(value, list):
                data[key] = [str(entry) for entry in value]
            elif value is not None and not isinstance(value, str):
                data[key] = str(value)


def inner_type(annotation: Any) -> Any:
    """The class of the SDK, or the words, that a field holds, one or many; None where it holds neither."""
    while not isinstance(annotation, type) or get_args(annotation):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        if not kinds:
            return None
        annotation = kinds[0]
    known = issubclass(annotation, enum.Enum) or hasattr(annotation, "model_fields")
    return annotation if known else None


def payload_of(chunk: Any) -> dict[str, Any]:
    """A chunk of the SDK as a payload for `ResponseParser.feed_payload()`.

    Raises `UsageError` where it is no object of the SDK.
    """
    payload = dumped(chunk, "a chunk", exclude_none=True)
    sent = payload.pop("sdkHttpResponse", None) or {}
    error = json_object(sent.get("body") or "") if not payload else None
    return error if error and "error" in error else payload
