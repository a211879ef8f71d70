"""The end of a run on the screen."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from modelmill.components.gates import outcome, tally

WORDS = ("", "chain", "made by", "result", "gate", "metric")
STYLES = {"passed": "green", "undecided": "yellow", "refused": "bold red"}


def show(console: Console, summary: dict[str, Any], report: str = "") -> None:
    """Print data, models, trials and gates, as far as there are any, and what is said of the report."""
    for table in (_models(summary), _trials(summary), _gates(summary)):
        if table is not None:
            console.print()
            console.print(table)
    console.print()
    lines = _facts(summary)
    if report:
        lines.append(_fact("report", report))
    for line in lines:
        console.print(line, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    """Columns of words stand left, those of figures right; only the last gives way on a narrow screen."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for place, column in enumerate(columns, start=1):
        left = column in WORDS
        table.add_column(column, justify="left" if left else "right", no_wrap=place < len(columns))
    return table


def _models(summary: dict[str, Any]) -> Table | None:
    rows = [(name, summary[name]) for name in ("float", "compressed") if summary[name]]
    if not rows:
        return None
    metrics = list(dict.fromkeys(key for _, model in rows for key in model["metrics"]))
    table = _table("Models (metrics of the test split)", "", *metrics, "bytes", "gzipped", "latency", "made by")
    for name, model in rows:
        table.add_row(
            name,
            *(_number(model["metrics"].get(key)) for key in metrics),
            _count(model["bytes"]),
            _count(model["gzip_bytes"]),
            _latency(model["latency_ms"]),
            model.get("label") or "",
        )
    return table


def _trials(summary: dict[str, Any]) -> Table | None:
    if not summary["trials"]:
        return None
    chosen = (summary["compressed"] or {}).get("chain")
    metrics = list(dict.fromkeys(key for trial in summary["trials"] for key in trial.get("metrics") or {}))
    columns = ("chain", *metrics, "gzipped", "sparsity", "latency", "seconds", "result")
    table = _table("Trials (metrics of the eval split)", *columns)
    reasons = []
    for trial in summary["trials"]:
        table.add_row(
            trial.get("label", ""),
            *(_number((trial.get("metrics") or {}).get(key)) for key in metrics),
            _count(trial.get("gzip_bytes")),
            _number(trial.get("sparsity"), 2),
            _latency(trial.get("latency_ms")),
            _number(trial.get("seconds"), 1),
            _result(trial, trial["chain"] == chosen),
        )
        reason = trial.get("reason") or "; ".join(trial.get("over", []))
        reasons += [f"{trial.get('label', '')}: {reason}"] if reason else []
    table.caption = Text("\n".join(reasons)) if reasons else None
    return table


def _result(trial: dict[str, Any], chosen: bool) -> Text:
    if trial.get("status") == "failed":
        return Text("failed", style="red")
    if trial.get("within_budget"):
        return Text("chosen", style="green") if chosen else Text("")
    return Text("over budget, but nearest", style="red") if chosen else Text("over budget", style="dim")


def _gates(summary: dict[str, Any]) -> Table | None:
    """Every row that refused; of those that passed or are undecided only the ones of all examples."""
    table = _table("Gates", "gate", "metric", "value", "interval", "bound", "result")
    hidden = []
    for gate in summary["gates"]:
        overall = gate["slice"] == "overall"
        if outcome(gate) != "refused" and not overall and not gate["warned"]:
            hidden.append(gate)
            continue
        word = Text(outcome(gate), style=STYLES[outcome(gate)])
        word = Text("warning", style="yellow") if gate["warned"] else word
        table.add_row(
            gate["gate"],
            gate["metric"] if overall else f"{gate['metric']}, {gate['slice']}",
            _number(gate["value"]),
            "" if gate["lower"] is None else f"{_number(gate['lower'], 3)}..{_number(gate['upper'], 3)}",
            _number(gate["bound"]),
            word.append(f", {gate['reason']}", style="not bold default") if gate["reason"] else word,
        )
    if not table.rows:
        return None
    if hidden:
        undecided = [gate for gate in hidden if outcome(gate) == "undecided"]
        few = f"{len(hidden) - len(undecided)} passed, {len(undecided)} undecided, because examples are too few"
        result = few if undecided else "all passed"
        table.caption = f"and {len(hidden)} of single slices or splits: {result} (summary.json has them)"
    return table


def _facts(summary: dict[str, Any]) -> list[Text]:
    lines = []
    splits, anomalies = summary["data"]["splits"], summary["data"]["anomalies"]
    if splits:
        counts = ", ".join(f"{name} {count:,}" for name, count in splits.items())
        dropped = f"; {summary['data']['dropped']} files dropped" if summary["data"]["dropped"] else ""
        lines.append(_fact("examples", counts + ("" if anomalies is None else f"; {anomalies} anomalies") + dropped))
    if summary["float"]:
        lines.append(
            _fact("baseline", summary["baseline"] or "none: no older model made from other inputs was blessed")
        )
    ran = [node for node in summary["nodes"] if node["state"] in ("done", "cached")]
    cached = sum(node["cached"] for node in ran)
    if ran:
        took = (
            f"{len(ran) - cached} run, {cached} cached" if cached < len(ran) else f"all {cached} cached, nothing to do"
        )
        lines.append(_fact("nodes", took))
    if summary["gates"]:
        lines.append(_fact("gates", tally(summary["gates"])))
    lines.append(_fact("seconds", f"{summary['seconds']:.1f}"))
    if summary["pushed"]:
        lines.append(_fact("pushed", summary["pushed"], "bold green"))
    return lines


def _fact(name: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{name:<10}", "bold"), (value, style))


def _number(value: float | None, places: int = 4) -> str:
    if value is None:
        return ""
    if float(value).is_integer() and abs(value) > 1:
        return f"{value:,.0f}"
    tiny = places == 4 and 0 < abs(value) < 1e-4
    return f"{value:.1e}" if tiny else f"{value:,.{places}f}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _latency(value: float | None) -> str:
    return "" if value is None else f"{value:.3f} ms"
