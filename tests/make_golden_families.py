"""Writes tests/golden/families.*: what transformers computes from tiny random models of every family and setting.

    python tests/make_golden_families.py        # needs transformers, and peft for golden/adapter

No weights are stored: `draw` makes them out of numpy's RandomState, whose stream is frozen for ever.
golden/families.json          for each name the content of config.json, and transformers' names and shapes of parameters
golden/families.safetensors   for each name NAME.ids (2 rows) and NAME.logits (fp32)
golden/adapter                a LoRA adapter for golden/tied as PEFT writes it, and PEFT's ids and logits
"""
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

GOLDEN = Path(__file__).parent / "golden"
SIZES = {"vocab_size": 32, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
         "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "hidden_act": "silu"}
NEAR = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
SLIDING = {"use_sliding_window": True, "sliding_window": 4}
# the texts have 14 tokens, so they are longer than the original context
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}
SMOLLM3 = {"num_key_value_heads": 2, "rope_theta": 300.0, "pad_token_id": None}

CONFIGS = {
    "llama-mha": {},                                                                    # everything else by default
    "llama-gqa": {"num_key_value_heads": 2, "rope_theta": 500.0, "rope_scaling": None, "tie_word_embeddings": False},
    "llama-mqa-tied": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "llama-attention-bias": {"num_key_value_heads": 2, "attention_bias": True},
    "llama-mlp-bias": {"mlp_bias": True, "tie_word_embeddings": True},
    "llama-all-biases": {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True, "head_dim": None},
    "llama-head-dim": {"num_key_value_heads": 2, "head_dim": 12},
    "llama-eps": {"rms_norm_eps": 0.1},
    "llama-default-new": {"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}},
    "llama-default-old": {"rope_theta": 50, "rope_scaling": {"type": "default"}},
    "llama-linear-old-type": {"rope_theta": 100.0, "rope_scaling": {"type": "linear", "factor": 2.5}},
    "llama-linear-old-rope-type": {"rope_theta": 100.0, "rope_scaling": {"rope_type": "linear", "factor": 3}},
    "llama-linear-new": {"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 20.0}},
    # theta so that some channels are kept, some stretched, some between
    "llama-llama3-old-type": {"head_dim": 16, "rope_theta": 100.0, "rope_scaling": NEAR | {"type": "llama3"}},
    "llama-llama3-old-rope-type": {"head_dim": 16, "rope_theta": 100.0,
                                   "rope_scaling": NEAR | {"rope_type": "llama3", "factor": 8.0}},
    "llama-llama3-new": {"head_dim": 16, "num_key_value_heads": 2,
                         "rope_parameters": NEAR | {"rope_type": "llama3", "rope_theta": 100.0}},
    # the original length is left to the context
    "llama-llama3-own-length": {
        "head_dim": 16, "max_position_embeddings": 32, "rope_theta": 100.0,
        "rope_scaling": {k: v for k, v in NEAR.items() if k[0] != "o"} | {"rope_type": "llama3"}},
    "llama-llama3-outer-length": {"head_dim": 16, "rope_theta": 100.0, "original_max_position_embeddings": 24,
                                  "rope_scaling": NEAR | {"rope_type": "llama3"}},
    "mistral-null-window": {"num_key_value_heads": 2, "sliding_window": None},
    "mistral-window-5": {"num_key_value_heads": 2, "sliding_window": 5, "rope_theta": 300.0},
    "mistral-window-1": {"num_key_value_heads": 2, "sliding_window": 1, "tie_word_embeddings": True},
    "mistral-wide-window": {"num_key_value_heads": 2, "sliding_window": 40, "head_dim": 10},
    # 8 key-value heads by default
    "mistral-defaults": {"num_attention_heads": 16, "head_dim": 4, "rms_norm_eps": 0.05, "rope_parameters": {
        "rope_type": "linear", "factor": 4.0, "rope_theta": 100.0}},
    "mistral-layer-types": {"num_key_value_heads": 2, "head_dim": 6, "sliding_window": 4, "layer_types": [
        "sliding_attention", "full_attention"]},
    # the older one wins
    "llama-two-ropes": {"head_dim": 16, "rope_theta": 100.0, "rope_scaling": {"type": "linear", "factor": 3.0},
                        "rope_parameters": {"rope_type": "linear", "factor": 8.0, "rope_theta": 20.0}},
    "qwen2-biases": {"num_key_value_heads": 2},
    "qwen2-tied": {"num_key_value_heads": 1, "tie_word_embeddings": True, "rope_theta": 1e6, "rms_norm_eps": 0.01},
    "qwen2-sliding": {"num_key_value_heads": 2, "num_hidden_layers": 3, "max_window_layers": 1} | SLIDING,
    "qwen2-all-sliding": {"num_key_value_heads": 2, "max_window_layers": 0} | SLIDING,
    "qwen2-too-few-layers": {"num_key_value_heads": 2} | SLIDING,       # fewer than max_window_layers by default
    "qwen2-unused-window": {"num_key_value_heads": 4, "use_sliding_window": False, "sliding_window": 4,
                            "max_window_layers": 1},
    "qwen2-null-heads": {"num_key_value_heads": None, "rope_parameters": {"rope_type": "default", "rope_theta": 30.0}},
    "qwen2-head-dim": {"num_key_value_heads": 2, "head_dim": 12},
    "qwen2-layer-types": {"num_key_value_heads": 2, "num_hidden_layers": 3, "layer_types": [
        "sliding_attention", "full_attention", "sliding_attention"]} | SLIDING,
    "qwen3-head-dim": {"num_key_value_heads": 2, "head_dim": 16, "attention_bias": False},
    "qwen3-attention-bias": {"num_key_value_heads": 2, "head_dim": 16, "attention_bias": True, "rms_norm_eps": 0.1},
    "qwen3-sliding": {"num_key_value_heads": 2, "head_dim": 8, "num_hidden_layers": 3, "max_window_layers": 2,
                      "tie_word_embeddings": True, "rope_theta": 1e6} | SLIDING,
    "qwen3-default-head-dim": {"num_attention_heads": 2, "num_key_value_heads": 1},     # 128
    "qwen2-yarn": {"num_key_value_heads": 2, "head_dim": 16, "rope_theta": 60.0, "hidden_act": "swish",
                   "rope_scaling": YARN},
    "qwen3-yarn-new": {"num_key_value_heads": 2, "head_dim": 16, "rope_parameters": YARN | {
        "rope_type": "yarn", "rope_theta": 60.0, "beta_fast": 1.0, "beta_slow": 0.25, "truncate": False,
        "attention_factor": 0.6}},
    "llama-yarn-mscale": {"head_dim": 16, "rope_theta": 60.0, "rope_scaling": YARN | {
        "mscale": 1.5, "mscale_all_dim": 0.4, "beta_fast": None, "factor": None}},
    "llama-yarn-mscale-0": {"head_dim": 16, "rope_theta": 60.0, "rope_scaling": YARN | {
        "mscale": 1.5, "mscale_all_dim": 0.0, "beta_slow": 0}},
    "ministral-defaults": {"num_attention_heads": 16, "head_dim": 4},
    "ministral-layer-types": {"num_key_value_heads": 2, "head_dim": 6, "sliding_window": 4, "attention_bias": True,
                              "layer_types": ["sliding_attention", "full_attention"]},
    # tied and with 4 key-value heads by default; the fourth layer has no rotary angles
    "smollm3-defaults": {"num_hidden_layers": 5, "num_attention_heads": 8, "head_dim": 6, "pad_token_id": None},
    "smollm3-interval": SMOLLM3 | {"num_hidden_layers": 3, "no_rope_layer_interval": 2, "tie_word_embeddings": False,
                                   "attention_bias": True, "mlp_bias": True},
    # as in the published file, with settings that it does not read
    "smollm3-layers": SMOLLM3 | {"no_rope_layers": [0, 1, 0], "no_rope_layer_interval": 4, "max_window_layers": 28,
                                 "layer_types": ["full_attention"] * 2, "sliding_window": None,
                                 "use_sliding_window": False},
    "smollm3-sliding": SMOLLM3 | SLIDING | {"no_rope_layers": [1, 0], "max_window_layers": 28},
    "smollm3-yarn": SMOLLM3 | {"head_dim": 16, "no_rope_layers": [0, 1], "rope_scaling": YARN},
}


def draw(shapes, seed=0):
    """{name: shape} -> {name: random weights}, spread out so that a wrong detail shows.

    They are the same for ever, so they need not be stored. Norms and biases are random too: a norm of ones and a bias
    of zeros would hide that they are missing.
    """
    rng, weights = np.random.RandomState(seed), {}
    for name in sorted(shapes):
        x = rng.standard_normal(shapes[name])
        if len(shapes[name]) == 1:
            x = 0.5 * x if name.endswith("bias") else 1 + 0.4 * x
        elif "embed_tokens" not in name:
            x *= 1.5 / shapes[name][1] ** 0.5
        weights[name] = torch.from_numpy(x.astype(np.float32))
    return weights


def build(config):
    """transformers' model of a config.json with weights of `draw`, in fp32."""
    import transformers         # here, so that the tests can have `draw` without it
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        lm = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.from_pretrained(folder), dtype=torch.float32, attn_implementation="eager").eval()
    shapes = {name: list(p.shape) for name, p in lm.named_parameters()}     # a tied head is no parameter of its own
    left = lm.load_state_dict(draw(shapes), strict=False)
    assert not left.unexpected_keys and set(left.missing_keys) <= {"lm_head.weight"}
    return lm, shapes


def make_families():
    entries, tensors = {}, {}
    for seed, (name, changes) in enumerate(CONFIGS.items()):
        config = {"model_type": name.partition("-")[0]} | SIZES | changes
        lm, shapes = build(config)
        ids = torch.from_numpy(np.random.RandomState(seed).randint(0, config["vocab_size"], (2, 14)))
        with torch.no_grad():
            logits = lm(ids).logits
        print(f"{name:28} logits: std {logits.std():.2f}")
        assert logits.std() > 1
        entries[name] = {"config": config, "shapes": shapes}
        tensors |= {f"{name}.ids": ids, f"{name}.logits": logits.contiguous()}
    lines = [f"{json.dumps(name)}: {json.dumps(entry, separators=(',', ':'))}" for name, entry in entries.items()]
    (GOLDEN / "families.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    save_file(tensors, GOLDEN / "families.safetensors")


def make_adapter():
    import peft
    import transformers
    base = transformers.AutoModelForCausalLM.from_pretrained(GOLDEN / "tied", dtype=torch.float32).eval()
    settings = peft.LoraConfig(r=3, lora_alpha=5, lora_dropout=0.25, task_type="CAUSAL_LM",
                               target_modules=["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"])
    lm = peft.get_peft_model(base, settings).eval()
    parts = {name: p for name, p in lm.named_parameters() if ".lora_" in name}
    for name, tensor in draw({name: list(p.shape) for name, p in parts.items()}).items():
        parts[name].data.copy_(tensor)
    ids = load_file(GOLDEN / "tied" / "golden.safetensors")["ids"]
    with torch.no_grad():
        logits, plain = lm(ids).logits, load_file(GOLDEN / "tied" / "golden.safetensors")["logits"]
    print(f"adapter: logits moved by {(logits - plain).abs().max():.2f}")
    folder = GOLDEN / "adapter"
    shutil.rmtree(folder, ignore_errors=True)
    lm.save_pretrained(folder)
    (folder / "README.md").unlink()
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = "../tied"               # not where it was on this machine
    config["target_modules"].sort()                                                     # PEFT has a set
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_file({"ids": ids, "logits": logits.contiguous()}, folder / "golden.safetensors")


if __name__ == "__main__":
    make_families()
    make_adapter()
