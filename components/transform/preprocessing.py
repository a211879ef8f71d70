"""The preprocessing function that TFX's Transform calls by its import path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from data import modality

if TYPE_CHECKING:
    import tensorflow as tf


def preprocessing_fn(inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to transformed ones; the modality's. Statistics are those of the train split."""
    content = json.loads(custom_config["data"])
    kind = modality.look_up(content["modality"])
    return kind.preprocess(inputs, kind.Config.model_validate(content))
