from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from emostream.engines.archive import unpack
from emostream.engines.bundle import Bundle
from emostream.engines.errors import BundleError


@pytest.fixture
def copy(bundle_folder, tmp_path) -> Path:
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("emostream.engines.bundle.platformdirs.user_cache_dir", lambda _: str(tmp_path / "cache"))


def edit(folder: Path, **changes: object) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_load(bundle_folder):
    bundle = Bundle.load(bundle_folder)
    assert bundle.manifest.labels[0] == "class-1"
    assert not bundle.manifest.trained
    assert bundle.embedding_size("fusion") == bundle.heads["fused"].features
    assert "video: clip uint8 [batch, 16, 150, 110, 3] -> [batch, 512]" in str(bundle)


def pack(folder: Path, archive: Path, prefix: str = "", method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(archive, "w", method) as file:
        for each in sorted(folder.iterdir()):
            file.writestr(prefix + each.name, each.read_bytes())
    return archive


def refused(path: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        Bundle.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def unpacked(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "bundles"
    return [p.name for p in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize("prefix", ["", "./", "compact/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(bundle_folder, tmp_path, prefix, method):
    archive = pack(bundle_folder, tmp_path / "bundle.zip", prefix, method)
    bundle = Bundle.load(archive)
    assert bundle.sha256 == Bundle.load(bundle_folder).sha256
    assert Bundle.load(archive).folder == bundle.folder
    assert unpacked(tmp_path) == [bundle.folder.name]


def test_a_zip_unpacks_what_its_manifest_names_and_nothing_else(tmp_path, bundle_folder):
    archive = pack(bundle_folder, tmp_path / "bundle.zip")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("../../escaped.txt", "x")
        file.writestr("/absolute.txt", "x")
        file.writestr("more.bin", "x")
        file.writestr("__MACOSX/._manifest.json", "x")
    folder = Bundle.load(archive).folder
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in bundle_folder.iterdir())
    assert not [p for p in tmp_path.parent.rglob("*.txt") if p.name in ("escaped.txt", "absolute.txt")]


@pytest.mark.parametrize("damage", ["changed", "lost", "manifest", "emptied"])
def test_a_damaged_copy_of_a_zip_is_unpacked_again(bundle_folder, tmp_path, caplog, damage):
    archive = pack(bundle_folder, tmp_path / "bundle.zip")
    folder = Bundle.load(archive).folder
    if damage == "changed":
        (folder / "audio.onnx").write_bytes(b"x")
    elif damage == "lost":
        (folder / "heads.npz").unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_bytes(b"{")
    else:
        shutil.rmtree(folder)
        folder.mkdir()
    assert Bundle.load(archive).folder == folder
    assert "unpacking it again" in caplog.text
    caplog.clear()
    Bundle.load(archive)
    assert not caplog.text
    assert unpacked(tmp_path) == [folder.name]


def test_a_zip_of_changed_files_leaves_nothing_behind(copy, tmp_path):
    (copy / "audio.onnx").write_bytes(b"x")
    refused(pack(copy, tmp_path / "bundle.zip"), r"audio\.onnx has SHA-256 .* copy the bundle again")
    assert unpacked(tmp_path) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip(bundle_folder, tmp_path, method):
    archive = pack(bundle_folder, tmp_path / "bundle.zip", method=method)
    whole = archive.read_bytes()
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo("audio.onnx").header_offset + 200
    archive.write_bytes(whole[:start] + bytes(b ^ 0xA5 for b in whole[start : start + 3000]) + whole[start + 3000 :])
    refused(archive, r"'audio\.onnx' in the \.zip is damaged \(.*\); copy the bundle again")
    archive.write_bytes(whole[: len(whole) // 2])
    refused(archive, r"is no \.zip file")
    archive.write_bytes(b"x" * 50 + whole[len(whole) // 2 :])  # the directory is whole, the files before it are not
    refused(archive, "copy (it|the bundle) again")
    assert unpacked(tmp_path) == []


def flag_all(archive: Path, offset: int, value: int) -> None:
    """Change a 16-bit field of every entry, in the local headers and in the central directory."""
    whole = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        infos, at = file.infolist(), file.start_dir
    for info in infos:
        whole[info.header_offset + offset : info.header_offset + offset + 2] = value.to_bytes(2, "little")
        whole[at + offset + 2 : at + offset + 4] = value.to_bytes(2, "little")
        at += 46 + len(info.filename) + len(info.extra) + len(info.comment)
    archive.write_bytes(whole)


def test_an_encrypted_zip(bundle_folder, tmp_path):
    archive = pack(bundle_folder, tmp_path / "bundle.zip")
    flag_all(archive, 6, 1)
    refused(archive, "'manifest.json' is encrypted; make the .zip again without a password")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 99])
def test_a_zip_of_another_compression(bundle_folder, tmp_path, method):
    archive = pack(bundle_folder, tmp_path / "bundle.zip")
    flag_all(archive, 8, method)
    refused(archive, f"'manifest.json' is packed by method {method}; make the .zip again with deflate")


def test_a_zip_without_a_file_and_one_of_two_bundles(copy, tmp_path):
    archive = pack(copy, tmp_path / "two.zip", "one/")
    with zipfile.ZipFile(archive, "a") as file:
        file.write(copy / "manifest.json", "two/manifest.json")
    refused(archive, "holds 2 manifest.json, expected one")
    (copy / "heads.npz").unlink()
    refused(pack(copy, tmp_path / "less.zip"), "'heads.npz' is missing from the .zip; copy the bundle again")
    (copy / "manifest.json").unlink()
    refused(pack(copy, tmp_path / "none.zip"), "holds no manifest.json")
    assert unpacked(tmp_path) == []


def test_sizes_of_a_zip(copy, tmp_path, monkeypatch):
    archive = pack(copy, tmp_path / "bundle.zip")
    monkeypatch.setattr("emostream.engines.archive.MAX_BYTES", 10_000)
    refused(archive, "bytes, expected at most 10,000; make the bundle again")
    (copy / "manifest.json").write_bytes(b" " * (1 << 21))
    refused(pack(copy, tmp_path / "bomb.zip", method=zipfile.ZIP_DEFLATED), "larger than 1 MiB")
    assert unpacked(tmp_path) == []


def test_a_cache_that_can_not_be_written(bundle_folder, tmp_path):
    (tmp_path / "cache").write_text("a file")
    refused(pack(bundle_folder, tmp_path / "bundle.zip"), r"can't be unpacked into .*; make room there, or unpack it")


def test_of_two_that_unpack_at_once_one_is_faster(bundle_folder, tmp_path):
    archive = pack(bundle_folder, tmp_path / "bundle.zip")
    folder = Bundle.load(archive).folder
    unpack(archive, folder, lambda raw: ["heads.npz"])
    assert Bundle.load(archive).folder == folder
    assert unpacked(tmp_path) == [folder.name]


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
        ({"labels": ["a", "b c"]}, "label 'b c', expected 1 to 64 letters"),
        ({"labels": ["a", ""]}, "label ''"),
        ({"labels": ["a", "b\n"]}, r"label 'b\\n'"),
        ({"labels": ["a", "b" * 65]}, "label 'bbb"),
    ],
)
def test_invalid_manifest(copy, changes, message):
    edit(copy, **changes)
    refused(copy, message)


@pytest.mark.parametrize(
    ("role", "place", "change", "message"),
    [
        ("audio", "output", {"shape": []}, r"audio network the output embedding float32 \[batch\], expected float32"),
        ("audio", "output", {"shape": [0]}, "audio network the output"),
        ("fusion", "output", {"shape": [3, 4]}, "fusion network the output"),
        ("video", "output", {"dtype": "uint8"}, "video network the output"),
        ("audio", 0, {"name": "sound"}, r"inputs sound .*, expected mel float32 \[batch, 3, 64, 64\]"),
        ("audio", 0, {"shape": [3, 64, 32]}, r"audio network the inputs mel float32 \[batch, 3, 64, 32\]"),
        ("video", 0, {"dtype": "float32"}, r"expected clip uint8 \[batch, 16, 150, 110, 3\]"),
        ("fusion", 0, {"dtype": "uint8"}, r"inputs audio uint8 .* expected audio float32 \[batch, 256\], video"),
        ("fusion", 1, {"shape": []}, "fusion network the inputs"),
        ("fusion", 1, None, "fusion network the inputs audio float32"),
        ("audio", 0, None, "audio network the inputs none, expected mel"),
    ],
)
def test_invalid_tensors(copy, role, place, change, message):
    networks = json.loads((copy / "manifest.json").read_text())["networks"]
    if change is None:
        del networks[role]["inputs"][place]
    else:
        (networks[role]["output"] if place == "output" else networks[role]["inputs"][place]).update(change)
    edit(copy, networks=networks)
    refused(copy, message)


def test_a_hash_that_is_none(copy):
    files = json.loads((copy / "manifest.json").read_text())["files"]
    edit(copy, files=files | {"heads.npz": "\n"})
    refused(copy, r"heads\.npz the SHA-256 '\\n', expected 64")


def test_a_manifest_names_plain_files_only(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["networks"]["audio"]["file"] = "../audio.onnx"
    manifest["files"]["../audio.onnx"] = manifest["files"].pop("audio.onnx")
    edit(copy, **manifest)
    with pytest.raises(BundleError, match="expected a plain file name"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "\xff", '{"\xff": 1}', '{"a":' * 50_000, "x" * (1 << 21)],
    ids=["empty", "cut", "list", "bytes", "key", "deep", "large"],
)
def test_damaged_manifest(copy, text):
    (copy / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Bundle.load(copy)


def test_heads_must_fit_the_networks(copy):
    edit(copy, labels=["only", "three", "labels"])
    with pytest.raises(BundleError, match="expected 256 and 3"):
        Bundle.load(copy)
