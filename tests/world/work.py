"""What the workers of these tests do, where another process can import it."""

from __future__ import annotations

import os
from typing import Any

from deltafold import (
    Event,
    LimitExceeded,
    Limits,
    Response,
    ResponseParser,
    StreamEncoder,
    UsageError,
    WireError,
    parse,
)

DIED = 3
"""The exit status of a worker that dies."""
RAISED = ("usage", "wire", "limit", "failed")


def read(body: bytes) -> Response:
    return parse(body)


def go_on(
    parser: ResponseParser, encoder: StreamEncoder, rest: bytes
) -> tuple[ResponseParser, StreamEncoder, list[Event], bytes]:
    """The next piece of a stream, in another process."""
    parser.feed(rest)
    events = list(parser.events())
    return parser, encoder, events, b"".join(map(encoder.encode, events))


def fail(what: str) -> Any:
    """Raises each exception that this library has."""
    if what == "usage":
        raise UsageError("the caller's mistake")
    if what == "wire":
        return parse(b'data: {"choices":7}\n\ndata: oops\n\n', "chat", strict=True)
    if what == "limit":
        return parse(b"data: " + b"x" * 100, "chat", limits=Limits(line_bytes=10))
    return parse(b'data: {"error":{"message":"slow down","code":429}}\n\n', "chat").raise_for_error()


def same(error: BaseException) -> Any:
    """What has to be the same of an exception that came from another process."""
    said = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    assert isinstance(error, Exception)
    assert type(error).__module__.startswith("deltafold")
    if isinstance(error, (WireError, LimitExceeded)):
        assert said["code"]
    return type(error), str(error), error.args, said


def move(port: int, name: str, source: str, target: str, steps: int, dies: bool) -> int:
    """A worker that takes some steps of a stream in Redis, and may die in the middle of the next one."""
    import redis

    import test_docs

    step = test_docs.example("step")
    with redis.Redis(port=port) as store:
        taken = 0
        while taken < steps and step(store, name, source, target):
            taken += 1
        if dies:
            redis.client.Pipeline.execute = lambda *_, **__: os._exit(DIED)  # type: ignore[method-assign]
            step(store, name, source, target)
    return taken
