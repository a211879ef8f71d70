"""Try chains one after the other or side by side: `python -P -m modelmill.components.compress.trials.main FILE`.

A process of its own, so that an abort of a converter or an interpreter is a failed trial and not a failed run. What the
machine has ended is tried once more, alone, before it ends the run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelmill.components.compress.chain import label
from modelmill.components.compress.trials import store
from modelmill.components.compress.trials.runner import Bench
from modelmill.components.compress.trials.worker_pool import Team
from modelmill.data.core import gc_tuning, progress, subprocess_job


def run(job: dict[str, Any]) -> None:
    """Tries chains; one that fails is a result, too: failed.json says why. How fast they are is measured last, alone.

    Args:
      job: work (see Bench); trials: chain and folder of each; float: folder of the float32 flatbuffer, which is made
        by the empty chain, the first of them; workers: how many are tried at once; done and total: of all chains, for
        the progress.
    """
    trials = [(one["chain"], Path(one["folder"])) for one in job["trials"]]
    chains, float_folder = [chain for chain, _ in trials], Path(job["float"])
    bench = Bench(job["work"], chains)

    def tell(chain: list[dict[str, Any]], _: Path) -> None:
        made = sum(store.is_made(folder) for _, folder in trials)
        progress.bar(store.TRIALS, job["done"] + made, job["total"], label(chain))

    def halted() -> bool:
        return (float_folder / store.FAILED_FILE).exists()

    with Team(bench, job["workers"], job["work"], chains) as team:
        team.attempt([one for one in trials if not store.is_made(one[1])], tell, halted)
    for _, folder in trials:
        if not halted():
            bench.finish(folder, float_folder)


if __name__ == "__main__":
    with gc_tuning.settled():  # the work needs it anyway: what it leaves is not collected again and again
        import tf_keras  # noqa: F401
    subprocess_job.main(run)
