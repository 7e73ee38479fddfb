"""How the Responses dialect reads what servers send: which events come, and what the response then is.

The letters in the headings are those of the ways in which clients were seen to break: A the bytes and
payloads, B order and identity, C tool calls, D text and reasoning, E ends and errors, F resumption, H what
is new on the wire.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from deltafold.diagnosis.rate_limits import rate_limits_from_event
from deltafold.encoding.encoder import StreamEncoder
from deltafold.machine.lifecycle import ResponseState
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, WireError
from deltafold.model.items import FunctionCall, Message, OtherItem, Reasoning
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome
from deltafold.parsing.parser import ResponseParser
from runs import (
    JSON,
    Run,
    added,
    arguments,
    arguments_done,
    call,
    calls_of,
    check_laws,
    completed,
    created,
    custom_call,
    done,
    frames,
    in_progress,
    message,
    outcome_of,
    output_text,
    part_added,
    part_done,
    play,
    reasoning,
    reasoning_text,
    refusal,
    response,
    run,
    streamed_call,
    streamed_message,
    summary_text,
    text,
    text_done,
    value,
)

C = AnomalyCode
OPEN = message(status="in_progress")
OPEN_CALL = call(status="in_progress")
PARIS = '{"city":"Paris"}'
HEARTBEATS = ("keepalive", "ping", "response.keep_alive", "response.keepalive")
NOTICES = (
    "response.metadata",
    "codex.response.metadata",
    "responsesapi.websocket_timing",
    "response.steer.accepted",
    "response.steer.pending",
    "response.steer.failed",
)
PROGRESS = {
    "web_search_call": ("in_progress", "searching", "completed", "failed"),
    "file_search_call": ("in_progress", "searching", "completed", "failed"),
    "image_generation_call": ("in_progress", "generating", "completed", "failed"),
    "code_interpreter_call": ("in_progress", "interpreting", "executing", "completed", "failed"),
    "mcp_call": ("in_progress", "executing", "completed", "failed"),
    "mcp_list_tools": ("in_progress", "completed", "failed"),
    "computer_call": ("in_progress", "completed"),
    "shell_call": ("in_progress", "completed"),
    "x_search_call": ("in_progress", "searching", "completed"),
    "code_execution_call": ("in_progress", "executing", "completed"),
    "compaction": ("compacting",),
}


def run_bytes(body: bytes) -> Run:
    """Feeds a body, ends the stream, and checks the laws."""
    found = play(body, "auto")
    check_laws(found)
    return found


def told(found: Run) -> list[tuple[Any, ...]]:
    """The name, call id, arguments and completeness of each function call."""
    calls = calls_of(found.response)
    return [(c.name, c.call_id, c.arguments, c.complete) for c in calls if isinstance(c, FunctionCall)]


# --------------------------------------------------------------------------------------- a plain stream


def test_a_message_from_its_start_to_its_end() -> None:
    """Each event of a plain message comes once, in the order of the wire."""
    found = run(created(), in_progress(), *streamed_message(0, "Hel", "lo"), completed(message("Hello")))
    assert found.names() == [
        "ResponseStarted",
        "StatusChanged",
        "ItemStarted",
        "PartStarted",
        "TextDelta",
        "TextDelta",
        "ValueFinished",
        "PartFinished",
        "ItemFinished",
        "ResponseFinished",
    ]
    assert found.texts(e.TextDelta) == ["Hel", "lo"]
    assert found.all(e.ValueFinished) == [e.ValueFinished(0, "text", "Hello", content_index=0)]
    assert found.all(e.ItemFinished)[0].item.content[0].text == "Hello"
    assert found.response.to_dict() == completed(message("Hello"))["response"] | {
        "error": None,
        "incomplete_details": None,
    }
    assert found.response.finish_reason == "stop"
    assert found.codes == []


def test_a_call_from_its_start_to_its_end() -> None:
    """A call is complete once it was told whole, and not before."""
    found = run(created(), *streamed_call(0, '{"city"', ':"Paris"}'), completed(call(PARIS)))
    assert found.names(of=0) == [
        "ItemStarted",
        "ArgumentsDelta",
        "ArgumentsDelta",
        "ValueFinished",
        "ItemFinished",
    ]
    assert [found.all(kind)[0].item.complete for kind in (e.ItemStarted, e.ItemFinished)] == [False, True]
    assert told(found) == [("tick", "call_1", PARIS, True)]
    assert found.response.finish_reason == "tool_calls"
    assert found.codes == []


def test_a_call_is_complete_from_its_arguments_end() -> None:
    """The response so far counts a call as complete once its arguments were told whole."""
    begun = [created(), added(0, OPEN_CALL), arguments(0, PARIS)]
    assert told(run(*begun, end="none")) == [("tick", "call_1", PARIS, False)]
    assert told(run(*begun, arguments_done(0, PARIS), end="none")) == [("tick", "call_1", PARIS, True)]


@pytest.mark.parametrize(
    ("prefix", "at", "field", "item_type", "delta"),
    [
        ("output_text", {"content_index": 0}, "text", "message", e.TextDelta(0, 0, "ab")),
        ("refusal", {"content_index": 0}, "refusal", "message", e.RefusalDelta(0, 0, "ab")),
        ("reasoning_text", {"content_index": 0}, "text", "reasoning", e.ReasoningDelta(0, 0, "ab", "text")),
        ("reasoning", {"content_index": 0}, "text", "reasoning", e.ReasoningDelta(0, 0, "ab", "text")),
        (
            "reasoning_summary_text",
            {"summary_index": 0},
            "text",
            "reasoning",
            e.ReasoningDelta(0, 0, "ab", "summary"),
        ),
        (
            "reasoning_summary",
            {"summary_index": 0},
            "text",
            "reasoning",
            e.ReasoningDelta(0, 0, "ab", "summary"),
        ),
        ("function_call_arguments", {}, "arguments", "function_call", e.ArgumentsDelta(0, "ab")),
        ("mcp_call_arguments", {}, "arguments", "mcp_call", e.ArgumentsDelta(0, "ab")),
        ("custom_tool_call_input", {}, "input", "custom_tool_call", e.ArgumentsDelta(0, "ab")),
        ("code_interpreter_call_code", {}, "code", "code_interpreter_call", e.CodeDelta(0, "ab")),
        ("apply_patch_call_operation_diff", {}, "diff", "apply_patch_call", e.DiffDelta(0, "ab")),
        ("shell_call_command", {"command_index": 1}, "command", "shell_call", e.CommandDelta(0, 1, "ab")),
        ("mcp_call_output", {}, "output", "mcp_call", e.OutputDelta(0, "ab")),
    ],
)
def test_every_value_that_is_streamed(prefix: str, at: JSON, field: str, item_type: str, delta: Any) -> None:
    """A value is handed out by its deltas, then told whole once, whether its item was announced or not."""
    pieces = [value(f"{prefix}.delta", 0, **at, delta="ab"), value(f"{prefix}.delta", 0, **at, delta="cd")]
    whole = value(f"{prefix}.done", 0, **at, **{field: "abcd"})
    found = run(created(), *pieces, whole, whole, completed())
    assert found.all(type(delta))[0] == delta
    assert "".join(found.texts(type(delta))) == "abcd"
    assert [event.text for event in found.all(e.ValueFinished)] == ["abcd"]
    assert found.output()[0]["type"] == item_type
    assert "abcd" in json.dumps(found.output())
    assert C.VALUE_CONTRADICTED not in found.codes
    corrected = run(created(), *pieces, value(f"{prefix}.done", 0, **at, **{field: "other"}), completed())
    assert corrected.all(e.ValueReplaced)[0].text == "other"
    assert "other" in json.dumps(corrected.output())
    assert C.VALUE_CONTRADICTED in corrected.codes


def test_what_the_items_of_hosted_tools_keep() -> None:
    """A value streamed for a place deep in an item stands there, beside what was told of the place."""
    shell = {"id": "sh_1", "type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": 5}}
    found = run(
        created(),
        added(0, shell),
        value("shell_call_command.added", 0, command_index=1, command=""),
        value("shell_call_command.delta", 0, command_index=1, delta="wc"),
        value("shell_call_command.added", 0, command_index=2, command="pwd"),
        added(1, {"id": "ap_1", "type": "apply_patch_call", "operation": None}),
        value("apply_patch_call_operation_diff.delta", 1, delta="+a"),
        completed(),
    )
    assert found.output()[0]["action"] == {"commands": ["ls", "wc"], "timeout_ms": 5}
    assert found.output()[1]["operation"] == {"diff": "+a"}


def test_the_output_of_a_shell_command() -> None:
    """Both streams of each command are told apart, and their `done` adds what was missing."""
    at = {"command_index": 1}
    found = run(
        created(),
        added(0, {"id": "so_1", "type": "shell_call_output", "output": []}),
        value("shell_call_output_content.delta", 0, command_index=0, delta={"stdout": "a\n", "stderr": "!"}),
        value("shell_call_output_content.delta", 0, **at, delta={"stdout": "", "stderr": 5}),
        value("shell_call_output_content.delta", 0, **at, delta="b"),
        value(
            "shell_call_output_content.done", 0, command_index=0, output=[{"stdout": "a\nz", "stderr": "!"}]
        ),
        value("shell_call_output_content.done", 0, **at, output=[{"stdout": "b", "stderr": None}, "?"]),
        value("shell_call_output_content.done", 0, **at, output=None),
        completed(),
    )
    assert [(d.command_index, d.stream, d.text) for d in found.all(e.CommandOutputDelta)] == [
        (0, "stdout", "a\n"),
        (0, "stderr", "!"),
        (0, "stdout", "z"),
        (1, "stdout", "b"),
    ]
    assert [(v.part_index, v.kind) for v in found.all(e.ValueFinished)] == [
        (0, "stdout"),
        (0, "stderr"),
        (1, "stdout"),
    ]
    assert found.output()[0]["output"] == [{"stdout": "a\nz", "stderr": "!"}, {"stdout": "b"}]


def test_streamed_commands_meet_the_item_told_whole() -> None:
    """The item told whole finishes the values that stand inside it."""
    shell = {"id": "sh_1", "type": "shell_call", "status": "completed", "action": {"commands": ["ls", "pwd"]}}
    found = run(
        created(),
        added(0, {**shell, "action": {"commands": []}}),
        value("shell_call_command.delta", 0, command_index=0, delta="l"),
        done(0, shell),
        completed(shell),
    )
    assert found.texts(e.CommandDelta) == ["l", "s"]
    assert found.output() == [shell]
    assert found.codes == []


@pytest.mark.parametrize(
    ("item_type", "status"), [(tool, status) for tool, found in PROGRESS.items() for status in found]
)
def test_progress_of_hosted_tools(item_type: str, status: str) -> None:
    """A hosted tool's progress is an event and the item's status, until the item was told whole."""
    item = {"id": "x_1", "type": item_type, "status": "in_progress"}
    step = {"type": f"response.{item_type}.{status}", "item_id": "x_1", "output_index": 0}
    found = run(created(), added(0, item), step, end="none")
    assert found.all(e.ItemProgress) == [e.ItemProgress(0, status)]
    assert found.output()[0]["status"] == status
    late = run(created(), added(0, item), done(0, {**item, "status": "failed"}), step, end="none")
    assert late.all(e.ItemProgress) == []
    assert late.output()[0]["status"] == "failed"
    assert run(created(), step, end="none").output()[0]["type"] == item_type


def test_a_preview_of_an_image_is_not_kept() -> None:
    """A partial image is handed out with all that was told of it, and is not in the response."""
    image = value(
        "image_generation_call.partial_image", 0, item_id="ig_1", partial_image_b64="iVBO", size="1024x1024"
    )
    found = run(created(), image, {**image, "partial_image_index": 1}, completed())
    assert found.all(e.PartialImage) == [
        e.PartialImage(0, 0, "iVBO", {"size": "1024x1024"}),
        e.PartialImage(0, 1, "iVBO", {"size": "1024x1024", "partial_image_index": 1}),
    ]
    assert "iVBO" not in json.dumps(found.output())


def test_an_image_without_an_image() -> None:
    """A partial image without its data begins no item."""
    found = run(created(), value("image_generation_call.partial_image", 0), completed())
    assert found.response.output == ()
    assert found.codes == [C.INVALID_FIELD]


def test_audio_belongs_to_the_response() -> None:
    """Spoken output and its words are joined in the response, and no item is made for them."""
    found = run(
        value("audio.delta", None, delta="UklG"),
        value("audio.delta", None, delta="Rg=="),
        value("audio.delta", None, delta=None),
        value("audio.transcript.delta", None, delta="Hi"),
        value("audio.transcript.done", None),
        value("audio.done", None),
        completed(),
    )
    assert [d.data for d in found.all(e.AudioDelta)] == ["UklG", "Rg=="]
    assert found.texts(e.TranscriptDelta) == ["Hi"]
    assert [n.type for n in found.all(e.Notice)] == ["response.audio.transcript.done", "response.audio.done"]
    assert found.response.to_dict()["audio"] == {"data": "UklGRg==", "transcript": "Hi"}


# ------------------------------------------------------------------------------- A: bytes and payloads


@pytest.mark.parametrize("junk", [b"null", b"17", b"[1]", b"true"])
def test_payloads_that_are_no_objects(junk: bytes) -> None:
    """A16: what is no object is handed out as it came, and the stream goes on."""
    found = run_bytes(frames(created()) + b"data: " + junk + b"\n\n" + frames(completed(message("Hi"))))
    assert found.all(e.UnknownEvent) == [e.UnknownEvent("", json.loads(junk))]
    assert found.codes == [C.PAYLOAD_IS_NO_OBJECT]
    assert found.response.output_text == "Hi"


def test_a_broken_payload_costs_only_itself() -> None:
    """A15: a payload that is no JSON is handed out as text, and the stream goes on."""
    broken = b'event: response.in_progress\ndata: {"type":"response.in_progress","response":{"instr\n\n'
    found = run_bytes(frames(created()) + broken + frames(*streamed_message(0, "Hi"), completed()))
    assert found.all(e.UnknownEvent) == [
        e.UnknownEvent("response.in_progress", '{"type":"response.in_progress","response":{"instr')
    ]
    assert found.response.output_text == "Hi"
    assert outcome_of(found) is Outcome.COMPLETED


def test_a_broken_terminal_is_no_end() -> None:
    """A15: the `event:` line of a terminal whose data are broken does not end the response."""
    broken = b'event: response.completed\ndata: {"type":"response.completed","resp\n\n'
    found = run_bytes(frames(created(), *streamed_message(0, "Hi")) + broken)
    assert outcome_of(found) is Outcome.TRUNCATED
    assert found.codes == [C.MALFORMED_JSON, C.MISSING_TERMINAL]


def test_the_type_stands_only_in_the_event_name() -> None:
    """A22: the event name is the type where the data have none, and that is told once."""
    body = b""
    for payload in (created(), *streamed_message(0, "Hi"), completed()):
        rest = {key: member for key, member in payload.items() if key != "type"}
        body += b"event: %s\ndata: %s\n\n" % (payload["type"].encode(), json.dumps(rest).encode())
    found = run_bytes(body)
    assert found.response.output_text == "Hi"
    assert found.codes == [C.TYPE_ONLY_IN_EVENT_NAME, C.OUTPUT_EMPTY_AT_END]


def test_the_event_name_is_another_type() -> None:
    """The type inside the data counts, and the contradiction is told once."""
    body = frames(created(), text(0, "a"), text(0, "b")).replace(b"data:", b"event: x\ndata:")
    found = run_bytes(body)
    assert found.response.output_text == "ab"
    assert found.codes.count(C.EVENT_NAME_DIFFERS) == 1


@pytest.mark.parametrize("kind", ["response.completed", "response.created"])
def test_a_response_that_is_not_nested(kind: str) -> None:
    """A22: a life cycle event may hold the response's fields at its own top."""
    whole = response("completed", output=[message("Hi")], usage={"output_tokens": 3})
    found = run({**whole, "type": kind, "sequence_number": 0}, end="close")
    assert found.response.id == "resp_6f1d"
    assert found.response.output_text == "Hi"
    assert found.response.usage is not None
    assert found.response.usage.output_tokens == 3
    assert C.RESPONSE_NOT_NESTED in found.codes
    assert "type" not in found.response.to_dict()


def test_a_response_that_is_no_object() -> None:
    """A life cycle event whose response is of the wrong type still moves the state."""
    found = run(
        {"type": "response.created", "response": "soon"}, {"type": "response.completed", "response": 1}
    )
    assert outcome_of(found) is Outcome.COMPLETED
    assert found.codes == [C.INVALID_FIELD]


def test_a_pair_cut_between_two_deltas() -> None:
    """A23: the halves of a surrogate pair that come in two deltas make the character."""
    found = run(created(), added(0, OPEN), text(0, "a\ud83d"), text(0, "\ude42b"), completed())
    assert found.texts(e.TextDelta) == ["a", "\N{SLIGHTLY SMILING FACE}b"]
    assert C.LONE_SURROGATE not in found.codes


def test_half_a_pair_alone() -> None:
    """A23: a half that meets no other half becomes U+FFFD: before other text, first of all, at the end."""
    found = run(
        created(), added(0, OPEN), text(0, "\udc00a"), text(0, "\ud83d"), text(0, "b\ud83d"), completed()
    )
    assert found.response.output_text == "\ufffda\ufffdb\ufffd"
    assert C.LONE_SURROGATE in found.codes


def test_half_a_pair_where_the_stream_broke_off() -> None:
    """A half whose other half may still have come is not made up for when the transport ends."""
    found = run(created(), added(0, OPEN), text(0, "a\ud83d"))
    assert found.response.output_text == "a"
    assert C.LONE_SURROGATE not in found.codes


def test_half_a_pair_before_the_whole_value() -> None:
    """The value told whole brings what a held half left out."""
    found = run(created(), added(0, OPEN), text(0, "a\ud83d"), text_done(0, "a🙂"), completed())
    assert found.texts(e.TextDelta) == ["a", "🙂"]


@pytest.mark.parametrize(
    ("pieces", "transcript", "alone"),
    [
        (["a\ud83d", "\ude42b"], ["a", "🙂b"], False),
        (["a\ud83d", "b"], ["a", "\ufffdb"], True),
        (["\ud83d"], ["\ufffd"], True),
    ],
)
def test_halves_of_a_pair_in_a_transcript(pieces: list[str], transcript: list[str], alone: bool) -> None:
    """A23: what is said aloud is put together like any text."""
    found = run(created(), *(value("audio.transcript.delta", None, delta=p) for p in pieces), completed())
    assert found.texts(e.TranscriptDelta) == transcript
    assert (C.LONE_SURROGATE in found.codes) is alone


@pytest.mark.parametrize(
    ("announced", "told"),
    [
        (refusal(), None),
        (output_text(), part_done(0, refusal("no"))),
        (output_text(), done(0, {**message(), "content": [refusal("no")]})),
    ],
)
def test_text_in_a_refusal(announced: JSON, told: JSON | None) -> None:
    """D: text that came for a refusal stays where it came, and that is said once."""
    streamed = [text(0, "So"), text(0, "rry")]
    rest = [] if told is None else [told, told]
    found = run(created(), added(0, OPEN), part_added(0, announced), *streamed, *rest, completed())
    assert found.texts(e.TextDelta) == ["So", "rry"]
    (part,) = found.response.to_dict()["output"][0]["content"]
    assert (part["type"], part["text"], found.response.output_text) == ("refusal", "Sorry", "")
    assert found.codes.count(C.TEXT_IN_REFUSAL) == 1


def test_a_type_that_only_the_end_tells() -> None:
    """D: the text of an item whose type was not known until the end is handed out then."""
    told = message("hello")
    untyped = {name: member for name, member in told.items() if name != "type"}
    opened = {**untyped, "status": "in_progress", "content": []}
    found = run(created(), added(0, opened), done(0, untyped), completed(told))
    assert found.texts(e.TextDelta) == ["hello"]
    assert found.response.to_dict()["output"] == [told]


def test_numbers_that_json_cannot_hold() -> None:
    """A24: NaN and infinities are read as null."""
    body = frames(created(), added(0, OPEN)) + (
        b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a",'
        b'"logprobs":[{"token":"a","logprob":-Infinity}]}\n\n'
    )
    found = run_bytes(body)
    assert found.all(e.TextDelta)[0].logprobs == ({"token": "a", "logprob": None},)
    assert C.UNREPRESENTABLE_NUMBER in found.codes


@pytest.mark.parametrize(
    "chunk",
    [
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": []},
        {"choices": [{"index": 0, "delta": {"content": "Hi"}}]},
    ],
)
def test_a_chat_chunk(chunk: JSON) -> None:
    """A chunk of the other wire API fails the response, with an error that says so."""
    found = run(chunk, chunk, dialect="responses")
    assert found.names() == ["ErrorReported", "ResponseFinished"]
    assert found.response.error is not None
    assert found.response.error.kind is ErrorKind.INVALID_REQUEST
    assert "dialect='chat'" in (found.response.error.message or "")
    assert found.response.status == "failed"
    assert found.codes[0] is C.WRONG_DIALECT


def test_a_payload_without_any_type() -> None:
    """What has neither a type nor a name, and is nothing known, comes through as it is."""
    found = run(created(), {"progress": 1}, {"progress": 2}, {"type": 7}, completed())
    assert [event.payload for event in found.all(e.UnknownEvent)] == [
        {"progress": 1},
        {"progress": 2},
        {"type": 7},
    ]
    assert found.codes == [C.TYPE_MISSING]


@pytest.mark.parametrize("status", ["completed", "failed", "incomplete", "cancelled", "odd", None])
def test_a_whole_response_as_a_payload(status: str | None) -> None:
    """A response object that is no event is the whole answer, whatever its status."""
    found = run(response(status, output=[message("Hi")]))
    assert found.response.output_text == "Hi"
    assert outcome_of(found) == (status if status not in ("odd", None) else "completed")
    assert C.RESPONSE_NOT_ANNOUNCED not in found.codes


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_has_not_begun(status: str) -> None:
    """The body of a request in the background is a response that is not at its end."""
    found = run_bytes(json.dumps(response(status, output=[message("So", status="in_progress")])).encode())
    assert found.response.status == status
    assert found.response.output_text == "So"
    assert outcome_of(found) is Outcome.TRUNCATED


def test_the_output_alone_shows_a_response() -> None:
    """An object without `object` is a response by its output and status."""
    found = run({"id": "resp_1", "status": "completed", "output": [message("Hi")]})
    assert found.response.output_text == "Hi"


def test_a_body_that_nothing_can_be_made_of() -> None:
    """A JSON body that is neither a response nor an error comes through, and is no success."""
    found = run_bytes(b'{"hello": "world"}')
    assert found.all(e.UnknownEvent) == [e.UnknownEvent("", {"hello": "world"})]
    assert outcome_of(found) is Outcome.FAILED
    assert found.response.error is not None
    assert not found.response.error.retryable


@pytest.mark.parametrize("name", ["a whole response", "a chat completion chunk", ""])
def test_no_type_of_the_wire_is_one_of_ours(name: str) -> None:
    """What the reader calls payloads without a type cannot be said on the wire."""
    told = {"type": name or "x", "status": "completed", "output": [message("Hi")]}
    found = run(created(), told)
    assert found.all(e.UnknownEvent) == [e.UnknownEvent(name or "x", told)]
    assert outcome_of(found) is Outcome.TRUNCATED


# --------------------------------------------------------------------------------- B: order and identity


def test_ids_that_change_on_every_event() -> None:
    """B1: the index says which item is meant, whatever its id; that is told once, and the first id stays."""
    found = run(
        created(id="resp_a"),
        added(0, message(id="A", status="in_progress")),
        part_added(0, output_text(), item_id="B"),
        text(0, "Hel", item_id="C"),
        text(0, "lo", item_id="D"),
        text_done(0, "Hello", item_id="E"),
        done(0, message("Hello", id="F")),
        completed(message("Hello", id="G"), id="resp_b"),
    )
    assert found.names(of=0) == [
        "ItemStarted",
        "PartStarted",
        "TextDelta",
        "TextDelta",
        "ValueFinished",
        "ItemFinished",
        "ItemUpdated",
    ]
    assert found.codes == [C.ITEM_ID_CHANGED, C.RESPONSE_ID_CHANGED]
    assert found.all(e.ItemStarted)[0].item.id == "A"
    assert found.all(e.ItemFinished)[0].item.id == "F"
    assert found.response.id == "resp_b"
    assert len(found.response.output) == 1


def test_ids_that_change_in_parallel_calls() -> None:
    """B1: two calls that stream in turn stay apart by their index, though every id is new."""
    found = run(
        created(),
        added(0, call(id="A", call_id="call_1", status="in_progress")),
        added(1, call(id="B", call_id="call_2", name="tock", status="in_progress")),
        arguments(0, '{"n":', item_id="C"),
        arguments(1, '{"m":', item_id="D"),
        arguments(0, "1}", item_id="E"),
        arguments(1, "2}", item_id="F"),
        completed(),
    )
    assert told(found) == [("tick", "call_1", '{"n":1}', True), ("tock", "call_2", '{"m":2}', True)]


def test_without_indexes_the_item_id_decides() -> None:
    """B2: where no index is told, the item id says where a fragment belongs."""
    found = run(
        created(),
        added(None, message(id="m", status="in_progress")),
        added(None, call(id="c", status="in_progress")),
        text(None, "Hi", None, item_id="m"),
        arguments(None, "{}", item_id="c"),
        done(None, message("Hi", id="m")),
        done(None, call("{}", id="c")),
        completed(),
    )
    assert found.response.output_text == "Hi"
    assert told(found) == [("tick", "call_1", "{}", True)]
    assert found.codes.count(C.INDEX_MISSING) == len(found.codes) - 2


def test_without_indexes_the_call_id_decides() -> None:
    """B2: a call id is an alias too."""
    found = run(
        created(),
        added(0, call(id="a", call_id="call_1", status="in_progress")),
        added(1, call(id="b", call_id="call_2", name="tock", status="in_progress")),
        arguments(None, '{"n":1}', call_id="call_1"),
        completed(),
    )
    assert [c[2] for c in told(found)] == ['{"n":1}', "{}"]


def test_without_any_key_the_open_item_goes_on() -> None:
    """B2: with neither index nor id, a fragment belongs to the open item of its kind, else to the last."""
    found = run(
        created(),
        added(None, message(id=None, status="in_progress")),
        text(None, "a", None),
        text(None, "b", None),
        done(None, message("ab", id=None)),
        text(None, "straggler", None),
        completed(),
    )
    assert found.response.output_text == "abstraggler"
    assert len(found.response.output) == 1
    assert C.DELTA_AFTER_DONE in found.codes


def test_an_item_told_whole_without_a_key() -> None:
    """B2: an item told whole without index or id is the open one of its type, else a new one."""
    found = run(created(), added(0, OPEN), done(None, message("a", id=None)), completed())
    assert [item["content"][0]["text"] for item in found.output()] == ["a"]
    found = run(created(), done(None, message("a", id=None)), done(None, message("b", id=None)), completed())
    assert [item["content"][0]["text"] for item in found.output()] == ["a", "b"]
    assert C.ITEM_NOT_ANNOUNCED in found.codes


def test_an_announcement_told_again_without_an_index() -> None:
    """An item announced twice without an index is known by its id."""
    found = run(created(), added(None, OPEN), added(None, OPEN), text(None, "a", None), completed())
    assert len(found.response.output) == 1
    assert C.ANNOUNCED_TWICE in found.codes


def test_a_delta_before_its_item() -> None:
    """B3: the item begins with its first fragment, and its announcement adds what it knows."""
    found = run(
        created(),
        arguments(0, '{"n"', item_id="fc_1", call_id="call_1"),
        added(0, OPEN_CALL),
        arguments(0, ":1}"),
        completed(),
    )
    assert found.names(of=0) == [
        "ItemStarted",
        "ArgumentsDelta",
        "ItemUpdated",
        "ArgumentsDelta",
        "ValueFinished",
        "ItemFinished",
    ]
    assert found.all(e.ItemStarted)[0].item.call_id == "call_1"
    assert told(found) == [("tick", "call_1", '{"n":1}', True)]
    assert found.codes == [C.ITEM_NOT_ANNOUNCED, C.OUTPUT_EMPTY_AT_END]


def test_a_delta_before_its_part() -> None:
    """B3: a part begins with its first fragment, and announcing it afterwards begins no second one."""
    found = run(
        created(), added(0, OPEN), text(0, "a"), part_added(0, output_text()), text(0, "b"), completed()
    )
    assert found.names(of=0) == [
        "ItemStarted",
        "PartStarted",
        "TextDelta",
        "TextDelta",
        "ValueFinished",
        "ItemFinished",
    ]
    assert found.response.output_text == "ab"
    assert found.codes == [C.PART_NOT_ANNOUNCED, C.OUTPUT_EMPTY_AT_END]


@pytest.mark.parametrize("item", [None, 3, "x"])
def test_an_item_that_is_no_item(item: Any) -> None:
    """B4: an item that is null costs nothing but itself."""
    found = run(created(), added(0, item), *streamed_message(1, "Hi"), done(0, item), completed())
    assert found.response.output_text == "Hi"
    assert found.codes.count(C.INVALID_FIELD) == 2


def test_indexes_with_gaps() -> None:
    """B4: an index names an item, and is no place in a list."""
    found = run(created(), *streamed_message(7, "b", id="b"), *streamed_message(2, "a", id="a"), completed())
    assert [item.output_index for item in found.all(e.ItemStarted)] == [7, 2]
    assert found.response.output_text == "ab"


def test_a_content_index_that_was_never_announced() -> None:
    """B5: a fragment for a part that does not exist goes on with the open part."""
    found = run(
        created(), added(0, OPEN), part_added(0, output_text()), text(0, "a", 1), text(0, "b", 1), completed()
    )
    assert [d.content_index for d in found.all(e.TextDelta)] == [0, 0]
    assert found.codes.count(C.PART_INDEX_CHANGED) == 1


def test_a_new_content_index_after_the_part_was_told_whole() -> None:
    """B5: once the text of a part was told whole, another index is another part."""
    found = run(created(), added(0, OPEN), text(0, "a"), text_done(0, "a"), text(0, "b", 1), completed())
    assert [d.content_index for d in found.all(e.TextDelta)] == [0, 1]
    assert found.response.output_text == "ab"


def test_parts_without_an_index() -> None:
    """B2: a part without an index is the next one, and what comes without an index is for the open one."""
    found = run(
        created(),
        added(0, OPEN),
        part_added(0, output_text(), None),
        text(0, "a", None),
        part_done(0, output_text("a"), None),
        part_added(0, output_text(), None),
        text(0, "b", None),
        completed(),
    )
    assert [part.text for part in found.response.output[0].content] == ["a", "b"]  # type: ignore[union-attr]
    assert C.INDEX_MISSING in found.codes


@pytest.mark.parametrize("part", [None, "text", 1])
def test_a_part_that_is_no_part(part: Any) -> None:
    """A part of the wrong type begins nothing and ends nothing."""
    found = run(created(), added(0, OPEN), part_added(0, part), part_done(0, part), text(0, "a"), completed())
    assert found.response.output_text == "a"
    assert found.codes.count(C.INVALID_FIELD) == 2


def test_a_part_announced_twice() -> None:
    """A part that is announced again goes on."""
    found = run(
        created(),
        added(0, OPEN),
        part_added(0, output_text()),
        text(0, "a"),
        part_added(0, output_text()),
        completed(),
    )
    assert len(found.all(e.PartStarted)) == 1
    assert C.ANNOUNCED_TWICE in found.codes


def test_an_item_announced_twice() -> None:
    """An item that is announced again goes on, with what the second announcement adds."""
    again = {**OPEN, "phase": "final_answer"}
    found = run(created(), added(0, OPEN), text(0, "a"), added(0, again), text(0, "b"), completed())
    assert len(found.all(e.ItemStarted)) == 1
    assert found.response.output_text == "ab"
    assert found.output()[0]["phase"] == "final_answer"
    assert found.codes.count(C.ANNOUNCED_TWICE) == 1


def test_an_item_announced_twice_with_the_parts_that_it_has() -> None:
    """An announcement that tells parts which had been announced themselves adds nothing."""
    again = {**OPEN, "content": [output_text()]}
    found = run(created(), added(0, OPEN), part_added(0, output_text()), added(0, again), completed())
    assert found.all(e.ItemUpdated) == []
    assert found.codes == [C.ANNOUNCED_TWICE, C.OUTPUT_EMPTY_AT_END]


def test_an_item_announced_again_after_its_end() -> None:
    """An announcement of an item that was told whole changes nothing."""
    found = run(created(), *streamed_message(0, "a"), added(0, OPEN), completed(message("a")))
    assert found.names(of=0)[-1] == "ItemFinished"
    assert found.codes == [C.ANNOUNCED_TWICE]


def test_sequence_numbers() -> None:
    """B6: numbers that are missing, stand still or leave gaps are told, and change nothing."""
    numbered = [
        {**payload, "sequence_number": number}
        for payload, number in zip(
            [created(), added(0, OPEN), text(0, "a"), text(0, "b")], (0, 1, 4, 4), strict=True
        )
    ]
    found = run(*numbered, {**text(0, "c"), "sequence_number": True}, text(0, "d"), end="none")
    assert found.response.output_text == "abcd"
    assert found.codes == [C.SEQUENCE_GAP, C.PART_NOT_ANNOUNCED, C.SEQUENCE_NOT_RISING]
    assert found.parser.last_sequence_number == 4


@pytest.mark.parametrize(("first", "codes"), [(0, []), (1, []), (2, [C.SEQUENCE_GAP])])
def test_where_sequence_numbers_begin(first: int, codes: list[AnomalyCode]) -> None:
    """B6: servers count from 0 or from 1; what begins later has lost something."""
    found = run({**created(), "sequence_number": first}, {**completed(), "sequence_number": first + 1})
    assert found.codes == codes


def test_nothing_but_the_terminal() -> None:
    """B7: the end alone tells everything, as events too."""
    found = run(completed(message("Hi"), call(PARIS)))
    assert found.names() == [
        "ResponseStarted",
        "ItemStarted",
        "PartStarted",
        "TextDelta",
        "ValueFinished",
        "ItemFinished",
        "ItemStarted",
        "ArgumentsDelta",
        "ValueFinished",
        "ItemFinished",
        "ResponseFinished",
    ]
    assert found.codes == [C.RESPONSE_NOT_ANNOUNCED]
    assert found.response.id == "resp_6f1d"


def test_signs_before_the_response_begins() -> None:
    """B7: rate limits, metadata and keepalives neither begin nor end a response."""
    limits = {"type": "codex.rate_limits", "rate_limits": {"limit_reached": True}}
    found = run(limits, {"type": "response.metadata"}, {"type": "keepalive"}, created(), completed())
    assert found.names() == [
        "RateLimitsReported",
        "Notice",
        "Heartbeat",
        "ResponseStarted",
        "ResponseFinished",
    ]
    assert found.codes == []


def test_items_that_stream_in_turn() -> None:
    """B8: several items are open at once, and ending one does not end another."""
    found = run(
        created(),
        added(0, OPEN),
        added(1, OPEN_CALL),
        text(0, "a"),
        arguments(1, '{"n"'),
        done(0, message("a")),
        arguments(1, ":1}"),
        done(1, call('{"n":1}')),
        completed(),
    )
    assert found.response.output_text == "a"
    assert told(found) == [("tick", "call_1", '{"n":1}', True)]


def test_the_servers_own_order() -> None:
    """B9: where the end has the items in another order than their indexes, the end's order counts."""
    found = run(
        created(),
        *streamed_message(0, "a", id="a"),
        *streamed_message(1, "b", id="b"),
        completed(message("b", id="b"), message("a", id="a")),
    )
    assert [item.id for item in found.response.output] == ["b", "a"]
    assert found.response.output_text == "ba"


def test_items_of_one_kind_stay_apart() -> None:
    """B9: reasoning and calls in turn keep their order, their ids and their ciphertexts."""
    items = [
        reasoning(id="rs_1", encrypted_content="one"),
        call("{}", id="fc_1", call_id="call_1"),
        reasoning(id="rs_2", encrypted_content="two"),
        call("{}", id="fc_2", call_id="call_2"),
    ]
    streamed = [payload for n, item in enumerate(items) for payload in (added(n, item), done(n, item))]
    found = run(created(), *streamed, completed(*items))
    assert found.output() == items
    assert found.codes == []


def test_new_ids_at_the_end() -> None:
    """B12: items whose ids are new at the end are known by what they say, then by their order."""
    found = run(
        created(),
        *streamed_message(0, "a", id="m1"),
        *streamed_message(1, "b", id="m2"),
        completed(message("b", id="x2"), message("a!", id="x1"), message("c", id="x3")),
    )
    assert [(item.id, item.content[0].text) for item in found.response.output] == [  # type: ignore[union-attr]
        ("x2", "b"),
        ("x1", "a!"),
        ("x3", "c"),
    ]
    assert "".join(found.texts(e.TextDelta)) == "ab!c"
    assert found.codes == [C.ITEM_ID_CHANGED, C.ITEM_ID_CHANGED]


def test_a_longer_copy_of_a_message_is_another_message() -> None:
    """B13: messages that repeat one another are kept as they were told."""
    found = run(created(), *streamed_message(0, "a", id="x"), *streamed_message(1, "ab", id="y"), completed())
    assert [item.content[0].text for item in found.response.output] == ["a", "ab"]  # type: ignore[union-attr]


def test_an_index_that_drifts_between_start_and_end() -> None:
    """An item told whole under a new index is known by its id."""
    found = run(created(), added(0, OPEN), text(0, "a"), done(3, message("a")), completed(message("a")))
    assert len(found.response.output) == 1
    assert found.all(e.ItemFinished)[0].output_index == 0
    assert found.codes == [C.PART_NOT_ANNOUNCED, C.INDEX_CHANGED]


def test_an_index_that_is_another_items() -> None:
    """An item told whole under the index of another one of its type is known by its id."""
    found = run(
        created(),
        added(0, message(id="a", status="in_progress")),
        added(1, message(id="b", status="in_progress")),
        done(1, message("one", id="a")),
        done(0, message("two", id="b")),
        completed(),
    )
    assert [item.content[0].text for item in found.response.output] == ["one", "two"]  # type: ignore[union-attr]
    assert found.codes == [C.INDEX_CHANGED, C.INDEX_CHANGED, C.OUTPUT_EMPTY_AT_END]


def test_fragments_under_a_new_index() -> None:
    """A fragment whose item id is known goes to that item, whatever its index."""
    found = run(
        created(), added(0, OPEN), text(0, "a", item_id="msg_1"), text(4, "b", item_id="msg_1"), completed()
    )
    assert found.response.output_text == "ab"
    assert len(found.response.output) == 1
    assert C.INDEX_CHANGED in found.codes


def test_a_fragment_whose_id_is_another_items() -> None:
    """Where the index and the id of a fragment name two items that can both be meant, the id decides."""
    found = run(
        created(),
        added(0, message(id="a", status="in_progress")),
        added(1, message(id="b", status="in_progress")),
        text(1, "one", item_id="a"),
        text(1, "two", item_id="b"),
        completed(),
    )
    assert [item.content[0].text for item in found.response.output] == ["one", "two"]  # type: ignore[union-attr]
    assert C.INDEX_CHANGED in found.codes


def test_fragments_under_the_index_of_another_kind_of_item() -> None:
    """A fragment that the item of its index cannot hold goes to the open item that can."""
    found = run(created(), added(0, OPEN), added(1, OPEN_CALL), arguments(0, "{}"), text(1, "a"), completed())
    assert found.response.output_text == "a"
    assert told(found) == [("tick", "call_1", "{}", True)]
    assert found.codes.count(C.INDEX_CHANGED) == 2


def test_fragments_that_no_item_can_hold() -> None:
    """A fragment that no item can hold begins one, beside that of its index."""
    found = run(created(), added(0, OPEN), arguments(0, "{}", item_id="fc_9"), completed())
    assert [item.type for item in found.response.output] == ["message", "function_call"]
    assert found.response.output[1].id == "fc_9"
    assert C.ITEM_NOT_ANNOUNCED in found.codes


def test_an_id_of_an_item_that_cannot_be_meant() -> None:
    """An id that belongs to an item of another kind is passed over."""
    found = run(
        created(), added(0, OPEN), added(1, OPEN_CALL), arguments(1, "{}", item_id="msg_1"), completed()
    )
    assert told(found) == [("tick", "call_1", "{}", True)]


def test_one_index_for_several_items() -> None:
    """An item announced under an index already taken gets a free one, and fragments follow it."""
    found = run(
        created(),
        *streamed_message(0, "a", id="a"),
        *streamed_call(0, "{}"),
        added(0, message(id="b", status="in_progress")),
        text(0, "b"),
        completed(),
    )
    assert [item.type for item in found.response.output] == ["message", "function_call", "message"]
    assert found.response.output_text == "ab"
    assert found.codes.count(C.INDEX_REUSED) == 2


def test_another_item_told_whole_under_a_taken_index() -> None:
    """An item told whole under the index of one that was told whole before is another item."""
    found = run(created(), *streamed_message(0, "a", id="a"), done(0, message("b", id="b")), completed())
    assert [item.id for item in found.response.output] == ["a", "b"]
    assert C.INDEX_REUSED in found.codes
    other = run(created(), added(0, OPEN), done(0, call("{}")), completed())
    assert [item.type for item in other.response.output] == ["message", "function_call"]
    assert C.INDEX_REUSED in other.codes


def test_an_item_told_whole_twice() -> None:
    """The same end of an item again is no event; a fuller one is."""
    found = run(created(), *streamed_message(0, "a"), done(0, message("a")), completed(message("a")))
    assert found.names(of=0).count("ItemFinished") == 1
    assert found.codes == []
    fuller = run(
        created(), *streamed_message(0, "a"), done(0, message("a", phase="final_answer")), end="none"
    )
    assert fuller.names(of=0)[-1] == "ItemUpdated"


def test_an_item_told_whole_again_without_an_id() -> None:
    """An item told whole again is the one of its index, where no id says otherwise."""
    found = run(created(), *streamed_message(0, "a"), done(0, message("ab", id=None)), completed())
    assert found.texts(e.TextDelta) == ["a", "b"]
    assert found.response.output_text == "ab"
    assert len(found.response.output) == 1


def test_a_part_told_whole_twice() -> None:
    """A part ends once; its second end may still add to it."""
    ends = [part_done(0, output_text("a")), part_done(0, output_text("a")), part_done(0, output_text("ab"))]
    found = run(created(), added(0, OPEN), *ends, completed())
    assert len(found.all(e.PartFinished)) == 1
    assert found.texts(e.TextDelta) == ["a", "b"]


def test_an_item_is_told_more_while_its_values_stream() -> None:
    """What was streamed for a place inside an item outlasts what else is told of the item meanwhile."""
    begun = {"id": "sh_1", "type": "shell_call", "status": "in_progress", "action": {"commands": []}}
    found = run(
        created(),
        added(0, begun),
        value("shell_call_command.delta", 0, command_index=0, delta="l"),
        added(0, {**begun, "call_id": "call_1"}),
        value("shell_call_command.delta", 0, command_index=0, delta="s"),
        completed(),
    )
    assert found.texts(e.CommandDelta) == ["l", "s"]
    assert found.output()[0]["action"] == {"commands": ["ls"]}
    assert found.output()[0]["call_id"] == "call_1"


def test_an_item_of_another_type_with_a_known_id() -> None:
    """An item told whole under a wrong index is known by its id, if the types agree."""
    found = run(created(), added(0, OPEN), added(1, OPEN_CALL), done(0, call("{}")), completed())
    assert told(found) == [("tick", "call_1", "{}", True)]
    assert len(found.response.output) == 2
    same_id = run(created(), added(0, OPEN), done(0, {**call("{}"), "id": "msg_1"}), completed())
    assert [item.type for item in same_id.response.output] == ["message", "function_call"]


def test_an_item_without_a_type() -> None:
    """An item that was announced without a type gets that of what comes for it."""
    found = run(created(), added(0, {"id": "x_1"}), arguments(0, "{}", item_id="x_1"), completed())
    assert found.names(of=0) == [
        "ItemStarted",
        "ItemUpdated",
        "ArgumentsDelta",
        "ValueFinished",
        "ItemFinished",
    ]
    assert isinstance(found.response.output[0], FunctionCall)
    late = run(created(), added(0, {"id": "x_1"}), done(0, message("Hi", id="x_1")), completed())
    assert late.response.output_text == "Hi"
    assert isinstance(late.response.output[0], Message)
    assert late.names(of=0)[:3] == ["ItemStarted", "ItemUpdated", "PartStarted"]  # the type comes first


@pytest.mark.parametrize(
    "whole", [message("Hi"), {"type": "reasoning", "id": "rs_1", "summary": []}, call('{"a":1}')]
)
def test_an_item_whose_members_say_its_type(whole: dict[str, Any]) -> None:
    """A message has a role and content, a call all of its three members, reasoning a summary."""
    untyped = {name: member for name, member in whole.items() if name != "type"}
    for events in (
        [added(0, untyped), done(0, untyped), completed(untyped)],
        [done(0, untyped), completed()],
        [completed(untyped)],
    ):
        found = run(created(), *events)
        assert found.response.to_dict()["output"] == [whole]
        assert C.INVALID_FIELD in found.codes
    spoken = {"id": "x_1", "content": [{"type": "output_text", "text": "Hi"}]}
    assert run(created(), added(0, spoken), completed()).response.output_text == "Hi"
    doubtful = [
        {"id": "x_1", "call_id": "call_1", "name": "tick", "arguments": "{}", "output": "done"},
        {"id": "x_1", "role": "user", "content": []},
        {"id": "x_1", "role": "assistant"},
        {"id": "x_1", "name": "tick", "arguments": "{}"},
        {"id": "x_1", "call_id": "call_1", "arguments": "{}"},
        {"id": "x_1", "call_id": "call_1", "name": "tick"},
        {"id": "x_1", "summary": "Hm"},
    ]
    for item in doubtful:
        assert run(created(), done(0, item), completed()).response.output[0].type == ""


def test_a_call_that_ends_with_its_response() -> None:
    """Where the server told no end of a call, the `""` of its announcement is no word of the server's."""
    found = run(created(), added(0, OPEN_CALL), completed())
    assert told(found) == [("tick", "call_1", "{}", True)]
    assert found.response.to_dict()["output"][0]["arguments"] == "{}"
    found = run(created(), added(0, OPEN_CALL), done(0, call("")), completed())
    assert told(found) == [("tick", "call_1", "{}", True)]
    assert found.response.to_dict()["output"][0]["arguments"] == ""


@pytest.mark.parametrize("named", [{"id": "x_1"}, {}])
@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("mcp_call", {"call_id": "c", "name": "f", "arguments": "{}", "output": "o"}),
        ("local_shell_call", {"call_id": "c", "name": "f", "arguments": "{}"}),
        ("custom_tool_call", {"call_id": "c", "name": "f", "input": "x", "arguments": None}),
        ("compaction", {"summary": []}),
        ("agent_message", {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}),
    ],
)
def test_an_item_keeps_its_type(kind: str, members: dict[str, Any], named: dict[str, Any]) -> None:
    """What its members would say counts for nothing where the item is known."""
    begun, again = {"type": kind, **named}, {**named, **members}
    for events in ([done(0, again), completed()], [done(0, again), completed(again)], [completed(again)]):
        found = run(created(), added(0, begun), *events)
        assert {item.type for item in found.response.output} <= {kind, ""}
        assert len(found.response.output) == 1 or not named
        assert len(found.response.tool_calls) == (kind == "custom_tool_call")


def test_a_call_whose_type_comes_late_goes_back_as_one() -> None:
    """Its arguments are written as those of its type, not as those of any."""
    whole = {"type": "function_call", "id": "a", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
    begun, streamed = added(0, {"id": "a"}), arguments(0, '{"a":1}', item_id="a")
    found = run(created(), begun, streamed, done(0, whole), completed())
    body = b"".join(map(StreamEncoder("responses").encode, found.events))
    again = ResponseParser("responses")
    assert [event for event in again.read([body]) if isinstance(event, e.ArgumentsDelta)]
    assert [(one.type, one.data["arguments"]) for one in again.response.output] == [
        ("function_call", '{"a":1}')
    ]
    assert again.anomalies == ()


@pytest.mark.parametrize("index", [-1, "first", 1.5, True, [0]])
def test_an_index_of_the_wrong_type(index: Any) -> None:
    """An index that is no index counts as not told."""
    found = run(created(), added(index, OPEN), text(index, "a", item_id="msg_1"), completed())
    assert found.response.output_text == "a"
    assert C.INVALID_FIELD in found.codes
    assert C.INDEX_MISSING in found.codes


# ----------------------------------------------------------------------------------------- C: tool calls


def test_arguments_that_come_after_the_end_of_a_call() -> None:
    """A call that ended without arguments has `{}`; what the end of the response says corrects that."""
    found = run(created(), added(0, OPEN_CALL), done(0, call("")), completed(call(PARIS)))
    assert found.texts(e.ArgumentsDelta) == ["{}"]
    assert [event.text for event in found.all(e.ValueReplaced)] == [PARIS]
    assert told(found) == [("tick", "call_1", PARIS, True)]


@pytest.mark.parametrize(
    "payloads",
    [
        [arguments_done(0, PARIS), done(0, call(PARIS)), completed(call(PARIS))],
        [arguments_done(0, ""), done(0, call(PARIS)), completed()],
        [arguments_done(0, None), completed(call(PARIS))],
        [arguments(0, '{"city"'), completed(call(PARIS))],
    ],
)
def test_arguments_that_come_late(payloads: list[JSON]) -> None:
    """C14: what the deltas lack is handed out as a delta, from whichever source has it first."""
    found = run(created(), added(0, OPEN_CALL), *payloads)
    assert "".join(found.texts(e.ArgumentsDelta)) == PARIS
    assert found.all(e.ValueReplaced) == []
    assert told(found) == [("tick", "call_1", PARIS, True)]


def test_arguments_that_were_ciphertext() -> None:
    """C14: deltas that are no part of the arguments told whole are replaced, and that is an event."""
    found = run(
        created(), added(0, OPEN_CALL), arguments(0, "x9Z+"), arguments_done(0, PARIS), completed(call(PARIS))
    )
    assert found.all(e.ValueReplaced) == [e.ValueReplaced(0, "arguments", PARIS)]
    assert found.codes == [C.VALUE_CONTRADICTED]
    assert told(found) == [("tick", "call_1", PARIS, True)]


def test_arguments_told_in_three_ways() -> None:
    """C15: where the ends disagree, the later one counts, and each contradiction is told."""
    found = run(
        created(),
        added(0, OPEN_CALL),
        arguments(0, '{"n":1}'),
        arguments_done(0, '{"n":2}'),
        done(0, call('{"n":3}')),
        completed(call('{"n":3}')),
    )
    assert [event.text for event in found.all(e.ValueReplaced)] == ['{"n":2}', '{"n":3}']
    assert found.codes == [C.VALUE_CONTRADICTED, C.VALUE_CONTRADICTED]
    assert told(found) == [("tick", "call_1", '{"n":3}', True)]


def test_nothing_empty_erases_a_call() -> None:
    """C16: an item told whole with empty fields keeps the fuller ones."""
    found = run(
        created(),
        added(0, OPEN_CALL),
        arguments(0, PARIS),
        done(0, call("", name="", call_id="")),
        completed({"type": "function_call", "id": "fc_1", "name": None}),
    )
    assert told(found) == [("tick", "call_1", PARIS, True)]


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_a_call_that_was_cut_off(end: str) -> None:
    """C17: a call whose end never came is not complete, even where its arguments happen to be JSON."""
    found = run(created(), added(0, OPEN_CALL), arguments(0, "{}"), end=end)
    assert told(found) == [("tick", "call_1", "{}", False)]
    assert found.response.output[0].status == "in_progress"


def test_a_call_cut_off_by_the_token_limit() -> None:
    """C17: an incomplete call stays what it is, and the reason to stop is the limit."""
    cut = call('{"n":', status="incomplete")
    found = run(
        created(),
        added(0, OPEN_CALL),
        arguments(0, '{"n":'),
        done(0, cut),
        completed(cut, type="response.incomplete", incomplete_details={"reason": "max_output_tokens"}),
    )
    assert told(found) == [("tick", "call_1", '{"n":', False)]
    assert found.response.finish_reason == "length"


def test_a_call_that_is_open_when_the_response_is_incomplete() -> None:
    """C17: an item still open at the end takes the response's status, and is not complete."""
    found = run(
        created(), added(0, OPEN_CALL), arguments(0, "{}"), completed(type="response.incomplete"), end="none"
    )
    assert told(found) == [("tick", "call_1", "{}", False)]
    assert found.response.output[0].status == "incomplete"


def test_the_same_call_twice() -> None:
    """C18: two calls that say the same are two calls."""
    found = run(
        created(),
        *streamed_call(0, "{}", id="a", call_id="call_1"),
        *streamed_call(1, "{}", id="b", call_id="call_2"),
        completed(call("{}", id="a", call_id="call_1"), call("{}", id="b", call_id="call_2")),
    )
    assert [c[1] for c in told(found)] == ["call_1", "call_2"]
    assert found.codes == []


def test_the_input_of_a_custom_tool() -> None:
    """C19: a custom tool's input is text, in deltas and in its end."""
    whole = custom_call("a\nb", status="completed")
    found = run(
        created(),
        added(0, custom_call()),
        value("custom_tool_call_input.delta", 0, delta="a\n"),
        value("custom_tool_call_input.done", 0, input="a\nb"),
        done(0, whole),
        completed(whole),
    )
    assert found.texts(e.ArgumentsDelta) == ["a\n", "b"]
    assert found.output() == [whole]
    assert found.response.finish_reason == "tool_calls"


def test_an_approval_request() -> None:
    """C23: a request for approval is an item whose arguments come with it."""
    item = {
        "id": "mcpr_1",
        "type": "mcp_approval_request",
        "arguments": "{}",
        "name": "rm",
        "server_label": "x",
    }
    found = run(created(), added(0, item), done(0, item), completed(item))
    assert found.output() == [item]
    assert calls_of(found.response) == ()
    assert found.codes == []


def test_tools_that_need_approval() -> None:
    """Calls of the named tools are marked, in events as in the response."""
    payloads = [created(), *streamed_call(0, "{}"), completed()]
    found = run(*payloads, approval_required={"tick"})
    assert [call_.needs_approval for call_ in calls_of(found.response)] == [True]
    assert found.all(e.ItemStarted)[0].item.needs_approval
    assert not calls_of(run(*payloads).response)[0].needs_approval


def test_the_name_and_call_id_of_a_call_change() -> None:
    """The later name and call id count, and the change is told."""
    found = run(
        created(),
        added(0, OPEN_CALL),
        arguments(0, "{}"),
        done(0, call("{}", call_id="call_2", name="tock")),
        completed(),
    )
    assert told(found) == [("tock", "call_2", "{}", True)]
    assert found.codes == [C.CALL_ID_CHANGED, C.NAME_CHANGED, C.OUTPUT_EMPTY_AT_END]


def test_the_call_id_of_a_tool_search_changes() -> None:
    """A tool search gets a new call id at its end by design."""
    item = {
        "id": "tsc_1",
        "type": "tool_search_call",
        "call_id": "call_1",
        "arguments": {},
        "status": "completed",
    }
    found = run(created(), added(0, item), done(0, {**item, "call_id": "call_2"}), completed())
    assert found.output()[0]["call_id"] == "call_2"
    assert found.codes == [C.OUTPUT_EMPTY_AT_END]


def test_announced_arguments_are_told_again() -> None:
    """Arguments that came with the announcement are not doubled by deltas that tell them again."""
    found = run(
        created(),
        added(0, call("{}", status="in_progress")),
        arguments(0, "{}"),
        done(0, call("{}")),
        completed(),
    )
    assert found.texts(e.ArgumentsDelta) == ["{}"]
    stays = run(created(), added(0, call("{}", status="in_progress")), completed())
    assert stays.texts(e.ArgumentsDelta) == ["{}"]
    replaced = run(created(), added(0, call("{}", status="in_progress")), arguments(0, PARIS), completed())
    assert replaced.texts(e.ArgumentsDelta) == [PARIS]


# --------------------------------------------------------------------------- D: text, refusal, reasoning


def test_text_is_told_five_times_and_handed_out_once() -> None:
    """D1: deltas, the value's end, the part's, the item's and the response's tell one text."""
    found = run(created(), *streamed_message(0, "Hel", "lo"), completed(message("Hello")))
    assert "".join(found.texts(e.TextDelta)) == "Hello"
    assert [len(found.all(kind)) for kind in (e.ValueFinished, e.ValueReplaced)] == [1, 0]


@pytest.mark.parametrize(
    ("deltas", "handed_out"),
    [
        (["Hel", "lo"], ["Hel", "lo"]),
        (["Hello"], ["Hello"]),
        (["lo"], ["Hel", "lo"]),
        ([], ["Hel"]),
    ],
)
def test_text_that_came_with_the_part(deltas: list[str], handed_out: list[str]) -> None:
    """D1: text in an announcement is told again by the deltas, or continued by them; both come out right."""
    announced = part_added(0, output_text("Hel"))
    found = run(created(), added(0, OPEN), announced, *(text(0, delta) for delta in deltas), completed())
    assert found.texts(e.TextDelta) == handed_out
    assert found.response.output_text == "".join(handed_out)


def test_text_that_came_with_the_item() -> None:
    """D1: the same holds of text that an item was announced with."""
    found = run(created(), added(0, message("Hel", status="in_progress")), text(0, "lo"), completed())
    assert found.texts(e.TextDelta) == ["Hel", "lo"]
    again = run(created(), added(0, message("Hel", status="in_progress")), text(0, "Hel"), completed())
    assert again.texts(e.TextDelta) == ["Hel"]


@pytest.mark.parametrize(
    "payloads",
    [
        [text_done(0, "Hello")],
        [part_done(0, output_text("Hello"))],
        [done(0, message("Hello"))],
        [text_done(0, "Hello"), part_done(0, output_text("Hello")), done(0, message("Hello"))],
        [part_added(0, output_text()), text_done(0, ""), done(0, message("Hello"))],
        [text(0, "Hel"), done(0, message("Hello"))],
        [done(0, message("")), completed(message("Hello"))],
    ],
)
def test_text_that_comes_late(payloads: list[JSON]) -> None:
    """D2: what the deltas lack is handed out as a delta, from whichever source has it first."""
    found = run(created(), added(0, OPEN), *payloads, completed())
    assert "".join(found.texts(e.TextDelta)) == "Hello"
    assert found.all(e.ValueReplaced) == []
    assert found.response.output_text == "Hello"


def test_text_that_contradicts_itself() -> None:
    """D3: text told whole that is not what was streamed takes its place, and that is an event."""
    found = run(
        created(),
        added(0, OPEN),
        part_added(0, output_text()),
        text(0, "Pariis"),
        text_done(0, "Paris"),
        completed(),
    )
    assert found.all(e.ValueReplaced) == [e.ValueReplaced(0, "text", "Paris", content_index=0)]
    assert found.response.output_text == "Paris"
    assert found.codes == [C.VALUE_CONTRADICTED, C.OUTPUT_EMPTY_AT_END]


def test_a_long_contradiction_is_told_in_brief() -> None:
    """The message of an anomaly stays short, however long the texts are."""
    found = run(created(), added(0, OPEN), text(0, "a" * 5000), text_done(0, "b" * 5000), completed())
    assert all(len(anomaly.message) < 200 for anomaly in found.parser.anomalies)


def test_a_refusal() -> None:
    """D4: a refusal has deltas of its own and is no text."""
    whole = {**message(), "content": [refusal("No.")]}
    found = run(
        created(),
        added(0, OPEN),
        part_added(0, refusal()),
        value("refusal.delta", 0, content_index=0, delta="No"),
        value("refusal.done", 0, content_index=0, refusal="No."),
        part_done(0, refusal("No.")),
        done(0, whole),
        completed(whole),
    )
    assert found.texts(e.RefusalDelta) == ["No", "."]
    assert found.response.output_text == ""
    assert found.output() == [whole]
    assert found.codes == []


def test_a_refusal_after_text() -> None:
    """D4: text and a refusal are two parts."""
    found = run(
        created(),
        added(0, OPEN),
        part_added(0, output_text()),
        text(0, "Well"),
        part_added(0, refusal(), 1),
        value("refusal.delta", 0, content_index=1, delta="no"),
        completed(),
    )
    assert [part["type"] for part in found.output()[0]["content"]] == ["output_text", "refusal"]


def test_annotations_before_text_and_in_every_telling() -> None:
    """D14: an annotation may come before the text; told again by the end of the part it is not doubled."""
    note = {
        "type": "url_citation",
        "url": "https://example.com",
        "title": "t",
        "start_index": 0,
        "end_index": 1,
    }
    other = {**note, "title": "u"}
    at = {"content_index": 0}
    found = run(
        created(),
        added(0, OPEN),
        value("output_text.annotation.added", 0, **at, annotation_index=0, annotation=note),
        text(0, "a"),
        value("output_text.annotation.added", 0, **at, annotation=other),
        value("output_text.annotation.added", 0, **at, annotation_index=1, annotation=other),
        done(0, {**message(), "content": [output_text("a", annotations=[note, other])]}),
        completed(),
    )
    assert [(a.annotation_index, a.annotation) for a in found.all(e.AnnotationAdded)] == [
        (0, note),
        (1, other),
    ]
    assert found.response.output[0].content[0].annotations == (note, other)  # type: ignore[union-attr]


def test_annotations_that_leave_places_open() -> None:
    """D14: an annotation whose forerunners never came stands alone, and one that is no object is told."""
    note = {"type": "file_path", "file_id": "f", "index": 0}
    found = run(
        created(),
        added(0, {**OPEN, "content": [{"type": "output_text", "text": "", "annotations": None}]}),
        value("output_text.annotation.added", 0, content_index=0, annotation_index=2, annotation=note),
        value("output_text.annotation.added", 0, content_index=0, annotation_index=2, annotation=None),
        completed(),
    )
    assert found.response.output[0].content[0].annotations == (note,)  # type: ignore[union-attr]
    assert C.INVALID_FIELD in found.codes


def unnumbered(note: JSON, **at: int) -> JSON:
    return value("output_text.annotation.added", 0, content_index=0, annotation=note, **at)


def test_annotations_without_a_number() -> None:
    """D14: they take the next place that is free."""
    notes = [{"type": "file_path", "file_id": str(n), "index": 0} for n in range(4)]
    found = run(
        created(),
        added(0, OPEN),
        unnumbered(notes[1], annotation_index=1),
        unnumbered(notes[0], annotation_index=0),
        unnumbered(notes[2]),
        unnumbered(notes[3]),
        completed(),
    )
    assert found.response.output[0].content[0].annotations == tuple(notes)  # type: ignore[union-attr]


def test_no_more_annotations_than_indexes() -> None:
    """An index that is made here is bounded as one that is told."""
    notes = [unnumbered({"type": "file_path", "file_id": str(n)}) for n in range(4)]
    with pytest.raises(LimitExceeded, match="index"):
        run(created(), added(0, OPEN), *notes, completed(), limits=Limits(index=2))


def test_a_part_that_was_told_as_something_else() -> None:
    """A part that is mere text is one of text; what is no object stays in its item as it was told."""
    odd = {**message(), "content": ["a", 5]}
    found = run(created(), added(0, OPEN), done(0, odd), completed(odd))
    assert found.output()[0]["content"] == [output_text("a"), 5]
    assert found.response.output_text == "a"
    assert C.INVALID_FIELD in found.codes


@pytest.mark.parametrize("where", ["announced", "done", "at the end"])
def test_an_item_whose_parts_are_mere_text(where: str) -> None:
    """Content or a summary that is a text, not a list, is one part."""
    for item in (
        {**message(), "content": "Hi"},
        {"type": "reasoning", "id": "rs", "summary": "Hm"},
        {"type": "reasoning", "id": "rs", "summary": [], "content": ["So"]},
    ):
        events = [added(0, item)] if where == "announced" else [done(0, item)] if where == "done" else []
        found = run(created(), *events, completed(item) if where == "at the end" else completed())
        texts = (found.response.output_text, found.response.reasoning_text)
        assert texts in (("Hi", ""), ("", "So"), ("", "Hm"))
        assert C.INVALID_FIELD in found.codes


@pytest.mark.parametrize("where", ["announced", "delta", "arguments done", "done", "at the end"])
@pytest.mark.parametrize("value", [{"a": 1}, [1]])
def test_arguments_that_are_a_value(where: str, value: Any) -> None:
    """An object or array is written as text, wherever it comes: the call is not one without arguments."""
    item = {**call(""), "arguments": value}
    events = {
        "announced": [added(0, item)],
        "delta": [added(0, OPEN_CALL), arguments(0, value)],
        "arguments done": [added(0, OPEN_CALL), arguments_done(0, value)],
        "done": [added(0, OPEN_CALL), done(0, item)],
        "at the end": [added(0, OPEN_CALL)],
    }[where]
    found = run(created(), *events, completed(item) if where == "at the end" else completed())
    assert [c.arguments for c in found.response.tool_calls] == [json.dumps(value).replace(" ", "")]
    assert C.ARGUMENTS_NOT_TEXT in found.codes


def test_arguments_that_are_no_value_either() -> None:
    """A number in their place is kept as it came, and the call is not to be run; nor is such input."""
    custom = {"type": "custom_tool_call", "id": "ct", "call_id": "x", "name": "f"}
    for item in ({**call(""), "arguments": 7}, {**custom, "input": True}):
        found = run(created(), done(0, item), completed())
        assert found.response.tool_calls == ()
        assert found.output() == [item]
        assert C.INVALID_FIELD in found.codes
    assert run(created(), done(0, custom), completed()).response.tool_calls


def test_arguments_that_go_on_behind_an_early_end() -> None:
    """They do where they were not whole; whole ones stand as they are."""
    for pieces, whole in ((('{"a":', "1}"), '{"a":1}'), (('{"a":1}', "{}"), '{"a":1}')):
        found = run(
            created(), added(0, OPEN_CALL), arguments_done(0, pieces[0]), arguments(0, pieces[1]), completed()
        )
        assert [c.arguments for c in found.response.tool_calls] == [whole]
        assert C.DELTA_AFTER_DONE in found.codes


@pytest.mark.parametrize("status", ["failed", "cancelled", "incomplete"])
def test_an_end_under_the_name_of_a_beginning(status: str) -> None:
    """What a response says that it is counts, whatever the event is called."""
    response: JSON = {"id": "resp_6f1d", "status": status}
    found = run(created(), {"type": "response.in_progress", "response": response})
    assert found.response.outcome == status
    assert C.STATUS_CONTRADICTED in found.codes


def test_what_contradicts_a_good_end() -> None:
    """Details of an end that is not whole make it such; a status that nobody knows is reported."""
    end = completed()
    end["response"] = {**end["response"], "incomplete_details": {"reason": "max_output_tokens"}}
    found = run(created(), end)
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.INCOMPLETE, "length")
    assert C.STATUS_CONTRADICTED in found.codes
    end = completed()
    end["response"] = {**end["response"], "status": "sunny"}
    assert C.FINISH_REASON_UNKNOWN in run(created(), end).codes


def test_an_output_in_no_list() -> None:
    """An only item that comes bare is read."""
    end = completed()
    end["response"] = {**end["response"], "output": message("Hi")}
    assert run(created(), end).response.output_text == "Hi"


def test_provisional_ciphertext() -> None:
    """D15: the ciphertext of an announcement is not that of the item, and is kept only where none follows."""
    begun = reasoning(encrypted_content="provisional", status="in_progress")
    found = run(created(), added(0, begun), done(0, reasoning(encrypted_content="final")), completed())
    assert found.output() == [reasoning(encrypted_content="final")]
    without = run(created(), added(0, begun), done(0, reasoning()), completed())
    assert "encrypted_content" not in without.output()[0]
    null = run(created(), added(0, begun), done(0, reasoning(encrypted_content=None)), completed())
    assert null.output()[0]["encrypted_content"] is None
    late = run(
        created(), added(0, begun), done(0, reasoning()), completed(reasoning(encrypted_content="late"))
    )
    assert late.output()[0]["encrypted_content"] == "late"
    assert late.names(of=0)[-1] == "ItemUpdated"


def test_reasoning_of_both_kinds() -> None:
    """D16: summaries and raw reasoning are told apart, each with its own parts."""
    whole = {**reasoning("One.", "Two."), "content": [reasoning_text("Raw.")]}
    found = run(
        created(),
        added(0, reasoning()),
        value("reasoning_text.delta", 0, content_index=0, delta="Raw."),
        value("reasoning_summary_part.added", 0, summary_index=0, part=summary_text()),
        value("reasoning_summary_text.delta", 0, summary_index=0, delta="One."),
        value("reasoning_summary_part.done", 0, summary_index=0, part=summary_text("One.")),
        value("reasoning_summary_part.added", 0, summary_index=1, part=summary_text()),
        value("reasoning_summary_text.delta", 0, summary_index=1, delta="Two."),
        done(0, whole),
        completed(whole),
    )
    assert [(d.kind, d.part_index, d.text) for d in found.all(e.ReasoningDelta)] == [
        ("text", 0, "Raw."),
        ("summary", 0, "One."),
        ("summary", 1, "Two."),
    ]
    assert found.response.reasoning_text == "Raw."
    assert found.output() == [whole]
    assert found.codes == []


def test_a_summary_only_in_the_item() -> None:
    """D16: a summary that only the item told is handed out."""
    found = run(created(), added(0, reasoning()), done(0, reasoning("One.", "Two.")), completed())
    assert [(d.part_index, d.text) for d in found.all(e.ReasoningDelta)] == [(0, "One."), (1, "Two.")]
    assert found.response.reasoning_text == "One.\n\nTwo."


def test_reasoning_under_the_names_of_text() -> None:
    """D16: what a reasoning item gets under the names of output text is reasoning."""
    found = run(
        created(),
        added(0, reasoning()),
        part_added(0, output_text()),
        text(0, "Raw"),
        text_done(0, "Raw"),
        part_done(0, output_text("Raw")),
        done(0, {**reasoning(), "content": [reasoning_text("Raw")]}),
        completed(),
    )
    assert found.texts(e.ReasoningDelta) == ["Raw"]
    assert found.response.output_text == ""
    assert found.response.reasoning_text == "Raw"
    assert [item.type for item in found.response.output] == ["reasoning"]


def test_a_content_index_that_grows() -> None:
    """B5: raw reasoning whose index grows with every delta is one part."""
    pieces = [value("reasoning_text.delta", 0, content_index=n, delta=piece) for n, piece in enumerate("abc")]
    found = run(created(), added(0, reasoning()), *pieces, completed())
    assert found.response.reasoning_text == "abc"
    assert found.codes == [C.PART_INDEX_CHANGED, C.OUTPUT_EMPTY_AT_END]


@pytest.mark.parametrize(
    ("told_at", "listed"), [((1, 2), "ab"), ((3, 7), "ab"), ((5,), "a"), ((5,), "ab"), ((0, 2), "ab")]
)
def test_parts_that_are_counted_otherwise(told_at: tuple[int, ...], listed: str) -> None:
    """Where parts were streamed beyond the end of the item's list, their order says which is which."""
    pieces = [
        value("reasoning_summary_text.delta", 0, summary_index=at, delta=piece)
        for at, piece in zip(told_at, listed, strict=False)
    ]
    parts = [
        value("reasoning_summary_part.added", 0, summary_index=at, part=summary_text()) for at in told_at
    ]
    streamed = [payload for pair in zip(parts, pieces, strict=True) for payload in pair]
    found = run(
        created(),
        added(0, reasoning()),
        *streamed,
        done(0, reasoning(*listed)),
        completed(reasoning(*listed)),
    )
    assert "".join(found.texts(e.ReasoningDelta)) == listed
    assert found.output() == [reasoning(*listed)]
    assert found.codes == []


def test_an_item_that_lists_fewer_parts() -> None:
    """Parts that the end of an item leaves out stay where they hold something."""
    found = run(
        created(),
        added(0, OPEN),
        text(0, "a"),
        part_done(0, output_text("a")),
        part_added(0, output_text(), 1),
        text(0, "b", 1),
        part_done(0, output_text("b"), 1),
        part_added(0, output_text(), 2),
        done(0, message("a")),
        completed(),
    )
    assert [part["text"] for part in found.output()[0]["content"]] == ["a", "b"]


def test_the_phase_is_kept() -> None:
    """D17: a message's phase is there from its start."""
    found = run(created(), added(0, {**OPEN, "phase": "commentary"}), text(0, "a"), completed())
    assert found.all(e.ItemStarted)[0].item.phase == "commentary"
    assert found.output()[0]["phase"] == "commentary"


def test_log_probabilities() -> None:
    """D18: log probabilities come with their fragments and are joined; they may be missing or wrong."""
    one, two = {"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -2.0}
    found = run(
        created(),
        added(0, OPEN),
        text(0, "a", logprobs=[one]),
        text(0, "b", logprobs=[two, "?"]),
        text(0, "c", logprobs=None),
        completed(),
    )
    assert [d.logprobs for d in found.all(e.TextDelta)] == [(one,), (two,), ()]
    assert found.output()[0]["content"][0]["logprobs"] == [one, two]


@pytest.mark.parametrize("odd", [None, 5, True, "abc", {"token": "a"}, []])
def test_log_probabilities_that_are_none(odd: Any) -> None:
    """What is no list says nothing, and the text counts."""
    found = run(created(), added(0, OPEN), text(0, "a", logprobs=odd), completed())
    assert [(d.text, d.logprobs) for d in found.all(e.TextDelta)] == [("a", ())]
    assert not found.output()[0]["content"][0].get("logprobs")


@pytest.mark.parametrize("delta", [None, 5, ["a"], {"text": None}, {"type": "text_delta"}])
def test_a_delta_that_is_no_text(delta: Any) -> None:
    """A delta of the wrong type is passed over; null is nothing at all."""
    found = run(created(), added(0, OPEN), text(0, delta), text(0, "a"), completed())
    assert found.texts(e.TextDelta) == ["a"]
    nothing = delta is None or isinstance(delta, dict)
    assert (C.INVALID_FIELD in found.codes) is not nothing


def test_an_empty_delta_is_no_event() -> None:
    """An empty fragment begins its item and part, and is not handed out."""
    found = run(created(), text(0, ""), end="none")
    assert found.names(of=0) == ["ItemStarted", "PartStarted"]


def test_a_delta_after_its_end() -> None:
    """Text after its value was told whole goes on, also where the same is told again; that is noted once."""
    found = run(
        created(), added(0, OPEN), text(0, "a"), text_done(0, "a"), text(0, "b"), text(0, "c"), completed()
    )
    assert found.response.output_text == "abc"
    assert found.codes.count(C.DELTA_AFTER_DONE) == 1
    for late in (completed(message("a")), completed(message("abc")), completed()):
        found = run(
            *(created(), added(0, OPEN), text(0, "a"), text_done(0, "a"), done(0, message("a"))),
            *(text(0, "b"), text(0, "c"), text_done(0, "a"), done(0, message("a")), late),
        )
        assert found.response.output_text == "abc"
        assert C.VALUE_CONTRADICTED not in found.codes
    found = run(
        *(created(), added(0, OPEN), text(0, "a"), text_done(0, "a"), text(0, "b"), completed(message("x"))),
    )
    assert found.response.output_text == "x"
    assert C.VALUE_CONTRADICTED in found.codes


@pytest.mark.parametrize(("number", "due"), [(3, "ab"), (6, "abb"), (None, "abb")])
def test_a_delta_with_a_number_before_its_end(number: int | None, due: str) -> None:
    """A fragment that came late or twice, by its number, is held by the value that was told whole."""
    begun = {**created(), "sequence_number": 1}, {**added(0, OPEN), "sequence_number": 2}
    told_whole = {**text_done(0, "ab"), "sequence_number": 5}
    found = run(*begun, text(0, "a"), told_whole, {**text(0, "b"), "sequence_number": number}, completed())
    assert found.response.output_text == due
    assert C.DELTA_AFTER_DONE in found.codes


def test_text_that_comes_again_after_its_end() -> None:
    """Fragments that tell a value again from its beginning are passed over; what goes on is new."""
    begun = (created(), added(0, OPEN), text(0, "abc"), text_done(0, "abc"))
    assert run(*begun, text(0, "a"), text(0, "b"), text(0, "c"), completed()).response.output_text == "abc"
    assert run(*begun, text(0, "ab"), text(0, "c"), text(0, "d"), completed()).response.output_text == "abcd"
    assert run(*begun, text(0, "a"), text(0, "x"), completed()).response.output_text == "abcax"
    assert run(*begun, text(0, "a"), completed()).response.output_text == "abc"


def test_arguments_that_are_told_as_an_empty_object() -> None:
    """An empty object or array never erases fuller arguments, whoever tells it last."""
    full = call(arguments='{"a":1}', status="in_progress")
    for blank in ("{}", "[]", ""):
        found = run(
            *(created(), added(0, {**full, "arguments": ""})),
            {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
            *(done(0, {**full, "arguments": blank, "status": "completed"}), completed()),
        )
        assert [(c.arguments, c.complete) for c in found.response.tool_calls] == [('{"a":1}', True)]


def test_deltas_that_are_objects() -> None:
    """The ChatGPT backend sends text as the delta of a part."""
    piece = value("content_part.delta", 0, content_index=0, delta={"type": "text_delta", "text": "Hi"})
    found = run(created(), added(0, OPEN), part_added(0, output_text()), piece, completed())
    assert found.texts(e.TextDelta) == ["Hi"]


def test_usage_is_replaced_and_never_summed() -> None:
    """D19: each report of usage takes the place of the one before, and null is not zero."""
    found = run(
        created(usage={"input_tokens": 5}),
        in_progress(usage={"input_tokens": 5, "output_tokens": 1}),
        completed(
            usage={
                "input_tokens": 5,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": None,
                "output_tokens_details": {"reasoning_tokens": True},
            }
        ),
    )
    assert len(found.all(e.UsageReported)) == 3
    usage = found.response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (
        5,
        None,
        0,
        None,
    )


# -------------------------------------------------------------------------------------- E: ends and errors


@pytest.mark.parametrize("output", [[], None])
def test_an_end_without_output(output: Any) -> None:
    """E1: an empty output at the end erases nothing."""
    found = run(
        created(),
        *streamed_message(0, "Hi"),
        *streamed_call(1, "{}"),
        completed() | {"response": response("completed", output=output)},
    )
    assert found.response.output_text == "Hi"
    assert told(found) == [("tick", "call_1", "{}", True)]
    assert found.codes == [C.OUTPUT_EMPTY_AT_END]


@pytest.mark.parametrize("output", ["x", 3, {"a": 1}, [None, message("Hi")], [message("Hi"), "x"]])
def test_an_end_with_a_wrong_output(output: Any) -> None:
    """E1: what is no item in the output is passed over."""
    found = run(
        created(),
        *streamed_message(0, "Hi"),
        {"type": "response.completed", "response": response("completed", output=output)},
    )
    assert found.response.output_text == "Hi"
    assert C.INVALID_FIELD in found.codes


def test_an_item_that_is_missing_at_the_end() -> None:
    """E1: an item that the end leaves out stays in its place."""
    found = run(
        created(),
        added(0, reasoning()),
        done(0, reasoning("Hm.")),
        *streamed_message(1, "a", id="a"),
        *streamed_message(2, "b", id="b"),
        completed(message("a", id="a")),
    )
    assert [item.id for item in found.response.output] == ["rs_1", "a", "b"]
    assert found.codes == [C.ITEM_MISSING_AT_END]
    assert found.parser.anomalies[0].message == "items [0, 2] are not in the final output"


def test_an_item_that_only_the_end_tells() -> None:
    """An item that was not streamed begins and ends with the response."""
    found = run(created(), *streamed_message(0, "a"), completed(message("a"), call("{}")))
    assert found.names(of=1) == ["ItemStarted", "ArgumentsDelta", "ValueFinished", "ItemFinished"]
    assert found.codes == []


def test_items_that_are_still_open_at_the_end() -> None:
    """Items whose end was never told end with the response."""
    found = run(created(), added(0, OPEN), text(0, "a"), added(1, OPEN_CALL), arguments(1, "{}"), completed())
    assert [event.item.status for event in found.all(e.ItemFinished)] == ["completed", "completed"]
    assert [event.kind for event in found.all(e.ValueFinished)] == ["text", "arguments"]


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("max_tool_calls", "max_tool_calls"),
        (None, None),
        (7, None),
    ],
)
def test_an_incomplete_response(reason: Any, finish_reason: str | None) -> None:
    """E2, E18: an incomplete response is an outcome, with its reason; unknown reasons are kept."""
    end = completed(type="response.incomplete", incomplete_details={"reason": reason})
    found = run(created(), added(0, OPEN), text(0, "Hal"), end)
    assert outcome_of(found) is Outcome.INCOMPLETE
    assert found.response.finish_reason == finish_reason
    assert found.response.output_text == "Hal"
    assert found.response.error is None
    assert found.response.output[0].status == "incomplete"


def test_a_failed_response() -> None:
    """E3: a failure is an event and an outcome, and what had come is kept as it was."""
    error = {"code": "server_error", "message": "Sorry."}
    found = run(created(), added(0, OPEN), text(0, "Hal"), completed(type="response.failed", error=error))
    assert found.names()[-2:] == ["ErrorReported", "ResponseFinished"]
    assert outcome_of(found) is Outcome.FAILED
    assert found.response.error is not None
    assert found.response.error.kind is ErrorKind.SERVER_ERROR
    assert found.response.finish_reason == "error"
    assert found.response.output_text == "Hal"
    assert found.all(e.ItemFinished) == []
    assert found.response.to_dict()["error"] == error


@pytest.mark.parametrize(
    "fields", [{}, {"response": {}}, {"response": response("completed", output=[message("Hi")])}]
)
def test_the_other_name_of_the_end(fields: JSON) -> None:
    """E4: `response.done` ends a response, with or without one."""
    found = run(created(), *streamed_message(0, "Hi"), {"type": "response.done", **fields}, end="none")
    assert outcome_of(found) is Outcome.COMPLETED
    assert found.response.id == "resp_6f1d"
    assert found.response.output_text == "Hi"
    assert found.response.status == "completed"


@pytest.mark.parametrize(
    ("status", "outcome"), [("failed", "failed"), ("incomplete", "incomplete"), ("cancelled", "cancelled")]
)
def test_the_status_says_how_a_response_was_done(status: str, outcome: str) -> None:
    """E4, E8: the end that is not a success counts, whether its type or its status tells it."""
    done_ = run(created(), {"type": "response.done", "response": response(status)})
    assert outcome_of(done_) == outcome
    assert done_.codes == []
    contradicted = run(created(), {"type": "response.completed", "response": response(status)})
    assert outcome_of(contradicted) == outcome
    assert contradicted.codes == [C.STATUS_CONTRADICTED]
    other = run(created(), {"type": f"response.{status}", "response": response("completed")})
    assert outcome_of(other) == outcome
    assert other.codes == [C.STATUS_CONTRADICTED]


RATE_LIMIT = "Rate limit reached. Please try again in 6.57s."


@pytest.mark.parametrize(
    ("payload", "kind", "message_"),
    [
        ({"type": "error", "code": "server_error", "message": "m", "param": None}, "server_error", "m"),
        (
            {
                "type": "error",
                "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": RATE_LIMIT},
            },
            "rate_limited",
            RATE_LIMIT,
        ),
        ({"error": {"message": "m", "code": 502}}, "server_error", "m"),
        ({"error": "It is raining"}, "unknown", "It is raining"),
        ({"object": "error", "message": "m", "code": 400}, "invalid_request", "m"),
        ({"type": "response.error", "error": {"code": "model_error", "message": "m"}}, "server_error", "m"),
        (
            {"type": "error", "status": 400, "error": {"type": "invalid_request_error", "message": "m"}},
            "invalid_request",
            "m",
        ),
        ({"type": "error", "error": None}, "unknown", None),
        (
            {"type": "error", "error": {"type": "usage_limit_reached", "message": "m", "resets_at": 5}},
            "usage_limit_reached",
            "m",
        ),
        (
            {"type": "error", "code": "context_length_exceeded", "message": "m"},
            "context_window_exceeded",
            "m",
        ),
    ],
)
def test_errors_of_every_shape(payload: JSON, kind: str, message_: str | None) -> None:
    """E5, E6, E12, E13, E15: an error of any shape fails the response, and says what it means."""
    found = run(created(), added(0, OPEN), text(0, "Hal"), payload)
    assert found.names()[-2:] == ["ErrorReported", "ResponseFinished"]
    assert outcome_of(found) is Outcome.FAILED
    error = found.response.error
    assert error is not None
    assert error.kind == kind
    if message_ is not None:
        assert error.message == message_
    assert error.raw == payload
    assert found.response.output_text == "Hal"
    assert found.response.status == "failed"


def test_the_delay_in_the_text_of_an_error() -> None:
    """E14: seconds to wait are read from the text."""
    found = run({"type": "error", "code": "rate_limit_exceeded", "message": RATE_LIMIT})
    assert found.response.error is not None
    assert found.response.error.retry_after == 6.57
    assert found.response.error.retryable


def test_errors_as_fields_of_the_stream() -> None:
    """E5: errors that came as fields end the response, and a line that is no field adds no second end."""
    found = run_bytes(b'error: {"message":"a"}\nerror: {"message":"b"}\nnonsense\n')
    assert found.names() == ["ErrorReported", "ResponseFinished"]
    assert found.response.error is not None
    assert found.response.error.message == "a"


def test_an_error_before_anything_else() -> None:
    """E5: an error needs no response before it."""
    found = run({"type": "error", "message": "no"})
    assert found.names() == ["ErrorReported", "ResponseFinished"]
    assert found.codes == []


def test_an_error_after_the_failure_tells_the_cause() -> None:
    """E7: the fuller error becomes the response's, and there is one end."""
    cause = {"type": "error", "error": {"code": "content_filter", "message": "Filtered."}}
    found = run(created(), completed(type="response.failed"), cause, {"type": "error"})
    assert found.names()[-3:] == ["ErrorReported", "ErrorReported", "ResponseFinished"]
    assert found.response.error is not None
    assert found.response.error.kind is ErrorKind.CONTENT_POLICY
    assert found.codes == [C.ERROR_AFTER_FAILURE, C.EVENT_AFTER_END]


def test_an_empty_error_after_the_failure() -> None:
    """E7: an error that says nothing does not replace one that does."""
    error = {"code": "server_error", "message": "Sorry."}
    found = run(created(), completed(type="response.failed", error=error), {"type": "error"})
    assert len(found.all(e.ErrorReported)) == 1
    assert found.response.error is not None
    assert found.response.error.message == "Sorry."


@pytest.mark.parametrize("error", [None, {"code": "rate_limit_exceeded", "message": "Slow down."}])
def test_the_failure_after_an_error(error: JSON | None) -> None:
    """E7: a failure that follows its error brings the response, and the error stays."""
    first = {"type": "error", "code": "rate_limit_exceeded", "message": RATE_LIMIT}
    found = run(created(), first, completed(message("Hal"), type="response.failed", error=error), end="close")
    assert len(found.all(e.ErrorReported)) == 1
    assert found.response.error is not None
    assert found.response.error.retry_after == 6.57
    assert found.response.output_text == "Hal"
    assert found.response.to_dict()["error"] == (
        error or {"code": "rate_limit_exceeded", "message": RATE_LIMIT}
    )


def test_the_failure_after_an_error_that_said_nothing() -> None:
    """E7: a failure tells more than an error without content."""
    failure = completed(type="response.failed", error={"code": "server_error", "message": "Sorry."})
    found = run(created(), {"type": "error"}, failure)
    assert found.response.error is not None
    assert found.response.error.kind is ErrorKind.SERVER_ERROR
    assert len(found.all(e.ErrorReported)) == 2


@pytest.mark.parametrize("more", [[{"type": "keepalive"}], []])
def test_a_failure_waits_for_its_cause(more: list[JSON]) -> None:
    """E7: the end of a failed response comes with the next event, `[DONE]` or the transport's end."""
    failure = [created(), completed(type="response.failed"), *more]
    waiting = run(*failure, end="none")
    assert waiting.parser.state is ResponseState.FAILING
    assert waiting.all(e.ResponseFinished) == []
    assert outcome_of(run(*failure)) is Outcome.FAILED
    assert outcome_of(run(*failure, "[DONE]", end="none")) is Outcome.FAILED
    later = run(*failure, text(0, "late"), end="none")
    assert outcome_of(later) is Outcome.FAILED
    assert later.response.output == ()
    assert later.codes == [C.EVENT_AFTER_END]


@pytest.mark.parametrize("late", ["response.completed", "response.failed", "response.done"])
def test_the_first_end_counts(late: str) -> None:
    """E8: what comes after the end, another end among it, changes nothing."""
    again = completed(message("other"), type=late, usage={"output_tokens": 9})
    found = run(
        created(),
        *streamed_message(0, "Hi"),
        completed(),
        again,
        text(0, "!"),
        text(0, "!"),
        {"type": "ping"},
    )
    assert found.names()[-1] == "ResponseFinished"
    assert found.response.output_text == "Hi"
    assert found.response.usage is None
    assert found.codes == [C.OUTPUT_EMPTY_AT_END, C.TERMINAL_REPEATED, C.EVENT_AFTER_END]


def test_the_transport_ends_first() -> None:
    """E9: without a terminal event the outcome says so, and the items stay as they were."""
    found = run(created(), added(0, OPEN), text(0, "Hal"))
    assert outcome_of(found) is Outcome.TRUNCATED
    assert found.response.finish_reason is None
    assert found.response.status == "in_progress"
    assert found.output()[0]["status"] == "in_progress"
    assert found.codes == [C.PART_NOT_ANNOUNCED, C.MISSING_TERMINAL]


def test_the_sentinel_is_no_end() -> None:
    """E9: `[DONE]` without a terminal event ends nothing."""
    found = run(created(), added(0, OPEN), text(0, "Hal"), "[DONE]", "[DONE]", text(0, "t"), completed())
    assert outcome_of(found) is Outcome.COMPLETED
    assert found.response.output_text == "Halt"
    assert found.codes.count(C.DONE_BEFORE_TERMINAL) == 1
    assert run(created(), completed(), "[DONE]").codes == []


def test_the_end_needs_no_close() -> None:
    """E10: the terminal event is the end, though the connection stays open."""
    found = run(created(), completed(message("Hi")), end="none")
    assert outcome_of(found) is Outcome.COMPLETED
    assert not found.parser.needs_input


def test_rate_limits_are_no_end() -> None:
    """E16: a limit that is reached is news, not the end."""
    limits = {"type": "codex.rate_limits", "rate_limits": {"limit_reached": True}}
    found = run(created(), limits, *streamed_message(0, "Hi"), completed())
    assert found.all(e.RateLimitsReported) == [e.RateLimitsReported(rate_limits_from_event(limits), limits)]
    assert found.response.output_text == "Hi"


def test_a_failure_raises_nothing_by_itself() -> None:
    """E17: what the server refuses is data; strict mode has nothing against it either."""
    error = {"code": "server_error", "message": "Sorry."}
    found = run(created(), completed(type="response.failed", error=error), strict=True)
    assert outcome_of(found) is Outcome.FAILED


# ----------------------------------------------------------------------------- F: resumption, cancellation


def test_a_stream_without_its_beginning() -> None:
    """F1: a stream taken up in its middle begins with what is known."""
    found = run(
        text(0, "lo", item_id="msg_1"),
        text_done(0, "Hello"),
        done(0, message("Hello")),
        completed(message("Hello")),
    )
    assert found.response.output_text == "Hello"
    assert len(found.response.output) == 1


def test_a_fuller_snapshot_begins_again() -> None:
    """F3: items in the response of a life cycle event add what was missing, and double nothing."""
    found = run(
        created(),
        added(0, OPEN),
        part_added(0, output_text()),
        text(0, "Hel"),
        in_progress(output=[message("Hello", status="in_progress"), call("{}", status="in_progress")]),
        text(0, "!"),
        arguments(1, "{}"),
        completed(),
    )
    assert found.texts(e.TextDelta) == ["Hel", "lo", "!"]
    assert found.texts(e.ArgumentsDelta) == ["{}"]
    assert found.response.output_text == "Hello!"


def test_a_snapshot_of_items_that_were_told_whole() -> None:
    """F3: a snapshot leaves items alone that were told whole, and adds new fields to open ones."""
    found = run(
        created(),
        *streamed_message(0, "a", id="a"),
        added(1, message(id="b", status="in_progress")),
        in_progress(
            output=[message("A", id="a"), message(id="b", status="in_progress", phase="final_answer")]
        ),
        end="none",
    )
    assert found.response.output_text == "a"
    assert found.output()[1]["phase"] == "final_answer"


def test_a_snapshot_that_leaves_items_out() -> None:
    """F3: a snapshot in the middle of a stream says nothing of the items that it leaves out."""
    found = run(
        created(),
        added(0, reasoning()),
        added(1, message(id="b", status="in_progress")),
        in_progress(output=[message(id="b", status="in_progress")]),
        end="none",
    )
    assert found.codes == []
    assert found.all(e.ItemUpdated) == []
    assert [item.type for item in found.response.output] == ["reasoning", "message"]


def test_created_again() -> None:
    """F3: a second `response.created` is told, and begins nothing."""
    found = run(created(), created(), completed())
    assert found.names() == ["ResponseStarted", "StatusChanged", "ResponseFinished"]
    assert C.ANNOUNCED_TWICE in found.codes


def test_cancelling_keeps_what_came() -> None:
    """F5: the partial text, calls and the last usage stay."""
    found = run(
        created(),
        in_progress(usage={"output_tokens": 4}),
        added(0, OPEN),
        text(0, "Hal"),
        added(1, OPEN_CALL),
        arguments(1, '{"n":'),
        end="cancel",
    )
    assert outcome_of(found) is Outcome.CANCELLED
    assert found.response.finish_reason == "cancelled"
    assert found.response.output_text == "Hal"
    assert told(found) == [("tick", "call_1", '{"n":', False)]
    assert found.response.usage is not None
    assert found.response.usage.output_tokens == 4
    assert found.response.to_dict()["usage"] == {"output_tokens": 4}
    assert found.response.error is None
    assert C.MISSING_TERMINAL not in found.codes


def test_cancelling_hands_out_text_that_was_held() -> None:
    """F5: text that only an announcement told is not lost when the caller gives up."""
    found = run(created(), added(0, OPEN), part_added(0, output_text("Hel")), end="cancel")
    assert found.texts(e.TextDelta) == ["Hel"]
    assert found.response.output_text == "Hel"


def test_cancelling_after_the_failure() -> None:
    """F5: a response that had failed has failed."""
    found = run(created(), completed(type="response.failed"), end="cancel")
    assert outcome_of(found) is Outcome.FAILED


def test_a_response_cancelled_by_the_server() -> None:
    """A cancelled response is no failure."""
    found = run(
        created(), added(0, OPEN), text(0, "Hal"), completed(type="response.cancelled", status="cancelled")
    )
    assert outcome_of(found) is Outcome.CANCELLED
    assert found.response.error is None


def test_the_status_of_the_response() -> None:
    """The status moves with the life cycle events, whether they hold a response or not."""
    found = run({"type": "response.queued"}, {"type": "response.in_progress"}, end="none")
    assert [event.status for event in found.all(e.StatusChanged)] == ["queued", "in_progress"]
    assert found.codes == [C.RESPONSE_NOT_ANNOUNCED]
    odd = run(created(), in_progress(status=7, model=None, service_tier="flex"), end="none")
    assert [event.status for event in odd.all(e.StatusChanged)] == [None]
    assert odd.response.model == "gpt-5.1-2025-11-13"
    assert odd.response.to_dict()["service_tier"] == "flex"


# ------------------------------------------------------------------------------- H: what is new on the wire


@pytest.mark.parametrize("type", HEARTBEATS)
def test_heartbeats(type: str) -> None:
    """H1: keepalives are no errors, and say nothing."""
    found = run(created(), {"type": type, "sequence_number": 0}, completed())
    assert found.all(e.Heartbeat) == [e.Heartbeat(type)]
    assert found.all(e.ErrorReported) == []
    assert found.codes == []


@pytest.mark.parametrize("type", NOTICES)
def test_notices(type: str) -> None:
    """H2: metadata, timing and steering come through, and end nothing."""
    payload = {"type": type, "error": {"code": "invalid_input", "message": "no"}, "steer": {"id": "s"}}
    found = run(created(), payload, completed())
    assert found.all(e.Notice) == [e.Notice(type, payload)]
    assert outcome_of(found) is Outcome.COMPLETED


@pytest.mark.parametrize("type", ["acme:trace", "response.something_new.delta", "x"])
def test_unknown_events(type: str) -> None:
    """H1, H2: an event of an unknown type comes through verbatim."""
    payload = {"type": type, "sequence_number": 0, "delta": "kept", "output_index": 0}
    found = run(created(), payload, completed())
    assert found.all(e.UnknownEvent) == [e.UnknownEvent(type, payload)]
    assert found.response.output == ()


@pytest.mark.parametrize(
    "action",
    [None, {}, {"type": "open_page", "url": None}, {"type": "find_in_page"}, {"type": "new", "x": [1]}],
)
def test_fields_of_items_are_never_required(action: JSON | None) -> None:
    """H3: what an item lacks is missing, and what it has is kept whole."""
    item = {"id": "ws_1", "type": "web_search_call", "status": "completed"} | (
        {} if action is None else {"action": action}
    )
    found = run(created(), added(0, {**item, "status": "in_progress"}), done(0, item), completed(item))
    assert found.output() == [item]


def test_an_unknown_item_costs_nothing() -> None:
    """H4: an item of an unknown type is carried whole, and the usage is read."""
    item = {
        "id": "x_1",
        "type": "acme:thing",
        "status": "completed",
        "deep": {"a": [None, {"b": "c"}]},
        "arguments": "x",
    }
    found = run(created(), completed(item, message("Hi"), usage={"output_tokens": 2}))
    assert found.output() == [item, message("Hi")]
    assert isinstance(found.response.output[0], OtherItem)
    assert found.response.usage is not None
    assert found.response.usage.output_tokens == 2


def test_values_streamed_for_an_unknown_item() -> None:
    """H4: what is streamed for an item of an unknown type stands in it."""
    found = run(
        created(),
        added(0, {"id": "x_1", "type": "acme:call", "input": ""}),
        value("custom_tool_call_input.delta", 0, delta="ab"),
        added(1, {"id": "x_2", "type": "acme:call"}),
        arguments(1, "{}"),
        completed(),
    )
    assert [item.get("input", item.get("arguments")) for item in found.output()] == ["ab", "{}"]


def test_an_unknown_part() -> None:
    """H4: a part of an unknown type is kept where it stands."""
    smell = {"type": "output_smell", "smell": "pine"}
    whole = {**message("a"), "content": [smell, output_text("a")]}
    found = run(
        created(),
        added(0, OPEN),
        part_added(0, smell),
        part_added(0, output_text(), 1),
        text(0, "a", 1),
        done(0, whole),
        completed(whole),
    )
    assert found.output() == [whole]


def test_nothing_but_types() -> None:
    """H5: nothing is required of an event but its type."""
    found = run(
        {"type": "response.created"}, {"type": "response.in_progress"}, {"type": "response.completed"}
    )
    assert found.names() == ["ResponseStarted", "StatusChanged", "ResponseFinished"]
    assert (found.response.id, found.response.model, found.response.status) == (None, None, "completed")
    assert found.codes == []


def test_the_object_is_never_tested() -> None:
    """H6: `object` may be empty."""
    found = run(created(object=""), completed(message("Hi"), object=""))
    assert found.response.output_text == "Hi"
    assert found.response.to_dict()["object"] == ""


def test_one_bad_field_costs_only_itself() -> None:
    """H8: the other fields of an event count."""
    found = run(created(), added(0, OPEN), text(0, "a", part="zero"), completed())
    assert found.response.output_text == "a"
    assert C.INVALID_FIELD in found.codes


def test_unknown_fields_are_kept() -> None:
    """What is not modelled is in `to_dict()`, of the response, its items, their parts and the usage."""
    usage = {"output_tokens": 1, "orchestration_output_tokens": 4}
    item = message("a", extra=[1])
    item["content"][0]["watermark"] = {"x": 1}
    found = run(
        created(tier="gold"), added(0, OPEN), done(0, item), completed(item, usage=usage, tier="gold")
    )
    assert found.response.to_dict()["output"] == [item]
    assert found.response.to_dict()["usage"] == usage
    assert found.response.to_dict()["tier"] == "gold"


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ({"type": "message_start", "message": {"id": "m"}}, "anthropic"),
        ({"type": "message", "role": "assistant", "content": []}, "anthropic"),
        ({"candidates": []}, "gemini"),
        ({"choices": [{"index": 0, "delta": {"content": "x"}}]}, "chat"),
    ],
)
def test_payloads_of_other_wires(payload: JSON, name: str) -> None:
    """The response fails with an error that names the right dialect."""
    for payloads in ([payload], [created(), payload]):
        error = run(*payloads, dialect="responses").response.error
        assert error is not None
        assert error.code == "wrong_dialect"
        assert f"dialect={name!r}" in (error.message or "")


# ------------------------------------------------------------------------------------ limits, strict mode


@pytest.mark.parametrize(
    ("limits", "payloads", "limit"),
    [
        (Limits(items=1), [added(0, OPEN), added(1, OPEN_CALL)], "items"),
        (Limits(items=1), [added(0, OPEN), completed(OPEN, OPEN)], "items"),
        (Limits(parts=1), [added(0, OPEN), done(0, {**OPEN, "content": [output_text("a")] * 2})], "parts"),
        (Limits(parts=1), [added(0, OPEN), text(0, "a"), text_done(0, "a"), text(0, "b", 1)], "parts"),
        (Limits(text_size=3), [added(0, OPEN), text(0, "abc"), text(0, "d")], "text_size"),
        (Limits(index=5), [added(5, OPEN), added(6, OPEN_CALL)], "index"),
        (Limits(index=5), [added(0, OPEN), text(0, "a", 6)], "index"),
    ],
)
def test_limits(limits: Limits, payloads: list[JSON], limit: str) -> None:
    """What passes a limit raises, after all that came before it, and what had come stays."""
    parser = ResponseParser(limits=limits)
    for payload in [created(), *payloads]:
        parser.feed_payload(payload)
    events: list[Any] = []
    with pytest.raises(LimitExceeded) as raised:
        events.extend(parser.events())
    assert raised.value.limit == limit
    assert isinstance(events[1], e.ItemStarted)
    assert len(parser.response.output) == 1
    with pytest.raises(LimitExceeded) as again:
        parser.next_event()
    assert again.value is raised.value


@pytest.mark.parametrize(
    ("payloads", "code"),
    [
        ([text(0, "a")], C.RESPONSE_NOT_ANNOUNCED),
        ([created(), text(0, "a")], C.ITEM_NOT_ANNOUNCED),
        ([created(), added(0, OPEN), text(0, "a")], C.PART_NOT_ANNOUNCED),
        ([created(), added(None, OPEN)], C.INDEX_MISSING),
        ([created(), added(0, None)], C.INVALID_FIELD),
    ],
)
def test_strict_mode_names_the_deviation(payloads: list[JSON], code: AnomalyCode) -> None:
    """In strict mode the first deviation raises, with its place."""
    parser = ResponseParser(strict=True)
    for payload in payloads:
        parser.feed_payload(payload)
    with pytest.raises(WireError) as raised:
        list(parser.events())
    assert raised.value.code == code
    assert raised.value.event_index == len(payloads) - 1
    assert raised.value.excerpt


def test_reasoning_items_are_what_they_say() -> None:
    """A reasoning item shows its parts by their kind."""
    whole = {**reasoning("S"), "content": [reasoning_text("R")], "encrypted_content": "E"}
    found = run(created(), completed(whole))
    item = found.response.output[0]
    assert isinstance(item, Reasoning)
    assert [part.to_dict() for part in (*item.summary, *item.content)] == [
        summary_text("S"),
        reasoning_text("R"),
    ]
    assert item.encrypted_content == "E"


@pytest.mark.parametrize("end", ["done", "completed", "cut"])
@pytest.mark.parametrize("count", [31, 32, 33, 100, 128, 130])
def test_an_item_that_is_announced_again_and_again(count: int, end: str) -> None:
    """What comes so is handed out at intervals; at the end nothing of it is missing."""
    item = {"id": "msg_1", "type": "message", "status": "in_progress", "content": []}
    again = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, f"k{i}": i, "last": i}}
        for i in range(count)
    ]
    whole = {**item, "status": "completed"}
    tail: list[JSON] = []
    if end == "done":
        tail = [{"type": "response.output_item.done", "output_index": 0, "item": whole}]
    if end != "cut":
        tail.append(completed(whole))
    found = run(created(), *again, *tail)
    told = found.response.to_dict()["output"][0]
    assert {**told, **{f"k{i}": i for i in range(count)}, "last": count - 1} == told
    assert len(found.all(e.ItemUpdated)) <= 40


def test_what_waits_is_not_erased_by_what_is_empty() -> None:
    """A field that an item was announced with stays where a later announcement tells it empty."""
    item = {"id": "msg_1", "type": "message", "status": "in_progress", "content": []}
    again = [added(0, {**item, "n": n, "note": "kept" if n == 40 else ""}) for n in range(50)]
    found = run(created(), *again, completed({**item, "status": "completed"}))
    told = found.response.to_dict()["output"][0]
    assert (told["n"], told["note"]) == (49, "kept")


@pytest.mark.parametrize("outcome", ["completed", "cut"])
@pytest.mark.parametrize("count", [10, 100])
def test_an_item_that_ends_again_and_again(count: int, outcome: str) -> None:
    """What is small beside the item is weighed now and then, and at the end: nothing of it is missing."""
    item = message("Hello", many=["x"] * 500)
    again = [{**item, f"k{i}": i, "many": [], "last": i} for i in range(count)]
    part = {**output_text("Hello, world"), "k": 1}
    tail = [done(0, {"id": item["id"], "type": "message", "content": [part]})]
    if outcome == "completed":
        tail += [completed(item)]
    found = run(created(), done(0, item), *(done(0, one) for one in again), *tail)
    sent = found.response.to_dict()["output"][0]
    assert {**sent, **{f"k{i}": i for i in range(count)}, "last": count - 1} == sent
    assert sent["many"] == ["x"] * 500
    assert sent["content"][0]["k"] == 1
    assert len(found.all(e.ItemUpdated)) < 40
    assert found.response.output_text == ("Hello" if outcome == "completed" else "Hello, world")


@pytest.mark.parametrize("outcome", ["done", "completed", "cut"])
@pytest.mark.parametrize("count", [10, 100])
def test_snapshots_of_an_open_item(count: int, outcome: str) -> None:
    """They may tell more than was streamed; where they are small beside the item, not all at once."""
    long = "y" * 1000
    shots = [
        in_progress(output=[{"id": OPEN["id"], "type": "message", f"k{i}": i, "content": [{"text": ""}]}])
        for i in range(count)
    ]
    fuller = in_progress(
        output=[{"id": OPEN["id"], "content": [output_text(long + "z"), "odd", output_text("more")]}]
    )
    whole = {key: value for key, value in OPEN.items() if key not in ("content", "status")}
    tail = {"done": [done(0, {**whole, "status": "completed"})], "completed": [completed(whole)], "cut": []}
    last = in_progress(output=[{"id": OPEN["id"], "k": 1, "content": [{"k": 2}, {"type": "odd"}]}])
    found = run(created(), added(0, OPEN), text(0, long), *shots, fuller, *shots[-1:], last, *tail[outcome])
    sent = found.response.to_dict()["output"][0]
    assert {**sent, **{f"k{i}": i for i in range(count)}} == sent
    assert found.response.output_text == long + "zmore"
    assert sent["k"] == 1


def test_snapshots_of_items_that_no_id_names() -> None:
    """They are compared with all items now and then, and at the end."""
    items = [message(str(i), id=f"msg_{i}", many=["x"] * 20) for i in range(40)]
    shots = [in_progress(output=[{"type": "message", "status": f"s{i}"}]) for i in range(100)]
    found = run(created(), *(added(i, item) for i, item in enumerate(items)), *shots)
    assert found.response.output[0].status == "s99"
    assert len(found.response.output) == 40
    large = in_progress(output=[{"type": "message", "status": "large", "more": ["x"] * 5000}])
    found = run(created(), *(added(i, item) for i, item in enumerate(items)), *shots, large, large, shots[0])
    assert found.response.output[0].status == "s0"
    assert found.response.output[0].data["more"] == ["x"] * 5000
    odd = in_progress(output=[{"type": "hologram", "k": 1}])
    found = run(created(), *(added(i, item) for i, item in enumerate(items)), *shots, odd)
    assert found.response.output[0].status == "s99"
    assert found.response.output[40].data["k"] == 1
    found = run(created(), *(added(i, item) for i, item in enumerate(items)), *shots, odd, completed())
    assert found.response.output[40].data["k"] == 1


def test_failures_again_and_again() -> None:
    """The second one may tell the cause of the first; those behind it come after the end."""
    failure = {"type": "response.failed", "response": response(status="failed", error=None)}
    cause = {"code": "server_error", "message": "boom"}
    told_cause = {"type": "response.failed", "response": response(status="failed", error=cause)}
    found = run(created(), failure, told_cause, failure)
    assert found.response.error is not None
    assert found.response.error.message == "boom"
    assert found.codes == [C.TERMINAL_REPEATED]


def test_a_part_that_ends_again() -> None:
    """What is new of its value is handed out."""
    ends = [
        part_done(0, output_text("a")),
        part_done(0, output_text("ab")),
        part_done(0, {"type": "output_text"}),
    ]
    found = run(created(), added(0, OPEN), part_added(0, output_text()), text(0, "a"), *ends, completed())
    assert found.response.output_text == "ab"
    found = run(
        created(), added(0, OPEN), part_done(0, output_text("a")), part_done(0, {**refusal(), "text": "ab"})
    )
    assert C.TEXT_IN_REFUSAL in found.codes
    bad = [part_done(0, output_text("a")), part_done(0, {"type": "output_text", "text": 5})]
    found = run(created(), added(0, OPEN), part_added(0, output_text()), *bad)
    assert found.response.output_text == "a"
    assert C.INVALID_FIELD in found.codes


def test_the_first_open_item_of_a_type_ends() -> None:
    """An end without index and id is that of the first item of its type that is open."""
    items = [message(str(i), id=f"msg_{i}", status="in_progress") for i in range(4)]
    ends = [done(None, message("x", id=None)) for _ in range(2)]
    begins = [added(i, item) for i, item in enumerate(items)]
    found = run(created(), *begins, done(0, items[0]), *ends)
    states = [record.state for record in found.parser._reader.fold.items.values()]
    assert states == ["done", "done", "done", "open"]
    fragment = {**text(0, "y"), "output_index": None, "item_id": None}
    found = run(created(), *begins, done(3, items[3]), fragment)
    assert found.response.output_text == "012y3"


def test_a_part_that_is_sent_again_as_a_refusal() -> None:
    """Its text is text, as it was announced."""
    parts = [part_done(0, output_text("a")), part_done(0, {"type": "refusal", "text": "ab"})]
    begun = [added(0, OPEN), part_added(0, output_text()), text(0, "a")]
    found = run(created(), *begun, *parts, completed())
    assert found.response.output_text == "ab"
    assert C.TEXT_IN_REFUSAL in found.codes


def test_a_fragment_without_an_index_is_of_no_item_without_a_type() -> None:
    """It begins an item of its own."""
    begun = added(0, {"id": "x", "content": []})
    found = run(
        created(), begun, {"type": "response.function_call_arguments.delta", "delta": "{}"}, completed()
    )
    assert [item.get("type") for item in found.output()] == [None, "function_call"]
    assert found.output()[1]["arguments"] == "{}"


def test_the_name_of_a_call_that_is_no_text() -> None:
    """It counts as not sent: what was known stays, and the call with it."""
    item = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    for field in ("name", "call_id"):
        found = run(created(), added(0, item), completed({**item, field: 5, "status": "completed"}))
        assert [(call.call_id, call.name) for call in found.response.tool_calls] == [("c", "f")]
        assert C.INVALID_FIELD in found.codes


def test_items_without_an_index_follow_each_other() -> None:
    """Each takes the first place behind those that are known, and leaves none free."""
    found = run(
        created(),
        added(None, message(id="a", status="in_progress")),
        added(None, call(id="b", status="in_progress")),
        added(7, call(id="c", call_id="call_2", status="in_progress")),
        added(None, call(id="d", call_id="call_3", status="in_progress")),
    )
    assert [event.output_index for event in found.all(e.ItemStarted)] == [0, 1, 7, 8]


def test_a_fragment_without_any_key_finds_the_last_item_of_its_kind() -> None:
    """The open one, though others were asked for before it began; where none is open the one that ended."""
    found = run(
        created(),
        added(0, message(id=None, status="in_progress")),
        text(None, "a", None),
        added(1, message(id=None, status="in_progress")),
        text(None, "b", None),
        done(1, message("b", id=None)),
        done(0, message("a", id=None)),
        added(2, reasoning(id=None)),
        added(3, call(id=None, status="in_progress")),
        text(None, "c", None),
        arguments(None, "{}"),
    )
    texts = [item.content[0].text for item in found.response.output if isinstance(item, Message)]  # type: ignore[union-attr]
    assert texts == ["a", "bc"]
    assert [(event.output_index, event.text) for event in found.all(e.TextDelta)] == [
        (0, "a"),
        (1, "b"),
        (1, "c"),
    ]
    assert told(found)[0][2] == "{}"
    assert C.ITEM_NOT_ANNOUNCED not in found.codes


@pytest.mark.parametrize(("added_type", "type"), [(None, ""), ("", ""), (5, ""), ("odd", "odd")])
def test_the_type_of_an_item_is_the_servers(added_type: Any, type: str) -> None:
    """Nothing is made up where it told none."""
    sent = {"id": "x"} if added_type is None else {"id": "x", "type": added_type}
    found = run(created(), added(0, sent), end="none")
    assert [item.type for item in found.response.output] == [type]
    assert found.output() == [sent]
    (started,) = found.all(e.ItemStarted)
    assert started.item.type == type


def test_what_snapshots_say_of_an_open_item_is_there_at_the_end() -> None:
    """Of many, what is small beside the item waits, and the stream may break off before it is weighed."""
    sent = [in_progress(output=[{"id": "msg_1", "type": "message", f"k{n}": n, "n": n}]) for n in range(40)]
    for tail in ([], [completed(type="response.incomplete")]):
        found = run(
            created(), added(0, OPEN), part_added(0, output_text()), text(0, "x" * 9000), *sent, *tail
        )
        (item,) = found.output()
        assert item.items() >= {"n": 39, **{f"k{n}": n for n in range(40)}}.items()
        assert found.response.output_text == "x" * 9000


@pytest.mark.parametrize("count", [1, 40])
def test_a_type_that_comes_late_does_not_wait(count: int) -> None:
    """However often an item was announced without one: what it is decides what follows."""
    again = [added(0, {"id": "x", "n": n}) for n in range(count)]
    found = run(
        created(),
        added(0, {"id": "x", "fill": "z" * 5000}),
        *again,
        added(0, {"id": "x", "type": "message", "content": []}),
        end="none",
    )
    (item,) = found.response.output
    assert isinstance(item, Message)
    assert item.data["n"] == count - 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (call('{"a":1}', name="f"), call('{"a":1}', name="g")),
        (call('{"a":1}'), call('{"a":2}')),
        (custom_call("one"), custom_call("two")),
        (message("one"), message("two")),
        (reasoning("one"), reasoning("two")),
        (reasoning(encrypted_content="one"), reasoning(encrypted_content="two")),
    ],
)
def test_items_are_known_by_what_they_say(one: JSON, other: JSON) -> None:
    """Where all ids are new at the end and the order is another, no item is taken for another one."""

    def named(item: JSON, name: str) -> JSON:
        return {**item, "id": name, **({"call_id": f"call_{name}"} if "call_id" in item else {})}

    found = run(
        created(),
        done(0, named(one, "a")),
        done(1, named(other, "b")),
        completed(named(other, "new_b"), named(one, "new_a")),
    )
    assert found.all(e.ValueReplaced) == []
    assert C.VALUE_CONTRADICTED not in found.codes
    assert [item.id for item in found.response.output] == ["new_b", "new_a"]


@pytest.mark.parametrize(
    ("item", "kind", "member"),
    [
        (custom_call("*** Begin"), "custom_tool_call_input", "input"),
        (call('{"a"'), "function_call_arguments", "arguments"),
    ],
)
def test_arguments_that_come_behind_the_end_of_their_item(item: JSON, kind: str, member: str) -> None:
    """A call that ended is what it was: it may be run already."""
    begun = {**item, member: ""}
    whole_item = {**item, "status": "completed"}
    found = run(created(), added(0, begun), done(0, whole_item), value(f"{kind}.delta", 0, delta="more"))
    assert found.output()[0][member] == item[member]
    assert C.DELTA_AFTER_DONE in found.codes
    assert found.texts(e.ArgumentsDelta) == [item[member]]


HELD_BY = {
    "output_text": "message",
    "refusal": "message",
    "reasoning_text": "reasoning",
    "reasoning": "reasoning",
    "reasoning_summary_text": "reasoning",
    "reasoning_summary": "reasoning",
    "function_call_arguments": "function_call",
    "mcp_call_arguments": "mcp_call",
    "custom_tool_call_input": "custom_tool_call",
    "code_interpreter_call_code": "code_interpreter_call",
    "apply_patch_call_operation_diff": "apply_patch_call",
    "shell_call_command": "shell_call",
    "shell_call_output_content": "shell_call_output",
    "mcp_call_output": "mcp_call",
}


@pytest.mark.parametrize("kind", HELD_BY)
@pytest.mark.parametrize("item_type", [*sorted({*HELD_BY.values(), *PROGRESS}), "odd"])
def test_what_an_item_can_hold(kind: str, item_type: str) -> None:
    """A fragment is of the item of its index where that is of the right type, or nobody knows what it is.

    Arguments may be of any call. Text is of a message, or of reasoning that goes on. Else a new item begins.
    """
    delta: Any = {"stdout": "x"} if kind == "shell_call_output_content" else "x"
    fragment = value(f"{kind}.delta", 0, delta=delta)
    found = run(created(), added(0, {"id": "i", "type": item_type}), fragment, end="none")
    wanted = HELD_BY[kind]
    calls = ("function_call", "mcp_call", "custom_tool_call")
    holds = (
        item_type == wanted
        or (item_type == "odd" and wanted != "message")
        or (item_type == "reasoning" and wanted == "message")
        or (item_type in calls and wanted in calls)
    )
    assert [item.type for item in found.response.output] == ([item_type] if holds else [item_type, wanted])
    assert (C.ITEM_NOT_ANNOUNCED in found.codes) is not holds


@pytest.mark.parametrize(
    ("item_type", "group", "part"),
    [
        ("message", "content", {"type": "output_text", "text": "Hi", "annotations": []}),
        ("message", "summary", {"type": "summary_text", "text": "Hi"}),
        ("reasoning", "content", {"type": "reasoning_text", "text": "Hi"}),
        ("reasoning", "summary", {"type": "summary_text", "text": "Hi"}),
    ],
)
def test_parts_that_are_mere_text(item_type: str, group: str, part: JSON) -> None:
    """Each is a part of the kind that its place says."""
    found = run(created(), done(0, {"id": "i", "type": item_type, group: ["Hi"]}))
    assert found.output()[0][group] == [part]
    assert C.INVALID_FIELD in found.codes


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("output_text", {"type": "output_text", "text": "x"}),
        ("refusal", {"type": "refusal", "refusal": "x"}),
        ("reasoning_text", {"type": "reasoning_text", "text": "x"}),
        ("reasoning_summary_text", {"type": "summary_text", "text": "x"}),
    ],
)
def test_a_part_that_only_its_text_tells(kind: str, part: JSON) -> None:
    """It is of the kind that the event is about."""
    item = reasoning() if "reasoning" in kind else OPEN
    at = "summary_index" if "summary" in kind else "content_index"
    found = run(created(), added(0, item), value(f"{kind}.delta", 0, delta="x", **{at: 0}))
    (told_item,) = found.output()
    (told_part,) = told_item["summary" if "summary" in kind else "content"]
    assert {name: held for name, held in told_part.items() if name != "annotations"} == part


def test_what_waits_may_look_like_nothing() -> None:
    """Only arguments are nothing where they are an empty object; any other text is what it is."""
    item = {"id": "x", "type": "odd", "fill": "z" * 5000}
    again = [
        added(0, {"id": "x", "type": "odd", "n": n, "note": "{}" if n > 30 else "kept"}) for n in range(40)
    ]
    (told_item,) = run(created(), added(0, item), *again, completed()).output()
    assert (told_item["n"], told_item["note"]) == (39, "{}")


@pytest.mark.parametrize(("name", "items"), [("a", 1), ("b", 2), (None, 1)])
def test_a_message_under_an_index_that_is_taken(name: str | None, items: int) -> None:
    """Another id is another item; the same one, or none, is the item that is known."""
    found = run(
        created(),
        added(0, message(id="a", status="in_progress")),
        added(0, message(id=name, status="in_progress")),
        end="none",
    )
    assert len(found.response.output) == items
    assert found.codes == [C.INDEX_REUSED if items == 2 else C.ANNOUNCED_TWICE]


def test_the_end_of_an_item_does_not_wait() -> None:
    """However often it was announced."""
    item = {"id": "x", "type": "odd", "fill": "z" * 5000}
    again = [added(0, {"id": "x", "type": "odd", "n": n}) for n in range(40)]
    found = run(created(), added(0, item), *again, done(0, {"type": "odd", "last": 1}), end="none")
    (finished,) = found.all(e.ItemFinished)
    assert finished.item.data.items() >= {"n": 39, "last": 1, "fill": "z" * 5000}.items()


@pytest.mark.parametrize("empty", ["", "{}", "[]", None])
def test_arguments_that_a_later_snapshot_leaves_out(empty: Any) -> None:
    """Those that one before told stay, though none of the two was weighed by then."""
    filled = added(0, {**OPEN_CALL, "fill": "z" * 5000})
    told_first = [in_progress(output=[{**OPEN_CALL, "n": n}]) for n in range(30)]
    told_first.append(in_progress(output=[{**OPEN_CALL, "arguments": PARIS, "n": 30}]))
    then = in_progress(output=[{**OPEN_CALL, "arguments": empty, "n": 31}])
    found = run(created(), filled, *told_first, then, completed(type="response.incomplete"))
    (item,) = found.output()
    assert (item["n"], item["arguments"]) == (31, PARIS)


# ------------------------------------------------------------------------------------ citations, told again


def cites(number: int, at: int | None = None, index: int = 0, part: int = 0) -> JSON:
    """A citation is added to a part."""
    more = {} if at is None else {"annotation_index": at}
    note = {"type": "url_citation", "n": number}
    return value("output_text.annotation.added", index, content_index=part, annotation=note, **more)


def cited(found: Run) -> list[tuple[int, int, int, int]]:
    """Where each citation was added, and which it is."""
    return [
        (event.output_index, event.content_index, event.annotation_index, event.annotation["n"])
        for event in found.all(e.AnnotationAdded)
    ]


def with_citations(*numbers: int, again: list[int] | None = None) -> list[JSON]:
    """Two messages, with two parts each that were sent with these citations."""
    part = output_text("A", annotations=[{"type": "url_citation", "n": number} for number in numbers])
    return [
        created(),
        *(added(index, {**OPEN, "id": f"msg_{index}"}) for index in (0, 1)),
        *(part_added(index, part, at) for index in (0, 1) for at in (0, 1)),
    ]


def test_citations_with_which_their_part_was_sent() -> None:
    """They are not added again, be they written in another order; others are."""
    swapped = cites(2)
    swapped["annotation"] = dict(reversed(swapped["annotation"].items()))
    found = run(
        *with_citations(1, 2), cites(1, 0), swapped, cites(2, 1), cites(3, 2), cites(3, 2), completed()
    )
    assert cited(found) == [(0, 0, 2, 3)]


def test_citations_of_one_part_are_none_of_another() -> None:
    """Each part has its own, whatever was asked before."""
    begun = [
        *with_citations(1),
        part_added(0, output_text("B", annotations=[{"type": "url_citation", "n": 2}]), 2),
    ]
    found = run(*begun, cites(1), cites(2, part=2), cites(1, part=2), cites(2), cites(1, index=1, part=1))
    assert cited(found) == [(0, 2, 1, 1), (0, 0, 1, 2)]


@pytest.mark.parametrize(
    ("sent", "places"),
    [
        ([cites(1), cites(2), cites(3)], [0, 1, 2]),
        ([cites(1, 4), cites(2)], [4, 5]),
        ([cites(1, 4), cites(2, 1), cites(3)], [4, 1, 2]),
        ([cites(1, 1), cites(2, 0), cites(3)], [1, 0, 2]),
        ([cites(1, 0), cites(1, 0), cites(2, 0)], [0, 0]),
        ([cites(1), cites(1)], [0, 1]),
    ],
)
def test_where_citations_stand(sent: list[JSON], places: list[int]) -> None:
    """Where the server says, else behind the one before, or behind all where one stands there."""
    found = run(created(), added(0, OPEN), part_added(0, output_text("A")), *sent, completed())
    assert [at for _, _, at, _ in cited(found)] == places
    known = run(*with_citations(7, 8), cites(1), cites(2))
    assert [at for _, _, at, _ in cited(known)] == [2, 3]


def test_a_citation_before_its_part() -> None:
    """The part begins with it, and later ones stand behind."""
    for begun in ([added(0, OPEN)], []):
        found = run(created(), *begun, cites(1), cites(2), text(0, "A"), completed())
        assert cited(found) == [(0, 0, 0, 1), (0, 0, 1, 2)]
        assert [event.part_index for event in found.all(e.PartStarted)] == [0]
        assert found.response.output_text == "A"


@pytest.mark.parametrize("odd", [None, "x", [1]])
def test_a_citation_that_is_none(odd: Any) -> None:
    """It is told once."""
    found = run(*with_citations(), *[value("output_text.annotation.added", 0, annotation=odd)] * 2)
    assert [(told.code, told.message) for told in found.anomalies if told.code is C.INVALID_FIELD] == [
        (C.INVALID_FIELD, "annotation is no object")
    ]
    assert cited(found) == []


# ----------------------------------------------------------------------------------- which item, which end


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_halves_of_pairs_in_the_output_of_a_command(stream: str) -> None:
    """They meet in each stream."""
    deltas = [
        value("shell_call_output_content.delta", 0, command_index=0, delta={stream: piece})
        for piece in ("a\ud83d", "\ude00b")
    ]
    body = frames(created(), added(0, {"id": "so", "type": "shell_call_output", "output": []}), *deltas)
    found = play(body + frames(completed()))
    assert "".join(event.text for event in found.all(e.CommandOutputDelta)) == "a\U0001f600b"
    assert {event.stream for event in found.all(e.CommandOutputDelta)} == {stream}
    assert C.LONE_SURROGATE not in found.codes


def test_a_second_failure_ends_the_response_at_once() -> None:
    """The first waits for its cause; nothing else can come behind the second."""
    failure = {"type": "response.failed", "response": response(status="failed", error=None)}
    cause = {"code": "server_error", "message": "boom"}
    told_cause = {"type": "response.failed", "response": response(status="failed", error=cause)}
    assert run(created(), failure, end="none").names()[-1] != "ResponseFinished"
    for second in (failure, told_cause):
        found = run(created(), failure, second, end="none")
        assert found.names().count("ResponseFinished") == 1
        assert found.names()[-1] == "ResponseFinished"
    assert found.response.data["error"] == cause
    error = {"type": "error", "code": "server_error", "message": "boom"}
    after = run(created(), error, failure, end="none")
    assert after.names()[-1] == "ResponseFinished"
    assert after.response.data["error"] == {"code": "server_error", "message": "boom"}


@pytest.mark.parametrize(
    ("payload", "whole"),
    [
        ({"status": "completed", "output": [message("A")]}, True),
        ({"status": "completed", "output": []}, False),
        ({"status": "completed"}, False),
        ({"status": "", "output": [message("A")]}, False),
        ({"output": [message("A")]}, False),
        ({"object": "response", "output": [message("A")]}, True),
        ({"object": "response"}, True),
        ({"object": "other", "status": "completed"}, False),
    ],
)
def test_what_a_payload_without_a_type_is(payload: JSON, whole: bool) -> None:
    """A whole response, where it says so or has an output and a status; else nobody knows."""
    found = run(payload)
    assert (found.response.outcome is Outcome.COMPLETED) is whole
    assert (C.TYPE_MISSING in found.codes) is not whole
    assert [event.payload for event in found.all(e.UnknownEvent)] == ([] if whole else [payload])


@pytest.mark.parametrize("known", [True, False])
def test_an_item_that_ends_under_its_index_and_id(known: bool) -> None:
    """They find it, also where its call id was that of another call."""
    second = call("g", id="fc_2", call_id="call_1" if known else "call_2", status="in_progress")
    begun = [created(), added(0, OPEN_CALL), added(1, second)]
    found = run(*begun, done(1, {**second, "arguments": "{}", "status": "completed"}), end="none")
    assert [event.output_index for event in found.all(e.ItemFinished)] == [1]
    assert C.INDEX_CHANGED not in found.codes


def test_citations_that_become_known_with_the_end_of_their_part() -> None:
    """What a part is sent with later counts as well."""
    notes = [{"type": "url_citation", "n": number} for number in (1, 2)]
    begun = [created(), added(0, OPEN), part_added(0, output_text("A", annotations=notes[:1]))]
    found = run(*begun, cites(1), part_done(0, output_text("A", annotations=notes)), cites(2), cites(3))
    assert cited(found)[-1] == (0, 0, 2, 3)
    assert (0, 0, 2, 2) not in cited(found)


def test_citations_that_do_not_say_of_which_part() -> None:
    """They are of the last one, also where it has ended."""
    note = {"type": "url_citation", "n": 1}
    bare = {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": note}
    parts = [part_added(0, output_text("A"), 0), part_added(0, output_text("B"), 1)]
    ends = [part_done(0, output_text("A"), 0), part_done(0, output_text("B"), 1)]
    for begun in (parts, [*parts, *ends], [parts[0], ends[0], parts[1]]):
        assert cited(run(created(), added(0, OPEN), *begun, bare)) == [(0, 1, 0, 1)]


def test_a_citation_that_nobody_counts_beyond_the_limit() -> None:
    """An index that is counted may be no greater than one that is sent."""
    run(*with_citations(7, 8), cites(1), limits=Limits(index=2))
    with pytest.raises(LimitExceeded) as fault:
        run(*with_citations(7, 8), cites(1), limits=Limits(index=1))
    assert fault.value.limit == "index"


@pytest.mark.parametrize("summary", ["abc", [{"type": "summary_text", "text": "abc"}]])
@pytest.mark.parametrize("again", [False, True])
def test_parts_that_a_late_announcement_brings_begin_by_their_own_events(summary: Any, again: bool) -> None:
    """Whatever had come of the item before: no fragment comes without its part."""
    first = added(0, {"id": "rs_1", "type": "reasoning", "summary": []})
    found = run(
        created(),
        *([first] if again else []),
        value("reasoning_text.delta", 0, delta="We", item_id="rs_1"),
        added(0, {"id": "rs_1", "type": "reasoning", "summary": summary}),
        value("reasoning_summary_text.delta", 0, delta="!", item_id="rs_1"),
        completed(),
    )
    assert [name for name in found.names(of=0) if name != "ItemUpdated"][:6] == [
        *("ItemStarted", "PartStarted", "ReasoningDelta"),
        *("PartStarted", "ReasoningDelta", "ReasoningDelta"),
    ]
    assert [(event.text, event.kind) for event in found.all(e.ReasoningDelta)] == [
        ("We", "text"),
        ("abc", "summary"),
        ("!", "summary"),
    ]


def test_parts_that_were_known_before_a_late_announcement_do_not_begin_again() -> None:
    """Only those behind them do."""
    parts = [{"type": "summary_text", "text": ""}, {"type": "summary_text", "text": ""}]
    found = run(
        created(),
        value("reasoning_summary_text.delta", 0, delta="a", item_id="rs_1", summary_index=0),
        added(0, {"id": "rs_1", "type": "reasoning", "summary": parts}),
        value("reasoning_summary_text.delta", 0, delta="b", item_id="rs_1", summary_index=1),
        completed(),
    )
    assert [event.part_index for event in found.all(e.PartStarted)] == [0, 1]
    assert [(event.part_index, event.text) for event in found.all(e.ReasoningDelta)] == [(0, "a"), (1, "b")]


def test_what_is_no_part_stays_with_the_item_of_a_late_announcement() -> None:
    """Nothing is lost, and what is a part begins."""
    sent = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}, 5]}
    delta = value("reasoning_text.delta", 0, delta="We", item_id="rs_1")
    found = run(created(), delta, added(0, sent), end="none")
    assert "PartStarted" in found.names(of=0)[3:]
    assert found.output()[0]["summary"][1] == 5
