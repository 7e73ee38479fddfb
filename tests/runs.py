"""One way to run any stream, and the laws that hold of every run.

The payloads come from `deltafold.testing.payloads`, whose names are here as well. Whole streams, and what may
happen to them on their way, are drawn by `deltafold.testing.strategies`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import settings

from deltafold.__main__ import BUILD
from deltafold.model import events as e
from deltafold.model.anomalies import Anomaly, AnomalyCode
from deltafold.model.errors import LimitExceeded, WireError
from deltafold.model.items import CustomToolCall, FunctionCall
from deltafold.model.response import Outcome, Response
from deltafold.parsing.parser import ResponseParser
from deltafold.testing.payloads import *  # noqa: F403 - one place for tests to take all of it from
from deltafold.testing.payloads import JSON

FIXTURES = Path(__file__).parents[1] / "fixtures"
THOROUGH = settings().max_examples >= 1000
"""Whether this is a long run."""

# ------------------------------------------------------------------------------------------------- one run


@attrs.frozen
class Run:
    """What came of a stream."""

    events: list[e.Event]
    parser: ResponseParser
    fault: WireError | None = None

    @property
    def response(self) -> Response:
        """The response as it stands at the end of the run."""
        return self.parser.response

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """All that was out of order."""
        return self.parser.anomalies

    @property
    def codes(self) -> list[AnomalyCode]:
        """The codes of the anomalies, in order."""
        return [anomaly.code for anomaly in self.parser.anomalies]

    @property
    def everything(self) -> tuple[Any, ...]:
        """All of it, to be compared: not only by class and key, but by all that the server said."""
        fault = None if self.fault is None else (type(self.fault), str(self.fault))
        return [whole(event) for event in self.events], self.anomalies, fault, whole(self.response)

    def all(self, *kinds: type) -> list[Any]:
        """The events of these classes."""
        return [event for event in self.events if isinstance(event, kinds)]

    def names(self, *, of: int | None = None) -> list[str]:
        """The names of the events' classes; `of`: those alone that belong to this item."""
        chosen = [event for event in self.events if of is None or getattr(event, "output_index", None) == of]
        return [type(event).__name__ for event in chosen]

    def texts(self, kind: type) -> list[str]:
        """The fragments of one kind, in order."""
        return [event.text for event in self.all(kind)]

    def output(self) -> list[JSON]:
        """The items of the response as JSON."""
        return list(self.response.to_dict()["output"])


def whole(value: Any) -> Any:
    """A value with the data that equality of items looks at, and the class, which dicts would not show."""
    if isinstance(value, (Response, e.ResponseFinished)):
        return value, json.dumps(getattr(value, "response", value).to_dict())
    return value


def same(one: Run, other: Run) -> None:
    """Two runs gave the same, whatever way the stream took."""
    assert one.events == other.events
    assert one.anomalies == other.anomalies
    assert one.response == other.response
    assert one.response.to_dict() == other.response.to_dict()


def run(*payloads: Any, end: str = "close", parser: ResponseParser | None = None, **options: Any) -> Run:
    """Feeds payloads one by one, ends the stream (`close`, `cancel` or `none`), and checks the laws.

    The payloads must come out of it unchanged.
    """
    parser = ResponseParser(**options) if parser is None else parser
    before = json.dumps(payloads)
    events: list[e.Event] = []
    for payload in payloads:
        parser.feed_payload(payload)
        events += parser.events()
    if end == "close":
        parser.close()
    elif end == "cancel":
        parser.cancel()
    events += parser.events()
    assert json.dumps(payloads) == before, "a payload was changed"
    ended = end != "none" or any(isinstance(event, e.ResponseFinished) for event in events)
    check_events(events, parser.response, ended=ended)
    return Run(events, parser)


def play(
    chunks: bytes | Iterable[bytes], dialect: str = "responses", *, close: bool = True, **options: Any
) -> Run:
    """Feeds a stream and drains the parser after each chunk."""
    parser = ResponseParser(dialect, **options)
    events: list[e.Event] = []
    for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
        parser.feed(chunk)
        if (fault := drain(parser, events)) is not None:
            return Run(events, parser, fault)
    if close:
        parser.close()
    return Run(events, parser, drain(parser, events))


def read(
    dialect: str, chunks: bytes | Iterable[bytes], **options: Any
) -> tuple[list[e.Event], ResponseParser]:
    """All events of a stream, and the parser that gave them. A fault is raised."""
    parser = ResponseParser(dialect, **options)
    return list(parser.read([chunks] if isinstance(chunks, bytes) else chunks)), parser


def drain(parser: ResponseParser, events: list[e.Event]) -> WireError | None:
    """Takes what can be had. Gives the exception that stopped it, which must be a sticky one."""
    try:
        events.extend(parser.events())
    except WireError as fault:
        again = next_fault(parser)
        assert again is fault, f"the same exception object again, not {again!r}"  # noqa: PT017
        return fault
    return None


def next_fault(parser: ResponseParser) -> WireError | None:
    """The exception that the next call raises."""
    try:
        parser.next_event()
    except WireError as fault:
        return fault
    return None


def frames(*payloads: Any) -> bytes:
    """Payloads as an event stream."""
    return b"".join(b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Bytes in pieces, cut at these places."""
    ends = [*sorted(places), len(data)]
    return [data[start:stop] for start, stop in zip([0, *ends], ends, strict=False)]


def resumed(parser: ResponseParser) -> ResponseParser:
    """A parser that was a snapshot in between."""
    return ResponseParser.resume(json.loads(json.dumps(parser.snapshot())))


def outcome_of(run: Run) -> Outcome:
    """The outcome in the last event."""
    finished = run.events[-1]
    assert isinstance(finished, e.ResponseFinished)
    return finished.outcome


def calls_of(response: Response) -> tuple[FunctionCall | CustomToolCall, ...]:
    """All calls of functions and custom tools, those included that were cut off."""
    return tuple(item for item in response.output if isinstance(item, (FunctionCall, CustomToolCall)))


# -------------------------------------------------------------------------------------------- what it costs


def needs_python_code() -> None:
    """Skips what counts or replaces functions of the machine where those are compiled."""
    if BUILD == "compiled":
        pytest.skip("the machine is compiled: its functions can be neither counted nor replaced")


def count_calls(function: Callable[[], object]) -> Counter[str]:
    """How often a function makes Python and C calls, by name: its work, whatever the machine's speed."""
    needs_python_code()
    calls: Counter[str] = Counter()

    def profile(frame: Any, kind: str, argument: Any) -> None:
        if kind == "call":
            calls[frame.f_code.co_name] += 1
        elif kind == "c_call":
            calls[argument.__name__] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


# ------------------------------------------------------------------------------------------------ the laws

DELTAS = {
    e.TextDelta: lambda d: ("text", d.output_index, d.content_index),
    e.RefusalDelta: lambda d: ("refusal", d.output_index, d.content_index),
    e.ReasoningDelta: lambda d: (
        "summary" if d.kind == "summary" else "reasoning",
        d.output_index,
        d.part_index,
    ),
    e.ArgumentsDelta: lambda d: ("arguments", d.output_index, None),
    e.CodeDelta: lambda d: ("code", d.output_index, None),
    e.DiffDelta: lambda d: ("diff", d.output_index, None),
    e.OutputDelta: lambda d: ("output", d.output_index, None),
    e.CommandDelta: lambda d: ("command", d.output_index, d.command_index),
    e.CommandOutputDelta: lambda d: (d.stream, d.output_index, d.command_index),
}


class Ledger:
    """What the deltas handed out add up to."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, int, int | None], str] = {}

    def add(self, event: e.Event) -> None:
        if key_of := DELTAS.get(type(event)):
            key = key_of(event)
            self.values[key] = self.values.get(key, "") + event.text
            assert event.text, "an empty delta"
        elif isinstance(event, e.ValueReplaced | e.ValueFinished):
            index = event.part_index if event.content_index is None else event.content_index
            key = (event.kind, event.output_index, index)
            if isinstance(event, e.ValueReplaced):
                self.values[key] = event.text
            assert self.values.get(key, "") == event.text, "told whole, and not what was streamed"

    def check(self, response: Response) -> None:
        """The deltas, joined, are the values of the response, and the values are the deltas, joined."""
        streamed = Counter((kind, text) for (kind, _, _), text in self.values.items() if text)
        assert not (owed := streamed_values(response) - streamed), f"never handed out: {owed}"
        assert not (more := streamed - all_values(response)), f"handed out, and not in the response: {more}"


def objects(value: Any) -> list[JSON]:
    """The objects of a list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def streamed_values(response: Response) -> Counter[tuple[str, str]]:
    """Every text, refusal, reasoning, arguments and code of a response."""
    found: list[tuple[str, Any]] = []
    for item in response.to_dict()["output"]:
        content, summary = objects(item.get("content")), objects(item.get("summary"))
        match item.get("type"):
            case "message":
                found += [("text", part.get("text")) for part in content]
            case "reasoning":
                found += [("reasoning", part.get("text")) for part in content]
            case "function_call" | "mcp_call":
                found.append(("arguments", item.get("arguments")))
            case "custom_tool_call":
                found.append(("arguments", item.get("input")))
            case "code_interpreter_call":
                found.append(("code", item.get("code")))
        found += [("refusal", part.get("refusal")) for part in content]
        found += [("summary", part.get("text")) for part in summary]
    return strings(found)


def all_values(response: Response) -> Counter[tuple[str, str]]:
    """Those, and what only some items stream."""
    found: list[tuple[str, Any]] = []
    others: list[tuple[str, Any]] = []
    # A call that ended without arguments has `{}`, where its JSON keeps what the server said.
    found += [("arguments", item.arguments) for item in response.output if isinstance(item, FunctionCall)]
    for item in response.to_dict()["output"]:
        if item.get("type") != "function_call":
            found.append(("arguments", item.get("arguments")))
        found.append(("arguments", item.get("input")))
        found += [("code", item.get("code")), ("output", item.get("output"))]
        operation, action = item.get("operation"), item.get("action")
        if item.get("type") not in ("message", "reasoning"):  # an item of any other type may hold parts
            parts = objects(item.get("content"))
            others += [(kind, part.get("text")) for part in parts for kind in ("text", "reasoning")]
        found.append(("diff", operation.get("diff") if isinstance(operation, dict) else None))
        commands = action.get("commands") if isinstance(action, dict) else None
        found += [("command", command) for command in commands or () if isinstance(commands, list)]
        found += [(stream, entry.get(stream)) for entry in objects(item.get("output")) for stream in STREAMS]
    return (streamed_values(response) | strings(found)) + strings(others)


STREAMS = ("stdout", "stderr")


def strings(found: list[tuple[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((kind, text) for kind, text in found if isinstance(text, str) and text)


def check_response(response: Response) -> None:
    """A response is strict JSON, and has a UTF-8 form."""
    text = json.dumps(response.to_dict(), allow_nan=False, ensure_ascii=False)
    assert json.loads(text) == response.to_dict()
    text.encode()
    (response.output_text + response.reasoning_text + repr(response) + str(response)).encode()


def check_events(events: Iterable[e.Event], response: Response, *, ended: bool = True) -> None:
    """What holds of every stream, whatever it brought."""
    events = list(events)
    finished = [event for event in events if isinstance(event, e.ResponseFinished)]
    if ended:
        assert events[-1:] == finished, "not one end, or not last"
        assert finished[0].outcome is response.outcome
        assert finished[0].response == response
    else:
        assert finished == []
        assert response.outcome is None
    ledger = Ledger()
    for event in events:
        ledger.add(event)
    ledger.check(response)
    check_response(response)
    if response.outcome is Outcome.FAILED:
        assert response.error is not None, "failed without an error"
    for call in response.tool_calls:
        if isinstance(call, FunctionCall) and call.complete:
            json.loads(call.arguments, parse_constant=lambda word: 1 / 0)


def strings_in(value: Any) -> Iterator[str]:
    """All strings inside a JSON value."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        for member in value.values():
            yield from strings_in(member)
    if isinstance(value, list):
        for entry in value:
            yield from strings_in(entry)


def check_laws(run: Run, *, strict: bool = False) -> None:
    """What holds of every run, whatever the bytes were."""
    if run.fault is not None:
        assert strict or isinstance(run.fault, LimitExceeded), f"lenient mode raised {run.fault!r}"
    check_events(run.events, run.response, ended=run.fault is None)
    for event in run.events:
        repr(event)
    assert len(run.parser.anomalies) <= run.parser.anomaly_count
