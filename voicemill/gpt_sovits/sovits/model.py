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

from voicemill.gpt_sovits.sovits.config import (
    CODEBOOK_SIZE,
    CROSS_ATTENTION_CHANNELS,
    SEGMENT_FRAMES,
    SPEAKER_CHANNELS,
    SSL_CHANNELS,
    SovitsConfig,
)
from voicemill.gpt_sovits.sovits.encoders import PosteriorEncoder, PriorEncoder
from voicemill.gpt_sovits.sovits.flow import Flow
from voicemill.gpt_sovits.sovits.layers import cut_segments, fold_weight_norm, length_mask, named
from voicemill.gpt_sovits.sovits.quantizer import Codebook
from voicemill.gpt_sovits.sovits.reference_encoder import ReferenceEncoder
from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes

NOISE_SCALE = 0.5
"""How much of the prior's deviation speech is drawn with."""


@dataclass
class Segments:
    """Waves of `SEGMENT_FRAMES` of each clip, which begin at `starts_B`."""

    wav_B1L: Tensor
    starts_B: Tensor


@dataclass
class TrainingOutput(Segments):
    """What one pass of training gives to the losses."""

    commit_loss: Tensor
    mask_B1T: Tensor
    z_BCT: Tensor
    z_p_BCT: Tensor
    m_p_BCT: Tensor
    logs_p_BCT: Tensor
    m_q_BCT: Tensor
    logs_q_BCT: Tensor
    quantized_BCT: Tensor
    copy_B1L: Tensor
    """The segments as they are said from tokens and text, where asked for."""


@dataclass
class Lengths:
    """How long the items of a padded batch are: tokens and phonemes."""

    tokens_B: Tensor
    phones_B: Tensor

    @classmethod
    def of(cls, tokens: Sequence[Tensor], phones: Sequence[Tensor], device: torch.device) -> Lengths:
        """Return the lengths of items that are going to be padded."""
        return cls(*(torch.tensor([len(row) for row in rows], device=device) for rows in (tokens, phones)))


class Tokenizing(nn.Module):
    """What every version's generator can do: turn HuBERT's features into tokens, and back into what they stand for.

    Features come at 50 frames a second, tokens at 25.
    """

    config: SovitsConfig
    ssl_proj: nn.Conv1d
    quantizer: nn.Sequential
    enc_p: PriorEncoder

    def add_quantizer(self) -> None:
        """Make the layers that belong to it."""
        self.token_frames = 2 if self.config.semantic_frame_rate == "25hz" else 1
        self.ssl_proj = nn.Conv1d(SSL_CHANNELS, SSL_CHANNELS, self.token_frames, stride=self.token_frames)
        self.quantizer = named(vq=named(layers=named(**{"0": named(_codebook=Codebook(CODEBOOK_SIZE, SSL_CHANNELS))})))

    @property
    def codebook(self) -> Codebook:
        return cast(Codebook, self.get_submodule("quantizer.vq.layers.0._codebook"))

    @torch.no_grad()
    def extract_codes(self, ssl_BCT: Tensor) -> Tensor:
        """Semantic tokens `[B, 1, T // 2]` of HuBERT features `[B, 768, T]`."""
        return self.codebook.encode(self.ssl_proj(ssl_BCT)).unsqueeze(1)

    def content(
        self, codes_B1T: Tensor, phones_BP: Tensor, lengths: Lengths | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the tokens' vectors and mask, the phones and their mask: what the prior encoder reads first."""
        quantized_BCT = self.codebook.decode(codes_B1T[:, 0]).repeat_interleave(self.token_frames, dim=2)
        mask_B1T = torch.ones_like(quantized_BCT[:, :1])
        phone_mask_B1P = torch.ones_like(phones_BP, dtype=mask_B1T.dtype).unsqueeze(1)
        if lengths is not None:
            mask_B1T = length_mask(self.token_frames * lengths.tokens_B, mask_B1T.shape[-1], mask_B1T.dtype)
            phone_mask_B1P = length_mask(lengths.phones_B, phones_BP.shape[-1], mask_B1T.dtype)
        return quantized_BCT, mask_B1T, phones_BP, phone_mask_B1P


class Generator(Tokenizing):
    """SoVITS v1, v2, v2Pro and v2ProPlus."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        self.config = config
        self.enc_p = PriorEncoder(config)
        self.dec = Vocoder(VocoderSizes.of(config))
        self.enc_q = PosteriorEncoder(config)
        self.flow = Flow(config)
        self.ref_enc = ReferenceEncoder(config.reference_bins, config.gin_channels)
        self.add_quantizer()
        if config.is_pro:
            self.sv_emb = nn.Linear(SPEAKER_CHANNELS, config.gin_channels)
            self.ge_to512 = nn.Linear(config.gin_channels, CROSS_ATTENTION_CHANNELS)
            self.prelu = nn.PReLU(config.gin_channels)

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

    def for_text(self, g_BG1: Tensor) -> Tensor:
        """Return the speaker embedding as the prior encoder takes it, `[B, 512, 1]`."""
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
        *,
        vocoded: bool = True,
        copied: bool = False,
    ) -> TrainingOutput:
        """Return a training pass.

        Args:
            noise_BCT: Standard normal noise of the posterior; drawn when None.
            places_B: Where in [0, 1) of the possible starts each segment is cut; drawn when None.
            vocoded: Whether segments are made waves of; without, they have no samples.
            copied: Whether they are also said from tokens and text, with the posterior's noise scaled as `decode` does.
        """
        mask_B1T = length_mask(spec_lengths_B, spec_BFT.shape[-1], spec_BFT.dtype)
        phone_mask_B1P = length_mask(phone_lengths_B, phones_BP.shape[-1], spec_BFT.dtype)
        g_BG1 = self.speaker(spec_BFT, mask_B1T, speaker_vectors_BS)
        with torch.autocast(ssl_BCT.device.type, enabled=False):
            quantized_BCT, commit_loss = self.quantizer(self.ssl_proj(ssl_BCT))
        quantized_BCT = quantized_BCT.repeat_interleave(self.token_frames, dim=2)
        m_p, logs_p, _ = self.enc_p(quantized_BCT, mask_B1T, phones_BP, phone_mask_B1P, self.for_text(g_BG1))
        z_BCT, m_q, logs_q = self._posterior(spec_BFT, mask_B1T, g_BG1, noise_BCT)
        z_p_BCT = self.flow(z_BCT, mask_B1T, g_BG1)
        starts_B = _starts(spec_lengths_B, places_B)
        sources = [z_BCT] if vocoded else []
        if copied:
            noise_BCT = torch.randn_like(m_p) if noise_BCT is None else noise_BCT
            sources.append(self.flow.reverse(m_p + noise_BCT * torch.exp(logs_p) * NOISE_SCALE, mask_B1T, g_BG1))
        wav_B1L = copy_B1L = z_BCT.new_zeros(len(z_BCT), 1, 0)
        if sources:
            cut_BCT = torch.cat([cut_segments(source, starts_B, SEGMENT_FRAMES) for source in sources])
            waves = list(self.dec(cut_BCT, g_BG1.repeat(len(sources), 1, 1)).chunk(len(sources)))
            copy_B1L = waves.pop() if copied else copy_B1L
            wav_B1L = waves.pop() if vocoded else wav_B1L
        of_prior, of_posterior = (m_p, logs_p), (m_q, logs_q)
        return TrainingOutput(
            wav_B1L, starts_B, commit_loss, mask_B1T, z_BCT, z_p_BCT, *of_prior, *of_posterior, quantized_BCT, copy_B1L
        )

    def resynthesize(
        self,
        spec_BFT: Tensor,
        spec_lengths_B: Tensor,
        speaker_vectors_BS: Tensor | None = None,
        noise_BCT: Tensor | None = None,
        places_B: Tensor | None = None,
    ) -> Segments:
        """Return a training pass of the vocoder alone, of latent frames that are given; see `forward`."""
        with torch.no_grad():
            mask_B1T = length_mask(spec_lengths_B, spec_BFT.shape[-1], spec_BFT.dtype)
            g_BG1 = self.speaker(spec_BFT, mask_B1T, speaker_vectors_BS)
            z_BCT, _, _ = self._posterior(spec_BFT, mask_B1T, g_BG1, noise_BCT)
        starts_B = _starts(spec_lengths_B, places_B)
        return Segments(self.dec(cut_segments(z_BCT, starts_B, SEGMENT_FRAMES), g_BG1), starts_B)

    def _posterior(
        self, spec_BFT: Tensor, mask_B1T: Tensor, g_BG1: Tensor, noise_BCT: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latent frames of a spectrogram, and their mean and log deviation."""
        m_q, logs_q = self.enc_q(spec_BFT, mask_B1T, g_BG1)
        noise_BCT = torch.randn_like(m_q) if noise_BCT is None else noise_BCT
        return (m_q + noise_BCT * torch.exp(logs_q)) * mask_B1T, m_q, logs_q

    @torch.no_grad()
    def reference(self, spectrograms: Sequence[Tensor], speaker_vectors: Sequence[Tensor] | None = None) -> Tensor:
        """Return mean speaker embedding `[1, G, 1]` of one or several references.

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
        self, codes_B1T: Tensor, phones_BP: Tensor, g_BG1: Tensor, speed: float = 1.0, lengths: Lengths | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean, log deviation and mask of z_p for tokens and phonemes."""
        return self.enc_p(*self.content(codes_B1T, phones_BP, lengths), self.for_text(g_BG1), speed)

    @torch.no_grad()
    def decode(
        self,
        codes_B1T: Tensor,
        phones_BP: Tensor,
        spectrograms: Sequence[Tensor],
        noise_scale: float = NOISE_SCALE,
        speed: float = 1.0,
        speaker_vectors: Sequence[Tensor] | None = None,
        noise: Tensor | None = None,
        lengths: Lengths | None = None,
    ) -> Tensor:
        """Return the speech of semantic tokens.

        Args:
            codes_B1T: Tokens, 25 a second.
            phones_BP: Phonemes of what the tokens say.
            spectrograms: Linear spectrograms `[1, 1025, T]` of the references whose voice it takes.
            noise_scale: How much of the prior's deviation is used; 0 gives the mean.
            speed: 2 is twice as fast.
            speaker_vectors: v2Pro* only: one `[1, 20480]` for each spectrogram.
            noise: Standard normal noise `[B, inter, T]`; drawn when None.
            lengths: Of items that are padded, each of which then sounds as it does alone; at a speed of 1 only.

        Returns:
            Waveform at 32 kHz in [-1, 1], `[B, 1, samples]`.
        """
        g_1G1 = self.reference(spectrograms, speaker_vectors)
        return self.speak(codes_B1T, phones_BP, g_1G1, noise_scale, speed, noise, lengths)

    @torch.no_grad()
    def speak(
        self,
        codes_B1T: Tensor,
        phones_BP: Tensor,
        g_BG1: Tensor,
        noise_scale: float = NOISE_SCALE,
        speed: float = 1.0,
        noise: Tensor | None = None,
        lengths: Lengths | None = None,
    ) -> Tensor:
        """Return the speech of semantic tokens by the voice of an embedding from `reference`; else as `decode`."""
        assert lengths is None or speed == 1, "stretching depends on the length of an item"
        m_BCT, logs_BCT, mask_B1T = self.prior(codes_B1T, phones_BP, g_BG1, speed, lengths)
        noise = torch.randn_like(m_BCT) if noise is None else noise
        z_BCT = self.flow.reverse(m_BCT + noise * torch.exp(logs_BCT) * noise_scale, mask_B1T, g_BG1)
        frames_B = None if lengths is None else self.token_frames * lengths.tokens_B
        return self.dec(z_BCT * mask_B1T, g_BG1, frames_B)


def _starts(spec_lengths_B: Tensor, places_B: Tensor | None) -> Tensor:
    """Return the frames at which segments begin."""
    places_B = torch.rand(len(spec_lengths_B)) if places_B is None else places_B
    return (places_B.to(spec_lengths_B.device) * (spec_lengths_B - SEGMENT_FRAMES + 1)).long()
