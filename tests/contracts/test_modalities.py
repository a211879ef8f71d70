"""One contract for every modality: a file in data/modalities is tested without an entry here."""

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
OFFERED = (
    *("examples", "preprocess", "spec", "features", "from_transformed", "augment", "mix", "encode", "decode", "show"),
    *("filename", "client_config"),
)


@pytest.mark.parametrize("name", MODALITIES)
def test_it_offers_all_of_the_protocol_and_is_read_without_tensorflow(name: str) -> None:
    module = modality.look_up(name)
    assert all(callable(getattr(module, function)) for function in OFFERED)
    assert issubclass(module.Config, DataConfig) and issubclass(module.Policy, Policy)
    assert module.Config.model_fields["modality"].default == name
    assert LABEL in module.DESCRIBED and module.INPUT in module.DESCRIBED
    file = plugins.client_file(modality.PACKAGE, name)
    assert file and file.samefile(str(importlib.import_module(module.CLIENT).__file__))
    assert not client_imports.problem(file, plugins.CLIENT_NAMES[modality.PACKAGE])
    code = f"import sys, modelmill.data.modalities.{name}.modality; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", MODALITIES)
def test_an_empty_policy_is_valid(name: str) -> None:
    assert modality.look_up(name).Policy().strength == 1
