// The interface in English and Chinese.

const WORDS = {
  en: {
    other: "中文",
    runs: "Runs", "no-runs": "No runs with transcripts are assigned to you.",
    "sign-in": "Sign in", token: "Token", "wrong-token": "Invalid token.",
    show: "Show", order: "Order", search: "Search text",
    "view-all": "All clips", "view-open": "Flagged, not checked", "view-flagged": "Flagged",
    "view-edited": "Changed", "view-dropped": "Dropped",
    "order-worst": "Worst first", "order-recorded": "As recorded",
    export: "Export .list", keys: "Keys", approve: "Approve", "approve-now": "Approve and continue", close: "Close",
    counts: "{kept} clips, {minutes} min · {open} of {flagged} flagged to check · {edited} changed · {dropped} dropped",
    page: "{first}–{last} of {total}", "no-clips": "No clips here.",
    saved: "All changes saved", saving: "Saving {count} …", offline: "Offline: {count} changes kept here, retrying",
    "signed-out": "Signed out: {count} changes kept here", conflicting: "{count} to decide",
    "row-waiting": "saving …", "row-offline": "not saved yet", "row-conflict": "conflict", "row-refused": "refused",
    "row-saved": "saved ✓", "row-checked": "checked",
    conflicts: "Changed by someone else at the same time",
    "conflict-who": "{reviewer} changed it first ({time}): {clip}",
    "conflict-gone": "{reviewer} merged, split or restored this clip ({time}): {clip}",
    theirs: "Theirs", mine: "Yours", "keep-theirs": "Keep theirs", "use-mine": "Use mine", "is-dropped": "(dropped)",
    "no-longer": "(removed)",
    "decide-first": "First decide whose text to keep for this clip.",
    news: "Other people changed the list.", refresh: "Show",
    "do-play": "Play", "do-check": "✓ Correct", "do-uncheck": "Mark as unchecked", "do-drop": "Drop", "do-restore": "Restore",
    "do-split": "Split", "do-merge": "Merge with next", "do-undo": "Undo",
    "split-how": "At the line in the waveform, and at the cursor in the text",
    "flag-empty": "empty", "flag-loop": "repeats itself", "flag-too-fast": "too fast", "flag-low-confidence": "unsure",
    "flag-looks-like-zh": "looks like Chinese", "flag-looks-like-en": "looks like English",
    "flag-looks-like-ja": "looks like Japanese", "flag-looks-like-ko": "looks like Korean",
    "flag-not-pronounced": "partly not pronounced", "flag-hallucination": "likely made up",
    "flag-cut-start": "starts inside a word", "flag-cut-end": "ends inside a word",
    "flag-disagreement": "heard differently a second time", "flag-unlikely-word": "a word that is hardly heard",
    confidence: "{percent} % sure", doubt: "doubt {percent} %",
    "refused-too-short": "Each part must be 0.6 s or longer.", "refused-too-long": "The merged clip would be too long for training.",
    "refused-no-neighbour": "This is the last clip of its recording: nothing follows to merge with.",
    "refused-dropped": "A dropped clip cannot be merged; restore it first.",
    "refused-no-place": "This clip's position in its recording is unknown.",
    "refused-nothing-to-undo": "There is nothing to undo.",
    "undo-conflict": "This cannot be undone: someone has changed the clip since.",
    "structure-conflict": "Someone changed these clips; check them again.",
    "approve-text": "{kept} clips ({minutes} min) will be trained on; {edited} were changed, {dropped} dropped. {open} flagged clips were not checked.",
    "approve-busy": "Some changes are not saved yet or need your decision.",
    "approve-conflict": "Someone made a change just before you. Review it, then approve.",
    approved: "Approved by {reviewer}, {time}", "approved-changed": "Changed since {reviewer} approved it",
    resumed: "Approved. The run continues; if it has ended in the meantime, start it again.",
    "done-before": "Approved. The run had already continued: start it again to train on the changes.",
    "not-waiting": "Approved. No run is waiting for it: run the workflow again with -p review={place}",
    problem: "Something went wrong: {message}",
    "key-typing": "While typing", "key-otherwise": "Otherwise",
    "k-play": "play or stop", "k-accept": "correct: save, go to the next clip", "k-back": "previous clip", "k-leave": "leave the text",
    "k-split": "split at cursor and line", "k-next": "next", "k-previous": "previous", "k-edit": "edit the text",
    "k-drop": "drop or restore", "k-merge": "merge with the next", "k-undo": "undo", "k-move": "move the line",
    "k-pages": "page back, forth", "k-help": "this list",
  },
  zh: {
    other: "English",
    runs: "任务", "no-runs": "没有分配给你的、已转写的任务。",
    "sign-in": "登录", token: "令牌", "wrong-token": "没有这个令牌。",
    show: "显示", order: "顺序", search: "搜索文本",
    "view-all": "全部片段", "view-open": "有标记、未检查", "view-flagged": "有标记",
    "view-edited": "已修改", "view-dropped": "已丢弃",
    "order-worst": "最可疑的在前", "order-recorded": "按录音顺序",
    export: "导出 .list", keys: "快捷键", approve: "通过", "approve-now": "通过并继续训练", close: "关闭",
    counts: "{kept} 个片段，{minutes} 分钟 · 标记 {flagged} 个，待检查 {open} 个 · 修改 {edited} · 丢弃 {dropped}",
    page: "第 {first}–{last} 个，共 {total} 个", "no-clips": "这里没有片段。",
    saved: "所有修改已保存", saving: "正在保存 {count} 项…", offline: "离线：{count} 项修改保留在本机，正在重试",
    "signed-out": "已退出登录：{count} 项修改保留在本机", conflicting: "{count} 项待你决定",
    "row-waiting": "正在保存…", "row-offline": "尚未保存", "row-conflict": "冲突", "row-refused": "被拒绝",
    "row-saved": "已保存 ✓", "row-checked": "已检查",
    conflicts: "同时被别人修改",
    "conflict-who": "{reviewer} 先一步修改（{time}）：{clip}",
    "conflict-gone": "{reviewer} 合并、拆分或还原了这个片段（{time}）：{clip}",
    theirs: "对方的", mine: "你的", "keep-theirs": "保留对方的", "use-mine": "用我的", "is-dropped": "（已丢弃）",
    "no-longer": "（已不存在）",
    "decide-first": "请先决定这个片段用谁的文本。",
    news: "别人修改了列表。", refresh: "显示",
    "do-play": "播放", "do-check": "✓ 正确", "do-uncheck": "标为未检查", "do-drop": "丢弃", "do-restore": "恢复",
    "do-split": "拆分", "do-merge": "与下一个合并", "do-undo": "撤销",
    "split-how": "在波形的竖线处和文本光标处拆分",
    "flag-empty": "无文字", "flag-loop": "重复", "flag-too-fast": "过快", "flag-low-confidence": "不确定",
    "flag-looks-like-zh": "像是中文", "flag-looks-like-en": "像是英文",
    "flag-looks-like-ja": "像是日文", "flag-looks-like-ko": "像是韩文",
    "flag-not-pronounced": "部分无法发音", "flag-hallucination": "可能是凭空生成",
    "flag-cut-start": "开头截断了词", "flag-cut-end": "结尾截断了词",
    "flag-disagreement": "再次识别结果不同", "flag-unlikely-word": "有一个词几乎听不到",
    confidence: "置信度 {percent}%", doubt: "疑问度 {percent}%",
    "refused-too-short": "每一段至少 0.6 秒。", "refused-too-long": "合并后太长，无法训练。",
    "refused-no-neighbour": "没有可合并的下一个片段。",
    "refused-dropped": "已丢弃的片段不能合并，请先恢复。",
    "refused-no-place": "不知道这个片段在录音中的位置。",
    "refused-nothing-to-undo": "没有可撤销的修改。",
    "undo-conflict": "无法撤销：之后有人修改过这个片段。",
    "structure-conflict": "有人修改了这些片段，请重新查看。",
    "approve-text": "将用 {kept} 个片段（{minutes} 分钟）训练；修改了 {edited} 个，丢弃了 {dropped} 个。还有 {open} 个有标记的片段没有检查。",
    "approve-busy": "还有修改未保存，或等待你决定。",
    "approve-conflict": "刚刚有人做了修改。请再看一遍，然后通过。",
    approved: "{reviewer} 已通过，{time}", "approved-changed": "{reviewer} 通过之后又有修改",
    resumed: "已通过。任务将继续；如果它已经结束，请再次运行。",
    "done-before": "已通过。任务之前已经继续：请再次运行，用修改后的内容训练。",
    "not-waiting": "已通过。没有任务在等待：请加上 -p review={place} 再次运行。",
    problem: "出错了：{message}",
    "key-typing": "输入文本时", "key-otherwise": "其他时候",
    "k-play": "播放或停止", "k-accept": "正确：保存并到下一个", "k-back": "上一个", "k-leave": "离开文本框",
    "k-split": "在光标和竖线处拆分", "k-next": "下一个", "k-previous": "上一个", "k-edit": "编辑文本",
    "k-drop": "丢弃或恢复", "k-merge": "与下一个合并", "k-undo": "撤销", "k-move": "移动竖线",
    "k-pages": "上一页、下一页", "k-help": "本列表",
  },
};

const KEY = "voicemill.language";
let language = localStorage.getItem(KEY) ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export function t(key, values = {}) {
  const words = WORDS[language][key] ?? WORDS.en[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function known(key) {
  return key in WORDS.en;
}

export function clock(time) {
  return time ? new Date(time).toLocaleTimeString(language === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" }) : "";
}

export function translate(root = document) {
  for (const [attribute, property] of [["data-t", "textContent"], ["data-t-title", "title"], ["data-t-placeholder", "placeholder"]]) {
    for (const element of root.querySelectorAll(`[${attribute}]`)) {
      element[property] = t(element.getAttribute(attribute));
    }
  }
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

// A button that shows the other language's name; `changed` is called after a change.
export function languageButton(button, changed) {
  const show = () => { button.textContent = t("other"); translate(); };
  button.addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    localStorage.setItem(KEY, language);
    show();
    changed();
  });
  show();
}
