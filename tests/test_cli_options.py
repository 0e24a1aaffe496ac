"""What the options of several commands stand for. The commands' own tests have the rest."""

import argparse
from dataclasses import replace

import numpy as np
import pytest

from srcnb import cli_options, presets
from srcnb.experiments.cells import Source
from srcnb.preset_files import save_preset


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    cli_options.add_case(parser)
    cli_options.add_job(parser, seeds="5", out="there", resume="more", jobs="")
    return parser.parse_args([*map(str, arguments)])


def test_defaults():
    args = parsed()
    assert (args.out, args.jobs, args.seeds, args.resume) == ("there", -1, None, False)
    assert cli_options.protocol_of(args) == presets.calibrated()
    [data] = cli_options.data_of(args)(Source())
    assert data.name == "digits"


def test_presets_and_preset_files(tmp_path):
    args = parsed("--preset", "replica", "--dataset", "mnist")
    assert cli_options.protocol_of(args) == presets.replica()
    mine = replace(presets.own(), name="mine", homeostasis=0.3)
    save_preset(tmp_path / "mine.json", mine, {})
    args = parsed("--preset", tmp_path / "mine.json", "--hidden", 3, 4)
    assert cli_options.protocol_of(args) == replace(mine, hidden=(3, 4))


def test_classes_per_task_are_a_number(capsys):
    assert (parsed().classes_per_task, parsed("--classes-per-task", 5).classes_per_task) == (2, 5)
    with pytest.raises(SystemExit):
        parsed("--classes-per-task", "two")
    assert "argument --classes-per-task: invalid int value: 'two'" in capsys.readouterr().err


def test_own_file(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, X=np.eye(8), y=np.arange(8) % 2)
    [data] = cli_options.data_of(parsed("--dataset", path))(Source())
    assert data.name == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "x"], "dataset must be one of"),
        (["--target", "x"], "target is for a .csv file only, got 'x'"),
    ],
)
def test_bad_data(arguments, message):
    with pytest.raises(ValueError, match=message):
        cli_options.data_of(parsed(*arguments))


@pytest.mark.parametrize(("text", "seeds"), [("3", 3), ("-1", -1), ("2-4", range(2, 5))])
def test_seeds(text, seeds):
    assert cli_options.seeds_from(text) == seeds


@pytest.mark.parametrize("text", ["x", "4-2", "1-x", ""])
def test_bad_seeds(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"such as 10-19, got '{text}'"):
        cli_options.seeds_from(text)
