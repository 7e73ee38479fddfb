"""What streams beside the plain arguments of a call: lifted text, approvals, and arguments as they grow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runs
from deltafold import (
    AnomalyCode,
    ArgumentsDelta,
    ArgumentsReader,
    EstimatedUsage,
    FunctionCall,
    ItemStarted,
    Lift,
    LiftedDelta,
    LiftedText,
    Limits,
    Outcome,
    OutputDelta,
    ResponseParser,
    UsageError,
    ValueReplaced,
)
from deltafold.arguments import lifted_calls as lifts_module
from deltafold.arguments import watch as watch_module
from deltafold.arguments.lifter import Lifter
from deltafold.testing.builder import json_bytes
from deltafold.testing.strategies import fragments
from runs import calls_of, needs_python_code

JSON = dict[str, Any]
MESSAGE = Lift(("message",), "text")
THOUGHT = Lift(("thinking",), "reasoning", remove=True)
BODY = Lift(("to", "body"), "text", remove=True)
SECOND = Lift(("list", 1), "reasoning")
FIRST_GONE = Lift(("list", 0), "text", remove=True)
FOR_TICK = Lift(("note",), "text", tool="tick", remove=True)
FOR_OTHERS = Lift(("note",), "text", tool="tock", remove=True)
EVERY_LIFT = [MESSAGE, THOUGHT, BODY, SECOND, FIRST_GONE, FOR_TICK, FOR_OTHERS]

words = st.text(st.sampled_from('aZ ,:"\\/{}[]\né日🙂'), max_size=8)
values = words | st.integers(-9, 9) | st.none() | st.booleans()


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Arguments of a call: an object, in any spelling."""
    members: JSON = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "message": values,
                "thinking": words,
                "n": values,
                "note": words,
                "to": st.fixed_dictionaries({}, optional={"body": words, "cc": values}) | values,
                "list": st.lists(values, max_size=3),
            },
        )
    )
    keys = draw(st.permutations(sorted(members)))
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    ordered = {key: members[key] for key in keys}
    return json.dumps(ordered, ensure_ascii=draw(st.booleans()), separators=(comma, colon)) or "{}"


lift_sets = st.lists(st.sampled_from(EVERY_LIFT), min_size=1, max_size=4, unique=True).map(tuple)


def pieces_of(data: st.DataObject, text: str) -> list[str]:
    """A text in fragments."""
    return data.draw(fragments(text, max_cuts=5))


def lifted_out_of(text: str, lifts: tuple[Lift, ...], tool: str = "tick") -> tuple[str, dict[Any, str], bool]:
    """What is kept of some arguments, what is lifted by path, and whether a lift is refused."""
    lifter = Lifter([lift for lift in lifts if lift.applies_to(tool)])
    kept, lifted = "", {}
    for more, found in (lifter.feed(text), lifter.close()):
        kept += more
        for lift, piece in found:
            lifted[lift.path, lift.into] = lifted.get((lift.path, lift.into), "") + piece
    return kept, lifted, bool(lifter.refused)


def at_path(document: Any, path: tuple[str | int, ...]) -> Any:
    """What stands at a path, None where nothing does."""
    for step in path:
        try:
            document = document[step]
        except (IndexError, KeyError, TypeError):
            return None
    return document


def check_call(run: runs.Run, text: str, lifts: tuple[Lift, ...]) -> None:
    """What is lifted stands in the arguments as they came, and what is kept is the rest, byte for byte."""
    kept, _, refused = lifted_out_of(text, lifts)
    call = run.response.output[0]
    assert call.to_dict()["arguments"] == kept
    if isinstance(call, FunctionCall):
        assert call.complete
    document = json.loads(text)
    strings = {}
    for lift in lifts:
        if lift.applies_to("tick") and isinstance(found := at_path(document, lift.path), str):
            strings[lift] = found
    told = {(entry.path, entry.into): entry.text for entry in run.response.lifted}
    assert told == {(lift.path, lift.into): found for lift, found in strings.items() if found}
    streamed: dict[Any, str] = {}
    for event in run.all(LiftedDelta):
        place = event.path, event.into
        streamed[place] = streamed.get(place, "") + event.text
        assert event.text
    assert streamed == told
    assert (AnomalyCode.LIFT_REFUSED in run.codes) is refused
    for lift in strings:
        if lift.remove:
            del at_path(document, lift.path[:-1])[lift.path[-1]]
    assert json.loads(kept) == document


# ------------------------------------------------------------------------------------------ Responses API

Delivery = Callable[[str, list[str]], list[JSON]]
BLANK = runs.call(status="in_progress")


def responses_deliveries() -> dict[str, Delivery]:
    """The ways in which the arguments of one call are told."""

    def deltas(pieces: list[str]) -> list[JSON]:
        return [runs.arguments(0, piece, item_id="fc_1") for piece in pieces]

    def body(*payloads: JSON) -> list[JSON]:
        return [runs.created(), *payloads]

    return {
        "all": lambda t, p: body(*runs.streamed_call(0, *p), runs.completed(runs.call(t))),
        "deltas and end": lambda t, p: body(runs.added(0, BLANK), *deltas(p), runs.completed()),
        "deltas and item": lambda t, p: body(
            runs.added(0, BLANK), *deltas(p), runs.done(0, runs.call(t)), runs.completed()
        ),
        "done only": lambda t, p: body(runs.added(0, BLANK), runs.arguments_done(0, t), runs.completed()),
        "item only": lambda t, p: body(runs.added(0, BLANK), runs.done(0, runs.call(t)), runs.completed()),
        "terminal only": lambda t, p: body(runs.added(0, BLANK), runs.completed(runs.call(t))),
        "nothing but the end": lambda t, p: body(runs.completed(runs.call(t))),
        "done item unannounced": lambda t, p: body(runs.done(0, runs.call(t)), runs.completed()),
        "announced": lambda t, p: body(runs.added(0, runs.call(t, status="in_progress")), runs.completed()),
        "announced and told again": lambda t, p: body(
            runs.added(0, runs.call(t, status="in_progress")),
            *deltas(p),
            runs.arguments_done(0, t),
            runs.done(0, runs.call(t)),
            runs.completed(),
        ),
        "some deltas": lambda t, p: body(
            runs.added(0, BLANK),
            *deltas(p[:1]),
            runs.arguments_done(0, t),
            runs.completed(runs.call(t)),
        ),
        "all in its place and then again": lambda t, p: body(
            *runs.streamed_call(0, *p), runs.arguments_done(0, t), runs.completed(runs.call(t))
        ),
    }


RESPONSES = responses_deliveries()


@pytest.mark.parametrize("delivery", RESPONSES)
@given(text=documents(), lifts=lift_sets, data=st.data())
def test_lifts(delivery: str, text: str, lifts: tuple[Lift, ...], data: st.DataObject) -> None:
    """However arguments are told, the same is lifted and the same is kept."""
    payloads = RESPONSES[delivery](text, pieces_of(data, text))
    run = runs.run(*payloads, lifts=lifts)
    check_call(run, text, lifts)
    assert run.response.outcome is Outcome.COMPLETED
    assert set(run.codes) <= {
        AnomalyCode.LIFT_REFUSED,
        AnomalyCode.OUTPUT_EMPTY_AT_END,
        AnomalyCode.ITEM_NOT_ANNOUNCED,
    }


@given(text=documents(), lifts=lift_sets, data=st.data())
def test_any_chunks_and_resumes(text: str, lifts: tuple[Lift, ...], data: st.DataObject) -> None:
    """Lifting does not depend on the chunks, and goes on in a parser that is taken up after any event."""
    dialect, told = data.draw(st.sampled_from([("responses", RESPONSES), ("chat", CHAT)]))
    payloads = told[data.draw(st.sampled_from(sorted(told)))](text, pieces_of(data, text))
    whole = runs.run(*payloads, dialect=dialect, lifts=lifts)
    body = b"".join(b"data: " + json_bytes(payload) + b"\n\n" for payload in payloads)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=5))
    reading = runs.play(runs.cut(body, cuts), dialect=dialect, lifts=lifts)
    assert reading.events == whole.events
    assert reading.response.lifted == whole.response.lifted
    parser = ResponseParser(dialect, lifts=lifts)
    parser.feed(body)
    parser.close()
    events = []
    while (event := parser.next_event()) is not None:
        events.append(event)
        parser = runs.resumed(parser)
    assert events == whole.events
    assert parser.anomalies == reading.anomalies


@pytest.mark.parametrize("end", ["close", "cancel"])
@pytest.mark.parametrize("dialect", ["responses", "chat"])
@given(text=documents(), lifts=lift_sets, data=st.data())
def test_cut_off(dialect: str, end: str, text: str, lifts: tuple[Lift, ...], data: st.DataObject) -> None:
    """Of arguments that were cut off, what was held back is handed on at the end."""
    text = text[: data.draw(st.integers(1, len(text)))]
    pieces = pieces_of(data, text)
    if dialect == "responses":
        payloads = [
            runs.created(),
            runs.added(0, BLANK),
            *(runs.arguments(0, piece, item_id="fc_1") for piece in pieces),
        ]
    else:
        payloads = [named_call(), *(call_piece(piece) for piece in pieces)]
    run = runs.run(*payloads, end=end, dialect=dialect, lifts=lifts)
    kept, lifted, _ = lifted_out_of(text, lifts)
    (call,) = calls_of(run.response)
    assert isinstance(call, FunctionCall)
    assert call.arguments == kept
    assert not call.complete
    assert {(entry.path, entry.into): entry.text for entry in run.response.lifted} == lifted


def test_deltas_come_at_once() -> None:
    """Lifted text comes with the fragment that brings it, and what is kept beside it."""
    parser = ResponseParser(lifts=[MESSAGE, THOUGHT])
    taken = []
    for payload in runs.streamed_call(0, '{"message":"He', 'llo","thinking":"Hm', '","n":1', "}"):
        parser.feed_payload(payload)
        taken.append([event for event in parser.events() if isinstance(event, (ArgumentsDelta, LiftedDelta))])
    assert taken[1:5] == [
        [LiftedDelta(0, ("message",), "text", "He"), ArgumentsDelta(0, '{"message":"He')],
        [
            LiftedDelta(0, ("message",), "text", "llo"),
            LiftedDelta(0, ("thinking",), "reasoning", "Hm"),
            ArgumentsDelta(0, 'llo"'),
        ],
        [ArgumentsDelta(0, ',"n":1')],
        [ArgumentsDelta(0, "}")],
    ]
    assert parser.response.lifted == (
        LiftedText(0, ("message",), "text", "Hello"),
        LiftedText(0, ("thinking",), "reasoning", "Hm"),
    )


def test_several_calls() -> None:
    """Each call has its own lifts, by its tool, and interleaved calls do not disturb one another."""
    lifts = (FOR_TICK, FOR_OTHERS, MESSAGE)
    names = ("tick", "tock", "tack")
    calls = [
        runs.call(id=f"fc_{at}", call_id=f"call_{at}", name=name, status="in_progress")
        for at, name in enumerate(names)
    ]
    pieces = ['{"no', 'te":"a', 'b","message":"c"', "}"]
    run = runs.run(
        runs.created(),
        *(runs.added(at, call) for at, call in enumerate(calls)),
        *(runs.arguments(at, piece, item_id=f"fc_{at}") for piece in pieces for at in range(3)),
        runs.completed(),
        lifts=lifts,
    )
    arguments = [call.arguments for call in calls_of(run.response) if isinstance(call, FunctionCall)]
    assert arguments == ['{"message":"c"}', '{"message":"c"}', '{"note":"ab","message":"c"}']
    assert sorted((entry.output_index, entry.path[0], entry.text) for entry in run.response.lifted) == [
        (0, "message", "c"),
        (0, "note", "ab"),
        (1, "message", "c"),
        (1, "note", "ab"),
        (2, "message", "c"),
    ]


def test_two_lifts_of_one_string() -> None:
    """A string may be lifted as text and as reasoning."""
    twice = (MESSAGE, Lift(("message",), "reasoning", remove=True))
    run = runs.run(
        runs.created(), *runs.streamed_call(0, '{"message":"a', '"}'), runs.completed(), lifts=twice
    )
    assert [(entry.into, entry.text) for entry in run.response.lifted] == [("text", "a"), ("reasoning", "a")]
    assert run.output()[0]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("told", "lifted", "anomaly"),
    [
        ('{"thinking":"abc","n":2}', "abc", False),
        ('{"thinking":"ab","n":2}', "ab", False),
        ('{"thinking":"x","n":2}', "ab", True),
        ('{"n":2}', "ab", True),
    ],
)
def test_contradictions(told: str, lifted: str, anomaly: bool) -> None:
    """Arguments that are told otherwise replace what was kept; lifted text only grows."""
    run = runs.run(
        runs.created(),
        *(runs.streamed_call(0, '{"n":1,"thinking":"a', 'b"}')[:-2]),
        runs.arguments_done(0, told),
        runs.completed(),
        lifts=[THOUGHT],
    )
    assert run.output()[0]["arguments"] == '{"n":2}'
    assert [entry.text for entry in run.response.lifted] == [lifted]
    assert run.texts(ValueReplaced) == ['{"n":2}']
    about_lifted = [
        anomaly for anomaly in run.parser.anomalies if anomaly.message.startswith("text that was lifted")
    ]
    assert bool(about_lifted) is anomaly
    assert AnomalyCode.VALUE_CONTRADICTED in run.codes


def test_contradiction_that_lifts_nothing_new_of_a_second_lift() -> None:
    """Where arguments are told otherwise, each lift is compared with what it had handed out."""
    run = runs.run(
        runs.created(),
        *(runs.streamed_call(0, '{"message":"a","thinking":"b"}')[:-2]),
        runs.arguments_done(0, '{"thinking":"bc","message":"a"}'),
        runs.done(0, runs.call('{"thinking":"bc","message":"a"}')),
        runs.completed(),
        lifts=[MESSAGE, THOUGHT],
    )
    assert {entry.path[0]: entry.text for entry in run.response.lifted} == {"message": "a", "thinking": "bc"}
    assert run.output()[0]["arguments"] == '{"message":"a"}'


def test_deltas_after_the_end() -> None:
    """Once arguments were told whole, further fragments change nothing."""
    payloads = runs.streamed_call(0, '{"message":"a"}')
    late = runs.arguments(0, ',"message":"b"}', item_id="fc_1")
    run = runs.run(runs.created(), *payloads, late, runs.completed(), lifts=[MESSAGE])
    check_call(run, '{"message":"a"}', (MESSAGE,))
    assert AnomalyCode.DELTA_AFTER_DONE in run.codes


def test_fuller_telling_after_the_end() -> None:
    """Arguments that were closed and are told longer afterwards are read anew."""
    run = runs.run(
        runs.created(),
        *(runs.streamed_call(0, '{"message":"a"}')[:-1]),
        runs.done(0, runs.call('{"message":"a"} ')),
        runs.completed(),
        lifts=[MESSAGE],
    )
    assert [entry.text for entry in run.response.lifted] == ["a"]
    assert run.output()[0]["arguments"] == '{"message":"a"} '


def test_ciphertext_and_then_the_arguments() -> None:
    """Fragments that are no JSON, and plain arguments at the end: these are lifted from."""
    run = runs.run(
        runs.created(),
        runs.added(0, BLANK),
        runs.arguments(0, "gAAAAABo", item_id="fc_1"),
        runs.arguments(0, "x9==", item_id="fc_1"),
        runs.arguments_done(0, '{"message":"Hi","thinking":"t"}'),
        runs.done(0, runs.call('{"message":"Hi","thinking":"t"}')),
        runs.completed(),
        lifts=[MESSAGE, THOUGHT],
    )
    assert {entry.path[0]: entry.text for entry in run.response.lifted} == {"message": "Hi", "thinking": "t"}
    assert run.output()[0]["arguments"] == '{"message":"Hi"}'
    assert run.texts(ArgumentsDelta) == ["gAAAAABo", "x9=="]


def test_a_fuller_announcement() -> None:
    """Arguments so far that a snapshot of the response tells are lifted from, and deltas go on from there."""
    snapshot = runs.in_progress(output=[runs.call('{"thinking":"Let ', status="in_progress")])
    run = runs.run(
        runs.created(),
        runs.added(0, BLANK),
        snapshot,
        runs.arguments(0, 'me","message":"Hi"}', item_id="fc_1"),
        runs.completed(),
        lifts=[MESSAGE, THOUGHT],
    )
    check_call(run, '{"thinking":"Let me","message":"Hi"}', (MESSAGE, THOUGHT))


def test_anomalies_are_kept_up_to_a_limit() -> None:
    """Refused lifts beyond the limit of anomalies are counted and not kept."""
    payloads = [
        runs.done(at, runs.call('{"message":5}', id=f"fc_{at}", call_id=f"call_{at}")) for at in range(3)
    ]
    run = runs.run(runs.created(), *payloads, lifts=[MESSAGE], limits=Limits(anomalies=1))
    assert len(run.parser.anomalies) == 1
    assert run.parser.anomaly_count >= 3


@pytest.mark.parametrize("lift", [THOUGHT, Lift(("thinking",), "text", tool="tick", remove=True)])
def test_unannounced_calls(lift: Lift) -> None:
    """A call that was not announced is lifted from, by its tool as soon as that is known."""
    run = runs.run(
        runs.created(),
        runs.arguments(0, '{"thinking":"a', item_id="fc_1"),
        runs.arguments(0, '","n":1}', item_id="fc_1"),
        runs.done(0, runs.call('{"thinking":"a","n":1}')),
        runs.completed(),
        lifts=[lift],
    )
    assert run.output()[0]["arguments"] == '{"n":1}'
    assert [entry.text for entry in run.response.lifted] == ["a"]


@pytest.mark.parametrize(
    "text", ['{"message":5}', '{"message":null}', '{"message":{"a":"b"}}', '{"message":"a","message":"b"}']
)
def test_refused(text: str) -> None:
    """What is no string, or comes twice, stays in the arguments, and is told once."""
    lift = Lift(("message",), "text", remove=True)
    end = runs.completed(runs.call(text))
    run = runs.run(runs.created(), *runs.streamed_call(0, *text), end, lifts=[lift])
    assert run.codes == [AnomalyCode.LIFT_REFUSED]
    kept = text.replace('"message":"a",', "")
    assert run.output()[0]["arguments"] == kept


def test_custom_tools_are_not_touched() -> None:
    """The input of a custom tool is no JSON, and nothing is lifted out of it."""
    item = runs.custom_call('{"message":"a"}')
    delta = runs.value("custom_tool_call_input.delta", 0, delta='{"message":"a"}', item_id="ctc_1")
    run = runs.run(
        runs.created(),
        runs.added(0, runs.custom_call()),
        delta,
        runs.done(0, item),
        runs.completed(),
        lifts=[MESSAGE],
    )
    assert run.response.lifted == ()
    assert run.output()[0]["input"] == '{"message":"a"}'
    custom = {"id": "c", "type": "custom", "custom": {"name": "patch", "input": '{"message":"a"}'}}
    run = runs.run(chunk({"tool_calls": [{"index": 0, **custom}]}), dialect="chat", lifts=[MESSAGE])
    assert run.response.lifted == ()
    assert run.output()[0]["input"] == '{"message":"a"}'


@given(text=documents(), lifts=lift_sets, data=st.data())
def test_mcp_calls(text: str, lifts: tuple[Lift, ...], data: st.DataObject) -> None:
    """The arguments of MCP calls are lifted from as those of functions are."""
    item = {"id": "mcp_1", "type": "mcp_call", "server_label": "s", "name": "tick", "status": "completed"}
    deltas = [
        runs.value("mcp_call_arguments.delta", 0, delta=piece, item_id="mcp_1")
        for piece in pieces_of(data, text)
    ]
    run = runs.run(
        runs.created(),
        runs.added(0, {**item, "arguments": "", "status": "in_progress"}),
        *deltas,
        runs.value("mcp_call_arguments.done", 0, arguments=text, item_id="mcp_1"),
        runs.done(0, {**item, "arguments": text, "output": "ok"}),
        runs.completed(),
        lifts=lifts,
    )
    check_call(run, text, lifts)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("told", ["streamed", "begun", "at the end"])
def test_only_arguments_are_lifted_from(told: str, streamed: bool) -> None:
    """What an MCP call brought back is no argument, though it is JSON with members of the same names."""
    text = '{"message":"hello","thinking":"deep","n":1}'
    item = {"id": "mcp_1", "type": "mcp_call", "server_label": "s", "name": "tick"}
    pieces = {"streamed": ['{"mess', 'age":"hi"}'], "begun": ['{"mess'], "at the end": []}[told]
    arguments = [runs.value("mcp_call_arguments.delta", 0, delta=piece, item_id="mcp_1") for piece in pieces]
    whole = runs.value("mcp_call_arguments.done", 0, arguments='{"message":"hi"}', item_id="mcp_1")
    output = [
        runs.value("mcp_call_output.delta", 0, delta=piece, item_id="mcp_1")
        for piece in (text[:14], text[14:])
    ]
    run = runs.run(
        runs.created(),
        runs.added(0, {**item, "arguments": "", "status": "in_progress"}),
        *arguments,
        *([whole] if told == "streamed" else ()),
        *(output if streamed else ()),
        runs.value("mcp_call_output.done", 0, output=text, item_id="mcp_1"),
        runs.done(0, {**item, "arguments": '{"message":"hi"}', "output": text, "status": "completed"}),
        runs.completed(),
        lifts=[MESSAGE, THOUGHT],
    )
    assert "".join(event.text for event in run.all(LiftedDelta)) == "hi"
    assert "".join(run.texts(OutputDelta)) == text
    assert (run.output()[0]["output"], run.output()[0]["arguments"]) == (text, '{"message":"hi"}')
    assert run.codes == [AnomalyCode.OUTPUT_EMPTY_AT_END]


# --------------------------------------------------------------------------------------- Chat Completions


def chunk(delta: JSON, reason: str | None = None, **fields: Any) -> JSON:
    """A chunk with one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **fields}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def call_piece(arguments: Any, index: int = 0, **fields: Any) -> JSON:
    """A chunk with a fragment of a call."""
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}, **fields}]})


def named_call(arguments: Any = "", index: int = 0, name: str = "tick") -> JSON:
    """A chunk in which a call begins."""
    told = {"index": index, "id": f"call_{index}", "type": "function"}
    return chunk({"tool_calls": [{**told, "function": {"name": name, "arguments": arguments}}]})


def chat_message(arguments: str) -> JSON:
    """A chunk that tells the whole message in place of a delta."""
    call = {"id": "call_0", "type": "function", "function": {"name": "tick", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
    }


def sums(pieces: list[str]) -> Iterator[str]:
    """The pieces so far, after each one."""
    for at in range(len(pieces)):
        yield "".join(pieces[: at + 1])


END = chunk({}, "tool_calls")
CHAT: dict[str, Delivery] = {
    "deltas": lambda t, p: [named_call(), *map(call_piece, p), END],
    "at once": lambda t, p: [named_call(t), END],
    "empty object first": lambda t, p: [named_call("{}"), *map(call_piece, p), END],
    "told again": lambda t, p: [
        named_call(),
        *map(call_piece, p),
        *([call_piece(t)] if len(t) > 2 else []),
        END,
    ],
    "message": lambda t, p: [chat_message(t)],
    "message after deltas": lambda t, p: [named_call(), *map(call_piece, p[:1]), chat_message(t)],
    "message after all": lambda t, p: [named_call(), *map(call_piece, p), chat_message(t)],
    "late name": lambda t, p: [*map(call_piece, p), named_call(), END],
}


@pytest.mark.parametrize("delivery", CHAT)
@given(text=documents(), lifts=lift_sets, data=st.data())
def test_chat_lifts(delivery: str, text: str, lifts: tuple[Lift, ...], data: st.DataObject) -> None:
    """However a chunk tells arguments, the same is lifted and the same is kept."""
    run = runs.run(*CHAT[delivery](text, pieces_of(data, text)), dialect="chat", lifts=lifts)
    check_call(run, text, lifts)


@given(text=documents(), lifts=lift_sets)
def test_chat_arguments_as_an_object(text: str, lifts: tuple[Lift, ...]) -> None:
    """Arguments that come as an object are written down first."""
    document = json.loads(text)
    run = runs.run(named_call(document), END, dialect="chat", lifts=lifts)
    check_call(run, json.dumps(document, ensure_ascii=False, separators=(",", ":")), lifts)


def test_chat_cumulative_arguments() -> None:
    """Of arguments that come with all that came before, only what is new is read."""
    text = '{"thinking":"Let me see","message":"Here it is","n":[1,2]}'
    pieces = [text[at : at + 9] for at in range(0, len(text), 9)]
    run = runs.run(
        named_call(), *map(call_piece, sums(pieces)), END, dialect="chat", lifts=[MESSAGE, THOUGHT]
    )
    check_call(run, text, (MESSAGE, THOUGHT))


def test_chat_message_that_contradicts() -> None:
    """A message that tells other arguments replaces those that were kept."""
    run = runs.run(
        named_call('{"thinking":"a","n":1}'),
        chat_message('{"thinking":"ab","n":2}'),
        dialect="chat",
        lifts=[THOUGHT],
    )
    assert run.output()[0]["arguments"] == '{"n":2}'
    assert [entry.text for entry in run.response.lifted] == ["ab"]
    assert run.texts(ValueReplaced) == ['{"n":2}']


def test_chat_held_object_at_the_end() -> None:
    """A mere `{}` is handed on at the end."""
    run = runs.run(named_call("{}"), END, dialect="chat", lifts=[THOUGHT])
    assert run.output()[0]["arguments"] == "{}"


# ---------------------------------------------------------------------------------------- what it costs


@pytest.mark.parametrize("lifts", [(), (FOR_OTHERS,)])
@pytest.mark.parametrize(("dialect", "told"), [("responses", RESPONSES), ("chat", CHAT)])
def test_no_lift_costs_nothing(
    dialect: str, told: dict[str, Delivery], lifts: tuple[Lift, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is to be lifted out of a call, its arguments are not read and not kept twice."""
    needs_python_code()

    def never(_lifts: Any) -> None:
        raise AssertionError("a call was made ready for lifting")

    monkeypatch.setattr(lifts_module, "LiftedCall", never)
    for delivery in told.values():
        text = '{"note":"a"}'
        run = runs.run(*delivery(text, ['{"note', '":"a"}']), dialect=dialect, lifts=lifts)
        assert run.output()[0]["arguments"] == text
        assert run.response.lifted == ()


def test_snapshot_of_a_damaged_lifter() -> None:
    """A snapshot whose lifter is damaged is refused."""
    parser = ResponseParser(lifts=[MESSAGE])
    for payload in runs.streamed_call(0, '{"message":"a')[:2]:
        parser.feed_payload(payload)
        list(parser.events())
    assert runs.resumed(parser).response == parser.response
    snapshot = json.loads(json.dumps(parser.snapshot()))
    with pytest.raises(UsageError):
        ResponseParser.resume(json.loads(json.dumps(snapshot).replace('"stays"', '"stayed"')))


# --------------------------------------------------------------------------------------------- approvals


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_needs_approval(dialect: str) -> None:
    """Calls of a tool that needs approval are marked from their first event on, and wait at the end."""
    text = '{"a":1}'
    if dialect == "responses":
        other = runs.call("{}", id="fc_2", call_id="call_2", name="tock")
        payloads = [
            runs.created(),
            *runs.streamed_call(0, text),
            runs.added(1, {**other, "status": "in_progress", "arguments": ""}),
            runs.done(1, other),
            runs.completed(),
        ]
    else:
        payloads = [named_call(text), named_call("{}", 1, "tock"), END]
    run = runs.run(*payloads, dialect=dialect, approval_required=["tick", "else"])
    marked = [getattr(event.item, "needs_approval", None) for event in run.events if hasattr(event, "item")]
    assert marked == [True, *([True, False, False] if dialect == "responses" else [False, True, False])]
    waiting = run.response.requires_action
    assert [call.name for call in waiting if isinstance(call, FunctionCall)] == ["tick"]
    assert len(waiting) == 1
    started = run.all(ItemStarted)[0].item
    assert started.needs_approval
    parser = ResponseParser(dialect, approval_required=["tick"])
    parser = runs.resumed(parser)
    for payload in payloads:
        parser.feed_payload(payload)
    assert next(event.item for event in parser.events() if isinstance(event, ItemStarted)).needs_approval


def test_custom_tools_that_need_approval() -> None:
    """A custom tool may need approval as well."""
    item = runs.custom_call("x", status="completed")
    run = runs.run(
        runs.created(),
        runs.added(0, runs.custom_call()),
        runs.done(0, item),
        runs.completed(),
        approval_required=["apply_patch"],
    )
    assert run.response.requires_action == run.response.output


def test_nothing_needs_approval() -> None:
    """Without names, nothing waits."""
    run = runs.run(runs.created(), *runs.streamed_call(0, "{}"), runs.completed())
    assert run.response.requires_action == ()


def test_mcp_approval_requests() -> None:
    """An MCP server's request waits until there is an answer to it."""
    requests = [
        {"id": f"mcpr_{at}", "type": "mcp_approval_request", "name": "tick", "arguments": "{}"}
        for at in range(3)
    ]
    answer = {"id": "a", "type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    payloads = [runs.done(at, item) for at, item in enumerate([*requests, answer])]
    run = runs.run(runs.created(), *payloads, runs.completed(*requests, answer))
    assert [item.data["id"] for item in run.response.requires_action] == ["mcpr_0", "mcpr_2"]


# ------------------------------------------------------------------------- hidden reasoning and estimates

COUNTED = {"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 5}}


@pytest.mark.parametrize(
    ("items", "usage", "hidden"),
    [
        ([], None, False),
        ([runs.message("Hi")], None, False),
        ([runs.message("Hi")], COUNTED, True),
        ([runs.message("Hi")], {**COUNTED, "output_tokens_details": {"reasoning_tokens": 0}}, False),
        ([runs.message("Hi")], {"input_tokens": 1, "output_tokens": 9}, False),
        ([runs.reasoning(encrypted_content="gAAAA")], None, True),
        ([runs.reasoning()], None, True),
        ([runs.reasoning("thought", encrypted_content="gAAAA")], COUNTED, False),
        ([runs.reasoning(content=[runs.reasoning_text("thought")])], COUNTED, False),
    ],
)
def test_hidden_reasoning(items: list[JSON], usage: JSON | None, hidden: bool) -> None:
    """A response that reasoned and shows nothing of it says so."""
    run = runs.run(runs.created(), runs.completed(*items, usage=usage))
    assert run.response.hidden_reasoning is hidden


def test_estimated_usage() -> None:
    """Where the server reports no usage, the caller's counter estimates it; else there is no estimate."""
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text)

    items = [
        runs.reasoning("think"),
        runs.message("Hello"),
        runs.call('{"a":1}'),
        runs.custom_call("patch", call_id="call_2"),
    ]
    response = runs.run(runs.created(), runs.completed(*items)).response
    assert response.estimated_usage(count) == EstimatedUsage(None, 5 + 5 + 11 + 16, 5)
    assert counted == ["think", "Hello", 'tick{"a":1}', "apply_patchpatch"]
    assert response.estimated_usage(count, input_text="asked") == EstimatedUsage(5, 37, 5)
    counted.clear()
    reported = runs.run(runs.created(), runs.completed(*items, usage=COUNTED)).response
    assert reported.estimated_usage(count, input_text="asked") is None
    assert counted == []


# -------------------------------------------------------------------------------------- partial arguments


def known(text: str) -> Any:
    """What is known of arguments, read anew."""
    reader = ArgumentsReader()
    reader.feed(text)
    return reader.value()


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@given(text=documents(), data=st.data())
def test_partial_arguments(dialect: str, text: str, data: st.DataObject) -> None:
    """At every event, asked about or not, partial arguments are what is known of the fragments so far."""
    told = RESPONSES if dialect == "responses" else CHAT
    payloads = list(told[data.draw(st.sampled_from(sorted(told)))](text, pieces_of(data, text)))
    if data.draw(st.booleans()) and dialect == "responses":
        payloads.insert(-1, runs.done(0, runs.call('{"other":[1,2]}')))
    parser = ResponseParser(dialect)
    so_far: str | None = None
    for payload in payloads:
        parser.feed_payload(payload)
        while (event := parser.next_event()) is not None:
            if isinstance(event, ArgumentsDelta):
                so_far = (so_far or "") + event.text
            elif isinstance(event, ValueReplaced):
                so_far = event.text
            if data.draw(st.integers(0, 2)) == 0:
                assert parser.response.output is not None
            if data.draw(st.booleans()):
                assert parser.partial_arguments(0) == (None if so_far is None else known(so_far))
            if data.draw(st.integers(0, 4)) == 0:
                parser = runs.resumed(parser)
    parser.close()
    assert parser.partial_arguments(0) == (None if so_far is None else known(so_far))
    for _ in parser.events():
        pass
    call = parser.response.output[0]
    assert parser.partial_arguments(0) == json.loads(call.to_dict()["arguments"])


def test_partial_arguments_of_nothing() -> None:
    """What is no call or has no arguments yet has no partial arguments; what takes free text has the text."""
    parser = ResponseParser()
    for payload in [
        runs.created(),
        *runs.streamed_message(0, "Hi"),
        runs.added(1, BLANK),
        runs.added(2, runs.custom_call()),
        runs.value("custom_tool_call_input.delta", 2, delta='{"a":1}', item_id="ctc_1"),
    ]:
        parser.feed_payload(payload)
    list(parser.events())
    assert [parser.partial_arguments(at) for at in (-1, 0, 1, 2, 3)] == [None, None, None, '{"a":1}', None]


@pytest.mark.parametrize("clean", [True, False])
def test_partial_arguments_of_interleaved_calls(clean: bool) -> None:
    """Two calls grow side by side, also over the short cut."""
    parser = ResponseParser("chat")
    payloads = [named_call(), named_call("", 1)]
    texts = ['{"a":"' + "x" * 50 + '"}', '{"b":"' + "y" * 50 + '"}']
    for letters in zip(*texts, strict=True):
        payloads += [call_piece(letter, at) for at, letter in enumerate(letters)]
    so_far = ["", ""]
    for payload in payloads:
        parser.feed(b"data: " + json_bytes(payload) + b"\n\n")
        for event in parser.events():
            if isinstance(event, ArgumentsDelta):
                so_far[event.output_index] += event.text
            if not clean:
                assert parser.response is not None
            for at in (0, 1):
                assert parser.partial_arguments(at) == (known(so_far[at]) if so_far[at] else None)
    assert [json.dumps(parser.partial_arguments(at), separators=(",", ":")) for at in (0, 1)] == texts


@pytest.mark.parametrize("look", [False, True])
def test_each_character_is_read_once(look: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked while they grow, each character of the arguments is read at most once."""
    fed: list[int] = []

    class Counting(ArgumentsReader):
        def feed(self, fragment: str) -> None:
            fed.append(len(fragment))
            super().feed(fragment)

    monkeypatch.setattr(watch_module, "ArgumentsReader", Counting)
    text = '{"text":"' + "word " * 200 + '"}'
    parser = ResponseParser()
    for payload in [runs.created(), *runs.streamed_call(0, *text)[:-1]]:
        parser.feed_payload(payload)
        for _ in parser.events():
            parser.partial_arguments(0)
            parser.partial_arguments(0)
            if look:
                assert parser.response is not None
    assert parser.partial_arguments(0) == json.loads(text)
    assert sum(fed) == len(text)


def test_who_does_not_ask_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a question no arguments are read."""

    def never(_value: Any) -> None:
        raise AssertionError("arguments were read")

    monkeypatch.setattr(watch_module, "PartialArguments", never)
    run = runs.run(runs.created(), *runs.streamed_call(0, '{"a":', "1}"), runs.completed())
    with pytest.raises(AssertionError):
        run.parser.partial_arguments(0)
