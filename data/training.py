"""training.py - what is wrapped around sampling and training: progress, memory, checkpoints of a cell that takes long.

s3ft.finetune is a plain loop that yields after every step. Here a step is counted, now and then the state is written to disk, and
when memory runs out the same step is tried again with half the micro-batch. None of it changes what is trained on: a step depends
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
from tqdm import tqdm

import model
from data import UserError
from data.chat import say_once
from data.checkpoint import write_tensors

EVERY, SHARE = 300, 20          # seconds between two checkpoints inside a cell, and so many times what writing one takes
WORTH = 60                       # a training of so many seconds is also kept while its cell is being measured


# ---------------------------------------------------------------- progress

class Progress:
    """Call it with the number of things newly done. A bar on a terminal, else a line per ten per cent (and per five seconds)."""

    def __init__(self, label, total):
        self.label, self.total, self.done, self.began = label, total, 0, time.time()
        self.told, self.last = 0, self.began
        self.bar = tqdm(total=total, desc=label, leave=False, dynamic_ncols=True) if sys.stderr.isatty() else None

    def __call__(self, n=1):
        self.done += n
        now = time.time()
        if self.bar is not None:
            self.bar.update(n)
            if self.done >= self.total:
                self.bar.close()
        elif self.done < self.total and self.done * 10 // self.total > self.told and now - self.last > 5:
            self.told, self.last = self.done * 10 // self.total, now
            left = (now - self.began) / self.done * (self.total - self.done)
            print(f"  {self.label}: {self.done} of {self.total}, {minutes(left)} to go", file=sys.stderr, flush=True)


def minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


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


def within_memory(work, *args, **kwargs):
    """work(...), with half the rows and prompt tokens at once whenever memory runs out. Which rows share a batch changes nothing."""
    while True:
        try:
            return work(*args, **kwargs)
        except Exception as error:
            if not out_of_memory(error):
                raise
        if model.PREFILL < 64:
            raise UserError("the model does not fit this device's memory; take a smaller one or --device cpu")
        model.SLOTS, model.PREFILL = max(1, model.SLOTS // 2), model.PREFILL // 2
        model.CACHE, model.GPU_SHARE = model.CACHE // 2, model.GPU_SHARE / 2
        say_once("out of memory: going on with fewer rows at once")
        release()                # here, after the exception and what its traceback held are gone


# ---------------------------------------------------------------- training that survives

def train(lm, steps, progress, optimiser_of, budget, path, key):
    """Run finetune's steps to the end -> {"losses", "train_seconds"}.

    steps(budget, done, optimiser): finetune, going on after `done` steps. path: the file for the state on the way (None: no
    file); one that is there and has this key, of everything that the cell depends on, is taken up.
    """
    state = path and read_state(path, key, lm, optimiser_of)
    losses, seconds, optimiser, budget = state or ([], 0.0, None, budget)
    began, saved, cost, bar = time.time() - seconds, time.time(), 0.0, None
    if state:
        print(f"  going on after step {len(losses)}", file=sys.stderr, flush=True)
    while True:
        try:
            for step in steps(budget=budget, done=len(losses), optimiser=optimiser):
                optimiser = step["optimiser"]
                losses.append(round(step["loss"], 5))
                if bar is None:
                    bar = progress("fine-tuning, steps", step["steps"])
                    bar(len(losses) - 1)
                bar()
                now = time.time()
                if path and (now - saved > max(EVERY, SHARE * cost) or step["step"] == step["steps"] and now - began > WORTH):
                    write_state(path, key, lm, optimiser, losses, now - began, budget)
                    saved, cost = time.time(), time.time() - now
            return {"losses": losses, "train_seconds": time.time() - began}
        except Exception as error:
            if not out_of_memory(error):
                raise
        lm.zero_grad(set_to_none=True)
        release()
        if budget > 128:
            budget //= 2
        elif not lm.checkpointing:
            lm.checkpointing = True
        else:
            raise UserError("the model does not fit this device's memory for training; take a smaller one, --lora 8 or --device cpu")
        say_once("out of memory: going on with smaller micro-batches")


def trainable(lm):
    return {name: p for name, p in lm.named_parameters() if p.requires_grad}


def write_state(path, key, lm, optimiser, losses, seconds, budget):
    """Weights, optimiser and step as one safetensors file, whole or not at all."""
    tensors = {}
    for name, p in trainable(lm).items():
        tensors[f"weight {name}"] = p.detach().cpu()
        tensors |= {f"{part} {name}": value.detach().cpu() for part, value in optimiser.state[p].items() if torch.is_tensor(value)}
    write_tensors(path, tensors, {"key": key, "progress": json.dumps([losses, seconds, budget, lm.checkpointing])})


def read_state(path, key, lm, optimiser_of):
    """(losses, seconds, optimiser, budget) of a file that write_state left for this key, its weights put into lm; else None."""
    try:
        with safe_open(path, "pt") as f:
            if f.metadata().get("key") != key:
                return None
            losses, seconds, budget, lm.checkpointing = json.loads(f.metadata()["progress"])
            tensors = {name: f.get_tensor(name) for name in f.keys()}
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError):
        return None
    optimiser = optimiser_of(lm)
    state = {}
    for number, (name, p) in enumerate(trainable(lm).items()):
        p.data.copy_(tensors[f"weight {name}"])
        state[number] = {key.split(" ")[0]: t for key, t in tensors.items() if key.endswith(f" {name}") and not key.startswith("weight ")}
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return losses, seconds, optimiser, budget
