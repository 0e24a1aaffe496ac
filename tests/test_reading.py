"""What the studies of the calibrated protocol share: its networks, and figures for a table."""

import pandas as pd
import pytest

from srcnb import presets
from srcnb.experiments.studies.reading import NETWORK, protocol_on, read, table_row


def rows(name, heads):
    return [
        {"method": name, "seed": seed, "head": head, "accuracy": accuracy}
        for head, accuracies in heads.items()
        for seed, accuracy in enumerate(accuracies)
    ]


RESULTS = pd.DataFrame(
    rows("src", {"own": (60.0, 62.0), "0.1": (90.0, 90.0), "0.3": (80.0, 84.0)})
    + rows("control", {"own": (19.0, 19.0), "0.1": (70.0, 72.0), "0.3": (60.0, 60.0)})
)


def test_controls_are_read_at_their_best_share_and_sleep_at_the_protocols():
    assert presets.calibrated().homeostasis == 0.3
    found = read(RESULTS, ["method"], lambda method: method == "src")
    assert [*found] == [("src",), ("control",)]
    assert found["src",]["homeostasis"].tolist() == [80, 84]
    assert found["control",]["homeostasis"].tolist() == [70, 72]
    assert found["src",]["own"].tolist() == [60, 62]


def test_a_row_of_a_table():
    found = read(RESULTS, ["method"], lambda method: method == "src")
    src, control = found["src",], found["control",]
    others = {"src": src, "control": control, "none": None}
    assert table_row(src, others) == {
        "own outputs": "61.0 ± 1.4",
        "homeostasis": "82.0 ± 2.8",
        "over src": "–",
        "over control": "+11.0 [-1.7, +23.7]",
        "over none": "–",
    }
    assert table_row(src, others, ["own"])["over control"].startswith("+42.0 ")
    both = table_row(src, others, ("own", "homeostasis"))
    assert both["own outputs over control"].startswith("+42.0 ")
    assert both["homeostasis over control"] == "+11.0 [-1.7, +23.7]"


@pytest.mark.parametrize(("dataset", "width"), [("digits", 400), ("mnist", 1200)])
def test_the_protocol_of_a_data_set(dataset, width):
    base, protocol = presets.calibrated(), protocol_on(dataset, {})
    assert protocol.hidden == (width, width) and dataset in NETWORK
    assert (protocol.schedule, protocol.training) == (base.schedule, base.training)
