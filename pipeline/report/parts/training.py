"""How the training went, from history.json: a row of figures for each epoch."""

from __future__ import annotations

from typing import Any

from modelmill.data.core import format
from modelmill.pipeline.records.mlmd import Recorded
from modelmill.pipeline.report.charts import charts

VALIDATION = "val_"
# How far above train the loss of eval is, as a share of itself: close, or too far; less than a trifle is nothing.
CLOSE, OVERFITTED, TRIFLE = 0.15, 0.5, 0.05
RATE, SECONDS = "learning_rate", "seconds"


def make(run: Recorded) -> dict[str, Any]:
    """Curves, speed, and why it stopped; empty if nothing was trained."""
    history = run.json("train", "model_run", "history.json")
    if not history:
        return {}
    best = _best(run, history)
    early = bool(run.setting("train", "early_stopping"))
    figures = [_curve(history, name, best if early else None) for name in _metrics(history)]
    if any(RATE in row for row in history):
        figures.append(_rate(history))
    if any(SECONDS in row for row in history):
        figures.append(_speed(run, history))
    return {"says": _why(run, history, best), "figures": figures, "facts": _facts(run, history)}


def _best(run: Recorded, history: list[dict[str, float]]) -> int:
    """The epoch that the task says was the best, the last of equal ones."""
    from modelmill.data import task

    try:
        better = task.look_up(task.name_of(run.setting("data", "task"))).epoch_score
        return max(range(len(history)), key=lambda place: (better(history[place]), place)) + 1
    except (KeyError, ValueError):  # figures of another version, or of a loop that keeps others
        return len(history)


def _metrics(history: list[dict[str, float]]) -> list[str]:
    """What is measured on both splits."""
    every = dict.fromkeys(name for row in history for name in row)  # an update may not be made in each epoch
    names = [name for name in every if not name.startswith(VALIDATION) and name not in (RATE, SECONDS)]
    return [name for name in names if VALIDATION + name in every] or names


def _curve(history: list[dict[str, float]], name: str, best: int | None) -> charts.Figure:
    series = {"train": name, "eval": VALIDATION + name}
    rows: charts.Rows = [
        {"epoch": epoch, "series": split, "value": row[key]}
        for split, key in series.items()
        for epoch, row in enumerate(history, start=1)
        if key in row
    ]
    last = history[(best or len(history)) - 1]
    figures = [f"{format.number(last[key])} on {split}" for split, key in series.items() if key in last]
    at = "of the epoch that was kept" if best else "at the end"
    says = f"{name.capitalize()} {at}: {format.several(figures)}."
    if name == "loss" and VALIDATION + name in last and _is_error(history):
        gap = last[VALIDATION + name] - last[name]
        share = gap / last[VALIDATION + name] if gap > TRIFLE else 0.0
        if share > OVERFITTED:
            says += " Eval is above train by more than half of it: a sign of overfitting."
        elif share > CLOSE:
            says += f" Eval is above train by {share:.0%} of it."
        else:
            says += " The two stay close: no sign of overfitting."
    chart = charts.curves(rows, name, best, log=name == "loss" and min(row["value"] for row in rows) > 0)
    return charts.figure(f"curve-{name}", name.capitalize(), says, chart)


def _is_error(history: list[dict[str, float]]) -> bool:
    """Return whether the loss is one of errors, so that more of it on eval means overfitting.

    It is not where several updates work against each other, or where it falls below zero.
    """
    losses = {name for row in history for name in row if name.endswith("_loss")} - {VALIDATION + "loss"}
    return not losses and all(
        row[name] >= 0 for row in history for name in ("loss", VALIDATION + "loss") if name in row
    )


def _rate(history: list[dict[str, float]]) -> charts.Figure:
    rows: charts.Rows = [
        {"epoch": epoch, "series": "learning rate", "value": row[RATE]}
        for epoch, row in enumerate(history, start=1)
        if RATE in row
    ]
    says = f"From {rows[0]['value']:.2g} to {rows[-1]['value']:.2g}."
    return charts.figure("rate", "Learning rate", says, charts.curves(rows, "learning rate", zero=True))


def _speed(run: Recorded, history: list[dict[str, float]]) -> charts.Figure:
    rows: charts.Rows = [
        {"epoch": epoch, "series": "seconds", "value": row[SECONDS]}
        for epoch, row in enumerate(history, start=1)
        if SECONDS in row
    ]
    later = sorted(row["value"] for row in rows[1:]) or [rows[0]["value"]]
    middle = later[len(later) // 2]
    count = ((run.summary.get("data") or {}).get("splits") or {}).get("train")
    rate = f", {count / middle:,.0f} examples a second" if count and middle else ""
    steps = _steps(run, count)
    step = f", {middle / steps * 1000:.1f} ms a step" if steps else ""
    says = (
        f"An epoch takes {middle:.2f} s{step}{rate} (median; the first, which compiles, took {rows[0]['value']:.1f} s)."
    )
    return charts.figure("speed", "Time per epoch", says, charts.curves(rows, "seconds", zero=True))


def _steps(run: Recorded, count: int | None) -> int | None:
    batch = run.setting("train", "batch")
    return -(-count // batch) if count and isinstance(batch, int) else None


def _why(run: Recorded, history: list[dict[str, float]], best: int) -> str:
    asked, done = run.setting("train", "epochs") or len(history), len(history)
    stopping = run.setting("train", "early_stopping")
    if done < asked:
        patience = (stopping or {}).get("patience")
        stopped = f"Stopped after epoch {done} of {asked}: no better on the eval split for {patience} epochs."
        return f"{stopped} The weights of epoch {best} were kept."
    kept = (
        f" The weights of epoch {best}, the best on the eval split, were kept."
        if stopping
        else " The last weights were kept."
    )
    return f"All {format.plural(asked, 'epoch')} were done.{kept}"


def _facts(run: Recorded, history: list[dict[str, float]]) -> list[list[str]]:
    train = run.setting("train") or {}
    optimizer, schedule = train.get("optimizer") or {}, train.get("schedule") or {}
    node = run.nodes.get("train")
    rows = [
        ["family", str(run.setting("model", "family") or "–")],
        ["epochs", f"{len(history)} of {train.get('epochs', '–')}"],
        ["batch", str(train.get("batch") or train.get("batch_per_replica") or "–")],
        ["optimizer", f"{optimizer.get('name', '–')}, learning rate {optimizer.get('learning_rate', '–')}"],
        ["schedule", str(schedule.get("name", "–"))],
        ["devices", str((train.get("strategy") or {}).get("name", "–")).replace("_", " ")],
    ]
    seconds = node and (node.made_in if node.made_in is not None else node.seconds)
    if seconds:
        rows.append(["time of the node", format.duration(seconds)])
    return rows
