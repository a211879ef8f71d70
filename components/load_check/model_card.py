"""The model card, in the sections of Mitchell et al. 2019 (Model Cards for Model Reporting).

It is a part of the bundle: like all there, it tells neither the time nor the place nor anything that was timed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from modelmill.components.load_check.config import UNSAID, CardConfig
from modelmill.data import task

FILE = "model_card.md"
# What Markdown or HTML would take for markup, in names that come from data.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&])")
_HEAD = re.compile(r"^([#+=-])")


@dataclass(frozen=True)
class Table:
    """Rows of words below their columns."""

    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Section:
    """A heading, paragraphs (or points, of a term and what it is), and perhaps a table."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    points: list[tuple[str, str]] = field(default_factory=list)
    table: Table | None = None


def make(
    experiment: str, config: CardConfig, model: dict[str, Any], trial: dict[str, Any], figures: dict[str, Any]
) -> list[Section]:
    """The sections of a card.

    Args:
      experiment: its name.
      config: what a person has said.
      model: model.json of the Trainer: family, spec, data.
      trial: trial.json of the Compressor.
      figures: metrics.json of `evaluate-compressed`.
    """
    said = config.model_dump()
    spec, family, data = model["spec"], model.get("family", {}), model.get("data", {})
    asked, (given, *_) = spec["task"], spec["inputs"]
    labels = [str(label) for label in spec["task_facts"]["labels"]]
    source = data.get("sample") or PurePath(str(data.get("path") or "")).name or "not recorded"
    examples = figures.get("examples")
    return [
        Section(
            "Model details",
            points=[
                ("Name", experiment),
                ("Kind", f"{asked} of {spec['modality']}, family {family.get('family', 'not recorded')}"),
                ("Input", f"{given['dtype']} {' x '.join(map(str, given['shape']))}"),
                ("Output", f"{task.look_up(asked).MEANING}: {', '.join(labels)}"),
                ("Compression", str(trial.get("label") or "none")),
                ("Flatbuffer", _bytes(trial)),
                ("Owner", said["owner"] or UNSAID),
                ("Licence", said["licence"] or UNSAID),
            ],
        ),
        Section(
            "Intended use",
            points=[
                ("For", said["intended_use"] or UNSAID),
                ("By", said["users"] or UNSAID),
                ("Not for", said["out_of_scope"] or UNSAID),
            ],
        ),
        Section("Factors", ["Figures are given for each slice. Nothing else is known of the examples."]),
        Section("Metrics", points=_metrics(asked, figures)),
        Section("Training data", [f"The train split of {source}.", *([said["data"]] if said["data"] else [])]),
        Section("Evaluation data", [f"The test split of {source}: {examples} examples that training never saw."]),
        Section(
            "Quantitative analyses",
            ["Of the float model and of the flatbuffer, on the test split."],
            table=_table(figures),
        ),
        Section("Ethical considerations", [said["ethics"] or UNSAID]),
        Section("Caveats and recommendations", [said["limits"] or UNSAID, *_caveats(figures)]),
    ]


def markdown(title: str, sections: list[Section]) -> str:
    """The card as a Markdown file; whatever comes from data is escaped."""
    lines = [f"# Model card: {escape(title)}"]
    for section in sections:
        lines += ["", f"## {section.title}"]
        for paragraph in section.paragraphs:
            lines += ["", _HEAD.sub(r"\\\1", escape(paragraph))]
        if section.points:
            lines += ["", *(f"- **{term}:** {escape(text)}" for term, text in section.points)]
        if section.table:
            lines += ["", _row(section.table.columns), _row(["---"] * len(section.table.columns), raw=True)]
            lines += [_row(row) for row in section.table.rows]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\>", "&gt;")


def read(path: Path) -> dict[str, Any]:
    """A JSON file; {} if it is not there."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _row(cells: list[str], raw: bool = False) -> str:
    return f"| {' | '.join(cell if raw else escape(cell) for cell in cells)} |"


def _bytes(trial: dict[str, Any]) -> str:
    if trial.get("bytes") is None:
        return "not measured"
    return f"{trial['bytes']:,} bytes, {trial.get('gzip_bytes', 0):,} gzipped, {trial.get('sparsity') or 0:.0%} zeros"


def _table(figures: dict[str, Any]) -> Table | None:
    """A row for all examples and for each slice."""
    if not figures:
        return None
    slices = [("all", figures), *sorted(figures.get("slices", {}).items())]
    metric, rows = figures.get("metric", "accuracy"), []
    for name, one in slices:
        change = one["difference"]
        reach = "" if change.get("lower") is None else f" ({change['lower']:+.4f} to {change['upper']:+.4f})"
        values = [_figure(one[key].get(metric)) for key in ("float", "compressed")]
        outcome = str(one.get("non_inferiority", "–"))
        rows.append([name, str(one["examples"]), *values, f"{_figure(change[metric], '+')}{reach}", outcome])
    others = [name for name in figures["float"] if name != metric]
    for name in others:
        values = [_figure(figures[key].get(name)) for key in ("float", "compressed")]
        rows.append([f"all: {name}", str(figures["examples"]), *values, "", ""])
    level = f"{100 * figures.get('confidence', 0.95):g}"
    difference = f"difference ({level} % interval)"
    return Table(["slice", "examples", "float", "compressed", difference, "non-inferiority"], rows)


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.4f}"


def _metrics(asked: str, figures: dict[str, Any]) -> list[tuple[str, str]]:
    """What decides, and what is told beside it."""
    decides = figures.get("metric", task.metric(asked).name)
    names = dict.fromkeys((decides, *figures.get("float", {})))
    told = [(name, task.metric(asked, name).says) for name in names]
    kind = "Tango's score interval" if task.metric(asked, decides).SHARE else "a jackknife interval"
    return [*told, ("Differences", f"of {decides}, paired: of the same examples; with {kind}.")]


def _caveats(figures: dict[str, Any]) -> list[str]:
    slices = figures.get("slices", {})
    few = sum(one["examples"] < 100 for one in slices.values())
    undecided = sum(one.get("non_inferiority") == "undecided" for one in slices.values())
    told = []
    if few:
        told.append(f"{few} of {len(slices)} slices have fewer than 100 test examples: their figures are rough.")
    if undecided:
        told.append(
            f"On {undecided} of {len(slices)} slices it is undecided whether the flatbuffer is worse than the float "
            "model: the test examples are too few to tell."
        )
    return told
