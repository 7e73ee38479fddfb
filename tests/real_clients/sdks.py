"""The official SDKs of Python as clients: each asks, runs the tool that is called, and says what it read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import attrs

from real_clients.stage import RESULT, TOOL, Seen, canonical

SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
ABOUT: Final = "What the weather is going to be."
FUNCTION: Final = {"name": TOOL, "description": ABOUT, "parameters": SCHEMA}
TURNS: Final = 4
"""More are a loop without an end."""


@attrs.frozen
class Sdk:
    """A way to read streams that an SDK has."""

    name: str
    package: str
    wire: str
    run: Callable[[str, str], Seen]
    """Given a gateway's address and a key."""


# No certificate is needed here; to load them all takes longer than all the rest.


def openai_client(base: str, key: str) -> Any:
    import openai

    http = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(api_key=key, base_url=f"{base}/v1", max_retries=0, http_client=http)


def anthropic_client(base: str, key: str) -> Any:
    import anthropic

    http = anthropic.DefaultHttpxClient(verify=False)
    return anthropic.Anthropic(api_key=key, base_url=base, max_retries=0, http_client=http)


def google_client(base: str, key: str) -> Any:
    from google import genai

    options = genai.types.HttpOptions(
        base_url=base, client_args={"verify": False}, async_client_args={"verify": False}
    )
    return genai.Client(api_key=key, http_options=options)


def guarded(read: Callable[[str, str], Seen]) -> Callable[[str, str], Seen]:
    """What the SDK raises is what it says was wrong."""

    def run(base: str, key: str) -> Seen:
        try:
            return read(base, key)
        except Exception as error:
            return Seen(error=f"{type(error).__name__}: {error}")

    return run


# ---------------------------------------------------------------------------------------------- Responses


def responses(base: str, key: str, *, helper: bool) -> Seen:
    """openai-python on the Responses API: what it streams, or what its helper puts together of it."""
    tools: Any = [{"type": "function", **FUNCTION, "strict": False}]
    given: list[Any] = [{"role": "user", "content": "hi"}]
    text, ran = "", []
    with openai_client(base, key) as client:
        for _ in range(TURNS):
            asked = {"model": "model-1", "input": given, "tools": tools, "store": False}
            if helper:
                with client.responses.stream(**asked) as stream:
                    for event in stream:
                        if event.type in ("error", "response.failed"):
                            return Seen(error=str(event))
                    response = stream.get_final_response()
                text = response.output_text
            else:
                response, text = None, ""
                for event in client.responses.create(**asked, stream=True):
                    if event.type == "response.output_text.delta":
                        text += event.delta
                    elif event.type == "error":
                        return Seen(text, event.message)
                    elif event.type in ("response.completed", "response.failed", "response.incomplete"):
                        response = event.response
            if response is None or response.status != "completed":
                told = response and (response.error or response.status)
                return Seen(text, f"it did not complete: {told!r}")
            calls = [item for item in response.output if item.type == "function_call"]
            if not calls:
                return Seen(text, None, tuple(ran))
            given += [item.model_dump(exclude_none=True) for item in response.output]
            for call in calls:
                ran.append(canonical(call.arguments))
                given.append({"type": "function_call_output", "call_id": call.call_id, "output": RESULT})
    return Seen(text, "the tool was called again and again")


# --------------------------------------------------------------------------------------- Chat Completions


def chat(base: str, key: str, *, helper: bool) -> Seen:
    """openai-python on Chat Completions: its chunks, or what its helper puts together of them."""
    tools: Any = [{"type": "function", "function": FUNCTION}]
    messages: list[Any] = [{"role": "user", "content": "hi"}]
    ran = []
    with openai_client(base, key) as client:
        for _ in range(TURNS):
            asked = {"model": "model-1", "messages": messages, "tools": tools}
            if helper:
                with client.chat.completions.stream(**asked) as stream:
                    for _ in stream:
                        pass
                    choice = stream.get_final_completion().choices[0]
                text, finish = choice.message.content or "", choice.finish_reason
                calls = [
                    (call.id, call.function.name, call.function.arguments)
                    for call in choice.message.tool_calls or ()
                ]
            else:
                text, finish, calls = chunks(client.chat.completions.create(**asked, stream=True))
            if finish is None:
                return Seen(text, "there is no finish_reason")
            if not calls:
                return Seen(text, None, tuple(ran))
            told = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in calls
            ]
            messages.append({"role": "assistant", "content": text or None, "tool_calls": told})
            for id, _, arguments in calls:
                ran.append(canonical(arguments))
                messages.append({"role": "tool", "tool_call_id": id, "content": RESULT})
    return Seen(text, "the tool was called again and again")


def chunks(stream: Any) -> tuple[str, str | None, list[tuple[str, str, str]]]:
    """What chunks say: the text, the finish reason, the calls."""
    text, finish, calls = "", None, {}
    for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or ():
                id, name, arguments = calls.get(call.index, ("", "", ""))
                calls[call.index] = (
                    call.id or id,
                    call.function.name or name,
                    arguments + (call.function.arguments or ""),
                )
    return text, finish, list(calls.values())


# ----------------------------------------------------------------------------------------------- Anthropic


def messages(base: str, key: str, *, helper: bool) -> Seen:
    """anthropic-python: its events, or the message that its helper puts together of them."""
    tools: Any = [{"name": TOOL, "description": ABOUT, "input_schema": SCHEMA}]
    said: list[Any] = [{"role": "user", "content": "hi"}]
    ran = []
    with anthropic_client(base, key) as client:
        for _ in range(TURNS):
            asked = {"model": "model-1", "max_tokens": 100, "messages": said, "tools": tools}
            if helper:
                with client.messages.stream(**asked) as stream:
                    message = stream.get_final_message()
                content = [block.model_dump(exclude_none=True) for block in message.content]
                stop = message.stop_reason
            else:
                content, stop = blocks(client.messages.create(**asked, stream=True))
            text = "".join(block["text"] for block in content if block["type"] == "text")
            if stop is None:
                return Seen(text, "there is no stop_reason")
            calls = [block for block in content if block["type"] == "tool_use"]
            if not calls:
                return Seen(text, None, tuple(ran))
            said.append({"role": "assistant", "content": content})
            ran += [canonical(call["input"]) for call in calls]
            results = [
                {"type": "tool_result", "tool_use_id": call["id"], "content": RESULT} for call in calls
            ]
            said.append({"role": "user", "content": results})
    return Seen(text, "the tool was called again and again")


def blocks(stream: Any) -> tuple[list[dict[str, Any]], str | None]:
    """What events say: the blocks, and the reason of the end where the message ended."""
    content: list[dict[str, Any]] = []
    stop = told = None
    for event in stream:
        if event.type == "content_block_start":
            content.append(event.content_block.model_dump(exclude_none=True))
            content[-1].pop("input", None)
        elif event.type == "content_block_delta":
            block, delta = content[event.index], event.delta
            name = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
            if delta.type == "input_json_delta":
                block["json"] = block.get("json", "") + delta.partial_json
            else:
                block[name[delta.type]] = block.get(name[delta.type], "") + getattr(delta, name[delta.type])
        elif event.type == "message_delta":
            told = event.delta.stop_reason
        elif event.type == "message_stop":
            stop = told
    for block in content:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block.pop("json", "") or "{}")
    return content, stop


# -------------------------------------------------------------------------------------------------- Gemini


def gemini(base: str, key: str, *, aio: bool) -> Seen:
    """google-genai, with and without asyncio: its chunks."""
    from google.genai import types

    declared = types.FunctionDeclaration(name=TOOL, description=ABOUT, parameters_json_schema=SCHEMA)
    off = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])], automatic_function_calling=off
    )
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text="hi")])]
    text, ran = "", []
    with google_client(base, key) as client:

        async def collected(**asked: Any) -> list[Any]:
            async with google_client(base, key).aio as other:
                return [chunk async for chunk in await other.models.generate_content_stream(**asked)]

        for _ in range(TURNS):
            asked = {"model": "gemini-2.5-flash", "contents": contents, "config": config}
            told = (
                asyncio.run(collected(**asked))
                if aio
                else list(client.models.generate_content_stream(**asked))
            )
            candidates = [one for chunk in told for one in chunk.candidates or ()]
            parts = [part for one in candidates if one.content for part in one.content.parts or ()]
            text = "".join(part.text or "" for part in parts if not part.thought)
            if not any(one.finish_reason for one in candidates):
                return Seen(text, "there is no finish_reason")
            calls = [part.function_call for part in parts if part.function_call]
            if not calls:
                return Seen(text, None, tuple(ran))
            ran += [canonical(call.args) for call in calls]
            contents.append(types.Content(role="model", parts=parts))
            results = [
                types.FunctionResponse(id=call.id, name=call.name, response={"result": RESULT})
                for call in calls
            ]
            contents.append(
                types.Content(role="user", parts=[types.Part(function_response=one) for one in results])
            )
    return Seen(text, "the tool was called again and again")


def sdk(name: str, package: str, wire: str, read: Callable[..., Seen], **how: bool) -> Sdk:
    return Sdk(name, package, wire, guarded(lambda base, key: read(base, key, **how)))


SDKS: Final = (
    sdk("openai responses.create", "openai", "responses", responses, helper=False),
    sdk("openai responses.stream", "openai", "responses", responses, helper=True),
    sdk("openai chat.completions.create", "openai", "chat", chat, helper=False),
    sdk("openai chat.completions.stream", "openai", "chat", chat, helper=True),
    sdk("anthropic messages.create", "anthropic", "anthropic", messages, helper=False),
    sdk("anthropic messages.stream", "anthropic", "anthropic", messages, helper=True),
    sdk("google-genai", "google.genai", "gemini", gemini, aio=False),
    sdk("google-genai aio", "google.genai", "gemini", gemini, aio=True),
)
