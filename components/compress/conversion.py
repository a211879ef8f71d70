"""Errors of the TFLite converter in one sentence; its own words, pages of MLIR, go to the log."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from modelmill.components.upstream import tensorflow_internals

# Where the converter's records name no operator, its text may: "'tf.Relu6' op is neither a custom op nor a flex op".
_OPERATOR = re.compile(r"'(tfl?\.\w+)' op |legalize operation '(tfl?\.\w+)'")
_LONGEST = 200


class ConversionError(ValueError):
    """A model that the TFLite converter can't convert; the message is one sentence, the cause has the rest."""


@contextlib.contextmanager
def explained(family: str, chain: str) -> Iterator[None]:
    """Raises ConversionError instead of the converter's own error, with that as its cause.

    Args:
      family: of the model.
      chain: label of the chain of methods.
    """
    refused = tensorflow_internals.converter_error()
    try:
        yield
    except refused as error:
        raise ConversionError(_sentence(error, family, chain)) from error


def _sentence(error: Exception, family: str, chain: str) -> str:
    """What failed, the operators if they are known, and what to do."""
    names = _operators(error)
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "it says nothing")
    why = f"no TFLite kernel takes {', '.join(names)}" if names else first[:_LONGEST]
    return (
        f"the TFLite converter can't convert the model {family} ({chain}): {why}; change the settings of model.family: "
        f"{family}, or leave the method out of compress.chains; the converter's own words are in the run's log"
    )


def _operators(error: Exception) -> list[str]:
    """Names of the operators that the converter refuses, without repetitions."""
    found = tensorflow_internals.operators(error) or [one or two for one, two in _OPERATOR.findall(str(error))]
    return list(dict.fromkeys(found))
