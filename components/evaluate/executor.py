"""The work of the node `evaluate-compressed`: record predictions, compare them, decide."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils

from modelmill.components import artifacts, gates
from modelmill.components.evaluate import agreement, compare, predictions, tfma_results
from modelmill.components.evaluate import gates as evaluate_gates
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.gates import Gate
from modelmill.components.upstream import tfx_internals
from modelmill.data import task
from modelmill.data.core import progress

SPLIT = "test"
METRICS_FILE = "metrics.json"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Judges the very flatbuffer that will be pushed, against the float model, on the test split."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Inputs, outputs and parameters are those of component.CompressedEvaluator."""
        model, compressed = _only(input_dict, "model"), _only(input_dict, "compressed")
        recorded, evaluation = _only(output_dict, "predictions").uri, _only(output_dict, "evaluation").uri
        config = EvaluateConfig.model_validate_json(exec_properties["config"])
        bounds = json.loads(exec_properties["bounds"])
        report = json.loads((Path(_only(input_dict, "report").uri) / artifacts.TRIALS_FILE).read_text())
        split = artifact_utils.get_split_uri(input_dict["examples"], SPLIT)
        asked = exec_properties["task"]
        with tfx_internals.beam_pipeline(self) as pipeline:
            predictions.record(pipeline, split, model.uri, compressed.uri, asked, recorded, config.slices or ())
        if fileio.exists(f"{recorded}/{predictions.STAGING}"):
            fileio.rmtree(f"{recorded}/{predictions.STAGING}")
        with tfx_internals.beam_pipeline(self) as pipeline:
            compare.compare(pipeline, recorded, evaluation, asked, config)

        slices, metric = tfma_results.read(evaluation), task.metric(asked, config.metric)
        rows = evaluate_gates.compressed_gates(slices, config, bounds["max_drop"], bounds["margin"], report, metric)
        plug_in = task.look_up(asked)
        agreed = agreement.read(recorded, config.slices or (), plug_in.same) if plug_in.AGREES else {}
        rows += evaluate_gates.told_gates(
            slices[tfma_results.OVERALL], agreed.get(tfma_results.OVERALL), config, bounds, asked
        )
        figures = evaluate_gates.figures(slices, config.confidence, metric, agreed, rows)
        gates.write(Path(evaluation) / artifacts.GATES_FILE, rows)
        (Path(evaluation) / METRICS_FILE).write_text(json.dumps(figures, indent=1))
        _bless(_only(output_dict, "blessing"), model, compressed, rows)
        progress.note(_summary(figures, rows))


def _only(channels: dict[str, list[Artifact]], key: str) -> Artifact:
    return artifact_utils.get_single_instance(channels[key])


def _bless(blessing: Artifact, model: Artifact, compressed: Artifact, rows: list[Gate]) -> None:
    """As TFX's Evaluator does; the float model is the baseline. Pusher reads the property, people the file."""
    blessed = all(row.outcome != "refused" for row in rows)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, compressed.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, compressed.id)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, model.id)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)


def _summary(figures: dict[str, Any], rows: list[Gate]) -> str:
    metric = figures["metric"]
    exact, compressed = figures["float"][metric], figures["compressed"][metric]
    refused = [f"{row.gate} on {row.slice}" for row in rows if row.outcome == "refused"]
    verdict = f"refused by {', '.join(refused)}" if refused else "blessed"
    verdict += f" ({gates.tally(row.model_dump() for row in rows)})"
    told = f"{metric} {compressed:.4f} compressed, {exact:.4f} float"
    return f"{told}, on {figures['examples']} examples: {verdict}"
