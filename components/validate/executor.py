"""What the data gate does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import decode_split_names

from components import gates, progress
from components.artifacts import GATES_FILE
from components.gates import Gate
from data import modality


def check(statistics: Artifact, anomalies: Artifact, verdict: str) -> None:
    """Writes the rows of the gate into the folder `verdict`.

    Raises:
      GateRefusedError: with a table of the anomalies.
    """
    rows = [
        *_split_rows({split: _statistics(statistics, split) for split in decode_split_names(statistics.split_names)}),
        *_anomaly_rows(anomalies),
    ]
    refused = [row for row in rows if not row.passed]
    if refused:
        for row in refused:
            progress.emit("gate", **row.model_dump())
        raise gates.GateRefusedError(
            "the data does not fit its schema:\n"
            + table([(row.slice, row.reason) for row in refused])
            + "\nMend the data, or give a curated schema that allows it (data.schema_file)."
        )
    Path(verdict).mkdir(parents=True, exist_ok=True)
    gates.write(Path(verdict, GATES_FILE), rows)


def _split_rows(counted: dict[str, statistics_pb2.DatasetFeatureStatisticsList]) -> Iterator[Gate]:
    """Whether each split has examples, of labels that the train split has too, and there are two to tell apart."""
    trained = set(_labels(counted["train"]))
    for split, found in counted.items():
        examples = found.datasets[0].num_examples
        reason = "" if examples else "no examples; give more data or change `split` in the experiment"
        yield Gate(
            gate="data", metric="examples", slice=split, value=examples, bound=1, passed=examples > 0, reason=reason
        )
        # TFDV gives labels that read as numbers no domain, and so would let an unseen one pass.
        unseen = sorted(set(_labels(found)) - trained)
        reason = f"labels that the train split never has: {', '.join(unseen[:10])}" if unseen else ""
        yield Gate(
            gate="data",
            metric="unseen labels",
            slice=split,
            value=len(unseen),
            bound=0,
            passed=not unseen,
            reason=reason,
        )
    if len(trained) == 1:
        reason = f"every example has the label {min(trained)!r}; there is nothing to tell apart"
        yield Gate(gate="data", metric="classes", slice="train", value=1, bound=2, passed=False, reason=reason)


def _anomaly_rows(anomalies: Artifact) -> Iterator[Gate]:
    """TFDV's findings, split by split."""
    for split in decode_split_names(anomalies.split_names):
        content = Path(anomalies.uri, f"Split-{split}", "SchemaDiff.pb").read_bytes()
        found = anomalies_pb2.Anomalies.FromString(content).anomaly_info
        for feature, info in sorted(found.items()):
            text = f"{info.short_description}: {info.description}"
            yield Gate(gate="data", metric="anomaly", slice=f"{split}/{feature}", passed=False, reason=text)
        if not found:
            yield Gate(gate="data", metric="anomaly", slice=split, value=0, bound=0, passed=True)


def _statistics(artifact: Artifact, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    content = Path(artifact.uri, f"Split-{split}", "FeatureStats.pb").read_bytes()
    return statistics_pb2.DatasetFeatureStatisticsList.FromString(content)


def _labels(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> list[str]:
    """The values of the label, of any split; none if it is a number."""
    for feature in statistics.datasets[0].features:
        if list(feature.path.step) == [modality.LABEL]:
            return [bucket.label for bucket in feature.string_stats.rank_histogram.buckets]
    return []


def table(rows: list[tuple[str, str]]) -> str:
    """Two columns of text, aligned."""
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows)
