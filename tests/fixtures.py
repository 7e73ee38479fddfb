"""The streams of `fixtures/`: one folder for each dialect of the registry, each file one stream or body."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from deltafold.model.anomalies import AnomalyCode
from deltafold.registry import DIALECTS
from deltafold.wire.sse import SSEDecoder
from runs import FIXTURES, Run, play

STRICT_ONLY = {AnomalyCode.DUPLICATE_KEY}
"""Codes that no lenient run reports: looking for them costs time, and changes nothing in what is read."""


@attrs.frozen
class Fixture:
    """One file, and the dialect whose folder it is in."""

    dialect: str
    path: Path

    @property
    def name(self) -> str:
        """What it shows."""
        return self.path.stem

    @property
    def body(self) -> bytes:
        """Its bytes."""
        return self.path.read_bytes()

    @property
    def is_stored(self) -> bool:
        """Whether it is a body that did not stream."""
        return self.path.suffix == ".json"


ALL = [Fixture(dialect, path) for dialect in DIALECTS for path in sorted((FIXTURES / dialect).iterdir())]
each = pytest.mark.parametrize("fixture", ALL, ids=[f"{one.dialect}-{one.name}" for one in ALL])


def of(dialect: str) -> list[Fixture]:
    """The fixtures of one dialect."""
    return [fixture for fixture in ALL if fixture.dialect == dialect]


@cache
def lenient(fixture: Fixture) -> Run:
    """The run to which all others are compared: the whole body at once."""
    return play(fixture.body, fixture.dialect)


@cache
def payloads_of(fixture: Fixture) -> list[tuple[str, dict[str, Any]]]:
    """The events of a fixture as they stand on the wire, with their types."""
    decoder = SSEDecoder()
    decoder.feed(fixture.body)
    found = []
    for frame in decoder.frames():
        payload = as_object(frame.data)
        if isinstance(payload, dict):
            found.append((payload.get("type", frame.event), payload))
    return found


def as_object(text: str) -> str | dict[str, Any]:
    """A payload as an SDK would give it, where it is an object."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text
