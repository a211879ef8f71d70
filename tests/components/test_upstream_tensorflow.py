"""TensorFlow, Transform, Model Optimization, flatbuffers: what they lack, and what components/upstream gives."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tensorflow_transform as tft
import tf_keras
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tensorflow.core.protobuf import saved_model_pb2

from modelmill.components.upstream import (
    flatbuffers_internals,
    guard,
    tensorflow_internals,
    tfmot_internals,
    tft_internals,
)


def converter(function: Any, shape: list[int]) -> tf.lite.TFLiteConverter:
    traced = tf.function(function, [tf.TensorSpec(shape, tf.float32)]).get_concrete_function()
    made = tf.lite.TFLiteConverter.from_concrete_functions([traced], tf.Module())
    made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return made


def test_the_error_of_the_converter_has_no_public_name_and_names_the_operator() -> None:
    assert not hasattr(tf.lite, "ConverterError")
    with pytest.raises(tensorflow_internals.converter_error()) as caught:
        converter(tf.linalg.inv, [2, 2]).convert()
    assert tensorflow_internals.operators(caught.value) == ["tf.MatrixInverse"]


@pytest.mark.parametrize(("wanted", "scales"), [(False, 3), (True, 1)])
def test_one_scale_for_a_dense_layer_takes_a_private_setting(wanted: bool, scales: int) -> None:
    made = converter(lambda one: one @ tf.constant([[1.0, 10.0, 100.0], [1.0, -10.0, 50.0]]), [1, 2])
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made.representative_dataset = lambda: iter([[np.array([[1.0, 2.0]], np.float32)]])
    assert not [name for name in dir(made) if "per_channel" in name and not name.startswith("_")]
    tensorflow_internals.per_tensor_dense(made, wanted)
    interpreter = Interpreter(model_content=made.convert())
    interpreter.allocate_tensors()
    (weights,) = (one for one in interpreter.get_tensor_details() if sorted(one["shape"]) == [2, 3])
    assert len(set(weights["quantization_parameters"]["scales"])) == scales


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A layer of Transform with a table."""
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    folder = tmp_path_factory.mktemp("transform")
    schema = schema_utils.schema_from_feature_spec({"word": tf.io.FixedLenFeature([], tf.string)})
    metadata = dataset_metadata.DatasetMetadata(schema)

    def preprocess(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"number": tft.compute_and_apply_vocabulary(inputs["word"])}

    with tft_beam.Context(str(folder / "temporary")):
        rows = [{"word": "a"}, {"word": "b"}, {"word": "b"}]
        (_, transform) = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocess)
        _ = transform | tft_beam.WriteTransformFn(str(folder / "graph"))
    return tft.TFTransformOutput(str(folder / "graph")).transform_features_layer()


def saved(layer: Any, resources: Any, folder: Path) -> SimpleNamespace:
    """A SavedModel that holds `resources`: what it answers, and how many functions are in it."""
    module = tf.Module()
    module.transform = resources

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def number(words: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": layer({"word": words})["number"]}

    tf.saved_model.save(module, str(folder), {"number": number})
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    answer = tf.saved_model.load(str(folder)).signatures["number"](words=tf.constant(["b", "a"]))
    return SimpleNamespace(functions=len(graph.library.function), answer=answer["number"].numpy().tolist())


def test_a_saved_transform_holds_no_calls_of_its_layer(
    layer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean = saved(layer, tft_internals.resources(layer), tmp_path / "lean")
    monkeypatch.setattr(guard, "installed", lambda distribution: "1.99.0")
    whole = saved(layer, tft_internals.resources(layer), tmp_path / "whole")
    assert lean.answer == whole.answer == [0, 1]
    assert whole.functions > lean.functions + 1, "Keras saves no calls of layers"


class Doubled(tf_keras.layers.Layer):
    """TF-MOT does not know it, and it has no weights."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * 2


class Weighted(tf_keras.layers.Layer):
    """TF-MOT does not know it either."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight("kernel", (2, 2))


def test_which_layers_tfmot_knows_has_no_public_name() -> None:
    assert not hasattr(tfmot.sparsity.keras, "PruneRegistry")
    assert not hasattr(tfmot.clustering.keras, "ClusteringRegistry")
    known, unknown = tf_keras.layers.Dense(1), Weighted()
    unknown.build((None, 2))
    assert tfmot_internals.can_prune(known) and not tfmot_internals.can_prune(unknown)
    assert tfmot_internals.can_cluster(known) and not tfmot_internals.can_cluster(unknown)


@pytest.mark.parametrize(
    "scheme",
    [
        tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme(),
        tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True),
    ],
)
def test_a_preserving_scheme_claims_what_it_can_not_quantize(scheme: Any) -> None:
    assert scheme.get_quantize_registry().supports(Doubled()), "it no longer does"
    honest = tfmot_internals.honest(scheme).get_quantize_registry()
    dense = tf_keras.layers.Dense(1)
    dense.build((None, 2))
    assert honest.supports(dense) and honest.supports(tf_keras.layers.ReLU()) and not honest.supports(Doubled())
    model = tf_keras.Sequential([tf_keras.Input((2,)), tf_keras.layers.Dense(2, activation="relu")])
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    assert tfmot.quantization.keras.quantize_apply(annotated, tfmot_internals.honest(scheme)).count_params() > 6


def flatbuffer_model() -> Any:
    """Two constants of odd lengths, two tensors with the same zero points."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, graph.tensors = 3, [graph], [schema.BufferT()], []
    for number in (1, 2):
        buffer, tensor = schema.BufferT(), schema.TensorT()
        buffer.data = np.arange(12 * number + 1, dtype=np.uint8)
        model.buffers.append(buffer)
        tensor.buffer, tensor.shape, tensor.name = number, np.array([1], np.int32), b"tensor"
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.zeroPoint = np.zeros(100, np.int64)
        graph.tensors.append(tensor)
    return model


def misplaced(content: bytes) -> list[int]:
    """How far each constant begins behind an address that readers take it from."""
    whole = np.frombuffer(content, np.uint8)
    buffers = schema.Model.GetRootAs(content, 0)
    found = [buffers.Buffers(number).DataAsNumpy() for number in (1, 2)]
    start = whole.__array_interface__["data"][0]
    return [(one.__array_interface__["data"][0] - start) % flatbuffers_internals.ALIGNMENT for one in found]


def test_flatbuffers_neither_aligns_constants_nor_writes_equal_vectors_once() -> None:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(flatbuffer_model().Pack(builder), file_identifier=b"TFL3")
    plain, packed = bytes(builder.Output()), flatbuffers_internals.pack(flatbuffer_model(), b"TFL3")
    assert any(misplaced(plain)), "it aligns them by itself"
    assert misplaced(packed) == [0, 0]
    assert len(packed) < len(plain) - 700, "a vector of zero points, 800 bytes, is there once"
    read = schema.ModelT.InitFromPackedBuf(packed, 0)
    assert [list(one.data) for one in read.buffers[1:]] == [list(range(13)), list(range(25))]
    assert [one.quantization.zeroPoint.tolist() for one in read.subgraphs[0].tensors] == [[0] * 100] * 2


@pytest.mark.parametrize(
    "use",
    [
        tensorflow_internals.converter_error,
        lambda: tensorflow_internals.per_tensor_dense(None, True),
        lambda: tfmot_internals.can_prune(tf_keras.layers.Dense(1)),
        lambda: tfmot_internals.can_cluster(tf_keras.layers.Dense(1)),
        lambda: tfmot_internals.honest(None),
        lambda: flatbuffers_internals.pack(None, b"TFL3"),
    ],
)
def test_untested_versions_are_refused(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: "99.0")
    with pytest.raises(guard.UpstreamVersionError, match=r"99\.0"):
        use()
