"""TFRecord files of tf.Example that are ready-made: as rows of a table, or one encoded file (a picture, a sound) each.

Of a feature one value is taken; a list of several is an error. Loads TensorFlow, which has the reader.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field, model_validator

from modelmill.data import modality, task
from modelmill.data.config import DataConfig
from modelmill.data.readers import labels_csv
from modelmill.data.spec import CONTENT, DECIDES, LABEL, PATH, BadExampleError, Features
from modelmill.data.splits import SplitConfig

# x.tfrecord, x.tfrecords.gz, x.tfrecord-00000-of-00010, data_tfrecord-00000-of-00001.gz
NAME = re.compile(r".*[._]tfrecords?(-\d+-of-\d+)?(\.gz)?", re.DOTALL)


class RecordsConfig(DataConfig):
    """Of a modality whose examples are encoded files, one each: they may also lie in TFRecords."""

    files: str = Field("", description="Instead of class folders: TFRecords of tf.Example, a glob such as *.tfrecord.")
    content: str = Field("", description="With files: the feature that holds an encoded file; the modality's own name.")
    label: str = Field("label", description="With files: the feature of the class (or of what else the task tells).")
    also: tuple[str, ...] = Field((), description="With files: further features, as text, for slices and for splits.")

    @model_validator(mode="after")
    def _of_files(self) -> Self:
        if not self.files and (self.content or self.also or self.label != "label"):
            raise ValueError("content, label and also belong to files; of class folders the folder is the label")
        for name in self.also:
            if name in (LABEL, PATH, CONTENT) or not labels_csv.NAME.fullmatch(name):
                raise ValueError(
                    f"also: the feature {name!r} should be called otherwise: letters, digits, _ and -, no digit first, "
                    f"and none of {LABEL}, {PATH}, {CONTENT}"
                )
        return self


def stream(path: str, name: str, config: Any, split: SplitConfig) -> Iterator[Features]:
    """The examples of a file, each of an encoded file: in place of a modality's `examples`. Raises BadExampleError."""
    kind = modality.look_up(config.modality)
    decides = split.decides
    wanted = [config.label, *config.also, *([decides] if decides and decides not in config.also else [])]
    for number, found in _examples(path, name):
        place = f"{name}:{number}"
        contents = _value(found, config.content or kind.INPUT, place)
        if not isinstance(contents, bytes) or not contents:
            raise BadExampleError(
                f"{place}: the feature {config.content or kind.INPUT!r} holds no bytes (data.content)"
            )
        cells = {one: text(_value(found, one, place), one, place) for one in wanted}
        try:
            label = task.look_up(config.task).raw(cells[config.label])
        except ValueError as error:
            raise BadExampleError(f"{place}: {error}") from error
        if label == "":
            raise BadExampleError(f"{place}: the label ({config.label!r}) is empty")
        known = {PATH: place, CONTENT: hashlib.sha256(contents).hexdigest(), LABEL: label}
        more = {one: cells[one] for one in config.also if cells[one]}
        for features in kind.examples(place, contents, config):
            if taken := sorted(features.keys() & more.keys()):
                raise BadExampleError(f"{place}: data.also: {taken[0]!r} is told of each {kind.INPUT}; leave it out")
            yield {**known, **features, **more, **({DECIDES: cells[decides]} if decides else {})}


def columns(config: Any) -> dict[str, str]:
    """The further features, all of them strings."""
    return dict.fromkeys(config.also, "string")


def rows(path: str, name: str, columns: list[str] | None) -> Iterator[tuple[int, dict[str, str]]]:
    """As data/readers/tables.py: the values of features, as text, with the number of the record from 1 on."""
    for number, found in _examples(path, name):
        columns = sorted(found) if columns is None else columns
        place = f"{name}, record {number}"
        yield number, {column: text(_value(found, column, place), column, place) for column in columns}


def text(value: bytes | int | float | None, column: str, place: str) -> str:
    """A value as a CSV would have it: nothing for none and NaN, a float32 in as few digits as tell it."""
    import numpy as np

    if isinstance(value, bytes):
        try:
            return value.decode().strip()
        except UnicodeDecodeError as error:
            raise BadExampleError(f"{place}: the feature {column!r} is no text in UTF-8") from error
    if isinstance(value, float):
        return "" if value != value else str(np.float32(value))
    return "" if value is None else str(value)


def _value(features: Any, name: str, place: str) -> bytes | int | float | None:
    if name not in features:
        raise BadExampleError(f"{place}: the feature {name!r} is missing; there are {', '.join(sorted(features))}")
    kind = features[name].WhichOneof("kind")
    values = getattr(features[name], kind).value if kind else []
    if len(values) > 1:
        raise BadExampleError(f"{place}: the feature {name!r} holds {len(values)} values; one is allowed")
    return values[0] if values else None


def _examples(path: str, name: str) -> Iterator[tuple[int, Any]]:
    """The features of each record, with its number."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    number = 0
    try:
        for record in tf.data.TFRecordDataset(path, "GZIP" if name.endswith(".gz") else "").as_numpy_iterator():
            number += 1
            yield number, tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise BadExampleError(f"{name}: record {number} is no tf.Example") from error
    except tf.errors.OpError as error:
        raise BadExampleError(
            f"{name}: no TFRecords that can be read, after record {number} ({error.message})"
        ) from error
