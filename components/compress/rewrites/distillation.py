"""Training a student beside its teacher: what is added to the loss of its labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelmill.components.models import networks
from modelmill.components.models.training.loop import LossTerms, Network, Step
from modelmill.data.batch import network_inputs

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


class Lessons:
    """What a teacher adds to the loss of its student: an Addition of training/loop.py.

    Hinton et al., 2015 (logits), Romero et al., 2015 (features), Zagoruyko and Komodakis, 2017 (attention). Projections
    of the features are trained beside the student. The teacher stays as it is: to freeze its layers would freeze those
    of copies made of it later.
    """

    def __init__(
        self, student: tf_keras.Model, teacher: tf_keras.Model, terms: Terms, network: str = networks.MAIN
    ) -> None:
        """Take a student, which is the network of that name, and its teacher."""
        import tf_keras

        self._terms, self.network = terms, network
        watched = [student.get_layer(name).output for name in (*terms.features, *terms.attention)]
        guided = [teacher.get_layer(name).output for name in (*terms.features.values(), *terms.attention.values())]
        self._taught = tf_keras.Model(student.inputs, [student.output, *watched])
        self._teaching = tf_keras.Model(teacher.inputs, [teacher.output, *guided])
        self._inputs: Any = None
        self._given: list[Any] = []
        self.layers = [tf_keras.layers.Dense(one.shape[-1]) for one in guided[: len(terms.features)]]
        for projection, one in zip(self.layers, watched, strict=False):
            projection.build(one.shape)

    def watched(self, networks: dict[str, Network]) -> dict[str, Network]:
        """Return the networks, of which the student keeps what the layers give that are taught."""
        self._given = []
        return {**networks, self.network: self._call}

    def _call(self, inputs: Any, training: bool | None = None) -> Any:
        self._inputs, self._given = inputs, _many(self._taught(inputs, training=training))
        return self._given[0]

    def terms(self, step: Step, terms: LossTerms) -> tuple[float, tf.Tensor]:
        """Return the share of the loop's own loss, and the teacher's terms of each example, float32 [batch].

        The teacher is given what the loop called the student with last, such as noise.
        """
        import tensorflow as tf

        if not self._given:
            self._call(network_inputs(step.inputs), training=step.training)
        asked, given = self._terms, self._given
        lessons = _many(self._teaching(self._inputs, training=False))
        found = asked.weight * _outputs(given[0], lessons[0], asked)
        for projection, own, wanted in zip(self.layers, given[1:], lessons[1:], strict=False):
            found += asked.feature_weight * _mean(tf.square(projection(own) - wanted))
        first = 1 + len(asked.features)
        for own, wanted in zip(given[first:], lessons[first:], strict=True):
            found += asked.attention_weight * _attention(own, wanted)
        return 1 - asked.weight, found * terms.weights


def _mean(values: tf.Tensor) -> tf.Tensor:
    """Return the mean of each example, float32 [batch]."""
    import tensorflow as tf

    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))


def _outputs(own: tf.Tensor, wanted: tf.Tensor, terms: Terms) -> tf.Tensor:
    """Return the cross-entropy of the softened answers less its least value, times the temperature squared, [batch].

    The square keeps the gradients as large as those of the labels. Of numbers it is the mean squared difference; of
    answers at several places, such as those of a sequence, the mean over the places.
    """
    import tensorflow as tf

    if not terms.classes:
        return _mean(tf.square(own - wanted))
    temperature = terms.temperature
    target = tf.nn.softmax(wanted / temperature)
    gap = tf.nn.log_softmax(wanted / temperature) - tf.nn.log_softmax(own / temperature)
    return temperature**2 * _mean(tf.reduce_sum(target * gap, axis=-1))


def _attention(own: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Return the squared distance of maps of attention, [batch], of outputs [batch, ..., channels].

    A map says where the outputs are large, whatever the channel.
    """
    import tensorflow as tf

    def places(values: tf.Tensor) -> tf.Tensor:
        squares = tf.reduce_mean(tf.square(values), axis=-1)
        return tf.math.l2_normalize(tf.reshape(squares, (tf.shape(squares)[0], -1)), axis=1)

    return tf.reduce_sum(tf.square(places(own) - places(wanted)), axis=1)


def _many(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
