"""What the page of a run says and holds, without a browser."""

from __future__ import annotations

import io
import json
import re
import shutil
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from modelmill.data import modality
from modelmill.data.core import format, stats
from modelmill.pipeline.cli import app as cli
from modelmill.pipeline.records import find, mlmd
from modelmill.pipeline.report import compare, page
from modelmill.pipeline.report.examples import thumbnails
from modelmill.pipeline.report.parts import compression, lineage
from tests.pipeline import story

PARTS = ("verdict", "data", "training", "quality", "compression", "lineage", "card")


class Reader(HTMLParser):
    """Collects elements and their attributes; script and style count as elements too."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("told")


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    return story.tell(root)


@pytest.fixture(scope="module")
def made(run: Path) -> Path:
    return page.write(run)


def text(path: Path) -> str:
    """Without the scripts, styles and marks."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", bare).split())


def test_its_policy_allows_what_is_on_the_page_and_nothing_from_elsewhere(made: Path) -> None:
    (policy,) = [one["content"] for one in Reader(made).all("meta") if one.get("http-equiv")]
    assert dict(part.split(maxsplit=1) for part in str(policy).split(";")) == {
        "default-src": "'none'",
        "img-src": "data:",
        "media-src": "data:",  # the players of sounds
        "style-src": "'unsafe-inline'",
        "script-src": "'unsafe-inline' 'unsafe-eval'",
    }


def test_it_has_every_part_and_says_what_came_out(made: Path, run: Path) -> None:
    assert made == run / "report.html"
    reader = Reader(made)
    assert [one.get("id") for one in reader.all("section")] == list(PARTS)
    said = text(made)
    assert "Pushed" in said and "5.0 × smaller gzipped" in said
    assert "Stopped after epoch 6 of 8" in said
    assert "72 examples a second" in said  # 36 examples in half a second
    assert "Telling pets apart" in said
    assert "unexpected" in said
    assert "The largest is 0.250; 1 is more than the experiment allows: 0 refused, 1 let pass with a warning." in said
    assert "eval label 0.0625 told" in said
    assert "logits 3 × 64 8 bits annotated 50% 768 bytes 192 bytes" in said
    charts = [one for one in reader.all("div") if "plot" in (one.get("class") or "")]
    assert len(charts) == 13
    assert all(one["aria-label"] for one in charts)
    assert all(one.get("alt") for one in reader.all("img"))


def test_it_stands_alone_and_is_small(made: Path) -> None:
    assert made.stat().st_size < page.MOST_BYTES
    reader = Reader(made)
    sources = [one.get("src") or "" for one in reader.all("img")]
    assert len(sources) >= 40 and all(source.startswith("data:image/") for source in sources)
    assert not any(one.get("src") for one in reader.all("script"))
    assert [one["href"] for one in reader.all("link")] == ["data:,"]
    assert all((one["href"] or "").startswith("#") for one in reader.all("a"))


def test_names_from_data_are_text(made: Path) -> None:
    reader = Reader(made)
    assert not any("onerror" in one for one in reader.all("img"))
    # The library, the page's own script, and one block of JSON for each chart.
    assert [one.get("type") for one in reader.all("script")].count(None) == 2
    assert story.HOSTILE not in made.read_text(encoding="utf-8")
    assert "&lt;script&gt;document.title=" in made.read_text(encoding="utf-8")


def test_what_did_not_change_is_not_made_again(made: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made.read_text(encoding="utf-8")

    def never(_: object) -> None:
        raise AssertionError("the artifacts were read again")

    monkeypatch.setattr(page, "KEPT", dict.fromkeys(page.KEPT, never))
    assert page.write(run).read_text(encoding="utf-8") == before


def test_the_gates_tell_what_is_undecided(made: Path) -> None:
    said = text(made)
    assert "Of 5 conditions, those of single slices among them: 4 passed, 1 undecided, 0 refused." in said
    assert "4 of single slices or splits: 3 passed, 1 undecided, 0 refused" in said
    assert "undecided , 6 examples are too few" in said


def test_a_refused_run_names_the_gate(root: Path) -> None:
    said = text(page.write(story.tell(root, "20260101-130000", status="refused")))
    assert "Refused" in said and "the gate threshold refused" in said and "too low" in said


@pytest.mark.parametrize("left", ["summary.json", "experiment.yaml", ""])
def test_a_run_that_left_little_has_a_page_too(tmp_path: Path, left: str) -> None:
    folder = tmp_path / "photos" / "20260101-120000"
    folder.mkdir(parents=True)
    if left == "summary.json":
        failed = {"experiment": "photos", "run_id": folder.name, "seconds": 1, "status": "failed"}
        failed["failure"] = {"node": "ingest", "reason": "no image <b>"}
        (folder / left).write_text(json.dumps(failed))
    elif left:
        (folder / left).write_text("name: photos\n")
    said = text(page.write(folder))
    assert "Nothing was trained." in said
    assert ("no image &lt;b&gt;" in said) == (left == "summary.json")


def test_artifacts_are_found_after_a_move_and_without_metadata(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run.parent, tmp_path / "photos")
    moved = mlmd.read(tmp_path / "photos" / run.name)
    assert moved.json("train", "model_run", "history.json")
    (tmp_path / "photos" / "metadata.sqlite").unlink()
    link = tmp_path / "photos" / run.name / "links" / "train" / "model_run"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "photos" / "artifacts" / run.name / "train" / "model_run")
    assert mlmd.read(tmp_path / "photos" / run.name).json("train", "model_run", "history.json")


def test_lineage_knows_who_made_what(run: Path) -> None:
    told = mlmd.read(run)
    assert told.nodes["transform"].inputs["examples"][0].made_by == "ingest"
    graph = lineage.make(told)["graph"]
    assert [(arc["from"], arc["to"]) for arc in graph["arcs"]] == [("ingest", "transform")]


def test_two_runs_side_by_side(root: Path, run: Path, tmp_path: Path) -> None:
    worse = story.tell(root, "20260101-140000", skill=0.4, seed=7)
    said = text(compare.write([run, worse], tmp_path))
    assert "run.seed 0 7" in said
    assert "on 36 shared test examples" in said and "that is more than chance" in said
    same = text(compare.write([run, run], tmp_path))
    assert "there is no telling which is better" in same and "the experiments are the same" in same


def test_the_command(root: Path, run: Path, tmp_path: Path) -> None:
    def report(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, ["report", "--root", str(root), *map(str, words)])
        return done.exit_code, done.output

    assert report(story.RUN, "-o", tmp_path) == (0, f"{tmp_path / 'report.html'}\n")
    assert report("photos", "-o", tmp_path)[0] == 0
    code, said = report("photo")
    assert code == 2 and "did you mean photos" in said
    code, said = report(story.RUN, "photos")
    assert code == 2 and "--compare" in said
    assert report("--compare", story.RUN)[0] == 2
    assert report("--latest", story.RUN)[0] == 2


def test_the_report_of_a_project_is_that_of_its_newest_run(
    root: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "my-pets"
    project.mkdir()
    (project / "experiment.yaml").write_text("name: photos\n")
    newest = find.run(root, "photos")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["report", "my-pets", "--root", str(root)])
    assert (done.exit_code, done.stdout) == (0, f"{newest / 'report.html'}\n"), done.output
    said = text(newest / "report.html")
    right = json.loads((newest / "summary.json").read_text())["compressed"]["metrics"]["accuracy"]
    assert f"accuracy (test split) {right:.4f}" in said and "Nothing was trained" not in said
    assert [path.name for path in project.iterdir()] == ["experiment.yaml"]


def test_the_newest_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(find.NoRunError, match="no runs"):
        find.run(tmp_path)
    for name in ("one/20260101-000000", "two/20260301-000000", "one/20260201-000000"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "experiment.yaml").touch()
    assert find.run(tmp_path).parts[-2:] == ("two", "20260301-000000")
    assert find.run(tmp_path, "one").parts[-2:] == ("one", "20260201-000000")
    assert find.run(tmp_path, "one/20260101-000000").name == "20260101-000000"
    assert find.run(tmp_path, str(tmp_path / "one" / "20260101-000000")).name == "20260101-000000"


def test_the_front_keeps_what_nothing_beats() -> None:
    rows = [{"x": x, "quality": y} for x, y in ((1, 0.5), (2, 0.4), (3, 0.7), (3, 0.6), (4, 0.7))]
    assert [(row["x"], row["quality"]) for row in compression.front(rows, "x")] == [(1, 0.5), (3, 0.7)]


def test_statistics_by_hand() -> None:
    one, other = np.array([1, 1, 1, 1, 1, 1, 0], bool), np.array([0, 0, 0, 0, 0, 0, 0], bool)
    assert stats.mcnemar(one, other) == (6, 0, pytest.approx(2 / 64))


def test_words() -> None:
    assert [format.size(one) for one in (None, 12, 1500, 39210, 2_500_000)] == [
        "–",
        "12 bytes",
        "1.5 kB",
        "39.2 kB",
        "2.5 MB",
    ]
    assert (format.megabytes(1_234_560_000), format.gigabytes(1_234_560_000)) == ("1,234.6 MB", "1.2 GB")
    assert (format.exact_size(None), format.exact_size(39210)) == ("–", "39,210 bytes")
    assert (format.share(None), format.share(0.126), format.share(0.126, 1)) == ("–", "13%", "12.6%")
    assert (format.minutes(90), format.with_interval(0.9, 0.8, 1)) == ("1.5 minutes", "0.9000 (0.800 to 1.000)")
    assert format.times(100, 50) == "2.0\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}smaller"
    assert sorted(["10", "9", "a2", "a10", "b"], key=format.natural) == ["9", "10", "a2", "a10", "b"]
    assert format.several(["a", "b", "c"]) == "a, b and c"


def test_pictures_are_small_and_broken_ones_are_left_out() -> None:
    big = thumbnails.pixels(np.random.default_rng(0).integers(0, 256, (600, 400, 3), dtype=np.uint8))
    assert big.startswith("data:image/jpeg") and len(big) < 20_000
    assert thumbnails.encoded(b"no image") is None


def test_a_fetched_run_of_a_cluster_has_its_page(tmp_path: Path) -> None:
    """KFP leaves RUN/TASK/KEY, newer versions RUN/TASK/UUID/KEY, Vertex RUN/TASK_NUMBER/KEY; no metadata store."""
    told = story.tell(tmp_path / "there")
    source = tmp_path / "fetched" / "7d0a"
    shutil.copytree(told.parent / "artifacts" / told.name, source)
    (source / "train").rename(source / "train_-4711")
    (source / "compress" / "0b9c6f1e-0000-4000-8000-0123456789ab").mkdir()
    for key in ("model", "report"):
        (source / "compress" / key).rename(source / "compress" / "0b9c6f1e-0000-4000-8000-0123456789ab" / key)
    command = ["report", str(source), "--experiment", "digits-cnn", "--root", str(tmp_path / "runs")]
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0, done.output
    made = Path(done.stdout.strip())
    assert made.parent.parent == tmp_path / "runs" / "digits-cnn"
    said = text(made)
    for words_ in ("Stopped after epoch 6 of", "36 examples of the test split", "prune + int8", "Worst mistakes"):
        assert words_ in said
    wrong = CliRunner().invoke(cli.app, [*command[:1], str(tmp_path), *command[2:]])
    assert wrong.exit_code == 2 and "no folder of a run" in wrong.output


def test_no_attribute_is_escaped(made: Path) -> None:
    outside = re.sub(r"<script.*?</script>", "", made.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"<\w+[^>]* (class|alt|title|href)=&", outside)
    assert '<table class="words">' in outside and '<li class="chosen">' in outside


def test_palettes_with_transparency_are_shown_without_a_warning_for_each() -> None:
    image, content = Image.new("P", (4, 4)), io.BytesIO()
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(content, "PNG", transparency=bytes([128, 255]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert thumbnails.encoded(content.getvalue())
        assert modality.look_up("image").fingerprint({"image": content.getvalue()})
