"""Check a training loop: every update moves exactly the networks that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.models.networks import Built, Networks, named
from modelmill.components.models.training.loop import Loop, LossTerms, Step, Update
from modelmill.data import task
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Large enough that a step is not lost to rounding, small enough that no loss overflows.
RATE = 1e-2


def check_updates(loop: Loop[Any], config: Any, built: Built, spec: Spec, inputs: Any, targets: Any) -> None:
    """Make each update of a loop once, alone, and assert that it moves the networks that it names and no others.

    Args:
      loop: the plug-in.
      config: its settings.
      built: the networks, as a family builds them; they are changed.
      spec: of the examples.
      inputs: of a batch, normalised, [batch, *spec.input.shape].
      targets: of the batch, as the task's `target` gives them.

    Raises:
      AssertionError: a line for each fault names the update and the network.
    """
    problems = update_problems(loop, config, built, spec, inputs, targets)
    assert not problems, "\n".join(problems)


def update_problems(loop: Loop[Any], config: Any, built: Built, spec: Spec, inputs: Any, targets: Any) -> list[str]:
    """Return the faults that `check_updates` asserts the absence of; the arguments are the same."""
    import tensorflow as tf
    import tf_keras

    from modelmill.components.models.training.container import Container

    batch = tf.nest.map_structure(tf.convert_to_tensor, (inputs, targets))
    networks, updates = named(built), loop.updates(config)
    asked = task.look_up(spec.task)
    try:
        Container(networks, loop, config, asked, spec)
    except ValueError as error:
        return [str(error)]
    named_ones = {name for update in updates for name in update.networks}
    problems = [
        f"loop {loop.name}: no update names the network {name}, which has weights to train"
        for name, network in networks.items()
        if network.trainable_weights and name not in named_ones
    ]
    for update in updates:
        before = _weights(networks)
        container = Container(networks, _Alone(loop, update), config, asked, spec)
        container.compile_updates([tf_keras.optimizers.SGD(RATE)])
        try:
            container.train_step(batch)
        except ValueError as error:
            if "No gradients" not in str(error):  # Keras: of none of the weights
                raise
        problems += [f"loop {loop.name}: update {update.name} {one}" for one in _faults(update, networks, before)]
    return problems


class _Alone(Loop[Any]):
    """A loop with one of the updates of another."""

    def __init__(self, loop: Loop[Any], update: Update) -> None:
        self.name = loop.name
        self._loop, self._update = loop, update

    def updates(self, config: Any) -> tuple[Update, ...]:
        """Return the update, in every step."""
        return (self._update._replace(every=1),)

    def loss(self, config: Any, update: Update, step: Step) -> LossTerms:
        """Return the loss of the loop, which gets the update as it declared it."""
        return self._loop.loss(config, self._update, step)


def _weights(networks: Networks) -> dict[str, list[NDArray[Any]]]:
    """Return copies of the trainable weights of each network; statistics of normalisations move with any call."""
    return {name: [one.numpy() for one in network.trainable_variables] for name, network in networks.items()}


def _faults(update: Update, networks: Networks, before: dict[str, list[NDArray[Any]]]) -> list[str]:
    """Return what an update moved and should not have, and the other way round."""
    faults = []
    for name, after in _weights(networks).items():
        moved = any(not np.array_equal(one, other) for one, other in zip(before[name], after, strict=True))
        if name in update.networks and not moved:
            faults.append(f"names the network {name} and does not move its weights: does its loss depend on them?")
        if name not in update.networks and moved:
            faults.append(f"moves weights of the network {name}, which it does not name; it names {update.networks}")
        if not all(np.isfinite(one).all() for one in after):
            faults.append(f"gives weights of the network {name} that are not finite")
    return faults
