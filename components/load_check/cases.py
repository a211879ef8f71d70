"""Which raw files are tried, and what was recorded of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from modelmill.data import predictions
from modelmill.data.spec import CONTENT, PATH


@dataclass(frozen=True)
class Recorded:
    """The recorded answers to one example, of the SavedModel and the flatbuffer; its class, or 0.

    They are masked float32 [labels]: of many classes only the most probable ones are recorded.
    """

    content_digest: str
    label: int
    exact: np.ma.MaskedArray[Any, Any]
    compressed: np.ma.MaskedArray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A raw file to try."""

    path: str
    content: bytes
    recorded: Recorded


def choose(recorded: str, number: int) -> list[Recorded]:
    """At most `number` recorded predictions, taken in turn from each class, in the order of their content's digest.

    Args:
      recorded: uri of a Predictions artifact.
      number: the number of files to try.
    """
    by_class: dict[int, dict[str, Recorded]] = {}
    for prediction in predictions.read(recorded):
        exact, compressed = (predictions.deserialize([one]) for one in (prediction.exact, prediction.compressed))
        label = int(exact["label"][0]) if "classes" in exact else 0
        found = by_class.setdefault(label, {})
        # They come in the order of their digests.
        if len(found) < number and prediction.content not in found:
            answers = (_answer(one) for one in (exact, compressed))
            found[prediction.content] = Recorded(prediction.content, label, *answers)
    turns = [(turn, label, digest) for label, found in by_class.items() for turn, digest in enumerate(found)]
    return [by_class[label][digest] for _, label, digest in sorted(turns)[:number]]


def _answer(record: Mapping[str, NDArray[Any]]) -> np.ma.MaskedArray[Any, Any]:
    """The numbers of one answer as far as they are recorded."""
    if "classes" not in record:
        return np.ma.masked_array(record["answer"][0])
    found = np.ma.masked_all(int(record["outputs"][0]), np.float32)
    found[record["classes"][0]] = record["probabilities"][0]
    return found


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
