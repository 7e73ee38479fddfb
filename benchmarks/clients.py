"""Everything that reads the streams: what any client must do at least, deltafold, and its peers.

A client is given a stream and its chunks once, outside the clock, and gives a `Reading`: what is timed, and
what the result of that says. Peers that are not installed are left out (`peers.py`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import attrs

from deltafold import Reasoning, ResponseParser
from scenarios import Stream, Told

Prepare: TypeAlias = Callable[[Stream, list[bytes]], "Reading"]


OPENAI = ("responses", "chat")


class Unfinished(Exception):
    """What a client made of a stream is not what the stream said."""


@attrs.frozen(eq=False)
class Reading:
    """One client at work on one stream."""

    run: Callable[[], Any]
    """Reads the stream once. This alone is timed."""
    told: Callable[[Any], object]
    """What the result of a run says. Not timed."""
    expected: object
    """What it should say."""
    events: Callable[[], list[Any]] | None = None
    """Reads the stream once and keeps all events, where a client has events."""

    def check(self) -> None:
        """Raises `Unfinished` where a run does not say what the stream said."""
        if self.told(self.run()) != self.expected:
            raise Unfinished


@attrs.frozen
class Client:
    """One way to read a stream."""

    name: str
    prepare: Prepare
    needs: str | None = None
    """The package that it comes from, None where that is the standard library."""
    reads: tuple[str, ...] = ("responses", "chat", "anthropic", "gemini")
    """The wires that it reads."""


def as_values(told: Told) -> Told:
    """What is said, with one text for all texts of equal arguments: some clients give a value and no text."""
    return attrs.evolve(told, arguments=tuple(map(one_text, told.arguments)))


def one_text(arguments: str) -> str:
    """The same for equal values. What is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(arguments, parse_int=float), sort_keys=True)
    except ValueError:
        return arguments


# --------------------------------------------------------------------------------- what must be done at least


def split_and_loads(stream: Stream, chunks: list[bytes]) -> Reading:
    """A: splits the whole body at its blank lines, and parses each payload."""
    body, loads = stream.body, json.loads

    def run() -> Any:
        value = None
        for block in body.split(b"\n\n"):
            at = block.find(b"data: ")
            if at >= 0 and block[at + 6 : at + 7] == b"{":
                value = loads(block[at + 6 :])
        return value

    return Reading(run, lambda value: value, loads(stream.payloads[-1]))


def loads_alone(stream: Stream, chunks: list[bytes]) -> Reading:
    """B: parses payloads that somebody else has cut out and decoded."""
    payloads, loads = stream.payloads, json.loads

    def run() -> Any:
        value = None
        for payload in payloads:
            value = loads(payload)
        return value

    return Reading(run, lambda value: value, loads(payloads[-1]))


# -------------------------------------------------------------------------------------------------- deltafold


def deltafold(stream: Stream, chunks: list[bytes]) -> Reading:
    """Bytes to events and one final response."""

    def run() -> Any:
        parser = ResponseParser(stream.dialect)
        feed, events = parser.feed, parser.events
        for chunk in chunks:
            feed(chunk)
            for _ in events():
                pass
        parser.close()
        for _ in events():
            pass
        return parser.response

    def events() -> list[Any]:
        parser = ResponseParser(stream.dialect)
        kept: list[Any] = []
        for chunk in chunks:
            parser.feed(chunk)
            kept.extend(parser.events())
        parser.close()
        kept.extend(parser.events())
        return kept

    def told(response: Any) -> Told:
        summary = [
            part.text for item in response.output if isinstance(item, Reasoning) for part in item.summary
        ]
        calls = tuple(call.arguments for call in response.tool_calls if call.complete)
        return Told(response.output_text, tuple(summary), calls)

    return Reading(run, told, stream.told, events)


# -------------------------------------------------------------------- what callers of raw events put together


class Pieces:
    """Fragments by the value that they belong to: the least that a caller of raw events keeps."""

    __slots__ = ("calls", "summary", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.summary: defaultdict[int, list[str]] = defaultdict(list)
        self.calls: defaultdict[int, list[str]] = defaultdict(list)

    def told(self) -> Told:
        """What they say, joined."""
        summary, calls = (
            tuple("".join(found[index]) for index in sorted(found)) for found in (self.summary, self.calls)
        )
        return Told("".join(self.text), summary, calls)


def take_payloads(texts: Iterable[str]) -> Pieces:
    """Reads JSON texts of either dialect, the way it is done by hand."""
    pieces = Pieces()
    for text in texts:
        if text == "[DONE]":
            break
        payload = json.loads(text)
        kind = payload.get("type")
        if kind == "response.output_text.delta":
            pieces.text.append(payload["delta"])
        elif kind == "response.reasoning_summary_text.delta":
            pieces.summary[payload["summary_index"]].append(payload["delta"])
        elif kind == "response.function_call_arguments.delta":
            pieces.calls[payload["output_index"]].append(payload["delta"])
        elif kind is None:
            for choice in payload["choices"]:
                delta = choice["delta"]
                if delta.get("content"):
                    pieces.text.append(delta["content"])
                for call in delta.get("tool_calls", ()):
                    pieces.calls[call["index"]].append(call["function"]["arguments"])
    return pieces


OWN = (
    Client("A", split_and_loads),
    Client("B", loads_alone),
    Client("deltafold", deltafold, "deltafold"),
)
A, B, DELTAFOLD = (client.name for client in OWN)
