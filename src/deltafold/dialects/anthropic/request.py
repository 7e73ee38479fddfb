"""Requests of Anthropic Messages: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.anthropic.document import block_of
from deltafold.dialects.conversion import (
    FILE_NAMES,
    LEAST_BUDGET,
    Losses,
    arguments_of,
    base64_of,
    below,
    budget_of,
    check_calls,
    declared,
    fit_id,
    is_blank,
    is_public,
    json_text,
    move,
    number,
    object_at,
    objects_in,
    optional_string_at,
    read_function,
    read_json_schema,
    refusal_as_text,
    rest,
    results_behind_calls,
    schema_format,
    settings_of,
    string_at,
    taken,
    text_of_file,
    text_or_blocks,
    text_or_parts,
    texts_of,
    without_nulls,
    write_blocks,
)
from deltafold.model.errors import UsageError
from deltafold.model.items import Message
from deltafold.model.json_values import string
from deltafold.model.losses import LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting, Tool, ToolChoice

if TYPE_CHECKING:
    from deltafold.model.response import Response

__all__ = ["read_request", "response_turn", "write_request", "write_turn"]

JSON: TypeAlias = dict[str, Any]

API: Final = "Anthropic Messages API"
NAMES: Final = {"stop_sequences": "stop"}
OWN: Final = {"stop": "stop_sequences", "stream": "stream", "top_p": "top_p"}
"""Parameters by their neutral names."""
DEFAULT_MAX_TOKENS: Final = 4096
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
MEDIA: Final = ("text", "image", "file")
IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
CHOICES: Final = {"auto": "auto", "none": "none", "any": "required"}
SOURCES: Final = {
    "base64": ("media_type", "data"),
    "text": ("media_type", "data"),
    "url": ("url",),
    "file": ("file_id",),
}
"""Kinds of sources of media that other APIs have too, and their members."""
OLDER_MODELS: Final = re.compile(
    r"claude-(?:[123](?!\d)|instant|(?:sonnet|opus|haiku)-4(?![-.](?:[6-9]|\d\d)(?!\d)))"
)
"""Those that take a budget of thinking, and no effort: Claude 4.5 and older."""

# ------------------------------------------------------------------------------------------------ reading


def read_request(request: JSON) -> Request:
    """A request in the neutral form."""
    read = Request("anthropic")
    system = texts_of(request.get("system"), "system")
    if system:
        blocks = [Block("text", path, text, more=more) for text, path, more in system]
        read.messages.append(InputMessage("system", blocks, "system"))
    for message, path in objects_in(request.get("messages"), "messages"):
        read.messages += read_message(message, path)
    read.tools += [read_tool(tool, path) for tool, path in objects_in(request.get("tools"), "tools")]
    read.settings = read_settings(request)
    if request.get("tool_choice") is not None:
        choice = object_at(request["tool_choice"], "tool_choice")
        read.choice = read_choice(choice)
        if choice.get("disable_parallel_tool_use") is not None:
            path = "tool_choice.disable_parallel_tool_use"
            read.settings["parallel_tool_calls"] = Setting(not choice["disable_parallel_tool_use"], path)
    check_calls(read)
    return read


def read_settings(request: JSON) -> dict[str, Setting]:
    settings = settings_of(
        request,
        NAMES,
        *("system", "messages", "tools", "tool_choice", "thinking", "output_config", "metadata"),
    )
    tier = settings.get("service_tier")
    if tier is not None and tier.value != "auto":
        settings["own service_tier"] = settings.pop("service_tier")
    for key, value in rest(object_at(request.get("metadata") or {}, "metadata")).items():
        name = "safety_identifier" if key == "user_id" else f"metadata.{key}"
        settings[name] = Setting(value, f"metadata.{key}")
    config = object_at(request.get("output_config") or {}, "output_config")
    for key, value in rest(config).items():
        path = f"output_config.{key}"
        if key == "format":
            value = read_json_schema(without_nulls(object_at(value, path)), path)
        settings[key if key in ("effort", "format") else path] = Setting(value, path)
    thinking = object_at(request.get("thinking") or {}, "thinking")
    kind = thinking.get("type")
    taken = ["type"]
    if kind == "enabled":
        settings["budget"] = Setting(thinking.get("budget_tokens"), "thinking.budget_tokens")
        taken.append("budget_tokens")
    elif kind == "disabled":
        settings["effort"] = Setting("none", "thinking")
    elif kind == "adaptive":
        settings["adaptive"] = Setting(True, "thinking")
    elif kind is not None:
        settings["own thinking"] = Setting(kind, f"thinking ({kind})")
    if thinking.get("display") == "summarized":
        settings["summary"] = Setting("auto", "thinking.display")
        taken.append("display")
    for key, value in rest(thinking, *taken).items():
        settings[f"thinking.{key}"] = Setting(value, f"thinking.{key}")
    return settings


def read_message(message: JSON, path: str) -> list[InputMessage]:
    """A message; where it holds results of calls, these as a message of their own before it."""
    role = string_at(message, "role", path)
    if role not in ("user", "assistant", "system"):
        raise UsageError(f"{path}.role: {role!r} is none of user, assistant, system")
    blocks = text_or_blocks(message.get("content"), f"{path}.content", read_block)
    results = [block for block in blocks if block.kind == "result"]
    others = [block for block in blocks if block.kind != "result"]
    read = [InputMessage("tool", results, path)] if results else []
    if others or not results:
        read.append(InputMessage(role, others, path))
    read[-1].more = rest(message, "role", "content")
    return read


def read_block(block: JSON, path: str) -> Block:
    if string_at(block, "type", path) != "tool_result":
        return read_plain_block(block, path)
    return Block(
        "result",
        path,
        id=string_at(block, "tool_use_id", path),
        id_path=f"{path}.tool_use_id",
        content=text_or_blocks(block.get("content"), f"{path}.content", read_plain_block),
        is_error=block.get("is_error") is True,
        more=rest(block, "type", "tool_use_id", "content", "is_error"),
    )


def read_plain_block(block: JSON, path: str) -> Block:
    """A block, but for the result of a call, which may hold these."""
    kind = string_at(block, "type", path)
    if kind == "text":
        return Block("text", path, string_at(block, "text", path), more=rest(block, "type", "text"))
    if kind == "tool_use":
        given = block.get("input")
        return Block(
            "call",
            path,
            json_text({} if given is None else given),
            string_at(block, "id", path),
            f"{path}.id",
            string_at(block, "name", path),
            more=rest(block, "type", "id", "name", "input"),
        )
    if kind in ("image", "document"):
        read = read_media(block, path, kind)
        if read is not None:
            return read
    word = "reasoning" if kind in ("thinking", "redacted_thinking") else "other"
    return Block(word, path, type=kind, dialect="anthropic", own=block)


def read_media(block: JSON, path: str, kind: str) -> Block | None:
    """An image or document, or None where it is of a kind that no other API has."""
    where = f"{path}.source"
    source = object_at(block.get("source"), where)
    word = string_at(source, "type", where)
    if word not in SOURCES:
        return None
    read = Block("image" if kind == "image" else "file", path, dialect="anthropic")
    read.more = rest(block, "type", "source") | below("source", rest(source, "type", *SOURCES[word]))
    if kind == "document":
        read.name = optional_string_at(block, "title", path)
    if word == "base64":
        read.media_type = string_at(source, "media_type", where)
        read.data = string_at(source, "data", where)
    elif word == "text":
        read.media_type, read.data = "text/plain", base64_of(string_at(source, "data", where))
    elif word == "url":
        read.url = string_at(source, "url", where)
    else:
        read.file_id = string_at(source, "file_id", where)
    return read


def read_tool(tool: JSON, path: str) -> Tool:
    kind = tool.get("type") or "custom"
    if kind != "custom":
        return Tool("hosted", path, type=str(kind), dialect="anthropic", own=tool)
    return read_function(tool, path, "input_schema")


def read_choice(choice: JSON) -> ToolChoice:
    path = "tool_choice"
    kind = string_at(choice, "type", path)
    more = rest(choice, "type", "name", "disable_parallel_tool_use")
    if kind in CHOICES:
        return ToolChoice(CHOICES[kind], path, more=more)
    if kind == "tool":
        return ToolChoice("function", path, string_at(choice, "name", path), more=more)
    return ToolChoice("other", path, kind)


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it."""
    settings = dict(request.settings)
    made: JSON = {"max_tokens": DEFAULT_MAX_TOKENS}
    move(settings, made, {"model": "model", "max_tokens": "max_tokens"})
    messages = results_behind_calls(request.messages, losses)
    system, messages = split_system(messages, losses)
    if system:
        made["system"] = system[0]["text"] if len(system) == 1 else system
    made["messages"] = write_turn(messages, losses)
    parallel = settings.pop("parallel_tool_calls", None)
    write_tools(request, made, losses, parallel)
    move(settings, made, OWN)
    format = schema_format(settings, losses, "json_schema")
    if format is not None:
        made["output_config"] = {"format": {"type": "json_schema", "schema": format["schema"]}}
    write_thinking(settings, made, losses)
    write_sampling(settings, made, losses)
    write_user(settings, made)
    tier = settings.get("service_tier")
    if tier is not None and tier.value == "auto":
        made["service_tier"] = settings.pop("service_tier").value
    if "n" in settings and settings["n"].value == 1:
        del settings["n"]
    losses.settings(settings)
    return made


def split_system(messages: list[InputMessage], losses: Losses) -> tuple[list[JSON], list[InputMessage]]:
    """The instructions that come first, and the messages. Later ones stay where this API takes them."""
    system: list[JSON] = []
    kept: list[InputMessage] = []
    for index, message in enumerate(messages):
        if message.role not in ("system", "developer"):
            kept.append(message)
            continue
        follows = messages[index + 1].role if index + 1 < len(messages) else "assistant"
        in_place = bool(kept) and kept[-1].role in ("user", "tool") and follows == "assistant"
        if in_place:
            kept.append(InputMessage("system", message.blocks, message.path, message.more))
            continue
        if kept:
            why = f"the {API} takes instructions only behind the user's message"
            losses.lose(LossCode.INSTRUCTIONS_MOVED, message.path, why)
        losses.message(message)
        system += write_content(message.blocks, ("text",), losses)
    return system, kept


def write_tools(request: Request, made: JSON, losses: Losses, parallel: Setting | None) -> None:
    tools = []
    for tool in request.tools:
        said = declared(tool, losses)
        if said is not None:
            made_tool = {**said[0], "input_schema": {"type": "object", **(said[1] or {})}}
            if tool.strict is not None:
                made_tool["strict"] = tool.strict
            tools.append(made_tool)
    if not tools:
        return
    made["tools"] = tools
    choice = write_choice(request.choice, losses)
    if parallel is not None and parallel.value is False and (choice or {}).get("type") != "none":
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        made["tool_choice"] = choice


def write_choice(choice: ToolChoice | None, losses: Losses) -> JSON | None:
    if choice is None:
        return None
    losses.members(choice.path, choice.more)
    if choice.kind in ("function", "custom"):
        return {"type": "tool", "name": choice.name}
    for word, kind in CHOICES.items():
        if choice.kind == kind:
            return {"type": word}
    losses.choice(choice, "allowed_tools" if choice.kind == "allowed" else choice.name)
    return {"type": "any"} if choice.required else None


def write_thinking(settings: dict[str, Setting], made: JSON, losses: Losses) -> None:
    """Thinking, by effort or by budget, where the rest of the request lets the model think."""
    effort, budget = settings.pop("effort", None), settings.pop("budget", None)
    adaptive, summary = settings.pop("adaptive", None), settings.pop("summary", None)
    sent = effort or budget or adaptive
    if effort is not None and effort.value == "none":
        made["thinking"] = {"type": "disabled"}
    elif sent is not None:
        write_amount(effort, budget, sent.path, made, losses)
    thinking = made.get("thinking", {"type": "disabled"})
    if sent is not None and thinking["type"] != "disabled":
        why = what_excludes_thinking(made)
        if why:
            del made["thinking"]
            losses.lose(LossCode.VALUE_CHANGED, sent.path, why)
    if summary is not None:
        if made.get("thinking", {}).get("type") in ("enabled", "adaptive"):
            made["thinking"]["display"] = "summarized"
            if summary.value != "auto":
                losses.lose(LossCode.VALUE_CHANGED, summary.path, f"the {API} has one kind of summary")
        else:
            losses.lose(LossCode.FIELD_NOT_SUPPORTED, summary.path)


def write_amount(
    effort: Setting | None, budget: Setting | None, path: str, made: JSON, losses: Losses
) -> None:
    limit = number(made["max_tokens"])
    tokens = None if budget is None else number(budget.value)
    if effort is not None and OLDER_MODELS.search(str(made.get("model", ""))):
        tokens = budget_of(str(effort.value), limit)
        if tokens is None:
            why = f"the output is too short for the {LEAST_BUDGET} tokens that thinking has at least"
            losses.lose(LossCode.VALUE_CHANGED, path, why)
            return
        losses.lose(LossCode.VALUE_CHANGED, path, f"the model takes a budget; it is {tokens} tokens")
    elif effort is not None:
        word = str(effort.value)
        made["thinking"] = {"type": "adaptive"}
        if word not in EFFORTS:
            losses.lose(LossCode.VALUE_CHANGED, path, f"the {API} has no effort {word}")
            word = "low" if word == "minimal" else "medium"
        made["output_config"] = {"effort": word, **made.get("output_config", {})}
        return
    if tokens is None or tokens < 0:
        made["thinking"] = {"type": "adaptive"}
        return
    if limit is not None and limit <= LEAST_BUDGET:
        why = f"the output is too short for the {LEAST_BUDGET} tokens that thinking has at least"
        losses.lose(LossCode.VALUE_CHANGED, path, why)
        return
    fitting = max(LEAST_BUDGET, int(tokens))
    if limit is not None:
        fitting = min(fitting, int(limit) - 1)
    if budget is not None and effort is None and fitting != tokens:
        losses.lose(LossCode.VALUE_CHANGED, path, f"the budget is {fitting} tokens")
    made["thinking"] = {"type": "enabled", "budget_tokens": fitting}


def what_excludes_thinking(made: JSON) -> str:
    """Why the model may not think, or "" where it may."""
    if made.get("tool_choice", {}).get("type") in ("any", "tool"):
        return f"the {API} takes no thinking beside a forced tool_choice"
    messages = made["messages"]
    if messages and messages[-1]["role"] == "assistant":
        return f"the {API} takes no thinking where the answer is begun by the caller"
    if made["thinking"]["type"] == "enabled":
        said = [message for message in messages if message["role"] == "assistant"]
        if (
            said
            and messages[-2:-1] == said[-1:]
            and any(b["type"] == "tool_use" for b in said[-1]["content"])
        ):
            return f"the {API} takes no thinking in a turn that began without it"
    return ""


def write_sampling(settings: dict[str, Setting], made: JSON, losses: Losses) -> None:
    thinking = made.get("thinking", {}).get("type") not in (None, "disabled")
    for name in ("temperature", "top_k"):
        setting = settings.pop(name, None)
        if setting is None:
            continue
        if thinking and setting.value != 1:
            why = f"the {API} takes none while the model thinks"
            losses.lose(LossCode.VALUE_CHANGED, setting.path, why)
            continue
        value = setting.value
        if name == "temperature" and (number(value) or 0) > 1:
            losses.lose(LossCode.VALUE_CHANGED, setting.path, "1 is the most there")
            value = 1
        made[name] = value


def write_user(settings: dict[str, Setting], made: JSON) -> None:
    """Who the request is for. Of two different ids the other one is lost."""
    for name in ("safety_identifier", "user"):
        setting = settings.get(name)
        if setting is None:
            continue
        known = made.get("metadata", {}).get("user_id")
        if known in (None, setting.value):
            made["metadata"] = {"user_id": settings.pop(name).value}


def write_turn(messages: list[InputMessage], losses: Losses) -> list[JSON]:
    """Messages in the words of this API. Results stand first in the user's next message."""
    written: list[JSON] = []
    results = False
    for message in messages:
        losses.message(message)
        if message.role == "tool":
            blocks = [write_result(block, losses) for block in message.blocks]
        else:
            kinds = {"assistant": ("text", "refusal", "call"), "user": MEDIA}.get(message.role, ("text",))
            blocks = write_content(message.blocks, kinds, losses)
        if not blocks:
            continue
        if results and message.role == "user":
            written[-1]["content"] += blocks
        else:
            role = {"tool": "user", "developer": "system"}.get(message.role, message.role)
            written.append({"role": role, "content": blocks})
        results = message.role == "tool"
    if written and written[-1]["role"] == "assistant":
        trim_end(written[-1]["content"][-1], losses)
    return written


def trim_end(block: JSON, losses: Losses) -> None:
    """The answer that the caller begins may not end in white space."""
    if block["type"] == "text" and block["text"] != block["text"].rstrip():
        block["text"] = block["text"].rstrip()
        why = "white space at the end of the last message is refused"
        losses.lose(LossCode.VALUE_CHANGED, "the last message", why)


def fit(ident: str) -> str:
    return fit_id(ident, "toolu", r"[a-zA-Z0-9_-]+")


def write_result(block: Block, losses: Losses) -> JSON:
    losses.result(block, errors=True)
    content = [] if block.is_empty_list else text_or_parts(write_content(block.content, MEDIA, losses))
    made: JSON = {"type": "tool_result", "tool_use_id": fit(block.id), "content": content}
    return {**made, "is_error": True} if block.is_error else made


def write_content(blocks: list[Block], kinds: tuple[str, ...], losses: Losses) -> list[JSON]:
    return write_blocks(blocks, kinds, "anthropic", losses, write_block)


def write_block(block: Block, losses: Losses) -> JSON | None:
    """A block, or None where this API has none for it. One with an empty `text` says nothing."""
    if block.kind in ("text", "refusal"):
        text = block.text if block.kind == "text" else refusal_as_text(block, losses)
        return {"type": "text", "text": "" if is_blank(text) else text}
    if block.kind == "call":
        given = arguments_of(block, losses)
        return {"type": "tool_use", "id": fit(block.id), "name": block.name, "input": given}
    source = source_of(block, losses)
    if source is None:
        return None
    if block.kind == "image":
        return {"type": "image", "source": source}
    taken(block.more, *FILE_NAMES)
    made: JSON = {"type": "document", "source": source}
    return made if block.name is None else {**made, "title": block.name}


def source_of(block: Block, losses: Losses) -> JSON | None:
    """Where an image or a document comes from, or None where this API cannot have it from there."""
    if block.data is None:
        return {"type": "url", "url": block.url} if is_public(block.url) else None
    if block.media_type in (IMAGES if block.kind == "image" else ("application/pdf",)):
        return {"type": "base64", "media_type": block.media_type, "data": block.data}
    text = text_of_file(block, losses) if block.kind == "file" else None
    return None if text is None else {"type": "text", "media_type": "text/plain", "data": text}


# --------------------------------------------------------------------------- what follows an answer of this


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The assistant's message of a response of this API as it goes back. `whole` holds the output indexes of
    the calls that were sent whole."""
    content = []
    for index, item in enumerate(response.output):
        if (item.choice_index or 0) != choice or (item.type == "function_call" and index not in whole):
            continue
        block = without_nulls(block_of(item, index))
        if isinstance(item, Message) and is_blank(str(block.get("text", ""))):
            continue
        kind = block.get("type")
        if kind == "thinking" and not block.get("signature"):
            losses.lose(LossCode.REASONING_NOT_SUPPORTED, f"output[{index}]", "thinking without a signature")
            continue
        if kind == "redacted_thinking" and not block.get("data"):
            continue
        if kind == "tool_use":
            block["id"] = fit(str(getattr(item, "call_id", None) or ""))
        content.append(block)
    if response.outcome not in ("completed", "incomplete"):
        content = without_open_ends(content, losses)
    return [{"role": "assistant", "content": content}] if content else []


def without_open_ends(content: list[JSON], losses: Losses) -> list[JSON]:
    """The blocks of an answer that was cut off, without server tools whose results are missing, and without
    thinking that nothing follows."""
    answered = {string(block, "tool_use_id") for block in content}
    kept = []
    for block in content:
        if block.get("type") == "server_tool_use" and string(block, "id") not in answered:
            losses.lose(LossCode.CALL_NOT_WHOLE, str(block.get("id")), "its result is missing")
        else:
            kept.append(block)
    while kept and kept[-1].get("type") in ("thinking", "redacted_thinking"):
        kept.pop()
        losses.lose(LossCode.REASONING_NOT_SUPPORTED, "output", "thinking that nothing follows")
    return kept
