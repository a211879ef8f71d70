"""Post-training quantization by litert-quantizer, operator by operator, and which operators are better left alone.

It works on the float32 flatbuffer and takes milliseconds, so what each operator costs is measured and not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from modelmill.components.compress.ptq import embedding_lookup, outputs
from modelmill.components.models.blocks import audio_frontend
from modelmill.components.models.flatbuffer import analyze
from modelmill.components.models.flatbuffer.signatures import SERVING, Samples, Signatures
from modelmill.data.core.config import Strict

Kind = Literal["int8", "int8_weights", "int4_weights", "float32"]
# Whose kernels run with weights of four bits; others that have weights (depthwise convolutions) get eight.
FOUR_BITS = ("CONV_2D", "EMBEDDING_LOOKUP", "FULLY_CONNECTED")


class FallbackConfig(Strict):
    """Layers that quantization harms most are left in the next-best kind of numbers, until the answers are right."""

    tolerance: float = Field(
        0.1, gt=0, description="Error of the answers, relative to how much the float model's answers vary."
    )


class QuantizationError(ValueError):
    """A model that can't be quantized within the tolerance, whatever is left alone."""


@dataclass(frozen=True)
class Harm:
    """What quantizing one operator alone does to the answers."""

    operator: str
    error: float


@dataclass(frozen=True)
class Quantized:
    """A flatbuffer, the operators left in `instead`, the most harmful first, and the error that remains."""

    content: bytes
    spared: list[Harm]
    error: float


class Quantizer:
    """Of one float32 flatbuffer.

    Args:
      content: the flatbuffer.
      examples: calls of its signatures that give the ranges of int8, and by which errors are measured; a sequence is
        of the input `inputs` of a flatbuffer with one signature.
    """

    def __init__(self, content: bytes, examples: Samples | Sequence[NDArray[Any]]) -> None:
        calls = examples if isinstance(examples, Mapping) else {SERVING: [{"inputs": one} for one in examples]}
        self._content, self._examples = content, calls
        # Where activations are integers, so are rows that are gathered; else tables need an operator of their own.
        self._looked_up = embedding_lookup.looked_up(content)
        self._ranges: Any = None
        self._exact = self._answers(content)
        with TemporaryDirectory() as folder:
            path = Path(folder, "float.tflite")
            path.write_bytes(content)
            found = analyze.read(path)
        self.operators = list(dict.fromkeys(kernel.names[1] for kernel in found.kernels))
        self.loops = "WHILE" in found.operators

    def quantize(self, kind: Kind, spared: Sequence[str] = (), instead: Kind = "float32") -> bytes:
        """The whole model as `kind`, but for `spared` operators."""
        from litert_quantizer import qtyping, quantizer

        every = qtyping.TFLOperationName.ALL_SUPPORTED
        made = quantizer.Quantizer(bytearray(self._content if kind == "int8" else self._looked_up))
        _apply(made, ".*", kind)
        for name in spared:
            _apply(made, f"^{re.escape(name)}(;|$)", instead)
        # Spectra and the like span more than eight bits hold.
        made.update_quantization_recipe(f"^{audio_frontend.NAME}/", every, algorithm_key="no_quantize")
        if kind == "int8":
            # What it takes and gives stays as in every other flatbuffer: rows and series, and the answers, are float32.
            for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
                made.update_quantization_recipe(".*", end, algorithm_key="no_quantize")
        if len(spared) == len(self.operators) and instead == "float32":
            made.update_quantization_recipe(".*", every, algorithm_key="no_quantize")
            return self._content
        ranges = self._calibrated() if made.need_calibration else None
        content = bytes(made.quantize(ranges, enable_progress_report=False).quantized_model)
        return outputs.reread(content) if kind == "int8" else content

    def _calibrated(self) -> Any:
        """The ranges of all results, whichever operators are quantized; found once."""
        from litert_quantizer import quantizer

        if self._ranges is None:
            whole = quantizer.Quantizer(bytearray(self._content))
            _apply(whole, ".*", "int8")
            rows = {
                name: [{key: value[np.newaxis] for key, value in call.items()} for call in calls]
                for name, calls in self._examples.items()
            }
            self._ranges = whole.calibrate(rows, num_threads=1)
        return self._ranges

    def error(self, content: bytes) -> float:
        """Return the root mean square of the difference of answers, relative to the deviation of the exact ones.

        Of several outputs it is the largest. It is infinite where there are no answers: kernels refuse to be loaded
        whose scales are too far from one another.
        """
        try:
            answers = self._answers(content)
        except RuntimeError:
            return float("inf")
        return max(_relative_error(answers[output], exact) for output, exact in self._exact.items())

    def harms(self, kind: Kind) -> list[Harm]:
        """What each operator with a kernel does when it alone is quantized, the worst first."""
        found = []
        for name in self.operators:
            others = [other for other in self.operators if other != name]
            found.append(Harm(name, self.error(self.quantize(kind, others))))
        return sorted(found, key=lambda one: -one.error)

    def sparing(self, kind: Kind, tolerance: float, instead: Kind = "float32") -> Quantized:
        """Leaves as few operators alone as it takes, in the order of their harm.

        Raises:
          QuantizationError: it is not enough to leave all alone.
        """
        content = self.quantize(kind)
        error = self.error(content)
        if error <= tolerance:
            return Quantized(content, [], error)
        harms = self.harms(kind)
        for count in range(1, len(harms) + 1):
            content = self.quantize(kind, [one.operator for one in harms[:count]], instead)
            error = self.error(content)
            if error <= tolerance:
                return Quantized(content, harms[:count], error)
        raise QuantizationError(
            f"{kind}: the answers' error is {error:.3g} of their deviation with all {len(harms)} layers in {instead}; "
            f"{tolerance:g} is allowed (fallback.tolerance)"
        )

    def _answers(self, content: bytes) -> dict[tuple[str, str], NDArray[np.float32]]:
        """Return the answers to all examples, [examples, *shape], by signature and output."""
        loaded = Signatures(content)
        found: dict[tuple[str, str], list[NDArray[Any]]] = {}
        for name, calls in self._examples.items():
            for call in calls:
                for output, value in loaded.call(name, call).items():
                    found.setdefault((name, output), []).append(value)
        return {key: np.asarray(np.stack(values), np.float32) for key, values in found.items()}


def _relative_error(answers: NDArray[np.float32], exact: NDArray[np.float32]) -> float:
    if not np.isfinite(answers).all():
        return float("inf")
    away = float(np.sqrt(np.mean((answers - exact) ** 2)))
    spread = float(np.sqrt(np.mean((exact - exact.mean(axis=0)) ** 2)))
    return away / max(spread, 1e-12)


def _apply(made: Any, regex: str, kind: Kind) -> None:
    """A rule of the recipe; later ones win."""
    from litert_quantizer import qtyping

    every = qtyping.TFLOperationName.ALL_SUPPORTED
    if kind == "float32":
        made.update_quantization_recipe(regex, every, algorithm_key="no_quantize")
    elif kind == "int8":
        made.add_static_config(regex, every, activation_num_bits=8, weight_num_bits=8)
    else:
        made.add_dynamic_config(regex, every, num_bits=8)
        for operator in FOUR_BITS if kind == "int4_weights" else ():
            made.add_dynamic_config(regex, qtyping.TFLOperationName(operator), num_bits=4)
