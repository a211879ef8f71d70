"""The weights of a Hugging Face checkpoint, read without torch and without running anything of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

WANTED = "a checkpoint of BERT is a folder with config.json, model.safetensors, and tokenizer.json or vocab.txt"


class Weights:
    """The tensors of model.safetensors, whatever they are prefixed with."""

    def __init__(self, folder: Path) -> None:
        """Opens it; raises ValueError or FileNotFoundError, and says what is wrong."""
        from safetensors import SafetensorError, safe_open

        path = folder / "model.safetensors"
        if not path.is_file():
            other = next((file.name for file in folder.glob("*") if file.suffix in (".bin", ".h5", ".ckpt")), None)
            told = f"; {other} is of a format that can hold code: save it as safetensors" if other else f"; {WANTED}"
            raise FileNotFoundError(f"model.checkpoint: there is no model.safetensors in {folder}{told}")
        try:
            self._file: Any = safe_open(str(path), framework="numpy")
        except SafetensorError as error:
            raise ValueError(f"model.checkpoint: {path} can't be read, it may not be whole ({error})") from error
        self._path = path
        self._names = {name.removeprefix("bert."): name for name in self._file.keys()}  # noqa: SIM118 (it is no dict)

    def __call__(self, name: str) -> np.ndarray[Any, Any]:
        """A tensor, float32."""
        import numpy as np

        return np.asarray(self._file.get_tensor(self._found(name)), np.float32)

    def check(self, name: str, wanted: tuple[int | None, ...]) -> None:
        """Raises ValueError if there is no tensor of that shape; any size will do where None is wanted."""
        shape = self._file.get_slice(self._found(name)).get_shape()
        if len(shape) != len(wanted) or any(one not in (None, two) for one, two in zip(wanted, shape, strict=True)):
            told = f"config.json says {[one or 'any' for one in wanted]}"
            raise ValueError(f"model.checkpoint: {self._path}: {name} has the shape {shape}, and {told}")

    def _found(self, name: str) -> str:
        # As older checkpoints call them.
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        found = self._names.get(name) or self._names.get(old)
        if found is None:
            raise ValueError(f"model.checkpoint: {self._path}: it has no tensor {name}")
        return found

    def pair(self, name: str) -> list[np.ndarray[Any, Any]]:
        """Weight and bias as Keras has them: kernels are the other way round."""
        return [self(f"{name}.weight").T, self(f"{name}.bias")]
