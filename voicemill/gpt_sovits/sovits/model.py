"""The SoVITS generator: a conditional VAE with a flow and a GAN vocoder (VITS, Kim et al., 2021), fed by tokens.

    tokens -> prior encoder (reads the text, knows the speaker) -> m, logs
    training:  spectrogram -> posterior encoder -> z -> flow -> z_p, to match the prior; a cut of z -> vocoder -> wave
    speaking:  m + noise * exp(logs) = z_p -> flow reversed -> z -> vocoder -> wave

Attribute names are those of the reference's checkpoints (`enc_p` prior, `enc_q` posterior, `dec` vocoder, `ref_enc`
speaker), so that a checkpoint's tensors load as they stand.

Shapes: B batch, C channels, F spectrogram bins, T frames (50 a second), P phonemes, G speaker embedding, L samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.attention import CrossAttention, Encoder
from voicemill.gpt_sovits.sovits.config import (
    CODEBOOK_SIZE,
    CROSS_ATTENTION_CHANNELS,
    SEGMENT_FRAMES,
    SPEAKER_CHANNELS,
    SSL_CHANNELS,
    SovitsConfig,
)
from voicemill.gpt_sovits.sovits.layers import WaveNet, cut_segments, fold_weight_norm, length_mask, named
from voicemill.gpt_sovits.sovits.quantizer import Codebook
from voicemill.gpt_sovits.sovits.reference_encoder import ReferenceEncoder
from voicemill.gpt_sovits.sovits.vocoder import Vocoder


class TextFusion(nn.Module):
    """Content reads the text by cross attention, and takes on the speaker embedding."""

    def __init__(self, channels: int):
        super().__init__()
        inner = CROSS_ATTENTION_CHANNELS
        self.cross_attention = CrossAttention(inner, heads=4)
        self.c_pre = nn.Conv1d(channels, inner, 1)
        self.text_pre = nn.Conv1d(channels, inner, 1)
        self.c_post = nn.Conv1d(inner, channels, 1)

    def forward(
        self, x_BCT: Tensor, mask_B1T: Tensor, text_BCP: Tensor, text_mask_B1P: Tensor, g_BG1: Tensor
    ) -> Tensor:
        x_BCT = self.c_pre(x_BCT * mask_B1T)
        text_BCP = self.text_pre(text_BCP * text_mask_B1P) * text_mask_B1P
        read_BCT = self.cross_attention(x_BCT * mask_B1T, text_BCP, text_mask_B1P)
        return self.c_post((read_BCT + x_BCT + g_BG1) * mask_B1T)


class PriorEncoder(nn.Module):
    """From quantized content, phonemes and speaker to the mean and log deviation of the prior."""

    def __init__(self, config: SovitsConfig):
        super().__init__()

        def encoder(layers: int) -> Encoder:
            return Encoder(
                config.hidden_channels,
                config.filter_channels,
                config.n_heads,
                layers,
                config.kernel_size,
                config.p_dropout,
            )

        self.ssl_proj = nn.Conv1d(SSL_CHANNELS, config.hidden_channels, 1)
        self.encoder_ssl = encoder(config.n_layers // 2)
        self.encoder_text = encoder(config.n_layers)
        self.text_embedding = nn.Embedding(config.symbols, config.hidden_channels)
        self.mrte = TextFusion(config.hidden_channels)
        self.encoder2 = encoder(config.n_layers // 2)
        self.proj = nn.Conv1d(config.hidden_channels, 2 * config.inter_channels, 1)

    def forward(
        self,
        content_BCT: Tensor,
        mask_B1T: Tensor,
        phones_BP: Tensor,
        phone_mask_B1P: Tensor,
        g_BG1: Tensor,
        speed: float = 1.0,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log deviation and mask; with a speed other than 1 they have `int(T / speed) + 1` frames."""
        x_BCT = self.encoder_ssl(self.ssl_proj(content_BCT * mask_B1T), mask_B1T)
        text_BCP = self.encoder_text(self.text_embedding(phones_BP).transpose(1, 2), phone_mask_B1P)
        x_BCT = self.encoder2(self.mrte(x_BCT, mask_B1T, text_BCP, phone_mask_B1P, g_BG1), mask_B1T)
        if speed != 1:
            x_BCT = F.interpolate(x_BCT, size=int(x_BCT.shape[-1] / speed) + 1, mode="linear")
            mask_B1T = F.interpolate(mask_B1T, size=x_BCT.shape[-1], mode="nearest")
        m_BCT, logs_BCT = (self.proj(x_BCT) * mask_B1T).chunk(2, dim=1)
        return m_BCT, logs_BCT, mask_B1T


class PosteriorEncoder(nn.Module):
    """From the true spectrogram and the speaker to the mean and log deviation of z."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        self.pre = nn.Conv1d(config.spec_channels, config.hidden_channels, 1)
        self.enc = WaveNet(config.hidden_channels, 5, 16, config.gin_channels)
        self.proj = nn.Conv1d(config.hidden_channels, 2 * config.inter_channels, 1)

    def forward(self, spec_BFT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> tuple[Tensor, Tensor]:
        # The speaker embedding must come from the reference encoder's other uses, not from here: no gradient.
        hidden_BCT = self.enc(self.pre(spec_BFT) * mask_B1T, mask_B1T, g_BG1.detach())
        m_BCT, logs_BCT = (self.proj(hidden_BCT) * mask_B1T).chunk(2, dim=1)
        return m_BCT, logs_BCT


class Coupling(nn.Module):
    """Shifts one half of the channels by a function of the other half, which makes it easy to reverse."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        half = config.inter_channels // 2
        self.pre = nn.Conv1d(half, config.hidden_channels, 1)
        self.enc = WaveNet(config.hidden_channels, 5, 4, config.gin_channels)
        self.post = nn.Conv1d(config.hidden_channels, half, 1)
        nn.init.zeros_(self.post.weight)
        nn.init.zeros_(cast(Tensor, self.post.bias))

    def shift(self, x0_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        return self.post(self.enc(self.pre(x0_BCT) * mask_B1T, mask_B1T, g_BG1)) * mask_B1T


class Flow(nn.Module):
    """Four couplings, the channels reversed after each; volume preserving."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        # Checkpoints number the couplings 0, 2, 4, 6: the reversals between them count.
        self.flows = nn.ModuleDict({str(2 * i): Coupling(config) for i in range(4)})

    def forward(self, z_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        """z of the posterior -> z_p, comparable with the prior."""
        for coupling in cast(Sequence[Coupling], self.flows.values()):
            x0, x1 = z_BCT.chunk(2, dim=1)
            x1 = coupling.shift(x0, mask_B1T, g_BG1) + x1 * mask_B1T
            z_BCT = torch.cat([x0, x1], 1).flip(1)
        return z_BCT

    def reverse(self, z_p_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        """z_p of the prior -> z for the vocoder."""
        for coupling in reversed(cast(Sequence[Coupling], list(self.flows.values()))):
            x0, x1 = z_p_BCT.flip(1).chunk(2, dim=1)
            x1 = (x1 - coupling.shift(x0, mask_B1T, g_BG1)) * mask_B1T
            z_p_BCT = torch.cat([x0, x1], 1)
        return z_p_BCT


@dataclass
class TrainingOutput:
    """What one pass of training gives to the losses; segments are `SEGMENT_FRAMES` long and begin at `starts_B`."""

    wav_B1L: Tensor
    commit_loss: Tensor
    starts_B: Tensor
    mask_B1T: Tensor
    z_BCT: Tensor
    z_p_BCT: Tensor
    m_p_BCT: Tensor
    logs_p_BCT: Tensor
    m_q_BCT: Tensor
    logs_q_BCT: Tensor
    quantized_BCT: Tensor


class Generator(nn.Module):
    """SoVITS v1, v2, v2Pro and v2ProPlus."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        self.config = config
        self.enc_p = PriorEncoder(config)
        self.dec = Vocoder(config)
        self.enc_q = PosteriorEncoder(config)
        self.flow = Flow(config)
        self.ref_enc = ReferenceEncoder(config.reference_bins, config.gin_channels)
        # Features come at 50 frames a second; tokens at 25.
        self.token_frames = 2 if config.semantic_frame_rate == "25hz" else 1
        self.ssl_proj = nn.Conv1d(SSL_CHANNELS, SSL_CHANNELS, self.token_frames, stride=self.token_frames)
        self.quantizer = named(vq=named(layers=named(**{"0": named(_codebook=Codebook(CODEBOOK_SIZE, SSL_CHANNELS))})))
        if config.is_pro:
            self.sv_emb = nn.Linear(SPEAKER_CHANNELS, config.gin_channels)
            self.ge_to512 = nn.Linear(config.gin_channels, CROSS_ATTENTION_CHANNELS)
            self.prelu = nn.PReLU(config.gin_channels)

    @property
    def codebook(self) -> Codebook:
        return cast(Codebook, self.get_submodule("quantizer.vq.layers.0._codebook"))

    def train(self, mode: bool = True) -> Generator:
        super().train(mode)
        if self.config.freeze_quantizer:
            self.quantizer.eval()
        return self

    def for_inference(self) -> Generator:
        """Fold weight norm and leave out what only training needs; the model cannot be trained or saved afterwards."""
        if hasattr(self, "enc_q"):
            del self.enc_q
        fold_weight_norm(self)
        return self.eval().requires_grad_(False)

    def speaker(self, spec_BFT: Tensor, mask_B1T: Tensor, vectors_BS: Tensor | None = None) -> Tensor:
        """Speaker embedding `[B, G, 1]` of reference spectrograms, in v2Pro* also of their ERes2NetV2 vectors."""
        g_BG1 = self.ref_enc(spec_BFT[:, : self.config.reference_bins] * mask_B1T, mask_B1T)
        if self.config.is_pro:
            assert vectors_BS is not None, "v2Pro models need speaker vectors"
            g_BG1 = self.prelu(g_BG1 + self.sv_emb(vectors_BS).unsqueeze(-1))
        return g_BG1

    def _for_text(self, g_BG1: Tensor) -> Tensor:
        return self.ge_to512(g_BG1.transpose(1, 2)).transpose(1, 2) if self.config.is_pro else g_BG1

    def forward(
        self,
        ssl_BCT: Tensor,
        spec_BFT: Tensor,
        spec_lengths_B: Tensor,
        phones_BP: Tensor,
        phone_lengths_B: Tensor,
        speaker_vectors_BS: Tensor | None = None,
        noise_BCT: Tensor | None = None,
        places_B: Tensor | None = None,
    ) -> TrainingOutput:
        """A training pass.

        Args:
            noise_BCT: Standard normal noise of the posterior; drawn when None.
            places_B: Where in [0, 1) of the possible starts each segment is cut; drawn when None.
        """
        mask_B1T = length_mask(spec_lengths_B, spec_BFT.shape[-1], spec_BFT.dtype)
        phone_mask_B1P = length_mask(phone_lengths_B, phones_BP.shape[-1], spec_BFT.dtype)
        g_BG1 = self.speaker(spec_BFT, mask_B1T, speaker_vectors_BS)
        with torch.autocast(ssl_BCT.device.type, enabled=False):
            quantized_BCT, commit_loss = self.quantizer(self.ssl_proj(ssl_BCT))
        quantized_BCT = quantized_BCT.repeat_interleave(self.token_frames, dim=2)
        m_p, logs_p, _ = self.enc_p(quantized_BCT, mask_B1T, phones_BP, phone_mask_B1P, self._for_text(g_BG1))
        m_q, logs_q = self.enc_q(spec_BFT, mask_B1T, g_BG1)
        noise_BCT = torch.randn_like(m_q) if noise_BCT is None else noise_BCT
        z_BCT = (m_q + noise_BCT * torch.exp(logs_q)) * mask_B1T
        z_p_BCT = self.flow(z_BCT, mask_B1T, g_BG1)
        places_B = torch.rand(len(spec_lengths_B)) if places_B is None else places_B
        starts_B = (places_B.to(spec_lengths_B.device) * (spec_lengths_B - SEGMENT_FRAMES + 1)).long()
        wav_B1L = self.dec(cut_segments(z_BCT, starts_B, SEGMENT_FRAMES), g_BG1)
        return TrainingOutput(
            wav_B1L, commit_loss, starts_B, mask_B1T, z_BCT, z_p_BCT, m_p, logs_p, m_q, logs_q, quantized_BCT
        )

    @torch.no_grad()
    def extract_codes(self, ssl_BCT: Tensor) -> Tensor:
        """Semantic tokens `[B, 1, T // 2]` of HuBERT features `[B, 768, T]`."""
        return self.codebook.encode(self.ssl_proj(ssl_BCT)).unsqueeze(1)

    @torch.no_grad()
    def reference(self, spectrograms: Sequence[Tensor], speaker_vectors: Sequence[Tensor] | None = None) -> Tensor:
        """Mean speaker embedding `[1, G, 1]` of one or several references.

        Args:
            spectrograms: Linear spectrograms `[1, 1025, T]`.
            speaker_vectors: v2Pro* only: one `[1, 20480]` for each spectrogram.
        """
        vectors = speaker_vectors if speaker_vectors is not None else [None] * len(spectrograms)
        embeddings = [
            self.speaker(spec, torch.ones_like(spec[:, :1]), vector)
            for spec, vector in zip(spectrograms, vectors, strict=True)
        ]
        return torch.stack(embeddings).mean(0)

    @torch.no_grad()
    def prior(
        self, codes_B1T: Tensor, phones_BP: Tensor, g_BG1: Tensor, speed: float = 1.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log deviation and mask of z_p for tokens and phonemes."""
        quantized_BCT = self.codebook.decode(codes_B1T[:, 0]).repeat_interleave(self.token_frames, dim=2)
        mask_B1T = torch.ones_like(quantized_BCT[:, :1])
        phone_mask_B1P = torch.ones_like(phones_BP, dtype=mask_B1T.dtype).unsqueeze(1)
        return self.enc_p(quantized_BCT, mask_B1T, phones_BP, phone_mask_B1P, self._for_text(g_BG1), speed)

    @torch.no_grad()
    def decode(
        self,
        codes_B1T: Tensor,
        phones_BP: Tensor,
        spectrograms: Sequence[Tensor],
        noise_scale: float = 0.5,
        speed: float = 1.0,
        speaker_vectors: Sequence[Tensor] | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Speech of semantic tokens.

        Args:
            codes_B1T: Tokens, 25 a second; items of a batch have equal lengths.
            phones_BP: Phonemes of what the tokens say.
            spectrograms: Linear spectrograms `[1, 1025, T]` of the references whose voice it takes.
            noise_scale: How much of the prior's deviation is used; 0 gives the mean.
            speed: 2 is twice as fast.
            speaker_vectors: v2Pro* only: one `[1, 20480]` for each spectrogram.
            noise: Standard normal noise `[B, inter, T]`; drawn when None.

        Returns:
            Waveform at 32 kHz in [-1, 1], `[B, 1, samples]`.
        """
        g_BG1 = self.reference(spectrograms, speaker_vectors)
        m_BCT, logs_BCT, mask_B1T = self.prior(codes_B1T, phones_BP, g_BG1, speed)
        noise = torch.randn_like(m_BCT) if noise is None else noise
        z_BCT = self.flow.reverse(m_BCT + noise * torch.exp(logs_BCT) * noise_scale, mask_B1T, g_BG1)
        return self.dec(z_BCT * mask_B1T, g_BG1)
