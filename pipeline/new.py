"""`modelmill new`: looks at data and writes an experiment that suits it, with the reasons as comments."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from statistics import median

from components.models import family as families
from data import inspect, modality
from data.config import SplitConfig
from data.inspect import Found
from data.table import BadDataError
from pipeline.experiment import NAME

FILE, SCHEMA = "experiment.yaml", "schema.pbtxt"
# The dense layer of the family cnn, and what a weight takes as int8, gzipped: pruning may come out as too dear.
DENSE, BYTES_A_WEIGHT = 64, 1.05
# So many examples of the eval split may a compressed model get wrong besides, where they are few.
FEW = 2
# Sides that pool well; more pixels than the last rarely pay on a small device.
SIDES = (8, 16, 24, 32, 48, 64, 96)


class NoProjectError(ValueError):
    """A project can't be made of this; the message says why and what to do."""


def write(
    folder: Path, kind: str, data: Path, family: str, max_bytes: int | None, max_drop: float | None
) -> tuple[Path, Found]:
    """Writes experiment.yaml and schema.pbtxt.

    Args:
      folder: of the new project; made if it is not there.
      kind: the modality.
      data: folder of the examples.
      family: of the model.
      max_bytes: of the gzipped flatbuffer; no limit if absent.
      max_drop: of the metric; what a few examples make out if absent.

    Returns:
      The experiment file, and what was found in the data.

    Raises:
      NoProjectError: there is one already, or the data is of no use.
      UnknownNameError: there is no such modality or family.
    """
    if kind != "image":
        modality.look_up(kind)
        raise NoProjectError(f"--modality {kind}: new knows image only; copy an experiment that `modelmill list` shows")
    families.look_up(family)
    if (folder / FILE).exists():
        raise NoProjectError(f"{folder / FILE} is there already; give another folder, or delete it")
    if not data.is_dir():
        raise NoProjectError(f"--data {data}: there is no such folder")
    config = modality.look_up(kind).Config.model_validate({"path": str(data), "height": 1, "width": 1})
    what = "put the PNG or JPEG files of each class into a folder of its own"
    try:
        found = inspect.look(data, config, SplitConfig())
    except BadDataError as error:
        raise NoProjectError(f"--data {data}: {error}; {what}") from error
    if len(found.classes) < 2:
        told = f"found {found.examples} images in {len(found.classes)} folders"
        raise NoProjectError(f"--data {data}: {told}; {what}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCHEMA).write_text(_schema(found), encoding="utf-8")
    text = _experiment(folder, data, found, family, max_bytes, max_drop)
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder / FILE, found


def _experiment(
    folder: Path, data: Path, found: Found, family: str, max_bytes: int | None, max_drop: float | None
) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-")[:63]
    name = name if NAME.fullmatch(name) and name != "samples" else "project"
    tall, wide = int(median(found.heights)), int(median(found.widths))
    side = max((one for one in SIDES if one <= max(tall, wide)), default=SIDES[0])
    channels = 1 if set(found.channels) <= {1, 2} else 3
    filters = _filters(side, channels, max_bytes)
    chance = max(found.classes.values()) / found.examples
    epochs = max(15, min(80, round(60_000 / found.examples)))
    model = (
        f"\n  filters: {filters}          # of each block; every block halves the {side} pixels"
        if family == "cnn"
        else ""
    )
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
# Written by `modelmill new` for {found.examples:,} images of {len(found.classes)} classes. To run it:
#   modelmill run {folder.name}
name: {json.dumps(name)}

data:
  modality: image
  path: {path}
  schema_file: {SCHEMA}    # what a run accepts: the classes of today
  height: {side}                # the middle image is {tall} x {wide}
  width: {side}
  channels: {channels}               # {"all images are grey" if channels == 1 else "there are colours"}

augment:                    # careful ranges; mirrored digits and letters would be others, so nothing is mirrored
  rotation: 10
  scale: 0.1
  crop: 0.1
  brightness: 0.1
  contrast: 0.2

model:
  family: {family}{model}
  dropout: 0.3

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


def _filters(side: int, channels: int, max_bytes: int | None) -> list[int]:
    """Of each block of a CNN: the widest whose pruned int8 weights fit into the budget, roughly."""
    blocks = max(1, min(4, int(math.log2(side)) - 2))
    filters: list[int] = []
    for width in (32, 24, 16, 12, 8, 6, 4):
        filters = [min(width * 2**block, 4 * width) for block in range(blocks)]
        inputs = [channels, *filters]
        kernels = sum(9 * before * after for before, after in zip(inputs, filters, strict=False))
        weights = kernels + (side // 2**blocks) ** 2 * filters[-1] * DENSE
        if max_bytes is None or weights * BYTES_A_WEIGHT < max_bytes:
            break
    return filters


def _schema(found: Found) -> str:
    """A TFDV schema: one value of each feature in every example, and no class but those of today."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    kinds = {"image": schema_pb2.BYTES, "label": schema_pb2.BYTES, "height": schema_pb2.INT, "width": schema_pb2.INT}
    for name, kind in kinds.items():
        feature = schema.feature.add(name=name, type=kind)
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        feature.shape.dim.add(size=1)
        if name == modality.LABEL:
            feature.string_domain.name = "labels"
            feature.string_domain.value.extend(sorted(found.classes))
    return str(text_format.MessageToString(schema, as_utf8=True))
