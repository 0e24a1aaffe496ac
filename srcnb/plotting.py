"""Pictures of results: each function takes tables and draws on axes, or writes a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb.io import PathLike, replacing
from srcnb.metrics import format_summary, in_time, summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that a colour-blind reader tells apart (Okabe & Ito).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


# Weights of a neuron that are drawn: so many of those that grew most, and that shrank most.
N_WEIGHTS = 20
# Spikes up to which each is a line across the other panels: more would hide what is there.
MAX_SPIKE_LINES = 100
# Dots in a raster from which on they are made transparent, so that their density is seen.
OPAQUE_DOTS = 20_000


def save(figure: "Figure", path: PathLike) -> None:
    """Write a figure to ``path``, a PNG that is whole or as it was."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def save_open(folder: PathLike, name: str) -> None:
    """Write every open figure of pyplot to ``folder``, as ``name``-1.png and so on.

    Makes the folder. A notebook, or a page of sphinx-gallery, shows and closes its figures cell by
    cell, so that there is nothing left to be saved.
    """
    import matplotlib.pyplot as plt

    for number in plt.get_fignums():
        Path(folder).mkdir(parents=True, exist_ok=True)
        save(plt.figure(number), Path(folder) / f"{name}-{number}.png")


def new_figure(size: "tuple[float, float]") -> "Figure":
    """An empty matplotlib Figure of (width, height) inches, with the canvas that files need."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plot_results(results: "pd.DataFrame", path: PathLike, title: str = "") -> None:
    """Write the picture of :func:`draw_results` to ``path``, a PNG that is whole or as it was."""
    save(draw_results(results, title), path)


def draw_results(results: "pd.DataFrame", title: str = "") -> "Figure":
    """Accuracy against stage (mean ± sd over seeds) with the summary table below it.

    Parameters
    ----------
    results : DataFrame of ``compare_methods``
    title : str

    Returns
    -------
    matplotlib Figure with two axes: the curves, and the table
    """
    results = in_time(results)
    methods = list(dict.fromkeys(results["method"]))
    figure = new_figure((9, 4.4 + 0.3 * len(methods)))
    top, bottom = figure.subplots(2, 1, height_ratios=[10, 1.2 + 0.9 * len(methods)])
    n_stages = int(results["stage"].max())
    for i, method in enumerate(methods):
        draw_method(top, results[results["method"] == method], method, f"C{i}", n_stages)
    top.set(
        xlabel="tasks trained so far",
        ylabel="accuracy over all classes (%)",
        xticks=range(1, n_stages + 1),
        ylim=(0, 100),
    )
    top.set_title(title, parse_math=False)  # a file's name may have a $
    top.grid(alpha=0.3)
    top.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)

    table = format_summary(summary(results))
    bottom.axis("off")
    drawn = bottom.table(
        cellText=table.to_numpy().tolist(),
        rowLabels=list(table.index),
        colLabels=list(table.columns),
        cellLoc="center",
        loc="center",
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    drawn.scale(1, 1.4)
    return figure


def draw_method(
    axes: "Axes", results: "pd.DataFrame", method: str, color: str, n_stages: int
) -> None:
    """One method's curve: mean ± sd over seeds after each stage, and before its sleep as crosses.

    A method with the last stage only is a level to compare with.
    """
    overall = results[results["task"] == "all"]
    stats = overall.groupby(["stage", "phase"])["accuracy"].agg(["mean", "std"]).fillna(0)
    if set(results["stage"]) == {n_stages}:
        mean, sd = stats.iloc[-1]
        axes.axhline(mean, color=color, linestyle="--", label=method)
        axes.axhspan(mean - sd, mean + sd, color=color, alpha=0.15, linewidth=0)
        return
    by_phase: Any = stats.unstack("phase")  # a DataFrame, which the stubs do not say
    # What a stage leaves behind: after its sleep, where there was one.
    left = by_phase.xs("train", axis=1, level="phase")
    if "sleep" in stats.index.unique("phase"):
        axes.plot(left.index, left["mean"], "x", color=color, label=f"{method}, before sleep")
        left = by_phase.xs("sleep", axis=1, level="phase").combine_first(left)
    axes.plot(left.index, left["mean"], "o-", color=color, label=method)
    low, high = left["mean"] - left["std"], left["mean"] + left["std"]
    axes.fill_between(left.index, low, high, color=color, alpha=0.15, linewidth=0)


def plot_search(
    trials: "pd.DataFrame", importances: "Mapping[str, float]", path: PathLike, title: str = ""
) -> None:
    """Write the picture of :func:`draw_search` to ``path``, a PNG that is whole or as it was."""
    save(draw_search(trials, importances, title), path)


def draw_search(
    trials: "pd.DataFrame", importances: "Mapping[str, float]", title: str = ""
) -> "Figure":
    """The trials of a search with the best so far, and how much each parameter mattered.

    Parameters
    ----------
    trials, importances : of a :class:`srcnb.search.SearchResult`
    title : str

    Returns
    -------
    matplotlib Figure with two axes: the trials, and bars of the importances
    """
    figure = new_figure((9, 6.5))
    top, bottom = figure.subplots(2, 1)
    complete = trials[trials["state"] == "complete"]
    pruned = trials[trials["state"] == "pruned"]
    top.plot(pruned["trial"], pruned["accuracy"], "x", color="0.6", label="pruned")
    top.plot(complete["trial"], complete["accuracy"], "o", color="C0", label="complete")
    best = complete["accuracy"].cummax()
    top.step(complete["trial"], best, where="post", color="C1", label="best so far")
    again = trials[trials["fresh"].notna()]
    top.errorbar(
        again["trial"],
        again["fresh"],
        again["fresh_sd"].fillna(0),
        fmt="D",
        color="C2",
        label="with fresh seeds",
    )
    top.set(xlabel="trial", ylabel="accuracy on held-out training data (%)")
    top.set_title(title, parse_math=False)
    top.grid(alpha=0.3)
    top.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    names = [*importances][::-1]  # the largest at the top
    bottom.barh(names, [importances[name] for name in names])
    bottom.set(xlabel="share of the accuracy's variance that a parameter explains")
    if not names:
        bottom.set(title="too few trials to say what matters")
    return figure


def draw_conditions(
    values: "pd.DataFrame", axes: "Axes | None" = None, label: str = "accuracy (%)"
) -> "Axes":
    """Each condition's mean with its 95 % interval (Student's t), and its seeds as small dots.

    Parameters
    ----------
    values : DataFrame, a row per seed and a column per condition, drawn from top to bottom
    axes : Axes or None
        None: of a new figure of its own, ``.figure`` of what is returned.
    label : str
        Of the axis of the values, with their unit.

    Returns
    -------
    matplotlib Axes
    """
    from srcnb.metrics import interval

    axes = new_figure((7, 1.2 + 0.35 * values.shape[1])).subplots() if axes is None else axes
    for i, (_, of_condition) in enumerate(values.items()):
        seen = of_condition.dropna()
        axes.plot(seen, [i] * len(seen), "o", color="0.6", markersize=3, zorder=1)
        low, high = interval(seen) if len(seen) > 1 else (seen.mean(), seen.mean())
        axes.plot([low, high], [i, i], "-", color="C0", linewidth=3, zorder=2)
        axes.plot([seen.mean()], [i], "D", color="C0", markersize=6, zorder=3)
    axes.set_yticks(range(values.shape[1]), [str(name) for name in values.columns])
    axes.set_ylim(values.shape[1] - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(alpha=0.3, axis="x")
    return axes


def draw_curves(
    curves: "Mapping[str, pd.DataFrame]",
    axes: "Axes | None" = None,
    x_label: str = "",
    label: str = "accuracy (%)",
) -> "Axes":
    """Each curve's mean with its 95 % interval (Student's t) as bars, a marker of its own each.

    Parameters
    ----------
    curves : {name: DataFrame, a row per seed and a column per number on the x axis}
    axes : Axes or None
        None: of a new figure of its own, ``.figure`` of what is returned.
    x_label, label : str
        Of both axes, with their units.

    Returns
    -------
    matplotlib Axes
    """
    from srcnb.metrics import interval

    axes = new_figure((7, 4.5)).subplots() if axes is None else axes
    for i, (name, values) in enumerate(curves.items()):
        columns = [values[x].dropna() for x in values.columns]
        means = [float(seen.mean()) for seen in columns]
        half = [
            (interval(seen)[1] - mean) if len(seen) > 1 else 0.0
            for seen, mean in zip(columns, means, strict=True)
        ]
        marker, color = "osD^vP"[i % 6], PALETTE[i % len(PALETTE)]
        axes.errorbar(
            values.columns, means, half, fmt=f"{marker}-", color=color, capsize=3, label=name
        )
    axes.set(xlabel=x_label, ylabel=label)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return axes


def draw_neuron(
    membranes: "pd.DataFrame",
    inputs: "pd.DataFrame",
    changes: "pd.DataFrame",
    axes: "Sequence[Axes] | None" = None,
) -> "list[Axes]":
    """A neuron during a sleep: its membrane, the spikes that it gets, and its weights that moved.

    Of the synapses, blue are the 20 that grew most from the first of these steps to the last, and
    orange the 20 that shrank most. Vertical lines are the spikes of the neuron, unless there are
    more than 100.

    Parameters
    ----------
    membranes, changes : tables of a :class:`srcnb.spiking.trace.Trace`, of one neuron
    inputs : its table of spikes, of the layer below
    axes : three Axes, or None
        None: of a new figure of its own, one above the other.

    Returns
    -------
    list of the three Axes: the membrane, with its threshold and spikes; the inputs as a raster; the
    weights
    """
    if axes is None:
        axes = new_figure((9, 8)).subplots(3, 1, sharex=True)
    top, middle, bottom = axes
    step, v, fired = (membranes[name].to_numpy() for name in ("step", "membrane", "spike"))
    top.plot(step, v, "-", color="0.35", linewidth=0.8, label="membrane, before the reset")
    top.plot(step, membranes["threshold"], "--", color="C3", linewidth=1.2, label="threshold β")
    top.plot(step[fired], v[fired], "v", color="k", markersize=4, label="spike")
    layer, neuron = membranes[["layer", "neuron"]].iloc[0] if len(membranes) else (1, "–")
    top.set_title(f"layer {layer}, neuron {neuron}: {fired.sum()} spikes", loc="left")
    top.set(ylabel="membrane")

    ends = changes.groupby("pre").agg(first=("before", "first"), last=("after", "last"))
    moved = (ends["last"] - ends["first"]).sort_values(kind="stable")
    grew, shrank = moved[moved > 0][::-1][:N_WEIGHTS], moved[moved < 0][:N_WEIGHTS]
    drawn = [*grew.index, *shrank.index]
    dots: dict[str, Any] = dict(markersize=2, linestyle="none", marker="o", markeredgewidth=0)
    alpha = max(0.05, min(1.0, OPAQUE_DOTS / max(len(inputs), 1)))
    for label, spikes, color in (
        ("other synapses", inputs[~inputs["neuron"].isin(drawn)], "0.7"),
        ("weight grew", inputs[inputs["neuron"].isin(grew.index)], "C0"),
        ("weight shrank", inputs[inputs["neuron"].isin(shrank.index)], "C1"),
    ):
        x, y = spikes["step"], spikes["neuron"]
        middle.plot(x, y, color=color, label=label, alpha=alpha, **dots)
    middle.set_title("spikes that it gets" + (": none" if inputs.empty else ""), loc="left")
    if inputs.empty:
        middle.set_yticks([])
    middle.set(ylabel="input" if layer == 1 else f"neuron of layer {layer - 1}")

    bottom.axhline(0, color="0.6", linewidth=0.8)
    of_drawn = changes[changes["pre"].isin(drawn)]
    for pre, of_synapse in of_drawn.groupby("pre"):
        weight = np.array([ends["first"][pre], *of_synapse["after"], ends["last"][pre]])
        when = [step[0], *of_synapse["step"], step[-1] + 1]
        color = "C0" if moved[pre] > 0 else "C1"
        bottom.step(when, weight - weight[0], where="post", color=color, linewidth=0.8, alpha=0.8)
    bottom.set(xlabel="step", ylabel="change of the weight")
    title = f"the {len(drawn)} weights that moved furthest up or down, of {len(ends)} that moved"
    bottom.set_title(title, loc="left")
    for panel, scale in ((top, 1), (middle, 3)):
        place: dict[str, Any] = dict(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.1
        )
        legend = panel.legend(**place, frameon=False, fontsize="small", markerscale=scale)
        handles: Any = legend.legend_handles
        for handle in handles:
            handle.set_alpha(1)
    for panel in axes:
        panel.grid(alpha=0.3, axis="y")
    if fired.sum() <= MAX_SPIKE_LINES:
        for panel in (middle, bottom):
            for t in step[fired]:
                panel.axvline(t, color="0.8", linewidth=0.8, zorder=0.5)
    return list(axes)
