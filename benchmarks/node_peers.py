"""The peers of Node: clients in one living process, which takes turns with the clients of Python.

`npm install --prefix benchmarks/node` gets them. `node/worker.mjs` reads the same bodies in the same chunks,
with which its `fetch` answers; no socket is opened. A client runs until it is hot before it is measured. What
counts is the CPU time of the whole process, that of its compiler and collector threads included.
"""

from __future__ import annotations

import atexit
import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from clients import OPENAI, Client, Reading, as_values
from measure import GaveUp
from scenarios import Stream, Told

FOLDER = Path(__file__).parent / "node"
INSTALL = "npm install --prefix benchmarks/node"
OLDEST = 20
"""The major version of Node that the packages ask for at least."""
HOT = 1.0
"""CPU seconds of a client's runs before its first figure: until then Node is still compiling it."""
LEAST = 0.3
"""CPU seconds of one measurement at least."""
PATIENCE = 120.0
"""Seconds on the clock after which an answer is no longer awaited."""


class WorkerError(Exception):
    """A client of Node failed, or the process ended."""


class Worker:
    """The process. It is started when it is first asked, and anew where it ended or was given up."""

    def __init__(self, command: Sequence[str], patience: float = PATIENCE) -> None:
        self.command = list(command)
        self.patience = patience
        self.process: subprocess.Popen[str] | None = None
        self.loaded: Stream | None = None

    def load(self, stream: Stream, chunks: Sequence[bytes]) -> None:
        """Gives it the stream that it reads from now on, where it has not got that already."""
        if self.process is None or self.loaded is not stream:
            texts = [base64.b64encode(chunk).decode() for chunk in chunks]
            self.ask({"load": {"dialect": stream.dialect, "chunks": texts}})
            self.loaded = stream

    def ask(self, question: dict[str, Any]) -> Any:
        """The answer. Raises `WorkerError` where there is none, and `GaveUp` where it took too long."""
        if self.process is None:
            atexit.register(self.close)
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self.patience, give_up)
        timer.start()
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            self.close()
            raise GaveUp if late.is_set() else WorkerError("the process ended")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def close(self) -> None:
        """Ends the process, where there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            atexit.unregister(self.close)
        self.process = self.loaded = None


@attrs.frozen(eq=False)
class Run:
    """One client of the process at work on one stream: called, it gives what it read."""

    worker: Worker
    client: str
    stream: Stream
    chunks: list[bytes]

    def __call__(self) -> Any:
        self.worker.load(self.stream, self.chunks)
        return self.worker.ask({"read": self.client})

    def spent(self, seconds: float = LEAST) -> float:
        """CPU seconds of one run."""
        self.worker.load(self.stream, self.chunks)
        return float(self.worker.ask({"time": self.client, "seconds": seconds})["seconds"])


ALL = (*OPENAI, "anthropic", "gemini")
PEERS: dict[str, tuple[str, ...]] = {
    "eventsource-parser": ALL,
    "openai-node raw": OPENAI,
    "openai-node .stream()": OPENAI,
    "anthropic-node raw": ("anthropic",),
    "anthropic-node .stream()": ("anthropic",),
    "@google/genai": ("gemini",),
    "AI SDK": ALL,
}
"""The clients that the worker has, and the wires that they read."""


def peer(worker: Worker, name: str) -> Client:
    """One of them, at work in this process."""

    def prepare(stream: Stream, chunks: list[bytes]) -> Reading:
        run = Run(worker, name, stream, chunks)
        run.spent(HOT)
        return Reading(run, told, as_values(stream.told))

    return Client(name, prepare, reads=PEERS[name])


def told(answer: Any) -> Told:
    """What the worker says that a client read."""
    arguments = (one if isinstance(one, str) else json.dumps(one) for one in answer["arguments"])
    return as_values(Told(answer["text"], tuple(answer["reasoning"]), tuple(arguments)))


# --------------------------------------------------------------------------------------- what is installed


def versions(folder: Path = FOLDER) -> dict[str, str | None]:
    """Of the packages that are asked for; None where one is not installed."""
    asked = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    found: dict[str, str | None] = dict.fromkeys(asked)
    for name in asked:
        path = folder / "node_modules" / name / "package.json"
        if path.exists():
            found[name] = json.loads(path.read_text(encoding="utf-8"))["version"]
    return found


def missing(folder: Path = FOLDER) -> str | None:
    """Why there is no peer of Node, None where there is."""
    node = shutil.which("node")
    if node is None:
        return "the peers of Node are left out: node is not installed"
    version = node_version(node)
    if int(version.split(".")[0]) < OLDEST:
        return f"the peers of Node are left out: node {version} is older than {OLDEST}"
    absent = [name for name, found in versions(folder).items() if found is None]
    if absent:
        return f"the peers of Node are left out: {', '.join(absent)} not installed ({INSTALL})"
    return None


def node_version(node: str = "node") -> str:
    """Without its v."""
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("v")


def installed(folder: Path = FOLDER) -> tuple[list[Client], list[str]]:
    """The peers, and a note on each package; or none, and why."""
    reason = missing(folder)
    if reason is not None:
        return [], [reason]
    worker = Worker(["node", "--expose-gc", str(folder / "worker.mjs")])
    packages = ", ".join(f"{name} {version}" for name, version in versions(folder).items())
    return [peer(worker, name) for name in PEERS], [f"Node {node_version()} with {packages}"]
