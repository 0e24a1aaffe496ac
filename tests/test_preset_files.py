"""Preset files: what is saved comes back equal, and what is no preset is refused by name."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from srcnb import MeanInput, PatchInput, SampleInput, SegmentInput, SleepTargets, presets
from srcnb.preset_files import load_preset, save_preset

TARGETS = SleepTargets(n_steps=300, rate=0.01, rate_factor=2.0, output_rate=0.03)


def sleeping(sleep_input=MeanInput, constants=TARGETS, **change):
    """Our own protocol with another sleep."""
    own = presets.own()
    schedule = replace(own.schedule, sleep_input=sleep_input, constants=constants, every=2)
    return replace(own, schedule=schedule, **change)


PROTOCOLS = [
    presets.own(),
    presets.paper(),
    presets.replica(),
    *(sleeping(made) for made in (MeanInput, partial(MeanInput), partial(SegmentInput, 12))),
    sleeping(partial(SampleInput, keep=0.5), homeostasis=0.1, cap=None),
    sleeping(partial(PatchInput, 3, shape=(8, 8)), later_training=dict(learning_rate=0.01)),
    sleeping(network=dict(init=0.01, bias=True), parallel_epochs=3, rank=4),
    sleeping(constants=SleepTargets(input_rate=np.float64(0.1)), hidden=(3,)),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_saved_comes_back_equal(tmp_path, protocol):
    path = tmp_path / "preset.json"
    save_preset(path, protocol, {"data": "toy", "n": np.int64(3)})
    loaded = load_preset(path)
    assert loaded == protocol and hash(loaded) == hash(protocol)
    made = loaded.schedule.sleep_input()
    assert vars(made) == vars(protocol.schedule.sleep_input())
    # Where it comes from is for readers.
    assert json.loads(path.read_text())["source"] == {"data": "toy", "n": 3}
    assert [p.name for p in tmp_path.iterdir()] == ["preset.json"]


def test_letters_are_kept_whatever_the_locale(tmp_path):
    """Files are UTF-8, also where the system's encoding is another."""
    path = tmp_path / "preset.json"
    code = (
        "from srcnb import presets\nfrom srcnb.preset_files import load_preset, save_preset\n"
        f"save_preset({str(path)!r}, presets.own(), {{'data': 'K\\xe4fer'}})\n"
        f"assert load_preset({str(path)!r}) == presets.own()"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    env = {**os.environ, **ascii_only, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert json.loads(path.read_text(encoding="utf-8"))["source"] == {"data": "Käfer"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(path="preset.txt"), "path must end with .json, got .*preset.txt"),
        (dict(protocol={}), "protocol must be a Protocol, got {}"),
        (dict(source=[]), r"source must be a mapping, got \[\]"),
        (dict(source={"x": {1}}), r"source must hold what JSON can hold: got \{1\}"),
        (dict(source={"x": float("nan")}), "source must hold what JSON can hold"),
        (dict(protocol=sleeping(lambda: MeanInput())), "sleep_input must be one of MeanInput, .*"),
        (dict(protocol=sleeping(network=dict(dtype=np.float32))), "protocol .*float32"),
    ],
)
def test_what_can_not_be_saved(tmp_path, change, message):
    arguments = dict(path="preset.json", protocol=presets.own(), source={}) | change
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises((ValueError, TypeError), match=message):
        save_preset(**arguments)
    assert not list(tmp_path.iterdir())


# The names on the way to a field of a file, what it becomes, and what is said.
WITHOUT = object()
BAD = [
    (["format"], "srcnb network", "its format is not 'srcnb preset'"),
    (["version"], 2, "version must be one that this srcnb reads, 1, got 2"),
    (["version"], True, "version must be .* got True"),
    (["protocol"], 3, "protocol must be an object .* got 3"),
    (["protocol", "hidden"], WITHOUT, "protocol lacks hidden"),
    (["protocol", "more"], 1, "protocol must hold .* only, got 'more'"),
    (["protocol", "hidden"], [0, 4], "protocol: hidden must be at least 1, got 0"),
    (["protocol", "hidden"], [4], "hidden must be 2 layer sizes"),
    (["protocol", "homeostasis"], 0, "protocol: homeostasis must be .* got 0"),
    (["protocol", "schedule", "first_steps"], float("nan"), "it holds NaN, which is no number"),
    (["protocol", "schedule"], [], "protocol.schedule must be an object"),
    (["protocol", "schedule", "data"], "all", "protocol.schedule: data must be one of .*'all'"),
    (["protocol", "schedule", "first_steps"], WITHOUT, "protocol.schedule lacks first_steps"),
    (["protocol", "schedule", "constants", "kind"], "os.system", "constants.kind must be one of"),
    (["protocol", "schedule", "constants", "kind"], ["x"], "constants.kind must be one of"),
    (["protocol", "schedule", "constants", "inc"], -1, "schedule.constants: inc must be .* got -1"),
    (["protocol", "schedule", "constants", "beta"], "x", "schedule.constants: beta must be a list"),
    (["protocol", "schedule", "sleep_input"], "MeanInput", "sleep_input.kind must be one of"),
    (["protocol", "schedule", "sleep_input", "kind"], "partial", "sleep_input.kind .*'partial'"),
    (["protocol", "schedule", "sleep_input", "keep"], 2, "sleep_input: keep must be .* got 2"),
    (["protocol", "schedule", "sleep_input", "kept"], 1, "sleep_input: .*'kept'"),
    (["protocol", "schedule", "sleep_input", "arguments"], 1, "arguments must be a list, got 1"),
    (["protocol", "network"], 3, "protocol.network must be an object with options, got 3"),
    (["protocol", "network", "random_state"], 0, "protocol.network must .* got 'random_state'"),
    (["protocol", "network", "dropout"], 2, "protocol: dropout must be .* got 2"),
    (["protocol", "training", "X"], [], "protocol.training must hold .* got 'X'"),
    (["protocol", "training", "epochs"], -1, "protocol: epochs must be .* got -1"),
    (["protocol", "training", "momentum"], 1, "protocol: momentum must be .* got 1"),
    (["protocol", "later_training"], {"lr": 1}, "protocol.later_training must hold .* got 'lr'"),
    (["protocol", "later_training"], {"momentum": 3}, "protocol: momentum must be .* got 3"),
]


@pytest.mark.parametrize(("where", "value", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_fields_are_named(tmp_path, where, value, message):
    path = tmp_path / "preset.json"
    save_preset(path, presets.own(), {})
    content = json.loads(path.read_text())
    *way, last = where
    inner = content
    for name in way:
        inner = inner[name]
    if value is WITHOUT:
        del inner[last]
    else:
        inner[last] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*{message}"):
        load_preset(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b"null", b'{"a": NaN}', b"[" * 9999]
)
def test_what_is_no_preset(tmp_path, content):
    path = tmp_path / "preset.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} can't be read as a preset"):
        load_preset(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such preset file: .*preset.json"):
        load_preset(tmp_path / "preset.json")
