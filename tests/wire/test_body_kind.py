"""What kind of body it is, by its first bytes."""

from __future__ import annotations

import gzip
import zlib

import pytest

from deltafold.wire.body_kind import MOST_BLANKS, Body, is_binary, sniff

BOM = b"\xef\xbb\xbf"

BODIES = [
    (Body.EVENTS, b"data: x\n\n"),
    (Body.EVENTS, b": c\n"),
    (Body.EVENTS, b"event: e\n"),
    (Body.EVENTS, b"Bad Gateway"),
    (Body.EVENTS, b"\xff\xfe\xff\xfe\xff"),
    (Body.JSON, b"{}"),
    (Body.JSON_ARRAY, b'[{"error": 1}]'),
    (Body.JSON_ARRAY, b"[ ]"),
    (Body.JSON, b"[5]"),
    (Body.EVENTS, b"[ERROR]"),
    (Body.HTML, b"<!doctype html>"),
    (Body.HTML, b"<?xml"),
    (Body.COMPRESSED, gzip.compress(b"data: x\n\n")),
    (Body.COMPRESSED, b"\x28\xb5\x2f\xfd\x00"),
    *((Body.COMPRESSED, zlib.compress(b"data: x\n\n", level)) for level in (1, 6, 9)),
]


@pytest.mark.parametrize(("body", "head"), BODIES)
@pytest.mark.parametrize("before", [b"", b"\n\n", b" \t\r\n", BOM, BOM + b"\n"])
def test_sniff(body: Body, head: bytes, before: bytes) -> None:
    """The first bytes tell the kind of a body, whatever blanks or byte order mark stand before them."""
    assert sniff(before + head) is body
    assert sniff(before + head, closed=True) is body


@pytest.mark.parametrize(("body", "head"), BODIES)
@pytest.mark.parametrize("before", [b"", b"\n\n", BOM])
def test_sniff_changes_its_mind_never(body: Body, head: bytes, before: bytes) -> None:
    """No beginning of a body tells another kind than the whole: at worst it is not clear yet."""
    for at in range(len(before + head) + 1):
        assert sniff((before + head)[:at]) in (None, body)


@pytest.mark.parametrize("head", [b"", b" ", b"\r\n", BOM, BOM[:2], b"d", b"\x1f", b"\x28\xb5\x2f", b"x"])
def test_too_short_to_tell(head: bytes) -> None:
    """While it is not clear there is no answer, and at the end it counts as a stream of events."""
    assert sniff(head) is None
    assert sniff(head, closed=True) is Body.EVENTS


@pytest.mark.parametrize("head", [b"d\n", b"d\r", b"x \n"])
def test_a_line_end_tells(head: bytes) -> None:
    """A line end after something makes it lines."""
    assert sniff(head) is Body.EVENTS


def test_blanks_are_not_held_for_ever() -> None:
    """A body that begins with very many blanks is left to the decoder."""
    assert sniff(b"\n" * MOST_BLANKS) is None
    assert sniff(b"\n" * (MOST_BLANKS + 1)) is Body.EVENTS


@pytest.mark.parametrize(
    ("text", "binary"),
    [
        ("\ufffd\ufffd" + "a" * 8, False),
        ("\ufffd\ufffd\ufffd" + "a" * 27, True),
        ("\ufffd\ufffd\ufffd" + "a" * 28, False),
        ("\x00\x01\x02", True),
        ("\t\r\n" * 3, False),
        ("", False),
    ],
)
def test_what_is_no_text(text: str, binary: bool) -> None:
    """One letter in ten is broken or a control character, and three at least."""
    assert is_binary(text) is binary


def test_only_blanks_may_stand_before_a_body() -> None:
    """Anything else is the body."""
    for letter in "aXZ":
        assert sniff(letter.encode() + b'{"a":1}') is Body.EVENTS
        assert sniff(b"[" + letter.encode() + b"]") is Body.EVENTS
