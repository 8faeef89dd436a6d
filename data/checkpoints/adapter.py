"""adapter.py - LoRA adapters in PEFT's format: adapter_config.json, adapter_model.safetensors."""
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from data.checkpoints import LoadError, read_model_json
from data.checkpoints.weights import write_tensors
from data.files import write_atomic

START = "base_model.model."         # in front of every tensor's name in PEFT's files
# Variants of LoRA that are not supported: each must be absent or switched off.
VARIANTS = (
    "use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern",
    "layers_to_transform", "layer_replication", "lora_bias", "trainable_token_indices",
    "target_parameters", "use_qalora", "use_bdlora", "alora_invocation_tokens", "arrow_config",
    "kasa_config", "monteclora_config")


@dataclass
class Adapter:
    """What adapter_config.json says."""
    folder: Path
    base: str                       # folder or hub id of the model that it belongs to
    rank: int
    alpha: float
    dropout: float


def read_adapter_config(folder):
    """adapter_config.json -> Adapter. LoadError names what is not supported."""
    file = folder / "adapter_config.json"
    config = read_model_json(file)
    choices = dict.fromkeys(VARIANTS, (None, False, [], {}))
    choices["peft_type"] = ("LORA",)
    choices["bias"] = (None, "none")
    choices["init_lora_weights"] = (None, True, False, "gaussian")
    for name, supported in choices.items():
        value = config.get(name)
        if value not in supported:
            raise LoadError(f"{file}: {name} {value!r} is not supported "
                            f"(supported: {supported[0] or 'none'})")

    rank = config.get("r")
    alpha = config.get("lora_alpha")
    dropout = config.get("lora_dropout") or 0.0
    numbers = type(rank) is int and {type(alpha), type(dropout)} <= {int, float}
    if not numbers or rank < 1 or not 0 < alpha < 1e15 or not 0 <= dropout < 1:
        raise LoadError(f"{file}: r {rank!r}, lora_alpha {alpha!r}, lora_dropout {dropout!r} do "
                        "not make sense; fetch the file again")
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise LoadError(f"{file}: does not say which model it belongs to; write its folder or hub "
                        "id into base_model_name_or_path")
    if config.get("revision"):
        base = f"{base}@{config['revision']}"
    if (folder / base).is_dir():
        base = str(folder / base)
    return Adapter(folder, base, rank, float(alpha), float(dropout))


def read_adapter_weights(adapter, modules):
    """adapter_model.safetensors -> {name of a layer: (A, B)}.

    modules: {name: module} of the base model, to check shapes. LoadError where they do not fit.
    """
    file = adapter.folder / "adapter_model.safetensors"
    misfit = f"{file} does not belong to {adapter.base}"
    try:
        with safe_open(file, "pt") as f:
            tensors = {name: f.get_tensor(name) for name in f.keys()}
    except (SafetensorError, OSError) as error:
        raise LoadError(f"{file}: cannot be read ({error}); fetch the file again") from None

    pairs = {}                          # layer -> {"A": tensor, "B": tensor}
    for name, tensor in tensors.items():
        # base_model.model.model.layers.0.mlp.up_proj.lora_A.weight
        layer, _, part = name.removeprefix(START).removesuffix(".weight").rpartition(".lora_")
        linear = modules.get(layer)
        has_layer = isinstance(linear, torch.nn.Linear) and layer != "lm_head"
        if not name.startswith(START) or part not in ("A", "B") or not has_layer:
            raise LoadError(f"{misfit}: that model has no layer for {name}")
        wanted = [adapter.rank, linear.in_features]
        if part == "B":
            wanted = [linear.out_features, adapter.rank]
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


def write_adapter(folder, base, layers, alpha, dropout):
    """Write both files as PEFT does. base: folder or hub id. layers: {name: (A, B)}."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    revision = None
    if Path(base).is_dir():
        base = str(Path(base).resolve())
    elif "@" in str(base):
        base, _, revision = str(base).partition("@")
    A, _ = next(iter(layers.values()))
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base), "revision": revision,
        "r": len(A), "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": dropout, "bias": "none", "fan_in_fan_out": False, "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in layers})}
    tensors = {}
    for name, pair in layers.items():
        for part, tensor in zip("AB", pair):
            tensor = tensor.detach().float().cpu().contiguous()
            tensors[f"{START}{name}.lora_{part}.weight"] = tensor
    write_tensors(folder / "adapter_model.safetensors", tensors)
    write_atomic(folder / "adapter_config.json", json.dumps(config, indent=2).encode() + b"\n")
