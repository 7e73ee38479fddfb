"""Compiles the machine while a wheel is built, where that can be done; elsewhere the wheel is pure Python.

The modules below are compiled by mypyc as they stand; what they do does not change, only what it costs. An
editable install is always pure, so that the files that are edited are those that run. The environment
variable DELTAFOLD_COMPILE says more: 0 never compiles, 1 makes it an error where that cannot be done.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED = (
    "model/json_values",
    "wire/value_end",
    "wire/body_kind",
    "wire/json_text",
    "wire/sse",
    "machine/lifecycle",
    "machine/values",
    "machine/build",
    "machine/records",
    "machine/fold",
    "machine/evidence",
    "arguments/lifted_calls",
    "dialects/claims",
    "dialects/emitter",
    "dialects/base",
    "dialects/chat/table",
    "dialects/chat/think_tags",
    "dialects/chat/calls",
    "dialects/chat/merging",
    "dialects/chat/reader",
    "dialects/responses/reader",
    "dialects/anthropic/table",
    "dialects/anthropic/reader",
    "dialects/gemini/table",
    "dialects/gemini/partial_arguments",
    "dialects/gemini/reader",
    "parsing/reporter",
    "parsing/fast_path",
    "parsing/reader",
)
"""What every byte of a stream goes through. All else is data, or done once for a stream."""

NEEDED = ["attrs>=23.2", "mypy>=2.4,<3", "setuptools>=68"]

SCRIPT = """
import sys
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.command.build_ext import build_ext

target, *files = sys.argv[1:]
extensions = mypycify(files, opt_level="3", debug_level="0", group_name="deltafold_native")
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
        """What compiling needs; nothing where it is not wanted."""
        return NEEDED if wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, and adds what came of it to the wheel."""
        if version == "editable" or not wanted():
            return
        self.work = tempfile.TemporaryDirectory()  # which goes with this object
        try:
            made = compile_in(Path(self.work.name), Path(self.root, "src"))
        except (OSError, subprocess.CalledProcessError) as error:
            told = f"{getattr(error, 'stdout', '')}{getattr(error, 'stderr', '')}".strip() or str(error)
            if os.environ.get("DELTAFOLD_COMPILE") == "1":
                raise RuntimeError(f"deltafold cannot be compiled here:\n{told}") from error
            self.app.display_warning(f"deltafold is installed as pure Python:\n{told}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update(made)


def wanted() -> bool:
    """Whether to try at all: other interpreters than CPython have compilers of their own."""
    return os.environ.get("DELTAFOLD_COMPILE") != "0" and platform.python_implementation() == "CPython"


def compile_in(work: Path, source: Path) -> dict[str, str]:
    """The compiled modules, each with its place in the wheel. Raises `OSError` or `CalledProcessError`."""
    shutil.copytree(source / "deltafold", work / "src" / "deltafold")
    target = work / "made"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(target), *(f"deltafold/{name}.py" for name in COMPILED)],
        cwd=work / "src",
        check=True,
        capture_output=True,
        text=True,
    )
    built = (file for file in target.rglob("*") if file.suffix in (".so", ".pyd"))
    return {str(file): str(file.relative_to(target)) for file in built}
