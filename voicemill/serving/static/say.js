// The page: a text, a voice, and what the voice makes of it.

import { Failure, call } from "./api.js";
import { Player } from "./player.js";
import { languageButton, t } from "./words.js";

const at = (id) => document.getElementById(id);
const LANGUAGES = ["auto", "en", "zh", "ja", "ko", "yue"];
const TYPING_PAUSE = 500;
let voices = [];
let hears = false;
let running = null;
let reading = null;
let state = ["", {}];

function showState(name, values = {}) {
  state = [name, values];
  at("state").textContent = name ? t(name, values) : "";
}

function fail(error) {
  at("message").hidden = !error;
  if (error) at("message").textContent = t("problem", { message: error.message });
}

function voice() {
  return voices.find((each) => each.id === at("voice").value);
}

function fill(select, rows) {
  const before = select.value;
  select.replaceChildren(...rows.map(([value, text]) => new Option(text, value)));
  if (rows.some(([value]) => value === before)) select.value = before;
}

function show() {
  fill(at("voice"), voices.map((each) => [each.id, each.name]));
  const mine = voice();
  fill(at("language"), [["", t("auto-language", { language: mine ? t(mine.language) : "" })], ...LANGUAGES.map((code) => [code, t(code)])]);
  const references = mine?.references ?? [];
  fill(at("reference"), [["", t("usual")], ...references.map((each) => [each.name, each.name])]);
  at("reference-label").hidden = !references.length;
  at("about").textContent = mine
    ? t("reference", { speaker: mine.speaker, version: mine.version.slice(0, 8), text: mine.reference.text || t("no-text") })
    : t("no-voice");
  at("say").disabled = !mine;
  at("count").textContent = t("characters", { count: [...at("text").value].length });
  at("speed-shown").textContent = Number(at("speed").value).toFixed(2);
  showState(...state);
}

function chooseVoice() {
  const mine = voice();
  if (mine) {
    at("speed").value = mine.speed;
    at("manner").checked = mine.use_prompt;
    // Without its words there is no manner to resume from.
    at("manner").disabled = !mine.reference.text;
  }
  show();
}

function request(format) {
  return JSON.stringify({
    model: "voicemill",
    voice: at("voice").value,
    input: at("text").value,
    language: at("language").value,
    speed: Number(at("speed").value),
    seed: Number(at("seed").value),
    reference: at("reference").value,
    use_prompt: at("manner").checked,
    response_format: format,
    stream: true,
  });
}

async function say() {
  stop();
  fail(null);
  if (!at("text").value.trim() || !voice()) return;
  const mine = { control: new AbortController(), player: new Player() };
  running = mine;
  at("stop").disabled = false;
  at("download").hidden = at("again").hidden = at("heard").hidden = true;
  showState("waiting");
  pronounce();
  try {
    await speak(mine);
  } catch (error) {
    if (error.name !== "AbortError") {
      fail(error);
      showState("");
    }
  }
  if (running === mine) {
    running = null;
    at("stop").disabled = true;
  }
}

async function speak(mine) {
  const began = performance.now();
  const response = await retryWhileBusy(() => call("/v1/audio/speech", { body: request("wav"), signal: mine.control.signal }), mine);
  const reader = response.body.getReader();
  let first = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    first ||= (performance.now() - began) / 1000;
    if (running === mine) showState("speaking");
    mine.player.add(value);
  }
  const file = mine.player.file();
  const address = URL.createObjectURL(file);
  at("download").href = at("again").src = address;
  at("download").hidden = at("again").hidden = false;
  const told = { seconds: mine.player.seconds.toFixed(1), first: first.toFixed(1) };
  if (hears) {
    showState("listening");
    const language = at("language").value || voice().language;
    const heard = await call(`/v1/hear?language=${language}`, { body: file, type: "audio/wav", signal: mine.control.signal });
    at("heard").querySelector("q").textContent = (await heard.json()).heard;
    at("heard").hidden = false;
  }
  await mine.player.played();
  if (running === mine) showState("said", told);
}

// Tries again where the server says when.
async function retryWhileBusy(ask, mine) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Failure) || error.status !== 429 || !error.again) throw error;
      showState("busy", { seconds: error.again });
      await new Promise((done) => setTimeout(done, 1000 * error.again));
      if (running !== mine) throw new DOMException("stopped", "AbortError");
    }
  }
}

function stop() {
  if (!running) return;
  running.control.abort();
  running.player.stop();
  running = null;
  at("stop").disabled = true;
  showState("stopped");
}

function otherTake() {
  at("seed").value = Math.floor(Math.random() * 2 ** 31);
  say();
}

async function pronounce() {
  const text = at("text").value;
  reading?.abort();
  at("pieces").replaceChildren();
  at("silent").textContent = "";
  if (!text.trim() || !voice()) return;
  reading = new AbortController();
  try {
    const body = JSON.stringify({ voice: at("voice").value, input: text, language: at("language").value });
    const answer = await (await call("/v1/pronounce", { body, signal: reading.signal })).json();
    at("pieces").replaceChildren(...answer.pieces.map((piece) => {
      const item = document.createElement("li"), phones = document.createElement("code");
      phones.textContent = piece.phones.join(" ");
      item.append(piece.normalized, phones);
      return item;
    }));
    const signs = [...new Set(answer.unpronounced.map((sign) => sign.character))].join(" ");
    at("silent").textContent = signs ? t("silent", { signs }) : "";
  } catch (error) {
    if (error.name !== "AbortError") at("silent").textContent = error.message;
  }
}

let typed = 0;
function typing() {
  show();
  clearTimeout(typed);
  typed = setTimeout(pronounce, TYPING_PAUSE);
}

function onKey(event) {
  if (event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) say();
  else if (event.key === "Escape" && !document.querySelector("dialog[open]")) stop();
  else if (event.altKey && event.code === "KeyN") otherTake();
  else if (event.altKey && event.code === "KeyP") at("pronounced").open = !at("pronounced").open;
  else return;
  event.preventDefault();
}

at("form").onsubmit = (event) => { event.preventDefault(); say(); };
at("stop").onclick = stop;
at("other").onclick = otherTake;
at("voice").onchange = () => { chooseVoice(); pronounce(); };
at("language").onchange = pronounce;
at("speed").oninput = show;
at("text").oninput = typing;
at("keys-button").onclick = () => at("help").showModal();
document.addEventListener("keydown", onKey);
languageButton(at("language-button"), show);
try {
  voices = (await (await call("/v1/voices")).json()).data;
  hears = (await (await call("/v1/hear")).json()).hears;
} catch (error) {
  fail(error);
}
chooseVoice();
at("text").focus();
document.body.dataset.ready = "";
