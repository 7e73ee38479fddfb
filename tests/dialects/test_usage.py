"""Usage on each wire: what a report says anew, what is handed out of it and when, and what it may cost."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import LimitExceeded, Limits, ResponseParser
from deltafold.dialects.anthropic.usage import UsageTotals
from deltafold.dialects.chat.usage import merge_usage
from deltafold.dialects.chat.writer import whole_usage
from deltafold.machine import make
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.testing import anthropic as a
from deltafold.testing import gemini as g
from runs import Run, chunk, frames, play, resumed, run

JSON = dict[str, Any]
MANY = {f"k{number}": number for number in range(64)}
"""As many members as any server may send before they wait for the end."""
BIG = "x" * 1000


def stream(dialect: str, *sent: Any) -> list[JSON]:
    """A stream of this wire in which these usages come, one after another."""
    if dialect == "anthropic":
        first, *rest = sent
        return [a.message_start(usage=first), *({**a.message_delta(None), "usage": more} for more in rest)]
    if dialect == "chat":
        return [chunk(choices=[], usage=more) for more in sent]
    return [g.candidates(usageMetadata=more) for more in sent]


def counted(dialect: str, *sent: Any, end: str = "none", **options: Any) -> Run:
    """A stream in which these usages come."""
    return run(*stream(dialect, *sent), dialect=dialect, end=end, **options)


def reported(found: Run) -> list[JSON]:
    """The usages that were handed out."""
    return [event.usage.to_dict() for event in found.all(e.UsageReported)]


COUNT = {"anthropic": "output_tokens", "chat": "completion_tokens", "gemini": "candidatesTokenCount"}
"""The member that counts what was generated."""


@pytest.mark.parametrize("dialect", COUNT)
def test_what_is_known_already_is_not_reported_again(dialect: str) -> None:
    """Nor is a report that says nothing."""
    name = COUNT[dialect]
    found = counted(dialect, {name: 2}, {name: 2}, {}, {name: 2}, None)
    assert reported(found) == [{name: 2}]
    assert AnomalyCode.INVALID_FIELD not in found.codes


@pytest.mark.parametrize("dialect", ["anthropic", "chat"])
def test_a_null_says_nothing_of_what_is_known(dialect: str) -> None:
    """It is kept where nothing else is known, a later value takes its place, and it takes none of one."""
    found = counted(dialect, {"a": 1}, {"a": None}, {"b": None}, {"b": None}, {"b": 2}, {"b": None})
    assert reported(found) == [{"a": 1}, {"a": 1, "b": None}, {"a": 1, "b": 2}]


@pytest.mark.parametrize("dialect", ["anthropic", "chat"])
def test_the_last_count_wins(dialect: str) -> None:
    """Also where it is less than the one before; what is left out stands."""
    found = counted(dialect, {"a": 5, "b": 1}, {"a": 3}, {"b": 0})
    assert reported(found) == [{"a": 5, "b": 1}, {"a": 3, "b": 1}, {"a": 3, "b": 0}]


def test_the_last_usage_of_gemini_replaces() -> None:
    """What is left out there is 0; one that counts nothing says more of the one before."""
    counts = {"promptTokenCount": 5, "candidatesTokenCount": 1}
    found = counted("gemini", counts, {"promptTokenCount": 4}, {"trafficType": "ON_DEMAND"})
    assert reported(found) == [
        counts,
        {"promptTokenCount": 4},
        {"promptTokenCount": 4, "trafficType": "ON_DEMAND"},
    ]
    # A null or 0 of a count is no news of it; of a count that nobody told it is.
    quiet = counted("gemini", counts, {"promptTokenCount": 0, "totalTokenCount": 0}, {"trafficType": None})
    assert reported(quiet) == [
        counts,
        {**counts, "totalTokenCount": 0},
        {**counts, "totalTokenCount": 0, "trafficType": None},
    ]


@pytest.mark.parametrize("dialect", COUNT)
@pytest.mark.parametrize("odd", [5, "many", [1], True])
def test_a_usage_that_is_none(dialect: str, odd: Any) -> None:
    """It counts nothing; where the wire has an object there, that is told."""
    found = counted(dialect, {COUNT[dialect]: 1}, odd)
    assert reported(found) == [{COUNT[dialect]: 1}]
    member = {"anthropic": "usage", "chat": "", "gemini": "usageMetadata"}[dialect]
    told = [(AnomalyCode.INVALID_FIELD, f"{member} is {odd!r}")] if member else []
    assert [(anomaly.code, anomaly.message) for anomaly in found.anomalies] == told


@pytest.mark.parametrize(
    "name", ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"]
)
@pytest.mark.parametrize("odd", ["many", [], 1.5, True])
def test_a_count_of_anthropics_that_is_none(name: str, odd: Any) -> None:
    """It is left out and told; the others count, and a null is no such."""
    found = counted("anthropic", {name: odd, "other": odd, "service_tier": "x"})
    assert reported(found) == [{"other": odd, "service_tier": "x"}]
    assert [(anomaly.code, anomaly.message.split()[0]) for anomaly in found.anomalies] == [
        (AnomalyCode.INVALID_FIELD, name)
    ]
    assert reported(counted("anthropic", {name: None})) == [{name: None}]


@pytest.mark.parametrize("dialect", COUNT)
def test_how_many_members_are_handed_out_at_once(dialect: str) -> None:
    """Of more than 64, the counts alone or none at all; all of them with the end."""
    name = COUNT[dialect]
    all_but_one = {key: MANY[key] for key in [*MANY][1:]}
    few = counted(dialect, {**all_but_one, name: 1}, {name: 2}, end="close")
    assert [len(usage) for usage in reported(few)] == ([64, 1] if dialect == "gemini" else [64, 64])
    many = counted(dialect, {**MANY, name: 1}, {name: 2})
    at_once = {"anthropic": [{name: 1}, {name: 2}], "chat": [], "gemini": [{name: 2}]}
    assert reported(many) == at_once[dialect]
    ended = counted(dialect, {**MANY, name: 1}, {name: 2}, end="close")
    if dialect == "gemini":
        assert reported(ended)[-1] == {name: 2}
    else:
        assert reported(ended)[-1] == {**MANY, name: 2}
        assert sum(len(usage) > 1 for usage in reported(ended)) == 1


def test_which_counts_of_anthropics_are_handed_out_of_many() -> None:
    """Those of which this library tells what they mean."""
    counts = {
        "input_tokens": 1,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 3,
        "output_tokens": 4,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    assert reported(counted("anthropic", {**MANY, **counts})) == [counts]


@pytest.mark.parametrize(("dialect", "before"), [("anthropic", 0), ("chat", 450)])
def test_what_waits_of_a_usage_is_counted(dialect: str, before: int) -> None:
    """It may not grow beyond what a text may; what takes the place of another value counts what it adds.

    On Chat Completions nothing of so many is handed out, so that those before wait as well.
    """
    start = {**MANY, "k64": 0, "k65": 0}
    long, short = "y" * 1100, "z" * 900
    counted(
        dialect, start, {"big": BIG}, {"big": long}, {"big": short}, limits=Limits(text_size=before + 1200)
    )
    for sent, most in (([BIG], before + 950), ([BIG, BIG * 2], before + 1500)):
        with pytest.raises(LimitExceeded) as fault:
            counted(dialect, start, *({"big": big} for big in sent), limits=Limits(text_size=most))
        assert fault.value.limit == "text_size"
    # What is handed out at once is kept by whoever took it.
    few = {key: MANY[key] for key in [*MANY][1 if dialect == "chat" else 0 :]}
    counted(dialect, few, {"big": BIG}, limits=Limits(text_size=950))


def test_what_gemini_says_beside_its_counts_is_counted() -> None:
    """A usage that counts nothing adds to the one before."""
    with pytest.raises(LimitExceeded):
        counted("gemini", {"trafficType": BIG}, limits=Limits(text_size=950))
    counted("gemini", {"trafficType": BIG}, {"trafficType": "y" * 1000}, limits=Limits(text_size=1100))
    many = {"promptTokenCount": 1, **MANY}
    found = counted("gemini", many, {"trafficType": "x"}, {"trafficType": "y"}, end="close")
    assert reported(found) == [{**many, "trafficType": "y"}]


@pytest.mark.parametrize(
    ("known", "sent", "more", "after"),
    [
        ({}, {}, None, {}),
        ({}, {"ab": 1}, 6, {"ab": 1}),
        ({}, {"ab": "xyz"}, 5, {"ab": "xyz"}),
        ({}, {"ab": None}, 6, {"ab": None}),
        ({"ab": 1}, {"ab": 1}, None, {"ab": 1}),
        ({"ab": 1}, {"ab": None}, None, {"ab": 1}),
        ({"ab": None}, {"ab": None}, None, {"ab": None}),
        ({"ab": 1}, {"ab": 2}, 0, {"ab": 2}),
        ({"ab": "x"}, {"ab": "xyz"}, 2, {"ab": "xyz"}),
        ({"ab": "xyz"}, {"ab": "x"}, -2, {"ab": "x"}),
        ({}, {"a": "x", "b": "yy"}, 5, {"a": "x", "b": "yy"}),
        ({"a": {"b": "x"}}, {"a": {"b": "xyz", "cd": "y"}}, 5, {"a": {"b": "xyz", "cd": "y"}}),
        ({"a": {"b": "x"}}, {"a": {"b": "x"}, "c": "y"}, 2, {"a": {"b": "x"}, "c": "y"}),
        ({"a": {"b": "x"}}, {"a": {"b": "x"}}, None, {"a": {"b": "x"}}),
        ({"a": "xy"}, {"a": {}}, 2, {"a": {}}),
        ({"a": {}}, {"a": "xy"}, -2, {"a": "xy"}),
    ],
)
def test_counts_laid_over_others(known: JSON, sent: JSON, more: int | None, after: JSON) -> None:
    """Member by member, at any depth; and by how many characters more is known, if anything is new."""
    assert merge_usage(known, sent) == more
    assert known == after


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("counts", "written"),
    [
        ((3, 4, 9), (3, 4, 9)),
        ((3, 4, 0), (3, 4, 0)),
        ((3, 4, None), (3, 4, 7)),
        ((None, 4, None), (0, 4, 4)),
        ((3, None, None), (3, 0, 3)),
        ((None, None, None), (0, 0, 0)),
    ],
)
def test_the_counts_that_chat_requires(own: bool, counts: Any, written: tuple[int, int, int]) -> None:
    """Each is there; a total that was told stands, and else it is the sum."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    usage = make.usage(*counts, None, None, None, {})
    assert whole_usage(usage, own=own) == dict(zip(names, written, strict=True))
    odd = make.usage(*counts, None, None, None, {"prompt_tokens": "3", "total_tokens": None, "cost": 1})
    told = whole_usage(odd, own=True)
    assert (told.pop("cost"), told) == (1, dict(zip(names, written, strict=True)))


def test_metrics_of_bedrock_count_where_nothing_else_does() -> None:
    """One count of the two is enough; what else they measure is none."""
    for metrics, counts in (
        (
            {"inputTokenCount": 4, "outputTokenCount": 3, "firstByteLatency": 1},
            {"input_tokens": 4, "output_tokens": 3},
        ),
        ({"inputTokenCount": 4}, {"input_tokens": 4}),
        ({"outputTokenCount": 3}, {"output_tokens": 3}),
        ({"outputTokenCount": 0, "inputTokenCount": None}, {"output_tokens": 0}),
        ({"firstByteLatency": 1}, None),
        (7, None),
    ):
        stop = a.message_stop(**{"amazon-bedrock-invocationMetrics": metrics})
        begun = a.message_start(usage=None)
        found = run(begun, {**a.message_delta(), "usage": None}, stop, dialect="anthropic")
        assert reported(found) == ([] if counts is None else [counts])
        known = run(
            a.message_start(usage={"a": 1}), {**a.message_delta(), "usage": None}, stop, dialect="anthropic"
        )
        assert reported(known) == [{"a": 1}]


def test_the_totals_of_a_message_are_in_a_snapshot() -> None:
    """Under the name that they have there."""
    assert UsageTotals.SNAPSHOT_FIELDS == ("known",)


PIECES: dict[str, JSON] = {
    "text": g.text("Hi"),
    "thought": g.thought("Hm"),
    "arguments": g.call(None, partialArgs=[g.piece("$.a", "x", more=True)], willContinue=True),
}


@pytest.mark.parametrize("kind", PIECES)
@pytest.mark.parametrize("whole", [True, False])
def test_a_usage_of_gemini_waits_for_more_than_text(kind: str, whole: bool) -> None:
    """The counts of a chunk that is one piece of text wait for a chunk that is more."""
    counts = [{"promptTokenCount": 3, "candidatesTokenCount": at} for at in range(7)]
    begun = g.call("f", willContinue=True) if kind == "arguments" else PIECES[kind]
    sent = [
        {**g.chunk(begun), "usageMetadata": counts[1]},
        *({**g.chunk(PIECES[kind]), "usageMetadata": counts[at]} for at in (2, 3, 3, 4)),
        {**g.chunk(PIECES[kind]), "usageMetadata": {"trafficType": "ON_DEMAND"}},
        g.chunk(PIECES[kind], PIECES[kind]),
        {**g.chunk(PIECES[kind]), "usageMetadata": counts[5]},
        {**g.chunk(finishReason="STOP"), "usageMetadata": counts[6]},
    ]
    expected = [counts[1], {**counts[4], "trafficType": "ON_DEMAND"}, counts[6]]
    for resuming in (False, True):
        parser, events, before = ResponseParser("gemini"), [], []
        for payload in sent:
            if whole:
                parser.feed_payload(payload)
            else:
                parser.feed(frames(payload))
            events += parser.events()
            before.append(sum(isinstance(event, e.UsageReported) for event in events))
            if resuming:
                parser = resumed(parser)
        parser.close()
        events += parser.events()
        assert reported(Run(events, parser)) == expected
        assert before == [1, 1, 1, 1, 1, 1, 2, 2, 3]


def test_a_usage_of_gemini_that_waits_when_the_stream_ends() -> None:
    """It is handed out with the end."""
    sent = [{**g.chunk(g.text("Hi")), "usageMetadata": {"candidatesTokenCount": at}} for at in range(1, 9)]
    for found in (run(*sent, dialect="gemini"), play(frames(*sent), "gemini")):
        assert reported(found) == [{"candidatesTokenCount": 1}, {"candidatesTokenCount": 8}]
        assert isinstance(found.events[-1], e.ResponseFinished)


def test_a_usage_of_gemini_that_repeats_itself() -> None:
    """What counts nothing and says nothing new is no news, nor is what was told before."""
    counts = {"promptTokenCount": 3, "trafficType": "ON_DEMAND"}
    found = counted("gemini", counts, {"trafficType": "ON_DEMAND"}, counts, {}, {"promptTokenCount": None})
    assert reported(found) == [counts]
    large = {**MANY, "promptTokenCount": 1}
    for more in ({"x": 1}, {"k1": None}):
        told = counted("gemini", large, more, {"y": 1}, end="close")
        assert reported(told) == [{**large, **more, "y": 1}]
    # It costs nothing either, however often it comes.
    again = [{"trafficType": "ON_DEMAND", "promptTokenCount": 0}] * 100
    counted("gemini", counts, *again, limits=Limits(text_size=200))


def test_a_usage_of_gemini_that_more_is_said_of() -> None:
    """What was handed out stays as it was."""
    most = {"promptTokenCount": 1, **{key: MANY[key] for key in [*MANY][1:]}}
    found = counted("gemini", most, {"trafficType": "ON_DEMAND"}, end="close")
    assert reported(found) == [most, {**most, "trafficType": "ON_DEMAND"}]
