"""Artifact types of our own, and where things lie inside artifacts."""

from __future__ import annotations

import os

from tfx.types import artifact

from modelmill.components.integrity import MANIFEST as MANIFEST

# Inside a Model: the served SavedModel (TFX's own place), and what rebuilds the bare Keras model.
SERVING = "Format-Serving"
REBUILD = "modelmill"
MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.npz"
HISTORY_FILE = "history.json"
# Beside MODEL_FILE: how long an epoch took.
PACE_FILE = "pace.json"

# Beside the splits of ExampleGen's Examples: what was read and what was dropped; and the custom property that holds the
# kind (int, float, string) of each further column of the CSV, as JSON.
INGEST_FILE = "ingest.json"
COLUMNS = "columns"

# Inside a CompressedModel, a CompressionReport and a ServingBundle.
FLATBUFFER = "model.tflite"
TRIAL_FILE = "trial.json"
TRIALS_FILE = "trials.json"
GATES_FILE = "gates.json"
# Custom property of a ServingBundle: the SHA-256 of its manifest, which lists all digests but its own.
MANIFEST_DIGEST = "manifest_sha256"

# Custom property of what a look-up gives: 0 says that there is nothing. A task of Kubeflow always has its outputs.
FOUND = "found"


class CompressedModel(artifact.Artifact):
    """A flatbuffer and how it was made. A type of its own, so that no resolver takes it for a float model."""

    TYPE_NAME = "modelmill.CompressedModel"


class CompressionReport(artifact.Artifact):
    """trials.json: every trial of the Compressor."""

    TYPE_NAME = "modelmill.CompressionReport"


class DataVerdict(artifact.Artifact):
    """Stands when the data gate let the examples pass."""

    TYPE_NAME = "modelmill.DataVerdict"


class Predictions(artifact.Artifact):
    """TFRecords of tf.Examples: what the float and the compressed model answered to each example of a split."""

    TYPE_NAME = "modelmill.Predictions"


class ServingBundle(artifact.Artifact):
    """Exactly the files that are to be pushed."""

    TYPE_NAME = "modelmill.ServingBundle"


def serving(model_uri: str) -> str:
    """Folder of the SavedModel in a Model artifact."""
    return os.path.join(model_uri, SERVING)


def rebuild(model_uri: str) -> str:
    """Folder, in a Model artifact, of what rebuilds the bare Keras model."""
    return os.path.join(model_uri, REBUILD)
