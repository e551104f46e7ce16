"""A toy Whisper in CTranslate2's form: the multilingual vocabulary's shape, a tiny network, words without meaning.

Libraries take a Whisper for multilingual by the size of its vocabulary or by its empty token, and count on the order of
its special tokens, so the vocabulary has its full 51,865 places. Most of those for text stay unused.

The weights are made by hand. The encoder measures how long there is sound and draws a fingerprint of it; the decoder
says, at each position, the common word of the language it is told that fits the fingerprint best, about three words a
second, and then ends. So it is fast, never loops, and what it writes can go through every later stage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np

from voicemill.models.layout import place

TEXT_TOKENS = 50_257
TIMESTAMPS = 1501
MEL_BINS = 80
# The public models' languages, in the order of their ids.
LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
)
TASKS = "translate transcribe startoflm startofprev nospeech notimestamps"
WORDS = {
    "en": (
        "the of and to in is you that it he was for on are with as his they at be this have from or one had by but not "
        "what all were we when your can said there use an each which she do how their if will up other about out many "
        "then them these so some her would make like him into time has look two more write go see number no way could "
        "people my than first water been call who now find long down day did get come made may part over sound take "
        "only little work know place year live me back give most very after thing our just name good man think say "
        "great where help through much before line right too mean old any same tell boy follow came want show also"
    ),
    # Parted by nothing, as they are written.
    "zh": (
        "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家"
        "学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见"
        "经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话"
        "儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真"
    ),
    "ja": (
        "あの その これ それ ここ そこ ひと こと もの とき いま いえ みず やま かわ うみ そら はな とり いぬ ねこ "
        "はる なつ あき ふゆ あさ よる みる きく はなす いく くる する なる ある いる よい たかい ちいさい おおきい"
    ),
    "ko": (
        "나 너 우리 사람 집 물 산 강 바다 하늘 꽃 새 개 봄 여름 가을 겨울 아침 저녁 오늘 내일 어제 지금 여기 "
        "거기 이것 그것 무엇 누가 언제 어디 보다 듣다 말하다 가다 오다 하다 있다 없다 좋다 크다 작다 높다 많다"
    ),
}
_SPACED = ("en", "ko")
_BABBLES_LIKE = {"yue": "zh"}

# Places in the residual stream. The two constants are far larger than the rest, so that a layer norm, which divides by
# the spread, divides by (nearly) the same number everywhere and the network stays linear.
WIDTH = 64
_CONSTANTS = (0, 1)
_LANGUAGE = slice(2, 2 + len(WORDS))
_RAMP = 8
_SOUND = 9
# Nothing is ever put here, so after a layer norm it tells the mean that was taken off everywhere.
_NOTHING = 10
_FINGERPRINT = slice(16, 48)
_CONSTANT = 20.0
_SPREAD = _CONSTANT * (2 / WIDTH) ** 0.5

_FRAMES, _POSITIONS, _SECONDS, _PROMPT = 1500, 448, 30, 4
_WORDS_A_SECOND = 6.0
_RAMP_STEP = 0.1


def make_whisper(models: Path, seed: int = 0) -> None:
    """A multilingual Whisper that faster-whisper loads, as it lies in a models folder.

    Args:
        models: Models folder; the Whisper comes into its `whisper/`.
        seed: Decides which words it says.
    """
    from ctranslate2.specs import WhisperSpec

    folder = models / place("whisper")
    folder.mkdir(parents=True, exist_ok=True)
    tokens, words = _vocabulary()
    random = np.random.default_rng(seed)
    spec = WhisperSpec(1, 1, 1, 1)
    _fill_encoder(spec.encoder, random)
    _fill_decoder(spec.decoder, tokens, words, random)
    spec.register_vocabulary(tokens)
    config = cast(Any, spec.config)
    config.lang_ids = [tokens.index(f"<|{code}|>") for code in LANGUAGES.split()]
    config.suppress_ids, config.suppress_ids_begin = [], []
    config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    _tokenizer(tokens).save(str(folder / "tokenizer.json"), pretty=False)
    features = {"feature_size": MEL_BINS, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps(features) + "\n")


def _vocabulary() -> tuple[list[str], dict[str, range]]:
    """Return all tokens by id, and where each language's words are. Text is in GPT-2's printable form of bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    printable = ByteLevel(add_prefix_space=False, use_regex=False)
    # Each byte alone comes first, so that any text can be encoded.
    tokens = sorted(ByteLevel.alphabet())
    places: dict[str, range] = {}
    for language, said in WORDS.items():
        space = " " if language in _SPACED else ""
        words = said.split() if " " in said else list(said)
        pieces = [printable.pre_tokenize_str(space + word)[0][0] for word in words]
        places[language] = range(len(tokens), len(tokens) + len(pieces))
        tokens += pieces
    tokens += [*(f"<unused{number}>" for number in range(len(tokens), TEXT_TOKENS - 1)), ""]
    tokens += [f"<|{name}|>" for name in ("endoftext", "startoftranscript", *LANGUAGES.split(), *TASKS.split())]
    tokens += [f"<|{step * 0.02:.2f}|>" for step in range(TIMESTAMPS)]
    assert len(tokens) == len(set(tokens)), "a token is there twice"
    return tokens, places


def _tokenizer(tokens: list[str]):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in tokens[TEXT_TOKENS:]])
    return tokenizer


def _fill_encoder(encoder, random: np.random.Generator) -> None:
    first = np.zeros((WIDTH, MEL_BINS, 3), np.float32)
    first_bias = np.zeros(WIDTH, np.float32)
    # Whisper's features of a clip go on as zeros up to 30 s. Low and high bands hardly ever weigh the same where there
    # is sound: the size of their difference, cut off at 1, tells it from the zeros.
    tilt = np.zeros(MEL_BINS, np.float32)
    tilt[:20], tilt[-20:] = 2, -2
    first[[0, 2], :, 1] = tilt
    first[[1, 3], :, 1] = -tilt
    first_bias[[2, 3]] = -1.0
    wide = random.normal(size=(_width(_FINGERPRINT), MEL_BINS))
    first[_FINGERPRINT, :, 1] = wide - wide.mean(axis=1, keepdims=True)
    second = np.zeros((WIDTH, WIDTH, 3), np.float32)
    second[_SOUND, range(4), 1] = 1, 1, -1, -1
    # GELU is -0.16 at -1, twice.
    second_bias = np.zeros(WIDTH, np.float32)
    second_bias[_SOUND] = -0.32
    second[range(*_FINGERPRINT.indices(WIDTH)), range(*_FINGERPRINT.indices(WIDTH)), 1] = 1
    encoder.conv1.weight, encoder.conv1.bias = first, first_bias
    encoder.conv2.weight, encoder.conv2.bias = second, second_bias
    encoder.position_encodings.encodings = _constants(_FRAMES)
    _fill_norm(encoder.layer_norm)
    layer = encoder.layer[0]
    _fill_attention(layer.self_attention)
    _fill_feed_forward(layer.ffn)


def _fill_decoder(decoder, tokens: list[str], words: dict[str, range], random: np.random.Generator) -> None:
    languages = {code: number for number, code in enumerate(words)}
    embeddings = np.zeros((len(tokens), WIDTH), np.float32)
    for code in LANGUAGES.split():
        like = languages.get(_BABBLES_LIKE.get(code, code), 0)
        embeddings[tokens.index(f"<|{code}|>"), _LANGUAGE.start + like] = 1
    decoder.embeddings.weight = embeddings
    positions = _constants(_POSITIONS)
    positions[:, _RAMP] = _RAMP_STEP * (np.arange(_POSITIONS) - _PROMPT)
    positions[:, _FINGERPRINT] = random.normal(size=(_POSITIONS, _width(_FINGERPRINT))) / 4
    decoder.position_encodings.encodings = positions
    _fill_norm(decoder.layer_norm)
    layer = decoder.layer[0]
    # Everybody looks at the language token and takes the language from it.
    told = np.zeros((WIDTH, WIDTH), np.float32)
    told[range(*_LANGUAGE.indices(WIDTH)), range(*_LANGUAGE.indices(WIDTH))] = _SPREAD
    asks, shows = np.zeros(WIDTH, np.float32), np.zeros((WIDTH, WIDTH), np.float32)
    asks[0] = 1
    shows[0, _LANGUAGE] = 20 * _SPREAD * WIDTH**0.5
    _fill_attention(layer.self_attention, asks=asks, shows=shows, gives=told)
    # The mean over 30 s of sound is the share of it that is sound.
    heard = np.zeros((WIDTH, WIDTH), np.float32)
    heard[_RAMP, [_SOUND, _NOTHING]] = np.array([-1, 1]) * _SPREAD * _RAMP_STEP * _WORDS_A_SECOND * _SECONDS
    heard[range(*_FINGERPRINT.indices(WIDTH)), range(*_FINGERPRINT.indices(WIDTH))] = _SPREAD
    _fill_attention(layer.attention, gives=heard)
    _fill_feed_forward(layer.ffn)
    projection, bias = np.zeros((len(tokens), WIDTH), np.float32), np.full(len(tokens), -100, np.float32)
    for code, ids in words.items():
        projection[ids, _LANGUAGE.start + languages[code]] = 10 * _SPREAD
        projection[ids, _NOTHING] = -10 * _SPREAD
        projection[ids, _FINGERPRINT] = random.normal(size=(len(ids), _width(_FINGERPRINT))) * _SPREAD
        bias[ids] = 0
    end = TEXT_TOKENS
    projection[end, [_RAMP, _NOTHING]] = np.array([1, -1]) * 8 / _RAMP_STEP * _SPREAD
    bias[end] = 10 + 4
    decoder.projection.weight, decoder.projection.bias = projection, bias


def _fill_attention(spec, *, asks=None, shows=None, gives=None) -> None:
    """One head: `asks` is the query's bias, `shows` and `gives` are the weights of keys and values."""
    none = np.zeros((WIDTH, WIDTH), np.float32)
    query, key, value = none, none if shows is None else shows, none if gives is None else gives
    biases = [np.zeros(WIDTH, np.float32) if asks is None else asks, *np.zeros((2, WIDTH), np.float32)]
    _fill_norm(spec.layer_norm)
    if len(spec.linear) == 2:
        spec.linear[0].weight, spec.linear[0].bias = np.concatenate([query, key, value]), np.concatenate(biases)
    else:
        spec.linear[0].weight, spec.linear[0].bias = query, biases[0]
        spec.linear[1].weight, spec.linear[1].bias = np.concatenate([key, value]), np.concatenate(biases[1:])
    spec.linear[-1].weight, spec.linear[-1].bias = np.eye(WIDTH, dtype=np.float32), np.zeros(WIDTH, np.float32)


def _fill_feed_forward(spec) -> None:
    _fill_norm(spec.layer_norm)
    for linear in (spec.linear_0, spec.linear_1):
        linear.weight, linear.bias = np.zeros((WIDTH, WIDTH), np.float32), np.zeros(WIDTH, np.float32)


def _fill_norm(spec) -> None:
    # The constants have done their work in the spread; beyond it they would only use up the range of 8-bit activations.
    spec.gamma, spec.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    spec.gamma[list(_CONSTANTS)] = 0


def _constants(length: int) -> np.ndarray:
    encodings = np.zeros((length, WIDTH), np.float32)
    encodings[:, _CONSTANTS] = _CONSTANT, -_CONSTANT
    return encodings


def _width(part: slice) -> int:
    return part.stop - part.start
