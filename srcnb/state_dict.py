"""State dicts, the weights by name that PyTorch and others keep: chains of linear layers.

A state dict has NAME.weight of shape (n_l, n_{l-1}), as here, and perhaps NAME.bias (n_l,) for each
layer. It says nothing of what is between the layers: that it is relu must be known. PyTorch is not
needed, and safetensors for files only.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from srcnb.io import PathLike, is_state_dict, replacing
from srcnb.mlp import MLP
from srcnb.validation import Array, check_array, check_instance, check_weights, refuse_mask

FLOATS = ("float32", "float64")
CONVERT = "in PyTorch module.float() converts it, before its state_dict() is taken"
BEFORE = (
    "let what is before the linear layers make the features, as a frozen backbone, and give the"
    " linear layers after it"
)
# Of other layers, by how a tensor of theirs is called: what they are, and what to do.
OTHERS = {
    "running_mean": "batch normalization: fold it into the linear layer before it",
    "running_var": "batch normalization: fold it into the linear layer before it",
    "num_batches_tracked": "batch normalization: fold it into the linear layer before it",
    "weight_ih_l0": f"a recurrent layer: {BEFORE}",
    "in_proj_weight": f"attention: {BEFORE}",
}
# The same, by the number of dimensions of a weight.
DIMENSIONS = {
    1: "normalization or the like: only batch normalization can be folded into a linear layer",
    3: f"a convolution: {BEFORE}",
    4: f"a convolution: {BEFORE}",
    5: f"a convolution: {BEFORE}",
}


def from_state_dict(state: Mapping[str, Any], **options: Any) -> MLP:
    """The network of a state dict: what PyTorch's ``module.state_dict()`` gives, or plain arrays.

    The hidden layers of the module must be relu, which a state dict does not say: a module of
    another activation is taken, and is another function here. ``net.logits(X)`` are what a module
    that ends with a linear layer gives.

    Parameters
    ----------
    state : mapping from names to array-likes, or tensors of PyTorch, on any device
        NAME.weight (n_l, n_{l-1}) and, for all layers or none, NAME.bias (n_l,); or weight and bias
        of a single layer. All float32 or all float64. The layers come in the order of their
        numbers where their names differ by a number only ("0", "2", "10"; "fc1", "fc2"), and else
        in the order of the mapping.
    **options
        Those of ``MLP.from_arrays``: output, dropout, …

    Returns
    -------
    MLP
        With copied arrays.

    Raises
    ------
    TypeError
        For a ``state`` that is no mapping from strings.
    ValueError
        That names the tensor: for a convolution, normalization, or another layer that is not
        linear; for biases of some layers only; for layers whose sizes do not chain, mixed or other
        dtypes, values that are not finite.
    """
    tensors = _tensors("state", state)
    return _network(tensors, _checked("state", tensors), options)


def to_state_dict(net: MLP, like: Mapping[str, Any] | None = None) -> dict[str, Array]:
    """The state dict of a network, with the names that another one has.

    Parameters
    ----------
    net : MLP
        Whose activations are not scaled at test time (dropout that is not inverted), which is not
        in a state dict.
    like : mapping, or None
        As for :func:`from_state_dict`, which makes ``net`` of it; left unchanged. The arrays have
        its names, order and dtype. A ``net`` without biases gives 0 for those that it has. None:
        the names of ``nn.Sequential(Linear, ReLU, Linear, …)``, "0.weight", "0.bias", "2.weight",
        …, and the dtype of ``net``.

    Returns
    -------
    dict of contiguous arrays
        Copies. For PyTorch: ``module.load_state_dict({k: torch.from_numpy(v) for k, v in …})``.

    Raises
    ------
    TypeError, ValueError
        For a ``net`` of other sizes than ``like``, with biases where that has none, or with values
        that overflow its dtype; for a ``like`` that :func:`from_state_dict` refuses.
    """
    check_instance("net", net, MLP, "an srcnb.MLP")
    if net.dropout and not net.inverted_dropout:
        raise ValueError(
            f"net must have inverted dropout, or none, got dropout={net.dropout} with"
            " inverted_dropout=False: a state dict does not scale activations"
        )
    weights = check_weights("net.weights", net.weights)
    biases = [np.zeros(len(w), w.dtype) for w in weights] if net.biases is None else net.biases
    if like is None:
        layers = [f"{2 * i}." for i in range(len(weights))]
        kinds = ("weight",) if net.biases is None else ("weight", "bias")
        dtypes = {f"{layer}{kind}": net.dtype for layer in layers for kind in kinds}
    else:
        tensors = _tensors("like", like)
        layers = _checked("like", tensors)
        other = _network(tensors, layers, {})
        if other.layer_sizes != net.layer_sizes:
            raise ValueError(
                f"net must have the sizes of like, {other.layer_sizes}, got {net.layer_sizes}"
            )
        if net.biases is not None and other.biases is None:
            raise ValueError(f"like must have biases, as net has, got {list(tensors)}")
        dtypes = {key: tensor.dtype for key, tensor in tensors.items()}
    arrays = {f"{layer}weight": w for layer, w in zip(layers, weights, strict=True)}
    arrays |= {f"{layer}bias": b for layer, b in zip(layers, biases, strict=True)}
    return {key: _cast(key, arrays[key], dtype) for key, dtype in dtypes.items()}


def save_state_dict(
    net: MLP, path: PathLike, like: Mapping[str, Any] | PathLike | None = None
) -> None:
    """Write :func:`to_state_dict` of a network to a .safetensors file, which ``srcnb.load`` reads.

    Parameters
    ----------
    net : MLP
    path : whose name ends with ".safetensors"
        Written to a temporary name first, then renamed, so that it is whole or as it was.
    like : mapping, or the path of a .safetensors file, or None
        Whose names and dtype it gets, see :func:`to_state_dict`. A file does not keep an order:
        ``srcnb.load`` takes the layers in the natural order of their names.

    Raises
    ------
    ImportError
        Without the package safetensors, which the extra ``srcnb[safetensors]`` brings.
    TypeError, ValueError
        For another ending, and as :func:`to_state_dict`.
    OSError
        That names ``path``, if it can't be written.
    """
    if not is_state_dict(path):
        raise ValueError(f"path must end with .safetensors, got {path}")
    safetensors = _safetensors(path)
    if isinstance(like, (str, os.PathLike)):
        tensors = read_tensors(like)
        layers = _checked(str(like), tensors, by_name=True)
        # In the order that they chain in, as a file does not keep one.
        order = [f"{layer}{kind}" for layer in layers for kind in ("weight", "bias")]
        like = {key: tensors[key] for key in order if key in tensors}
    tensors = to_state_dict(net, like)
    with replacing(path) as temporary:  # not save_file, whose errors are no OSError
        temporary.write_bytes(safetensors.numpy.save(tensors))


def load_state_dict(path: PathLike, **options: Any) -> MLP:
    """The network of a .safetensors file, for ``srcnb.load``: see there.

    The layers come in the natural order of their names ("fc2" before "fc10"), as a file does not
    keep another. ImportError without the package safetensors; ValueError that names the file and,
    as :func:`from_state_dict`, the tensor.
    """
    tensors = read_tensors(path)
    return _network(tensors, _checked(str(path), tensors, by_name=True), options)


def read_tensors(path: PathLike) -> dict[str, Array]:
    """The tensors of a .safetensors file by name: contiguous float32 or float64 arrays.

    ImportError without the package safetensors; FileNotFoundError; ValueError that names the file,
    and the tensor of another dtype.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {path}")
    safetensors = _safetensors(path)
    try:
        with safetensors.safe_open(path, framework="np") as file:
            keys = list(file.keys())
            for key in keys:
                dtype = file.get_slice(key).get_dtype()
                if dtype not in ("F32", "F64"):
                    _refuse_other(key, str(path))
                    raise ValueError(
                        f"{key} of {path} must be float32 or float64, got {dtype}: {CONVERT}"
                    )
            return {key: np.ascontiguousarray(file.get_tensor(key)) for key in keys}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} can't be read as a safetensors file: {error}") from error


def _safetensors(path: PathLike) -> Any:
    """The package; ImportError that names the extra without it."""
    try:
        import safetensors
        import safetensors.numpy  # no attribute of it otherwise
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package safetensors: pip install 'srcnb[safetensors]'"
        ) from error
    return safetensors


def _tensors(name: str, state: Any) -> dict[str, Array]:
    """The arrays of a mapping by their names, float32 or float64."""
    check_instance(name, state, Mapping, "a mapping from names to arrays")
    tensors = {}
    for key, value in state.items():
        check_instance(f"a name in {name}", key, str, "a string")
        refuse_mask(f"{key} of {name}", value)
        if hasattr(value, "detach"):  # a tensor of PyTorch, perhaps elsewhere or with a gradient
            value = value.detach().cpu()
        try:
            array = np.asarray(value)
        except (TypeError, ValueError) as error:  # bfloat16, which NumPy has not; ragged lists
            raise ValueError(
                f"{key} of {name} must be float32 or float64, got what NumPy can't read, {error}:"
                f" {CONVERT}"
            ) from error
        if array.dtype not in FLOATS:
            _refuse_other(key, name)
            raise ValueError(
                f"{key} of {name} must be float32 or float64, got {array.dtype}: {CONVERT}"
            )
        tensors[key] = array
    return tensors


def _checked(name: str, tensors: Mapping[str, Array], by_name: bool = False) -> list[str]:
    """The layers of a state dict in their order, as what comes before "weight" and "bias".

    ``name`` is what messages call the state dict, ``by_name`` whether the order is always that of
    the names. ValueError for what is no chain of linear layers.
    """
    for key, tensor in tensors.items():
        _refuse_other(key, name)
        kind = key.rpartition(".")[2]
        if kind not in ("weight", "bias") or tensor.ndim != (2 if kind == "weight" else 1):
            other = DIMENSIONS.get(tensor.ndim) if kind == "weight" else None
            raise ValueError(
                f"{key} of {name} is not the weight or bias of a linear layer: it has shape"
                f" {tensor.shape}{f', as of {other}' if other else ''}; srcnb reads chains of"
                " linear layers, NAME.weight and NAME.bias"
            )
        if not tensor.size:
            raise ValueError(f"{key} of {name} must not be empty, got shape {tensor.shape}")
        check_array(f"{key} of {name}", tensor, tensor.ndim)
    if not tensors:
        raise ValueError(f"{name} must hold at least one layer, got no tensors")
    # With the dot, which the keys of a layer by itself, "weight" and "bias", have not.
    layers = list(dict.fromkeys(re.sub("(weight|bias)$", "", key) for key in tensors))
    if by_name or len({re.sub(r"\d+", "", layer) for layer in layers}) == 1:
        layers.sort(key=_natural)
    missing = [f"{layer}weight" for layer in layers if f"{layer}weight" not in tensors]
    if missing:
        raise ValueError(f"{name} lacks {missing[0]}")
    if len({tensor.dtype for tensor in tensors.values()}) > 1:
        got = ", ".join(f"{key} {tensor.dtype}" for key, tensor in tensors.items())
        raise ValueError(f"{name} must be all float32 or all float64, got {got}")
    without = [f"{layer}bias" for layer in layers if f"{layer}bias" not in tensors]
    if without and len(without) < len(layers):
        raise ValueError(f"{name} must have biases for all layers or none, it lacks {without[0]}")
    for layer in layers if not without else ():
        w, b = tensors[f"{layer}weight"], tensors[f"{layer}bias"]
        if len(b) != len(w):
            raise ValueError(
                f"{layer}bias of {name} must have shape ({len(w)},), as {layer}weight has shape"
                f" {w.shape}, got {b.shape}"
            )
    for below, layer in zip(layers[:-1], layers[1:], strict=True):
        shape, n_pre = tensors[f"{layer}weight"].shape, len(tensors[f"{below}weight"])
        if shape[1] != n_pre:
            how = "the order of their names" if by_name else "their order"
            raise ValueError(
                f"layers of {name} must chain in {how}, {[n.removesuffix('.') for n in layers]},"
                f" but {layer}weight has shape {shape} and the one before {n_pre} rows"
            )
    return layers


def _refuse_other(key: str, name: str) -> None:
    """Raise ValueError for a tensor that by its name is of a layer that is not linear."""
    other = OTHERS.get(key.rpartition(".")[2])
    if other is not None:
        raise ValueError(f"{key} of {name} is of {other}")


def _network(tensors: Mapping[str, Array], layers: list[str], options: Mapping[str, Any]) -> MLP:
    """The MLP of a state dict that is checked."""
    weights = [tensors[f"{layer}weight"] for layer in layers]
    biases = [tensors[f"{layer}bias"] for layer in layers if f"{layer}bias" in tensors]
    return MLP.from_arrays(weights, biases or None, **options)


def _cast(key: str, array: Array, dtype: np.dtype[Any]) -> Array:
    """A contiguous copy in this dtype; ValueError if a value overflows it."""
    with np.errstate(over="ignore"):
        cast = np.array(array, dtype=dtype, order="C")
    if not np.isfinite(cast).all():
        raise ValueError(f"net overflows {dtype}, the dtype of {key} in like")
    return cast


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
