"""What `modelmill new` writes for a folder of files for each class; the modality says what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelmill.data import modality
from modelmill.data.profiling import profile
from modelmill.data.profiling.draft import Asked, Domain, Draft, NoProjectError
from modelmill.data.profiling.profile import Found
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.spec import DEFAULT

BY_FOLDER = "\nsplit: {by: folder}         # train, eval and test are folders of the data\n"
CHAINS = """\
  chains:
    - [dynamic_range]
    - [int8]
    - [{prune: {sparsity: 0.5}}, int8]"""


@dataclass(frozen=True)
class Writer:
    """What is written for a modality.

    Attributes:
      family: of the model, if none is asked for.
      files: what people have to put into the folders.
      features: of raw examples, for the schema: "bytes", "int" or "float".
      data: the lines of the section, without its head.
      augment: the section.
      model: the lines behind `family`, if it is the one above.
    """

    family: str
    files: str
    features: dict[str, str]
    data: Callable[[Found], str]
    augment: str
    model: Callable[[Found, Asked], str]


def draft(asked: Asked, writer: Writer) -> Draft:
    """Draft an experiment of folders of classes. Raises NoProjectError."""
    what = f"put the {writer.files} of each class into a folder of its own"
    if asked.label is not None or asked.task not in (None, DEFAULT):
        raise NoProjectError(f"--modality {asked.kind}: its classes are its folders; leave out --label and --task")
    if not asked.data.is_dir():
        raise NoProjectError(f"--data {asked.data}: it is no folder; {what}")
    plug_in = modality.look_up(asked.kind)
    config = plug_in.Config.model_validate({"path": str(asked.data), **plug_in.PLACEHOLDERS})
    try:
        found = profile.look(asked.data, config, asked.split)
    except BadDataError as error:
        raise NoProjectError(f"--data {asked.data}: {error}; {what}") from error
    if len(found.classes) < 2:
        told = f"found {found.examples} examples in {len(found.classes)} folders"
        raise NoProjectError(f"--data {asked.data}: {told}; {what}")
    family = asked.family or writer.family
    return Draft(
        config,
        found,
        {name: Domain(one) for name, one in writer.features.items()},
        data=writer.data(found),
        augment=writer.augment,
        model=(writer.model(found, asked) if family == writer.family else "") + "  dropout: 0.3\n",
        chains=CHAINS,
        family=family,
        split=BY_FOLDER if asked.split.by == "folder" else "",
    )
