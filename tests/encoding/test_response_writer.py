"""ResponseWriter: which events a server's words are, one by one, whatever the wire makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import (
    ArgumentsDelta,
    CustomToolCall,
    ErrorKind,
    ErrorReported,
    Event,
    FunctionCall,
    Heartbeat,
    Item,
    ItemFinished,
    ItemStarted,
    Message,
    Outcome,
    OutputText,
    PartStarted,
    Reasoning,
    ReasoningDelta,
    ReasoningText,
    Refusal,
    RefusalDelta,
    Response,
    ResponseError,
    ResponseFinished,
    ResponseStarted,
    ResponseWriter,
    SummaryText,
    TextDelta,
    Usage,
    UsageError,
    UsageReported,
)
from deltafold.encoding import response_writer


class Heard:
    """In place of an encoder: keeps what it is given, and writes the number of each event."""

    def __init__(self, dialect: str, **options: Any) -> None:
        self.dialect = dialect
        self.options = options
        self.events: list[Event] = []
        self.losses = ()

    def encode(self, event: Event) -> bytes:
        """The number of the event."""
        self.events.append(event)
        return b"%d " % len(self.events)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Heard]:
    """All encoders that were made."""
    made: list[Heard] = []

    def encoder(dialect: str, **options: Any) -> Heard:
        made.append(Heard(dialect, **options))
        return made[-1]

    monkeypatch.setattr(response_writer, "StreamEncoder", encoder)
    return made


def output_text(text: str) -> OutputText:
    """A part of text."""
    return OutputText(text, (), (), {"type": "output_text", "text": text, "annotations": []})


def refused(text: str) -> Refusal:
    """A part of a refusal."""
    return Refusal(text, {"type": "refusal", "refusal": text})


def message(*parts: OutputText | Refusal) -> Message:
    """A message, which is whole once it has parts."""
    status = "completed" if parts else "in_progress"
    content = [part.data for part in parts]
    data = {"type": "message", "role": "assistant", "status": status, "content": content}
    return Message(None, parts, "assistant", status, None, None, data)


def thought(text: str) -> ReasoningText:
    """A part of reasoning."""
    return ReasoningText(text, {"type": "reasoning_text", "text": text})


def short(text: str) -> SummaryText:
    """A part of a summary."""
    return SummaryText(text, {"type": "summary_text", "text": text})


def reasoning(*, summary: tuple[SummaryText, ...] = (), content: tuple[ReasoningText, ...] = ()) -> Reasoning:
    """An item of reasoning."""
    data: dict[str, Any] = {"type": "reasoning", "summary": [part.data for part in summary]}
    if content:
        data["content"] = [part.data for part in content]
    return Reasoning(None, summary, content, None, None, None, data)


def call(call_id: str, name: str, arguments: str | None = None) -> FunctionCall:
    """A call of a function, which is whole once it has arguments."""
    whole = arguments is not None
    status = "completed" if whole else "in_progress"
    sent = {"call_id": call_id, "name": name, "arguments": arguments or ""}
    data = {"type": "function_call", "status": status, **sent}
    return FunctionCall(None, call_id, name, arguments or "", whole, status, False, None, data)


def custom(call_id: str, name: str, text: str | None = None) -> CustomToolCall:
    """A call of a custom tool, which is whole once it has an input."""
    whole = text is not None
    status = "completed" if whole else "in_progress"
    sent = {"call_id": call_id, "name": name, "input": text or ""}
    data = {"type": "custom_tool_call", "status": status, **sent}
    return CustomToolCall(None, call_id, name, text or "", whole, status, False, None, data)


def whole_response(outcome: Outcome, reason: str, *output: Item, **more: Any) -> Response:
    """The response of the last event."""
    return Response(
        "r",
        "m",
        str(outcome),
        outcome,
        output,
        more.get("usage"),
        more.get("error"),
        more.get("incomplete"),
        reason,
        {},
    )


def finished(outcome: Outcome, reason: str, *output: Item, **more: Any) -> ResponseFinished:
    """The last event."""
    return ResponseFinished(outcome, whole_response(outcome, reason, *output, **more))


def told(events: list[Event]) -> list[dict[str, Any]]:
    """All that events say, which is more than what makes them equal."""
    return [event.to_dict() for event in events]


STARTED = ResponseStarted("r", "m")
COMPLETED, INCOMPLETE = Outcome.COMPLETED, Outcome.INCOMPLETE
A_TEXT: list[Event] = [
    STARTED,
    ItemStarted(0, message()),
    PartStarted(0, 0, "content", output_text("")),
    TextDelta(0, 0, "a"),
]
"""How a response begins with the text "a"."""


def writer_of(**options: Any) -> ResponseWriter:
    """A writer of a response."""
    return ResponseWriter("chat", response_id="r", model="m", **options)


def test_who_writes_is_told_who_speaks(heard: list[Heard]) -> None:
    """The wire, the response and every option go to the encoder, and nothing is written yet."""
    ResponseWriter("gemini", response_id="r", model="m", created=5, custom_tools="function")
    ResponseWriter("chat")
    assert [(one.dialect, one.options) for one in heard] == [
        ("gemini", {"response_id": "r", "model": "m", "created": 5, "custom_tools": "function"}),
        ("chat", {"response_id": None, "model": None, "created": None}),
    ]
    assert [one.events for one in heard] == [[], []]


def test_a_response_begins_once(heard: list[Heard]) -> None:
    """By itself with what comes first, or when it is asked for; a heartbeat does not begin it."""
    writer = writer_of()
    assert writer.heartbeat() == b"1 "
    assert writer.begin() == b"2 "
    assert (writer.begin(), writer.end_item()) == (b"", b"")
    assert writer.text("a") == b"3 4 5 "
    assert told(heard[0].events) == told([Heartbeat("comment"), *A_TEXT])
    assert writer_of().text("a") == b"1 2 3 4 "
    assert writer_of().usage(1, 2) == b"1 2 "


def test_text_and_refusals(heard: list[Heard]) -> None:
    """Each in a message of its own, with one part, which ends when something else comes."""
    writer = writer_of()
    sent = [writer.text("a"), writer.text("b"), writer.refusal("c"), writer.refusal("d"), writer.text("e")]
    assert sent == [b"1 2 3 4 ", b"5 ", b"6 7 8 9 ", b"10 ", b"11 12 13 14 "]
    assert writer.finish() == b"15 16 "
    items = [message(output_text("ab")), message(refused("cd")), message(output_text("e"))]
    assert told(heard[0].events) == told(
        [
            *A_TEXT,
            TextDelta(0, 0, "b"),
            ItemFinished(0, items[0]),
            ItemStarted(1, message()),
            PartStarted(1, 0, "content", refused("")),
            RefusalDelta(1, 0, "c"),
            RefusalDelta(1, 0, "d"),
            ItemFinished(1, items[1]),
            ItemStarted(2, message()),
            PartStarted(2, 0, "content", output_text("")),
            TextDelta(2, 0, "e"),
            ItemFinished(2, items[2]),
            finished(COMPLETED, "stop", *items),
        ]
    )


def test_reasoning_and_its_summary(heard: list[Heard]) -> None:
    """Each in an item of its own, and in the group of its kind."""
    writer = writer_of()
    sent = [writer.reasoning("a"), writer.reasoning("b"), writer.reasoning("c", summary=True)]
    assert sent == [b"1 2 3 4 ", b"5 ", b"6 7 8 9 "]
    assert writer.reasoning("d", summary=True) + writer.end_item() == b"10 11 "
    items = [reasoning(content=(thought("ab"),)), reasoning(summary=(short("cd"),))]
    assert told(heard[0].events) == told(
        [
            STARTED,
            ItemStarted(0, reasoning()),
            PartStarted(0, 0, "content", thought("")),
            ReasoningDelta(0, 0, "a", "text"),
            ReasoningDelta(0, 0, "b", "text"),
            ItemFinished(0, items[0]),
            ItemStarted(1, reasoning()),
            PartStarted(1, 0, "summary", short("")),
            ReasoningDelta(1, 0, "c", "summary"),
            ReasoningDelta(1, 0, "d", "summary"),
            ItemFinished(1, items[1]),
        ]
    )
    assert writer.reasoning("e") == b"12 13 14 "


def test_calls(heard: list[Heard]) -> None:
    """Each call is an item, also behind one like it; ids that nobody gave are counted over all calls."""
    writer = writer_of()
    sent = [writer.call("f"), writer.call("g", "{", call_id="own"), writer.arguments("}")]
    assert sent == [b"1 2 ", b"3 4 5 ", b"6 "]
    sent = [writer.custom_call("p"), writer.custom_call("q", "x", call_id="also"), writer.arguments("y")]
    assert sent == [b"7 8 ", b"9 10 11 ", b"12 "]
    assert writer.call("h", "no JSON") == b"13 14 15 "
    assert writer.finish() == b"16 17 "
    broken = FunctionCall(
        None,
        "call_5",
        "h",
        "no JSON",
        False,
        "completed",
        False,
        None,
        call("call_5", "h", "no JSON").data,
    )
    items = [
        call("call_1", "f", "{}"),
        call("own", "g", "{}"),
        custom("call_3", "p", ""),
        custom("also", "q", "xy"),
        broken,
    ]
    assert told(heard[0].events) == told(
        [
            STARTED,
            ItemStarted(0, call("call_1", "f")),
            ItemFinished(0, items[0]),
            ItemStarted(1, call("own", "g")),
            ArgumentsDelta(1, "{"),
            ArgumentsDelta(1, "}"),
            ItemFinished(1, items[1]),
            ItemStarted(2, custom("call_3", "p")),
            ItemFinished(2, items[2]),
            ItemStarted(3, custom("also", "q")),
            ArgumentsDelta(3, "x"),
            ArgumentsDelta(3, "y"),
            ItemFinished(3, items[3]),
            ItemStarted(4, call("call_5", "h")),
            ArgumentsDelta(4, "no JSON"),
            ItemFinished(4, items[4]),
            finished(COMPLETED, "tool_calls", *items),
        ]
    )


@pytest.mark.parametrize("kind", ["nothing", "text", "refusal", "reasoning", "ended"])
def test_arguments_want_a_call_that_is_open(heard: list[Heard], kind: str) -> None:
    """Before any call, behind what else was said, and behind the end of the call they are refused."""
    writer = writer_of()
    if kind == "ended":
        writer.call("f", "{}")
        writer.end_item()
    elif kind != "nothing":
        getattr(writer, kind)("a")
    before = told(heard[0].events)
    with pytest.raises(UsageError, match=r"^no call is open: call\(\) begins one$"):
        writer.arguments("{}")
    assert told(heard[0].events) == before


def test_what_was_counted_comes_with_the_end(heard: list[Heard]) -> None:
    """The latest count; the total is the sum of both."""
    writer = writer_of()
    writer.usage(1, 1)
    writer.usage(12, 9, cached_tokens=2, reasoning_tokens=3)
    writer.finish()
    counted = Usage(12, 9, 21, 2, None, 3)
    assert told(heard[0].events) == told(
        [
            STARTED,
            UsageReported(Usage(1, 1, 2, None, None, None)),
            UsageReported(counted),
            finished(COMPLETED, "stop", usage=counted),
        ]
    )


@pytest.mark.parametrize(
    ("given", "outcome", "reason", "incomplete"),
    [
        (None, COMPLETED, "stop", None),
        ("stop", COMPLETED, "stop", None),
        ("tool_calls", COMPLETED, "tool_calls", None),
        ("length", INCOMPLETE, "length", "max_output_tokens"),
        ("content_filter", INCOMPLETE, "content_filter", "content_filter"),
        ("a word of our own", COMPLETED, "a word of our own", None),
    ],
)
def test_how_a_response_ends(
    heard: list[Heard], given: str | None, outcome: Outcome, reason: str, incomplete: str | None
) -> None:
    """Limits are no success; any other word is one, and what was open is whole."""
    writer = writer_of()
    writer.text("a")
    assert writer.finish(given) == b"5 6 "
    item = message(output_text("a"))
    ends: list[Event] = [
        ItemFinished(0, item),
        finished(outcome, reason, item, incomplete=incomplete),
    ]
    assert told(heard[0].events) == told([*A_TEXT, *ends])


@pytest.mark.parametrize("said", [False, True])
def test_a_reason_that_nobody_gave(heard: list[Heard], said: bool) -> None:
    """A whole call is one, wherever it stands; a call that is none is not."""
    for call_arguments, reason in (("{}", "tool_calls"), ("no JSON", "stop")):
        writer = writer_of()
        writer.call("f", call_arguments)
        if said:
            writer.text("a")
        writer.finish()
        last = heard[-1].events[-1]
        assert isinstance(last, ResponseFinished)
        assert last.response.finish_reason == reason


def test_a_response_that_fails(heard: list[Heard]) -> None:
    """The error is told, and what was open stays open."""
    writer = writer_of()
    writer.text("a")
    assert writer.fail("busy", kind="overloaded", code="b", retryable=True) == b"5 6 "
    error = ResponseError(ErrorKind.OVERLOADED, "busy", "b", retryable=True)
    ends: list[Event] = [ErrorReported(error), finished(Outcome.FAILED, "error", error=error)]
    assert told(heard[0].events) == told([*A_TEXT, *ends])
    plain = writer_of()
    assert plain.fail("x") == b"1 2 "
    error = ResponseError(ErrorKind.SERVER_ERROR, "x", None, retryable=False)
    assert told(heard[1].events) == told(
        [ErrorReported(error), finished(Outcome.FAILED, "error", error=error)]
    )


def test_a_response_that_is_given_up(heard: list[Heard]) -> None:
    """What was whole by then is in it."""
    writer = writer_of()
    writer.text("a")
    writer.call("f")
    assert writer.cancel() == b"7 "
    assert writer_of().cancel() == b"1 2 "
    item = message(output_text("a"))
    assert told(heard[0].events) == told(
        [
            *A_TEXT,
            ItemFinished(0, item),
            ItemStarted(1, call("call_1", "f")),
            finished(Outcome.CANCELLED, "cancelled", item),
        ]
    )
    assert told(heard[1].events) == told([STARTED, finished(Outcome.CANCELLED, "cancelled")])


@pytest.mark.parametrize("end", ["finish", "fail", "cancel"])
def test_nothing_is_said_behind_the_end(heard: list[Heard], end: str) -> None:
    """Whatever is asked for: it is refused, and not written."""
    writer = writer_of()
    writer.fail("x") if end == "fail" else getattr(writer, end)()
    count = len(heard[0].events)
    for more in (
        writer.begin,
        writer.finish,
        writer.cancel,
        lambda: writer.fail("x"),
        lambda: writer.text("x"),
        lambda: writer.refusal("x"),
        lambda: writer.reasoning("x"),
        lambda: writer.call("f"),
        lambda: writer.custom_call("f"),
        lambda: writer.usage(1, 2),
    ):
        with pytest.raises(UsageError, match=r"^the response has ended$"):
            more()
    assert len(heard[0].events) == count


def test_a_kind_of_error_that_is_none(heard: list[Heard]) -> None:
    """The kinds that there are are told, and of a long one its beginning; the response goes on."""
    writer = writer_of()
    with pytest.raises(UsageError) as told_so:
        writer.fail("x", kind="y" * 99)
    assert str(told_so.value) == f"kind must be one of {', '.join(ErrorKind)}, not 'y" + "y" * 58
    assert writer.text("a") == b"1 2 3 4 "
