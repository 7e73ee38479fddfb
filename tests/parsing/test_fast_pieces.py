"""The short cut for pieces of arguments, as Gemini streams them: with it and without it all is the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deltafold import Lift, Limits, ResponseParser
from parsing.test_fast_path import RAW, check_same, chunkings, event, frames_read, without_short_cut

__all__ = ["frames_read"]

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
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":0,"finishReason":"STOP"}]@U@}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"user"},"index":0}]@U@}',
    '{"candidates":[{"content":{"parts":[@X@]},"index":0}]@U@,"modelVersion":"m@N@"}',
    '{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":0}]@U@,"responseId":"r2"}',
    '{"response":{"candidates":[{"content":{"parts":[@X@],"role":"model"},"index":0}]@U@}}',
    '{"candidates":[{"index":0,"content":{"parts":[@X@],"role":"model"}},{"index":1}]@U@}',
    '{"error":{"code":500,"message":"no"}}',
]


def spelled(text: str, *, spaced: bool) -> str:
    """The same JSON as Google's servers space it."""
    return text.replace('":', '": ').replace(',"', ', "') if spaced else text


GOOD_VALUES = [
    *[('"stringValue":"@T@"', '"willContinue":true')] * 4,
    *[('"stringValue":"@T@"', "")] * 3,
    ('"stringValue":""', ""),
    *[('"numberValue":@D@', ""), ('"boolValue":false', ""), ('"nullValue":"NULL_VALUE"', "")],
]


@st.composite
def blocks(draw: st.DrawFn, spaced: bool, usages: list[str], path: str) -> bytes:
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
    return b"data: " + spelled(chunk, spaced=spaced).encode().replace(b"@T@", text) + b"\n\n"


COUNTS = [1, 2, 7, 8, 9, 10, 55, 10**14, 0, 10**15, -1]
GOOD_TEXTS = [b"a", b"bc", b" d", "é日".encode(), rb"\"q\"", rb"\n\\", b"", b"]}"]
BEGIN = {"functionCall": {"name": "f", "willContinue": True}}
HEAD = event({"candidates": [{"content": {"parts": [BEGIN]}}]})


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A stream of pieces, with anything else among them."""
    spaced = draw(st.booleans())
    usages = draw(st.sampled_from([USAGES[1:2], USAGES[:2], USAGES[1:]]))
    made = [HEAD] if draw(st.integers(0, 5)) else []
    path = "$.a"
    for number in range(draw(st.integers(2, 14))):
        new = [f"$.k{number}", f"$.o.k{number}", f"$.l[{number}]", f"$.l[{number}].x", f"$['q {number}']"]
        path = draw(st.sampled_from([*[path] * 5, *new, f"$.é.日{number}", draw(st.sampled_from(PATHS))]))
        made.append(draw(blocks(spaced, usages, path)))
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
