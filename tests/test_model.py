"""The model: logits of transformers (golden/), fast sampling against the plain loop, scores against full
logits, folders written and read, and every folder that cannot be used."""
import errno
import json
import math
import random
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

import model
from data.checkpoints import LoadError
from test_chat import change

GOLDEN = Path(__file__).parent / "golden"
VOCABULARY, CONTEXT = 40, 64
WAYS = [dict(), dict(temperature=1.0), dict(temperature=0.7), dict(temperature=1.5, seed=3),
        dict(temperature=1.2, seed=2**63 + 1)]

pytestmark = pytest.mark.usefixtures("one_thread")


def small(seed=0, dtype=torch.float64, **changes):
    """A random model whose next token depends visibly on what came before."""
    torch.manual_seed(seed)
    sizes = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, vocab_size=VOCABULARY, max_position_embeddings=CONTEXT,
                 tie_word_embeddings=True)
    lm = model.Transformer(model.Config(**sizes | changes))
    for p in lm.parameters():
        if p.dim() == 2:
            p.data *= 8
    return lm.to(dtype)


def some_prompts(n, seed=0, lengths=(1, 2, 5, 13, 30, CONTEXT - 1)):
    rng = random.Random(seed)
    return [[rng.randrange(VOCABULARY) for _ in range(rng.choice(lengths))] for _ in range(n)]


def plain(lm, prompts, *args, rows=None, **kwargs):
    return [model.generate_plain(lm, p, *args, row=i if rows is None else rows[i], **kwargs)
            for i, p in enumerate(prompts)]


def assert_same(fast, slow):
    for i, (a, b) in enumerate(zip(fast, slow, strict=True)):
        assert (a.ids, a.finish_reason) == (b.ids, b.finish_reason), f"row {i}"
        assert a.logprob == pytest.approx(b.logprob, abs=1e-4), f"row {i}"


@pytest.fixture
def folder(tmp_path):
    """A model folder that a test may spoil."""
    shutil.copytree(GOLDEN / "tied", tmp_path / "m")
    shutil.copytree(GOLDEN / "tokenizer", tmp_path / "m", dirs_exist_ok=True)
    return tmp_path / "m"


# ---------------------------------------------------------------- the layers

@pytest.mark.parametrize("name", ["tied", "untied"])
def test_logits_and_greedy_answer_are_those_of_transformers(name, tmp_path):
    shutil.copytree(GOLDEN / name, tmp_path / "m")
    shutil.copytree(GOLDEN / "tokenizer", tmp_path / "m", dirs_exist_ok=True)
    lm, _ = model.load(tmp_path / "m", "cpu", torch.float32)
    golden = load_file(GOLDEN / name / "golden.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(lm(golden["ids"]), golden["logits"], atol=1e-4, rtol=0)
    answer = model.generate(lm, [golden["ids"][0].tolist()], 20)[0]
    assert answer.ids == golden["greedy"].tolist()
    assert set(lm.state_dict()) == set(load_file(GOLDEN / name / "model.safetensors"))


def test_right_padding_and_cache_change_nothing():
    lm, ids = small(), torch.tensor(some_prompts(3, lengths=(20,)))
    with torch.no_grad():
        whole = lm.hidden(ids)
        padded = lm.hidden(torch.cat((ids, torch.zeros(3, 5, dtype=torch.long)), 1))[:, :20]
        cache = lm.new_cache(3, 24)
        parts = torch.cat((lm.hidden(ids[:, :11], cache), lm.hidden(ids[:, 11:19], cache, [11] * 3),
                           lm.hidden(ids[:, 19:], cache, [19] * 3)), 1)
    torch.testing.assert_close(padded, whole)
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("windows", [(None, None), (None, 6)], ids=["all see all", "a layer with a window"])
def test_rows_behind_one_another_do_not_see_each_other(windows):
    lm, prompts = small(windows=windows), some_prompts(3, lengths=(20, 3, 11))
    together = torch.tensor([[id for prompt in prompts for id in prompt]])
    with torch.no_grad():
        packed = lm.hidden(together, lengths=[len(prompt) for prompt in prompts])
        alone = [lm.hidden(torch.tensor([prompt])) for prompt in prompts]
    torch.testing.assert_close(packed, torch.cat(alone, 1))


def test_bf16_training_computes_what_fp32_does_up_to_rounding():
    lm, ids = small(dtype=torch.float32), torch.tensor(some_prompts(2, lengths=(20,)))
    with torch.autocast("cpu", torch.bfloat16):
        rough = lm(ids)
    exact = lm(ids)
    assert rough.dtype == torch.bfloat16
    assert (rough - exact).abs().mean() < 0.05 * exact.std()
    exact.logsumexp(-1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in lm.parameters())


# ---------------------------------------------------------------- sampling

@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fast_greedy_is_the_plain_loop(dtype):
    lm, prompts = small(dtype=dtype), some_prompts(12)
    assert_same(model.generate(lm, prompts, 20, end_ids=[3]), plain(lm, prompts, 20, end_ids=[3]))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_fast_sampling_is_the_plain_loop_whatever_shares_the_batch(way, monkeypatch):
    """Few slots and a small prefill, so that rows leave, move and come in all the time."""
    lm, prompts = small(), some_prompts(14)
    ends = [3, 4]
    expected = plain(lm, prompts, 15, end_ids=ends, **way)
    assert {a.finish_reason for a in expected} == {"end", "length"}     # both happen here
    assert_same(model.generate(lm, prompts, 15, end_ids=ends, **way), expected)
    monkeypatch.setattr(model, "SLOTS", 4)
    monkeypatch.setattr(model, "TOKENS_AT_ONCE", 40)
    assert_same(model.generate(lm, prompts, 15, end_ids=ends, **way), expected)
    lm.batch_share = 1 / 4                                              # as after running out of memory twice
    assert_same(model.generate(lm, prompts, 15, end_ids=ends, **way), expected)
    # a chunk, in another order, names its rows and samples what the whole set did
    chunk = [9, 2, 13, 5]
    assert_same(model.generate(lm, [prompts[i] for i in chunk], 15, noise_rows=chunk, end_ids=ends, **way),
                [expected[i] for i in chunk])


def test_equal_prompts_get_different_samples_and_another_seed_other_ones():
    lm = small()
    first = [a.ids for a in model.generate(lm, [[1, 2, 3]] * 4, 12, temperature=1.0)]
    again = [a.ids for a in model.generate(lm, [[1, 2, 3]] * 4, 12, temperature=1.0)]
    other = [a.ids for a in model.generate(lm, [[1, 2, 3]] * 4, 12, temperature=1.0, seed=1)]
    assert first == again and first != other and len(set(map(tuple, first))) == 4


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_several_answers_to_one_prompt_are_those_of_the_plain_loop_and_read_it_once(way, monkeypatch):
    lm, prompts = small(), some_prompts(5)
    several = [prompts[i % 5] for i in range(17)]                       # 3 or 4 answers each, prompts in turn
    expected = plain(lm, several, 9, end_ids=[3], **way)
    read = []                                                           # rows of every reading of prompts
    hidden = lm.hidden

    def counted(ids, cache=None, start=None, lengths=None):
        if start is None:
            read.extend(map(tuple, ids.tolist()))
        return hidden(ids, cache, start, lengths)

    monkeypatch.setattr(lm, "hidden", counted)
    assert_same(model.generate(lm, several, 9, end_ids=[3], **way), expected)
    assert len(read) == len(set(read)) == 5
    monkeypatch.setattr(model, "SLOTS", 6)                              # answers to one prompt come in at two times
    assert_same(model.generate(lm, several, 9, end_ids=[3], **way), expected)


def test_attention_that_lays_its_heads_apart_in_memory_samples_the_same(monkeypatch):
    """As the memory-efficient kernel of a GPU does: (B, heads, T, E), laid out as (B, T, heads, E)."""
    lm, prompts = small(), some_prompts(6)
    expected = plain(lm, prompts, 9)
    attention = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention",
                        lambda *a, **k: attention(*a, **k).transpose(1, 2).contiguous().transpose(1, 2))
    assert_same(model.generate(lm, prompts, 9), expected)


def test_a_request_that_overflowed_does_not_reach_the_next_in_its_slot(monkeypatch):
    lm, prompts = small(), [list(range(1, 20)), [1, 2, 3]]
    expected = plain(lm, prompts, 9)
    new_cache = lm.new_cache
    monkeypatch.setattr(lm, "new_cache", lambda *sizes: new_cache(*sizes).fill_(math.nan))
    assert_same(model.generate(lm, prompts, 9), expected)


def test_rows_that_end_at_once_are_empty_answers_with_a_logprob():
    lm, prompts = small(), some_prompts(6)
    answers = model.generate(lm, prompts, 10, end_ids=range(VOCABULARY))
    assert all(a.ids == [] and a.finish_reason == "end" and a.logprob < 0 for a in answers)
    # one row ends at once, the others go on
    end = model.generate(lm, prompts[:1], 1)[0].ids
    assert_same(model.generate(lm, prompts, 10, end_ids=end), plain(lm, prompts, 10, end_ids=end))


def test_every_end_id_stops():
    lm, prompt = small(), [5, 6, 7]
    ids = model.generate(lm, [prompt], 12)[0].ids
    for stop in (ids[2], ids[5]):
        answer = model.generate(lm, [prompt], 12, end_ids=[stop, VOCABULARY - 1])[0]
        assert answer.finish_reason == "end" and answer.ids == ids[:ids.index(stop)]


def test_the_context_and_max_new_tokens_cut_an_answer():
    lm = small()
    longest, short = model.generate(lm, [[1] * (CONTEXT - 1), [1]], 200)
    assert len(longest.ids) == 1 and longest.finish_reason == "length"
    assert len(short.ids) == CONTEXT - 1 and short.finish_reason == "length"
    assert len(model.generate(lm, [[1]], 7)[0].ids) == 7


def test_rows_past_the_tokenizer_are_never_sampled():
    lm = small()
    lm.vocab_limit = 6
    for temperature in (0.0, 5.0):
        for answer in model.generate(lm, some_prompts(5), 30, temperature=temperature):
            assert max(answer.ids) < 6


def test_logprob_is_the_loglikelihood_of_what_was_sampled():
    lm, prompts = small(), some_prompts(8, lengths=(1, 4, 9))
    answers = model.generate(lm, prompts, 8, temperature=0.6, end_ids=[3])
    sampled = [a.ids + [3] * (a.finish_reason == "end") for a in answers]
    assert [a.logprob for a in answers] == pytest.approx(model.loglikelihood(lm, prompts, sampled), abs=1e-6)


def test_progress_counts_every_row_and_no_prompts_are_no_answers():
    lm, seen = small(), []
    model.generate(lm, some_prompts(9), 5, end_ids=[3], progress=seen.append)
    assert sum(seen) == 9 and model.generate(lm, [], 5) == []
    seen.clear()
    model.loglikelihood(lm, [[1], [2], [1]], [[3], [], [4, 5]], progress=seen.append)
    assert sum(seen) == 3
    assert model.loglikelihood(lm, [], []) == [] and model.loglikelihood(lm, [[1]], [[]]) == [0.0]


def test_pick_takes_the_first_token_whose_cumulative_probability_exceeds_u():
    logits = torch.tensor([[0.1, 0.4, 0.0, 0.3, 0.2]]).log()

    def tokens(temperature):
        return [model.pick(logits, torch.tensor([u]), temperature).item()
                for u in (0.0, 0.05, 0.2, 0.55, 0.75, 0.95, 1 - 2**-24)]
    assert tokens(1.0) == [0, 0, 1, 3, 3, 4, 4]     # ends at 0.1, 0.5, 0.5, 0.8, 1; the third token is impossible
    assert tokens(1e-3) == [1] * 7
    assert tokens(0.0) == [1] * 7


def test_logits_that_are_no_numbers_give_some_token_and_no_crash():
    for temperature in (0.0, 0.7):
        [token] = model.pick(torch.full((1, 5), float("nan")), torch.tensor([0.5]), temperature).tolist()
        assert 0 <= token < 5


def test_samples_are_distributed_as_the_model_says():
    lm, n = small(), 4000
    drawn = torch.tensor([a.ids[0] for a in model.generate(lm, [[7, 8]] * n, 1, temperature=2.0)])
    with torch.no_grad():
        p = (lm(torch.tensor([[7, 8]]))[0, -1] / 2).softmax(-1)
    seen = torch.bincount(drawn, minlength=VOCABULARY) / n
    assert ((seen - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-3).all()


@pytest.mark.parametrize("prompt, settings", [
    ([], {}), ([1] * CONTEXT, {}), ([VOCABULARY], {}), ([-1], {}), ([1], dict(max_new_tokens=0)),
    ([1], dict(temperature=-1.0)), ([1], dict(temperature=float("nan"))), ([1], dict(temperature=float("inf")))])
def test_what_cannot_be_sampled_is_refused(prompt, settings):
    settings = dict(max_new_tokens=5) | settings
    with pytest.raises(ValueError):
        model.generate(small(), [[1], prompt], **settings)
    with pytest.raises(ValueError):
        model.generate_plain(small(), prompt, **settings)


# ---------------------------------------------------------------- scores

def test_the_plain_loglikelihood_is_the_sum_of_log_softmax_over_the_continuation():
    lm, (prompt, continuation) = small(), some_prompts(2, lengths=(9,))
    with torch.no_grad():
        logprobs = lm(torch.tensor([prompt + continuation])).log_softmax(-1)[0]
    expected = sum(logprobs[len(prompt) + k - 1, token].item() for k, token in enumerate(continuation))
    assert model.loglikelihood_plain(lm, prompt, continuation) == pytest.approx(expected, abs=1e-9)
    assert model.loglikelihood_plain(lm, prompt, []) == 0.0


def test_the_plain_loglikelihood_cuts_a_prompt_that_is_too_long_on_the_left():
    """The last token is only predicted, so one more than the context fits."""
    lm, (ids,) = small(), some_prompts(1, lengths=(CONTEXT + 1,))
    whole = model.loglikelihood_plain(lm, ids[:-3], ids[-3:])
    assert model.loglikelihood_plain(lm, [5, 6, 7] + ids[:-3], ids[-3:]) == whole
    assert model.loglikelihood_plain(lm, ids[1:-3], ids[-3:]) != pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("tokens_at_once", [8192, 50])
@pytest.mark.parametrize("window", [None, 8])
def test_the_fast_loglikelihood_is_the_plain_one(tokens_at_once, window, monkeypatch):
    """Shared and single prompts, long ones cut on the left, continuations of 0, 1 and many tokens."""
    monkeypatch.setattr(model, "TOKENS_AT_ONCE", tokens_at_once)
    lm, prompts = small(windows=(None, window)), some_prompts(20)
    prompts[4:9] = [prompts[3]] * 5
    continuations = [c[:n] for c, n in zip(some_prompts(20, 1, lengths=(30,)), [0, 1, 1, 2, 30, 1, 0, 7, 3, 5] * 2)]
    scores = model.loglikelihood(lm, prompts, continuations)
    expected = [model.loglikelihood_plain(lm, p, c) for p, c in zip(prompts, continuations)]
    assert scores == pytest.approx(expected, abs=1e-9)
    some = [17, 4, 8]                                   # alone as in company
    assert model.loglikelihood(lm, [prompts[i] for i in some], [continuations[i] for i in some]) == \
        pytest.approx([scores[i] for i in some], abs=1e-9)


def test_a_shared_prompt_is_read_once(monkeypatch):
    monkeypatch.setattr(model.prefixes, "WIDTHS", 1)
    lm, read = small(), []
    hidden = lm.hidden
    monkeypatch.setattr(lm, "hidden", lambda ids, *a: read.append(ids.numel()) or hidden(ids, *a))
    model.loglikelihood(lm, [[1] * 30] * 4, [[2], [3, 4], [5, 6], [7, 8]])
    assert read == [30, 3]      # the prompt, and the one inner token of each of the longer continuations


def test_loglikelihood_refuses_an_empty_prompt_and_a_continuation_past_the_context():
    for prompt, continuation in (([], [1]), ([1], [1] * (CONTEXT + 1))):
        with pytest.raises(ValueError, match="item 1"):
            model.loglikelihood(small(), [[1], prompt], [[1], continuation])
        with pytest.raises(ValueError, match="at most 64"):
            model.loglikelihood_plain(small(), prompt, continuation)


# ---------------------------------------------------------------- folders

@pytest.mark.parametrize("name", ["tied", "untied"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_was_saved_loads_again(name, dtype, folder, tmp_path):
    shutil.copytree(GOLDEN / name, folder, dirs_exist_ok=True)
    lm, tokenizer = model.load(folder, "cpu", torch.float32)
    model.save(lm, tokenizer, tmp_path / "out", dtype)
    again, tokenizer = model.load(tmp_path / "out")
    assert again.config == lm.config and again.vocab_limit == lm.vocab_limit == tokenizer.size == 300
    for key, tensor in lm.state_dict().items():         # the golden weights are bf16 numbers: nothing is lost
        assert again.state_dict()[key].dtype == dtype and torch.equal(again.state_dict()[key].float(), tensor), key
    assert ("lm_head.weight" in again.state_dict()) == (name == "untied")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert len({p.stat().st_mode for p in (tmp_path / "out").iterdir()}) == 1       # who reads one reads all


def test_what_was_saved_stops_elsewhere_where_it_was_taught_to_stop(folder, tmp_path):
    """A base model's file may name the end of a document alone; targets end with the template's closing token."""
    (folder / "generation_config.json").write_text('{"eos_token_id": 0, "top_k": 20}')
    lm, tokenizer = model.load(folder, "cpu")
    assert set(tokenizer.end_ids) == {0, tokenizer.close_id} and tokenizer.close_id != 0
    model.save(lm, tokenizer, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert written == {"eos_token_id": tokenizer.end_ids, "top_k": 20}


def test_dtype_is_the_files_unless_asked(folder):
    assert next(model.load(folder, "cpu")[0].parameters()).dtype == torch.bfloat16
    assert next(model.load(folder, "cpu", torch.float32)[0].parameters()).dtype == torch.float32


def test_transformers_opens_what_was_saved(folder, tmp_path):
    transformers = pytest.importorskip("transformers")
    lm, tokenizer = model.load(folder, "cpu", torch.float32)
    model.save(lm, tokenizer, tmp_path / "out")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    chat, ids = [{"role": "user", "content": "How many?"}], torch.tensor(some_prompts(2, lengths=(9,)))
    with torch.no_grad():
        torch.testing.assert_close(lm(ids), theirs(ids).logits, atol=1e-4, rtol=0)
    assert theirs.generation_config.eos_token_id == tokenizer.end_ids
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").apply_chat_template(
        chat, add_generation_prompt=True, return_dict=False) == tokenizer.encode_chat(chat)


def test_a_save_that_dies_leaves_the_old_weights(folder, monkeypatch):
    lm, tokenizer = model.load(folder, "cpu")
    before = (folder / "model.safetensors").read_bytes()

    def die(weights, path, metadata):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt
    monkeypatch.setattr("data.checkpoints.weights.save_file", die)
    with pytest.raises(KeyboardInterrupt):
        model.save(lm, tokenizer, folder)
    assert (folder / "model.safetensors").read_bytes() == before
    model.load(folder)


def test_a_full_disk_is_an_oserror_and_leaves_nothing_half_written(folder, tmp_path, monkeypatch):
    lm, tokenizer = model.load(folder, "cpu")

    def full(weights, path, metadata):
        Path(path).write_bytes(b"half")
        raise SafetensorError("No space left on device")
    monkeypatch.setattr("data.checkpoints.weights.save_file", full)
    with pytest.raises(OSError, match="No space left") as error:
        model.save(lm, tokenizer, tmp_path / "out")
    assert error.value.errno == errno.ENOSPC
    assert not list((tmp_path / "out").glob("model.safetensors*"))


def test_a_hub_id_is_looked_up_and_then_a_folder_like_any_other(folder, monkeypatch):
    """What happens on the way there is told in test_hub.py."""
    asked = []
    monkeypatch.setattr(model.hub, "find", lambda name: asked.append(name) or (folder, "0123abc"))
    lm, tokenizer = model.load("owner/name@main", "cpu")
    assert asked == ["owner/name@main"] and lm.config.hidden_size == 32 and tokenizer.size == 300


def test_an_adapters_base_may_be_a_hub_id(folder, tmp_path, monkeypatch):
    lm, _ = model.load(folder, "cpu", torch.float32)
    model.save_adapter(model.add_lora(lm, 2), tmp_path / "adapter", "owner/name@v1")
    find = model.hub.find
    monkeypatch.setattr(model.hub, "find", lambda name: (folder, "0123abc") if name == "owner/name@v1" else find(name))
    assert model.adapters(model.load(tmp_path / "adapter", "cpu", merge=False)[0]).keys() == model.adapters(lm).keys()


def test_thinking_is_passed_on_to_the_tokenizer(folder):
    assert model.load(folder, "cpu", thinking=True)[1].thinking and not model.load(folder, "cpu")[1].thinking


def shard(folder, spare=False):
    """Split the weights into two files with an index; spare adds a file that the index does not name."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    where = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(sorted(weights))}
    for part in set(where.values()):
        save_file({n: t for n, t in weights.items() if where[n] == part}, folder / part)
    if spare:
        save_file({"something.else": torch.zeros(1)}, folder / "part-9.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return weights


def test_shards_are_those_that_the_index_names(folder):
    weights = shard(folder, spare=True)
    lm, _ = model.load(folder, "cpu")
    assert all(torch.equal(t, weights[n]) for n, t in lm.state_dict().items())


def test_stored_frequencies_and_a_stored_tied_head_are_ignored(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, folder / "model.safetensors")
    assert "lm_head.weight" not in model.load(folder, "cpu")[0].state_dict()


def untie(weights):
    """Store a head of its own, though config.json says that the head is the embedding."""
    torch.manual_seed(0)
    head = torch.randn(304, 32).bfloat16()
    weights["lm_head.weight"] = head
    return head


@pytest.mark.parametrize("sharded", [False, True])
def test_a_stored_head_of_its_own_counts_whatever_the_config_says(folder, tmp_path, sharded):
    """As in transformers 5; what is saved says so."""
    weights = load_file(folder / "model.safetensors")
    head = untie(weights)
    save_file(weights, folder / "model.safetensors")
    if sharded:
        shard(folder)
    lm, tokenizer = model.load(folder, "cpu")
    assert torch.equal(lm.state_dict()["lm_head.weight"], head)
    model.save(lm, tokenizer, tmp_path / "out")
    again, _ = model.load(tmp_path / "out", "cpu")
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(again(ids), lm(ids)) and not again.config.tie_word_embeddings
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral"])
def test_transformers_and_we_read_the_same_head(folder, family):
    transformers = pytest.importorskip("transformers")
    change(folder / "config.json", model_type=family)
    config = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(0)
    weights = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).state_dict()
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    untie(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor(some_prompts(2, lengths=(9,)))
    lm, _ = model.load(folder, "cpu", torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(lm(ids), theirs(ids).logits, atol=1e-4, rtol=0)


def rename_weights(folder, new_name):
    weights = load_file(folder / "model.safetensors")
    save_file({new_name(name): tensor for name, tensor in weights.items()}, folder / "model.safetensors")


@pytest.mark.parametrize("new_name", [
    lambda name: name.removeprefix("model."),
    lambda name: name.removeprefix("model.") if "layers.1" in name else name])
def test_weights_of_the_bare_model_are_opened(folder, new_name):
    """transformers' LlamaModel has no "model." in front of its names, LlamaForCausalLM has."""
    before = model.load(folder, "cpu")[0].state_dict()
    rename_weights(folder, new_name)
    after = model.load(folder, "cpu")[0].state_dict()
    assert set(after) == set(before) and all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("spare", ["consolidated.safetensors", "pytorch_model.bin", "model.pth", "training_args.bin",
                                   "adapter_model.bin"])
def test_other_files_beside_the_weights_are_not_looked_at(folder, spare):
    (folder / spare).write_bytes(b"neither safetensors nor a pickle")
    model.load(folder, "cpu")
    shard(folder)
    model.load(folder, "cpu")


def test_a_whole_file_outranks_an_index(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    assert torch.equal(model.load(folder, "cpu")[0].model["norm"].weight, weights["model.norm.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_embedding_decides_the_dtype_where_a_file_mixes_them(folder, dtype):
    embedding = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    reweigh(folder, model__embed_tokens__weight=embedding.to(dtype), model__norm__weight=torch.ones(32))
    assert {p.dtype for p in model.load(folder, "cpu")[0].parameters()} == {dtype}
    assert {p.dtype for p in model.load(folder, "cpu", torch.bfloat16)[0].parameters()} == {torch.bfloat16}


def test_weights_do_not_hang_on_the_file(folder):
    """Cells are overwritten while their model is in memory."""
    lm, _ = model.load(folder, "cpu")
    before = {n: t.clone() for n, t in lm.state_dict().items()}
    size = (folder / "model.safetensors").stat().st_size
    with open(folder / "model.safetensors", "r+b") as f:
        f.write(b"\xff" * size)
    assert all(torch.equal(t, before[n]) for n, t in lm.state_dict().items())


def test_every_weight_file_is_checked_before_the_first_tensor_is_read(folder, monkeypatch):
    shard(folder)
    cut(folder / "part-1.safetensors")
    real = safe_open

    class Watched:
        def __init__(self, *args):
            self.f = real(*args)

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def keys(self):
            return self.f.keys()

        def get_slice(self, name):
            return self.f.get_slice(name)

        def get_tensor(self, name):
            pytest.fail("a tensor was read")
    monkeypatch.setattr("data.checkpoints.weights.safe_open", Watched)
    with pytest.raises(LoadError, match="part-1.safetensors: cannot be read"):
        model.load(folder, "cpu")


def poison(folder, name, value):
    tensor = load_file(folder / "model.safetensors")[name]
    tensor.view(-1)[5] = value
    reweigh(folder, **{name.replace(".", "__"): tensor})


def rename(folder, shard_name):
    """An index whose first tensor lies in a file of this name."""
    weights = shard(folder)
    index = {name: shard_name if i == 0 else f"part-{i % 2}.safetensors" for i, name in enumerate(sorted(weights))}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def reweigh(folder, **changes):
    """Change tensors of model.safetensors by name (dots as double underscores); None drops one."""
    weights = load_file(folder / "model.safetensors")
    weights |= {name.replace("__", "."): tensor for name, tensor in changes.items()}
    save_file({n: t for n, t in weights.items() if t is not None}, folder / "model.safetensors")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("spoil, says", [
    (lambda f: shutil.rmtree(f),
     "m': is no folder; a model is a folder with config.json, model.safetensors and tokenizer.json, or a hub"),
    (lambda f: (shutil.rmtree(f), f.write_text("a file")), "m': is no folder"),
    (lambda f: (f / "config.json").unlink(), "config.json: cannot be read"),
    (lambda f: (f / "config.json").write_text("{"), "config.json: is no JSON"),
    (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json: no such file"),
    (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json: does not parse"),
    (lambda f: (f / "model.safetensors").unlink(), "holds neither model.safetensors nor"),
    (lambda f: cut(f / "model.safetensors"), "model.safetensors: cannot be read"),
    (lambda f: (f / "model.safetensors").write_bytes(b""), "model.safetensors: cannot be read"),
    (lambda f: (shard(f), (f / "part-1.safetensors").unlink()), "part-1.safetensors: no such file"),
    (lambda f: (shard(f), (f / "model.safetensors.index.json").write_text("{}")), "lacks weight_map"),
    (lambda f: reweigh(f, model__norm__weight=None), "missing: model.norm.weight; unexpected: none"),
    (lambda f: reweigh(f, adapter=torch.ones(1)), "missing: none; unexpected: adapter"),
    (lambda f: reweigh(f, model__norm__weight=torch.ones(7)), r"model.norm.weight has shape \[7\]"),
    (lambda f: reweigh(f, model__norm__weight=torch.ones(32, dtype=torch.int8)), "quantised"),
    (lambda f: reweigh(f, norm__weight=torch.ones(32)), "holds both .*norm.weight and .*norm.weight"),
    (lambda f: reweigh(f, lm_head__weight=torch.ones(7, 32)), r"lm_head.weight has shape \[7, 32\]"),
    (lambda f: rename_weights(f, lambda name: f"model.{name}"), "unexpected: model.model.embed_tokens.weight"),
    (lambda f: change(f / "config.json", num_hidden_layers=3), "missing: model.layers.2.* and 4 more"),
    (lambda f: change(f / "config.json", model_type="mamba"), "model_type 'mamba' is not supported .*llama"),
    (lambda f: change(f / "config.json", model_type=None), "model_type None is not supported"),
    (lambda f: change(f / "config.json", hidden_size=None, vocab_size=None), "lacks hidden_size, vocab_size"),
    (lambda f: change(f / "config.json", hidden_size="32"), "hidden_size is '32'"),
    (lambda f: change(f / "config.json", num_hidden_layers=0), "num_hidden_layers is 0"),
    (lambda f: change(f / "config.json", num_key_value_heads=3), "do not fit 3 key-value heads"),
    (lambda f: change(f / "config.json", hidden_act="gelu"), "hidden_act 'gelu'"),
    (lambda f: change(f / "config.json", attention_bias=True),
     "missing: model.layers.0.self_attn.q_proj.bias, .* and 3 more; unexp"),
    (lambda f: change(f / "config.json", mlp_bias=True),
     "missing: model.layers.0.mlp.gate_proj.bias, .* and 1 more; unexpected: none"),
    (lambda f: change(f / "config.json", attention_bias="no"), "attention_bias 'no'"),
    (lambda f: change(f / "config.json", model_type="qwen3"), "missing: model.layers.0.self_attn.q_norm.weight, "),
    (lambda f: change(f / "config.json", model_type="qwen2"), "missing: model.layers.0.self_attn.q_proj.bias, "),
    (lambda f: change(f / "config.json", tie_word_embeddings=False), "missing: lm_head.weight; unexpected: none"),
    (lambda f: change(f / "config.json", quantization_config={"bits": 4}), "quantization_config"),
    (lambda f: change(f / "config.json", rope_parameters={"rope_type": "llama3"}), "factor is None"),
    (lambda f: change(f / "config.json", rope_parameters=None, rope_scaling={"type": "linear"}), "factor is None"),
    (lambda f: change(f / "config.json", rope_parameters="default"), "rope setting 'default'"),
    (lambda f: change(f / "config.json", rope_parameters={"rope_theta": "1e4"}), "rope_theta is '1e4'"),
    # damaged or hostile files
    (lambda f: (f / "config.json").write_text("[" * 100_000), "config.json: is no JSON"),
    (lambda f: (f / "config.json").write_bytes(b"\xff\xfe{}"), "config.json: is no JSON"),
    (lambda f: (f / "config.json").write_text("null"), "config.json: holds no JSON object"),
    (lambda f: poison(f, "model.norm.weight", float("nan")), "model.norm.weight holds values that are not finite"),
    (lambda f: poison(f, "model.embed_tokens.weight", float("inf")),
     "model.embed_tokens.weight holds values that are not finite"),
    (lambda f: poison(f, "model.layers.1.mlp.up_proj.weight", -float("inf")),
     "up_proj.weight holds values that are not finite"),
    (lambda f: rename(f, "../x.safetensors"), "names '../x.safetensors', which lies outside the folder"),
    (lambda f: rename(f, "sub/x"), "names 'sub/x', which lies outside the folder"),
    (lambda f: rename(f, "/etc/hostname"), "names '/etc/hostname', which lies outside the folder"),
    (lambda f: rename(f, ".."), "names '..', which lies outside the folder"),
    (lambda f: rename(f, ""), "names '', which lies outside the folder"),
    (lambda f: rename(f, "part-7.safetensors"),
     "part-7.safetensors: no such file, though model.safetensors.index.json names it"),
    (lambda f: rename(f, 7), "lacks weight_map"),
    (lambda f: (shard(f), (f / "model.safetensors.index.json").write_text('{"weight_map": []}')), "lacks weight_map"),
    (lambda f: (shard(f), (f / "model.safetensors.index.json").write_text('{"weight_map": {}}')),
     "missing: model.embed_tokens.weight, "),
    (lambda f: (shard(f), (f / "model.safetensors.index.json").write_text("x")), "index.json: is no JSON"),
    (lambda f: (shard(f), cut(f / "part-0.safetensors")), "part-0.safetensors: cannot be read"),
    (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 5000), "model.safetensors: cannot be read"),
    (lambda f: (f / "model.safetensors").write_bytes((100).to_bytes(8, "little") + b"{" * 200),
     "model.safetensors: cannot be read"),
    (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:40]),
     "model.safetensors: cannot be read"),
    (lambda f: (f / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
     "model.safetensors: cannot be read"),
    (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
     "holds neither model.safetensors nor .*pickles"),
    (lambda f: (f / "model.safetensors").rename(f / "consolidated.safetensors"), "holds neither model.safetensors nor"),
    (lambda f: ((f / "model.safetensors").unlink(), (f / "model.safetensors").mkdir()),
     "holds neither model.safetensors nor"),
    (lambda f: reweigh(f, model__embed_tokens__weight=torch.ones(304, 32, dtype=torch.int32)),
     "embed_tokens.weight is I32; quantised"),
    (lambda f: reweigh(f, model__embed_tokens__weight=torch.ones(304, 31)),
     r"shape \[304, 31\], config.json wants \[304, 32\]"),
    (lambda f: reweigh(f, model__norm__weight=torch.ones(32, 1)),
     r"model.norm.weight has shape \[32, 1\], config.json wants \[32\]"),
    (lambda f: change(f / "config.json", intermediate_size=47), r"has shape .*48.*, config.json wants .*47"),
    (lambda f: change(f / "config.json", hidden_size=10**14), "hidden_size|config.json wants"),
    (lambda f: change(f / "config.json", hidden_size=10**14, head_dim=None), "hidden_size|config.json wants"),
    (lambda f: change(f / "config.json", vocab_size=299),
     "the tokenizer has 300 entries .* the model 299 rows; .* belongs to another"),
    (lambda f: change(f / "config.json", vocab_size=601), "the tokenizer has 300 entries .* the model 601 rows"),
    (lambda f: change(f / "generation_config.json", eos_token_id=300), "ends with .300, 2."),
    (lambda f: change(f / "generation_config.json", eos_token_id=[2, 151645]), "ends with .2, 151645."),
    (lambda f: change(f / "config.json", eos_token_id="<|im_end|>"), "eos_token_id '<|im_end|>' is no token id"),
    (lambda f: (f / "chat_template.jinja").write_text("{% if %}"), "the chat template does not compile"),
    (lambda f: (f / "chat_template.jinja").write_text("{{ ''.__class__.__mro__ }}"),
     "the chat template refuses this chat"),
    (lambda f: (f / "chat_template.jinja").write_text("{{ cycler.__init__.__globals__ }}"),
     "the chat template refuses this chat"),
])
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(folder, spoil, says):
    spoil(folder)
    with pytest.raises(LoadError, match=says) as error:
        model.load(folder, "cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "meta", ""])
def test_a_device_that_does_not_exist_is_refused(folder, device):
    if device:
        with pytest.raises(LoadError, match=f"device {device}"):
            model.load(folder, device)
    else:
        model.load(folder, None)


def test_both_spellings_of_the_rope_settings():
    sizes = dict(model_type="llama", hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
                 vocab_size=9, max_position_embeddings=16)
    new = model.Config.from_dict(sizes | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}})
    old = model.Config.from_dict(sizes | {"rope_theta": 5e5, "rope_scaling": None})
    assert new == old and new.rope_theta == 5e5 and new.head_dim == 4 and new.num_key_value_heads == 2
    assert model.Config.from_dict(new.to_dict()) == new
    assert model.Config.from_dict(sizes).rope_theta == 10000.0


def test_precision_follows_the_processor_and_its_restrictions(monkeypatch):
    def choose(amx, bf16, capability="AVX512", isa=None):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa or "ALL")
        dtype, why = model.precision("cpu")
        return dtype if why and "\n" not in why else None
    assert choose(True, True) == choose(False, True) == torch.bfloat16
    assert choose(False, False) == choose(True, True, "AVX2") == choose(True, True, isa="AVX2") == torch.float32
    assert choose(True, True, isa="AVX512_CORE") == torch.float32
    assert choose(True, True, isa="AVX512_CORE_BF16") == torch.bfloat16


# ---------------------------------------------------------------- a GPU, where there is one

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])      # other kernels than float64's
def test_cuda_samples_in_the_dtypes_of_models(dtype):
    lm, prompts = small(dtype=dtype).cuda(), some_prompts(10)
    assert [len(done.ids) for done in model.generate(lm, prompts, 2)] == [
        min(2, CONTEXT - len(prompt)) for prompt in prompts]


@gpu
@pytest.mark.parametrize("way", WAYS[:3], ids=str)
def test_cuda_samples_what_the_plain_loop_samples(way, monkeypatch):
    monkeypatch.setattr(model, "SLOTS", 4)
    lm, prompts = small().cuda(), some_prompts(10)
    assert_same(model.generate(lm, prompts, 12, end_ids=[3], **way), plain(lm, prompts, 12, end_ids=[3], **way))
    scores = model.loglikelihood(lm, prompts, [[1, 2, 3]] * 10)
    assert scores == pytest.approx(model.loglikelihood(lm.cpu(), prompts, [[1, 2, 3]] * 10), abs=1e-5)


@gpu
def test_cuda_training_step_lowers_the_loss():
    dtype, _ = model.precision("cuda")
    lm, ids = small(dtype=torch.float32).cuda(), torch.tensor(some_prompts(4, lengths=(20,))).cuda()
    optimiser, losses = torch.optim.AdamW(lm.parameters(), 1e-3), []
    for _ in range(5):
        with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            logits = lm(ids[:, :-1])
        losses.append(torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten()))
        losses[-1].backward()
        optimiser.step()
        optimiser.zero_grad()
    assert losses[-1] < losses[0]
