"""A long run over random changes of the seeds, in the build that is imported, without a fuzzer.

    python tests/fuzz/campaign.py --target parser --batches 0:100 --found FOLDER

A batch is drawn from its number alone. Each gives a line with a digest of all that came of it: the same
batches in a compiled and in a plain build must give the same lines. An input that breaks a promise is
written to the folder. Exits with 1 where there was any.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.mutations import (
    LONGEST,
    mutated_bytes,
    mutated_json,
    mutated_stream,
    seeds,
    words_of_the_wire,
)
from fuzz.targets import BY_EVENT, BY_VALUE, HEADERS, TARGETS

SIZE = 10_000
"""Executions of a batch."""


class Source:
    """Draws inputs."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.longest = LONGEST[target]
        self.header = HEADERS.get(target, 0)
        self.seeds = [data for _, data in sorted(seeds(target).items())]
        self.words = [word.encode("utf-8", "surrogatepass") for word in words_of_the_wire()]
        self.blocks = sorted(
            {block for data in self.seeds for block in data[self.header :].split(b"\n\n") if block}
        )

    def draw(self, dice: random.Random) -> bytes:
        """One input."""
        data = dice.choice(self.seeds)
        if self.target in BY_EVENT and dice.random() < 0.6:
            head, blocks = data[: self.header], data[self.header :].split(b"\n\n")
            for _ in range(dice.choice((1, 1, 2, 4))):
                if blocks:
                    blocks = mutated_stream(blocks, self.blocks, dice)
            if dice.random() < 0.5:
                head = head[:1] + dice.randbytes(self.header - 1)
            return (head + b"\n\n".join(blocks))[: self.longest]
        if self.target in BY_VALUE and dice.random() < 0.9:
            head, body = data[: self.header], data[self.header :]
            for _ in range(dice.choice((1, 1, 2, 4))):
                body = mutated_json(body, dice) or body
            return head + body
        return mutated_bytes(data, self.seeds, self.words, dice)[: self.longest]


def main() -> int:
    """Runs what the command line says."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--target", choices=[*TARGETS], required=True)
    arguments.add_argument("--batches", default="0:1", help="first:last, the last one left out")
    arguments.add_argument("--found", type=Path, default=Path(".fuzz/found"))
    given = arguments.parse_args()
    check, source, found = TARGETS[given.target], Source(given.target), 0
    first, last = map(int, given.batches.split(":"))
    for number in range(first, last):
        dice, digest = random.Random(f"{given.target} {number}"), hashlib.blake2b(digest_size=8)
        begin = time.process_time()
        for _ in range(SIZE):
            data = source.draw(dice)
            try:
                digest.update(repr(check(data)).encode("utf-8", "surrogatepass"))
            except Exception as error:
                found += 1
                digest.update(type(error).__name__.encode())
                given.found.mkdir(parents=True, exist_ok=True)
                path = given.found / f"{given.target}-{hashlib.sha256(data).hexdigest()[:12]}"
                path.write_bytes(data)
                path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))
        seconds = time.process_time() - begin
        print(f"{given.target} {number} {digest.hexdigest()} {seconds:.0f} s {found} found", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
