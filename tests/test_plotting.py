"""Pictures: what is on the axes, and files that are whole."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from srcnb import metrics, plotting
from srcnb.experiments.comparison import COLUMNS


@pytest.fixture
def results():
    """src with a sleep after each of three tasks, sequential without, parallel at the end."""
    rows = []
    for seed in (0, 1):
        for stage in (1, 2, 3):
            rows.append(("src", seed, stage, "train", "all", 20.0 * stage + seed))
            rows.append(("src", seed, stage, "sleep", "all", 30.0 * stage + seed))
            rows.append(("sequential", seed, stage, "train", "all", 30.0 - 5 * seed))
        rows.append(("parallel", seed, 3, "train", "all", 95.0 + seed))
    rows += [(*row[:4], task, row[5]) for task in "123" for row in rows]
    return pd.DataFrame(rows, columns=COLUMNS)


def lines(axes):
    """{label: (x, y)} of the lines on the axes."""
    return {line.get_label(): line.get_xydata().T for line in axes.lines}


def test_curves(results):
    top, bottom = plotting.draw_results(results, "a title").axes
    assert top.get_title() == "a title" and top.get_ylim() == (0, 100)
    drawn = lines(top)
    # What a stage leaves behind, and before its sleep as crosses; the mean over the seeds.
    np.testing.assert_array_equal(drawn["src"], [[1, 2, 3], [30.5, 60.5, 90.5]])
    np.testing.assert_array_equal(drawn["src, before sleep"], [[1, 2, 3], [20.5, 40.5, 60.5]])
    np.testing.assert_array_equal(drawn["sequential"], [[1, 2, 3], [27.5] * 3])
    np.testing.assert_array_equal(drawn["parallel"][1], [95.5, 95.5])  # a level to compare with
    assert "before" not in str([label for label in drawn if "src" not in label])
    colours = {line.get_label().split(",")[0]: line.get_color() for line in top.lines}
    assert len(set(colours.values())) == 3


@pytest.mark.slow
def test_a_title_is_no_formula(results, tmp_path):
    """It has the name of a data file in it, which may be any."""
    plotting.plot_results(results, tmp_path / "results.png", "a$b$ $\\frac{$")
    plotting.plot_search(trials(), {}, tmp_path / "search.png", "a$b$ $\\frac{$")


def test_bands_are_the_spread_over_seeds(results):
    top, _ = plotting.draw_results(results).axes
    [band, *_] = [c.get_paths()[0].vertices for c in top.collections]
    sd = np.std([30, 31], ddof=1)
    at_1 = band[band[:, 0] == 1][:, 1]
    assert at_1.min() == pytest.approx(30.5 - sd) and at_1.max() == pytest.approx(30.5 + sd)


def test_table(results):
    _, bottom = plotting.draw_results(results).axes
    [table] = bottom.tables
    text = metrics.format_summary(metrics.summary(results))
    cells = {key: cell.get_text().get_text() for key, cell in table.get_celld().items()}
    for i, method in enumerate(text.index, 1):
        assert cells[i, -1] == method
        assert [cells[i, j] for j in range(text.shape[1])] == text.loc[method].tolist()
    assert [cells[0, j] for j in range(text.shape[1])] == text.columns.tolist()


def test_one_seed_has_no_spread(results):
    one = results[results["seed"] == 0]
    top, _ = plotting.draw_results(one).axes
    np.testing.assert_array_equal(lines(top)["src"][1], [30, 60, 90])


def test_the_picture_is_a_png_and_whole(results, tmp_path, monkeypatch):
    path = tmp_path / "results.png"
    plotting.plot_results(results, path)
    picture = imread(path)
    assert picture.shape[1] > 1000 and picture.std() > 0.05
    before = path.read_bytes()

    def broken(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(plotting, "draw_results", broken)
    with pytest.raises(KeyboardInterrupt):
        plotting.plot_results(results, path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["results.png"]


def trials():
    """Three trials of a search that went through, one that was pruned, two with fresh seeds."""
    return pd.DataFrame(
        {
            "trial": [0, 1, 3, 4],
            "state": ["complete", "pruned", "complete", "complete"],
            "accuracy": [40.0, 90.0, 60.0, 50.0],
            "fresh": [np.nan, np.nan, 55.0, 57.0],
            "fresh_sd": [np.nan, np.nan, 2.0, np.nan],
        }
    )


def test_a_search():
    """A pruned trial is not the best so far, whatever its first seed; bars from the largest on."""
    figure = plotting.draw_search(trials(), {"rho": 0.7, "budget": 0.3}, "a title")
    top, bottom = figure.axes
    drawn = lines(top)
    np.testing.assert_array_equal(drawn["best so far"], [[0, 3, 4], [40, 60, 60]])
    np.testing.assert_array_equal(drawn["complete"], [[0, 3, 4], [40, 60, 50]])
    np.testing.assert_array_equal(drawn["pruned"], [[1], [90]])
    [again] = top.containers
    np.testing.assert_array_equal(again.lines[0].get_xydata(), [[3, 55], [4, 57]])
    assert top.get_title() == "a title"
    assert [bar.get_width() for bar in bottom.patches] == [0.3, 0.7]
    assert [label.get_text() for label in bottom.get_yticklabels()] == ["budget", "rho"]


def test_the_legend_of_a_search_hides_nothing():
    """It stands beside the axes, and within the picture."""
    figure = plotting.draw_search(trials(), {"rho": 0.7, "budget": 0.3})
    figure.draw_without_rendering()
    top = figure.axes[0]
    legend = top.get_legend().get_window_extent()
    assert top.get_window_extent().x1 < legend.x0 and legend.x1 < figure.bbox.x1


def test_a_search_of_too_few_trials(tmp_path):
    _, bottom = plotting.draw_search(trials()[:1], {}).axes
    assert "too few trials" in bottom.get_title() and not bottom.patches
    plotting.plot_search(trials()[:1], {}, tmp_path / "search.png")
    assert imread(tmp_path / "search.png").shape[1] > 1000


@pytest.mark.slow
def test_a_search_has_no_title_unless_one_is_given(tmp_path):
    plotting.plot_search(trials(), {}, tmp_path / "search.png")
    for title, same in (("", True), ("a title", False)):
        plotting.plot_search(trials(), {}, tmp_path / "other.png", title)
        pictures = [imread(tmp_path / name) for name in ("search.png", "other.png")]
        assert np.array_equal(*pictures) == same


def test_conditions():
    values = pd.DataFrame(
        {"src": [80.0, 82.0, np.nan], "none": [19.0, 20.0, 21.0], "one": [5.0, np.nan, np.nan]}
    )
    axes = plotting.draw_conditions(values, label="accuracy (%)")
    assert [t.get_text() for t in axes.get_yticklabels()] == ["src", "none", "one"]
    assert axes.get_xlabel() == "accuracy (%)" and axes.get_ylim()[0] > axes.get_ylim()[1]
    dots, bar, mean = axes.lines[:3]
    np.testing.assert_array_equal(dots.get_xydata(), [[80, 0], [82, 0]])
    np.testing.assert_allclose(bar.get_xdata(), [81 - 12.706, 81 + 12.706], atol=0.01)
    np.testing.assert_array_equal(mean.get_xydata(), [[81, 0]])
    np.testing.assert_array_equal(axes.lines[7].get_xdata(), [5, 5])
    given = axes.figure.add_subplot()
    assert plotting.draw_conditions(values, given) is given


def test_curves_over_a_number():
    values = pd.DataFrame({0.5: [80.0, 82.0], 1.0: [70.0, np.nan]})
    axes = plotting.draw_curves({"src": values, "none": values - 10}, x_label="θ", label="(%)")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("θ", "(%)")
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["src", "none"]
    first, second = axes.containers
    np.testing.assert_array_equal(first.lines[0].get_xydata(), [[0.5, 81], [1, 70]])
    np.testing.assert_array_equal(second.lines[0].get_xydata(), [[0.5, 71], [1, 60]])
    bars = first.lines[2][0].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], [81 - 12.706, 81 + 12.706], atol=0.01)
    np.testing.assert_allclose(bars[1][:, 1], [70, 70])
    given = axes.figure.add_subplot()
    assert plotting.draw_curves({"src": values}, given) is given


def neuron_tables(n_spikes=2):
    """A neuron of layer 2 in ten steps, its inputs 4, 5 and 6, and how their weights moved."""
    fired = np.arange(10) >= 10 - n_spikes
    membranes = pd.DataFrame(dict(step=range(10), layer=2, neuron=7, membrane=np.arange(10.0)))
    membranes = membranes.assign(threshold=7.5, spike=fired)
    inputs = pd.DataFrame(dict(step=[1, 2, 8, 9, 9], layer=1, neuron=[4, 6, 4, 5, 4]))
    changes = pd.DataFrame(
        [(8, 4, 0.1, 0.3), (8, 5, -0.1, -0.2), (8, 6, 0.1, 0.15)]
        + [(9, 4, 0.3, 0.2), (9, 5, -0.2, -0.4), (9, 6, 0.15, 0.1)],
        columns=["step", "pre", "before", "after"],
    )
    return membranes, inputs, changes


def test_a_neuron():
    axes = plotting.draw_neuron(*neuron_tables())
    top, middle, bottom = axes
    drawn = lines(top)
    np.testing.assert_array_equal(drawn["membrane, before the reset"], [range(10), range(10)])
    np.testing.assert_array_equal(drawn["threshold β"][1], [7.5] * 10)
    np.testing.assert_array_equal(drawn["spike"], [[8, 9], [8, 9]])
    assert top.get_title("left") == "layer 2, neuron 7: 2 spikes"
    # A colour says which weight is larger in the end, in the raster and of the weights.
    dots = lines(middle)
    np.testing.assert_array_equal(dots["weight grew"], [[1, 8, 9], [4, 4, 4]])
    np.testing.assert_array_equal(dots["weight shrank"], [[9], [5]])
    np.testing.assert_array_equal(dots["other synapses"], [[2], [6]])
    assert middle.get_ylabel() == "neuron of layer 1"
    grew, shrank = bottom.lines[1:3]
    np.testing.assert_allclose(grew.get_xydata(), [[0, 0], [8, 0.2], [9, 0.1], [10, 0.1]])
    np.testing.assert_allclose(shrank.get_xydata(), [[0, 0], [8, -0.1], [9, -0.3], [10, -0.3]])
    colours = {line.get_label(): line.get_color() for line in middle.lines}
    assert grew.get_color() == colours["weight grew"] != colours["weight shrank"]
    assert shrank.get_color() == colours["weight shrank"]
    assert bottom.get_title("left") == (
        "the 2 weights that moved furthest up or down, of 3 that moved"
    )
    # The spikes of the neuron, as lines across.
    assert [line.get_xdata()[0] for line in middle.lines[3:]] == [8, 9]
    given = [axes[0].figure.add_subplot() for _ in range(3)]
    assert plotting.draw_neuron(*neuron_tables(), given) == given


def test_of_a_neuron_the_weights_that_moved_furthest(monkeypatch):
    membranes, inputs, changes = neuron_tables()
    more = [(9, pre, 0.0, pre - 8.5) for pre in (7, 8, 9, 10)]  # -1.5, -0.5, 0.5 and 1.5
    changes = pd.concat([changes, pd.DataFrame(more, columns=changes.columns)])
    monkeypatch.setattr(plotting, "N_WEIGHTS", 1)
    monkeypatch.setattr(plotting, "MAX_SPIKE_LINES", 1)
    monkeypatch.setattr(plotting, "OPAQUE_DOTS", 2)
    _, middle, bottom = plotting.draw_neuron(membranes, inputs, changes)
    assert [line.get_ydata()[-1] for line in bottom.lines] == [0, -1.5, 1.5]
    dots = lines(middle)
    assert len(middle.lines) == 3 and len(dots["other synapses"][0]) == 5
    assert {line.get_alpha() for line in middle.lines} == {0.4}
    assert {handle.get_alpha() for handle in middle.get_legend().legend_handles} == {1}


def test_a_neuron_that_never_fires():
    membranes, inputs, changes = neuron_tables(0)
    top, _, bottom = plotting.draw_neuron(membranes, inputs, changes[:0])
    assert not len(lines(top)["spike"][0]) and len(bottom.lines) == 1


def test_a_neuron_that_gets_no_spikes_has_no_axis_of_them():
    membranes, inputs, changes = neuron_tables(0)
    _, middle, _ = plotting.draw_neuron(membranes, inputs[:0], changes[:0])
    assert middle.get_title("left") == "spikes that it gets: none" and not len(middle.get_yticks())
    _, middle, _ = plotting.draw_neuron(membranes, inputs, changes[:0])
    assert middle.get_title("left") == "spikes that it gets" and len(middle.get_yticks())


def test_the_legends_of_a_neuron_hide_nothing():
    axes = plotting.draw_neuron(*neuron_tables())
    axes[0].figure.draw_without_rendering()
    for panel in axes[:2]:
        legend = panel.get_legend().get_window_extent()
        title = panel._left_title.get_window_extent()
        assert legend.y0 >= panel.get_window_extent().y1 - 1 and title.x1 < legend.x0


def test_open_figures_are_saved(tmp_path):
    """All of pyplot's, by number, in a folder that is made; and no folder where none is open."""
    import matplotlib.pyplot as plt

    plt.close("all")
    plotting.save_open(tmp_path / "none", "a")
    assert not (tmp_path / "none").exists()
    plt.figure(figsize=(2, 1))
    plt.figure(figsize=(1, 1))
    try:
        plotting.save_open(tmp_path / "new" / "folder", "a")
    finally:
        plt.close("all")
    shapes = {path.name: imread(path).shape[:2] for path in (tmp_path / "new/folder").iterdir()}
    assert shapes == {"a-1.png": (150, 300), "a-2.png": (150, 150)}
