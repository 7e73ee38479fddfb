"""The loops of the README and of docs/turns.md, against a local server that answers in each wire."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

import docs
from conversations import CONVERSATION
from deltafold import ResponseParser, StreamEncoder, UsageError, convert_request
from sdk_types import AROUND

DIALECTS = ("responses", "chat", "anthropic", "gemini")
LOOPS = {
    page.name: page.read_text(encoding="utf-8")
    for page in docs.PAGES
    if page.name in ("README.md", "turns.md")
}
CALLS = [("call_1", "add"), ("call_2", "fail"), ("call_3", "delete"), ("call_4", "send")]
USER: dict[str, list[Any]] = {
    "responses": [{"role": "user", "content": "Go"}],
    "chat": [{"role": "user", "content": "Go"}],
    "anthropic": [{"role": "user", "content": "Go"}],
    "gemini": [{"role": "user", "parts": [{"text": "Go"}]}],
}


def answer(dialect: str, text: str, calls: list[tuple[str, str]]) -> bytes:
    """A stream in a dialect, with a text and calls."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": text}]
    for index, (ident, name) in enumerate(calls):
        function = {"name": name, "arguments": '{"x":1}'}
        deltas.append({"tool_calls": [{"index": index, "id": ident, "function": function}]})
    parser = ResponseParser("chat")
    for number, delta in enumerate(deltas):
        reason = ("tool_calls" if calls else "stop") if number + 1 == len(deltas) else None
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        parser.feed_payload({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})
    parser.close()
    encoder = StreamEncoder(dialect)
    return b"".join(encoder.encode(event) for event in parser.events())


class Model(HTTPServer):
    """A server that answers one after the other, and refuses a conversation that its API would refuse."""

    def __init__(self, dialect: str, answers: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.dialect = dialect
        self.answers = answers
        self.asked: list[Any] = []

    def ask(self, conversation: list[Any]) -> Iterator[bytes]:
        """Sends a conversation, and gives the chunks of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=10)
        connection.request(
            "POST", "/", json.dumps({**AROUND[self.dialect], CONVERSATION[self.dialect]: conversation})
        )
        response = connection.getresponse()
        assert response.status == 200, response.read()
        while chunk := response.read1(64):
            yield chunk
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """One request, one answer; the connection is closed behind it."""

    server: Model

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        dialect = self.server.dialect
        self.server.asked.append(request[CONVERSATION[dialect]])
        try:
            convert_request(request, dialect, dialect)
        except UsageError as error:
            self.send_error(400, str(error))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(self.server.answers.pop(0))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """A model that breaks off, then calls tools, then is done."""
    dialect = request.param
    broken = answer(dialect, "Let me", [])[:150]
    server = Model(dialect, [broken, answer(dialect, "Let me", CALLS), answer(dialect, "Done", [])])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def agent_of(page: str) -> Any:
    """The loop of a page, as it stands there."""
    space: dict[str, Any] = {}
    code = next(code for code in docs.code_blocks(LOOPS[page], "python") if "def agent(" in code)
    exec(compile(code, page, "exec"), space)
    return space["agent"]


def add(arguments: str) -> str:
    return str(json.loads(arguments)["x"] + 41)


def fail(arguments: str) -> str:
    raise RuntimeError("it is broken")


@pytest.mark.parametrize("model", DIALECTS, indirect=True)
def test_one_loop_for_all(model: Model) -> None:
    """Parallel calls, a tool that fails, one that is allowed, one that is not, an answer that breaks off."""
    sent = []
    tools = {
        "add": add,
        "fail": fail,
        "delete": fail,
        "send": lambda arguments: sent.append(arguments) or "sent",
    }
    response, conversation = agent_of("turns.md")(
        model.ask,
        model.dialect,
        USER[model.dialect],
        tools,
        {"delete", "send"},
        lambda call: call.name == "send",
    )
    assert response.output_text == "Done"
    assert model.answers == []
    assert len(model.asked) == 3
    assert model.asked[0] == model.asked[1] == USER[model.dialect]
    said = json.dumps(model.asked[2])
    for word in ("Let me", "42", "it is broken", "The user said no.", '"sent"'):
        assert said.count(word) == 1
    assert (
        said.index("42") < said.index("it is broken") < said.index("The user said no.") < said.index('"sent"')
    )
    assert sent == ['{"x":1}']
    assert "Done" in json.dumps(conversation)
    assert conversation[: len(model.asked[2])] == model.asked[2]


@pytest.mark.parametrize("model", DIALECTS, indirect=True)
def test_the_loop_of_the_first_page(model: Model) -> None:
    """Ten lines, without what goes wrong."""
    del model.answers[0]
    tools = dict.fromkeys(("add", "fail", "delete", "send"), add)
    response = agent_of("README.md")(model.ask, model.dialect, USER[model.dialect], tools)
    assert response.output_text == "Done"
    assert json.dumps(model.asked[1]).count("42") == len(CALLS)


@pytest.mark.parametrize(("page", "attempts"), [("turns.md", 3), ("README.md", 1)])
@pytest.mark.parametrize("model", DIALECTS, indirect=True)
def test_a_model_that_never_ends(model: Model, page: str, attempts: int) -> None:
    """What broke off is never taken for an answer."""
    model.answers = [model.answers[0]] * 5
    with pytest.raises(ConnectionError, match="the answer broke off"):
        agent_of(page)(model.ask, model.dialect, USER[model.dialect], {})
    assert len(model.asked) == attempts
