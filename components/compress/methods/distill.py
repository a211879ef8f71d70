"""Distillation: a smaller model, its weights random at first, learns the trained one's answers (Hinton et al., 2015).

Besides the logits it can learn what layers within the teacher give (Romero et al., 2015) and where they look
(Zagoruyko and Komodakis, 2017). With `weight: 0` it is the control: the same student, for as long, on the labels alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from modelmill.components.compress.method import Method
from modelmill.components.compress.rewrites import distillation, prune_channels
from modelmill.components.compress.rewrites.channel_groups import Channels
from modelmill.components.models import family
from modelmill.components.models.training.fine_tuning import MethodConfig

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context


class DistillConfig(MethodConfig):
    """Whom to teach, what and how long."""

    method: Literal["distill"] = "distill"
    student: dict[str, Any] | None = Field(
        None, description="As in the section `model`: its family and settings. If absent: the teacher's, but narrower."
    )
    width: float = Field(0.5, gt=0, lt=1, description="Share of the teacher's channels, where there is no student.")
    temperature: float = Field(4.0, gt=0, description="Softens the answers: the higher, the more the small ones count.")
    weight: float = Field(
        0.7, ge=0, le=1, description="Of the teacher's answers in the loss; the labels have the rest."
    )
    features: dict[str, str] = Field({}, description="Student's layer: teacher's layer, whose output it learns too.")
    feature_weight: float = Field(0.1, ge=0)
    attention: dict[str, str] = Field({}, description="Student's layer: teacher's layer, where it learns to look.")
    attention_weight: float = Field(1.0, ge=0)
    epochs: int = Field(30, ge=1, description="The student begins with random weights: as many as a training takes.")
    learning_rate: float = Field(3e-3, gt=0, description="Of Adam at the start; it falls to zero by a cosine.")

    @field_validator("student")
    @classmethod
    def _known(cls, student: dict[str, Any] | None) -> dict[str, Any] | None:
        """With its defaults filled in, so that a trial's settings are all that it was made by."""
        if student is None:
            return None
        if not isinstance(student.get("family"), str):
            raise ValueError(f"the student needs a family, as in the section model; found {student!r}")
        config: dict[str, Any] = (
            family.look_up(student["family"]).Config.model_validate(student).model_dump(mode="json")
        )
        return config


class Distill(Method[DistillConfig]):
    """Distillation: a smaller model, its weights random at first, learns the trained one's answers."""

    Config = DistillConfig
    UNDOES = {name: f"{name} after distill" for name in ("prune", "structured", "cluster", "low_rank")}

    def tune(self, model: tf_keras.Model, config: DistillConfig, context: Context) -> tf_keras.Model:
        """Builds the student and trains it beside the model.

        Raises:
          ValueError: a layer of `features` or `attention` that there is not, or whose outputs do not match.
        """
        student = _student(model, config, context)
        if student.output_shape != model.output_shape:
            raise ValueError(f"distill: the student answers {student.output_shape}, its teacher {model.output_shape}")
        for word, pairs in (("features", config.features), ("attention", config.attention)):
            for own, wanted in pairs.items():
                _matching(word, _shape(student, "student", word, own), _shape(model, "teacher", word, wanted))
        fields = set(distillation.Terms.__dataclass_fields__) - {"classes"}
        terms = distillation.Terms(classes=context.classes, **config.model_dump(include=fields))
        lessons = distillation.Lessons(student, model, terms, context.network)
        context.train(student, config.epochs, config.learning_rate, addition=lessons)
        for layer in student.layers:
            if layer.weights:
                context.change(layer.name, config.method, "taught by the model before, from random weights")
        return student

    def plug_ins(self, config: DistillConfig) -> tuple[str, ...]:
        """Return the module of the student's family."""
        return (f"{family.PACKAGE}.{config.student['family']}",) if config.student else ()


def _student(model: tf_keras.Model, config: DistillConfig, context: Context) -> tf_keras.Model:
    """With random weights."""
    import tf_keras

    if config.student is not None:
        made = family.look_up(config.student["family"]).Config.model_validate(config.student)
        return family.build_networks(made, context.stored.spec)[context.network]
    fresh = tf_keras.models.clone_model(model)
    channels = Channels(fresh)
    keep = {
        number: np.arange(space.size) < max(1, round(space.size * config.width))
        for number, space in channels.spaces().items()
        if space.makers and not space.fixed
    }
    if not keep:
        raise ValueError("distill: no layer of the model can be narrower; give a student")
    return prune_channels.remove(fresh, channels, keep)


def _shape(model: tf_keras.Model, whose: str, word: str, name: str) -> tuple[int | None, ...]:
    from modelmill.data.core import plugins

    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(f"distill.{word}: {plugins.unknown(f'layer of the {whose}', name, names)}")
    return tuple(model.get_layer(name).output_shape)


def _matching(word: str, own: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> None:
    """Channels may differ, positions may not."""
    if own[1:-1] != wanted[1:-1]:
        raise ValueError(f"distill.{word}: the student's layer gives {own[1:]}, the teacher's {wanted[1:]}")
