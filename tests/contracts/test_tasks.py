"""One contract for every task: a file in data/tasks is tested without an entry here, but for what it learns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components.evaluate import compare, gates, tfma_results
from modelmill.components.evaluate.component import eval_config
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.models.export import saved_model
from modelmill.components.models.flatbuffer import interpreter
from modelmill.components.testing.pytest_plugin import BEAM
from modelmill.components.testing.specs import make_spec
from modelmill.data import predictions, task
from modelmill.data.core import plugins
from modelmill.data.spec import Spec
from tests.data import recorded

TASKS = plugins.names(task.PACKAGE)
EXAMPLES = 120


def spec(name: str, labels: tuple[str, ...] = ()) -> Spec:
    """Six numbers an example; what is answered is the task's."""
    labels = labels or {"classification": ("a", "b"), "multilabel": ("a", "b", "c")}.get(name, ("one",))
    numbers = {"label_mean": 40.0, "label_stddev": 8.0} if name == "regression" else {}
    return make_spec("image", (6,), "float32", labels, task_name=name, task_facts=numbers)


def truth(name: str, inputs: np.ndarray) -> np.ndarray:
    """Labels that follow from the inputs, each in the form of its task."""
    if name == "classification":
        return (inputs[:, 0] > 0).astype(np.int64)
    if name == "regression":
        return (40 + 8 * inputs[:, 0]).astype(np.float32)
    if name == "multilabel":
        return (inputs[:, :3] > 0).astype(np.float32)
    assert name == "anomaly", f"say here what {name} learns in this test"
    return (np.arange(len(inputs)) % 4 == 0).astype(np.int64)


@pytest.fixture(scope="module", params=TASKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_it_is_read_without_tensorflow_and_names_its_metrics(name: str) -> None:
    code = f"import sys, modelmill.data.tasks.{name}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    asked = task.look_up(name)
    assert asked.__doc__
    assert task.metric(name) == asked.METRICS[0]
    for one in asked.REPORTED:
        assert task.metric(name, one).says
    with pytest.raises(plugins.UnknownNameError, match="allowed"):
        task.metric(name, "beauty")


def test_what_it_asks_is_learned_and_answered_by_both_forms_of_the_model(name: str, tmp_path: Path) -> None:
    """A linear model (of anomalies: one that gives back six numbers through two) becomes better than at the start."""
    tf_keras.utils.set_random_seed(0)
    random, asked = np.random.default_rng(0), task.look_up(name)
    inputs = random.normal(size=(EXAMPLES, 6)).astype(np.float32)
    if name == "anomaly":  # normal examples have three equal pairs
        inputs[:, 3:] = np.where(truth(name, inputs)[:, None] == 1, inputs[:, 3:], inputs[:, :3])
    about, labels = spec(name), truth(name, inputs)
    target = asked.target(tf.constant(inputs), tf.constant(labels), about)
    layer = tf_keras.Input((6,))
    model = tf_keras.Model(layer, tf_keras.layers.Dense(about.output_size)(tf_keras.layers.Dense(4)(layer)))
    figures = {}
    model.compile(tf_keras.optimizers.Adam(0.03), asked.loss, [tf_keras.metrics.MeanMetricWrapper(asked.train_metric)])
    for stage in ("before", "after"):
        loss, measure = model.evaluate(inputs, target, verbose=0)
        row = {"loss": loss, asked.MEASURE: measure}
        figures[stage] = {**row, **{f"val_{key}": value for key, value in row.items()}}
        if stage == "before":
            model.fit(inputs, target, epochs=60, verbose=0)
    assert asked.epoch_score(figures["after"]) > asked.epoch_score(figures["before"])

    served = saved_model.served(model, about)
    answers = served(inputs).numpy()
    assert answers.shape == (EXAMPLES, len(about.labels)) and answers.dtype == np.float32
    judged = task.metric(name)
    assert judged.reached(judged.of(asked.record(answers, labels)), 0.8)
    path = tmp_path / "model.tflite"
    path.write_bytes(saved_model.converter(model, about).convert())
    np.testing.assert_allclose(interpreter.Flatbuffer(path).predict_all(inputs[:4]), answers[:4], atol=1e-4)
    assert set(asked.signature_outputs(tf.constant(answers), about)) >= {asked.ANSWER}


def test_a_record_is_of_numbers_one_row_an_example_and_holds_the_answer(name: str) -> None:
    random, asked = np.random.default_rng(0), task.look_up(name)
    labels = truth(name, random.normal(size=(9, 6)))
    answers = some_answers(name, labels, 0.5, random)
    found = asked.record(answers, labels)
    assert {len(value) for value in found.values()} == {9}
    back = predictions.deserialize(predictions.serialize(found))
    for field, value in found.items():
        np.testing.assert_array_equal(back[field], value)
    assert len(predictions.serialize(found)[0]) < 200
    # A batch of examples is recorded as each of them is.
    for place in range(9):
        one = asked.record(answers[place : place + 1], labels[place : place + 1])
        for field, value in found.items():
            np.testing.assert_array_equal(one[field], value[place : place + 1])


def test_labels_can_be_mixed(name: str) -> None:
    asked, about = task.look_up(name), spec(name)
    labels = truth(name, np.random.default_rng(1).normal(size=(8, 6)))
    shares = asked.soft_targets(tf.constant(labels), about)
    assert shares.dtype == tf.float32 and shares.shape[0] == 8 and shares.shape.rank == 2
    inputs, outputs = tf.zeros([8, 6]), tf.random.normal([8, about.output_size])
    plain, mixed = (asked.target(inputs, one, about) for one in (tf.constant(labels), shares))
    np.testing.assert_allclose(asked.loss(plain, outputs), asked.loss(mixed, outputs), atol=1e-5)


def test_every_metric_is_the_same_in_an_evaluation_as_in_a_trial(name: str, tmp_path: Path) -> None:
    """Recorded answers of two models, through TFMA with differences: each figure is that of the metric on the whole."""
    random, asked = np.random.default_rng(0), task.look_up(name)
    inputs = random.normal(size=(EXAMPLES, 6))
    labels = truth(name, inputs)
    answers = {model: some_answers(name, labels, noise, random) for model, noise in (("float", 0.5), ("compressed", 1))}
    rows = [
        {"sha256": f"{number:03}", "label": labels[number], "slices": {"half": number // 60}}
        | {model: values[number] for model, values in answers.items()}
        for number in range(EXAMPLES)
    ]
    recorded.write(tmp_path, name, rows)
    names = [one.name for one in asked.METRICS]
    judge = EvaluateConfig(also=names, threshold=0.5, slices=("half",)).resolved(name)
    folder = str(tmp_path / "evaluation")
    with beam.Pipeline(options=beam.options.pipeline_options.PipelineOptions(list(BEAM))) as pipeline:
        compare.compare(pipeline, str(tmp_path), folder, name, judge)
    slices = tfma_results.read(folder)
    for place, inside in (("overall", slice(None)), ("half=0", slice(60)), ("half=1", slice(60, None))):
        for metric in asked.METRICS:
            wanted = {model: metric.of(asked.record(found[inside], labels[inside])) for model, found in answers.items()}
            for model, value in wanted.items():
                assert slices[place].metrics[metric.name][model].value == pytest.approx(value, abs=1e-5), metric.name
            change = slices[place].differences[metric.name]
            assert change.value == pytest.approx(wanted["compressed"] - wanted["float"], abs=1e-5), metric.name
            assert change.error is not None and change.error > 0
    told = gates.figures(slices, 0.95, task.metric(name))
    assert told["metric"] == names[0] and set(told["float"]) == set(names)
    assert json.dumps(told, allow_nan=False)
    # The noisier model is worse, and is refused, whatever the direction of the metric.
    report = {"trials": [{"over": []}], "chosen": 0, "within_budget": True}
    for metric in asked.METRICS:
        overall, *_ = gates.compressed_gates(slices, judge, 0.0, 0.0, report, metric)
        assert not overall.passed, metric.name


def some_answers(name: str, labels: np.ndarray, noise: float, random: np.random.Generator) -> np.ndarray:
    """Answers as of a model that is right but for noise."""
    if name == "regression":
        return (labels + random.normal(0, 8 * noise, labels.shape)).astype(np.float32)[:, None]
    scores = 4 * (labels - 0.5) + random.normal(0, 4 * noise, labels.shape)
    if name == "anomaly":
        return np.exp(scores).astype(np.float32)[:, None]
    shares = 1 / (1 + np.exp(-scores))
    return (np.stack([1 - shares, shares], 1) if name == "classification" else shares).astype(np.float32)


def test_an_evaluator_always_has_a_threshold_in_the_direction_of_its_metric(name: str) -> None:
    for metric in task.look_up(name).METRICS:
        config = EvaluateConfig(metric=metric.name, threshold=0.25, slice_threshold=0.1, slices=("half",))
        made = eval_config(config, name)
        (judged,) = (
            one.per_slice_thresholds[0].threshold
            for one in made.metrics_specs[0].metrics
            if f'"name": "{metric.name}"' in one.config
        )
        wanted = "lower_bound" if metric.higher else "upper_bound"
        assert judged.value_threshold.HasField(wanted)
        assert getattr(judged.value_threshold, wanted).value == pytest.approx(0.25, abs=1e-5)
