"""Fails the build of an image that could not run a node."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
from tfx import v1 as tfx

import modelmill
from modelmill.pipeline.runners.kubeflow.compile import compiler
from modelmill.pipeline.runners.kubeflow.container import entrypoint

assert tfx.components.Evaluator and tfx.components.Trainer, "a component of TFX could not be imported"
assert str(modelmill.__file__).startswith(sys.prefix), f"not the installed one: {modelmill.__file__}"
assert compiler and entrypoint
for tool in ("g++", "gcc", "ruff", "mypy", "uv"):
    assert not os.path.exists(f"{sys.prefix}/bin/{tool}"), f"{tool} should not be in the image"
assert not shutil.which("pytest", path=f"{sys.prefix}/bin")
print("tensorflow", tf.__version__, "tfx", metadata.version("tfx"), "modelmill", metadata.version("modelmill"))
