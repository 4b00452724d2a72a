"""Case II of `estimate`'s page: what a radius ε around the aligned parameters holds, method by method."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go

from tradeoffbounds.page.cells import Cell, Notes
from tradeoffbounds.page.parts import Card, Chart, Choice, Column, Explorer, Folded, Line, Prose, Section, Table
from tradeoffbounds.page.plots import cursor_line, finite, height, layout, log_axis, plain_figure, positive
from tradeoffbounds.report.case_two_reading import gains, methods_of, reference_radius
from tradeoffbounds.report.figure_style import BLACK, COLOURS, GREEN, PURPLE
from tradeoffbounds.report.quantities import number, plain

Record = dict[str, Any]

_TITLE = "Case II: a radius ε around the aligned parameters"
_UNIT = "nats per response"
_CONSTANTS = {"L_s": "L_s, gradient of G_s", "S_s": "S_s, curvature of G_s", "L_f_prime": "L'_f, curvature of G_f"}
_FORMS = {"lower": "largest found", "estimate": "estimate", "certified": "proved"}
_DIRECTIONS = {"descent": "down the capability gradient", "safest": "in the safest direction"}


def case_two_section(record: Record, notes: Notes) -> Section:
    """An explorer over the radii, the constants, and the methods side by side where there are several."""
    methods = methods_of(record)
    if not methods:
        return Section(_TITLE, [Prose(["This part was not asked for (--curvature off)."])])
    intro = (
        "The adapter stays within ε of its start. Bounds are for the worst direction in that ball; drifts are "
        "predicted for one step of length ε. Radii are those asked for with --radius. A radius means something else "
        "for each method."
    )
    explorer = Explorer("radius", "ε", "Radius ε", [_choice(each, notes) for each in methods], "Adapter method")
    parts: list[Any] = [explorer, Folded("Constants behind the bounds", [_constants(each, notes) for each in methods])]
    if record.get("method_comparison"):
        parts.append(_comparison(record["method_comparison"], notes))
    parts += [table for each in methods if (table := _layers(each, notes)) is not None]
    return Section(_TITLE, parts, intro)


def _choice(method: Record, notes: Notes) -> Choice:
    radii = method["radii"]
    start = method["offset"]["safety_gap"]
    safety = [
        Line("Theorem 3, refined", [notes.cell("theorem3.refined", at["theorem3"]["refined"]) for at in radii]),
        Line("Theorem 3, paper", [notes.cell("theorem3.paper", at["theorem3"]["paper"]) for at in radii]),
        *(
            Line(f"Theorem 3, {form}, proved constants",
                 [notes.cell("theorem3.certified", at["certified"].get(form)) for at in radii])
            for form in ("refined", "paper") if any(form in at["certified"] for at in radii)
        ),
        Line("Before any step", [notes.cell("offset", start)] * len(radii)),
    ]  # fmt: skip
    drifts = [
        Line("Drift", [notes.cell("drift", at["drift"], step=True) for at in radii]),
        Line("Safest drift", [notes.cell("safest_drift", at["safest_drift"], step=True) for at in radii]),
    ]
    gain = [
        Line("Gain, at least", [notes.cell("gain.at_least", gains(method, at)["at_least"]) for at in radii]),
        Line("Gain, at most", [notes.cell("gain.at_most", gains(method, at)["at_most"]) for at in radii]),
    ]
    cards = [
        Card("Safety gap in the ball", "Bound for the worst direction", safety, _bounds_chart(method)),
        Card("Safety drift of one step", "Predicted, not bounded", drifts, _curve_chart(method, "drift")),
        Card("Capability gain", "What the best point of the ball improves", gain, _curve_chart(method, "gain")),
    ]
    if radii[0]["sharing_cost"]:
        cards.append(Card("Sharing cost", "Beyond the information cost, by λ", [
            Line(f"λ = {each['penalty']:g}",
                 [notes.cell("sharing_cost", at["sharing_cost"][place]["cost"], step=True) for at in radii])
            for place, each in enumerate(radii[0]["sharing_cost"])
        ], headline=False))  # fmt: skip
    cut = ", ".join(f"{count} {role}" for role, count in method["truncated"].items() if count)
    intro = (
        f"{method['parameters']:,} trained numbers, derivatives from {method['rows']} rows a source cut at "
        f"{method['max_tokens']} tokens{f' (cut short: {cut})' if cut else ''}, {method['budget']} search."
    )
    return Choice(
        str(method["peft"]), [f"{at['radius']:.12g}" for at in radii], list(range(len(radii))),
        radii.index(reference_radius(method)), cards, intro=intro,
    )  # fmt: skip


def _bounds_chart(method: Record) -> Chart:
    """Both forms of Theorem 3 at the radii asked for."""
    radii = [at["radius"] for at in method["radii"]]
    forms = {form: [finite(number(at["theorem3"][form])) for at in method["radii"]] for form in ("paper", "refined")}
    figure = go.Figure()
    for form, dash, symbol in (("paper", "dash", "square-open"), ("refined", "dot", "circle")):
        figure.add_scatter(
            x=radii, y=forms[form], mode="lines+markers", name=f"Theorem 3, {form} (estimated)",
            line={"color": COLOURS["safety_gap"], "dash": dash, "width": 1.6}, marker={"size": 9, "symbol": symbol},
            hovertemplate=f"ε %{{x:.3g}}: {form} %{{y:.3g}}<extra></extra>",
        )  # fmt: skip
    shown = positive(*forms.values())
    frame: Record = {"xaxis": _radius_axis(radii)}
    low, high = (min(shown) / 1.6, max(shown) * 1.6) if shown else (0.1, 1.0)
    frame["yaxis"] = log_axis(low, high)
    cursor = cursor_line(figure, radii, low, high)
    figure.update_layout(layout("radius ε", _UNIT, **frame))
    data, plain_layout = plain_figure(figure)
    told = "; ".join(
        f"at ε = {radius:g} refined {_said(value)}" for radius, value in zip(radii, forms["refined"], strict=True)
    )
    return Chart(
        "Bound over ε",
        f"Upper bound on the safety gap by radius: {told}.",
        data,
        plain_layout,
        height(figure, 240),
        cursor,
    )


def _curve_chart(method: Record, what: str) -> Chart:
    """Predicted drift or gain over ε along both directions."""
    curves, asked = method["curves"], [at["radius"] for at in method["radii"]]
    figure = go.Figure()
    shown: list[float] = [0.0]
    for name, colour, dash in (("descent", PURPLE if what == "drift" else GREEN, "solid"), ("safest", BLACK, "dash")):
        if name in curves:
            values = curves[name][what]
            shown += [value for value in values if value is not None]
            figure.add_scatter(
                x=curves["radii"], y=values, mode="lines", name=f"{_DIRECTIONS[name]} (predicted)",
                line={"color": colour, "dash": dash, "width": 1.8},
                hovertemplate="ε %{x:.3g}: %{y:.3g} predicted<extra></extra>",
            )  # fmt: skip
    margin = 0.06 * (max(shown) - min(shown)) or 1.0
    low, high = min(shown) - margin, max(shown) + margin
    cursor = cursor_line(figure, asked, low, high)
    figure.update_layout(
        layout(
            "radius ε",
            _UNIT,
            xaxis=_radius_axis([*curves["radii"], *asked]),
            yaxis={"range": [low, high], "zeroline": True},
        )
    )
    data, frame = plain_figure(figure)
    title = "Drift over ε" if what == "drift" else "Gain over ε"
    finding = f"Predicted {'change of the safety gap' if what == 'drift' else 'gain in capability'} over the radius."
    return Chart(title, finding, data, frame, height(figure, 240), cursor)


def _radius_axis(radii: list[float]) -> Record:
    margin = (max(radii) / min(radii)) ** 0.05 if max(radii) > min(radii) else 3.0
    return log_axis(min(radii) / margin, max(radii) * margin)


def _said(value: float | None) -> str:
    return "no finite bound" if value is None or not math.isfinite(value) else plain(value)


def _constants(method: Record, notes: Notes) -> Table:
    columns = [Column("ε")]
    forms = [(name, form) for name in _CONSTANTS for form in _FORMS if form in method["radii"][0]["constants"][name]]
    columns += [Column(f"{_CONSTANTS[name]}: {_FORMS[form]}") for name, form in forms]
    rows = [
        [Cell(f"{at['radius']:.12g}", order=at["radius"]),
         *(notes.cell(name, at["constants"][name][form]) for name, form in forms)]
        for at in method["radii"]
    ]  # fmt: skip
    norms = " and ".join(f"|∇G_{gap}| {plain(number(method['constants'][f'grad_norm_{gap}']))}" for gap in ("s", "f"))
    return Table(
        f"{method['peft']}: constants over the ball", columns, rows,
        f"At the start {norms} nats per response per unit, over the rows; curvatures are per unit².",
    )  # fmt: skip


def _comparison(comparison: Record, notes: Notes) -> Table:
    gain = comparison["gain"]
    columns = [
        Column("Method", numeric=False), Column("Trained numbers"),
        *(Column(name) for name in ("Start", "L_s", "S_s", "Step", "Drift", "Cost")),
    ]  # fmt: skip
    rows = [
        [
            Cell(each["peft"], order=each["peft"]), Cell(f"{each['parameters']:,}", order=float(each["parameters"])),
            notes.cell("offset", each["offset"]), notes.cell("L_s", each["L_s"]), notes.cell("S_s", each["S_s"]),
            Cell("none") if each["distance"] is None else Cell(plain(each["distance"]), kind="predicted",
                order=each["distance"]),
            notes.cell("drift", each["drift"], step=True), notes.cell("cost", each["cost"], step=True),
        ]
        for each in comparison["methods"]
    ]  # fmt: skip
    caption = (
        "No method is predicted to gain anything inside the largest radius"
        if gain is None
        else f"What a gain of {plain(number(gain))} nats per response (predicted) costs in safety, by method"
    )
    return Table(caption, columns, rows, "Step: how far the parameters move for that gain. Cost: start plus drift.")


def _layers(method: Record, notes: Notes) -> Table | None:
    """Whatever the record says layer by layer: a column each of the fields that are numbers."""
    layers = method.get("layers")
    rows = layers.get("layers", layers.get("rows")) if isinstance(layers, dict) else layers
    if not isinstance(rows, list) or not rows or not all(isinstance(each, dict) for each in rows):
        return None
    names = list(rows[0])
    columns = [Column(name.replace("_", " ").capitalize()) for name in names]
    return Table(
        f"{method['peft']}: layer by layer",
        columns,
        [[_layer(each.get(name), notes) for name in names] for each in rows],
    )


def _layer(value: Any, notes: Notes) -> Cell:
    if isinstance(value, dict):
        return notes.cell("layers", value) if "kind" in value else Cell("see the record")
    if value is None:
        return Cell("none")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(str(value), order=str(value))
    return Cell(plain(value), order=float(value))
