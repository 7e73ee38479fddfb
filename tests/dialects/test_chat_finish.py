"""Finish reasons of Chat Completions: what each word makes of the response; errors told beside an answer."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold.dialects.chat.table import NO_WORDS, OTHER, STOPS, normalized, stop_of
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind
from deltafold.model.response import Outcome
from runs import JSON, Run, choice, chunk
from runs import run as run_payloads

C = AnomalyCode


def run(*payloads: Any, **options: Any) -> Run:
    """Feeds payloads of Chat Completions, ends the stream, and checks the laws."""
    return run_payloads(*payloads, dialect="chat", **options)


def says(text: Any, **fields: Any) -> JSON:
    return chunk(choice({"content": text}, **fields))


def ends(reason: Any, **fields: Any) -> JSON:
    return chunk({**choice({}, reason), **fields})


@pytest.mark.parametrize("word", STOPS)
def test_each_word_of_the_table(word: str) -> None:
    """A known word makes the outcome that the table says, in lower and upper case, without an anomaly."""
    stop = STOPS[word]
    for told in (word, word.upper(), word.replace("_", "-"), f"FINISH_REASON_{word.upper()}"):
        found = run(says("A"), ends(told), "[DONE]")
        assert found.response.outcome is stop.outcome
        assert found.codes == []
        assert found.response.finish_reason == (stop.reason or told)
        assert found.response.choices[0].finish_reason == told
        assert found.response.output_text == "A"
        if stop.outcome is Outcome.INCOMPLETE:
            assert found.response.incomplete_reason == told
        assert len(found.all(e.ErrorReported)) == (stop.outcome is Outcome.FAILED)
        if stop.outcome is Outcome.FAILED:
            error = found.response.error
            assert (error.kind, error.retryable) == (stop.kind, True)
            assert error.code == (None if told == "error" else told)


def test_the_table_is_in_one_spelling() -> None:
    """Each word stands there as it is looked up, and none of them says nothing."""
    assert all(normalized(word) == word for word in STOPS)
    assert not NO_WORDS & STOPS.keys()


@pytest.mark.parametrize("word", ["", "null", "NULL", "None", "FINISH_REASON_UNSPECIFIED", " "])
def test_what_is_no_word(word: str) -> None:
    """A text that means nothing is no finish reason: the response goes on."""
    found = run(says("A", finish_reason=word), ends(word))
    assert found.response.outcome is Outcome.TRUNCATED
    assert found.response.choices == () or found.response.choices[0].finish_reason is None


@pytest.mark.parametrize("word", ["max_tool_calls", "ran out of ink", "é", "x" * 10_000, "a: b"])
def test_a_word_that_nobody_knows(word: str) -> None:
    """It is the finish reason as it came, completes the response, and is an anomaly; strict goes on."""
    assert stop_of(word) is OTHER
    for strict in (False, True):
        found = run(says("A"), ends(word), "[DONE]", strict=strict)
        assert found.response.outcome is Outcome.COMPLETED
        assert found.response.finish_reason == word
        assert found.codes == [C.FINISH_REASON_UNKNOWN]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("content_filter: PROHIBITED_CONTENT", "content_filter"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "function_call_filter: MALFORMED_FUNCTION_CALL"),
    ],
)
def test_a_word_with_what_it_filtered(word: str, reason: str) -> None:
    """What stands before a colon decides."""
    found = run(says("A"), ends(word), "[DONE]")
    assert found.response.outcome is Outcome.INCOMPLETE
    assert (found.response.finish_reason, found.response.incomplete_reason) == (reason, word)


@pytest.mark.parametrize("first", ["length", "content_filter", "abort", "network_error"])
def test_the_gravest_word_counts(first: str) -> None:
    """A lesser word that follows does not make a good end of a bad one; a graver one does count."""
    found = run(says("A"), ends(first), ends("stop"), "[DONE]")
    assert found.response.outcome is STOPS[first].outcome
    found = run(says("A"), ends("stop"), ends(first), "[DONE]")
    assert found.response.outcome is STOPS[first].outcome


@pytest.mark.parametrize("name", ["native_finish_reason", "nativeFinishReason"])
def test_the_word_of_the_server_behind(name: str) -> None:
    """A gateway's good end is none where the server behind it says that it failed or was cut off."""
    for word, outcome in (
        ("network_error", Outcome.FAILED),
        ("MAX_TOKENS", Outcome.INCOMPLETE),
        ("STOP", Outcome.COMPLETED),
        ("a new word", Outcome.COMPLETED),
        (None, Outcome.COMPLETED),
        (7, Outcome.COMPLETED),
    ):
        found = run(says("A"), ends("stop", **{name: word}), "[DONE]")
        assert found.response.outcome is outcome
        assert found.codes == []
        known = None if not isinstance(word, str) else STOPS.get(normalized(word))
        assert found.response.finish_reason == (known.reason if known else "stop")
        assert found.response.choices[0].finish_reason == "stop"
    assert run(says("A"), ends(None, **{name: "length"})).response.outcome is Outcome.TRUNCATED


def test_a_reason_in_an_object() -> None:
    """Some tell the word as the type of an object."""
    assert run(says("A"), ends({"type": "length"})).response.outcome is Outcome.INCOMPLETE
    assert (
        run(says("A"), ends(None, finish_details={"type": "max_tokens"})).response.finish_reason == "length"
    )
    found = run(says("A"), ends({"type": 5}), "[DONE]")
    assert found.codes == [C.INVALID_FIELD, C.FINISH_REASON_MISSING]


# ------------------------------------------------------------------------------------ errors beside an answer

GONE = {"code": 502, "message": "gone"}
BESIDE: dict[str, tuple[JSON, ErrorKind]] = {
    "in the choice": (ends("error", error=GONE), ErrorKind.SERVER_ERROR),
    "in the choice, with a good end": (ends("stop", error=GONE), ErrorKind.SERVER_ERROR),
    "in the delta": (chunk(choice({"error": GONE})), ErrorKind.SERVER_ERROR),
    "as a text": (ends("stop", error="rate limit"), ErrorKind.RATE_LIMITED),
    "as a message": (ends("stop", error_message="gone", error_code=503), ErrorKind.OVERLOADED),
    "base_resp": (
        chunk(base_resp={"status_code": 1004, "status_msg": "login fail"}),
        ErrorKind.AUTHENTICATION,
    ),
    "base_resp beside an answer": (
        {**ends("stop"), "base_resp": {"status_code": 1027, "status_msg": "output"}},
        ErrorKind.CONTENT_POLICY,
    ),
    "x_groq": (chunk(x_groq={"id": "r", "error": "over_capacity"}), ErrorKind.OVERLOADED),
    "x_error": (chunk(x_error=GONE), ErrorKind.SERVER_ERROR),
    "a list": (chunk(error=[GONE]), ErrorKind.SERVER_ERROR),
    "a code and no choices": ({"code": 500, "message": "gone", "choices": []}, ErrorKind.SERVER_ERROR),
}


@pytest.mark.parametrize("where", BESIDE)
def test_an_error_beside_an_answer(where: str) -> None:
    """Wherever an error stands in a chunk, it fails the response once, and the text stays."""
    payload, kind = BESIDE[where]
    found = run(says("Half"), payload, "[DONE]")
    assert found.response.outcome is Outcome.FAILED
    assert found.response.error.kind is kind
    assert found.response.error.raw == payload
    assert found.response.output_text == "Half"
    assert len(found.all(e.ErrorReported)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"code": 0, "message": "ok"},
        {"code": 200, "msg": "success"},
        {"error": {"code": 0, "message": "success"}},
        {"error": {"code": None, "message": None, "details": []}},
        {"error": {}},
        {"error": "none"},
        {"base_resp": {"status_code": 0, "status_msg": ""}},
        {"x_groq": {"id": "r"}},
    ],
)
def test_what_is_no_error(fields: JSON) -> None:
    """A code that means success and a member that says nothing fail no response."""
    found = run({**says("A"), **fields}, {**ends("stop"), **fields}, "[DONE]")
    assert found.response.outcome is Outcome.COMPLETED
    assert found.response.error is None
    assert found.codes == []


def test_a_filter_result_is_no_error() -> None:
    """Azure tells in the choice that its filter did not run."""
    fault = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
    found = run(says("A", content_filter_result=fault), ends("stop"), "[DONE]")
    assert found.response.outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    "message",
    [
        "stream disconnected before completion",
        "the stream closed before response.completed",
        "upstream closed the connection",
        "Connection reset by peer",
        "unexpected EOF",
        "peer closed connection without sending complete message body (incomplete chunked read)",
        "Premature close",
        "socket hang up",
    ],
)
@pytest.mark.parametrize("status", [400, 500, "400", None])
def test_a_stream_cut_upstream_is_retryable(message: str, status: Any) -> None:
    """Whatever status a gateway wraps it in."""
    error = {"message": message, "type": "invalid_request_error", "code": status}
    found = run(says("A"), {"error": error})
    assert found.response.error.retryable
    assert found.response.error.kind is ErrorKind.SERVER_ERROR


def test_a_word_of_the_server_behind_that_is_no_worse() -> None:
    """Then the gateway's own word counts."""
    found = run(says("A"), ends("length", native_finish_reason="content_filter"), "[DONE]")
    assert (found.response.finish_reason, found.response.incomplete_reason) == ("length", "length")


@pytest.mark.parametrize(
    ("words", "outcome", "reason"),
    [
        (["stop", "content_filter"], Outcome.INCOMPLETE, "content_filter"),
        (["content_filter", "stop"], Outcome.INCOMPLETE, "content_filter"),
        (["length", "content_filter"], Outcome.INCOMPLETE, "length"),
        (["content_filter", "length"], Outcome.INCOMPLETE, "content_filter"),
        (["length", "abort", "stop"], Outcome.CANCELLED, None),
        (["abort", "length", "network_error"], Outcome.FAILED, None),
    ],
)
def test_the_gravest_word_of_several_choices(words: list[str], outcome: Outcome, reason: str | None) -> None:
    """It decides wherever it stands; of those that are as grave the first does."""
    found = run(chunk(*(choice({"content": "A"}, word, at) for at, word in enumerate(words))), "[DONE]")
    assert (found.response.outcome, found.response.incomplete_reason) == (outcome, reason)
