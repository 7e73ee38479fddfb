"""Chooses few inputs that go every way through the code that many go, for `tests/test_kept_inputs.py`.

    python tests/fuzz/keep.py --target parser --drawn 12000 --most 350

A way is three lines of one function that ran behind each other, and how often: once, twice, or more; or
what a function returned. The shortest inputs with the most ways that no other has are written to the folder
`kept`. Each run of the tests reads them, and finds what is read otherwise than before.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import deltafold
from fuzz.campaign import Source
from fuzz.targets import TARGETS

KEPT = Path(__file__).with_name("kept")
FOLDERS = tuple(
    str(Path(deltafold.__file__).parent / name)
    for name in ("arguments", "dialects", "encoding", "machine", "parsing", "wire")
)
FOR_ITSELF = 200
"""What an input costs beside its bytes."""


def kept(target: str) -> Iterator[bytes]:
    """The inputs that were chosen for a target."""
    for line in (KEPT / f"{target}.txt").read_bytes().splitlines():
        yield line.decode("unicode_escape").encode("latin-1")


def as_line(data: bytes) -> bytes:
    """An input in one line of ASCII."""
    return data.decode("latin-1").encode("unicode_escape") + b"\n"


class Ways:
    """Counts the ways that one input takes."""

    def __init__(self) -> None:
        self.count: Counter[tuple[Any, ...]] = Counter()

    def begin(self, frame: FrameType, event: str, given: Any) -> Any:
        """A function is called."""
        code: CodeType = frame.f_code
        if not code.co_filename.startswith(FOLDERS):
            return None
        before = last = 0

        def go_on(frame: FrameType, event: str, given: Any) -> Any:
            nonlocal before, last
            if event == "line":
                self.count[code, before, last, frame.f_lineno] += 1
                before, last = last, frame.f_lineno
            elif event == "return":
                self.count[code, last, given if given is None or given is True else type(given)] += 1
            return go_on

        return go_on


def ways(target: str, data: bytes) -> set[tuple[Any, ...]]:
    """All of them, each with how often it was taken."""
    taken = Ways()
    sys.settrace(taken.begin)
    try:
        TARGETS[target](data)
    finally:
        sys.settrace(None)
    return {(way, min(count, 3)) for way, count in taken.count.items()}


def chosen(drawn: list[tuple[bytes, set[tuple[Any, ...]]]], most: int) -> list[bytes]:
    """Those that add the most for their length, one after another."""

    def worth(found: set[tuple[Any, ...]], data: bytes) -> float:
        return -len(found) / (len(data) + FOR_ITSELF)

    heap = [(worth(found, data), place) for place, (data, found) in enumerate(drawn)]
    heapq.heapify(heap)
    seen: set[tuple[Any, ...]] = set()
    made: list[bytes] = []
    while heap and len(made) < most:
        said, place = heapq.heappop(heap)
        data, found = drawn[place]
        now = worth(found - seen, data)
        if now > said:  # others were chosen since, and have some of its ways
            if now:
                heapq.heappush(heap, (now, place))
            continue
        seen |= found
        made.append(data)
    return made


def main() -> None:
    """Does what the command line says."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--target", choices=[*TARGETS], required=True)
    arguments.add_argument("--drawn", type=int, default=4_000, help="inputs to choose from")
    arguments.add_argument("--most", type=int, default=100, help="inputs that are chosen at most")
    given = arguments.parse_args()
    source, seen, drawn = Source(given.target), set(), []
    for number in range(given.drawn):
        data = source.draw(random.Random(f"keep {given.target} {number}"))
        found = ways(given.target, data)
        if found - seen:
            seen |= found
            drawn.append((data, found))
    KEPT.mkdir(exist_ok=True)
    lines = sorted(as_line(data) for data in chosen(drawn, given.most))
    (KEPT / f"{given.target}.txt").write_bytes(b"".join(lines))


if __name__ == "__main__":
    main()
