"""What looks at a sleep: a callback, and data to be kept."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from conftest import small_config, small_net

import srcnb
from srcnb.spiking import watchers


@pytest.mark.parametrize("every", [1, 7, 300, 5000])
def test_callback_sees_the_sleep_and_changes_nothing(every):
    net = srcnb.MLP((20, 15, 5), random_state=0)
    config = srcnb.SleepConfig(
        n_steps=700, alpha=(30, 30), beta=(5, 5), inc=0.01, dec=0.002, max_rate=100
    )
    intensities = np.random.default_rng(0).random(20)
    plain = srcnb.sleep(net, intensities, config, random_state=1)
    seen = {}
    slept = srcnb.sleep(
        net,
        intensities,
        config,
        1,
        callback=lambda step, net: seen.update({step: net}),
        every=every,
    )
    assert list(seen) == [*range(every, 700, every), 700]
    for a, b, c in zip(plain.weights, slept.weights, seen[700].weights, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    # Each call has weights of its own: those of a sleep that ends there.
    step = min(seen)
    short = srcnb.sleep(net, intensities, replace(config, n_steps=step), 1)
    for a, b in zip(short.weights, seen[step].weights, strict=True):
        np.testing.assert_array_equal(a, b)


def knowledge(net):
    """Data that a network classifies without an error."""
    X = np.random.default_rng(3).standard_normal((200, 20))
    return X, net.predict(X)


def assert_same_sleep(a, b):
    """All that the results hold is equal, but for ``stopped`` and the length that was planned."""
    assert a.n_steps == b.n_steps and a.changes == b.changes
    np.testing.assert_array_equal(a.rates, b.rates)
    for name in ("weights", "membranes", "spike_counts", "spikes"):
        for x, y in zip(getattr(a, name) or [], getattr(b, name) or [], strict=True):
            np.testing.assert_array_equal(x, y)
    for x, y in zip(a.net.weights, b.weights, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_can_stop_a_sleep(answer):
    steps = []

    def stop_at_350(step, net):
        steps.append(step)
        return answer if step >= 350 else None

    options = dict(random_state=1, record=True)
    x = np.full(20, 0.5)
    result = srcnb.sleep(small_net(), x, small_config(), callback=stop_at_350, every=70, **options)
    assert steps == [70, 140, 210, 280, 350]
    assert result.stopped == "stopped at step 350 by callback"
    assert str(result).startswith("350 steps") and result.stopped in str(result).splitlines()
    assert result.config.n_steps == 600
    assert_same_sleep(result, srcnb.sleep(small_net(), x, small_config(350), **options))


@pytest.mark.parametrize("answer", [1, "yes", [1], np.ones(2), False])
def test_other_answers_of_a_callback_mean_nothing(answer):
    result = srcnb.sleep(
        small_net(), np.full(20, 0.5), small_config(), callback=lambda *_: answer, every=70
    )
    assert result.n_steps == 600 and result.stopped is None


@pytest.mark.parametrize("block_steps", [1024, 13])
def test_validate_keeps_the_last_good_weights(block_steps):
    net = small_net()
    X, y = knowledge(net)
    x = np.full(20, 0.5)
    options = dict(random_state=1, record=True)
    scores = {}  # of the same sleep, not stopped
    srcnb.sleep(
        *(net, x, small_config(), 1),
        callback=lambda step, net: scores.update({step: np.mean(net.predict(X) == y)}),
        every=20,
    )
    fell = min(step for step, score in scores.items() if score < 1 - 0.3)
    assert 20 < fell < 600
    result = srcnb.sleep(
        *(net, x, small_config()),
        **options,
        validate=(X, y),
        max_drop=0.3,
        every=20,
        block_steps=block_steps,
    )
    assert result.stopped == (
        f"stopped at step {fell}, as accuracy on validate fell from 100.0% to {scores[fell]:.1%};"
        f" the weights are those of step {fell - 20}"
    )
    assert result.stopped in str(result).splitlines()
    assert_same_sleep(result, srcnb.sleep(net, x, small_config(fell - 20), **options))


def test_validate_that_is_kept_changes_nothing():
    net = small_net()
    seen = []
    options = dict(random_state=1, record=True)
    x = np.full(20, 0.5)
    result = srcnb.sleep(
        *(net, x, small_config()),
        **options,
        validate=knowledge(net),
        max_drop=1,
        every=100,
        callback=lambda step, net: seen.append(step),
    )
    assert result.stopped is None and seen == [100, 200, 300, 400, 500, 600]
    assert_same_sleep(result, srcnb.sleep(net, x, small_config(), **options))


def test_validate_looks_twenty_times_and_allows_a_tenth(monkeypatch):
    looks = []

    def predict(net, X):
        wrong = len(looks)
        looks.append(len(X))
        return np.r_[np.zeros(wrong, int), np.ones(len(X) - wrong, int)]

    monkeypatch.setattr(srcnb.MLP, "predict", predict)
    validate = (np.zeros((100, 20)), np.ones(100, int))  # one more is wrong at each look
    for n_steps, every in ((600, 30), (7, 1), (50, 3)):
        looks.clear()
        result = srcnb.sleep(
            small_net(), np.full(20, 0.5), small_config(n_steps), 0, validate=validate
        )
        if n_steps == 600:
            assert result.n_steps == 300 and "at step 330, as" in result.stopped
            assert "from 100.0% to 89.0%" in result.stopped
        else:
            assert len(looks) == min(12, 1 + -(-n_steps // every))


def test_validate_at_once_keeps_the_network_and_warns():
    net = small_net("float32")
    X, y = knowledge(net)
    # The weights overflow before the first look, and what is not finite has its maximum at 0.
    X, y = X[y == 0], y[y == 0]
    assert len(y) > 10
    with pytest.warns(srcnb.NoChangeWarning, match="stopped at step 100, as .* those of step 0"):
        result = srcnb.sleep(
            *(net, np.full(20, 0.5), small_config(inc=1e38), 0),
            validate=(X, y),
            every=100,
        )
    assert result.n_steps == 0 and not result.rates.any()
    for a, b in zip(result.net.weights, net.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a is not b


def test_validate_may_be_another_score():
    """With the accuracy as the score the sleep is the same; its network is the score's own."""
    net, x = small_net(), np.full(20, 0.5)
    X, y = knowledge(net)
    options = dict(random_state=1, record=True, max_drop=0.3, every=20)

    def score(net):
        right = np.mean(net.predict(X) == y)
        for w in net.weights:
            w[:] = np.nan
        return right

    pair = srcnb.sleep(net, x, small_config(), **options, validate=(X, y))
    scored = srcnb.sleep(net, x, small_config(), **options, validate=score)
    assert scored.stopped == pair.stopped.replace("accuracy on validate", "validate")
    assert_same_sleep(scored, pair)
    assert net.predict(X).tolist() == y.tolist()


def test_a_score_is_not_asked_of_weights_that_overflowed():
    asked = []

    def score(net):
        asked.append(all(np.isfinite(w).all() for w in net.weights))
        return 1.0

    with pytest.warns(srcnb.NoChangeWarning, match="at step 100, as .* from 100.0% to 0.0%"):
        srcnb.sleep(
            *(small_net("float32"), np.full(20, 0.5), small_config(inc=1e38), 0),
            validate=score,
            every=100,
        )
    assert asked == [True]


@pytest.mark.parametrize("call", [1, 2])
def test_an_error_of_a_score_is_the_users(call):
    """An overflow, too: only in the accuracy on a pair does it say that no answer is right."""
    calls = []

    def score(net):
        calls.append(net)
        if len(calls) == call:
            raise OverflowError("of the user")
        return 1.0

    with pytest.raises(OverflowError, match="of the user"):
        srcnb.sleep(small_net(), np.full(20, 0.5), small_config(), 0, validate=score, every=100)


def test_of_answers():
    def overflow(net):
        raise OverflowError

    assert watchers.of_answers(overflow)(None) == 0
    assert watchers.of_answers(lambda net: np.float32(0.5))(None) == 0.5


@pytest.mark.parametrize(
    ("score", "error", "message"),
    [
        (lambda net: 2, ValueError, r"validate\(net\) must be a finite number in .*0.*1.*, got 2"),
        (lambda net: np.nan, ValueError, r"validate\(net\) must be .*, got nan"),
        (lambda net: None, TypeError, r"validate\(net\) must be a number, got None"),
        (lambda step, net: 1, TypeError, r"validate must be a function of \(net\), got <function"),
    ],
)
def test_bad_scores(score, error, message):
    with pytest.raises(error, match=message):
        srcnb.sleep(small_net(), np.full(20, 0.5), small_config(), validate=score)


def test_the_options_of_a_sleep_that_is_watched():
    """Those that check_options takes are among those of srcnb.sleep."""
    assert (*inspect.signature(watchers.check_options).parameters,) == watchers.OPTIONS
    assert {*watchers.OPTIONS} < {*inspect.signature(srcnb.sleep).parameters}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(every=10), "every goes with callback or validate"),
        (dict(callback=print, validate=([[0] * 4], [0])), "every goes with callback or validate"),
        (dict(max_drop=0.1), "max_drop goes with validate, got max_drop=0.1"),
        (dict(callback=print), "every goes with callback or validate"),
        (dict(callback=print, every=0), "every must be at least 1, got 0"),
    ],
)
def test_bad_callback(options, message):
    net = srcnb.MLP((4, 3), random_state=0)
    config = srcnb.SleepConfig(n_steps=5, alpha=(1,), beta=(1,), inc=0.1, dec=0.1)
    with pytest.raises(ValueError, match=message):
        srcnb.sleep(net, np.full(4, 0.5), config, **options)
