"""The page in a browser: it fits a telephone and a desk, light and dark, runs nothing, obeys the keyboard.

A page of the test holds the pages as frames, measures them by a script of its own, and writes down what it
found, which headless Chromium prints.
"""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from inspector.test_command import completed, delta
from inspector.test_command import stream as message
from inspector.test_page import contrast, drawn, log

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of these is installed: {', '.join(BROWSERS)}")

OWNED = "<script>top.owned=1</script><img src=x onerror='top.owned=1'><a href=\"javascript:top.owned=1\">"
PAGES = {
    "hostile": drawn(
        message(
            delta(OWNED * 50 + "unbroken" * 200),
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {"type": "function_call", "name": OWNED},
            },
            "{" + OWNED,
            {"type": "response.failed", "response": {"model": OWNED * 3, "error": {"message": OWNED}}},
        )
    ),
    "timed": drawn(log(0, 0.5, 2.5, 0.1)),
    "flags": drawn(message(delta("a"), *["{bad", delta("b")] * 30, completed("a" + "b" * 30))),
}
WIDTHS = (360, 768, 1280)
MEASURE = """
const box = one => { const r = one.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
const found = [];
addEventListener('load', async () => {
  for (const frame of document.querySelectorAll('iframe')) {
    const page = frame.contentDocument, all = name => [...page.querySelectorAll(name)];
    let violations = 0;
    page.addEventListener('securitypolicyviolation', () => violations++);
    const late = page.createElement('img'); late.src = 'x.png'; page.body.append(late);
    await new Promise(done => setTimeout(done, 50));
    late.remove();
    const details = page.querySelector('details');
    all('summary').forEach(one => one.click());
    const focused = all('a[href], [tabindex="0"], summary').map(one => {
      one.focus(); return page.activeElement === one;
    });
    const style = one => frame.contentWindow.getComputedStyle(one);
    const lanes = all('.lane');
    found.push({
      name: frame.name, width: frame.width, wide: page.documentElement.scrollWidth, title: page.title,
      violations, focused, ink: style(page.body).color, paper: style(page.body).backgroundColor,
      lanes: lanes.map(box), opened: details ? details.open && box(details.querySelector('pre')) : null,
      bars: all('.bar').map(one => [box(one), box(one.closest('svg'))]),
      fonts: all('h1, h2, h3, p, dd, small, text').map(one => parseFloat(style(one).fontSize)),
    });
  }
  const told = document.createElement('pre');
  told.id = 'told';
  told.textContent = JSON.stringify({found, owned: window.owned || 0});
  document.body.replaceChildren(told);
});
"""


def measured(folder: Path, *options: str) -> dict[str, Any]:
    """What the script found out about every page at every width."""
    frames = "".join(
        f'<iframe name="{name}" width="{width}" height="900" srcdoc="{html.escape(text)}"></iframe>'
        for name, text in PAGES.items()
        for width in WIDTHS
    )
    file = folder / "measure.html"
    file.write_text(f"<!DOCTYPE html><meta charset='utf-8'><body>{frames}<script>{MEASURE}</script>", "utf-8")
    line = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    line += [*options, "--virtual-time-budget=10000", "--dump-dom", file.as_uri()]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    _, mark, rest = ended.stdout.partition('<pre id="told">')
    assert mark, ended.stderr[-2000:]
    return json.loads(html.unescape(rest.partition("</pre>")[0]))


def colour(told: str) -> str:
    """A colour as the browser tells it, as the sheet has it."""
    return "#" + "".join(
        f"{int(part):02x}" for part in told.removeprefix("rgb(").removesuffix(")").split(",")
    )


@pytest.fixture(scope="module", params=["light", "dark"])
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """The measures in a light and in a dark browser."""
    options = ["--blink-settings=preferredColorScheme=0"] if request.param == "dark" else []
    return request.param, measured(tmp_path_factory.mktemp("browser"), *options)


def test_pages_in_a_browser(told: tuple[str, Any]) -> None:
    """Every page, at every width, in both colour schemes."""
    scheme, result = told
    assert result["owned"] == 0
    assert len(result["found"]) == len(PAGES) * len(WIDTHS)
    for one in result["found"]:
        where = one["name"], one["width"], scheme
        assert one["wide"] <= int(one["width"]), where
        assert one["violations"] == 1, where  # the image that the test itself put there
        assert all(one["focused"]), where
        assert len(one["focused"]) >= 2, where
        ink, paper = colour(one["ink"]), colour(one["paper"])
        assert contrast(ink, paper) > 7, where
        assert (contrast(paper, "#000000") > contrast(paper, "#ffffff")) is (scheme == "light"), where
        assert min(one["fonts"]) >= 11, where
        for (_, _, _, above), (_, below, _, _) in zip(one["lanes"], one["lanes"][1:], strict=False):
            assert below >= above - 0.5, where
        for bar, strip in one["bars"]:
            assert strip[0] - 1 <= bar[0] < bar[2] <= strip[2] + 1, where
        if one["name"] != "timed":
            left, _, right, _ = one["opened"]
            assert 0 <= left < right <= int(one["width"]), where
