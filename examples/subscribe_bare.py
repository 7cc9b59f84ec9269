"""A subscriber in bare pyzmq: `python subscribe_bare.py [ENDPOINT]`."""

import json
import sys

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5557")
socket.subscribe("emotion/")
while True:
    topic, message = socket.recv_multipart()
    event = json.loads(message)
    print(event["stream"], event["label"], event["scores"], flush=True)
