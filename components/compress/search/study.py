"""Optuna's study of a search, and the journal in which it outlives a kill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

FILE = "journal.log"


class ForeignStorageError(ValueError):
    """The storage at hand is that of another search."""


def open_study(path: Path, of: str, objectives: int, together: bool = False) -> optuna.Study:
    """The study whose journal is `path`, made if there is none.

    Args:
      of: digest of what is searched; a journal of anything else is refused.
      objectives: how many.
      together: several points are asked for before the first of them is told: they keep away from one another.

    Raises:
      ForeignStorageError: it is.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    there = optuna.get_all_study_names(storage)
    if there and there != [of]:
        raise ForeignStorageError(
            f"{path} is the storage of another search ({', '.join(there)}; this one is {of}): "
            "move it away, or give this experiment another root"
        )
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=6, constant_liar=together)
    if there:
        return optuna.load_study(study_name=of, storage=storage, sampler=sampler)
    return optuna.create_study(study_name=of, storage=storage, sampler=sampler, directions=["minimize"] * objectives)
