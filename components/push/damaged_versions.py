"""What a push says of damaged bundles, which it refuses, and of damaged versions, which it leaves as they are."""

from __future__ import annotations

from pathlib import Path

from modelmill.components import integrity
from modelmill.data.core import progress

REMEDY = (
    "nothing was pushed. Something has changed these files since the load check: look at the disk and at what else "
    "writes there, then have the bundle made and checked again, by `modelmill run EXPERIMENT --from check`"
)


def refuse(bundle: Path, content: bytes, expected: bytes | None = None) -> dict[str, str]:
    """Return the digests that a bundle's manifest lists, if its files have them.

    Args:
      bundle: its folder.
      content: of its manifest.
      expected: what that should be, if it is known.

    Raises:
      DamagedError: a file is missing or has another content.
    """
    try:
        digests = integrity.parse(content, str(bundle))
    except integrity.DamagedError as error:
        raise integrity.DamagedError(f"{error}; {REMEDY}") from error
    damaged = integrity.damages(str(bundle), digests)
    if expected is not None and content != expected:
        damaged.insert(0, "the copy's manifest is not the bundle's")
    if damaged:
        raise integrity.DamagedError(f"damaged: {integrity.summary(damaged)}; in {bundle}; {REMEDY}")
    return digests


def warn(version: str, damaged: list[str]) -> None:
    """Tell that a version stands there damaged."""
    progress.note(
        f"warning: {version} holds this model, but damaged: {integrity.summary(damaged)}. It was left as it is, and "
        "the model gets the next number; move the damaged version away when nothing serves it any more"
    )
