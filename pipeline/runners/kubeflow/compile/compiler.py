"""Compile an experiment to the file that a platform takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.types import BaseChannel

from modelmill.components.evaluate import baseline_lookup
from modelmill.components.source_digest import code
from modelmill.components.validate import previous_lookup as statistics
from modelmill.data.core import plugins
from modelmill.data.core.atomic import write_atomically
from modelmill.pipeline import graph
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.layout import NODES
from modelmill.pipeline.runners.kubeflow.compile import images, parameters, spec_patches, validate_spec
from modelmill.pipeline.runners.kubeflow.compile.locations import Located, locate
from modelmill.pipeline.runners.kubeflow.platform_base import Platform

COMMAND = ("python", "-P", "-m", "modelmill.pipeline.runners.kubeflow.container.entrypoint")


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
      platform: for which it is.
      job: the PipelineJob, in protobuf's JSON form.
      document: the Kubernetes document, if there is one.
      notes: what a person should know.
    """

    platform: Platform
    job: dict[str, Any]
    document: dict[str, Any] | None
    notes: tuple[str, ...]

    @property
    def spec(self) -> dict[str, Any]:
        """The PipelineSpec."""
        found: dict[str, Any] = self.job["pipelineSpec"]
        return found

    @property
    def suffix(self) -> str:
        """Of the file."""
        return self.platform.SUFFIX

    def text(self) -> str:
        """Return the content of the file."""
        return self.platform.text(self.job, self.document)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, self.text())


def compile_experiment(
    experiment: Experiment,
    platform: Platform,
    image: str | None,
    root: str | None = None,
    allow_latest: bool = False,
) -> Package:
    """Compile an experiment, patch the result, and check it.

    Raises:
      DeployError: something that was asked for can't be had on the platform.
    """
    image = images.image(image, allow_latest)
    root = platform.root(root or experiment.run.cluster.root)
    located = locate(experiment, platform, root)
    job = _emit(located, image, root)
    spec = job["pipelineSpec"]
    parameters.attach(spec, located.experiment)
    spec_patches.mend(spec, located.experiment, platform, root)
    job["runtimeConfig"] = {"gcsOutputDirectory": root}
    there = [node for node in NODES if node in spec["root"]["dag"]["tasks"]]
    document = platform.document(experiment, there)
    notes = [*located.notes, *platform.notes(experiment)]
    if experiment.plugins is not None:
        notes.append(f"the image must hold the plug-ins of {experiment.plugins}, their place in {plugins.ENV}")
    broken = validate_spec.broken(spec, document, platform)
    assert not broken, f"the compiled pipeline would be refused: {broken}"
    return Package(platform, job, document, tuple(notes))


def _emit(located: Located, image: str, root: str) -> dict[str, Any]:
    """The PipelineJob as TFX emits it."""
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

    experiment = located.experiment

    def baseline(candidate: BaseChannel) -> tfx.dsl.components.BaseNode:
        return baseline_lookup.BaselineLookup(
            candidate=candidate, destination=located.destination, code=code(baseline_lookup.__name__)
        ).with_id(baseline_lookup.NODE)

    def last(candidate: BaseChannel) -> tfx.dsl.components.BaseNode:
        return statistics.StatisticsLookup(
            candidate=candidate, destination=located.destination, code=code(statistics.__name__)
        ).with_id(statistics.NODE)

    places = graph.Places(
        located.data, located.checkpoints, located.destination, baseline, last, history=located.destination
    )
    pipeline = tfx.dsl.Pipeline(
        pipeline_name=experiment.name,
        pipeline_root=root,
        components=graph.chain(experiment, places),
        beam_pipeline_args=list(experiment.run.beam),
        enable_cache=True,
    )
    config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        default_image=image, default_commands=list(COMMAND), use_pipeline_spec_2_1=True
    )
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config)
    job: dict[str, Any] = runner.run(pipeline, write_out=False)
    return job
