"""`new` and `check`, on pictures made for the purpose."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from modelmill.components import intervals
from modelmill.data.profiling.draft import Asked, NoProjectError
from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.experiment.experiment import load
from modelmill.pipeline.preflight import new_project as new
from modelmill.pipeline.preflight.check import Line, check


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 50)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes, 30 and 25 colour pictures of 40 x 50."""
    for number in range(55):
        picture(tmp_path / "pictures" / ("cat" if number < 30 else "dog & co") / f"{number}.png", number)
    return tmp_path / "pictures"


def make(folder: Path, pictures: Path, **more: object) -> Path:
    settings = {"kind": "image", "data": pictures, "family": "cnn", "max_drop": 0.01, **more}
    return new.write(folder, Asked(**settings))[0]  # type: ignore[arg-type]


def found(project: Path, root: Path) -> dict[str, Line]:
    return {line.name: line for line in check(load(str(project)), root)}


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("s3://lake/iris", "TensorFlow has no file system for s3://; allowed: a path, gs://, ram://"),
        ("minio://lake/iris", "TensorFlow has no file system for minio://"),
        ("ram://nothing/iris", "there is nothing there"),
    ],
)
def test_data_in_a_store_that_can_not_be_read_ends_with_one_clear_line(
    place: str, told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    experiment = tmp_path / "iris.yaml"
    experiment.write_text(f"data: {{modality: image, height: 8, width: 8, path: '{place}'}}\nmodel: {{family: cnn}}\n")
    for command in ("check", "run"):
        done = CliRunner().invoke(cli.app, [command, str(experiment), "--root", str(tmp_path / "runs")])
        said = " ".join((done.output + capfd.readouterr().out).split())
        assert done.exit_code == 2, said
        assert f"data.path: found '{place}'; {told}" in said
        assert "Traceback" not in said
    done = CliRunner().invoke(cli.app, ["new", str(tmp_path / "project"), "--data", place])
    assert (done.exit_code, f"--data {place}: new looks at every file, on this machine only" in done.output) == (
        2,
        True,
    )


def test_a_new_project_suits_its_data_and_can_be_loaded(tmp_path: Path, pictures: Path) -> None:
    path = make(tmp_path / "My Pets", pictures, max_bytes=70_000)
    experiment = load(str(path.parent))
    assert experiment.name == "my-pets"
    data = experiment.data.model_dump()
    assert (data["height"], data["width"], data["channels"]) == (48, 48, 3)
    assert Path(data["path"]) == pictures
    assert experiment.compress.max_bytes == 70_000
    assert experiment.evaluate.threshold > 30 / 55
    assert "# " in path.read_text() and "the middle image is 50 x 40" in path.read_text()


@pytest.mark.parametrize(
    ("colours", "channels", "told"),
    [((255, 0, 0), 3, "there are colours"), ((200, 200, 200), 1, "all images are grey")],
    ids=["colour", "grey"],
)
def test_pictures_with_a_palette_are_of_its_colours(
    tmp_path: Path, colours: tuple[int, int, int], channels: int, told: str
) -> None:
    for number in range(20):
        path = tmp_path / "pictures" / ("cat" if number % 2 else "dog") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        painted = Image.new("P", (12, 12), number % 2)
        painted.putpalette([number, number, number, *colours])
        painted.save(path)
    written = make(tmp_path / "pets", tmp_path / "pictures")
    assert load(str(written.parent)).data.model_dump()["channels"] == channels
    assert f"# {told}" in written.read_text()


def test_a_budget_makes_the_model_narrower(tmp_path: Path, pictures: Path) -> None:
    wide, narrow = (load(str(make(tmp_path / str(size), pictures, max_bytes=size))) for size in (10**7, 60_000))
    assert max(narrow.model.model_dump()["filters"]) < max(wide.model.model_dump()["filters"])


def test_its_schema_knows_the_classes(tmp_path: Path, pictures: Path) -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    make(tmp_path / "pets", pictures)
    schema = text_format.Parse((tmp_path / "pets" / new.SCHEMA).read_text(), schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert set(features) == {"image", "label", "height", "width"}
    assert list(features["label"].string_domain.value) == ["cat", "dog & co"]


def test_its_margin_is_one_that_its_test_split_can_decide(tmp_path: Path, pictures: Path) -> None:
    """`check` makes the splits that a run makes, by a hash or given."""
    project = make(tmp_path / "by-hash", pictures)
    tested = int(found(project.parent, tmp_path / "runs")["splits"].text.rpartition(" ")[2])
    compress = load(str(project)).compress
    assert 3 < tested < 20 and compress.max_drop + compress.margin > intervals.narrowest(tested, 0.95)
    for number in range(70):
        split = "test" if number < 40 else "train" if number < 60 else "eval"
        picture(tmp_path / "split" / split / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    project = make(tmp_path / "given", tmp_path / "split").parent
    compress = load(str(project)).compress
    assert compress.margin >= intervals.tango(1, 1, 40)[1] > compress.margin - 0.01
    line = found(project, tmp_path / "runs")["gates"]
    assert line.kind == "ok" and "about 40 exclude a loss of 0.088" in line.text
    assert "label=cat, about 20 exclude a loss of 0.161 if no answer differs: too few" in line.text


def test_check_says_beforehand_where_no_model_could_pass(tmp_path: Path, pictures: Path) -> None:
    path = make(tmp_path / "pets", pictures)
    for margin, said in (("0.02", "every model would be refused, it takes 125"), ("0", "raise compress.margin")):
        drop = 0 if margin == "0" else 0.01
        experiment = load(str(path), [f"compress.margin={margin}", f"compress.max_drop={drop}"])
        line = {line.name: line for line in check(experiment, tmp_path / "runs")}["gates"]
        assert line.kind == "wrong" and said in line.text


def test_what_is_no_use_is_refused(tmp_path: Path, pictures: Path) -> None:
    make(tmp_path / "pets", pictures)
    with pytest.raises(NoProjectError, match="is there already"):
        make(tmp_path / "pets", pictures)
    with pytest.raises(NoProjectError, match="no such folder"):
        make(tmp_path / "other", tmp_path / "nowhere")
    with pytest.raises(NoProjectError, match="folder of its own"):
        make(tmp_path / "other", pictures / "cat")
    assert not (tmp_path / "other").exists()


def test_check_finds_what_is_odd(tmp_path: Path, pictures: Path) -> None:
    project = make(tmp_path / "pets", pictures).parent
    lines = found(project, tmp_path / "runs")
    assert {line.kind for line in lines.values()} <= {"ok", "mind"}
    assert "55 in" in lines["examples"].text and "cat 30, dog & co 25" in lines["classes"].text
    (pictures / "cat" / "broken.png").write_bytes(b"no image")
    (pictures / "cat" / "again.png").write_bytes((pictures / "cat" / "3.png").read_bytes())
    (pictures / "cat" / "wrong.png").write_bytes((pictures / "dog & co" / "40.png").read_bytes())
    Image.open(pictures / "dog & co" / "41.png").save(pictures / "cat" / "alike.jpg", quality=95)
    lines = found(project, tmp_path / "runs")
    assert lines["unreadable"].kind == "wrong" and "cat/broken.png: no image" in lines["unreadable"].text
    assert lines["contradictory"].kind == "wrong" and "dog & co/40.png" in lines["contradictory"].text
    assert lines["suspects"].kind == "mind" and "cat/alike.jpg" in lines["suspects"].text
    assert lines["equal"].kind == "mind" and "cat/again.png" in lines["equal"].text


def test_check_tells_of_few_unequal_and_how_long_it_took(tmp_path: Path, pictures: Path) -> None:
    picture(pictures / "emu" / "1.png", 99)
    project = make(tmp_path / "pets", pictures).parent
    told = {"experiment": "pets", "run_id": "1", "status": "pushed", "seconds": 120}
    told["nodes"] = [{"id": "train", "state": "done", "seconds": 90}]
    for name, summary in (("20260101-000000", json.dumps(told)), ("20260102-000000", '{"seconds": ')):
        run = tmp_path / "runs" / "pets" / name
        run.mkdir(parents=True)
        (run / "experiment.yaml").write_text("name: pets\n")
        (run / "summary.json").write_text(summary)
    lines = found(project, tmp_path / "runs")
    assert "only 1 of emu" in lines["few"].text
    assert "30 times" in lines["balance"].text
    assert "about 2.0 minutes" in lines["time"].text


def test_the_commands(tmp_path: Path, pictures: Path) -> None:
    def call(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, [str(word) for word in words])
        return done.exit_code, done.output

    code, said = call("new", tmp_path / "pets", "--data", pictures)
    assert code == 0 and "55 examples of 2 classes" in said and "modality: image" in said
    code, said = call("check", tmp_path / "pets", "--json", "--root", tmp_path)
    assert code == 0 and json.loads(said.splitlines()[0])["name"] == "examples"
    assert call("new", tmp_path / "pets", "--data", pictures)[0] == 2
    assert call("new", tmp_path / "x", "--data", pictures, "--family", "cnnn")[0] == 2
    assert call("new", tmp_path / "x", "--data", pictures, "--modality", "imagee")[0] == 2
    assert call("check", "no-such")[0] == 2


def test_the_time_is_measured_if_it_is_asked_for(tmp_path: Path, pictures: Path) -> None:
    path = make(tmp_path / "project", pictures)
    experiment = load(str(path))
    told = {line.name: line.text for line in check(experiment, tmp_path / "runs", measure=True)}
    assert "roughly" in told["time"] and f"{experiment.train.epochs} epochs of training" in told["time"]
    assert "10 epochs of fine-tuning, roughly" in told["compression"]
    asked = {line.name: line.text for line in check(experiment, tmp_path / "runs")}["time"]
    assert "--time measures" in asked


@pytest.mark.parametrize("name", ["cancer-mlp", "vowels-rnn", "messages-transformer", "keywords-dscnn"])
def test_the_time_of_other_modalities_is_measured_too(name: str) -> None:
    from modelmill.pipeline.preflight import time_estimate

    experiment = load(name)
    told = time_estimate.told(experiment, 500, ["yes", "no"])
    assert all("roughly" in one and "minutes" in one for one in (told.run, told.compression))
    chains, epochs = experiment.compress.cost()
    assert experiment.compress.seconds(2.0) > 2 * epochs + chains


def sounds(folder: Path) -> None:
    """Two classes of 25 sounds, of half a second and more, some at 22,050 hertz."""
    for number in range(50):
        rate = 22_050 if number % 5 == 0 else 16_000
        time = np.arange(int(rate * (0.5 + number / 100))) / rate
        wave_ = (8000 * np.sin(2 * np.pi * (300 + 600 * (number % 2)) * time + number)).astype(np.int16)
        path = folder / ("low" if number % 2 == 0 else "high") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(wave_.tobytes())


def words(folder: Path) -> None:
    """Two classes of 25 short texts."""
    for number in range(50):
        path = folder / ("praise" if number % 2 == 0 else "scorn") / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"{'a fine' if number % 2 == 0 else 'a bad'} film, number {number}, seen {'twice ' * (number % 7)}"
        )


@pytest.mark.parametrize(
    ("kind", "make_files", "told"),
    [
        ("audio", sounds, {"sample_rate": 16_000, "seconds": 0.9}),
        ("text", words, {"length": 24}),
    ],
)
def test_other_modalities_have_projects_too(
    tmp_path: Path, kind: str, make_files: Callable[[Path], None], told: dict, capfd: pytest.CaptureFixture[str]
) -> None:
    from modelmill.pipeline.runners.local.run import Request, run

    make_files(tmp_path / "files")
    path = make(tmp_path / "project", tmp_path / "files", kind=kind, family=None, max_bytes=40_000)
    experiment = load(str(path))
    data = experiment.data.model_dump()
    assert {key: data[key] for key in told} == told
    lines = found(path, tmp_path / "runs")
    assert {line.kind for line in lines.values()} <= {"ok", "mind"} and "50 in" in lines["examples"].text
    # The data that the schema was made of passes its gate.
    assert run(Request(experiment, tmp_path / "runs", last="data-gate")).code == 0


def test_a_family_must_take_the_modality(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(NoProjectError, match=r"--family conv1d does not take image; allowed: .*cnn"):
        make(tmp_path / "project", pictures, family="conv1d")
