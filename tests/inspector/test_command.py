"""The inspector: what it prints, when it prints it, and how it exits."""

from __future__ import annotations

import io
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import deltafold.parsing.reader
from deltafold.inspector.command import main

ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": ITEM}
PART: dict[str, Any] = {
    "type": "response.content_part.added",
    "output_index": 0,
    "content_index": 0,
    "item_id": "msg_1",
    "part": {"type": "output_text", "text": "", "annotations": []},
}
CREATED = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "gpt-5", "status": "in_progress", "output": []},
}


def delta(text: str) -> dict[str, Any]:
    """A fragment of the message's text."""
    return {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "item_id": "msg_1",
        "delta": text,
    }


def completed(text: str) -> dict[str, Any]:
    """The end of a response that said `text`."""
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {**ITEM, "status": "completed", "content": [part]}
    response = {"id": "resp_1", "model": "gpt-5", "status": "completed", "output": [item]}
    return {"type": "response.completed", "response": response}


def frame(payload: dict[str, Any] | str) -> bytes:
    """One event as it stands on the wire."""
    data = payload if isinstance(payload, str) else json.dumps(payload)
    return f"data: {data}\n\n".encode()


def stream(*payloads: dict[str, Any] | str) -> bytes:
    """Events as they stand on the wire, after the beginning of a message."""
    return b"".join(map(frame, (CREATED, ADDED, PART, *payloads)))


HELLO = stream(
    delta("Hel"),
    delta("lo"),
    {**delta(""), "type": "response.output_text.done", "text": "Hello"},
    {**PART, "type": "response.content_part.done", "part": {**PART["part"], "text": "Hello"}},
    {**ADDED, "type": "response.output_item.done", "item": completed("Hello")["response"]["output"][0]},
    completed("Hello"),
)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Where a test puts its stream."""
    return tmp_path / "capture.sse"


def run(capture: Path, body: bytes, *options: str) -> int:
    """The exit status for a file with that body."""
    capture.write_bytes(body)
    return main(["--dialect", "responses", *options, str(capture)])


def command(*options: str, **more: Any) -> subprocess.Popen[bytes]:
    """The inspector as a process of its own."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    line = [sys.executable, "-m", "deltafold", "--dialect", "responses", *options]
    environment.setdefault("PYTHONPATH", str(Path(deltafold.__file__).parents[1]))
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **more)


# ----------------------------------------------------------------------------------------------- lines


def test_one_line_for_each_event_and_a_summary(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events come in order, each with its place; the summary tells the outcome, items and counts."""
    assert run(capture, HELLO, "-v") == 0
    events, summary = capsys.readouterr().out.split("\n\n")
    once = "ResponseStarted ItemStarted PartStarted ValueFinished PartFinished ItemFinished"
    counts = ", ".join(["2 TextDelta", *(f"1 {name}" for name in once.split()), "1 ResponseFinished"])
    assert events.splitlines() == [
        "  ResponseStarted          resp_1 gpt-5",
        "  ItemStarted        0     message msg_1",
        "  PartStarted        0.0   content output_text",
        "  TextDelta          0.0   'Hel'",
        "  TextDelta          0.0   'lo'",
        "  ValueFinished      0.0   text 'Hello'",
        "  PartFinished       0.0   content output_text",
        "  ItemFinished       0     message msg_1",
        "  ResponseFinished         completed",
    ]
    assert summary.splitlines() == [
        "outcome    completed",
        "response   resp_1 gpt-5",
        "item       message msg_1 completed 'Hello'",
        f"bytes      {len(HELLO)}",
        f"events     9 ({counts})",
        "anomalies  0",
    ]


def test_anomalies_stand_where_they_were_met(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An anomaly comes before the events of the payload that brought it, with the byte it begins at."""
    body = stream(delta("a"), "{broken", delta("b"), completed("ab"))
    assert run(capture, body) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("! malformed_json: "))
    assert lines[at].endswith(f"(byte {body.index(b'data: {broken')})")
    assert lines[at - 1].endswith("'a'")
    assert "UnknownEvent" in lines[at + 1]
    assert lines[-1] == "anomalies  1 (1 malformed_json)"


def test_anomalies_that_were_only_counted(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond what the parser keeps, anomalies are counted in the summary."""
    run(capture, stream(*["{broken"] * 1100, completed("")))
    out = capsys.readouterr().out
    assert out.count("\n! ") == 1000
    assert out.endswith("anomalies  1100 (1000 malformed_json)\n")


def test_an_anomaly_outside_the_bytes_has_no_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a parser is fed with payloads, an anomaly has no offset to show."""
    from deltafold import Anomaly, AnomalyCode
    from deltafold.inspector.listing import Lines
    from deltafold.inspector.playing import Moment
    from deltafold.inspector.words import Words

    Lines(Words()).anomaly(Anomaly(AnomalyCode.SEQUENCE_GAP, "3 is followed with 5"), Moment(None, 0))
    assert capsys.readouterr().out == "! sequence_gap: 3 is followed with 5\n"


def test_every_kind_of_value(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls, reasoning, refusals, hosted tools and unknown payloads have their lines, long ones cut."""
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get", "arguments": '{"a":'}
    tool = {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_2", "name": "run", "input": "ls"}
    tool["status"] = "incomplete"
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "So"}]}
    message = {**ITEM, "status": "completed", "content": [{"type": "refusal", "refusal": "No"}]}
    response = {
        "id": "resp_1",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [call, tool, search, reasoning, message],
        "usage": {"input_tokens": 9, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 0}},
    }
    body = (
        frame({"type": "response.created", "response": {"output": []}})
        + frame({"type": "new.thing", "long": "x" * 500})
        + frame({"type": "response.incomplete", "response": response})
    )
    assert run(capture, body) == 1
    out = capsys.readouterr().out
    assert "  UnknownEvent             new.thing {" in out
    assert "... (533 characters)\n" in out
    assert "outcome    incomplete max_output_tokens\n" in out
    assert "item       function_call get call_1 fc_1 not complete '{\"a\":'\n" in out
    assert "item       custom_tool_call run call_2 ct_1 incomplete not complete 'ls'\n" in out
    assert "item       web_search_call ws_1 completed\n" in out
    assert "item       reasoning rs_1 'So'\n" in out
    assert "item       message msg_1 completed 'No'\n" in out
    assert "response   resp_1\n" in out
    assert out.count("input 9, output 4, reasoning 0\n") == 2


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ({"code": "server_error", "message": "down"}, "server_error: 'down' (retryable)"),
        (
            {"code": "rate_limit_exceeded", "message": "try again in 6.5s"},
            "rate_limited: 'try again in 6.5s' (retryable after 6.5 s)",
        ),
        ({"code": "invalid_prompt", "message": "no"}, "invalid_request: 'no' (not retryable)"),
    ],
)
def test_errors(capture: Path, capsys: pytest.CaptureFixture[str], error: dict[str, Any], line: str) -> None:
    """A failure that the provider reported is an event and a row of the summary, and exits with 1."""
    response = {"id": "resp_1", "status": "failed", "error": error, "output": []}
    assert run(capture, stream({"type": "response.failed", "response": response})) == 1
    out = capsys.readouterr().out
    assert f"  ErrorReported            {line}\n" in out
    assert f"outcome    failed\nerror      {line}\n" in out


def test_an_empty_stream(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing at all is a truncated response without a name."""
    assert run(capture, b"") == 1
    out = capsys.readouterr().out
    assert "outcome    truncated\n" in out
    assert "response   unnamed\n" in out


def test_server_text_cannot_command_the_terminal(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences, C1 controls, line separators and text direction marks are shown, never sent."""
    evil = "\x1b[2J\x9b31m\r\n\x07\u2028\u202e\x7f"
    item = {"type": f"odd{evil}", "id": evil, "status": evil}
    body = stream(
        delta(f"a{evil}"),
        {"type": f"strange{evil}", "payload": evil},
        "{" + evil.replace("\n", "").replace("\r", ""),
        {"type": "response.output_item.done", "output_index": 1, "item": item},
        {"type": "response.failed", "response": {"id": evil, "model": evil, "error": {"message": evil}}},
    )
    for options in ([], ["--json"], ["--final"], ["--strict"], ["--strict", "--final"]):
        assert run(capture, body, *options) == 1
        streams = capsys.readouterr()
        for text in (streams.out, streams.err):
            assert all(line.isprintable() for line in text.split("\n"))
        assert "\\x1b[2J" in streams.out or "\\u001b[2J" in streams.out


def test_long_names_are_cut(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A type of any length takes one short line."""
    run(capture, stream({"type": "x" * 5000}))
    line = next(line for line in capsys.readouterr().out.splitlines() if "UnknownEvent" in line)
    assert "... (5000 characters)" in line
    assert len(line) < 400


# ------------------------------------------------------------------------------------ the other shapes


def test_json_lines(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each line is an object that holds an event or anomaly whole."""
    body = stream(
        delta("é" * 500),
        "{broken",
        {"type": "codex.rate_limits", "rate_limits": {}},
        completed("é" * 500),
    )
    assert run(capture, body, "--json") == 0
    out = capsys.readouterr().out
    assert out.isascii()
    records = [json.loads(line) for line in out.splitlines()]
    assert [next(iter(record)) for record in records].count("anomaly") == 1
    text = next(record for record in records if record.get("event") == "TextDelta")
    assert text == {
        "event": "TextDelta",
        "deltafold": 1,
        "output_index": 0,
        "content_index": 0,
        "text": "é" * 500,
        "logprobs": [],
    }
    anomaly = next(record for record in records if "anomaly" in record)
    assert anomaly["anomaly"] == "malformed_json"
    assert set(anomaly) == {"anomaly", "message", "offset", "event_index", "excerpt"}
    assert records[-1]["event"] == "ResponseFinished"
    assert records[-1]["response"]["output"][0]["content"][0]["text"] == "é" * 500


def test_json_lines_of_an_error(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The fields of an error are those that it has in Python."""
    run(capture, stream({"type": "error", "code": "server_error", "message": "down"}), "--json")
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    reported = next(record for record in records if record["event"] == "ErrorReported")
    assert reported["error"]["kind"] == "server_error"
    assert reported["error"]["message"] == "down"


def test_final(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --final there is nothing but the response."""
    assert run(capture, HELLO, "--final") == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["output"] == completed("Hello")["response"]["output"]
    assert streams.err == ""


def test_strict_stops_at_the_first_deviation(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In strict mode what came before is shown, then the fault and the partial response; the status is 1."""
    body = stream(delta("Hel"), "{broken", completed("Hello"))
    assert run(capture, body, "--strict") == 1
    out = capsys.readouterr().out
    assert "TextDelta          0.0   'Hel'\n\nfault      WireError: malformed_json in event 4 at byte " in out
    assert "outcome    none\n" in out
    assert "item       message msg_1 in_progress 'Hel'\n" in out

    assert run(capture, body, "--strict", "--json") == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["fault"], last["event_index"]) == ("malformed_json", 4)
    assert last["response"]["output"][0]["content"][0]["text"] == "Hel"

    assert run(capture, body, "--strict", "--final") == 1
    streams = capsys.readouterr()
    assert json.loads(streams.out)["output"][0]["content"][0]["text"] == "Hel"
    assert streams.err.startswith("deltafold: WireError: malformed_json in event 4")

    assert run(capture, HELLO, "--strict") == 0


# ----------------------------------------------------------------------------------- input and the end


class Terminal(io.TextIOWrapper):
    """Standard output or input that is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def written(self) -> str:
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode("ascii")


@pytest.mark.parametrize(
    ("environment", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colour(
    capture: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *, colour: bool
) -> None:
    """Colour is for terminals, and not where the user said no; letters that a terminal lacks are escaped."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    run(capture, stream(delta("é"), "{broken", {"type": "error", "message": "down"}))
    assert ("\x1b[33m! malformed_json" in terminal.written) is colour
    assert ("\x1b[31mErrorReported     \x1b[0m" in terminal.written) is colour
    assert ("\x1b[31mfailed\x1b[0m" in terminal.written) is colour
    assert "'\\xe9'" in terminal.written


@pytest.mark.parametrize("options", [[], ["-"]])
def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """Without a file, or with -, standard input is read."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(HELLO)))
    assert main(["--dialect", "responses", *options]) == 0
    assert "outcome    completed\n" in capsys.readouterr().out


def test_the_dialect_need_not_be_told(capsys: pytest.CaptureFixture[str], capture: Path) -> None:
    """By default the stream itself tells its dialect."""
    capture.write_bytes(HELLO)
    assert main([str(capture)]) == 0
    assert "outcome    completed\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [["--dialect", "morse"], ["--json", "--final"], ["--unknown"], ["no/such/file.sse"], ["."]],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    """Wrong options and files that cannot be opened exit with 2 and say why."""
    with pytest.raises(SystemExit) as raised:
        main(["--dialect", "responses", *options])
    assert raised.value.code == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("usage: deltafold")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is told, and whether the machine is compiled."""
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert raised.value.code == 0
    build = "pure Python" if deltafold.parsing.reader.__file__.endswith(".py") else "compiled"
    assert capsys.readouterr().out == f"deltafold {deltafold.__version__}, {build}\n"


@pytest.mark.parametrize("stdin", [Terminal(), None])
def test_nothing_to_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stdin: Any
) -> None:
    """Where nothing is piped in, the inspector says so, and does not wait for somebody to type."""
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(SystemExit) as raised:
        main(["--dialect", "responses"])
    assert raised.value.code == 2
    assert "pipe a stream in" in capsys.readouterr().err


class Source:
    """Standard input that gives chunks and then raises."""

    def __init__(self, chunks: Iterable[bytes], end: BaseException) -> None:
        self.chunks = iter(chunks)
        self.end = end
        self.buffer = self

    def isatty(self) -> bool:
        return False

    def read1(self, _size: int) -> bytes:
        for chunk in self.chunks:
            return chunk
        raise self.end


def test_a_source_that_breaks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An error while reading ends the stream, as a broken connection does."""
    monkeypatch.setattr(sys, "stdin", Source([stream(delta("Hel"))], OSError("connection lost")))
    assert main(["--dialect", "responses"]) == 1
    streams = capsys.readouterr()
    assert "outcome    truncated\n" in streams.out
    assert streams.err == "deltafold: connection lost\n"


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C cancels: what had come is shown, and the summary."""
    monkeypatch.setattr(sys, "stdin", Source([stream(delta("Hel"))], KeyboardInterrupt()))
    assert main(["--dialect", "responses"]) == 1
    out = capsys.readouterr().out
    assert "outcome    cancelled\n" in out
    assert "item       message msg_1 in_progress 'Hel'\n" in out


def test_nobody_reads_the_output(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the reader of the output has gone, the inspector goes too, without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run(capture, HELLO) == 1


def test_output_that_is_no_file(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output may go to whatever has a `write()`."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert run(capture, HELLO) == 0
    assert "outcome    completed\n" in out.getvalue()


# ------------------------------------------------------------------------------------------- a process


def test_output_comes_as_bytes_arrive() -> None:
    """Each chunk is shown when it arrives, long before the end of the input."""
    with command("-v", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stream(delta("Hel")))
        process.stdin.flush()
        seen = [process.stdout.readline() for _ in range(4)]
        assert seen[-1] == b"  TextDelta          0.0   'Hel'\n"
        process.stdin.write(frame(delta("lo")) + frame(completed("Hello")))
        process.stdin.close()
        assert b"outcome    completed\n" in process.stdout.read()
        assert process.wait(30) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_interrupted_as_a_process() -> None:
    """Ctrl-C on a process leaves the summary and no traceback."""
    # A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with command("-v", stdin=subprocess.PIPE, preexec_fn=heard) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(stream(delta("Hel")))
        process.stdin.flush()
        for _ in range(4):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert b"outcome    cancelled\n" in process.stdout.read()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


def test_a_pipe_into_head(capture: Path) -> None:
    """A reader that takes the first line alone sees no complaint."""
    capture.write_bytes(stream(*[delta("x" * 50)] * 5000, completed("x" * 250_000)))
    with command(str(capture)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"  ResponseStarted          resp_1 gpt-5\n"
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr.read() == b""


def test_as_a_module(
    capture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m deltafold` exits with the status of `main()`."""
    capture.write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["deltafold", "--dialect", "responses", str(capture)])
    monkeypatch.delitem(sys.modules, "deltafold.__main__", raising=False)
    with pytest.raises(SystemExit) as raised:
        runpy.run_module("deltafold", run_name="__main__")
    assert raised.value.code == 1
    assert "outcome    truncated\n" in capsys.readouterr().out
