"""Weights read from files of others: state dicts as `torch.save` writes them, and nothing that could run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emostream.engines.errors import ConfigError

__all__ = ["STD", "Source", "read_weights"]

STD = "_extra_state.std"
"""What the pixels' deviation in a `VideoGraph`'s state dict is called here."""

_WRAPPERS = ("state_dict", "model")  # keys under which larger checkpoints hold the state dict
_PREFIXES = re.compile(r"^(?:module\.|backbone\.|graph\.|network\.)+")  # data-parallel, mmaction, ours
_CODE = re.compile(r"GLOBAL (\S+)")  # how PyTorch names what a pickle wanted to call

_EXPECTED = "expected a state dict as torch.save(network.state_dict(), FILE) writes it"


@dataclass(frozen=True)
class Source:
    """One tensor of a file.

    Attributes:
        key: what the file calls it.
        tensor: its values as the network needs them, float32.
        shape: its shape in the file.
        inflated: whether it was repeated along time since.
    """

    key: str
    tensor: Tensor
    shape: tuple[int, ...]
    inflated: bool = False


def read_weights(file: Path) -> dict[str, Source]:
    """The floating-point tensors of a state dict, by their keys without prefixes.

    Args:
        file: a state dict, bare or as `state_dict` or `model` of a larger dict. It is unpickled by PyTorch's
            `weights_only` reader, which builds tensors and plain containers and calls nothing else.

    Raises:
        ConfigError: the file can't be read, would have to run code, or has no such tensors.
    """
    weights: dict[str, Source] = {}
    for key, tensor in _tensors(_load(file)):
        name = _PREFIXES.sub("", key)
        if name in weights:
            raise ConfigError(
                f"file of weights {file} has {name} twice, as {weights[name].key} and {key}; "
                "expected the state dict of one network: save that alone"
            )
        weights[name] = Source(key, tensor.detach().float(), tuple(tensor.shape))
    if not weights:
        raise ConfigError(f"file of weights {file} holds no floating-point tensors by name; {_EXPECTED}")
    return weights


def _load(file: Path) -> Any:
    try:
        if not file.is_file():
            raise ConfigError(f"file of weights {file} doesn't exist or is no file; give the path of one")
        file.open("rb").close()
    except OSError as error:
        raise ConfigError(
            f"file of weights {file} can't be read: {error.strerror or error}; give one that you may read"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # guesses about strange files; the error below is clearer
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        code = _CODE.search(str(error))
        if code:
            raise ConfigError(
                f"file of weights {file} wants {code[1]} to be run, which may do anything and isn't done; "
                f"{_EXPECTED}: have someone who trusts the file convert it"
            ) from error
        raise ConfigError(f"file of weights {file} is damaged or of another kind; {_EXPECTED}: get it again") from error


def _tensors(content: Any) -> Iterator[tuple[str, Tensor]]:
    """The weights of the state dict in what was read, and a `VideoGraph`'s deviation of pixels."""
    state = content if isinstance(content, Mapping) else {}
    state = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)), state)
    for key, value in state.items():
        if isinstance(value, Mapping) and isinstance(value.get("std"), float):
            yield f"{key}.std", torch.tensor(value["std"])
        elif isinstance(key, str) and _is_weight(value):
            yield key, value


def _is_weight(value: object) -> bool:
    """Whether it is a plain tensor of real numbers with values; sparse, quantised and meta ones are none."""
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_nested
    )
