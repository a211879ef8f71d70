"""A page that shows what a policy does to examples: one file, readable from disk without a network."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.data import batch, modality, sample_data, specs
from modelmill.data.policy import Policy
from modelmill.data.readers import file_listing, raw_examples
from modelmill.data.spec import DEFAULT, LABEL, PATH, BadExampleError, ModalityFacts, Spec, TaskFacts, TensorSpec
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.layout import Folders
from modelmill.pipeline.report.examples import render

if TYPE_CHECKING:
    import tensorflow as tf

VERSIONS = 7
# Inputs of at most so many values are shown with their pixels as squares.
_SMALL = 96 * 96 * 3
# Of a text more characters are not shown.
_LONGEST = 1000
# Labels of less are not worth a word.
_LEAST = 0.005


class NothingToShowError(ValueError):
    """There is no example in the data folder."""


@dataclass
class Picture:
    """An input as the page shows it: a data URI or a text, what it is, what is written below, and what can be heard."""

    uri: str
    alt: str
    caption: str
    text: str = ""
    sound: str = ""


@dataclass
class Row:
    """One example: its label and file, as it is, and as the model sees it while it trains."""

    label: str
    path: str
    before: Picture
    after: list[Picture]


def write(target: Path, experiment: Experiment, root: Path, count: int) -> None:
    """Writes the page.

    Args:
      target: the HTML file.
      experiment: its data, modality, policy and seed are shown; nothing else is looked at.
      root: of all runs; a sample is written there if need be.
      count: how many examples; fewer if there are not so many.

    Raises:
      NothingToShowError: there is no example.
      OSError: the page can't be written.
    """
    import jinja2

    if modality.look_up(experiment.data.modality).NORMALISED:
        raise NothingToShowError(
            f"modality {experiment.data.modality}: its augmentation changes deviations from the mean of the train "
            "split, which there are only after Transform; the page of a run shows it, in the part Data"
        )
    folder = _folder(experiment, root)
    rows, small = _rows(experiment, _examples(experiment, folder, count))
    loader = jinja2.FileSystemLoader(Path(__file__).parent.parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.get_template("preview.html").render(
        name=experiment.name,
        source=f"sample {experiment.data.sample}" if experiment.data.sample else str(folder),
        policy=experiment.augment,
        changes=_changes(experiment.augment),
        rows=rows,
        small=small,
        seed=experiment.run.seed,
    )
    target.write_text(page, encoding="utf-8")


def _folder(experiment: Experiment, root: Path) -> str:
    data = experiment.data
    return data.path or str(sample_data.materialize(str(data.sample), Folders(root, experiment.name).samples))


def _examples(experiment: Experiment, folder: str, count: int) -> list[dict[str, Any]]:
    """Raw examples, of all classes in turn as far as folders tell them; files that hold none are passed over."""
    classes: dict[str, list[file_listing.Row]] = {}
    for row in file_listing.list_files(
        str(folder), modality.pattern(experiment.data), experiment.data, experiment.split
    ).rows:
        classes.setdefault(row.label, []).append(row)
    for rows in classes.values():
        random.Random(experiment.run.seed).shuffle(rows)
    found: list[dict[str, Any]] = []
    wrong = ""
    for row in filter(None, chain.from_iterable(zip_longest(*classes.values()))):
        if len(found) >= count:
            break
        try:
            found += raw_examples.examples(str(folder), row, experiment.data)
        except BadExampleError as error:
            wrong = wrong or f"; the first file that holds none: {error}"
    if not found:
        raise NothingToShowError(f"{folder}: no example of modality {experiment.data.modality}{wrong}")
    return found[:count]


def _rows(experiment: Experiment, examples: list[dict[str, Any]]) -> tuple[list[Row], bool]:
    """A row for each example, and whether the inputs are small."""
    import tensorflow as tf

    kind = modality.look_up(experiment.data.modality)
    inputs = tf.stack([kind.decode(example[kind.INPUT], experiment.data) for example in examples])
    labels = [str(example[LABEL]) for example in examples]
    rows = [
        Row(label, str(example[PATH]), _picture(experiment, one, f"{label}, before", "before"), [])
        for label, example, one in zip(labels, examples, inputs, strict=True)
    ]
    for version in range(1, VERSIONS + 1):
        changed, shares = _augmented(experiment, inputs, labels, version)
        for row, one, share in zip(rows, changed, shares, strict=True):
            row.after.append(_picture(experiment, one, f"{row.label}, version {version}: {share or row.label}", share))
    return rows, inputs[0].shape.num_elements() <= _SMALL


def _augmented(
    experiment: Experiment, inputs: tf.Tensor, labels: list[str], version: int
) -> tuple[tf.Tensor, list[str]]:
    """One version of each, and for mixed ones their labels in words; drawn as in the epoch of that number."""
    import tensorflow as tf

    kind, policy, names = modality.look_up(experiment.data.modality), experiment.augment, sorted(set(labels))
    places = (version - 1) * 2**32 + tf.range(len(labels), dtype=tf.int64)
    seeds = tf.stack([tf.fill([len(labels)], tf.constant(experiment.run.seed, tf.int64)), places], axis=1)
    spec = _spec(experiment, inputs, names)
    classes = tf.one_hot([names.index(label) for label in labels], len(names))
    changed = kind.augment(batch.of(inputs, classes, spec), seeds, policy, spec)
    if not policy.mixes():
        return changed[spec.input.name], [""] * len(labels)
    mixed = kind.mix(changed, seeds, policy, spec)
    return mixed[spec.input.name], [_shares(names, row) for row in mixed[spec.target.name].numpy().tolist()]


def _spec(experiment: Experiment, inputs: tf.Tensor, names: list[str]) -> Spec:
    """Describe decoded inputs, before there is a train split, with the class as the only target."""
    kind = modality.look_up(experiment.data.modality)
    decoded = TensorSpec(name=kind.INPUT, shape=tuple(inputs.shape[1:]), dtype=inputs.dtype.name)
    described = kind.expected(experiment.data) or ((decoded,), ModalityFacts())
    shares = TensorSpec(name=LABEL, shape=(len(names),), dtype="float32")
    return specs.assemble(experiment.data.modality, described, DEFAULT, TaskFacts(labels=tuple(names))).model_copy(
        update={"targets": (shares,)}
    )


def _shares(names: list[str], shares: list[float]) -> str:
    """Such as '7: 68 %, 1: 32 %'."""
    ranked = sorted(zip(shares, names, strict=True), reverse=True)
    return ", ".join(f"{name}: {100 * share:.0f} %" for share, name in ranked if share >= _LEAST)


def _picture(experiment: Experiment, one: tf.Tensor, alt: str, caption: str) -> Picture:
    media, content = modality.look_up(experiment.data.modality).show(one, experiment.data)
    if media == "text/plain":
        return Picture("", alt, caption, content.decode(errors="replace")[:_LONGEST])
    if media == "audio/wav":
        sound = render.shown(media, content) or {}
        return Picture(sound["picture"] or "", f"spectrogram of {alt}", caption, sound=sound["src"])
    return Picture(f"data:{media};base64,{base64.b64encode(content).decode()}", alt, caption)


def _changes(policy: Policy) -> list[tuple[str, str, str]]:
    """Of each change that is on: its name, its value, what it does."""
    found = []
    for name, field in type(policy).model_fields.items():
        value = getattr(policy, name)
        if name in Policy.model_fields or not value:
            continue
        told = value.model_dump() if hasattr(value, "model_dump") else value
        if isinstance(told, dict):
            text = ", ".join(f"{key} {one:g}" for key, one in told.items())
        else:
            text = told if isinstance(told, str) else f"{told:g}"
        found.append((name, text, field.description or ""))
    return found
