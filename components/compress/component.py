"""The Compressor node."""

# No `from __future__ import annotations`: TFX's decorator reads the annotations themselves.
import glob
import json
import os
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import artifact_utils, standard_artifacts

from modelmill.components import artifacts
from modelmill.components.compress import executor
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.context import CALIBRATION
from modelmill.components.compress.trials import worker_count


@tfx.dsl.components.component
def Compressor(
    float_model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    model: tfx.dsl.components.OutputArtifact[artifacts.CompressedModel],
    report: tfx.dsl.components.OutputArtifact[artifacts.CompressionReport],
    config: tfx.dsl.components.Parameter[str],
    augment: tfx.dsl.components.Parameter[str],
    metric: tfx.dsl.components.Parameter[str],
    seed: tfx.dsl.components.Parameter[int],
    checkpoints: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
    plain_examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples] = None,
) -> None:
    """Compresses `float_model` by every chain of the experiment and gives the smallest within the budget.

    Args: examples: transformed, its train split perhaps augmented; plain_examples: then, the same before that;
    config: the `compress` section but for its workers, augment: the policy, both as JSON; metric: what trials are
    judged by, one of the model's task; checkpoints: a folder in which finished trials outlive a killed run; code:
    digest of the source that runs.
    """
    work = {
        "rebuild": artifacts.rebuild(float_model.uri),
        "files": {
            "train": _files(examples, "train"),
            "eval": _files(examples, "eval"),
            CALIBRATION: _files(plain_examples or examples, "train"),
        },
        "augment": json.loads(augment),
        "metric": metric,
        "seed": seed,
        "code": code,
    }
    settings = CompressConfig.model_validate_json(config).model_copy(update={"workers": worker_count.count()})
    executor.compress(work, settings, Path(checkpoints), Path(model.uri), Path(report.uri))


def _files(examples: standard_artifacts.Examples, split: str) -> list[str]:
    return sorted(glob.glob(os.path.join(artifact_utils.get_split_uri([examples], split), "*")))
