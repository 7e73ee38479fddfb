"""What reading and writing requests has in common, whichever API they are for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any, TypeAlias

from deltafold.model.errors import UsageError
from deltafold.model.json_values import copied
from deltafold.model.losses import Loss, LossCode
from deltafold.model.requests import Block, InputMessage, Request, Setting

__all__ = [
    "Losses",
    "array",
    "base64_of",
    "budget_of",
    "check_calls",
    "data_url",
    "effort_of",
    "fit_id",
    "guess_type",
    "is_blank",
    "json_object",
    "json_text",
    "lower_types",
    "media_of_url",
    "number",
    "object_at",
    "only_text",
    "read_openai_file",
    "rest",
    "results_behind_calls",
    "says_something",
    "settings_of",
    "string_at",
    "text_of_file",
    "texts_of",
    "without_nulls",
]

JSON: TypeAlias = dict[str, Any]

# --------------------------------------------------------------------------------------------- what is read


def object_at(value: Any, path: str) -> JSON:
    """An object, else `UsageError`."""
    if not isinstance(value, dict):
        raise UsageError(f"{path or 'request'}: an object is expected, not {type(value).__name__}")
    return value


def array(value: Any, path: str) -> list[Any]:
    """An array, else `UsageError`; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{path}: an array is expected, not {type(value).__name__}")
    return list(value)


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
    return {key: copied(value) for key, value in data.items() if key not in taken and says_something(value)}


def without_nulls(data: JSON, *but: str) -> JSON:
    """A copy without null members and without those named."""
    return {key: copied(value) for key, value in data.items() if value is not None and key not in but}


def settings_of(request: JSON, names: dict[str, str], *taken: str) -> dict[str, Setting]:
    """The parameters that are no part of the conversation, under their neutral names."""
    return {
        names.get(key, key): Setting(copied(value), key)
        for key, value in request.items()
        if key not in taken and value is not None
    }


def is_blank(text: str) -> bool:
    """Whether a text is nothing but white space."""
    return not text.strip()


def only_text(blocks: list[Block]) -> str | None:
    """The text of blocks that are one text and nothing else, without members that would be lost."""
    return blocks[0].text if len(blocks) == 1 and blocks[0].kind == "text" and not blocks[0].more else None


def texts_of(value: Any, path: str) -> list[tuple[str, str, JSON]]:
    """Content that may hold text alone: (text, path, other members) of each part."""
    if value is None:
        return []
    if isinstance(value, str):
        return [(value, path, {})]
    found = []
    for index, part in enumerate(array(value, path)):
        where = f"{path}[{index}]"
        part = object_at(part, where)
        found.append((string_at(part, "text", where), where, rest(part, "type", "text")))
    return found


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


def read_openai_file(block: Block, data: JSON, path: str) -> None:
    """What both APIs of OpenAI say of a file."""
    block.dialect = "chat"
    if data.get("filename") is not None:
        block.name = string_at(data, "filename", path)
    if data.get("file_id") is not None:
        block.file_id = string_at(data, "file_id", path)
    if data.get("file_data") is not None:
        text = string_at(data, "file_data", path)
        default = guess_type(block.name, "application/pdf")
        media_of_url(block, text, default)
        if block.url is not None:  # no data URL: the mere base64
            block.url, block.media_type, block.data = None, default, text


def text_of_file(block: Block) -> str | None:
    """The text of a file that is one, else None."""
    if block.data is None or not (block.media_type or "").startswith("text/"):
        return None
    try:
        return base64.b64decode(block.data, validate=True).decode()
    except (ValueError, binascii.Error):
        return None


def base64_of(text: str) -> str:
    """A text in base64, by its UTF-8."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


# ---------------------------------------------------------------------------------------------- JSON values


def json_text(value: Any) -> str:
    """A JSON value as compact text."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"what is given is no JSON value: {error}") from None


def refuse_constant(word: str) -> Any:
    raise ValueError(word)


def json_object(text: str) -> JSON | None:
    """The object that a text is the strict JSON of; {} for an empty text; None where it is none."""
    if not text:
        return {}
    try:
        found = json.loads(text, parse_constant=refuse_constant)
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
    made: set[str] = set()
    answered: set[str] = set()
    for message in request.messages:
        for block in message.blocks:
            where = block.id_path or block.path
            if block.kind == "call":
                if block.id in made:
                    raise UsageError(f"{where}: another call has the id {block.id!r}")
                made.add(block.id)
            elif block.kind == "result":
                if block.id not in made and not stored:
                    raise UsageError(f"{where}: no call before it has the id {block.id!r}")
                if block.id in answered:
                    raise UsageError(f"{where}: the call {block.id!r} has a result already")
                answered.add(block.id)


def results_behind_calls(messages: list[InputMessage]) -> list[InputMessage]:
    """The messages with the results of each one's calls right behind it, in the order of the calls.

    Several messages of the assistant in a row become one: none may stand between calls and their results.
    """
    joined: list[InputMessage] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last is not None and last.role == message.role in ("assistant", "tool"):
            joined[-1] = InputMessage(
                last.role, [*last.blocks, *message.blocks], last.path, {**last.more, **message.more}
            )
        else:
            joined.append(message)
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
            left = [block for block in message.blocks if results.get(block.id) is block]
            if left:
                settled.append(InputMessage("tool", left, message.path, message.more))
            continue
        settled.append(message)
        if message.role == "assistant":
            ids = [block.id for block in message.blocks if block.kind == "call" and block.id in results]
            if ids:
                settled.append(InputMessage("tool", [results.pop(ident) for ident in ids], message.path))
    return settled
