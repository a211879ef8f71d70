"""Tries a bundle in clean processes, and compares its answers with the recorded ones."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.components.gates import Gate
from modelmill.components.load_check import bundle as bundles
from modelmill.components.load_check import isolated_main as clean
from modelmill.components.load_check.cases import Case
from modelmill.data import modality, task
from modelmill.data.core import subprocess_job
from modelmill.data.spec import DEFAULT

GATE = "load-check"
OURS = ("modelmill",)
# What a device has not got.
NOT_ON_DEVICES = ("keras", "tensorflow", "tensorflow_model_optimization", "tensorflow_transform", "tf_keras", "tfx")
# Besides what the client's parts name in REQUIRES.
NEEDED = ("ai_edge_litert", "numpy", "tensorflow")
SECONDS = 600
SLOW = (
    f"{subprocess_job.NOTHING}: most often the machine was busy or had too little memory; run again when less else "
    "runs, the next run does it anew"
)
PARTS = {"client": "client", "saved_model": "SavedModel"}
# Files of which a row of its own tells what is wrong.
SHOWN = 5


@dataclass(frozen=True)
class Limits:
    """How far answers may be off, absolutely, or as a share of what is above 1; and the least share of equal labels."""

    flatbuffer: float
    saved_model: float
    agreement: float


@dataclass(frozen=True)
class Answer:
    """What a model said of one file: a label ("" if its task has none), and numbers float64 [labels]."""

    label: str
    values: NDArray[np.float64]


class CleanRunError(Exception):
    """The clean process gave no answers; the message is the end of what it said."""


class InterruptedRunError(CleanRunError):
    """The machine ended the clean process, or had no time, memory or disk space for it: no word about the bundle."""


def verify(bundle: Path, cases: list[Case], kind: str, limits: Limits, asked: str = DEFAULT) -> list[Gate]:
    """Runs the client and the SavedModel of a bundle on raw files.

    Args:
      bundle: its folder; a copy of it is tried.
      cases: raw files and recorded answers.
      kind: the modality.
      limits: of the differences.
      asked: the task.

    Returns:
      Rows of what was compared: they have all passed if the bundle may be pushed.

    Raises:
      InterruptedRunError: the machine, not the bundle, failed.
    """
    labels = (bundle / bundles.LABELS).read_text(encoding="utf-8").splitlines()
    rows: list[Gate] = []
    found: dict[str, list[Answer]] = {}
    for what, metric, tolerance in (
        ("client", "flatbuffer_error", limits.flatbuffer),
        ("saved_model", "saved_model_error", limits.saved_model),
    ):
        try:
            found[what] = answers(what, bundle, cases, kind, asked)
        except InterruptedRunError:
            raise
        except CleanRunError as error:
            rows.append(Gate(gate=GATE, metric=metric, bound=tolerance, passed=False, reason=str(error)))
            continue
        expected = [case.recorded.compressed if what == "client" else case.recorded.exact for case in cases]
        rows += _compare(metric, cases, found[what], expected, labels, tolerance)
    if len(found) == 2 and task.look_up(asked).CLASSES:
        same = [one.label == other.label for one, other in zip(found["client"], found["saved_model"], strict=True)]
        share = sum(same) / len(same)
        passed = share >= limits.agreement
        reason = "" if passed else f"{same.count(False)} of {len(same)} files get another label from the flatbuffer"
        rows.append(
            Gate(gate=GATE, metric="agreement", value=share, bound=limits.agreement, passed=passed, reason=reason)
        )
    return rows


def answers(
    what: str, bundle: Path, cases: list[Case], kind: str, asked: str = DEFAULT, seconds: float = SECONDS
) -> list[Answer]:
    """The answers of the "client" or the "saved_model" of a bundle, from a clean process.

    Raises:
      InterruptedRunError: it was ended by a signal, took longer than `seconds`, or had no memory or disk space.
      CleanRunError: it failed otherwise, or did not answer to each file.
    """
    plug_in = modality.look_up(kind)
    with tempfile.TemporaryDirectory(prefix="modelmill-check-") as name:
        folder = Path(name)
        shutil.copytree(bundle, folder / "bundle")
        files = []
        for number, case in enumerate(cases):
            files.append(folder / f"{number:03d}-{plug_in.filename(case.content)}")
            files[-1].write_bytes(case.content)
        job = {
            "what": what,
            "bundle": str(folder / "bundle"),
            "files": [str(file) for file in files],
            "input": plug_in.INPUT,
            "answer": task.look_up(asked).ANSWER,
            "sites": _sites(bundles.client_parts(kind, asked).values()),
            "refused": [*OURS, *(NOT_ON_DEVICES if what == "client" else ())],
            "result": str(folder / "result.json"),
        }
        (folder / "job.json").write_text(json.dumps(job))
        try:
            _run(folder, seconds)
        except InterruptedRunError as error:
            raise InterruptedRunError(f"the load check of the {PARTS[what]}: {error}") from error
        try:
            result = json.loads((folder / "result.json").read_text())
        except (OSError, ValueError) as error:
            raise CleanRunError(f"it ended well but left no answers ({error})") from error
    return [Answer(answer["label"], np.array(answer["values"], np.float64)) for answer in result]


def _run(folder: Path, seconds: float) -> None:
    """Runs isolated_main.py; it sees neither our environment variables for Python nor our folder."""
    command = [sys.executable, "-I", "-S", str(clean.__file__), str(folder / "job.json")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MODELMILL"))}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise _interrupted(f"it did not end within {seconds:g} seconds", SLOW) from error
    if not done.returncode:
        return
    said = " | ".join(line.strip() for line in done.stderr.splitlines()[-6:] if line.strip())
    ended = f"by {signal.Signals(-done.returncode).name} " if done.returncode < 0 else ""
    reason = f"it ended {ended}with exit code {done.returncode}: {said or 'it said nothing'}"
    # A client may take what the system refuses for a bad file, and tell the number of the error.
    passing = any(int(number) in subprocess_job.PASSING for number in re.findall(r"\[Errno (\d+)\]", done.stderr))
    if ended or passing or done.returncode == subprocess_job.TEMPORARY:
        raise _interrupted(reason, subprocess_job.remedy(reason))
    raise CleanRunError(reason)


def _interrupted(reason: str, remedy: str) -> InterruptedRunError:
    return InterruptedRunError(f"{reason}. {remedy}")


def _sites(parts: Iterable[str]) -> list[str]:
    """The folders of the packages that a bundle needs; `parts` are the modules of its client's parts."""
    found = {sysconfig.get_paths()[key]: None for key in ("purelib", "platlib")}
    for package in (*NEEDED, *(name for part in parts for name in importlib.import_module(part).REQUIRES)):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            found[str(Path(spec.origin).parent.parent)] = None
    return list(found)


def _compare(
    metric: str,
    cases: list[Case],
    found: list[Answer],
    expected: Sequence[NDArray[Any]],
    labels: list[str],
    tolerance: float,
) -> list[Gate]:
    """A row for all files, and one for each of the first files that are wrong."""
    wrong = []
    errors = []
    for case, answer, wanted in zip(cases, found, expected, strict=True):
        error, reason = _error(answer, wanted, labels, tolerance)
        errors.append(error)
        if reason:
            wrong.append(_row(metric, error, tolerance, reason, case.path))
    reason = f"{len(wrong)} of {len(cases)} files are answered wrongly" if wrong else ""
    return [_row(metric, max(errors), tolerance, reason, "overall"), *wrong[:SHOWN]]


def _error(answer: Answer, wanted: NDArray[Any], labels: list[str], tolerance: float) -> tuple[float, str]:
    """The largest difference of a recorded number, and what is wrong with the answer ("" if nothing)."""
    if answer.values.shape != wanted.shape:
        return math.inf, f"found {answer.values.size} numbers, expected {wanted.size}"
    # Not by numpy's masked operations: they mask what is no number, too, which must not pass.
    numbers, unknown = np.ma.getdata(wanted), np.ma.getmaskarray(wanted)
    difference = np.abs(answer.values - numbers) / np.maximum(1, np.abs(numbers))
    difference[np.isnan(difference)] = math.inf
    difference[unknown] = 0
    worst = int(difference.argmax())
    error = float(difference[worst])
    if error > tolerance:
        found, recorded = answer.values[worst], float(wanted[worst])
        return error, f"found {found:.6f} for '{labels[worst]}', expected {recorded:.6f}, tolerance {tolerance:g}"
    best = labels[int(answer.values.argmax())]
    if answer.label and answer.label != best:
        return error, f"found label '{answer.label}', expected '{best}', the most probable one"
    return error, ""


def _row(metric: str, error: float, tolerance: float, reason: str, where: str) -> Gate:
    value = error if math.isfinite(error) else None
    return Gate(gate=GATE, metric=metric, slice=where, value=value, bound=tolerance, passed=not reason, reason=reason)
