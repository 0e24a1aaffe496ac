"""Pictures of networks compared: each function takes arrays and tables, and draws them.

They are those of srcnb.metrics and srcnb.before_after. A function draws on ``axes``, or on the
``figure``, that it is given, else on a new figure; it returns what it drew on, and shows nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb.before_after import WeightPairs, averages
from srcnb.metrics import in_time, stage_table
from srcnb.plotting import draw_curves, new_figure
from srcnb.validation import Array, check_instance, check_list

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# For values from 0 on, and for those of two signs: both can be told apart by colour-blind readers.
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"


def draw_matrix(
    values: "pd.DataFrame",
    axes: "Axes | None" = None,
    limits: tuple[float, float] = (0, 100),
    colours: str = SEQUENTIAL,
    form: str = "{:.0f}",
    size: float = 8,
) -> "Axes":
    """A table as coloured cells with their numbers; names of rows and columns beside it.

    Parameters
    ----------
    values : DataFrame of numbers; the cells of those that are NaN are white and empty
    axes : Axes or None
    limits : the values that the first and the last colour stand for
    colours : name of a colour map
    form : of the numbers; an empty one leaves them out
    size : of the numbers, in points
    """
    import pandas as pd

    check_instance("values", values, pd.DataFrame, "a DataFrame")
    n_rows, n_columns = values.shape
    if axes is None:
        axes = new_figure((2 + 0.5 * n_columns, 1 + 0.35 * n_rows)).subplots()
    a = values.to_numpy(float)
    image = axes.imshow(a, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")
    axes.set_xticks(range(n_columns), [str(c) for c in values.columns])
    axes.set_yticks(range(n_rows), [str(r) for r in values.index])
    axes.tick_params(length=0)
    for (i, j), value in np.ndenumerate(a):
        if form and not np.isnan(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            ink = "white" if dark else "black"
            text = form.format(value)
            text = text.removeprefix("-") if not float(text) else text  # no -0.00
            at_centre: Any = dict(ha="center", va="center", in_layout=False)  # layout is slow
            axes.text(j, i, text, color=ink, size=size, **at_centre)
    return axes


def colour_bar(axes: "Axes | Sequence[Axes] | Array", label: str, aspect: float = 15) -> None:
    """A colour bar, ``aspect`` times as high as wide, beside axes with images of one scale."""
    several: Any = np.ravel(np.array(axes, dtype=object)).tolist()
    figure = several[0].figure
    figure.colorbar(several[0].images[0], ax=several, label=label, pad=0.01, aspect=aspect)


def layer_name(layer: int, last: int) -> str:
    """What pictures call a layer, from 1; ``last`` is that of the output."""
    return "output layer" if layer == last else f"layer {layer}"


def draw_accuracy(results: "pd.DataFrame", figure: "Figure | None" = None) -> "Figure":
    """Accuracy of each task after each stage (mean over seeds), methods side by side.

    After the stage's sleep, where there is one. ``results`` are those of ``compare_methods``.
    """
    results = in_time(results)
    each = results[results["task"] != "all"]
    keys = ["method", "task", "stage", "seed"]
    left = each.groupby(keys, sort=False)["accuracy"].last()
    means = left.groupby(["method", "task", "stage"], sort=False).mean()
    titles = _with_seeds(results)
    tables: list[Any] = [means.xs(method).unstack("stage") for method in titles]
    widths = [1 + table.shape[1] for table in tables]
    size = 1.2 + 0.55 * sum(widths), 1 + 0.45 * len(tables[0])
    figure = new_figure(size) if figure is None else figure
    panels = figure.subplots(1, len(tables), squeeze=False, sharey=True, width_ratios=widths)[0]
    for panel, title, table in zip(panels, titles.values(), tables, strict=True):
        draw_matrix(table, panel)
        panel.set_title(title, fontsize=10)
    panels[0].set_ylabel("task")
    figure.supxlabel("tasks trained so far", fontsize=10)
    colour_bar(panels, "accuracy (%)")
    return figure


def _with_seeds(results: "pd.DataFrame", between: str = "\n") -> dict[str, str]:
    """{method: it and how many seeds its mean is over}, in their order."""
    counts = results.groupby("method", sort=False)["seed"].nunique()
    return {str(name): f"{name}{between}({n} seed{'s' * (n > 1)})" for name, n in counts.items()}


def draw_accuracy_table(results: "pd.DataFrame", axes: "Axes | None" = None) -> "Axes":
    """Accuracy over all classes of each method after each stage (mean over seeds), coloured."""
    table = stage_table(results)
    slept = {method for method, phase in table.index if phase == "sleep"}
    names = {"train": "before sleep", "sleep": "after sleep"}
    titles = _with_seeds(results, " ")
    table.index = table.index.map(
        lambda key: f"{titles[key[0]]}, {names[key[1]]}" if key[0] in slept else titles[key[0]]
    )
    if axes is None:  # wide enough for the names of the rows, even if there is one stage only
        n_rows, n_columns = table.shape
        axes = new_figure((max(2 + 0.5 * n_columns, 4.5), 1 + 0.35 * n_rows)).subplots()
    draw_matrix(table, axes, form="{:.1f}")
    axes.set_xlabel("tasks trained so far")
    colour_bar(axes, "accuracy (%)")
    return axes


def draw_activations(
    scores: Sequence[Array], names: Sequence[str], y: Array, figure: "Figure | None" = None
) -> "Figure":
    """Activations of several networks as images: layers from top to bottom, networks side by side.

    One colour scale for all panels of a layer: its end is what 1 % of the values exceed.

    Parameters
    ----------
    scores : of :func:`srcnb.before_after.joint_scores`: (n_networks, n, k) for each layer
        The first two networks are those before and after; their difference is the third panel.
    names : of the networks
    y : (n,) classes of the inputs, which must be in their order
    figure : Figure or None
    """
    names = check_list("names", names)
    if any(len(s) != len(names) or s.shape[1] != len(y) for s in scores) or len(names) < 2:
        shapes = [s.shape for s in scores]
        raise ValueError(f"scores must be of {len(names)} names and {len(y)} inputs, got {shapes}")
    titles = [*names[:2], "difference", *names[2:]]
    n_rows = len(scores)
    figure = new_figure((1.4 + 1.5 * len(titles), 0.6 + 2.1 * n_rows)) if figure is None else figure
    panels = figure.subplots(n_rows, len(titles), squeeze=False, sharey=True)
    classes, starts = np.unique(y, return_index=True)
    middles = averages(y) @ np.arange(len(y))
    for row, (of_layer, axes) in enumerate(zip(scores, panels, strict=True), 1):
        shown = [*of_layer[:2], of_layer[1] - of_layer[0], *of_layer[2:]]
        end = float(np.quantile(abs(np.stack(shown)), 0.99)) or 1.0
        for image, panel in zip(shown, axes, strict=True):
            panel.imshow(
                image, cmap=DIVERGING, vmin=-end, vmax=end, aspect="auto", interpolation="nearest"
            )
            panel.set_yticks(middles, [str(c) for c in classes])
            panel.tick_params(length=0, labelsize=8)
            for start in starts[1:] if len(y) > len(classes) else ():
                panel.axhline(start - 0.5, color="0.5", linewidth=0.4)
        last = row == n_rows
        width = of_layer.shape[2]
        axes[0].set_ylabel(f"{layer_name(row, n_rows)}\nclass of the input")
        for panel in axes:
            ticks = range(width) if last else range(0, width, 3)
            panel.set_xticks(ticks, [str(t if last else t + 1) for t in ticks])
        axes[len(titles) // 2].set_xlabel("output" if last else "principal component", fontsize=9)
        colour_bar(axes, "logit" if last else "score")
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title, fontsize=10)
    return figure


def draw_differences(
    changes: "pd.DataFrame",
    current: "Mapping[int, Sequence[int]] | None" = None,
    figure: "Figure | None" = None,
) -> "Figure":
    """How far the hidden states of each class moved in each sleep: layers × classes, in numbers.

    Parameters
    ----------
    changes : DataFrame with the columns stage, layer, class and difference, such as those of
        :func:`srcnb.before_after.class_changes`; the mean over its other columns is drawn
    current : {stage: the classes of its task}, which get a frame
    figure : Figure or None
    """
    table = changes.groupby(["stage", "layer", "class"])["difference"].mean()
    stages = sorted(set(changes["stage"]))
    n_layers = changes["layer"].nunique()
    size = 1.8 + 0.5 * changes["class"].nunique(), 0.5 + len(stages) * (0.55 + 0.3 * n_layers)
    figure = new_figure(size) if figure is None else figure
    panels = figure.subplots(len(stages), 1, squeeze=False, sharex=True)[:, 0]
    end = float(table.max()) or 1.0
    for stage, panel in zip(stages, panels, strict=True):
        of_stage: Any = table.xs(stage).unstack("class")
        of_stage.index = [*of_stage.index[:-1], "output"]
        draw_matrix(of_stage, panel, (0, end), "cividis", "{:.2f}")
        panel.set_ylabel("layer")
        panel.set_title(f"sleep after task {stage}", fontsize=10)
        places = [i for i, c in enumerate(of_stage) if c in (current or {}).get(stage, ())]
        if places:
            low, high = min(places) - 0.5, max(places) + 0.5
            panel.plot(
                [low, high, high, low, low],
                [-0.5, -0.5, n_layers - 0.5, n_layers - 0.5, -0.5],
                color="red",
                linewidth=2,
                clip_on=False,
            )
    panels[-1].set_xlabel("class (framed: those of the task just learnt)")
    colour_bar(panels, "1 - cosine similarity", 15 * len(stages))
    return figure


def draw_stable_ranks(ranks: "pd.DataFrame", figure: "Figure | None" = None) -> "Figure":
    """The stable rank of each layer against the stage, before and after sleep.

    Mean over seeds with its 95 % interval. ``ranks`` has the columns seed, stage, phase ("train" |
    "sleep"), layer and stable_rank.
    """
    layers = sorted(set(ranks["layer"]))
    figure = new_figure((1 + 3 * len(layers), 3.2)) if figure is None else figure
    panels = figure.subplots(1, len(layers), squeeze=False)[0]
    names = {"train": "before sleep", "sleep": "after sleep"}
    for layer, panel in zip(layers, panels, strict=True):
        part = ranks[ranks["layer"] == layer]
        curves = {
            name: part[part["phase"] == phase].pivot(
                index="seed", columns="stage", values="stable_rank"
            )
            for phase, name in names.items()
            if phase in set(part["phase"])
        }
        draw_curves(curves, panel)
        panel.set(xlabel="tasks trained so far", ylabel="", xticks=sorted(set(part["stage"])))
        panel.set_title(layer_name(layer, len(layers)), fontsize=10)
        if layer != layers[0]:
            panel.get_legend().remove()
    panels[0].set_ylabel(r"stable rank $(\Vert W\Vert_F/\Vert W\Vert_2)^2$")
    return figure


def draw_weight_histograms(
    pairs: Sequence[WeightPairs], figure: "Figure | None" = None
) -> "Figure":
    """Weights of each layer before and after (above), and their change (below), as histograms."""
    figure = new_figure((1 + 3 * len(pairs), 5)) if figure is None else figure
    panels = figure.subplots(2, len(pairs), squeeze=False)
    for layer, (of_layer, (top, bottom)) in enumerate(zip(pairs, panels.T, strict=True), 1):
        for axis, name, style in ((1, "before sleep", "-"), (0, "after sleep", "--")):
            counts = of_layer.counts.sum(axis=axis)
            top.stairs(counts, of_layer.edges, label=name, color=f"C{1 - axis}", linestyle=style)
        bottom.stairs(of_layer.changes, of_layer.change_edges, color="0.2", fill=True)
        for panel, label in ((top, "weight"), (bottom, "change of the weight")):
            panel.set(xlabel=label, yscale="log")
            panel.locator_params(axis="x", nbins=4)  # more of 0.0025 overlap
            panel.set_ylim(bottom=0.5)
            panel.grid(alpha=0.3)
        if not of_layer.moved:
            bottom.set_title("no weight moved", fontsize=9)
        top.set_title(layer_name(layer, len(pairs)), fontsize=10)
    for panel in panels[:, 0]:
        panel.set_ylabel("synapses")
    panels[0, 0].legend(frameon=False, fontsize=8)
    return figure


def draw_weight_pairs(
    pairs: Sequence[WeightPairs],
    gates: Sequence[Callable[[Array], Array]],
    name: str,
    figure: "Figure | None" = None,
) -> "Figure":
    """The weights of each layer before against after, and the gate over the same weights.

    Parameters
    ----------
    pairs : of :func:`srcnb.before_after.weight_pairs`
    gates : g(w) of each layer, which says how far a synapse of weight w may move at a spike
    name : of the gate
    figure : Figure or None
    """
    from matplotlib.colors import LogNorm

    figure = new_figure((1.4 + 3 * len(pairs), 3.6)) if figure is None else figure
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    most = max(of_layer.counts.max() for of_layer in pairs)
    for layer, (of_layer, gate, panel) in enumerate(zip(pairs, gates, panels, strict=True), 1):
        edges = of_layer.edges
        counts = np.ma.masked_equal(of_layer.counts.T, 0)
        panel.imshow(
            counts,
            origin="lower",
            extent=(edges[0], edges[-1], edges[0], edges[-1]),
            cmap=SEQUENTIAL,
            norm=LogNorm(1, most),
            interpolation="nearest",
        )
        panel.plot(edges[[0, -1]], edges[[0, -1]], ":", color="0.3", linewidth=1)
        w = np.linspace(edges[0], edges[-1], 400)
        beside = panel.twinx()
        beside.plot(w, gate(w), color="C3", linewidth=1.5)
        beside.set_ylim(-0.05, 2.05)
        beside.tick_params(colors="C3")
        if layer == len(pairs):
            beside.set_ylabel(f"gate g(w), “{name}”", color="C3")
        else:
            beside.set_yticklabels([])
        panel.set(xlabel="weight before sleep")
        panel.set_title(layer_name(layer, len(pairs)), fontsize=10)
    panels[0].set_ylabel("weight after sleep")
    colour_bar(panels, "synapses")
    return figure


def draw_before_after(
    before: Sequence[Array],
    after: Sequence[Array],
    titles: Sequence[str],
    label: str,
    limits: tuple[float, float],
    figure: "Figure | None" = None,
) -> "Figure":
    """Square matrices of classes before and after, and their difference, with numbers.

    Parameters
    ----------
    before, after : (n_classes, n_classes) arrays, a row of panels for each
    titles : of the rows of panels
    label : what the numbers are
    limits : those of the numbers, of all panels but the differences
    figure : Figure or None
    """
    import pandas as pd

    n = len(before[0])
    size = 1.5 + 3 * max(0.25 * n, 1.5), len(before) * max(0.25 * n, 1.5) + 0.8
    figure = new_figure(size) if figure is None else figure
    panels = figure.subplots(len(before), 3, squeeze=False, sharex=True, sharey=True)
    end = float(max(np.nanmax(abs(b - a)) for a, b in zip(before, after, strict=True))) or 1.0
    form = "{:.0f}" if limits[1] > 1 else "{:.1f}"
    signed = DIVERGING if limits[0] < 0 else SEQUENTIAL
    for a, b, title, row in zip(before, after, titles, panels, strict=True):
        for panel, values, colours, ends in (
            (row[0], a, signed, limits),
            (row[1], b, signed, limits),
            (row[2], b - a, DIVERGING, (-end, end)),
        ):
            draw_matrix(pd.DataFrame(values), panel, ends, colours, form, 6.5)
        row[0].set_ylabel(title)
        colour_bar(row[:2], label)
        colour_bar(row[2], "change")
    for panel, title in zip(panels[0], ("before sleep", "after sleep", "difference"), strict=True):
        panel.set_title(title, fontsize=10)
    return figure
