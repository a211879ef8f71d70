"""The load check, on real SavedModels, flatbuffers and processes; the model is tiny."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

from modelmill.components import artifacts, gates, integrity
from modelmill.components.load_check import bundle as bundles
from modelmill.components.load_check import cases, model_card, verify
from modelmill.components.load_check.component import LoadCheck, sources
from modelmill.components.load_check.config import CardConfig
from modelmill.components.testing.pytest_plugin import NodeRunner
from modelmill.components.testing.specs import make_spec
from modelmill.data import client, modality
from modelmill.data.modalities.image import client as image_client
from tests.data import recorded as predictions

IMAGE = modality.look_up("image")

LABELS = ("one", "two", "früh")
DATA = IMAGE.Config(path=".", height=4, width=4, channels=1)
CODE = "digest"
SAID = CardConfig(intended_use="Tests")
FIGURES = {
    "float": {"accuracy": 0.9},
    "compressed": {"accuracy": 0.875},
    "difference": {"accuracy": -0.025, "lower": -0.05, "upper": 0.0},
    "examples": 40,
}


@dataclass
class Made:
    """Folders of artifacts, and the raw test split."""

    model: Path
    compressed: Path
    evaluation: Path
    examples: list[dict[str, Any]]
    recorded: list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    random = np.random.default_rng(0)
    kernel = random.normal(size=(16, len(LABELS))).astype(np.float32) * 2
    examples = [raw_example(random, number) for number in range(15)]
    write_saved_model(folder / "model" / artifacts.SERVING, kernel)
    (folder / "model" / artifacts.REBUILD).mkdir()
    spec = make_spec("image", (4, 4, 1), "uint8", LABELS, mean=(0,), stddev=(1,)).model_dump(mode="json")
    (folder / "model" / artifacts.REBUILD / artifacts.MODEL_FILE).write_text(json.dumps({"spec": spec}))
    write_compressed(folder / "compressed", kernel)
    recorded = []
    for example in examples:
        pixels = IMAGE.decode(example["image"], DATA)
        answer = probabilities(pixels[tf.newaxis], kernel)[0].numpy().tolist()
        recorded.append({"sha256": example["sha256"], "label": example["class"], "float": answer, "compressed": answer})
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / bundles.FIGURES).write_text(json.dumps({**FIGURES, "slices": {"label=two": FIGURES}}))
    return Made(folder / "model", folder / "compressed", folder / "evaluation", examples, recorded)


def raw_example(random: np.random.Generator, number: int) -> dict[str, Any]:
    """Two of three files are of class 0."""
    label = (0, 0, 0, 1, 2)[number % 5]
    buffer = io.BytesIO()
    pixels = random.integers(0, 256, (9, 7), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG" if number % 2 else "JPEG")
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return {
        "image": content,
        "label": LABELS[label],
        "class": label,
        "path": f"{LABELS[label]}/{number}.png",
        "sha256": digest,
    }


def probabilities(pixels: tf.Tensor, kernel: np.ndarray) -> tf.Tensor:
    """uint8 [batch, 4, 4, 1] to float32 [batch, classes]."""
    return tf.nn.softmax(tf.reshape(tf.cast(pixels, tf.float32) / 255, [-1, 16]) @ tf.constant(kernel))


def write_saved_model(folder: Path, kernel: np.ndarray) -> None:
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image")])
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.map_fn(lambda one: IMAGE.decode(one, DATA), image, fn_output_signature=tf.uint8)
        answer = probabilities(pixels, kernel)
        return {"probabilities": answer, "label": tf.gather(tf.constant(LABELS), tf.argmax(answer, axis=1))}

    tf.saved_model.save(module, str(folder), {"serving_default": serve})


def write_compressed(folder: Path, kernel: np.ndarray) -> None:
    function = tf.function(lambda pixels: probabilities(pixels, kernel))
    concrete = function.get_concrete_function(tf.TensorSpec([1, 4, 4, 1], tf.uint8))
    folder.mkdir()
    flatbuffer = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    (folder / artifacts.FLATBUFFER).write_bytes(flatbuffer)
    (folder / artifacts.TRIAL_FILE).write_text(json.dumps({"chain": [{"method": "int8"}]}))


def check(run_node: NodeRunner, made: Made, **changes: Any) -> tuple[Path, Any, list[gates.Gate]]:
    """Runs the node; gives the folder of the bundle, the blessing and its rows."""
    recorded = run_node.artifact(artifacts.Predictions)
    predictions.write(Path(recorded.uri), "classification", changes.get("recorded", made.recorded))
    inputs = {
        "examples": run_node.examples(train=[], test=changes.get("examples", made.examples)),
        "model": run_node.artifact(standard_artifacts.Model, changes.get("model", made.model)),
        "compressed": run_node.artifact(artifacts.CompressedModel, changes.get("compressed", made.compressed)),
        "predictions": recorded,
        "evaluation": run_node.artifact(standard_artifacts.ModelEvaluation, changes.get("evaluation", made.evaluation)),
    }
    channels = {key: run_node.channel(artifact) for key, artifact in inputs.items()}
    outputs = run_node(LoadCheck(**channels, data=DATA, experiment="tiny", code=CODE, card=SAID, files=6))
    (blessing,), (bundle,) = outputs["blessing"], outputs["bundle"]
    rows = gates.read(Path(blessing.uri) / artifacts.GATES_FILE)
    blessed = blessing.get_int_custom_property("blessed")
    assert blessed == all(row.passed for row in rows)
    assert Path(blessing.uri, "INFRA_BLESSED").exists() == bool(blessed)
    assert Path(blessing.uri, "INFRA_NOT_BLESSED").exists() != bool(blessed)
    if (manifest := Path(bundle.uri, artifacts.MANIFEST)).exists():
        digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
        assert bundle.get_string_custom_property(artifacts.MANIFEST_DIGEST) == digest
    return Path(bundle.uri), blessing, rows


@pytest.fixture
def bundle(made: Made, tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    places = (str(made.model), str(made.compressed), str(made.evaluation))
    bundles.assemble(folder, *places, DATA, "tiny", SAID)
    return folder


@pytest.fixture
def tried(made: Made) -> list[cases.Case]:
    """Three files."""
    return [
        cases.Case(
            example["path"],
            example["image"],
            cases.Recorded(
                example["sha256"], example["class"], np.array(recorded["float"]), np.array(recorded["compressed"])
            ),
        )
        for example, recorded in zip(made.examples[:3], made.recorded, strict=False)
    ]


def test_a_good_bundle_is_blessed(run_node: NodeRunner, made: Made, bundle: Path) -> None:
    folder, blessing, rows = check(run_node, made)
    assert blessing.get_int_custom_property("blessed") == 1
    assert {row.metric: row.bound for row in rows} == {
        "files": 6,
        "flatbuffer_error": 0.02,
        "saved_model_error": 1e-4,
        "agreement": 0.8,
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {*manifest["files"], "manifest.json"}
    assert {
        "saved_model.pb",
        "model.tflite",
        "labels.txt",
        "client.py",
        "client/modality.py",
        "client/task.py",
    } <= files
    for name, file in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert file == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["flatbuffer"]["input"] == {"dtype": "uint8", "shape": [1, 4, 4, 1]}
    assert manifest["flatbuffer"]["chain"] == [{"method": "int8"}]
    assert manifest["preprocessing"]["height"] == 4
    assert (folder / "labels.txt").read_text(encoding="utf-8") == "one\ntwo\nfrüh\n"
    # The same model gives the same bytes, wherever and whenever.
    assert (folder / "manifest.json").read_bytes() == (bundle / "manifest.json").read_bytes()


def test_a_flatbuffer_that_answers_otherwise_is_refused(run_node: NodeRunner, made: Made, tmp_path: Path) -> None:
    write_compressed(tmp_path / "other", np.random.default_rng(1).normal(size=(16, 3)).astype(np.float32) * 2)
    _, _, rows = check(run_node, made, compressed=tmp_path / "other")
    wrong = [row for row in rows if row.metric == "flatbuffer_error" and not row.passed]
    assert wrong[0].slice == "overall" and "files are answered wrongly" in wrong[0].reason
    assert wrong[1].slice in {example["path"] for example in made.examples}
    assert "expected" in wrong[1].reason and "tolerance 0.02" in wrong[1].reason
    assert [row.passed for row in rows if row.metric == "saved_model_error"] == [True]


def test_what_is_missing_is_named(run_node: NodeRunner, made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.model, tmp_path / "model")
    (tmp_path / "model" / artifacts.SERVING / "saved_model.pb").unlink()
    _, _, rows = check(run_node, made, model=tmp_path / "model")
    assert len(rows) == 1 and "the Trainer's SavedModel is missing" in rows[0].reason
    _, _, rows = check(run_node, made, examples=made.examples[:1])
    assert rows[-1].metric == "files" and "recorded examples" in rows[-1].reason
    _, _, rows = check(run_node, made, recorded=[])
    assert rows[-1].metric == "files" and not rows[-1].passed


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise RuntimeError('no such thing')", "exit code 1: .*RuntimeError: no such thing"),
        ("import sys; print('no image', file=sys.stderr); sys.exit(2)", "exit code 2: no image"),
        ("import components", "No module named 'components'"),
        ("import tensorflow", "No module named 'tensorflow'"),
        ("import os; os._exit(0)", "left no answers"),
        ('print(\'{"file": "another"}\')', "was given 3 files and answered to"),
        ("print('hello')", "JSONDecodeError"),
    ],
)
def test_a_broken_client_is_found(source: str, says: str, bundle: Path, tried: list[cases.Case]) -> None:
    (bundle / "client.py").write_text(source)
    with pytest.raises(verify.CleanRunError, match=says) as told:
        verify.answers("client", bundle, tried, "image", seconds=60)
    assert not isinstance(told.value, verify.InterruptedRunError)


# What ends a clean process though the bundle may be good; the first as the system does when memory runs out.
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
INTERRUPTIONS = [
    (KILL, "it ended by SIGKILL with exit code -9: .* no memory left"),
    ("import os; os.abort()", "it ended by SIGABRT with exit code -6"),
    ("while True: pass", "did not end within 3 seconds.* the machine was busy"),
    ("raise MemoryError", "MemoryError.* no memory left"),
    ("import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))", "No space left.* free disk space"),
    ("import sys; print('a.png: no image ([Errno 5] Input/output error)', file=sys.stderr); sys.exit(2)", "Errno 5"),
    (
        "import os, resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        "os.write(os.open('file', os.O_CREAT | os.O_WRONLY), b'x')",
        "File too large.* free disk space",
    ),
]


@pytest.mark.parametrize(("source", "says"), INTERRUPTIONS)
def test_a_fault_of_the_machine_is_no_verdict(source: str, says: str, bundle: Path, tried: list[cases.Case]) -> None:
    (bundle / "client.py").write_text(source)
    with pytest.raises(verify.InterruptedRunError, match=rf"the load check of the client: .*{says}.*; .*run again"):
        verify.answers("client", bundle, tried, "image", seconds=3 if "while" in source else 60)
    if source == KILL:
        with pytest.raises(verify.InterruptedRunError, match="SIGKILL"):
            verify.verify(bundle, tried, "image", verify.Limits(0.02, 1e-4, 0.8))


def test_a_killed_load_check_fails_the_node_and_the_next_run_makes_it_again(
    run_node: NodeRunner, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "write_client", lambda folder, *_: (folder / "client.py").write_text(KILL))
        with pytest.raises(verify.InterruptedRunError, match=r"SIGKILL.*run again"):
            check(run_node, made)
    assert not list(tmp_path.rglob("INFRA_*"))
    assert check(run_node, made)[1].get_int_custom_property("blessed") == 1


def test_a_broken_client_or_manifest_is_refused(bundle: Path, tried: list[cases.Case]) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["flatbuffer"]["input"]["shape"] = [1, 5, 5, 1]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    rows = verify.verify(bundle, tried, "image", verify.Limits(0.02, 1e-4, 0.8))
    assert [(row.metric, row.passed) for row in rows] == [("flatbuffer_error", False), ("saved_model_error", True)]
    assert "damaged: manifest.json says that the flatbuffer takes" in rows[0].reason


def test_wrong_labels_and_numbers_are_wrong_answers() -> None:
    wanted, labels = np.array([0.2, 0.8], np.float32), ["a", "b"]

    def reason(label: str, *found: float) -> str:
        return verify._error(verify.Answer(label, np.array(found)), wanted, labels, 0.1)[1]

    assert reason("b", 0.2, 0.8) == ""
    assert reason("a", 0.2, 0.8) == "found label 'a', expected 'b', the most probable one"
    assert reason("b", 0.4, 0.75) == "found 0.400000 for 'a', expected 0.200000, tolerance 0.1"
    assert "found nan" in reason("b", float("nan"), 0.8)
    assert reason("b", 0.8) == "found 1 numbers, expected 2"


def test_files_are_taken_in_turn_from_the_classes(tmp_path: Path, made: Made) -> None:
    predictions.write(tmp_path, "classification", made.recorded)
    assert [one.label for one in cases.choose(str(tmp_path), 6)] == [0, 1, 2, 0, 1, 2]
    assert [one.label for one in cases.choose(str(tmp_path), 99)].count(0) == 9
    first = cases.choose(str(tmp_path), 1)[0].content_digest
    assert first == min(one["sha256"] for one in made.recorded if one["label"] == 0)


def test_of_many_classes_the_recorded_ones_are_compared(tmp_path: Path) -> None:
    """The ten most probable ones; the others are not known, and can't be wrong."""
    answer = np.linspace(0.01, 0.09, 20, dtype=np.float32)
    recorded = {"sha256": "0", "label": 3, "float": answer, "compressed": answer}
    predictions.write(tmp_path, "classification", [recorded])
    (chosen,) = cases.choose(str(tmp_path), 1)
    assert chosen.label == 3 and chosen.exact.mask.tolist() == [True] * 10 + [False] * 10
    labels = [f"class {number}" for number in range(20)]
    for place, wrong in ((2, False), (15, True)):
        found = answer.astype(np.float64)
        found[place] += 0.005
        error, reason = verify._error(verify.Answer("", found), chosen.exact, labels, 0.001)
        assert bool(reason) == wrong and (error > 0.004) == wrong
    found[15] = np.nan
    assert "found nan for 'class 15'" in verify._error(verify.Answer("", found), chosen.exact, labels, 0.001)[1]


def test_the_command_line_of_the_client(bundle: Path, made: Made, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(made.examples[1]["image"])
    bad.write_text("no image")
    command = [sys.executable, str(bundle / "client.py"), str(bad), str(good)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{bad}: no image that can be decoded" in done.stderr
    answer = json.loads(done.stdout)
    assert answer["file"] == str(good) and list(answer["probabilities"]) == list(LABELS)
    assert list(answer["probabilities"].values()) == pytest.approx(made.recorded[1]["compressed"], abs=1e-5)


def test_a_task_can_have_a_client_part_of_its_own(
    bundle: Path, made: Made, tmp_path: Path, plug_ins: Callable[[Path], None]
) -> None:
    own = tmp_path / "own" / "tasks" / "first"
    own.mkdir(parents=True)
    for name in ("__init__", "task"):
        (own / f"{name}.py").touch()
    (own / "client.py").write_text(
        "import math\nREQUIRES = ()\n"
        "def answer(outputs, labels, manifest):\n    return {'first': labels[0], 'outputs': len(outputs)}\n"
    )
    plug_ins(tmp_path / "own")
    shutil.rmtree(bundle / "client")
    bundles.write_client(bundle, "image", "first")
    picture = tmp_path / "good.png"
    picture.write_bytes(made.examples[1]["image"])
    done = subprocess.run([sys.executable, bundle / "client.py", picture], capture_output=True, check=True)
    assert json.loads(done.stdout) == {"file": str(picture), "first": "one", "outputs": 1}
    data = DATA.model_copy(update={"chosen_task": "first"})
    assert "modelmill.data.tasks.first.client" in sources(data)


def places(tree: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of keys of all that JSON holds."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))][not path :]


WRONG: list[Any] = [None, True, -1, 0, 10**400, 0.5, "", "x", "a\0\n", "\ud800", "../x", [], [[]], {}, {"x": {}}]


def test_no_manifest_whatever_it_holds_is_a_traceback(bundle: Path, made: Made, tmp_path: Path) -> None:
    picture = tmp_path / "good.png"
    picture.write_bytes(made.examples[1]["image"])
    sound = (bundle / "manifest.json").read_text()
    refused, answered = 0, 0
    with pytest.raises(integrity.DamagedError, match="RecursionError"):
        integrity.parse(b"[" * 100_000, str(bundle))
    for path in places(json.loads(sound)):
        for value in WRONG:
            manifest = json.loads(sound)
            place = manifest
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            content = json.dumps(manifest)
            (bundle / "manifest.json").write_text(content)
            try:
                integrity.damages(str(bundle), integrity.parse(content.encode(), str(bundle)))
            except integrity.DamagedError as error:
                assert "\n" not in str(error)
            try:
                (answer,) = client.Model(bundle, image_client).predict(picture)
                json.dumps(answer, ensure_ascii=False).encode()
                answered += 1
            except client.DamagedError as error:
                assert str(error).startswith("damaged: ") and "\n" not in str(error)
                refused += 1
    assert refused > 200 < answered


def passwd(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    digest = hashlib.sha256(Path("/etc/passwd").read_bytes()).hexdigest()
    manifest |= {"labels": "/etc/passwd", "files": {**manifest["files"], "/etc/passwd": {"sha256": digest}}}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def upwards(bundle: Path) -> None:
    shutil.copy(bundle / "labels.txt", bundle.parent / "x")
    text = (bundle / "manifest.json").read_text().replace('"labels": "labels.txt"', '"labels": "../x"')
    (bundle / "manifest.json").write_text(text)


def link(bundle: Path) -> None:
    shutil.move(bundle / "labels.txt", bundle.parent)
    (bundle / "labels.txt").symlink_to("../labels.txt")


def flip(name: str) -> Callable[[Path], None]:
    def damage(bundle: Path) -> None:
        content = bytearray((bundle / name).read_bytes())
        content[len(content) // 2] ^= 1
        (bundle / name).write_bytes(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (passwd, "/etc/passwd"),
        (upwards, "../x"),
        (link, "labels.txt"),
        (flip("model.tflite"), "model.tflite"),
        (flip("labels.txt"), "labels.txt"),
    ],
)
def test_a_pushed_version_that_is_damaged_answers_nothing(
    damage: Callable[[Path], None], file: str, bundle: Path, made: Made, tmp_path: Path
) -> None:
    picture = tmp_path / "good.png"
    picture.write_bytes(made.examples[1]["image"])
    damage(bundle)
    for command in ([str(bundle / "client.py")], ["-m", "modelmill", "predict", str(bundle)]):
        done = subprocess.run([sys.executable, *command, str(picture)], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert "damaged: " in done.stderr and file in done.stderr and "Traceback" not in done.stderr


def test_a_client_that_was_changed_is_not_run_by_predict(bundle: Path, made: Made, tmp_path: Path) -> None:
    picture = tmp_path / "good.png"
    picture.write_bytes(made.examples[1]["image"])
    command = [sys.executable, "-m", "modelmill", "predict", str(bundle), str(picture)]
    assert json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["file"] == str(picture)
    (bundle / "client" / "model.py").write_text("print('{}')")
    (bundle / "client.py").write_text("print('{}')")
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "damaged: client.py: expected SHA-256" in done.stderr and "client/model.py: expected" in done.stderr


def test_the_digest_covers_what_is_run_by_its_path() -> None:
    assert {
        "modelmill.components.load_check.isolated_main",
        "modelmill.data.modalities.image.client",
        "modelmill.data.modalities.image.modality",
        "modelmill.data.client",
        "modelmill.data.client.model",
    } <= set(sources(DATA))


def test_the_model_card_tells_what_was_measured_and_what_a_person_said(bundle: Path) -> None:
    text = (bundle / model_card.FILE).read_text(encoding="utf-8")
    assert "# Model card: tiny" in text and "**For:** Tests" in text
    assert "| all | 40 | 0.9000 | 0.8750 | -0.0250 (-0.0500 to +0.0000) |" in text
    assert "| label=two |" in text and "one, two, früh" in text
    assert "**Not for:** Not stated" in text
    assert model_card.FILE in json.loads((bundle / artifacts.MANIFEST).read_text())["files"]


def test_a_model_card_tells_the_level_of_its_intervals_and_what_is_undecided() -> None:
    spec = make_spec("image", (4, 4, 1), "uint8", LABELS).model_dump(mode="json")
    slices = {
        name: {**FIGURES, "examples": 200, "non_inferiority": outcome}
        for name, outcome in (("label=one", "passed"), ("label=two", "undecided"))
    }
    figures = {**FIGURES, "confidence": 0.9, "non_inferiority": "passed", "slices": slices}
    text = model_card.markdown("tiny", model_card.make("tiny", CardConfig(), {"spec": spec}, {}, figures))
    assert "difference (90 % interval)" in text
    assert "| label=two | 200 | 0.9000 | 0.8750 | -0.0250 (-0.0500 to +0.0000) | undecided |" in text
    assert "On 1 of 2 slices it is undecided" in text and "Tango's score interval" in text


def test_a_model_card_is_markdown_whatever_the_names_are() -> None:
    spec = make_spec("image", (4, 4, 1), "uint8", ("<script>", "[a](b)", "a|b", "*")).model_dump(mode="json")
    figures = {**FIGURES, "slices": {"label=a|b\n# head": FIGURES}}
    sections = model_card.make("tiny", CardConfig(limits="# loud <b>"), {"spec": spec}, {"label": "int8"}, figures)
    text = model_card.markdown("tiny", sections)
    assert "<" not in text and "\n# loud" not in text and "\n# head" not in text
    assert "\\[a\\](b), a\\|b, \\*" in text


def test_without_an_evaluation_there_is_nothing_to_push(run_node: NodeRunner, made: Made, tmp_path: Path) -> None:
    _, _, (row,) = check(run_node, made, evaluation=tmp_path)
    assert not row.passed and "metrics.json" in row.reason
