"""What wheels and source distributions hold, what they say of themselves, and when nothing is compiled."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load() -> Any:
    """The file that the build runs."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hatch_build = load()


def build(target: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Builds what is named into a folder."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "DELTAFOLD_COMPILE")}
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    done = build("sdist", folder)
    assert done.returncode == 0, done.stderr
    [path] = folder.iterdir()
    with tarfile.open(path) as archive:
        return {
            member.name.split("/", 1)[1]: opened.read()
            for member in archive
            if (opened := archive.extractfile(member)) is not None
        }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, bytes], str]:
    """The name of a wheel for which no compiler was found, its files, and what was printed."""
    folder = tmp_path_factory.mktemp("wheel")
    done = build("wheel", folder, CC="/nowhere/cc -O2")
    assert done.returncode == 0, done.stderr
    [path] = folder.iterdir()
    with zipfile.ZipFile(path) as archive:
        return path.name, {name: archive.read(name) for name in archive.namelist()}, done.stderr


# ---------------------------------------------------------------------------------------- what is in them


def test_the_source_distribution_builds_and_is_tested_from(sdist: dict[str, bytes]) -> None:
    """It holds what a build needs, what the tests read, and the pages; and nothing that was left about."""
    folders = ("src", "tests", "fixtures", "docs", "benchmarks", ".ci", ".github")
    for folder in folders:
        here = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file()
            and not {"__pycache__", "node_modules"} & set(path.parts)
            and not path.name.startswith(".coverage")
        }
        assert here <= set(sdist), here - set(sdist)
    assert not [name for name in sdist if "node_modules" in name]
    beside = {name for name in sdist if name.split("/")[0] not in folders}
    named = {"hatch_build.py", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO"}
    assert beside - {".gitignore"} == named


def test_a_wheel_without_a_compiler_is_pure_and_says_why(wheel: tuple[str, dict[str, bytes], str]) -> None:
    """Where no compiler is found nothing is compiled; the reason is printed, and is in the metadata."""
    name, files, printed = wheel
    assert name.endswith("-py3-none-any.whl")
    assert not any(name.endswith((".so", ".pyd")) for name in files)
    if os.name == "posix" and platform.python_implementation() == "CPython":
        reason = "there is no C compiler: /nowhere/cc was not found"
        assert f"deltafold: nothing is compiled, the package is pure Python: {reason}\n" in printed
        [record] = (json.loads(files[name]) for name in files if name.endswith("extra_metadata/build.json"))
        assert record == {"compiled": [], "reason": reason}


def test_a_wheel_holds_the_package_alone(wheel: tuple[str, dict[str, bytes], str]) -> None:
    """Beside the metadata there is the package, with its mark that it has types."""
    files = [name for name in wheel[1] if ".dist-info/" not in name]
    assert all(name.startswith("deltafold/") for name in files)
    assert {"deltafold/py.typed", f"deltafold/{hatch_build.IN_C}.pyi"} <= set(files)
    assert not any(name.endswith((".c", ".h", ".o")) for name in files)
    assert {f"deltafold/{module}.py" for module in hatch_build.COMPILED} <= set(files)


def test_a_build_that_has_to_compile_fails_where_it_cannot(tmp_path: Path) -> None:
    """With DELTAFOLD_COMPILE=1 there is no wheel without compiled modules."""
    if os.name != "posix":
        pytest.skip("the compiler is looked for on POSIX alone")
    done = build("wheel", tmp_path, CC="/nowhere/cc", DELTAFOLD_COMPILE="1")
    assert done.returncode != 0
    assert "deltafold cannot be compiled here: " in done.stderr
    assert not list(tmp_path.glob("*.whl"))


FAILING = "import sys; print(*range(999), sep='\\n'); sys.exit('no memory left')"


class Printed:
    """What shows a build's messages, which keeps them."""

    def __init__(self) -> None:
        self.printed: list[str] = []
        self.display_waiting = self.display_warning = self.display_success = self.printed.append


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The hook of the build, for a package of one module."""
    monkeypatch.delenv("DELTAFOLD_COMPILE", raising=False)
    monkeypatch.setattr(hatch_build, "COMPILED", ("one",))
    monkeypatch.setattr(hatch_build, "obstacle", lambda: "")
    source = tmp_path / "src" / "deltafold"
    source.mkdir(parents=True)
    (source / "one.py").touch()
    made = hatch_build.CompiledMachine(str(tmp_path), {}, None, None, str(tmp_path), "wheel", Printed())
    yield made
    made.finalize("standard", {}, "")


def initialized(hook: Any, version: str = "standard") -> tuple[dict[str, Any], dict[str, Any]]:
    """What the hook does to a build, and what it writes down."""
    data: dict[str, Any] = {"force_include": {}, "extra_metadata": {}}
    hook.initialize(version, data)
    [(record, name)] = data["extra_metadata"].items()
    assert name == "build.json"
    return data, json.loads(Path(record).read_text(encoding="utf-8"))


def test_a_compiler_that_fails_is_quoted(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a compiler said stands in the output and in the metadata, and the wheel is pure."""
    monkeypatch.setattr(hatch_build, "SCRIPT", FAILING)
    data, record = initialized(hook)
    assert data["force_include"] == {}
    assert "pure_python" not in data
    lines = record["reason"].splitlines()
    assert (lines[0], lines[-1], len(lines)) == (
        "the compiler failed:",
        "no memory left",
        hatch_build.SHOWN + 1,
    )
    assert record["compiled"] == []
    assert hook.app.printed[0].startswith("deltafold: mypyc compiles 1 modules with ")
    assert hook.app.printed[0].endswith(": one")
    told = f"deltafold: nothing is compiled, the package is pure Python: {record['reason']}"
    assert hook.app.printed[1:] == [told]


def test_a_compiler_that_fails_is_an_error(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DELTAFOLD_COMPILE=1 there is no wheel then, and nothing is left about."""
    monkeypatch.setattr(hatch_build, "SCRIPT", FAILING)
    monkeypatch.setenv("DELTAFOLD_COMPILE", "1")
    with pytest.raises(RuntimeError, match=r"(?s)^deltafold cannot be compiled here: .*no memory left"):
        initialized(hook)
    assert not Path(hook.work.name).exists()


def test_what_was_compiled_goes_into_the_wheel(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled modules stand beside their sources, and the wheel is one for this interpreter."""
    script = (
        "import pathlib, sys; made = pathlib.Path(sys.argv[1], 'deltafold'); made.mkdir(parents=True)\n"
        "for name in ('one.so', 'one.pyd', 'one.o'): (made / name).touch()"
    )
    monkeypatch.setattr(hatch_build, "SCRIPT", script)
    data, record = initialized(hook)
    assert sorted(data["force_include"].values()) == [
        os.path.join("deltafold", "one.pyd"),
        os.path.join("deltafold", "one.so"),
    ]
    assert (data["pure_python"], data["infer_tag"]) == (False, True)
    assert record == {"compiled": ["one"]}
    assert hook.app.printed[1:] == ["deltafold: the package is compiled"]


def test_an_editable_install_compiles_nothing(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is asked for: the files that are edited are those that run."""
    monkeypatch.setenv("DELTAFOLD_COMPILE", "1")
    data, record = initialized(hook, "editable")
    assert data["force_include"] == {}
    assert record == {"compiled": [], "reason": "an editable install runs the files that are edited"}
    assert len(hook.app.printed) == 1


# ----------------------------------------------------------------------------------- what can be compiled


@pytest.fixture
def capable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Makes this a place where compiling can be tried; gives the folder of Python's headers."""
    monkeypatch.delenv("DELTAFOLD_COMPILE", raising=False)
    monkeypatch.setenv("CC", f"{sys.executable} -O2")
    monkeypatch.setattr(platform, "python_implementation", lambda: "CPython")
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(sysconfig, "get_config_var", {"CC": "gcc -pthread"}.get)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "Python.h").touch()
    return tmp_path


def needed() -> list[str]:
    """What the build asks to be installed."""
    wanted: list[str] = hatch_build.CompiledMachine.dependencies(None)
    return wanted


def test_what_compiling_needs_is_asked_for_where_it_can_be_done(
    capable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing stands in the way mypy is fetched, and with DELTAFOLD_COMPILE=0 it is not."""
    assert needed() == hatch_build.NEEDED
    monkeypatch.setenv("DELTAFOLD_COMPILE", "0")
    assert needed() == []
    assert hatch_build.obstacle() == "DELTAFOLD_COMPILE is 0"


def test_other_interpreters_have_compilers_of_their_own(
    capable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even DELTAFOLD_COMPILE=1 compiles for PyPy."""
    monkeypatch.setattr(platform, "python_implementation", lambda: "PyPy")
    monkeypatch.setenv("DELTAFOLD_COMPILE", "1")
    assert hatch_build.obstacle() == "PyPy is not CPython"
    assert needed() == []


@pytest.mark.parametrize(
    ("where", "what", "reason"),
    [
        (platform, ("machine", lambda: "s390x"), "mypyc is not to be had everywhere"),
        (sys, ("maxsize", 2**31 - 1), "mypyc is not to be had everywhere"),
        (sysconfig, ("get_config_var", {"Py_GIL_DISABLED": 1, "CC": "cc"}.get), "interpreter lock"),
    ],
    ids=["machine", "32 bits", "without a lock"],
)
def test_what_is_likely_to_fail_is_tried_where_it_is_asked_for(
    capable: Path, monkeypatch: pytest.MonkeyPatch, where: Any, what: tuple[str, Any], reason: str
) -> None:
    """No installation fails for a rare machine; but with DELTAFOLD_COMPILE=1 it is tried."""
    monkeypatch.setattr(where, *what)
    assert reason in hatch_build.obstacle()
    monkeypatch.setenv("DELTAFOLD_COMPILE", "1")
    assert hatch_build.obstacle() == ""


def test_headers_may_be_missing(capable: Path) -> None:
    """An interpreter without its headers is named before anything is fetched."""
    (capable / "Python.h").unlink()
    assert hatch_build.obstacle().startswith("the headers of Python are missing: there is no ")


@pytest.mark.skipif(os.name != "posix", reason="the compiler is looked for on POSIX alone")
@pytest.mark.parametrize(
    ("said", "known", "called"),
    [
        ("clang -O2", "gcc", "clang"),
        (" ", "gcc -pthread", "cc"),
        ("", "gcc -pthread", "gcc"),
        ("", None, "cc"),
    ],
)
def test_the_compiler_that_is_going_to_be_called(
    monkeypatch: pytest.MonkeyPatch, said: str, known: str | None, called: str
) -> None:
    """CC decides, then what the interpreter was built with."""
    monkeypatch.setenv("CC", said)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: known)
    assert hatch_build.compiler() == called


def test_a_wrong_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DELTAFOLD_COMPILE cannot say is no silent default."""
    monkeypatch.setenv("DELTAFOLD_COMPILE", "yes")
    with pytest.raises(ValueError, match="DELTAFOLD_COMPILE is 'yes', but can only be 0 or 1"):
        hatch_build.obstacle()


# ------------------------------------------------------------------------------------ what they say


PAGE = """A [page](docs/a.md#part) and an [address](https://e.example/x), a [place](#here).

![A picture
of it](docs/a.svg)

`[code](docs/a.md)`

```text
[code](docs/a.md)
```
"""


def test_links_lead_to_the_repository_where_there_is_one() -> None:
    """On a package index links to files become addresses, images such that give the picture itself."""
    page = hatch_build.published(PAGE, "https://e.example/us/it/{}/v1.2")
    assert "[page](https://e.example/us/it/blob/v1.2/docs/a.md#part)" in page
    assert "![A picture\nof it](https://e.example/us/it/raw/v1.2/docs/a.svg)" in page
    assert "[address](https://e.example/x), a [place](#here)." in page
    assert page.count("[code](docs/a.md)") == 2


def test_without_a_repository_no_link_is_dead() -> None:
    """Where there is no public place, the page names its files and says what its images show."""
    page = hatch_build.published(PAGE, None)
    assert page.startswith(
        "A page (`docs/a.md#part`) and an [address](https://e.example/x), a [place](#here)."
    )
    assert "\n*A picture\nof it*\n" in page
    assert page.count("[code](docs/a.md)") == 2


@pytest.mark.parametrize("urls", [{}, {"Source": "https://e.example/us/it"}])
def test_the_readme_on_a_package_index(urls: dict[str, str]) -> None:
    """It has no link to a file beside it, and every file that it names is there."""
    metadata = {"version": "1.2", "urls": urls}
    hatch_build.PublishedReadme(str(ROOT), {}).update(metadata)
    text = metadata["readme"]["text"]  # type: ignore[index]
    for target in re.findall(r"\]\((\S+?)\)", re.sub(r"(?ms)^```.*?^```$", "", text)):
        assert re.match("https://|#", target), target
        if target.startswith("https://e.example/"):
            assert (ROOT / re.sub(".*/v1.2/", "", target).partition("#")[0]).exists(), target
    for path in re.findall(r"\(`(docs/\S+?)`\)", text):
        assert (ROOT / path.partition("#")[0]).exists(), path


def test_the_wheel_has_that_readme(wheel: tuple[str, dict[str, bytes], str]) -> None:
    """The metadata hold the page as Markdown, an address, and each version that wheels are made for."""
    [metadata] = (wheel[1][name].decode() for name in wheel[1] if name.endswith(".dist-info/METADATA"))
    assert "\nDescription-Content-Type: text/markdown\n" in metadata
    assert "](docs/" not in metadata
    assert "\nProject-URL: " in metadata
    versions = re.findall(r"cp3(\d+)-", " ".join(PROJECT["tool"]["cibuildwheel"]["build"]))
    assert versions == ["11", "12", "13", "14"]
    assert re.findall(r"Classifier: Programming Language :: Python :: 3\.(\d+)\n", metadata) == versions
