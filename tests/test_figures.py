"""The pictures of a run: which files, from which networks, and what they say in numbers."""

import numpy as np
import pandas as pd
import pytest

from srcnb import MLP, analysis, datasets, metrics
from srcnb.experiments import figures
from srcnb.experiments.saved import SavedRun


@pytest.fixture(scope="module")
def run(saved_run):
    return SavedRun(saved_run, datasets.load("digits"))


@pytest.mark.slow
def test_all_pictures(run, tmp_path, monkeypatch):
    """Nothing is trained, the folder of the run stays as it is."""

    def fit(*arguments, **options):
        pytest.fail("trained")

    monkeypatch.setattr(MLP, "fit", fit)
    monkeypatch.setattr(figures, "_save", saved_as_text)
    before = {p.name: p.stat().st_mtime_ns for p in run.path.iterdir()}
    said = []
    written = figures.draw_all(figures.Viewer(run), tmp_path, said.append)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in written}
    assert said == [f"wrote {path}" for path in written]
    names = {p.name for p in written}
    assert {f"activations-{k}{what}.png" for k in (1, 2) for what in ("", "-classes")} <= names
    assert names >= {
        *("accuracy.png", "accuracy-table.png", "confusion.png", "class-correlations.png"),
        *("weights.png", "weights-gate.png", "sleep.png", "sleep-blocks.png", "sleep-raster.png"),
        *("reactivation.png", "sleep-weights.png", "sleep-weights.gif", "stable-ranks.png"),
        *("hidden-differences.png", "conclusions.csv", "stable-ranks.csv", "sleep-accuracy.csv"),
    }
    assert {p.name: p.stat().st_mtime_ns for p in run.path.iterdir()} == before
    for path in written:
        assert path.suffix != ".png" or path.read_text() == "a figure with axes"


def saved_as_text(figure, path):
    """In place of a PNG, which takes a second of layout."""
    path.write_text("a figure with axes" if figure.axes else "an empty figure")
    return path


def test_a_picture_is_a_png(run, tmp_path):
    figure = dict(figures.Viewer(run).pictures())["accuracy"]()
    path = figures._save(figure, tmp_path / "a.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_the_sleep_is_that_of_the_run(run):
    viewer = figures.Viewer(run, "src", 1, 1)
    result = viewer.observed.result
    saved = run.net("src", 1, 1, "sleep")
    for a, b in zip(result.net.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert viewer.observed is viewer.observed
    assert viewer.observed.accuracy.columns.tolist() == ["step", "task 1"]


def test_the_panels_of_activations(run):
    """One after each task of sequential; parallel is the same at each stage."""
    viewer = figures.Viewer(run)
    panels = [a for a in viewer.activations(1, True).axes if a.images]
    titles = ["before sleep", "after sleep", "difference", "sequential", "parallel"]
    assert [a.get_title() for a in panels[:5]] == titles and len(panels) == 15
    nets = [run.net(m, 0, k, "train") for m, k in (("sequential", 1), ("parallel", 2))]
    means = [[net.logits(viewer.X)[viewer.y == c].mean(axis=0) for c in range(10)] for net in nets]
    for panel, expected in zip(panels[13:], means, strict=True):
        np.testing.assert_allclose(panel.images[0].get_array(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_scores_of_a_stage_are_computed_once(run, monkeypatch):
    given = []

    def joint_scores(nets, X):
        given.append([net.weights[0][0, 0] for net in nets])
        return [np.zeros((len(nets), len(X), 3))]

    monkeypatch.setattr(figures.before_after, "joint_scores", joint_scores)
    viewer = figures.Viewer(run)
    for stage in (1, 1, 2, 1):
        viewer.activations(stage, by_class=True)
    assert given[0] == given[2] != given[1] and len(given) == 3


def test_tables(run):
    viewer = figures.Viewer(run)
    ranks, changes = viewer.changes()
    assert len(ranks) == 2 * 2 * 2 * 3 and len(changes) == 2 * 2 * 3 * 10
    one = ranks[(ranks["seed"] == 1) & (ranks["stage"] == 2) & (ranks["phase"] == "sleep")]
    expected = [analysis.stable_rank(W) for W in run.net("src", 1, 2, "sleep").weights]
    assert one["stable_rank"].tolist() == expected
    ages = changes.groupby(["stage", "age"])["class"].unique()
    assert ages[1, "current"].tolist() == ages[2, "earlier"].tolist() == [0, 1, 2, 3, 4]
    assert ages[1, "later"].tolist() == ages[2, "current"].tolist() == [5, 6, 7, 8, 9]


def test_conclusions():
    """By hand: layer 1, two seeds; the first stage does not count."""
    rows = []
    for seed, current in ((0, 1.0), (1, 3.0)):
        for stage in (1, 2):
            rows.append((seed, stage, 1, 0, "earlier", 0.5, 10.0, 8.0))
            rows.append((seed, stage, 1, 1, "current", 0.4, 10.0, current * stage))
    columns = ["seed", "stage", "layer", "class", "age", "difference", "before", "after"]
    changes = pd.DataFrame(rows, columns=columns)
    ranks = pd.DataFrame(
        [
            (s, k, p, 1, 10 - s * (p == "sleep"))
            for s in (0, 1)
            for k in (1, 2)
            for p in figures.PHASES
        ],
        columns=["seed", "stage", "phase", "layer", "stable_rank"],
    )
    found = figures.conclusions(ranks, changes).set_index("statement")
    assert found.loc["damping", "mean"] == pytest.approx((-0.8 - 0.4) / 2)
    assert tuple(found.loc["damping", ["low", "high"]]) == pytest.approx(
        metrics.interval([-0.8, -0.4])
    )
    assert found.loc["damping of earlier classes", "mean"] == pytest.approx(-0.2)
    difference = found.loc["damping of current less earlier classes"]
    assert difference["mean"] == pytest.approx(-0.4)
    assert tuple(difference[["low", "high"]]) == pytest.approx(metrics.interval([-0.6, -0.2]))
    assert found.loc["difference of current classes", "mean"] == pytest.approx(-0.1)
    assert found.loc["stable rank", "mean"] == pytest.approx(-0.05)
    assert (found["seeds"] == 2).all() and (found["layer"] == 1).all()
    one = figures.conclusions(ranks[ranks["seed"] == 0], changes[changes["seed"] == 0])
    assert one["low"].isna().all()
    assert figures.conclusions(*(part[part["stage"] == 1] for part in (ranks, changes))).empty


def test_data_that_are_no_images(run, tmp_path, monkeypatch):
    viewer = figures.Viewer(run)
    assert viewer.image_shape == (8, 8)
    monkeypatch.setattr(figures.Viewer, "image_shape", None)
    assert "sleep-weights" not in dict(viewer.pictures())
    monkeypatch.setattr(figures.Viewer, "pictures", lambda self: iter(()))
    monkeypatch.setattr(figures, "_save", saved_as_text)
    said = []
    written = figures.draw_all(viewer, tmp_path, said.append)
    assert not [p for p in written if p.suffix == ".gif"]
    assert "no images of the first layer's weights" in said[-1]


def test_the_side_of_square_features(run):
    from dataclasses import replace

    viewer = figures.Viewer(run)
    shapeless = [replace(task, shape=None) for task in run.tasks]
    viewer.run = type("Run", (), {"tasks": shapeless})()
    assert viewer.image_shape == (8, 8)
    viewer.X = viewer.X[:, :63]
    assert viewer.image_shape is None


def test_first_samples_of_parts_in_any_order():
    parts = [(np.array([[5.0], [3], [5]]), np.array([5, 3, 5])), (np.array([[1.0]]), np.array([1]))]
    X, y = figures._first(parts, 1)
    assert y.tolist() == [1, 3, 5] and X[:, 0].tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "sequential"}, "method must be one of 'src'"),
        ({"seed": 7}, "seed must be one of"),
        ({"stage": 3}, "stage must be one of"),
        ({"run": 3}, "run must be a SavedRun"),
    ],
)
def test_bad_input(run, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        figures.Viewer(**{"run": run, **change})
