"""Requests of the Responses API: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.conversion import (
    FILE_NAMES,
    OF_BOTH,
    Losses,
    allowed_names,
    array,
    below,
    check_calls,
    data_url,
    described,
    effort_of,
    fit_id,
    is_known_to_openai,
    media_of_url,
    move,
    object_at,
    objects_in,
    only_text,
    optional_string_at,
    read_custom_tool,
    read_function,
    read_json_schema,
    read_openai_file,
    read_word_of_choice,
    rest,
    settings_of,
    string_at,
    taken,
    text_or_blocks,
    text_or_parts,
    value_of,
    without_nulls,
    write_blocks,
)
from deltafold.model.errors import UsageError
from deltafold.model.losses import LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting, Tool, ToolChoice

if TYPE_CHECKING:
    from deltafold.model.response import Response

__all__ = ["read_parts", "read_request", "response_turn", "write_request", "write_turn"]

JSON: TypeAlias = dict[str, Any]

API: Final = "Responses API"
LOGPROBS: Final = "message.output_text.logprobs"
NAMES: Final = {"max_output_tokens": "max_tokens"}
OWN: Final = {"max_tokens": "max_output_tokens", **OF_BOTH}
"""Parameters by their neutral names."""
ROLES: Final = ("system", "developer", "user", "assistant")
CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
RESULTS: Final = ("function_call_output", "custom_tool_call_output")
OUTPUT_ONLY: Final = ("id", "status")
"""Members of an item that its server keeps its books with."""

# ------------------------------------------------------------------------------------------------ reading


def read_request(request: JSON) -> Request:
    """A request in the neutral form."""
    read = Request("responses")
    instructions = request.get("instructions")
    if isinstance(instructions, str):
        said = [Block("text", "instructions", instructions)]
        read.messages.append(InputMessage("system", said, "instructions"))
        instructions = None
    given = request.get("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    for name, items in (("instructions", instructions), ("input", given)):
        for item, path in objects_in(items, name):
            read_item(item, path, read.messages)
    read.tools += [read_tool(tool, path) for tool, path in objects_in(request.get("tools"), "tools")]
    if request.get("tool_choice") is not None:
        read.choice = read_choice(request["tool_choice"], "tool_choice")
    read.settings = read_settings(request)
    stored = any(request.get(key) is not None for key in ("previous_response_id", "conversation", "prompt"))
    blocks = (block for message in read.messages for block in message.blocks)
    check_calls(read, stored or any(block.type == "item_reference" for block in blocks))
    return read


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
        path = f"text.{key}"
        if key == "format":
            value = read_json_schema(without_nulls(object_at(value, path)), path)
        settings[key if key in ("format", "verbosity") else path] = Setting(value, path)
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
    kind = optional_string_at(item, "type", path)
    if kind is None:
        kind = "item_reference" if "role" not in item and isinstance(item.get("id"), str) else "message"
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
        block = Block(
            "result",
            path,
            id=string_at(item, "call_id", path),
            id_path=f"{path}.call_id",
            name=optional_string_at(item, "name", path),
            custom=kind != "function_call_output",
            content=read_parts(item.get("output"), f"{path}.output"),
            more=rest(item, "type", "call_id", "output", "name", *OUTPUT_ONLY),
        )
        add(messages, "tool", [block], path)
    else:
        word = "reasoning" if kind == "reasoning" else "other"
        add(messages, "assistant", [Block(word, path, type=kind, dialect="responses", own=item)], path)


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
    return text_or_blocks(content, path, read_part)


def read_part(part: JSON, path: str) -> Block:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        return Block("text", path, string_at(part, "text", path), more=rest(part, "type", "text"))
    if kind == "refusal":
        return Block(kind, path, string_at(part, kind, path), more=rest(part, "type", kind))
    if kind == "input_image":
        block = Block("image", path, dialect="responses", more=rest(part, "type", "image_url"))
        block.file_id = optional_string_at(part, "file_id", path)
        if part.get("image_url") is not None:
            media_of_url(block, string_at(part, "image_url", path), "image/png")
        return block
    if kind == "input_file":
        block = Block("file", path, more=rest(part, "type", "file_data", "file_url"))
        read_openai_file(block, part, path)
        block.url = optional_string_at(part, "file_url", path)
        if block.url is not None and block.data is not None:
            block.more["file_url"] = block.url  # one of the two can be said
        return block
    if kind == "input_audio":
        where = f"{path}.input_audio"
        inside = object_at(part.get("input_audio"), where)
        media_type = f"audio/{string_at(inside, 'format', where)}"
        more = rest(part, "type", "input_audio") | below("input_audio", rest(inside, "format", "data"))
        return Block("audio", path, media_type=media_type, data=string_at(inside, "data", where), more=more)
    return Block("other", path, type=str(kind or "part"), dialect="responses", own=part)


def read_tool(tool: JSON, path: str) -> Tool:
    kind = string_at(tool, "type", path)
    if kind == "function":
        return read_function(tool, path)
    if kind == "custom":
        return read_custom_tool(tool, path)
    return Tool("hosted", path, type=kind, dialect="responses", own=tool)


def read_choice(choice: Any, path: str) -> ToolChoice:
    if isinstance(choice, str):
        return read_word_of_choice(choice, path)
    choice = object_at(choice, path)
    kind = string_at(choice, "type", path)
    if kind in ("function", "custom"):
        return ToolChoice(kind, path, string_at(choice, "name", path), more=rest(choice, "type", "name"))
    if kind != "allowed_tools":
        return ToolChoice("other", path, kind)
    read = ToolChoice("allowed", path, more=rest(choice, "type", "mode", "tools"))
    read.required = choice.get("mode") == "required"
    for tool, where in objects_in(choice.get("tools"), f"{path}.tools"):
        word = string_at(tool, "type", where)
        read.names.append((word, str(tool.get("name") or tool.get("server_label") or word)))
        read.more |= below(where.removeprefix(f"{path}."), rest(tool, "type", "name", "server_label"))
    return read


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it."""
    settings = dict(request.settings)
    made: JSON = {}
    move(settings, made, {"model": "model"})
    messages = list(request.messages)
    if messages and messages[0].role == "system" and not messages[0].more:
        text = only_text(messages[0].blocks)
        if text:
            made["instructions"] = text
            del messages[0]
    made["input"] = write_turn(messages, losses)
    write_tools(request, made, losses)
    write_text_and_reasoning(settings, made, losses)
    parallel = value_of(settings, "parallel_tool_calls")
    if parallel is not None and "tools" in made:
        made["parallel_tool_calls"] = parallel
    if value_of(settings, "logprobs") is True:
        made["include"] = [LOGPROBS]
    if "n" in settings and settings["n"].value == 1:
        del settings["n"]
    move(settings, made, OWN)
    if made.get("stream") is True and "include_obfuscation" in settings:
        made["stream_options"] = {"include_obfuscation": value_of(settings, "include_obfuscation")}
    made.setdefault("store", False)  # the other APIs store nothing unless they are asked to
    losses.settings(settings)
    return made


def write_text_and_reasoning(settings: dict[str, Setting], made: JSON, losses: Losses) -> None:
    text: JSON = {}
    reasoning: JSON = {}
    format = value_of(settings, "format")
    if format is not None:
        named = {"name": "response"} if format.get("type") == "json_schema" else {}
        text["format"] = named | format
    move(settings, text, {"verbosity": "verbosity"})
    effort = effort_of(settings, losses)
    if effort is not None:
        reasoning["effort"] = effort
    move(settings, reasoning, {"summary": "summary"})
    if text:
        made["text"] = text
    if reasoning:
        made["reasoning"] = reasoning


def write_tools(request: Request, made: JSON, losses: Losses) -> None:
    tools = []
    for tool in request.tools:
        losses.members(tool.path, tool.more)
        said: JSON = {"type": tool.kind, **described(tool)}
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
            tools.append({"type": "web_search", **search_options(tool.own)})
        else:
            losses.tool(tool)
    if tools:
        made["tools"] = tools
        write_choice(request.choice, made, losses)


def search_options(options: JSON) -> JSON:
    """The options of a web search as this API has them: the place of the user stands one level higher."""
    place = options.get("user_location")
    if not isinstance(place, dict):
        return options
    inside = place.get("approximate")
    sent = inside if isinstance(inside, dict) else {}
    return {**options, "user_location": {"type": "approximate", **sent}}


def write_choice(choice: ToolChoice | None, made: JSON, losses: Losses) -> None:
    if choice is None:
        return
    losses.members(choice.path, choice.more)
    if choice.kind in ("auto", "none", "required"):
        made["tool_choice"] = choice.kind
    elif choice.kind in ("function", "custom"):
        made["tool_choice"] = {"type": choice.kind, "name": choice.name}
    elif choice.kind == "allowed":
        tools = [{"type": kind, "name": name} for kind, name in allowed_names(choice, losses)]
        if tools:
            mode = "required" if choice.required else "auto"
            made["tool_choice"] = {"type": "allowed_tools", "mode": mode, "tools": tools}
    else:
        losses.choice(choice, choice.name)


def write_turn(messages: list[InputMessage], losses: Losses) -> list[JSON]:
    """Items in the words of this API. None has an id: those that another server made are refused."""
    items: list[JSON] = []
    for message in messages:
        phase = message.more.pop("phase", None) if message.role == "assistant" else None
        losses.message(message)
        if message.role == "tool":
            items += [write_result(block, losses) for block in message.blocks]
        elif message.role == "assistant":
            items += write_assistant(message, {} if phase is None else {"phase": phase}, losses)
        else:
            content = write_content(message.blocks, losses)
            if content or message.role == "user":
                items.append({"role": message.role, "content": content})
    return items


def fit(ident: str) -> str:
    return fit_id(ident, "call", r".+")


def write_result(block: Block, losses: Losses) -> JSON:
    losses.result(block)
    output = [] if block.is_empty_list else write_content(block.content, losses)
    return {"type": RESULTS[block.custom], "call_id": fit(block.id), "output": output}


def write_assistant(message: InputMessage, phase: JSON, losses: Losses) -> list[JSON]:
    items: list[JSON] = []
    for is_said, blocks in groupby(message.blocks, lambda block: block.kind in ("text", "refusal")):
        said = []
        for block in blocks:
            if is_said or block.kind == "call":
                losses.members(block.path, block.more)
            else:
                losses.block(block)
            if block.kind == "call":
                kind = "custom_tool_call" if block.custom else "function_call"
                call = {"type": kind, "call_id": fit(block.id), "name": block.name, CALLS[kind]: block.text}
                items.append(call)
            elif is_said and block.text:
                said.append(block)
        if said:
            items.append(write_said(said) | phase)
    return items


def write_said(said: list[Block]) -> JSON:
    """What the assistant said, as a message."""
    if len(said) == 1 and said[0].kind == "text":
        return {"role": "assistant", "content": said[0].text}
    parts: list[JSON] = [
        {"type": "refusal", "refusal": block.text}
        if block.kind == "refusal"
        else {"type": "output_text", "text": block.text, "annotations": []}
        for block in said
    ]
    return {"type": "message", "role": "assistant", "content": parts}


def write_content(blocks: list[Block], losses: Losses) -> str | list[JSON]:
    """Content: text where it is one, else parts."""
    return text_or_parts(write_blocks(blocks, ("text", "image", "file"), "responses", losses, write_part))


def write_part(block: Block, losses: Losses) -> JSON | None:
    if block.kind == "text":
        made: JSON = {"type": "input_text", "text": block.text}
    else:
        made = {"type": "input_image", "detail": "auto"} if block.kind == "image" else {"type": "input_file"}
        data, url = ("image_url", "image_url") if block.kind == "image" else ("file_data", "file_url")
        if block.data is not None:
            made[data] = data_url(block.media_type, block.data)
        elif block.url is not None:
            made[url] = block.url
        elif not is_known_to_openai(block):
            return None
        if is_known_to_openai(block):
            made["file_id"] = taken(block.more, "file_id")
        detail = taken(block.more, "detail")
        if detail is not None:
            made["detail"] = detail
        if block.kind == "file" and (block.name is not None or block.data is not None):
            taken(block.more, *FILE_NAMES)
            made["filename"] = block.name or "file"
    mark = taken(block.more, "prompt_cache_breakpoint")
    return made if mark is None else {**made, "prompt_cache_breakpoint": mark}


# --------------------------------------------------------------------------- what follows an answer of this

STATES: Final = ("in_progress", "completed", "incomplete")


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The items of a response of this API as they go back. `whole` holds the output indexes of the calls that
    were sent whole.

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
            sent = own_item(item.to_dict())
            if unstored and not sent.get("encrypted_content"):
                # The server knows neither it nor, by its id, what it led to.
                bare = True
                losses.lose(
                    LossCode.REASONING_NOT_SUPPORTED,
                    f"output[{index}]",
                    "reasoning without encrypted_content cannot go back where nothing is stored",
                )
            else:
                waiting.append(sent)
            continue
        if item.type in CALLS and index not in whole:
            skipped = True
            continue
        sent = own_item(item.to_dict())
        if not isinstance(sent.get("type"), str):
            why = "an item whose type is no text cannot go back"
            losses.lose(LossCode.CONTENT_NOT_SUPPORTED, f"output[{index}]", why)
            skipped = True
            continue
        items += waiting
        waiting = []
        if bare:
            sent.pop("id", None)
        items.append(sent)
    if waiting:
        losses.lose(LossCode.REASONING_NOT_SUPPORTED, "output", "reasoning that nothing follows is refused")
    return items


def own_item(item: JSON) -> JSON:
    """An item of an output as input."""
    kind = item.get("type")
    if kind not in ("message", "reasoning", *CALLS):
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
