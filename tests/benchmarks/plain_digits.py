"""What the experiment digits-cnn does, by hand. A program: `plain_digits.py FOLDER SETTINGS`, no pipeline.

It reads the same files, splits them by content, lets TFDV describe and check the splits, trains the same network on
equally augmented examples, evaluates it, compresses it by the same chains, and evaluates the flatbuffers. It keeps no
metadata, checkpoints or caches, and gives no intervals, slices or gates: what those cost is the overhead.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_model_optimization as tfmot
import tf_keras
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

# The augmentation is part of the work, not of the pipeline; its own speed is another benchmark's.
from modelmill.data.modalities.image.augment import pipeline as augmentation
from modelmill.data.modalities.image.config import ImagePolicy

SHARES = (("train", 14), ("eval", 3), ("test", 3))
POLICY = ImagePolicy(rotation=12, scale=0.1, crop=0.15, brightness=0.1, contrast=0.2)
BATCH = 32


def read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray, pd.DataFrame]]:
    """Images uint8, labels and a table of each split."""
    rows: dict[str, list[tuple[np.ndarray, str, bytes]]] = {split: [] for split, _ in SHARES}
    for path in sorted(folder.glob("*/*.png")):
        content = path.read_bytes()
        place = int(hashlib.sha256(content).hexdigest(), 16) % sum(share for _, share in SHARES)
        for split, share in SHARES:
            if place < share:
                rows[split].append((np.asarray(Image.open(path))[..., None], path.parent.name, content))
                break
            place -= share
    found = {}
    for split, kept in rows.items():
        images, labels, contents = zip(*kept, strict=True)
        sizes = {"height": [one.shape[0] for one in images], "width": [one.shape[1] for one in images]}
        table = pd.DataFrame({"image": contents, "label": labels, **sizes})
        found[split] = (np.stack(images), np.array([int(label) for label in labels]), table)
    return found


def check(splits: dict[str, tuple[np.ndarray, np.ndarray, pd.DataFrame]]) -> None:
    """Statistics, a schema of the train split, and whether the others fit it."""
    statistics = {split: tfdv.generate_statistics_from_dataframe(table) for split, (_, _, table) in splits.items()}
    schema = tfdv.infer_schema(statistics["train"])
    for found in statistics.values():
        assert not tfdv.validate_statistics(found, schema).anomaly_info


def network() -> tf_keras.Model:
    """The network of digits-cnn."""
    layers, l2 = tf_keras.layers, tf_keras.regularizers.L2(1e-4)
    inputs = features = tf_keras.Input((8, 8, 1))
    for filters, pool in ((32, False), (64, True), (64, True)):
        features = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_regularizer=l2)(features)
        features = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))
        features = layers.MaxPooling2D()(features) if pool else features
    features = layers.Dense(128, activation="relu", kernel_regularizer=l2)(layers.Flatten()(features))
    logits = layers.Dense(10, kernel_regularizer=l2)(layers.Dropout(0.4)(features))
    return tf_keras.Model(inputs, logits)


class Work:
    """The examples, and what is done with models of them."""

    def __init__(self, splits: dict[str, tuple[np.ndarray, np.ndarray, pd.DataFrame]]) -> None:
        self.splits = splits
        self.mean, self.stddev = splits["train"][0].mean(), splits["train"][0].std()

    def fit(self, model: tf_keras.Model, epochs: int, rate: float, judged: bool, callbacks: tuple = ()) -> None:
        """Trains with a cosine rate; `judged` on the eval split after each epoch."""
        images, labels, _ = self.splits["train"]
        steps = -(-len(images) // BATCH)

        def prepare(places: tf.Tensor, pair: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            seeds = tf.stack([tf.zeros_like(places), places], axis=1)
            augmented = augmentation.augment(pair[0], seeds, POLICY)
            return (tf.cast(augmented, tf.float32) - self.mean) / self.stddev, pair[1]

        batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(10_000).repeat(epochs).enumerate()
        batches = batches.batch(BATCH).map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        decay = tf_keras.optimizers.schedules.CosineDecay(rate, steps * epochs)
        model.compile(tf_keras.optimizers.Adam(decay), loss, ["accuracy"])
        validation = self.plain("eval") if judged else None
        model.fit(
            batches, epochs=epochs, steps_per_epoch=steps, validation_data=validation, verbose=0, callbacks=callbacks
        )

    def plain(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        images, labels, _ = self.splits[split]
        return (images.astype(np.float32) - self.mean) / self.stddev, labels

    def convert(self, model: tf_keras.Model, optimize: bool = True, calibrated: bool = False) -> bytes:
        """From uint8 pixels to probabilities."""
        inputs = tf_keras.Input((8, 8, 1), batch_size=1, dtype="uint8")
        outputs = tf_keras.layers.Softmax()(model((tf.cast(inputs, tf.float32) - self.mean) / self.stddev))
        converter = tf.lite.TFLiteConverter.from_keras_model(tf_keras.Model(inputs, outputs))
        if optimize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if calibrated:
            converter.representative_dataset = lambda: ([one[None]] for one in self.splits["train"][0][:200])
        return bytes(converter.convert())

    def accuracy(self, content: bytes, split: str) -> float:
        """Of a flatbuffer, one example at a time."""
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        images, labels, _ = self.splits[split]
        right = 0
        for one, label in zip(images, labels, strict=True):
            interpreter.set_tensor(given, one[None])
            interpreter.invoke()
            right += int(interpreter.get_tensor(answer)[0].argmax() == label)
        return right / len(labels)


def prune(work: Work, model: tf_keras.Model, settings: dict) -> tf_keras.Model:
    """Most weights zero."""
    steps = -(-len(work.splits["train"][0]) // BATCH) * settings["epochs"]
    end, often = int(steps * settings["ramp"]), min(100, steps // 50)
    schedule = tfmot.sparsity.keras.PolynomialDecay(settings["initial"], settings["sparsity"], 0, end, frequency=often)
    copied = tf_keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(copied, pruning_schedule=schedule)
    work.fit(wrapped, settings["epochs"], settings["learning_rate"], False, (tfmot.sparsity.keras.UpdatePruningStep(),))
    return tfmot.sparsity.keras.strip_pruning(wrapped)


def aware(work: Work, model: tf_keras.Model, settings: dict) -> tf_keras.Model:
    """Quantization-aware, keeping the zeros."""
    copied = tf_keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    annotated = tfmot.quantization.keras.quantize_annotate_model(copied)
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    made = tfmot.quantization.keras.quantize_apply(annotated, scheme)
    work.fit(made, settings["epochs"], settings["learning_rate"], False)
    return made


def main(folder: Path, settings: dict) -> None:
    """Args: settings: epochs, learning_rate; and those of the methods prune and pqat."""
    tf_keras.utils.set_random_seed(0)
    splits = read(folder)
    check(splits)
    work = Work(splits)
    model = network()
    work.fit(model, settings["epochs"], settings["learning_rate"], True)
    _, found = model.evaluate(*work.plain("test"), verbose=0)
    tf.saved_model.save(model, "plain_model")
    pruned = prune(work, model, settings["prune"])
    contents = {
        "float32": work.convert(model, optimize=False),
        "dynamic_range": work.convert(model),
        "int8": work.convert(model, calibrated=True),
        "prune + dynamic_range": work.convert(pruned),
        "prune + pqat": work.convert(aware(work, pruned, settings["pqat"])),
    }
    kept = {name: work.accuracy(content, "eval") for name, content in contents.items()}
    chosen = min(contents, key=lambda name: (kept[name] < kept["float32"] - 0.01, len(contents[name])))
    print(json.dumps({"float": found, "eval": kept, "test": work.accuracy(contents[chosen], "test"), "chosen": chosen}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
