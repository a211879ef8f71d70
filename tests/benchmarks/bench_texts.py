"""The tables of docs/benchmarks.md: texts by their source, beside a tuned TF-IDF logistic regression.

make bench ARGS='-k texts'
make bench ARGS='-k tweets'                             # of one set of texts
TEXTS_ROOT=runs TEXTS_SEEDS=0,1,2 make bench ARGS='-k texts'  # takes what has been run there, in a folder for each seed
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

# Of each set of texts: what learns it from scratch, and what is fine-tuned if anything is.
EXPERIMENTS = {"tweets": ["tweets-transformer"], "news": ["news-transformer", "news-bert"]}
SEEDS = [int(seed) for seed in os.environ.get("TEXTS_SEEDS", "0").split(",")]
# Words; words and punctuation, and pairs of them; runs of characters within words.
GRAMS = [
    {"analyzer": "word", "ngram_range": (1, 1)},
    {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"},
    {"analyzer": "char_wb", "ngram_range": (2, 4)},
    {"analyzer": "char_wb", "ngram_range": (2, 5)},
]
PENALTIES = (1, 3, 10, 30)
SPLITS = ("train", "eval", "test")


def run(name: str, root: Path, seed: int, *more: str) -> Path:
    """Runs an experiment, of its own root, and gives the run's links to artifacts."""
    root = root / str(seed)
    sets = ["--set", f"run.seed={seed}", *more]
    done = subprocess.run(
        [sys.executable, "-m", "modelmill", "run", name, "--root", str(root), *sets],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stdout
    return root / name / "latest" / "links"


def texts(links: Path, split: str) -> tuple[list[str], list[str]]:
    """What an experiment reads: its texts and their labels."""
    files = [str(path) for path in (links / "ingest" / "examples" / f"Split-{split}").iterdir()]
    records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    found = [tf.train.Example.FromString(record).features.feature for record in records]
    read, labels = ([one[key].bytes_list.value[0].decode() for one in found] for key in ("text", "label"))
    return read, labels


def tfidf(links: Path) -> tuple[float, str]:
    """Accuracy on the test split of what is best on the eval split, and what that is."""
    read = {split: texts(links, split) for split in SPLITS}
    best = (0.0, 0.0, "")
    for grams, lower in itertools.product(GRAMS, (True, False)):
        vectors = TfidfVectorizer(**grams, sublinear_tf=True, min_df=2, lowercase=lower, dtype=np.float32)
        vectors.fit(read["train"][0])
        features = {split: vectors.transform(read[split][0]) for split in SPLITS}
        for penalty in PENALTIES:
            one = LogisticRegression(C=penalty, solver="liblinear", dual=True)
            model = OneVsRestClassifier(one).fit(features["train"], read["train"][1])
            on_eval, on_test = (float(model.score(features[split], read[split][1])) for split in ("eval", "test"))
            told = f"{grams['analyzer']} {grams['ngram_range']}, C {penalty}, {'lower case' if lower else 'as written'}"
            print(f"  {told}: eval {on_eval:.4f}, test {on_test:.4f}", flush=True)
            best = max(best, (on_eval, on_test, told))
    return best[1], best[2]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_texts(name: str, tmp_path: Path) -> None:
    """Many texts are learned from scratch as well as by TF-IDF; of few, only what was trained before learns more."""
    root = Path(os.environ.get("TEXTS_ROOT", tmp_path)).resolve()
    scratch, *fine_tuned = EXPERIMENTS[name]
    links = run(scratch, root, SEEDS[0], "--to", "ingest")
    baseline, chosen = tfidf(links)
    print(f"\nTF-IDF, logistic regression ({chosen}): {baseline:.4f}")
    means = {}
    for experiment in EXPERIMENTS[name]:
        found = [
            json.loads((run(experiment, root, seed) / "evaluate-compressed/evaluation/metrics.json").read_text())
            for seed in SEEDS
        ]
        for which in ("float", "compressed"):
            values = [one[which]["accuracy"] for one in found]
            means[experiment, which] = float(np.mean(values))
            told = ", ".join(f"{value:.4f}" for value in values)
            print(f"{experiment}, {which}: mean {np.mean(values):.4f} of seeds {SEEDS}: {told}")
    if fine_tuned:
        assert means[fine_tuned[0], "float"] > max(baseline, means[scratch, "float"])
    else:
        assert means[scratch, "float"] >= baseline - 0.02
