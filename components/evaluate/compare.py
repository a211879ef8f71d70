"""TFMA over recorded predictions: the compressed model as candidate, the float one as its baseline.

TFMA can't mix a flatbuffer with a SavedModel in one evaluation, and its high-level calls drop a baseline for
which no model is handed over. Over recorded predictions, with its extractors named one by one, it gives per
slice the metrics of both and their paired differences with jackknife intervals.
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

from modelmill.components.evaluate import tfma_extractors
from modelmill.components.evaluate import tfma_metrics as ours
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.data import predictions, task
from modelmill.data.predictions import COMPRESSED, FLOAT, Prediction

# Parts are drawn at random: with a seed, the same predictions give the same intervals.
SEED = 0


def eval_config(asked: str, evaluate: EvaluateConfig) -> config_pb2.EvalConfig:
    """Metrics and count of both models, over all and per value of each feature, with intervals; no thresholds.

    Args:
      asked: the task.
      evaluate: resolved.
    """
    specs = [
        config_pb2.ModelSpec(name=name, prediction_key=name, is_baseline=baseline)
        for name, baseline in ((FLOAT, True), (COMPRESSED, False))
    ]
    by_value = [config_pb2.SlicingSpec(feature_keys=[name]) for name in evaluate.slices or ()]
    config = config_pb2.EvalConfig(
        model_specs=specs,
        slicing_specs=[config_pb2.SlicingSpec(), *by_value],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metric_configs(asked, evaluate))],
    )
    return tfma.utils.update_eval_config_with_defaults(with_intervals(config), has_baseline=True)


def metric_configs(asked: str, evaluate: EvaluateConfig) -> list[config_pb2.MetricConfig]:
    """What is measured of every model: the number of examples, what decides, what is only reported, and on
    how many examples two models differ.
    """
    names = dict.fromkeys((str(evaluate.metric), *task.look_up(asked).REPORTED, *evaluate.also))
    shares = [name for name in names if task.metric(asked, name).SHARE]
    return [
        config_pb2.MetricConfig(class_name="ExampleCount"),
        *(_metric_config(ours.Computed, asked, name, name) for name in names),
        *(_metric_config(ours.Differing, asked, name, f"{name}{ours.DIFFERING}") for name in shares),
    ]


def _metric_config(kind: type, asked: str, metric: str, name: str) -> config_pb2.MetricConfig:
    settings = f'"name": "{name}", "task": "{asked}", "metric": "{metric}"'
    return config_pb2.MetricConfig(class_name=kind.__name__, module=ours.__name__, config=settings)


def with_intervals(config: config_pb2.EvalConfig) -> config_pb2.EvalConfig:
    """Asks for jackknife intervals, of every metric that can have one."""
    config.options.compute_confidence_intervals.value = True
    intervals = config.options.confidence_intervals
    intervals.method = intervals.JACKKNIFE
    return config


def compare(pipeline: beam.Pipeline, recorded: str, evaluation: str, asked: str, evaluate: EvaluateConfig) -> None:
    """Adds to a pipeline: evaluates what is recorded in folder `recorded` into folder `evaluation`."""
    config = eval_config(asked, evaluate)
    steps = [tfma_extractors.raw_slices(tfma.extractors.SliceKeyExtractor(eval_config=config, materialize=False))]
    evaluators = [tfma.evaluators.MetricsPlotsAndValidationsEvaluator(config, random_seed_for_testing=SEED)]
    paths = {key: f"{evaluation}/{key}" for key in (tfma.METRICS_KEY, tfma.PLOTS_KEY, tfma.VALIDATIONS_KEY)}
    writers = [
        tfma.writers.MetricsPlotsAndValidationsWriter(output_paths=paths, eval_config=config, add_metrics_callbacks=[]),
        tfma.writers.EvalConfigWriter(evaluation, eval_config=config),
    ]
    _ = (
        pipeline
        | "Files" >> beam.Create(predictions.paths(recorded), reshuffle=False)
        | "ReadPredictions" >> beam.FlatMap(predictions.read_file)
        | "ToExtracts" >> beam.Map(_extracts)
        | "Evaluate" >> tfma.ExtractAndEvaluate(extractors=steps, evaluators=evaluators)
        | "WriteResults" >> tfma.WriteResults(writers=writers)
    )


def _extracts(prediction: Prediction) -> dict[str, Any]:
    """What TFMA keeps of an example: the values that it is sliced by, and a serialized record of each model."""
    slices = {name: _raw(values) for name, values in prediction.slices.items()}
    records = {FLOAT: prediction.exact, COMPRESSED: prediction.compressed}
    return {
        constants.FEATURES_KEY: slices,
        constants.LABELS_KEY: tfma_extractors.IN_THE_RECORD,
        constants.PREDICTIONS_KEY: records,
    }


def _raw(values: tuple[predictions.Value, ...]) -> NDArray[Any]:
    """As TFMA reads a raw feature."""
    if any(isinstance(one, str) for one in values):
        return np.array([str(one).encode(errors="surrogateescape") for one in values], object)
    return np.array(values, np.float32 if any(isinstance(one, float) for one in values) else np.int64)
