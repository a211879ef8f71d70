"""A Spec in one line, for tests of families, methods and tasks that need no data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelmill.data import modality, specs, task
from modelmill.data.spec import DEFAULT, Spec, TensorSpec


def make_spec(
    name: str,
    shape: Sequence[int | None],
    dtype: str,
    labels: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    task_name: str = DEFAULT,
    task_facts: Mapping[str, Any] | None = None,
    **tensor: Any,
) -> Spec:
    """Describe examples of one input.

    Args:
      name: the modality.
      shape: of the input, without the batch.
      dtype: of the input.
      labels: the classes, or what else the parts of an answer are of.
      facts: fields of the modality's Facts.
      task_name: the task.
      task_facts: fields of the task's Facts besides `labels`.
      **tensor: further fields of the input's TensorSpec, such as `mean` and `stddev`.
    """
    kind = modality.look_up(name)
    given = TensorSpec(name=kind.INPUT, shape=tuple(shape), dtype=dtype, **tensor)
    about = task.look_up(task_name).Facts(labels=tuple(labels), **(task_facts or {}))
    return specs.assemble(name, ((given,), kind.Facts(**(facts or {}))), task_name, about)
