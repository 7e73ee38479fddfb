"""The official SDKs of Python, unmodified, in front of the gateway, with each API behind it."""

from __future__ import annotations

import pytest

from real_clients.sdks import SDKS, Sdk
from real_clients.stage import SCENARIOS, WIRES, Scenario, Stage, verdict


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("behind", WIRES)
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_an_sdk_reads_what_the_gateway_writes(
    stage: Stage, sdk: Sdk, behind: str, scenario: Scenario
) -> None:
    """Text comes whole, a tool is called and answered, and nothing that broke is taken for whole."""
    pytest.importorskip(sdk.package, reason=f"{sdk.package} is not installed")
    play = stage.play(scenario)
    assert verdict(play, sdk.run(stage.gateways[behind], play.key)) == ""
    assert not play.unstreamed
