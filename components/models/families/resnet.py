"""Residual networks of the second kind: normalisation and ReLU before each convolution (He et al., 2016b)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.models import family
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


# From this many pixels a side the stem shrinks the image to a quarter.
LARGE = 96
# A bottleneck's output is so many times as wide as its convolutions.
EXPANSION = 4


class ResNetConfig(family.FamilyConfig):
    """Stages of residual blocks; each stage but the first halves the image. The paper's networks, by name:

    ResNet-18: blocks [2, 2, 2, 2], filters [64, 128, 256, 512]; ResNet-50: blocks [3, 4, 6, 3], the same filters, block
    bottleneck. For images as small as CIFAR's, ResNet-20: blocks [3, 3, 3], filters [16, 32, 64].
    """

    family: Literal["resnet"] = "resnet"
    blocks: tuple[int, ...] = Field((2, 2, 2), min_length=1, description="How many blocks each stage has.")
    filters: tuple[int, ...] = Field((16, 32, 64), min_length=1, description="Of each stage's 3 x 3 convolutions.")
    block: Literal["basic", "bottleneck"] = Field(
        "basic",
        description="basic: two 3 x 3 convolutions; bottleneck: 1 x 1, 3 x 3, and 1 x 1 to 4 times the filters.",
    )
    stem: Literal["auto", "small", "large"] = Field(
        "auto",
        description=f"small: a 3 x 3 convolution. large: 7 x 7 by 2, and pooling. auto: large from {LARGE} pixels.",
    )
    # Small data sets take few steps: 0.99 would still be far from the statistics after 200 of them.
    batch_norm_momentum: float = Field(0.9, gt=0, lt=1)

    @model_validator(mode="after")
    def _stages(self) -> Self:
        for name in ("blocks", "filters"):
            if any(value < 1 for value in getattr(self, name)):
                raise ValueError(f"{name} must all be at least 1, found {list(getattr(self, name))}")
        if len(self.blocks) != len(self.filters):
            raise ValueError(f"blocks has {len(self.blocks)} stages and filters {len(self.filters)}; give as many")
        return self


class ResNet(family.Family[ResNetConfig]):
    """Residual networks of the second kind: normalisation and ReLU before each convolution (He et al., 2016b)."""

    Config = ResNetConfig
    MODALITIES = ("image",)

    def check(self, config: ResNetConfig, spec: Spec) -> None:
        """Raises ValueError if the images are too small for so many stages."""
        height, width = spec.input.fixed_shape[:2]
        side, large = min(height, width), _has_large_stem(config, spec)
        least = 2 ** (len(config.blocks) - 1) * (4 if large else 1)
        if side < least:
            raise ValueError(
                f"model.blocks: {len(config.blocks)} stages{' after a large stem' if large else ''} need images of "
                f"at least {least} pixels a side, found {height} x {width} (data.height, data.width)"
            )

    def build(self, config: ResNetConfig, spec: Spec) -> tf_keras.Model:
        """float32 [batch, height, width, channels] to logits [batch, classes]."""
        import tf_keras
        from tf_keras import layers

        inputs = features = family.inputs(spec)
        if _has_large_stem(config, spec):
            features = _convolution(features, config.filters[0], 7, 2)
            features = layers.MaxPooling2D(3, 2, padding="same")(features)
        else:
            features = _convolution(features, config.filters[0], 3, 1)
        for stage, (count, filters) in enumerate(zip(config.blocks, config.filters, strict=True)):
            for number in range(count):
                stride = 2 if stage and not number else 1
                features = _block(features, filters, stride, config, projected=not number)
        features = layers.GlobalAveragePooling2D()(_activated(features, config))
        return tf_keras.Model(inputs, family.head(features, config, spec), name="resnet")


def _has_large_stem(config: ResNetConfig, spec: Spec) -> bool:
    return config.stem == "large" or (config.stem == "auto" and min(spec.input.fixed_shape[:2]) >= LARGE)


def _block(
    features: tf_keras.KerasTensor, filters: int, stride: int, config: ResNetConfig, projected: bool
) -> tf_keras.KerasTensor:
    """Adds what its convolutions find to what it got; `projected` where the shape may have changed."""
    from tf_keras import layers

    wide = filters * (EXPANSION if config.block == "bottleneck" else 1)
    found = _activated(features, config)
    if projected and (stride > 1 or features.shape[-1] != wide):
        features = _convolution(found, wide, 1, stride)
    if config.block == "bottleneck":
        found = _convolution(found, filters, 1, 1)
        found = _convolution(_activated(found, config), filters, 3, stride)
        found = _convolution(_activated(found, config), wide, 1, 1)
    else:
        found = _convolution(found, filters, 3, stride)
        found = _convolution(_activated(found, config), wide, 3, 1)
    return layers.Add()([features, found])


def _convolution(features: tf_keras.KerasTensor, filters: int, kernel: int, stride: int) -> tf_keras.KerasTensor:
    """Without a bias: the next normalisation has one."""
    from tf_keras import layers

    convolution = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal")
    return convolution(features)


def _activated(features: tf_keras.KerasTensor, config: ResNetConfig) -> tf_keras.KerasTensor:
    from tf_keras import layers

    return layers.ReLU()(layers.BatchNormalization(momentum=config.batch_norm_momentum)(features))
