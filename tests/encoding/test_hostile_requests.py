"""Requests in which any member may be anything: an error that names the place, or strict JSON."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import DIALECTS, JUNK, containers, requests
from deltafold import UsageError, chatgpt_request, convert_request, estimated_usage


@st.composite
def damaged(draw: st.DrawFn, dialect: str) -> Any:
    """A request in which something is missing, or is anything, or is there twice."""
    request = draw(requests(dialect))
    for _ in range(draw(st.integers(1, 3))):
        places = [found for found, _ in containers(request) if found]
        if not places:
            break
        place = draw(st.sampled_from(places))
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        how = draw(st.sampled_from(["value", "value", "missing", "twice"]))
        if how == "value":
            place[key] = draw(JUNK)
        elif how == "missing":
            del place[key]
        elif isinstance(place, list):
            place.insert(key, copy.deepcopy(place[key]))
    return request


@pytest.mark.parametrize("source", DIALECTS)
@given(data=st.data(), target=st.sampled_from(DIALECTS))
def test_an_error_that_names_the_place_or_json(source: str, data: st.DataObject, target: str) -> None:
    """Whatever is wrong with a request, it is as it was; what is made of it is a request of its API."""
    request = data.draw(damaged(source))
    before = copy.deepcopy(request)
    try:
        made = convert_request(request, source, target)
    except UsageError as error:
        said = str(error)
    else:
        said = f"request: {json.dumps(made.request, allow_nan=False)}"
        assert all(loss.path and loss.message for loss in made.losses)
        convert_request(made.request, target, source)
    assert said.startswith(("request", *before))
    assert request == before


@pytest.mark.parametrize("source", DIALECTS)
@given(data=st.data(), target=st.sampled_from(DIALECTS))
def test_a_member_that_nobody_knows_is_a_loss_by_its_name(
    source: str, data: st.DataObject, target: str
) -> None:
    """Wherever it stands."""
    request = data.draw(requests(source))
    objects = [(found, path) for found, path in containers(request) if isinstance(found, dict)]
    place, path = data.draw(st.sampled_from(objects))
    place["brandNew"] = 1
    path = f"{path}.brandNew".removeprefix(".")
    made = convert_request(request, source, target)
    told = [loss.path for loss in made.losses if loss.path]
    assert "brandNew" in json.dumps(made.request) or any(path.startswith(p) for p in told), (path, told)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.data())
def test_the_other_functions_over_requests(dialect: str, data: st.DataObject) -> None:
    """They raise the same and change nothing."""
    request = data.draw(damaged(dialect))
    before = copy.deepcopy(request)
    with contextlib.suppress(UsageError):
        assert estimated_usage(request, dialect, len).input_tokens >= 0
    if dialect in ("responses", "chat"):
        with contextlib.suppress(UsageError):
            json.dumps(chatgpt_request(request, "tok", "acc").body, allow_nan=False)
    assert request == before


# ---------------------------------------------------------------------------------------- what is no JSON


class Thing:
    """No JSON."""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Thing(), "a Thing is no JSON value"),
        (b"x", "a bytes is no JSON value"),
        ({1, 2}, "a set is no JSON value"),
        (float("nan"), "nan is no number"),
        (float("-inf"), "-inf is no number"),
        ({(1, 2): "x"}, "is no key"),
        ({None: "x"}, "is no key"),
    ],
)
def test_what_is_no_json_is_named_by_its_place(value: Any, said: str) -> None:
    """Also between equal dialects, where nothing else is looked at."""
    request = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": value}]}]}
    for function in (
        lambda: convert_request(request, "chat", "chat"),
        lambda: convert_request(request, "chat", "gemini"),
        lambda: chatgpt_request(request, "tok", "acc"),
        lambda: estimated_usage(request, "chat", len),
    ):
        with pytest.raises(UsageError) as raised:
            function()
        assert str(raised.value).startswith("messages[0].content[0].text: ")
        assert said in str(raised.value)


def test_a_request_in_itself() -> None:
    """A list that holds itself never ends."""
    tools: list[Any] = []
    tools.append(tools)
    with pytest.raises(UsageError, match=r"^tools\[0\]\[0\].*nested too deeply"):
        convert_request({"model": "m", "messages": [], "tools": tools}, "chat", "anthropic")


def test_what_json_takes_is_taken() -> None:
    """Tuples are arrays, and whole numbers are keys."""
    request = {"messages": ({"role": "user", "content": "Hi"},), "logit_bias": {50256: -100}}
    made = convert_request(request, "chat", "chat").request
    assert made == {"messages": [{"role": "user", "content": "Hi"}], "logit_bias": {"50256": -100}}


def test_deep_arguments() -> None:
    """No recursion by what a request says."""
    depth = 5000
    text = '{"x":' * depth + "1" + "}" * depth
    call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": text}}
    request = {"model": "m", "messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}
    for target in ("responses", "anthropic", "gemini"):
        made = convert_request(request, "chat", target)
        assert made.losses == () or made.losses[0].code == "arguments_not_an_object"
    deep: Any = 1
    for _ in range(100_000):  # beyond what any CPython writes
        deep = [deep]
    used = {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"x": deep}}
    with pytest.raises(UsageError, match=r"nested too deeply|no JSON value"):
        convert_request({"messages": [{"role": "assistant", "content": [used]}]}, "anthropic", "chat")
