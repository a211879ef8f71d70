"""Reads the examples of a run: what the models answered, and the raw files behind the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.data import predictions as recorded_predictions
from modelmill.data.figures import Classes
from modelmill.data.metric import Records
from modelmill.data.predictions import COMPRESSED, FLOAT
from modelmill.data.spec import CONTENT, LABEL, PATH

# Of a split at most so many raw examples are looked at for a picture sheet.
LOOKED_AT = 3000
NO_CLASS = "examples"


@dataclass(frozen=True)
class Answers:
    """Recorded predictions of a split.

    Attributes:
      content: hex digest of each example's raw content.
      truth: int64 [examples], numbers of classes.
      labels: of the classes, in the order of the models' outputs.
      models: the answers of "float" and "compressed".
    """

    content: list[str]
    truth: NDArray[np.int64]
    labels: list[str]
    models: dict[str, Classes]

    def answer(self, model: str) -> NDArray[np.int64]:
        """The most probable class of each example, int64 [examples]."""
        return self.models[model].classes[:, 0]

    def correct(self, model: str) -> NDArray[np.bool_]:
        """Whether the answer is right, bool [examples]."""
        return np.asarray(self.answer(model) == self.truth)


@dataclass(frozen=True)
class Predictions:
    """Recorded predictions of a split, whatever its labels are.

    Attributes:
      content: hex digest of each example's raw content.
      records: fields [examples, ...] of the records of "float" and "compressed".
      names: of classes, by their numbers, as far as they were recorded.
    """

    content: list[str]
    records: Mapping[str, Records]
    names: dict[int, str]

    def labels(self, known: list[str] | None) -> list[str]:
        """Return the names of the outputs: those of the model if they are known, else those that were recorded."""
        fields = self.records[FLOAT]
        outputs = int(fields["outputs"][0]) if "outputs" in fields else fields["answer"].shape[1]
        if known is not None and len(known) == outputs:
            return known
        return [self.names.get(number, f"class {number}") for number in range(outputs)]


def predictions(folder: Path) -> Predictions | None:
    """Read a Predictions artifact; None if it holds nothing."""
    found = list(recorded_predictions.read(str(folder)))
    if not found:
        return None
    records = {
        FLOAT: recorded_predictions.deserialize([one.exact for one in found]),
        COMPRESSED: recorded_predictions.deserialize([one.compressed for one in found]),
    }
    numbers = records[FLOAT]["label"]
    names: dict[int, str] = {}
    if numbers.dtype.kind in "iu" and numbers.size == len(found):
        named = zip(numbers.reshape(-1).tolist(), (one.slices.get(LABEL, ()) for one in found), strict=True)
        names = {number: str(*values[:1]) for number, values in named}
    return Predictions([one.content for one in found], records, names)


def raw(split: Path, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Raw examples of a split by the digest of their content: every feature, see `_raw`."""
    found: dict[str, dict[str, Any]] = {}
    for features in _records(_files(split)):
        digest = _text(features, CONTENT)
        if digest in wanted and digest not in found:
            found[digest] = _raw(features)
            if len(found) == len(wanted):
                break
    return found


def sheet(split: Path, per_class: int, classes: int) -> dict[str, list[dict[str, Any]]]:
    """The first raw examples of each class that a split holds, by label; of at most so many classes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for number, features in enumerate(_records(_files(split))):
        if number >= LOOKED_AT or (len(found) >= classes and all(len(one) >= per_class for one in found.values())):
            break
        # What is no class makes no groups.
        label = _text(features, LABEL) if features[LABEL].HasField("bytes_list") else NO_CLASS
        if label not in found and len(found) >= classes:
            continue
        if len(found.setdefault(label, [])) < per_class:
            found[label].append(_raw(features))
    return dict(sorted(found.items()))


def one_of_each(split: Path, classes: int) -> list[bytes]:
    """Transformed examples as they are stored: the first of each class, of at most so many classes."""
    import tensorflow as tf

    files = [str(path) for path in _files(split)]
    found: dict[int, bytes] = {}
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").take(LOOKED_AT).as_numpy_iterator():
        labels = tf.train.Example.FromString(record).features.feature[LABEL].int64_list.value
        found.setdefault(int(labels[0]) if len(labels) == 1 else len(found), record)
        if len(found) >= classes:
            break
    return list(found.values())


def _files(split: Path) -> list[Path]:
    return sorted(path for path in split.glob("*") if path.is_file() and not path.name.startswith("."))


def _records(files: list[Path]) -> Iterator[Any]:
    """The features of each tf.Example."""
    import tensorflow as tf

    if not files:
        return
    for record in tf.data.TFRecordDataset([str(path) for path in files], compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record).features.feature


def _raw(features: Any) -> dict[str, Any]:
    """Every feature that has a value: one as such, several as a list; what names the example as text."""
    values = {name: found for name, one in features.items() if (found := _value(one)) is not None}
    for name in (LABEL, PATH, CONTENT):
        values[name] = _text(features, name)
    return values


def _value(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    return values[0] if len(values) == 1 else values or None


def _text(features: Any, name: str) -> str:
    """A feature as words, whatever it holds; "" if it holds nothing."""
    value = _value(features[name])
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
