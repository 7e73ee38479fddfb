"""What can be copied and pickled: exceptions, parsers, and all data."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

import runs
from deltafold import (
    DeltafoldError,
    LimitExceeded,
    Limits,
    ResponseFailed,
    ResponseParser,
    UsageError,
    WireError,
    parse,
)
from deltafold.testing import StreamBuilder

WAYS: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(lambda value, how=how: pickle.loads(pickle.dumps(value, how)) for how in range(6)),
]
every_way = pytest.mark.parametrize("way", WAYS, ids=["copy", "deepcopy", *map(str, range(6))])


def failure(kind: type[DeltafoldError]) -> DeltafoldError:
    """An exception as the library raises it."""
    try:
        if kind is WireError:
            parse(b"data: {bad\n\n", "responses", strict=True)
        elif kind is LimitExceeded:
            parse(StreamBuilder("responses").text("Hello").completed().body, limits=Limits(text_size=2))
        elif kind is ResponseFailed:
            parse(b'data: {"type":"error","error":{"message":"x"}}\n\n', "responses").raise_for_error()
        else:
            ResponseParser("klingon")
    except kind as error:
        return error
    raise AssertionError("nothing was raised")


@every_way
@pytest.mark.parametrize("kind", [WireError, LimitExceeded, ResponseFailed, UsageError])
def test_exceptions(kind: type[DeltafoldError], way: Callable[[Any], Any]) -> None:
    """An exception comes back with all that it says."""
    error = failure(kind)
    error.add_note("seen in a test")
    again = way(error)
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.args == error.args


def raises(body: bytes) -> None:
    """Work for another process, which fails."""
    parse(body, "responses", strict=True)


def test_exceptions_of_another_process() -> None:
    """An exception that a worker raises arrives, and the pool goes on."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for _ in range(2):
            with pytest.raises(WireError, match="malformed_json"):
                pool.submit(raises, b"data: {bad\n\n").result()


@every_way
@pytest.mark.parametrize("dialect", ["responses", "chat", "gemini", "auto"])
def test_parsers(dialect: str, way: Callable[[Any], Any]) -> None:
    """A copied parser goes on from where the other one stands, and neither changes the other."""
    body = StreamBuilder("responses" if dialect == "auto" else dialect).text("Hel", "lo").call("f", "{}")
    data = body.completed().body
    for at in range(0, len(data), max(len(data) // 7, 1)):
        parser = ResponseParser(dialect)
        parser.feed(data[:at])
        before = list(parser.events())
        again = way(parser)
        assert type(again) is ResponseParser
        assert again.response == parser.response
        assert again.state is parser.state
        for one in (again, parser):
            one.feed(data[at:])
            one.close()
        assert [*before, *again.events()] == [*before, *parser.events()]
        assert again.response == parser.response == parse(data)
        assert again.anomalies == parser.anomalies


class Named(ResponseParser):
    """A parser that somebody has given more."""

    name = ""


def test_parsers_of_a_subclass() -> None:
    """What a subclass keeps is kept, and so is the class."""
    parser = Named("chat")
    parser.name = "mine"
    again = copy.deepcopy(parser)
    assert (type(again), again.name) == (Named, "mine")


def test_parsers_that_failed() -> None:
    """A parser that failed has nothing to go on from: the message names the snapshot."""
    parser = ResponseParser("responses", strict=True)
    parser.feed(b"data: {bad\n\n")
    with pytest.raises(WireError):
        parser.next_event()
    for way in WAYS:
        with pytest.raises(UsageError, match="snapshot"):
            way(parser)


@every_way
def test_data(way: Callable[[Any], Any]) -> None:
    """Events, items and responses come back equal, and with the same hash."""
    for path in sorted(runs.FIXTURES.glob("*/*.sse"))[::7]:
        reading = runs.play(path.read_bytes(), "auto")
        for one in (*reading.events, *reading.response.output, reading.response, *reading.anomalies):
            again = way(one)
            assert again == one
            assert hash(again) == hash(one)
        assert way(reading.response).anomalies == reading.response.anomalies


def test_a_parser_shows_where_it_is() -> None:
    """What a parser is shown as tells its wire, its state, and how much came."""
    parser = ResponseParser()
    assert repr(parser) == "<ResponseParser 'auto' idle: 0 items, 0 anomalies>"
    parser.feed(StreamBuilder("chat").text("Hello").completed().body)
    parser.close()
    for _ in parser.events():
        pass
    assert repr(parser) == "<ResponseParser 'chat' finished: 1 items, 0 anomalies>"
