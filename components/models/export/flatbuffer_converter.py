"""Convert functions of one set of weights to one flatbuffer: a signature each, and each weight once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from modelmill.components.models.flatbuffer import signatures

if TYPE_CHECKING:
    import tensorflow as tf


def converter(functions: Mapping[str, Any], variables: Iterable[tf.Variable]) -> tf.lite.TFLiteConverter:
    """Return a converter with builtin operators only and no quantization yet.

    Args:
      functions: tf.functions with an input signature of a batch of one, by the names of their signatures.
      variables: of all of them.
    """
    import tensorflow as tf

    module = holder(variables)
    if len(functions) == 1:
        # Not from_keras_model: it writes a SavedModel of Keras first; see `holder`.
        (function,) = functions.values()
        made = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return made
    return _Several(module, functions)


def holder(variables: Iterable[tf.Variable]) -> tf.Module:
    """Return what a SavedModel has to hold of a model. Of a Keras model it would hold the calls of each layer, too.

    Nobody calls those, and to trace, write and read them takes longer than all the rest.
    """
    import tensorflow as tf

    module = tf.Module()
    module.weights = list(variables)
    return module


class Delegate:
    """A TFLiteConverter that does more than another one: all that it does not define itself is that one's."""

    def __init__(self, made: tf.lite.TFLiteConverter) -> None:
        self.__dict__["_made"] = made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._made, name, value)


class _Several(Delegate):
    """A TFLiteConverter of several signatures, which only a SavedModel can have; it lives as long as this does."""

    def __init__(self, module: tf.Module, functions: Mapping[str, Any]) -> None:
        import tensorflow as tf

        folder = TemporaryDirectory()
        tf.saved_model.save(module, folder.name, dict(functions))
        super().__init__(tf.lite.TFLiteConverter.from_saved_model(folder.name, signature_keys=list(functions)))
        self.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        self.__dict__["_folder"], self.__dict__["_first"] = folder, next(iter(functions))

    def convert(self) -> bytes:
        """Convert as TFLiteConverter does; the first signature is the one that runtimes run by default."""
        return signatures.in_front(bytes(self._made.convert()), self._first)
