"""A conditional Wasserstein GAN with a gradient penalty (Gulrajani et al., 2017): the labels are seen by a critic only.

The generator learns from the critic alone, so it learns nothing if the updates, their networks or their optimizers are
mixed up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelmill.components.models.training.config import OptimizerConfig
from modelmill.components.models.training.loop import Loop, LoopConfig, LossTerms, Step, Update

if TYPE_CHECKING:
    import tensorflow as tf


class WassersteinConfig(LoopConfig):
    """How the two networks learn."""

    name: Literal["wasserstein"] = "wasserstein"
    critics: int = Field(5, ge=1, description="Updates of the critic for each one of the generator.")
    penalty: float = Field(1.0, ge=0, description="Weight of the gradient penalty.")
    critic_rate: float = Field(5e-3, gt=0, description="Learning rate of the critic.")


class Wasserstein(Loop[WassersteinConfig]):
    """The critic tells labels from answers; the generator gives answers that it takes for labels."""

    Config = WassersteinConfig

    def updates(self, config: WassersteinConfig) -> tuple[Update, ...]:
        """Return the critic's update, of every step, and the generator's, with the experiment's optimizer."""
        own = OptimizerConfig(name="adam", learning_rate=config.critic_rate)
        return Update("critic", ("critic",), optimizer=own), Update("generator", ("main",), every=config.critics)

    def loss(self, config: WassersteinConfig, update: Update, step: Step) -> LossTerms:
        """Return by how much answers are scored above labels; for the generator, how low its answers are scored."""
        import tensorflow as tf

        answers = tf.cast(step.outputs("main"), tf.float32)
        if update.name == "generator":
            score = _score(step, answers)
            return LossTerms(-score, tf.ones_like(score), answers)
        answers = tf.stop_gradient(answers)
        gap = _score(step, answers) - _score(step, step.target)
        return LossTerms(gap + config.penalty * _penalty(step, answers), tf.ones_like(gap))


def _score(step: Step, answers: tf.Tensor) -> tf.Tensor:
    """Return the critic's score of answers [batch, 1] to the inputs of a batch, float32 [batch]."""
    import tensorflow as tf

    given = tf.concat([tf.cast(step.input, tf.float32), tf.cast(answers, tf.float32)], axis=1)
    return tf.reshape(tf.cast(step.networks["critic"](given, training=step.training), tf.float32), [-1])


def _penalty(step: Step, answers: tf.Tensor) -> tf.Tensor:
    """Return how far the score's slope between labels and answers exceeds 1, squared, float32 [batch]."""
    import tensorflow as tf

    share = tf.random.stateless_uniform(tf.shape(answers), step.seed)
    between = share * tf.cast(step.target, tf.float32) + (1 - share) * answers
    with tf.GradientTape() as tape:
        tape.watch(between)
        score = _score(step, between)
    slope = tf.abs(tf.reshape(tape.gradient(score, between), [-1]))
    return tf.square(tf.maximum(slope - 1, 0.0))
