"""A plain convolutional network: blocks of convolution, batch normalisation, ReLU and pooling, then dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.models import family
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


class CnnConfig(family.FamilyConfig):
    """Filters and pooling go block by block, `dense` layer by layer."""

    family: Literal["cnn"] = "cnn"
    filters: tuple[int, ...] = Field((32, 64), min_length=1, description="Of each block's convolution.")
    kernel: int = Field(3, ge=1, le=11, description="Side of the convolutions' kernels, in pixels.")
    padding: Literal["same", "valid"] = Field("same", description="Valid convolutions shrink the image by kernel - 1.")
    pool: tuple[bool, ...] | None = Field(None, description="Which blocks end with 2 x 2 max pooling; all of them.")
    dense: tuple[int, ...] = Field((64,), description="Widths of the dense layers after the blocks.")
    batch_norm: bool = True
    # Small data sets take few steps: 0.99 would still be far from the statistics after 200 of them.
    batch_norm_momentum: float = Field(0.9, gt=0, lt=1)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        for name in ("filters", "dense"):
            if any(width < 1 for width in getattr(self, name)):
                raise ValueError(f"{name} must all be at least 1, found {list(getattr(self, name))}")
        if self.pool is not None and len(self.pool) != len(self.filters):
            raise ValueError(f"pool has {len(self.pool)} entries for {len(self.filters)} blocks of filters")
        return self


class Cnn(family.Family[CnnConfig]):
    """A plain convolutional network: blocks of convolutions, then dense layers."""

    Config = CnnConfig
    MODALITIES = ("image",)

    def check(self, config: CnnConfig, spec: Spec) -> None:
        """Raises ValueError if the images are too small for so many poolings."""
        pools = _pools(config)
        least = _least_side(config, pools)
        height, width = spec.input.fixed_shape[:2]
        if min(height, width) < least:
            raise ValueError(
                f"model.pool: {sum(pools)} poolings need images of at least {least} pixels a side, "
                f"found {height} x {width} (data.height, data.width); give fewer filters or set pool"
            )

    def build(self, config: CnnConfig, spec: Spec) -> tf_keras.Model:
        """float32 [batch, height, width, channels] to logits [batch, classes]."""
        import tf_keras
        from tf_keras import layers

        inputs = features = family.inputs(spec)
        for filters, pool in zip(config.filters, _pools(config), strict=True):
            features = layers.Conv2D(filters, config.kernel, padding=config.padding, use_bias=not config.batch_norm)(
                features
            )
            if config.batch_norm:
                features = layers.BatchNormalization(momentum=config.batch_norm_momentum)(features)
            features = layers.ReLU()(features)
            if pool:
                features = layers.MaxPooling2D()(features)
        features = layers.Flatten()(features)
        for width in config.dense:
            features = layers.Dense(width, activation="relu")(features)
        return tf_keras.Model(inputs, family.head(features, config, spec), name="cnn")


def _pools(config: CnnConfig) -> tuple[bool, ...]:
    """Which blocks end with a pooling."""
    return config.pool or (True,) * len(config.filters)


def _least_side(config: CnnConfig, pools: tuple[bool, ...]) -> int:
    """Pixels of the smallest image of which one is left behind the blocks."""
    side = 1
    for pool in reversed(pools):
        side = side * (2 if pool else 1) + (config.kernel - 1 if config.padding == "valid" else 0)
    return side
