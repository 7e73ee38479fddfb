"""Requests of Gemini: read into the neutral form, written from it, and what follows an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.conversion import (
    Losses,
    array,
    budget_of,
    check_calls,
    fit_id,
    guess_type,
    json_object,
    json_text,
    lower_types,
    number,
    object_at,
    rest,
    results_behind_calls,
    string_at,
    without_nulls,
)
from deltafold.dialects.gemini.document import parts_of
from deltafold.model.errors import UsageError
from deltafold.model.items import Reasoning
from deltafold.model.json_values import copied
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
        told = request[path]
        content = {"parts": [{"text": told}]} if isinstance(told, str) else camel(told, path)
        blocks = [read_part(part, where) for part, where in parts_in(content, path)]
        read.messages.append(InputMessage("system", blocks, path))
    read_contents(request.get("contents"), read)
    for index, tool in enumerate(array(request.get("tools"), "tools")):
        read_tool(camel(tool, f"tools[{index}]"), f"tools[{index}]", read)
    read.settings = read_settings(request)
    if request.get("toolConfig") is not None:
        read_tool_config(camel(request["toolConfig"], "toolConfig"), read)
    check_calls(read)
    return read


def parts_in(content: JSON, path: str) -> list[tuple[JSON, str]]:
    found = []
    for index, part in enumerate(array(content.get("parts"), f"{path}.parts")):
        where = f"{path}.parts[{index}]"
        found.append((camel(part, where), where))
    return found


def read_contents(contents: Any, read: Request) -> None:
    """The contents. Calls without an id get one, and responses that of the first open call of their name."""
    open_calls: list[Block] = []
    made = 0
    if isinstance(contents, str):
        contents = [{"parts": [{"text": contents}]}]
    for index, content in enumerate(array(contents, "contents")):
        path = f"contents[{index}]"
        content = camel(content, path)
        role = content.get("role") or "user"
        if role not in ("user", "model", "function"):
            raise UsageError(f"{path}.role: {role!r} is none of user, model")
        results, others = [], []
        for part, where in parts_in(content, path):
            block = read_part(part, where)
            if block.kind == "call":
                if not block.id:
                    made += 1
                    block.id = f"call_made_{made}"
                open_calls.append(block)
            if block.kind == "result":
                answer(block, open_calls)
                results.append(block)
            else:
                others.append(block)
        if results:
            read.messages.append(InputMessage("tool", results, path))
        if others or not results:
            more = rest(content, "role", "parts")
            read.messages.append(InputMessage("assistant" if role == "model" else "user", others, path, more))


def answer(result: Block, open_calls: list[Block]) -> None:
    """Finds the call that a response is for."""
    for index, call in enumerate(open_calls):
        if (call.id == result.id) if result.id else (call.name == result.name):
            result.id = call.id
            del open_calls[index]
            return
    raise UsageError(f"{result.id_path}: no open call has the {'id' if result.id else 'name'} of it")


def read_part(part: JSON, path: str) -> Block:
    if isinstance(part.get("text"), str):
        if part.get("thought") is True:
            return Block("reasoning", path, dialect="gemini", own=copied(part))
        return Block("text", path, part["text"], more=rest(part, "text", "thought"))
    for key in ("functionCall", "functionResponse", "inlineData", "fileData"):
        if part.get(key) is None:
            continue
        where = f"{path}.{key}"
        inside = camel(part[key], where)
        more = rest(part, key)
        if key == "functionCall":
            return Block(
                "call",
                path,
                json_text(object_at(inside.get("args") or {}, f"{where}.args")),
                string_at(inside, "id", where) if inside.get("id") else "",
                f"{where}.id",
                string_at(inside, "name", where),
                more=more | rest(inside, "id", "name", "args"),
            )
        if key == "functionResponse":
            return read_result(inside, path, where, more)
        return read_media(inside, path, where, more)
    kind = next(iter(rest(part, "thoughtSignature", "videoMetadata")), "part")
    return Block("other", path, type=kind, dialect="gemini", own=copied(part))


def read_result(inside: JSON, path: str, where: str, more: JSON) -> Block:
    response = object_at(inside.get("response") or {}, f"{where}.response")
    is_error = response.keys() == {"error"}
    said = (
        response["error" if is_error else "output"] if is_error or response.keys() == {"output"} else response
    )
    text = said if isinstance(said, str) else json_text(said)
    content = [Block("text", f"{where}.response", text)] if text else []
    for part, there in parts_in(inside, where):
        content.append(read_part(part, there))
    ident = inside.get("id")
    return Block(
        "result",
        path,
        id=ident if isinstance(ident, str) else "",
        id_path=where,
        name=string_at(inside, "name", where),
        content=content,
        is_error=is_error,
        more=more | rest(inside, "id", "name", "response", "parts"),
    )


def read_media(inside: JSON, path: str, where: str, more: JSON) -> Block:
    uri = inside.get("fileUri")
    media_type = inside.get("mimeType")
    if not isinstance(media_type, str):
        media_type = guess_type(uri if isinstance(uri, str) else None, "application/octet-stream")
    top = media_type.split("/", 1)[0]
    block = Block(top if top in ("image", "audio") else "file", path, media_type=media_type, dialect="gemini")
    if "fileUri" in inside:
        block.url = string_at(inside, "fileUri", where)
    else:
        block.data = string_at(inside, "data", where)
    if isinstance(inside.get("displayName"), str):
        block.name = inside["displayName"]
    block.more = more | rest(inside, "mimeType", "data", "fileUri", "displayName")
    return block


def read_tool(tool: JSON, path: str, read: Request) -> None:
    for key, value in tool.items():
        where = f"{path}.{key}"
        if key != "functionDeclarations":
            if value is not None:
                read.tools.append(Tool("hosted", where, type=key, dialect="gemini", own={key: copied(value)}))
            continue
        for index, told in enumerate(array(value, where)):
            there = f"{where}[{index}]"
            declared = camel(told, there)
            schema = copied(declared.get("parametersJsonSchema"))
            if schema is not None:
                schema = object_at(schema, f"{there}.parametersJsonSchema")
            if schema is None and declared.get("parameters") is not None:
                schema = lower_types(object_at(declared["parameters"], f"{there}.parameters"))
            read.tools.append(
                Tool(
                    "function",
                    there,
                    string_at(declared, "name", there),
                    declared.get("description"),
                    schema,
                    more=rest(declared, "name", "description", "parameters", "parametersJsonSchema"),
                )
            )


def read_tool_config(config: JSON, read: Request) -> None:
    path = "toolConfig.functionCallingConfig"
    for key, value in rest(config, "functionCallingConfig").items():
        read.settings[f"toolConfig.{key}"] = Setting(value, f"toolConfig.{key}")
    if config.get("functionCallingConfig") is None:
        return
    calling = camel(config["functionCallingConfig"], path)
    for key, value in rest(calling, "mode", "allowedFunctionNames").items():
        read.settings[f"{path}.{key}"] = Setting(value, f"{path}.{key}")
    mode = str(calling.get("mode") or "AUTO").upper()
    names = [str(name) for name in array(calling.get("allowedFunctionNames"), f"{path}.allowedFunctionNames")]
    if mode == "ANY" and len(names) == 1:
        read.choice = ToolChoice("function", path, names[0])
    elif names and mode in ("ANY", "VALIDATED"):
        allowed = [("function", name) for name in names]
        read.choice = ToolChoice("allowed", path, names=allowed, required=mode == "ANY")
    elif mode in MODES:
        read.choice = ToolChoice(MODES[mode], path)
    else:
        read.choice = ToolChoice("other", path, mode)


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
    schema = copied(config.get("responseJsonSchema"))
    if schema is None and config.get("responseSchema") is not None:
        schema = lower_types(config["responseSchema"])
    if schema is not None and word in (None, "application/json"):
        format = {"type": "json_schema", "schema": object_at(schema, f"{path}.responseJsonSchema")}
        settings["format"] = Setting(format, f"{path}.responseJsonSchema")
    elif word == "application/json":
        settings["format"] = Setting({"type": "json_object"}, f"{path}.responseMimeType")
    elif word not in (None, "text/plain"):
        settings["gemini responseMimeType"] = Setting(word, f"{path}.responseMimeType")


# ------------------------------------------------------------------------------------------------ writing


def write_request(request: Request, losses: Losses) -> JSON:
    """A request as this API takes it. Its model and whether it streams stand in the URL."""
    settings = dict(request.settings)
    model = settings.pop("model", None)
    for name in ("stream", "include_obfuscation"):
        settings.pop(name, None)
    messages = results_behind_calls(request.messages)
    system = [message for message in messages if message.role in ("system", "developer")]
    others = [message for message in messages if message not in system]
    first = len(messages) - len(others)
    made: JSON = {"contents": write_turn(others, losses)}
    parts: list[JSON] = []
    for message in system:
        losses.members(message.path, message.more)
        if message not in messages[:first]:
            why = f"the {API} takes instructions only before the conversation"
            losses.lose(LossCode.INSTRUCTIONS_MOVED, message.path, why)
        parts += write_parts(message.blocks, losses, ("text",))
    if parts:
        made["systemInstruction"] = {"parts": parts}
    write_tools(request, made, losses)
    parallel = settings.pop("parallel_tool_calls", None)
    if parallel is not None and parallel.value is False and request.tools:
        losses.lose(LossCode.FIELD_NOT_SUPPORTED, "parallel_tool_calls: false", "")
    config: JSON = {}
    for key, name in CONFIG.items():
        if name not in settings or (key == "candidateCount" and settings[name].value == 1):
            settings.pop(name, None)
            continue
        value = settings.pop(name).value
        if key == "responseModalities" and isinstance(value, list):
            value = [str(word).upper() for word in value]
        config[key] = value
    write_format(settings, config, losses)
    write_thinking(settings, config, str(model.value) if model is not None else "", losses)
    if config:
        made["generationConfig"] = config
    losses.settings(settings)
    return made


def write_format(settings: dict[str, Setting], config: JSON, losses: Losses) -> None:
    told = settings.pop("format", None)
    if told is None or told.value.get("type") == "text":
        return
    if told.value.get("type") not in ("json_schema", "json_object"):
        losses.lose(LossCode.VALUE_CHANGED, told.path, f"the {API} has no format {told.value.get('type')}")
        return
    config["responseMimeType"] = "application/json"
    if told.value.get("schema") is not None:
        config["responseJsonSchema"] = told.value["schema"]
    losses.members(told.path, rest(told.value, "type", "schema"))


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
    declared = []
    for tool in request.tools:
        losses.members(tool.path, tool.more)
        if tool.kind == "hosted":
            losses.lose(LossCode.TOOL_NOT_SUPPORTED, tool.path, f"the {API} has no tool {tool.type}")
            continue
        said: JSON = {"name": tool.name}
        if tool.description is not None:
            said["description"] = tool.description
        if tool.kind == "custom":
            said["parametersJsonSchema"] = {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
            }
            if tool.format is not None and tool.format.get("type") != "text":
                why = f"the {API} has no {tool.format.get('type')} for the input of a tool"
                losses.lose(LossCode.FIELD_NOT_SUPPORTED, f"{tool.path}.format", why)
        elif tool.schema is not None:
            said["parametersJsonSchema"] = tool.schema
        if tool.strict is True:
            losses.members(tool.path, {"strict": True})
        declared.append(said)
    if not declared:
        return
    made["tools"] = [{"functionDeclarations": declared}]
    calling = write_choice(request.choice, losses)
    if calling:
        made["toolConfig"] = {"functionCallingConfig": calling}


def write_choice(choice: ToolChoice | None, losses: Losses) -> JSON:
    if choice is None:
        return {}
    if choice.kind in ("function", "custom"):
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    if choice.kind == "allowed":
        names = [name for _, name in choice.names]
        return {"mode": "ANY" if choice.required else "VALIDATED", "allowedFunctionNames": names}
    for mode, kind in MODES.items():
        if choice.kind == kind:
            return {"mode": mode}
    losses.lose(LossCode.VALUE_CHANGED, choice.path, f"the {API} has no choice {choice.name}")
    return {}


def write_turn(messages: list[InputMessage], losses: Losses) -> list[JSON]:
    """Contents in the words of this API. The results of one turn of calls have one content for themselves."""
    written: list[JSON] = []
    names: dict[str, str | None] = {}
    for message in messages:
        losses.members(message.path, message.more)
        if message.role == "tool":
            parts = [write_result(block, names.get(block.id, block.name), losses) for block in message.blocks]
        elif message.role == "assistant":
            names |= {block.id: block.name for block in message.blocks if block.kind == "call"}
            parts = write_parts(message.blocks, losses, ("text", "refusal", "call"))
        else:
            parts = write_parts(message.blocks, losses, ("text", "image", "file", "audio"))
        if parts:
            written.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
    return written


def write_result(block: Block, name: str | None, losses: Losses) -> JSON:
    losses.members(block.path, block.more)
    said: list[str] = []
    parts: list[JSON] = []
    for inside in block.content:
        made = write_parts([inside], losses, ("text", "image", "file", "audio"))
        if inside.kind == "text":
            said.append(inside.text)
        else:
            parts += made
    text = "".join(said)
    response: JSON = {"output": text}
    if block.is_error:
        response = {"error": text}
    else:
        given = json_object(text) if text else None
        # A bare `$ref` is taken for a reference to one of the parts.
        if given and '"$ref"' not in text and given.keys() not in ({"output"}, {"error"}):
            response = given
    made_result: JSON = {"name": name or block.id, "response": response}
    if block.id:
        made_result = {"id": fit(block.id), **made_result}
    if parts:
        made_result["parts"] = parts
    return {"functionResponse": made_result}


def fit(ident: str) -> str:
    return fit_id(ident, "call", r".+")


def write_parts(blocks: list[Block], losses: Losses, kinds: tuple[str, ...]) -> list[JSON]:
    parts = []
    for block in blocks:
        if block.kind == "other" and block.dialect == "gemini":
            parts.append(dict(copied(block.own)))
            continue
        made = write_part(block, losses) if block.kind in kinds else None
        if made is None:
            losses.block(block)
            continue
        losses.members(block.path, block.more)
        if made.get("text") != "":
            parts.append(made)
    return parts


def write_part(block: Block, losses: Losses) -> JSON | None:
    """A part; one with an empty `text` says nothing; None is what this API has nothing for."""
    if block.kind == "text":
        return {"text": block.text}
    if block.kind == "refusal":
        losses.lose(LossCode.VALUE_CHANGED, block.path, "a refusal is told as text")
        return {"text": block.text}
    if block.kind == "call":
        call: JSON = {"name": block.name, "args": args_of(block, losses)}
        return {"functionCall": {"id": fit(block.id), **call} if block.id else call}
    if block.data is not None:
        media: JSON = {"mimeType": block.media_type or "application/octet-stream", "data": block.data}
        losses.members(block.path, {} if block.name is None else {"filename": block.name})
        return {"inlineData": media}
    if block.url is not None:
        default = "image/jpeg" if block.kind == "image" else "application/pdf"
        losses.members(block.path, {} if block.name is None else {"filename": block.name})
        return {"fileData": {"mimeType": guess_type(block.url, default), "fileUri": block.url}}
    return None


def args_of(block: Block, losses: Losses) -> JSON:
    if block.custom:
        return {"input": block.text}
    given = json_object(block.text)
    if given is None:
        why = f"the {API} takes objects alone as arguments"
        losses.lose(LossCode.ARGUMENTS_NOT_AN_OBJECT, f"{block.path}.arguments", why)
        return {}
    return given


# --------------------------------------------------------------------------- what follows an answer of this


def response_turn(response: Response, choice: int, whole: frozenset[int], losses: Losses) -> list[JSON]:
    """The model's content of a response of this API as it goes back. `whole` holds the output indexes of the
    calls that were told whole. Parts stay apart, for each may have a signature."""
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
