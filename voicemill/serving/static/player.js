// Plays a WAV file while it comes, and keeps it for listening again and for the download.

const LEAD = 0.15;

export class Player {
  constructor() {
    this.context = new AudioContext();
    this.parts = [];
    this.size = 0;
    this.head = null;
    this.rest = new Uint8Array(0);
    this.next = 0;
    this.sources = new Set();
  }

  // Takes the next bytes of the file.
  add(bytes) {
    this.parts.push(bytes);
    this.size += bytes.length;
    this.rest = joined([this.rest, bytes]);
    if (!this.head) this.readHead();
    if (this.head) this.play();
  }

  readHead() {
    const view = new DataView(this.rest.buffer, this.rest.byteOffset, this.rest.length);
    let at = 12, rate = 0;
    while (at + 8 <= this.rest.length) {
      const name = String.fromCharCode(...this.rest.subarray(at, at + 4));
      if (name === "fmt " && at + 16 <= this.rest.length) rate = view.getUint32(at + 12, true);
      if (name === "data") {
        this.head = { rate, size: at + 8 };
        this.rest = this.rest.slice(at + 8);
        return;
      }
      const length = view.getUint32(at + 4, true);
      at += 8 + length + (length % 2);
    }
  }

  play() {
    const count = this.rest.length >> 1;
    if (!count) return;
    const samples = new Int16Array(this.rest.slice(0, 2 * count).buffer);
    this.rest = this.rest.slice(2 * count);
    const buffer = this.context.createBuffer(1, count, this.head.rate);
    const channel = buffer.getChannelData(0);
    for (let i = 0; i < count; i++) channel[i] = samples[i] / 32768;
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    // What comes late begins a moment later, so that the next part has time to come.
    if (this.next < this.context.currentTime) this.next = this.context.currentTime + LEAD;
    source.start(this.next);
    this.next += buffer.duration;
    this.sources.add(source);
    source.onended = () => this.sources.delete(source);
  }

  get seconds() {
    return this.head ? (this.size - this.head.size) / 2 / this.head.rate : 0;
  }

  // Resolves when all that came was played.
  async played() {
    while (this.sources.size) await new Promise((done) => setTimeout(done, 50));
  }

  stop() {
    for (const source of this.sources) source.stop();
    this.sources.clear();
    this.context.close();
  }

  // The file, with its true lengths: what the server sends is as long as it becomes.
  file() {
    const bytes = joined(this.parts);
    const view = new DataView(bytes.buffer);
    view.setUint32(4, bytes.length - 8, true);
    view.setUint32(this.head.size - 4, bytes.length - this.head.size, true);
    return new Blob([bytes], { type: "audio/wav" });
  }
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
