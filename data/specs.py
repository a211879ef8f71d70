"""Specs of examples and labels: made of what Transform gives, expected before there are data, read from JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelmill.data import modality, task
from modelmill.data.config import DataConfig
from modelmill.data.modality import Described
from modelmill.data.spec import Spec, TaskFacts


def describe(transform_graph: str, examples: list[str], config: DataConfig) -> Spec:
    """Describe transformed examples: the inputs as the modality does, the labels as the task does.

    Args:
      transform_graph: of Transform.
      examples: the files of its train split.
      config: the section `data`.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    output = tft.TFTransformOutput(transform_graph)
    first = next(iter(tf.data.TFRecordDataset(examples, compression_type="GZIP"))).numpy()
    described = modality.look_up(config.modality).describe(output, first, config)
    return assemble(
        config.modality, described, config.task, task.look_up(config.task).describe(output, first, config.task_settings)
    )


def expected(config: DataConfig, labels: Sequence[str] = ()) -> Spec | None:
    """Describe examples before there are any, with what is known of the labels; None if the modality can't."""
    described = modality.look_up(config.modality).expected(config)
    if described is None:
        return None
    return assemble(config.modality, described, config.task, task.look_up(config.task).Facts(labels=tuple(labels)))


def assemble(name: str, described: Described, task_name: str, task_facts: TaskFacts) -> Spec:
    """Make the Spec of a modality's examples, as it describes them, and of the facts of a task."""
    plug_in, (inputs, facts) = task.look_up(task_name), described
    return Spec(
        modality=name,
        inputs=inputs,
        modality_facts=facts,
        task=task_name,
        targets=plug_in.targets(task_facts),
        outputs=plug_in.outputs(task_facts, inputs),
        task_facts=task_facts,
    )


def read(content: Mapping[str, Any]) -> Spec:
    """Read a Spec from its JSON, with the facts of its modality and of its task.

    Raises:
      ValueError: a field is missing, unknown or of a wrong type.
      UnknownNameError: there is no such modality or task.
    """
    missing = sorted(set(Spec.model_fields) - set(content))
    if missing:
        raise ValueError(f"the stored description of the examples lacks {', '.join(missing)}; train the model again")
    facts = {
        "modality_facts": modality.look_up(content["modality"]).Facts.model_validate(content["modality_facts"]),
        "task_facts": task.look_up(content["task"]).Facts.model_validate(content["task_facts"]),
    }
    return Spec.model_validate({**content, **facts})
