"""A pushed model: answers to raw files."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import manifest as manifests
from . import parts
from .manifest import NAME, DamagedError
from .network import Network


class Model:
    """A pushed model.

    Attributes:
      labels: in the order of the outputs.
      manifest: what the model says of itself.
      reader: turns raw files into inputs.

    Raises:
      DamagedError: a file is missing, has another content than the manifest says, or the manifest is broken.
    """

    def __init__(
        self, folder: str | Path, modality: parts.ModalityPart | None = None, task: parts.TaskPart | None = None
    ) -> None:
        """Load what lies in a folder.

        Args:
          folder: of the model.
          modality: the modality's part; by default the one that was pushed.
          task: the task's, likewise.
        """
        modality = modality or parts.load("modality")
        self._task: parts.TaskPart = task or parts.load("task")
        folder = Path(folder)
        self.manifest = manifests.read(folder, modality.FIELDS)
        verified = functools.partial(manifests.verified, folder, self.manifest)
        try:
            self.labels = verified(self.manifest["labels"]).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DamagedError(f"damaged: {self.manifest['labels']}: no text in UTF-8 ({error})") from error
        flatbuffer = verified(self.manifest["flatbuffer"].get("file"))
        try:
            self.reader = modality.Reader(self.manifest["preprocessing"], verified)
        except DamagedError:
            raise
        except ValueError as error:
            raise DamagedError(f"damaged: {NAME}: `preprocessing`: {error}") from error
        self._network = Network(flatbuffer)
        says = {key: self.manifest["flatbuffer"]["input"][key] for key in ("dtype", "shape")}
        if says != self._network.input:
            raise DamagedError(
                f"damaged: {NAME} says that the flatbuffer takes {says}, but it takes {self._network.input}"
            )
        self._require_input(self.reader.dtype, self.reader.shape)

    def predict(self, path: str | Path) -> Iterator[dict[str, Any]]:
        """Yield the answer to each example of a file, as it is printed. Raises the ERROR of the modality's part."""
        for name, inputs in self.reader.read(path):
            yield {"file": name, **self.answer(inputs)}

    def answer(self, inputs: NDArray[Any]) -> dict[str, Any]:
        """Return the answer to one input, which `reader` makes."""
        self._require_input(inputs.dtype.name, inputs.shape)
        return self._task.answer(self._network.run(inputs), self.labels, self.manifest)

    def _require_input(self, dtype: str, shape: tuple[int, ...]) -> None:
        made = {"dtype": dtype, "shape": [1, *shape]}
        if made != self._network.input:
            raise DamagedError(
                f"damaged: {NAME}: what its `preprocessing` gives is {made}, but the flatbuffer takes "
                f"{self._network.input}"
            )
