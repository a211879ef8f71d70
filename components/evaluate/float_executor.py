"""The work of the node `evaluate`: TFX's Evaluator measures, gates.float_gates decides, and its rows are kept."""

from __future__ import annotations

import json
from typing import Any

from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as evaluator
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from modelmill.components import artifacts
from modelmill.components.evaluate import gates
from modelmill.components.evaluate.compare import SEED
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.upstream import tfma_internals
from modelmill.data.core import files


class Executor(evaluator.Executor):
    """As TFX's, whose thresholds know one slice at a time: whether a slice lost by chance depends on all slices."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Inputs and outputs are those of TFX's; `evaluate` and `task` are component.evaluator's."""
        with tfma_internals.seeded_jackknife(SEED):
            super().Do(input_dict, output_dict, exec_properties)
        evaluation = artifact_utils.get_single_uri(output_dict[constants.EVALUATION_KEY])
        config = EvaluateConfig.model_validate_json(exec_properties["evaluate"])
        rows = gates.float_gates(evaluation, config, exec_properties["task"])
        written = json.dumps([row.model_dump() for row in rows], indent=1)
        files.write(f"{evaluation}/{artifacts.GATES_FILE}", written.encode())
        if any(row.outcome == "refused" for row in rows):
            _withdraw(artifact_utils.get_single_instance(output_dict["blessing"]))


def _withdraw(blessing: Artifact) -> None:
    """Make a blessing none; that which is none already stays as it is."""
    if fileio.exists(f"{blessing.uri}/{constants.BLESSED_FILE_NAME}"):
        fileio.remove(f"{blessing.uri}/{constants.BLESSED_FILE_NAME}")
        files.write(f"{blessing.uri}/{constants.NOT_BLESSED_FILE_NAME}", b"")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.NOT_BLESSED_VALUE)
