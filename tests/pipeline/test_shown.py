"""Examples of any modality on a page: what a media type becomes, and that nothing of it is markup or too large."""

from __future__ import annotations

import base64
import io
import json
import wave
from pathlib import Path

import jinja2
import numpy as np
import pytest

from modelmill.pipeline.report import page
from modelmill.pipeline.report.examples import render

HOSTILE = "<script>alert(1)</script>"


def wav(seconds: float, rate: int = 16_000, hertz: float = 440) -> bytes:
    time = np.arange(int(seconds * rate)) / rate
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16).tobytes())
    return buffer.getvalue()


def rendered(found: render.Shown | None) -> str:
    loader = jinja2.FileSystemLoader(page.TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string('{% import "macros.html" as show %}{{ show.example(one, alt) }}')
    return template.render(one=found, alt=f"alt {HOSTILE}").strip()


@pytest.mark.parametrize(
    ("media", "content", "element"),
    [
        ("text/plain", HOSTILE.encode(), "<q "),
        ("text/html", f"<b>bold</b>{HOSTILE}".encode(), "<q "),
        ("application/json", json.dumps({HOSTILE: HOSTILE, "age": 3.25, "city": None}).encode(), "values"),
        ("application/json", b"[1, 2, 3.5]", "<svg"),
        ("application/json", b"[[1, 2, NaN, 4], [4, 3, 2, 1]]", "<svg"),
        ("text/csv", b"1,10\n2,\n3,30\n", "<svg"),
        ("text/csv", f"{HOSTILE},a\n".encode(), "<q "),
        ("audio/wav", wav(0.2), "<audio"),
    ],
)
def test_each_media_type_becomes_an_element_and_none_becomes_markup(media: str, content: bytes, element: str) -> None:
    text = rendered(render.shown(media, content))
    assert element in text and HOSTILE not in text and "<b>" not in text


def test_a_long_sound_is_made_short_and_is_still_what_it_was() -> None:
    found = render.shown("audio/wav", wav(2.5, 44_100))
    assert found is not None and not found["cut"]
    player = base64.b64decode(found["src"].partition(",")[2])
    assert len(player) < render.WAV_BYTES + 100
    with wave.open(io.BytesIO(player)) as file:
        assert file.getframerate() == render.RATE
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    loudest = np.abs(np.fft.rfft(samples)).argmax() * render.RATE / len(samples)
    assert loudest == pytest.approx(440, abs=2)
    cut = render.shown("audio/wav", wav(20))
    assert cut is not None and cut["cut"].endswith("of 20.0 s") and cut["picture"]


def test_curves_share_a_scale_and_leave_gaps() -> None:
    found = render.shown("application/json", b"[[0, 0, 0], [10, NaN, 10]]")
    assert found is not None
    low, high = found["paths"]
    assert low.count("M") == 1 and high.count("M") == 2
    assert float(low[1:].split("L")[0].split()[1]) > float(high[1:].split("M")[0].split()[1])
    assert found["alt"] == "2 curves of 3 values from 0 to 10"


def test_long_words_and_wide_rows_are_cut_and_say_so() -> None:
    words = render.shown("text/plain", b"x" * 10_000)
    assert words is not None and words["text"].endswith("…") and len(words["text"]) < 600
    row = render.shown("application/json", json.dumps({str(key): key for key in range(100)}).encode())
    assert row is not None and row["more"] == "and 76 more"


def test_what_is_unknown_or_broken_is_left_out() -> None:
    assert render.shown("video/mp4", b"") is None
    assert render.shown("image/png", b"no image") is None
    assert render.example("image", {"image": b"no image"}, {}) is None
    assert render.example("image", {}, {}) is None
    assert render.example("smell", {"smell": b""}, {}) is None


def test_a_modality_shows_its_examples_by_the_seam(tmp_path: Path) -> None:
    data = {"modality": "audio", "path": str(tmp_path), "sample_rate": 16_000, "seconds": 0.5}
    found = render.example("audio", {"audio": wav(1.0)}, data)
    assert found is not None and found["is"] == "sound" and found["seconds"] == "0.50 s"
