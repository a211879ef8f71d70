"""Classification: each example is of one class; the answer is a probability for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.data import counting, metrics
from modelmill.data.core.config import Strict
from modelmill.data.metric import Records
from modelmill.data.spec import LABEL, Spec, TaskFacts, TensorSpec
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft
    from numpy.typing import NDArray

    from modelmill.data.figures import Examples, Figure, Recorded

# Classes of which an answer is recorded, the most probable ones.
RECORDED = 10


class Classification(Task[Strict]):
    """Give each example one of a closed set of classes."""

    ANSWER = "probabilities"
    MEANING = "probabilities, in the order of the labels"
    CLASSES = True
    MEASURE = "accuracy"
    METRICS = (
        metrics.ACCURACY,
        metrics.BALANCED_ACCURACY,
        metrics.MACRO_F1,
        metrics.F1,
        metrics.AUC,
        metrics.CALIBRATION_ERROR,
    )
    REPORTED = ("accuracy", "calibration_error")
    AGREES = True

    def preprocess(self, label: tf.Tensor, config: Strict) -> dict[str, tf.Tensor]:
        """Map string [batch] to int64 [batch], the place in the vocabulary `labels`: frequent classes first."""
        import tensorflow_transform as tft

        return {LABEL: tft.compute_and_apply_vocabulary(label, vocab_filename="labels")}

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: Strict) -> TaskFacts:
        """Return the classes, in the vocabulary's order."""
        return TaskFacts(labels=tuple(label.decode() for label in output.vocabulary_by_name("labels")))

    def targets(self, facts: TaskFacts) -> tuple[TensorSpec, ...]:
        """Return the number of the class."""
        return (TensorSpec(name=LABEL, shape=(), dtype="int64"),)

    def features(self, spec: Spec) -> dict[str, Any]:
        """Read a number."""
        import tensorflow as tf

        return {LABEL: tf.io.FixedLenFeature([], tf.int64)}

    def label(self, features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Return int64 [batch], the numbers of the classes."""
        import tensorflow as tf

        return tf.reshape(features[LABEL], [-1])

    def soft_targets(self, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Encode labels one-hot."""
        import tensorflow as tf

        return tf.one_hot(labels, len(spec.labels))

    def loss(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute cross-entropy of labels [batch] or [batch, 1], or soft ones, and of logits [batch, classes]."""
        import tf_keras

        if _are_soft(target, outputs):
            return tf_keras.losses.categorical_crossentropy(target, outputs, from_logits=True)
        return tf_keras.losses.sparse_categorical_crossentropy(target, outputs, from_logits=True)

    def train_metric(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Return 1 where the answer is the class, or the one of the largest share."""
        import tf_keras

        if _are_soft(target, outputs):
            return tf_keras.metrics.categorical_accuracy(target, outputs)
        return tf_keras.metrics.sparse_categorical_accuracy(target, outputs)

    def epoch_score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Rank epochs by accuracy; the loss decides between equal ones."""
        return figures["val_accuracy"], -figures["val_loss"]

    def postprocess(self, outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Apply softmax."""
        import tf_keras

        return tf_keras.layers.Softmax(name=self.ANSWER, dtype="float32")(outputs)

    def signature_outputs(self, answers: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
        """Return the probabilities, and the name of the most probable class."""
        import tensorflow as tf

        return {self.ANSWER: answers, "label": tf.gather(tf.constant(spec.labels), tf.argmax(answers, axis=1))}

    def record(self, answers: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the label, its probability, and the RECORDED most probable classes with their probabilities."""
        label = np.asarray(labels).reshape(-1).astype(np.int32)
        # What is not a number comes first, as it does for argmax: it must not pass for the least probable class.
        order = np.argsort(-np.where(np.isnan(answers), np.inf, answers), axis=1, kind="stable")[:, :RECORDED]
        known = (label >= 0) & (label < answers.shape[1])  # else a label that training never saw
        right = np.where(known, answers[np.arange(len(label)), np.where(known, label, 0)], np.nan)
        return {
            "label": label,
            "outputs": np.full(len(label), answers.shape[1], np.int32),
            "classes": order.astype(np.int32),
            "probabilities": np.take_along_axis(answers, order, axis=1).astype(np.float32),
            "right": right.astype(np.float32),
        }

    def same(self, first: Records, second: Records) -> NDArray[np.bool_]:
        """Compare the most probable classes."""
        return counting.same_class(first, second)

    def figures(self, recorded: Recorded) -> list[Figure]:
        """Declare accuracy by class, confusions, calibration, and curves of each class."""
        from modelmill.data.figures import Calibration, ClassAccuracy, ClassCurves, Confusion

        truth = recorded.truth[:, 0].astype("int64")
        drawn = (ClassAccuracy, Confusion, Calibration, ClassCurves)
        return [figure(truth, recorded.classes, recorded.labels) for figure in drawn]

    def examples(self, recorded: Recorded) -> Examples:
        """Declare the worst mistakes."""
        from modelmill.data.figures import Mistakes

        return Mistakes(recorded.truth[:, 0].astype("int64"), recorded.classes, recorded.labels)


def _are_soft(target: tf.Tensor, outputs: tf.Tensor) -> bool:
    return target.shape.rank == 2 and target.shape[1] == outputs.shape[1] > 1
