"""Files of a data folder to raw tf.Examples, on Beam; what makes an example of a file is the modality's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import v1 as tfx
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.types import Artifact, artifact_utils

from modelmill.components.artifacts import COLUMNS, INGEST_FILE
from modelmill.components.ingest.config import settings
from modelmill.components.ingest.conflicts import Copy, Verdict, conflict, judge
from modelmill.data import modality, split_assignment, task
from modelmill.data.config import DataConfig
from modelmill.data.core import progress
from modelmill.data.readers import file_listing, raw_examples
from modelmill.data.readers.file_listing import Listing, Row, shown
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.spec import CONTENT, DECIDES, LABEL, PATH, BadExampleError
from modelmill.data.splits import SPLITS, BadSplitError, SplitConfig


class Executor(BaseExampleGenExecutor):
    """TFX's machinery of writing, with a reader for any modality and splits of our own making."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        """Not used: GenerateExamplesByBeam does it all."""
        raise NotImplementedError

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As TFX's; beside the splits it leaves ingest.json, and the CSV's columns as a property of the artifact."""
        data, split = settings(exec_properties)
        pattern = modality.pattern(data)
        self._listing = file_listing.list_files(str(exec_properties["input_base"]), pattern, data, split)
        artifact = artifact_utils.get_single_instance(output_dict["examples"])
        self._report = os.path.join(artifact.uri, INGEST_FILE)
        super().Do(input_dict, output_dict, exec_properties)
        kind = modality.look_up(data.modality)
        columns = kind.columns(data) if modality.streams(data) else self._listing.kinds
        artifact.set_string_custom_property(COLUMNS, json.dumps(columns, sort_keys=True))
        with tfx.dsl.io.fileio.open(self._report) as file:
            dropped = json.loads(file.read())["dropped"]
        if dropped:
            progress.note(
                f"warning: {len(dropped)} of {len(self._listing.rows)} files dropped; {self._report} says why"
            )

    def GenerateExamplesByBeam(
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.PCollection]:
        """The examples of each split. Nothing is written before every file was read and judged."""
        data, split = settings(exec_properties)
        parse = _Parse(str(exec_properties["input_base"]), data, split)
        tagged = beam.ParDo(parse).with_outputs("bad", main="good")
        read = pipeline | beam.Create(self._listing.rows) | beam.Reshuffle() | "Parse" >> tagged
        placed = _place(read.good, split)
        copies = placed | "Copy" >> beam.Map(_copy)
        conflicts = copies | beam.GroupByKey() | beam.Map(lambda found: conflict(list(found[1]))) | beam.Filter(bool)
        counts = copies | "Splits" >> beam.Map(lambda found: found[1].split) | beam.combiners.Count.PerElement()
        verdict = (
            pipeline
            | "Once" >> beam.Create([self._report])
            | "Judge"
            >> beam.Map(
                _judge,
                beam.pvalue.AsList(read.bad),
                beam.pvalue.AsList(conflicts),
                beam.pvalue.AsDict(counts),
                self._listing,
                data,
            )
        )
        kept = placed | "Kept" >> beam.Filter(_is_kept, beam.pvalue.AsSingleton(verdict))
        parted = kept | "Split" >> beam.Partition(lambda found, _: SPLITS.index(found[0]), len(SPLITS))
        return {
            name: part | f"Only{name}" >> beam.Map(lambda found: found[1])
            for name, part in zip(SPLITS, parted, strict=True)
        }


class _Parse(beam.DoFn):
    """One file to (split or None, unit, example), or to its path and what is wrong with it."""

    def __init__(self, root: str, data: DataConfig, split: SplitConfig) -> None:
        self._root, self._data, self._split = root, data, split
        self._classes = bool(task.look_up(data.task).CLASSES)

    def process(self, row: Row) -> Iterator[Any]:
        try:
            for features in raw_examples.examples(self._root, row, self._data, self._split):
                split, group = raw_examples.decided(row, features, self._split)
                features.pop(DECIDES, None)  # no feature: its values differ between the splits by design
                unit = split_assignment.unit(features[LABEL], str(features[CONTENT]), group, self._classes)
                yield split, unit, to_example(features)
        except BadSplitError as error:
            raise BadDataError(str(error)) from error
        except BadExampleError as error:
            yield beam.pvalue.TaggedOutput("bad", (shown(row.path), str(error)))


def _place(parsed: beam.PCollection, split: SplitConfig) -> beam.PCollection:
    """(split or None, unit, example) to (split, example); see data/split_assignment.py."""
    dealt = (
        parsed
        | "Free" >> beam.Filter(lambda found: found[0] is None)
        | "Units" >> beam.Map(lambda found: (found[1].name, (found[1].stratum, 1)))
        | "Sizes" >> beam.CombinePerKey(_size)
        # Equal contents of two classes are one unit, which stays where its hash says.
        | "Of" >> beam.FlatMap(lambda found: [(found[1][0], (found[0], found[1][1]))] if found[1] else [])
        | "Few" >> beam.combiners.Sample.FixedSizePerKey(split_assignment.FEW + 1)
        | "Deal" >> beam.FlatMap(lambda found: split_assignment.dealt(dict(found[1]), split).items())
    )
    return parsed | "Place" >> beam.Map(
        lambda found, dealt: (split_assignment.placed(found[1], found[0], dealt, split), found[2]),
        beam.pvalue.AsDict(dealt),
    )


def _size(found: Iterable[tuple[str, int] | None]) -> tuple[str, int] | None:
    """The stratum of a unit, and how many examples it has; None if it is in more than one."""
    every = list(found)
    if None in every or len({one[0] for one in every if one}) != 1:
        return None
    return next(one[0] for one in every if one), sum(one[1] for one in every if one)


def _copy(found: tuple[str, tf.train.Example]) -> tuple[bytes, Copy]:
    split, example = found
    path, label = _text(example, PATH), _text(example, LABEL)
    return example.features.feature[CONTENT].bytes_list.value[0], Copy(path, label, split)


def _judge(
    report: str,
    bad: list[tuple[str, str]],
    conflicts: list[list[Copy]],
    counts: dict[str, int],
    found: Listing,
    config: DataConfig,
) -> Verdict:
    """Judges, and writes down what came of it, beside the Split-* folders: readers take every file in those."""
    verdict = judge(bad, conflicts, counts, len(found.rows), config)
    dropped = [{"path": path, "reason": reason} for path, reason in sorted(verdict.reasons.items())]
    content = {"files": len(found.rows), "splits": verdict.splits, "columns": found.kinds, "dropped": dropped}
    with tfx.dsl.io.fileio.open(report, "w") as file:
        file.write(json.dumps(content, indent=1))
    return verdict


def _is_kept(found: tuple[str, tf.train.Example], verdict: Verdict) -> bool:
    return not verdict.reasons or _text(found[1], PATH) not in verdict.reasons


def _text(example: tf.train.Example, name: str) -> str:
    feature = example.features.feature[name]
    if feature.bytes_list.value:
        return str(feature.bytes_list.value[0].decode())
    return str((feature.float_list.value or feature.int64_list.value)[0])


def to_example(features: Mapping[str, bytes | str | int | float]) -> tf.train.Example:
    """Features of one value each to a tf.train.Example."""
    example = tf.train.Example()
    for name, value in features.items():
        feature = example.features.feature[name]
        if isinstance(value, (bytes, str)):
            feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.append(value)
    return example
