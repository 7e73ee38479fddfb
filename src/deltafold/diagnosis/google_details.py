"""The `details` of a google.rpc.Status: ErrorInfo, RetryInfo, QuotaFailure.

They name the quotas that were exceeded, and say when to ask again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deltafold.diagnosis.error_fields import mappings_in, str_of
from deltafold.diagnosis.rate_limits import duration_of, timestamp_of

__all__ = ["DAILY", "SHORT", "details_of", "google_delay", "google_quotas", "google_reset"]

# What Google calls a quota of a day, in `quotaId` or `quota_limit`, and what one that is soon whole again.
DAILY = re.compile(r"per_?day|daily", re.IGNORECASE)
SHORT = re.compile(r"per_?(?:second|minute|hour)", re.IGNORECASE)


def details_of(layers: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Google's `details`: ErrorInfo, RetryInfo, QuotaFailure."""
    for layer in layers:
        yield from mappings_in(layer.get("details"))


def google_quotas(layers: list[Mapping[str, Any]]) -> Iterator[str]:
    """The names of the quotas that Google says were exceeded, in QuotaFailure and ErrorInfo."""
    for detail in details_of(layers):
        for violation in mappings_in(detail.get("violations")):
            yield str_of(violation.get("quotaId"))
            yield str_of(violation.get("quotaMetric"))
        for metadata in mappings_in(detail.get("metadata")):
            yield str_of(metadata.get("quota_limit"))


def google_delay(layers: list[Mapping[str, Any]]) -> float | None:
    """Seconds of Google's RetryInfo, else of `quotaResetDelay` in its ErrorInfo."""
    details = list(details_of(layers))
    sent = [detail.get("retryDelay") for detail in details]
    sent += [inner.get("quotaResetDelay") for e in details for inner in mappings_in(e.get("metadata"))]
    delays = (duration_of(delay) for delay in sent if isinstance(delay, str))
    return next((delay for delay in delays if delay is not None), None)


def google_reset(layers: list[Mapping[str, Any]]) -> float | None:
    """The moment of `quotaResetTimeStamp` in Google's ErrorInfo."""
    inner = (found for e in details_of(layers) for found in mappings_in(e.get("metadata")))
    moments = (timestamp_of(found.get("quotaResetTimeStamp")) for found in inner)
    return next((moment for moment in moments if moment is not None), None)
