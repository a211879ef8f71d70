"""Records what the float model and the flatbuffer answer to each example of a split, see modelmill.data.predictions.

The files are in the order of the examples' content, whatever the workers and bundles: each bundle sorts what it makes
and writes it as runs, and one worker merges all runs. Beam's own GroupByKey would do the same on a cluster, but the
runner that works in the process holds in memory whatever it groups.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from modelmill.components import artifacts
from modelmill.components.models.flatbuffer.interpreter import Flatbuffer
from modelmill.data import predictions, task
from modelmill.data.core import files
from modelmill.data.predictions import Prediction
from modelmill.data.spec import CONTENT, LABEL

# Fixed, because the last bits of a float result depend on the size of the batch.
BATCH = 32
# Predictions that a worker sorts in memory, some 300 bytes each.
RUN = 20_000
STAGING = "staging"
Run = tuple[str, int]  # a file and the number of its predictions


class Predict(beam.DoFn):
    """Batches of serialized raw examples to recorded predictions. Each worker loads the two models once."""

    def __init__(self, model: str, compressed: str, asked: str, slices: tuple[str, ...]) -> None:
        """Takes the folders of a Model and of a CompressedModel artifact, the task, and evaluate.slices."""
        self._model = artifacts.serving(model)
        self._compressed = os.path.join(compressed, artifacts.FLATBUFFER)
        self._asked = asked
        self._slices = list(dict.fromkeys((LABEL, *slices)))

    def setup(self) -> None:
        self._saved = tf.saved_model.load(self._model)
        self._flatbuffer = Flatbuffer(self._compressed)

    def process(self, element: list[bytes]) -> Iterator[Prediction]:
        made = {
            key: value.numpy() for key, value in self._saved.signatures["record"](examples=tf.constant(element)).items()
        }
        compressed = self._flatbuffer.predict_all(made["inputs"])
        record = task.look_up(self._asked).record
        records = [predictions.serialize(record(one, made[LABEL])) for one in (made["answer"], compressed)]
        for serialized, *both in zip(element, *records, strict=True):
            features = tf.train.Example.FromString(serialized).features.feature
            # An empty cell of the CSV has no value: the example is in no slice of that column.
            slices = {name: _values(features[name]) for name in self._slices if name in features}
            yield Prediction(_content(features), slices, *both)


class SortedRuns(beam.DoFn):
    """Predictions to sorted files of at most RUN of them."""

    def __init__(self, folder: str) -> None:
        """Takes the folder of the files."""
        self._folder = folder

    def start_bundle(self) -> None:
        self._held: list[Prediction] = []

    def process(self, element: Prediction) -> Iterator[tuple[None, Run]]:
        self._held.append(element)
        if len(self._held) >= RUN:
            yield None, self._write()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._held:
            yield GlobalWindows.windowed_value((None, self._write()))

    def _write(self) -> Run:
        # A bundle that fails leaves files that nobody merges.
        path, count = f"{self._folder}/{uuid.uuid4().hex}", len(self._held)
        files.write(path, predictions.pack(predictions.in_order(self._held)))
        self._held = []
        return path, count


def _merge(found: tuple[None, Iterable[Run]], folder: str) -> None:
    """Write the predictions of all runs in their order."""
    runs = list(found[1])
    with contextlib.ExitStack() as stack:
        opened = [(stack.enter_context(files.stream(path)), path) for path, _ in runs]
        sources = [predictions.unpack(file, path) for file, path in opened]
        predictions.write(folder, predictions.merged(sources), sum(count for _, count in runs))


def record(
    pipeline: beam.Pipeline,
    split: str,
    model: str,
    compressed: str,
    asked: str,
    recorded: str,
    slices: tuple[str, ...] = (LABEL,),
) -> None:
    """Adds to a pipeline: reads raw examples in folder `split`, writes predictions into folder `recorded`.

    Files that are of no more use are in its folder STAGING then. The same models and examples give the same bytes.
    """
    made = (
        pipeline
        | "ReadExamples" >> beam.io.ReadFromTFRecord(os.path.join(split, "*"))
        | "Batch" >> beam.BatchElements(BATCH, BATCH)
        | "Predict" >> beam.ParDo(Predict(model, compressed, asked, slices))
    )
    write(made, recorded)


def write(made: beam.PCollection[Prediction], recorded: str) -> None:
    """Adds to a pipeline: writes predictions, in the order of their content, into folder `recorded`."""
    _ = (
        made
        | "Sort" >> beam.ParDo(SortedRuns(f"{recorded}/{STAGING}"))
        | "Gather" >> beam.GroupByKey()
        | "Merge" >> beam.Map(_merge, recorded)
    )


def _content(features: Any) -> str:
    values = features[CONTENT].bytes_list.value
    if len(values) != 1:
        raise ValueError(f"raw example: feature {CONTENT!r} must hold one bytes value, found {len(values)}")
    return bytes(values[0]).decode()


def _values(feature: Any) -> tuple[predictions.Value, ...]:
    """The values of a raw feature; text as in a file system, where bytes need not be UTF-8."""
    kind = feature.WhichOneof("kind")
    found = getattr(feature, kind).value if kind else ()
    return tuple(one.decode(errors="surrogateescape") if isinstance(one, bytes) else one for one in found)
