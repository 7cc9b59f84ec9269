// Gives this browser's camera and microphone to a stream. The messages are described in feeding.py.

import { address, protocols } from "./connection.js";

const [CLOCK, SOUND, PICTURE] = [0, 1, 2];
const HEADER_BYTES = 24;
const GREETINGS = 8; // that tell how the clocks differ before anything else is on the line
const GREETING_EVERY_MS = 50;
const WIDTH = 640;
const QUALITY = 0.85;
const MOST_WAITING_BYTES = 500_000; // on a slow line pictures are left out first
const OCCUPIED = 4409;

const AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }; // the networks want the voice as it is
const VIDEO = { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" };

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use the camera or microphone. Allow it beside the address bar, then try again.",
  NotFoundError: "There is no camera and no microphone here. Plug one in, then try again.",
  NotReadableError: "Another program uses the camera or microphone. End it, then try again.",
};

export class Feed {
  constructor(element, stream, wanted, token) {
    this.element = element;
    this.stream = stream;
    this.wanted = wanted;
    this.token = token;
    this.button = element.querySelector(".feed-button");
    this.said = element.querySelector(".feed-said");
    this.preview = element.querySelector(".feed-preview");
    element.hidden = false;
    this.idleText = this.#idleText();
    this.button.textContent = this.idleText;
    this.button.addEventListener("click", () => (this.media ? this.#end("") : this.#begin()));
  }

  #idleText() {
    const names = { audio: "microphone", video: "camera" };
    return `Use this device's ${["video", "audio"].filter((m) => this.wanted.includes(m)).map((m) => names[m]).join(" and ")}`;
  }

  async #begin() {
    this.said.textContent = "";
    if (!navigator.mediaDevices?.getUserMedia) {
      this.said.textContent = "Browsers give camera and microphone only to pages of this machine (localhost) or over HTTPS.";
      return;
    }
    this.button.disabled = true;
    try {
      this.media = await this.#ask();
      await this.#connect();
    } catch (error) {
      this.#end(REFUSALS[error.name] ?? `That did not work: ${error.message}`);
    } finally {
      this.button.disabled = false;
    }
  }

  /** Camera and microphone, or the one that is there. */
  async #ask() {
    const all = { audio: this.wanted.includes("audio") && AUDIO, video: this.wanted.includes("video") && VIDEO };
    try {
      return await navigator.mediaDevices.getUserMedia(all);
    } catch (error) {
      if (error.name !== "NotFoundError" || this.wanted.length < 2) throw error;
    }
    try {
      return await navigator.mediaDevices.getUserMedia({ video: VIDEO });
    } catch (error) {
      if (error.name !== "NotFoundError") throw error;
    }
    return navigator.mediaDevices.getUserMedia({ audio: AUDIO });
  }

  #connect() {
    const socket = new WebSocket(address(`/feed/${this.stream}`), protocols(this.token));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    return new Promise((resolve, reject) => {
      socket.onmessage = () => resolve(this.#run(socket));
      socket.onclose = ({ code, reason }) => {
        const said = code === OCCUPIED ? "Another browser gives its camera and microphone to this stream." : reason || "The connection was lost.";
        reject(new Error(said));
        if (this.socket === socket) this.#end(said);
      };
    });
  }

  async #run(socket) {
    this.button.textContent = "Stop";
    for (const track of this.media.getTracks()) track.onended = () => this.#end("The camera or microphone was unplugged, or its permission withdrawn.");
    for (let i = 0; i < GREETINGS; i += 1) {
      this.#send(socket, CLOCK, 0, 0, new Uint8Array());
      await new Promise((resolve) => setTimeout(resolve, GREETING_EVERY_MS));
    }
    if (this.media?.getVideoTracks().length) await this.#runPictures(socket);
    if (this.media?.getAudioTracks().length) await this.#runSound(socket);
  }

  async #runPictures(socket) {
    const { preview } = this;
    preview.srcObject = this.media;
    preview.hidden = false;
    await preview.play();
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    const next = (callback) => (preview.requestVideoFrameCallback ? preview.requestVideoFrameCallback(callback) : setTimeout(() => callback(performance.now(), {}), 33));
    let packing = 0;
    const take = (now, { captureTime }) => {
      if (this.socket !== socket) return;
      next(take);
      if (packing > 1 || socket.bufferedAmount > MOST_WAITING_BYTES || !preview.videoWidth) return;
      canvas.width = Math.min(WIDTH, preview.videoWidth);
      canvas.height = Math.round((canvas.width * preview.videoHeight) / preview.videoWidth);
      context.drawImage(preview, 0, 0, canvas.width, canvas.height);
      packing += 1;
      canvas.toBlob(async (blob) => {
        packing -= 1;
        if (blob) this.#send(socket, PICTURE, 0, (captureTime ?? now) / 1000, new Uint8Array(await blob.arrayBuffer()));
      }, "image/jpeg", QUALITY);
    };
    next(take);
  }

  async #runSound(socket) {
    const context = new AudioContext();
    this.context = context;
    await context.audioWorklet.addModule("capture.js");
    const capture = new AudioWorkletNode(context, "capture");
    capture.port.onmessage = ({ data }) => this.#send(socket, SOUND, context.sampleRate, performance.now() / 1000, new Uint8Array(data.buffer));
    context.createMediaStreamSource(this.media).connect(capture).connect(context.destination); // which plays its silence
    await context.resume();
  }

  #send(socket, kind, rate, t, payload) {
    if (socket.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(HEADER_BYTES + payload.length);
    const view = new DataView(message.buffer);
    view.setUint8(0, kind);
    view.setUint32(4, rate, true);
    view.setFloat64(8, t, true);
    view.setFloat64(16, performance.now() / 1000, true);
    message.set(payload, HEADER_BYTES);
    socket.send(message);
  }

  /** Gives no more. */
  end() {
    this.#end("");
  }

  #end(said) {
    const { socket, media, context } = this;
    this.socket = this.media = this.context = null;
    socket?.close();
    for (const track of media?.getTracks() ?? []) track.stop();
    context?.close();
    this.preview.srcObject = null;
    this.preview.hidden = true;
    this.button.textContent = this.idleText;
    this.said.textContent = said;
  }
}
