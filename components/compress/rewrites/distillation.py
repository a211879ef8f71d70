"""Training a student beside its teacher: what is added to the loss of its labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras


@dataclass(frozen=True)
class Terms:
    """What the student learns from the teacher.

    Attributes:
      classes: whether the outputs are logits of classes, one of which is right; else they are taken as numbers.
      weight: share of the teacher in the loss; 0 is training on the labels alone.
      temperature: by which the logits of both are divided before the softmax.
      features: student's layer -> teacher's layer, whose output it should give, through a projection of its own.
      feature_weight: of the mean squared difference of those.
      attention: student's layer -> teacher's layer, whose map of attention it should have.
      attention_weight: of the squared difference of those.
    """

    classes: bool = True
    weight: float = 0.5
    temperature: float = 4.0
    features: dict[str, str] = field(default_factory=dict)
    feature_weight: float = 1.0
    attention: dict[str, str] = field(default_factory=dict)
    attention_weight: float = 1.0


def beside(student: tf_keras.Model, teacher: tf_keras.Model, terms: Terms) -> tf_keras.Model:
    """A model that answers as the student does, and whose loss is told by the teacher too.

    Hinton et al., 2015 (logits), Romero et al., 2015 (features), Zagoruyko and Komodakis, 2017 (attention). Training it
    trains the student, and the projections of the features. The teacher is no part of it and stays as it is: to freeze
    its layers would freeze those of copies made of it later.
    """
    import tensorflow as tf
    import tf_keras

    watched = [student.get_layer(name).output for name in (*terms.features, *terms.attention)]
    guided = [teacher.get_layer(name).output for name in (*terms.features.values(), *terms.attention.values())]
    taught = tf_keras.Model(student.inputs, [student.output, *watched])
    teaching = tf_keras.Model(teacher.inputs, [teacher.output, *guided])
    projections = [tf_keras.layers.Dense(one.shape[-1]) for one in guided[: len(terms.features)]]

    class Beside(tf_keras.Model):
        """Keras' training step, with a loss of our own."""

        def __init__(self) -> None:
            super().__init__(name=student.name)
            self.taught, self.projections = taught, projections

        def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
            return self.taught(inputs, training=training)[0]

        def train_step(self, data: Any) -> dict[str, tf.Tensor]:
            inputs, labels, weights = tf_keras.utils.unpack_x_y_sample_weight(data)
            lessons = _many(teaching(inputs, training=False))
            with tf.GradientTape() as tape:
                answers = _many(self.taught(inputs, training=True))
                loss = (1 - terms.weight) * self.compute_loss(inputs, labels, answers[0], weights)
                # What layers add, such as l2, is part of that: the teacher takes the place of the labels alone.
                loss += terms.weight * (sum(self.losses) + _outputs(answers[0], lessons[0], terms))
                for projection, own, wanted in zip(projections, answers[1:], lessons[1:], strict=False):
                    loss += terms.feature_weight * tf.reduce_mean(tf.square(projection(own) - wanted))
                first = 1 + len(terms.features)
                for own, wanted in zip(answers[first:], lessons[first:], strict=True):
                    loss += terms.attention_weight * _attention(own, wanted)
            self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
            return self.compute_metrics(inputs, labels, answers[0], weights)

    for projection, one in zip(projections, watched, strict=False):
        projection.build(one.shape)
    return Beside()


def _outputs(own: tf.Tensor, wanted: tf.Tensor, terms: Terms) -> tf.Tensor:
    """Scalar: cross-entropy of the softened answers less its least value, times the square of the temperature.

    The square keeps the gradients as large as those of the labels. Of numbers, the mean squared difference.
    """
    import tensorflow as tf

    if not terms.classes:
        return tf.reduce_mean(tf.square(own - wanted))
    temperature = terms.temperature
    target = tf.nn.softmax(wanted / temperature)
    gap = tf.nn.log_softmax(wanted / temperature) - tf.nn.log_softmax(own / temperature)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(target * gap, axis=-1))


def _attention(own: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Scalar, of outputs [batch, ..., channels]: where they are large, whatever the channel."""
    import tensorflow as tf

    def places(values: tf.Tensor) -> tf.Tensor:
        squares = tf.reduce_mean(tf.square(values), axis=-1)
        return tf.math.l2_normalize(tf.reshape(squares, (tf.shape(squares)[0], -1)), axis=1)

    return tf.reduce_mean(tf.reduce_sum(tf.square(places(own) - places(wanted)), axis=1))


def _many(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
