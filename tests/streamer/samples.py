"""Plain events to start from; `msgspec.structs.replace` changes what a test is about."""

from emostream.streamer.protocol.events import (
    Dropped,
    EmotionEvent,
    Levels,
    Modalities,
    Pools,
    Rates,
    Reasons,
    SourceStates,
    StatusEvent,
    UtteranceEvent,
)

EMOTION = EmotionEvent(
    t_start=1795269600.0,
    t_end=1795269600.655,
    media_time=0.655,
    label="joy",
    scores={"anger": 0.19, "joy": 0.81},
    head="video",
    segment=None,
    utterance=None,
    modalities=Modalities(audio=False, video=True),
    reason=Reasons(audio="no_voice"),
    face=None,
    frame_size=None,
    dropped=Dropped(),
)
UTTERANCE = UtteranceEvent(
    id=37,
    t_start=1795269598.0,
    t_end=1795269600.5,
    media_time=3.0,
    label="joy",
    scores={"anger": 0.19, "joy": 0.81},
    head="audio",
    pools=Pools(5, 6, 5),
    segments=7,
)
STATUS = StatusEvent(
    time=1795269601.0,
    clock_jump_s=0.0,
    uptime_s=1.0,
    state="running",
    rates=Rates(30.0, 30.0, 1.0, 3.3),
    levels=Levels(None, None, None, None),
    queues={},
    latency_ms=None,
    stages_ms={},
    dropped=Dropped(),
    engine=None,
    bundle=None,
    sources=SourceStates("off", "running"),
)
