"""What a compression method is. One file in components/compress/methods is one method, found by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from modelmill.components.models.training.fine_tuning import MethodConfig
from modelmill.data.core import plugin_base

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.compress.context import Context
    from modelmill.components.compress.ptq.quantizer import Kind

PACKAGE = "modelmill.components.compress.methods"
ConfigT = TypeVar("ConfigT", bound=MethodConfig)


class Method(plugin_base.Plugin[ConfigT]):
    """A compression method. It imports TensorFlow within its methods only.

    A method that only changes the model has `tune`, one that only writes it down has `export`, and one whose model
    must be written in its own way has both.

    Attributes:
      FOLLOWS: the methods of which one must stand directly before this one in a chain; empty: it can stand anywhere.
      NEEDS: the methods of which each must stand somewhere before this one.
      UNDOES: methods that can't stand before this one, since it would undo them; and what to use instead.
      EXPORTS: whether it gives the flatbuffer, and so ends its chain. A chain that none ends is exported as float32.
      KEEPS_WRAPPERS: whether the network that it gives back has other layers than the family's, wrapped ones: then
        further signatures, which call the layers by their names, can't be made of it.
      QUANTIZES: of an export, the kind of numbers by which a search measures beforehand what it does to each layer.
      PRESERVES: of quantization-aware training, the methods whose zeros or values it keeps: a search's export `aware`
        is the one that preserves most of the steps before it. None: it is not taken there.
    """

    KIND = "method"
    PACKAGE = PACKAGE
    BASE_CONFIG = MethodConfig
    FOLLOWS: ClassVar[tuple[str, ...]] = ()
    NEEDS: ClassVar[tuple[str, ...]] = ()
    UNDOES: ClassVar[dict[str, str]] = {}
    EXPORTS: ClassVar[bool] = False
    KEEPS_WRAPPERS: ClassVar[bool] = False
    QUANTIZES: ClassVar[Kind | None] = None
    PRESERVES: ClassVar[tuple[str, ...] | None] = None

    def tune(self, model: tf_keras.Model, config: ConfigT, context: Context) -> tf_keras.Model:
        """Change a copy of the bare model and fine-tune it; by default the model goes on as it is."""
        return model

    def export(self, model: tf_keras.Model, config: ConfigT, context: Context) -> bytes:
        """Write the served model (normalisation, bare model, softmax) as a flatbuffer; where EXPORTS is set."""
        raise NotImplementedError(f"{self.name} does not export")

    def plug_ins(self, config: ConfigT) -> tuple[str, ...]:
        """Return the modules of other plug-ins that it runs: an edit of theirs counts as one of its own."""
        return ()

    @classmethod
    def tunes(cls) -> bool:
        """Return whether it changes the model."""
        return cls.tune is not Method.tune

    @classmethod
    def problems(cls) -> list[str]:
        """See Plugin."""
        has_export = cls.export is not Method.export
        if cls.EXPORTS and not has_export:
            return ["EXPORTS is True, but export is missing"]
        if has_export and not cls.EXPORTS:
            return ["export is never called: set EXPORTS = True"]
        return (
            [] if has_export or cls.tunes() else ["it neither changes nor exports the model: tune or export is missing"]
        )


def look_up(name: str) -> Method[Any]:
    """Return the method called `name`. Raises UnknownNameError, and PlugInError for a broken one of the user's."""
    return plugin_base.get(Method, name)
