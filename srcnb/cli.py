"""The program ``srcnb``."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcnb import cli_options as options
from srcnb import cli_tune
from srcnb._version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from srcnb.experiments.cells import Experiment, Source

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
    from srcnb.methods import METHODS

    parser = argparse.ArgumentParser(
        prog="srcnb",
        description="Sleep replay consolidation: a network that learns, sleeps and remembers.",
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
    )
    options.add_case(run)
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
    run.set_defaults(call=run_command)
    _add_experiment_parser(commands)
    cli_tune.add_parser(commands)
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
        help="keep the network before and after each sleep as .npz files",
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
    experiment.set_defaults(call=experiment_command)


def experiment_command(args: argparse.Namespace) -> int:
    """``srcnb experiment``: returns the exit status."""
    from srcnb.experiments import EXPERIMENTS, runner, tables
    from srcnb.experiments.cells import Source

    if args.name is None:
        for experiment in EXPERIMENTS.values():
            print(f"{experiment.name:16} {experiment.summary} ({experiment.seeds} seeds)")
        return 0
    if args.name not in EXPERIMENTS:
        raise ValueError(f"NAME must be one of {', '.join(EXPERIMENTS)}; got {args.name!r}")
    experiment = EXPERIMENTS[args.name]
    if args.dataset is not None:
        if experiment.on is None:
            raise ValueError(f"dataset has no use in {args.name}, got {args.dataset!r}")
        experiment = experiment.on(args.dataset)
    source = Source(args.data_dir, args.features)

    def report(results: "pd.DataFrame") -> None:
        print(f"{experiment.name}: mean ± sd over seeds, in percent\n")
        print(tables.to_markdown(experiment.table(results)))
        print(f"{runner.total_seconds(experiment, results):.0f} s of one core in all", flush=True)
        for path in runner.export(experiment, results, args.out):
            print(f"wrote {path}")

    return _run(experiment, source, args, report)


def run_command(args: argparse.Namespace) -> int:
    """``srcnb run``: returns the exit status."""
    from srcnb import io, metrics, plotting
    from srcnb.experiments.cells import Source
    from srcnb.experiments.comparison import comparison

    protocol = options.protocol_of(args)
    protocol = replace(protocol, schedule=replace(protocol.schedule, every=args.sleep_every))
    experiment = comparison(args.methods, protocol, options.data_of(args), args.classes_per_task)

    def report(results: "pd.DataFrame") -> None:
        n_tasks = results["stage"].max()
        title = f"{Path(args.dataset).stem}, {protocol.name} protocol, {n_tasks} tasks"
        print(f"{title}: mean ± sd over seeds, in percent\n")
        print(metrics.format_summary(metrics.summary(results)).to_string())
        print("\naccuracy over all classes after each stage (mean over seeds)\n")
        stages = metrics.stage_table(results)
        print(stages.to_string(float_format="{:.1f}".format, na_rep="–"), flush=True)
        # After the table, which is to be printed even if the disk is full.
        out = Path(args.out)
        with io.replacing(out / "results.csv") as temporary:
            results.drop(columns="seconds").to_csv(temporary, index=False)
        plotting.plot_results(results, out / "results.png", title)
        print(f"\nwrote {out / 'results.csv'} and {out / 'results.png'}")

    return _run(experiment, Source(args.data_dir), args, report)


def _run(
    experiment: "Experiment",
    source: "Source",
    args: argparse.Namespace,
    report: "Callable[[pd.DataFrame], None]",
) -> int:
    """Run cells, and report what is finished, also where the user interrupts or some fail."""
    from srcnb.experiments import runner

    if args.dry_run:
        return _dry_run(experiment, source, args)
    client = None
    if args.scheduler is not None:
        client = _client(args.scheduler)
    status = 0
    try:
        results = runner.run_cells(
            experiment,
            source,
            args.seeds,
            args.out,
            resume=args.resume,
            jobs=args.jobs,
            client=client,
            save_networks=args.save_networks,
        )
    except KeyboardInterrupt:
        print("\ninterrupted; --resume goes on with what is finished", file=sys.stderr)
        status = 130
    except runner.CellsFailed as error:
        print(f"srcnb {args.command}: error: {error}", file=sys.stderr)
        status = 2
    finally:
        if client is not None:
            client.close()
    if status:
        results = runner.finished_results(experiment, args.out)
    if len(results):
        report(results)
    return status


def _dry_run(experiment: "Experiment", source: "Source", args: argparse.Namespace) -> int:
    """List the cells that are not finished, and how long they may take."""
    from srcnb.experiments import runner
    from srcnb.experiments.estimate import estimate
    from srcnb.experiments.folder import Folder

    cells = runner.cells_of(experiment, args.seeds)
    jobs = runner.check_jobs(args.jobs)
    folder = Folder(experiment, Path(args.out))
    finished = folder.finished() if folder.manifest.exists() else []
    to_do = [cell for cell in cells if not folder.file(cell).exists()]
    seconds = estimate(experiment, to_do, source, finished)
    for cell, s in zip(to_do, seconds, strict=True):
        print(f"{s:8.1f} s  {cell}")
    longest = max(seconds, default=0)
    total = max(sum(seconds) / jobs, longest)
    print(
        f"{len(to_do)} of {len(cells)} cells are to be run: about {sum(seconds):.0f} s of one core,"
        f" {total:.0f} s with --jobs {jobs}"
    )
    return 0


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("scheduler needs Dask: pip install 'srcnb[dask]'") from None
    try:
        return Client(address, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(f"scheduler must be a Dask scheduler, got {address!r}: {error}") from None


def main(argv: list[str] | None = None) -> int:
    """Run the program; returns the exit status (2 for bad input)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed: what would be printed is lost, not the program
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # a terminal without ± must not lose the table
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = build_parser().parse_args(argv)
    try:
        return int(args.call(args))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # such as "| head": no reader is left
        sys.stderr.close()
        return 1
    except (ValueError, TypeError, OSError, OverflowError) as error:
        print(f"srcnb {args.command}: error: {_in_options(str(error), args)}", file=sys.stderr)
        return 2


def _in_options(message: str, args: argparse.Namespace) -> str:
    """An error of the library, with the option in place of the parameter that it begins with."""
    parameter = message.split(maxsplit=1)[0] if message else ""
    option = {"features_file": "features", "n_trials": "trials"}.get(parameter, parameter)
    if not hasattr(args, option):
        return message
    return f"--{option.replace('_', '-')}{message.removeprefix(parameter)}"


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
