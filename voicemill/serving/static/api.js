// Requests to the server, with the key of whoever sits here.

import { t } from "./words.js";

const STORED = "voicemill-key";

// The server said no. `again` is how many seconds to wait, where waiting helps.
export class Failure extends Error {
  constructor(message, status, again) {
    super(message);
    this.status = status;
    this.again = again;
  }
}

// Sends a request; asks for a key until one is right.
export async function call(path, { body, type = "application/json", signal } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(STORED);
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    if (body) headers["content-type"] = type;
    let response;
    try {
      response = await fetch(path, { method: body ? "POST" : "GET", headers, body, signal, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure(t("offline"), 0);
    }
    if (response.ok) return response;
    if (response.status === 401) {
      await askForKey(Boolean(key));
      continue;
    }
    const said = await response.json().catch(() => ({}));
    throw new Failure(said.error?.message ?? response.statusText, response.status, Number(response.headers.get("retry-after")));
  }
}

function askForKey(wasWrong) {
  const dialog = document.getElementById("sign-in");
  const field = document.getElementById("key");
  document.getElementById("sign-in-problem").textContent = wasWrong ? t("wrong-key") : "";
  dialog.oncancel = (event) => event.preventDefault();
  return new Promise((done) => {
    dialog.querySelector("form").onsubmit = () => {
      // Gone with the tab, and never in an address.
      sessionStorage.setItem(STORED, field.value.trim());
      field.value = "";
      done();
    };
    if (!dialog.open) dialog.showModal();
  });
}
