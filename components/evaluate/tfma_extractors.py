"""What TFX's Evaluator takes from us by name (its `module_path`): extractors that record answers and slice.

TFMA looks for a slice's feature among the transformed features of every model first. There `label` is the number of
the class, which differs between two models whose vocabularies are ordered differently: an example would fall into
two slices, and neither would have the class's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.extractors import slice_key_extractor, unbatch_extractor
from tensorflow_model_analysis.slicer import slicer_lib

from modelmill.components.evaluate import tfma_metrics
from modelmill.data import predictions, task

# TFMA's label of each example: it wants one, and the records hold the task's.
IN_THE_RECORD = b""


def custom_extractors(
    eval_shared_model: Any, eval_config: Any, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """TFMA's own extractors, but answers and labels become serialized records, and the last one slices by raw features.

    What the schema says of tensors is not handed on: where train has a value in every example, an empty cell of test
    would raise, though the gate may have let it pass with a warning. The models take whole examples, and parse them.
    """
    *extractors, unbatch, last = tfma.default_extractors(eval_shared_model=eval_shared_model, eval_config=eval_config)
    assert unbatch.stage_name == unbatch_extractor.UNBATCH_EXTRACTOR_STAGE_NAME, unbatch.stage_name
    record = beam.Map(recorded, tfma_metrics.asked_task(eval_config))
    return [*extractors, tfma.extractors.Extractor("RecordAnswers", record), unbatch, raw_slices(last)]


def recorded(extracts: dict[str, Any], asked: str) -> dict[str, Any]:
    """A batch of extracts, with one serialized record of each example and model in place of answers and labels."""
    kept = {key: value for key, value in extracts.items() if key != constants.TRANSFORMED_FEATURES_KEY}
    answers, labels = extracts[constants.PREDICTIONS_KEY], extracts[constants.LABELS_KEY]
    if isinstance(answers, Mapping):
        of = {model: labels[model] if isinstance(labels, Mapping) else labels for model in answers}
        records: Any = {model: _records(found, of[model], asked) for model, found in answers.items()}
        count = len(next(iter(records.values())))
    else:
        records = _records(answers, labels, asked)
        count = len(records)
    return {**kept, constants.LABELS_KEY: _objects([IN_THE_RECORD] * count), constants.PREDICTIONS_KEY: records}


def _records(answers: Any, labels: Any, asked: str) -> NDArray[np.object_]:
    """One record of each example, [batch]."""
    recorded = task.look_up(asked).record(np.asarray(answers, np.float32), np.asarray(labels))
    return _objects(predictions.serialize(recorded))


def _objects(values: list[bytes]) -> NDArray[np.object_]:
    """An array of Python's bytes: numpy's own lose the zeros at their end."""
    made = np.empty(len(values), object)
    made[:] = values
    return made


def raw_slices(extractor: tfma.extractors.Extractor) -> tfma.extractors.Extractor:
    """TFMA's extractor of slice keys, of the raw features that an example has: an empty cell is in no slice."""
    assert extractor.stage_name == slice_key_extractor.SLICE_KEY_EXTRACTOR_STAGE_NAME, extractor.stage_name
    return tfma.extractors.Extractor(extractor.stage_name, _RawSlices(extractor.ptransform))


class _RawSlices(beam.PTransform):
    """Extracts slice keys where there are no transformed features (nothing after it needs them), sorted, none empty."""

    def __init__(self, slices: beam.PTransform) -> None:
        super().__init__()
        self._slices = slices

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        return extracts | "OnlyRaw" >> beam.Map(_only_raw) | self._slices | "InOrder" >> beam.Map(_in_order)


def _only_raw(extracts: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in extracts.items() if key != constants.TRANSFORMED_FEATURES_KEY}
    # TFMA would make a slice of the value None, and then fail to write it.
    there = {name: value for name, value in kept[constants.FEATURES_KEY].items() if not _is_empty(value)}
    return {**kept, constants.FEATURES_KEY: there}


def _in_order(extracts: dict[str, Any]) -> dict[str, Any]:
    """Sort the slice keys: TFMA has them in the order of a set, another one in each process, in which the jackknife
    then draws its parts, and its seed means nothing.
    """
    keys = sorted(extracts[constants.SLICE_KEY_TYPES_KEY], key=repr)
    return {**extracts, constants.SLICE_KEY_TYPES_KEY: slicer_lib.slice_keys_to_numpy_array(keys)}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, np.ndarray) and all(one is None for one in value.ravel()))
