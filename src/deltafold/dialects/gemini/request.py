"""Requests of Gemini: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.conversion import (
    GOOGLE_FILES,
    Losses,
    allowed_names,
    arguments_of,
    array,
    below,
    budget_of,
    check_calls,
    declared,
    fit_id,
    guess_type,
    is_public,
    json_object,
    json_text,
    lower_types,
    move,
    number,
    object_at,
    objects_in,
    optional_string_at,
    read_function,
    refusal_as_text,
    rest,
    results_behind_calls,
    schema_format,
    string_at,
    without_nulls,
    write_blocks,
)
from deltafold.dialects.gemini.document import parts_of
from deltafold.model.errors import UsageError
from deltafold.model.items import Reasoning
from deltafold.model.losses import LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting, Tool, ToolChoice

if TYPE_CHECKING:
    from deltafold.model.response import Response

__all__ = ["read_request", "response_turn", "write_request", "write_turn"]

JSON: TypeAlias = dict[str, Any]

API: Final = "Gemini API"
CONFIG: Final = {
    "candidateCount": "n",
    "frequencyPenalty": "frequency_penalty",
    "logprobs": "top_logprobs",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "responseLogprobs": "logprobs",
    "responseModalities": "modalities",
    "seed": "seed",
    "stopSequences": "stop",
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
}
"""Members of generationConfig that other APIs have too, and their neutral names."""
LEVELS: Final = ("minimal", "low", "medium", "high")
MEDIA: Final = ("text", "image", "file", "audio")
MODES: Final = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
MODELS_WITH_BUDGET: Final = re.compile(r"gemini-(?:1|2)\b")
"""Those that take a budget of thinking, and no level."""

# ------------------------------------------------------------------------------------------------ reading


def camel(value: Any, path: str) -> JSON:
    """An object with its members under the names of the JSON form: the server takes snake_case too."""
    data = object_at(value, path)
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), key): data[key] for key in data}


def read_request(request: JSON) -> Request:
    """A request in the neutral form."""
    request = camel(request, "")
    read = Request("gemini")
    if request.get("systemInstruction") is not None:
        path = "systemInstruction"
        sent = request[path]
        content = {"parts": [{"text": sent}]} if isinstance(sent, str) else camel(sent, path)
        more = rest(content, "role", "parts")
        read.messages.append(InputMessage("system", parts_in(content, path, read_part), path, more))
    read_contents(request.get("contents"), read)
    for tool, path in objects_in(request.get("tools"), "tools"):
        read_tool(camel(tool, path), path, read)
    read.settings = read_settings(request)
    if request.get("toolConfig") is not None:
        read_tool_config(camel(request["toolConfig"], "toolConfig"), read)
    check_calls(read)
    return read


def parts_in(content: JSON, path: str, read: Callable[[JSON, str], Block]) -> list[Block]:
    parts = objects_in(content.get("parts"), f"{path}.parts")
    return [read(camel(part, where), where) for part, where in parts]


def read_contents(contents: Any, read: Request) -> None:
    """The contents. Calls without an id get one, and responses that of the first open call of their name."""
    if isinstance(contents, str):
        contents = [{"parts": [{"text": contents}]}]
    for sent, path in objects_in(contents, "contents"):
        content = camel(sent, path)
        role = content.get("role") or None
        if role not in (None, "user", "model", "function"):
            raise UsageError(f"{path}.role: {role!r} is none of user, model")
        blocks = parts_in(content, path, read_part)
        if role is None and any(block.kind == "call" for block in blocks):
            role = "model"  # nobody else makes calls
        results = [block for block in blocks if block.kind == "result"]
        others = [block for block in blocks if block.kind != "result"]
        if results:
            read.messages.append(InputMessage("tool", results, path))
        if others or not results:
            read.messages.append(InputMessage("assistant" if role == "model" else "user", others, path))
        read.messages[-1].more = rest(content, "role", "parts")
    name_calls(
        [
            block
            for message in read.messages
            for block in message.blocks
            if message.role == "assistant" or block.kind == "result"
        ]
    )


def name_calls(blocks: list[Block]) -> None:
    """Gives calls without an id one, and finds the calls that responses are for."""
    known = {block.id for block in blocks}
    made: set[str] = set()
    number = 0
    open_calls: dict[str, Block] = {}
    by_name: dict[str | None, deque[Block]] = {}
    for block in blocks:
        if block.kind == "call":
            while not block.id:
                number += 1
                if f"call_made_{number}" not in known:
                    block.id = f"call_made_{number}"
                    made.add(block.id)
            open_calls[block.id] = block
            by_name.setdefault(block.name, deque()).append(block)
        elif block.kind == "result":
            waiting = by_name.get(block.name, deque())
            while waiting and open_calls.get(waiting[0].id) is not waiting[0]:
                waiting.popleft()  # it had its response, by its id
            if waiting and (not block.id or (block.id not in open_calls and waiting[0].id in made)):
                block.id = waiting[0].id
            if open_calls.pop(block.id, None) is None:
                key = "id" if block.id else "name"
                raise UsageError(f"{block.id_path}.{key}: no call is open that has it")


def read_part(part: JSON, path: str) -> Block:
    if isinstance(part.get("text"), str):
        if part.get("thought") is True:
            return Block("reasoning", path, dialect="gemini", own=part)
        return Block("text", path, part["text"], more=rest(part, "text", "thought"))
    for key in ("functionCall", "functionResponse", "inlineData", "fileData"):
        if part.get(key) is None:
            continue
        where = f"{path}.{key}"
        inside = camel(part[key], where)
        if key == "functionCall":
            block = read_call(inside, path, where)
        elif key == "functionResponse":
            block = read_result(inside, path, where)
        else:
            block = read_media(inside, path, where)
        block.more = below(key, block.more) | rest(part, key)
        return block
    kind = next(iter(rest(part, "thoughtSignature", "videoMetadata")), "part")
    return Block("other", path, type=kind, dialect="gemini", own=part)


def read_call(inside: JSON, path: str, where: str) -> Block:
    arguments = json_text(object_at(inside.get("args") or {}, f"{where}.args"))
    ident = optional_string_at(inside, "id", where) or ""
    more = rest(inside, "id", "name", "args")
    return Block("call", path, arguments, ident, f"{where}.id", string_at(inside, "name", where), more=more)


def read_result(inside: JSON, path: str, where: str) -> Block:
    response = object_at(inside.get("response") or {}, f"{where}.response")
    is_error = response.keys() == {"error"}
    said: Any = response
    if is_error or response.keys() == {"output"}:
        said = response["error" if is_error else "output"]
    text = said if isinstance(said, str) else json_text(said)
    content = [Block("text", f"{where}.response", text)] if text else []
    return Block(
        "result",
        path,
        id=optional_string_at(inside, "id", where) or "",
        id_path=where,
        name=string_at(inside, "name", where),
        content=[*content, *parts_in(inside, where, read_part)],
        is_error=is_error,
        dialect="gemini",
        more=rest(inside, "id", "name", "response", "parts"),
    )


def read_media(inside: JSON, path: str, where: str) -> Block:
    uri = optional_string_at(inside, "fileUri", where)
    media_type = optional_string_at(inside, "mimeType", where)
    media_type = (media_type or guess_type(uri, "application/octet-stream")).lower()
    top = media_type.split("/", 1)[0]
    block = Block(top if top in ("image", "audio") else "file", path, media_type=media_type, dialect="gemini")
    if uri is None:
        block.data = string_at(inside, "data", where)
    elif uri.lower().startswith(GOOGLE_FILES):
        block.file_id = uri
    else:
        block.url = uri
    block.name = optional_string_at(inside, "displayName", where)
    block.more = rest(inside, "mimeType", "data", "fileUri")
    return block


def read_tool(tool: JSON, path: str, read: Request) -> None:
    for key, value in tool.items():
        where = f"{path}.{key}"
        if key != "functionDeclarations":
            if value is not None:
                read.tools.append(Tool("hosted", where, type=key, dialect="gemini", own={key: value}))
            continue
        for sent, there in objects_in(value, where):
            declaration = camel(sent, there)
            if declaration.get("parametersJsonSchema") is None and declaration.get("parameters") is not None:
                schema = object_at(declaration.pop("parameters"), f"{there}.parameters")
                declaration["parametersJsonSchema"] = lower_types(schema)
            read.tools.append(read_function(declaration, there, "parametersJsonSchema"))


def read_tool_config(config: JSON, read: Request) -> None:
    path = "toolConfig.functionCallingConfig"
    for key, value in rest(config, "functionCallingConfig").items():
        read.settings[f"toolConfig.{key}"] = Setting(value, f"toolConfig.{key}")
    if config.get("functionCallingConfig") is None:
        return
    calling = camel(config["functionCallingConfig"], path)
    mode = str(calling.get("mode") or "AUTO").upper()
    for key, value in rest(calling, "mode").items():
        if key != "allowedFunctionNames" or mode not in ("ANY", "VALIDATED"):
            read.settings[f"{path}.{key}"] = Setting(value, f"{path}.{key}")
    names = [str(name) for name in array(calling.get("allowedFunctionNames"), f"{path}.allowedFunctionNames")]
    if mode == "ANY" and len(names) == 1:
        read.choice = ToolChoice("function", path, names[0])
    elif names and mode in ("ANY", "VALIDATED"):
        allowed = [("function", name) for name in names]
        read.choice = ToolChoice("allowed", path, names=allowed, required=mode == "ANY")
    elif mode in MODES:
        read.choice = ToolChoice(MODES[mode], path)
    else:
        read.choice = ToolChoice("other", f"{path}.mode", mode)


def read_settings(request: JSON) -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    taken = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model")
    for key, value in rest(request, *taken).items():
        settings[f"gemini {key}"] = Setting(value, key)
    if isinstance(request.get("model"), str):
        settings["model"] = Setting(request["model"].removeprefix("models/"), "model")
    path = "generationConfig"
    config = camel(request.get(path) or {}, path)
    shapes = ("thinkingConfig", "responseMimeType", "responseSchema", "responseJsonSchema")
    for key, value in rest(config, *shapes).items():
        name = CONFIG.get(key, f"gemini {key}")
        if key == "responseModalities":
            words = [str(word).lower() for word in array(value, f"{path}.{key}")]
            value, name = words, name if set(words) <= {"text", "audio"} else f"gemini {key}"
        settings[name] = Setting(value, f"{path}.{key}")
    read_format(config, settings)
    where = f"{path}.thinkingConfig"
    thinking = camel(config.get("thinkingConfig") or {}, where)
    for key, value in rest(thinking).items():
        there = f"{where}.{key}"
        if key == "thinkingLevel":
            if value == "THINKING_LEVEL_UNSPECIFIED":
                continue
            settings["effort"] = Setting(str(value).lower(), there)
        elif key == "thinkingBudget":
            if value == 0:
                settings.setdefault("effort", Setting("none", there))
            elif value == -1:
                settings["adaptive"] = Setting(True, there)
            else:
                settings["budget"] = Setting(value, there)
        elif key == "includeThoughts":
            if value is True:
                settings["summary"] = Setting("auto", there)
        else:
            settings[f"gemini {there}"] = Setting(value, there)
    return settings


def read_format(config: JSON, settings: dict[str, Setting]) -> None:
    path = "generationConfig"
    word = config.get("responseMimeType")
    schemas = [key for key in ("responseJsonSchema", "responseSchema") if config.get(key) is not None]
    if schemas and word in (None, "application/json"):
        key = schemas.pop(0)
        schema = object_at(config[key], f"{path}.{key}")
        schema = lower_types(schema) if key == "responseSchema" else schema
        settings["format"] = Setting({"type": "json_schema", "schema": schema}, f"{path}.{key}")
    elif word == "application/json":
        settings["format"] = Setting({"type": "json_object"}, f"{path}.responseMimeType")
    elif word not in (None, "text/plain"):
        settings["gemini responseMimeType"] = Setting(word, f"{path}.responseMimeType")
    for key in schemas:
        settings[f"gemini {key}"] = Setting(config[key], f"{path}.{key}")


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it. Its model and whether it streams stand in the URL."""
    settings = dict(request.settings)
    model = settings.pop("model", None)
    for name in ("stream", "include_obfuscation"):
        settings.pop(name, None)
    others: list[InputMessage] = []
    instructions: list[JSON] = []
    for message in results_behind_calls(request.messages, losses):
        if message.role not in ("system", "developer"):
            others.append(message)
            continue
        losses.message(message)
        if others:
            why = f"the {API} takes instructions only before the conversation"
            losses.lose(LossCode.INSTRUCTIONS_MOVED, message.path, why)
        instructions += write_parts(message.blocks, ("text",), losses)
    made: JSON = {"contents": write_turn(others, losses)}
    if instructions:
        made["systemInstruction"] = {"parts": instructions}
    write_tools(request, made, losses)
    parallel = settings.pop("parallel_tool_calls", None)
    if parallel is not None and parallel.value is False and "tools" in made:
        losses.lose(LossCode.FIELD_NOT_SUPPORTED, parallel.path)
    config: JSON = {}
    if "n" in settings and settings["n"].value == 1:
        del settings["n"]
    if "modalities" in settings:
        settings["modalities"].value = [str(word).upper() for word in settings["modalities"].value]
    move(settings, config, {name: key for key, name in CONFIG.items()})
    format = schema_format(settings, losses, "json_schema", "json_object")
    if format is not None:
        config["responseMimeType"] = "application/json"
        if "schema" in format:
            config["responseJsonSchema"] = format["schema"]
    write_thinking(settings, config, str(model.value) if model is not None else "", losses)
    if config:
        made["generationConfig"] = config
    losses.settings(settings)
    return made


def write_thinking(settings: dict[str, Setting], config: JSON, model: str, losses: Losses) -> None:
    effort, budget = settings.pop("effort", None), settings.pop("budget", None)
    adaptive, summary = settings.pop("adaptive", None), settings.pop("summary", None)
    thinking: JSON = {}
    if budget is not None:
        thinking["thinkingBudget"] = budget.value
    elif effort is not None and effort.value == "none":
        thinking["thinkingBudget"] = 0
    elif effort is not None and MODELS_WITH_BUDGET.search(model):
        tokens = budget_of(str(effort.value), number(config.get("maxOutputTokens")))
        thinking["thinkingBudget"] = tokens or 0
        losses.lose(LossCode.VALUE_CHANGED, effort.path, f"the model takes a budget; it is {tokens} tokens")
    elif effort is not None:
        word = str(effort.value)
        if word not in LEVELS:
            losses.lose(LossCode.VALUE_CHANGED, effort.path, f"the {API} has no level {word}")
            word = "high"
        thinking["thinkingLevel"] = word
    elif adaptive is not None:
        thinking["thinkingBudget"] = -1
    if summary is not None:
        thinking["includeThoughts"] = True
        if summary.value != "auto":
            losses.lose(LossCode.VALUE_CHANGED, summary.path, f"the {API} shows thoughts or does not")
    if thinking:
        config["thinkingConfig"] = thinking


def write_tools(request: Request, made: JSON, losses: Losses) -> None:
    functions = []
    for tool in request.tools:
        said = declared(tool, losses)
        if said is None:
            continue
        if tool.strict is True:
            losses.lose(LossCode.FIELD_NOT_SUPPORTED, f"{tool.path}.{tool.inside}strict")
        functions.append(said[0] if said[1] is None else {**said[0], "parametersJsonSchema": said[1]})
    if not functions:
        return
    made["tools"] = [{"functionDeclarations": functions}]
    calling = write_choice(request.choice, losses)
    if calling:
        made["toolConfig"] = {"functionCallingConfig": calling}


def write_choice(choice: ToolChoice | None, losses: Losses) -> JSON:
    if choice is None:
        return {}
    losses.members(choice.path, choice.more)
    if choice.kind in ("function", "custom"):
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    if choice.kind == "allowed":
        names = [name for _, name in allowed_names(choice, losses)]
        if not names:
            return {}
        return {"mode": "ANY" if choice.required else "VALIDATED", "allowedFunctionNames": names}
    for mode, kind in MODES.items():
        if choice.kind == kind:
            return {"mode": mode}
    losses.choice(choice, choice.name)
    return {}


def write_turn(messages: list[InputMessage], losses: Losses) -> list[JSON]:
    """Contents in the words of this API. The results of one turn of calls have one content for themselves."""
    written: list[JSON] = []
    for message in messages:
        losses.message(message)
        if message.role == "tool":
            parts = [write_result(block, losses) for block in message.blocks]
        else:
            kinds = ("text", "refusal", "call") if message.role == "assistant" else MEDIA
            parts = write_parts(message.blocks, kinds, losses)
        if parts:
            written.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
    return written


def write_result(block: Block, losses: Losses) -> JSON:
    losses.result(block, errors=True)
    text = "".join(inside.text for inside in block.content if inside.kind == "text")
    for inside in block.content:
        if inside.kind == "text":
            losses.members(inside.path, inside.more)
    response: JSON = {"error" if block.is_error else "output": text}
    given = json_object(text) if text and not block.is_error else None
    # A bare `$ref` is taken for a reference to one of the parts.
    if given and '"$ref"' not in text and given.keys() not in ({"output"}, {"error"}):
        response = given
    made: JSON = {"name": block.name or block.id, "response": response}
    if block.id:
        made = {"id": fit(block.id), **made}
    parts = write_parts([inside for inside in block.content if inside.kind != "text"], MEDIA, losses)
    return {"functionResponse": {**made, "parts": parts} if parts else made}


def fit(ident: str) -> str:
    return fit_id(ident, "call", r".+")


def write_parts(blocks: list[Block], kinds: tuple[str, ...], losses: Losses) -> list[JSON]:
    return write_blocks(blocks, kinds, "gemini", losses, write_part)


def write_part(block: Block, losses: Losses) -> JSON | None:
    """A part; one with an empty `text` says nothing; None is what this API has nothing for."""
    if block.kind == "text":
        return {"text": block.text}
    if block.kind == "refusal":
        return {"text": refusal_as_text(block, losses)}
    if block.kind == "call":
        call = {"name": block.name, "args": arguments_of(block, losses)}
        return {"functionCall": {"id": fit(block.id), **call} if block.id else call}
    if block.data is not None:
        return {
            "inlineData": {"mimeType": block.media_type or "application/octet-stream", "data": block.data}
        }
    if not is_public(block.url):
        return None
    default = "image/jpeg" if block.kind == "image" else "application/pdf"
    return {"fileData": {"mimeType": guess_type(block.url, default), "fileUri": block.url}}


PLACEHOLDER: Final = "skip_thought_signature_validator"
"""What Google's documents name as the signature of a call that another model made."""


def sign_calls(contents: list[JSON]) -> None:
    """Gives the first call of each turn of the model the placeholder where it has no signature."""
    for content in contents:
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls:
            calls[0].setdefault("thoughtSignature", PLACEHOLDER)


# --------------------------------------------------------------------------- what follows an answer of this


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The model's content of a response of this API as it goes back. `whole` holds the output indexes of the
    calls that were sent whole. Parts stay apart, for each may have a signature."""
    parts: list[JSON] = []
    cut = response.outcome not in ("completed", "incomplete")
    for index, item in enumerate(response.output):
        if (item.choice_index or 0) != choice or (item.type == "function_call" and index not in whole):
            continue
        for part in parts_of(item, index):
            if cut and isinstance(item, Reasoning) and not part.get("thoughtSignature"):
                losses.lose(
                    LossCode.REASONING_NOT_SUPPORTED, f"output[{index}]", "thoughts without a signature"
                )
                continue
            part = without_nulls(part)
            if part.get("text") != "" or "thoughtSignature" in part:
                parts.append(part)
    return [{"role": "model", "parts": parts}] if parts else []
