"""Intervals against published figures, and by exact summation of how often they hold the true value."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from modelmill.components import intervals


@pytest.mark.parametrize(
    ("right", "examples", "ends"),
    [  # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_gives_the_published_figures(right: int, examples: int, ends: tuple[float, float]) -> None:
    assert intervals.wilson(right, examples) == pytest.approx(ends, abs=5e-5)
    mirrored = (1 - ends[1], 1 - ends[0])
    assert intervals.wilson(examples - right, examples) == pytest.approx(mirrored, abs=5e-5)


@pytest.mark.parametrize(
    ("table", "confidence", "ends", "digits"),
    [  # both right, only the first, only the second, none
        ((4, 9, 3, 16), 0.95, (-0.027, 0.390), 3),  # Tango 1998
        ((43, 0, 1, 0), 0.90, (-0.096, 0.037), 3),  # Tango 1998, contact lenses
        ((53, 16, 8, 9), 0.95, (-0.020, 0.207), 3),  # Agresti and Min 2005
        ((8, 3, 1, 2), 0.95, (-0.1670, 0.4327), 4),  # Tang et al. 2010
        ((1, 1, 7, 12), 0.95, (-0.517, -0.026), 3),  # Fagerland et al. 2014
        ((59, 6, 16, 80), 0.95, (-0.1240, -0.0054), 4),  # Fagerland et al. 2017, chapter 8
    ],
)
def test_tango_gives_the_published_figures(
    table: tuple[int, ...], confidence: float, ends: tuple[float, float], digits: int
) -> None:
    found = intervals.tango(table[1], table[2], sum(table), confidence)
    assert [round(end, digits) for end in found] == list(ends)


@pytest.mark.parametrize("examples", [1, 17, 288, 100_000])
def test_tango_where_no_pair_differs_is_as_wide_as_the_number_of_examples_says(examples: int) -> None:
    reach = 1.959964**2 / (examples + 1.959964**2)
    assert intervals.tango(0, 0, examples) == pytest.approx((-reach, reach), rel=1e-5)
    assert intervals.narrowest(examples, 0.95) == pytest.approx(reach, rel=1e-5)


def test_tango_ends_where_the_likelihood_says() -> None:
    """At each end the score statistic, of an estimate that a search over the likelihood gives, is the quantile."""
    for b, c, n in ((0, 4, 30), (5, 1, 21), (12, 12, 60), (0, 9, 9)):
        for end, wanted in zip(intervals.tango(b, c, n), (1.959964, -1.959964), strict=True):
            if abs(end) == 1:
                continue

            def likelihood(q: float, b: int = b, c: int = c, n: int = n, end: float = end) -> float:
                cells = [(b, q + end), (c, q), (n - b - c, 1 - 2 * q - end)]
                return -sum(count * np.log(max(share, 1e-300)) for count, share in cells if count)

            span = (max(0.0, -end), (1 - end) / 2)
            q = optimize.minimize_scalar(likelihood, span, bounds=span, method="bounded", options={"xatol": 1e-12}).x
            score = (b - c - n * end) / np.sqrt(n * (2 * q + end * (1 - end)))
            assert score == pytest.approx(wanted, abs=1e-3), (b, c, n)


def test_tango_is_mirrored_stays_within_one_and_narrows() -> None:
    for b, c in itertools.product(range(6), repeat=2):
        low, high = intervals.tango(b, c, 10)
        assert -1 <= low < (b - c) / 10 < high <= 1 or (b, c) in ((10, 0), (0, 10))
        assert intervals.tango(c, b, 10) == pytest.approx((-high, -low))
    assert intervals.tango(10, 0, 10)[1] == 1 and intervals.tango(0, 10, 10)[0] == -1
    widths = [np.diff(intervals.tango(2, 3, n))[0] for n in (20, 50, 200, 1000)]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("examples", [17, 50, 288])
def test_wilson_holds_the_true_share_as_often_as_it_says(examples: int) -> None:
    rights = np.arange(examples + 1)
    low, high = np.transpose([intervals.wilson(int(right), examples) for right in rights])
    shares = np.linspace(0.5, 0.99, 200)[:, None]
    held = (stats.binom.pmf(rights, examples, shares) * ((low <= shares) & (shares <= high))).sum(axis=1)
    assert 0.93 <= held.mean() <= 0.97, held.mean()


@pytest.mark.parametrize("examples", [17, 30, 60])
def test_tango_holds_the_true_difference_at_every_point_of_a_grid(examples: int) -> None:
    pairs = [(b, c) for b in range(examples + 1) for c in range(examples + 1 - b)]
    low, high = np.transpose([intervals.tango(b, c, examples) for b, c in pairs])
    counts = np.array([(b, c, examples - b - c) for b, c in pairs])
    found = {}
    for b, c in itertools.product((0.0, 0.01, 0.02, 0.05, 0.1, 0.2), repeat=2):
        chance = stats.multinomial.pmf(counts, examples, [b, c, 1 - b - c])
        found[b, c] = float((chance * ((low <= b - c + 1e-9) & (b - c - 1e-9 <= high))).sum())
    worst = min(found, key=lambda point: found[point])
    print(f"n = {examples}: least coverage {found[worst]:.4f} at {worst}, mean {np.mean(list(found.values())):.4f}")
    assert found[worst] >= 0.93, (worst, found[worst])


def test_the_number_of_examples_that_a_limit_needs_is_the_least_one() -> None:
    for limit, scale in ((0.035, 1.0), (0.03, 1.0), (0.5, 1.0), (2.0, 1.0), (3.0, 55.0)):
        count = intervals.needed(limit, 0.95, scale)
        assert count is not None and scale * intervals.narrowest(count, 0.95) < limit
        assert count == 1 or scale * intervals.narrowest(count - 1, 0.95) >= limit
    assert intervals.needed(0.035, 0.95) == 106 and intervals.needed(0.0, 0.95) is None


def test_significance_agrees_with_the_intervals() -> None:
    """A share is below a bound, and a difference below 0, at half the level, just where the interval's end is."""
    for right in range(60, 101):
        assert (intervals.share_below(right, 100, 0.8) < 0.025) == (intervals.wilson(right, 100)[1] < 0.8)
    for b, c in itertools.product(range(12), repeat=2):
        assert (intervals.paired_loss(b, c) < 0.025) == (intervals.tango(b, c, 200)[1] < 0)
    assert intervals.share_below(99, 100, 1.0) == 0 and intervals.share_below(100, 100, 1.0) == 1
    low, high = intervals.student(-0.02, 0.01, 19, 0.95)
    assert intervals.student_loss(0.02, 0.01, 19) > 0.025 and high > 0 > low
    assert intervals.student_loss(0.0, 0.0, 19) == 1 and intervals.student_loss(0.1, 0.0, 19) == 0


def test_an_interval_of_no_spread_has_a_width_and_none_leaves_its_bounds() -> None:
    assert intervals.student(0.0, 0.0, 19, 0.95, 0.1) == (-0.1, 0.1)
    assert intervals.student(0.0, 0.1, 19, 0.95, 0.1) == pytest.approx((-0.2093, 0.2093), abs=1e-4)
    assert intervals.clipped((0.9, 1.015), 0.0, 1.0) == (0.9, 1.0)
    assert intervals.clipped((-5.0, 3.0), None, 1.0) == (-5.0, 1.0)


def test_holm_rejects_step_by_step() -> None:
    """Step by step: 0.01 < 0.05/4, 0.013 < 0.05/3, 0.03 > 0.05/2 ends it."""
    assert intervals.holm([0.03, 0.01, 0.04, 0.013], 0.05) == [False, True, False, True]
    assert intervals.holm([0.03], 0.05) == [True] and intervals.holm([], 0.05) == []
    assert intervals.holm([0.02, 0.02, 0.02], 0.05) == [False, False, False]


def test_it_needs_neither_tfx_nor_tensorflow() -> None:
    code = (
        "import sys; from modelmill.components import intervals; intervals.tango(0, 1, 9); intervals.wilson(1, 9);"
        "assert not {'tfx', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_of_the_docs_is_what_the_command_beside_it_prints() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")
    command = "-m modelmill.components.intervals"
    printed = subprocess.run([sys.executable, *command.split()], capture_output=True, text=True, check=True).stdout
    assert printed.count("\n") == 6 and printed in page and command in page
