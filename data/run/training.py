"""training.py - what is wrapped around sampling and training: progress, memory, checkpoints of a cell that takes long.

s3ft.finetune is a plain loop that tells a Journal of every step. The journal counts it and now and then writes the state to disk.
When memory runs out the same step is tried again with half the micro-batch. None of it changes what is trained on: a step depends
on the weights, the optimiser and its own number alone.
"""
import gc
import json
import os
import sys
import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from data import UserError
from data.chat import say_once
from data.checkpoint import write_tensors
from data.run.progress import Progress

EVERY, SHARE = 300, 20          # seconds between two checkpoints inside a cell, and so many times what writing one takes
WORTH = 60                       # a training of so many seconds is also kept while its cell is being measured


# ---------------------------------------------------------------- memory

def memory_of(device):
    """Bytes that this device has in all (what is free changes from run to run; the size of a micro-batch must not)."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):      # a container's own
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):
            pass
    return total


def bytes_per_token(config, dtype):
    """Roughly what the layers keep of a training token for the backward pass (measured: 18 D + 7 I numbers in each)."""
    return config.num_hidden_layers * (18 * config.hidden_size + 7 * config.intermediate_size) * dtype.itemsize


def micro_budget(lm, dtype, longest):
    """(tokens in a micro-batch, whether to checkpoint activations): an eighth of a GPU's memory, 1 GiB on a processor, which larger
    products do not make faster, and no more than is any use.

    Depends on the model and the machine's size only, so that a repeated run computes the same.
    """
    device, each = next(lm.parameters()).device, bytes_per_token(lm.config, dtype)
    memory = memory_of(device)
    most, room = (16384, memory / 8) if device.type == "cuda" else (2048, min(2**30, memory / 8))
    return max(256, min(most, int(room / each))), longest * each > memory / 4


def out_of_memory(error):
    words = ("allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDA error: out of memory")
    return isinstance(error, torch.OutOfMemoryError) or isinstance(error, RuntimeError) and any(w in str(error) for w in words)


def release():
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def within_memory(work, lm, *args, **kwargs):
    """work(lm, ...); whenever memory runs out, again with half as much at once. Results do not depend on what shares a batch."""
    while True:
        try:
            return work(lm, *args, **kwargs)
        except Exception as error:
            if not out_of_memory(error):
                raise
        if lm.batch_share < 1 / 128:        # a row or two at once
            raise UserError("the model does not fit this device's memory; take a smaller one or --device cpu")
        lm.batch_share /= 2
        say_once("out of memory: going on with fewer rows at once")
        release()                           # here, since the exception's traceback, which is gone now, kept tensors alive


# ---------------------------------------------------------------- training that survives

class Journal:
    """What s3ft.finetune tells of each step: shows progress, and now and then writes the state to disk.

    path: the file for the state on the way (None: no file). One that is there and has this key, of
    everything that the weights depend on, is taken up.
    progress(label, total) -> a function to call with the number of new steps.
    """

    def __init__(self, path=None, key=None, progress=Progress):
        self.path, self.key, self.progress = path, key, progress
        self.budget = None           # tokens of a micro-batch, once `train` has set it
        self.checkpointing = None
        self.losses = []             # of the steps taken so far
        self.seconds = 0.0           # that these took in an earlier run
        self.optimiser = None        # of an attempt at training that ran out of memory
        self.tensors = None          # weights and moments from the file
        self.bar = None
        self.saved = time.time()     # when the state was written last,
        self.cost = 0.0              # and how long that took
        state = path and read_state(path, key)
        if state:
            self.tensors, self.losses, self.seconds, self.budget, self.checkpointing = state
            print(f"  going on after step {len(self.losses)}", file=sys.stderr, flush=True)
        self.began = time.time() - self.seconds

    def take_up(self, lm, optimiser):
        """Put what there is into lm and the new optimiser -> the losses of the steps taken so far."""
        if self.tensors is not None:
            put_state(lm, optimiser, self.tensors)
            self.tensors = None
        elif self.optimiser is not None and self.losses:
            optimiser.load_state_dict(self.optimiser.state_dict())
        self.lm, self.optimiser = lm, optimiser
        return list(self.losses)

    def total_seconds(self):
        """What the training took so far, earlier starts included."""
        return time.time() - self.began

    def step(self, losses, steps):
        """A step was taken; steps: how many there are in all."""
        self.losses = list(losses)
        if self.bar is None:
            self.bar = self.progress("fine-tuning, steps", steps)
            self.bar(len(losses) - 1)
        self.bar(1)
        now = time.time()
        due = now - self.saved > max(EVERY, SHARE * self.cost)
        last_of_many = len(losses) == steps and now - self.began > WORTH
        if self.path and (due or last_of_many):
            write_state(self.path, self.key, self.lm, self.optimiser, losses, now - self.began, self.budget)
            self.saved = time.time()
            self.cost = self.saved - now


def train(finetune, lm, targets, close_id, settings, dtype, journal):
    """Run finetune to the end -> lm. When memory runs out, the step that failed is taken again with
    half the micro-batch."""
    if journal.budget is None:
        longest = max((len(t.prompt_ids) + len(t.ids) for t in targets), default=1)
        journal.budget, journal.checkpointing = micro_budget(lm, dtype, longest)
    lm.checkpointing = journal.checkpointing
    while True:
        try:
            finetune(lm, targets, close_id, settings, dtype, journal.budget, journal)
            lm.checkpointing = False
            return lm
        except Exception as error:
            if not out_of_memory(error):
                raise
        lm.zero_grad(set_to_none=True)
        release()                # here, after the exception and what its traceback held are gone
        if journal.budget > 128:
            journal.budget //= 2
        elif not lm.checkpointing:
            lm.checkpointing = True
        else:
            raise UserError("the model does not fit this device's memory for training; "
                            "take a smaller one, --lora 8 or --device cpu")
        say_once("out of memory: going on with smaller micro-batches")


def trainable(lm):
    return {name: p for name, p in lm.named_parameters() if p.requires_grad}


def write_state(path, key, lm, optimiser, losses, seconds, budget):
    """Weights, optimiser and step as one safetensors file, whole or not at all."""
    tensors = {}
    for name, p in trainable(lm).items():
        tensors[f"weight {name}"] = p.detach().cpu()
        for part, value in optimiser.state[p].items():
            if torch.is_tensor(value):
                tensors[f"{part} {name}"] = value.detach().cpu()
    progress = json.dumps([losses, seconds, budget, lm.checkpointing])
    write_tensors(path, tensors, {"key": key, "progress": progress})


def read_state(path, key):
    """(tensors, losses, seconds, budget, checkpointing) of a file that write_state left for this key;
    None where there is none, or a damaged one."""
    try:
        with safe_open(path, "pt") as f:
            if f.metadata().get("key") != key:
                return None
            losses, seconds, budget, checkpointing = json.loads(f.metadata()["progress"])
            tensors = {name: f.get_tensor(name) for name in f.keys()}
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError):
        return None
    return tensors, losses, seconds, budget, checkpointing


def put_state(lm, optimiser, tensors):
    """Put what write_state wrote into lm and a new optimiser."""
    moments = {}
    for number, (name, p) in enumerate(trainable(lm).items()):
        p.data.copy_(tensors[f"weight {name}"])
        parts = [part.removesuffix(f" {name}") for part in tensors if part.endswith(f" {name}")]
        moments[number] = {part: tensors[f"{part} {name}"] for part in parts if part != "weight"}
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
