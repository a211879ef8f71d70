"""Write the TFDV schema of an experiment's data: the nodes up to the schema are run, and what they infer is copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelmill.components.models import family
from modelmill.data import modality
from modelmill.data.core import plugins
from modelmill.data.core.atomic import write_atomically
from modelmill.pipeline.experiment import experiment
from modelmill.pipeline.experiment.experiment import SHIPPED, Experiment
from modelmill.pipeline.experiment.yaml_tree import override
from modelmill.pipeline.layout import Folders
from modelmill.pipeline.runners.local.run import Request, run

SCHEMA_FILE = "schema.pbtxt"


def write_data_schema(source: str, out: Path | None, force: bool, overrides: list[str], kind: str, root: Path) -> int:
    """Infers the schema from the train split, by the chain's own nodes, and writes it where it is to be kept.

    Args:
      source: a shipped experiment's name, an experiment's file, or a data folder.
      out: the file to write; beside the experiment's file, in the data folder, or (for a shipped one) here, if None.
      force: whether it may be there already.
      overrides: key.sub=value.
      kind: the modality of a data folder.
      root: of all runs.

    Returns:
      The exit code of the run.

    Raises:
      ExperimentError: it is no experiment.
      FileExistsError: the file is there.
    """
    project = (Path(source) / "experiment.yaml").is_file()  # a folder, but not one of data
    is_folder = Path(source).is_dir() and not project and source not in {path.stem for path in SHIPPED.glob("*.yaml")}
    target = out or (Path(source) if is_folder or project else Path(source).parent) / SCHEMA_FILE
    if target.exists() and not force:
        raise FileExistsError(f"{target} is there already; what was curated would be lost: --force replaces it")
    if not is_folder:
        return _infer(experiment.load(source, [*overrides, "data.schema_file=null"]), source, target, root)
    return _infer(_of_folder(Path(source).resolve(), kind, overrides), source, target, root)


def _of_folder(folder: Path, kind: str, overrides: list[str]) -> Experiment:
    """An experiment that is good for reading the folder. Sizes and the like, which matter later, are made up."""
    data: dict[str, Any] = {"modality": kind, "path": str(folder)}
    families = plugins.names(family.PACKAGE)
    if kind in plugins.names(modality.PACKAGE):
        families = family.taking(kind) or families
        data |= modality.look_up(kind).PLACEHOLDERS
    tree = {"name": "data-schema", "data": data, "model": {"family": families[0]}}
    override(tree, overrides, str(folder))
    return experiment.compose(tree, folder, str(folder))


def _infer(found: Experiment, source: str, target: Path, root: Path) -> int:
    """Runs the chain up to the schema, and copies that; the next run of the experiment finds the nodes cached."""
    command = ["modelmill", "schema", "--data", source]
    code = run(Request(found, root, command, last="schema")).code
    if code:
        return code
    made = Folders(root, found.name).latest / "links" / "schema" / "schema" / SCHEMA_FILE
    told = (
        f"# What modelmill found in the train split of {found.name}. Curate it: it is never written again by itself.\n"
        f"# An experiment takes it by data.schema_file: {target.name}\n"
    )
    write_atomically(target, told + made.read_text(encoding="utf-8"))
    print(f"schema    {target}")
    return 0
