"""TensorFlow Transform: what its layer holds."""

from __future__ import annotations

from typing import Any

from modelmill.components.upstream import guard

TFT = guard.Library("tensorflow-transform", "==1.21.*")


def resources(layer: Any) -> Any:
    """Return what a SavedModel has to hold of a transform_features_layer: its tables and assets.

    Of the layer itself, which is one of Keras, it would hold the calls, too: nobody calls those, and to trace, write
    and read them takes longer than all the rest.

    Returns:
      The layer itself if the version of TensorFlow Transform was not tested: the same model, in a larger file.
    """
    if not guard.applies(TFT, "saving the transform without the calls of its Keras layer", "exports take longer"):
        return layer
    return layer._saved_model_loader._imported
