"""What the tests of compression share: the little trained model, and the files that it learned from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from modelmill.components import artifacts

if TYPE_CHECKING:
    import tf_keras

    from modelmill.components.models.export import model_store


@pytest.fixture(scope="session")
def files(prepared: SimpleNamespace) -> dict[str, list[str]]:
    """Transformed examples by split."""
    (examples,) = prepared.transform.outputs["transformed_examples"].get()
    splits = ("train", "eval", "test")
    return {split: [str(path) for path in Path(examples.uri, f"Split-{split}").iterdir()] for split in splits}


@pytest.fixture(scope="module")
def learned(trained: Any) -> tuple[model_store.Stored, tf_keras.Model]:
    """The trained model as it is stored; the names of layers begin anew, as in a process of its own."""
    import tf_keras

    from modelmill.components.models.export import model_store as export_model_store

    (model,) = trained.outputs["model"].get()
    tf_keras.backend.clear_session()
    return export_model_store.load(Path(artifacts.rebuild(model.uri)))


@pytest.fixture(scope="module")
def work(trained: Any, files: dict[str, list[str]]) -> dict[str, Any]:
    """What a Bench takes."""
    (model,) = trained.outputs["model"].get()
    seen = {split: files[split] for split in ("train", "eval")}
    return {"rebuild": artifacts.rebuild(model.uri), "files": seen, "augment": {}, "metric": "accuracy", "seed": 0}
