"""The method: which target is chosen, what the loss covers, and that accumulation changes nothing."""
import copy
import itertools
import json

import pytest
import torch
import torch.nn.functional as F

import judge
import model
import s3ft
from data import TINY, load_task
from data.runs import fitting


@pytest.fixture(scope="module")
def world():
    lm, tokenizer = model.load(TINY, "cpu", torch.float32)
    task = load_task("gsm8k", TINY)
    return lm, tokenizer, task, task.load("train")[:12]


def gold_targets(world, n=12):
    lm, tokenizer, task, examples = world
    return [s3ft.make_target(tokenizer, task, e, "gold", None) for e in examples[:n]]


# ---------------------------------------------------------------- choose_targets

@pytest.mark.parametrize("method", s3ft.METHODS)
@pytest.mark.parametrize("own, paraphrase", list(itertools.product(["accepted", "refused", "unfinished", "absent"], repeat=2)))
def test_first_accepted_source_wins(world, method, own, paraphrase):
    example = world[3][0]
    state = {"own": own, "paraphrase": paraphrase}
    attempts = {(example.id, s): [{"text": f"{s} text", "finish_reason": "length" if state[s] == "unfinished" else "end", "ids": [1]}]
                for s in state if state[s] != "absent"}
    judged = []

    def accept(e, text, source):
        judged.append(text)
        return judge.Verdict(state[source] in ("accepted", "unfinished"), "test", None, "")
    [(chosen, source, attempt)] = s3ft.choose_targets(s3ft.METHODS[method], [example], attempts, accept)
    expected = next((s for s in s3ft.METHODS[method] if s == "gold" or state[s] == "accepted"))
    assert (chosen, source) == (example, expected)
    assert attempt is None if expected == "gold" else attempt["text"] == f"{expected} text"


def test_example_without_accepted_source_is_left_out(world):
    refuse = lambda e, text, source: judge.Verdict(False, "test", None, "")
    attempts = {(world[3][0].id, "own"): [{"text": "x", "finish_reason": "end", "ids": [1]}]}
    assert s3ft.choose_targets(("own",), world[3][:1], attempts, refuse) == []


def test_of_several_samples_the_first_accepted_wins(world):
    example = world[3][0]
    tries = [{"text": t, "finish_reason": f, "ids": [1]} for t, f in (("bad", "end"), ("good 1", "length"), ("good 2", "end"), ("good 3", "end"))]
    accept = lambda e, text, source: judge.Verdict("good" in text, "test", None, "")
    [(_, source, attempt)] = s3ft.choose_targets(s3ft.METHODS["s3ft"], [example], {(example.id, "own"): tries}, accept)
    assert (source, attempt["text"]) == ("own", "good 2")


def test_number_only_sources_use_the_same_attempts(world):
    _, _, task, examples = world
    gold = task.gold(examples[0])
    answer = gold.rsplit("The answer is ")[-1]
    text = f"First, 1 + 1 = 3 things. The answer is {answer}"
    attempts = {(examples[0].id, "own"): [{"text": text, "finish_reason": "end", "ids": [1]}]}
    assert s3ft.choose_targets(("own", "gold"), examples[:1], attempts, task.accept)[0][1] == "gold"
    assert s3ft.choose_targets(("own_number", "gold"), examples[:1], attempts, task.accept)[0][1] == "own_number"


# ---------------------------------------------------------------- targets

def test_gold_target_is_the_suffix_of_the_chat_up_to_its_closing_token(world):
    lm, tokenizer, task, examples = world
    for e, t in zip(examples, gold_targets(world)):
        assert t.prompt_ids == tokenizer.encode_chat(task.ask(e))
        assert t.ids[-1] == tokenizer.close_id and t.ids.count(tokenizer.close_id) == 1
        assert tokenizer.decode(t.ids) == task.gold(e)
        assert "<<" not in tokenizer.decode(t.ids) and "####" not in tokenizer.decode(t.ids)


def test_sampled_target_keeps_the_sampled_ids(world):
    lm, tokenizer, task, examples = world
    prompt = tokenizer.encode_chat(task.ask(examples[0]))
    done = model.generate(lm, [prompt], 96, end_ids=tokenizer.end_ids)[0]
    target = s3ft.make_target(tokenizer, task, examples[0], "own", {"ids": done.ids})
    assert target.ids == done.ids + [tokenizer.close_id] and target.prompt_ids == prompt


def test_examples_that_do_not_fit_are_counted_and_never_cut(world):
    lm, tokenizer, task, examples = world
    long = copy.deepcopy(examples[0])
    object.__setattr__(long, "question", "How many stamps? " * 400)
    kept, dropped = fitting([*examples, long], task, tokenizer, lm.config.max_position_embeddings, 96)
    assert (kept, dropped) == (examples, 1)


# ---------------------------------------------------------------- the loss

def full_logits_loss(lm, targets):
    """The slow, plain way: all logits of one row at a time, summed over the target tokens."""
    total = 0
    for t in targets:
        logits = lm(torch.tensor([t.prompt_ids + t.ids]))[0]
        start = len(t.prompt_ids)
        total = total + F.cross_entropy(logits[start - 1:start - 1 + len(t.ids)], torch.tensor(t.ids), reduction="sum")
    return total


def test_loss_equals_full_logits_reference(world):
    lm, targets = copy.deepcopy(world[0]).double(), gold_targets(world, 6)
    loss, scored = s3ft.target_loss(lm, targets)
    assert scored == sum(len(t.ids) for t in targets)
    assert loss.item() == pytest.approx(full_logits_loss(lm, targets).item(), rel=1e-5)


def test_prompt_is_masked_and_closing_token_is_in_the_loss(world):
    lm, targets = world[0], gold_targets(world, 1)
    targets[0].ids = targets[0].ids[:3] + targets[0].ids[-1:]                # closed too early, which is unlikely
    whole, n = s3ft.target_loss(lm, targets)
    shorter = copy.deepcopy(targets)
    shorter[0].ids = shorter[0].ids[:-1]
    less, m = s3ft.target_loss(lm, shorter)
    assert n == m + 1 and whole.item() > less.item()
    row = torch.tensor([targets[0].prompt_ids + targets[0].ids])
    logp = F.log_softmax(lm(row)[0, -2], -1)[targets[0].ids[-1]]
    assert whole.item() - less.item() == pytest.approx(-logp.item(), abs=1e-3)


def gradients(lm, targets, budget):
    lm.zero_grad()
    tokens = sum(len(t.ids) for t in targets)
    for group in s3ft.micro_batches(targets, budget):
        loss, _ = s3ft.target_loss(lm, group)
        (loss / tokens).backward()
    return {n: p.grad.clone() for n, p in lm.named_parameters()}


def test_gradient_does_not_depend_on_micro_batches(world):
    lm, targets = copy.deepcopy(world[0]).double(), gold_targets(world, 6)
    whole, cut = gradients(lm, targets, 10 ** 6), gradients(lm, targets, 200)
    assert len(list(s3ft.micro_batches(targets, 200))) > 3
    for name in whole:
        assert torch.allclose(whole[name], cut[name], rtol=1e-5, atol=1e-9), name


def test_micro_batches_hold_every_target_once_within_the_budget(world):
    targets = gold_targets(world)
    groups = list(s3ft.micro_batches(targets, 400))
    assert sorted(t.id for g in groups for t in g) == sorted(t.id for t in targets)
    assert all(len(g) == 1 or len(g) * max(len(t.prompt_ids) + len(t.ids) for t in g) <= 400 for g in groups)


# ---------------------------------------------------------------- fine-tuning

@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_finetune_learns_its_targets_and_repeats_itself(world, two_threads):
    results = []
    for _ in range(2):
        lm = copy.deepcopy(world[0])
        steps = list(s3ft.finetune(lm, gold_targets(world, 8), lr=1e-3, epochs=3, batch=4, seed=1))
        results.append((lm, [s["loss"] for s in steps]))
    (a, losses), (b, again) = results
    assert losses == again and all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))
    assert len(losses) == 6 and sum(losses[-2:]) < 0.7 * sum(losses[:2])


def test_finetune_refuses_a_target_without_the_closing_token(world):
    targets = gold_targets(world, 4)
    targets[0].ids = targets[0].ids[:-1]
    with pytest.raises(AssertionError, match="closing token"):
        next(s3ft.finetune(copy.deepcopy(world[0]), targets, lr=1e-3, batch=4))


def test_learning_rate_warms_up_and_falls():
    rates = [s3ft.learning_rate(i, 100, 1.0) for i in range(100)]
    assert rates[4] == 1.0 and rates[0] == 0.2 and rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True) and 0 < rates[-1] < 0.02


def test_divergence_is_zero_for_the_same_model_and_grows_with_training(world):
    lm, tokenizer, task, examples = world
    answers = s3ft.evaluate(lm, tokenizer, task, [(e, 0) for e in examples[:4]], 40)
    assert s3ft.divergence(lm, copy.deepcopy(lm), answers) == pytest.approx(0, abs=1e-6)
    tuned = copy.deepcopy(lm)
    list(s3ft.finetune(tuned, gold_targets(world, 6), lr=1e-3, epochs=2, batch=4))
    assert s3ft.divergence(lm, tuned, answers) > 1e-3


def test_evaluate_counts_a_prompt_that_fills_the_context_as_an_answer_without_text(world):
    lm, tokenizer, task, examples = world
    long = copy.deepcopy(examples[0])
    object.__setattr__(long, "question", "How many stamps? " * 400)
    first, second = s3ft.evaluate(lm, tokenizer, task, [(long, 0), (examples[1], 0)], 20)
    assert first["finish_reason"] == "too long" and first["text"] == "" and second["text"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_training_step_agrees_with_cpu(world):
    cpu, gpu = copy.deepcopy(world[0]), copy.deepcopy(world[0]).cuda()
    a = next(s3ft.finetune(cpu, gold_targets(world), lr=1e-4, batch=8))["loss"]
    b = next(s3ft.finetune(gpu, gold_targets(world), lr=1e-4, batch=8))["loss"]
    assert a == pytest.approx(b, rel=1e-3)


def test_methods_are_the_papers():
    assert s3ft.METHODS == {"sft": ("gold",), "ssr": ("own", "gold"), "sdft": ("paraphrase", "gold"), "s3ft": ("own", "paraphrase", "gold")}
    json.dumps(s3ft.METHODS)
