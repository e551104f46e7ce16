// The list of runs.

import { callSignedIn, signInByAddress } from "./api.js";
import { languageButton, t } from "./words.js";

let answer = { runs: [] };

function show() {
  document.getElementById("reviewer").textContent = answer.reviewer ?? "";
  document.getElementById("empty").hidden = answer.runs.length > 0;
  document.getElementById("runs").replaceChildren(...answer.runs.map((run) => {
    const item = document.createElement("li");
    const link = document.createElement(run.problem ? "span" : "a");
    if (!run.problem) link.href = `/review/${encodeURIComponent(run.group)}/${encodeURIComponent(run.name)}`;
    link.textContent = run.speaker ? `${run.speaker} · ${run.name}` : run.name;
    const about = document.createElement("span");
    const counts = run.counts;
    about.className = run.problem ? "problem" : "";
    about.textContent = run.problem ?? t("counts", { ...counts, minutes: (counts.seconds / 60).toFixed(1) });
    item.append(link, about);
    return item;
  }));
}

languageButton(document.getElementById("language"), show);
await signInByAddress().catch(() => {});
answer = await callSignedIn("/api/runs");
show();
