from __future__ import annotations

import logging
from pathlib import Path

import pytest

from emostream.engines.backends.tensorrt.builder import Profile, build_plan
from emostream.engines.backends.tensorrt.cuda import Gpu
from emostream.engines.backends.tensorrt.flavour import Flavour, find_flavour
from emostream.engines.backends.tensorrt.fp16 import to_fp16
from emostream.engines.backends.tensorrt.plan_cache import PlanCache
from emostream.engines.backends.tensorrt.plans import Target, plans_of
from emostream.engines.bundle import Bundle
from emostream.engines.errors import EngineError
from emostream.engines.starter import STARTER
from emostream.engines.tensors import NETWORK_ROLES

BUNDLE = Bundle.load(STARTER)


@pytest.fixture(scope="module")
def rtx() -> Flavour:
    """TensorRT for RTX, which builds plans on machines without a GPU."""
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra", exc_type=ImportError)
    return find_flavour(ahead_of_time=True)


@pytest.mark.parametrize("capability", [(8, 6), (8, 9), (12, 0)])
def test_every_network_of_the_starter_compiles_and_is_read_back(
    rtx: Flavour, capability: tuple[int, int], tmp_path: Path
) -> None:
    target, cache = Target(rtx, capability, Profile()), PlanCache(tmp_path)
    steps: list[float] = []
    built = list(plans_of(BUNDLE, target, cache, lambda _, done: steps.append(done)))
    assert [plan.role for plan in built] == list(NETWORK_ROLES)
    assert all(plan.built_s is not None for plan in built)
    assert len(steps) >= 3
    assert all(0 < step <= 1 for step in steps)
    again = list(plans_of(BUNDLE, target, cache))
    assert [plan.built_s for plan in again] == [None, None, None]
    assert [plan.data for plan in again] == [plan.data for plan in built]


@pytest.mark.long
@pytest.mark.parametrize("capability", [(8, 6), (8, 9), (12, 0)])
def test_the_networks_of_the_paper_compile(rtx: Flavour, capability: tuple[int, int], tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="making a bundle needs the train extra")
    from emostream.trainer.networks.presets import PAPER
    from emostream.trainer.untrained import write_untrained

    write_untrained(tmp_path / "paper", PAPER, ("a", "b"), name="paper", seed=0)
    bundle = Bundle.load(tmp_path / "paper")
    plans = list(plans_of(bundle, Target(rtx, capability, Profile()), PlanCache(tmp_path / "plans")))
    for plan in plans:
        assert len(plan.data) > 0.98 * bundle.network_file(plan.role).stat().st_size


@pytest.mark.fault(
    "Engine file of another version",
    "a plan of an older TensorRT lies in the cache",
    "built again, with a line that says why",
)
def test_a_plan_of_another_version_is_built_again_and_the_old_one_removed(
    rtx: Flavour, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = PlanCache(tmp_path)
    old = Flavour("tensorrt_rtx", "1.2.3", rtx.api)
    list(plans_of(BUNDLE, Target(old, (8, 9), Profile()), cache))
    with caplog.at_level(logging.INFO, "emostream"):
        list(plans_of(BUNDLE, Target(rtx, (8, 9), Profile()), cache))
    reason = f"there is a plan, but it is of version 1.2.3, not {rtx.version}"
    assert f"building the audio plan for GPU 8.9 with {rtx}: {reason}" in caplog.messages
    assert {plan.header.key.version for plan in cache.plans() if plan.header} == {rtx.version}
    assert len(cache.plans()) == 3


def test_plans_for_several_gpus_and_batch_sizes_lie_side_by_side(
    rtx: Flavour, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = PlanCache(tmp_path)
    with caplog.at_level(logging.INFO, "emostream"):
        for capability, largest in (((8, 9), 16), ((8, 6), 16), ((8, 9), 4)):
            next(iter(plans_of(BUNDLE, Target(rtx, capability, Profile(largest)), cache)))
    assert caplog.messages[1].endswith("there is a plan, but it is for GPU 8.9, not 8.6")
    assert caplog.messages[2].endswith("there is a plan, but it takes batches up to 16, not 4")
    assert len(cache.plans()) == 3


@pytest.mark.fault(
    "Engine file that is damaged",
    "cut short, overwritten, emptied",
    "built again, with a line that names it",
)
def test_a_damaged_plan_is_built_again(rtx: Flavour, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, target = PlanCache(tmp_path), Target(rtx, (8, 9), Profile())
    first = next(iter(plans_of(BUNDLE, target, cache)))
    (stored,) = cache.plans()
    whole = stored.file.read_bytes()
    for damage in (whole[:-1], whole[:-10] + bytes(10), b"", b"emostream plan 1\n{}\n" + whole, whole[:40]):
        stored.file.write_bytes(damage)
        caplog.clear()
        with caplog.at_level(logging.INFO, "emostream"):
            again = next(iter(plans_of(BUNDLE, target, cache)))
        assert again.built_s is not None
        assert caplog.messages == [f"building the audio plan for GPU 8.9 with {rtx}: {stored.file} is damaged"]
        assert cache.find(target.key(BUNDLE.manifest.files["audio.onnx"]))[0] == again.data
    assert len(first.data) > 1_000_000


def test_a_cache_that_cannot_be_written_costs_the_plan_not_the_session(
    rtx: Flavour, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    plan = next(iter(plans_of(BUNDLE, Target(rtx, (8, 9), Profile()), PlanCache(tmp_path / "file" / "plans"))))
    assert plan.built_s is not None
    assert "the audio plan can't be kept" in caplog.text


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = Target(Flavour("tensorrt", "11.0", None), Gpu("NVIDIA H200", (9, 0)), Profile())
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        PlanCache(tmp_path).store(target.key("0" * 64), b"plan", bundle="test", role="audio")
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_clean_removes_every_plan(rtx: Flavour, tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "plans")
    assert cache.clean() == []
    list(plans_of(BUNDLE, Target(rtx, (8, 9), Profile()), cache))
    assert len(cache.clean()) == 3
    assert not cache.folder.exists()


def test_tensorrt_proper_keeps_a_plan_to_the_gpu_that_it_was_timed_on() -> None:
    full = Flavour("tensorrt", "11.0", None)
    assert Target(full, Gpu("NVIDIA H200", (9, 0)), Profile()).gpu_name == "NVIDIA H200 (9.0)"
    assert full.capabilities is None


def test_a_gpu_that_is_not_served_is_refused_before_anything_is_built(rtx: Flavour) -> None:
    with pytest.raises(EngineError, match=r"tensorrt_rtx .* has no plans for compute capability 9\.0, only for 7\.5, "):
        Target(rtx, Gpu("NVIDIA H200", (9, 0)), Profile())


def test_a_network_that_tensorrt_cannot_read_is_reported(rtx: Flavour) -> None:
    spec = BUNDLE.manifest.networks["audio"].inputs
    with pytest.raises(EngineError, match=r"tensorrt_rtx .* can't read the network: "):
        build_plan(rtx, b"no network", spec, Profile(), (8, 9))
    video = to_fp16(BUNDLE.network_file("video")).SerializeToString()
    with pytest.raises(EngineError, match=r"tensorrt_rtx .* can't compile the network: "):
        build_plan(rtx, video, spec, Profile(), (8, 9))


def test_an_optimum_outside_the_profile_is_refused() -> None:
    with pytest.raises(EngineError, match="batch sizes 1 to 4 hold no optimum 8"):
        Profile(4, 8)
