"""Other processes: everything goes through pickle and `multiprocessing`, Dask and Redis."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import test_docs
from deltafold import DeltafoldError, ResponseParser, ResponseWriter, StreamEncoder, parse
from world import work
from world.said import TEXT, WIRES, stream

FIXTURES = Path(__file__).parents[2] / "fixtures"
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Two other processes, which share nothing with this one."""
    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        yield pool


def events_and_frames(body: bytes, source: str, target: str) -> tuple[list[Any], bytes]:
    parser, encoder = ResponseParser(source), StreamEncoder(target)
    parser.feed(body)
    events = list(parser.events())
    return events, b"".join(map(encoder.encode, events))


def test_responses_come_from_other_processes(pool: ProcessPoolExecutor) -> None:
    """They are what this process would have made, with all they hold."""
    bodies = [path.read_bytes() for path in sorted(FIXTURES.rglob("*.sse"))][:60]
    for body, response in zip(bodies, pool.map(work.read, bodies, chunksize=30), strict=True):
        expected = parse(body)
        assert response == expected
        assert response.anomalies == expected.anomalies
        assert response.to_dict() == expected.to_dict()


@pytest.mark.parametrize("target", WIRES)
def test_a_stream_goes_from_process_to_process(pool: ProcessPoolExecutor, target: str) -> None:
    """Parser and encoder go there and back with each piece, and nobody could tell."""
    body = stream("responses")
    expected = events_and_frames(body, "responses", target)
    parser, encoder = ResponseParser("responses"), StreamEncoder(target)
    events: list[Any] = []
    written = b""
    for at in range(0, len(body), 701):
        parser, encoder, seen, said = pool.submit(work.go_on, parser, encoder, body[at : at + 701]).result()
        events += seen
        written += said
    assert (events, written) == expected
    assert parser.response.output_text == TEXT


@pytest.mark.parametrize("what", work.RAISED)
def test_exceptions_come_from_other_processes(pool: ProcessPoolExecutor, what: str) -> None:
    """With their words and all their fields."""
    with pytest.raises(DeltafoldError) as here:
        work.fail(what)
    with pytest.raises(DeltafoldError) as there:
        pool.submit(work.fail, what).result()
    assert work.same(there.value) == work.same(here.value)
    assert work.same(pickle.loads(pickle.dumps(here.value))) == work.same(here.value)


@pytest.mark.parametrize("wire", WIRES)
def test_a_pickled_encoder_has_a_life_of_its_own(wire: str) -> None:
    """What pickle makes of an encoder or a writer goes on from there, and touches the first one no more."""
    plain, moved = writer_frames(wire, pickled=False), writer_frames(wire, pickled=True)
    assert b"".join(plain) == b"".join(moved)
    encoder = StreamEncoder(wire)
    first, *rest = events_and_frames(stream("chat"), "chat", wire)[0]
    encoder.encode(first)
    copied = pickle.loads(pickle.dumps(encoder))
    assert [copied.encode(event) for event in rest] == [encoder.encode(event) for event in rest]
    assert copied.losses == encoder.losses


def writer_frames(wire: str, *, pickled: bool) -> Iterator[bytes]:
    """What a writer says that is pickled between its words, or is not."""
    writer = ResponseWriter(wire, response_id="resp_1", model="model-1")
    for word in ("Let ", "me ", "look."):
        yield writer.text(word)
        if pickled:
            writer = pickle.loads(pickle.dumps(writer))
    yield writer.call("search", '{"q":')
    if pickled:
        writer = pickle.loads(pickle.dumps(writer))
    yield writer.arguments('"cats"}')
    yield writer.finish()


# ------------------------------------------------------------------------------------------ the examples


def test_the_example_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example reads a folder of captures; here its function stands where other processes can find it."""
    said = test_docs.example_with("read_all")
    paths = sorted(map(str, (FIXTURES / "chat").glob("*.sse")))[:6]
    assert [said["read_capture"](path) for path in paths] == [
        parse(Path(path).read_bytes()) for path in paths
    ]
    monkeypatch.setitem(said, "read_capture", read_capture)
    assert [response.outcome for response in said["read_all"](paths)] == [
        parse(Path(path).read_bytes()).outcome for path in paths
    ]


def read_capture(path: str) -> Any:
    return test_docs.example("read_capture")(path)


@pytest.mark.parametrize("scheduler", ["processes", "synchronous"])
def test_the_example_of_dask(tmp_path: Path, scheduler: str) -> None:
    """A row for each capture, whatever it holds."""
    pytest.importorskip("dask")
    for wire in WIRES:
        (tmp_path / wire).mkdir()
        (tmp_path / wire / f"{wire}.sse").write_bytes(stream(wire))
    (tmp_path / "half.sse").write_bytes(stream("chat")[:500])
    (tmp_path / "none.sse").write_bytes(b"")
    (tmp_path / "line.sse").write_bytes(b"data: " + b"x" * (17 << 20))
    survey = test_docs.example("survey")
    rows = {row["file"]: row for row in survey(tmp_path, scheduler=scheduler)}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        **{f"{wire}.sse": "completed" for wire in WIRES},
        "half.sse": "truncated",
        "none.sse": "truncated",
        "line.sse": "limit_exceeded",
    }
    assert rows["chat.sse"]["output_tokens"] == 9
    assert survey(tmp_path, "*.nothing") == []


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis of our own."""
    redis = pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server (apt-get install redis-server)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    folder = tmp_path_factory.mktemp("redis")
    with subprocess.Popen([program, *options, "--dir", str(folder)], stdout=subprocess.DEVNULL) as server:
        try:
            with redis.Redis(port=port) as store:
                for _ in range(200):
                    try:
                        store.ping()
                        break
                    except redis.ConnectionError:
                        time.sleep(0.02)
            yield port
        finally:
            server.terminate()


def test_the_example_of_redis(redis_port: int, pool: ProcessPoolExecutor) -> None:
    """A live stream moves between workers, of which two die in the middle of a step."""
    import redis

    body = stream("chat")
    chunks = [body[at : at + 100] for at in range(0, len(body), 100)]
    with redis.Redis(port=redis_port) as store:
        for dies, steps, came in [(False, 4, chunks[:5]), (True, 5, chunks[5:11]), (True, 1, chunks[11:15])]:
            store.rpush("s:in", *came)
            task = (redis_port, "s", "chat", "anthropic", steps, dies)
            if dies:
                worker = SPAWN.Process(target=work.move, args=task)
                worker.start()
                worker.join(30)
                assert worker.exitcode == work.DIED
            else:
                assert pool.submit(work.move, *task).result() == steps
            assert set(json.loads(store.get("s:state"))) == {"parser", "encoder"}
        store.rpush("s:in", *chunks[15:], b"")
        pool.submit(work.move, redis_port, "s", "chat", "anthropic", 1000, False).result()
        assert store.get("s:out") == events_and_frames(body, "chat", "anthropic")[1]
        assert store.llen("s:in") == 0


def test_two_workers_at_once(redis_port: int, pool: ProcessPoolExecutor) -> None:
    """Workers that come for the same chunk do not take it twice."""
    import redis

    body = stream("anthropic")
    with redis.Redis(port=redis_port) as store:
        store.rpush("t:in", *[body[at : at + 40] for at in range(0, len(body), 40)], b"")
        jobs = [pool.submit(work.move, redis_port, "t", "anthropic", "gemini", 1000, False) for _ in range(2)]
        for job in jobs:
            job.result()
        assert store.get("t:out") == events_and_frames(body, "anthropic", "gemini")[1]
