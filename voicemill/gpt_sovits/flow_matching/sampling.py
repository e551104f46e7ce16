"""Mel frames drawn by flow matching: Euler steps from noise along the velocity that the transformer tells.

Shapes: B batch, M mel bands, C features, T frames, P prompt frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voicemill.gpt_sovits.flow_matching.dit import Dit
from voicemill.gpt_sovits.sovits.layers import length_mask

LEAST_GUIDANCE = 1e-5
"""What is not more is none, and saves half the work."""


@torch.no_grad()
def sample(
    estimator: Dit,
    features_BCT: Tensor,
    prompt_BMP: Tensor,
    noise_BMT: Tensor,
    steps: int,
    guidance: float = 0.0,
    lengths_B: Tensor | None = None,
) -> Tensor:
    """Draw mel frames.

    Args:
        estimator: Tells velocities.
        features_BCT: What is said, the prompt's frames first.
        prompt_BMP: Mel of the prompt, as `normalized` gives it.
        noise_BMT: Standard normal noise, as long as the features.
        steps: Euler steps; more are truer and take longer in proportion.
        guidance: How far to go beyond what prompt and features ask for, measured from what would be said without them
            (classifier-free guidance); it doubles the work. The reference's pipelines always use 0.
        lengths_B: Frames of items that are padded, each of which is then drawn as it is alone.

    Returns:
        Normalized mel `[B, M, T]`, 0 in the prompt's frames.
    """
    B, _, T = noise_BMT.shape
    frames = prompt_BMP.shape[-1]
    mask_BT = None if lengths_B is None else length_mask(lengths_B, T, torch.bool).squeeze(1)
    given = {"mask_BT": mask_BT, "alone": True}
    x_BMT, prompt_BMT = noise_BMT.clone(), torch.zeros_like(noise_BMT)
    prompt_BMT[..., :frames] = prompt_BMP
    x_BMT[..., :frames] = 0
    step = 1 / steps
    guided = guidance > LEAST_GUIDANCE
    embedded = estimator.embed_features(features_BCT, mask_BT)
    without = estimator.embed_features(torch.zeros_like(features_BCT), mask_BT) if guided else None
    size_BD = estimator.d_embed(noise_BMT.new_full((B,), step))
    time = 0.0
    for _ in range(steps):
        time_BD = estimator.time_embed(noise_BMT.new_full((B,), time)) + size_BD
        velocity = estimator(x_BMT, prompt_BMT, embedded, time_BD, **given)
        if without is not None:
            unguided = estimator(x_BMT, torch.zeros_like(prompt_BMT), without, time_BD, **given)
            velocity = velocity + (velocity - unguided) * guidance
        x_BMT = x_BMT + step * velocity.to(x_BMT.dtype)
        x_BMT[..., :frames] = 0
        time += step
    return x_BMT
