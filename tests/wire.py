"""One way to run payloads and bodies, and the laws that every run must keep.

The payloads themselves are made by `deltafold.testing.payloads`, whose names are here as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from deltafold.model import events as e
from deltafold.model.anomalies import Anomaly, AnomalyCode
from deltafold.model.items import CustomToolCall, FunctionCall
from deltafold.model.response import Outcome, Response
from deltafold.parsing.parser import ResponseParser
from deltafold.testing.payloads import *  # noqa: F403 - one place for tests to take all of it from
from deltafold.testing.payloads import JSON

FIXTURES = Path(__file__).parents[1] / "fixtures"

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


def check_laws(events: Iterable[e.Event], response: Response, *, ended: bool = True) -> None:
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


# ------------------------------------------------------------------------------------------------- one run


@attrs.frozen
class Run:
    """What came of some payloads."""

    events: list[e.Event]
    response: Response
    anomalies: list[AnomalyCode]
    parser: ResponseParser

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
        return list(self.response.to_dict()["output"])


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
    check_laws(events, parser.response, ended=ended)
    return Run(events, parser.response, [anomaly.code for anomaly in parser.anomalies], parser)


def frames(*payloads: Any) -> bytes:
    """Payloads as an event stream."""
    return b"".join(b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)


def run_bytes(body: bytes, *, end: str = "close", **options: Any) -> Run:
    """Feeds a body, ends the stream, and checks the laws."""
    parser = ResponseParser(**options)
    parser.feed(body)
    if end == "close":
        parser.close()
    events = list(parser.events())
    ended = end == "close" or any(isinstance(event, e.ResponseFinished) for event in events)
    check_laws(events, parser.response, ended=ended)
    return Run(events, parser.response, [anomaly.code for anomaly in parser.anomalies], parser)


# ------------------------------------------------------------------------------------------ whole bodies


@attrs.frozen
class Reading:
    """What came of a body."""

    events: list[e.Event]
    anomalies: tuple[Anomaly, ...]
    response: Response
    parser: ResponseParser

    @property
    def codes(self) -> set[AnomalyCode]:
        return {anomaly.code for anomaly in self.anomalies}


def read(chunks: list[bytes], **options: Any) -> Reading:
    """Feeds chunks, taking what comes after each."""
    parser = ResponseParser(**options)
    events: list[e.Event] = []
    for chunk in chunks:
        parser.feed(chunk)
        events += parser.events()
    parser.close()
    events += parser.events()
    return Reading(events, parser.anomalies, parser.response, parser)


def same(one: Reading, other: Reading) -> None:
    assert one.events == other.events
    assert one.anomalies == other.anomalies
    assert one.response == other.response
    assert one.response.to_dict() == other.response.to_dict()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [*sorted(places), len(data)]
    return [data[start:stop] for start, stop in zip([0, *ends], ends, strict=False)]


def resumed(parser: ResponseParser) -> ResponseParser:
    return ResponseParser.resume(json.loads(json.dumps(parser.snapshot())))


def outcome_of(run: Run) -> Outcome:
    """The outcome that the last event told."""
    finished = run.events[-1]
    assert isinstance(finished, e.ResponseFinished)
    return finished.outcome


def calls_of(response: Response) -> tuple[FunctionCall | CustomToolCall, ...]:
    """All calls of functions and custom tools, those included that were cut off."""
    return tuple(item for item in response.output if isinstance(item, (FunctionCall, CustomToolCall)))
