"""The loop of docs/turns.md, against servers that answer in each wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import docs
from deltafold import ResponseParser, StreamEncoder

PAGE = (Path(__file__).parents[2] / "docs" / "turns.md").read_text(encoding="utf-8")
FIRST = {"responses": "input", "chat": "messages", "anthropic": "messages", "gemini": "contents"}


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


@pytest.mark.parametrize("dialect", FIRST)
def test_one_loop_for_all(dialect: str) -> None:
    """Parallel calls, a tool that fails, one that is not allowed, and an answer that breaks off."""
    space: dict[str, Any] = {}
    code = next(code for code in docs.code_blocks(PAGE, "python") if "def agent(" in code)
    exec(compile(code, "turns.md", "exec"), space)
    asked: list[list[Any]] = []
    calls = [("call_1", "add"), ("call_2", "fail"), ("call_3", "delete")]

    def ask(conversation: list[Any]) -> Iterator[bytes]:
        asked.append(conversation)
        if len(asked) == 1:
            yield answer(dialect, "Let me", [])[:150]
        elif len(asked) == 2:
            yield answer(dialect, "Let me", calls)
        else:
            yield answer(dialect, "Done", [])

    def fail(arguments: str) -> str:
        raise RuntimeError("it is broken")

    tools = {"add": lambda arguments: str(json.loads(arguments)["x"] + 41), "fail": fail, "delete": fail}
    response, conversation = space["agent"](ask, dialect, [{"role": "user"}], tools, {"add", "fail"})
    assert response.output_text == "Done"
    assert len(asked) == 3
    assert asked[0] == asked[1]
    said = json.dumps(asked[2])
    for word in ("Let me", "42", "it is broken", "The user said no."):
        assert said.count(word) == 1
    assert said.index("42") < said.index("it is broken") < said.index("The user said no.")
    assert "Done" in json.dumps(conversation)
