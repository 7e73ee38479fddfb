"""convert_request() and chatgpt_request(): one API's request in the words of another."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import LOSSES, UsageError, chatgpt_request, convert_request, estimated_usage

DIALECTS = ("responses", "chat", "anthropic", "gemini")
USER = {"role": "user", "content": "Hi"}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER], **more}


# --------------------------------------------------------------------------------------------- what is lost


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
def test_a_field_that_nobody_knows_is_a_loss_by_its_name(source: str, target: str) -> None:
    """And between equal dialects it is there."""
    bodies: dict[str, dict[str, Any]] = {
        "responses": {"model": "m", "input": "Hi"},
        "chat": chat(),
        "anthropic": chat(max_tokens=9),
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    }
    made = convert_request({**bodies[source], "brandNew": 1}, source, target)
    if source == target:
        assert made.request["brandNew"] == 1
        assert made.losses == ()
    else:
        assert [loss.path for loss in made.losses] == ["brandNew"]
        assert made.losses[0].code in LOSSES


def test_model_and_limit_of_the_target() -> None:
    """They take the place of what the request says."""
    made = convert_request(chat(max_tokens=5), "chat", "anthropic", model="claude", max_tokens=7).request
    assert (made["model"], made["max_tokens"]) == ("claude", 7)
    limits = {"chat": "max_completion_tokens", "responses": "max_output_tokens", "anthropic": "max_tokens"}
    for dialect, path in limits.items():
        same = {"model": "m", "messages": [], "input": []}
        assert convert_request(same, dialect, dialect, max_tokens=7).request[path] == 7
    assert convert_request(chat(), "chat", "chat", model="n").request["model"] == "n"
    google = convert_request({"contents": []}, "gemini", "gemini", max_tokens=7).request
    assert google["generationConfig"] == {"maxOutputTokens": 7}


@pytest.mark.parametrize(
    ("model", "limit", "thinking"),
    [
        ("claude-opus-4-6", 9000, {"type": "adaptive"}),
        ("claude-sonnet-4-20250514", 9000, {"type": "enabled", "budget_tokens": 8999}),
        ("claude-sonnet-4-5", 40000, {"type": "enabled", "budget_tokens": 16384}),
        ("claude-3-7-sonnet-latest", 500, None),
    ],
)
def test_effort_on_anthropic(model: str, limit: int, thinking: Any) -> None:
    """Older models take a budget, newer ones an effort."""
    request = chat(reasoning_effort="high", max_completion_tokens=limit)
    made = convert_request(request, "chat", "anthropic", model=model).request
    assert made.get("thinking") == thinking


def test_a_forced_choice_excludes_thinking() -> None:
    """On Anthropic; a loss says so."""
    tool = {"type": "function", "function": {"name": "w"}}
    request = chat(reasoning_effort="high", tool_choice="required", tools=[tool])
    made = convert_request(request, "chat", "anthropic")
    assert "thinking" not in made.request
    assert any("thinking" in loss.message for loss in made.losses)


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("request_", "source", "named"),
    [
        ([], "chat", "request"),
        ({"messages": 1}, "chat", "messages"),
        ({"messages": [{"content": "x"}]}, "chat", r"messages\[0\].role"),
        ({"messages": [{"role": "wizard"}]}, "chat", r"messages\[0\].role"),
        ({"messages": [{"role": "tool", "tool_call_id": "a"}]}, "chat", r"messages\[0\].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
            "chat",
            r"messages\[0\].tool_calls\[0\].id",
        ),
        ({"messages": [{"role": "robot"}]}, "anthropic", r"messages\[0\].role"),
        ({"input": [{"content": "x"}]}, "responses", r"input\[0\].role"),
        (
            {"input": [{"type": "function_call_output", "call_id": "a", "output": ""}]},
            "responses",
            r"input\[0\].call_id",
        ),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "w", "response": {}}}]}]},
            "gemini",
            r"contents\[0\].parts\[0\]",
        ),
    ],
)
def test_a_request_that_is_none_names_the_place(request_: Any, source: str, named: str) -> None:
    """Whatever the target."""
    for target in DIALECTS:
        with pytest.raises(UsageError, match=named):
            convert_request(request_, source, target)


# -------------------------------------------------------------------------------------- the ChatGPT backend


def test_the_backend_takes_what_it_takes() -> None:
    """The rest is a loss; instructions come from the first system message."""
    made = chatgpt_request(
        chat(
            messages=[{"role": "system", "content": "Be kind"}, USER], temperature=1, reasoning_effort="low"
        ),
        "tok",
        "acc",
    )
    assert made.body["instructions"] == "Be kind"
    assert made.body["store"] is False
    assert made.body["stream"] is True
    assert made.body["include"] == ["reasoning.encrypted_content"]
    assert made.body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert "temperature" in str(made.losses)
    assert made.headers["Authorization"] == "Bearer tok"
    assert "tok" not in repr(made)
    developer = {"model": "m", "input": [{"role": "developer", "content": "Be brief"}, USER]}
    assert chatgpt_request(developer, "tok", "acc").body["input"] == [USER]
    text_alone = chatgpt_request({"model": "m", "input": "Hi"}, "tok", "acc").body
    assert text_alone["instructions"] == "You are a helpful assistant."
    assert text_alone["input"] == [USER]
    listed = {"model": "m", "instructions": [developer["input"][0]], "input": [USER]}
    assert chatgpt_request(listed, "tok", "acc").body["instructions"] == "Be brief"
    assert chatgpt_request(listed, "tok", "acc").body["input"] == [USER]


def test_the_backend_stores_nothing() -> None:
    """What refers to something stored is lost; instructions in parts count, if they are text."""
    parts = [{"type": "input_text", "text": "Be "}, {"type": "input_text", "text": "kind"}]
    image = {"type": "input_image", "image_url": "https://e.example/a.png", "detail": "auto"}
    items = [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_2"},
        {"role": "system", "content": [image]},
        {"role": "system", "content": parts},
        USER,
    ]
    request = {"model": "m", "input": items, "max_output_tokens": 5, "store": True}
    made = chatgpt_request(request, "tok", "acc")
    assert made.body["instructions"] == "Be kind"
    assert made.body["input"] == [{"role": "developer", "content": [image]}, USER]
    codes = [loss.code for loss in made.losses]
    assert sorted(codes) == [*["conversation_missing"] * 2, "field_not_supported", "value_changed"]


def test_what_the_backend_takes_only_beside_tools() -> None:
    """A choice among none is refused; `include` keeps what is in it."""
    made = chatgpt_request(
        {
            "model": "m",
            "input": [USER],
            "tools": [],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "include": ["reasoning.encrypted_content", "web_search_call.results"],
            "reasoning": {"effort": "none"},
        },
        "tok",
        "acc",
    )
    assert made.body.keys() == {"model", "instructions", "input", "store", "stream", "include", "reasoning"}
    assert made.body["include"] == ["reasoning.encrypted_content", "web_search_call.results"]
    assert made.body["reasoning"] == {"effort": "none"}
    tool = {"type": "function", "name": "w", "parameters": {}, "strict": False}
    kept = chatgpt_request(
        {"model": "m", "input": [USER], "tools": [tool], "tool_choice": "auto"}, "tok", "acc"
    )
    assert kept.body["tool_choice"] == "auto"


@pytest.mark.parametrize("bad", ["", "a\r\nb", "a\x00", "é", 5])
def test_credentials_that_no_header_can_hold(bad: Any) -> None:
    """Neither of the two."""
    for arguments in ((bad, "acc"), ("tok", bad)):
        with pytest.raises(UsageError):
            chatgpt_request({"model": "m", "input": "Hi"}, *arguments)


def test_custom_tools_keep_their_grammar_between_the_apis_of_openai() -> None:
    """In each one's shape."""
    grammar = {"syntax": "lark", "definition": "start: x"}
    format = {"type": "grammar", "grammar": grammar}
    request = chat(tools=[{"type": "custom", "custom": {"name": "p", "format": format}}])
    there = convert_request(request, "chat", "responses").request
    assert there["tools"] == [{"type": "custom", "name": "p", "format": {"type": "grammar", **grammar}}]
    assert convert_request(there, "responses", "chat").request["tools"] == request["tools"]


def test_tokens_of_a_request() -> None:
    """By the caller's counter, and of text alone."""
    tool = {"type": "function", "function": {"name": "wave", "parameters": {"a": 1}}}
    assert estimated_usage(chat(tools=[tool]), "chat", len).input_tokens == len("Hi" + "wave" + '{"a":1}')
    call = {"id": "call_1", "type": "function", "function": {"name": "wave", "arguments": '{"to":"you"}'}}
    called = {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [call]}
    counted = estimated_usage(chat(messages=[USER, called]), "chat", len).input_tokens
    assert counted == len("Hi" + "wave" + '{"to":"you"}')


def test_what_the_backend_takes_goes_as_it_is() -> None:
    """Nothing of it is a loss, but what the backend never does."""
    tool = {"type": "function", "name": "w", "parameters": {}, "strict": False}
    request = {
        "model": "m",
        "instructions": "Be kind",
        "input": [USER],
        "tools": [tool],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "low", "summary": "detailed"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "text": {"verbosity": "low"},
        "service_tier": "priority",
    }
    made = chatgpt_request(request, "tok", "acc")
    assert made.losses == ()
    assert made.body == request
    assert chatgpt_request({**request, "stream": False}, "tok", "acc").body["stream"] is True
