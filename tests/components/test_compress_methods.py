"""What single methods do beyond the contract: patterns, ranks, integers throughout, layers spared by measured harm."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tf_keras
from PIL import Image

from components import artifacts
from components.compress import choice, method, trial
from components.compress.config import CompressConfig
from components.compress.context import Context, steps
from components.compress.methods import low_rank
from components.compress.quantizer import QuantizationError, Quantizer
from components.evaluate import gate
from components.evaluate.config import EvaluateConfig
from components.models import anatomy, runtime, store
from components.models.input import Examples
from data import task
from data.clients import image as client
from data.modalities import image


@pytest.fixture(scope="module")
def files(prepared: SimpleNamespace) -> dict[str, list[str]]:
    (transformed,) = prepared.transform.outputs["transformed_examples"].get()
    folders = {split: Path(transformed.uri, f"Split-{split}") for split in ("train", "eval")}
    return {split: [str(path) for path in folder.iterdir()] for split, folder in folders.items()}


@pytest.fixture(scope="module")
def learned(trained: Any) -> tuple[store.Stored, tf_keras.Model]:
    (model,) = trained.outputs["model"].get()
    tf_keras.backend.clear_session()  # the names of layers begin anew, as in a process of its own
    return store.load(Path(artifacts.rebuild(model.uri)))


@pytest.fixture
def context(learned: tuple[store.Stored, tf_keras.Model], files: dict[str, list[str]]) -> Context:
    examples = {split: Examples(found, learned[0].spec, 16) for split, found in files.items()}
    return Context(*learned, examples, image.Policy(), 0, "test")


def made(step: Any, model: tf_keras.Model, context: Context) -> tf_keras.Model:
    ((found, config),) = steps([method.parse_step(step, 1)])
    return found.tune(model, config, context)


def exported(step: Any, model: tf_keras.Model, context: Context, path: Path) -> Path:
    ((found, config),) = steps([method.parse_step(step, 1)])
    path.write_bytes(found.export(model, config, context))
    return path


def accuracy(path: Path, context: Context) -> float:
    pairs = list(context.examples["eval"].raw().as_numpy_iterator())
    answers = runtime.Flatbuffer(path).predict_all(inputs for inputs, _ in pairs)
    return float(np.mean(answers.argmax(axis=1) == [label for _, label in pairs]))


def test_two_of_every_four_inputs_are_zero(learned: Any, context: Context) -> None:
    small = made({"prune": {"pattern": [2, 4], "epochs": 1}}, learned[1], context)
    for name in ("dense", "logits"):
        kernel = small.get_layer(name).kernel.numpy()
        groups = kernel[: len(kernel) // 4 * 4].T.reshape(-1, 4)
        assert (np.count_nonzero(groups, axis=1) <= 2).all() and np.count_nonzero(kernel) > 0
    reasons = {one["layer"]: one["reason"] for one in context.skipped}
    assert reasons["conv2d"] == "it has 1 inputs, a pattern needs 4"


def test_zeros_come_in_blocks_and_only_where_they_are_wanted(learned: Any, context: Context) -> None:
    step = {"prune": {"layers": {"dense": 0.5}, "block": [4, 2], "schedule": "constant", "epochs": 1}}
    small = made(step, learned[1], context)
    kernel = small.get_layer("dense").kernel.numpy()
    blocks = (kernel.reshape(len(kernel) // 4, 4, -1, 2) != 0).swapaxes(1, 2)
    assert (blocks.all(axis=(2, 3)) | ~blocks.any(axis=(2, 3))).mean() > 0.99
    assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.05)
    assert np.mean(small.get_layer("logits").kernel.numpy() == 0) < 0.05
    with pytest.raises(ValueError, match="did you mean 'dense'"):
        made({"prune": {"layers": {"dens": 0.5}, "epochs": 1}}, learned[1], context)


def test_each_filter_has_few_values_of_its_own(context: Context) -> None:
    inputs = tf_keras.Input((12, 12, 1))
    features = tf_keras.layers.Conv2D(6, 5, name="filters")(inputs)
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(3)(tf_keras.layers.GlobalAveragePooling2D()(features)))
    small = made({"cluster": {"clusters": 4, "per_channel": True, "start": "linear", "epochs": 1}}, model, context)
    kernel = small.get_layer("filters").kernel.numpy()
    assert {len(np.unique(kernel[..., channel])) for channel in range(6)} <= {1, 2, 3, 4}
    assert len(np.unique(kernel)) > 8


def test_singular_values_are_kept_up_to_the_energy_and_the_whole_is_given_back() -> None:
    rng = np.random.default_rng(0)
    matrix = (rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30))).astype(np.float32)
    first, second, rank = low_rank.factors(matrix, 0.9999)
    assert rank <= 3
    np.testing.assert_allclose(first @ second, matrix, atol=0.3)
    assert low_rank.factors(np.eye(10, dtype=np.float32), 0.55)[2] == 6


def test_a_matrix_of_low_rank_becomes_two_thin_ones(context: Context) -> None:
    rng = np.random.default_rng(0)
    inputs = tf_keras.Input((12, 12, 1))
    features = tf_keras.layers.Conv2D(16, 5, activation="relu", name="wide")(inputs)
    features = tf_keras.layers.Dense(48, activation="relu", name="thin")(tf_keras.layers.Flatten()(features))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(3, name="logits")(features))
    for name in ("wide", "thin"):
        kernel, bias = model.get_layer(name).get_weights()
        matrix = rng.normal(size=(kernel.size // kernel.shape[-1], 2)) @ rng.normal(size=(2, kernel.shape[-1]))
        model.get_layer(name).set_weights([0.1 * matrix.reshape(kernel.shape), bias])
    small = made({"low_rank": {"energy": 0.999, "epochs": 1, "learning_rate": 1e-7}}, model, context)
    assert small.count_params() < 0.3 * model.count_params()
    assert small.get_layer("thin_low").output_shape[-1] <= 2 and small.get_layer("wide_low").output_shape[-1] <= 2
    images = rng.normal(size=(4, 12, 12, 1)).astype(np.float32)
    np.testing.assert_allclose(small(images), model(images), atol=0.1 * np.abs(model(images)).max())
    assert {one["layer"] for one in context.changed} == {"wide", "thin"}
    assert [one["layer"] for one in context.skipped] == ["logits"]


def test_integers_go_in_and_out_and_nothing_between_is_float(
    learned: Any, context: Context, image_folder: Path, tmp_path: Path
) -> None:
    path = exported({"int8": {"io": "integer"}}, learned[1], context, tmp_path / "model.tflite")
    found = anatomy.read(path)
    assert not {"CAST", "DEQUANTIZE"} & set(found.operators)
    assert accuracy(path, context) >= 0.9
    assert runtime.Flatbuffer(path).output == {"dtype": "uint8", "scale": pytest.approx(1 / 256), "zero_point": 0}
    # The shipped client reads what comes out.
    shape = {"height": 12, "width": 12, "channels": 1}
    manifest = {
        "labels": "labels.txt",
        "task": "classification",
        "preprocessing": shape,
        "flatbuffer": {
            "file": path.name,
            "input": {"dtype": "uint8", "shape": [1, 12, 12, 1]},
            "output": {"name": "probabilities"},
        },
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "labels.txt").write_text("\n".join(learned[0].spec.labels))
    label, probabilities = client.Model(tmp_path).predict(image_folder / "rows" / "1.png")
    assert label == "rows" and probabilities.sum() == pytest.approx(1, abs=0.02)


def badly(model: tf_keras.Model) -> tf_keras.Model:
    """The same answers in float, but one neuron's values are so large that eight bits have no room for the others."""
    copied = tf_keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    dense, logits = copied.get_layer("dense"), copied.get_layer("logits")
    (kernel, bias), (after, shift) = dense.get_weights(), logits.get_weights()
    # The neuron that answers most, so that it is never zero throughout.
    number = int(np.argmax(np.abs(after).sum(axis=1)))
    kernel[:, number] *= 1e3
    bias[number] = bias[number] * 1e3 + 1e4
    after[number] /= 1e3
    shift -= after[number] * 1e4
    dense.set_weights([kernel, bias])
    logits.set_weights([after, shift])
    return copied


@pytest.mark.parametrize("name", ["prune", "cluster", "structured", "qat"])
def test_fine_tuning_beside_the_trained_model_learns_what_that_one_answers(
    name: str, learned: Any, context: Context
) -> None:
    context.trained = context.copy(learned[1])
    logits = context.trained.get_layer("logits")
    logits.set_weights([np.zeros_like(logits.get_weights()[0]), np.array([4, 0, 0], np.float32)])
    # It says always the first class, and with 1 nobody listens to the labels.
    small = made({name: {"teacher": 1.0, "epochs": 12, "learning_rate": 0.01}}, learned[1], context)
    images = next(iter(context.examples["eval"].plain()))[0]
    assert np.mean(small(images).numpy().argmax(axis=1) == 0) > 0.9
    assert all(layer.trainable for layer in context.trained.layers)
    if name == "prune":
        assert np.mean(small.get_layer("dense").kernel.numpy() == 0) == pytest.approx(0.8, abs=0.02)
    if name == "cluster":
        assert len(np.unique(small.get_layer("dense").kernel)) <= 16


def test_what_eight_bits_ruin_is_refused_or_rescued_by_sparing_layers(
    learned: Any, files: dict[str, list[str]], context: Context, tmp_path: Path
) -> None:
    store.save(tmp_path / "rebuild", learned[0], badly(learned[1]))
    config = CompressConfig(chains=[["int8"], [{"int8": {"fallback": {"tolerance": 0.1}}}]], max_drop=0.02)
    chains = [[], *map(list, config.chains)]
    bench = trial.Bench(
        {"rebuild": str(tmp_path / "rebuild"), "files": files, "augment": {}, "metric": "accuracy", "seed": 0}, chains
    )
    found = []
    for number, chain in enumerate(chains):
        folder = tmp_path / str(number)
        folder.mkdir()
        bench.run(chain, folder, tmp_path / "0" / artifacts.FLATBUFFER)
        found.append(json.loads((folder / artifacts.TRIAL_FILE).read_text()))
    whole, ruined, rescued = found
    assert whole["metrics"]["accuracy"] >= 0.9 > 0.8 > ruined["metrics"]["accuracy"]
    for one in (ruined, rescued):
        one["over"] = choice.over(one, whole, config)
        one["within_budget"] = not one["over"]
    assert not ruined["within_budget"] and rescued["within_budget"], (ruined["over"], rescued["over"])
    # Alone it is still given, for the gate to refuse, and nothing that the gate refused is pushed.
    chosen = choice.choose([ruined], whole, config)
    report = {"trials": [ruined], "chosen": chosen, "within_budget": False}
    metric = task.metric("classification", "accuracy")
    (budget,) = gate.compressed_gates({}, EvaluateConfig(), 0.02, 0.02, report, metric)
    assert not budget.passed and "accuracy falls by" in budget.reason
    assert choice.choose([ruined, rescued], whole, config) == 1
    spared = {row["layer"] for row in rescued["layers"] if row["bits"] == 32}
    assert spared and {one["layer"] for one in rescued["skipped"]} == spared
    assert "int8 alone makes an error of" in rescued["skipped"][0]["reason"]
    assert any(row["bits"] == 8 for row in rescued["layers"])


def test_four_bits_are_half_of_eight_and_harmful_layers_get_eight(
    learned: Any, context: Context, tmp_path: Path
) -> None:
    eight = exported("dynamic_range", learned[1], context, tmp_path / "eight.tflite")
    four = exported({"int4": {"fallback": None}}, learned[1], context, tmp_path / "four.tflite")
    kernels = [{one.bits: one.bytes for one in anatomy.read(path).kernels} for path in (eight, four)]
    assert set(kernels[1]) == {4} and four.stat().st_size < 0.8 * eight.stat().st_size
    inputs = [one[0].numpy() for one in context.calibration(200)]
    error = Quantizer(bytes(context.converter(learned[1]).convert()), inputs).error(four.read_bytes())
    step = {"int4": {"fallback": {"tolerance": error / 2}}}
    strict = exported(step, learned[1], context, tmp_path / "strict.tflite")
    assert 8 in {one.bits for one in anatomy.read(strict).kernels}
    assert "int8_weights: int4_weights alone makes an error of" in context.skipped[0]["reason"]
    assert accuracy(strict, context) >= 0.9


def test_if_sparing_all_layers_is_not_enough_it_is_refused(learned: Any, context: Context) -> None:
    inputs = [one[0].numpy() for one in context.calibration(20)]
    found = Quantizer(bytes(context.converter(learned[1]).convert()), inputs)
    assert {one.operator for one in found.harms("int4_weights")} == set(found.operators)
    with pytest.raises(QuantizationError, match="1e-12 is allowed"):
        found.sparing("int4_weights", 1e-12, "int8_weights")


def test_ranges_are_not_taken_from_examples_that_are_all_the_same(
    learned: Any, image_folder: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    grey = tf.constant(np.asarray(Image.open(image_folder / "flat" / "0.png"))[None, ..., None])
    monkeypatch.setattr(Context, "calibration", lambda self, count: iter([grey] * count))
    with pytest.raises(ValueError, match=r"are all the same.*raise int8.calibration"):
        exported("int8", learned[1], context, Path("none"))


def test_a_class_that_the_first_examples_have_none_of_is_fetched(learned: Any, context: Context) -> None:
    first = next(iter(context.examples["train"].raw().as_numpy_iterator()))[1]
    rows = context.varied(1, "int8")
    assert len(rows) == len(learned[0].spec.labels) and context.skipped == []
    known = learned[0].spec.labels
    context.stored = SimpleNamespace(spec=learned[0].spec.model_copy(update={"labels": (*known, "unseen")}))
    context.varied(1, "int8")
    assert [one["reason"] for one in context.skipped] == [
        "no train example of class unseen gives the ranges: there is none"
    ]
    assert first in range(3)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"prune": {"pattern": [4, 4]}}, "zeros, of so many"),
        ({"prune": {"block": [4, 1], "pattern": [2, 4]}}, "no pattern beside it"),
        ({"prune": {"layers": {}}}, "between 0 and 1"),
        ({"int8": {"io": "integer", "fallback": {}}}, "give one of the two"),
        ({"low_rank": {"energy": 1}}, "low_rank.energy: found 1"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(step: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        method.parse_chain([step])


def bench(stored: store.Stored, model: tf_keras.Model, files: dict[str, list[str]], folder: Path) -> trial.Bench:
    store.save(folder, stored, model)
    return trial.Bench({"rebuild": str(folder), "files": files, "augment": {}, "metric": "accuracy", "seed": 0}, [])


def reason(made: trial.Bench, chain: list[Any], folder: Path) -> str:
    made.attempt(chain, folder, folder)
    return str(json.loads((folder / trial.FAILED_FILE).read_text())["reason"])


def test_a_model_whose_weights_are_no_numbers_fails_with_the_reason(
    learned: Any, files: dict[str, list[str]], tmp_path: Path
) -> None:
    copied = tf_keras.models.clone_model(learned[1])
    copied.set_weights([value * np.nan for value in learned[1].get_weights()])
    assert "not finite" in reason(bench(learned[0], copied, files, tmp_path / "nan"), [], tmp_path / "0")


class Odd(tf_keras.layers.Layer):
    """A user's layer: no method knows it, and no builtin operator does what it does."""

    def call(self, inputs: Any) -> Any:
        import tensorflow as tf

        return inputs + 1e-9 * tf.linalg.det(tf.transpose(inputs, (0, 3, 1, 2)))[:, tf.newaxis, tf.newaxis]


def test_an_operator_outside_the_builtin_set_is_named_and_a_custom_layer_left_alone(
    learned: Any, files: dict[str, list[str]], context: Context, tmp_path: Path
) -> None:
    inputs = tf_keras.Input((12, 12, 1))
    features = Odd(name="odd")(tf_keras.layers.Conv2D(4, 3, name="before")(inputs))
    features = tf_keras.layers.Dense(4, name="free")(tf_keras.layers.Flatten()(features))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(3, name="logits")(features))
    made_ = bench(learned[0], learned[1], files, tmp_path / "rebuild")
    made_._tuned[trial._key([])].model = model
    assert "MatrixDeterminant" in reason(made_, [], tmp_path / "0")
    small = made({"structured": {"amount": 0.5, "importance": "l1", "epochs": 1}}, model, context)
    assert small.get_layer("before").output_shape[-1] == 4 and small.get_layer("free").output_shape[-1] == 2
    told = {one["layer"]: one["reason"] for one in context.skipped}
    assert told["before"] == "keeps all 4 channels: odd reads them, and what Odd does with channels is not known"
