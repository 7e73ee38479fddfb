"""One way to run any stream, and the laws that hold of every run.

The streams, and what may happen to them on their way, are drawn by `deltafold.testing.strategies`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import settings

import wire
from deltafold import (
    Event,
    LimitExceeded,
    Response,
    ResponseFinished,
    ResponseParser,
    WireError,
)
from deltafold.__main__ import BUILD

THOROUGH = settings().max_examples >= 1000
"""Whether this is a long run."""


# ------------------------------------------------------------------------------------------------- running


@attrs.frozen
class Run:
    """What came of a stream."""

    events: list[Event]
    fault: WireError | None
    parser: ResponseParser

    @property
    def told(self) -> tuple[Any, ...]:
        """All of it, to be compared: not only by class and key, but by everything that was said."""
        fault = None if self.fault is None else (type(self.fault), str(self.fault))
        return (
            [whole(event) for event in self.events],
            self.parser.anomalies,
            fault,
            whole(self.parser.response),
        )


def whole(value: Any) -> Any:
    """A value with the data that equality of items looks at, and the class, which dicts would not show."""
    if isinstance(value, (Response, ResponseFinished)):
        return value, json.dumps(getattr(value, "response", value).to_dict())
    return value


def next_fault(parser: ResponseParser) -> WireError | None:
    """The exception that the next call raises."""
    try:
        parser.next_event()
    except WireError as fault:
        return fault
    return None


def drain(parser: ResponseParser, events: list[Event]) -> WireError | None:
    """Takes what can be had. Gives the exception that stopped it, which must be a sticky one."""
    try:
        events.extend(parser.events())
    except WireError as fault:
        again = next_fault(parser)
        assert again is fault, f"the same exception object again, not {again!r}"  # noqa: PT017
        return fault
    return None


def play(
    chunks: bytes | Iterable[bytes], dialect: str = "responses", *, close: bool = True, **options: Any
) -> Run:
    """Feeds a stream and drains the parser after each chunk."""
    parser = ResponseParser(dialect, **options)
    events: list[Event] = []
    for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
        parser.feed(chunk)
        if (fault := drain(parser, events)) is not None:
            return Run(events, fault, parser)
    if close:
        parser.close()
    return Run(events, drain(parser, events), parser)


def needs_python_code() -> None:
    """Skips what counts or replaces functions of the machine where those are compiled."""
    if BUILD == "compiled":
        pytest.skip("the machine is compiled: its functions can be neither counted nor replaced")


def count_calls(function: Callable[[], object]) -> Counter[str]:
    """How often a function makes Python and C calls, by name: its work, whatever the machine's speed."""
    needs_python_code()
    calls: Counter[str] = Counter()

    def profile(frame: Any, kind: str, argument: Any) -> None:
        if kind == "call":
            calls[frame.f_code.co_name] += 1
        elif kind == "c_call":
            calls[argument.__name__] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


# ---------------------------------------------------------------------------------------------------- laws


def strings(value: Any) -> Iterator[str]:
    """All strings inside a JSON value."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    if isinstance(value, list):
        for entry in value:
            yield from strings(entry)


def check_laws(run: Run, *, strict: bool = False) -> None:
    """What holds of every run, whatever the bytes were."""
    if run.fault is not None:
        assert strict or isinstance(run.fault, LimitExceeded), f"lenient mode raised {run.fault!r}"
    wire.check_laws(run.events, run.parser.response, ended=run.fault is None)
    for event in run.events:
        repr(event)
    assert len(run.parser.anomalies) <= run.parser.anomaly_count
