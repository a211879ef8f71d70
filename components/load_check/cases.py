"""Which raw files are tried, and what was recorded of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from modelmill.data.spec import CONTENT, LABEL, PATH


@dataclass(frozen=True)
class Recorded:
    """The recorded answers to one example, float32 [labels], of the SavedModel and the flatbuffer; its class, or 0."""

    content_digest: str
    label: int
    exact: NDArray[np.float32]
    compressed: NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A raw file to try."""

    path: str
    content: bytes
    recorded: Recorded


def choose(predictions: str, number: int) -> list[Recorded]:
    """At most `number` recorded predictions, taken in turn from each class, in the order of their content's digest.

    Args:
      predictions: uri of a Predictions artifact.
      number: the number of files to try.
    """
    by_class: dict[int, dict[str, Recorded]] = {}
    for features in _features(Path(predictions)):
        recorded = Recorded(
            content_digest=features[CONTENT].bytes_list.value[0].decode(),
            label=next(iter(features[LABEL].int64_list.value), 0),
            exact=np.array(features["float"].float_list.value, np.float32),
            compressed=np.array(features["compressed"].float_list.value, np.float32),
        )
        by_class.setdefault(recorded.label, {})[recorded.content_digest] = recorded
    turns = [(turn, label, digest) for label, found in by_class.items() for turn, digest in enumerate(sorted(found))]
    return [by_class[label][digest] for _, label, digest in sorted(turns)[:number]]


def find(split: str, chosen: list[Recorded], input_name: str) -> list[Case]:
    """Their raw files, in the same order, from the raw examples in folder `split`; what is not there is left out."""
    wanted = {recorded.content_digest: recorded for recorded in chosen}
    cases: dict[str, Case] = {}
    for features in _features(Path(split)):
        if len(cases) == len(wanted):
            break
        digest = features[CONTENT].bytes_list.value[0].decode()
        if digest in wanted and digest not in cases:
            path = features[PATH].bytes_list.value[0].decode()
            cases[digest] = Case(path, features[input_name].bytes_list.value[0], wanted[digest])
    return [cases[digest] for digest in wanted if digest in cases]


def _features(folder: Path) -> Any:
    """The features of each tf.Example in a folder of gzip TFRecords."""
    files = sorted(str(path) for path in folder.glob("*") if path.is_file())
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record).features.feature
