"""Requests of Chat Completions: what is read of them, and what is written for them."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import UsageError, convert_request

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "w"}}


def of(request: dict[str, Any], target: str = "responses") -> Any:
    return convert_request({"model": "m", "messages": [USER], **request}, "chat", target)


def to(request: dict[str, Any]) -> Any:
    return convert_request({"model": "m", "input": "Hi", **request}, "responses", "chat")


def test_a_result_of_a_function_that_was_not_called() -> None:
    """The older form names the function instead of the call."""
    with pytest.raises(UsageError, match=r"messages\[1\]\.name: no function 'w' was called"):
        of({"messages": [USER, {"role": "function", "name": "w", "content": "x"}]})


def test_the_older_form_of_calls() -> None:
    """A function of one name may be called again."""
    call = {"role": "assistant", "content": None, "function_call": {"name": "w", "arguments": "{}"}}
    result = {"role": "function", "name": "w", "content": "x"}
    made = of({"messages": [USER, call, result, call, result], "function_call": {"name": "w"}})
    ids = [item["call_id"] for item in made.request["input"][1:]]
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_an_image_that_is_but_its_url() -> None:
    """As some servers take it."""
    made = of(
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://e.example"}]}]}
    )
    assert made.request["input"][0]["content"][0]["image_url"] == "https://e.example"


@pytest.mark.parametrize("target", ["responses", "anthropic", "gemini"])
def test_a_choice_that_nobody_else_has(target: str) -> None:
    """Is a loss."""
    made = of({"tools": [TOOL], "tool_choice": {"type": "brand_new"}}, target)
    assert [loss.path for loss in made.losses] == ["tool_choice"]
    with pytest.raises(UsageError, match="tool_choice: 'some' is none of"):
        of({"tools": [TOOL], "tool_choice": "some"}, target)


def test_allowed_tools_of_others_are_lost() -> None:
    """Functions alone can be allowed here; where none is left nothing is chosen."""
    function = {"type": "function", "name": "w", "parameters": {}, "strict": False}
    allowed = [{"type": "function", "name": "w"}, {"type": "mcp", "server_label": "s"}]
    for tools, choice in ((allowed, [{"type": "function", "function": {"name": "w"}}]), (allowed[1:], None)):
        asked = {"type": "allowed_tools", "mode": "required", "tools": tools}
        made = to({"tools": [function], "tool_choice": asked})
        told = made.request.get("tool_choice")
        assert (told and told["allowed_tools"]["tools"]) == choice
        assert [loss.path for loss in made.losses] == ["tool_choice"]
        google = convert_request(
            {"input": "Hi", "tools": [function], "tool_choice": asked}, "responses", "gemini"
        )
        assert ("toolConfig" in google.request) is (choice is not None)


def test_the_name_of_another_tool_is_lost() -> None:
    """Results may name their tool; that of the call counts."""
    call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    history = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}]
    for name, paths in (("w", []), ("other", ["messages[2].name"])):
        result = {"role": "tool", "tool_call_id": "call_1", "content": "x", "name": name}
        made = of({"messages": [*history, result]}, "gemini")
        assert [loss.path for loss in made.losses] == paths
        assert made.request["contents"][2]["parts"][0]["functionResponse"]["name"] == "w"


def test_a_schema_without_its_schema() -> None:
    """An empty one would be obeyed."""
    with pytest.raises(UsageError, match=r"response_format\.json_schema\.schema: an object is expected"):
        of({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}})


def test_two_limits() -> None:
    """The newer one counts."""
    made = of({"max_tokens": 5, "max_completion_tokens": 7})
    assert made.request["max_output_tokens"] == 7
    assert [loss.path for loss in made.losses] == ["max_tokens"]
    assert of({"max_tokens": 7, "max_completion_tokens": 7}).losses == ()


@pytest.mark.parametrize(
    ("results", "said"),
    [(["call_1", "call_1"], "has a result already"), (["call_2"], "no call before it has the id 'call_2'")],
)
def test_results_that_belong_to_nothing(results: list[str], said: str) -> None:
    """They are named by their place."""
    call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    messages = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}]
    messages += [{"role": "tool", "tool_call_id": ident, "content": "x"} for ident in results]
    place = f"messages[{len(messages) - 1}].tool_call_id: "
    with pytest.raises(UsageError) as raised:
        of({"messages": messages})
    assert str(raised.value).startswith(place)
    assert said in str(raised.value)
    with pytest.raises(UsageError, match=r"messages\[1\]\.tool_calls\[1\]\.id: another call has the id"):
        of({"messages": [USER, {"role": "assistant", "tool_calls": [call, call]}]})


def test_empty_texts_say_nothing() -> None:
    """Parts without a text are refused."""
    parts = [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]
    made = of(
        {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": parts}]}
    ).request
    assert made["input"] == [USER, {"role": "assistant", "content": "Hi"}]


def test_results_stand_behind_their_calls() -> None:
    """The Responses API lets other items stand between them; this one refuses."""
    items = [
        {"type": "function_call", "call_id": "call_1", "name": "w", "arguments": "{}"},
        {"role": "user", "content": "Wait"},
        {"type": "function_call", "call_id": "call_2", "name": "w", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_2", "output": "two"},
        {"type": "function_call_output", "call_id": "call_1", "output": "one"},
    ]
    messages = to({"input": items}).request["messages"]
    roles = [message["role"] for message in messages]
    assert roles == ["assistant", "tool", "user", "assistant", "tool"]
    assert [message.get("tool_call_id") for message in messages] == [None, "call_1", None, None, "call_2"]


def test_values_that_the_responses_api_has_more_of() -> None:
    """The nearest is written, or none."""
    options = {"mode": "explicit", "ttl": "12h", "prewarm": True}
    made = to({"service_tier": "ultrafast", "prompt_cache_options": options})
    assert made.request["prompt_cache_options"] == {"mode": "explicit", "ttl": "30m"}
    assert "service_tier" not in made.request
    paths = [loss.path for loss in made.losses]
    assert paths == ["service_tier", "prompt_cache_options.ttl", "prompt_cache_options.prewarm"]
    both = to({"service_tier": "flex", "prompt_cache_options": {"ttl": "30m"}})
    assert (both.request["service_tier"], both.request["prompt_cache_options"]) == ("flex", {"ttl": "30m"})
    assert both.losses == ()


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_the_one_tool_to_call(kind: str) -> None:
    """The Responses API names it one level higher, there and back. A custom tool needs no format."""
    inside = {"name": "w", "description": "Waves"}
    tool, choice = {"type": kind, kind: inside}, {"type": kind, kind: {"name": "w"}}
    there = of({"tools": [tool], "tool_choice": choice}).request
    assert there["tool_choice"] == {"type": kind, "name": "w"}
    assert there["tools"][0].items() >= {"type": kind, **inside}.items()
    assert "format" not in there["tools"][0]
    back = to(there).request
    assert back["tool_choice"] == choice
    assert back["tools"][0][kind].items() >= inside.items()
    assert "format" not in back["tools"][0][kind]


def test_tools_of_another_kind_are_lost() -> None:
    """By their place."""
    made = of({"tools": [TOOL, {"type": "brand_new"}]})
    assert [tool["name"] for tool in made.request["tools"]] == ["w"]
    assert [(loss.code, loss.path) for loss in made.losses] == [("tool_not_supported", "tools[1]")]


def test_members_of_a_search_that_are_lost() -> None:
    """Such as its filters; what Chat Completions has is kept."""
    search = {
        "type": "web_search",
        "search_context_size": "low",
        "filters": {"allowed_domains": ["e.example"]},
    }
    made = to({"tools": [search]})
    assert made.request["web_search_options"] == {"search_context_size": "low"}
    assert [loss.path for loss in made.losses] == ["tools[0].filters"]


def test_instructions_without_a_text_are_left_out() -> None:
    """An image among them is lost; an empty message would be refused."""
    image = {"type": "input_image", "image_url": "https://e.example/a.png"}
    made = to({"input": [{"role": "system", "content": [image]}, USER]})
    assert made.request["messages"] == [USER]
    assert [loss.code for loss in made.losses] == ["content_not_supported"]


@pytest.mark.parametrize(
    "name",
    [
        *("stop", "audio", "frequency_penalty", "logit_bias", "logprobs", "modalities", "n", "prediction"),
        *("presence_penalty", "seed", "verbosity", "temperature", "top_p", "top_logprobs", "user", "store"),
    ],
)
def test_each_parameter_of_its_own(name: str) -> None:
    """Servers of another API that take it as well have it under the same name: it goes over as it is."""
    made = to({name: ["x"]})
    assert (made.request[name], made.losses) == (["x"], ())


def test_parameters_that_gemini_calls_otherwise() -> None:
    """Each goes over under the name that it has here."""
    config = {
        "stopSequences": ["x"],
        "maxOutputTokens": 5,
        "frequencyPenalty": 1,
        "presencePenalty": 2,
        "seed": 3,
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 4,
        "temperature": 0.5,
        "topP": 0.25,
        "responseModalities": ["TEXT"],
    }
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    made = convert_request({"contents": contents, "generationConfig": config}, "gemini", "chat")
    assert made.losses == ()
    assert made.request == {
        "messages": [USER],
        "stop": ["x"],
        "max_completion_tokens": 5,
        "frequency_penalty": 1,
        "presence_penalty": 2,
        "seed": 3,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 4,
        "temperature": 0.5,
        "top_p": 0.25,
        "modalities": ["text"],
    }


def test_members_that_a_choice_of_tools_has_beside_their_names() -> None:
    """Each is a loss, named by its place."""
    tools = [{"type": "function", "function": {"name": "w", "strict": True}, "note": 1}]
    allowed = {"mode": "auto", "tools": tools, "limit": 2}
    choices = {
        "allowed_tools": {"type": "allowed_tools", "allowed_tools": allowed, "x": 1},
        "function": {"type": "function", "function": {"name": "w", "strict": True}, "x": 1},
    }
    inside = {
        "allowed_tools": ["tools[0].note", "tools[0].function.strict", "limit"],
        "function": ["strict"],
    }
    for kind, choice in choices.items():
        paths = {loss.path for loss in of({"tools": [TOOL], "tool_choice": choice}).losses}
        assert paths == {"tool_choice.x", *(f"tool_choice.{kind}.{name}" for name in inside[kind])}
