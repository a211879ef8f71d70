"""Ten spoken words, other words ("unknown") and no word at all ("silence"): one-second clips with noise, 16 kHz.

Made by `write` on this machine, the same files each time: 72 voices of the speech synthesizer eSpeak NG 1.52 say each
word four times, in accents, tempos and pitches of their own, anywhere in the second, before noise of any colour, 10 to
30 dB softer than the word. 3,456 files, CLASS/VOICE_TAKE.flac: split by group, pattern '/(\\w+)_', no voice is in two
splits. No person's voice is in it: figures on it say little of people.

The synthesizer (GPL-3.0-or-later) is not a part of modelmill: if the package espeakng-loader is not installed, its
wheel for Linux on x86-64 is fetched, by version and hash, into modelmill's cache.
"""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill.data.core.fetch import wheel
from modelmill.data.sample_data import Sample
from modelmill.data.sample_sources import espeak

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE, TAKES = 16_000, 4
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHERS = (
    *("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow", "zero", "one", "two", "three"),
    *("four", "five", "six", "seven", "eight", "nine", "learn", "follow", "visual", "forward", "backward", "window"),
)
ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
# Of several variants of one voice only the first: unseen voices should be other voices.
VOICES = (
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee"),
    *("Marco", "Mario", "Michael", "Mike", "Nguyen", "Reed", "Storm", "Tweaky", "adam", "anika", "antonio", "aunty"),
    *("belinda", "benjamin", "boris", "caleb", "croak", "david", "ed", "edward", "f1", "f2", "f3", "f4", "f5"),
    *("grandma", "grandpa", "gustave", "ian", "iven", "john", "kaukovalta", "klatt", "linda", "m1", "m2", "m3", "m4"),
    *("m5", "m6", "m7", "m8", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy"),
    *("rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "whisper", "zac"),
)


class Keywords(Sample):
    """Clips of spoken words, a folder a word."""

    def write(self, folder: Path) -> None:
        """Write the clips as folder/CLASS/VOICE_TAKE.flac.

        Raises:
          MissingPackageError: the synthesizer is neither installed nor can it be fetched.
        """
        make(folder, VOICES)


def make(folder: Path, voices: Sequence[str]) -> None:
    """As `write`, of some voices; in a process of its own, since the synthesizer's state outlives its end.

    Raises:
      MissingPackageError: the synthesizer is neither installed nor can it be fetched.
      RuntimeError: it failed.
    """
    found = importlib.util.find_spec("espeakng_loader")
    package = Path(found.origin).parent if found and found.origin else wheel.fetch(*espeak.WHEEL) / "espeakng_loader"
    command = [sys.executable, "-P", "-m", __name__, str(folder), str(package), *voices]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"eSpeak NG failed with exit code {done.returncode}: {done.stderr.strip()[-500:]}")


def _say_all(folder: Path, package: Path, voices: Sequence[str]) -> None:
    import soundfile

    labels = (*WORDS, "unknown", "silence")
    for label in labels:
        (folder / label).mkdir()
    synthesizer = espeak.Synthesizer(package)
    for voice, label, take in itertools.product(voices, labels, range(TAKES)):
        clip = _clip(synthesizer, voice, label, take)
        soundfile.write(folder / label / f"{voice}_{take}.flac", clip, RATE, subtype="PCM_16")


def _clip(synthesizer: espeak.Synthesizer, voice: str, label: str, take: int) -> NDArray[np.float64]:
    """One second, float64 [RATE] in [-1, 1]."""
    import numpy as np

    random = np.random.default_rng(zlib.crc32(f"{voice}/{label}/{take}".encode()))
    noise = _noise(random, random.uniform(0, 2))
    if label == "silence":
        return noise * 10 ** random.uniform(-3, -1.2)
    said = label if label in WORDS else str(random.choice(OTHERS))
    accent, tempo, pitch = str(random.choice(ACCENTS)), int(random.integers(130, 221)), int(random.integers(35, 66))
    word = _trimmed(synthesizer.say(said, f"{accent}+{voice}", tempo, pitch, RATE))
    word *= 10 ** random.uniform(-1.5, -0.5) / max(float(np.sqrt(np.mean(word**2))), 1e-9)
    clip = np.zeros(RATE)
    start = int(random.integers(0, RATE - len(word) + 1))
    clip[start : start + len(word)] = word
    loudness = float(np.sqrt(np.mean(word**2)))
    return np.clip(clip + noise * loudness * 10 ** (-random.uniform(10, 30) / 20), -1, 1)


def _trimmed(word: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the silence around it, one second at most."""
    import numpy as np

    loud = np.flatnonzero(np.abs(word) > 0.01 * np.abs(word).max())
    return word[loud[0] : loud[-1] + 1][:RATE].copy()


def _noise(random: np.random.Generator, slope: float) -> NDArray[np.float64]:
    """A second of noise, its mean square 1; energies fall with frequency to the power `slope`: 0 white, 2 brown."""
    import numpy as np

    spectrum = np.fft.rfft(random.normal(size=RATE))
    frequencies = np.maximum(np.fft.rfftfreq(RATE, 1 / RATE), 20.0)
    noise = np.fft.irfft(spectrum * frequencies ** (-slope / 2), RATE)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


if __name__ == "__main__":
    _say_all(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
