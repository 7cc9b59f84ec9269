from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from emostream.engines.bundle import Bundle
from emostream.engines.heads import HEAD_NAMES
from emostream.trainer.cli import main
from emostream.trainer.networks.presets import PAPER, PRESETS, Preset
from emostream.trainer.networks.untrained import untrained_graphs
from emostream.trainer.untrained import write_untrained

FILES = ("audio.onnx", "video.onnx", "fusion.onnx", "heads.npz", "manifest.json")


def mels(count: int) -> torch.Tensor:
    """Segments of different loudness and texture, in natural-logarithm units."""
    torch.manual_seed(2)
    level = torch.linspace(-12, -3, count).view(-1, 1, 1, 1)
    static = level + 3 * functional.interpolate(torch.randn(count, 1, 8, 8), size=(64, 64), mode="bilinear")
    return torch.cat((static, 0.5 * torch.randn(count, 1, 64, 64), 0.25 * torch.randn(count, 1, 64, 64)), dim=1)


def clips(count: int) -> torch.Tensor:
    """Smooth moving shapes in colour."""
    torch.manual_seed(3)
    shapes = functional.interpolate(torch.rand(count, 3, 4, 8, 6), size=(16, 150, 110), mode="trilinear")
    return (255 * shapes).permute(0, 2, 3, 4, 1).to(torch.uint8)


def embeddings(preset: Preset, count: int, classes: int, seed: int) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for graph in untrained_graphs(preset, classes, seed):
            graph.eval()
            if graph.role == "fusion":
                found["fused"] = graph(found["audio"], found["video"])
            else:
                found[graph.role] = graph(mels(count) if graph.role == "audio" else clips(count))
    return found


def run(*args: str | Path, before: str = "pass") -> subprocess.CompletedProcess[str]:
    code = f"import sys; {before}; from emostream.trainer.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=100, check=False
    )


def failure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["emostream-train", *args])
    with pytest.raises(SystemExit) as stopped:
        main()
    output = capsys.readouterr()
    assert not output.out
    (line,) = output.err.splitlines()
    assert line.startswith("emostream-train: error: ")
    return int(stopped.value.code or 0), line


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("bundles") / "with space"
    return out, run("init", "--preset", "compact", "--labels", "joy,fear,no-mood", "--seed", "7", out)


def test_command_writes_a_bundle_that_loads(compact: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = compact
    assert done.returncode == 0
    bundle = Bundle.load(out)
    assert bundle.manifest.labels == ("joy", "fear", "no-mood")
    assert not bundle.manifest.trained
    assert bundle.manifest.training == {"method": "none: seeded random weights", "seed": 7, "preset": "compact"}
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert sum(path.stat().st_size for path in out.iterdir()) < 15e6


def test_command_says_what_to_do_next_and_nothing_else(
    compact: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, done = compact
    assert done.stderr == ""
    assert done.stdout.startswith("bundle untrained-compact (compact, untrained)\n")
    assert "random" in done.stdout
    assert " MB" in done.stdout
    assert done.stdout.endswith(f"Next: emostream --bundle '{out}'\n")


def test_command_writes_into_the_folder_it_stands_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["emostream-train", "init", "."])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert f"({size / 1e6:.1f} MB)" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    Bundle.load(".")


def test_equal_seeds_give_equal_bytes(compact: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    out, _ = compact
    torch.manual_seed(99)
    write_untrained(tmp_path / "again", PRESETS["compact"], ("joy", "fear", "no-mood"), "untrained-compact", seed=7)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes(), name


def test_other_seeds_give_other_weights() -> None:
    first, second = (next(untrained_graphs(PRESETS["compact"], 6, seed)).state_dict() for seed in (0, 1))
    assert not torch.equal(first["network.features.0.weight"], second["network.features.0.weight"])


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_embeddings_neither_die_nor_explode(preset: Preset) -> None:
    for role, embedding in embeddings(preset, 2, classes=6, seed=0).items():
        assert torch.isfinite(embedding).all(), role
        assert 0.1 < embedding.square().mean().sqrt() < 10, role
        assert embedding.std() > 0.05, role
        assert (embedding[0] - embedding[1]).abs().max() > 0.01 * embedding.max(), role


def test_scores_are_not_saturated(compact: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    heads = Bundle.load(compact[0]).heads
    found = embeddings(PRESETS["compact"], 4, classes=3, seed=7)
    for name in HEAD_NAMES:
        scores = heads[name].probabilities(found[name].numpy())
        assert 0.001 < scores.min() < scores.max() < 0.98, name


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--labels", "joy"), "at least two"),
        (("--labels", "joy,joy"), "twice"),
        (("--labels", "joy,,fear"), "letters, digits"),
        (("--labels", "joy,f ear"), "'f ear'"),
        (("--preset", "huge"), "paper or compact"),
        (("--seed", "-1"), "--seed"),
        (("--seed", "x"), "--seed"),
        (("--name", "a/b"), "'a/b'"),
        (("--what",), "--what"),
    ],
)
def test_wrong_options_give_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    args: tuple[str, ...],
    says: str,
) -> None:
    code, line = failure(capsys, monkeypatch, "init", *args, str(tmp_path / "out"))
    assert code == 2
    assert says in line
    assert not list(tmp_path.iterdir())


def test_existing_folder_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine").touch()
    code, line = failure(capsys, monkeypatch, "init", str(tmp_path))
    assert code == 1
    assert str(tmp_path) in line
    assert "exists already" in line


def test_unwritable_place_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, line = failure(capsys, monkeypatch, "init", str(tmp_path / "file" / "out"))
    assert code == 1
    assert "can't be written" in line


@pytest.mark.parametrize("package", ["torch", "onnx"])
def test_missing_training_packages_name_the_extra(tmp_path: Path, package: str) -> None:
    done = run("init", tmp_path / "out", before=f"sys.modules[{package!r}] = None")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert package in line
    assert 'pip install "emostream[train]"' in line


def test_help_needs_no_torch() -> None:
    done = run("--help", before="sys.modules['torch'] = None")
    assert done.returncode == 0
    assert "init" in done.stdout


@pytest.mark.long
def test_paper_bundle_at_full_size(tmp_path: Path) -> None:
    bundle = write_untrained(tmp_path / "paper", PAPER, ("joy", "fear"), "paper", seed=0)
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) == pytest.approx(354e6, rel=0.01)
    found: dict[str, np.ndarray] = {}
    for role in ("audio", "video", "fusion"):
        session = onnxruntime.InferenceSession(str(bundle.network_file(role)), providers=["CPUExecutionProvider"])
        inputs = {
            "audio": {"mel": mels(2).numpy()},
            "video": {"clip": clips(2).numpy()},
            "fusion": {name: found.get(name) for name in ("audio", "video")},
        }[role]
        (found["fused" if role == "fusion" else role],) = session.run(None, inputs)
    for name, expected in embeddings(PAPER, 2, classes=2, seed=0).items():
        error = np.abs(found[name] - expected.numpy()).max() / expected.numpy().max()
        assert error < 2e-3, name
