"""The data: how much there is of what, what is odd about it, and what it looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts
from modelmill.pipeline.report.parts import example_sheets

SPLITS = ("train", "eval", "test")
MANY = 60  # classes in a chart
MOST = 12  # distances in a table
DISTANCES = {"skew": "skew, from train", "drift": "drift, from the last run's data"}


def make(run: Recorded) -> dict[str, Any]:
    """Counts, features, anomalies, distances, pictures; each empty if the run did not get so far."""
    folder = run.path("statistics", "statistics")
    statistics = _statistics(folder) if folder else {}
    counts = {split: _histogram(one) for split, one in statistics.items()}
    return {
        "figure": _counts(counts),
        "uncounted": _uncounted(statistics),
        "features": _features(statistics),
        "anomalies": _anomalies(run),
        "distances": _distances(run),
        "sheet": example_sheets.plain(run),
        "augmented": example_sheets.augmented(run),
    }


def _statistics(folder: Path) -> dict[str, Any]:
    """TFDV's statistics of each split."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = {}
    for path in folder.glob("Split-*/FeatureStats.pb"):
        read = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
        if read.datasets:
            found[path.parent.name.removeprefix("Split-")] = read.datasets[0]
    order = [*SPLITS, *found]
    return {split: found[split] for split in sorted(found, key=order.index)}


def _name(feature: Any) -> str:
    return str(feature.name or ".".join(feature.path.step))


def _histogram(dataset: Any, wanted: str = "label") -> dict[str, int]:
    """Examples per value of a feature of words."""
    for feature in dataset.features:
        if _name(feature) == wanted:
            buckets = feature.string_stats.rank_histogram.buckets
            return {one.label: int(one.sample_count) for one in buckets}
    return {}


def _uncounted(statistics: dict[str, Any]) -> str:
    """Instead of the classes, where there are none."""
    if not statistics:
        return "The run ended before the data was counted."
    told = ", ".join(f"{split} {one.num_examples:,}" for split, one in statistics.items())
    return f"{told}: the labels are no classes."


def _counts(counts: dict[str, dict[str, int]]) -> dict[str, Any] | None:
    """Examples per class, stacked by split."""
    totals: dict[str, int] = {}
    for histogram in counts.values():
        for label, count in histogram.items():
            totals[label] = totals.get(label, 0) + count
    if not totals:
        return None
    shown = sorted(sorted(totals, key=lambda one: -totals[one])[:MANY], key=format.natural)
    rows: charts.Rows = [
        {"class": label, "split": split, "count": histogram.get(label, 0), "order": place}
        for place, (split, histogram) in enumerate(counts.items())
        for label in shown
    ]
    most, least = max(totals, key=lambda one: totals[one]), min(totals, key=lambda one: totals[one])
    ratio = totals[most] / max(1, totals[least])
    balance = "balanced" if ratio < 1.5 else "somewhat unequal" if ratio < 4 else "unequal"
    span = f"{totals[most]:,} of {most} at most, {totals[least]:,} of {least} at least"
    if totals[most] == totals[least]:
        span = f"{totals[most]:,} of each"
    says = (
        f"{format.plural(sum(totals.values()), 'example')} of {format.plural(len(totals), 'class', 'classes')}, "
        f"{balance}: {span}."
    )
    if len(totals) > len(shown):
        says += f" The {MANY} largest classes are shown."
    table = {
        "columns": ["class", *counts, "all"],
        "rows": [
            [label, *(f"{one.get(label, 0):,}" for one in counts.values()), f"{totals[label]:,}"] for label in shown
        ],
    }
    figure = charts.figure("counts", "Examples per class", says, charts.bars(rows, "class", "split", "class"))
    return {**figure, "table": table}


def _features(statistics: dict[str, Any]) -> dict[str, Any] | None:
    """A row per feature and split."""
    rows = []
    for split, dataset in statistics.items():
        for feature in dataset.features:
            kind = feature.WhichOneof("stats")
            stats = getattr(feature, kind) if kind else None
            if stats is None:
                continue
            common = stats.common_stats
            told = ""
            if kind == "num_stats":
                low, high, mean, middle = (
                    format.number(one, 2) for one in (stats.min, stats.max, stats.mean, stats.median)
                )
                told = f"{low} to {high}, mean {mean}, median {middle}"
            elif kind == "string_stats":
                told = f"{format.plural(int(stats.unique), 'value')}" if stats.unique else ""
            elif kind == "bytes_stats":
                told = f"{format.size(stats.avg_num_bytes)} on average, {format.size(stats.max_num_bytes)} at most"
            rows.append([_name(feature), split, f"{common.num_non_missing:,}", f"{common.num_missing:,}", told])
    rows.sort(key=lambda row: row[0])
    return {"columns": ["feature", "split", "present", "missing", "values"], "rows": rows} if rows else None


def _anomalies(run: Recorded) -> dict[str, Any]:
    """What TFDV found to be at odds with the schema."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    folder = run.path("validator", "anomalies")
    if folder is None:
        return {"says": "", "rows": []}
    rows = []
    for path in sorted(folder.glob("Split-*/SchemaDiff.pb")):
        split = path.parent.name.removeprefix("Split-")
        found = anomalies_pb2.Anomalies.FromString(path.read_bytes())
        rows += [[split, name, one.description] for name, one in sorted(found.anomaly_info.items())]
        if found.HasField("dataset_anomaly_info"):
            rows.append([split, "all examples", found.dataset_anomaly_info.description])
    says = (
        f"{format.plural(len(rows), 'anomaly', 'anomalies')} against the schema."
        if rows
        else "Every split fits the schema: no anomalies."
    )
    return {"says": says, "columns": ["split", "feature", "what"], "rows": rows}


def _distances(run: Recorded) -> dict[str, Any] | None:
    """What the data gate measured of each split's skew from train and drift from the last run's data, and decided."""
    measured = [row for row in run.summary.get("gates", []) if row["gate"] == "data" and row["metric"] in DISTANCES]
    if not measured:
        return None
    over = [row for row in measured if not row["passed"] or row.get("warned")]
    refused = sum(not row["passed"] for row in over)
    says = f"The largest is {max(row['value'] for row in measured):.3f}; "
    says += f"{format.plural(len(over), 'is', 'are')} more than the experiment allows" if over else "none is too large"
    says += f": {refused} refused, {len(over) - refused} let pass with a warning." if over else "."
    if not refused and all(row["metric"] != "drift" for row in measured):
        says += " There is no earlier run on other data to measure drift from."
    measured.sort(key=lambda row: (row not in over, -row["value"]))
    if len(measured) > MOST:
        says += f" The first {MOST} of {len(measured)} are shown."
    rows = []
    for row in measured[:MOST]:
        split, _, feature = row["slice"].partition("/")
        bound = "" if row["bound"] is None else f"{row['bound']:g}"
        result = "refused" if not row["passed"] else "warning" if row in over else "passed" if bound else "told"
        rows.append([DISTANCES[row["metric"]], split, feature, f"{row['value']:.4f}", bound, result])
    return {"says": says, "columns": ["of", "split", "feature", "distance", "allowed", "result"], "rows": rows}
