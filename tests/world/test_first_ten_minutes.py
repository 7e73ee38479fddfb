"""The newcomer's path: what the page shows is what is to be seen."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import docs
from deltafold.__main__ import main
from world.examples import load
from world.said import request
from world.server import stage

httpx, *_ = [pytest.importorskip(package) for package in ("httpx", "starlette", "uvicorn")]


def test_the_first_ten_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The capture of the page, replayed behind a gateway, gives the lines that stand in the page."""
    page = (docs.ROOT / "docs" / "first-ten-minutes.md").read_text(encoding="utf-8")
    path = "fixtures/responses/showcase.sse"
    assert page.count(path) == 2
    gateway = load("gateway")
    caplog.set_level(logging.INFO, "gateway")
    replay = load("replay").make_app((docs.ROOT / path).read_bytes(), pause=0)
    with stage() as behind, stage() as front, behind.playing(replay) as url:
        settings = gateway.Settings(upstream_url=f"{url}/v1")
        with front.playing(gateway.make_app(settings)) as url:
            asked = request("anthropic", stream=True, model="any")
            answer = httpx.post(f"{url}/v1/messages", json=asked, timeout=20, trust_env=False)
    (tmp_path / "answer.sse").write_bytes(answer.content)
    assert main([str(tmp_path / "answer.sse")]) == 0
    shown, logged = docs.code_blocks(page, "text")
    seen = capsys.readouterr().out.splitlines()
    assert [line for line in shown.splitlines() if line not in seen] == []
    said, _, _ = logged.partition(" first=")
    assert [
        record.getMessage().partition(" first=")[0] for record in caplog.records if record.name == "gateway"
    ] == [said]
    assert "losses={'annotation_unsupported': 1} error=''" in logged
    assert "losses={'annotation_unsupported': 1} error=''" in caplog.text
