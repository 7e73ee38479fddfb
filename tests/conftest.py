"""Hypothesis profiles: `fast` by default, `--hypothesis-profile=thorough` for a long run."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

# The default run gives the same result every time; a long run looks for what it has not seen yet.
settings.register_profile(
    "fast", max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW
)
settings.register_profile("thorough", max_examples=5000, deadline=None, suppress_health_check=SLOW)
settings.load_profile("fast")


def pytest_collection_finish() -> None:
    """The tests stay until the end: the garbage collector need not look at them again and again.

    Nor at all else so often: that took an eighth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
