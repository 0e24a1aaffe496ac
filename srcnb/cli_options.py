"""Options that commands of the program ``srcnb`` have in common, and what they stand for."""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srcnb.datasets import Dataset
    from srcnb.experiments.cells import Source
    from srcnb.protocol import Protocol


def add_case(parser: argparse.ArgumentParser) -> None:
    """What is learnt, and by which protocol: see :func:`data_of` and :func:`protocol_of`."""
    from srcnb.datasets import NAMES

    parser.add_argument(
        "--classes-per-task",
        type=int,
        default=2,
        metavar="N",
        help="classes that are learnt at a time (default: 2)",
    )
    parser.add_argument(
        "--dataset",
        default="digits",
        metavar="SET | FILE",
        help=f"what to learn: {', '.join(NAMES)}, or a file of your own, .npz (arrays X, y, and"
        " perhaps X_test, y_test) or .csv (default: digits)",
    )
    parser.add_argument("--target", metavar="NAME", help="the column of the labels, for a .csv")
    parser.add_argument(
        "--preset",
        metavar="NAME | FILE",
        help="calibrated (the default: each sleep is calibrated to the network), own (constants"
        " searched for on digits); a published protocol, for 28×28 images: paper (its authors'"
        " code, 1200 hidden units a layer) or replica (in PyTorch, 4000); or a .json file of"
        " srcnb tune",
    )
    parser.add_argument(
        "--hidden",
        nargs="+",
        type=int,
        metavar="N",
        help="sizes of the hidden layers (default: the protocol's; with constants, as those of"
        " own, paper and replica, the methods with sleep need as many as these are for, two)",
    )


def add_job(
    parser: argparse.ArgumentParser, *, seeds: str, out: str, resume: str, jobs: str
) -> None:
    """Seeds, where data and results are, and on how many cores.

    ``seeds`` and ``out`` are defaults, ``resume`` and ``jobs`` what the help adds.
    """
    parser.add_argument(
        "--seeds",
        type=seeds_from,
        metavar="N | A-B",
        help=f"repetitions: seeds 0 … N-1, or A … B (default: {seeds})",
    )
    add_data_dir(parser)
    parser.add_argument(
        "--out", default=out, metavar="DIR", help=f"folder for what is written (default: {out})"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help=f"go on with what is finished in --out; {resume} may be asked for",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=-1,
        metavar="N",
        help=f"processes, of one thread each{jobs} (default: -1, as many as there are cores that it"
        " may use)",
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Where the data sets are."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder that holds mnist/ and fashion-mnist/ as IDX .gz files (default: $SRCNB_DATA;"
        " without it they are fetched from OpenML once, and cached by scikit-learn)",
    )


def data_of(args: argparse.Namespace) -> "Callable[[Source], Sequence[Dataset]]":
    """What loads the data set of the options: one by name, or the user's own file."""
    from srcnb.datasets import NAMES
    from srcnb.experiments.class_incremental import load_own, load_set
    from srcnb.validation import check_choice

    if Path(args.dataset).suffix in (".npz", ".csv"):
        return partial(load_own, os.path.abspath(args.dataset), args.target)
    if args.target is not None:
        raise ValueError(f"target is for a .csv file only, got {args.target!r}")
    return partial(load_set, check_choice("dataset", args.dataset, NAMES))


def protocol_of(args: argparse.Namespace) -> "Protocol":
    """The protocol of the options: a preset's, with the hidden layers asked for."""
    from srcnb import presets

    protocol = presets.get(args.preset, args.dataset)
    return replace(protocol, hidden=tuple(args.hidden)) if args.hidden else protocol


def seeds_from(text: str) -> int | range:
    """``text`` as a number of seeds, or a range of them such as 10-19."""
    first, dash, last = text.partition("-")
    try:
        if dash and first:
            seeds = range(int(first), int(last) + 1)
            if not seeds:
                raise ValueError
            return seeds
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number, or a range such as 10-19, got {text!r}"
        ) from None
