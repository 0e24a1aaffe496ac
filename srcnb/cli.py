"""The program ``srcnb``."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcnb import cli_options as options
from srcnb.cli_figures import figures_command
from srcnb.cli_trace import trace_command
from srcnb.cli_tune import tune_command
from srcnb.parser import build_parser
from srcnb.streams import complain, open_streams, say

if TYPE_CHECKING:
    import pandas as pd

    from srcnb.experiments.cells import Experiment, Source


def experiment_command(args: argparse.Namespace) -> int:
    """``srcnb experiment``: returns the exit status."""
    from srcnb.experiments import EXPERIMENTS, runner, tables
    from srcnb.experiments.cells import Source

    if args.name is None:
        experiments = EXPERIMENTS.values()
        say("\n".join(f"{e.name:16} {e.summary} ({e.seeds} seeds)" for e in experiments))
        return 0
    if args.name not in EXPERIMENTS:
        raise ValueError(f"NAME must be one of {', '.join(EXPERIMENTS)}; got {args.name!r}")
    experiment = EXPERIMENTS[args.name]
    if args.dataset is not None:
        if experiment.on is None:
            raise ValueError(f"dataset has no use in {args.name}, got {args.dataset!r}")
        experiment = experiment.on(args.dataset)
    source = Source(args.data_dir, args.features)

    def text(results: "pd.DataFrame") -> str:
        return (
            f"{experiment.name}: mean ± sd over seeds, in percent\n\n"
            f"{tables.to_markdown(experiment.table(results))}\n"
            f"{runner.total_seconds(experiment, results):.0f} s of one core in all"
        )

    def write(results: "pd.DataFrame") -> str:
        csv, table = runner.export(experiment, results, args.out)
        return f"wrote {csv}\nwrote {table}"

    return _run(experiment, source, args, text, write)


def run_command(args: argparse.Namespace) -> int:
    """``srcnb run``: returns the exit status."""
    from srcnb import io, metrics, plotting
    from srcnb.experiments.cells import Source
    from srcnb.experiments.comparison import comparison

    protocol = options.protocol_of(args)
    protocol = replace(protocol, schedule=replace(protocol.schedule, every=args.sleep_every))
    experiment = comparison(args.methods, protocol, options.data_of(args), args.classes_per_task)

    def title(results: "pd.DataFrame") -> str:
        n_tasks = results["stage"].max()
        return f"{Path(args.dataset).stem}, {protocol.name} protocol, {n_tasks} tasks"

    def text(results: "pd.DataFrame") -> str:
        stages = metrics.stage_table(results)
        return (
            f"{title(results)}: mean ± sd over seeds, in percent\n\n"
            f"{metrics.format_summary(metrics.summary(results)).to_string()}\n\n"
            "accuracy over all classes after each stage (mean over seeds)\n\n"
            f"{stages.to_string(float_format='{:.1f}'.format, na_rep='–')}"
        )

    def write(results: "pd.DataFrame") -> str:
        out = Path(args.out)
        with io.replacing(out / "results.csv") as temporary:
            results.drop(columns="seconds").to_csv(temporary, index=False)
        plotting.plot_results(results, out / "results.png", title(results))
        return f"\nwrote {out / 'results.csv'} and {out / 'results.png'}"

    return _run(experiment, Source(args.data_dir), args, text, write)


def _run(
    experiment: "Experiment",
    source: "Source",
    args: argparse.Namespace,
    text: "Callable[[pd.DataFrame], str]",
    write: "Callable[[pd.DataFrame], str]",
) -> int:
    """Run cells, and report what is finished, also where the user interrupts or some fail.

    ``text`` says what is printed of the results, ``write`` writes files and says which.
    """
    from srcnb.experiments import runner

    client = None if args.scheduler is None else _client(args.scheduler)
    status = 0
    try:
        if args.dry_run:
            return _dry_run(experiment, source, args, client)
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
        complain("\ninterrupted; --resume goes on with what is finished")
        status = 130
    except runner.CellsFailed as error:
        complain(f"srcnb {args.command}: error: {error}")
        status = 2
    finally:
        if client is not None:
            client.close()
    if status:
        results = runner.finished_results(experiment, args.out)
    if not len(results):
        return status
    # The table first, so that a full disk does not cost it; and the files in any case, so that an
    # output that is full or closed does not cost them.
    unprinted = None
    try:
        say(text(results))
    except OSError as error:
        unprinted = error
    written = write(results)
    if unprinted is not None:
        raise unprinted
    say(written)
    return status


def _dry_run(
    experiment: "Experiment", source: "Source", args: argparse.Namespace, client: Any
) -> int:
    """List the cells that are not finished, and how long they may take; refuse what a run does."""
    from srcnb.experiments import runner
    from srcnb.experiments.estimate import estimate

    plan = runner.prepared(
        experiment,
        source,
        args.seeds,
        args.out,
        args.resume,
        args.jobs,
        client,
        args.save_networks,
    )
    finished = runner.finished_cells(experiment, args.out)
    seconds = estimate(experiment, plan.to_do, plan.source, finished)
    lines = [f"{s:8.1f} s  {cell}" for cell, s in zip(plan.to_do, seconds, strict=True)]
    longest = max(seconds, default=0)
    total = max(sum(seconds) / plan.jobs, longest)
    lines.append(
        f"{len(plan.to_do)} of {len(plan.cells)} cells are to be run: about {sum(seconds):.0f} s of"
        f" one core, {total:.0f} s with --jobs {plan.jobs}"
    )
    say("\n".join(lines))
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


COMMANDS = {
    "run": run_command,
    "experiment": experiment_command,
    "tune": tune_command,
    "trace": trace_command,
    "figures": figures_command,
}


def main(argv: list[str] | None = None) -> int:
    """Run the program; returns the exit status (2 for bad input)."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):  # a terminal without ± must not lose the table
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = build_parser().parse_args(argv)
    try:
        return COMMANDS[args.command](args)
    except KeyboardInterrupt:
        complain("\ninterrupted")
        return 130
    except BrokenPipeError:  # such as "| head": no reader is left
        return 1
    except MemoryError as error:
        complain(
            f"srcnb {args.command}: error: out of memory ({str(error) or 'no more to be had'});"
            " take a smaller network, fewer jobs or less data"
        )
        return 2
    except (ValueError, TypeError, OSError, OverflowError) as error:
        complain(f"srcnb {args.command}: error: {_in_options(str(error), args)}")
        return 2


# The options that have other names than the parameters they stand for.
OPTIONS = {
    "features_file": "features",
    "every": "sleep_every",
    "client": "scheduler",
    "n_trials": "trials",
    "random_state": "seed",
}
# Arguments that are no options, as the help calls them.
POSITIONAL = {"folder": "DIR", "file": "FILE"}


def _in_options(message: str, args: argparse.Namespace) -> str:
    """An error of the library, with the option in place of the parameter that it begins with."""
    parameter = message.split(maxsplit=1)[0] if message else ""
    option = OPTIONS.get(parameter, parameter)
    if not hasattr(args, option):
        return message
    shown = POSITIONAL.get(option) or f"--{option.replace('_', '-')}"
    return shown + message.removeprefix(parameter)
