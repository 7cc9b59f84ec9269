"""Warnings and errors of the trainer, one line each, from every process."""

from __future__ import annotations

import logging

__all__ = ["log_to_stderr"]


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"emostream-train: {record.levelname.lower()}: {record.getMessage()}"


def log_to_stderr() -> None:
    """Print warnings and errors of emostream as lines; once a process."""
    logger = logging.getLogger("emostream")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_OneLine())
        logger.addHandler(handler)
        logger.propagate = False
