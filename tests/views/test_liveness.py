"""Signs of life: what an event says of whether the server is still at work."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given

from deltafold import Event, Heartbeat, ItemProgress, Notice, Sign, TextDelta, UnknownEvent, sign_of
from deltafold.machine.lifecycle import STREAM_EVENTS as BESIDE
from deltafold.testing import Stream
from deltafold.testing.payloads import created, value
from deltafold.testing.strategies import streams
from deltafold.views.liveness import STREAM_EVENTS
from runs import frames, play


def test_every_event_is_a_sign() -> None:
    """Each class of event is a sign of just one kind, and no other class is."""
    assert set(STREAM_EVENTS) == set(get_args(Event))


def test_what_is_of_the_stream_is_a_sign_of_life() -> None:
    """Events that belong to the stream, not to the response, are signs of life and nothing more."""
    assert {kind for kind, sign in STREAM_EVENTS.items() if sign is Sign.LIFE} == set(BESIDE)


@pytest.mark.parametrize(
    ("event", "sign"),
    [
        (Heartbeat("comment", "ping"), Sign.LIFE),
        (UnknownEvent("acme:thing", {}), Sign.LIFE),
        (Notice("response.metadata", {}), Sign.LIFE),
        (ItemProgress(0, "searching"), Sign.PROGRESS),
        (TextDelta(0, 0, "x"), Sign.CONTENT),
    ],
)
def test_sign_of(event: Event, sign: Sign) -> None:
    """Heartbeats say that somebody is there, progress that the server works, deltas that the answer comes."""
    assert sign_of(event) is sign


def test_what_says_nothing_is_no_progress() -> None:
    """Keepalives, pings and chunks with nothing in them are no progress."""
    searching = value("web_search_call.searching", 0, item_id="ws_1")
    body = b": ping\n\n" + frames({"type": "keepalive"}, {"type": "ping"}) + b"event: ping\n\n"
    assert {sign_of(event) for event in play(body, close=False).events} == {Sign.LIFE}
    assert {sign_of(event) for event in play(frames(created(), searching), close=False).events} == {
        Sign.PROGRESS
    }
    role = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
    assert len(play(frames(role, role, role), "chat", close=False).events) == 1


@given(streams())
def test_a_stream_ends_with_content(stream: Stream) -> None:
    """Whoever waits for content alone sees the end as well."""
    signs = [sign_of(event) for event in play(stream.body, stream.dialect).events]
    assert signs[-1] is Sign.CONTENT
