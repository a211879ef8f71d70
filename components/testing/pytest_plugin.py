"""A pytest plugin: runs one TFX component on small artifacts, without a pipeline and without a metadata store.

    def test_statistics(run_node):
        examples = run_node.examples(train=[{"x": 1.0}, {"x": 3.0}])
        outputs = run_node(StatisticsGen(examples=run_node.channel(examples)))
        (statistics,) = outputs["statistics"]
        assert (Path(statistics.uri) / "Split-train" / "FeatureStats.pb").exists()

It takes any component (stock, from a decorated function, of a class, on Beam) and does what TFX's launcher does: it
resolves the execution properties, runs a custom driver (ExampleGen has one), makes the output folders, and lets TFX's
own operators make the executor and call it, in this process; Beam uses its in-process runner.

pytest finds the plug-in by itself where modelmill is installed. For artifacts that live longer than one test make a
`NodeRunner(folder)` in a fixture of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelmill.components.beam_runners import LOCAL_BEAM as BEAM
from modelmill.components.testing.node_runner import NodeRunner, example_proto
from modelmill.data.core import plugins

__all__ = ["BEAM", "NodeRunner", "example_proto", "plug_ins", "run_node"]


@pytest.fixture
def plug_ins() -> Iterator[Callable[[Path], None]]:
    """Adds a folder of own plug-ins for the time of a test: `plug_ins(folder)`; see docs/extending.md."""
    used: list[Path] = []

    def use(folder: Path) -> None:
        plugins.use(folder)
        used.append(folder)

    yield use
    for folder in used:
        plugins.forget(folder)


@pytest.fixture
def run_node(tmp_path: Path) -> NodeRunner:
    """Runs components in the test's temporary folder; see NodeRunner."""
    return NodeRunner(tmp_path / "nodes")
