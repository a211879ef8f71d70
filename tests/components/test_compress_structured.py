"""Structured pruning: which channels belong together, and that what is left computes what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tf_keras
from tf_keras import layers

from modelmill.components.compress.methods import structured
from modelmill.components.compress.rewrites import channel_importance, prune_channels
from modelmill.components.compress.rewrites.channel_groups import Channels


def residual() -> tf_keras.Model:
    """Two branches that are added, with batch normalisation, a shortcut, and squeeze and excitation."""
    inputs = tf_keras.Input((8, 8, 3))
    first = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="stem")(inputs)))
    inner = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same", name="inner")(first)))
    outer = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="outer")(inner))
    gate = layers.Dense(4, activation="relu", name="squeeze")(layers.GlobalAveragePooling2D()(outer))
    gate = layers.Reshape((1, 1, 8))(layers.Dense(8, activation="sigmoid", name="excite")(gate))
    added = layers.ReLU()(layers.Add()([first, layers.Multiply()([outer, gate])]))
    flat = layers.Flatten()(layers.MaxPooling2D()(added))
    return tf_keras.Model(inputs, layers.Dense(5, name="logits")(flat))


def inception() -> tf_keras.Model:
    """Branches that are laid side by side, depthwise and separable convolutions, and a transposed one."""
    inputs = tf_keras.Input((8, 8, 2))
    one = layers.Conv2D(4, 1, activation="relu", name="one")(inputs)
    other = layers.Conv2D(6, 3, padding="same", activation="relu", name="other")(inputs)
    both = layers.DepthwiseConv2D(3, padding="same")(layers.Concatenate()([one, other]))
    apart = layers.SeparableConv2D(7, 3, padding="same", activation="relu", name="separable")(both)
    larger = layers.Conv2DTranspose(5, 2, strides=2, activation="relu", name="larger")(apart)
    joined = layers.Concatenate()([layers.GlobalMaxPooling2D()(larger), layers.Flatten()(one)])
    return tf_keras.Model(inputs, layers.Dense(3, name="logits")(joined))


def recurrent() -> tf_keras.Model:
    inputs = tf_keras.Input((6,), dtype="int32")
    features = layers.Embedding(20, 8, name="embedding")(inputs)
    features = layers.LayerNormalization()(layers.LSTM(6, return_sequences=True, name="lstm")(features))
    features = layers.Conv1D(5, 2, activation="relu", name="conv")(features)
    return tf_keras.Model(inputs, layers.Dense(3, name="logits")(layers.GRU(4, name="gru")(features)))


@pytest.mark.parametrize("build", [residual, inception])
def test_channels_that_are_always_zero_can_go_and_nothing_changes(build: Callable[[], tf_keras.Model]) -> None:
    model = build()
    rng = np.random.default_rng(0)
    channels = Channels(model)
    keep = {}
    for number, space in channels.spaces().items():
        if space.fixed or not space.makers or any(layer.name == "excite" for layer in space.makers[:1]):
            continue
        mask = np.ones(space.size, bool)
        mask[rng.choice(space.size, space.size // 2, replace=False)] = False
        keep[number] = mask
        for layer in space.makers:
            if layer.name == "excite":
                continue  # it multiplies; what it multiplies is zero
            values = layer.get_weights()
            kernel = values[0] if layer.name != "separable" else values[1]
            (np.swapaxes(kernel, -1, -2) if layer.name == "larger" else kernel)[..., ~mask] = 0
            layer.set_weights(values)
    small = prune_channels.remove(model, channels, keep)
    assert small.count_params() < 0.7 * model.count_params()
    if build is residual:  # stem, outer and the gate are one space: they are added and multiplied
        assert {small.get_layer(name).output_shape[-1] for name in ("stem", "outer", "excite")} == {4}
    images = rng.normal(size=(3, 8, 8, model.input_shape[-1])).astype(np.float32)
    np.testing.assert_allclose(small(images), model(images), atol=1e-5)


def test_recurrent_layers_and_embeddings_lose_units_too() -> None:
    model = recurrent()
    channels = Channels(model)
    scored = {
        number: channel_importance.l1(one) for number, one in channels.spaces().items() if one.makers and not one.fixed
    }
    small = prune_channels.remove(model, channels, structured.choose(scored, 0.5, structured.StructuredConfig()))
    widths = {name: small.get_layer(name).output_shape[-1] for name in ("embedding", "lstm", "conv", "gru", "logits")}
    assert widths == {"embedding": 4, "lstm": 3, "conv": 3, "gru": 2, "logits": 3}
    # An LSTM's gates lose the same units: the first kernel is that of the units that were kept.
    kept = structured.choose(scored, 0.5, structured.StructuredConfig())
    lstm = channels.kept(channels.writes["lstm"], kept)
    read = channels.kept(channels.reads["lstm"][0], kept)
    kernel = model.get_layer("lstm").get_weights()[0].reshape(8, 4, 6)[read][:, :, lstm].reshape(4, 12)
    np.testing.assert_array_equal(small.get_layer("lstm").get_weights()[0], kernel)
    assert small(np.ones((2, 6), np.int32)).shape == (2, 3)


class Mixer(layers.Layer):
    """A layer of a user."""

    def call(self, inputs: Any) -> Any:
        return inputs[..., ::-1]


def test_an_unknown_layer_a_shared_one_and_the_ends_keep_their_channels_and_say_why() -> None:
    inputs = tf_keras.Input((4, 4, 3))
    shared = layers.Conv2D(6, 3, padding="same", name="shared")
    features = layers.Conv2D(6, 1, name="before")(inputs)
    features = shared(shared(features))
    features = Mixer(name="mixer")(layers.Conv2D(7, 1, name="mixed")(features))
    features = layers.Conv2D(5, 1, name="free")(layers.ReLU()(features))
    model = tf_keras.Model(inputs, layers.Dense(2, name="logits")(layers.Flatten()(features)))
    channels = Channels(model)
    why = {layer.name: one.fixed for one in channels.spaces().values() for layer in one.makers}
    assert "shared is called more than once" in why["before"]
    assert why["mixed"] == "mixer reads them, and what Mixer does with channels is not known"
    assert why["logits"] == "it is the model's output"
    assert why["free"] == ""
    number = next(n for n, one in channels.spaces().items() if one.makers and one.makers[0].name == "free")
    small = prune_channels.remove(model, channels, {number: np.array([True, False, True, False, True])})
    assert small.get_layer("free").output_shape[-1] == 3
    assert small.get_layer("shared").get_weights()[0].shape == (3, 3, 6, 6)


def test_unequal_scopes_and_roundings() -> None:
    scored = {0: np.array([1.0, 9, 8, 7]), 1: np.array([1.0, 1, 1, 1, 1, 1, 1, 1])}
    every = structured.choose(scored, 0.5, structured.StructuredConfig(amount=0.5))
    assert [list(every[0]), int(every[1].sum())] == [[False, True, True, False], 4]
    whole = structured.choose(scored, 0.25, structured.StructuredConfig(amount=0.25, scope="model"))
    assert not whole[0][0] and whole[0][1:].all()
    rounded = structured.choose(scored, 0.7, structured.StructuredConfig(amount=0.7, multiple=4))
    assert [int(one.sum()) for one in rounded.values()] == [4, 4]
    assert int(structured.choose(scored, 0.99, structured.StructuredConfig(amount=0.99, least=3))[0].sum()) == 3


def test_taylor_finds_the_channel_on_which_the_answer_depends() -> None:
    inputs = tf_keras.Input((2,))
    hidden = layers.Dense(4, use_bias=False, name="hidden")
    model = tf_keras.Model(inputs, layers.Dense(1, use_bias=False, name="answer")(hidden(inputs)))
    kernel = np.array([[9.0, 1, 9, 9], [9, 1, 9, 9]], np.float32)
    model.set_weights([kernel, np.array([[0.0], [5.0], [0.0], [0.01]], np.float32)])
    (space,) = [one for one in Channels(model).spaces().values() if one.makers and not one.fixed]
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensors((np.ones((8, 2), np.float32), np.zeros((8, 1), np.float32)))
    loss = tf_keras.losses.mean_squared_error
    scores = channel_importance.taylor(model, rows, lambda model, inputs, targets: loss(targets, model(inputs)))(space)
    assert scores.argmax() == 1 and scores[0] == 0
    # L1 sees the weights alone, and would keep the others.
    assert channel_importance.l1(space).argmin() == 1
    assert channel_importance.batch_norm(space) is None
