"""Reference client of a pushed model of time series: series in, answers out.

    python client.py FILE...

A file is one series: a CSV without a header, a line a step, a value for each channel; a value that is missing is empty.
It prints one JSON object a line: {"file", "label", "probabilities": {label: probability}}; for other tasks than
classification, without a label, and the name of the answer is in the manifest. It needs numpy and ai-edge-litert, and
reads manifest.json, labels.txt and model.tflite beside itself.
Exit codes: 1, the folder is damaged; 2, a file is no series of these channels.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Of the first `length` steps, of each channel the value, a double, rounded to float32, minus `mean`, divided by "
    "`stddev`, both float32; 0 if the value is missing: empty or, in small letters, in `missing_values`. "
    "One channel more, the last, is 1. Behind shorter series is 0. "
    "A line end at the end is none of another step."
)
# Of the manifest's `preprocessing` what `preprocess` takes.
PARAMETERS = ("length", "channels", "missing_values")


class NotASeriesError(ValueError):
    """A file that can't be taken for a series; the message names it."""


class DamagedError(ValueError):
    """A file of the pushed model is not what its manifest says; the message names it."""


class Model:
    """A pushed model.

    Raises:
      DamagedError: a file is missing, or has another content than the manifest says.
      ValueError: the manifest and the flatbuffer do not belong together.
    """

    def __init__(self, folder: str | Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        folder = Path(folder)
        manifest = read_manifest(folder)
        self.labels = verified(folder, manifest, manifest["labels"]).read_text(encoding="utf-8").splitlines()
        self.preprocessing: dict[str, Any] = manifest["preprocessing"]
        self.task, self.answer = manifest["task"], manifest["flatbuffer"]["output"]["name"]
        flatbuffer = verified(folder, manifest, manifest["flatbuffer"].get("file"))
        self._interpreter = Interpreter(str(flatbuffer), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        wanted = manifest["flatbuffer"]["input"]
        found = {"dtype": np.dtype(self._input["dtype"]).name, "shape": self._input["shape"].tolist()}
        if found != {key: wanted[key] for key in found}:
            raise ValueError(f"manifest.json says that the flatbuffer takes {wanted}, but it takes {found}")

    def predict(self, path: str | Path) -> tuple[str, NDArray[np.float32]]:
        """The label of one file and the answer float32 [labels], such as probabilities. Raises NotASeriesError."""
        try:
            text = Path(path).read_text(encoding="utf-8")
            settings = {key: value for key, value in self.preprocessing.items() if key in PARAMETERS}
            series = preprocess(steps(text), **settings)
        except (OSError, ValueError) as error:
            raise NotASeriesError(f"{path}: no series that can be read ({error})") from error
        self._interpreter.set_tensor(self._input["index"], series[np.newaxis])
        self._interpreter.invoke()
        values = np.asarray(self._interpreter.get_tensor(self._output["index"])[0], np.float32)
        return self.labels[int(values.argmax())], values


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read what a pushed model says of itself. Raises DamagedError."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise DamagedError(f"damaged: manifest.json: there is no such file in {folder}")
    try:
        manifest = json.loads(path.read_bytes().decode())
    except ValueError as error:
        raise DamagedError(f"damaged: manifest.json: it is no JSON ({error})") from error
    for key, kind in (("files", dict), ("flatbuffer", dict), ("labels", str), ("preprocessing", dict), ("task", str)):
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind):
            raise DamagedError(f"damaged: manifest.json: `{key}` is missing, or no {kind.__name__}")
    return dict(manifest)


def verified(folder: Path, manifest: dict[str, Any], name: Any) -> Path:
    """Return the path of a file that a manifest names, after its digest was compared.

    Raises:
      DamagedError: the name leads out of the folder, or the file has another content than the manifest says.
    """
    if not isinstance(name, str) or any(part in ("", ".", "..") or ":" in part for part in re.split(r"[/\\]", name)):
        raise DamagedError(f"damaged: manifest.json: it names {name!r}; expected a path inside of its folder")
    path = folder / name
    if not path.is_file():
        raise DamagedError(f"damaged: {name}: there is no such file in {folder}")
    if folder.resolve() not in path.resolve().parents:
        raise DamagedError(f"damaged: {name}: a link that leads out of {folder}")
    listed = manifest["files"].get(name)
    wanted = listed.get("sha256") if isinstance(listed, dict) else None
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != wanted:
        raise DamagedError(
            f"damaged: {name}: expected SHA-256 {wanted}, as manifest.json says, found {found}; copy the version here "
            "again, or push the model again"
        )
    return path


def steps(text: str) -> list[list[str]]:
    """The values of each line, as text; a line end at the end is none of another step."""
    return [line.split(",") for line in text.removesuffix("\n").split("\n")]


def preprocess(
    steps: list[list[str]], length: int, channels: list[dict[str, Any]], missing_values: Collection[str] = ()
) -> NDArray[np.float32]:
    """Values of each step, as text, to float32 [length, channels + 1]. Raises ValueError."""
    means, stddevs = (np.array([one[key] for one in channels], np.float32) for key in ("mean", "stddev"))
    made = np.zeros((length, len(channels) + 1), np.float32)
    for place, step in enumerate(steps[:length]):
        if len(step) != len(channels):
            raise ValueError(f"line {place + 1}: {len(step)} values, expected {len(channels)}")
        cells = [" ".join(value.split()) for value in step]
        known = [float("nan" if cell.lower() in missing_values else cell or "nan") for cell in cells]
        values = np.array(known).astype(np.float32)
        scaled = (values - means) / stddevs
        made[place, :-1] = np.where(np.isnan(values), np.float32(0), scaled)
        made[place, -1] = 1
    return made


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Answers to time series with the model in this folder.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="CSV, a line a step")
    try:
        model = Model(Path(__file__).resolve().parent)
    except DamagedError as error:
        print(error, file=sys.stderr)
        return 1
    status = 0
    for file in parser.parse_args(arguments).files:
        try:
            label, values = model.predict(file)
        except NotASeriesError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        named = {"label": label} if model.task == "classification" else {}
        answer = {"file": file, **named, model.answer: dict(zip(model.labels, values.tolist()))}  # noqa: B905
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
