"""Every recorded Gemini stream of `fixtures/`, run in every way, and held to the laws.

The driver and its laws are those of `test_fixtures`; here they run parsers of the Gemini dialect.
"""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

import test_fixtures as driver
from deltafold.dialects.gemini.reader import DATA
from deltafold.dialects.gemini.table import STOPS, finish_word
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.response import Outcome
from deltafold.parsing.parser import parse
from wire import FIXTURES, Reading, check_laws, cut, read, same

C = AnomalyCode
PATHS = sorted((FIXTURES / "gemini").iterdir())
STORED = [path for path in PATHS if path.suffix == ".json"]
every_fixture = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])

GEMINI_CODES = driver.GEMINI_CODES | {
    C.CALL_ID_CHANGED,
    C.ERROR_AFTER_FAILURE,
    C.EVENT_AFTER_END,
    C.INVALID_FIELD,
    C.LONE_SURROGATE,
    C.MISSING_TERMINAL,
    C.NAME_CHANGED,
    C.RESPONSE_ID_CHANGED,
    C.VALUE_CONTRADICTED,
    C.WRONG_DIALECT,
}
"""Codes that the dialect reports."""
UNDECIDED = {"body-error", "body-error-list", "error-first", "nothing"}
"""Bodies with nothing in them that tells Gemini from the others."""
ANOTHER = {"wrong-dialect-chat"}
"""Bodies of another wire."""


@cache
def lenient(path: Path) -> Reading:
    """The reading to which all others are compared: the whole body at once."""
    return read([path.read_bytes()], dialect="gemini")


@pytest.fixture(autouse=True)
def gemini_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver makes parsers of the Gemini dialect."""
    monkeypatch.setattr(driver, "DIALECT", "gemini")


@every_fixture
def test_fixture(path: Path, snapshot: SnapshotAssertion) -> None:
    """A fixture gives the same however it is fed, keeps every law, and says what it always said."""
    body = path.read_bytes()
    dice = random.Random(path.stem)
    reading = lenient(path)

    check_laws(reading.events, reading.response)
    same(reading, read([body[i : i + 1] for i in range(len(body))], dialect="gemini"))
    for pieces in (2, 3, 7, 20):
        places = [dice.randint(0, len(body)) for _ in range(pieces)]
        same(reading, read(cut(body, places), dialect="gemini"))
    assert parse(body, "gemini") == reading.response

    driver.check_every_step(body, reading)
    driver.check_more_after_the_end(body, reading)
    driver.check_strict(body, reading)
    driver.check_resuming(body, reading, dice)
    if C.ERROR_AFTER_FAILURE not in reading.codes:  # fed as a payload, the first error is the end
        driver.check_payloads(body, reading)

    assert told(reading) == snapshot


def told(reading: Reading) -> str:
    """A reading as text, with the unstreamed response that is made of it."""
    document = reading.response.to_gemini_response()
    return f"{driver.told(reading)}\n\n{json.dumps(document, indent=1, sort_keys=True)}"


@every_fixture
def test_auto_tells_the_dialect(path: Path) -> None:
    """The first payload with anything of a GenerateContentResponse in it tells the dialect."""
    found = read([path.read_bytes()], dialect="auto")
    if path.stem in UNDECIDED:
        assert found.response.outcome is lenient(path).response.outcome
        assert found.response.error == lenient(path).response.error
    elif path.stem in ANOTHER:
        assert found.response.dialect == "chat"
    else:
        same(lenient(path), found)
        assert found.response.dialect == "gemini"


@pytest.mark.parametrize("path", STORED, ids=[path.stem for path in STORED])
def test_a_stored_body_comes_out_as_it_was(path: Path) -> None:
    """The response made of a stored body has all that the body told."""
    body = json.loads(path.read_bytes())
    if not isinstance(body, dict) or "error" in body:
        return
    document = lenient(path).response.to_gemini_response()
    assert document == {"candidates": [], **body}


@every_fixture
def test_a_document_comes_out_of_itself(path: Path) -> None:
    """The document made of a whole stream, stored and parsed, gives the same document again."""
    response = lenient(path).response
    if response.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        return
    document = response.to_gemini_response()
    again = parse(json.dumps(document).encode(), "gemini")
    assert again.to_gemini_response() == document
    assert again.outcome is response.outcome
    assert again.usage == response.usage
    assert again.finish_reason == response.finish_reason or path.stem in CALLS_CUT


CALLS_CUT = {"streamed-call-never-ended", "streamed-calls-in-turn", "streamed-call-unreadable-paths"}
"""Streams with calls that are not whole, of which a body cannot tell."""


# ------------------------------------------------------------------------------------------- what there is


def payloads() -> list[dict[str, Any]]:
    """All objects in the fixtures."""
    return [payload for path in PATHS for _, payload in driver.payloads_of(path)]


def test_every_event_class_of_the_dialect_occurs() -> None:
    """Each class of event that Gemini can bring comes out of at least one fixture."""
    seen = {type(event) for path in PATHS for event in lenient(path).events}
    assert seen == {
        e.ArgumentsDelta,
        e.ChoiceUpdated,
        e.ErrorReported,
        e.Heartbeat,
        e.ItemFinished,
        e.ItemStarted,
        e.ItemUpdated,
        e.PartStarted,
        e.ReasoningDelta,
        e.ResponseFinished,
        e.ResponseStarted,
        e.StatusChanged,
        e.TextDelta,
        e.UnknownEvent,
        e.UsageReported,
        e.ValueFinished,
        e.ValueReplaced,
    }


def test_every_anomaly_of_the_dialect_occurs() -> None:
    """Each code that the dialect reports, lifting aside, comes of at least one fixture."""
    seen = {code for path in PATHS for code in lenient(path).codes}
    assert seen >= GEMINI_CODES


def test_every_kind_of_part_occurs() -> None:
    """Each kind of data that a part may have is among the items."""
    items = {item.type for path in PATHS for item in lenient(path).response.output}
    assert items >= DATA - {"functionCall"} | {"message", "reasoning", "function_call"}


def test_every_stop_occurs() -> None:
    """Each finish reason of Gemini's own and each outcome is among the fixtures."""
    candidates = [
        candidate
        for payload in payloads()
        for candidate in payload.get("candidates") or []
        if isinstance(candidate, dict)
    ]
    words = {finish_word(candidate.get("finishReason")) for candidate in candidates}
    others = set(list(STOPS)[list(STOPS).index("LENGTH") :])
    assert words >= set(STOPS) - others
    assert {lenient(path).response.outcome for path in PATHS} == set(Outcome)


def test_fixtures_stay_small() -> None:
    """A fixture shows one thing, and can be read."""
    assert all(path.stat().st_size < 20_000 for path in PATHS)
