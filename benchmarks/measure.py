"""How time and memory are measured, so that a figure of a noisy machine can be trusted.

CPU time, not the clock on the wall. Each repetition runs all clients once, in a turning order, and what
counts is the median of the ratios within the repetitions: what disturbs one disturbs its neighbours as well.
The garbage collector is on, as it is for users; what was there before a measurement is frozen out of it.
"""

from __future__ import annotations

import contextlib
import gc
import math
import signal
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import attrs

LEAST = 0.02
"""Seconds that one measurement takes at least: short work is done several times within it."""
STREAMS = 100
"""Open streams, of which one cannot be told from the noise."""
SHORT = 0.2
"""Seconds of a run that is long enough to take no notice of what ran before."""


class GaveUp(BaseException):
    """A run took more CPU time than there is patience. No `Exception`, so that no client swallows it."""


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raises `GaveUp` inside what takes more CPU time than this; where there is no such timer, nothing."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def give_up(number: int, frame: Any) -> None:
        raise GaveUp

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@runtime_checkable
class Elsewhere(Protocol):
    """What runs in another process, which knows what it takes."""

    def spent(self) -> float:
        """CPU seconds of one run, over as many as it takes to trust that."""


def spent(run: Callable[[], object], times: int = 1, *, settled: bool = False) -> float:
    """CPU seconds of one run, over so many.

    `settled` runs it once before: what others, or the collector, have dropped from caches is not its doing.
    """
    if isinstance(run, Elsewhere):
        return run.spent()
    gc.collect()
    if settled:
        run()
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def times_for(seconds: float) -> int:
    """How often what takes so long is to be run within one measurement."""
    return max(1, math.ceil(LEAST / max(seconds, 1e-7)))


@attrs.frozen
class Figure:
    """What was measured of one client."""

    seconds: float
    """The median, of one run."""
    ratio: float
    """To the first client: the median over the repetitions."""
    spread: float
    """Half the distance between the quartiles of the ratio, as a share of it."""
    repetitions: int


def interleaved(
    runs: Mapping[str, Callable[[], object]],
    repetitions: int,
    budget: float,
    known: Mapping[str, float] | None = None,
) -> dict[str, Figure]:
    """Measures all of them together; the first is what the ratios are to, and is to be in every repetition.

    A run that takes long comes only as often as the budget (CPU seconds for each) allows, but at least once.
    `known` are the seconds of those that need not be tried out before.
    """
    gc.collect()
    gc.freeze()
    known = known or {}
    first = {name: known.get(name) or spent(run, settled=True) for name, run in runs.items()}
    times = {name: times_for(seconds) for name, seconds in first.items()}
    cost = {name: max(seconds, 1e-7) * times[name] for name, seconds in first.items()}
    turns = {name: min(repetitions, max(1, int(budget / cost[name]))) for name in runs}
    names = list(runs)
    base = names[0]
    turns[base] = repetitions
    taken: dict[str, list[float]] = {name: [] for name in names}
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for repetition in range(repetitions):
        shift = repetition % len(names)
        now = {
            name: spent(runs[name], times[name], settled=first[name] < SHORT)
            for name in names[shift:] + names[:shift]
            if repetition < turns[name]
        }
        for name, seconds in now.items():
            taken[name].append(seconds)
            ratios[name].append(seconds / now[base])
    gc.unfreeze()
    return {
        name: Figure(
            statistics.median(taken[name]), statistics.median(ratios[name]), spread(ratios[name]), turns[name]
        )
        for name in names
    }


def spread(values: list[float]) -> float:
    """Half the distance between the quartiles, as a share of the median; 0 where there are too few."""
    if len(values) < 4:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / middle


def exponents(runs: Mapping[float, Callable[[], object]], repetitions: int) -> tuple[float, float]:
    """How the time grows with the size: the exponent over all sizes, and over the last step alone.

    1 is linear, 2 is the square.
    """
    sizes = sorted(runs)
    gc.collect()
    gc.freeze()
    times = {size: times_for(spent(runs[size])) for size in sizes}
    whole, last = [], []
    for _ in range(repetitions):
        seconds = {size: spent(runs[size], times[size]) for size in sizes}
        whole.append(slope(sizes[0], sizes[-1], seconds))
        last.append(slope(sizes[-2], sizes[-1], seconds))
    gc.unfreeze()
    return statistics.median(whole), statistics.median(last)


def slope(small: float, large: float, seconds: Mapping[float, float]) -> float:
    """The exponent between two sizes."""
    return math.log(seconds[large] / seconds[small]) / math.log(large / small)


def peak_memory(run: Callable[[], object]) -> int:
    """Bytes that a run holds at the most, beyond what was there before it."""
    run()
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@attrs.frozen
class Held:
    """What open streams hold, in bytes."""

    idle: float
    """A parser that was fed nothing."""
    begun: float
    """One that has read a stream's beginning."""
    delta: float
    """How much more each delta is, from there on."""


def held_by_streams(
    make: Callable[[], Callable[[bytes], object]], blocks: Sequence[bytes], begun: int
) -> Held:
    """What a reader holds that `make` gives, and that takes blocks, of which so many are the beginning.

    What one reader leaves in caches is there before anything is counted.
    """
    first = make()
    for block in blocks:
        first(block)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        readers = [make() for _ in range(STREAMS)]
        gc.collect()
        idle = tracemalloc.get_traced_memory()[0]
        for reader in readers:
            for block in blocks[:begun]:
                reader(block)
        gc.collect()
        start = tracemalloc.get_traced_memory()[0]
        for block in blocks[begun:]:
            readers[0](block)
        gc.collect()
        end = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    return Held((idle - before) / STREAMS, (start - before) / STREAMS, (end - start) / len(blocks[begun:]))


def kept_memory(run: Callable[[], list[Any]]) -> float:
    """Bytes that each entry of a run's list keeps alive, all that belongs to it included."""
    run()
    gc.collect()
    tracemalloc.start()
    try:
        kept = run()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()
