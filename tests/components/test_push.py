"""The Pusher: all blessings or nothing, whole versions or none."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts

from modelmill.components import artifacts
from modelmill.components.integrity import DamagedError
from modelmill.components.push import gcs_versions
from modelmill.components.push.component import Pusher
from modelmill.components.push.local_versions import push
from modelmill.components.testing.pytest_plugin import NodeRunner
from modelmill.data.core import files as stored
from modelmill.data.core import progress

PUSH = """
import pathlib, sys
from modelmill.components.push.local_versions import push
print(push(*map(pathlib.Path, sys.argv[1:3]), "manifest.json"))
"""
BLESSINGS = ("model_blessing", "compressed_blessing", "infra_blessing")


def bundle_files(content: str = "weights", **more: str) -> dict[str, str]:
    files = {"saved_model.pb": content, "model.tflite": "flatbuffer", "variables/variables.index": "index", **more}
    listed = {name: {"bytes": len(text), "sha256": digest(text)} for name, text in files.items()}
    return {**files, "manifest.json": json.dumps({"files": listed, "content": content})}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def node(run_node: NodeRunner, destination: Path | str, content: str = "weights", **blessed: int) -> Any:
    inputs = {"bundle": run_node.artifact(artifacts.ServingBundle, bundle_files(content))}
    for key in BLESSINGS:
        kind = standard_artifacts.InfraBlessing if key == "infra_blessing" else standard_artifacts.ModelBlessing
        inputs[key] = run_node.artifact(kind, blessed=blessed.get(key, 1))
    channels = {key: run_node.channel(artifact) for key, artifact in inputs.items()}
    return Pusher(**channels, destination=str(destination), code="digest")


def properties(outputs: dict[str, Any]) -> tuple[int, str, str]:
    (pushed,) = outputs["pushed_model"]
    return (
        pushed.get_int_custom_property("pushed"),
        pushed.get_string_custom_property("pushed_destination"),
        pushed.get_string_custom_property("pushed_version"),
    )


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def versions(destination: Path) -> list[str]:
    return sorted(path.name for path in destination.glob("*") if not path.name.startswith("."))


def test_blessed_by_all_it_is_pushed_once(
    run_node: NodeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.ENV, str(tmp_path / "progress.jsonl"))
    destination = tmp_path / "new" / "pushed"
    outputs = run_node(node(run_node, destination))
    assert properties(outputs) == (1, str(destination / "1"), "1")
    assert files(destination / "1") == files(Path(outputs["pushed_model"][0].uri)) == bundle_files()
    assert properties(run_node(node(run_node, destination))) == (1, str(destination / "1"), "1")
    assert properties(run_node(node(run_node, destination, "other"))) == (1, str(destination / "2"), "2")
    assert versions(destination) == ["1", "2"]
    notes = [json.loads(line)["text"] for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [note.split(":")[0] for note in notes] == [
        "pushed as version 1",
        "stands there already as version 1",
        "pushed as version 2",
    ]


@pytest.mark.parametrize("key", BLESSINGS)
def test_one_refusal_is_enough(key: str, run_node: NodeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.ENV, str(tmp_path / "progress.jsonl"))
    outputs = run_node(node(run_node, tmp_path / "pushed", **{key: 0}))
    assert outputs["pushed_model"][0].get_int_custom_property("pushed") == 0
    assert not (tmp_path / "pushed").exists()
    said = (tmp_path / "progress.jsonl").read_text()
    whose = {"model_blessing": "float", "compressed_blessing": "compressed", "infra_blessing": "load check"}[key]
    assert "not pushed" in said and whose in said


@pytest.mark.parametrize("key", BLESSINGS)
def test_a_missing_blessing_is_an_error(key: str, run_node: NodeRunner, tmp_path: Path) -> None:
    destination = tmp_path / "pushed"
    whole = node(run_node, destination)
    channels = {**whole.inputs, key: None}
    with pytest.raises(ValueError, match=f"missing: {key}"):
        Pusher(**channels, destination=str(destination), code="digest")
    inputs = {name: list(channel.get()) for name, channel in whole.inputs.items()}
    inputs[key] = []
    executor = whole.executor_spec.executor_class()
    with pytest.raises(ValueError, match=f"{key} missing"):
        executor.Do(inputs, {"pushed_model": [standard_artifacts.PushedModel()]}, {"destination": str(destination)})
    assert not destination.exists()


def test_the_destination_must_be_absolute(run_node: NodeRunner) -> None:
    channels = node(run_node, Path("/pushed")).inputs
    for destination in ("pushed", "./pushed"):
        with pytest.raises(ValueError, match=r"push\.destination: found"):
            Pusher(**channels, destination=destination, code="digest")


def write(folder: Path, content: str = "weights", **more: str) -> Path:
    for name, text in bundle_files(content, **more).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_killed_push_leaves_no_version(tmp_path: Path) -> None:
    more = {"big": "x" * (64 << 20), **{f"small-{number}": "x" for number in range(2000)}}
    bundle, destination = write(tmp_path / "bundle", **more), tmp_path / "pushed"
    process = subprocess.Popen([sys.executable, "-c", PUSH, bundle, destination], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(destination.glob(".staging-*/*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.communicate()[0] == ""
    assert versions(destination) == [] and list(destination.glob(".staging-*"))
    (destination / ".not-ours").mkdir()
    assert push(bundle, destination, "manifest.json") == (1, True)
    assert versions(destination) == ["1"] and len(list((destination / "1").iterdir())) == len(list(bundle.iterdir()))
    assert not list(destination.glob(".staging-*")) and (destination / ".not-ours").exists()


def test_pushes_at_once_agree_on_one_version(tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle")
    command = [sys.executable, "-c", PUSH, bundle, tmp_path / "pushed"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = sorted(process.communicate()[0].strip() for process in processes)
    assert answers == ["(1, False)", "(1, False)", "(1, True)"]
    assert versions(tmp_path / "pushed") == ["1"]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What a person is told."""
    told = tmp_path / "told.jsonl"
    monkeypatch.setenv(progress.ENV, str(told))
    return lambda: told.read_text() if told.exists() else ""


def flip(path: Path) -> None:
    """Changes one bit: the size stays."""
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def link_out(path: Path) -> None:
    """Puts a link in the place of a file, to another place with the same content."""
    outside = path.parent.parent / "outside"
    os.replace(path, outside)
    path.symlink_to(outside)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (
        lambda bundle: (bundle / "model.tflite").write_text(""),
        rf"model\.tflite: .*{digest('flatbuffer')}.*\(0 bytes",
    ),
    "missing": (lambda bundle: (bundle / "saved_model.pb").unlink(), r"saved_model\.pb: .*no such file"),
    "one bit": (lambda bundle: flip(bundle / "variables" / "variables.index"), r"variables\.index: expected SHA-256"),
    "link": (lambda bundle: link_out(bundle / "model.tflite"), r"model\.tflite: a link that leads out"),
    "manifest": (lambda bundle: (bundle / "manifest.json").write_text("{"), "manifest.json in .*no manifest"),
    "no digest": (lambda bundle: (bundle / "manifest.json").write_text('{"files": {"x": {"bytes": 1}}}'), "sha256"),
    "upwards": (
        lambda bundle: (bundle / "manifest.json").write_text('{"files": {"../x": {"sha256": ""}}}'),
        "no path inside",
    ),
    "labels": (
        lambda bundle: (bundle / "manifest.json").write_text('{"files": {}, "labels": "/etc/passwd"}'),
        "labels: found '/etc/passwd'; allowed",
    ),
}


@pytest.mark.parametrize("place", ["{}/pushed", "ram://refused/pushed"])
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_bundle_damaged_since_the_check_is_refused(
    kind: str, place: str, run_node: NodeRunner, tmp_path: Path
) -> None:
    damage, says = DAMAGES[kind]
    destination = place.format(tmp_path)
    pusher = node(run_node, destination)
    (bundle,) = pusher.inputs["bundle"].get()
    damage(Path(bundle.uri))
    with pytest.raises(DamagedError, match=rf"(?s)damaged: .*{says}.*nothing was pushed.*--from check"):
        run_node(pusher)
    assert stored.names(destination) == []


def test_a_manifest_other_than_the_checked_one_is_refused(run_node: NodeRunner, tmp_path: Path) -> None:
    pusher = node(run_node, tmp_path / "pushed")
    (bundle,) = pusher.inputs["bundle"].get()
    manifest = Path(bundle.uri, "manifest.json")
    bundle.set_string_custom_property(artifacts.MANIFEST_DIGEST, digest(manifest.read_text()))
    assert properties(run_node(pusher))[0] == 1
    manifest.write_text(manifest.read_text().replace("weights", "weighty"))
    with pytest.raises(DamagedError, match=r"manifest\.json: expected SHA-256 .*--from check"):
        run_node(pusher)
    assert versions(tmp_path / "pushed") == ["1"]


def test_what_the_manifest_does_not_list_is_not_pushed_and_named(
    run_node: NodeRunner, tmp_path: Path, notes: Callable[[], str]
) -> None:
    pusher = node(run_node, tmp_path / "pushed")
    (bundle,) = pusher.inputs["bundle"].get()
    Path(bundle.uri, "variables", "more").write_text("x")
    outputs = run_node(pusher)
    assert files(tmp_path / "pushed" / "1") == files(Path(outputs["pushed_model"][0].uri)) == bundle_files()
    assert "warning: not pushed, because manifest.json does not list them: variables/more" in notes()


def test_numbers_go_on_and_a_damaged_version_stays_and_is_pushed_anew(tmp_path: Path, notes: Callable[[], str]) -> None:
    bundle, destination = write(tmp_path / "bundle"), tmp_path / "pushed"
    write(destination / "9", "another")
    (destination / "notes").mkdir()
    assert push(bundle, destination, "manifest.json") == (10, True)
    for number, damage in enumerate((flip, Path.unlink, link_out), 10):
        damage(destination / str(number) / "model.tflite")
        left = files(destination / str(number))
        assert push(bundle, destination, "manifest.json") == (number + 1, True)
        assert files(destination / str(number)) == left
        assert f"warning: {destination}/{number} holds this model, but damaged: model.tflite" in notes()
        assert push(bundle, destination, "manifest.json") == (number + 1, False)
    assert len(notes().splitlines()) == 3


def test_a_damaged_version_in_an_object_store_stays_and_is_pushed_anew(
    tmp_path: Path, notes: Callable[[], str]
) -> None:
    import tensorflow as tf

    bundle, destination = write(tmp_path / "bundle"), "ram://damaged/pushed"
    assert gcs_versions.push(bundle, destination, "manifest.json") == (1, True)
    tf.io.gfile.remove(f"{destination}/1/model.tflite")  # the file system in memory appends
    stored.write(f"{destination}/1/model.tflite", b"flatbuffes")
    assert gcs_versions.push(bundle, destination, "manifest.json") == (2, True)
    assert stored.read(f"{destination}/1/model.tflite") == b"flatbuffes"
    assert f"warning: {destination}/1 holds this model, but damaged: model.tflite" in notes()
    assert gcs_versions.push(bundle, destination, "manifest.json") == (2, False)


def test_a_version_in_an_object_store(run_node: NodeRunner) -> None:
    """TensorFlow's file system in memory stands for gs://: no renaming, and the manifest says what is whole."""
    import tensorflow as tf

    destination = "ram://models/pushed"
    assert properties(run_node(node(run_node, destination))) == (1, f"{destination}/1", "1")
    assert properties(run_node(node(run_node, destination))) == (1, f"{destination}/1", "1")
    tf.io.gfile.remove(f"{destination}/1/saved_model.pb")  # as if it was killed before the last file
    assert properties(run_node(node(run_node, destination, "other"))) == (1, f"{destination}/2", "2")
    assert properties(run_node(node(run_node, destination))) == (1, f"{destination}/1", "1")
    for number, content in (("1", "weights"), ("2", "other")):
        for name, text in bundle_files(content).items():
            assert stored.read(f"{destination}/{number}/{name}").decode() == text
    assert stored.names(destination) == ["1", "2"]
