"""Run a compiled package by Kubeflow's own driver and launcher: the part of Argo, and nothing of Kubeflow's."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmill.pipeline.runners.kubeflow.emulator.launcher import order
from tests.kubeflow.real import pod
from tests.kubeflow.real.cluster import Cluster
from tests.kubeflow.real.package import OUTPUTS, Package

LAUNCHER, DRIVER = "/kfp-launcher/launch", "/kfp-driver/driver"
SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
Started = Callable[[str, "subprocess.Popen[Any]"], None]


@dataclass
class Task:
    """What became of a task: the seconds of each attempt (none if it came from the cache), the driver's pod spec."""

    name: str
    seconds: list[float] = field(default_factory=list)
    pod_spec: dict[str, Any] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        """How many pods it had."""
        return len(self.seconds)


class TaskFailedError(RuntimeError):
    """A pod ended with an error, and may not be tried again."""

    def __init__(self, task: str, code: int, log: Path) -> None:
        self.task, self.code, self.log = task, code, log
        super().__init__(f"{task}: exit code {code}\n{log.read_text(errors='replace')[-4000:]}")


class Run:
    """A run of a package.

    Args:
      cluster: where it runs.
      package: what runs.
      started: called with the name of a task and the process of its pod.
      image: environment that the image has besides.
    """

    def __init__(
        self,
        cluster: Cluster,
        package: Package,
        started: Started = lambda *_: None,
        image: dict[str, str] | None = None,
    ) -> None:
        self.cluster, self.package, self.started = cluster, package, started
        self.id = str(uuid.uuid4())
        self.image = {**pod.environment(), **(image or {})}
        self.folder = cluster.folder / "runs" / self.id
        self.tasks: dict[str, Task] = {}

    def start(
        self, parameters: dict[str, Any] | None = None, root: str | None = None, last: str | None = None
    ) -> dict[str, Task]:
        """Run every task, or those up to `last`, one after the other.

        Args:
          parameters: that differ from the package's defaults.
          root: of the artifacts; without one it is the cluster's.
          last: the last task.

        Raises:
          TaskFailedError: one failed, as often as its retry policy allows; those after it are not run.
        """
        config = self.package.runtime_config(parameters or {}, root)
        dag = int(self._drive("root", self.package.root_driver(self.id, config, self.cluster.servers))["execution_id"])
        for name in order(self.package.spec):
            self.tasks[name] = Task(name)
            if "importer" in self.package.executor(name):
                self._import(self.tasks[name], dag)
            else:
                self._execute(self.tasks[name], dag)
            print(f"  {name:<20} {_shown(self.tasks[name])}", flush=True)
            if name == last:
                break
        return self.tasks

    def log(self, task: str, attempt: int = 0) -> Path:
        """Return the log of a task's pod."""
        return self.folder / task / f"log-{attempt}.txt"

    def _drive(self, name: str, words: list[str]) -> dict[str, str]:
        """Run the driver; return what it writes for Argo."""
        folder = self.folder / f"{name}-driver"
        (folder / "outputs").mkdir(parents=True)
        mounts = {self.cluster.driver: DRIVER, folder / "outputs": OUTPUTS}
        code = self._pod([DRIVER, *words], {}, mounts, folder / "log.txt").wait()
        if code:
            raise TaskFailedError(folder.name, code, folder / "log.txt")
        return {path.name: path.read_text() for path in (folder / "outputs").iterdir()}

    def _execute(self, task: Task, dag: int) -> None:
        """Let the driver decide, then run the pod that it describes, again if it fails and may be tried again."""
        said = self._drive(task.name, self.package.container_driver(task.name, self.id, dag, self.cluster.servers))
        if said["cached_decision"] == "true":
            return
        task.pod_spec = json.loads(said["pod_spec_patch"])
        limit = self.package.tasks[task.name].get("retryPolicy", {}).get("maxRetryCount", 0)
        while True:
            attempt = task.attempts
            code = self._attempt(task, {"KFP_RETRY_INDEX": str(attempt)} if limit else {})
            if not code:
                return
            if attempt >= limit:
                raise TaskFailedError(task.name, code, self.log(task.name, attempt))

    def _attempt(self, task: Task, variables: dict[str, str]) -> int:
        """Run one pod of a task; return its exit code."""
        (main,) = task.pod_spec["containers"]
        own = {one["name"]: self._value(one) for one in main.get("env", [])}
        words = [*main["command"], *main.get("args", [])]
        return self._timed(task, words, {**self.image, **variables, **own}, self._mounts(task.pod_spec))

    def _import(self, task: Task, dag: int) -> None:
        """Run an importer: the launcher, without a driver before it."""
        words = [LAUNCHER, *self.package.importer(task.name, self.id, dag, self.cluster.servers)]
        code = self._timed(task, words, {}, {})
        if code:
            raise TaskFailedError(task.name, code, self.log(task.name))

    def _timed(self, task: Task, words: list[str], variables: dict[str, str], mounts: dict[Path, str]) -> int:
        """Run a pod of a task to its end."""
        attempt = task.attempts
        name = f"run-{self.id[:5]}-{task.name}-{attempt}"
        self.cluster.kubernetes.pod(name, attempt)
        variables = {**variables, "KFP_POD_NAME": name, "KFP_POD_UID": str(uuid.uuid4())}
        log = self.log(task.name, attempt)
        log.parent.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        process = self._pod([_expanded(word, variables) for word in words], variables, mounts, log)
        self.started(task.name, process)
        code = process.wait()
        task.seconds.append(time.monotonic() - start)
        return code

    def _pod(
        self, words: list[str], variables: dict[str, str], mounts: dict[Path, str], log: Path
    ) -> subprocess.Popen[Any]:
        """Start a pod, with what Kubernetes and Kubeflow give to every one."""
        given = {self.cluster.launcher: LAUNCHER, self.cluster.kubernetes.service_account: SERVICE_ACCOUNT}
        return pod.start(words, {**pod.environment(), **self.cluster.variables, **variables}, {**given, **mounts}, log)

    def _mounts(self, pod_spec: dict[str, Any]) -> dict[Path, str]:
        """Return the claims' folders by the paths where the pod has them."""
        volumes = {one["name"]: one for one in pod_spec.get("volumes", [])}
        mounts = {}
        for mount in pod_spec["containers"][0].get("volumeMounts", []):
            claim = volumes[mount["name"]].get("persistentVolumeClaim")
            if claim:
                mounts[self.cluster.claim(claim["claimName"]) / mount.get("subPath", "")] = mount["mountPath"]
        return mounts

    def _value(self, variable: dict[str, Any]) -> str:
        """Return the value of an environment variable; it may come from a secret."""
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            return self.cluster.kubernetes.secret_value(reference["name"], reference["key"])
        return str(variable.get("value", ""))


def _expanded(word: str, variables: dict[str, str]) -> str:
    """Return a word of a command with its $(VARIABLE)s, as Kubernetes fills them in."""
    for name, value in variables.items():
        word = word.replace(f"$({name})", value)
    return word


def _shown(task: Task) -> str:
    return " ".join(f"{seconds:6.1f} s" for seconds in task.seconds) or "from the cache"
