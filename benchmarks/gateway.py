"""What it costs to turn one wire into another: bytes in, bytes out.

    python benchmarks/gateway.py [--quick] [--only NAME ...] [--litellm] [--count] [--readme]

Each figure is the CPU time of the whole way, from the bytes of one wire in chunks to those of another, as a
multiple of A: the body that comes in split at blank lines, and `json.loads` of each payload. `--count` has
valgrind count instructions instead, which are the same on a busy machine. `--litellm` measures its bridges
beside, where it is installed and can do a pair, with chunks written as its proxy writes them.

What was written is read again and compared with what was sent; ✗ marks the figure of one that got it wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

import instructions
from clients import Client, Reading, split_and_loads
from deltafold import ResponseParser, StreamEncoder, parse
from deltafold.registry import DIALECTS
from measure import Figure, interleaved, patience
from peers import MODEL, PROMPT, quiet, transport
from scenarios import OTHERS, SCENARIOS, Scenario, Stream, Told
from tables import markdown, put

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
NAMES = (
    "text, 10k deltas",
    "8 calls side by side",
    "short stream, 29 events",
    "chat: text, 10k deltas",
    "chat: 8 calls",
    "chat: short stream, 29 events",
    "anthropic: text, 10k deltas",
    "anthropic: 8 calls",
    "anthropic: short stream, 29 events",
    "gemini: text, 10k deltas",
    "gemini: short stream, 29 events",
)
BRIDGES = {"responses": "chat", "chat": "responses", "anthropic": "chat", "gemini": "chat"}
"""What litellm is asked to make of each wire."""
BUDGET, PATIENCE = 3.0, 60.0


def said(told: Told) -> Told:
    """What a stream says, arguments as JSON has them: a wire may hold them as a value."""
    return Told(told.text, (), tuple(sorted(json.dumps(json.loads(text)) for text in told.arguments)))


def read(target: str, body: bytes) -> Told:
    """What was written, as a client reads it."""
    response = parse(body, target)
    return said(
        Told(response.output_text, (), tuple(getattr(c, "arguments", "{}") for c in response.tool_calls))
    )


def through(target: str) -> Client:
    """A gateway by deltafold."""

    def prepare(stream: Stream, chunks: list[bytes]) -> Reading:
        def run() -> bytes:
            parser, encoder = ResponseParser(stream.dialect), StreamEncoder(target)
            feed, events, encode = parser.feed, parser.events, encoder.encode
            written: list[bytes] = []
            write = written.append
            for chunk in chunks:
                feed(chunk)
                for event in events():
                    write(encode(event))
            parser.close()
            for event in events():
                write(encode(event))
            return b"".join(written)

        return Reading(run, partial(read, target), said(stream.told))

    return Client(target, prepare)


OWN = (Client("A", split_and_loads), *map(through, DIALECTS))


# --------------------------------------------------------------------------------------------------- litellm


def litellm(stream: Stream, chunks: list[bytes]) -> Reading:
    """litellm's bridge: the provider's stream through its own objects, each dumped as a frame."""
    import httpx
    import litellm as library
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    handler = HTTPHandler(client=httpx.Client(transport=transport(httpx, chunks)))
    messages = [{"role": "user", "content": PROMPT}]
    asked: dict[str, Any] = {"stream": True, "api_key": "none"}
    calls: dict[str, Callable[[], Any]] = {
        "responses": lambda: library.completion(
            model=f"openai/responses/{MODEL}", messages=messages, client=handler, **asked
        ),
        "chat": lambda: library.responses(model="deepseek/m", input=PROMPT, client=handler, **asked),
        "anthropic": lambda: library.completion(
            model="anthropic/claude-sonnet-4-5", messages=messages, client=handler, **asked
        ),
        "gemini": lambda: library.completion(
            model="gemini/gemini-3-pro-preview", messages=messages, client=handler, **asked
        ),
    }
    target = BRIDGES[stream.dialect]

    def run() -> bytes:
        written = [
            f"data: {chunk.model_dump_json(exclude_none=True, exclude_unset=True)}\n\n"
            for chunk in calls[stream.dialect]()
        ]
        if target == "chat":
            written.append("data: [DONE]\n\n")
        return "".join(written).encode()

    return Reading(run, partial(read, target), said(stream.told))


# ------------------------------------------------------------------------------------------------- the table


@attrs.frozen
class Row:
    """What was measured of one stream."""

    scenario: str
    cells: dict[str, str]


def measured(scenario: Scenario, factor: float, repetitions: int, *, bridges: bool) -> Row:
    """All gateways from one wire. litellm's bridge takes a tenth of a long stream, for it takes as long."""
    cells = figures(scenario.scaled(factor), scenario, OWN, repetitions)
    if bridges:
        stream = scenario.scaled(factor * 0.1)
        cells |= figures(stream, scenario, (OWN[0], Client("litellm", litellm)), repetitions)
    return Row(scenario.name, cells)


def figures(
    stream: Stream, scenario: Scenario, clients: Sequence[Client], repetitions: int
) -> dict[str, str]:
    """What each client costs on a stream, as a multiple of the first."""
    chunks = scenario.chunks(stream.body)
    runs, cells, wrong = {}, {}, set()
    for client in clients:
        reading = client.prepare(stream, chunks)
        try:
            with patience(PATIENCE):
                right = reading.told(reading.run()) == reading.expected
        except Exception as error:
            if client in OWN:
                raise
            print(f"{client.name} fails: {type(error).__name__}: {str(error)[:200]}")
            cells[client.name] = "fails"
            continue
        assert right or client not in OWN, f"{client.name} is wrong"
        if not right:
            wrong.add(client.name)
        runs[client.name] = reading.run
    found: dict[str, Figure] = interleaved(runs, repetitions, BUDGET)
    for name, figure in found.items():
        cells[name] = f"{figure.ratio:.2f}" if figure.ratio < 10 else f"{figure.ratio:,.0f}"
        if name in wrong:
            cells[name] += " ✗"
    return cells


def counted(names: Sequence[str], scale: float) -> list[Row]:
    """The same by instructions."""
    rows = []
    for name, found in instructions.count(names, scale, Path(__file__)).items():
        cells = {target: f"{found[target] / found['A']:.2f}" for target in DIALECTS}
        rows.append(Row(name, cells))
    return rows


def table(rows: Sequence[Row], *, bridges: bool) -> str:
    """As Markdown: what comes in, and what it costs to write each wire."""
    head = ["x A", *(f"to {target}" for target in DIALECTS)]
    columns = [*DIALECTS, *(["litellm"] if bridges else [])]
    head += ["litellm"] if bridges else []
    return markdown(head, [[row.scenario, *(row.cells.get(name, "-") for name in columns)] for row in rows])


def main(given: Sequence[str] | None = None) -> str:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="streams a tenth as long, few repetitions")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="streams with this in their name"
    )
    parser.add_argument("--repetitions", type=int, help="9 by default, 3 with --quick")
    parser.add_argument("--litellm", action="store_true", help="its bridges beside")
    parser.add_argument("--count", action="store_true", help="instructions, by valgrind")
    parser.add_argument("--scale", type=float, default=0.2, help="of the streams whose instructions count")
    parser.add_argument("--readme", action="store_true", help="put the table into docs/speed.md")
    parser.add_argument("--fork", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args(given)
    quiet()
    chosen = [name for name in NAMES if any(part in name for part in wanted.only)]
    if wanted.fork:
        instructions.fork_and_read(chosen, wanted.scale, OWN)
        return ""
    if wanted.count:
        rows = counted(chosen, wanted.scale)
    else:
        factor = 0.1 if wanted.quick else 1.0
        repetitions = wanted.repetitions or (3 if wanted.quick else 9)
        found = [scenario for scenario in SCENARIOS + OTHERS if scenario.name in chosen]
        rows = [measured(one, factor, repetitions, bridges=wanted.litellm) for one in found]
    text = table(rows, bridges=wanted.litellm)
    print(text)
    if wanted.readme:
        put(PAGE, "gateway-instructions" if wanted.count else "gateway", text)
    return text


if __name__ == "__main__":
    main()
    sys.exit(0)
