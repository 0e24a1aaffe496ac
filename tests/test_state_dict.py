"""State dicts: mappings and .safetensors files of linear layers, and back."""

import os
import sys

import numpy as np
import pytest
from conftest import GOLDEN

import srcnb
from srcnb import state_dict
from srcnb.low_rank import LowRankMLP

X = np.random.default_rng(1).random((20, 6))


def test_the_weights_of_pytorch():
    """A file that PyTorch wrote, and what PyTorch makes of some inputs."""
    pytest.importorskip("safetensors")
    net = srcnb.load(GOLDEN / "torch_mlp.safetensors", output="softmax", dropout=0.25)
    run = np.load(GOLDEN / "torch_mlp.npz")
    assert net.layer_sizes == (6, 5, 4, 3) and net.dropout == 0.25 and net.dtype == np.float32
    np.testing.assert_allclose(net.logits(run["X"]), run["logits"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(net.predict(run["X"]), run["predicted"])


def tensors_file(path, tensors):
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, path)
    return path


def chain(*sizes, names, dtype="float32", bias=False):
    rng = np.random.default_rng(0)
    shapes = zip(names, sizes[:-1], sizes[1:], strict=True)
    tensors = {f"{name}.weight": rng.random((post, pre)) for name, pre, post in shapes}
    if bias:
        biases = zip(names, sizes[1:], strict=True)
        tensors |= {f"{name}.bias": rng.random(post) for name, post in biases}
    return {name: t.astype(dtype) for name, t in tensors.items()}


def changed_chain(key, where, value):
    tensors = chain(6, 5, 4, names="ab", bias=True)
    tensors[key][where] = value
    return tensors


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [False, True])
def test_layers_in_the_natural_order_of_their_names(tmp_path, dtype, bias):
    pytest.importorskip("safetensors")
    names = ["body.fc2", "body.fc9", "body.fc10", "head²"]
    tensors = chain(6, 5, 4, 7, 3, names=names, dtype=dtype, bias=bias)
    net = srcnb.load(tensors_file(tmp_path / "net.safetensors", tensors))
    assert net.layer_sizes == (6, 5, 4, 7, 3) and net.dtype == dtype
    for name, w in zip(names, net.weights, strict=True):
        np.testing.assert_array_equal(w, tensors[f"{name}.weight"])
    for name, b in zip(names if bias else [], net.biases or [], strict=True):
        np.testing.assert_array_equal(b, tensors[f"{name}.bias"])


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "at least one layer"),
        (
            chain(6, 5, names=["a"], dtype="float16"),
            r"a.weight.*float32 or float64, got F16: in PyTorch module\.float\(\) converts",
        ),
        ({"a.weight": np.ones((0, 3), "f4")}, r"a.weight of .* must not be empty.*\(0, 3\)"),
        (changed_chain("b.weight", (1, 2), np.nan), r"b.weight of .* finite, got nan .*\(1, 2\)"),
        (changed_chain("a.bias", 3, -np.inf), "a.bias of .* finite, got -inf"),
        (
            chain(6, 5, 4, names="ab", bias=True) | {"b.bias": np.ones(5, "f4")},
            r"b.bias of .* must have shape \(4,\), as b.weight has shape \(4, 5\), got \(5,\)",
        ),
        (
            chain(6, 5, names="a") | {"a.bias": np.ones(5)},
            "all float32 or all float64, got .*a.bias float64",
        ),
        ({"bias": np.ones(5, "f4")}, "lacks weight"),
        ({"a.weight": np.ones((2, 3, 4, 5), "f4")}, r"a.weight.*\(2, 3, 4, 5\).*linear"),
        ({**chain(6, 5, names=["a"]), "norm.running_mean": np.ones(5, "f4")}, "norm.running_mean"),
        ({"a.bias": np.ones(5, "f4")}, "lacks a.weight"),
        (
            {**chain(6, 5, 4, names="ab"), "a.bias": np.ones(5, "f4")},
            "biases for all layers or none",
        ),
        (chain(6, 5, 4, names="ba"), r"chain in the order of their names, \['a', 'b'\].*b.weight"),
        (chain(6, 5, names="a") | chain(5, 3, names="b", dtype="f8"), "a.weight float32, b.weight"),
    ],
)
def test_other_state_dicts_are_refused(tmp_path, tensors, message):
    pytest.importorskip("safetensors")
    path = tensors_file(tmp_path / "net.safetensors", tensors)
    with pytest.raises(ValueError, match=message) as caught:
        srcnb.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_by_itself(tmp_path, bias):
    """The keys of its state dict have no name before them."""
    pytest.importorskip("safetensors")
    tensors = {k.removeprefix("a."): t for k, t in chain(6, 3, names="a", bias=bias).items()}
    assert "weight" in tensors
    net = srcnb.load(tensors_file(tmp_path / "net.safetensors", tensors))
    np.testing.assert_array_equal(net.weights[0], tensors["weight"])
    assert (net.biases is not None) == bias
    if bias:
        np.testing.assert_array_equal(net.biases[0], tensors["bias"])


def test_errors_of_options_do_not_blame_the_file(tmp_path):
    pytest.importorskip("safetensors")
    path = tensors_file(tmp_path / "net.safetensors", chain(6, 3, names="a"))
    with pytest.raises(ValueError, match="^dropout must be .* got 2$"):
        srcnb.load(path, dropout=2)


def test_safetensors_files_that_are_none(tmp_path):
    pytest.importorskip("safetensors")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        srcnb.load(tmp_path / "nowhere.safetensors")
    (tmp_path / "net.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"net\.safetensors can't be read as a safetensors file"):
        srcnb.load(tmp_path / "net.safetensors")


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "net.safetensors").write_bytes(b"")
    with pytest.raises(ImportError, match=r"srcnb\[safetensors\]"):
        srcnb.load(tmp_path / "net.safetensors")


# ------------------------------------------------------------------ mappings


class Tensor:
    """What a tensor of PyTorch looks like: NumPy takes it only once it is detached and on the CPU.

    One of bfloat16 it never takes.
    """

    def __init__(self, array, where="gpu", dtype=None):
        self.array, self.where, self.dtype = array, where, dtype

    def detach(self):
        return Tensor(self.array, "detached", self.dtype)

    def cpu(self):
        assert self.where == "detached"
        return Tensor(self.array, "cpu", self.dtype)

    def __array__(self, dtype=None, copy=None):
        if self.where != "cpu" or self.dtype == "bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


def by_hand(state, X, layers):
    """The logits of a chain of linear layers with relu between them."""
    for layer in layers:
        z = X @ state[f"{layer}weight"].T + state.get(f"{layer}bias", 0)
        X = np.maximum(z, 0)
    return z


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "names", ["024", ["body.fc1", "body.fc2", "body.fc10"], ["input", "body", "head"]]
)
def test_a_mapping_is_the_network_and_comes_back(names, bias, dtype):
    state = chain(6, 5, 4, 3, names=names, dtype=dtype, bias=bias)
    state = {key: t - t.dtype.type(0.4) for key, t in state.items()}
    net = srcnb.from_state_dict(state, dropout=0.1)
    assert net.layer_sizes == (6, 5, 4, 3) and net.dtype == dtype and net.dropout == 0.1
    expected = by_hand(state, X.astype(dtype), [f"{name}." for name in names])
    np.testing.assert_allclose(net.logits(X), expected, rtol=1e-5, atol=1e-6)
    back = srcnb.to_state_dict(net, like=state)
    assert list(back) == list(state)
    for key, tensor in state.items():
        np.testing.assert_array_equal(back[key], tensor)
        assert back[key].dtype == dtype and back[key].flags.c_contiguous
    net.weights[0][:] = 0  # copies, both ways
    assert state[f"{names[0]}.weight"].any() and back[f"{names[0]}.weight"].any()


def test_names_that_differ_by_a_number_are_in_the_order_of_the_numbers():
    """As safetensors sorts them, "10" comes before "2"; both layers are square."""
    state = chain(4, 4, 4, 4, names=["0", "2", "10"])
    text_order = dict(sorted(state.items()))
    assert [*text_order][1] == "10.weight"
    net = srcnb.from_state_dict(text_order)
    np.testing.assert_array_equal(net.weights[2], state["10.weight"])
    back = srcnb.to_state_dict(net, text_order)
    assert [*back] == [*text_order]
    np.testing.assert_array_equal(back["10.weight"], state["10.weight"])


def test_a_layer_by_itself_and_lists():
    net = srcnb.from_state_dict({"weight": [[1.0, 2.0], [3.0, 4.0]], "bias": [0.0, 1.0]})
    assert net.logits([[1, 1]]).tolist() == [[3, 8]]
    assert [*srcnb.to_state_dict(net)] == ["0.weight", "0.bias"]


def test_tensors_need_no_torch():
    plain = chain(6, 5, 3, names="02", bias=True)
    state = {key: Tensor(t) for key, t in plain.items()}
    net = srcnb.from_state_dict(state)
    np.testing.assert_array_equal(net.weights[1], plain["2.weight"])
    assert [*srcnb.to_state_dict(net, state)] == [*plain]
    state["2.bias"] = Tensor(plain["2.bias"], dtype="bfloat16")
    with pytest.raises(ValueError, match=r"2.bias of state must be float32.*module\.float\(\)"):
        srcnb.from_state_dict(state)


def test_without_another_state_dict_the_names_are_those_of_a_sequential():
    net = srcnb.MLP((6, 5, 3), bias=True, random_state=0)
    assert [*srcnb.to_state_dict(net)] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    bare = srcnb.MLP((6, 5, 3), random_state=0)
    assert [*srcnb.to_state_dict(bare)] == ["0.weight", "2.weight"]
    back = srcnb.from_state_dict(srcnb.to_state_dict(bare))
    np.testing.assert_array_equal(back.logits(X), bare.logits(X))


def test_biases_that_a_network_has_not_are_0():
    net = srcnb.MLP((6, 5, 3), random_state=0)
    back = srcnb.to_state_dict(net, chain(6, 5, 3, names="ab", bias=True))
    assert [*back] == ["a.weight", "b.weight", "a.bias", "b.bias"]
    assert not back["a.bias"].any() and back["b.bias"].shape == (3,)
    np.testing.assert_array_equal(back["b.weight"], net.weights[1])


def test_the_dtype_is_that_of_the_other():
    wide = srcnb.MLP((6, 3), dtype="float64", random_state=0)
    like = chain(6, 3, names="a")
    assert srcnb.to_state_dict(wide, like)["a.weight"].dtype == np.float32
    assert srcnb.to_state_dict(wide)["0.weight"].dtype == np.float64
    wide.weights[0][0, 0] = 1e300
    with pytest.raises(ValueError, match="net overflows float32, the dtype of a.weight in like"):
        srcnb.to_state_dict(wide, like)


def test_low_rank_becomes_dense():
    net = LowRankMLP((6, 5, 3), 2, bias=True, random_state=0)
    back = srcnb.from_state_dict(srcnb.to_state_dict(net))
    np.testing.assert_allclose(back.logits(X), net.logits(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (None, TypeError, "state must be a mapping from names"),
        ([np.ones((3, 6))], TypeError, "state must be a mapping"),
        ({0: np.ones((3, 6))}, TypeError, "a name in state must be a string, got 0"),
        ({}, ValueError, "state must hold at least one layer"),
        (
            {"0.weight": np.ones((8, 3, 3, 3), "f4"), "0.bias": np.ones(8, "f4")},
            ValueError,
            r"0.weight of state .*\(8, 3, 3, 3\), as of a convolution: let what is before.*frozen",
        ),
        (
            chain(6, 5, names="0") | {"1.weight": np.ones(5, "f4")},
            ValueError,
            "1.weight of state .*as of normalization or the like: only batch",
        ),
        (
            chain(6, 5, names="0") | {"1.running_mean": np.ones(5, "f4")},
            ValueError,
            "1.running_mean of state is of batch normalization: fold it",
        ),
        (
            chain(6, 5, names="0") | {"1.num_batches_tracked": np.array(3)},
            ValueError,
            "1.num_batches_tracked of state is of batch normalization",
        ),
        (
            {"0.weight": np.ones((2, 2, 3, 3)), "1.running_mean": np.ones(2)},
            ValueError,
            "0.weight of state .*as of a convolution",
        ),
        ({"rnn.weight_ih_l0": np.ones((4, 3))}, ValueError, "rnn.weight_ih_l0 .*recurrent"),
        ({"0.gamma": np.ones(5)}, ValueError, "0.gamma of state is not the weight or bias"),
        ({"a.bias": np.ones(5)}, ValueError, "state lacks a.weight"),
        (
            chain(6, 5, 4, names="02") | {"2.bias": np.ones(4, "f4")},
            ValueError,
            "state must have biases for all layers or none, it lacks 0.bias",
        ),
        (
            chain(6, 5, names="0") | chain(4, 3, names="2"),
            ValueError,
            r"layers of state must chain in their order, \['0', '2'\], but 2.weight",
        ),
        (
            chain(6, 5, names="0") | {"0.bias": np.ones(6, "f4")},
            ValueError,
            r"0.bias of state must have shape \(5,\)",
        ),
        ({"0.weight": np.ones((3, 6), "f2")}, ValueError, "0.weight .*got float16: in PyTorch"),
        ({"0.weight": np.ones((3, 6), int)}, ValueError, "0.weight of state .*got int64"),
        ({"0.weight": [[1.0, 2.0], [1.0]]}, ValueError, "0.weight of state"),
        ({"0.weight": np.ma.masked_array(np.ones((3, 6)))}, TypeError, "0.weight .*masked"),
        (
            {"0.weight": np.full((3, 6), np.nan)},
            ValueError,
            "0.weight of state must be finite, got nan",
        ),
    ],
)
def test_mappings_that_are_no_network(state, error, message):
    with pytest.raises(error, match=message):
        srcnb.from_state_dict(state)
    if state is not None:
        with pytest.raises(
            error, match=message.replace("state ", "like ").replace(" state", " like")
        ):
            srcnb.to_state_dict(srcnb.MLP((6, 5, 4)), state)


def test_networks_that_a_state_dict_can_not_be():
    like = chain(6, 5, 3, names="ab")
    for net, error, message in (
        (None, TypeError, "net must be an srcnb.MLP"),
        (srcnb.MLP((6, 4, 3)), ValueError, r"net .*\(6, 5, 3\), got \(6, 4, 3\)"),
        (srcnb.MLP((6, 3)), ValueError, r"net .*\(6, 5, 3\), got \(6, 3\)"),
        (srcnb.MLP((6, 5, 3), bias=True), ValueError, "like must have biases, as net has"),
        (
            srcnb.MLP((6, 5, 3), dropout=0.2, inverted_dropout=False),
            ValueError,
            "net must have inverted dropout",
        ),
    ):
        with pytest.raises(error, match=message):
            srcnb.to_state_dict(net, like)


def test_what_pytorch_makes_of_them():
    """Logits of a module, those of its network here, and those of a module that is given it."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    def module():
        return nn.Sequential(
            nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 3)
        )

    one, two = module(), module()
    net = srcnb.from_state_dict(one.state_dict())
    inputs = torch.from_numpy(X.astype("f4"))
    logits = one(inputs).detach().numpy()
    np.testing.assert_allclose(net.logits(X), logits, rtol=1e-4, atol=1e-6)
    state = srcnb.to_state_dict(net, like=two.state_dict())
    two.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    np.testing.assert_array_equal(two(inputs).detach().numpy(), logits)


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("like", [None, "mapping", "file"])
def test_a_file_is_written_and_read(tmp_path, like):
    pytest.importorskip("safetensors")
    net = srcnb.MLP((6, 5, 5, 3), bias=True, random_state=0)
    path, other = tmp_path / "net.safetensors", tmp_path / "other.safetensors"
    state = chain(6, 5, 5, 3, names=["fc2", "fc3", "fc10"], bias=True)
    if like == "file":
        tensors_file(other, state)
    srcnb.save_state_dict(net, path, {None: None, "mapping": state, "file": str(other)}[like])
    names = ["0", "2", "4"] if like is None else ["fc2", "fc3", "fc10"]
    tensors = state_dict.read_tensors(path)
    assert {*tensors} == {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}
    back = srcnb.load(path)
    np.testing.assert_array_equal(back.logits(X), net.logits(X))
    assert not [name for name in os.listdir(tmp_path) if ".tmp" in name]


def test_transposed_arrays_are_written_as_they_are(tmp_path):
    """safetensors would write what is in memory, in its order."""
    pytest.importorskip("safetensors")
    net = srcnb.MLP((6, 4, 3), random_state=0)
    net.weights = [np.asfortranarray(w) for w in net.weights]
    srcnb.save_state_dict(net, tmp_path / "net.safetensors")
    back = srcnb.load(tmp_path / "net.safetensors")
    for a, b in zip(back.weights, net.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    path = tmp_path / "net.safetensors"
    srcnb.save_state_dict(srcnb.MLP((6, 3), random_state=0), path)
    before = path.read_bytes()

    def fails(path, data):
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("pathlib.Path.write_bytes", fails)
        srcnb.save_state_dict(srcnb.MLP((6, 3), random_state=1), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net.safetensors"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "nowhere" / "net.safetensors"
    with pytest.raises(FileNotFoundError, match=r"nowhere/net\.safetensors"):
        srcnb.save_state_dict(srcnb.MLP((6, 3), random_state=0), path)


def test_a_count_of_batches_in_a_file_is_of_batch_normalization(tmp_path):
    """It stays an integer after module.float(), which is the advice for other dtypes."""
    pytest.importorskip("safetensors")
    tensors = {**chain(6, 5, names="0"), "1.num_batches_tracked": np.array([3])}
    path = tensors_file(tmp_path / "net.safetensors", tensors)
    with pytest.raises(ValueError, match="num_batches_tracked of .*of batch normalization: fold"):
        srcnb.load(path)


def test_other_endings_are_refused(tmp_path):
    net = srcnb.MLP((6, 3), random_state=0)
    with pytest.raises(ValueError, match=r"path must end with \.safetensors, got .*net\.npz"):
        srcnb.save_state_dict(net, tmp_path / "net.npz")
    assert not os.listdir(tmp_path)


def test_the_extra_is_named_when_writing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"srcnb\[safetensors\]"):
        srcnb.save_state_dict(srcnb.MLP((6, 3)), tmp_path / "net.safetensors")
    assert not os.listdir(tmp_path)
