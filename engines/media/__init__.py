"""Recordings and network streams as timestamped blocks of audio and frames of video (PyAV)."""
