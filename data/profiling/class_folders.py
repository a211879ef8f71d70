"""What `modelmill new` writes for a folder of files for each class: images, sounds, texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from modelmill.data import modality
from modelmill.data.profiling import profile
from modelmill.data.profiling.draft import Asked, Domain, Draft, NoProjectError
from modelmill.data.profiling.profile import Found
from modelmill.data.readers.labels_csv import BadDataError
from modelmill.data.spec import DEFAULT

# The dense layer of the family cnn.
DENSE = 64
# Sides that pool well; more pixels than the last rarely pay on a small device.
SIDES = (8, 16, 24, 32, 48, 64, 96)
RATES = (8000, 16_000, 22_050, 32_000, 44_100, 48_000)
CHARACTERS_A_TOKEN = 3
BY_FOLDER = "\nsplit: {by: folder}         # train, eval and test are folders of the data\n"
CHAINS = """\
  chains:
    - [dynamic_range]
    - [int8]
    - [{prune: {sparsity: 0.5}}, int8]"""


@dataclass(frozen=True)
class Kind:
    """What is written for a modality.

    Attributes:
      family: of the model, if none is asked for.
      files: what people have to put into the folders.
      required: values of `data` that reading needs, whatever they are.
      features: of raw examples, for the schema: "bytes", "int" or "float".
      data: the lines of the section, without its head.
      augment: the section.
      model: the lines behind `family`, if it is the one above.
    """

    family: str
    files: str
    required: dict[str, int]
    features: dict[str, str]
    data: Callable[[Found], str]
    augment: str
    model: Callable[[Found, Asked], str]


def draft(asked: Asked) -> Draft:
    """Looks at the folders of classes. Raises NoProjectError."""
    kind = KINDS[asked.kind]
    what = f"put the {kind.files} of each class into a folder of its own"
    if asked.label is not None or asked.task not in (None, DEFAULT):
        raise NoProjectError(f"--modality {asked.kind}: its classes are its folders; leave out --label and --task")
    if not asked.data.is_dir():
        raise NoProjectError(f"--data {asked.data}: it is no folder; {what}")
    config = modality.look_up(asked.kind).Config.model_validate({"path": str(asked.data), **kind.required})
    try:
        found = profile.look(asked.data, config, asked.split)
    except BadDataError as error:
        raise NoProjectError(f"--data {asked.data}: {error}; {what}") from error
    if len(found.classes) < 2:
        told = f"found {found.examples} examples in {len(found.classes)} folders"
        raise NoProjectError(f"--data {asked.data}: {told}; {what}")
    family = asked.family or kind.family
    return Draft(
        config,
        found,
        {name: Domain(one) for name, one in kind.features.items()},
        data=kind.data(found),
        augment=kind.augment,
        model=(kind.model(found, asked) if family == kind.family else "") + "  dropout: 0.3\n",
        chains=CHAINS,
        family=family,
        split=BY_FOLDER if asked.split.by == "folder" else "",
    )


def side(found: Found) -> int:
    """Of the model's images."""
    tall, wide = median(found.numbers["height"]), median(found.numbers["width"])
    return max((one for one in SIDES if one <= max(tall, wide)), default=SIDES[0])


def channels(found: Found) -> int:
    """1 if all images are grey, with or without transparency."""
    return 1 if set(found.numbers["channels"]) <= {1, 2} else 3


def _image_data(found: Found) -> str:
    tall, wide = int(median(found.numbers["height"])), int(median(found.numbers["width"]))
    told = "all images are grey" if channels(found) == 1 else "there are colours"
    return f"""\
  height: {side(found)}                # the middle image is {tall} x {wide}
  width: {side(found)}
  channels: {channels(found)}               # {told}"""


def _image_model(found: Found, asked: Asked) -> str:
    filters = cnn_filters(side(found), channels(found), asked)
    return f"  filters: {filters}          # of each block; every block halves the {side(found)} pixels\n"


def cnn_filters(side: int, channels: int, asked: Asked) -> list[int]:
    """Of each block of a CNN: the widest whose int8 weights fit into the budget, roughly."""
    blocks = max(1, min(4, int(math.log2(side)) - 2))
    filters: list[int] = []
    for width in (32, 24, 16, 12, 8, 6, 4):
        filters = [min(width * 2**block, 4 * width) for block in range(blocks)]
        kernels = sum(9 * before * after for before, after in zip([channels, *filters], filters, strict=False))
        if asked.fits(kernels + (side // 2**blocks) ** 2 * filters[-1] * DENSE):
            break
    return filters


def _audio_data(found: Found) -> str:
    lengths, rates = found.numbers["seconds"], found.numbers["rate"]
    most = quantiles(lengths, n=10)[8] if len(lengths) > 1 else lengths[0]
    seconds = min(60.0, max(0.1, round(most, 1)))
    rate = max((one for one in RATES[:2] if one <= median(rates)), default=RATES[0])
    return f"""\
  sample_rate: {rate}        # the files have {min(rates):,.0f} to {max(rates):,.0f}; more than 16,000 rarely pays
  seconds: {seconds:g}                # nine of ten files are no longer; the middle is {median(lengths):.2f} s
  max_seconds: {max(60, math.ceil(max(lengths)))}"""


def _audio_model(found: Found, asked: Asked) -> str:
    width = next((one for one in (64, 48, 32, 24, 16) if asked.fits(5 * one * (40 + 3 * one))), 12)
    return f"  filters: {[width] * 4}    # of each block, over the frames of a spectrum\n"


def _text_data(found: Found) -> str:
    lengths = found.numbers["characters"]
    most = quantiles(lengths, n=10)[8] if len(lengths) > 1 else lengths[0]
    tokens = max(16, min(512, 8 * math.ceil(most / CHARACTERS_A_TOKEN / 8)))
    return f"""\
  length: {tokens}               # tokens: nine of ten texts have no more than {most:,.0f} characters
  tokenizer: {{vocabulary: {_vocabulary(found)}}}   # pieces of words, learned from the train split"""


def _vocabulary(found: Found) -> int:
    """Of so many pieces a small text gives each a few examples."""
    return max(200, min(8000, 100 * math.ceil(sum(found.numbers["characters"]) / 200 / 100)))


def _text_model(found: Found, asked: Asked) -> str:
    width = next((one for one in (64, 32, 16) if asked.fits(_vocabulary(found) * one + 12 * one * one)), 16)
    return f"  width: {width}\n  depth: 1\n  heads: 4\n  hidden: {2 * width}\n"


KINDS = {
    "image": Kind(
        "cnn",
        "PNG or JPEG files",
        {"height": 1, "width": 1},
        {"image": "bytes", "height": "int", "width": "int"},
        _image_data,
        """\
augment:
  # careful ranges; mirrored digits and letters would be others, so nothing is mirrored
  rotation: 10
  scale: 0.1
  crop: 0.1
  brightness: 0.1
  contrast: 0.2""",
        _image_model,
    ),
    "audio": Kind(
        "conv1d",
        "WAV, FLAC or OGG files",
        {},
        {"audio": "bytes", "seconds": "float", "rate": "int", "channels": "int"},
        _audio_data,
        "augment:\n  gain: 6                   # decibels, louder or softer",
        _audio_model,
    ),
    "text": Kind(
        "transformer_encoder",
        "text files",
        {},
        {"text": "bytes", "characters": "int"},
        _text_data,
        "augment:\n  deletion: 0.05            # shares of the words\n  swap: 0.05",
        _text_model,
    ),
}
