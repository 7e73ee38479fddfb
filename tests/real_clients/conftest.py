"""The stage on which real clients are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def stage() -> Iterator[object]:
    """Gateways over a scripted upstream, one for all tests of a session."""
    for package in ("httpx", "starlette", "uvicorn"):
        pytest.importorskip(package, reason=f"the gateway needs {package}")
    from real_clients.stage import staged

    with staged() as stage:
        yield stage
