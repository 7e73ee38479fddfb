"""The gateway, over real sockets: any API in front, any behind, and all that can go wrong on the way."""

from __future__ import annotations

import importlib
import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deltafold import (
    ErrorKind,
    Outcome,
    Response,
    ResponseParser,
    ResponseWriter,
    classify_http_error,
    encode_response,
    parse,
)
from world.examples import load
from world.said import ARGUMENTS, TEXT, WIRES, cut, pieces, request, stream
from world.server import Answer, Asked, Server, Stage

httpx, *_ = [pytest.importorskip(package) for package in ("httpx", "starlette", "uvicorn")]

PATHS = {
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/model-1:generateContent",
    "gemini sse": "/v1beta/models/model-1:streamGenerateContent?alt=sse",
    "gemini array": "/v1beta/models/model-1:streamGenerateContent",
}
CLIENT = {"timeout": 20, "trust_env": False, "verify": False}
BASES = {"responses": "/v1", "chat": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}


gateway = load("gateway")


class Behind:
    """A gateway with the server behind it."""

    def __init__(self, server: Server, play: Stage) -> None:
        self.server, self.play = server, play

    @contextmanager
    def __call__(self, wire: str, **settings: Any) -> Iterator[httpx.Client]:
        """A client of it."""
        told = {
            "upstream_url": self.server.url + BASES[wire],
            "upstream_key": "key",
            "stall": 20.0,
            **settings,
        }
        app = gateway.make_app(gateway.Settings(upstream_wire=wire, **told))
        with self.play.playing(app) as url, httpx.Client(base_url=url, **CLIENT) as client:
            yield client


@pytest.fixture
def gateway_to(server: Server, play: Stage) -> Behind:
    return Behind(server, play)


def front_of(front: str) -> str:
    return front.split()[0]


def ask(front: str, *, streamed: bool = True, **more: Any) -> tuple[str, dict[str, Any]]:
    """Path and body of a client's request."""
    wire = front_of(front)
    if wire == "gemini":
        front = "gemini" if not streamed else front if " " in front else "gemini sse"
        return PATHS[front], request(wire, **more)
    return PATHS[wire], request(wire, **{"stream": True, **more} if streamed else more)


def post(client: httpx.Client, front: str, **more: Any) -> httpx.Response:
    path, body = ask(front, **more)
    return client.post(path, json=body)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that the gateway has logged, once there is one."""
    for _ in range(200):
        found = [record.getMessage() for record in caplog.records if record.name == "gateway"]
        if found:
            return found
        time.sleep(0.02)
    return []


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")


# ------------------------------------------------------------------------------------------- all is well


def check(response: Response) -> None:
    assert response.outcome is Outcome.COMPLETED
    assert response.output_text == TEXT
    assert [(call.name, call.arguments) for call in response.tool_calls] == [("weather", ARGUMENTS)]
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (12, 9)


@pytest.mark.parametrize("behind", WIRES)
def test_any_api_in_front_of_any_other(
    gateway_to: Behind, server: Server, behind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What a client reads on its own wire, streamed or not, is what the upstream said."""
    seen = 0
    with gateway_to(behind) as client:
        for front in (*WIRES, "gemini array"):
            server.answer = lambda asked, at=seen: Answer(stream(behind), seed=at)
            more = {"stream_options": {"include_usage": True}} if front == "chat" else {}
            streamed = post(client, front, **more)
            assert streamed.status_code == 200
            kind = "application/json" if " " in front else "text/event-stream; charset=utf-8"
            assert streamed.headers["content-type"] == kind
            check(parse(streamed.content, front_of(front)))
            if " " in front:
                assert isinstance(streamed.json(), list)
            body = encode_response(parse(stream(behind), behind), behind)
            server.answer = lambda asked, body=body: Answer(json.dumps(body).encode())
            whole = post(client, front, streamed=False)
            assert whole.status_code == 200
            check(parse(whole.content, front_of(front)))
            seen += 1
    told = lines(caplog)
    assert len(told) == 10
    assert all("outcome=completed" in line for line in told)
    asked = server.asked[-2]
    assert asked.headers.get("authorization", "Bearer key") == "Bearer key"
    if behind == "chat":
        assert asked.json["stream_options"] == {"include_usage": True}
    if behind == "gemini":
        assert asked.path == "/v1beta/models/model-1:streamGenerateContent?alt=sse"
        assert "model" not in asked.json


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"authorization": "Bearer mine"}, PATHS["chat"]),
        ({"x-api-key": "mine"}, PATHS["chat"]),
        ({"x-goog-api-key": "mine"}, PATHS["chat"]),
        ({}, PATHS["chat"] + "?key=mine"),
    ],
)
def test_keys_pass_through(gateway_to: Behind, server: Server, headers: dict[str, str], path: str) -> None:
    """Where the gateway has no key, the client's goes upstream in the words of its API."""
    for behind, name, value in (
        ("chat", "authorization", "Bearer mine"),
        ("anthropic", "x-api-key", "mine"),
        ("gemini", "x-goog-api-key", "mine"),
    ):
        server.answer = lambda asked, behind=behind: Answer(stream(behind))
        with gateway_to(behind, upstream_key="") as client:
            assert client.post(path, json=ask("chat")[1], headers=headers).status_code == 200, behind
        assert server.asked[-1].headers[name] == value


@pytest.mark.parametrize("behind", WIRES)
def test_an_upstream_without_a_key(gateway_to: Behind, server: Server, behind: str) -> None:
    """Where nobody has a key, none is sent: a model of one's own wants none."""
    server.answer = lambda asked: Answer(stream(behind))
    with gateway_to(behind, upstream_key="") as client:
        check(parse(post(client, "responses").content, "responses"))
    assert not {"authorization", "x-api-key", "x-goog-api-key"} & set(server.asked[0].headers)


def test_the_model_can_be_set(gateway_to: Behind, server: Server) -> None:
    """The upstream is asked for the model of the settings."""
    server.answer = lambda asked: Answer(stream("chat"))
    with gateway_to("chat", upstream_model="other") as client:
        assert post(client, "anthropic").status_code == 200
        assert server.asked[-1].json["model"] == "other"
        assert client.get("/v1/models").json()["data"][0]["id"] == "other"


def test_a_client_that_asks_for_no_usage_gets_none(gateway_to: Behind, server: Server) -> None:
    """Chat's chunk with the usage is written where it was asked for."""
    server.answer = lambda asked: Answer(stream("anthropic"))
    with gateway_to("anthropic") as client:
        assert b'"choices":[]' not in post(client, "chat").content


@pytest.mark.parametrize("front", [*WIRES, "gemini array"])
def test_a_response_without_an_id_gets_one(gateway_to: Behind, server: Server, front: str) -> None:
    """Two answers never have the same made id."""
    body = (
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    server.answer = lambda asked: Answer(body)
    with gateway_to("chat") as client:
        for streamed in (True, False):
            ids = {
                parse(post(client, front, streamed=streamed).content, front_of(front)).id for _ in range(2)
            }
            assert len(ids - {None}) == 2


@pytest.mark.parametrize("behind", WIRES)
def test_an_upstream_that_answers_otherwise(gateway_to: Behind, server: Server, behind: str) -> None:
    """A body where a stream was asked for is streamed, and a stream where a body was asked for is none."""
    body = json.dumps(encode_response(parse(stream(behind), behind), behind)).encode()
    with gateway_to(behind) as client:
        for front in WIRES:
            server.answer = lambda asked: Answer(body, headers={"content-type": "application/json"})
            more = {"stream_options": {"include_usage": True}} if front == "chat" else {}
            check(parse(post(client, front, **more).content, front))
            server.answer = lambda asked: Answer(stream(behind))
            check(parse(post(client, front, streamed=False).content, front))


def test_what_is_lost_is_told(gateway_to: Behind, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Losses of the request are in a header, and all of them in the log."""
    server.answer = lambda asked: Answer(stream("anthropic"))
    with gateway_to("anthropic") as client:
        answer = post(client, "chat", logit_bias={"1": 2})
    assert "field_not_supported logit_bias" in answer.headers["x-losses"]
    assert "'field_not_supported': 1" in lines(caplog)[0]


@pytest.mark.parametrize("behind", ["anthropic", "gemini"])
@pytest.mark.parametrize("front", ["responses", "chat"])
def test_custom_tools(gateway_to: Behind, server: Server, front: str, behind: str) -> None:
    """A custom tool is a function upstream, and a custom tool again for the client."""
    patch = '*** Begin "Patch"\n+é\n'
    writer = ResponseWriter(behind, response_id="resp_1", model="model-1")
    said = [writer.text("So: "), writer.call("apply_patch", call_id="call_1")]
    told = json.dumps({"input": patch})
    said += [writer.arguments(told[at : at + 4]) for at in range(0, len(told), 4)]
    body = b"".join([*said, writer.call("weather", ARGUMENTS, call_id="call_2"), writer.finish()])
    functions = parse(body, behind)
    tool = {"type": "custom", "name": "apply_patch"}
    tools = [tool if front == "responses" else {"type": "custom", "custom": {"name": "apply_patch"}}]
    with gateway_to(behind) as client:
        for streamed in (True, False):
            whole = json.dumps(encode_response(functions, behind)).encode()
            server.answer = lambda asked, told=(body if streamed else whole): Answer(told)
            response = parse(post(client, front, streamed=streamed, tools=tools).content, front, strict=True)
            custom, function = response.tool_calls
            assert (custom.type, custom.name) == ("custom_tool_call", "apply_patch")
            assert custom.input == patch  # type: ignore[union-attr]
            assert function.arguments == ARGUMENTS  # type: ignore[union-attr]
            assert response.output_text == "So: "
        server.answer = lambda asked: Answer(b"".join(said[:-2]))
        response = parse(post(client, front, tools=tools).content, front)
        assert response.outcome is Outcome.FAILED
        assert not response.tool_calls


def test_heartbeats(gateway_to: Behind, server: Server) -> None:
    """A client that waits gets signs of life, where its wire has some; they change nothing."""
    server.answer = lambda asked: Answer(stream("responses"), pause=0.1, largest=5000)
    with gateway_to("responses", heartbeat=0.04) as client:
        for front in ("chat", "gemini array", "gemini sse"):
            answer = post(client, front)
            check_text(answer, front)
            assert (b": keepalive\n\n" in answer.content) == (front == "chat")
        assert b"\r\n\r\n" in post(client, "gemini array").content


def check_text(answer: httpx.Response, front: str) -> None:
    assert parse(answer.content, front_of(front)).output_text == TEXT


@pytest.mark.parametrize("front", [*WIRES, "gemini array"])
def test_an_answer_that_stops_early(gateway_to: Behind, server: Server, front: str) -> None:
    """A response that is incomplete is an answer, even one without a word."""
    blocked = b'data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":5}}\n\n'
    short = b"".join(
        [(writer := ResponseWriter("gemini", response_id="r", model="m")).text("Hm"), writer.finish("length")]
    )
    with gateway_to("gemini") as client:
        for body in (blocked, short):
            server.answer = lambda asked, body=body: Answer(body)
            expected = parse(body, "gemini").outcome
            for streamed in (True, False):
                answer = post(client, front, streamed=streamed)
                assert answer.status_code == 200
                assert parse(answer.content, front_of(front)).outcome is expected


# ------------------------------------------------------------------------------------------------ errors

REFUSALS = [
    (429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, ErrorKind.RATE_LIMITED, 429),
    (401, {"error": {"message": "who?", "code": "invalid_api_key"}}, ErrorKind.AUTHENTICATION, 401),
    (403, {"error": {"message": "not you"}}, ErrorKind.PERMISSION, 403),
    (404, {"error": {"message": "no such model", "code": "model_not_found"}}, ErrorKind.NOT_FOUND, 404),
    (400, {"error": {"code": "context_length_exceeded"}}, ErrorKind.CONTEXT_WINDOW_EXCEEDED, 400),
    (422, {"error": {"message": "bad"}}, ErrorKind.INVALID_REQUEST, 400),
    (503, {"error": {"message": "overloaded"}}, ErrorKind.OVERLOADED, 503),
    (500, {"error": {"message": "oops"}}, ErrorKind.SERVER_ERROR, 500),
    (504, {"error": {"message": "late"}}, ErrorKind.TIMEOUT, 504),
]


@pytest.mark.parametrize("front", [*WIRES, "gemini array"])
def test_a_refused_request(
    gateway_to: Behind, server: Server, front: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The status fits the kind, the body is an error of the client's own API, and the log has one line."""
    with gateway_to("chat") as client:
        for status, body, kind, told in REFUSALS:
            headers = {"content-type": "application/json", "retry-after": "7"}
            server.answer = lambda asked, status=status, body=body, headers=headers: Answer(
                json.dumps(body).encode(), status, headers
            )
            for streamed in (True, False):
                caplog.clear()
                answer = post(client, front, streamed=streamed)
                assert answer.status_code == (529 if (front, told) == ("anthropic", 503) else told)
                if " " in front and streamed:
                    (found,) = answer.json()
                else:
                    found = answer.json()
                data = json.dumps(found).encode()
                assert classify_http_error(told, answer.headers, data).kind in (
                    kind,
                    ErrorKind.INVALID_REQUEST,
                )
                assert kind is ErrorKind.CONTEXT_WINDOW_EXCEEDED or error_of(data, told) is kind
                retryable = classify_http_error(status, headers, json.dumps(body).encode()).retryable
                assert (answer.headers.get("retry-after") == "7") or not retryable
                (line,) = lines(caplog)
                assert "outcome=failed" in line


def error_of(data: bytes, status: int) -> ErrorKind:
    return classify_http_error(status, {}, data).kind


@pytest.mark.parametrize("front", [*WIRES, "gemini array"])
@pytest.mark.parametrize("streamed", [True, False])
def test_nothing_but_trouble(
    gateway_to: Behind, server: Server, front: str, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """HTML, a connection that is reset at once, one that ends with nothing, a stall: each has its status."""
    html = {"content-type": "text/html"}
    at_once = [
        (Answer(b"<!DOCTYPE html><html>Bad gateway</html>", 200, html), 500),
        (Answer(b"<!DOCTYPE html><html>Bad gateway</html>", 502, html), 500),
        (Answer(end="reset"), 500),
        (Answer(end="lost"), 500),
        (Answer(), 502),
        (Answer(b'data: {"error":{"message":"x","code":429}}\n\n'), 429),
        (Answer(stream("anthropic")), 500),
    ]
    silent = [
        (Answer(end="stall"), 504),
        (Answer(b": ping\n\n" * 100, largest=9, pause=0.05), 504),
    ]
    for answers, stall in ((at_once, 20.0), (silent, 0.12)):
        with gateway_to("chat", stall=stall) as client:
            for answer, status in answers:
                caplog.clear()
                server.answer = lambda asked, answer=answer: answer
                got = post(client, front, streamed=streamed)
                assert got.status_code == status, answer
                found = got.json()[0] if " " in front and streamed else got.json()
                assert found["error"]["message"]
                (line,) = lines(caplog)
                assert "client_gone" not in line
                assert answer.gone.wait(5)


def test_nobody_listens(gateway_to: Behind, server: Server) -> None:
    """An upstream that cannot be reached is a failure of the gateway's side."""
    with gateway_to("chat", upstream_url="http://127.0.0.1:9/v1") as client:
        answer = post(client, "anthropic")
    assert answer.status_code == 500
    assert "ConnectError" in answer.json()["error"]["message"]


@pytest.mark.parametrize("front", [*WIRES, "gemini array"])
@pytest.mark.parametrize("end", ["reset", "lost", "stall", "whole"])
def test_a_stream_that_breaks(
    gateway_to: Behind, server: Server, front: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What had come is there, and then an error on the client's wire: no end that looks like success."""
    for behind in ("anthropic", "gemini"):
        caplog.clear()
        answer = Answer(cut(behind), end=end)
        server.answer = lambda asked, answer=answer: answer
        with gateway_to(behind, stall=0.3 if end == "stall" else 20.0) as client:
            got = post(client, front)
        assert got.status_code == 200
        response = parse(got.content, front_of(front))
        assert response.outcome is Outcome.FAILED
        assert response.error is not None
        assert (response.error.kind is ErrorKind.TIMEOUT) == (end == "stall")
        assert TEXT.startswith(response.output_text)
        assert len(response.output_text) >= 20
        (line,) = lines(caplog)
        assert "outcome=truncated" in line if end == "whole" else "outcome=failed" in line


def test_an_error_in_the_middle(gateway_to: Behind, server: Server) -> None:
    """An error of the upstream's stream is one of the client's."""
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    server.answer = lambda asked: Answer(b"".join(pieces("anthropic")[:4]) + error)
    with gateway_to("anthropic") as client:
        for front in WIRES:
            response = parse(post(client, front).content, front)
            assert response.error is not None
            assert response.error.kind is ErrorKind.OVERLOADED


# --------------------------------------------------------------------------------------------- resumption


@pytest.mark.parametrize("end", ["reset", "lost", "whole"])
def test_a_lost_connection_is_taken_up_again(
    gateway_to: Behind, server: Server, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client of another API does not notice that the upstream's connection broke."""
    whole = pieces("responses")
    numbered = b"".join(whole).split(b"\n\n")

    def answer(asked: Asked) -> Answer:
        if asked.method == "POST":
            return Answer(b"".join(whole[:6]) + whole[6][:9], end=end)
        assert asked.path.startswith("/v1/responses/resp_1?stream=true&starting_after=")
        number = int(asked.path.rpartition("=")[2])
        rest = [frame for frame in numbered if frame and sequence_number(frame) > number]
        if len(server.asked) == 2:
            return Answer(b"\n\n".join(rest)[:150], end=end)
        return Answer(b"\n\n".join([*rest, b""]))

    whole[0] = b"retry: 20\n\n" + whole[0]
    server.answer = answer
    with gateway_to("responses") as client:
        check(parse(post(client, "anthropic").content, "anthropic"))
    assert [asked.method for asked in server.asked] == ["POST", "GET", "GET"]
    assert server.asked[-1].headers["authorization"] == "Bearer key"
    assert "resumed=2" in lines(caplog)[0]


def sequence_number(frame: bytes) -> int:
    said = frame.partition(b"data: ")[2]
    return int(json.loads(said)["sequence_number"]) if said else -1


def test_a_response_that_cannot_be_taken_up(gateway_to: Behind, server: Server) -> None:
    """Where the upstream does not have it any more, the response was cut off; nobody asks for ever."""
    for status in (404, 200):
        server.asked.clear()
        server.answer = lambda asked, status=status: Answer(
            *((b"retry: 20\n\n" + cut("responses"), 200) if asked.method == "POST" else (b"", status)),
            end="lost",
        )
        with gateway_to("responses", resumptions=2) as client:
            response = parse(post(client, "chat").content, "chat")
        assert response.outcome is Outcome.FAILED
        assert len(server.asked) == (2 if status == 404 else 3)


# ------------------------------------------------------------------------------------- clients that are gone


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("body", [b"", cut("anthropic")])
def test_a_client_that_vanishes(
    gateway_to: Behind, server: Server, streamed: bool, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The upstream's connection is closed at once, though it is silent; and the log says why."""
    answer = Answer(body, end="stall")
    server.answer = lambda asked: answer
    with gateway_to("anthropic") as client:
        path, told = ask("chat", streamed=streamed)
        raw = json.dumps(told).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
            connection.sendall(head + raw)
            if streamed and body:
                assert b"200 OK" in connection.recv(65536)
            while not server.asked:
                time.sleep(0.01)
        assert answer.gone.wait(5)
        (line,) = lines(caplog)
        assert "outcome=client_gone" in line


def test_a_client_that_vanishes_while_it_asks(
    gateway_to: Behind, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a request asks nothing of the upstream."""
    with gateway_to("chat") as client:
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
            connection.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        assert "outcome=client_gone" in lines(caplog)[0]
    assert not server.asked


# ------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b'{"model":NaN}', b"[" * 100_000, b'{"model":5}', b"{}"),
        *(b'{"model":"m","messages":7,"input":7,"contents":7}', b'{"model":"","messages":[],"input":[]}'),
        b'{"model":"m","messages":[{"role":"user"}],"background":true}',
    ],
)
def test_a_bad_request(
    gateway_to: Behind, server: Server, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no request of the API is refused in its words, and does not go upstream."""
    with gateway_to("anthropic") as client:
        for front in ("chat", "responses", "gemini"):
            if front == "gemini" and (body == b"{}" or body.startswith(b'{"model"')):
                continue
            caplog.clear()
            answer = client.post(PATHS[front], content=body)
            assert answer.status_code == 400
            assert answer.json()["error"]["message"]
            assert len(lines(caplog)) == 1
    assert not server.asked


def test_lone_surrogates(gateway_to: Behind, server: Server) -> None:
    """Half a character, which JSON may hold, goes on as it came."""
    server.answer = lambda asked: Answer(stream("chat"))
    with gateway_to("chat") as client:
        body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"\\ud800"}]}'
        assert client.post(PATHS["chat"], content=body).status_code == 200
    assert server.asked[0].json["messages"][0]["content"] == "\ud800"


def test_sizes(gateway_to: Behind, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A request and a response may be so large, and no larger."""
    server.answer = lambda asked: Answer(stream("chat"))
    with gateway_to("chat", request_bytes=200, response_bytes=30) as client:
        assert post(client, "chat", user="x" * 200).status_code == 400
        assert "more than 200 bytes" in lines(caplog)[0]
        caplog.clear()
        response = parse(post(client, "anthropic").content, "anthropic")
    assert response.outcome is Outcome.FAILED
    assert "too large" in lines(caplog)[0]


# --------------------------------------------------------------------------------------- models and counts


def test_models(gateway_to: Behind, server: Server) -> None:
    """Every client finds the models in the place and the words of its API."""
    told = {"object": "list", "data": [{"id": "a"}, {"id": "b"}]}
    server.answer = lambda asked: Answer(json.dumps(told).encode())
    with gateway_to("chat") as client:
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["a", "b"]
        assert client.get("/v1beta/models").json()["models"][1]["name"] == "models/b"
        assert client.get("/v1/models/a").json()["id"] == "a"
        assert client.get("/v1beta/models/b").json()["name"] == "models/b"
        assert client.get("/v1/models/c").status_code == 404
        assert client.head("/").status_code == 200
        assert client.get("/nothing").status_code == 404
        assert client.post("/v1beta/models/a:embedContent", json={}).status_code == 404
        server.answer = lambda asked: Answer(b'{"data":[7,{"id":"d"}]}')
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["d"]
        server.answer = lambda asked: Answer(end="reset")
        assert client.get("/v1beta/models").json()["error"]["code"] == 500
        server.answer = lambda asked: Answer(b"<html>")
        assert client.get("/v1/models").status_code == 500
        server.answer = lambda asked: Answer(b'{"error":{"message":"who?"}}', 401)
        answer = client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})
        assert (answer.status_code, answer.json()["type"]) == (401, "error")


def test_there_are_no_websockets(gateway_to: Behind, server: Server) -> None:
    """A client that tries a WebSocket first is told that there is none, and asks as all others do."""
    connect = pytest.importorskip("websockets.sync.client").connect
    refused = importlib.import_module("websockets.exceptions").InvalidStatus
    with gateway_to("chat") as client:
        url = str(client.base_url).replace("http", "ws", 1) + "/v1/responses"
        with pytest.raises(refused) as caught:
            connect(url)
    assert caught.value.response.status_code == 404


def test_counts(gateway_to: Behind, server: Server) -> None:
    """Tokens are counted by the upstream, where it has the client's API, or by nobody."""
    server.answer = lambda asked: Answer(b'{"input_tokens":7}')
    paths = {
        "anthropic": "/v1/messages/count_tokens",
        "responses": "/v1/responses/input_tokens",
        "gemini": "/v1beta/models/model-1:countTokens",
    }
    for behind in paths:
        with gateway_to(behind) as client:
            for front, path in paths.items():
                answer = client.post(path, json=request(front))
                assert answer.status_code == (200 if front == behind else 404)
                if front == behind:
                    assert answer.json() == {"input_tokens": 7}
                    assert server.asked[-1].path == path
                    for body in (b"{", b"[]", b"\xff"):
                        assert client.post(path, content=body).status_code == 400


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are the fields, in capitals."""
    monkeypatch.setenv("UPSTREAM_WIRE", "gemini")
    monkeypatch.setenv("STALL", "7")
    settings = gateway.Settings.from_environment()
    assert (settings.upstream_wire, settings.stall, settings.heartbeat) == ("gemini", 7.0, 15.0)


def test_the_parser_of_a_front() -> None:
    """What these tests read with is the library's own parser, which finds what is out of order."""
    parser = ResponseParser("chat", strict=True)
    parser.feed(stream("chat"))
    parser.close()
    assert list(parser.events())


def test_the_replayed_capture(play: Stage) -> None:
    """The server of the first ten minutes says what was recorded, in the recording's own events."""
    capture = stream("chat")
    with play.playing(load("replay").make_app(capture, pause=0)) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", **CLIENT)
    assert answer.content == capture
