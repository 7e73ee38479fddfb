"""What comes of inputs that go many ways through the code (`tests/fuzz/keep.py`) stays as it was.

The snapshots say in words what came of each, and the number in parentheses stands for all of it. A change of
the code that was to change nothing changes no line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from deltafold import Converted, Turn
from fuzz.keep import kept
from fuzz.targets import TARGETS
from one_change import digest_of

INPUTS = {
    f"{target}-{hashlib.sha256(data).hexdigest()[:8]}": (target, data)
    for target in ("parser", "writing", "framing", "payload", "request", "turn")
    for data in kept(target)
}


def codes_of(found: Iterable[Any]) -> str:
    """The codes of anomalies or losses."""
    return ", ".join(f"{code} {count}" for code, count in sorted(Counter(one.code for one in found).items()))


def in_words(target: str, came: Any) -> str:
    """What came of an input, and another number for anything else."""
    match target, came:
        case ("parser", everything) | ("framing", (_, everything)):
            events, anomalies, fault, (response, _) = everything
            said = f"{response.outcome or fault[0].__name__}, {len(events)} events: {codes_of(anomalies)}"
        case "payload", (values, codes, _):
            said = f"{len(values)} values: {', '.join(codes)}"
        case "writing", pieces:
            said = f"{sum(map(len, pieces))} bytes for {len(pieces)} events"
        case "request", (Converted() as made, *_):
            said = f"{len(made.request)} members: {codes_of(made.losses)}"
        case "request", (str() as said, *_):
            pass
        case "turn", (form, Turn() as next_one):
            said = f"{len(form)} members, {len(next_one.items)} items: {codes_of(next_one.losses)}"
        case "turn", (_, said):
            pass
        case _:
            said = "a limit"
    return f"{said} ({digest_of(came)})"


@pytest.mark.parametrize("name", INPUTS)
def test_of_an_input(name: str, snapshot: SnapshotAssertion) -> None:
    """It keeps the laws, and says what it always said."""
    target, data = INPUTS[name]
    assert in_words(target, TARGETS[target](data)) == snapshot
