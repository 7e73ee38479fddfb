"""Requests of the Responses API: what is read of them, and what is written for them."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import UsageError, convert_request

FUNCTION = {"type": "function", "name": "w", "parameters": {}, "strict": False}


def of(request: dict[str, Any], target: str = "chat") -> Any:
    return convert_request({"model": "m", "input": "Hi", **request}, "responses", target)


def test_an_item_that_there_is_not() -> None:
    """Its role is named with its place."""
    with pytest.raises(UsageError, match=r"input\[0\]\.role: 'tool'"):
        of({"input": [{"role": "tool", "content": "x"}]})
    with pytest.raises(UsageError, match=r"input\[0\]\.type: a string is expected"):
        of({"input": [{"type": 5}]})


@pytest.mark.parametrize("reference", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_references_to_items(reference: dict[str, Any]) -> None:
    """Also without their type, which they do not need."""
    made = of({"input": [reference, {"role": "user", "content": "Hi"}]})
    assert [loss.code for loss in made.losses] == ["conversation_missing"]
    assert len(made.request["messages"]) == 1


def test_a_result_of_a_call_that_is_stored() -> None:
    """The call may be where this request does not show it: the result is lost with it, which is no error."""
    output = {"type": "function_call_output", "call_id": "call_1", "name": "w", "output": "x"}
    made = of({"input": [output], "previous_response_id": "resp_0"}, "gemini")
    assert made.request["contents"] == []
    assert [(loss.code, loss.path) for loss in made.losses] == [
        ("conversation_missing", "input[0]"),
        ("conversation_missing", "previous_response_id"),
    ]
    with pytest.raises(UsageError, match=r"input\[0\]\.call_id"):
        of({"input": [output]}, "gemini")


def test_files_of_two_sources() -> None:
    """One is said, the other is lost."""
    file = {"type": "input_file", "file_data": "JVBE", "file_url": "https://e.example/a.pdf"}
    made = of({"input": [{"role": "user", "content": [file]}]}, "anthropic")
    assert made.request["messages"][0]["content"][0]["source"]["data"] == "JVBE"
    assert [loss.path for loss in made.losses] == ["input[0].content[0].file_url"]


def test_audio() -> None:
    """As some servers take it."""
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav", "brand_new": 1}}
    made = of({"input": [{"role": "user", "content": [part]}]})
    told = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    assert made.request["messages"][0]["content"] == [told]
    assert [loss.path for loss in made.losses] == ["input[0].content[0].input_audio.brand_new"]


def test_allowed_tools_without_a_name() -> None:
    """Where nothing is left to allow nothing is chosen."""
    request = {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "w"}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    }
    assert "tool_choice" not in convert_request(request, "chat", "responses").request


def test_instructions_as_items() -> None:
    """Prompts that are stored have them so."""
    made = of({"instructions": [{"role": "developer", "content": "Be kind"}]})
    assert [message["role"] for message in made.request["messages"]] == ["developer", "user"]


def test_empty_texts_of_the_assistant_say_nothing() -> None:
    """A refusal goes on."""
    said = {"role": "assistant", "content": [{"type": "text", "text": ""}], "refusal": "No."}
    request = {"messages": [{"role": "user", "content": "Hi"}, said]}
    items = convert_request(request, "chat", "responses").request["input"]
    assert items[1]["content"] == [{"type": "refusal", "refusal": "No."}]
    empty = {"messages": [{"role": "assistant", "content": [{"type": "text", "text": ""}]}]}
    assert convert_request(empty, "chat", "responses").request["input"] == []


def test_the_place_of_a_search() -> None:
    """It stands one level higher than on Chat Completions."""
    for options, told in (
        ({"approximate": {"city": "Rome"}, "type": "approximate"}, {"type": "approximate", "city": "Rome"}),
        ({"type": "approximate"}, {"type": "approximate"}),
    ):
        request = {"messages": [], "web_search_options": {"user_location": options}}
        made = convert_request(request, "chat", "responses")
        assert made.request["tools"] == [{"type": "web_search", "user_location": told}]
    odd = {"messages": [], "web_search_options": {"user_location": 5}}
    assert convert_request(odd, "chat", "responses").request["tools"][0]["user_location"] == 5


def test_the_effort_for_a_budget_is_measured_by_the_limit() -> None:
    """The same budget is much of a short output, and little of a long one."""
    for limit, effort in ((2500, "high"), (9000, "medium"), (50000, "low")):
        thinking = {"type": "enabled", "budget_tokens": 2000}
        request = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": limit, "thinking": thinking}
        for target in ("responses", "chat"):
            made = convert_request(request, "anthropic", target).request
            assert (made.get("reasoning") or {"effort": made.get("reasoning_effort")})["effort"] == effort


@pytest.mark.parametrize("target", ["chat", "anthropic", "gemini"])
def test_a_choice_of_a_tool_that_only_this_api_has(target: str) -> None:
    """It is a loss."""
    made = of({"tools": [FUNCTION], "tool_choice": {"type": "file_search"}}, target)
    assert not made.request.keys() & {"tool_choice", "toolConfig"}
    assert [(loss.code, loss.path) for loss in made.losses] == [("value_changed", "tool_choice")]


def test_instructions_without_a_text_are_left_out() -> None:
    """Where a user's message stays, though it says nothing."""
    silent = [{"role": role, "content": ""} for role in ("system", "user")]
    assert convert_request({"messages": silent}, "chat", "responses").request["input"] == silent[1:]


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_choices_that_are_a_word(choice: str) -> None:
    """They are the same on Chat Completions and here."""
    tool = {"type": "function", "function": {"name": "w"}}
    request = {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool], "tool_choice": choice}
    made = convert_request(request, "chat", "responses")
    assert (made.request["tool_choice"], made.losses) == (choice, ())


@pytest.mark.parametrize("target", ["chat", "anthropic", "gemini"])
def test_members_that_say_nothing_are_no_loss(target: str) -> None:
    """Null, and arrays and objects with nothing in them; what says anything is one, be it false or 0."""
    part: dict[str, Any] = {"type": "input_text", "text": "Hi"}
    for empty in (None, [], {}):
        message = {"role": "user", "content": [{**part, "glow": empty}], "glow": empty}
        assert of({"input": [message]}, target).losses == ()
    for value in (0, False, "", [None]):
        message = {"role": "user", "content": [{**part, "glow": value}], "glow": value}
        losses = of({"input": [message]}, target).losses
        assert [loss.path for loss in losses] == ["input[0].glow", "input[0].content[0].glow"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 5) for name in ("instructions", "input", "tools", "reasoning", "text")),
        *((name, 5) for name in ("stream_options", "include")),
    ],
)
def test_members_that_are_neither_objects_nor_arrays(name: str, value: Any) -> None:
    """The error says which one it is."""
    with pytest.raises(UsageError, match=f"^{name}: an? (object|array) is expected, not int"):
        of({name: value})


@pytest.mark.parametrize("name", ["instructions", "input", "tools"])
def test_entries_that_are_no_objects(name: str) -> None:
    """The error says where it stands."""
    with pytest.raises(UsageError, match=rf"^{name}\[0\]: an object is expected, not int"):
        of({name: [5]})
