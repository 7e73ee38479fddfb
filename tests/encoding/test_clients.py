"""The official clients as judges: what is written is what they read, over transports in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import deltafold as df
from deltafold import Outcome, StreamEncoder, encode_response
from runs import FIXTURES, read

SOURCES = ("responses", "chat", "anthropic", "gemini")
FILES = [
    (source, FIXTURES / source / name)
    for source, name in (
        ("responses", "showcase.sse"),
        ("chat", "annotations-of-web-search.sse"),
        ("chat", "arguments-empty.sse"),
        ("chat", "custom-tool-call.sse"),
        ("chat", "content-filter.sse"),
        ("chat", "error-in-the-middle-openrouter.sse"),
    )
    if (FIXTURES / source / name).exists()
]
FILES += [
    (source, path)
    for source in SOURCES
    for path in sorted((FIXTURES / source).glob("*.sse"))[::12]
    if (source, path) not in FILES
]
every_fixture = pytest.mark.parametrize(
    ("source", "path"), FILES, ids=[f"{source}-{path.stem}" for source, path in FILES]
)


def transport(module: Any, body: bytes) -> Any:
    """A client of `httpx` that answers with a body, whatever is asked."""

    def reply(request: Any) -> Any:
        return module.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    return module.Client(transport=module.MockTransport(reply))


def httpx() -> Any:
    """The HTTP library of the clients."""
    try:
        import httpx2

        return httpx2
    except ImportError:
        return pytest.importorskip("httpx")


def written(source: str, path: Path, target: str) -> tuple[bytes, df.Response, bool]:
    """A fixture on another wire, its response, and whether it came to a good end with nothing corrected."""
    events, parser = read(source, path.read_bytes())
    response = parser.response
    encoder = StreamEncoder(target)
    body = b"".join([encoder.encode(event) for event in events])
    corrected = any(isinstance(event, df.ValueReplaced) for event in events)
    good = response.outcome in (Outcome.COMPLETED, Outcome.INCOMPLETE)
    return body, response, good and not corrected


def text_of(response: df.Response) -> str:
    """The text of the first choice, refusals aside."""
    return "".join(
        part.text
        for item in response.output
        if isinstance(item, df.Message) and not item.choice_index
        for part in item.content
        if isinstance(part, df.OutputText)
    )


def has_refusal(response: df.Response) -> bool:
    """Whether a refusal is among the parts, which some wires tell as text."""
    return any(
        isinstance(part, df.Refusal)
        for item in response.output
        if isinstance(item, df.Message)
        for part in item.content
    )


@every_fixture
def test_openai_reads_responses(source: str, path: Path) -> None:
    """openai-python's helper puts the response together, or tells of its failure."""
    openai = pytest.importorskip("openai")
    body, response, good = written(source, path, "responses")
    client = openai.OpenAI(api_key="k", base_url="http://sdk/v1", http_client=transport(httpx(), body))
    if not good:
        return
    last: Any = None
    with client.responses.stream(model="m", input="x") as stream:
        for event in stream:
            last = event
    assert last.type == f"response.{response.outcome}"
    assert last.response.output_text == text_of(response) or has_refusal(response)


@every_fixture
def test_openai_reads_chat(source: str, path: Path) -> None:
    """openai-python reads every chunk, or raises an API error."""
    openai = pytest.importorskip("openai")
    body, response, good = written(source, path, "chat")
    client = openai.OpenAI(
        api_key="k", base_url="http://sdk/v1", http_client=transport(httpx(), body), max_retries=0
    )
    chunks = client.chat.completions.create(model="m", messages=[], stream=True)
    if response.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        with pytest.raises(openai.APIError):
            list(chunks)
        return
    said, reasons = "", []
    for chunk in chunks:
        for choice in chunk.choices:
            if choice.index == 0:
                said += choice.delta.content if isinstance(choice.delta.content, str) else ""
                reasons += [choice.finish_reason] if choice.finish_reason else []
    assert len(reasons) == 1
    if good and source != "chat":
        assert said == text_of(response)


@every_fixture
def test_anthropic_reads_messages(source: str, path: Path) -> None:
    """anthropic-python puts the message together, or raises an API error."""
    anthropic = pytest.importorskip("anthropic")
    body, response, good = written(source, path, "anthropic")
    client = anthropic.Anthropic(
        api_key="k", base_url="http://sdk", http_client=transport(httpx(), body), max_retries=0
    )
    if response.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        with (
            pytest.raises(anthropic.APIError),
            client.messages.stream(model="m", max_tokens=1, messages=[]) as stream,
        ):
            stream.get_final_message()
        return
    with client.messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        message = stream.get_final_message()
    assert message.stop_reason
    if good:
        said = "".join(block.text for block in message.content if block.type == "text")
        assert said == text_of(response) or has_refusal(response)


@every_fixture
def test_google_reads_chunks(source: str, path: Path) -> None:
    """google-genai reads every chunk, or raises an API error."""
    genai = pytest.importorskip("google.genai")
    body, response, good = written(source, path, "gemini")
    options = genai.types.HttpOptions(httpx_client=transport(httpx(), body))
    client = genai.Client(api_key="k", http_options=options)
    chunks = client.models.generate_content_stream(model="m", contents="x")
    if response.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        with pytest.raises(genai.errors.APIError):
            list(chunks)
        return
    if not good or source == "gemini":
        return
    said = ""
    for chunk in chunks:
        for candidate in chunk.candidates or ():
            for part in (candidate.content.parts if candidate.content else None) or ():
                said += part.text or "" if not part.thought and not candidate.index else ""
    assert said == text_of(response) or has_refusal(response)


@every_fixture
@pytest.mark.parametrize("target", SOURCES)
def test_bodies_are_valid_for_the_types_of_the_clients(source: str, path: Path, target: str) -> None:
    """The types of the clients take what did not stream."""
    module, name = {
        "responses": ("openai.types.responses", "Response"),
        "chat": ("openai.types.chat", "ChatCompletion"),
        "anthropic": ("anthropic.types", "Message"),
        "gemini": ("google.genai.types", "GenerateContentResponse"),
    }[target]
    kind = getattr(pytest.importorskip(module), name)
    response = read(source, path.read_bytes())[1].response
    if source != target and response.outcome in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        kind.model_validate(json.loads(json.dumps(encode_response(response, target))))
