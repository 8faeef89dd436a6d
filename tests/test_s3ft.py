"""The method: which target is chosen, what the loss covers, and that accumulation changes nothing."""
import copy
import hashlib
import itertools
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import judge
import model
import s3ft
from data import TINY
from data.tasks import load_task
from data.run.folder import BaseModel
from data.run.selection import those_that_fit


@pytest.fixture(scope="module")
def world():
    lm, tokenizer = model.load(TINY, "cpu", torch.float32)
    task = load_task("gsm8k", TINY)
    return lm, tokenizer, task, task.load("train")[:12]


def gold_targets(world, n=12):
    lm, tokenizer, task, examples = world
    return [s3ft.make_target(tokenizer, task, s3ft.Choice(e, "gold", None)) for e in examples[:n]]


# ---------------------------------------------------------------- choose_targets

class Verdicts:
    """A judge of made-up attempts: accepts what `right` accepts, and remembers what it was shown."""

    def __init__(self, right):
        self.right = right
        self.shown = []

    def accept(self, example, text, source):
        self.shown.append(text)
        return judge.Verdict(self.right(text), "test", None, "")


def attempts_from(table, asked=None):
    """Attempts as choose_targets asks for them, out of {(example id, kind): [attempt, ..]}."""
    def attempts_of(kind, examples):
        if asked is not None:
            asked.append((kind, [e.id for e in examples]))
        return {e.id: table.get((e.id, kind), []) for e in examples}
    return attempts_of


def attempt(text, finish_reason="end"):
    return {"text": text, "finish_reason": finish_reason, "ids": [1]}


@pytest.mark.parametrize("method", s3ft.METHODS)
@pytest.mark.parametrize("own, paraphrase",
                         list(itertools.product(["accepted", "refused", "unfinished", "absent"], repeat=2)))
def test_first_accepted_source_wins(world, method, own, paraphrase):
    example = world[3][0]
    state = {"own": own, "paraphrase": paraphrase}
    table = {(example.id, kind): [attempt(f"{kind} {state[kind]}", "length" if state[kind] == "unfinished" else "end")]
             for kind in state if state[kind] != "absent"}
    verdicts = Verdicts(lambda text: "refused" not in text)
    [choice] = s3ft.choose_targets(s3ft.METHODS[method], [example], verdicts, attempts_from(table))
    expected = next(s for s in s3ft.METHODS[method] if s == "gold" or state[s] == "accepted")
    assert (choice.example, choice.source) == (example, expected)
    assert choice.attempt is None if expected == "gold" else choice.attempt["text"] == f"{expected} accepted"
    assert not any("unfinished" in text for text in verdicts.shown), "what was cut off is never a target"


def test_paraphrases_are_asked_for_only_where_the_own_answer_was_refused(world):
    examples, asked = world[3][:6], []
    table = {}
    for i, e in enumerate(examples):
        for kind in ("own", "paraphrase"):
            table[e.id, kind] = [attempt("right" if i % 2 else "wrong")]
    verdicts = Verdicts(lambda text: text == "right")
    chosen = s3ft.choose_targets(s3ft.METHODS["s3ft"], examples, verdicts, attempts_from(table, asked))
    refused = [e.id for e in examples[0::2]]
    assert asked == [("own", [e.id for e in examples]), ("paraphrase", refused)]
    assert [c.example for c in chosen] == examples, "in the order of the examples"
    assert [c.source for c in chosen] == ["gold", "own"] * 3


def test_sft_asks_for_nothing(world):
    def nothing(kind, examples):
        pytest.fail("an attempt was asked for")
    assert len(s3ft.choose_targets(s3ft.METHODS["sft"], world[3], Verdicts(None), nothing)) == len(world[3])


def test_example_without_accepted_source_is_left_out(world):
    table = {(world[3][0].id, "own"): [attempt("x")]}
    assert s3ft.choose_targets(("own",), world[3][:1], Verdicts(lambda text: False), attempts_from(table)) == []


def test_of_several_samples_the_first_accepted_wins(world):
    example = world[3][0]
    tries = [attempt("bad"), attempt("good 1", "length"), attempt("good 2"), attempt("good 3")]
    verdicts = Verdicts(lambda text: "good" in text)
    attempts_of = attempts_from({(example.id, "own"): tries})
    [choice] = s3ft.choose_targets(s3ft.METHODS["s3ft"], [example], verdicts, attempts_of)
    assert (choice.source, choice.attempt["text"]) == ("own", "good 2")


def test_number_only_sources_use_the_same_attempts(world):
    _, _, task, examples = world
    gold = task.gold(examples[0])
    answer = gold.rsplit("The answer is ")[-1]
    text = f"First, 1 + 1 = 3 things. The answer is {answer}"
    attempts_of = attempts_from({(examples[0].id, "own"): [attempt(text)]})
    assert s3ft.choose_targets(("own", "gold"), examples[:1], task, attempts_of)[0].source == "gold"
    assert s3ft.choose_targets(("own_number", "gold"), examples[:1], task, attempts_of)[0].source == "own_number"


# ---------------------------------------------------------------- prompts

PROMPTS = {                      # (task, part): (examples, fingerprint of all their prompts)
    ("gsm8k", "train"): (4000, "68701f6e8dab638c"), ("gsm8k", "test"): (2000, "e2c94e34a8d7e422"),
    ("mbpp", "train"): (374, "d5afc41eff3f5dfa"), ("mbpp", "test"): (500, "6f730a39c432f048"),
    ("mbpp all", "train"): (374, "b5774f3151df6f19"),
    ("nq", "train"): (1200, "6a12cb8a0be4cb98"), ("nq", "test"): (600, "b509758c3c8cf9de"),
}


def fingerprint(task, examples):
    prompts = [[s3ft.ask(task, e), s3ft.rewrite(task, e)] for e in examples]
    return len(examples), hashlib.sha256(json.dumps(prompts).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name, split", PROMPTS)
def test_every_prompt_stays_as_it_is_byte_for_byte(name, split):
    task = load_task(name.split()[0], TINY, all_asserts="all" in name)
    why = "a committed comparison was made with other prompts"
    assert fingerprint(task, task.load(split)) == PROMPTS[name, split], why


OWN = {"number": "c8da2987b5c01d0e", "code": "1a644b35bc9d56d3",
       "span": "df7ea77bae11f5c8", "exact": "d956624a0ba20316"}


@pytest.mark.parametrize("name", OWN)
def test_every_prompt_of_own_data_stays_as_it_is(tmp_path, name):
    file = tmp_path / "own.jsonl"
    rows = []
    for i in range(12):
        chat = [{"role": "user", "content": f"Q{i}: what is {i} + 2?\n\nSay it."},
                {"role": "assistant", "content": f"{i} + 2 = {i + 2}\n#### {i + 2}"}]
        if i % 4 == 1:
            chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello {name}."}] + chat
        if i % 3 == 0:
            chat = [{"role": "system", "content": "Be brief."}] + chat
        rows.append({"messages": chat, "test_list": [f"assert f({i}) == {i + 2}"]})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_task(str(file), judge=name)
    assert fingerprint(task, task.load("train")) == (9, OWN[name])


def test_a_rewrite_prompt_shows_question_gold_and_request(world):
    _, _, task, examples = world
    [asked], [again] = s3ft.ask(task, examples[0]), s3ft.rewrite(task, examples[0])
    assert asked["role"] == again["role"] == "user"
    assert examples[0].question in asked["content"] and task.gold(examples[0]) not in asked["content"]
    for piece in (examples[0].question, task.gold(examples[0]), "in your own words"):
        assert piece in again["content"]


# ---------------------------------------------------------------- targets

def test_gold_target_is_the_suffix_of_the_chat_up_to_its_closing_token(world):
    lm, tokenizer, task, examples = world
    for e, t in zip(examples, gold_targets(world)):
        assert t.prompt_ids == tokenizer.encode_chat(s3ft.ask(task, e))
        assert t.ids[-1] == tokenizer.close_id and t.ids.count(tokenizer.close_id) == 1
        assert tokenizer.decode(t.ids) == task.gold(e)
        assert "<<" not in tokenizer.decode(t.ids) and "####" not in tokenizer.decode(t.ids)


def test_sampled_target_keeps_the_sampled_ids(world):
    lm, tokenizer, task, examples = world
    prompt = tokenizer.encode_chat(s3ft.ask(task, examples[0]))
    done = model.generate(lm, [prompt], 96, end_ids=tokenizer.end_ids)[0]
    target = s3ft.make_target(tokenizer, task, s3ft.Choice(examples[0], "own", {"ids": done.ids}))
    assert target.ids == done.ids + [tokenizer.close_id] and target.prompt_ids == prompt


def test_examples_that_do_not_fit_are_counted_and_never_cut(world):
    lm, tokenizer, task, examples = world
    long = copy.deepcopy(examples[0])
    object.__setattr__(long, "question", "How many stamps? " * 400)
    base = BaseModel(lm.config, tokenizer, 0, 0)
    assert those_that_fit([*examples, long], task, base, 96, s3ft.ask, s3ft.rewrite) == examples


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
    lm, targets = copy.deepcopy(world[0]).double(), gold_targets(world, 4)
    loss, scored = s3ft.target_loss(lm, targets)
    assert scored == sum(len(t.ids) for t in targets)
    assert loss.item() == pytest.approx(full_logits_loss(lm, targets).item(), rel=1e-5)


def test_prompt_is_masked_and_closing_token_is_in_the_loss(world):
    lm, targets = world[0], gold_targets(world, 1)
    early = targets[0].ids[:3] + targets[0].ids[-1:]                         # closed too early, which is unlikely
    targets = [replace(targets[0], ids=early, weights=None)]
    whole, n = s3ft.target_loss(lm, targets)
    shorter = [replace(targets[0], ids=early[:-1], weights=None)]
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
    lm, targets = copy.deepcopy(world[0]).double(), gold_targets(world, 4)
    whole, cut = gradients(lm, targets, 10 ** 6), gradients(lm, targets, 150)
    assert len(list(s3ft.micro_batches(targets, 150))) > 3
    for name in whole:
        assert torch.allclose(whole[name], cut[name], rtol=1e-5, atol=1e-9), name


def test_micro_batches_hold_every_target_once_within_the_budget(world):
    targets = gold_targets(world)
    groups = list(s3ft.micro_batches(targets, 400))
    assert sorted(t.id for g in groups for t in g) == sorted(t.id for t in targets)
    assert all(len(g) == 1 or sum(len(t) for t in g) <= 400 for g in groups)


# ---------------------------------------------------------------- fine-tuning

@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Watch:
    """A journal that remembers the losses and weights of the first two steps. stop: the training ends there."""

    def __init__(self, stop):
        self.stop = stop

    def take_up(self, lm, optimiser):
        self.lm = lm
        return []

    def step(self, losses, steps):
        if len(losses) == 2:
            self.losses = list(losses)
            self.weights = [p.detach().clone() for p in self.lm.parameters()]
            if self.stop:
                raise KeyboardInterrupt


def test_finetune_learns_its_targets_and_repeats_itself(world, two_threads):
    settings = s3ft.Training(lr=1e-3, epochs=3, batch=2, seed=1)
    targets = gold_targets(world, 4)
    first = Watch(stop=False)
    losses = s3ft.finetune(copy.deepcopy(world[0]), targets, world[1].close_id, settings, journal=first)
    assert len(losses) == 6 and sum(losses[-2:]) < 0.7 * sum(losses[:2])

    second = Watch(stop=True)
    with pytest.raises(KeyboardInterrupt):
        s3ft.finetune(copy.deepcopy(world[0]), targets, world[1].close_id, settings, journal=second)
    assert first.losses == second.losses
    assert all(torch.equal(p, q) for p, q in zip(first.weights, second.weights))


def test_finetune_refuses_a_target_without_the_closing_token(world):
    targets = gold_targets(world, 4)
    targets[0].ids = targets[0].ids[:-1]
    with pytest.raises(AssertionError, match="must end as the template ends"):
        s3ft.finetune(copy.deepcopy(world[0]), targets, world[1].close_id, s3ft.Training(lr=1e-3, batch=4))


def test_learning_rate_warms_up_and_falls():
    rates = [s3ft.learning_rate(i, 100, 1.0) for i in range(100)]
    assert rates[4] == 1.0 and rates[0] == 0.2 and 0 < rates[-1] < 0.02
    assert rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)


def test_divergence_is_zero_for_the_same_model_and_grows_with_training(world):
    lm, tokenizer, task, examples = world
    jobs = s3ft.make_jobs(task, tokenizer, examples[:4], "answer")
    answers = s3ft.answers(lm, tokenizer, task, jobs, 40)
    assert s3ft.divergence(lm, copy.deepcopy(lm), answers) == pytest.approx(0, abs=1e-6)
    tuned = copy.deepcopy(lm)
    s3ft.finetune(tuned, gold_targets(world, 4), tokenizer.close_id, s3ft.Training(lr=1e-3, batch=4))
    assert s3ft.divergence(lm, tuned, answers) > 1e-3


def test_a_prompt_that_fills_the_context_has_an_answer_without_text(world):
    lm, tokenizer, task, examples = world
    long = copy.deepcopy(examples[0])
    object.__setattr__(long, "question", "How many stamps? " * 400)
    jobs = s3ft.make_jobs(task, tokenizer, [long, examples[1]], "answer")
    first, second = s3ft.answers(lm, tokenizer, task, jobs, 20)
    assert first["finish_reason"] == "too long" and first["text"] == "" and second["text"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_training_step_agrees_with_cpu(world):
    cpu, gpu = copy.deepcopy(world[0]), copy.deepcopy(world[0]).cuda()
    settings = s3ft.Training(lr=1e-4, epochs=1)
    a = s3ft.finetune(cpu, gold_targets(world), world[1].close_id, settings)
    b = s3ft.finetune(gpu, gold_targets(world), world[1].close_id, settings)
    assert a[0] == pytest.approx(b[0], rel=1e-3)


def test_methods_are_the_papers():
    assert s3ft.METHODS == {"sft": ("gold",), "ssr": ("own", "gold"), "sdft": ("paraphrase", "gold"),
                            "s3ft": ("own", "paraphrase", "gold")}
    json.dumps(s3ft.METHODS)
