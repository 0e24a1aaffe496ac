"""Pictures of a sleep: what is on the axes, and the animation."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from srcnb import MLP, SleepConfig, activity, sleep, sleep_pictures


@pytest.fixture(scope="module")
def observed():
    net = MLP((12, 9, 8, 3), init=0.6, random_state=0)
    config = SleepConfig(
        50, alpha=[1] * 3, beta=[0.7] * 3, inc=0.02, dec=0.004, gate="additive", max_rate=300
    )
    again = partial(sleep, net, np.full(12, 0.6), config, 0)
    return activity.observe(net, again, lambda n: {"task 1": 50.0, "task 2": 60.0}, 5, 2)


def lines(axes):
    """{label: (x, y)} of the lines on the axes."""
    return {line.get_label(): line.get_xydata().T for line in axes.lines}


def test_raster(observed, monkeypatch):
    axes = sleep_pictures.draw_raster(observed.result, 0)
    spikes = observed.result.spikes[0]
    steps, neurons = axes.lines[0].get_xydata().T.astype(int)
    assert len(steps) == spikes.sum() and spikes.any(axis=0).all()
    assert spikes[steps, neurons].all()
    assert axes.get_ylabel().startswith("input") and axes.get_xlim() == (0, 50)
    monkeypatch.setattr(sleep_pictures, "MAX_NEURONS", 3)
    axes = sleep_pictures.draw_raster(observed.result, 0, axes.figure.add_subplot())
    shown = spikes[:, [0, 6, 11]]
    monkeypatch.setattr(sleep_pictures, "MAX_NAMES", 2)
    assert not len(sleep_pictures.draw_raster(observed.result, 0).get_yticks())
    assert len(axes.lines[0].get_xdata()) == shown.sum()


def test_a_raster_shows_neurons_that_fired(observed):
    spikes = [s.copy() for s in observed.result.spikes]
    result = type(observed.result)(**{**vars(observed.result), "spikes": spikes})
    spikes[1][:, :5] = False
    axes = sleep_pictures.draw_raster(result, 1)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["6", "7", "8"]  # 5 is silent
    assert len(axes.lines[0].get_xdata()) == spikes[1].sum()
    assert axes.lines[0].get_ydata().max() < 4
    spikes[3][:] = False
    silent = sleep_pictures.draw_raster(result, 3)
    assert not len(silent.lines[0].get_xdata()) and "0 % of 3" in silent.get_ylabel()


def test_rates_moves_and_accuracies(observed):
    drawn = lines(sleep_pictures.draw_rates(observed.blocks))
    assert [*drawn] == ["input", "layer 1", "layer 2", "output"]
    of_layer = observed.blocks[observed.blocks["layer"] == 1]
    np.testing.assert_array_equal(drawn["layer 1"], of_layer[["step", "rate"]].T)
    up, down = sleep_pictures.draw_moves(observed.blocks).lines[:2]
    np.testing.assert_array_equal(up.get_ydata(), of_layer["increment"])
    np.testing.assert_array_equal(down.get_ydata(), -of_layer["decrement"])
    drawn = lines(sleep_pictures.draw_accuracies(observed.accuracy))
    np.testing.assert_array_equal(drawn["task 2"], [observed.steps, [60] * 6])


@pytest.mark.slow
def test_figures_have_all_panels(observed):
    assert len(sleep_pictures.draw_blocks(observed).axes) == 3
    rasters = sleep_pictures.draw_rasters(observed.result, observed.blocks).axes
    assert len(rasters) == 5 and rasters[-1].get_ylabel() == "firing rate (Hz)"
    one = sleep_pictures.draw_sleep(observed).axes
    assert [a.get_ylabel() for a in one[4:]] == [
        "firing rate (Hz)",
        "norm of increments\n(+), decrements (-)",
        "accuracy (%)",
    ]


def test_weight_images(observed):
    figure = sleep_pictures.draw_weight_images(observed, (3, 4))
    panels = [a for a in figure.axes if a.images]
    assert len(panels) == 3 * 6
    assert [p.get_title() for p in panels[:6]] == [f"step {s}" for s in observed.steps]
    for i, panel in enumerate(panels):
        shown = observed.images[i % 6, i // 6].reshape(3, 4)
        np.testing.assert_array_equal(panel.images[0].get_array(), shown)
    limits = [p.images[0].get_clim() for p in panels]
    assert len(set(limits[:6])) == len(set(limits[6:])) == 1
    assert limits[0][1] == abs(observed.images[:, 0]).max() == -limits[0][0]


def test_animation(observed, tmp_path):
    path = tmp_path / "weights.gif"
    sleep_pictures.write_weight_animation(observed, (3, 4), path)
    with Image.open(path) as animation:
        assert animation.format == "GIF" and animation.n_frames == 6
        assert animation.info["duration"] == 250 and animation.info["loop"] == 0
    assert [p.name for p in tmp_path.iterdir()] == ["weights.gif"]


def test_reactivation():
    rows = [
        (layer, step, c, 0.1 * c + step / 100, 0.0, -0.15, 0.15)
        for layer in (1, 2)
        for step in (5.0, 15.0)
        for c in (0, 1, 3)
    ]
    columns = ["layer", "step", "class", "correlation", "shuffled", "low", "high"]
    figure = sleep_pictures.draw_reactivation(pd.DataFrame(rows, columns=columns), [[0, 1], [3]])
    first, second = (a for a in figure.axes if a.images)
    np.testing.assert_allclose(
        first.images[0].get_array(), [[0.05, 0.15], [0.15, 0.25], [0.35, 0.45]]
    )
    assert first.images[0].get_extent() == [0, 20, 2.5, -0.5]
    [low, high] = second.images[0].get_clim()
    assert -low == high == pytest.approx(0.45)
    dots = first.lines[0].get_xydata()
    assert {(5.0, 2.0), (15.0, 1.0), (15.0, 2.0)} <= {tuple(xy) for xy in dots.tolist()}
    assert (5.0, 0.0) not in {tuple(xy) for xy in dots.tolist()}
    assert [line.get_ydata()[0] for line in first.lines[1:]] == [1.5, 2.5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: sleep_pictures.draw_sleep(3), "activity must be an Activity"),
        (lambda a: sleep_pictures.draw_blocks(None), "activity must be an Activity"),
        (lambda a: sleep_pictures.draw_weight_images(a, (3, 5)), r"shape must be .*12 pixels"),
        (lambda a: sleep_pictures.draw_weight_images(a, (12,)), "shape must be"),
        (lambda a: sleep_pictures.write_weight_animation(a, 3, "x"), "shape must be"),
        (lambda a: sleep_pictures.draw_raster(3, 0), "result must be a SleepResult"),
    ],
)
def test_bad_input(observed, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(observed)
