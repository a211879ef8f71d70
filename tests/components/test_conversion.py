"""Errors of the TFLite converter: one sentence for the terminal, the converter's own text for the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelmill.components.compress.trials import store as trials_store
from modelmill.components.compress.trials.runner import Bench
from modelmill.components.models import family
from modelmill.components.models.export import model_store
from modelmill.data.core import plugins
from tests.contracts.problems import PROBLEMS

# Its layer clips integers to the range that the converter makes a Relu6 of.
FAMILY = '''
"""A linear model of integers between 0 and 6."""
from typing import Literal
import tensorflow as tf
import tf_keras
from modelmill.components.models import family

class ClippingConfig(family.FamilyConfig):
    """It has no settings."""
    family: Literal["clipping"] = "clipping"

@tf_keras.utils.register_keras_serializable("test")
class Clip(tf_keras.layers.Layer):
    """To integers from 0 to 6."""
    def call(self, inputs):
        return tf.cast(tf.clip_by_value(tf.cast(inputs, tf.int32), 0, 6), tf.float32)

class Clipping(family.Family[ClippingConfig]):
    """Clips, then adds up."""
    Config = ClippingConfig
    MODALITIES = ("tabular",)

    def build(self, config, spec):
        inputs = family.inputs(spec)
        return tf_keras.Model(inputs, family.head(Clip()(inputs), config, spec), name="clipping")
'''


@pytest.fixture
def clipping(tmp_path: Path) -> Iterator[Path]:
    """The folder of a stored model of that family."""
    own = tmp_path / "own" / "families"
    own.mkdir(parents=True)
    (own / "clipping.py").write_text(FAMILY)
    plugins.use(own.parent)
    config, spec = family.look_up("clipping").Config(), PROBLEMS["tabular"]().spec
    stored = model_store.Stored(config, spec, {}, "supervised", 16)
    model_store.save(tmp_path / "rebuild", stored, family.build(config, spec))
    yield tmp_path / "rebuild"
    plugins.forget(own.parent)


def test_an_operator_without_a_kernel_is_named_in_one_sentence(
    clipping: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    work = {"rebuild": str(clipping), "files": {}, "augment": {}, "metric": "accuracy", "seed": 0}
    bench = Bench(work, [[]])
    bench.attempt([], tmp_path / "trial")
    reason = json.loads((tmp_path / "trial" / trials_store.FAILED_FILE).read_text())["reason"]
    assert "tf.Relu6" in reason and "model.family: clipping" in reason and "float32" in reason
    assert len(reason) < 400 and "MLIR" not in reason and "tensor<" not in reason
    assert "tensor<" in capfd.readouterr().err, "the converter's own words are for the log"
