"""Reference client of a pushed audio model: raw files in, answers out.

    python client.py FILE...

prints one JSON object a line: {"file", "label", "probabilities": {label: probability}}; for other tasks than
classification, without a label, and the name of the answer is in the manifest. It needs numpy, soundfile and
ai-edge-litert, scipy only for files of another sample rate, and reads manifest.json, labels.txt and model.tflite
beside itself.
Exit codes: 1, the folder is damaged; 2, a file is no audio.

What happens before the flatbuffer is done by the same functions that made the training's samples. The spectrum is
computed within the flatbuffer.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Decode WAV, FLAC or OGG (Vorbis, Opus), take the mean of the channels, resample to sample_rate (polyphase, a "
    "sinc with a Kaiser window of beta 5 over 10 zero crossings to either side, as scipy.signal.resample_poly), "
    "multiply by 32768, round half to even, clip to int16. Of what is longer than `samples` take the middle; put zeros "
    "before and behind what is shorter, an odd one behind. The SavedModel does all of it but decoding and resampling: "
    "it takes WAV files of 16 bits at sample_rate."
)
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
# Values decoded at a time: bounds the memory, whatever a header says of channels.
BLOCK = 2**20
# What the decoder says of the number of samples where the header does not.
UNKNOWN = 2**62


class NotAudioError(ValueError):
    """A file that holds no audio that can be used; the message names it."""


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
          NotAudioError: the file is no WAV, FLAC or OGG file that can be used.
        """
        samples = preprocess(path, **{key: self.preprocessing[key] for key in ("sample_rate", "samples")})
        self._interpreter.set_tensor(self._input["index"], samples[np.newaxis])
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


def preprocess(path: str | Path, sample_rate: int, samples: int) -> NDArray[np.int16]:
    """A WAV, FLAC or OGG file to int16 [samples], one channel at sample_rate."""
    try:
        contents = Path(path).read_bytes()
    except OSError as error:
        raise NotAudioError(f"{path}: can't be read ({error.strerror or error})") from error
    return fit(decode(str(path), contents, sample_rate)[0], samples)


def decode(
    name: str, contents: bytes, sample_rate: int, max_seconds: float = 3600.0
) -> tuple[NDArray[np.int16], dict[str, Any]]:
    """The bytes of a file to all its samples, int16 [any number], one channel at sample_rate.

    Args:
      name: of the file, for messages.
      contents: its bytes.
      sample_rate: what it is resampled to.
      max_seconds: a longer one is refused before it is decoded.

    Returns:
      The samples, and of the file: seconds (float), rate and channels (int).

    Raises:
      NotAudioError: no audio, truncated, empty, too long, or with values that are no numbers.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(contents)) as file:
            if file.format not in FORMATS:
                raise NotAudioError(f"{name}: a {file.format} file; allowed are WAV, FLAC and OGG, convert it")
            rate, channels = file.samplerate, file.channels
            expected = file.frames if file.frames < UNKNOWN else 0
            _check_length(name, expected / rate, max_seconds)
            wave = _mono(file, int(max_seconds * rate) + 1)
    except soundfile.LibsndfileError as error:
        why = error.error_string.strip().rstrip(".")
        raise NotAudioError(f"{name}: no WAV, FLAC or OGG file that can be decoded ({why})") from error
    _check_length(name, len(wave) / rate, max_seconds)
    if _is_cut(contents) or len(wave) < expected:
        raise NotAudioError(f"{name}: its end is missing (of {expected} samples {len(wave)} are there)")
    if not len(wave):
        raise NotAudioError(f"{name}: it holds no sample")
    if not np.isfinite(wave).all():
        raise NotAudioError(f"{name}: it holds values that are no finite numbers")
    told = {"seconds": len(wave) / rate, "rate": rate, "channels": channels}
    resampled = resample(wave, rate, sample_rate)
    return np.clip(np.rint(resampled * 32768), -32768, 32767).astype(np.int16), told


def _check_length(name: str, seconds: float, most: float) -> None:
    if seconds > most:
        raise NotAudioError(f"{name}: {seconds:.1f} seconds; data.max_seconds allows {most:g}")


def _mono(file: Any, most: int) -> NDArray[np.float32]:
    """The mean of the channels, float32 in [-1, 1]; at most so many samples, decoded in blocks."""
    found: list[NDArray[np.float32]] = []
    size = max(1, BLOCK // file.channels)
    while most > 0:
        block = file.read(min(size, most), dtype="float32", always_2d=True)
        if not len(block):
            break
        found.append(block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0])
        most -= len(block)
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _is_cut(contents: bytes) -> bool:
    """Whether the container says that there was more; decoders make do with what is there."""
    if contents[:4] == b"RIFF":
        told = int.from_bytes(contents[4:8], "little")
        # What is written to a pipe can't know its length: 0, or the largest number.
        return 0 < told < 0xFFFFFFFF and len(contents) + 1 < told + 8
    if contents[:4] == b"OggS":
        last = contents.rfind(b"OggS")
        return not contents[last + 5] & 4  # the flag of a stream's last page
    return False


def resample(wave: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """float32 [samples] at `rate` to `wanted` hertz; nothing above half the lower of the two is left."""
    if rate == wanted:
        return wave
    from scipy import signal

    shared = np.gcd(rate, wanted)
    return np.asarray(signal.resample_poly(wave, wanted // shared, rate // shared), np.float32)


def fit(wave: NDArray[np.int16], samples: int) -> NDArray[np.int16]:
    """int16 [any number] to [samples]: the middle of what is longer, zeros around what is shorter."""
    start = max(len(wave) - samples, 0) // 2
    wave = wave[start : start + samples]
    before = (samples - len(wave)) // 2
    return np.pad(wave, (before, samples - len(wave) - before))


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Answers to sounds with the model in this folder.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="WAV, FLAC or OGG")
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
        except NotAudioError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        named = {"label": label} if model.task == "classification" else {}
        answer = {"file": file, **named, model.answer: dict(zip(model.labels, values.tolist()))}  # noqa: B905
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
