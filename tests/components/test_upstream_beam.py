"""Beam finds the same things anew for each transform; with the patch it keeps them, and they are the same."""

from __future__ import annotations

import argparse
import functools
import inspect
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options import pipeline_options
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import util
from apache_beam.transforms import core, userstate

from modelmill.components.testing.pytest_plugin import BEAM
from modelmill.components.upstream import beam_internals, guard

KINDS = [
    pipeline_options.StandardOptions,
    pipeline_options.TypeOptions,
    pipeline_options.DebugOptions,
    pipeline_options.DirectOptions,
    pipeline_options.WorkerOptions,
]
FLAGS = [*BEAM, "--experiments=one", "--experiments=two", "--unknown=3"]


class Times(beam.DoFn):
    def __init__(self, factor: int) -> None:
        self._factor = factor

    def process(self, element: int, window: Any = beam.DoFn.WindowParam, add: int = 1) -> Any:
        yield element * self._factor + add


class Counts(beam.DoFn):
    """With a state, or, if told so, with another one of its own."""

    SEEN = userstate.CombiningValueStateSpec("seen", sum)
    OTHER = userstate.CombiningValueStateSpec("other", sum)

    def __init__(self, other: bool = False) -> None:
        if other:
            self.process = self.also

    def process(self, element: Any, seen: Any = beam.DoFn.StateParam(SEEN)) -> Any:  # noqa: B008
        yield element, seen

    def also(self, element: Any, other: Any = beam.DoFn.StateParam(OTHER)) -> Any:  # noqa: B008
        yield element, other


def told() -> list[dict[str, Any]]:
    options, found = PipelineOptions(FLAGS), []
    for kind in KINDS * 2:
        view = options.view_as(kind)
        found.append({name: getattr(view, name) for name in view._visible_option_list()})
    return found


def test_options_are_those_of_beam_and_are_shared_by_views_and_by_nothing_else() -> None:
    wanted = told()
    with beam_internals.cached():
        assert told() == wanted == told()
        one, other = PipelineOptions(FLAGS), PipelineOptions(FLAGS)
        one.view_as(pipeline_options.DebugOptions).add_experiment("mine")
        one.view_as(pipeline_options.StandardOptions).streaming = True
        assert "mine" in one.view_as(pipeline_options.DebugOptions).experiments
        assert one.view_as(pipeline_options.StandardOptions).streaming is True
        assert other.view_as(pipeline_options.DebugOptions).experiments == ["one", "two"]
        assert other.view_as(pipeline_options.StandardOptions).streaming is False


@pytest.mark.parametrize(
    "function", [Times(2).process, Times.process, told, functools.partial(max, 1), str.strip, lambda one, two=[3]: one]
)
def test_arguments_are_those_of_beam(function: Any) -> None:
    wanted = core.get_function_args_defaults(function)
    with beam_internals.cached():
        for _ in range(2):
            names, defaults = core.get_function_args_defaults(function)
            assert (names, defaults) == wanted
            names.clear()


def test_states_are_those_of_beam() -> None:
    kinds = [
        Counts(),
        Counts(True),
        Times(2),
        core.CallableWrapperDoFn(told),
        core.CallableWrapperDoFn(Times(2).process),
    ]
    wanted = [userstate.get_dofn_specs(one) for one in kinds]
    assert len({len(states) for states, _ in wanted}) > 1
    with beam_internals.cached():
        for _ in range(2):
            found = [userstate.get_dofn_specs(one) for one in kinds]
            assert found == wanted
            found[0][0].clear()


def test_a_pipeline_does_the_same_and_beam_is_as_before_behind_it() -> None:
    before = PipelineOptions.view_as, core.get_function_args_defaults, userstate.get_dofn_specs
    with beam_internals.cached(), beam.Pipeline(options=PipelineOptions(list(BEAM))) as pipeline:
        made = pipeline | beam.Create([1, 2]) | "Twice" >> beam.ParDo(Times(2)) | "More" >> beam.ParDo(Times(3), add=5)
        util.assert_that(made, util.equal_to([14, 20]))
    assert (PipelineOptions.view_as, core.get_function_args_defaults, userstate.get_dofn_specs) == before


def calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, twice: Any) -> int:
    """How many calls of a function the second of two runs of `twice` makes."""
    counted, original = [0], getattr(owner, name)

    def counting(*args: Any, **kwargs: Any) -> Any:
        counted[0] += 1
        return original(*args, **kwargs)

    twice()
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, counting)
        twice()
    return counted[0]


def test_beam_parses_options_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def view() -> None:
        options.view_as(pipeline_options.StandardOptions)

    options = PipelineOptions(FLAGS)
    assert calls(monkeypatch, argparse.ArgumentParser, "parse_known_args", view) > 0, "Beam keeps them by itself"
    with beam_internals.cached():
        assert calls(monkeypatch, argparse.ArgumentParser, "parse_known_args", view) == 0


@pytest.mark.parametrize(
    "inspected",
    [lambda: core.get_function_args_defaults(Times.process), lambda: userstate.get_dofn_specs(Times(2))],
    ids=["arguments", "states"],
)
def test_beam_inspects_functions_anew(inspected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls(monkeypatch, inspect, "signature", inspected) > 0, "Beam keeps them by itself"
    with beam_internals.cached():
        assert calls(monkeypatch, inspect, "signature", inspected) == 0


def test_an_untested_beam_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "installed", lambda distribution: "2.99.0")
    before = PipelineOptions.view_as
    with beam_internals.cached():
        assert PipelineOptions.view_as is before
