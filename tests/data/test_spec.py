"""A Spec keeps its plug-ins' facts through JSON and pickle, and says what is wrong with it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelmill.components.testing.specs import make_spec
from modelmill.data import specs, task
from modelmill.data.core import plugins
from modelmill.data.modalities.audio.facts import AudioFacts
from modelmill.data.modalities.text.facts import TextFacts
from modelmill.data.spec import Column, Spec, TensorSpec, narrow

TABLE = {"columns": [Column(column="a", kind="number", mean=3, stddev=2)]}
SPECS = {
    "image": make_spec("image", (4, 4, 3), "uint8", ("a", "b"), mean=(1, 2, 3), stddev=(1, 1, 2)),
    "text": make_spec("text", (8,), "int32", ("a", "b"), {"vocabulary": 9, "pairs": True}, role="tokens"),
    "numbers": make_spec("tabular", (1,), "float32", ("x",), TABLE, "regression", {"label_mean": 4.0}),
    "anomalies": make_spec("series", (5, 2), "float32", ("score",), {"masked": True}, "anomaly", role="time"),
    "several labels": make_spec("audio", (None,), "int16", ("a", "b", "c"), {"sample_rate": 8}, "multilabel"),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_json_and_pickle_keep_all_of_it(spec: Spec) -> None:
    text = spec.canonical()
    assert specs.read(json.loads(text)) == spec and specs.read(json.loads(text)).canonical() == text
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize(
    ("name", "targets", "size"),
    [
        ("image", ((), "int64"), 2),
        ("numbers", ((), "float32"), 1),
        ("anomalies", ((), "int64"), 10),
        ("several labels", ((3,), "float32"), 3),
    ],
)
def test_a_task_says_what_it_takes_and_gives(name: str, targets: tuple[Any, ...], size: int) -> None:
    (target,) = SPECS[name].targets
    assert (target.shape, target.dtype) == targets and SPECS[name].output_size == size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality_facts": {"vocabulary": 9, "voices": 2}}, "voices"),
        ({"task_facts": {"labels": ["a"], "label_mean": 2}}, "label_mean"),
        ({"shape": [8]}, "shape"),
        ({"modality": "smell"}, "unknown modality 'smell'"),
        ({"task": "clasification"}, "did you mean 'classification'"),
        ({"inputs": []}, "inputs"),
    ],
)
def test_what_is_unknown_or_missing_is_named(change: dict[str, Any], message: str) -> None:
    content = SPECS["text"].model_dump(mode="json")
    with pytest.raises(ValueError, match=message):
        specs.read({**content, **change})


def test_a_spec_of_an_earlier_version_asks_for_another_training() -> None:
    with pytest.raises(ValueError, match=r"lacks inputs, .*task_facts; train the model again"):
        specs.read({"modality": "image", "task": "classification", "shape": [4], "labels": ["a"]})


def test_who_takes_one_input_says_so_of_several() -> None:
    left, right = (TensorSpec(name=name, shape=(2, None), dtype="float32") for name in ("left", "right"))
    spec = SPECS["image"].model_copy(update={"inputs": (left, right)})
    with pytest.raises(ValueError, match=r"found 2 inputs \(left, right\)"):
        _ = spec.input
    with pytest.raises(ValueError, match=r"right: found the shape \(2, None\)"):
        _ = right.fixed_shape
    assert SPECS["image"].with_input(shape=(2, 2, 3)).input.shape == (2, 2, 3)


def test_facts_of_another_modality_are_refused() -> None:
    assert narrow(SPECS["text"].modality_facts, TextFacts).vocabulary == 9
    with pytest.raises(ValueError, match="found the facts TextFacts, but AudioFacts is needed"):
        narrow(SPECS["text"].modality_facts, AudioFacts)


def test_a_normalised_input_is_of_floats() -> None:
    assert SPECS["image"].input.model_dtype == "float32" and SPECS["text"].input.model_dtype == "int32"


def test_it_is_read_without_tensorflow() -> None:
    code = (
        "import json, sys; from modelmill.data import specs; specs.read(json.loads(sys.stdin.read()));"
        "assert 'tensorflow' not in sys.modules"
    )
    for spec in SPECS.values():
        subprocess.run([sys.executable, "-c", code], input=spec.canonical(), text=True, check=True)


TASK = """
from modelmill.data.spec import TaskFacts
from modelmill.data.task import Metric, Task

class CountFacts({base}):
    labels: tuple[str, ...] = ()
    most: int{default}

class Count(Task):
    Facts = CountFacts
    METRICS, REPORTED, ANSWER, MEANING, MEASURE = (), (), "count", "a count", "error"
    def preprocess(self, label, config): pass
    def describe(self, output, example, config): return CountFacts(most=9)
    def features(self, spec): pass
    def label(self, features, spec): pass
    def soft_targets(self, labels, spec): pass
    def loss(self, target, outputs): pass
    def train_metric(self, target, outputs): pass
    def postprocess(self, outputs, inputs, spec): pass
    def record(self, answers, labels): pass
"""


@pytest.mark.parametrize(
    ("base", "default", "message"),
    [
        ("TaskFacts", "", "Facts.most needs a default"),
        ("object", " = 3", "Facts must be a subclass of TaskFacts"),
        ("TaskFacts", " = 3", None),
    ],
)
def test_facts_of_ones_own_task_are_checked(
    base: str, default: str, message: str | None, tmp_path: Path, plug_ins: Callable[[Path], None]
) -> None:
    (tmp_path / "own" / "tasks").mkdir(parents=True)
    (tmp_path / "own" / "tasks" / "counts.py").write_text(TASK.format(base=base, default=default))
    plug_ins(tmp_path / "own")
    if message:
        with pytest.raises(plugins.PlugInError, match=message):
            task.look_up("counts")
        return
    spec = make_spec("image", (4,), "uint8", ("n",), task_name="counts", task_facts={"most": 7})
    assert specs.read(json.loads(spec.canonical())) == spec and spec.output_size == 1
