"""Training steps of crops, recorded once as a CUDA graph and replayed.

A step of a small model is ten thousand operations of some microseconds, for which a GPU waits on the processor that
asks for each. A graph asks for all of them at once. Its shapes and addresses are fixed, so that each batch is copied to
the same place, padded to the same size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from voicemill.gpt_sovits.features.spectrogram import HOP
from voicemill.gpt_sovits.sovits.data import Batch, padded_frames
from voicemill.gpt_sovits.sovits.training import Losses, Trainer, Whole
from voicemill.gpt_sovits.training.monitor import Diverged

WARM_UP = 3
"""Steps as usual before one is recorded: in the first, convolutions are chosen and the optimizers' state is made."""

Work = Callable[[], Losses]


def cuda_graph(work: Work) -> Work:
    """What does the same work again, without Python. The answer's tensors are the same each time, with new numbers."""
    torch.cuda.empty_cache()
    graph = torch.cuda.CUDAGraph()
    # Another thread reads the next batch onto the GPU meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        answer = work()

    def replay() -> Losses:
        graph.replay()
        return answer

    return replay


class CudaGraphTrainer(Trainer):
    """A trainer on batches of crops, whose steps are recorded.

    A step is found to have diverged when it is done, so its weights are lost; the checkpoint saved before it is intact.

    Args:
        phones: Most phones of a clip; a batch with more is trained on as usual.
        record: Makes the replay of some work.
        settings: Of `Trainer`.
    """

    def __init__(self, *settings: Any, phones: int, record: Callable[[Work], Work] = cuda_graph):
        super().__init__(*settings)
        self.phones, self.record = phones, record
        self._given: Whole | None = None
        self._replays: dict[bool, Work] = {}
        self._warm = {False: 0, True: 0}
        self._recording = False
        self._fix_rates()

    def _step(self, whole: Whole) -> Losses:
        judged = self.is_judged
        if not self._fits(whole.batch):
            return super()._step(whole)
        given = self._put(whole)
        if judged not in self._replays:
            with _trying_convolutions():
                if self._warm[judged] < WARM_UP:
                    self._warm[judged] += 1
                    return self._aside(given)
                self._replays[judged] = self._recorded(given)
        return _numbers(self._replays[judged]())

    def _recorded(self, given: Whole) -> Work:
        self._recording = True
        try:
            return self.record(lambda: super(CudaGraphTrainer, self)._step(given))
        finally:
            self._recording = False

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._fix_rates()
        self._replays.clear()

    def _fix_rates(self) -> None:
        """Put the learning rates where a graph reads them."""
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                rate = torch.tensor(float(group["lr"]), device=self.device)
                group.update(lr=rate, capturable=self.device.type == "cuda")

    def _aside(self, whole: Whole) -> Losses:
        """Return a step as usual, on another stream as a recording will be."""
        if self.device.type != "cuda":
            return super()._step(whole)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            losses = super()._step(whole)
        torch.cuda.current_stream().wait_stream(side)
        return losses

    def _fits(self, batch: Batch) -> bool:
        """Return whether a batch can be padded to the recorded shape, and goes through the models at once."""
        longest = int(batch.spec_lengths_B.max())
        of_shape = len(batch) == self.recipe.batch_size and longest <= self.recipe.segment_frames
        return of_shape and batch.phones_BP.shape[-1] <= self.phones and self.micro_batch >= self.recipe.batch_size

    def _put(self, whole: Whole) -> Whole:
        """Copy what is trained on to where the graph reads it."""
        if self._given is None:
            self._given = self._room(whole)
        mine, batch = self._given, whole.batch
        pairs = [(getattr(mine.batch, f.name), getattr(batch, f.name)) for f in fields(batch)]
        pairs += [(mine.noise_BCT, whole.noise_BCT), (mine.places_B, whole.places_B)]
        for place, given in pairs:
            if given is not None:
                place.zero_()
                # A clip that is not cut has up to a frame of samples more than its frames.
                part = tuple(slice(min(sizes)) for sizes in zip(place.shape, given.shape, strict=True))
                place[part].copy_(given[part], non_blocking=True)
        return mine

    def _room(self, whole: Whole) -> Whole:
        """Zeros of the recorded shape."""
        frames, batch = padded_frames(self.recipe.segment_frames), whole.batch

        def room(like: Tensor, length: int) -> Tensor:
            return torch.zeros(*like.shape[:-1], length, dtype=like.dtype, device=self.device)

        kept = {"spec_lengths_B": len(batch), "phone_lengths_B": len(batch), "phones_BP": self.phones}
        kept |= {"ssl_BCT": frames, "spec_BFT": frames, "wav_B1L": self.recipe.segment_frames * HOP}
        made = replace(batch, **{name: room(getattr(batch, name), length) for name, length in kept.items()})
        if batch.speaker_vectors_BS is not None:
            made.speaker_vectors_BS = batch.speaker_vectors_BS.to(self.device).clone()
        return Whole(made, room(whole.noise_BCT, frames), room(whole.places_B, len(batch)))

    def _number(self, value: Tensor) -> Any:
        # While it is recorded nothing may wait for the GPU.
        return value.detach() if self._recording else super()._number(value)

    def _finite(self, value: Tensor, name: str) -> Any:
        return value.detach() if self._recording else super()._finite(value, name)


def _trying_convolutions() -> AbstractContextManager:
    """Let cuDNN find out which convolution of a shape is fastest; of one shape alone it is worth the time."""
    exact = torch.are_deterministic_algorithms_enabled()
    return torch.backends.cudnn.flags(enabled=True, benchmark=not exact, deterministic=exact)


def _numbers(losses: Losses) -> Losses:
    """Return the numbers of a replayed step.

    Raises:
        Diverged: One is none.
    """
    names = [f.name for f in fields(losses)]
    tensors = [torch.as_tensor(getattr(losses, name), dtype=torch.float32) for name in names]
    device = next((tensor.device for tensor in tensors if tensor.dim() == 0 and tensor.is_cuda), tensors[0].device)
    numbers = dict(zip(names, torch.stack([tensor.to(device) for tensor in tensors]).tolist(), strict=True))
    bad = [name for name, number in numbers.items() if not math.isfinite(number)]
    if bad:
        raise Diverged(f"{bad[0]} became {numbers[bad[0]]} in a training step")
    return Losses(**numbers)
