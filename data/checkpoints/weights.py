"""weights.py - the weights of a model: one or several safetensors files.

Pickles (*.bin, *.pth), which can run code, and consolidated.safetensors are never opened.
"""
import errno
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from data.checkpoints import LoadError, read_model_json
from data.files import write_json

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
INDEX = "model.safetensors.index.json"      # of a large model: which shard holds which weight


class NoRandomWeights(torch.overrides.TorchFunctionMode):
    """Inside, new layers draw no random weights, since those of a file are to come.

    Drawing them on the meta device would pull in torch's compiler, which takes seconds.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]      # as it is
        return function(*args, **kwargs)


def weight_files(folder):
    """The files that hold the weights of a model's folder."""
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    index = folder / INDEX
    if not index.is_file():
        raise LoadError(f"{folder}: holds neither model.safetensors nor {INDEX}; fetch them "
                        "or take a model that has them (pickles, *.bin, are never opened)")
    shards = shard_names(index)
    for shard in shards:
        if not (folder / shard).is_file():
            raise LoadError(f"{folder / shard}: no such file, though {INDEX} names it; fetch it")
    return [folder / shard for shard in shards]


def shard_names(index):
    """The names of the weight files that an index lists."""
    shards = read_model_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
        raise LoadError(f"{index}: lacks weight_map; fetch the file again")
    for shard in shards.values():
        if Path(shard).name != shard or shard in ("", "..", "."):
            raise LoadError(f"{index}: names {shard!r}, which lies outside the folder; "
                            "fetch the file again")
    return sorted(set(shards.values()))


def adapter_file(folder):
    """The file that holds the weights of an adapter's folder."""
    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        raise LoadError(f"{folder}: holds no {file.name} (pickles, adapter_model.bin, are never "
                        "opened); open the adapter with PEFT and save it with save_pretrained")
    return file


@contextmanager
def open_tensors(file):
    """safetensors' safe_open. LoadError where the file is missing or damaged."""
    try:
        with safe_open(file, "pt") as tensors:
            yield tensors
    except (SafetensorError, OSError) as error:
        raise LoadError(f"{file}: cannot be read ({error}); fetch the file again") from None


@dataclass
class Stored:
    """A tensor in a weight file."""
    file: Path
    name: str                   # there
    shape: list
    dtype: str                  # as safetensors has it, "BF16"


def stored_tensors(folder):
    """{name in our model: Stored} of a folder, without reading a tensor.

    Weights saved from transformers' bare LlamaModel lack the "model." that LlamaForCausalLM puts in
    front of their names.
    """
    stored = {}
    for file in weight_files(folder):
        with open_tensors(file) as tensors:
            for name in tensors.keys():
                part = tensors.get_slice(name)
                ours = name if name.startswith(("model.", "lm_head.")) else f"model.{name}"
                if ours in stored and stored[ours].name != name:
                    raise LoadError(f"{folder}: holds both {name} and {stored[ours].name}; "
                                    "fetch the weights again")
                stored[ours] = Stored(file, name, part.get_shape(), part.get_dtype())
    return stored


def has_own_head(folder):
    """Is there a head in the folder that differs from the embedding?"""
    stored = stored_tensors(folder)
    if HEAD not in stored or EMBEDDING not in stored:
        return False
    tables = []
    for name in (HEAD, EMBEDDING):
        with open_tensors(stored[name].file) as tensors:
            tables.append(tensors.get_tensor(stored[name].name).float())
    head, embedding = tables
    return not torch.equal(head, embedding)


def check_weights(folder, lm):
    """Check the weight files without reading a tensor -> {name: Stored} of the model's tensors.

    lm: needs shapes only. LoadError for what is cut off, missing or does not fit.
    """
    shapes = {name: tensor.shape for name, tensor in lm.state_dict().items()}
    tied = lm.config.tie_word_embeddings
    stored = stored_tensors(folder)
    missing = [name for name in shapes if name not in stored]
    unexpected = []
    for name, tensor in stored.items():
        # old checkpoints store the rotary frequencies, and some tied ones the head as well
        known = name in shapes or name.endswith("rotary_emb.inv_freq")
        if not known and not (tied and name == HEAD):
            unexpected.append(tensor.name)
    if missing or unexpected:
        raise LoadError(f"{folder}: weights do not fit config.json; missing: {first_of(missing)}; "
                        f"unexpected: {first_of(unexpected)}")
    for name, wanted in shapes.items():
        shape = stored[name].shape
        dtype = stored[name].dtype
        if shape != list(wanted):
            raise LoadError(f"{folder}: {name} has shape {shape}, config.json wants {list(wanted)}")
        if dtype not in ("F64", "F32", "F16", "BF16"):
            raise LoadError(f"{folder}: {name} is {dtype}; quantised weights are not supported")
    return {name: stored[name] for name in shapes}


def read_weights(folder, lm, device, dtype=None):
    """-> {name: tensor} of lm on `device` in `dtype` (None: the embedding's). LoadError as above.

    A file is opened for each tensor and closed again, so that its pages are not kept beside the
    copy: the most memory used is that of the weights and one tensor.
    """
    stored = check_weights(folder, lm)
    names = sorted(stored, key=lambda name: name != EMBEDDING)      # it comes first, for its dtype
    weights = {}
    for name in names:
        file = stored[name].file
        with open_tensors(file) as tensors:
            tensor = tensors.get_tensor(stored[name].name)
            low, high = torch.aminmax(tensor)                       # NaN goes through both
            if not (low.isfinite() and high.isfinite()):
                raise LoadError(f"{file}: {name} holds values that are not finite; "
                                "fetch the file again")
            dtype = dtype or tensor.dtype
            weights[name] = tensor.to(device, dtype, copy=True)
    return weights


def write_tensors(path, tensors, metadata=None):
    """Write a safetensors file, whole or not at all. OSError for a full disk."""
    temporary = Path(f"{path}.tmp{os.getpid()}")
    try:
        save_file(tensors, temporary, metadata={"format": "pt"} | (metadata or {}))
    except SafetensorError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(errno.ENOSPC, str(error), str(temporary)) from None
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)      # save_file lets nobody but the owner read
    os.replace(temporary, path)


def write_model(folder, weights, dtype, config, tokenizer):
    """Write a folder in Hugging Face layout. weights: {name: tensor}; dtype None: as they are.

    Every file is written whole or not at all, and the weights last, so that a killed run leaves no
    folder that only looks finished.
    """
    weights = {name: tensor.to("cpu", dtype or tensor.dtype).contiguous()
               for name, tensor in weights.items()}
    ends = {"eos_token_id": tokenizer.end_ids}
    # generation_config.json: transformers and vLLM believe it before config.json
    generation = json.loads(tokenizer.files.get("generation_config.json", b"{}")) | ends
    config = {k: v for k, v in config.items() if k not in ("dtype", "torch_dtype")}
    config |= {"torch_dtype": str(weights[EMBEDDING].dtype).removeprefix("torch.")} | ends

    tokenizer.save(folder)
    write_json(folder / "generation_config.json", generation)
    write_json(folder / "config.json", config)
    write_tensors(folder / "model.safetensors", weights)


def first_of(names):
    """The names in a message: at most five of them."""
    if not names:
        return "none"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
