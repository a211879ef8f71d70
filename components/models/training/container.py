"""The model that Keras' fit trains: networks, and for each update of the loop an optimizer and a loss.

It is never cloned, wrapped or saved. Compression wraps the networks within it, and every Keras callback is called.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from modelmill.components.models.training.loop import Addition, Loop, LoopConfig, LossTerms, Network, Step, Update
from modelmill.data import batch
from modelmill.data.core import plugins
from modelmill.data.spec import Spec
from modelmill.data.task import Task


class Container(tf_keras.Model):
    """Networks under a loop.

    Attributes:
      networks: by their names; theirs are all the weights.
      loop_updates: of the loop.
      optimizers: by the names of the updates.
      position: steps that are over; which updates the next one makes depends on it.
    """

    def __init__(
        self,
        networks: Mapping[str, tf_keras.Model],
        loop: Loop[Any],
        config: LoopConfig,
        task: Task[Any],
        spec: Spec,
        seed: int = 0,
        addition: Addition | None = None,
    ) -> None:
        """Take the networks; `addition` is what is added to the loss, as distillation does."""
        super().__init__(name="training")
        self.networks = dict(networks)
        self._loop, self._config, self._task, self._spec, self._seed = loop, config, task, spec, seed
        self._addition = addition
        self.loop_updates = loop.updates(config)
        _require_networks(loop.name, self.loop_updates, networks)
        self._active = self.loop_updates
        self.train_function: Any = None
        self.position = 0
        first_replica = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first_replica)
        self._losses = {one.name: tf_keras.metrics.Mean(f"{one.name}_loss") for one in self.loop_updates}
        self._measure = tf_keras.metrics.Mean(task.MEASURE)
        self._measured = set[str]()  # the updates that have outputs, as far as their losses were traced
        self.added = [] if addition is None else addition.layers
        # The update that moves the network which learns what is added; the loss of another has no part of it.
        self._learner = next((one for one in self.loop_updates if addition and addition.network in one.networks), None)
        if addition is not None and self._learner is None:
            raise ValueError(f"loop {loop.name}: no update moves the network {addition.network}, which is to be taught")

    def compile_updates(self, optimizers: Sequence[tf_keras.optimizers.Optimizer], xla: bool = False) -> None:
        """Compile with an optimizer for each update, and make the optimizers' variables."""
        self.compile(optimizer=optimizers[0], jit_compile=xla)
        scaled = isinstance(self.optimizer, tf_keras.mixed_precision.LossScaleOptimizer)
        others = [tf_keras.mixed_precision.LossScaleOptimizer(one) if scaled else one for one in optimizers[1:]]
        self.optimizers_of = {
            update.name: made for update, made in zip(self.loop_updates, (self.optimizer, *others), strict=True)
        }
        for update in self.loop_updates:
            self.optimizers_of[update.name].build(self._moved(update))

    def checkpoint(self) -> tf.train.Checkpoint:
        """Return a checkpoint of all that a training which goes on needs."""
        networks = {f"network_{name}": network for name, network in self.networks.items()}
        optimizers = {f"optimizer_{name}": one for name, one in self.optimizers_of.items()}
        return tf.train.Checkpoint(step=self.step, **networks, **optimizers)

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What Keras sets back before each epoch."""
        return [*self._losses.values(), self._measure]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Call the first network; Keras wants a model to have a call."""
        return next(iter(self.networks.values()))(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Make the updates of this step, one after the other."""
        inputs, targets, weights = tf_keras.utils.unpack_x_y_sample_weight(data)
        for update in self._active:
            with tf.GradientTape() as tape:
                loss = self._loss(update, inputs, targets, weights, training=True)
            self.optimizers_of[update.name].minimize(loss, self._moved(update), tape=tape)
        self.step.assign_add(1)
        return self._figures()

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Compute the losses without an update."""
        inputs, targets, weights = tf_keras.utils.unpack_x_y_sample_weight(data)
        for update in self.loop_updates:
            self._loss(update, inputs, targets, weights, training=False)
        return self._figures()

    def made(self, figures: Mapping[str, float], first: int, steps: int) -> dict[str, float]:
        """Return the figures of some steps without those of updates that were not made in any of them.

        Args:
          figures: as Keras logs them; nothing was added up for such an update, and Keras takes that for 0.
          first: the number of the first step.
          steps: how many.
        """
        idle = {one.name for one in self.loop_updates if -(-first // one.every) * one.every >= first + steps}
        unknown = {self._losses[name].name for name in idle}
        if self._measured <= idle:
            unknown.add(self._measure.name)
        return {name: value for name, value in figures.items() if name not in unknown}

    def make_train_function(self, force: bool = False) -> Any:
        """Make the function of a step; where updates are not made in every step, one for each set of them.

        No condition is in the graph: a strategy can't reduce gradients across replicas within one.
        """
        period = math.lcm(*(one.every for one in self.loop_updates))
        if period == 1 or (self.train_function is not None and not force):
            return super().make_train_function(force)
        functions: dict[tuple[Update, ...], Any] = {}

        def train_function(iterator: Any) -> Any:
            active = tuple(one for one in self.loop_updates if self.position % one.every == 0)
            if active not in functions:
                functions[active] = super(Container, self).make_train_function(force=True)
                self.train_function = train_function
            self._active = active  # read when the function is traced
            self.position += 1
            return functions[active](iterator)

        self.train_function = train_function
        return train_function

    def _moved(self, update: Update) -> list[tf.Variable]:
        """Return the variables that an update moves, those of what is added to the loss among them."""
        networks = [self.networks[name] for name in update.networks]
        added = self.added if update is self._learner else []
        return [variable for layer in (*networks, *added) for variable in layer.trainable_variables]

    def _loss(self, update: Update, inputs: Any, targets: Any, weights: tf.Tensor | None, training: bool) -> tf.Tensor:
        """Return this replica's part of the loss, whose sum over replicas is the loss; and record figures."""
        networks: dict[str, Network] = dict(self.networks)
        addition = self._addition if update is self._learner and training else None
        if addition is not None:
            networks = addition.watched(networks)
        seed = tf.stack([tf.constant(self._seed, tf.int64), self.step])
        batches = batch.by_name(inputs, self._spec.inputs), batch.by_name(targets, self._spec.targets)
        step = Step(networks, *batches, self._task, self._spec, self.step, seed, training)
        terms = LossTerms(*self._loop.loss(self._config, update, step))
        sums = terms.sums if weights is None else terms.sums * tf.cast(weights, terms.sums.dtype)
        part = tf.reduce_sum(sums)
        if addition is not None:
            share, more = addition.terms(step, terms)
            part = share * part + tf.reduce_sum(more)
        here, total = _totals(terms.weights)
        loss, shown = tf.math.divide_no_nan(part, total), tf.math.divide_no_nan(part, here)
        penalties = [one for name in update.networks for one in self.networks[name].losses]
        if penalties:
            penalty = tf.add_n(penalties)
            loss += penalty / tf.distribute.get_strategy().num_replicas_in_sync
            shown += penalty
        self._losses[update.name].update_state(shown, sample_weight=here)
        if terms.outputs is not None:
            self._measured.add(update.name)
            self._measure.update_state(self._task.train_metric(step.target, terms.outputs))
        return loss

    def _figures(self) -> dict[str, tf.Tensor]:
        """Return what Keras logs: the sum of the updates' losses, each of several, and the task's metric."""
        losses = {metric.name: metric.result() for metric in self._losses.values()}
        each = losses if len(losses) > 1 else {}
        return {"loss": tf.add_n(list(losses.values())), self._measure.name: self._measure.result(), **each}


def _require_networks(loop: str, updates: Sequence[Update], networks: Mapping[str, tf_keras.Model]) -> None:
    """Raise ValueError if two updates have one name, or one is never made, moves nothing or a network there is not."""
    names = [update.name for update in updates]
    if not updates:
        raise ValueError(f"loop {loop}: updates: found none; return at least one Update")
    for update in updates:
        if update.every < 1:
            raise ValueError(f"loop {loop}: update {update.name}: every: found {update.every}; it must be at least 1")
        if names.count(update.name) > 1:
            raise ValueError(f"loop {loop}: updates: {names.count(update.name)} are called {update.name}; name each")
        where = f"loop {loop}: update {update.name}: networks"
        if not update.networks:
            raise ValueError(f"{where}: found none; name at least one of {', '.join(networks)}")
        for name in update.networks:
            if name not in networks:
                raise ValueError(f"{where}: {plugins.unknown('network of the family', name, networks)}")


def _totals(weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the sum of weights here, and over all replicas."""
    here = tf.reduce_sum(weights)
    context = tf.distribute.get_replica_context()
    if context is None or tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return here, here
    return here, context.all_reduce(tf.distribute.ReduceOp.SUM, here)
