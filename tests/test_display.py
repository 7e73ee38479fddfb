"""Display messages: how events are grouped, what each changes, and that ids stay what they are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import Lift, Message, Outcome, OutputText, Reasoning, Refusal, ResponseParser, UsageError
from deltafold import events as e
from deltafold.display import HANDLERS, DisplayKind, DisplayMessage, DisplayUpdate, DisplayView
from deltafold.errors import ErrorKind, ResponseError
from strategies import Stream, chunkings, responses_streams, texts
from wire import (
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
    frames,
    message,
    part_added,
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
            shown.text
            for shown in self.view.messages
            if shown.output_index == index and shown.kind is kind
        ]


def apply(events: Iterable[e.Event], view: DisplayView | None = None) -> tuple[list[DisplayUpdate], DisplayView]:
    """The updates that events bring, as a screen shows them."""
    view = DisplayView(BASE) if view is None else view
    screen = Screen()
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


def summary(index: int, delta: str, part: int = 0) -> JSON:
    return value("reasoning_summary_text.delta", index, summary_index=part, delta=delta)


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
        [added(0, reasoning()), summary(0, "a"), summary(0, "b"), summary(0, "c", 1), summary(0, "d", 2)],
        [("reasoning", "ab\n\nc\n\nd")],
    ),
    "an empty summary part": (
        [added(0, reasoning()), *(summary(0, delta, part) for part, delta in enumerate(["a", "", "c"]))],
        [("reasoning", "a\n\nc")],
    ),
    "summary parts that interleave": (
        [added(0, reasoning()), summary(0, "a"), summary(0, "x", 1), summary(0, "b"), summary(0, "y", 1)],
        [("reasoning", "ab\n\nxy")],
    ),
    "raw reasoning has no separators": (
        [added(0, reasoning()), thought(0, "a"), thought(0, "b", 1)],
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
        [added(0, message()), text(0, "a"), text(0, "b", 1)],
        [("text", "ab")],
    ),
    "text, refusal, text": (
        [
            added(0, message()),
            text(0, "a"),
            part_added(0, refusal(), 1),
            value("refusal.delta", 0, content_index=1, delta="no"),
            text(0, "b", 2),
        ],
        [("text", "a"), ("refusal", "no"), ("text", "b")],
    ),
    "messages that interleave": (
        [added(0, message()), added(1, message(id="msg_2")), text(0, "a"), text(1, "x"), text(0, "b"), text(1, "y")],
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
    "a call without arguments": ([added(0, call())], [("tool_call", "")]),
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
        [added(0, message()), text(0, "Hel"), *streamed_call(1, "{}"), completed(message("Hello"), call("{}"))],
        [("text", "Hello"), ("tool_call", "{}")],
    ),
    "a text that is replaced": (
        [added(0, message()), text(0, "a"), text(0, "b", 1), done(0, message("c", "bd"))],
        [("text", "cbd")],
    ),
    "a summary that is replaced": (
        [added(0, reasoning()), summary(0, "a"), summary(0, "b", 1), done(0, reasoning("c", "d"))],
        [("reasoning", "c\n\nd")],
    ),
    "arguments that are replaced": (
        [added(0, call(status="in_progress")), arguments(0, "{"), done(0, call("[]"))],
        [("tool_call", "[]")],
    ),
    "a request for approval": ([added(0, APPROVAL), done(0, APPROVAL)], [("approval_request", '{"path":"/"}')]),
    "a request for approval that grows": (
        [added(0, {**APPROVAL, "arguments": ""}), added(0, {**APPROVAL, "arguments": "{"}), done(0, APPROVAL)],
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
        [done(0, ENCRYPTED), added(1, reasoning(id="rs_2")), summary(1, "a"), done(1, reasoning("a", id="rs_2"))],
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
            value("shell_call_output_content.delta", 1, command_index=0, delta={"stdout": "a", "stderr": "!"}),
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
        [added(0, hosted("mcp_list_tools")), added(1, hosted("compaction")), {"type": "ping"}, {"type": "acme"}],
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
        [chunk(0, content="a"), chunk(1, content="x"), chunk(1, **tool(0, "{}", "look")), chunk(0, content="b"),
         chunk(1, content="y")],
        [("text", "ab"), ("text", "x"), ("tool_call", "{}"), ("text", "y")],
    ),
    "a text in pieces that is replaced": (
        [
            *(chunk(content="ab"), chunk(reasoning="?"), chunk(content="cd"), chunk(reasoning="!")),
            *(chunk(content="ef"), message_of("abcx"), chunk(content="yz")),
        ] if False else [],
        [],
    ),
    "encrypted reasoning": (
        [
            chunk(reasoning_details=[{"type": "reasoning.encrypted", "data": "gAAAA", "index": 0}]),
            chunk(content="Hi"),
        ],
        [("text", "Hi"), ("hidden_reasoning", "")],
    ),
}
