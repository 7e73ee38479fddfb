"""What it costs to read a stream: deltafold, what any client must do at least, and the peers.

    python benchmarks/run.py [--quick] [--peers] [--node] [--only NAME ...]
                             [--json FILE] [--chart FILE] [--readme]

All figures are ratios of CPU time to A, from one run in which all clients take turns:

- A: the whole body split at its blank lines, and `json.loads` of each payload: what cannot be left out;
- B: `json.loads` alone, of payloads that somebody else has cut out and decoded;
- deltafold: bytes in chunks to events and one final response;
- the peers (`--peers`), those that are installed, up to what their users want in the end.
  `pip install '.[bench]'` gets all but litellm, which may want another version of openai, and so an
  environment of its own;
- the peers of Node (`--node`), which `npm install --prefix benchmarks/node` gets; they are measured on the
  streams of all four wires.

What each client put together is compared with what was sent, and ✗ marks the figure of one that got it wrong.
Chunks are random, of 200 to 1500 bytes, unless the scenario says otherwise.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

import arguments
import instructions
import node_peers
from clients import DELTAFOLD, OPENAI, OWN, A, Client, Reading, Unfinished
from deltafold import ResponseParser
from deltafold.__main__ import BUILD
from measure import (
    Figure,
    GaveUp,
    exponents,
    interleaved,
    kept_memory,
    patience,
    peak_memory,
    spent,
    times_for,
)
from peers import PEERS, quiet
from scenarios import HOSTILE, OTHERS, SCENARIOS, Scenario, Stream, image, network, text
from tables import markdown, put

README = Path(__file__).parents[1] / "docs" / "speed.md"
CHART = Path(__file__).parent / "speed.svg"
SECTIONS = ("growth", "memory", "start", "arguments", "instructions")
BUDGET = 3.0
"""CPU seconds for a slow client in one scenario, after which one more repetition is not worth it."""
PATIENCE = 40.0
"""CPU seconds after which a single run is given up."""
RISE = (0.25, 1, 4)
"""The sizes for growth, as multiples of the scenario's own."""
WIRES = (OPENAI, ("anthropic",), ("gemini",))
"""Wires whose streams are in one table of the clients of Node, for they have the same clients."""


@attrs.frozen
class Row:
    """What was measured in one scenario."""

    scenario: str
    events: int
    """Events and comments in the stream."""
    microseconds: float
    """Of A, for each of them."""
    cells: dict[str, str | Figure]
    """By client: its figure, or why there is none."""
    wrong: tuple[str, ...] = ()
    """Clients that put together what was not sent."""
    dialect: str = ""
    """The wire of the stream."""

    def cell(self, client: str) -> str:
        found = self.cells.get(client, "-")
        if isinstance(found, str):
            return found
        return ratio(found.ratio) + (" ✗" if client in self.wrong else "")


@attrs.define
class Results:
    """All of one run."""

    clients: list[str]
    notes: list[str] = attrs.field(factory=list)
    rows: list[Row] = attrs.field(factory=list)
    sections: dict[str, str] = attrs.field(factory=dict)

    def table(self) -> str:
        """The scenarios, as Markdown: clients that read none of them have no column."""
        names = [
            name for name in self.clients if name != A and any(row.cell(name) != "-" for row in self.rows)
        ]
        rows = [
            [row.scenario, f"{row.events:,}", f"{row.microseconds:.2f}", *map(row.cell, names)]
            for row in self.rows
        ]
        return markdown(["x A", "events", "A, µs/event", *names], rows)

    def usual(self) -> Results:
        """The scenarios of the table in the docs, and not the others."""
        names = {scenario.name for scenario in SCENARIOS}
        return attrs.evolve(self, rows=[row for row in self.rows if row.scenario in names])

    def of(self, clients: Sequence[str], *dialects: str) -> Results:
        """These clients alone, on the streams of these wires, or of all."""
        rows = [row for row in self.rows if not dialects or row.dialect in dialects]
        return attrs.evolve(self, clients=list(clients), rows=rows)

    def dump(self) -> str:
        """As JSON, for `chart.py`."""
        return json.dumps(attrs.asdict(self), indent=1, ensure_ascii=False) + "\n"


def ratio(value: float) -> str:
    """Two digits that say something."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def say(line: str = "") -> None:
    print(line, flush=True)


# --------------------------------------------------------------------------------------------- the scenarios


def installed(clients: Sequence[Client]) -> tuple[list[Client], list[str]]:
    """Those that are there, and a note on each package."""
    found: list[Client] = []
    notes: dict[str, None] = {}
    for client in clients:
        try:
            if client.needs is not None:
                build = f" ({BUILD})" if client.needs == "deltafold" else ""
                notes[f"{client.needs} {importlib.metadata.version(client.needs)}{build}"] = None
            found.append(client)
        except importlib.metadata.PackageNotFoundError:
            notes[f"{client.needs} is not installed"] = None
    return found, list(notes)


def at_work(client: Client, stream: Stream, chunks: list[bytes]) -> tuple[Reading | None, str]:
    """A client that has read the stream once, and a word on it where something is wrong.

    What is our own has to be right. A peer may be wrong, fail or take for ever: the others have figures.
    """
    if stream.dialect not in client.reads:
        return None, "-"
    reading = None
    try:
        reading = client.prepare(stream, chunks)
        with patience(PATIENCE):
            reading.check()
    except Unfinished:
        if client in OWN:
            raise
        return reading, "✗"
    except GaveUp:
        return None, f"> {PATIENCE:.0f} s"
    except Exception as error:
        if client in OWN:
            raise
        say(f"{client.name} fails: {type(error).__name__}: {str(error)[:120]}")
        return None, "fails"
    return reading, ""


def measured(scenario: Scenario, clients: Sequence[Client], factor: float, repetitions: int) -> Row:
    """All clients on one scenario."""
    stream = scenario.scaled(factor)
    chunks = scenario.chunks(stream.body)
    cells: dict[str, str | Figure] = {}
    runs, slow, wrong = {}, {}, []
    for client in clients:
        start = time.process_time()
        reading, word = at_work(client, stream, chunks)
        seconds = time.process_time() - start
        if reading is None:
            cells[client.name] = word
            continue
        runs[client.name] = reading.run
        if seconds > BUDGET / 2:
            slow[client.name] = seconds  # its imports, if any, make no difference
        wrong += [client.name] if word else []
    figures = interleaved(runs, repetitions, BUDGET, slow)
    events = len(stream.blocks)
    microseconds = figures[A].seconds / events * 1e6
    return Row(scenario.name, events, microseconds, {**figures, **cells}, tuple(wrong), stream.dialect)


# ---------------------------------------------------------------------------------------------------- growth


def growth(scenarios: Sequence[Scenario], factor: float, repetitions: int) -> str:
    """The exponent of time over size, of deltafold and of A."""
    rows = []
    for scenario in scenarios:
        if not scenario.grows:
            continue
        row = [scenario.name]
        streams = [scenario.scaled(factor * step) for step in RISE]
        for client in (OWN[-1], OWN[0]):
            runs = {}
            for stream in streams:
                reading = client.prepare(stream, scenario.chunks(stream.body))
                reading.check()
                runs[len(stream.body)] = reading.run
            row += [f"{exponent:.2f}" for exponent in exponents(runs, repetitions)]
        rows.append([row[0], " to ".join(size(len(streams[at].body)) for at in (0, -1)), *row[1:]])
    return (
        "Growth: exponent over the bytes of the stream; 1 is linear. Last step: to 4 times the size.\n\n"
        + markdown(["", "sizes", "deltafold", "last step", "A", "last step"], rows)
    )


def size(count: float) -> str:
    """Bytes, for people."""
    return (
        f"{count / 1e6:.1f} MB"
        if count >= 1e6
        else f"{count / 1e3:.0f} kB"
        if count >= 1e4
        else f"{count:.0f} B"
    )


# ---------------------------------------------------------------------------------------------------- memory


def memory(clients: Sequence[Client], factor: float) -> str:
    """What is held at the most where events are dropped, and what each event is where they are kept."""
    rows = []
    several, long, large = (
        text(max(round(2_000 * factor), 8)),
        text(max(round(10_000 * factor), 8)),
        image(round(2e6 * factor)),
    )
    for client in clients:
        row = [client.name]
        for stream in (long, large):
            reading, word = at_work(client, stream, network(stream.body))
            row.append(word if reading is None else size(peak_memory(reading.run)))
        reading, word = at_work(client, several, network(several.body))
        keeps = reading is not None and reading.events is not None
        row.append(f"{kept_memory(reading.events):,.0f}" if keeps else word or "-")
        rows.append(row)
    head = ["", f"peak, {size(len(long.body))} of text", f"peak, event of {size(len(large.body))}"]
    head += [f"bytes per kept event, {len(several.blocks):,} of text"]
    held = instructions.memory_table(instructions.open_streams(max(round(2_000 * factor), 8)))
    return f"Memory, the chunks themselves not counted.\n\n{markdown(head, rows)}\n{held}"


# ---------------------------------------------------------------------------------- import and construction

MODULES = {"deltafold": "deltafold", "openai": "openai", "httpx-sse": "httpx_sse"}
MODULES |= {"pydantic-ai-slim": "pydantic_ai.models.openai", "langchain-openai": "langchain_openai"}
MODULES |= {"litellm": "litellm", "google-genai": "google.genai", "anthropic": "anthropic"}


def start(clients: Sequence[Client], repetitions: int) -> str:
    """What an import costs, in CPU time beyond that of the bare interpreter, and what a parser costs."""
    modules = {"nothing": ""} | {client.needs: MODULES[client.needs] for client in clients if client.needs}
    taken: dict[str, list[float]] = {name: [] for name in modules}
    for _ in range(repetitions + 1):
        for name, module in modules.items():
            taken[name].append(import_seconds(module))
    # The first one may have had to compile.
    bare = statistics.median(taken.pop("nothing")[1:])
    rows = [
        [f"import {name}", f"{(statistics.median(seconds[1:]) - bare) * 1e3:.0f} ms"]
        for name, seconds in taken.items()
    ]
    for dialect in ("responses", "chat", "auto"):
        build = lambda dialect=dialect: ResponseParser(dialect)  # noqa: E731
        times = times_for(spent(build, 100))
        best = min(spent(build, times) for _ in range(repetitions))
        rows.append([f"ResponseParser({dialect!r})", f"{best * 1e6:.1f} µs"])
    return "Start, in CPU time.\n\n" + markdown(["", "takes"], rows)


def import_seconds(module: str) -> float:
    """CPU seconds of an interpreter that imports a module and ends."""
    code = f"import {module}" if module else "pass"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


# --------------------------------------------------------------------------------------------------- the run


def machine() -> str:
    """Where it was measured."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.machine()} {platform.system()}"


def text_growth(rows: Sequence[Row], clients: Sequence[str]) -> str:
    """The exponent of each client from the shortest to the longest text, out of the table."""
    texts = [row for row in rows if row.scenario.startswith("text, 1") and row.scenario.endswith("k deltas")]
    if len(texts) < 2:
        return ""
    first, last = texts[0], texts[-1]
    told = []
    for name in clients:
        one, many = first.cells.get(name), last.cells.get(name)
        if isinstance(one, Figure) and isinstance(many, Figure):
            exponent = math.log(many.seconds / one.seconds) / math.log(last.events / first.events)
            told.append(f"{name} {exponent:.2f}")
    return f"Growth from {first.scenario} to {last.scenario}: {'; '.join(told)}."


def spread(rows: Sequence[Row]) -> str:
    """How far deltafold's ratios of one scenario lie apart: what a difference must pass to mean something."""
    figures = [row.cells[DELTAFOLD] for row in rows]
    most = max(figure.spread for figure in figures if isinstance(figure, Figure))
    if not most:
        return "Too few repetitions to tell how far they lie apart."
    return f"Half of deltafold's ratios are within {most:.0%} of their median, in every scenario."


def write_readme(results: Results, path: Path) -> None:
    """Puts the table of the clients of Python into its place. Raises `SystemExit` where a page has none."""
    names = [name for name in results.clients if name not in node_peers.PEERS]
    put(path, "speed", f"{results.usual().of(names).table()}\n{'; '.join(results.notes)}.\n")


def write_node(results: Results, path: Path) -> None:
    """Puts the tables of the clients of Node into their place, one for each kind of wires.

    Those of Python stand beside them where they are not in the other table.
    """
    short = [name for name in results.clients if name in (*(own.name for own in OWN), *node_peers.PEERS)]
    groups = [results.of(short if wires == OPENAI else results.clients, *wires) for wires in WIRES]
    tables = "\n".join(group.table() for group in groups if group.rows)
    put(path, "node", f"{tables}\n{'; '.join(results.notes)}.\n")


def show(results: Results, wanted: argparse.Namespace) -> None:
    """Page and chart, where they are asked for."""
    if wanted.readme and any(name in node_peers.PEERS for name in results.clients):
        write_node(results, README)
    whole = wanted.readme and (wanted.peers or not wanted.node)
    if whole:
        write_readme(results, README)
    path = wanted.chart or (CHART if whole else None)
    if path:
        import chart

        drawn = results if wanted.chart else results.usual()
        chart.draw(json.loads(drawn.dump()), path)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="streams a tenth as long, few repetitions")
    parser.add_argument("--peers", action="store_true", help="the peers that are installed, too")
    parser.add_argument("--node", action="store_true", help=f"those of Node ({node_peers.INSTALL})")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help=f"scenarios with this in their name, hostile, or {', '.join(SECTIONS)}",
    )
    parser.add_argument("--scale", type=float, help="streams so many times as long")
    parser.add_argument("--repetitions", type=int, help="9 by default, 3 with --quick")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the table there (needs matplotlib)")
    parser.add_argument("--readme", action="store_true", help="put tables and chart into docs/speed.md")
    return parser.parse_args(arguments)


def chosen(wanted: argparse.Namespace) -> tuple[list[Scenario], list[str]]:
    """The scenarios and the sections that are asked for. Sections are not in the page."""
    names = wanted.only
    if names is None:
        sections = () if wanted.readme else SECTIONS[:3] if wanted.quick else SECTIONS
        return list(SCENARIOS + OTHERS if wanted.node else SCENARIOS), list(sections)
    scenarios = [
        scenario
        for scenario in SCENARIOS + OTHERS
        if any(name in scenario.name or (name == "hostile" and scenario in HOSTILE) for name in names)
    ]
    found = [section for section in SECTIONS if section in names]
    if not scenarios and not found:
        raise SystemExit(f"there is no {' or '.join(names)}")
    return scenarios, found


def main(given: Sequence[str] | None = None) -> Results:
    """Runs what is asked for, and prints it as it comes."""
    wanted = options(given)
    factor = wanted.scale or (0.1 if wanted.quick else 1.0)
    repetitions = wanted.repetitions or (3 if wanted.quick else 9)
    scenarios, sections = chosen(wanted)
    quiet()
    python, notes = installed([*OWN, *PEERS] if wanted.peers else OWN)
    node, more = node_peers.installed() if wanted.node else ([], [])
    clients = [*python, *node]
    results = Results([client.name for client in clients], [machine(), *notes, *more])
    if factor != 1:
        results.notes.append(f"streams {factor:g} times as long as their names say")
    for note in results.notes:
        say(note)
    for scenario in scenarios:
        row = measured(scenario, clients, factor, repetitions)
        results.rows.append(row)
        read = [name for name in results.clients[1:] if row.cell(name) != "-"]
        say(f"{row.scenario}: " + ", ".join(f"{name} {row.cell(name)}" for name in read))
    if results.rows:
        say(f"\n{results.table()}\n{text_growth(results.rows, results.clients)}\n")
        say(f"{spread(results.rows)}\n")
        show(results, wanted)
    # Scenarios that are another size of one have its counts.
    counted = [scenario.name for scenario in scenarios or SCENARIOS if scenario.grows or not scenario.scales]
    work = {
        "growth": lambda: growth(scenarios or SCENARIOS, factor, repetitions),
        "memory": lambda: memory(python, factor),
        "start": lambda: start(python, repetitions),
        "arguments": lambda: arguments.report([2, 20, 200]),
        "instructions": lambda: instructions.report(counted, factor * 0.2),
    }
    for section in sections:
        results.sections[section] = work[section]()
        say(results.sections[section])
    if wanted.json:
        wanted.json.write_text(results.dump(), encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
