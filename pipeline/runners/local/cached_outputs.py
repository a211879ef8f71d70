"""Find damaged outputs before TFX takes them from its cache: it asks only whether an artifact's folder is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from modelmill.components import artifacts, integrity
from modelmill.pipeline.records.node_outcome import Output

# Of a node's executions so many are read: the cache takes the newest of equal ones, and all of them may be gigabytes.
NEWEST = 5


def damaged(outputs: Iterable[Output]) -> dict[Path, str]:
    """Return the folders of outputs that are not what their manifest says, each with what is wrong.

    An output with a manifest is a bundle, or the copy of a bundle that was pushed: then the version is compared, too.
    """
    found = {}
    for output in outputs:
        folder = Path(output.uri)
        if (folder / integrity.MANIFEST).is_file():
            lines = _lines(output)
            if lines:
                found[folder] = integrity.summary(lines)
    return found


def _lines(output: Output) -> list[str]:
    """Return a line for each damaged file of an output, and of the version that was pushed from it."""
    content = Path(output.uri, integrity.MANIFEST).read_bytes()
    recorded = output.properties.get(artifacts.MANIFEST_DIGEST)
    if recorded and recorded != hashlib.sha256(content).hexdigest():
        return [f"{integrity.MANIFEST}: not the one that the load check has written"]
    try:
        digests = integrity.parse(content, output.uri)
    except integrity.DamagedError as error:
        return [str(error)]
    lines = integrity.damages(output.uri, digests)
    version = Path(output.properties.get("pushed_destination") or output.uri)
    if version.is_dir() and str(version) != output.uri:
        lines += integrity.damages(str(version), digests)
        copy = version / integrity.MANIFEST
        if not copy.is_file() or copy.read_bytes() != content:
            lines.append(f"{integrity.MANIFEST} in {version}: not the one that was pushed")
    return lines
