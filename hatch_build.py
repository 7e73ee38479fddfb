"""Compiles the machine while a wheel is built, where that can be done; elsewhere the wheel is pure Python.

The modules below are compiled by mypyc as they stand, and beside them one file is C; what they do does not
change, only what it costs. An editable install is always pure, so that the files that are edited are those
that run. The environment variable DELTAFOLD_COMPILE says more: 0 never compiles, 1 makes it an error where
that cannot be done.

What was compiled, or why nothing was, is printed (`pip install -v` shows it), and is kept in the metadata of
the package as `extra_metadata/build.json`.

The README is made here as well, as a package index can show it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

COMPILED = (
    "model/json_values",
    "wire/value_end",
    "wire/body_kind",
    "wire/json_text",
    "wire/blocks",
    "machine/lifecycle",
    "machine/make",
    "machine/usage",
    "machine/values",
    "machine/build",
    "machine/records",
    "machine/fold",
    "machine/evidence",
    "diagnosis/error_payloads",
    "arguments/lifted_calls",
    "dialects/claims",
    "dialects/emitter",
    "dialects/base",
    "dialects/hot_delta",
    "dialects/written_names",
    "dialects/written_json",
    "dialects/written_errors",
    "dialects/written_items",
    "dialects/writing",
    "dialects/event_writing",
    "dialects/chat/table",
    "dialects/chat/think_tags",
    "dialects/chat/reasoning_details",
    "dialects/chat/usage",
    "dialects/chat/audio",
    "dialects/chat/state",
    "dialects/chat/call_arguments",
    "dialects/chat/calls",
    "dialects/chat/texts",
    "dialects/chat/reasoning",
    "dialects/chat/content",
    "dialects/chat/ending",
    "dialects/chat/choices",
    "dialects/chat/reader",
    "dialects/chat/writer",
    "dialects/responses/table",
    "dialects/responses/identity",
    "dialects/responses/items",
    "dialects/responses/values",
    "dialects/responses/reader",
    "dialects/responses/writer",
    "dialects/anthropic/table",
    "dialects/anthropic/usage",
    "dialects/anthropic/state",
    "dialects/anthropic/citations",
    "dialects/anthropic/calls",
    "dialects/anthropic/blocks",
    "dialects/anthropic/deltas",
    "dialects/anthropic/ending",
    "dialects/anthropic/reader",
    "dialects/anthropic/writer",
    "dialects/gemini/table",
    "dialects/gemini/argument_text",
    "dialects/gemini/state",
    "dialects/gemini/usage",
    "dialects/gemini/hot_pieces",
    "dialects/gemini/partial_arguments",
    "dialects/gemini/calls",
    "dialects/gemini/parts",
    "dialects/gemini/candidates",
    "dialects/gemini/ending",
    "dialects/gemini/reader",
    "dialects/gemini/writer",
    "parsing/reporter",
    "parsing/templates",
    "parsing/fast_path",
    "parsing/state",
    "parsing/payload_values",
    "parsing/frames",
    "parsing/bodies",
    "parsing/connections",
    "parsing/reader",
    "encoding/encoder",
)
"""What every byte of a stream goes through. All else is data, or done once for a stream."""

IN_C = "_speedups"
"""What is written in C, for it is done for every event; each function of it has a twin in Python."""

NEEDED = ["attrs>=23.2", "mypy>=2.4,<3", "setuptools>=68"]

MACHINES = ("x86_64", "amd64", "arm64", "aarch64")
"""Those for which all that mypyc needs is on the package index; elsewhere it would have to be built first."""

SHOWN = 30
"""Lines of what a compiler said, of which the last ones say what was wrong."""

SCRIPT = """
import sys
from mypyc.build import mypycify
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

sys.tracebacklimit = 0  # what the compiler says is what counts
target, in_c, *files = sys.argv[1:]
extensions = mypycify(files, opt_level="3", debug_level="0", group_name="deltafold_native")
optimized = ["/O2"] if sys.platform == "win32" else ["-O3"]
extensions.append(Extension(f"deltafold.{in_c}", [f"deltafold/{in_c}.c"], extra_compile_args=optimized))
if sys.platform == "linux":
    # Calls inside of the machine and into the interpreter go straight, not by a table: that is a twentieth.
    for extension in extensions:
        extension.extra_compile_args += ["-fno-semantic-interposition", "-fno-plt"]
command = build_ext(Distribution({"name": "deltafold", "ext_modules": extensions}))
command.build_lib, command.build_temp = target, target + "/objects"
command.ensure_finalized()
command.run()
"""


class CompiledMachine(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the compiled modules beside their sources."""

    def dependencies(self) -> list[str]:
        """What compiling needs; nothing where it cannot be done anyway."""
        return [] if obstacle() else NEEDED

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, says so, and adds what came of it to the wheel."""
        self.work = tempfile.TemporaryDirectory()  # until the wheel is written
        folder = Path(self.work.name)
        reason, made = obstacle(), {}
        if version == "editable":
            reason = "an editable install runs the files that are edited"
        if not reason:
            self.app.display_waiting(
                f"deltafold: mypyc compiles {len(COMPILED)} modules with {compiler() or 'the C compiler'},"
                f" which takes a minute (DELTAFOLD_COMPILE=0 leaves it out): {', '.join(COMPILED)}"
            )
            try:
                made = compile_in(folder, Path(self.root, "src"))
            except (OSError, subprocess.CalledProcessError) as error:
                said = f"{getattr(error, 'stdout', '')}{getattr(error, 'stderr', '')}".strip() or str(error)
                reason = "\n".join(["the compiler failed:", *said.splitlines()[-SHOWN:]])
        if reason and asked() == "1" and version != "editable":
            self.work.cleanup()
            raise RuntimeError(f"deltafold cannot be compiled here: {reason}")
        if reason:
            self.app.display_warning(f"deltafold: nothing is compiled, the package is pure Python: {reason}")
        else:
            self.app.display_success("deltafold: the package is compiled")
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"].update(made)
        record = folder / "build.json"
        told = {"compiled": list(COMPILED)} if made else {"compiled": [], "reason": reason}
        record.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        build_data["extra_metadata"][str(record)] = "build.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what was compiled, which is in the wheel now."""
        self.work.cleanup()


class PublishedReadme(MetadataHookInterface):
    """The README as a package index shows it, where no file stands beside it."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Gives the README to the metadata."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source")
        text = published(text, source and f"{source}/{{}}/v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def published(text: str, place: str | None) -> str:
    """A page whose links to files go to a public place: `{}` in it is `raw` for images, `blob` for pages.

    Where there is no such place, a page is named by its path, and an image by what it shows.
    """

    def link(found: re.Match[str]) -> str:
        image, title, target = found.groups()
        if title is None or re.match(r"#|[a-z]+:", target):
            return found[0]
        if place:
            return f"{image}[{title}]({place.format('raw' if image else 'blob')}/{target})"
        return f"*{title}*" if image else f"{title} (`{target}`)"

    # Code goes first, whose brackets are no links.
    links = r"(?ms)^```.*?^```$|`[^`\n]+`|(!?)\[([^]]+)\]\(([^)\s]+)\)"
    return re.sub(links, link, text)


def asked() -> str:
    """What DELTAFOLD_COMPILE says. Raises `ValueError` where that is neither 0 nor 1."""
    told = os.environ.get("DELTAFOLD_COMPILE", "")
    if told not in ("", "0", "1"):
        raise ValueError(f"DELTAFOLD_COMPILE is {told!r}, but can only be 0 or 1")
    return told


def obstacle() -> str:
    """Why nothing can be compiled here, as far as that is known before it is tried; "" where it can be tried.

    What is only likely to fail is tried where DELTAFOLD_COMPILE=1 asks for it.
    """
    if asked() == "0":
        return "DELTAFOLD_COMPILE is 0"
    if platform.python_implementation() != "CPython":
        return f"{platform.python_implementation()} is not CPython"
    if asked() != "1":
        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            return "CPython without a global interpreter lock would get it back from compiled modules"
        if platform.machine().lower() not in MACHINES or sys.maxsize < 2**32:
            return f"mypyc is not to be had everywhere for {sysconfig.get_platform()}"
    if os.name == "posix" and not shutil.which(compiler()):
        return f"there is no C compiler: {compiler()} was not found"
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        return f"the headers of Python are missing: there is no {header}"
    return ""


def compiler() -> str:
    """The C compiler that is going to be called; "" where that is found out later, as on Windows."""
    command = os.environ.get("CC") or (os.name == "posix" and sysconfig.get_config_var("CC")) or ""
    return shlex.split(command)[0] if command.strip() else "cc" if os.name == "posix" else ""


def compile_in(work: Path, source: Path) -> dict[str, str]:
    """The compiled modules, each with its place in the wheel. Raises `OSError` or `CalledProcessError`."""
    shutil.copytree(source / "deltafold", work / "src" / "deltafold")
    target = work / "made"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(target), IN_C, *(f"deltafold/{name}.py" for name in COMPILED)],
        cwd=work / "src",
        check=True,
        capture_output=True,
        text=True,
    )
    built = (file for file in target.rglob("*") if file.suffix in (".so", ".pyd"))
    return {str(file): str(file.relative_to(target)) for file in built}
