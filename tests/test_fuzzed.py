"""What fuzzing found (`tests/fuzz/run.py`), each in its smallest form."""

from __future__ import annotations

from deltafold import ResponseParser
from strategies import Run, check_laws, drain, play
from wire import resumed


def test_a_type_in_the_event_name_decides_the_dialect() -> None:
    """An event that begins a response decides the dialect, also where only the event name tells its type."""
    run = play(b'event: response.output_item.added\ndata: {}\n\ndata: {"choices":[]}\n\n', "auto")
    check_laws(run)


def test_a_decided_dialect_is_the_same_after_a_snapshot() -> None:
    """A payload of the other dialect is read in the same way before and after a snapshot."""
    bodies = b'data: {"type":"response."}\n\n', b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n'
    whole = play(bodies, "auto")
    parser = ResponseParser("auto")
    parser.feed(bodies[0])
    events = list(parser.events())
    parser = resumed(parser)
    parser.feed(bodies[1])
    parser.close()
    fault = drain(parser, events)
    assert Run(events, fault, parser).told == whole.told


def test_a_response_object_decides_the_dialect() -> None:
    """What begins a response decides the dialect, also where it is a response object without a type."""
    run = play(b'data: {"object":"response","status":"in_progress"}\n\ndata: {"choices":[]}\n\n', "auto")
    check_laws(run)


def test_half_a_pair_where_no_fragment_is() -> None:
    """Half a pair in a response's own field becomes U+FFFD, whatever the field is called."""
    run = play(b'{"object":"response","delta":"\\ud83d"}')
    check_laws(run)


def test_half_a_pair_in_an_unknown_event() -> None:
    """The same holds for events that nobody knows, and for the first chunk of a dialect still to be told."""
    check_laws(play(b'data: {"type":"acme:x","delta":"\\ud83d"}\n\n'))
    check_laws(play(b'data: {"choices":[],"delta":"\\ud83d"}\n\n', "auto"))
    check_laws(play(b'{"choices":[],"delta":"\\ud83d"}', "auto"))
