"""The options of the program ``srcnb``."""

import argparse
from typing import Any

from srcnb._version import __version__

EPILOG = """\
examples:
  srcnb run                              five seeds on digits; no download, under a minute
  srcnb run --dataset mnist --preset paper
                                         the paper's own protocol (a few minutes)
  srcnb run --methods src --sleep-every 5
                                         one sleep only, after five tasks
"""


def build_parser() -> argparse.ArgumentParser:
    """The argument parser of the program."""
    # Not imported at the top, so that --help and --version answer at once.
    from srcnb.datasets import NAMES
    from srcnb.methods import METHODS
    from srcnb.presets import PRESETS

    parser = argparse.ArgumentParser(
        prog="srcnb",
        description="Sleep replay consolidation: a network that learns, sleeps and remembers.",
        allow_abbrev=False,  # --seed is not --seeds
    )
    parser.add_argument("--version", action="version", version=f"srcnb {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="learn a data set's classes two at a time, with and without sleep, and compare",
        description=(
            "Learn a data set in five tasks of two classes each, one after the other, and measure"
            " what is remembered: without sleep (sequential), with sleep after each task (src),"
            " and when everything is learnt at once (parallel). Prints a table of mean ± sd over"
            " the seeds, and writes results.csv (one row per measurement) and results.png."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument(
        "--classes-per-task",
        type=int,
        default=2,
        metavar="N",
        help="classes that are learnt at a time (default: 2)",
    )
    run.add_argument(
        "--dataset",
        default="digits",
        metavar="SET | FILE",
        help=f"what to learn: {', '.join(NAMES)}, or a file of your own, .npz (arrays X, y, and"
        " perhaps X_test, y_test) or .csv (default: digits)",
    )
    run.add_argument("--target", metavar="NAME", help="the column of the labels, for a .csv")
    run.add_argument(
        "--preset",
        choices=PRESETS,
        help="a published protocol, for 28×28 images: paper (its authors' code, 1200 hidden units a"
        " layer) or replica (in PyTorch, 4000); without it srcnb's own protocol",
    )
    run.add_argument(
        "--hidden",
        nargs="+",
        type=int,
        metavar="N",
        help="sizes of the hidden layers (default: the protocol's; the methods with sleep need as"
        " many as its constants are for, two)",
    )
    run.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=["sequential", "src", "parallel"],
        metavar="METHOD",
        help=f"which to compare (default: sequential src parallel; there are {', '.join(METHODS)})",
    )
    run.add_argument(
        "--sleep-every",
        type=_sleep_every,
        default=1,
        metavar="K",
        help='sleep after every K-th task, or "end": only after the last (default: 1)',
    )
    _add_runner_options(run, "5")
    _add_experiment_parser(commands)
    return parser


def _add_runner_options(parser: argparse.ArgumentParser, seeds: str) -> None:
    """The options that both commands have: what is run, where, and on how many cores."""
    parser.add_argument(
        "--seeds",
        type=_seeds,
        metavar="N | A-B",
        help=f"repetitions: seeds 0 … N-1, or A … B (default: {seeds})",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder that holds mnist/ and fashion-mnist/ as IDX .gz files (default: $SRCNB_DATA;"
        " without it they are fetched from OpenML once, and cached by scikit-learn)",
    )
    parser.add_argument(
        "--out", default=".", metavar="DIR", help="folder for what is written (default: .)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with what is finished in --out; more seeds and conditions may be asked for",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=-1,
        metavar="N",
        help="processes, of one thread each; the results are the same for any number"
        " (default: -1, as many as there are cores that it may use)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run on a Dask cluster, such as tcp://host:8786 (pip install 'srcnb[dask]')",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list what would be run, and how long it may take"
    )
    parser.add_argument(
        "--save-networks",
        action="store_true",
        help="keep the network before and after each sleep as .npz files, and what it takes to"
        " sleep again (srcnb.experiments.sleep_again)",
    )


def _add_experiment_parser(commands: Any) -> None:
    experiment = commands.add_parser(
        "experiment",
        help="repeat a published experiment; without a name, list them",
        description=(
            "Run an experiment with several seeds. Each finished cell, a condition with a seed, is"
            " written at once to a file of its own in NAME.cells; at the end NAME.csv (one row per"
            " measurement) and the table, NAME.md, are made from these files."
        ),
        allow_abbrev=False,
    )
    experiment.add_argument("name", nargs="?", metavar="NAME", help="default: list the names")
    experiment.add_argument(
        "--dataset", metavar="SET", help="another data set, for experiments that have several"
    )
    experiment.add_argument(
        "--features",
        metavar="FILE",
        help="a .npz file with train_x, train_y, test_x, test_y, for cifar10 and cub200",
    )
    _add_runner_options(experiment, "the experiment's")


def _seeds(text: str) -> int | range:
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


def _sleep_every(text: str) -> int:
    if text == "end":
        return 0
    try:
        k = int(text)
    except ValueError:
        k = 0
    if k < 1:
        raise argparse.ArgumentTypeError(f'must be a number from 1, or "end", got {text!r}')
    return k
