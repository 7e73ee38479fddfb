"""What is printed: folded runs, times, text, redaction, other wires, conformance, several captures."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import deltafold
from deltafold import Anomaly, AnomalyCode, ResponseParser, TextDelta, parse
from deltafold.inspector import checking, command, listing, progress
from deltafold.inspector.capture import Capture, Piece
from deltafold.inspector.command import main
from deltafold.inspector.playing import Moment, play
from deltafold.inspector.redaction import redacted
from deltafold.inspector.words import Words, columns, fitted
from deltafold.testing import StreamBuilder
from inspector.captures import FORMS, HEAD, REFUSAL, TEXT, har, har_entry, stream
from inspector.test_command import ADDED, CREATED, HELLO, Terminal, completed, delta, frame
from inspector.test_command import stream as message

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test puts its capture."""
    return tmp_path / "capture"


def run(file: Path, data: bytes, *options: str) -> int:
    """The exit status for a file that holds these data."""
    file.write_bytes(data)
    return main([*options, str(file)])


def lines(printed: Printed) -> list[str]:
    """The lines of the listing, without the summary."""
    return printed.readouterr().out.split("\n\n")[0].splitlines()


# ------------------------------------------------------------------------------------------------ folding


def test_runs_are_folded(file: Path, capsys: Printed) -> None:
    """Deltas of one value are one line with their number and text; values side by side have a line each."""
    assert run(file, HELLO) == 0
    assert "  TextDelta ×2       0.0   'Hello'" in lines(capsys)
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""}
    body = b"".join(
        frame(one)
        for one in (
            CREATED,
            ADDED,
            {"type": "response.output_item.added", "output_index": 1, "item": call},
            *(
                one
                for _ in range(50)
                for one in (
                    delta("abcdefgh"),
                    {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "1"},
                    {"type": "keepalive"},
                )
            ),
        )
    )
    assert run(file, body) == 1
    folded = [line for line in lines(capsys) if "×" in line]
    assert folded[0].startswith("  TextDelta ×50      0.0   'abcdefghabc")
    assert folded[0].endswith("... (400 characters)")
    assert folded[1:] == [f"  ArgumentsDelta ×50 1     {'1' * 50!r}", "  Heartbeat ×50            keepalive"]
    assert run(file, body, "-v") == 1
    assert len(lines(capsys)) > 150


def test_lines_are_cut_at_the_width_of_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the terminal is wide, in the listing, the summary, and of several captures."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    body = message(delta("word " * 50), "{bad", completed("word " * 50))
    for options in ([str(file)], [str(file)] * 2):
        file.write_bytes(body)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        main(options)
        shown = re.sub(r"\x1b\[\d*[mK]", "", terminal.written).splitlines()
        assert max(map(len, shown)) == 60 if len(options) == 1 else max(map(len, shown)) <= 60
        if len(options) == 1:
            assert any(line.endswith("...") for line in shown)


def test_cutting() -> None:
    """Wide letters take two columns, and the mark fits into the width."""
    assert columns("a漢b") == 4
    assert fitted("漢字漢字", 5) == "漢字…"
    assert fitted("漢字漢字", 4) == "漢…"
    assert fitted("abc", 0) == ""
    assert fitted("abc", None) == "abc"


def test_a_live_terminal_shows_a_run_while_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line of a run is written anew with each piece, and stands when the run has ended."""
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", terminal)
    pieces = iter([message(delta("Hel")), frame(delta("lo")), frame(completed("Hello")), b""])

    class Live:
        """Standard input that is a pipe."""

        buffer: Any

        def isatty(self) -> bool:
            return False

        def read1(self, _: int) -> bytes:
            return next(pieces)

    source = Live()
    source.buffer = source
    monkeypatch.setattr(sys, "stdin", source)
    assert main([]) == 0
    written = terminal.written.replace("\r\n", "\n")
    once, twice, *rest = written.split("\r  TextDelta")
    assert once.count("\n") == 3
    assert twice.startswith("          0.0   'Hel'\x1b[K")
    assert rest[0].startswith(" x2       0.0   'Hello'\x1b[K")
    assert "\r\x1b[K  TextDelta x2       0.0   'Hello'\n" in written


# ------------------------------------------------------------------------------------------------- times


def timed() -> bytes:
    """A log in which each event comes a quarter of a second after the one before."""
    told = stream().decode().strip().split("\n\n")
    body = "".join(
        f"12:00:{at / 4:09.6f} {line}\n" for at, one in enumerate(told) for line in one.split("\n")
    )
    return body.encode()


def test_times(file: Path, capsys: Printed) -> None:
    """Lines have the seconds since the start and since the line before; the summary has what matters."""
    assert run(file, timed(), "--time") == 0
    out = capsys.readouterr().out
    told = out.splitlines()
    assert re.fullmatch(r" {4}0\.000 {12}ResponseStarted .*", told[0])
    assert any(re.match(r" {4}\d\.\d{3} {3}\+0\.250 {3}ItemStarted ", line) for line in told)
    assert re.search(r"TextDelta ×2 .* in 0\.250 s\n", out)
    assert re.search(
        r"time       first event 0\.000 s, first text \d\.\d{3} s, longest gap 0\.250 s, in all", out
    )
    assert re.search(r"speed      \d+\.\d tokens/s\n", out)
    assert "form       log\n" in out
    assert run(file, timed(), "--time", "-v") == 0
    assert len([line for line in lines(capsys) if " TextDelta " in line]) == 2
    assert run(file, stream(), "--time") == 0
    out = capsys.readouterr().out
    assert out.startswith("  ResponseStarted")
    assert "\ntime       not known: nobody noted when the bytes came\n" in out
    assert run(file, timed(), "--time", "--json") == 0
    assert [json.loads(line)["time"] for line in capsys.readouterr().out.splitlines()][-1] > 1


def test_no_times_of_tokens_that_nobody_counted(file: Path, capsys: Printed) -> None:
    """Without usage there is no speed, and without text no time of it."""
    log = b"".join(
        b"12:00:0%d.5 data: %s\n" % (at, json.dumps(one).encode()) for at, one in enumerate([CREATED, ADDED])
    )
    assert run(file, log, "--time") == 1
    out = capsys.readouterr().out
    assert "time       first event 0.000 s, longest gap 1.000 s, in all 1.000 s\n" in out
    assert "speed" not in out


# -------------------------------------------------------------------------------------------------- text


def test_text(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --text there is the text alone, as it is in a pipe, and harmless on a terminal."""
    assert run(file, stream(), "--text") == 0
    assert capsys.readouterr().out == f"{TEXT}\n"
    two = (
        StreamBuilder("responses")
        .text("one\x1b[2J\n\té")
        .text("two")
        .reasoning("no")
        .refusal("I won't")
        .completed()
    )
    assert run(file, two.body, "--text") == 0
    assert capsys.readouterr().out == "one\x1b[2J\n\té\n\ntwo\n\nI won't\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(file, two.body, "--text") == 0
    assert terminal.written == "one\\x1b[2J\n\t\\xe9\n\ntwo\n\nI won't\n"


def test_text_that_did_not_come_whole(file: Path, capsys: Printed) -> None:
    """How it ended otherwise is said on standard error; a value that was replaced is shown anew."""
    assert run(file, message(delta("Hel")), "--text") == 1
    assert tuple(capsys.readouterr()) == ("Hel\n", "deltafold: truncated\n")
    assert run(file, message(delta("Hel"), completed("Bye")), "--text") == 0
    assert tuple(capsys.readouterr()) == ("Hel\nBye\n", "deltafold: the server replaced what it had said\n")
    assert run(file, message(delta("Hel"), "{bad"), "--text", "--strict") == 1
    assert "deltafold: WireError: malformed_json" in capsys.readouterr().err
    assert run(file, message({"type": "error", "message": "down"}), "--text") == 1
    assert capsys.readouterr().err.startswith("deltafold: failed ")


# --------------------------------------------------------------------------------------------- redaction

SECRET = "Very private words, even with  spaces"


@pytest.mark.parametrize(
    "options", [[], ["-v"], ["--json"], ["--final"], ["--check"], ["--strict"], ["--html", "-"]]
)
def test_no_text_is_shown(file: Path, capsys: Printed, options: list[str]) -> None:
    """With --redact, no text of any kind is in the output, wherever the server put it: lengths are."""
    call = {
        "type": "function_call",
        "id": SECRET,
        "call_id": "c",
        "name": SECRET,
        "arguments": f'{{"{SECRET}":1}}',
    }
    search = {"type": "web_search_call", "id": "ws", "action": {SECRET: [SECRET]}, "status": "completed"}
    body = (
        message(
            delta(SECRET),
            {"type": SECRET, "payload": {SECRET: SECRET}},
            "{" + SECRET,
            f": {SECRET}",
            {"type": "response.output_item.done", "output_index": 1, "item": call},
            {"type": "response.output_item.done", "output_index": 2, "item": search},
            completed("something else"),
        )
        + f": {SECRET}\n\n".encode()
    )
    failed = message({"type": "response.failed", "response": {"id": "r", "error": {"message": SECRET}}})
    for data in (body, failed, b"HTTP/1.1 500 x\r\n\r\n" + SECRET.encode()):
        run(file, data, "--redact", *options)
        out = capsys.readouterr().out
        assert "private" not in out
        if "--check" not in options and "--strict" not in options:
            assert "characters>" in out or "characters&gt;" in out or "bytes" in out


def test_redaction_keeps_the_shape() -> None:
    """Structure, numbers and words of the wire stay."""
    told = {
        "type": "message",
        "text": "a b",
        "n": [1, None, True, "x"],
        "id": "msg_1",
        "status": "in progress",
    }
    assert redacted(told) == {
        "type": "message",
        "text": "<3 characters>",
        "n": [1, None, True, "<1 character>"],
        "id": "msg_1",
        "status": "<11 characters>",
    }
    assert redacted({"a b": ""}) == {"<3 characters>": ""}
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert redacted(deep) is not None


# -------------------------------------------------------------------------------------------- other wires


@pytest.mark.parametrize("target", ["responses", "chat", "anthropic", "gemini"])
def test_another_wire(file: Path, capsys: Printed, target: str) -> None:
    """--encode writes the stream, framed, in that wire."""
    assert run(file, stream(), "--encode", target) == 0
    streams = capsys.readouterr()
    assert parse(streams.out.encode(), target).output_text == TEXT


def test_losses_of_another_wire(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What that wire cannot say is told on standard error, and a fault as well; bytes go out as bytes."""
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    body = message({"type": "response.output_item.done", "output_index": 1, "item": search}, completed(""))
    run(file, body, "--encode", "chat")
    assert re.search(r"deltafold: \w+: .* \(item 1\)", capsys.readouterr().err)
    run(file, message("{bad"), "--encode", "chat", "--strict")
    assert "deltafold: WireError: malformed_json" in capsys.readouterr().err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(file, stream(), "--encode", "chat") == 0
    assert parse(terminal.written.encode(), "chat").output_text == TEXT


# --------------------------------------------------------------------------------------------- conformance


def test_a_stream_that_conforms(file: Path, capsys: Printed) -> None:
    """Nothing to report is one line, and status 0."""
    assert run(file, stream(), "--check") == 0
    out = capsys.readouterr().out
    assert re.fullmatch(
        rf"{file}: conformant \(responses, \d+ events, \d+ bytes\)\n\noutcome completed\n", out
    )


def test_each_deviation_with_its_place_and_rule(file: Path, capsys: Printed) -> None:
    """Each deviation has its event, byte and line, the rule, what is made of it, and what stood there."""
    body = message(delta("a"), "{broken", completed("a"))
    assert run(file, body, "--check") == 1
    out = capsys.readouterr().out
    at = body.index(b"data: {broken")
    line = body[:at].count(b"\n") + 1
    assert ": 1 deviation (responses, " in out
    assert f"\n1. malformed_json: event 4, byte {at}, line {line}\n" in out
    assert "\n   rule     A payload is not JSON.\n" in out
    assert "\n   lenient  It comes as `UnknownEvent` with its text.\n   strict   stops here\n" in out
    assert "\n   excerpt  '{broken'\n" in out
    assert run(file, message(*["{broken"] * 1100, completed("")), "--check") == 1
    assert "\n... and 100 more, of which only the number is known\n" in capsys.readouterr().out
    assert run(file, body, "--check", "--strict") == 1
    assert "\nWireError: malformed_json in event 4" in capsys.readouterr().out


def test_places_that_are_not_known(file: Path, capsys: Printed) -> None:
    """Payloads of a WebSocket have no byte and no line."""
    assert run(file, b'< {"type":"response.created","response":{}}\n< {broken}\n', "--check") == 1
    out = capsys.readouterr().out
    assert "1. malformed_json: event 1\n" in out
    assert run(file, b"data: {broken}", "--check") == 1
    assert "byte 0\n" in capsys.readouterr().out


def test_a_refusal_is_no_stream(file: Path, capsys: Printed) -> None:
    """There is nothing to check in a refusal, which does not conform; notes are told."""
    assert run(file, b"HTTP/1.1 429 x\r\n\r\n" + REFUSAL, "--check") == 1
    out = capsys.readouterr().out
    assert "no stream to check: HTTP 429" in out
    assert "   rate_limited: 'slow down'" in out
    assert run(file, b"b'data: 1'\nnoise\n", "--check") == 1
    assert "note    no part of the stream: 1 line\n" in capsys.readouterr().out
    assert main(["--check", str(file), str(file)]) == 1
    assert capsys.readouterr().out.count(str(file)) == 2


# --------------------------------------------------------------------------------------- several captures


def test_several_captures_have_a_line_each(
    file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcome, wire, counts and name; then the sum."""
    file.write_bytes(stream())
    other = file.with_name("other")
    other.write_bytes(b"HTTP/1.1 429 x\r\n\r\n" + REFUSAL)
    assert main([str(file), str(other), str(file)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["outcome", "wire", "events", "bytes", "anomalies", "capture"]
    assert out[1].split()[:2] == ["completed", "responses"]
    assert out[2].split() == ["failed", "-", "2", str(len(REFUSAL)), "0", str(other), "rate_limited"]
    assert out[-1] == "3 captures: 2 completed, 1 failed"
    assert main([str(file), str(file)]) == 0
    capsys.readouterr()
    assert main([str(file), "no/such/file", str(file)]) == 2
    assert "no/such/file: No such file" in capsys.readouterr().err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main([str(file), str(other)])
    assert "\x1b[32mcompleted\x1b[0m" in terminal.written
    assert "\x1b[31mfailed\x1b[0m" in terminal.written


def test_entries_of_an_archive(file: Path, capsys: Printed) -> None:
    """All exchanges with a model have a line, others are counted; `#n` is one, one alone is shown whole."""
    page = {
        "request": {"method": "GET", "url": "https://x.org/logo.png"},
        "response": {"content": {"text": "png"}},
    }
    file.write_bytes(har(har_entry(stream()), page, har_entry(stream("chat"))))
    assert main([str(file)]) == 0
    out = capsys.readouterr().out
    assert f"  {file}#1  POST https://api.example.com/v1/responses\n" in out
    assert f"  {file}#3  POST " in out
    assert out.endswith("\n2 captures: 2 completed; 1 other exchange passed over\n")
    assert main([f"{file}#3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("POST https://api.example.com/v1/responses -> HTTP 200\n")
    assert "timing     first byte after" in out
    for number, why in ((4, "there is no #4: it holds 3"), (0, "there is no #0")):
        assert main([f"{file}#{number}"]) == 2
        assert why in capsys.readouterr().err
    file.write_bytes(har(har_entry(stream()), page))
    assert main([str(file)]) == 0
    assert "outcome    completed\n" in capsys.readouterr().out
    file.write_bytes(har(page, page))
    assert main([str(file)]) == 2
    assert "it holds no exchange with a model" in capsys.readouterr().err


@pytest.mark.parametrize(
    "shape", [["--json"], ["--final"], ["--text"], ["--html", "x"], ["--encode", "chat"]]
)
def test_shapes_for_one_capture(file: Path, capsys: Printed, shape: list[str]) -> None:
    """Shapes that make no sense of several captures say so."""
    file.write_bytes(stream())
    with pytest.raises(SystemExit):
        main([*shape, str(file), str(file)])
    assert f"{shape[0]} is for one capture" in capsys.readouterr().err


def test_connections_of_one_response(file: Path, capsys: Printed) -> None:
    """With --join a response goes on over the next file, and what is told again is passed over."""
    body = stream()
    file.write_bytes(body[: len(body) * 2 // 3])
    rest = file.with_name("rest")
    rest.write_bytes(body)
    assert main(["--join", str(file), str(rest)]) == 0
    out = capsys.readouterr().out
    assert "~ another connection\n" in out
    assert f"'{TEXT}'" in out
    assert main(["--join", str(rest), str(rest)]) == 0
    capsys.readouterr()
    assert main(["--join", "--strict", "--dialect", "chat", str(file), str(rest)]) == 1
    assert "fault      WireError: wrong_dialect" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options", [["--redact", "--text"], ["--redact", "--encode", "chat"], ["--encode", "morse"]]
)
def test_options_that_do_not_go_together(file: Path, capsys: Printed, options: list[str]) -> None:
    """They are wrong usage."""
    with pytest.raises(SystemExit) as raised:
        run(file, stream(), *options)
    assert raised.value.code == 2
    assert capsys.readouterr().out == ""


# ----------------------------------------------------------------------------------------- never a traceback


def process(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The inspector as a process."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(deltafold.__file__).parents[1]),
        **more.pop("env", {}),
    }
    return subprocess.run(
        [sys.executable, "-m", "deltafold", *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **more,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("options", [[], ["--json"], ["--text"], ["--encode", "chat"], ["--html", "-"]])
def test_a_full_disk(file: Path, options: list[str]) -> None:
    """One line says that the output cannot be written, and the status is 3."""
    file.write_bytes(stream())
    with open("/dev/full", "w") as full:
        ended = process(str(file), *options, stdout=full)
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("deltafold: the output cannot be written: ")


def test_a_page_that_cannot_be_written(file: Path, capsys: Printed) -> None:
    """A folder that is not there is named, without a traceback."""
    assert run(file, stream(), "--html", "/no/such/folder/page.html") == 3
    assert capsys.readouterr().err.startswith("deltafold: the output cannot be written: No such file")


def test_too_little_memory(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and there is no traceback."""

    def refuse(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(command, "play", refuse)
    assert run(file, stream()) == 3
    assert capsys.readouterr().err == "deltafold: there is not enough memory for this\n"


def test_letters_that_the_output_lacks(file: Path) -> None:
    """On an ASCII output the marks are ASCII."""
    file.write_bytes(HELLO)
    ended = process(str(file), stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii"})
    assert "  TextDelta x2       0.0   'Hello'\n" in ended.stdout
    assert listing.encodable("…") == "…"


class Told(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_for_large_files(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a large file is read, a terminal shows how far it is; at the end the bar is gone."""
    monkeypatch.setattr(progress, "LARGE", 10)
    monkeypatch.setattr(progress, "OFTEN", 0.0)
    told = Told()
    monkeypatch.setattr(sys, "stderr", told)
    assert run(file, stream(), "--final") == 0
    assert re.fullmatch(r"\r\[#{30}\] 100%  \d+\.\d MB/s\x1b\[K\r\x1b\[K", told.getvalue())
    monkeypatch.setattr(progress, "OFTEN", 100.0)
    assert run(file, stream(), "--final") == 0
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert run(file, stream(), "--final") == 0
    assert progress.size_of(io.BytesIO()) == 0
    capsys.readouterr()


def test_a_head_that_holds_a_command(file: Path, capsys: Printed) -> None:
    """Addresses and notes are as harmless as all else."""
    entry = har_entry(stream(), request={"method": "POST", "url": "https://x/v1/\x1b[2J"})
    assert run(file, har(entry)) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert run(file, FORMS["curl -i"]) == 0
    assert capsys.readouterr().out.startswith("HTTP 200\n")
    assert run(file, HEAD + b"\r\n") == 1
    capsys.readouterr()


def test_a_page_in_a_file(file: Path, capsys: Printed) -> None:
    """The page is written, and a line says so."""
    page = file.with_name("page.html")
    assert run(file, message(delta("a"), "{bad", completed("a")), "--html", str(page)) == 0
    assert capsys.readouterr().out == f"{page}: completed, 1 anomaly\n"
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_bytes_for_an_output_that_takes_text(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another wire goes to whatever has a `write()`."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert run(file, stream(), "--encode", "chat") == 0
    assert parse(out.getvalue().encode(), "chat").output_text == TEXT


def test_the_end_that_strict_readers_miss(file: Path, capsys: Printed) -> None:
    """What is found out only when the transport ends is a fault as well."""
    assert run(file, message(delta("a")), "--strict", "--check") == 1
    assert "WireError: missing_terminal" in capsys.readouterr().out


def test_an_interruption_ends_all(file: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of several captures: those behind are not read."""

    class Interrupted(listing.Brief):
        """Somebody presses Ctrl-C while the first capture is read."""

        def pause(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "Brief", Interrupted)
    file.write_bytes(message(delta("a")))
    assert main([str(file), str(file)]) == 1
    assert capsys.readouterr().out.endswith("\n1 capture: 1 cancelled\n")


def test_nothing_said(file: Path, capsys: Printed) -> None:
    """An empty delta is no text, and an anomaly without an event no place."""
    assert run(file, message(delta(""), completed("")), "--text") == 0
    assert capsys.readouterr().out == ""
    view = checking.Check(Words())
    view.anomaly(Anomaly(AnomalyCode.SEQUENCE_GAP, "x"), Moment(None, 0))
    view.one(1, view.found[0])
    assert "1. sequence_gap\n" in capsys.readouterr().out
    parser = ResponseParser()
    captures = [Capture("", [Piece(stream()[:900])]), Capture("", [Piece(stream())])]
    assert play(captures, parser, listing.Quiet()).response.output_text == TEXT


def test_a_report_on_several_connections(file: Path, capsys: Printed) -> None:
    """What was found on each connection is in one report."""
    first = message(delta("a"), "{bad")
    file.write_bytes(first)
    other = file.with_name("other")
    other.write_bytes(first + frame("{bad") + frame(completed("a")))
    assert main(["--check", "--join", str(file), str(other)]) == 1
    assert capsys.readouterr().out.count("malformed_json: ") >= 2


def test_gaps_while_a_run_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of a run that goes on does not count as the line before."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    view = listing.Lines(Words(), times=True, live=True)
    for time in (1.0, 1.5):
        view.event(TextDelta(0, 0, "x"), Moment(time, 0))
        view.pause()
    view.settle()
    assert terminal.written.splitlines()[-1].startswith("\x1b[K    1.000   +1.000   TextDelta x2")


def test_a_page_on_standard_output(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is UTF-8, as it says of itself, whatever the output had been."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(file, message(delta("é"), completed("é")), "--html", "-") == 0
    assert "é".encode() in terminal.buffer.getvalue()  # type: ignore[attr-defined]
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert run(file, stream(), "--html", "-") == 0
    assert out.getvalue().startswith("<!DOCTYPE html>")
