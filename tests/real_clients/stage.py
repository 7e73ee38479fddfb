"""A stage for real clients: gateways over an upstream that follows scripts, and a judge of what clients saw.

There is a gateway for each wire that an upstream can have, so that a client of any API is tried with all of
them. A client's key says which script it takes part in: the gateway passes it on.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias, get_args

import attrs

from deltafold.testing import StreamBuilder
from deltafold.testing.builder import Stream, json_bytes
from world.server import Answer, Asked, Server, running, serving

ROOT: Final = Path(__file__).parents[2]

Scenario: TypeAlias = Literal["text", "tool", "error", "cut"]
SCENARIOS: Final[tuple[Scenario, ...]] = get_args(Scenario)
MEANING: Final[dict[Scenario, str]] = {
    "text": "an answer in text",
    "tool": "a call of a tool, its result, and an answer",
    "error": "an error in the middle of the text",
    "cut": "an upstream that ends in the middle of the text",
}

WIRES: Final = ("responses", "chat", "anthropic", "gemini")
BASES: Final = {"responses": "/v1", "chat": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}
PATHS: Final = {
    "/responses": "responses",
    "/chat/completions": "chat",
    "/messages": "anthropic",
    "GenerateContent": "gemini",
    "generateContent": "gemini",
}

TEXT: Final = "Good morning: a café, 🙂 and MARKER-7731."
"""What every answer says. With it come letters that have to be escaped, or cut in halves."""
ERROR: Final = "The model stumbled over ROOT-4409."
"""What an upstream that fails says."""
TOOL: Final = "weather"
ARGUMENTS: Final = '{"city":"São Paulo","days":2}'
RESULT: Final = "sunny, 31 °C, RESULT-1802"
"""What the tool gives."""


# ------------------------------------------------------------------------------------------- the upstream


@attrs.define
class Play:
    """One client's script, and what the upstream was asked meanwhile."""

    scenario: Scenario
    key: str
    tool: str
    arguments: str
    asked: list[dict[str, Any]] = attrs.field(factory=list)
    unstreamed: int = 0
    """How many of the requests were for a whole body."""

    def stream(self, wire: str, body: dict[str, Any]) -> Stream:
        """The answer to a request."""
        builder = StreamBuilder(wire)
        if self.scenario == "tool" and offers(body, self.tool) and not answered(body):
            builder.text("One ", "moment.")
            fragments = [self.arguments[at : at + 5] for at in range(0, len(self.arguments), 5)]
            return builder.call(self.tool, *fragments).completed()
        builder.reasoning("They ", "greet.")
        if self.scenario in ("text", "tool"):
            return builder.text(*(TEXT[at : at + 4] for at in range(0, len(TEXT), 4))).completed()
        builder.text("Good ", "morning: ")
        return builder.failed(message=ERROR) if self.scenario == "error" else builder.truncated()


def offers(body: dict[str, Any], tool: str) -> bool:
    """Whether a request offers a tool of that name."""
    return f'"{tool}"' in json.dumps(body.get("tools"))


def answered(body: dict[str, Any]) -> bool:
    """Whether a request brings the result of a call."""
    marks = ('"function_call_output"', '"role": "tool"', '"tool_result"', '"functionResponse"')
    return any(mark in json.dumps(body) for mark in marks)


class Stage:
    """The upstream's scripts, and the addresses of the gateways."""

    def __init__(self, server: Server, gateways: dict[str, str]) -> None:
        self.plays: dict[str, Play] = {}
        self.gateways = gateways
        """By the wire of the upstream, each without a path."""
        self.numbers = itertools.count(1)
        server.answer = self.answer

    def play(self, scenario: Scenario, *, tool: str = TOOL, arguments: str = ARGUMENTS) -> Play:
        """A script for one client, which has to use its key."""
        play = Play(scenario, f"sk-stage-{next(self.numbers)}", tool, arguments)
        self.plays[play.key] = play
        return play

    def answer(self, asked: Asked) -> Answer:
        """What the upstream sends."""
        headers = asked.headers
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        play = self.plays.get(headers.get("x-api-key") or headers.get("x-goog-api-key") or bearer)
        wire = next((wire for end, wire in PATHS.items() if end in asked.path), None)
        if play is None or wire is None or asked.method != "POST":
            return whole({"error": {"message": f"There is no {asked.path}."}}, 404)
        body = asked.json
        play.asked.append(body)
        stream = play.stream(wire, body)
        if body.get("stream") or ":stream" in asked.path:
            return Answer(stream.body, seed=len(play.asked))
        play.unstreamed += 1
        if stream.document is None:
            return whole({"error": {"message": ERROR}}, 500)
        return whole(stream.document)


def whole(document: Any, status: int = 200) -> Answer:
    """An answer in one piece."""
    return Answer(json_bytes(document), status, {"content-type": "application/json"})


def load(name: str) -> ModuleType:
    """An example of the documentation, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def staged() -> Iterator[Stage]:
    """The gateways run, each with the upstream behind it."""
    gateway = load("gateway")
    with ExitStack() as stack:
        server = stack.enter_context(running())
        gateways = {}
        for wire in WIRES:
            settings = gateway.Settings(
                upstream_url=server.url + BASES[wire], upstream_wire=wire, resumptions=0, stall=20.0
            )
            gateways[wire] = stack.enter_context(serving(gateway.make_app(settings)))
        yield Stage(server, gateways)


# ---------------------------------------------------------------------------------------------- the judge


@attrs.frozen
class Seen:
    """What a client made of its script."""

    text: str = ""
    error: str | None = None
    """What it said was wrong; None where all was well to it."""
    ran: tuple[str, ...] = ()
    """The arguments with which it ran the tool, each as JSON."""


NO_REASON: Final = "the upstream's reason is missing"


def verdict(play: Play, seen: Seen) -> str:
    """What a client got wrong; "" where all is as it has to be."""
    if play.scenario in ("error", "cut"):
        if seen.error is None:
            return f"a stream that broke was taken for whole: {seen.text!r}"
        if play.scenario == "error" and ERROR not in seen.error:
            return f"{NO_REASON}: {seen.error!r}"
        return ""
    if seen.error is not None:
        return seen.error
    if not seen.text.endswith(TEXT):
        return f"the text is {seen.text!r}"
    if play.scenario == "tool":
        if not any(answered(body) for body in play.asked):
            return "no result of the tool came to the upstream"
        if seen.ran != (canonical(play.arguments),):
            return f"the tool ran with {seen.ran}"
        if RESULT not in json.dumps(play.asked[-1], ensure_ascii=False):
            return "the result came to the upstream in other words"
    return ""


def canonical(arguments: str | dict[str, Any]) -> str:
    """Arguments as one JSON text, however they were written."""
    value = json.loads(arguments) if isinstance(arguments, str) else arguments
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
