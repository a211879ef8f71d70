"""Columns of 1 to 300 categories: through every export the flatbuffer looks up the row that the Keras model does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tf_keras

from modelmill.components.compress import method
from modelmill.components.compress.chain import parse_step
from modelmill.components.compress.context import Context
from modelmill.components.models.export import model_store, saved_model
from modelmill.components.models.families import mlp
from modelmill.components.models.flatbuffer import interpreter
from modelmill.components.models.layers.columns import Embedded
from modelmill.components.testing.specs import make_spec
from modelmill.data import modality
from modelmill.data.core import plugins
from modelmill.data.spec import Column
from tests.contracts.problems import Problem
from tests.contracts.rows import Rows

ROWS = 12
# In CI some numbers of categories, around the powers of two; all up to 300 where there is time.
SOME = (*range(1, 18), *(size + more for size in (32, 64, 128, 256) for more in (-1, 0, 1)), 300)
# Each export with its settings; no fallback that would leave a layer alone, so that all is quantized.
EXPORTS = {
    "float32": "",
    "float16": "float16",
    "dynamic_range": "dynamic_range",
    "int8": "int8",
    "int8 by litert-quantizer": {"int8": {"fallback": {"tolerance": 1e9}}},
    "int4": {"int4": {"fallback": None}},
}


def problem(sizes: Sequence[int]) -> Problem:
    """A column for each number of categories, and one of numbers; rows with the first and the last place of each."""
    columns = [Column(column=f"c{size}", kind="category", categories=tuple(map(str, range(size)))) for size in sizes]
    columns.append(Column(column="number", kind="number"))
    random = np.random.default_rng(0)
    raw = np.zeros((ROWS, len(columns)), np.float32)
    for place, size in enumerate(sizes):
        raw[:, place] = random.integers(0, size + 1, ROWS)
        raw[:3, place] = (0, size, size - 1)  # the last is for what is unknown
    raw[:, -1] = random.normal(size=ROWS)
    size, labels = (len(columns),), ("prediction",)
    spec = make_spec("tabular", size, "float32", labels, {"columns": columns}, task_name="regression")
    return Problem(spec, raw, np.zeros(ROWS), raw)


def embedded(made: Problem) -> tf_keras.Model:
    """A model that gives the numbers and the vectors of a row, each category's another one."""
    counts = [len(one.categories) + 1 if one.kind == "category" else 0 for one in made.spec.modality_facts.columns]
    inputs = tf_keras.Input(made.spec.input.shape)
    layer = Embedded(counts, 2, name="columns")
    model = tf_keras.Model(inputs, layer(inputs), name="mlp")
    random = np.random.default_rng(1)
    layer.set_weights([random.uniform(-1, 1, one.shape).astype(np.float32) for one in layer.get_weights()])
    return model


@pytest.fixture(
    scope="module", params=[SOME, pytest.param(range(1, 301), marks=pytest.mark.slow)], ids=["some", "1 to 300"]
)
def columns(request: pytest.FixtureRequest) -> tuple[Problem, tf_keras.Model]:
    """Rows of columns of many sizes, and such a model."""
    made = problem(request.param)
    return made, embedded(made)


def test_every_export_of_the_compressor_is_tried() -> None:
    names = [name for name in plugins.names(method.PACKAGE) if method.look_up(name).EXPORTS]
    tried = {parse_step(one, 1)["method"] for one in EXPORTS.values() if one}
    # The others fine-tune with quantization simulated, and write the flatbuffer as int8 does.
    assert {name for name in names if not method.look_up(name).FOLLOWS and not name.endswith("qat")} == tried


@pytest.mark.parametrize("export", EXPORTS)
def test_columns_of_any_size_convert_and_keep_their_vectors(
    columns: tuple[Problem, tf_keras.Model], export: str, tmp_path: Path
) -> None:
    made, model = columns
    tf_keras.backend.clear_session()
    rows, policy = Rows(made, len(made.raw), 16), modality.look_up("tabular").Policy()
    stored = model_store.Stored(mlp.MlpConfig(), made.spec, {}, "supervised", 16)
    context = Context(stored, model, {"train": rows, "eval": rows}, policy, 0, export)
    if EXPORTS[export]:
        step = parse_step(EXPORTS[export], 1)
        found = method.look_up(step["method"])
        content = found.export(model, found.Config.model_validate(step), context)
    else:
        content = context.converter(model).convert()
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    answers, exact = interpreter.Flatbuffer(path).predict_all(made.raw), model(made.raw).numpy()
    # int4 has sixteen values between -1 and 1; a neighbour's vector would be further away.
    allowed = {"float32": 1e-6, "float16": 1e-3, "int4": 0.15}.get(export, 0.03)
    away = np.abs(answers - exact)[:, 1:]  # the number, which int8 gives the range of the categories, is not looked up
    assert away.max() < allowed, [
        made.spec.modality_facts.columns[place // 2].column for place in np.flatnonzero(away.max(axis=0) >= allowed)
    ]


@pytest.mark.parametrize("size", [1, 5, 6, 7])
def test_a_column_alone_converts(size: int, tmp_path: Path) -> None:
    """Of constants that are the same for all columns the converter makes operators of their own, such as Relu6."""
    made = problem([size])
    columns = made.spec.modality_facts.columns[:1]
    spec = make_spec("tabular", (1,), "float32", made.spec.labels, {"columns": columns}, task_name="regression")
    made = made._replace(spec=spec, inputs=made.inputs[:, :1], raw=made.raw[:, :1])
    model = embedded(made)
    path = tmp_path / "model.tflite"
    path.write_bytes(saved_model.converter(model, spec).convert())
    np.testing.assert_allclose(interpreter.Flatbuffer(path).predict_all(made.raw), model(made.raw).numpy(), atol=1e-6)
