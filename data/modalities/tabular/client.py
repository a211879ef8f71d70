"""Reference client of a pushed model of tables: rows in, answers out.

    python client.py FILE...

A file is a CSV: with a header, of which the columns of the model are taken by their names, or without one, its cells in
the order of the manifest's `columns`. It prints a JSON object for each row: {"file", "label", "probabilities": {label:
probability}}; for other tasks than classification, without a label, and the name of the answer is in the manifest. With
a header, "file" is FILE:LINE. It needs numpy and ai-edge-litert, and reads manifest.json, labels.txt and model.tflite
beside itself.
Exit codes: 1, the folder is damaged; 2, a file is no table of these columns.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import json
import math
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Take the blanks around each cell away, and of several within it leave one. A cell that, in small letters, is in "
    "`missing_values` is empty, but for a category; a number loses its `thousands` where these part its digits by "
    "three. For each entry of `inputs` one float32, in their order. number: the cell's value, a double, rounded to "
    "float32, minus `mean`, divided by `stddev`, both float32; 0 if the cell is empty. "
    "missing: 1 if the cell is empty, else 0. category: the cell's place in `categories`, from 0; "
    "their number if it is not there. days: as number, of the days "
    "from 2000-01-01 to the cell's date (YYYY-MM-DD, what follows is ignored). year sin, year cos, week sin, week cos: "
    "of 2 pi days / 365.25 and 2 pi days / 7."
)
FIRST_DAY = datetime.date(2000, 1, 1).toordinal()
TURNS = {"year": 365.25, "week": 7.0}
# Of the manifest's `preprocessing` what `preprocess` takes.
PARAMETERS = ("inputs", "missing_values", "thousands")
# A number whose digits are parted by three, for Python and for RE2.
GROUPED = r"[+-]?[0-9]{1,3}(SEPARATOR[0-9]{3})+(\.[0-9]*)?"


class NotARowError(ValueError):
    """What can't be taken for an example; the message names the file, the row and the column."""


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

    def predict(self, row: dict[str, str]) -> tuple[str, NDArray[np.float32]]:
        """The label of a row, cells by column, and the answer float32 [labels], such as probabilities."""
        settings = {key: value for key, value in self.preprocessing.items() if key in PARAMETERS}
        inputs = preprocess(row, **settings)
        self._interpreter.set_tensor(self._input["index"], inputs[np.newaxis])
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


def preprocess(
    row: dict[str, str], inputs: list[dict[str, Any]], missing_values: Collection[str] = (), thousands: str = ""
) -> NDArray[np.float32]:
    """Cells by column to what the flatbuffer takes, float32 [inputs]."""
    made = []
    for one in inputs:
        cell = " ".join(row[one["column"]].split())
        made.append(_number(cell if one["kind"] == "category" else plain(cell, missing_values, thousands), one))
    return np.array(made, np.float32)


def plain(cell: str, missing_values: Collection[str], thousands: str) -> str:
    """A cell of numbers or dates: empty for a missing value (they are in small letters), without `thousands`."""
    if cell.lower() in missing_values:
        return ""
    if thousands and thousands in cell and re.fullmatch(GROUPED.replace("SEPARATOR", re.escape(thousands)), cell):
        return cell.replace(thousands, "")
    return cell


def _number(cell: str, one: dict[str, Any]) -> np.float32:
    """One of the model's inputs."""
    kind = one["kind"]
    if kind == "missing":
        return np.float32(cell == "")
    if kind == "category":
        known = one["categories"]
        return np.float32(known.index(cell) if cell in known else len(known))
    if kind == "number":
        try:
            value = float(cell or "nan")
        except ValueError as error:
            raise NotARowError(f"column {one['column']}: {cell!r} is no number") from error
    else:
        value = days(cell, one["column"])
    if kind in ("number", "days"):
        scaled = (np.float32(value) - np.float32(one["mean"])) / np.float32(one["stddev"])
        return np.float32(0) if math.isnan(value) else scaled
    period, wave = kind.split()
    turn = 2 * math.pi * value / TURNS[period]
    return np.float32(0 if math.isnan(value) else math.sin(turn) if wave == "sin" else math.cos(turn))


def days(cell: str, column: str) -> float:
    """Days from 2000-01-01 to a date; NaN of an empty cell."""
    if not cell:
        return math.nan
    try:
        if cell[4:5] + cell[7:8] != "--":  # Python 3.11 knows more ways to write a date
            raise ValueError
        return float(datetime.date.fromisoformat(cell[:10]).toordinal() - FIRST_DAY)
    except ValueError as error:
        raise NotARowError(f"column {column}: {cell!r} is no date; write YYYY-MM-DD") from error


def rows(path: str | Path, columns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a CSV, each with what it is called."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header: list[str] = []
            for cells in reader:
                if reader.line_num == 1 and set(columns) <= {cell.strip() for cell in cells}:
                    header = [cell.strip() for cell in cells]
                elif len(cells) != len(header or columns):
                    raise NotARowError(f"line {reader.line_num}: {len(cells)} cells, expected {len(header or columns)}")
                else:
                    name = f"{path}:{reader.line_num}" if header else str(path)
                    yield name, dict(zip(header or columns, cells))  # noqa: B905 (`strict` is too new for many devices)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NotARowError(f"no CSV that can be read ({error})") from error


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Answers to rows of tables with the model in this folder.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="CSV")
    try:
        model = Model(Path(__file__).resolve().parent)
    except DamagedError as error:
        print(error, file=sys.stderr)
        return 1
    status = 0
    for file in parser.parse_args(arguments).files:
        try:
            for name, row in rows(file, model.preprocessing["columns"]):
                label, values = model.predict(row)
                named = {"label": label} if model.task == "classification" else {}
                answer = {"file": name, **named, model.answer: dict(zip(model.labels, values.tolist()))}  # noqa: B905
                print(json.dumps(answer, ensure_ascii=False), flush=True)
        except NotARowError as error:
            print(f"{file}: {error}", file=sys.stderr)
            status = 2
    return status


if __name__ == "__main__":
    sys.exit(main())
