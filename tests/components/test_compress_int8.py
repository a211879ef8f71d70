"""What int8's settings change in the flatbuffer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tf_keras

from modelmill.components import artifacts
from modelmill.components.compress.context import Context
from modelmill.components.compress.methods import int8
from modelmill.components.compress.trials import measure
from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import analyze
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality

image = modality.look_up("image")


def test_dense_weights_of_few_values_stay_few_with_one_scale(
    prepared: SimpleNamespace, trained: Any, tmp_path: Path
) -> None:
    """With a scale for each neuron the same value becomes another integer in each."""
    (model,), (transformed,) = (
        trained.outputs["model"].get(),
        prepared.transform.outputs["transformed_examples"].get(),
    )
    stored, network = model_store.load(Path(artifacts.rebuild(model.uri)))
    files = [str(path) for path in Path(transformed.uri, "Split-train").iterdir()]
    context = Context(stored, network, {"train": Examples(files, stored.spec, 16)}, image.Policy(), 0, "test")
    for layer in network.layers:
        if isinstance(layer, tf_keras.layers.Dense):
            layer.kernel.assign(np.linspace(-1, 1, 7)[np.digitize(layer.kernel.numpy(), [-0.2, -0.1, 0, 0.1, 0.2])])
    found, sizes = {}, {}
    for dense in ("per_channel", "per_tensor"):
        path = tmp_path / f"{dense}.tflite"
        path.write_bytes(int8.Int8().export(network, int8.Int8Config(dense=dense, calibration=20), context))
        kernels = analyze.read(path).kernels
        found[dense] = max(one.distinct for one in kernels if one.operator == "FULLY_CONNECTED")
        sizes[dense] = measure.sizes(path)["gzip_bytes"]
    assert found["per_tensor"] <= 7 and sizes["per_tensor"] < sizes["per_channel"]
    with pytest.raises(ValueError, match="fallback is by litert-quantizer"):
        int8.Int8Config(dense="per_tensor", fallback={"tolerance": 0.1})
