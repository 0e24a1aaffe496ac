"""The options of the program."""

import pytest

from srcnb.parser import build_parser


def parse(*arguments):
    return build_parser().parse_args([*arguments])


def test_defaults_and_values():
    args = parse("run")
    assert (args.seeds, args.jobs, args.sleep_every, args.resume) == (None, -1, 1, False)
    assert list(parse("run", "--seeds", "10-12").seeds) == [10, 11, 12]
    assert parse("run", "--sleep-every", "end").sleep_every == 0
    assert parse("experiment").name is None
    assert [parse(c).command for c in ("run", "experiment")] == ["run", "experiment"]
    tune = parse("tune")
    assert (tune.out, tune.trials, tune.finalists, tune.jobs) == ("tune", 100, 5, -1)
    trace = parse("trace")
    assert (trace.file, trace.stage, trace.neurons, trace.seed) == (None, 2, ["3"], 0)
    assert (trace.out, trace.dataset) == ("trace", "digits")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--seed", "1"),
        ("experiment", "mnist", "--seed", "1"),
        ("tune", "--seed", "1"),
        ("--vers",),
    ],
)
def test_options_are_not_abbreviated(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(*arguments)
    assert "seed" in capsys.readouterr().err or "--vers" in arguments
