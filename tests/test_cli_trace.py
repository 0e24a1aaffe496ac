"""srcnb trace: from the command line to tables and a picture."""

import numpy as np
import pandas as pd
import pytest

import srcnb
from srcnb import cli
from srcnb.experiments import sleep_again

FILES = ["changes.csv", "membranes.csv", "spikes.csv", "trace.png"]


@pytest.fixture
def trace(toy_data, tmp_path):
    """Runs the command on toy data in a file; ``trace.out`` is its folder."""
    file = tmp_path / "toy.npz"
    parts = dict(X=toy_data.X, y=toy_data.y, X_test=toy_data.X_test, y_test=toy_data.y_test)
    np.savez(file, **parts)

    def run(*arguments, case=("--dataset", file, "--hidden", 12, 12)):
        return cli.main([*map(str, ["trace", *case, "--out", run.out, *arguments])])

    run.file, run.out = file, tmp_path / "out"
    return run


def weights_after(out, net, layer):
    """Weights of a layer of ``net`` after the changes in a file."""
    W = net.weights[layer - 1].copy()
    changes = pd.read_csv(out / "changes.csv")
    for c in changes[changes["layer"] == layer].itertuples():
        assert W[c.neuron, c.pre] == np.float32(c.before)
        W[c.neuron, c.pre] = c.after
    return W


@pytest.mark.slow
def test_a_network_trained_here(trace, capsys):
    assert trace("--neurons", 2) == 0
    printed = capsys.readouterr().out
    assert sorted(p.name for p in trace.out.iterdir()) == FILES
    assert "600 steps of 0.001 s" in printed and "layer 3: " in printed
    for name in FILES:
        assert f"wrote {trace.out / name}" in printed
    membranes = pd.read_csv(trace.out / "membranes.csv")
    assert len(membranes) == 600 * 6 and set(membranes["layer"]) == {1, 2, 3}
    assert len(pd.read_csv(trace.out / "changes.csv")) > 0
    assert (trace.out / "trace.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
def test_the_network_is_that_of_a_run_and_a_saved_sleep_is_done_again(trace, tmp_path):
    """With the same seed, and with the files that the run has saved."""
    arguments = [
        "run",
        "--dataset",
        trace.file,
        "--hidden",
        12,
        12,
        "--methods",
        "src",
        "--jobs",
        1,
    ]
    arguments += ["--seeds", "3-3", "--save-networks", "--out", tmp_path]
    assert cli.main([*map(str, arguments)]) == 0
    cells = tmp_path / "results.cells"
    again = sleep_again(cells, {"method": "src"}, seed=3, stage=2)
    [start] = cells.glob("*stage=2,train.npz")
    net = srcnb.load(start)
    assert trace("--seed", 3, "--neurons", "1:0,1,2,3,4,5,6,7,8,9,10,11") == 0
    np.testing.assert_array_equal(weights_after(trace.out, net, 1), again.weights[0])
    assert (again.weights[0] != net.weights[0]).any()
    first = {name: (trace.out / name).read_bytes() for name in FILES[:3]}
    saved = str(start).replace("train.npz", "input.npz")
    assert trace(saved, "--neurons", "1:0,1,2,3,4,5,6,7,8,9,10,11", case=()) == 0
    assert first == {name: (trace.out / name).read_bytes() for name in FILES[:3]}


@pytest.mark.slow
def test_a_network_in_a_file(trace, toy_data, tmp_path):
    net = srcnb.MLP((20, 15, 6), random_state=0)
    net.fit(toy_data.X, toy_data.y, epochs=2)
    net.save(tmp_path / "net.npz")
    case = (tmp_path / "net.npz", "--dataset", trace.file)
    assert trace("--neurons", "1:3", case=case) == 0
    membranes = pd.read_csv(trace.out / "membranes.csv")
    assert set(membranes["layer"]) == {1} and set(membranes["neuron"]) == {3}
    with np.load(trace.file) as file:
        assert file["X"].shape[1] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--neurons", "x"], "--neurons must be a number, or such as 1:3,17 2:0, got 'x'"),
        (["--neurons", "1:2", "1:3"], "--neurons must be a number, or such as"),
        (["--neurons", "1:2", "3"], "--neurons must be a number, or such as"),
        (["--neurons", "1:12"], "neurons[1] must be at most 11, got 12"),
        (["--neurons", "4:0"], "--neurons (a layer) must be at most 3, got 4"),
        (["--neurons", 0], "--neurons must be at least 1, got 0"),
        (["--stage", 4], "--stage must be at most 3, got 4"),
        (["--seed", -1], "--seed must be"),
        (["nowhere.npz"], "nowhere.npz"),
        (["nowhere,input.npz"], "nowhere,input.npz"),
    ],
)
def test_bad_arguments(trace, capsys, arguments, message):
    assert trace(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not trace.out.exists()


def test_another_width(trace, capsys, tmp_path):
    srcnb.MLP((7, 5, 6), random_state=0).save(tmp_path / "net.npz")
    assert trace(tmp_path / "net.npz") == 2
    error = capsys.readouterr().err
    assert "--dataset must have as many features as" in error and "7, got" in error
