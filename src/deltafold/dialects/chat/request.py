"""Requests of Chat Completions: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.chat.document import chat_completion
from deltafold.dialects.conversion import (
    Losses,
    array,
    check_calls,
    data_url,
    effort_of,
    fit_id,
    media_of_url,
    object_at,
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

__all__ = ["read_request", "response_turn", "write_request", "write_turn"]

JSON: TypeAlias = dict[str, Any]

API: Final = "Chat Completions API"
ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
NAMES: Final = {"stop": "stop", "reasoning_effort": "effort", "max_completion_tokens": "max_tokens"}
"""Parameters that other APIs have under other names, and their neutral names."""
OWN: Final = (
    "audio",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "stream",
    "temperature",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
)
"""Neutral names that are this API's own."""
REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details")
"""Members of a message that hold reasoning, by server."""
FORMATS: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}

# ------------------------------------------------------------------------------------------------ reading


def read_request(request: JSON) -> Request:
    """A request in the neutral form."""
    read = Request("chat")
    legacy: dict[str, str] = {}
    for index, message in enumerate(array(request.get("messages"), "messages")):
        path = f"messages[{index}]"
        read.messages.append(read_message(object_at(message, path), path, index, legacy))
    for index, tool in enumerate(array(request.get("tools"), "tools")):
        read.tools.append(read_tool(object_at(tool, f"tools[{index}]"), f"tools[{index}]"))
    for index, function in enumerate(array(request.get("functions"), "functions")):
        path = f"functions[{index}]"
        read.tools.append(function_of(object_at(function, path), path))
    searching = request.get("web_search_options")
    if searching is not None:
        path = "web_search_options"
        options = without_nulls(object_at(searching, path))
        read.tools.append(Tool("hosted", path, type="web_search", dialect="chat", own=options))
    for key in ("tool_choice", "function_call"):
        if request.get(key) is not None:
            read.choice = read_choice(request[key], key)
    read.settings = read_settings(request)
    check_calls(read)
    return read


def read_settings(request: JSON) -> dict[str, Setting]:
    settings = settings_of(
        request,
        NAMES,
        *("messages", "tools", "functions", "tool_choice", "function_call", "web_search_options"),
        *("response_format", "stream_options", "max_tokens"),
    )
    stop = settings.get("stop")
    if stop is not None and isinstance(stop.value, str):
        stop.value = [stop.value]
    limit = request.get("max_tokens")
    if limit is not None:
        if "max_tokens" not in settings:
            settings["max_tokens"] = Setting(limit, "max_tokens")
        elif settings["max_tokens"].value != limit:
            settings["older max_tokens"] = Setting(limit, "max_tokens")
    options = request.get("stream_options")
    if options is not None:
        for key, value in rest(object_at(options, "stream_options"), "include_usage").items():
            settings[key] = Setting(value, f"stream_options.{key}")
    told = request.get("response_format")
    if told is not None:
        path = "response_format"
        format = without_nulls(object_at(told, path), "json_schema")
        inside = told.get("json_schema")
        if inside is not None:
            format |= without_nulls(object_at(inside, f"{path}.json_schema"))
        settings["format"] = Setting(format, path)
    return settings


def read_message(message: JSON, path: str, index: int, legacy: dict[str, str]) -> InputMessage:
    role = string_at(message, "role", path)
    if role not in ROLES:
        raise UsageError(f"{path}.role: {role!r} is none of {', '.join(ROLES)}")
    if role in ("tool", "function"):
        return InputMessage("tool", [read_result(message, path, role, legacy)], path)
    blocks = read_content(message.get("content"), f"{path}.content")
    taken = ["role", "content"]
    if role == "assistant":
        blocks = [*read_reasoning(message, path), *blocks]
        taken += ["tool_calls", "function_call", "refusal", *REASONING]
        if message.get("refusal"):
            text = string_at(message, "refusal", path)
            blocks.append(Block("refusal", f"{path}.refusal", text=text))
        for number, call in enumerate(array(message.get("tool_calls"), f"{path}.tool_calls")):
            where = f"{path}.tool_calls[{number}]"
            blocks.append(read_call(object_at(call, where), where))
        if message.get("function_call") is not None:
            where = f"{path}.function_call"
            call = object_at(message["function_call"], where)
            name = string_at(call, "name", where)
            legacy[name] = f"call_{index}"
            blocks.append(
                Block("call", where, string_at(call, "arguments", where), legacy[name], where, name=name)
            )
    return InputMessage(role, blocks, path, rest(message, *taken))


def read_reasoning(message: JSON, path: str) -> list[Block]:
    return [
        Block("reasoning", f"{path}.{key}", dialect="chat", own={key: copied(message[key])})
        for key in REASONING
        if message.get(key)
    ]


def read_call(call: JSON, path: str) -> Block:
    ident = string_at(call, "id", path)
    custom = call.get("type") == "custom"
    kind, said = ("custom", "input") if custom else ("function", "arguments")
    inside = object_at(call.get(kind), f"{path}.{kind}")
    return Block(
        "call",
        path,
        string_at(inside, said, f"{path}.{kind}"),
        ident,
        f"{path}.id",
        name=string_at(inside, "name", f"{path}.{kind}"),
        custom=custom,
        more=rest(call, "id", "type", kind, "index"),
    )


def read_result(message: JSON, path: str, role: str, legacy: dict[str, str]) -> Block:
    if role == "function":
        name = string_at(message, "name", path)
        if name not in legacy:
            raise UsageError(f"{path}.name: no function {name!r} was called before it")
        ident, where = legacy.pop(name), f"{path}.name"
        more = rest(message, "role", "content", "name")
    else:
        ident, where = string_at(message, "tool_call_id", path), f"{path}.tool_call_id"
        more = rest(message, "role", "content", "tool_call_id", "name")
    content = read_content(message.get("content"), f"{path}.content")
    return Block("result", path, id=ident, id_path=where, content=content, more=more)


def read_content(content: Any, path: str) -> list[Block]:
    if isinstance(content, str):
        return [Block("text", path, content)] if content else []
    blocks = []
    for index, part in enumerate(array(content, path)):
        where = f"{path}[{index}]"
        blocks.append(read_part(object_at(part, where), where))
    return blocks


def read_part(part: JSON, path: str) -> Block:
    """A part of the content of a message."""
    kind = string_at(part, "type", path)
    if kind in ("text", "refusal"):
        return Block(kind, path, string_at(part, kind, path), more=rest(part, "type", kind))
    inside = part.get(kind)
    if kind == "image_url":
        inside = {"url": inside} if isinstance(inside, str) else object_at(inside, f"{path}.{kind}")
        block = Block("image", path, more=rest(inside, "url") | rest(part, "type", kind))
        media_of_url(block, string_at(inside, "url", f"{path}.{kind}"), "image/png")
        return block
    if kind == "input_audio":
        inside = object_at(inside, f"{path}.{kind}")
        format = string_at(inside, "format", f"{path}.{kind}")
        data = string_at(inside, "data", f"{path}.{kind}")
        more = rest(inside, "data", "format") | rest(part, "type", kind)
        return Block("audio", path, media_type=f"audio/{format}", data=data, more=more)
    if kind == "file":
        inside = object_at(inside, f"{path}.{kind}")
        block = Block(
            "file", path, more=rest(inside, "filename", "file_id", "file_data") | rest(part, "type", kind)
        )
        read_openai_file(block, inside, f"{path}.{kind}")
        return block
    return Block("other", path, type=kind, dialect="chat", own=copied(part))


def read_tool(tool: JSON, path: str) -> Tool:
    kind = tool.get("type", "function")
    if kind == "function":
        inside = object_at(tool.get("function"), f"{path}.function")
        read = function_of(inside, f"{path}.function")
        read.more |= rest(tool, "type", "function")
        return read
    if kind == "custom":
        inside = object_at(tool.get("custom"), f"{path}.custom")
        format = inside.get("format")
        if format is not None:
            format = without_nulls(object_at(format, f"{path}.custom.format"))
            if isinstance(format.get("grammar"), dict):
                format = {**rest(format, "grammar"), **format["grammar"]}
        return Tool(
            "custom",
            f"{path}.custom",
            string_at(inside, "name", f"{path}.custom"),
            inside.get("description"),
            format=format,
            more=rest(inside, "name", "description", "format") | rest(tool, "type", "custom"),
        )
    return Tool("hosted", path, type=str(kind), dialect="chat", own=copied(tool))


def function_of(function: JSON, path: str) -> Tool:
    """A function as it is described in both APIs of OpenAI."""
    schema = function.get("parameters")
    return Tool(
        "function",
        path,
        string_at(function, "name", path),
        function.get("description"),
        None if schema is None else copied(object_at(schema, f"{path}.parameters")),
        function.get("strict"),
        more=rest(function, "name", "description", "parameters", "strict", "type"),
    )


def read_choice(choice: Any, path: str) -> ToolChoice:
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise UsageError(f"{path}: {choice!r} is none of auto, none, required")
        return ToolChoice(choice, path)
    choice = object_at(choice, path)
    if path == "function_call":
        return ToolChoice("function", path, string_at(choice, "name", path))
    kind = string_at(choice, "type", path)
    if kind in ("function", "custom"):
        inside = object_at(choice.get(kind), f"{path}.{kind}")
        return ToolChoice(kind, path, string_at(inside, "name", f"{path}.{kind}"))
    if kind == "allowed_tools":
        inside = object_at(choice.get(kind), f"{path}.{kind}")
        names = []
        for index, tool in enumerate(array(inside.get("tools"), f"{path}.{kind}.tools")):
            where = f"{path}.{kind}.tools[{index}]"
            word = string_at(object_at(tool, where), "type", where)
            named = object_at(tool.get(word), f"{where}.{word}")
            names.append((word, string_at(named, "name", f"{where}.{word}")))
        return ToolChoice("allowed", path, names=names, required=inside.get("mode") == "required")
    return ToolChoice("other", path, kind, own=copied(choice))


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it."""
    settings = dict(request.settings)
    made: JSON = {}
    if "model" in settings:
        made["model"] = settings.pop("model").value
    made["messages"] = write_turn(request.messages, losses)
    write_tools(request, made, losses)
    if "max_tokens" in settings:
        made["max_completion_tokens"] = settings.pop("max_tokens").value
    if "stop" in settings:
        made["stop"] = settings.pop("stop").value
    effort = effort_of(settings, losses)
    if effort is not None:
        made["reasoning_effort"] = effort
    if "format" in settings:
        format = settings.pop("format").value
        kind = format.get("type")
        if kind == "json_schema":
            made["response_format"] = {
                "type": kind,
                kind: {"name": format.get("name") or "response", **rest(format, "type", "name")},
            }
        else:
            made["response_format"] = format
    if "parallel_tool_calls" in settings:
        parallel = settings.pop("parallel_tool_calls").value
        if request.tools:
            made["parallel_tool_calls"] = parallel
    for name in OWN:
        if name in settings:
            made[name] = settings.pop(name).value
    if made.get("stream") is True:
        made["stream_options"] = {"include_usage": True}
        if "include_obfuscation" in settings:
            made["stream_options"]["include_obfuscation"] = settings.pop("include_obfuscation").value
    losses.settings(settings)
    return made


def write_tools(request: Request, made: JSON, losses: Losses) -> None:
    tools = []
    for tool in request.tools:
        losses.members(tool.path, tool.more)
        inside: JSON = {"name": tool.name}
        if tool.description is not None:
            inside["description"] = tool.description
        if tool.kind == "function":
            if tool.schema is not None:
                inside["parameters"] = tool.schema
            if tool.strict is not None:
                inside["strict"] = tool.strict
            tools.append({"type": "function", "function": inside})
        elif tool.kind == "custom":
            if tool.format is not None:
                kind = tool.format.get("type")
                inside["format"] = (
                    {"type": kind, "grammar": rest(tool.format, "type")} if kind == "grammar" else tool.format
                )
            tools.append({"type": "custom", "custom": inside})
        elif tool.dialect == "responses" and tool.type.startswith("web_search"):
            made["web_search_options"] = search_options(tool, losses)
        else:
            losses.lose(LossCode.TOOL_NOT_SUPPORTED, tool.path, f"the {API} has no tool {tool.type}")
    if tools:
        made["tools"] = tools
        if request.choice is not None:
            write_choice(request.choice, made, losses)


def search_options(tool: Tool, losses: Losses) -> JSON:
    """The options of a web search, out of the tool of the Responses API."""
    options: JSON = {}
    for key, value in rest(tool.own, "type").items():
        if key == "search_context_size":
            options[key] = value
        elif key == "user_location" and isinstance(value, dict):
            options[key] = {"type": "approximate", "approximate": rest(value, "type")}
        else:
            losses.members(tool.path, {key: value})
    return options


def write_choice(choice: ToolChoice, made: JSON, losses: Losses) -> None:
    if choice.kind in ("auto", "none", "required"):
        made["tool_choice"] = choice.kind
    elif choice.kind in ("function", "custom"):
        made["tool_choice"] = {"type": choice.kind, choice.kind: {"name": choice.name}}
    elif choice.kind == "allowed":
        made["tool_choice"] = {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required" if choice.required else "auto",
                "tools": [{"type": kind, kind: {"name": name}} for kind, name in choice.names],
            },
        }
    else:
        losses.lose(LossCode.VALUE_CHANGED, choice.path, f"the {API} has no choice {choice.name}")


def write_turn(messages: list[InputMessage], losses: Losses) -> list[JSON]:
    """Messages in the words of this API. Those of a tool have one message for each result."""
    written = []
    for message in messages:
        if message.role == "tool":
            written += [write_result(block, losses) for block in message.blocks]
        elif message.role == "assistant":
            written += write_assistant(message, losses)
        else:
            losses.members(message.path, message.more)
            content = write_content(message.blocks, losses, message.role == "user")
            if content or message.role == "user":
                written.append({"role": message.role, "content": content})
    return written


def fit(ident: str) -> str:
    return fit_id(ident, "call", r".+")


def write_result(block: Block, losses: Losses) -> JSON:
    losses.members(block.path, block.more)
    if block.is_error:
        losses.lose(LossCode.ERROR_FLAG_NOT_SUPPORTED, f"{block.path}.is_error")
    content = write_content(block.content, losses, False)
    return {"role": "tool", "tool_call_id": fit(block.id), "content": content}


def write_assistant(message: InputMessage, losses: Losses) -> list[JSON]:
    losses.members(message.path, message.more)
    said = [block for block in message.blocks if block.kind not in ("call", "refusal", "reasoning")]
    calls = [block for block in message.blocks if block.kind == "call"]
    refusals = [block for block in message.blocks if block.kind == "refusal"]
    for block in message.blocks:
        if block.kind == "reasoning":
            losses.block(block)
        elif block.kind in ("call", "refusal"):
            losses.members(block.path, block.more)
    content = write_content(said, losses, False)
    if not (content or calls or refusals):
        return []
    made: JSON = {"role": "assistant", "content": content or None}
    if refusals:
        made["refusal"] = "".join(block.text for block in refusals)
    if calls:
        made["tool_calls"] = [write_call(block) for block in calls]
    return [made]


def write_call(block: Block) -> JSON:
    kind, said = ("custom", "input") if block.custom else ("function", "arguments")
    return {"id": fit(block.id), "type": kind, kind: {"name": block.name, said: block.text}}


def write_content(blocks: list[Block], losses: Losses, media: bool) -> str | list[JSON]:
    """Content: text where it is one, else parts. Media are taken of the user alone."""
    parts = []
    for block in blocks:
        part = write_part(block, media)
        if part is None:
            losses.block(block)
            continue
        more = dict(block.more)
        if block.kind == "image" and "detail" in more:
            part["image_url"]["detail"] = more.pop("detail")
        if "prompt_cache_breakpoint" in more:
            part["prompt_cache_breakpoint"] = more.pop("prompt_cache_breakpoint")
        losses.members(block.path, more)
        parts.append(part)
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def write_part(block: Block, media: bool) -> JSON | None:
    if block.kind == "text":
        return {"type": "text", "text": block.text}
    if block.kind == "other" and block.dialect == "chat":
        return dict(copied(block.own))
    if not media:
        return None
    if block.kind == "image" and (block.data is not None or block.url is not None):
        url = data_url(block.media_type, block.data) if block.data is not None else block.url
        return {"type": "image_url", "image_url": {"url": url}}
    if block.kind == "audio" and block.data is not None and block.media_type in FORMATS:
        return {
            "type": "input_audio",
            "input_audio": {"data": block.data, "format": FORMATS[block.media_type]},
        }
    if block.kind == "file" and block.data is not None:
        name = block.name or "file"
        return {
            "type": "file",
            "file": {"filename": name, "file_data": data_url(block.media_type, block.data)},
        }
    if block.kind == "file" and block.file_id is not None and block.dialect in ("chat", "responses"):
        return {"type": "file", "file": {"file_id": block.file_id}}
    return None


# --------------------------------------------------------------------------- what follows an answer of this


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The assistant's message of a response of this API as it goes back. `whole` holds the output indexes of
    the calls that were told whole."""
    told = next((c for c in chat_completion(response)["choices"] if c["index"] == choice), None)
    if told is None:
        return []
    message = told["message"]
    kept: JSON = {"role": "assistant", "content": message.get("content")}
    field = next((c.reasoning_field for c in response.choices if c.index == choice), None)
    for key in (*REASONING, field, "refusal"):
        if key is not None and message.get(key):
            kept[key] = message[key]
    audio = message.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("id"), str):
        kept["audio"] = {"id": audio["id"]}
    ids = {getattr(response.output[index], "call_id", None) for index in whole}
    calls = [
        {**without_nulls(call, "index", "status"), "id": fit(call.get("id") or "")}
        for call in message.get("tool_calls", ())
        if call.get("id") in ids
    ]
    if calls:
        kept["tool_calls"] = calls
    legacy = next((c.legacy_call_id for c in response.choices if c.index == choice), None)
    if "function_call" in message and legacy in ids:
        kept["function_call"] = message["function_call"]
    if message.get("images"):
        losses.lose(LossCode.CONTENT_NOT_SUPPORTED, "images", f"the {API} takes no images of the assistant")
    if len(kept) == 2 and not kept["content"]:
        return []
    if not kept["content"]:
        answers = calls or "function_call" in kept or "refusal" in kept or "audio" in kept
        kept["content"] = None if answers else ""
    return [kept]


def result_of_legacy_call(block: Block, losses: Losses) -> JSON:
    """The result of a call that came as `function_call`."""
    return {"role": "function", "name": block.name, "content": write_content(block.content, losses, False)}
