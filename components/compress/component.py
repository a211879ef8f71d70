"""The Compressor node."""

# No `from __future__ import annotations`: TFX's decorator reads the annotations themselves.
import glob
import json
import os
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts
from components.compress import executor
from components.compress.config import CompressConfig


@tfx.dsl.components.component
def Compressor(
    float_model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    model: tfx.dsl.components.OutputArtifact[artifacts.CompressedModel],
    report: tfx.dsl.components.OutputArtifact[artifacts.CompressionReport],
    config: tfx.dsl.components.Parameter[str],
    augment: tfx.dsl.components.Parameter[str],
    seed: tfx.dsl.components.Parameter[int],
    checkpoints: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Compresses `float_model` by every chain of the experiment and gives the smallest within the budget.

    Args: examples: transformed; config: the `compress` section, augment: the policy, both as JSON; checkpoints: a
    folder in which finished trials outlive a killed run; code: digest of the source that runs.
    """
    work = {
        "rebuild": artifacts.rebuild(float_model.uri),
        "files": {
            split: sorted(glob.glob(os.path.join(artifact_utils.get_split_uri([examples], split), "*")))
            for split in ("train", "eval")
        },
        "augment": json.loads(augment),
        "seed": seed,
        "code": code,
    }
    executor.compress(
        work, CompressConfig.model_validate_json(config), Path(checkpoints), Path(model.uri), Path(report.uri)
    )
