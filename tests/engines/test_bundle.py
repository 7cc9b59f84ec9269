from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from engines.bundle import Bundle
from engines.errors import BundleError


@pytest.fixture
def copy(bundle_folder, tmp_path) -> Path:
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("engines.bundle.platformdirs.user_cache_dir", lambda _: str(tmp_path / "cache"))


def edit(folder: Path, **changes: object) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_load(bundle_folder):
    bundle = Bundle.load(bundle_folder)
    assert bundle.manifest.labels[0] == "class-1"
    assert not bundle.manifest.trained
    assert bundle.embedding_size("fusion") == bundle.heads["fused"].features
    assert "video: clip uint8 [batch, 16, 150, 110, 3] -> [batch, 512]" in str(bundle)


@pytest.mark.parametrize("prefix", ["", "compact/"])
def test_zip(bundle_folder, tmp_path, prefix):
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for each in bundle_folder.iterdir():
            file.write(each, prefix + each.name)
    bundle = Bundle.load(archive)
    assert bundle.sha256 == Bundle.load(bundle_folder).sha256
    assert Bundle.load(archive).folder == bundle.folder
    assert [p.name for p in (tmp_path / "cache" / "bundles").iterdir()] == [bundle.folder.name]


def test_a_zip_writes_nothing_outside_its_folder(tmp_path, bundle_folder):
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(bundle_folder / "manifest.json", "manifest.json")
        file.writestr("../../escaped.txt", "x")
        file.writestr("/absolute.txt", "x")
    with pytest.raises(BundleError, match="missing"):
        Bundle.load(archive)
    inside = tmp_path / "cache" / "bundles"
    assert all(p.is_relative_to(inside) for name in ("escaped", "absolute") for p in tmp_path.rglob(f"{name}.txt"))
    assert not (tmp_path.parent / "escaped.txt").exists()


def test_missing(tmp_path):
    with pytest.raises(BundleError, match=r"nowhere does not exist; expected a folder or \.zip"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        Bundle.load(tmp_path)


def test_no_zip(tmp_path):
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(BundleError, match=r"is no \.zip file"):
        Bundle.load(tmp_path / "text.zip")


@pytest.mark.parametrize("name", ["audio.onnx", "video.onnx", "fusion.onnx", "heads.npz"])
def test_changed_truncated_and_lost_files(copy, name):
    file = copy / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(BundleError, match=rf"{name} has SHA-256 .* copy the bundle again"):
        Bundle.load(copy)
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(BundleError, match=rf"{name} has SHA-256"):
        Bundle.load(copy)
    file.unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        Bundle.load(copy)


def test_newer_format(copy):
    edit(copy, format=2, something_new=1)
    with pytest.raises(BundleError, match="has format 2, this emostream reads 1; update emostream"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "one"}, "make the bundle again"),
        ({"labels": ["a", "a"]}, "at least two different"),
        ({"labels": "ab"}, "not valid"),
        ({"unknown": 1}, "not valid"),
        ({"frontend": {"sample_rate": 8000}}, "sample_rate = 8000"),
        ({"networks": {}}, "names networks"),
        ({"files": {}}, "lists files"),
    ],
)
def test_invalid_manifest(copy, changes, message):
    edit(copy, **changes)
    with pytest.raises(BundleError, match=message):
        Bundle.load(copy)


def test_a_manifest_names_plain_files_only(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["networks"]["audio"]["file"] = "../audio.onnx"
    manifest["files"]["../audio.onnx"] = manifest["files"].pop("audio.onnx")
    edit(copy, **manifest)
    with pytest.raises(BundleError, match="no plain file name"):
        Bundle.load(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", "x" * (1 << 21)])
def test_damaged_manifest(copy, text):
    (copy / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Bundle.load(copy)


def test_heads_must_fit_the_networks(copy):
    edit(copy, labels=["only", "three", "labels"])
    with pytest.raises(BundleError, match="expected 512 and 3"):
        Bundle.load(copy)
