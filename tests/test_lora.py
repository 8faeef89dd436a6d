"""LoRA: an untrained adapter changes nothing, a trained one the same merged and unmerged, files are PEFT's in both
directions, and adapters that cannot be used are refused in one line."""
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import model
from data.checkpoints import LoadError
from data.checkpoints.lora import read_adapter_config
from data.checkpoints.chat import Tokenizer
from make_golden_families import draw
from test_chat import change
from test_families import FAMILIES, build, golden, logits

GOLDEN = Path(__file__).parent / "golden"
IDS = load_file(GOLDEN / "adapter" / "golden.safetensors")["ids"]
CONFIG = "adapter_config.json"
TARGETS = ["down_proj", "gate_proj", "o_proj", "q_proj", "v_proj"]      # of the golden adapter

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path):
    """PEFT's adapter, whose config names its base as ../tied, and that base with a tokenizer."""
    shutil.copytree(GOLDEN / "tied", tmp_path / "tied")
    shutil.copytree(GOLDEN / "tokenizer", tmp_path / "tied", dirs_exist_ok=True)
    shutil.copytree(GOLDEN / "adapter", tmp_path / "adapter")
    return tmp_path / "adapter"


def trained(lm, seed=0, **settings):
    """lm with adapters in which both A and B are random, as after training."""
    model.add_lora(lm, **{"rank": 3} | settings).eval()
    parts = {name: p for name, p in lm.named_parameters() if ".lora_" in name}
    for name, tensor in draw({name: list(p.shape) for name, p in parts.items()}, seed).items():
        parts[name].data.copy_(0.5 * tensor)
    return lm


def out(lm, ids=IDS):
    with torch.no_grad():
        return lm(ids)


def apart(a, b):
    return (a - b).abs().max().item()


# ---------------------------------------------------------------- the layer

@pytest.mark.parametrize("name", ["llama-all-biases", "mistral-window-5", "qwen2-sliding", "qwen3-attention-bias"])
def test_an_untrained_adapter_changes_nothing_and_a_trained_one_the_same_merged_and_unmerged(name):
    lm = golden(name)
    base, names = logits(lm, name), set(lm.state_dict())
    assert model.add_lora(lm, 4) is lm
    assert torch.equal(logits(lm, name), base)          # exactly
    assert len(model.adapters(lm)) == 7 * lm.config.num_hidden_layers
    tuned = logits(trained(golden(name)), name)
    assert apart(tuned, base) > 0.1
    merged = model.remove_lora(trained(golden(name)), merge=True)
    assert set(merged.state_dict()) == names
    assert apart(logits(merged, name), tuned) < 1e-5 * max(1, tuned.abs().max().item())


def test_the_update_is_alpha_over_rank_times_b_a():
    torch.manual_seed(0)
    layer = model.LoRA(torch.nn.Linear(5, 7).double(), rank=2, alpha=3)
    A, B, x = torch.randn(2, 5), torch.randn(7, 2), torch.randn(4, 5).double()
    layer.lora_A.weight.data, layer.lora_B.weight.data = A, B
    want = x @ (layer.base_layer.weight + 3 / 2 * (B.double() @ A.double())).T + layer.base_layer.bias
    torch.testing.assert_close(layer(x), want, atol=1e-12, rtol=0)
    assert layer.merged().dtype == torch.float64
    layer.base_layer.float()
    torch.testing.assert_close(layer.merged(), (layer.base_layer.weight + 3 / 2 * B @ A), atol=1e-6, rtol=0)


def test_only_adapters_are_trained_and_they_get_gradients():
    lm = model.add_lora(golden("qwen3-attention-bias"), 2)
    assert {n for n, p in lm.named_parameters() if p.requires_grad} == {n for n in lm.state_dict() if ".lora_" in n}
    base = {n: p.clone() for n, p in lm.named_parameters() if ".lora_" not in n}
    optimiser = torch.optim.AdamW([p for p in lm.parameters() if p.requires_grad], 0.01)
    for _ in range(2):                                  # A gets none as long as B is zero
        lm(torch.arange(20).view(2, 10)).square().mean().backward()
        optimiser.step()
    assert all(p.grad.abs().max() > 0 for p in lm.parameters() if p.requires_grad)
    assert all(torch.equal(p, base[n]) for n, p in lm.named_parameters() if n in base)


def test_without_lora_is_the_base_model_even_when_something_fails_inside():
    name = "qwen2-biases"
    base, lm = logits(golden(name), name), trained(golden(name))
    tuned = logits(lm, name)
    with model.without_lora(lm) as inside:
        assert inside is lm and torch.equal(logits(lm, name), base)
    assert torch.equal(logits(lm, name), tuned)
    with pytest.raises(KeyError):
        with model.without_lora(lm):
            raise KeyError
    assert torch.equal(logits(lm, name), tuned)


def test_remove_lora_restores_the_model():
    name = "llama-all-biases"
    lm = golden(name)
    layers, base = {n: m for n, m in lm.named_modules()}, logits(lm, name)
    assert model.remove_lora(trained(lm)) is lm
    assert {n: m for n, m in lm.named_modules()} == layers          # the same objects under the same names
    assert torch.equal(logits(lm, name), base) and not model.adapters(lm)


def test_the_seed_decides_a_whatever_was_drawn_before():
    def drawn(seed):
        torch.rand(torch.randint(1, 9, ()).item())
        lm = model.add_lora(golden("llama-gqa"), 4, seed=seed)
        return {n: x.lora_A.weight for n, x in model.adapters(lm).items()}
    first, again, other = drawn(5), drawn(5), drawn(6)
    assert all(torch.equal(first[n], again[n]) and not torch.equal(first[n], other[n]) for n in first)
    assert len({x.sum().item() for x in first.values()}) == len(first)              # each layer its own
    bound = 1 / 24 ** 0.5                                                            # kaiming, as PEFT has it
    some = first["model.layers.0.self_attn.q_proj"]
    assert some.abs().max() <= bound and some.std() > bound / 3


def test_a_layer_of_another_dtype_keeps_it_and_adapters_are_fp32():
    lm = trained(golden("llama-mha", torch.bfloat16))
    assert {p.dtype for n, p in lm.named_parameters() if ".lora_" not in n} == {torch.bfloat16}
    assert {p.dtype for n, p in lm.named_parameters() if ".lora_" in n} == {torch.float32}
    assert logits(lm, "llama-mha").dtype == torch.bfloat16
    model.remove_lora(lm, merge=True)
    assert {p.dtype for p in lm.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("targets", [("q_proj",), ("k_proj", "down_proj"), ("o_proj", "gate_proj", "up_proj")])
def test_target_subsets(targets):
    lm = trained(golden("llama-gqa"), targets=targets)
    assert {name.rpartition(".")[2] for name in model.adapters(lm)} == set(targets)
    assert len(model.adapters(lm)) == 2 * len(targets)
    assert apart(logits(lm, "llama-gqa"), logits(golden("llama-gqa"), "llama-gqa")) > 1e-2


def test_dropout_acts_in_training_only_and_on_the_adapter_only():
    name = "llama-mha"
    lm, sure = trained(golden(name), dropout=0.5).eval(), logits(trained(golden(name)), name)
    assert torch.equal(logits(lm, name), sure)
    torch.manual_seed(0)
    first, second = logits(lm.train(), name), logits(lm, name)
    assert apart(first, second) > 1e-2 and apart(first, sure) > 1e-2
    with model.without_lora(lm):
        assert torch.equal(logits(lm, name), logits(golden(name), name))
    # what is left is scaled up: the mean over many masks is the update without dropout
    layer, x = model.adapters(lm)["model.layers.0.mlp.down_proj"], torch.randn(1, 40)
    mean = layer(x.expand(20000, 40)).mean(0)
    torch.testing.assert_close(mean, layer.eval()(x)[0], atol=0.3, rtol=0)


def test_adapters_put_on_a_model_in_evaluation_mode_are_in_it_too():
    """A model that was loaded and given adapters with dropout must not sample with dropout."""
    lm = model.add_lora(golden("llama-mha").eval(), 2, dropout=0.5)
    assert not any(layer.training for layer in lm.modules())
    assert all(layer.training for layer in model.add_lora(golden("llama-mha").train(), 2, dropout=0.5).modules())


def test_sampling_and_scores_go_through_the_adapters():
    lm = trained(golden("mistral-window-5", torch.float64))
    prompts, way = [[1, 2, 3], [4] * 9, [5]], dict(max_new_tokens=8, temperature=0.8)
    fast = model.generate(lm, prompts, **way)
    assert [a.ids for a in fast] == [model.generate_plain(lm, p, row=i, **way).ids for i, p in enumerate(prompts)]
    scores = model.loglikelihood(lm, prompts, [a.ids for a in fast])
    assert scores == pytest.approx([a.logprob for a in fast], abs=1e-5)
    with model.without_lora(lm):
        assert scores != pytest.approx(model.loglikelihood(lm, prompts, [a.ids for a in fast]), abs=0.1)


# ---------------------------------------------------------------- files

@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_of_peft_gives_the_logits_of_peft(folder, merge):
    lm, tokenizer = model.load(folder, "cpu", torch.float32, merge=merge)
    want = load_file(GOLDEN / "adapter" / "golden.safetensors")["logits"]
    assert apart(out(lm), want) < 1e-5 * want.abs().max()
    base = model.load(folder.parent / "tied", "cpu", torch.float32)[0]
    assert apart(out(base), want) > 1 and tokenizer.size == 300
    assert bool(model.adapters(lm)) != merge and not lm.training
    if not merge:
        assert {(x.alpha, x.scale, x.dropout) for x in model.adapters(lm).values()} == {(5, 5 / 3, 0.25)}
        assert sorted({n.rpartition(".")[2] for n in model.adapters(lm)}) == TARGETS
        with model.without_lora(lm):
            assert torch.equal(out(lm), out(base))
    else:
        assert set(lm.state_dict()) == set(base.state_dict())


def test_what_save_adapter_writes_has_pefts_names_and_shapes(folder, tmp_path):
    lm, _ = model.load(folder, "cpu", merge=False)
    model.save_adapter(lm, tmp_path / "again", folder.parent / "tied")
    mine, theirs = (load_file(f / "adapter_model.safetensors") for f in (tmp_path / "again", folder))
    assert set(mine) == set(theirs) and all(torch.equal(mine[n], theirs[n]) for n in theirs)
    mine, theirs = (json.loads((f / "adapter_config.json").read_text()) for f in (tmp_path / "again", folder))
    same = ("peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "bias", "fan_in_fan_out", "revision")
    assert {k: mine[k] for k in same} == {k: theirs[k] for k in same}
    assert sorted(mine["target_modules"]) == sorted(theirs["target_modules"]) == TARGETS
    assert set(mine) <= set(theirs)                     # nothing that PEFT does not know
    assert {p.name for p in (tmp_path / "again").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert len({p.stat().st_mode for p in (tmp_path / "again").iterdir()}) == 1


@pytest.mark.parametrize("spelling", ["absolute", "beside the adapter", "inside the adapter",
                                      "from where python was started"])
def test_an_adapter_finds_its_base(folder, tmp_path, monkeypatch, spelling):
    lm, _ = model.load(folder.parent / "tied", "cpu", torch.float32)
    lm = trained(lm, alpha=4.5, dropout=0.1, targets=("q_proj", "up_proj"))
    base = folder.parent / "tied"
    monkeypatch.chdir(tmp_path)
    model.save_adapter(lm, tmp_path / "mine", base if spelling == "absolute" else "tied")
    if spelling != "from where python was started":     # save_adapter has made that absolute
        shutil.copytree(base, tmp_path / "mine" / "tied")
        change(tmp_path / "mine" / "adapter_config.json", base_model_name_or_path={
            "absolute": str(base), "beside the adapter": "../tied", "inside the adapter": "tied"}[spelling])
    monkeypatch.chdir(os.sep)
    merged, _ = model.load(tmp_path / "mine", "cpu", torch.float32)
    apart_, _ = model.load(tmp_path / "mine", "cpu", torch.float32, merge=False)
    assert torch.equal(out(apart_), out(lm)) and apart(out(merged), out(lm)) < 1e-5
    assert {(x.alpha, x.dropout) for x in model.adapters(apart_).values()} == {(4.5, 0.1)}


def test_a_hub_id_with_a_revision_is_written_as_peft_does(tmp_path):
    model.save_adapter(trained(golden("llama-gqa")), tmp_path, "owner/name@v1.2")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("owner/name", "v1.2")
    assert read_adapter_config(tmp_path).base == "owner/name@v1.2"


def test_a_saved_model_has_its_adapters_folded_in_and_keeps_them_in_memory(folder, tmp_path):
    lm, tokenizer = model.load(folder, "cpu", torch.float32, merge=False)
    before = out(lm)
    model.save(lm, tokenizer, tmp_path / "whole")
    assert torch.equal(out(lm), before) and model.adapters(lm)
    again, _ = model.load(tmp_path / "whole", "cpu")
    assert set(again.state_dict()) == set(model.load(folder.parent / "tied", "cpu")[0].state_dict())
    assert apart(out(again), before) < 1e-5 * before.abs().max()


def test_an_adapter_in_half_precision_and_on_an_untied_head_loads(folder):
    """A wider choice of targets than ours: PEFT can put one on the head, too."""
    shutil.copytree(GOLDEN / "untied", folder.parent / "tied", dirs_exist_ok=True)
    base = out(model.load(folder.parent / "tied", "cpu", torch.float32)[0])
    tensors = {n: t.bfloat16() for n, t in load_file(folder / "adapter_model.safetensors").items()}
    tensors |= {"base_model.model.lm_head.lora_A.weight": torch.ones(3, 32),
                "base_model.model.lm_head.lora_B.weight": torch.ones(304, 3)}
    save_file(tensors, folder / "adapter_model.safetensors")
    try:
        merged, unmerged = (model.load(folder, "cpu", torch.float32, merge=merge)[0] for merge in (True, False))
    except LoadError as error:
        assert "lm_head" in str(error)                  # to refuse it in one line is fine as well
    else:
        assert apart(out(merged), out(unmerged)) < 1e-4 and apart(out(merged), base) > 0.1


PATTERNS = [
    # settings, and what (rank, alpha) they give to some layers; the others have 3 and 5
    ({"use_rslora": True}, {}),
    ({"rank_pattern": {"q_proj": 2}}, {"0.self_attn.q_proj": (2, 5), "1.self_attn.q_proj": (2, 5)}),
    ({"rank_pattern": {"model.layers.1.self_attn.q_proj": 2}, "use_rslora": True}, {"1.self_attn.q_proj": (2, 5)}),
    ({"rank_pattern": {r"layers\.0\.mlp\.(up|down)_proj": 7}, "alpha_pattern": {r".*layers\.0\.mlp.*": 2.5}},
     {"0.mlp.down_proj": (7, 2.5), "0.mlp.gate_proj": (3, 2.5)}),
    # the first that matches, and a name only from a dot on
    ({"alpha_pattern": {r"1\.self_attn\.v_proj": 9, "v_proj": 4, "proj": 1}},
     {"0.self_attn.v_proj": (3, 4), "1.self_attn.v_proj": (3, 9)}),
    ({"init_lora_weights": "eva", "layers_to_transform": [0, 1], "layers_pattern": "layers",
      "target_modules": "x", "exclude_modules": ["k_proj"], "eva_config": {"rho": 2.0}, "use_newlora": False,
      "newlora_config": None}, {}),
]


def use_patterns(folder, settings, special):
    """Give PEFT's adapter these settings and its tensors the ranks that they say -> {layer: (rank, alpha)}."""
    change(folder / CONFIG, **settings)
    shapes, layers = {}, {}
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        layer = name.split("model.layers.")[1].rpartition(".lora_")[0]
        layers[f"model.layers.{layer}"] = special.get(layer, (3, 5))
        shapes[name] = [special.get(layer, (3, 5))[0] if size == 3 else size for size in tensor.shape]
    save_file(draw(shapes), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return layers


@pytest.mark.parametrize("settings, special", PATTERNS, ids=str)
def test_every_layer_has_the_rank_and_alpha_of_its_pattern_read_and_written(folder, tmp_path, settings, special):
    layers = use_patterns(folder, settings, special)
    lm, _ = model.load(folder, "cpu", torch.float32, merge=False)
    model.save_adapter(lm, tmp_path / "again", folder.parent / "tied")
    for one in (lm, model.load(tmp_path / "again", "cpu", torch.float32, merge=False)[0]):
        found = model.adapters(one)
        assert {name: (layer.rank, layer.alpha) for name, layer in found.items()} == layers
        for name, (rank, alpha) in layers.items():
            assert found[name].scale == alpha / (rank ** 0.5 if settings.get("use_rslora") else rank)
    merged, _ = model.load(folder, "cpu", torch.float32)
    assert apart(out(merged), out(lm)) < 1e-5 * out(lm).abs().max()


@pytest.mark.parametrize("settings, special", PATTERNS, ids=str)
def test_peft_reads_the_same_patterns(folder, tmp_path, settings, special):
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    settings = {name: value for name, value in settings.items() if "newlora" not in name}
    use_patterns(folder, settings | {"target_modules": TARGETS}, special)
    lm, _ = model.load(folder, "cpu", torch.float32, merge=False)
    model.save_adapter(lm, tmp_path / "again", folder.parent / "tied")
    for place in (folder, tmp_path / "again"):
        base = transformers.AutoModelForCausalLM.from_pretrained(folder.parent / "tied", dtype=torch.float32)
        with torch.no_grad():
            want = peft.PeftModel.from_pretrained(base, place).eval()(IDS).logits
        assert apart(out(lm), want) < 1e-5 * want.abs().max()


def dress_adapter(folder, **fields):
    """Give the adapter a tokenizer and a template of its own, as TRL saves them beside it."""
    shutil.copytree(GOLDEN / "tokenizer", folder, dirs_exist_ok=True)
    change(folder / "tokenizer_config.json", chat_template=None, **fields)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}<|im_start|>{{ m.content }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}:{% endif %}")


def test_an_adapter_is_asked_in_the_template_that_it_was_trained_with(folder, tmp_path):
    base = folder.parent / "tied"
    change(base / "generation_config.json", eos_token_id=7, top_k=20)
    dress_adapter(folder, eos_token="<end>", added_tokens_decoder={"300": {"content": "<end>", "special": True}})
    lm, tokenizer = model.load(folder, "cpu")
    chat = [{"role": "user", "content": "hi"}]
    assert tokenizer.render(chat) == "<|im_start|>hi<end>:" and lm.vocab_limit == 301
    assert tokenizer.encode_chat(chat)[3:4] == [300] and tokenizer.end_ids == [7, 300]
    assert model.load(base, "cpu")[1].render(chat) != tokenizer.render(chat)
    model.save(lm, tokenizer, tmp_path / "whole")                       # its own files go with it, the base's do not
    again = model.load(tmp_path / "whole", "cpu")[1]
    assert again.render(chat) == tokenizer.render(chat) and again.end_ids == [7, 300]
    assert json.loads((tmp_path / "whole" / "generation_config.json").read_text())["top_k"] == 20


def rewrite(folder, change_, file="adapter_model.safetensors"):
    tensors = load_file(folder / file)
    change_(tensors)
    save_file(tensors, folder / file)


Q = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def nan(tensors):
    tensors[Q][1, 2] = float("nan")


def only_a(tensors):
    for name in [n for n in tensors if "lora_B" in n]:
        del tensors[name]


def one_half(tensors):
    del tensors[Q]


def wide(f):
    """Another base: a model of other sizes where this one was."""
    lm = build(FAMILIES["llama-gqa"]["config"] | {"vocab_size": 304}, draw(FAMILIES["llama-gqa"]["shapes"] | {
        "model.embed_tokens.weight": [304, 24], "lm_head.weight": [304, 24]}))
    model.save(lm, Tokenizer(f.parent / "tied"), f.parent / "tied")


@pytest.mark.parametrize("spoil, says", [
    *((lambda f, field=field: change(f / CONFIG, **field), says) for field, says in [
        ({"use_dora": True}, "use_dora True is not supported"),
        ({"use_rslora": "yes"}, "use_rslora 'yes' is not supported"),
        ({"use_newlora": True}, "use_newlora True is not supported"),
        ({"init_lora_weights": "PiSSA"}, "init_lora_weights 'PiSSA' is not supported"),
        ({"new_number": 3}, "new_number 3 is not supported"),
        ({"modules_to_save": ["lm_head"]}, r"modules_to_save \['lm_head'\] is not supported"),
        ({"rank_pattern": {"q_proj": 4}}, r"q_proj.lora_[AB].weight has shape .*3.*, the model wants .*4"),
        ({"rank_pattern": {"q_proj": 2.5}}, "rank_pattern .* does not give"),
        ({"rank_pattern": ["q_proj"]}, "rank_pattern .* does not give"),
        ({"rank_pattern": {"q_proj(": 3}}, "rank_pattern .* does not give"),
        ({"alpha_pattern": {"q_proj": None}}, "alpha_pattern .* does not give"),
        ({"alpha_pattern": {"q_proj": 0}}, "alpha_pattern .* does not give"),
        ({"bias": "all"}, "bias 'all' is not supported"),
        ({"bias": "lora_only"}, "bias 'lora_only' is not supported"),
        ({"lora_bias": True}, "lora_bias True is not supported"),
        ({"peft_type": "PREFIX_TUNING"}, "peft_type 'PREFIX_TUNING' is not supported .supported: LORA"),
        ({"peft_type": None}, "peft_type None is not supported"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa' is not supported"),
        *(({"init_lora_weights": name}, f"init_lora_weights '{name}' is not supported")
          for name in ("loftq", "pissa_niter_4", "olora", "corda", "lora_ga", "mica")),
        ({"fan_in_fan_out": True}, "fan_in_fan_out True is not supported"),
        ({"layer_replication": [[0, 2]]}, "layer_replication .* is not supported"),
        ({"target_parameters": ["x"]}, "target_parameters .* is not supported"),
        ({"trainable_token_indices": [3]}, "trainable_token_indices .* is not supported"),
        # variants of PEFT 0.21 that compute something else
        ({"alora_invocation_tokens": [5, 6]}, r"alora_invocation_tokens \[5, 6\] is not supported"),
        ({"use_bdlora": {"nblocks": 2}}, "use_bdlora .* is not supported"),
        ({"kasa_config": {"beta": 1.0}}, "kasa_config .* is not supported"),
        ({"monteclora_config": {"num_samples": 2}}, "monteclora_config .* is not supported"),
        ({"arrow_config": {"top_k": 2}}, "arrow_config .* is not supported"),
        ({"r": 0}, "r 0"), ({"r": "3"}, "r '3'"), ({"r": None}, "r None"), ({"r": True}, "r True"),
        ({"lora_alpha": "5"}, "lora_alpha '5'"), ({"lora_alpha": None}, "lora_alpha None"),
        ({"lora_alpha": float("nan")}, "lora_alpha nan"), ({"lora_alpha": float("inf")}, "lora_alpha inf"),
        ({"lora_dropout": 1.0}, "lora_dropout 1.0"), ({"lora_dropout": -0.1}, "lora_dropout -0.1"),
        ({"lora_dropout": float("nan")}, "lora_dropout nan"), ({"lora_dropout": "0"}, "lora_dropout '0'"),
        ({"base_model_name_or_path": None}, "does not say which model it belongs to"),
        ({"base_model_name_or_path": ""}, "does not say which model it belongs to"),
        ({"base_model_name_or_path": 7}, "does not say which model it belongs to"),
        ({"base_model_name_or_path": "/no/such/folder/here"}, "/no/such/folder/here.*is no folder"),
        ({"r": 4}, r"does not belong to .*tied: .* has shape \[3, "),
    ]),
    (lambda f: shutil.rmtree(f.parent / "tied"), "tied.* is no folder"),
    (lambda f: (f / CONFIG).write_text("{"), "adapter_config.json: is no JSON"),
    (lambda f: (f / CONFIG).write_text("[]"), "adapter_config.json: holds no JSON object"),
    (lambda f: (f / "adapter_model.safetensors").unlink(), "holds no adapter_model.safetensors"),
    (lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"),
     "adapter_model.bin, are never opened"),
    (lambda f: rewrite(f, lambda t: t.update({"base_model.model.model.embed_tokens.weight": torch.ones(310, 32)})),
     "embed_tokens.weight is neither lora_A nor lora_B"),
    (lambda f: (f / "chat_template.jinja").write_text("{{ messages }}"), "to take those of its base"),
    (lambda f: dress_adapter(f, extra_special_tokens=[f"<{n}>" for n in range(9)]),
     "adapter: .*309 entries .*304 rows"),
    (lambda f: (f / "adapter_model.safetensors").write_bytes((f / "adapter_model.safetensors").read_bytes()[:-50]),
     "adapter_model.safetensors: cannot be read"),
    (lambda f: (f / "adapter_model.safetensors").write_bytes((f / "adapter_model.safetensors").read_bytes()[:100]),
     "adapter_model.safetensors: cannot be read"),
    (lambda f: (f / "adapter_model.safetensors").write_bytes(b"garbage " * 99),
     "adapter_model.safetensors: cannot be read"),
    (lambda f: rewrite(f, nan), "q_proj.lora_A.weight holds values that are no finite numbers"),
    (lambda f: rewrite(f, lambda t: t.update({Q: t[Q].int()})),
     "q_proj.lora_A.weight holds values that are no finite numbers"),
    (lambda f: rewrite(f, only_a), "no complete pairs of lora_A and lora_B"),
    (lambda f: rewrite(f, one_half), "no complete pairs of lora_A and lora_B"),
    (lambda f: rewrite(f, dict.clear), "no complete pairs of lora_A and lora_B"),
    (lambda f: rewrite(f, lambda t: t.update({Q.replace("layers.0", "layers.7"): t.pop(Q)})),
     "no layer for .*layers.7"),
    (lambda f: rewrite(f, lambda t: t.update({"q_proj.lora_A.weight": t.pop(Q)})), "no layer for q_proj.lora_A.weight"),
    (lambda f: rewrite(f, lambda t: t.update({Q.replace("lora_A", "lora_magnitude_vector"): t.pop(Q)})),
     "lora_magnitude_vector.weight is neither"),
    (lambda f: rewrite(f, lambda t: t.update({Q.replace("q_proj", "q_norm"): t.pop(Q)})), "no layer for"),
    (wide, r"does not belong to .*tied: .*lora_[AB].weight has shape"),
])
def test_an_adapter_that_cannot_be_used_is_refused_in_one_line(folder, spoil, says):
    spoil(folder)
    with pytest.raises(LoadError, match=says) as error:
        model.load(folder, "cpu")
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- beside PEFT, where it is installed

@pytest.mark.parametrize("name", ["tied", "untied"])
def test_peft_opens_what_save_adapter_wrote(folder, tmp_path, name):
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    shutil.copytree(GOLDEN / name, folder.parent / "tied", dirs_exist_ok=True)
    base = folder.parent / "tied"
    lm, _ = model.load(base, "cpu", torch.float32)
    lm = trained(lm, rank=2, alpha=7, dropout=0.2, targets=("k_proj", "o_proj", "up_proj"))
    model.save_adapter(lm, tmp_path / "mine", base)
    theirs = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "mine", dtype=torch.float32).eval()
    assert theirs.peft_config["default"].lora_dropout == 0.2
    with torch.no_grad():
        want = theirs(IDS).logits
    assert apart(out(lm), want) < 1e-5 * want.abs().max()
    assert apart(out(model.remove_lora(lm)), want) > 0.1
    untuned = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    reread = peft.PeftModel.from_pretrained(untuned, tmp_path / "mine").merge_and_unload()
    with torch.no_grad():
        assert apart(reread(IDS).logits, want) < 1e-4
