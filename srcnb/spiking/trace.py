"""``srcnb.trace``: a sleep observed, neuron by neuron and step by step, as tidy tables.

The compiled kernel runs the whole sleep, of which only spikes are kept, as bits. From these the
rows of the watched neurons are replayed when a table is asked for: a feed-forward neuron needs only
its own weights and the spikes of the layer below. So time and memory grow with the neurons that are
watched, not with the network. (With inhibition a neuron depends on its whole layer, and all rows of
the layer are replayed.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from srcnb.mlp import MLP
from srcnb.plotting import draw_neuron
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.config import SleepConfig
from srcnb.spiking.inputs import AnyInput
from srcnb.spiking.replay import Replay, pack, unpacked
from srcnb.spiking.report import SleepResult, warn_of
from srcnb.spiking.scaling import FeatureScale
from srcnb.spiking.simulate import Simulation, check_network
from srcnb.spiking.sleeping import Start
from srcnb.validation import (
    Array,
    RandomState,
    check_choice,
    check_int,
    check_list,
    check_memory,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Neurons that are watched in each layer, unless the user says which.
N_NEURONS = 3
# Which neurons are watched: so many of each layer, or layer (from 1) → indices (from 0).
Neurons: TypeAlias = int | Mapping[int, Any]


def trace(
    net: MLP,
    sleep_input: AnyInput,
    config: SleepConfig | SleepTargets | None = None,
    random_state: RandomState = None,
    *,
    neurons: Neurons = N_NEURONS,
    scale: FeatureScale | None = None,
) -> "Trace":
    """Let ``net`` sleep as :func:`srcnb.sleep` does, and watch some of its neurons.

    With the same arguments it is the same sleep, bit for bit.

    Parameters
    ----------
    net, sleep_input, config, random_state, scale : see :func:`srcnb.sleep`
    neurons : int, or mapping
        Which are watched: layer (1 … L) → indices of neurons (from 0); or so many of each layer,
        those that fired most, the first of them where several fired as often.

    Returns
    -------
    Trace

    Raises
    ------
    ValueError, TypeError, OverflowError
        As :func:`srcnb.sleep`; for layers and neurons that the network does not have; or if the
        spikes take more memory than there is.

    Warns
    -----
    SilentLayerWarning, NoChangeWarning, RateWarning
        As :func:`srcnb.sleep`.
    """
    check_network(net)
    check_neurons(neurons, net)
    start = Start.of(net, sleep_input, config, random_state, scale)
    simulation = Simulation(start.net.weights, start.config)
    sizes = start.net.layer_sizes
    watched = range(1, len(sizes)) if isinstance(neurons, int) else [*neurons]
    packed: dict[int, list[Array]] = {i: [] for layer in watched for i in (layer - 1, layer)}
    n_bytes = start.config.n_steps * sum(-(-sizes[layer] // 8) for layer in packed)
    check_memory(f"a trace of {start.config.n_steps} steps", 2 * n_bytes)
    for block in start.spikes(simulation.block_steps):
        spikes = simulation.run_block(block)
        for layer, blocks in packed.items():
            blocks.append(pack(spikes[layer]))
    result = simulation.result()
    warn_of(result)
    result = replace(result, net=start.network(result.weights))
    chosen = check_neurons(neurons, net, result.spike_counts)
    empty = {i: np.zeros((0, -(-sizes[i] // 8)), np.uint8) for i in packed}
    bits = {i: np.concatenate([empty[i], *blocks]) for i, blocks in packed.items()}
    replays = {
        layer: Replay.of(start.net.weights[layer - 1], result, layer, bits, indices)
        for layer, indices in chosen.items()
    }
    return Trace(result, MappingProxyType(chosen), replays)


def check_neurons(
    neurons: Any, net: MLP, spike_counts: list[Array] | None = None
) -> dict[int, tuple[int, ...]]:
    """``neurons`` of :func:`trace` as layer → indices; those of a number by ``spike_counts``.

    Without spike counts it only checks. ValueError or TypeError that says what is wrong.
    """
    sizes = net.layer_sizes
    if not isinstance(neurons, Mapping):
        n = check_int("neurons", neurons, low=1)
        counts = spike_counts or [np.zeros(size) for size in sizes]
        most = [np.argsort(-count, kind="stable")[:n].tolist() for count in counts]
        return {layer: tuple(most[layer]) for layer in range(1, len(sizes))}
    if not neurons:
        raise ValueError("neurons must name at least one layer, got an empty mapping")
    chosen = {}
    for key, values in neurons.items():
        layer = check_int("neurons (a layer)", key, low=1, high=len(sizes) - 1)
        name = f"neurons[{layer}]"
        high = sizes[layer] - 1
        indices = [check_int(name, i, high=high) for i in check_list(name, values)]
        if not indices or len(set(indices)) < len(indices):
            raise ValueError(f"{name} must be at least one index, each once, got {indices}")
        chosen[layer] = tuple(indices)
    return dict(sorted(chosen.items()))


@dataclass(frozen=True, eq=False)
class Trace:
    """What :func:`trace` returns: the result of the sleep, and tables of the watched neurons.

    A table is computed when it is asked for, by a replay of the sleep, which is checked against the
    kernel: RuntimeError unless all spikes and the last weights are the same, bit for bit.

    Steps, like those of ``srcnb.sleep(…, record=True).spikes``, and neurons are counted from 0,
    layers from 1 (0 is the input). Weights are those of the network on intensities, where a
    ``scale`` was given.

    Attributes
    ----------
    result : SleepResult, as :func:`srcnb.sleep` returns it
    neurons : read-only mapping of layer → indices of the watched neurons
    """

    result: SleepResult
    neurons: Mapping[int, tuple[int, ...]]
    _replays: Mapping[int, Replay] = field(repr=False)

    def membranes(self, layer: int | None = None, neuron: int | None = None) -> "pd.DataFrame":
        """A row per watched neuron and step; of one layer only, or one neuron of it, if given.

        Returns
        -------
        DataFrame with the columns step, layer, neuron; impulse, what the spikes of the layer below
        add to the membrane, inhibition taken off; membrane, before it is reset to 0; threshold, β;
        and spike, whether the neuron fired.
        """
        return _joined([_membranes(replay) for replay in self._chosen(layer, neuron)])

    def spikes(self) -> "pd.DataFrame":
        """A row per spike of the watched neurons, and of all neurons of the layers below them.

        Returns
        -------
        DataFrame with the columns step, layer, neuron, in this order
        """
        # Of layers that are both, all neurons: those below come last.
        chosen = {r.layer: (r.own, r.n_post, r.neurons) for r in self._replays.values()}
        for r in self._replays.values():
            n_pre = r.before.shape[1]
            chosen[r.layer - 1] = (r.below, n_pre, tuple(range(n_pre)))
        return _joined([_spikes(layer, *of_layer) for layer, of_layer in sorted(chosen.items())])

    def changes(self, layer: int | None = None, neuron: int | None = None) -> "pd.DataFrame":
        """A row per change of a weight; of one layer only, or one (post) neuron of it, if given.

        Whenever a neuron fires, each of its weights may change: those that do not, such as positive
        ones under the "negative" gate, have no row.

        Returns
        -------
        DataFrame with the columns step, layer, neuron (post), pre; cause, "inc" if pre fired at
        this step and "dec" if not; gate, g(before), by reference.py; before and after, the weight;
        and change, after - before. In the dtype of the network.

        Raises
        ------
        ValueError
            If the table takes more memory than there is: take fewer neurons at once.
        """
        return _joined([_changes(replay) for replay in self._chosen(layer, neuron)])

    def plot(
        self,
        layer: int | None = None,
        neuron: int | None = None,
        steps: tuple[int, int] | None = None,
    ) -> "Figure":
        """A picture of one neuron: its membrane, its inputs, and the weights that moved most.

        Parameters
        ----------
        layer, neuron : of a watched neuron
            None: the first watched layer, and its first watched neuron.
        steps : (first, last + 1), which are drawn; None: all

        Returns
        -------
        matplotlib Figure with the three axes of :func:`srcnb.plotting.draw_neuron`
        """
        layer = next(iter(self.neurons)) if layer is None else layer
        neuron = self._chosen(layer, None)[0].neurons[0] if neuron is None else neuron
        [replay] = self._chosen(layer, neuron)
        n_steps = self.result.n_steps
        start, end = (0, n_steps) if steps is None else _check_steps(steps, n_steps)
        n_pre = replay.before.shape[1]
        inputs = _spikes(layer - 1, replay.below, n_pre, range(n_pre))

        def within(table: "pd.DataFrame") -> "pd.DataFrame":
            return table[(table["step"] >= start) & (table["step"] < end)]

        membranes, changes = within(_membranes(replay)), within(_changes(replay))
        figure: Any = draw_neuron(membranes, within(inputs), changes)[0].get_figure()
        return cast("Figure", figure)

    def _chosen(self, layer: int | None, neuron: int | None) -> list[Replay]:
        """The replays of all watched layers, or of one, or of one neuron of it."""
        if layer is None:
            if neuron is not None:
                raise ValueError(f"neuron goes with layer, got {neuron=}, {layer=}")
            return [*self._replays.values()]
        replay = self._replays[check_choice("layer", layer, self.neurons)]
        if neuron is None:
            return [replay]
        return [replay.only(check_choice("neuron", neuron, replay.neurons))]


def _membranes(replay: Replay) -> "pd.DataFrame":
    """Trace.membranes of one layer."""
    import pandas as pd

    n_steps, n = len(replay.own), len(replay.neurons)
    impulse, membrane = np.empty((2, n_steps, n), replay.before.dtype)
    spike = np.empty((n_steps, n), bool)
    for m in replay.moments():
        impulse[m.step], membrane[m.step], spike[m.step] = m.impulse, m.membrane, m.fired
    step = np.repeat(np.arange(n_steps, dtype=np.int32), n)
    return pd.DataFrame(
        {
            "step": step,
            "layer": np.full(len(step), replay.layer, np.int32),
            "neuron": np.tile(np.asarray(replay.neurons, np.int32), n_steps),
            "impulse": impulse.ravel(),
            "membrane": membrane.ravel(),
            "threshold": np.full(len(step), replay.beta, membrane.dtype),
            "spike": spike.ravel(),
        }
    )


def _spikes(layer: int, bits: Array, n: int, neurons: Sequence[int]) -> "pd.DataFrame":
    """Trace.spikes of these neurons of a layer of ``n``."""
    import pandas as pd

    indices = np.sort(np.asarray(neurons, np.int32))
    fired = [indices[spikes[indices]] for spikes in unpacked(bits, n)]
    step = np.repeat(np.arange(len(fired), dtype=np.int32), np.array([len(f) for f in fired], int))
    neuron = np.concatenate([np.zeros(0, np.int32), *fired])
    layers = np.full(len(step), layer, np.int32)
    return pd.DataFrame({"step": step, "layer": layers, "neuron": neuron})


def _changes(replay: Replay) -> "pd.DataFrame":
    """Trace.changes of one layer."""
    import pandas as pd

    n_spikes = sum(int(s[[*replay.neurons]].sum()) for s in unpacked(replay.own, replay.n_post))
    check_memory(f"changes of layer {replay.layer}", 80 * n_spikes * replay.before.shape[1])
    neurons = np.asarray(replay.neurons, np.int32)
    parts = []
    for m in replay.moments():
        i, pre = np.nonzero(m.before != m.after)
        if len(i):
            step = np.full(len(i), m.step, np.int32)
            post = neurons[m.fired][i]
            parts.append(
                (
                    step,
                    post,
                    pre.astype(np.int32),
                    m.pre[pre],
                    *(w[i, pre] for w in (m.before, m.after)),
                )
            )
    none = np.zeros(0, np.int32)
    weights = np.zeros(0, replay.before.dtype)
    columns = zip((none, none, none, np.zeros(0, bool), weights, weights), *parts, strict=True)
    step, post, pre, fired, before, after = (np.concatenate(column) for column in columns)
    return pd.DataFrame(
        {
            "step": step,
            "layer": np.full(len(step), replay.layer, np.int32),
            "neuron": post,
            "pre": pre,
            "cause": pd.Categorical.from_codes((~fired).astype(np.int8), pd.Index(["inc", "dec"])),
            "gate": replay.gate(before),
            "before": before,
            "after": after,
            "change": after - before,
        }
    )


def _joined(frames: list["pd.DataFrame"]) -> "pd.DataFrame":
    """Tables below one another, sorted by step, then layer; within it as they were."""
    import pandas as pd

    table = pd.concat(frames, ignore_index=True)
    return table.sort_values(["step", "layer"], kind="stable", ignore_index=True)


def _check_steps(steps: Any, n_steps: int) -> tuple[int, int]:
    """``steps`` of Trace.plot: (first, last + 1), at least one of ``n_steps``."""
    pair = check_list("steps", steps)
    if len(pair) != 2:
        raise ValueError(f"steps must be a pair (first, last + 1), got {steps!r:.60}")
    start = check_int("steps", pair[0], high=n_steps - 1)
    return start, check_int("steps", pair[1], low=start + 1, high=n_steps)
