"""The plans of a bundle: taken from the cache, or built and kept there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emostream.engines.backends.tensorrt.builder import Profile, build_plan
from emostream.engines.backends.tensorrt.cuda import Gpu
from emostream.engines.backends.tensorrt.flavour import ComputeCapability, Flavour, refuse_gpu
from emostream.engines.backends.tensorrt.fp16 import GRAPH_VERSION, to_fp16
from emostream.engines.backends.tensorrt.plan_cache import PlanCache, PlanKey
from emostream.engines.bundle import Bundle
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole

__all__ = ["CompiledNetwork", "Target", "Watch", "plans_of"]

_log = logging.getLogger("emostream")

Watch = Callable[[NetworkRole, float], None]
"""Told of which network how much is built, 0 to 1; from threads of TensorRT."""


@dataclass(frozen=True)
class Target:
    """What plans are for.

    Attributes:
        flavour: of TensorRT that builds and runs them.
        gpu: the one that is here, or a compute capability for any GPU that has it.
        profile: batch sizes.
    """

    flavour: Flavour
    gpu: Gpu | ComputeCapability
    profile: Profile

    def __post_init__(self) -> None:
        refuse_gpu(self.flavour, self.capability)

    @property
    def capability(self) -> ComputeCapability:
        """Of the GPU."""
        return self.gpu.capability if isinstance(self.gpu, Gpu) else self.gpu

    @property
    def gpu_name(self) -> str:
        """What a plan is for: TensorRT times its kernels on one GPU; that for RTX leaves it to the first run."""
        return "{}.{}".format(*self.capability) if self.flavour.ahead_of_time else str(self.gpu)

    def key(self, onnx: str) -> PlanKey:
        """The key of a network with this SHA-256."""
        return PlanKey(
            onnx=onnx,
            graph=GRAPH_VERSION,
            flavour=self.flavour.name,
            version=self.flavour.version,
            gpu=self.gpu_name,
            precision="fp16",
            largest=self.profile.largest,
            optimum=self.profile.optimum,
        )


@dataclass(frozen=True, eq=False)
class CompiledNetwork:
    """A compiled network.

    Attributes:
        role: of the network.
        data: what TensorRT reads.
        built_s: seconds that building it took; None for one from the cache.
    """

    role: NetworkRole
    data: bytes
    built_s: float | None


def plans_of(bundle: Bundle, target: Target, cache: PlanCache, watch: Watch | None = None) -> Iterator[CompiledNetwork]:
    """The plan of each network, one after the other. The log says which are built, and why.

    Raises:
        EngineError: a network can't be compiled for the target.
    """
    for role in NETWORK_ROLES:
        key = target.key(bundle.manifest.files[bundle.manifest.networks[role].file])
        plan, reason = cache.find(key)
        if plan is not None:
            yield CompiledNetwork(role, plan, None)
            continue
        _log.info("building the %s plan for GPU %s with %s %s: %s", role, key.gpu, key.flavour, key.version, reason)
        begun = time.monotonic()
        built = _build(bundle, role, target, watch)
        try:
            cache.store(key, built, bundle=bundle.manifest.name, role=role)
        except OSError as error:
            _log.warning("the %s plan can't be kept in %s: %s", role, cache.folder, error.strerror)
        yield CompiledNetwork(role, built, time.monotonic() - begun)


def _build(bundle: Bundle, role: NetworkRole, target: Target, watch: Watch | None) -> bytes:
    return build_plan(
        target.flavour,
        to_fp16(bundle.network_file(role)).SerializeToString(),
        bundle.manifest.networks[role].inputs,
        target.profile,
        target.capability if target.flavour.ahead_of_time else None,
        watch and (lambda done: watch(role, done)),
    )
