"""Trainings in which layers learn at different rates: frozen ones, slow ones, and changes from one epoch to another."""

from __future__ import annotations

from typing import NamedTuple

from modelmill.components.models.family import Factors
from modelmill.components.models.networks import MAIN, Networks


class Phase(NamedTuple):
    """Epochs in which no factor changes; `factors` are of the layers of the network `main`, none if all are 1."""

    epochs: range
    factors: list[float] | None


def plan(networks: Networks, factors: Factors | None, epochs: int) -> list[Phase]:
    """Return the phases of a training, in order.

    Each has an optimizer of its own: momenta of another phase don't fit.
    """
    if factors is None:
        return [Phase(range(epochs), None)]
    found: list[Phase] = []
    for epoch in range(epochs):
        now = factors(networks[MAIN], epoch)
        assert len(now) == len(networks[MAIN].layers), "a factor for each layer"
        if found and found[-1].factors == now:
            found[-1] = Phase(range(found[-1].epochs.start, epoch + 1), now)
        else:
            found.append(Phase(range(epoch, epoch + 1), now))
    return found


def left(phases: list[Phase], done: int) -> list[Phase]:
    """Return those that are not over; the one of the last epoch that was done stays: its optimizer was saved."""
    return [phase for phase in phases if phase.epochs.stop > max(done - 1, 0)]


def enter(networks: Networks, phase: Phase) -> list[float] | None:
    """Freeze and thaw layers of `main`; return the factor of each of its trainable variables, None if all are 1.

    What is frozen costs no backward pass, and a frozen batch normalisation uses its averages.
    """
    if phase.factors is None:
        return None
    model = networks[MAIN]
    for layer, factor in zip(model.layers, phase.factors, strict=True):
        layer.trainable = factor > 0
    known = {
        id(variable): factor
        for layer, factor in zip(model.layers, phase.factors, strict=True)
        for variable in layer.trainable_variables
    }
    factors = [known[id(variable)] for variable in model.trainable_variables]
    return None if all(factor == 1 for factor in factors) else factors
