"""The reference clients refuse a damaged folder: they read nothing outside of it, and nothing that has changed."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from modelmill.data.modalities.audio import client as audio
from modelmill.data.modalities.image import client as image
from modelmill.data.modalities.series import client as series
from modelmill.data.modalities.tabular import client as tabular
from modelmill.data.modalities.text import client as text

CLIENTS = (audio, image, series, tabular, text)
FILES = {"labels.txt": "a\nb\n", "model.tflite": "flatbuffer", "tokenizer.json": "{}"}
Damage = Callable[[Path], None]


def names(field: str, name: Any) -> Damage:
    """Has the manifest name another file."""

    def damage(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        section = manifest["flatbuffer"] if field == "file" else manifest
        section[field] = name
        # As if it was meant: the digest is right.
        if isinstance(name, str) and (folder / name).is_file():
            manifest["files"][name] = {"sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


def link_out(folder: Path) -> None:
    shutil.move(folder / "labels.txt", folder.parent / "labels.txt")
    (folder / "labels.txt").symlink_to("../labels.txt")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "absolute": (names("labels", "/etc/passwd"), "damaged: manifest.json: it names '/etc/passwd'"),
    "upwards": (names("labels", "../secret"), "damaged: manifest.json: it names '../secret'"),
    "upwards, later": (names("file", "sub/../../secret"), "damaged: manifest.json: it names 'sub/../../secret'"),
    "upwards, of Windows": (names("file", r"..\secret"), "damaged: manifest.json: it names"),
    "link": (link_out, "damaged: labels.txt: a link that leads out of"),
    "changed flatbuffer": (lambda folder: cut(folder / "model.tflite"), "damaged: model.tflite: expected SHA-256 "),
    "changed labels": (lambda folder: cut(folder / "labels.txt"), "damaged: labels.txt: expected SHA-256 "),
    "missing": (lambda folder: (folder / "model.tflite").unlink(), "damaged: model.tflite: there is no such file"),
    "no string": (names("labels", ["labels.txt"]), "damaged: manifest.json: `labels` is missing, or no str"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "damaged: manifest.json: there is no such"),
    "cut manifest": (lambda folder: cut(folder / "manifest.json"), "damaged: manifest.json: it is no JSON"),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def write(folder: Path) -> Path:
    """What a client reads, but that the flatbuffer is none."""
    folder.mkdir()
    (folder.parent / "secret").write_text("root\n")
    for name, content in FILES.items():
        (folder / name).write_text(content)
    manifest = {
        "task": "classification",
        "labels": "labels.txt",
        "preprocessing": {"tokenizer": "tokenizer.json"},
        "flatbuffer": {"file": "model.tflite", "input": {}, "output": {"name": "probabilities"}},
        "files": {name: {"sha256": hashlib.sha256(text.encode()).hexdigest()} for name, text in FILES.items()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_folder_is_refused(kind: str, client: ModuleType, tmp_path: Path) -> None:
    damage, says = DAMAGES[kind]
    folder = write(tmp_path / "model")
    with pytest.raises(Exception) as sound:  # it comes as far as the flatbuffer, or the tokenizer, which are none
        client.Model(folder)
    assert not isinstance(sound.value, client.DamagedError)
    damage(folder)
    with pytest.raises(client.DamagedError) as error:
        client.Model(folder)
    assert str(error.value).startswith(says)


def test_the_tokenizer_is_compared_too(tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    cut(folder / "tokenizer.json")
    with pytest.raises(text.DamagedError, match=r"damaged: tokenizer\.json: expected SHA-256 "):
        text.Model(folder)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_command_line_says_so(client: ModuleType, tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    names("labels", "/etc/passwd")(folder)
    shutil.copy(str(client.__file__), folder / "client.py")
    done = subprocess.run([sys.executable, folder / "client.py", "file"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "damaged: manifest.json: it names '/etc/passwd'; expected a path inside of its folder\n"


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    """A volume of Kubernetes consists of such links."""
    folder = write(tmp_path / "model")
    (folder / "..data").mkdir()
    shutil.move(folder / "labels.txt", folder / "..data")
    (folder / "labels.txt").symlink_to("..data/labels.txt")
    assert image.verified(folder, image.read_manifest(folder), "labels.txt").read_text() == "a\nb\n"


def test_all_clients_load_alike() -> None:
    """Each is one file that stands alone: what they share is the same text."""
    for name in ("DamagedError", "read_manifest", "verified"):
        assert len({inspect.getsource(getattr(client, name)) for client in CLIENTS}) == 1
