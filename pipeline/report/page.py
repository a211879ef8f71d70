"""Makes the page of a run: one HTML file that needs no network.

What is read off artifacts is kept by their places, so that a run in which nothing changed makes its page at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from modelmill.components.upstream import altair_internals
from modelmill.data.core.atomic import write_atomically
from modelmill.pipeline.layout import Folders
from modelmill.pipeline.records import mlmd
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.parts import card, compression, data, lineage, quality, training, verdict

TEMPLATES = Path(__file__).parent / "templates"
# Read off artifacts, which never change, and so kept; the others are quick, and tell of the run itself.
KEPT = {"data": data.make, "training": training.make, "quality": quality.make, "compression": compression.make}
CACHED = 4
MOST_BYTES = 5_000_000


def write(folder: Path, output: Path | None = None, saliency: bool = False) -> Path:
    """Makes the page of the run in `folder`.

    Args:
      folder: ROOT/EXPERIMENT/RUN_ID.
      output: the folder that takes the page; the run's own if absent.
      saliency: also computes what in the shown examples decided; this loads the model.

    Returns:
      The page's path.
    """
    run = mlmd.read(folder)
    parts = _kept(run)
    if saliency:
        from modelmill.pipeline.report.explain.saliency import add

        add(run, parts["quality"])
    parts |= {"verdict": verdict.make(run), "lineage": lineage.make(run), "card": card.make(run)}
    title = f"{run.folders.name} · {run.folder.id}"
    return save(run.folders, "page.html", {"title": title, "run": run, **parts}, (output or folder) / "report.html")


def save(folders: Folders, template: str, content: dict[str, Any], path: Path) -> Path:
    """Renders a template into a file, whole or not at all."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,  # whatever comes from data or file names is text
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sources = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "script.js")}
    made = environment.get_template(template).render(**content, sources=sources, library=_library(folders))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, made)
    return path


def _kept(run: Recorded) -> dict[str, Any]:
    """The parts that are read off artifacts; from the cache if they were made before."""
    path = run.folders.cache / f"{_key(run)}.json"
    if path.is_file():
        os.utime(path)
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    with altair_internals.unchecked():
        made = {name: make(run) for name, make in KEPT.items()}
    text = json.dumps(made)
    _write(path, text)
    for old in sorted(run.folders.cache.glob("*.json"), key=lambda one: -one.stat().st_mtime)[CACHED:]:
        old.unlink()
    return json.loads(text)  # as it will be read the next time


def _key(run: Recorded) -> str:
    """Of all that those parts depend on: the artifacts, the experiment, our own source and the task's."""
    places = {
        f"{node.id}.{key}": [str(one.path) for one in found]
        for node in run.nodes.values()
        for key, found in node.outputs.items()
    }
    digest = hashlib.sha256(json.dumps([places, run.experiment, str(run.folders.experiment)], sort_keys=True).encode())
    for path in [*sorted(Path(__file__).parent.rglob("*.py")), *quality.sources(run)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _library(folders: Folders) -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, as vl-convert bundles them; that takes seconds, so it is kept.

    In the virtual environment, where the package lies; if there is none or it can't be written to, by the experiment.
    """
    name = f"vega-{metadata.version('vl-convert-python')}.js"
    places = [folders.cache / name]
    if sys.prefix != sys.base_prefix:
        places.insert(0, Path(sys.prefix, "share", "modelmill", name))
    for path in places:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    import vl_convert

    script: str = vl_convert.javascript_bundle(vl_version=_vega_lite(vl_convert.get_vegalite_versions()))
    script = script.replace("</script", "<\\/script")
    for path in places:
        with contextlib.suppress(OSError):
            _write(path, script)
            break
    return script


def _vega_lite(known: list[str]) -> str:
    """The version for which Altair writes charts; of those that vl-convert has, the nearest of the same major."""
    import altair

    wanted = altair.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
    return wanted if wanted in known else [one for one in known if one.split(".")[0] == wanted.split(".")[0]][-1]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)
