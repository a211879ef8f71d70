"""What a task is: what the label of an example is, and how answers are learned and judged.

One class in a file of data/tasks is one task, found by the file's name. A modality says what an example is, a family
how a model looks, and neither knows what is asked of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from modelmill.data import label_names
from modelmill.data.core import plugin_base, plugins
from modelmill.data.core.plugin_base import ConfigT, Plugin
from modelmill.data.metric import Metric, Records
from modelmill.data.spec import DEFAULT, LABEL, TaskFacts, TensorSpec

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    import tensorflow_transform as tft
    from numpy.typing import NDArray

    from modelmill.data.figures import Examples, Figure, Recorded
    from modelmill.data.spec import Spec

PACKAGE = "modelmill.data.tasks"
# What the bare model's only output is called.
OUTPUT = "logits"


class Task(Plugin[ConfigT]):
    """Base class of data/tasks/*.py. They import TensorFlow only inside the methods that use it.

    Attributes:
      METRICS: the first is the one by which a model is judged if the experiment names none.
      REPORTED: names of those that every evaluation reports.
      Facts: what the task alone has to know of its labels, as `describe` finds it; readable without TensorFlow.
      ANSWER: the served model's output, a word.
      MEANING: what that output holds, for manifests.
      MEASURE: the name of what `train_metric` computes: it stands beside the loss while a model trains.
      CLASSES: whether each example is of one of a closed set of classes: one that is new in a split is an error,
        classes can have weights in the loss, and each makes a slice of the examples.
      NUMBERS: whether a label is any number: `modelmill new` takes such a task for a label column of numbers.
      AGREES: whether `same` says where the answers of two models come to the same; answers that are numbers do not.
      MOVED: keys of the section `data` that became settings of the task: the old name to the new one.
    """

    KIND = "task"
    PACKAGE = PACKAGE
    REQUIRED = ("METRICS", "REPORTED", "ANSWER", "MEANING", "MEASURE")
    Facts: ClassVar[type[TaskFacts]] = TaskFacts
    METRICS: ClassVar[tuple[Metric, ...]]
    REPORTED: ClassVar[tuple[str, ...]]
    ANSWER: ClassVar[str]
    MEANING: ClassVar[str]
    MEASURE: ClassVar[str]
    CLASSES: ClassVar[bool] = False
    NUMBERS: ClassVar[bool] = False
    AGREES: ClassVar[bool] = False
    MOVED: ClassVar[Mapping[str, str]] = {}

    def raw(self, text: str) -> str | float:
        """Return the label of a raw example, of what a folder or a table says: by default a name, as it stands.

        Raises ValueError: why it can't be one.
        """
        return label_names.checked(text)

    @abstractmethod
    def preprocess(self, label: tf.Tensor, config: ConfigT) -> dict[str, tf.Tensor]:
        """Compute transformed features of labels of raw examples [batch]: a part of the TFT preprocessing function."""

    @abstractmethod
    def describe(self, output: tft.TFTransformOutput, example: bytes, config: ConfigT) -> TaskFacts:
        """Return an instance of Facts, from Transform's output and one transformed train example."""

    def targets(self, facts: TaskFacts) -> tuple[TensorSpec, ...]:
        """Return of what shape and type `label` gives labels; by default a number each."""
        return (TensorSpec(name=LABEL, shape=(), dtype="float32"),)

    def outputs(self, facts: TaskFacts, inputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        """Return what the bare model gives; by default one number for each label."""
        return (TensorSpec(name=OUTPUT, shape=(len(facts.labels),), dtype="float32"),)

    @abstractmethod
    def features(self, spec: Spec) -> dict[str, Any]:
        """Return how `parse_example` is to read the transformed features that `label` takes."""

    @abstractmethod
    def label(self, features: Mapping[str, tf.Tensor], spec: Spec) -> tf.Tensor:
        """Return the labels [batch] or [batch, outputs] of transformed features."""

    def encode(self, target: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
        """Return the transformed features that hold the target of one example: the opposite of `features` and `label`.

        Needed where augmentation changes a target and is written down; by default the target's numbers are one feature
        of its name.
        """
        return {spec.target.name: target}

    def trainable_mask(self, label: tf.Tensor) -> tf.Tensor | None:
        """Return whether an example of this label, a scalar, is used for training, a bool; None if all are."""
        return None

    @abstractmethod
    def soft_targets(self, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return labels as float32 [batch, n], which can be mixed: what is between two labels is a label, too."""

    def target(self, inputs: tf.Tensor, labels: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Return what the loss compares the model's outputs with; by default the labels themselves.

        Args:
          inputs: normalised.
          labels: as `label` or `soft_targets` gives them.
          spec: of the examples.
        """
        return labels

    @abstractmethod
    def loss(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute float32 [batch], of the bare model's outputs float32 [batch, outputs]."""

    @abstractmethod
    def train_metric(self, target: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Compute float32 [batch]: its mean is what is shown while a model trains."""

    def epoch_score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Return what is greater for a better epoch; by default the lower loss of the eval split is.

        Args:
          figures: has loss, val_loss, and MEASURE in the same two forms; of the train split only if an update that
            gives outputs was made in the epoch.
        """
        return (-figures["val_loss"],)

    @abstractmethod
    def postprocess(self, outputs: tf.Tensor, inputs: tf.Tensor, spec: Spec) -> tf.Tensor:
        """Compute the served answer float32 [batch, len(spec.labels)] of Keras tensors: outputs, normalised inputs."""

    def signature_outputs(self, answers: tf.Tensor, spec: Spec) -> dict[str, tf.Tensor]:
        """Return the outputs of the signature `serving_default`: ANSWER, and what is more convenient."""
        return {self.ANSWER: answers}

    @abstractmethod
    def record(self, answers: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return what is written of each example, fields [examples, ...] of numbers, as compact as all its readers let.

        Metrics, agreement, the load check and the report read it: `label` with `answer`, both [examples, outputs], or
        of many classes `label` with `classes`, `probabilities`, `outputs` and `right`, see tasks/classification.py.

        Args:
          answers: float32 [examples, outputs].
          labels: as `label` gives them, [examples] or [examples, outputs].
        """

    def same(self, first: Records, second: Records) -> NDArray[np.bool_]:
        """Return of each example whether the records of two models agree, [examples]; it goes with AGREES = True."""
        raise NotImplementedError(f"task {self.name}: AGREES is True, so `same` must be defined")

    def label_text(self, label: NDArray[Any], spec: Spec) -> str:
        """Return one label, as `label` gives it, for people: a class by its name, what is no class as numbers."""
        is_class = label.ndim == 0 and label.dtype.kind in "iu" and 0 <= label < len(spec.labels)
        return str(spec.labels[int(label)]) if is_class else " ".join(f"{one:.4g}" for one in label.reshape(-1)[:8])

    def figures(self, recorded: Recorded) -> list[Figure]:
        """Declare the figures that the report draws of recorded answers; by default none."""
        return []

    def examples(self, recorded: Recorded) -> Examples | None:
        """Declare which examples the report shows as the worst; by default none."""
        return None

    @classmethod
    def problems(cls) -> list[str]:
        """See Plugin."""
        if not (isinstance(cls.Facts, type) and issubclass(cls.Facts, TaskFacts)):
            return [f"Facts must be a subclass of TaskFacts, found {cls.Facts!r}"]
        bare = [name for name, field in cls.Facts.model_fields.items() if field.is_required()]
        return [f"Facts.{name} needs a default: it is made before there are data, too" for name in bare]


def look_up(name: str) -> Task[Any]:
    """Return the task called `name`. Raises UnknownNameError."""
    return plugin_base.get(Task, name)  # type: ignore[type-abstract]


def name_of(choice: object) -> str:
    """Return the name in a value of `data.task`, a name or {name: settings}; the default's if there is no value."""
    return str(next(iter(choice), DEFAULT)) if isinstance(choice, Mapping) else str(choice or DEFAULT)


def metric(task: str, name: str | None = None) -> Metric:
    """A metric of a task by its name, the task's first if there is no name. Raises UnknownNameError."""
    known = {one.name: one for one in look_up(task).METRICS}
    if name is None:
        return look_up(task).METRICS[0]
    if name not in known:
        raise plugins.UnknownNameError(plugins.unknown(f"metric of {task}", name, known))
    return known[name]
