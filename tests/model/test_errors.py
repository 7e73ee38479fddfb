"""The exceptions, the table of anomalies, and what errors say."""

from __future__ import annotations

import attrs
import pytest

from deltafold.model.anomalies import ANOMALIES, Anomaly, AnomalyCode
from deltafold.model.errors import (
    DeltafoldError,
    ErrorKind,
    LimitExceeded,
    ResponseError,
    UsageError,
    WireError,
)
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome, Response, ResponseFailed


def test_every_code_has_one_row() -> None:
    """The table is total over the codes, in their order, and each row says something."""
    assert list(ANOMALIES) == list(AnomalyCode)
    for rule in ANOMALIES.values():
        assert rule.meaning.endswith(".")
        assert rule.lenient.endswith(".")
        assert isinstance(rule.strict, bool)


def test_codes_are_words() -> None:
    """A code is its own name in small letters, so that it can be written anywhere."""
    for code in AnomalyCode:
        assert code == code.name.lower() == str(code)


def test_the_tree() -> None:
    """Few exceptions, in one tree, and none of the wire's faults is the caller's."""
    assert issubclass(LimitExceeded, WireError)
    assert not issubclass(WireError, UsageError)
    for kind in (UsageError, WireError, ResponseFailed):
        assert issubclass(kind, DeltafoldError)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "a_code: what"),
        ({"event_index": 0}, "a_code in event 0: what"),
        ({"offset": 5}, "a_code at byte 5: what"),
        ({"offset": 0, "event_index": 7, "excerpt": "x\n"}, "a_code in event 7 at byte 0: what: 'x\\n'"),
    ],
)
def test_a_wire_error_says_where(fields: dict[str, object], text: str) -> None:
    """A `WireError` names code, event, byte and excerpt, as far as it knows them, in words and as fields."""
    error = WireError("what", code="a_code", **fields)  # type: ignore[arg-type]
    assert str(error) == text
    assert (error.message, error.code) == ("what", "a_code")
    for name in ("offset", "event_index"):
        assert getattr(error, name) == fields.get(name)
    assert error.excerpt == fields.get("excerpt", "")


@pytest.mark.parametrize("limit", [field.name for field in attrs.fields(Limits)])
def test_a_limit_names_itself(limit: str) -> None:
    """`LimitExceeded` names the field of `Limits` and its value, and where it was passed."""
    value = getattr(Limits(), limit)
    error = LimitExceeded(limit, value, offset=3, event_index=1)
    assert (error.limit, error.value, error.code) == (limit, value, "limit_exceeded")
    assert str(error) == f"limit_exceeded in event 1 at byte 3: more than the {value} of Limits.{limit}"


def test_limits_are_said_by_name() -> None:
    """Limits are positive, cannot be changed, and are given by keyword only."""
    assert all(value > 0 for value in attrs.astuple(Limits()))
    with pytest.raises(TypeError):
        Limits(5)  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Limits().items = 5  # type: ignore[misc]


def test_an_image_fits() -> None:
    """The defaults let an event of 4 MB pass."""
    assert min(Limits().line_bytes, Limits().event_bytes, Limits().text_size) > 4_000_000


def test_response_error_defaults() -> None:
    """Of an error only the kind is sure; what the server did not tell is None, and never 0."""
    error = ResponseError(ErrorKind.UNKNOWN)
    assert (error.message, error.code, error.type, error.param, error.status) == (None,) * 5
    assert (error.retry_after, error.resets_at, error.raw, error.retryable) == (None, None, None, False)
    assert "raw" not in repr(attrs.evolve(error, raw={"a": "secret"}))


def response(outcome: Outcome, error: ResponseError | None) -> Response:
    """A response that ended somehow."""
    return Response(None, None, None, outcome, (), None, error, None, None, {})


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "the response failed"),
        (ResponseError(ErrorKind.UNKNOWN), "the response failed"),
        (ResponseError(ErrorKind.UNKNOWN, "no luck"), "the response failed: no luck"),
    ],
)
def test_response_failed(error: ResponseError | None, text: str) -> None:
    """`ResponseFailed` carries the response and its error, and says what the server said."""
    failed = ResponseFailed(response(Outcome.FAILED, error))
    assert str(failed) == text
    assert failed.error is error
    assert failed.response.outcome is Outcome.FAILED


def test_an_anomaly_is_a_value() -> None:
    """Anomalies compare by what they say."""
    assert Anomaly(AnomalyCode.SEQUENCE_GAP, "x", 1, 2) == Anomaly(AnomalyCode.SEQUENCE_GAP, "x", 1, 2)
    assert len({Anomaly(AnomalyCode.SEQUENCE_GAP, "x"), Anomaly(AnomalyCode.SEQUENCE_GAP, "x")}) == 1
