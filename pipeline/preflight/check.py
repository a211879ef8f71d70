"""`modelmill check`: what is wrong with an experiment's data, and what a run will take, before anything is trained."""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from modelmill.components import intervals
from modelmill.data import label_names, sample_data, task
from modelmill.data.core import format
from modelmill.data.profiling import profile
from modelmill.data.profiling.profile import Found
from modelmill.data.spec import LABEL
from modelmill.data.splits import SPLITS
from modelmill.pipeline.experiment import prerequisites
from modelmill.pipeline.experiment.experiment import Experiment
from modelmill.pipeline.layout import Folders
from modelmill.pipeline.preflight.time_estimate import Estimate, told
from modelmill.pipeline.records import run as results

SHOWN = 5
FEW, UNEQUAL = 20, 10
# So many times the distance between the quartiles a number is from the median that is looked at.
FAR = 10
UNREADABLE = "delete or mend them, or allow a share by data.max_bad_fraction"
TWICE = "delete the wrong ones, or leave all of them out by data.conflicts: drop"
SPELLING = "if they are meant to be one, write them alike"
LATE = "leave out what is not known yet when the model is asked"
TOGETHER = "look at them; what belongs together stays together by split.by: group or time"
SAME = " (both go to the same split)"
# What TensorFlow and TFX take before there is any data, and the metadata and models that a run leaves.
BASE_MEMORY, BASE_DISK = 1_500_000_000, 5_000_000


@dataclass(frozen=True)
class Line:
    """One finding. `kind` is "ok", "mind" (it may be meant) or "wrong" (the run would fail or mislead)."""

    kind: str
    name: str
    text: str


def check(experiment: Experiment, root: Path, measure: bool = False) -> list[Line]:
    """Looks at all of the experiment's data.

    Args:
      experiment: validated.
      root: of all runs: samples lie there, and earlier runs tell how long it takes.
      measure: trains some steps to know how long it will take; this loads TensorFlow.

    Raises:
      ExperimentError: what it begins with, such as a checkpoint, can't be fetched or is not what it should be.
    """
    folders = Folders(root, experiment.name)
    folder = experiment.data.path or str(folders.samples / str(experiment.data.sample))
    prerequisites.prepare(experiment, lambda _: nullcontext(lambda _: None))
    if experiment.data.sample and not os.path.exists(folder):
        sample_data.materialize(experiment.data.sample, folders.samples)
    found = profile.look(folder, experiment.data, experiment.split)
    return [*_data(found, folder, experiment), *_gates(found, experiment), *_costs(found, experiment, folders, measure)]


def _data(found: Found, folder: str, experiment: Experiment) -> list[Line]:
    share = len(found.unreadable) / max(1, found.examples + len(found.unreadable))
    bad = "wrong" if share > experiment.data.max_bad_fraction else "mind"
    twice = "wrong" if experiment.data.conflicts == "refuse" else "mind"
    lines = [
        Line("ok" if found.examples else "wrong", "examples", f"{found.examples:,} in {folder}, {found.bytes:,} bytes"),
        _pairs("unreadable", found.unreadable, bad, "can't be read", ": ", do=UNREADABLE),
        _pairs("contradictory", found.contradictory, twice, "with the same content and different labels", do=TWICE),
        _pairs("equal", found.equal, "mind", "twice in a class" + ("" if found.given else SAME)),
    ]
    if found.given:
        stop = "mind" if experiment.data.conflicts == "drop" else "wrong"
        lines.append(_pairs("leakage", found.leaked, stop, "with the same content in different splits", do=TWICE))
    lines.append(_pairs("near leakage", found.near, "mind", "that look the same in different splits", do=TOGETHER))
    if task.look_up(experiment.data.task).CLASSES:
        lines[1:1] = _classes(found, experiment)
    elif found.numbers.get(LABEL):
        lines[1:1] = [_numbers(found.numbers[LABEL])]
    if found.examples:
        lines[1:1] = [_splits(found)]
    if found.leaks:
        lines.append(_pairs("leaks", found.leaks, "mind", "columns that tell the label", " ", do=LATE))
    return lines


def _numbers(labels: list[float]) -> Line:
    """Of regression."""
    if min(labels) == max(labels):
        return Line("wrong", "labels", f"all of them are {labels[0]:g}; there is nothing to be learned")
    low, middle, high = quantiles(labels, n=4)
    text = f"{min(labels):g} to {max(labels):g}, half of them below {middle:g}"
    # Where half of them are the same number, nothing is far.
    far = [one for one in labels if abs(one - middle) > FAR * ((high - low) or math.inf)]
    if not far:
        return Line("ok", "labels", text)
    shown = ", ".join(f"{one:g}" for one in sorted(far, key=lambda one: -abs(one - middle))[:SHOWN])
    return Line("mind", "labels", f"{text}; {len(far)} far from all others: {shown}")


def _splits(found: Found) -> Line:
    """As a run makes them."""
    told = ", ".join(f"{name} {found.splits[name]:,}" for name in SPLITS)
    return Line("ok" if all(found.splits[name] for name in SPLITS) else "wrong", "splits", told)


def _classes(found: Found, experiment: Experiment) -> list[Line]:
    """What is only to be said of examples that are each of one class."""
    smallest = min(found.classes, key=lambda one: found.classes[one], default="")
    lines = [
        Line("ok" if len(found.classes) > 1 else "wrong", "classes", _counts(found)),
        _pairs("similar", label_names.similar(found.classes), "mind", "of classes with similar names", do=SPELLING),
        _pairs("suspects", found.alike, "mind", "that look the same and have different labels", do="look at them"),
        _pairs("doubtful", found.doubtful, "mind", "labels that the other examples contradict", " ", do="look at them"),
    ]
    single = sum(count == 1 for count in found.classes.values())
    if found.classes and single > len(found.classes) / 2:
        text = f"{single:,} of {len(found.classes):,} classes have one example: is {_label(experiment)} the right one?"
        lines.append(Line("wrong", "few", text))
    elif smallest and found.classes[smallest] < FEW:
        text = f"only {found.classes[smallest]} of {smallest}; give at least {FEW}, or figures mean little"
        lines.append(Line("mind", "few", text))
    unseen = sorted(label for label in found.classes if not found.trained[label])
    if unseen and found.given:
        text = f"no example of {', '.join(unseen[:SHOWN])} is in the train split: no model can know such a class"
        lines.append(Line("wrong", "unseen", text))
    unjudged = sorted(label for label in found.classes if not found.judged[label])
    if unjudged:
        text = f"no example of {', '.join(unjudged[:SHOWN])} is in the test split: nothing is said of how it is told"
        lines.append(Line("mind", "unjudged", text))
    if found.imbalance > UNEQUAL:
        text = f"the largest class is {found.imbalance:.0f} times the smallest: accuracy hides how the small ones do"
        lines.append(Line("mind", "balance", text))
    if found.examples:
        count = max(1, found.splits["test"])
        low, high = intervals.wilson(round(0.9 * count), count, experiment.evaluate.confidence)
        reach = (high - low) / 2
        text = f"{count}: an accuracy of 0.9 will be known to within {reach:.3f}"
        lines.append(Line("ok" if reach < 0.05 else "mind", "test split", text))
    return lines


def _label(experiment: Experiment) -> str:
    """Name the source of the labels."""
    column = experiment.data.model_dump().get("label")
    return f"the column {column!r}" if column else "the folder"


def _gates(found: Found, experiment: Experiment) -> list[Line]:
    """Say what loss of a compressed model the test split can exclude, overall and on the smallest class."""
    judge = experiment.evaluate.resolved(experiment.data.task)
    metric = task.metric(experiment.data.task, judge.metric)
    if metric.most is None or not found.examples:
        return []  # the loss is in units of the float model's own figure
    tested, limit = found.splits["test"], experiment.compress.max_drop + experiment.compress.margin
    least = intervals.needed(limit, judge.confidence, metric.scale(0))

    def excluded(examples: float) -> str:
        narrowest = intervals.narrowest(max(1, round(examples)), judge.confidence)
        return f"about {examples:.0f} exclude a loss of {metric.scale(0) * narrowest:.3f} if no answer differs"

    told = f"a loss of {limit:g} of {metric.name} must be excluded (compress.max_drop + compress.margin)"
    if least is None:
        return [Line("wrong", "gates", f"{told}, which no number of test examples does; do: raise compress.margin")]
    told += f"; of the test examples {excluded(tested)}"
    if tested < least:
        do = "give more test examples, or raise compress.margin"
        return [Line("wrong", "gates", f"{told}: every model would be refused, it takes {least}; do: {do}")]
    smallest = min(found.classes, key=lambda one: found.classes[one], default="")
    if LABEL in (judge.slices or ()) and smallest:
        few = found.classes[smallest] * tested / found.examples
        decided = "" if few >= max(least, judge.min_slice) else ": too few, it will be undecided"
        told += f"; of the smallest slice, label={smallest}, {excluded(few)}{decided}"
    return [Line("ok", "gates", told)]


def _counts(found: Found) -> str:
    if len(found.classes) < 2:
        return f"found {len(found.classes)}; there must be a folder for each of two or more classes"
    shown = ", ".join(f"{label} {count:,}" for label, count in sorted(found.classes.items())[:12])
    return shown + (f" and {len(found.classes) - 12} more" if len(found.classes) > 12 else "")


def _pairs(name: str, pairs: list[tuple[str, str]], kind: str, what: str, between: str = " and ", do: str = "") -> Line:
    if not pairs:
        return Line("ok", name, "none")
    shown = "; ".join(between.join(pair) for pair in pairs[:SHOWN])
    more = f"; and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return Line(kind, name, f"{len(pairs)} {what}: {shown}{more}" + (f"; do: {do}" if do else ""))


def _costs(found: Found, experiment: Experiment, folders: Folders, measure: bool) -> list[Line]:
    """Rough: Beam keeps a split in memory, the Trainer its pixels; artifacts hold raw and preprocessed examples."""
    data = experiment.data.model_dump()
    pixels = found.examples * data.get("height", 0) * data.get("width", 0) * data.get("channels", 0)
    memory = BASE_MEMORY + 3 * found.bytes + 2 * pixels
    disk = BASE_DISK + found.bytes + pixels
    earlier = _earlier(folders)
    ahead = _ahead(found, experiment, measure)
    return [
        Line("ok", "memory", f"about {format.gigabytes(memory)}"),
        Line("ok", "disk", f"about {disk / 1e6:,.0f} MB, until old runs are deleted"),
        Line("ok", "time", earlier or ahead.run),
        Line("ok", "compression", _compression(experiment, ahead.compression)),
    ]


def _compression(experiment: Experiment, takes: str) -> str:
    chains, epochs = experiment.compress.cost()
    search = experiment.compress.search
    limit = f", no chain begun after {search.max_minutes:g} minutes of search" if search else ""
    takes = f", {takes}" if takes else ""
    said = f"{chains} chains, at most {epochs} epochs of fine-tuning{takes}{limit}"
    return f"{said}; training has {experiment.train.epochs}"


def _earlier(folders: Folders) -> str:
    """From earlier runs in which something was trained."""
    runs = results.every(folders.root, [folders.name])
    trained = [run for run in runs if any(node.id == "train" and node.state == "done" for node in run.nodes)]
    took = [run.seconds for run in trained if run.seconds is not None]
    if not took:
        return ""
    return f"about {format.minutes(median(took))}, as {len(took)} earlier run{'s' if len(took) > 1 else ''} took"


def _ahead(found: Found, experiment: Experiment, measure: bool) -> Estimate:
    """By measuring, if that was asked for."""
    if not measure or not found.examples:
        return Estimate("not known: there is no earlier run to judge by; --time measures some training steps")
    return told(experiment, found.examples, list(found.classes))
