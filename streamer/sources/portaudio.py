"""PortAudio: its library, and the microphones it knows."""

from __future__ import annotations

from typing import Any

from emostream.engines.errors import SourceError

__all__ = ["list_microphones", "load_portaudio"]


def load_portaudio() -> Any:
    """The sounddevice module.

    Raises:
        SourceError: PortAudio's library is missing.
    """
    try:
        import sounddevice
    except OSError:
        raise SourceError(
            "microphones need PortAudio's library, which is missing; "
            "install it: `apt install libportaudio2` (Debian, Ubuntu), `brew install portaudio` (macOS)"
        ) from None
    return sounddevice


def list_microphones() -> list[tuple[str, str]]:
    """The microphones of this machine: what `--mic` takes, and a name with channels and rate.

    Raises:
        SourceError: PortAudio's library is missing.
    """
    devices = load_portaudio().query_devices()
    return [
        (str(d["index"]), f"{d['name']} ({d['max_input_channels']} channels, {d['default_samplerate']:.0f} Hz)")
        for d in devices
        if d["max_input_channels"] > 0
    ]
