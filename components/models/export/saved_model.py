"""The two forms in which a model is served: a SavedModel that takes raw files, a flatbuffer that takes numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from modelmill.components.models.blocks import audio_frontend
from modelmill.components.models.export import flatbuffer_converter, stateless_rnn
from modelmill.components.models.flatbuffer import edit
from modelmill.components.models.flatbuffer.signatures import SERVING
from modelmill.components.upstream import tft_internals
from modelmill.data import modality, task
from modelmill.data.spec import LABEL, Spec

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras


def served(model: tf_keras.Model, spec: Spec, batch: int | None = None) -> tf_keras.Model:
    """The model between its input as a device has it and its answer.

    Args:
      model: float32 [batch, *shape], normalised, to what the task learns, such as logits [batch, classes].
      spec: of the examples.
      batch: fixed batch size, None for any.

    Returns:
      A model of spec.input [batch, *shape] to the task's answer float32 [batch, len(spec.labels)].
    """
    import tf_keras

    inputs = tf_keras.Input(spec.input.shape, batch_size=batch, dtype=spec.input.dtype, name="inputs")
    normalised = modality.normalise(inputs, spec)
    return tf_keras.Model(inputs, task.look_up(spec.task).postprocess(model(normalised), normalised, spec))


def converter(
    model: tf_keras.Model,
    spec: Spec,
    unrolled: bool = False,
    more: Mapping[str, Any] = MappingProxyType({}),
    variables: Sequence[tf.Variable] = (),
) -> tf.lite.TFLiteConverter:
    """Return a converter of the served model: one example at a time, builtin ops only, no quantization yet.

    What it quantizes, if it is told to, is what stands behind the front-end of a model that has one.

    Args:
      model: the bare one.
      spec: of the examples.
      unrolled: recurrent layers without loops, in whose bodies ranges of activations can't be found.
      more: further signatures, tf.functions of a batch of one, by their names; they share the weights.
      variables: of theirs, those that the model does not have.

    Raises:
      ValueError: a model with a front-end can't have further signatures.
    """
    front, rest = audio_frontend.split(model)
    if front is None:
        whole = served(stateless_rnn.stateless(model, unrolled), spec, batch=1)
        return _converter(whole, more, variables)
    if more:
        raise ValueError(f"a model with a {audio_frontend.NAME} can't have the signatures {', '.join(more)}")
    return _Behind(front, rest, spec)


def _converter(
    model: tf_keras.Model, more: Mapping[str, Any] = MappingProxyType({}), variables: Sequence[tf.Variable] = ()
) -> tf.lite.TFLiteConverter:
    import tensorflow as tf

    given = [tf.TensorSpec(one.shape, one.dtype, one.name) for one in model.inputs]
    function = tf.function(lambda inputs: model(inputs, training=False), given)
    return flatbuffer_converter.converter({SERVING: function, **more}, [*model.variables, *variables])


class _Behind(flatbuffer_converter.Delegate):
    """A TFLiteConverter of what is behind a front-end; `convert` puts the front-end, as float32, before it."""

    def __init__(self, front: tf_keras.Model, rest: tf_keras.Model, spec: Spec) -> None:
        import tf_keras

        waves = tf_keras.Input(spec.input.shape, batch_size=1, dtype=spec.input.dtype, name="inputs")
        features = tf_keras.Input(front.output_shape[1:], batch_size=1, name="features")
        answer = task.look_up(spec.task).postprocess(rest(features), features, spec)
        self.__dict__["_front"] = tf_keras.Model(waves, front(modality.normalise(waves, spec)))
        super().__init__(_converter(tf_keras.Model(features, answer)))

    def convert(self) -> bytes:
        """As TFLiteConverter's. The representative examples are those of the whole model."""
        given, front = self._made.representative_dataset, self._front
        if given is not None:
            self._made.representative_dataset = lambda: ([front(example)] for (example,) in given())
        return edit.chain(_converter(front).convert(), self._made.convert(), audio_frontend.NAME)


def export(
    model: tf_keras.Model,
    spec: Spec,
    transform_graph: str,
    folder: Path,
    more: Mapping[str, Any] = MappingProxyType({}),
    variables: Sequence[tf.Variable] = (),
) -> None:
    """Write the SavedModel. The graph of Transform is in it: what is served is what was trained on.

    Signatures:
      serving_default: raw files, string [batch] -> the answer float32 [batch, len(spec.labels)], such as probabilities,
        and what else the task serves, such as label string [batch].
      evaluate: serialized raw tf.Examples, string [batch] -> the answer.
      transform_features: serialized raw tf.Examples -> label, as the task has it.
      preprocess: raw files -> inputs of spec.input [batch, *shape], what the flatbuffer takes.
      record: serialized raw tf.Examples -> answer, label and inputs together, for one pass of Transform's graph.
      And those of `more`, which the family adds; `variables` are theirs, those that the model does not have.

    Raises:
      ValueError: one of `more` has the name of one of these.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    kind, asked = modality.look_up(spec.modality), task.look_up(spec.task)
    output = tft.TFTransformOutput(transform_graph)
    raw_features = output.raw_feature_spec()
    strings = tf.TensorSpec([None], tf.string, name=kind.INPUT)
    serialized = tf.TensorSpec([None], tf.string, name="examples")

    whole = served(model, spec)
    module = flatbuffer_converter.holder([*whole.variables, *variables])
    layer = output.transform_features_layer()
    module.transform = tft_internals.resources(layer)

    @tf.autograph.experimental.do_not_convert  # there is nothing to convert in it, and looking takes seconds
    def transform(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        transformed: dict[str, tf.Tensor] = layer(features)
        return transformed

    def inputs(features: dict[str, tf.Tensor]) -> tf.Tensor:
        return modality.finish(kind.from_transformed(transform(features), spec), spec)

    @tf.function(input_signature=[strings])
    def serving_default(raw: tf.Tensor) -> dict[str, tf.Tensor]:
        return asked.signature_outputs(whole(inputs({kind.INPUT: raw[:, tf.newaxis]}), training=False), spec)

    @tf.function(input_signature=[serialized])
    def record(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        transformed = transform(tf.io.parse_example(examples, raw_features))
        made = modality.finish(kind.from_transformed(transformed, spec), spec)
        return {"answer": whole(made, training=False), LABEL: asked.label(transformed, spec), "inputs": made}

    @tf.function(input_signature=[serialized])
    def evaluate(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {kind.INPUT: raw_features[kind.INPUT]})
        return {asked.ANSWER: whole(inputs(parsed), training=False)}

    @tf.function(input_signature=[serialized])
    def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {LABEL: record(examples)[LABEL]}  # traced once: what of `record` is not asked for is pruned

    @tf.function(input_signature=[strings])
    def preprocess(raw: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"inputs": inputs({kind.INPUT: raw[:, tf.newaxis]})}

    signatures = {
        "serving_default": serving_default,
        "evaluate": evaluate,
        "transform_features": transform_features,
        "preprocess": preprocess,
        "record": record,
    }
    if taken := sorted(signatures.keys() & more.keys()):
        raise ValueError(f"the family's signatures {', '.join(taken)} have names of modelmill's own; give them others")
    signatures |= more
    tf.saved_model.save(module, str(folder), signatures)
