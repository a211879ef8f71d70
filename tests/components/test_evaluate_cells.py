"""Slices: of a column whose cells are empty in the test split alone, let pass by a warning; and their order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from apache_beam.testing.util import assert_that, equal_to
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.extractors import slice_key_extractor
from tensorflow_model_analysis.slicer import slicer_lib
from tfx.types import Channel, standard_artifacts

from modelmill.components import artifacts, gates
from modelmill.components.evaluate import component, tfma_extractors
from modelmill.components.evaluate import gates as evaluate_gates
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.data.config import DataConfig
from tests.components.test_evaluate import SCHEMA, Shades, picture, save

# As inferred from a train split in which no cell is empty.
CAMERA = (
    "feature { name: 'camera' type: BYTES presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } } }"
    "feature { name: 'floor' type: INT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } } }"
)


def test_examples_with_empty_cells_are_in_no_slice_of_that_column(run_node: Any) -> None:
    made = [picture(("mid", "dark", "light")[number % 3], number) for number in range(120)]
    for number, one in enumerate(made):
        one |= {"camera": "left", "floor": 1 + number % 2} if number % 4 else {}
    examples = run_node.channel(run_node.examples(train=made[1:2], test=made))
    config = EvaluateConfig(threshold=0.5, slices=("label", "camera", "floor"), slice_threshold=0.1, min_slice=1)
    model = save(run_node, Shades(), 7)
    evaluator = component.evaluator(
        examples=examples,
        model=run_node.channel(model),
        baseline_model=Channel(type=standard_artifacts.Model),
        schema=run_node.channel(run_node.artifact(standard_artifacts.Schema, {"schema.pbtxt": SCHEMA + CAMERA})),
        config=config,
        code="digest",
    )
    rows = evaluate_gates.float_gates(run_node(evaluator)["evaluation"][0].uri, config)
    wanted = {"camera=left", "floor=1", "floor=2", *(f"label={label}" for label in ("mid", "dark", "light"))}
    assert {row.slice for row in rows if row.gate == "slice_threshold"} == wanted

    compressed = run_node.artifact(artifacts.CompressedModel, {artifacts.FLATBUFFER: Shades().flatbuffer()})
    compressed.id = 8
    trials = {"float": {}, "trials": [{"over": ()}], "chosen": 0, "within_budget": True}
    report = run_node.artifact(artifacts.CompressionReport, {artifacts.TRIALS_FILE: json.dumps(trials)})
    both = component.CompressedEvaluator(
        examples=examples,
        model=run_node.channel(model),
        compressed=run_node.channel(compressed),
        report=run_node.channel(report),
        config=config,
        data=DataConfig(modality="image", path="unused"),
        max_drop=0.01,
        margin=0.02,
        code="digest",
    )
    (evaluation,) = run_node(both)["evaluation"]
    rows = gates.read(Path(evaluation.uri) / artifacts.GATES_FILE)
    assert {row.slice for row in rows if row.gate == "non_inferiority"} == {"overall", *wanted}
    figures = json.loads(Path(evaluation.uri, "metrics.json").read_text())
    assert figures["slices"]["camera=left"]["examples"] == 90 and figures["examples"] == 120


def test_the_slices_of_an_example_have_the_same_order_in_every_process() -> None:
    """Else the seeded jackknife draws other parts, and a gate may decide otherwise on the same predictions."""
    keys = [(), (("camera", "left"),), (("floor", 2),), (("label", "dark"),)]

    def sliced(order: list[Any]) -> tfma.extractors.Extractor:
        array = slicer_lib.slice_keys_to_numpy_array(order)
        add = beam.Map(lambda extracts: {**extracts, constants.SLICE_KEY_TYPES_KEY: array})
        return tfma_extractors.raw_slices(
            tfma.extractors.Extractor(slice_key_extractor.SLICE_KEY_EXTRACTOR_STAGE_NAME, add)
        )

    with beam.Pipeline() as pipeline:
        example = pipeline | beam.Create([{constants.FEATURES_KEY: {"label": "dark"}}])
        for number, order in enumerate((keys, keys[::-1])):
            found = (
                example
                | f"Slice{number}" >> sliced(order).ptransform
                | f"Keys{number}" >> beam.Map(lambda extracts: list(extracts[constants.SLICE_KEY_TYPES_KEY]))
            )
            assert_that(found, equal_to([sorted(keys, key=repr)]), label=f"Check{number}")
