"""Law 7: work grows linearly with the input, whatever there is many of, in one payload or in many.

Work is what the interpreter does: each instruction of the library counts, so that a loop in a comprehension
shows as well as one of calls.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any

import pytest

import deltafold
from deltafold import ResponseParser
from deltafold.model.errors import LimitExceeded

HERE = str(Path(deltafold.__file__).parent)
JSON = dict[str, Any]
Shape = Callable[[int], list[Any]]

pytestmark = pytest.mark.skipif(
    not str(sys.modules["deltafold.model.errors"].__file__).endswith(".py"),
    reason="compiled code has no frames",
)


def work(call: Callable[[], Any]) -> int:
    """How many instructions of the library a call takes."""
    count = 0

    def local(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return local

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def response(**more: Any) -> JSON:
    return {"id": "r", "model": "m", "status": "in_progress", "output": [], **more}


def said(kind: str, **more: Any) -> JSON:
    return {"type": f"response.{kind}", "response": response(**more)}


def added(index: int = 0, kind: str = "message", **more: Any) -> JSON:
    item = {"id": f"i{index}", "type": kind, **more}
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int = 0, kind: str = "message", **more: Any) -> JSON:
    return {**added(index, kind, **more), "type": "response.output_item.done"}


def of_item(kind: str, index: int = 0, **more: Any) -> JSON:
    return {"type": f"response.{kind}", "output_index": index, "item_id": f"i{index}", **more}


def text(index: int = 0, part: int = 0, **more: Any) -> JSON:
    return of_item("output_text.delta", index, content_index=part, delta="x", **more)


def part(index: int, **more: Any) -> JSON:
    told = {"type": "output_text", "text": "", "annotations": [], **more}
    return of_item("content_part.added", content_index=index, part=told)


def annotation(index: int) -> JSON:
    return of_item("output_text.annotation.added", content_index=0, annotation={"a": index})


def chunk(delta: JSON, **more: Any) -> JSON:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, **more}]}


def call(index: int, **more: Any) -> JSON:
    return {"index": index, "id": f"c{index}", "function": {"name": "f", "arguments": "{}"}, **more}


def block(index: int, kind: str = "text", **more: Any) -> list[JSON]:
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": kind, **more}},
        {"type": "content_block_stop", "index": index},
    ]


def candidate(*parts: JSON, **more: Any) -> JSON:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": list(parts)}, **more}]}


BEGIN: JSON = {
    "type": "message_start",
    "message": {"id": "m", "role": "assistant", "content": [], "usage": {}},
}
SHAPES: dict[str, dict[str, Shape]] = {
    "responses": {
        "items": lambda n: [said("created"), *(x for i in range(n) for x in (added(i), done(i)))],
        "items in the end": lambda n: [
            said("completed", status="completed", output=[added(i)["item"] for i in range(n)])
        ],
        "items of no known type": lambda n: [
            said("created"),
            *(x for i in range(n) for x in (added(i, "hologram"), text(i))),
        ],
        "items without an index": lambda n: [
            said("created"),
            *(x for i in range(n) for x in (added(i), {**text(i), "output_index": None, "item_id": None})),
        ],
        "parts": lambda n: [said("created"), added(), *(x for i in range(n) for x in (part(i), text(0, i)))],
        "parts in one item": lambda n: [said("created"), done(content=[{}] * n)],
        "annotations": lambda n: [said("created"), added(), part(0), *map(annotation, range(n))],
        "annotations against a told list": lambda n: [
            said("created"),
            added(),
            part(0, annotations=[{"b": i} for i in range(n)]),
            *map(annotation, range(n)),
        ],
        "announcements of an item": lambda n: [
            said("created"),
            added(),
            *(added(0, "message", **{f"k{i}": 1}) for i in range(16 * n)),
        ],
        "an index used again": lambda n: [
            said("created"),
            *({**added(i), "output_index": 0} for i in range(n)),
        ],
        "ids of items": lambda n: [
            said("created"),
            added(),
            *({**text(), "item_id": f"z{i}"} for i in range(n)),
        ],
        "fields of the response": lambda n: [
            said("created"),
            *(said("in_progress", **{f"k{i}": 1}) for i in range(n)),
        ],
        "late types": lambda n: [
            said("created"),
            said("completed", status="completed"),
            *({"type": f"k{i}"} for i in range(n)),
        ],
        "unknown types": lambda n: [said("created"), *({"type": f"x.{i}"} for i in range(n))],
        "calls": lambda n: [
            said("created"),
            *(done(i, "function_call", call_id=f"c{i}", name="f", arguments="{}") for i in range(n)),
        ],
        "progress": lambda n: [
            said("created"),
            added(0, "web_search_call"),
            *[of_item("web_search_call.searching")] * n,
        ],
        "log probabilities": lambda n: [said("created"), added(), *[text(logprobs=[{"token": "x"}])] * n],
    },
    "chat": {
        "calls": lambda n: [
            *(chunk({"tool_calls": [call(i)]}) for i in range(n)),
            chunk({}, finish_reason="stop"),
        ],
        "calls in one chunk": lambda n: [chunk({"tool_calls": [call(i) for i in range(n)]})],
        "calls without a name": lambda n: [chunk({"tool_calls": [{"index": i}]}) for i in range(n)],
        "calls by turns": lambda n: [
            chunk({"tool_calls": [call(i) for i in range(n)]}),
            *(chunk({"tool_calls": [{"index": i, "function": {"arguments": " "}}]}) for i in range(n)),
        ],
        "choices": lambda n: [{"choices": [{"index": i, "delta": {"content": "a"}}]} for i in range(n)],
        "choices in one chunk": lambda n: [
            {"choices": [{"index": i, "delta": {"content": "a"}} for i in range(n)]}
        ],
        "parts": lambda n: [chunk({"content": [{"type": "x", "a": i} for i in range(n)]})],
        "details": lambda n: [
            chunk({"reasoning_details": [{"type": "reasoning.text", "index": i, "text": "a"}]})
            for i in range(n)
        ],
        "details in one chunk": lambda n: [
            chunk({"reasoning_details": [{"type": "reasoning.text", "text": "a"} for _ in range(n)]})
        ],
        "fields of the delta": lambda n: [chunk({f"k{i}": 1}) for i in range(n)],
        "fields of the choice": lambda n: [chunk({}, **{f"k{i}": 1}) for i in range(n)],
        "fields of the chunk": lambda n: [{**chunk({}), f"k{i}": 1} for i in range(n)],
        "usage": lambda n: [{"choices": [], "usage": {f"k{i}": 1}} for i in range(n)],
        "annotations": lambda n: [
            chunk({"content": "a", "annotations": [{"type": "url_citation", "url": str(i)}]})
            for i in range(n)
        ],
        "log probabilities": lambda n: [chunk({}, logprobs={"refusal": [{"token": "a"}]}) for _ in range(n)],
    },
    "anthropic": {
        "blocks": lambda n: [BEGIN, *(x for i in range(n) for x in block(i, text="a"))],
        "calls": lambda n: [
            BEGIN,
            *(x for i in range(n) for x in block(i, "tool_use", id=f"t{i}", name="f", input={})),
        ],
        "blocks at the beginning": lambda n: [
            {
                "type": "message_start",
                "message": {"id": "m", "content": [{"type": "text", "text": "a"}] * n, "usage": {}},
            }
        ],
        "unknown types": lambda n: [BEGIN, *({"type": f"x.{i}"} for i in range(n))],
    },
    "gemini": {
        "parts": lambda n: [candidate({"text": "a"}) for _ in range(n)],
        "parts in one chunk": lambda n: [candidate(*[{"text": "a"}, {"text": "b", "thought": True}] * n)],
        "calls": lambda n: [candidate({"functionCall": {"name": "f", "args": {"a": i}}}) for i in range(n)],
        "calls in one chunk": lambda n: [
            candidate(*({"functionCall": {"name": "f", "args": {"a": i}}} for i in range(n)))
        ],
        "candidates": lambda n: [
            {"candidates": [{"index": i, "content": {"parts": [{"text": "a"}]}}]} for i in range(n)
        ],
    },
}


def frames(payloads: list[JSON]) -> list[bytes]:
    return [b"data: " + json.dumps(told).encode() + b"\n\n" for told in payloads]


def in_one_event(payloads: list[JSON]) -> list[bytes]:
    return [b"data: " + b"".join(json.dumps(told).encode() for told in payloads) + b"\n\n"]


WAYS: dict[str, Callable[[list[JSON]], list[bytes]]] = {
    "one by one": frames,
    "at once": lambda payloads: [b"".join(frames(payloads))],
    "in one event": in_one_event,
}


def play(dialect: str, chunks: list[bytes]) -> None:
    parser = ResponseParser(dialect)
    try:
        for data in chunks:
            parser.feed(data)
            for _ in parser.events():
                pass
        parser.close()
        for _ in parser.events():
            pass
    except LimitExceeded:
        pass


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("dialect", "what"), [(dialect, what) for dialect in SHAPES for what in SHAPES[dialect]]
)
def test_law_7_linear(dialect: str, what: str, way: str) -> None:
    """Twice as many take twice the work: the increments say so, without what a stream costs by itself."""
    make, cut = SHAPES[dialect][what], WAYS[way]
    play(dialect, cut(make(24)))  # what is imported or compiled at first use is no work of the stream's
    small, middle, large = (work(lambda size=size: play(dialect, cut(make(size)))) for size in (24, 48, 96))
    assert large - middle <= 2.3 * (middle - small)


@pytest.mark.parametrize("blank", [b" ", b"\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"["])
def test_white_space_before_a_body(start: bytes, blank: bytes) -> None:
    """What is held until the body shows what it is is not looked at again at each byte."""

    def seconds(count: int) -> float:
        parser = ResponseParser()
        parser.feed(start)
        before = process_time()
        for _ in range(count):
            parser.feed(blank)
            assert parser.next_event() is None
        assert parser.bytes_fed == count + len(start)
        return process_time() - before

    assert min(seconds(40_000) for _ in range(2)) < 9 * min(seconds(10_000) for _ in range(3))  # a square: 16


def test_bytes_of_connections_that_were_not_read() -> None:
    """They are counted when they are fed."""
    parser = ResponseParser("responses")
    parser.reconnect()
    for count in range(1, 200):
        parser.feed(b"da")
        assert parser.bytes_fed == 2 * count
    assert ResponseParser.resume(parser.snapshot()).bytes_fed == parser.bytes_fed
    assert work(lambda: parser.bytes_fed) < 100
    parser.close()
    assert list(parser.events())
    assert parser.bytes_fed == 398
