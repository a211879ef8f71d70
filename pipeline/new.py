"""`modelmill new`: looks at data and writes an experiment that suits it, with the reasons as comments."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

from components.models import family as families
from data import inspect, modality
from data.config import SplitConfig
from data.inspect import Found
from data.table import BadDataError
from pipeline.experiment import NAME
from pipeline.new_data import KINDS

FILE, SCHEMA = "experiment.yaml", "schema.pbtxt"
# So many examples of the eval split may a compressed model get wrong besides, where they are few.
FEW = 2


class NoProjectError(ValueError):
    """A project can't be made of this; the message says why and what to do."""


def write(
    folder: Path, kind: str, data: Path, family: str | None, max_bytes: int | None, max_drop: float | None
) -> tuple[Path, Found]:
    """Writes experiment.yaml and schema.pbtxt.

    Args:
      folder: of the new project; made if it is not there.
      kind: the modality.
      data: folder of the examples.
      family: of the model; one that suits the modality if absent.
      max_bytes: of the gzipped flatbuffer; no limit if absent.
      max_drop: of the metric; what a few examples make out if absent.

    Returns:
      The experiment file, and what was found in the data.

    Raises:
      NoProjectError: there is one already, or the data is of no use.
      UnknownNameError: there is no such modality or family.
    """
    plug_in = modality.look_up(kind)
    if kind not in KINDS:
        raise NoProjectError(
            f"--modality {kind}: new knows {', '.join(KINDS)}; copy an experiment that `modelmill list` shows"
        )
    family = family or KINDS[kind].family
    if kind not in families.look_up(family).MODALITIES:
        fitting = ", ".join(families.taking(kind))
        raise NoProjectError(f"--family {family} does not take {kind}; allowed: {fitting}")
    if (folder / FILE).exists():
        raise NoProjectError(f"{folder / FILE} is there already; give another folder, or delete it")
    if not data.is_dir():
        raise NoProjectError(f"--data {data}: there is no such folder")
    config = plug_in.Config.model_validate({"path": str(data), **KINDS[kind].required})
    what = f"put the {KINDS[kind].files} of each class into a folder of its own"
    try:
        found = inspect.look(data, config, SplitConfig())
    except BadDataError as error:
        raise NoProjectError(f"--data {data}: {error}; {what}") from error
    if len(found.classes) < 2:
        told = f"found {found.examples} examples in {len(found.classes)} folders"
        raise NoProjectError(f"--data {data}: {told}; {what}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCHEMA).write_text(_schema(found, KINDS[kind].features), encoding="utf-8")
    text = _experiment(folder, kind, data, found, family, max_bytes, max_drop)
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder / FILE, found


def _experiment(
    folder: Path, kind: str, data: Path, found: Found, family: str, max_bytes: int | None, max_drop: float | None
) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-")[:63]
    name = name if NAME.fullmatch(name) and name != "samples" else "project"
    written = KINDS[kind]
    chance = max(found.classes.values()) / found.examples
    epochs = max(15, min(80, round(60_000 / found.examples)))
    model = written.model(found, max_bytes) if family == written.family else ""
    limit = (
        f"max_bytes: {max_bytes}" if max_bytes else "# max_bytes: 50000        # gzipped: what your device has room for"
    )
    # Above what is had for nothing: always answering the largest class.
    threshold = min(0.99, round(chance + (1 - chance) / 4, 2))
    # Two standard errors of the difference, if the models differ on three of a hundred test examples.
    margin = max(0.02, round(2 * math.sqrt(0.03 / max(1.0, found.examples * 0.15)), 2))
    drop = max(0.01, math.ceil(200 * FEW / (found.examples * 0.15)) / 200) if max_drop is None else max_drop
    path = json.dumps(os.path.relpath(data.resolve(), folder.resolve()), ensure_ascii=False)
    return f"""\
# Written by `modelmill new` for {found.examples:,} examples of {len(found.classes)} classes. To run it:
#   modelmill run {folder.name}
name: {json.dumps(name)}

data:
  modality: {kind}
  path: {path}
  schema_file: {SCHEMA}    # what a run accepts: the classes of today
{written.data(found)}

augment:
{written.augment}

model:
  family: {family}
{model}  dropout: 0.3

train:
  epochs: {epochs}                # fewer for much data; early stopping ends it before
  batch: 32
  optimizer: {{name: adam, learning_rate: 0.001}}
  schedule: {{name: cosine}}
  early_stopping: {{patience: {max(5, epochs // 4)}}}

evaluate:
  threshold: {threshold}           # always answering the largest class reaches {chance:.2f}; raise it to what you need
  max_regression: 0.02

compress:
  max_drop: {drop:g}              # of the eval split, where an example is {1 / (found.examples * 0.15):.1%} of all
  margin: {margin:g}              # wider for few examples: the interval on the test split is
  {limit}
  chains:
    - [dynamic_range]
    - [int8]
    - [{{prune: {{sparsity: 0.5}}}}, int8]

card:                       # of the model card: what only you can say
  intended_use: ""
  limits: ""

run: {{seed: 0}}
"""


def _schema(found: Found, features: dict[str, str]) -> str:
    """A TFDV schema: one value of each feature in every example, and no class but those of today."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    kinds = {"bytes": schema_pb2.BYTES, "int": schema_pb2.INT, "float": schema_pb2.FLOAT}
    for name, kind in {**features, modality.LABEL: "bytes"}.items():
        feature = schema.feature.add(name=name, type=kinds[kind])
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        feature.shape.dim.add(size=1)
        if name == modality.LABEL:
            feature.string_domain.name = "labels"
            feature.string_domain.value.extend(sorted(found.classes))
    return str(text_format.MessageToString(schema, as_utf8=True))
