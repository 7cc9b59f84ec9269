"""Events for an MQTT broker: `pip install paho-mqtt`, then `python mqtt_bridge.py --broker HOST [--tls --user NAME]`.

    PREFIX/STREAM/emotion, PREFIX/STREAM/utterance    the JSON of each event, as emostream published it
    PREFIX/STREAM/label                               the label when it changes, or `none`; retained
    PREFIX/bridge                                     `online`, or `offline` once this program has gone; retained

The broker confirms each message (QoS 1) before the next event is taken. What came while it was away is sent once it is
back, and with `--cursor FILE` also what came while this program was away: emostream gives both again, as long as it
keeps them. Where a confirmation was lost, a message comes twice; its `session` and `seq` tell.

The password is read from the variable MQTT_PASSWORD, since other users of the machine see a command line. Without
`--tls` everything goes unencrypted: keep it on this machine, or in a network that you trust.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from emostream.engines.errors import EmostreamError
from emostream.streamer.client.cursor_file import read_cursors, write_cursors
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT, EmotionEvent, UtteranceEvent


class Broker:
    """A connection that hands on one message at a time, and comes back by itself."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Begin to connect; a broker that can't be reached is tried again."""
        self._bridge = f"{options.prefix}/bridge"
        self._confirmed: queue.SimpleQueue[int] = queue.SimpleQueue()  # numbers of messages
        client = self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: print("the broker can't be reached; trying again", flush=True)
        client.on_disconnect = lambda _client, _data, _flags, reason, _more: print(f"broker: {reason}", flush=True)
        client.on_publish = lambda _client, _data, number, _reason, _more: self._confirmed.put(number)
        client.will_set(self._bridge, "offline", qos=1, retain=True)
        if options.user:
            client.username_pw_set(options.user, os.environ.get("MQTT_PASSWORD"))
        if options.tls:
            client.tls_set()
        client.connect_async(options.broker, options.port)
        client.loop_start()

    def send(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Hand a message on, and wait until the broker has it, however long that takes."""
        number = self._client.publish(topic, payload, qos=1, retain=retain).mid
        while self._confirmed.get() != number:
            pass

    def close(self) -> None:
        """Say good-bye."""
        self._client.publish(self._bridge, "offline", qos=1, retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        print(f"broker: {reason}", flush=True)
        client.publish(self._bridge, "online", qos=1, retain=True)


def bridge(broker: Broker, options: argparse.Namespace) -> None:
    """Hand on events for ever."""
    labels: dict[str, str] = {}  # by stream, as the broker has them
    cursors = read_cursors(options.cursor) if options.cursor else []
    with Subscriber(options.endpoint, stream=options.stream, replay=True, cursor=cursors) as events:
        for event in events:
            if not isinstance(event, (EmotionEvent, UtteranceEvent)):
                continue
            broker.send(f"{options.prefix}/{event.stream}/{event.type}", events.message)
            label = event.label or "none"
            if isinstance(event, EmotionEvent) and label != labels.get(event.stream):
                broker.send(f"{options.prefix}/{event.stream}/label", label, retain=True)
                labels[event.stream] = label
            if options.cursor:
                write_cursors(options.cursor, events.cursors.values())


def main() -> None:
    """Read the options, and go on until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Hand on emostream's events to an MQTT broker.")
    parser.add_argument("endpoint", nargs="?", default=DEFAULT_ENDPOINT, help="where an emostream publishes")
    parser.add_argument("--stream", help="only this stream")
    parser.add_argument("--cursor", type=Path, metavar="FILE", help="go on behind what was handed on last")
    parser.add_argument("--broker", default="127.0.0.1", metavar="HOST")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="emostream", help="of all topics")
    parser.add_argument("--tls", action="store_true", help="encrypt; the port is 8883 with most brokers")
    parser.add_argument("--user", metavar="NAME")
    options = parser.parse_args()
    broker = Broker(options)
    try:
        bridge(broker, options)
    except KeyboardInterrupt:
        pass
    except EmostreamError as error:  # no endpoint, or a cursor that can't be read or written
        sys.exit(f"mqtt_bridge.py: {error}")
    finally:
        broker.close()


if __name__ == "__main__":
    main()
