"""Figures as words."""

from __future__ import annotations

import re


def number(value: float | None, places: int = 4) -> str:
    """A figure with so many places; "–" if there is none."""
    if value is None:
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) > 1):
        return f"{value:,.0f}"
    return f"{value:.1e}" if 0 < abs(value) < 10**-places else f"{value:,.{places}f}"


def with_interval(value: float, lower: float, upper: float) -> str:
    """Return a figure with four places and the ends of its interval with three."""
    return f"{value:.4f} ({lower:.3f} to {upper:.3f})"


def share(value: float | None, places: int = 0) -> str:
    """Return a share as percents with so many places; "–" if there is none."""
    return "–" if value is None else f"{value:.{places}%}"


def size(value: float | None) -> str:
    """Bytes, in the unit that suits them."""
    if value is None:
        return "–"
    for unit, step in (("MB", 1e6), ("kB", 1e3)):
        if value >= step:
            return f"{value / step:.3g} {unit}" if value < 1000 * step else f"{value / step:,.0f} {unit}"
    return f"{value:.0f} bytes"


def exact_size(value: int | None) -> str:
    """Return bytes to the last one; "–" if they are not known."""
    return "–" if value is None else f"{value:,} bytes"


def megabytes(value: float) -> str:
    """Return bytes in MB with one place, so that what is told one after the other can be compared."""
    return f"{value / 1e6:,.1f} MB"


def gigabytes(value: float) -> str:
    """Return bytes in GB with one place."""
    return f"{value / 1e9:.1f} GB"


def minutes(seconds: float) -> str:
    """Return seconds in minutes with one place: an estimate is rougher than seconds."""
    return f"{seconds / 60:.1f} minutes"


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours."""
    if seconds is None:
        return "–"
    if seconds < 0.05:
        return "no time"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def latency(value: float | None) -> str:
    """Milliseconds, or microseconds."""
    if value is None:
        return "–"
    return f"{value:.3g} ms" if value >= 0.1 else f"{value * 1000:.3g} µs"


def times(before: float | None, after: float | None) -> str:
    """How many times smaller; "" if that can't be told."""
    if not before or not after:
        return ""
    factor = before / after
    if 0.95 <= factor < 1.05:
        return "as large"
    return f"{by(factor)}smaller" if factor > 1 else f"{by(1 / factor)}larger"


def speed(before: float | None, after: float | None) -> str:
    """How many times faster; "" if that can't be told."""
    if not before or not after:
        return ""
    factor = before / after
    return f"{by(factor)}faster" if factor >= 1 else f"{by(1 / factor)}slower"


def by(factor: float) -> str:
    """`3.5 × `, which no line break is to part from its word."""
    return f"{factor:.1f}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}"


def plural(count: int, one: str, many: str = "") -> str:
    """`3 examples`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def several(words: list[str], most: int = 4) -> str:
    """`a, b and c`; of many the first ones."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """For sorting: numbers in names by their value."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
