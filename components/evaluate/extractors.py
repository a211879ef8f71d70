"""What TFX's Evaluator takes from us by name (its `module_path`): extractors that slice by the raw label.

TFMA looks for a slice's feature among the transformed features of every model first. There `label` is the number of
the class, which differs between two models whose vocabularies are ordered differently: an example would fall into
two slices, and neither would have the class's name.
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.extractors import slice_key_extractor


def custom_extractors(
    eval_shared_model: Any, eval_config: Any, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """TFMA's own extractors, but the last one slices by raw features."""
    *extractors, last = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    assert last.stage_name == slice_key_extractor.SLICE_KEY_EXTRACTOR_STAGE_NAME, last.stage_name
    return [*extractors, tfma.extractors.Extractor(last.stage_name, _RawSlices(last.ptransform))]


class _RawSlices(beam.PTransform):
    """Extracts slice keys where there are no transformed features (nothing after it needs them)."""

    def __init__(self, slices: beam.PTransform) -> None:
        super().__init__()
        self._slices = slices

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        return extracts | "DropTransformed" >> beam.Map(_without_transformed) | self._slices


def _without_transformed(extracts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in extracts.items() if key != constants.TRANSFORMED_FEATURES_KEY}
