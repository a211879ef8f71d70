"""Several signatures in one flatbuffer: each weight once, the same answers, whatever quantization is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components.compress.ptq.quantizer import Kind, Quantizer
from modelmill.components.models.export import flatbuffer_converter
from modelmill.components.models.flatbuffer import analyze, edit, interpreter
from modelmill.components.models.flatbuffer.signatures import Signatures, in_front, names

LENGTH, WIDTH, WORDS = 6, 32, 80


class Pair:
    """A language model of bags of words: a whole prompt, or one token and what is remembered of those before it."""

    def __init__(self) -> None:
        draw = tf.random.Generator.from_seed(1).normal
        self.table, self.kernel = tf.Variable(draw([WORDS, WIDTH])), tf.Variable(draw([WIDTH, 2 * WIDTH]))
        self.head = tf.Variable(draw([2 * WIDTH, WORDS]))
        self.variables = [self.table, self.kernel, self.head]
        self.functions = {"prefill": self._prefill(), "decode_step": self._decode_step()}

    def _features(self, tokens: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(tf.gather(self.table, tokens) @ self.kernel)

    def _prefill(self) -> Any:
        @tf.function(input_signature=[tf.TensorSpec([1, LENGTH], tf.int32, name="tokens")])
        def prefill(tokens: tf.Tensor) -> dict[str, tf.Tensor]:
            cache = tf.reduce_sum(self._features(tokens), axis=1)
            return {"logits": cache @ self.head, "next_cache": cache}

        return prefill

    def _decode_step(self) -> Any:
        token, cache = tf.TensorSpec([1, 1], tf.int32, name="token"), tf.TensorSpec([1, 2 * WIDTH], name="cache")

        @tf.function(input_signature=[token, cache])
        def decode_step(token: tf.Tensor, cache: tf.Tensor) -> dict[str, tf.Tensor]:
            added = cache + self._features(token)[:, 0]
            return {"logits": added @ self.head, "next_cache": added}

        return decode_step


@pytest.fixture(scope="module")
def pair() -> tuple[Pair, bytes]:
    """The pair and its flatbuffer."""
    made = Pair()
    return made, bytes(flatbuffer_converter.converter(made.functions, made.variables).convert())


TOKENS = np.array([3, 1, 4, 1, 5, 9], np.int32)


def decoded(found: Signatures) -> np.ndarray:
    """The logits after a token more than the prompt has, step by step."""
    cache = found.call("prefill", {"tokens": TOKENS})["next_cache"]
    return found.call("decode_step", {"token": np.array([2], np.int32), "cache": cache})["logits"]


def expected(pair: Pair) -> np.ndarray:
    """The same in one pass."""
    whole = np.append(TOKENS, 2)
    features = np.maximum(pair.table.numpy()[whole] @ pair.kernel.numpy(), 0).sum(axis=0)
    return features @ pair.head.numpy()


def test_each_weight_is_there_once_and_the_signatures_answer_as_one_pass_does(pair: tuple[Pair, bytes]) -> None:
    made, content = pair
    slim = edit.slim(content, [])
    weights = sum(int(np.prod(one.shape)) for one in made.variables)
    assert names(slim) == ["decode_step", "prefill"] and 4 * weights < len(slim) < 1.3 * 4 * weights
    for one in (content, slim):
        np.testing.assert_allclose(decoded(Signatures(one)), expected(made), rtol=1e-5, atol=1e-4)


def test_parameters_are_counted_once(pair: tuple[Pair, bytes], tmp_path: Path) -> None:
    made, content = pair
    path = tmp_path / "model.tflite"
    path.write_bytes(edit.slim(content, []))
    assert analyze.read(path).parameters == sum(int(np.prod(one.shape)) for one in made.variables)


def test_a_signature_in_front_is_what_runtimes_run(pair: tuple[Pair, bytes], tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    made, content = pair
    sizes = set()
    for name in names(content):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(in_front(content, name))
        found = Interpreter(str(path))
        assert len(found.get_input_details()) == len(Signatures(content).inputs[name])
        sizes.add(interpreter.arena_bytes(path))
        np.testing.assert_allclose(decoded(Signatures(path)), expected(made), rtol=1e-5, atol=1e-4)
    (together,) = sizes  # of all signatures, whichever is in front
    assert together > 4 * (LENGTH * 2 * WIDTH + 2 * WIDTH)


def test_a_signature_s_inputs_are_held_to_their_names(pair: tuple[Pair, bytes]) -> None:
    found = Signatures(pair[1])
    assert found.inputs["decode_step"]["cache"] == (np.dtype(np.float32), (2 * WIDTH,))
    with pytest.raises(ValueError, match="signature decode_step takes cache, token; found token"):
        found.call("decode_step", {"token": np.array([2], np.int32)})


def test_weights_of_eight_bits(pair: tuple[Pair, bytes]) -> None:
    made, content = pair
    converter = flatbuffer_converter.converter(made.functions, made.variables)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    small = edit.slim(bytes(converter.convert()), [])
    answer = decoded(Signatures(small))
    assert len(small) < len(content) and np.abs(answer - expected(made)).max() < 0.05 * expected(made).std()


@pytest.mark.parametrize(("kind", "most"), [("int8_weights", 0.05), ("int4_weights", 0.4), ("int8", 0.25)])
def test_post_training_quantization_of_all_signatures(pair: tuple[Pair, bytes], kind: Kind, most: float) -> None:
    made, content = pair
    random = np.random.default_rng(0)
    prompts = random.integers(0, WORDS, (32, LENGTH)).astype(np.int32)
    exact = Signatures(content)
    caches = [exact.call("prefill", {"tokens": one})["next_cache"] for one in prompts]
    calls = {
        "prefill": [{"tokens": one} for one in prompts],
        "decode_step": [{"token": one[:1], "cache": cache} for one, cache in zip(prompts, caches, strict=True)],
    }
    quantizer = Quantizer(content, calls)
    small = edit.slim(quantizer.quantize(kind), [])
    assert len(small) < 0.55 * len(content) and quantizer.error(content) == 0 < quantizer.error(small) < most
    found, whole = decoded(Signatures(small)), expected(made)
    assert np.abs(found - whole).max() < 4 * most * whole.std()
