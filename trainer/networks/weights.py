"""Initial weights of the networks, from files that the user gives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from emostream.engines.archive import sha256_of
from emostream.engines.errors import ConfigError
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.inflate import inflate
from emostream.trainer.networks.sports1m import FORMS, PIXELS, Pixels, fit_colours, form_of, is_published
from emostream.trainer.networks.weight_files import STD, Source, read_weights
from emostream.trainer.networks.weight_report import Done, LayerRow, WeightReport

__all__ = ["take_audio_weights", "take_video_weights"]

_STATISTICS = "running_mean"  # what a batch normalisation has and no other layer


def take_audio_weights(network: AlexNet, file: Path) -> WeightReport:
    """Start from an AlexNet of torchvision's (`features.*`, `classifier.*`) or of ours.

    fc8, `classifier.6`, stays as it is: it belongs to the classes. fc6 and fc7 may be missing and then do too;
    every convolution has to be there.

    Args:
        network: gets the weights: all of them or, on an error, none.
        file: a state dict saved by `torch.save`, bare or as `state_dict` or `model` of a larger dict, its keys
            with or without `module.`, `backbone.`, `graph.` or `network.` before them. Nothing in it is run.

    Raises:
        ConfigError: the file can't be read, is of another network or size, or lacks a convolution.
    """
    found = read_weights(file)
    if not any(name.startswith("features.") for name in found):
        raise _foreign(file, "AlexNet", found, "features.0.weight and so on, as torchvision names them")
    names = {layer: layer for layer, _ in _layers(network)}
    rows, unused = _take(network, file, found, names, dense=("classifier.1", "classifier.4"), last="classifier.6")
    return WeightReport(file, sha256_of(file), "features.0, classifier.1", rows, unused)


def take_video_weights(network: C3D, file: Path, bgr: bool | None = None) -> WeightReport:
    """Start from a C3D of Sports-1M, in any of its published forms, from one of ours, or from a 2-D network.

    fc8 stays as it is: it belongs to the classes. fc6 and fc7 may be missing and then do too; every convolution
    has to be there. A 2-D network is inflated: a `C2D`, or torchvision's VGG-11, whose eight convolutions are
    C3D's and whose dense layers, made for larger pictures, stay out.

    Weights for BGR are turned to RGB. Weights for three planes are added up for a network that sees grey; a grey
    picture doesn't notice. The report has the pixels' statistics that the weights need in `VideoGraph`, those of
    Sports-1M or those in a `VideoGraph`'s own state dict.

    Args:
        network: gets the weights: all of them or, on an error, none.
        file: as in `take_audio_weights`.
        bgr: whether the file's network sees BGR less the mean of Sports-1M. None: when it is 3-D, of three planes,
            and either has names that ours don't have or an fc8 of 487 classes.

    Raises:
        ConfigError: the file can't be read, is of another network or size, or lacks a convolution.
    """
    read = read_weights(file)
    form = form_of(read)
    if form is None:
        raise _foreign(file, "C3D", read, f"the names of one of the forms ({'), ('.join(FORMS)})")
    names = FORMS[form]
    found = _by_our_names(read, names)
    bgr = is_published(found, form) if bgr is None else bgr
    colours, pixels = _fit_colours(found, network.conv1.in_channels, bgr, file)
    flat = _inflate(found, names, network.conv1.kernel_size[0])
    rows, unused = _take(network, file, found, names, dense=("fc6", "fc7"), last="fc8", other_dense=flat)
    described = f"{form}; {'2-D, inflated' if flat else '3-D'}; {colours}"
    statistics = (pixels.mean, pixels.std) if pixels else (None, None)
    return WeightReport(file, sha256_of(file), described, rows, unused, *statistics)


def _foreign(file: Path, network: str, found: Iterable[str], expected: str) -> ConfigError:
    some = ", ".join(sorted(found)[:3])
    return ConfigError(f"file of weights {file} has no layer of {network} but {some}, ...; expected {expected}")


def _by_our_names(read: Mapping[str, Source], names: Mapping[str, str]) -> dict[str, Source]:
    ours = {theirs: layer for layer, theirs in names.items()}
    split = {name: name.rpartition(".") for name in read}
    return {f"{ours.get(layer, layer)}{dot}{part}": read[name] for name, (layer, dot, part) in split.items()}


def _fit_colours(found: dict[str, Source], planes: int, bgr: bool, file: Path) -> tuple[str, Pixels | None]:
    """Make conv1 in `found` see what the network sees; returns how, and what the pixels have to go through."""
    weight, bias = found.get("conv1.weight"), found.get("conv1.bias")
    if weight is None or bias is None or len(weight.shape) not in (4, 5) or bias.shape != weight.shape[:1]:
        return "", None  # `_take` names what is wrong
    has = weight.shape[1]
    if bgr and has != 3:
        raise ConfigError(
            f"{weight.key} of {file} has shape {weight.shape} and can't be BGR, which has three planes; "
            "leave out the option for BGR"
        )
    pixels = PIXELS if bgr else _own_pixels(found, has, file)
    if has == 3:
        found["conv1.weight"], found["conv1.bias"], pixels = fit_colours(weight, bias, pixels, planes, bgr)
    if planes == 1:
        return {1: "grey", 3: f"{'BGR' if bgr else 'RGB'} added up to grey"}.get(has, ""), pixels
    return "BGR turned to RGB" if bgr else "RGB", pixels


def _own_pixels(found: dict[str, Source], planes: int, file: Path) -> Pixels | None:
    """What the file itself says, if it is a `VideoGraph`'s; taken out of `found`."""
    mean, std = found.get("mean"), found.get(STD)
    if mean is None or std is None or mean.shape != (planes, 1, 1, 1):
        return None
    del found["mean"], found[STD]
    pixels = Pixels(mean.tensor, float(std.tensor))
    if not (bool(pixels.mean.isfinite().all()) and 0 < pixels.std < math.inf):
        raise ConfigError(
            f"the pixels' mean and deviation in {file} are {pixels.mean.flatten().tolist()} and {pixels.std}; "
            "expected finite numbers, the deviation positive: get the file again, or an earlier checkpoint"
        )
    return pixels


def _inflate(found: dict[str, Source], layers: Iterable[str], depth: int) -> bool:
    """Inflate the convolutions over pictures in `found`; returns whether there are any."""
    weights = {name: found[name] for name in (f"{layer}.weight" for layer in layers) if name in found}
    flat = {name: source for name, source in weights.items() if source.tensor.ndim == 4}
    for name, source in flat.items():
        found[name] = dataclasses.replace(source, tensor=inflate(source.tensor, depth), inflated=True)
    return bool(flat)


def _take(
    network: nn.Module,
    file: Path,
    found: Mapping[str, Source],
    names: Mapping[str, str],
    dense: tuple[str, ...],
    last: str,
    other_dense: bool = False,
) -> tuple[tuple[LayerRow, ...], tuple[str, ...]]:
    """Copy what is found into the network, after all of it was checked.

    Args:
        network: the network.
        file: where the weights were found, for messages.
        found: the weights, by the network's names.
        names: what the file calls the network's layers.
        dense: the layers that may be missing, in their order.
        last: the layer of the classes, which is never taken.
        other_dense: whether `dense` may be of other sizes.

    Returns:
        The report's rows, and the keys that belong to no layer.
    """
    normed = any(name.endswith(_STATISTICS) for name in found)
    rows: list[LayerRow] = []
    copies: list[tuple[Tensor, Tensor]] = []
    unused = dict(found)
    random = ""
    for layer, targets in _layers(network):
        sources = {part: unused.pop(key) for part in targets if (key := f"{layer}.{part}") in unused}
        done: Done = "left random"
        if layer == last:
            reason = _classes(targets, sources)
        elif _STATISTICS in targets and not normed:
            done, reason = "left new", "the file has no batch normalisation"
        elif layer in dense and (reason := _reason(targets, sources, random, other_dense)):
            random = layer
        else:
            copies += _pairs(file, layer, targets, sources, names)
            done, reason = "inflated" if sources["weight"].inflated else "taken", ""
        origin = sources["weight"].key.removesuffix(".weight") if "weight" in sources else None
        rows.append(LayerRow(layer, origin, tuple(targets["weight"].shape), done, reason))
    if extra := [source.key for name, source in unused.items() if name.endswith(_STATISTICS)]:
        raise ConfigError(
            f"file of weights {file} has batch normalisations ({extra[0]}, ...) that the network lacks, and its "
            "convolutions mean nothing without them; use a preset with batch normalisation, or fold them first"
        )
    with torch.no_grad():
        for target, value in copies:
            target.copy_(value)
    return tuple(rows), tuple(source.key for source in unused.values())


def _layers(network: nn.Module) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The layers with weights: their names and their tensors of real numbers, by name."""
    for name, module in network.named_modules():
        tensors = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
        if tensors:
            yield name, {part: tensor for part, tensor in tensors.items() if tensor.is_floating_point()}


def _classes(targets: Mapping[str, Tensor], sources: Mapping[str, Source]) -> str:
    here = f"new for {len(targets['bias'])} classes"
    return f"{here}, the file's has {len(sources['bias'].tensor)}" if "bias" in sources else here


def _reason(targets: Mapping[str, Tensor], sources: Mapping[str, Source], random: str, other_sizes: bool) -> str:
    """Why a dense layer stays random; empty when it doesn't. `random` is such a layer below it, if any."""
    if not sources:
        return "the file has none"
    if random:
        return f"{random} below it is random"
    weight = sources.get("weight")
    if other_sizes and weight is not None and weight.shape != targets["weight"].shape:
        return f"the file's has shape {' x '.join(map(str, weight.shape))}"
    return ""


def _pairs(
    file: Path, layer: str, targets: Mapping[str, Tensor], sources: Mapping[str, Source], names: Mapping[str, str]
) -> Iterator[tuple[Tensor, Tensor]]:
    """What to copy into a layer, and from where; complete, of the right shapes, and finite."""
    for part, target in targets.items():
        source = sources.get(part)
        if source is None:
            raise ConfigError(
                f"file of weights {file} lacks {names.get(layer, layer)}.{part}, which {layer} of the network needs; "
                "expected all convolutions of one network, as floating-point numbers: give a complete file"
            )
        if source.tensor.shape != target.shape:
            raise ConfigError(
                f"{source.key} of {file} has shape {source.shape}, but {layer}.{part} of the network has "
                f"{tuple(target.shape)}; use the preset that the weights were made for (published ones: paper)"
            )
        if not bool(source.tensor.isfinite().all()):
            raise ConfigError(f"{source.key} of {file} isn't finite; get the file again, or an earlier checkpoint")
        yield target, source.tensor
