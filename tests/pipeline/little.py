"""A little pipeline of our own nodes, for the runner: real launcher, real metadata, nothing else heavy.

The sample experiment's `run.seed` is handed to the second node, and files in the root say what it is to do.
"""

import os
import signal
import time
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import standard_artifacts

from modelmill.components.evaluate.baseline_resolver import baseline_resolver
from modelmill.components.gates import GateRefusedError
from modelmill.data.core import progress
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.layout import Folders

MISBEHAVE = "misbehave"


@tfx.dsl.components.component
def first(model: tfx.dsl.components.OutputArtifact[standard_artifacts.Model]) -> None:
    """Writes a file, and to every stream there is."""
    print("python says hello")
    os.system("echo a child says hello")
    progress.note("the first node was here")
    Path(model.uri).mkdir(parents=True, exist_ok=True)
    Path(model.uri, "one.txt").write_text("1")


@tfx.dsl.components.component
def second(
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    out: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
    seed: tfx.dsl.components.Parameter[int],
    root: tfx.dsl.components.Parameter[str],
) -> None:
    """Copies the file, unless it is told to fail, to be refused or to be stopped."""
    flag = Path(root, MISBEHAVE)
    word = flag.read_text() if flag.exists() else ""
    for step in range(1, 21):
        progress.bar("steps", step, 20, f"loss {1 / step:.2f}")
        time.sleep(0.2 if word == "slow" else 0)
    if word == "fail":
        raise ValueError(f"seed {seed} does not grow [while running 'Beam/Step']") from KeyError("cause")
    if word == "refuse":
        progress.emit("gate", gate="data", metric="anomaly", slice="train/label", passed=False, reason="odd label")
        raise GateRefusedError("the data does not fit")
    if word == "interrupt":
        raise KeyboardInterrupt
    if word == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    Path(out.uri).mkdir(parents=True, exist_ok=True)
    Path(out.uri, "two.txt").write_text(Path(model.uri, "one.txt").read_text())


@tfx.dsl.components.component
def third(
    model: tfx.dsl.components.InputArtifact[standard_artifacts.Model],
    destination: tfx.dsl.components.Parameter[str],
    pushed_model: tfx.dsl.components.OutputArtifact[standard_artifacts.PushedModel],
) -> None:
    """Pushes, as the last node of the real chain does."""
    folder = Path(destination, "1")
    folder.mkdir(parents=True, exist_ok=True)
    Path(folder, "two.txt").write_text(Path(model.uri, "two.txt").read_text())
    Path(pushed_model.uri).mkdir(parents=True, exist_ok=True)
    pushed_model.set_int_custom_property("pushed", 1)
    pushed_model.set_string_custom_property("pushed_destination", str(folder))
    pushed_model.set_string_custom_property("pushed_version", "1")


@tfx.dsl.components.component
def broken_report(report: tfx.dsl.components.OutputArtifact[standard_artifacts.Model]) -> None:
    """Half a file where the summary looks for trials."""
    Path(report.uri).mkdir(parents=True, exist_ok=True)
    Path(report.uri, "trials.json").write_text('{"trials": [')


def build(experiment: Experiment, folders: Folders) -> tfx.dsl.Pipeline:
    """Four nodes, under the names of nodes of the chain."""
    one = first().with_id("ingest")
    two = second(model=one.outputs["model"], seed=experiment.run.seed, root=str(folders.experiment))
    two.with_id("train")
    latest = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy, model=two.outputs["out"]
    ).with_id("baseline")
    three = third(model=latest.outputs["model"], destination=str(folders.pushed)).with_id("push")
    return pipeline(experiment, folders, [one, two, latest, three])


def build_without_input(experiment: Experiment, folders: Folders) -> tfx.dsl.Pipeline:
    """A node whose input nobody has ever made."""
    nothing = baseline_resolver(tfx.dsl.Channel(type=standard_artifacts.Model))
    push = third(model=nothing.outputs["model"], destination=str(folders.pushed)).with_id("push")
    return pipeline(experiment, folders, [nothing, push])


def pipeline(experiment: Experiment, folders: Folders, components: list) -> tfx.dsl.Pipeline:
    """With the places of a real one."""
    return tfx.dsl.Pipeline(
        pipeline_name=experiment.name,
        pipeline_root=str(folders.artifacts),
        components=components,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folders.metadata)),
        enable_cache=True,
    )


def misbehave(folders: Folders, word: str) -> None:
    """Tells the second node what to do from now on."""
    folders.experiment.mkdir(parents=True, exist_ok=True)
    Path(folders.experiment, MISBEHAVE).write_text(word)
