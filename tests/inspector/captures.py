"""One stream in every form in which somebody may have kept it."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

from deltafold.testing import StreamBuilder

TEXT = "Lisbon is warmer."


def stream(dialect: str = "responses") -> bytes:
    """A stream that says `TEXT`."""
    return StreamBuilder(dialect).text("Lisbon ", "is warmer.").completed().body


PAYLOADS = [
    line.removeprefix("data: ") for line in stream().decode().splitlines() if line.startswith("data: {")
]
URL = "https://user:secret@api.example.com/v1/responses?key=secret"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
REFUSAL = b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'


def chunked(body: bytes, size: int = 100) -> bytes:
    """A body in chunks, as HTTP/1.1 sends it."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def har_entry(body: bytes, **more: Any) -> dict[str, Any]:
    """An exchange of a HAR file."""
    return {
        "request": {"method": "POST", "url": URL},
        "response": {
            "status": 200,
            "headers": [{"name": "content-type", "value": "text/event-stream"}],
            "content": {"mimeType": "text/event-stream", "text": body.decode()},
        },
        "time": 1500,
        "timings": {"wait": 250.5},
        **more,
    }


def har(*entries: Any) -> bytes:
    """A HAR file."""
    return json.dumps({"log": {"version": "1.2", "entries": list(entries)}}).encode()


def log(stamp: str) -> bytes:
    """A log in which each line of the stream has a time stamp."""
    lines = stream().decode().splitlines()
    return "".join(f"{stamp.format(number)}{line}\n" for number, line in enumerate(lines, 10)).encode()


SOCKETS = [
    {"type": "send", "time": 1700000000.0, "opcode": 1, "data": '{"type":"response.create"}'},
    *(
        {"type": "receive", "time": 1700000000.5 + at, "opcode": 1, "data": one}
        for at, one in enumerate(PAYLOADS)
    ),
    {"type": "receive", "time": 1700000009.0, "opcode": 8, "data": ""},
]
EVENT_SOURCE = [
    {"time": 5.0 + at, "eventName": "message", "eventId": str(at), "data": one}
    for at, one in enumerate(PAYLOADS)
]
BODY = {"string": stream().decode()}
CASSETTE = {
    "version": 1,
    "interactions": [
        {
            "request": {"method": "post", "uri": URL, "body": None},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {"content-type": ["text/event-stream"]},
                "body": BODY,
            },
        }
    ],
}
GO_CASSETTE = {
    "interactions": [
        {"request": {"method": "POST", "url": URL}, "response": {"code": 200, "body": stream().decode()}}
    ]
}
RUBY_CASSETTE = {
    "http_interactions": [
        {
            "request": {"method": "post", "uri": URL},
            "response": {
                "status": {"code": "200"},
                "body": {"encoding": "utf-8", "base64_string": base64.b64encode(stream()).decode()},
            },
        }
    ],
    "recorded_with": "betamax/0.8",
}
FORMS: dict[str, bytes] = {
    "a body": stream(),
    "a body with a mark": b"\xef\xbb\xbf" + stream(),
    "JSON lines of payloads": "\n".join(PAYLOADS).encode(),
    "a JSON array of payloads": f"[{','.join(PAYLOADS)}]".encode(),
    "gzip": gzip.compress(stream()),
    "gzip in two members": gzip.compress(stream()[:100]) + gzip.compress(stream()[100:]) + b"\0\0",
    "zlib": zlib.compress(stream()),
    "UTF-16, as PowerShell writes it": stream().decode().encode("utf-16"),
    "curl -i": HEAD + b"\r\n" + stream(),
    "curl -i with an empty line first": b"\r\n" + HEAD + b"\r\n" + stream(),
    "curl -i, line feeds alone": HEAD.replace(b"\r\n", b"\n") + b"\n" + stream(),
    "curl -i, redirected": b"HTTP/2 307\r\nlocation: /x\r\n\r\n" + HEAD + b"\r\n" + stream(),
    "curl -i, continued": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\n" + stream(),
    "curl -i, chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(stream()),
    "curl -i, chunked no more": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + stream(),
    "curl -i, gzip": HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(stream()),
    "curl -i, gzip no more": HEAD + b"Content-Encoding: gzip\r\n\r\n" + stream(),
    "curl -i, raw deflate": HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(stream())[2:-4],
    "curl -v": b"* Trying 1.2.3.4...\n> POST /v1/responses?key=x HTTP/1.1\r\n> Host: a\r\n>\r\n"
    b"< HTTP/1.1 200 OK\r\n< content-type: text/event-stream\r\n< \r\n"
    + stream()
    + b"* Connection #0 left intact\n",
    "HAR": har(har_entry(stream())),
    "HAR in base64": har(
        har_entry(
            b"",
            response={
                "status": 200,
                "content": {"text": base64.b64encode(stream()).decode(), "encoding": "base64"},
            },
        )
    ),
    "HAR of a WebSocket": har(har_entry(b"", _webSocketMessages=SOCKETS)),
    "HAR of an event source": har(har_entry(b"", _eventSourceMessages=EVENT_SOURCE)),
    "a cassette of vcrpy in JSON": json.dumps(CASSETTE, indent=1).encode(),
    "a cassette of go-vcr in JSON": json.dumps(GO_CASSETTE).encode(),
    "a cassette of betamax": json.dumps(RUBY_CASSETTE).encode(),
    "a log with dates": log("2026-01-02T03:04:{}.250Z "),
    "a log with dates and zones": log("[2026-01-02 03:04:{},250 +02:00] "),
    "a log with nanoseconds": log("2026-01-02T03:04:{}.123456789Z "),
    "a log with clock times": log("03:04:{}.25 "),
    "a log with seconds": log("{}.125 "),
    "a log with milliseconds": log("17000000{}000: "),
    "a log with milliseconds since the start": log("+{} ms "),
    "a log with names": log("2026-01-02 03:04:{} DEBUG app.stream: got "),
    "a log without the empty lines": b"\n".join(
        line for line in log("03:04:{}.25 ").splitlines() if b": " in line
    ),
    "a log of payloads": "\n".join(f"12:00:00.5 INFO {one}" for one in PAYLOADS).encode(),
    "a log of chunks": "\n".join(
        f"12:00:0{at}.5 chunk={bytes(stream()[at * 300 : at * 300 + 300])!r}" for at in range(20)
    ).encode(),
    "a log of chunks without times": "\n".join(
        repr(stream()[at : at + 300]) for at in range(0, len(stream()), 300)
    ).encode(),
    "a WebSocket client": "\n".join(
        ['> {"type":"response.create"}', *(f"< {one}" for one in PAYLOADS), "Connected"]
    ).encode(),
    "a WebSocket client with times": "\n".join(
        ['12:00:00 sent {"type":"response.create"}', *(f"12:00:01 recv {one}" for one in PAYLOADS)]
    ).encode(),
    "records in JSON lines": "\n".join(
        json.dumps({"t": at / 4, "data": json.loads(one)}) for at, one in enumerate(PAYLOADS)
    ).encode(),
    "records with a direction": "\n".join(
        [
            '{"dir":"out","data":"hello"}',
            *(json.dumps({"dir": "in", "data": one}) for one in PAYLOADS),
            '{"odd": 1}',
        ]
    ).encode(),
    "records of chunks": "\n".join(
        json.dumps({"ts": 1700000000000 + at, "chunk": stream()[at : at + 200].decode()})
        for at in range(0, len(stream()), 200)
    ).encode(),
    "a JSON array of records": json.dumps(SOCKETS[1:-1]).encode(),
}
