"""machine.py - what a run computes with: device, dtypes and threads."""
import sys
from dataclasses import dataclass

import torch

import model
from data import UserError, plural
from data.checkpoints import device

SHORT = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
BY_SHORT = {short: dtype for dtype, short in SHORT.items()}


@dataclass(frozen=True)
class Machine:
    device: torch.device
    sample_dtype: torch.dtype
    train_dtype: torch.dtype     # of autocast
    why: str                     # in words, for the user

    def versions(self):
        """What results depend on besides dtypes: keys have it."""
        return [torch.__version__, self.device.type]

    def kept(self):
        """What a run goes on with on another machine too: its results depend on it."""
        dtypes = f"{SHORT[self.sample_dtype]}/{SHORT[self.train_dtype]}"
        return {"device": self.device.type, "dtypes": dtypes}

    def made(self):
        """What cells are made with, for data/results/cells.py."""
        return {"python": sys.version.split()[0], "torch": torch.__version__} | self.kept()


def choose_machine(options, begun):
    """The Machine that the options ask for, or with which a run began, or that suits this
    processor. begun: what Machine.kept said when the run began, among other things; or {}."""
    where = model.usable(options.device)
    dtype, why = model.precision(where)
    kept = BY_SHORT.get(str(begun.get("dtypes")).partition("/")[0])
    if begun.get("device") == where.type and kept not in (None, dtype):
        dtype = kept
        why = "as this run began"
    if options.dtype:
        dtype = getattr(torch, options.dtype)
        why = "asked for"
    if dtype == torch.float16 and options.lora:
        raise UserError("adapters are trained on the model in its sampling dtype, and in fp16 "
                        "small gradients vanish; take --dtype bfloat16 or float32, or --lora 0")
    train_dtype = dtype
    why_train = why
    if dtype == torch.float16:
        train_dtype = torch.float32
        why_train = "small gradients would vanish in fp16"
    in_words = (f"{where.type}: sampling in {SHORT[dtype]} ({why}); "
                f"training in {SHORT[train_dtype]} ({why_train})")
    return Machine(where, dtype, train_dtype, in_words)


def set_threads(machine, kept):
    """Set the number of threads -> (threads, a few words about it); (None, "") on a GPU.

    kept: how many this folder's run began with, since others add up numbers in another order;
    None in a new folder, where as many are taken as this machine has free.
    """
    if machine.device.type != "cpu":
        return None, ""
    if isinstance(kept, int) and kept > 0:
        threads = kept
        why = " (as this run began)"
    else:
        threads, most = device.free_threads()
        why = "" if threads == most else f" of {most}, as other work keeps this machine busy"
    torch.set_num_threads(threads)
    return threads, f"; {threads} {plural('thread', threads)}{why}"
