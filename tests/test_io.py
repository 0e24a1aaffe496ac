"""Files that are whole or not there; networks to and from files."""

import io as std_io
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

import srcnb
from srcnb import io
from srcnb.low_rank import LowRankMLP

X = np.random.default_rng(0).random((40, 6))
Y = np.random.default_rng(1).integers(0, 3, 40)


def networks():
    return [
        srcnb.MLP((6, 5, 3), random_state=0),
        srcnb.MLP((6, 3), bias=True, dtype="float64", output="relu", random_state=0),
        srcnb.MLP((6, 5, 4, 3), bias=True, dropout=0.3, inverted_dropout=False, l2=0.01),
        LowRankMLP((6, 5, 3), 2, bias=True, dropout=0.2, random_state=0),
        LowRankMLP((6, 3), 4, dtype="float64", output="relu", random_state=0),
    ]


@pytest.mark.parametrize("net", networks(), ids=repr)
def test_a_network_comes_back_as_it_was(net, tmp_path):
    net.save(tmp_path / "net")  # the name is used as it is
    assert os.listdir(tmp_path) == ["net"]
    back = srcnb.load(tmp_path / "net")
    assert type(back) is type(net) and repr(back) == repr(net)
    assert back.options == net.options and back.dtype == net.dtype
    for a, b in zip(net.activations(X), back.activations(X), strict=True):
        assert a.tobytes() == b.tobytes()
    assert (back.biases is None) == (net.biases is None)
    for a, b in zip(net.biases or [], back.biases or [], strict=True):
        assert a.tobytes() == b.tobytes()


def flat(net):
    return np.concatenate([p.ravel() for p in net._parameters()])


@pytest.mark.parametrize("net", networks(), ids=repr)
@pytest.mark.parametrize("fitted", [False, True])
def test_with_its_state_training_goes_on_to_the_last_bit(net, fitted, tmp_path):
    training = dict(epochs=2, batch_size=7, momentum=0.9, learning_rate=0.01)
    net = net.copy()
    if fitted:
        net.fit(X, Y, **training)
    net.save(tmp_path / "net.npz", state=True)
    back = srcnb.load(tmp_path / "net.npz")
    for trained in (net, back):
        trained.fit(X, Y, reset_momentum=False, **training)
    assert flat(net).tobytes() == flat(back).tobytes()


def test_without_its_state_momentum_and_random_numbers_are_new(tmp_path):
    net = srcnb.MLP((6, 5, 3), dropout=0.2, random_state=0).fit(X, Y, momentum=0.9)
    net.save(tmp_path / "net.npz")
    back = srcnb.load(tmp_path / "net.npz")
    assert back._velocity is None
    before = flat(back).copy()
    assert before.tobytes() == flat(net).tobytes()
    net.fit(X, Y, reset_momentum=False)
    back.fit(X, Y, reset_momentum=False)
    assert flat(net).tobytes() != flat(back).tobytes() != before.tobytes()


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_bit_generator_of_numpy(name, tmp_path):
    rng = np.random.Generator(getattr(np.random, name)(3))
    net = srcnb.MLP((6, 5, 3), dropout=0.2, random_state=rng)
    net.save(tmp_path / "net.npz", state=True)
    back = srcnb.load(tmp_path / "net.npz")
    assert flat(net.fit(X, Y)).tobytes() == flat(back.fit(X, Y)).tobytes()


def test_there_is_no_pickle_in_the_file(tmp_path):
    networks()[2].fit(X, Y).save(tmp_path / "net.npz", state=True)
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
        header = json.loads(str(file["header"]))
    assert (header["format"], header["version"]) == ("srcnb network", 1)


def test_an_old_file_stays_whole_if_writing_fails(tmp_path, monkeypatch):
    """As on a full disk: the old file is there, and no temporary one."""
    path = tmp_path / "net.npz"
    net = srcnb.MLP((6, 3), random_state=0)
    net.save(path)
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        srcnb.MLP((6, 5, 3)).save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net.npz"]


def changed(tmp_path, change, bit_generator=np.random.PCG64):
    """The path of a saved network whose members went through ``change(header, members)``."""
    path = tmp_path / "net.npz"
    net = srcnb.MLP((6, 5, 3), bias=True, random_state=np.random.Generator(bit_generator(0)))
    net.fit(X, Y).save(path, state=True)
    with np.load(path) as file:
        members = {name: file[name] for name in file.files}
    header = json.loads(str(members.pop("header")))
    change(header, members)
    np.savez(path, header=np.array(json.dumps(header)), **members)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, m: h.update(version=2), "version 2 of the format, and this srcnb reads 1"),
        (lambda h, m: h.update(version="new"), "version 'new'"),
        (lambda h, m: h.update(version=0), "version 0 of"),
        (lambda h, m: h.update(version=-3), "version -3 of"),
        (lambda h, m: h.update(version=True), "version True of"),
        (lambda h, m: h.update(version=1.0), "version 1.0 of"),
        (lambda h, m: h.pop("version"), "version None of"),
        (lambda h, m: h.update(format="other"), "header is not that of a srcnb network"),
        (
            lambda h, m: h.update(kind="Transformer"),
            "kind must be .* 'LowRankMLP'; got 'Transformer'",
        ),
        (lambda h, m: h.update(kind=["MLP"]), r"kind must be .*; got \['MLP'\]"),
        (lambda h, m: h.update(kind="LowRankMLP"), "must have 6 parameters.*got 4"),
        (lambda h, m: h.update(n_layers=1), "must have 2 parameters.*n_layers is 1.*got 4"),
        (lambda h, m: h.update(n_layers=-1), "n_layers must be at least 1, got -1"),
        (lambda h, m: h.update(n_layers="two"), "n_layers must be an integer, got 'two'"),
        (lambda h, m: h.update(bias=False), "must have 2 parameters.*bias False.*got 4"),
        (lambda h, m: h.update(bias="no"), "bias must be True or False, got 'no'"),
        (lambda h, m: h.pop("options"), "lacks 'options'"),
        (lambda h, m: h["options"].update(dropout=2), "dropout.*2"),
        (lambda h, m: h["options"].update(magic=2), "magic"),
        (lambda h, m: m.pop("parameter_1"), "lacks 'parameter_1'"),
        (lambda h, m: m.update(parameter_1=np.zeros((3, 4), "f4")), "chain"),
        (lambda h, m: m.update(parameter_0=np.full((5, 6), np.nan, "f4")), "finite.*nan"),
        (lambda h, m: m.update(parameter_2=np.zeros(4, "f4")), r"biases.*\[4, 3\]"),
        (lambda h, m: m.pop("parameter_3"), "must have 4 parameters.*got 3"),
        (lambda h, m: m.update(parameter_0=np.array([{}])), "Python objects in place of numbers$"),
        (lambda h, m: m.update(velocity_0=np.zeros((5, 5), "f4")), r"velocity must be .*\(5, 5\)"),
        (lambda h, m: m.update(velocity_3=np.zeros(3)), "velocity must be .*float64"),
        (lambda h, m: m.update(velocity_2=np.full(5, np.inf, "f4")), r"velocity\[2\].*finite.*inf"),
        (lambda h, m: m.update(velocity_3=np.array("momentum")), "velocity must be .*<U8"),
        (lambda h, m: m.update(velocity_4=np.zeros(3, "f4")), "velocity must be "),
        (lambda h, m: m.pop("velocity_0"), "lacks 'velocity_0'"),
        (lambda h, m: m.pop("velocity_3"), "velocity must be "),
        (lambda h, m: h.pop("random_state"), "lacks 'random_state'"),
    ],
)
def test_damaged_networks(tmp_path, change, message):
    path = changed(tmp_path, change)
    with pytest.raises(ValueError, match=message) as caught:
        srcnb.load(path)
    assert str(path) in str(caught.value)


def inner(**change):
    return lambda state: state["state"].update(change)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        # What np.random has besides bit generators: "seed" would reseed the caller's numbers.
        *(("PCG64", lambda s, n=n: s.update(bit_generator=n)) for n in ("seed", "rand", "Foo")),
        ("PCG64", lambda s: s.update(bit_generator="Generator")),
        ("PCG64", lambda s: s.update(bit_generator=["PCG64"])),
        ("PCG64", lambda s: s.update(bit_generator="MT19937")),
        ("PCG64", lambda s: s.pop("bit_generator")),
        ("PCG64", lambda s: s.pop("state")),
        ("PCG64", lambda s: s.update(state=3)),
        ("PCG64", lambda s: s.update(more=3)),
        ("PCG64", lambda s: s.update(has_uint32="x")),
        ("PCG64", lambda s: s.update(uinteger=-1)),
        ("PCG64", inner(state=-1)),
        ("PCG64", inner(state=2**200)),
        ("PCG64", inner(inc="x")),
        ("PCG64DXSM", inner(inc=0.5)),
        ("MT19937", inner(pos=10_000)),  # NumPy takes it, and reads beyond its buffer
        ("MT19937", inner(pos=-1)),
        ("MT19937", inner(pos="x")),
        ("MT19937", inner(key=[1, 2, 3])),
        ("MT19937", inner(key=[1] * 625)),
        ("MT19937", inner(key=[2**40] * 624)),
        ("Philox", lambda s: s.update(buffer_pos=-2)),
        ("Philox", lambda s: s.update(buffer_pos=5)),
        ("Philox", inner(counter=[-1] * 4)),
        ("SFC64", inner(state=[1, 2, 3])),
        ("SFC64", inner(state=None)),
    ],
)
def test_damaged_random_states(tmp_path, name, change):
    path = changed(tmp_path, lambda h, m: change(h["random_state"]), getattr(np.random, name))
    np.random.seed(7)  # noqa: NPY002 - the state that a file must not touch
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(ValueError, match="random_state must be") as caught:
        srcnb.load(path)
    assert str(path) in str(caught.value)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("state", [None, 3, "PCG64", []])
def test_a_random_state_that_is_none(tmp_path, state):
    path = changed(tmp_path, lambda h, m: h.update(random_state=state))
    with pytest.raises(ValueError, match=r"net\.npz can't .* random_state must be of MT19937, "):
        srcnb.load(path)


def test_a_bit_generator_of_someone_else_is_not_saved(tmp_path):
    class Mine(np.random.PCG64):
        pass

    net = srcnb.MLP((6, 3), random_state=np.random.Generator(Mine(0)))
    with pytest.raises(ValueError, match="random_state must be of MT19937, .*, got Mine"):
        net.save(tmp_path / "net.npz", state=True)
    assert not os.listdir(tmp_path)
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(srcnb.load(tmp_path / "net.npz").weights[0], net.weights[0])


@pytest.mark.parametrize("base", [srcnb.MLP, LowRankMLP])
def test_a_subclass_is_not_saved(base, tmp_path):
    class Mine(base):
        pass

    net = Mine((6, 5, 3), dropout=0.2, random_state=0)
    with pytest.raises(TypeError, match=rf"got Mine: make one by {base.__name__}\.") as caught:
        net.save(tmp_path / "net.npz")
    assert not os.listdir(tmp_path)
    # The message says what to do, and that works.
    call = str(caught.value).partition("make one by ")[2]
    made = eval(call, {"MLP": srcnb.MLP, "LowRankMLP": LowRankMLP, "net": net})
    made.save(tmp_path / "net.npz")
    assert flat(srcnb.load(tmp_path / "net.npz")).tobytes() == flat(net).tobytes()


def test_the_ending_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must not end with \.safetensors, got .*net\.safe"):
        srcnb.MLP((6, 3)).save(tmp_path / "net.safetensors")
    assert not os.listdir(tmp_path)


def test_files_that_are_no_networks(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        srcnb.load(tmp_path / "nowhere.npz")
    path = tmp_path / "net.npz"
    for content in (b"", b"no zip", b"PK\x03\x04" + 40 * b"x"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net\.npz can't be read") as caught:
            srcnb.load(path)
        assert "pickle" not in str(caught.value)  # NumPy's advice, which would run what is in it
    np.savez(path, X=X)
    with pytest.raises(ValueError, match="it has no header of a srcnb network"):
        srcnb.load(path)
    np.save(tmp_path / "array.npy", X)
    with pytest.raises(ValueError, match=r"array\.npy can't be read"):
        srcnb.load(tmp_path / "array.npy")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files(tmp_path, share):
    path = tmp_path / "net.npz"
    srcnb.MLP((6, 5, 3), random_state=0).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"net\.npz can't be read"):
        srcnb.load(path)


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "net.npz"
    srcnb.MLP((60, 50, 3), random_state=0).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="CRC"):
        srcnb.load(path)


def test_options_are_in_the_file(tmp_path):
    srcnb.MLP((6, 3), random_state=0).save(tmp_path / "net.npz")
    with pytest.raises(TypeError, match="options.*dropout"):
        srcnb.load(tmp_path / "net.npz", dropout=0.5)


# ------------------------------------------------------------------ whole files


def test_replacing_leaves_what_was_there_on_an_error(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), io.replacing(path) as temporary:
        temporary.write_text("half of the n")
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["results.csv"]
    with io.replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["results.csv"]


def test_threads_may_write_to_one_path(tmp_path):
    path = tmp_path / "net.npz"
    nets = [srcnb.MLP((6, 3), random_state=seed) for seed in range(4)]
    # All are between their first and their last step at once, whatever the scheduler does.
    with ExitStack() as stack:
        names = [stack.enter_context(io.replacing(path)) for _ in nets]
        assert len({*names}) == 4
        assert all(name.parent == tmp_path and name.name.startswith(".net") for name in names)
        for name in names:
            name.write_text("")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda net: [net.save(path) for _ in range(20)], nets))
    assert os.listdir(tmp_path) == ["net.npz"]
    assert any(np.array_equal(srcnb.load(path).weights[0], net.weights[0]) for net in nets)


@pytest.mark.parametrize("parent", ["nowhere", "file"])
def test_a_missing_folder_is_named_as_the_user_named_it(tmp_path, parent):
    (tmp_path / "file").write_text("")
    path = tmp_path / parent / "net.npz"
    with pytest.raises((FileNotFoundError, NotADirectoryError)) as caught:
        srcnb.MLP((6, 3)).save(path)
    assert caught.value.filename == str(path) and ".tmp" not in str(caught.value)


def test_a_folder_of_that_name_is_in_the_way(tmp_path):
    (tmp_path / "net.npz").mkdir()
    with pytest.raises(OSError) as caught:
        srcnb.MLP((6, 3)).save(tmp_path / "net.npz")
    assert caught.value.filename == str(tmp_path / "net.npz") and ".tmp" not in str(caught.value)
    assert os.listdir(tmp_path) == ["net.npz"]


def test_errors_of_others_pass_unchanged(tmp_path):
    """Of other files, and those that have a message and no number, as pandas raises."""
    for error in (OSError("no such directory"), FileNotFoundError(2, "No such file", "other")):
        with pytest.raises(OSError) as caught, io.replacing(tmp_path / "results.csv"):
            raise error
        assert caught.value is error


def test_check_folder(tmp_path):
    folder = io.check_folder("out", tmp_path / "a" / "b", ["results.csv"])
    assert folder.is_dir() and not os.listdir(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="out must be a folder that can be written.*file"):
        io.check_folder("out", tmp_path / "file")
    (folder / "results.csv").mkdir()
    with pytest.raises(ValueError, match="out must have room for results.csv"):
        io.check_folder("out", folder, ["results.csv"])


def test_members_are_named_as_documented(tmp_path):
    """Whoever reads the file without srcnb finds weights and biases in order."""
    net = srcnb.MLP((6, 5, 3), bias=True, random_state=0)
    net.save(tmp_path / "net.npz")
    with zipfile.ZipFile(tmp_path / "net.npz") as file:
        assert sorted(file.namelist()) == [
            "header.npy",
            *(f"parameter_{i}.npy" for i in range(4)),
        ]
        first = np.load(std_io.BytesIO(file.read("parameter_0.npy")))
    np.testing.assert_array_equal(first, net.weights[0])
