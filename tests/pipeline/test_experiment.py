"""Wrong words in an experiment are refused with the path of the field, what is allowed and the near match."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from modelmill.data.core import plugins
from modelmill.data.core.fetch import resolve
from modelmill.pipeline.experiment import experiment
from modelmill.pipeline.experiment.experiment import ExperimentError, load

GOOD = {
    "data": {"modality": "image", "sample": "digits", "height": 8, "width": 8, "channels": 1},
    "model": {"family": "cnn"},
}


def written(folder: Path, tree: object) -> str:
    """The path of an experiment file with this content, which may be text."""
    path = folder / "mine.yaml"
    path.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree))
    return str(path)


def problems(folder: Path, tree: object, *overrides: str) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(ExperimentError) as caught:
        load(written(folder, tree), list(overrides))
    return caught.value.problems


def test_the_least_that_is_needed(tmp_path: Path) -> None:
    found = load(written(tmp_path, GOOD))
    assert found.name == "mine"
    assert (found.data.sample, found.model.family) == ("digits", "cnn")
    assert found.augment.model_dump()["strength"] == 1
    assert found.run.seed == 0


@pytest.mark.parametrize("shipped", [head["name"] for head in experiment.shipped()])
def test_shipped_ones_load_and_tell_about_themselves(shipped: str) -> None:
    assert load(shipped).name == shipped
    (head,) = [one for one in experiment.shipped() if one["name"] == shipped]
    assert set(head) == {"name", *experiment.HEAD}
    assert all(head.values())
    assert head["command"] == f"modelmill run {shipped}"


ANOMALY = {**GOOD, "data": {**GOOD["data"], "task": {"anomaly": {"normal": ["0", "1"]}}}}


def test_a_task_is_a_name_or_a_name_with_its_settings(tmp_path: Path) -> None:
    found = load(written(tmp_path, ANOMALY)).data
    assert found.task == "anomaly" and found.task_settings.normal == ("0", "1")
    assert json.loads(found.canonical())["task"] == {"anomaly": {"normal": ["0", "1"]}}
    plain = [{"task": "regression"}, {"task": {"regression": {}}}, {"task": {"regression": None}}]
    made = {load(written(tmp_path, {**GOOD, "data": {**GOOD["data"], **one}})).data.canonical() for one in plain}
    assert len(made) == 1 and json.loads(made.pop())["task"] == "regression"


def test_a_renamed_key_is_accepted_with_a_warning_and_means_the_same(tmp_path: Path) -> None:
    before = {**GOOD, "data": {**GOOD["data"], "task": "anomaly", "normal": ["0", "1"]}}
    with pytest.warns(FutureWarning, match=r"data\.normal is now data\.task\.anomaly\.normal"):
        found = load(written(tmp_path, before))
    assert found.data.canonical() == load(written(tmp_path, ANOMALY)).data.canonical()
    with pytest.warns(FutureWarning):
        assert load(
            written(tmp_path, ANOMALY), ["data.task=anomaly", "data.normal=['2']"]
        ).data.task_settings.normal == ("2",)


def test_a_renamed_key_beside_its_new_name_or_of_another_task_is_refused(tmp_path: Path) -> None:
    for data in (ANOMALY["data"], GOOD["data"]):
        (found,) = problems(tmp_path, {**GOOD, "data": {**data, "normal": ["2"]}})
        assert found.startswith("data.normal: unknown key 'normal'")


# Section or key, its wrong value, and what the one problem must say: the path first.
WRONG = [
    ("trian", {}, "trian: unknown key 'trian'", "did you mean 'train'?"),
    ("train.epoch", 3, "train.epoch: unknown key 'epoch'", "did you mean 'epochs'?"),
    ("train.epochs", 0, "train.epochs: found 0", "greater than or equal to 1"),
    ("data.task", "anomly", "data.task: unknown task 'anomly'", "did you mean 'anomaly'?"),
    ("data.task", "anomaly", "data.task.anomaly.normal: missing", "field required"),
    (
        "data.task",
        {"anomaly": {"normal": ["0"], "nromal": 1}},
        "data.task.anomaly.nromal: unknown key 'nromal'",
        "did you mean 'normal'?",
    ),
    ("data.task", {"anomaly": {"normal": "0"}}, "data.task.anomaly.normal: found '0'", "a list"),
    ("data.task", ["anomaly"], "data.task: found ['anomaly']", "a name or {name: {setting: value}}"),
    ("train.epochs", "many", "train.epochs: found 'many'", "valid integer"),
    ("train.loop", "supervized", "train.loop: unknown training loop", "did you mean 'supervised'?"),
    ("train.optimizer.name", "adamm", "train.optimizer.name: found 'adamm'", "'adam'"),
    ("train.optimizer.rate", 1, "train.optimizer.rate: unknown key 'rate'", "learning_rate"),
    ("train.optimizer.learning_rate", -1, "train.optimizer.learning_rate: found -1", "greater than 0"),
    ("train.optimizer.learning_rate", float("nan"), "train.optimizer.learning_rate: found nan", ""),
    ("train.early_stopping.patience", 0, "train.early_stopping.patience: found 0", "greater"),
    ("train.early_stopping.patiance", 5, "train.early_stopping.patiance: unknown key", "'patience'?"),
    ("train.schedule.name", "cosin", "train.schedule.name: found 'cosin'", "'cosine'"),
    ("train.strategy.devices", 2, "train.strategy", "use name: mirrored"),
    ("train", 7, "train: found 7", "mapping"),
    ("train", [1], "train: found [1]", "mapping"),
    ("data.modality", "imagee", "data.modality: unknown modality 'imagee'", "did you mean 'image'?"),
    ("data.modality", 3, "data.modality: unknown modality '3'", "image"),
    ("data.hight", 8, "data.hight: unknown key 'hight'", "did you mean 'height'?"),
    ("data.height", 0, "data.height: found 0", "greater"),
    ("data.channels", 2, "data.channels: found 2", "1 or 3"),
    ("data.sample", "digit", "data.sample: unknown sample 'digit'", "did you mean 'digits'?"),
    ("data.path", "somewhere", "data: ", "either 'path'"),
    ("data", None, "data.modality: missing", "image"),
    ("data", "digits", "data: found 'digits'", "mapping"),
    ("split.tran", 1, "split.tran: unknown key 'tran'", "did you mean 'train'?"),
    ("split.test", 0, "split.test: found 0", "greater"),
    ("augment.rotaton", 1, "augment.rotaton: unknown key 'rotaton'", "did you mean 'rotation'?"),
    ("augment.strength", 2, "augment.strength: found 2", "less than or equal to 1"),
    ("augment", 5, "augment: found 5", "mapping"),
    ("model.family", "cmn", "model.family: unknown family 'cmn'", "did you mean 'cnn'?"),
    ("model", {}, "model.family: missing", "cnn"),
    ("model.dropuot", 0.1, "model.dropuot: unknown key 'dropuot'", "did you mean 'dropout'?"),
    ("model.dropout", 1, "model.dropout: found 1", "less than 1"),
    ("evaluate.metric", "accurac", "evaluate.metric: unknown metric of classification 'accurac'", "'accuracy'"),
    ("evaluate.threshold", 95, "evaluate.threshold: found 95", "accuracy is 0 to 1"),
    ("compress.chains", [["prun"]], "compress.chains", "did you mean 'prune'?"),
    ("compress.chains", [[{"prune": {"sparsty": 0.5}}]], "compress.chains", "did you mean 'sparsity'?"),
    ("compress.chains", [[{"prune": {"sparsity": 5}}]], "compress.chains", "prune.sparsity: found 5"),
    ("compress.chains", [["int8", "prune"]], "compress.chains", "must be the last"),
    ("compress.chains", ["int8"], "compress.chains", "a chain is a list"),
    ("compress.chains", [], "compress.chains", "at least 1"),
    ("compress.chains", "int8", "compress.chains: found 'int8'", ""),
    ("compress.max_drp", 0, "compress.max_drp: unknown key 'max_drp'", "did you mean 'max_drop'?"),
    ("compress.max_bytes", -1, "compress.max_bytes: found -1", "greater"),
    ("push.destinaton", "x", "push.destinaton: unknown key", "did you mean 'destination'?"),
    ("run.sed", 1, "run.sed: unknown key 'sed'", "did you mean 'seed'?"),
    ("run.seed", -1, "run.seed: found -1", "greater"),
    ("run.seed", 2**31, "run.seed: found 2147483648", "less than"),
    ("name", "No Spaces", "name: found 'No Spaces'", "small letters"),
    ("name", "samples", "name: found 'samples'", "data sets"),
    ("name", "train", "name: found 'train'", "the name of a node"),
]


@pytest.mark.parametrize(("key", "value", "where", "hint"), WRONG)
def test_each_wrong_word_is_named(tmp_path: Path, key: str, value: object, where: str, hint: str) -> None:
    tree = json.loads(json.dumps(GOOD))
    *sections, last = key.split(".")
    node = tree
    for section in sections:
        node = node.setdefault(section, {})
    node[last] = value
    (problem,) = problems(tmp_path, tree)
    assert problem.startswith(where)
    assert hint in problem
    assert "\n" not in problem


def test_all_problems_at_once(tmp_path: Path) -> None:
    tree = {
        "data": {**GOOD["data"], "hight": 1, "sample": "digit"},
        "model": {"family": "cnn", "dropuot": 1},
        "augment": {"crop": 2},
        "train": {"epochs": 0, "loop": "no"},
        "compress": {"chains": [["int9"]]},
        "sed": 1,
    }
    found = problems(tmp_path, tree)
    for where in ("data.hight", "data.sample", "model.dropuot", "augment.crop", "train.epochs", "train.loop", "sed"):
        assert len([line for line in found if line.startswith(where)]) == 1, where
    assert any("int9" in line for line in found)
    assert len(found) == 8


def test_the_text_counts_and_indents(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"mine.yaml: 1 problem\n  sed: unknown key"):
        load(written(tmp_path, {**GOOD, "sed": 1}))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("data: [", "expected"),
        ("- 1", "mapping of sections, found list"),
        ("", "mapping of sections, found an empty file"),
        ("a: 1\na: 2", "'a' stands twice"),
        ("train: {epochs: 1, epochs: 2}", "'epochs' stands twice"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("? [a]\n: 1", "a key is a word, found ['a']"),
        ("1: 2", "a key is a word, found 1"),
        ("on: 2", "a key is a word, found True"),
    ],
)
def test_what_is_no_experiment(tmp_path: Path, text: str, hint: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert hint in problem


def test_unknown_experiments_and_files(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="did you mean 'digits-cnn'"):
        load("digits-cn")
    with pytest.raises(ExperimentError, match="there is no such file"):
        load(str(tmp_path / "none.yaml"))
    with pytest.raises(ExperimentError, match="no such file"):
        (tmp_path / "folder.yaml").mkdir()
        load(str(tmp_path / "folder.yaml"))


def test_overrides(tmp_path: Path) -> None:
    source = written(tmp_path, GOOD)
    found = load(source, ["train.epochs=5", "model.filters=[8, 16]", "model.pool=[true, true]", "name=other"])
    assert (found.train.epochs, found.model.model_dump()["filters"], found.name) == (5, (8, 16), "other")
    assert (
        load(source, ["data={modality: image, sample: digits, height: 9, width: 9}"]).data.model_dump()["height"] == 9
    )
    assert load(source, ["train.early_stopping.patience=3"]).train.early_stopping.patience == 3  # type: ignore[union-attr]
    assert load(source, ["train.epochs=1", "train.epochs=2"]).train.epochs == 2


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("train.epochs", "give key.sub=value"),
        ("=3", "give key.sub=value"),
        ("train..epochs=3", "give key.sub=value"),
        ("train.epochs=[", "--set train.epochs=["),
        ("data.sample.x=1", "sample holds a value"),
        ("train.epocs=3", "did you mean 'epochs'?"),
        ("train.optimizer.name.x=3", "train.optimizer.name"),
    ],
)
def test_wrong_overrides(tmp_path: Path, override: str, hint: str) -> None:
    (problem,) = problems(tmp_path, GOOD, override)
    assert hint in problem


def test_paths_are_taken_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    data = {"modality": "image", "path": "pictures", "height": 8, "width": 8}
    tree = {**GOOD, "data": data, "push": {"destination": "out"}}
    found = load(written(tmp_path, tree))
    assert found.data.path == str(tmp_path / "pictures")
    assert found.push.destination == str(tmp_path / "out")
    (problem,) = problems(tmp_path, {**GOOD, "data": {**data, "path": "elsewhere"}})
    assert problem.startswith("data.path: found 'elsewhere'; there is nothing at ")
    (problem,) = problems(tmp_path, {**tree, "push": {"destination": "gs://b/x"}})
    assert problem.startswith("push.destination: found 'gs://b/x'; give a folder; ")


def test_what_was_run_can_be_run_again(tmp_path: Path) -> None:
    first = load("digits-cnn", ["train.epochs=7"])
    assert load(written(tmp_path, first.model_dump(mode="json"))) == first


def test_canonical_json_does_not_depend_on_the_order(tmp_path: Path) -> None:
    turned = {"model": GOOD["model"], "data": dict(reversed(GOOD["data"].items()))}
    assert load(written(tmp_path, turned)).canonical() == load(written(tmp_path, GOOD)).canonical()


def test_refused_without_tensorflow(tmp_path: Path) -> None:
    source = written(tmp_path, {**GOOD, "train": {"epoch": 1}})
    code = (
        "import sys\n"
        "from modelmill.pipeline.experiment import experiment\n"
        f"try: experiment.load({source!r})\n"
        "except experiment.ExperimentError as error: print(error)\n"
        "assert not {'tensorflow', 'tfx', 'tf_keras', 'apache_beam'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "did you mean 'epochs'?" in done.stdout


def test_no_plugin_imports_tensorflow_to_read_its_config() -> None:
    code = (
        "import sys, importlib\n"
        "from modelmill.data.core import plugins\n"
        "for package in ('data.modalities', 'components.models.families', 'components.compress.methods'):\n"
        "    package = f'modelmill.{package}'\n"
        "    for name in plugins.names(package): plugins.load(package, name, 'plug-in')\n"
        "assert 'tensorflow' not in sys.modules, 'a plug-in imports it at its head'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_message_of_an_unknown_name() -> None:
    assert plugins.unknown("key", "zzz", ["b", "a"]) == "unknown key 'zzz'; allowed: a, b"
    assert plugins.unknown("key", "trian", ["train"]).endswith("; did you mean 'train'?")
    assert plugins.unknown("key", "x", []) == "unknown key 'x'; allowed: none"


def test_columns_and_slices_that_the_csv_does_not_have_are_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label,camera,person\n")
    sets = ["data.sample=null", f"data.path={tmp_path}", "data.csv=labels.csv"]
    load("digits-cnn", [*sets, "evaluate.slices=[label, camera, height]", "split.by=group", "split.column=person"])
    with pytest.raises(ExperimentError) as caught:
        load("digits-cnn", [*sets, "evaluate.slices=[camrea]", "split.by=column", "split.column=part"])
    assert len(caught.value.problems) == 2
    assert "evaluate.slices: unknown feature 'camrea'; allowed: camera," in str(caught.value)
    assert "split.column: unknown column 'part'" in str(caught.value)
    with pytest.raises(ExperimentError, match=r"none\.csv can't be read"):
        load("digits-cnn", [*sets, "data.csv=none.csv"])
    with pytest.raises(ExperimentError, match="'part', but there is no CSV"):
        load("digits-cnn", ["split.by=column", "split.column=part"])


def test_the_section_validate_is_called_so_wherever_a_person_sees_it() -> None:
    assert load("digits-cnn", ["validate.drift=0.2"]).model_dump(mode="json")["validate"]["drift"] == 0.2
    with pytest.raises(ExperimentError, match=r"validate.drft: unknown key 'drft'.*did you mean 'drift'"):
        load("digits-cnn", ["validate.drft=0.2"])


def test_files_of_a_model_are_looked_for_and_count_by_their_content(tmp_path: Path) -> None:
    model = "model={family: transfer, network: MobileNetV2, weights: mine.h5}"
    path = tmp_path / "mine.yaml"
    path.write_text((experiment.SHIPPED / "digits-cnn.yaml").read_text())
    with pytest.raises(ExperimentError, match=r"model.weights: found 'mine.h5'; there is nothing at"):
        load(str(path), [model])
    digests = []
    for content in ("one", "two"):
        (tmp_path / "mine.h5").write_text(content)
        found = load(str(path), [model])
        assert found.model.files() == {"weights": str(tmp_path / "mine.h5")}
        digests.append(resolve.digest(found.model.files()))
    assert digests[0] != digests[1]
    with pytest.raises(ExperimentError, match="the package nosuch is not installed"):
        load(str(path), [model.replace("mine.h5", "'nosuch:mine.h5'")])


@pytest.mark.parametrize(
    ("compress", "advice"),
    [
        ({"chains": [[{"int8": {"io": "integer"}}]]}, "leave io out"),
        ({"preset": "microcontroller"}, "give chains of your own instead of preset: microcontroller"),
    ],
)
def test_integers_alone_are_refused_where_no_bytes_go_in(tmp_path: Path, compress: object, advice: str) -> None:
    assert load(written(tmp_path, {**GOOD, "compress": compress}))
    data = {"modality": "tabular", "sample": "cancer", "label": "diagnosis", "numeric": ["mean_radius"]}
    (told,) = problems(tmp_path, {"data": data, "model": {"family": "mlp"}, "compress": compress})
    assert "io: integer takes bytes as they are, but an example of tabular has none" in told and advice in told


SERIES = {"modality": "series", "sample": "japanese_vowels", "channels": 12, "length": 29}
SOUNDS = {"modality": "audio", "sample": "keywords", "sample_rate": 8000, "seconds": 0.5}


@pytest.mark.parametrize(
    ("data", "model", "told"),
    [
        (SERIES, {"family": "conv1d", "frontend": {"kind": "mfcc"}}, "model.frontend: it is for waveforms, but data"),
        (SOUNDS, {"family": "conv1d", "frontend": {"window": 0.9}}, "model.frontend.window: found 0.9 seconds, but ex"),
        (SOUNDS, {"family": "conv1d", "frontend": {"high": 5000}}, "there is nothing above 4000"),
        (GOOD["data"], {"family": "cnn", "filters": [4, 4, 4, 4]}, "model.pool: 4 poolings need images of at least 16"),
        (GOOD["data"], {"family": "resnet", "blocks": [1] * 5, "filters": [4] * 5}, "model.blocks: 5 stages need"),
        (GOOD["data"], {"family": "vit", "patch": 3}, "model.patch: 3 does not divide 8 x 8 (data.height, data.width)"),
    ],
)
def test_examples_that_a_family_can_not_take_are_refused_before_anything_runs(
    tmp_path: Path, data: object, model: object, told: str
) -> None:
    (found,) = problems(tmp_path, {"data": data, "model": model})
    assert told in found
