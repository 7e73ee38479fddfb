"""How many machine instructions an event costs: the same on a busy machine as on an idle one.

    python benchmarks/instructions.py [--scale 0.2] [--only NAME ...] [--save FILE] [--compare FILE]

valgrind counts them. One interpreter starts under it, and forks for each count: what was counted before a
fork is in the parent and in all its children, so that the difference between a child that reads a stream once
and one that reads it three times is two readings, and nothing else.

`--save` keeps the counts. `--compare` shows what has changed since, and exits with 1 where deltafold takes
more than 1 % more. Counts of one Python build compare with each other, not with those of another.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from clients import OWN, Client
from scenarios import OTHERS, SCENARIOS, Scenario
from tables import markdown

Counts: TypeAlias = dict[str, dict[str, float]]
"""Instructions of an event, by scenario and client."""

TOLERANCE = 0.01
LEAST, MOST = 1, 3
"""Readings of a stream in the two children."""


def count(names: Sequence[str], scale: float, script: Path = Path(__file__)) -> Counts:
    """The counts of the scenarios of these names, their streams so many times as long.

    `script` is what runs under valgrind, and calls `fork_and_read()`.

    Raises `FileNotFoundError` where there is no valgrind, and `RuntimeError` where it fails.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise FileNotFoundError("valgrind")
    with tempfile.TemporaryDirectory() as folder:
        command = [valgrind, "-q", "--tool=cachegrind", "--cache-sim=no"]
        command += [f"--cachegrind-out-file={folder}/%p", sys.executable, str(script)]
        command += ["--scale", str(scale), "--fork", "--only", *names]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"counting failed: {done.stderr[-2000:]}")
        counts: Counts = {}
        for line in done.stdout.splitlines():
            name, client, events, few, many = json.loads(line)
            more = total(Path(folder, str(many))) - total(Path(folder, str(few)))
            counts.setdefault(name, {})[client] = more / (MOST - LEAST) / events
        return counts


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
    parser.add_argument("--fork", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = [name for name in names if any(part in name for part in options.only)]
    if options.fork:
        fork_and_read(names, options.scale)
        return 0
    counts = count(names, options.scale)
    before = json.loads(options.compare.read_text()) if options.compare else None
    print(table(counts, before))
    if options.save:
        options.save.write_text(json.dumps(counts, indent=1) + "\n")
    return int(before is not None and any(change > TOLERANCE for change in changes(counts, before).values()))


if __name__ == "__main__":
    sys.exit(main())
