"""Coverage-guided fuzzing of the event stream decoder, the payload reader and the whole parser.

    pip install -e '.[fuzz]'
    python tests/fuzz/run.py --target all --runs 1000000

Seeds are the bodies of `fixtures/`, with what earlier runs kept in the folder given by `--corpus`. An input
that breaks a promise is written to the folder given by `--found`, once for each place that failed, with its
traceback, and the run goes on. `--replay FILE` runs one input again. Exits with 1 where anything was found.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]

with atheris.instrument_imports(include=["deltafold"]):
    import deltafold.parsing.parser  # noqa: F401

from fuzz.mutations import LONGEST, dictionary, mutated_stream, seeds  # noqa: E402
from fuzz.targets import BY_EVENT, HEADERS, TARGETS  # noqa: E402

TELL_EVERY = 100_000
MOST_FOUND = 100


def stream_mutator(others: list[bytes], header: int) -> Callable[[bytes, int, int], bytes]:
    """Changes bytes half of the time, and events the other half."""

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        blocks = data[header:].split(b"\n\n")
        if seed & 1 or len(blocks) < 2:
            return bytes(atheris.Mutate(data, most))
        dice = random.Random(seed)
        for _ in range(dice.choice((1, 1, 2, 4))):
            if blocks:
                blocks = mutated_stream(blocks, others, dice)
        head = data[:header]
        if seed & 6 == 0:
            head = dice.randbytes(header)
        return (head + b"\n\n".join(blocks))[:most]

    return mutate


# --------------------------------------------------------------------------------------------------- running


class Watch:
    """Runs a target, and keeps what it could not stand."""

    def __init__(self, target: str, found: Path) -> None:
        self.target, self.found = target, found
        self.check: Callable[[bytes], object] = TARGETS[target]
        self.count = 0
        self.places: set[tuple[Any, ...]] = set()
        self.begin = time.monotonic()

    def __call__(self, data: bytes) -> None:
        self.count += 1
        if self.count % TELL_EVERY == 0:
            seconds = time.monotonic() - self.begin
            print(
                f"{self.target}: {self.count} executions, {seconds:.0f} s, {len(self.places)} found",
                flush=True,
            )
        try:
            self.check(data)
        except Exception as error:
            self.keep(data, error)

    def keep(self, data: bytes, error: Exception) -> None:
        """Writes an input down, if none has failed in this place."""
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        words = re.sub(r"[0-9]+|'[^']*'|\"[^\"]*\"", "", str(error))[:40]
        place = (type(error), words, *((frame.filename, frame.lineno) for frame in frames))
        if place in self.places or len(self.places) >= MOST_FOUND:
            return
        self.places.add(place)
        self.found.mkdir(parents=True, exist_ok=True)
        path = self.found / f"{self.target}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))
        print(f"{self.target}: found {path}: {type(error).__name__}: {str(error)[:200]}", flush=True)


def fuzz(target: str, runs: int, corpus: Path, found: Path, seconds: int) -> None:
    """Fuzzes one target. Does not return: libFuzzer ends the process."""
    folder, first = corpus / target, corpus / f"{target}-seeds"
    folder.mkdir(parents=True, exist_ok=True)
    first.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(target).items():
        (first / name).write_bytes(data)
    words = corpus / "dictionary"
    words.write_text(dictionary())
    options = [f"-runs={runs}", f"-max_len={LONGEST[target]}", f"-dict={words}", "-timeout=20"]
    options += ["-rss_limit_mb=3000", "-print_final_stats=1", f"-max_total_time={seconds}", "-verbosity=0"]
    more: dict[str, Any] = {}
    if target in BY_EVENT:
        header = HEADERS[target]
        blocks = {block for data in seeds(target).values() for block in data[header:].split(b"\n\n")}
        more["custom_mutator"] = stream_mutator(sorted(blocks), header)
    atheris.Setup([sys.argv[0], *options, str(folder), str(first)], Watch(target, found), **more)
    atheris.Fuzz()


def main() -> int:
    """Runs what the command line says."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--target", choices=[*TARGETS, "all"], default="all")
    arguments.add_argument("--runs", type=int, default=100_000, help="executions of each target")
    arguments.add_argument(
        "--seconds", type=int, default=0, help="at most so long for each target; 0: no limit"
    )
    arguments.add_argument("--corpus", type=Path, default=Path(".fuzz/corpus"))
    arguments.add_argument("--found", type=Path, default=Path(".fuzz/found"))
    arguments.add_argument("--replay", type=Path, help="one input of --target")
    given = arguments.parse_args()
    if given.replay is not None:
        TARGETS[given.target](given.replay.read_bytes())
        return 0
    if given.target != "all":
        fuzz(given.target, given.runs, given.corpus, given.found, given.seconds)
    for target in TARGETS:
        command = [sys.executable, __file__, "--target", target, "--runs", str(given.runs)]
        command += [
            "--corpus",
            str(given.corpus),
            "--found",
            str(given.found),
            "--seconds",
            str(given.seconds),
        ]
        begin = time.monotonic()
        subprocess.run(command, check=True)
        print(f"{target}: {time.monotonic() - begin:.0f} s", flush=True)
    found = sorted(given.found.glob("*.txt"))
    for path in found:
        print(path, path.read_text().strip().splitlines()[-1][:200])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
