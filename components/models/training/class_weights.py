"""How much each class counts in the loss."""

from __future__ import annotations

from typing import Literal

from modelmill.components.models.training.dataset import Examples
from modelmill.data import task
from modelmill.data.core import plugins


def per_label(wanted: Literal["none", "balanced"] | dict[str, float], examples: Examples) -> list[float] | None:
    """A weight for each label in the model's order, None if all count alike.

    `balanced` is examples / (classes * examples of the class), as scikit-learn has it: over the split the weights are
    1 on the average. A label that a dict does not name has weight 1.

    Raises:
      ValueError: a label that the examples do not have, or a task without classes.
    """
    labels = examples.spec.labels
    if wanted != "none" and not task.look_up(examples.spec.task).CLASSES:
        raise ValueError(f"train.class_weights: data.task {examples.spec.task} has no classes; leave it out")
    if isinstance(wanted, dict):
        for label in wanted:
            if label not in labels:
                raise ValueError(f"train.class_weights: {plugins.unknown('label', label, labels)}")
        return [wanted.get(label, 1.0) for label in labels]
    if wanted == "none":
        return None
    counts = examples.by_class
    return [sum(counts) / (len(labels) * max(count, 1)) for count in counts]
