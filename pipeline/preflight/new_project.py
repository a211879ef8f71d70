"""`modelmill new`: looks at data and writes an experiment that suits it, with the reasons as comments."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from pathlib import Path

from modelmill.components import intervals
from modelmill.components.models import family as families
from modelmill.data import modality, task
from modelmill.data.core import files, plugins
from modelmill.data.profiling.draft import Asked, Domain, Draft, NoProjectError
from modelmill.data.profiling.profile import Found
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.spec import LABEL
from modelmill.data.splits import SPLITS, SplitConfig
from modelmill.pipeline.experiment.experiment import NAME
from modelmill.pipeline.layout import NODES

FILE, SCHEMA = "experiment.yaml", "schema.pbtxt"
# So many examples of the eval split may a compressed model get wrong besides, where they are few.
FEW = 2
# On so many test examples a compressed model may answer otherwise, half of them better and half worse, and still pass.
DIFFERING = 0.03
# What people call the parts of their data.
PARTS = {*SPLITS, "training", "val", "valid", "validation", "dev", "testing"}


def write(folder: Path, asked: Asked) -> tuple[Path, Draft]:
    """Writes experiment.yaml and schema.pbtxt.

    Args:
      folder: of the new project; made if it is not there.
      asked: what the data is, and what is wanted.

    Returns:
      The experiment file, and what was found in the data.

    Raises:
      NoProjectError: there is one already, or the data is of no use.
      UnknownNameError: there is no such modality, task or family.
    """
    kind = modality.look_up(asked.kind)
    if asked.task is not None:
        task.look_up(asked.task)
    if asked.family is not None and asked.kind not in families.look_up(asked.family).MODALITIES:
        fitting = ", ".join(families.taking(asked.kind))
        raise NoProjectError(f"--family {asked.family} does not take {asked.kind}; allowed: {fitting}")
    if (folder / FILE).exists():
        raise NoProjectError(f"{folder / FILE} is there already; give another folder, or delete it")
    if not asked.data.exists():
        raise NoProjectError(f"--data {asked.data}: there is no such folder")
    try:
        draft = kind.draft(dataclasses.replace(asked, split=_split(asked.data)))
    except BadDataError as error:
        raise NoProjectError(f"--data {asked.data}: {error}") from error
    if draft is None:
        raise NoProjectError(
            f"--modality {asked.kind}: it has no method `draft`; copy an experiment that `modelmill list` shows"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCHEMA).write_text(_schema(draft), encoding="utf-8")
    (folder / FILE).write_text(_experiment(folder, draft, asked), encoding="utf-8")
    return folder / FILE, draft


def local_data(given: str) -> Path:
    """Return the path of data on this machine. Raises NoProjectError where it lies in a store."""
    if files.is_remote(given):
        raise NoProjectError(
            f"--data {given}: new looks at every file, on this machine only; allowed: a path; do: copy some of the "
            "data to a folder here, make the project of it, and then give the store as data.path, or run.cluster.data"
        )
    return Path(given)


def guess(data: Path) -> str:
    """The modality of most files in a folder, or of a file, by their names. Raises NoProjectError."""
    files = [data] if data.is_file() else [one for one in data.rglob("*") if one.is_file()]
    names = [one.name.lower() for one in files]
    suffixes = {kind: modality.look_up(kind).SUFFIXES for kind in plugins.names(modality.PACKAGE)}
    counts = {kind: sum(name.endswith(ends) for name in names) for kind, ends in suffixes.items()}
    if not data.exists() or not any(counts.values()):
        found = "there is no such folder" if not data.exists() else "it holds no files of a kind that new knows"
        raise NoProjectError(f"--data {data}: {found}; allowed: {', '.join(sum(suffixes.values(), ()))}")
    return max(counts, key=lambda kind: counts[kind])


def _split(data: Path) -> SplitConfig:
    """By folders, if there is one for each split."""
    names = {one.name for one in data.iterdir() if one.is_dir() and one.name[0] != "."} if data.is_dir() else set()
    if names == set(SPLITS):
        return SplitConfig(by="folder")
    if len(names) > 1 and {name.lower() for name in names} <= PARTS:
        told = ", ".join(sorted(names))
        raise NoProjectError(
            f"--data {data}: found the folders {told}, which look like splits; call them {', '.join(SPLITS)} (all "
            "three), or put their files together, to be split by their content"
        )
    return SplitConfig()


def _experiment(folder: Path, draft: Draft, asked: Asked) -> str:
    found, data = draft.found, draft.config
    name = re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-")[:63]
    name = name if NAME.fullmatch(name) and name not in ("samples", *NODES) else "project"
    classes = f" of {len(found.classes)} classes" if found.classes else ""
    epochs = max(15, min(80, round(draft.looks / found.examples)))
    judged = max(1, found.splits["eval"])
    limit = "# max_bytes: 50000        # gzipped: what your device has room for"
    if asked.max_bytes:
        limit = f"max_bytes: {asked.max_bytes}"
    path = json.dumps(os.path.relpath(Path(str(data.path)).resolve(), folder.resolve()), ensure_ascii=False)
    return f"""\
# Written by `modelmill new` for {found.examples:,} examples{classes}. To run it:
#   modelmill run {folder.name}
name: {json.dumps(name)}

data:
  modality: {data.modality}
  path: {path}
  schema_file: {SCHEMA}    # what later data must look like
{draft.data}
{draft.split}
{draft.augment}

model:
  family: {draft.family}
{draft.model}
train:
  epochs: {epochs}                # fewer for much data; early stopping ends it before
  batch: 32
  optimizer: {{name: adam, learning_rate: {draft.rate:g}}}
  schedule: {{name: cosine}}
  early_stopping: {{patience: {max(5, epochs // 4)}}}

{_judgement(draft, asked, judged)}
  {limit}
{draft.chains}

card:                       # of the model card: what only you can say
  intended_use: ""
  limits: ""

run: {{seed: 0}}
"""


def _judgement(draft: Draft, asked: Asked, judged: float) -> str:
    """The section `evaluate`, and the beginning of `compress`; `judged` examples are in the eval split."""
    found = draft.found
    if not found.classes:
        drop = 0.03 if asked.max_drop is None else asked.max_drop
        return f"""\
evaluate:
  metric: r2                # the share of the labels' variance that the answers explain; or rmse, mae
  threshold: 0.1            # always answering the mean reaches 0; raise it to what you need
  max_regression: 0.05

compress:
  max_drop: {drop:g}             # of R²
  margin: {max(0.05, _margin(found)):g}              # wider for few examples: the interval on the test split is"""
    # Above what is had for nothing: always answering the largest class.
    chance = max(found.classes.values()) / found.examples
    threshold = min(0.99, round(chance + (1 - chance) / 4, 2))
    margin = max(0.02, _margin(found))
    drop = max(0.01, math.ceil(200 * FEW / judged) / 200) if asked.max_drop is None else asked.max_drop
    return f"""\
evaluate:
  threshold: {threshold}           # always answering the largest class reaches {chance:.2f}; raise it to what you need
  max_regression: 0.02

compress:
  max_drop: {drop:g}              # of the eval split, where an example is {1 / judged:.1%} of all
  margin: {margin:g}              # wider for few examples: the interval on the test split is"""


def _margin(found: Found) -> float:
    """A margin that the test split can decide: how far the interval of no difference reaches, rounded up."""
    examples = max(1, found.splits["test"])
    each_way = round(DIFFERING / 2 * examples)
    return math.ceil(100 * intervals.tango(each_way, each_way, examples)[1]) / 100


def _schema(draft: Draft) -> str:
    """A TFDV schema: one value of each feature in every example, and no class but those of today."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    kinds = {"bytes": schema_pb2.BYTES, "int": schema_pb2.INT, "float": schema_pb2.FLOAT}
    label = Domain("bytes", values=tuple(sorted(draft.found.classes))) if draft.found.classes else Domain("float")
    for name, domain in {**draft.features, LABEL: label}.items():
        feature = schema.feature.add(name=name, type=kinds[domain.kind])
        feature.presence.min_count = 1
        if domain.optional:
            feature.value_count.min = feature.value_count.max = 1
        else:
            feature.presence.min_fraction = 1.0
            feature.shape.dim.add(size=1)
        if domain.values:
            feature.string_domain.name = "labels" if name == LABEL else name
            feature.string_domain.value.extend(domain.values)
        if domain.known < 1:
            feature.distribution_constraints.min_domain_mass = domain.known
    return str(text_format.MessageToString(schema, as_utf8=True))
