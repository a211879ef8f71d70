"""What a compression method is. One file in components/compress/methods is one method, found by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from modelmill.components.models.training.fine_tuning import MethodConfig
from modelmill.data.core import plugins

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context

PACKAGE = "modelmill.components.compress.methods"


class Method(Protocol):
    """What components/compress/methods/*.py offer. They import TensorFlow only inside their functions.

    A method that only changes the model has `tune`, one that only writes it down has `export`, and one whose model
    must be written in its own way has both.
    """

    Config: type[MethodConfig]
    # The methods of which one must stand directly before this one in a chain; empty if it can stand anywhere.
    FOLLOWS: tuple[str, ...]
    # The methods of which each must stand somewhere before this one.
    NEEDS: tuple[str, ...]
    # Methods that can't stand before this one, since it would undo them; and what to use instead.
    UNDOES: dict[str, str]
    # Whether it gives the flatbuffer, and so ends its chain. A chain that none ends is exported as float32.
    EXPORTS: bool

    def tune(self, model: tf_keras.Model, config: Any, context: Context) -> tf_keras.Model:
        """Changes a copy of the bare model and fine-tunes it."""

    def export(self, model: tf_keras.Model, config: Any, context: Context) -> bytes:
        """Writes the served model (normalisation, bare model, softmax) as a flatbuffer."""


def look_up(name: str) -> Method:
    """The method called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    needs = ("Config", "FOLLOWS", "NEEDS", "UNDOES", "EXPORTS")
    return cast(Method, plugins.load(PACKAGE, name, "method", needs))
