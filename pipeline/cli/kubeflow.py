"""The commands for clusters: compile, submit, run-node."""

from __future__ import annotations

import json
import os
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelmill.pipeline.cli import servers
from modelmill.pipeline.cli.messages import stop

if TYPE_CHECKING:
    from modelmill.pipeline.runners.kubeflow.platform_base import Platform

EXPERIMENT = Annotated[str, typer.Argument(help="A shipped experiment's name, or the path of a YAML file.")]
SET = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as train.epochs=5; repeatable.")
]
TARGET = Annotated[str, typer.Option(help="kubeflow (open-source KFP v2) or vertex.")]
IMAGE = Annotated[str | None, typer.Option(help="Image that holds modelmill, with a tag or a digest.")]
ROOT = Annotated[str | None, typer.Option(help="Of all artifacts: gs://, minio:// or s3://.")]
LATEST = Annotated[bool, typer.Option("--allow-latest", help="Take an image that may change by itself.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command("compile")(compile_command)
    app.command("submit")(submit_command)
    app.command("run-node")(run_node)


def compile_command(
    experiment: EXPERIMENT,
    target: TARGET = "kubeflow",
    image: IMAGE = None,
    root: ROOT = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="EXPERIMENT.yaml (vertex: .json).")] = None,
    overrides: SET = None,
    allow_latest: LATEST = False,
) -> None:
    """Compile an experiment for Kubeflow Pipelines v2 or Vertex AI Pipelines."""
    platform = servers.platform(target)
    package = _compiled(experiment, overrides, platform, image, root, allow_latest)
    path = output or Path(f"{package.spec['pipelineInfo']['name']}{package.suffix}")
    if path.suffix != package.suffix:
        stop(2, f"--output: found {path}; {target} needs a file that ends in {package.suffix}")
    package.write(path)
    for note in package.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(path)


def submit_command(
    experiment: Annotated[str, typer.Argument(help="An experiment, or a file that `compile` has written.")],
    host: Annotated[str | None, typer.Option(help="URL of Kubeflow Pipelines; Vertex has its own.")] = None,
    target: TARGET = "kubeflow",
    image: IMAGE = None,
    root: ROOT = None,
    namespace: Annotated[str | None, typer.Option("-n", "--namespace", help="KFP for many users: yours.")] = None,
    project: Annotated[str | None, typer.Option(help="Vertex: the project.")] = None,
    location: Annotated[str | None, typer.Option(help="Vertex: the region.")] = None,
    service_account: Annotated[str | None, typer.Option(help="As whom the nodes run.")] = None,
    experiment_name: Annotated[
        str | None, typer.Option("--experiment", help="Where KFP shows the run; a label on Vertex.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="Repeatable.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended.")] = False,
    schedule: Annotated[str | None, typer.Option(metavar="CRON", help="Run it again and again.")] = None,
    every: Annotated[int | None, typer.Option(metavar="SECONDS", help="Run it again and again.")] = None,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="Of a schedule, such as 2027-01-31T06:00Z.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="Of a schedule.")] = None,
    concurrency: Annotated[int, typer.Option(help="How many runs of a schedule may go on at once.")] = 1,
    catch_up: Annotated[bool, typer.Option("--catch-up", help="Start runs later that a schedule missed.")] = False,
    latest_of: Annotated[
        str | None, typer.Option(metavar="PIPELINE", help="Schedule the latest version of an uploaded pipeline.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="An access token; KFP_TOKEN or VERTEX_TOKEN would do, too.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates by which the server's is checked.")] = None,
    verify_tls: Annotated[bool, typer.Option("--verify-tls/--no-verify-tls", help="Check its certificate.")] = True,
    overrides: SET = None,
    allow_latest: LATEST = False,
) -> None:
    """Submit to KFP v2 or to Vertex: 0 submitted (with --wait: pushed), 3 a gate refused, 2 bad input, 1 failure."""
    from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Schedule, ServerOptions
    from modelmill.pipeline.runners.kubeflow.errors import DeployError, ServerError
    from modelmill.pipeline.runners.kubeflow.submit.submit import Submission, submit

    platform = servers.platform(target)
    token = servers.token(token_file, platform.TOKEN_VARIABLE)
    options = ServerOptions(host, namespace, project, location, service_account, token, ca_file, not verify_tls)
    servers.check_options(platform, options)
    with tempfile.TemporaryDirectory(prefix="modelmill-") as folder:
        path = Path(experiment)
        if _is_compiled(path):
            _compile_only({"--set": overrides, "--image": image, "--allow-latest": allow_latest})
        else:
            package = _compiled(experiment, overrides, platform, image, root, allow_latest)
            path = Path(folder, f"pipeline{package.suffix}")
            package.write(path)
            for note in package.notes:
                typer.echo(f"note: {note}", err=True)
        when = Schedule(schedule, every, start, end, concurrency, catch_up) if schedule or every is not None else None
        given = Submission(path, platform, experiment_name, tuple(param or ()), when, latest_of, wait=wait, root=root)
        try:
            code = submit(given, partial(platform.connect, options), typer.echo)
        except DeployError as error:
            stop(2, str(error))
        except ServerError as error:
            stop(1, str(error))
    raise typer.Exit(code)


def run_node(
    file: Annotated[Path, typer.Argument(help="A file that `compile` has written.")],
    task: Annotated[str, typer.Option(help="The node.")],
    executor_input: Annotated[str, typer.Option(help="The task's ExecutorInput as JSON, or @FILE.")],
    mounts: Annotated[
        Path, typer.Option(help="Folder with gcs/, minio/ and s3/, as the launcher has them in /.")
    ] = Path("/"),
) -> None:
    """Run one node's container command on this machine, with the ExecutorInput of a failed task."""
    from modelmill.data.core import plugins
    from modelmill.pipeline.runners.kubeflow.compile import spec_file
    from modelmill.pipeline.runners.kubeflow.emulator import container_command
    from modelmill.pipeline.runners.kubeflow.errors import DeployError
    from modelmill.pipeline.runners.kubeflow.mounts import ENV, MOUNTS

    try:
        spec = spec_file.read(file)
    except DeployError as error:
        stop(2, str(error))
    if task not in spec["components"]:
        stop(2, f"--task: {plugins.unknown('task', task, spec['components'])}")
    container = spec_file.container(spec, task)
    content = _json(executor_input)
    answer = content["outputs"]["outputFile"]
    if answer.startswith(tuple(MOUNTS.values())):  # since KFP 2.15 it lies beside the outputs, not in /tmp
        answer = f"{mounts.absolute()}{answer}"
    os.makedirs(os.path.dirname(answer) or ".", exist_ok=True)
    variables = {**os.environ, "PATH": f"{container_command.environment(Path())['PATH']}:{os.environ.get('PATH', '')}"}
    variables[ENV] = str(mounts.absolute())
    container_command.execute(task, [*container["command"], *container["args"]], content, variables, None)


def _compiled(
    experiment: str,
    overrides: list[str] | None,
    platform: Platform,
    image: str | None,
    root: str | None,
    allow_latest: bool,
) -> Any:
    """The package; what is wrong ends the program with 2."""
    from modelmill.pipeline.experiment.experiment import ExperimentError, load
    from modelmill.pipeline.runners.kubeflow.compile import images
    from modelmill.pipeline.runners.kubeflow.errors import DeployError

    try:
        loaded = load(experiment, overrides)
        # Before TensorFlow is imported: these are told within a second.
        images.image(image, allow_latest)
        platform.root(root or loaded.run.cluster.root)
        from modelmill.pipeline.runners.kubeflow.compile.compiler import compile_experiment

        return compile_experiment(loaded, platform, image, root, allow_latest)
    except (ExperimentError, DeployError) as error:
        stop(2, str(error))


def _compile_only(given: dict[str, Any]) -> None:
    """End the program with 2 where an option of the compiler is given for a file that is compiled already."""
    for name, value in given.items():
        if value:
            stop(2, f"{name}: the file is compiled already; leave it out, or give the experiment instead of the file")


def _is_compiled(path: Path) -> bool:
    if not path.is_file() or path.suffix not in (".yaml", ".yml", ".json"):
        return False
    return re.search(r'deploymentSpec"?:', path.read_text(encoding="utf-8", errors="replace")) is not None


def _json(given: str) -> dict[str, Any]:
    try:
        text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
        content = json.loads(text)
        if not isinstance(content, dict) or "outputFile" not in content.get("outputs", {}):
            raise ValueError("there is no outputs.outputFile in it")
    except (OSError, ValueError) as error:
        stop(2, f"--executor-input: {error}; give the ExecutorInput of the task as JSON, or @FILE")
    return content
