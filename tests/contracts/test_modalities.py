"""One contract for every modality: a folder in data/modalities is tested without an entry here."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from modelmill.data import modality
from modelmill.data.config import DataConfig
from modelmill.data.core import client_imports, plugins
from modelmill.data.policy import Policy
from modelmill.data.spec import LABEL

MODALITIES = plugins.names(modality.PACKAGE)


@pytest.mark.parametrize("name", MODALITIES)
def test_it_keeps_the_base_class_and_is_read_without_tensorflow(name: str) -> None:
    found = modality.look_up(name)
    assert issubclass(found.Config, DataConfig) and issubclass(found.Policy, Policy)
    assert found.Config.model_fields["modality"].default == name
    assert LABEL in found.DESCRIBED and found.INPUT in found.DESCRIBED
    file = plugins.client_file(modality.PACKAGE, name)
    assert file and file.samefile(str(importlib.util.find_spec(found.CLIENT).origin))  # type: ignore[union-attr]
    assert not client_imports.problem(file, plugins.CLIENT_NAMES[modality.PACKAGE])
    required = {field for field, info in found.Config.model_fields.items() if info.is_required()}
    assert found.PLACEHOLDERS.keys() <= found.Config.model_fields.keys() and found.PLACEHOLDERS.keys() <= required
    code = (
        "import sys; from modelmill.data import modality;"
        f"modality.look_up({name!r}); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", MODALITIES)
def test_an_empty_policy_is_valid(name: str) -> None:
    assert modality.look_up(name).Policy().strength == 1


def test_no_two_claim_the_same_files() -> None:
    suffixes = [suffix for name in MODALITIES for suffix in modality.look_up(name).SUFFIXES]
    assert len(suffixes) == len(set(suffixes)) and all(suffix.startswith(".") for suffix in suffixes)
