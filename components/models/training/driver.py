"""Drive a training loop: epochs, phases, checkpoints, early stopping, precision and strategy are the same for all.

A killed run goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill.components.models.export import model_store
from modelmill.components.models.family import Factors
from modelmill.components.models.networks import Built, Networks, named
from modelmill.components.models.training import checkpoints as training_checkpoints
from modelmill.components.models.training import epoch_progress, layer_rates
from modelmill.components.models.training import loop as training_loop
from modelmill.components.models.training.config import LearningConfig
from modelmill.components.models.training.dataset import Examples
from modelmill.components.models.training.fit import fit, precision
from modelmill.components.models.training.loop import Addition, LoopConfig
from modelmill.components.models.training.passes import passes
from modelmill.data import task
from modelmill.data.core import progress
from modelmill.data.policy import Policy

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

    from modelmill.components.models.training.container import Container

# Epochs of a small model are shorter than it takes to write it down: a kill costs what was done in so long at most.
CHECKPOINT_SECONDS = 2.0


def train(
    build: Callable[[], Built],
    examples: dict[str, Examples],
    learning: LearningConfig,
    policy: Policy,
    seed: int,
    strategy: tf.distribute.Strategy,
    checkpoints: Path,
    class_weights: list[float] | None = None,
    watch: Callable[[int, dict[str, float]], None] = lambda epoch, figures: None,
    factors: Factors | None = None,
    loop: LoopConfig = training_loop.DEFAULT,
) -> tuple[Networks, list[dict[str, float]]]:
    """Train a model on examples["train"], evaluated after each epoch on examples["eval"].

    Args:
      build: makes the networks; called within the strategy's scope, in the precision wanted.
      examples: the splits.
      learning: epochs, batch, optimizer, rates, early stopping.
      policy: augmentation of the train split.
      seed: of the order and the augmentation; each epoch depends on it and on its number alone.
      strategy: where it trains.
      checkpoints: a folder that outlives the process; what stands there is gone on from.
      class_weights: of each label in the loss, in the model's order; None if all count alike.
      watch: gets each epoch's number and figures, those from before a kill too.
      factors: of each layer's learning rate, epoch by epoch; none if all are 1.
      loop: which loop, and its settings.

    Returns:
      The networks (with early stopping: the weights of the best epoch) and a row of figures for each epoch.

    Raises:
      FloatingPointError: the loss is no longer a number.
    """
    driver = _Driver(examples, learning, policy, seed, strategy, class_weights, watch, loop)
    return driver.run(build, training_checkpoints.Keeper(checkpoints), factors)


class _Driver:
    """One training. `run` makes the model, then the phases; in each, Keras' fit calls `_within` and `_ended`."""

    networks: Networks
    keeper: training_checkpoints.Keeper
    planned: list[layer_rates.Phase]
    container: Container  # of the phase: each has optimizers of its own
    checkpoint: tf.train.Checkpoint

    def __init__(
        self,
        examples: dict[str, Examples],
        learning: LearningConfig,
        policy: Policy,
        seed: int,
        strategy: tf.distribute.Strategy,
        class_weights: list[float] | None,
        watch: Callable[[int, dict[str, float]], None],
        loop: LoopConfig,
    ) -> None:
        from modelmill.components.models.training import optimizer

        self.train, self.eval = examples["train"], examples["eval"]
        self.learning, self.policy, self.seed, self.strategy = learning, policy, seed, strategy
        self.class_weights, self.watch, self.loop = class_weights, watch, training_loop.parse(loop)
        self.task = task.look_up(self.train.spec.task)
        # Shared out among replicas, a last batch that is not whole could leave one of them without examples.
        self.whole = strategy.num_replicas_in_sync > 1
        self.steps = self.train.count // self.train.batch if self.whole else self.train.steps
        self.rate = optimizer.Rate(learning, self.steps)

    def run(
        self, build: Callable[[], Built], keeper: training_checkpoints.Keeper, factors: Factors | None
    ) -> tuple[Networks, list[dict[str, float]]]:
        """Train what `build` makes, from the last checkpoint if there is one; return it and its history."""
        with self.strategy.scope(), precision(self.learning.precision):
            self.networks = named(build())
        self.planned = layer_rates.plan(self.networks, factors, self.learning.epochs)
        self.keeper = keeper
        state, history = keeper.state, keeper.state.history
        for epoch, row in enumerate(history):
            self.watch(epoch, row)
        unread = state.checkpoint is not None
        for phase in layer_rates.left(self.planned, len(history) + bool(state.step)):
            self._enter(phase)
            if unread:
                keeper.restore(self.checkpoint)
                begun = f" and {state.step} of {self.steps} steps" if state.step else ""
                progress.note(f"training goes on after epoch {len(history)}{begun}")
                unread = False
            self._epochs(phase)
        if len(history) < self.learning.epochs:
            progress.note(f"training stopped after epoch {len(history)}: no better since epoch {state.best + 1}")
        if self.learning.early_stopping:
            model_store.load_weights(keeper.path(f"best-{state.best}.npz"), self.networks)
        return self.networks, history

    def _enter(self, phase: layer_rates.Phase) -> None:
        """Make the container of a phase, with its optimizers and the layers that learn in it."""
        from modelmill.components.models.training import optimizer
        from modelmill.components.models.training.container import Container

        first = phase.epochs.start * self.steps
        with self.strategy.scope(), precision(self.learning.precision):
            rates = layer_rates.enter(self.networks, phase)
            loop = training_loop.look_up(self.loop.name)
            spec = self.train.spec
            self.container = Container(self.networks, loop, self.loop, self.task, spec, self.seed)
            made = [
                optimizer.of_update(one, self.learning, self.steps, first, self.networks, rates)
                for one in self.container.loop_updates
            ]
            self.container.compile_updates(made, self.learning.xla)
            self.container.step.assign(first)
        self.checkpoint = self.container.checkpoint()

    def _epochs(self, phase: layer_rates.Phase) -> None:
        """Fit the epochs of a phase that are left."""
        state = self.keeper.state
        # What is left of an epoch is not as long as the others, so Keras gets it by itself.
        for stop in (len(state.history) + 1, phase.epochs.stop) if state.step else (phase.epochs.stop,):
            epochs = range(len(state.history), stop)
            if epochs and not self._exhausted():
                progress.bar("train", epochs.start, self.learning.epochs)
                batches = passes(
                    *(self.train, self.policy, self.seed, epochs, self.steps),
                    *(self.class_weights, self.whole, state.step),
                )
                told = epoch_progress.told("train", self.steps, state.step, self._within)
                left = self.steps - state.step
                self.container.position = int(self.container.step.numpy())
                fit(self.container, batches, epochs, left, self._ended, [told], self.eval.plain())

    def _within(self, epoch: int, step: int, figures: dict[str, float]) -> None:
        """Write a checkpoint within a long epoch."""
        state = self.keeper.state
        done = state.step + step
        figures = self.container.made(figures, epoch * self.steps + state.step, step)
        so_far = training_checkpoints.State(state.history, state.best, step=done, seen=state.through(figures, done))
        self.keeper.keep(self.checkpoint, so_far, f"epoch-{epoch}-step-{done}")

    def _ended(self, epoch: int, row: dict[str, float]) -> None:
        """Record an epoch, write a checkpoint if one is due, and stop the training if it gets no better."""
        state, learning, asked = self.keeper.state, self.learning, self.task
        row = self.container.made(row, epoch * self.steps + state.step, self.steps - state.step)
        row = state.through(row, self.steps)
        state.step, state.seen = 0, {}
        row["learning_rate"] = float(self.rate((epoch + 1) * self.steps - 1))
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(
                f"the loss became {row['loss']} in epoch {epoch + 1}; "
                f"lower train.optimizer.learning_rate (now {learning.optimizer.learning_rate:g})"
            )
        state.history.append(row)
        if asked.epoch_score(row) >= max(map(asked.epoch_score, state.history)):
            state.best = epoch
            model_store.save_weights(self.keeper.path(f"best-{epoch}.npz"), self.networks)
        self.container.stop_training = self._exhausted()
        last = self.container.stop_training or epoch + 1 == learning.epochs
        if last or self.keeper.is_due(CHECKPOINT_SECONDS):
            self.keeper.keep(self.checkpoint, state, f"epoch-{epoch}")
        info = f"{_shown(row, 'loss', asked.MEASURE)}  eval {row[f'val_{asked.MEASURE}']:.3f}"
        progress.bar("train", epoch + 1, learning.epochs, info)
        self.watch(epoch, row)

    def _exhausted(self) -> bool:
        """Return whether early stopping ends it. Before the last phase, what gets no better may yet be thawed."""
        state, stopping = self.keeper.state, self.learning.early_stopping
        since = max(state.best, self.planned[-1].epochs.start - 1)
        return stopping is not None and len(state.history) - 1 - since >= stopping.patience


def fine_tune(
    networks: Networks,
    examples: Examples,
    policy: Policy,
    epochs: int,
    learning_rate: float,
    callbacks: list[tf_keras.callbacks.Callback],
    seed: int,
    name: str,
    class_weights: list[float] | None = None,
    loop: LoopConfig = training_loop.DEFAULT,
    addition: Addition | None = None,
) -> None:
    """Train networks a little further, in place: Adam, its rate falling to zero by a cosine.

    Args:
      networks: all that the loop trains.
      examples: the train split.
      policy: its augmentation.
      epochs: how many.
      learning_rate: at the start.
      callbacks: of Keras, such as TF-MOT's.
      seed: of the order and the augmentation.
      name: of the progress bar.
      class_weights: as in `train`.
      loop: which loop, and its settings.
      addition: what is added to its loss.
    """
    import tf_keras

    from modelmill.components.models.training.container import Container

    def ended(epoch: int, row: dict[str, float]) -> None:
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(
                f"the loss became {row['loss']} while fine-tuning; lower the method's learning_rate"
            )
        row = container.made(row, epoch * steps, steps)
        progress.bar(name, epoch + 1, epochs, _shown(row, "loss", asked.MEASURE))

    asked, config = task.look_up(examples.spec.task), training_loop.parse(loop)
    steps = examples.steps
    found = training_loop.look_up(config.name)
    container = Container(networks, found, config, asked, examples.spec, seed, addition)
    falling = tf_keras.optimizers.schedules.CosineDecay
    rates = [falling(learning_rate, epochs * steps / one.every) for one in container.loop_updates]
    container.compile_updates([tf_keras.optimizers.Adam(rate) for rate in rates])
    batches = passes(examples, policy, seed, range(epochs), steps, class_weights)
    progress.bar(name, 0, epochs)
    fit(container, batches, range(epochs), steps, ended, [*callbacks, epoch_progress.told(name, steps)])


def _shown(row: dict[str, float], *names: str) -> str:
    """Return figures for the screen; one of an update that was not made is not in the row."""
    return "  ".join(f"{name} {row[name]:.3f}" for name in names if name in row)
