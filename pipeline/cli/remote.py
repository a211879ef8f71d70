"""The commands `modelmill remote ...`: what runs, and is scheduled, on a server of KFP or Vertex."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmill.pipeline.cli import servers
from modelmill.pipeline.cli.messages import stop

if TYPE_CHECKING:
    from modelmill.pipeline.runners.kubeflow.clients.client_protocol import Operations, ServerOptions
    from modelmill.pipeline.runners.kubeflow.platform_base import Platform

RUN = Annotated[str, typer.Argument(help="Id of a run: `modelmill remote runs` shows it.")]
SCHEDULE = Annotated[str, typer.Argument(help="Id of a schedule: `modelmill remote schedules` shows it.")]
remote = typer.Typer(no_args_is_help=True, help="Runs and schedules on a server.")


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(remote, name="remote")


@remote.callback()
def server(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="URL of Kubeflow Pipelines; Vertex has its own.")] = None,
    target: Annotated[str, typer.Option(help="kubeflow (open-source KFP v2) or vertex.")] = "kubeflow",
    namespace: Annotated[str | None, typer.Option("-n", "--namespace", help="KFP for many users: yours.")] = None,
    project: Annotated[str | None, typer.Option(help="Vertex: the project.")] = None,
    location: Annotated[str | None, typer.Option(help="Vertex: the region.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="An access token; KFP_TOKEN or VERTEX_TOKEN would do, too.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates by which the server's is checked.")] = None,
    verify_tls: Annotated[bool, typer.Option("--verify-tls/--no-verify-tls", help="Check its certificate.")] = True,
) -> None:
    """Say which server; the options stand before the command: modelmill remote --host URL runs."""
    from modelmill.pipeline.runners.kubeflow.clients.client_protocol import ServerOptions

    platform = servers.platform(target)
    token = servers.token(token_file, platform.TOKEN_VARIABLE)
    options = ServerOptions(host, namespace, project, location, None, token, ca_file, not verify_tls)
    servers.check_options(platform, options)
    context.obj = (platform, options)


@contextlib.contextmanager
def _connected(context: typer.Context) -> Iterator[Operations]:
    """Connect; end the program with 2 where the input is wrong, with 1 where the server refuses."""
    from modelmill.pipeline.runners.kubeflow.errors import DeployError, ServerError

    given: tuple[Platform, ServerOptions] = context.obj
    try:
        yield given[0].connect(given[1])
    except DeployError as error:
        stop(2, str(error))
    except ServerError as error:
        stop(1, str(error))


@remote.command()
def runs(context: typer.Context, count: Annotated[int, typer.Option("-n", min=1, max=1000)] = 20) -> None:
    """List the newest runs: id, state, time, name."""
    with _connected(context) as found:
        for run in found.runs(count):
            typer.echo(f"{run.id}\t{run.state.lower()}\t{run.created}\t{run.name}")


@remote.command()
def status(context: typer.Context, run: RUN) -> None:
    """Show the nodes of a run and how it ended; 0 done or going on, 3 a gate refused, 1 failed."""
    from modelmill.pipeline.runners.kubeflow.submit.submit import report_outcome

    with _connected(context) as found:
        look = found.look(run)
        for node, state in look.nodes.items():
            typer.echo(f"{node}: {state.lower()}")
        if look.outcome is None:
            typer.echo(f"going on: {found.link(run)}")
            return
        raise typer.Exit(report_outcome(look.outcome, found.link(run), typer.echo))


@remote.command()
def logs(context: typer.Context, run: RUN, node: Annotated[str, typer.Argument(help="Such as train.")]) -> None:
    """Print the log of a node, that of its last attempt."""
    from modelmill.data.core import plugins
    from modelmill.pipeline.layout import NODES

    if node not in NODES:
        stop(2, plugins.unknown("node", node, NODES))
    with _connected(context) as found:
        text = next(iter(found.logs(run, node)), None)
        if text is None:
            stop(1, f"{node}: the server gives no log of it; see {found.link(run)}")
        typer.echo(text, nl=False)


@remote.command("stop")
def stop_run(context: typer.Context, run: RUN) -> None:
    """End a run."""
    with _connected(context) as found:
        found.stop(run)
        typer.echo(f"stopped: {found.link(run)}")


@remote.command()
def retry(context: typer.Context, run: RUN) -> None:
    """Run the nodes of a run that failed again."""
    with _connected(context) as found:
        found.retry(run)
        typer.echo(f"retried: {found.link(run)}")


@remote.command()
def archive(context: typer.Context, run: RUN) -> None:
    """Move a run out of the list of runs."""
    with _connected(context) as found:
        found.archive(run)
        typer.echo(f"archived: {found.link(run)}")


@remote.command()
def upload(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `compile` has written.")],
    name: Annotated[str | None, typer.Option(help="Of the pipeline; its own if absent.")] = None,
    version: Annotated[str | None, typer.Option(help="Of the version; pipeline and time if absent.")] = None,
) -> None:
    """Upload a compiled file as a pipeline, or as a new version of it."""
    from modelmill.pipeline.runners.kubeflow.compile import spec_file

    with _connected(context) as found:
        spec = spec_file.read(file)
        pipeline = name or spec["pipelineInfo"]["name"]
        made = found.upload(str(file), pipeline, version or f"{pipeline} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
        typer.echo(f"uploaded: {made.link}")
        root = spec.get("defaultPipelineRoot")
        typer.echo(
            f"note: the server ignores the root {root} of the file; its page fills it in for a new run", err=True
        )


@remote.command()
def schedules(context: typer.Context) -> None:
    """List the schedules: id, state, when, name."""
    with _connected(context) as found:
        for one in found.schedules():
            typer.echo(f"{one.id}\t{'enabled' if one.enabled else 'disabled'}\t{one.when}\t{one.name}")


@remote.command()
def enable(context: typer.Context, schedule: SCHEDULE) -> None:
    """Let a schedule start runs again."""
    with _connected(context) as found:
        found.enable_schedule(schedule, True)
        typer.echo(f"enabled: {found.schedule_link(schedule)}")


@remote.command()
def disable(context: typer.Context, schedule: SCHEDULE) -> None:
    """Keep a schedule from starting runs."""
    with _connected(context) as found:
        found.enable_schedule(schedule, False)
        typer.echo(f"disabled: {found.schedule_link(schedule)}")


@remote.command()
def delete(context: typer.Context, schedule: SCHEDULE) -> None:
    """Delete a schedule; its runs stay."""
    with _connected(context) as found:
        found.delete_schedule(schedule)
        typer.echo(f"deleted: {schedule}")
