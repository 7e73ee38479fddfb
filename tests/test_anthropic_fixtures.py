"""Every recorded Anthropic stream of `fixtures/`, run in every way, and held to the laws.

The driver and its laws are those of `test_fixtures`; here they run parsers of the Anthropic dialect.
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
from deltafold.dialects.anthropic.reader import HANDLERS
from deltafold.dialects.anthropic.table import STOPS
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.response import Outcome
from deltafold.parsing.parser import parse
from wire import FIXTURES, Reading, check_laws, cut, read, same

C = AnomalyCode
PATHS = sorted((FIXTURES / "anthropic").iterdir())
STORED = [path for path in PATHS if path.suffix == ".json"]
every_fixture = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])

CODES = {
    C.ANNOUNCED_TWICE,
    C.BLOCK_NOT_ENDED,
    C.BLOCK_OUT_OF_ORDER,
    C.CALL_ID_MISSING,
    C.CALL_ID_REPEATED,
    C.CALL_NAME_MISSING,
    C.DELTA_AFTER_DONE,
    C.DELTA_MISFITS,
    C.DONE_OF_ANOTHER_WIRE,
    C.ERROR_AFTER_FAILURE,
    C.EVENT_AFTER_END,
    C.EVENT_NAME_DIFFERS,
    C.FINISH_REASON_MISSING,
    C.FINISH_REASON_UNKNOWN,
    C.INDEX_MISSING,
    C.INDEX_REUSED,
    C.INVALID_FIELD,
    C.LONE_SURROGATE,
    C.MISSING_TERMINAL,
    C.RESPONSE_ID_CHANGED,
    C.RESPONSE_NOT_ANNOUNCED,
    C.TYPE_MISSING,
    C.TYPE_ONLY_IN_EVENT_NAME,
    C.USAGE_MISSING,
    C.WRONG_DIALECT,
}
"""Codes that the dialect reports."""
UNDECIDED = {"body-error", "error-first", "error-prompt-too-long", "nothing"}
"""Bodies with nothing in them that tells Anthropic from the others."""
ANOTHER = {"wrong-dialect-chat": "chat"}
"""Bodies of another wire."""
UNTYPED = {"body-without-type", "types-missing"}
"""Bodies of which the first payload has no type, so that one has to know whose it is."""


@cache
def lenient(path: Path) -> Reading:
    """The reading to which all others are compared: the whole body at once."""
    return read([path.read_bytes()], dialect="anthropic")


@pytest.fixture(autouse=True)
def anthropic_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver makes parsers of the Anthropic dialect."""
    monkeypatch.setattr(driver, "DIALECT", "anthropic")


@every_fixture
def test_fixture(path: Path, snapshot: SnapshotAssertion) -> None:
    """A fixture gives the same however it is fed, keeps every law, and says what it always said."""
    body = path.read_bytes()
    dice = random.Random(path.stem)
    reading = lenient(path)

    check_laws(reading.events, reading.response)
    same(reading, read([body[i : i + 1] for i in range(len(body))], dialect="anthropic"))
    for pieces in (2, 3, 7, 20):
        places = [dice.randint(0, len(body)) for _ in range(pieces)]
        same(reading, read(cut(body, places), dialect="anthropic"))
    assert parse(body, "anthropic") == reading.response

    driver.check_every_step(body, reading)
    driver.check_more_after_the_end(body, reading)
    driver.check_strict(body, reading)
    driver.check_resuming(body, reading, dice)
    driver.check_payloads(body, reading)

    assert told(reading) == snapshot


def told(reading: Reading) -> str:
    """A reading as text, with the unstreamed response that is made of it."""
    document = reading.response.to_anthropic_message()
    return f"{driver.told(reading)}\n\n{json.dumps(document, indent=1, sort_keys=True)}"


@every_fixture
def test_auto_tells_the_dialect(path: Path) -> None:
    """The first payload with anything of a GenerateContentResponse in it tells the dialect."""
    found = read([path.read_bytes()], dialect="auto")
    if path.stem in UNDECIDED:
        assert found.response.outcome is lenient(path).response.outcome
        assert found.response.error == lenient(path).response.error
    elif path.stem in ANOTHER:
        assert found.response.dialect == ANOTHER[path.stem]
    elif path.stem not in UNTYPED:
        same(lenient(path), found)
        assert found.response.dialect == "anthropic"


@pytest.mark.parametrize("path", STORED, ids=[path.stem for path in STORED])
def test_a_stored_body_comes_out_as_it_was(path: Path) -> None:
    """The message made of a stored body has all that the body told."""
    body = json.loads(path.read_bytes())
    if "error" not in body:
        assert lenient(path).response.to_anthropic_message() == {"type": "message", **body}


@every_fixture
def test_a_document_comes_out_of_itself(path: Path) -> None:
    """The message made of a whole stream, stored and parsed, gives the same message again."""
    response = lenient(path).response
    if response.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        return
    message = response.to_anthropic_message()
    again = parse(json.dumps(message).encode(), "anthropic")
    assert again.to_anthropic_message() == message
    assert again.outcome is response.outcome
    assert again.output_text == response.output_text
    assert again.reasoning_text == response.reasoning_text
    assert again.finish_reason == response.finish_reason


@every_fixture
def test_usage_means_the_same_in_every_document(path: Path) -> None:
    """Input is the whole prompt, in the words of the API whose document it is."""
    usage = lenient(path).response.usage
    if usage is None or usage.input_tokens is None:
        return
    told = lenient(path).response.to_dict()["usage"]
    assert told["input_tokens"] == usage.input_tokens
    assert told.get("input_tokens_details", {}).get("cached_tokens") == usage.cached_tokens
    completion = lenient(path).response.to_chat_completion()["usage"]
    assert completion["prompt_tokens"] == usage.input_tokens
    assert completion.get("total_tokens") == usage.total_tokens


# ------------------------------------------------------------------------------------------- what there is


def payloads() -> list[dict[str, Any]]:
    """All objects in the fixtures."""
    return [payload for path in PATHS for _, payload in driver.payloads_of(path)]


def test_every_event_class_of_the_dialect_occurs() -> None:
    """Each class of event that Anthropic can bring comes out of at least one fixture."""
    seen = {type(event) for path in PATHS for event in lenient(path).events}
    assert seen == {
        e.AnnotationAdded,
        e.ArgumentsDelta,
        e.ErrorReported,
        e.Heartbeat,
        e.ItemFinished,
        e.ItemStarted,
        e.ItemUpdated,
        e.Notice,
        e.PartStarted,
        e.ReasoningDelta,
        e.ResponseFinished,
        e.ResponseStarted,
        e.StatusChanged,
        e.TextDelta,
        e.UnknownEvent,
        e.UsageReported,
        e.ValueFinished,
    }


def test_every_anomaly_of_the_dialect_occurs() -> None:
    """Each code that the dialect reports, lifting aside, comes of at least one fixture."""
    assert {code for path in PATHS for code in lenient(path).codes} >= CODES


BLOCKS = {
    *("text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use"),
    *("mcp_tool_result", "mcp_tool_listing", "web_search_tool_result", "web_fetch_tool_result"),
    *("code_execution_tool_result", "bash_code_execution_tool_result"),
    *("text_editor_code_execution_tool_result", "tool_search_tool_result", "advisor_tool_result"),
    *("container_upload", "compaction", "fallback"),
}
DELTAS = {
    *("text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"),
    "compaction_delta",
}


def test_every_event_block_and_delta_occurs() -> None:
    """Each type of event, block and delta that the API documents is among the fixtures."""
    told = payloads()
    assert {payload.get("type") for payload in told} >= HANDLERS.keys() | {"ping"}
    blocks = [payload.get("content_block") for payload in told]
    assert {str(block.get("type")) for block in blocks if isinstance(block, dict)} >= BLOCKS
    deltas = [payload.get("delta") for payload in told]
    assert {delta.get("type") for delta in deltas if isinstance(delta, dict)} >= DELTAS


def test_every_stop_occurs() -> None:
    """Each stop reason of Anthropic's own and each outcome is among the fixtures."""
    words = {lenient(path).response.data.get("stop_reason") for path in PATHS}
    assert words - {5} >= set([*STOPS][: [*STOPS].index("compaction") + 1])
    assert {lenient(path).response.outcome for path in PATHS} == set(Outcome)


def test_fixtures_stay_small() -> None:
    """A fixture shows one thing, and can be read."""
    assert all(path.stat().st_size < 20_000 for path in PATHS)
