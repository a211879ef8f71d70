"""The page in a real browser: everything is drawn or heard, nothing complains, charts, small windows and keys work."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.report import compare, page
from modelmill.pipeline.report.examples import preview
from tests.pipeline import browser, story

pytestmark = pytest.mark.skipif(browser.find() is None, reason="there is no Chromium (apt-get install chromium)")

# Of the pairs of text and background that a person reads, those with too little contrast (WCAG AA: 4.5).
CONTRAST = """(() => {
  const READ = "p, td, th, h1, h2, h3, h4, dt, dd, figcaption, summary, a, span, strong, svg text";
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const read = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = read(getComputedStyle(one).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const node of document.querySelectorAll(READ)) {
    if (!node.textContent.trim() || node.closest("details:not([open])") || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    if (node.closest(".mark-text.role-mark")) continue;
    const [one, two] = [light(read(node.closest("svg") ? style.fill : style.color)), light(ground(node))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) bad.push(`${node.tagName} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return bad;
})()"""
MIDDLE = """(() => {{
  const at = document.querySelector('{}').getBoundingClientRect();
  return [at.x + at.width / 2, at.y + at.height / 2];
}})()"""
# Charts without marks, which are pictures of nothing.
EMPTY = """[...document.querySelectorAll('.plot')]
  .filter((one) => !one.querySelector('.role-mark path')).map((one) => one.dataset.spec)"""
CHOOSE = """(() => {
  const one = document.querySelector('#precision-recall select');
  one.selectedIndex = 2;
  for (const kind of ['change', 'input']) one.dispatchEvent(new Event(kind));
})()"""
CELLS = """[...document.querySelectorAll('#confusion .mark-rect path')]
  .map((one) => one.getAttribute('aria-label')).join()"""
CURVES = """[...document.querySelectorAll('#precision-recall .mark-line path')]
  .map((one) => one.getAttribute('d')).join()"""
PALE = """[...document.querySelectorAll('#curve-loss .mark-line path')]
  .filter((one) => Number(one.getAttribute('opacity')) < 0.5).length"""
WIDE = "[...document.querySelectorAll('.plot svg')].filter((one) => one.getBoundingClientRect().right > 361).length"
UNNAMED = """[...document.querySelectorAll('[role=img], [role=region], nav, button')]
  .filter((one) => !one.getAttribute('aria-label') && !one.querySelector('title')).length"""
# Plays every sound to its end; of each what went wrong, its MediaError or the exception of play(), else "".
PLAY = """Promise.all([...document.querySelectorAll('audio')].map(async (one) => {
  const ended = new Promise((resolve) => one.addEventListener('ended', resolve));
  try {
    await one.play();
  } catch (error) {
    return `${one.error?.message} ${error}`;
  }
  await ended;
  return one.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && one.currentTime >= 0.15 ? '' : `${one.currentTime} s`;
}))"""
PAPER = {True: "rgb(21, 24, 28)", False: "rgb(252, 251, 249)"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("told")
    runs = [story.tell(root), story.tell(root, "20260101-140000", skill=0.6, seed=1)]
    return {"report": page.write(runs[0]), "compare": compare.write(runs)}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with browser.started(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.mark.parametrize("name", ["report", "compare"])
@pytest.mark.parametrize("dark", [False, True])
def test_everything_is_drawn_without_complaint_and_can_be_read(
    chromium: browser.Browser, pages: dict[str, Path], name: str, dark: bool
) -> None:
    chromium.open(pages[name], dark=dark)
    plots, drawn = (chromium.run(f"document.querySelectorAll('{one}').length") for one in (".plot", ".plot svg"))
    assert plots == drawn > 0
    assert chromium.run(EMPTY) == []
    assert chromium.run("[...document.images].filter((one) => one.complete && !one.naturalWidth).length") == 0
    assert chromium.run("document.title").endswith("modelmill")  # no name from the data has run
    assert chromium.run("getComputedStyle(document.body).backgroundColor") == PAPER[dark]
    assert chromium.run(CONTRAST) == []
    assert chromium.problems == []


def test_every_sound_of_a_report_can_be_played(chromium: browser.Browser, tmp_path: Path) -> None:
    made = page.write(story.tell(tmp_path, modality="audio"))
    chromium.open(made)
    found = chromium.run(PLAY)
    assert len(found) > 2 * len(story.LABELS) and set(found) == {""}
    assert chromium.problems == []
    # That nothing was blocked would have been seen: without the permission nothing plays, and it is told.
    made.write_text(made.read_text(encoding="utf-8").replace("media-src data:; ", ""), encoding="utf-8")
    chromium.open(made)
    assert "" not in chromium.run(PLAY)
    assert any("media-src blocks data" in one for one in chromium.problems)


def test_every_sound_of_a_preview_can_be_played(chromium: browser.Browser, tmp_path: Path) -> None:
    (tmp_path / "tones" / "a").mkdir(parents=True)
    tone = 0.3 * np.sin(np.arange(2000) / 8000 * 2 * np.pi * 600)
    soundfile.write(tmp_path / "tones" / "a" / "1.wav", tone, 8000)
    (tmp_path / "sounds.yaml").write_text(
        "data: {modality: audio, path: tones, sample_rate: 8000, seconds: 0.25}\n"
        "augment: {gain: 6}\nmodel: {family: conv1d}\n"
    )
    preview.write(tmp_path / "page.html", load(str(tmp_path / "sounds.yaml"), []), tmp_path, 1)
    chromium.open(tmp_path / "page.html", ready=browser.LOADED)
    assert chromium.run(PLAY) == [""] * (1 + preview.VERSIONS)
    assert chromium.problems == []


def test_charts_react(chromium: browser.Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["report"])
    # A tooltip for a bar.
    bar = "#counts .mark-rect.role-mark path"
    chromium.run(f"document.querySelector('{bar}').scrollIntoView({{block: 'center', behavior: 'instant'}})")
    chromium.move(*chromium.run(MIDDLE.format(bar)))
    chromium.wait("document.querySelector('#vg-tooltip-element.visible')?.textContent.includes('count')")
    # The other model's confusions, and another class's curve.
    before = chromium.run(CELLS)
    chromium.run("document.querySelector('#confusion input[value=float]').click()")
    chromium.wait(f"{CELLS} !== {before!r}")
    before = chromium.run(CURVES)
    chromium.run(CHOOSE)
    chromium.wait(f"{CURVES} !== {before!r}")
    # A click in the legend makes the others pale.
    assert chromium.run(PALE) == 0
    entry = "#curve-loss .role-legend-symbol path"
    chromium.run(f"document.querySelector('{entry}').scrollIntoView({{block: 'center', behavior: 'instant'}})")
    x, y = chromium.run(MIDDLE.format(entry))
    for kind in ("mousePressed", "mouseReleased"):
        chromium.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    chromium.wait(f"{PALE} === 1")
    assert chromium.problems == []


def test_a_narrow_window_does_not_scroll_sideways(chromium: browser.Browser, pages: dict[str, Path]) -> None:
    for name in pages:
        chromium.open(pages[name], width=360, height=800)
        assert chromium.run("document.documentElement.scrollWidth") <= 360
        assert chromium.run(WIDE) == 0
        assert chromium.problems == []


def test_keys_and_screen_readers(chromium: browser.Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["report"])
    chromium.press("Tab")
    assert chromium.run("document.activeElement.className") == "skip"
    assert chromium.run("document.activeElement.getBoundingClientRect().left") >= 0
    chromium.run("document.getElementById('theme').focus()")
    chromium.press("Enter")
    chromium.wait("document.documentElement.dataset.theme === 'dark'")
    chromium.wait("document.documentElement.dataset.charts === 'drawn'")
    levels = chromium.run("[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))")
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert chromium.run(UNNAMED) == 0
    assert chromium.run("document.documentElement.lang") == "en"
    ids = chromium.run("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    assert chromium.problems == []
