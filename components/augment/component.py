"""The node `augment`: TFX's Transform treats all splits alike and can't augment the train split alone."""

from __future__ import annotations

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from modelmill.components.augment import executor
from modelmill.data.config import DataConfig
from modelmill.data.policy import Policy

NODE = "augment"


class AugmenterSpec(ComponentSpec):
    """Inputs, outputs and parameters."""

    PARAMETERS = {
        "data": ExecutionParameter(type=str),
        "policy": ExecutionParameter(type=str),
        "copies": ExecutionParameter(type=int),
        "seed": ExecutionParameter(type=int),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS = {"augmented_examples": ChannelParameter(type=standard_artifacts.Examples)}


class Augmenter(base_beam_component.BaseBeamComponent):
    """Writes augmented copies of the train split, and the other splits as they are beside it.

    Output: `augmented_examples`, of the splits of the input. The same examples, policy and seed give the same bytes.
    """

    SPEC_CLASS = AugmenterSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        *,
        data: DataConfig,
        policy: Policy,
        seed: int,
        code: str,
    ) -> None:
        """Makes the node.

        Args:
          examples: transformed, of Transform.
          transform_graph: of Transform.
          data: the section of the experiment.
          policy: the section `augment`; what it does to each example by itself is written, `copies` times.
          seed: of the experiment.
          code: digest of the source that runs.
        """
        spec = AugmenterSpec(
            examples=examples,
            transform_graph=transform_graph,
            data=data.canonical(),
            policy=policy.per_example().canonical(),
            copies=policy.copies,
            seed=seed,
            code=code,
            augmented_examples=Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
        self.with_id(NODE)
