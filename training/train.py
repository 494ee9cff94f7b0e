"""Train the embedded net: python -m training.train --photographs PATH... (--start NET.onnx | --from-scratch) --out DIR

DIR keeps the log (log.jsonl, a line a step), the checkpoint, and the decoded photographs. Called again with the same
settings it goes on where it was; the number of steps may be another one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from dataclasses import asdict, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from training import encoder, warmstart
from training import plan as plans
from training.architecture import Net, decode
from training.batches import Batches
from training.loss import Loss, prior_of
from training.photographs import Album, Photograph, build
from training.plan import Plan
from training.score import Score, input_of, score

HELD_OUT = 400
"""Photographs that are never trained on, to choose by."""
CHECKPOINT_EVERY = 100
SCORE_EVERY = 400
SCORED = 160


class Training:
    """A net that learns: its weights, their running average, the optimiser's state and how many steps were taken."""

    def __init__(self, plan: Plan, folder: str, device: torch.device | None = None) -> None:
        self.plan = plan
        self.device = device or torch.device("cpu")
        self.step = 0
        self.prior: list[float] = []
        self.net = Net().to(self.device, memory_format=torch.channels_last)
        self.average = Net().to(self.device)
        self.optimiser = torch.optim.AdamW(self._groups(), lr=plan.rate, betas=(0.9, 0.99))
        self._checkpoint = os.path.join(folder, "checkpoint.pt")
        self._settings = json.loads(json.dumps(asdict(replace(plan, steps=0))))

    def _groups(self) -> list[dict[str, Any]]:
        """All weights, by how fast they learn, and whether they are drawn towards zero: vectors are not."""
        down = {id(one) for conv in self.net.encoder() for one in conv.parameters()}
        groups = []
        for rate, inside in ((self.plan.encoder_rate, True), (1.0, False)):
            mine = [one for one in self.net.parameters() if (id(one) in down) is inside]
            for decay, matrices in ((self.plan.decay, True), (0.0, False)):
                weights = [one for one in mine if (one.dim() > 1) is matrices]
                groups.append({"params": weights, "weight_decay": decay, "beside": rate})
        return groups

    def begin(self, start: str | None, classifier: str | None, batches: Batches) -> None:
        """Take the weights of `start`, an ONNX file, or those of `classifier` for the way down, if any.

        Batch normalisation of a `start` measures the first pictures.
        """
        if classifier is not None:
            encoder.load(self.net, classifier)
        if start is not None:
            warmstart.load(self.net, start)
            side = self.plan.sides[0][1]
            groups = [[(place, place) for place in range(at, at + 32)] for at in range(0, 256, 32)]
            warmstart.revive(
                self.net, [torch.from_numpy(batches.make(group, side).light).to(self.device) for group in groups]
            )
        self.average.load_state_dict(self.net.state_dict())

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one; raises ValueError where it was made with other settings."""
        if not os.path.exists(self._checkpoint):
            return False
        kept: dict[str, Any] = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        if json.loads(kept["settings"]) != self._settings:
            raise ValueError(f"{self._checkpoint} was made with other settings. Move it away, or choose another --out.")
        self.net.load_state_dict(kept["net"])
        self.average.load_state_dict(kept["average"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.step = kept["step"]
        return True

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        kept = {
            "settings": json.dumps(self._settings),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "prior": self.prior,
        }
        torch.save(kept, self._checkpoint + ".new")
        os.replace(self._checkpoint + ".new", self._checkpoint)

    def learn(self, loss: Loss, light: NDArray[np.float32], ab: NDArray[np.float32]) -> tuple[float, float]:
        """One step on a batch; the cross-entropy and the distance before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.learning_rate(self.step) * group["beside"]
        self.net.train()
        inputs = torch.from_numpy(light).to(self.device).contiguous(memory_format=torch.channels_last)
        crossed, distance = loss(self.net, inputs, ab, self.step % 4)
        self.optimiser.zero_grad(set_to_none=True)
        loss.total(crossed, distance).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        self._move_average()
        return float(crossed.detach()), float(distance.detach())

    def _move_average(self) -> None:
        # Early on the average follows closely, or it would hold on to where it began.
        keep = min(self.plan.averaging, (1 + self.step) / (10 + self.step))
        now = self.net.state_dict()
        with torch.no_grad():
            for name, value in self.average.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(now[name].contiguous(), 1 - keep)
                else:
                    value.copy_(now[name])


def measure(net: Net, album: Album, photographs: list[Photograph], temperature: float = 1.0) -> Score:
    """The score of `net` on photographs, shown as in use."""
    net.eval()
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.float32]]] = []
    device = next(net.parameters()).device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        for at in range(0, len(photographs), 16):
            labs = [album.lab(one) for one in photographs[at : at + 16]]
            lights = torch.from_numpy(np.stack([input_of(lab) for lab in labs])).to(device)
            ab = decode(net(lights).float(), temperature).permute(0, 2, 3, 1).float()
            pairs += zip(labs, ab.contiguous().cpu().numpy(), strict=True)
    return score(pairs)


def train(
    training: Training,
    album: Album,
    learned: list[Photograph],
    held_out: list[Photograph],
    folder: str,
    makers: int = 1,
) -> None:
    """Take all steps that are left, with a log and checkpoints; `makers` threads make the batches."""
    plan = training.plan
    batches = Batches(album, learned, plan.seed, plan.shares)
    prior = prior_of(album, learned)
    training.prior = prior.tolist()
    loss = Loss(prior, plan.weights, training.device)
    begun = time.perf_counter()
    with open(os.path.join(folder, "log.jsonl"), "a", encoding="utf-8", buffering=1) as log:

        def tell(**line: object) -> None:
            log.write(json.dumps(line) + "\n")

        tell(event="start", step=training.step, photographs=len(learned), held_out=len(held_out), plan=asdict(plan))
        for batch in batches.stream(plan.shown(training.step), plan.batches(training.step), makers):
            rate = plan.learning_rate(training.step)
            crossed, distance = training.learn(loss, batch.light, batch.ab)
            seconds = round(time.perf_counter() - begun, 1)
            tell(
                step=training.step,
                loss=round(float(crossed + plan.weights.error * distance), 5),
                cross_entropy=round(crossed, 5),
                distance=round(distance, 5),
                rate=round(rate, 8),
                side=batch.light.shape[-1],
                seconds=seconds,
            )
            if training.step % CHECKPOINT_EVERY == 0 or training.step == plan.steps:
                training.save()
            if training.step % SCORE_EVERY == 0 or training.step == plan.steps:
                tell(event="score", step=training.step, **measure(training.average, album, held_out[:SCORED]).as_dict())


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", nargs="+", required=True, metavar="PATH", help="folders and tars")
    parser.add_argument("--classes", default="ABC", help="licence classes of tars named train-X-... (default: ABC)")
    begin = parser.add_mutually_exclusive_group(required=True)
    begin.add_argument("--start", metavar="NET", help="go on from the weights of this ONNX file")
    begin.add_argument("--from-scratch", action="store_true", help="begin without colours")
    parser.add_argument(
        "--encoder",
        choices=("efficientnet-lite0", "none"),
        default="efficientnet-lite0",
        help="from scratch: the classifier whose weights the way down begins with, or none (default: %(default)s)",
    )
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--album", metavar="DIR", help="where the decoded photographs are kept (default: in --out)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--makers", type=int, default=1, metavar="N", help="threads that make the batches (default: 1)")
    parser.add_argument("--device", default="cpu", help="where to train, as torch names it: cpu, cuda (default: cpu)")
    return parser.parse_args(given)


def device_of(name: str) -> torch.device:
    """The device of that name; raises ValueError where torch has none."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise ValueError(
            f"There is no device {name!r} for torch here; leave --device out to train on the CPU."
        ) from error
    return device


def main() -> None:
    told = arguments(sys.argv[1:])
    torch.set_num_threads(told.threads)
    cv2.setNumThreads(1)
    random.seed(told.seed)
    torch.manual_seed(told.seed)
    with_classifier = told.from_scratch and told.encoder != "none"
    if told.from_scratch:
        plan = plans.from_scratch(told.seed, told.steps, with_classifier)
    else:
        plan = plans.continued(told.seed, told.steps)
    os.makedirs(told.out, exist_ok=True)
    try:
        device = device_of(told.device)
        album = build(told.photographs, told.classes, told.album or os.path.join(told.out, "album"))
        learned, held_out = album.split(min(HELD_OUT, len(album.photographs) // 10))
        classifier = encoder.find() if with_classifier else None
        training = Training(plan, told.out, device)
        if not training.resume():
            training.begin(told.start, classifier, Batches(album, learned, plan.seed, plan.shares))
        train(training, album, learned, held_out, told.out, told.makers)
    except (OSError, ValueError) as error:
        sys.exit(f"training: {error}")


if __name__ == "__main__":
    main()
