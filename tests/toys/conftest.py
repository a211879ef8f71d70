"""Fixtures of the tests of toys; chain.py says how to add one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelmill.data.core import plugins
from tests.toys import chain

Toys = Callable[[str, Callable[[Path], None]], Iterator[chain.Chain]]


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """Gives a function for the fixture of a toy: it runs the chain, and forgets the plug-ins in the end."""

    def run(name: str, write: Callable[[Path], None]) -> Iterator[chain.Chain]:
        plugins.use(chain.HERE / name)
        yield chain.run(name, write, tmp_path_factory.mktemp(name))
        plugins.forget(chain.HERE / name)

    return run
