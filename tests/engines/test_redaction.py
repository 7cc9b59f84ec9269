from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostream.engines.redaction import one_line, redacted, without_secrets

SECRETS = ("us3r", "s3cr", "3t", "t0k3n")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://us3r:s3cr3t@cam.local:554/live?token=t0k3n", "rtsp://cam.local:554/live"),
        ("http://us3r@cam/live#t0k3n", "http://cam/live"),
        ("http://us3r:s3cr/3t@cam/live", "http://cam/live"),
        ("http://us3r:s3cr@3t@cam/live", "http://cam/live"),
        ("http://us3r:s3cr?3t@cam/live", "http://..."),
        ("http://us3r:s3cr#3t@cam/live", "http://..."),
        ("http://cam/live?user=us3r@x&password=s3cr3t", "http://..."),
        ("rtsp://cam:554/user=us3r&password=s3cr3t&channel=1/x", "rtsp://cam:554/..."),
        ("rtsp://[::1]:554/live?t0k3n", "rtsp://[::1]:554/live"),
        ("cache:http://us3r:s3cr3t@cam/live", "cache:http://cam/live"),
        ("concat:http://us3r:s3cr3t@a/x|http://us3r:s3cr3t@b/y", "concat:http://b/y"),
        ("rtsp:us3r:s3cr3t@cam/live", "cam/live"),
        ("rtsp:/us3r:s3cr3t@cam/live", "cam/live"),
        ("us3r:s3cr3t@cam/live", "cam/live"),
        ("/home/me/clip.mp4", "/home/me/clip.mp4"),
        ("C:\\Users\\me\\clip.mp4", "C:\\Users\\me\\clip.mp4"),
        ("me@home.mp4", "me@home.mp4"),
        ("what?.mp4", "what?.mp4"),
        ("rtsp://cam/live", "rtsp://cam/live"),
    ],
)
def test_what_may_be_shown_of_an_address(address, shown):
    assert redacted(address) == shown
    assert redacted(shown) == shown
    line = without_secrets(f"stream desk: '{address}' can't be opened: [Errno 5] Input/output error: '{address}'")
    assert not [secret for secret in SECRETS if secret in line]
    assert line.startswith("stream desk: ")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="XQ"), max_size=10), st.sampled_from(["/", "?", "#", ""])
)
def test_no_password_is_shown_whatever_it_holds(odd, place):
    address = f"rtsp://XX:QQ{odd}QQ@cam{place}live"
    assert "Q" not in redacted(address)
    assert "X" not in redacted(address)


def test_what_a_terminal_would_obey_is_written_out():
    assert one_line("fr\u00f6hlich\u3000\u559c 50 %") == "fr\u00f6hlich\u3000\u559c 50 %"
    assert one_line("a\x1b[31m\x07\nb\x9b\u202e") == r"a\x1b[31m\x07\nb\x9b\u202e"
