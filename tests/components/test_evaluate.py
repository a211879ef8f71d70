"""Both evaluations, over a tiny real SavedModel and real flatbuffers of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import Channel, standard_artifacts

from modelmill.components import artifacts, gates, intervals
from modelmill.components.evaluate import component, estimates, executor, tfma_results
from modelmill.components.evaluate import gates as evaluate_gates
from modelmill.components.evaluate import predictions as recording
from modelmill.components.evaluate.agreement import Agreement
from modelmill.components.evaluate.config import EvaluateConfig
from modelmill.components.evaluate.tfma_results import Measure, Slice
from modelmill.components.testing.pytest_plugin import BEAM, NodeRunner
from modelmill.data import predictions, task
from modelmill.data.config import DataConfig

# The order of the model's outputs, which is not the alphabet's.
LABELS = ("mid", "dark", "light")
CENTRES = {"mid": 128.0, "dark": 40.0, "light": 216.0}
# `odd` is a class that no model knows, of a single example.
COUNTS = {"mid": 150, "dark": 130, "light": 40, "odd": 1}
SLICES = [f"label={label}" for label in sorted(COUNTS)]
# As inferred: of the features that get statistics alone.
SCHEMA = "".join(
    f"feature {{ name: '{name}' type: {kind} value_count {{ min: 1 max: 1 }} presence {{ min_fraction: 1 }} }}"
    for name, kind in (("image", "BYTES"), ("label", "BYTES"), ("height", "INT"))
)
CONFIG = EvaluateConfig(threshold=0.5, slice_threshold=0.5)


class Shades(tf.Module):
    """Tells shades of grey apart by the mean of the pixels; `shift` moves the centres of its classes."""

    def __init__(self, shift=(0, 0, 0), labels=LABELS) -> None:
        super().__init__()
        self.labels = tf.constant(labels)
        self.centres = tf.constant([CENTRES[label] for label in labels]) + tf.constant(shift, tf.float32)

    def probabilities(self, inputs: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(tf.cast(inputs, tf.float32), axis=[1, 2])
        return tf.nn.softmax(-tf.square(mean - self.centres) / 500.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def preprocess(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        decoded = tf.map_fn(lambda one: tf.io.decode_png(one, 1), image, fn_output_signature=tf.uint8)
        return {"inputs": tf.ensure_shape(decoded, [None, 4, 4, 1])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})
        return {"probabilities": self.probabilities(self.preprocess(parsed["image"])["inputs"])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {"label": tf.io.FixedLenFeature([], tf.string)})
        same = parsed["label"][:, tf.newaxis] == self.labels
        return {"label": tf.where(tf.reduce_any(same, axis=1), tf.argmax(same, axis=1), -1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def record(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})
        inputs = self.preprocess(parsed["image"])["inputs"]
        return {"answer": self.probabilities(inputs), "inputs": inputs, **self.transform_features(examples)}

    def save(self, folder: str) -> None:
        signatures = {name: getattr(self, name) for name in ("evaluate", "transform_features", "record")}
        tf.saved_model.save(self, folder, signatures)

    def flatbuffer(self) -> bytes:
        spec = tf.TensorSpec([1, 4, 4, 1], tf.uint8)
        function = tf.function(self.probabilities).get_concrete_function(spec)
        return tf.lite.TFLiteConverter.from_concrete_functions([function], self).convert()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """The shipped runner, over artifacts that live as long as this module's tests."""
    return NodeRunner(tmp_path_factory.mktemp("evaluate"))


@pytest.fixture(scope="module")
def examples(node):
    """321 raw examples, of which the model gets some wrong."""
    made = [picture(label, number) for label, count in COUNTS.items() for number in range(count)]
    return node.examples(train=made[:1], test=made)


def picture(label, number):
    """A raw example."""
    random = np.random.default_rng([sorted(COUNTS).index(label), number])
    mean = random.normal(CENTRES.get(label, 128.0), 25)
    pixels = np.clip(random.normal(mean, 3, (4, 4)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    return {"image": content, "label": label, "sha256": hashlib.sha256(content).hexdigest(), "height": 4}


@pytest.fixture(scope="module")
def model(node):
    return save(node, Shades(), 7)


def save(node, shades, number):
    """A Model artifact."""
    made = node.artifact(standard_artifacts.Model)
    made.id = number
    shades.save(artifacts.serving(made.uri))
    return made


def run_compressed(node, examples, model, shift, over=()):
    """Runs the node over a flatbuffer with shifted centres; gives its output artifacts by key."""
    compressed = node.artifact(artifacts.CompressedModel, {artifacts.FLATBUFFER: Shades(shift).flatbuffer()})
    compressed.id = 8
    trials = {"float": {}, "trials": [{"over": over}], "chosen": 0, "within_budget": not over}
    report = node.artifact(artifacts.CompressionReport, {artifacts.TRIALS_FILE: json.dumps(trials)})
    made = component.CompressedEvaluator(
        examples=node.channel(examples),
        model=node.channel(model),
        compressed=node.channel(compressed),
        report=node.channel(report),
        config=CONFIG,
        data=DataConfig(modality="image", path="unused"),
        max_drop=0.01,
        margin=0.02,
        code="digest",
    )
    return {key: value for key, (value,) in node(made).items()}


@pytest.fixture(scope="module")
def faithful(node, examples, model):
    """A flatbuffer that differs from the float model on a few examples."""
    return run_compressed(node, examples, model, (0, -3, 0))


@pytest.fixture(scope="module")
def broken(node, examples, model):
    """One that takes much of what is dark for mid, and does not keep to the budget."""
    return run_compressed(node, examples, model, (-60, 0, 60), over=["gzip_bytes 900 > max_bytes 500"])


def rows(outputs):
    return {(row.gate, row.slice): row for row in gates.read(Path(outputs["evaluation"].uri) / artifacts.GATES_FILE)}


def recorded(outputs):
    """What is recorded: the predictions in their order, and the fields of both models' records."""
    found = list(predictions.read(outputs["predictions"].uri))
    exact, compressed = ([getattr(one, model) for one in found] for model in ("exact", "compressed"))
    return found, {"float": predictions.deserialize(exact), "compressed": predictions.deserialize(compressed)}


def answered(fields, name):
    """The most probable class of each example."""
    return fields[name]["classes"][:, 0]


def right(fields, name):
    """Whether the model called `name` is right, bool per example."""
    return answered(fields, name) == fields[name]["label"]


def named(found):
    """The raw label of each example."""
    return np.array([one.slices["label"][0] for one in found])


def test_predictions_are_of_every_example_sorted_and_true(faithful):
    found, fields = recorded(faithful)
    assert len(found) == sum(COUNTS.values())
    contents = [one.content for one in found]
    assert contents == sorted(contents)
    assert set(os.listdir(faithful["predictions"].uri)) == {"predictions-00000-of-00001.gz"}
    wanted = [-1 if label == "odd" else LABELS.index(label) for label in named(found)]
    floats, compressed = fields["float"], fields["compressed"]
    assert floats["label"].tolist() == compressed["label"].tolist() == wanted
    np.testing.assert_allclose(floats["probabilities"].sum(axis=1), 1, rtol=1e-5)
    assert 0.001 < np.nanmax(np.abs(floats["right"] - compressed["right"])) < 0.5


def test_the_same_predictions_are_the_same_bytes_whatever_the_runs(
    node, examples, model, faithful, tmp_path, monkeypatch
):
    """Sorted by several bundles and merged, or by one."""
    monkeypatch.setattr(recording, "RUN", 50)
    compressed = tmp_path / "compressed"
    compressed.mkdir()
    (compressed / artifacts.FLATBUFFER).write_bytes(Shades((0, -3, 0)).flatbuffer())
    split, folder = f"{examples.uri}/Split-test", str(tmp_path / "recorded")
    with beam.Pipeline(options=beam.options.pipeline_options.PipelineOptions(list(BEAM))) as pipeline:
        recording.record(pipeline, split, model.uri, str(compressed), "classification", folder, ("label",))
    assert len(os.listdir(f"{folder}/{recording.STAGING}")) == 7
    (one,), (other,) = predictions.paths(folder), predictions.paths(faithful["predictions"].uri)
    assert Path(one).read_bytes() == Path(other).read_bytes()


def test_figures_are_those_of_the_recorded_predictions(faithful, broken):
    for outputs in (faithful, broken):
        figures = json.loads((Path(outputs["evaluation"].uri) / executor.METRICS_FILE).read_text())
        found, fields = recorded(outputs)
        classes, exact, compressed = named(found), right(fields, "float"), right(fields, "compressed")
        assert list(figures["slices"]) == SLICES
        chosen = {"overall": classes != ""} | {f"label={label}": classes == label for label in COUNTS}
        for name, mask in chosen.items():
            one = figures if name == "overall" else figures["slices"][name]
            assert one["examples"] == mask.sum()
            assert one["float"]["accuracy"] == pytest.approx(exact[mask].mean(), abs=1e-6)
            assert one["compressed"]["accuracy"] == pytest.approx(compressed[mask].mean(), abs=1e-6)
            difference = compressed[mask].mean() - exact[mask].mean()
            assert one["difference"]["accuracy"] == pytest.approx(difference, abs=1e-6)


def test_intervals_are_those_of_paired_differences(faithful, broken):
    for outputs in (faithful, broken):
        found, fields = recorded(outputs)
        compressed, exact = right(fields, "compressed"), right(fields, "float")
        assert (compressed != exact).any()
        classes = named(found)
        figures = json.loads((Path(outputs["evaluation"].uri) / executor.METRICS_FILE).read_text())
        chosen = {"overall": classes != ""} | {f"label={label}": classes == label for label in COUNTS}
        for name, mask in chosen.items():
            only = [int((mask & one & ~other).sum()) for one, other in ((compressed, exact), (exact, compressed))]
            expected = intervals.tango(*only, int(mask.sum()))
            row = rows(outputs)["non_inferiority", name]
            assert (row.lower, row.upper) == pytest.approx(expected)
            # One figure has one interval, in the gates as in what the model card is made of.
            told = figures if name == "overall" else figures["slices"][name]
            assert (told["difference"]["lower"], told["difference"]["upper"]) == (row.lower, row.upper)
            assert told["non_inferiority"] == row.outcome


def test_agreement_and_calibration_are_told_of_both(faithful):
    (found, fields), told = recorded(faithful), rows(faithful)
    exact, compressed = (answered(fields, name) for name in ("float", "compressed"))
    row = told["agreement", "overall"]
    assert row.value == pytest.approx((exact == compressed).mean()) and row.value < 1
    assert row.lower < row.value < row.upper and row.bound is None and "not gated" in row.reason
    figures = json.loads((Path(faithful["evaluation"].uri) / executor.METRICS_FILE).read_text())
    classes = named(found)
    for label in COUNTS:
        share = (exact == compressed)[classes == label].mean()
        assert figures["slices"][f"label={label}"]["agreement"] == pytest.approx(share)
    before, after = (figures[model]["calibration_error"] for model in ("float", "compressed"))
    row = told["calibration", "overall"]
    assert row.value == pytest.approx(after - before, abs=1e-5) and row.passed
    assert f"{before:.4f} of the float model, {after:.4f} of the compressed one" in row.reason


def test_a_bound_on_agreement_or_calibration_is_a_gate():
    calibration = {"float": Measure(0.02), "compressed": Measure(0.05)}
    differences = {"calibration_error": Measure(0.03, 0.005, 19)}
    overall = Slice("overall", 200, {"calibration_error": calibration}, differences)
    agreed = Agreement(190, 200)
    for agreement, rise, passed in ((0.95, 0.03, [True, True]), (0.96, 0.02, [False, False])):
        bounds = {"min_agreement": agreement, "max_calibration_rise": rise}
        found = evaluate_gates.told_gates(overall, agreed, CONFIG, bounds, "classification")
        assert [row.passed for row in found] == passed and [row.bound for row in found] == [agreement, rise]
    assert "10 of 200 examples are answered differently" in found[0].reason


def test_a_faithful_flatbuffer_is_blessed(faithful):
    found = rows(faithful)
    assert {row.outcome for row in found.values()} == {"passed", "undecided"}
    assert found["non_inferiority", "overall"].passed
    assert found["non_inferiority", "label=light"].undecided
    blessing = faithful["blessing"]
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") == 8
    assert (Path(blessing.uri) / "BLESSED").is_file()


def test_a_broken_flatbuffer_is_refused_by_name(broken):
    found = rows(broken)
    stopped = refused(found)
    assert {("non_inferiority", "overall"), ("non_inferiority", "label=dark"), ("budget", "overall")} <= stopped
    assert found["non_inferiority", "label=light"].outcome == "undecided"
    assert "40 examples, fewer than evaluate.min_slice (100)" in found["non_inferiority", "label=light"].reason
    assert found["non_inferiority", "overall"].bound == pytest.approx(-0.03)
    assert found["budget", "overall"].reason == "gzip_bytes 900 > max_bytes 500"
    assert broken["blessing"].get_int_custom_property("blessed") == 0
    assert (Path(broken["blessing"].uri) / "NOT_BLESSED").is_file()


REPORT = {"trials": [{"over": []}], "chosen": 0, "within_budget": True}
ACCURACY = task.metric("classification", "accuracy")


def pairs(name, examples, only_float=0, only_compressed=0):
    """A slice on which the float model alone, and the compressed one alone, is right so often; else both are."""
    values = [Measure(1 - lost / examples) for lost in (only_compressed, only_float)]
    change = Measure((only_compressed - only_float) / examples, 0.0, 19)
    shares = {"accuracy": (only_float + only_compressed) / examples}
    metrics = {"accuracy": dict(zip(("float", "compressed"), values, strict=True))}
    return Slice(name, examples, metrics, {"accuracy": change}, shares)


def decided(*slices, max_drop=0.01, margin=0.02, metric=ACCURACY, **settings):
    """The rows of non-inferiority by slice; no slice is too small by evaluate.min_slice."""
    config = EvaluateConfig(threshold=0.5, min_slice=1, **settings)
    named = {one.name: one for one in slices}
    return {
        row.slice: row for row in evaluate_gates.compressed_gates(named, config, max_drop, margin, REPORT, metric)[:-1]
    }


@pytest.mark.parametrize(("examples", "needed"), [(17, 125), (124, 125), (288, 125)])
def test_non_inferiority_of_a_perfect_model_needs_enough_examples(examples, needed):
    """No pair differs: the interval is as wide as the number of examples says, and the margin counts."""
    row = decided(pairs("overall", examples))["overall"]
    assert row.lower == pytest.approx(-(1.96**2) / (examples + 1.96**2), rel=1e-3)
    assert row.outcome == ("passed" if examples >= needed else "refused")
    if examples < needed:
        assert f"takes at least {needed}" in row.reason and f"{examples} examples" in row.reason
    assert decided(pairs("overall", examples), margin=0.3)["overall"].passed
    assert not decided(pairs("overall", 10**6), max_drop=0, margin=0)["overall"].passed


@pytest.mark.parametrize(
    ("only_float", "only_compressed", "passed"), [(0, 0, True), (30, 25, True), (20, 0, False), (60, 60, True)]
)
def test_the_lower_end_decides(only_float, only_compressed, passed):
    row = decided(pairs("overall", 1000, only_float, only_compressed))["overall"]
    assert row.outcome == ("passed" if passed else "refused")
    assert (row.lower > row.bound) is passed


def test_a_slice_is_refused_only_for_a_loss_that_is_more_than_chance():
    found = decided(
        pairs("overall", 4000, 16, 16),
        pairs("perfect", 400),
        pairs("tiny and perfect", 20),
        pairs("tiny and bad", 20, 15, 0),
        pairs("unlucky", 400, 9, 4),
        pairs("bad", 400, 30, 2),
    )
    outcomes = {name: row.outcome for name, row in found.items()}
    assert outcomes == {
        "overall": "passed",
        "perfect": "passed",
        "tiny and perfect": "undecided",
        "tiny and bad": "undecided",
        "unlucky": "undecided",
        "bad": "refused",
    }
    assert "takes at least 125" in found["tiny and perfect"].reason
    assert "more than chance" in found["bad"].reason and "not certain" in found["unlucky"].reason


def test_of_many_slices_one_is_not_refused_for_what_chance_does_to_one_of_many():
    """A loss of 12 to 3 is significant for a slice alone (p = 0.010), and not for one of twenty."""
    lost = pairs("lost", 300, 12, 3)
    assert decided(pairs("overall", 4000), lost)["lost"].outcome == "refused"
    others = [pairs(f"slice {number}", 300) for number in range(19)]
    found = decided(pairs("overall", 4000), lost, *others)
    assert found["lost"].outcome == "undecided"
    assert {found[one.name].outcome for one in others} == {"passed"}


def jackknifed(value, error, examples=1000, name="rmse", before=1.0):
    models = {"float": Measure(before), "compressed": Measure(before + value)}
    freedom = None if error is None else 19
    return Slice("overall", examples, {name: models}, {name: Measure(value, error, freedom)})


@pytest.mark.parametrize(
    ("value", "error", "passed"),
    [(0.0, 0.0, True), (0.02, 0.001, True), (0.02, 0.01, False), (0.04, 0.0, False), (-5.0, 0.1, True)],
)
def test_where_less_is_better_the_upper_end_decides(value, error, passed):
    row = decided(jackknifed(value, error), metric=task.metric("regression", "rmse"))["overall"]
    assert row.outcome == ("passed" if passed else "refused")
    assert row.bound == pytest.approx(0.03)


def test_a_jackknife_without_spread_proves_no_more_than_its_examples():
    """The interval is no narrower than a share's would be where no example differs, in units of the metric."""
    reach = 1.96**2 / (50 + 1.96**2)
    for name, before, scale in (("rmse", 4.0, 4.0), ("r2", 0.5, 1.0)):
        metric = task.metric("regression", name)
        row = decided(jackknifed(0.0, 0.0, 50, name, before), metric=metric)["overall"]
        assert (row.lower, row.upper) == pytest.approx((-reach * scale, reach * scale), rel=1e-3)
        assert row.outcome == "refused" and "50 examples are too few" in row.reason
        limit = 1.01 * reach * scale
        assert decided(jackknifed(0.0, 0.0, 50, name, before), max_drop=0, margin=limit, metric=metric)[
            "overall"
        ].passed
    for examples, error in ((19, 0.0), (1000, None)):  # no interval, so nothing is shown
        row = decided(jackknifed(0.0, error, examples), metric=task.metric("regression", "rmse"))["overall"]
        assert (row.lower, row.outcome) == (None, "refused")


def test_no_interval_leaves_the_bounds_of_its_metric():
    auc = task.metric("classification", "auc")
    one = Slice("overall", 40, {"auc": {"": Measure(0.99, 0.02, 19)}}, {"auc": Measure(0.99, 0.3, 19)})
    assert estimates.of_model(one, one.metrics["auc"][""], auc, 0.95, 0.5).upper == 1
    assert estimates.of_difference(one, auc, 0.95).upper == 1
    perfect = Slice("overall", 40, {"accuracy": {"": Measure(1.0, 0.0, 19)}})
    found = estimates.of_model(perfect, perfect.metrics["accuracy"][""], ACCURACY, 0.95, 0.5)
    assert (found.lower, found.upper) == (pytest.approx(0.9124, abs=1e-4), 1)


def run_float(node, examples, model, config, baseline=None):
    """Runs TFX's Evaluator; gives its gate rows by (gate, slice) and whether it blessed."""
    made = component.evaluator(
        examples=node.channel(examples),
        model=node.channel(model),
        baseline_model=node.channel(baseline) if baseline else Channel(type=standard_artifacts.Model),
        schema=node.channel(node.artifact(standard_artifacts.Schema, {"schema.pbtxt": SCHEMA})),
        config=config,
        code="digest",
    )
    outputs = node(made)
    found = evaluate_gates.float_gates(outputs["evaluation"][0].uri, config)
    assert gates.read(Path(outputs["evaluation"][0].uri) / artifacts.GATES_FILE) == found
    # Without the counts of discordant pairs the change would have a jackknife's interval.
    assert bool(tfma_results.read(outputs["evaluation"][0].uri)["overall"].differing) is bool(baseline)
    (blessing,) = outputs["blessing"]
    blessed = blessing.get_int_custom_property("blessed") == 1
    assert [path.name for path in Path(blessing.uri).iterdir()] == ["BLESSED" if blessed else "NOT_BLESSED"]
    return {(row.gate, row.slice): row for row in found}, blessed


@pytest.fixture(scope="module")
def worse(node):
    """A model that takes all that is mid for dark, and some of what is light; it numbers the classes otherwise."""
    return save(node, Shades((0, 400, 100), ("light", "mid", "dark")), 9)


def refused(found):
    return {key for key, row in found.items() if row.outcome == "refused"}


def test_the_same_evaluation_has_the_same_intervals(node, examples, model):
    """By the jackknife, whose parts are drawn: of shares, which have score intervals, that would say nothing."""
    config = EvaluateConfig(metric="macro_f1", threshold=0.5)
    (first, _), (second, _) = (run_float(node, examples, model, config) for _ in range(2))
    assert first == second and first["threshold", "overall"].lower < first["threshold", "overall"].value


def test_evaluator_blesses_and_reports_slices_by_name(node, examples, model, worse):
    """Slices that are below the threshold, or were better before, do not refuse what is good overall."""
    found, blessed = run_float(node, examples, model, CONFIG, baseline=worse)
    assert blessed
    assert not refused(found)
    overall = found["threshold", "overall"]
    assert 0.8 < overall.lower < overall.value < overall.upper < 1
    assert (overall.lower, overall.upper) == pytest.approx(intervals.wilson(round(321 * overall.value), 321))
    assert found["regression", "overall"].lower > 0.3
    assert found["slice_threshold", "label=light"].outcome == "undecided"
    assert [name for kind, name in found if kind == "slice_threshold"] == SLICES
    odd = found["slice_threshold", "label=odd"]
    assert (odd.value, odd.lower, odd.upper) == (0, *intervals.wilson(0, 1))


def test_a_slice_alone_refuses_if_it_has_enough_examples(node, examples, worse):
    config = EvaluateConfig(threshold=0.3, slice_threshold=0.999, min_slice=140)
    found, blessed = run_float(node, examples, worse, config)
    assert not blessed
    assert refused(found) == {("slice_threshold", "label=mid")}
    assert found["slice_threshold", "label=light"].value < 0.999
    assert found["regression", "overall"].reason == "there was no baseline"


def test_a_slice_that_falls_short_by_chance_is_undecided(node, examples, model):
    """A few of `mid` are wrong: a threshold just above what is reached refuses nobody, one far above does."""
    exact, _ = run_float(node, examples, model, EvaluateConfig(threshold=0.3, slice_threshold=0))
    reached = exact["slice_threshold", "label=mid"].value
    assert reached < 0.97
    config = EvaluateConfig(threshold=0.3, slice_threshold=reached + 0.01, min_slice=140)
    found, blessed = run_float(node, examples, model, config)
    assert blessed and not refused(found)
    row = found["slice_threshold", "label=mid"]
    assert row.outcome == "undecided" and "chance" in row.reason


def test_a_regression_alone_refuses(node, examples, model, worse):
    """Each example falls into one slice, although the two models number the classes otherwise."""
    config = EvaluateConfig(threshold=0.3, slice_threshold=0)
    found, blessed = run_float(node, examples, worse, config, baseline=model)
    assert not blessed
    assert refused(found) == {("regression", "overall")}
    assert found["regression", "overall"].upper < -0.2
    assert found["slice_threshold", "label=dark"].value == 1
    assert found["slice_threshold", "label=mid"].value == 0
    assert "fewer than evaluate.min_slice" in found["slice_threshold", "label=light"].reason


def test_the_threshold_alone_refuses(node, examples, model):
    found, blessed = run_float(node, examples, model, EvaluateConfig(threshold=0.999))
    assert not blessed
    assert refused(found) == {("threshold", "overall")}
