"""Tables, as Markdown that can be read in a terminal too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        lines.append(f"| {' | '.join(cells)} |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, f"| {' | '.join(rule)} |")
    return "\n".join(lines) + "\n"


def put(page: Path, mark: str, text: str) -> None:
    """Puts a text into its place in a page. Raises `SystemExit` where there is none."""
    before, start, rest = page.read_text(encoding="utf-8").partition(f"<!-- measured: {mark} -->\n")
    _, end, after = rest.partition(f"<!-- end: {mark} -->")
    if not start or not end:
        raise SystemExit(f"{page.name} has no place for {mark}")
    page.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")
