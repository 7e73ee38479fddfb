"""The short cut for pieces of arguments, as Gemini streams them: with it and without it all is the same."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runs
from deltafold import Lift, Limits, ResponseParser, UsageReported
from parsing.test_fast_path import (
    RAW,
    check_same,
    chunkings,
    event,
    frames_read,
    long_blocks,
    without_short_cut,
)

__all__ = ["frames_read"]

JSON: TypeAlias = dict[str, Any]

USAGES = [
    "",
    *[',"usageMetadata":{"promptTokenCount":@N@,"totalTokenCount":@M@}'] * 3,
    ',"usageMetadata":{"promptTokenCount":@N@,"promptTokensDetails":[{"modality":"TEXT","tokenCount":3}]}',
    ',"usageMetadata":{"promptTokenCount":0@N@}',
    ',"usageMetadata":{"promptTokenCount":0,"trafficType":"ON_DEMAND"}',
    ',"usageMetadata":{"trafficType":"@N@"}',
    ',"usageMetadata":{"totalTokenCount":@N@,"note":"é"}',
    ',"usageMetadata":{"promptTokenCount":"@N@"}',
    ',"usageMetadata":5',
]
PATHS_IN_USE = """
$.a $.b $.a.b $.c.d.e $.c.d.f $.c.g $.a[0] $.l[0] $.l[1] $.l[2].x $.l[2].y $.l[3][0] $['a.b'].c $['a.b'].d $.é
"""
ODD_PATHS = r"""
$.l[9] $.l[99] $.l[01] $.l[] $.l[*] $.* $ $. $..a a $[0] $.l] $.l[ $.l[1234567890] $.a* $['*'] $[\"q\"]
$.日.a $.日.b $.\u0061 $.a\n $.l[0][0] $.m[0][0] $.m[1][0] $.m[1][1] ['a']
"""
PATHS = [*PATHS_IN_USE.split(), *ODD_PATHS.split(), "", "$['a b']", "$.\x01", "$.\x7f"]
DIGITS = """
0 1 -1 50.0 0.5 -2.50 -0 1e3 1E-2 0.0 -0.0 01 1. 0.1234567890123456789 123456789012345.123456789012345
"5" null true NaN +1
"""
NUMBERS = [*DIGITS.split(), "9" * 15, "9" * 16, "9" * 400]
VALUES = [
    *['"stringValue":"@T@"'] * 8,
    *['"numberValue":@D@'] * 3,
    *(
        '"boolValue":true',
        '"boolValue":false',
        '"nullValue":"NULL_VALUE"',
        '"nullValue":null',
        '"nullValue":0',
    ),
    *('"boolValue":"true"', '"stringValue":null', '"stringValue":5', "", '"stringValue":"a","numberValue":1'),
    *('"stringValue":"a","stringValue":"b"', '"new":1', '"stringValue":"a","new":1'),
]
GOES_ON = [
    *['"willContinue":true'] * 5,
    "",
    "",
    '"willContinue":false',
    '"willContinue":"true"',
    '"willContinue":1',
]
CALLS = [
    *['"partialArgs":[@P@],"willContinue":true'] * 12,
    '"partialArgs":[@P@]',
    '"partialArgs":[@P@,@P@],"willContinue":true',
    '"partialArgs":@P@,"willContinue":true',
    '"partialArgs":[5],"willContinue":true',
    '"partialArgs":[@P@],"willContinue":true,"id":"i1"',
    '"name":"f","partialArgs":[@P@],"willContinue":true',
    '"name":"g","willContinue":true',
    '"name":"f","args":{"a":1},"willContinue":true',
    '"args":{"k":"v"},"willContinue":true',
    '"name":"f","args":{"a":1}',
    '"partialArgs":[@P@],"willContinue":true,"new":1',
    "",
    "",
]
PARTS = [
    *['{"functionCall":{@C@}}'] * 14,
    '{"text":"@T@"}',
    '{"text":"hi"}',
    '{"functionCall":{@C@},"thoughtSignature":"x"}',
    '{"functionCall":{@C@}},{"text":"a"}',
    "",
]
CHUNKS = [
    *['{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":0}]@U@,"responseId":"r1"}'] * 10,
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"}}]@U@}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":1}]@U@,"responseId":"r1"}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":-1}]@U@,"responseId":"r1"}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":"0"}]@U@,"responseId":"r1"}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":true}]@U@,"responseId":"r1"}',
    '{"sequence_number":@N@,"candidates":[{"content":{"parts":[@X@]},"index":0}]@U@,"obfuscation":"x"}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":0,"finishReason":"STOP"}]@U@}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"user"},"index":0}]@U@}',
    '{"candidates":[{"content":{"parts":[@X@]},"index":0}]@U@,"modelVersion":"m@N@"}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":0}]@U@,"responseId":"r2"}',
    '{"response":{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":0}]@U@}}',
    '{"candidates":[{"index":0,"content":{"parts":[@X@],"role":"model"}},{"index":1}]@U@}',
    '{"error":{"code":500,"message":"no"}}',
]


def spelled(text: str, colon: str, comma: str) -> str:
    """The same JSON, spaced otherwise."""
    return text.replace('":', f'"{colon}').replace(',"', f'{comma}"')


GOOD_VALUES = [
    *[('"stringValue":"@T@"', '"willContinue":true')] * 4,
    *[('"stringValue":"@T@"', "")] * 3,
    ('"stringValue":""', ""),
    *[('"numberValue":@D@', ""), ('"boolValue":false', ""), ('"nullValue":"NULL_VALUE"', "")],
]


@st.composite
def blocks(draw: st.DrawFn, spacing: tuple[str, str], usages: list[str], path: str) -> bytes:
    """One chunk: mostly a piece of arguments, with at most something odd about it."""
    odd = draw(st.sampled_from([*[""] * 9, "path", "value", "order", "call", "part", "chunk", "text"]))
    path = draw(st.sampled_from(PATHS)) if odd == "path" else path
    value, more = draw(st.sampled_from(GOOD_VALUES))
    if odd == "value":
        value, more = draw(st.sampled_from(VALUES)), draw(st.sampled_from(GOES_ON))
    members = [member for member in (f'"jsonPath":"{path}"', value, more) if member]
    if odd == "order":
        members = draw(st.permutations(members))
    chunk = draw(st.sampled_from(CHUNKS)) if odd == "chunk" else CHUNKS[0]
    chunk = chunk.replace("@X@", draw(st.sampled_from(PARTS)) if odd == "part" else PARTS[0])
    chunk = chunk.replace("@C@", draw(st.sampled_from(CALLS)) if odd == "call" else CALLS[0])
    chunk = chunk.replace("@U@", draw(st.sampled_from(usages))).replace("@P@", "{" + ",".join(members) + "}")
    chunk = chunk.replace("@D@", draw(st.sampled_from(NUMBERS if odd == "value" else NUMBERS[:7])))
    for mark in ("@N@", "@M@"):
        chunk = chunk.replace(mark, str(draw(st.sampled_from([*COUNTS[:8], *(COUNTS if odd else ())]))))
    text = draw(st.sampled_from(RAW)) if odd == "text" else draw(st.sampled_from(GOOD_TEXTS))
    return b"data: " + spelled(chunk, *spacing).encode().replace(b"@T@", text) + b"\n\n"


COUNTS = [1, 2, 7, 8, 9, 10, 55, 10**14, 0, 10**15, -1]
GOOD_TEXTS = [b"a", b"bc", b" d", "é日".encode(), rb"\"q\"", rb"\n\\", b"", b"]}"]
BEGIN = {"functionCall": {"name": "f", "willContinue": True}}
HEAD = event({"candidates": [{"content": {"parts": [BEGIN]}}]})


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A stream of pieces, with anything else among them."""
    spacing = draw(st.sampled_from([(":", ","), (": ", ", "), (": ", ","), (" :", " ,")]))
    usages = draw(st.sampled_from([USAGES[1:2], USAGES[:2], USAGES[1:]]))
    made = [HEAD] if draw(st.integers(0, 5)) else []
    path = "$.a"
    for number in range(draw(st.integers(2, 14))):
        new = [f"$.k{number}", f"$.o.k{number}", f"$.l[{number}]", f"$.l[{number}].x", f"$['q {number}']"]
        path = draw(st.sampled_from([*[path] * 5, *new, f"$.é.日{number}", draw(st.sampled_from(PATHS))]))
        made.append(draw(blocks(spacing, usages, path)))
    if draw(st.integers(0, 4)) == 0:
        made.insert(draw(st.integers(0, len(made))), draw(st.sampled_from(OTHERS)))
    return b"".join(made)


OTHERS = [
    *(
        b": comment\n\n",
        b"data: [DONE]\n\n",
        b"data: {\n\n",
        b"event: ping\n\n",
        b'data: {"type":"ping"}\n\n',
    ),
    *(b'error: {"message":"no"}\n\n', b"data: {}{}\n\n", b'{"candidates":[{"finishReason":"STOP"}]}\n'),
    b'{"modelVersion":"other","candidates":[]}\n',
]


def leaf(path: str, usage: JSON | None = None, **members: Any) -> bytes:
    """A chunk with one piece."""
    call = {"partialArgs": [{"jsonPath": path, **members}], "willContinue": True}
    content = {"parts": [{"functionCall": call}], "role": "model"}
    counted = {} if usage is None else {"usageMetadata": usage}
    return event({"candidates": [{"content": content, "index": 0}], **counted, "responseId": "r1"})


def call_chunk(**call: Any) -> bytes:
    """A chunk with what begins or ends a call."""
    content = {"parts": [{"functionCall": call}], "role": "model"}
    return event({"candidates": [{"content": content, "index": 0}], "responseId": "r1"})


BEGUN = call_chunk(name="f", willContinue=True)
ENDED = call_chunk()


def leaves_of(value: Any, path: str = "$") -> list[bytes]:
    """A value leaf by leaf, as Vertex streams it: strings in two pieces, and an empty one at their end."""
    if isinstance(value, dict):
        return [block for key, member in value.items() for block in leaves_of(member, f"{path}.{key}")]
    if isinstance(value, list):
        return [block for at, member in enumerate(value) for block in leaves_of(member, f"{path}[{at}]")]
    if isinstance(value, str):
        pieces = [value[: len(value) // 2], value[len(value) // 2 :]]
        begun = [leaf(path, stringValue=piece, willContinue=True) for piece in pieces if piece]
        return [*begun, leaf(path, stringValue="")]
    kinds: dict[type, str] = {bool: "boolValue", int: "numberValue", float: "numberValue"}
    return [leaf(path, **({"nullValue": "NULL_VALUE"} if value is None else {kinds[type(value)]: value}))]


EDITS = {
    "edits": [
        {"path": "a/é.txt", "line": number, "keep": number % 2 == 0, "old": 'say "hi"\n', "score": 0.25}
        | {"tags": ["x", None, {"deep": [[1, -2.5], ["\\"]]}], "whole": 3}
        for number in range(12)
    ],
    "note": "done",
}


@pytest.mark.parametrize("size", [10**6, 700, 43])
def test_leaves_take_the_short_way(size: int, frames_read: list[bool]) -> None:
    """Of calls that come leaf by leaf, the first leaf shows what all others look like, also later ones."""
    leaves = leaves_of(EDITS)
    assert len(leaves) > 200
    body = b"".join([BEGUN, *leaves, ENDED] * 3)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert long_blocks(frames_read, chunks, "gemini") == 3 * 2 + 1
    calls = runs.play(chunks, dialect="gemini").response.tool_calls
    assert [call.arguments for call in calls] == [
        json.dumps(EDITS, ensure_ascii=False, separators=(",", ":"))
    ] * 3


FIRST = leaf("$.first", boolValue=True)
END_OF_ALL = event({"candidates": [{"finishReason": "STOP", "index": 0}]})


@pytest.mark.parametrize(
    ("blocks", "long"),
    [
        # A path that is closed comes again, contradicts, lies far off, or cannot be read.
        ([leaf("$.first", boolValue=True)], 1),
        ([leaf("$.a.b", numberValue=1), leaf("$.a", numberValue=1)], 1),
        ([leaf("$.a.b", numberValue=1), leaf("$.a[0]", numberValue=1)], 1),
        ([leaf("$[0]", numberValue=1)], 1),
        (
            [
                leaf("$.a[64]", numberValue=1),
                leaf("$.a[129]", numberValue=1),
                leaf("$.a[195]", numberValue=1),
            ],
            1,
        ),
        ([leaf("$..a", numberValue=1)], 1),
        ([leaf("$.*", numberValue=1)], 1),
        ([leaf("$", numberValue=1)], 1),
        ([leaf("$.a[]", numberValue=1)], 1),
        # The end of an array, and values that say nothing or something else.
        ([leaf("$.a[]")], 1),
        ([leaf("$.a", stringValue="", willContinue=True), leaf("$.a", stringValue="", willContinue=True)], 1),
        ([leaf("$.a", numberValue=1e300)], 1),
        ([leaf("$.a", numberValue="1")], 1),
        ([leaf("$.a", stringValue="\ud83d", willContinue=True)], 1),
        ([leaf("$.\x01", stringValue="a")], 1),
        # What they may be as well.
        ([leaf("$['a.b']['c']", numberValue=1), leaf("$['a.b']['d']", numberValue=1)], 0),
        ([leaf("$.a", stringValue="x", willContinue=False), leaf("$.b", numberValue=-0.5)], 0),
        ([leaf("$.a[0]", nullValue="NULL_VALUE"), leaf("$.a[2]", boolValue=False)], 0),
        ([leaf("$.a", numberValue=1, willContinue=True)], 0),
    ],
)
def test_which_pieces_take_it(blocks: list[bytes], long: int, frames_read: list[bool]) -> None:
    """What may be an anomaly, or another value, goes the long way."""
    assert long_blocks(frames_read, [BEGUN, FIRST, *blocks, ENDED], "gemini") == 3 + long


@pytest.mark.parametrize(
    ("call", "part", "short"),
    [
        ({}, {}, True),
        ({"id": "i"}, {}, False),
        ({"name": "f"}, {}, False),
        ({"args": {}}, {}, False),
        ({"args": {"z": 1}}, {}, False),
        ({"new": 1}, {}, False),
        ({"new": None}, {}, False),
        ({"willContinue": False}, {}, False),
        ({"willContinue": 1}, {}, False),
        ({"willContinue": "true"}, {}, False),
        ({"willContinue": None}, {}, False),
        ({}, {"thoughtSignature": "s"}, False),
        ({}, {"thought": True}, False),
        ({}, {"text": ""}, False),
        ({}, {"new": None}, False),
    ],
)
def test_what_stands_beside_a_piece(call: JSON, part: JSON, short: bool, frames_read: list[bool]) -> None:
    """A piece takes the short way where its call says nothing but that it goes on, and its part no more."""
    blocks = []
    for number in range(4):
        pieces = [{"jsonPath": f"$.k{number}", "numberValue": number}]
        sent = {"functionCall": {"partialArgs": pieces, "willContinue": True, **call}, **part}
        blocks.append(event({"candidates": [{"content": {"parts": [sent]}, "index": 0}], "responseId": "r1"}))
    assert long_blocks(frames_read, [BEGUN, *blocks], "gemini") == (2 if short else 5)


@pytest.mark.parametrize(
    "later",
    [
        [leaf("$.a", stringValue="b", willContinue=True), leaf("$.a", stringValue="c", willContinue=True)],
        [leaf("$.b", numberValue=1), leaf("$.c", numberValue=2)],
        [leaf("$.a", stringValue=""), leaf("$.b", stringValue="c")],
        [leaf("$.a", stringValue="\ude00", willContinue=True), leaf("$.b", stringValue="c")],
    ],
)
@pytest.mark.parametrize("half", ["\ud83d", "x\ud83d"])
def test_half_a_character_at_the_end_of_a_piece(half: str, later: list[bytes]) -> None:
    """It waits for its other half: whatever comes next goes the long way, in which it is told what it is."""
    opened = [leaf("$.a", stringValue="y", willContinue=True)] * 2
    waiting = leaf("$.a", stringValue=half, willContinue=True)
    blocks = [BEGUN, FIRST, *opened, waiting, *later, ENDED]
    check_same(blocks, "gemini")
    check_same([b"".join(blocks)], "gemini")
    other = of_text(half, 1)
    check_same([BEGUN, FIRST, *opened, other, *later, ENDED], "gemini")


@pytest.mark.parametrize(
    ("paths", "arguments"),
    [
        (["$.ab", "$.a.c"], '{"ab":0,"a":{"c":1}}'),
        (["$.a.bc", "$.a.b.d", "$.a.e"], '{"a":{"bc":0,"b":{"d":1},"e":2}}'),
        (["$.a.b", "$.x.c"], '{"a":{"b":0},"x":{"c":1}}'),
        (["$.a.b", "$.axc"], '{"a":{"b":0},"axc":1}'),
        (["$.a[0]", "$.x[0]", "$.x[1]"], '{"a":[0],"x":[1,2]}'),
        (["$.a.b", "$.a[1]"], None),
        (["$.a[0]", "$.a.b", "$.a[1x"], None),
        (["$.a[0]", "$.a[1x", "$.a[2]"], None),
        (["$.a[10]", "$.a[1].b"], None),
        (["$.a[0]", "$.a[1]", "$.ab", "$.a.c"], None),
        (["$.a[0].b", "$.a[0].bc", "$.a[1].b", "$.a[1].c[0]", "$.a[1].c[1]", "$.d"], None),
        (["$.x.y", "$.x.y.z"], None),
        (["$.x", "$.xy", "$.x.y"], None),
        (["$.a.b", "$.c", "$.a.d", "$.a"], None),
        *(
            (["$.a", "$.b", path, "$.c"], None)
            for path in ("$.l[", "$.l]", "$.*", "$.b*", "$..b", "$.", "$b")
        ),
        *(
            (["$.a.b", path, "$.a.d"], None)
            for path in ("$.a.", "$.a.c[", "$.a.c]", "$.a..c", "$.a.*", "$.a")
        ),
        *(
            (["$.a[0]", path, "$.a[2]"], None)
            for path in ("$.a[1", "$.a1]", "$.a[x]", "$.a[01]", "$.a[", "$.a[*]")
        ),
    ],
)
def test_paths_that_look_alike(paths: list[str], arguments: str | None) -> None:
    """One that begins as another does is another: it lies elsewhere, or contradicts."""
    leaves = [leaf(path, numberValue=number) for number, path in enumerate(paths)]
    check_same([BEGUN, FIRST, *leaves, ENDED], "gemini")
    check_same([BEGUN, *leaves, ENDED], "gemini")
    if arguments is not None:
        (call,) = runs.play([BEGUN, *leaves, ENDED], dialect="gemini").response.tool_calls
        assert call.arguments == arguments


SECOND = """
{"text":""} {"text":"b"} {"text":"","k":1} {"thought":true} {"functionCall":{}}
{"functionCall":{"willContinue":true}}
{"functionCall":{"partialArgs":[{"jsonPath":"$.s","stringValue":"","willContinue":true}],"willContinue":true}}
{"functionCall":{"partialArgs":[{"jsonPath":"$.s","stringValue":"y","willContinue":true}],"willContinue":true}}
5 {"functionCall":{"args":{},"willContinue":true}} {"functionCall":{"id":"x","willContinue":true}} {}
{"text":5}
"""


@pytest.mark.parametrize("second", SECOND.split())
def test_a_part_behind_another(second: str) -> None:
    """It is read each time, whatever it brings or does not."""
    more = b"," + second.encode() + b'],"role"'
    texts = [of_text(text, None).replace(b'],"role"', more) for text in "abcd"]
    pieces = [leaf(f"$.k{number}", numberValue=number) for number in range(4)]
    pieces = [block.replace(b'],"role"', more) for block in pieces]
    opened = leaf("$.s", stringValue="x", willContinue=True)
    for blocks in (
        [*texts, END_OF_ALL],
        [BEGUN, *pieces, ENDED, END_OF_ALL],
        [BEGUN, opened, *pieces, ENDED, END_OF_ALL],
        [*texts, BEGUN, opened, *texts, *pieces, *texts, ENDED, END_OF_ALL],
    ):
        check_same(blocks, "gemini")
        check_same([b"".join(blocks)], "gemini")


@pytest.mark.parametrize(
    "second",
    [
        {"jsonPath": "$.s", "stringValue": "", "willContinue": True},
        {"jsonPath": "$.s", "stringValue": "y", "willContinue": True},
        {"jsonPath": "$.l[]"},
        5,
    ],
)
def test_a_piece_behind_another(second: Any) -> None:
    """It is read each time, whatever it brings or does not."""
    more = f"}},{json.dumps(second, separators=(',', ':'))}],".encode()
    pieces = [leaf(f"$.k{number}", numberValue=number).replace(b"}],", more, 1) for number in range(4)]
    assert all(more in piece for piece in pieces)
    opened = leaf("$.s", stringValue="x", willContinue=True)
    for blocks in ([BEGUN, *pieces, ENDED], [BEGUN, opened, *pieces, ENDED], [BEGUN, FIRST, *pieces, ENDED]):
        check_same([*blocks, END_OF_ALL], "gemini")


def test_brackets_that_close_count_as_text() -> None:
    """A leaf far outside closes all that is open: the limit of the text is met on either way alike."""
    paths = [f"$.{'.'.join('a' * 190)}", "$.z[64]"]
    blocks = [BEGUN, FIRST, *(leaf(path, numberValue=1) for path in paths)]
    for size in range(900, 2200, 20):
        check_same(blocks, "gemini", limits=Limits(text_size=size, json_depth=200))


def test_what_changes_the_response_ends_it(frames_read: list[bool]) -> None:
    """Members that were told otherwise have to be told again. Other calls and counts change nothing."""
    leaves = [leaf(f"$.k{number}", stringValue="a") for number in range(6)]
    other = leaves[3].replace(b"}\n", b',"modelVersion":"m"}\n')
    begun = [BEGUN, leaves[0], leaves[1]]
    assert long_blocks(frames_read, [*begun, *leaves[2:]], "gemini") == 2
    assert long_blocks(frames_read, [*begun, leaves[2], other, *leaves[4:]], "gemini") == 2 + 1 + 1
    text = event({"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "index": 0}]})
    assert long_blocks(frames_read, [*begun, ENDED, text, BEGUN, *leaves], "gemini") == 2 + 3
    counted = {"promptTokenCount": 7, "totalTokenCount": 9}
    blocks = [*begun, *[leaf(f"$.n{number}", counted, stringValue="a") for number in range(4)], *leaves[2:]]
    assert long_blocks(frames_read, blocks, "gemini") == 2 + 1


@pytest.mark.parametrize("index", ["-1", '"0"', "true", "null", "0.0"])
def test_a_candidate_of_no_index(index: str) -> None:
    """Where the index of a candidate cannot be one, its pieces go the long way."""
    blocks = [BEGUN, *(leaf(f"$.k{number}", stringValue="a") for number in range(4))]
    check_same([block.replace(b'"index":0', f'"index":{index}'.encode()) for block in blocks], "gemini")


def test_two_candidates(frames_read: list[bool]) -> None:
    """Each candidate has its own call."""
    one = [BEGUN, *(leaf(f"$.k{number}", stringValue="a") for number in range(4))]
    two = [block.replace(b'"index":0', b'"index":1') for block in one]
    blocks = [block for pair in zip(one, two, strict=True) for block in pair]
    assert long_blocks(frames_read, blocks, "gemini") == 4
    output = runs.play(blocks, dialect="gemini").response.output
    assert [call.to_dict()["arguments"] for call in output] == ['{"k0":"a","k1":"a","k2":"a","k3":"a"'] * 2


def test_depth_and_size() -> None:
    """A path of too many steps, and a text of just the limit."""
    paths = [f"$.{'.'.join('abcdefghij'[:depth])}" for depth in range(1, 10)]
    blocks = [BEGUN, *(leaf(f"{path}.z", numberValue=1) for path in paths)]
    for depth in range(8, 14):
        check_same(blocks, "gemini", limits=Limits(json_depth=depth))
    for size in range(0, 1200, 7):
        check_same(blocks, "gemini", limits=Limits(text_size=size))


def test_arguments_are_read_while_they_come() -> None:
    """Between any two leaves, what is known of the arguments is the same as after the long way."""
    said: list[Any] = []
    for short in (True, False):
        parser = ResponseParser("gemini")
        known: list[Any] = []
        for block in [BEGUN, *leaves_of(EDITS)[:60]]:
            if not short:
                without_short_cut(parser)
            parser.feed(block)
            for found in parser.events():
                known.append((found, parser.partial_arguments(0), parser.response))
        said.append(known)
    assert said[0] == said[1]


# --------------------------------------------------------------------------- what the last usage was


def of_text(text: str, usage: Any) -> bytes:
    """A chunk of text with a usage."""
    content = {"parts": [{"text": text}], "role": "model"}
    return event({"candidates": [{"content": content, "index": 0}], "usageMetadata": usage})


def test_usage_of_several_shapes() -> None:
    """Whichever usage came last counts, be it with other members, or none that counts anything."""
    usages: list[Any] = [
        *({"promptTokenCount": 5, "totalTokenCount": 6}, {"promptTokenCount": 5, "trafficType": "X"}),
        *({"trafficType": "ON_DEMAND"}, {"promptTokenCount": 0}, {"promptTokenCount": "7"}, {}, None, 5),
    ]
    for one in usages:
        for two in usages:
            for three in usages:
                blocks = [
                    of_text("a", usage) for usage in (one, one, one, two, two, two, one, three, two, one)
                ]
                check_same(blocks, "gemini")
                check_same([b"".join(blocks)], "gemini", moves=frozenset({0}))


def test_counts_that_come_the_long_way_behind_others() -> None:
    """Those that came last count, with all that was said of the usage since, and are reported once."""
    few = {"promptTokenCount": 5, "totalTokenCount": 6}
    many = few | {f"k{number}": number for number in range(80)}
    called = call_chunk(name="f", args={})
    counted = called.replace(b',"responseId"', b',"usageMetadata":{"totalTokenCount":9},"responseId"')
    for usages in ([few], [few, many], [many, few, many], [many, few]):
        texts = [of_text("a", usage) for usage in usages for _ in range(4)]
        for rest in ([], [called], [counted], [called, of_text("a", {"trafficType": "X"})]):
            blocks = [*texts, *rest, *texts[:1], *rest, END_OF_ALL]
            check_same(blocks, "gemini")
            run = runs.play([*texts, *rest, END_OF_ALL], dialect="gemini")
            last = {"totalTokenCount": 9} if rest == [counted] else usages[-1]
            assert run.response.usage is not None
            assert run.response.usage.to_dict() == last | ({"trafficType": "X"} if len(rest) == 2 else {})
            reported = [event.usage.to_dict() for event in run.events if isinstance(event, UsageReported)]
            assert all(one != two for one, two in pairwise(reported))


def test_usage_in_the_names_of_the_proto() -> None:
    """It counts as well as that of the chunks around it."""
    usual = of_text("a", {"promptTokenCount": 5})
    proto = usual.replace(b"usageMetadata", b"usage_metadata").replace(
        b"promptTokenCount", b"prompt_token_count"
    )
    for blocks in ([proto] * 4 + [usual.replace(b":5", b":7"), proto], [usual] * 4 + [proto, usual]):
        check_same([b"".join(blocks)], "gemini")
        check_same(blocks, "gemini")
        response = runs.play(b"".join(blocks), dialect="gemini").response
        assert response.usage is not None
        assert response.usage.input_tokens == 5


def test_counts_that_are_no_numbers() -> None:
    """A count with a zero before it is no JSON, and one of too many digits is not looked at."""
    for usage in (b"05", b"0", b"00", b"-5", b"5.0", b"5e1", b"9" * 16, b'"5"', b""):
        block = of_text("a", {"promptTokenCount": 5, "totalTokenCount": 7})
        other = block.replace(b":5,", b":" + usage + b",")
        check_same([block * 3 + other + block * 2 + other * 2 + block], "gemini")


def test_what_stands_in_a_line_of_no_field() -> None:
    """A payload in such a line may change what the deltas behind it tell."""
    blocks = [BEGUN, *(leaf(f"$.k{number}", stringValue="a") for number in range(4))]
    stray = b'{"candidates":[],"modelVersion":"other","responseId":"r1"}\n'
    blocks.append(stray + leaf("$.k8", stringValue="a").replace(b"}\n", b',"modelVersion":"m"}\n'))
    check_same([*blocks, *(leaf(f"$.l{number}", stringValue="a") for number in range(3))], "gemini")
    text = of_text("a", {"promptTokenCount": 5}).replace(b"}\n", b',"modelVersion":"m"}\n')
    check_same([text, text, text, stray, text, text], "gemini")


@given(data=st.data())
def test_arbitrary_pieces(data: st.DataObject) -> None:
    """Pieces of any shape tell the same with the short cut and without it, in any chunks."""
    body = data.draw(bodies())
    check_same([body], "gemini")
    check_same(data.draw(chunkings(body)), "gemini")


@given(data=st.data())
def test_options(data: st.DataObject) -> None:
    """Also in strict mode, at any limit, and where strings are lifted out of them."""
    body = data.draw(bodies())
    check_same([body], "gemini", strict=True)
    check_same(
        [body], "gemini", limits=Limits(text_size=data.draw(st.integers(0, 60) | st.integers(0, 1500)))
    )
    check_same([body], "gemini", limits=Limits(json_depth=data.draw(st.integers(7, 12))))
    check_same([body], "gemini", lifts=[Lift(("a",), "text")])
    longest = max(map(len, body.split(b"\n")))
    check_same([body], "gemini", limits=Limits(line_bytes=data.draw(st.sampled_from([longest, longest - 1]))))


@given(data=st.data())
def test_snapshots(data: st.DataObject) -> None:
    """A parser that took the short cut has the snapshot of one that did not, and goes on as that."""
    chunks = data.draw(chunkings(data.draw(bodies())))
    if len(chunks) > 40:
        chunks = [b"".join(chunks[at : at + 50]) for at in range(0, len(chunks), 50)]
    moves = data.draw(st.frozensets(st.integers(0, len(chunks) - 1), max_size=4))
    check_same(chunks, "gemini", moves=moves)
    shots = []
    for short in (True, False):
        parser = ResponseParser("gemini")
        for chunk in chunks:
            if not short:
                without_short_cut(parser)
            parser.feed(chunk)
            for _ in parser.events():
                pass
        shot = parser.snapshot()
        del (
            shot["crc32"],
            shot["decoder"]["event_offset"],
        )  # where the last event began that went the long way
        shots.append(shot)
    assert shots[0] == shots[1]


@given(data=st.data())
def test_reconnections(data: st.DataObject) -> None:
    """What comes again over another connection is dropped, and what follows it is not."""
    body = data.draw(bodies())
    at = data.draw(st.integers(0, len(body)))
    again = data.draw(st.sampled_from([body, body[at:], HEAD + body]))
    said = []
    for short in (True, False):
        parser = ResponseParser("gemini")
        found: list[Any] = []
        for piece in (body[:at], None, again[: len(again) // 2], again[len(again) // 2 :]):
            if piece is None:
                parser.reconnect()
            else:
                if not short:
                    without_short_cut(parser)
                parser.feed(piece)
            found += parser.events()
            if parser.state == "finished":
                break
        parser.close()
        found += parser.events()
        said.append([found, parser.anomalies, parser.response])
    assert said[0] == said[1]


@given(data=st.data())
def test_one_byte_is_another(data: st.DataObject) -> None:
    """One changed byte anywhere in a stream tells the same with the short cut and without it."""
    body = bytearray(data.draw(bodies()))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.sampled_from(b'\n\r"\\{}[]:, \0\x80\xc3\xff019-ae$.') | st.integers(0, 255))
    check_same([bytes(body)], "gemini")
