"""Other people's programs in front of the gateway: `python tests/real_clients/survey.py [NAME …]`.

Each is installed from its registry into a folder of its own, pointed at a gateway on this machine, and goes
through the scenarios of `stage.py` with each API behind it. No program needs a key or asks the internet for
an answer; Node.js and a network to install from are needed. It wants `pip install -e '.[world]'`.

    --folder DIR   where they are installed, to be kept (a temporary folder otherwise)
    --behind WIRE  only this API behind; may be repeated
    --json FILE    every result, with what went wrong
    --write        puts the table into docs/clients.md
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

sys.path.insert(0, str(Path(__file__).parents[1]))

from real_clients.sdks import ABOUT, SCHEMA
from real_clients.stage import (
    ARGUMENTS,
    NO_REASON,
    RESULT,
    ROOT,
    SCENARIOS,
    TOOL,
    WIRES,
    Play,
    Scenario,
    Seen,
    Stage,
    canonical,
    staged,
    verdict,
)

HERE: Final = Path(__file__).parent
PAGE: Final = ROOT / "docs" / "clients.md"
TABLE: Final = re.compile(r"(<!-- surveyed -->\n\n).*?(<!-- end: surveyed -->)", re.DOTALL)
SHELL: Final = f"echo '{RESULT}'"
"""What a program that runs commands is asked to run."""


@attrs.frozen
class Client:
    """A program, or one way to use a library."""

    name: str
    wire: str
    package: str
    """From npm or from PyPI."""
    registry: str
    run: Callable[[Client, Path, list[tuple[str, Play]]], Iterator[Seen]]
    """Given the folder in which it is installed, and gateways with plays."""
    tool: str = TOOL
    arguments: str = ARGUMENTS
    scenarios: tuple[Scenario, ...] = SCENARIOS
    with_it: tuple[str, ...] = ()
    """Packages that are installed beside it."""

    @property
    def folder(self) -> str:
        return re.sub(r"\W+", "-", self.package).strip("-")


# --------------------------------------------------------------------------------------------- installing


def install(client: Client, folder: Path) -> None:
    """Installs a client, unless it is there. Raises `CalledProcessError` where it cannot be had."""
    folder.mkdir(parents=True, exist_ok=True)
    if client.registry == "npm":
        if not (folder / "node_modules" / client.package / "package.json").exists():
            (folder / "package.json").write_text('{"private": true}')
            quiet(["npm", "install", "--no-audit", "--no-fund", client.package], folder)
    elif not (folder / "installed").exists():
        venv.create(folder, with_pip=True)
        quiet([bin_of(folder, "python"), "-m", "pip", "install", client.package, *client.with_it], folder)
        (folder / "installed").touch()


def quiet(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=1200)


def bin_of(folder: Path, program: str) -> str:
    """A program of a virtual environment."""
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / program)


def version(client: Client, folder: Path) -> str:
    """Which version of the package is installed."""
    if client.registry == "npm":
        found = json.loads((folder / "node_modules" / client.package / "package.json").read_text())["version"]
        return str(found)
    name = re.sub(r"\[.*", "", client.package)
    script = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run(
        [bin_of(folder, "python"), "-c", script], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


# ------------------------------------------------------------------------------------------------ running


def start(
    command: list[str], home: Path, *, timeout: float = 180, **more: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program with a home of its own, and nothing of ours in its environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "NO_COLOR": "1", **more}
    for name in ("SSL_CERT_FILE", "SYSTEMROOT", "TMPDIR"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return subprocess.run(
        command,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    """The objects among the lines of an output."""
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def one_by_one(
    read: Callable[[Client, Path, Path, str, Play], Seen],
) -> Callable[[Client, Path, list[tuple[str, Play]]], Iterator[Seen]]:
    """A program that is started for each play, in an empty folder, which is its home too."""

    def run(client: Client, folder: Path, plays: list[tuple[str, Play]]) -> Iterator[Seen]:
        for base, play in plays:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
                try:
                    yield read(client, folder, Path(home), base, play)
                except subprocess.TimeoutExpired:
                    asked = len(play.asked)
                    yield Seen(error=f"{AGAIN}, {asked} times" if asked > 2 else "it did not come to an end")

    return run


def library(client: Client, folder: Path, plays: list[tuple[str, Play]]) -> Iterator[Seen]:
    """A library of Python, in one process for all plays."""
    runs = [{"base": base, "key": play.key} for base, play in plays]
    told = {"tool": TOOL, "about": ABOUT, "schema": SCHEMA, "result": RESULT, "runs": runs}
    done = subprocess.run(
        [bin_of(folder, "python"), str(HERE / "libraries.py"), client.name],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = json_lines(done.stdout)
    if len(lines) != len(plays):
        raise RuntimeError(done.stderr[-500:])
    for line in lines:
        yield Seen(line["text"], line["error"], tuple(canonical(given) for given in line["ran"]))


def codex(client: Client, folder: Path, home: Path, base: str, play: Play) -> Seen:
    """Codex CLI. Its first `error` item says only that it does not know the model."""
    (home / ".codex").mkdir()
    provider = (
        f'{{name="gateway",base_url="{base}/v1",wire_api="responses",env_key="KEY",'
        "stream_max_retries=0,request_max_retries=0}"
    )
    done = start(
        [
            *(str(folder / "node_modules" / ".bin" / "codex"), "exec", "--json", "--skip-git-repo-check"),
            *("--sandbox", "danger-full-access", "-m", "gpt-5.1", "-c", 'model_provider="gateway"'),
            *("-c", f"model_providers.gateway={provider}", "hi"),
        ],
        home,
        CODEX_HOME=str(home / ".codex"),
        KEY=play.key,
    )
    text, ran, errors = "", [], []
    for line in json_lines(done.stdout):
        item = line.get("item", {})
        if line["type"] == "item.completed" and item["type"] == "agent_message":
            text = item["text"]
        if line["type"] == "item.completed" and item["type"] == "command_execution":
            ran += [canonical(play.arguments)] if RESULT in item["aggregated_output"] else []
        if line["type"] in ("turn.failed", "error"):
            errors.append(json.dumps(line, ensure_ascii=False))
    return Seen(text, errors[-1] if errors else exit_of(done), tuple(ran))


def gemini_cli(client: Client, folder: Path, home: Path, base: str, play: Play) -> Seen:
    """Gemini CLI. It lists a folder, in which there is a file with the result's name."""
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"disableAutoUpdate": True},
    }
    (home / ".gemini").mkdir()
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    (home / RESULT).touch()
    done = start(
        [
            *(str(folder / "node_modules" / ".bin" / "gemini"), "-p", "hi", "-m", "gemini-2.5-flash"),
            *("--output-format", "stream-json", "--approval-mode", "yolo"),
        ],
        home,
        GEMINI_API_KEY=play.key,
        GOOGLE_GEMINI_BASE_URL=base,
        GEMINI_CLI_TRUST_WORKSPACE="true",
    )
    text, ran, error = "", [], None
    for line in json_lines(done.stdout):
        if line["type"] == "message" and line["role"] == "assistant":
            text += line["content"]
        elif line["type"] == "tool_use":
            ran.append(canonical(line["parameters"]))
        elif line["type"] == "error" or (line["type"] == "result" and line["status"] != "success"):
            error = json.dumps(line, ensure_ascii=False)
    return Seen(text, error or exit_of(done), tuple(ran))


def opencode(client: Client, folder: Path, home: Path, base: str, play: Play) -> Seen:
    """opencode, with the AI SDK's provider of each wire inside."""
    module, path = {
        "responses": ("@ai-sdk/openai", "/v1"),
        "chat": ("@ai-sdk/openai-compatible", "/v1"),
        "anthropic": ("@ai-sdk/anthropic", "/v1"),
        "gemini": ("@ai-sdk/google", "/v1beta"),
    }[client.wire]
    model = {"gemini": "gemini-2.5-flash", "anthropic": "claude-sonnet-4-5"}.get(client.wire, "gpt-5.1")
    provider = {
        "npm": module,
        "options": {"baseURL": base + path, "apiKey": play.key},
        "models": {model: {"name": "model"}},
    }
    settings = {
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": False,
        "share": "disabled",
        "provider": {"gateway": provider},
    }
    (home / "opencode.json").write_text(json.dumps(settings))
    subprocess.run(["git", "init", "-q"], cwd=home, check=True)
    done = start(
        [
            *(str(folder / "node_modules" / ".bin" / "opencode"), "run", "--format", "json"),
            *("-m", f"gateway/{model}", "hi"),
        ],
        home,
        timeout=60 if play.scenario in ("error", "cut") else 180,  # it goes on for minutes
        XDG_DATA_HOME=str(home / "data"),
        XDG_CONFIG_HOME=str(home / "config"),
        XDG_CACHE_HOME=str(folder / "cache"),
    )
    text, ran, error = "", [], None
    for line in json_lines(done.stdout):
        part = line.get("part", {})
        if line["type"] == "text":
            text += part["text"]
        elif line["type"] == "tool_use":
            ran.append(canonical(part["state"]["input"]))
        elif line["type"] == "error":
            error = json.dumps(line, ensure_ascii=False)
    return Seen(text, error or exit_of(done), tuple(ran))


def llm(client: Client, folder: Path, home: Path, base: str, play: Play) -> Seen:
    """llm, with a function of Python as its tool, which notes what it was given."""
    (home / "extra-openai-models.yaml").write_text(
        "- model_id: gateway\n  model_name: gpt-5.1\n  supports_tools: true\n  api_key_name: gateway\n"
        f'  api_base: "{base}/v1"\n'
    )
    (home / "tool.py").write_text(
        "import json, os\n\n"
        f"def {TOOL}(city: str, days: int) -> str:\n"
        f'    """{ABOUT}"""\n'
        "    with open(os.path.expanduser('~/ran'), 'a') as file:\n"
        "        file.write(json.dumps({'city': city, 'days': days}) + '\\n')\n"
        f"    return {RESULT!r}\n"
    )
    done = start(
        [
            *(bin_of(folder, "llm"), "-m", "gateway", "--key", play.key),
            *("--functions", str(home / "tool.py"), "hi"),
        ],
        home,
        LLM_USER_PATH=str(home),
    )
    ran = (home / "ran").read_text().splitlines() if (home / "ran").exists() else []
    return Seen(done.stdout.rstrip("\n"), exit_of(done), tuple(canonical(line) for line in ran))


def exit_of(done: subprocess.CompletedProcess[str]) -> str | None:
    """What a program says that ended badly."""
    if done.returncode == 0:
        return None
    return f"exit status {done.returncode}: {done.stderr.strip()[-600:] or done.stdout.strip()[-600:]}"


# ------------------------------------------------------------------------------------------------ clients

LANGCHAIN: Final = ("langchain-openai", "langchain-anthropic", "langchain-google-genai")
PYDANTIC: Final = "pydantic-ai-slim[openai,anthropic,google]"
OPENCODE: Final = {
    "tool": "bash",
    "arguments": json.dumps({"command": SHELL, "description": "Prints the weather"}),
}
PARTIAL: Final[dict[str, Any]] = {"tool": f"Partial{TOOL}", "scenarios": ("tool", "error", "cut")}
"""It makes an object of the arguments of a call, and asks no more."""

CLIENTS: Final = (
    Client(
        *("Codex CLI", "responses", "@openai/codex", "npm", one_by_one(codex)),
        tool="exec_command",
        arguments=json.dumps({"cmd": SHELL}),
    ),
    Client(
        *("Gemini CLI", "gemini", "@google/gemini-cli", "npm", one_by_one(gemini_cli)),
        tool="list_directory",
        arguments=json.dumps({"dir_path": "."}),
    ),
    *(
        Client(f"opencode {wire}", wire, "opencode-ai", "npm", one_by_one(opencode), **OPENCODE)
        for wire in WIRES
    ),
    Client("llm", "chat", "llm", "pip", one_by_one(llm)),
    Client("langchain-openai responses", "responses", LANGCHAIN[0], "pip", library),
    Client("langchain-openai chat", "chat", LANGCHAIN[0], "pip", library),
    Client("langchain-anthropic", "anthropic", LANGCHAIN[1], "pip", library),
    Client("langchain-google-genai", "gemini", LANGCHAIN[2], "pip", library),
    Client("pydantic-ai responses", "responses", PYDANTIC, "pip", library),
    Client("pydantic-ai chat", "chat", PYDANTIC, "pip", library),
    Client("pydantic-ai anthropic", "anthropic", PYDANTIC, "pip", library),
    Client("pydantic-ai google", "gemini", PYDANTIC, "pip", library),
    Client("openai-agents responses", "responses", "openai-agents", "pip", library),
    Client("openai-agents chat", "chat", "openai-agents", "pip", library),
    Client("instructor responses", "responses", "instructor", "pip", library, **PARTIAL),
    Client("instructor chat", "chat", "instructor", "pip", library, **PARTIAL),
)


# ------------------------------------------------------------------------------------------------ results


@attrs.frozen
class Result:
    """What came of one client in one scenario with one API behind."""

    client: str
    version: str
    wire: str
    behind: str
    scenario: Scenario
    wrong: str
    """"" where all was as it has to be."""


def judged(client: Client, play: Play, seen: Seen) -> str:
    """The verdict; of a client that makes an object of a call, whether it is the right object."""
    if play.unstreamed:
        return "it asked unstreamed"
    if play.scenario in ("error", "cut") and seen.error and seen.error.startswith(AGAIN):
        return seen.error
    if "text" not in client.scenarios and play.scenario == "tool":
        return seen.error or ("" if seen.ran == (canonical(play.arguments),) else f"the object is {seen.ran}")
    return verdict(play, seen)


def survey(client: Client, folder: Path, stage: Stage, behind: Iterable[str]) -> Iterator[Result]:
    """Installs a client and tries it."""
    install(client, folder)
    found = version(client, folder)
    plays = [
        (wire, stage.play(scenario, tool=client.tool, arguments=client.arguments))
        for wire in behind
        for scenario in client.scenarios
    ]
    seen = client.run(client, folder, [(stage.gateways[wire], play) for wire, play in plays])
    for (wire, play), one in zip(plays, seen, strict=True):
        yield Result(client.name, found, client.wire, wire, play.scenario, judged(client, play, one))


AGAIN: Final = "it asks again until it is stopped"
HARMLESS: Final = {NO_REASON: "yes, without the reason", AGAIN: "asks again"}
"""What is no fault of the stream: the client knows that it broke."""


def harmless(wrong: str) -> str | None:
    """What the table says of that; None where it is a fault."""
    return next((said for start, said in HARMLESS.items() if wrong.startswith(start)), None)


def cell(results: list[Result]) -> str:
    """What the table says of one scenario."""
    if not results:
        return "–"
    bad = [result.behind for result in results if result.wrong and not harmless(result.wrong)]
    if bad:
        return f"not with {', '.join(bad)}"
    return next((said for result in results if result.wrong and (said := harmless(result.wrong))), "yes")


def rows(results: Iterable[Result], day: str) -> dict[str, str]:
    """The lines of the table, by client."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.client, []).append(result)
    made = {}
    for client, of_client in found.items():
        cells = []
        for scenario in SCENARIOS:
            of_scenario = [result for result in of_client if result.scenario == scenario]
            cells.append(cell(of_scenario))
        first = of_client[0]
        behind = sorted({result.behind for result in of_client}, key=WIRES.index)
        among = "all four" if len(behind) == len(WIRES) else ", ".join(behind)
        made[client] = (
            f"| {client} | {first.version} | {first.wire} | {among} | {' | '.join(cells)} | {day} |\n"
        )
    return made


def write(made: dict[str, str]) -> None:
    """Puts lines into the table of the page, in place of those of the same clients."""
    page = PAGE.read_text(encoding="utf-8")
    head = (
        f"| client | version | reads | behind | {' | '.join(SCENARIOS)} | on |\n"
        f"|{' --- |' * (5 + len(SCENARIOS))}\n"
    )
    old = TABLE.search(page)
    assert old is not None
    known = {
        line.split(" | ")[0].removeprefix("| "): line + "\n" for line in old[0].splitlines() if "| 20" in line
    }
    known.update(made)
    lines = "".join(known[client.name] for client in CLIENTS if client.name in known)
    PAGE.write_text(TABLE.sub(lambda found: f"{found[1]}{head}{lines}\n{found[2]}", page), encoding="utf-8")


def main() -> int:
    usage = argparse.ArgumentParser(description="Tries other people's programs in front of the gateway.")
    usage.add_argument("names", nargs="*", metavar="NAME", help="beginnings of names; by default all")
    usage.add_argument("--folder", type=Path, help="where they are installed, to be kept")
    usage.add_argument("--behind", action="append", choices=WIRES, help="only this API behind")
    usage.add_argument("--json", type=Path, help="where every result is written to")
    usage.add_argument("--write", action="store_true", help="put the table into docs/clients.md")
    options = usage.parse_args()
    logging.disable(logging.CRITICAL)
    wanted = [client for client in CLIENTS if client.name.startswith(tuple(options.names or [""]))]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary, staged() as stage:
        folder = (options.folder or Path(temporary)).resolve()
        for client in wanted:
            if shutil.which("npm") is None and client.registry == "npm":
                print(f"{client.name:28} skipped: there is no npm", flush=True)
                continue
            try:
                for result in survey(client, folder / client.folder, stage, options.behind or WIRES):
                    word = "ok" if not result.wrong else f"WRONG: {result.wrong[:300]}"
                    print(
                        f"{client.name:28} {result.version:10} {result.behind:10} {result.scenario:6} {word}",
                        flush=True,
                    )
                    results.append(result)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                said = getattr(error, "stderr", "") or error
                print(f"{client.name:28} skipped: {str(said).strip()[-300:]}", flush=True)
    if options.json:
        options.json.write_text(json.dumps([attrs.asdict(result) for result in results], indent=1) + "\n")
    made = rows(results, datetime.datetime.now(datetime.UTC).date().isoformat())
    if options.write:
        write(made)
    print("", *made.values(), sep="\n" if not made else "")
    return 1 if any(result.wrong and not harmless(result.wrong) for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
