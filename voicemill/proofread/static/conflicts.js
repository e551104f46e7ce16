// Words of two people on one clip: both are shown until somebody decides.

import { clock, t, translate } from "./words.js";

export class Conflicts {
  // `decide(entry, mine)` is called with the choice.
  constructor(section, template, decide) {
    Object.assign(this, { section, template, decide });
  }

  show(entries) {
    this.section.hidden = entries.length === 0;
    this.section.querySelector("ul").replaceChildren(...entries.map((entry) => this.make(entry)));
  }

  make(entry) {
    const { clip, text } = entry.edit;
    const { row, reviewer = "", time } = entry.theirs[clip] ?? { row: null };
    const element = this.template.content.firstElementChild.cloneNode(true);
    translate(element);
    const set = (name, words) => { element.querySelector(name).textContent = words; };
    set(".who", t(row ? "conflict-who" : "conflict-gone", { reviewer, time: clock(time), clip }));
    set(".theirs", row ? `${row.text} ${row.dropped ? t("is-dropped") : ""}` : t("no-longer"));
    set(".mine", text);
    element.querySelector("[data-do=theirs]").addEventListener("click", () => this.decide(entry, false));
    const mine = element.querySelector("[data-do=mine]");
    mine.hidden = !row;
    mine.addEventListener("click", () => this.decide(entry, true));
    return element;
  }
}
