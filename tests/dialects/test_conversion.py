"""Amounts of thinking in requests: from an effort to tokens and back."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import convert_request
from deltafold.dialects.conversion import budget_of

HI = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("effort", "tokens"),
    [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16384), ("xhigh", 32768), ("max", 32768)],
)
def test_tokens_for_each_effort(effort: str, tokens: int) -> None:
    """As many as that without a limit, and below one; what nobody knows is in the middle."""
    assert budget_of(effort, None) == tokens
    assert budget_of(effort, tokens + 2) == tokens
    assert budget_of(effort, tokens + 1) == tokens
    assert budget_of(effort, tokens) == (tokens - 1 if tokens > 1024 else None)
    assert budget_of(effort, 1024) is None
    assert budget_of(effort, 1025) == 1024
    assert budget_of(effort, 1025.5) == 1024
    assert budget_of("odd", None) == 8192
    sent = {"model": "gemini-2.5-pro", "messages": HI, "reasoning_effort": effort}
    made = convert_request(sent, "chat", "gemini")
    assert made.request["generationConfig"]["thinkingConfig"]["thinkingBudget"] == tokens
    assert [loss.message for loss in made.losses] == [
        f"reasoning_effort: the model takes a budget; it is {tokens} tokens"
    ]


@pytest.mark.parametrize("target", ["chat", "responses"])
@pytest.mark.parametrize(
    ("budget", "limit", "effort"),
    [
        (1, 10000, "low"),
        (1999, 10000, "low"),
        (2000, 10000, "medium"),
        (5999, 10000, "medium"),
        (6000, 10000, "high"),
        (9999, 10000, "high"),
        (6553, None, "low"),
        (6554, None, "medium"),
        (19660, None, "medium"),
        (19661, None, "high"),
    ],
)
def test_the_effort_for_tokens(target: str, budget: int, limit: int | None, effort: str) -> None:
    """Low is less than a fifth of the output, high is three fifths of it and more; and it is told."""
    config: dict[str, Any] = {"thinkingConfig": {"thinkingBudget": budget}}
    if limit is not None:
        config["maxOutputTokens"] = limit
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    made = convert_request({"model": "m", "contents": contents, "generationConfig": config}, "gemini", target)
    found = made.request["reasoning_effort"] if target == "chat" else made.request["reasoning"]["effort"]
    assert found == effort
    (loss,) = made.losses
    assert loss.path == "generationConfig.thinkingConfig.thinkingBudget"
    assert loss.message.endswith(f" has no budget; the effort is {effort}")


@pytest.mark.parametrize("kind", ["function", "custom", "allowed_tools"])
def test_members_of_a_choice_of_tools_that_gemini_does_not_have(kind: str) -> None:
    """They are lost by their names."""
    tool = {"type": "function", "function": {"name": "w"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool]}}
    custom = {"type": "custom", "custom": {"name": "w"}}
    choice = {"function": tool, "custom": custom, "allowed_tools": allowed}[kind]
    tools = [custom if kind == "custom" else tool]
    sent = {"model": "m", "messages": HI, "tools": tools}
    plain = convert_request({**sent, "tool_choice": choice}, "chat", "gemini")
    made = convert_request({**sent, "tool_choice": {**choice, "odd": 1}}, "chat", "gemini")
    assert made.request == plain.request
    assert {loss.path for loss in made.losses} - {loss.path for loss in plain.losses} == {"tool_choice.odd"}
