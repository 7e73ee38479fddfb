"""The laws over recordings of one's own: `DELTAFOLD_RECORDINGS=folder pytest tests/test_recordings.py`.

The folder holds bodies of streams as `*.sse`. Those at its top and under `responses/` are read as the
Responses API's, those under `chat/` as Chat Completions'.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from deltafold.parsing.parser import ResponseParser
from runs import check_laws, cut, play, resumed, same

FOLDER = os.environ.get("DELTAFOLD_RECORDINGS")
FOLDERS = {"": "responses", "responses": "responses", "chat": "chat"}
SMALL = 30_000
"""Bytes that are fed one at a time; of longer bodies only the beginning is."""


def recordings() -> list[tuple[Path, str]]:
    if not FOLDER:
        return []
    return [
        (path, dialect)
        for name, dialect in FOLDERS.items()
        for path in sorted(Path(FOLDER, name).glob("*.sse"))
    ]


def name_of(value: object) -> str:
    return value.stem if isinstance(value, Path) else str(value)


@pytest.mark.skipif(not FOLDER, reason="DELTAFOLD_RECORDINGS names no folder")
@pytest.mark.parametrize(("path", "dialect"), recordings(), ids=name_of)
def test_recording(path: Path, dialect: str) -> None:
    """A recording keeps the laws, however it is cut, broken off, or taken up again."""
    body = path.read_bytes()
    dice = random.Random(path.stem)
    reading = play(body, dialect)
    check_laws(reading)
    check_laws_hold_of_pieces(body, dialect, dice)
    same(reading, play(cut(body, [dice.randint(0, len(body)) for _ in range(12)]), dialect=dialect))
    head, rest = body[:SMALL], body[SMALL:]
    same(reading, play([*(head[i : i + 1] for i in range(len(head))), rest], dialect=dialect))

    place = dice.randint(0, len(body))
    parser = ResponseParser(dialect)
    parser.feed(body[:place])
    events = list(parser.events())
    parser = resumed(parser)
    parser.feed(body[place:])
    events += parser.events()
    parser.close()
    events += parser.events()
    assert events == reading.events
    assert parser.response == reading.response
    assert parser.anomalies == reading.anomalies


def check_laws_hold_of_pieces(body: bytes, dialect: str, dice: random.Random) -> None:
    """A body that breaks off anywhere still has one end, and what it told till then."""
    for _ in range(4):
        broken = play(body[: dice.randint(0, len(body))], dialect)
        check_laws(broken)
