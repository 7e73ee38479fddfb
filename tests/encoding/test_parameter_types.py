"""Every parameter of the official SDKs' types is carried to the other APIs, or a loss names it.

The types say which parameters there are, so a new version of an SDK brings its new ones here by itself.
"""

from __future__ import annotations

import collections.abc
import contextlib
import copy
import enum
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from deltafold import UsageError, convert_request
from sdk_types import check_request

typing_extensions = pytest.importorskip("typing_extensions")

DIALECTS = ("responses", "chat", "anthropic", "gemini")

USER = {"role": "user", "content": "Hi"}
LEAST: dict[str, dict[str, Any]] = {
    "responses": {"model": "m", "input": "Hi"},
    "chat": {"model": "m", "messages": [USER]},
    "anthropic": {"model": "m", "max_tokens": 4000, "messages": [USER]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}
"""The least request of each API."""
FUNCTION: dict[str, dict[str, Any]] = {
    "responses": {"type": "function", "name": "w", "parameters": {"type": "object"}, "strict": False},
    "chat": {"type": "function", "function": {"name": "w"}},
    "anthropic": {"name": "w", "input_schema": {"type": "object"}},
    "gemini": {"functionDeclarations": [{"name": "w"}]},
}
"""A tool of each API; without tools a choice among them says nothing."""
WORDS = {
    "arguments": '{"a":1}',
    "call_id": "call_1",
    "data": "iVBORw0KGgo=",
    "file_data": "JVBERi0=",
    "fileUri": "https://e.example/a.pdf",
    "file_url": "https://e.example/a.pdf",
    "image_url": "https://e.example/a.png",
    "mimeType": "image/png",
    "role": "user",
    "thoughtSignature": "U2ln",
    "tool_call_id": "call_1",
    "tool_use_id": "toolu_1",
    "url": "https://e.example/a.pdf",
}
"""Texts that have to be of a kind."""
REQUIRED = {
    ("Blob", "data"),
    ("Blob", "mimeType"),
    ("FileData", "fileUri"),
    ("FunctionCallOutput", "call_id"),
    ("ItemReference", "type"),
    ("JSONSchema", "schema"),
    ("FunctionCall", "name"),
    ("FunctionCallingConfig", "mode"),
    ("FunctionDeclaration", "name"),
    ("FunctionResponse", "name"),
    ("FunctionResponseBlob", "data"),
    ("FunctionResponseBlob", "mimeType"),
    ("FunctionResponseFileData", "fileUri"),
}
"""What is required, although the types do not say so."""
REFUSED = re.compile(r"systemInstruction\.parts\[0\]\.functionResponse.*")
"""A result of a call among the instructions."""
SILENT = re.compile(
    r"(?:.*\.)?(?:type|role|status|id)"  # discriminators, and what a server keeps its books with
    r"|stream(?:_options\..*)?|model"  # Gemini has them in its URL
)
"""Parameters that may be left out in silence."""
DEFAULTS: dict[str, tuple[Any, ...]] = {
    "candidateCount": (1,),
    "detail": ("auto",),
    "format": ({"type": "text"},),
    "media_type": ("text/plain",),
    "messages[0]": ({"role": "assistant"},),
    "mode": ("AUTO", "auto"),
    "parallel_tool_calls": (True,),
    "response_format": ({"type": "text"},),
    "thinkingLevel": ("THINKING_LEVEL_UNSPECIFIED",),
}
"""Values that say what is so without them."""


def fields_of(kind: Any) -> list[tuple[str, Any, bool]] | None:
    """(name, type, whether it is required) of what an object of a type has; None of what is no object."""
    if typing_extensions.is_typeddict(kind):
        found = []
        for key, hint in typing_extensions.get_type_hints(kind, include_extras=True).items():
            if typing_extensions.get_origin(hint) is typing_extensions.Required:
                found.append((key, typing_extensions.get_args(hint)[0], True))
            else:
                found.append((key, hint, (kind.__name__, key) in REQUIRED))
        return found
    if isinstance(kind, type) and hasattr(kind, "model_fields"):
        return [
            (
                field.alias or name,
                field.annotation,
                field.is_required() or (kind.__name__, field.alias or name) in REQUIRED,
            )
            for name, field in kind.model_fields.items()
        ]
    return None


def samples(kind: Any, key: str, inside: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(path, value): values of a type, the least first, then the least with each member, with its path."""
    origin, arguments = typing_extensions.get_origin(kind), typing_extensions.get_args(kind)
    fields = fields_of(kind)
    if fields is not None:
        if kind in inside:
            return
        least = {name: next(samples(hint, name))[1] for name, hint, required in fields if required}
        yield "", least
        for name, hint, _ in fields:
            for path, value in samples(hint, name, (*inside, kind)):
                yield f".{name}{path}", {**least, name: value}
    elif origin in (typing.Union, types.UnionType):
        for argument in arguments:
            yield from samples(argument, key, inside)
    elif origin is typing_extensions.Literal:
        # The API has a few words, and the SDK many models.
        yield from (("", word) for word in (arguments if len(arguments) < 20 else arguments[:1]))
    elif origin is typing.Annotated:
        yield from samples(arguments[0], key, inside)
    elif key == "tools" and arguments == (str, object):
        yield "", {"type": "function", "name": "w", "function": {"name": "w"}}  # an allowed tool
    elif origin is not None and issubclass(origin, collections.abc.Mapping):
        yield from ((f".key{path}", {"key": value}) for path, value in samples(arguments[1], key, inside))
    elif origin is not None and issubclass(origin, collections.abc.Iterable):
        yield from ((f"[0]{path}", [value]) for path, value in samples(arguments[0], key, inside))
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        yield from (("", word.value) for word in kind)
    elif kind in (str, bytes):
        yield "", WORDS.get(key, "some text")
    elif kind in (bool, int, float):
        yield "", {bool: True, int: 3000, float: 0.5}[kind]
    elif kind in (object, dict, Any, typing_extensions.Any):
        yield "", {"a": 1}


def parameters_of(dialect: str) -> list[tuple[str, Any]]:
    """(name, type) of the parameters of an API."""
    if dialect == "gemini":
        google = pytest.importorskip("google.genai.types")
        return [
            ("contents", list[google.Content]),
            ("systemInstruction", google.Content),
            ("generationConfig", google.GenerationConfig),
            ("tools", list[google.Tool]),
            ("toolConfig", google.ToolConfig),
            ("safetySettings", list[google.SafetySetting]),
            ("cachedContent", str),
            ("labels", dict[str, str]),
            ("serviceTier", google.ServiceTier),
            ("store", bool),
        ]
    module, name = {
        "responses": ("openai.types.responses.response_create_params", "ResponseCreateParamsStreaming"),
        "chat": ("openai.types.chat.completion_create_params", "CompletionCreateParamsStreaming"),
        "anthropic": ("anthropic.types.message_create_params", "MessageCreateParamsStreaming"),
    }[dialect]
    fields = fields_of(getattr(pytest.importorskip(module), name))
    assert fields is not None
    return [(key, hint) for key, hint, _ in fields]


def calls_before(dialect: str, key: str, value: Any) -> list[Any]:
    """The call that an entry of the conversation is the result of, if it is one."""
    if dialect == "responses" and key == "input" and isinstance(value, list):
        kind = value[0].get("type")
        if kind == "function_call_output":
            return [{"type": "function_call", "call_id": "call_1", "name": "w", "arguments": "{}"}]
        if kind == "custom_tool_call_output":
            return [{"type": "custom_tool_call", "call_id": "call_1", "name": "w", "input": "x"}]
    if dialect == "chat" and key == "messages" and value[0]["role"] in ("tool", "function"):
        call = {"name": "some text", "arguments": "{}"}
        if value[0]["role"] == "function":
            return [{"role": "assistant", "function_call": call}]
        return [{"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}]
    if dialect == "anthropic" and key == "messages" and "'tool_result'" in repr(value):
        used = {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {}}
        return [{"role": "assistant", "content": [used]}]
    if dialect == "gemini" and key == "contents" and "'functionResponse'" in repr(value):
        return [{"role": "model", "parts": [{"functionCall": {"name": "some text"}}]}]
    return []


def requests_of(dialect: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, request): the least request with each parameter of the API, which stands at the path."""
    for key, kind in parameters_of(dialect):
        for path, value in samples(kind, key):
            before = calls_before(dialect, key, value)
            given = [*before, *value] if isinstance(value, list) else value
            request = {**copy.deepcopy(LEAST[dialect]), key: given}
            if key in ("tool_choice", "function_call", "parallel_tool_calls", "toolConfig"):
                request["tools"] = [FUNCTION[dialect]]
            if before:
                path = path.replace("[0]", f"[{len(before)}]", 1)
            yield key + path, copy.deepcopy(request)


def steps(path: str) -> list[str | int]:
    return [int(number) if number else key for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]


def without(request: dict[str, Any], path: str) -> tuple[dict[str, Any], Any]:
    """A request without what stands at a path, and that."""
    made: Any = copy.deepcopy(request)
    inside = made
    *way, last = steps(path)
    for step in way:
        inside = inside[step]
    return made, inside.pop(last)


def names(loss: Any, path: str) -> bool:
    """Whether a loss is about what stands at a path."""
    told = loss.path or "nothing"
    return path.startswith(told) or told.startswith(path)


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
def test_every_parameter_is_carried_or_lost_by_name(source: str, target: str) -> None:
    """What is written differs by it, or there is a loss; and the target's own types take it."""
    silent = []
    count = 0
    for path, request in requests_of(source):
        bare, value = without(request, path)
        says_nothing = value in ({}, [], *DEFAULTS.get(path.rsplit(".", 1)[-1], ()))
        if says_nothing or SILENT.fullmatch(path) or REFUSED.fullmatch(path):
            continue
        count += 1
        made = convert_request(request, source, target)
        if source != target:
            check_request(target, made.request)
        if source == target:
            assert made.request == request
        elif not any(names(loss, path) for loss in made.losses):
            with contextlib.suppress(UsageError):  # without what is required
                if made.request == convert_request(bare, source, target).request:
                    silent.append(f"{path}: {value!r}")
    assert silent == []
    assert count > 100
