"""convert_request() and chatgpt_request(): one API's request in the words of another."""

from __future__ import annotations

import copy
import re
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


# ------------------------------------------------------------------------------------ the words, one by one

SAYING_HI: dict[str, dict[str, Any]] = {
    "responses": {"model": "m", "input": [USER], "max_output_tokens": 5},
    "chat": {"model": "m", "messages": [USER], "max_completion_tokens": 5},
    "anthropic": {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "max_tokens": 5,
    },
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 5},
    },
}
"""The same request to each API."""


def limited(dialect: str, limit: int, model: str) -> dict[str, Any]:
    """The request to an API with another limit, and another model where it is told one."""
    body = copy.deepcopy(SAYING_HI[dialect])
    if dialect == "gemini":
        body["generationConfig"] = {"maxOutputTokens": limit}
        return body
    body["model"] = model
    body[{"responses": "max_output_tokens", "chat": "max_completion_tokens"}.get(dialect, "max_tokens")] = (
        limit
    )
    return body


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
def test_the_model_and_the_limit_that_the_caller_wants(source: str, target: str) -> None:
    """They stand where the target has them, in place of the request's own, which is not changed."""
    before = copy.deepcopy(SAYING_HI)
    plain = convert_request(SAYING_HI[source], source, target)
    # The Responses API stores what it is not asked not to, as no other does.
    more: dict[str, Any] = {"store": False} if target == "responses" != source else {}
    if source != "gemini" and target != "gemini":
        assert plain.request == {**limited(target, 5, "m"), **more}
    made = convert_request(SAYING_HI[source], source, target, model="n", max_tokens=0)
    if source == target == "gemini":
        more = {"model": "n"}
    assert made.request == {**limited(target, 0, "n"), **more}
    assert (plain.losses, made.losses) == ((), ())
    assert before == SAYING_HI


@pytest.mark.parametrize("config", [None, {}, {"topK": 1, "maxOutputTokens": 3}])
def test_a_limit_beside_what_gemini_was_asked_for(config: Any) -> None:
    """The rest of its configuration stays, and one that is null is none."""
    request = {"contents": [], "generationConfig": config}
    made = convert_request(request, "gemini", "gemini", max_tokens=7).request
    assert made == {"contents": [], "generationConfig": {**(config or {}), "maxOutputTokens": 7}}
    assert request == {"contents": [], "generationConfig": config}


@pytest.mark.parametrize("target", DIALECTS)
def test_signatures_are_made_up_for_gemini_alone(target: str) -> None:
    """Where they are asked for."""
    call = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]
    for asked in (False, True):
        made = convert_request(chat(messages=messages), "chat", target, placeholder_signatures=asked)
        signed = "skip_thought_signature_validator" in str(made.request)
        assert signed is (asked and target == "gemini")


def test_a_dialect_that_is_none_is_told_with_those_that_there_are() -> None:
    """On either side."""
    words = "^no dialect is called 'smoke'; there are responses, chat, anthropic, gemini$"
    for pair in (("smoke", "chat"), ("chat", "smoke")):
        with pytest.raises(UsageError, match=words):
            convert_request(chat(), *pair)


def backend(**more: Any) -> Any:
    """A request of the Responses API as the backend gets it."""
    return chatgpt_request({"model": "m", "input": [USER], **more}, "tok", "acc")


IMAGE = {"type": "input_image", "image_url": "https://e.example/a.png", "detail": "auto"}
PLAIN = {
    "model": "m",
    "input": [USER],
    "instructions": "You are a helpful assistant.",
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
}
"""The least that the backend gets."""


def test_what_is_sent_and_where() -> None:
    """The address, the headers and the body; credentials are in the headers alone."""
    made = backend()
    assert made.url == "https://chatgpt.com/backend-api/codex/responses"
    assert made.headers == {
        "Authorization": "Bearer tok",
        "chatgpt-account-id": "acc",
        "Accept": "text/event-stream",
        "Content-Type": "application/json",
    }
    assert (made.body, made.losses) == (PLAIN, ())


@pytest.mark.parametrize(
    ("given", "name"),
    [(("", "acc"), "access_token"), (("tok", "a\n"), "account_id"), ((5, "a"), "access_token")],
)
def test_a_credential_that_is_none_is_named(given: Any, name: str) -> None:
    """With what is wrong with it."""
    words = {"a\n": "no header can hold its control or non-ASCII characters"}
    said = words.get(given[1], "a text that is not empty is expected")
    with pytest.raises(UsageError, match=f"^{name}: {said}$"):
        chatgpt_request({"model": "m", "input": "Hi"}, *given)


@pytest.mark.parametrize(
    ("member", "lost"),
    [
        ({"temperature": 1}, True),
        ({"temperature": 0}, True),
        ({"background": True}, True),
        ({"background": False}, False),
        ({"metadata": {}}, False),
        ({"metadata": {"a": "b"}}, True),
        ({"top_p": None}, False),
        ({"brand_new": "x"}, True),
        ({"user": ""}, True),
    ],
)
def test_what_the_backend_does_not_take_is_not_sent(member: dict[str, Any], lost: bool) -> None:
    """It is lost where it says something."""
    made = backend(**member)
    assert made.body == PLAIN
    [name] = member
    words = [("field_not_supported", name, f"{name}: the ChatGPT backend has nothing for it")]
    assert [(loss.code, loss.path, loss.message) for loss in made.losses] == (words if lost else [])


@pytest.mark.parametrize(
    "name", ["model", "tools", "reasoning", "include", "prompt_cache_key", "text", "service_tier", "input"]
)
def test_a_null_is_not_sent(name: str) -> None:
    """Whatever it stands for."""
    made = backend(**{name: None})
    want = {key: value for key, value in PLAIN.items() if key != name or key == "include"}
    assert made.body == ({**want, "input": []} if name == "input" else want)
    assert made.losses == ()


@pytest.mark.parametrize(
    ("messages", "instructions", "left"),
    [
        ([USER], "You are a helpful assistant.", [USER]),
        ([{"role": "system", "content": "Be kind"}, USER], "Be kind", [USER]),
        ([USER, {"role": "developer", "content": "Be kind"}], "Be kind", [USER]),
        (
            [{"role": "system", "content": " "}, {"role": "system", "content": "Be kind"}, USER],
            "Be kind",
            [{"role": "developer", "content": " "}, USER],
        ),
        (
            [{"role": "system", "content": "Be kind"}, {"role": "system", "content": "Be brief"}],
            "Be kind",
            [{"role": "developer", "content": "Be brief"}],
        ),
        (
            [
                {
                    "role": "system",
                    "content": [{"type": "input_text", "text": text} for text in ("", "Be ", "kind")],
                }
            ],
            "Be kind",
            [],
        ),
        (
            [{"role": "assistant", "content": "Be kind"}],
            "You are a helpful assistant.",
            [{"role": "assistant", "content": "Be kind"}],
        ),
        (
            [{"role": "system", "content": "Be kind"}, USER, {"role": "developer", "content": "Be brief"}],
            "Be kind",
            [USER, {"role": "developer", "content": "Be brief"}],
        ),
        (
            [{"role": "system", "content": [{"type": "input_text", "text": "Be kind"}, IMAGE]}],
            "You are a helpful assistant.",
            [{"role": "developer", "content": [{"type": "input_text", "text": "Be kind"}, IMAGE]}],
        ),
        (
            [{"role": "system", "content": None}],
            "You are a helpful assistant.",
            [{"role": "developer", "content": None}],
        ),
    ],
)
def test_instructions_of_the_first_message_that_has_some(
    messages: list[Any], instructions: str, left: list[Any]
) -> None:
    """It goes out of the input; a further system message becomes one of a developer."""
    for none in ({}, {"instructions": None}, {"instructions": ""}, {"instructions": " "}):
        before = copy.deepcopy(messages)
        made = backend(input=messages, **none)
        assert (made.body["instructions"], made.body["input"]) == (instructions, left)
        assert messages == before
    made = backend(input=messages, instructions="My own")
    assert made.body["instructions"] == "My own"
    kept = [{**item, "role": "developer" if item["role"] == "system" else item["role"]} for item in messages]
    assert made.body["input"] == kept
    listed = backend(input=[USER], instructions=messages)
    assert (listed.body["instructions"], listed.body["input"]) == (instructions, [*left, USER])


@pytest.mark.parametrize(
    ("item", "goes"),
    [
        ({"type": "item_reference", "id": "msg_1"}, False),
        ({"id": "msg_1"}, False),
        ({"type": None, "id": "msg_1"}, False),
        ({"type": "message", "role": "user", "content": "x"}, True),
        ({"type": "web_search_call", "id": "msg_1", "status": "completed"}, True),
        ({"role": "user", "content": "x"}, True),
    ],
)
def test_what_refers_to_something_stored_is_not_sent(item: dict[str, Any], goes: bool) -> None:
    """For nothing is; whatever says itself what it is goes."""
    made = backend(input=[item, USER])
    assert made.body["input"] == ([item, USER] if goes else [USER])
    assert [(loss.code, loss.path) for loss in made.losses] == (
        [] if goes else [("conversation_missing", "input, item_reference msg_1")]
    )


@pytest.mark.parametrize("sent", [None, False, True])
def test_the_backend_never_stores(sent: bool | None) -> None:
    """It is a loss for who wants it."""
    made = backend(store=sent)
    assert made.body == PLAIN
    words = [("value_changed", "store", "store: the backend stores nothing")]
    assert [(loss.code, loss.path, loss.message) for loss in made.losses] == (words if sent else [])


@pytest.mark.parametrize(
    ("reasoning", "sent"),
    [
        ({}, {}),
        ([], []),
        ({"effort": None}, {"effort": None}),
        ({"effort": "none"}, {"effort": "none"}),
        ({"effort": "low"}, {"effort": "low", "summary": "auto"}),
        ({"effort": "low", "summary": "concise"}, {"effort": "low", "summary": "concise"}),
        ({"summary": "concise"}, {"summary": "concise"}),
    ],
)
def test_reasoning_is_shown_in_short(reasoning: Any, sent: Any) -> None:
    """Where there is some, and nobody said how."""
    assert backend(reasoning=reasoning).body == {**PLAIN, "reasoning": sent}


@pytest.mark.parametrize("tools", [None, []])
def test_without_tools_nothing_is_said_of_them(tools: Any) -> None:
    """Neither a choice nor how many calls there may be at once."""
    made = backend(tools=tools, tool_choice="auto", parallel_tool_calls=False)
    assert (made.body, made.losses) == (PLAIN, ())


def test_requests_of_either_api_of_openai() -> None:
    """One with both messages and an input is one of the Responses API."""
    spoken = {"messages": [{"role": "system", "content": "Be kind"}, USER], "model": "m"}
    made = chatgpt_request({**spoken, "max_tokens": 5, "top_k": 1}, "tok", "acc")
    assert made.body == {**PLAIN, "instructions": "Be kind"}
    assert sorted(loss.path for loss in made.losses) == ["max_output_tokens", "top_k"]
    both = chatgpt_request({**spoken, "input": [USER]}, "tok", "acc")
    assert both.body == PLAIN
    assert [loss.path for loss in both.losses] == ["messages"]
    neither = chatgpt_request({"model": "m", "include": ["x"]}, "tok", "acc")
    assert neither.body == {**PLAIN, "input": [], "include": ["x", "reasoning.encrypted_content"]}
    assert neither.losses == ()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ([], "request: an object is expected, not list"),
        ({"model": "m", "input": [{"content": "x"}]}, "input[0].role"),
        ({"model": "m", "messages": [{"role": "wizard"}]}, "messages[0].role"),
    ],
)
def test_the_backend_gets_no_request_that_is_none(request_: Any, words: str) -> None:
    """Nor are its tokens counted."""
    with pytest.raises(UsageError, match=f"^{re.escape(words)}"):
        chatgpt_request(request_, "tok", "acc")
    dialect = "chat" if "messages" in request_ else "responses"
    with pytest.raises(UsageError, match=f"^{re.escape(words)}"):
        estimated_usage(request_, dialect, len)


def test_which_texts_of_a_request_are_counted() -> None:
    """Of messages, calls, results and tools; a text that is empty is not asked for."""
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return 1

    call = {"type": "function_call", "call_id": "c1", "name": "wave", "arguments": '{"a":1}'}
    patch = {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "+a"}
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    results = [{"type": "input_text", "text": "there"}, image]
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    request = {
        "model": "m",
        "instructions": "Be kind",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, image]},
            {"role": "user", "content": ""},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            call,
            patch,
            {"type": "function_call_output", "call_id": "c1", "output": results},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
        ],
        "tools": [
            {"type": "function", "name": "wave", "description": "Waves.", "parameters": {"b": 2}},
            {"type": "custom", "name": "patch", "format": grammar},
            {"type": "function", "name": "bare", "parameters": None},
        ],
    }
    found = estimated_usage(request, "responses", count)
    assert sorted(counted) == sorted(
        [
            *("Be kind", "Hi", "wave", '{"a":1}', "patch", "+a", "there", "done"),
            *("wave", "Waves.", '{"b":2}', "patch", "bare"),
            next(text for text in counted if "lark" in text),
        ]
    )
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == (len(counted), 0, 0)


# ------------------------------------------------------------------------------------ what the target takes

OUTPUT = {"type": "function_call_output", "call_id": "call_9", "output": "sunny"}


@pytest.mark.parametrize("stored", ["previous_response_id", "conversation", "prompt", "item_reference"])
@pytest.mark.parametrize("target", ["chat", "anthropic", "gemini"])
def test_a_result_of_a_call_that_is_stored_elsewhere_is_lost_with_it(stored: str, target: str) -> None:
    """No API takes a result without its call; what else was said goes over."""
    request: dict[str, Any] = {"model": "m", "input": [OUTPUT, USER]}
    if stored == "item_reference":
        request["input"] = [{"type": "item_reference", "id": "fc_9"}, *request["input"]]
    else:
        request[stored] = "x_1"
    made = convert_request(request, "responses", target)
    where = "input[1]" if stored == "item_reference" else "input[0]"
    assert where in [loss.path for loss in made.losses if loss.code == "conversation_missing"]
    assert "sunny" not in str(made.request)
    assert convert_request(made.request, target, target).request == made.request
    assert convert_request(request, "responses", "responses").request == request


def test_a_result_whose_call_is_here_stays_beside_one_that_is_lost() -> None:
    """And is right behind its call."""
    call = {"type": "function_call", "call_id": "call_1", "name": "w", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    request = {"previous_response_id": "resp_1", "input": [OUTPUT, call, result]}
    made = convert_request(request, "responses", "chat")
    assert [message["role"] for message in made.request["messages"]] == ["assistant", "tool"]
    assert sorted(loss.path for loss in made.losses) == ["input[0]", "previous_response_id"]


CALL = {"functionCall": {"name": "wave", "args": {}}}
ANSWER = {"functionResponse": {"name": "wave", "response": {"output": "ok"}}}


@pytest.mark.parametrize("target", ["responses", "chat", "anthropic"])
def test_calls_of_gemini_in_a_content_without_a_role(target: str) -> None:
    """Nobody but the model makes calls, and what is answered is a call there too."""
    turns = [{"parts": [CALL]}, {"parts": [ANSWER]}]
    made = convert_request({"contents": turns}, "gemini", target)
    with_role = [{"role": "model", "parts": [CALL]}, {"role": "user", "parts": [ANSWER]}]
    assert made == convert_request({"contents": with_role}, "gemini", target)
    assert "wave" in str(made.request)


@pytest.mark.parametrize(
    ("source", "request_", "words"),
    [
        (
            "gemini",
            {"contents": [{"role": "user", "parts": [CALL]}, {"role": "user", "parts": [ANSWER]}]},
            "contents[1].parts[0].functionResponse.name: no call is open that has it",
        ),
        (
            "anthropic",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_use", "id": "t_1", "name": "w", "input": {}}],
                    },
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t_1"}]},
                ]
            },
            "messages[1].content[0].tool_use_id: no call before it has the id 't_1'",
        ),
        ("chat", chat(modalities="text"), "modalities: an array is expected, not str"),
    ],
)
def test_what_no_api_takes_is_told_by_its_place(source: str, request_: dict[str, Any], words: str) -> None:
    """A result for what the user called himself, which is no call; words that are no list of them."""
    for target in DIALECTS:
        with pytest.raises(UsageError, match=re.escape(words)):
            convert_request(request_, source, target)


@pytest.mark.parametrize(
    ("target", "places"),
    [
        ("chat", ("response_format", "json_schema", "schema")),
        ("responses", ("text", "format", "schema")),
        ("anthropic", ("output_config", "format", "schema")),
    ],
)
def test_a_schema_that_allows_anything_stays(target: str, places: tuple[str, ...]) -> None:
    """An empty one is one."""
    request = {"contents": [], "generationConfig": {"responseSchema": {}}}
    found: Any = convert_request(request, "gemini", target).request
    for place in places:
        found = found[place]
    assert found == {}
