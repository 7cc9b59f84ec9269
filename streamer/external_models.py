"""Getting a model of others, over the network when the user asks for it, or from a file.

It is checked before it is stored, and nothing is stored in part.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from emostream.engines.errors import PublishError, SourceError
from emostream.engines.external_models import ExternalModel
from emostream.engines.files import replacing

__all__ = ["get_model"]

_TIMEOUT_S = 20.0  # without a byte
_BLOCK = 1 << 16
_REMEDY = "try again, or download it elsewhere and name it with --file"


def get_model(model: ExternalModel, file: Path | None = None) -> Path:
    """Store a model for this user.

    Args:
        model: which.
        file: a copy of it, for machines without a network; fetched from `model.url` if not given.

    Returns:
        Where it is stored.

    Raises:
        SourceError: it can't be fetched or read, breaks off, or is another file.
        PublishError: it can't be stored.
    """
    origin = model.url if file is None else str(file)
    with _opened(origin, file) as source:
        content = _whole(model, origin, source)
    if (digest := hashlib.sha256(content).hexdigest()) != model.sha256:
        raise SourceError(
            f"{origin} is another file than {model.name}: its SHA-256 is {digest}, expected {model.sha256}; "
            "nothing was stored"
        )
    try:
        model.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(model.path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise PublishError(f"{model.path} can't be written: {error.strerror}; make room there, or set HOME") from None
    return model.path


@contextmanager
def _opened(origin: str, file: Path | None) -> Iterator[BinaryIO]:
    try:
        if file is not None:
            with file.open("rb") as stream:
                yield stream
        else:
            request = urllib.request.Request(origin, headers={"User-Agent": "emostream"})
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                yield answer
    except urllib.error.HTTPError as error:
        raise SourceError(f"{origin} answers {error.code} {error.reason}; {_REMEDY}") from None
    except urllib.error.URLError as error:
        raise SourceError(f"{origin} can't be reached: {error.reason}; {_REMEDY}") from None
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        remedy = "name a file that you may read" if file is not None else _REMEDY
        raise SourceError(f"{origin} can't be read: {reason}; {remedy}") from None


def _whole(model: ExternalModel, origin: str, source: BinaryIO) -> bytes:
    """All of it, and not a byte more than the model has."""
    content = bytearray()
    while len(content) <= model.size and (block := source.read(min(_BLOCK, model.size + 1 - len(content)))):
        content += block
    if len(content) != model.size:
        found = "more" if len(content) > model.size else f"{len(content):,}"
        raise SourceError(
            f"{origin} has {found} bytes, {model.name} has {model.size:,}: it broke off, or is another file; nothing "
            "was stored"
        )
    return bytes(content)
