"""lora.py - LoRA: a small trainable update of each frozen layer, and its files in PEFT's format.

Hu et al. 2021, arXiv 2106.09685. A layer computes W x + alpha / rank * B A dropout(x). A (rank, in)
is random and B (out, rank) is zero, so nothing changes before B is trained. The files are
adapter_config.json and adapter_model.safetensors.
"""
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from data import LINEAR
from data.checkpoints import LoadError, read_model_json
from data.checkpoints.weights import adapter_file, open_tensors, write_tensors
from data.files import write_json

MERGE = "if PEFT can merge it (merge_and_unload), do so and open the result"
START = "base_model.model."         # in front of every tensor's name in PEFT's files
# Of adapter_config.json, as PEFT 0.21 writes it: what is read here, ..
READ = ("base_model_name_or_path", "revision", "r", "lora_alpha", "lora_dropout", "rank_pattern",
        "alpha_pattern")
# .. what has no say once an adapter is trained: how it was set up, and on which layers ..
HARMLESS = ("auto_mapping", "peft_version", "task_type", "inference_mode", "runtime_config",
            "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
            "eva_config", "loftq_config", "corda_config", "lora_ga_config", "megatron_core",
            "qalora_group_size", "ensure_weight_tying")
# .. and the values of others that are supported. Initialisations that change the base weights
# (pissa, olora, corda, loftq, lora_ga) are not.
SUPPORTED = {"peft_type": ("LORA",), "bias": (None, "none"), "use_rslora": (True, False, None),
             "init_lora_weights": (True, False, None, "gaussian", "orthogonal", "eva")}
# Whatever else there is may be a variant of LoRA, so it must be absent or switched off.
OFF = (None, False, "", [], {})


# ---------------------------------------------------------------- the layers

class LoRA(nn.Module):
    """A linear layer with its update. A and B are fp32 and compute in the dtype of x."""

    def __init__(self, linear, rank, alpha, dropout=0.0, rslora=False):
        super().__init__()
        self.base_layer = linear
        where = {"device": linear.weight.device, "dtype": torch.float32}
        self.lora_A = nn.Linear(linear.in_features, rank, bias=False, **where)
        self.lora_B = nn.Linear(rank, linear.out_features, bias=False, **where)
        nn.init.zeros_(self.lora_B.weight)
        self.rank = rank
        self.alpha = alpha
        self.rslora = rslora                    # rank-stabilised, arXiv 2312.03732
        self.scale = alpha / (math.sqrt(rank) if rslora else rank)
        self.dropout = dropout
        self.active = True                      # False inside `without_lora`

    def forward(self, x):
        y = self.base_layer(x)
        if not self.active:
            return y
        x = F.dropout(x, self.dropout, self.training)
        z = F.linear(x, self.lora_A.weight.to(x.dtype))                     # (.., rank)
        return y + self.scale * F.linear(z, self.lora_B.weight.to(x.dtype))

    def merged(self):
        """W + scale * B A, computed in fp32, in W's dtype."""
        W = self.base_layer.weight
        update = self.scale * self.lora_B.weight @ self.lora_A.weight
        return (W.float() + update).to(W.dtype)


def add_lora(lm, rank, alpha=None, dropout=0.0, targets=LINEAR, seed=0):
    """Freeze lm and put adapters on its linear layers of these names, in place -> lm.

    alpha None: twice the rank.
    """
    if alpha is None:
        alpha = 2 * rank
    lm.requires_grad_(False)
    rng = torch.Generator().manual_seed(seed)
    for block in lm.model["layers"]:
        for part in (block.self_attn, block.mlp):
            for name, linear in list(part.named_children()):
                if name not in targets:
                    continue
                layer = LoRA(linear, rank, alpha, dropout).train(linear.training)
                A = torch.empty(layer.lora_A.weight.shape)      # on the CPU: the same everywhere
                nn.init.kaiming_uniform_(A, a=math.sqrt(5), generator=rng)
                layer.lora_A.weight.data.copy_(A)
                setattr(part, name, layer)
    return lm


def adapters(lm):
    """{name of the layer: LoRA} of all layers that have one."""
    return {name: layer for name, layer in lm.named_modules() if isinstance(layer, LoRA)}


def remove_lora(lm, merge=False):
    """Take the adapters off again, in place -> lm. merge: fold them into the weights first."""
    for name, layer in adapters(lm).items():
        if merge:
            layer.base_layer.weight.data = layer.merged()
        lm.set_submodule(name, layer.base_layer)
    return lm


@contextmanager
def without_lora(lm):
    """Inside, lm is its own base model: under LoRA that needs no second copy."""
    layers = adapters(lm).values()
    for layer in layers:
        layer.active = False
    try:
        yield lm
    finally:
        for layer in layers:
            layer.active = True


# ---------------------------------------------------------------- their files

@dataclass
class Adapter:
    """What adapter_config.json says."""
    folder: Path
    base: str                       # folder or hub id of the model that it belongs to
    rank: int
    alpha: float
    dropout: float
    rslora: bool
    rank_pattern: dict              # {regex of layers' names: their rank}
    alpha_pattern: dict

    def settings_of(self, layer):
        """(rank, alpha) of a layer, by its name in the model."""
        rank = first_match(self.rank_pattern, layer, self.rank)
        alpha = first_match(self.alpha_pattern, layer, self.alpha)
        return rank, alpha


def at_the_end(regex):
    """A regex for names whose last parts match this one, as in PEFT."""
    return rf"(.*\.)?({regex})$"


def first_match(pattern, layer, default):
    """The value of the first regex that the end of the layer's name matches."""
    for regex, value in pattern.items():
        if re.match(at_the_end(regex), layer):
            return value
    return default


def read_adapter_config(folder):
    """adapter_config.json -> Adapter. LoadError names what is not supported."""
    file = folder / "adapter_config.json"
    config = {"peft_type": None} | read_model_json(file)
    for name, value in config.items():
        supported = SUPPORTED.get(name, OFF)
        if name not in READ + HARMLESS and value not in supported:
            raise LoadError(f"{file}: {name} {value!r} is not supported "
                            f"(supported: {supported[0] or 'none'}); {MERGE}")

    rank = config.get("r")
    alpha = config.get("lora_alpha")
    dropout = config.get("lora_dropout") or 0.0
    numbers = type(rank) is int and {type(alpha), type(dropout)} <= {int, float}
    if not numbers or rank < 1 or not 0 < alpha < 1e15 or not 0 <= dropout < 1:
        raise LoadError(f"{file}: r {rank!r}, lora_alpha {alpha!r}, lora_dropout {dropout!r} do "
                        "not make sense; fetch the file again")
    rank_pattern = read_pattern(config, "rank_pattern", file, (int,))
    alpha_pattern = read_pattern(config, "alpha_pattern", file, (int, float))
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise LoadError(f"{file}: does not say which model it belongs to; write its folder or hub "
                        "id into base_model_name_or_path")
    if config.get("revision"):
        base = f"{base}@{config['revision']}"
    if (folder / base).is_dir():
        base = str(folder / base)
    rslora = bool(config.get("use_rslora"))
    return Adapter(folder, base, rank, alpha, float(dropout), rslora, rank_pattern, alpha_pattern)


def read_pattern(config, name, file, types):
    """rank_pattern or alpha_pattern of the config -> {regex: positive number}."""
    pattern = config.get(name) or {}
    try:
        for regex, value in pattern.items():
            re.compile(at_the_end(regex))
            if type(value) not in types or not 0 < value < 1e15:
                raise ValueError("no positive number")
    except (AttributeError, ValueError, re.error):
        raise LoadError(f"{file}: {name} {pattern!r} does not give regular expressions their "
                        "positive numbers; fetch the file again") from None
    return pattern


def read_adapter_weights(adapter, modules):
    """adapter_model.safetensors -> {name of a layer: (A, B)}.

    modules: {name: module} of the base model, to check shapes. LoadError where they do not fit.
    """
    file = adapter_file(adapter.folder)
    misfit = f"{file} does not belong to {adapter.base}"
    with open_tensors(file) as f:
        tensors = {name: f.get_tensor(name) for name in f.keys()}

    pairs = {}                          # layer -> {"A": tensor, "B": tensor}
    for name, tensor in tensors.items():
        # base_model.model.model.layers.0.mlp.up_proj.lora_A.weight
        layer, _, part = name.removeprefix(START).removesuffix(".weight").rpartition(".lora_")
        linear = modules.get(layer)
        has_layer = isinstance(linear, nn.Linear) and layer != "lm_head"
        if part not in ("A", "B"):          # trained embeddings, magnitudes of DoRA, biases
            raise LoadError(f"{file}: {name} is neither lora_A nor lora_B of a layer, and not "
                            f"supported; {MERGE}")
        if not name.startswith(START) or not has_layer:
            raise LoadError(f"{misfit}: that model has no layer for {name}")
        rank, _ = adapter.settings_of(layer)
        wanted = [rank, linear.in_features]
        if part == "B":
            wanted = [linear.out_features, rank]
        if list(tensor.shape) != wanted:
            raise LoadError(f"{misfit}: {name} has shape {list(tensor.shape)}, "
                            f"the model wants {wanted}")
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise LoadError(f"{file}: {name} holds values that are no finite numbers; "
                            "fetch the file again")
        pairs.setdefault(layer, {})[part] = tensor
    if not pairs or any(len(pair) != 2 for pair in pairs.values()):
        raise LoadError(f"{file}: holds no complete pairs of lora_A and lora_B; "
                        "fetch the file again")
    return {layer: (pair["A"], pair["B"]) for layer, pair in pairs.items()}


def load_lora(lm, adapter):
    """Put the adapters of a folder on lm, in place -> lm. adapter: from `read_adapter_config`."""
    pairs = read_adapter_weights(adapter, dict(lm.named_modules()))
    for name, (A, B) in pairs.items():
        rank, alpha = adapter.settings_of(name)
        layer = LoRA(lm.get_submodule(name), rank, alpha, adapter.dropout, adapter.rslora)
        layer.lora_A.weight.data.copy_(A)
        layer.lora_B.weight.data.copy_(B)
        lm.set_submodule(name, layer)
    return lm


def save_adapter(lm, path, base):
    """Write the adapters of lm as PEFT does. base: the folder or hub id of the model below them."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    revision = None
    if Path(base).is_dir():
        base = str(Path(base).resolve())
    elif "@" in str(base):
        base, _, revision = str(base).partition("@")
    layers = adapters(lm)
    first = next(iter(layers.values()))
    ranks = {name: layer.rank for name, layer in layers.items() if layer.rank != first.rank}
    alphas = {name: layer.alpha for name, layer in layers.items() if layer.alpha != first.alpha}
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base), "revision": revision,
        "r": first.rank, "lora_alpha": first.alpha, "lora_dropout": first.dropout,
        "use_rslora": first.rslora, "rank_pattern": ranks, "alpha_pattern": alphas,
        "bias": "none", "fan_in_fan_out": False, "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in layers})}
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{START}{name}.lora_A.weight"] = layer.lora_A.weight.detach().float().cpu()
        tensors[f"{START}{name}.lora_B.weight"] = layer.lora_B.weight.detach().float().cpu()
    write_tensors(path / "adapter_model.safetensors", tensors)
    write_json(path / "adapter_config.json", config)
