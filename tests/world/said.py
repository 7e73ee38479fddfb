"""What the servers of these tests say, on each wire."""

from __future__ import annotations

from typing import Any, Final

from deltafold import ResponseWriter

WIRES: Final = ("responses", "chat", "anthropic", "gemini")
TEXT: Final = "Café 😀 Brasileira, and a tail of words that is long enough to be cut."
ARGUMENTS: Final = '{"city":"São Paulo"}'


def stream(wire: str, *, call: bool = True) -> bytes:
    """A response: text, a call, and the counts of its tokens."""
    return b"".join(pieces(wire, call=call))


def pieces(wire: str, *, call: bool = True) -> list[bytes]:
    """The same, event by event."""
    writer = ResponseWriter(wire, response_id="resp_1", model="model-1")
    said = [writer.text(TEXT[at : at + 5]) for at in range(0, len(TEXT), 5)]
    if call:
        said.append(writer.call("weather", ARGUMENTS, call_id="call_1"))
    said.append(writer.usage(12, 9))
    said.append(writer.finish())
    return said


def cut(wire: str) -> bytes:
    """The first half of it, in the middle of an event."""
    whole = pieces(wire)
    return b"".join(whole[:6]) + whole[6][:-5]


def request(wire: str, **more: Any) -> dict[str, Any]:
    """What a client asks."""
    if wire == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **more}
    if wire == "responses":
        return {"model": "model-1", "input": "Hi", **more}
    asked = {"model": "model-1", "messages": [{"role": "user", "content": "Hi"}], **more}
    return {"max_tokens": 100, **asked} if wire == "anthropic" else asked
