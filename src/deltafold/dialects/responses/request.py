"""Requests of the Responses API: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.conversion import (
    Losses,
    array,
    check_calls,
    data_url,
    effort_of,
    fit_id,
    media_of_url,
    object_at,
    only_text,
    read_openai_file,
    rest,
    settings_of,
    string_at,
    without_nulls,
)
from deltafold.model.errors import UsageError
from deltafold.model.json_values import copied
from deltafold.model.losses import LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting, Tool, ToolChoice

if TYPE_CHECKING:
    from deltafold.model.response import Response

__all__ = ["read_parts", "read_request", "response_turn", "write_request", "write_turn"]

JSON: TypeAlias = dict[str, Any]

API: Final = "Responses API"
LOGPROBS: Final = "message.output_text.logprobs"
NAMES: Final = {"max_output_tokens": "max_tokens"}
OWN: Final = (
    "metadata",
    "model",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "temperature",
    "top_logprobs",
    "top_p",
    "user",
)
"""Neutral names that are this API's own."""
ROLES: Final = ("system", "developer", "user", "assistant")
CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
RESULTS: Final = ("function_call_output", "custom_tool_call_output")
OUTPUT_ONLY: Final = ("id", "status")
"""Members of an item that its server keeps its books with."""

# ------------------------------------------------------------------------------------------------ reading


def read_request(request: JSON) -> Request:
    """A request in the neutral form."""
    read = Request("responses")
    if request.get("instructions") is not None:
        read_instructions(request["instructions"], read)
    given = request.get("input")
    if isinstance(given, str):
        read.messages.append(InputMessage("user", [Block("text", "input", given)], "input"))
        given = None
    for index, item in enumerate(array(given, "input")):
        read_item(object_at(item, f"input[{index}]"), f"input[{index}]", read.messages)
    for index, tool in enumerate(array(request.get("tools"), "tools")):
        read.tools.append(read_tool(object_at(tool, f"tools[{index}]"), f"tools[{index}]"))
    if request.get("tool_choice") is not None:
        read.choice = read_choice(request["tool_choice"], "tool_choice")
    read.settings = read_settings(request)
    stored = any(
        block.type == "item_reference" for message in read.messages for block in message.blocks
    ) or any(request.get(key) is not None for key in ("previous_response_id", "conversation", "prompt"))
    check_calls(read, stored)
    return read


def read_instructions(instructions: Any, read: Request) -> None:
    if isinstance(instructions, str):
        read.messages.append(
            InputMessage("system", [Block("text", "instructions", instructions)], "instructions")
        )
        return
    for index, item in enumerate(array(instructions, "instructions")):
        read_item(object_at(item, f"instructions[{index}]"), f"instructions[{index}]", read.messages)


def read_settings(request: JSON) -> dict[str, Setting]:
    settings = settings_of(
        request,
        NAMES,
        *("instructions", "input", "tools", "tool_choice", "reasoning", "text", "include", "stream_options"),
    )
    reasoning = object_at(request.get("reasoning") or {}, "reasoning")
    for key, value in rest(reasoning).items():
        name = "summary" if key == "generate_summary" else key
        name = name if name in ("effort", "summary") else f"reasoning.{key}"
        settings.setdefault(name, Setting(value, f"reasoning.{key}"))
    text = object_at(request.get("text") or {}, "text")
    for key, value in rest(text).items():
        if key == "format":
            settings["format"] = Setting(without_nulls(object_at(value, "text.format")), "text.format")
        else:
            settings[key if key == "verbosity" else f"text.{key}"] = Setting(value, f"text.{key}")
    for key, value in rest(object_at(request.get("stream_options") or {}, "stream_options")).items():
        settings[key] = Setting(value, f"stream_options.{key}")
    for index, word in enumerate(array(request.get("include"), "include")):
        if word == LOGPROBS:
            settings["logprobs"] = Setting(True, f"include[{index}]")
        else:
            settings[f"include {index}"] = Setting(word, f"include[{index}] ({word})")
    return settings


def read_item(item: JSON, path: str, messages: list[InputMessage]) -> None:
    """Reads an item into the last message, where it goes on with it, else into a new one."""
    kind = item.get("type", "message")
    if not isinstance(kind, str):
        raise UsageError(f"{path}.type: a string is expected, not {type(kind).__name__}")
    if kind == "message":
        role = string_at(item, "role", path)
        if role not in ROLES:
            raise UsageError(f"{path}.role: {role!r} is none of {', '.join(ROLES)}")
        more = rest(item, "type", "role", "content", *OUTPUT_ONLY)
        add(messages, role, read_parts(item.get("content"), f"{path}.content"), path, more)
    elif kind in CALLS:
        said = CALLS[kind]
        block = Block(
            "call",
            path,
            string_at(item, said, path),
            string_at(item, "call_id", path),
            f"{path}.call_id",
            string_at(item, "name", path),
            kind == "custom_tool_call",
            more=rest(item, "type", "call_id", "name", said, *OUTPUT_ONLY),
        )
        add(messages, "assistant", [block], path)
    elif kind in RESULTS:
        content = read_parts(item.get("output"), f"{path}.output")
        block = Block(
            "result",
            path,
            id=string_at(item, "call_id", path),
            id_path=f"{path}.call_id",
            custom=kind != "function_call_output",
            content=content,
            more=rest(item, "type", "call_id", "output", "name", *OUTPUT_ONLY),
        )
        add(messages, "tool", [block], path)
    else:
        word = "reasoning" if kind == "reasoning" else "other"
        block = Block(word, path, type=kind, dialect="responses", own=copied(item))
        add(messages, "assistant", [block], path)


def add(
    messages: list[InputMessage], role: str, blocks: list[Block], path: str, more: JSON | None = None
) -> None:
    last = messages[-1] if messages else None
    if last is not None and role == last.role and role in ("assistant", "tool") and not more:
        last.blocks += blocks
    else:
        messages.append(InputMessage(role, blocks, path, more or {}))


def read_parts(content: Any, path: str) -> list[Block]:
    """Content of a message, or the output of a call."""
    if isinstance(content, str):
        return [Block("text", path, content)] if content else []
    blocks = []
    for index, part in enumerate(array(content, path)):
        where = f"{path}[{index}]"
        blocks.append(read_part(object_at(part, where), where))
    return blocks


def read_part(part: JSON, path: str) -> Block:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        return Block("text", path, string_at(part, "text", path), more=rest(part, "type", "text"))
    if kind == "refusal":
        return Block(kind, path, string_at(part, kind, path), more=rest(part, "type", kind))
    if kind == "input_image":
        block = Block("image", path, dialect="responses", more=rest(part, "type", "image_url", "file_id"))
        if part.get("file_id") is not None:
            block.file_id = string_at(part, "file_id", path)
        if part.get("image_url") is not None:
            media_of_url(block, string_at(part, "image_url", path), "image/png")
        return block
    if kind == "input_file":
        more = rest(part, "type", "file_id", "file_data", "file_url", "filename")
        block = Block("file", path, dialect="responses", more=more)
        read_openai_file(block, part, path)
        if part.get("file_url") is not None:
            block.url = string_at(part, "file_url", path)
        return block
    if kind == "input_audio":
        where = f"{path}.input_audio"
        inside = object_at(part.get("input_audio"), where)
        media_type = f"audio/{string_at(inside, 'format', where)}"
        data = string_at(inside, "data", where)
        return Block("audio", path, media_type=media_type, data=data, more=rest(part, "type", "input_audio"))
    return Block("other", path, type=str(kind or "part"), dialect="responses", own=copied(part))


def read_tool(tool: JSON, path: str) -> Tool:
    kind = string_at(tool, "type", path)
    if kind == "function":
        schema = tool.get("parameters")
        return Tool(
            kind,
            path,
            string_at(tool, "name", path),
            tool.get("description"),
            None if schema is None else copied(object_at(schema, f"{path}.parameters")),
            tool.get("strict"),
            more=rest(tool, "type", "name", "description", "parameters", "strict"),
        )
    if kind == "custom":
        format = tool.get("format")
        return Tool(
            kind,
            path,
            string_at(tool, "name", path),
            tool.get("description"),
            format=None if format is None else without_nulls(object_at(format, f"{path}.format")),
            more=rest(tool, "type", "name", "description", "format"),
        )
    return Tool("hosted", path, type=kind, dialect="responses", own=copied(tool))


def read_choice(choice: Any, path: str) -> ToolChoice:
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise UsageError(f"{path}: {choice!r} is none of auto, none, required")
        return ToolChoice(choice, path)
    choice = object_at(choice, path)
    kind = string_at(choice, "type", path)
    if kind in ("function", "custom"):
        return ToolChoice(kind, path, string_at(choice, "name", path))
    if kind == "allowed_tools":
        names = []
        for index, tool in enumerate(array(choice.get("tools"), f"{path}.tools")):
            where = f"{path}.tools[{index}]"
            word = string_at(object_at(tool, where), "type", where)
            names.append((word, str(tool.get("name") or tool.get("server_label") or word)))
        return ToolChoice("allowed", path, names=names, required=choice.get("mode") == "required")
    return ToolChoice("other", path, kind, own=copied(choice))


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it."""
    settings = dict(request.settings)
    made: JSON = {}
    if "model" in settings:
        made["model"] = settings.pop("model").value
    messages = list(request.messages)
    if messages and messages[0].role == "system" and not messages[0].more:
        text = only_text(messages[0].blocks)
        if text:
            made["instructions"] = text
            del messages[0]
    made["input"] = write_turn(messages, losses)
    write_tools(request, made, losses)
    if "max_tokens" in settings:
        made["max_output_tokens"] = settings.pop("max_tokens").value
    write_text_and_reasoning(settings, made, losses)
    if "parallel_tool_calls" in settings:
        parallel = settings.pop("parallel_tool_calls").value
        if request.tools:
            made["parallel_tool_calls"] = parallel
    if "logprobs" in settings and settings.pop("logprobs").value is True:
        made["include"] = [LOGPROBS]
    if "n" in settings and settings["n"].value == 1:
        del settings["n"]
    for name in OWN:
        if name in settings:
            made[name] = settings.pop(name).value
    if made.get("stream") is True and "include_obfuscation" in settings:
        made["stream_options"] = {"include_obfuscation": settings.pop("include_obfuscation").value}
    made.setdefault("store", False)  # the other APIs store nothing unless they are asked to
    losses.settings(settings)
    return made


def write_text_and_reasoning(settings: dict[str, Setting], made: JSON, losses: Losses) -> None:
    text: JSON = {}
    reasoning: JSON = {}
    if "format" in settings:
        format = settings.pop("format").value
        if format.get("type") == "json_schema":
            format = {"type": "json_schema", "name": "response", **format}
        text["format"] = format
    if "verbosity" in settings:
        text["verbosity"] = settings.pop("verbosity").value
    effort = effort_of(settings, losses)
    if effort is not None:
        reasoning["effort"] = effort
    if "summary" in settings:
        reasoning["summary"] = settings.pop("summary").value
    if text:
        made["text"] = text
    if reasoning:
        made["reasoning"] = reasoning


def write_tools(request: Request, made: JSON, losses: Losses) -> None:
    tools = []
    for tool in request.tools:
        losses.members(tool.path, tool.more)
        said: JSON = {"type": tool.kind, "name": tool.name}
        if tool.description is not None:
            said["description"] = tool.description
        if tool.kind == "function":
            # Both members are required; without `strict: false` this API makes schemas strict.
            said["parameters"] = tool.schema or {"type": "object", "properties": {}}
            said["strict"] = tool.strict or False
            tools.append(said)
        elif tool.kind == "custom":
            if tool.format is not None:
                said["format"] = tool.format
            tools.append(said)
        elif tool.dialect == "chat" and tool.type == "web_search":
            searching: JSON = {"type": "web_search"}
            for key, value in tool.own.items():
                if key == "user_location" and isinstance(value, dict):
                    inside = value.get("approximate")
                    value = {"type": "approximate", **(inside if isinstance(inside, dict) else {})}
                searching[key] = value
            tools.append(searching)
        else:
            losses.lose(LossCode.TOOL_NOT_SUPPORTED, tool.path, f"the {API} has no tool {tool.type}")
    if tools:
        made["tools"] = tools
        if request.choice is not None:
            write_choice(request.choice, made, losses)


def write_choice(choice: ToolChoice, made: JSON, losses: Losses) -> None:
    if choice.kind in ("auto", "none", "required"):
        made["tool_choice"] = choice.kind
    elif choice.kind in ("function", "custom"):
        made["tool_choice"] = {"type": choice.kind, "name": choice.name}
    elif choice.kind == "allowed":
        made["tool_choice"] = {
            "type": "allowed_tools",
            "mode": "required" if choice.required else "auto",
            "tools": [{"type": kind, "name": name} for kind, name in choice.names],
        }
    else:
        losses.lose(LossCode.VALUE_CHANGED, choice.path, f"the {API} has no choice {choice.name}")


def write_turn(messages: list[InputMessage], losses: Losses) -> list[JSON]:
    """Items in the words of this API. None has an id: those that another server made are refused."""
    items: list[JSON] = []
    for message in messages:
        if message.role == "tool":
            items += [write_result(block, losses) for block in message.blocks]
        elif message.role == "assistant":
            losses.members(message.path, rest(message.more, "phase"))
            items += write_assistant(message, losses)
        else:
            losses.members(message.path, message.more)
            content = write_content(message.blocks, losses)
            if content or message.role == "user":
                items.append({"role": message.role, "content": content})
    return items


def fit(ident: str) -> str:
    return fit_id(ident, "call", r".+")


def write_result(block: Block, losses: Losses) -> JSON:
    losses.members(block.path, block.more)
    if block.is_error:
        losses.lose(LossCode.ERROR_FLAG_NOT_SUPPORTED, f"{block.path}.is_error")
    return {
        "type": RESULTS[block.custom],
        "call_id": fit(block.id),
        "output": write_content(block.content, losses),
    }


def write_assistant(message: InputMessage, losses: Losses) -> list[JSON]:
    items: list[JSON] = []
    said: list[Block] = []

    for block in [*message.blocks, None]:
        if block is not None and block.kind in ("text", "refusal"):
            said.append(block)
            losses.members(block.path, block.more)
            continue
        if said:
            items.append(write_said(said, message.more))
            said = []
        if block is None:
            break
        if block.kind == "call":
            losses.members(block.path, block.more)
            kind = "custom_tool_call" if block.custom else "function_call"
            items.append(
                {"type": kind, "call_id": fit(block.id), "name": block.name, CALLS[kind]: block.text}
            )
        else:
            losses.block(block)
    return items


def write_said(said: list[Block], more: JSON) -> JSON:
    """What the assistant said, as a message."""
    text = only_text(said)
    if text is not None:
        made: JSON = {"role": "assistant", "content": text}
    else:
        parts: list[JSON] = [
            {"type": "refusal", "refusal": block.text}
            if block.kind == "refusal"
            else {"type": "output_text", "text": block.text, "annotations": []}
            for block in said
        ]
        made = {"type": "message", "role": "assistant", "content": parts}
    return made | {key: value for key, value in more.items() if key == "phase"}


def write_content(blocks: list[Block], losses: Losses) -> str | list[JSON]:
    """Content: text where it is one, else parts."""
    parts = []
    for block in blocks:
        part = write_part(block)
        if part is None:
            losses.block(block)
            continue
        more = dict(block.more)
        if block.kind in ("image", "file") and "detail" in more:
            part["detail"] = more.pop("detail")
        if "prompt_cache_breakpoint" in more:
            part["prompt_cache_breakpoint"] = more.pop("prompt_cache_breakpoint")
        losses.members(block.path, more)
        parts.append(part)
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def write_part(block: Block) -> JSON | None:
    if block.kind == "text":
        return {"type": "input_text", "text": block.text}
    if block.kind == "other" and block.dialect == "responses":
        return dict(copied(block.own))
    known = block.file_id is not None and block.dialect in ("chat", "responses")
    if block.kind == "image":
        image: JSON = {"type": "input_image", "detail": "auto"}
        if block.data is not None:
            return {**image, "image_url": data_url(block.media_type, block.data)}
        if block.url is not None:
            return {**image, "image_url": block.url}
        return {**image, "file_id": block.file_id} if known else None
    if block.kind == "file":
        if block.data is not None:
            name = block.name or "file"
            return {
                "type": "input_file",
                "filename": name,
                "file_data": data_url(block.media_type, block.data),
            }
        if block.url is not None:
            return {"type": "input_file", "file_url": block.url}
        return {"type": "input_file", "file_id": block.file_id} if known else None
    return None


# --------------------------------------------------------------------------- what follows an answer of this

STATES: Final = ("in_progress", "completed", "incomplete")


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The items of a response of this API as they go back. `whole` holds the output indexes of the calls that
    were told whole.

    Reasoning goes with what it led to: the server refuses each of the two without the other.
    """
    items: list[JSON] = []
    waiting: list[JSON] = []
    unstored = response.data.get("store") is False
    bare = skipped = False
    for index, item in enumerate(response.output):
        if (item.choice_index or 0) != choice:
            continue
        if item.type == "reasoning":
            if skipped:
                waiting = []
            if items and not waiting:
                bare = False
            skipped = False
            told = own_item(item.to_dict())
            if unstored and not told.get("encrypted_content"):
                # The server knows neither it nor, by its id, what it led to.
                bare = True
                losses.lose(
                    LossCode.REASONING_NOT_SUPPORTED,
                    f"output[{index}]",
                    "reasoning without encrypted_content cannot go back where nothing is stored",
                )
            else:
                waiting.append(told)
            continue
        if item.type in CALLS and index not in whole:
            skipped = True
            continue
        items += waiting
        waiting = []
        told = own_item(item.to_dict())
        if bare:
            told.pop("id", None)
        items.append(told)
    if waiting:
        losses.lose(LossCode.REASONING_NOT_SUPPORTED, "output", "reasoning that nothing follows is refused")
    return items


def own_item(item: JSON) -> JSON:
    """An item of an output as input."""
    kind = item.get("type")
    if kind not in CALLS and kind not in ("message", "reasoning"):
        if kind == "code_interpreter_call":
            item.setdefault("outputs", None)  # required, and null where the request did not ask for them
        return item  # whole: null means something in some of them
    item = without_nulls(item, "parsed_arguments")
    if item.get("status") not in STATES:
        item.pop("status", None)
    elif item["status"] == "in_progress":
        item["status"] = "incomplete"
    if kind == "message":
        content = item.get("content")
        parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
        item["content"] = [own_part(part) for part in parts]
        item.setdefault("role", "assistant")
    if kind == "reasoning":
        item.setdefault("summary", [])
        if not item.get("content"):
            item.pop("content", None)
    return item


def own_part(part: JSON) -> JSON:
    part = without_nulls(part, "logprobs", "parsed")
    if part.get("type") == "output_text":
        part.setdefault("annotations", [])
    return part
