"""Every recorded Chat Completions stream of `fixtures/`, run in every way, and held to the laws.

The driver and its laws are those of `test_fixtures`; here they run parsers of the chat dialect.
"""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

import test_fixtures as driver
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.response import Outcome
from deltafold.parsing.parser import parse
from wire import FIXTURES, Reading, calls_of, check_laws, cut, read, same

C = AnomalyCode
PATHS = sorted((FIXTURES / "chat").iterdir())
NAMES = [path.stem for path in PATHS]
STORED = [path for path in PATHS if path.suffix == ".json"]
every_fixture = pytest.mark.parametrize("path", PATHS, ids=NAMES)

CHAT_CODES = {
    C.ARGUMENTS_NOT_TEXT,
    C.ARGUMENTS_REPEATED,
    C.CALL_ID_CHANGED,
    C.CALL_ID_MISSING,
    C.CALL_INDEX_CHANGED,
    C.CALL_INDEX_REUSED,
    C.CALL_NAME_MISSING,
    C.CONTENT_NOT_TEXT,
    C.CONTROL_TOKEN_IN_NAME,
    C.DONE_BEFORE_TERMINAL,
    C.ERROR_AFTER_FAILURE,
    C.EVENT_AFTER_END,
    C.FINISH_REASON_MISSING,
    C.FINISH_REASON_UNKNOWN,
    C.INVALID_FIELD,
    C.LONE_SURROGATE,
    C.MISSING_TERMINAL,
    C.VALUE_CONTRADICTED,
    C.WRONG_DIALECT,
}
"""Codes that the chat dialect reports."""
UNDECIDED = {
    "body-detail-fastapi",
    "body-error",
    "body-error-list-google",
    "error-first",
    "error-object-vllm",
    "only-a-comment",
    "only-done",
}
"""Bodies with nothing in them that tells Chat Completions from the Responses API."""
NOT_STORED_SO = {
    # A stored body cannot say that it has no finish reason, and yet is whole.
    "done-without-finish-reason",
}
"""Whole streams whose completion does not come out of itself again."""


@cache
def lenient(path: Path) -> Reading:
    """The reading to which all others are compared: the whole body at once."""
    return read([path.read_bytes()], dialect="chat")


@pytest.fixture(autouse=True)
def chat_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver makes parsers of the chat dialect."""
    monkeypatch.setattr(driver, "DIALECT", "chat")


# --------------------------------------------------------------------------------------------- the one test


@every_fixture
def test_fixture(path: Path, snapshot: SnapshotAssertion) -> None:
    """A fixture gives the same however it is fed, keeps every law, and says what it always said."""
    body = path.read_bytes()
    dice = random.Random(path.stem)
    reading = lenient(path)

    check_laws(reading.events, reading.response)
    same(reading, read([body[i : i + 1] for i in range(len(body))], dialect="chat"))
    for pieces in (2, 3, 7, 20):
        places = [dice.randint(0, len(body)) for _ in range(pieces)]
        same(reading, read(cut(body, places), dialect="chat"))
    assert parse(body, "chat") == reading.response

    driver.check_every_step(body, reading)
    driver.check_more_after_the_end(body, reading)
    driver.check_strict(body, reading)
    driver.check_resuming(body, reading, dice)
    if C.ERROR_AFTER_FAILURE not in reading.codes:  # fed as a payload, an error ends the response at once
        driver.check_payloads(body, reading)

    assert told(reading) == snapshot


def told(reading: Reading) -> str:
    """A reading as text, with the completion that is made of its response."""
    completion = reading.response.to_chat_completion()
    return f"{driver.told(reading)}\n\n{json.dumps(completion, indent=1, sort_keys=True)}"


# --------------------------------------------------------------------------------------------- more laws


@every_fixture
def test_auto_tells_the_dialect(path: Path) -> None:
    """The first payload with anything of a chunk in it tells the dialect."""
    found = read([path.read_bytes()], dialect="auto")
    if path.stem == "error-object-vllm":
        return
    if path.stem in UNDECIDED:
        assert found.response.outcome is lenient(path).response.outcome
        assert found.response.error == lenient(path).response.error
    elif path.stem == "body-response":
        assert found.response.outcome is Outcome.COMPLETED
    else:
        same(lenient(path), found)


@pytest.mark.parametrize("path", STORED, ids=[path.stem for path in STORED])
def test_a_stored_body_comes_out_as_it_was(path: Path) -> None:
    """The completion made of a stored body has all that the body told, but for what was null."""
    body = json.loads(path.read_bytes())
    if not isinstance(body, dict) or not body.get("choices"):
        return
    completion = lenient(path).response.to_chat_completion()
    for told, found in zip(body.pop("choices"), completion["choices"], strict=True):
        message = {key: value for key, value in told.pop("message").items() if value != []}
        assert {key: found["message"][key] for key in message} == message
        logprobs = told.pop("logprobs")
        if logprobs:
            logprobs = {key: value for key, value in logprobs.items() if value is not None}
        assert found["logprobs"] == logprobs
        assert {key: found[key] for key in told} == told
    assert {key: completion[key] for key in body} == body


@every_fixture
def test_a_completion_comes_out_of_itself(path: Path) -> None:
    """The completion made of a whole stream, stored and parsed, gives the same completion again."""
    response = lenient(path).response
    if response.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE) or path.stem in NOT_STORED_SO:
        return
    completion = response.to_chat_completion()
    again = parse(json.dumps(completion).encode())
    assert again.to_chat_completion() == completion
    assert again.outcome is response.outcome
    assert again.usage == response.usage
    assert len(calls_of(again)) == len(calls_of(response))


# ------------------------------------------------------------------------------------------- what there is


def test_every_event_class_of_the_dialect_occurs() -> None:
    """Each class of event that Chat Completions can bring comes out of at least one fixture."""
    seen = {type(event) for path in PATHS for event in lenient(path).events}
    assert seen == {
        e.AnnotationAdded,
        e.ArgumentsDelta,
        e.AudioDelta,
        e.ChoiceUpdated,
        e.ErrorReported,
        e.Heartbeat,
        e.ItemFinished,
        e.ItemStarted,
        e.ItemUpdated,
        e.PartStarted,
        e.ReasoningDelta,
        e.RefusalDelta,
        e.ResponseFinished,
        e.ResponseStarted,
        e.StatusChanged,
        e.TextDelta,
        e.TranscriptDelta,
        e.UnknownEvent,
        e.UsageReported,
        e.ValueFinished,
        e.ValueReplaced,
    }


def test_every_anomaly_of_the_dialect_occurs() -> None:
    """Each code that the dialect reports, lifting aside, comes of at least one fixture."""
    seen = {code for path in PATHS for code in lenient(path).codes}
    assert seen >= CHAT_CODES


def test_every_stop_occurs() -> None:
    """Each outcome that a server or transport can bring, and each reason to stop, is among the fixtures."""
    assert {lenient(path).response.outcome for path in PATHS} == set(Outcome)
    assert {lenient(path).response.finish_reason for path in PATHS} >= {
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "error",
        None,
    }


def test_fixtures_stay_small() -> None:
    """A fixture shows one thing, and can be read."""
    assert all(path.stat().st_size < 20_000 for path in PATHS)
