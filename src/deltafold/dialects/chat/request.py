"""Requests of Chat Completions: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.chat.document import chat_completion
from deltafold.dialects.chat.table import REASONING_PARTS
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
    optional_string_at,
    read_custom_tool,
    read_function,
    read_json_schema,
    read_openai_file,
    read_word_of_choice,
    rest,
    results_behind_calls,
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
from deltafold.model.items import Reasoning
from deltafold.model.json_values import string
from deltafold.model.losses import LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting, Tool, ToolChoice

if TYPE_CHECKING:
    from deltafold.model.response import Response

__all__ = ["read_request", "response_turn", "write_request", "write_turn"]

JSON: TypeAlias = dict[str, Any]

API: Final = "Chat Completions API"
ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
NAMES: Final = {"reasoning_effort": "effort", "max_completion_tokens": "max_tokens"}
"""Parameters that other APIs have under other names, and their neutral names."""
OWN: Final = {
    "stop": "stop",
    "max_tokens": "max_completion_tokens",
    **OF_BOTH,
    **{
        name: name
        for name in (
            "audio",
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "modalities",
            "n",
            "prediction",
            "presence_penalty",
            "seed",
            "verbosity",
        )
    },
}
"""Parameters by their neutral names."""
REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details")
"""Members of a message that hold reasoning, by server."""
FORMATS: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}

# ------------------------------------------------------------------------------------------------ reading


def read_request(request: JSON) -> Request:
    """A request in the neutral form."""
    read = Request("chat")
    legacy: dict[str, str] = {}
    for index, (message, path) in enumerate(objects_in(request.get("messages"), "messages")):
        read.messages.append(read_message(message, path, index, legacy))
    read.tools += [read_tool(tool, path) for tool, path in objects_in(request.get("tools"), "tools")]
    read.tools += [
        read_function(sent, path) for sent, path in objects_in(request.get("functions"), "functions")
    ]
    if request.get("web_search_options") is not None:
        path = "web_search_options"
        options = without_nulls(object_at(request[path], path))
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
    options = object_at(request.get("stream_options") or {}, "stream_options")
    for key, value in rest(options, "include_usage").items():
        settings[key] = Setting(value, f"stream_options.{key}")
    if "modalities" in settings:
        settings["modalities"].value = array(settings["modalities"].value, "modalities")
    sent = request.get("response_format")
    if sent is not None:
        path = "response_format"
        format = without_nulls(object_at(sent, path), "json_schema")
        if format.get("type") == "json_schema":
            path += ".json_schema"
            format |= without_nulls(object_at(sent.get("json_schema"), path))
        settings["format"] = Setting(read_json_schema(format, path), path)
    return settings


def read_message(message: JSON, path: str, index: int, legacy: dict[str, str]) -> InputMessage:
    role = string_at(message, "role", path)
    if role not in ROLES:
        raise UsageError(f"{path}.role: {role!r} is none of {', '.join(ROLES)}")
    if role in ("tool", "function"):
        return InputMessage("tool", [read_result(message, path, role, legacy)], path)
    blocks = text_or_blocks(message.get("content"), f"{path}.content", read_part)
    taken = ["role", "content"]
    if role == "assistant":
        blocks = [*read_reasoning(message, path), *blocks]
        taken += ["tool_calls", "function_call", "refusal", *REASONING]
        if message.get("refusal"):
            text = string_at(message, "refusal", path)
            blocks.append(Block("refusal", f"{path}.refusal", text=text))
        calls = objects_in(message.get("tool_calls"), f"{path}.tool_calls")
        blocks += [read_call(call, where) for call, where in calls]
        if message.get("function_call") is not None:
            where = f"{path}.function_call"
            call = object_at(message["function_call"], where)
            name = string_at(call, "name", where)
            legacy[name] = f"call_{index}"
            said = string_at(call, "arguments", where)
            blocks.append(Block("call", where, said, legacy[name], where, name=name))
    return InputMessage(role, blocks, path, rest(message, *taken))


def read_reasoning(message: JSON, path: str) -> list[Block]:
    return [
        Block("reasoning", f"{path}.{key}", dialect="chat", own={key: message[key]})
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
        more=rest(call, "id", "type", kind, "index") | below(kind, rest(inside, "name", said)),
    )


def read_result(message: JSON, path: str, role: str, legacy: dict[str, str]) -> Block:
    name = optional_string_at(message, "name", path)
    if role == "tool":
        key, ident = "tool_call_id", string_at(message, "tool_call_id", path)
    else:
        key, ident = "name", legacy.pop(string_at(message, "name", path), "")
        if not ident:
            raise UsageError(f"{path}.name: no function {name!r} was called before it")
    content = text_or_blocks(message.get("content"), f"{path}.content", read_part)
    more = rest(message, "role", "content", "name", key)
    return Block("result", path, id=ident, id_path=f"{path}.{key}", name=name, content=content, more=more)


def read_part(part: JSON, path: str) -> Block:
    """A part of the content of a message."""
    kind = string_at(part, "type", path)
    where = f"{path}.{kind}"
    inside = part.get(kind)
    if kind in ("text", "refusal"):
        return Block(kind, path, string_at(part, kind, path), more=rest(part, "type", kind))
    if kind == "image_url" and isinstance(inside, str):
        inside = {"url": inside}  # as some servers take it
    if kind not in ("image_url", "input_audio", "file"):
        return Block("other", path, type=kind, dialect="chat", own=part)
    inside = object_at(inside, where)
    block = Block("", path)
    if kind == "image_url":
        block.kind, known = "image", ["url"]
        media_of_url(block, string_at(inside, "url", where), "image/png")
    elif kind == "input_audio":
        block.kind, known = "audio", ["data", "format"]
        block.media_type = f"audio/{string_at(inside, 'format', where)}"
        block.data = string_at(inside, "data", where)
    else:
        block.kind, known = "file", ["file_data"]
        read_openai_file(block, inside, where)
    block.more = below(kind, rest(inside, *known)) | rest(part, "type", kind)
    return block


def read_tool(tool: JSON, path: str) -> Tool:
    kind = tool.get("type", "function")
    if kind == "function":
        return read_function(tool, path, key="function")
    if kind == "custom":
        return read_custom_tool(tool, path, "custom")
    return Tool("hosted", path, type=str(kind), dialect="chat", own=tool)


def read_choice(choice: Any, path: str) -> ToolChoice:
    if isinstance(choice, str):
        return read_word_of_choice(choice, path)
    choice = object_at(choice, path)
    if path == "function_call":
        return ToolChoice("function", path, string_at(choice, "name", path), more=rest(choice, "name"))
    kind = string_at(choice, "type", path)
    if kind not in ("function", "custom", "allowed_tools"):
        return ToolChoice("other", path, kind)
    where = f"{path}.{kind}"
    inside = object_at(choice.get(kind), where)
    more = rest(choice, "type", kind) | below(kind, rest(inside, "name", "tools", "mode"))
    if kind != "allowed_tools":
        return ToolChoice(kind, path, string_at(inside, "name", where), more=more)
    read = ToolChoice("allowed", path, required=inside.get("mode") == "required", more=more)
    for tool, place in objects_in(inside.get("tools"), f"{where}.tools"):
        word = string_at(tool, "type", place)
        named = object_at(tool.get(word), f"{place}.{word}")
        read.names.append((word, string_at(named, "name", f"{place}.{word}")))
        left = rest(tool, "type", word) | below(word, rest(named, "name"))
        read.more |= below(place.removeprefix(f"{path}."), left)
    return read


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it."""
    settings = dict(request.settings)
    made: JSON = {}
    move(settings, made, {"model": "model"})
    made["messages"] = write_turn(results_behind_calls(request.messages, losses), losses)
    write_tools(request, made, losses)
    format = value_of(settings, "format")
    if format is not None:
        if format.get("type") == "json_schema":
            named = {"name": "response", **without_nulls(format, "type")}
            format = {"type": "json_schema", "json_schema": named}
        made["response_format"] = format
    effort = effort_of(settings, losses)
    if effort is not None:
        made["reasoning_effort"] = effort
    parallel = value_of(settings, "parallel_tool_calls")
    if parallel is not None and "tools" in made:
        made["parallel_tool_calls"] = parallel
    write_cache_and_tier(settings, made, losses)
    move(settings, made, OWN)
    if made.get("stream") is True:
        made["stream_options"] = {"include_usage": True}
        move(settings, made["stream_options"], {"include_obfuscation": "include_obfuscation"})
    losses.settings(settings)
    return made


def write_cache_and_tier(settings: dict[str, Setting], made: JSON, losses: Losses) -> None:
    """What the Responses API has more values for than this one."""
    tier = settings.get("service_tier")
    if tier is not None and tier.value == "ultrafast":
        losses.lose(LossCode.VALUE_CHANGED, tier.path, f"the {API} has no tier {tier.value}")
        del settings["service_tier"]
    options = settings.get("prompt_cache_options")
    if options is not None and isinstance(options.value, dict):
        del settings["prompt_cache_options"]
        kept = {key: options.value[key] for key in ("mode", "ttl") if key in options.value}
        if kept.get("ttl") not in (None, "30m"):
            losses.lose(LossCode.VALUE_CHANGED, f"{options.path}.ttl", f"the {API} has 30m alone")
            kept["ttl"] = "30m"
        losses.members(options.path, rest(options.value, *kept))
        made["prompt_cache_options"] = kept


def write_tools(request: Request, made: JSON, losses: Losses) -> None:
    tools = []
    for tool in request.tools:
        losses.members(tool.path, tool.more)
        inside = described(tool)
        if tool.kind == "function":
            if tool.schema is not None:
                inside["parameters"] = tool.schema
            if tool.strict is not None:
                inside["strict"] = tool.strict
            tools.append({"type": "function", "function": inside})
        elif tool.kind == "custom":
            if tool.format is not None:
                kind = tool.format.get("type")
                grammar = {"type": kind, "grammar": rest(tool.format, "type")}
                inside["format"] = grammar if kind == "grammar" else tool.format
            tools.append({"type": "custom", "custom": inside})
        elif tool.dialect == "responses" and tool.type.startswith("web_search"):
            made["web_search_options"] = search_options(tool, losses)
        else:
            losses.tool(tool)
    if tools:
        made["tools"] = tools
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


def write_choice(choice: ToolChoice | None, made: JSON, losses: Losses) -> None:
    if choice is None:
        return
    losses.members(choice.path, choice.more)
    if choice.kind in ("auto", "none", "required"):
        made["tool_choice"] = choice.kind
    elif choice.kind in ("function", "custom"):
        made["tool_choice"] = {"type": choice.kind, choice.kind: {"name": choice.name}}
    elif choice.kind == "allowed":
        tools = [{"type": kind, kind: {"name": name}} for kind, name in allowed_names(choice, losses)]
        if tools:
            allowed = {"mode": "required" if choice.required else "auto", "tools": tools}
            made["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
    else:
        losses.choice(choice, choice.name)


def write_turn(messages: list[InputMessage], losses: Losses) -> list[JSON]:
    """Messages in the words of this API. Those of a tool have one message for each result."""
    written = []
    for message in messages:
        losses.message(message)
        if message.role == "tool":
            written += [write_result(block, losses) for block in message.blocks]
        elif message.role == "assistant":
            written += write_assistant(message, losses)
        else:
            kinds = ("text", "image", "audio", "file") if message.role == "user" else ("text",)
            content = write_content(message.blocks, kinds, losses)
            if content or message.role == "user":
                written.append({"role": message.role, "content": content})
    return written


def fit(ident: str) -> str:
    return fit_id(ident, "call", r".+")


def write_result(block: Block, losses: Losses) -> JSON:
    losses.result(block)
    content = write_content(block.content, ("text",), losses)
    return {"role": "tool", "tool_call_id": fit(block.id), "content": content}


def write_assistant(message: InputMessage, losses: Losses) -> list[JSON]:
    calls = [block for block in message.blocks if block.kind == "call"]
    refusals = [block for block in message.blocks if block.kind == "refusal"]
    said = [block for block in message.blocks if block.kind not in ("call", "refusal")]
    for block in (*refusals, *calls):
        losses.members(block.path, block.more)
    content = write_content(said, ("text",), losses)
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


def write_content(blocks: list[Block], kinds: tuple[str, ...], losses: Losses) -> str | list[JSON]:
    """Content: text where it is one, else parts."""
    return text_or_parts(write_blocks(blocks, kinds, "chat", losses, write_part))


def write_part(block: Block, losses: Losses) -> JSON | None:
    made: JSON | None = None
    if block.kind == "text":
        made = {"type": "text", "text": block.text}
    elif block.kind == "image" and (block.data is not None or block.url is not None):
        url = block.url if block.data is None else data_url(block.media_type, block.data)
        made = {"type": "image_url", "image_url": {"url": url}}
        detail = taken(block.more, "detail")
        if detail is not None:
            made["image_url"]["detail"] = detail
    elif block.kind == "audio" and block.data is not None and block.media_type in FORMATS:
        inside = {"data": block.data, "format": FORMATS[block.media_type]}
        made = {"type": "input_audio", "input_audio": inside}
    elif block.kind == "file" and (block.data is not None or is_known_to_openai(block)):
        inside = {} if block.name is None else {"filename": block.name}
        taken(block.more, *FILE_NAMES)
        if block.data is not None:
            inside = {"filename": "file", **inside, "file_data": data_url(block.media_type, block.data)}
        if is_known_to_openai(block):
            inside["file_id"] = taken(block.more, "file_id")
        made = {"type": "file", "file": inside}
    mark = taken(block.more, "prompt_cache_breakpoint") if made is not None else None
    return made if mark is None or made is None else {**made, "prompt_cache_breakpoint": mark}


# --------------------------------------------------------------------------- what follows an answer of this


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The assistant's message of a response of this API as it goes back. `whole` holds the output indexes of
    the calls that were sent whole."""
    sent = next((c for c in chat_completion(response)["choices"] if c["index"] == choice), None)
    if sent is None:
        return []
    message = sent["message"]
    content = message.get("content")
    if isinstance(content, list):
        content = [part for part in content if string(part, "type") not in REASONING_PARTS]
        if len(content) == 1 and content[0].get("type") == "text":
            content = content[0].get("text")
    kept: JSON = {"role": "assistant", "content": content}
    field = next((c.reasoning_field for c in response.choices if c.index == choice), None)
    for key in (field, *REASONING[1:], "refusal"):
        if key is not None and message.get(key):
            kept[key] = message[key]
    if "reasoning_details" not in kept:
        for index, item in enumerate(response.output):
            if isinstance(item, Reasoning) and (item.choice_index or 0) == choice:
                lose_reasoning(item, field, f"output[{index}]", losses)
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


def lose_reasoning(item: Reasoning, field: str | None, path: str, losses: Losses) -> None:
    """Notes what of some reasoning has no member of the message to go back in."""
    if field is None and item.text:
        why = "reasoning that came in no member of its own goes back in none"
        losses.lose(LossCode.REASONING_NOT_SUPPORTED, path, why)
    elif item.encrypted_content is not None:
        why = "the name of the member that its signature came in is not known"
        losses.lose(LossCode.REASONING_NOT_SUPPORTED, f"{path}.encrypted_content", why)


def result_of_legacy_call(block: Block, losses: Losses) -> JSON:
    """The result of a call that came as `function_call`."""
    losses.result(block)
    return {
        "role": "function",
        "name": block.name,
        "content": write_content(block.content, ("text",), losses),
    }
