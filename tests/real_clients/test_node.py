"""The clients for Node.js, unmodified, in front of the gateway, with each API behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from real_clients.sdks import ABOUT, SCHEMA
from real_clients.stage import RESULT, SCENARIOS, TOOL, WIRES, Seen, Stage, canonical, verdict

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the clients are installed; DELTAFOLD_NODE_CLIENTS names one that is kept."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    kept = os.environ.get("DELTAFOLD_NODE_CLIENTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("node")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "clients.mjs"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install the clients in three minutes")
    if done.returncode:
        pytest.skip(f"npm cannot install the clients: {done.stderr.strip()[-300:]}")
    return folder


def node(folder: Path, *options: str, told: Any = None) -> list[Any]:
    """The lines that the clients print."""
    done = subprocess.run(
        ["node", "clients.mjs", *options],
        cwd=folder,
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_clients_for_node_read_what_the_gateway_writes(stage: Stage, folder: Path) -> None:
    """Text comes whole, a tool is called and answered, and nothing that broke is taken for whole."""
    runs = [
        (client, behind, stage.play(scenario))
        for client in node(folder, "--names")
        for behind in WIRES
        for scenario in SCENARIOS
    ]
    asked = [
        {"client": client["name"], "base": stage.gateways[behind], "key": play.key}
        for client, behind, play in runs
    ]
    told = {"tool": TOOL, "about": ABOUT, "schema": SCHEMA, "result": RESULT, "runs": asked}
    seen = node(folder, told=told)
    assert len(seen) == len(runs)
    wrong = {}
    for (client, behind, play), found in zip(runs, seen, strict=True):
        ran = tuple(canonical(given) for given in found["ran"])
        word = verdict(play, Seen(found["text"], found["error"], ran))
        if word or play.unstreamed:
            wrong[f"{client['name']}, {behind} behind, {play.scenario}"] = word or "it asked unstreamed"
    assert wrong == {}
