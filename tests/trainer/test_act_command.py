"""`emostream-train act` as its user runs it."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.trainer.test_init import failure, run


def test_a_clip_is_drawn_and_voiced(tmp_path: Path) -> None:
    out = tmp_path / "with space.mp4"
    out.write_text("an older one")
    done = run("act", out, before="sys.modules['torch'] = None")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Written to {out}.\n", "")
    with av.open(str(out)) as clip:
        assert clip.duration == pytest.approx(11.8e6, abs=0.1e6)
        assert {stream.type for stream in clip.streams} == {"audio", "video"}
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("dear reader")
    (tmp_path / "folder.mp4").mkdir()
    for name, says in (
        ("clip.mov", "does not end in .mp4, the one kind of file that is written; name it OUT.mp4"),
        ("missing/clip.mp4", "missing/clip.mp4: there is no such folder"),
        ("file/clip.mp4", "file/clip.mp4: there is no such folder"),
        ("folder.mp4", "folder.mp4 is a folder; name a file"),
    ):
        code, line = failure(capsys, monkeypatch, "act", str(tmp_path / name))
        assert code == 1
        assert says in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.mp4"]
