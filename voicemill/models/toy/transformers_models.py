"""Toy HuBERT and Chinese BERT: the public ones' channels, tokens and file names, with few and seeded weights."""

from __future__ import annotations

import json
from pathlib import Path

from voicemill.models.layout import place

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PUNCTUATION = "!\"#%&'()*+,-./:;<=>?@[]^_`{}~…·—‘’“”、。《》【】，！？：；（）￥℃"


def make_hubert(models: Path, seed: int = 0) -> None:
    """A HuBERT of 768 channels at 50 frames a second with one layer, where `chinese-hubert-base` lies."""
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    from voicemill.gpt_sovits.features.pretrained import quiet

    config = HubertConfig(
        hidden_size=768,
        num_hidden_layers=1,
        num_attention_heads=12,
        intermediate_size=64,
        conv_dim=[32] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=16,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = HubertModel(config)
    folder = _folder(models, "hubert")
    with quiet():
        model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False).save_pretrained(folder)


def make_bert(models: Path, seed: int = 0) -> None:
    """A masked-language BERT of 1024 channels with three layers, where `chinese-roberta-wwm-ext-large` lies."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from voicemill.gpt_sovits.features.pretrained import quiet

    vocabulary = bert_vocabulary()
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=1024,
        num_hidden_layers=3,
        num_attention_heads=16,
        intermediate_size=64,
        type_vocab_size=2,
        max_position_embeddings=512,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForMaskedLM(config)
    folder = _folder(models, "bert")
    with quiet():
        model.save_pretrained(folder)
    _save_tokenizer(folder, vocabulary)


def bert_vocabulary() -> list[str]:
    """Return the tokens of the toy BERT: punctuation, digits, letters (also inside words) and 3,755 characters."""
    alphabet = [chr(code) for code in [*range(ord("0"), ord("9") + 1), *range(ord("a"), ord("z") + 1)]]
    return [*SPECIAL_TOKENS, *PUNCTUATION, *alphabet, *(f"##{letter}" for letter in alphabet), *common_characters()]


def common_characters() -> list[str]:
    """Return the characters of GB 2312's first level (rows 16 to 55), which cover 99.7 % of running Chinese text."""
    found = []
    for row in range(16, 56):
        for cell in range(1, 95):
            # The last row of the level ends at its 89th cell.
            if (row, cell) <= (55, 89):
                found.append(bytes((0xA0 + row, 0xA0 + cell)).decode("gb2312"))
    return found


def _folder(models: Path, name: str) -> Path:
    folder = models / place(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _save_tokenizer(folder: Path, vocabulary: list[str]) -> None:
    from tokenizers import BertWordPieceTokenizer

    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    ids = {token: number for number, token in enumerate(vocabulary)}
    BertWordPieceTokenizer(ids, lowercase=True, strip_accents=None).save(str(folder / "tokenizer.json"), pretty=False)
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
