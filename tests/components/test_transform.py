"""What Transform learns of the train split: the same to the last bit, in whatever parts Beam adds it up."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from PIL import Image
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from modelmill.data import modality, task

image = modality.look_up("image")

PARTS = (1, 7, 64)  # examples a batch


def learned(examples: list[dict[str, Any]], dtype: tf.DType, preprocessing: Any, folder: Path, parts: int) -> bytes:
    """Return mean and deviation as the first transformed example has them."""
    (key,) = examples[0]
    spec = {key: tf.io.FixedLenFeature([], dtype)}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with tft_beam.Context(temp_dir=str(folder), desired_batch_size=parts):
        (rows, _), _ = (examples, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocessing)
    names = sorted(name for name in rows[0] if name.endswith(("mean", "stddev")))
    return b"".join(np.float32(rows[0][name]).tobytes() for name in names)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_mean_and_deviation_of_pixels_do_not_depend_on_the_parts(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 6, 6, 3), dtype=np.uint8)
    config = image.Config(sample="digits", height=6, width=6, channels=3)
    examples = [{"image": png(one)} for one in pixels]
    found = [learned(examples, tf.string, lambda raw: image.preprocess(raw, config), tmp_path, n) for n in PARTS]
    assert len(set(found)) == 1
    exact = [pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))]
    np.testing.assert_array_equal(np.frombuffer(found[0], np.float32), np.concatenate(exact).astype(np.float32))


def test_mean_and_deviation_of_numbers_to_predict_do_not_depend_on_the_parts(tmp_path: Path) -> None:
    labels = np.random.default_rng(2).normal(100, 30, 777).astype(np.float32)
    found_task = task.look_up("regression")

    def preprocessing(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return found_task.preprocess(raw["label"], found_task.Config())

    examples = [{"label": label} for label in labels]
    found = [learned(examples, tf.float32, preprocessing, tmp_path, n) for n in PARTS]
    assert len(set(found)) == 1
    assert np.frombuffer(found[0], np.float32) == pytest.approx([labels.mean(), labels.std()])
