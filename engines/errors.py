"""The exceptions of emostream.

Every message names the thing, its value, what was expected and the remedy, so that the commands can print
it as one line. The tree:

    EmostreamError
    ├── ConfigError      an option or a configuration file that can't be used
    ├── BundleError      a bundle that is missing, damaged, or of another format
    ├── EngineError      a backend that can't be loaded, or that failed
    │   └── EngineRunError   an engine that failed again and again while running
    ├── SourceError      a camera, microphone, file or URL that can't be opened or read
    ├── PublishError     an endpoint that can't be bound, or an output file that can't be written
    ├── EventError       a received message that is no event of a known version
    ├── DataError        a data set, or files made from it, that can't be used
    └── TrainingError    a training that can't go on
"""

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "EmostreamError",
    "EngineError",
    "EngineRunError",
    "EventError",
    "PublishError",
    "SourceError",
    "TrainingError",
]


class EmostreamError(Exception):
    """Base of every error that emostream raises on purpose."""


class ConfigError(EmostreamError):
    """An option or a configuration file that can't be used."""


class BundleError(EmostreamError):
    """A bundle that is missing, damaged, or of another format."""


class EngineError(EmostreamError):
    """A backend that can't be loaded, or that failed."""


class EngineRunError(EngineError):
    """An engine that failed again and again while running."""


class SourceError(EmostreamError):
    """A camera, microphone, file or URL that can't be opened or read."""


class PublishError(EmostreamError):
    """An endpoint that can't be bound, or an output file that can't be written."""


class EventError(EmostreamError):
    """A received message that is no event of a known version."""


class DataError(EmostreamError):
    """A data set, or files made from it, that can't be used."""


class TrainingError(EmostreamError):
    """A training that can't go on."""
