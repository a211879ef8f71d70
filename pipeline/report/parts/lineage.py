"""Where it all came from: the chain, each node's parameters and artifacts, and what a person types to do it again."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Node, Recorded

ROW, TOP = 40, 22
LONG = 2000


def make(run: Recorded) -> dict[str, Any]:
    """The graph, the nodes and the facts."""
    nodes = list(run.nodes.values())
    ran = [node for node in nodes if node.state in ("done", "cached")]
    cached = [node for node in ran if node.state == "cached"]
    says = (
        f"{format.plural(len(ran), 'node')} of {len(nodes)} finished, {len(cached)} of them from the cache, "
        f"in {format.duration(run.summary.get('seconds'))}."
    )
    return {"says": says, "graph": _graph(nodes), "nodes": [_node(node) for node in nodes], "facts": _facts(run)}


def _graph(nodes: list[Node]) -> dict[str, Any]:
    """Nodes one below the other, and an arc from each maker to each user of an artifact."""
    place = {node.id: number for number, node in enumerate(nodes)}
    edges = sorted(
        {
            (place[artifact.made_by], place[node.id])
            for node in nodes
            for found in node.inputs.values()
            for artifact in found
            if artifact.made_by in place and place[artifact.made_by] < place[node.id]
        }
    )
    arcs = []
    for start, end in edges:
        reach = 14 + 11 * (end - start - 1)
        upper, lower = TOP + start * ROW, TOP + end * ROW
        straight = end == start + 1
        curve = (
            f"M0 {upper + 7}V{lower - 7}" if straight else f"M-6 {upper}C{-reach} {upper} {-reach} {lower} -6 {lower}"
        )
        arcs.append({"path": curve, "from": nodes[start].id, "to": nodes[end].id})
    widest = max((14 + 11 * (end - start - 1) for start, end in edges), default=20)
    rows = [
        {"id": node.id, "y": TOP + number * ROW, "state": node.state, "time": _time(node)}
        for number, node in enumerate(nodes)
    ]
    told = "; ".join(f"{nodes[start].id} to {nodes[end].id}" for start, end in edges)
    return {"rows": rows, "arcs": arcs, "left": widest, "height": TOP * 2 + ROW * max(0, len(nodes) - 1), "alt": told}


def _time(node: Node) -> str:
    if node.state == "cached" and node.made_in is not None:
        return f"cached; took {format.duration(node.made_in)} when it was made"
    return {"done": format.duration(node.seconds), "failed": f"failed after {format.duration(node.seconds)}"}.get(
        node.state, node.state
    )


def _node(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "state": node.state,
        "time": _time(node),
        "parameters": [[key, _readable(value)] for key, value in sorted(node.parameters.items())],
        "inputs": [[key, one.made_by or "–", str(one.path)] for key, found in node.inputs.items() for one in found],
        "outputs": [[key, one.type or "–", str(one.path)] for key, found in node.outputs.items() for one in found],
    }


def _readable(value: Any) -> str:
    """JSON in a parameter is spread out; very long ones are cut."""
    text = str(value)
    if text[:1] in "{[":
        with contextlib.suppress(ValueError):  # no JSON after all: shown as it is
            text = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    return text if len(text) <= LONG else f"{text[:LONG]} … ({len(text):,} characters)"


def _facts(run: Recorded) -> list[list[str]]:
    origin = run.origin
    examples = run.artifact("ingest", "examples")
    fingerprint = examples.properties.get("input_fingerprint") if examples else None
    commit = origin.get("commit")
    rows: list[tuple[str, Any]] = [
        ("command", origin.get("command")),
        ("run", run.folder.id),
        ("seed", run.setting("run", "seed")),
        ("commit", f"{commit}{' with changes' if origin.get('changed') else ''}" if commit else None),
        ("data", run.setting("data", "path") or f"sample {run.setting('data', 'sample')}"),
        ("data fingerprint", fingerprint),
        ("versions", ", ".join(f"{name} {version}" for name, version in origin.get("versions", {}).items())),
        ("machine", origin.get("machine")),
        ("folder", str(run.folder.path)),
    ]
    return [[name, str(value)] for name, value in rows if value not in (None, "")]
