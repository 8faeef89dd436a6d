"""checkpoint.py - files that come with a model: config.json, weights in shards, LoRA adapters in PEFT's format.

Everything here is about what other people's files look like; what is computed from them stands in model.py. All of it is parsed
as data (JSON, safetensors), never as code: pickles (*.bin, *.pth) and consolidated.safetensors are not looked at. Whatever is not
supported or does not fit is refused in one line that names the file, the setting and its value, before memory is taken for it.
"""
import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from data.checkpoints.chat import LoadError, read_json
from data.files import write_atomic

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
ROPE = {"default": (), "linear": ("factor",),                                     # kinds of rope, and the numbers they need
        "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")}


# ---------------------------------------------------------------- config.json

def read_config(d, file):
    """The content of config.json -> the fields of model.Config. What is absent gets its family's default, as in transformers."""
    def supported(ok, setting, value, choices):
        if not ok:
            raise LoadError(f"{file}: {setting} {value!r} is not supported (supported: {choices})")

    def number(owner, name, default=None, whole=False):
        value = owner.get(name)
        value = default if value is None else value
        limit = 10**4 if name == "num_hidden_layers" else 10**9 if whole else 1e15       # what nobody has, and what torch can lay out
        if type(value) not in ((int,) if whole else (int, float)) or not 0 < value < limit:
            raise LoadError(f"{file}: {name} is {value!r}, not a positive {'whole ' * whole}number")
        return value if whole else float(value)

    family = d.get("model_type")
    supported(family in FAMILIES, "model_type", family, ", ".join(FAMILIES))
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings")
    if missing := [name for name in sizes if d.get(name) is None]:
        raise LoadError(f"{file}: lacks {', '.join(missing)}; fetch the file again")
    c = {name: number(d, name, whole=True) for name in sizes}
    heads = c["num_attention_heads"]
    grouped = {"mistral": 8, "qwen2": 32, "qwen3": 32}.get(family, heads) if "num_key_value_heads" not in d else heads
    c["num_key_value_heads"] = number(d, "num_key_value_heads", grouped, whole=True)
    c["head_dim"] = number(d, "head_dim", 128 if family == "qwen3" else c["hidden_size"] // heads, whole=True)
    if heads % c["num_key_value_heads"] or c["head_dim"] % 2:
        raise LoadError(f"{file}: {heads} heads of size {c['head_dim']} do not fit {c['num_key_value_heads']} key-value heads")
    c["rms_norm_eps"] = number(d, "rms_norm_eps", 1e-6)
    for setting, default in (("hidden_act", "silu"), ("partial_rotary_factor", 1.0), ("quantization_config", None)):
        value = d.get(setting)
        supported(value in (None, default), setting, value, default)
    flags = {}
    for name in ("tie_word_embeddings", "attention_bias", "mlp_bias", "use_sliding_window"):
        supported(d.get(name) in (None, True, False), name, d.get(name), "true, false")
        flags[name] = bool(d.get(name))
    c["tie_word_embeddings"] = flags["tie_word_embeddings"]

    # rope: transformers 5 writes rope_parameters, older versions rope_theta and rope_scaling
    rope = d.get("rope_scaling") or d.get("rope_parameters") or {}              # in this order, as transformers does
    supported(isinstance(rope, dict), "rope setting", rope, "an object")
    kind = rope.get("rope_type", rope.get("type", "default"))
    supported(isinstance(kind, str) and kind in ROPE, "rope_type", kind, ", ".join(ROPE))
    if kind == "llama3":                                                        # the outer length counts before the inner one
        length = "original_max_position_embeddings"
        rope = {length: c["max_position_embeddings"]} | rope | ({length: d[length]} if d.get(length) is not None else {})
    for name, value in rope.items():
        neutral = name in ("rope_type", "type", "rope_theta") or value is None or name == "partial_rotary_factor" and value == 1
        supported(neutral or name in ROPE["llama3"], f"rope setting {name}", value, ", ".join(("rope_theta", *ROPE["llama3"])))
    c["rope_theta"] = number(rope, "rope_theta", number(d, "rope_theta", 10000.0))
    if kind != "default":
        c["rope_scaling"] = {"rope_type": kind} | {name: number(rope, name) for name in ROPE[kind]}
        if kind == "llama3" and not c["rope_scaling"]["low_freq_factor"] < c["rope_scaling"]["high_freq_factor"]:
            raise LoadError(f"{file}: low_freq_factor must be below high_freq_factor")

    # what tells the families apart
    if family != "llama":
        supported(not flags["mlp_bias"], f"mlp_bias in {family}", d.get("mlp_bias"), "false")
    c["qkv_bias"] = family == "qwen2" or family in ("llama", "qwen3") and flags["attention_bias"]
    c["o_bias"] = family in ("llama", "qwen3") and flags["attention_bias"]
    c["mlp_bias"] = flags["mlp_bias"]
    c["qk_norm"] = family == "qwen3"
    slides = family == "mistral" or family.startswith("qwen") and flags["use_sliding_window"]
    if slides and d.get("sliding_window", 4096) is not None:
        window, layers = number(d, "sliding_window", 4096, whole=True), c["num_hidden_layers"]
        full = d.get("max_window_layers", 28) if family != "mistral" else 0      # so many layers at first see everything
        supported(type(full) is int and full >= 0, "max_window_layers", full, "a whole number")
        kinds = d.get("layer_types") or ["full_attention"] * min(full, layers) + ["sliding_attention"] * (layers - min(full, layers))
        supported(isinstance(kinds, list) and len(kinds) == layers and all(k in ("full_attention", "sliding_attention") for k in kinds),
                  "layer_types", kinds, f"full_attention or sliding_attention for each of the {layers} layers")
        c["windows"] = tuple(window if kind == "sliding_attention" else None for kind in kinds)
    else:
        kinds = d.get("layer_types") or []
        supported(isinstance(kinds, list) and all(k == "full_attention" for k in kinds), "layer_types", kinds, "full_attention")
    return c


def check_vocabulary(tokenizer, rows):
    """Refuse a tokenizer that cannot belong to a model with so many rows of embeddings."""
    if tokenizer.size > rows or tokenizer.size < rows / 2 or max(tokenizer.end_ids, default=0) >= tokenizer.size:
        raise LoadError(f"{tokenizer.folder}: the tokenizer has {tokenizer.size} entries and ends with {tokenizer.end_ids}, the model "
                        f"{rows} rows; tokenizer.json belongs to another model, fetch both from one place")


# ---------------------------------------------------------------- weights

def weight_files(folder):
    """model.safetensors, or the shards that model.safetensors.index.json names: {file: names of its tensors, or None for all}."""
    if (folder / "model.safetensors").is_file():
        return {folder / "model.safetensors": None}
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        raise LoadError(f"{folder}: holds neither model.safetensors nor {index.name}; fetch the weights (pickles such as pytorch_model.bin "
                        "are never opened)")
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(file, str) for file in shards.values()):
        raise LoadError(f"{index}: lacks weight_map; fetch the file again")
    files = {}
    for name, file in shards.items():
        if Path(file).name != file or file in ("", "..", "."):
            raise LoadError(f"{index}: names {file!r}, which lies outside the folder; fetch the file again")
        if not (folder / file).is_file():
            raise LoadError(f"{folder / file}: no such file, though {index.name} names it; fetch it")
        files.setdefault(folder / file, set()).add(name)
    return files


def find_weights(folder, shapes, tied=False):
    """{name: (file, shape, dtype)} of exactly these shapes in the folder's weight files: LoadError for what is cut, lacking or
    does not fit, before anything is read."""
    found = {}                                              # name -> (file, shape, dtype)
    for file, names in weight_files(folder).items():
        try:
            with safe_open(file, "pt") as f:
                for name in f.keys():
                    part = f.get_slice(name)
                    found[name] = file, part.get_shape(), part.get_dtype()
                if names and names - set(f.keys()):
                    raise LoadError(f"{file}: lacks {listed(sorted(names - set(f.keys())))}, though the index says so; fetch it again")
        except (SafetensorError, OSError) as error:
            raise LoadError(f"{file}: cannot be read ({error}); fetch the file again") from None
    # old checkpoints store the rotary frequencies, some tied ones the head as well: both can be made again
    extra = [n for n in found if n not in shapes and not n.endswith("rotary_emb.inv_freq") and not (n == "lm_head.weight" and tied)]
    missing = [n for n in shapes if n not in found]
    if missing or extra:
        raise LoadError(f"{folder}: weights do not fit config.json; missing: {listed(missing)}; unexpected: {listed(extra)}")
    for name, shape in shapes.items():
        if found[name][1] != list(shape):
            raise LoadError(f"{folder}: {name} has shape {found[name][1]}, config.json wants {list(shape)}")
        if found[name][2] not in ("F64", "F32", "F16", "BF16"):
            raise LoadError(f"{folder}: {name} is {found[name][2]}; quantised weights are not supported")
    return found


def read_weights(folder, shapes, device, dtype=None, tied=False):
    """{name: tensor} for exactly these shapes, out of the folder's weight files, on `device` in `dtype` (None: the embedding's).

    Tensors are read one by one, and the file is closed in between, so that its pages are not held beside the copy: the peak is
    what is kept and one tensor.
    """
    found = find_weights(folder, shapes, tied)
    weights = {}
    for name in sorted(shapes, key=lambda n: n != "model.embed_tokens.weight"):     # it decides the dtype
        try:
            with safe_open(found[name][0], "pt") as f:
                tensor = f.get_tensor(name)
                low, high = torch.aminmax(tensor)
                if not (torch.isfinite(low) and torch.isfinite(high)):              # NaN goes through both
                    raise LoadError(f"{found[name][0]}: {name} holds values that are not finite; fetch the file again")
                dtype = dtype or tensor.dtype
                weights[name] = tensor.to(device, dtype, copy=True)
        except (SafetensorError, OSError) as error:
            raise LoadError(f"{found[name][0]}: cannot be read ({error}); fetch the file again") from None
    return weights


def write_tensors(path, tensors, metadata=None):
    """A safetensors file, written whole under another name and then renamed. OSError for a full disk."""
    temporary = Path(f"{path}.tmp{os.getpid()}")
    try:
        save_file(tensors, temporary, metadata={"format": "pt"} | (metadata or {}))
    except SafetensorError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(errno.ENOSPC, str(error), str(temporary)) from None
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)                      # save_file lets nobody but the owner read
    os.replace(temporary, path)


def listed(items):
    """A list that stays readable: at most five of them."""
    return ", ".join(items[:5]) + (f" and {len(items) - 5} more" if len(items) > 5 else "") if items else "none"


# ---------------------------------------------------------------- LoRA adapters in PEFT's format

@dataclass
class Adapter:
    """What adapter_config.json says."""
    folder: Path
    base: str                    # folder or hub id of the model that it belongs to
    rank: int
    alpha: float
    dropout: float


def read_adapter(folder):
    """adapter_config.json -> Adapter. LoadError names a variant of LoRA that is not supported."""
    file = folder / "adapter_config.json"
    d = read_json(file)
    plain = {"peft_type": ("LORA",), "bias": (None, "none"), "init_lora_weights": (None, True, False, "gaussian")}
    for name in ("use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern", "layers_to_transform",
                 "layer_replication", "lora_bias", "trainable_token_indices", "target_parameters", "use_qalora", "use_bdlora",
                 "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config"):
        plain[name] = (None, False, [], {})
    for name, choices in plain.items():
        if d.get(name) not in choices:
            raise LoadError(f"{file}: {name} {d.get(name)!r} is not supported (supported: {choices[0] or 'none'})")
    rank, alpha, dropout, base = d.get("r"), d.get("lora_alpha"), d.get("lora_dropout") or 0.0, d.get("base_model_name_or_path")
    if type(rank) is not int or rank < 1 or type(alpha) not in (int, float) or not 0 < alpha < 1e15 \
            or type(dropout) not in (int, float) or not 0 <= dropout < 1:
        raise LoadError(f"{file}: r {rank!r}, lora_alpha {alpha!r}, lora_dropout {dropout!r} do not make sense; fetch the file again")
    if not isinstance(base, str) or not base:
        raise LoadError(f"{file}: does not say which model it belongs to; write its folder or hub id into base_model_name_or_path")
    if d.get("revision"):
        base = f"{base}@{d['revision']}"
    return Adapter(folder, str(folder / base) if (folder / base).is_dir() else base, rank, float(alpha), float(dropout))


def read_adapter_weights(adapter, modules):
    """{layer: (A, B)} of adapter_model.safetensors, checked against the base model's modules {name: module}."""
    file, start = adapter.folder / "adapter_model.safetensors", "base_model.model."
    other = f"{file} does not belong to {adapter.base}"
    try:
        with safe_open(file, "pt") as f:
            tensors = {name: f.get_tensor(name) for name in f.keys()}
    except (SafetensorError, OSError) as error:
        raise LoadError(f"{file}: cannot be read ({error}); fetch the file again") from None
    layers = {}
    for name, tensor in tensors.items():
        layer, _, part = name.removeprefix(start).removesuffix(".weight").rpartition(".lora_")
        linear = modules.get(layer)
        if not name.startswith(start) or part not in ("A", "B") or not isinstance(linear, torch.nn.Linear) or layer == "lm_head":
            raise LoadError(f"{other}: that model has no layer for {name}")
        wanted = [adapter.rank, linear.in_features] if part == "A" else [linear.out_features, adapter.rank]
        if list(tensor.shape) != wanted:
            raise LoadError(f"{other}: {name} has shape {list(tensor.shape)}, the model wants {wanted}")
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise LoadError(f"{file}: {name} holds values that are no finite numbers; fetch the file again")
        layers.setdefault(layer, {})[part] = tensor
    if not layers or any(len(pair) != 2 for pair in layers.values()):
        raise LoadError(f"{file}: holds no complete pairs of lora_A and lora_B; fetch the file again")
    return {layer: (pair["A"], pair["B"]) for layer, pair in layers.items()}


def write_adapter(folder, base, layers, alpha, dropout):
    """adapter_config.json and adapter_model.safetensors as PEFT writes them. layers: {name: (A, B)}."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    base, _, revision = str(base).partition("@") if not Path(base).is_dir() else (str(Path(base).resolve()), "", "")
    rank = len(next(iter(layers.values()))[0])
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "revision": revision or None, "r": rank,
              "lora_alpha": int(alpha) if alpha == int(alpha) else alpha, "lora_dropout": dropout, "bias": "none", "fan_in_fan_out": False,
              "inference_mode": True, "target_modules": sorted({name.rpartition(".")[2] for name in layers})}
    tensors = {f"base_model.model.{name}.lora_{part}.weight": t.detach().float().cpu().contiguous()
               for name, pair in layers.items() for part, t in zip("AB", pair)}
    write_tensors(folder / "adapter_model.safetensors", tensors)
    write_atomic(folder / "adapter_config.json", json.dumps(config, indent=2).encode() + b"\n")
