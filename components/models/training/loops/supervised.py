"""Learning from examples, by the loss of their task, epoch by epoch; a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.components.models.export import model_store
from modelmill.components.models.family import Factors
from modelmill.components.models.training import checkpoints as training_checkpoints
from modelmill.components.models.training import epoch_progress, layer_rates
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.dataset import Examples
from modelmill.data import task
from modelmill.data.core import progress
from modelmill.data.policy import Policy
from modelmill.data.task import Task

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

# Epochs of a small model are shorter than it takes to write it down: a kill costs what was done in so long at most.
CHECKPOINT_SECONDS = 2.0


def train(
    build: Callable[[], tf_keras.Model],
    examples: dict[str, Examples],
    learning: LearningConfig,
    policy: Policy,
    seed: int,
    strategy: tf.distribute.Strategy,
    checkpoints: Path,
    class_weights: list[float] | None = None,
    watch: Callable[[int, dict[str, float]], None] = lambda epoch, figures: None,
    factors: Factors | None = None,
) -> tuple[tf_keras.Model, list[dict[str, float]]]:
    """Trains a model on examples["train"], judged after each epoch on examples["eval"].

    Args:
      build: makes the bare model; called within the strategy's scope, in the precision wanted.
      examples: the splits.
      learning: epochs, batch, optimizer, rates, early stopping.
      policy: augmentation of the train split.
      seed: of the order and the augmentation; each epoch depends on it and on its number alone.
      strategy: where it trains.
      checkpoints: a folder that outlives the process; what stands there is gone on from.
      class_weights: of each label in the loss, in the model's order; None if all count alike.
      watch: is told each epoch's number and figures, those from before a kill too.
      factors: of each layer's learning rate, epoch by epoch; none if all are 1.

    Returns:
      The model (with early stopping: the weights of its best epoch) and a row of figures for each epoch.

    Raises:
      FloatingPointError: the loss is no longer a number.
    """
    import tensorflow as tf

    from modelmill.components.models.training import optimizer

    # Shared out among replicas, a last batch that is not whole could leave one of them without examples.
    whole = strategy.num_replicas_in_sync > 1
    train = examples["train"]
    asked = task.look_up(train.spec.task)
    steps = train.count // train.batch if whole else train.steps
    with strategy.scope(), _precision(learning.precision):
        model = build()
    planned = layer_rates.plan(model, factors, learning.epochs)
    keeper = training_checkpoints.Keeper(checkpoints)
    state, history = keeper.state, keeper.state.history
    for epoch, row in enumerate(history):
        watch(epoch, row)
    rate = optimizer.Rate(learning, steps)
    checkpoint: tf.train.Checkpoint

    def within(epoch: int, step: int, figures: dict[str, float]) -> None:
        done = state.step + step
        so_far = training_checkpoints.State(history, state.best, step=done, seen=state.through(figures, done))
        keeper.keep(checkpoint, so_far, f"epoch-{epoch}-step-{done}")

    def ended(epoch: int, row: dict[str, float]) -> None:
        row = state.through(row, steps)
        state.step, state.seen = 0, {}
        row["learning_rate"] = float(rate((epoch + 1) * steps - 1))
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(
                f"the loss became {row['loss']} in epoch {epoch + 1}; "
                f"lower train.optimizer.learning_rate (now {learning.optimizer.learning_rate:g})"
            )
        history.append(row)
        if asked.better(row) >= max(map(asked.better, history)):
            state.best = epoch
            model_store.save_weights(keeper.path(f"best-{epoch}.npz"), model)
        model.stop_training = exhausted()
        last = model.stop_training or epoch + 1 == learning.epochs
        if last or keeper.is_due(CHECKPOINT_SECONDS):
            keeper.keep(checkpoint, state, f"epoch-{epoch}")
        measured = f"{asked.MEASURE} {row[asked.MEASURE]:.3f}  eval {row[f'val_{asked.MEASURE}']:.3f}"
        progress.bar("train", epoch + 1, learning.epochs, f"loss {row['loss']:.3f}  {measured}")
        watch(epoch, row)

    def exhausted() -> bool:
        """Whether early stopping ends it. Before the last phase, what gets no better may yet be thawed."""
        since = max(state.best, planned[-1].epochs.start - 1)
        return _exhausted(history, since, learning)

    unread = state.checkpoint is not None
    for phase in layer_rates.left(planned, len(history) + bool(state.step)):
        with strategy.scope(), _precision(learning.precision):
            made = optimizer.make(learning, steps, phase.epochs.start * steps, layer_rates.enter(model, phase))
            _compile(model, made, asked, learning.xla)
            model.optimizer.build(model.trainable_variables)
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        if unread:
            keeper.restore(checkpoint)
            begun = f" and {state.step} of {steps} steps" if state.step else ""
            progress.note(f"training goes on after epoch {len(history)}{begun}")
            unread = False
        # What is left of an epoch is not as long as the others, so Keras gets it by itself.
        for stop in (len(history) + 1, phase.epochs.stop) if state.step else (phase.epochs.stop,):
            epochs = range(len(history), stop)
            if epochs and not exhausted():
                progress.bar("train", epochs.start, learning.epochs)
                batches = _passes(train, policy, seed, epochs, steps, class_weights, whole, state.step)
                told = epoch_progress.told("train", steps, state.step, within)
                _fit(model, batches, epochs, steps - state.step, ended, [told], examples["eval"].plain())
    if len(history) < learning.epochs:
        progress.note(f"training stopped after epoch {len(history)}: no better since epoch {state.best + 1}")
    if learning.early_stopping:
        model_store.load_weights(keeper.path(f"best-{state.best}.npz"), model)
    return model, history


def fine_tune(
    model: tf_keras.Model,
    examples: Examples,
    policy: Policy,
    epochs: int,
    learning_rate: float,
    callbacks: list[tf_keras.callbacks.Callback],
    seed: int,
    name: str,
    class_weights: list[float] | None = None,
) -> None:
    """Trains a model a little further, in place: Adam, its rate falling to zero by a cosine."""
    import tf_keras

    def ended(epoch: int, row: dict[str, float]) -> None:
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(
                f"the loss became {row['loss']} while fine-tuning; lower the method's learning_rate"
            )
        info = f"loss {row['loss']:.3f}  {asked.MEASURE} {row[asked.MEASURE]:.3f}"
        progress.bar(name, epoch + 1, epochs, info)

    asked = task.look_up(examples.spec.task)
    steps = examples.steps
    rate = tf_keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    _compile(model, tf_keras.optimizers.Adam(rate), asked)
    batches = _passes(examples, policy, seed, range(epochs), steps, class_weights)
    progress.bar(name, 0, epochs)
    _fit(model, batches, range(epochs), steps, ended, [*callbacks, epoch_progress.told(name, steps)])


def _passes(
    examples: Examples,
    policy: Policy,
    seed: int,
    epochs: range,
    steps: int,
    class_weights: list[float] | None,
    whole: bool = False,
    begun: int = 0,
) -> tf.data.Dataset:
    """The passes of several epochs as one dataset: its functions are traced once, not once an epoch.

    Args: begun: steps of the first of them that are over.
    """
    import tensorflow as tf

    examples.open(policy)  # made here, not while the next function is traced: all passes share what it keeps in memory

    @tf.autograph.experimental.do_not_convert
    def one(epoch: tf.Tensor) -> tf.data.Dataset:
        # With a global seed of 0, shuffling would ask whether its own, here a tensor, is 0 as well.
        tf.compat.v1.get_default_graph().seed = None
        return _weighted(examples.training(policy, seed, epoch, whole=whole), class_weights)

    passes = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one).skip(begun)
    # Of a dataset whose length it does not know, Keras makes a last step without examples if there are replicas.
    return passes.apply(tf.data.experimental.assert_cardinality(steps * len(epochs) - begun))


def _fit(
    model: tf_keras.Model,
    batches: tf.data.Dataset,
    epochs: range,
    steps: int,
    ended: Callable[[int, dict[str, float]], None],
    callbacks: list[tf_keras.callbacks.Callback],
    eval_batches: tf.data.Dataset | None = None,
) -> None:
    """Keras' fit; `ended` gets each epoch's figures, its seconds among them, and may set model.stop_training."""
    import tf_keras

    started = [time.perf_counter()]

    def end(epoch: int, logs: dict[str, Any]) -> None:
        now = time.perf_counter()
        ended(epoch, {**epoch_progress.floats(logs), "seconds": now - started[0]})
        started[0] = time.perf_counter()

    model.fit(
        batches,
        initial_epoch=epochs.start,
        epochs=epochs.stop,
        steps_per_epoch=steps,
        validation_data=eval_batches,
        callbacks=[*callbacks, tf_keras.callbacks.LambdaCallback(on_epoch_end=end)],
        verbose=0,
    )


def _compile(model: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer, asked: Task, xla: bool = False) -> None:
    import tf_keras

    measure = tf_keras.metrics.MeanMetricWrapper(asked.measure, name=asked.MEASURE)
    model.compile(optimizer=optimizer, loss=asked.loss, metrics=[measure], jit_compile=xla)


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers made within compute in that precision; the policy is the process's, and others make layers too."""
    import tf_keras

    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def _weighted(batches: tf.data.Dataset, class_weights: list[float] | None) -> tf.data.Dataset:
    """(inputs, labels) with the weight of each example in the loss as a third, if classes count differently.

    Labels may be int64 [batch] or shares of the classes float32 [batch, classes].
    """
    import tensorflow as tf

    if class_weights is None:
        return batches

    def weigh(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        weights = tf.constant(class_weights, tf.float32)
        if labels.shape.rank == 1:
            return inputs, labels, tf.gather(weights, labels)
        return inputs, labels, tf.linalg.matvec(tf.cast(labels, tf.float32), weights)

    return batches.map(weigh)


def _exhausted(history: list[dict[str, float]], since: int, learning: LearningConfig) -> bool:
    stopping = learning.early_stopping
    return stopping is not None and len(history) - 1 - since >= stopping.patience
