// The rows of a page: what they show, and where they are.

import { known, t, translate } from "./words.js";

export class Clips {
  // `edited(row, text, language)` is called with what was typed, at once.
  constructor(list, template, languages, edited) {
    this.list = list;
    this.template = template;
    this.languages = languages;
    this.edited = edited;
    this.rows = [];
    this.active = null;
  }

  show(rows) {
    this.rows = rows;
    this.list.replaceChildren(...rows.map((row) => this.make(row)));
    for (const row of rows) this.fit(row);
    this.active = null;
  }

  find(clip) {
    return this.rows.find((row) => row.clip === clip);
  }

  element(row) {
    return this.list.children[this.rows.indexOf(row)];
  }

  // Put what the server says in the place of what is shown; words that are being typed stay.
  update(fresh, { words = true } = {}) {
    const row = this.find(fresh.clip);
    if (!row) return;
    Object.assign(row, fresh, words ? {} : { text: row.text, language: row.language });
    this.fill(this.element(row), row, words);
  }

  // After merging and splitting: rows that were removed go, their successors take the place of the first.
  replace(gone, come) {
    const places = gone.map((clip) => this.rows.findIndex((row) => row.clip === clip)).filter((at) => at >= 0);
    if (!places.length) return false;
    const first = Math.min(...places);
    const fresh = come.filter((row) => !this.find(row.clip) || gone.includes(row.clip));
    const elements = fresh.map((row) => this.make(row));
    this.list.children[first].before(...elements);
    this.rows.splice(first, 0, ...fresh);
    for (const clip of gone) {
      const at = this.rows.findLastIndex((row) => row.clip === clip && !fresh.includes(row));
      if (at < 0) continue;
      this.rows.splice(at, 1);
      this.list.children[at].remove();
    }
    for (const row of fresh) this.fit(row);
    this.active = null;
    if (fresh.length) this.activate(fresh[0]);
    return true;
  }

  // A clip's next one is not always on the page; where it is, what is known of it changes with it.
  rename(following) {
    for (const row of this.rows) {
      if (row.following?.clip === following.clip) row.following = { clip: following.clip, version: following.version, text: following.text };
    }
  }

  make(row) {
    const element = this.template.content.firstElementChild.cloneNode(true);
    const choice = element.querySelector("select");
    choice.append(...this.languages.map((code) => new Option(code.toUpperCase(), code)));
    const field = element.querySelector("textarea");
    const changed = () => {
      row.text = field.value;
      row.language = choice.value;
      this.fit(row);
      this.edited(row);
    };
    field.addEventListener("input", changed);
    choice.addEventListener("change", changed);
    translate(element);
    this.fill(element, row, true);
    return element;
  }

  fill(element, row, words) {
    const set = (name, text) => { element.querySelector(name).textContent = text; };
    set(".seconds", `${row.seconds.toFixed(1)} s`);
    const sure = row.source === "label" || row.source === "reviewer" ? [] : [t("confidence", { percent: Math.round(row.confidence * 100) })];
    const doubt = row.doubt && !row.checked ? [t("doubt", { percent: Math.round(row.doubt * 100) })] : [];
    set(".confidence", [...sure, ...doubt].join(", "));
    set(".name", row.clip);
    element.querySelector(".flags").replaceChildren(...row.flags.map((flag) => {
      const mark = document.createElement("span");
      mark.className = "flag";
      mark.textContent = known(`flag-${flag}`) ? t(`flag-${flag}`) : flag;
      return mark;
    }));
    if (words) {
      element.querySelector("textarea").value = row.text;
      element.querySelector("select").value = row.language;
      this.fit(row, element);
    }
    element.classList.toggle("dropped", row.dropped);
    element.classList.toggle("checked", row.checked);
    element.querySelector("[data-do=check]").textContent = t(row.checked ? "do-uncheck" : "do-check");
    element.querySelector("[data-do=drop]").textContent = t(row.dropped ? "do-restore" : "do-drop");
    const merge = element.querySelector("[data-do=merge]");
    merge.disabled = !row.following;
    merge.title = row.following?.text ?? "";
  }

  fit(row, element = this.element(row)) {
    const field = element.querySelector("textarea");
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
  }

  activate(row) {
    if (this.active && this.rows.includes(this.active)) this.element(this.active).classList.remove("active");
    this.active = row ?? null;
    if (!row) return;
    const element = this.element(row);
    element.classList.add("active");
    element.scrollIntoView({ block: "nearest" });
  }

  beside(step) {
    const at = this.rows.indexOf(this.active) + step;
    return this.rows[at];
  }
}

// Where a text is parted: at the cursor, else at the word or sign nearest to the same share of it.
export function parted(text, cursor, share) {
  if (cursor > 0 && cursor < text.length) return [text.slice(0, cursor).trim(), text.slice(cursor).trim()];
  const wanted = share * text.length;
  const gaps = [...text.matchAll(/\s+|[，。、！？；：]/g)].map((gap) => gap.index + gap[0].length);
  const at = gaps.length ? gaps.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a)) : Math.round(wanted);
  return [text.slice(0, at).trim(), text.slice(at).trim()];
}
