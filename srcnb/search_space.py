"""What a search varies: targets of the sleep and its input, and the protocol that a point stands
for."""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from srcnb.protocol import Call, Protocol
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.inputs import SampleInput

# Parameter → (low, high); all are searched log-uniformly, those with ints as ints.
SPACE: dict[str, tuple[float, float]] = {
    "n_steps": (200, 5000),  # of the first sleep
    "growth": (0.02, 1.0),  # what each later sleep has more, as a share of the first
    "input_rate": (0.002, 0.2),
    "rate": (0.0003, 0.1),  # of the first hidden layer
    "rate_factor": (0.1, 4.0),  # of each further hidden layer to the one before
    "budget": (0.1, 30.0),  # of the first sleep and layer
    "budget_factor": (0.1, 4.0),  # of each further layer to the one before
    "rho": (0.005, 0.6),
    "gate_width": (0.005, 1.0),
    "n_samples": (1, 20),
    "keep": (0.05, 1.0),
    "homeostasis": (0.05, 1.0),
}
# Those of them that are SleepTargets' own.
TARGETS = [name for name in SPACE if name in {f.name for f in fields(SleepTargets)}]


def parameters(base: Protocol) -> list[str]:
    """Those of SPACE that matter for ``base``, the protocol whose sleeps are searched."""
    targets = targets_of(base)
    without = {
        "rate_factor": len(base.hidden) < 2,
        "budget_factor": len(base.hidden) < 2 and targets.output_rate is None,
        "gate_width": targets.gate != "negative",
        "homeostasis": base.homeostasis is None,
        "growth": base.schedule.every == 0 or not base.schedule.more_steps,
    }
    return [name for name in SPACE if not without.get(name, False)]


def targets_of(base: Protocol) -> SleepTargets:
    """Its SleepTargets, or the default ones where its sleeps have SleepConstants."""
    constants = base.schedule.constants
    return constants if isinstance(constants, SleepTargets) else SleepTargets()


def with_targets(base: Protocol) -> Protocol:
    """``base``, with the default SleepTargets and their length where it has SleepConstants."""
    schedule, targets = base.schedule, targets_of(base)
    if targets is schedule.constants:
        return base
    growth = schedule.more_steps / max(schedule.first_steps, 1)
    schedule = replace(
        schedule,
        constants=targets,
        first_steps=targets.n_steps,
        more_steps=round(growth * targets.n_steps),
    )
    return replace(base, schedule=schedule)


def start(base: Protocol) -> dict[str, Any]:
    """The point that is nearest to what ``base`` does itself."""
    base = with_targets(base)
    schedule = base.schedule
    first = targets_of(base).lasting(schedule.first_steps)
    made = schedule.sleep_input
    given = dict(made.keywords) if isinstance(made, Call) and made.func is SampleInput else {}
    point = {
        "n_steps": first.n_steps,
        "growth": schedule.more_steps / max(schedule.first_steps, 1),
        "input_rate": first.input_rate,
        "rate": first.rate,
        "rate_factor": first.rate_factor,
        "budget": first.budget,
        "budget_factor": first.budget_factor,
        "rho": first.rho,
        "gate_width": first.gate_width,
        "n_samples": given.get("n_samples", 1),
        "keep": given.get("keep", 0.25),
        "homeostasis": base.homeostasis,
    }
    return {
        name: min(max(point[name], SPACE[name][0]), SPACE[name][1]) for name in parameters(base)
    }


def protocol_of(base: Protocol, point: Mapping[str, Any]) -> Protocol:
    """``base`` with the sleeps of a point: SleepTargets, samples of the task as sleep input."""
    n_steps = point["n_steps"]
    given = {name: point[name] for name in TARGETS if name in point}
    targets = replace(targets_of(base), **given)
    schedule = replace(
        base.schedule,
        constants=targets,
        sleep_input=partial(SampleInput, n_samples=point["n_samples"], keep=point["keep"]),
        first_steps=n_steps,
        more_steps=round(point.get("growth", 0) * n_steps),
    )
    return replace(base, schedule=schedule, homeostasis=point.get("homeostasis"))
