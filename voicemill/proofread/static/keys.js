// What the keys do. While a text is typed only keys that type nothing act.

const TYPING = [
  ["Enter", "accept", "k-accept"],
  ["Shift+Enter", "previous", "k-back"],
  ["Ctrl+Space", "play", "k-play"],
  ["Ctrl+Enter", "split", "k-split"],
  ["Escape", "leave", "k-leave"],
];
const OTHERWISE = [
  ["Space", "play", "k-play"],
  ["Enter", "accept", "k-accept"],
  ["J", "next", "k-next"],
  ["K", "previous", "k-previous"],
  ["ArrowDown", "next", null],
  ["ArrowUp", "previous", null],
  ["E", "edit", "k-edit"],
  ["D", "drop", "k-drop"],
  ["M", "merge", "k-merge"],
  ["S", "split", "k-split"],
  ["U", "undo", "k-undo"],
  ["ArrowLeft", "back", "k-move"],
  ["ArrowRight", "forth", "k-move"],
  ["[", "earlier", "k-pages"],
  ["]", "later", "k-pages"],
  ["?", "help", "k-help"],
];

export const KEYS = { "key-typing": TYPING, "key-otherwise": OTHERWISE };

// The action of a key, or undefined. Keys that choose among an input method's suggestions are not ours.
export function actionOf(event) {
  if (event.isComposing || event.keyCode === 229) return undefined;
  const typing = event.target.matches("textarea");
  if (event.target.matches("input, select") || (event.target.matches("button, a") && ["Enter", " "].includes(event.key))) return undefined;
  const key = event.code === "Space" ? "Space" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const shifted = event.shiftKey && event.key.length > 1;
  const name = `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shifted ? "Shift+" : ""}${key}`;
  return (typing ? TYPING : OTHERWISE).find(([wanted]) => wanted === name)?.[1];
}
