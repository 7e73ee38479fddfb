"""How many machine instructions an event costs: the same on a busy machine as on an idle one.

    python benchmarks/instructions.py [--scale 0.2] [--only NAME ...] [--save FILE] [--compare FILE]
    python benchmarks/instructions.py --gate | --record | --readme

valgrind counts them. One interpreter starts under it, and forks for each count: what was counted before a
fork is in the parent and in all its children, so that the difference between a child that reads a stream once
and one that reads it three times is two readings, and nothing else.

`--save` keeps the counts. `--compare` shows what has changed since, and exits with 1 where deltafold takes
more than 2 % more. Counts of one Python build compare with each other, not with those of another.

`--gate` compares with `instructions.json`, which `--record` writes: the counts of short streams, long ones
and calls of all dialects, and of the import, and what open streams hold. Without valgrind only the last is
compared; where the record is that of another build, it says so, and passes. `--readme` puts all of it into
docs/speed.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from clients import OWN, Client
from deltafold import COMPILED, ResponseParser
from measure import Held, held_by_streams
from scenarios import (
    OTHERS,
    SCENARIOS,
    Scenario,
    Stream,
    anthropic_text,
    chat_text,
    gemini_text,
    text,
)
from tables import markdown, put

Counts: TypeAlias = dict[str, dict[str, float]]
"""Instructions of an event, by scenario and client."""

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
BASELINE = Path(__file__).parent / "instructions.json"
TOLERANCE = 0.02
LEAST, MOST = 1, 3
"""Readings of a stream in the two children."""
GATED = ("10k", "8 calls", "reasoning", "29 events")
"""Parts of the names of those scenarios whose counts are recorded."""
GATED_SCALE = 0.2
DELTAS = 2_000
OPEN: tuple[tuple[Callable[[int], Stream], int], ...] = (
    (text, 6),
    (chat_text, 4),
    (anthropic_text, 5),
    (gemini_text, 3),
)
"""Streams of text, and how many of their blocks are the beginning."""


def count(names: Sequence[str], scale: float, script: Path = Path(__file__)) -> Counts:
    """The counts of the scenarios of these names, their streams so many times as long.

    `script` is what runs under valgrind, and calls `fork_and_read()`.

    Raises `FileNotFoundError` where there is no valgrind, and `RuntimeError` where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = cachegrind([str(script), "--scale", str(scale), "--fork", "--only", *names], folder)
        counts: Counts = {}
        for line in said.splitlines():
            name, client, events, few, many = json.loads(line)
            more = total(Path(folder, str(many))) - total(Path(folder, str(few)))
            counts.setdefault(name, {})[client] = more / (MOST - LEAST) / events
        return counts


def count_import() -> int:
    """Instructions that `import deltafold` takes, beyond those of the bare interpreter.

    Raises as `count()` does.
    """
    subprocess.run([sys.executable, "-c", "import deltafold"], check=True)  # writes compiled files, if any
    counts = []
    for code in ("import deltafold", "pass"):
        with tempfile.TemporaryDirectory() as folder:
            cachegrind(["-c", code], folder)
            (path,) = Path(folder).iterdir()
            counts.append(total(path))
    return counts[0] - counts[1]


def cachegrind(arguments: Sequence[str], folder: str) -> str:
    """Runs Python under valgrind, which leaves a file for each process. Gives what it printed."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise FileNotFoundError("valgrind")
    command = [valgrind, "-q", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={folder}/%p"]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*command, sys.executable, *arguments], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"counting failed: {done.stderr[-2000:]}")
    return done.stdout


def total(path: Path) -> int:
    """What valgrind counted in a process."""
    found = re.search(r"^summary: (\d+)", path.read_text(), re.MULTILINE)
    assert found is not None, "valgrind's file has no sum"
    return int(found[1])


def fork_and_read(names: Sequence[str], scale: float, clients: Sequence[Client] = OWN) -> None:
    """What runs under valgrind. Each line says which two processes read what.

    Each client reads in a process of its own, so that no count hangs on what was counted before it.
    """
    for scenario in SCENARIOS + OTHERS:
        if scenario.name in names:
            for client in clients:
                in_child(partial(read, scenario, client, scale))


def read(scenario: Scenario, client: Client, scale: float) -> None:
    """Two children read a stream, once everything that is done but once has been done."""
    stream = scenario.scaled(scale)
    reading = client.prepare(stream, scenario.chunks(stream.body))
    reading.check()
    gc.collect()
    few, many = (in_child(partial(repeat, reading.run, times)) for times in (LEAST, MOST))
    print(json.dumps([scenario.name, client.name, len(stream.blocks), few, many]), flush=True)


def repeat(run: Callable[[], object], times: int) -> None:
    for _ in range(times):
        run()


def in_child(work: Callable[[], None]) -> int:
    """Does it in a process of its own. Its number."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError("what was to be counted did not end well")
    return child


def table(counts: Counts, before: Counts | None = None) -> str:
    """Thousands of instructions of an event, their ratio to A, and the change since earlier ones."""
    first, *others = (client.name for client in OWN)
    head = [f"1000 instructions/event, {first}", *others, *(f"{name} / {first}" for name in others)]
    head = ["", *head] + (["change"] if before is not None else [])
    rows = []
    for name, found in counts.items():
        row = [name, *(f"{found[client] / 1e3:.1f}" for client in (first, *others))]
        row += [f"{found[client] / found[first]:.2f}" for client in others]
        if before is not None:
            change = changes(counts, before).get(name)
            row.append("new" if change is None else f"{change:+.1%}")
        rows.append(row)
    return markdown(head, rows)


def changes(counts: Counts, before: Counts) -> Mapping[str, float]:
    """By how much the last client's counts have risen, as a share."""
    last = OWN[-1].name
    return {name: counts[name][last] / before[name][last] - 1 for name in counts if name in before}


def report(names: Sequence[str], scale: float) -> str:
    """The section of the benchmark."""
    try:
        return "Instructions, counted by valgrind.\n\n" + table(count(names, scale))
    except FileNotFoundError:
        return "Instructions: left out, valgrind is not installed.\n"


# -------------------------------------------------------------------------------------------- open streams


def feeding(dialect: str) -> Callable[[], Callable[[bytes], object]]:
    """Makes parsers, each as the function that feeds it and takes its events."""

    def make() -> Callable[[bytes], object]:
        parser = ResponseParser(dialect)

        def feed(block: bytes) -> None:
            parser.feed(block)
            for _ in parser.events():
                pass

        return feed

    return make


def open_streams(deltas: int = DELTAS) -> dict[str, Held]:
    """What an open stream holds, by dialect."""
    found = {}
    for write, begun in OPEN:
        stream = write(deltas + begun)
        found[stream.dialect] = held_by_streams(
            feeding(stream.dialect), stream.blocks[: deltas + begun], begun
        )
    return found


def memory() -> dict[str, float]:
    """Bytes of open streams, each figure by its name."""
    return {
        f"{dialect}: {name}": round(value, 1)
        for dialect, held in open_streams().items()
        for name, value in (("idle", held.idle), ("begun", held.begun), ("per delta", held.delta))
    }


def memory_table(found: Mapping[str, Held]) -> str:
    """Bytes of open streams."""
    rows = [
        [dialect, f"{held.idle:,.0f}", f"{held.begun:,.0f}", f"{held.delta:.1f}"]
        for dialect, held in found.items()
    ]
    return markdown(["bytes of an open stream", "idle", "begun", "per delta"], rows)


# ------------------------------------------------------------------------------------------------ the gate


def build() -> dict[str, Any]:
    """What counts hang on, beside the code."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "compiled": COMPILED,
        "scale": GATED_SCALE,
    }


def gated() -> list[str]:
    """The names of the scenarios whose counts are recorded."""
    return [one.name for one in SCENARIOS + OTHERS if any(part in one.name for part in GATED)]


def record(path: Path = BASELINE) -> None:
    """Writes the baseline."""
    counts = count(gated(), GATED_SCALE)
    last = OWN[-1].name
    own = {name: {last: round(found[last])} for name, found in counts.items()}
    content = {**build(), "import": count_import(), "counts": own, "memory": memory()}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def gate(path: Path = BASELINE) -> int:
    """1 where something takes more than was recorded, else 0; and says what was found."""
    known = json.loads(path.read_text(encoding="utf-8"))
    here = build()
    if here != {name: known[name] for name in here}:
        print(f"left out: the recorded counts are those of { ({name: known[name] for name in here}) }")
        return 0
    last = OWN[-1].name
    rises = {f"bytes, {name}": value / known["memory"][name] - 1 for name, value in memory().items()}
    if shutil.which("valgrind") is None:
        print("instructions are left out: valgrind is not installed")
    else:
        counts = count(list(known["counts"]), GATED_SCALE)
        rises |= {**changes(counts, known["counts"]), "import": count_import() / known["import"] - 1}
    for name, rise in rises.items():
        print(f"{rise:+7.1%}  {name}")
    if any(rise < -TOLERANCE for rise in rises.values()):
        print("some take less than was recorded: record that (--record)")
    worse = [name for name, rise in rises.items() if rise > TOLERANCE]
    print(
        f"{last}: " + (f"more than {TOLERANCE:.0%} up: {', '.join(worse)}" if worse else "nothing is worse")
    )
    return int(bool(worse))


def page() -> str:
    """All figures, as the docs have them."""
    counts = table(count(gated(), GATED_SCALE))
    held = memory_table(open_streams())
    kind = "compiled" if COMPILED else "pure Python"
    how = f"`import deltafold`: {count_import() / 1e6:.0f} million instructions beyond the bare interpreter."
    python = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {kind};"
    python += f" long streams are {GATED_SCALE:g} times as long as their names say."
    return f"{counts}\n{held}\n{how}\n\n{python}\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [scenario.name for scenario in SCENARIOS + OTHERS]
    parser.add_argument("--scale", type=float, default=0.2, help="streams so many times as long")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="scenarios with this in their name"
    )
    parser.add_argument("--save", type=Path, metavar="FILE")
    parser.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--gate", action="store_true", help="compare with what is recorded")
    parser.add_argument("--record", action="store_true", help="record what --gate compares with")
    parser.add_argument("--memory", action="store_true", help="what open streams hold")
    parser.add_argument("--readme", action="store_true", help="put all figures into docs/speed.md")
    parser.add_argument("--fork", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = [name for name in names if any(part in name for part in options.only)]
    if options.fork:
        fork_and_read(names, options.scale)
        return 0
    if options.gate:
        return gate()
    if options.record:
        record()
        return 0
    if options.memory:
        print(memory_table(open_streams()))
        return 0
    if options.readme:
        put(PAGE, "instructions", page())
        return 0
    counts = count(names, options.scale)
    before = json.loads(options.compare.read_text()) if options.compare else None
    print(table(counts, before))
    if options.save:
        options.save.write_text(json.dumps(counts, indent=1) + "\n")
    return int(before is not None and any(change > TOLERANCE for change in changes(counts, before).values()))


if __name__ == "__main__":
    sys.exit(main())
