"""The kit for those who embed: the builder and the strategies keep their word."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from deltafold import (
    CustomToolCall,
    FunctionCall,
    Heartbeat,
    Message,
    Outcome,
    Refusal,
    Response,
    ResponseParser,
    UsageError,
)
from deltafold.dialects.responses.reader import HANDLERS
from deltafold.dialects.responses.table import PROGRESS
from deltafold.testing import Stream, StreamBuilder, ToolCall
from deltafold.testing.damage import (
    HEARTBEATS,
    NO_STREAMS,
    WRONG_VALUES,
    byte_by_byte,
    every_cut,
    json_paths,
    mistyped,
)
from deltafold.testing.strategies import (
    LETTERS,
    Body,
    any_body,
    chunkings,
    corruptions,
    damaged_bodies,
    fragments,
    garbage,
    gluings,
    heartbeats,
    mistypings,
    orderings,
    streams,
    texts,
    truncations,
)
from runs import calls_of, check_laws, play


def drawn(strategy: st.SearchStrategy[Any], wanted: Callable[[Any], bool]) -> Any:
    """The first that a strategy draws and that is as wanted. Raises where there is none."""
    return find(strategy, wanted, settings=settings(max_examples=3000, phases=[Phase.generate]))


DIALECTS = ("responses", "chat")
"""Those in which the same answer can be told."""
TOLD_AS = {
    "responses": Response.to_dict,
    "chat": Response.to_chat_completion,
    "anthropic": Response.to_anthropic_message,
    "gemini": Response.to_gemini_response,
}
"""How each dialect tells a response unstreamed."""
EMPTY = Stream("responses", ())


def kit_calls_of(response: Response) -> list[ToolCall]:
    """The calls of a response, in the words of the kit."""
    made = []
    for call in calls_of(response):
        assert call.call_id is not None
        made.append(
            ToolCall(
                call.call_id, call.name, call.input if isinstance(call, CustomToolCall) else call.arguments
            )
        )
    return made


def refusals_of(response: Response) -> str:
    """All refusals, joined."""
    messages = (item for item in response.output if isinstance(item, Message))
    return "".join(part.refusal for item in messages for part in item.content if isinstance(part, Refusal))


def check(stream: Stream) -> Response:
    """A client must make of a stream what the kit says, and finds nothing out of order in it."""
    run = play(stream.body, stream.dialect)
    response = run.parser.response
    if response.error is None or response.error.code != "nothing_understood":
        assert response.outcome is stream.outcome
    else:  # it holds nothing that a client could understand
        assert not stream.text
        assert stream.outcome is Outcome.TRUNCATED
        return response
    assert response.output_text == stream.text
    assert response.reasoning_text == stream.reasoning
    assert refusals_of(response) == stream.refusal
    assert kit_calls_of(response) == list(stream.calls)
    if stream.outcome is Outcome.TRUNCATED:
        assert [anomaly.code for anomaly in run.parser.anomalies] == ["missing_terminal"]
    else:
        assert run.parser.anomalies == ()
    if stream.document is not None:
        told = TOLD_AS[stream.dialect](response)
        assert json.loads(json.dumps(told)) == json.loads(json.dumps(stream.document))
    return response


# ----------------------------------------------------------------------------------------- the builder


def conversation(dialect: str, **options: Any) -> StreamBuilder:
    """An answer with something of everything that both dialects have."""
    return (
        StreamBuilder(dialect, **options)
        .reasoning("They ask for ", "the weather.")
        .text("Let me lo\ud83d", "\ude42k.", annotations=[{"type": "url_citation", "url": "https://a.test"}])
        .refusal("Not the tides.", more=True)
        .call("get_weather", '{"city":', '"Paris"}')
        .event({"type": "acme:note", "level": 3})
        .call("run", "ls ", "-l", call_id="call_x", custom=True)
    )


ENDINGS: dict[str, tuple[Callable[[StreamBuilder], Stream], Outcome]] = {
    "completed": (lambda builder: builder.completed(), Outcome.COMPLETED),
    "without usage": (lambda builder: builder.completed(usage=None), Outcome.COMPLETED),
    "too long": (lambda builder: builder.incomplete(), Outcome.INCOMPLETE),
    "filtered": (lambda builder: builder.incomplete("content_filter"), Outcome.INCOMPLETE),
    "failed": (lambda builder: builder.failed("rate_limit_exceeded", "Slow down."), Outcome.FAILED),
    "failed barely": (lambda builder: builder.failed(bare=True), Outcome.FAILED),
    "truncated": (lambda builder: builder.truncated(), Outcome.TRUNCATED),
}


@pytest.mark.parametrize("terse", [False, True])
@pytest.mark.parametrize("order", [(), (2, 0, 1), (5,) * 40])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_builder_writes_what_it_is_told(
    dialect: str, ending: str, order: tuple[int, ...], terse: bool
) -> None:
    """The same lines make a stream of either dialect, with any end and in any order of the items."""
    finish, outcome = ENDINGS[ending]
    stream = finish(conversation(dialect, order=order, terse=terse))
    assert (stream.dialect, stream.outcome) == (dialect, outcome)
    assert stream.text == "Let me lo🙂k."
    assert stream.refusal == "Not the tides."
    assert stream.reasoning == "They ask for the weather."
    assert stream.calls == (
        ToolCall("call_2", "get_weather", '{"city":"Paris"}'),
        ToolCall("call_x", "run", "ls -l"),
    )
    response = check(stream)
    if outcome is Outcome.FAILED:
        assert response.error is not None
        assert response.error.code == ("rate_limit_exceeded" if ending == "failed" else "server_error")
        assert (stream.document is None) is (dialect == "chat" or ending == "failed barely")
    if ending == "completed":
        assert response.usage is not None
        assert (response.usage.input_tokens, response.usage.output_tokens) == (12, 5)
    if ending == "without usage":
        assert response.usage is None
    if outcome is Outcome.INCOMPLETE:
        assert response.incomplete_reason == (
            "content_filter"
            if ending == "filtered"
            else "length"
            if dialect == "chat"
            else "max_output_tokens"
        )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_response_that_says_nothing(dialect: str) -> None:
    """A builder that is told nothing makes a whole and empty response."""
    stream = StreamBuilder(dialect).completed()
    assert (stream.text, stream.reasoning, stream.refusal, stream.calls) == ("", "", "", ())
    check(stream)


def test_arguments_without_a_leaf_come_at_once() -> None:
    """Gemini has no pieces for them."""
    whole, cut = (
        StreamBuilder("gemini").call("tick", *pieces).completed() for pieces in (["{}"], ["{", "}"])
    )
    assert cut == whole


def test_a_builder_goes_on_after_an_end() -> None:
    """Ending a response leaves the builder as it was."""
    builder = StreamBuilder().text("Hel")
    assert builder.truncated().text == "Hel"
    assert builder.text("lo", more=True).completed().text == "Hello"
    assert builder.completed() == builder.completed()


def test_reasoning_of_the_responses_api() -> None:
    """Summaries stand beside raw reasoning, which is what the model thought, and beside ciphertext."""
    summaries = StreamBuilder().reasoning("One.").reasoning("Two.", more=True).reasoning("Three.")
    assert summaries.completed().reasoning == "One.\n\nTwo.\n\nThree."
    check(summaries.completed())
    raw = summaries.reasoning("Hm", "m.", raw=True, more=True).completed()
    assert raw.reasoning == "Hmm."
    check(raw)
    hidden = StreamBuilder().reasoning(encrypted="gAAAA").completed()
    assert hidden.document is not None
    assert hidden.document["output"][0]["encrypted_content"] == "gAAAA"
    check(hidden)


def test_items_of_the_responses_api() -> None:
    """An item of any type gets its id, its place and its events."""
    shell = {"type": "shell_call", "status": "completed", "action": {"commands": ["ls"]}}
    stream = (
        StreamBuilder()
        .text("Hi")
        .item(
            shell,
            {"type": "response.shell_call_command.delta", "command_index": 0, "delta": "ls"},
            {"type": "response.shell_call_command.done", "command_index": 0, "command": "ls"},
        )
        .item({"type": "hologram", "id": "h", "cells": [1]}, {"type": "response.hologram.glowing"})
        .completed()
    )
    check(stream)
    types = [payload["type"] for payload in stream.payloads if isinstance(payload, dict)]
    assert {*types} - {"response.hologram.glowing"} <= {*HANDLERS, *PROGRESS}
    events = {payload["type"]: payload for payload in stream.payloads if isinstance(payload, dict)}
    assert events["response.hologram.glowing"]["item_id"] == "h"
    assert events["response.hologram.glowing"]["output_index"] == 2
    assert events["response.shell_call_command.delta"]["output_index"] == 1
    assert "item_id" not in events["response.shell_call_command.delta"]
    assert numbers(stream) == [*range(len(stream.payloads))]


@pytest.mark.parametrize("order", [(), (0, 1, 2)])
def test_choices_of_chat_completions(order: tuple[int, ...]) -> None:
    """Each choice has its own message and finish reason; text is in the order in which messages begin."""
    stream = (
        StreamBuilder("chat", order=order)
        .text("", "be", choice=1)
        .text("ef", choice=0)
        .text("ore", choice=1)
        .reasoning("Hm.", choice=1)
        .call("tick", "{", "}", choice=1)
        .completed()
    )
    assert stream.text == ("beoreef" if not order else "efbeore")
    assert stream.document is not None
    assert [choice["finish_reason"] for choice in stream.document["choices"]] == ["stop", "tool_calls"]
    assert stream.document["choices"][1]["message"]["reasoning_content"] == "Hm."
    check(stream)


@pytest.mark.parametrize("terse", [False, True])
@pytest.mark.parametrize("order", [(), (1, 0, 1), (5,) * 40])
@pytest.mark.parametrize("ending", [*ENDINGS])
def test_the_builder_speaks_gemini(ending: str, order: tuple[int, ...], terse: bool) -> None:
    """Parts, streamed calls and two candidates, with any end."""
    finish, outcome = ENDINGS[ending]
    stream = finish(
        StreamBuilder("gemini", order=order, terse=terse)
        .reasoning("They ask for ", "the weather.")
        .text("Let me lo\ud83d", "\ude42k.")
        .event({"type": "acme:note", "level": 3})
        .call("get_weather", '{"city":"Paris",', '"days":[1,{"n":null}],"a b\'":"","on":true,"off":{}}')
        .call("tick", "{}")
        .item({"executableCode": {"language": "PYTHON", "code": "1"}})
        .text("Or not.", choice=1)
    )
    assert (stream.dialect, stream.outcome) == ("gemini", outcome)
    assert sorted(stream.text) == sorted("Let me lo🙂k.Or not.")
    assert stream.reasoning == "They ask for the weather."
    assert stream.calls == (
        ToolCall(
            "call_3", "get_weather", '{"city":"Paris","days":[1,{"n":null}],"a b\'":"","on":true,"off":{}}'
        ),
        ToolCall("call_4", "tick", "{}"),
    )
    response = check(stream)
    assert (response.error is not None) is (outcome is Outcome.FAILED)
    assert (stream.document is None) is (outcome in (Outcome.FAILED, Outcome.TRUNCATED))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda: StreamBuilder("palm"), "no dialect"),
        (lambda: StreamBuilder("gemini").refusal("a"), "no refusals"),
        (lambda: StreamBuilder("gemini").call("f", "x", custom=True), "no custom tools"),
        (lambda: StreamBuilder("gemini").item({"fileData": {}}, {"type": "x"}), "at once"),
        (lambda: StreamBuilder("auto"), "no dialect"),
        (lambda: StreamBuilder().text("a", choice=1), "but one choice"),
        (lambda: StreamBuilder().text("a", more=True), "no message just before"),
        (lambda: StreamBuilder().text("a").reasoning("b", more=True), "no reasoning just before"),
        (lambda: StreamBuilder("chat").text("a").text("b", more=True, choice=1), "no message just before"),
        (lambda: StreamBuilder("chat").item({"type": "shell_call"}), "no items of other types"),
        (lambda: streams("palm"), "no dialect"),
        (lambda: streams(outcome=Outcome.CANCELLED), "cancel"),
    ],
)
def test_wrong_use(wrong: Callable[[], object], match: str) -> None:
    """What no server could send is the caller's mistake, at once."""
    with pytest.raises(UsageError, match=match):
        wrong()


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_framing(dialect: str, newline: bytes) -> None:
    """However events are framed, they say the same; the defaults are those of each API."""
    plain = conversation(dialect).completed()
    assert plain.named is (dialect == "responses")
    assert plain.body.endswith(b"data: [DONE]\n\n") is (dialect == "chat")
    told = play(plain.body, dialect).parser.response
    for named in (True, False):
        stream = conversation(
            dialect, newline=newline, space=b"", named=named, done=not plain.done
        ).completed()
        assert stream.body.count(b"data:") == len(stream.payloads) + stream.done
        assert (b"event:" in stream.body) is named
        assert check(stream) == told


def test_a_truncated_stream_is_never_done() -> None:
    """`[DONE]` cannot stand behind what was cut off."""
    assert not StreamBuilder("chat", done=True).text("a").truncated().done


def test_chunks() -> None:
    """The chunks of a stream are of one size, but for the last, and are the body."""
    stream = conversation("responses").completed()
    for size in (1, 7, 100_000):
        chunks = stream.chunks(size)
        assert b"".join(chunks) == stream.body
        assert {len(chunk) for chunk in chunks[:-1]} <= {size}
    assert stream.chunks() == byte_by_byte(stream.body)


def test_other_payloads_in_the_same_frames() -> None:
    """`saying()` keeps the framing and what was meant, and takes payloads that are no objects."""
    stream = StreamBuilder("chat", newline=b"\r\n").text("a").completed()
    other = stream.saying([{"type": "x"}, b"{", {"type": 5}])
    assert other.frames() == [
        b'data: {"type":"x"}\r\n\r\n',
        b"data: {\r\n\r\n",
        b'data: {"type":5}\r\n\r\n',
        b"data: [DONE]\r\n\r\n",
    ]
    assert other.text == "a"
    assert Stream("responses", ({"type": "\ud83d"},)).body == (b'event: ?\ndata: {"type":"\\ud83d"}\n\n')


# --------------------------------------------------------------------------------------------- damage


def test_every_cut() -> None:
    """A body is cut at every place, both ends included."""
    assert list(every_cut(b"ab")) == [(b"", b"ab"), (b"a", b"b"), (b"ab", b"")]
    assert byte_by_byte(b"ab") == [b"a", b"b"]


def test_json_paths() -> None:
    """Every place has its path, the outer ones first."""
    assert list(json_paths({"a": [1, {"b": None}]})) == [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b")]


def test_mistyped() -> None:
    """JSON text is put just where it is to be, whatever else the payload says."""
    payload = {"a": ["@", "@@"], "b": 1}
    assert mistyped(payload, ("b",), "NaN") == b'{"a":["@","@@"],"b":NaN}'
    assert mistyped(payload, ("a", 0), "[]") == b'{"a":[[],"@@"],"b":1}'
    assert mistyped(payload, (), "null") == b"null"
    assert payload == {"a": ["@", "@@"], "b": 1}
    with pytest.raises(LookupError):
        mistyped(payload, ("a", 2), "0")


@pytest.mark.parametrize("body", NO_STREAMS, ids=repr)
def test_what_is_no_stream_is_no_success(body: bytes) -> None:
    """Nothing that is called no stream comes out as a whole response."""
    for dialect in DIALECTS:
        run = play(body, dialect)
        check_laws(run)
        assert run.parser.response.outcome is not Outcome.COMPLETED


# ----------------------------------------------------------------------------------------- strategies


@given(streams())
def test_streams_fold_to_what_they_say(stream: Stream) -> None:
    """A client must make of any stream what the kit says."""
    check(stream)


@given(streams(outcome=Outcome.TRUNCATED))
def test_truncated_streams(stream: Stream) -> None:
    """A stream of which the end is missing says what it had said till then."""
    assert stream.document is None
    check(stream)


@given(streams("chat", outcome=Outcome.INCOMPLETE, min_items=1, max_items=1, text=st.just("abc"), terse=True))
def test_streams_are_what_is_asked_for(stream: Stream) -> None:
    """Dialect, end, number of items and texts are as they were asked for."""
    assert (stream.dialect, stream.outcome, stream.named) == ("chat", Outcome.INCOMPLETE, False)
    assert stream.text in ("", "abc", "abcabc")
    assert len(stream.payloads) < 12
    check(stream)


@given(texts(max_size=40), st.integers(0, 9), st.data())
def test_fragments(text: str, max_cuts: int, data: st.DataObject) -> None:
    """Fragments, joined, are the text; none is empty, and there are no more than cuts allow."""
    drawn = data.draw(fragments(text, max_cuts))
    raw = "".join(drawn).encode("utf-16-le", "surrogatepass")
    assert raw.decode("utf-16-le") == text
    assert all(drawn)
    assert len(drawn) <= max_cuts + 1
    assert set(text) <= set(LETTERS)


def test_no_fragments_of_nothing() -> None:
    """Empty text has none, and a pair may be cut."""
    assert drawn(fragments(""), lambda found: True) == []
    assert drawn(fragments("🙂"), lambda found: len(found) == 2) == ["\ud83d", "\ude42"]


@given(st.binary(max_size=20), st.data())
def test_chunkings(body: bytes, data: st.DataObject) -> None:
    """Chunks, joined, are the body, and no more than cuts allow, unless there is one for each byte."""
    chunks = data.draw(chunkings(body, max_cuts=3))
    assert b"".join(chunks) == body
    assert len(chunks) <= 4 or chunks == byte_by_byte(body)


CHUNKINGS: dict[str, Callable[[list[bytes]], bool]] = {
    "whole": lambda chunks: chunks == [b"abcd"],
    "in two": lambda chunks: chunks == [b"abc", b"d"],
    "byte by byte": lambda chunks: chunks == [b"a", b"b", b"c", b"d"],
    "with an empty chunk": lambda chunks: b"" in chunks and len(chunks) > 2,
}


@pytest.mark.parametrize("case", CHUNKINGS)
def test_every_kind_of_chunking_is_drawn(case: str) -> None:
    """A body comes whole, in two, byte by byte, and with empty chunks."""
    assert drawn(chunkings(b"abcd"), CHUNKINGS[case])


STREAM = StreamBuilder("responses", named=False).text("a", "b").completed()
NUMBERS = range(len(STREAM.payloads))


def numbers(stream: Stream) -> list[int]:
    """The sequence numbers of a stream."""
    return [payload["sequence_number"] for payload in stream.payloads if isinstance(payload, dict)]


ORDERINGS: dict[str, Callable[[list[int]], bool]] = {
    "one is missing": lambda found: len(found) == len(NUMBERS) - 1,
    "one comes twice": lambda found: sorted(found) != found and len(found) == len(NUMBERS) + 1,
    "two are swapped": lambda found: found == [0, 2, 1, *NUMBERS[3:]],
    "all are rotated": lambda found: found == [*NUMBERS[3:], 0, 1, 2],
    "all are shuffled": lambda found: sorted(found) == [*NUMBERS] and found[0] > found[-1] > found[1],
    "another stream is mixed in": lambda found: len(found) > len(NUMBERS) + 1,
}


@pytest.mark.parametrize("case", ORDERINGS)
def test_every_kind_of_ordering_is_drawn(case: str) -> None:
    """Events are dropped, doubled, swapped, rotated, shuffled, and mixed with another stream's."""
    assert drawn(orderings(STREAM), lambda stream: ORDERINGS[case](numbers(stream)))


@given(streams(), st.data())
def test_mistypings(stream: Stream, data: st.DataObject) -> None:
    """Some payloads, one at least and never more than asked for, are others; all else is as it was."""
    other = data.draw(mistypings(stream, max_places=2))
    changed = [new for new, old in zip(other.payloads, stream.payloads, strict=True) if new is not old]
    assert 1 <= len(changed) <= 2
    assert all(isinstance(payload, bytes) for payload in changed)
    assert any(token.encode() in changed[0] for token in WRONG_VALUES)


@given(streams(), st.data())
def test_gluings(stream: Stream, data: st.DataObject) -> None:
    """Two payloads come as one, of which the second is whole, where there are two."""
    other = data.draw(gluings(stream))
    if len(stream.payloads) == 1:
        assert other.payloads == stream.payloads
        return
    assert len(other.payloads) == len(stream.payloads) - 1
    glued = next(payload for payload in other.payloads if isinstance(payload, bytes))
    assert glued.endswith(b"}")
    check_laws(play(other.body, other.dialect))


@given(st.binary(max_size=9), st.data())
def test_corruptions(body: bytes, data: st.DataObject) -> None:
    """The size changes by no more than the places there are; an empty body can be corrupted too."""
    found = data.draw(corruptions(body, max_places=2))
    assert abs(len(found) - len(body)) <= 2


@pytest.mark.parametrize("wanted", [b"", b"a", b"\nab", b"a\n"])
def test_every_kind_of_corruption_is_drawn(wanted: bytes) -> None:
    """Bytes are missing, come beside it, and are others."""
    assert drawn(corruptions(b"ab", max_places=2), lambda found: found == wanted) == wanted


@given(st.binary(max_size=9), st.data())
def test_truncations(body: bytes, data: st.DataObject) -> None:
    """What is left is a beginning of the body."""
    assert body.startswith(data.draw(truncations(body)))


@given(streams(), st.data())
def test_heartbeats_change_nothing(stream: Stream, data: st.DataObject) -> None:
    """With signs of life anywhere between the events, a client makes of a stream what it makes without."""
    plain = play(stream.body, stream.dialect)
    run = play(data.draw(heartbeats(stream)), stream.dialect, strict=True)
    assert [event for event in run.events if not isinstance(event, Heartbeat)] == plain.events
    assert run.parser.response == plain.parser.response


def test_heartbeats_are_drawn_at_both_ends() -> None:
    """Signs of life come before the first event and behind the last."""
    for beat in HEARTBEATS:
        assert drawn(heartbeats(STREAM), lambda body, beat=beat: body == beat + STREAM.body)
    assert drawn(heartbeats(STREAM), lambda body: body == STREAM.body + b": ping\n\n")


@pytest.mark.parametrize("damage", [orderings, mistypings, gluings])
def test_a_stream_without_events_stays_one(damage: Callable[[Stream], st.SearchStrategy[Stream]]) -> None:
    """What happens to events cannot happen where there are none, and is no error."""
    assert drawn(damage(EMPTY), lambda stream: True) == EMPTY


def test_payloads_that_are_no_objects_stay() -> None:
    """Damage leaves data alone that are no object, and glues them as they stand."""
    stream = Stream("responses", (b"[DONE]", b"{}"))
    assert drawn(mistypings(stream), lambda found: True) == stream
    assert drawn(gluings(stream), lambda found: True).payloads == (b"[DONE]{}",)


@given(any_body(), damaged_bodies("chat"), garbage())
def test_bodies_of_any_kind(body: Body, damaged: Body, rest: bytes) -> None:
    """Whatever is drawn, of either dialect or of the one asked for, the laws hold of it."""
    assert body.dialect in TOLD_AS
    assert damaged.dialect == "chat"
    for dialect, data in (body, damaged, Body("responses", rest)):
        check_laws(play(data, dialect))


def test_every_kind_of_damage_is_drawn() -> None:
    """A damaged body is a stream cut off, or garbage, and both dialects are drawn."""
    for dialect in DIALECTS:
        assert drawn(damaged_bodies(), lambda body, of=dialect: body.dialect == of)
    assert drawn(damaged_bodies(), lambda body: body.data in NO_STREAMS and len(body.data) > 9)
    assert drawn(damaged_bodies("responses"), lambda body: b"}{" in body.data)


SMALLEST: dict[str, tuple[Callable[[Stream], bool], dict[str, Any]]] = {
    "text": (lambda stream: "é" in stream.text, {"text": "é", "calls": (), "reasoning": ""}),
    "call": (lambda stream: bool(stream.calls), {"text": "", "refusal": "", "reasoning": ""}),
    "reasoning": (lambda stream: bool(stream.reasoning), {"text": "", "calls": (), "reasoning": "0"}),
    "failure": (lambda stream: stream.outcome is Outcome.FAILED, {"text": "", "calls": ()}),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", SMALLEST)
def test_streams_shrink(dialect: str, case: str) -> None:
    """The smallest stream that has something has nothing else."""
    wanted, told = SMALLEST[case]
    stream = find(streams(dialect), wanted)
    assert {name: getattr(stream, name) for name in told} == told
    assert len(stream.payloads) <= 9
    assert stream.newline == b"\n"


# -------------------------------------------------------------------------------- who imports what, when


def test_the_library_imports_none_of_it() -> None:
    """Importing `deltafold` imports neither the kit nor Hypothesis; the builder needs no Hypothesis."""
    script = (
        "import sys, deltafold\n"
        "print([name for name in sys.modules if name.startswith(('deltafold.testing', 'hypothesis'))])\n"
        "import deltafold.testing\n"
        "print('hypothesis' in sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "[]\nFalse\n"


def test_without_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strategies without Hypothesis are an ImportError that says what to install."""
    monkeypatch.delitem(sys.modules, "deltafold.testing.strategies")
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=r'pip install "deltafold\[testing\]"'):
        importlib.import_module("deltafold.testing.strategies")


def test_settings_stay_as_they_are() -> None:
    """Importing the strategies changes no setting of Hypothesis."""
    script = (
        "from hypothesis import settings\n"
        "before = repr(settings()), settings.default\n"
        "import deltafold.testing.strategies\n"
        "assert (repr(settings()), settings.default) == before\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_call_is_complete_where_the_kit_says_so() -> None:
    """A call of a whole response may be run; that of a chat response that was cut short may not."""
    for dialect in DIALECTS:
        builder = StreamBuilder(dialect).call("tick", "{}")
        for stream, complete in (
            (builder.completed(), True),
            (builder.incomplete(), dialect == "responses"),
        ):
            parser = ResponseParser(dialect)
            parser.feed(stream.body)
            parser.close()
            assert len(list(parser.events())) > 3
            (call,) = calls_of(parser.response)
            assert isinstance(call, FunctionCall)
            assert call.complete is complete
