"""A load on the gateway: many slow streams at once. Is anything lost, and how much later does an event come?

    PYTHONPATH=src:tests python tests/world/load.py --streams 200 --events 100 --pause 0.2

An upstream, the gateway and the clients are a process each, on loopback. Each fragment of text has the time
at which it was sent; what the clients see is measured twice, without the gateway between them and with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from deltafold import ResponseWriter, parse
from world.said import request
from world.server import read_request

STAMP = re.compile(rb"#(\d+)@(\d+)")
FRONTS = {"chat": "/v1/chat/completions", "anthropic": "/v1/messages", "responses": "/v1/responses"}


@attrs.define
class Measured:
    """What was seen of a load."""

    wanted: int
    whole: int = 0
    """Streams that came whole: completed, with each fragment once and in order."""
    latencies: list[float] = attrs.field(factory=list)
    """Of each fragment, in milliseconds."""
    seconds: float = 0.0

    def at(self, part: float) -> float:
        """The latency that so many fragments stay below."""
        return statistics.quantiles(self.latencies, n=1000, method="inclusive")[round(part * 1000) - 1]


# -------------------------------------------------------------------------------------- the other processes


async def upstream(events: int, pause: float) -> None:
    """Slow streams of Chat Completions."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        said = ResponseWriter("chat", response_id="chatcmpl-1", model="m")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        for number in range(events):
            await asyncio.sleep(pause)
            piece = said.text(f"#{number}@{time.monotonic_ns()} ")
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        piece = said.finish()
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def gateway(url: str) -> None:
    """The gateway in front of it."""
    import uvicorn

    from world.examples import load

    module = load("gateway")
    app = module.make_app(module.Settings(upstream_wire="chat", upstream_url=f"{url}/v1", upstream_key="key"))
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listening])


@contextmanager
def process(*args: str) -> Iterator[int]:
    """Another process of this file; the port at which it listens."""
    command, env = [sys.executable, __file__, *args], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as running:
        assert running.stdout is not None
        try:
            yield int(running.stdout.readline())
        finally:
            running.kill()


# ---------------------------------------------------------------------------------------------- the clients


async def read(port: int, front: str, events: int, measured: Measured) -> None:
    """One client: reads a stream, and looks at the time of each fragment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(request(front, stream=True)).encode()
    head = f"POST {FRONTS[front]} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert b" 200 " in await reader.readline()
    await reader.readuntil(b"\r\n\r\n")
    got, seen = b"", list[int]()
    while size := int(await reader.readline(), 16):
        chunk = (await reader.readexactly(size + 2))[:-2]
        now = time.monotonic_ns()
        got += chunk
        for number, sent in STAMP.findall(chunk):
            if len(seen) == int(number):  # Responses tells all of the text again at its end
                seen.append(int(number))
                measured.latencies.append((now - int(sent)) / 1e6)
    writer.close()
    response = parse(got, front)
    told = [int(number) for number, _ in STAMP.findall(response.output_text.encode())]
    measured.whole += response.outcome == "completed" and told == seen == list(range(events))


async def clients(port: int, fronts: list[str], streams: int, events: int, pause: float) -> Measured:
    """So many clients at once, which come one after the other while the first ones are half served."""
    measured, began = Measured(streams), time.monotonic()

    async def one(number: int) -> None:
        await asyncio.sleep(min(pause * events / 2, 2.0) * number / streams)
        await read(port, fronts[number % len(fronts)], events, measured)

    await asyncio.gather(*(one(number) for number in range(streams)))
    measured.seconds = time.monotonic() - began
    return measured


def measure(streams: int, events: int, pause: float) -> tuple[Measured, Measured]:
    """The streams without the gateway, and with it."""
    with process("upstream", str(events), str(pause)) as behind:
        direct = asyncio.run(clients(behind, ["chat"], streams, events, pause))
        with process("gateway", f"http://127.0.0.1:{behind}") as port:
            through = asyncio.run(clients(port, list(FRONTS), streams, events, pause))
    return direct, through


def main() -> None:
    """The figures, as a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--streams", type=int, default=200)
    options.add_argument("--events", type=int, default=100)
    options.add_argument("--pause", type=float, default=0.2)
    given = options.parse_args()
    print("| | streams whole | events | seconds | median | 90 % | 99 % |\n|---|---|---|---|---|---|---|")
    direct, through = measure(given.streams, given.events, given.pause)
    for name, seen in (("direct", direct), ("through the gateway", through)):
        came = f"{seen.whole} of {seen.wanted} | {len(seen.latencies)} | {seen.seconds:.1f}"
        times = " | ".join(f"{seen.at(part):.1f} ms" for part in (0.5, 0.9, 0.99))
        print(f"| {name} | {came} | {times} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["upstream"]:
        asyncio.run(upstream(int(sys.argv[2]), float(sys.argv[3])))
    elif sys.argv[1:2] == ["gateway"]:
        gateway(sys.argv[2])
    else:
        main()
