"""The nodes `evaluate` (TFX's Evaluator, over the float model) and `evaluate-compressed` (ours)."""

from __future__ import annotations

import json

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import proto_utils

from modelmill.components import artifacts
from modelmill.components.evaluate import compare, executor, float_executor, tfma_extractors
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.evaluate.tfma_results import allowance
from modelmill.data import task
from modelmill.data.config import DataConfig
from modelmill.data.spec import DEFAULT, LABEL

NODE = "evaluate"
COMPRESSED_NODE = "evaluate-compressed"


class FloatEvaluator(tfx.components.Evaluator):
    """TFX's Evaluator, whose blessing goes where gates.float_gates refuses; `evaluation` has gates.json, too."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(float_executor.Executor)


def evaluator(
    examples: BaseChannel,
    model: BaseChannel,
    baseline_model: BaseChannel,
    schema: BaseChannel,
    config: EvaluateConfig,
    code: str,
    asked: str = DEFAULT,
) -> FloatEvaluator:
    """The node `evaluate`: outputs `evaluation` and `blessing`; gates.float_gates reads the former.

    Args:
      examples: raw Examples, of which the split `test` is taken.
      model: the candidate, with the signatures `evaluate` and `transform_features`; their answers and labels become
        records before anything is measured, see tfma_extractors.py.
      baseline_model: what the candidate must not fall behind; it may be empty.
      schema: of the raw examples.
      config: thresholds.
      code: digest of the source that it takes from us, modelmill.components.source_digest.code.
      asked: the task.
    """
    node = FloatEvaluator(
        examples=examples,
        model=model,
        baseline_model=baseline_model,
        schema=schema,
        example_splits=[executor.SPLIT],
        eval_config=eval_config(config, asked),
        module_path=tfma_extractors.__name__,
    ).with_id(NODE)
    # Nothing reads it, but it is in the cache key, in which of our modules there would be the names alone.
    node.exec_properties["code"] = code
    node.exec_properties["evaluate"] = config.resolved(asked).canonical()
    node.exec_properties["task"] = asked
    return node


def eval_config(config: EvaluateConfig, asked: str = DEFAULT) -> config_pb2.EvalConfig:
    """What TFX's Evaluator measures, and demands of all examples. Without a threshold it would never bless.

    The label is the task's (a class's number), from `transform_features`; slices are made by raw features.
    """
    config = config.resolved(asked)
    metric, bound = task.metric(asked, config.metric), float(config.threshold or 0)
    by_value = [config_pb2.SlicingSpec(feature_keys=[name]) for name in config.slices or ()]
    count, judged, *others = compare.metric_configs(asked, config)
    # Of the slice that is everything: `judged.threshold` would be demanded of each slice.
    demand = judged.per_slice_thresholds.add(slicing_specs=[config_pb2.SlicingSpec()]).threshold
    limit = demand.value_threshold.lower_bound if metric.higher else demand.value_threshold.upper_bound
    limit.value = bound + metric.worse(allowance(bound))
    demand.change_threshold.direction = config_pb2.HIGHER_IS_BETTER if metric.higher else config_pb2.LOWER_IS_BETTER
    demand.change_threshold.absolute.value = metric.worse(config.max_regression + allowance(config.max_regression))
    result = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                model_type=tfma.TF_GENERIC,
                signature_name="evaluate",
                preprocessing_function_names=["transform_features"],
                label_key=LABEL,
            )
        ],
        slicing_specs=[config_pb2.SlicingSpec(), *by_value],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[count, judged, *others])],
    )
    return compare.with_intervals(result)


def eval_config_json(config: str, asked: str) -> str:
    """Return `eval_config` of a section `evaluate` in JSON, as TFX's Evaluator takes it."""
    return str(proto_utils.proto_to_json(eval_config(EvaluateConfig.model_validate_json(config), asked)))


class CompressedEvaluatorSpec(ComponentSpec):
    """Parameters are canonical JSON, and hold no more than is used: they are part of the cache key."""

    PARAMETERS = {key: ExecutionParameter(type=str) for key in ("config", "bounds", "task", "code")}
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "compressed": ChannelParameter(type=artifacts.CompressedModel),
        "report": ChannelParameter(type=artifacts.CompressionReport),
    }
    OUTPUTS = {
        "predictions": ChannelParameter(type=artifacts.Predictions),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class CompressedEvaluator(base_beam_component.BaseBeamComponent):
    """The node `evaluate-compressed`: blesses a flatbuffer that is not inferior to its float model.

    Outputs: `predictions` (see predictions.py), `evaluation` (TFMA's files, metrics.json, gates.json) and
    `blessing`.
    """

    SPEC_CLASS = CompressedEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        compressed: BaseChannel,
        report: BaseChannel,
        config: EvaluateConfig,
        data: DataConfig,
        max_drop: float,
        margin: float,
        code: str,
        min_agreement: float | None = None,
        max_calibration_rise: float | None = None,
    ) -> None:
        """Makes the node.

        Args:
          examples: raw Examples, of which the split `test` is taken.
          model: the float Model.
          compressed: the CompressedModel made of it.
          report: the CompressionReport.
          config: what is measured, slices, min_slice and confidence are used.
          data: names the task.
          max_drop: how much worse the metric may be than the float model's.
          margin: the interval of the drop may reach this much below max_drop.
          code: digest of the source, modelmill.components.source_digest.code.
          min_agreement: share of the examples that it must answer as the float model does; None: only told.
          max_calibration_rise: how much its calibration error may be larger; None: only told.
        """
        bounds: dict[str, float | None] = {"margin": margin, "max_drop": max_drop}
        bounds |= {"min_agreement": min_agreement, "max_calibration_rise": max_calibration_rise}
        used = config.resolved(data.task).model_dump(include={"metric", "also", "slices", "min_slice", "confidence"})
        spec = CompressedEvaluatorSpec(
            examples=examples,
            model=model,
            compressed=compressed,
            report=report,
            config=json.dumps(used, sort_keys=True),
            bounds=json.dumps(bounds, sort_keys=True),
            task=data.task,
            code=code,
            predictions=Channel(type=artifacts.Predictions),
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
        self.with_id(COMPRESSED_NODE)
