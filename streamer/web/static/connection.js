// The WebSocket to the session, which is opened again whenever it is lost.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const CLOSED = { 1012: "ended", 4503: "full" };

/** Subprotocols that carry the token: no request has it in its address. */
export function protocols(token) {
  return ["emostream.v1", `token.${token}`];
}

export function address(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

export class Connection {
  /** handlers: onText(object), onPicture(about, blob), onState(state, pauseSeconds); state: connected, ended, full, lost */
  constructor(token, handlers) {
    this.token = token;
    this.handlers = handlers;
    this.pause = FIRST_PAUSE_MS;
    this.state = "lost";
    this.looking = !document.hidden;
    document.addEventListener("visibilitychange", () => this.#tellLooking());
    this.#open();
  }

  shown(stream, number) {
    this.#say({ shown: number, stream });
  }

  look(wanted) {
    this.looking = wanted;
    this.#tellLooking();
  }

  #tellLooking() {
    this.#say({ look: this.looking && !document.hidden });
  }

  #say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #open() {
    const socket = new WebSocket(address("/live"), protocols(this.token));
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.pause = FIRST_PAUSE_MS;
      this.state = "lost";
      this.#tellLooking();
      this.handlers.onState("connected", 0);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.handlers.onText(JSON.parse(data));
      else this.#unpack(data);
    };
    socket.onclose = ({ code }) => {
      if (code in CLOSED) this.state = CLOSED[code]; // and stays so until it answers again
      this.handlers.onState(this.state, this.pause / 1000);
      setTimeout(() => this.#open(), this.pause);
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
    };
  }

  /** A picture: the length of a JSON object (4 bytes, little endian), the object, a JPEG. */
  #unpack(data) {
    const length = new DataView(data).getUint32(0, true);
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.handlers.onPicture(about, new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  }
}
