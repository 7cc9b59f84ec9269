"""The events: their JSON, their schema, and what decoding refuses."""

import json
from importlib import resources

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostream.engines.errors import ConfigError, EventError
from emostream.streamer.protocol.events import (
    BundleInfo,
    Dropped,
    EmotionEvent,
    EngineInfo,
    LatencyQuantiles,
    Levels,
    Modalities,
    Pools,
    Rates,
    Reasons,
    SegmentScores,
    SourceStates,
    StatusEvent,
    UtteranceEvent,
    UtteranceRef,
    check_stream_name,
    decode,
    encode,
    json_schema,
    port_in_range,
    topic,
)

DESIGN_SAMPLE = """
    {"version": 1, "type": "emotion", "stream": "desk", "session": "7b1c...", "seq": 412,
     "t_start": 1795269600.000, "t_end": 1795269600.655, "media_time": 123.655, "published_at": 1795269600.741, "latency_ms": 86.0,
     "label": "joy", "scores": {"anger": 0.02, "joy": 0.81, "...": 0.0}, "head": "fused",
     "segment": {"label": "joy", "scores": {"...": 0.0}, "head": "fused"},
     "utterance": {"id": 37, "t_start": 1795269598.8, "pools": {"audio": 5, "video": 6, "fused": 5}},
     "modalities": {"audio": true, "video": true}, "reason": {"audio": null, "video": null},
     "face": [212, 90, 180, 180], "frame_size": [640, 480], "dropped": {"segments": 0, "frames": 0, "audio_ms": 0}}
"""  # noqa: E501

EMOTION = EmotionEvent(
    stream="desk",
    session="7b1c",
    seq=412,
    t_start=1795269600.0,
    t_end=1795269600.655,
    media_time=123.655,
    published_at=1795269600.741,
    latency_ms=86.0,
    label="joy",
    scores={"anger": 0.19, "joy": 0.81},
    head="fused",
    segment=SegmentScores("joy", {"anger": 0.4, "joy": 0.6}, "fused"),
    utterance=UtteranceRef(37, 1795269598.8, Pools(5, 6, 5)),
    modalities=Modalities(audio=True, video=True),
    reason=Reasons(),
    face=(212, 90, 180, 180),
    frame_size=(640, 480),
    dropped=Dropped(),
)
NOBODY = EmotionEvent(
    stream="desk",
    session="7b1c",
    seq=413,
    t_start=1795269600.3,
    t_end=1795269600.955,
    media_time=123.955,
    label=None,
    scores=None,
    head=None,
    segment=None,
    utterance=None,
    modalities=Modalities(audio=False, video=False),
    reason=Reasons("no_voice", "source_lost"),
    face=None,
    frame_size=None,
    dropped=Dropped(1, 2, 3.5),
)
UTTERANCE = UtteranceEvent(
    stream="desk",
    session="7b1c",
    seq=414,
    id=37,
    t_start=1795269598.8,
    t_end=1795269601.1,
    media_time=124.1,
    published_at=1795269601.2,
    label="joy",
    scores={"anger": 0.19, "joy": 0.81},
    head="audio",
    pools=Pools(5, 6, 5),
    segments=7,
)
STATUS = StatusEvent(
    stream="desk",
    session="7b1c",
    time=1795269601.0,
    clock_jump_s=0.0,
    uptime_s=125.0,
    state="running",
    rates=Rates(30.0, 29.0, 1.0, 3.33),
    levels=Levels(-31.5, 120.0, True, True),
    queues={"publisher": 0, "engine": 1},
    latency_ms=LatencyQuantiles(86.0, 90.0, 95.0, 101.0),
    stages_ms={"inference": 21.5},
    dropped=Dropped(),
    engine=EngineInfo("openvino", "CPU", "bf16"),
    bundle=BundleInfo("demo", "compact", False, "00ff"),
    sources=SourceStates("running", "lost"),
)
LOADING = msgspec.structs.replace(
    STATUS, state="loading", latency_ms=None, engine=None, bundle=None, levels=Levels(None, None, None, None)
)
EVENTS = [EMOTION, NOBODY, UTTERANCE, STATUS, LOADING]
ADDED_LATER = {"engine_retries", "replay", "losses"}  # what an older producer of version 1 leaves out

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("event", EVENTS)
def test_events_survive_a_round_trip(event):
    assert decode(encode(event)) == event


def test_fields_are_named_and_ordered_as_in_the_design():
    sample = json.loads(DESIGN_SAMPLE)
    event = decode(DESIGN_SAMPLE.encode())
    assert isinstance(event, EmotionEvent)
    assert event.type == "emotion"
    again = json.loads(encode(event))
    assert again == sample
    assert list(again) == list(sample)
    assert encode(event).startswith(b'{"version":1,"type":"emotion","stream":"desk"')


def in_one_order(schema):
    """Sort alternatives, whose order means nothing and differs between versions of msgspec."""
    if isinstance(schema, dict):
        ordered = {key: in_one_order(value) for key, value in schema.items()}
        if "anyOf" in ordered:
            ordered["anyOf"] = sorted(ordered["anyOf"], key=repr)
        return ordered
    return [in_one_order(item) for item in schema] if isinstance(schema, list) else schema


def test_the_schema_file_is_the_schema_of_the_classes():
    file = resources.files("emostream.streamer.protocol").joinpath("schema/event.v1.schema.json")
    assert in_one_order(json.loads(file.read_text(encoding="utf-8"))) == in_one_order(json_schema()), (
        "the events have changed: run `make schema`"
    )


@pytest.mark.parametrize("message", [DESIGN_SAMPLE.encode(), *map(encode, EVENTS)])
def test_real_events_fit_the_schema(message):
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(message), schema)


# Messages of older publishers lack them.
def test_the_schema_asks_for_every_field_and_allows_more():
    validator = jsonschema.Draft202012Validator(json_schema())
    for event in EVENTS:
        fields = json.loads(encode(event))
        assert validator.is_valid(fields | {"added_later": 1})
        for name in fields.keys() - ADDED_LATER:
            assert not validator.is_valid({key: value for key, value in fields.items() if key != name}), name


def test_unknown_fields_are_passed_over():
    fields = json.loads(encode(EMOTION)) | {"added_later": {"deep": [1, 2]}}
    fields["modalities"]["text"] = True
    assert decode(json.dumps(fields).encode()) == EMOTION


def test_a_status_of_an_older_emostream_has_no_replay():
    fields = json.loads(encode(STATUS))
    del fields["replay"]
    assert decode(json.dumps(fields).encode()).replay is None


@pytest.mark.parametrize("event", EVENTS)
def test_every_field_must_be_there(event):
    fields = json.loads(encode(event))
    for name in fields.keys() - ADDED_LATER:
        with pytest.raises(EventError):
            decode(json.dumps({key: value for key, value in fields.items() if key != name}).encode())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, ["version 2", "expected 1", "update"]),
        ({"version": 2, "type": "smell"}, ["version 2", "expected 1", "update"]),
        ({"type": "smell"}, ["'smell'", "emotion", "utterance", "status", "update"]),
        ({"version": 0}, ["version", "expected"]),
        ({"version": "1"}, ["expected"]),
        ({"seq": -1}, ["seq", "expected"]),
        ({"stream": "Desk/"}, ["stream", "expected"]),
        ({"head": "text"}, ["head", "expected"]),
    ],
)
def test_errors_name_what_was_got_and_expected(change, words):
    message = json.dumps(json.loads(encode(EMOTION)) | change).encode()
    with pytest.raises(EventError) as caught:
        decode(message)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [b"", b"{}", b"[]", b"hello", b"\xff\xfe", b'{"version":1', b"[" * 100_000, b'{"a":' * 100_000, b'{"\xff":1}'],
)
def test_what_is_no_event_is_refused(message):
    with pytest.raises(EventError, match="no event"):
        decode(message)


def test_numbers_out_of_range_are_refused():
    message = encode(EMOTION)
    for number in (b"NaN", b"Infinity", b"1e999", b"1" * 5000):
        with pytest.raises(EventError):
            decode(message.replace(b"123.655", number))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_event_error_only(message):
    with pytest.raises(EventError):
        decode(message)


@given(st.sampled_from(EVENTS), st.data())
def test_damaged_events_raise_event_error_only(event, data):
    fields = json.loads(encode(event))
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(json_values)
    message = bytearray(json.dumps(fields).encode())
    for _ in range(data.draw(st.integers(0, 2))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(message))
    except EventError:
        return
    assert decode(encode(decoded)) == decoded


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_refused_where_they_arise(number):
    with pytest.raises(ValueError, match="t_start"):
        UtteranceRef(37, number, Pools(5, 6, 5))
    with pytest.raises(ValueError, match="scores"):
        SegmentScores("joy", {"anger": 0.5, "joy": number}, "fused")
    with pytest.raises(ValueError, match="audio_dbfs"):
        Levels(number, None, None, None)


def test_events_are_immutable():
    with pytest.raises(AttributeError):
        EMOTION.label = "anger"


def test_topics_end_with_a_slash():
    assert topic(EMOTION) == b"emotion/desk/"
    assert topic(UTTERANCE) == b"emotion/desk/"
    assert topic(STATUS) == b"status/desk/"


@pytest.mark.parametrize("name", ["desk", "a", "room_2-b", "0" * 64])
def test_good_stream_names(name):
    check_stream_name(name)


@pytest.mark.parametrize("name", ["", "Desk", "a/b", "a b", "0" * 65, "desk\n", "tür"])
def test_bad_stream_names(name):
    with pytest.raises(ConfigError, match="stream name"):
        check_stream_name(name)


def test_ports():
    for good in ("tcp://127.0.0.1:0", "tcp://[::1]:65535", "tcp://*:05557", "tcp://*:*", "ipc:///tmp/a:99999", "x"):
        assert port_in_range(good), good
    for bad in ("tcp://127.0.0.1:65536", "tcp://127.0.0.1:" + "9" * 5000):
        assert not port_in_range(bad), bad
