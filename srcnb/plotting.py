"""Pictures of results: each function takes tables and draws on axes, or writes a file."""

from typing import TYPE_CHECKING, Any

from srcnb.io import PathLike, replacing
from srcnb.metrics import format_summary, in_time, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that a colour-blind reader tells apart (Okabe & Ito).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def plot_results(results: "pd.DataFrame", path: PathLike, title: str = "") -> None:
    """Write the picture of :func:`draw_results` to ``path``, a PNG that is whole or as it was."""
    with replacing(path) as temporary:
        draw_results(results, title).savefig(temporary, dpi=150, format="png")


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    results = in_time(results)
    methods = list(dict.fromkeys(results["method"]))
    figure = Figure(figsize=(9, 4.4 + 0.3 * len(methods)), layout="constrained")
    FigureCanvasAgg(figure)
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
    with replacing(path) as temporary:
        draw_search(trials, importances, title).savefig(temporary, dpi=150, format="png")


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
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

    if axes is None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 1.2 + 0.35 * values.shape[1]), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
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

    if axes is None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
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


def draw_matrix(
    values: "pd.DataFrame",
    axes: "Axes | None" = None,
    label: str = "",
    limits: "tuple[float, float] | None" = None,
) -> "Axes":
    """A matrix of numbers as colours, lighter for larger, with the numbers in it; NaN is left out.

    Parameters
    ----------
    values : DataFrame of numbers, drawn with its rows and columns in their order
    axes : Axes or None
        None: of a new figure of its own.
    label : str
        Of the colours, with their unit.
    limits : (low, high) or None
        The numbers of the darkest and the lightest colour; None: the least and the largest.

    Returns
    -------
    matplotlib Axes
    """
    import numpy as np

    if axes is None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(
            figsize=(1.5 + values.shape[1], 1.2 + 0.6 * len(values)), layout="constrained"
        )
        FigureCanvasAgg(figure)
        axes = figure.subplots()
    numbers = values.to_numpy(dtype=float)
    low, high = limits or (np.nanmin(numbers), np.nanmax(numbers))
    image = axes.imshow(numbers, cmap="cividis", aspect="auto", vmin=low, vmax=high)
    for (i, j), number in np.ndenumerate(numbers):
        if not np.isnan(number):
            color = "black" if 2 * number > low + high else "white"
            axes.text(j, i, f"{number:.0f}", color=color, ha="center", va="center")
    axes.set_xticks(range(values.shape[1]), list(map(str, values.columns)), rotation=30, ha="right")
    axes.set_yticks(range(len(values)), list(map(str, values.index)))
    axes.figure.colorbar(image, ax=axes, label=label)
    return axes
