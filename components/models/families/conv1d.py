"""Convolutions along time, plain or depthwise separable (DS-CNN), dilated, causal: of series or waveforms' spectra.

Zhang et al., 2017 (Hello Edge: Keyword Spotting on Microcontrollers) for the separable blocks, Bai et al., 2018 (An
Empirical Evaluation of Generic Convolutional and Recurrent Networks) for dilated, causal ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from modelmill.components.models import family
from modelmill.components.models.blocks.audio_frontend import FrontEnd
from modelmill.data.modalities.audio.facts import AudioFacts
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


class Conv1dConfig(family.FamilyConfig):
    """`filters`, `dilations` and `strides` go block by block, `dense` layer by layer."""

    family: Literal["conv1d"] = "conv1d"
    frontend: FrontEnd = Field(FrontEnd(), description="Of waveforms: what the first block sees of them.")
    filters: tuple[int, ...] = Field((64, 64, 64, 64), min_length=1, description="Of each block's convolution.")
    kernel: int = Field(5, ge=1, le=255, description="Length of the convolutions' kernels, in frames.")
    dilations: tuple[int, ...] | None = Field(None, description="Frames from tap to tap of a kernel; all 1.")
    strides: tuple[int, ...] | None = Field(None, description="Frames from step to step of a block; all 1.")
    separable: bool = Field(
        False, description="From the second block on: a convolution of each channel by itself, then one across them."
    )
    causal: bool = Field(False, description="No frame sees a later one.")
    dense: tuple[int, ...] = Field((), description="Widths of the dense layers behind the mean over time.")
    batch_norm: bool = True
    # Small data sets take few steps: 0.99 would still be far from the statistics after 200 of them.
    batch_norm_momentum: float = Field(0.9, gt=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in ("filters", "dilations", "strides", "dense"):
            found = getattr(self, name) or ()
            if any(one < 1 for one in found):
                raise ValueError(f"{name} must all be at least 1, found {list(found)}")
            if name in ("dilations", "strides") and found and len(found) != len(self.filters):
                raise ValueError(f"{name} has {len(found)} entries for {len(self.filters)} blocks of filters")
        for place, (dilation, stride) in enumerate(zip(self.dilations or (), self.strides or (), strict=False)):
            if dilation > 1 and stride > 1:
                raise ValueError(
                    f"block {place + 1} has dilation {dilation} and stride {stride}; one of them must be 1"
                )
        return self


class Conv1d(family.Family[Conv1dConfig]):
    """Convolutions along time: of series or of waveforms' spectra."""

    Config = Conv1dConfig
    MODALITIES = ("audio", "series")

    def check(self, config: Conv1dConfig, spec: Spec) -> None:
        """Raises ValueError if the front-end's settings do not suit the waveforms, or there are none."""
        if isinstance(spec.modality_facts, AudioFacts):
            config.frontend.check(spec.modality_facts.sample_rate, spec.input.fixed_shape[0])
        elif config.frontend != FrontEnd():
            raise ValueError(f"model.frontend: it is for waveforms, but data.modality is {spec.modality}; leave it out")

    def build(self, config: Conv1dConfig, spec: Spec) -> tf_keras.Model:
        """Waveforms float32 [batch, samples], or series [batch, steps, channels], to what the task learns.

        Steps that were padded count as all others; a channel tells which they are.
        """
        import tf_keras
        from tf_keras import layers

        inputs = features = family.inputs(spec)
        if isinstance(spec.modality_facts, AudioFacts):
            features = config.frontend.layer(spec.modality_facts.sample_rate, spec.input.fixed_shape[0])(inputs)
        # Convolutions over time x 1, the features as channels: the same as Conv1D, of which TF-MOT's quantization-aware
        # training knows nothing (model-optimization#362).
        features = layers.Reshape((features.shape[1], 1, features.shape[2]))(features)
        dilations = config.dilations or (1,) * len(config.filters)
        strides = config.strides or (1,) * len(config.filters)
        for place, (filters, dilation, stride) in enumerate(zip(config.filters, dilations, strides, strict=True)):
            if config.causal:
                features = layers.ZeroPadding2D((((config.kernel - 1) * dilation, 0), (0, 0)))(features)
            over_time = {"padding": "valid" if config.causal else "same", "dilation_rate": (dilation, 1)}
            if config.separable and place:
                # TensorFlow's depthwise convolution takes one stride for both sides; the other side is 1 long.
                features = layers.DepthwiseConv2D(
                    (config.kernel, 1), strides=stride, use_bias=not config.batch_norm, **over_time
                )(features)
                features = _activated(features, config)
                features = layers.Conv2D(filters, 1, use_bias=not config.batch_norm)(features)
            else:
                features = layers.Conv2D(
                    filters, (config.kernel, 1), strides=(stride, 1), use_bias=not config.batch_norm, **over_time
                )(features)
            features = _activated(features, config)
        features = layers.GlobalAveragePooling2D()(features)
        for width in config.dense:
            features = layers.Dense(width, activation="relu")(features)
        return tf_keras.Model(inputs, family.head(features, config, spec), name="conv1d")


def _activated(features: tf_keras.KerasTensor, config: Conv1dConfig) -> tf_keras.KerasTensor:
    from tf_keras import layers

    if config.batch_norm:
        features = layers.BatchNormalization(momentum=config.batch_norm_momentum)(features)
    return layers.ReLU()(features)
