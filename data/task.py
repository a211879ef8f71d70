"""What a task is: what the label of an example is, and how answers are learned and judged.

One file in data/tasks is one task, found by its name. A modality says what an example is, a family how a model looks,
and neither knows what is asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from modelmill.data.core import plugins

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    import tensorflow_transform as tft
    from numpy.typing import NDArray

    from modelmill.data.config import DataConfig
    from modelmill.data.spec import Spec

PACKAGE = "modelmill.data.tasks"


@dataclass(frozen=True)
class Metric:
    """A figure by which answers are judged.

    Attributes:
      name: in an experiment, in evaluations and in reports.
      says: what it is, in a sentence.
      function: of answers float32 [examples, outputs] and labels [examples, ...], as the task's `label` gives them; NaN
        where it means nothing.
      higher: whether more is better.
      least: below which no value is; None if there is no such bound.
      most: above which none is.
      threshold: what a model must reach if the experiment demands nothing; None: the experiment must say.
      one_class: whether it means something of the examples of one class alone.
      two_classes: whether there must be two classes, neither more nor fewer.
      right: where `function` is the share of examples that are right, whether each of them is, bool [examples], of the
        same arguments. Such a metric has score intervals, any other a jackknife (docs/gates.md).
    """

    name: str
    says: str
    function: Callable[[NDArray[np.float32], NDArray[Any]], float]
    higher: bool = True
    least: float | None = 0.0
    most: float | None = 1.0
    threshold: float | None = 0.5
    one_class: bool = False
    two_classes: bool = False
    right: Callable[[NDArray[np.float32], NDArray[Any]], NDArray[np.bool_]] | None = None

    def lost(self, before: float, after: float) -> float:
        """How much worse `after` is than `before`; negative if it is better."""
        return before - after if self.higher else after - before

    def worse(self, amount: float) -> float:
        """A change by `amount` for the worse, as a difference of two values."""
        return -amount if self.higher else amount

    def scale(self, value: float) -> float:
        """Return how far the metric can move: its range, or, where it has no upper bound, the value itself."""
        return abs(value) if self.most is None else self.most - (self.least or 0.0)

    def reached(self, value: float, bound: float, tolerance: float = 0.0) -> bool:
        """Whether a value is as good as the bound; NaN never is."""
        reach = tolerance * max(1.0, abs(bound))
        return value >= bound - reach if self.higher else value <= bound + reach


class Task(Protocol):
    """What data/tasks/*.py offer. They import TensorFlow only inside the functions that use it."""

    # The first is the one by which a model is judged if the experiment names none.
    METRICS: tuple[Metric, ...]
    # Names of those that every evaluation tells.
    REPORTED: tuple[str, ...]
    # Where answers are the same or not: SAME, a function of the answers float32 [examples, outputs] of two models that
    # gives bool [examples]. A task whose answers are numbers has none.
    # The served model's output, a word, and what it holds, for manifests.
    ANSWER: str
    MEANING: str
    # Whether each example is of one of a closed set of classes: one that is new in a split is an error, classes can
    # have weights in the loss, and each makes a slice of the examples.
    CLASSES: bool
    # The name of what `measure` computes: it stands beside the loss while a model trains.
    MEASURE: str

    def raw(self, text: str) -> str | float:
        """The label of a raw example, of what a folder or a table says. Raises ValueError: why it can't be one."""

    def preprocess(self, label: tf.Tensor, config: DataConfig) -> dict[str, tf.Tensor]:
        """Part of the TFT preprocessing function: labels of raw examples [batch] to transformed features."""

    def spec(self, output: tft.TFTransformOutput, example: bytes, config: DataConfig) -> dict[str, Any]:
        """The fields of Spec that are of the task, from Transform's output and one transformed train example."""

    def features(self, spec: Spec) -> dict[str, Any]:
        """How `parse_example` is to read the transformed features that `label` takes."""

    def label(self, features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Transformed features to labels [batch] or [batch, outputs]."""

    def learned(self, label: tf.Tensor) -> tf.Tensor | None:
        """Whether an example of this label, a scalar, is learned from, a bool; None if all are."""

    def shares(self, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Labels as float32 [batch, n], which can be mixed: what is between two labels is a label, too."""

    def target(self, inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """What the loss compares the model's outputs with: of normalised inputs, and of labels or their `shares`."""

    def outputs(self, spec: Spec) -> int:
        """How many numbers the bare model gives for an example."""

    def loss(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """float32 [batch], of the bare model's outputs float32 [batch, outputs]."""

    def measure(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """float32 [batch]: its mean is what is shown while a model trains."""

    def better(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """The greater, the better was the epoch; `figures` has loss, val_loss, and MEASURE in the same two forms."""

    def answer(self, outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
        """The served answer float32 [batch, len(spec.labels)], of Keras tensors: outputs and normalised inputs."""

    def served(self, answers: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
        """The outputs of the signature `serving_default`: ANSWER, and what is more convenient."""


def look_up(name: str) -> Task:
    """The task called `name`. Raises UnknownNameError."""
    return cast(Task, plugins.load(PACKAGE, name, "task"))


def metric(task: str, name: str | None = None) -> Metric:
    """A metric of a task by its name, the task's first if there is no name. Raises UnknownNameError."""
    known = {one.name: one for one in look_up(task).METRICS}
    if name is None:
        return look_up(task).METRICS[0]
    if name not in known:
        raise plugins.UnknownNameError(plugins.unknown(f"metric of {task}", name, known))
    return known[name]
