// Everything that is shown of one stream.

import { colourOf, dashOf, onThemeChange } from "./colours.js";
import { Feed } from "./feed.js";
import { Picture } from "./picture.js";
import { Timeline } from "./timeline.js";

const HEADS = { fused: "from voice and face", audio: "from the voice", video: "from the face" };
const REASONS = {
  no_face: "no face", no_voice: "no speech", source_lost: { audio: "microphone", video: "camera" },
};
const STATES = { lost: "lost", ended: "ended", waiting: "waiting" };
const QUIETEST_DB = -70;

const percent = (score) => (score === undefined || score === null ? "-" : `${Math.round(100 * score)} %`);
const milliseconds = (value) => (value === null || value === undefined ? "-" : `${Math.round(value)} ms`);

export class Card {
  constructor({ name, browser }, labels, shift, token) {
    this.name = name;
    this.labels = labels;
    this.element = document.getElementById("card").content.cloneNode(true).firstElementChild;
    const find = (selector) => this.element.querySelector(selector);
    this.parts = Object.fromEntries(["state", "label", "head", "voice", "speech", "figures", "key", "pooled-over"].map((part) => [part, find(`.${part}`)]));
    this.meter = find(".meter");
    find(".name").textContent = name;
    find(".name").id = `stream-${name}`;
    this.element.setAttribute("aria-labelledby", `stream-${name}`);
    this.picture = new Picture(find(".picture"));
    this.rows = labels.map((label, index) => this.#row(find(".bars tbody"), label, index));
    this.removal = new AbortController();
    this.timeline = new Timeline(find(".chart"), labels, shift, this.removal.signal);
    this.event = null;
    this.status = null;
    this.#drawKey();
    onThemeChange(() => this.#recolour(), this.removal.signal);
    if (browser.length) this.feed = new Feed(find(".feed"), name, browser, token);
  }

  /** Ends what goes on for it. */
  remove() {
    this.removal.abort();
    this.feed?.end();
    this.element.remove();
  }

  /** Forgets what was before, because the session tells it again. */
  reset() {
    this.event = null;
    this.status = null;
    this.timeline.clear();
  }

  take(message) {
    if (message.type === "emotion") {
      this.event = message;
      this.timeline.add(message);
    } else if (message.type === "status") {
      this.status = message;
      if (message.sources.video !== "running") this.picture.clear();
    }
  }

  showLevels({ audio_dbfs, speech }) {
    const level = audio_dbfs === null ? QUIETEST_DB : Math.max(QUIETEST_DB, Math.min(0, audio_dbfs));
    this.meter.firstElementChild.style.width = `${100 * (1 - level / QUIETEST_DB)}%`;
    this.meter.setAttribute("aria-valuenow", Math.round(level));
    this.meter.setAttribute("aria-valuetext", audio_dbfs === null ? "no sound" : `${Math.round(level)} decibels`);
    this.parts.voice.classList.toggle("speaking", speech === true);
    this.parts.speech.textContent = audio_dbfs === null ? "-" : speech ? "speech" : "no speech";
  }

  draw() {
    this.#drawScores();
    this.#drawState();
    this.#drawFigures();
    this.timeline.draw();
  }

  #row(body, label, index) {
    const row = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = label;
    row.append(head);
    const bar = document.createElement("div");
    bar.className = "bar";
    const [pooled, alone] = ["pooled", "alone"].map((name) => {
      const part = document.createElement("div");
      part.className = name;
      part.style.background = colourOf(index);
      bar.append(part);
      return part;
    });
    row.insertCell().append(bar);
    const [total, segment] = ["number", "number segment"].map((name) => {
      const cell = row.insertCell();
      cell.className = name;
      return cell;
    });
    return { label, row, pooled, alone, total, segment };
  }

  #drawScores() {
    const { event } = this;
    this.parts.label.textContent = event?.label ?? "-";
    this.parts.head.textContent = event ? this.#told(event) : "nothing yet";
    this.parts["pooled-over"].textContent = event?.label && !event.utterance ? "3 seconds" : "utterance";
    for (const { label, row, pooled, alone, total, segment } of this.rows) {
      const score = event?.scores?.[label];
      const own = event?.segment?.scores[label];
      row.classList.toggle("best", event?.label === label);
      pooled.style.width = `${100 * (score ?? 0)}%`;
      alone.style.width = `${100 * (own ?? 0)}%`;
      total.textContent = percent(score);
      segment.textContent = percent(own);
    }
  }

  #told(event) {
    if (event.label) {
      const utterance = event.utterance ? `, utterance ${event.utterance.id}` : "";
      return `${percent(event.scores[event.label])} ${HEADS[event.head]}${utterance}`;
    }
    const missing = ["video", "audio"].map((modality) => {
      const reason = REASONS[event.reason[modality]];
      if (typeof reason !== "object") return reason;
      return `${reason[modality]} ${STATES[this.status?.sources[modality]] ?? "lost"}`;
    });
    return missing.filter(Boolean).join(", ");
  }

  #drawState() {
    const { status } = this;
    if (!status) return;
    const said = [["camera", status.sources.video], ["microphone", status.sources.audio]]
      .filter(([, state]) => state !== "off")
      .map(([source, state]) => `${source}${STATES[state] ? ` ${STATES[state]}` : ""}`);
    this.parts.state.textContent = status.state === "running" ? said.join(", ") : status.state;
    const lost = Object.values(status.sources).includes("lost");
    this.parts.state.dataset.state = lost ? "lost" : "well";
  }

  #drawFigures() {
    const { event, status } = this;
    const dropped = event?.dropped ?? status?.dropped;
    const figures = {
      "latency": milliseconds(event?.latency_ms),
      "latency, median": milliseconds(status?.latency_ms?.p50),
      "latency, 99th percentile": milliseconds(status?.latency_ms?.p99),
      "pictures": status ? `${status.rates.frames_per_s.toFixed(1)} a second` : "-",
      "segments": status ? `${status.rates.segments_per_s.toFixed(1)} a second` : "-",
      "dropped": dropped ? `${dropped.segments} segments, ${dropped.frames} pictures, ${Math.round(dropped.audio_ms)} ms of sound` : "-",
    };
    this.parts.figures.replaceChildren(...Object.entries(figures).map(([name, value]) => {
      const pair = document.createElement("div");
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      text.textContent = value;
      text.dataset.figure = name;
      pair.append(term, text);
      return pair;
    }));
  }

  #drawKey() {
    const space = "http://www.w3.org/2000/svg";
    this.parts.key.replaceChildren(...this.labels.map((label, index) => {
      const item = document.createElement("li");
      const drawing = document.createElementNS(space, "svg");
      drawing.setAttribute("viewBox", "0 0 32 12");
      drawing.setAttribute("aria-hidden", "true");
      const line = document.createElementNS(space, "line");
      for (const [name, value] of Object.entries({ x1: 0, y1: 6, x2: 32, y2: 6, "stroke-width": 3, "stroke-dasharray": dashOf(index).join(" "), stroke: colourOf(index) })) line.setAttribute(name, value);
      drawing.append(line);
      item.append(drawing, label);
      return item;
    }));
  }

  #recolour() {
    this.rows.forEach(({ pooled, alone }, index) => {
      pooled.style.background = alone.style.background = colourOf(index);
    });
    this.#drawKey();
  }
}
