"""Recurrent layers as a flatbuffer has them, and what joins those that read in both directions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

# Kernels of a layer stand side by side in one matrix, in Keras' order: GRU update, reset, new; LSTM input, forget,
# new, output.
GATES = {"gru": 3, "lstm": 4}


@tf_keras.utils.register_keras_serializable("modelmill")
class BothWays(tf_keras.layers.Layer):
    """Joins the steps of a layer that reads forwards and of one that reads backwards, and gives its last step first.

    [batch, steps, a] and [batch, steps, b] to [batch, steps, a + b]. The masks of both are in the order of their input.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.supports_masking = True

    def call(self, both: list[tf.Tensor]) -> tf.Tensor:
        """See the class."""
        forwards, backwards = both
        return tf.concat([forwards, tf.reverse(backwards, [1])], axis=-1)

    def compute_mask(self, inputs: list[tf.Tensor], mask: list[tf.Tensor] | None = None) -> tf.Tensor | None:
        """Which steps there are."""
        return None if mask is None else mask[0]

    def get_config(self) -> dict[str, Any]:
        """What makes it again, with its name."""
        return {**super().get_config()}


@tf_keras.utils.register_keras_serializable("modelmill")
class Recurrent(tf_keras.layers.Layer):
    """What an LSTM or GRU layer of Keras answers, in builtin operations of LiteRT; it has that layer's weights.

    Keras' own unrolled loop masks the wrong steps of a layer that reads backwards in a Bidirectional (backend.rnn: the
    outputs are in one order, the mask in the other), and its LSTM becomes a fused operator that keeps its state from
    one call to the next. Steps that are masked change no state; what is given for them is the step before.

    Args:
      cell: gru (with the reset gate behind its product) or lstm; tanh and sigmoid.
      units: width of the state.
      sequences: whether all steps are given, [batch, steps, units], or the last, [batch, units].
      backwards: begins at the last step; gives it first.
      unrolled: an operator of its own for each step, instead of a loop: faster, for some converters the only way, and
        several hundred bytes a step larger when gzipped.
    """

    def __init__(
        self, *, cell: str, units: int, sequences: bool, backwards: bool, unrolled: bool = False, **more: Any
    ) -> None:
        super().__init__(**more)
        self._settings = {"cell": cell, "units": units, "sequences": sequences, "backwards": backwards}
        self._cell, self._units, self._sequences, self._backwards = cell, units, sequences, backwards
        self._unrolled = unrolled
        self.supports_masking = True

    def build(self, shape: Any) -> None:
        """Makes the weights, in the order and the shapes of Keras' layer."""
        width = GATES[self._cell] * self._units
        self._kernel = self.add_weight("kernel", (shape[-1], width))
        self._recurrent = self.add_weight("recurrent_kernel", (self._units, width))
        self._bias = self.add_weight("bias", (2, width) if self._cell == "gru" else (width,))
        super().build(shape)

    def compute_mask(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor | None:
        """Of the steps, in the order of the input, as Keras has it."""
        return mask if self._sequences else None

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return {**super().get_config(), **self._settings, "unrolled": self._unrolled}

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """float32 [batch, steps, channels], and bool [batch, steps]: which steps there are."""
        steps = inputs.shape[1]
        batch = inputs.shape[0] or tf.shape(inputs)[0]
        # What comes from the inputs is one product for all steps: float32 [steps, batch, gates x units].
        bias = self._bias[0] if self._cell == "gru" else self._bias
        ordered = tf.reshape(tf.transpose(inputs, [1, 0, 2]), [-1, inputs.shape[2]])
        rows = tf.reshape(tf.matmul(ordered, self._kernel) + bias, [steps, batch, bias.shape[0]])
        there = None if mask is None else tf.transpose(mask)[:, :, tf.newaxis]
        if self._backwards:
            rows, there = tf.reverse(rows, [0]), None if there is None else tf.reverse(there, [0])
        states = [tf.zeros([batch, self._units])] * (1 if self._cell == "gru" else 2)
        return (self._one_by_one if self._unrolled else self._in_a_loop)(rows, there, states)

    def _one_by_one(self, rows: tf.Tensor, there: tf.Tensor | None, states: list[tf.Tensor]) -> tf.Tensor:
        """An operator of its own for each step."""
        given = []
        masks = [None] * rows.shape[0] if there is None else tf.unstack(there)
        for row, mask in zip(tf.unstack(rows), masks, strict=True):
            states = self._step(row, mask, states)
            given.append(states[0])
        return tf.stack(given, axis=1) if self._sequences else given[-1]

    def _in_a_loop(self, rows: tf.Tensor, there: tf.Tensor | None, states: list[tf.Tensor]) -> tf.Tensor:
        """One set of operators for all steps."""
        steps, shape = rows.shape[0], [rows.shape[1], self._units]
        given = [tf.TensorArray(tf.float32, steps, element_shape=shape)] if self._sequences else []

        def step(place: tf.Tensor, *before: Any) -> Any:
            mask = None if there is None else tf.gather(there, place)
            after = self._step(tf.gather(rows, place), mask, before[: len(states)])
            return place + 1, *after, *(one.write(place, after[0]) for one in before[len(states) :])

        found = tf.while_loop(lambda place, *_: place < steps, step, (tf.constant(0), *states, *given))
        return tf.transpose(found[-1].stack(), [1, 0, 2]) if self._sequences else found[1]

    def _step(self, row: tf.Tensor, mask: tf.Tensor | None, before: Any) -> list[tf.Tensor]:
        """One step: what comes from the inputs, bool [batch, 1], and the states; to the new states."""
        after = (self._gru if self._cell == "gru" else self._lstm)(row, *before)
        return after if mask is None else [tf.where(mask, new, old) for new, old in zip(after, before, strict=True)]

    def _gru(self, row: tf.Tensor, state: tf.Tensor) -> list[tf.Tensor]:
        sizes = [2 * self._units, self._units]
        gates, kept = tf.split(tf.matmul(state, self._recurrent) + self._bias[1], sizes, axis=-1)
        from_gates, from_new = tf.split(row, sizes, axis=-1)
        update, reset = tf.split(tf.sigmoid(from_gates + gates), 2, axis=-1)
        new = tf.tanh(from_new + reset * kept)
        return [new + update * (state - new)]

    def _lstm(self, row: tf.Tensor, state: tf.Tensor, carry: tf.Tensor) -> list[tf.Tensor]:
        take, keep, new, give = tf.split(row + tf.matmul(state, self._recurrent), 4, axis=-1)
        carry = tf.sigmoid(keep) * carry + tf.sigmoid(take) * tf.tanh(new)
        return [tf.sigmoid(give) * tf.tanh(carry), carry]
