"""The command srcnb figures."""

import shutil

import pytest

from srcnb import cli
from srcnb.experiments import figures


@pytest.mark.slow
def test_figures(saved_run, tmp_path, capsys, monkeypatch):
    """What is asked for is what is drawn; by default into the folder of the run."""
    seen = []

    def draw_all(viewer, out, say):
        seen.append((viewer.method, viewer.seed, viewer.stage, out))

    monkeypatch.setattr(figures, "draw_all", draw_all)
    assert cli.main(["figures", str(saved_run)]) == 0
    options = ["--method", "src", "--seed", "1", "--stage", "1", "--out", str(tmp_path)]
    assert cli.main(["figures", str(saved_run), *options]) == 0
    assert seen == [("src", 0, 2, saved_run / "figures"), ("src", 1, 1, str(tmp_path))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stage", "3"], "--stage must be one of"),
        (["--seed", "7"], "--seed must be one of"),
        (["--method", "parallel"], "--method must be one of 'src'"),
        (["--dataset", "mnist", "--data-dir", "/nowhere"], "/nowhere"),
    ],
)
def test_bad_options(saved_run, capsys, options, message):
    assert cli.main(["figures", str(saved_run), *options]) == 2
    assert message in capsys.readouterr().err


def test_no_folder_of_a_run(tmp_path, saved_run, capsys):
    assert cli.main(["figures", str(tmp_path)]) == 2
    assert "error: DIR must be one that srcnb run wrote" in capsys.readouterr().err
    copy = shutil.copytree(saved_run, tmp_path / "copy")
    (copy / "results.cells" / "manifest.json").write_text("{")
    assert cli.main(["figures", str(copy)]) == 2
    assert "is damaged" in capsys.readouterr().err
