"""How the chat dialect reads what servers send: which events come, and what the response then is.

The letters in the headings are those of the ways in which clients were seen to break: B order and identity,
C tool calls, D text and reasoning, E ends and errors.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltafold.dialects.chat.call_arguments as chat_module
from deltafold.arguments.lift import Lift
from deltafold.dialects.chat.call_arguments import MOST_CHECKS
from deltafold.encoding.encoder import StreamEncoder
from deltafold.machine.lifecycle import ResponseState
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, WireError
from deltafold.model.items import CustomToolCall, FunctionCall, Message
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome
from deltafold.parsing.parser import ResponseParser, parse
from deltafold.wire.json_text import is_strict_json
from runs import (
    CHUNK,
    FIXTURES,
    JSON,
    Run,
    call,
    calls_of,
    check_laws,
    choice,
    chunk,
    completed,
    created,
    custom_call,
    frames,
    message,
    needs_python_code,
    outcome_of,
    output_text,
    play,
    reasoning,
    resumed,
    same,
    streamed_message,
)
from runs import refusal as refusal_part
from runs import run as run_payloads

C = AnomalyCode
PARIS = '{"city":"Paris"}'


def run(*payloads: Any, **options: Any) -> Run:
    """Feeds payloads of Chat Completions, ends the stream, and checks the laws."""
    return run_payloads(*payloads, dialect="chat", **options)


def run_bytes(body: bytes, **options: Any) -> Run:
    """Feeds a body of Chat Completions, ends the stream, and checks the laws."""
    found = play(body, "chat", **options)
    check_laws(found)
    return found


def says(text: Any, **fields: Any) -> JSON:
    return chunk(choice({"content": text}, **fields))


def thinks(**fields: Any) -> JSON:
    return chunk(choice(fields))


def ends(reason: Any = "stop", index: int = 0) -> JSON:
    return chunk(choice({}, reason, index))


def part(arguments: Any = None, name: Any = None, *, id: Any = None, index: Any = 0, **more: Any) -> JSON:
    """A fragment of a call. `index="none"` leaves the index out."""
    function = {} if name is None else {"name": name}
    if arguments is not None:
        function["arguments"] = arguments
    told = {} if index == "none" else {"index": index}
    if id is not None:
        told |= {"id": id, "type": "function"}
    return {**told, "function": function, **more}


def calls(*parts: Any, **fields: Any) -> JSON:
    return chunk(choice({"tool_calls": list(parts)}, **fields))


def whole(message: Any, finish: Any = "stop", **fields: Any) -> JSON:
    """A choice with `message` in place of `delta`."""
    return chunk({"index": 0, "message": message, "finish_reason": finish, **fields})


def usage(**counts: Any) -> JSON:
    return chunk(usage=counts)


def told(found: Run) -> list[tuple[Any, ...]]:
    """The name, call id and arguments of each call."""
    return [
        (c.name, c.call_id, c.arguments if isinstance(c, FunctionCall) else c.input)
        for c in calls_of(found.response)
    ]


def completion(found: Run) -> JSON:
    return found.response.to_chat_completion()


def said(found: Run) -> JSON:
    """The message of the first choice of the completion."""
    return dict(completion(found)["choices"][0]["message"])


# --------------------------------------------------------------------------------------- a plain stream


def test_a_message_from_its_start_to_its_end() -> None:
    """Each event of a plain message comes once, and its end comes with `[DONE]`."""
    found = run(
        chunk(choice({"role": "assistant", "content": ""})),
        says("Hel"),
        says("lo"),
        ends(),
        "[DONE]",
        end="none",
    )
    assert found.names() == [
        "ResponseStarted",
        "ItemStarted",
        "PartStarted",
        "TextDelta",
        "TextDelta",
        "ChoiceUpdated",
        "ValueFinished",
        "ItemFinished",
        "ResponseFinished",
    ]
    assert found.texts(e.TextDelta) == ["Hel", "lo"]
    assert found.all(e.ItemFinished)[0].item.content[0].text == "Hello"
    assert found.response.outcome is Outcome.COMPLETED
    assert found.response.finish_reason == "stop"
    assert found.response.to_dict()["created_at"] == CHUNK["created"]
    assert found.codes == []


def test_items_are_numbered_as_they_appear() -> None:
    """Reasoning, message and calls of all choices get output indexes in the order of their appearance."""
    found = run(
        thinks(reasoning_content="Hm"),
        chunk(choice({"content": "B"}, index=1)),
        calls(part(PARIS, "tick", id="a")),
        says("A"),
        ends("tool_calls"),
        ends("stop", 1),
        "[DONE]",
    )
    items = [(item.type, item.choice_index) for item in found.response.output]
    assert items == [("reasoning", 0), ("message", 1), ("function_call", 0), ("message", 0)]
    assert [event.output_index for event in found.all(e.ItemStarted)] == [0, 1, 2, 3]


def test_the_same_however_it_is_fed() -> None:
    """A stream gives the same response by bytes, byte by byte, and by payloads of each kind."""
    payloads = [
        chunk(choice({"role": "assistant", "content": ""}), obfuscation="xy"),
        thinks(reasoning_content="Ünd "),
        thinks(reasoning_content="so"),
        *(says(text) for text in ("He", "l", "lo \u2028", "😀")),
        calls(part("", "tick", id="a"), part("", "tock", id="b", index=1)),
        *(calls(part(text, index=i)) for text in ('{"a"', ":1}") for i in (0, 1)),
        ends("tool_calls"),
        usage(prompt_tokens=1, completion_tokens=2),
    ]
    body = frames(*payloads) + b"data: [DONE]\n\n"
    at_once = play(body, "chat")
    same(at_once, play([body[i : i + 1] for i in range(len(body))], "chat"))
    assert parse(body) == at_once.response
    for fed in (
        [*payloads, "[DONE]"],
        [*map(json.dumps, payloads), "[DONE]"],
        [json.dumps(p).encode() for p in payloads] + [b"[DONE]"],
    ):
        parser = ResponseParser("chat")
        for payload in fed:
            parser.feed_payload(payload)
        parser.close()
        assert list(parser.events()) == at_once.events
        assert parser.response == at_once.response


# ---------------------------------------------------------------- C: which call a fragment belongs to

ONE = [("tick", "a", PARIS)]
TWO = [("tick", "a", '{"n":1}'), ("tock", "b", '{"n":2}')]
RULES: dict[str, tuple[list[JSON], list[tuple[Any, ...]], list[AnomalyCode]]] = {
    "as OpenAI sends it": (
        [calls(part("", "tick", id="a")), calls(part('{"city"')), calls(part(':"Paris"}'))],
        ONE,
        [],
    ),
    "index missing": (
        [calls(part("", "tick", id="a", index="none")), calls(part(PARIS, index="none"))],
        ONE,
        [],
    ),
    "index null": ([calls(part("", "tick", id="a", index=None)), calls(part(PARIS, index=None))], ONE, []),
    "index of the wrong type": (
        [calls(part("", "tick", id="a", index="0")), calls(part(PARIS, index=True))],
        ONE,
        [C.INVALID_FIELD],
    ),
    "index missing later": ([calls(part("", "tick", id="a")), calls(part(PARIS, index="none"))], ONE, []),
    "index only later, same id": (
        [calls(part("", "tick", id="a", index="none")), calls(part(PARIS, id="a", index=5))],
        ONE,
        [],
    ),
    "index missing, a name begins a call": (
        [
            calls(
                part('{"n":1}', "tick", id="a", index="none"), part('{"n":2}', "tock", id="b", index="none")
            ),
        ],
        TWO,
        [],
    ),
    "index missing, ids tell": (
        [
            calls(part("", "tick", id="a", index="none"), part("", "tock", id="b", index="none")),
            calls(part('{"n":2}', id="b", index="none"), part('{"n":1}', id="a", index="none")),
        ],
        TWO,
        [],
    ),
    "index always 0": (
        [calls(part('{"n":1}', "tick", id="a")), calls(part('{"n":2}', "tock", id="b"))],
        TWO,
        [C.CALL_INDEX_REUSED],
    ),
    "index always 0, fragments go on the last": (
        [
            calls(part("", "tick", id="a")),
            calls(part('{"n":1}')),
            calls(part("", "tock", id="b")),
            calls(part('{"n":2}')),
        ],
        TWO,
        [C.CALL_INDEX_REUSED],
    ),
    "index always 0, ids with each fragment": (
        [
            calls(part("", "tick", id="a"), part("", "tock", id="b")),
            calls(part('{"n":1}', id="a"), part('{"n":2}', id="b")),
        ],
        TWO,
        [C.CALL_INDEX_REUSED],
    ),
    "index from 2": (
        [calls(part('{"n":1}', "tick", id="a", index=2), part('{"n":2}', "tock", id="b", index=3))],
        TWO,
        [],
    ),
    "indexes falling": (
        [calls(part('{"n":1}', "tick", id="a", index=9), part('{"n":2}', "tock", id="b", index=4))],
        TWO,
        [],
    ),
    "interleaved": (
        [
            calls(part("", "tick", id="a"), part("", "tock", id="b", index=1)),
            calls(part('{"n":', index=1)),
            calls(part('{"n":')),
            calls(part("2}", index=1), part("1}")),
        ],
        TWO,
        [],
    ),
    "one id under two indexes is two calls": (
        [calls(part('{"n":1}', "tick", id="a")), calls(part('{"n":2}', "tock", id="a", index=1))],
        [("tick", "a", '{"n":1}'), ("tock", "call_1_synthesized", '{"n":2}')],
        [C.CALL_ID_REPEATED],
    ),
    "one id for all calls, each with its index": (
        [
            calls(part("", "tick", id="a"), part("", "tock", id="a", index=1)),
            calls(part('{"n":1}', id="a"), part('{"n":2}', id="a", index=1)),
        ],
        [("tick", "a", '{"n":1}'), ("tock", "call_1_synthesized", '{"n":2}')],
        [C.CALL_ID_REPEATED],
    ),
    "one id for all calls under one index": (
        [calls(part('{"n":1}', "tick", id="a")), calls(part('{"n":2}', "tock", id="a"))],
        [("tick", "a", '{"n":1}'), ("tock", "call_1_synthesized", '{"n":2}')],
        [C.CALL_ID_REPEATED],
    ),
    "a new id and the name with each fragment": (
        [
            calls(part(piece, "tick", id=ident))
            for piece, ident in (('{"city"', "a"), (":", "b"), ('"Paris"}', "c"))
        ],
        ONE,
        [C.CALL_ID_CHANGED],
    ),
    "an id under another name": (
        [calls({"index": 0, "call_id": "a", "function": {"name": "tick", "arguments": PARIS}})],
        ONE,
        [],
    ),
    "two entries with one index in one chunk": (
        [calls(part("", "tick", id="a"), part('{"city"')), calls(part(':"Paris"}'))],
        ONE,
        [],
    ),
    "a new id with each fragment": (
        [
            calls(part("", "tick", id="a")),
            calls(part('{"city"', "", id="b")),
            calls(part(':"Paris"}', id="c")),
        ],
        ONE,
        [C.CALL_ID_CHANGED],
    ),
    "a new id with each fragment, no index": (
        [
            calls(part("", "tick", id="a", index="none")),
            calls(part('{"city"', id="b", index="none")),
            calls(part(':"Paris"}', id="c", index="none")),
        ],
        ONE,
        [C.CALL_ID_CHANGED],
    ),
    "id late": ([calls(part("", "tick")), calls(part(PARIS, id="a"))], ONE, []),
    "id late, with the name again": ([calls(part("", "tick")), calls(part(PARIS, "tick", id="a"))], ONE, []),
    "id late, in the fragment that begins the item": (
        [calls(part("", "tick"), part("", id="a"), part(PARIS))],
        ONE,
        [],
    ),
    "id empty, then told": ([calls(part("", "tick", id="")), calls(part(PARIS, id="a"))], ONE, []),
    "id 'null', then told": ([calls(part("", "tick", id="null")), calls(part(PARIS, id="a"))], ONE, []),
    "id of the wrong type": (
        [calls(part(PARIS, "tick", id=7))],
        [("tick", "call_0_synthesized", PARIS)],
        [C.CALL_ID_MISSING],
    ),
    "no ids, the same call twice": (
        [calls(part("{}", "tick", index="none")), calls(part("{}", "tick", index="none"))],
        [("tick", "call_0_synthesized", "{}"), ("tick", "call_1_synthesized", "{}")],
        [C.CALL_ID_MISSING, C.CALL_ID_MISSING],
    ),
    "no ids, one index, the same call twice": (
        [calls(part(PARIS, "tick")), calls(part(PARIS, "tick"))],
        [("tick", "call_0_synthesized", PARIS), ("tick", "call_1_synthesized", PARIS)],
        [C.CALL_INDEX_REUSED, C.CALL_ID_MISSING, C.CALL_ID_MISSING],
    ),
    "no ids, one index, two names": (
        [calls(part('{"n":1}', "tick")), calls(part('{"n":2}', "tock"))],
        [("tick", "call_0_synthesized", '{"n":1}'), ("tock", "call_1_synthesized", '{"n":2}')],
        [C.CALL_INDEX_REUSED, C.CALL_ID_MISSING, C.CALL_ID_MISSING],
    ),
    "the same call twice": (
        [calls(part("{}", "tick", id="a"), part("{}", "tick", id="b", index=1))],
        [("tick", "a", "{}"), ("tick", "b", "{}")],
        [],
    ),
    "name in every fragment": (
        [calls(part(text, "tick", id="a")) for text in ("", '{"city"', ':"Paris"}')],
        ONE,
        [],
    ),
    "name in every fragment, no id": (
        [calls(part("", "tick", id="a")), calls(part('{"city"', "tick")), calls(part(':"Paris"}', "tick"))],
        ONE,
        [],
    ),
    "name in pieces": ([calls(part("", "ti", id="a")), calls(part("", "ck")), calls(part(PARIS))], ONE, []),
    "name cumulative": (
        [calls(part("", "t", id="a")), calls(part("", "tic", id="a")), calls(part(PARIS, "tick", id="a"))],
        ONE,
        [],
    ),
    "name's end again": (
        [calls(part("", "tick", id="a")), calls(part("", "ck")), calls(part(PARIS))],
        [("tickck", "a", PARIS)],
        [],
    ),
    "name null first": ([calls(part('{"city"', id="a")), calls(part(':"Paris"}', "tick"))], ONE, []),
    "name empty first": ([calls(part("", "", id="a")), calls(part(PARIS, "tick"))], ONE, []),
    "name last": ([calls(part(PARIS, id="a")), calls(part(None, "tick"))], ONE, []),
    "name never": ([calls(part(PARIS, id="a"))], [("", "a", PARIS)], [C.CALL_NAME_MISSING]),
    "name never, braces alone": ([calls(part("{}", id="a"))], [("", "a", "{}")], [C.CALL_NAME_MISSING]),
    "name of the wrong type": ([calls(part(PARIS, 7, id="a"))], [("", "a", PARIS)], [C.CALL_NAME_MISSING]),
    "name changes under its id": (
        [calls(part('{"city":', "tick", id="a")), calls(part('"Paris"}', "tock", id="a"))],
        ONE,
        [C.NAME_CHANGED],
    ),
    "another name behind braces alone": (
        [calls(part("{}", "tick", id="a")), calls(part(PARIS, "tock"))],
        [("tick", "a", "{}"), ("tock", "call_1_synthesized", PARIS)],
        [C.CALL_INDEX_REUSED, C.CALL_ID_MISSING],
    ),
    "name beside the function": (
        [calls({"index": 0, "id": "a", "function_name": "tick", "arguments": PARIS})],
        ONE,
        [],
    ),
    "tool_name and input": ([calls({"index": 0, "id": "a", "tool_name": "tick", "input": PARIS})], ONE, []),
    "name beside an empty function": (
        [calls({"index": 0, "id": "a", "name": "tick", "function": {}, "arguments": PARIS})],
        ONE,
        [],
    ),
    "function null": (
        [calls(part("", "tick", id="a")), calls({"index": 0, "function": None}), calls(part(PARIS))],
        ONE,
        [],
    ),
    "a blank custom beside the function": (
        [calls(part(PARIS, "tick", id="a", custom={"name": "", "input": ""}))],
        ONE,
        [],
    ),
    "an object in place of the list": (
        [chunk(choice({"tool_calls": part(PARIS, "tick", id="a")}))],
        ONE,
        [],
    ),
    "its id again behind whole arguments": (
        [calls(part(PARIS, "tick", id="a")), calls(part("", id="a")), calls(part("", id="a", index=None))],
        ONE,
        [],
    ),
    "its id and name again behind whole arguments": (
        [calls(part(PARIS, "tick", id="a")), calls(part("", "tick", id="a"))],
        ONE,
        [],
    ),
    "its id and longer name behind whole arguments": (
        [calls(part(PARIS, "ti", id="a")), calls(part("", "tick", id="a"))],
        ONE,
        [],
    ),
    "its id and first name behind whole arguments": (
        [calls(part(PARIS, id="a")), calls(part("", "tick", id="a"))],
        ONE,
        [],
    ),
    "a fragment that says nothing begins a call": (
        [
            calls(part('{"n":', "tick", id="a"), part("", index=1)),
            calls(part("1}"), part('{"n":2}', "tock", id="b", index=1)),
        ],
        TWO,
        [],
    ),
    "whole with the finish reason": ([calls(part(PARIS, "tick", id="a"), finish="tool_calls")], ONE, []),
    "after the finish reason": (
        [calls(part('{"city"', "tick", id="a"), finish="tool_calls"), calls(part(':"Paris"}'))],
        ONE,
        [],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_which_call_a_fragment_belongs_to(rule: str) -> None:
    """Two calls are never merged, one is never split, and none is dropped for being like another."""
    payloads, expected, anomalies = RULES[rule]
    found = run(*payloads, ends("tool_calls"), "[DONE]")
    assert told(found) == expected
    assert found.codes == anomalies
    assert all(c.complete for c in calls_of(found.response) if isinstance(c, FunctionCall))
    again = run(
        *payloads,
        ends("tool_calls"),
        "[DONE]",
        parser=ResponseParser("chat", lifts=[Lift(("x",), "text", tool="other")]),
    )
    assert again.response.output == found.response.output


@pytest.mark.parametrize("rule", RULES)
def test_a_call_goes_on_in_a_resumed_parser(rule: str) -> None:
    """A parser that is taken up again after each payload finds the same calls."""
    payloads = [*RULES[rule][0], ends("tool_calls"), "[DONE]"]
    parser = ResponseParser("chat")
    events: list[e.Event] = []
    for payload in payloads:
        parser = resumed(parser)
        parser.feed_payload(payload)
        parser = resumed(parser)
        events += parser.events()
    found = run(*payloads)
    assert events == found.events
    assert parser.response == found.response


@given(
    st.lists(
        st.tuples(st.sampled_from(["tick", "tock"]), st.sampled_from(["", "{}", PARIS, '{"a":[{}]}'])),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["rising", "zero", "missing"]),
    st.integers(1, 6),
)
def test_calls_with_ids_keep_apart(asked: list[tuple[str, str]], indexes: str, size: int) -> None:
    """Whole calls with ids of their own come out as they went in, however they are numbered and cut."""
    payloads = []
    for position, (name, arguments) in enumerate(asked):
        index = {"rising": position, "zero": 0, "missing": "none"}[indexes]
        payloads.append(calls(part("", name, id=f"c{position}", index=index)))
        pieces = [arguments[i : i + size] for i in range(0, len(arguments), size)]
        payloads += [calls(part(piece, index=index)) for piece in pieces]
    found = run(*payloads, ends("tool_calls"), "[DONE]")
    assert told(found) == [(name, f"c{i}", arguments or "{}") for i, (name, arguments) in enumerate(asked)]


def test_a_call_without_an_id_gets_one() -> None:
    """The id that is made up for a call stands in its item at the end, and is named for its output index."""
    found = run(says("x"), calls(part(PARIS, "tick")), ends("tool_calls"), "[DONE]")
    assert found.all(e.ItemStarted)[1].item.call_id is None
    assert found.all(e.ItemFinished)[1].item.call_id == "call_1_synthesized"
    assert found.codes == [C.CALL_ID_MISSING]


def test_calls_of_choices_keep_apart() -> None:
    """One index in two choices is two calls."""
    parts = [choice({"tool_calls": [part(PARIS, "tick", id="a")]}, index=i) for i in (0, 1)]
    found = run(chunk(*parts), ends("tool_calls"), ends("tool_calls", 1), "[DONE]")
    assert told(found) == [("tick", "a", PARIS), ("tick", "a", PARIS)]
    assert [item.choice_index for item in found.response.output] == [0, 1]


def test_what_a_call_tells_beside_its_arguments() -> None:
    """Unknown fields of a call and of its function are kept, told early, late, or with the name's rest."""
    signature = {"google": {"thought_signature": "c2ln"}}
    found = run(
        calls(part(None, "ti", id="a", extra_content=signature)),
        calls(part(None, "ck", index=0)),
        calls({"index": 0, "function": {"arguments": PARIS, "strict": True}}),
        ends("tool_calls"),
        "[DONE]",
    )
    item = found.output()[0]
    assert (item["name"], item["extra_content"], item["strict"]) == ("tick", signature, True)
    assert found.names(of=0).count("ItemUpdated") == 2
    assert said(found)["tool_calls"][0]["extra_content"] == signature


def test_a_field_that_waited_is_told_by_a_later_update() -> None:
    """One that comes with the call's beginning waits; the next chunk's value of it counts."""
    begun = calls(part("", "tick", id="a"), part("", x=1, y=1))
    found = run(begun, calls(part("", x=2)), ends("tool_calls"), "[DONE]")
    assert [event.item.data["x"] for event in found.all(e.ItemUpdated)] == [2]
    item = found.output()[0]
    assert (item["x"], item["y"]) == (2, 1)


# ------------------------------------------------------------------------------------ C: arguments

ARGUMENTS: dict[str, tuple[list[Any], str, list[AnomalyCode]]] = {
    "in pieces": (['{"city"', ":", '"Paris"}'], PARIS, []),
    "empty": (["", None], "", []),
    "an object": (
        [{"city": "Ærø", "n": [1.5, None]}],
        '{"city":"Ærø","n":[1.5,null]}',
        [C.ARGUMENTS_NOT_TEXT],
    ),
    "a list": ([[1]], "[1]", [C.ARGUMENTS_NOT_TEXT]),
    "the same object twice": ([{"a": 1}, {"a": 1}], '{"a":1}', [C.ARGUMENTS_NOT_TEXT, C.ARGUMENTS_REPEATED]),
    "a number": ([7, PARIS], PARIS, [C.INVALID_FIELD]),
    "cumulative": (['{"', '{"city":"', '{"city":"Par', PARIS], PARIS, [C.ARGUMENTS_REPEATED]),
    "cumulative, once unchanged": (
        ['{"a":1', '{"a":1', '{"a":12', '{"a":123}'],
        '{"a":123}',
        [C.ARGUMENTS_REPEATED],
    ),
    "doubled": ([PARIS, PARIS], PARIS, [C.ARGUMENTS_REPEATED]),
    "three times": ([PARIS, PARIS, PARIS], PARIS, [C.ARGUMENTS_REPEATED]),
    "whole again in the last": (['{"city":', '"Paris"}', PARIS], PARIS, [C.ARGUMENTS_REPEATED]),
    "again in pieces, the first of them": (
        ['{"city":', '"Paris"}', '{"city":'],
        PARIS,
        [C.ARGUMENTS_REPEATED],
    ),
    "whole again with a line feed": ([PARIS, PARIS + "\n"], PARIS + "\n", [C.ARGUMENTS_REPEATED]),
    "whole again, spelt otherwise": ([PARIS, '{"city": "Paris"}'], PARIS, [C.ARGUMENTS_REPEATED]),
    "a list again": (["[1,", "2]", "[1,2]"], "[1,2]", [C.ARGUMENTS_REPEATED]),
    "braces first": (["{}", '{"city":', '"Paris"}'], PARIS, [C.ARGUMENTS_REPEATED]),
    "braces twice": (["{}", "{}"], "{}", [C.ARGUMENTS_REPEATED]),
    "braces twice, then the arguments": (["{}", "{}", '{"city":', '"Paris"}'], PARIS, [C.ARGUMENTS_REPEATED]),
    "braces three times": (["{}", " {}", "{}", PARIS], PARIS, [C.ARGUMENTS_REPEATED]),
    "braces alone": (["{}"], "{}", []),
    "braces and space": ([" {} "], " {} ", []),
    "braces, then space": (["{}", " \n"], "{} \n", []),
    "null first": ([None, PARIS], PARIS, []),
    "an object, then none": (['{"a":1}', "{b}"], '{"a":1}{b}', []),
    "two objects that differ": (['{"a":1}', '{"b":2}'], '{"a":1}{"b":2}', []),
    "an object inside that begins alike": (['{"a":', '{"a":', "1}}"], '{"a":{"a":1}}', []),
    "a list of like objects": (["[", '{"a":1}', ",", '{"a":1}', "]"], '[{"a":1},{"a":1}]', []),
    "lists in lists": (["[", "[", "[", "]", "]", "]"], "[[[]]]", []),
    "braces in text": (['{"a":"', "{", "}", "{}", '{"a":"', '"}'], '{"a":"{}{}{"a":""}', []),
    "no JSON at all": (["pa", "ris", "pa", "ris"], "parisparis", []),
    "a character in halves, then a brace": (["\ud83d", "\ude00", '{"a"'], '\U0001f600{"a"', []),
}


@pytest.mark.parametrize("case", ARGUMENTS)
@pytest.mark.parametrize("lifts", [[], [Lift(("unheard of",), "text", tool="tick")]], ids=["plain", "lifts"])
@pytest.mark.parametrize("late", [False, True], ids=["name first", "name last"])
def test_arguments(case: str, lifts: list[Lift], late: bool) -> None:
    """What came again counts once, what is no text becomes text, and what is new is never taken for old."""
    pieces, expected, anomalies = ARGUMENTS[case]
    payloads = [calls(part(piece)) for piece in pieces]
    payloads.insert(len(payloads) if late else 0, calls(part(None, "tick", id="a")))
    found = run(*payloads, ends("tool_calls"), "[DONE]", lifts=lifts)
    assert told(found) == [("tick", "a", expected or "{}")]
    assert found.codes == anomalies


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments_within_one_chunk(case: str) -> None:
    """Fragments of one payload are read like those of many."""
    pieces, expected, anomalies = ARGUMENTS[case]
    found = run(calls(part(None, "tick", id="a"), *map(part, pieces)), ends("tool_calls"), "[DONE]")
    assert told(found) == [("tick", "a", expected or "{}")]
    assert found.codes == anomalies


def test_arguments_that_are_an_empty_object() -> None:
    """An empty object that comes with the name is written as text, like any other."""
    found = run(calls(part({}, "tick", id="a")), ends("tool_calls"), "[DONE]")
    assert told(found) == [("tick", "a", "{}")]
    assert found.codes == [C.ARGUMENTS_NOT_TEXT]


def test_lifted_strings_leave_the_arguments() -> None:
    """A declared string comes as text of its own, and the arguments go without it, however they are told."""
    lifts = [Lift(("text",), "text", tool="say", remove=True)]
    pieces = ['{"text":"Hel', 'lo","n"', ":1}"]
    found = run(
        calls(part("", "say", id="a")),
        *(calls(part(p)) for p in pieces),
        ends("tool_calls"),
        "[DONE]",
        lifts=lifts,
    )
    assert "".join(found.texts(e.LiftedDelta)) == "Hello"
    assert json.loads(calls_of(found.response)[0].arguments) == {"n": 1}
    tool_call = {
        "id": "a",
        "type": "function",
        "function": {"name": "say", "arguments": '{"text":"Bye","n":2}'},
    }
    found = run(
        calls(part(pieces[0], "say", id="a")),
        whole({"tool_calls": [tool_call]}, "tool_calls"),
        "[DONE]",
        lifts=lifts,
    )
    assert json.loads(calls_of(found.response)[0].arguments) == {"n": 2}
    assert C.VALUE_CONTRADICTED in found.codes


@pytest.mark.parametrize("arguments", ['{"te', '{"n":1,'])
def test_what_lifting_held_back_is_not_lost(arguments: str) -> None:
    """Arguments that are cut off where it is not clear yet what they go on with."""
    lifts = [Lift(("text",), "text", tool="say", remove=True)]
    found = run(calls(part(arguments, "say", id="a")), ends("length"), "[DONE]", lifts=lifts)
    assert told(found) == [("say", "a", arguments)]
    assert "".join(found.texts(e.ArgumentsDelta)) == arguments


def test_the_short_cut_takes_nothing_from_lifts() -> None:
    """Many like fragments by bytes are lifted as those that come one by one."""
    lifts = [Lift(("text",), "text", tool="say", remove=True)]
    pieces = ['{"text":"', *("x" * 30), '","n":1}']
    body = frames(
        calls(part("", "say", id="a")), *(calls(part(piece)) for piece in pieces), ends("tool_calls")
    )
    found = run_bytes(body, lifts=lifts)
    assert "".join(found.texts(e.LiftedDelta)) == "x" * 30
    assert json.loads(calls_of(found.response)[0].arguments) == {"n": 1}
    plain = run_bytes(body, lifts=[Lift(("text",), "text", tool="other")])
    assert calls_of(plain.response)[0].arguments == "".join(pieces)


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the texts that the dialect parses to see whether they are whole."""
    needs_python_code()
    sizes: list[int] = []

    def counting(text: str) -> bool:
        sizes.append(len(text))
        return is_strict_json(text)

    monkeypatch.setattr(chat_module, "is_strict_json", counting)
    return sizes


@pytest.mark.parametrize("pieces", [["{", "}"], ["{}"], ["{a}", "{"], ["}{"], ["{\\", "}]"]])
def test_braces_cost_linear_work(pieces: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments full of braces are parsed a few times over, not once with every fragment."""
    sizes = count_checks(monkeypatch)
    total = 0
    payloads = [calls(part('{"a":"', "tick", id="a"))]
    for _ in range(2000):
        payloads += [calls(part(piece)) for piece in pieces]
        total += sum(map(len, pieces))
    found = run(*payloads, calls(part('"}')), ends("tool_calls"), "[DONE]")
    assert len(told(found)[0][2]) >= total
    assert len(sizes) <= MOST_CHECKS + total.bit_length()
    assert sum(sizes) <= 4 * total + 16 * MOST_CHECKS * max(map(len, pieces))


def test_a_name_with_every_brace_costs_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in every fragment makes no parse of what came so far with each."""
    sizes = count_checks(monkeypatch)
    payloads = [calls(part("}", "tick")) for _ in range(2000)]
    assert told(run(*payloads, ends("tool_calls"), "[DONE]"))[0][2] == "}" * 2000
    assert len(sizes) <= MOST_CHECKS + 12


# --------------------------------------------------------------------- C: custom tools, legacy functions


def test_a_custom_tool_call() -> None:
    """The input of a custom tool is text: nothing in it is taken for JSON that came again."""
    first = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": ""}}
    pieces = ["{}", "{}", '{"a":1}', '{"a":1}']
    payloads = [calls(first), *(calls({"index": 0, "custom": {"input": piece}}) for piece in pieces)]
    for lifts in ([], [Lift(("a",), "text", tool="patch")]):
        found = run(*payloads, ends("tool_calls"), "[DONE]", lifts=lifts)
        call = calls_of(found.response)[0]
        assert isinstance(call, CustomToolCall)
        assert (call.call_id, call.name, call.input, call.whole) == ("a", "patch", "".join(pieces), True)
        assert found.response.finish_reason == "tool_calls"
        assert said(found)["tool_calls"] == [
            {"id": "a", "type": "custom", "custom": {"name": "patch", "input": "".join(pieces)}}
        ]


def test_a_legacy_function_call() -> None:
    """`function_call` is a call without an id of its own, and goes back to where it came from."""
    found = run(
        chunk(choice({"role": "assistant", "function_call": {"name": "tick", "arguments": ""}})),
        chunk(choice({"function_call": {"arguments": PARIS}})),
        chunk(choice({"function_call": None})),
        chunk(choice({"function_call": {"name": "", "arguments": ""}})),
        ends("function_call"),
        "[DONE]",
    )
    assert told(found) == [("tick", "call_0_synthesized", PARIS)]
    assert found.codes == []
    assert said(found)["function_call"] == {"name": "tick", "arguments": PARIS}
    assert "tool_calls" not in said(found)
    assert found.response.finish_reason == "tool_calls"
    assert found.response.choices[0].finish_reason == "function_call"


def test_a_legacy_call_beside_tool_calls() -> None:
    """The two fields never meet in one call."""
    both = {"tool_calls": [part("{}", "tock", id="b")], "function_call": {"name": "tick", "arguments": PARIS}}
    found = run(chunk(choice(both)), ends("tool_calls"), "[DONE]")
    assert {name for name, _, _ in told(found)} == {"tick", "tock"}
    assert said(found)["function_call"]["name"] == "tick"
    assert [call["id"] for call in said(found)["tool_calls"]] == ["b"]
    begun = chunk(choice({"function_call": {"name": "tick", "arguments": '{"city":'}}))
    found = run(begun, calls(part(PARIS)), ends("tool_calls"), "[DONE]")
    assert [(name, arguments) for name, _, arguments in told(found)] == [("tick", '{"city":'), ("", PARIS)]


# ------------------------------------------------------------------------------- D: text and reasoning

REASONING_FIELDS = ("reasoning", "reasoning_content", "reasoning_details")
REASONING: dict[str, tuple[list[JSON], str, str]] = {
    "reasoning_content": (
        [{"reasoning_content": "Hm"}, {"reasoning_content": "m"}],
        "Hmm",
        "reasoning_content",
    ),
    "reasoning": ([{"reasoning": "Hm"}, {"reasoning": "m"}], "Hmm", "reasoning"),
    "both, alike": ([{"reasoning": "Hm", "reasoning_content": "Hm"}], "Hm", "reasoning_content"),
    "both, one of them empty": ([{"reasoning": "Hm", "reasoning_content": ""}], "Hm", "reasoning"),
    "both, one of them null": ([{"reasoning": None, "reasoning_content": "Hm"}], "Hm", "reasoning_content"),
    "an object": ([{"reasoning": {"content": "Hm"}}, {"reasoning": {"text": "m"}}], "Hmm", "reasoning"),
    "with details": (
        [{"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]}],
        "Hm",
        "reasoning",
    ),
    "details alone": (
        [{"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]}],
        "Hm",
        "reasoning_content",
    ),
    "details, summary": (
        [{"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm"}, 7]}],
        "Hm",
        "reasoning_content",
    ),
    "details of the wrong type": ([{"reasoning": "Hm", "reasoning_details": "x"}], "Hm", "reasoning"),
    "Mistral": (
        [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, "m", 7]}]}],
        "Hmm",
        "reasoning_content",
    ),
    "Mistral, as text": ([{"content": [{"type": "thinking", "thinking": "Hm"}]}], "Hm", "reasoning_content"),
    "thinking blocks alone": (
        [{"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}, {"type": "redacted_thinking"}]}],
        "Hm",
        "reasoning_content",
    ),
    "nothing in an object": (
        [{"reasoning": {}, "reasoning_content": []}, {"reasoning": "Hm"}],
        "Hm",
        "reasoning",
    ),
}


@pytest.mark.parametrize("case", REASONING)
def test_reasoning(case: str) -> None:
    """Reasoning comes once under whatever name, and the completion has it under the server's own."""
    deltas, expected, field = REASONING[case]
    found = run(*map(chunk, map(choice, deltas)), says("Yes"), ends(), "[DONE]")
    assert found.response.reasoning_text == expected
    assert found.codes == []
    assert "".join(found.texts(e.ReasoningDelta)) == expected
    assert {event.kind for event in found.all(e.ReasoningDelta)} == {"text"}
    assert said(found)[field] == expected
    assert found.response.output_text == "Yes"


def test_reasoning_details_are_merged() -> None:
    """Pieces of one type and index make one entry, with the last signature; entries without index stay."""
    details: list[JSON] = [
        {"type": "reasoning.text", "text": "Let", "format": "f", "index": 0},
        {"type": "reasoning.text", "text": " me", "format": None, "index": 0},
        {"type": "reasoning.summary", "summary": "S", "index": 0},
        {"type": "reasoning.text", "text": "!", "signature": None, "index": 1},
        {"type": "reasoning.text", "signature": "sig", "index": 0},
        {"type": "reasoning.encrypted", "data": "x"},
        {"type": "reasoning.encrypted", "data": "y"},
        {"type": "reasoning.text", "text": 7, "index": 2},
    ]
    found = run(*(thinks(reasoning_details=[detail]) for detail in details), ends(), "[DONE]")
    merged = [
        {"type": "reasoning.text", "text": "Let me", "format": "f", "index": 0, "signature": "sig"},
        {"type": "reasoning.summary", "summary": "S", "index": 0},
        {"type": "reasoning.text", "text": "!", "signature": None, "index": 1},
        {"type": "reasoning.encrypted", "data": "x"},
        {"type": "reasoning.encrypted", "data": "y"},
        {"type": "reasoning.text", "text": 7, "index": 2},
    ]
    assert found.output()[0]["reasoning_details"] == merged
    assert said(found)["reasoning_details"] == merged
    assert said(found)["reasoning_content"] == "Let meS!"


def test_encrypted_reasoning_alone() -> None:
    """Reasoning that is only encrypted makes an item without text."""
    found = run(
        thinks(reasoning_details=[{"type": "reasoning.encrypted", "data": "x", "index": 0}]),
        says("Hi"),
        ends(),
    )
    assert [item.type for item in found.response.output] == ["reasoning", "message"]
    assert found.response.hidden_reasoning
    assert "reasoning_content" not in said(found)


def test_content_in_parts() -> None:
    """Texts of a list make one text; a part that is no text stands in the message as it came."""
    reference = {"type": "reference", "reference_ids": [3]}
    found = run(
        says([{"type": "text", "text": "Bon"}, reference, {}, {"type": "text", "text": "jour"}]),
        ends(),
        "[DONE]",
    )
    assert found.response.output_text == "Bonjour"
    assert found.output()[0]["content"][1] == reference
    assert said(found)["content"] == [{"type": "text", "text": "Bonjour"}, reference]
    wrapped = run(says([None, {"type": "text", "text": {"value": "Bonjour", "annotations": []}}]), ends())
    assert (wrapped.response.output_text, wrapped.codes) == ("Bonjour", [])
    first = run(says([reference]), says("x"), ends(), "[DONE]")
    assert first.output()[0]["content"][1] == reference
    assert first.response.output_text == "x"


def test_a_refusal() -> None:
    """A refusal is a part of its own, beside text that came before it."""
    found = run(says("Well"), thinks(refusal="I "), thinks(refusal="won't"), ends(), "[DONE]")
    assert found.texts(e.RefusalDelta) == ["I ", "won't"]
    assert [part["type"] for part in found.output()[0]["content"]] == ["output_text", "refusal"]
    assert (said(found)["content"], said(found)["refusal"]) == ("Well", "I won't")


def test_roles() -> None:
    """The first role that is told before the text counts, once."""
    found = run(
        thinks(role=""),
        thinks(role="tool"),
        thinks(role="assistant", content="A"),
        thinks(role="user", content="B"),
    )
    assert found.output()[0]["role"] == "assistant"
    found = run(thinks(role="critic"), says("A"), ends(), "[DONE]")
    assert said(found)["role"] == "critic"
    assert said(run(whole({"role": "critic", "content": "A"})))["role"] == "critic"


def test_log_probabilities_are_extended() -> None:
    """Those that come with a text go with its delta; all of them stand in the completion, in order."""

    def tokens(*names: str) -> list[JSON]:
        return [{"token": name, "logprob": -0.5} for name in names]

    found = run(
        says("a", logprobs={"content": tokens("a"), "refusal": None}),
        says("bc", logprobs={"content": [*tokens("b", "c"), "odd"]}),
        says("", logprobs={"content": tokens("d")}),
        says("e", logprobs={"content": "odd"}),
        chunk(choice({"refusal": "no"}, logprobs={"refusal": tokens("no")})),
        chunk(choice({"refusal": "!"}, logprobs={"refusal": tokens("!")})),
        chunk(choice({}, logprobs="odd")),
        ends(),
        "[DONE]",
    )
    assert [len(event.logprobs) for event in found.all(e.TextDelta)] == [1, 2, 0]
    assert completion(found)["choices"][0]["logprobs"] == {
        "content": tokens("a", "b", "c", "d"),
        "refusal": tokens("no", "!"),
    }


def test_annotations() -> None:
    """Annotations belong to the text, also before it, and are numbered over all chunks."""
    notes = [{"type": "url_citation", "url_citation": {"url": f"https://example.com/{i}"}} for i in range(3)]
    found = run(
        thinks(annotations=notes[:1]),
        says("A"),
        thinks(annotations=[*notes[1:], 7]),
        thinks(annotations=5),
        ends(),
    )
    assert [event.annotation_index for event in found.all(e.AnnotationAdded)] == [0, 1, 2]
    assert said(found)["annotations"] == notes
    again = run(thinks(content="A", annotations=notes), whole({"content": "A", "annotations": notes}))
    assert said(again)["annotations"] == notes


def test_audio() -> None:
    """Spoken output comes in pieces of data and transcript; what else is told stays with the message."""
    found = run(
        thinks(audio={"id": "audio_1", "transcript": ""}),
        thinks(audio={"transcript": "Good"}),
        thinks(audio={"transcript": " day", "data": "UklG"}),
        thinks(audio={"data": "Rg==", "expires_at": 1767100600}),
        ends(),
        "[DONE]",
    )
    assert (found.texts(e.TranscriptDelta), [event.data for event in found.all(e.AudioDelta)]) == (
        ["Good", " day"],
        ["UklG", "Rg=="],
    )
    assert said(found)["audio"] == {
        "id": "audio_1",
        "transcript": "Good day",
        "data": "UklGRg==",
        "expires_at": 1767100600,
    }
    assert [event.data for event in found.all(e.StatusChanged)] == [
        {"audio": {"id": "audio_1"}},
        {"audio": {"id": "audio_1", "expires_at": 1767100600}},
    ]


def test_unknown_fields_are_kept_where_they_stood() -> None:
    """Fields of the chunk, the choice and the delta that nobody knows are told once, and stay readable."""
    found = run(
        chunk(choice({"content": "A", "channel": "final", "extra": {"a": 1}}, stop_reason=7), provider="P"),
        chunk(
            choice({"content": "B", "channel": "final", "extra": {"b": 2}}, stop_reason=7),
            provider="P",
            cost=0.5,
        ),
        ends(),
        "[DONE]",
    )
    whole = completion(found)
    assert (whole["provider"], whole["cost"]) == ("P", 0.5)
    assert whole["choices"][0]["stop_reason"] == 7
    assert said(found)["extra"] == {"a": 1, "b": 2}
    assert said(found)["channel"] == "final"
    again = chunk(choice({"content": "C", "extra": {"a": 1, "in": {"c": 3}}}))
    assert [event.data for event in run(again, again, ends()).all(e.ChoiceUpdated)] == [
        {"message": {"extra": {"a": 1, "in": {"c": 3}}}},
        {},
    ]
    assert [event.data for event in found.all(e.StatusChanged)] == [{"cost": 0.5}]
    assert found.response.choices[0].data["stop_reason"] == 7


# ---------------------------------------------------------------------- D: `message` in place of `delta`


def test_a_whole_message_alone() -> None:
    """A choice with a message and no delta is told whole."""
    tool_call = {"id": "a", "type": "function", "function": {"name": "tick", "arguments": PARIS}}
    notes = [{"type": "url_citation"}]
    told_ = {
        "role": "assistant",
        "content": "Yes",
        "refusal": "no",
        "reasoning_content": "Hm",
        "tool_calls": [tool_call],
        "annotations": notes,
        "channel": "final",
    }
    found = run(whole(told_, "tool_calls"), "[DONE]")
    assert {key: said(found)[key] for key in told_} == told_
    assert found.codes == []


def test_a_message_that_goes_on_from_the_deltas() -> None:
    """Of a message at the end only what had not come is handed out."""
    found = run(
        thinks(reasoning="Hm", content="Hel", refusal="n"),
        calls(part('{"city"', "tick", id="a")),
        whole(
            {
                "content": "Hello",
                "reasoning": "Hmm",
                "refusal": "no",
                "tool_calls": [
                    {"id": "a", "function": {"name": "tick", "arguments": PARIS}},
                    {"id": "b", "function": {"name": "tock", "arguments": "{}"}},
                    "odd",
                ],
            }
        ),
        "[DONE]",
    )
    assert found.texts(e.TextDelta) == ["Hel", "lo"]
    assert found.texts(e.ReasoningDelta) == ["Hm", "m"]
    assert found.texts(e.RefusalDelta) == ["n", "o"]
    assert told(found) == [("tick", "a", PARIS), ("tock", "b", "{}")]
    assert found.codes == []


def test_a_message_that_says_nothing_new() -> None:
    """A message that repeats or leaves out what had come changes nothing."""
    deltas = [
        thinks(reasoning="Hm", content="Hi"),
        calls(part(PARIS, "tick", id="a"), part("{}", "tock", id="b", index=1)),
    ]
    told_ = [
        {"id": "a", "function": {"name": "tick", "arguments": PARIS}},
        {"id": "b", "function": {"name": "tock", "arguments": "{}"}},
    ]
    plain = run(*deltas, ends("tool_calls"), "[DONE]")
    for message_ in (
        {"content": "Hi", "reasoning": "Hm", "tool_calls": told_},
        {"content": "", "reasoning": "", "tool_calls": []},
        {"content": None, "reasoning": None, "tool_calls": None},
        {
            "tool_calls": [
                {"id": "a", "function": {"name": "tick"}},
                {"id": "b", "function": {"arguments": ""}},
            ]
        },
    ):
        found = run(*deltas, whole(message_, "tool_calls"), "[DONE]")
        assert found.response.output == plain.response.output
        assert found.codes == []


def test_a_message_that_contradicts_the_deltas() -> None:
    """What is told whole counts, and the contradiction is an anomaly."""
    tool_call = {"id": "a", "function": {"name": "tick", "arguments": '{"a":1}'}}
    found = run(
        says("Hello"),
        calls(part(PARIS, "tick", id="a")),
        whole({"content": "Bye", "tool_calls": [tool_call]}),
    )
    assert [(event.kind, event.text) for event in found.all(e.ValueReplaced)] == [
        ("text", "Bye"),
        ("arguments", '{"a":1}'),
    ]
    assert found.response.output_text == "Bye"
    assert told(found) == [("tick", "a", '{"a":1}')]
    assert found.codes == [C.VALUE_CONTRADICTED, C.VALUE_CONTRADICTED]


def test_a_message_that_contradicts_itself() -> None:
    """The last telling of one chunk counts too."""
    twice = [{"index": 0, "message": {"content": text}} for text in ("Bye", "Farewell")]
    found = run(says("Hello"), chunk(*twice), ends())
    assert [event.text for event in found.all(e.ValueReplaced)] == ["Bye", "Farewell"]
    assert found.response.output_text == "Farewell"
    assert found.codes == [C.VALUE_CONTRADICTED, C.VALUE_CONTRADICTED]


def test_empty_arguments_erase_nothing() -> None:
    """Arguments that a message tells as an empty object or array are no contradiction of fuller ones."""
    for blank in ("{}", "[]", " {} "):
        tool_call = {"id": "a", "function": {"name": "tick", "arguments": blank}}
        found = run(calls(part(PARIS, "tick", id="a")), whole({"tool_calls": [tool_call]}))
        assert told(found) == [("tick", "a", PARIS)]
        assert found.codes == []


def test_a_message_goes_on_from_held_braces() -> None:
    """`{}` that was held back counts as told when the message tells the call whole."""
    begun = calls(part("{}", "tick", id="a"))
    for arguments, anomalies in (("{}", []), ("{} ", []), (PARIS, [C.ARGUMENTS_REPEATED])):
        tool_call = {"id": "a", "function": {"name": "tick", "arguments": arguments}}
        found = run(begun, whole({"tool_calls": [tool_call]}, "tool_calls"), "[DONE]")
        assert told(found) == [("tick", "a", arguments)]
        assert found.codes == anomalies


def test_a_message_tells_the_id_of_a_call() -> None:
    """A call that was streamed without an id is found by its place, and gets the id of the message."""
    begun = calls(part('{"city"', "tick"), part("", "tock", index=1))
    told_ = [
        {"id": "a", "function": {"name": "tick", "arguments": PARIS}},
        {"id": "b", "function": {"name": "tock", "arguments": "{}"}},
    ]
    found = run(begun, whole({"tool_calls": told_}, "tool_calls"), "[DONE]")
    assert told(found) == [("tick", "a", PARIS), ("tock", "b", "{}")]
    assert found.codes == []


def test_a_message_names_a_call_whose_name_had_not_come() -> None:
    """Arguments that waited for a name go on in the message; the later telling stands."""
    waiting = calls(part('{"city"', id="a"))
    told_ = {"id": "a", "function": {"name": "tick", "arguments": PARIS}}
    assert told(run(waiting, whole({"tool_calls": [told_]}, "tool_calls"))) == [("tick", "a", PARIS)]
    for arguments in (PARIS, "other"):
        told_ = {"id": "a", "function": {"arguments": arguments}}
        assert told(run(waiting, whole({"tool_calls": [told_]}, "tool_calls"))) == [("", "a", arguments)]


@pytest.mark.parametrize("name", [{"name": "tick"}, {}])
@pytest.mark.parametrize(("arguments", "codes"), [(PARIS, []), ('{"a":1}', [C.VALUE_CONTRADICTED])])
def test_what_had_waited_for_a_name_is_not_lost_in_silence(
    arguments: str, codes: list[AnomalyCode], name: JSON
) -> None:
    """Where the message tells other arguments, nobody heard the ones before: the anomaly alone says so."""
    waiting = calls(part('{"city"', id="a"))
    told_ = {"id": "a", "function": {**name, "arguments": arguments}}
    found = run(waiting, whole({"tool_calls": [told_]}, "tool_calls"), "[DONE]")
    assert told(found) == [(name.get("name", ""), "a", arguments)]
    assert found.codes[: len(codes)] == codes
    assert C.VALUE_CONTRADICTED not in found.codes[len(codes) :]


def test_a_legacy_call_in_a_message() -> None:
    """A message tells `function_call` whole, whether it had been streamed or not."""
    told_ = whole({"function_call": {"name": "tick", "arguments": PARIS}}, "function_call")
    assert said(run(told_, "[DONE]"))["function_call"] == {"name": "tick", "arguments": PARIS}
    begun = chunk(choice({"function_call": {"name": "tick", "arguments": '{"city"'}}))
    empty = whole({"function_call": {"name": "", "arguments": None}, "content": "x"})
    assert len(told(run(begun, empty))) == 1


def test_text_of_the_older_api() -> None:
    """A choice with `text` alone is one of the completions before chat."""
    found = run(chunk({"index": 0, "text": "Once", "finish_reason": "stop"}), "[DONE]")
    assert found.response.output_text == "Once"
    assert (
        said(run(chunk({"index": 0, "text": "no", "delta": {"content": "yes"}}), ends()))["content"] == "yes"
    )


# --------------------------------------------------------------------------------------- B, D: chunks


def test_choices_keep_apart() -> None:
    """Each choice has items and a finish reason of its own, in whatever order they come."""
    found = run(
        chunk(choice({"content": "B"}, index=1)),
        chunk(choice({"content": "A"}, index=0), choice({"content": "b"}, index=1)),
        ends("length", 1),
        ends("stop", 0),
        "[DONE]",
    )
    found_choices = completion(found)["choices"]
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in found_choices] == [
        (0, "A", "stop"),
        (1, "Bb", "length"),
    ]
    assert found.response.outcome is Outcome.INCOMPLETE
    assert found.response.finish_reason == "stop"
    assert [item.status for item in found.response.output if isinstance(item, Message)] == [
        "incomplete",
        "completed",
    ]


def test_chunk_ids_are_no_keys() -> None:
    """The first id, model and time that say something count; an id that changes is nothing."""
    blank = {"id": "", "object": "", "created": 0, "model": ""}
    found = run(
        {**blank, "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {**says("A"), "id": "c1"},
        {**says("B"), "id": "c2", "created": 5, "model": "other"},
        {**ends(), "id": "c3"},
        "[DONE]",
    )
    whole = completion(found)
    assert (whole["id"], whole["created"], whole["model"]) == ("c1", CHUNK["created"], "gpt-5.1")
    assert found.response.output_text == "AB"
    assert found.codes == []
    assert found.all(e.ResponseStarted)[0].response_id is None
    assert whole["prompt_filter_results"] == [{"prompt_index": 0}]


def test_ids_of_the_wrong_type() -> None:
    """An id or a model that is no string is none."""
    found = run({**says("A"), "id": 7, "model": ["m"]}, ends(), "[DONE]")
    assert (found.response.id, found.response.model, found.response.output_text) == (None, None, "A")


@pytest.mark.parametrize("choices", [[], None, "missing"])
def test_chunks_without_choices(choices: Any) -> None:
    """Empty, null and missing choices are nothing out of order."""
    blank = {**CHUNK} if choices == "missing" else {**CHUNK, "choices": choices}
    found = run(says("A"), blank, says("B"), blank, ends(), "[DONE]")
    assert found.response.output_text == "AB"
    assert found.codes == []


ODD: dict[str, JSON] = {
    "choices": chunk() | {"choices": "odd"},
    "choice": chunk("odd", choice({"content": "B"})),
    "index": chunk(choice({"content": "B"}, index="0")),
    "index true": chunk(choice({"content": "B"}, index=True)),
    "index negative": chunk(choice({"content": "B"}, index=-1)),
    "delta": chunk(choice("odd")),
    "refusal": thinks(refusal=["odd"], content="B"),
    "reasoning": thinks(reasoning=5, content="B"),
    "reasoning_content": thinks(reasoning_content=[5], content="B"),
    "tool_calls": thinks(tool_calls="odd", content="B"),
    "a tool call": thinks(tool_calls=["odd"], content="B"),
    "arguments": calls(part(True, "tick", id="a")),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_field_loses_itself_alone(name: str) -> None:
    """A field of the wrong type is reported once, and takes nothing else of its chunk with it."""
    odd = ODD[name]
    found = run(says("A"), odd, odd, chunk(usage={"prompt_tokens": 1}), says("C"), ends(), "[DONE]")
    assert found.codes == [C.INVALID_FIELD]
    assert found.response.output_text.startswith("A")
    assert found.response.output_text.endswith("C")
    if '"B"' in json.dumps(odd) and "message" not in json.dumps(odd):
        assert (found.response.output_text + found.response.reasoning_text).count("B") == 2
    assert found.response.outcome is Outcome.COMPLETED
    with pytest.raises(WireError, match="invalid_field"):
        run(says("A"), odd, strict=True)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab{}"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    sorted(
                        {
                            "index",
                            "id",
                            "function",
                            "custom",
                            "name",
                            "arguments",
                            "text",
                            "content",
                            "thinking",
                            "type",
                            "data",
                        }
                    )
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(
        [
            "content",
            "refusal",
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "role",
            "tool_calls",
            "function_call",
            "annotations",
            "audio",
        ]
    ),
    st.booleans(),
)
def test_no_field_raises(value: Any, name: str, as_message: bool) -> None:
    """Whatever stands in a field, the laws hold, and the text around it is whole."""
    odd = whole({name: value}, None) if as_message else thinks(**{name: value})
    found = run(says("A"), odd, chunk(choice({"content": "Z"})), ends(), "[DONE]")
    assert found.response.outcome is Outcome.COMPLETED
    assert "Z" in found.response.output_text
    found.response.to_chat_completion()


def test_payloads_that_are_no_chunks() -> None:
    """Heartbeats are signs of life, and what nobody knows comes as it is, by its type or event name."""
    found = run(
        {"type": "ping"}, {"type": "keepalive"}, {"type": "acme", "n": 1}, {"n": 2}, says("A"), ends()
    )
    assert [event.source for event in found.all(e.Heartbeat)] == ["ping", "keepalive"]
    assert [(event.type, event.payload) for event in found.all(e.UnknownEvent)] == [
        ("acme", {"type": "acme", "n": 1}),
        ("", {"n": 2}),
    ]
    named = run_bytes(b'event: stats\ndata: {"n":1}\n\n' + frames(says("A"), ends()))
    assert named.all(e.UnknownEvent)[0].type == "stats"


# ------------------------------------------------------------------------------------------------ usage


def test_usage_is_never_added_up() -> None:
    """The last count wins field by field, null erases nothing, and 0 is told."""
    found = run(
        usage(prompt_tokens=9, completion_tokens=1),
        says("A", usage={"completion_tokens": 2}),
        usage(completion_tokens=3, completion_tokens_details={"reasoning_tokens": 1, "audio_tokens": None}),
        chunk(x_groq={"usage": {"queue_time": 0.5}}),
        usage(
            prompt_tokens=None,
            total_tokens=0,
            completion_tokens_details={"reasoning_tokens": None, "audio_tokens": 0},
        ),
        usage(completion_tokens_details=None),
        {**chunk(), "usage": None},
        {**chunk(), "usage": "odd"},
        chunk(x_groq="odd"),
        ends(),
        usage(completion_tokens=4),
        "[DONE]",
    )
    assert completion(found)["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0},
        "queue_time": 0.5,
        "total_tokens": 0,
    }
    told_ = found.response.usage
    assert told_ is not None
    assert (told_.input_tokens, told_.output_tokens, told_.total_tokens) == (9, 4, 0)
    assert (told_.cached_tokens, told_.reasoning_tokens) == (None, 1)
    assert found.response.to_dict()["usage"]["input_tokens"] == 9


def test_usage_ends_nothing() -> None:
    """Usage before the text, inside it and alone leaves the response open."""
    found = run(usage(prompt_tokens=1), says("A"), usage(prompt_tokens=1), says("B"), end="none")
    assert found.parser.state is ResponseState.IN_PROGRESS
    assert len(found.all(e.UsageReported)) == 1
    alone = run(usage(prompt_tokens=1))
    assert (alone.response.outcome, completion(alone)["usage"]) == (Outcome.TRUNCATED, {"prompt_tokens": 1})


# ------------------------------------------------------------------------------------------------ E: errors

ERRORS: dict[str, tuple[Any, ErrorKind, Any, str | None]] = {
    "OpenAI": (
        {"error": {"message": "Too fast", "type": "requests", "param": None, "code": "rate_limit_exceeded"}},
        ErrorKind.RATE_LIMITED,
        "rate_limit_exceeded",
        "Too fast",
    ),
    "with choices": (
        chunk(choice({"content": ""}, "error")) | {"error": {"code": 502, "message": "gone"}},
        ErrorKind.SERVER_ERROR,
        502,
        "gone",
    ),
    "a string": ({"error": "went wrong"}, ErrorKind.UNKNOWN, None, "went wrong"),
    "xAI": (
        {"code": "The service is currently unavailable", "error": "Timed out"},
        ErrorKind.OVERLOADED,
        "The service is currently unavailable",
        "Timed out",
    ),
    "vLLM": (
        {"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404},
        ErrorKind.NOT_FOUND,
        404,
        "no such model",
    ),
    "choices null": (
        {**CHUNK, "choices": None, "error_type": "InternalError", "error_message": "died"},
        ErrorKind.SERVER_ERROR,
        None,
        "died",
    ),
    "typed": ({"type": "error", "error": {"message": "odd"}}, ErrorKind.UNKNOWN, None, "odd"),
    "flat": ({"code": 401, "message": "who are you"}, ErrorKind.AUTHENTICATION, 401, "who are you"),
}


@pytest.mark.parametrize("shape", ERRORS)
@pytest.mark.parametrize("before", [False, True], ids=["first", "after text"])
@pytest.mark.parametrize("done", [False, True], ids=["", "with DONE"])
def test_errors_in_a_200(shape: str, before: bool, done: bool) -> None:
    """An error in any shape fails the response, with what had come before it, and is never a success."""
    payload, kind, code, text = ERRORS[shape]
    found = run(*([says("Half")] if before else []), payload, *(["[DONE]"] if done else []))
    assert outcome_of(found) is Outcome.FAILED
    error = found.response.error
    assert error is not None
    assert (error.kind, error.code, error.message) == (kind, code, text)
    assert error.raw == payload
    assert found.response.output_text == ("Half" if before else "")
    assert found.response.finish_reason == "error"
    assert found.response.to_dict()["error"]
    assert len(found.all(e.ErrorReported)) == 1


def test_an_error_by_its_event_name() -> None:
    """A payload in an event that is called `error` is one, unless it has choices."""
    found = run_bytes(b'event: error\ndata: {"details":"bad"}\n\n')
    assert found.response.outcome is Outcome.FAILED
    found = run_bytes(b"event: error\n" + frames(says("A")) + frames(ends()) + b"data: [DONE]\n\n")
    assert found.response.outcome is Outcome.COMPLETED


def test_an_error_as_a_field() -> None:
    """llama.cpp's `error:` field fails the response."""
    found = run_bytes(frames(says("A")) + b'error: {"code":500,"message":"gone","type":"server_error"}\n\n')
    assert (found.response.outcome, found.response.error.code) == (Outcome.FAILED, 500)
    assert found.codes == [C.ERROR_FIELD]


def test_the_finish_reason_error() -> None:
    """`finish_reason: error` without any error is a failure all the same, and may be tried again."""
    found = run(says("A"), ends("error"), "[DONE]")
    assert found.response.outcome is Outcome.FAILED
    assert found.response.error.kind is ErrorKind.UNKNOWN
    assert found.response.error.retryable
    assert completion(found)["choices"][0]["finish_reason"] == "error"


def test_what_follows_an_error() -> None:
    """Usage and a fuller error after an error count; one that says nothing more is only noted."""
    payloads = [
        {"error": {"message": "failed", "code": "server_error"}},
        says("x"),
        usage(prompt_tokens=1),
        {"error": {"message": "hm"}},
        {"error": {"message": "filtered", "code": "content_filter"}},
        {"error": {"message": "the stream ended early", "code": "overloaded"}},
    ]
    found = run_bytes(frames(*payloads) + b"data: [DONE]\n\n")
    assert found.response.error.kind is ErrorKind.CONTENT_POLICY
    assert found.response.usage.input_tokens == 1
    assert found.codes == [C.ERROR_AFTER_FAILURE] * 3
    assert found.response.outcome is Outcome.FAILED


@pytest.mark.parametrize("odd", [7, True, False, 0, 1.5])
def test_arguments_that_cannot_be_read(odd: Any) -> None:
    """A call whose arguments are neither text nor object is not one without arguments: it is not run."""
    found = run(calls(part(odd, "tick", id="a")), ends("tool_calls"), "[DONE]")
    (call,) = found.response.output
    assert (call.arguments, call.complete) == ("", False)
    assert found.response.tool_calls == ()
    assert found.codes == [C.INVALID_FIELD]
    found = run(calls(part(odd, "tick", id="a")), calls(part(PARIS)), ends("tool_calls"), "[DONE]")
    assert [call.arguments for call in found.response.tool_calls] == [PARIS]


def test_a_message_tells_arguments_as_an_object() -> None:
    """What had been streamed is not told twice, and what is new comes."""
    told = {"id": "a", "type": "function", "function": {"name": "tick", "arguments": {"city": "Paris"}}}
    for piece in ('{"city"', PARIS):
        found = run(
            calls(part(piece, "tick", id="a")),
            chunk({**choice({}, "tool_calls"), "message": {"tool_calls": [told]}}),
        )
        assert found.texts(e.ArgumentsDelta) in ([PARIS], ['{"city"', ':"Paris"}'])
        assert [call.arguments for call in found.response.tool_calls] == [PARIS]


def test_a_choice_in_no_array() -> None:
    """An only choice, or an only reasoning detail, that comes bare is read."""
    bare = {**chunk(), "choices": choice({"content": "Hi"})}
    found = run(bare, bare, ends(), "[DONE]")
    assert found.response.output_text == "HiHi"
    assert found.codes == [C.INVALID_FIELD]
    detail = {"type": "reasoning.text", "text": "Hm", "index": 0}
    assert run(thinks(reasoning_details=detail), ends()).response.reasoning_text == "Hm"


def test_counts_however_they_are_written() -> None:
    """7, 7.0 and "7" are one count, and the last one stands."""
    for seven in (7, 7.0, "7"):
        found = run(says("A"), ends(), usage(prompt_tokens=seven, completion_tokens=1))
        assert found.response.usage.input_tokens == 7
        assert found.response.usage.output_tokens == 1
        found = run(
            says("A"), ends(), usage(prompt_tokens=5), usage(prompt_tokens=0, completion_tokens=seven)
        )
        assert found.response.usage.input_tokens == 0
        assert found.response.usage.output_tokens == 7


def test_error_null_is_no_error() -> None:
    """`"error": null` says that there is none."""
    found = run({**says("A"), "error": None}, {**ends(), "error": None}, "[DONE]")
    assert found.response.outcome is Outcome.COMPLETED
    assert found.response.error is None


@pytest.mark.parametrize("body", [b"<html>504 Gateway Time-out</html>", b"upstream connect error\n"])
def test_bodies_that_are_no_stream(body: bytes) -> None:
    """A page or a text in place of a stream is a failure."""
    found = run_bytes(body)
    assert found.response.outcome is Outcome.FAILED
    assert found.response.error.kind is ErrorKind.SERVER_ERROR


# ------------------------------------------------------------------------------------------------ E: the end

ENDS: dict[str, tuple[list[Any], str, Outcome, str | None, list[AnomalyCode]]] = {
    "stop and DONE": ([ends(), "[DONE]"], "close", Outcome.COMPLETED, "stop", []),
    "stop, no DONE": ([ends()], "close", Outcome.COMPLETED, "stop", []),
    "stop, then cancelled": ([ends()], "cancel", Outcome.COMPLETED, "stop", []),
    "DONE, no reason": (["[DONE]"], "close", Outcome.COMPLETED, "stop", [C.FINISH_REASON_MISSING]),
    "neither": ([], "close", Outcome.TRUNCATED, None, [C.MISSING_TERMINAL]),
    "cancelled": ([], "cancel", Outcome.CANCELLED, "cancelled", []),
    "length": ([ends("length"), "[DONE]"], "close", Outcome.INCOMPLETE, "length", []),
    "max_tokens": ([ends("max_tokens"), "[DONE]"], "close", Outcome.INCOMPLETE, "length", []),
    "model_length": ([ends("model_length")], "close", Outcome.INCOMPLETE, "length", []),
    "content_filter": ([ends("content_filter")], "close", Outcome.INCOMPLETE, "content_filter", []),
    "unknown": (
        [ends("max_tool_calls")],
        "close",
        Outcome.COMPLETED,
        "max_tool_calls",
        [C.FINISH_REASON_UNKNOWN],
    ),
    "empty, then stop": ([ends(""), ends()], "close", Outcome.COMPLETED, "stop", []),
    "empty": ([ends("")], "close", Outcome.TRUNCATED, None, [C.MISSING_TERMINAL]),
    "of the wrong type": ([ends(7), ends()], "close", Outcome.COMPLETED, "stop", [C.INVALID_FIELD]),
    "finishReason": ([chunk({"index": 0, "finishReason": "stop"})], "close", Outcome.COMPLETED, "stop", []),
    "with a null delta": ([chunk(choice(None, "stop"))], "close", Outcome.COMPLETED, "stop", []),
    "twice": ([ends(), ends("length")], "close", Outcome.INCOMPLETE, "length", []),
    "after DONE": (
        [ends(), "[DONE]", says("x"), "[DONE]"],
        "close",
        Outcome.COMPLETED,
        "stop",
        [C.EVENT_AFTER_END],
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_how_a_response_ends(case: str) -> None:
    """The finish reason or `[DONE]` ends a response, and nothing else makes one whole."""
    payloads, end, outcome, reason, anomalies = ENDS[case]
    found = run(says("A"), *payloads, end=end)
    assert outcome_of(found) is outcome
    assert found.response.finish_reason == reason
    assert found.codes == anomalies
    assert found.response.output_text == "A"
    item = found.response.output[0]
    assert isinstance(item, Message)
    open_ = outcome in (Outcome.TRUNCATED, Outcome.CANCELLED)
    assert item.status == (
        "in_progress" if open_ else "incomplete" if outcome is Outcome.INCOMPLETE else "completed"
    )


def test_one_choice_without_a_finish_reason() -> None:
    """A choice that was never finished leaves the response truncated, whatever the others did."""
    found = run(says("A"), chunk(choice({"content": "B"}, index=1)), ends())
    assert found.response.outcome is Outcome.TRUNCATED
    assert [c["finish_reason"] for c in completion(found)["choices"]] == ["stop", None]


def test_done_alone() -> None:
    """`[DONE]` before anything else is no end."""
    found = run("[DONE]", says("A"), ends(), "[DONE]")
    assert found.response.output_text == "A"
    assert found.codes == [C.DONE_BEFORE_TERMINAL]


def test_nothing_at_all() -> None:
    """A stream with nothing in it is truncated, or cancelled."""
    assert run().response.outcome is Outcome.TRUNCATED
    assert run(end="cancel").response.outcome is Outcome.CANCELLED
    assert run().response.to_chat_completion()["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_call_that_was_cut_off_is_not_complete(reason: str) -> None:
    """Of the items of a choice that was cut off only the last is incomplete."""
    payloads = [says("x"), calls(part(PARIS, "tick", id="a")), calls(part("{}", "tock", id="b", index=1))]
    found = run(*payloads, ends(reason), "[DONE]")
    assert [call.complete for call in calls_of(found.response)] == [True, False]
    assert [item["status"] for item in found.output()] == ["completed", "completed", "incomplete"]
    assert found.response.incomplete_reason == reason


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_no_call_is_complete_without_an_end(end: str) -> None:
    """Arguments that look whole are not, as long as no end was told."""
    found = run(calls(part(PARIS, "tick", id="a"), part("{}", "tock", index=1)), end=end)
    assert [call.complete for call in calls_of(found.response)] == [False, False]
    assert [call.arguments for call in calls_of(found.response)] == [PARIS, "{}"]
    assert [call.call_id for call in calls_of(found.response)] == ["a", "call_1_synthesized"]


def test_a_stop_with_calls_asks_for_them() -> None:
    """The reason is `tool_calls` where complete calls came with `stop`; the server's own stays readable."""
    found = run(calls(part(PARIS, "tick", id="a")), ends("tool_calls"), ends("stop"), "[DONE]")
    assert found.response.finish_reason == "tool_calls"
    assert found.response.choices[0].finish_reason == "stop"
    assert completion(found)["choices"][0]["finish_reason"] == "stop"


# ----------------------------------------------------------------------------------------- the other dialect


def test_a_responses_event_is_an_error_that_says_so() -> None:
    """An event of the Responses API fails a chat stream, and names the dialect to use."""
    found = run(says("A"), created(), says("B"))
    assert found.response.outcome is Outcome.FAILED
    assert "dialect='responses'" in found.response.error.message
    assert found.response.output_text == "A"
    assert found.codes[0] is C.WRONG_DIALECT
    stored = run_bytes(json.dumps(completed(message("x"))["response"]).encode())
    assert stored.response.error.code == "wrong_dialect"


def test_a_chunk_is_an_error_that_says_so() -> None:
    """A chunk fails a stream of the Responses API, and names the dialect to use."""
    found = run_payloads(created(), says("A"))
    assert found.response.outcome is Outcome.FAILED
    assert "chat" in found.response.error.message
    assert C.WRONG_DIALECT in found.codes


@pytest.mark.parametrize(
    "first", [says("A"), {**CHUNK}, {"choices": []}, {"object": "chat.completion.chunk"}]
)
def test_auto_finds_chat(first: JSON) -> None:
    """A payload with choices, or with the object of a chunk, tells Chat Completions."""
    found = run_payloads({"type": "ping"}, first, says("B"), ends(), "[DONE]", dialect="auto")
    assert found.response.outcome is Outcome.COMPLETED
    assert found.response.output_text.endswith("B")
    mixed = run_payloads(first, created(), dialect="auto")
    assert mixed.response.error.code == "wrong_dialect"


def test_auto_finds_responses() -> None:
    """An event of the Responses API tells that; a chunk that comes later is of the wrong dialect."""
    found = run_payloads(created(), *streamed_message(0, "Hi"), completed(message("Hi")), dialect="auto")
    assert found.response.output_text == "Hi"
    assert run_payloads(created(), says("x"), dialect="auto").codes[0] is C.WRONG_DIALECT


def test_auto_in_the_middle_of_a_snapshot() -> None:
    """A parser that has not told the dialect yet tells it after it was taken up again."""
    parser = resumed(ResponseParser("auto"))
    parser.feed(b": ping\n\n")
    list(parser.events())
    parser = resumed(parser)
    parser.feed(frames(says("A")))
    list(parser.events())
    parser = resumed(parser)
    parser.feed(frames(ends()))
    parser.close()
    assert [type(event) for event in parser.events()][-1] is e.ResponseFinished
    assert parser.response.output_text == "A"


# ---------------------------------------------------------------------------------------- stored bodies


def stored(*choices: JSON, **fields: Any) -> JSON:
    return {**CHUNK, "object": "chat.completion", "choices": list(choices), **fields}


def stored_choice(finish: Any = "stop", index: int = 0, **message_: Any) -> JSON:
    told_ = {"role": "assistant", "content": None, "refusal": None, **message_}
    return {"index": index, "message": told_, "logprobs": None, "finish_reason": finish}


TOOL_CALL = {"id": "a", "type": "function", "function": {"name": "tick", "arguments": PARIS}}
BODIES: dict[str, JSON] = {
    "text": stored(stored_choice(content="Hi"), usage={"prompt_tokens": 1, "completion_tokens": 2}),
    "refusal": stored(stored_choice(refusal="No")),
    "calls": stored(stored_choice("tool_calls", tool_calls=[TOOL_CALL, {**TOOL_CALL, "id": "b"}])),
    "custom": stored(
        stored_choice(
            "tool_calls", tool_calls=[{"id": "a", "type": "custom", "custom": {"name": "p", "input": "{}"}}]
        )
    ),
    "legacy": stored(stored_choice("function_call", function_call={"name": "tick", "arguments": PARIS})),
    "reasoning_content": stored(stored_choice(content="4", reasoning_content="Hm")),
    "reasoning": stored(stored_choice(content="4", reasoning="Hm")),
    "reasoning_details": stored(
        stored_choice(
            reasoning="Hm", reasoning_details=[{"type": "reasoning.text", "text": "Hm", "index": 0}]
        )
    ),
    "two choices": stored(stored_choice(content="A"), stored_choice("length", 1, content="B")),
    "empty reason": stored(stored_choice("", content="A")),
    "length": stored(stored_choice("length", content="A"), service_tier="default", system_fingerprint="fp_1"),
    "audio": stored(stored_choice(audio={"id": "x", "data": "AAAA", "transcript": "a", "expires_at": 1})),
    "unknown fields": stored({**stored_choice(content="A", channel="final"), "stop_reason": 7}, provider="P"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_stored_body_comes_out_as_it_was(name: str) -> None:
    """A whole completion, read and made again, is the same; and so in one event, or with auto."""
    body = BODIES[name]
    found = run_bytes(json.dumps(body).encode())
    assert {key: value for key, value in completion(found).items() if key in body} == body
    assert found.codes[0] is C.BODY_IS_JSON
    assert parse(json.dumps(body, indent=2).encode()) == found.response
    if name != "empty reason":
        assert run(body, "[DONE]").response == found.response


def test_a_stored_body_gives_the_events_of_a_stream() -> None:
    """The events of a stored body are those of a stream that tells all at once."""
    found = run_bytes(json.dumps(BODIES["text"]).encode())
    assert found.names() == [
        "ResponseStarted",
        "ItemStarted",
        "PartStarted",
        "TextDelta",
        "ChoiceUpdated",
        "UsageReported",
        "ValueFinished",
        "ItemFinished",
        "ResponseFinished",
    ]


def test_a_stored_body_without_choices_is_no_success() -> None:
    """A completion with no choices is truncated, and odd ones are left out."""
    assert run_bytes(json.dumps(stored()).encode()).response.outcome is Outcome.TRUNCATED
    odd = stored("odd", stored_choice("", content="A"))
    assert run_bytes(json.dumps(odd).encode()).response.output_text == "A"


@pytest.mark.parametrize("index", [None, "7", -1, 2.0])
def test_an_empty_reason_of_a_stored_body(index: Any) -> None:
    """It stays, whatever the index of its choice; two bodies of one choice are told by the later reason."""
    empty = stored_choice("", index, content="A")
    found = run_bytes(json.dumps(stored(empty)).encode())
    assert completion(found)["choices"][0]["finish_reason"] == ""
    both = run_bytes(json.dumps(stored(empty, stored_choice("stop", index, content="AB"))).encode())
    if index not in (None, -1):  # those are counted, so there are two choices
        assert [choice["finish_reason"] for choice in completion(both)["choices"]] == ["stop"]


def test_a_stored_error() -> None:
    """A stored error body fails."""
    response = parse(
        b'{"error":{"message":"no","type":"invalid_request_error","code":"invalid_api_key"}}', "chat"
    )
    assert response.outcome is Outcome.FAILED
    assert response.error.kind is ErrorKind.AUTHENTICATION


# ------------------------------------------------------------------------------- to_chat_completion()


def test_a_completion_of_a_responses_stream() -> None:
    """A response of the Responses API becomes a completion in the words of the other API."""
    logprobs = [{"token": "Hi", "logprob": -0.5}]
    notes = [{"type": "url_citation", "url": "https://example.com"}]
    text = output_text("Hi", logprobs=logprobs, annotations=notes)
    said_ = message(id="m") | {"content": [text, refusal_part("No"), {"type": "odd"}]}
    found = run_payloads(
        created(),
        completed(
            reasoning("Hm", id="r"),
            said_,
            call(PARIS, id="f", call_id="a", extra=1),
            custom_call("x", call_id="b", status="completed"),
            {"type": "web_search_call", "id": "w", "status": "completed"},
            usage={
                "input_tokens": 1,
                "output_tokens": 2,
                "total_tokens": 3,
                "input_tokens_details": {"cached_tokens": 1},
            },
            service_tier="default",
            temperature=1.0,
        ),
    )
    assert completion(found) == {
        "id": "resp_6f1d",
        "object": "chat.completion",
        "created": 1765432100,
        "model": "gpt-5.1-2025-11-13",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "refusal": "No",
                    "annotations": notes,
                    "reasoning_content": "Hm",
                    "tool_calls": [
                        {
                            "id": "a",
                            "type": "function",
                            "function": {"name": "tick", "arguments": PARIS},
                            "extra": 1,
                        },
                        {"id": "b", "type": "custom", "custom": {"name": "apply_patch", "input": "x"}},
                    ],
                },
                "logprobs": {"content": logprobs},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
        "service_tier": "default",
    }


def test_a_completion_of_half_a_stream() -> None:
    """The completion can be had at any time, and shares nothing with the response."""
    found = run(says("Hel"), calls(part('{"a', "tick", id="a")), end="none")
    made = completion(found)
    assert made["choices"][0]["message"]["content"] == "Hel"
    assert made["choices"][0]["finish_reason"] is None
    made["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = "changed"
    assert told(found) == [("tick", "a", '{"a')]


def test_a_field_of_the_message_wins_over_the_model() -> None:
    """What a server told of the message beside what is modelled is put over it."""
    found = run(thinks(content="A", audio="odd"), ends(), "[DONE]")
    assert said(found)["audio"] == "odd"


# ------------------------------------------------------------------------------------- surrogates, limits


@pytest.mark.parametrize("field", ["content", "refusal", "reasoning_content", "arguments"])
def test_a_pair_cut_between_deltas(field: str) -> None:
    """The halves of a character meet across deltas; a half that stays alone becomes U+FFFD."""

    def delta(text: str) -> JSON:
        return calls(part(text, "tick", id="a")) if field == "arguments" else thinks(**{field: text})

    def joined(found: Run) -> str:
        kinds = (e.TextDelta, e.RefusalDelta, e.ReasoningDelta, e.ArgumentsDelta)
        return "".join(event.text for event in found.all(*kinds))

    found = run(delta("a\ud83d"), delta("\ude00b"), ends(), "[DONE]")
    assert (joined(found), found.codes) == ("a😀b", [])
    found = run(delta("\ud83d"), delta("\ude00"), ends(), "[DONE]")
    assert joined(found) == "😀"
    found = run(delta("a\ud83d"), delta("b"), ends(), "[DONE]")
    assert (joined(found), found.codes) == ("a\ufffdb", [C.LONE_SURROGATE])
    found = run(delta("a\ud83d"), ends(), "[DONE]")
    assert (joined(found), found.codes) == ("a\ufffd", [C.LONE_SURROGATE])
    found = run(delta("\ude00a"), ends(), "[DONE]")
    assert (joined(found), found.codes) == ("\ufffda", [C.LONE_SURROGATE])


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [(['"\ud83d', '\ude42"'], '"🙂"'), (['"\ud83d', 'x"'], '"\ufffdx"'), (['"', "\ud83d"], '"')],
)
def test_halves_in_a_call_without_a_name(pieces: list[str], arguments: str, named: bool) -> None:
    """Arguments that waited for the name of their call are put together like any other text."""
    found = run(*(calls(part(piece)) for piece in pieces), *([calls(part(name="late"))] if named else []))
    (call,) = calls_of(found.response)
    assert isinstance(call, FunctionCall)
    assert call.arguments == arguments


def test_a_heartbeat_after_the_end() -> None:
    """A proxy that goes on to show that it lives says nothing of a response that has ended."""
    found = run(says("a"), ends(), "[DONE]", {"type": "keepalive"})
    assert (found.codes, type(found.events[-1])) == ([], e.ResponseFinished)
    assert C.EVENT_AFTER_END in run(says("a"), ends(), "[DONE]", says("b")).codes


@pytest.mark.parametrize("odd", ["function", "message", "custom_tool_call"])
def test_a_call_is_a_call_whatever_its_function_says(odd: str) -> None:
    """What a call is follows from where it stands; a member of the function cannot make it something else."""
    called = {
        "index": 0,
        "id": "c",
        "function": {"name": "t", "arguments": "{}", "type": odd, "call_id": "x"},
    }
    found = run(calls(called), ends("tool_calls"), "[DONE]")
    (call,) = calls_of(found.response)
    assert isinstance(call, FunctionCall)
    assert (call.call_id, call.complete, set(found.codes)) == ("c", True, {C.INVALID_FIELD})


def test_halves_go_on_in_a_resumed_parser() -> None:
    """Half a character that waits for the other is in the snapshot."""
    parser = ResponseParser("chat")
    parser.feed(frames(says("a"), says("b\ud83d")))
    events = list(parser.events())
    parser = resumed(parser)
    parser.feed(frames(says("\ude00"), ends()) + b"data: [DONE]\n\n")
    events += parser.events()
    assert parser.response.output_text == "ab😀"
    assert parser.anomalies == ()


def test_limits_of_choices_and_items() -> None:
    """As many choices and items as the limits allow come, and no more."""
    limits = Limits(items=2, index=5)
    with pytest.raises(LimitExceeded) as fault:
        run(chunk(*(choice({"content": "x"}, index=i) for i in range(3))), limits=limits)
    assert (fault.value.limit, fault.value.value) == ("items", 2)
    with pytest.raises(LimitExceeded) as fault:
        run(calls(*(part("{}", "tick", id=str(i), index=i) for i in range(3))), limits=limits)
    assert fault.value.limit == "items"
    with pytest.raises(LimitExceeded) as fault:
        run(chunk(choice({"content": "x"}, index=6)), limits=limits)
    assert (fault.value.limit, fault.value.value) == ("index", 5)
    assert (
        run(chunk(choice({"content": "x"}, "stop", 5)), limits=limits).response.outcome is Outcome.COMPLETED
    )
    with pytest.raises(LimitExceeded) as fault:
        run(says([{"type": "odd", "n": i} for i in range(3)]), limits=Limits(parts=2))
    assert fault.value.limit == "parts"
    details = [{"type": "reasoning.text", "id": str(i), "text": "x"} for i in range(3)]
    with pytest.raises(LimitExceeded) as fault:
        run(thinks(reasoning_details=details), limits=Limits(parts=2))
    assert (fault.value.limit, fault.value.value) == ("parts", 2)


@pytest.mark.parametrize(
    "name", ["reasoning-details-openrouter", "audio-openai", "two-choices", "id-missing"]
)
def test_a_snapshot_at_every_byte(name: str) -> None:
    """A parser that is taken up again after any byte goes on as if nothing had been."""
    body = (FIXTURES / "chat" / f"{name}.sse").read_bytes()
    reading = play(body, "chat")
    for place in range(0, len(body) + 1, 7):
        parser = ResponseParser("chat")
        parser.feed(body[:place])
        events = list(parser.events())
        parser = resumed(parser)
        parser.feed(body[place:])
        parser.close()
        events += parser.events()
        same(reading, Run(events, parser))


def test_an_approved_tool_is_marked() -> None:
    """Calls of tools that need approval are marked from their start."""
    found = run(calls(part(PARIS, "rm", id="a")), ends("tool_calls"), approval_required=["rm"])
    assert found.all(e.ItemStarted)[0].item.needs_approval
    assert found.response.requires_action == found.response.output


# ------------------------------------------------------------------------- told again, by a whole message


def test_a_message_that_contradicts_the_reasoning() -> None:
    """Reasoning told whole counts as text does."""
    found = run(thinks(reasoning="abc"), whole({"reasoning": "xyz"}))
    assert found.response.reasoning_text == "xyz"
    assert found.codes == [C.VALUE_CONTRADICTED]


@pytest.mark.parametrize(
    ("streamed", "told_whole"),
    [
        (says("abc"), {"content": [{"type": "text", "text": "abc"}]}),
        (says([{"type": "text", "text": "abc"}]), {"content": [{"type": "text", "text": "abc"}]}),
        (
            says([{"type": "reference", "ids": [1]}, {"type": "text", "text": "abc"}]),
            {"content": [{"type": "text", "text": "abc"}, {"type": "reference", "ids": [1]}]},
        ),
        (
            says([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]),
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
        ),
        (thinks(reasoning={"content": "abc"}), {"reasoning": {"content": "abc"}}),
        (
            thinks(reasoning_details=[{"type": "t", "index": 0, "text": "Hm"}]),
            {"reasoning_details": [{"type": "t", "index": 0, "text": "Hm"}]},
        ),
        (thinks(audio={"id": "a", "data": "AA"}), {"audio": {"id": "a", "data": "AA"}}),
        (
            calls(part(PARIS, "tick", id="a")),
            {"tool_calls": [{"function": {"name": "tick", "arguments": PARIS}}]},
        ),
        (
            thinks(function_call={"name": "tick", "arguments": PARIS}),
            {"function_call": {"name": "tick", "arguments": PARIS}},
        ),
    ],
)
def test_what_a_message_tells_again_is_not_doubled(streamed: JSON, told_whole: JSON) -> None:
    """A server that streams and then tells all of it makes the same response as one that only streams."""
    found = run(streamed, whole(told_whole))
    plain = run(streamed, ends())
    assert found.response.output == plain.response.output
    assert completion(found) == completion(plain)
    assert set(found.codes) == set(plain.codes)


def test_a_message_alone_has_all_its_parts() -> None:
    """Content in parts is read in a message as it is in a delta."""
    content = [
        {"type": "thinking", "thinking": "Hm"},
        {"type": "text", "text": "a"},
        {"type": "reference", "ids": [1]},
        {"type": "text", "text": "b"},
    ]
    found = run(whole({"content": content}))
    assert found.response.output_text == "ab"
    assert found.response.reasoning_text == "Hm"
    assert {"type": "reference", "ids": [1]} in found.response.output[1].data["content"]


def test_parts_that_are_no_text_stay_in_the_completion() -> None:
    """Content in parts comes out in parts, in the order in which they began."""
    reference = {"type": "reference", "reference_ids": [1]}
    found = run(says("a"), says([reference]), thinks(refusal="no"), ends())
    assert said(found)["content"] == [{"type": "text", "text": "a"}, reference]
    assert said(found)["refusal"] == "no"


def test_log_probabilities_told_again() -> None:
    """Those of a message are those of its deltas."""
    logprobs = {"content": [{"token": "x", "logprob": -1.0}]}
    found = run(says("x", logprobs=logprobs), whole({"content": "x"}, logprobs=logprobs))
    assert completion(found)["choices"][0]["logprobs"]["content"] == logprobs["content"]


def test_a_message_with_another_call() -> None:
    """An id that was not streamed is another call, wherever it stands in the list."""
    found = run(
        calls(part(PARIS, "tick", id="a")),
        whole({"tool_calls": [{"id": "b", "function": {"name": "tock", "arguments": "{}"}}]}),
    )
    assert told(found) == [("tick", "a", PARIS), ("tock", "b", "{}")]


# ------------------------------------------------------------------------------------ halves of characters


HALF = "a\ud83d"


@pytest.mark.parametrize(
    "payload",
    [
        thinks(annotations=[{"type": "x", "text": HALF}]),
        says([{"type": "odd", "content": HALF}]),
        chunk(choice({"content": "x"}), provider={"text": HALF}),
        calls(part(PARIS, "tick", id="a", foo={"text": HALF})),
        thinks(reasoning_details=[{"type": "t", "text": HALF}]),
        says("x", logprobs={"content": [{"token": "x", "text": HALF}]}),
        calls(part({"text": HALF}, "tick", id="a")),
        thinks(audio={"transcript": HALF}),
        whole({"content": HALF}),
        {"error": {"message": "m", "metadata": {"text": HALF}}},
    ],
)
def test_half_a_character_anywhere(payload: JSON) -> None:
    """Whatever stands where, the response has a UTF-8 form, and the half is told of."""
    found = run(payload, ends())
    json.dumps(found.response.to_dict(), ensure_ascii=False).encode()
    assert C.LONE_SURROGATE in found.codes


def test_characters_cut_between_pieces() -> None:
    """Halves meet in details of reasoning and in transcripts as they do in text."""
    found = run(
        thinks(
            reasoning_details=[{"type": "t", "index": 0, "text": "a\ud83d"}], audio={"transcript": "a\ud83d"}
        ),
        thinks(
            reasoning_details=[{"type": "t", "index": 0, "text": "\ude00b"}], audio={"transcript": "\ude00b"}
        ),
        ends(),
    )
    assert found.response.reasoning_text == "a😀b"
    assert found.response.output[0].data["reasoning_details"][0]["text"] == "a😀b"
    assert found.texts(e.TranscriptDelta) == ["a", "😀b"]
    assert found.codes == []


@pytest.mark.parametrize(
    ("streamed", "told_whole", "member"),
    [
        (says("a\ud83d"), {"content": "a😀b"}, "content"),
        (thinks(reasoning="a\ud83d"), {"reasoning": "a😀b"}, "reasoning"),
    ],
)
def test_a_message_brings_the_other_half(streamed: JSON, told_whole: JSON, member: str) -> None:
    """What waits for its other half is told with the whole."""
    found = run(streamed, whole(told_whole))
    assert said(found)[member] == "a😀b"
    assert found.codes == []


def test_a_message_brings_the_other_half_of_arguments() -> None:
    arguments = '{"a":"😀"}'
    found = run(
        calls(part('{"a":"\ud83d', "tick", id="a")),
        whole({"tool_calls": [{"id": "a", "function": {"arguments": arguments}}]}),
    )
    assert told(found) == [("tick", "a", arguments)]
    assert found.codes == []


# ------------------------------------------------------------------------------------------- odd servers


def test_arguments_that_come_again_each_time() -> None:
    """Once a call was seen to repeat itself it is expected to, though what comes would also be JSON."""
    city = '{"city":"Oslo"}'
    pieces = [city[:1], city[:8], city[:14], city]
    found = run(calls(part(pieces[0], "tick", id="a")), *(calls(part(piece)) for piece in pieces[1:]), ends())
    assert told(found) == [("tick", "a", city)]
    assert found.codes == [C.ARGUMENTS_REPEATED]


def test_empty_arguments_that_are_no_text() -> None:
    """An object in place of its text is read, also where it is empty."""
    found = run(calls(part("", "tick", id="a")), calls(part({})), ends("tool_calls"))
    assert told(found) == [("tick", "a", "{}")]
    assert C.ARGUMENTS_NOT_TEXT in found.codes


@pytest.mark.parametrize("odd", [{"odd": 1}, {"content": [{"text": [{"text": "too deep"}]}]}])
def test_an_odd_reasoning_object(odd: JSON) -> None:
    """An object without a text where it is looked for is reported."""
    found = run(thinks(reasoning=odd), ends())
    assert found.response.reasoning_text == ""
    assert found.codes == [C.INVALID_FIELD]


@pytest.mark.parametrize("odd", ["https://e.example/a.png", [5]])
def test_odd_images(odd: Any) -> None:
    """An image that is no object is reported, and makes no part."""
    found = run(thinks(images=odd, content="Hi"), ends())
    assert [part.type for item in found.response.output for part in item.content] == ["output_text"]
    assert found.codes == [C.INVALID_FIELD]


@pytest.mark.parametrize("dialect", ["auto", "chat", "responses"])
def test_an_error_object_is_an_error_whatever_its_type(dialect: str) -> None:
    """vLLM puts the name of the exception into `type`."""
    body = b'data: {"object":"error","message":"too long","type":"BadRequestError","code":400}\n\n'
    found = play(body, dialect)
    assert found.response.outcome is Outcome.FAILED
    assert found.response.error is not None
    assert found.response.error.message == "too long"


@pytest.mark.parametrize(
    "payloads",
    [
        [chunk({"index": 0, "text": "a"}), chunk({"index": 0, "text": "b"})],
        [whole({"content": "a"}, None), whole({"content": "ab"}, None)],
        [chunk({"index": 0, "delta": "x", "message": {"content": "a"}}), says("b")],
    ],
)
def test_choices_without_a_delta(payloads: list[JSON]) -> None:
    """What a text stands in is no matter for the bytes around it."""
    assert run_bytes(frames(*payloads, ends())).response.output_text == "ab"


@pytest.mark.parametrize("blank", ["{}", "[]"])
def test_an_empty_object_behind_the_arguments(blank: str) -> None:
    """It says nothing, wherever it comes."""
    found = run(calls(part('{"a":1}', "f", id="x")), calls(part(blank)), ends("tool_calls"))
    assert told(found)[0][2] == '{"a":1}'
    assert AnomalyCode.ARGUMENTS_REPEATED in found.codes


def test_arguments_under_the_name_of_parameters() -> None:
    """A tool is not run without what the server told it, by whatever name."""
    call = {"index": 0, "id": "x", "function": {"name": "f", "parameters": {"a": 1}}}
    found = run({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}, ends("tool_calls"))
    assert found.response.tool_calls[0].arguments == '{"a":1}'


@pytest.mark.parametrize("count", [3, 300])
def test_a_name_in_pieces(count: int) -> None:
    """However long it becomes, none of it is lost; where it comes again from its beginning, that counts."""
    pieces = [f"piece_{number}" for number in range(count)]
    found = run(*(calls({"index": 0, "id": "c", "function": {"name": piece}}) for piece in pieces), ends())
    (called,) = found.response.output
    assert called.name == "".join(pieces)
    whole = {"index": 0, "id": "c", "function": {"name": "".join(pieces) + "!"}}
    found = run(
        *(calls({"index": 0, "id": "c", "function": {"name": piece}}) for piece in pieces), calls(whole)
    )
    (called,) = found.response.output
    assert called.name == "".join(pieces) + "!"


def test_what_was_spoken_stands_in_the_first_choice() -> None:
    """No choice says that the audio of the response is its own."""
    found = run(
        thinks(content="a", audio={"id": "x"}), {"choices": [{"index": 1, "delta": {"content": "b"}}]}
    )
    first, second = found.response.to_chat_completion()["choices"]
    assert first["message"]["audio"] == {"id": "x"}
    assert "audio" not in second["message"]


def test_a_message_that_goes_on_from_its_own_delta() -> None:
    """A choice may bring both: what the message has beyond the deltas is all that is new of it."""
    both = {"index": 0, "delta": {"content": "B"}, "message": {"content": "ABC"}}
    found = run(says("A"), chunk(both), ends(), "[DONE]")
    assert found.texts(e.TextDelta) == ["A", "B", "C"]
    assert found.codes == []


@pytest.mark.parametrize(
    "deep", [{"text": [{"text": {"text": [{"text": "x"}]}}]}, [{"text": [{"text": "x"}, "y"]}]]
)
def test_reasoning_that_is_nested_too_deep(deep: Any) -> None:
    """It is passed over as a field of the wrong type; what else the chunk says counts."""
    found = run(chunk(choice({"reasoning": deep, "content": "A"})), chunk(choice({}, "stop")), "[DONE]")
    assert "x" not in found.response.reasoning_text
    assert found.response.output_text == "A"
    assert found.response.outcome is Outcome.COMPLETED


def test_a_part_of_reasoning_without_text_is_kept() -> None:
    """A type of reasoning with nothing in it that is known becomes a part of the message as it came."""
    part = {"type": "thinking", "effort": 3}
    found = run(chunk(choice({"content": [part, {"type": "text", "text": "A"}]}, "stop")), "[DONE]")
    assert part in found.output()[0]["content"]
    assert found.response.output_text == "A"


def test_a_legacy_call_is_an_item_like_others() -> None:
    """`function_call` gives the item nothing but its name and arguments."""
    sent = {"function_call": {"name": "wave", "arguments": "{}"}}
    found = run(chunk(choice(sent)), chunk(choice({}, "function_call")), "[DONE]")
    (item,) = found.output()
    ident = item.pop("call_id")
    assert ident
    assert item == {"type": "function_call", "status": "completed", "name": "wave", "arguments": "{}"}


def test_a_refusal_beside_parts_of_content() -> None:
    """A whole message may have both: text in parts, and a refusal as a member."""
    parts = [{"type": "text", "text": "A"}]
    message = {"role": "assistant", "content": parts, "refusal": "No"}
    found = run(chunk({"index": 0, "message": message, "finish_reason": "stop"}))
    assert [part.get("text", part.get("refusal")) for part in found.output()[0]["content"]] == ["A", "No"]


def test_a_text_among_parts_is_told() -> None:
    """It counts as text, and is an anomaly."""
    found = run(chunk(choice({"content": ["A", {"type": "text", "text": "B"}]}, "stop")), "[DONE]")
    assert found.codes == [C.CONTENT_NOT_TEXT]
    assert found.response.output_text == "AB"


def test_thinking_blocks_that_hold_no_text() -> None:
    """What is none is passed over; the others count."""
    blocks = [{"type": "thinking", "thinking": 5}, {"type": "thinking", "thinking": "Hm"}]
    found = run(chunk(choice({"thinking_blocks": blocks, "content": "A"}, "stop")), "[DONE]")
    assert found.response.reasoning_text == "Hm"


def test_details_of_reasoning_under_one_index() -> None:
    """An id belongs to what had none under its index; another id is another entry."""
    details = [
        {"type": "reasoning.text", "index": 0, "text": "a"},
        {"type": "reasoning.text", "index": 0, "text": "b", "id": "x"},
        {"type": "reasoning.text", "index": 0, "text": "c", "id": "y"},
        {"type": "reasoning.text", "index": 0, "text": "d", "id": "x"},
    ]
    found = run(
        *(chunk(choice({"reasoning_details": [detail]})) for detail in details),
        chunk(choice({"content": "A"}, "stop")),
        "[DONE]",
    )
    assert [(entry["id"], entry["text"]) for entry in found.output()[0]["reasoning_details"]] == [
        ("x", "abd"),
        ("y", "c"),
    ]


def test_a_word_that_fails_is_the_error() -> None:
    """The error holds the word as the server said it."""
    error = run(chunk(choice({"content": "A"}, "network_error"))).response.error
    assert error is not None
    assert error.raw == {"finish_reason": "network_error"}


def test_a_member_of_the_usage_that_is_null() -> None:
    """It is kept as it came, and takes no count back that came before."""
    first = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": None}
    ends = chunk(choice({"content": "A"}, "stop"))
    found = run(ends, chunk(choices=[], usage=first), chunk(choices=[], usage={"prompt_tokens": None}))
    assert found.response.usage is not None
    assert found.response.usage.to_dict() == first


def test_spoken_output_with_very_many_members() -> None:
    """They are handed out at the end, all of them, under the name they have elsewhere."""
    audio = {"id": "a", **{f"m{number}": number for number in range(70)}}
    found = run(chunk(choice({"audio": audio})), chunk(choice({}, "stop")), "[DONE]")
    assert found.response.data["audio"].items() >= audio.items()


def test_encrypted_reasoning_remembers_the_member_beside_it() -> None:
    """Where details come alone, a member that is sent empty says how this server calls reasoning."""
    details = [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]
    found = run(chunk(choice({"reasoning_details": details, "thinking": None})), chunk(choice({}, "stop")))
    assert [event.member for event in found.all(e.ItemStarted)] == ["thinking"]


# ------------------------------------------------------------------------------ where servers put what


REASONING_MEMBERS = (
    *("reasoning_content", "reasoning", "reasoning_text", "cot_summary", "thinking"),
    *("thinking_content", "thought", "thoughts", "reasoning_summary"),
)


def placed(place: str, text: str) -> JSON:
    """A chunk with a piece of text at a place: members in the order of their nesting."""
    first, *inner = place.split(".")
    if place == "text":
        return chunk({"index": 0, "text": text})
    if inner and first in ("content", "reasoning_details"):
        kind = "summary" if inner == ["summary"] else "text" if inner == ["text"] else inner[0]
        value: Any = text
        for name in reversed(inner[1:]):
            value = [{"type": "text", name: value}]
        return thinks(**{first: [{"type": kind, "index": 0, inner[0]: value}]})
    if first == "tool_calls":
        value = text
        for name in reversed(inner):
            value = {name: value}
        value.setdefault("name", "f")
        value.get("function", value.get("custom", {})).setdefault("name", "f")
        return calls({"index": 0, "id": "a", **value})
    if inner:
        return thinks(
            **{first: {"name": "f", inner[0]: text} if first == "function_call" else {inner[0]: text}}
        )
    return thinks(**{first: text})


PLACES = (
    *("text", "content", "refusal", *REASONING_MEMBERS),
    *("content.text", "content.thinking", "content.thinking.text", "content.reasoning", "content.summary"),
    *(
        f"{name}.{inner}"
        for name in REASONING_MEMBERS
        for inner in ("text", "content", "thinking", "reasoning", "summary")
    ),
    *("reasoning_details.text", "reasoning_details.summary", "function_call.arguments", "audio.transcript"),
    *("tool_calls.function.arguments", "tool_calls.custom.input", "tool_calls.arguments", "tool_calls.input"),
)


@pytest.mark.parametrize("place", PLACES)
def test_halves_meet_wherever_pieces_of_text_stand(place: str) -> None:
    """A character that a server cuts in two is whole, and no anomaly, whatever the member is called."""
    found = run(placed(place, "a\ud83d"), placed(place, "\ude00b"), ends(), "[DONE]")
    assert "".join(event.text for event in found.events if isinstance(event, DELTAS)) == "a😀b"
    assert C.LONE_SURROGATE not in found.codes


DELTAS = (e.TextDelta, e.RefusalDelta, e.ReasoningDelta, e.ArgumentsDelta, e.TranscriptDelta)


@pytest.mark.parametrize("member", REASONING_MEMBERS)
def test_each_member_that_holds_reasoning(member: str) -> None:
    """It is read in a delta and in a message, and goes back, whole or streamed, under its own name."""
    for found in (
        run(thinks(**{member: "Hm"}), says("A"), ends(), "[DONE]"),
        run(whole({member: "Hm", "content": "A"})),
    ):
        assert (found.response.reasoning_text, found.response.output_text) == ("Hm", "A")
        assert [event.member for event in found.all(e.ItemStarted)] == [member, None]
        assert (said(found)[member], found.codes) == ("Hm", [])
        encoder = StreamEncoder("chat")
        written = [payload for event in found.events for payload in encoder.payloads(event)]
        deltas = [one["delta"] for payload in written for one in payload["choices"]]
        assert [delta[member] for delta in deltas if member in delta] == ["Hm"]


@pytest.mark.parametrize(
    "member",
    [
        *("reasoning_signature", "thinking_signature", "signature", "reasoning_opaque"),
        *("reasoning_encrypted_content", "encrypted_content"),
    ],
)
def test_each_member_that_proves_reasoning(member: str) -> None:
    """Beside the text, or in the part of the content that holds it."""
    part = {"type": "thinking", "thinking": "Hm", member: "c2ln"}
    for delta in ({"reasoning": "Hm", member: "c2ln"}, {"content": [part]}):
        found = run(chunk(choice(delta)), ends(), "[DONE]")
        assert (found.response.reasoning_text, found.output()[0]["encrypted_content"]) == ("Hm", "c2ln")


@pytest.mark.parametrize(
    "kind",
    [
        *("thinking", "reasoning", "thought", "reasoning_text", "reasoning_content", "summary"),
        *("summary_text", "redacted_thinking", "reasoning.text", "reasoning.summary", "reasoning.encrypted"),
    ],
)
def test_each_type_of_a_part_of_reasoning(kind: str) -> None:
    """Its text is reasoning; where it has none, what it holds under `data` is encrypted reasoning."""
    found = run(says([{"type": kind, "text": "Hm"}, {"type": "text", "text": "A"}]), ends(), "[DONE]")
    assert (found.response.reasoning_text, found.response.output_text) == ("Hm", "A")
    found = run(says([{"type": kind, "data": "c2VjcmV0"}]), ends(), "[DONE]")
    assert found.output()[0]["encrypted_content"] == "c2VjcmV0"


@pytest.mark.parametrize("member", ["id", "call_id", "tool_call_id"])
@pytest.mark.parametrize("name", ["name", "function_name", "tool_name"])
def test_each_member_that_names_a_call(member: str, name: str) -> None:
    """Its id and name come under the words of other APIs too, and leave nothing else in the item."""
    sent = {"index": 0, member: "a", "type": "function", name: "f", "arguments": "{}"}
    found = run(calls(sent), ends("tool_calls"), "[DONE]")
    fields = {"call_id": "a", "name": "f", "arguments": "{}"}
    assert found.output() == [{"type": "function_call", "status": "completed", **fields}]
    assert found.codes == []


@pytest.mark.parametrize(
    "payload",
    [
        *({"choices": []}, {"usage": {"prompt_tokens": 1}}, {"model": "m"}, {"created": 5}),
        *({"x_groq": {"id": "r"}}, {"prompt_filter_results": [{}]}, {"prompt_annotations": [{}]}),
        {"object": "chat.completion.chunk"},
    ],
)
def test_each_member_that_makes_a_chunk(payload: JSON) -> None:
    """One of them is enough."""
    found = run(payload, says("A"), ends())
    assert found.names()[0] == "ResponseStarted"
    assert not found.all(e.UnknownEvent)


def test_a_stored_answer_of_ollama_is_no_chunk() -> None:
    """It has a model, but is of another API, which this one does not read."""
    stranger = {
        "model": "m",
        "created_at": "2026-01-01T00:00:00Z",
        "done": False,
        "message": {"content": "x"},
    }
    assert [event.payload for event in run(stranger).all(e.UnknownEvent)] == [stranger]


def test_a_payload_with_choices_is_a_chunk_whatever_its_type() -> None:
    """Some gateways give each chunk a type or an event name of their own."""
    found = run({**says("A"), "type": "message_start"}, {**says("B"), "type": "response.created"}, ends())
    assert (found.response.output_text, found.codes) == ("AB", [])


def test_a_response_begins_with_what_its_chunk_says_of_it() -> None:
    """Choices, usage, padding and errors are none of that; the time has the name it has elsewhere."""
    sent = chunk(choice({"content": "A"}), usage={"prompt_tokens": 1}, obfuscation="x", error=GONE)
    found = run({**sent, "id": "c", "model": "m", "created": 7, "provider": "P"})
    assert found.events[0] == e.ResponseStarted("c", "m", found.events[0].data)
    assert found.events[0].data == {
        "object": "response",
        "status": "in_progress",
        "id": "c",
        "model": "m",
        "created_at": 7,
        "provider": "P",
    }


GONE = {"code": 502, "message": "gone"}


def test_members_of_an_error_are_none_of_the_response() -> None:
    """What stands beside an error in a payload of its own says nothing of a response."""
    found = run({"error": GONE, "request_id": "r"})
    assert found.names() == ["ErrorReported", "ResponseFinished"]
    assert "request_id" not in found.response.data


def test_members_of_a_choice_that_have_a_place_are_not_kept_beside_it() -> None:
    """Under both spellings; others are."""
    sent = {
        "index": 1,
        "delta": {"content": "A"},
        "message": {"content": "A"},
        "text": "A",
        "finish_reason": "stop",
        "finishReason": "stop",
        "usage": {"prompt_tokens": 1},
        "logprobs": {"content": [], "refusal": None},
        "other": 1,
    }
    assert [event.data for event in run(chunk(sent)).all(e.ChoiceUpdated)] == [{"other": 1}]


def test_an_error_of_one_choice_is_none_of_the_next() -> None:
    """The first that is told counts: that of the payload, else that of the first choice with one."""
    busy = {"code": 429, "message": "slow down"}
    two = chunk(choice({}, error=GONE), choice({}, index=1))
    assert run(two).response.error.message == "gone"
    two = chunk(choice({}, error=GONE), choice({}, index=1, error=busy))
    assert run(two).response.error.message == "gone"
    assert run({**two, "error": busy}).response.error.message == "slow down"


@pytest.mark.parametrize("unfinished", [0, 1, 2])
def test_any_choice_without_a_finish_reason(unfinished: int) -> None:
    """The response is truncated, wherever that choice stands."""
    choices = [choice({"content": "A"}, None if at == unfinished else "stop", at) for at in range(3)]
    assert run(chunk(*choices)).response.outcome is Outcome.TRUNCATED


# ------------------------------------------------------------------------------------ odd pieces of things


def test_transcripts_of_choices_keep_apart() -> None:
    """Halves of characters meet within a choice, and one that stays alone is told of."""

    def spoken(first: str, second: str) -> JSON:
        told = (choice({"audio": {"transcript": text}}, index=at) for at, text in enumerate((first, second)))
        return chunk(*told)

    found = run(spoken("a\ud83d", "b\ud83d"), spoken("\ude00", "\ude01"))
    assert found.texts(e.TranscriptDelta) == ["a", "b", "😀", "😁"]
    assert C.LONE_SURROGATE not in found.codes
    found = run(spoken("a\ud83d", "b\ud83d"))
    assert found.texts(e.TranscriptDelta) == ["a", "b", "\ufffd", "\ufffd"]
    assert found.codes.count(C.LONE_SURROGATE) == 2


def test_sound_without_data_is_none() -> None:
    """An empty piece makes no event."""
    found = run(thinks(audio={"id": "a", "data": "", "transcript": ""}), ends(), "[DONE]")
    assert not found.all(e.AudioDelta, e.TranscriptDelta)
    assert said(found)["audio"] == {"id": "a"}


@pytest.mark.parametrize("index", [0, 1, 5])
def test_arguments_never_go_on_a_legacy_call(index: int) -> None:
    """Whatever index they come under: `function_call` and `tool_calls` are two things."""
    begun = chunk(choice({"function_call": {"name": "tick", "arguments": '{"city":'}}))
    found = run(begun, calls(part(PARIS, index=index)), ends("tool_calls"), "[DONE]")
    assert [(name, arguments) for name, _, arguments in told(found)] == [("tick", '{"city":'), ("", PARIS)]


def test_tags_in_parts_of_the_content() -> None:
    """They are looked for there too, and in a message."""
    content = [{"type": "text", "text": "<think>Hm</think>A"}]
    for payload in (says(content), whole({"content": content})):
        found = run(payload, ends(), "[DONE]", think_tags=True)
        assert (found.response.reasoning_text, found.response.output_text) == ("Hm", "A")


def test_a_role_that_says_nothing() -> None:
    """It takes none back; where none is told, the assistant speaks."""
    assert run(thinks(role="critic"), thinks(role=""), says("A"), ends()).output()[0]["role"] == "critic"
    assert run(says("A"), ends()).output()[0]["role"] == "assistant"


def test_an_image_that_is_sent_again() -> None:
    """It is one image where it has the same index; without any, each is another."""

    def picture(url: str, **fields: Any) -> JSON:
        return thinks(images=[{"type": "image_url", "image_url": {"url": url}, **fields}])

    found = run(*[picture("a", index=0)] * 2, picture("b", index=0), picture("b", index=1), ends())
    assert [found["image_url"]["url"] for found in said(found)["images"]] == ["a", "b", "b"]
    assert len(said(run(*[picture("a")] * 2, ends()))["images"]) == 2


def test_a_part_of_refusal() -> None:
    """Its type says so, and not a member; one without a text of its own is kept as it came."""
    part = {"type": "refusal", "refusal": "No"}
    found = run(says([part]), says([part]), ends(), "[DONE]")
    assert (found.texts(e.RefusalDelta), found.codes) == (["No", "No"], [])
    assert found.output()[0]["content"] == [{"type": "refusal", "refusal": "NoNo"}]
    found = run(says([{"type": "text", "text": "A", "refusal": "No"}]), ends(), "[DONE]")
    assert (found.texts(e.TextDelta), found.texts(e.RefusalDelta)) == (["A"], [])
    odd = {"type": "refusal", "refusal": 5}
    assert run(says([odd]), ends(), "[DONE]").output()[0]["content"][-1] == odd


@pytest.mark.parametrize("outer", ["reasoning", "part"])
def test_how_deep_reasoning_stands(outer: str) -> None:
    """Three objects and lists, and no more."""
    deep: Any = "Hm"
    for name in ("summary", "content", "text"):
        deep = {name: deep}
    for value, expected in ((deep, "Hm"), ({"text": deep}, "")):
        sent = {"reasoning": value} if outer == "reasoning" else {"content": [{"type": "thinking", **value}]}
        found = run(chunk(choice(sent)), ends(), "[DONE]")
        assert found.response.reasoning_text == expected


@pytest.mark.parametrize(
    "beside",
    [
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]},
    ],
)
def test_reasoning_that_is_said_to_be_empty(beside: JSON) -> None:
    """Entries beside an empty text repeat what came before: they are no text of their own."""
    found = run(thinks(reasoning="Hm"), thinks(reasoning="", **beside), ends(), "[DONE]")
    assert found.texts(e.ReasoningDelta) == ["Hm"]
    assert run(thinks(**beside), ends(), "[DONE]").texts(e.ReasoningDelta) == ["Hm"]


@pytest.mark.parametrize("member", ["signature", "data", "format"])
def test_what_details_of_reasoning_hold_is_counted(member: str) -> None:
    """Nobody sees it before the end: it may not grow beyond what a text may."""
    details = [{"type": "t", "id": str(at), member: "x" * 100} for at in range(50)]
    payloads = [thinks(reasoning_details=[detail]) for detail in details]
    with pytest.raises(LimitExceeded) as fault:
        run(*payloads, end="none", limits=Limits(text_size=3000))
    assert fault.value.limit == "text_size"


WAITING: dict[str, list[JSON]] = {
    "fields": [
        thinks(role="critic", extra={"a": 1}),
        chunk(choice({"content": "A", "extra": {"a": 1}}, note=1), provider="P"),
        chunk(choice({"content": "B", "extra": {"a": 1}}, note=1), provider="P"),
        chunk(choice({"refusal": "No"}, logprobs={"refusal": [{"token": "No"}]})),
        chunk(choice({}, "length", native_finish_reason="content_filter")),
        ends("stop"),
        chunk({"index": 0, "message": {"refusal": "No"}, "logprobs": {"refusal": [{"token": "No"}]}}),
    ],
    "parts": [
        *[thinks(annotations=[{"type": "x", "n": 1}, {"type": "x", "n": at}]) for at in range(2, 5)],
        *[thinks(images=[{"type": "image_url", "index": 0}])] * 2,
        *[says([{"type": "odd"}]), says("A"), thinks(refusal="No"), says("B")],
    ],
    "reasoning": [
        thinks(reasoning_details=[{"type": "t", "id": "x", "index": 0, "data": "A"}], thinking=""),
        thinks(reasoning_details=[{"type": "t", "index": 0, "data": "B", "text": "a\ud83d"}]),
        thinks(reasoning_details=[{"type": "t", "id": "y", "index": 0, "text": "c"}]),
        thinks(reasoning_details=[{"type": "t", "id": "x", "text": "\ude00"}], signature="s"),
    ],
    "tags": [says("<thi"), says("nk>Hm</th"), says("ink>A<"), says("b")],
    "a legacy call": [
        chunk(choice({"function_call": {"name": "f", "arguments": '{"a":'}})),
        chunk(choice({"function_call": {"arguments": "1}"}})),
    ],
    "a custom call": [
        calls({"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "ab"}}),
        calls({"index": 0, "custom": {"input": "{}"}}),
    ],
    "names": [calls(part(name=f"piece_{at}_" * 30, id="a")) for at in range(8)],
    "ids": [
        calls(part("{", "f", id="a", index=0), part("{", "g", id="a", index=1)),
        calls(part("}", index=1)),
    ],
    "before a name": [calls(part('{"a":')), calls(part("1")), calls(part("}", "f", id="a", more={"x": 1}))],
    "empty arguments": [calls(part("{}", "f", id="a")), calls(part(PARIS))],
    "arguments that come again": [calls(part(PARIS[:size], "f", id="a")) for size in (1, 8, 14, len(PARIS))],
    "odd arguments": [calls(part(True, "f", id="a")), says("A")],
    "updates": [calls(part("1", "f", id="a", more=at)) for at in range(40)],
    "usage": [
        usage(prompt_tokens=1),
        usage(completion_tokens=2),
        usage(**{f"m{at}": at for at in range(70)}),
        usage(m1=5),
    ],
    "sound": [
        thinks(audio={"id": "a", "transcript": "a\ud83d"}),
        thinks(audio={"id": "a", "transcript": "\ude00"}),
        thinks(audio={"id": "a", "expires_at": 5}),
    ],
    "an error": [says("A"), chunk(error=GONE), chunk(error={"code": 500, "message": "x"})],
}


@pytest.mark.parametrize("what", WAITING)
def test_all_that_waits_is_in_a_snapshot(what: str) -> None:
    """A parser that is taken up again after each payload tells the same as one that never was."""
    payloads = [*WAITING[what], ends("tool_calls"), "[DONE]"]
    parser, events = ResponseParser("chat", think_tags=True), []
    for payload in payloads:
        parser.feed_payload(payload)
        events += parser.events()
        parser = resumed(parser)
    parser.close()
    events += parser.events()
    same(run(*payloads, think_tags=True), Run(events, parser))


def test_usage_of_another_api_in_the_words_of_this_one() -> None:
    """The members that mean the same have other names."""
    counts = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 8,
    }
    found = run_payloads(created(), completed(message("A"), usage=counts), dialect="responses")
    assert found.response.to_chat_completion()["usage"] == {
        "prompt_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 8,
    }


def test_half_a_character_hides_no_repetition() -> None:
    """Arguments that come again are found so whether or not strings are lifted out of them."""
    payloads = [calls(part(PARIS, "tick", id="a")), calls(part("\ud83d")), calls(part('{"city": "Paris"}'))]
    plain = run(*payloads, ends("tool_calls"))
    lifted = run(*payloads, ends("tool_calls"), lifts=[Lift(("x",), "text", tool="tick")])
    assert (told(lifted), lifted.codes) == (told(plain), plain.codes)
    assert C.ARGUMENTS_REPEATED in plain.codes


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("", {"type": "response.created", "response": {}}, "response.created"),
        ("message_start", {"message": {}}, "message_start"),
        ("named", {"type": "message_start", "message": {}}, "message_start"),
        ("", {"candidates": []}, "a payload of another API"),
        ("", {"type": 5, "candidates": []}, "a payload of another API"),
    ],
)
def test_what_came_in_place_of_a_chunk(name: str, payload: JSON, said: str) -> None:
    """The error says what it was: by its type, else by the name of its event."""
    event = f"event: {name}\n".encode() if name else b""
    found = run_bytes(frames(says("A")) + event + frames(payload))
    assert found.response.error.code == "wrong_dialect"
    assert found.response.error.message.startswith(f"{said} came where Chat Completions were expected")


# -------------------------------------------------------------------------------- what proves the reasoning


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking", "reasoning.encrypted", "reasoning"])
def test_the_data_of_a_part_of_reasoning(kind: str) -> None:
    """It is what proves the reasoning where there is no text; beside a text it is not."""
    with_text = run(says([{"type": kind, "text": "Hm", "data": "x"}]), ends(), "[DONE]")
    assert (with_text.response.reasoning_text, with_text.output()[0].get("encrypted_content")) == ("Hm", None)
    signed = run(says([{"type": kind, "text": "Hm", "data": "x", "signature": "s"}]), ends(), "[DONE]")
    assert signed.output()[0]["encrypted_content"] == "s"
    alone = run(says([{"type": kind, "data": "x"}]), ends(), "[DONE]")
    assert alone.output()[0]["encrypted_content"] == "x"
    neither = run(says([{"type": kind, "odd": "x"}]), ends(), "[DONE]")
    assert neither.output()[0]["content"][-1] == {"type": kind, "odd": "x"}


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        ({"type": "text", "text": "A"}, ["output_text"]),
        ({"text": {"value": "A"}}, ["output_text"]),
        ({"type": "refusal", "refusal": "No"}, ["refusal"]),
        ({"type": "refusal", "refusal": 5}, ["refusal"]),
        ({"type": "odd", "x": 1}, ["odd"]),
        ({}, []),
        (None, []),
        ({"type": "odd", "thinking": "Hm"}, ["reasoning"]),
        ({"type": 5, "text": "A", "thinking": "Hm"}, ["output_text"]),
    ],
)
def test_what_a_part_of_the_content_is(part: Any, kinds: list[str]) -> None:
    """By its type, and by the text that it has."""
    found = run(says([part]), ends(), "[DONE]")
    said = []
    for item in found.output():
        told_parts = [part for part in item["content"] if part.get("text") != ""]  # it may begin with none
        said += ["reasoning"] if item["type"] == "reasoning" else [part["type"] for part in told_parts]
    assert said == kinds
    assert C.CONTENT_NOT_TEXT not in found.codes


# ------------------------------------------------------------------------------------------- spoken output


def sounds(*sent: JSON, **options: Any) -> Run:
    """A response of which this is said of its spoken output."""
    return run(*(thinks(audio=audio) for audio in sent), ends(), "[DONE]", **options)


def said_of_sound(found: Run) -> list[Any]:
    """What was handed out of it beside its pieces."""
    return [event.data["audio"] for event in found.all(e.StatusChanged) if "audio" in event.data]


def test_what_is_said_of_spoken_output() -> None:
    """Each member is told when it is new, with those known; what is empty or known says nothing."""
    found = sounds(
        {"id": "a"}, {"id": "a"}, {"id": None, "x": ""}, {"expires_at": 5}, {"id": "b"}, {"id": "b"}
    )
    assert said_of_sound(found) == [{"id": "a"}, {"id": "a", "expires_at": 5}, {"id": "b", "expires_at": 5}]
    pieces = sounds({"data": "QQ=="}, {"data": ""}, {"data": 5}, {"transcript": "H"}, {"transcript": ""})
    assert said_of_sound(pieces) == []
    assert [event.data for event in pieces.all(e.AudioDelta)] == ["QQ=="]
    assert pieces.texts(e.TranscriptDelta) == ["H"]


@pytest.mark.parametrize(("count", "told"), [(63, 2), (64, 1), (65, 1)])
def test_how_much_is_said_of_spoken_output_at_once(count: int, told: int) -> None:
    """Of more than 64 members nothing, before the end tells all of them."""
    many = {f"m{number}": number for number in range(count)}
    found = sounds(many, {"late": "x"})
    assert len(said_of_sound(found)) == told + (count == 64)
    assert said_of_sound(found)[-1] == {**many, "late": "x"}


def test_what_waits_of_spoken_output_is_counted() -> None:
    """It may not grow beyond what a text may; what comes again adds nothing."""

    def heard(*sent: JSON, limits: Limits) -> None:
        run(*(thinks(audio=audio) for audio in sent), end="none", limits=limits)

    many = {f"m{number}": number for number in range(66)}
    big = "x" * 1000
    heard(many, {"big": big}, {"big": big}, {"big": "y" * 1000}, limits=Limits(text_size=1300))
    for sent in ([{"big": big}], [{"big": "x"}, {"big": big}]):
        with pytest.raises(LimitExceeded):
            heard(many, *sent, limits=Limits(text_size=950))
    with pytest.raises(LimitExceeded):
        heard(many, {"big": big}, {"big": big * 2}, limits=Limits(text_size=1500))
    heard({"a": 1}, {"big": big}, limits=Limits(text_size=1500))  # handed out at once, it is held once


# ---------------------------------------------------------------- what a message or a fragment leaves open


@pytest.mark.parametrize("lifts", [[], [Lift(("a",), "text", tool="tick")]], ids=["plain", "lifts"])
def test_arguments_go_on_behind_a_message_that_told_others_than_braces(lifts: list[Lift]) -> None:
    """Braces that were held back are none of the arguments, and those that a message tells are not ended."""
    braces = calls(part("{}", "tick", id="a"))
    told_whole = whole({"tool_calls": [part('{"b":', id="a")]}, None)
    found = run(braces, told_whole, calls(part("1}")), ends("tool_calls"), "[DONE]", lifts=lifts)
    assert told(found) == [("tick", "a", '{"b":1}')]
    assert found.texts(e.ArgumentsDelta) == ['{"b":', "1}"]
    assert [event.text for event in found.all(e.ValueFinished)] == ['{"b":1}']
    assert found.codes == [C.ARGUMENTS_REPEATED]


@pytest.mark.parametrize(("grown", "repeated"), [(30, False), (31, True)])
def test_how_long_arguments_are_looked_at_again(grown: int, repeated: bool) -> None:
    """After many looks in vain the next one is due when they have become twice as long, and not before."""
    looks = ["[}"] * MOST_CHECKS  # each finds 33 characters at the most that may be whole, and are not
    pieces = ['["}', *looks, "x" * (grown - 2) + '"]']
    arguments = "".join(pieces)
    found = run(
        calls(part("", "tick", id="a")),
        *(calls(part(piece)) for piece in pieces),
        calls(part(f"[ {arguments[1:]}")),
        ends("tool_calls"),
        "[DONE]",
    )
    assert len(arguments) == 35 + grown
    assert (C.ARGUMENTS_REPEATED in found.codes) is repeated
    assert told(found)[0][2] == arguments + ("" if repeated else f"[ {arguments[1:]}")


@pytest.mark.parametrize(
    ("function", "custom", "expected"),
    [
        ({"name": "f", "arguments": "{}"}, None, FunctionCall),
        ({"name": "f", "arguments": "{}"}, {}, FunctionCall),
        ({"name": "f", "arguments": "{}"}, {"name": "", "input": ""}, FunctionCall),
        ({"name": "f", "arguments": "{}"}, {"name": "c", "input": "x"}, FunctionCall),
        ({"name": "f", "arguments": "{}"}, "odd", FunctionCall),
        (None, {"name": "c", "input": "x"}, CustomToolCall),
        ({}, {"name": "c", "input": "x"}, CustomToolCall),
        ({"name": "", "arguments": None}, {"name": "c", "input": "x"}, CustomToolCall),
        ("odd", {"name": "c", "input": "x"}, CustomToolCall),
    ],
)
def test_a_call_with_a_function_and_a_custom_tool(function: Any, custom: Any, expected: type) -> None:
    """The one that says something is the call, and of two that do the function: its name, text and kind."""
    found = run(calls({"index": 0, "id": "a", "function": function, "custom": custom}), ends("tool_calls"))
    assert [type(call) for call in calls_of(found.response)] == [expected]
    assert told(found) == [("f", "a", "{}") if expected is FunctionCall else ("c", "a", "x")]


def test_an_id_under_a_new_index_begins_a_call() -> None:
    """Mere arguments under an index where none began go on the open call, but not with an id of their own."""
    begun = calls(part('{"n":', "tick", id="a"))
    other = run(
        begun, calls(part('{"m":2}', id="b", index=1)), calls(part(None, "tock", index=1)), ends("tool_calls")
    )
    assert [name_and_id[:2] for name_and_id in told(other)] == [("tick", "a"), ("tock", "b")]
    assert told(other)[1][2] == '{"m":2}'
    assert other.codes == []
    same_call = run(begun, calls(part("1}", index=1)), ends("tool_calls"))
    assert told(same_call) == [("tick", "a", '{"n":1}')]
    assert same_call.codes == [C.CALL_INDEX_CHANGED]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("content_filter: PROHIBITED_CONTENT", "content_filter"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "function_call_filter: MALFORMED_FUNCTION_CALL"),
        ("max:tokens", "length"),
        ("STOP:", "stop"),
        ("tide: turned", "tide: turned"),
        (": stop", "stop"),
    ],
)
def test_words_with_a_colon(word: str, reason: str) -> None:
    """All of it may be a word, else what stands before the colon is."""
    found = run(says("A"), ends(word), "[DONE]")
    assert found.response.finish_reason == reason
    assert (C.FINISH_REASON_UNKNOWN in found.codes) is (word == "tide: turned")


@pytest.mark.parametrize("value", [None, "", [], {}, [""], {"text": ""}, {"text": None}])
def test_reasoning_that_says_nothing(value: Any) -> None:
    """It is no item and no anomaly, and does not hide what another member says."""
    nothing = run(says("A"), thinks(reasoning_content=value), ends(), "[DONE]")
    assert nothing.texts(e.ReasoningDelta) == []
    beside = run(thinks(reasoning_content=value, reasoning="Hm"), ends(), "[DONE]")
    assert beside.texts(e.ReasoningDelta) == ["Hm"]
    assert (
        nothing.codes == beside.codes == [C.INVALID_FIELD] * (value in ([""], {"text": ""}, {"text": None}))
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"text": None, "content": "A"}, "A"),
        ({"text": "", "content": "A"}, "A"),
        ({"text": 5, "thinking": "A", "summary": "B"}, "A"),
        ([{"summary": "A"}, "B", {"reasoning": ["C"]}], "ABC"),
    ],
)
def test_where_the_text_of_reasoning_stands(value: Any, text: str) -> None:
    """In the first member of an object that says something, and in all entries of a list."""
    found = run(thinks(reasoning=value), ends(), "[DONE]")
    assert found.response.reasoning_text == text
    assert found.codes == []


@pytest.mark.parametrize(
    ("member", "values", "kept"),
    [
        ("id", ["", "a", "b"], "a"),
        ("model", [None, "a", "b"], "a"),
        ("created", [0, 7, 5], 7),
        ("provider", ["", "a", "b"], "b"),
    ],
)
def test_which_value_of_a_member_counts(member: str, values: list[Any], kept: Any) -> None:
    """Of what each chunk should say the first value that says something, of other members the last."""
    bare = {"object": "chat.completion.chunk", "choices": [choice({"content": "A"})]}
    found = run(*({**bare, member: value} for value in values), {**bare, "choices": [choice({}, "stop")]})
    assert completion(found)[member] == kept
    assert found.response.to_dict()["created_at" if member == "created" else member] == kept


def test_a_member_of_a_choice_that_is_told_again_is_no_news() -> None:
    """Another value of it is."""
    told_ = [chunk(choice({}, stop_reason=value)) for value in (7, 7, 8, 8, None, 8)]
    assert [event.data for event in run(*told_, ends()).all(e.ChoiceUpdated)] == [
        {"stop_reason": 7},
        {"stop_reason": 8},
        {},
    ]


def test_a_message_that_its_own_payload_tells_again() -> None:
    """What came before and in it is one text, however often it is told whole."""
    told = {"index": 0, "message": {"role": "assistant", "content": "abc"}}
    begun, more = ({"index": 0, "delta": {"content": text}} for text in ("a", "b"))
    sent = [
        {"object": "chat.completion.chunk", "choices": choices} for choices in ([begun], [more, *[told] * 3])
    ]
    found = run(*sent)
    assert [event.text for event in found.all(e.TextDelta)] == ["a", "b", "c"]
    assert not found.all(e.ValueReplaced)
    assert C.VALUE_CONTRADICTED not in found.codes
