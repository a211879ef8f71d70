"""Apache Beam: what it finds anew for each of the hundreds of transforms of a node is kept.

It parses the pipeline's options up to seven times a transform, and inspects the signatures of the same few methods, and
all of them for state and timers, each time. On small data that is a quarter of what a node on Beam takes.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

from modelmill.components.upstream import guard

BEAM = guard.Library("apache-beam", "==2.77.*")


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Replace three functions of Beam, within, by ones that keep their results; the results are the same."""
    if not guard.applies(BEAM, "keeping what Beam finds anew for each transform", "nodes on Beam take longer"):
        yield
        return
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms import core, userstate

    before = PipelineOptions.view_as, core.get_function_args_defaults, userstate.get_dofn_specs
    PipelineOptions.view_as = _view_as(before[0])
    core.get_function_args_defaults = _args_defaults(before[1])
    userstate.get_dofn_specs = _dofn_specs(before[2])
    try:
        yield
    finally:
        PipelineOptions.view_as, core.get_function_args_defaults, userstate.get_dofn_specs = before


def _view_as(original: Any) -> Any:
    parsed: dict[Any, Any] = {}

    def view_as(self: Any, cls: Any) -> Any:
        """As Beam's: the options of a class, parsed from the flags, behind those that were set before."""
        key = None if self._flags is None else (cls, tuple(self._flags))
        if key not in parsed:
            view = original(self, cls)
            if key is not None and set(vars(view)) == {"_flags", "_visible_options", "_all_options"}:
                parsed[key] = copy.deepcopy(view._visible_options)
            return view
        view = cls.__new__(cls)
        view.__dict__.update(
            _flags=self._flags, _visible_options=copy.deepcopy(parsed[key]), _all_options=self._all_options
        )
        for name in view._visible_option_list():
            self._all_options.setdefault(name, getattr(view._visible_options, name))
        return view

    return view_as


def _args_defaults(original: Any) -> Any:
    # By function, not by method: a method holds its object, and with it all that a node works on.
    known: WeakKeyDictionary[Any, dict[bool, tuple[list[str], list[Any]]]] = WeakKeyDictionary()

    def get_function_args_defaults(function: Any) -> tuple[list[str], list[Any]]:
        """As Beam's: names and defaults of the arguments."""
        bound = hasattr(function, "__func__")
        try:
            of_function = known.setdefault(function.__func__ if bound else function, {})
        except TypeError:  # what can't be held weakly
            found: tuple[list[str], list[Any]] = original(function)
            return found
        if bound not in of_function:
            of_function[bound] = original(function)
        names, defaults = of_function[bound]
        return list(names), list(defaults)

    return get_function_args_defaults


def _dofn_specs(original: Any) -> Any:
    known: WeakKeyDictionary[type, tuple[set[Any], set[Any]]] = WeakKeyDictionary()

    def get_dofn_specs(dofn: Any) -> tuple[set[Any], set[Any]]:
        """As Beam's: the state and the timers of a DoFn, by its class where it has no methods of its own."""
        if any(isinstance(one, MethodType) for one in vars(dofn).values()):
            found: tuple[set[Any], set[Any]] = original(dofn)
            return found
        if type(dofn) not in known:
            known[type(dofn)] = original(dofn)
        states, timers = known[type(dofn)]
        return set(states), set(timers)

    return get_dofn_specs
