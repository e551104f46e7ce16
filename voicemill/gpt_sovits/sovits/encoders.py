"""The two encoders of SoVITS's latent z: the prior from tokens, text and speaker, the posterior from the true sound.

Shapes: B batch, C channels, F spectrogram bins, T frames, P phonemes, G speaker embedding.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.attention import CrossAttention, Encoder
from voicemill.gpt_sovits.sovits.config import CROSS_ATTENTION_CHANNELS, SSL_CHANNELS, SovitsConfig
from voicemill.gpt_sovits.sovits.layers import WaveNet


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
        """Return mean, log deviation and mask; with a speed other than 1 they have `int(T / speed) + 1` frames."""
        x_BCT, mask_B1T = self.hidden(content_BCT, mask_B1T, phones_BP, phone_mask_B1P, g_BG1, speed)
        m_BCT, logs_BCT = (self.proj(x_BCT) * mask_B1T).chunk(2, dim=1)
        return m_BCT, logs_BCT, mask_B1T

    def hidden(
        self,
        content_BCT: Tensor,
        mask_B1T: Tensor,
        phones_BP: Tensor,
        phone_mask_B1P: Tensor,
        g_BG1: Tensor,
        speed: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Return what mean and log deviation are made of, and the mask; see `forward`."""
        x_BCT = self.encoder_ssl(self.ssl_proj(content_BCT * mask_B1T), mask_B1T)
        text_BCP = self.encoder_text(self.text_embedding(phones_BP).transpose(1, 2), phone_mask_B1P)
        x_BCT = self.encoder2(self.mrte(x_BCT, mask_B1T, text_BCP, phone_mask_B1P, g_BG1), mask_B1T)
        if speed != 1:
            x_BCT = F.interpolate(x_BCT, size=int(x_BCT.shape[-1] / speed) + 1, mode="linear")
            mask_B1T = F.interpolate(mask_B1T, size=x_BCT.shape[-1], mode="nearest")
        return x_BCT, mask_B1T


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
