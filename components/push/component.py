"""The node `push`."""

from __future__ import annotations

import os

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from modelmill.components import artifacts
from modelmill.components.push import executor
from modelmill.data.core import files

NODE = "push"


class PusherSpec(ComponentSpec):
    """Inputs, outputs and parameters."""

    PARAMETERS = {"destination": ExecutionParameter(type=str), "code": ExecutionParameter(type=str)}
    INPUTS = {
        "bundle": ChannelParameter(type=artifacts.ServingBundle),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "compressed_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(base_component.BaseComponent):
    """Pushes a bundle into DESTINATION/VERSION if all have blessed it.

    TFX's own takes one model with one blessing of each kind, pushes with a warning where there is none, copies in
    place and numbers versions by the clock. Output: `pushed_model`, with custom property pushed 1 or 0.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        bundle: BaseChannel,
        model_blessing: BaseChannel,
        compressed_blessing: BaseChannel,
        infra_blessing: BaseChannel,
        destination: str,
        code: str,
    ) -> None:
        """Makes the node.

        Args:
          bundle: the ServingBundle.
          model_blessing: of the float model, from `evaluate`.
          compressed_blessing: from `evaluate-compressed`.
          infra_blessing: from `check`.
          destination: absolute path of a local folder, or gs://BUCKET/FOLDER; it takes a sub-folder per version.
          code: digest of the source, modelmill.components.source_digest.code("modelmill.components.push.executor").

        Raises:
          ValueError: a blessing is missing, or the destination is neither.
        """
        given = {
            "model_blessing": model_blessing,
            "compressed_blessing": compressed_blessing,
            "infra_blessing": infra_blessing,
        }
        missing = [key for key, channel in given.items() if channel is None]
        if missing:
            raise ValueError(f"nothing is pushed without a blessing; missing: {', '.join(missing)}")
        if not os.path.isabs(destination) and not files.is_remote(destination):
            raise ValueError(
                f"push.destination: found {destination!r}; give the absolute path of a folder, or gs://..."
            )
        spec = PusherSpec(
            bundle=bundle,
            **given,
            destination=destination,
            code=code,
            pushed_model=Channel(type=standard_artifacts.PushedModel),
        )
        super().__init__(spec=spec)
        self.with_id(NODE)
