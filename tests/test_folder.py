"""The folder of an experiment: its manifest, its cells, its lock."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from conftest import tiny_experiment

from srcnb import load, presets
from srcnb.datasets import Dataset
from srcnb.experiments import EXPERIMENTS, folder
from srcnb.experiments.cells import Cell, Finished, Source, run_cell
from srcnb.experiments.folder import describe, opened
from srcnb.spiking.inputs import MeanInput, PatchInput

PATCHES = EXPERIMENTS["patches"]
CELL = Cell(PATCHES.conditions[0], 3)
ROWS = [{"after": "task 1", "task": "all", "accuracy": 100 / 3}]


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
    assert names == [f"epochs=2,overlap=1,seed=3,stage=2,{p}.npz" for p in ("sleep", "train")]
    slept = load(tmp_path / "patches.cells" / names[0])
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(experiment=replace(PATCHES, protocol=other_protocol)),
            "protocol of .* is 4, not 5",
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


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("epochs=2,overlap=1,seed=3.json", "", "is damaged"),
        ("epochs=2,overlap=1,seed=3.json", '{"condition": {"epochs"', "is damaged"),
        ("epochs=2,overlap=1,seed=3.json", "[]", "holds no JSON object"),
        ("epochs=2,overlap=1,seed=3.json", '{"seed": 3}', "is no cell of .*'condition'"),
        ("epochs=2,overlap=1,seed=3.json", '{"condition": {"a": 1}, "seed": 3}', "is no cell of"),
        ("manifest.json", "\x00", "manifest.json is damaged"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    with opened(PATCHES, tmp_path, [], False) as cells:
        cells.write(Finished(CELL, ROWS, 1.0))
    (tmp_path / "patches.cells" / name).write_text(content)
    with pytest.raises(ValueError, match=message), opened(PATCHES, tmp_path, [], True) as cells:
        cells.finished()


def test_one_process_at_a_time(tmp_path):
    """The lock ends with the process that holds it, however it ends."""
    code = (
        "import sys, time\nfrom srcnb.experiments import EXPERIMENTS, folder\n"
        "with folder.opened(EXPERIMENTS['patches'], sys.argv[1], [], False):\n"
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
    names = {folder._name(Cell({"a": a}, 0)) for a in ("x y", "x_y", "x/y", "x, y", "äö", "x=y")}
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
    for protocol in (presets.paper(), presets.replica(), presets.own()):
        assert json.loads(json.dumps(describe(protocol)))["name"] == protocol.name
