"""Does homeostasis help where each task has all classes? Asked on training data.

    python benchmarks/choose_where.py [--dataset digits] [--seeds 10]

The twenty permutations of the experiment order-and-time, made of a part of the *training* set and
scored on the rest of it: the test set is never seen, and each seed has another split. Prints mean ±
sd over seeds of the accuracy over all tasks at the end, by the network's own outputs and brought to
one scale with each share of features kept, and the paired difference, with its 95 % interval, of
the protocol's share to the own outputs. One thread a process.
"""

import argparse

import pandas as pd
from joblib import Parallel, delayed

from srcnb import datasets, presets
from srcnb.experiments.any_network import bare_run, read_outs
from srcnb.experiments.cells import Cell, one_thread
from srcnb.experiments.studies.order_and_time import PERMUTED, protocol_of, tasks_of
from srcnb.experiments.tables import as_text, paired

METHODS = ("sequential", "lazy", "less-excitable", "src")


def scores(data, method, seed):
    """{head: validation accuracy over all tasks at the end, in percent}."""
    cell = Cell({"sequence": PERMUTED, "method": method}, seed)
    protocol = protocol_of(cell.condition)
    sequence = tasks_of(cell, [data.validation_split(random_state=seed)], protocol)
    with one_thread():
        *_, last = bare_run(method, sequence, protocol, seed)
        rows = read_outs(last.model, sequence[-1], sequence, seed)
        return {row["head"]: row["accuracy"] for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="digits", choices=datasets.NAMES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one a core")
    args = parser.parse_args()
    data = datasets.load(args.dataset)
    cells = [(method, seed) for method in METHODS for seed in range(100, 100 + args.seeds)]
    found = Parallel(n_jobs=args.jobs)(delayed(scores)(data, *cell) for cell in cells)
    share = f"{presets.calibrated().homeostasis:g}"
    table = []
    for method in METHODS:
        pairs = zip(cells, found, strict=True)
        heads = pd.DataFrame([row for (name, _), row in pairs if name == method])
        row = {head: as_text(heads[head]) for head in heads}
        table.append({"method": method, **row, "over own": paired(heads[share] - heads["own"])})
    print(pd.DataFrame(table).to_string(index=False))


if __name__ == "__main__":
    main()
