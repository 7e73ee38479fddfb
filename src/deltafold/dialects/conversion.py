"""What reading and writing requests has in common, whichever API they are for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from deltafold.model.errors import UsageError
from deltafold.model.json_values import copied
from deltafold.model.losses import Loss, LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting, Tool, ToolChoice

__all__ = [
    "FILE_NAMES",
    "GOOGLE_FILES",
    "LEAST_BUDGET",
    "OF_BOTH",
    "Losses",
    "allowed_names",
    "arguments_of",
    "array",
    "base64_of",
    "below",
    "budget_of",
    "check_calls",
    "data_url",
    "declared",
    "described",
    "effort_of",
    "fit_id",
    "guess_type",
    "is_blank",
    "is_known_to_openai",
    "is_public",
    "json_copy",
    "json_object",
    "json_text",
    "lower_types",
    "media_of_url",
    "move",
    "number",
    "object_at",
    "objects_in",
    "only_text",
    "optional_string_at",
    "read_custom_tool",
    "read_function",
    "read_json_schema",
    "read_openai_file",
    "read_word_of_choice",
    "refusal_as_text",
    "rest",
    "results_behind_calls",
    "says_something",
    "schema_format",
    "settings_of",
    "string_at",
    "taken",
    "text_of_file",
    "text_or_blocks",
    "text_or_parts",
    "texts_of",
    "value_of",
    "without_nulls",
    "write_blocks",
]

JSON: TypeAlias = dict[str, Any]

# --------------------------------------------------------------------------------------------- what is read


def object_at(value: Any, path: str) -> JSON:
    """An object, else `UsageError`."""
    if not isinstance(value, dict):
        raise UsageError(f"{path or 'request'}: an object is expected, not {type(value).__name__}")
    return value


DEEPEST = 10_000
"""Levels of arrays and objects in a request. A list that holds itself has more."""


def json_copy(value: Any) -> Any:
    """A copy of what a caller gives as JSON. `UsageError` names the place of anything that is no JSON."""
    made: list[Any] = [value]
    waiting: list[tuple[Any, Any]] = [(made, None)]
    """Containers, each with the way to it: the way to what it is in, its key there, and how deep that is."""
    while waiting:
        container, before = waiting.pop()
        depth = before[2] + 1 if before else 0
        for key, member in list(container.items() if isinstance(container, dict) else enumerate(container)):
            way = (before, key, depth)
            if isinstance(member, (dict, list, tuple)):
                if depth > DEEPEST:
                    raise UsageError(f"{place_of(way)[:200]}: this is nested too deeply, or in itself")
                container[key] = inner = string_keys(member, way) if isinstance(member, dict) else [*member]
                waiting.append((inner, way))
            elif isinstance(member, float) and not math.isfinite(member):
                raise UsageError(f"{place_of(way)}: {member} is no number in JSON")
            elif not (member is None or isinstance(member, (str, int, float))):
                raise UsageError(f"{place_of(way)}: a {type(member).__name__} is no JSON value")
    return made[0]


def string_keys(data: Any, way: Any) -> JSON:
    """An object with its keys as JSON has them; whole numbers are common among them."""
    for key in data:
        if not isinstance(key, str) and type(key) is not int:
            raise UsageError(f"{place_of(way)}: {key!r} is no key in JSON")
    return {str(key): value for key, value in data.items()}


def place_of(way: Any) -> str:
    """The path of a value, by the way to it."""
    steps = []
    while way[0]:  # the first step is no part of what was given
        steps.append(f"[{way[1]}]" if isinstance(way[1], int) else f".{way[1]}")
        way = way[0]
    return "".join(reversed(steps)).removeprefix(".") or "request"


def array(value: Any, path: str) -> list[Any]:
    """An array, else `UsageError`; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{path}: an array is expected, not {type(value).__name__}")
    return list(value)


def objects_in(value: Any, path: str) -> list[tuple[JSON, str]]:
    """The objects of an array, each with its path, else `UsageError`; null is an empty array."""
    places = ((entry, f"{path}[{index}]") for index, entry in enumerate(array(value, path)))
    return [(object_at(entry, where), where) for entry, where in places]


def string_at(data: JSON, key: str, path: str) -> str:
    """A member that has to be a string, else `UsageError`."""
    value = data.get(key)
    if not isinstance(value, str):
        raise UsageError(f"{path}.{key}: a string is expected, not {type(value).__name__}")
    return value


def number(value: Any) -> float | None:
    """A number, or None. (In Python a bool is an int.)"""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def says_something(value: Any) -> bool:
    """Whether a member holds anything: null, [] and {} say nothing."""
    return value is not None and value != [] and value != {}


def rest(data: JSON, *taken: str) -> JSON:
    """The members that were not taken and say something."""
    return {key: value for key, value in data.items() if key not in taken and says_something(value)}


def below(key: str, more: JSON) -> JSON:
    """Members of an object inside of another, by their paths there."""
    return {f"{key}.{name}": value for name, value in more.items()}


def taken(more: JSON, *names: str) -> Any:
    """Takes the member of one of these names out of what would be lost; None where there is none."""
    for key in more:
        if key.rpartition(".")[2] in names:
            return more.pop(key)
    return None


def without_nulls(data: JSON, *but: str) -> JSON:
    """A copy without null members and without those named."""
    return {key: copied(value) for key, value in data.items() if value is not None and key not in but}


def settings_of(request: JSON, names: dict[str, str], *taken: str) -> dict[str, Setting]:
    """The parameters that are no part of the conversation, under their neutral names."""
    return {
        names.get(key, key): Setting(value, key)
        for key, value in request.items()
        if key not in taken and value is not None
    }


def is_blank(text: str) -> bool:
    """Whether a text is nothing but white space."""
    return not text.strip()


def text_or_blocks(content: Any, path: str, read: Callable[[JSON, str], Block]) -> list[Block]:
    """Content that is a text, or an array of what `read` reads. An empty text is no block."""
    if isinstance(content, str):
        return [Block("text", path, content)] if content else []
    return [read(part, where) for part, where in objects_in(content, path)]


def only_text(blocks: list[Block]) -> str | None:
    """The text of blocks that are one text and nothing else, without members that would be lost."""
    return blocks[0].text if len(blocks) == 1 and blocks[0].kind == "text" and not blocks[0].more else None


def texts_of(value: Any, path: str) -> list[tuple[str, str, JSON]]:
    """Content that may hold text alone: (text, path, other members) of each part."""
    if value is None:
        return []
    if isinstance(value, str):
        return [(value, path, {})]
    parts = objects_in(value, path)
    return [(string_at(part, "text", where), where, rest(part, "type", "text")) for part, where in parts]


# --------------------------------------------------------------------------------------------------- media

DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]+)*?);base64,(.*)", re.DOTALL | re.IGNORECASE)
TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}


def guess_type(name: str | None, default: str) -> str:
    """A media type by the suffix of a name or URL."""
    tail = (name or "").split("?", 1)[0].split("#", 1)[0].rsplit(".", 1)[-1].lower()
    return TYPES.get(tail, default)


def data_url(media_type: str | None, data: str) -> str:
    """Data in base64 as a URL."""
    return f"data:{media_type or 'application/octet-stream'};base64,{data}"


def media_of_url(block: Block, url: str, default: str) -> None:
    """Puts what a URL refers to, or holds, into a block."""
    found = DATA_URL.fullmatch(url)
    if found is None:
        block.url = url
    else:
        block.media_type, block.data = found[1].lower() or default, found[3]


GOOGLE_FILES = ("gs://", "https://generativelanguage.googleapis.com/")
"""Where files are that only Google can read."""


OF_BOTH = {
    name: name
    for name in (
        "metadata",
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
}
"""Parameters that both APIs of OpenAI have under one name."""
FILE_NAMES = ("filename", "title", "displayName")
"""What the name of a file is called."""


def is_known_to_openai(block: Block) -> bool:
    """Whether a file is stored where both APIs of OpenAI find it."""
    return block.file_id is not None and block.dialect in ("chat", "responses")


def is_public(url: str | None) -> bool:
    """Whether any server could load what a URL refers to."""
    return url is not None and url.lower().startswith(("http://", "https://"))


def optional_string_at(data: JSON, key: str, path: str) -> str | None:
    """A member that is a string or missing, else `UsageError`; null is missing."""
    return None if data.get(key) is None else string_at(data, key, path)


def read_openai_file(block: Block, data: JSON, path: str) -> None:
    """What both APIs of OpenAI say of a file."""
    block.dialect = "chat"
    block.name = optional_string_at(data, "filename", path)
    block.file_id = optional_string_at(data, "file_id", path)
    if data.get("file_data") is not None:
        text = string_at(data, "file_data", path)
        default = guess_type(block.name, "application/pdf")
        media_of_url(block, text, default)
        if block.url is not None:  # no data URL: the mere base64
            block.url, block.media_type, block.data = None, default, text


def text_of_file(block: Block, losses: Losses) -> str | None:
    """The text of a file that is one, else None. Any kind of text counts as a plain one, which is a loss."""
    if block.data is None or not (block.media_type or "").startswith("text/"):
        return None
    try:
        text = base64.b64decode(block.data, validate=True).decode()
    except (ValueError, binascii.Error):
        return None
    if block.media_type != "text/plain":
        losses.lose(LossCode.VALUE_CHANGED, block.path, f"{block.media_type} is written as text/plain")
    return text


def base64_of(text: str) -> str:
    """A text in base64, by its UTF-8."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


# ---------------------------------------------------------------------------------------------- JSON values


def json_text(value: Any) -> str:
    """A JSON value as compact text."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"what is given is no JSON value: {error}") from None


def finite(word: str) -> float:
    """A number that JSON has: no Infinity, no NaN, and none too large."""
    found = float(word)
    if not math.isfinite(found):
        raise ValueError(word)
    return found


def json_object(text: str) -> JSON | None:
    """The object that a text is the strict JSON of; {} for an empty text; None where it is none."""
    if not text:
        return {}
    try:
        found = json.loads(text, parse_constant=finite, parse_float=finite)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def lower_types(schema: Any) -> Any:
    """A Gemini schema as JSON Schema: its types are in upper case, and `nullable` is a type there."""
    made = copied(schema)
    waiting = [made]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(found)
            continue
        if not isinstance(found, dict):
            continue
        kind = found.get("type")
        if isinstance(kind, str):
            found["type"] = kind.lower()
            if found.get("nullable") is True:
                del found["nullable"]
                found["type"] = [kind.lower(), "null"]
        for key, value in found.items():
            if key == "properties" and isinstance(value, dict):
                waiting.extend(value.values())  # its keys are names of the caller's, `type` among them
            elif key in ("items", "anyOf", "prefixItems", "additionalProperties"):
                waiting.append(value)
            elif key in COUNTS and isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
                found[key] = int(value)  # the proto's 64-bit numbers are strings in JSON
    return made


# --------------------------------------------------------------------------------------------------- tools


def read_function(data: JSON, path: str, schema: str = "parameters", key: str = "") -> Tool:
    """A function. `schema` is the member with the JSON Schema of its arguments; `key` that of the tool in
    which all of it stands, on Chat Completions."""
    inside, where, more = inside_of(data, path, key)
    found = inside.get(schema)
    return Tool(
        "function",
        path,
        string_at(inside, "name", where),
        optional_string_at(inside, "description", where),
        None if found is None else object_at(found, f"{where}.{schema}"),
        inside.get("strict"),
        more=more(rest(inside, "type", "name", "description", schema, "strict")),
        inside=f"{key}." if key else "",
    )


def read_custom_tool(data: JSON, path: str, key: str = "") -> Tool:
    """A custom tool of OpenAI's. `key` is as of `read_function()`."""
    inside, where, more = inside_of(data, path, key)
    format = inside.get("format")
    if format is not None:
        format = without_nulls(object_at(format, f"{where}.format"))
        if key and isinstance(format.get("grammar"), dict):
            format = {**rest(format, "grammar"), **format["grammar"]}
    return Tool(
        "custom",
        path,
        string_at(inside, "name", where),
        optional_string_at(inside, "description", where),
        format=format,
        more=more(rest(inside, "type", "name", "description", "format")),
        inside=f"{key}." if key else "",
    )


def inside_of(data: JSON, path: str, key: str) -> tuple[JSON, str, Callable[[JSON], JSON]]:
    """What stands under a key of an object, if one is given; its path; what adds the members around it."""
    if not key:
        return data, path, lambda more: more
    inside = object_at(data.get(key), f"{path}.{key}")
    return inside, f"{path}.{key}", lambda more: below(key, more) | rest(data, "type", key)


def read_word_of_choice(choice: str, path: str) -> ToolChoice:
    """A choice of tools that is one word, in both APIs of OpenAI."""
    if choice not in ("auto", "none", "required"):
        raise UsageError(f"{path}: {choice!r} is none of auto, none, required")
    return ToolChoice(choice, path)


def described(tool: Tool) -> JSON:
    """Name and description of a tool."""
    said = {"name": tool.name}
    return said if tool.description is None else {**said, "description": tool.description}


def declared(tool: Tool, losses: Losses) -> tuple[JSON, JSON | None] | None:
    """A tool for an API that has functions alone: its name and description, and the schema of its arguments.

    A custom tool is a function of one text, `input`. None where the tool is another API's own.
    """
    if tool.kind == "hosted":
        losses.tool(tool)
        return None
    losses.members(tool.path, tool.more)
    if tool.kind != "custom":
        return described(tool), tool.schema
    losses.custom(tool.path)
    if tool.format is not None and tool.format.get("type") != "text":
        why = f"the {losses.api} has no {tool.format.get('type')} for the input of a tool"
        losses.lose(LossCode.FIELD_NOT_SUPPORTED, f"{tool.path}.{tool.inside}format", why)
    return described(tool), {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
    }


def allowed_names(choice: ToolChoice, losses: Losses) -> list[tuple[str, str]]:
    """Kind and name of the tools that may be called; those that are another API's own are lost."""
    for kind, name in choice.names:
        if kind not in ("function", "custom"):
            losses.lose(LossCode.VALUE_CHANGED, choice.path, f"the {losses.api} has no tool {name} to allow")
    return [(kind, name) for kind, name in choice.names if kind in ("function", "custom")]


def arguments_of(block: Block, losses: Losses) -> JSON:
    """The arguments of a call for an API where they are an object."""
    if block.custom:
        losses.custom(block.path)
        return {"input": block.text}
    given = json_object(block.text)
    if given is None:
        why = f"the {losses.api} takes objects alone as arguments"
        losses.lose(LossCode.ARGUMENTS_NOT_AN_OBJECT, f"{block.path}.arguments", why)
        return {}
    return given


# ------------------------------------------------------------------------------------------------- content


def write_blocks(
    blocks: list[Block],
    kinds: tuple[str, ...],
    dialect: str,
    losses: Losses,
    write: Callable[[Block, Losses], JSON | None],
) -> list[JSON]:
    """Blocks of these kinds in the words of a dialect; what is left of `block.more` then is lost.

    `write` gives None where there are no words for a block. What is but an empty text says nothing.
    """
    written = []
    for block in blocks:
        if block.kind == "other" and block.dialect == dialect:
            written.append(block.own)
            continue
        made = write(block, losses) if block.kind in kinds else None
        if made is None:
            losses.block(block)
            continue
        losses.members(block.path, block.more)
        if made.get("text") != "":
            written.append(made)
    return written


def text_or_parts(parts: list[JSON]) -> str | list[JSON]:
    """Content of OpenAI's: a text where it is one, else parts."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts or ""


def refusal_as_text(block: Block, losses: Losses) -> str:
    """What is said of a refusal where there is none."""
    losses.lose(LossCode.VALUE_CHANGED, block.path, "a refusal is written as text")
    return block.text


# ---------------------------------------------------------------------------------------------- parameters


def value_of(settings: dict[str, Setting], name: str) -> Any:
    """Takes the value of a parameter out of the settings; None without it."""
    setting = settings.pop(name, None)
    return None if setting is None else setting.value


def move(settings: dict[str, Setting], made: JSON, names: dict[str, str]) -> None:
    """Moves parameters from the settings to a request: names there by neutral ones."""
    for name, key in names.items():
        if name in settings:
            made[key] = settings.pop(name).value


def read_json_schema(format: JSON, path: str) -> JSON:
    """A format of the answer that has its JSON Schema, else `UsageError`."""
    if format.get("type") == "json_schema":
        object_at(format.get("schema"), f"{path}.schema")
    return format


def schema_format(settings: dict[str, Setting], losses: Losses, *known: str) -> JSON | None:
    """The format of the answer for an API where it is one of the `known` kinds, a schema at the most."""
    sent = settings.pop("format", None)
    if sent is None or sent.value.get("type") == "text":
        return None
    kind = sent.value.get("type")
    if kind not in known:
        losses.lose(LossCode.VALUE_CHANGED, sent.path, f"the {losses.api} has no format {kind}")
        return None
    losses.members(sent.path, rest(sent.value, "type", "schema"))
    format: JSON = sent.value
    return format


# ----------------------------------------------------------------------------------------------- reasoning

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}
"""Tokens of thinking for an effort."""
LEAST_BUDGET = 1024


def effort_of(settings: dict[str, Setting], losses: Losses) -> str | None:
    """The effort of reasoning, for an API that has no budget. Takes what says it out of the settings."""
    budget, adaptive = settings.pop("budget", None), settings.pop("adaptive", None)
    if "effort" in settings:
        return str(settings.pop("effort").value)
    if budget is not None:
        limit = settings.get("max_tokens")
        tokens = number(budget.value) or 0
        most = (number(limit.value) if limit is not None else None) or 2 * BUDGETS["high"]
        effort = "low" if tokens < most / 5 else "medium" if tokens < most * 3 / 5 else "high"
        losses.lose(
            LossCode.VALUE_CHANGED, budget.path, f"the {losses.api} has no budget; the effort is {effort}"
        )
        return effort
    if adaptive is not None:
        losses.lose(LossCode.FIELD_NOT_SUPPORTED, adaptive.path)
    return None


def budget_of(effort: str, limit: float | None) -> int | None:
    """Tokens of thinking for an effort, below the limit of the output; None where that is too small."""
    budget = BUDGETS.get(effort, BUDGETS["medium"])
    if limit is None:
        return budget
    return min(budget, int(limit) - 1) if limit > LEAST_BUDGET else None


# ----------------------------------------------------------------------------------------------------- ids

LONGEST_ID = 64
"""Characters in an id, of the OpenAI APIs."""


def fit_id(ident: str, prefix: str, pattern: str) -> str:
    """An id that fits stays; another becomes a prefix and its digest, always the same one.

    An id that was cut, or in which single characters were replaced, could be that of another call.
    """
    if ident and len(ident) <= LONGEST_ID and re.fullmatch(pattern, ident):
        return ident
    return f"{prefix}_{hashlib.sha256(ident.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


# --------------------------------------------------------------------------------------------------- losses


class Losses:
    """What is lost on the way to an API."""

    __slots__ = ("api", "found")

    def __init__(self, api: str) -> None:
        self.api = api
        """The API, as its users call it."""
        self.found: list[Loss] = []

    def lose(self, code: LossCode, path: str, why: str = "") -> None:
        """Notes a loss. `path` names what is lost, as it was at its source."""
        said = why or f"the {self.api} has nothing for it"
        self.found.append(Loss(code, f"{path}: {said}", path=path))

    def members(self, path: str, more: JSON) -> None:
        """Notes the loss of members."""
        for key in more:
            self.lose(LossCode.FIELD_NOT_SUPPORTED, f"{path}.{key}" if path else key)

    def block(self, block: Block) -> None:
        """Notes the loss of a whole block."""
        if block.kind == "reasoning":
            why = "reasoning goes back only to the API that it came from"
            self.lose(LossCode.REASONING_NOT_SUPPORTED, block.path, why)
            return
        what = block.type or block.kind
        if block.file_id is not None:
            what += " by file_id, which another provider does not know"
        why = f"the {self.api} takes no {what} there"
        if block.type == "item_reference":
            self.lose(LossCode.CONVERSATION_MISSING, block.path, f"an item_reference: {why}")
        else:
            self.lose(LossCode.CONTENT_NOT_SUPPORTED, block.path, why)

    def tool(self, tool: Tool) -> None:
        """Notes the loss of a tool."""
        self.lose(LossCode.TOOL_NOT_SUPPORTED, tool.path, f"the {self.api} has no tool {tool.type}")

    def custom(self, path: str) -> None:
        """Notes that a custom tool, or a call of it, becomes a function."""
        why = f"the {self.api} has no custom tools; it is a function of one text, input"
        self.lose(LossCode.CUSTOM_TOOL_AS_FUNCTION, path, why)

    def choice(self, choice: ToolChoice, name: str) -> None:
        """Notes the loss of a choice of tools."""
        self.lose(LossCode.VALUE_CHANGED, choice.path, f"the {self.api} has no choice {name}")

    def message(self, message: InputMessage) -> None:
        """Notes the loss of the members of a message that nobody else has."""
        self.members(message.path, message.more)

    def result(self, block: Block, errors: bool = False) -> None:
        """Notes what is lost of a result. `errors` says whether the API marks those of tools that failed."""
        self.members(block.path, block.more)
        if block.is_error and not errors:
            key = "functionResponse.response.error" if block.dialect == "gemini" else "is_error"
            self.lose(LossCode.ERROR_FLAG_NOT_SUPPORTED, f"{block.path}.{key}")

    def settings(self, settings: dict[str, Setting]) -> None:
        """Notes the loss of the parameters that are left."""
        for setting in settings.values():
            if not says_something(setting.value) or setting.value is False:
                continue  # what is empty or switched off asks for nothing
            stored = setting.path in ("previous_response_id", "conversation", "prompt")
            code = LossCode.CONVERSATION_MISSING if stored else LossCode.FIELD_NOT_SUPPORTED
            self.lose(code, setting.path)


# -------------------------------------------------------------------------------------- calls and results


def check_calls(request: Request, stored: bool = False) -> None:
    """Raises `UsageError` where calls and results do not belong together.

    `stored` says that calls may be where this request does not show them: in a stored conversation.
    """
    made: dict[str, str | None] = {}
    answered: set[str] = set()
    for message in request.messages:
        for block in message.blocks:
            where = block.id_path or block.path
            if block.kind == "call" and message.role == "assistant":
                if block.id in made:
                    raise UsageError(f"{where}: another call has the id {block.id!r}")
                made[block.id] = block.name
            elif block.kind == "result":
                if block.id not in made and not stored:
                    raise UsageError(f"{where}: no call before it has the id {block.id!r}")
                if block.id in answered:
                    raise UsageError(f"{where}: the call {block.id!r} has a result already")
                answered.add(block.id)
                name = made.get(block.id, block.name)
                if block.name not in (None, name):
                    block.more["name"] = block.name  # of another tool than was called
                block.name = name


def results_behind_calls(messages: list[InputMessage], losses: Losses) -> list[InputMessage]:
    """The messages with the results of each one's calls right behind it, in the order of the calls.

    Several messages of the assistant in a row become one: none may stand between calls and their results.
    Results of calls that are stored at the source are lost with those: no API takes one without its call.
    """
    joined: list[InputMessage] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last is not None and last.role == message.role in ("assistant", "tool") and not message.more:
            last.blocks += message.blocks
        else:
            joined.append(InputMessage(message.role, [*message.blocks], message.path, message.more))
    results = {
        block.id: block
        for message in joined
        if message.role == "tool"
        for block in message.blocks
        if block.kind == "result"
    }
    settled: list[InputMessage] = []
    for message in joined:
        if message.role == "tool":
            for block in message.blocks:
                if results.get(block.id) is block:
                    why = "its call is in a conversation that is stored elsewhere"
                    losses.lose(LossCode.CONVERSATION_MISSING, block.path, why)
            if message.more:
                settled.append(InputMessage("tool", [], message.path, message.more))
            continue
        settled.append(message)
        if message.role == "assistant":
            ids = [block.id for block in message.blocks if block.kind == "call" and block.id in results]
            if ids:
                settled.append(InputMessage("tool", [results.pop(ident) for ident in ids], message.path))
    return settled
