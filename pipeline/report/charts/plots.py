"""Further charts of the page: of answers that are numbers. As in charts.py, colours and fonts come from the page."""

from __future__ import annotations

from typing import Any

from modelmill.pipeline.report.charts.charts import MODELS, Rows, data


def scatter(rows: Rows, low: float, high: float) -> Any:
    """Answers over truths, one model at a time; the dashed line is perfect. Rows: {"truth", "answer", "model"}."""
    import altair as alt

    chosen = alt.param(
        name="judged", value="compressed", bind=alt.binding_radio(options=["compressed", "float"], name="model ")
    )
    span = alt.Scale(domain=[low, high], nice=True)
    perfect = (
        alt.Chart(data([{"x": low, "y": low}, {"x": high, "y": high}]))
        .mark_line(strokeDash=[4, 4], opacity=0.6, strokeWidth=1)
        .encode(x="x:Q", y="y:Q", color=alt.value("gray"))
    )
    points = (
        alt.Chart(data(rows))
        .transform_filter("datum.model == judged")
        .mark_point(filled=True, size=24, opacity=0.5)
        .encode(
            x=alt.X("truth:Q", title="truth", scale=span),
            y=alt.Y("answer:Q", title="answer", scale=span),
            tooltip=[alt.Tooltip("truth:Q", format=".5~g"), alt.Tooltip("answer:Q", format=".5~g")],
        )
    )
    return alt.layer(perfect, points.add_params(chosen))


def histogram(rows: Rows, x_title: str, series: list[str] | None = None) -> Any:
    """Steps of counts, a line for each "series". Rows: {"from", "to", "count", "series"}."""
    import altair as alt

    names = series or list(MODELS)
    pick = alt.selection_point(fields=["series"], bind="legend")
    return (
        alt.Chart(data(rows))
        .mark_bar(opacity=0.55)
        .encode(
            x=alt.X("from:Q", title=x_title, bin="binned"),
            x2="to:Q",
            y=alt.Y("count:Q", title="examples", stack=None),
            color=alt.Color("series:N", title=None, sort=names),
            opacity=alt.condition(pick, alt.value(0.55), alt.value(0.08)),
            tooltip=["series:N", alt.Tooltip("from:Q", format=".4~g"), alt.Tooltip("to:Q", format=".4~g"), "count:Q"],
        )
        .add_params(pick)
    )
