"""The peers, each used as its documentation shows, up to what its user wants in the end.

None opens a socket: those that own the connection get a transport that answers from memory, so that what they
do around the stream (a request object, a response object, its headers) is part of their figure. That hardly
counts in a long stream, and does in a short one.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import logging
import re
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from clients import OPENAI, Client, Pieces, Reading, as_values, take_payloads
from scenarios import JSON, Stream, Told, dumps

HEADERS = {"content-type": "text/event-stream"}
MODEL, PROMPT = "gpt-5.1", "Hello"


def transport(http: Any, chunks: list[bytes]) -> Any:
    """An httpx transport that gives these chunks as the body of every response, read either way."""

    class Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            return iter(chunks)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        def close(self) -> None:
            pass

        async def aclose(self) -> None:
            pass

    return http.MockTransport(lambda request: http.Response(200, headers=HEADERS, stream=Body()))


def openai_http() -> Any:
    """The HTTP library that the installed openai takes clients of."""
    major = int(importlib.import_module("openai").__version__.split(".")[0])
    return importlib.import_module("httpx2" if major >= 3 else "httpx")


# ------------------------------------------------------------------------------------------------- httpx-sse


def httpx_sse(stream: Stream, chunks: list[bytes]) -> Reading:
    """Events by httpx-sse, the rest by hand."""
    import httpx
    import httpx_sse

    body = transport(httpx, chunks).handler

    def source() -> Any:
        return httpx_sse.EventSource(body(None)).iter_sse()

    return Reading(
        lambda: take_payloads(event.data for event in source()),
        Pieces.told,
        stream.told,
        lambda: list(source()),
    )


# ---------------------------------------------------------------------------------------------------- openai


def openai_client(chunks: list[bytes]) -> Any:
    import openai

    http = openai_http()
    return openai.OpenAI(
        api_key="none", max_retries=0, http_client=http.Client(transport=transport(http, chunks))
    )


def openai_raw(stream: Stream, chunks: list[bytes]) -> Reading:
    """`create(stream=True)`, fragments put together by hand."""
    client = openai_client(chunks)

    def responses() -> Any:
        return client.responses.create(model=MODEL, input=PROMPT, stream=True)

    def chat() -> Any:
        messages = [{"role": "user", "content": PROMPT}]
        return client.chat.completions.create(model=MODEL, messages=messages, stream=True)

    if stream.dialect == "chat":
        return Reading(lambda: take_chunks(chat()), Pieces.told, stream.told, lambda: list(chat()))
    return Reading(lambda: take_events(responses()), Pieces.told, stream.told, lambda: list(responses()))


def take_events(events: Iterable[Any]) -> Pieces:
    """Typed events of the Responses API, put together by hand."""
    pieces = Pieces()
    for event in events:
        kind = event.type
        if kind == "response.output_text.delta":
            pieces.text.append(event.delta)
        elif kind == "response.reasoning_summary_text.delta":
            pieces.summary[event.summary_index].append(event.delta)
        elif kind == "response.function_call_arguments.delta":
            pieces.calls[event.output_index].append(event.delta)
    return pieces


def take_chunks(chunks: Iterable[Any]) -> Pieces:
    """Typed chunks of Chat Completions, put together by hand."""
    pieces = Pieces()
    for chunk in chunks:
        for choice in chunk.choices:
            if choice.delta.content:
                pieces.text.append(choice.delta.content)
            for call in choice.delta.tool_calls or ():
                pieces.calls[call.index].append(call.function.arguments)
    return pieces


def openai_stream(stream: Stream, chunks: list[bytes]) -> Reading:
    """`.stream()`, which puts the fragments together itself."""
    client = openai_client(chunks)

    def open_chat() -> Any:
        messages = [{"role": "user", "content": PROMPT}]
        return client.chat.completions.stream(model=MODEL, messages=messages)

    def open_responses() -> Any:
        return client.responses.stream(model=MODEL, input=PROMPT)

    def run_chat() -> Any:
        with open_chat() as source:
            for _ in source:
                pass
            return source.get_final_completion()

    def run_responses() -> Any:
        with open_responses() as source:
            for _ in source:
                pass
            return source.get_final_response()

    def told_chat(completion: Any) -> Told:
        message = completion.choices[0].message
        return Told(
            message.content or "", (), tuple(call.function.arguments for call in message.tool_calls or ())
        )

    def told_responses(response: Any) -> Told:
        items = response.output
        summary = [part.text for item in items if item.type == "reasoning" for part in item.summary]
        calls = tuple(item.arguments for item in items if item.type == "function_call")
        return Told(response.output_text, tuple(summary), calls)

    if stream.dialect == "chat":
        opened, run, told = open_chat, run_chat, told_chat
    else:
        opened, run, told = open_responses, run_responses, told_responses

    def events() -> list[Any]:
        with opened() as source:
            return list(source)

    return Reading(run, told, stream.told, events)


# ----------------------------------------------------------------------------------------------- pydantic-ai


def pydantic_ai(stream: Stream, chunks: list[bytes]) -> Reading:
    """`model_request_stream`, and the response that it puts together."""
    import openai
    from pydantic_ai import ModelRequest
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.messages import TextPart, ThinkingPart, ToolCallPart
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    http = openai_http()
    client = openai.AsyncOpenAI(
        api_key="none", max_retries=0, http_client=http.AsyncClient(transport=transport(http, chunks))
    )
    kind = OpenAIChatModel if stream.dialect == "chat" else OpenAIResponsesModel
    model = kind(MODEL, provider=OpenAIProvider(openai_client=client))
    messages = [ModelRequest.user_text_prompt(PROMPT)]
    loop = asyncio.new_event_loop()

    async def read() -> Any:
        async with model_request_stream(model, messages) as source:
            async for _ in source:
                pass
        return source.get() if hasattr(source, "get") else source.response

    async def keep() -> list[Any]:
        async with model_request_stream(model, messages) as source:
            return [event async for event in source]

    def told(response: Any) -> Told:
        parts = response.parts
        return Told(
            "".join(part.content for part in parts if isinstance(part, TextPart)),
            tuple(part.content for part in parts if isinstance(part, ThinkingPart) and part.content),
            tuple(part.args for part in parts if isinstance(part, ToolCallPart)),
        )

    return Reading(
        lambda: loop.run_until_complete(read()), told, stream.told, lambda: loop.run_until_complete(keep())
    )


# ------------------------------------------------------------------------------------------------- langchain


def langchain(stream: Stream, chunks: list[bytes], *, summed: bool) -> Reading:
    """`ChatOpenAI.stream()`: its chunks alone, or added up to the final message."""
    from langchain_openai import ChatOpenAI

    http = openai_http()
    model = ChatOpenAI(
        model=MODEL,
        api_key="none",
        max_retries=0,
        http_client=http.Client(transport=transport(http, chunks)),
        use_responses_api=stream.dialect == "responses",
    )

    def run_chunks() -> Pieces:
        pieces = Pieces()
        for chunk in model.stream(PROMPT):
            pieces.text.append(chunk.text)
            for block in chunk.content if isinstance(chunk.content, list) else ():
                if block["type"] == "reasoning":
                    for part in block["summary"]:
                        pieces.summary[part["index"]].append(part["text"])
            for call in chunk.tool_call_chunks:
                pieces.calls[call["index"]].append(call["args"] or "")
        return pieces

    def run_summed() -> Any:
        message = None
        for chunk in model.stream(PROMPT):
            message = chunk if message is None else message + chunk
        return message

    def told(message: Any) -> Told:
        blocks = message.content if isinstance(message.content, list) else ()
        summary = tuple(
            part["text"] for block in blocks if block["type"] == "reasoning" for part in block["summary"]
        )
        return Told(message.text, summary, tuple(call["args"] or "" for call in message.tool_call_chunks))

    run: Callable[[], Any] = run_summed if summed else run_chunks
    return Reading(run, told if summed else Pieces.told, stream.told, lambda: list(model.stream(PROMPT)))


def langchain_chunks(stream: Stream, chunks: list[bytes]) -> Reading:
    return langchain(stream, chunks, summed=False)


def langchain_summed(stream: Stream, chunks: list[bytes]) -> Reading:
    return langchain(stream, chunks, summed=True)


# --------------------------------------------------------------------------------------------------- litellm


def litellm(stream: Stream, chunks: list[bytes]) -> Reading:
    """`completion(stream=True)` or `responses(stream=True)`, fragments put together by hand."""
    import httpx
    import litellm as library
    import openai
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    http = httpx.Client(transport=transport(httpx, chunks))

    def chat() -> Any:
        client = openai.OpenAI(api_key="none", max_retries=0, http_client=http)
        messages = [{"role": "user", "content": PROMPT}]
        return library.completion(model=f"openai/{MODEL}", messages=messages, stream=True, client=client)

    def responses() -> Any:
        handler = HTTPHandler(client=http)
        model = f"openai/{MODEL}"
        return library.responses(model=model, input=PROMPT, stream=True, client=handler, api_key="none")

    if stream.dialect == "chat":
        return Reading(lambda: take_chunks(chat()), Pieces.told, stream.told, lambda: list(chat()))
    return Reading(lambda: take_events(responses()), Pieces.told, stream.told, lambda: list(responses()))


def google_genai(stream: Stream, chunks: list[bytes]) -> Reading:
    """Google's own SDK: chunks as its types, which are put together by hand."""
    from google import genai
    from google.genai import _api_client, types

    httpx = _api_client.httpx  # which it comes with under one name or another
    options = types.HttpOptions(httpx_client=httpx.Client(transport=transport(httpx, chunks)))
    client = genai.Client(api_key="k", http_options=options)

    def run() -> tuple[list[str], list[JSON]]:
        texts: list[str] = []
        calls: list[JSON] = []
        for chunk in client.models.generate_content_stream(model=MODEL, contents=PROMPT):
            for candidate in chunk.candidates or ():
                for part in (candidate.content.parts if candidate.content else None) or ():
                    if part.text and not part.thought:
                        texts.append(part.text)
                    if part.function_call:
                        take_call(calls, part.function_call)
        return texts, calls

    def told(read: tuple[list[str], list[JSON]]) -> Told:
        return as_values(Told("".join(read[0]), (), tuple(map(dumps, read[1]))))

    return Reading(run, told, as_values(stream.told))


def take_call(calls: list[JSON], call: Any) -> None:
    """A part of one of Gemini's calls, by hand: its arguments come as a value, or leaf by leaf."""
    if call.name is not None:
        calls.append(dict(call.args or {}))
    for piece in call.partial_args or ():
        leaf = (piece.string_value, piece.number_value, piece.bool_value)
        place(calls[-1], piece.json_path, next((value for value in leaf if value is not None), None))


def place(value: Any, path: str, leaf: Any) -> None:
    """Puts a leaf where its path says, `$.edits[0].path`; `[]` is an empty list. Pieces are joined."""
    steps = [name or index for name, index in re.findall(r"\.([^.[\]]+)|\[(\d*)\]", path)]
    for step, follower in itertools.pairwise(steps):
        empty: Any = {} if follower and not follower.isdigit() else []
        if isinstance(value, dict):
            value = value.setdefault(step, empty)
        else:
            if int(step) == len(value):
                value.append(empty)
            value = value[int(step)]
    last = steps[-1]
    if isinstance(value, dict):
        value[last] = value.get(last, "") + leaf if isinstance(leaf, str) else leaf
    elif last and int(last) == len(value):
        value.append(leaf)
    elif last:
        value[int(last)] += leaf


def anthropic_stream(stream: Stream, chunks: list[bytes]) -> Reading:
    """Anthropic's own SDK: `messages.stream()`, which puts the message together."""
    import anthropic
    from anthropic import _base_client

    httpx = getattr(_base_client, "httpx2", None) or _base_client.httpx
    http = httpx.Client(transport=transport(httpx, chunks))
    client = anthropic.Anthropic(api_key="k", max_retries=0, http_client=http)
    asked: Any = {"model": MODEL, "max_tokens": 1024, "messages": [{"role": "user", "content": PROMPT}]}

    def run() -> Any:
        with client.messages.stream(**asked) as events:
            for _ in events:
                pass
            return events.get_final_message()

    def told(message: Any) -> Told:
        text = "".join(block.text for block in message.content if block.type == "text")
        inputs = [dumps(block.input) for block in message.content if block.type == "tool_use"]
        return as_values(Told(text, arguments=tuple(inputs)))

    return Reading(run, told, as_values(stream.told))


PEERS = (
    Client("httpx-sse", httpx_sse, "httpx-sse", OPENAI),
    Client("openai raw", openai_raw, "openai", OPENAI),
    Client("openai .stream()", openai_stream, "openai", OPENAI),
    Client("pydantic-ai", pydantic_ai, "pydantic-ai-slim", OPENAI),
    Client("langchain chunks", langchain_chunks, "langchain-openai", OPENAI),
    Client("langchain summed", langchain_summed, "langchain-openai", OPENAI),
    Client("litellm", litellm, "litellm", OPENAI),
    Client("google-genai", google_genai, "google-genai", ("gemini",)),
    Client("anthropic .stream()", anthropic_stream, "anthropic", ("anthropic",)),
)


def quiet() -> None:
    """Peers log and warn at each request; that is not what is measured."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
