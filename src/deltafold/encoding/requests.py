"""One API's request in the words of another, and the request to the ChatGPT backend.

Each dialect reads its own requests into one neutral form and writes them from it; so no pair of APIs needs a
conversion of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from deltafold.dialects.conversion import Losses, json_copy, json_text, object_at, says_something
from deltafold.model.errors import UsageError
from deltafold.model.json_values import string
from deltafold.model.losses import LossCode
from deltafold.model.requests import ChatGPTRequest, Converted, Setting
from deltafold.model.response import EstimatedUsage
from deltafold.registry import DIALECTS, part_of

__all__ = ["chatgpt_request", "convert_request", "estimated_usage"]

JSON = dict[str, Any]

MODEL_LIMIT: Final = {
    "responses": "max_output_tokens",
    "chat": "max_completion_tokens",
    "anthropic": "max_tokens",
    "gemini": "maxOutputTokens",
}


def request_part(dialect: str) -> Any:
    """The module of a dialect that knows its requests."""
    if dialect not in DIALECTS:
        raise UsageError(f"no dialect is called {dialect!r}; there are {', '.join(DIALECTS)}")
    return part_of(dialect, "request")


def convert_request(
    request: JSON,
    source: str,
    target: str,
    *,
    model: str | None = None,
    max_tokens: int | None = None,
    placeholder_signatures: bool = False,
) -> Converted:
    """The body of a request of the API `source` as that of the API `target`.

    `model` and `max_tokens` (of the output) take the place of what the request says. The request is not
    changed, and the result shares nothing with it. What the target cannot say is a `Loss`; between two equal
    dialects there is none, and nothing is touched. `placeholder_signatures` is as of `next_turn()`.

    Raises `UsageError`, with the place of the fault such as `messages[3].tool_calls[0].id`, where the request
    is none of the source: no object, a message without a role, a result for a call that was never made; and
    where something in it is no JSON value.
    """
    reader, writer = request_part(source), request_part(target)
    made = json_copy(object_at(request, ""))
    read = reader.read_request(made)
    losses = Losses(writer.API)
    if source == target:
        if model is not None:
            made["model"] = model
        if max_tokens is not None and target == "gemini":
            made["generationConfig"] = {
                **(made.get("generationConfig") or {}),
                MODEL_LIMIT[target]: max_tokens,
            }
        elif max_tokens is not None:
            made[MODEL_LIMIT[target]] = max_tokens
        return Converted(made)
    if model is not None:
        read.settings["model"] = Setting(model, "model")
    if max_tokens is not None:
        read.settings["max_tokens"] = Setting(max_tokens, "max_tokens")
    made = writer.write_request(read, losses)
    if placeholder_signatures and target == "gemini":
        writer.sign_calls(made["contents"])
    return Converted(made, tuple(losses.found))


def estimated_usage(request: JSON, dialect: str, count: Callable[[str], int]) -> EstimatedUsage:
    """The input tokens of a request, by the caller's own counter of the tokens of a text.

    Counted are the texts of all messages, the names and arguments of calls, what came of them, and the tools;
    images, files, audio and reasoning are not, and nothing is added for what stands around them on the wire.

    Raises `UsageError` as `convert_request()` does.
    """
    read = request_part(dialect).read_request(json_copy(object_at(request, "")))
    texts: list[str | None] = []
    for message in read.messages:
        for block in message.blocks:
            texts += [part.text for part in (block, *block.content) if part.kind != "reasoning"]
            if block.kind == "call":
                texts.append(block.name)
    for tool in read.tools:
        texts += [tool.name, tool.description]
        texts += [json_text(sent) for sent in (tool.schema, tool.format) if sent]
    return EstimatedUsage(sum(count(text) for text in texts if text), 0, 0)


# -------------------------------------------------------------------------------------- the ChatGPT backend

URL: Final = "https://chatgpt.com/backend-api/codex/responses"
INSTRUCTIONS: Final = "You are a helpful assistant."
"""Where a request has no instructions: the backend wants some."""
ALLOWED: Final = (
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "store",
    "stream",
    "include",
    "prompt_cache_key",
    "text",
    "service_tier",
)
"""What the backend takes; it refuses a request with anything else."""
ENCRYPTED: Final = "reasoning.encrypted_content"


def credential(value: str, name: str) -> str:
    """A credential that can be the value of a header."""
    if not isinstance(value, str) or not value:
        raise UsageError(f"{name}: a text that is not empty is expected")
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"{name}: no header can hold its control or non-ASCII characters")
    return value


def chatgpt_request(request: JSON, access_token: str, account_id: str) -> ChatGPTRequest:
    """What to send (POST) to the ChatGPT backend for a request of the Responses API, or of Chat Completions.

    The backend streams always and stores nothing. It wants instructions, which are those of the request, else
    its first system or developer message, else a plain default; and it refuses parameters that it does not
    know, each of which is a `Loss`. The request is not changed; nothing is sent, and no credential is kept.

    Raises `UsageError` where a credential is empty or no header can hold it, and as `convert_request()` does.
    """
    headers = {
        "Authorization": f"Bearer {credential(access_token, 'access_token')}",
        "chatgpt-account-id": credential(account_id, "account_id"),
        "Accept": "text/event-stream",
        "Content-Type": "application/json",
    }
    sent = json_copy(object_at(request, ""))
    losses = Losses("ChatGPT backend")
    if "messages" in sent and "input" not in sent:
        converted = convert_request(sent, "chat", "responses")
        sent = converted.request
        losses.found += converted.losses
    else:
        request_part("responses").read_request(sent)  # it raises what is wrong
    body: JSON = {key: value for key, value in sent.items() if key in ALLOWED and value is not None}
    for key, value in sent.items():
        if key not in ALLOWED and says_something(value) and value is not False:
            losses.lose(LossCode.FIELD_NOT_SUPPORTED, key)
    given = body.get("input", [])
    take_instructions(body, [{"role": "user", "content": given}] if isinstance(given, str) else given, losses)
    if body.get("store") is True:
        losses.lose(LossCode.VALUE_CHANGED, "store", "the backend stores nothing")
    body["store"] = False
    body["stream"] = True
    include = body.get("include", [])
    body["include"] = [*include, *([] if ENCRYPTED in include else [ENCRYPTED])]
    if not body.get("tools"):
        for key in ("tools", "tool_choice", "parallel_tool_calls"):
            body.pop(key, None)
    if (body.get("reasoning") or {}).get("effort") not in (None, "none"):
        body["reasoning"].setdefault("summary", "auto")
    return ChatGPTRequest(URL, headers, body, tuple(losses.found))


def take_instructions(body: JSON, items: list[JSON], losses: Losses) -> None:
    """Puts instructions and input in place; the backend takes no item of the role system."""
    if not isinstance(body.get("instructions"), str) or not body["instructions"].strip():
        first = body.pop("instructions", None)
        if isinstance(first, list):
            items = [*first, *items]
        body["instructions"] = INSTRUCTIONS
        for index, item in enumerate(items):
            text = text_of(item.get("content")) if item.get("role") in ("system", "developer") else ""
            if text.strip():
                body["instructions"] = text
                del items[index]
                break
    body["input"] = [
        {**item, "role": "developer"} if item.get("role") == "system" else item
        for item in items
        if kept(item, losses)
    ]


def kept(item: JSON, losses: Losses) -> bool:
    """Whether an item can go: one that refers to what is stored cannot, for nothing is."""
    if item.get("type") == "item_reference" or (item.get("type") is None and "role" not in item):
        losses.lose(LossCode.CONVERSATION_MISSING, f"input, item_reference {item.get('id')}")
        return False
    return True


def text_of(content: Any) -> str:
    """The text of a content that is nothing but text, else ""."""
    if isinstance(content, str):
        return content
    texts = [string(part, "text") for part in content or ()]
    return "" if None in texts else "".join(filter(None, texts))
