"""Pictures of networks compared: what is on the axes."""

import numpy as np
import pandas as pd
import pytest

from srcnb import before_after, pictures
from srcnb.experiments.comparison import COLUMNS
from srcnb.spiking.reference import additive


@pytest.fixture
def results():
    """Two seeds of two tasks: src with sleeps, sequential without, parallel at the end."""
    rows = []
    for seed in (0, 1):
        for task in ("all", "1", "2"):
            at = 10 * (task == "2") + 2 * seed
            for stage in (1, 2):
                rows.append(("sequential", seed, stage, "train", task, 20.0 * stage + at))
                rows.append(("src", seed, stage, "train", task, 30.0 * stage + at))
                rows.append(("src", seed, stage, "sleep", task, 35.0 * stage + at))
            rows.append(("parallel", seed, 2, "train", task, 88.0 + at))
    return pd.DataFrame(rows, columns=COLUMNS)


def drawn(axes):
    """The values of the image on the axes."""
    [image] = axes.images
    return np.asarray(image.get_array())


def numbers(axes):
    """The numbers in the cells, from left to right and from top to bottom."""
    return [text.get_text() for text in axes.texts]


def matrices(figure):
    """The axes with images, without the colour bars."""
    return [axes for axes in figure.axes if axes.images]


def test_a_matrix():
    values = pd.DataFrame([[0, 100], [np.nan, -0.001]], index=["a", "b"], columns=["x", "y"])
    axes = pictures.draw_matrix(values, form="{:.2f}")
    np.testing.assert_array_equal(drawn(axes), values)
    assert numbers(axes) == ["0.00", "100.00", "0.00"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["x", "y"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert axes.images[0].get_clim() == (0, 100)
    # White on dark, black on light.
    assert [text.get_color() for text in axes.texts] == ["white", "black", "white"]
    assert not pictures.draw_matrix(values, form="").texts
    given = axes.figure.add_subplot()
    assert pictures.draw_matrix(values, given) is given


def test_a_matrix_in_other_colours():
    values = pd.DataFrame([[1.0, np.nan], [89.6, 50.0]], index=["a", "b"], columns=["c", "d"])
    axes = pictures.draw_matrix(values, limits=(1, 89.6), colours="cividis")
    pictures.colour_bar(axes, "accuracy (%)")
    texts = {(t.get_text(), *t.get_position(), t.get_color()) for t in axes.texts}
    assert texts == {("1", 0, 0, "white"), ("90", 0, 1, "black"), ("50", 1, 1, "black")}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["c", "d"]
    assert axes.figure.axes[1].get_ylabel() == "accuracy (%)"
    given = axes.figure.add_subplot()
    assert pictures.draw_matrix(values, given, limits=(0, 200), colours="cividis") is given
    assert given.images[0].get_clim() == (0, 200)
    assert {t.get_color() for t in given.texts} == {"white"}


def test_accuracy_of_each_task(results):
    results = results[(results["method"] != "parallel") | (results["seed"] == 1)]
    panels = matrices(pictures.draw_accuracy(results))
    assert [panel.get_title() for panel in panels] == [
        *("sequential\n(2 seeds)", "src\n(2 seeds)", "parallel\n(1 seed)")
    ]
    np.testing.assert_array_equal(drawn(panels[0]), [[21, 41], [31, 51]])
    np.testing.assert_array_equal(drawn(panels[1]), [[36, 71], [46, 81]])  # after the sleep
    np.testing.assert_array_equal(drawn(panels[2]), [[90], [100]])
    assert numbers(panels[1]) == ["36", "71", "46", "81"]
    assert len({panel.images[0].get_clim() for panel in panels}) == 1


def test_accuracy_table(results):
    axes = pictures.draw_accuracy_table(results)
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        *("sequential (2 seeds)", "src (2 seeds), before sleep"),
        *("src (2 seeds), after sleep", "parallel (2 seeds)"),
    ]
    np.testing.assert_array_equal(drawn(axes), [[21, 41], [31, 61], [36, 71], [np.nan, 89]])


@pytest.mark.filterwarnings("error")  # such as of a layout that found no place
@pytest.mark.parametrize("draw", [pictures.draw_accuracy, pictures.draw_accuracy_table])
def test_names_have_place_beside_one_task(results, draw):
    one = (results["method"] == "src") & (results["stage"] == 1) & (results["task"] != "2")
    drawn_on = draw(results[one])
    figure = getattr(drawn_on, "figure", None) or drawn_on
    figure.canvas.draw()
    for axes in figure.axes:
        assert axes.get_tightbbox().x0 >= 0


def test_activations():
    """Before, after, their difference and the others, one colour scale for each layer."""
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=(3, 6, 4)), rng.normal(size=(3, 6, 2))]
    y = np.array([0, 0, 0, 5, 5, 5])
    panels = matrices(pictures.draw_activations(scores, ["one", "two", "sequential"], y))
    assert [p.get_title() for p in panels[:4]] == ["one", "two", "difference", "sequential"]
    for i, of_layer in enumerate(scores):
        row = panels[4 * i : 4 * i + 4]
        expected = [of_layer[0], of_layer[1], of_layer[1] - of_layer[0], of_layer[2]]
        for panel, values in zip(row, expected, strict=True):
            np.testing.assert_array_equal(drawn(panel), values)
        [(low, high)] = {panel.images[0].get_clim() for panel in row}
        assert low == -high and high == pytest.approx(np.quantile(abs(np.stack(expected)), 0.99))
    assert [t.get_text() for t in panels[0].get_yticklabels()] == ["0", "5"]
    assert panels[0].get_yticks().tolist() == [1, 4]
    with pytest.raises(ValueError, match="scores must be of 2 names and 6 inputs"):
        pictures.draw_activations(scores, ["one", "two"], y)


def test_differences():
    rows = [
        (stage, layer, c, seed, stage + layer / 10 + c / 100 + seed / 1000)
        for stage in (1, 2)
        for layer in (1, 2)
        for c in (0, 1, 2, 3)
        for seed in (0, 2)
    ]
    changes = pd.DataFrame(rows, columns=["stage", "layer", "class", "seed", "difference"])
    one, other = matrices(pictures.draw_differences(changes, {1: [0, 1], 2: [2, 3]}))
    np.testing.assert_allclose(drawn(other)[1], [2.201, 2.211, 2.221, 2.231])
    assert numbers(one)[:2] == ["1.10", "1.11"]
    assert one.images[0].get_clim() == other.images[0].get_clim() == (0, pytest.approx(2.231))
    assert [t.get_text() for t in one.get_yticklabels()] == ["1", "output"]
    [frame] = other.lines
    assert frame.get_xdata().min() == 1.5 and frame.get_xdata().max() == 3.5
    assert not matrices(pictures.draw_differences(changes))[0].lines


def test_stable_ranks():
    rows = [
        (seed, stage, phase, layer, 10 * layer + stage + seed + 0.5 * (phase == "sleep"))
        for seed in (0, 1)
        for stage in (1, 2)
        for phase in ("train", "sleep")
        for layer in (1, 2)
    ]
    ranks = pd.DataFrame(rows, columns=["seed", "stage", "phase", "layer", "stable_rank"])
    first, second = pictures.draw_stable_ranks(ranks).axes
    lines = {bars.get_label(): bars.lines[0].get_xydata().T for bars in second.containers}
    np.testing.assert_array_equal(lines["before sleep"], [[1, 2], [21.5, 22.5]])
    np.testing.assert_array_equal(lines["after sleep"], [[1, 2], [22, 23]])
    assert [a.get_title() for a in (first, second)] == ["layer 1", "output layer"]
    assert first.get_legend() and not second.get_legend()


@pytest.fixture
def pairs():
    edges = np.array([-1.0, 0.0, 1.0])
    counts, changes = np.array([[5.0, 2], [0, 3]]), np.array([4.0, 6])
    return [before_after.WeightPairs(counts, edges, changes, edges / 2, True)]


def test_weight_histograms(pairs):
    top, bottom = pictures.draw_weight_histograms(pairs).axes
    values = {p.get_label(): p.get_data().values.tolist() for p in top.patches}
    assert values == {"before sleep": [7, 3], "after sleep": [5, 5]}
    [changes] = bottom.patches
    assert changes.get_data().values.tolist() == [4, 6]
    assert changes.get_data().edges.tolist() == [-0.5, 0, 0.5]
    # So few that they do not overlap.
    assert len([x for x in bottom.get_xticks() if -0.5 <= x <= 0.5]) <= 5


def test_weights_before_against_after(pairs):
    figure = pictures.draw_weight_pairs(pairs, [additive], "additive")
    [axes] = matrices(figure)
    np.testing.assert_array_equal(drawn(axes).data, [[5, 0], [2, 3]])  # after upwards
    assert axes.images[0].origin == "lower"
    [gate] = [line for a in figure.axes for line in a.lines if len(line.get_xdata()) > 2]
    assert set(gate.get_ydata()) == {1}
    assert any("additive" in a.get_ylabel() for a in figure.axes)


def test_before_and_after():
    a, b = np.array([[90.0, 10], [20, 80]]), np.array([[95.0, 5], [50, 50]])
    figure = pictures.draw_before_after([a], [b], ["class"], "%", (0, 100))
    panels = matrices(figure)
    for panel, values in zip(panels, (a, b, b - a), strict=True):
        np.testing.assert_array_equal(drawn(panel), values)
    assert [p.images[0].get_clim() for p in panels] == [(0, 100), (0, 100), (-30, 30)]
    assert numbers(panels[2]) == ["5", "-5", "30", "-30"]


@pytest.mark.parametrize("values", [None, [[1]], "x"])
def test_bad_values(values):
    with pytest.raises(TypeError, match="values must be a DataFrame"):
        pictures.draw_matrix(values)
