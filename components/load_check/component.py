"""The node `check`."""

from __future__ import annotations

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from modelmill.components import artifacts
from modelmill.components.load_check import bundle, executor
from modelmill.components.load_check import isolated_main as clean
from modelmill.components.load_check.config import CardConfig
from modelmill.data import modality, task
from modelmill.data.config import DataConfig
from modelmill.data.core import plugins

NODE = "check"


def sources(data: DataConfig) -> tuple[str, ...]:
    """The modules of which `code` is to be the digest: this node also runs some that it does not import."""
    plugged = (plugins.module_name(modality.PACKAGE, data.modality), plugins.module_name(task.PACKAGE, data.task))
    return (executor.__name__, clean.__name__, *plugged, *bundle.client_sources(data.modality, data.task))


class LoadCheckSpec(ComponentSpec):
    """Inputs, outputs and parameters."""

    PARAMETERS = {
        "card": ExecutionParameter(type=str),
        "data": ExecutionParameter(type=str),
        "experiment": ExecutionParameter(type=str),
        "files": ExecutionParameter(type=int),
        "tolerance": ExecutionParameter(type=float),
        "saved_model_tolerance": ExecutionParameter(type=float),
        "agreement": ExecutionParameter(type=float),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "compressed": ChannelParameter(type=artifacts.CompressedModel),
        "predictions": ChannelParameter(type=artifacts.Predictions),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }
    OUTPUTS = {
        "bundle": ChannelParameter(type=artifacts.ServingBundle),
        "blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
    }


class LoadCheck(base_component.BaseComponent):
    """Makes the bundle that is to be pushed, and tries it in a clean process.

    The process has no package of ours, only a copy of the bundle and raw files. It runs the bundle's client on the
    flatbuffer, without TensorFlow, and the SavedModel with plain TensorFlow. TFX's InfraValidator needs Docker or
    Kubernetes, and knows nothing of flatbuffers.

    Outputs: `bundle` (see bundle.py) and `blessing`, an InfraBlessing with gates.json.
    """

    SPEC_CLASS = LoadCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        compressed: BaseChannel,
        predictions: BaseChannel,
        evaluation: BaseChannel,
        data: DataConfig,
        experiment: str,
        code: str,
        card: CardConfig | None = None,
        files: int = 16,
        tolerance: float = 0.02,
        saved_model_tolerance: float = 1e-4,
        agreement: float = 0.8,
    ) -> None:
        """Makes the node.

        Args:
          examples: raw Examples; files of the split `test` are tried.
          model: the float Model.
          compressed: the CompressedModel made of it.
          predictions: what both answered to the split `test`, from `evaluate-compressed`.
          evaluation: what came of that, from the same node; the model card tells it.
          data: of the experiment.
          experiment: its name, for the manifest.
          code: digest of the source, modelmill.components.source_digest.code(*sources(data)).
          card: what a person says of the model.
          files: how many are tried, taken in turn from the classes.
          tolerance: of a probability of the flatbuffer. A device's decoder and kernels may differ in the last bits.
          saved_model_tolerance: of a probability of the SavedModel.
          agreement: least share of the files to which flatbuffer and SavedModel give the same label. This finds a
            bundle of parts that do not belong together; how much accuracy may be lost is gated before, by statistics.
        """
        spec = LoadCheckSpec(
            examples=examples,
            model=model,
            compressed=compressed,
            predictions=predictions,
            evaluation=evaluation,
            card=(card or CardConfig()).model_dump_json(),
            data=data.canonical(),
            experiment=experiment,
            files=files,
            tolerance=float(tolerance),
            saved_model_tolerance=float(saved_model_tolerance),
            agreement=float(agreement),
            code=code,
            bundle=Channel(type=artifacts.ServingBundle),
            blessing=Channel(type=standard_artifacts.InfraBlessing),
        )
        super().__init__(spec=spec)
        self.with_id(NODE)
