"""A sleep that explains itself: how far weights moved, the table, the words and the warnings."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

import srcnb
from srcnb import Change, NoChangeWarning, SilentLayerWarning, datasets, tasks
from srcnb.spiking.report import remarks

ENGINES = ["numba", "reference"]


def config(n_steps=300, **change):
    constants = dict(alpha=[1, 1], beta=[0.7, 0.7], inc=0.02, dec=0.004, max_rate=200)
    return srcnb.SleepConfig(n_steps=n_steps, **(constants | change))


def net(dtype="float64"):
    return srcnb.MLP((20, 30, 5), dtype=dtype, init=0.4, random_state=0)


def sleep(config, **options):
    """A sleep of ``net()``, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return srcnb.sleep(net(), np.full(20, 0.5), config, 0, **options)


@pytest.mark.parametrize("engine", ENGINES)
def test_changes_by_hand(engine):
    """Two inputs, one neuron, one spike: 0.4 grows by 0.1 and -0.1 shrinks by 0.01."""
    one = srcnb.SleepConfig(
        n_steps=2, alpha=[2], beta=[1], inc=0.1, dec=0.01, decay=0.5, gate="additive"
    )
    result = srcnb.simulate([np.array([[0.4, -0.1]])], [[1, 0], [1, 0]], one, engine)
    [change] = result.changes
    assert change.relative == pytest.approx(np.sqrt((0.1**2 + 0.01**2) / (0.4**2 + 0.1**2)))
    assert change.moved == 1
    assert (change.increment, change.decrement) == (pytest.approx(0.1), pytest.approx(0.01))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_changes_are_those_of_the_weights(engine, dtype):
    before = net(dtype)
    result = srcnb.sleep(before, np.full(20, 0.5), config(), 0, engine=engine)
    for old, new, change in zip(before.weights, result.weights, result.changes, strict=True):
        d = np.asarray(new, "f8") - old
        assert 0 < change.moved == np.mean(d != 0) < 1
        relative = np.linalg.norm(d) / np.linalg.norm(np.asarray(old, "f8"))
        assert change.relative == pytest.approx(relative)
        assert change.increment == pytest.approx(d[d > 0].mean())
        assert change.decrement == pytest.approx(-d[d < 0].mean())


def test_changes_stay_when_the_caller_trains_on():
    before = net()
    result = srcnb.sleep(before, np.full(20, 0.5), config(), 0)
    changes, text = [*result.changes], str(result)
    before.fit(np.random.default_rng(0).random((20, 20)), np.arange(20) % 5, epochs=3)
    assert result.changes == changes and str(result) == text


@pytest.mark.parametrize("engine", ENGINES)
def test_a_layer_that_cannot_move(engine):
    quiet = sleep(config(beta=[0.7, 1e6]), engine=engine)
    assert quiet.changes[0].moved > 0 and quiet.changes[1] == Change()
    fixed = sleep(config(inc=[0, 0.02], dec=[0, 0.004]), engine=engine)
    assert fixed.spike_counts[1].any() and fixed.changes[0] == Change()
    assert fixed.changes[1].moved > 0


def test_weights_that_were_zero():
    assert Change.from_sums(np.array([0, 4, 2, 0, 2, 0.0]), 8) == Change(np.inf, 0.25, 1, 0)
    assert Change.from_sums(np.zeros(6), 8) == Change()


def test_the_table():
    result = sleep(config())
    head, columns, *rows = str(result).splitlines()
    assert head == "300 steps of 0.001 s"
    names = "layer neurons fired (%) rate (Hz) θ ‖ΔW‖/‖W‖ moved (%) increment decrement"
    assert " ".join(columns.split()) == names
    assert rows[0].split()[:2] == ["0", "20"] and rows[0].split()[4:] == ["–"] * 5
    for layer, (row, change) in enumerate(zip(rows[1:3], result.changes, strict=True), 1):
        count = result.spike_counts[layer]
        assert row.split() == [
            *(str(layer), str(len(count)), f"{100 * np.mean(count > 0):.1f}"),
            *(f"{count.mean() / 0.3:.3g}", "0.7", f"{change.relative:.3g}"),
            *(f"{100 * change.moved:.1f}", f"{change.increment:.3g}", f"{change.decrement:.3g}"),
        ]
    assert len({len(line) for line in [columns, *rows[:3]]}) == 1


def test_targets_are_shown_where_there_are_any():
    assert "target" not in str(sleep(config()))
    _, columns, *rows = str(sleep(config(targets=[12.5, None]))).splitlines()
    assert "rate (Hz)  target (Hz)" in columns
    assert [row.split()[4] for row in rows[:3]] == ["–", "12.5", "–"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(beta=[0.7, 1e6]), [r"never fired: layer 2 \(θ = 1e\+06\)"]),
        (dict(beta=[1e6, 1e6]), ["never fired: layer 1 .*layer 2", "too weak"]),
        (dict(inc=0.0, dec=0.0), ["no weight moves, as inc and dec are 0"]),
        (dict(inc=1e-6, dec=1e-7), ["too weak to matter.*less than 2%.*raise inc"]),
        (dict(inc=1.0, dec=0.0), ["layer 2 is saturated: .* at .*%.*raise β", "1 is wiped out"]),
        (dict(n_steps=0), []),
    ],
)
def test_what_is_wrong(change, words):
    result = sleep(config(**change))
    found = remarks(result)
    for word in words:
        assert any(re.search(word, line) for line in found), found
    if not words:
        assert not found
    assert str(result).endswith("\n".join(found))


@pytest.mark.parametrize(
    ("relative", "words"),
    [(0.0, "too weak"), (0.01, "too weak"), (0.03, None), (2.4, None), (6, "layer 2 is wiped out")],
)
def test_how_far_is_too_far(relative, words):
    """Between what sleeps that work have and what those have that fail."""
    result = replace(sleep(config()), changes=[Change(), Change(relative=relative)])
    found = [line for line in remarks(result) if "too weak" in line or "wiped out" in line]
    assert len(found) == (words is not None) and all(words in line for line in found)


def test_an_input_that_never_fires():
    with pytest.warns(SilentLayerWarning) as caught:
        result = srcnb.sleep(net(), np.zeros(20), config(), 0)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert remarks(result)[0].startswith("the input never fired")


@pytest.fixture(scope="module")
def digits():
    """A network trained as in the README, on a first task, its sleep input and its config."""
    task = tasks.class_incremental(datasets.load("digits"), groups=2)[0]
    net = srcnb.MLP((64, 400, 400, 10), dropout=0.25, random_state=0)
    net.fit(task.X, task.y, epochs=5, batch_size=20, learning_rate=0.05)
    sleep_input = srcnb.SampleInput(n_samples=1, keep=0.25)
    sleep_input.update(task.X)
    alpha = srcnb.alpha_factors(net, task.X, form="diehl")
    constants = dict(beta=(0.16, 0.09, 10.0), inc=0.00073, dec=0.0002, max_rate=170.0)
    return net, sleep_input, srcnb.SleepConfig(2000, alpha, **constants)


def test_sleeps_that_work_are_not_complained_of(digits):
    net, sleep_input, config = digits
    replica = replace(config, alpha=(14.983829, 253.17746, 7.7707720), inc=0.001, dec=0.0001)
    replica = replace(replica, beta=(14.548273, 44.560317, 38.046326), max_rate=239.515363)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for good in (config, replica):
            assert remarks(srcnb.sleep(net, sleep_input, good, 0)) == []


@pytest.mark.parametrize(
    ("times", "word"), [((0.01, 0.01), "too weak"), ((10, 1), "wiped out"), ((10, 1), "saturated")]
)
def test_constants_that_fail_are_complained_of(digits, times, word):
    net, sleep_input, config = digits
    other = replace(config, inc=times[0] * config.inc, dec=times[1] * config.dec)
    assert any(word in line for line in remarks(srcnb.sleep(net, sleep_input, other, 0)))


def test_a_sleep_that_did_nothing_warns():
    with pytest.warns(NoChangeWarning, match="changed no weight") as caught:
        srcnb.sleep(net("float32"), np.full(20, 0.5), config(inc=1e-12, dec=1e-12), 0)
    assert len(caught) == 1 and caught[0].filename == __file__
    # Silent on purpose, and so the cause is not said by another warning.
    with pytest.warns(NoChangeWarning) as caught:
        srcnb.sleep(net(), np.full(20, 0.5), config(alpha=[0, 0]), 0)
    assert len(caught) == 1


@pytest.mark.parametrize("change", [dict(inc=0, dec=0), dict(n_steps=0), dict(alpha=[1, 0]), {}])
def test_no_warning(change):
    """None where nothing was to change, none of a layer without a gain, none of a good sleep."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = srcnb.sleep(net(), np.full(20, 0.5), config(**change), 0)
    assert not any("never fired" in line for line in remarks(result))
