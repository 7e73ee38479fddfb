"""Many slow streams at once through the gateway: `load.py` has the long version."""

from __future__ import annotations

import pytest

from world.load import measure

for package in ("httpx", "starlette", "uvicorn"):
    pytest.importorskip(package)


def test_many_slow_streams() -> None:
    """Nothing is lost, and no event waits for another one: that would take a tenth of a second."""
    direct, through = measure(streams=40, events=10, pause=0.1)
    assert (direct.whole, through.whole) == (40, 40)
    assert len(through.latencies) == 40 * 10
    assert through.at(0.5) - direct.at(0.5) < 80
