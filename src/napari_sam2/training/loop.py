"""The training loop: steps, checkpoints, validation, and a clean stop whenever one is asked for."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from napari_sam2.network.config import CONFIGS, Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.tracking.allocator import keep_freed_memory
from napari_sam2.training.batch import Batch
from napari_sam2.training.checkpoint import NAME, NotSavedError, check_data, load_checkpoint, save_checkpoint
from napari_sam2.training.clip import ClipSource
from napari_sam2.training.forward import Trainee
from napari_sam2.training.loader import BatchData, load_batches
from napari_sam2.training.runlog import RunLog, line_of, tell
from napari_sam2.training.schedule import AveragedWeights, learning_rate_factor
from napari_sam2.training.settings import TrainSettings
from napari_sam2.training.starting import take_weights
from napari_sam2.training.step import StepOutput
from napari_sam2.training.updates import Updates
from napari_sam2.training.validation import Validation

FAR = 10_000_000  # steps; runs end by time, by a signal, or by --steps
LOG_EVERY = 10


@dataclass(frozen=True)
class RunOptions:
    """What may differ between parts of the same run.

    Attributes
    ----------
    out : Path
        Directory for checkpoint, log and curves.
    device : str
    workers : int
        Data workers; 0 makes batches in this process.
    threads : int
        Torch threads of this process; 0 leaves the default.
    time_limit : float
        Minutes; 0 is no limit.
    steps : int
        Stop after this many steps in total; 0 is no limit.
    checkpoint_every, validate_every : float
        Minutes and steps.
    decay_steps : int
        Above 0: start the decay of the learning rate now (at the step resumed from), over so many steps, and stop
        after it.
    plateau : bool
        Forget a decay that was begun or done: the learning rate goes back to its plateau.
    compile : bool
        torch.compile the image encoder.
    command : str
        Recorded in the checkpoint.
    data_hash : str
        Of all data; recorded in the checkpoint.
    pack_hash : str, optional
        Of the pack alone, where that is not all (`check_data`).
    """

    out: Path
    device: str = "cpu"
    workers: int = 1
    threads: int = 0
    time_limit: float = 0.0
    steps: int = 0
    checkpoint_every: float = 3.0
    validate_every: int = 250
    decay_steps: int = 0
    plateau: bool = False
    compile: bool = False
    command: str = ""
    data_hash: str = ""
    pack_hash: str | None = None


class Trainer:
    """A run: create it (resuming if `out` holds a checkpoint), then `run`.

    Parameters
    ----------
    settings : TrainSettings, optional
        Those of the checkpoint when not given (the usual ones without a checkpoint); given ones count from here on.
    options : RunOptions
    config : Sam2Config, optional
        Network; that of ``settings.config`` when not given.
    weights : dict, optional
        Weights to start from (fine-tuning, warm restart), named as `starting_weights` names them: all of the network's,
        and of the heads that only training has those that are known. Ignored on resuming.
    """

    def __init__(
        self,
        settings: TrainSettings | None,
        options: RunOptions,
        config: Sam2Config | None = None,
        weights: dict[str, torch.Tensor] | None = None,
    ) -> None:
        self.options = options
        self.device = torch.device(options.device)
        if options.threads:
            torch.set_num_threads(options.threads)
        if self.device.type == "cpu":
            keep_freed_memory()
        saved = load_checkpoint(options.out) if (options.out / NAME).exists() else None
        if settings is None:
            settings = TrainSettings.from_dict(saved["settings"]) if saved else TrainSettings()
        self.settings = settings
        self.config = Sam2Config.from_dict(saved["config"]) if saved else (config or CONFIGS[settings.config])
        self._pack_hash = options.data_hash if options.pack_hash is None else options.pack_hash
        if saved:
            check_data(saved, options.out, options.data_hash, self._pack_hash)
        torch.manual_seed(self.settings.seed)
        model = Sam2(self.config)
        self.trainee = Trainee(model, self.settings.plan.window).to(self.device)
        if weights is not None and saved is None:
            take_weights(self.trainee, weights)
        _channels_last(self.trainee)
        self.updates = Updates(self.trainee, self.settings)
        self.step = 0
        self.seconds = 0.0
        self.commands: list[str] = []
        self.decay_start: int | None = None
        self.decay_steps = 0
        self.average = AveragedWeights(self.trainee, self.settings.average)
        if saved:
            self._restore(saved)
        if options.plateau:
            self.decay_start, self.decay_steps = None, 0
        if options.decay_steps and self.decay_start is None:
            self.decay_start, self.decay_steps = self.step, options.decay_steps
        if options.command:
            self.commands.append(options.command)
        self._forward: Any = self.trainee
        if options.compile:
            self.trainee.model.image_encoder.compile()  # in place: names of parameters stay
        self._stop = False
        self._log = RunLog(options.out)
        self._saved_step = self.step if saved else None

    def run(self, stills: ClipSource, clips: ClipSource, validation: Validation | None = None) -> None:
        """Train until the time limit, the step limit, the end of the decay, or a signal; then write a checkpoint.

        A checkpoint that cannot be written on the way is told, and tried again after the next interval.

        Parameters
        ----------
        stills, clips : ClipSource
        validation : Validation, optional

        Raises
        ------
        NotSavedError
            If the last checkpoint cannot be written.
        """
        out = self.options.out
        out.mkdir(parents=True, exist_ok=True)
        self._log.begin(self.settings.to_dict(), self.step)
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)}
        data = BatchData(stills, clips, self.settings.plan, self.settings.seed, self.settings.ramp)
        last = self._last_step()
        started = time.monotonic()
        before, saved_at = self.seconds, started
        sums: dict[str, float] = {}
        count, mark = 0, started
        batches = load_batches(data, self.step, last, self.options.workers)
        try:
            for batch in batches:
                terms = self.train_step(batch)
                self.seconds = before + time.monotonic() - started
                if terms is not None:
                    for name, value in terms.items():
                        sums[name] = sums.get(name, 0.0) + value
                        sums[f"n/{name}"] = sums.get(f"n/{name}", 0.0) + 1
                count += 1
                now = time.monotonic()
                whole = self.updates.due(self.step)
                if self.step % LOG_EVERY == 0:
                    row = {k: v / sums[f"n/{k}"] for k, v in sums.items() if not k.startswith("n/")}
                    row |= {"step": self.step, "seconds_per_step": (now - mark) / count, "minutes": self.seconds / 60}
                    self._log.add(row)
                    tell(line_of(row))
                    sums, count, mark = {}, 0, now
                if validation is not None and self.step % self.options.validate_every == 0:
                    self.validate(validation)
                    mark = time.monotonic()
                if whole and now - saved_at > self.options.checkpoint_every * 60:
                    self._save_or_tell()
                    self._log.draw()
                    saved_at = time.monotonic()
                limit = self.options.time_limit * 60
                if whole and (self._stop or (limit and now - started > limit)):
                    break
            self.save()  # before anything else is waited for
        finally:
            batches.close()  # and its workers end, whatever happened
            for number, handler in previous.items():
                signal.signal(number, handler)
        self._log.draw()
        tell(f"stopped after step {self.step}; checkpoint in {out}")

    def train_step(self, batch: Batch) -> dict[str, float] | None:
        """One batch, and an update where it is due; returns terms for the log, or None where no gradient is finite."""
        settings = self.settings
        weights = replace(settings.weights, tilt=settings.tilt(self.step))
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + self.step)
        factor = learning_rate_factor(self.step, settings.warmup, self.decay_start, self.decay_steps)
        self.trainee.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            output: StepOutput = self._forward(batch.to(self.device), weights, generator)
        self.updates.add(output.loss)
        self.step += 1
        terms = {k: float(v) for k, v in output.terms.items()} | {"loss": float(output.loss.detach())}
        if not self.updates.due(self.step):
            return terms
        norm = self.updates.apply(settings.learning_rate * factor)
        if norm is None:
            return None
        self.average.update(self.trainee, self.step // settings.batches)
        return terms | {"gradient": norm}

    def validate(self, validation: Validation) -> dict[str, float]:
        """Measure the averaged weights on held-out data and log it."""
        averaged = Trainee(Sam2(self.config), self.settings.plan.window).to(self.device)
        averaged.load_state_dict(self.average.state)
        dtype = torch.bfloat16 if self.settings.precision == "bf16" else None
        _channels_last(averaged)
        result = validation.run(averaged, self.device, dtype)
        self._log.add({"step": float(self.step)} | {f"val/{k}": v for k, v in result.items()})
        tell(f"step {self.step} VALIDATION " + " ".join(f"{k} {v:.3f}" for k, v in result.items()))
        return result

    def save(self, name: str = NAME) -> Path:
        """Write a checkpoint.

        Raises
        ------
        NotSavedError
            If it cannot be written; the message says why, and which one is there.
        """
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.trainee.state_dict(),
            "average": self.average.state,
            "optimizer": self.updates.optimizer.state_dict(),
            "settings": self.settings.to_dict(),
            "config": self.config.to_dict(),
            "decay_start": self.decay_start,
            "decay_steps": self.decay_steps,
            "commands": self.commands,
            "data_hash": self.options.data_hash,
            "pack_hash": self._pack_hash,
            "torch": str(torch.__version__),
        }
        try:
            path = save_checkpoint(self.options.out, state, name)
        except NotSavedError as error:
            there = "there is none yet" if self._saved_step is None else f"the last one is of step {self._saved_step}"
            raise NotSavedError(f"the checkpoint of step {self.step} was not saved: {error}; {there}") from error
        self._saved_step = self.step
        return path

    def _save_or_tell(self) -> None:
        try:
            self.save()
        except NotSavedError as error:
            tell(f"{error}; training goes on, and the next one is due in {self.options.checkpoint_every:g} minutes")

    def _restore(self, saved: dict[str, Any]) -> None:
        # Batches, corrections and the learning rate are functions of (seed, step): no generator state is needed.
        self.trainee.load_state_dict(saved["model"])
        self.updates.optimizer.load_state_dict(saved["optimizer"])
        self.average.state = {k: v.to(self.device) for k, v in saved["average"].items()}
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.decay_start, self.decay_steps = saved["decay_start"], saved["decay_steps"]
        self.commands = list(saved["commands"])

    def _last_step(self) -> int:
        ends = [FAR]
        if self.options.steps:
            ends.append(self.options.steps)
        if self.decay_start is not None:
            ends.append(self.decay_start + self.decay_steps)
        return self.updates.whole(max(self.step, min(ends)))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        tell(f"signal {number}: finishing this step, then writing a checkpoint")
        self._stop = True


def _channels_last(module: nn.Module) -> None:
    """Lay kernels out with channels last, in place: convolutions in bfloat16 are much faster so."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
