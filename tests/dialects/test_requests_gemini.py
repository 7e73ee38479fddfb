"""Requests of Gemini: what is read of them, and what is written for them."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import UsageError, convert_request

HI = {"role": "user", "parts": [{"text": "Hi"}]}


def of(request: dict[str, Any], target: str = "chat") -> Any:
    return convert_request({"contents": [HI], **request}, "gemini", target)


def to(request: dict[str, Any], **options: Any) -> Any:
    return convert_request({"model": "m", **request}, "chat", "gemini", **options)


def call(name: str, ident: str | None = None) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {}, **({"id": ident} if ident else {})}}


def result(name: str, text: str, ident: str | None = None) -> dict[str, Any]:
    answer = {"name": name, "response": {"output": text}}
    return {"functionResponse": {**answer, **({"id": ident} if ident else {})}}


def test_a_text_is_a_content() -> None:
    """And so are instructions."""
    made = of({"contents": "Hi", "systemInstruction": "Be kind"}).request
    assert made["messages"] == [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}]


def test_responses_find_their_calls() -> None:
    """By id; without one by name, in order; an id that was made is of no other call."""
    contents = [
        HI,
        {"role": "model", "parts": [call("w"), call("w", "call_made_1"), call("w")]},
        {
            "role": "user",
            "parts": [result("w", "two", "call_made_1"), result("w", "one"), result("w", "three")],
        },
    ]
    messages = of({"contents": contents}).request["messages"]
    ids = [made["id"] for made in messages[1]["tool_calls"]]
    assert len(set(ids)) == 3
    assert [message["tool_call_id"] for message in messages[2:]] == ids
    assert [message["content"] for message in messages[2:]] == ["one", "two", "three"]


def test_a_response_with_an_id_for_a_call_without_one() -> None:
    """Its name says which."""
    contents = [
        HI,
        {"role": "model", "parts": [call("v"), call("w")]},
        {"role": "user", "parts": [result("w", "one", "mine"), result("v", "two")]},
    ]
    messages = of({"contents": contents}).request["messages"]
    ids = [made["id"] for made in messages[1]["tool_calls"]]
    told = {message["tool_call_id"]: message["content"] for message in messages[2:]}
    assert told == {ids[0]: "two", ids[1]: "one"}


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ([result("x", "1")], "name"),
        ([result("w", "1", "c2")], "id"),
        ([result("w", "1"), result("w", "2")], "name"),
        ([result("w", "1", "c1"), result("w", "2", "c1")], "id"),
    ],
)
def test_a_response_to_no_call(parts: list[Any], place: str) -> None:
    """Is named with its place."""
    contents = [HI, {"role": "model", "parts": [call("w", "c1")]}, {"role": "user", "parts": parts}]
    path = rf"contents\[2\]\.parts\[{len(parts) - 1}\]\.functionResponse\.{place}: no call is open"
    with pytest.raises(UsageError, match=path):
        of({"contents": contents})


def test_the_model_may_stand_in_the_request() -> None:
    """As the SDK has it."""
    assert of({"model": "models/gemini-9"}).request["model"] == "gemini-9"


def test_names_in_snake_case() -> None:
    """The server takes both."""
    made = of(
        {"generation_config": {"max_output_tokens": 7}, "system_instruction": {"parts": [{"text": "x"}]}}
    )
    assert made.request["max_completion_tokens"] == 7
    assert made.request["messages"][0] == {"role": "system", "content": "x"}


def test_members_of_thinking_that_nobody_knows() -> None:
    """They are lost by their names; what is switched off asks for nothing."""
    made = of({"generationConfig": {"thinkingConfig": {"includeThoughts": False, "brandNew": 1}}})
    assert [loss.path for loss in made.losses] == ["generationConfig.thinkingConfig.brandNew"]


def test_a_level_that_is_not_specified() -> None:
    """It says nothing."""
    made = of({"generationConfig": {"thinkingConfig": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}}})
    assert "reasoning_effort" not in made.request
    assert made.losses == ()


def test_tools_of_its_own() -> None:
    """They are lost by their names; null is none."""
    made = of({"tools": [{"googleSearch": {}, "codeExecution": None}]})
    assert [loss.path for loss in made.losses] == ["tools[0].googleSearch"]


TOOLS = [{"functionDeclarations": [{"name": "v"}, {"name": "w"}]}]


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        ({}, "auto"),
        ({"mode": "any"}, "required"),
        ({"mode": "NONE"}, "none"),
        ({"mode": "ANY", "allowedFunctionNames": ["w"]}, {"type": "function", "function": {"name": "w"}}),
    ],
)
def test_choices_of_functions(calling: dict[str, Any], choice: Any) -> None:
    """In words, or by the one name that is allowed."""
    made = of({"tools": TOOLS, "toolConfig": {"functionCallingConfig": calling}})
    assert made.request["tool_choice"] == choice
    assert made.losses == ()


@pytest.mark.parametrize(("mode", "word"), [("ANY", "required"), ("VALIDATED", "auto")])
def test_some_functions_that_are_allowed(mode: str, word: str) -> None:
    """Their names are kept, and whether one has to be called."""
    config = {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": ["v", "w"]}}
    made = of({"tools": TOOLS, "toolConfig": config}).request["tool_choice"]["allowed_tools"]
    assert made["mode"] == word
    assert [tool["function"]["name"] for tool in made["tools"]] == ["v", "w"]


def test_a_mode_that_there_is_not() -> None:
    """It is lost; so are other members of the configuration, which may hold nothing else."""
    made = of({"tools": TOOLS, "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}})
    assert "tool_choice" not in made.request
    assert [loss.path for loss in made.losses] == ["toolConfig.functionCallingConfig.mode"]
    made = of({"tools": TOOLS, "toolConfig": {"retrievalConfig": {"languageCode": "it"}}})
    assert [loss.path for loss in made.losses] == ["toolConfig.retrievalConfig"]


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_the_one_tool_to_call(kind: str) -> None:
    """It is the only one that is allowed."""
    tool = {"type": kind, kind: {"name": "w"}}
    made = to({"messages": [{"role": "user", "content": "Hi"}], "tools": [tool], "tool_choice": tool}).request
    assert made["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["w"]}}


def test_a_role_that_there_is_not() -> None:
    """It is named with its place."""
    with pytest.raises(UsageError, match=r"contents\[1\]\.role: 'assistant' is none of user, model"):
        of({"contents": [HI, {"role": "assistant", "parts": []}]})


@pytest.mark.parametrize(
    ("config", "effort"), [({"thinkingLevel": "HIGH"}, "high"), ({"thinkingBudget": 0}, "none")]
)
def test_levels_of_thinking(config: dict[str, Any], effort: str) -> None:
    """In lower case elsewhere; a budget of 0 switches it off."""
    made = of({"generationConfig": {"thinkingConfig": config}})
    assert made.request["reasoning_effort"] == effort
    assert made.losses == ()


def test_json_without_a_schema() -> None:
    """Any object will do."""
    made = of({"generationConfig": {"responseMimeType": "application/json"}})
    assert made.request["response_format"] == {"type": "json_object"}
    assert made.losses == ()


def test_arguments_keep_their_numbers() -> None:
    """Fractions too."""
    made_call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": '{"x":-1.5e3}'}}
    made = to({"messages": [{"role": "assistant", "content": None, "tool_calls": [made_call]}]})
    assert made.request["contents"][0]["parts"][0]["functionCall"]["args"] == {"x": -1500.0}
    assert made.losses == ()


def test_a_number_too_long_to_be_written() -> None:
    """Python refuses to write it."""
    used = {"functionCall": {"name": "w", "args": {"x": 10**5000}}}
    with pytest.raises(UsageError, match="no JSON value: Exceeds the limit"):
        of({"contents": [HI, {"role": "model", "parts": [used]}]})


def test_names_that_are_allowed_in_no_mode_are_lost() -> None:
    """They count in two modes alone."""
    config = {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["w"]}}
    made = of({"tools": [{"functionDeclarations": [{"name": "w"}]}], "toolConfig": config})
    assert [loss.path for loss in made.losses] == ["toolConfig.functionCallingConfig.allowedFunctionNames"]
    assert made.request["tool_choice"] == "auto"


def test_schemas_in_upper_case() -> None:
    """As JSON Schema, at any depth; names of properties stay, whatever they are."""
    schema = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True, "maxLength": "5"},
            "list": {"type": "ARRAY", "items": {"anyOf": [{"type": "NUMBER"}, 5]}},
        },
    }
    tool = {"functionDeclarations": [{"name": "w", "parameters": schema}]}
    made = of({"tools": [tool]}).request["tools"][0]["function"]["parameters"]
    assert made == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "maxLength": 5},
            "list": {"type": "array", "items": {"anyOf": [{"type": "number"}, 5]}},
        },
    }


@pytest.mark.parametrize("where", ["items", "additionalProperties", "anyOf", "prefixItems", "properties"])
def test_schemas_inside_of_a_schema_in_upper_case(where: str) -> None:
    """Each of them is one as well; what is no schema stays as it is, whatever it looks like."""

    def schema(word: str) -> dict[str, Any]:
        inner = {"type": word}
        held = {"anyOf": [inner], "prefixItems": [inner], "properties": {"a": inner}}
        return {where: held.get(where, inner), "enum": [{"type": "STRING"}], "default": {"type": "STRING"}}

    tool = {"functionDeclarations": [{"name": "w", "parameters": schema("INTEGER")}]}
    assert of({"tools": [tool]}).request["tools"][0]["function"]["parameters"] == schema("integer")


def test_counts_of_a_schema_that_are_text() -> None:
    """They are numbers in JSON Schema; other texts stay, and so does what is no count."""
    names = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
    schema = {**dict.fromkeys(names, "12"), "title": "12", "minimum": "12"}
    tool = {"functionDeclarations": [{"name": "w", "parameters": schema}]}
    made = of({"tools": [tool]}).request["tools"][0]["function"]["parameters"]
    assert made == {**dict.fromkeys(names, 12), "title": "12", "minimum": "12"}
    odd = {**tool["functionDeclarations"][0], "parameters": dict.fromkeys(names, "many")}
    made = of({"tools": [{"functionDeclarations": [odd]}]}).request["tools"][0]["function"]["parameters"]
    assert made == dict.fromkeys(names, "many")


@pytest.mark.parametrize(
    "uri", ["gs://bucket/a.pdf", "https://generativelanguage.googleapis.com/v1beta/files/a"]
)
@pytest.mark.parametrize("target", ["responses", "chat", "anthropic"])
def test_files_that_only_google_has(uri: str, target: str) -> None:
    """No other provider can load them."""
    part = {"fileData": {"mimeType": "application/pdf", "fileUri": uri}}
    made = of({"contents": [{"role": "user", "parts": [part, {"text": "Hi"}]}]}, target)
    assert [loss.code for loss in made.losses] == ["content_not_supported"]
    assert uri not in str(made.request)


def test_urls_that_no_server_can_load() -> None:
    """Data that are no base64 are no file."""
    part = {"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}}
    made = to({"messages": [{"role": "user", "content": [part]}]})
    assert made.request["contents"] == []
    assert [loss.code for loss in made.losses] == ["content_not_supported"]


@pytest.mark.parametrize(
    "arguments", ['{"x": NaN}', '{"x": 1e999}', '{"x": -Infinity}', "[1]", '{"x":', "null", "[" * 9000]
)
def test_arguments_that_are_no_object_of_json(arguments: str) -> None:
    """An empty object is written, with a loss."""
    made_call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": arguments}}
    made = to({"messages": [{"role": "assistant", "content": None, "tool_calls": [made_call]}]})
    assert made.request["contents"][0]["parts"][0]["functionCall"]["args"] == {}
    assert [loss.code for loss in made.losses] == ["arguments_not_an_object"]


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("ok", {"output": "ok"}),
        ('{"a": 1}', {"a": 1}),
        ("[1]", {"output": "[1]"}),
        ("5", {"output": "5"}),
        ("", {"output": ""}),
        ("{}", {"output": "{}"}),
        ('{"error": "x"}', {"output": '{"error": "x"}'}),
        ('{"$ref": "#/a"}', {"output": '{"$ref": "#/a"}'}),
    ],
)
def test_results_are_objects(text: str, response: Any) -> None:
    """A JSON object is one already, unless it would be read as something else."""
    made_call = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [made_call]},
        {"role": "tool", "tool_call_id": "call_1", "content": text},
    ]
    made = to({"messages": messages}).request
    assert made["contents"][1]["parts"][0]["functionResponse"]["response"] == response
    back = convert_request(made, "gemini", "chat").request["messages"][1]["content"]
    assert back.replace(" ", "") == text.replace(" ", "")


def test_placeholders_for_the_signatures_of_foreign_calls() -> None:
    """The first call of each turn has one, where it is asked for."""
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": "w", "arguments": "{}"}}
        for number in range(2)
    ]
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Let me", "tool_calls": calls},
        *({"role": "tool", "tool_call_id": made["id"], "content": "ok"} for made in calls),
    ]
    plain, signed = to({"messages": messages}), to({"messages": messages}, placeholder_signatures=True)
    assert "thoughtSignature" not in str(plain.request)
    parts = signed.request["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [
        None,
        "skip_thought_signature_validator",
        None,
    ]
    elsewhere = convert_request({"messages": messages}, "chat", "responses", placeholder_signatures=True)
    assert "signature" not in str(elsewhere.request)


def test_schemas_that_do_not_count() -> None:
    """One of two is said; with another type of answer none is. The others are lost by their names."""
    text = {"type": "STRING"}
    both = {"responseSchema": text, "responseJsonSchema": {"type": "string"}}
    made = of({"generationConfig": both})
    assert made.request["response_format"]["json_schema"]["schema"] == {"type": "string"}
    assert [loss.path for loss in made.losses] == ["generationConfig.responseSchema"]
    made = of({"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": text}})
    assert {loss.path for loss in made.losses} == {
        "generationConfig.responseMimeType",
        "generationConfig.responseSchema",
    }
    declared = {"name": "w", "parameters": {"type": "OBJECT"}, "parametersJsonSchema": {"type": "object"}}
    made = of({"tools": [{"functionDeclarations": [declared]}]})
    assert [loss.path for loss in made.losses] == ["tools[0].functionDeclarations[0].parameters"]
