"""What parameters may be: the value comes back, or an error names the parameter and the value."""

import numpy as np
import pytest

from srcnb import validation as v


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: v.check_int("n", 1.0), TypeError, "n must be an integer, got 1.0"),
        (lambda: v.check_int("n", True), TypeError, "n must be an integer, got True"),
        (lambda: v.check_int("n", "3"), TypeError, "n must be an integer, got '3'"),
        (lambda: v.check_int("n", 2, low=3), ValueError, "n must be at least 3, got 2"),
        (lambda: v.check_real("x", "1"), TypeError, "x must be a number, got '1'"),
        (lambda: v.check_real("x", False), TypeError, "x must be a number, got False"),
        (lambda: v.check_real("x", 1j), TypeError, "x must be a number"),
        (lambda: v.check_real("x", np.nan), ValueError, "x must be a finite number.*nan"),
        (lambda: v.check_real("x", np.inf), ValueError, "x must be a finite number.*inf"),
        (lambda: v.check_real("x", -1, 0, 2), ValueError, r"x .* in \[0, 2\], got -1"),
        (lambda: v.check_real("x", 3, 0, 2), ValueError, r"x .* in \[0, 2\], got 3"),
        (lambda: v.check_real("x", 0, 0, low_open=True), ValueError, r"\(0, inf\], got 0"),
        (lambda: v.check_real("x", 1, 0, 1, high_open=True), ValueError, r"\[0, 1\), got 1"),
        (lambda: v.check_choice("c", "z", ("a", "b")), ValueError, "c .* 'a', 'b'; got 'z'"),
        (lambda: v.check_list("l", "abc"), TypeError, "l must be a list, got 'abc'"),
        (lambda: v.check_list("l", 3), TypeError, "l must be a list, got 3"),
        (lambda: v.check_dtype("d", None), ValueError, "d must be 'float32' or 'float64'.*None"),
        (lambda: v.check_dtype("d", "int8"), ValueError, "d must be .* got 'int8'"),
        (lambda: v.check_array("X", ["a"], 1), TypeError, "X must be an array of numbers"),
        (lambda: v.check_array("X", [[1], [1, 2]], 2), TypeError, "X must be an array of numbers"),
        (lambda: v.check_array("X", [1], 2), ValueError, r"X must have 2 dim.* \(1,\)"),
        (lambda: v.check_array("X", [[0, np.nan]], 2), ValueError, r"X .* nan at index \(0, 1\)"),
        (lambda: v.check_intensities("X", [[0.5, 1.5]]), ValueError, r"X .* in \[0, 1\], got 1.5"),
        (lambda: v.check_intensities("X", [[-0.1]]), ValueError, r"X .* in \[0, 1\], got -0.1"),
        (lambda: v.check_intensities("X", [0.1]), ValueError, "X must have 2 dimension"),
        (lambda: v.check_width("X", np.ones((2, 3)), 4), ValueError, r"X must have 4 .*\(2, 3\)"),
        (
            lambda: v.check_inputs("X", np.ones((2, 3)), 4, np.dtype("f4")),
            ValueError,
            r"^X must have 4 columns, .*\(2, 3\)$",
        ),
        (
            lambda: v.check_samples("X", np.ones((0, 3)), 3, np.dtype("f4")),
            ValueError,
            r"^X must hold at least one sample, got shape \(0, 3\)$",
        ),
        (
            lambda: v.check_like("v", [np.ones(2)], [np.ones(3, "f4")]),
            ValueError,
            r"^v must be float32 \(3,\); got float64 \(2,\)$",
        ),
        (
            lambda: v.check_like("v", [np.full(2, np.nan)], [np.ones(2)]),
            ValueError,
            r"^v\[0\] must be finite, got nan at index \(0,\)$",
        ),
        (
            lambda: v.check_vectors("b", [np.ones(2)], [3], np.dtype("f4")),
            ValueError,
            r"^b must have lengths \[3\], got \[2\]$",
        ),
        (lambda: v.check_labels("y", [0, 3], 2, 3), ValueError, "y .* 0 … 2, got 3 at index 1"),
        (lambda: v.check_labels("y", [0, -1], 2, 3), ValueError, "y .* got -1 at index 1"),
        (lambda: v.check_labels("y", [0, 0.5], 2, 3), TypeError, "y must hold integer labels"),
        (lambda: v.check_labels("y", ["a", "b"], 2, 3), TypeError, "y must hold integer labels"),
        (lambda: v.check_labels("y", [0], 2, 3), ValueError, r"y must have shape \(2,\), got \(1,"),
        (lambda: v.check_rng("seed", -1), ValueError, "seed .* got -1"),
        (lambda: v.check_rng("seed", "x"), ValueError, "seed .* got 'x'"),
        (lambda: v.check_weights("W", []), ValueError, "W must hold at least one layer"),
        (lambda: v.check_weights("W", [np.ones((0, 2))]), ValueError, r"W\[0\] must not be empty"),
        (lambda: v.check_weights("W", [np.ones((2, 2), int)]), TypeError, "W must be all float"),
        (
            lambda: v.check_weights("W", [np.ones((2, 3)), np.ones((4, 2)), np.ones((1, 3))]),
            ValueError,
            r"W must chain: W\[2\] has shape \(1, 3\), but W\[1\] has 4 rows$",
        ),
        (
            lambda: v.check_in_dtype("inc", 1e-60, np.dtype("f4")),
            ValueError,
            "^inc is too small for float32, got 1e-60$",
        ),
        (
            lambda: v.check_in_dtype("inc", 1e60, np.dtype("f4")),
            ValueError,
            "^inc is too large for float32, got 1e\\+60$",
        ),
        (lambda: v.check_bool("b", 1), TypeError, "^b must be True or False, got 1$"),
        (
            lambda: v.check_methods("s", 3, ("update", "draw")),
            TypeError,
            "^s must be an object with the methods update and draw, got 3$",
        ),
        (
            lambda: v.check_instance("net", int, float, "a float"),
            TypeError,
            "^net must be a float, got the class int$",
        ),
        (
            lambda: v.check_memory("net", 10**18),
            ValueError,
            r"^net takes 1,000,000,000 GB, and this machine has [0-9,]+$",
        ),
        (
            lambda: v.check_labels("y", ["a", "b"], 2, 2),
            TypeError,
            "^y must hold integer labels, got .*'a'.*: sklearn.preprocessing.LabelEncoder",
        ),
        (
            lambda: v.check_labels("y", [[0], [1]], 2, 2),
            ValueError,
            r"^y must have shape \(2,\), got \(2, 1\); y.ravel\(\) has it$",
        ),
        (
            lambda: v.check_labels("y", [0, 1, 1], 2, 2),
            ValueError,
            r"^y must have shape \(2,\), got \(3,\)$",
        ),
        (lambda: v.check_labels("y", [0, np.nan], 2, 2), ValueError, "^y must be finite, got nan"),
        (
            lambda: v.check_array("X", np.ma.masked_array([1.0], [True]), 1),
            TypeError,
            "^X must not be a masked array: drop or fill what is masked$",
        ),
    ],
)
def test_errors_name_the_parameter_and_the_value(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(("value", "how"), [(1e60, "large"), (1e-60, "small")])
def test_numbers_beyond_a_dtype_where_numpy_is_set_to_raise(value, how):
    """The same error as else, also for a number of NumPy's."""
    for number in (value, np.float64(value)):
        with np.errstate(all="raise"), pytest.raises(ValueError, match=f"^x is too {how} for f"):
            v.check_in_dtype("x", number, np.dtype("f4"))


def test_what_is_right_comes_back():
    assert v.check_int("n", np.int8(3), low=3) == 3 and type(v.check_int("n", np.int8(3))) is int
    assert v.check_real("x", np.float32(0.5), 0.5, 0.5) == 0.5
    assert v.check_real("x", 0, 0, 1) == 0 and v.check_real("x", 1, 0, 1) == 1
    assert v.check_choice("c", "a", ("a", "b")) == "a"
    assert v.check_list("l", (1, 2)) == [1, 2]
    assert v.check_dtype("d", np.float64) == np.float64
    assert v.check_array("X", [1, 2], 1).dtype == np.float64
    assert v.check_array("X", [True], 1, np.float32).dtype == np.float32
    assert v.check_intensities("X", [[0, 1]]).dtype == np.float32
    assert v.check_inputs("X", np.ones((0, 3)), 3, np.dtype("f4")).dtype == np.float32
    assert v.check_samples("X", [[1, 2]], 2, np.dtype("f4")).tolist() == [[1, 2]]
    targets = v.check_labels_or_targets("y", [[0, 1]], (1, 2), np.dtype("f4"), True)
    assert targets.shape == (1, 2) and targets.dtype == np.float32
    assert v.check_labels_or_targets("y", [1], (1, 2), np.dtype("f4"), True).dtype == np.int64
    labels = v.check_labels("y", np.array([0.0, 2.0]), 2, 3)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 2]


def test_fitting_arrays_are_not_copied():
    X = np.ones((2, 3))
    assert v.check_array("X", X, 2) is X or np.shares_memory(v.check_array("X", X, 2), X)
    assert np.shares_memory(v.check_intensities("X", X), X)
    assert np.shares_memory(v.check_weights("W", [X])[0], X)


def test_a_seed_sequence_is_not_used_up():
    seed = np.random.SeedSequence(3, spawn_key=(1,))
    a, b = (v.check_rng("seed", seed).spawn(1)[0].random() for _ in range(2))
    assert a == b and seed.n_children_spawned == 0
    assert v.check_rng("seed", 3).random() == np.random.default_rng(3).random()


def test_long_values_are_shortened():
    with pytest.raises(TypeError) as caught:
        v.check_list("l", "x" * 1000)
    assert len(str(caught.value)) < 100
