"""Runs, schedules and uploaded pipelines on a KFP server: list, stop, retry, archive, upload, disable, delete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelmill.pipeline.runners.kubeflow.clients import kfp_pods
from modelmill.pipeline.runners.kubeflow.clients.client_protocol import RunLine, ScheduleLine, Uploaded
from modelmill.pipeline.runners.kubeflow.clients.kfp_client import KfpServer, quiet

PAGE = 100


class KfpOperations(KfpServer):
    """A server of KFP, with what can be done about what runs there. Errors are those of KfpServer."""

    def runs(self, count: int) -> list[RunLine]:
        """Return the newest runs."""
        with self.told("listing the runs"), quiet():
            found = self.client.list_runs(
                page_size=min(count, PAGE), sort_by="created_at desc", namespace=self.connection.namespace
            )
        return [_run_line(run) for run in (found.runs or [])[:count]]

    def logs(self, run_id: str, node: str) -> Iterator[str]:
        """Yield the logs of a node's pods, the last attempt first."""
        with self.told(f"asking for run {run_id}"):
            run = self.client.get_run(run_id)
        yield from kfp_pods.logs(run, node, self.connection.namespace, self.get)

    def stop(self, run_id: str) -> None:
        """End a run."""
        with self.told(f"stopping run {run_id}"), quiet():
            self.client.terminate_run(run_id)

    def retry(self, run_id: str) -> None:
        """Run the nodes of a run that failed again; kfp's client has no method for it."""
        import kfp_server_api

        with self.told(f"retrying run {run_id}"):
            kfp_server_api.RunServiceApi(self.api_client()).run_service_retry_run(run_id)

    def archive(self, run_id: str) -> None:
        """Move a run out of the list of runs."""
        with self.told(f"archiving run {run_id}"), quiet():
            self.client.archive_run(run_id)

    def upload(self, package: str, name: str, version: str) -> Uploaded:
        """Upload a compiled file: as a pipeline if there is none of the name, and as a version of it."""
        with self.told(f"uploading the pipeline {name}"), quiet():
            pipeline_id = self.pipeline_id(name)
            if pipeline_id is None:
                made = self.client.upload_pipeline(package, name, namespace=self.connection.namespace)
                pipeline_id = str(made.pipeline_id)
            found = self.client.upload_pipeline_version(package, version, pipeline_id=pipeline_id)
        version_id = str(found.pipeline_version_id)
        return Uploaded(pipeline_id, version_id, f"{self.host}/#/pipelines/details/{pipeline_id}/version/{version_id}")

    def schedules(self) -> list[ScheduleLine]:
        """Return all recurring runs."""
        found: list[ScheduleLine] = []
        token = ""
        while True:
            with self.told("listing the schedules"), quiet():
                page = self.client.list_recurring_runs(
                    page_token=token, page_size=PAGE, namespace=self.connection.namespace
                )
            found += [_schedule_line(one) for one in page.recurring_runs or []]
            token = page.next_page_token or ""
            if not token:
                return found

    def enable_schedule(self, schedule_id: str, enabled: bool) -> None:
        """Let a schedule start runs, or keep it from that."""
        with self.told(f"changing schedule {schedule_id}"), quiet():
            change = self.client.enable_recurring_run if enabled else self.client.disable_recurring_run
            change(schedule_id)

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; its runs stay."""
        with self.told(f"deleting schedule {schedule_id}"), quiet():
            self.client.delete_recurring_run(schedule_id)


def _run_line(run: Any) -> RunLine:
    created = f"{run.created_at:%Y-%m-%d %H:%M:%S}" if run.created_at else ""
    return RunLine(str(run.run_id), str(run.display_name or ""), str(run.state or "PENDING"), created)


def _schedule_line(one: Any) -> ScheduleLine:
    trigger = one.trigger
    when = "?"
    if trigger and trigger.cron_schedule:
        when = str(trigger.cron_schedule.cron)
    elif trigger and trigger.periodic_schedule:
        when = f"every {trigger.periodic_schedule.interval_second} s"
    enabled = str(one.status or one.mode).upper() in ("ENABLED", "ENABLE")
    return ScheduleLine(str(one.recurring_run_id), str(one.display_name or ""), when, enabled)
