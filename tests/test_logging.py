"""What the library decides for its user is logged below "srcnb", and shown only if asked for."""

import logging
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import small_config, small_net, tiny_experiment, write_images

import srcnb
from srcnb import datasets, own_data, presets
from srcnb.experiments.runner import run_cells

X_ROW = np.full(20, 0.5)


@pytest.fixture
def logged(caplog):
    """``logged()``: the messages of srcnb since the last call, at INFO or another level."""
    caplog.set_level(logging.DEBUG, "srcnb")

    def messages(level=logging.INFO):
        found = [r.getMessage() for r in caplog.records if r.levelno == level]
        assert all(r.name.startswith("srcnb.") for r in caplog.records)
        caplog.clear()
        return found

    return messages


@pytest.mark.slow
def test_nothing_is_shown_unless_the_user_asks():
    script = """
import logging, sys, numpy as np, srcnb
if sys.argv[1:]:
    logging.basicConfig(level=logging.INFO)
net = srcnb.MLP((4, 6, 3), random_state=0)
srcnb.sleep(net, np.full(4, 0.5), srcnb.SleepTargets(20), 0, engine="reference")
"""
    quiet, shown = (
        subprocess.run([sys.executable, "-c", script, *more], capture_output=True, text=True)
        for more in ([], ["info"])
    )
    assert quiet.returncode == shown.returncode == 0, quiet.stderr + shown.stderr
    assert "calibrat" not in quiet.stderr and quiet.stdout == shown.stdout == ""
    assert "INFO:srcnb.spiking.calibrate:calibrated a sleep of 20 steps" in shown.stderr


def test_calibration_says_what_was_asked_for_and_what_was_found(logged):
    targets = srcnb.SleepTargets(200, input_rate=0.1, rate=0.03)
    config = srcnb.calibrate(small_net(), X_ROW, targets, 0)
    first, second, third = logged()
    pattern = rf"calibrated a sleep of 200 steps: max_rate {config.max_rate:.4g} Hz; inputs fire"
    found = re.fullmatch(rf"{pattern} (.*) times a step, 0.1 were asked for", first)
    assert float(found[1]) == pytest.approx(0.1, rel=0.1)
    theta, inc, dec = config.beta[0], config.in_layer("inc", 0), config.in_layer("dec", 0)
    end = f"times a step, 0.03 were asked for; inc {inc:.3g}, dec {dec:.3g}"
    found = re.fullmatch(rf"layer 1: θ {theta:.4g}; its neurons fire (.*) {end}", second)
    assert float(found[1]) == pytest.approx(0.03, rel=0.1)
    assert third == "layer 2: silent, as output_rate is None"


def test_a_table_sets_the_length_of_a_sleep(logged):
    srcnb.sleep(small_net(), np.tile(X_ROW, (300, 1)), random_state=0)
    messages = logged()
    assert "the sleep input has 300 rows: so many steps, and a budget of 0.45" in messages
    assert any(m.startswith("calibrated a sleep of 300 steps") for m in messages)


def test_a_sleep_says_why_and_where_it_ended(logged):
    net = small_net()
    X = np.random.default_rng(3).standard_normal((200, 20))
    options = dict(random_state=1, validate=(X, net.predict(X)), max_drop=0.3)
    result = srcnb.sleep(net, X_ROW, small_config(), **options)
    assert logged() == ["validate: a look every 30 steps, max_drop 0.3", f"sleep {result.stopped}"]
    srcnb.sleep(net, X_ROW, small_config(60), every=30, **options)
    first, *looks = [m for m in logged(logging.DEBUG) if "compiled" not in m]
    assert first == "sleep of 60 steps: engine 'numba', float64"
    assert [m.split(":")[0] for m in looks] == ["validate at step 30", "validate at step 60"]


def test_a_scale_says_what_it_is_of_and_what_it_clips(logged):
    X = np.array([[-1.0, 5.0], [3.0, 5.0]])
    scale = srcnb.FeatureScale.of(X)
    assert logged() == ["scale of 2 samples: 2 features with values in -1 … 5, 1 of them constant"]
    scale.transform([[4.0, 5.0], [0.0, 5.0]])
    assert logged(logging.DEBUG) == ["25.0 % of the values are outside the scale, and clipped"]


def test_gains_from_activations_name_their_form(logged, easy_data):
    net = srcnb.MLP((20, 12, 12, 3), random_state=0)
    alpha = presets.OWN.config(net, easy_data.X, 5).alpha
    [message] = logged()
    assert message == f"α {np.round(alpha, 4).tolist()}: " + (
        f"{presets.OWN.alpha_scale:g} times the 'diehl' factors of 90 samples"
    )
    replace(presets.OWN, alpha=(1, 1, 1)).config(net, easy_data.X, 5)
    assert logged() == []


@pytest.mark.slow
def test_data_sets_say_where_they_come_from(logged, tmp_path, monkeypatch):
    datasets.load("digits")
    assert logged() == ["digits: from scikit-learn, 0.25 of it for testing"]
    write_images(tmp_path)
    datasets.load("mnist", tmp_path)
    assert logged() == [f"mnist: from the folder {tmp_path / 'mnist'}, by data_dir"]
    monkeypatch.setenv("SRCNB_DATA", str(tmp_path))
    datasets.load("mnist")
    assert logged() == [f"mnist: from the folder {tmp_path / 'mnist'}, by SRCNB_DATA"]
    monkeypatch.delenv("SRCNB_DATA")
    monkeypatch.setattr(
        "sklearn.datasets.fetch_openml",
        lambda name, **options: (np.zeros((70_000, 784), np.uint8), np.arange(70_000) % 10),
    )
    datasets.load("mnist")
    assert logged() == ["mnist: from OpenML's 'mnist_784', or scikit-learn's cache of it"]


def test_files_of_ones_own_say_how_they_are_split_and_scaled(logged, tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, X=np.random.default_rng(0).random((40, 3)), y=np.arange(40) % 2)
    own_data.load_file(path)
    assert logged() == [
        f"{path} has no test part: 10 of 40 samples are held out",
        f"features of {path}: scaled to [0, 1] by its 30 training samples",
    ]


def test_a_run_says_what_is_there_already(logged, tmp_path):
    experiment = tiny_experiment("any-network", slice(1))
    for resume in (False, True):
        run_cells(experiment, seeds=1, out=tmp_path, resume=resume)
        done = int(resume)
        expected = f"any-network: {done} of 1 cells are finished in {tmp_path}; the others run on"
        assert f"{expected} 1 process(es)" in logged()
