"""training.py - what is wrapped around sampling and training: progress, memory, saved states.

s3ft.finetune is a plain loop that tells a Journal of every step. None of this changes what is
trained on: a step depends on the weights, the optimiser and its own number alone.
"""
import gc
import json
import os
import sys
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from data import UserError, say_once
from data.checkpoints.weights import write_tensors
from data.run.progress import Progress

EVERY = 300         # at least so many seconds between two checkpoints of a training,
SHARE = 20          # and at least so many times the seconds that writing one takes
WINDOWS_MEMORY = 8 * 2**30      # Python does not tell there; most laptops have as much
WORTH = 60          # a training of more seconds is also written at its end, until it is measured


# ---------------------------------------------------------------- memory

def memory_of(device):
    """Bytes that this device has in all: what is free changes from run to run."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if not hasattr(os, "sysconf"):
        return WINDOWS_MEMORY
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    container_limits = ("/sys/fs/cgroup/memory.max",                        # cgroup version 2
                        "/sys/fs/cgroup/memory/memory.limit_in_bytes")      # and 1
    for limit in container_limits:
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):
            pass
    return total


def bytes_per_token(config, dtype):
    """Roughly what the layers keep of a training token for the backward pass."""
    numbers = 18 * config.hidden_size + 7 * config.intermediate_size        # of a layer, measured
    return config.num_hidden_layers * numbers * dtype.itemsize


def micro_budget(lm, dtype, longest):
    """(tokens in a micro-batch, whether to checkpoint activations). longest: tokens of an example.

    The activations may take an eighth of the memory, on a CPU at most 1 GiB. Above 16384 tokens
    (CPU: 2048) a larger micro-batch is no faster. A repeated run gets the same answer.
    """
    device = next(lm.parameters()).device
    each = bytes_per_token(lm.config, dtype)
    memory = memory_of(device)
    room = memory / 8
    most = 16384
    if device.type != "cuda":
        room = min(2**30, room)
        most = 2048
    tokens = max(256, min(most, int(room / each)))
    checkpointing = longest * each > memory / 4
    return tokens, checkpointing


def out_of_memory(error):
    """Does this exception say that memory ran out?"""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    words = ("allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDA error: out of memory")
    return isinstance(error, RuntimeError) and any(w in str(error) for w in words)


def release():
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def within_memory(work, lm, *args, **kwargs):
    """work(lm, ...); whenever memory runs out, again with half as many rows at once.

    UserError where a row or two at once are still too many.
    """
    while True:
        try:
            return work(lm, *args, **kwargs)
        except Exception as error:
            if not out_of_memory(error):
                raise
        if lm.batch_share < 1 / 128:        # a row or two at once
            raise UserError("the model does not fit this device's memory; "
                            "take a smaller one or --device cpu")
        lm.batch_share /= 2
        say_once("out of memory: going on with fewer rows at once")
        release()            # after the except block, when its traceback no longer holds tensors


# ---------------------------------------------------------------- training that survives

class Journal:
    """What s3ft.finetune tells of each step. It shows progress and now and then saves the state.

    path: the file for the state. If it is there and has this key, the training goes on from it.
    """

    def __init__(self, path, key):
        self.path = path
        self.key = key
        self.losses = []             # of the steps taken so far
        self.budget = None           # tokens of a micro-batch, once it is known
        self.checkpointing = False
        self.lm = None               # the model that is trained, and its optimiser
        self.optimiser = None
        self.bar = None
        self.later = []              # journals of later phases
        self.saved = time.time()     # when the state was written last,
        self.cost = 0.0              # and how many seconds that took
        self.earlier = 0.0           # seconds of training in earlier runs
        progress, _ = read_state(path, key)
        if progress:
            self.losses, self.earlier, self.budget, self.checkpointing = progress
            print(f"  going on after step {len(self.losses)}", file=sys.stderr, flush=True)
        self.began = time.time() - self.earlier

    def of_phase(self, number):
        """The journal of a phase of this training: itself for the first."""
        if number == 0:
            return self
        path = self.path.with_name(f"{self.path.stem}-{number + 1}{self.path.suffix}")
        phase = Journal(path, self.key)
        self.later.append(phase)
        return phase

    def all_losses(self):
        """Of the steps of all phases."""
        return self.losses + [loss for phase in self.later for loss in phase.losses]

    def take_up(self, lm, optimiser):
        """Put the state of the steps taken so far into lm and the new optimiser -> their losses."""
        self.lm = lm
        self.optimiser = optimiser
        if self.losses:
            _, tensors = read_state(self.path, self.key)
            put_state(lm, optimiser, tensors)
        return list(self.losses)

    def total_seconds(self):
        """Seconds of training so far, earlier runs and later phases included."""
        return time.time() - self.began + sum(phase.earlier for phase in self.later)

    def step(self, losses, steps):
        """A step was taken; steps: how many there are in all."""
        self.losses = list(losses)
        if self.bar is None:
            self.bar = Progress("fine-tuning, steps", steps)
            self.bar(len(losses) - 1)
        self.bar(1)
        due = time.time() - self.saved > max(EVERY, SHARE * self.cost)
        last_of_many = len(losses) == steps and self.total_seconds() > WORTH
        if due or last_of_many:
            self.save()

    def save(self):
        began = time.time()
        write_state(self.path, self.key, self.lm, self.optimiser, self.losses,
                    self.total_seconds(), self.budget)
        self.saved = time.time()
        self.cost = self.saved - began


def train_within_memory(finetune, lm, targets, close_id, settings, dtype, journal, loss):
    """Run finetune to the end -> lm. When memory runs out, the step that failed is taken again with
    half the micro-batch. UserError where nothing smaller is left to try."""
    if journal.budget is None:
        longest = max((len(target) for target in targets), default=1)
        journal.budget, journal.checkpointing = micro_budget(lm, dtype, longest)
    lm.checkpointing = journal.checkpointing
    while True:
        try:
            finetune(lm, targets, close_id, settings, dtype, journal.budget, journal, loss)
            lm.checkpointing = False
            return lm
        except Exception as error:
            if not out_of_memory(error):
                raise
        lm.zero_grad(set_to_none=True)
        release()            # after the except block, when its traceback no longer holds tensors
        if journal.budget > 128:
            journal.budget //= 2
        elif not lm.checkpointing:
            lm.checkpointing = True
        else:
            raise UserError("the model does not fit this device's memory for training; "
                            "take a smaller one, --lora 8 or --device cpu")
        say_once("out of memory: going on with smaller micro-batches")
        if journal.losses:
            journal.save()           # the next try takes it up
        journal.optimiser = None


def write_state(path, key, lm, optimiser, losses, seconds, budget):
    """Weights, optimiser and step as one safetensors file, whole or not at all."""
    trainable = {name: p for name, p in lm.named_parameters() if p.requires_grad}
    tensors = {f"weight {name}": p.detach() for name, p in trainable.items()}
    for number, parts in optimiser.state_dict()["state"].items():
        tensors |= {f"{part} {number}": value for part, value in parts.items()}
    progress = json.dumps([losses, seconds, budget, lm.checkpointing])
    write_tensors(path, tensors, {"key": key, "progress": progress})


def read_state(path, key):
    """([losses, seconds, budget, checkpointing], tensors) from the file of write_state.

    (None, None) where there is no file, or it is damaged or has another key.
    """
    try:
        with safe_open(path, "pt") as file:
            if file.metadata().get("key") != key:
                return None, None
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            return json.loads(file.metadata()["progress"]), tensors
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError):
        return None, None


def put_state(lm, optimiser, tensors):
    """Put what write_state wrote into lm and a new optimiser."""
    content = optimiser.state_dict()
    for name, tensor in tensors.items():
        part, _, place = name.partition(" ")
        if part == "weight":
            lm.get_parameter(place).data.copy_(tensor)
        else:
            content["state"].setdefault(int(place), {})[part] = tensor
    optimiser.load_state_dict(content)
