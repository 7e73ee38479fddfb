"""The page: well-formed, of one piece, harmless whatever the stream holds, and fit to be read."""

from __future__ import annotations

import hashlib
import html.parser
import io
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import Anomaly, AnomalyCode, ResponseParser
from deltafold.inspector import drawing, inputs, page, page_style, tape
from deltafold.inspector.capture import Capture, Piece
from deltafold.inspector.playing import Moment, play
from deltafold.inspector.words import Words
from deltafold.testing import StreamBuilder
from inspector.captures import REFUSAL, TEXT, stream
from inspector.test_command import ADDED, CREATED, completed, delta, frame
from inspector.test_command import stream as message

EVIL = "\x1b[2J<script>alert(1)</script>\"'><img src=x onerror=alert(1)>]]>&amp;\u202e\u2028\x00\x7f\ufffe\r"


def drawn(*data: bytes, redact: bool = False, strict: bool = False, name: str = "dir/capture") -> str:
    """The page of a capture, or of several connections of one response."""
    out = io.StringIO()
    view = page.Drawing(out, Words(redact=redact), "")
    captures = [capture for body in data for capture in inputs.captures_in(name, [Piece(body)])]
    play(captures, ResponseParser(strict=strict), view)
    return out.getvalue()


def tree(text: str) -> ElementTree.Element:
    """The page as XML, which it is as well."""
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))


def words_of(element: ElementTree.Element) -> str:
    """All text in an element."""
    return " ".join(" ".join(element.itertext()).split())


def by_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The elements of a class."""
    return [one for one in root.iter() if name in one.get("class", "").split()]


def log(*gaps: float) -> bytes:
    """A stream of which the events come after those gaps, then at once."""
    told, time = [], 0.0
    for at, one in enumerate(stream().decode().strip().split("\n\n")):
        time += gaps[at] if at < len(gaps) else 0.01
        told += [f"12:00:{time:09.6f} {line}" for line in (*one.split("\n"), "")]
    return "\n".join(told).encode()


# --------------------------------------------------------------------------------------------- structure


def test_the_header() -> None:
    """Model, outcome, wire, and the file without its folders; tokens and sizes."""
    root = tree(drawn(stream()))
    header = root.find(".//header")
    assert header is not None
    said = words_of(header)
    for part in ("completed", "responses", "capture", "gpt-5.1", "12 tokens", "5 tokens", "none"):
        assert part in said
    assert "dir/" not in said
    assert words_of(root.find(".//title")) == "gpt-5.1-2025-11-13: completed"  # type: ignore[arg-type]
    assert "Duration" not in said


def test_the_axis_is_time_where_times_are_known() -> None:
    """Times, gaps that are shaded, and a speed; bytes where nobody noted the times."""
    text = drawn(log(0, 0.5, 2.5, 0.1))
    root = tree(text)
    assert "Duration" in words_of(root)
    assert re.search(r"\d+\.\d tokens/s", words_of(root))
    assert "2.5 s of silence" in words_of(root)
    assert "silence of a second and more" in words_of(root)
    (backdrop,) = [one for one in root.iter() if one.get("id") == "backdrop"]
    assert len(by_class(backdrop, "gap")) == 1
    root = tree(drawn(stream()))
    assert not by_class(root, "gap")
    assert "kB" in words_of(root)
    root = tree(drawn(log()))
    assert "silence" not in words_of(root)


def test_a_lane_for_each_item() -> None:
    """Reasoning, text and calls have lanes with a bar, ticks, and a link to what was said."""
    body = (
        StreamBuilder("responses")
        .reasoning("Hm", "m")
        .text("Hi")
        .call("look", '{"a":', "1}")
        .completed()
        .body
    )
    root = tree(drawn(body))
    lanes = by_class(root, "lane")
    kinds = [
        next((kind for kind in ("reasoning", "message", "call") if kind in one.get("class", "")), "")
        for one in lanes
    ]
    assert kinds == ["", "", "reasoning", "message", "call"]
    for lane, count in zip(lanes[2:], (2, 1, 2), strict=True):
        assert len(by_class(lane, "tick")) == count
        assert len(by_class(lane, "bar")) == 1
        (link,) = lane.iter("a")
        target = link.get("href", "").removeprefix("#")
        assert [one.tag for one in root.iter() if one.get("id") == target] == ["article"]
        (strip,) = [one for one in lane if one.tag == "svg"]
        assert re.fullmatch(r".+: .+ to .+, \d deltas?", strip.get("aria-label", ""))
    articles = list(root.iter("article"))
    assert [words_of(one.find("h3")) for one in articles] == ["Reasoning", "Message", "Call of look"]  # type: ignore[arg-type]
    assert '{"a":1}' in words_of(articles[2])


def test_what_items_say() -> None:
    """Every kind of value has its place; hosted tools are shown as they were told; long values are cut."""
    items: list[Any] = [
        {"type": "web_search_call", "id": "ws", "action": {"query": "x"}},
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "", "arguments": ""},
        {"type": "shell_call", "id": "sh"},
        {"type": "mcp_call", "id": "m", "name": "n"},
    ]
    body = frame(CREATED)
    for at, item in enumerate(items):
        body += frame({"type": "response.output_item.added", "output_index": at, "item": item})
    long = json.dumps({"key": "v" * 100})
    for more in (
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": long},
        {"type": "response.shell_call_command.delta", "output_index": 2, "command_index": 0, "delta": "ls"},
        {"type": "response.shell_call_command.delta", "output_index": 2, "command_index": 1, "delta": "pwd"},
        {"type": "response.audio.transcript.delta", "delta": "spoken"},
        {"type": "response.audio.delta", "delta": "AAAA"},
        {**ADDED, "output_index": 5},
        {**delta("x" * 100_001), "output_index": 5},
    ):
        body += frame(more)
    root = tree(drawn(body))
    articles = {words_of(one.find("h3")): words_of(one) for one in root.iter("article")}  # type: ignore[arg-type]
    assert '"query": "x"' in articles["Web search call"]
    assert "never finished" in articles["Web search call"]
    assert '{ "key": "vv' in articles["Call of a tool"]
    assert "command ls command pwd" in articles["Shell call"]
    assert "spoken" in articles["Spoken output"]
    assert articles["Message"].endswith("… 1 characters more")
    assert "never finished" in words_of(by_class(root, "key")[0])


def test_values_that_were_replaced() -> None:
    """What is shown is what stands in the end."""
    root = tree(drawn(message(delta("Hel"), completed("Bye"))))
    (article,) = root.iter("article")
    assert "Bye" in words_of(article)
    assert "Hel" not in words_of(article)


def test_flags() -> None:
    """Each anomaly is a flag with code and byte, and a link to its rule and its raw frame."""
    body = message(delta("a"), "{broken", delta("b"), completed("ab"))
    root = tree(drawn(body))
    at = body.index(b"data: {broken")
    (flag,) = by_class(root, "flag")
    assert flag.get("aria-label") == f"malformed_json at byte {at:,}"
    assert flag.get("href") == "#anomaly-1"
    (found,) = [one for one in root.iter() if one.get("id") == "anomaly-1"]
    said = words_of(found)
    for part in (
        "malformed_json",
        "event 4",
        f"byte {at:,}",
        "A payload is not JSON.",
        "Strict readers stop here.",
    ):
        assert part in said
    (raw,) = by_class(found, "raw")
    assert raw.text == "data: {broken"
    assert [one.text for one in found.iter("code")] == ["malformed_json", "UnknownEvent"]
    root = tree(drawn(body, strict=True))
    assert "The reading stopped WireError: malformed_json" in words_of(root)


def test_flags_on_one_spot_are_one() -> None:
    """Many anomalies in one place share a flag, and no more than some hundreds are described."""
    root = tree(drawn(message(*["{bad"] * 1200, completed(""))))
    flags = by_class(root, "flag")
    assert 10 < len(flags) < 80
    assert " more" in flags[0].get("aria-label", "")
    assert len(by_class(root, "found")) == 200
    assert "And 1,000 more." in words_of(root)
    assert "1,200" in words_of(root)


def test_where_the_text_of_a_flag_stands() -> None:
    """On the side where there is room, else nowhere."""
    flag = tape.Flag(play_anomaly(), Moment(None, 5), b"")
    texts = {
        (10.0, True, True): '<text x="15"',
        (10.0, False, True): "",
        (95.0, True, True): 'text-anchor="end"',
        (95.0, True, False): "",
    }
    for (place, room, before), text in texts.items():
        drawn_flag = drawing.one_flag([flag, flag], place, [0, 1], room, before)
        assert (text in drawn_flag) if text else ("<text" not in drawn_flag)
        assert "and 1 more" in drawn_flag


def play_anomaly() -> Any:
    """An anomaly."""
    parser = ResponseParser("responses")
    parser.feed(b"data: {bad\n\n")
    parser.close()
    list(parser.events())
    return parser.anomalies[0]


def test_payloads_have_no_raw_frame() -> None:
    """Of a WebSocket message the beginning is shown; where there is nothing, there is no frame."""
    root = tree(drawn(b'< {"type":"response.created","response":{}}\n< {broken}\n'))
    assert [one.text for one in by_class(root, "raw")] == ["{broken}"]
    assert len(by_class(root, "found")) == 2


def test_connections() -> None:
    """Where another connection began, a line stands."""
    body = stream()
    text = drawn(body[: len(body) // 2], body)
    root = tree(text)
    (backdrop,) = [one for one in root.iter() if one.get("id") == "backdrop"]
    assert len(by_class(backdrop, "again")) == 1
    assert "2 connections" in words_of(root)
    assert "another connection" in words_of(root)


def test_heartbeats() -> None:
    """Heartbeats are circles on the stream."""
    body = message(delta("a")) + b": ping\n\n" + frame(completed("a"))
    root = tree(drawn(body))
    (lane,) = [one for one in by_class(root, "lane") if words_of(one).startswith("Stream")]
    assert len(by_class(lane, "beat")) == 1
    assert "1 heartbeat" in words_of(lane)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (completed("a"), "completed"),
        (
            {"type": "response.failed", "response": {"error": {"message": "no", "code": "server_error"}}},
            "failed",
        ),
        (
            {
                "type": "response.incomplete",
                "response": {"incomplete_details": {"reason": "max_output_tokens"}},
            },
            "incomplete",
        ),
    ],
)
def test_the_end_has_the_colour_of_its_outcome(end: dict[str, Any], outcome: str) -> None:
    """In the header and in the timeline, with the word beside it."""
    root = tree(drawn(message(delta("a"), end)))
    (pill,) = by_class(root, "outcome")
    assert outcome in pill.get("class", "")
    assert words_of(pill).startswith(outcome)
    (backdrop,) = [one for one in root.iter() if one.get("id") == "backdrop"]
    assert outcome in by_class(backdrop, "finish")[0].get("class", "")


def test_a_refused_request() -> None:
    """There is no timeline, but the error and the body."""
    data = b"HTTP/1.1 429 x\r\nretry-after: 7\r\n\r\n" + REFUSAL
    said = words_of(tree(drawn(data)))
    assert "A refused request" in said
    assert "rate_limited slow down May be tried again, after 7 s." in said
    assert "HTTP 429" in said
    assert REFUSAL.decode() in said
    assert "Timeline" not in said
    assert "slow down" not in words_of(tree(drawn(data, redact=True)))
    assert "The body has 0 bytes." in words_of(tree(drawn(b"HTTP/1.1 400 x\r\n\r\n")))


def test_nothing_at_all() -> None:
    """An empty capture has a page too."""
    said = words_of(tree(drawn(b"")))
    assert "truncated" in said
    assert "A response" in said
    assert "Nothing." in said
    assert drawing.stream_strip(tape.Tape(), drawing.Axis(False, 1)).count("<rect") == 0
    with pytest.raises(AssertionError):
        _ = tape.Tape().response


def test_notes() -> None:
    """What was passed over is told."""
    assert "No part of the stream: 1 line." in words_of(tree(drawn(log() + b"\nnoise\n")))


def test_what_a_page_holds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks that would be one mark are one, and beyond a size no raw bytes are kept."""
    root = tree(drawn(message(*[delta("x")] * 5000, completed("x" * 5000))))
    assert 300 < len(by_class(root, "tick")) < 600
    monkeypatch.setattr(tape, "MOST_KEPT", 10)
    view = tape.Tape()
    play(
        [Capture("", [Piece(message()), Piece(frame("{bad")), Piece(frame("{bad"))])], ResponseParser(), view
    )
    assert len(view.raw[0]) == len(message())
    assert view.flags[0].frame == b""


# ---------------------------------------------------------------------------------------------- harmless


class Links(html.parser.HTMLParser):
    """Collects what a browser would run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


TAGS = """
    html head meta title style body a header main footer section article p h1 h2 h3 span b small dl div dt dd
    ul ol li svg defs g use rect line circle path text code pre details summary
"""
SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def check_harmless(text: str) -> None:
    """No script, no address but into the page itself, no style but the sheet, and XML that is well-formed."""
    tree(text)
    found = Links()
    found.feed(text)
    assert found.tags <= set(TAGS.split())
    for _, name, value in found.attributes:
        assert not name.startswith("on")
        assert name not in {"style", "src", "srcset", "action", "data"}
        if name == "href":
            assert re.fullmatch(r"#[\w-]+", value)
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", text.replace("\t", "")
    )


def hostile(text: str) -> Iterator[bytes]:
    """Streams with that text wherever one may stand."""
    item = {"type": text or "x", "id": text, "status": text, "name": text}
    call = {"type": "function_call", "id": text, "call_id": text, "name": text, "arguments": text}
    yield message(
        delta(text),
        {"type": f"odd{text}", text: text},
        {"type": "response.output_item.done", "output_index": 1, "item": item},
        {"type": "response.output_item.done", "output_index": 2, "item": call},
        {"type": "response.reasoning_text.delta", "output_index": 3, "content_index": 0, "delta": text},
        "{" + "".join(text.splitlines()),
        {
            "type": "response.incomplete",
            "response": {"incomplete_details": {"reason": text}, "model": text, "id": text},
        },
    )
    yield message(
        {"type": "response.failed", "response": {"id": text, "error": {"message": text, "code": text}}}
    )
    yield b"HTTP/1.1 418 x\r\n\r\n" + text.encode("utf-8", "surrogatepass")


def test_hostile_text_is_escaped() -> None:
    """Tags, quotes, controls and marks of direction are shown, in elements, attributes and titles alike."""
    for body in hostile(EVIL):
        for redact in (False, True):
            text = drawn(body, redact=redact, name=EVIL)
            check_harmless(text)
            assert "&lt;script&gt;" in text or redact


@given(st.text())
def test_any_text_is_escaped(text: str) -> None:
    """Whatever a stream says, the page is well-formed, and runs and fetches nothing."""
    for body in hostile(text):
        check_harmless(drawn(body, name=text))


@given(st.binary(max_size=300))
def test_any_bytes_make_a_page(data: bytes) -> None:
    """Whatever a body holds."""
    view = page.Drawing(io.StringIO(), Words(), "")
    play([Capture("x", [Piece(data)])], ResponseParser(), view)
    check_harmless(view.file.getvalue())  # type: ignore[attr-defined]


def test_the_policy_allows_the_sheet_alone() -> None:
    """The hash in the policy is that of the style, and nothing else is allowed."""
    text = drawn(stream())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    (digest,) = re.findall(r"sha256-([^']*)'", policy)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert b64decode(digest) == hashlib.sha256(style.encode()).digest()
    assert "url(" not in style
    assert "@import" not in style


# ------------------------------------------------------------------------------------- fit to be read


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [page_style.LIGHT, page_style.DARK], ids=["light", "dark"])
def test_contrast(colours: dict[str, str]) -> None:
    """Text and what carries meaning can be told from all that they stand on."""
    for text in ("ink", "soft", "good", "warn", "bad"):
        for ground in ("paper", "card", "code", "gap"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark in ("message", "reasoning", "call", "tool", "other"):
        for ground in ("paper", "card", "gap"):
            assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)
    assert page_style.LIGHT.keys() == page_style.DARK.keys()


def test_landmarks_and_names() -> None:
    """Regions have names, ids are there once, links lead somewhere, and what scrolls can be reached."""
    body = message(delta("long " * 1000), "{bad", completed("long " * 1000))
    root = tree(drawn(body))
    assert root.get("lang") == "en"
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    for one in root.iter():
        for name in ("href", "aria-labelledby"):
            if one.get(name):
                assert one.get(name, "").removeprefix("#") in ids
        if one.tag == "svg" and one.get("aria-hidden") != "true" and one.get("width") != "1":
            assert one.get("role") in ("img", "group")
            assert one.get("aria-label")
        if one.get("tabindex") == "0":
            assert one.get("aria-label") or one.get("aria-labelledby")
    for landmark in ("header", "main", "footer"):
        assert len(list(root.iter(landmark))) == 1
    assert all(one.get("aria-labelledby") for one in root.iter("section"))
    headings = [one.tag for one in root.iter() if one.tag in ("h1", "h2", "h3")]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    (said,) = by_class(root, "said")
    assert said.get("tabindex") == "0"


def test_numbers_with_units() -> None:
    """Durations and sizes are as exact as is of use, and the axis has few and round values."""
    assert [drawing.seconds(value) for value in (0, 0.0042, 0.25, 1.5, 61.239, 1234)] == [
        *("0 s", "4.2 ms", "0.25 s", "1.5 s", "61.24 s", "1,234 s")
    ]
    assert [drawing.size(value) for value in (0, 999, 1500, 2e6, 3.25e9)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2 MB",
        "3.2 GB",
    ]
    for longest in (0.001, 0.3, 1, 9, 100, 1e6):
        assert 3 <= len(drawing.Axis(True, longest).steps()) <= 9


def test_the_text_is_there() -> None:
    """For all four wires."""
    for dialect in ("responses", "chat", "anthropic", "gemini"):
        assert TEXT in words_of(tree(drawn(stream(dialect))))


def test_figures_that_nobody_told() -> None:
    """Without usage, or with half of it, what is known is shown."""
    body = message({"type": "response.completed", "response": {"id": "r", "usage": {"input_tokens": 3}}})
    said = words_of(tree(drawn(body)))
    assert "3 tokens" in said
    assert "Output" not in said
    body = message({"type": "response.completed", "response": {"id": "r", "usage": {"output_tokens": 3}}})
    assert "Input" not in words_of(tree(drawn(body)))
    nothing = b"12:00:00 data: {}\n12:00:09 data: {}\n12:01:00 data: {}\n"
    assert "First text" not in words_of(tree(drawn(nothing)))
    assert "no end" in words_of(tree(drawn(b"data: {bad\n\n", strict=True)))


def test_a_gap_that_is_too_narrow_for_words() -> None:
    """It is shaded, and has no text."""
    root = tree(drawn(log(0, 1.5, 60)))
    (backdrop,) = [one for one in root.iter() if one.get("id") == "backdrop"]
    assert len(by_class(backdrop, "gap")) == 2
    assert words_of(root).count("of silence") == 1


def test_an_anomaly_of_which_nothing_is_known() -> None:
    """It has no place, and no frame."""
    anomaly = Anomaly(AnomalyCode.SEQUENCE_GAP, "3 is followed by 5")
    told = page.finding(1, tape.Flag(anomaly, Moment(None, 0), b""), drawing.Axis(False, 1), Words())
    assert "<details>" not in told
    assert "3 is followed by 5." in told
