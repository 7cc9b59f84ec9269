// The page: a card for each stream, kept up to date over one WebSocket.

import { Card } from "./card.js";
import { useColours } from "./colours.js";
import { Connection } from "./connection.js";

const ANNOUNCE_EVERY_MS = 4000;
const REASONS = {
  ended: "emostream has ended",
  full: "As many others as there is room for look already",
  lost: "emostream does not answer, or does not know this address",
};

const KEPT = {
  nothing: "Pictures and sound go to this page alone, and are not kept.",
  results: "Pictures and sound go to this page alone, and are not kept; what is recognised is.",
  media: "Pictures and sound are recorded, and so is what is recognised.",
};

const element = (id) => document.getElementById(id);
const token = location.hash.slice(1);
let cards = new Map();
let shown = ""; // which streams and labels the cards are for
let catchingUp = true;
let announcedAt = 0;
let announced = "";

function toggle(id, act) {
  const button = element(id);
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", pressed);
    act(pressed);
  });
  return () => button.getAttribute("aria-pressed") === "true";
}

function say(text, state) {
  const line = element("connection");
  if (line.textContent !== text) line.textContent = text;
  line.dataset.state = state;
}

function begin({ version, labels, colours, bundle, kept, shift_s: shift, streams }) {
  catchingUp = true;
  useColours(colours);
  const names = streams.map(({ name }) => name);
  const now = JSON.stringify([streams, labels]);
  if (now === shown) {
    for (const card of cards.values()) card.reset();
  } else {
    shown = now;
    for (const card of cards.values()) card.remove();
    cards = new Map(streams.map((stream) => [stream.name, new Card(stream, labels, shift, token)]));
    element("streams").replaceChildren(...[...cards.values()].map((card) => card.element));
  }
  element("untrained").hidden = bundle.trained;
  element("recording").hidden = kept !== "media";
  element("kept").textContent = KEPT[kept];
  element("about").textContent = `emostream ${version}, bundle ${bundle.name}`;
  document.title = names.length === 1 ? `emostream: ${names[0]}` : `emostream: ${names.length} streams`;
}

function take(message) {
  if (message.type === "hello") {
    begin(message);
  } else if (message.type === "caught-up") {
    catchingUp = false;
    if (!paused()) for (const card of cards.values()) card.draw();
  } else if (message.type === "levels") {
    for (const [name, levels] of Object.entries(message.streams)) if (!paused()) cards.get(name)?.showLevels(levels);
  } else {
    const card = cards.get(message.stream);
    card?.take(message);
    if (!catchingUp && !paused()) {
      card?.draw();
      announce(message);
    }
  }
}

/** Says a new label to a screen reader, not more often than one can listen. */
function announce({ type, stream, label, scores }) {
  const now = performance.now();
  if (!announcing() || type !== "emotion" || !label || now - announcedAt < ANNOUNCE_EVERY_MS) return;
  const said = cards.size > 1 ? `${stream}: ${label}` : label;
  if (said === announced) return;
  announced = said;
  announcedAt = now;
  element("announcer").textContent = `${said}, ${Math.round(100 * scores[label])} percent`;
}

async function show(about, blob) {
  try {
    if (!paused()) await cards.get(about.stream)?.picture.draw(about, blob);
  } finally {
    connection.shown(about.stream, about.number);
  }
}

const paused = toggle("pause", (pressed) => {
  connection.look(!pressed);
  if (!pressed) for (const card of cards.values()) card.draw();
});
toggle("mirror", (pressed) => {
  for (const card of cards.values()) card.picture.element.classList.toggle("mirrored", pressed);
});
// Not by the address, whose last part is the token.
document.querySelector(".skip").addEventListener("click", (click) => {
  click.preventDefault();
  element("streams").focus();
});
const announcing = toggle("announce", () => {
  announced = "";
});

let connection;
if (token) {
  connection = new Connection(token, {
    onText: take,
    onPicture: show,
    onState: (state, pause) => {
      if (state === "connected") say("Connected", state);
      else say(`${REASONS[state]}; trying again in ${pause} s`, "lost");
    },
  });
} else {
  say("This address lacks its last part, the token; open the address that emostream printed", "lost");
}
