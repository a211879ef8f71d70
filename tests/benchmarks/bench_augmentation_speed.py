"""Images a second of one augmentation policy on one thread: ours, Keras' preprocessing layers, Albumentations.

The policy: rotate ±30° bilinearly, scale by 0.9 to 1.1, crop a window of 7/8 of each side and resize it back, change
brightness and contrast; uint8 in, float32 out. All take part in every round of one run, so that a busy machine slows
them alike; the best round counts. `make bench ARGS='-k augmentation_speed'` prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

SIZES = ((28, 28, 1, 256), (224, 224, 3, 32))
ROUNDS, SECONDS = 5, 1.0
WANTED_OVER_KERAS = 1.5


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size[:3])))
def test_augmentation_speed(size: tuple[int, int, int, int]) -> None:
    pytest.importorskip("albumentations", reason="not installed; `uv pip install -e .[bench]`")
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    environment |= {"NO_ALBUMENTATIONS_UPDATE": "1"}
    command = [sys.executable, __file__, json.dumps(size)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    ours = found["modelmill"]
    print(f"\n{'x'.join(map(str, size[:3]))}, batches of {size[3]}, one thread")
    for name, rate in sorted(found.items(), key=lambda item: -item[1]):
        print(f"  {name:28} {rate:10,.0f} images/s   modelmill is {ours / rate:5.2f} times as fast")
    assert ours >= WANTED_OVER_KERAS * max(rate for name, rate in found.items() if "Keras" in name)


def measure(height: int, width: int, channels: int, batch: int) -> dict[str, float]:
    """Images a second of each, the best of the rounds."""
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    images = np.random.default_rng(0).integers(0, 256, (batch, height, width, channels), dtype=np.uint8)
    runs = {
        "modelmill": modelmill(images),
        "Keras layers (tf_keras)": keras_layers(images, "tf_keras"),
        "Keras layers (Keras 3)": keras_layers(images, "keras"),
        "Albumentations": albumentations(images),
    }
    best = dict.fromkeys(runs, 0.0)
    for run in runs.values():
        out = run()  # traces, compiles
        assert out.shape == images.shape and out.dtype == np.float32, (out.shape, out.dtype)
    for _ in range(ROUNDS):
        for name, run in runs.items():
            count, start = 0, time.process_time()
            while (passed := time.process_time() - start) < SECONDS:
                run()
                count += batch
            best[name] = max(best[name], count / passed)
    return best


def modelmill(images: Any) -> Callable[[], Any]:
    import tensorflow as tf

    from modelmill.data.modalities.image.augment import pipeline
    from modelmill.data.modalities.image.config import ImagePolicy

    policy = ImagePolicy(rotation=30, scale=0.1, crop=0.125, brightness=0.2, contrast=0.2)
    batch = tf.constant(images)

    @tf.function(autograph=False)
    def run(seeds: tf.Tensor) -> tf.Tensor:
        return pipeline.augment(batch, seeds, policy, tf.float32)

    places = tf.range(len(images), dtype=tf.int64)
    numbers = iter(range(10**9))

    def next_one() -> Any:
        return run(tf.stack([tf.fill([len(images)], tf.constant(next(numbers), tf.int64)), places], axis=1)).numpy()

    return next_one


def keras_layers(images: Any, module: str) -> Callable[[], Any]:
    import importlib

    import tensorflow as tf

    layers = importlib.import_module(module).layers
    _, height, width, _ = images.shape
    chain = [
        layers.RandomRotation(30 / 360, fill_mode="nearest"),
        layers.RandomZoom(0.1, fill_mode="nearest"),
        layers.RandomCrop(height * 7 // 8, width * 7 // 8),
        layers.Resizing(height, width),
        layers.RandomBrightness(0.2),
        layers.RandomContrast(0.2),
    ]
    batch = tf.constant(images)

    @tf.function(autograph=False)
    def run() -> tf.Tensor:
        pixels = tf.cast(batch, tf.float32)
        for layer in chain:
            pixels = layer(pixels, training=True)
        return pixels

    return lambda: run().numpy()


def albumentations(images: Any) -> Callable[[], Any]:
    import albumentations as A
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    _, height, width, _ = images.shape
    chain = A.Compose(
        [
            A.Affine(rotate=(-30, 30), scale=(0.9, 1.1), p=1, border_mode=cv2.BORDER_REPLICATE),
            A.RandomCrop(height * 7 // 8, width * 7 // 8, p=1),
            A.Resize(height, width, p=1),
            A.RandomBrightnessContrast(0.2, 0.2, p=1),
        ]
    )
    return lambda: np.stack([chain(image=image)["image"].astype(np.float32) for image in images])


if __name__ == "__main__":
    print(json.dumps(measure(*json.loads(sys.argv[1]))))
