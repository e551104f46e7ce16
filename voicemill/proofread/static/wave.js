// The waveform of the clip at hand, with a line where it plays and would be split.

import { call } from "./api.js";

const RATE = 32_000;

export class Wave {
  constructor(element) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.audio = element.querySelector("audio");
    this.clip = null;
    this.peaks = [];
    this.seconds = 0;
    this.at = 0;
    this.canvas.addEventListener("pointerdown", (event) => this.point(event));
    this.canvas.addEventListener("pointermove", (event) => event.buttons && this.point(event));
    this.audio.addEventListener("play", () => this.follow());
    this.audio.addEventListener("ended", () => this.move(0));
    // A clip that is not loaded yet forgets where it was told to begin.
    this.audio.addEventListener("loadedmetadata", () => { this.audio.currentTime = this.at; });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(base, clip, seconds) {
    if (this.clip === clip) return;
    this.audio.pause();
    Object.assign(this, { base, clip, seconds, at: 0, peaks: [] });
    this.load();
  }

  // A clip that came into sight while the server could not be reached.
  retry() {
    if (this.clip && !this.peaks.length) this.load();
  }

  async load() {
    const { base, clip } = this;
    this.audio.src = `${base}/audio/${encodeURIComponent(clip)}`;
    this.draw();
    const found = await call(`${base}/peaks/${encodeURIComponent(clip)}`).catch(() => null);
    if (!found || this.clip !== clip) return;
    this.peaks = found.peaks;
    this.seconds = found.samples / RATE;
    this.draw();
  }

  toggle() {
    if (this.audio.paused) this.audio.play().catch(() => {});
    else this.audio.pause();
  }

  // Where the line is, in samples from the clip's start.
  get sample() {
    return Math.round(this.at * RATE);
  }

  move(seconds) {
    this.at = Math.min(Math.max(seconds, 0), this.seconds);
    if (this.audio.readyState) this.audio.currentTime = this.at;
    this.draw();
  }

  point(event) {
    this.move((event.offsetX / this.canvas.clientWidth) * this.seconds);
  }

  follow() {
    if (this.audio.paused) return;
    this.at = this.audio.currentTime;
    this.draw();
    requestAnimationFrame(() => this.follow());
  }

  draw() {
    const { canvas, peaks } = this;
    const scale = devicePixelRatio;
    const width = (canvas.width = canvas.clientWidth * scale);
    const height = (canvas.height = canvas.clientHeight * scale);
    const brush = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    brush.clearRect(0, 0, width, height);
    const columns = peaks.length / 2;
    const loudest = Math.max(16, ...peaks.map(Math.abs));
    const line = (this.at / this.seconds) * width || 0;
    for (let column = 0; column < columns; column++) {
      const x = (column / columns) * width;
      const top = (0.5 - peaks[2 * column + 1] / loudest / 2.1) * height;
      const bottom = (0.5 - peaks[2 * column] / loudest / 2.1) * height;
      brush.fillStyle = style.getPropertyValue(x < line ? "--wave-heard" : "--wave");
      brush.fillRect(x, top, Math.max(width / columns - 0.5, 1), Math.max(bottom - top, 1));
    }
    brush.fillStyle = style.getPropertyValue("--line");
    brush.fillRect(line - scale, 0, 2 * scale, height);
  }
}
