"""What many open streams cost, and what each of them holds: thousands of parsers fed in turn.

    python benchmarks/live.py [--streams 2000] [--deltas 300] [--only DIALECT ...] [--readme]

In turn: every parser gets its next chunk before any gets the one after that, as in a server. One after
another: the same parsers, each to its end. Both are CPU time as a multiple of A: each body split at its blank
lines, and `json.loads` of each payload. Bytes are those of one parser that is idle, one that has read half of
its stream, and one that has read all of it, the chunks themselves not counted.

What each parser read is compared with what was sent.
"""

from __future__ import annotations

import argparse
import gc
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs

from clients import split_and_loads
from deltafold import ResponseParser
from measure import interleaved
from scenarios import Stream, anthropic_text, chat_text, gemini_text, network, text
from tables import markdown, put

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
WRITERS: dict[str, Callable[[int], Stream]] = {
    "responses": text,
    "chat": chat_text,
    "anthropic": anthropic_text,
    "gemini": gemini_text,
}
BODIES = 20
"""Different bodies, which the streams share."""
BUDGET = 120.0
"""CPU seconds for each way to read them."""
AFTER, IN_TURN = "one after another", "in turn"


@attrs.frozen(eq=False)
class Open:
    """One stream of many."""

    stream: Stream
    chunks: list[bytes]
    parser: ResponseParser

    def feed(self, chunks: Sequence[bytes]) -> None:
        """Reads these chunks, and takes the events."""
        feed, events = self.parser.feed, self.parser.events
        for chunk in chunks:
            feed(chunk)
            for _ in events():
                pass

    def close(self) -> None:
        self.parser.close()
        for _ in self.parser.events():
            pass


Body = tuple[Stream, list[bytes]]


def bodies(dialect: str, deltas: int, count: int) -> list[Body]:
    """So many streams, of a few bodies."""
    made = [WRITERS[dialect](deltas + more) for more in range(min(BODIES, count))]
    cut = [(stream, network(stream.body)) for stream in made]
    return [cut[number % len(cut)] for number in range(count)]


def opened(streams: Sequence[Body]) -> list[Open]:
    return [Open(stream, chunks, ResponseParser(stream.dialect)) for stream, chunks in streams]


def read(body: Body) -> Open:
    """Reads one stream to its end."""
    (one,) = opened([body])
    one.feed(one.chunks)
    one.close()
    return one


def in_turn(streams: Sequence[Body]) -> list[Open]:
    """Reads them in turn, a chunk of each."""
    found = opened(streams)
    for place in range(max(len(chunks) for _, chunks in streams)):
        for one in found:
            one.feed(one.chunks[place : place + 1])
    for one in found:
        one.close()
    return found


def exhaust(results: Iterable[object]) -> None:
    """Takes all, and keeps none."""
    for _ in results:
        pass


def check(found: Iterable[Open]) -> None:
    """Raises `AssertionError` where one did not read what was sent."""
    for one in found:
        assert one.parser.response.output_text == one.stream.told.text, "a stream was not read right"


def held(streams: Sequence[Body]) -> list[float]:
    """Bytes of a parser: idle, half way, and at the end."""
    opened(streams)  # what one leaves in caches is there before anything is counted
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        found = opened(streams)
        sizes = [traced()]
        for half in (0, 1):
            for one in found:
                middle = len(one.chunks) // 2
                one.feed(one.chunks[middle:] if half else one.chunks[:middle])
            sizes.append(traced())
    finally:
        tracemalloc.stop()
    return [(size - before) / len(streams) for size in sizes]


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def measured(dialect: str, count: int, deltas: int, repetitions: int) -> list[str]:
    """A row of the table."""
    streams = bodies(dialect, deltas, count)
    check(map(read, streams))
    check(in_turn(streams))
    least = [split_and_loads(stream, chunks).run for stream, chunks in streams]
    runs: dict[str, Callable[[], object]] = {
        "A": lambda: exhaust(run() for run in least),
        AFTER: lambda: exhaust(map(read, streams)),
        IN_TURN: lambda: in_turn(streams),
    }
    figures = interleaved(runs, repetitions, BUDGET)
    events = sum(len(stream.blocks) for stream, _ in streams)
    times = [figures["A"].seconds / events * 1e6, figures[AFTER].ratio, figures[IN_TURN].ratio]
    return [
        dialect,
        f"{events:,}",
        *(f"{value:.2f}" for value in times),
        *(f"{size:,.0f}" for size in held(streams)),
    ]


def table(rows: Sequence[Sequence[str]]) -> str:
    """As Markdown."""
    bytes_of = ("bytes, idle", "half way", "at the end")
    return markdown(["x A", "events", "A, µs/event", AFTER, IN_TURN, *bytes_of], rows)


def main(given: Sequence[str] | None = None) -> str:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=2_000, help="open at the same time")
    parser.add_argument("--deltas", type=int, default=300, help="of text in each")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=WRITERS, default=list(WRITERS), metavar="DIALECT")
    parser.add_argument("--readme", action="store_true", help="put the table into docs/speed.md")
    wanted = parser.parse_args(given)
    rows = [measured(dialect, wanted.streams, wanted.deltas, wanted.repetitions) for dialect in wanted.only]
    found = f"{table(rows)}\n{wanted.streams:,} streams of {wanted.deltas} deltas each.\n"
    print(found)
    if wanted.readme:
        put(PAGE, "live", found)
    return found


if __name__ == "__main__":
    main()
