// The page of one review.

import { call, callSignedIn, signIn, signInByAddress } from "./api.js";
import { Clips, parted } from "./clips.js";
import { Conflicts } from "./conflicts.js";
import { KEYS, actionOf } from "./keys.js";
import { Queue } from "./queue.js";
import { Wave } from "./wave.js";
import { clock, known, languageButton, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const SIZE = 50;
const TYPING_PAUSE = 500;
const SECONDS_BETWEEN_LOOKS = 4;
const [group, run] = location.pathname.split("/").slice(2);
const base = `/api/runs/${group}/${run}`;

let about, seen = 0, total = 0, start = 0, signingIn = false;
const undoable = [];
const typing = new Map();

await signInByAddress().catch((failure) => tell(t("problem", { message: failure.message })));
languageButton($("language"), () => { showProgress(); load(); showSaving(); });
about = await callSignedIn(base);
const queue = await Queue.open(base, `${group}/${run}/${about.reviewer}`);
const wave = new Wave($("wave"));
const clips = new Clips($("clips"), $("clip"), about.languages, typed);
const conflicts = new Conflicts($("conflicts"), $("conflict"), decide);
document.title = about.speaker;
$("speaker").textContent = about.speaker;
$("reviewer").textContent = about.reviewer;
$("export").href = `${base}/export.list`;

// What is shown, and the address that shows it again.

function readAddress() {
  const wanted = new URLSearchParams(location.search);
  $("view").value = wanted.get("view") ?? "all";
  $("order").value = wanted.get("order") ?? "worst";
  $("query").value = wanted.get("query") ?? "";
  start = Number(wanted.get("start") ?? 0);
}

async function load(at = start) {
  start = Math.max(0, at);
  const wanted = new URLSearchParams({ view: $("view").value, order: $("order").value, query: $("query").value, start });
  history.replaceState(null, "", `?${wanted}`);
  wanted.set("size", SIZE);
  const page = await callSignedIn(`${base}/clips?${wanted}`).catch((failure) => tell(t("problem", { message: failure.message })));
  if (!page) return;
  ({ total } = page);
  seen = page.number;
  const shown = clips.active?.clip;
  $("wave").hidden = true;
  document.body.append($("wave"));
  clips.show(page.rows);
  for (const entry of queue.entries) keepMine(entry);
  for (const row of clips.rows) showState(row.clip);
  $("news").hidden = true;
  $("empty").hidden = total > 0;
  $("page").textContent = t("page", { first: Math.min(start + 1, total), last: Math.min(start + SIZE, total), total });
  $("earlier").disabled = start === 0;
  $("later").disabled = start + SIZE >= total;
  showProgress(page);
  activate(clips.find(shown) ?? clips.rows[0], false);
}

// What was typed and is not saved stands over what the server says.
function keepMine(entry) {
  const row = clips.find(entry.edit.clip);
  if (!row || entry.edit.action !== "text") return;
  const { text, language } = entry.edit;
  clips.update({ ...row, text, language: language ?? row.language });
}

function showProgress(answer = about) {
  about = { ...about, counts: answer.counts, approved: answer.approved, number: answer.number };
  const { counts, approved } = about;
  $("counts").textContent = t("counts", { ...counts, minutes: (counts.seconds / 60).toFixed(1) });
  const values = approved && { reviewer: approved.reviewer, time: clock(approved.time) };
  $("approve").title = approved ? t(about.number > approved.number ? "approved-changed" : "approved", values) : "";
  $("approve").classList.toggle("done", Boolean(approved) && about.number === approved.number);
}

function showSaving() {
  const count = queue.waiting.length;
  const decisions = queue.decisions.length;
  const words = [];
  if (decisions) words.push(t("conflicting", { count: decisions }));
  if (count) words.push(t(queue.state === "online" ? "saving" : queue.state, { count }));
  $("saving").textContent = words.join(" · ") || t("saved");
  $("saving").className = decisions ? "conflicting" : count ? (queue.state === "online" ? "busy" : "offline") : "good";
  conflicts.show(queue.decisions);
  for (const row of clips.rows) showState(row.clip);
  if (queue.state === "signed-out" && !signingIn) {
    signingIn = true;
    signIn().then(() => { signingIn = false; queue.wake(); });
  }
}

function showState(clip) {
  const row = clips.find(clip);
  if (!row) return;
  const entry = queue.of(clip);
  let state = row.version > 0 ? "saved" : row.checked ? "checked" : "";
  if (entry || typing.has(clip)) state = entry?.state === "conflict" ? "conflict" : queue.state === "online" ? "waiting" : "offline";
  const mark = clips.element(row).querySelector(".state");
  mark.textContent = state && t(`row-${state}`);
  mark.className = `state ${state}`;
}

function tell(words) {
  $("message").textContent = words;
  $("message").hidden = !words;
}

// Changes.

// Kept at once, sent when the typing pauses.
function typed(row) {
  clearTimeout(typing.get(row.clip));
  queue.keep({ action: "text", clip: row.clip, version: row.version, text: row.text, language: row.language });
  typing.set(row.clip, setTimeout(() => flush(), TYPING_PAUSE));
  showSaving();
}

function flush() {
  for (const timer of typing.values()) clearTimeout(timer);
  typing.clear();
  queue.run();
  showSaving();
}

function put(action, row, more = {}) {
  tell("");
  flush();
  if (queue.isUndecided(row.clip) || queue.isUndecided(more.other)) return tell(t("decide-first"));
  return queue.put({ action, clip: row.clip, version: row.version, ...more });
}

const act = {
  play: () => wave.toggle(),
  accept: (row) => {
    flush();
    if (!row.checked && !queue.of(row.clip)) put("check", row);
    step(1);
  },
  check: (row) => put(row.checked ? "uncheck" : "check", row),
  drop: (row) => put(row.dropped ? "restore" : "drop", row),
  merge: (row) => row.following && put("merge", row, { other: row.following.clip, other_version: row.following.version }),
  split: (row) => {
    const field = clips.element(row).querySelector("textarea");
    put("split", row, { at: wave.sample, texts: parted(field.value, field.selectionStart, wave.at / wave.seconds) });
  },
  undo: () => {
    flush();
    const last = undoable.pop();
    if (last) queue.put({ action: "undo", clip: last.clip, version: 0, of: last.number });
  },
  next: () => step(1),
  previous: () => step(-1),
  edit: (row) => focusText(row),
  leave: () => { flush(); document.activeElement.blur(); },
  back: () => wave.move(wave.at - 0.05),
  forth: () => wave.move(wave.at + 0.05),
  earlier: () => start > 0 && load(start - SIZE),
  later: () => start + SIZE < total && load(start + SIZE),
  help: () => showHelp(),
};

function step(by) {
  const row = clips.beside(by);
  const typingNow = document.activeElement.matches("textarea");
  if (row) return activate(row, typingNow);
  if (by > 0 && start + SIZE < total) load(start + SIZE);
  return undefined;
}

function activate(row, focus) {
  if (!row) return;
  if (row !== clips.active) tell("");
  clips.activate(row);
  clips.element(row).append($("wave"));
  $("wave").hidden = false;
  wave.show(base, row.clip, row.seconds);
  if (focus) focusText(row);
}

function focusText(row) {
  const field = clips.element(row).querySelector("textarea");
  if (document.activeElement !== field) field.focus({ preventScroll: true });
}

queue.addEventListener("applied", ({ detail: { entry, result } }) => {
  const gone = [], come = [];
  for (const [clip, row] of Object.entries(result.clips)) (row ? come : gone).push(row ?? clip);
  if (result.number && entry.edit.action !== "undo") undoable.push({ number: result.number, clip: entry.edit.clip });
  const typingNow = document.activeElement.matches("textarea");
  come.sort((a, b) => (a.clip < b.clip ? -1 : 1));
  if (gone.length) {
    document.body.append($("wave"));
    clips.replace(gone, come);
    activate(clips.active ?? clips.rows[0], typingNow);
  }
  for (const row of come) {
    clips.update(row, { words: !queue.of(row.clip) && !typing.has(row.clip) });
    clips.rename(row);
  }
  showProgress(result);
  if (entry.edit.action === "undo" && come[0] && !gone.length) activate(clips.find(come[0].clip), false);
  showSaving();
});
queue.addEventListener("conflict", ({ detail: { entry, theirs } }) => {
  if (entry.edit.action !== "text") {
    tell(t(entry.edit.action === "undo" ? "undo-conflict" : "structure-conflict"));
    takeIn(Object.fromEntries(Object.entries(theirs).map(([clip, { row }]) => [clip, row])));
  }
  showSaving();
});
queue.addEventListener("refused", ({ detail: { problem } }) => {
  tell(known(`refused-${problem.error}`) ? t(`refused-${problem.error}`) : t("problem", { message: problem.message }));
  showSaving();
});
queue.addEventListener("state", showSaving);
for (const event of ["applied", "state"]) queue.addEventListener(event, () => $("approval").open && showApproval());

function decide(entry, mine) {
  const theirs = entry.theirs[entry.edit.clip];
  queue.decide(entry, mine);
  if (theirs.row) clips.update(theirs.row, { words: !mine });
  showSaving();
}

// What others changed.

function takeIn(changed) {
  for (const [clip, row] of Object.entries(changed)) {
    const shown = clips.find(clip);
    if (!row) {
      if (shown) $("news").hidden = false;
      continue;
    }
    clips.rename(row);
    if (!shown) {
      const recording = clip.split("_").slice(0, -2).join("_");
      if (row.source === "reviewer" && clips.rows.some((other) => other.clip.startsWith(`${recording}_`))) $("news").hidden = false;
    } else if (shown.version < row.version && !queue.of(clip) && !typing.has(clip)) {
      clips.update(row);
      showState(clip);
    }
  }
}

async function look() {
  if (document.hidden || queue.running) return;
  const answer = await call(`${base}/changes?after=${seen}`).catch(() => null);
  if (!answer) return;
  wave.retry();
  seen = Math.max(seen, answer.number);
  takeIn(answer.clips);
  showProgress(answer);
}

// Approving.

async function openApproval() {
  $("approval").showModal();
  $("approval-result").textContent = "";
  flush();
  await look();
  showApproval();
}

// Until it is approved, the dialog follows what is still on its way.
function showApproval() {
  const { counts } = about;
  const busy = queue.entries.length > 0;
  $("approval-text").textContent = t("approve-text", { ...counts, minutes: (counts.seconds / 60).toFixed(1) });
  $("approval-result").textContent = busy ? t("approve-busy") : "";
  $("approve-now").disabled = busy;
}

async function approve() {
  const id = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, "0")).join("");
  $("approve-now").disabled = true;
  try {
    const answer = await callSignedIn(`${base}/approve`, { method: "POST", body: { id, number: about.number } });
    showProgress(answer);
    seen = answer.number;
    $("approval-result").textContent = t(answer.state, { place: answer.place });
  } catch (failure) {
    $("approve-now").disabled = false;
    $("approval-result").textContent = failure.status === 409 ? t("approve-conflict") : t("problem", { message: failure.message });
    await look();
  }
}

// Hands.

function showHelp() {
  $("key-list").replaceChildren(...Object.entries(KEYS).flatMap(([title, keys]) => {
    const heading = document.createElement("dt");
    heading.textContent = t(title);
    return [heading, ...keys.filter(([, , words]) => words).map(([key, , words]) => {
      const line = document.createElement("dd");
      const cap = document.createElement("kbd");
      cap.textContent = key.replace("Arrow", "");
      line.append(cap, ` ${t(words)}`);
      return line;
    })];
  }));
  $("help").showModal();
}

$("clips").addEventListener("focusin", (event) => {
  const row = clips.rows[[...$("clips").children].indexOf(event.target.closest(".clip"))];
  if (row && row !== clips.active) activate(row, false);
});
$("clips").addEventListener("click", (event) => {
  const row = clips.rows[[...$("clips").children].indexOf(event.target.closest(".clip"))];
  if (!row) return;
  if (row !== clips.active) activate(row, false);
  const action = event.target.closest("[data-do]")?.dataset.do;
  if (action) act[action](row);
});
$("clips").addEventListener("focusout", flush);
document.addEventListener("visibilitychange", flush);
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const action = actionOf(event);
  if (!action || (!clips.active && !["help", "earlier", "later", "undo"].includes(action))) return;
  event.preventDefault();
  act[action](clips.active);
});
for (const id of ["view", "order", "query"]) $(id).addEventListener("change", () => load(0));
for (const id of ["earlier", "later"]) $(id).addEventListener("click", () => act[id]());
$("refresh").addEventListener("click", () => load());
$("help-button").addEventListener("click", showHelp);
$("approve").addEventListener("click", openApproval);
$("approve-now").addEventListener("click", approve);
setInterval(look, SECONDS_BETWEEN_LOOKS * 1000);

readAddress();
await load();
showSaving();
document.body.dataset.ready = "yes";
