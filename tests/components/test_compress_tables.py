"""Tables of embeddings get few bits, a scale for each row, and answers stay near."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modelmill.components.compress.ptq import embedding_lookup
from modelmill.components.compress.ptq.quantizer import Quantizer
from modelmill.components.models import family
from modelmill.components.models.export import saved_model
from modelmill.components.models.flatbuffer import analyze
from modelmill.components.testing.specs import make_spec
from tests.contracts.problems import PROBLEMS, SMALL

IDS = 1500


def kernels(content: bytes, folder: Path) -> list[analyze.Kernel]:
    (folder / "model.tflite").write_bytes(content)
    return analyze.read(folder / "model.tflite").kernels


@pytest.fixture(scope="module", params=["transformer_encoder", "bert"])
def encoder(request: pytest.FixtureRequest) -> tuple[bytes, list[np.ndarray]]:
    """The float32 flatbuffer of a small encoder, most of whose weights are the table, and texts of its ids."""
    name, random = request.param, np.random.default_rng(0)
    spec = make_spec("text", (12,), "int32", ("a", "b", "c"), {"vocabulary": IDS}, role="tokens")
    config = family.look_up(name).Config.model_validate({"family": name, **SMALL[name], "width": 32})
    model = family.build(config, spec)
    table = model.get_layer("embedding")
    # As in a trained one, some rows are far larger than others.
    table.set_weights([random.normal(0, 0.02 + random.exponential(0.3, (IDS, 1)), (IDS, 32)).astype(np.float32)])
    ids = random.integers(5, IDS, (40, 12)).astype(np.int32)
    ids[:, 8:] *= random.integers(0, 2, (40, 1)).astype(np.int32)
    return bytes(saved_model.converter(model, spec).convert()), list(ids)


def test_a_lookup_gives_the_rows_that_gathering_gives(encoder: tuple[bytes, list[np.ndarray]], tmp_path: Path) -> None:
    content, ids = encoder
    changed = embedding_lookup.looked_up(content)
    assert {one.operator for one in kernels(content, tmp_path)} == {"GATHER", "FULLY_CONNECTED"}
    assert {one.operator for one in kernels(changed, tmp_path)} == {"EMBEDDING_LOOKUP", "FULLY_CONNECTED"}
    assert Quantizer(content, ids).error(changed) == 0
    assert embedding_lookup.looked_up(changed) == changed


def test_a_table_has_four_bits_or_eight_if_four_harm(encoder: tuple[bytes, list[np.ndarray]], tmp_path: Path) -> None:
    content, ids = encoder
    made = Quantizer(content, ids)
    (table,) = (one for one in kernels(content, tmp_path) if one.operator == "GATHER")
    four = made.quantize("int4_weights")
    (small,) = (one for one in kernels(four, tmp_path) if one.operator == "EMBEDDING_LOOKUP")
    assert (small.bits, small.bytes) == (4, table.bytes // 8) and len(four) < len(content) / 3
    (name,) = (one for one in made.operators if "embedding" in one)
    others = [one for one in made.operators if one != name]
    alone = {kind: made.error(made.quantize(kind, others)) for kind in ("int4_weights", "int8_weights")}
    assert alone["int8_weights"] < 0.02 < alone["int4_weights"] < 0.2
    # As the method int4 does it: what harms most gets eight bits, and is told.
    result = made.sparing("int4_weights", min(made.error(four), alone["int4_weights"]) / 2, "int8_weights")
    (spared,) = (one for one in kernels(result.content, tmp_path) if one.operator == "EMBEDDING_LOOKUP")
    assert spared.bits == 8 and name in [one.operator for one in result.spared]
    assert made.error(result.content) == result.error < alone["int4_weights"]


def test_what_has_no_kernel_of_four_bits_gets_eight(tmp_path: Path) -> None:
    problem = PROBLEMS["audio"]()
    config = family.look_up("conv1d").Config.model_validate({"filters": (8, 8), "separable": True})
    content = bytes(saved_model.converter(family.build(config, problem.spec), problem.spec).convert())
    made = Quantizer(content, list(problem.raw)).quantize("int4_weights")
    bits = {one.operator: one.bits for one in kernels(made, tmp_path)}
    assert bits == {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 8, "FULLY_CONNECTED": 4}
