"""The reference clients refuse a damaged folder: they read nothing outside of it, and nothing that has changed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelmill.components.load_check import bundle
from modelmill.data import client as runtime
from modelmill.data.client import manifest as manifests
from modelmill.data.client import task as default_task
from modelmill.data.modalities.audio import client as audio
from modelmill.data.modalities.image import client as image
from modelmill.data.modalities.series import client as series
from modelmill.data.modalities.tabular import client as tabular
from modelmill.data.modalities.text import client as text

CLIENTS = {"audio": audio, "image": image, "series": series, "tabular": tabular, "text": text}
STATISTICS = {"mean": 0.0, "stddev": 1}
PREPROCESSING: dict[str, dict[str, Any]] = {
    "audio": {"sample_rate": 8000, "samples": 4},
    "image": {"height": 4, "width": 4, "channels": 1},
    "series": {"length": 4, "channels": [STATISTICS], "missing_values": []},
    "tabular": {
        "columns": ["a"],
        "headers": ["a"],
        "inputs": [{"column": "a", "kind": "number", "categories": [], **STATISTICS}],
        "missing_values": [],
        "thousands": "",
        "decimal": ".",
        "units": [],
    },
    "text": {
        "length": 4,
        "pairs": False,
        "tokenizer": "tokenizer.json",
        "text": "text",
        "second": "",
        "lines": False,
    },
}
FILES = {"labels.txt": "a\nb\n", "model.tflite": "flatbuffer", "tokenizer.json": "{}"}
Damage = Callable[[Path], None]


def put(*path: str | int, value: Any) -> Damage:
    """Has the manifest say another thing at a path of keys; None takes it away."""

    def damage(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        place = manifest
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        if value is None:
            del place[path[-1]]
        # As if it was meant: the digest is right.
        if isinstance(value, str) and "\0" not in value and len(value) < 200 and (folder / value).is_file():
            manifest["files"][value] = {"sha256": hashlib.sha256((folder / value).read_bytes()).hexdigest()}
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


def says(text: str) -> Damage:
    """Has the manifest be another text."""
    return lambda folder: (folder / "manifest.json").write_text(text) and None


def link_out(folder: Path) -> None:
    shutil.move(folder / "labels.txt", folder.parent / "labels.txt")
    (folder / "labels.txt").symlink_to("../labels.txt")


def latin(folder: Path) -> None:
    (folder / "labels.txt").write_bytes("früh".encode("latin-1"))
    put("labels", value="labels.txt")(folder)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "absolute": (put("labels", value="/etc/passwd"), "damaged: manifest.json: it names '/etc/passwd'"),
    "upwards": (put("labels", value="../secret"), "damaged: manifest.json: it names '../secret'"),
    "upwards, later": (put("flatbuffer", "file", value="sub/../../secret"), "damaged: manifest.json: it names 'sub/.."),
    "upwards, of Windows": (put("flatbuffer", "file", value=r"..\secret"), "damaged: manifest.json: it names"),
    "two lines": (put("labels", value="a\nb"), r"damaged: manifest.json: it names 'a\nb'; expected a path inside"),
    "zero": (put("labels", value="a\0"), r"damaged: manifest.json: it names 'a\x00'; expected a path inside"),
    "long": (put("labels", value="a" * 300), "damaged: aaaa"),
    "no file": (put("flatbuffer", "file", value=None), "damaged: manifest.json: it names None; expected a path inside"),
    "link": (link_out, "damaged: labels.txt: a link that leads out of"),
    "changed flatbuffer": (lambda folder: cut(folder / "model.tflite"), "damaged: model.tflite: expected SHA-256 "),
    "changed labels": (lambda folder: cut(folder / "labels.txt"), "damaged: labels.txt: expected SHA-256 "),
    "missing": (lambda folder: (folder / "model.tflite").unlink(), "damaged: model.tflite: there is no such file"),
    "no digest": (put("files", "labels.txt", value="abc"), "damaged: labels.txt: expected SHA-256 None"),
    "labels in another encoding": (latin, "damaged: labels.txt: no text in UTF-8"),
    "no string": (put("labels", value=["x"]), "damaged: manifest.json: `labels` is missing, or no str; found ['x']"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "damaged: manifest.json: there is no such"),
    "cut manifest": (lambda folder: cut(folder / "manifest.json"), "damaged: manifest.json: it is no JSON"),
    "deep manifest": (says("[" * 100_000), "damaged: manifest.json: it is no JSON"),
    "a list": (says("[]"), "damaged: manifest.json: `files` is missing, or no dict"),
    "no files": (put("files", value=None), "damaged: manifest.json: `files` is missing, or no dict"),
    "no flatbuffer": (put("flatbuffer", value=3), "damaged: manifest.json: `flatbuffer` is missing, or no dict"),
    "no input": (put("flatbuffer", "input", value=None), "damaged: manifest.json: `flatbuffer.input` is missing"),
    "no shape": (
        put("flatbuffer", "input", "shape", value=[1, "4"]),
        "damaged: manifest.json: `flatbuffer.input.shape[1]`",
    ),
    "no output": (put("flatbuffer", "output", value=[]), "damaged: manifest.json: `flatbuffer.output` is missing"),
    "no name": (put("flatbuffer", "output", "name", value=True), "damaged: manifest.json: `flatbuffer.output.name` is"),
    "half a character": (
        put("flatbuffer", "output", "name", value="\ud800"),
        "damaged: manifest.json: `flatbuffer.output.name` is missing, or no str; found '\\ud800'",
    ),
    "no SavedModel": (put("saved_model", value=None), "damaged: manifest.json: `saved_model` is missing, or no dict"),
    "no preprocessing": (put("preprocessing", value=None), "damaged: manifest.json: `preprocessing` is missing"),
    "empty preprocessing": (put("preprocessing", value={}), "damaged: manifest.json: `preprocessing."),
}
# What is wrong with a modality's own part.
FIELDS = [
    ("image", put("preprocessing", "height", value="4"), "`preprocessing.height` is missing, or no int; found '4'"),
    (
        "audio",
        put("preprocessing", "sample_rate", value=0),
        "`preprocessing.sample_rate` is missing, or no int from 1 ",
    ),
    (
        "series",
        put("preprocessing", "channels", 0, "mean", value=10**400),
        "`preprocessing.channels[0].mean` is missing",
    ),
    ("tabular", put("preprocessing", "inputs", 0, "kind", value="numbre"), "`preprocessing`: one of its `inputs` is"),
    ("tabular", put("preprocessing", "inputs", 0, "column", value="b"), "`preprocessing`: one of its `inputs` is"),
    ("text", put("preprocessing", "tokenizer", value="../secret"), "it names '../secret'; expected a path inside"),
]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def write(folder: Path, kind: str = "image") -> Path:
    """What a client reads, but that the flatbuffer is none."""
    folder.mkdir()
    (folder.parent / "secret").write_text("root\n")
    for name, content in FILES.items():
        (folder / name).write_text(content)
    manifest = {
        "labels": "labels.txt",
        "preprocessing": PREPROCESSING[kind],
        "flatbuffer": {
            "file": "model.tflite",
            "input": {"dtype": "uint8", "shape": [1, 4, 4, 1]},
            "output": {"name": "probabilities"},
        },
        "saved_model": {"outputs": {"label": {}}},
        "files": {name: {"sha256": hashlib.sha256(text.encode()).hexdigest()} for name, text in FILES.items()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the pushed client."""
    return subprocess.run([sys.executable, folder / "client.py", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_sound_folder_is_read_as_far_as_the_flatbuffer_or_the_tokenizer_which_are_none(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(Exception) as sound:
        runtime.Model(write(tmp_path / "model", name), CLIENTS[name])
    assert not isinstance(sound.value, runtime.DamagedError)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_folder_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    damage, message = DAMAGES[kind]
    folder = write(tmp_path / "model", name)
    damage(folder)
    with pytest.raises(runtime.DamagedError) as error:
        runtime.Model(folder, CLIENTS[name])
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "damage", "message"), FIELDS)
def test_broken_preprocessing_is_refused(name: str, damage: Damage, message: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", name)
    damage(folder)
    with pytest.raises(runtime.DamagedError) as error:
        runtime.Model(folder, CLIENTS[name])
    assert str(error.value).startswith(f"damaged: manifest.json: {message}")


def test_the_tokenizer_is_compared_too(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", "text")
    cut(folder / "tokenizer.json")
    with pytest.raises(runtime.DamagedError, match=r"damaged: tokenizer\.json: expected SHA-256 "):
        runtime.Model(folder, text)


@pytest.mark.parametrize("name", CLIENTS)
def test_the_command_line_says_so(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", name)
    put("labels", value="/etc/passwd")(folder)
    bundle.write_client(folder, name, "classification")
    done = run(folder, "file")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "damaged: manifest.json: it names '/etc/passwd'; expected a path inside of its folder\n"
    assert not list(folder.rglob("__pycache__"))


def test_what_lies_in_the_pushed_folder_is_not_imported(tmp_path: Path) -> None:
    """Neither a module that is called as one of Python's, nor compiled code that no manifest lists."""
    folder = write(tmp_path / "model")
    (folder / "labels.txt").unlink()
    bundle.write_client(folder, "image", "classification")
    for name in ("json", "numpy", "argparse", "importlib", "client/json", "client/numpy"):
        (folder / f"{name}.py").write_text("print('taken')")
    source = folder / "client" / "manifest.py"
    evil = tmp_path / "manifest.py"
    evil.write_text("print('taken')".ljust(source.stat().st_size))
    os.utime(evil, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    py_compile.compile(str(evil), importlib.util.cache_from_source(str(source)))
    done = run(folder, "file")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("damaged: labels.txt: there is no such file")


def test_a_program_can_import_the_package(tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    cut(folder / "labels.txt")
    bundle.write_client(folder, "image", "classification")
    code = "import sys; sys.path.append('model'); from client import Model; Model('model')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "client.manifest.DamagedError: damaged: labels.txt: expected SHA-256" in done.stderr


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    """A volume of Kubernetes consists of such links."""
    folder = write(tmp_path / "model")
    (folder / "..data").mkdir()
    shutil.move(folder / "labels.txt", folder / "..data")
    (folder / "labels.txt").symlink_to("..data/labels.txt")
    manifest = manifests.read(folder, image.FIELDS)
    assert manifests.verified(folder, manifest, "labels.txt").read_text() == "a\nb\n"


def test_the_manifest_says_whether_the_answer_is_one_of_classes() -> None:
    manifest = {"labels": "labels.txt", "flatbuffer": {"output": {"name": "p"}}, "saved_model": {"outputs": {}}}
    values = np.array([0.25, 0.75], np.float32)
    assert default_task.answer([values], ["a", "b"], manifest) == {"p": {"a": 0.25, "b": 0.75}}
    manifest["saved_model"]["outputs"] = {"label": {}}
    assert default_task.answer([values], ["a", "b"], manifest) == {"label": "b", "p": {"a": 0.25, "b": 0.75}}
    with pytest.raises(runtime.DamagedError, match=r"labels\.txt, which it names, has 1 labels, but"):
        default_task.answer([values], ["a"], manifest)
