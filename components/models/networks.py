"""The networks of a model, by their names: most have one, `main`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    import tf_keras

MAIN = "main"
Networks = dict[str, "tf_keras.Model"]
# What a family's `build` gives: networks by their names, or the one that is called `main`.
Built = Union["tf_keras.Model", Mapping[str, "tf_keras.Model"]]


def named(built: Built) -> Networks:
    """Return networks by their names."""
    return dict(built) if isinstance(built, Mapping) else {MAIN: built}


def only(networks: Networks) -> tf_keras.Model:
    """Return the network of a model that has one.

    Raises:
      ValueError: it has several.
    """
    if list(networks) != [MAIN]:
        raise ValueError(f"a model of one network, {MAIN}, is needed here; found {', '.join(networks)}")
    return networks[MAIN]
