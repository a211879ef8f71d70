"""The figures of a training for TensorBoard, named and split into runs as Keras' own callback does."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf


class Scalars:
    """Writes the rows of a history to folder/train and folder/validation, an epoch a point."""

    def __init__(self, folder: Path) -> None:
        # What tf.summary.scalar writes; but that needs the package tensorboard, which only a reader has to have.
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self._scalar = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class="DATA_CLASS_SCALAR")
        self._writers = {run: tf.summary.create_file_writer(str(folder / run)) for run in ("train", "validation")}

    def row(self, epoch: int, figures: dict[str, float]) -> None:
        """One epoch, from 0; figures whose name begins with val_ are the eval split's."""
        for name, value in figures.items():
            run = "validation" if name.startswith("val_") else "train"
            with self._writers[run].as_default():
                tag = f"epoch_{name.removeprefix('val_')}"
                tf.summary.write(tag, tf.constant(value, tf.float32), step=epoch, metadata=self._scalar)
        # Seen while it trains, and not lost with a kill.
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Ends the files."""
        for writer in self._writers.values():
            writer.close()
