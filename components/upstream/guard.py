"""Guards on versions: whether the installed version of a library is one that a patch was tested with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib import metadata


class UpstreamVersionError(RuntimeError):
    """A library is installed in a version with which its private names were not tested."""


@dataclass(frozen=True)
class Library:
    """A library that is patched, or whose private names are used.

    Attributes:
      distribution: its name, as pip has it.
      tested: the versions with which that was tested, as pip writes them, such as "==2.21.*".
    """

    distribution: str
    tested: str

    def is_tested(self) -> bool:
        """Return whether the installed version is one of these."""
        from packaging.specifiers import SpecifierSet

        found = installed(self.distribution)
        return found is not None and SpecifierSet(self.tested).contains(found, prereleases=True)


@cache
def installed(distribution: str) -> str | None:
    """Return the installed version of a distribution; None if there is none of that name."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def applies(library: Library, patch: str, without: str) -> bool:
    """Return whether a patch may be applied; if not, log a warning, once a process.

    Args:
      library: what is patched.
      patch: what it does, for the warning.
      without: what the user notices of its absence, for the warning.
    """
    if library.is_tested():
        return True
    _warn(
        f"{patch}: switched off, since it was tested with {library.distribution}{library.tested} only and "
        f"{installed(library.distribution) or 'no version'} is installed; {without}"
    )
    return False


def require(library: Library, name: str) -> None:
    """Check that a private name may be used.

    Raises:
      UpstreamVersionError: the installed version was not tested.
    """
    if not library.is_tested():
        raise UpstreamVersionError(
            f"{library.distribution}: {installed(library.distribution) or 'no version'} is installed, but modelmill "
            f"uses {name}, which is not part of its public API and was tested with {library.tested} only; "
            f"pip install '{library.distribution}{library.tested}', or take a modelmill for the installed version"
        )


@cache
def _warn(message: str) -> None:
    logging.getLogger(__name__).warning(message)
