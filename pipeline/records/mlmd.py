"""What is on record of a run: its folder, ML Metadata and the artifacts. Loads neither TensorFlow nor TFX.

An earlier run reads like the one that has just ended. Roots may have been moved: artifacts are looked for under the
root that is given, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from modelmill.data.core import plugins
from modelmill.pipeline.experiment import renamed_keys
from modelmill.pipeline.layout import NODES, Folders, RunFolder
from modelmill.pipeline.records import summary_record

SECOND = 1000  # ML Metadata's times are milliseconds


@dataclass(frozen=True)
class Artifact:
    """An artifact of a run; `path` is where it lies now, `made_by` the id of the node that made it."""

    id: int
    type: str
    path: Path
    properties: dict[str, Any] = field(default_factory=dict)
    made_by: str = ""


@dataclass
class Node:
    """A node in a run. `seconds` it took in this run; `made_in` when its outputs were made, if they are cached."""

    id: str
    state: str = "waiting"
    seconds: float | None = None
    made_in: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, list[Artifact]] = field(default_factory=dict)
    outputs: dict[str, list[Artifact]] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """A run.

    Attributes:
      folders: of its experiment.
      folder: its own.
      experiment: as it was run, with all defaults; not validated, it may be of an older version.
      summary: summary.json; a run that never came to its end has the status "unfinished" and nothing else.
      origin: run.json: command, versions, commit; empty for runs of older versions.
      nodes: in the order of the chain.
    """

    folders: Folders
    folder: RunFolder
    experiment: dict[str, Any]
    summary: dict[str, Any]
    origin: dict[str, Any]
    nodes: dict[str, Node]

    def artifact(self, node: str, key: str) -> Artifact | None:
        """An output artifact whose folder is there."""
        found = self.nodes[node].outputs.get(key, []) if node in self.nodes else []
        return found[0] if found and found[0].path.is_dir() else None

    def path(self, node: str, key: str, *file: str) -> Path | None:
        """A file, or the folder, of an output artifact, if it is there."""
        artifact = self.artifact(node, key)
        path = artifact.path.joinpath(*file) if artifact else None
        return path if path and path.exists() else None

    def json(self, node: str, key: str, file: str) -> Any:
        """The content of a JSON file of an output artifact; None if there is none."""
        return _json(self.path(node, key, file))

    def setting(self, *keys: str) -> Any:
        """A value of the experiment; None if there is none."""
        found: Any = self.experiment
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found


def read(folder: Path) -> Recorded:
    """Reads the folder of a run: ROOT/EXPERIMENT/RUN_ID. Plug-ins of its experiment are found from then on."""
    folder = folder.absolute()
    use_plug_ins(folder)  # without them there is less to show; the command line says so
    folders = Folders(folder.parent.parent, folder.parent.name)
    run = RunFolder(folder)
    summary: dict[str, Any] = {"status": "unfinished"}
    if run.summary.is_file():
        summary = summary_record.read(run.summary).plain()
    nodes = _nodes(folders, run.id) or _linked(run.links)
    for told in summary.get("nodes", []):
        node = nodes.setdefault(told["id"], Node(told["id"]))
        node.state, node.seconds = told["state"], told["seconds"]
    order = [*NODES, *nodes]
    return Recorded(
        folders,
        run,
        _experiment(run.copy) if run.copy.is_file() else {},
        summary,
        _json(run.origin) or {},
        {name: nodes[name] for name in sorted(nodes, key=order.index)},
    )


def use_plug_ins(folder: Path) -> str:
    """Add the plug-ins of the experiment of a run, in ROOT/EXPERIMENT/RUN_ID, to those that this process finds.

    Returns:
      Why they can't be used, such as that their folder is gone; "" if they can, or there are none.
    """
    path = RunFolder(folder).copy
    found = _yaml(path) if path.is_file() else None
    own = found.get("plugins") if isinstance(found, dict) else None
    try:
        if isinstance(own, str):
            plugins.use(Path(own))
    except plugins.PlugInError as error:
        return f"{path}: {error}"
    return ""


def _yaml(path: Path) -> Any:
    """Return the content of a YAML file. Raises ValueError: it is none."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: no YAML ({error})") from error


def _experiment(path: Path) -> dict[str, Any]:
    """Return the experiment of a run, which may be of an older release, with the keys of today."""
    found = _yaml(path)
    try:
        return renamed_keys.accept(found)[0]
    except plugins.PlugInError:  # its plug-ins are elsewhere, or are no longer what they were
        return dict(found)


def places(folders: Folders, run_ids: Iterable[str]) -> set[Path]:
    """Where all artifacts lie that nodes took or gave in these runs, those from the cache and from earlier runs too.

    A run that never came to its first node has none.
    """
    if not folders.metadata.is_file():
        return set()
    store, executions = _store(folders), []
    for run_id in run_ids:
        context = store.get_context_by_type_and_name("pipeline_run", run_id)
        executions += [one.id for one in store.get_executions_by_context(context.id)] if context else []
    events = store.get_events_by_execution_ids(executions) if executions else []
    found = store.get_artifacts_by_id(sorted({event.artifact_id for event in events})) if events else []
    return {_artifact(one, folders).path for one in found if one.uri}


def _json(path: Path | None) -> Any:
    """Content of a file, None without one. Raises ValueError: it is no JSON."""
    if not path or not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: no JSON ({error})") from error


def _store(folders: Folders) -> Any:
    """The metadata store, opened for reading."""
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2 as proto

    connection = proto.ConnectionConfig()
    connection.sqlite.filename_uri = str(folders.metadata)
    connection.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(connection)


def _nodes(folders: Folders, run_id: str) -> dict[str, Node]:
    """The nodes of a run from ML Metadata; none if the run is not there."""
    if not folders.metadata.is_file():
        return {}
    from ml_metadata.proto import metadata_store_pb2 as proto

    store = _store(folders)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    executions = store.get_executions_by_context(context.id) if context else []
    events = store.get_events_by_execution_ids([one.id for one in executions]) if executions else []
    ids = sorted({event.artifact_id for event in events})
    makers = _Makers(store, ids, {one.id: one for one in executions})
    artifacts = {one.id: _artifact(one, folders, makers.name(one.id)) for one in store.get_artifacts_by_id(ids)}
    nodes: dict[str, Node] = {}
    for execution in sorted(executions, key=lambda one: one.id):
        node = Node(makers.node(execution), proto.Execution.State.Name(execution.last_known_state).lower())
        node.state = "done" if node.state == "complete" else node.state
        node.seconds = _seconds(execution)
        node.parameters = _values(execution.custom_properties)
        for event in events:
            if event.execution_id == execution.id and event.artifact_id in artifacts:
                given = event.type in (proto.Event.INPUT, proto.Event.DECLARED_INPUT)
                key = next((step.key for step in event.path.steps if step.HasField("key")), "")
                (node.inputs if given else node.outputs).setdefault(key, []).append(artifacts[event.artifact_id])
        if node.state == "cached":
            node.made_in = makers.seconds(one.id for found in node.outputs.values() for one in found)
        nodes[node.id] = node
    return nodes


class _Makers:
    """Which execution made each artifact: the first that had it among its outputs."""

    def __init__(self, store: Any, ids: list[int], known: dict[int, Any]) -> None:
        from ml_metadata.proto import metadata_store_pb2 as proto

        self._store = store
        self._names: dict[int, str] = {}
        events = store.get_events_by_artifact_ids(ids) if ids else []
        made = (proto.Event.OUTPUT, proto.Event.DECLARED_OUTPUT)
        first: dict[int, int] = {}
        for event in events:
            if event.type in made:
                first[event.artifact_id] = min(event.execution_id, first.get(event.artifact_id, event.execution_id))
        self._first = first
        missing = sorted(set(first.values()) - set(known))
        self._known = known | {one.id: one for one in (store.get_executions_by_id(missing) if missing else [])}

    def name(self, artifact: int) -> str:
        """Id of the node that made it."""
        execution = self._known.get(self._first.get(artifact, -1))
        return self.node(execution) if execution else ""

    def node(self, execution: Any) -> str:
        """Id of the node of an execution: its context is called PIPELINE.NODE."""
        if execution.id not in self._names:
            contexts = self._store.get_contexts_by_execution(execution.id)
            names = [one.name.rpartition(".")[2] for one in contexts if one.type == "node"]
            self._names[execution.id] = names[0] if names else execution.type
        return self._names[execution.id]

    def seconds(self, artifacts: Iterable[int]) -> float | None:
        """How long it took when the artifacts were made."""
        found = [self._known[self._first[one]] for one in artifacts if one in self._first]
        return _seconds(found[0]) if found else None


def _seconds(execution: Any) -> float:
    return (execution.last_update_time_since_epoch - execution.create_time_since_epoch) / SECOND


def _artifact(found: Any, folders: Folders, made_by: str = "") -> Artifact:
    path = Path(found.uri)
    if not path.exists() and "/artifacts/" in found.uri:
        path = folders.artifacts / found.uri.rpartition("/artifacts/")[2]
    values = _values(found.properties) | _values(found.custom_properties)
    return Artifact(found.id, found.type, path, values, made_by)


def _values(properties: Any) -> dict[str, Any]:
    return {
        key: getattr(value, kind)
        for key, value in properties.items()
        if (kind := value.WhichOneof("value")) is not None
    }


def _linked(links: Path) -> dict[str, Node]:
    """The outputs that the run's folder links to: all there is without a metadata store."""
    nodes: dict[str, Node] = {}
    for link in sorted(links.glob("*/*")):
        node = nodes.setdefault(link.parent.name, Node(link.parent.name, "done"))
        node.outputs[link.name] = [Artifact(0, "", link.resolve(), made_by=node.id)]
    return nodes
