"""Multi-label classification: an example has any number of labels; the answer is a probability for each.

The labels of an example are written as one text, `red|round`; `|` alone says that it has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.data import counting, label_names, metrics
from modelmill.data.core.config import Strict
from modelmill.data.metric import Records
from modelmill.data.spec import LABEL, Spec, TaskFacts, TensorSpec
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_transform as tft
    from numpy.typing import NDArray

    from modelmill.data.figures import Examples, Figure, Recorded

BETWEEN = "|"


class Multilabel(Task[Strict]):
    """Give each example any number of labels."""

    ANSWER = "probabilities"
    MEANING = "probabilities, each by itself, in the order of the labels"
    MEASURE = "binary_accuracy"
    METRICS = (metrics.MICRO_F1, metrics.MACRO_F1_OF_LABELS, metrics.SUBSET_ACCURACY, metrics.MACRO_AUC)
    REPORTED = ("micro_f1", "macro_f1", "subset_accuracy")
    AGREES = True

    def raw(self, text: str) -> str:
        """Return the labels in one order, each once. Raises ValueError if one of them is empty or can be no name."""
        names = [label_names.checked(name.strip()) for name in text.split(BETWEEN)]
        if text.strip() == BETWEEN:
            return BETWEEN
        if not all(names):
            raise ValueError(
                f"the labels {text!r} hold an empty one; write them as a{BETWEEN}b, and {BETWEEN} for none"
            )
        return BETWEEN.join(sorted(set(names)))

    def preprocess(self, label: tf.Tensor, config: Strict) -> dict[str, tf.Tensor]:
        """Map string [batch] to sparse int64 [batch, any], the places in the vocabulary `labels`."""
        import tensorflow as tf
        import tensorflow_transform as tft

        names = tf.strings.split(label, BETWEEN)
        names = tf.ragged.boolean_mask(names, names != "").to_sparse()
        return {LABEL: tft.compute_and_apply_vocabulary(names, vocab_filename="labels")}

    def describe(self, output: tft.TFTransformOutput, example: bytes, config: Strict) -> TaskFacts:
        """Return the labels, in the vocabulary's order."""
        return TaskFacts(labels=tuple(label.decode() for label in output.vocabulary_by_name("labels")))

    def targets(self, facts: TaskFacts) -> tuple[TensorSpec, ...]:
        """Return 0 or 1 for each label."""
        return (TensorSpec(name=LABEL, shape=(len(facts.labels),), dtype="float32"),)

    def features(self, spec: Spec) -> dict[str, Any]:
        """Read any number of numbers."""
        import tensorflow as tf

        return {LABEL: tf.io.VarLenFeature(tf.int64)}

    def label(self, features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Return float32 [batch, labels], 1 for those that an example has; a label that training never saw is none."""
        import tensorflow as tf

        # Numbers of unseen labels are -1, for which one_hot is all zeros; so they fill what is not there.
        places = tf.sparse.to_dense(features[LABEL], default_value=-1)
        return tf.reduce_sum(tf.one_hot(places, len(spec.labels)), axis=1)

    def soft_targets(self, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return the labels: they can be mixed as they are."""
        return labels

    def loss(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute the mean of binary cross-entropy over labels."""
        import tf_keras

        return tf_keras.losses.binary_crossentropy(target, outputs, from_logits=True)

    def train_metric(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute the share of labels that are answered right."""
        import tf_keras

        return tf_keras.metrics.binary_accuracy(target, outputs, threshold=0.0)

    def postprocess(self, outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Apply the sigmoid."""
        import tf_keras

        return tf_keras.layers.Activation("sigmoid", name=self.ANSWER, dtype="float32")(outputs)

    def record(self, answers: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the probabilities, and the labels, a byte each."""
        label = np.asarray(labels).reshape(answers.shape) > 0.5
        return {"label": label.astype(np.uint8), "answer": answers.astype(np.float32)}

    def same(self, first: Records, second: Records) -> NDArray[np.bool_]:
        """Compare which labels are above 0.5."""
        return counting.same_labels(first, second)

    def figures(self, recorded: Recorded) -> list[Figure]:
        """Declare the average precision of each label."""
        from modelmill.data.figures import COMPRESSED, LabelPrecision

        return [LabelPrecision(recorded.truth, recorded.answers[COMPRESSED], recorded.labels)]

    def examples(self, recorded: Recorded) -> Examples:
        """Declare by how much the furthest label of each example is off."""
        from modelmill.data.figures import COMPRESSED, FurthestOff

        return FurthestOff(abs(recorded.answers[COMPRESSED] - recorded.truth).max(axis=1))
