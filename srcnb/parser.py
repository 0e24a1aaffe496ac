"""The options of the program ``srcnb``."""

import argparse
from typing import Any

from srcnb import cli_figures, cli_trace, cli_tune
from srcnb import cli_options as options
from srcnb._version import __version__

EPILOG = """\
examples:
  srcnb run                              five seeds on digits; no download, under a minute
  srcnb run --dataset mnist --preset paper
                                         the paper's own protocol (a few minutes)
  srcnb run --preset own --methods src --sleep-every 5
                                         one sleep only, after five tasks
"""


def build_parser() -> argparse.ArgumentParser:
    """The argument parser of the program."""
    # Not imported at the top, so that --help and --version answer at once.
    from srcnb.methods import DEFAULT, METHODS

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
            " what is remembered: without sleep (sequential), and then with the outputs brought to"
            " one scale (homeostasis), of hidden layers that hardly change (lazy), and of active"
            " units that become less excitable (less-excitable); with sleep"
            " (src); and when everything is learnt at once (parallel). Prints a table of mean ± sd"
            " over the seeds, and writes results.csv (one row per measurement) and results.png."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_case(run)
    run.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=[*DEFAULT],
        metavar="METHOD",
        help=f"which to compare (default: {' '.join(DEFAULT)}; there are {', '.join(METHODS)})",
    )
    run.add_argument(
        "--sleep-every",
        type=_sleep_every,
        default=1,
        metavar="K",
        help='sleep over every K-th task only, or "end": the last (default: 1)',
    )
    _add_runner_options(run, "5")
    _add_experiment_parser(commands)
    cli_tune.add_parser(commands)
    cli_trace.add_parser(commands)
    cli_figures.add_parser(commands)
    return parser


def _add_runner_options(parser: argparse.ArgumentParser, seeds: str) -> None:
    """The options that both commands have: what is run, where, and on how many cores."""
    options.add_job(
        parser,
        seeds=seeds,
        out=".",
        resume="more seeds and conditions",
        jobs="; the results are the same for any number",
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
        help="keep the network before and after the last sleep of each task (of methods that never"
        " sleep: after each task) as .npz files, and what it takes to sleep again"
        " (srcnb.experiments.sleep_again); srcnb figures draws them",
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
