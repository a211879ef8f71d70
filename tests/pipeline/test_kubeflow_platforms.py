"""Platforms as plug-ins: one of a user's own is found, listed and held to the base class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from modelmill.data.core import plugins
from modelmill.pipeline.cli import kubeflow
from modelmill.pipeline.runners.kubeflow.errors import DeployError
from modelmill.pipeline.runners.kubeflow.platform_base import look_up, names

IMAGE = "registry.example/modelmill:1"
OWN = '''
"""A platform of one's own."""

from modelmill.pipeline.runners.kubeflow.platform_base import Platform


class Lake(Platform):
    """Takes roots on lake:// only."""

    SUFFIX = ".lake"
    ROOT_SCHEMES = ("lake://",)
    ROOT_REASON = "it has no other store"
    NEVER_CACHED = ("push",)
    OPTIONS = ("host", "project")
    TOKEN_VARIABLE = "LAKE_TOKEN"

    def text(self, job, document):
        return job["pipelineSpec"]["pipelineInfo"]["name"]

    def accelerator(self, node, name):
        return name, {}

    def connect(self, options):
        raise NotImplementedError
'''
app = typer.Typer()
kubeflow.register(app)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A folder of plug-ins with the platform `lake`."""
    folder = tmp_path / "own"
    (folder / "platforms").mkdir(parents=True)
    (folder / "platforms" / "lake.py").write_text(OWN)
    plugins.use(folder)
    yield folder
    plugins.forget(folder)


def call(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_an_own_platform_is_listed_and_decides_for_itself(own: Path) -> None:
    assert {"kubeflow", "lake", "vertex"} <= set(names())
    lake = look_up("lake")
    assert lake.root("lake://b/x/") == "lake://b/x"
    with pytest.raises(DeployError, match="root: found 'gs://b/x'; lake takes lake:// with a bucket: it has no other"):
        lake.root("gs://b/x")
    with pytest.raises(DeployError, match="--root: missing; lake has no default root, give lake://BUCKET/FOLDER"):
        lake.root(None)
    code, said = call("submit", "digits-cnn", "--target", "lake", "--location", "x")
    assert (code, "--location: it is for --target vertex only" in said) == (2, True)
    code, said = call("submit", "digits-cnn", "--host", "http://x", "--project", "x")
    assert (code, "--project: it is for --target lake or vertex only" in said) == (2, True)


def test_an_own_platform_compiles_an_experiment_to_its_own_file(own: Path) -> None:
    from modelmill.pipeline.experiment.experiment import load
    from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

    package = compile_experiment(load("digits-cnn"), look_up("lake"), IMAGE, "lake://b/x")
    assert (package.text(), package.suffix) == ("digits-cnn", ".lake")


def test_what_an_own_platform_lacks_is_named(own: Path) -> None:
    (own / "platforms" / "pond.py").write_text(OWN.replace("    SUFFIX", "    SUFIX").replace("def text", "def txt"))
    code, said = call("submit", "digits-cnn", "--target", "pond")
    assert code == 2
    for missing in ("text is missing", "SUFFIX is missing", "did you mean 'SUFFIX'"):
        assert missing in said


def test_both_platforms_know_an_accelerator_by_one_name() -> None:
    for name in ("nvidia-t4", "nvidia-h100-80gb", "tpu-v5e"):
        assert [look_up(one).accelerator("train", name)[0] for one in names()]
    for one in ("kubeflow", "vertex"):
        with pytest.raises(DeployError, match=r"run.resources.train.accelerator.type: unknown .* allowed: .*tpu-v5e"):
            look_up(one).accelerator("train", "tpu-v6")
