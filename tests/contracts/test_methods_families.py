"""Every compression method on every family: it ends with a flatbuffer that answers, or with a reason in words.

In CI a few pairs; all of them with ALL_PAIRS=1, which take about half an hour on two cores.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import tf_keras

from modelmill.components.compress import method
from modelmill.components.compress.chain import parse_step
from modelmill.components.compress.context import Context, steps
from modelmill.components.models import family
from modelmill.components.models.export import model_store
from modelmill.components.models.flatbuffer import interpreter
from modelmill.data import modality
from modelmill.data.core import plugins
from tests.contracts.chains import METHODS, chain
from tests.contracts.problems import PROBLEMS, SMALL
from tests.contracts.rows import Rows

EVERY = [(one, other) for one in plugins.names(family.PACKAGE) for other in METHODS]
# Each method and each family now and then: a step that shares no divisor with the numbers of both.
PAIRS = EVERY if os.environ.get("ALL_PAIRS") else EVERY[:: math.ceil(len(EVERY) / 6) | 1]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what"), PAIRS)
def test_it_ends_with_answers_or_with_a_reason(name: str, what: str, tmp_path: Path) -> None:
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(0)
    kind = family.look_up(name)
    problem = PROBLEMS[kind.MODALITIES[0]]()
    rows = Rows(problem, 12 * len(problem.raw), 16)
    config = kind.Config.model_validate({"family": name, **SMALL.get(name, {})})
    stored = model_store.Stored(config, problem.spec, {}, "supervised", 16)
    policy = modality.look_up(problem.spec.modality).Policy()
    model, content = family.build(config, problem.spec), None
    context = Context(stored, model, {"train": rows, "eval": rows}, policy, 0, "pair")
    try:
        for found, settings in steps([parse_step(step, 1) for step in chain(what)]):
            model = found.tune(model, settings, context)
            content = found.export(model, settings, context) if found.EXPORTS else None
    except ValueError as error:
        # In words, and of ours: it names the method, or what is wrong with the examples.
        assert what in str(error) or any(step["method"] in str(error) for step in chain(what)), error
        print(f"{what} on {name}: {error}")
        return
    path = tmp_path / "model.tflite"
    path.write_bytes(content or context.converter(model).convert())
    answers = interpreter.Flatbuffer(path).predict_all(problem.raw)
    assert answers.shape == (len(problem.raw), 3) and np.isfinite(answers).all()
    assert all(one["reason"] for one in context.skipped)
    assert plugins.names(method.PACKAGE)
