"""Display messages: how events are grouped, what each changes, and that ids stay what they are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import (
    FunctionCall,
    Lift,
    Message,
    OtherItem,
    OutputText,
    Reasoning,
    Refusal,
    ResponseParser,
    UsageError,
)
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.testing import Stream
from deltafold.testing.strategies import chunkings, damaged_bodies, streams
from deltafold.views.display import HANDLERS, DisplayKind, DisplayMessage, DisplayUpdate, DisplayView
from runs import (
    FIXTURES,
    JSON,
    Ledger,
    added,
    arguments,
    call,
    completed,
    created,
    custom_call,
    done,
    message,
    output_text,
    part_added,
    play,
    reasoning,
    reasoning_text,
    refusal,
    resumed,
    streamed_call,
    streamed_message,
    summary_text,
    text,
    value,
)

BASE = "answer-7"


class Screen:
    """A user interface that knows nothing but the updates."""

    def __init__(self) -> None:
        self.kinds: list[DisplayKind] = []
        self.texts: list[list[str]] = []

    def show(self, update: DisplayUpdate) -> None:
        assert update.message_id == f"{BASE}-{update.index}"
        if update.index == len(self.texts):
            self.kinds.append(update.kind)
            self.texts.append([])
        parts = self.texts[update.index]
        if update.text and update.part == len(parts):
            assert not update.replaced
            parts.append("")
        if update.replaced:
            parts[update.part] = update.text
        elif update.text:
            parts[update.part] += update.text
        self.kinds[update.index] = update.kind

    def check(self, view: DisplayView) -> None:
        """The screen shows just what the view says that it does."""
        messages = view.messages
        assert [(shown.index, shown.id) for shown in messages] == [
            (index, f"{BASE}-{index}") for index in range(len(messages))
        ]
        assert [shown.kind for shown in messages] == self.kinds
        assert [list(shown.parts) for shown in messages] == self.texts
        assert messages[-1:] == ((view.message(-1),) if messages else ())


@attrs.frozen
class Shown:
    """What came of a stream."""

    events: list[e.Event]
    updates: list[DisplayUpdate]
    view: DisplayView
    parser: ResponseParser

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Kind and text of each message."""
        return [(str(shown.kind), shown.text) for shown in self.view.messages]

    def of(self, index: int | None, kind: DisplayKind) -> list[str]:
        """The texts of an item's messages of a kind."""
        return [
            shown.text for shown in self.view.messages if shown.output_index == index and shown.kind is kind
        ]


def apply(events: Iterable[e.Event]) -> tuple[list[DisplayUpdate], DisplayView]:
    """The updates that events bring, as a screen shows them."""
    view, screen = DisplayView(BASE), Screen()
    updates = []
    for event in events:
        for update in view.apply(event):
            screen.show(update)
            updates.append(update)
    screen.check(view)
    return updates, view


def show(dialect: str, payloads: Iterable[JSON], *, end: str = "close", **options: Any) -> Shown:
    """Runs payloads through the parser and the view."""
    parser = ResponseParser(dialect, **options)
    for payload in payloads:
        parser.feed_payload(payload)
    events = list(parser.events())
    getattr(parser, end)()
    events += parser.events()
    return Shown(events, *apply(events), parser)


def again(view: DisplayView) -> DisplayView:
    """The same view in another process, as far as it can tell."""
    return DisplayView.resume(json.loads(json.dumps(view.getstate(), allow_nan=False)))


def with_a_state_at_every_event(events: Iterable[e.Event]) -> DisplayView:
    """The view that goes from process to process."""
    view, screen = DisplayView(BASE), Screen()
    for event in events:
        for update in view.apply(event):
            screen.show(update)
        view = again(view)
    screen.check(view)
    return view


def chunk(index: int = 0, finish: str | None = None, **delta: Any) -> JSON:
    """One chunk of a choice."""
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
    }


def tool(at: int, piece: str, name: str | None = None, **more: Any) -> JSON:
    """A fragment of a tool call, as a delta holds it."""
    named = {} if name is None else {"id": f"call_{at}", "type": "function"}
    function = {"arguments": piece} if name is None else {"name": name, "arguments": piece}
    return {"tool_calls": [{"index": at, **named, "function": function}], **more}


def whole(content: str) -> JSON:
    """A chunk that tells the message of its choice whole."""
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "message": {"content": content}}]}


def in_pieces(*contents: str) -> list[JSON]:
    """A text with reasoning between its pieces."""
    made: list[JSON] = []
    for number, content in enumerate(contents):
        if number:
            made.append(chunk(reasoning=str(number)))
        made.append(chunk(content=content))
    return made


def summary(index: int, delta: str, part: int = 0) -> JSON:
    return value("reasoning_summary_text.delta", index, summary_index=part, delta=delta)


def summaries(count: int, index: int = 0) -> list[JSON]:
    """A reasoning item with parts of its summary announced."""
    part = summary_text()
    parts = [value("reasoning_summary_part.added", index, summary_index=at, part=part) for at in range(count)]
    return [added(index, reasoning()), *parts]


def contents(item: JSON, *parts: JSON) -> list[JSON]:
    """An item with parts of its content announced."""
    return [added(0, item), *(part_added(0, part, at) for at, part in enumerate(parts))]


def thought(index: int, delta: str, part: int = 0) -> JSON:
    return value("reasoning_text.delta", index, content_index=part, delta=delta)


def hosted(kind: str, **fields: Any) -> JSON:
    return {"id": f"{kind}_1", "type": kind, "status": "in_progress", **fields}


APPROVAL = hosted("mcp_approval_request", name="delete", server_label="files", arguments='{"path":"/"}')
ENCRYPTED = reasoning(encrypted_content="gAAAA")
TOKENS = {"output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 7}}
LIFTS = (Lift(("message",), "text", tool="send"), Lift(("why",), "reasoning", remove=True))

# ------------------------------------------------------------------------------------------------ grouping

RESPONSES: dict[str, tuple[list[JSON], list[tuple[str, str]]]] = {
    "nothing": ([], []),
    "text": (streamed_message(0, "Hel", "lo"), [("text", "Hello")]),
    "an empty message is not shown": ([added(0, message(status="in_progress")), done(0, message())], []),
    "reasoning, text, call": (
        [
            added(0, reasoning()),
            summary(0, "Hm"),
            done(0, reasoning("Hm")),
            *streamed_message(1, "Yes"),
            *streamed_call(2, "{", "}"),
        ],
        [("reasoning", "Hm"), ("text", "Yes"), ("tool_call", "{}")],
    ),
    "summary parts": (
        [*summaries(3), summary(0, "a"), summary(0, "b"), summary(0, "c", 1), summary(0, "d", 2)],
        [("reasoning", "ab\n\nc\n\nd")],
    ),
    "an empty summary part": (
        [*summaries(3), summary(0, "a"), summary(0, "c", 2)],
        [("reasoning", "a\n\nc")],
    ),
    "summary parts that interleave": (
        [*summaries(2), summary(0, "a"), summary(0, "x", 1), summary(0, "b"), summary(0, "y", 1)],
        [("reasoning", "ab\n\nxy")],
    ),
    "raw reasoning has no separators": (
        [*contents(reasoning(), reasoning_text(), reasoning_text()), thought(0, "a"), thought(0, "b", 1)],
        [("reasoning", "ab")],
    ),
    "raw reasoning and its summary are two messages": (
        [added(0, reasoning()), thought(0, "raw"), summary(0, "short"), thought(0, "er")],
        [("reasoning", "rawer"), ("reasoning", "short")],
    ),
    "two reasoning items": (
        [added(0, reasoning()), summary(0, "a"), added(1, reasoning(id="rs_2")), summary(1, "b")],
        [("reasoning", "a"), ("reasoning", "b")],
    ),
    "text parts are one message": (
        [*contents(message(), output_text(), output_text()), text(0, "a"), text(0, "b", 1)],
        [("text", "ab")],
    ),
    "text, refusal, text": (
        [
            *contents(message(), output_text(), refusal(), output_text()),
            text(0, "a"),
            value("refusal.delta", 0, content_index=1, delta="no"),
            text(0, "b", 2),
        ],
        [("text", "a"), ("refusal", "no"), ("text", "b")],
    ),
    "messages that interleave": (
        [
            added(0, message()),
            added(1, message(id="msg_2")),
            text(0, "a"),
            text(1, "x"),
            text(0, "b"),
            text(1, "y"),
        ],
        [("text", "ab"), ("text", "xy")],
    ),
    "calls that interleave": (
        [
            added(0, call(status="in_progress")),
            added(1, call(id="fc_2", call_id="call_2", status="in_progress")),
            arguments(0, '{"a":'),
            arguments(1, "{"),
            arguments(0, "1}"),
            arguments(1, "}"),
        ],
        [("tool_call", '{"a":1}'), ("tool_call", "{}")],
    ),
    "a call without arguments": ([added(0, call())], [("tool_call", "{}")]),
    "a call that is told whole": ([done(0, call('{"a":1}'))], [("tool_call", '{"a":1}')]),
    "a custom call": (
        [added(0, custom_call()), value("custom_tool_call_input.delta", 0, delta="ls")],
        [("tool_call", "ls")],
    ),
    "text after a call": (
        [*streamed_message(0, "a"), *streamed_call(1, "{}"), *streamed_message(2, "b", id="msg_2")],
        [("text", "a"), ("tool_call", "{}"), ("text", "b")],
    ),
    "what the end of the response adds belongs to its item": (
        [
            added(0, message()),
            text(0, "Hel"),
            *streamed_call(1, "{}"),
            completed(message("Hello"), call("{}")),
        ],
        [("text", "Hello"), ("tool_call", "{}")],
    ),
    "a text that is replaced": (
        [
            *contents(message(), output_text(), output_text()),
            text(0, "a"),
            text(0, "b", 1),
            done(0, message("c", "bd")),
        ],
        [("text", "cbd")],
    ),
    "a summary that is replaced": (
        [*summaries(2), summary(0, "a"), summary(0, "b", 1), done(0, reasoning("c", "d"))],
        [("reasoning", "c\n\nd")],
    ),
    "arguments that are replaced": (
        [added(0, call(status="in_progress")), arguments(0, "{"), done(0, call("[1]"))],
        [("tool_call", "[1]")],
    ),
    "a request for approval": (
        [added(0, APPROVAL), done(0, APPROVAL)],
        [("approval_request", '{"path":"/"}')],
    ),
    "a request for approval that grows": (
        [
            added(0, {**APPROVAL, "arguments": ""}),
            added(0, {**APPROVAL, "arguments": "{"}),
            done(0, APPROVAL),
        ],
        [("approval_request", '{"path":"/"}')],
    ),
    "a request for approval that is told otherwise": (
        [added(0, APPROVAL), done(0, {**APPROVAL, "arguments": "{}"})],
        [("approval_request", "{}")],
    ),
    "encrypted reasoning": (
        [added(0, ENCRYPTED), done(0, ENCRYPTED), *streamed_message(1, "Hi")],
        [("hidden_reasoning", ""), ("text", "Hi")],
    ),
    "encrypted reasoning beside a shown one": (
        [
            done(0, ENCRYPTED),
            added(1, reasoning(id="rs_2")),
            summary(1, "a"),
            done(1, reasoning("a", id="rs_2")),
        ],
        [("hidden_reasoning", ""), ("reasoning", "a")],
    ),
    "reasoning that is shown late": (
        [done(0, ENCRYPTED), *streamed_message(1, "Hi"), completed(reasoning("Hm"), message("Hi"))],
        [("reasoning", "Hm"), ("text", "Hi")],
    ),
    "a refusal in a hidden reasoning item": (
        [done(0, ENCRYPTED), completed({**ENCRYPTED, "content": [refusal("no")]})],
        [("hidden_reasoning", ""), ("refusal", "no")],
    ),
    "reasoning that is only counted": (
        [*streamed_message(0, "Hi"), completed(message("Hi"), usage=TOKENS)],
        [("text", "Hi"), ("hidden_reasoning", "")],
    ),
    "a hosted tool": (
        [
            added(0, hosted("web_search_call")),
            value("web_search_call.searching", 0),
            value("web_search_call.searching", 0),
            done(0, hosted("web_search_call", action={"query": "x"})),
        ],
        [("tool_call", "")],
    ),
    "code": (
        [
            added(0, hosted("code_interpreter_call", code="")),
            value("code_interpreter_call_code.delta", 0, delta="1+"),
            value("code_interpreter_call_code.delta", 0, delta="1"),
        ],
        [("tool_call", "1+1")],
    ),
    "a patch": (
        [
            added(0, hosted("apply_patch_call")),
            value("apply_patch_call_operation_diff.delta", 0, delta="-a"),
        ],
        [("tool_call", "-a")],
    ),
    "commands and their output": (
        [
            added(0, hosted("shell_call")),
            value("shell_call_command.delta", 0, command_index=0, delta="ls"),
            value("shell_call_command.delta", 0, command_index=1, delta="pwd"),
            added(1, hosted("shell_call_output")),
            value(
                "shell_call_output_content.delta", 1, command_index=0, delta={"stdout": "a", "stderr": "!"}
            ),
            value("shell_call_output_content.delta", 1, command_index=0, delta={"stdout": "b"}),
        ],
        [("tool_call", "ls\npwd"), ("tool_output", "ab!")],
    ),
    "a call and its output": (
        [
            added(0, hosted("mcp_call", name="read", arguments="")),
            value("mcp_call_arguments.delta", 0, delta="{}"),
            value("mcp_call_output.delta", 0, delta="42"),
        ],
        [("tool_call", "{}"), ("tool_output", "42")],
    ),
    "items that are nothing to look at": (
        [
            added(0, hosted("mcp_list_tools")),
            added(1, hosted("compaction")),
            {"type": "ping"},
            {"type": "acme"},
        ],
        [],
    ),
    "an item that gets its type late": (
        [added(0, {"id": "fc_1"}), arguments(0, "{}"), done(0, call("{}"))],
        [("tool_call", "{}")],
    ),
    "spoken output": (
        [{"type": "response.audio.transcript.delta", "delta": piece} for piece in ("Hel", "lo")],
        [("text", "Hello")],
    ),
}

CHAT: dict[str, tuple[list[JSON], list[tuple[str, str]]]] = {
    "text": ([chunk(content="Hel"), chunk(content="lo")], [("text", "Hello")]),
    "reasoning, text, call, text": (
        [
            chunk(reasoning_content="Hm"),
            chunk(reasoning_content="m"),
            chunk(content="Let me"),
            chunk(content=" see"),
            chunk(**tool(0, "{", "look")),
            chunk(**tool(0, "}")),
            chunk(content="Done"),
            chunk(content="."),
        ],
        [("reasoning", "Hmm"), ("text", "Let me see"), ("tool_call", "{}"), ("text", "Done.")],
    ),
    "reasoning and text by turns": (
        [chunk(reasoning="a"), chunk(content="b"), chunk(reasoning="c"), chunk(content="d")],
        [("reasoning", "a"), ("text", "b"), ("reasoning", "c"), ("text", "d")],
    ),
    "text, refusal, text": (
        [chunk(content="a"), chunk(refusal="no"), chunk(content="b")],
        [("text", "a"), ("refusal", "no"), ("text", "b")],
    ),
    "calls that interleave": (
        [
            chunk(**tool(0, '{"a":', "look")),
            chunk(**tool(1, '{"b":', "look")),
            chunk(**tool(0, "1}")),
            chunk(**tool(1, "2}")),
        ],
        [("tool_call", '{"a":1}'), ("tool_call", '{"b":2}')],
    ),
    "text goes on beside a call that had begun before it": (
        [
            chunk(**tool(0, '{"a":', "look")),
            chunk(content="Hel"),
            chunk(**tool(0, "1}")),
            chunk(content="lo"),
        ],
        [("tool_call", '{"a":1}'), ("text", "Hello")],
    ),
    "choices": (
        [chunk(0, content="a"), chunk(1, content="x"), chunk(0, content="b"), chunk(1, content="y")],
        [("text", "ab"), ("text", "xy")],
    ),
    "a call of one choice is nothing to the other": (
        [
            chunk(0, content="a"),
            chunk(1, content="x"),
            chunk(1, **tool(0, "{}", "look")),
            chunk(0, content="b"),
            chunk(1, content="y"),
        ],
        [("text", "ab"), ("text", "x"), ("tool_call", "{}"), ("text", "y")],
    ),
    "a text in three pieces, the second of which was wrong": (
        [*in_pieces("ab", "cd", "ef"), whole("ab?f"), chunk(content="g")],
        [("text", "ab"), ("reasoning", "1"), ("text", "?f"), ("reasoning", "2"), ("text", "g")],
    ),
    "a text in three pieces, the last of which was wrong": (
        [*in_pieces("ab", "cd", "ef"), whole("abcd!"), chunk(content="g")],
        [("text", "ab"), ("reasoning", "1"), ("text", "cd"), ("reasoning", "2"), ("text", "!g")],
    ),
    "a text in three pieces that is replaced twice": (
        [*in_pieces("ab", "cd", "ef"), whole("x"), whole("y"), chunk(content="g")],
        [("text", "y"), ("reasoning", "1"), ("text", ""), ("reasoning", "2"), ("text", "g")],
    ),
    "encrypted reasoning": (
        [
            chunk(reasoning_details=[{"type": "reasoning.encrypted", "data": "gAAAA", "index": 0}]),
            chunk(content="Hi"),
        ],
        [("text", "Hi"), ("hidden_reasoning", "")],
    ),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_grouping_of_responses(name: str) -> None:
    """What a stream of the Responses API shows, message by message."""
    payloads, rows = RESPONSES[name]
    end = [] if any(payload["type"] == "response.completed" for payload in payloads) else [completed()]
    shown = show("responses", [created(), *payloads, *end])
    assert shown.rows == rows
    assert with_a_state_at_every_event(shown.events).messages == shown.view.messages


@pytest.mark.parametrize("name", CHAT)
def test_grouping_of_chat(name: str) -> None:
    """What a stream of Chat Completions shows, message by message."""
    payloads, rows = CHAT[name]
    indexes = sorted({choice["index"] for payload in payloads for choice in payload["choices"]})
    ends = [chunk(index, "stop") for index in indexes]
    shown = show("chat", [*payloads, *ends])
    assert shown.rows == rows
    assert with_a_state_at_every_event(shown.events).messages == shown.view.messages


def test_the_tables_cover_every_event() -> None:
    """Every class of event that there is shows something, or is known to show nothing."""
    silent = {
        e.ResponseStarted,
        e.StatusChanged,
        e.ChoiceUpdated,
        e.UsageReported,
        e.RateLimitsReported,
        e.PartStarted,
        e.PartFinished,
        e.ValueFinished,
        e.AnnotationAdded,
        e.PartialImage,
        e.AudioDelta,
        e.Heartbeat,
        e.Notice,
        e.UnknownEvent,
    }
    assert silent | set(HANDLERS) == set(get_args(e.Event))
    assert not silent & set(HANDLERS)


# ------------------------------------------------------------------------------------------- approval, lifts


@pytest.mark.parametrize(
    ("dialect", "payloads"),
    [
        ("responses", [created(), *streamed_call(0, "{", "}"), completed(call("{}"))]),
        ("responses", [created(), added(0, call(name="")), done(0, call("{}")), completed()]),
        ("responses", [created(), done(0, custom_call("{}", name="tick")), completed()]),
        ("chat", [chunk(**tool(0, "{", "tick")), chunk(**tool(0, "}")), chunk(finish="tool_calls")]),
    ],
)
def test_calls_that_need_approval(dialect: str, payloads: list[JSON]) -> None:
    """A call that needs approval is a request for it, from when its name is known."""
    shown = show(dialect, payloads, approval_required={"tick"})
    assert shown.rows == [("approval_request", "{}")]
    assert shown.view.message(0).name == "tick"
    assert show(dialect, payloads).rows == [("tool_call", "{}")]


@pytest.mark.parametrize("removed", [True, False])
@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_lifted_text(dialect: str, removed: bool) -> None:
    """What is lifted out of two calls at once is a message for each call, beside the calls."""
    pieces = ['{"why":"be', 'cause","message":"Hel', 'lo"}']
    if dialect == "responses":
        payloads = [added(0, call(name="send")), added(1, call(id="fc_2", call_id="call_2", name="send"))]
        payloads += [*(arguments(index, piece) for piece in pieces for index in (0, 1)), completed()]
    else:
        payloads = [chunk(**tool(index, "", "send")) for index in (0, 1)]
        payloads += [chunk(**tool(index, piece)) for piece in pieces for index in (0, 1)]
        payloads += [chunk(finish="tool_calls")]
    lifts = [attrs.evolve(lift, remove=removed) for lift in LIFTS]
    kept = "{}" if removed else "".join(pieces)
    shown = show(dialect, payloads, lifts=lifts)
    assert shown.rows == [
        ("tool_call", kept),
        ("tool_call", kept),
        ("reasoning", "because"),
        ("reasoning", "because"),
        ("text", "Hello"),
        ("text", "Hello"),
    ]
    assert [message.name for message in shown.view.messages] == ["send"] * 6
    assert [message.output_index for message in shown.view.messages] == [0, 1] * 3


def test_lifted_texts_of_one_call() -> None:
    """Two strings lifted out of one call are apart by a blank line, and text after them is a new message."""
    lifts = [Lift(("title",), "text"), Lift(("body",), "text")]
    told = '{"title":"One","body":"Two"}'
    payloads = [chunk(content="a"), chunk(**tool(0, told, "send")), chunk(content="b", finish="stop")]
    assert show("chat", payloads, lifts=lifts).rows == [
        ("text", "a"),
        ("tool_call", told),
        ("text", "One\n\nTwo"),
        ("text", "b"),
    ]


# ------------------------------------------------------------------------------------------------- the end

ENDS: list[tuple[str, list[JSON], str, tuple[str, str] | None]] = [
    ("responses", [created(), completed()], "close", None),
    ("responses", [created()], "close", ("stopped", "truncated")),
    ("responses", [created()], "cancel", ("stopped", "cancelled")),
    (
        "responses",
        [created(), completed(type="response.cancelled", status="cancelled")],
        "close",
        ("stopped", "cancelled"),
    ),
    ("responses", [created(), completed(type="response.incomplete")], "close", ("stopped", "incomplete")),
    (
        "responses",
        [completed(type="response.incomplete", incomplete_details={"reason": "max_output_tokens"})],
        "close",
        ("stopped", "max_output_tokens"),
    ),
    (
        "responses",
        [completed(type="response.failed", error={"code": "server_error", "message": "It broke."})],
        "close",
        ("error", "It broke."),
    ),
    ("responses", [completed(type="response.failed", error={"code": "odd"})], "close", ("error", "odd")),
    ("responses", [completed(type="response.failed")], "close", ("error", "unknown")),
    (
        "responses",
        [
            created(),
            {"type": "error", "error": {"message": "Hm."}},
            completed(type="response.failed", error={"code": "server_error", "message": "The cause."}),
        ],
        "close",
        ("error", "The cause."),
    ),
    ("chat", [chunk(finish="stop")], "close", None),
    ("chat", [chunk(finish="length")], "close", ("stopped", "length")),
    ("chat", [{"error": {"message": "No."}}], "close", ("error", "No.")),
]


@pytest.mark.parametrize(("dialect", "payloads", "end", "row"), ENDS)
def test_ends(dialect: str, payloads: list[JSON], end: str, row: tuple[str, str] | None) -> None:
    """A response that did not end whole ends with a message that says why."""
    shown = show(dialect, payloads, end=end)
    assert shown.rows == ([] if row is None else [row])
    assert [message.finished for message in shown.view.messages] == [True] * len(shown.rows)


def test_a_failure_without_a_report() -> None:
    """A response that failed without a reported error ends with a message all the same."""
    finished = show("chat", [{"error": {"message": "No."}}]).events[-1]
    assert [(update.kind, update.text) for update in apply([finished])[0]] == [("stopped", "failed")]


def test_reasoning_that_was_cut_off() -> None:
    """A response that ends while it has shown nothing of its reasoning says that it reasoned."""
    assert show("responses", [created(), added(0, reasoning())]).rows == [
        ("hidden_reasoning", ""),
        ("stopped", "truncated"),
    ]


# ------------------------------------------------------------------------------------------------- messages


def test_what_a_message_tells() -> None:
    """A message tells of its item what a user interface needs beside the text."""
    head = [created(), added(0, hosted("web_search_call")), value("web_search_call.searching", 0)]
    parser = ResponseParser()
    for payload in head:
        parser.feed_payload(payload)
    updates, view = apply(parser.events())
    assert [(update.text, view.message(update.index).status) for update in updates] == [("", "searching")] * 2
    assert view.message(0) == DisplayMessage(
        id="answer-7-0",
        index=0,
        kind=DisplayKind.TOOL_CALL,
        parts=(),
        output_index=0,
        choice_index=None,
        name="web_search_call",
        call_id=None,
        status="searching",
        finished=False,
    )
    parser.feed_payload(done(0, {**hosted("web_search_call"), "status": "completed"}))
    assert [len(view.apply(event)) for event in parser.events()] == [1]
    assert (view.message(0).status, view.message(0).finished) == ("completed", True)


def test_what_a_call_tells() -> None:
    """A call has its name and what its result has to name, a request for approval what its answer has to."""
    shown = show("responses", [created(), added(0, call()), added(1, APPROVAL), *streamed_message(2, "Hi")])
    told = [(message.name, message.call_id, message.finished) for message in shown.view.messages[:3]]
    assert told == [
        ("tick", "call_1", False),
        ("delete", "mcp_approval_request_1", False),
        (None, None, True),
    ]
    chosen = show("chat", [chunk(0, content="a"), chunk(1, content="b")]).view.messages
    assert [message.choice_index for message in chosen] == [0, 1, None]


def test_updates_of_a_late_name() -> None:
    """A name that is told late is an update, and what changes nothing is none."""
    payloads = [created(), added(0, call(name="", status="in_progress")), arguments(0, "{}")]
    shown = show("responses", [*payloads, added(0, call(status="in_progress", note=1)), done(0, call("{}"))])
    kinds = [type(event).__name__ for event in shown.events if DisplayView(BASE).apply(event)]
    assert kinds == ["ItemStarted", "ArgumentsDelta", "ItemUpdated", "ItemFinished", "ResponseFinished"]
    assert [update.text for update in shown.updates] == ["", "{}", "", "", "truncated"]


def test_only_the_parts_that_change() -> None:
    """An update names the part of a message that changes, and no other text."""
    payloads, _ = RESPONSES["a summary that is replaced"]
    updates = [attrs.astuple(update)[3:] for update in show("responses", [created(), *payloads]).updates]
    assert updates[:4] == [("a", 0, False), ("\n\nb", 1, False), ("c", 0, True), ("\n\nd", 1, True)]


def test_message_by_index() -> None:
    """A message is had by its index, from the end as well."""
    view = show("responses", [created(), *streamed_message(0, "Hi"), completed()]).view
    assert view.message(0) == view.message(-1) == view.messages[0]
    assert view.message(0).text == "Hi"
    assert "Hi" in repr(view.message(0))
    for index in (1, -2):
        with pytest.raises(IndexError):
            view.message(index)


def test_a_view_that_comes_late() -> None:
    """A view that did not see an item begin shows what it sees."""
    events = [
        e.TextDelta(3, 0, "lo"),
        e.ItemProgress(4, "searching"),
        e.ValueReplaced(5, "code", "1"),
        e.ErrorReported(ResponseError(ErrorKind.TIMEOUT)),
    ]
    view = apply(events)[1]
    assert [(message.kind, message.text) for message in view.messages] == [
        ("text", "lo"),
        ("tool_call", "1"),
        ("error", "timeout"),
    ]
    events = show("chat", [chunk(content="a"), chunk(content="b", finish="stop")]).events
    late = [event for event in events if not isinstance(event, e.ItemStarted)]
    told = next(event for event in events if isinstance(event, e.ItemFinished))
    late.insert(late.index(next(event for event in late if isinstance(event, e.TextDelta))) + 1, told)
    assert "".join(message.text for message in apply(late)[1].messages) == "ab"


# ------------------------------------------------------------------------------------------- any stream


def run(stream: Stream, chunks: Iterable[bytes]) -> tuple[list[e.Event], ResponseParser]:
    """The events of a stream."""
    parser = ResponseParser(stream.dialect)
    events: list[e.Event] = []
    for piece in chunks:
        parser.feed(piece)
        events += parser.events()
    parser.close()
    return [*events, *parser.events()], parser


@given(streams(), st.data())
def test_chunking_changes_nothing(stream: Stream, data: st.DataObject) -> None:
    """However the bytes are cut, updates, ids and messages are the same."""
    updates, view = apply(run(stream, [stream.body])[0])
    told, other = apply(run(stream, data.draw(chunkings(stream.body)))[0])
    assert told == updates
    assert other.messages == view.messages
    assert other.getstate() == view.getstate()


@given(streams(), st.data())
def test_resuming_changes_nothing(stream: Stream, data: st.DataObject) -> None:
    """A stream that goes on in another process after any event has the same updates, ids and messages."""
    events, _ = run(stream, [stream.body])
    updates, view = apply(events)
    parser, other = ResponseParser(stream.dialect), DisplayView(BASE)
    parser.feed(stream.body)
    told: list[DisplayUpdate] = []
    for _ in events:
        event = parser.next_event()
        if event is None:
            parser.close()
            event = parser.next_event()
        assert event is not None
        told += other.apply(event)
        if data.draw(st.integers(0, 3)) == 0:
            before = other.messages
            parser = resumed(parser)
            other = again(other)
            assert other.messages == before
    assert told == updates
    assert other.messages == view.messages
    assert other.getstate() == view.getstate()


@given(streams())
def test_all_that_is_said_is_shown(stream: Stream) -> None:
    """The messages of an item, joined, are what it says; and indexes rise by one."""
    events, parser = run(stream, [stream.body])
    updates, view = apply(events)
    assert list(dict.fromkeys(update.index for update in updates)) == list(range(len(view.messages)))
    shown = Shown(events, updates, view, parser)
    if stream.dialect == "chat":
        first = [(each.kind, each.output_index) for each in view.messages if each.choice_index == 0]
        assert all(one != other for one, other in pairwise(first))
    for index, item in enumerate(parser.response.output):
        match item:
            case Message():
                said = "".join(part.text for part in item.content if isinstance(part, OutputText))
                refused = "".join(part.refusal for part in item.content if isinstance(part, Refusal))
                assert "".join(shown.of(index, DisplayKind.TEXT)) == said
                assert "".join(shown.of(index, DisplayKind.REFUSAL)) == refused
            case Reasoning():
                raw, short = (attrs.evolve(item, **{name: ()}).text for name in ("summary", "content"))
                thoughts = shown.of(index, DisplayKind.REASONING)
                if stream.dialect == "chat":
                    thoughts = ["".join(thoughts)]
                assert sorted(thoughts) == sorted(thought for thought in (raw, short) if thought)
                assert len(shown.of(index, DisplayKind.HIDDEN_REASONING)) == (not thoughts)
            case _:
                told = [item.data.get(name) for name in ("arguments", "input", "code")]
                said = "".join(text for text in told if isinstance(text, str))
                said += "".join(item.data.get("action", {}).get("commands", ()))
                calls = shown.of(index, DisplayKind.TOOL_CALL)
                if isinstance(item, OtherItem) and not item.type.endswith("_call"):
                    assert len(calls) <= 1  # of what another wire's tools stream, their input alone
                else:
                    assert calls == [said or "{}" if isinstance(item, FunctionCall) else said]


@given(damaged_bodies())
def test_damaged_streams(damaged: tuple[str, bytes]) -> None:
    """Whatever a stream brings can be shown, and a state at any event is as good as the view."""
    dialect, body = damaged
    events = play(body, dialect).events
    assert with_a_state_at_every_event(events).messages == apply(events)[1].messages


RECORDED = sorted(
    path
    for dialect in ("responses", "chat", "anthropic", "gemini")
    for path in (FIXTURES / dialect).glob("*.sse")
)
GROUPS: list[tuple[set[str], set[str]]] = [
    ({"text", "refusal"}, {"text", "refusal"}),
    ({"summary", "reasoning"}, {"reasoning", "hidden_reasoning"}),
    ({"arguments", "code", "diff", "command"}, {"tool_call", "approval_request"}),
    ({"stdout", "stderr", "output"}, {"tool_output"}),
]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recorded_streams(path: Path) -> None:
    """Of each recorded stream all is shown, and a state at any event is as good as the view."""
    parser = ResponseParser(path.parent.name)
    parser.feed(path.read_bytes())
    parser.close()
    ledger, screen, view = Ledger(), Screen(), DisplayView(BASE)
    events = list(parser.events())
    for number, event in enumerate(events):
        ledger.add(event)
        for update in view.apply(event):
            screen.show(update)
        if number % (1 + len(events) // 50) == 0:
            view = again(view)
    screen.check(view)
    for index in {index for _, index, _ in ledger.values}:
        for kinds, shown in GROUPS:
            said = [text for (kind, at, _), text in ledger.values.items() if at == index and kind in kinds]
            seen = [each.text for each in view.messages if each.output_index == index and each.kind in shown]
            # Separators and the order of pieces aside.
            assert sorted("".join(seen).replace("\n", "")) == sorted("".join(said).replace("\n", ""))


# ------------------------------------------------------------------------------------------------- state


def test_the_state_is_a_copy() -> None:
    """A state stays as it is while the view goes on."""
    view = DisplayView(BASE)
    view.apply(e.TextDelta(0, 0, "a"))
    state = view.getstate()
    view.apply(e.TextDelta(0, 0, "b"))
    assert DisplayView.resume(state).message(0).text == "a"
    assert json.loads(json.dumps(state)) == state


def broken(change: Callable[[dict[str, Any]], object]) -> Any:
    state = show("chat", [chunk(content="a")]).view.getstate()
    change(state)
    return state


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        [],
        broken(lambda state: state.update(version=2)),
        broken(lambda state: state.pop("base_id")),
        broken(lambda state: state.update(origins=5)),
        broken(lambda state: state.update(origins=[])),
        broken(lambda state: state.update(origins=[[0, {"colour": 1}]])),
        broken(lambda state: state.update(messages=[["shout", 0, []]])),
        broken(lambda state: state.update(messages=[["text", 7, []]])),
        broken(lambda state: state.update(messages=[["text", 0]])),
        broken(lambda state: state.update(messages=[["text", 0, [["text", 0, 5]]]])),
        broken(lambda state: state.update(messages=[["text", 0, [["text", {}, "a"]]]])),
    ],
)
def test_damaged_states(state: Any) -> None:
    """What is no state of a view is the caller's mistake."""
    with pytest.raises(UsageError, match="not a state of DisplayView"):
        DisplayView.resume(state)


# ------------------------------------------------------------------------------------------------- cost


def deltas(count: int) -> list[e.Event]:
    return [e.TextDelta(0, 0, "word ") for _ in range(count)]


def by_turns(count: int) -> list[e.Event]:
    return [e.ArgumentsDelta(index % 50, "word ") for index in range(count)]


def contradictions(count: int) -> list[e.Event]:
    long = e.TextDelta(0, 0, "x" * 50 * count)
    return [long, e.TextDelta(0, 1, "y"), *(e.ValueReplaced(0, "text", "word", 1) for _ in range(count))]


def turns_of_a_choice(count: int) -> list[e.Event]:
    voices = [chunk(content="word "), chunk(reasoning="word ")]
    return show("chat", [voices[index % 2] for index in range(count // 4)]).events


@pytest.mark.parametrize("make", [deltas, by_turns, contradictions, turns_of_a_choice])
def test_linear(make: Callable[[int], list[e.Event]]) -> None:
    """The cost of an event does not grow with what was shown before it."""

    def cost(count: int) -> float:
        events, best = make(count), float("inf")
        for _ in range(3):
            view = DisplayView(BASE)
            start = time.process_time()
            for event in events:
                view.apply(event)
            assert view.messages
            best = min(best, time.process_time() - start)
        return best / count

    assert cost(16_000) < 4 * cost(1_000)
