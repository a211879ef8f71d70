"""The preprocessing function that TFX's Transform calls by its import path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from modelmill.data import modality, task
from modelmill.data.spec import LABEL

if TYPE_CHECKING:
    import tensorflow as tf


def preprocessing_fn(inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to transformed ones: the modality's, and the task's label. Statistics are the train split's."""
    import tensorflow as tf

    content = json.loads(custom_config["data"])
    kind = modality.look_up(content["modality"])
    config = kind.Config.model_validate(content)
    outputs = kind.preprocess(inputs, config)
    if LABEL in inputs:
        outputs |= task.look_up(config.task).preprocess(tf.reshape(inputs[LABEL], [-1]), config.task_settings)
    return outputs
