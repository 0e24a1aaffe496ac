"""``srcnb figures``: the pictures of a run."""

import argparse
from pathlib import Path
from typing import Any

from srcnb import cli_options as options
from srcnb.streams import say

DESCRIPTION = """\
Draw what is inside the networks of a run, from its saved networks: activations, weights, confusions
before and after sleep, and one sleep as it goes on, which is slept again. DIR is the folder of
"srcnb run --save-networks". Writes pictures (.png, .gif) and their numbers (.csv).
"""


def add_parser(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "figures",
        help="draw what is inside the networks of a run, and a sleep",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", help="the folder of srcnb run --save-networks")
    parser.add_argument("--method", metavar="METHOD", help="one with sleep (default: src)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="whose networks are drawn (default: the first)"
    )
    parser.add_argument(
        "--stage",
        type=int,
        metavar="K",
        help="observe the last sleep after task K (default: the last task)",
    )
    parser.add_argument(
        "--dataset",
        metavar="FILE",
        help="the file of your own data, if the run was on one",
    )
    parser.add_argument("--target", metavar="NAME", help="the column of the labels, for a .csv")
    options.add_data_dir(parser)
    parser.add_argument(
        "--out", metavar="DIR", help="folder for what is written (default: DIR/figures)"
    )


def figures_command(args: argparse.Namespace) -> int:
    """``srcnb figures``: returns the exit status."""
    from srcnb.experiments.cells import Source
    from srcnb.experiments.figures import Viewer, draw_all
    from srcnb.experiments.saved import SavedRun, data_name

    folder = Path(args.folder)
    args.dataset = data_name(folder) if args.dataset is None else args.dataset
    [data] = options.data_of(args)(Source(args.data_dir))
    run = SavedRun(folder, data)
    del data  # the run has what it needs of them
    viewer = Viewer(run, args.method, args.seed, args.stage)
    draw_all(viewer, folder / "figures" if args.out is None else args.out, say)
    return 0
