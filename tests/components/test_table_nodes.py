"""Tables and series through ingest, Transform and Trainer: training, serving and the reference client see the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from modelmill.components import artifacts
from modelmill.components.models.export import model_store
from modelmill.components.models.families import mlp, rnn
from modelmill.components.models.training.config import OptimizerConfig
from modelmill.components.train.config import TrainConfig
from modelmill.data import modality, task
from modelmill.data.modalities.series import client as series_client
from modelmill.data.modalities.tabular import client as table_client
from modelmill.data.modalities.tabular.config import DATED
from tests.components.nodes import trained
from tests.components.pushed import assert_same, predict, push, served

series = modality.look_up("series")
tabular = modality.look_up("tabular")

TOWNS = ("Ulm", "Bonn", "Köln, am Rhein")

# Seconds since 1970.
EPOCH = 1_700_000_000


def table(folder: Path) -> tabular.Config:
    """Rows of a number, a number that may be missing, a category and a date; the price follows from three of them.

    The first number differs from row to row by less than float32 can tell.
    """
    random = np.random.default_rng(0)
    rows = ["size,age,town,since,price"]
    for number in range(150):
        size, age, town = EPOCH + random.normal(1080, 20), random.normal(5, 2), number % 3
        shown = f'"${size:,.3f}"' if number % 2 else f"{size:.3f}"
        seen = f"{age:.3f}" if number % 5 else ("", "NaN", "unknown")[number // 5 % 3]
        day = f"{2000 + number % 25}-{1 + number % 12:02}-{1 + number % 28:02}"
        rows.append(f'{shown},{seen},"{TOWNS[town]}",{day},{3 * (size - EPOCH) + 50 * town + random.normal():.2f}')
    (folder / "part-1.csv").write_text("\n".join(rows[:80]) + "\n", encoding="utf-8")
    (folder / "part-2.csv").write_text("\n".join([rows[0], *rows[80:]]) + "\n", encoding="utf-8")
    return tabular.Config(
        path=str(folder),
        files="part-*.csv",
        task="regression",
        label="price",
        numeric=("size", "age"),
        categorical=("town",),
        dates=("since",),
        missing=("age", "since"),
        missing_values=("unknown",),
        thousands=",",
        units=("$",),
        max_categories=2,
    )


def waves(folder: Path) -> series.Config:
    """Series of two channels and of 3 to 9 steps, rising or falling; some values are missing."""
    random, lines = np.random.default_rng(0), ["@data"]
    for number in range(120):
        steps = np.arange(3 + number % 7) * (1 if number % 2 else -1) + random.normal(0, 0.3, 3 + number % 7)
        shown = [[f"{value:.4f}" for value in channel] for channel in (steps, 10 * steps + EPOCH)]
        if number % 4 == 0:
            shown[1][1] = ("?", "nil")[number // 4 % 2]
        lines.append(":".join([*(",".join(channel) for channel in shown), "up" if number % 2 else "down"]))
    (folder / "waves.ts").write_text("\n".join(lines) + "\n")
    return series.Config(path=str(folder), channels=2, length=8, missing=True)


CASES: dict[str, tuple[Callable[[Path], Any], Any, Any]] = {
    "tabular": (table, mlp.MlpConfig(widths=(32,)), tabular.Policy(jitter=0.05)),
    "series": (waves, rnn.RnnConfig(units=(8,)), series.Policy(jitter=0.05, time_warp=0.1)),
}


@pytest.fixture(scope="module", params=list(CASES))
def chain(request: pytest.FixtureRequest, node_runner: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    make, family, policy = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    learning = TrainConfig(epochs=40, batch=16, optimizer=OptimizerConfig(learning_rate=0.01))
    checkpoints = tmp_path_factory.mktemp("checkpoints")
    done = trained(node_runner, folder, make(folder), policy, family, learning, checkpoints)
    (model,) = done.train.outputs["model"].get()
    done.spec = model_store.load(Path(artifacts.rebuild(model.uri)))[0].spec
    done.served = tf.saved_model.load(artifacts.serving(model.uri))
    return done


@pytest.fixture(scope="module")
def pushed(chain: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of its model."""
    (model,) = chain.train.outputs["model"].get()
    return push(model.uri, chain.config, tmp_path_factory.mktemp("pushed"))


def records(node: Any, key: str, split: str) -> list[bytes]:
    (artifact,) = node.outputs[key].get()
    files = [str(path) for path in Path(artifact.uri, f"Split-{split}").iterdir()]
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def contents(chain: Any, split: str) -> list[bytes]:
    """The raw content of each example."""
    name = modality.look_up(chain.config.modality).INPUT
    raw = [tf.train.Example.FromString(one).features.feature for one in records(chain.ingest, "examples", split)]
    return [one[name].bytes_list.value[0] for one in raw]


def by_the_client(chain: Any, content: bytes, folder: Path) -> np.ndarray:
    told = modality.look_up(chain.config.modality).client_config(chain.config, chain.spec)
    if chain.config.modality == "series":
        return series_client.preprocess([line.split(",") for line in content.decode().split("\n")], **told)
    (folder / "row.csv").write_bytes(content)
    ((_, row),) = table_client.rows(folder / "row.csv", told["columns"])
    return table_client.preprocess(row, **{key: told[key] for key in table_client.PARAMETERS})


def test_training_serving_and_the_client_see_the_same_numbers(chain: Any, tmp_path: Path) -> None:
    trained, _ = modality.parse(tf.constant(records(chain.transform, "transformed_examples", "train")), chain.spec)
    trained_on = {one.tobytes() for one in trained.numpy()}
    assert len(trained_on) > 50
    name = modality.look_up(chain.config.modality).INPUT
    for split in ("train", "test"):
        for content in contents(chain, split):
            served = chain.served.signatures["preprocess"](**{name: tf.constant([content])})["inputs"].numpy()[0]
            assert np.isfinite(served).all()
            np.testing.assert_allclose(by_the_client(chain, content, tmp_path), served, rtol=0, atol=1e-6)
            assert (served.tobytes() in trained_on) or split == "test"


def test_numbers_are_deviations_and_what_is_missing_or_padded_is_nothing(chain: Any) -> None:
    trained, _ = modality.parse(tf.constant(records(chain.transform, "transformed_examples", "train")), chain.spec)
    inputs = trained.numpy()
    if chain.config.modality == "series":
        there = inputs[..., -1] == 1
        assert there.sum(axis=1).min() == 3 and there.sum(axis=1).max() == 8
        assert (inputs[~there] == 0).all()
        for channel in range(2):
            values = inputs[there][:, channel]
            known = values[values != 0]
            assert abs(known.mean()) < 1e-4 and abs(known.std() - 1) < 1e-2
        return
    kinds = {(one.column, one.kind): place for place, one in enumerate(chain.spec.modality_facts.columns)}
    empty = inputs[:, kinds["age", "missing"]] == 1
    age = inputs[:, kinds["age", "number"]]
    assert empty.any() and (age[empty] == 0).all() and abs(age[~empty].mean()) < 1e-4
    assert set(inputs[:, kinds["town", "category"]]) == {0, 1, 2}, "two known ones, and all others"
    assert len(chain.spec.modality_facts.columns[kinds["town", "category"]].categories) == 2
    assert {kind for column, kind in kinds if column == "since"} == {*DATED, "missing"}


def test_it_learns_and_the_served_model_takes_raw_content(chain: Any) -> None:
    asked = task.look_up(chain.spec.task)
    name = modality.look_up(chain.config.modality).INPUT
    answers = chain.served.signatures["serving_default"](**{name: tf.constant(contents(chain, "test"))})
    told = chain.served.signatures["transform_features"](
        examples=tf.constant(records(chain.ingest, "examples", "test"))
    )
    recorded = asked.record(answers[asked.ANSWER].numpy(), told["label"].numpy())
    assert task.metric(chain.spec.task).of(recorded) > 0.7


def test_the_pushed_client_answers_as_the_served_model(chain: Any, pushed: Path, tmp_path: Path) -> None:
    """The real client and the real flatbuffer, each in its process, on raw files."""
    kind, raw = modality.look_up(chain.config.modality), contents(chain, "test")
    files = [tmp_path / f"{number}-{kind.filename(content)}" for number, content in enumerate(raw)]
    for file, content in zip(files, raw, strict=True):
        file.write_bytes(content)
    told = predict(pushed, *files)
    assert [one["file"] for one in told] == [str(file) for file in files]
    assert_same(told, served(pushed, chain.config, raw), pushed, chain.config)


# As people's files are: with line ends of any kind, blanks around cells, and more than the model was trained on.
AS_WRITTEN = {
    "tabular": [
        b"80,,Ulm,2003-04-05\n",
        b' 61.5 , 4 ,"K\xc3\xb6ln,  am Rhein",2024-12-31 08:15\r\n',
        b"1e2,.5,Trier,\r\n",
        b'"1,080.5",NaN,NaN,n/a\n',
        b'1080.5, Unknown ,Ulm,"-"\n',
    ],
    "series": [
        b"1,2\n3,4\n5,6\n",
        b"1,2\r\n3,\r\n5,6\r\n",
        b" 1 ,2\n,\n",
        b"1,2\n3,4",
        b"0,5\n" * 12,
        b"nan,N/A\n3,nil\n",
    ],
}


def test_files_as_people_write_them_mean_the_same_to_both(chain: Any, pushed: Path, tmp_path: Path) -> None:
    raw = AS_WRITTEN[chain.config.modality]
    files = [tmp_path / f"{number}.csv" for number in range(len(raw))]
    for file, content in zip(files, raw, strict=True):
        file.write_bytes(content)
    assert_same(predict(pushed, *files), served(pushed, chain.config, raw), pushed, chain.config)
