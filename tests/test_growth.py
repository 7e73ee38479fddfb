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
from deltafold import DisplayView, ResponseParser, StreamEncoder
from deltafold.model.errors import LimitExceeded
from deltafold.model.events import CommandDelta, RefusalDelta, TextDelta
from deltafold.registry import DIALECTS
from runs import THOROUGH

HERE = str(Path(deltafold.__file__).parent)
JSON = dict[str, Any]
Shape = Callable[[int], list[Any]]

pytestmark = pytest.mark.skipif(
    deltafold.COMPILED,
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


def delta(kind: str, index: int, **more: Any) -> JSON:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def piece(path: str, **value: Any) -> JSON:
    return {"functionCall": {"partialArgs": [{"jsonPath": path, **value}], "willContinue": True}}


def candidate(*parts: JSON, **more: Any) -> JSON:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": list(parts)}, **more}]}


def ended(kind: str, **more: Any) -> JSON:
    return of_item(f"{kind}.done", **more)


def arguments(fragment: str, index: int = 0) -> JSON:
    return of_item("function_call_arguments.delta", index, delta=fragment)


def fragment(arguments: str, index: int = 0) -> JSON:
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})


def named(arguments: str, index: int = 0) -> JSON:
    return chunk({"tool_calls": [{**call(index), "function": {"name": "f", "arguments": arguments}}]})


ONE_PART: JSON = {"content": [{"type": "output_text", "text": "a"}]}
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
        "parts without an index": lambda n: [
            said("created"),
            added(),
            *({**part(i), "content_index": None} for i in range(n)),
            *({**text(), "content_index": None} for i in range(n)),
        ],
        "ends without an index": lambda n: [
            said("created"),
            added(),
            *(x for i in range(n) for x in (part(i), {**part(i), "type": "response.content_part.done"})),
            *(of_item("output_text.done", text="x") for _ in range(n)),
        ],
        "commands": lambda n: [
            said("created"),
            added(0, "shell_call"),
            *(of_item("shell_call_command.delta", command_index=i, delta="x") for i in range(n)),
        ],
        "announcements with one part of many": lambda n: [
            said("created"),
            added(),
            *(part(i) for i in range(n)),
            *(added(0, "message", k=i, **ONE_PART) for i in range(2 * n)),
        ],
        "ends without an index or id": lambda n: [
            said("created"),
            *(added(i) for i in range(n)),
            *({"type": "response.output_item.done", "item": {"type": "message"}} for _ in range(n)),
        ],
        "types that become known late": lambda n: [
            said("created"),
            *({**added(i), "item": {"id": f"i{i}"}} for i in range(n)),
            *(
                x
                for i in range(n)
                for x in (arguments("{", i), {**arguments("1"), "output_index": None, "item_id": None})
            ),
        ],
        "annotations with indexes that fall": lambda n: [
            said("created"),
            added(),
            part(0),
            *(
                x
                for i in range(n)
                for x in ({**annotation(i), "annotation_index": n - i}, annotation(-i - 1))
            ),
        ],
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
        "members of an object in the delta": lambda n: [chunk({"extra": {f"k{i}": 1}}) for i in range(n)],
        "counts in one object": lambda n: [
            {"choices": [], "usage": {"details": {f"k{i}": 1}}} for i in range(n)
        ],
        "fields of a call": lambda n: [
            chunk({"tool_calls": [call(0)]}),
            *(chunk({"tool_calls": [{"index": 0, f"k{i}": 1}]}) for i in range(n)),
        ],
        "signatures": lambda n: [
            chunk({"content": "a", "thinking_blocks": [{"signature": str(i)}]}) for i in range(n)
        ],
        "members of audio": lambda n: [chunk({"audio": {f"k{i}": 1}}) for i in range(n)],
        "images": lambda n: [chunk({"images": [{"index": i, "a": 1}]}) for i in range(n)],
        "think tags": lambda n: [chunk({"content": "<think>a</think>b" * n})],
        "messages": lambda n: [
            {"choices": [{"index": 0, "message": {"content": "x" * i}}]} for i in range(n)
        ],
        "ids of one call": lambda n: [
            chunk({"tool_calls": [call(0)]}),
            *(chunk({"tool_calls": [{"index": 0, "id": f"x{i}"}]}) for i in range(n)),
        ],
        "arguments that begin again": lambda n: [
            chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}),
            *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"'}}]}) for i in range(n)),
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
        "blocks open at once": lambda n: [
            BEGIN,
            *(block(i, text="")[0] for i in range(n)),
            *(delta("text_delta", i, text="a") for i in range(n)),
        ],
        "an index used again": lambda n: [BEGIN, *(block(0, text="a")[0] for _ in range(n))],
        "blocks that never began": lambda n: [BEGIN, *(delta("text_delta", i, text="a") for i in range(n))],
        "deltas that fit no block": lambda n: [
            BEGIN,
            block(0, "tool_use", id="t", name="f", input={})[0],
            *(delta("text_delta", 0, text="a") for i in range(n)),
        ],
        "deltas of no known type": lambda n: [
            BEGIN,
            block(0, "hologram")[0],
            *(delta(f"x{i}_delta", 0, x=i) for i in range(n)),
        ],
        "citations": lambda n: [
            BEGIN,
            block(0, text="")[0],
            *(delta("citations_delta", 0, citation={"cited_text": str(i)}) for i in range(n)),
        ],
        "citations in a block": lambda n: [
            BEGIN,
            *block(0, text="a", citations=[{"a": i} for i in range(n)]),
        ],
        "signatures": lambda n: [
            BEGIN,
            block(0, "thinking", thinking="")[0],
            *(delta("signature_delta", 0, signature=str(i)) for i in range(n)),
        ],
        "signatures of a block that ended": lambda n: [
            BEGIN,
            *block(0, "thinking", thinking="x" * n),
            *(delta("signature_delta", 0, signature=str(i)) for i in range(n)),
        ],
        "members of a block": lambda n: [
            BEGIN,
            *block(0, "hologram", **{f"k{i}": i for i in range(n)}),
            *(delta("text_delta", 0, text="x") for _ in range(n)),
        ],
        "members of compaction": lambda n: [
            BEGIN,
            block(0, "compaction", content=None)[0],
            *(delta("compaction_delta", 0, **{f"k{i}": i}) for i in range(n)),
        ],
        "members of message_delta": lambda n: [
            BEGIN,
            *({"type": "message_delta", "delta": {f"k{i}": 1}, "usage": {}} for i in range(n)),
        ],
        "usage": lambda n: [
            BEGIN,
            *({"type": "message_delta", "delta": {}, "usage": {f"k{i}": 1}} for i in range(n)),
        ],
        "announcements": lambda n: [BEGIN, *({**BEGIN, f"k{i}": i} for i in range(n))],
        "results in a block": lambda n: [
            BEGIN,
            *block(0, "web_search_tool_result", tool_use_id="t", content=[{"type": "x"}] * (4 * n)),
        ],
        "arguments by turns": lambda n: [
            BEGIN,
            *(block(i, "tool_use", id=f"t{i}", name="f", input={})[0] for i in range(n)),
            *(delta("input_json_delta", i, partial_json=" ") for i in range(n)),
        ],
        "a whole message": lambda n: [
            {**BEGIN["message"], "type": "message", "content": [{"type": "text", "text": "a"}] * n}
        ],
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
        "candidates in one chunk": lambda n: [
            {"candidates": [{"index": i, "content": {"parts": [{"text": "a"}]}} for i in range(n)]}
        ],
        "signed parts": lambda n: [candidate({"text": "a", "thoughtSignature": str(i)}) for i in range(n)],
        "parts of another kind": lambda n: [candidate({"inlineData": {"data": "QQ=="}}) for _ in range(n)],
        "members of parts": lambda n: [candidate({"text": "a", f"k{i}": 1}) for i in range(n)],
        "members of the response": lambda n: [{**candidate({"text": "a"}), f"k{i}": 1} for i in range(n)],
        "members of the candidate": lambda n: [candidate({"text": "a"}, **{f"k{i}": 1}) for i in range(n)],
        "members of the content": lambda n: [
            {"candidates": [{"index": 0, "content": {"role": "model", f"k{i}": 1, "parts": [{"text": "a"}]}}]}
            for i in range(n)
        ],
        "members of a call": lambda n: [
            candidate({"functionCall": {"name": "f", "args": {}, "id": "c"}, f"k{i}": 1}) for i in range(n)
        ],
        "members of an open call": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate({"functionCall": {"willContinue": True}, f"k{i}": 1}) for i in range(n)),
        ],
        "a call that is told again": lambda n: [
            candidate({"functionCall": {"name": "f", "args": {"a": i}, "id": "c"}}) for i in range(n)
        ],
        "ids of a call": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate({"functionCall": {"id": f"c{i}", "willContinue": True}}) for i in range(n)),
        ],
        "pieces of arguments": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate(piece(f"$.k{i}", numberValue=i)) for i in range(n)),
        ],
        "pieces of arguments in one chunk": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            candidate(*(piece(f"$.k[{i}]", numberValue=i) for i in range(n))),
        ],
        "pieces of a string": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate(piece("$.k", stringValue="a", willContinue=True)) for _ in range(n)),
        ],
        "pieces that open and close": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate(piece(f"$.l[{i}].a.b[0].c", stringValue="a")) for i in range(n)),
        ],
        "pieces far inside": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate(piece(f"${'.a' * 40}.k{i}", stringValue="a")) for i in range(n)),
        ],
        "pieces that come again": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate(piece(f"$.k{i % 2}", stringValue="a")) for i in range(n)),
        ],
        "pieces without a place": lambda n: [
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
            *(candidate(piece(f"..{i}", stringValue="a")) for i in range(n)),
        ],
        "citations": lambda n: [
            candidate({"text": "a"}, citationMetadata={"citations": [{"uri": str(i)}]}) for i in range(n)
        ],
        "citations told again and again": lambda n: [
            candidate({"text": "a"}, citationMetadata={"citations": [{"uri": "u"}]}) for _ in range(n)
        ],
        "grounding": lambda n: [
            candidate({"text": "a"}, groundingMetadata={f"k{i}": ["x"]}) for i in range(n)
        ],
        "log probabilities": lambda n: [
            candidate({"text": "a"}, logprobsResult={"chosenCandidates": [{"token": "a"}]}) for _ in range(n)
        ],
        "usage": lambda n: [
            {**candidate({"text": "a"}), "usageMetadata": {"promptTokenCount": 1, f"k{i}": 1}}
            for i in range(n)
        ],
        "usage without counts": lambda n: [{"usageMetadata": {f"k{i}": 1}} for i in range(4 * n)],
        "usage of many members": lambda n: [
            candidate({"text": "a"}),
            *({"usageMetadata": {f"k{i}": j for i in range(66)}} for j in range(n)),
        ],
        "finish reasons": lambda n: [candidate({"text": "a"}, finishReason=f"F{i}") for i in range(n)],
        "response ids": lambda n: [{**candidate({"text": "a"}), "responseId": str(i)} for i in range(n)],
        "errors": lambda n: [candidate({"text": "a"}), *[{"error": {"code": 503, "message": "x"}}] * n],
        "calls without a name": lambda n: [candidate({"functionCall": {"args": {}}}) for _ in range(n)],
    },
}


def frames(payloads: list[JSON]) -> list[bytes]:
    return [b"data: " + json.dumps(told).encode() + b"\n\n" for told in payloads]


def in_one_event(payloads: list[JSON]) -> list[bytes]:
    return [b"data: " + b"".join(json.dumps(told).encode() for told in payloads) + b"\n\n"]


ALL = [(dialect, what) for dialect in SHAPES for what in SHAPES[dialect]]

WAYS: dict[str, Callable[[list[JSON]], list[Any]]] = {
    "one by one": frames,
    "at once": lambda payloads: [b"".join(frames(payloads))],
    "in one event": in_one_event,
    "by payload": lambda payloads: payloads,
}


def play(dialect: str, chunks: list[Any]) -> None:
    parser = ResponseParser(dialect)
    try:
        for data in chunks:
            if isinstance(data, bytes):
                parser.feed(data)
            else:
                parser.feed_payload(data)
            for _ in parser.events():
                pass
        parser.close()
        for _ in parser.events():
            pass
    except LimitExceeded:
        pass


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("dialect", "what"), ALL)
def test_law_7_linear(dialect: str, what: str, way: str) -> None:
    """Twice as many take twice the work: the increments say so, without what a stream costs by itself.

    (The 64 fragments that are joined once stand in the smaller increment, or they would count for growth.)
    """
    make, cut = SHAPES[dialect][what], WAYS[way]
    play(dialect, cut(make(24)))  # what is imported or compiled at first use is no work of the stream's
    small, middle, large = (work(lambda size=size: play(dialect, cut(make(size)))) for size in (32, 64, 128))
    assert large - middle <= 2.3 * (middle - small)


WRITTEN = [
    (dialect, what, target)
    for number, (dialect, what) in enumerate(ALL)
    for target in (DIALECTS if THOROUGH else DIALECTS[number % 4 : number % 4 + 1])
]
"""Every shape on every wire; in a short run each on one of them."""


@pytest.mark.parametrize(("dialect", "what", "target"), WRITTEN)
def test_writing_is_linear(dialect: str, what: str, target: str) -> None:
    """What an encoder does and what it writes grow with the events that it is given."""

    def events_of(size: int) -> list[Any]:
        parser, found = ResponseParser(dialect), []
        try:
            for data in frames(SHAPES[dialect][what](size)):
                parser.feed(data)
                found += parser.events()
            parser.close()
            found += parser.events()
        except LimitExceeded:
            pass
        return found

    def write(events: list[Any]) -> int:
        encoder = StreamEncoder(target)
        return sum(len(encoder.encode(event)) for event in events)

    several = [events_of(size) for size in (24, 48, 96)]
    write(several[0])
    small, middle, large = (work(lambda events=events: write(events)) for events in several)
    assert large - middle <= 2.3 * (middle - small) + 200
    small, middle, large = map(write, several)
    assert large - middle <= 2.3 * (middle - small) + 200


def y(count: int) -> str:
    return "y" * (3000 * count)


BESIDE_MUCH: dict[str, tuple[int, Shape]] = {
    "responses: empty ends of a long text": (
        300,
        lambda n: [
            said("created"),
            added(),
            {**text(), "delta": y(n)},
            *(x for _ in range(n) for x in (text(), ended("output_text", content_index=0, text=""))),
        ],
    ),
    "responses: ends of a text that went on": (
        300,
        lambda n: [
            said("created"),
            added(),
            *(text(), ended("output_text", content_index=0, text="x"), {**text(), "delta": y(n)}),
            *(x for _ in range(n) for x in (text(), ended("output_text", content_index=0, text="x"))),
        ],
    ),
    "responses: {} after long arguments": (
        100,
        lambda n: [
            said("created"),
            added(0, "function_call", call_id="c", name="f", arguments=""),
            arguments('{"a":"' + y(n)),
            *[
                x
                for _ in range(n)
                for x in (arguments("x"), ended("function_call_arguments", arguments="{}"))
            ],
        ],
    ),
    "responses: arguments that go on after their end": (
        300,
        lambda n: [
            said("created"),
            added(0, "function_call", call_id="c", name="f", arguments=""),
            arguments('{"a":"' + y(n)),
            ended("function_call_arguments", arguments='{"a":"' + y(n)),
            *[arguments("x")] * n,
        ],
    ),
    "responses: {} after blanks": (
        100,
        lambda n: [
            said("created"),
            added(0, "function_call", call_id="c", name="f", arguments=""),
            arguments(" " * len(y(n)) + '{"a":1'),
            *[ended("function_call_arguments", arguments="{}")] * n,
        ],
    ),
    "responses: a part with many members that ends again": (
        300,
        lambda n: [
            said("created"),
            added(),
            part(0, **{f"k{i}": i for i in range(n)}),
            *(ended("content_part", content_index=0, part={"type": "output_text", "k": i}) for i in range(n)),
        ],
    ),
    "responses: an item with many parts that ends again": (
        60,
        lambda n: [
            said("created"),
            done(content=[{"type": "output_text", "text": "a", "k": i} for i in range(2 * n)]),
            *(done(k=i) for i in range(n)),
            *(done(k=i, **ONE_PART) for i in range(n)),
        ],
    ),
    "responses: snapshots of one item of many": (
        100,
        lambda n: [
            said("created"),
            *(added(i) for i in range(n)),
            *(said("in_progress", output=[{"type": "message", "status": str(i)}]) for i in range(n)),
            *(said("in_progress", output=[{"type": "message", "id": "i0", "k": i}]) for i in range(n)),
        ],
    ),
    "responses: failures with one item of many": (
        200,
        lambda n: [
            said("created"),
            *(done(i) for i in range(n)),
            *[said("failed", status="failed", output=[{"type": "message"}])] * n,
        ],
    ),
    "chat: arguments that may begin again": (
        400,
        lambda n: [named('{"a":"' + y(n) + '"}'), *(x for _ in range(n) for x in map(fragment, ("}", "{}")))],
    ),
    "chat: arguments under indexes where none began": (
        400,
        lambda n: [named('{"a":"' + y(n)), *(fragment("1}", i + 1) for i in range(n))],
    ),
    "chat: a name in pieces": (
        1500,
        lambda n: [
            chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": f"{i:020}"}}]})
            for i in range(n)
        ],
    ),
    "chat: messages with {}": (
        100,
        lambda n: [
            named('{"a":"' + y(n) + '"}'),
            *[{"choices": [{"index": 0, "message": {"tool_calls": [call(0)]}}]}] * n,
        ],
    ),
    "chat: counts that lie deep": (
        400,
        lambda n: [{"choices": [], "usage": {"a": {"b": {f"k{i}": 1}}}} for i in range(n)],
    ),
    "chat: a list among the counts": (
        400,
        lambda n: [
            {"choices": [], "usage": {"a": [1] * (4 * n)}},
            *({"choices": [], "usage": {"k": i}} for i in range(n)),
        ],
    ),
    "chat: a list in the audio": (
        400,
        lambda n: [
            chunk({"audio": {"id": [1] * (4 * n)}}),
            *(chunk({"audio": {"expires_at": i}}) for i in range(n)),
        ],
    ),
    "gemini: calls that come again in pieces without a place": (
        100,
        lambda n: [
            candidate({"functionCall": {"id": "c", "name": "f", "args": {"a": y(n)}}}),
            *[candidate({"functionCall": {"id": "c", "partialArgs": [5]}})] * n,
        ],
    ),
}
"""Small events beside much that is known: how many, and what they are."""


def seconds_of(dialect: str, payloads: list[JSON], target: str = "") -> float:
    """CPU time of a stream, of what a display shows of it, and of its encoding if there is a target."""
    chunks = frames(payloads)
    parser, view = ResponseParser(dialect), DisplayView("r")
    encoder = StreamEncoder(target) if target else None
    before = process_time()
    for data in chunks:
        parser.feed(data)
        for event in parser.events():
            view.apply(event)
            if encoder is not None:
                encoder.encode(event)
    return process_time() - before


@pytest.mark.parametrize("what", BESIDE_MUCH)
def test_small_events_beside_much(what: str) -> None:
    """To copy all that is known, or to search in it, is one instruction: what it costs shows in the time."""
    count, make = BESIDE_MUCH[what]
    dialect = what.partition(":")[0]
    small, large = make(count), make(4 * count)
    seconds_of(dialect, small)
    once = min(seconds_of(dialect, small) for _ in range(3))
    assert min(seconds_of(dialect, large) for _ in range(2)) < 9 * once  # a square: 16


def test_voices_of_an_item_in_a_display() -> None:
    """The message of a voice is not looked for among all messages of its item."""

    def show(count: int) -> None:
        view = DisplayView("r")
        for at in range(0, count, 2):
            view.apply(TextDelta(0, at, "x"))
            view.apply(RefusalDelta(0, at + 1, "x"))
        for at in range(count):
            view.apply(CommandDelta(0, at, "x"))

    small, middle, large = (work(lambda size=size: show(size)) for size in (24, 48, 96))
    assert large - middle <= 2.3 * (middle - small)


def test_connections_that_bring_little() -> None:
    """Another connection costs what comes over it, not all that had come before."""

    def seconds(count: int) -> float:
        parser = ResponseParser("responses")
        parser.feed(b"".join(frames([said("created"), *(x for i in range(count) for x in items_of(i))])))
        for _ in parser.events():
            pass
        before = process_time()
        for _ in range(count):
            parser.reconnect()
            parser.feed(frames([said("created")])[0])
            for _ in parser.events():
                pass
        return process_time() - before

    def items_of(index: int) -> list[JSON]:
        return [added(index, "web_search_call"), of_item("web_search_call.searching", index)]

    once = min(seconds(150) for _ in range(3))
    assert min(seconds(600) for _ in range(2)) < 9 * once


def test_audio_and_many_choices() -> None:
    """What was spoken stands in one choice of a document."""

    def seconds(count: int) -> float:
        parser = ResponseParser("chat")
        audio = chunk({"audio": {"id": [1] * (4 * count)}})
        choices = ({"choices": [{"index": i, "delta": {"content": "a"}}]} for i in range(count))
        parser.feed(b"".join(frames([audio, *choices])))
        for _ in parser.events():
            pass
        response, before = parser.response, process_time()
        response.to_chat_completion()
        return process_time() - before

    once = min(seconds(250) for _ in range(3))
    assert min(seconds(1000) for _ in range(2)) < 9 * once


def test_writing_of_calls_that_are_no_objects() -> None:
    """Arguments that are closed and no JSON are not read again at each item that begins."""

    def payloads(count: int) -> list[JSON]:
        begins = block(0, "tool_use", id="t", name="f", input={})[0]
        others = (
            x
            for i in range(1, count)
            for x in (block(i, text="")[0], delta("input_json_delta", 0, partial_json=" "))
        )
        return [
            BEGIN,
            begins,
            delta("input_json_delta", 0, partial_json='{"a":"' + y(count) + '" x}'),
            *others,
        ]

    once = min(seconds_of("anthropic", payloads(60), "gemini") for _ in range(3))
    assert min(seconds_of("anthropic", payloads(240), "gemini") for _ in range(2)) < 9 * once


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


def test_values_of_one_event_that_tell_no_dialect() -> None:
    """The text of an event is not searched again for each value in it."""

    def seconds(count: int) -> float:
        parser = ResponseParser("auto")
        parser.feed(b"data: " + b"{}" * count + b"\n\n")
        before = process_time()
        for _ in parser.events():
            pass
        return process_time() - before

    assert min(seconds(32_000) for _ in range(2)) < 9 * min(seconds(8_000) for _ in range(3))  # a square: 16


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
