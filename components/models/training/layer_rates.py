"""Trainings in which layers learn at different rates: frozen ones, slow ones, and changes from one epoch to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from modelmill.components.models.family import Factors

if TYPE_CHECKING:
    import tf_keras


class Phase(NamedTuple):
    """Epochs in which no factor changes; `factors` are of model.layers, none if all are 1."""

    epochs: range
    factors: list[float] | None


def plan(model: tf_keras.Model, factors: Factors | None, epochs: int) -> list[Phase]:
    """The phases of a training, in order. Each has an optimizer of its own: momenta of another phase don't fit."""
    if factors is None:
        return [Phase(range(epochs), None)]
    found: list[Phase] = []
    for epoch in range(epochs):
        now = factors(model, epoch)
        assert len(now) == len(model.layers), "a factor for each layer"
        if found and found[-1].factors == now:
            found[-1] = Phase(range(found[-1].epochs.start, epoch + 1), now)
        else:
            found.append(Phase(range(epoch, epoch + 1), now))
    return found


def left(phases: list[Phase], done: int) -> list[Phase]:
    """Without those that are over; the one of the last epoch that was done stays, since its optimizer was saved."""
    return [phase for phase in phases if phase.epochs.stop > max(done - 1, 0)]


def enter(model: tf_keras.Model, phase: Phase) -> list[float] | None:
    """Freezes and thaws layers, and gives the factor of each of model.trainable_variables, none if all are 1.

    What is frozen costs no backward pass, and a frozen batch normalisation uses its averages.
    """
    if phase.factors is None:
        return None
    for layer, factor in zip(model.layers, phase.factors, strict=True):
        layer.trainable = factor > 0
    known = {
        id(variable): factor
        for layer, factor in zip(model.layers, phase.factors, strict=True)
        for variable in layer.trainable_variables
    }
    factors = [known[id(variable)] for variable in model.trainable_variables]
    return None if all(factor == 1 for factor in factors) else factors
