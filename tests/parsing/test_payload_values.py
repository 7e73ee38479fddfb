"""Values among the payloads: what they are handed out as, under which name, and what is said of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.response import Outcome
from runs import choice, chunk, play, run

BEGUN = chunk(choice({"content": "Hi"}))


def framed(*payloads: Any) -> bytes:
    """One event for each: objects as JSON, texts as they are."""
    texts = [sent if isinstance(sent, str) else json.dumps(sent) for sent in payloads]
    return "".join(f"data: {sent}\n\n" for sent in texts).encode()


def handed_out(events: list[e.Event]) -> list[tuple[str, Any]]:
    """Unknown events and signs of life, by name, with what they hold."""
    return [
        (event.type, event.payload) if isinstance(event, e.UnknownEvent) else (event.source, event.text)
        for event in events
        if isinstance(event, (e.UnknownEvent, e.Heartbeat))
    ]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ("null", "null"),
        ("0", "int"),
        ("1.5", "float"),
        ("false", "bool"),
        ('"x"', "str"),
        ("[]", "list"),
        ("[1]", "list"),
        ('[{"a":1},2]', "list"),
    ],
)
@pytest.mark.parametrize("dialect", ["auto", "responses", "chat", "anthropic", "gemini"])
def test_values_that_are_no_object(dialect: str, sent: str, kind: str) -> None:
    """They are handed out as they are, under the name of their event."""
    found = play(b"event: n\ndata: %s\n\n" % sent.encode(), dialect, close=False)
    (event,) = found.events
    assert isinstance(event, e.UnknownEvent)
    assert (event.type, type(event.payload).__name__.replace("NoneType", "null")) == ("n", kind)
    assert [(found.anomalies[0].code, found.anomalies[0].message)] == [
        (C.PAYLOAD_IS_NO_OBJECT, f"the payload is {kind}, no object")
    ]
    assert found.parser.anomaly_count == 1


@pytest.mark.parametrize(
    ("data", "expected", "codes"),
    [
        ('{"a":1}', [("n", {"a": 1})], []),
        ('{"a":1}\ndata: {"b":2}', [("n", {"a": 1}), ("", {"b": 2})], [C.SEVERAL_PAYLOADS]),
        ('{"a":1}{"b":2}3', [("n", {"a": 1}), ("", {"b": 2}), ("", 3)], None),
        ('[{"a":1},{"b":2}]', [("n", {"a": 1}), ("", {"b": 2})], [C.SEVERAL_PAYLOADS]),
        ('[{"a":1}]', [("n", {"a": 1})], [C.SEVERAL_PAYLOADS]),
        ('[{"a":1}][1][{"b":2}]', [("n", {"a": 1}), ("", [1]), ("", {"b": 2})], None),
        ('{"a":1} words', [("n", {"a": 1}), ("", "words")], None),
        ("", [("n", "")], []),
        ("  ", [("n", "")], []),
        (":  words ", [("comment", "words")], [C.COMMENT_AS_DATA]),
        (":", [("comment", "")], [C.COMMENT_AS_DATA]),
        ("words", [("n", "words")], [C.MALFORMED_JSON]),
    ],
)
def test_what_the_data_of_an_event_hold(
    data: str, expected: list[tuple[str, Any]], codes: list[C] | None
) -> None:
    """The name of the event is that of the first value in it."""
    found = play(b"event: n\ndata: %s\n\n" % data.encode(), "gemini", close=False)
    assert handed_out(found.events) == expected
    if codes is not None:
        assert [code for code in found.codes if code in set(C) - {C.TYPE_MISSING}] == codes


def test_data_of_no_name_that_are_blank() -> None:
    """They are a sign of life."""
    assert handed_out(play(b"data:\n\n", "chat", close=False).events) == [("empty", "")]
    assert handed_out(run("", dialect="chat", end="none").events) == [("empty", "")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Over loaded", True),
        ("D", True),
        ("[x", True),
        ("<p>", True),
        ("[", False),
        ("[D", False),
        ("[DONE", False),
        ("{x", False),
        ('"x', False),
        ("[{x", False),
        ('["x', False),
        ("[[x", False),
    ],
)
@pytest.mark.parametrize("fed", ["bytes", "payloads", "line"])
def test_words_at_the_end(words: str, told: bool, fed: str) -> None:
    """They say why the stream breaks off, unless they are a payload that was cut."""
    if fed == "payloads":
        found = run(BEGUN, words, dialect="chat")
    elif fed == "bytes":
        found = play(framed(BEGUN) + b"data: %s\n\n" % words.encode(), "chat")
    elif words[:1] in ("{", "[") or len(words) == 1:
        return  # a line that may go on, or one of too few letters to be words
    else:
        told = True
        found = play(framed(BEGUN) + b"%s\n\n" % words.encode(), "chat")
    assert (C.TEXT_AT_END in found.codes) is told
    assert found.response.outcome is (Outcome.FAILED if told else Outcome.TRUNCATED)
    assert found.response.to_dict()["status"] == ("failed" if told else "in_progress")
    if told:
        error = found.response.error
        assert error is not None
        assert error.message == words
        anomaly = next(anomaly for anomaly in found.anomalies if anomaly.code is C.TEXT_AT_END)
        assert anomaly.excerpt == words


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (["null"], None),
        (["[1]"], None),
        ([""], None),
        ([":x"], None),
        ([BEGUN], None),
        ([BEGUN, "Sorry"], "Sorry"),
        (["Sorry"], "Sorry"),
        (["null", "Sorry"], "Sorry"),
        (["Sorry", "null"], None),
    ],
)
@pytest.mark.parametrize("fed", ["bytes", "payloads", "lines"])
def test_words_that_something_follows(rest: list[Any], message: str | None, fed: str) -> None:
    """Whatever follows them: they are not why the stream breaks off."""
    payloads = [BEGUN, "Over loaded", *rest]
    if fed == "payloads":
        found = run(*payloads, dialect="chat")
    elif fed == "bytes":
        found = play(framed(*payloads), "chat")
    elif any(payload in ("", ":x") for payload in payloads):
        return  # a line that is blank is none
    else:
        found = play(
            framed(*payloads).replace(b"data: ", b"").replace(b"\n\n", b"\n"), "chat", framing="ndjson"
        )
    error = found.response.error
    assert (None if error is None else error.message) == message
    assert (C.TEXT_AT_END in found.codes) is (message is not None)


def test_how_much_of_words_is_kept() -> None:
    """Their beginning, which is what the error says."""
    for size in (999, 1000, 1001, 5000):
        error = run(BEGUN, "x" * size, dialect="chat").response.error
        assert error is not None
        assert len(error.raw) == min(size, 1000)


@pytest.mark.parametrize("sent", ["null", '"words"', "words", "[1]", '{"a":1}', ":x", ""])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_nothing_is_handed_out_after_the_end(sent: str, dialect: str) -> None:
    """What comes there is said to be out of order, or passed over."""
    end: list[Any]
    if dialect == "chat":
        end = [chunk(choice({"content": "Hi"}, "stop")), "[DONE]"]
    else:
        end = [{"type": "response.completed", "response": {"id": "r", "output": []}}]
    found = play(framed(*end, sent), dialect)
    assert isinstance(found.events[-1], e.ResponseFinished)
    assert handed_out(found.events) == []


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("half", ["\\ud83d", "\\uD83D"])
def test_half_a_pair_before_the_dialect_is_known(half: str, begun: bool) -> None:
    """It waits for its other half where pieces of a text stand; elsewhere it is lost."""
    lone = '{"id":"a%s","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%s"}}]}'
    first = lone % (half, half)
    other = lone % ("", "\\ude00")
    body = b": a sign of life\n\n" * begun + b"data: %s\n\ndata: %s\n\n" % (first.encode(), other.encode())
    for sent in (body, body.replace(b'}]}\n\ndata: {"id":"a"', b'}]}{"id":"a"')):
        found = play(sent, "auto", close=False)
        assert found.response.output_text == "\U0001f600"
        assert found.response.id == "a\ufffd"
