"""The short cut for hot deltas is the long way, only shorter: with it and without it all is the same."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import runs
from deltafold import (
    ArgumentsDelta,
    Lift,
    LimitExceeded,
    Limits,
    ReasoningDelta,
    ResponseParser,
    TextDelta,
    WireError,
)
from deltafold.model import events as e
from deltafold.parsing import fast_path as hot_path
from deltafold.parsing import templates as shapes
from deltafold.parsing.fast_path import MOST_TEMPLATES, MOST_UNUSED
from deltafold.testing.builder import json_bytes as dumps
from deltafold.wire.blocks import BlockScanner, Signal
from runs import needs_python_code

# ------------------------------------------------------------------------------------ with it and without it


def without_short_cut(parser: ResponseParser) -> ResponseParser:
    """A parser that never learns what hot deltas look like."""
    parser._reader.hot._unused = 1 << 60
    return parser


def told(
    chunks: list[bytes], dialect: str, *, short: bool, moves: frozenset[int] = frozenset(), **options: Any
) -> list[Any]:
    """All that a stream tells, chunk by chunk. `moves`: after which chunks the parser moves elsewhere."""
    parser = ResponseParser(dialect, **options)
    said: list[Any] = []
    for number, chunk in enumerate([*chunks, None]):
        if not short:
            without_short_cut(parser)
        try:
            if chunk is None:
                parser.close()
            else:
                parser.feed(chunk)
            said.append([(type(event), event) for event in parser.events()])
        except WireError as fault:
            said.append((type(fault), str(fault), fault.offset, fault.event_index))
            break
        said.append((parser.last_sequence_number, parser.state, parser.anomaly_count))
        if number in moves:
            parser = runs.resumed(parser)
    assert short or not parser._reader.hot.has_templates()
    return [*said, parser.needs_input, parser.anomalies, parser.response, parser.response.to_dict()]


def check_same(
    chunks: list[bytes], dialect: str = "responses", *, moves: frozenset[int] = frozenset(), **options: Any
) -> None:
    """With the short cut and without it, a stream tells the same."""
    short = told(chunks, dialect, short=True, moves=moves, **options)
    assert short == told(chunks, dialect, short=False, moves=moves, **options)


# ------------------------------------------------------------------------------------- arbitrary payloads

TEXTS = [
    *(
        "a",
        "Hello",
        " ",
        "日本",
        "é",
        "🙂",
        "\u2028",
        "\x7f",
        "{",
        "[",
        "{}",
        "[1",
        "}",
        " {}",
        "data: x",
        "null",
    ),
    *(r"\"a\":", r"\\\"", r"a\\", r"\"\n\""),
    *(r"\n", r"\"", r"\\", r"\/", r"\\n", r"a\tb", r"\u00e9", r"\ud83d\ude00", r"\ude00", r"\u0041", ""),
    *("\x00", "\x01", "\t", r"\x", r"\u12", "x" * 300),
]
"""The insides of JSON strings, not all of them valid."""
RAW = [*(text.encode() for text in TEXTS), b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xe2\x82"]
VALUES = [
    *(
        "null",
        "true",
        "false",
        "0",
        "-0",
        "7",
        "-12",
        "1.5",
        "1e3",
        "-0.0",
        "9" * 40,
        '""',
        '"x"',
        '"é"',
        '"\\n"',
    ),
    *('"\\u00e9"', '"a\\"b"', "[]", "{}", "[1,2]", '["a",null]', '{"text":"t"}', '{"sequence_number":5}'),
    *('{"obfuscation":"q","type":"y","delta":"z"}', '[{"a":[{}]}]', '"with \\/"', '{"a":1.0}', '{",":":"}'),
]
"""JSON values of members that mean nothing."""
NAMES = ["text", "obfuscation", "type", "note", "a b", "é", 'q"', ",", "index", "summary"]
REPLAYED_BY_COUNT = ["{n}", "{n}", "{n}", "{n}", "0{n}", "{n}.0", "-{n}", '"{n}"', "null", "1" * 20]


@attrs.frozen
class Form:
    """How a server spells one kind of delta: all but text, number and padding is the same each time."""

    lines: bytes
    """The block, with @T@, @N@ and @P@ in their places."""

    def block(self, text: bytes, number: int, padding: bytes) -> bytes:
        filled = self.lines.replace(b"@N@", str(number).encode()).replace(b"@P@", padding)
        return filled.replace(b"@T@", text)


def responses_members(kind: str) -> list[tuple[str, str]]:
    """The members of a delta of the Responses API, as JSON."""
    base, index, ident, part = {
        "text": ("output_text", 0, "msg_0", "content_index"),
        "arguments": ("function_call_arguments", 1, "fc_1", ""),
        "summary": ("reasoning_summary_text", 2, "rs_2", "summary_index"),
        "reasoning": ("reasoning_text", 2, "rs_2", "content_index"),
        "refusal": ("refusal", 0, "msg_0", "content_index"),
        "other text": ("output_text", 3, "msg_3", "content_index"),
    }[kind]
    named = [("type", f'"response.{base}.delta"'), ("item_id", f'"{ident}"'), ("output_index", str(index))]
    return [*named, *([(part, "0")] if part else []), ("delta", '"@T@"')]


def chat_members(kind: str, choice: int) -> list[tuple[str, str]]:
    """The members of a chunk of Chat Completions, as JSON."""
    delta = {
        "text": '{"content":"@T@"}',
        "reasoning": '{"reasoning_content":"@T@"}',
        "other reasoning": '{"role":"assistant","content":null,"reasoning":"@T@"}',
        "call": '{"tool_calls":[{"index":0,"function":{"arguments":"@T@"}}]}',
        "other call": '{"tool_calls":[{"index":1,"function":{"arguments":"@T@"}}]}',
        "two": '{"content":"@T@","refusal":"no"}',
        "named call": '{"tool_calls":[{"index":0,"type":"function","function":{"arguments":"@T@"}}]}',
    }[kind]
    choices = f'[{{"index":{choice},"delta":{delta},"finish_reason":null}}]'
    return [("id", '"c1"'), ("object", '"chat.completion.chunk"'), ("created", "7"), ("choices", choices)]


@st.composite
def forms(draw: st.DrawFn, dialect: str) -> Form:
    """A way to spell deltas: mostly the usual one."""
    if dialect == "responses":
        kinds = ["text", "text", "arguments", "summary", "reasoning", "refusal", "other text"]
        kind = draw(st.sampled_from(kinds))
        members = responses_members(kind)
        name = members[0][1][1:-1].encode()
    else:
        kinds = ["text", "text", "reasoning", "other reasoning", "call", "other call", "two", "named call"]
        members = chat_members(draw(st.sampled_from(kinds)), draw(st.sampled_from([0, 0, 0, 1])))
        name = b""
    number = draw(st.sampled_from(REPLAYED_BY_COUNT))
    if draw(st.integers(0, 3)):
        members.append(("sequence_number", number.format(n="@N@")))
    if draw(st.booleans()):
        members.append(("obfuscation", '"@P@"'))
    if draw(st.integers(0, 3)) == 0:
        members.append(("logprobs", draw(st.sampled_from(["[]", "null", "[5]", '[{"token":"a"}]', '["x"]']))))
    if draw(st.integers(0, 2)) == 0:
        members.append((draw(st.sampled_from(NAMES)), draw(st.sampled_from(VALUES))))
    if draw(st.integers(0, 9)) == 0:
        members.append(draw(st.sampled_from(members)))
    if draw(st.booleans()):
        members = draw(st.permutations(members))
    comma, colon = draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": "), (" , ", " :"), (",", ": ")]))
    inside = comma.join(json.dumps(key, ensure_ascii=False) + colon + told for key, told in members)
    data = ("{" + inside + "}").encode()
    lines = {
        "named": b"event: " + name + b"\ndata: " + data + b"\n\n",
        "bare": b"data: " + data + b"\n\n",
        "tight": b"data:" + data + b"\n\n",
        "other name": b"event: other\ndata: " + data + b"\n\n",
        "bad name": b"event: \xff\ndata: " + data + b"\n\n",
        "returns": b"event: " + name + b"\r\ndata: " + data + b"\r\n\r\n",
        "several lines": b"data: " + data.replace(b",", b",\ndata: ", 1) + b"\n\n",
        "with id": b"id: 5\ndata: " + data + b"\n\n",
        "retry": b"retry: 50\ndata: " + data + b"\n\n",
        "comment inside": b": c\ndata: " + data + b"\n\n",
        "name after": b"data: " + data + b"\nevent: " + name + b"\n\n",
        "spaced": b"data: " + data + b" \n\n",
        "late comment": b"data: " + data + b"\n\n: late\n\n",
    }
    if not name:
        lines["named"] = lines["bare"]
    usual = ["named"] * 6 + ["bare"] * 4
    return Form(lines[draw(st.sampled_from([*usual, *lines]))])


def event(payload: Any) -> bytes:
    """One block, as api.openai.com spells it."""
    name = f"event: {payload['type']}\n".encode() if "type" in payload else b""
    return name + b"data: " + dumps(payload) + b"\n\n"


PRELUDE = b"".join(
    event({**payload, "sequence_number": number})
    for number, payload in enumerate(
        [
            runs.created(),
            runs.added(0, runs.message(id="msg_0", status="in_progress")),
            runs.part_added(0, runs.output_text(), item_id="msg_0"),
            runs.added(1, runs.call(id="fc_1", status="in_progress")),
            runs.added(2, runs.reasoning(id="rs_2")),
            runs.value("reasoning_summary_part.added", 2, summary_index=0, part=runs.summary_text()),
            runs.added(3, runs.message(id="msg_3", status="in_progress")),
        ]
    )
)
LAST = 6
OTHERS = [
    *(b": comment\n\n", b"\n", b"event: ping\n\n", b'data: {"type":"keepalive"}\n\n', b"data: [DONE]\n\n"),
    *(b"data: \n\n", b"data: {}{}\n\n", b"data: [1]\n\n", b"data: {\n\n", b"id: 9\n\n", b"retry: 7\n\n"),
    event(runs.text_done(0, "told", item_id="msg_0")),
    event(runs.text_done(3, "told otherwise", item_id="msg_3")),
    event(runs.arguments_done(1, "{}", item_id="fc_1")),
    event(runs.part_done(0, runs.output_text("part"), item_id="msg_0")),
    event(runs.part_added(0, runs.output_text(), 1, item_id="msg_0")),
    event(runs.done(1, runs.call("{}", id="fc_1"))),
    event(runs.done(0, runs.message("done", id="msg_0"))),
    event(runs.done(2, runs.reasoning("thought", id="rs_2"))),
    event(runs.added(4, runs.message(id="msg_4", status="in_progress"))),
    event(runs.added(1, runs.call('{"x":1', id="fc_1", status="in_progress"))),
    event(runs.in_progress()),
    event({"type": "error", "error": {"message": "no", "code": "server_error"}}),
    event({"type": "response.new_thing", "value": 1}),
    event(runs.completed()),
    event(runs.text(0, "more", logprobs=[{"token": "more", "logprob": -1.0}], item_id="msg_0")),
    event(runs.text(9, "unannounced", item_id="msg_9")),
]


def chunk(delta: Any, choice: int = 0, **fields: Any) -> dict[str, Any]:
    """A chunk of Chat Completions."""
    told = {"index": choice, "delta": delta, "finish_reason": None, **fields}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 7, "choices": [told]}


def together(*chunks: dict[str, Any]) -> dict[str, Any]:
    """One chunk with the choices of several."""
    return {**chunks[0], "choices": [choice for one in chunks for choice in one["choices"]]}


def call_chunk(index: int, arguments: str, **fields: Any) -> dict[str, Any]:
    """A chunk with a fragment of a call."""
    name = fields.pop("name", None)
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, **fields, "function": function}]})


CHAT_PRELUDE = b"".join(
    map(
        event,
        [
            chunk({"role": "assistant", "content": ""}),
            call_chunk(0, "", id="call_a", type="function", name="tick"),
            call_chunk(1, "", id="call_b", type="function", name="tock"),
        ],
    )
)
CHAT_OTHERS = [
    *(
        b": comment\n\n",
        b"\n",
        b"data: [DONE]\n\n",
        b"data: \n\n",
        b"data: {}{}\n\n",
        b"data: {\n\n",
        b"data: 5\n\n",
    ),
    event(chunk({}, finish_reason="stop")),
    event(chunk({}, finish_reason="tool_calls")),
    event(chunk({"content": "x"}, logprobs={"content": [{"token": "x", "logprob": -0.5}]})),
    event({**chunk({}), "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
    event({**chunk({"content": "y"}), "usage": {"prompt_tokens": 3, "completion_tokens": 5}}),
    event({**chunk({"content": "z"}), "system_fingerprint": "fp_1"}),
    event({**chunk({"content": "z"}), "system_fingerprint": "fp_2"}),
    event(call_chunk(0, '{"whole":1}')),
    event(call_chunk(0, "", id="call_a", name="tick")),
    event(call_chunk(2, "", id="call_c", name="tack")),
    event(chunk({"annotations": [{"type": "url_citation"}]})),
    event(chunk({"refusal": "no"})),
    event({"id": "c1", "object": "chat.completion.chunk", "choices": []}),
    event({"error": {"message": "no"}}),
    event(together(chunk({"content": "a"}), chunk({"content": "a"}))),
    event(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "message": {"content": "whole"}, "finish_reason": "stop"}],
        }
    ),
]


@st.composite
def bodies(draw: st.DrawFn, dialect: str) -> bytes:
    """A stream of deltas in a few spellings, with anything else among them."""
    spelled = draw(st.lists(forms(dialect), min_size=1, max_size=3))
    made = [PRELUDE if dialect == "responses" else CHAT_PRELUDE]
    others = OTHERS if dialect == "responses" else CHAT_OTHERS
    number = LAST
    for _ in range(draw(st.integers(1, 14))):
        if draw(st.integers(0, 5)) == 0:
            made.append(draw(st.sampled_from(others)))
            continue
        number += draw(st.sampled_from([1] * 12 + [0, 2, -3]))
        padding = draw(st.sampled_from([b"", b"aZ9", b"x" * 9, b"a b", b"\\n", b"-"]))
        text = draw(st.sampled_from(RAW) | st.sampled_from([b"a", b"bc", b" d"]))
        made.append(draw(st.sampled_from(spelled)).block(text, abs(number), padding))
    return b"".join(made)


def chunkings(body: bytes) -> st.SearchStrategy[list[bytes]]:
    """A body cut anywhere, or into pieces of one size."""
    anywhere = st.lists(st.integers(0, len(body)), max_size=6).map(lambda places: runs.cut(body, places))
    sizes = st.sampled_from([1, 7, 40, 200, 1000])
    return anywhere | sizes.map(lambda size: [body[at : at + size] for at in range(0, len(body), size)])


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@given(data=st.data())
def test_arbitrary_payloads(dialect: str, data: st.DataObject) -> None:
    """Deltas in any spelling tell the same with the short cut and without it, in any chunks."""
    body = data.draw(bodies(dialect))
    check_same([body], dialect)
    check_same(data.draw(chunkings(body)), dialect)


FAST_EVENTS = {
    "responses": [
        PRELUDE,
        Form(event({**runs.text(0, "@T@", item_id="msg_0"), "note": 1})),
        Form(event(runs.arguments(1, "@T@", item_id="fc_1"))),
    ],
    "chat": [
        CHAT_PRELUDE,
        Form(event(chunk({"content": "@T@"}))),
        Form(event(chunk({"reasoning_content": "@T@"}))),
        Form(event(call_chunk(0, "@T@"))),
    ],
}
"""A beginning, and deltas that the short cut takes."""


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_every_text(dialect: str) -> None:
    """Any text, valid or not, between hot deltas."""
    begin, *spelled = FAST_EVENTS[dialect]
    for form in spelled:
        hot = form.block(b"a", 0, b"")
        for text in RAW:
            block = form.block(text, 0, b"")
            check_same([begin + hot * 3 + block + hot * 2 + block * 2 + hot], dialect)
            check_same([begin + hot * 3 + block[:-1], block[-1:], hot * 2], dialect)
        cut = form.block(b"@", 0, b"").partition(b"@")[0]
        check_same([begin + hot * 3 + cut + b'a\\"\n\n'], dialect)
        check_same([begin + hot * 3 + cut + b'a\\"\n\n' + hot * 2], dialect)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_everything_else(dialect: str) -> None:
    """Any other block between hot deltas."""
    begin, *spelled = FAST_EVENTS[dialect]
    for form in spelled:
        hot = form.block(b"a", 0, b"")
        for other in OTHERS if dialect == "responses" else CHAT_OTHERS:
            check_same([begin + hot * 3 + other + hot * 3 + other + hot * 2], dialect)
            check_same([begin + hot * 3, other, hot * 3, other[:9], other[9:] + hot[:20], hot[20:]], dialect)


@pytest.mark.parametrize("name", ["note", "obfuscation", "logprobs", "type", "sequence_number", "delta"])
def test_every_value(name: str) -> None:
    """Any value of a member beside the text, or in its place, alone or a second time."""
    for value in VALUES:
        for member in (f'"{name}":{value},"delta":"a"', f'"delta":"a","{name}":{value}'):
            data = f'{{"output_index":0,"item_id":"msg_0","content_index":0,"k":1,{member}}}'.encode()
            block = b"event: response.output_text.delta\ndata: " + data + b"\n\n"
            check_same([PRELUDE + block * 4])
            check_same([PRELUDE + block * 2 + block.replace(b'"k":1', b'"k":1,"k":1') * 2 + block * 2])


@pytest.mark.parametrize("limits", [{"index": 5}, {"items": 4}])
def test_limits_after_the_end(limits: dict[str, int]) -> None:
    """What passes a limit after the end of the response is not heard."""
    hot = event(runs.text(0, "a", item_id="msg_0"))
    blocks = [
        PRELUDE,
        hot * 3,
        event(runs.completed()),
        event(runs.text(9, "far")),
        b"data: " + b"x" * 3000 + b"\n",
    ]
    check_same([b"".join(blocks), hot], limits=Limits(line_bytes=2000, **limits))


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@given(data=st.data())
def test_one_byte_is_another(dialect: str, data: st.DataObject) -> None:
    """One changed byte anywhere in a stream tells the same with the short cut and without it."""
    body = bytearray(data.draw(bodies(dialect)))
    start = len(PRELUDE if dialect == "responses" else CHAT_PRELUDE)
    at = data.draw(st.integers(start, len(body) - 1))
    body[at] = data.draw(st.sampled_from(b'\n\r"\\{}[]:, \0\x80\xc3\xff019-ae') | st.integers(0, 255))
    check_same([bytes(body)], dialect)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@given(data=st.data())
def test_strict_and_limits(dialect: str, data: st.DataObject) -> None:
    """In strict mode and at any limit, the same exception comes after the same events."""
    body = data.draw(bodies(dialect))
    check_same([body], dialect, strict=True)
    check_same([body], dialect, limits=Limits(text_size=data.draw(st.integers(0, 40))))
    longest = max(map(len, body.split(b"\n")))
    limit = data.draw(st.sampled_from([longest, longest - 1, longest - 6, longest - 7]))
    check_same([body], dialect, limits=Limits(line_bytes=limit))
    check_same([body], dialect, limits=Limits(event_bytes=limit))


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@given(data=st.data())
def test_snapshots(dialect: str, data: st.DataObject) -> None:
    """A parser that took the short cut is suspended and goes on as one that did not."""
    chunks = data.draw(chunkings(data.draw(bodies(dialect))))
    if len(chunks) > 40:
        chunks = [b"".join(chunks[at : at + 50]) for at in range(0, len(chunks), 50)]
    moves = data.draw(st.frozensets(st.integers(0, len(chunks) - 1), max_size=4))
    check_same(chunks, dialect, moves=moves)


# --------------------------------------------------------------------------------------------- it is taken


@pytest.fixture
def frames_read(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry for each step of the long way."""
    needs_python_code()
    steps: list[bool] = []
    advance = BlockScanner.advance

    def counted(decoder: BlockScanner) -> Signal:
        found = advance(decoder)
        if found:
            steps.append(True)
        return found

    monkeypatch.setattr(BlockScanner, "advance", counted)
    return steps


def numbered(payloads: list[dict[str, Any]], *, last: bool = False) -> list[bytes]:
    """The blocks of payloads, numbered and padded as api.openai.com does, or with the number `last`."""
    blocks = []
    for number, payload in enumerate(payloads):
        padding = {"obfuscation": "aB3" * (number % 4)} if "delta" in payload else {}
        kind, count = {"type": payload["type"]}, {"sequence_number": number}
        blocks.append(
            event({**payload, **padding, **count} if last else {**kind, **count, **payload, **padding})
        )
    return blocks


PIECES = [f"{'word' * (number % 3 + 1)} é\n" for number in range(200)]
JSON_PIECES = ['{"text":"', *(f"a{number}" for number in range(198)), '"}']
HEAD = [runs.created(), runs.in_progress()]
SUMMARY = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}


def interleaved_calls() -> list[dict[str, Any]]:
    """Four calls, a fragment of each in turn."""
    announced = [
        runs.added(at, runs.call(id=f"fc_{at}", call_id=f"call_{at}", status="in_progress"))
        for at in range(4)
    ]
    return (
        HEAD
        + announced
        + [runs.arguments(at, piece, item_id=f"fc_{at}") for piece in JSON_PIECES for at in range(4)]
    )


def chat_calls() -> list[dict[str, Any]]:
    """Two calls of Chat Completions, a fragment of each in turn."""
    begun = [call_chunk(at, "", id=f"call_{at}", type="function", name="tick") for at in range(2)]
    return begun + [call_chunk(at, piece) for piece in JSON_PIECES for at in range(2)]


CLEAN = {
    "text": ("responses", numbered(HEAD + runs.streamed_message(0, *PIECES))),
    "call": ("responses", numbered(HEAD + runs.streamed_call(0, *JSON_PIECES))),
    "interleaved calls": ("responses", numbered(interleaved_calls())),
    "numbers last": ("responses", numbered(interleaved_calls(), last=True)),
    "summary": (
        "responses",
        numbered(
            [
                *HEAD,
                runs.added(0, runs.reasoning()),
                {"type": "response.reasoning_summary_part.added", **SUMMARY, "part": runs.summary_text()},
                *({"type": "response.reasoning_summary_text.delta", **SUMMARY, "delta": p} for p in PIECES),
            ]
        ),
    ),
    "chat text": ("chat", [event(chunk({"content": piece})) for piece in PIECES]),
    "chat reasoning": ("chat", [event(chunk({"reasoning_content": piece})) for piece in PIECES]),
    "chat tools": ("chat", [event(payload) for payload in chat_calls()]),
    "spaced": (
        "chat",
        [
            b"data: " + json.dumps(chunk({"content": p}), ensure_ascii=False).encode() + b"\n\n"
            for p in PIECES
        ],
    ),
}


@pytest.mark.parametrize("clean", CLEAN)
def test_clean_streams_take_it(clean: str, frames_read: list[bool]) -> None:
    """Of a clean stream at most one event in ten goes the long way, and the outcome is the same."""
    dialect, blocks = CLEAN[clean]
    body = b"".join(blocks)
    for chunks in ([body], [body[at : at + 700] for at in range(0, len(body), 700)], blocks):
        frames_read.clear()
        said = told(chunks, dialect, short=True)
        assert len(frames_read) <= len(blocks) // 10
        frames_read.clear()
        assert told(chunks, dialect, short=False) == said
        assert len(frames_read) == len(blocks)


def test_one_byte_at_a_time() -> None:
    """What was learned from whole blocks holds where each chunk is one byte."""
    dialect, blocks = CLEAN["text"]
    rest = b"".join(blocks[6:60])
    check_same([b"".join(blocks[:6]), *(rest[at : at + 1] for at in range(len(rest)))], dialect)


def test_events_are_what_they_say() -> None:
    """Events of the short cut are frozen instances of the public classes, equal to any made by hand."""
    for clean, kind in (("text", TextDelta), ("summary", ReasoningDelta), ("call", ArgumentsDelta)):
        dialect, blocks = CLEAN[clean]
        parser = ResponseParser(dialect)
        parser.feed(b"".join(blocks))
        made = [found for found in parser.events() if type(found) is kind]
        assert len(made) == 200
        for found in made[-2:]:
            twin = kind(**attrs.asdict(found, recurse=False))
            assert found == twin
            assert hash(found) == hash(twin)
            assert repr(found) == repr(twin)
            assert attrs.evolve(found, text="x") == attrs.evolve(twin, text="x")
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                found.text = ""


def test_it_is_taken_in_strict_mode(frames_read: list[bool]) -> None:
    """A strict parser takes the short cut as well."""
    dialect, blocks = CLEAN["text"]
    check_same(blocks, dialect, strict=True)
    frames_read.clear()
    told(blocks, dialect, short=True, strict=True)
    assert len(frames_read) <= len(blocks) // 10


def test_it_is_taken_after_a_resume(frames_read: list[bool]) -> None:
    """A parser that is taken up elsewhere learns anew, from the first delta on."""
    dialect, blocks = CLEAN["text"]
    check_same(blocks, dialect, moves=frozenset({50, 90}))
    frames_read.clear()
    told(blocks, dialect, short=True, moves=frozenset({50, 90}))
    assert len(frames_read) <= len(blocks) // 10


def long_blocks(frames_read: list[bool], blocks: list[bytes], dialect: str, **options: Any) -> int:
    """How many blocks go the long way; what comes out is the same."""
    check_same(blocks, dialect, **options)
    frames_read.clear()
    told(blocks, dialect, short=True, **options)
    return len(frames_read)


def gemini_piece(text: str, path: str = "$.a", **fields: Any) -> bytes:
    """A chunk with a piece of a string among the arguments of a call, as the server writes it."""
    piece = {"jsonPath": path, "stringValue": text, "willContinue": True, **fields}
    call = {"partialArgs": [piece], "willContinue": True}
    content = {"parts": [{"functionCall": call}], "role": "model"}
    return event({"candidates": [{"content": content, "index": 0}]})


def test_pieces_of_gemini_s_arguments(frames_read: list[bool]) -> None:
    """A string that goes on takes the short way with the escapes that JSON text has as well."""
    begun = {"functionCall": {"name": "f", "willContinue": True}}
    head = event({"candidates": [{"content": {"parts": [begun], "role": "model"}, "index": 0}]})
    texts = ['say "hi"', "a\\b", "\n\t\r\b\f", "é", "\\u0041", "\\\\", "x" * 40]
    pieces = [gemini_piece(text) for text in texts]
    # The first one shows what the others look like.
    assert long_blocks(frames_read, [head, gemini_piece("a"), gemini_piece("b"), *pieces], "gemini") == 2
    for odd in (b"\\u00e9", b"\\/", b"\\\\\\/", b"\\ud83d\\ude00", b"\\u0007"):
        written = gemini_piece("OTHER").replace(b"OTHER", odd)
        blocks = [head, gemini_piece("a"), gemini_piece("b"), written, gemini_piece("c"), gemini_piece("d")]
        assert long_blocks(frames_read, blocks, "gemini") == 3
    opened = b'"partialArgs":['
    for other in (
        gemini_piece("c", "$.b"),
        gemini_piece("c", willContinue=False),
        gemini_piece("c", numberValue=5),
        gemini_piece("c", "$.a.b"),
        gemini_piece("c", "$"),
        gemini_piece("c").replace(opened, opened + b'{"jsonPath":"$.a","willContinue":true},'),
        event({"candidates": [{"content": {"parts": [{"functionCall": {}}], "role": "model"}, "index": 0}]}),
    ):
        pieces = [gemini_piece(text) for text in "abc"]
        check_same([head, *pieces, other, *pieces, other, *pieces], "gemini")
        check_same([head, *pieces, other, *pieces], "gemini", lifts=[Lift(("a",), "text")])


@pytest.mark.parametrize(("count", "long"), [(0, 9), (10**14, 2), (-1, 9), (10**15, 9)])
def test_counts_beside_gemini_s_text(count: int, long: int, frames_read: list[bool]) -> None:
    """A count that nobody counts to goes the long way each time."""
    content = {"parts": [{"text": "x"}], "role": "model"}
    candidate = {"content": content, "index": 0}
    piece = event({"candidates": [candidate], "usageMetadata": {"promptTokenCount": count}})
    assert long_blocks(frames_read, [piece] * 9, "gemini") == long


def test_what_shows_no_template_costs_none(frames_read: list[bool]) -> None:
    """However many chunks come first that show no template, those behind them take the short way."""

    def chunk_of_text(text: str, **fields: Any) -> bytes:
        return event({"candidates": [{"content": {"parts": [{"text": text}]}}], **fields})

    # Usage that counts nothing is laid over what was counted before.
    odd = [chunk_of_text(f"a{number}", usageMetadata={}) for number in range(3 * MOST_UNUSED)]
    blocks = [*odd, *[chunk_of_text("x")] * 40]
    assert long_blocks(frames_read, blocks, "gemini") == len(blocks) - 39


def test_arguments_that_open_something(frames_read: list[bool]) -> None:
    """A fragment that opens an object or array goes the long way only where it may repeat the arguments."""
    opened = ['{"a', '":1,"b":', '{"b":[', '{"c', "[", "{"]
    blocks = [event(call_chunk(0, text)) for text in opened]
    assert long_blocks(frames_read, [CHAT_PRELUDE, *blocks], "chat") == 3 + 1
    again = {
        "as the arguments began": opened[0],
        "the arguments so far": "".join(opened),
    }
    for text in again.values():
        assert long_blocks(frames_read, [CHAT_PRELUDE, *blocks, event(call_chunk(0, text))], "chat") == 3 + 2
    # Once the arguments may be whole, anything that opens may be all of them again.
    closed = [event(call_chunk(0, text)) for text in ("]", "{", "x", "[")]
    assert long_blocks(frames_read, [CHAT_PRELUDE, *blocks, *closed], "chat") == 3 + 1 + 1


FRAGMENTS = ["{", '{"a', '":1', '{"a":1', "}", "[1]", ","]


@given(st.lists(st.tuples(st.sampled_from([0, 0, 1]), st.none() | st.sampled_from(FRAGMENTS)), max_size=12))
@example([(0, '{"a'), (0, '":1'), (0, "}"), (0, "{")])
@example([(0, '{"a":1'), (0, "}"), (0, None), (0, ","), (0, None)])
def test_arguments_in_any_pieces(said: list[tuple[int, str | None]]) -> None:
    """However arguments are cut, and whether all of them come again, both ways tell the same of them."""
    so_far, blocks = ["", ""], [CHAT_PRELUDE]
    for index, text in said:
        text = so_far[index] if text is None else text
        blocks.append(event(call_chunk(index, text)))
        so_far[index] += text
    check_same(blocks, "chat")


def test_rotating_ids(frames_read: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each delta has another id, nothing more is learned after a while."""
    learned: list[Any] = []
    learn = hot_path.FastPath.add_template
    monkeypatch.setattr(
        hot_path.FastPath, "add_template", lambda path, *told: (learned.append(told), learn(path, *told))[1]
    )
    blocks = [event({**chunk({"content": "a"}), "id": f"c{number}"}) for number in range(200)]
    assert long_blocks(frames_read, blocks, "chat") == 200
    assert len(learned) <= 2 * MOST_UNUSED


def test_after_giving_up_a_match_counts_again(frames_read: list[bool]) -> None:
    """A delta that does match takes the short cut also then, and learning begins again."""
    same = event(chunk({"content": "same"}))
    blocks = [same] * 3 + [event({**chunk({"content": "a"}), "id": f"c{number}"}) for number in range(40)]
    assert long_blocks(frames_read, blocks * 2, "chat") <= 2 * 40 + 4


@pytest.mark.parametrize(
    ("other", "long"),
    [
        (runs.text_done(0, "xx", item_id="msg_0"), 3),
        (runs.text_done(0, "else", item_id="msg_0"), 2),  # it goes on after its end
        (runs.done(0, runs.message("xx", id="msg_0")), 3),
        (runs.completed(), 3),
        (runs.in_progress(), 1),
        ({"type": "error", "error": {"message": "no"}}, 3),
    ],
)
def test_it_forgets(other: dict[str, Any], long: int, frames_read: list[bool]) -> None:
    """After anything but a delta for the item, or for the response, the next delta goes the long way."""
    delta = event(runs.text(0, "x", item_id="msg_0"))
    before = [PRELUDE, delta, delta, delta, event(other)]
    assert long_blocks(frames_read, before, "responses") == 7 + 1 + 1
    assert long_blocks(frames_read, [*before, delta], "responses") == 7 + 1 + 1 + 1
    assert long_blocks(frames_read, [*before, *[delta] * 3], "responses") == 7 + 1 + 1 + long


def test_other_items_are_not_forgotten(frames_read: list[bool]) -> None:
    """What ends one item leaves the deltas of another one hot."""
    text = event(runs.text(0, "x", item_id="msg_0"))
    call = event(runs.arguments(1, "1", item_id="fc_1"))
    end = event(runs.arguments_done(1, "11", item_id="fc_1"))
    assert long_blocks(frames_read, [PRELUDE, text, call, text, call, end, text, text], "responses") == 7 + 3


def test_deltas_that_are_known_are_learned_once(frames_read: list[bool]) -> None:
    """However often a text goes the long way that looks like others, those of another item stay known."""
    other, plain = (event(runs.text(0, "x", item_id="msg_0")), event(runs.arguments(1, "1", item_id="fc_1")))
    odd = plain.replace(b'"delta":"1"', b'"delta":"\\ud83d\\ude00"')
    assert odd != plain
    blocks = [PRELUDE, other, *[odd, plain] * 100, other]
    assert long_blocks(frames_read, blocks, "responses") == 7 + 1 + 100


# ------------------------------------------------------------------------------------------------- limits


def outcome(blocks: list[bytes], **limits: int) -> Any:
    """The limit that stopped a stream, or None; with the short cut and without it the same."""
    parser = ResponseParser(limits=Limits(**limits))
    parser.feed(b"".join(blocks))
    parser.close()
    check_same(blocks, limits=Limits(**limits))
    try:
        for _ in parser.events():
            pass
    except LimitExceeded as fault:
        return fault.limit
    return None


def test_text_size() -> None:
    """Streamed text of just the limit passes, and one character more does not."""
    blocks = [PRELUDE, *[event(runs.text(0, "four", item_id="msg_0"))] * 5]
    assert outcome(blocks, text_size=20) is None
    assert outcome(blocks, text_size=19) == "text_size"


@pytest.mark.parametrize("limit", ["line_bytes", "event_bytes"])
def test_lines_and_events(limit: str) -> None:
    """A line and the data of an event of just the limit pass, and one byte more does not."""
    short, long = (runs.text(0, "x" * size, item_id="msg_0") for size in (5, 900))
    blocks = [PRELUDE, *[event(short)] * 5, event(long), event(short)]
    size = len(event(long).split(b"\n")[1]) - (6 if limit == "event_bytes" else 0)
    assert outcome(blocks, **{limit: size}) is None
    assert outcome(blocks, **{limit: size - 1}) == limit


# ---------------------------------------------------------------------------------------------- not for it


@pytest.mark.parametrize("clean", ["call", "chat tools"])
def test_lifted_calls_go_the_long_way(clean: str, frames_read: list[bool]) -> None:
    """Where something may be lifted, all arguments go the long way."""
    dialect, blocks = CLEAN[clean]
    lifts = (Lift(("text",), "text"),)
    assert long_blocks(frames_read, blocks, dialect, lifts=lifts) == len(blocks)


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": [{"token": "x", "logprob": -1.0}]},
        {"note": 'a "quoted" word'},
        {"note": "back\\slash"},
        {"note": {"delta": "d"}},
        {"note": {"sequence_number": 5}, "sequence_number": 6},
        {"note": [{"obfuscation": "o"}], "obfuscation": "p"},
        {"delta\n": "other"},
    ],
)
def test_places_that_cannot_be_told(fields: dict[str, Any], frames_read: list[bool]) -> None:
    """Log probabilities, escapes, and keys that occur twice go the long way each time."""
    blocks = [PRELUDE, *[event(runs.text(0, "x", item_id="msg_0", **fields))] * 9]
    assert long_blocks(frames_read, blocks, "responses") == 7 + 9


@pytest.mark.parametrize(
    "fields",
    [
        {"note": None, "flag": True, "other": False},
        {"note": 1.5, "deep": {"deeper": [-1e-9, 1e300]}},
        {"note": {"type": "t", "text": "deltas", "sequence_number": 5, "obfuscation": "o"}},
        {"note": [1, {"a": ["b", None]}], "obfuscation": 5, "empty": [], "none": {}},
        {"logprobs": []},
        {"sequence_number": True},
    ],
)
def test_payloads_of_any_shape(fields: dict[str, Any], frames_read: list[bool]) -> None:
    """Anything else may stand beside the text."""
    blocks = [PRELUDE, *[event(runs.text(0, "x", item_id="msg_0", **fields))] * 9]
    assert long_blocks(frames_read, blocks, "responses") == 7 + 1


def test_what_differs_is_not_matched(frames_read: list[bool]) -> None:
    """Of what is not text, number or padding, any other value is learned on its own."""
    blocks = [PRELUDE]
    for note in ("a", "b", "a", "b", "c", "a"):
        blocks.append(event(runs.text(0, "x", item_id="msg_0", note=note)))
    assert long_blocks(frames_read, blocks, "responses") == 7 + 3


def test_gaps_in_the_numbers(frames_read: list[bool]) -> None:
    """A number that is not the next one goes the long way, with its anomaly, and so does the one after it."""
    made = [event(runs.text(0, "x", item_id="msg_0", sequence_number=n)) for n in (7, 8, 9, 12, 13, 13, 14)]
    assert long_blocks(frames_read, [PRELUDE, *made], "responses") == 7 + 5


def test_escaped_text_takes_it(frames_read: list[bool]) -> None:
    """Servers that write all but ASCII as escapes are no slower; halves of a pair go the long way."""
    texts = [
        rb"\u65e5\u672c",
        rb"caf\u00e9",
        rb"\u0000",
        rb"\ufffd",
        rb"\uD7ff",
        rb"\ud83d\ude42",
        rb"\uDE42",
    ]
    plain = event(chunk({"content": "x"}))
    blocks = [plain.replace(b'"x"', b'"' + raw + b'"') for raw in texts]
    assert long_blocks(frames_read, [plain, plain, *blocks[:5]], "chat") == 2
    assert long_blocks(frames_read, [plain, plain, *blocks], "chat") == 4
    check_same(blocks, "chat")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"data: ", b"data:"),
        (b"data: ", b"event:x\ndata: "),
        (b"data: ", b"event: x\nevent: x\ndata: "),
        (b',"choices"', b',\ndata: "choices"'),
        (b"\n\n", b"\nevent: x\n\n"),
        (b"\n\n", b"\r\n\n"),
        (b'"content":', b'"content" :'),
        (b'"content":', b'"c\\u006fntent":'),
    ],
)
def test_other_spellings(old: bytes, new: bytes, frames_read: list[bool]) -> None:
    """Blocks that are not spelled in a usual way go the long way."""
    blocks = [event(chunk({"content": "x"})).replace(old, new)] * 6
    assert blocks[0] != event(chunk({"content": "x"}))
    assert long_blocks(frames_read, blocks, "chat") == 6


def test_a_text_without_an_end() -> None:
    """A block that breaks off inside of its text goes the long way, though no quote follows at all."""
    whole = event(runs.text(0, "x", item_id="msg_0"))
    broken = whole[: whole.index(b'"delta":"x') + 10] + b"\n\n"
    check_same([PRELUDE + whole * 3, broken, whole * 2])


@pytest.mark.parametrize(
    "number", [b"-0", b"-1", b"1" * 16, b"9" * 4300, b"1.0", b"1e2", b'"1"', b"null", b"true"]
)
@pytest.mark.parametrize("first", [True, False])
def test_numbers_that_are_none(number: bytes, first: bool) -> None:
    """What is no sequence number, or one that nobody counts to, tells the same both ways."""
    payload = runs.text(0, "x", item_id="msg_0", sequence_number=12345)
    if first:
        payload = {"sequence_number": 12345, **payload}

    def delta(written: bytes) -> bytes:
        return event(payload).replace(b"12345", written)

    check_same([PRELUDE, delta(number) * 4])
    check_same([PRELUDE, delta(number) * 3, delta(b"7") * 2, delta(b"8" + number), delta(b"9")])
    check_same([PRELUDE, delta(b"7"), delta(b"8"), delta(b"9" + number), delta(b"9"), delta(number)])
    check_same([PRELUDE, delta(number) * 3, delta(b"7" + number.strip(b"-")), delta(b"8")])


# ------------------------------------------------------------------------------ what comes between two events


@pytest.fixture
def joins(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much there was to be read after each time that what was fed was joined to what had not been."""
    needs_python_code()
    sizes: list[int] = []
    join = BlockScanner.join
    monkeypatch.setattr(
        BlockScanner, "join", lambda decoder: (join(decoder), sizes.append(len(decoder.buffer)))[0]
    )
    return sizes


def speaking(*deltas: int) -> ResponseParser:
    """A parser that has read a prelude, and deltas of these numbers."""
    parser = ResponseParser()
    parser.feed(PRELUDE)
    for number in deltas:
        parser.feed(event({**runs.text(0, "x", item_id="msg_0"), "sequence_number": number}))
    for _ in parser.events():
        pass
    return parser


def test_what_was_read_is_let_go() -> None:
    """An open stream does not hold the text of what it has read; of a block that is not whole it does."""
    parser = speaking(7, 8)
    decoder = parser._reader.decoder
    assert (decoder.buffer, decoder.data, decoder.event_name) == ("", "", "")
    fed = parser.bytes_fed
    parser.feed(b": ping\n\ndata: ")
    assert type(parser.next_event()) is e.Heartbeat
    assert parser.next_event() is None
    assert (decoder.offset, parser.bytes_pending, parser.bytes_fed) == (fed + 8, 6, fed + 14)


def test_a_long_line_hides_no_block() -> None:
    """A whole block that was fed while events waited comes, though a line that is not whole follows it."""
    parser = speaking(7, 8)
    parser.feed(event(runs.done(0, runs.message("xx", id="msg_0"))))
    assert type(parser.next_event()) is e.ValueFinished
    parser.feed(b": ping\n\n")
    assert type(parser.next_event()) is e.ItemFinished
    parser.feed(b"x" * 70_000)
    assert not parser.needs_input
    assert type(parser.next_event()) is e.Heartbeat
    assert parser.needs_input


def test_a_line_feed_belongs_to_the_carriage_return_before_it() -> None:
    """A blank line that was fed while values waited ends its block, though a CR comes behind it."""
    parser = ResponseParser("chat")
    parser.feed(b"".join(event(chunk({"content": text})) for text in "abb"))
    assert len(list(parser.events())) == 6
    begun = event(chunk({"content": "C"}))[:-2] + b"\r\n"
    three = json.dumps([chunk({"content": text}) for text in "xyz"]).encode() + b"\n"
    heard = []
    for fed in (begun + three, b"\ndata: oops\r", b"\n: e\n\n", b"", event(chunk({"content": "D"})), b"\n"):
        parser.feed(fed)
        heard.append(type(parser.next_event()))
    assert heard == [*[e.TextDelta] * 4, e.Heartbeat, e.UnknownEvent]


def test_what_is_fed_while_events_wait_is_joined_once(joins: list[int]) -> None:
    """As long as events wait, or whole lines do, nothing is joined to them again and again."""
    items = [
        event(runs.added(4 + n, runs.message(id=f"msg_{4 + n}", status="in_progress"))) for n in range(90)
    ]
    parser = speaking(7, 8)
    parser.feed(b"".join(items))
    list(parser.events())
    parser.feed(event(runs.completed()))
    joins.clear()
    finished = 0
    for found in parser.events():
        finished += type(found) is e.ItemFinished
        parser.feed(b"data: more\n")
    assert finished > 90
    assert len(joins) <= 4


def test_a_backlog_with_carriage_returns_is_joined_once(joins: list[int]) -> None:
    """Blocks that end in CR are all read before what was fed meanwhile is joined to them."""
    parser = speaking(7, 8)
    parser.feed(b": one\r\r" * 90)
    for _ in range(90):
        assert type(parser.next_event()) is e.Heartbeat
        parser.feed(b": more\r\r")
    assert len(joins) <= 16


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("rest", [b": ping\n\n", b"event: ping\n\n", b"data: nope\n\n", b"data: 1\n\n", None])
def test_the_cursor_never_goes_back(rest: bytes | None, short: bool) -> None:
    """What bears no number leaves the cursor where it was, also while its events wait."""
    parser = speaking(*range(7, 9 + 1))
    if not short:
        without_short_cut(parser)
    parser.feed(event({**runs.text(0, "x", item_id="msg_0"), "sequence_number": 10}))
    assert type(parser.next_event()) is e.TextDelta
    if rest is None:
        parser.close()
    else:
        parser.feed(rest)
    assert not parser.needs_input
    assert parser.last_sequence_number == 10
    while parser.next_event() is not None:
        assert parser.last_sequence_number == 10


def test_a_large_event_is_not_held_twice() -> None:
    """While an event of some megabytes is read, the short cut holds none of its bytes."""
    size = 4_000_000
    large = event({"type": "response.new_thing", "value": "x" * size})
    pieces = [large[at : at + 60_000] for at in range(0, len(large), 60_000)]
    parser = speaking(7, 8, 9)
    tracemalloc.start()
    try:
        for piece in pieces:
            parser.feed(piece)
            for found in parser.events():
                assert type(found) is e.UnknownEvent
        assert tracemalloc.get_traced_memory()[1] < 2.5 * size
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------------- what is remembered


def templates(parser: ResponseParser) -> int:
    """How many are remembered."""
    hot = parser._reader.hot
    assert [known.pattern for known in hot.templates] == [one for _, alike in hot.patterns for one in alike]
    return len(hot.templates)


def test_memory_is_bounded(frames_read: list[bool]) -> None:
    """However many keys, spellings and ids come, only so many templates are remembered."""
    parser = ResponseParser()
    parser.feed(PRELUDE)
    for number in range(2 * MOST_TEMPLATES):
        for fields in ({"note": number}, {f"note_{number}": 1}, {"note": "x" * number}):
            parser.feed(event(runs.text(0, "x", item_id="msg_0", **fields)) * 2)
            for _ in parser.events():
                pass
    assert len(frames_read) == 7 + 3 * 2 * MOST_TEMPLATES
    assert 0 < templates(parser) <= MOST_TEMPLATES


def test_keys_of_many_lengths(frames_read: list[bool]) -> None:
    """Of what stands before the text, too, only so much is remembered."""
    parser = ResponseParser("chat")
    for number in range(2 * MOST_TEMPLATES):
        parser.feed(event({**chunk({"content": "x"}), "id": "c" * number}) * 3)
        for _ in parser.events():
            pass
        assert templates(parser) <= MOST_TEMPLATES
    # One more for the first delta, which begins the response, and one for the first id that is another.
    assert len(frames_read) == 2 * MOST_TEMPLATES + 2


def test_many_at_once(frames_read: list[bool]) -> None:
    """The deltas of many items may alternate, whether they tell their item before the text or behind it."""
    begun = [event(chunk({"role": "assistant", "content": "x"}, choice=index)) for index in range(40)]
    for members in (("index", "delta"), ("delta", "index")):
        blocks = []
        for index in range(40):
            told = {"index": index, "delta": {"content": "x"}}
            blocks.append(event({"id": "c1", "choices": [{name: told[name] for name in members}]}))
        # Those that come after many which were of no use yet are learned in the second round.
        assert long_blocks(frames_read, begun + blocks * 5, "chat") == 40 + 40 + (40 - MOST_UNUSED)


def test_large_blocks_are_not_learned() -> None:
    """What is larger than a delta ever is goes the long way, and nothing of it is remembered."""
    parser = speaking(7)
    for number in (8, 9):
        large = runs.text(0, "x", item_id="msg_0", note="x" * 10_000, sequence_number=number)
        parser.feed(event(large))
        assert len(list(parser.events())) == 1
    assert templates(parser) == 1


@pytest.mark.parametrize("size", [1, 10_000, 70_000])
def test_any_number_of_bytes_at_once(size: int, frames_read: list[bool]) -> None:
    """A body of which more is there than is looked at in one go takes the short cut throughout."""
    texts = [event(chunk({"content": f"{number} " + "é" * (number % 90)})) for number in range(3000)]
    body = b"".join(texts)
    parser = ResponseParser("chat")
    for start in range(0, len(body), size * 100):
        parser.feed(body[start : start + size * 100])
        for _ in parser.events():
            pass
    assert parser.response.output_text == "".join(
        f"{number} " + "é" * (number % 90) for number in range(3000)
    )
    assert len(frames_read) == 2


TEXT_0 = event(runs.text(0, "x", item_id="msg_0"))
BARE_TEXT = event({"type": "response.output_text.delta", "content_index": 0, "delta": "x"})
STRANGER = event(runs.text(0, "x", item_id="msg_9"))
ESCAPED_KEY = TEXT_0.replace(b'"delta":"x"', b'"d\\u0065lta":"@","note":{"delta":"@"}')
PADDED = event(runs.text(0, "x", item_id="msg_0", obfuscation="@"))
FIRST = [event({"sequence_number": n, **runs.text(0, "x", item_id="msg_0")}) for n in range(7, 12)]
HALF = chunk({"content": "\ud83d"})
WHOLE = {"message": {"content": "abc"}}
BARE_CALL = event({"type": "response.function_call_arguments.delta", "item_id": "fc_X", "delta": "x"})


def with_note(raw: bytes) -> bytes:
    """A delta with a raw JSON value beside its text."""
    return event(runs.text(0, "x", item_id="msg_0", note=7)).replace(b'"note":7', b'"note":' + raw)


@pytest.mark.parametrize(
    "body",
    [
        # Half a surrogate pair at the end of a delta waits for the next one.
        PRELUDE + TEXT_0 * 2 + TEXT_0.replace(b'"x"', rb'"a\ud83d"') + TEXT_0 * 2,
        # An item that begins takes the deltas that name no item, or that name it by its id.
        PRELUDE
        + BARE_TEXT * 2
        + event(runs.added(9, runs.message(id="msg_9", status="in_progress")))
        + BARE_TEXT,
        PRELUDE
        + STRANGER * 2
        + event(runs.added(9, runs.message(id="msg_9", status="in_progress")))
        + STRANGER,
        # What is out of order in each event is told of each.
        PRELUDE + with_note(b'"\xff"') * 4,
        PRELUDE + with_note(rb'"\ud83d"') * 4,
        PRELUDE + with_note(b"9" * 5000) * 4,
        # A name that nobody has may come to be an item's, or a call's.
        PRELUDE
        + event(runs.added(4, {"type": "weird_type", "id": "w4"}))
        + BARE_CALL * 3
        + event(runs.done(4, {"type": "weird_type", "id": "fc_X"}))
        + BARE_CALL * 2,
        PRELUDE
        + STRANGER.replace(b'"output_index":0,', b"") * 3
        + event(runs.added(2, {"type": "reasoning", "id": "rs_2", "call_id": "msg_9", "new": 1}))
        + STRANGER.replace(b'"output_index":0,', b"") * 2,
        # A key in the name of the event, which is no JSON.
        PRELUDE
        + TEXT_0.replace(b"event: ", b'event: "delta":"').replace(b'"delta":"x', b'"d\\u0065lta":"x') * 4,
        # Another key of that name, in an object of its own, where the key itself is spelled with an escape.
        PRELUDE
        + ESCAPED_KEY.replace(b"@", b"x") * 3
        + ESCAPED_KEY.replace(b'"@"}', b'"y"}').replace(b"@", b"x"),
        # Padding is not compared, but it has to be text.
        *(
            PRELUDE + PADDED.replace(b"@", b"aB3") * 3 + PADDED.replace(b"@", padding) * 2
            for padding in (b"\xe9", b"\x01", rb"\q", rb"\"", b"a\nb")
        ),
        # Another type, of as many letters.
        PRELUDE + b"".join(FIRST[:3]) + FIRST[3].replace(b"output_text", b"other_thing") + FIRST[4],
        # The place of an anomaly that no event brings.
        PRELUDE + TEXT_0 * 3 + b'error: {"message":"no"}\n\n' + TEXT_0,
    ],
)
def test_what_the_short_cut_must_not_pass_over(body: bytes) -> None:
    """What a delta of the same shape means may depend on what came before, or be told each time."""
    check_same([body])


@pytest.mark.parametrize(
    "payloads",
    [
        # Another call under an index that is taken: Gemini gives every call index 0.
        [call_chunk(0, "1")] * 3 + [call_chunk(0, "", id="call_z", name="tack")] + [call_chunk(0, "2")] * 2,
        # The last role that came before the message is its role.
        [chunk({"role": role, "reasoning_content": "x"}) for role in "abcb"] + [chunk({"content": "Hi"})],
        # Half a surrogate pair waits for the text of one item, and another one's comes.
        [
            *[chunk({"content": "a"}), chunk({"reasoning_content": "r"})] * 3,
            chunk({"content": "\ud83d", "reasoning_content": "r"}),
            chunk({"content": "abc"}),
        ],
        [
            *[chunk({"content": "a"}), chunk({"content": "b"}, 1), chunk({"content": "c"}, 2)] * 3,
            together(HALF, chunk({"content": "b"}, 1)),
            chunk({"content": "abc"}),
        ],
        [
            *[chunk({"content": "a"}), chunk({"content": "b"}, 1), chunk({"content": "c"}, 2)] * 3,
            together(HALF, chunk({"content": "b"}, 1), chunk({"content": "c"}, 2)),
            chunk({"content": "abc"}),
        ],
        # A message beside the delta tells the whole again.
        [
            *[chunk({"content": "abc"}), chunk({"reasoning_content": "r"})],
            *[chunk({"reasoning_content": "r"}, **WHOLE)] * 2,
            chunk({"content": "d"}),
            chunk({"reasoning_content": "r"}, **WHOLE),
        ],
    ],
)
def test_what_the_short_cut_must_not_pass_over_in_chat(payloads: list[dict[str, Any]]) -> None:
    """A chunk of the same shape may belong to another call, and what it tells may be the last word."""
    begin = CHAT_PRELUDE if "tool_calls" in payloads[0]["choices"][0]["delta"] else b""
    check_same([begin + b"".join(map(event, payloads))], "chat")
    half = event(chunk({"content": "x"}))
    check_same([half * 2 + half.replace(b'"x"', rb'"a\ud83d"') + half * 2], "chat")


def test_one_byte_at_a_time_takes_it(frames_read: list[bool]) -> None:
    """What was learned from whole blocks is of use where each chunk is one byte."""
    dialect, blocks = CLEAN["text"]
    rest = b"".join(blocks[6:60])
    frames_read.clear()
    told([b"".join(blocks[:6]), *(rest[at : at + 1] for at in range(len(rest)))], dialect, short=True)
    assert len(frames_read) == 5


@pytest.mark.parametrize(
    "choices",
    [
        [{"index": 0, "delta": {"content": "who"}}, {"index": 0, "message": {"content": "whole"}}],
        [{"index": 0, "text": "a"}, {"index": 0, "text": "b"}],
    ],
)
def test_texts_outside_of_a_delta(choices: list[dict[str, Any]]) -> None:
    """A choice may tell its text without a delta, and is learned nothing from."""
    blocks = [event({"object": "chat.completion.chunk", "choices": [choice]}) for choice in choices]
    check_same(blocks, "chat")
    assert "".join(e.text for e in runs.play(blocks, dialect="chat").events if isinstance(e, TextDelta)) in (
        "whole",
        "ab",
    )


@pytest.mark.parametrize(
    "delta",
    [
        {"content": [{"type": "text", "text": "a"}]},
        {"content": {"type": "text", "text": "a"}},
        {"content": ["a"]},
        {"content": [{"type": "thinking", "thinking": "a"}]},
        {"reasoning": {"text": "a"}},
        {"reasoning": ["a"]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "a"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "a"}]},
        {"reasoning": "a", "thinking": "a"},
        {"tool_calls": [{"index": 0, "arguments": "a"}]},
        {"tool_calls": {"index": 0, "function": {"arguments": "a"}}},
        {"function_call": {"arguments": "a"}},
    ],
)
def test_texts_in_other_places_of_a_delta(delta: dict[str, Any]) -> None:
    """A text may stand deeper, twice, or in no array; each is read."""
    blocks = [CHAT_PRELUDE, *[event(chunk(delta))] * 4, event(chunk({"content": "z"}))]
    check_same(blocks, "chat")
    check_same([b"".join(blocks).replace(b'"a"', b'"b"', 1)], "chat")


def test_openings_are_shared_and_few() -> None:
    """What stands before a number is one object for all streams; few are kept, and none that is long."""
    before = dict(shapes.OPENINGS)
    try:
        shapes.OPENINGS.clear()
        first, second = (shapes.shared_opening("".join(["data: ", "{"])) for _ in range(2))
        assert first is second
        long = "x" * (shapes.LONGEST_OPENING + 1)
        assert shapes.shared_opening(long) is long
        assert list(shapes.OPENINGS) == [first]
        for number in range(3 * shapes.MOST_OPENINGS):
            shapes.shared_opening(f"data: {number}")
            assert len(shapes.OPENINGS) <= shapes.MOST_OPENINGS
    finally:
        shapes.OPENINGS.clear()
        shapes.OPENINGS.update(before)
