"""What the tests of the world share: a server, and what is said over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from world.server import Server, Stage, running, stage


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers as it is told."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def play() -> Iterator[Stage]:
    """Where ASGI apps are run."""
    pytest.importorskip("uvicorn")
    with stage() as play:
        yield play
