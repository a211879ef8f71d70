"""Examples as a page shows them to a person, whatever their modality: a picture, a player, words, a row or curves.

The seam is a media type and bytes. `Modality.show` gives them for a model's input; `show_raw` gives them for the raw
features, where these say more than what the model makes of them (a row rather than its vector):

    image/png, image/jpeg   a small picture
    audio/wav               a player below a spectrogram
    text/plain, text/html   words; markup is shown, never interpreted
    text/csv                curves: a line is a step in time, a column a channel; words, if those are no numbers
    application/json        an object is a row of a table; lists of numbers are curves: one list, or a list of lists
"""

from __future__ import annotations

import base64
import io
import json
import logging
import wave
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data import modality
from modelmill.pipeline.report.examples import thumbnails

WORDS, FIELDS, CURVES, POINTS = 500, 24, 6, 160
# Of a sound: base64 makes it a third more, and a page shows dozens. Longer ones lose their high notes, then their end.
WAV_BYTES = 48_000
RATE = 8000
# The box in which curves are drawn.
WIDTH, HEIGHT = 160, 60

Shown = dict[str, Any]


def example(kind: str, found: dict[str, Any], data: dict[str, Any]) -> Shown | None:
    """A raw example; None if it can't be shown.

    Args:
      kind: the modality's name.
      found: the raw features.
      data: the section `data` of the experiment, as it was run.
    """
    try:
        plug_in = modality.look_up(kind)
        return shown(*plug_in.show_raw(found, plug_in.Config.model_validate(data)))
    except Exception:  # an example that can't be shown must not cost the page
        logging.exception("an example of modality %s can't be shown", kind)
        return None


def model_input(kind: str, value: Any, data: dict[str, Any]) -> Shown | None:
    """A model's input [*shape], by the modality's `show`."""
    plug_in = modality.look_up(kind)
    return shown(*plug_in.show(value, plug_in.Config.model_validate(data)))


def shown(media: str, content: bytes) -> Shown | None:
    """What the page's template `example` takes: {"is": image | sound | words | row | curves, ...}."""
    if media.startswith("image/"):
        return _picture(content)
    if media == "audio/wav":
        return _sound(content)
    if media == "text/csv":
        return _csv(content.decode(errors="replace"))
    if media.startswith("text/"):
        text = content.decode(errors="replace")
        return {"is": "words", "text": text[:WORDS] + ("…" if len(text) > WORDS else "")}
    if media == "application/json":
        return _json(json.loads(content))
    return None


def _picture(content: bytes) -> Shown | None:
    src = thumbnails.encoded(content)
    return {"is": "image", "src": src} if src else None


def _json(value: Any) -> Shown | None:
    if isinstance(value, dict):
        rows = [[str(key), _cell(one)] for key, one in list(value.items())[:FIELDS]]
        more = len(value) - len(rows)
        return {"is": "row", "rows": rows, "more": f"and {more} more" if more else ""}
    numbers = np.atleast_2d(np.asarray(value, np.float64))
    if numbers.size == 0 or numbers.ndim != 2:
        return None
    return {"is": "curves", "paths": [_path(one, numbers) for one in numbers[:CURVES]], "alt": _told(numbers)}


def _csv(text: str) -> Shown | None:
    try:
        steps = [[float(cell) if cell else float("nan") for cell in line.split(",")] for line in text.splitlines()]
        return _json(np.array(steps, np.float64).T.tolist())
    except ValueError:
        return {"is": "words", "text": text[:WORDS]}


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return "–" if value is None else str(value)[:80]


def _told(numbers: NDArray[np.float64]) -> str:
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    count = f"{len(numbers)} curves of" if len(numbers) > 1 else "a curve of"
    return f"{count} {numbers.shape[1]:,} values from {low:.4g} to {high:.4g}"


def _path(curve: NDArray[np.float64], every: NDArray[np.float64]) -> str:
    """An SVG path in a box of WIDTH x HEIGHT; all curves share one scale, gaps are left where values are missing."""
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    places = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), POINTS)).round().astype(int))
    told, pen = [], "M"
    for place in places:
        value = curve[place]
        if not np.isfinite(value):
            pen = "M"
            continue
        x = place / max(len(curve) - 1, 1) * WIDTH
        y = HEIGHT - 2 - (value - low) / ((high - low) or 1) * (HEIGHT - 4)
        told.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(told)


def _sound(content: bytes) -> Shown:
    """A player of what fits, and a spectrogram of all of it."""
    with wave.open(io.BytesIO(content)) as file:
        rate, channels, frames = file.getframerate(), file.getnchannels(), file.getnframes()
        samples = np.frombuffer(file.readframes(frames), np.int16).reshape(-1, channels).mean(axis=1)
    seconds = len(samples) / rate
    heard, cut = samples, ""
    if 2 * len(heard) > WAV_BYTES and rate > RATE:
        from scipy.signal import resample_poly

        heard, rate_heard = resample_poly(samples, RATE, rate), RATE
    else:
        rate_heard = rate
    if 2 * len(heard) > WAV_BYTES:
        heard = heard[: WAV_BYTES // 2]
        cut = f"the first {len(heard) / rate_heard:.1f} of {seconds:.1f} s"
    player = _wav(np.clip(heard, -32768, 32767).astype(np.int16), rate_heard)
    src = f"data:audio/wav;base64,{base64.b64encode(player).decode()}"
    return {
        "is": "sound",
        "src": src,
        "picture": _spectrogram(samples, rate),
        "cut": cut,
        "seconds": f"{seconds:.2f} s",
    }


def _wav(samples: NDArray[np.int16], rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def _spectrogram(samples: NDArray[np.float64], rate: int) -> str | None:
    """Decibels over time (to the right) and frequency (up), 60 below the loudest is black."""
    if len(samples) < 32:
        return None
    from PIL import Image
    from scipy.signal import spectrogram

    size = int(min(256, len(samples)))
    _, _, power = spectrogram(samples / 32768, rate, nperseg=size, noverlap=size // 2)
    decibels = 10 * np.log10(power + 1e-12)
    scaled = np.clip((decibels - decibels.max() + 60) / 60, 0, 1)
    image = Image.fromarray((255 * scaled[::-1]).astype(np.uint8))
    return thumbnails.data_uri(image.resize((96, 48)))
