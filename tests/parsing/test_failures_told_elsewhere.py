"""Failures told where none is due: beside the answer, in words of a server's own, as bare text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deltafold import ErrorKind as K
from deltafold import Outcome
from runs import frames, play
from test_growth import BEGIN, block, candidate, chunk, delta

JSON = dict[str, Any]

HALF: dict[str, list[JSON]] = {
    "chat": [chunk({"content": "Half"})],
    "anthropic": [BEGIN, block(0, text="")[0], delta("text_delta", 0, text="Half")],
    "gemini": [candidate({"text": "Half"})],
    "responses": [
        {"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Half"},
    ],
}
"""Streams that have said half of what they had to say."""
MESSAGE_DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
LIMITED = {"status_code": 1002, "status_msg": "rate limit"}

TOLD: list[tuple[str, Any, K, bool]] = [
    # (dialect, what follows the half, kind, retryable)
    ("chat", {"error_code": 18, "error_msg": "Open api qps request limit reached"}, K.RATE_LIMITED, True),
    ("chat", {"error": {"code": "Arrearage", "message": "Access denied."}}, K.QUOTA_EXCEEDED, False),
    ("chat", {"detail": "Not authenticated"}, K.AUTHENTICATION, False),
    ("chat", {"detail": [{"loc": ["body"], "msg": "field required"}]}, K.INVALID_REQUEST, False),
    ("chat", {"title": "Too Many Requests", "status": 429, "detail": "slow"}, K.RATE_LIMITED, True),
    ("chat", {"type": "about:blank", "title": "Gone wrong", "status": 503}, K.OVERLOADED, True),
    ("chat", {"errors": [{"message": "Invalid API key"}], "success": False}, K.AUTHENTICATION, False),
    ("chat", {"errors": [{"message": "Capacity temporarily exceeded"}], "result": None}, K.OVERLOADED, True),
    ("chat", {"fault": {"faultstring": "Rate limit quota violation."}}, K.RATE_LIMITED, True),
    ("chat", {"error": {"message": "Upstream idle timeout exceeded", "code": 400}}, K.TIMEOUT, True),
    ("anthropic", {"__type": "ThrottlingException", "message": "wait"}, K.RATE_LIMITED, True),
    ("anthropic", {"__type": "com.x#ValidationException", "message": "no"}, K.INVALID_REQUEST, False),
    ("anthropic", {"throttlingException": {"message": "wait"}}, K.RATE_LIMITED, True),
    ("anthropic", {"modelStreamErrorException": {"message": "broke"}}, K.SERVER_ERROR, True),
    ("anthropic", {**MESSAGE_DELTA, "base_resp": LIMITED}, K.RATE_LIMITED, True),
    ("anthropic", {"type": "message_stop", "base_resp": LIMITED}, K.RATE_LIMITED, True),
    ("anthropic", {**BEGIN, "message": {**BEGIN["message"], "base_resp": LIMITED}}, K.RATE_LIMITED, True),
    ("anthropic", {**MESSAGE_DELTA, "error": {"type": "overloaded_error"}}, K.OVERLOADED, True),
    ("gemini", {"candidates": [{"error": {"code": 503, "message": "x"}}]}, K.OVERLOADED, True),
    ("responses", {"base_resp": LIMITED}, K.RATE_LIMITED, True),
    (
        "responses",
        {
            "type": "response.completed",
            "response": {"status": "completed", "error": {"code": "server_error"}},
        },
        K.SERVER_ERROR,
        True,
    ),
    ("gemini", {"response": {"error": {"code": 503, "status": "UNAVAILABLE"}}}, K.OVERLOADED, True),
    ("gemini", {**candidate({"text": ""}), "base_resp": LIMITED}, K.RATE_LIMITED, True),
    ("gemini", {**candidate({"text": ""}), "x_error": {"code": 500}}, K.SERVER_ERROR, True),
    *(
        (dialect, text, kind, retryable)
        for dialect in HALF
        for text, kind, retryable in (
            (b"data: Internal Server Error\n\n", K.SERVER_ERROR, True),
            (b"data: [ERROR] the model is overloaded\n\n", K.OVERLOADED, True),
            (b"event: error\ndata: Too Many Requests\n\n", K.RATE_LIMITED, True),
            (b"502 Bad Gateway\n", K.SERVER_ERROR, True),
            (b"<html><head><title>429 Too Many Requests</title></head></html>\n", K.RATE_LIMITED, True),
            (b"Error 401\n", K.AUTHENTICATION, False),
        )
    ),
]


@pytest.mark.parametrize(("dialect", "told", "kind", "retryable"), TOLD, ids=lambda value: str(value)[:60])
def test_a_failure_after_half_of_an_answer(dialect: str, told: Any, kind: K, retryable: bool) -> None:
    """It is an error of its kind, and what had come stays."""
    body = frames(*HALF[dialect]) + (told if isinstance(told, bytes) else frames(told))
    response = play(body, dialect=dialect).response
    assert response.outcome is Outcome.FAILED
    assert response.output_text == "Half"
    assert response.error is not None
    assert (response.error.kind, response.error.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("body", "kind", "retryable"),
    [
        (b"Unauthorized", K.AUTHENTICATION, False),
        (b"no healthy upstream", K.SERVER_ERROR, True),
        (b"HTTP 404\n", K.NOT_FOUND, False),
        (b"<html><head><title>403 Forbidden</title></head></html>", K.PERMISSION, False),
        (b"<html><h1>It works</h1></html>", K.SERVER_ERROR, True),
    ],
)
@pytest.mark.parametrize("dialect", HALF)
def test_a_body_of_words(dialect: str, body: bytes, kind: K, retryable: bool) -> None:
    """A page or a sentence in place of a stream is of the kind that it says."""
    error = play(body, dialect=dialect).response.error
    assert error is not None
    assert (error.kind, error.retryable) == (kind, retryable)


OLLAMA = {"model": "q", "created_at": "now", "message": {"role": "assistant", "content": "Hi"}, "done": True}
STRANGERS = [
    (json.dumps(OLLAMA).encode() + b"\n", "Ollama"),
    (b"2026-01-01T00:00:00Z data: {}\n2026-01-01T00:00:01Z data: {}\n", "log"),
    (b'0:"Hello"\nd:{"finishReason":"stop"}\n', "data stream protocol"),
    *(
        (frames(payload), name)
        for payload, name in (
            ({"type": "message-start", "id": "x"}, "Cohere"),
            ({"event_type": "text-generation", "text": "Hi"}, "Cohere"),
            ({"type": "text-delta", "id": "t", "delta": "Hi"}, "UI message stream"),
            ({"object": "thread.message.delta", "delta": {}}, "Assistants"),
            ({"type": "session.created", "session": {}}, "Realtime"),
            ({"messageStop": {"stopReason": "end_turn"}}, "Converse"),
            ({"response": "Hi", "p": "x"}, "Workers AI"),
            ({"jsonrpc": "2.0", "id": 1}, "JSON-RPC"),
        )
    ),
]


@pytest.mark.parametrize(("body", "name"), STRANGERS)
@pytest.mark.parametrize("dialect", HALF)
def test_another_wire_or_form(dialect: str, body: bytes, name: str) -> None:
    """What is of no dialect fails for good, and the error says what it looks like."""
    response = play(body, dialect=dialect).response
    assert response.outcome is Outcome.FAILED
    assert response.error is not None
    assert not response.error.retryable
    assert name in str(response.error.message)


WORDS = [
    ("timeout", Outcome.FAILED, "error"),
    ("network_error", Outcome.FAILED, "error"),
    ("max_context", Outcome.INCOMPLETE, "length"),
    ("flagged", Outcome.INCOMPLETE, "content_filter"),
    ("interrupted", Outcome.CANCELLED, "cancelled"),
    ("eos_token", Outcome.COMPLETED, "stop"),
]


@pytest.mark.parametrize(("word", "outcome", "reason"), WORDS)
def test_finish_words_of_another_wire(word: str, outcome: Outcome, reason: str) -> None:
    """What a gateway passes on of another wire means the same on each."""
    ends: dict[str, list[JSON]] = {
        "chat": [chunk({}, finish_reason=word)],
        "anthropic": [
            {"type": "message_delta", "delta": {"stop_reason": word}, "usage": {}},
            {"type": "message_stop"},
        ],
        "gemini": [candidate(finishReason=word.upper())],
    }
    for dialect, end in ends.items():
        response = play(frames(*HALF[dialect], *end), dialect=dialect).response
        assert (response.outcome, response.finish_reason) == (outcome, reason), dialect


@pytest.mark.parametrize("dialect", HALF)
@pytest.mark.parametrize("rest", ['{"id":', '[{"a', "[DO", '"a'])
def test_data_that_were_cut_are_no_words(dialect: str, rest: str) -> None:
    """The beginning of a payload says nothing of a failure: the stream was cut."""
    body = frames(*HALF[dialect]) + f"data: {rest}\n\n".encode()
    assert play(body, dialect=dialect).response.outcome is Outcome.TRUNCATED


@pytest.mark.parametrize("dialect", HALF)
def test_words_that_something_follows(dialect: str) -> None:
    """Words in the middle of a stream that goes on are no failure, whatever the framing."""
    payloads = [*HALF[dialect], "Bad Gateway", *HALF[dialect][-1:]]
    body = b"".join(piece if isinstance(piece, bytes) else frames(piece) for piece in payloads)
    assert play(body, dialect=dialect).response.outcome is Outcome.TRUNCATED
    lines = b"".join((p.encode() if isinstance(p, str) else json.dumps(p).encode()) + b"\n" for p in payloads)
    assert play(lines, dialect=dialect).response.outcome is Outcome.TRUNCATED


ALL_IS_WELL: list[tuple[str, list[JSON]]] = [
    ("anthropic", [*HALF["anthropic"], {**MESSAGE_DELTA, "base_resp": {"status_code": 0, "status_msg": ""}}]),
    ("anthropic", [*HALF["anthropic"], {**MESSAGE_DELTA, "error": None}]),
    ("gemini", [{**candidate({"text": "Half"}, finishReason="STOP"), "error": {"code": 0}}]),
    ("chat", [{**chunk({"content": "Half"}, finish_reason="stop"), "errors": [], "fault": None}]),
]


@pytest.mark.parametrize(("dialect", "payloads"), ALL_IS_WELL)
def test_what_looks_like_a_failure_and_is_none(dialect: str, payloads: list[JSON]) -> None:
    """A code of nothing is no error."""
    response = play(frames(*payloads), dialect=dialect).response
    assert response.outcome is Outcome.COMPLETED
    assert response.error is None


def test_a_whole_message_with_an_error_beside() -> None:
    """Anthropic: an unstreamed body with an error in it has failed, and what it says is there."""
    message = {**BEGIN["message"], "type": "message", "content": [{"type": "text", "text": "Half"}]}
    body = json.dumps({**message, "stop_reason": "end_turn", "base_resp": LIMITED}).encode()
    response = play(body, dialect="anthropic").response
    assert (response.outcome, response.output_text) == (Outcome.FAILED, "Half")
    assert response.error is not None
    assert response.error.kind is K.RATE_LIMITED
