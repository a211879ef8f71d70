"""TFX, loaded without what no run of ours uses."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from modelmill.components.upstream import tfx_internals

with tfx_internals.lean_import():
    from modelmill.pipeline import graph, runners
    from tfx import v1 as tfx
    assert tfx.components.Trainer and tfx.components.Evaluator and tfx.orchestration
assert not {"google.cloud.aiplatform", "keras_tuner", "keras"} & set(sys.modules), "loaded all the same"

from tfx.v1.extensions import google_cloud_ai_platform
import keras_tuner
assert google_cloud_ai_platform.Trainer and keras_tuner.HyperParameters
"""


def test_a_run_does_without_clients_of_clouds_and_what_comes_behind_can_have_them() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
