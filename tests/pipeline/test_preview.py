"""The page of `modelmill preview`: what is on it, that it needs nothing else, and that a browser shows it."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.report.examples import preview

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def write(folder: Path, target: Path, count: int = 8, *overrides: str) -> Page:
    sets = ["data.sample=null", f"data.path={folder}", "data.height=12", "data.width=12", *overrides]
    preview.write(target, load("digits-cnn", sets), target.parent, count)
    return Page(target.read_text())


def test_examples_of_all_classes_before_and_after_on_one_file(image_folder: Path, tmp_path: Path) -> None:
    page = write(image_folder, tmp_path / "page.html", 5)
    images = page.all("img")
    assert len(page.all("article")) == 5 and len(images) == 5 * (1 + preview.VERSIONS)
    for image in images:
        content = base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,"))
        assert content.startswith(b"\x89PNG") and image["alt"]
    assert len({image["src"] for image in images}) == len(images), "every version differs"
    alts = " ".join(str(image["alt"]) for image in images)
    assert all(f"{label}, before" in alts for label in ("flat", "rows", "columns"))
    assert not page.all("script") and not page.all("link")
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", (tmp_path / "page.html").read_text())
    assert "rotation" in page.text and "mixup" not in page.text
    again = write(image_folder, tmp_path / "again.html", 5)
    assert [image["src"] for image in again.all("img")] == [image["src"] for image in images]


def test_mixed_versions_tell_their_labels_and_an_empty_policy_says_so(image_folder: Path, tmp_path: Path) -> None:
    page = write(image_folder, tmp_path / "page.html", 3, "augment.mixup=1", "augment.mode=materialized")
    assert re.search(r"rows: \d+ %", page.text) and "as 4 copies" in page.text and "mixed while training" in page.text
    page = write(image_folder, tmp_path / "page.html", 3, "augment={}")
    assert "It changes nothing: every change is off" in page.text
    page = write(image_folder, tmp_path / "page.html", 3, "augment.strength=0")
    assert "It changes nothing: its strength is 0" in page.text


def test_names_are_escaped_and_bad_files_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for label in ("a&b", "<img src=x>"):
        (folder / label).mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / label / "one.png")
    (folder / "a&b" / "broken.png").write_bytes(b"no image")
    page = write(folder, tmp_path / "page.html")
    assert len(page.all("article")) == 2 and "<img src=x>" in page.text
    assert not [image for image in page.all("img") if not str(image["src"]).startswith("data:image/png")]
    (folder / "a&b" / "one.png").unlink()
    shutil.rmtree(folder / "<img src=x>")
    with pytest.raises(preview.NothingToShowError, match=r"no example of modality image; .*broken\.png"):
        write(folder, tmp_path / "page.html")


def test_the_command(tmp_path: Path) -> None:
    def modelmill(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "modelmill", "preview", *arguments, "--root", str(tmp_path / "runs")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = modelmill("digits-cnn", "-n", "2", "-o", str(tmp_path / "page.html"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'page.html'}\n", "")
    assert len(Page((tmp_path / "page.html").read_text()).all("article")) == 2
    done = modelmill("digits-cnn", "-o", str(tmp_path / "nowhere" / "page.html"))
    assert done.returncode == 2 and "nowhere/page.html: No such file or directory" in done.stderr
    assert modelmill("digits-cnm").returncode == 2


@pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here; `apt-get install chromium` to try the page in a browser"
)
def test_a_browser_shows_every_picture(image_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    write(image_folder, target, 4)
    probe = (
        "<script>onload = () => { const found = [...document.images];"
        "document.title = 'shown ' + found.filter(one => one.complete && one.naturalWidth === 12).length"
        "+ ' wide ' + (document.documentElement.scrollWidth <= innerWidth); }</script></body>"
    )
    target.write_text(target.read_text().replace("</body>", probe))
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = f"--disable-component-update --disable-sync --user-data-dir={tmp_path / 'profile'} --window-size=360,800"
    command = [str(CHROMIUM), *flags.split(), *more.split(), "--dump-dom", target.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert f"<title>shown {4 * (1 + preview.VERSIONS)} wide true</title>" in done.stdout


def test_texts_are_shown_as_texts(tmp_path: Path) -> None:
    experiment = load("messages-transformer", ["augment={deletion: 0.3, swap: 0.3}"])
    preview.write(tmp_path / "page.html", experiment, tmp_path, 3)
    page = Page((tmp_path / "page.html").read_text())
    assert len(page.all("article")) == 3 and not page.all("img")
    assert len([one for one in page.all("figure") if "words" in str(one.get("class"))]) == 3 * (1 + preview.VERSIONS)
    assert "order" in page.text or "parcel" in page.text


def test_sounds_are_shown_as_spectrograms_with_players(tmp_path: Path) -> None:
    (tmp_path / "tones" / "a").mkdir(parents=True)
    time = np.arange(4000) / 8000
    soundfile.write(tmp_path / "tones" / "a" / "1.flac", 0.3 * np.sin(2 * np.pi * 600 * time), 8000)
    (tmp_path / "sounds.yaml").write_text(
        "data: {modality: audio, path: tones, sample_rate: 8000, seconds: 0.5}\n"
        "augment: {gain: 6, pitch: 3, noise: {loudest: 5, quietest: 20}}\nmodel: {family: conv1d}\n"
    )
    preview.write(tmp_path / "page.html", load(str(tmp_path / "sounds.yaml"), []), tmp_path, 1)
    page = Page((tmp_path / "page.html").read_text())
    players = [str(one["src"]) for one in page.all("audio")]
    assert len(players) == len(page.all("img")) == 1 + preview.VERSIONS == len(set(players))
    assert all(src.startswith("data:audio/wav;base64,") for src in players)
    assert "spectrogram of a, before" in str(page.all("img")[0]["alt"])
    assert "loudest 5, quietest 20" in page.text


def test_what_cannot_be_shown_before_transform_is_refused(tmp_path: Path) -> None:
    with pytest.raises(preview.NothingToShowError, match="the page of a run shows it, in the part Data"):
        preview.write(tmp_path / "page.html", load("cancer-mlp"), tmp_path, 2)
