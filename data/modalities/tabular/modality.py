"""Tables: CSV and Parquet files, a row an example; numbers, categories, dates, and cells that may be empty.

A raw example holds its row twice: each column as a feature, for statistics, schema and slices, and the columns that the
model sees as one line of CSV, `row`. The line is what the served model takes, and all that preprocessing reads, so that
training and serving do the same. A model's input is one float32 vector: numbers and days as deviations from their mean
over the train split, categories as their place in a vocabulary, and a 0 or 1 for what may be missing.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from modelmill.data import numeric_cells, task
from modelmill.data.batch import Batch, mix_plain_targets
from modelmill.data.modalities.tabular import client, row_cells
from modelmill.data.modalities.tabular.config import DATED, INPUT, TabularConfig, TabularPolicy
from modelmill.data.modalities.tabular.facts import TabularFacts
from modelmill.data.modality import Described, Modality
from modelmill.data.readers import tables
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


class Tabular(Modality[TabularConfig]):
    """Rows of tables; the model takes float32 [inputs]."""

    Config, Policy, Facts = TabularConfig, TabularPolicy, TabularFacts
    PATTERN = "*"
    DESCRIBED = ("row", LABEL)
    INPUT = INPUT
    CLIENT = "modelmill.data.modalities.tabular.client"
    SUFFIXES = tables.SUFFIXES
    NORMALISED = True

    def columns(self, config: TabularConfig) -> dict[str, str]:
        """The features that are columns, and what they hold: float or string."""
        numbers = dict.fromkeys(config.numeric, "float")
        return {**numbers, **dict.fromkeys((*config.categorical, *config.dates, *config.also), "string")}

    def seen_columns(self, config: TabularConfig) -> tuple[str, ...]:
        """Return the columns of a row."""
        return config.inputs

    def examples(self, path: str, contents: bytes, config: TabularConfig) -> Iterator[Features]:
        """Not used: `stream` reads row by row."""
        raise NotImplementedError

    def stream_pattern(self, config: TabularConfig) -> str:
        """Return the field `files`."""
        return config.files

    def stream(self, path: str, name: str, config: TabularConfig, split: SplitConfig) -> Iterator[Features]:
        """A row an example. Raises BadExampleError, at the first row that can't be used, with row and column."""
        wanted = [config.label, *config.inputs, *config.also]
        decides, asked = split.decides, task.look_up(config.task)
        more = [decides] if decides and decides not in wanted else []
        columns = {config.header(column): column for column in (*wanted, *more)}
        found_rows = tables.read(path, name, list(columns), config.separator)
        lines = ((number, {columns[header]: cell for header, cell in row.items()}) for number, row in found_rows)
        for number, row in lines:
            place = f"{name}, row {number}"
            plain = row_cells.plain(row, config)
            values, wrong = row_cells.values(plain, row, config)
            if wrong:
                raise BadExampleError(f"{place}: {wrong[0]}{row_cells.further(wrong[1:], number, lines, config)}")
            # As they stand in the file, but for missing ones: what is read as 1.234 must not be read again, as 1234.
            line = tables.line([plain[column] and row[column] for column in config.inputs])
            found: dict[str, Any] = {
                PATH: f"{name}:{number}",
                CONTENT: hashlib.sha256(line.encode()).hexdigest(),
                INPUT: line,
                **values,
            }
            try:
                found[LABEL] = asked.raw(_label(row[config.label], config) if asked.NUMBERS else row[config.label])
            except ValueError as error:
                raise BadExampleError(f"{place}: {error}") from error
            if found[LABEL] == "":
                raise BadExampleError(f"{place}: the label ({config.label!r}) is empty")
            if decides:
                found[DECIDES] = row[decides]
            yield found

    def preprocess(self, inputs: dict[str, tf.Tensor], config: TabularConfig) -> dict[str, tf.Tensor]:
        """row string -> row float32 [batch, inputs], and the statistics of numbers and days."""
        import tensorflow as tf
        import tensorflow_transform as tft

        # What is served may be the line of a file, with its end.
        lines = tf.strings.regex_replace(tf.reshape(inputs[INPUT], [-1]), r"[\r\n]+\z", "")
        found = [numeric_cells.cleaned(one) for one in tf.io.decode_csv(lines, [[""]] * len(config.inputs))]
        row = dict(zip(config.inputs, found, strict=True))
        row |= {column: numeric_cells.plain(row[column], config.marks, config.notation) for column in config.numeric}
        row |= {column: numeric_cells.plain(row[column], config.marks) for column in config.dates}
        known = {column: numeric_cells.number(row[column]) for column in config.numeric}
        known |= {column: numeric_cells.days(row[column]) for column in config.dates}
        told: dict[str, tf.Tensor] = {}
        scaled: Iterator[tf.Tensor] = iter(())
        if known:
            values, told = numeric_cells.normalised(tf.stack(list(known.values()), axis=1))
            scaled = iter(tf.unstack(values, axis=1))
        made: list[tf.Tensor] = []
        for column, kind in _layout(config):
            empty = row[column] == ""
            if kind in ("number", "days"):
                made.append(next(scaled))
            elif kind == "category":
                vocabulary = {"vocab_filename": f"column_{config.inputs.index(column)}", "num_oov_buckets": 1}
                place = tft.compute_and_apply_vocabulary(row[column], top_k=config.max_categories, **vocabulary)
                made.append(tf.cast(place, tf.float32))
            elif kind == "missing":
                made.append(tf.cast(empty, tf.float32))
            else:
                made.append(tf.where(empty, 0.0, numeric_cells.wave(known[column], kind)))
        return {"row": tf.stack(made, axis=1), **told}

    def expected(self, config: TabularConfig) -> Described:
        """Without the statistics and vocabularies of the data."""
        return _described([Column(column=column, kind=kind) for column, kind in _layout(config)])

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: TabularConfig) -> Described:
        """What each input is, with its statistics and its vocabulary."""
        layout = _layout(config)
        count = sum(kind in ("number", "days") for _, kind in layout)
        statistics = iter(numeric_cells.statistics(example, count) if count else ())
        made = []
        for column, kind in layout:
            mean, stddev = next(statistics) if kind in ("number", "days") else (0.0, 1.0)
            words: tuple[str, ...] = ()
            if kind == "category":
                file = f"column_{config.inputs.index(column)}"
                words = tuple(word.decode() for word in output.vocabulary_by_name(file))
            made.append(Column(column=column, kind=kind, mean=mean, stddev=stddev, categories=words))
        return _described(made)

    def features(self, spec: Spec) -> dict[str, Any]:
        """A vector."""
        import tensorflow as tf

        return {"row": tf.io.FixedLenFeature(list(spec.input.shape), tf.float32)}

    def from_transformed(self, features: dict[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """float32 [batch, inputs]."""
        import tensorflow as tf

        return tf.reshape(features["row"], [-1, *spec.input.shape])

    def augment(self, batch: Batch, seeds: tf.Tensor, policy: TabularPolicy, spec: Spec) -> Batch:
        """Augments rows float32 [batch, inputs]; see data/modalities/tabular/augment.py."""
        from modelmill.data.modalities.tabular import augment as tabular

        name = spec.input.name
        return {**batch, name: tabular.augment(batch[name], seeds, policy)}

    def mix(self, batch: Batch, seeds: tf.Tensor, policy: TabularPolicy, spec: Spec) -> Batch:
        """Mixup of rows; see data/modalities/tabular/augment.py."""
        from modelmill.data.modalities.tabular import augment as tabular

        name = spec.input.name
        mixed, share = tabular.mix(batch[name], seeds, policy)
        return {**batch, name: mixed, **mix_plain_targets(batch, share, spec)}

    def encode(self, input: tf.Tensor) -> dict[str, tf.Tensor]:
        """A row as it is transformed."""
        return {"row": input}

    def decode(self, content: bytes, config: TabularConfig) -> tf.Tensor:
        """Return float32 [inputs] of a line of CSV: numbers and days as they are, categories by place."""
        import tensorflow as tf

        (found,) = csv.reader([content.decode()])
        row = dict(zip(config.inputs, found, strict=True))
        inputs = [Column(column=column, kind=kind).model_dump() for column, kind in _layout(config)]
        return tf.constant(client.preprocess(row, inputs, config.marks, *config.notation))

    def show(self, input: tf.Tensor, config: TabularConfig) -> tuple[str, bytes]:
        """The numbers, by column and what they are of it."""
        names = [column if kind in ("number", "category") else f"{column} ({kind})" for column, kind in _layout(config)]
        return "application/json", json.dumps(dict(zip(names, input.numpy().tolist(), strict=True))).encode()

    def show_raw(self, example: Features, config: TabularConfig) -> tuple[str, bytes]:
        """The cells."""
        row = {column: example.get(column) for column in config.inputs}
        told = {column: cell.decode() if isinstance(cell, bytes) else cell for column, cell in row.items()}
        return "application/json", json.dumps(told).encode()

    def filename(self, content: bytes) -> str:
        """A CSV without a header."""
        return "row.csv"

    def client_config(self, config: TabularConfig, spec: Spec) -> dict[str, Any]:
        """The columns of a row, and what is made of them."""
        return {
            "columns": list(config.inputs),
            "headers": [config.header(column) for column in config.inputs],
            "inputs": [one.model_dump(mode="json") for one in narrow(spec.modality_facts, TabularFacts).columns],
            "missing_values": list(config.marks),
            **config.notation.settings(),
        }

    def fingerprint(self, example: Mapping[str, Any]) -> Fingerprint:
        """Return the columns; equal rows are found by their content."""
        from modelmill.data.profiling import fingerprints

        known = (LABEL, PATH, CONTENT, DECIDES, INPUT)
        return fingerprints.Fingerprint(None, {key: value for key, value in example.items() if key not in known})

    def draft(self, asked: Asked) -> Draft:
        """Draft an experiment; see data/modalities/tabular/draft.py."""
        from modelmill.data.modalities.tabular import draft

        return draft.draft(asked)


def _described(columns: list[Column]) -> Described:
    row = TensorSpec(name=INPUT, shape=(len(columns),), dtype="float32")
    return (row,), TabularFacts(columns=tuple(columns))


def _label(cell: str, config: TabularConfig) -> str:
    """A label that is a number, as float() takes it."""
    return numeric_cells.plain_cell(" ".join(cell.split()), (), config.notation)


def _layout(config: TabularConfig) -> list[tuple[str, str]]:
    """Column and kind of each of the model's inputs."""
    found = []
    for column in config.inputs:
        kinds = ("number",) if column in config.numeric else DATED if column in config.dates else ("category",)
        found += [(column, kind) for kind in kinds]
        if column in config.missing and column not in config.categorical:
            found.append((column, "missing"))
    return found
