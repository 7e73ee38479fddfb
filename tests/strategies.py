"""Whole streams as a server sends them, what may happen to them on their way, and the laws that hold of any.

A `Stream` carries its dialect, so that a test which draws from `streams()` runs over every dialect there is.
What is drawn is what a server says; how it is framed, cut, reordered or damaged is drawn beside it.
"""

from __future__ import annotations

import copy
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st

from deltafold import (
    ArgumentsDelta,
    CodeDelta,
    CommandDelta,
    CommandOutputDelta,
    DiffDelta,
    Event,
    LimitExceeded,
    Outcome,
    OutputDelta,
    ReasoningDelta,
    RefusalDelta,
    Response,
    ResponseFinished,
    ResponseParser,
    TextDelta,
    ValueFinished,
    ValueReplaced,
    WireError,
)

JSON = dict[str, Any]

THOROUGH = settings().max_examples >= 1000
"""Whether this is a long run."""


def dumps(value: Any) -> bytes:
    """JSON as servers write it: plain UTF-8, with escapes only where there is half a surrogate pair."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


# ------------------------------------------------------------------------------------------------ streams


@attrs.frozen
class Stream:
    """What a server says, and how it frames that."""

    dialect: str
    payloads: tuple[Any, ...]
    """Objects, in order; `bytes` are data as they stand."""
    outcome: Outcome
    terminal: JSON | None = None
    """The response as the server tells it at the end, where it does."""
    newline: bytes = b"\n"
    space: bytes = b" "
    named: bool = True
    done: bool = False

    def frame(self, payload: Any) -> bytes:
        """One event as bytes."""
        head = b""
        if self.named and isinstance(payload, dict) and isinstance(payload.get("type"), str):
            head = b"event:" + self.space + payload["type"].encode() + self.newline
        data = payload if isinstance(payload, bytes) else dumps(payload)
        return head + b"data:" + self.space + data + self.newline * 2

    def frames(self) -> list[bytes]:
        """All events as bytes."""
        made = [self.frame(payload) for payload in self.payloads]
        return [*made, self.frame(b"[DONE]")] if self.done else made

    @property
    def body(self) -> bytes:
        """The whole stream."""
        return b"".join(self.frames())

    def saying(self, payloads: Iterable[Any]) -> Stream:
        """Other payloads, framed in the same way."""
        return attrs.evolve(self, payloads=tuple(payloads))


# Letters of one to four bytes, what JSON escapes, and what other readers take for a line end.
LETTERS = 'aZ09 \t\n\r"\\/{}[]:,é\u00a0\u0085\u2028日\ufeff\ufffd🙂𝔘'
texts = st.text(st.sampled_from(LETTERS), min_size=1, max_size=12)
plain_texts = st.text(st.sampled_from("abc xyz"), min_size=1, max_size=8)


def units(text: str) -> list[str]:
    """The UTF-16 code units of a text, as characters."""
    raw = text.encode("utf-16-le")
    return [chr(int.from_bytes(raw[i : i + 2], "little")) for i in range(0, len(raw), 2)]


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """A text in fragments, as some servers cut it: anywhere, between the halves of a pair as well."""
    letters = units(text) if draw(st.booleans()) else list(text)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(letters) - 1)), max_size=3)))
    made = ["".join(letters[a:b]) for a, b in zip([0, *cuts], [*cuts, len(letters)], strict=True)]
    joined = [
        piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass") for piece in made
    ]
    return [piece for piece in joined if piece]


def part_events(
    draw: st.DrawFn, base: str, key: JSON, text: str, told: str, delta: Callable[[str], JSON] | None = None
) -> list[JSON]:
    """The fragments of a value, and its end."""
    return [
        *({"type": f"{base}.delta", **key, "delta": piece} for piece in draw(pieces(text))),
        {"type": f"{base}.done", **key, told: text},
    ]


@st.composite
def messages(draw: st.DrawFn, index: int, ident: str) -> tuple[JSON, list[JSON], JSON]:
    """A message: as it is announced, its events, and as it is told whole. So for all items."""
    events, parts = [], []
    for at in range(draw(st.integers(1, 2))):
        key = {"item_id": ident, "output_index": index, "content_index": at}
        text = draw(texts)
        if draw(st.integers(0, 3)) == 0:
            part = {"type": "refusal", "refusal": text}
            values = part_events(draw, "response.refusal", key, text, "refusal")
            blank = {**part, "refusal": ""}
        else:
            annotations = [{"type": "url_citation", "url": "https://a.test"}] if draw(st.booleans()) else []
            part = {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
            values = part_events(draw, "response.output_text", key, text, "text")
            blank = {**part, "text": "", "annotations": []}
            values[-1:-1] = [
                {
                    "type": "response.output_text.annotation.added",
                    **key,
                    "annotation_index": number,
                    "annotation": annotation,
                }
                for number, annotation in enumerate(annotations)
            ]
        events += [
            {"type": "response.content_part.added", **key, "part": blank},
            *values,
            {"type": "response.content_part.done", **key, "part": part},
        ]
        parts.append(part)
    item = {"id": ident, "type": "message", "status": "completed", "role": "assistant", "content": parts}
    return {**item, "status": "in_progress", "content": []}, events, item


@st.composite
def reasonings(draw: st.DrawFn, index: int, ident: str) -> tuple[JSON, list[JSON], JSON]:
    """A reasoning item: summaries, raw reasoning, ciphertext."""
    events, summary, content = [], [], []
    for at in range(draw(st.integers(0, 2))):
        key = {"item_id": ident, "output_index": index, "summary_index": at}
        part = {"type": "summary_text", "text": draw(texts)}
        events += [
            {"type": "response.reasoning_summary_part.added", **key, "part": {**part, "text": ""}},
            *part_events(draw, "response.reasoning_summary_text", key, part["text"], "text"),
            {"type": "response.reasoning_summary_part.done", **key, "part": part},
        ]
        summary.append(part)
    item: JSON = {"id": ident, "type": "reasoning", "summary": summary}
    if draw(st.booleans()):
        key = {"item_id": ident, "output_index": index, "content_index": 0}
        part = {"type": "reasoning_text", "text": draw(texts)}
        events += part_events(draw, "response.reasoning_text", key, part["text"], "text")
        content.append(part)
        item["content"] = content
    if draw(st.booleans()):
        item["encrypted_content"] = "gAAAA" + ident
    return {"id": ident, "type": "reasoning", "summary": []}, events, item


json_objects = st.dictionaries(
    st.sampled_from(["path", "q", "n", "日"]),
    st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(st.integers(0, 3), max_size=2),
    max_size=3,
)


@st.composite
def calls(draw: st.DrawFn, index: int, ident: str) -> tuple[JSON, list[JSON], JSON]:
    """A call of a function, of an MCP server, or of a custom tool."""
    key = {"item_id": ident, "output_index": index}
    kind = draw(st.sampled_from(["function_call", "function_call", "mcp_call", "custom_tool_call"]))
    item: JSON = {"id": ident, "type": kind, "status": "completed", "name": f"tool_{index}"}
    if kind == "custom_tool_call":
        field, base, text = "input", "response.custom_tool_call_input", draw(texts)
    else:
        field, base = "arguments", f"response.{kind}_arguments"
        text = json.dumps(draw(json_objects), ensure_ascii=draw(st.booleans()))
    item |= {"server_label": "s"} if kind == "mcp_call" else {"call_id": f"call_{ident}"}
    item[field] = text
    return {**item, "status": "in_progress", field: ""}, part_events(draw, base, key, text, field), item


@st.composite
def hosted(draw: st.DrawFn, index: int, ident: str) -> tuple[JSON, list[JSON], JSON]:
    """An item of a hosted tool, or of a type that nobody knows yet."""
    key = {"item_id": ident, "output_index": index}
    kind = draw(
        st.sampled_from(
            [
                "web_search_call",
                "image_generation_call",
                "code_interpreter_call",
                "shell_call",
                "hologram_call",
            ]
        )
    )
    item: JSON = {"id": ident, "type": kind, "status": "completed"}
    start = {**item, "status": "in_progress"}
    events: list[JSON] = []
    if kind == "code_interpreter_call":
        item["code"] = draw(texts)
        start["code"] = ""
        events = part_events(draw, "response.code_interpreter_call_code", key, item["code"], "code")
    elif kind == "shell_call":
        command = draw(texts)
        item["action"] = {"commands": [command]}
        at = {"output_index": index, "command_index": 0}
        events = part_events(draw, "response.shell_call_command", at, command, "command")
    elif kind == "image_generation_call":
        item["result"] = "aW1hZ2U="
        events = [
            {"type": "response.image_generation_call.generating", **key},
            {
                "type": "response.image_generation_call.partial_image",
                **key,
                "partial_image_index": 0,
                "partial_image_b64": "aQ==",
            },
        ]
    elif kind == "web_search_call":
        item["action"] = {"type": "search", "query": draw(texts)}
        events = [{"type": f"response.{kind}.{word}", **key} for word in ("searching", "completed")]
    else:
        item["volume"] = {"cells": [1, None, draw(texts)]}
        events = [{"type": "response.hologram_call.glowing", **key, "level": 3}]
    return start, events, item


def response_object(ident: str, status: str, output: list[JSON], **more: Any) -> JSON:
    """A response as it stands in the events of its life cycle."""
    return {
        "id": ident,
        "object": "response",
        "created_at": 1_763_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5.1",
        "output": output,
        "parallel_tool_calls": True,
        "usage": None,
        "metadata": {},
        **more,
    }


@st.composite
def interleaved(draw: st.DrawFn, rows: list[list[JSON]]) -> list[JSON]:
    """The events of several items, each row in its own order."""
    rows = [list(row) for row in rows if row]
    made = []
    while rows:
        at = draw(st.integers(0, len(rows) - 1))
        made.append(rows[at].pop(0))
        if not rows[at]:
            del rows[at]
    return made


@st.composite
def responses_streams(draw: st.DrawFn, max_items: int = 3, outcome: Outcome | None = None) -> Stream:
    """A well-formed stream of the Responses API, told from its beginning to its end."""
    kinds = st.sampled_from([messages, messages, reasonings, calls, hosted])
    made = [draw(draw(kinds)(at, f"item_{at}")) for at in range(draw(st.integers(0, max_items)))]
    rows = [
        [
            {"type": "response.output_item.added", "output_index": at, "item": start},
            *events,
            {"type": "response.output_item.done", "output_index": at, "item": item},
        ]
        for at, (start, events, item) in enumerate(made)
    ]
    if draw(st.booleans()):
        told = [row.pop(0) for row in rows] + draw(interleaved(rows))
    else:
        told = [event for row in rows for event in row]
    if draw(st.integers(0, 3)) == 0:
        told.insert(draw(st.integers(0, len(told))), {"type": "acme:note", "value": [1, {"a": None}]})
    if outcome is None:
        outcome = draw(
            st.sampled_from([Outcome.COMPLETED, Outcome.COMPLETED, Outcome.INCOMPLETE, Outcome.FAILED])
        )
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 14,
    }
    more: JSON = {"usage": usage}
    if outcome is Outcome.FAILED:
        more["error"] = {"code": "server_error", "message": "The model failed."}
    if outcome is Outcome.INCOMPLETE:
        more["incomplete_details"] = {"reason": "max_output_tokens"}
    terminal = response_object("resp_1", str(outcome), [item for _, _, item in made], **more)
    started = response_object("resp_1", "in_progress", [])
    payloads = [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
        *told,
        {"type": f"response.{outcome}", "response": terminal},
    ]
    return Stream(
        "responses",
        tuple({**payload, "sequence_number": number} for number, payload in enumerate(payloads)),
        outcome,
        terminal,
        newline=draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])),
        space=draw(st.sampled_from([b" ", b""])),
        named=draw(st.booleans()),
        done=draw(st.booleans()),
    )


def streams() -> st.SearchStrategy[Stream]:
    """A well-formed stream of any dialect."""
    return responses_streams()


def small_streams() -> st.SearchStrategy[Stream]:
    """Streams short enough to be tried at every byte."""
    return responses_streams(max_items=1).map(shortened)


def shortened(stream: Stream) -> Stream:
    """A stream without what makes its bytes many and its meaning no richer."""
    bulk = ("created_at", "parallel_tool_calls", "metadata", "sequence_number", "input_tokens_details")

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: short(member) for key, member in value.items() if key not in bulk}
        return [short(entry) for entry in value] if isinstance(value, list) else value

    terminal = None if stream.terminal is None else short(stream.terminal)
    kept = [short(payload) for payload in stream.payloads if payload["type"] != "response.in_progress"]
    return attrs.evolve(stream, payloads=tuple(kept), terminal=terminal, named=False)


# ------------------------------------------------------------------------- what happens to them on their way


@st.composite
def chunkings(draw: st.DrawFn, body: bytes, most: int = 8) -> list[bytes]:
    """A body as a transport may cut it: anywhere, with empty chunks as well."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=most)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@st.composite
def orderings(draw: st.DrawFn, stream: Stream) -> Stream:
    """The payloads of a stream dropped, doubled, swapped, rotated, shuffled, or mixed with another's."""
    payloads = list(stream.payloads)
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
            payloads = draw(interleaved([payloads, list(draw(streams()).payloads)]))
    return stream.saying(payloads)


WRONG = (
    *("null", "true", "0", "-1", "1.5", "65535", "65536", "9223372036854775808", "1e400", "NaN", "-Infinity"),
    *('""', '"x"', '"\\ud83d"', '"\\ude00 tail"', '"response.completed"', '"in_progress"', '"failed"'),
    *("[]", "{}", '["x"]', "[null]", "[{}]", '{"a":1}', '{"type":"function_call"}', '{"text":5}', "[[[[]]]]"),
    "9" * 4301,
)
"""JSON values that do not belong where they are put."""


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places inside a JSON value, itself included."""
    yield here
    if isinstance(value, dict):
        for key, member in value.items():
            yield from paths(member, (*here, key))
    if isinstance(value, list):
        for at, entry in enumerate(value):
            yield from paths(entry, (*here, at))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of a JSON value with another one at a place."""
    if not path:
        return new
    made = copy.copy(value)
    made[path[0]] = put(value[path[0]], path[1:], new)
    return made


def retype(payload: Any, path: tuple[Any, ...], token: str) -> bytes:
    """A payload with a token of JSON text at a place."""
    return dumps(put(payload, path, "@here@")).replace(b'"@here@"', token.encode())


@st.composite
def retyped(draw: st.DrawFn, stream: Stream) -> Stream:
    """A stream some of whose values have another type."""
    payloads = list(stream.payloads)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(payloads) - 1))
        if not isinstance(payloads[at], bytes):
            path = draw(st.sampled_from(list(paths(payloads[at]))))
            payloads[at] = retype(payloads[at], path, draw(st.sampled_from(WRONG)))
    return stream.saying(payloads)


@st.composite
def bitten(draw: st.DrawFn, body: bytes) -> bytes:
    """A body some of whose bytes are others, are missing, or come twice."""
    damaged = bytearray(body)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(damaged) - 1))
        byte = draw(st.sampled_from(b'\n\r"\\{}[]:, \0\x80\xc3\xed\xff') | st.integers(0, 255))
        match draw(st.integers(0, 3)):
            case 0:
                del damaged[at]
            case 1:
                damaged.insert(at, byte)
            case _:
                damaged[at] = byte
        if not damaged:
            break
    return bytes(damaged)


@st.composite
def damaged_bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A dialect, and the bytes of a stream to which anything has happened."""
    stream = draw(streams())
    match draw(st.integers(0, 4)):
        case 0:
            return stream.dialect, draw(bitten(stream.body))
        case 1:
            return stream.dialect, draw(orderings(stream)).body
        case 2:
            return stream.dialect, draw(retyped(stream)).body
        case 3:
            return stream.dialect, stream.body[: draw(st.integers(0, len(stream.body)))]
        case _:
            return stream.dialect, draw(bitten(draw(retyped(draw(orderings(stream)))).body))


# ------------------------------------------------------------------------------------------------- running


@attrs.frozen
class Run:
    """What came of a stream."""

    events: list[Event]
    fault: WireError | None
    parser: ResponseParser

    @property
    def told(self) -> tuple[Any, ...]:
        """All of it, to be compared: not only by class and key, but by everything that was said."""
        fault = None if self.fault is None else (type(self.fault), str(self.fault))
        return (
            [whole(event) for event in self.events],
            self.parser.anomalies,
            fault,
            whole(self.parser.response),
        )


def whole(value: Any) -> Any:
    """A value with the data that equality of items looks at, and the class, which dicts would not show."""
    if isinstance(value, (Response, ResponseFinished)):
        return value, json.dumps(getattr(value, "response", value).to_dict())
    return value


def next_fault(parser: ResponseParser) -> WireError | None:
    """The exception that the next call raises."""
    try:
        parser.next_event()
    except WireError as fault:
        return fault
    return None


def drain(parser: ResponseParser, events: list[Event]) -> WireError | None:
    """Takes what can be had. Gives the exception that stopped it, which must be a sticky one."""
    try:
        events.extend(parser.events())
    except WireError as fault:
        again = next_fault(parser)
        assert again is fault, f"the same exception object again, not {again!r}"  # noqa: PT017
        return fault
    return None


def play(
    chunks: bytes | Iterable[bytes], dialect: str = "responses", *, close: bool = True, **options: Any
) -> Run:
    """Feeds a stream and drains the parser after each chunk."""
    parser = ResponseParser(dialect, **options)
    events: list[Event] = []
    for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
        parser.feed(chunk)
        if (fault := drain(parser, events)) is not None:
            return Run(events, fault, parser)
    if close:
        parser.close()
    return Run(events, drain(parser, events), parser)


def count_calls(function: Callable[[], object]) -> Counter[str]:
    """How often a function makes Python and C calls, by name: its work, whatever the machine's speed."""
    calls: Counter[str] = Counter()

    def profile(frame: Any, kind: str, argument: Any) -> None:
        if kind == "call":
            calls[frame.f_code.co_name] += 1
        elif kind == "c_call":
            calls[argument.__name__] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


# ---------------------------------------------------------------------------------------------------- laws

Key = tuple[Any, ...]


class Ledger:
    """The streamed values, joined out of the deltas alone, as any caller could do it."""

    def __init__(self) -> None:
        self.values: dict[Key, str] = {}

    def take(self, event: Event) -> None:
        """One event. An end that is not what the deltas add up to is a breach of the ledger."""
        match event:
            case TextDelta(index, at, text):
                self.add((index, "text", at), text)
            case RefusalDelta(index, at, text):
                self.add((index, "refusal", at), text)
            case ReasoningDelta(index, at, text, kind):
                self.add((index, "summary" if kind == "summary" else "reasoning", at), text)
            case ArgumentsDelta(index, text):
                self.add((index, "arguments", None), text)
            case CodeDelta(index, text):
                self.add((index, "code", None), text)
            case DiffDelta(index, text):
                self.add((index, "diff", None), text)
            case OutputDelta(index, text):
                self.add((index, "output", None), text)
            case CommandDelta(index, at, text):
                self.add((index, "command", at), text)
            case CommandOutputDelta(index, at, stream, text):
                self.add((index, stream, at), text)
            case ValueReplaced():
                self.values[self.key(event)] = event.text
            case ValueFinished():
                assert self.values.get(self.key(event), "") == event.text, "an end that the deltas are not"

    @staticmethod
    def key(event: ValueReplaced | ValueFinished) -> Key:
        """The key of the deltas that an event is about."""
        at = event.content_index if event.kind in ("text", "refusal") else event.part_index
        return event.output_index, event.kind, at

    def add(self, key: Key, text: str) -> None:
        """A fragment, which is never empty."""
        assert text
        self.values[key] = self.values.get(key, "") + text

    def check(self, response: Response) -> None:
        """The values of the response are those of the ledger, and the ledger holds no other."""
        handed = Counter(text for text in self.values.values() if text)
        output = response.to_dict()["output"]
        owed = Counter(streamed_values(output))
        assert owed <= handed, f"never handed out: {owed - handed}"
        held = Counter(strings(output))
        assert handed <= held, f"handed out and not held: {handed - held}"


def streamed_values(output: Sequence[JSON]) -> Iterator[str]:
    """The values of some items that come as deltas for certain."""
    fields = {"function_call": "arguments", "mcp_call": "arguments", "custom_tool_call": "input"}
    for item in output:
        kind = str(item.get("type"))
        value = item.get(fields.get(kind, ""))
        if isinstance(value, str) and value:
            yield value
        fields_of_parts = (
            [("content", "text"), ("content", "refusal")] if kind in ("message", "reasoning") else []
        )
        if kind == "reasoning":
            fields_of_parts.append(("summary", "text"))
        for group, field in fields_of_parts:
            entries = item.get(group)
            for part in entries if isinstance(entries, list) else ():
                text = part.get(field) if isinstance(part, dict) else None
                if isinstance(text, str) and text:
                    yield text


def strings(value: Any) -> Iterator[str]:
    """All strings inside a JSON value."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    if isinstance(value, list):
        for entry in value:
            yield from strings(entry)


def check_laws(run: Run, *, strict: bool = False, closed: bool = True) -> None:
    """What holds of every run, whatever the bytes were."""
    ends = [event for event in run.events if isinstance(event, ResponseFinished)]
    response = run.parser.response
    if run.fault is not None:
        assert strict or isinstance(run.fault, LimitExceeded), f"lenient mode raised {run.fault!r}"
        assert not ends, "an exception beside the end"
    elif closed:
        assert len(ends) == 1, f"{len(ends)} ends"
        assert run.events[-1] is ends[0], "something after the end"
        assert ends[0].outcome is response.outcome
        assert ends[0].response == response
    if response.outcome is Outcome.FAILED:
        assert response.error is not None, "failed without an error"
    told = response.to_dict()
    json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    ledger = Ledger()
    for event in run.events:
        ledger.take(event)
        repr(event)
    ledger.check(response)
    assert isinstance(response.output_text, str)
    assert isinstance(response.reasoning_text, str)
    assert str(response)
    for call in response.tool_calls:
        if getattr(call, "complete", False):
            json.loads(call.arguments, parse_constant=lambda word: 1 / 0)
    assert len(run.parser.anomalies) <= run.parser.anomaly_count
