"""Requests of Anthropic Messages: what is read of them, and what is written for them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from deltafold import UsageError, convert_request

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "w"}}


def to(request: dict[str, Any], source: str = "chat") -> Any:
    """A request on Anthropic."""
    return convert_request({"model": "m", **request}, source, "anthropic")


def of(request: dict[str, Any], target: str = "chat") -> Any:
    """A request of Anthropic's elsewhere."""
    return convert_request(
        {"model": "m", "max_tokens": 9000, "messages": [USER], **request}, "anthropic", target
    )


def document(data: str, media_type: str, name: str = "a.bin") -> dict[str, Any]:
    file = {"filename": name, "file_data": f"data:{media_type};base64,{data}"}
    return {"messages": [{"role": "user", "content": [{"type": "file", "file": file}]}]}


# ------------------------------------------------------------------------------------------------ thinking


@pytest.mark.parametrize(
    ("budget", "limit", "thinking"),
    [
        (5000, 9000, {"type": "enabled", "budget_tokens": 5000}),
        (100, 9000, {"type": "enabled", "budget_tokens": 1024}),
        (20000, 9000, {"type": "enabled", "budget_tokens": 8999}),
        (20000, None, {"type": "enabled", "budget_tokens": 4095}),
        (5000, 1024, None),
        (-5, 9000, {"type": "adaptive"}),
    ],
)
def test_a_budget_fits_the_output(budget: int, limit: int | None, thinking: Any) -> None:
    """It is at least 1024 tokens, and below the limit; where that cannot be, the model does not think."""
    config: dict[str, Any] = {"thinkingConfig": {"thinkingBudget": budget}}
    if limit is not None:
        config["maxOutputTokens"] = limit
    made = to({"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": config}, "gemini")
    assert made.request.get("thinking") == thinking
    kept = thinking is not None and thinking.get("budget_tokens") in (None, budget)
    assert bool(made.losses) is not kept


def test_a_limit_that_is_no_number() -> None:
    """It is written as it is, and bounds nothing."""
    config = {"thinkingConfig": {"thinkingBudget": 5000}, "maxOutputTokens": "many"}
    made = to({"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": config}, "gemini").request
    assert made["max_tokens"] == "many"
    assert made["thinking"] == {"type": "enabled", "budget_tokens": 5000}


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"tool_choice": "required", "tools": [TOOL]}, "forced tool_choice"),
        ({"messages": [USER, {"role": "assistant", "content": "It is"}]}, "begun by the caller"),
    ],
)
def test_what_excludes_thinking(more: dict[str, Any], word: str) -> None:
    """A loss says so."""
    made = to({"messages": [USER], "reasoning_effort": "high", **more})
    assert "thinking" not in made.request
    assert any(word in loss.message for loss in made.losses)


def test_a_turn_that_began_without_thinking_goes_on_without() -> None:
    """With a budget the assistant's message has to begin with a thinking block if its calls are answered."""
    call = {"id": "toolu_1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    history = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "ok"},
    ]
    request = {"messages": history, "tools": [TOOL], "reasoning_effort": "high", "max_tokens": 9000}
    made = to({**request, "model": "claude-3-7-sonnet"})
    assert "thinking" not in made.request
    assert any("began without it" in loss.message for loss in made.losses)
    assert to({**request, "model": "claude-opus-4-7"}).request["thinking"] == {"type": "adaptive"}


def test_a_summary_without_thinking_is_lost() -> None:
    """There is nothing to sum up."""
    made = to({"input": "Hi", "reasoning": {"summary": "auto"}}, "responses")
    assert "thinking" not in made.request
    assert [loss.path for loss in made.losses] == ["reasoning.summary"]


@pytest.mark.parametrize(("sent", "written"), [(0.5, 0.5), (1, 1), (1.5, 1)])
def test_temperatures_end_at_1(sent: float, written: float) -> None:
    """Where others go on to 2. The number of tokens to choose from has no such end."""
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"temperature": sent, "topK": 40}}
    made = to(body, "gemini")
    assert (made.request["temperature"], made.request["top_k"]) == (written, 40)
    lost = [] if sent == written else ["generationConfig.temperature"]
    assert [loss.path for loss in made.losses] == lost


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_the_one_tool_to_call(kind: str) -> None:
    """It is named, of whatever kind it is."""
    tool = {"type": kind, kind: {"name": "w"}}
    made = to({"messages": [USER], "tools": [tool], "tool_choice": tool}).request
    assert made["tool_choice"] == {"type": "tool", "name": "w"}


# ------------------------------------------------------------------------------------------------ messages


def test_an_answer_that_the_caller_begins_ends_in_no_white_space() -> None:
    """The API refuses it."""
    made = to({"messages": [USER, {"role": "assistant", "content": "It is \n"}]})
    assert made.request["messages"][1]["content"][0]["text"] == "It is"
    assert [loss.code for loss in made.losses] == ["value_changed"]


def test_instructions_later_on() -> None:
    """They stay behind the user's message if an answer follows, and are moved from everywhere else."""
    said = {"role": "assistant", "content": "Hello"}
    late = {"role": "developer", "content": "Be brief"}
    made = to({"messages": [USER, late, said, USER]})
    assert [message["role"] for message in made.request["messages"]] == [
        "user",
        "system",
        "assistant",
        "user",
    ]
    assert made.losses == ()
    made = to({"messages": [USER, late, USER]})
    assert made.request["system"] == "Be brief"
    assert [loss.code for loss in made.losses] == ["instructions_moved"]


def test_blank_texts_say_nothing() -> None:
    """The API refuses them; a message of nothing else is not sent."""
    parts = [{"type": "text", "text": " \n"}, {"type": "text", "text": "Hi"}]
    made = to({"messages": [{"role": "user", "content": "  "}, {"role": "user", "content": parts}]}).request
    assert made["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_files() -> None:
    """A PDF, or a text of any kind, which is told as a plain one; no other file."""
    pdf = to(document("JVBE", "application/pdf")).request["messages"][0]["content"][0]
    assert pdf["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    assert pdf["title"] == "a.bin"
    text = to(document(base64.b64encode("é,1".encode()).decode(), "text/csv"))
    source = text.request["messages"][0]["content"][0]["source"]
    assert source == {"type": "text", "media_type": "text/plain", "data": "é,1"}
    assert [loss.code for loss in text.losses] == ["value_changed"]
    for data, kind in (("!!", "text/plain"), ("/w==", "text/plain"), ("AAAA", "application/zip")):
        made = to(document(data, kind))
        assert made.request["messages"] == []
        assert [loss.code for loss in made.losses] == ["content_not_supported"]


def test_images_of_other_kinds() -> None:
    """Four types of images, and URLs that a server can load."""
    for url in ("data:image/tiff;base64,AAAA", "ftp://e.example/a.png", "data:image/svg+xml,<svg/>"):
        part = {"type": "image_url", "image_url": {"url": url}}
        made = to({"messages": [{"role": "user", "content": [part]}]})
        assert [loss.code for loss in made.losses] == ["content_not_supported"]


# ------------------------------------------------------------------------------------------------- reading


def test_choices_of_tools() -> None:
    """One that nobody else has is a loss; so are members that nobody knows."""
    tools = [{"name": "w", "input_schema": {"type": "object"}}]
    made = of({"tools": tools, "tool_choice": {"type": "tool", "name": "w", "brand_new": 1}})
    assert made.request["tool_choice"] == {"type": "function", "function": {"name": "w"}}
    assert [loss.path for loss in made.losses] == ["tool_choice.brand_new"]
    for target in ("chat", "responses", "gemini"):
        made = of({"tools": tools, "tool_choice": {"type": "brand_new"}}, target)
        assert [loss.path for loss in made.losses] == ["tool_choice"]


def test_other_kinds_of_thinking_are_lost_by_name() -> None:
    """Such as thinking between tools alone, and members that nobody knows."""
    made = of({"thinking": {"type": "between_tools", "brand_new": 1}})
    assert [loss.path for loss in made.losses] == ["thinking (between_tools)", "thinking.brand_new"]


def test_adaptive_thinking() -> None:
    """Gemini has it as a budget of -1."""
    made = of({"thinking": {"type": "adaptive"}}, "gemini")
    assert made.request["generationConfig"]["thinkingConfig"] == {"thinkingBudget": -1}
    assert made.losses == ()


def test_the_effort_stands_beside_the_format() -> None:
    """Other members there are lost by their names."""
    made = of({"output_config": {"effort": "high", "brand_new": 1}})
    assert made.request["reasoning_effort"] == "high"
    assert [loss.path for loss in made.losses] == ["output_config.brand_new"]


def test_instructions_as_one_text() -> None:
    """They are the first message."""
    assert of({"system": "Be kind"}).request["messages"][0] == {"role": "system", "content": "Be kind"}


def test_a_role_that_there_is_not() -> None:
    """It is named with its place."""
    with pytest.raises(UsageError, match=r"messages\[0\]\.role: 'developer'"):
        of({"messages": [{"role": "developer", "content": "x"}]})
    with pytest.raises(UsageError, match=r"messages\[0\]\.content\[0\]\.source\.type"):
        of({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": []}}]}]})


@pytest.mark.parametrize("target", ["responses", "chat", "gemini"])
def test_a_system_prompt_in_parts(target: str) -> None:
    """Nothing is lost of a part but what it has beside its text."""
    parts: list[Any] = [
        {"type": "text", "text": "Be kind."},
        {"type": "text", "text": "Be brief.", "glow": 1},
    ]
    request = {"max_tokens": 9, "system": parts, "messages": [{"role": "user", "content": "Hi"}]}
    made = convert_request(request, "anthropic", target)
    assert [loss.path for loss in made.losses] == ["system[1].glow"]
    assert "Be kind." in str(made.request)
    assert "Be brief." in str(made.request)


@pytest.mark.parametrize(
    "name", ["system", "messages", "tools", "tool_choice", "thinking", "output_config", "metadata"]
)
def test_members_that_are_neither_objects_nor_arrays(name: str) -> None:
    """The error says which one it is."""
    request = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], name: 5}
    with pytest.raises(UsageError, match=f"^{name}: an? (object|array) is expected, not int"):
        convert_request(request, "anthropic", "chat")
