"""What the shell offers for an argument that is being typed. Quick, and silent about what is wrong."""

from __future__ import annotations

from pathlib import Path


def experiments(incomplete: str) -> list[str]:
    """Shipped experiments; files and folders."""
    shipped = [path.stem for path in (Path(__file__).parent.parent / "experiments").glob("*.yaml")]
    return [name for name in sorted(shipped) if name.startswith(incomplete)] + _files(incomplete)


def nodes(incomplete: str) -> list[str]:
    """Nodes of the chain."""
    from modelmill.pipeline.layout import NODES

    return [name for name in NODES if name.startswith(incomplete)]


def ran(incomplete: str) -> list[str]:
    """Experiments that were run in the usual place; files and folders."""
    return _ran(incomplete) + _files(incomplete)


def runs(incomplete: str) -> list[str]:
    """Those, and each of their runs."""
    from modelmill.pipeline.layout import run_folders

    found = [f"{path.parent.name}/{path.name}" for path in sorted(run_folders(Path("runs")))]
    return _ran(incomplete) + [name for name in found if name.startswith(incomplete)] + _files(incomplete)


def _ran(incomplete: str) -> list[str]:
    from modelmill.pipeline.layout import run_folders

    names = {path.parent.name for path in run_folders(Path("runs"))}
    return sorted(name for name in names if name.startswith(incomplete))


def _files(incomplete: str) -> list[str]:
    """Paths of YAML files and of folders that begin so."""
    start = Path(incomplete)
    folder = start if incomplete.endswith("/") else start.parent
    name = "" if incomplete.endswith("/") else start.name
    try:
        found = sorted(path for path in folder.iterdir() if path.name.startswith(name) and path.name[0] != ".")
    except OSError:
        return []
    folders = [f"{path}/" for path in found if path.is_dir()]
    return folders + [str(path) for path in found if path.suffix in (".yaml", ".yml")]
