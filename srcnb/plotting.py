"""Pictures of results: each function takes tables and draws on axes, or writes a file."""

from typing import TYPE_CHECKING, Any

from srcnb.io import PathLike, replacing
from srcnb.metrics import format_summary, in_time, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def new_figure(size: "tuple[float, float]") -> "Figure":
    """An empty matplotlib Figure of (width, height) inches, with the canvas that files need."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


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


def draw_curves(values: "pd.DataFrame", x: str, y: str, axes: "Axes | None" = None) -> "Axes":
    """``y`` against ``x`` for each change: mean over seeds with its 95 % interval (Student's t).

    Parameters
    ----------
    values : DataFrame with the columns change, seed, and those that ``x`` and ``y`` name
    axes : Axes or None
        None: of a new figure of its own, ``.figure`` of what is returned.

    Returns
    -------
    matplotlib Axes, its labels the names of the columns
    """
    from srcnb.metrics import interval

    axes = new_figure((6, 4)).subplots() if axes is None else axes
    # Told apart by marks and lines as well as by colours.
    styles = ["o-", "s--", "^:", "D-.", "v-", "x--"]
    for i, (change, part) in enumerate(values.groupby("change", sort=False)):
        groups = part.groupby(x)[y]
        mean = groups.mean()
        band = [interval(g) if len(g) > 1 else (g.mean(), g.mean()) for _, g in groups]
        style, color = styles[i % len(styles)], f"C{i}"
        axes.plot(mean.index, mean, style, color=color, markersize=5, label=str(change))
        low, high = zip(*band, strict=True)
        axes.fill_between(mean.index, low, high, color=color, alpha=0.2, linewidth=0)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return axes
