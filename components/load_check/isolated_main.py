"""Runs a bundle as a stranger would: `python -I -S isolated_main.py JOB`, in a process that knows nothing of modelmill.

JOB is a JSON file:
    what     "client" (the bundle's client on raw files) or "saved_model" (plain TensorFlow, serving_default)
    bundle   a copy of what is to be pushed
    files    raw files
    input    the name of the SavedModel's input
    answer   the name of the model's answer, such as "probabilities"
    sites    the folders of installed packages. Python does not look for them itself (-S), or it would read the .pth
             files in them, and with them find a modelmill that is installed as a link to its source.
    refused  packages that can't be imported, though they may be installed
    result   the file that takes the answers: [{"label": str ("" if the model gives none), "values": [float, ...]}, ...]

Exit code 75: the machine had no memory, no disk space or the like, which says nothing of the bundle.

It stands alone: nothing here may be imported from modelmill.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import json
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

# As in data/core/subprocess_job.py.
TEMPORARY = 75
PASSING = frozenset(
    getattr(errno, name)
    for name in ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "ESTALE", "ENOMEM", "EAGAIN", "EMFILE", "ENFILE"]
)


class Refuse:
    """An import finder that stands before all others and denies that some packages exist."""

    def __init__(self, packages: list[str]) -> None:
        self._packages = set(packages)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises ModuleNotFoundError for what is refused; None leaves the rest to the other finders."""
        if name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {name!r}: what is pushed must work without it", name=name)


def run_client(job: dict[str, Any]) -> list[dict[str, Any]]:
    """What the client prints for the files. Its exit code, if not 0, becomes that of this process."""
    client = Path(job["bundle"], "client.py")
    sys.argv = [str(client), *job["files"]]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(str(client), run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    if [line["file"] for line in lines] != job["files"]:
        raise ValueError(
            f"the client was given {len(job['files'])} files and answered to {[line['file'] for line in lines]}"
        )
    labels = Path(job["bundle"], "labels.txt").read_text(encoding="utf-8").splitlines()
    return [
        {"label": line.get("label", ""), "values": [line[job["answer"]][label] for label in labels]} for line in lines
    ]


def run_saved_model(job: dict[str, Any]) -> list[dict[str, Any]]:
    """What the SavedModel answers to the bytes of the files."""
    import tensorflow as tf

    model = tf.saved_model.load(job["bundle"])
    contents = tf.constant([Path(file).read_bytes() for file in job["files"]])
    answers = model.signatures["serving_default"](**{job["input"]: contents})
    named = [label.decode() for label in answers["label"].numpy()] if "label" in answers else [""] * len(contents)
    return [
        {"label": label, "values": values.tolist()}
        for label, values in zip(named, answers[job["answer"]].numpy(), strict=True)
    ]


def is_passing(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, is of the machine and not of the bundle."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return True
        if isinstance(error, OSError) and error.errno in PASSING:
            return True
        error = error.__cause__ or error.__context__
    return False


def main() -> None:
    """Reads the job, does it, writes the result."""
    gc.disable()  # a fifth of loading TensorFlow; this process ends before there is garbage
    job = json.loads(Path(sys.argv[1]).read_text())
    sys.path += job["sites"]
    sys.meta_path.insert(0, Refuse(job["refused"]))
    try:
        answers = {"client": run_client, "saved_model": run_saved_model}[job["what"]](job)
        Path(job["result"]).write_text(json.dumps(answers))
    except Exception as error:
        if not is_passing(error):
            raise
        traceback.print_exc()
        sys.exit(TEMPORARY)


if __name__ == "__main__":
    main()
