"""The search beside the best preset: the table of docs/compression.md. Seeds as in bench_trials.py.

make bench ARGS='-k test_search'
SEARCH_OF=mnist-cnn TRIALS_SEEDS=1 make bench ARGS='-k test_search'
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.bench_trials import SEEDS, ran, reported, root, tested, told

__all__ = ["root"]  # a fixture

NAME = os.environ.get("SEARCH_OF", "digits-cnn")
PRESET = {"preset": "smallest"}
SEARCH = {"search": {"max_trials": 30, "max_minutes": 600}}
Report = dict[str, Any]


def compressed(place: Path, seed: int, compress: dict[str, Any]) -> tuple[Path, Report]:
    """The experiment with another section `compress`, its budget as by default; the same trained model for each."""
    sets = (f"run.seed={seed}", f"compress={json.dumps(compress)}", "evaluate.threshold=0.5")
    links = ran(place, NAME, "compress", *sets)
    return links.resolve(), reported(links)


def row(name: str, seed: int, links: Path, report: Report) -> str:
    """A line of Markdown."""
    trial, whole = report["trials"][report["chosen"]], report["float"]
    folder = report["folders"][report["chosen"] + 1]
    searched = [one["folder"] for one in (report["search"] or {"chains": []})["chains"]]
    at = f", found by trial {searched.index(folder) + 1}" if folder in searched else ""
    (drop,) = (100 * (whole["metrics"][key] - value) for key, value in trial["metrics"].items())
    (accuracy,) = tested(links, [report["chosen"] + 1])
    steps = " + ".join(f"{step['method']} {_setting(step)}".strip() for step in trial["chain"])
    return (
        f"| {seed} | {name}{at} | {len(searched) or len(report['trials'])} | {epochs(report):,} "
        f"| {trial['gzip_bytes']:,} | {drop:.1f} | {accuracy:.4f} | {steps} |"
    )


def epochs(report: Report) -> int:
    """Of fine-tuning in all; what several chains begin with counts once."""
    chains = [trial["chain"] for trial in report["trials"]]
    steps = {str(chain[: place + 1]): step for chain in chains for place, step in enumerate(chain)}
    return sum(step.get("epochs", 0) for step in steps.values())


def _setting(step: dict[str, Any]) -> str:
    """What the search varies."""
    if step["method"] == "prune":
        layers = step["layers"] or {"": step["sparsity"]}
        return ", ".join(f"{layer} {share:.0%}".strip() for layer, share in layers.items())
    return next((str(step[key]) for key in ("width", "amount", "energy", "clusters") if key in step), "")


@pytest.mark.timeout(14400)
def test_search(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Within 30 trials the search finds something at least as small as the best chain of the preset `smallest`."""
    lines = [
        "| seed | by | chains | epochs | bytes, gzipped | points lost, eval | accuracy, test | chain |",
        "|---" * 8 + "|",
    ]
    sizes = []
    for seed in SEEDS:
        by = {
            name: compressed(root / f"seed-{seed}", seed, one) for name, one in (("preset", PRESET), ("search", SEARCH))
        }
        lines += [row(name, seed, links, report) for name, (links, report) in by.items()]
        chosen = [report["trials"][report["chosen"]] for _, report in by.values()]
        assert all(trial["within_budget"] for trial in chosen)
        sizes.append([trial["gzip_bytes"] for trial in chosen])
    told(lines, capsys)
    assert all(searched <= preset for preset, searched in sizes)
