"""The run function that TFX's Trainer calls by its import path."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from typing import Any

from tfx import v1 as tfx

from modelmill.components import artifacts
from modelmill.components.models.training import strategy
from modelmill.components.train import job
from modelmill.data.core import progress, subprocess_job


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Train and export; in this process if the strategy can be made here, else in a child.

    A strategy may have to be made before TensorFlow has run any op (its OWN_PROCESS), and Transform has run in this
    process; and XLA must not meet a process in which ops were told to be deterministic.
    """
    config: dict[str, Any] = fn_args.custom_config
    work = {
        **{section: json.loads(config[section]) for section in ("data", "augment", "model", "train")},
        "seed": config["seed"],
        "files": {"train": _files(fn_args.train_files), "eval": _files(fn_args.eval_files)},
        "transform_graph": fn_args.transform_output,
        "serving": fn_args.serving_model_dir,
        "rebuild": os.path.join(os.path.dirname(fn_args.serving_model_dir), artifacts.REBUILD),
        "model_run": fn_args.model_run_dir,
    }
    chosen = _choose_devices(work["train"])
    # What makes the same model goes on from the same checkpoints, whatever the execution is called this time.
    same = {key: work[key] for key in ("data", "augment", "model", "train", "seed", "files", "transform_graph")}
    text = json.dumps([same, config["code"]], sort_keys=True)
    work["checkpoints"] = os.path.join(config["checkpoints"], hashlib.sha256(text.encode()).hexdigest()[:16])
    if strategy.look_up(chosen).OWN_PROCESS or work["train"]["xla"]:
        subprocess_job.run("modelmill.components.train.job", work)
    else:
        job.run(work)
    shutil.rmtree(work["checkpoints"])


def _choose_devices(train: dict[str, Any]) -> str:
    """Put what `auto` means here in its place, report it, and return its name."""
    wanted = strategy.parse(train["strategy"])
    chosen, why = strategy.choose(wanted, strategy.gpu_count(), train["xla"])
    if why:
        progress.note(f"train.strategy {wanted.name}: {chosen.name}, since {why}")
    train["strategy"] = chosen.model_dump(mode="json")
    return chosen.name


def _files(patterns: list[str]) -> list[str]:
    """The files behind TFX's patterns, sorted."""
    return sorted(file for pattern in patterns for file in glob.glob(pattern))
