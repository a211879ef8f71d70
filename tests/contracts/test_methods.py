"""One contract for every compression method: a file in components/compress/methods is tested without an entry here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modelmill.components import artifacts
from modelmill.components.compress import method
from modelmill.components.compress.chain import _check_order, parse_chain, parse_step
from modelmill.components.compress.context import Context, steps
from modelmill.components.models import family
from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import interpreter
from modelmill.components.models.training.dataset import Examples
from modelmill.components.testing.pytest_plugin import example_proto
from modelmill.data import modality
from modelmill.data.spec import LABEL
from tests.contracts.chains import METHODS, chain
from tests.contracts.problems import PROBLEMS, SMALL

image = modality.look_up("image")


@pytest.fixture
def context(trained: Any, prepared: SimpleNamespace) -> Context:
    (model,) = trained.outputs["model"].get()
    stored, bare = model_store.load(Path(artifacts.rebuild(model.uri)))
    (transformed,) = prepared.transform.outputs["transformed_examples"].get()
    examples = {
        split: Examples([str(path) for path in Path(transformed.uri, f"Split-{split}").iterdir()], stored.spec, 16)
        for split in ("train", "eval")
    }
    return Context(stored, bare, examples, image.Policy(), 0, "contract")


@pytest.mark.parametrize("name", METHODS)
def test_its_config_is_read_without_tensorflow(name: str) -> None:
    code = f"import sys, modelmill.components.compress.methods.{name}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", METHODS)
def test_it_leaves_the_model_it_was_given_alone_and_what_it_makes_runs(
    name: str, context: Context, trained: Any, tmp_path: Path
) -> None:
    (artifact,) = trained.outputs["model"].get()
    _, model = model_store.load(Path(artifacts.rebuild(artifact.uri)))
    before = [weight.copy() for weight in model.get_weights()]
    made, content = model, None
    for found, config in steps([parse_step(step, 1) for step in chain(name)]):
        before_it, made = made, found.tune(made, config, context)
        assert (made is not before_it) == found.tunes()
        if found.EXPORTS:
            content = found.export(made, config, context)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    path = tmp_path / "model.tflite"
    path.write_bytes(content or context.converter(made).convert())
    answers = interpreter.Flatbuffer(path).predict_all(
        inputs for inputs, _ in context.examples["eval"].raw().as_numpy_iterator()
    )
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=0.05)


@pytest.mark.parametrize("name", METHODS)
def test_its_shortest_chain_is_allowed_and_its_rules_name_methods(name: str) -> None:
    assert [step["method"] for step in parse_chain(chain(name))][-1] == name
    found = method.look_up(name)
    assert set(found.FOLLOWS) | set(found.NEEDS) | set(found.UNDOES) <= set(METHODS)
    for before, instead in found.UNDOES.items():
        with pytest.raises(ValueError, match=f"would undo {before}; use {instead}"):
            _check_order([before, name])


@pytest.mark.parametrize("name", METHODS)
def test_it_says_what_it_does(name: str) -> None:
    found = method.look_up(name)
    assert found.__doc__ and found.Config.__doc__
    assert found.Config.model_validate({"method": name}).method == name


def small_context(name: str, folder: Path) -> tuple[Context, tf_keras.Model]:
    """A family with random weights, and the examples of its problem as Transform would have written them."""
    problem = PROBLEMS[family.look_up(name).MODALITIES[0]]()
    config = family.look_up(name).Config.model_validate({"family": name, **SMALL.get(name, {})})
    kind = modality.look_up(problem.spec.modality)
    path = folder / "examples.gz"
    with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
        for one, label in zip(problem.inputs, problem.labels, strict=True):
            features = {key: value.numpy().ravel().tolist() for key, value in kind.encode(tf.constant(one)).items()}
            writer.write(example_proto({**features, LABEL: int(label)}).SerializeToString())
    examples = Examples([str(path)], problem.spec, 16)
    stored = model_store.Stored(config, problem.spec, {"modality": problem.spec.modality}, "supervised", 16)
    model = family.build(config, problem.spec)
    return Context(stored, model, {"train": examples, "eval": examples}, kind.Policy(), 0, "contract"), model


# Of each kind one: what changes weights, what changes shapes, what simulates, and what writes numbers of fewer bits.
@pytest.mark.parametrize(
    ("of", "name"),
    [
        ("mlp", "prune"),
        ("mlp", "structured"),
        ("mlp", "qat"),
        ("mlp", "int8"),
        ("rnn", "prune"),
        ("rnn", "structured"),
        ("rnn", "qat"),
        ("rnn", "cluster"),
        ("rnn", "int8"),
        ("rnn", "int4"),
    ],
)
def test_families_of_numbers_take_it_or_it_says_of_each_layer_why_not(of: str, name: str, tmp_path: Path) -> None:
    context, model = small_context(of, tmp_path)
    made, content = model, None
    for found, config in steps([parse_step(step, 1) for step in chain(name)]):
        try:
            made = found.tune(made, config, context)
        except ValueError as error:
            assert "the layers table says why" in str(error) and context.skipped
            return
        if found.EXPORTS:
            content = found.export(made, config, context)
    path = tmp_path / "model.tflite"
    path.write_bytes(content or context.converter(made).convert())
    answers = interpreter.Flatbuffer(path).predict_all(
        inputs for inputs, _ in context.examples["eval"].raw().as_numpy_iterator()
    )
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=0.05)
    skipped = {one["layer"] for one in context.skipped}
    assert not skipped & set(context.rungs) and set(context.rungs.values()) <= {"annotated"}
    if name in ("qat", "prune"):  # TF-MOT takes no layer of ours with weights
        assert {layer.name for layer in model.layers if type(layer).__name__ == "Embedded"} <= skipped
    if (of, name) == ("rnn", "qat"):
        assert {layer.name for layer in model.layers if type(layer).__name__ == "LSTM"} <= skipped
    if (of, name) == ("rnn", "prune"):
        assert not skipped and all(np.mean(layer.get_weights()[1] == 0) >= 0.7 for layer in made.layers[2:4])
    for one in context.skipped:
        assert one["reason"] and one["method"]
