"""Hypothesis strategies: streams that a server may send, and whatever may happen to them on their way.

    @given(st.data())
    def test_my_client(data: st.DataObject) -> None:
        stream = data.draw(streams())
        chunks = data.draw(chunkings(stream.body))
        assert my_client(chunks, stream.dialect) == stream.text

Strategies that take a stream or a body have plural names and describe what became of it. Nothing here changes
any setting of Hypothesis.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from operator import methodcaller
from typing import Any, NamedTuple, TypeAlias

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        'deltafold.testing.strategies needs Hypothesis: pip install "deltafold[testing]"'
    ) from error

from deltafold.model.errors import UsageError
from deltafold.model.response import Outcome
from deltafold.registry import DIALECTS
from deltafold.testing.builder import Stream, StreamBuilder, joined, json_bytes
from deltafold.testing.damage import (
    HEARTBEATS,
    NO_STREAMS,
    WRONG_VALUES,
    byte_by_byte,
    json_paths,
    mistyped,
)

__all__ = [
    "LETTERS",
    "Body",
    "any_body",
    "chunkings",
    "corruptions",
    "damaged_bodies",
    "fragments",
    "garbage",
    "gluings",
    "heartbeats",
    "mistypings",
    "orderings",
    "streams",
    "texts",
    "truncations",
]

LETTERS = 'aZ09 \t\n\r"\\/{}[]:,é\u00a0\u0085\u2028日\ufeff\ufffd🙂𝔘'
"""Letters of one to four bytes, what JSON escapes, and what other readers take for a line end."""


class Body(NamedTuple):
    """What a transport brings."""

    dialect: str
    data: bytes


# ------------------------------------------------------------------------------------------ what is said


def texts(min_size: int = 1, max_size: int = 12) -> st.SearchStrategy[str]:
    """Short texts of the letters that are most often got wrong."""
    return st.text(st.sampled_from(LETTERS), min_size=min_size, max_size=max_size)


@st.composite
def fragments(draw: st.DrawFn, text: str, max_cuts: int = 3) -> list[str]:
    """A text in fragments, as some servers cut it: between the halves of a surrogate pair as well.

    None of them is empty.

    :param text: what the fragments, joined, have to be. Empty text has no fragments.
    :param max_cuts: how often it may be cut.
    """
    if not text:
        return []
    units = text.encode("utf-16-le", "surrogatepass")
    places = st.integers(1, max(1, len(units) // 2 - 1))
    cuts = [2 * at for at in sorted(draw(st.sets(places, max_size=max_cuts)))]
    whole = [
        units[a:b].decode("utf-16-le", "surrogatepass")
        for a, b in zip([0, *cuts], [*cuts, len(units)], strict=True)
    ]
    return [fragment for fragment in whole if fragment]


def json_objects() -> st.SearchStrategy[dict[str, Any]]:
    """Arguments that a model may write."""
    return st.dictionaries(
        st.sampled_from(["path", "q", "n", "日"]),
        st.none() | st.booleans() | st.integers(-9, 9) | texts() | st.lists(st.integers(0, 3), max_size=2),
        max_size=3,
    )


COUNTER = st.shared(st.builds(itertools.count), key="deltafold.testing.annotations")
"""One for each stream, so that no annotation is there twice: a reader drops what is repeated."""
HOSTED = (
    "web_search_call",
    "mcp_call",
    "code_interpreter_call",
    "shell_call",
    "image_generation_call",
    "hologram_call",
)


class Values(NamedTuple):
    """What the values of a stream are, and how they are cut."""

    texts: st.SearchStrategy[str]
    max_cuts: int

    def cut(self, texts: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[list[str]]:
        """Fragments of one value."""
        return (self.texts if texts is None else texts).flatmap(self.fragments)

    def fragments(self, text: str) -> st.SearchStrategy[list[str]]:
        """Fragments of that value."""
        return fragments(text, self.max_cuts)


Step: TypeAlias = Callable[[StreamBuilder], object]
"""One call of a method of the builder. What is drawn as a list of steps shrinks step by step."""


PLAIN = ("anthropic", "gemini")
"""Dialects without refusals, custom tools and `[DONE]`."""


def choices(dialect: str) -> st.SearchStrategy[int]:
    """The index of a choice. On Chat Completions and of Gemini there may be a second one."""
    return st.just(0) if dialect in ("responses", "anthropic") else st.sampled_from([0, 0, 0, 1])


@st.composite
def messages(draw: st.DrawFn, dialect: str, values: Values) -> list[Step]:
    """A message, of two parts at times."""
    choice = draw(choices(dialect))
    kinds = st.sampled_from(["text", "text", "text", "text" if dialect in PLAIN else "refusal"])
    notes = st.sampled_from([False, dialect != "gemini"])
    counter = draw(COUNTER)
    steps: list[Step] = []
    for kind, said, noted in draw(st.lists(st.tuples(kinds, values.cut(), notes), min_size=1, max_size=2)):
        note = {"type": "url_citation", "url": f"https://a.test/{next(counter)}"}
        more: dict[str, Any] = {"annotations": (note,) if noted else ()} if kind == "text" else {}
        steps.append(methodcaller(kind, *said, more=bool(steps), choice=choice, **more))
    return steps


@st.composite
def reasonings(draw: st.DrawFn, dialect: str, values: Values) -> list[Step]:
    """Summaries, raw reasoning, ciphertext; elsewhere reasoning, with a signature on Anthropic Messages."""
    if dialect == "anthropic":
        return [methodcaller("reasoning", *draw(values.cut()), encrypted=draw(st.sampled_from([None, "Eq"])))]
    if dialect != "responses":
        return [methodcaller("reasoning", *draw(values.cut()), choice=draw(choices(dialect)))]
    steps: list[Step] = [methodcaller("reasoning", encrypted=draw(st.sampled_from([None, "gAAAA"])))]
    for said in draw(st.lists(values.cut(), max_size=2)):
        steps.append(methodcaller("reasoning", *said, more=True))
    for said in draw(st.lists(values.cut(), max_size=1)):
        steps.append(methodcaller("reasoning", *said, raw=True, more=True))
    return steps


@st.composite
def argument_texts(draw: st.DrawFn) -> str:
    """The JSON text of arguments."""
    return json.dumps(draw(json_objects()), ensure_ascii=draw(st.booleans()))


@st.composite
def calls(draw: st.DrawFn, dialect: str, values: Values) -> list[Step]:
    """A call of a function or of a custom tool."""
    custom = dialect not in PLAIN and draw(st.sampled_from([False, False, False, True]))
    said = draw(values.cut(None if custom else argument_texts()))
    return [methodcaller("call", "tool", *said, custom=custom, choice=draw(choices(dialect)))]


@st.composite
def hosted(draw: st.DrawFn, values: Values) -> list[Step]:
    """An item of a hosted tool, or of a type that nobody knows yet."""
    kind = draw(st.sampled_from(HOSTED))
    item: dict[str, Any] = {"type": kind, "status": "completed"}
    events: list[dict[str, Any]]
    said = draw(argument_texts() if kind == "mcp_call" else values.texts)

    def value(base: str, sent: str, **key: int) -> list[dict[str, Any]]:
        pieces = draw(values.fragments(said))
        deltas = [{"type": f"response.{base}.delta", **key, "delta": piece} for piece in pieces]
        return [*deltas, {"type": f"response.{base}.done", **key, sent: joined(pieces)}]

    match kind:
        case "web_search_call":
            item["action"] = {"type": "search", "query": said}
            events = [{"type": f"response.{kind}.{word}"} for word in ("searching", "completed")]
        case "mcp_call":
            item |= {"name": "tool", "server_label": "s", "arguments": said}
            events = value("mcp_call_arguments", "arguments")
        case "code_interpreter_call":
            item["code"] = said
            events = value("code_interpreter_call_code", "code")
        case "shell_call":
            item["action"] = {"commands": [said]}
            events = value("shell_call_command", "command", command_index=0)
        case "image_generation_call":
            item["result"] = "aW1hZ2U="
            preview = {"partial_image_index": 0, "partial_image_b64": "aQ=="}
            events = [
                {"type": "response.image_generation_call.generating"},
                {"type": "response.image_generation_call.partial_image", **preview},
            ]
        case _:
            item["volume"] = {"cells": [1, None, said]}
            events = [{"type": "response.hologram_call.glowing", "level": 3}]
    return [methodcaller("item", item, *events)]


UNKNOWN: list[Step] = [methodcaller("event", {"type": "acme:note", "value": [1, {"a": None}]})]
"""An event that nobody knows yet."""


def items(dialect: str, values: Values) -> st.SearchStrategy[list[Step]]:
    """Anything that a response may hold."""
    # What is simplest stands first: an item that is not wanted shrinks to that, and then away.
    said = st.just(UNKNOWN) | messages(dialect, values) | reasonings(dialect, values) | calls(dialect, values)
    if dialect == "gemini":
        return said | gemini_parts(values)
    if dialect == "anthropic":
        return said | anthropic_blocks(values)
    return said if dialect == "chat" else said | hosted(values)


@st.composite
def anthropic_blocks(draw: st.DrawFn, values: Values) -> list[Step]:
    """A block of Anthropic's that is neither text, thinking nor a call of the caller's tools."""
    said = draw(values.texts)
    result = {"type": "bash_code_execution_result", "stdout": said, "stderr": "", "return_code": 0}
    given = draw(json_objects())
    pieces = draw(values.fragments(json.dumps(given)))
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": given}
    kind = draw(st.integers(0, 5))
    if kind == 0:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        return [methodcaller("item", call, *deltas)]
    blocks: list[dict[str, Any]] = [
        call,
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": result},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "hologram", "cells": [1, None, said], "status": "lit"},
    ]
    return [methodcaller("item", blocks[kind - 1])]


@st.composite
def gemini_parts(draw: st.DrawFn, values: Values) -> list[Step]:
    """A part of Gemini's that is neither text nor a call, be it of a kind that nobody knows yet."""
    said = draw(values.texts)
    part = draw(
        st.sampled_from(
            [
                {"executableCode": {"language": "PYTHON", "code": said}},
                {
                    "codeExecutionResult": {"outcome": "OUTCOME_OK", "output": said},
                    "thoughtSignature": "c2ln",
                },
                {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
                {"hologram": {"cells": [1, None, said]}, "partMetadata": {"id": said}},
            ]
        )
    )
    return [methodcaller("item", part)]


def streams(
    dialect: str | None = None,
    *,
    outcome: Outcome | None = None,
    min_items: int = 0,
    max_items: int = 3,
    text: st.SearchStrategy[str] | None = None,
    max_cuts: int = 3,
    terse: bool = False,
) -> st.SearchStrategy[Stream]:
    """Well-formed streams, with what a client must make of them.

    :param dialect: `"responses"`, `"chat"`, `"anthropic"` or `"gemini"`; None for any of them.
    :param outcome: how the response ends; None for any end that a server tells. `Outcome.TRUNCATED` is a
        stream of which the end is missing.
    :param min_items: how many items there are at least.
    :param max_items: how many items there may be.
    :param text: what texts are; by default `texts()`. None of them may be empty.
    :param max_cuts: how many cuts there may be in the text of a value.
    :param terse: short streams, to be tried at every byte.

    Raises `UsageError` for another dialect, or for `Outcome.CANCELLED`: that is for the caller to do.
    """
    if dialect is not None and dialect not in DIALECTS:
        names = ", ".join(map(repr, DIALECTS))
        raise UsageError(f"there is no dialect {dialect!r} to draw: use {names} or None")
    if outcome is Outcome.CANCELLED:
        raise UsageError("no server cancels a stream: call ResponseParser.cancel()")
    dialects = st.sampled_from(DIALECTS) if dialect is None else st.just(dialect)
    outcomes = st.sampled_from(TOLD) if outcome is None else st.just(outcome)
    sizes = min_items, max_items
    values = Values(texts() if text is None else text, max_cuts)
    return drawn_streams(dialects, outcomes, sizes, values, terse)


TOLD = (Outcome.COMPLETED, Outcome.COMPLETED, Outcome.INCOMPLETE, Outcome.FAILED)


@st.composite
def drawn_streams(
    draw: st.DrawFn,
    dialects: st.SearchStrategy[str],
    outcomes: st.SearchStrategy[Outcome],
    sizes: tuple[int, int],
    values: Values,
    terse: bool,
) -> Stream:
    """What `streams()` promises."""
    dialect = draw(dialects)
    chat = dialect == "chat"
    said = draw(st.lists(items(dialect, values), min_size=sizes[0], max_size=sizes[1]))
    # Drawn also where there is nothing to weave, so that leaving an item out changes nothing of what follows.
    order = draw(st.just([]) | st.lists(st.integers(0, max(0, sizes[1] - 1)), max_size=12))
    builder = StreamBuilder(
        dialect,
        order=order,
        terse=terse,
        named=not terse and draw(st.booleans()),
        done=draw(st.booleans()) != chat and dialect not in PLAIN,
        newline=draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])),
        space=draw(st.sampled_from([b" ", b""])),
    )
    for steps in said:
        for step in steps:
            step(builder)
    outcome = draw(outcomes)
    usage = draw(st.sampled_from([(9, 5), None]))
    if outcome is Outcome.COMPLETED:
        return builder.completed(usage=usage)
    if outcome is Outcome.INCOMPLETE:
        return builder.incomplete(draw(st.sampled_from(["max_output_tokens", "content_filter"])), usage=usage)
    if outcome is Outcome.FAILED:
        return builder.failed(bare=dialect == "responses" and draw(st.booleans()))
    return builder.truncated()


# ------------------------------------------------------------------------------ what happens on their way


def chunkings(body: bytes, max_cuts: int = 8) -> st.SearchStrategy[list[bytes]]:
    """A body as a transport may cut it: whole, in two, anywhere, byte by byte, with empty chunks as well.

    :param max_cuts: how many cuts there may be where it is not cut byte by byte.
    """

    def cut(places: list[int]) -> list[bytes]:
        ends = [*sorted(places), len(body)]
        return [body[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    places = st.lists(st.integers(0, len(body)), max_size=max_cuts)
    return places.map(cut) | st.builds(byte_by_byte, st.just(body))


@st.composite
def orderings(draw: st.DrawFn, stream: Stream) -> Stream:
    """The events of a stream, one of them missing, doubled or late, or all rotated, shuffled, or mixed with
    those of another stream of its dialect.
    """
    payloads = list(stream.payloads)
    if not payloads:
        return stream
    at = draw(st.integers(0, len(payloads) - 1))
    match draw(st.sampled_from(["drop", "double", "swap", "rotate", "shuffle", "mix"])):
        case "drop":
            del payloads[at]
        case "double":
            payloads.insert(draw(st.integers(at, len(payloads))), payloads[at])
        case "swap":
            payloads[at : at + 2] = payloads[at : at + 2][::-1]
        case "rotate":
            payloads = payloads[at:] + payloads[:at]
        case "shuffle":
            payloads = draw(st.permutations(payloads))
        case _:
            for payload in draw(streams(stream.dialect)).payloads:
                at = draw(st.integers(at, len(payloads)))
                payloads.insert(at, payload)
    return stream.saying(payloads)


@st.composite
def gluings(draw: st.DrawFn, stream: Stream) -> Stream:
    """A stream with two events that came as one: one payload behind the other, or behind a part of it.

    So gateways make them that lose a line break, or a piece of the body.
    """
    payloads = list(stream.payloads)
    if len(payloads) < 2:
        return stream
    at = draw(st.integers(0, len(payloads) - 2))
    first, second = (
        payload if isinstance(payload, bytes) else json_bytes(payload) for payload in payloads[at : at + 2]
    )
    between = draw(st.sampled_from([b"", b" ", b"data: "]))
    size = draw(st.just(len(first)) | st.integers(1, max(1, len(first))))
    payloads[at : at + 2] = [first[:size] + between + second]
    return stream.saying(payloads)


@st.composite
def mistypings(draw: st.DrawFn, stream: Stream, max_places: int = 3) -> Stream:
    """A stream some of whose values, anywhere in its payloads, have another type.

    :param max_places: how many values may have one; it is one at least.
    """
    payloads = list(stream.payloads)
    for _ in range(draw(st.integers(1, max_places)) if payloads else 0):
        at = draw(st.integers(0, len(payloads) - 1))
        payload = payloads[at]
        if isinstance(payload, Mapping):
            path = draw(st.sampled_from(list(json_paths(payload))))
            payloads[at] = mistyped(payload, path, draw(st.sampled_from(WRONG_VALUES)))
    return stream.saying(payloads)


@st.composite
def corruptions(draw: st.DrawFn, body: bytes, max_places: int = 4) -> bytes:
    """A body some of whose bytes are others, are missing, or come beside it.

    :param max_places: how many bytes; it is one at least.
    """
    damaged = bytearray(body)
    for _ in range(draw(st.integers(1, max_places))):
        at = draw(st.integers(0, len(damaged)))
        byte = draw(st.sampled_from(b'\n\r"\\{}[]:, \0\x80\xc3\xed\xff') | st.integers(0, 255))
        match draw(st.sampled_from(["replace", "delete", "insert"])):
            case "replace":
                damaged[at : at + 1] = [byte]
            case "delete":
                del damaged[at : at + 1]
            case _:
                damaged.insert(at, byte)
    return bytes(damaged)


def truncations(body: bytes) -> st.SearchStrategy[bytes]:
    """A body that ends too early, at any byte."""
    return st.integers(0, len(body)).map(lambda size: body[:size])


@st.composite
def heartbeats(draw: st.DrawFn, stream: Stream) -> bytes:
    """The body of a stream with signs of life between some of its events, before them and behind them.

    A client must make of it what it makes of the stream.
    """
    frames = stream.frames()
    beat = draw(st.sampled_from(HEARTBEATS))
    for at in sorted(draw(st.sets(st.integers(0, len(frames)), min_size=1)), reverse=True):
        frames.insert(at, beat)
    return b"".join(frames)


def garbage(max_size: int = 60) -> st.SearchStrategy[bytes]:
    """Bodies that are no stream: errors, pages, any bytes, and what is made of the tokens of streams.

    :param max_size: how many bytes, or tokens, there may be where they are any.
    """
    tokens = [b"data: ", b"\n", b"\r", b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"null", b"1e9", b" "]
    names = [b'"type"', b'"response.created"', b'"choices"', b"event: ", b"[DONE]"]
    made = st.lists(st.sampled_from(tokens + names), max_size=max_size).map(b"".join)
    return st.sampled_from(NO_STREAMS) | st.binary(max_size=max_size) | made


@st.composite
def damaged_bodies(draw: st.DrawFn, dialect: str | None = None) -> Body:
    """Anything that may come in place of a stream: a stream to which one thing has happened or all, garbage.

    :param dialect: as in `streams()`, which also says what is raised.
    """
    stream = draw(streams(dialect))
    match draw(st.sampled_from(["cut", "order", "type", "byte", "glue", "all", "heartbeat", "garbage"])):
        case "cut":
            body = draw(truncations(stream.body))
        case "order":
            body = draw(orderings(stream)).body
        case "type":
            body = draw(mistypings(stream)).body
        case "byte":
            body = draw(corruptions(stream.body))
        case "glue":
            body = draw(gluings(stream)).body
        case "all":
            for damage in (orderings, mistypings, gluings):
                stream = draw(damage(stream))
            body = draw(corruptions(draw(heartbeats(stream))))
        case "heartbeat":
            body = draw(heartbeats(stream))
        case _:
            body = draw(garbage())
    return Body(stream.dialect, body)


def any_body(dialect: str | None = None) -> st.SearchStrategy[Body]:
    """Streams as they should be, and `damaged_bodies()`.

    :param dialect: as in `streams()`, which also says what is raised.
    """
    sound = streams(dialect).map(lambda stream: Body(stream.dialect, stream.body))
    return sound | damaged_bodies(dialect)
