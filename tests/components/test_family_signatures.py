"""A family with a decoding step of its own: one set of weights, whatever compression has done to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components.compress import method
from modelmill.components.compress.chain import parse_chain
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.context import Context, steps
from modelmill.components.models import family
from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import edit
from modelmill.components.models.flatbuffer.signatures import SERVING, Signatures, names
from modelmill.data import modality
from tests.contracts.problems import text
from tests.contracts.rows import Rows

BAGS = '''
"""A bag of words: a prompt at once, or token by token from what is remembered of those before it."""
from typing import Literal
from modelmill.components.models import family
from modelmill.data.modalities.text.facts import TextFacts
from modelmill.data.spec import narrow


class BagsConfig(family.FamilyConfig):
    """How wide."""
    family: Literal["bags"] = "bags"
    width: int = 64


class Bags(family.Family[BagsConfig]):
    """The mean of features of tokens."""
    Config = BagsConfig
    MODALITIES = ("text",)

    def build(self, config, spec):
        from tf_keras import Model, layers

        inputs = family.inputs(spec)
        ids = narrow(spec.modality_facts, TextFacts).vocabulary
        features = layers.Embedding(ids, config.width, name="table")(inputs)
        features = layers.Dense(2 * config.width, activation="relu", name="hidden")(features)
        pooled = layers.GlobalAveragePooling1D()(features)
        return Model(inputs, family.head(pooled, config, spec))

    def signatures(self, config, networks, spec, batch):
        import tensorflow as tf

        layer, width = networks["main"].get_layer, 2 * config.width

        @tf.function(input_signature=[tf.TensorSpec([batch, 1], tf.int32, name="token"),
                                      tf.TensorSpec([batch, width], tf.float32, name="cache")])
        def decode_step(token, cache):
            added = cache + layer("hidden")(layer("table")(token))[:, 0] / spec.input.shape[0]
            return {"logits": layer("logits")(added), "next_cache": added}

        return {"decode_step": decode_step}

    def calls(self, config, spec, inputs, call):
        import numpy as np

        cache = np.zeros(2 * config.width, np.float32)
        for token in inputs:
            given = {"token": token[None], "cache": cache}
            yield "decode_step", given
            cache = call("decode_step", given)["next_cache"]
'''


class Learnable(Rows):
    """The problem's own inputs and labels."""

    def __init__(self, problem: Any, number: int, batch: int) -> None:
        super().__init__(problem, number, batch)
        self._pairs = tf.data.Dataset.from_tensor_slices((problem.inputs, problem.labels.astype(np.int64)))


@pytest.fixture
def bags(tmp_path: Path, plug_ins: Callable[[Path], None]) -> tuple[Context, Any]:
    """A trained model of the family, and what a method is handed."""
    file = tmp_path / "own" / "families" / "bags.py"
    file.parent.mkdir(parents=True)
    file.write_text(BAGS)
    plug_ins(tmp_path / "own")
    problem, config = text(), family.look_up("bags").Config()
    tf_keras.utils.set_random_seed(0)
    model = family.build(config, problem.spec)
    stored = model_store.Stored(config, problem.spec, {"modality": "text"}, "supervised", 8)
    rows: Any = Learnable(problem, 48, 8)
    context = Context(stored, model, {"train": rows, "eval": rows}, modality.look_up("text").Policy(), 0, "bags")
    context.train(model, 20, 0.01)
    return context, problem


def decoded(content: bytes, tokens: np.ndarray, width: int = 128) -> np.ndarray:
    """The logits after the last token, step by step."""
    found, cache = Signatures(content), np.zeros(width, np.float32)
    for token in tokens:
        answer = found.call("decode_step", {"token": token[np.newaxis], "cache": cache})
        cache = answer["next_cache"]
    return np.asarray(answer["logits"])


@pytest.mark.parametrize(
    "chain", [[], ["prune"], ["int8"], ["prune", "int4"], ["dynamic_range"], ["cluster", "float16"]]
)
def test_step_by_step_and_at_once_agree_whatever_was_done(bags: tuple[Context, Any], chain: list[str]) -> None:
    context, problem = bags
    model, content = context.trained, None
    tuned = {"prune": {"epochs": 4}, "cluster": {"epochs": 2}}
    for found, config in steps(parse_chain([{name: tuned.get(name, {})} for name in chain])) if chain else ():
        model = found.tune(model, config, context)
        content = found.export(model, config, context) if found.EXPORTS else None
    slim = edit.slim(content or bytes(context.converter(model).convert()), [])
    assert names(slim) == ["decode_step", SERVING]
    weights = sum(int(np.prod(one.shape)) for one in model.variables)
    assert len(slim) < 4 * weights + 8_000  # each weight once
    if "prune" in chain:
        assert np.mean(model.get_layer("hidden").kernel.numpy() == 0) > 0.75
    found = Signatures(slim)
    right, agreed = 0, 0
    for tokens, label in zip(problem.inputs[:24], problem.labels[:24], strict=True):
        answer = found.call(SERVING, {"inputs": tokens})
        whole, step = next(iter(answer.values())), decoded(slim, tokens)
        agreed += whole.argmax() == step.argmax()
        right += whole.argmax() == label
    assert right > 16  # of 24 in three classes
    # Integers round what is remembered in each step: their errors add up, as they do not in one pass.
    assert agreed == 24 if chain != ["int8"] else agreed > 16


def test_a_method_that_keeps_its_wrappers_is_refused(bags: tuple[Context, Any]) -> None:
    chains = CompressConfig.model_validate({"chains": [["prune", "pqat"]]})
    chains.check("classification", "cnn")
    with pytest.raises(ValueError, match=r"compress: pqat can't export the further signatures of model.family: bags"):
        chains.check("classification", "bags")
    assert method.look_up("qat").KEEPS_WRAPPERS and not method.look_up("prune").KEEPS_WRAPPERS
