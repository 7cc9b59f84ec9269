"""The events that emostream publishes: version 1 of their JSON, as typed structures.

A message has two frames: a topic (`topic`) and UTF-8 JSON (`encode`, `decode`). The version rises only when an
old subscriber would misread a message; a field added later keeps the version, and `decode` passes over fields
that it doesn't know. The JSON Schema in `schema/event.v1.schema.json` is `json_schema()`, written to a file.
A producer leaves `stream`, `session`, `seq`, `published_at` and the `latency_ms` of emotion events at their
defaults: the publisher fills them when it sends.

This module is part of the light-weight client: besides the standard library it loads msgspec only.
"""

import math
import re
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from emostream.engines.errors import ConfigError, EventError

VERSION: Final = 1
DEFAULT_ENDPOINT: Final = "tcp://127.0.0.1:5557"
STREAM_NAME: Final = r"[a-z0-9_-]{1,64}"

Head: TypeAlias = Annotated[Literal["audio", "video", "fused"], Meta(description="The classifier behind scores")]
Reason: TypeAlias = Literal["no_face", "no_voice", "source_lost", "off"]
SourceState: TypeAlias = Literal["running", "off", "lost", "ended", "waiting"]
Scores: TypeAlias = Annotated[dict[str, float], Meta(description="Each label's probability, 0 to 1")]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Amount: TypeAlias = Annotated[float, Meta(ge=0)]

Stream: TypeAlias = Annotated[str, Meta(pattern=f"^{STREAM_NAME}$", description="Name of the stream")]
Session: TypeAlias = Annotated[str, Meta(description="UUID of one run of the publisher; new at each start")]
Seq: TypeAlias = Annotated[int, Meta(ge=0, description="Counts a session's emotion and utterance events")]
UtteranceId: TypeAlias = Annotated[int, Meta(ge=0, description="Number of the utterance within the session")]
CapturedFrom: TypeAlias = Annotated[float, Meta(description="Capture time of the start, Unix seconds")]
CapturedTo: TypeAlias = Annotated[float, Meta(description="Capture time of the end, Unix seconds")]
MediaTime: TypeAlias = Annotated[float, Meta(description="The end on the stream's grid, seconds")]
PublishedAt: TypeAlias = Annotated[float, Meta(description="When the event was sent, Unix seconds")]
LatencyMs: TypeAlias = Annotated[float | None, Meta(description="Capture of the end to sending, milliseconds")]
Label: TypeAlias = Annotated[str | None, Meta(description="The highest score's; null without face and voice")]


class _Part(msgspec.Struct, frozen=True):
    """Base of all structures: refuses numbers that JSON can't hold, where they arise."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            numbers = value.values() if isinstance(value, dict) else (value,)
            if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
                raise ValueError(f"{name} is {value}, expected finite numbers: JSON has no others")


class SegmentScores(_Part, frozen=True):
    """The scores of one segment alone, before pooling."""

    label: str
    scores: Scores
    head: Head


class Pools(_Part, frozen=True):
    """How many segments each head's mean holds."""

    audio: Annotated[Count, Meta(description="Voiced segments")]
    video: Annotated[Count, Meta(description="Segments with a face")]
    fused: Annotated[Count, Meta(description="Segments with both")]


class UtteranceRef(_Part, frozen=True):
    """The utterance that a segment belongs to, as far as it has come."""

    id: UtteranceId
    t_start: CapturedFrom
    pools: Pools


class Modalities(_Part, frozen=True):
    """Which modalities are present in a segment."""

    audio: Annotated[bool, Meta(description="The audio arrived and enough of it is speech")]
    video: Annotated[bool, Meta(description="At least half of the frames show a face")]


class Reasons(_Part, frozen=True):
    """Why a modality is missing; null for one that is present."""

    audio: Reason | None = None
    video: Reason | None = None


class Dropped(_Part, frozen=True):
    """What was lost since the start of the session."""

    segments: Annotated[Count, Meta(description="Segments dropped because the engine fell behind")] = 0
    frames: Annotated[Count, Meta(description="Camera frames dropped")] = 0
    audio_ms: Annotated[Amount, Meta(description="Audio lost, milliseconds")] = 0.0


class EmotionEvent(_Part, frozen=True, kw_only=True):
    """The result of one segment; one is published for each segment, in order."""

    version: Literal[1] = VERSION
    type: Literal["emotion"] = "emotion"
    stream: Stream = ""
    session: Session = ""
    seq: Seq = 0
    t_start: CapturedFrom
    t_end: CapturedTo
    media_time: MediaTime
    published_at: PublishedAt = 0.0
    latency_ms: LatencyMs = None
    label: Label
    scores: Scores | None
    head: Head | None
    segment: Annotated[SegmentScores | None, Meta(description="This segment's own scores; null without a modality")]
    utterance: Annotated[UtteranceRef | None, Meta(description="The current utterance; null outside of one")]
    modalities: Modalities
    reason: Reasons
    face: Annotated[tuple[int, int, int, int] | None, Meta(description="x, y, width, height, pixels")]
    frame_size: Annotated[tuple[int, int] | None, Meta(description="Width, height, pixels; null without a camera")]
    dropped: Dropped


class UtteranceEvent(_Part, frozen=True, kw_only=True):
    """The final result of one utterance, published at its end or when the stream ends."""

    version: Literal[1] = VERSION
    type: Literal["utterance"] = "utterance"
    stream: Stream = ""
    session: Session = ""
    seq: Seq = 0
    id: UtteranceId
    t_start: CapturedFrom
    t_end: CapturedTo
    media_time: MediaTime
    published_at: PublishedAt = 0.0
    label: Label
    scores: Scores | None
    head: Head | None
    pools: Pools
    segments: Annotated[Count, Meta(description="Segments of the utterance")]


class Rates(_Part, frozen=True):
    """What flows, averaged over the last seconds."""

    frames_per_s: Annotated[Amount, Meta(description="Camera frames per second")]
    faces_per_s: Annotated[Amount, Meta(description="Frames with a face per second")]
    audio_per_s: Annotated[Amount, Meta(description="Seconds of audio per second; 1 is all of it")]
    segments_per_s: Annotated[Amount, Meta(description="Segments recognised per second")]


class Levels(_Part, frozen=True):
    """What the sources pick up just now; null where there is no such source."""

    audio_dbfs: Annotated[float | None, Meta(description="Loudness, decibels below full scale (negative)")]
    brightness: Annotated[float | None, Meta(description="Mean brightness of the frame, 0 to 255")]
    speech: bool | None
    face: bool | None


class LatencyQuantiles(_Part, frozen=True):
    """Quantiles of the latency of the last events, milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class EngineInfo(_Part, frozen=True):
    """The engine that runs the networks."""

    name: str
    device: str
    precision: str


class BundleInfo(_Part, frozen=True):
    """The bundle that gives the scores."""

    name: str
    preset: str
    trained: Annotated[bool, Meta(description="False: random weights, whose scores mean nothing")]
    sha256: str


class SourceStates(_Part, frozen=True):
    """The states of the microphone and the camera, or of the two tracks of a recording."""

    audio: SourceState
    video: SourceState


class Losses(_Part, frozen=True):
    """How often each source was lost since the start of the session."""

    audio: Count = 0
    video: Count = 0


class StatusEvent(_Part, frozen=True, kw_only=True):
    """The state of a stream, published about once a second."""

    version: Literal[1] = VERSION
    type: Literal["status"] = "status"
    stream: Stream = ""
    session: Session = ""
    time: Annotated[float, Meta(description="When this was so, Unix seconds")]
    clock_jump_s: Annotated[
        float,
        Meta(
            description="The system's clock minus the session's, seconds; 0 within 0.1 s. All times keep the session's"
        ),
    ]
    uptime_s: Annotated[Amount, Meta(description="Since the start of the session, seconds")]
    state: Literal["loading", "running", "ended"]
    rates: Rates
    levels: Levels
    queues: Annotated[dict[str, Count], Meta(description="How many items wait in each queue, by name")]
    latency_ms: LatencyQuantiles | None
    stages_ms: Annotated[dict[str, Amount], Meta(description="Mean time of each stage per item, milliseconds")]
    dropped: Dropped
    engine: Annotated[EngineInfo | None, Meta(description="null while it loads")]
    bundle: Annotated[BundleInfo | None, Meta(description="null while it loads")]
    sources: SourceStates
    replay: Annotated[str | None, Meta(description="Where events are given again; null where they aren't")] = None
    losses: Annotated[Losses, Meta(description="How often each source was lost; it is opened again")] = Losses()
    engine_retries: Annotated[Count, Meta(description="Batches for which the engine was asked a second time")] = 0


ResultEvent: TypeAlias = EmotionEvent | UtteranceEvent
"""An event that carries a result; both kinds share one sequence of numbers, `seq`."""

Event: TypeAlias = ResultEvent | StatusEvent

_KINDS: dict[str, type[Event]] = {"emotion": EmotionEvent, "utterance": UtteranceEvent, "status": StatusEvent}
# These have defaults because the publisher fills them, yet every message carries them.
_FILLED: Final = {"version", "type", "stream", "session", "seq", "published_at", "latency_ms"}
_REQUIRED: Final = {
    kind: [field.name for field in msgspec.structs.fields(event) if field.required or field.name in _FILLED]
    for kind, event in _KINDS.items()
}


def encode(event: Event) -> bytes:
    """Give the event's JSON, with the fields in the order of its class.

    Raises:
        TypeError: A field holds something that isn't JSON, such as a NumPy scalar.
    """
    return msgspec.json.encode(event)


def decode(message: bytes) -> Event:
    """Read an event; unknown fields are passed over.

    Raises:
        EventError: The message is not JSON, or not an event of a known type and version.
    """
    try:
        fields = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
        version = msgspec.json.decode(fields.get("version", b"null"), type=int)
        kind = msgspec.json.decode(fields.get("type", b"null"), type=str)
        if version > VERSION:
            raise EventError(f"got an event of version {version}, expected {VERSION}: update emostream here")
        if kind not in _KINDS:
            raise EventError(
                f"got an event of type {kind[:40]!r}, expected {' | '.join(_KINDS)}: update emostream here"
            )
        if missing := [name for name in _REQUIRED[kind] if name not in fields]:
            raise msgspec.ValidationError(f"Object missing required fields {', '.join(missing)}")
        return msgspec.json.decode(message, type=_KINDS[kind])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(
            f"got a message that is no event ({error}): {message[:80]!r}, expected the JSON of an event of "
            f"version {VERSION}; check that the endpoint belongs to emostream"
        ) from error


def topic(event: Event) -> bytes:
    """Give `emotion/<stream>/` or `status/<stream>/`; the closing slash keeps `desk` from receiving `desk2`."""
    kind = "status" if isinstance(event, StatusEvent) else "emotion"
    return f"{kind}/{event.stream}/".encode()


def check_stream_name(name: str) -> None:
    """Refuse a name that can't stand in a topic.

    Raises:
        ConfigError: The name is not one to 64 of a-z, 0-9, `_` and `-`.
    """
    if not re.fullmatch(STREAM_NAME, name):
        raise ConfigError(f"stream name {name!r} is not valid: use 1 to 64 of a-z, 0-9, '_' and '-', as in 'desk'")


def port_in_range(endpoint: str) -> bool:
    """Tell whether a TCP endpoint's port exists; libzmq would wrap a larger one around and use another port."""
    port = re.search(r"^tcp://.*:0*([0-9]+)$", endpoint)
    return port is None or (len(port[1]) <= 5 and int(port[1]) <= 65535)


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of all events."""
    refs, parts = msgspec.json.schema_components(_KINDS.values(), ref_template="#/$defs/{name}")
    for kind, event in _KINDS.items():
        definition = parts[event.__name__]
        definition["required"] = _REQUIRED[kind]
        for name in _FILLED & definition["properties"].keys():
            definition["properties"][name].pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:emostream:event:v1",
        "title": "emostream event, version 1",
        "description": "The JSON of a message of emostream. Pass over fields you don't know: some may be added.",
        "oneOf": list(refs),
        "$defs": parts,
    }
