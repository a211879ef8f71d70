"""Client part of the modality audio: a sound to the flatbuffer's input. It needs numpy and soundfile.

scipy is needed only for files of another sample rate. What happens before the flatbuffer is done by the same functions
that made the training's samples; the spectrum is computed within the flatbuffer.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# For the manifest: what a client in another language has to do.
PREPROCESSING = (
    "Decode WAV, FLAC or OGG (Vorbis, Opus), take the mean of the channels, resample to sample_rate (polyphase, a "
    "sinc with a Kaiser window of beta 5 over 10 zero crossings to either side, as scipy.signal.resample_poly; of the "
    "lower rate by the higher take the nearest fraction with a denominator up to 1000), multiply by 32768, round half "
    "to even, clip to int16. Of what is longer than `samples` take the middle; put zeros before and behind what is "
    "shorter, an odd one behind. The SavedModel does all of it but decoding and resampling: it takes WAV files of 16 "
    "bits at sample_rate."
)
# The packages that it imports besides numpy.
REQUIRES = ("soundfile", "scipy")
# Of the manifest's `preprocessing`.
FIELDS = {"sample_rate": range(1, 1_000_000), "samples": int}
FILES = "WAV, FLAC or OGG"
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
# Values decoded at a time: bounds the memory, whatever a header says of channels.
BLOCK = 2**20
# What the decoder says of the number of samples where the header does not.
UNKNOWN = 2**62
# From this size on a WAV file does not say how long it is: writers put the largest number of either sign there.
UNWRITTEN = 0x7FFFF000
# Hertz. Recorders reach 768 kHz; a header that says more would have a second fill the memory.
SLOWEST, FASTEST = 50, 768_000
# Of two rates' ratio: an odd one, such as 44,101 to 16,000, is off by less than a millionth, and takes no longer.
LARGEST_DENOMINATOR = 1000


class NotAudioError(ValueError):
    """A file that holds no audio that can be used; the message names it."""


ERROR = NotAudioError


class Reader:
    """Reads sounds."""

    dtype = "int16"

    def __init__(self, settings: dict[str, Any], file: Callable[[Any], Path]) -> None:
        self._rate = settings["sample_rate"]
        self.shape = (settings["samples"],)

    def read(self, path: str | Path) -> Iterator[tuple[str, NDArray[np.int16]]]:
        """Yield the one example of a file. Raises NotAudioError: it is no WAV, FLAC or OGG file that can be used."""
        yield str(path), preprocess(path, self._rate, *self.shape)


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
            if not SLOWEST <= rate <= FASTEST:
                raise NotAudioError(f"{name}: {rate:,} samples a second; allowed are {SLOWEST} to {FASTEST:,}")
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
        # By the size of the samples: that of the whole is often wrong, and what is written to a pipe knows neither.
        place = 12
        while place + 8 <= len(contents):
            name, size = contents[place : place + 4], int.from_bytes(contents[place + 4 : place + 8], "little")
            if name == b"data":
                return size < UNWRITTEN and len(contents) + 1 < place + 8 + size
            place += 8 + size + size % 2
        return True
    if contents[:4] == b"OggS":
        last = contents.rfind(b"OggS")
        return not contents[last + 5] & 4  # the flag of a stream's last page
    return False


def resample(wave: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """float32 [samples] at `rate` to `wanted` hertz; nothing above half the lower of the two is left."""
    if rate == wanted:
        return wave
    from scipy import signal

    if wanted < rate:
        ratio = Fraction(wanted, rate).limit_denominator(LARGEST_DENOMINATOR)
    else:
        ratio = 1 / Fraction(rate, wanted).limit_denominator(LARGEST_DENOMINATOR)
    return np.asarray(signal.resample_poly(wave, ratio.numerator, ratio.denominator), np.float32)


def fit(wave: NDArray[np.int16], samples: int) -> NDArray[np.int16]:
    """int16 [any number] to [samples]: the middle of what is longer, zeros around what is shorter."""
    start = max(len(wave) - samples, 0) // 2
    wave = wave[start : start + samples]
    before = (samples - len(wave)) // 2
    return np.pad(wave, (before, samples - len(wave) - before))
