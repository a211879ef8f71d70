"""eSpeak NG through ctypes: words to samples, with nothing played."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The package that has the library and its data, and the hash of its wheel for Linux on x86-64.
WHEEL = ("espeakng-loader==0.2.4", "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d")
# Numbers of espeak_ng/speak_lib.h.
_SYNCHRONOUS, _UTF8, _CHARACTERS = 2, 1, 1
_TEMPO, _PITCH = 1, 3
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesizer:
    """The library, loaded once a process, whose state it is: what it says depends on what it has said before.

    Raises:
      OSError: the library can't be loaded.
      RuntimeError: it does not find its data.
    """

    def __init__(self, package: Path) -> None:
        """Args: package: the folder of espeakng_loader, with the library and its data."""
        self._library = ctypes.CDLL(str(package / "libespeak-ng.so"))
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, str(package / "espeak-ng-data").encode(), 0)
        if self._rate <= 0:
            raise RuntimeError(f"eSpeak NG does not find its data in {package}")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # it takes the time: breathy voices have noise in them
        self._blocks: list[bytes] = []
        self._callback = _CALLBACK(self._hear)  # kept, or it would be freed under the library's feet
        self._library.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count > 0:
            self._blocks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def say(self, text: str, voice: str, tempo: int, pitch: int, rate: int) -> NDArray[np.float64]:
        """Words as samples in [-1, 1].

        Args:
          text: the words.
          voice: language and variant, such as en-us+f2.
          tempo: words a minute, 80 to 450.
          pitch: 0 to 99; 50 is the voice's own.
          rate: hertz of the result.

        Raises:
          RuntimeError: there is no such voice, or it says nothing.
        """
        import numpy as np
        from scipy import signal

        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise RuntimeError(f"eSpeak NG has no voice {voice!r}")
        self._library.espeak_SetParameter(_TEMPO, tempo, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        self._blocks = []
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        said = np.frombuffer(b"".join(self._blocks), np.int16) / 32768
        if not np.any(said):
            raise RuntimeError(f"eSpeak NG's voice {voice!r} says nothing to {text!r}")
        shared = np.gcd(self._rate, rate)
        return np.asarray(signal.resample_poly(said, rate // shared, self._rate // shared))
