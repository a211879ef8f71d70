"""Why a node failed, in one paragraph; Beam's wrappings are taken off real Beam errors."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from modelmill.components.beam_runners import LOCAL_BEAM
from modelmill.components.gates import GateRefusedError
from modelmill.data.spec import BadExampleError
from modelmill.pipeline.runners import failure


def beam_error(error: Exception) -> BaseException:
    """What a Beam pipeline raises when a step raises `error`."""

    def step(_: int) -> None:
        raise error

    with pytest.raises(Exception) as caught, beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM))) as pipeline:
        _ = pipeline | beam.Create([1]) | "Outer/Inner" >> beam.Map(step)
    return caught.value


def test_beam_errors() -> None:
    assert failure.reason(beam_error(ValueError("bad row 7"))) == "bad row 7"
    assert failure.reason(beam_error(BadExampleError("a.png: no image"))) == "a.png: no image"
    assert failure.refusal(beam_error(GateRefusedError("slice x"))) == "slice x"
    assert failure.refusal(beam_error(ValueError("x"))) is None


def test_causes() -> None:
    try:
        try:
            raise OSError("disk full")
        except OSError as error:
            raise ValueError("a/b: can't be written") from error
    except ValueError as error:
        assert failure.reason(error) == "a/b: can't be written (caused by OSError: disk full)"
    try:
        try:
            raise OSError("disk full")
        except OSError as error:
            raise ValueError("a/b: disk full") from error
    except ValueError as error:
        assert failure.reason(error) == "a/b: disk full (caused by OSError: disk full)"
    try:
        try:
            raise KeyError("x")
        except KeyError:
            raise ValueError("plain") from None
    except ValueError as error:
        assert failure.reason(error) == "plain"


def test_texts() -> None:
    text = (
        "Traceback (most recent call last):\n  File\n    x\na.b.OddError: first line\nsecond line [while running 'S']"
    )
    assert failure.reason(RuntimeError(text)) == "OddError: first line second line"
    both = f"{text}\n\nDuring handling of the above exception, another exception occurred:\n\n{text}"
    assert failure.reason(RuntimeError(both)) == "OddError: first line second line"
    assert failure.reason(KeyError("x")) == "KeyError: 'x'"
    assert failure.reason(MemoryError()) == "MemoryError"
    assert failure.reason(KeyboardInterrupt()) == "stopped by hand"
    assert len(failure.reason(ValueError("x" * 10_000))) < 2_000
    refused = RuntimeError(
        "Traceback (most recent call last):\n  x\ncomponents.gates.GateRefusedError: a\n b [while running 'S']"
    )
    assert failure.refusal(refused) == "a\n b"
