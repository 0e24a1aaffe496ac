"""Pictures of results."""

from srcnb.files import replacing
from srcnb.metrics import format_summary, summary


def plot_results(results, path, title=""):
    """Write accuracy against stage (mean ± sd over seeds) with the summary table below it.

    Parameters
    ----------
    results : DataFrame of ``run_experiment``
    path : where the PNG goes; written to a temporary name first, then renamed
    title : str
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(results["method"]))
    figure = Figure(figsize=(9, 4.4 + 0.3 * len(methods)), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, height_ratios=[10, 1.2 + 0.9 * len(methods)])
    n_stages = int(results["stage"].max())
    for i, method in enumerate(methods):
        _plot_method(top, results[results["method"] == method], method, f"C{i}", n_stages)
    top.set(
        xlabel="tasks trained so far",
        ylabel="accuracy over all classes (%)",
        xticks=range(1, n_stages + 1),
        ylim=(0, 100),
        title=title,
    )
    top.grid(alpha=0.3)
    top.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)

    table = format_summary(summary(results))
    bottom.axis("off")
    drawn = bottom.table(
        cellText=table.to_numpy(),
        rowLabels=table.index,
        colLabels=table.columns,
        cellLoc="center",
        loc="center",
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    drawn.scale(1, 1.4)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _plot_method(axes, results, method, color, n_stages):
    overall = results[results["task"] == "all"]
    stats = overall.groupby(["stage", "phase"])["accuracy"].agg(["mean", "std"]).fillna(0)
    if set(results["stage"]) == {n_stages}:  # one stage only: a level to compare with
        mean, sd = stats.iloc[-1]
        axes.axhline(mean, color=color, linestyle="--", label=method)
        axes.axhspan(mean - sd, mean + sd, color=color, alpha=0.15, linewidth=0)
        return
    phases = {phase: stats.xs(phase, level="phase") for phase in stats.index.unique("phase")}
    if "sleep" in phases:
        awake = phases["train"]
        axes.plot(awake.index, awake["mean"], "x", color=color, label=f"{method}, before sleep")
    # What a stage leaves behind: after its sleep, where there was one.
    left = phases.get("sleep", phases["train"]).combine_first(phases["train"])
    axes.plot(left.index, left["mean"], "o-", color=color, label=method)
    low, high = left["mean"] - left["std"], left["mean"] + left["std"]
    axes.fill_between(left.index, low, high, color=color, alpha=0.15, linewidth=0)
