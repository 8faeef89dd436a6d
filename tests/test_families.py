"""llama, mistral, qwen2, qwen3, ministral and smollm3: the logits of transformers (golden/families.*) for every
setting that changes them, proof that each of these settings shows in the logits, sampling and scores on such models,
and every setting that is refused."""
import dataclasses
import json
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import model
import s3ft
from data import TINY
from data.tasks import load_task
from data.checkpoints import LoadError
from data.checkpoints.config import FAMILIES as SUPPORTED
from make_golden_families import draw

GOLDEN = Path(__file__).parent / "golden"
# {name: {"config": config.json, "shapes": {parameter: shape}}}
FAMILIES = json.loads((GOLDEN / "families.json").read_text())
LOGITS = load_file(GOLDEN / "families.safetensors")                 # NAME.ids, NAME.logits

pytestmark = pytest.mark.usefixtures("one_thread")


def build(config, weights, dtype=torch.float32):
    """Our model of a config.json or a Config, with the weights that it has; all of its own must be among them."""
    config = config if isinstance(config, model.Config) else model.Config.from_dict(config)
    lm = model.Transformer(config)
    lm.load_state_dict({name: weights[name] for name in lm.state_dict()})
    return lm.to(dtype).eval()


def golden(name, dtype=torch.float32):
    return build(FAMILIES[name]["config"], draw(FAMILIES[name]["shapes"]), dtype)


def logits(lm, name):
    with torch.no_grad():
        return lm(LOGITS[f"{name}.ids"])


# ---------------------------------------------------------------- logits

def test_enough_configurations_of_every_family():
    kinds = [name.partition("-")[0] for name in FAMILIES]
    assert len(kinds) >= 24 and set(SUPPORTED) == set(kinds)
    assert all(kinds.count(kind) >= 4 for kind in set(kinds) - {"ministral"})       # which is mistral


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_and_names_are_those_of_transformers(name):
    lm = golden(name)
    assert {n: list(p.shape) for n, p in lm.named_parameters()} == FAMILIES[name]["shapes"]
    torch.testing.assert_close(logits(lm, name), LOGITS[f"{name}.logits"], atol=1e-4, rtol=0)


def flipped(name, changes=None, **fields):
    """How far the logits move when settings of config.json (... removes one) or fields of Config change."""
    entry = FAMILIES[name]
    config = {k: v for k, v in (entry["config"] | (changes or {})).items() if v is not ...}
    lm = build(dataclasses.replace(model.Config.from_dict(config), **fields), draw(entry["shapes"]))
    return (logits(lm, name) - LOGITS[f"{name}.logits"]).abs().max().item()


LAYERS = ["full_attention", "sliding_attention"]
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}
YARN_NEW = FAMILIES["qwen3-yarn-new"]["config"]["rope_parameters"]
NEAR = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
        "rope_type": "llama3"}
FLIPS = [
    ("llama-attention-bias", {"attention_bias": False}),
    ("llama-mlp-bias", {"mlp_bias": False}),
    ("llama-all-biases", {"attention_bias": False}),
    ("llama-all-biases", {"mlp_bias": False}),
    ("qwen3-attention-bias", {"attention_bias": False}),
    ("qwen2-biases", {"model_type": "llama"}),                                  # which has no biases by itself
    ("qwen3-head-dim", {"model_type": "llama"}),                                # nor norms of q and k
    ("llama-gqa", {"tie_word_embeddings": True}),
    ("llama-gqa", {"tie_word_embeddings": True, "rope_theta": ...}),
    ("llama-gqa", {"rope_theta": ...}),
    ("llama-gqa", {"rope_theta": 600}),
    ("llama-default-new", {"rope_parameters": ...}),
    ("llama-default-new", {"rope_parameters": {"rope_type": "default", "rope_theta": 60}}),
    ("llama-default-new", {"rope_parameters": {"rope_type": "linear", "rope_theta": 50, "factor": 1.1}}),
    ("llama-linear-old-type", {"rope_scaling": None}),
    ("llama-linear-old-type", {"rope_theta": 120}),
    ("llama-linear-old-type", {"rope_scaling": {"type": "default", "factor": 2.5}}),
    ("llama-linear-old-rope-type", {"rope_scaling": {"rope_type": "linear", "factor": 3.1}}),
    ("llama-linear-old-rope-type", {"rope_scaling": NEAR | {"factor": 3}}),
    ("llama-linear-new", {"rope_parameters": {"rope_type": "linear", "factor": 2.6, "rope_theta": 20}}),
    ("llama-linear-new", {"rope_parameters": {"rope_type": "linear", "factor": 2.5}}),
    ("llama-llama3-old-type", {"rope_scaling": None}),
    ("llama-llama3-old-type", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    ("llama-llama3-old-type", {"rope_scaling": NEAR | {"factor": 4.5}}),
    ("llama-llama3-old-type", {"rope_scaling": NEAR | {"low_freq_factor": 1.2}}),
    ("llama-llama3-old-type", {"rope_scaling": NEAR | {"high_freq_factor": 5.0}}),
    ("llama-llama3-old-type", {"rope_scaling": NEAR | {"original_max_position_embeddings": 18}}),
    ("llama-llama3-new", {"rope_parameters": NEAR | {"rope_theta": 120.0}}),
    ("llama-llama3-own-length", {"max_position_embeddings": 36}),
    ("llama-llama3-outer-length", {"original_max_position_embeddings": ...}),
    ("llama-two-ropes", {"rope_scaling": ...}),
    ("llama-eps", {"rms_norm_eps": 0.11}),
    ("llama-eps", {"rms_norm_eps": ...}),
    ("qwen3-attention-bias", {"rms_norm_eps": 0.11}),                           # in the norms of q and k too
    # 4 heads of 12 and 2 of 24, 2 and 1 for keys and values, have weights of equal shapes
    ("llama-head-dim", {"head_dim": 24, "num_attention_heads": 2, "num_key_value_heads": 1}),
    ("qwen2-head-dim", {"head_dim": 24, "num_attention_heads": 2, "num_key_value_heads": 1}),
    ("llama-head-dim", {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24, "rope_theta": 20.0}),
    ("mistral-window-5", {"sliding_window": None}),
    ("mistral-window-5", {"sliding_window": 4}),
    ("mistral-window-5", {"sliding_window": 6}),
    ("mistral-window-5", {"sliding_window": ...}),                              # 4096 by default
    ("mistral-window-5", {"model_type": "llama"}),
    ("mistral-window-1", {"sliding_window": 2}),
    ("mistral-wide-window", {"sliding_window": 13}),                            # the text has 14 tokens
    ("mistral-null-window", {"sliding_window": 5}),
    ("mistral-layer-types", {"layer_types": ...}),
    ("mistral-layer-types", {"layer_types": ["full_attention", "sliding_attention"]}),
    ("qwen2-sliding", {"use_sliding_window": False}),
    ("qwen2-sliding", {"use_sliding_window": ...}),
    ("qwen2-sliding", {"max_window_layers": 0}),
    ("qwen2-sliding", {"max_window_layers": 2}),
    ("qwen2-sliding", {"max_window_layers": ...}),                              # 28 by default
    ("qwen2-sliding", {"sliding_window": 3}),
    ("qwen2-sliding", {"sliding_window": None}),
    ("qwen2-unused-window", {"use_sliding_window": True}),
    ("qwen2-layer-types", {"layer_types": ["sliding_attention"] * 3}),
    ("qwen2-layer-types", {"layer_types": None}),
    ("qwen3-sliding", {"use_sliding_window": False}),
    ("qwen3-sliding", {"max_window_layers": 1}),
    ("qwen3-sliding", {"sliding_window": 5}),
    ("ministral-layer-types", {"layer_types": ...}),
    ("smollm3-defaults", {"rope_theta": 1e4}),
    ("smollm3-defaults", {"no_rope_layer_interval": 5}),
    ("smollm3-interval", {"no_rope_layer_interval": ...}),
    ("smollm3-interval", {"attention_bias": False}),
    ("smollm3-interval", {"mlp_bias": False}),
    ("smollm3-layers", {"no_rope_layers": None}),
    ("smollm3-layers", {"no_rope_layers": [1, 0]}),
    ("smollm3-layers", {"model_type": "llama", "tie_word_embeddings": True}),
    ("smollm3-sliding", {"use_sliding_window": False}),
    ("smollm3-sliding", {"layer_types": LAYERS[::-1]}),
    ("smollm3-yarn", {"rope_scaling": None}),
    ("qwen2-yarn", {"rope_scaling": YARN | {"type": "linear"}}),
    ("qwen2-yarn", {"rope_scaling": YARN | {"factor": 3}}),
    ("qwen2-yarn", {"rope_scaling": YARN | {"original_max_position_embeddings": 16}}),
    ("qwen2-yarn", {"rope_scaling": {"type": "yarn", "factor": 4.0}}),          # original: the context, 64
    ("qwen2-yarn", {"rope_scaling": YARN | {"attention_factor": 1.0}}),
    ("qwen2-yarn", {"rope_scaling": YARN | {"beta_slow": 0.1}}),
    ("qwen3-yarn-new", {"rope_parameters": YARN_NEW | {"truncate": True}}),
    ("qwen3-yarn-new", {"rope_parameters": YARN_NEW | {"beta_fast": 0.6}}),
    ("qwen3-yarn-new", {"rope_parameters": YARN_NEW | {"attention_factor": None}}),
    ("llama-yarn-mscale", {"rope_scaling": YARN | {"mscale": 1.0, "mscale_all_dim": 0.4, "factor": None}}),
    ("llama-yarn-mscale", {"rope_scaling": YARN | {"mscale": 1.5, "mscale_all_dim": 0.4}}),     # factor 8
    ("llama-yarn-mscale-0", {"rope_scaling": YARN | {"mscale": 1.5, "mscale_all_dim": 1.0}}),
]


@pytest.mark.parametrize("name, changes", FLIPS, ids=str)
def test_every_setting_moves_the_logits(name, changes):
    assert flipped(name) < 1e-4                         # as it is, nothing moves
    assert flipped(name, changes) > 1e-2


@pytest.mark.parametrize("name, field", [
    ("qwen2-biases", {"qkv_bias": False}), ("llama-attention-bias", {"o_bias": False}),
    ("llama-attention-bias", {"qkv_bias": False}),
    ("qwen3-head-dim", {"qk_norm": False}), ("mistral-window-5", {"windows": (None, 5)}),
    ("mistral-window-5", {"windows": (5, None)}),
    ("llama-llama3-new", {"rope_scaling": None}), ("llama-mlp-bias", {"mlp_bias": False}),
    ("smollm3-layers", {"rotary_layers": (True, True)}), ("qwen2-yarn", {"rope_scaling": None})], ids=str)
def test_every_field_of_config_moves_the_logits(name, field):
    assert flipped(name, **field) > 1e-2


@pytest.mark.parametrize("name, part", [(name, part) for name, parts in {
    "llama-mha": ["input_layernorm.weight", "post_attention_layernorm.weight", "model.norm.weight", "lm_head.weight"],
    "llama-all-biases": [f"{part}.bias" for part in model.LINEAR],
    "qwen2-biases": ["q_proj.bias", "k_proj.bias", "v_proj.bias"],
    "qwen3-attention-bias": ["q_proj.bias", "k_proj.bias", "v_proj.bias", "o_proj.bias", "q_norm.weight",
                             "k_norm.weight"]}.items()
    for part in parts])
def test_every_kind_of_weight_moves_the_logits(name, part):
    """A norm set to ones, a bias or a head to zeros."""
    lm = golden(name)
    parts = [p for n, p in lm.named_parameters() if n.endswith(part)]
    assert parts
    for p in parts:
        p.data.fill_(float("norm" in part))
    assert (logits(lm, name) - LOGITS[f"{name}.logits"]).abs().max() > 1e-2


def parsed(name, **changes):
    return model.Config.from_dict({k: v for k, v in (FAMILIES[name]["config"] | changes).items() if v is not ...})


def test_settings_that_mean_the_same_are_read_alike():
    llama3 = {k: v for k, v in NEAR.items() if k != "rope_type"}
    name = "llama-llama3-old-type"
    assert parsed(name) == parsed(name, rope_scaling=llama3 | {"rope_type": "llama3"})
    assert parsed(name) == parsed(name, rope_scaling=..., rope_theta=..., rope_parameters=NEAR | {"rope_theta": 100.0})
    assert parsed("llama-mha") == parsed("llama-mha", head_dim=6, num_key_value_heads=4, rope_theta=10000,
                                         attention_bias=False, mlp_bias=None, partial_rotary_factor=1.0,
                                         quantization_config=None, tie_word_embeddings=None,
                                         rope_scaling={"rope_type": "default"})
    assert parsed("qwen2-biases") == parsed("qwen2-biases", attention_bias=True, use_sliding_window=False,
                                            sliding_window=None)
    assert parsed("qwen3-default-head-dim").head_dim == 128
    assert parsed("qwen3-default-head-dim", head_dim=None).head_dim == 128
    assert parsed("mistral-window-5").windows == (5, 5) and parsed("mistral-null-window").windows == (None, None)
    assert parsed("qwen2-sliding").windows == (None, 4, 4) and parsed("qwen2-too-few-layers").windows == (None, None)
    assert parsed("llama-mha", rms_norm_eps=...).rms_norm_eps == 1e-6
    assert parsed("smollm3-defaults").rotary_layers == (True, True, True, False, True)
    assert parsed("smollm3-sliding").windows == (None, 4)
    assert parsed("qwen2-yarn") == parsed("qwen2-yarn", hidden_act="silu", rope_scaling=..., rope_theta=...,
                                          rope_parameters=YARN | {"rope_theta": 60.0, "rope_type": "yarn"})
    assert parsed("qwen2-yarn") == parsed("qwen2-yarn", rope_scaling=YARN | {
        "beta_fast": 0, "beta_slow": None, "mscale": 0.0, "mscale_all_dim": 3.0, "attention_factor": None})


def test_yarn_reaches_the_context_that_it_was_stretched_to():
    """Files of Qwen2.5 keep max_position_embeddings from before."""
    assert parsed("qwen2-yarn", max_position_embeddings=8).max_position_embeddings == 32
    assert parsed("qwen2-yarn", max_position_embeddings=100).max_position_embeddings == 100


@pytest.mark.parametrize("name", FAMILIES)
def test_a_config_survives_its_own_json(name):
    config = parsed(name)
    assert model.Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_config_made_by_hand_survives_its_own_json():
    config = model.Config(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                          vocab_size=32, max_position_embeddings=64, head_dim=8,
                          qkv_bias=True, o_bias=True, mlp_bias=True, tie_word_embeddings=True,
                          rope_theta=77.0, rope_scaling={"rope_type": "linear", "factor": 3.0}, rms_norm_eps=0.01)
    assert model.Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


# ---------------------------------------------------------------- sampling and scores

def some_prompts(lengths=(9, 1, 22, 3, 5, 14), seed=0):
    rng = random.Random(seed)
    return [[rng.randrange(32) for _ in range(n)] for n in lengths]


@pytest.mark.parametrize("name, dtype", [(name, torch.float64) for name in FAMILIES] + [
    (name, torch.float32) for name in FAMILIES if parsed(name).windows[-1]])
def test_fast_sampling_is_the_plain_loop(name, dtype, monkeypatch):
    """Few slots and a small prefill: rows of unequal length leave, move and come in, in and out of the windows."""
    monkeypatch.setattr(model, "SLOTS", 3)
    monkeypatch.setattr(model, "TOKENS_AT_ONCE", 30)
    lm, prompts = golden(name, dtype), some_prompts()
    way = dict(max_new_tokens=10, temperature=0.8, end_ids=[3, 4])
    for i, (fast, prompt) in enumerate(zip(model.generate(lm, prompts, **way), prompts)):
        slow = model.generate_plain(lm, prompt, row=i, **way)
        assert (fast.ids, fast.finish_reason) == (slow.ids, slow.finish_reason), f"row {i}"
        assert fast.logprob == pytest.approx(slow.logprob, abs=1e-3 if dtype == torch.float32 else 1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_loglikelihood_is_the_sum_over_full_logits(name):
    lm = golden(name, torch.float64)
    prompts, continuations = some_prompts((9, 9, 1, 20, 3)), some_prompts((3, 8, 12, 2, 1), seed=1)
    prompts[1] = prompts[0]                             # shared: its keys and values serve two continuations
    for got, prompt, continuation in zip(model.loglikelihood(lm, prompts, continuations), prompts, continuations):
        with torch.no_grad():
            logprobs = lm(torch.tensor([prompt + continuation[:-1]])).log_softmax(-1)[0, len(prompt) - 1:]
        assert got == pytest.approx(logprobs.gather(1, torch.tensor(continuation)[:, None]).sum().item(), abs=1e-6)


# ---------------------------------------------------------------- what is refused

NAN = float("nan")
REFUSED = [
    ("llama-mha", {"model_type": "gemma2"}, "model_type 'gemma2' is not supported .*llama, mistral, qwen2, qwen3, min"),
    ("llama-mha", {"model_type": "phi3"}, "model_type 'phi3'"),
    ("llama-mha", {"model_type": "qwen3_moe"}, "model_type 'qwen3_moe'"),
    ("llama-mha", {"model_type": ...}, "model_type None"),
    ("llama-mha", {"model_type": ["llama"]}, r"model_type \['llama'\]"),
    ("llama-mha", {"hidden_act": "gelu"}, "hidden_act 'gelu'"),
    ("qwen2-biases", {"hidden_act": "relu"}, "hidden_act 'relu'"),
    ("llama-mha", {"quantization_config": {"quant_method": "awq", "bits": 4}}, "quantization_config .*awq"),
    ("llama-mha", {"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
    ("llama-mha", {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
     "partial_rotary_factor 0.5"),
    ("qwen2-yarn", {"rope_scaling": {"type": "yarn"}}, "factor is None"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"beta_fast": "32"}}, "beta_fast is '32'"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"beta_slow": -1}}, "beta_slow is -1"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"truncate": "false"}}, "truncate 'false'"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"attention_factor": 0}}, "attention_factor is 0"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"mscale": "1", "mscale_all_dim": 1}}, "mscale is '1'"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"extrapolation_factor": 1.0}}, "extrapolation_factor 1.0"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"partial_rotary_factor": 0.5}}, "partial_rotary_factor 0.5"),
    ("qwen2-yarn", {"rope_scaling": YARN | {"original_max_position_embeddings": None}},
     "original_max_position_embeddings is None"),
    ("qwen2-yarn", {"rope_theta": 1}, "rope_theta 1"),
    ("smollm3-defaults", {"rope_theta": None}, "rope_theta is None"),
    ("smollm3-layers", {"no_rope_layers": [1]}, r"no_rope_layers \[1\] .*each of the 2 layers"),
    ("smollm3-layers", {"no_rope_layers": [1, 2]}, r"no_rope_layers \[1, 2\]"),
    ("smollm3-layers", {"no_rope_layers": "10"}, "no_rope_layers '10'"),
    ("smollm3-layers", {"layer_types": LAYERS}, "layer_types .*sliding_attention"),     # while switched off
    ("smollm3-interval", {"no_rope_layer_interval": 0}, "no_rope_layer_interval is 0"),
    ("ministral-defaults", {"mlp_bias": True}, "mlp_bias in ministral True"),
    ("llama-mha", {"model_type": "ministral3"}, "model_type 'ministral3'"),
    ("mistral-window-5", {"rope_scaling": {"type": "dynamic", "factor": 4.0}}, "rope_type 'dynamic'"),
    ("qwen3-head-dim", {"rope_parameters": {"rope_type": "longrope", "short_factor": [1], "long_factor": [2]}},
     "rope_type 'longrope'"),
    ("llama-mha", {"rope_scaling": {"rope_type": 3}}, "rope_type 3"),
    ("llama-mha", {"rope_scaling": {"rope_type": "linear", "factor": 2, "attention_factor": 0.7}},
     "attention_factor 0.7"),
    ("llama-mha", {"rope_scaling": {"rope_type": "default", "mrope_section": [2, 2, 2]}}, r"mrope_section \[2, 2, 2\]"),
    ("llama-mha", {"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "full_attention"),
    ("llama-mha", {"rope_scaling": "linear"}, "rope setting 'linear'"),
    ("llama-mha", {"rope_parameters": [1]}, r"rope setting \[1\]"),
    ("llama-mha", {"rope_scaling": {"type": "linear"}}, "factor is None"),
    ("llama-mha", {"rope_scaling": {"type": "linear", "factor": "2"}}, "factor is '2'"),
    ("llama-mha", {"rope_scaling": {"type": "linear", "factor": -2}}, "factor is -2"),
    ("llama-mha", {"rope_scaling": {"type": "linear", "factor": NAN}}, "factor is nan"),
    ("llama-mha", {"rope_scaling": {"type": "linear", "factor": True}}, "factor is True"),
    ("llama-llama3-new", {"rope_parameters": {"rope_type": "llama3", "factor": 2}}, "low_freq_factor is None"),
    ("llama-llama3-new", {"rope_parameters": NEAR | {"high_freq_factor": 0}}, "high_freq_factor is 0"),
    ("llama-llama3-new", {"rope_parameters": NEAR | {"high_freq_factor": 1.0}},
     "low_freq_factor must be below high_freq_factor"),
    ("llama-llama3-new", {"rope_parameters": NEAR | {"original_max_position_embeddings": "16"}},
     "original_max_position_embeddings is '16'"),
    ("llama-mha", {"rope_theta": "1e4"}, "rope_theta is '1e4'"),
    ("llama-mha", {"rope_theta": -1}, "rope_theta is -1"),
    ("llama-mha", {"rope_theta": NAN}, "rope_theta is nan"),
    ("llama-mha", {"rope_theta": 0}, "rope_theta is 0"),
    ("llama-mha", {"rope_theta": False}, "rope_theta is False"),
    ("llama-mha", {"rope_parameters": {"rope_theta": 0}}, "rope_theta is 0"),
    ("llama-mha", {"rms_norm_eps": "1e-5"}, "rms_norm_eps is '1e-5'"),
    ("llama-mha", {"rms_norm_eps": -1e-5}, "rms_norm_eps is -1e-05"),
    ("llama-mha", {"rms_norm_eps": NAN}, "rms_norm_eps is nan"),
    ("llama-mha", {"rms_norm_eps": True}, "rms_norm_eps is True"),
    ("llama-mha", {"rms_norm_eps": float("inf")}, "rms_norm_eps is inf"),
    ("llama-mha", {"num_key_value_heads": 3}, "do not fit 3 key-value heads"),
    ("llama-mha", {"num_key_value_heads": 0}, "num_key_value_heads is 0"),
    ("llama-mha", {"num_key_value_heads": 2.0}, "num_key_value_heads is 2.0"),
    ("llama-mha", {"head_dim": 5}, "heads of size 5"),
    ("llama-mha", {"head_dim": -6}, "head_dim is -6"),
    ("llama-mha", {"num_attention_heads": 48}, "head_dim is 0"),
    ("llama-mha", {"attention_bias": "yes"}, "attention_bias 'yes'"),
    ("llama-mha", {"tie_word_embeddings": "false"}, "tie_word_embeddings 'false'"),
    ("qwen2-biases", {"mlp_bias": True}, "mlp_bias in qwen2 True"),
    ("qwen3-head-dim", {"mlp_bias": True}, "mlp_bias in qwen3 True"),
    ("mistral-window-5", {"mlp_bias": True}, "mlp_bias in mistral True"),
    ("mistral-window-5", {"sliding_window": 0}, "sliding_window is 0"),
    ("mistral-window-5", {"sliding_window": -1}, "sliding_window is -1"),
    ("mistral-window-5", {"sliding_window": True}, "sliding_window is True"),
    ("mistral-window-5", {"sliding_window": "4096"}, "sliding_window is '4096'"),
    ("mistral-window-5", {"sliding_window": 4.5}, "sliding_window is 4.5"),
    ("qwen2-sliding", {"use_sliding_window": "true"}, "use_sliding_window 'true'"),
    ("qwen2-sliding", {"max_window_layers": "1"}, "max_window_layers '1'"),
    ("qwen2-sliding", {"max_window_layers": -1}, "max_window_layers -1"),
    ("qwen2-sliding", {"max_window_layers": True}, "max_window_layers True"),
    ("qwen2-sliding", {"layer_types": ["full_attention", "chunked_attention", "full_attention"]},
     "layer_types .*chunked_attention"),
    ("qwen2-sliding", {"layer_types": ["full_attention"]}, "layer_types .*each of the 3 layers"),
    ("qwen2-sliding", {"layer_types": "full_attention"}, "layer_types 'full_attention'"),
    ("qwen3-head-dim", {"layer_types": ["linear_attention"] * 2}, "layer_types .*linear_attention"),
    # while use_sliding_window is false
    ("qwen3-head-dim", {"layer_types": LAYERS}, "layer_types .*sliding_attention"),
    ("llama-mha", {"layer_types": LAYERS}, "layer_types .*sliding_attention"),
    # no model is so large: to lay it out would take for ever, or overflow
    ("llama-mha", {"hidden_size": 10**14}, "hidden_size is 100000000000000"),
    ("llama-mha", {"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
    *(("qwen2-biases", {size: value}, f"{size} is {value!r}") for size in (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
        "max_position_embeddings")
      for value in ("32", -32, 0, 32.0, NAN, True)),
    *(("qwen3-head-dim", {size: None}, f"lacks {size}") for size in ("hidden_size", "vocab_size")),
]


@pytest.mark.parametrize("name, changes, says", REFUSED, ids=str)
def test_a_setting_that_is_not_supported_is_refused_by_name_before_anything_is_made(
        name, changes, says, tmp_path, monkeypatch):
    config = {k: v for k, v in (FAMILIES[name]["config"] | {"vocab_size": 300} | changes).items() if v is not ...}
    shutil.copytree(GOLDEN / "tokenizer", tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))         # NaN and Infinity are written so
    monkeypatch.setattr(model, "Transformer", lambda config: pytest.fail("a model was made"))
    with pytest.raises(LoadError, match=says) as error:
        model.load(tmp_path / "m", "cpu")
    assert "\n" not in str(error.value) and "config.json" in str(error.value)


# ---------------------------------------------------------------- beside transformers, where it is installed

@pytest.mark.parametrize("name", FAMILIES)
def test_transformers_opens_what_was_saved(name, tmp_path):
    transformers = pytest.importorskip("transformers")
    from data.checkpoints.chat import Tokenizer
    config = model.Config.from_dict(FAMILIES[name]["config"] | {"vocab_size": 304})
    shapes = {n: list(p.shape) for n, p in model.Transformer(config).named_parameters()}
    lm = build(config, draw(shapes))
    model.save(lm, Tokenizer(GOLDEN / "tokenizer"), tmp_path / "out")
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(report.values())                     # no name is missing or left over
    assert {n: list(p.shape) for n, p in theirs.named_parameters()} == shapes
    ids = torch.randint(0, 300, (2, 14), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, want = lm(ids), theirs(ids).logits
    assert want.std() > 1
    torch.testing.assert_close(ours, want, atol=2e-5, rtol=1e-5)
    again, _ = model.load(tmp_path / "out", "cpu")
    assert again.config == config
    with torch.no_grad():
        torch.testing.assert_close(again(ids), ours, atol=0, rtol=0)


@pytest.mark.skipif("S3FT_REAL_MODEL" not in os.environ, reason="needs S3FT_REAL_MODEL=FOLDER of a public checkpoint")
def test_a_public_checkpoint_gives_the_logits_and_chat_ids_of_transformers(monkeypatch):
    transformers = pytest.importorskip("transformers")
    from data.checkpoints.chat import TODAY
    pinned = type("Pinned", (), {"now": staticmethod(lambda: TODAY)})
    monkeypatch.setattr(transformers.utils.chat_template_utils, "datetime", pinned)
    folder, task = os.environ["S3FT_REAL_MODEL"], load_task("gsm8k", TINY)
    lm, tokenizer = model.load(folder, "cpu", torch.float32)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    for example in task.load("test")[:5]:
        messages = s3ft.ask(task, example)
        ids = tokenizer.encode_chat(messages)
        if reader.chat_template:
            assert ids == reader.apply_chat_template(messages, add_generation_prompt=True, return_dict=False,
                                                     enable_thinking=False)
        with torch.no_grad():
            ours, want = lm(torch.tensor([ids])), theirs(torch.tensor([ids])).logits
        gap = ((ours - want).abs().max() / want.std()).item()
        print(f"{example.id}: {len(ids)} tokens, largest gap {gap:.1e} of the spread")
        assert gap < 1e-3
