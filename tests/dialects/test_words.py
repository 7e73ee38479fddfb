"""Words of public servers, written down a second time: what a table no longer knows is noticed here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deltafold import ErrorKind, Heartbeat, Notice, Outcome, ResponseWriter, UnknownEvent, parse
from deltafold.dialects.claims import dialect_of, form_of, wire_of
from deltafold.registry import part_of
from runs import added, created, run

COMPLETED, INCOMPLETE, CANCELLED, FAILED = (
    Outcome.COMPLETED,
    Outcome.INCOMPLETE,
    Outcome.CANCELLED,
    Outcome.FAILED,
)
K = ErrorKind

FINISH_REASONS: list[tuple[str, Outcome, ErrorKind | None, str]] = [
    (
        "stop",
        COMPLETED,
        None,
        (
            "stop stopped stop_sequence stop_token stop_string stop_str end_turn eos eos_token eos_found "
            "end_of_text endoftext complete completed done finish finished end normal success word load "
            "unload"
        ),
    ),
    ("tool_calls", COMPLETED, None, "tool_calls tool_call tool_use function_call function_calls"),
    ("pause_turn", COMPLETED, None, "pause_turn"),
    (
        "length",
        INCOMPLETE,
        None,
        (
            "length length_limit limit max_tokens max_token max_new_tokens max_completion_tokens "
            "max_output_tokens max_output max_length max_len max_context max_context_length "
            "max_model_length maximum_tokens maximum_length model_length token_limit token_limit_reached "
            "context context_length context_length_exceeded context_window_exceeded "
            "model_context_window_exceeded error_limit truncated incomplete continuation compaction "
            "time_limit"
        ),
    ),
    (
        "content_filter",
        INCOMPLETE,
        None,
        (
            "content_filter content_filtered content_filter_error content_policy content_policy_violation "
            "content_moderation contentfilter moderation sensitive sensitive_content "
            "data_inspection_failed refusal guardrail guardrails guardrail_intervened error_toxic safety "
            "recitation blocklist prohibited_content spii language image_safety image_prohibited_content "
            "image_recitation model_armor escalation pup_limited_disabled blocked flagged"
        ),
    ),
    (
        "",
        INCOMPLETE,
        None,
        (
            "other no_image image_other malformed_function_call malformed_response malformed_tool_use "
            "malformed_model_output unexpected_tool_call too_many_tool_calls missing_thought_signature "
            "function_call_filter max_turns repetition repetition_detected"
        ),
    ),
    (
        "cancelled",
        CANCELLED,
        None,
        (
            "abort aborted cancel canceled cancelled user_cancel user_canceled user_cancelled interrupt "
            "interrupted"
        ),
    ),
    ("error", FAILED, K.UNKNOWN, "error errored failed failure unknown_error"),
    (
        "error",
        FAILED,
        K.SERVER_ERROR,
        (
            "network_error connection_error stream_error server_error internal_error "
            "internal_server_error inference_error model_error engine_error system_error api_error "
            "upstream_error provider_error exception"
        ),
    ),
    (
        "error",
        FAILED,
        K.OVERLOADED,
        (
            "insufficient_system_resource insufficient_system_resources overloaded engine_overloaded "
            "over_capacity unavailable service_unavailable"
        ),
    ),
    ("error", FAILED, K.TIMEOUT, "timeout timed_out time_out deadline_exceeded"),
    ("error", FAILED, K.RATE_LIMITED, "rate_limit rate_limited rate_limit_exceeded resource_exhausted"),
]


@pytest.mark.parametrize(("reason", "outcome", "kind", "words"), FINISH_REASONS)
def test_finish_reasons(reason: str, outcome: Outcome, kind: ErrorKind | None, words: str) -> None:
    """What each word means on Chat Completions; on the other wires gateways pass the same words on."""
    for word in words.split():
        stop = part_of("chat", "table").stop_of(word)
        assert (stop.reason, stop.outcome, stop.kind) == (reason, outcome, kind), word
        if word != "compaction":  # which Anthropic alone has, as an end that is good
            assert part_of("anthropic", "table").stop_of(word).outcome is outcome, word
        found = part_of("gemini", "table").stop_of(word)
        # Gemini ends with STOP whether or not there is a call.
        reason_of_gemini = "stop" if outcome is COMPLETED else reason or None
        assert (found.reason, found.outcome) == (reason_of_gemini, outcome), word


@pytest.mark.parametrize(
    ("word", "reason", "outcome"),
    [
        ("end_turn", "stop", COMPLETED),
        ("stop_sequence", "stop", COMPLETED),
        ("tool_use", "tool_calls", COMPLETED),
        ("pause_turn", "pause_turn", COMPLETED),
        ("compaction", "compaction", COMPLETED),
        ("max_tokens", "length", INCOMPLETE),
        ("model_context_window_exceeded", "length", INCOMPLETE),
        ("refusal", "content_filter", INCOMPLETE),
    ],
)
def test_stop_reasons(word: str, reason: str, outcome: Outcome) -> None:
    """Those of Anthropic's Messages API."""
    stop = part_of("anthropic", "table").stop_of(word)
    assert (stop.reason, stop.outcome) == (reason, outcome)


FINISH_WORDS = (
    "STOP MAX_TOKENS SAFETY RECITATION OTHER LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII "
    "MALFORMED_FUNCTION_CALL IMAGE_SAFETY UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS "
    "IMAGE_PROHIBITED_CONTENT IMAGE_OTHER NO_IMAGE IMAGE_RECITATION MISSING_THOUGHT_SIGNATURE "
    "MALFORMED_RESPONSE"
)


def test_enumerations_of_gemini() -> None:
    """The numbers are those of the proto, from 1 on; 0 is unspecified."""
    table = part_of("gemini", "table")
    assert [table.finish_word(number) for number in range(20)] == [None, *FINISH_WORDS.split()]
    assert [table.block_word(number) for number in range(6)] == [
        None,
        *("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"),
    ]


@pytest.mark.parametrize("word", FINISH_WORDS.split())
def test_calls_that_a_finish_reason_takes_back(word: str) -> None:
    """The model meant no such call where it was malformed, unexpected or one too many."""
    broken = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"}
    assert part_of("gemini", "table").stop_of(word).keeps_calls is (word not in broken)


@pytest.mark.parametrize(
    "word", ["", "null", "None", "nil", "undefined", "unspecified", "NOT_FINISHED", "in_progress"]
)
def test_words_that_say_nothing(word: str) -> None:
    """Servers send them until there is a finish reason."""
    assert part_of("chat", "table").stop_of(word) is None


CODES = {
    K.CONTEXT_WINDOW_EXCEEDED: "context_length_exceeded",
    K.RATE_LIMITED: "rate_limit_exceeded",
    K.QUOTA_EXCEEDED: "insufficient_quota",
    K.USAGE_LIMIT_REACHED: "usage_limit_reached",
    K.AUTHENTICATION: "invalid_api_key",
    K.PERMISSION: "permission_denied",
    K.NOT_FOUND: "not_found",
    K.INVALID_REQUEST: "invalid_request_error",
    K.CONTENT_POLICY: "content_policy_violation",
    K.OVERLOADED: "server_is_overloaded",
    K.SERVER_ERROR: "server_error",
    K.TIMEOUT: "timeout",
}


@pytest.mark.parametrize("wire", ["responses", "chat", "anthropic", "gemini"])
@pytest.mark.parametrize("kind", [*CODES])
def test_kinds_of_errors_are_written(wire: str, kind: ErrorKind) -> None:
    """A client of any wire finds out of which kind an error was; those of OpenAI by OpenAI's own codes."""
    writer = ResponseWriter(wire, response_id="r", model="m")
    body = writer.text("Half") + writer.fail("no", kind=kind)
    error = parse(body, wire).error
    assert error is not None
    if wire in ("responses", "chat"):
        assert error.kind is kind
        assert json.dumps(CODES[kind]).encode() in body


# -------------------------------------------------------------------------------------------- other wires

STRANGERS = {
    "Cohere's chat API": (
        "message-start message-end content-start content-delta content-end tool-plan-delta tool-call-start "
        "tool-call-delta tool-call-end citation-start citation-end stream-start stream-end text-generation"
    ),
    "the UI message stream of the AI SDK": (
        "start start-step finish-step finish abort text-start text-delta text-end reasoning-start "
        "reasoning-delta reasoning-end tool-input-start tool-input-delta tool-input-available "
        "tool-output-available data-weather"
    ),
    "the Assistants API": "thread.run.created thread.message.delta",
    "the Realtime API": "session.created conversation.item.created input_audio_buffer.committed",
    "the transcription API": "transcript.text.delta",
    "the speech API": "speech.audio.delta",
}


@pytest.mark.parametrize("wire", STRANGERS)
def test_events_of_other_wires(wire: str) -> None:
    """An error says of which wire the events are that no dialect speaks, wherever their type stands."""
    for word in STRANGERS[wire].split():
        assert wire_of({"type": word}) == wire
        assert wire_of({"event_type": word}) == wire
        assert wire_of({"object": word}) == wire
        assert wire_of({"x": 1}, word) == wire


@pytest.mark.parametrize(
    ("payload", "wire"),
    [
        *(
            ({name: {}}, "the Converse API of Bedrock")
            for name in (
                *("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"),
                *("messageStop", "metadata"),
            )
        ),
        ({"created_at": "", "done": False, "response": "x"}, "Ollama's own API"),
        ({"token": {}, "generated_text": None}, "the generate_stream API of TGI"),
        ({"content": "", "stop": False}, "the completion API of llama.cpp"),
        ({"jsonrpc": "2.0"}, "JSON-RPC"),
        ({"log": {}}, "a HAR file"),
        ({"outputs": []}, "a batch of results"),
        ({"generated_text": ""}, "the text generation API of Hugging Face"),
        ({"response": "x"}, "the text API of Workers AI or Ollama"),
        ({"a": 1, "b": 2}, "nothing known, with a, b"),
        ({"type": 5, "object": ["start"], "event_type": {}}, "nothing known, with type, object, event_type"),
        ({"type": 5, "event_type": "start"}, "the UI message stream of the AI SDK"),
        *(
            ({name: ""}, f"nothing known, with {name}")
            for name in ("created_at", "done", "token", "content", "stop")
        ),
        ({}, "nothing known, with no members"),
        ("x" * 70, f"text: {'x' * 60!r}"),
        ([], "JSON that is no object"),
        ({"choices": []}, "another wire: use dialect='chat'"),
    ],
)
def test_payloads_of_other_wires(payload: Any, wire: str) -> None:
    """So it does of payloads that only their members tell."""
    assert wire_of(payload) == wire


@pytest.mark.parametrize(
    ("dialect", "payload"),
    [
        *(
            ("anthropic", {"type": kind})
            for kind in (
                *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
                *("message_delta", "message_stop"),
            )
        ),
        ("responses", {"type": "response.anything"}),
        ("responses", {"object": "response"}),
        *(
            ("chat", {"object": name})
            for name in ("chat.completion", "chat.completion.chunk", "text_completion")
        ),
        ("chat", {"choices": []}),
        *(
            ("gemini", {name: {}})
            for name in (
                *("candidates", "promptFeedback", "prompt_feedback", "usageMetadata", "usage_metadata"),
            )
        ),
        (None, {"type": "ping"}),
        (None, {"error": {"message": "no"}}),
    ],
)
def test_what_tells_the_wire(dialect: str | None, payload: Any) -> None:
    """A payload that one wire alone can have is of that wire."""
    assert dialect_of(payload) == dialect


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("12:00:01 INFO data: {}", "the lines of a log"),
        ("[worker] event: ping", "the lines of a log"),
        ('0:"Hello"', "the data stream protocol of the AI SDK"),
        ("2f:[1]", "the data stream protocol of the AI SDK"),
        ('e:{"finishReason":"stop"}', "the data stream protocol of the AI SDK"),
        ("hello there", ""),
    ],
)
def test_lines_of_other_forms(line: str, form: str) -> None:
    """A line that is no field of an event stream is named where it is known."""
    assert form_of(line) == form


# ---------------------------------------------------------------------------------- events that say little


@pytest.mark.parametrize("dialect", ["responses", "chat", "anthropic", "gemini"])
@pytest.mark.parametrize("word", ["ping", "keepalive"])
def test_signs_of_life(dialect: str, word: str) -> None:
    """Any wire may have them; they are no events that nobody knows."""
    found = run({"type": word}, dialect=dialect)
    assert len(found.all(Heartbeat)) == 1
    assert found.all(UnknownEvent) == []


@pytest.mark.parametrize("word", ["response.keep_alive", "response.keepalive"])
def test_signs_of_life_of_the_responses_api(word: str) -> None:
    """Nor are these, on that wire."""
    assert len(run({"type": word}, dialect="responses").all(Heartbeat)) == 1


@pytest.mark.parametrize(
    "word",
    [
        *("response.metadata", "codex.response.metadata", "responsesapi.websocket_timing"),
        *("response.steer.accepted", "response.steer.pending", "response.steer.failed"),
    ],
)
def test_notices_of_the_responses_api(word: str) -> None:
    """They are about the response, and change nothing in it."""
    found = run({"type": word, "a": 1}, dialect="responses")
    assert [event.type for event in found.all(Notice)] == [word]
    assert found.all(UnknownEvent) == []


@pytest.mark.parametrize(
    ("tool", "statuses"),
    [
        ("web_search_call", "in_progress searching completed failed"),
        ("file_search_call", "in_progress searching completed failed"),
        ("image_generation_call", "in_progress generating completed failed"),
        ("code_interpreter_call", "in_progress interpreting executing completed failed"),
        ("mcp_call", "in_progress executing completed failed"),
        ("mcp_list_tools", "in_progress completed failed"),
        ("computer_call", "in_progress completed"),
        ("shell_call", "in_progress completed"),
        ("x_search_call", "in_progress searching completed"),
        ("code_execution_call", "in_progress executing completed"),
        ("compaction", "compacting"),
    ],
)
def test_progress_of_tools(tool: str, statuses: str) -> None:
    """Each step is a status of the item."""
    item = {"type": tool, "id": "x_1"}
    for status in statuses.split():
        step = {"type": f"response.{tool}.{status}", "output_index": 0, "item_id": "x_1"}
        found = run(created(), added(0, item), step, dialect="responses")
        assert found.output()[0]["status"] == status
        assert found.all(UnknownEvent) == []
