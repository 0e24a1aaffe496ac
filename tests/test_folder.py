"""The folder of an experiment: its manifest, its cells, its lock."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from conftest import tiny_experiment

from srcnb import MLP, SleepTargets, load, presets
from srcnb.datasets import Dataset
from srcnb.experiments import EXPERIMENTS, class_incremental, folder, sleep_again
from srcnb.experiments.cells import Cell, Finished, Source, run_cell
from srcnb.experiments.folder import describe, manifest_of
from srcnb.experiments.studies import STUDIES as ALL_STUDIES
from srcnb.methods.src import src
from srcnb.spiking.inputs import MeanInput, PatchInput

# They do other things in place of a sleep.
STUDIES = [study.name for study in ALL_STUDIES]

PATCHES = EXPERIMENTS["patches"]
CELL = Cell(PATCHES.conditions[0], 3)
WHOLE = {"condition": CELL.condition, "seed": 3, "seconds": 1.0}
ROWS = [{"after": "task 1", "task": "all", "accuracy": 100 / 3}]


def opened(experiment, out, data, resume):
    return folder.opened(experiment, out, manifest_of(experiment, data), resume)


def data(value=0.5):
    X, y = np.full((4, 2), value, np.float32), np.arange(4) % 2
    return Dataset("some", X, y, X, y, 2)


def test_a_finished_cell_is_a_file(tmp_path):
    with opened(PATCHES, tmp_path, [], False) as cells:
        assert cells.results().empty
        cells.write(Finished(CELL, ROWS, 1.25))
        assert cells.file(CELL).exists() and not cells.file(replace(CELL, seed=4)).exists()
        [done] = cells.finished()
    assert (done.cell, done.rows, done.seconds) == (CELL, ROWS, 1.25)
    with opened(PATCHES, tmp_path, [], True) as cells:
        [row] = cells.results().to_dict("records")
    assert row == {**CELL.condition, "seed": 3, **ROWS[0], "seconds": 1.25}


def test_networks_are_written_before_the_cell(tmp_path):
    experiment = tiny_experiment("patches")
    finished = run_cell(experiment, CELL.condition, 3, Source(), save_networks=True)
    with opened(experiment, tmp_path, [], False) as cells:
        cells.write(finished)
    names = sorted(p.name for p in (tmp_path / "patches.cells").glob("*.npz"))
    assert names == [
        f"epochs=2,overlap=1,seed=3,stage=2,{p}.npz" for p in ("input", "sleep", "train")
    ]
    slept = load(tmp_path / "patches.cells" / names[1])
    np.testing.assert_array_equal(slept.weights[0], finished.networks[2, "sleep"].weights[0])


def test_the_manifest_says_what_the_cells_are_of(tmp_path):
    with opened(PATCHES, tmp_path, [data()], False):
        pass
    manifest = json.loads((tmp_path / "patches.cells/manifest.json").read_text())
    assert manifest["experiment"] == "patches" and manifest["srcnb"]
    assert manifest["data"][0]["name"] == "some" and len(manifest["data"][0]["sha256"]) == 64
    entry = manifest["conditions"][0]
    assert entry["condition"] == {"epochs": 2, "overlap": 1}
    assert entry["protocol"]["schedule"]["constants"]["beta"] == [1.045]
    assert entry["protocol"]["schedule"]["sleep_input"] == "srcnb.spiking.inputs.MeanInput"


def other_protocol(condition):
    return replace(PATCHES.protocol(condition), training={"epochs": 5})


def other_measure(cell, sequence, protocol):
    return []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(experiment=replace(PATCHES, protocol=other_protocol)),
            "protocol of .* is 4, not 5",
        ),
        (
            dict(experiment=replace(PATCHES, measure=other_measure)),
            r"its measure is 'srcnb.experiments.patches.measure', not '.*other_measure'",
        ),
        (
            dict(experiment=replace(PATCHES, sequence=partial(PATCHES.sequence, 5))),
            "its sequence is",
        ),
        (dict(data=[data(0.25)]), r"its data\[0\]: sha256 is '\w+', not '\w+'"),
        (dict(data=[]), "its data is .*, not"),
        (dict(version="0.0.9"), "its srcnb is '.*', not '0.0.9'"),
    ],
)
def test_another_folder_is_refused(tmp_path, monkeypatch, change, message):
    with opened(PATCHES, tmp_path, [data()], False) as cells:
        cells.write(Finished(CELL, ROWS, 1.0))
    before = (tmp_path / "patches.cells/manifest.json").read_bytes()
    monkeypatch.setattr(folder, "__version__", change.pop("version", folder.__version__))
    arguments = dict(experiment=PATCHES, data=[data()]) | change
    with pytest.raises(ValueError, match=rf"patches.cells can't be resumed: .*{message}"):
        opened(arguments["experiment"], tmp_path, arguments["data"], True).__enter__()
    assert (tmp_path / "patches.cells/manifest.json").read_bytes() == before


def test_one_protocol_for_all_conditions(tmp_path):
    """Where an experiment says so, a condition that is added has that of the others."""
    a, b = PATCHES.conditions[0], PATCHES.conditions[-1]  # of 2 and of 20 epochs
    for one_protocol in (False, True):
        first, second = (
            replace(PATCHES, conditions=[c], one_protocol=one_protocol) for c in (a, b)
        )
        out = tmp_path / str(one_protocol)
        with opened(first, out, [], False):
            pass
        if one_protocol:
            with pytest.raises(ValueError, match="its protocol: later_training: epochs is 2, not"):
                opened(second, out, [], True).__enter__()
        else:
            with opened(second, out, [], True) as cells:
                assert len(json.loads(cells.manifest.read_text())["conditions"]) == 2


def test_numpys_scalars(tmp_path):
    condition = {"a": np.int64(3), "b": np.float32(0.5), "c": np.bool_(True)}
    experiment = replace(PATCHES, conditions=[condition], protocol=lambda condition: None)
    rows = [{"task": np.str_("all"), "accuracy": np.float32(0.25), "step": np.int64(7)}]
    with opened(experiment, tmp_path, [], False) as cells:
        cells.write(Finished(Cell(condition, 1), rows, np.float64(2)))
        [row] = cells.results().to_dict("records")
    expected = dict(a=3, b=0.5, c=True, seed=1, task="all", accuracy=0.25, step=7, seconds=2.0)
    assert row == expected


@pytest.mark.parametrize("rows", [[{"accuracy": 1j}], [3], [{"accuracy": np.ones(2)}]])
def test_rows_that_no_file_can_hold(tmp_path, rows):
    networks = {(2, "train"): MLP((3, 2))}
    with opened(PATCHES, tmp_path, [], False) as cells:
        with pytest.raises((TypeError, ValueError)):
            cells.write(Finished(CELL, rows, 1.0, networks))
        assert cells.results().empty and not list(cells.path.glob("*.npz"))


def test_finished_with_networks(tmp_path):
    experiment = tiny_experiment("patches")
    with opened(experiment, tmp_path, [], False) as cells:
        cells.write(run_cell(experiment, CELL.condition, 3, Source()))
        assert cells.is_finished(CELL) and not cells.is_finished(CELL, save_networks=True)
        cells.write(run_cell(experiment, CELL.condition, 3, Source(), save_networks=True))
        assert cells.is_finished(CELL, save_networks=True)
        next(cells.path.glob("*,input.npz")).unlink()
        assert cells.is_finished(CELL) and not cells.is_finished(CELL, save_networks=True)
        # A method without sleep has none to save.
        cells.write(Finished(CELL, ROWS, 1.0, {}))
        assert cells.is_finished(CELL, save_networks=True)


def sleeping(experiment, method):
    return next(
        c for c in experiment.conditions if c.get("method", method) == method and c.get("sleeps", 1)
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.parametrize(
    ("name", "method"),
    [*((name, "src") for name in EXPERIMENTS if name not in STUDIES), ("mnist", "ewc+src")],
)
def test_a_sleep_is_repeated_from_files(name, method, tiny_source, tmp_path):
    """From the network before it and what was saved of it: the network after it, bit for bit."""
    experiment, seed = tiny_experiment(name), 3
    condition = sleeping(experiment, method)
    done = run_cell(experiment, condition, seed, tiny_source(experiment), save_networks=True)
    with opened(replace(experiment, conditions=[condition]), tmp_path / "o", [], False) as cells:
        cells.write(done)
    path = tmp_path / "o" / f"{name}.cells"
    moved = 0
    for stage in done.sleeps:
        result = sleep_again(path, condition, seed, stage)
        start = f"{Cell(condition, seed).file_name},stage={stage}"
        before, after = (load(path / f"{start},{phase}.npz") for phase in ("train", "sleep"))
        for a, b, c in zip(result.net.weights, after.weights, before.weights, strict=True):
            np.testing.assert_array_equal(a, b)
            moved += (np.asarray(b) != np.asarray(c)).sum()
    # The constants are for larger networks: in some of these tiny ones nothing fires.
    assert moved or name in ("little-training", "icarl", "any-network")
    if name == "cub200":
        assert result.config.max_rate > 32  # times the largest feature, as it was run


@pytest.mark.parametrize("method", ["src-step-back", "src-save-best"])
def test_a_sleep_after_which_more_was_done(method, tmp_path, sequence, protocol):
    condition = {"method": method}
    cell = Cell(condition, 0, {})
    rows = list(class_incremental.measure(cell, sequence, protocol))
    experiment = replace(PATCHES, conditions=[condition], protocol=lambda condition: protocol)
    with opened(experiment, tmp_path, [], False) as cells:
        cells.write(Finished(cell, rows, 1.0, cell.networks, cell.sleeps))
    path = tmp_path / "patches.cells"
    with pytest.raises(ValueError, match="alone must be set to repeat the sleep of .*stage=2"):
        sleep_again(path, condition, 0, 2)
    steps = []
    result = sleep_again(
        path, condition, 0, 2, alone=True, callback=lambda step, net: steps.append(step), every=40
    )
    assert steps == [40, 80, 95]
    before, after = (load(path / f"method={method},seed=0,stage=2,{p}.npz") for p in PHASES)
    assert (result.net.weights[0] != after.weights[0]).any()
    if method == "src-step-back":
        np.testing.assert_allclose(
            (result.net.weights[0] + before.weights[0]) / 2, after.weights[0], rtol=1e-6
        )


PHASES = ("train", "sleep")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.parametrize("output_rate", [None, 0.01])
@pytest.mark.parametrize("at", [None, "prediction", "weights"])
def test_a_calibrated_sleep_is_repeated(at, output_rate, tmp_path, sequence, protocol):
    """Bit for bit, from networks that are not those that homeostasis makes of them."""
    targets = SleepTargets(output_rate=output_rate, rate=0.05, input_rate=0.1)
    protocol = replace(
        protocol,
        schedule=replace(protocol.schedule, constants=targets),
        network={**protocol.network, "bias": True},
    )
    options = {} if at is None else {"homeostasis": 0.5, "at": at}
    cell = Cell({"method": "src"}, 0, {})
    measured = list(cell.measurements(src(sequence, protocol, 0, **options), sequence))
    experiment = replace(PATCHES, conditions=[cell.condition], protocol=lambda condition: protocol)
    with opened(experiment, tmp_path, [], False) as cells:
        cells.write(Finished(cell, measured, 1.0, cell.networks, cell.sleeps))
    for stage in (1, 2, 3):
        # Written into the weights, it is done after the sleep.
        again = partial(sleep_again, tmp_path / "patches.cells", cell.condition, 0, stage)
        if at == "weights":
            with pytest.raises(ValueError, match="alone must be set to repeat the sleep"):
                again()
        result = again(alone=at == "weights")
        before, after = (
            load(tmp_path / "patches.cells" / f"method=src,seed=0,stage={stage},{phase}.npz")
            for phase in PHASES
        )
        assert (result.net.weights[0] != before.weights[0]).any()
        assert result.config.targets[-1] is None or output_rate
        same = [(a == b).all() for a, b in zip(result.net.weights, after.weights, strict=True)]
        assert same == [True, True, at != "weights"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((CELL.condition, 3, 2), FileNotFoundError, "stage=2,input.npz"),
        ((CELL.condition, 3, 0), ValueError, "stage must be at least 1, got 0"),
        ((CELL.condition, "3", 1), TypeError, "seed must be an integer, got '3'"),
    ],
)
def test_a_sleep_that_is_not_there(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        sleep_again(tmp_path, *arguments)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("epochs=2,overlap=1,seed=3.json", "", "is damaged"),
        ("epochs=2,overlap=1,seed=3.json", '{"condition": {"epochs"', "is damaged"),
        ("epochs=2,overlap=1,seed=3.json", "[]", "holds no JSON object"),
        ("epochs=2,overlap=1,seed=3.json", '{"seed": 3}', "is no cell of .*'condition'"),
        ("epochs=2,overlap=1,seed=3.json", '{"condition": {"a": 1}, "seed": 3}', "is no cell of"),
        (f"{CELL.file_name}.json", json.dumps({**WHOLE, "rows": []}), "it has no rows"),
        (f"{CELL.file_name}.json", json.dumps({**WHOLE, "rows": 5}), "is no cell of"),
        ("manifest.json", "\x00", "manifest.json is damaged"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    with opened(PATCHES, tmp_path, [], False) as cells:
        cells.write(Finished(CELL, ROWS, 1.0))
    (tmp_path / "patches.cells" / name).write_text(content)
    with pytest.raises(ValueError, match=message), opened(PATCHES, tmp_path, [], True) as cells:
        cells.finished()


@pytest.mark.slow
def test_one_process_at_a_time(tmp_path):
    """The lock ends with the process that holds it, however it ends."""
    code = (
        "import sys, time\nfrom srcnb.experiments import EXPERIMENTS, folder\n"
        "patches = EXPERIMENTS['patches']\nmanifest = folder.manifest_of(patches, [])\n"
        "with folder.opened(patches, sys.argv[1], manifest, False):\n"
        "    print('here', flush=True)\n    time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "here\n"
    with pytest.raises(ValueError, match="another process is at work here: it holds .*lock"):
        opened(PATCHES, tmp_path, [], True).__enter__()
    holder.kill()
    holder.communicate()
    with opened(PATCHES, tmp_path, [], True):
        pass


def test_file_names_tell_cells_apart():
    names = {Cell({"a": a}, 0).file_name for a in ("x y", "x_y", "x/y", "x, y", "äö", "x=y")}
    assert len(names) == 6 and not any("/" in name or " " in name for name in names)


def test_describe():
    assert describe(partial(PatchInput, 5, shape=(7, 7))) == {
        "call": "srcnb.spiking.inputs.PatchInput",
        "shape": [7, 7],
        "arguments": [5],
    }
    assert describe({"a": (1, None, "x", MeanInput)}) == {
        "a": [1, None, "x", "srcnb.spiking.inputs.MeanInput"]
    }
    described = describe(presets.paper())
    assert described["schedule"]["sleep_input"] == {
        "call": "srcnb.spiking.inputs.PatchInput",
        "size": 11,
        "shape": [28, 28],
    }
    assert described["training"] == {**presets.paper().training}
    assert describe([np.float32(0.5), np.int64(3)]) == [0.5, 3]
    one, other = (describe(np.array([1.0, x])) for x in (2, 3))
    assert one["shape"] == [2] and one["dtype"] == "<f8" and one["sha256"] != other["sha256"]
    assert describe(Cell) == "srcnb.experiments.cells.Cell"
    some = describe(PatchInput(3, (4, 5)))
    assert some["call"] == "srcnb.spiking.inputs.PatchInput" and some["shape"] == [4, 5]
    for protocol in (presets.paper(), presets.replica(), presets.own()):
        assert json.loads(json.dumps(describe(protocol)))["name"] == protocol.name
