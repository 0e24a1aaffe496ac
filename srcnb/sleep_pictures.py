"""Pictures of what happens during a sleep: each function takes what srcnb.activity gives.

A function draws on ``axes``, or on the ``figure``, that it is given, else on a new figure; it
returns what it drew on, and shows nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb.activity import Activity, recorded
from srcnb.io import PathLike, replacing
from srcnb.pictures import DIVERGING, colour_bar
from srcnb.plotting import PALETTE, new_figure
from srcnb.spiking.report import SleepResult
from srcnb.validation import check_instance, check_list

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Neurons of a layer that a raster shows: more are not told apart.
MAX_NEURONS, MAX_NAMES = 100, 10
# Steps between those at which the images of a PNG are, and frames per second of a GIF.
MAX_COLUMNS, FRAME_RATE = 6, 4
STYLES = ("o-", "s--", "^:", "D-.", "v-", "x--")


def draw_raster(result: SleepResult, layer: int, axes: "Axes | None" = None) -> "Axes":
    """The spikes of a layer (0: the input): a line of marks per neuron.

    Of the neurons that fired, at most MAX_NEURONS, evenly spaced, in the order of the layer; up to
    MAX_NAMES have their number beside them.
    """
    axes = new_figure((7, 2)).subplots() if axes is None else axes
    spikes = recorded(result)[layer]
    fired = np.flatnonzero(spikes.any(axis=0))
    places = np.linspace(0, len(fired) - 1, min(MAX_NEURONS, len(fired))).round().astype(int)
    shown = fired[places]
    steps, neurons = np.nonzero(spikes[:, shown])
    size = min(max(80 / max(len(shown), 1), 1.5), 8)
    axes.plot(steps, neurons, "|", color="black", markersize=size, markeredgewidth=0.8)
    axes.set_xlim(0, max(result.n_steps, 1))
    axes.set_ylim(len(shown) - 0.5 if len(shown) else 0.5, -0.5)
    few = len(shown) <= MAX_NAMES
    axes.set_yticks(range(len(shown)), map(str, shown)) if few else axes.set_yticks([])
    name = _name(layer, len(recorded(result)) - 1)
    share = 100 * len(fired) / spikes.shape[1]
    axes.set_ylabel(
        f"{name}\n{share:.0f} % of {spikes.shape[1]}\nfired",
        fontsize=8,
        rotation=0,
        ha="right",
        va="center",
        labelpad=12,  # from names of neurons
    )
    return axes


def _name(layer: int, last: int) -> str:
    return {0: "input", last: "output"}.get(layer, f"layer {layer}")


def draw_rates(blocks: "pd.DataFrame", axes: "Axes | None" = None) -> "Axes":
    """Firing rate of each layer per block of steps, in Hz; ``blocks`` as of an Activity."""
    axes = new_figure((7, 2.5)).subplots() if axes is None else axes
    last = int(blocks["layer"].max())
    for layer in range(last + 1):
        of_layer = blocks[blocks["layer"] == layer]
        _line(axes, of_layer["step"], of_layer["rate"], layer, _name(layer, last))
    # Rates of the layers may be far apart; 0 must be seen as well.
    positive = blocks.loc[blocks["rate"] > 0, "rate"]
    least = 10 ** np.floor(np.log10(positive.min())) if len(positive) else 1.0
    axes.set_yscale("symlog", linthresh=float(least), linscale=0.5)
    axes.set_ylim(bottom=0)
    return _finished(axes, "firing rate (Hz)")


def draw_moves(blocks: "pd.DataFrame", axes: "Axes | None" = None) -> "Axes":
    """Norms of increments (upwards) and decrements (downwards) of each layer per block of steps."""
    axes = new_figure((7, 2.5)).subplots() if axes is None else axes
    last = int(blocks["layer"].max())
    for layer in range(1, last + 1):
        of_layer = blocks[blocks["layer"] == layer]
        _line(axes, of_layer["step"], of_layer["increment"], layer, _name(layer, last))
        _line(axes, of_layer["step"], -of_layer["decrement"], layer, "")
    axes.axhline(0, color="black", linewidth=0.8)
    return _finished(axes, "norm of increments\n(+), decrements (-)")


def draw_accuracies(accuracy: "pd.DataFrame", axes: "Axes | None" = None) -> "Axes":
    """Accuracy in percent during a sleep, a line for each column of an Activity's ``accuracy``."""
    axes = new_figure((7, 2.5)).subplots() if axes is None else axes
    for i, name in enumerate(accuracy.columns.drop("step")):
        _line(axes, accuracy["step"], accuracy[name], i, str(name))
    axes.set_ylim(-3, 103)
    return _finished(axes, "accuracy (%)")


def _line(axes: "Axes", x: Any, y: Any, i: int, label: str) -> None:
    """Lines are told apart by marks and dashes as well as by colours."""
    style = STYLES[i % len(STYLES)]
    color = PALETTE[i % len(PALETTE)]
    axes.plot(x, y, style, color=color, markersize=3, linewidth=1.2, label=label or "_")


def _finished(axes: "Axes", label: str) -> "Axes":
    axes.set_ylabel(label, fontsize=9)
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return axes


def draw_blocks(activity: Activity, figure: "Figure | None" = None) -> "Figure":
    """What moved, firing rates and accuracy, per block of steps, one below the other."""
    check_instance("activity", activity, Activity, "an Activity, of srcnb.activity.observe")
    figure = new_figure((8, 7)) if figure is None else figure
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    draw_moves(activity.blocks, top).set_xlabel("")
    draw_rates(activity.blocks, middle).set_xlabel("")
    draw_accuracies(activity.accuracy, bottom)
    return figure


def draw_rasters(
    result: SleepResult, blocks: "pd.DataFrame", figure: "Figure | None" = None
) -> "Figure":
    """The raster of each layer, and their firing rates."""
    n = len(recorded(result))
    figure = new_figure((8, 1.3 * n + 2)) if figure is None else figure
    panels = figure.subplots(n + 1, 1, sharex=True, height_ratios=[1.3] * n + [1.7])
    for layer, panel in enumerate(panels[:-1]):
        draw_raster(result, layer, panel)
    draw_rates(blocks, panels[-1])
    return figure


def draw_sleep(activity: Activity, figure: "Figure | None" = None) -> "Figure":
    """One sleep in one picture: raster of the layers, rates, what moved, accuracy."""
    check_instance("activity", activity, Activity, "an Activity, of srcnb.activity.observe")
    n = len(recorded(activity.result))
    figure = new_figure((9, 0.85 * n + 5.2)) if figure is None else figure
    panels = figure.subplots(n + 3, 1, sharex=True, height_ratios=[0.85] * n + [1.5, 1.5, 1.7])
    for layer, panel in enumerate(panels[:n]):
        draw_raster(activity.result, layer, panel)
    panels[0].set_title("spikes of input and layers", **_LEFT)
    draw_rates(activity.blocks, panels[n]).set_title("firing rates per block of steps", **_LEFT)
    draw_moves(activity.blocks, panels[n + 1]).set_title(
        "what moved: synapses of neurons that fired, per block of steps", **_LEFT
    )
    draw_accuracies(activity.accuracy, panels[n + 2]).set_title("accuracy on each task", **_LEFT)
    for panel in panels[n : n + 2]:
        panel.set_xlabel("")
    return figure


_LEFT: dict[str, Any] = {"loc": "left", "fontsize": 10}


def draw_weight_images(
    activity: Activity, shape: Sequence[int], figure: "Figure | None" = None
) -> "Figure":
    """First-layer weights as images during the sleep: their mean, and neurons that fired most.

    From left to right the first moment, the last and those between, at most MAX_COLUMNS; one colour
    scale for the mean, and one for the neurons.

    Parameters
    ----------
    activity : Activity
    shape : (rows, columns) of the images
    figure : Figure or None
    """
    images = _images(activity, shape)
    n = len(images)
    moments = np.unique(np.linspace(0, n - 1, min(n, MAX_COLUMNS)).round().astype(int))
    size = 2.2 + 1.2 * len(moments), 0.5 + 1.2 * images.shape[1]
    figure = new_figure(size) if figure is None else figure
    panels = figure.subplots(images.shape[1], len(moments), squeeze=False)
    for column, moment in enumerate(moments):
        _show(panels[:, column], images, moment)
        panels[0, column].set_title(f"step {activity.steps[moment]}", fontsize=9)
    for row, name in enumerate(_names(activity)):
        panels[row, 0].set_ylabel(name, fontsize=8)
    colour_bar(panels[:1].ravel(), "weight")
    if len(panels) > 1:
        colour_bar(panels[1:].ravel(), "weight", 12 * (len(panels) - 1))
    return figure


def write_weight_animation(activity: Activity, shape: Sequence[int], path: PathLike) -> None:
    """The images of :func:`draw_weight_images` at each moment, as an animated GIF.

    The file is whole, or as it was.
    """
    from PIL import Image

    images = _images(activity, shape)
    n = images.shape[1]
    figure = new_figure((1 + 1.5 * n, 2.1))
    panels = figure.subplots(1, n, squeeze=False)[0]
    _show(panels, images, 0)
    for panel, name in zip(panels, _names(activity), strict=True):
        panel.set_title(name, fontsize=8)
    colour_bar(panels[:1], "")
    if n > 1:
        colour_bar(panels[1:], "weight")
    frames = []
    for moment, step in enumerate(activity.steps):
        for panel, image in zip(panels, images[moment], strict=True):
            panel.images[0].set_data(image)
        figure.suptitle(f"first-layer weights at step {step}", fontsize=10)
        canvas: Any = figure.canvas
        canvas.draw()
        figure.set_layout_engine("none")  # each frame as the first one
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    with replacing(path) as temporary:
        frames[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=1000 // FRAME_RATE,
            loop=0,
        )


def _images(activity: Activity, shape: Sequence[int]) -> Any:
    """(n_moments, 1 + k, rows, columns); ValueError for a shape that does not fit."""
    check_instance("activity", activity, Activity, "an Activity, of srcnb.activity.observe")
    shape = check_list("shape", shape)
    n_inputs = activity.images.shape[2]
    if len(shape) != 2 or np.prod(shape) != n_inputs:
        raise ValueError(f"shape must be (rows, columns) of {n_inputs} pixels, got {shape!r}")
    return activity.images.reshape(*activity.images.shape[:2], *shape)


def _show(panels: Any, images: Any, moment: int) -> None:
    """The images of a moment; colours as of all moments."""
    for i, panel in enumerate(panels):
        end = float(abs(images[:, :1] if i == 0 else images[:, 1:]).max()) or 1.0
        panel.imshow(images[moment, i], cmap=DIVERGING, vmin=-end, vmax=end)
        panel.set(xticks=[], yticks=[])


def _names(activity: Activity) -> list[str]:
    return ["mean", *(f"neuron {i}" for i in activity.neurons)]


def draw_reactivation(
    reactivated: "pd.DataFrame",
    seen: Sequence[Sequence[int]] = (),
    figure: "Figure | None" = None,
) -> "Figure":
    """How much each class is replayed in each window of a sleep: classes × windows, by layer.

    The colour is the correlation with the class; dots are where it is outside of 95 % of those with
    shuffled classes. Windows in which no neuron of the layer fired are white.

    Parameters
    ----------
    reactivated : DataFrame of :func:`srcnb.activity.reactivation`
    seen : the classes of each task learnt so far; a line is below those of each
    figure : Figure or None
    """
    layers = sorted(set(reactivated["layer"]))
    n_classes = reactivated["class"].nunique()
    figure = new_figure((1.5 + 4 * len(layers), 1 + 0.28 * n_classes)) if figure is None else figure
    panels = figure.subplots(1, len(layers), squeeze=False, sharey=True)[0]
    end = float(reactivated["correlation"].abs().max()) or 1.0
    for layer, panel in zip(layers, panels, strict=True):
        part = reactivated[reactivated["layer"] == layer]
        table = part.pivot(index="class", columns="step", values="correlation")
        steps, classes = table.columns.to_numpy(float), list(table.index)
        half = (steps[1] - steps[0]) / 2 if len(steps) > 1 else steps[0]
        panel.imshow(
            table,
            cmap=DIVERGING,
            vmin=-end,
            vmax=end,
            aspect="auto",
            extent=(steps[0] - half, steps[-1] + half, len(classes) - 0.5, -0.5),
            interpolation="nearest",
        )
        out = part[(part["correlation"] > part["high"]) | (part["correlation"] < part["low"])]
        panel.plot(out["step"], out["class"].map(classes.index), "k.", markersize=3)
        for of_task in seen:
            inside = [classes.index(c) for c in of_task if c in classes]
            if inside:
                panel.axhline(max(inside) + 0.5, color="0.4", linewidth=0.6)
        panel.set_yticks(range(len(classes)), [str(c) for c in classes])
        panel.set(xlabel="step")
        panel.set_title(f"layer {layer}", fontsize=10)
    panels[0].set_ylabel("class")
    colour_bar(panels, "correlation (dots: beyond\nshuffled classes)")
    return figure
