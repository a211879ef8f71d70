"""Counting what a flatbuffer consists of, against networks whose figures are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tf_keras
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tf_keras import layers

from modelmill.components.compress.ptq.quantizer import Quantizer
from modelmill.components.compress.trials import measure
from modelmill.components.models.export import saved_model
from modelmill.components.models.flatbuffer import analyze, edit, interpreter, round_scales
from modelmill.components.testing.specs import make_spec


def lenet() -> tf_keras.Model:
    """LeNet-5 as it is usually written today: 61,706 parameters, 416,520 multiplications."""
    return tf_keras.Sequential(
        [
            layers.Input((32, 32, 1)),
            *(layers.Conv2D(6, 5, activation="relu"), layers.MaxPooling2D()),
            *(layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(), layers.Flatten()),
            *(layers.Dense(120, activation="relu"), layers.Dense(84, activation="relu"), layers.Dense(10)),
        ]
    )


def guide() -> tf_keras.Model:
    """The network of TF-MOT's pruning guide: 20,410 parameters."""
    convolution = layers.Conv2D(12, 3, activation="relu", name="first")
    return tf_keras.Sequential(
        [layers.Input((28, 28, 1)), convolution, layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, name="last")]
    )


def write(model: tf_keras.Model, path: Path, kind: str = "float32", noise: float = 0.01) -> Path:
    """The served model as a flatbuffer. Fresh biases are zero, and the converter drops those."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    model.set_weights([value + rng.normal(0, noise, value.shape) for value in model.get_weights()])
    shape = model.input_shape[1:]
    labels = tuple(map(str, range(model.output_shape[-1])))
    statistics = {"mean": (30.0,) * shape[-1], "stddev": (70.0,) * shape[-1]}
    converter = saved_model.converter(model, make_spec("image", shape, "uint8", labels, **statistics))
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize(("build", "parameters", "macs"), [(lenet, 61706, 416520), (guide, 20410, 73008 + 20280)])
def test_known_networks_have_the_figures_that_are_known(
    build: object, parameters: int, macs: int, tmp_path: Path
) -> None:
    found = analyze.read(write(build(), tmp_path / "model.tflite"))  # type: ignore[operator]
    assert found.parameters == parameters
    assert found.macs == macs


def test_a_quarter_mobilenet_has_its_paper_s_fourteen_million(tmp_path: Path) -> None:
    model = tf_keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None, classifier_activation=None)
    found = analyze.read(write(model, tmp_path / "model.tflite"))
    # Howard et al., 2017, table 8: 0.25 MobileNet-128 has 14 million multiplications, half a million parameters.
    assert round(found.macs / 1e6) == 14 and round(found.parameters / 1e5) == 5
    # Each normalisation is folded: of its four values a channel one is left.
    norms = sum(layer.count_params() // 4 for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    assert found.parameters == model.count_params() - 3 * norms
    assert {one.operator for one in found.kernels} == {"CONV_2D", "DEPTHWISE_CONV_2D"}


@pytest.mark.parametrize(("kind", "bits", "method"), [("float16", 16, "float16"), ("dynamic", 8, "int8 weights")])
def test_layers_are_told_by_name_with_what_they_became(kind: str, bits: int, method: str, tmp_path: Path) -> None:
    path = write(guide(), tmp_path / "model.tflite", kind)
    assert analyze.read(path).parameters == 20410
    skipped = [{"layer": "last", "method": "prune", "reason": "no"}]
    rows = {row["layer"]: row for row in measure.layers(path, ["first", "last"], skipped, [])}
    assert set(rows) == {"first", "last"}
    assert rows["last"]["bits"] == bits and rows["last"]["method"] == method
    assert rows["last"]["skipped"] == ["prune: no"] and rows["first"]["skipped"] == []
    assert rows["last"]["bytes"] == 20280 * bits // 8


def test_sizes_and_latencies_are_told_beside_the_float_model(tmp_path: Path) -> None:
    whole, small = write(guide(), tmp_path / "whole.tflite"), write(guide(), tmp_path / "small.tflite", "dynamic")
    found = measure.sizes(small)
    assert found["zstd_bytes"] < found["bytes"] and found["gzip_bytes"] < measure.sizes(whole)["gzip_bytes"] / 3
    # What lies in memory at one time is at least the largest result: 26 x 26 x 12 floats.
    assert found["arena_bytes"] >= 26 * 26 * 12 * 4
    timed = measure.latencies(small, whole, np.zeros((28, 28, 1), np.uint8))
    one = timed["latency"]["one_thread"]
    assert one["calls"] >= 200 and 0 < one["median"] <= one["p95"] <= one["p99"]
    assert one["ratio"] > 0 and timed["latency_ms"] == one["median"]
    same = interpreter.latencies_ms([interpreter.Flatbuffer(whole)], np.zeros((28, 28, 1), np.uint8))
    assert same[0]["ratio"] == 1


def test_weights_of_four_bits_are_unpacked() -> None:
    from ai_edge_litert import schema_py_generated as schema

    graph = SimpleNamespace(
        tensors=[SimpleNamespace(type=schema.TensorType.INT4, buffer=0, shape=[3])], inputs=[], operators=[]
    )
    model = SimpleNamespace(buffers=[SimpleNamespace(data=[0x1F, 0x07])])
    assert list(analyze._Graph(model, graph, schema).values(0)) == [-1, 1, 7]


@pytest.mark.parametrize("kind", ["float32", "dynamic"])
def test_a_slim_flatbuffer_answers_alike_and_still_tells_its_layers(kind: str, tmp_path: Path) -> None:
    whole, slim = write(guide(), tmp_path / "whole.tflite", kind), tmp_path / "slim.tflite"
    slim.write_bytes(edit.slim(whole.read_bytes(), ["first", "last"]))
    assert len(slim.read_bytes()) < len(whole.read_bytes()) - 500
    examples = list(np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), dtype=np.uint8))
    answers = [interpreter.Flatbuffer(path).predict_all(examples) for path in (whole, slim)]
    np.testing.assert_allclose(*answers, rtol=0, atol=0 if kind == "float32" else 0.01)
    rows = [measure.layers(path, ["first", "last"], [], []) for path in (whole, slim)]
    assert rows[0] == rows[1] and [row["layer"] for row in rows[1]] == ["first", "last"]
    signature = Interpreter(model_path=str(slim)).get_signature_list()
    assert signature == Interpreter(model_path=str(whole)).get_signature_list() != {}
    slim.write_bytes(edit.slim(whole.read_bytes(), ["first"]))  # what belongs to no layer keeps a name, too
    rows = [measure.layers(path, ["first"], [], []) for path in (whole, slim)]
    assert [row["layer"] for row in rows[1]] == [row["layer"] for row in rows[0]] and rows[1][-1]["layer"]


def test_large_constants_that_lie_behind_the_flatbuffer_are_kept(tmp_path: Path) -> None:
    hidden = layers.Dense(400, activation="relu", name="hidden")
    model = tf_keras.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), hidden, layers.Dense(4, name="last")])
    examples = list(np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), dtype=np.uint8))
    # From 256 KiB of them on litert-quantizer writes constants behind the end of the flatbuffer proper.
    content = Quantizer(write(model, tmp_path / "float.tflite").read_bytes(), examples).quantize("int8_weights")
    assert any(buffer.offset > 1 for buffer in schema.ModelT.InitFromPackedBuf(content, 0).buffers)
    paths = [tmp_path / "whole.tflite", tmp_path / "slim.tflite"]
    paths[0].write_bytes(content)
    paths[1].write_bytes(edit.slim(content, ["hidden", "last"]))
    whole, slim = (interpreter.Flatbuffer(path).predict_all(examples) for path in paths)
    np.testing.assert_allclose(whole, slim, rtol=0, atol=0.01)
    rows = [measure.layers(path, ["hidden", "last"], [], []) for path in paths]
    assert rows[0] == rows[1] and [row["bits"] for row in rows[0]] == [8, 8]
    assert len(paths[1].read_bytes()) < len(content)


def test_equal_numbers_are_kept_once(tmp_path: Path) -> None:
    hidden = (layers.Dense(32, activation="relu", name=name) for name in "ab")
    model = tf_keras.Sequential([layers.Input((4, 8, 1)), layers.Flatten(), *hidden, layers.Dense(4)])
    content = write(model, tmp_path / "apart.tflite", "dynamic").read_bytes()
    apart = edit.slim(content, "ab")
    assert len(apart) < len(content) - 8 * 32  # zero points of so many channels are there once
    model.get_layer("b").set_weights(model.get_layer("a").get_weights())
    path = write(model, tmp_path / "twins.tflite", "dynamic", noise=0)
    twins = edit.slim(path.read_bytes(), "ab")
    # 1,024 weights of eight bits, and of each channel a scale and a bias.
    assert len(twins) <= len(apart) - 1024 - 2 * 4 * 32
    slim = tmp_path / "slim.tflite"
    slim.write_bytes(twins)
    examples = list(np.random.default_rng(0).integers(0, 256, (3, 4, 8, 1), dtype=np.uint8))
    answers = [interpreter.Flatbuffer(one).predict_all(examples) for one in (path, slim)]
    np.testing.assert_allclose(*answers, rtol=0, atol=0.01)


def test_only_what_goes_with_integer_weights_is_shortened(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    content = write(guide(), tmp_path / "model.tflite", "dynamic").read_bytes()
    before, after = (
        schema.ModelT.InitFromPackedBuf(one, 0) for one in (content, edit.slim(content, ["first", "last"]))
    )
    # The convolution's kernel is too small for the converter, so it stays float32, and its bias as it is.
    *_, (_, kernel, bias) = (operator.inputs for operator in before.subgraphs[0].operators if len(operator.inputs) == 3)
    for place, (one, other) in enumerate(zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True)):
        old, new = (model.buffers[tensor.buffer].data for model, tensor in ((before, one), (after, other)))
        if place == bias:
            short = round_scales.rounded(np.asarray(old, np.uint8).view(np.float32))
            np.testing.assert_array_equal(np.asarray(new, np.uint8).view(np.float32), short)
        elif old is not None and len(old):
            assert bytes(new) == bytes(old)
        if place == kernel:
            np.testing.assert_array_equal(other.quantization.scale, round_scales.rounded(one.quantization.scale))


def test_what_goes_with_integer_weights_has_twelve_significant_bits() -> None:
    rng = np.random.default_rng(0)
    floats = rng.normal(size=1000).astype(np.float32) * np.float32(10) ** rng.integers(-20, 20, 1000).astype(np.float32)
    whole = rng.integers(-(2**30), 2**30, 1000).astype(np.int32) >> rng.integers(0, 30, 1000).astype(np.int32)
    for values in (floats, whole):
        short = round_scales.rounded(values)
        there = values != 0
        assert short.dtype == values.dtype and np.abs(short[there] / values[there] - 1).max() <= 2**-12
        np.testing.assert_array_equal(round_scales.rounded(short), short)
    assert not np.any(round_scales.rounded(floats).view(np.uint32) & 0xFFF)
    exact = np.arange(-4096, 4097, 2, dtype=np.int32)
    np.testing.assert_array_equal(round_scales.rounded(exact), exact)
    odd = np.array([np.inf, -np.inf, np.nan, 0, np.finfo(np.float32).max], np.float32)
    np.testing.assert_array_equal(round_scales.rounded(odd), odd)
