"""A generator, which answers, and a critic, which scores examples with an answer beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modelmill.components.models import family
from modelmill.data.spec import Spec

if TYPE_CHECKING:
    import tf_keras


class PairConfig(family.FamilyConfig):
    """Settings of the section `model`."""

    family: Literal["pair"] = "pair"
    width: int = Field(64, ge=1, description="Units of each hidden layer, in both networks.")


class Pair(family.Family[PairConfig]):
    """Two networks, of which `main` is served; the critic exists while it trains."""

    Config = PairConfig
    MODALITIES = ("tabular",)

    def build(self, config: PairConfig, spec: Spec) -> dict[str, tf_keras.Model]:
        """Map float32 [batch, columns] to the answer [batch, 1]; and [batch, columns + 1] to a score [batch, 1]."""
        import tf_keras
        from tf_keras import layers

        inputs = family.inputs(spec)
        features = inputs
        for _ in range(2):
            features = layers.Dense(config.width, activation="relu")(features)
        main = tf_keras.Model(inputs, family.head(features, config, spec), name="main")
        scored = layers.Input((spec.input.shape[0] + spec.output_size,), dtype="float32")
        features = scored
        for _ in range(2):
            features = layers.Dense(config.width, activation="elu")(features)
        score = layers.Dense(1, name="score", dtype="float32")(features)
        return {"main": main, "critic": tf_keras.Model(scored, score, name="critic")}
