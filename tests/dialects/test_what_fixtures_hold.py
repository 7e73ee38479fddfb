"""Between them the fixtures hold every event, type, anomaly and end that each dialect knows."""

from __future__ import annotations

from typing import Any, get_args

import pytest

import fixtures
from deltafold.dialects.anthropic.reader import HANDLERS as ANTHROPIC_HANDLERS
from deltafold.dialects.anthropic.table import STOPS as STOP_REASONS
from deltafold.dialects.gemini.table import DATA, finish_word
from deltafold.dialects.gemini.table import STOPS as FINISH_REASONS
from deltafold.dialects.responses.reader import HANDLERS
from deltafold.dialects.responses.table import CHAT_CHUNK, HEARTBEATS, NOTICES, PROGRESS, WHOLE_RESPONSE
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.errors import WireError
from deltafold.model.response import Outcome
from deltafold.parsing.parser import parse
from deltafold.registry import DIALECTS
from fixtures import STRICT_ONLY, lenient, of, payloads_of

ELSEWHERE = {
    # How values are framed: tests/wire/test_framings.py.
    *(C.ARRAY_MALFORMED, C.ARRAY_NOT_CLOSED, C.FRAME_DAMAGED, C.VALUE_BEFORE_EVENTS),
    # What one body cannot show: tests/parsing/test_replay.py.
    C.REPLAY_REFUSED,
    # Text that the caller asks to be lifted: tests/arguments/test_lifted_calls.py.
    C.LIFT_REFUSED,
}
"""Codes of which no fixture tells."""

COMMON = {
    e.AnnotationAdded,
    e.ArgumentsDelta,
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
}
EVENTS = {
    "responses": {*get_args(e.Event)} - {e.ChoiceUpdated, e.LiftedDelta},
    "chat": COMMON | {e.AudioDelta, e.ChoiceUpdated, e.RefusalDelta, e.TranscriptDelta, e.ValueReplaced},
    "anthropic": COMMON | {e.Notice},
    "gemini": COMMON - {e.AnnotationAdded} | {e.ChoiceUpdated, e.ValueReplaced},
}
"""The classes of events that a stream of each dialect can bring."""

CODES = {
    "responses": {*AnomalyCode}
    - STRICT_ONLY
    - ELSEWHERE
    - {
        C.ARGUMENTS_NOT_TEXT,
        C.ARGUMENTS_REPEATED,
        C.BLOCK_NOT_ENDED,
        C.BLOCK_OUT_OF_ORDER,
        C.CALL_ID_MISSING,
        C.CALL_ID_REPEATED,
        C.CALL_INDEX_CHANGED,
        C.CALL_INDEX_REUSED,
        C.CALL_NAME_MISSING,
        C.CALL_NOT_ENDED,
        C.CALL_NOT_OPEN,
        C.CONTENT_NOT_TEXT,
        C.DELTA_MISFITS,
        C.DONE_OF_ANOTHER_WIRE,
        C.FINISH_REASON_MISSING,
        C.FINISH_REASON_UNKNOWN,
        C.PARTIAL_ARGUMENT_LOST,
        C.USAGE_MISSING,
    },
    "chat": {
        C.ARGUMENTS_NOT_TEXT,
        C.ARGUMENTS_REPEATED,
        C.CALL_ID_CHANGED,
        C.CALL_ID_MISSING,
        C.CALL_ID_REPEATED,
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
    },
    "anthropic": {
        C.ANNOUNCED_TWICE,
        C.ARGUMENTS_NOT_TEXT,
        C.BLOCK_NOT_ENDED,
        C.BLOCK_OUT_OF_ORDER,
        C.CALL_ID_MISSING,
        C.CALL_ID_REPEATED,
        C.CALL_NAME_MISSING,
        C.CONTROL_TOKEN_IN_NAME,
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
    },
    "gemini": {
        C.CALL_ID_CHANGED,
        C.CALL_NOT_ENDED,
        C.CALL_NOT_OPEN,
        C.DONE_OF_ANOTHER_WIRE,
        C.ERROR_AFTER_FAILURE,
        C.EVENT_AFTER_END,
        C.FINISH_REASON_UNKNOWN,
        C.INVALID_FIELD,
        C.LONE_SURROGATE,
        C.MISSING_TERMINAL,
        C.NAME_CHANGED,
        C.PARTIAL_ARGUMENT_LOST,
        C.RESPONSE_ID_CHANGED,
        C.VALUE_CONTRADICTED,
        C.WRONG_DIALECT,
    },
}
"""The codes that each dialect reports, as far as fixtures show them."""

FINISHES = {
    "responses": {"stop", "length", "tool_calls", "content_filter", "error", "cancelled", None},
    "chat": {"stop", "length", "tool_calls", "content_filter", "error", None},
    "anthropic": {"stop", "length", "tool_calls", "content_filter", "error", None},
    "gemini": {"stop", "length", "tool_calls", "content_filter", "error", None},
}
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@each_dialect
def test_every_event_class(dialect: str) -> None:
    """Each class of event that the dialect can bring comes out of a fixture, and no other."""
    assert {type(event) for fixture in of(dialect) for event in lenient(fixture).events} == EVENTS[dialect]


@each_dialect
def test_every_anomaly(dialect: str) -> None:
    """Each code that the dialect reports comes of a fixture."""
    assert {code for fixture in of(dialect) for code in lenient(fixture).codes} >= CODES[dialect]


def test_no_anomaly_is_without_a_fixture() -> None:
    """Each code but those that tests elsewhere show, and the strict one in strict mode."""
    seen = {code for fixture in fixtures.ALL for code in lenient(fixture).codes}
    assert {*AnomalyCode} - seen == STRICT_ONLY | ELSEWHERE
    strict = set()
    for fixture in of("responses"):
        try:
            parse(fixture.body, "responses", strict=True)
        except WireError as error:
            strict.add(C(error.code))
    assert strict >= STRICT_ONLY


@each_dialect
def test_every_end(dialect: str) -> None:
    """Each outcome that a server or transport can bring, and each reason to stop."""
    ends = [lenient(fixture).response for fixture in of(dialect)]
    assert {response.outcome for response in ends} == {*Outcome}
    assert {response.finish_reason for response in ends} >= FINISHES[dialect]


@fixtures.each
def test_a_fixture_stays_small(fixture: fixtures.Fixture) -> None:
    """It shows one thing, and can be read."""
    assert fixture.path.stat().st_size < 60_000


# ------------------------------------------------------------------------------------ the words of each wire

ITEMS = {
    *("message", "file_search_call", "function_call", "function_call_output", "web_search_call"),
    *("computer_call", "computer_call_output", "reasoning", "program", "program_output"),
    *("tool_search_call", "tool_search_output", "additional_tools", "compaction"),
    *("image_generation_call", "code_interpreter_call", "local_shell_call", "local_shell_call_output"),
    *("shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output", "mcp_call"),
    *("mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "custom_tool_call"),
    *("custom_tool_call_output", "ghost_snapshot", "compaction_summary"),
    # Single servers send these, and any of the kind `slug:name`.
    *("x_search_call", "code_execution_call", "view_image_call", "view_x_video_call", "acme:search_result"),
}
"""The union of the Responses API's reference, and more."""
PARTS = {
    *("output_text", "refusal", "reasoning_text", "summary_text", "text", "input_text", "input_image"),
    *("input_file", "output_smell"),
}
ANNOTATIONS = {"file_citation", "url_citation", "container_file_citation", "file_path"}
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


def payloads(dialect: str) -> list[dict[str, Any]]:
    """All objects on a wire."""
    return [payload for fixture in of(dialect) for _, payload in payloads_of(fixture)]


def test_every_type_of_the_responses_api() -> None:
    """Each wire type that the dialect knows."""
    seen = {kind for fixture in of("responses") for kind, _ in payloads_of(fixture)}
    made_up = {WHOLE_RESPONSE, CHAT_CHUNK}  # what the reader calls payloads that have no type
    assert {*HANDLERS, *PROGRESS, *HEARTBEATS, *NOTICES} - made_up <= seen


def test_every_item_part_and_annotation_of_the_responses_api() -> None:
    """Each type of item, part and annotation is among the final responses."""
    items = [item for fixture in of("responses") for item in lenient(fixture).output()]
    assert {item.get("type") for item in items} >= ITEMS
    parts = [part for item in items for group in ("content", "summary") for part in item.get(group) or []]
    assert {part["type"] for part in parts} >= PARTS
    assert {note["type"] for part in parts for note in part.get("annotations") or []} >= ANNOTATIONS


def test_every_event_block_delta_and_stop_of_anthropic() -> None:
    """Each type of event, block and delta that the API documents, and each stop reason of its own."""
    sent = payloads("anthropic")
    assert {payload.get("type") for payload in sent} >= ANTHROPIC_HANDLERS.keys() | {"ping"}
    blocks = [payload.get("content_block") for payload in sent]
    assert {str(block.get("type")) for block in blocks if isinstance(block, dict)} >= BLOCKS
    deltas = [payload.get("delta") for payload in sent]
    assert {delta.get("type") for delta in deltas if isinstance(delta, dict)} >= DELTAS
    words = {str(lenient(fixture).response.data.get("stop_reason")) for fixture in of("anthropic")}
    assert words >= STOP_REASONS.keys()


def test_every_part_and_stop_of_gemini() -> None:
    """Each kind of data that a part may have is among the items, and each finish reason of its own."""
    items = {item.type for fixture in of("gemini") for item in lenient(fixture).response.output}
    assert items >= DATA - {"functionCall"} | {"message", "reasoning", "function_call"}
    candidates = [
        candidate for payload in payloads("gemini") for candidate in payload.get("candidates") or []
    ]
    words = {finish_word(one.get("finishReason")) for one in candidates if isinstance(one, dict)}
    assert words >= FINISH_REASONS.keys()
