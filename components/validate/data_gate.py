"""What the data gate does."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import decode_split_names

from modelmill.components import gates
from modelmill.components.artifacts import GATES_FILE
from modelmill.components.gates import Gate
from modelmill.components.validate import drift
from modelmill.components.validate.config import ValidateConfig
from modelmill.data.core import progress
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.spec import LABEL

SCHEMA_FILE = "schema.pbtxt"
_NEW_VALUES = anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES


def check(
    statistics: Artifact, anomalies: Artifact, last: Artifact | None, config: dict[str, Any], verdict: str
) -> None:
    """Writes the rows of the gate into the folder `verdict`.

    Args:
      statistics: of this run's splits.
      anomalies: of the same, against the schema.
      last: the statistics of the last run's splits, if there are any.
      config: of component.gate_config.
      verdict: a folder to be made.

    Raises:
      GateRefusedError: with a table of the anomalies.
    """
    validate = ValidateConfig.model_validate(config["validate"])
    # Each input is a new one; and by a column that parts the splits they differ on purpose.
    free = {config["input"], config["apart"]}
    counted = _statistics(statistics)
    rows = [
        *_split_rows(counted),
        *(_label_rows(counted, config["two_classes"]) if config["classes"] else ()),
        *_slice_rows(counted, config["slices"], config["input"]),
        *_judged(_anomaly_rows(anomalies, free), validate),
        *_judged(_distance_rows(counted, last and _statistics(last), free, validate), validate),
    ]
    refused = [row for row in rows if not row.passed]
    if refused:
        for row in refused:
            progress.emit("gate", **row.model_dump())
        raise gates.GateRefusedError(
            "the data does not pass:\n"
            + table([(row.slice, row.reason) for row in refused])
            + "\nMend the data, or allow it: by a curated schema (`modelmill schema --data` writes one, and "
            "data.schema_file takes it), or by the section `validate`."
        )
    for row in rows:
        if row.warned:
            progress.note(f"warning: {row.metric}, {row.slice}: {row.reason}")
    Path(verdict).mkdir(parents=True, exist_ok=True)
    gates.write(Path(verdict, GATES_FILE), rows)


def read_schema(path: str) -> str:
    """The text of a curated schema. Raises BadDataError if it is none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        text_format.Parse(text, schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise BadDataError(f"data.schema_file: {path} is no TFDV schema in text form ({error})") from error
    return text


def write_schema(text: str, uri: str) -> None:
    """Writes it where TFX's components look for a schema."""
    Path(uri).mkdir(parents=True, exist_ok=True)
    Path(uri, SCHEMA_FILE).write_text(text, encoding="utf-8")


def _judged(rows: Iterator[Gate], validate: ValidateConfig) -> Iterator[Gate]:
    """What may be a warning is one if the experiment says so."""
    for row in rows:
        warned = not row.passed and validate.on_anomaly == "warn"
        yield row.model_copy(update={"passed": True, "warned": True}) if warned else row


def _split_rows(counted: dict[str, Statistics]) -> Iterator[Gate]:
    """Whether each split has examples."""
    for split, found in counted.items():
        examples = found.datasets[0].num_examples
        reason = "" if examples else "no examples; give more data or change `split` in the experiment"
        yield Gate(
            gate="data", metric="examples", slice=split, value=examples, bound=1, passed=examples > 0, reason=reason
        )


def _label_rows(counted: dict[str, Statistics], two: bool) -> Iterator[Gate]:
    """Whether each split has labels that the train split has too, and there are two to tell apart."""
    trained = set(_labels(counted["train"]))
    for split, found in counted.items():
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
    if two and len(trained) != 2:
        reason = f"evaluate: a metric is of two classes, and there are {len(trained)}; macro_f1 takes any number"
        yield Gate(
            gate="data", metric="classes", slice="train", value=len(trained), bound=2, passed=False, reason=reason
        )
    if len(trained) == 1:
        reason = f"every example has the label {min(trained)!r}; there is nothing to tell apart"
        yield Gate(gate="data", metric="classes", slice="train", value=1, bound=2, passed=False, reason=reason)


def _slice_rows(counted: dict[str, Statistics], slices: list[str], model_input: str) -> Iterator[Gate]:
    """Whether evaluate.slices names features of few values: TFMA passes over what is not there in silence."""
    allowed = [name for name in drift.names(counted["train"]) if name != model_input]
    for name in slices:
        kind = drift.kind_of(counted["train"], name)
        reason = ""
        if name not in allowed:
            reason = f"evaluate.slices: there is no feature {name!r}; there are {', '.join(allowed)}"
        elif kind == "float":
            reason = f"evaluate.slices: {name!r} holds fractions, each would be a slice; give a column of classes"
        if reason:
            yield Gate(gate="data", metric="slices", slice=name, passed=False, reason=reason)


def _anomaly_rows(anomalies: Artifact, free: Collection[str]) -> Iterator[Gate]:
    """TFDV's findings, split by split. That a feature of `free` (a text, say) has a new value is none."""
    for split in decode_split_names(anomalies.split_names):
        content = Path(anomalies.uri, f"Split-{split}", "SchemaDiff.pb").read_bytes()
        found = {
            feature: info
            for feature, info in anomalies_pb2.Anomalies.FromString(content).anomaly_info.items()
            if feature not in free or {reason.type for reason in info.reason} != {_NEW_VALUES}
        }
        for feature, info in sorted(found.items()):
            text = f"{info.short_description}: {info.description}"
            yield Gate(gate="data", metric="anomaly", slice=f"{split}/{feature}", passed=False, reason=text)
        if not found:
            yield Gate(gate="data", metric="anomaly", slice=split, value=0, bound=0, passed=True)


def _distance_rows(
    counted: dict[str, Statistics], last: dict[str, Statistics] | None, free: Collection[str], validate: ValidateConfig
) -> Iterator[Gate]:
    """Skew of each split from train, and drift of each split from the last run's, for every feature but `free`."""
    compared = [("skew", split, counted["train"], validate.skew) for split in counted if split != "train"]
    compared += [("drift", split, last[split], validate.drift) for split in counted if last and split in last]
    for metric, split, before, bound in compared:
        features = [name for name in drift.names(before) if name not in free]
        for found in drift.distances(before, counted[split], features):
            passed = bound is None or found.value <= bound
            most = f", most of all of {found.peak}" if found.peak else ""
            source = "train" if metric == "skew" else "the last run's data"
            reason = "" if passed else f"{metric} of {found.value:.3f} from {source}, {bound:g} is allowed{most}"
            where = f"{split}/{found.feature}"
            yield Gate(
                gate="data", metric=metric, slice=where, value=found.value, bound=bound, passed=passed, reason=reason
            )


def _statistics(artifact: Artifact) -> dict[str, Statistics]:
    return {
        split: Statistics.FromString(Path(artifact.uri, f"Split-{split}", "FeatureStats.pb").read_bytes())
        for split in decode_split_names(artifact.split_names)
    }


def _labels(statistics: Statistics) -> list[str]:
    """The values of the label, of any split; none if it is a number."""
    for feature in statistics.datasets[0].features:
        if list(feature.path.step) == [LABEL]:
            return [bucket.label for bucket in feature.string_stats.rank_histogram.buckets]
    return []


def table(rows: list[tuple[str, str]]) -> str:
    """Two columns of text, aligned."""
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows)
