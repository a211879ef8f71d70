"""Reference client of a pushed text model: text files in, answers out.

    python client.py FILE...

prints one JSON object a line: {"file", "label", "probabilities": {label: probability}}; for other tasks than
classification, without a label, and the name of the answer is in the manifest. It needs numpy, tokenizers and
ai-edge-litert, and reads manifest.json, labels.txt, tokenizer.json and model.tflite beside itself.
Exit codes: 1, the folder is damaged; 2, a file is not UTF-8.

In a program: Model(folder).predict_text(text).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Read the text as UTF-8. Encode it with tokenizer.json (Hugging Face tokenizers), which cleans, splits, cuts into "
    "pieces, adds special tokens, truncates and pads; if `pairs`, as a pair of what is before and behind the first "
    "tab. The ids are the input."
)
PAIR = "\t"


class NotATextError(ValueError):
    """A file that is no text; the message names it."""


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
        from tokenizers import Tokenizer

        folder = Path(folder)
        manifest = read_manifest(folder)
        self.labels = verified(folder, manifest, manifest["labels"]).read_text(encoding="utf-8").splitlines()
        self.preprocessing: dict[str, Any] = manifest["preprocessing"]
        self.task, self.answer = manifest["task"], manifest["flatbuffer"]["output"]["name"]
        flatbuffer = verified(folder, manifest, manifest["flatbuffer"].get("file"))
        self._tokenizer = Tokenizer.from_file(str(verified(folder, manifest, self.preprocessing.get("tokenizer"))))
        self._interpreter = Interpreter(str(flatbuffer), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        wanted = manifest["flatbuffer"]["input"]
        found = {"dtype": np.dtype(self._input["dtype"]).name, "shape": self._input["shape"].tolist()}
        if found != {key: wanted[key] for key in found}:
            raise ValueError(f"manifest.json says that the flatbuffer takes {wanted}, but it takes {found}")

    def predict(self, path: str | Path) -> tuple[str, NDArray[np.float32]]:
        """The label of one file and the answer float32 [labels], in the order of labels.txt, such as probabilities.

        Raises:
          NotATextError: the file is not UTF-8, or can't be read.
        """
        try:
            text = Path(path).read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise NotATextError(f"{path}: no text in UTF-8 ({error})") from error
        return self.predict_text(text)

    def predict_text(self, text: str) -> tuple[str, NDArray[np.float32]]:
        """As `predict`, of a text."""
        ids = preprocess(self._tokenizer, text, self.preprocessing["pairs"])
        self._interpreter.set_tensor(self._input["index"], ids[np.newaxis])
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


def preprocess(tokenizer: Any, text: str, pairs: bool) -> NDArray[np.int32]:
    """A text to its token ids int32 [length]; `tokenizer` is of the package of that name."""
    if not pairs:
        return np.array(tokenizer.encode(text).ids, np.int32)
    one, _, two = text.partition(PAIR)
    return np.array(tokenizer.encode(one, two).ids, np.int32)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Answers to texts with the model in this folder.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a text in UTF-8")
    files = parser.parse_args(arguments).files
    try:
        model = Model(Path(__file__).resolve().parent)
    except DamagedError as error:
        print(error, file=sys.stderr)
        return 1
    status = 0
    for file in files:
        try:
            label, values = model.predict(file)
        except NotATextError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        named = {"label": label} if model.task == "classification" else {}
        answer = {"file": file, **named, model.answer: dict(zip(model.labels, values.tolist()))}  # noqa: B905
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
