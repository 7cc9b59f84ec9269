"""The ways that need emostream's other parts: a bundle's ONNX networks on ONNX Runtime and on TensorRT."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from benchmarks.gpu.graphs import captured
from benchmarks.gpu.networks import CHAIN, Subject
from benchmarks.gpu.timing import AtBatch, Run

if TYPE_CHECKING:
    from emostream.engines.bundle import Bundle

__all__ = ["engine", "onnxruntime", "tensorrt"]

_LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")


def onnxruntime(subject: Subject, stack: ExitStack, *, half: bool) -> AtBatch:
    """ONNX Runtime's CUDA provider, inputs and outputs bound to device memory."""
    import onnxruntime as ort

    from emostream.engines.backends.onnxruntime import has_cuda, open_session
    from emostream.engines.backends.tensorrt.fp16 import to_fp16

    if not has_cuda():
        raise RuntimeError(f"onnxruntime {ort.__version__} knows no CUDA; onnxruntime-gpu does")
    bundle = _untrained(subject.preset, stack)
    sessions = {}
    for role in subject.roles:
        file = bundle.network_file(role)
        sessions[role] = open_session(to_fp16(file).SerializeToString() if half else str(file), cuda=True)
        if "CUDAExecutionProvider" not in sessions[role].get_providers():
            raise RuntimeError("onnxruntime-gpu can't use this GPU: its CUDA or cuDNN doesn't fit")

    def at(batch: int, _: ExitStack) -> Run:
        tensors = _tensors(subject, bundle, batch)
        bindings = []
        for role in subject.roles:
            binding = sessions[role].io_binding()
            for name, tensor in tensors[role].items():
                output = name == bundle.manifest.networks[role].output.name
                bind = binding.bind_output if output else binding.bind_input
                bind(name, "cuda", 0, _numpy_type(tensor), tuple(tensor.shape), tensor.data_ptr())
            bindings.append((sessions[role], binding))

        def run(_: object = tensors) -> None:  # the bindings only know where they are
            for session, binding in bindings:
                session.run_with_iobinding(binding)

        return run

    return at


def tensorrt(subject: Subject, stack: ExitStack) -> AtBatch:
    """TensorRT on device memory, with a plan for each batch size; in the chain audio and video on two streams."""
    from emostream.engines.backends.tensorrt.builder import Profile
    from emostream.engines.backends.tensorrt.cuda import Cuda, find_gpu
    from emostream.engines.backends.tensorrt.flavour import find_flavour
    from emostream.engines.backends.tensorrt.loaded_plan import LoadedPlan
    from emostream.engines.backends.tensorrt.plan_cache import PlanCache
    from emostream.engines.backends.tensorrt.plans import Target, plans_of

    flavour, gpu = find_flavour(), find_gpu()
    bundle = _untrained(subject.preset, stack)
    cache = PlanCache(bundle.folder.parent / "plans")  # not among the user's, who will never ask for them

    def at(batch: int, stack: ExitStack) -> Run:
        cuda = stack.enter_context(Cuda())
        target = Target(flavour, gpu, Profile(batch, batch))
        plans: dict[str, LoadedPlan] = {}
        for plan in plans_of(bundle, target, cache):
            if plan.role in subject.roles:
                plans[plan.role] = LoadedPlan(cuda, flavour, plan.role, plan.data)
        tensors = _tensors(subject, bundle, batch)

        def enqueue(role: str) -> None:
            given = tensors[role]
            inputs = [each.name for each in bundle.manifest.networks[role].inputs]  # type: ignore[index]
            plans[role].enqueue(
                batch,
                {name: tuple(given[name].shape[1:]) for name in inputs},
                {name: tensor.data_ptr() for name, tensor in given.items()},
                torch.cuda.current_stream().cuda_stream,
            )

        if subject.name != CHAIN:
            return captured(lambda: enqueue(subject.name))
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]

        def chain() -> None:
            main = torch.cuda.current_stream()
            beside.wait_stream(main)
            with torch.cuda.stream(beside):
                enqueue("audio")
            enqueue("video")
            main.wait_stream(beside)
            enqueue("fusion")

        return captured(chain)

    return at


def engine(subject: Subject, stack: ExitStack) -> AtBatch:
    """What a session runs: inputs in main memory to embeddings in main memory."""
    from emostream.engines.backends.tensorrt.engine import TensorRTEngine
    from emostream.engines.engine import Batch

    running = stack.enter_context(TensorRTEngine(_untrained(subject.preset, stack)))

    def at(batch: int, _: ExitStack) -> Run:
        mel, clip = (each.cpu().numpy() for each in subject.inputs(batch))
        given = Batch(mel, clip, tuple((index, index) for index in range(batch)))
        return lambda: running.embed(given)

    return at


def _untrained(preset: str, stack: ExitStack) -> Bundle:
    from emostream.trainer.networks.presets import PRESETS
    from emostream.trainer.untrained import write_untrained

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return write_untrained(Path(folder) / preset, PRESETS[preset], _LABELS, preset, seed=0)


def _tensors(subject: Subject, bundle: Bundle, batch: int) -> dict[str, dict[str, Tensor]]:
    """Inputs and outputs of each of a subject's networks, by name; the chain's fusion takes what the others give."""
    specs, inputs = bundle.manifest.networks, list(subject.inputs(batch))
    made: dict[str, dict[str, Tensor]] = {}
    for role in subject.roles:
        spec = specs[role]
        if subject.name == CHAIN and role == "fusion":
            given = [made[each][specs[cast(Any, each)].output.name] for each in ("audio", "video")]
        else:
            given = [inputs.pop(0) for _ in spec.inputs]
        made[role] = {each.name: tensor for each, tensor in zip(spec.inputs, given, strict=True)}
        made[role][spec.output.name] = torch.empty(batch, *spec.output.shape, device=subject.device)
    return made


def _numpy_type(tensor: Tensor) -> Any:
    import numpy as np

    return np.uint8 if tensor.dtype == torch.uint8 else np.float32
