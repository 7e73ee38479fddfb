"""Measures all tables of docs/speed.md again, and puts them and the chart into their places.

    python benchmarks/page.py [--only TABLE ...] [--repetitions N] [--litellm PYTHON]

What is to be in them has to be installed: `pip install '.[bench,sdk]'`, valgrind, and litellm, whose
interpreter `--litellm` names where it has an environment of its own; and the clients of Node, by
`npm install --prefix benchmarks/node`. Those that are missing have no column, and the commands say so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
TABLES: dict[str, tuple[str, ...]] = {
    "speed": ("run.py", "--peers", "--node"),
    "live": ("live.py",),
    "gateway": ("gateway.py", "--litellm"),
    "instructions": ("instructions.py",),
    "gateway-instructions": ("gateway.py", "--count"),
}
"""Commands, by the table that they write: times first. That of speed writes those of Node, too."""
COUNTED = ("instructions", "gateway-instructions")
"""Nothing in them is repeated."""


def commands(
    names: Sequence[str], repetitions: int | None = None, litellm: str = sys.executable
) -> list[list[str]]:
    """What is run for these tables."""
    found = []
    for name in names:
        script, *options = TABLES[name]
        python = litellm if "--litellm" in options else sys.executable
        repeated = [] if repetitions is None or name in COUNTED else ["--repetitions", str(repetitions)]
        found.append([python, str(HERE / script), *options, *repeated, "--readme"])
    return found


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), metavar="TABLE")
    parser.add_argument("--repetitions", type=int, help="of each measurement of time")
    parser.add_argument(
        "--litellm", metavar="PYTHON", default=sys.executable, help="an interpreter that has it"
    )
    wanted = parser.parse_args(given)
    for command in commands(wanted.only, wanted.repetitions, wanted.litellm):
        print(*command, flush=True)
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
