"""Reference client of a pushed image model: raw files in, answers out.

    python client.py FILE...

prints one JSON object a line: {"file", "label", "probabilities": {label: probability}}; for other tasks than
classification, without a label, and the name and meaning of the answer are in the manifest. It needs numpy, Pillow and
ai-edge-litert, and reads manifest.json, labels.txt and model.tflite beside itself.
Exit codes: 1, the folder is damaged; 2, a file is no image.

What happens before the flatbuffer must give the pixels that it was trained on, so decoding and resizing follow
TensorFlow (tf.io.decode_jpeg with dct_method="INTEGER_ACCURATE", tf.image.resize with antialias=True) step by step:
the pixels are the same.
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
from PIL import Image

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Decode PNG or JPEG (accurate integer DCT) to 8-bit grey or RGB, dropping alpha and ignoring orientation tags. "
    "Resize to height x width, stretching: bilinear (triangle filter) with half-pixel centres, the filter widened by "
    "the factor by which a side shrinks, its weights normalised. Round half to even, clip to 0..255, uint8."
)
FORMATS = ("PNG", "JPEG")
# libpng's shares of red, green and blue in grey, in 1/32768.
GREY = np.array([9797, 19234, 3737], np.uint32)
SRGB_GAMMA = 0.45455


class NotAnImageError(ValueError):
    """A file that can't be decoded; the message names it."""


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
        """The label of one file and the answer float32 [labels], in the order of labels.txt, such as probabilities.

        Raises:
          NotAnImageError: the file is no PNG or JPEG image.
        """
        pixels = preprocess(path, **{key: self.preprocessing[key] for key in ("height", "width", "channels")})
        self._interpreter.set_tensor(self._input["index"], pixels[np.newaxis])
        self._interpreter.invoke()
        values = np.asarray(self._interpreter.get_tensor(self._output["index"])[0], np.float32)
        scale, zero = self._output["quantization"]
        if scale:  # answers in integers
            values = (values - np.float32(zero)) * np.float32(scale)
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


def preprocess(path: str | Path, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """A PNG or JPEG file to uint8 [height, width, channels], channels 1 (grey) or 3 (RGB)."""
    pixels = decode(path, channels)
    if pixels.shape[:2] != (height, width):
        pixels = resize(pixels, height, width)
    return pixels


def decode(path: str | Path, channels: int) -> NDArray[np.uint8]:
    """A file to uint8 [its height, its width, channels]. Transparency is dropped, orientation tags are not followed.

    An embedded colour profile is not applied, except that grey is made of a PNG's colours in linear light if its
    gAMA or sRGB chunk gives their gamma, as libpng does.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if channels == 1 and image.format == "JPEG":
                image.draft("L", image.size)  # takes the luminance as it is stored
            if image.mode == "P":
                if not image.palette or not image.palette.getdata()[1]:
                    raise ValueError("its palette is missing")
                image.info.pop("transparency", None)  # dropped, which Pillow would warn of
            if image.mode.startswith("I"):  # grey of 16 bits: the upper 8
                pixels = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)[..., np.newaxis]
            elif image.mode in ("1", "L", "LA"):
                pixels = np.asarray(image.convert("L"))[..., np.newaxis]
            else:
                pixels = np.asarray(image.convert("RGB"))
            gamma = SRGB_GAMMA if "srgb" in image.info else image.info.get("gamma")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NotAnImageError(f"{path}: no PNG or JPEG image that can be decoded ({error})") from error
    if pixels.shape[2] == channels:
        return pixels
    return _grey(pixels, gamma) if channels == 1 else np.repeat(pixels, channels, axis=2)


def _grey(pixels: NDArray[np.uint8], gamma: float | None) -> NDArray[np.uint8]:
    """RGB uint8 [height, width, 3] to grey [height, width, 1], as libpng's png_set_rgb_to_gray."""
    if gamma and abs(gamma - 1) > 0.05:
        linear = _power_table(1 / gamma)[pixels]
        mixed = _power_table(gamma)[(linear @ GREY + 16384) >> 15]
    else:
        mixed = (pixels.astype(np.uint32) @ GREY) >> 15
    is_grey = (pixels == pixels[..., :1]).all(axis=-1)
    return np.where(is_grey, pixels[..., 0], mixed).astype(np.uint8)[..., np.newaxis]


def _power_table(exponent: float) -> NDArray[np.uint32]:
    """value -> 255 (value / 255)^exponent, rounded, for the 256 values."""
    return np.floor(255 * (np.arange(256) / 255) ** exponent + 0.5).astype(np.uint32)


def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """uint8 [h, w, channels] to [height, width, channels]: triangle filter, widened when an image shrinks."""
    rows = _resample(pixels.astype(np.float32), height)
    columns = _resample(rows.swapaxes(0, 1), width).swapaxes(0, 1)
    return np.clip(np.rint(columns), 0, 255).astype(np.uint8)


def _resample(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """float32 [n, ...] to [size, ...].

    In float32 and summed in TensorFlow's order (its ScaleAndTranslate), so that ties round the same way.
    """
    one = np.float32(1)
    scale = one / (np.float32(size) / np.float32(len(values)))
    radius = max(scale, one)
    centres = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale
    first = np.clip(np.ceil(centres - radius - np.float32(0.5)).astype(int), 0, len(values) - 1)
    last = np.clip(np.floor(centres + radius - np.float32(0.5)).astype(int), 0, len(values) - 1)
    steps = [first + step for step in range(int((last - first).max()) + 1)]
    weights = []
    total = np.zeros(size, np.float32)
    for source in steps:
        distance = np.abs((source.astype(np.float32) + np.float32(0.5) - centres) * (one / radius))
        weights.append(np.where(source <= last, np.maximum(one - distance, np.float32(0)), np.float32(0)))
        total += weights[-1]
    result = np.zeros((size, *values.shape[1:]), np.float32)
    for source, weight in zip(steps, weights):  # noqa: B905 (`strict` is too new for many devices)
        share = (weight * (one / total)).reshape(-1, *[1] * (values.ndim - 1))
        result += values[np.minimum(source, len(values) - 1)] * share
    return result


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Answers to images with the model in this folder.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="PNG or JPEG")
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
        except NotAnImageError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        named = {"label": label} if model.task == "classification" else {}
        answer = {"file": file, **named, model.answer: dict(zip(model.labels, values.tolist()))}  # noqa: B905
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
