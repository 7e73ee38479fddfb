"""The next turn after every recording of one's own, as the official SDKs' types take it.

`DELTAFOLD_RECORDINGS=folder pytest tests/encoding/test_recorded_turns.py`: the folder has a folder for each
dialect with bodies of streams as `*.sse`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conversations import DIALECTS, answers_to
from deltafold import next_turn, parse
from sdk_types import check_items

JSON = dict[str, Any]

BETA = ('"compaction"', '"advisor"', '"mcp_tool_use"')
"""Words of blocks that only Anthropic's beta types have."""
FOLDER = os.environ.get("DELTAFOLD_RECORDINGS")
RECORDINGS = [
    (path, dialect) for dialect in DIALECTS for path in sorted(Path(FOLDER or ".", dialect).glob("*.sse"))
]


def name_of(value: object) -> str:
    return value.stem if isinstance(value, Path) else str(value)


def is_ahead(target: str, items: tuple[JSON, ...]) -> bool:
    """Whether a server said what the newest types of the SDK do not have; it is sent back as it came.

    OpenAI told of sources of searches that are no URLs, and xAI cites URLs without the titles that are
    required there.
    """
    for item in items if target == "responses" else ():
        sources = item.get("action", {}).get("sources") or ()
        parts = item["content"] if item.get("type") == "message" else ()
        cited = [citation for part in parts for citation in part.get("annotations", ())]
        if any(source["type"] != "url" for source in sources) or any("title" not in one for one in cited):
            return True
    return False


@pytest.mark.skipif(not FOLDER, reason="DELTAFOLD_RECORDINGS names no folder")
@pytest.mark.parametrize(("path", "dialect"), RECORDINGS, ids=name_of)
def test_the_next_turn_after_a_recording(path: Path, dialect: str) -> None:
    """In each dialect. Blocks of Anthropic's betas have types of their own."""
    response = parse(path.read_bytes(), dialect)
    results, approvals = answers_to(response)
    for target in DIALECTS:
        items = next_turn(response, target, results, approvals).items
        if items and not is_ahead(target, items):
            beta = target == "anthropic" and any(word in json.dumps(items) for word in BETA)
            check_items(target, items, beta)
