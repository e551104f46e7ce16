// Changes on their way to the server. Each is in the browser's storage from the moment it is made until the server has
// it, so that neither a reload nor a crash loses it, and is sent again under the same name until there is an answer.

import { call } from "./api.js";

const PREFIX = "voicemill.queue.";
const LONGEST_PAUSE = 15_000;
const ABANDONED = 20_000;

export class Queue extends EventTarget {
  // Events: "applied" {entry, result}, "conflict" {entry}, "refused" {entry}, "state".
  constructor(base, key) {
    super();
    this.base = base;
    this.key = key;
    this.entries = [];
    this.state = "online";
    this.running = false;
    this.wake = () => {};
    addEventListener("online", () => this.wake());
    setInterval(() => this.entries.length && this.save(), ABANDONED / 4);
  }

  // The queue of this tab, with what tabs that are gone could not send.
  static async open(base, run) {
    const prefix = `${PREFIX}${run}.`;
    let tab = sessionStorage.getItem("voicemill.tab");
    // A tab that was duplicated has its original's name.
    if (!tab || !(await hold(prefix + tab))) {
      tab = crypto.getRandomValues(new Uint32Array(2)).join("-");
      sessionStorage.setItem("voicemill.tab", tab);
      await hold(prefix + tab);
    }
    const queue = new Queue(base, prefix + tab);
    queue.entries = load(queue.key).entries;
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(prefix) || key === queue.key) continue;
      if (!(await isAbandoned(key))) continue;
      queue.entries.push(...load(key).entries);
      queue.save();
      localStorage.removeItem(key);
    }
    queue.run();
    return queue;
  }

  // Make an edit: {action, clip, version, ...}.
  put(edit) {
    this.keep(edit);
    this.run();
  }

  // Keep an edit; it is sent with the next that is made, or when `run` is called.
  keep(edit) {
    const last = this.entries.findLast((entry) => touches(entry.edit, edit.clip));
    const both = last?.edit.action === "text" && edit.action === "text";
    if (both && last.state === "waiting" && !last.tried) {
      // Never sent, so it can say the later words; under another name, in case another tab took the earlier ones.
      last.edit = { ...edit, version: last.edit.version, id: name() };
    } else if (both && last.state !== "waiting") {
      last.edit = { ...last.edit, text: edit.text, language: edit.language };
    } else {
      this.entries.push({ edit: { ...edit, id: name() }, state: "waiting", tried: false });
    }
    this.save();
    this.tell("state");
  }

  of(clip) {
    return this.entries.findLast((entry) => touches(entry.edit, clip));
  }

  isUndecided(clip) {
    return this.of(clip)?.state === "conflict";
  }

  get waiting() {
    return this.entries.filter((entry) => entry.state === "waiting");
  }

  get decisions() {
    return this.entries.filter((entry) => entry.state === "conflict");
  }

  // Decide a conflict: with mine, the edit is made again on top of theirs.
  decide(entry, mine) {
    const theirs = entry.theirs[entry.edit.clip];
    if (mine && theirs?.row) {
      entry.edit = { ...entry.edit, id: name(), version: theirs.version };
      Object.assign(entry, { state: "waiting", tried: false, theirs: undefined });
    } else {
      this.entries.splice(this.entries.indexOf(entry), 1);
    }
    this.save();
    this.tell("state");
    this.run();
  }

  async run() {
    if (this.running) return;
    this.running = true;
    let pause = 500;
    try {
      for (let entry; (entry = this.next()); ) {
        entry.tried = true;
        this.save();
        try {
          const result = await call(`${this.base}/edits`, { method: "POST", body: entry.edit });
          this.applied(entry, result);
          this.become("online");
          pause = 500;
        } catch (failure) {
          if (failure.status === 409) this.settle(entry, "conflict", { theirs: failure.body.clips });
          else if (failure.passes || failure.status === 401) {
            this.become(failure.status === 401 ? "signed-out" : "offline");
            await this.rest(pause);
            pause = Math.min(2 * pause, LONGEST_PAUSE);
          } else this.settle(entry, "refused", { problem: failure.body });
        }
      }
    } finally {
      this.running = false;
    }
  }

  // The first that waits and has nothing undecided before it on the same clip.
  next() {
    return this.entries.find((entry, at) => entry.state === "waiting"
      && !this.entries.slice(0, at).some((earlier) => earlier.state !== "waiting" && touches(earlier.edit, entry.edit.clip)));
  }

  applied(entry, result) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    for (const later of this.entries) {
      // What was done after this was done on top of it.
      const version = result.clips[later.edit.clip]?.version;
      if (version !== undefined && later.state === "waiting") later.edit.version = version;
      const other = result.clips[later.edit.other]?.version;
      if (other !== undefined) later.edit.other_version = other;
    }
    this.save();
    this.tell("applied", { entry, result });
  }

  settle(entry, state, more) {
    if (entry.edit.action === "text") {
      // Words that somebody typed stay until that person has decided about them, the last that were typed. What else
      // was to be done to the clip was meant for the clip as it was.
      Object.assign(entry, { state: "conflict", theirs: more.theirs ?? { [entry.edit.clip]: { row: null } } });
      const { clip } = entry.edit;
      const later = this.entries.slice(this.entries.indexOf(entry) + 1).filter((other) => touches(other.edit, clip));
      const words = later.findLast((other) => other.edit.action === "text" && other.edit.clip === clip);
      if (words) entry.edit = { ...entry.edit, text: words.edit.text, language: words.edit.language };
      this.entries = this.entries.filter((other) => !later.includes(other));
    } else this.entries.splice(this.entries.indexOf(entry), 1);
    this.save();
    this.tell(state, { entry, ...more });
  }

  become(state) {
    this.state = state;
    this.tell("state");
  }

  rest(milliseconds) {
    return new Promise((done) => {
      const timer = setTimeout(done, milliseconds);
      this.wake = () => { clearTimeout(timer); done(); };
    });
  }

  save() {
    if (this.entries.length) localStorage.setItem(this.key, JSON.stringify({ seen: Date.now(), entries: this.entries }));
    else localStorage.removeItem(this.key);
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function touches(edit, clip) {
  return edit.clip === clip || edit.other === clip;
}

// randomUUID is only there over HTTPS and on localhost.
function name() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, "0")).join("");
}

function load(key) {
  return JSON.parse(localStorage.getItem(key) ?? '{"seen": 0, "entries": []}');
}

// Hold a lock until the tab is gone; false if another tab holds it. Without locks, nobody else has.
function hold(key) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((done) => {
    navigator.locks.request(key, { ifAvailable: true }, (lock) => {
      done(lock !== null);
      return lock && new Promise(() => {});
    });
  });
}

async function isAbandoned(key) {
  if (!navigator.locks) return Date.now() - load(key).seen > ABANDONED;
  return navigator.locks.request(key, { ifAvailable: true }, (lock) => lock !== null);
}
