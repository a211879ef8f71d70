"""A trained network, or a part of it, under a new head (Yosinski et al., 2014).

First the head learns while the network is frozen; then, if asked for, the network's top layers learn too, at a lower
rate. Its batch normalisations keep their averages throughout: those of a few hundred images would be worse.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.components.models import family
from modelmill.components.models.networks import MAIN, Networks
from modelmill.components.models.pretrained import keras_files
from modelmill.data.core import plugins
from modelmill.data.core.config import Strict
from modelmill.data.core.fetch import resolve
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras

IMAGENET, NONE = "imagenet", "none"
# Of the names of the network's layers, so that none is the name of another.
_PREFIX = "base_"
# Of batch normalisations that begin anew: Keras' 0.99 or 0.999 are far from the statistics after a few hundred steps.
_MOMENTUM = 0.9
# The networks of tf_keras.applications by what they take, see `pixels`; those of "raw" have layers of their own for it.
_BY_PIXELS = {
    "caffe": "VGG16 VGG19 ResNet50 ResNet101 ResNet152",
    "symmetric": "ResNet50V2 ResNet101V2 ResNet152V2 MobileNet MobileNetV2 InceptionV3 InceptionResNetV2 Xception "
    "NASNetMobile NASNetLarge",
    "torch": "DenseNet121 DenseNet169 DenseNet201",
    "raw": "MobileNetV3Small MobileNetV3Large EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 "
    "EfficientNetB4 EfficientNetB5 EfficientNetB6 EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 "
    "EfficientNetV2B3 EfficientNetV2S EfficientNetV2M EfficientNetV2L ConvNeXtTiny ConvNeXtSmall ConvNeXtBase "
    "ConvNeXtLarge ConvNeXtXLarge",
}
NETWORKS = {name: pixels for pixels, names in _BY_PIXELS.items() for name in names.split()}
_WITH_ALPHA = ("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large")
# Of red, green and blue in ImageNet, as shares of the full range.
_MEAN, _STDDEV = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # of blue, green and red
PixelsName = Literal["auto", "raw", "unit", "symmetric", "torch", "caffe"]


class Unfreeze(Strict):
    """Which of the network's layers learn, from when on and how fast."""

    layers: int = Field(ge=1, description="So many of its top layers that have a kernel.")
    after: int = Field(0, ge=0, description="Epochs in which the head learns alone.")
    rate: float = Field(0.1, gt=0, le=1, description="Of the head's learning rate.")


class TransferConfig(family.FamilyConfig):
    """Either a `network` of tf_keras.applications or a `file` of Keras; what it learned stays but for `unfreeze`."""

    family: Literal["transfer"] = "transfer"
    network: str | None = Field(None, description="Such as MobileNetV2, VGG16, ResNet50, EfficientNetB0.")
    file: str | None = Field(
        None, description="Instead: a model in a .keras, .h5 or .hdf5 file; a path, PACKAGE:FILE, wheel:// or gs://."
    )
    weights: str | None = Field(
        None,
        description="imagenet (downloaded; the default of a network), none (from scratch), or an .h5 file with the "
        "network's layers: a path, PACKAGE:FILE, wheel:// or gs://.",
    )
    alpha: float | None = Field(None, gt=0, description="Width of a MobileNet; 1 if absent.")
    cut: str | None = Field(None, description="The layer whose output goes to the head; the last if absent.")
    pixels: PixelsName = Field(
        "auto",
        description="What it was trained on: raw is 0 to 255, unit 0 to 1, symmetric -1 to 1, torch and caffe as "
        "those frameworks' ImageNet models. auto knows it of networks; of a file it must be given.",
    )
    pooling: Literal["mean", "max", "flatten"] = Field("mean", description="What the head gets of the feature maps.")
    dense: tuple[int, ...] = Field((), description="Widths of the dense layers before the last.")
    unfreeze: Unfreeze | None = Field(None, description="Else the whole network stays frozen.")
    architecture: str = Field("", description="Of the file, read from it by the Trainer; not to be given.")

    @field_validator("network")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in NETWORKS:
            raise ValueError(plugins.unknown("network", value, NETWORKS))
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.network is None) == (self.file is None):
            raise ValueError(f"give either network or file, found {self.network!r} and {self.file!r}")
        if self.file is not None and self.weights not in (None, NONE):
            raise ValueError(f"a file has its own weights; weights may be none or absent, found {self.weights!r}")
        if self.file is not None and self.pixels == "auto":
            raise ValueError("pixels must be given with a file: nothing in it says what it was trained on")
        if self.alpha is not None and self.network not in _WITH_ALPHA:
            raise ValueError(f"alpha belongs to {', '.join(_WITH_ALPHA)}, found {self.alpha:g} for {self.network}")
        if self.unfreeze and not self.is_pretrained:
            raise ValueError("unfreeze belongs to a trained network: with weights none all layers learn from the start")
        if any(width < 1 for width in self.dense):
            raise ValueError(f"dense must all be at least 1, found {list(self.dense)}")
        return self

    @property
    def is_pretrained(self) -> bool:
        """Whether it begins with trained weights."""
        return self.weights != NONE

    def files(self) -> dict[str, str]:
        """The file, or that of the weights."""
        weights = self.weights if self.weights not in (None, NONE, IMAGENET) else None
        return {field: name for field, name in (("file", self.file), ("weights", weights)) if name}


class Transfer(family.Family[TransferConfig]):
    """A trained network, or a part of it, under a new head (Yosinski et al., 2014)."""

    Config = TransferConfig
    MODALITIES = ("image",)

    def build(self, config: TransferConfig, spec: Spec) -> tf_keras.Model:
        """float32 [batch, height, width, channels] to logits [batch, classes]; its weights are random.

        Raises:
          ValueError: the network has no such layer to cut it at, or can't take images of that size or colour.
        """
        import tf_keras
        from tf_keras import layers

        trunk = _trunk(config)
        inputs = family.inputs(spec)
        pixels = _pixels(config, spec, trunk)(inputs)
        try:
            features = keras_files.behind(pixels, trunk, _PREFIX)
        except ValueError as error:
            height, width = spec.input.shape[:2]
            size = f"{height} x {width} (data.height, data.width)"
            raise ValueError(f"model: the network can't take images of {size}: {error}") from error
        if len(features.shape) == 4:
            pooling = {
                "mean": layers.GlobalAveragePooling2D,
                "max": layers.GlobalMaxPooling2D,
                "flatten": layers.Flatten,
            }
            features = pooling[config.pooling](name="features")(features)
        else:
            features = layers.Flatten(name="features")(features)
        for width in config.dense:
            features = layers.Dense(width, activation="relu")(features)
        model = tf_keras.Model(inputs, family.head(features, config, spec), name="transfer")
        for layer in _network(model):
            if isinstance(layer, layers.BatchNormalization):
                if config.is_pretrained:
                    layer.trainable = False
                else:
                    layer.momentum = _MOMENTUM
        return model

    def settle(self, config: TransferConfig) -> TransferConfig:
        """Return the Config with the architecture of the file, up to the cut."""
        if config.file is None:
            return config
        return config.model_copy(update={"architecture": keras_files.settled(_from_file(config))})

    def pretrain(self, networks: Networks, config: TransferConfig) -> None:
        """Gives the network its trained weights.

        Raises:
          ValueError: the file does not fit the network.
        """
        model = networks[MAIN]
        if not config.is_pretrained:
            return
        if config.file is not None:
            source, weights = f"model.file: {config.file}", _by_name(_from_file(config))
        elif config.files():
            source = f"model.weights: {config.weights}"
            weights = _of_file(config, resolve.locate(str(config.weights)), source)
        else:
            source, weights = IMAGENET, _by_name(_application(config, IMAGENET))
        keras_files.give(model, weights, _PREFIX, source)
        if source == IMAGENET and str(config.network).startswith("EfficientNetB"):
            _scale_variance(model)

    def learning_rate_factors(self, config: TransferConfig) -> family.Factors:
        """Return the factors of what is frozen or thawed."""
        return partial(_factors, config)


def _factors(config: TransferConfig, model: tf_keras.Model, epoch: int) -> list[float]:
    """1 for the head; 0 for what is frozen, and always for batch normalisations; in between for what was thawed."""
    from tf_keras import layers

    if not config.is_pretrained:
        return [1.0] * len(model.layers)
    network = _network(model)
    kernels = [one for one in network if one.weights and not isinstance(one, layers.BatchNormalization)]
    thawed: set[int] = set()
    if config.unfreeze and epoch >= config.unfreeze.after:
        thawed = {id(layer) for layer in kernels[-config.unfreeze.layers :]}
    rates = {id(layer): config.unfreeze.rate if config.unfreeze and id(layer) in thawed else 0.0 for layer in network}
    return [rates.get(id(layer), 1.0) for layer in model.layers]


def _network(model: tf_keras.Model) -> list[tf_keras.layers.Layer]:
    """The layers of the network, from bottom to top."""
    return [layer for layer in model.layers if layer.name.startswith(_PREFIX)]


def _by_name(model: tf_keras.Model) -> dict[str, list[Any]]:
    return {layer.name: layer.get_weights() for layer in keras_files.layers(model)}


def _of_file(config: TransferConfig, path: Path, source: str) -> dict[str, list[Any]]:
    """By layer, whether the file names layers or holds the whole network's weights in Keras' newer format."""
    if not path.name.endswith(".h5"):
        raise ValueError(f"{source}: weights are read from .h5 files; for a whole model give model.file")
    try:
        named = keras_files.weights_by_layer(path)
        if named:
            return named
        network = _application(config, None)
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{source}: not the weights of a {config.network}: {error}") from error
    return _by_name(network)


def _from_file(config: TransferConfig) -> tf_keras.Model:
    model = keras_files.load(resolve.locate(str(config.file)), "model.file")
    return keras_files.cut(model, config.cut, "model.cut") if config.cut else model


def _application(config: TransferConfig, weights: str | None) -> tf_keras.Model:
    """A network of Keras, for images of any size. Layers that it names by a counter have the same names each time."""
    import tf_keras

    tf_keras.backend.reset_uids()
    more: dict[str, Any] = {} if config.alpha is None else {"alpha": config.alpha}
    network = getattr(tf_keras.applications, str(config.network))
    return network(include_top=False, weights=weights, input_shape=(None, None, 3), **more)


def _trunk(config: TransferConfig) -> tf_keras.Model:
    """The network, up to the cut."""
    if config.file is not None:
        return keras_files.from_json(config.architecture) if config.architecture else _from_file(config)
    trunk = _application(config, None)
    return keras_files.cut(trunk, config.cut, "model.cut") if config.cut else trunk


def _pixels(config: TransferConfig, spec: Spec, trunk: tf_keras.Model) -> tf_keras.layers.Layer:
    """From normalised inputs back to pixels, and on to what the network was trained on."""
    from modelmill.components.models.layers.pixels import Pixels

    kind = NETWORKS[str(config.network)] if config.pixels == "auto" else config.pixels
    channels, wanted = spec.input.fixed_shape[2], trunk.input_shape[-1]
    if wanted not in (channels, 3):
        raise ValueError(f"data.channels: found {channels}, but the network of model.file takes {wanted}")
    order = list(range(channels)) if wanted == channels else [0] * wanted
    scale, offset = [1.0] * wanted, [0.0] * wanted
    if kind in ("unit", "symmetric"):
        scale, offset = ([1 / 255] * wanted, offset) if kind == "unit" else ([1 / 127.5] * wanted, [-1.0] * wanted)
    if kind in ("torch", "caffe") and wanted != 3:
        raise ValueError(f"model.pixels: {kind} is for colour, but the network of model.file takes {wanted} channel")
    if kind == "torch":
        scale, offset = [1 / (255 * one) for one in _STDDEV], [-m / s for m, s in zip(_MEAN, _STDDEV, strict=True)]
    if kind == "caffe":
        order, offset = order[::-1], [-one for one in _CAFFE_MEAN]
    mean = list(spec.input.mean) or [0.0] * channels
    stddev = list(spec.input.stddev) or [1.0] * channels
    return Pixels(
        order,
        [stddev[place] * factor for place, factor in zip(order, scale, strict=True)],
        [mean[place] * factor + add for place, factor, add in zip(order, scale, offset, strict=True)],
        name="pixels",
    )


def _scale_variance(model: tf_keras.Model) -> None:
    """With imagenet, Keras divides once more behind the first normalisation, by a layer that is not there without."""
    normalisation = next(layer for layer in _network(model) if type(layer).__name__ == "Normalization")
    mean, variance, *rest = normalisation.get_weights()
    normalisation.set_weights([mean, variance * list(_STDDEV), *rest])
