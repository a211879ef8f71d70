"""What single methods do beyond the contract: patterns, ranks, integers throughout, layers spared by measured harm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tf_keras
from PIL import Image

from modelmill.components.compress.chain import parse_chain, parse_step
from modelmill.components.compress.context import Context, steps
from modelmill.components.compress.methods import low_rank
from modelmill.components.compress.ptq.quantizer import QuantizationError, Quantizer
from modelmill.components.compress.trials import runner as benches
from modelmill.components.compress.trials import store as trials_store
from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import analyze, interpreter
from modelmill.components.models.training.dataset import Examples
from modelmill.data import modality
from modelmill.data.client import Model
from modelmill.data.modalities.image import client

image = modality.look_up("image")


@pytest.fixture
def context(learned: tuple[model_store.Stored, tf_keras.Model], files: dict[str, list[str]]) -> Context:
    examples = {split: Examples(found, learned[0].spec, 16) for split, found in files.items()}
    return Context(*learned, examples, image.Policy(), 0, "test")


def made(step: Any, model: tf_keras.Model, context: Context) -> tf_keras.Model:
    ((found, config),) = steps([parse_step(step, 1)])
    return found.tune(model, config, context)


def exported(step: Any, model: tf_keras.Model, context: Context, path: Path) -> Path:
    ((found, config),) = steps([parse_step(step, 1)])
    path.write_bytes(found.export(model, config, context))
    return path


def accuracy(path: Path, context: Context) -> float:
    pairs = list(context.examples["eval"].raw().as_numpy_iterator())
    answers = interpreter.Flatbuffer(path).predict_all(inputs for inputs, _ in pairs)
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


@pytest.mark.parametrize("bias", [True, False])
def test_projections_of_attention_become_thin_ones(context: Context, bias: bool) -> None:
    rng = np.random.default_rng(0)
    inputs = tf_keras.Input((12, 12, 1))
    tokens = tf_keras.layers.Dense(24, name="tokens")(tf_keras.layers.Reshape((12, 12))(inputs))
    attention = tf_keras.layers.MultiHeadAttention(3, 8, use_bias=bias, name="heads")
    features = tf_keras.layers.Flatten()(attention(tokens, tokens))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(3, name="logits")(features))
    for weight in attention.weights:  # query and output of rank 2, key and value of full rank
        value = 0.2 * rng.normal(size=weight.shape)
        if "query/kernel" in weight.name or "output/kernel" in weight.name:
            rows = 24 if "query" in weight.name else -1
            left, _, right = np.linalg.svd(value.reshape(rows, 24))
            value = (left[:, :2] @ (2 * right[:2])).reshape(weight.shape)
        weight.assign(value)
    config = low_rank.LowRankConfig(energy=0.999, epochs=1)
    small = low_rank.taken_apart(model, config, context)
    thin = {layer.name: layer.output_shape[-1] for layer in small.layers}
    assert thin["heads_query_low"] == thin["heads"] == 2 and thin["heads_output"] == 24
    images = rng.normal(size=(4, 12, 12, 1)).astype(np.float32)
    np.testing.assert_allclose(small(images), model(images), atol=1e-3)
    changed = [one["what"] for one in context.changed if one["layer"] == "heads"]
    assert changed == ["query: rank 2 of 24", "attention_output: rank 2 of 24"]
    skipped = [one["reason"] for one in context.skipped if one["layer"] == "heads"]
    assert [one.split(":")[0] for one in skipped] == ["key", "value"]
    # What is left is a model as any other: it can be copied, and becomes a flatbuffer.
    np.testing.assert_allclose(context.copy(small)(images), small(images), atol=1e-6)
    assert context.converter(small).convert()


def test_integers_go_in_and_out_and_nothing_between_is_float(
    learned: Any, context: Context, image_folder: Path, tmp_path: Path
) -> None:
    path = exported({"int8": {"io": "integer"}}, learned[1], context, tmp_path / "model.tflite")
    found = analyze.read(path)
    assert not {"CAST", "DEQUANTIZE"} & set(found.operators)
    assert accuracy(path, context) >= 0.9
    assert interpreter.Flatbuffer(path).output == {"dtype": "uint8", "scale": pytest.approx(1 / 256), "zero_point": 0}
    # The shipped client reads what comes out.
    shape = {"height": 12, "width": 12, "channels": 1}
    manifest = {
        "labels": "labels.txt",
        "saved_model": {"outputs": {"label": {}}},
        "preprocessing": shape,
        "flatbuffer": {
            "file": path.name,
            "input": {"dtype": "uint8", "shape": [1, 12, 12, 1]},
            "output": {"name": "probabilities"},
        },
    }
    (tmp_path / "labels.txt").write_text("\n".join(learned[0].spec.labels))
    digests = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in (path.name, "labels.txt")}
    manifest["files"] = {name: {"sha256": digest} for name, digest in digests.items()}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (answer,) = Model(tmp_path, client).predict(image_folder / "rows" / "1.png")
    assert answer["label"] == "rows" and sum(answer["probabilities"].values()) == pytest.approx(1, abs=0.02)


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


def test_four_bits_are_half_of_eight_and_harmful_layers_get_eight(
    learned: Any, context: Context, tmp_path: Path
) -> None:
    eight = exported("dynamic_range", learned[1], context, tmp_path / "eight.tflite")
    four = exported({"int4": {"fallback": None}}, learned[1], context, tmp_path / "four.tflite")
    kernels = [{one.bits: one.bytes for one in analyze.read(path).kernels} for path in (eight, four)]
    assert set(kernels[1]) == {4} and four.stat().st_size < 0.8 * eight.stat().st_size
    inputs = [one[0].numpy() for one in context.calibration(200)]
    error = Quantizer(bytes(context.converter(learned[1]).convert()), inputs).error(four.read_bytes())
    step = {"int4": {"fallback": {"tolerance": error / 2}}}
    strict = exported(step, learned[1], context, tmp_path / "strict.tflite")
    assert 8 in {one.bits for one in analyze.read(strict).kernels}
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
    more = learned[0].spec.task_facts.model_copy(update={"labels": (*known, "unseen")})
    context.stored = SimpleNamespace(spec=learned[0].spec.model_copy(update={"task_facts": more}))
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
        parse_chain([step])


def bench(
    stored: model_store.Stored, model: tf_keras.Model, files: dict[str, list[str]], folder: Path
) -> benches.Bench:
    model_store.save(folder, stored, model)
    return benches.Bench({"rebuild": str(folder), "files": files, "augment": {}, "metric": "accuracy", "seed": 0}, [])


def reason(made: benches.Bench, chain: list[Any], folder: Path) -> str:
    made.attempt(chain, folder)
    return str(json.loads((folder / trials_store.FAILED_FILE).read_text())["reason"])


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


class Unknown(tf_keras.layers.Dense):
    """A user's layer that TF-MOT does not know, and that nobody has registered with Keras."""


@pytest.mark.parametrize("chain", [["qat"], ["prune", "cluster", "pcqat"]])
def test_what_a_rung_of_the_ladder_can_not_take_goes_to_the_next(
    chain: list[str], learned: Any, files: dict[str, list[str]], tmp_path: Path
) -> None:
    inputs = tf_keras.Input((12, 12, 1))
    features = tf_keras.layers.Dense(8, activation="relu", name="known")(tf_keras.layers.Flatten()(inputs))
    features = tf_keras.layers.ReLU()(Unknown(200, name="unknown")(features))
    features = Unknown(4, name="small")(features)  # the converter rounds no kernel of less than 1,024 weights
    features = tf_keras.layers.Dense(8, name="behind")(features)
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(3, name="logits")(features))
    made_ = bench(learned[0], learned[1], files, tmp_path / "rebuild")
    made_._tuned[benches._key([])].networks["main"] = model
    made_.attempt(parse_chain([{name: {"epochs": 1}} for name in chain]), tmp_path / "0")
    rows = {row["layer"]: row for row in trials_store.read(tmp_path / "0" / trials_store.MADE_FILE)["layers"]}
    rungs = {layer: row["rung"] for layer, row in rows.items()}
    annotated = {"known": "annotated", "logits": "annotated"}
    assert rungs == {**annotated, "unknown": "post-training", "small": "float", "behind": "float"}
    assert rows["unknown"]["bits"] == 8 and rows["small"]["bits"] == 32
    for name in ("unknown", "small"):
        assert rows[name]["skipped"][-1] == f"{chain[-1]}: TF-MOT's 8-bit scheme does not know Unknown"
        assert len(rows[name]["skipped"]) == len(chain)
    assert "what goes into it has no range" in rows["behind"]["skipped"][-1]


def test_an_operator_outside_the_builtin_set_is_named_and_a_custom_layer_left_alone(
    learned: Any, files: dict[str, list[str]], context: Context, tmp_path: Path
) -> None:
    inputs = tf_keras.Input((12, 12, 1))
    features = Odd(name="odd")(tf_keras.layers.Conv2D(4, 3, name="before")(inputs))
    features = tf_keras.layers.Dense(4, name="free")(tf_keras.layers.Flatten()(features))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(3, name="logits")(features))
    made_ = bench(learned[0], learned[1], files, tmp_path / "rebuild")
    made_._tuned[benches._key([])].networks["main"] = model
    assert "MatrixDeterminant" in reason(made_, [], tmp_path / "0")
    small = made({"structured": {"amount": 0.5, "importance": "l1", "epochs": 1}}, model, context)
    assert small.get_layer("before").output_shape[-1] == 4 and small.get_layer("free").output_shape[-1] == 2
    told = {one["layer"]: one["reason"] for one in context.skipped}
    assert told["before"] == "keeps all 4 channels: odd reads them, and what Odd does with channels is not known"
