"""What `modelmill new` writes for sounds: one folder of files a class."""

from __future__ import annotations

import math
from statistics import median, quantiles

from modelmill.data.profiling import class_folders
from modelmill.data.profiling.draft import Asked, Draft
from modelmill.data.profiling.profile import Found

RATES = (8000, 16_000)


def draft(asked: Asked) -> Draft:
    """Draft an experiment. Raises NoProjectError."""
    return class_folders.draft(
        asked,
        class_folders.Writer(
            "conv1d",
            "WAV, FLAC or OGG files",
            {"audio": "bytes", "seconds": "float", "rate": "int", "channels": "int"},
            _data,
            "augment:\n  gain: 6                   # decibels, louder or softer",
            _model,
        ),
    )


def _data(found: Found) -> str:
    lengths, rates = found.numbers["seconds"], found.numbers["rate"]
    most = quantiles(lengths, n=10)[8] if len(lengths) > 1 else lengths[0]
    seconds = min(60.0, max(0.1, round(most, 1)))
    rate = max((one for one in RATES if one <= median(rates)), default=RATES[0])
    return f"""\
  sample_rate: {rate}        # the files have {min(rates):,.0f} to {max(rates):,.0f}; more than 16,000 rarely pays
  seconds: {seconds:g}                # nine of ten files are no longer; the middle is {median(lengths):.2f} s
  max_seconds: {max(60, math.ceil(max(lengths)))}"""


def _model(found: Found, asked: Asked) -> str:
    width = next((one for one in (64, 48, 32, 24, 16) if asked.fits(5 * one * (40 + 3 * one))), 12)
    return f"  filters: {[width] * 4}    # of each block, over the frames of a spectrum\n"
