"""Time series: several channels, of any length, as .ts files, long or wide tables; whole, or cut into windows.

A raw example holds its series as text, a line a step, the values of the channels between commas: a CSV without a
header, which is what the served model takes. A model's input is float32 [length, channels + 1]: deviations from each
channel's mean over the train split, 0 where a value is missing; the last channel is 1 where there is a step, and 0, as
all others, where the series was padded to `length`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from modelmill.data import numeric_cells, task
from modelmill.data.batch import Batch, mix_plain_targets
from modelmill.data.modalities.series import readers
from modelmill.data.modalities.series.config import SeriesConfig, SeriesPolicy
from modelmill.data.modalities.series.facts import SeriesFacts
from modelmill.data.modality import Described, Modality
from modelmill.data.spec import (
    CONTENT,
    DECIDES,
    LABEL,
    PATH,
    BadExampleError,
    Column,
    Features,
    Spec,
    TensorSpec,
    narrow,
)
from modelmill.data.splits import SplitConfig

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft

    from modelmill.data.profiling.draft import Asked, Draft
    from modelmill.data.profiling.fingerprints import Fingerprint

INPUT = "series"
PARTS = 16  # steps of a series that fingerprints compare


class Series(Modality[SeriesConfig]):
    """Time series; the model takes float32 [length, channels + 1]."""

    Config, Policy, Facts = SeriesConfig, SeriesPolicy, SeriesFacts
    PATTERN = "*"
    DESCRIBED = ("series", "steps", LABEL)
    INPUT = INPUT
    CLIENT = "modelmill.data.modalities.series.client"
    SUFFIXES = (".ts", ".ts.gz")
    PLACEHOLDERS: ClassVar[Mapping[str, Any]] = {"length": 64, "channels": 1}
    NORMALISED = True

    def examples(self, path: str, contents: bytes, config: SeriesConfig) -> Iterator[Features]:
        """Not used: `stream` reads series by series."""
        raise NotImplementedError

    def stream_pattern(self, config: SeriesConfig) -> str:
        """Return the field `files`."""
        return config.files

    def stream(self, path: str, name: str, config: SeriesConfig, split: SplitConfig) -> Iterator[Features]:
        """A series, or a window of one, an example. Windows that would lie in two splits are left out.

        Without any other rule the windows of one series are all in one split, also of one that several files have parts
        of. Raises BadExampleError.
        """
        decides = split.decides
        for found in readers.read(path, name, config, decides):
            for start, end in _windows(len(found.steps), config):
                place = found.place + (f", steps {start + 1} to {end}" if config.stride else "")
                ends = _ends(found.decides, start, end)
                if len({split.decided(one, place) for one in ends}) > 1:
                    continue  # its beginning is in one split, its end in another
                yield {
                    **_features(found, start, end, place, config),
                    **({DECIDES: ends[-1]} if ends else {}),
                    **({DECIDES: found.name or found.place} if config.stride and not ends else {}),
                }

    def preprocess(self, inputs: dict[str, tf.Tensor], config: SeriesConfig) -> dict[str, tf.Tensor]:
        """series string -> series float32 [batch, length, channels + 1], and the statistics of each channel."""
        import tensorflow as tf

        text = tf.strings.regex_replace(tf.reshape(inputs[INPUT], [-1]), "\r\n?", "\n")
        lines = tf.strings.split(tf.strings.regex_replace(text, r"\n\z", ""), "\n")[:, : config.length]
        # A step of several channels whose values all lack is commas alone; of one channel it is an empty line.
        values = tf.strings.split(lines.flat_values, ",")
        right = tf.debugging.assert_equal(
            values.row_lengths(),
            tf.constant(config.channels, tf.int64),
            "each line needs a value, or nothing, a channel",
        )
        with tf.control_dependencies([right] if right is not None else []):
            table = values.to_tensor("", shape=[None, config.channels])
        known = numeric_cells.plain(numeric_cells.cleaned(tf.reshape(table, [-1])), config.marks)
        numbers = tf.reshape(numeric_cells.number(known), tf.shape(table))
        steps = lines.with_flat_values(numbers)
        padded = steps.to_tensor(tf.constant(math.nan, tf.float64), shape=[None, config.length, config.channels])
        scaled, told = numeric_cells.normalised(tf.ensure_shape(padded, [None, config.length, config.channels]))
        present = tf.cast(tf.sequence_mask(lines.row_lengths(), config.length), tf.float32)
        return {"series": tf.concat([scaled, present[..., tf.newaxis]], axis=2), **told}

    def expected(self, config: SeriesConfig) -> Described:
        """Without the statistics of the data."""
        columns = tuple(Column(column=str(place), kind="number") for place in range(config.channels))
        return _described(config, columns)

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: SeriesConfig) -> Described:
        """With the statistics of each channel."""
        names = config.values if len(config.values) == config.channels else [str(one) for one in range(config.channels)]
        statistics = zip(names, numeric_cells.statistics(example, config.channels), strict=True)
        made = tuple(
            Column(column=name, kind="number", mean=mean, stddev=stddev) for name, (mean, stddev) in statistics
        )
        return _described(config, made)

    def features(self, spec: Spec) -> dict[str, Any]:
        """All steps."""
        import tensorflow as tf

        return {"series": tf.io.FixedLenFeature(list(spec.input.shape), tf.float32)}

    def from_transformed(self, features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """float32 [batch, length, channels + 1]."""
        import tensorflow as tf

        return tf.reshape(features["series"], [-1, *spec.input.shape])

    def augment(self, batch: Batch, seeds: tf.Tensor, policy: SeriesPolicy, spec: Spec) -> Batch:
        """Augments series float32 [batch, length, channels + 1]; see data/modalities/series/augment.py."""
        from modelmill.data.modalities.series import augment as series

        name = spec.input.name
        return {**batch, name: series.augment(batch[name], seeds, policy)}

    def mix(self, batch: Batch, seeds: tf.Tensor, policy: SeriesPolicy, spec: Spec) -> Batch:
        """Mixup of series; see data/modalities/series/augment.py."""
        from modelmill.data.modalities.series import augment as series

        name = spec.input.name
        mixed, share = series.mix(batch[name], seeds, policy)
        return {**batch, name: mixed, **mix_plain_targets(batch, share, spec)}

    def encode(self, input: tf.Tensor) -> dict[str, tf.Tensor]:
        """A series as it is transformed."""
        return {"series": input}

    def decode(self, content: bytes, config: SeriesConfig) -> tf.Tensor:
        """Lines of CSV to float32 [length, channels + 1], values as they are."""
        import tensorflow as tf

        from modelmill.data.modalities.series import client

        channels = [{"mean": 0.0, "stddev": 1.0}] * config.channels
        steps = client.steps(content.decode())
        return tf.constant(client.preprocess(steps, config.length, channels, config.marks))

    def show(self, input: tf.Tensor, config: SeriesConfig) -> tuple[str, bytes]:
        """A CSV of the steps."""
        lines = [",".join(f"{value:.5g}" for value in step[:-1]) for step in input.numpy().tolist() if step[-1]]
        return "text/csv", "\n".join(lines).encode()

    def filename(self, content: bytes) -> str:
        """A CSV without a header."""
        return "series.csv"

    def client_config(self, config: SeriesConfig, spec: Spec) -> dict[str, Any]:
        """The length, each channel's statistics, and what stands for a missing value."""
        channels = [one.model_dump(mode="json") for one in narrow(spec.modality_facts, SeriesFacts).columns]
        return {"length": config.length, "channels": channels, "missing_values": list(config.marks)}

    def fingerprint(self, example: Mapping[str, Any]) -> Fingerprint:
        """Return each channel's values at some steps, and how many steps there are."""
        import numpy as np

        from modelmill.data.profiling import fingerprints

        steps = [[float(cell or "nan") for cell in line.split(",")] for line in str(example["series"]).split("\n")]
        table = np.nan_to_num(np.array(steps, np.float32))
        places = np.linspace(0, len(table) - 1, PARTS).round().astype(int)
        return fingerprints.Fingerprint(None, np.append(table[places].ravel(), np.float32(len(table))))

    def draft(self, asked: Asked) -> Draft:
        """Draft an experiment; see data/modalities/series/draft.py."""
        from modelmill.data.modalities.series import draft

        return draft.draft(asked)


def _described(config: SeriesConfig, columns: tuple[Column, ...]) -> Described:
    steps = TensorSpec(name=INPUT, shape=(config.length, config.channels + 1), dtype="float32", role="time")
    return (steps,), SeriesFacts(columns=columns, masked=True)


def _windows(steps: int, config: SeriesConfig) -> Iterator[tuple[int, int]]:
    """Begin and end of each."""
    if config.stride is None:
        yield 0, min(steps, config.length)
        return
    yield from ((start, start + config.length) for start in range(0, steps - config.length + 1, config.stride))


def _ends(cells: list[str], start: int, end: int) -> list[str]:
    """What decides on the split of the first and of the last step."""
    return cells if len(cells) < 2 else [cells[start], cells[end - 1]]


def _features(found: readers.Series, start: int, end: int, place: str, config: SeriesConfig) -> dict[str, Any]:
    """The raw example of some steps."""
    steps = found.steps[start:end]
    if not steps:
        raise BadExampleError(f"{place}: it has no steps")
    for number, step in enumerate(steps, start=start + 1):
        for value in step:
            if not (numeric_cells.is_number(value) if value else config.missing):
                what = f"{value!r}, no finite number" if value else "no value; say data.missing: true if that may be"
                raise BadExampleError(f"{place}: step {number} has {what}")
    text = "\n".join(",".join(step) for step in steps)
    try:
        label = task.look_up(config.task).raw(found.labels[min(end, len(found.labels)) - 1])
    except ValueError as error:
        raise BadExampleError(f"{place}: {error}") from error
    if label == "":
        raise BadExampleError(f"{place}: its label is empty")
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = {PATH: place, CONTENT: digest, LABEL: label}
    # A line end at the end is none of another step: so a last step without any value gets one of its own.
    return {**known, INPUT: text + "\n" * text.endswith("\n"), "steps": len(steps)}
