"""How long is a step of sleep? The compiled kernel against the plain NumPy reference.

    python benchmarks/bench_sleep.py [--data-dir DIR] [--hidden 400 1200 4000] [--out DIR]

Both engines simulate the same 1024 steps of the same sleep, side by side in one run: networks
trained on the first two tasks of MNIST (where --data-dir or SRCNB_DATA has it; of digits
elsewhere), float32, with the constants of the replica preset (on digits: our own), after a
warm-up of 512 steps. Sweeps:

  size     each of --hidden, with 1 … all threads
  gate     each gate, at the middle size
  rate     the input rate times ¼ … 4, at the middle size
  width    400 … 8000 hidden units (above 4000 trained on 1000 samples per task), one thread

An event is one weight gathered or one gate evaluated; the roofline (roofline.py) is what they would
take from a row in the L1 cache, measured in the same rounds. Each figure is a median over rounds,
but for the reference, which runs once.
Writes bench_sleep.csv, one row per line of the table, and bench_sleep.png.
"""

import argparse
import os
import time
from functools import partial

import numba
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from networks import add_data_arguments, cases_of, load_data, positive, to_text
from roofline import Roofline
from timing import in_turn

from srcnb.io import check_folder, replacing
from srcnb.spiking.config import GATES

RATE_FACTORS = (0.25, 0.5, 1, 2, 4)
WIDTHS = (400, 800, 2000, 8000)
LARGE, SMALL_CAP = 4000, 1000
FILES = ("bench_sleep.csv", "bench_sleep.png")


def measure(case, rounds, threads, **what):
    """Rows of the table, one for each number of threads; ``what`` are more columns."""
    roofline = Roofline(case.config.gate)

    def kernel(n):
        numba.set_num_threads(n)
        return case.seconds_per_step()

    reference = case.seconds_per_step("reference")
    time.sleep(0.2)  # BLAS threads spin for a while after their work
    seconds = in_turn(
        {
            "gather": roofline.gather,
            "gate": roofline.gate,
            **{n: partial(kernel, n) for n in threads},
        },
        rounds,
    )
    gathers, gates = case.events()
    for n in threads:
        floor = (gathers * seconds["gather"] + gates * seconds["gate"]) / n
        yield {
            **what,
            "hidden": case.sizes[1],
            "gate": case.config.gate,
            "threads": n,
            "reference ms/step": 1e3 * reference,
            "ms/step": 1e3 * np.median(seconds[n]),
            "speed-up": reference / np.median(seconds[n]),
            "over 1 thread": np.median(seconds[threads[0]] / seconds[n]),
            "gathers/step": gathers,
            "gates/step": gates,
            "ns/event": 1e9 * np.median(seconds[n]) / (gathers + gates),
            "of roofline": np.median(floor / seconds[n]),
        }


def sweeps(data, hidden, widths, rounds):
    """All sweeps as one DataFrame, tidy: one row per sweep, sleep and number of threads."""
    all_threads = range(1, numba.config.NUMBA_NUM_THREADS + 1)
    middle = sorted(hidden)[len(hidden) // 2]
    rows = []
    for n in sorted({*hidden, *widths}):
        case = cases_of(data, n, SMALL_CAP if n > LARGE else None)
        base = list(measure(case(), rounds, all_threads if n in hidden else [1], rate=1.0))
        # Measured once, it stands in every sweep that it belongs to.
        rows += [{"sweep": "size", **row} for row in base if n in hidden]
        rows += [{"sweep": "width", **base[0]}]
        if n != middle:
            continue
        own_gate = base[0]["gate"]
        for gate in GATES:
            other = (
                [base[0]] if gate == own_gate else measure(case(gate=gate), rounds, [1], rate=1.0)
            )
            rows += [{"sweep": "gate", **row} for row in other]
        for rate in RATE_FACTORS:
            other = [base[0]] if rate == 1 else measure(case(rate), rounds, [1], rate=rate)
            rows += [{"sweep": "rate", **row} for row in other]
    table = pd.DataFrame(rows)
    order = table["sweep"].map(["size", "gate", "rate", "width"].index)
    return table.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def slope(table):
    """The log-log slope of cost against synaptic events over the widths; NaN for one width."""
    widths = table[table["sweep"] == "width"]
    if len(widths) < 2:
        return np.nan
    events = widths["gathers/step"] + widths["gates/step"]
    return np.polyfit(np.log(events), np.log(widths["ms/step"]), 1)[0]


def plot(table, path, title):
    """Cost against width and against events, speed-up, and thread scaling."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    (by_width, by_events), (speed_up, scaling) = figure.subplots(2, 2)

    widths = table[table["sweep"] == "width"].sort_values("hidden")
    by_width.loglog(
        widths["hidden"], widths["reference ms/step"], "s-", label="NumPy reference, all threads"
    )
    by_width.loglog(widths["hidden"], widths["ms/step"], "o-", label="numba kernel, one thread")
    by_width.set(xlabel="neurons in each hidden layer", ylabel="ms per step")
    ticks = list(widths["hidden"])
    by_width.set_xticks(ticks, ticks)
    by_width.minorticks_off()
    by_width.legend(frameon=False)

    for sweep, marker in (("width", "o"), ("rate", "^"), ("gate", "D")):
        rows = table[table["sweep"] == sweep]
        label = f"{sweep} (slope {slope(table):.2f})" if sweep == "width" else sweep
        by_events.loglog(
            rows["gathers/step"] + rows["gates/step"], rows["ms/step"], marker, label=label
        )
    by_events.set(xlabel="synaptic events per step", ylabel="ms per step")
    by_events.legend(title="sweep over", frameon=False)

    sizes = table[table["sweep"] == "size"]
    names = sizes["hidden"].astype(str) + ", " + sizes["threads"].astype(str)
    gates = table[table["sweep"] == "gate"]
    bars = [*zip(names, sizes["speed-up"], strict=True)]
    bars += zip(
        gates["hidden"].astype(str) + ", 1\n" + gates["gate"], gates["speed-up"], strict=True
    )
    for i, (_, height) in enumerate(bars):
        color = "C1" if i < len(sizes) else "C2"
        speed_up.text(i, height, f"{height:.0f}×", ha="center", va="bottom", fontsize=8)
        speed_up.bar(i, height, color=color)
    speed_up.set_xticks(range(len(bars)), [name for name, _ in bars], rotation=45, ha="right")
    speed_up.set(ylabel="speed-up over the reference", xlabel="hidden neurons, threads")
    speed_up.margins(y=0.12)

    for hidden, rows in sizes.groupby("hidden"):
        scaling.plot(rows["threads"], rows["over 1 thread"], "o-", label=f"{hidden} hidden")
    most = sizes["threads"].max()
    scaling.plot([1, most], [1, most], "k:", label="ideal")
    scaling.set(xlabel="threads", ylabel="speed-up over one thread", xticks=range(1, most + 1))
    scaling.legend(frameon=False)
    for axes in (by_width, by_events, speed_up, scaling):
        axes.grid(alpha=0.3)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    parser.add_argument("--hidden", type=positive, nargs="+", default=[400, 1200, 4000])
    parser.add_argument("--widths", type=positive, nargs="*", default=WIDTHS)
    parser.add_argument("--out", default=".", help="folder for the CSV and the picture")
    args = parser.parse_args()
    out = check_folder("out", args.out, FILES)
    data = load_data(args.data_dir)
    table = sweeps(data, args.hidden, args.widths, args.rounds)
    with replacing(out / FILES[0]) as temporary:
        table.to_csv(temporary, index=False)
    title = f"{data.name}, {os.cpu_count()} cores, numba {numba.__version__}"
    plot(table, out / FILES[1], title)
    print(f"{title}\n{to_text(table)}")
    print(f"cost against synaptic events over the widths: log-log slope {slope(table):.2f}")
    print(f"wrote {out / FILES[0]} and {out / FILES[1]}")


if __name__ == "__main__":
    main()
