"""TFX's StatisticsGen, told which columns a CSV brought."""

from __future__ import annotations

import json
from typing import Any

import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen import executor
from tfx.types import Artifact, artifact_utils

from modelmill.components.artifacts import COLUMNS

_OPTIONS = "stats_options_json"


class Executor(executor.Executor):
    """Adds the columns that ExampleGen names in its output to the features that are described."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As TFX's."""
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        columns = json.loads(examples.get_string_custom_property(COLUMNS) or "{}")
        if columns:
            options = tfdv.StatsOptions.from_json(exec_properties[_OPTIONS])
            options.feature_allowlist = [*options.feature_allowlist, *columns]
            exec_properties = {**exec_properties, _OPTIONS: options.to_json()}
        super().Do(input_dict, output_dict, exec_properties)
