"""Charts of the page, by Vega-Altair. Colours and fonts come from the page, so that they follow its light and dark.

Each gives a figure: {"id", "title", "says", "alt", "spec", "height"}; `says` is the sentence below it.
"""

from __future__ import annotations

from typing import Any

Figure = dict[str, Any]
Rows = list[dict[str, Any]]
MODELS = ("float", "compressed")
HEIGHT = 260
POINTS = 60  # of a curve


def figure(name: str, title: str, says: str, chart: Any, height: int = HEIGHT, alt: str = "") -> Figure:
    """A chart with what a person needs beside it; without `alt` a screen reader gets the title and the sentence."""
    spec = chart.properties(width="container", height=height).to_dict(validate=False)
    spec.pop("config", None)  # Altair's own theme
    text = alt or f"{title}. {says}"
    spec["description"] = text
    told = {"id": name, "title": title, "says": says, "alt": text}
    return {**told, "spec": spec, "height": height, "wide": False, "table": None}


def data(rows: Rows) -> Any:
    """Inline data."""
    import altair as alt

    return alt.Data(values=rows)


def bars(rows: Rows, x: str, colour: str, x_title: str) -> Any:
    """Counts per class, stacked by `colour`. Rows: {x, colour, "count"}."""
    import altair as alt

    pick = alt.selection_point(fields=[colour], bind="legend")
    return (
        alt.Chart(data(rows))
        .mark_bar()
        .encode(
            x=alt.X(f"{x}:N", title=x_title, sort=None, axis=alt.Axis(labelAngle=0, labelLimit=90, labelOverlap=True)),
            y=alt.Y("count:Q", title="examples"),
            color=alt.Color(f"{colour}:N", title=None, sort=None),
            order=alt.Order("order:Q"),
            opacity=alt.condition(pick, alt.value(1), alt.value(0.15)),
            tooltip=[f"{x}:N", f"{colour}:N", "count:Q"],
        )
        .add_params(pick)
    )


def curves(rows: Rows, y_title: str, best: int | None = None, zero: bool = False, log: bool = False) -> Any:
    """Figures by epoch, a line for each "series"; a rule at epoch `best`. Rows: {"epoch", "series", "value"}."""
    import altair as alt

    pick = alt.selection_point(fields=["series"], bind="legend")
    near = alt.selection_point(nearest=True, on="pointerover", fields=["epoch"], empty=False, clear="pointerout")
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=zero)
    base = alt.Chart(data(rows)).encode(x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")))
    y = alt.Y("value:Q", title=y_title, scale=scale)
    colour = alt.Color("series:N", title=None, sort=None)
    tooltip = ["series:N", "epoch:Q", alt.Tooltip("value:Q", format=".5~g")]
    line = base.mark_line(interpolate="monotone").encode(
        y=y, color=colour, opacity=alt.condition(pick, alt.value(1), alt.value(0.12))
    )
    points = base.mark_point(size=70, filled=True).encode(
        y=y, color=colour, tooltip=tooltip, opacity=alt.condition(near, alt.value(1), alt.value(0))
    )
    layers = [line.add_params(pick), points.add_params(near)]
    if best is not None:
        rule = alt.Chart(data([{"epoch": best, "note": f"kept: epoch {best}"}]))
        layers.append(rule.mark_rule(strokeDash=[4, 4]).encode(x="epoch:Q", tooltip="note:N"))
    return alt.layer(*layers)


def intervals(rows: Rows, x_title: str) -> Any:
    """A value with its interval per slice and model. Rows: {"slice", "model", "value", "lower", ...}."""
    import altair as alt

    pick = alt.selection_point(fields=["model"], bind="legend")
    base = alt.Chart(data(rows)).encode(
        y=alt.Y("slice:N", title=None, sort=None, axis=alt.Axis(labelLimit=140)),
        yOffset=alt.YOffset("model:N", sort=list(MODELS)),
        color=alt.Color("model:N", title=None, sort=list(MODELS)),
        opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
        tooltip=[
            "slice:N",
            "model:N",
            alt.Tooltip("value:Q", format=".4f"),
            alt.Tooltip("lower:Q", format=".4f"),
            alt.Tooltip("upper:Q", format=".4f"),
            "examples:Q",
        ],
    )
    span = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", title=x_title, scale=alt.Scale(zero=False, nice=True)), x2="upper:Q"
    )
    point = base.mark_point(filled=True, size=55).encode(x="value:Q")
    return alt.layer(span.add_params(pick), point)


def confusion(rows: Rows, labels: list[str]) -> Any:
    """A row per pair of classes and model: {"truth", "answer", "model", "count", "share"}; one model at a time."""
    import altair as alt

    chosen = alt.param(
        name="shown", value="compressed", bind=alt.binding_radio(options=["compressed", "float"], name="model ")
    )
    base = (
        alt.Chart(data(rows))
        .transform_filter("datum.model == shown")
        .encode(
            x=alt.X("answer:N", title="answer", sort=labels, axis=alt.Axis(labelAngle=0, labelLimit=60)),
            y=alt.Y("truth:N", title="truth", sort=labels, axis=alt.Axis(labelLimit=90)),
        )
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", title="share of the class", scale=alt.Scale(domain=[0, 1]), legend=None),
        tooltip=["truth:N", "answer:N", "count:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    if len(labels) > 20:
        return cells.add_params(chosen)
    numbers = (
        base.transform_filter("datum.count > 0")
        .mark_text(fontSize=11)
        .encode(text="count:Q", color=alt.condition("datum.share > 0.5", alt.value("#ffffff"), alt.value("#1c1f24")))
    )
    return alt.layer(cells.add_params(chosen), numbers)


def calibration(rows: Rows) -> Any:
    """Rows: {"confidence", "accuracy", "model", "examples"}; the dashed line is perfect."""
    import altair as alt

    pick = alt.selection_point(fields=["model"], bind="legend")
    span = alt.Scale(domain=[0, 1])
    perfect = (
        alt.Chart(data([{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
        .mark_line(strokeDash=[4, 4], opacity=0.5, strokeWidth=1)
        .encode(x="x:Q", y="y:Q", color=alt.value("gray"))
    )
    lines = (
        alt.Chart(data(rows))
        .mark_line(point=alt.OverlayMarkDef(size=50, filled=True))
        .encode(
            x=alt.X("confidence:Q", title="probability given", scale=span),
            y=alt.Y("accuracy:Q", title="share that is right", scale=span),
            color=alt.Color("model:N", title=None, sort=list(MODELS)),
            opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
            tooltip=[
                "model:N",
                alt.Tooltip("confidence:Q", format=".3f"),
                alt.Tooltip("accuracy:Q", format=".3f"),
                "examples:Q",
            ],
        )
    )
    return alt.layer(perfect, lines.add_params(pick))


def ranking(rows: Rows, labels: list[str], x: str, y: str) -> Any:
    """ROC or precision-recall of one class at a time. Rows: {"x", "y", "label", "model"}."""
    import altair as alt

    chosen = alt.param(name="which", value=labels[0], bind=alt.binding_select(options=labels, name="class "))
    span = alt.Scale(domain=[0, 1])
    return (
        alt.Chart(data(rows))
        .transform_filter("datum.label == which")
        .mark_line(interpolate="linear", strokeWidth=2)
        .encode(
            x=alt.X("x:Q", title=x, scale=span),
            y=alt.Y("y:Q", title=y, scale=span),
            color=alt.Color("model:N", title=None, sort=list(MODELS)),
            strokeDash=alt.StrokeDash("model:N", legend=None, sort=list(MODELS)),
            order="order:Q",
            tooltip=["model:N", alt.Tooltip("x:Q", format=".3f"), alt.Tooltip("y:Q", format=".3f")],
        )
        .add_params(chosen)
    )


def thin(x: Any, y: Any, label: str, model: str) -> Rows:
    """Rows for `ranking`. Corners stay: points are taken by their distance along the curve, not by their number."""
    import numpy as np

    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    places = np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(max=len(x) - 1))
    return [
        {"x": round(float(x[one]), 4), "y": round(float(y[one]), 4), "label": label, "model": model, "order": number}
        for number, one in enumerate(places)
    ]


def plane(rows: Rows, front: Rows, x: str, x_title: str, y_title: str, limits: Rows) -> Any:
    """Trials on a plane: smaller x and larger y are better.

    Rows: {x, "quality", "label", "role"}; a "pick", if there is one, is written beside its point. The front, in the
    order of x, is drawn as steps; a limit has "x" or "y", and a "note".
    """
    import altair as alt

    pick = alt.selection_point(fields=["role"], bind="legend")
    roles = list(dict.fromkeys(row["role"] for row in rows))
    y = alt.Y("quality:Q", title=y_title, scale=alt.Scale(zero=False, padding=12))
    horizontal = alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(zero=True, nice=True))
    steps = (
        alt.Chart(data(front))
        .mark_line(interpolate="step-after", strokeWidth=1.5, opacity=0.6)
        .encode(x=horizontal, y=y)
    )
    points = (
        alt.Chart(data(rows[::-1]))  # the first roles are drawn last, above the others
        .mark_point(filled=True, size=130)
        .encode(
            x=horizontal,
            y=y,
            color=alt.Color("role:N", title=None, scale=alt.Scale(domain=roles)),
            shape=alt.Shape("role:N", title=None, scale=alt.Scale(domain=roles)),
            opacity=alt.condition(pick, alt.value(1), alt.value(0.12)),
            tooltip=[
                "label:N",
                "role:N",
                alt.Tooltip(f"{x}:Q", format=",.5~g"),
                alt.Tooltip("quality:Q", format=".4f"),
            ],
        )
        .add_params(pick)
    )
    layers = [steps, points]
    picked = [row for row in rows if row.get("pick")]
    if picked:
        # Written towards the middle: there is room.
        middle = max(row[x] for row in rows) / 2
        for align, dx, side in (("left", -7, False), ("right", 7, True)):
            found = [row for row in picked if (row[x] > middle) == side]
            texts = alt.Chart(data(found)).mark_text(align=align, dx=dx, dy=-13, fontSize=12)
            layers += [texts.encode(x=horizontal, y=y, text="pick:N")] if found else []
    for limit in limits:
        rule = alt.Chart(data([limit])).mark_rule(strokeDash=[5, 4], strokeWidth=1.5)
        layers.append(rule.encode(tooltip="note:N", **({"x": "x:Q"} if "x" in limit else {"y": "y:Q"})))
    return alt.layer(*layers)


def shares(rows: Rows, y: str, x_title: str, lowest: float) -> Any:
    """A bar per class. Rows: {y, "share", "examples"}."""
    import altair as alt

    return (
        alt.Chart(data(rows))
        .mark_bar(height={"band": 0.6})
        .encode(
            y=alt.Y(f"{y}:N", title=None, sort=None, axis=alt.Axis(labelLimit=140)),
            x=alt.X(
                "share:Q", title=x_title, scale=alt.Scale(domain=[lowest, 1], clamp=True), axis=alt.Axis(format="%")
            ),
            tooltip=[f"{y}:N", alt.Tooltip("share:Q", format=".2%"), "examples:Q"],
        )
    )
