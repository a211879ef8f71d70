"""The best strategy for the machine that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from modelmill.components.models.training import strategy
from modelmill.components.models.training.strategy import PACKAGE, Machine, Strategy, StrategyConfig
from modelmill.data.core import plugins

if TYPE_CHECKING:
    import tensorflow as tf


class AutoConfig(StrategyConfig):
    """It has no settings."""

    name: Literal["auto"] = "auto"


class Auto(Strategy[AutoConfig]):
    """Ask every strategy what it offers and take the one of the highest rank."""

    Config = AutoConfig
    XLA = True  # what offers itself on a machine with XLA can do it

    def choose(self, config: AutoConfig, machine: Machine) -> tuple[StrategyConfig, str]:
        """Return the best offer, and its reason."""
        offers = {name: strategy.look_up(name).offer(machine) for name in plugins.names(PACKAGE)}
        made = [(offer, name) for name, offer in offers.items() if offer is not None]
        best, name = max(made, key=lambda pair: pair[0].rank)
        return strategy.parse({**best.settings, "name": name}), best.reason

    def make(self, config: AutoConfig) -> tf.distribute.Strategy:
        """Make the one that is chosen; `strategy.make` has chosen before it comes here."""
        return strategy.make(config)
