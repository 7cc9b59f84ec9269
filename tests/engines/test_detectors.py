"""The one choice of a face detector: what the options mean, what caches know it by, and when a bundle's differs."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from emostream.engines.errors import ConfigError
from emostream.engines.frontend.detectors import choose
from emostream.engines.frontend.detectors.choose import (
    VIOLA_JONES,
    DetectorChoice,
    choose_detector,
    warn_of_other_detector,
)
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.detectors.yunet import YuNet


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No model is stored for this user."""
    monkeypatch.setattr(
        "emostream.engines.external_models.platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data")
    )
    return tmp_path


def test_what_the_options_mean(home: Path) -> None:
    model = home / "yunet.onnx"
    assert choose_detector() == choose_detector("auto") == choose_detector("viola-jones") == VIOLA_JONES
    assert choose_detector(model=model) == choose_detector("yunet", model) == DetectorChoice("yunet", model)
    stored = home / "data" / "models" / "face_detection_yunet_2023mar.onnx"
    with pytest.raises(ConfigError, match="needs its model: get it with `emostream models get yunet`, or name"):
        choose_detector("yunet")
    stored.parent.mkdir(parents=True)
    stored.touch()
    assert choose_detector("yunet") == DetectorChoice("yunet", stored)
    assert choose_detector() == VIOLA_JONES  # what is stored is not taken unasked


@pytest.mark.parametrize(
    ("name", "model", "says"),
    [
        ("haar", None, "there is no face detector 'haar'; expected one of auto, viola-jones, yunet, finder"),
        ("viola-jones", Path("x.onnx"), "--face-model x.onnx is of no use to --face-detector viola-jones"),
    ],
)
def test_what_cannot_be_meant_is_one_line(name: str, model: Path | None, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        choose_detector(name, model)


def test_caches_know_it_by_its_name_and_its_model(tmp_path: Path) -> None:
    model = tmp_path / "yunet.onnx"
    model.write_bytes(b"one")
    one = choose_detector(model=model).identity
    model.write_bytes(b"other")
    assert one.startswith("yunet ")
    assert one != choose_detector(model=model).identity
    assert VIOLA_JONES.identity == "viola-jones"
    model.unlink()
    with pytest.raises(ConfigError, match=r"face model .*yunet\.onnx can't be read: No such file"):
        _ = choose_detector(model=model).identity


def test_each_detector_is_made(shared: Path, tmp_path: Path) -> None:
    assert isinstance(VIOLA_JONES.make(), ViolaJones)
    assert isinstance(choose_detector(model=shared / "face_detection_yunet_2023mar.onnx").make(), YuNet)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ConfigError, match=r"text\.onnx is no YuNet model"):
        choose_detector(model=tmp_path / "text.onnx").make()


@pytest.mark.parametrize(
    ("named", "chosen", "warns"),
    [
        (None, "viola-jones", False),
        (None, "yunet", True),
        ("yunet 8f23", "yunet", False),
        ("yunet 8f23", "viola-jones", True),
        ("one of next year", "viola-jones", True),
    ],
)
def test_a_bundle_trained_with_another_one_is_a_warning(
    caplog: pytest.LogCaptureFixture, named: str | None, chosen: str, warns: bool
) -> None:
    training = {} if named is None else {"face_detector": named}
    bundle = SimpleNamespace(path="some.zip", manifest=SimpleNamespace(training=training))
    with caplog.at_level(logging.WARNING, logger="emostream"):
        warn_of_other_detector(bundle, DetectorChoice(chosen))  # type: ignore[arg-type]
    assert len(caplog.records) == warns
    if warns:
        expected = f"trained on faces found by {(named or 'viola-jones').split()[0]}; --face-detector {chosen}"
        assert expected in caplog.text


def test_nothing_else_chooses() -> None:
    """Product code makes detectors through `choose.py` alone."""
    root = Path(choose.__file__).resolve().parents[4]
    for package in ("engines", "streamer", "trainer", "benchmarks"):
        for file in (root / package).rglob("*.py"):
            if file.parent.name != "detectors":
                text = file.read_text(encoding="utf-8")
                assert "ViolaJones(" not in text, file
                assert "YuNet(" not in text, file
