"""What the tests of the world share: a server, and what is said over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from world.server import Server, running


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers as it is told."""
    with running() as server:
        yield server
