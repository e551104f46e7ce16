// Requests to the server, and signing in.

import { t } from "./words.js";

// The server said no; `status` and `body` tell why. Status 0: it could not be reached.
export class Failure extends Error {
  constructor(status, body) {
    super(body?.message ?? `status ${status}`);
    this.status = status;
    this.body = body ?? {};
  }

  // Nothing is wrong with the request: it may be sent again as it is.
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const PATIENCE = 20_000;

export async function call(path, { method = "GET", body = {} } = {}) {
  const options = { method, credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
  if (method !== "GET") {
    options.headers = { "content-type": "application/json", "x-voicemill": "1" };
    options.body = JSON.stringify(body);
    // Goes out even if the page is closed right after.
    options.keepalive = options.body.length < 30_000;
  }
  let response, content;
  try {
    response = await fetch(path, options);
    content = await response.json();
  } catch (error) {
    throw new Failure(response && !response.ok ? response.status : 0, { message: String(error) });
  }
  if (!response.ok) throw new Failure(response.status, content);
  return content;
}

// Signs in with the token behind # in the address, and then takes it out of sight.
export async function signInByAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  await call("/api/session", { method: "POST", body: { token } });
}

// Asks for a token until one is right.
export function signIn() {
  const dialog = document.getElementById("sign-in");
  const field = document.getElementById("token");
  const problem = document.getElementById("sign-in-problem");
  if (dialog.open) return new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  return new Promise((done) => {
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      try {
        await call("/api/session", { method: "POST", body: { token: field.value.trim() } });
      } catch (failure) {
        problem.textContent = failure.status === 401 ? t("wrong-token") : t("problem", { message: failure.message });
        return;
      }
      problem.textContent = field.value = "";
      dialog.close();
      done();
    };
    dialog.showModal();
  });
}

// A request for which somebody must be signed in: asks for the token where nobody is.
export async function callSignedIn(path, options) {
  for (;;) {
    try {
      return await call(path, options);
    } catch (failure) {
      if (failure.status !== 401) throw failure;
      await signIn();
    }
  }
}
