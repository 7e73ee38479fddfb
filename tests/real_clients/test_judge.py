"""The judge of what clients saw, and the table of the survey."""

from __future__ import annotations

from pathlib import Path

import pytest

from real_clients import survey
from real_clients.stage import ARGUMENTS, ERROR, RESULT, TEXT, TOOL, Play, Scenario, Seen, canonical, verdict
from real_clients.survey import AGAIN, NO_REASON, Result

CALL = canonical(ARGUMENTS)
BACK = {"messages": [{"role": "tool", "content": RESULT}]}


def play(scenario: Scenario, *asked: dict[str, object]) -> Play:
    return Play(scenario, "sk-1", TOOL, ARGUMENTS, list(asked))


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        (play("text"), Seen(TEXT)),
        (play("tool", {}, BACK), Seen(f"One moment.{TEXT}", None, (CALL,))),
        (play("error"), Seen("Good ", f"APIError: {ERROR}")),
        (play("cut"), Seen("", "it broke")),
    ],
)
def test_a_client_that_did_well(script: Play, seen: Seen) -> None:
    """The text, the call, its result, or the error are there."""
    assert verdict(script, seen) == ""


@pytest.mark.parametrize(
    ("script", "seen", "wrong"),
    [
        (play("text"), Seen(TEXT[:-1]), "the text is"),
        (play("text"), Seen(TEXT, "it broke"), "it broke"),
        (play("tool", {}), Seen(TEXT, None, (CALL,)), "no result of the tool"),
        (play("tool", {}, BACK), Seen(TEXT, None, ()), "the tool ran with ()"),
        (play("tool", {}, BACK), Seen(TEXT, None, (CALL, CALL)), "the tool ran with"),
        (
            play("tool", {"role": "tool"}),
            Seen(TEXT, None, (CALL,)),
            "the result came to the upstream in other",
        ),
        (play("error"), Seen("Good morning: "), "a stream that broke was taken for whole"),
        (play("error"), Seen("", "something"), NO_REASON),
        (play("cut"), Seen("Good morning: "), "a stream that broke was taken for whole"),
    ],
)
def test_a_client_that_did_not(script: Play, seen: Seen, wrong: str) -> None:
    """What is missing, or too much, is named."""
    assert verdict(script, seen).startswith(wrong)


def result(client: str, scenario: Scenario, wrong: str = "", behind: str = "chat") -> Result:
    return Result(client, "1.2", "responses", behind, scenario, wrong)


def test_the_table_keeps_what_was_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row says what works; a client that was not tried this time keeps its row."""
    page = tmp_path / "clients.md"
    page.write_text("Before.\n\n<!-- surveyed -->\n\n<!-- end: surveyed -->\n\nBehind.\n")
    monkeypatch.setattr(survey, "PAGE", page)
    survey.write(survey.rows([result("llm", "text")], "2026-01-01"))
    survey.write(
        survey.rows(
            [
                result("Codex CLI", "text", behind="gemini"),
                result("Codex CLI", "text", "the text is ''"),
                result("Codex CLI", "error", f"{NO_REASON}: x"),
                result("Codex CLI", "cut", f"{AGAIN}, 4 times"),
            ],
            "2026-01-02",
        )
    )
    assert page.read_text() == (
        "Before.\n\n<!-- surveyed -->\n\n"
        "| client | version | reads | behind | text | tool | error | cut | on |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| Codex CLI | 1.2 | responses | chat, gemini | not with chat | – | yes, without the reason"
        " | asks again | 2026-01-02 |\n"
        "| llm | 1.2 | responses | chat | yes | – | – | – | 2026-01-01 |\n"
        "\n<!-- end: surveyed -->\n\nBehind.\n"
    )
