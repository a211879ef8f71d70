"""Records what the float model and the flatbuffer answer to each example of a split."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from modelmill.components import artifacts
from modelmill.components.models.flatbuffer.interpreter import Flatbuffer
from modelmill.data.spec import CONTENT, LABEL

# Features of a recorded prediction, a tf.Example, besides CONTENT and LABEL (the task's: a class's number, int64).
CLASS = "class"  # the raw label, for classes bytes
FLOAT = "float"  # float32 [classes]: the answer of the SavedModel, such as probabilities
COMPRESSED = "compressed"  # float32 [classes]: that of the flatbuffer
SLICE = "slice-"  # and the name of a raw feature: its value, if examples are sliced by it
PREFIX = "predictions"
# Fixed, because the last bits of a float result depend on the size of the batch.
BATCH = 32


class Predict(beam.DoFn):
    """Batches of serialized raw examples to recorded predictions. Each worker loads the two models once."""

    def __init__(self, model: str, compressed: str, input_name: str, slices: tuple[str, ...]) -> None:
        """Takes the folders of a Model and of a CompressedModel artifact, the modality's INPUT, and evaluate.slices."""
        self._model = artifacts.serving(model)
        self._compressed = os.path.join(compressed, artifacts.FLATBUFFER)
        self._input = input_name
        self._slices = [name for name in slices if name != LABEL]

    def setup(self) -> None:
        self._saved = tf.saved_model.load(self._model)
        self._flatbuffer = Flatbuffer(self._compressed)

    def process(self, element: list[bytes]) -> Iterator[tf.train.Example]:
        features = [tf.train.Example.FromString(one).features.feature for one in element]
        serialized = tf.constant(element)
        labels = self._call("transform_features", examples=serialized)[LABEL]
        (floats,) = self._call("evaluate", examples=serialized).values()
        raw = tf.constant([_bytes(one, self._input) for one in features])
        inputs = self._call("preprocess", **{self._input: raw})["inputs"]
        answers = self._flatbuffer.predict_all(inputs)
        for one, label, exact, compressed in zip(features, labels, floats, answers, strict=True):
            yield _example(one, label, exact, compressed, self._slices)

    def _call(self, signature: str, **inputs: tf.Tensor) -> dict[str, np.ndarray[Any, Any]]:
        outputs = self._saved.signatures[signature](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}


def record(
    pipeline: beam.Pipeline,
    split: str,
    model: str,
    compressed: str,
    input_name: str,
    predictions: str,
    slices: tuple[str, ...] = (LABEL,),
) -> None:
    """Adds to a pipeline: reads raw examples in folder `split`, writes predictions into folder `predictions`.

    They are sorted by content: the same models and examples give the same bytes. For that all of them are in
    one worker's memory, which takes 4 bytes a class and model, and some 200 more, for an example.
    """
    _ = (
        pipeline
        | "ReadExamples" >> beam.io.ReadFromTFRecord(os.path.join(split, "*"))
        | "Batch" >> beam.BatchElements(BATCH, BATCH)
        | "Predict" >> beam.ParDo(Predict(model, compressed, input_name, slices))
        | "Gather" >> beam.combiners.ToList()
        | "Sort" >> beam.FlatMap(lambda found: sorted(found, key=_content))
        | "Serialize" >> beam.Map(lambda found: found.SerializeToString(deterministic=True))
        | "Write"
        >> beam.io.WriteToTFRecord(
            os.path.join(predictions, PREFIX),
            file_name_suffix=".gz",
            num_shards=1,
            coder=beam.coders.BytesCoder(),
        )
    )


def recorded_as(feature: str) -> str:
    """The name, in a recorded prediction, of a raw feature by which examples are sliced."""
    return CLASS if feature == LABEL else f"{SLICE}{feature}"


def raw_name(column: str) -> str:
    """The raw feature of a slice: of recorded predictions, or (with its own name) of raw examples."""
    return LABEL if column == CLASS else column.removeprefix(SLICE)


def pattern(predictions: str) -> str:
    """The files of a Predictions artifact."""
    return os.path.join(predictions, f"{PREFIX}-*")


def _content(example: tf.train.Example) -> bytes:
    return _bytes(example.features.feature, CONTENT)


def _bytes(features: Any, name: str) -> bytes:
    values = features[name].bytes_list.value
    if len(values) != 1:
        raise ValueError(f"raw example: feature {name!r} must hold one bytes value, found {len(values)}")
    return bytes(values[0])


def _example(features: Any, label: Any, exact: Any, compressed: Any, slices: list[str]) -> tf.train.Example:
    """One recorded prediction."""
    example = tf.train.Example()
    recorded = example.features.feature
    recorded[CONTENT].bytes_list.value.append(_bytes(features, CONTENT))
    recorded[CLASS].CopyFrom(features[LABEL])
    if np.issubdtype(label.dtype, np.integer):
        recorded[LABEL].int64_list.value.extend(np.ravel(label))
    else:
        recorded[LABEL].float_list.value.extend(np.ravel(label))
    for name in slices:
        if name in features:  # else a cell of the CSV was empty: the example is in no slice
            recorded[recorded_as(name)].CopyFrom(features[name])
    recorded[FLOAT].float_list.value.extend(exact.tolist())
    recorded[COMPRESSED].float_list.value.extend(compressed.tolist())
    return example
