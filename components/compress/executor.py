"""What the Compressor does: tries every chain, searches for more if asked to, chooses the best within the budget."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from modelmill.components.artifacts import FLATBUFFER, PACE_FILE, TRIAL_FILE, TRIALS_FILE
from modelmill.components.compress import chain as compress_chain
from modelmill.components.compress import selection
from modelmill.components.compress.config import CompressConfig
from modelmill.components.compress.search import search
from modelmill.components.compress.trials import main as trial
from modelmill.components.compress.trials import store
from modelmill.data.core import progress, subprocess_job

# Lists the trials that were put back into the checkpoints.
RESTORED = "restored.json"


def compress(work: dict[str, Any], config: CompressConfig, checkpoints: Path, model: Path, report: Path) -> None:
    """Tries the chains and writes the chosen flatbuffer and the report of all.

    Args:
      work: what every trial gets: rebuild, files, augment, seed, code.
      config: the chains, the search and the budget.
      checkpoints: a folder that outlives a killed run; finished trials are taken from there.
      model: folder of the CompressedModel.
      report: folder of the CompressionReport.

    Raises:
      RuntimeError: every chain failed.
      MachineError: the machine has ended a trial twice, which says nothing of its chain.
    """
    store.forget(checkpoints)
    chains: list[list[dict[str, Any]]] = [[], *(list(chain) for chain in config.chains)]
    folders = [store.folder(checkpoints, work, chain) for chain in chains]
    restored = _as_restored(checkpoints, folders)
    count, epochs = config.cost()
    progress.note(f"{count} chains, at most {epochs} epochs of fine-tuning in all{_takes(work, config)}")
    trials = _try(work, chains, folders, count + 1, again=not restored, workers=config.workers)
    searched: dict[str, Any] = {}
    if config.search:
        place, searched = _search(work, config, checkpoints, folders)
        # Of chains that were tried already the search has only taken the results.
        found = [one for one in searched["chains"] if checkpoints / one["folder"] not in folders]
        folders += [checkpoints / one["folder"] for one in found]
        trials += [_result(one["chain"], checkpoints / one["folder"]) for one in found]
    progress.bar(store.TRIALS, len(folders), len(folders))
    float32, *trials = trials
    chosen = _judge(trials, float32, config)
    for number, folder in enumerate(folders):
        if (folder / FLATBUFFER).exists():
            shutil.copytree(folder, report / store.TRIALS / str(number), dirs_exist_ok=True)
    content = {
        "float": float32,
        "trials": trials,
        "chosen": chosen,
        "within_budget": trials[chosen]["within_budget"],
        "candidates": selection.candidates(trials),
        "pareto": selection.pareto(trials, config.search.objectives if config.search else ("gzip_bytes", "metric")),
        "folders": [folder.name for folder in folders],
        "search": {**searched, "folder": place.name} if config.search else None,
    }
    store.write(report / TRIALS_FILE, content)
    model.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folders[chosen + 1] / FLATBUFFER, model / FLATBUFFER)
    store.write(model / TRIAL_FILE, trials[chosen])
    for folder in [*folders, *([place] if config.search else [])]:
        shutil.rmtree(folder, ignore_errors=True)


def _takes(work: dict[str, Any], config: CompressConfig) -> str:
    """By what an epoch took to train, if the Trainer has told."""
    pace = store.read(Path(work["rebuild"], PACE_FILE))
    if not pace:
        return ""
    epoch = pace["seconds_per_epoch"]
    return f": roughly {config.seconds(epoch) / 60:.1f} minutes, by the {epoch:.2f} s of an epoch of training"


def _as_restored(checkpoints: Path, folders: list[Path]) -> bool:
    """Where a run's trials were put back, to take another one of them, no other is made.

    Raises:
      RuntimeError: they are those of another model or of other settings.
    """
    note = checkpoints / RESTORED
    if not note.exists():
        return False
    names = store.read(note)
    note.unlink()
    if not {folder.name for folder in folders} <= set(names):
        raise RuntimeError(
            "these are not the trials of this model: since that run data, code or settings have changed; "
            "`modelmill run` tries the chains again"
        )
    return True


def _judge(trials: list[dict[str, Any]], float32: dict[str, Any], config: CompressConfig) -> int:
    """Marks what is within the budget; the chosen one, and a word if that is not."""
    for tried in trials:
        tried["over"] = selection.over(tried, float32, config)
        tried["within_budget"] = tried["status"] == "ok" and not tried["over"]
    chosen = selection.choose(trials, float32, config)
    if not trials[chosen]["within_budget"]:
        nearest = trials[chosen]
        progress.note(f"no chain is within the budget; the nearest is {nearest['label']}: {'; '.join(nearest['over'])}")
    return chosen


def _search(
    work: dict[str, Any], config: CompressConfig, checkpoints: Path, folders: list[Path]
) -> tuple[Path, dict[str, Any]]:
    """Searches in a child; where it dies, another one goes on. Its folder, what was found.

    The trial of which it died has failed; if the machine has ended it, it is tried once more.

    Raises:
      RuntimeError: it died without a trial.
      MachineError: the machine has ended a trial twice.
    """
    assert config.search is not None
    place = checkpoints / f"search-{search.digest([work, config.search.model_dump(mode='json')])}"
    job = {
        "work": work,
        "config": config.model_dump(mode="json"),
        "folder": str(place),
        "trials": str(checkpoints),
        "float": str(folders[0]),
        "done": len(folders),
        "total": len(folders) + config.search.max_trials,
    }
    while True:
        found = store.read(place / search.FOUND) or {}
        if found.get("ended"):
            return place, found
        try:
            subprocess_job.run(search.__name__, job)
        except subprocess_job.ChildError as error:
            current = store.read(place / search.CURRENT)
            if not current:
                raise RuntimeError(f"the search can't go on: {error}") from error
            _died(error, Path(current["folder"]), current["label"])
            (place / search.CURRENT).unlink()


def _try(
    work: dict[str, Any],
    chains: list[list[dict[str, Any]]],
    folders: list[Path],
    total: int | None = None,
    again: bool = True,
    workers: int = 1,
) -> list[dict[str, Any]]:
    """Runs the trials that a killed run had not finished, in a child; where it dies, another one does the rest.

    Trials that have failed are tried again, if `again`.

    Raises:
      RuntimeError: the float model can't be written as a flatbuffer.
      MachineError: the machine has ended a trial twice.
    """
    failed: dict[int, str] = {}
    for place, folder in enumerate(folders):
        told = folder / store.FAILED_FILE
        if not again and told.exists():
            failed[place] = store.read(told)["reason"]
        told.unlink(missing_ok=True)
    while todo := [
        place for place, folder in enumerate(folders) if place not in failed and not (folder / TRIAL_FILE).exists()
    ]:
        todo.sort(key=lambda place: not store.is_ended(folders[place]))  # the order in which the child takes them
        job = {
            "work": work,
            "trials": [{"chain": chains[place], "folder": str(folders[place])} for place in todo],
            "float": str(folders[0]),
            "workers": workers,
            "done": len(chains) - len(todo),
            "total": total or len(chains),
        }
        died = subprocess_job.ChildError("the process ended without a result")
        try:
            subprocess_job.run(trial.__name__, job)
        except subprocess_job.ChildError as error:
            died = error
        failed |= _failures(died, todo, chains, folders)
        if 0 in failed:
            raise RuntimeError(f"the float model can't be written as a flatbuffer: {failed[0]}")
    return [_result(chains[place], folder, failed.get(place)) for place, folder in enumerate(folders)]


def _failures(
    died: subprocess_job.ChildError, todo: list[int], chains: list[list[dict[str, Any]]], folders: list[Path]
) -> dict[int, str]:
    """Records of which trial a child has died, if it has left one; the reasons of all that have failed, by place."""
    left = [place for place in todo if not store.is_done(folders[place])]
    if left and not (folders[0] / store.FAILED_FILE).exists():
        # The child died of the first that it has not made, or not measured; it has not begun with those behind it.
        unmade = [place for place in left if not store.is_made(folders[place])]
        hopeless = [place for place in left if store.is_hopeless(folders[place])]
        dead = (hopeless or unmade or left)[0]
        _died(died, folders[dead], compress_chain.label(chains[dead]))
    told = {place: store.read(folders[place] / store.FAILED_FILE) for place in todo}
    return {place: found["reason"] for place, found in told.items() if found}


def _died(error: subprocess_job.ChildError, folder: Path, label: str) -> None:
    """Records of which trial a child has died.

    Raises:
      MachineError: the machine has ended it, for the second time.
    """
    if not isinstance(error, subprocess_job.MachineError):
        store.fail(folder, str(error))
    elif store.is_hopeless(folder):  # the child has seen it, and said so
        raise error
    else:
        store.end(folder, label, error.reason, error.crashed)


def _result(chain: list[dict[str, Any]], folder: Path, reason: str | None = None) -> dict[str, Any]:
    """What a trial has written; a failed trial is a result too."""
    if reason is None and (told := store.read(folder / store.FAILED_FILE)):
        reason = told["reason"]
    if reason is not None:
        label = compress_chain.label(chain)
        progress.note(f"trial {label} failed: {reason}")
        return {"chain": chain, "label": label, "status": "failed", "reason": reason, "skipped": []}
    found: dict[str, Any] = store.read(folder / TRIAL_FILE)
    return found
