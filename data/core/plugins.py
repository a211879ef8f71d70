"""Plug-ins are found by their file name: adding one is adding a file, never an entry in a list.

Such a file defines one class; data/core/plugin_base.py finds it there.

A user's own lie in a folder of theirs, whose folders are called like the packages that they add to: `families/`,
`methods/` and so on, see FOLDERS. It joins the search path of those packages, so that own files are found, imported
and counted in the cache's keys like ours. An environment variable hands it to child processes and to containers.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from modelmill.data.core import client_imports

# Folders of own plug-ins, as in PATH: an experiment's field `plugins` adds one.
ENV = "MODELMILL_PLUGINS"
FOLDERS = {
    "families": "modelmill.components.models.families",
    "layers": "modelmill.components.models.layers",
    "loops": "modelmill.components.models.training.loops",
    "strategies": "modelmill.components.models.training.strategies",
    "methods": "modelmill.components.compress.methods",
    "modalities": "modelmill.data.modalities",
    "tasks": "modelmill.data.tasks",
    "samples": "modelmill.data.samples",
    "platforms": "modelmill.pipeline.runners.kubeflow.platforms",
}
# A plug-in may be a folder with several files; then this one of them defines it.
MAIN = {"modelmill.data.modalities": "modality", "modelmill.data.tasks": "task"}
# Beside that file such a plug-in may have one that is pushed with a model, and must define this.
CLIENT = "client"
CLIENT_NAMES = {
    "modelmill.data.modalities": ("PREPROCESSING", "REQUIRES", "FIELDS", "FILES", "ERROR", "Reader"),
    "modelmill.data.tasks": ("REQUIRES", "answer"),
}
_attached: dict[str, list[str]] = {}  # a folder, and what of it is in the packages' search paths
_digests: dict[str, str] = {}  # of all sources of such a folder, when something of it was last imported


class UnknownNameError(ValueError):
    """A name that no plug-in, field or node has; the message lists what is allowed and the near match."""


class PlugInError(ValueError):
    """A folder or a file of own plug-ins that can't be used; the message names it and says what to do."""


def names(package: str) -> list[str]:
    """Names of the plug-ins in `package` (a dotted path), sorted. Imports none of them."""
    _attach()
    return sorted(
        module.name
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
        if not module.name.startswith("_")
    )


def module_name(package: str, name: str) -> str:
    """Return the dotted name of the module that defines plug-in `name` of `package`; it is not imported."""
    main = MAIN.get(package)
    places = importlib.import_module(package).__path__
    is_folder = main and any(Path(place, name, f"{main}.py").is_file() for place in places)
    return f"{package}.{name}.{main}" if is_folder else f"{package}.{name}"


def client_file(package: str, name: str) -> Path | None:
    """Return the file of what plug-in `name` of `package` has a client to run; None if it has none."""
    places = importlib.import_module(package).__path__ if package in MAIN else ()
    files = (Path(place, name, f"{CLIENT}.py") for place in places)
    return next((file for file in files if file.is_file()), None)


def load(package: str, name: str, kind: str) -> ModuleType:
    """Import the module of plug-in `name` of `package`; `kind` is what the error calls it. `get` checks its class.

    Where a user's files have changed since they were imported (in a notebook, say) they are imported again: the
    cache's keys go by the files.

    Raises:
      UnknownNameError: there is no such plug-in.
      PlugInError: it is the user's own, and can't be imported, or its client imports what it must not.
    """
    known = names(package)
    if name not in known:
        raise UnknownNameError(unknown(kind, name, known))
    own = _own(package, name)
    if own is None:
        return importlib.import_module(module_name(package, name))
    folder, file = own
    client = client_file(package, name)
    wrong = client_imports.problem(client, CLIENT_NAMES[package]) if client else ""
    if wrong:
        raise PlugInError(f"{kind} {name}: {wrong}; see docs/extending.md")
    try:
        _refresh(folder)
        return importlib.import_module(module_name(package, name))
    except Exception as error:  # whatever the user's code raises
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise PlugInError(f"{kind} {name}: {file} can't be imported: {type(error).__name__}: {error}{where}") from error


def use(folder: Path) -> None:
    """Adds a folder of own plug-ins, for this process and its children.

    Raises:
      PlugInError: it is no folder of plug-ins, or one of them has the name of another.
    """
    folder = folder.resolve()
    _attach_one(folder)
    known = [one for one in os.environ.get(ENV, "").split(os.pathsep) if one]
    if str(folder) not in known:
        os.environ[ENV] = os.pathsep.join([*known, str(folder)])


def forget(folder: Path) -> None:
    """The opposite of `use`, for tests: its plug-ins are found no more."""
    folder = folder.resolve()
    _drop(str(folder))
    for path in _attached.pop(str(folder), []):
        importlib.import_module(FOLDERS[Path(path).name]).__path__.remove(path)
    left = [one for one in os.environ.get(ENV, "").split(os.pathsep) if one and one != str(folder)]
    os.environ[ENV] = os.pathsep.join(left)


def unknown(kind: str, found: object, allowed: Iterable[str]) -> str:
    """One line for an unknown name: what was found, what is allowed, the near match if there is one."""
    allowed = sorted(allowed)
    near = difflib.get_close_matches(str(found), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{found}'; allowed: {', '.join(allowed) or 'none'}{hint}"


def _attach() -> None:
    """The folders that the environment names: a child process, or a container, was told of them so."""
    for folder in os.environ.get(ENV, "").split(os.pathsep):
        if folder and folder not in _attached:
            _attach_one(Path(folder))


def _attach_one(folder: Path) -> None:
    """Puts the folder's folders into the search paths of their packages, all or none."""
    if str(folder) in _attached:
        return
    if not folder.is_dir():
        raise PlugInError(f"plug-ins: there is no folder {folder}")
    found = sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._")
    paths = {}
    for one in found:
        if one.name not in FOLDERS:
            raise PlugInError(f"plug-ins: {one}: {unknown('kind of plug-in', one.name, FOLDERS)}")
        paths[str(one)] = importlib.import_module(FOLDERS[one.name])
        for file in (path for path in one.iterdir() if path.suffix == ".py" or path.is_dir()):
            if file.name in ("__init__.py", "__pycache__"):
                continue
            others = [
                Path(place, name) for place in paths[str(one)].__path__ for name in (file.stem, f"{file.stem}.py")
            ]
            same = next((other for other in others if other.exists()), None)
            if same:
                raise PlugInError(f"plug-ins: {file} has the name of {same}; give it another")
    if not paths:
        raise PlugInError(f"plug-ins: {folder} has none of the folders {', '.join(FOLDERS)}")
    for path, package in paths.items():
        package.__path__.append(path)
    importlib.invalidate_caches()
    _attached[str(folder)] = list(paths)


def _own(package: str, name: str) -> tuple[str, Path] | None:
    """The folder and the file of a user's own plug-in; None if it is one of ours."""
    for folder, paths in _attached.items():
        for path in paths:
            if FOLDERS[Path(path).name] == package:
                for file in (Path(path, f"{name}.py"), Path(path, name, f"{MAIN.get(package)}.py")):
                    if file.is_file():
                        return folder, file
    return None


def _refresh(folder: str) -> None:
    """Drops what was imported from the folder, if one of its files has changed since."""
    digest = hashlib.sha256()
    for file in sorted(Path(folder).rglob("*.py")):
        digest.update(f"{file}\0".encode() + file.read_bytes() + b"\0")
    if _digests.get(folder) != digest.hexdigest():
        _drop(folder)
        _digests[folder] = digest.hexdigest()


def _drop(folder: str) -> None:
    for path in _attached.get(folder, []):
        package = importlib.import_module(FOLDERS[Path(path).name])
        for file in Path(path).rglob("*.py"):
            parts = file.relative_to(path).with_suffix("").parts
            name = ".".join((package.__name__, *parts)).removesuffix(".__init__")
            if name != package.__name__ and name in sys.modules:
                del sys.modules[name]
                vars(package).pop(parts[0], None)  # else `from package import name` would still give it
                # It goes by the second and the size: an edit soon after an import would go unseen.
                Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    importlib.invalidate_caches()
