// In the audio thread: gathers what the microphone gives into blocks of 20 ms, as 16-bit integers.

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 50));
    this.filled = 0;
  }

  process([channels]) {
    const count = channels.length;
    for (let i = 0; count && i < channels[0].length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.block[this.filled] = Math.max(-32768, Math.min(32767, Math.round((32768 * sum) / count)));
      this.filled += 1;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
