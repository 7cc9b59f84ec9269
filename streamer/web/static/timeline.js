// The scores of the last minutes, with utterances shaded and a strip each for face and speech.

import { colourOf, dashOf, onThemeChange, styled } from "./colours.js";

const SHOWN_S = 180;
const SHORTEST_S = 30; // that are shown when it has just begun
const HEIGHT = 230;
const FACE_STRIP = [-0.19, -0.12];
const SPEECH_STRIP = [-0.09, -0.02];
const LOWEST = -0.22;
const LONGEST_STEP_S = 1.5; // between events that follow one another; a longer pause is a gap

export class Timeline {
  constructor(element, labels, shift, signal) {
    this.element = element;
    this.labels = labels;
    this.shift = shift; // seconds from one segment to the next
    this.events = [];
    const resizes = new ResizeObserver(() => this.#resize());
    resizes.observe(element);
    signal.addEventListener("abort", () => resizes.disconnect());
    onThemeChange(() => this.#build(), signal);
    this.#build();
  }

  clear() {
    this.events = [];
  }

  add(event) {
    this.events.push(event);
    const oldest = event.t_end - SHOWN_S - 5;
    while (this.events.length && this.events[0].t_end < oldest) this.events.shift();
  }

  draw() {
    const times = this.events.map((event) => event.t_end);
    const lines = this.labels.map((label) => this.events.map((event) => event.scores?.[label] ?? null));
    const end = times.at(-1) ?? Date.now() / 1000;
    this.plot.setData([times, ...lines], false);
    const begin = Math.min(Math.max(times[0] ?? 0, end - SHOWN_S), end - SHORTEST_S);
    this.plot.setScale("x", { min: begin, max: end });
    this.element.setAttribute("aria-label", this.#inWords());
  }

  #build() {
    this.plot?.destroy();
    const quiet = styled("--quiet");
    const line = styled("--line");
    const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    this.plot = new uPlot({
      width: Math.max(this.element.clientWidth, 200),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 8, 0, 0],
      scales: { x: { time: true }, y: { range: [LOWEST, 1] } },
      axes: [
        { ...axis, values: (plot, times) => times.map((t) => new Date(1000 * t).toLocaleTimeString([], { timeStyle: "medium" })), space: 90 },
        { ...axis, size: 68, splits: () => [0.5 * (FACE_STRIP[0] + FACE_STRIP[1]), 0.5 * (SPEECH_STRIP[0] + SPEECH_STRIP[1]), 0, 0.5, 1],
          values: () => ["face", "speech", "", "50 %", "100 %"] },
      ],
      series: [{}, ...this.labels.map((label, index) => ({
        label,
        stroke: colourOf(index),
        dash: dashOf(index),
        width: 2,
        points: { show: false },
        spanGaps: false,
      }))],
      hooks: { drawClear: [(plot) => this.#drawBehind(plot)] },
    }, [[], ...this.labels.map(() => [])], this.element);
    this.draw();
  }

  #resize() {
    const width = this.element.clientWidth;
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  /** Utterances, and where there was a face and speech. */
  #drawBehind(plot) {
    const { ctx, bbox } = plot;
    const [shade, there, lost] = ["--shade", "--good", "--bad"].map(styled);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    this.events.forEach((event, index) => {
      const before = this.events[index - 1]?.t_end;
      const begin = before !== undefined && event.t_end - before < LONGEST_STEP_S ? before : event.t_end - this.shift;
      const left = Math.floor(plot.valToPos(begin, "x", true));
      const width = Math.ceil(plot.valToPos(event.t_end, "x", true)) - left;
      const fill = (colour, [low, high]) => {
        const top = plot.valToPos(high, "y", true);
        ctx.fillStyle = colour;
        ctx.fillRect(left, top, width, plot.valToPos(low, "y", true) - top);
      };
      if (event.utterance) fill(shade, [0, 1]);
      for (const [modality, strip] of [["video", FACE_STRIP], ["audio", SPEECH_STRIP]]) {
        if (event.modalities[modality]) fill(there, strip);
        else if (event.reason[modality] === "source_lost") fill(lost, strip);
      }
    });
    ctx.restore();
  }

  #inWords() {
    const count = this.events.length;
    if (!count) return "No events yet";
    const share = (test) => Math.round((100 * this.events.filter(test).length) / count);
    const times = new Map();
    for (const { label } of this.events) if (label) times.set(label, (times.get(label) ?? 0) + 1);
    const most = [...times].sort((a, b) => b[1] - a[1]).slice(0, 3);
    const labels = most.map(([label, n]) => `${label} in ${Math.round((100 * n) / count)} percent`).join(", ");
    const utterances = new Set(this.events.map((event) => event.utterance?.id).filter((id) => id !== undefined)).size;
    return `${count} segments: ${labels || "no emotion"}; a face in ${share((e) => e.modalities.video)} percent, ` +
      `speech in ${share((e) => e.modalities.audio)} percent; utterances: ${utterances}`;
  }
}
