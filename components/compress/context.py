"""What a method is handed: the model's surroundings, and the few things that every method does with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from modelmill.components.compress.rewrites import distillation
from modelmill.components.models import family
from modelmill.components.models.export import saved_model
from modelmill.components.models.export.model_store import Stored
from modelmill.components.models.flatbuffer.signatures import SERVING, Samples, Signatures
from modelmill.components.models.networks import MAIN, Networks
from modelmill.components.models.training import driver
from modelmill.components.models.training import loop as training_loop
from modelmill.components.models.training.dataset import Examples
from modelmill.components.models.training.loop import Addition, Step
from modelmill.data import batch, task
from modelmill.data.policy import Policy

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

    from modelmill.components.models.training.fine_tuning import TunedConfig

# The train split before any augmentation; where it is absent, the train split itself has none.
CALIBRATION = "calibration"


@dataclass
class Context:
    """One trial's.

    Attributes:
      trained: the float network that is compressed.
      examples: the splits train and eval, and CALIBRATION.
      rungs: of the layers that were trained with fewer bits simulated, in which way; see rewrites/qat.py.
      network: the name of the network that is compressed.
      others: the model's other networks; from the first training on copies of this trial's own, which the loop
        trains along.
    """

    stored: Stored
    trained: tf_keras.Model
    examples: dict[str, Examples]
    policy: Policy
    seed: int
    name: str
    skipped: list[dict[str, str]] = field(default_factory=list)
    changed: list[dict[str, str]] = field(default_factory=list)
    rungs: dict[str, str] = field(default_factory=dict)
    network: str = MAIN
    others: Networks = field(default_factory=dict)
    _copied: bool = field(default=False, init=False, repr=False)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch of the train split."""
        return self.examples["train"].steps

    @property
    def classes(self) -> bool:
        """Whether the answers are logits of classes, one of which is right."""
        return bool(task.look_up(self.stored.spec.task).CLASSES)

    def enter(self, network: str, networks: Networks, trained: Networks | None = None) -> None:
        """Go on with a network of the model.

        Args:
          network: its name.
          networks: all of the model, as they are now; none of them is changed.
          trained: the float ones.
        """
        self.network = network
        self.others = {name: other for name, other in networks.items() if name != network}
        self._copied = False
        if trained is not None:
            self.trained = trained[network]

    def copy(self, model: tf_keras.Model) -> tf_keras.Model:
        """A model of its own with the same weights: TF-MOT wraps the very layers that it is given."""
        import tf_keras

        copied = tf_keras.models.clone_model(model)
        for original in model.layers:
            _set_weights(copied.get_layer(original.name), original)
        return copied

    def fine_tune(
        self,
        model: tf_keras.Model,
        config: TunedConfig,
        callbacks: Sequence[tf_keras.callbacks.Callback] = (),
        epochs: int | None = None,
    ) -> None:
        """Trains the model further, in place, as the settings of a method say; beside the trained one if they do.

        Args: epochs: instead of the settings' own, for a part of them.
        """
        lessons = None
        if config.teacher:
            terms = distillation.Terms(self.classes, config.teacher, config.temperature)
            lessons = distillation.Lessons(model, self.trained, terms, self.network)
        self.train(model, epochs or config.epochs, config.learning_rate, callbacks, lessons)

    def train(
        self,
        model: tf_keras.Model,
        epochs: int,
        learning_rate: float,
        callbacks: Sequence[tf_keras.callbacks.Callback] = (),
        addition: Addition | None = None,
    ) -> None:
        """Train a network in place, by the loop that trained the float one and on the same augmented examples.

        Args:
          model: takes the place of the network that is compressed.
          epochs: how many.
          learning_rate: of Adam at the start.
          callbacks: of Keras.
          addition: what is added to the loop's loss.
        """
        if not self._copied:
            self.others = {name: self.copy(other) for name, other in self.others.items()}
            self._copied = True
        driver.fine_tune(
            {**self.others, self.network: model},
            self.examples["train"],
            self.policy,
            epochs,
            learning_rate,
            list(callbacks),
            self.seed,
            self.name,
            self.stored.class_weights,
            training_loop.parse(self.stored.loop),
            addition,
        )

    def loss(self, model: tf_keras.Model, inputs: Any, targets: Any) -> tf.Tensor:
        """Return what training makes small, float32 [batch]: the loss of the first update that moves the network.

        Args:
          model: takes the place of the network that is compressed; it is called as it is while it is evaluated.
          inputs: of a batch, normalised.
          targets: as the task's `target` gives them.

        Raises:
          ValueError: no update of the loop moves it.
        """
        import tensorflow as tf

        config, zero = training_loop.parse(self.stored.loop), tf.constant(0, tf.int64)
        loop, spec = training_loop.look_up(config.name), self.stored.spec
        networks = {**self.others, self.network: model}
        batches = batch.by_name(inputs, spec.inputs), batch.by_name(targets, spec.targets)
        step = Step(networks, *batches, task.look_up(spec.task), spec, zero, tf.stack([zero, zero]), training=False)
        update = next((one for one in loop.updates(config) if self.network in one.networks), None)
        if update is None:
            raise ValueError(f"loop {loop.name}: no update moves the network {self.network}: it has no loss")
        return loop.loss(config, update, step).sums

    def converter(self, model: tf_keras.Model, unrolled: bool = False) -> tf.lite.TFLiteConverter:
        """Return a converter of the served model, from uint8 (or the like) to probabilities, with all its signatures.

        Args:
          model: takes the place of the network that is compressed.
          unrolled: recurrent layers without loops; needed by who looks for the ranges of activations.
        """
        found, spec = self._family, self.stored.spec
        networks = {**self.others, self.network: model}
        more = found.signatures(self.stored.family, networks, spec, 1)
        others = [one for name in found.SERVED if name != self.network for one in networks[name].variables]
        return saved_model.converter(networks[found.SERVED[0]], spec, unrolled, more, others if more else ())

    def samples(self, content: bytes, examples: Sequence[np.ndarray]) -> Samples:
        """Return calls of every signature of a float flatbuffer.

        Args:
          content: the flatbuffer.
          examples: inputs of the model, without the batch.
        """
        found: dict[str, list[Mapping[str, Any]]] = {SERVING: [{"inputs": one} for one in examples]}
        if self._family.has_signatures():
            loaded = Signatures(content)
            for one in examples:
                for name, inputs in self._family.calls(self.stored.family, self.stored.spec, one, loaded.call):
                    found.setdefault(name, []).append(inputs)
        return found

    @property
    def several_signatures(self) -> bool:
        """Whether the model has signatures besides the one that is evaluated."""
        return self._family.has_signatures()

    @property
    def _family(self) -> family.Family[Any]:
        return family.look_up(self.stored.family.family)

    def calibration(self, count: int) -> Iterator[tf.Tensor]:
        """`count` train examples, not augmented, each as a batch of one of the flatbuffer's input."""
        plain = self.examples.get(CALIBRATION, self.examples["train"])
        for inputs, _ in plain.raw().take(count).batch(1):
            yield inputs

    def varied(self, count: int, method: str) -> list[np.ndarray]:
        """As `calibration`; each [1, *shape]. What is wrong with them as a sample is told or refused.

        Raises:
          ValueError: all of them are equal, or hold numbers that are not finite: such ranges mean nothing.
        """
        rows = [example.numpy() for example in self.calibration(count)]
        rows += self._missing(count, method)
        if not all(np.isfinite(row).all() for row in rows):
            raise ValueError(f"{method}: the examples that give the ranges hold numbers that are not finite")
        if len(rows) > 1 and all((row == rows[0]).all() for row in rows):
            raise ValueError(
                f"{method}: the {len(rows)} train examples that give the ranges are all the same; look at the data, "
                f"or raise {method}.calibration"
            )
        return rows

    def _missing(self, count: int, method: str) -> list[np.ndarray]:
        """An example of each class that the first `count` have none of; the report tells of those without any."""
        if not self.classes:
            return []
        names = self.stored.spec.labels
        pairs = self.examples.get(CALIBRATION, self.examples["train"]).raw().batch(1)
        seen, found = set[int](), []
        for place, (inputs, labels) in enumerate(pairs.as_numpy_iterator()):
            if place >= count and int(labels.item()) not in seen:
                found.append(inputs)
            seen.add(int(labels.item()))
            if place >= count and len(seen) == len(names):
                break
        for number, name in enumerate(names):
            if number not in seen:
                self.skip("inputs", method, f"no train example of class {name} gives the ranges: there is none")
        return found

    def skip(self, layer: str, method: str, reason: str) -> None:
        """Records that a method left a layer as it was, or did less to it than was asked."""
        self.skipped.append({"layer": layer, "method": method, "reason": reason})

    def change(self, layer: str, method: str, what: str) -> None:
        """Records what a method did to a layer, where the flatbuffer does not show it."""
        self.changed.append({"layer": layer, "method": method, "what": what})


def steps(chain: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    """Each step of a chain as (method, its Config)."""
    from modelmill.components.compress import method

    for step in chain:
        found = method.look_up(step["method"])
        yield found, found.Config.model_validate(step)


def _set_weights(layer: tf_keras.layers.Layer, original: tf_keras.layers.Layer) -> None:
    """By the variables' names where they tell them apart: stripping clusters leaves attention's in another order."""
    values = {_within(layer, weight.name): weight for weight in original.weights}
    if values.keys() == {_within(layer, weight.name) for weight in layer.weights}:
        layer.set_weights([values[_within(layer, weight.name)].numpy() for weight in layer.weights])
    else:
        layer.set_weights(original.get_weights())


def _within(layer: tf_keras.layers.Layer, name: str) -> str:
    """The name of a variable without what stands before the layer's own part of it."""
    parts = name.split("/")
    return "/".join(parts[parts.index(layer.name) + 1 :] if layer.name in parts else parts)
