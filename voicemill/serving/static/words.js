// What the page says, in English and Chinese.

const WORDS = {
  en: {
    voice: "Voice", language: "Language", text: "Type what the voice is to say", speed: "Speed", seed: "Seed",
    other: "Another take", "other-how": "A new seed says it another way (Alt N)",
    manner: "In the manner of the reference", "manner-how": "Resume from the words of the reference clip; without, only its sound is taken on",
    say: "Say it", stop: "Stop", download: "Download", heard: "A recogniser heard:", pronounced: "What is pronounced",
    keys: "Keys", close: "Close", key: "Key", "sign-in": "Continue", "wrong-key": "That key is not known here.",
    "k-say": "say it", "k-stop": "stop", "k-other": "another take", "k-phones": "show what is pronounced",
    speaking: "speaking …", waiting: "waiting …", listening: "the recogniser listens …",
    said: "{seconds} s, first sound after {first} s", stopped: "stopped",
    characters: "{count} characters", silent: "Not pronounced: {signs}", "auto-language": "the voice’s own ({language})",
    reference: "{speaker}, version {version}, reference: “{text}”", "no-text": "(no text)", "reference-of": "Reference", usual: "the usual one",
    "no-voice": "No voice is served to you.", busy: "Many are speaking; trying again in {seconds} s.",
    problem: "That did not work: {message}", offline: "The server cannot be reached.",
    auto: "mixed languages", en: "English", zh: "Chinese", ja: "Japanese", ko: "Korean", yue: "Cantonese", "switch-to": "中文",
  },
  zh: {
    voice: "音色", language: "语言", text: "输入要说的文字", speed: "语速", seed: "种子",
    other: "换一种说法", "other-how": "换一个种子，再说一遍（Alt N）",
    manner: "沿用参考音频的语气", "manner-how": "接着参考音频的话往下说；不选则只取其音色",
    say: "朗读", stop: "停止", download: "下载", heard: "语音识别听到：", pronounced: "读音",
    keys: "快捷键", close: "关闭", key: "密钥", "sign-in": "继续", "wrong-key": "此处没有这个密钥。",
    "k-say": "朗读", "k-stop": "停止", "k-other": "换一种说法", "k-phones": "显示读音",
    speaking: "朗读中……", waiting: "等待中……", listening: "识别中……",
    said: "{seconds} 秒，{first} 秒后出声", stopped: "已停止",
    characters: "{count} 个字符", silent: "不发音：{signs}", "auto-language": "音色自身的语言（{language}）",
    reference: "{speaker}，版本 {version}，参考：“{text}”", "no-text": "（无文本）", "reference-of": "参考", usual: "默认",
    "no-voice": "没有可用的音色。", busy: "使用者较多，{seconds} 秒后重试。",
    problem: "未能完成：{message}", offline: "无法连接服务器。",
    auto: "多语混合", en: "英语", zh: "中文", ja: "日语", ko: "韩语", yue: "粤语", "switch-to": "English",
  },
};
const STORED = "voicemill-language";
let chosen = localStorage.getItem(STORED) ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export function t(name, values = {}) {
  const words = WORDS[chosen][name] ?? WORDS.en[name] ?? name;
  return words.replace(/\{(\w+)\}/g, (_, value) => values[value] ?? "");
}

export function translate() {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-t]")) each.textContent = t(each.dataset.t);
  for (const each of document.querySelectorAll("[data-t-placeholder]")) each.placeholder = t(each.dataset.tPlaceholder);
  for (const each of document.querySelectorAll("[data-t-title]")) each.title = t(each.dataset.tTitle);
}

export function languageButton(button, changed) {
  const show = () => { translate(); button.textContent = t("switch-to"); changed(); };
  button.onclick = () => {
    chosen = chosen === "zh" ? "en" : "zh";
    localStorage.setItem(STORED, chosen);
    show();
  };
  show();
}
