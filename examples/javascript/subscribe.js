// A subscriber in JavaScript: `npm ci && node subscribe.js [ENDPOINT [STREAM]]`.
//
// Prints a line for each event: stream, number, label or "-", its score. A message has two frames, the topic and UTF-8
// JSON; events of one session are numbered without gaps, so that a subscriber sees what it missed.

import { Subscriber } from "zeromq";

const [endpoint = "tcp://127.0.0.1:5557", stream] = process.argv.slice(2);

const socket = new Subscriber();
socket.connect(endpoint);
socket.subscribe(stream ? `emotion/${stream}/` : "emotion/");

const next = new Map(); // by stream: the session, and the number that comes next

for await (const [, message] of socket) {
  const event = JSON.parse(message.toString());
  const before = next.get(event.stream);
  if (before?.session === event.session && event.seq > before.seq) {
    console.error(`${event.stream}: missed ${event.seq - before.seq} events`);
  }
  next.set(event.stream, { session: event.session, seq: event.seq + 1 });
  const score = event.label === null ? 0 : event.scores[event.label];
  console.log(`${event.stream} ${event.seq} ${event.label ?? "-"} ${score.toFixed(4)}`);
}
