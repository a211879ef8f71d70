"""Transfer: trained weights from files get into the model, get the pixels they know, and beat beginning anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from pydantic import ValidationError

from modelmill.components.models import family, networks
from modelmill.components.models.export import model_store
from modelmill.components.models.families import transfer
from modelmill.components.models.families.transfer import NETWORKS, TransferConfig
from modelmill.components.models.training import layer_rates
from modelmill.components.testing.specs import make_spec
from modelmill.data.spec import Spec

MEAN, STDDEV = (120.0, 100.0, 80.0), (60.0, 50.0, 40.0)


def begun(config: Any, about: Spec) -> tf_keras.Model:
    """The network, with the weights to begin with."""
    return networks.only(family.begin(config, about))


def spec(side: int = 32, channels: int = 3) -> Spec:
    statistics = {"mean": MEAN[:channels], "stddev": STDDEV[:channels]}
    return make_spec("image", (side, side, channels), "uint8", ("a", "b", "c"), **statistics)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)


def features(model: tf_keras.Model) -> tf_keras.Model:
    return tf_keras.Model(model.inputs, model.get_layer("features").output)


def test_every_network_is_one_of_keras_and_gets_what_keras_would_give_it(images: np.ndarray) -> None:
    offered = {name for name in dir(tf_keras.applications) if callable(getattr(tf_keras.applications, name))}
    assert set(NETWORKS) <= offered
    normal = (images - MEAN) / STDDEV
    for network, module in (("VGG16", "vgg16"), ("MobileNetV2", "mobilenet_v2"), ("DenseNet121", "densenet")):
        config = TransferConfig(network=network, weights="none")
        layer = transfer._pixels(config, spec(), tf_keras.Sequential([tf_keras.Input((32, 32, 3))]))
        wanted = getattr(tf_keras.applications, module).preprocess_input(images.copy())
        np.testing.assert_allclose(layer(normal.astype(np.float32)), wanted, atol=1e-3)


@pytest.fixture(scope="module")
def mobile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small MobileNetV2, as Keras saves them."""
    tf_keras.utils.set_random_seed(7)
    network = tf_keras.applications.MobileNetV2(input_shape=(32, 32, 3), include_top=False, weights=None, alpha=0.35)
    network.set_weights(
        [np.abs(one) + 0.01 * np.random.default_rng(1).random(one.shape) for one in network.get_weights()]
    )
    folder = tmp_path_factory.mktemp("weights")
    network.save_weights(folder / "mobile.h5")
    network.save_weights(folder / "mobile.weights.h5")
    network.save(folder / "mobile.keras")
    return folder


@pytest.mark.parametrize("name", ["mobile.h5", "mobile.weights.h5"])
def test_weights_of_a_file_give_the_networks_own_features(mobile: Path, images: np.ndarray, name: str) -> None:
    config = TransferConfig(network="MobileNetV2", alpha=0.35, weights=str(mobile / name), cut="block_3_expand_relu")
    model = begun(config, spec())
    network = tf_keras.models.load_model(mobile / "mobile.keras")
    cut = tf_keras.Model(network.inputs, network.get_layer("block_3_expand_relu").output)
    wanted = tf.reduce_mean(cut(tf_keras.applications.mobilenet_v2.preprocess_input(images.copy())), axis=[1, 2])
    found = features(model)(((images - MEAN) / STDDEV).astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


def test_a_file_of_keras_is_cut_and_rebuilt_without_the_file(mobile: Path, images: np.ndarray, tmp_path: Path) -> None:
    given = TransferConfig(file=str(mobile / "mobile.keras"), pixels="symmetric", cut="block_2_add")
    assert given.files() == {"file": str(mobile / "mobile.keras")}
    config = family.settle(given)
    model = begun(config, spec())
    model_store.save(tmp_path, model_store.Stored(config, spec(), {}, "supervised", 8), model)
    gone = config.model_copy(update={"file": "/gone/mobile.keras"})
    assert [one.shape for one in family.build(gone, spec()).get_weights()] == [w.shape for w in model.get_weights()]
    _, again = model_store.load(tmp_path)
    np.testing.assert_array_equal(again(images), model(images))
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        assert family.build(gone, spec()).get_layer("base_Conv1").compute_dtype == "bfloat16"
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
    anew = begun(config.model_copy(update={"weights": "none"}), spec())
    assert np.any(features(anew)(images) != features(model)(images))


def test_the_download_is_keras_own(mobile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tf_keras.src.applications import mobilenet_v2

    folder = tmp_path / "server"
    folder.mkdir()
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    (folder / name).write_bytes((mobile / "mobile.h5").read_bytes())
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", f"file://{folder}/")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    downloaded = begun(TransferConfig(network="MobileNetV2", alpha=0.35, cut="block_1_project_BN"), spec())
    given = TransferConfig(
        network="MobileNetV2", alpha=0.35, cut="block_1_project_BN", weights=str(mobile / "mobile.h5")
    )
    inputs = np.ones((1, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(features(downloaded)(inputs), features(begun(given, spec()))(inputs))


def test_grey_images_are_three_equal_channels_to_a_network_of_colour(mobile: Path) -> None:
    config = TransferConfig(
        network="MobileNetV2", alpha=0.35, weights=str(mobile / "mobile.h5"), cut="block_1_project_BN"
    )
    grey = features(begun(config, spec(channels=1)))
    colour = features(begun(config, spec()))
    values = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.float32)
    found = grey((values - MEAN[0]) / STDDEV[0])
    np.testing.assert_allclose(found, colour((np.repeat(values, 3, axis=3) - MEAN) / STDDEV), rtol=1e-3, atol=1e-4)


def test_what_is_frozen_and_what_is_thawed(mobile: Path) -> None:
    weights = str(mobile / "mobile.h5")
    config = TransferConfig(
        network="MobileNetV2",
        alpha=0.35,
        weights=weights,
        cut="block_3_expand_relu",
        unfreeze={"layers": 2, "after": 1},
    )
    model = begun(config, spec())
    rate_factors = family.factors(config)
    assert rate_factors
    before, after = (dict(zip(names(model), rate_factors(model, epoch), strict=True)) for epoch in (0, 1))
    assert {name for name, factor in before.items() if name.startswith("base_") and factor} == set()
    assert before["logits"] == after["logits"] == 1
    assert {name: f for name, f in after.items() if name.startswith("base_") and f} == {
        "base_block_2_project": 0.1,
        "base_block_3_expand": 0.1,
    }
    planned = layer_rates.plan({"main": model}, rate_factors, 3)
    assert [phase.epochs for phase in planned] == [range(1), range(1, 3)]
    layer_rates.enter({"main": model}, planned[1])
    statistics = model.get_layer("base_bn_Conv1").moving_mean.numpy()
    model(np.ones((2, 32, 32, 3), np.float32), training=True)
    np.testing.assert_array_equal(model.get_layer("base_bn_Conv1").moving_mean.numpy(), statistics)
    anew = TransferConfig(network="MobileNetV2", alpha=0.35, weights="none")
    from_scratch = family.factors(anew)
    assert from_scratch and set(from_scratch(model, 0)) == {1.0}


def names(model: tf_keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either network or file"),
        ({"network": "MobilNetV2"}, "did you mean 'MobileNetV2'"),
        ({"network": "VGG16", "file": "x.keras"}, "either network or file"),
        ({"file": "x.keras"}, "pixels must be given with a file"),
        ({"file": "x.keras", "pixels": "unit", "weights": "imagenet"}, "a file has its own weights"),
        ({"network": "VGG16", "alpha": 0.5}, "alpha belongs to MobileNet"),
        ({"network": "VGG16", "weights": "none", "unfreeze": {"layers": 2}}, "unfreeze belongs to a trained network"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TransferConfig.model_validate(settings)


def test_a_file_that_does_not_fit_or_holds_code_is_refused(mobile: Path, tmp_path: Path) -> None:
    wrong = TransferConfig(
        network="MobileNetV2", alpha=0.5, weights=str(mobile / "mobile.h5"), cut="block_1_project_BN"
    )
    with pytest.raises(ValueError, match=r"model.weights: .*mobile.h5: layer .* has weights of shapes"):
        begun(wrong, spec())
    with pytest.raises(ValueError, match=r"model.cut: unknown layer 'block_1_projct_BN'.*did you mean"):
        begun(wrong.model_copy(update={"cut": "block_1_projct_BN"}), spec())
    with pytest.raises(ValueError, match=r"can't take images of 16 x 16 \(data.height, data.width\)"):
        begun(TransferConfig(network="VGG16", weights="none"), spec(side=16))
    evil = tf_keras.Sequential([tf_keras.Input((8, 8, 3)), tf_keras.layers.Lambda(lambda one: one * 2)])
    for suffix in ("keras", "h5"):
        evil.save(tmp_path / f"evil.{suffix}")
        with pytest.raises(ValueError, match=f"model.file: .*evil.{suffix}: not a model that can be read safely"):
            family.settle(TransferConfig(file=str(tmp_path / f"evil.{suffix}"), pixels="unit"))
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(ValueError, match="not the weights of a MobileNetV2"):
        begun(wrong.model_copy(update={"weights": str(tmp_path / "text.h5")}), spec())
