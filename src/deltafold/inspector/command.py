"""The command: options in, a view chosen, an exit status out."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, NoReturn

import deltafold
from deltafold import COMPILED
from deltafold.inspector.capture import Capture, CaptureError
from deltafold.inspector.checking import Check
from deltafold.inspector.inputs import captures_in, is_live, source_pieces, split_name
from deltafold.inspector.listing import Brief, Final, Lines, Records, Text
from deltafold.inspector.page import Drawing
from deltafold.inspector.playing import View, play
from deltafold.inspector.progress import Progress
from deltafold.inspector.words import Words
from deltafold.inspector.writing import Writing
from deltafold.model.errors import UsageError
from deltafold.model.response import Outcome
from deltafold.parsing.parser import ResponseParser
from deltafold.registry import DIALECTS

__all__ = ["BUILD", "main"]

BUILD = "compiled" if COMPILED else "pure Python"

COMPLETED, OTHER_END, WRONG_USAGE, CANNOT_WRITE = range(4)
"""Exit statuses."""


def wants_colour() -> bool:
    """On a terminal, unless the user said no: https://no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def arguments() -> argparse.ArgumentParser:
    """The options."""
    usage = argparse.ArgumentParser(
        prog="deltafold",
        description="Shows LLM response streams event by event, then what came of them.",
        epilog="Exit status: 0 every response completed (with --check: conforms), 1 any other end, 2 wrong "
        "usage or nothing that can be read, 3 the output cannot be written.",
    )
    usage.add_argument(
        "files",
        nargs="*",
        metavar="FILE[#n]",
        help="captures; standard input where absent or -; of an archive (HAR, cassette) #n is one entry",
    )
    usage.add_argument(
        "--dialect",
        default="auto",
        help=f"{', '.join(DIALECTS)} or auto, the default: the stream itself tells",
    )
    usage.add_argument("--version", action="version", version=f"deltafold {deltafold.__version__}, {BUILD}")
    usage.add_argument("--strict", action="store_true", help="stop at the first deviation")
    usage.add_argument(
        "-v", "--verbose", action="store_true", help="a line for each delta: runs are not folded"
    )
    usage.add_argument("--time", action="store_true", help="seconds since the start, gaps, tokens a second")
    usage.add_argument("--redact", action="store_true", help="lengths in place of text")
    usage.add_argument("--join", action="store_true", help="the captures are connections of one response")
    shape = usage.add_mutually_exclusive_group()
    shape.add_argument("--text", action="store_true", help="only what the model says, as it comes")
    shape.add_argument("--json", action="store_true", help="one JSON object per event, anomaly and fault")
    shape.add_argument("--final", action="store_true", help="only the final response, as JSON")
    shape.add_argument(
        "--check", action="store_true", help="what does not conform: place, rule; status 1 if any"
    )
    shape.add_argument(
        "--html", metavar="PAGE", help="draw the response as a page, written to that file (- to stdout)"
    )
    shape.add_argument("--encode", metavar="WIRE", help=f"write the stream as {', '.join(DIALECTS)}")
    return usage


class Command:
    """One call of the inspector."""

    def __init__(self, usage: argparse.ArgumentParser, options: argparse.Namespace) -> None:
        self.usage = usage
        self.options = options
        self.words = Words(redact=options.redact)
        self.opened = ExitStack()
        self.view: View | None = None
        self.several = False
        self.live = False
        self.sound = True
        self.unreadable = False
        self.passed_over = 0
        self.progress: list[Progress] = []

    def fail(self, message: str) -> NoReturn:
        """Wrong usage."""
        self.usage.error(message)

    def parser(self) -> ResponseParser:
        """A parser as the options want it."""
        try:
            return ResponseParser(self.options.dialect, strict=self.options.strict)
        except UsageError as error:
            self.fail(str(error))

    # -------------------------------------------------------------------------------------------- input

    def captures_of(self, name: str) -> list[Capture]:
        """The captures that an argument names; none, and a complaint, where they cannot be read."""
        path, number = split_name(name)
        try:
            found = self.captures_in(path)
            if number is not None:
                if not 1 <= number <= len(found):
                    raise CaptureError(f"there is no #{number}: it holds {len(found)}")
                return [found[number - 1]]
            streams = [capture for capture in found if capture.is_stream or len(found) == 1]
            self.passed_over += len(found) - len(streams)
            if not streams:
                raise CaptureError("it holds no exchange with a model")
            return streams
        except CaptureError as error:
            self.complain(name, str(error))
        except OSError as error:
            if not self.several:
                self.fail(str(error))
            self.complain(name, error.strerror or str(error))
        return []

    def complain(self, name: str, why: str) -> None:
        """Says that something cannot be read."""
        self.unreadable = True
        print(f"deltafold: {name if name.isprintable() else ascii(name)}: {why}", file=sys.stderr)

    def captures_in(self, path: str) -> list[Capture]:
        """All that a file holds. Raises `CaptureError` and `OSError`."""
        source = self.source(path)
        live = is_live(source)
        self.live = self.live or live
        options = self.options
        is_short = options.final or options.check or options.html
        progress = Progress(source, wanted=is_short or not sys.stdout.isatty())
        self.progress.append(progress)
        clock = time.monotonic if live and (options.time or options.html) else None
        return captures_in(path, source_pieces(source, clock, progress.add))

    def source(self, path: str) -> Any:
        """What is read. Raises `OSError`."""
        if path == "-":
            if sys.stdin is None or (not self.options.files and sys.stdin.isatty()):
                self.fail("nothing to read: name a FILE, or pipe a stream in")
            return sys.stdin.buffer
        if os.path.isdir(path):
            raise IsADirectoryError(21, "it is a directory: name the files in it", path)
        return self.opened.enter_context(open(path, "rb"))

    # ------------------------------------------------------------------------------------------- output

    def run(self) -> int:
        """Shows everything; the exit status."""
        options = self.options
        self.parser()  # which knows whether there is such a dialect
        if options.redact and (options.text or options.encode):
            self.fail("--redact has nothing to say with --text and --encode, which write text")
        names = options.files or ["-"]
        self.several = len(names) > 1
        if options.join:
            captures = [capture for name in names for capture in self.captures_of(name)]
            self.several = False
            self.show_all([captures] if captures else [])
        else:
            for name in names:
                captures = self.captures_of(name)
                self.several = self.several or len(captures) > 1
                if not self.show_all([[capture] for capture in captures]):
                    break
                self.opened.close()
        if isinstance(self.view, Brief):
            self.view.total(self.passed_over)
        sys.stdout.flush()
        if self.unreadable:
            return WRONG_USAGE
        return COMPLETED if self.sound else OTHER_END

    def show_all(self, responses: list[list[Capture]]) -> bool:
        """Shows responses, each of one connection or more. Whether nobody pressed Ctrl-C."""
        for captures in responses:
            if self.view is None:
                self.view = self.view_of_several() if self.several else self.view_of_one()
            try:
                ending = play(captures, self.parser(), self.view)
            finally:
                for progress in self.progress:
                    progress.done()
            completed = ending.response.outcome is Outcome.COMPLETED and ending.fault is None
            self.sound = self.view.sound if isinstance(self.view, Check) else self.sound and completed
            if ending.interrupted:
                return False
        return True

    def view_of_several(self) -> View:
        """The views that can show several responses."""
        for shape in ("text", "json", "final", "html", "encode"):
            if getattr(self.options, shape):
                self.fail(f"--{shape} is for one capture: name one, or one entry of an archive with #n")
        if self.options.check:
            return Check(self.words)
        return Brief(self.words, colour=wants_colour(), width=width_of_terminal())

    def view_of_one(self) -> View:
        """What the options want to see."""
        options = self.options
        if options.json:
            return Records(self.words, times=options.time)
        if options.final:
            return Final(self.words)
        if options.text:
            return Text(terminal=sys.stdout.isatty())
        if options.check:
            return Check(self.words)
        if options.html:
            # Opened now: where it cannot be written, a live stream is not read in vain.
            if options.html == "-":
                if isinstance(sys.stdout, io.TextIOWrapper):
                    sys.stdout.reconfigure(encoding="utf-8")  # as the page says of itself
                return Drawing(sys.stdout, self.words, "")
            file = open(options.html, "w", encoding="utf-8")  # noqa: SIM115 - closed with the others
            return Drawing(self.opened.enter_context(file), self.words, options.html)
        if options.encode:
            try:
                return Writing(options.encode, write_bytes)
            except UsageError as error:
                self.fail(str(error))
        return Lines(
            self.words,
            colour=wants_colour(),
            width=width_of_terminal(),
            every=options.verbose,
            times=options.time,
            live=self.live and sys.stdout.isatty(),
        )


def write_bytes(data: bytes) -> None:
    """Writes bytes to standard output, whatever that is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.buffer.write(data)
    else:
        sys.stdout.write(data.decode("utf-8"))


def width_of_terminal() -> int | None:
    """Columns of the terminal; None where the output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the inspector, and gives its exit status; wrong usage raises `SystemExit` with 2."""
    usage = arguments()
    command = Command(usage, usage.parse_args(argv))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may know fewer letters than a model
    try:
        with command.opened:
            return command.run()
    except (BrokenPipeError, KeyboardInterrupt):
        # Nobody reads on. What is still buffered would fail again when the interpreter flushes it.
        drop_output()
        return OTHER_END
    except OSError as error:
        drop_output()
        print(f"deltafold: the output cannot be written: {error.strerror or error}", file=sys.stderr)
        return CANNOT_WRITE
    except MemoryError:
        print("deltafold: there is not enough memory for this", file=sys.stderr)
        return CANNOT_WRITE


def drop_output() -> None:
    """What is still to be written goes nowhere."""
    with suppress(OSError, AttributeError):  # output that is no file has nothing to be dropped
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
