"""Requests of Anthropic Messages: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.anthropic.document import block_of
from deltafold.dialects.conversion import (
    LEAST_BUDGET,
    Losses,
    array,
    base64_of,
    budget_of,
    check_calls,
    fit_id,
    is_blank,
    json_object,
    json_text,
    number,
    object_at,
    rest,
    results_behind_calls,
    settings_of,
    string_at,
    text_of_file,
    texts_of,
    without_nulls,
)
from deltafold.model.errors import UsageError
from deltafold.model.items import Message
from deltafold.model.json_values import copied, string
from deltafold.model.losses import LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting, Tool, ToolChoice

if TYPE_CHECKING:
    from deltafold.model.response import Response

__all__ = ["read_request", "response_turn", "write_request", "write_turn"]

JSON: TypeAlias = dict[str, Any]

API: Final = "Anthropic Messages API"
NAMES: Final = {"stop_sequences": "stop"}
OWN: Final = ("stream", "top_p")
DEFAULT_MAX_TOKENS: Final = 4096
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
CHOICES: Final = {"auto": "auto", "none": "none", "any": "required"}
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
    for index, message in enumerate(array(request.get("messages"), "messages")):
        path = f"messages[{index}]"
        read.messages += read_message(object_at(message, path), path)
    for index, tool in enumerate(array(request.get("tools"), "tools")):
        read.tools.append(read_tool(object_at(tool, f"tools[{index}]"), f"tools[{index}]"))
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
            value = without_nulls(object_at(value, path))
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
    content = message.get("content")
    where = f"{path}.content"
    if isinstance(content, str):
        blocks = [Block("text", where, content)] if content else []
    else:
        blocks = []
        for index, block in enumerate(array(content, where)):
            blocks.append(read_block(object_at(block, f"{where}[{index}]"), f"{where}[{index}]"))
    results = [block for block in blocks if block.kind == "result"]
    others = [block for block in blocks if block.kind != "result"]
    more = rest(message, "role", "content")
    read = [InputMessage("tool", results, path)] if results else []
    if others or not results:
        read.append(InputMessage(role, others, path, more))
    return read


def read_block(block: JSON, path: str) -> Block:
    kind = string_at(block, "type", path)
    if kind == "tool_result":
        content = block.get("content")
        where = f"{path}.content"
        if isinstance(content, str):
            inside = [Block("text", where, content)] if content else []
        else:
            inside = []
            for index, part in enumerate(array(content, where)):
                there = f"{where}[{index}]"
                inside.append(read_plain_block(object_at(part, there), there))
        return Block(
            "result",
            path,
            id=string_at(block, "tool_use_id", path),
            id_path=f"{path}.tool_use_id",
            content=inside,
            is_error=block.get("is_error") is True,
            more=rest(block, "type", "tool_use_id", "content", "is_error"),
        )
    return read_plain_block(block, path)


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
    return Block(word, path, type=kind, dialect="anthropic", own=copied(block))


def read_media(block: JSON, path: str, kind: str) -> Block | None:
    """An image or document, or None where it is of a kind that no other API has."""
    source = object_at(block.get("source"), f"{path}.source")
    read = Block("image" if kind == "image" else "file", path, dialect="anthropic")
    read.more = rest(block, "type", "source", *(("title",) if kind == "document" else ()))
    if kind == "document" and block.get("title") is not None:
        read.name = string_at(block, "title", path)
    where = f"{path}.source"
    word = source.get("type")
    if word == "base64":
        read.media_type = string_at(source, "media_type", where)
        read.data = string_at(source, "data", where)
    elif word == "text":
        read.media_type, read.data = "text/plain", base64_of(string_at(source, "data", where))
    elif word == "url":
        read.url = string_at(source, "url", where)
    elif word == "file":
        read.file_id = string_at(source, "file_id", where)
    else:
        return None
    return read


def read_tool(tool: JSON, path: str) -> Tool:
    kind = tool.get("type") or "custom"
    if kind != "custom":
        return Tool("hosted", path, type=str(kind), dialect="anthropic", own=copied(tool))
    schema = tool.get("input_schema")
    return Tool(
        "function",
        path,
        string_at(tool, "name", path),
        tool.get("description"),
        None if schema is None else copied(object_at(schema, f"{path}.input_schema")),
        tool.get("strict"),
        more=rest(tool, "type", "name", "description", "input_schema", "strict"),
    )


def read_choice(choice: JSON) -> ToolChoice:
    path = "tool_choice"
    kind = string_at(choice, "type", path)
    if kind in CHOICES:
        return ToolChoice(CHOICES[kind], path)
    if kind == "tool":
        return ToolChoice("function", path, string_at(choice, "name", path))
    return ToolChoice("other", path, kind, own=copied(choice))


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it."""
    settings = dict(request.settings)
    made: JSON = {}
    if "model" in settings:
        made["model"] = settings.pop("model").value
    made["max_tokens"] = settings.pop("max_tokens").value if "max_tokens" in settings else DEFAULT_MAX_TOKENS
    messages = results_behind_calls(request.messages)
    system, messages = split_system(messages, losses)
    if system:
        made["system"] = system[0]["text"] if len(system) == 1 else system
    made["messages"] = write_turn(messages, losses)
    parallel = settings.pop("parallel_tool_calls", None)
    write_tools(request, made, losses, parallel)
    if "stop" in settings:
        made["stop_sequences"] = settings.pop("stop").value
    for name in OWN:
        if name in settings:
            made[name] = settings.pop(name).value
    write_format(settings, made, losses)
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
        losses.members(message.path, message.more)
        system += write_blocks(message.blocks, losses, ("text",))
    return system, kept


def write_tools(request: Request, made: JSON, losses: Losses, parallel: Setting | None) -> None:
    tools = []
    for tool in request.tools:
        losses.members(tool.path, tool.more)
        if tool.kind == "hosted":
            losses.lose(LossCode.TOOL_NOT_SUPPORTED, tool.path, f"the {API} has no tool {tool.type}")
            continue
        said: JSON = {"name": tool.name}
        if tool.description is not None:
            said["description"] = tool.description
        if tool.kind == "custom":
            said["input_schema"] = schema_of_custom()
            lose_grammar(tool, losses)
        else:
            said["input_schema"] = {"type": "object", **(tool.schema or {})}
            if tool.strict is not None:
                said["strict"] = tool.strict
        tools.append(said)
    if not tools:
        return
    made["tools"] = tools
    choice = write_choice(request.choice, losses)
    if parallel is not None and parallel.value is False and (choice or {}).get("type") != "none":
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        made["tool_choice"] = choice


def schema_of_custom() -> JSON:
    """The arguments of a function that stands for a custom tool: its input."""
    return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def lose_grammar(tool: Tool, losses: Losses) -> None:
    if tool.format is not None and tool.format.get("type") != "text":
        why = f"the {losses.api} has no {tool.format.get('type')} for the input of a tool"
        losses.lose(LossCode.FIELD_NOT_SUPPORTED, f"{tool.path}.format", why)


def write_choice(choice: ToolChoice | None, losses: Losses) -> JSON | None:
    if choice is None:
        return None
    if choice.kind in ("function", "custom"):
        return {"type": "tool", "name": choice.name}
    for word, kind in CHOICES.items():
        if choice.kind == kind:
            return {"type": word}
    what = "allowed_tools" if choice.kind == "allowed" else choice.name
    losses.lose(LossCode.VALUE_CHANGED, choice.path, f"the {API} has no choice {what}")
    return {"type": "any"} if choice.required else None


def write_format(settings: dict[str, Setting], made: JSON, losses: Losses) -> None:
    told = settings.pop("format", None)
    if told is None or told.value.get("type") == "text":
        return
    if told.value.get("type") != "json_schema":
        why = f"the {API} has no format {told.value.get('type')}"
        losses.lose(LossCode.VALUE_CHANGED, told.path, why)
        return
    schema = told.value.get("schema") or {}
    made["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    losses.members(told.path, rest(told.value, "type", "schema"))


def write_thinking(settings: dict[str, Setting], made: JSON, losses: Losses) -> None:
    """Thinking, by effort or by budget, where the rest of the request lets the model think."""
    effort, budget = settings.pop("effort", None), settings.pop("budget", None)
    adaptive, summary = settings.pop("adaptive", None), settings.pop("summary", None)
    told = effort or budget or adaptive
    if effort is not None and effort.value == "none":
        made["thinking"] = {"type": "disabled"}
    elif told is not None:
        write_amount(effort, budget, told.path, made, losses)
    thinking = made.get("thinking", {"type": "disabled"})
    if told is not None and thinking["type"] != "disabled":
        why = what_excludes_thinking(made)
        if why:
            del made["thinking"]
            losses.lose(LossCode.VALUE_CHANGED, told.path, why)
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
        losses.members(message.path, message.more)
        if message.role == "tool":
            blocks = [write_result(block, losses) for block in message.blocks]
        elif message.role == "assistant":
            blocks = write_blocks(message.blocks, losses, ("text", "refusal", "call"))
        elif message.role == "user":
            blocks = write_blocks(message.blocks, losses, ("text", "image", "file"))
        else:
            blocks = write_blocks(message.blocks, losses, ("text",))
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
    losses.members(block.path, block.more)
    blocks = write_blocks(block.content, losses, ("text", "image", "file"))
    content: Any = blocks
    if not blocks or (len(blocks) == 1 and blocks[0]["type"] == "text" and len(blocks[0]) == 2):
        content = blocks[0]["text"] if blocks else ""
    made: JSON = {"type": "tool_result", "tool_use_id": fit(block.id), "content": content}
    if block.is_error:
        made["is_error"] = True
    return made


def write_blocks(blocks: list[Block], losses: Losses, kinds: tuple[str, ...]) -> list[JSON]:
    written = []
    for block in blocks:
        if block.kind == "other" and block.dialect == "anthropic":
            written.append(dict(copied(block.own)))
            continue
        made = write_block(block, losses) if block.kind in kinds else None
        if made is not None:
            losses.members(block.path, block.more)
            if made.get("text") != "":
                written.append(made)
        else:
            losses.block(block)
    return written


def write_block(block: Block, losses: Losses) -> JSON | None:
    """A block, or None where this API has none for it. One with an empty `text` says nothing."""
    if block.kind == "text":
        return {"type": "text", "text": "" if is_blank(block.text) else block.text}
    if block.kind == "refusal":
        losses.lose(LossCode.VALUE_CHANGED, block.path, "a refusal is told as text")
        return {"type": "text", "text": "" if is_blank(block.text) else block.text}
    if block.kind == "call":
        return {"type": "tool_use", "id": fit(block.id), "name": block.name, "input": input_of(block, losses)}
    source: JSON | None = None
    if block.kind == "image":
        if block.data is not None and block.media_type in IMAGES:
            source = {"type": "base64", "media_type": block.media_type, "data": block.data}
        elif block.data is None and block.url is not None and block.url.lower().startswith("http"):
            source = {"type": "url", "url": block.url}
        return None if source is None else {"type": "image", "source": source}
    text = text_of_file(block)
    if block.data is not None and block.media_type == "application/pdf":
        source = {"type": "base64", "media_type": block.media_type, "data": block.data}
    elif text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif block.data is None and block.url is not None and block.url.lower().startswith("http"):
        source = {"type": "url", "url": block.url}
    if source is None:
        return None
    made: JSON = {"type": "document", "source": source}
    if block.name is not None:
        made["title"] = block.name
    return made


def input_of(block: Block, losses: Losses) -> JSON:
    """The input of a call: an object."""
    if block.custom:
        return {"input": block.text}
    given = json_object(block.text)
    if given is None:
        why = f"the {losses.api} takes objects alone as arguments"
        losses.lose(LossCode.ARGUMENTS_NOT_AN_OBJECT, f"{block.path}.arguments", why)
        return {}
    return given


# --------------------------------------------------------------------------- what follows an answer of this


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The assistant's message of a response of this API as it goes back. `whole` holds the output indexes of
    the calls that were told whole."""
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
