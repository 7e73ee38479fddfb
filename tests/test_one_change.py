"""What comes of one change of a stream, a stored response or a request, for every member in turn.

The snapshots say of each member what happens where it is absent, null, of another type, empty or someone
else's: which anomalies and losses there are more, and what is different in the response. The number in
parentheses stands for all of it: every event, every message, every byte that is written. A change of the
code that was to change nothing changes no line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import permutations
from typing import Any
from zlib import crc32

import pytest
from syrupy.assertion import SnapshotAssertion

import fixtures
from conversations import DIALECTS, answers_to
from deltafold import (
    Response,
    StreamEncoder,
    UsageError,
    chatgpt_request,
    convert_request,
    encode_response,
    estimated_usage,
    next_turn,
    parse,
)
from deltafold.encoding.encoder import SHAPES
from encoding.test_hostile_turns import WHOLE as RESPONSES
from encoding.test_whole_requests import WHOLE as REQUESTS
from fixtures import Fixture
from one_change import Outcome, Path, Report, Words, at, changed, changes_of, name_of, paths_in, report
from runs import JSON, check_laws, frames, play

pytestmark = pytest.mark.long

# ------------------------------------------------------------------------------------------------ streams

STREAMED = [one for one in fixtures.ALL if not one.is_stored and fixtures.payloads_of(one)]


def kind_of(payload: JSON) -> str:
    """What a payload is, where its wire says so."""
    kind = payload.get("type")
    return kind if isinstance(kind, str) else ""


def place_of(path: Path) -> str:
    """A place in a payload; entries of a list are all one."""
    return name_of(path, "[]")


@cache
def home_of_places(dialect: str) -> dict[tuple[str, str], str]:
    """The shortest fixture that has a member, by the kind of its payload and its place."""
    home: dict[tuple[str, str], str] = {}
    for fixture in sorted(STREAMED, key=lambda one: (len(one.body), one.name)):
        if fixture.dialect == dialect:
            for _, payload in fixtures.payloads_of(fixture):
                for place in ["", *map(place_of, paths_in(payload))]:
                    home.setdefault((kind_of(payload), place), fixture.name)
    return home


@cache
def words_of(dialect: str) -> Words:
    """The words of all fixtures of a dialect."""
    told = [fixtures.payloads_of(one) for one in STREAMED if one.dialect == dialect]
    return Words(payload for payloads in told for _, payload in payloads)


def changed_streams(fixture: Fixture) -> Iterator[tuple[str, str, list[JSON]]]:
    """The payloads of a fixture with one change each, of what no shorter fixture has."""
    payloads = [payload for _, payload in fixtures.payloads_of(fixture)]
    home, seen = home_of_places(fixture.dialect), set()
    for number, payload in enumerate(payloads):
        kind = kind_of(payload)
        if home[kind, ""] == fixture.name and kind not in seen:
            seen.add(kind)
            before, behind = payloads[:number], payloads[number + 1 :]
            yield kind, "not told", before + behind
            yield kind, "told twice", [*before, payload, payload, *behind]
            yield kind, "told last", [*before, *behind, payload]
            yield kind, "told first", [payload, *before, *behind]
            yield kind, "the last one", [*before, payload]
        for path in paths_in(payload):
            place = f"{kind} {place_of(path)}"
            if home[kind, place_of(path)] != fixture.name or place in seen:
                continue
            seen.add(place)
            value = at(payload, path)
            for change, new in changes_of(value, words_of(fixture.dialect).others(path, value)).items():
                yield (
                    place,
                    change,
                    [*payloads[:number], changed(payload, path, new), *payloads[number + 1 :]],
                )


def other_wire(place: str) -> str:
    """The wire on which a change at a place is written beside its own: all of them in turn."""
    return DIALECTS[crc32(place.encode()) % len(DIALECTS)]


def read_and_written(dialect: str, payloads: Sequence[JSON], other: str) -> Outcome:
    """What is read of payloads, and what of that is written on its own wire and on another."""
    run = play(frames(*payloads), dialect)
    check_laws(run)
    codes: list[str] = [found.code for found in run.anomalies]
    written: list[Any] = []
    for target in sorted({dialect, other}):
        encoder = StreamEncoder(target)
        written.append([encoder.encode(event) for event in run.events])
        codes += [f"{loss.code} on {target}" for loss in encoder.losses]
        written.append(encoder.losses)
    document = getattr(run.response, SHAPES[dialect])()
    return Outcome(codes, document, (run.everything, written))


HOMES = [one for one in STREAMED if one.name in home_of_places(one.dialect).values()]


@pytest.mark.parametrize("fixture", HOMES, ids=[f"{one.dialect}-{one.name}" for one in HOMES])
def test_of_a_stream(fixture: Fixture, snapshot: SnapshotAssertion) -> None:
    """It keeps the laws, and says what it always said."""
    payloads = [payload for _, payload in fixtures.payloads_of(fixture)]
    found = Report()
    before = {other: read_and_written(fixture.dialect, payloads, other) for other in DIALECTS}
    for place, change, made in changed_streams(fixture):
        other = other_wire(place)
        found.add(place, change, before[other], read_and_written(fixture.dialect, made, other))
    assert str(found) == snapshot


# ------------------------------------------------------------------------------------- stored responses


def answered(response: Response, target: str) -> Any:
    """The next turn, or why there is none."""
    try:
        return next_turn(response, target, *answers_to(response))
    except UsageError as error:
        return str(error)


def stored(dialect: str, body: JSON) -> Outcome:
    """What is read of a response that was stored, in every wire's form, and the next turn in each."""
    response = parse(json.dumps(body).encode(), dialect)
    forms = [encode_response(response, target) for target in DIALECTS]
    turns = [answered(response, target) for target in DIALECTS]
    codes: list[str] = [anomaly.code for anomaly in response.anomalies]
    told = (response.verdict, response.tool_calls, response.requires_action, str(response))
    return Outcome(codes, getattr(response, SHAPES[dialect])(), (response, told, forms, turns))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_of_a_stored_response(dialect: str, snapshot: SnapshotAssertion) -> None:
    """All that was stored stays, or is reported; the other forms and the next turn follow from that."""
    assert report(RESPONSES[dialect], partial(stored, dialect)) == snapshot


# ------------------------------------------------------------------------------------------------ requests


def converted(source: str, target: str, request: JSON) -> Outcome:
    """A request in the words of another API, or why it is none."""
    try:
        made = convert_request(request, source, target)
    except UsageError as error:
        return Outcome([], {}, (), str(error))
    return Outcome([f"{loss.code} {loss.path}" for loss in made.losses], made.request, made)


@pytest.mark.parametrize(("source", "target"), list(permutations(DIALECTS, 2)))
def test_of_a_request(source: str, target: str, snapshot: SnapshotAssertion) -> None:
    """A member is carried, or lost by its name, or is an error that names it."""
    assert report(REQUESTS[source], partial(converted, source, target)) == snapshot


def prepared(dialect: str, request: JSON) -> Outcome:
    """A request as the ChatGPT backend takes it, and about how many tokens it has, or why it is none."""
    try:
        made = chatgpt_request(request, "token", "account")
        estimate = estimated_usage(request, dialect, len)
    except UsageError as error:
        return Outcome([], {}, (), str(error))
    return Outcome([f"{loss.code} {loss.path}" for loss in made.losses], made.body, (made, estimate))


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_of_a_request_to_the_chatgpt_backend(dialect: str, snapshot: SnapshotAssertion) -> None:
    """What the backend does not take is lost by its name, and what it wants is there."""
    assert report(REQUESTS[dialect], partial(prepared, dialect)) == snapshot
