"""s3ft.py - Selective Self-to-Supervised Fine-Tuning, from scratch.

The method is by Gupta et al. 2025, arXiv 2502.08130. Plain fine-tuning (SFT) forces one gold
wording on a model although many answers are right. That drags the model away from its own
distribution, and it forgets. S3FT asks the model first. For every training question:

    1. own         the model's own answer. If the judge accepts it, train on that;
    2. paraphrase  else the model sees the gold and tells it in its own words.
                   If the judge accepts that, train on it;
    3. gold        else train on the gold.

Then ordinary fine-tuning, with the loss on the target alone. The method is one table, METHODS, and
one function, `choose_targets`; everything else serves them. On a laptop, without network:

    python s3ft.py --task gsm8k              # base, SFT and S3FT on the bundled teaching model
    python s3ft.py --task gsm8k --show 3     # three examples, from question to target
    python s3ft.py --help

Edit the code and give the same command again. Expensive results are kept on disk, each under a
key: a hash of what this table names. A result whose key has changed is made again, the plan says
what and why, and an edit that is taken back finds its old results:

    attempts, test answers    the model, the prompt, the settings, model.py and `answers`
    tuned weights             the base model, the targets, the settings, model.py and `tune`; the
                              page (data/methods) of a row with its own loss or parameters
    KL, benchmarks            the model, the items, model.py and the function that measures

A function counts with all that it uses in its own file, model.py with its parts in data/; comments
do not count. Another device or torch is another key too. Targets are chosen anew in every run. So
an edit of METHODS or of a judge trains anew what has other targets; an edit of `finetune`, every
tuned model; an edit of model.py makes everything again.

model.py is the model and its sampling, judge.py says what is right, data/ holds the questions and
their wording, the command line, the run folder and the table.
"""
import copy
import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from data import cli             # first, so that Ctrl-C is quiet while torch is being imported

import torch
import torch.nn.functional as F

import model
from data import Example, UserError
from data.files import code_of, digest, number_of
from data.methods import PAGES, with_pages
from data.methods.method import complete
from data.report.paper import three_tables
from data.report.report import report
from data.report.table import final_table
from data.run import show
from data.run.folder import open_model, open_tasks
from data.run.run import Run
from data.run.selection import select
from data.run.training import train_within_memory

# The sources of a target, in order of preference: the first that the judge accepts is trained on.
METHODS = {
    "sft": ("gold",),
    "ssr": ("own", "gold"),                     # Gupta et al. 2024, arXiv 2409.04787
    "sdft": ("paraphrase", "gold"),             # Yang et al. 2024, arXiv 2402.13669
    "s3ft": ("own", "paraphrase", "gold"),
}
# A row may do more than name sources: it may take other examples, choose otherwise among accepted
# attempts, weigh tokens, have another loss or train other parameters (data/methods/method.py).
# Such rows, the neighbours of S3FT and their controls, are PAGES; their files are in data/methods.

# Sources that the model is asked for, and what it is asked for. The others are texts of the task:
# the gold, the gold as in its file (raw), the gold in the model's wording (voice). Of the sampled,
# *_number are judged by the number alone (judge.py, part 4), and own_unjudged not at all
# (data/run/verdicts.py); they are controls.
SAMPLED = {"own": "own", "own_number": "own", "own_unjudged": "own",
           "paraphrase": "paraphrase", "paraphrase_number": "paraphrase"}
SOURCES = (*SAMPLED, "gold", "raw", "voice")


# ---------------------------------------------------------------- 1. settings and small records

@dataclass(frozen=True)
class Sampling:
    """How texts are sampled: attempts at a target, and answers to test questions."""
    max_new_tokens: int
    temperature: float = 0.0     # 0 is greedy
    samples: int = 1             # texts for each question


@dataclass(frozen=True)
class Training:
    """How a model is tuned: the same for all methods, unless a row brings its own rates."""
    lr: float                    # at the top of the schedule
    epochs: int = 2
    batch: int = 8               # examples in a step
    schedule: str = "linear"     # how the rate falls after the warm-up: "linear" or "cosine"
    seed: int = 0                # order of the examples, dropout, the start of the adapters
    lora: int = 0                # rank of the adapters; 0 tunes all weights
    lora_alpha: float = 0.0
    lora_dropout: float = 0.0
    lora_targets: tuple = model.LINEAR


@dataclass(frozen=True)
class Job:
    """One text to be sampled."""
    example: Example
    kind: str                    # "own", "paraphrase", or "answer" (to a test question)
    sample: int                  # its number among the texts of this kind for this example
    prompt_ids: list


@dataclass(frozen=True)
class Choice:
    """Where the target of an example comes from."""
    example: Example
    source: str
    attempt: dict                # the accepted attempt; None where the text is the task's own


@dataclass
class Target:
    """What one example teaches: after prompt_ids, say ids."""
    id: str                      # of the example
    source: str
    prompt_ids: list             # the question as a chat, up to where the answer begins
    ids: list                    # the target and the token that closes it
    weights: list = None         # in the loss, of each token of prompt and target

    def __post_init__(self):
        if self.weights is None:                            # the prompt is masked: 0 0 0 1 1 1
            self.weights = [0.0] * len(self.prompt_ids) + [1.0] * len(self.ids)

    def __len__(self):           # in tokens, the prompt included
        return len(self.prompt_ids) + len(self.ids)

    def in_loss(self):           # how many of its tokens; nothing predicts the first
        return sum(weight > 0 for weight in self.weights[1:])


# ---------------------------------------------------------------- 2. prompts

# A task gives the pieces: history (what stands before the question in a chat, mostly nothing),
# question, instruction, reference (how its gold is shown) and rewriting (how to tell it again).

def ask(task, example):
    """The chat that poses the question: for own answers, in training and in the test."""
    return as_chat(task, example, [task.question(example), task.instruction])


def rewrite(task, example):
    """The chat that shows the gold too and asks for it in the model's own words: a paraphrase."""
    request = f"Guided by the reference answer, {task.rewriting}"
    return as_chat(task, example, [task.question(example), task.reference(example), request])


def as_chat(task, example, pieces):
    """The pieces as one message of the user, after the task's history."""
    text = "\n\n".join(piece for piece in pieces if piece)
    return task.history(example) + [{"role": "user", "content": text}]


PROMPTS = {"own": ask, "answer": ask, "paraphrase": rewrite}


# ---------------------------------------------------------------- 3. what the model says

def make_jobs(task, tokenizer, examples, kind, samples=1, first=0):
    """Jobs for the examples: sample numbers first .. first + samples - 1 of this kind for each."""
    jobs = []
    for example in examples:
        prompt_ids = tokenizer.encode_chat(PROMPTS[kind](task, example))
        for sample in range(first, first + samples):
            jobs.append(Job(example, kind, sample, prompt_ids))
    return jobs


def answers(lm, tokenizer, task, jobs, max_new_tokens, temperature=0.0, progress=None):
    """Sample a text for each job -> a list of dicts, the lines of attempts.jsonl and answers.jsonl.

    finish_reason: "end", the model ended it by itself; "length", it was cut off; "too long", the
    prompt leaves no room in the context, so nothing is sampled. Where the prompt opens a think
    block (R1, QwQ), the text begins with "<think>" though the ids do not: a judge sees what is
    thought, and that a thought without </think> is no finished answer.
    """
    context = lm.config.max_position_embeddings
    fitting = [job for job in jobs if len(job.prompt_ids) < context]
    # Noise belongs to a job and not to its batch: it is drawn from the job's name. The run's seed
    # is in that name already: with 4 samples seed 0 takes the sample numbers 0 to 3, seed 1 takes
    # 4 to 7 (`texts_of`). So the seed here is always 0.
    noise_rows = [number_of(f"{job.example.id} {job.kind} {job.sample}") for job in fitting]
    prompts = [job.prompt_ids for job in fitting]
    completions = model.generate(lm, prompts, max_new_tokens, temperature, seed=0,
                                 noise_rows=noise_rows, end_ids=tokenizer.end_ids,
                                 progress=progress)
    of_fitting = iter(completions)
    lines = []
    for job in jobs:
        fits = len(job.prompt_ids) < context
        done = next(of_fitting) if fits else model.Completion([], "too long", 0.0)
        lines.append({
            "id": job.example.id, "source": job.kind, "sample": job.sample,
            "text": tokenizer.opening + tokenizer.decode(done.ids), **task.truth(job.example),
            "finish_reason": done.finish_reason, "logprob": done.logprob,
            "prompt_ids": job.prompt_ids, "ids": done.ids})
    return lines


def texts_of(run, weights, label, task, examples, kind, sampling, seed=0):
    """A model's texts for these examples: lines that are read from disk, or sampled now.

    weights: data.run.weights.Weights. label: what progress calls them. kind: as in Job.
    weights.texts looks on disk for the rows that were made from the same prompts, settings and code
    of `answers`, and calls `ask_model` for the jobs that have none.
    """
    # Greedy texts are the same for every seed. Sampled ones differ by their number.
    first = seed * sampling.samples if sampling.temperature else 0
    jobs = make_jobs(task, run.tokenizer, examples, kind, sampling.samples, first)

    def ask_model(lm, missing, progress):
        return answers(lm, run.tokenizer, task, missing, sampling.max_new_tokens,
                       sampling.temperature, progress)

    return weights.texts(label, jobs, sampling, make=ask_model, code=answers)


# ---------------------------------------------------------------- 4. targets: the method itself

def choose_targets(sources, examples, verdicts, attempts_of, choice=None):
    """For every example the first source that the judge accepts: the whole of the paper's method.

    sources: a row of METHODS.
    verdicts.accept(example, text, source) -> Verdict: may this text become a target? It asks
        task.accept, which calls judge.target_number(text, gold, source, question) for GSM8K,
        target_code for MBPP, target_span for readings, exact for texts (own_unjudged: no judge).
    attempts_of("own" | "paraphrase", examples) -> {example id: [attempt, ...]}
    choice(accepted attempts of an example) -> [those that are trained on]; None: the first.
    -> [Choice], in the order of the examples: several where `choice` keeps several, none where no
    source is accepted, which cannot happen in a row that ends in "gold".
    """
    chosen = {}                                         # {example id: [Choice, ...]}
    for source in sources:
        # Only the examples that have no target yet. So s3ft asks for a paraphrase only where the
        # own answer was refused.
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:                       # a gold is right by definition
            for example in left:
                chosen[example.id] = [Choice(example, source, None)]
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            # One that was cut off would teach not to end.
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], source).ok]
            kept = accepted[:1]
            if accepted and choice:
                kept = choice(accepted)
                assert isinstance(kept, list), "a choice returns a list of accepted attempts"
            if kept:                                    # else the next source has its turn
                chosen[example.id] = [Choice(example, source, one) for one in kept]
    return [one for example in examples for one in chosen.get(example.id, [])]


def make_target(tokenizer, task, choice):
    """Choice -> Target: the prompt's ids, then the target's, then the token that closes an answer.

    The prompt is the plain question, for a paraphrase too: the test shows no gold either.
    A sampled answer keeps the very ids that were sampled. Its text, encoded again, may be cut into
    other tokens, which the model itself would not have written.
    A gold is encoded as it stands, without what the chat template would change in it. Where the
    prompt opens a think block (R1, QwQ), a gold that does not think begins by closing it.
    The end is close_id, with which the chat template closes an answer. A model may have other end
    tokens besides.
    """
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"]
    else:
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
    return Target(choice.example.id, choice.source, prompt_ids, ids + [tokenizer.close_id])


def targets_of(run, task, row, examples, seed, max_new_tokens):
    """What a row trains on -> ([Choice], their [Target]). row: a Method, which may have a say in
    the examples, in the choice among attempts and in the weights of tokens."""
    attempting = Sampling(max_new_tokens, row.temperature, row.samples)

    def attempts_of(kind, some):
        label = "own answers" if kind == "own" else "paraphrases"
        lines = texts_of(run, run.base, label, task, some, kind, attempting, seed)
        return run.attempts(seed, kind, some, lines, attempting)

    def failed():                # called only if wanted: it samples own answers to them all
        return run.shares_failed(examples, attempts_of("own", examples))

    if row.examples:
        golds = [make_target(run.tokenizer, task, Choice(example, "gold", None))
                 for example in examples]
        kept = set(row.examples(golds, run.logprobs_of))
        examples = [example for example in examples if example.id in kept]
    chosen = choose_targets(row.sources, examples, run.verdicts, attempts_of, row.choice)
    targets = [make_target(run.tokenizer, task, one) for one in chosen]
    if row.weights:
        ids = [target.ids for target in targets]
        targets = row.weights(targets, run.logprobs_of, failed)
        assert [target.ids for target in targets] == ids, "the same targets, with other weights"
    for target in targets:
        assert len(target.weights) == len(target), "a weight for each token of prompt and target"
    return chosen, targets


# ---------------------------------------------------------------- 5. fine-tuning, prompt masked

def in_one_row(targets, device):
    """Targets one after another, T tokens in all -> (ids (1, T), lengths, next_weights (T,)).

        token              Q1   Q2   Q3   A1   A2   end     the prompt, then the target
        predicts           Q2   Q3   A1   A2   end  -       the next token
        next_weights       0    0    1    1    1    0       in the loss, of the next token

    and after it Q1, Q2, .. of the next target. Told the lengths, `lm.hidden` lets each see itself
    alone. Only the end of the row is padded, to a multiple of 32, since on a CPU a kernel is
    compiled for each new length. The padding is one more text, in which nothing is predicted.
    """
    spare = -sum(len(target) for target in targets) % 32        # tokens to fill up to a multiple
    if spare:
        targets = [*targets, Target("", "padding", [0] * spare, [])]
    ids = []
    next_weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        next_weights += target.weights[1:] + [0.0]
    lengths = [len(target) for target in targets]
    next_weights = torch.tensor(next_weights, device=device)
    return torch.tensor([ids], device=device), lengths, next_weights


def cross_entropy(logits, wanted, weights):
    """The weighted negative log-likelihood (nats) of `wanted` (N,) under logits (N, V), summed."""
    return (weights * F.cross_entropy(logits, wanted, reduction="none")).sum()


def target_loss(lm, targets, loss=cross_entropy):
    """The loss of the targets' tokens, summed -> (loss, number of tokens with a weight).

    The prompt is masked, since its weights are 0: the head is applied where a token with a weight
    is predicted and nowhere else, so logits of prompts never exist.
    """
    ids, lengths, next_weights = in_one_row(targets, next(lm.parameters()).device)
    hidden = lm.hidden(ids, lengths=lengths)[0]                 # (T, D)
    predicts = next_weights > 0                                 # (T,): the next token has a weight
    before = hidden[predicts]                                   # (N, D): before each target token
    wanted = ids[0].roll(-1)[predicts]                          # (N,): the tokens one further on
    return model.head_loss(lm, before, wanted, next_weights[predicts], loss), len(wanted)


def micro_batches(targets, budget):
    """Cut targets into groups of at most `budget` tokens; a longer one is alone in its group."""
    groups = []
    room = 0                                                    # tokens left in the last group
    for target in targets:
        if len(target) > room:                                  # so it is for the first
            groups.append([])
            room = budget
        groups[-1].append(target)
        room -= len(target)
    return groups


def learning_rate(step, steps, top, schedule="linear"):
    """Linear warm-up over a twentieth of the steps, then linear or cosine decay towards zero."""
    warmup = max(1, steps // 20)
    if step < warmup:
        return top * ((step + 1) / warmup)
    left = (steps - step) / max(1, steps - warmup)      # of the decay: 1 at its start, then less
    if schedule == "cosine":
        left = (1 - math.cos(math.pi * left)) / 2
    return top * left


def finetune(lm, targets, close_id, settings, dtype=torch.float32, budget=4096, journal=None,
             loss=cross_entropy):
    """Train lm's trainable weights (all, or its adapters), in place -> the loss of every step.

    close_id: every target must end with it. settings: Training. loss: as in `target_loss`.
    dtype: what to compute in (autocast); trainable weights stay fp32, or updates smaller than 1/256
    of a weight would be lost in bf16. budget: tokens of a micro-batch. It changes memory and speed,
    not the gradient (though with dropout another budget drops other units).
    journal: is told of every step. It shows progress, and every few minutes it writes the weights,
    the optimiser's state, the losses and the budget to disk. A step depends on these and on its own
    number (which draws the dropout), so an interrupted training ends with the same weights as any
    other.
    """
    device = next(lm.parameters()).device
    trainable = [p for p in lm.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=settings.lr, betas=(0.9, 0.95), weight_decay=0.0,
                                  fused=device.type in ("cpu", "cuda"))
    # Puts the weights and the optimiser's state of an interrupted training back, if there is one.
    losses = journal.take_up(lm, optimiser) if journal else []

    order = random.Random(f"order {settings.seed}")
    batches = []                                                # one a step
    for _ in range(settings.epochs):
        shuffled = order.sample(targets, len(targets))
        for start in range(0, len(shuffled), settings.batch):
            batches.append(shuffled[start:start + settings.batch])

    assert all(t.ids[-1] == close_id for t in targets), "every target must end as the template ends"
    lm.train()                                                  # dropout, where there is any
    for number in range(len(losses), len(batches)):
        torch.manual_seed(number_of(f"dropout {settings.seed} {number}"))
        # The tokens of the whole step that have a weight are counted first, and the loss of every
        # micro-batch is divided by their number, not by examples: so the micro-batches add up to
        # the gradient of one big batch, and a token counts as much in a short target as in a long
        # one.
        tokens = max(1, sum(t.in_loss() for t in batches[number]))  # a row's weights may leave none
        total = 0.0
        for group in micro_batches(batches[number], budget):
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                part, scored = target_loss(lm, group, loss)
            assert scored == sum(t.in_loss() for t in group), "what has a weight, and nothing else"
            (part / tokens).backward()
            total += part.item()

        norm = torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        if not torch.isfinite(norm):
            raise UserError(f"training broke down in step {number + 1} (the gradient is not "
                            "finite); lower --lr or take --dtype float32")
        for parameters in optimiser.param_groups:
            parameters["lr"] = learning_rate(number, len(batches), settings.lr, settings.schedule)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(total / tokens)
        if journal:
            journal.step(losses, len(batches))
    lm.eval()
    return losses


def tune(base, sampler, targets, close_id, settings, dtype, journal, row):
    """Fine-tune adapters on the sampler, or a copy of base in fp32 -> the tuned model.

    sampler: the base model in the dtype that samples fastest. settings: Training. row: a Method.
    train_within_memory calls finetune with a budget of its own that fits the device, and halves it
    when memory runs out. Each phase has a journal: after a kill it goes on where this last saved.
    """
    if settings.lora:
        lm = model.add_lora(sampler, settings.lora, settings.lora_alpha, settings.lora_dropout,
                            settings.lora_targets, settings.seed)
    else:
        lm = copy.deepcopy(base).float()
    loss = row.loss or cross_entropy
    phases = [(targets, settings)]              # ordinarily one, and all trainable weights learn
    if row.parameters:
        phases = row.parameters(lm, targets, settings)
    for number, (its_targets, its_settings) in enumerate(phases):
        train_within_memory(finetune, lm, its_targets, close_id, its_settings, dtype,
                            journal.of_phase(number), loss)
    return lm


# ---------------------------------------------------------------- 6. what was learnt and forgotten

# Of every model, the base model included:
#   accuracy   of the task: the share of test questions that are answered right. task.score says
#              so (judge.number, code, span or exact). Answers are greedy by default.
#   drop       what was forgotten: base's accuracy minus the tuned model's, in percentage points,
#              mean over the multiple-choice benchmarks, where a model's answer to an item is the
#              option that it finds likeliest (hellaswag: per character; truthfulqa: mc2).
#   KL         how far the model moved from base: `divergence`, on the answers of `probe_of`.
# Of several learning rates each method gets one, by the same rule for all: the smallest whose
# accuracy on validation questions lies within one standard error of the method's best
# (data/report/rates.py, chosen_rates).

PROBE_QUESTIONS = 100
PROBE_TOKENS = 8000              # where answers are long, fewer questions are enough


def probe_of(base_answers):
    """The base model's own answers on which KL is measured: the first one to each of the first
    test questions, until one of the limits above is reached."""
    probe = {}
    tokens = 0
    for answer in base_answers:
        if len(probe) < PROBE_QUESTIONS and tokens < PROBE_TOKENS and answer["id"] not in probe:
            probe[answer["id"]] = answer
            tokens += len(answer["ids"])
    return list(probe.values())


@torch.no_grad()
def divergence(base, tuned, probe):
    """KL(base || tuned) per token, in nats, over the base model's own answers.

    It predicts forgetting: Shenfeld et al. 2025, arXiv 2509.04259. Under LoRA base and tuned are
    one model, without and with its adapters.
    """
    device = next(base.parameters()).device
    rows_at_once = base.logit_rows()         # logits of all positions would not fit in memory
    # Batched as targets are, but without the token that ends an answer. An empty one has nothing
    # to compare.
    answered = [Target(a["id"], "answer", a["prompt_ids"], a["ids"]) for a in probe if a["ids"]]
    total = 0.0
    count = 0
    for group in micro_batches(answered, int(4096 * tuned.batch_share)):
        ids, lengths, next_weights = in_one_row(group, device)
        predicts = next_weights > 0                                     # (T,)
        tuned_hidden = tuned.hidden(ids, lengths=lengths)[0][predicts]  # (N, D)
        with model.without_lora(base):
            base_hidden = base.hidden(ids, lengths=lengths)[0][predicts]
        for i in range(0, len(base_hidden), rows_at_once):
            base_logits = base.head(base_hidden[i:i + rows_at_once]).float()        # (n, V)
            tuned_logits = tuned.head(tuned_hidden[i:i + rows_at_once]).float()
            log_p = F.log_softmax(base_logits, -1)
            log_q = F.log_softmax(tuned_logits, -1)
            # p (log p - log q), summed over the vocabulary and over these n positions
            total += F.kl_div(log_q, log_p, reduction="sum", log_target=True).item()
        count += len(base_hidden)
    return total / max(1, count)


def measure(run, weights, task, questions, probe, sampling):
    """Measure a model: answers are kept as they were sampled and judged later.

    weights: data.run.weights.Weights, which loads or trains the model only if a row is lacking.
    questions: a seed's. probe: base's answers; None for the base model itself. sampling: of tests.
    -> {"validation": rows, "test": rows, "kl": number, "benchmarks": {name: rows}}.
    """
    def kl_rows(lm, probes, progress):
        return [{"kl": divergence(run.models.sampler(), lm, one)} for one in probes]

    greedy = Sampling(sampling.max_new_tokens)
    measured = {
        "validation": texts_of(run, weights, "validation", task, questions.validation, "answer",
                               greedy),
        "test": texts_of(run, weights, "test", task, questions.test, "answer", sampling,
                         questions.seed),
        "kl": 0.0,
        "benchmarks": {},
    }
    if probe is not None:                   # one row: (its name, its key, what is measured)
        one = [("KL", digest([[a["prompt_ids"], a["ids"]] for a in probe]), probe)]
        rows = weights.rows("KL", one, settings=[], code=[divergence], make=kl_rows)
        if rows:                                        # in a plan there may be none yet
            measured["kl"] = rows[0]["kl"]
    for name, benchmark in questions.benchmarks.items():
        if benchmark.task is None:                      # multiple choice: a score for each option
            rows = benchmark.option_scores(weights, run.tokenizer)
        else:                                           # the questions of another task
            rows = texts_of(run, weights, name, benchmark.task, benchmark.items, "answer",
                            Sampling(benchmark.max_new_tokens))
        measured["benchmarks"][name] = rows
    return measured


# ---------------------------------------------------------------- 7. from questions to the table

def carry_out(run, task, options):
    """The whole comparison, for every seed: base, attempts, targets, training, measuring.

    Everything expensive is a row or weights that `run` finds on disk or makes. A cell is a method
    at a rate with a seed: one line of the results. This function is called twice. The first time
    nothing is made: rows that are not on disk are left out and counted. So plan and run go the same
    way, though what depends on texts that are yet to be sampled can only be estimated.
    """
    testing = Sampling(options.max_new_tokens, options.test_temperature, options.test_samples)
    for seed, questions in run.questions.items():
        methods = run.unfinished(seed)                  # {name: Method}
        if run.has_cell("base", None, seed):            # a cell in --results holds no answers; KL
                                                        # needs some: from disk, or sampled now
            asked = questions.test[:PROBE_QUESTIONS] if methods else []
            base_answers = texts_of(run, run.base, "test", task, asked, "answer", testing, seed)
        else:
            measured = measure(run, run.base, task, questions, None, testing)
            base_answers = measured["test"]
            run.add_cell("base", None, seed, run.base, measured)
        probe = probe_of(base_answers)
        for method, row in methods.items():
            chosen, targets = targets_of(run, task, row, questions.train, seed,
                                         options.max_new_tokens)
            run.write_targets(method, seed, chosen, targets)
            for lr in row.rates:
                if run.has_cell(method, lr, seed):
                    continue
                settings = Training(
                    lr=lr, epochs=options.epochs, batch=options.batch, schedule=options.schedule,
                    seed=seed, lora=options.lora, lora_alpha=options.lora_alpha,
                    lora_dropout=options.lora_dropout, lora_targets=tuple(options.lora_targets))
                tuned = run.tuned(method, settings, targets, tune)      # trained when first asked
                measured = measure(run, tuned, task, questions, probe, testing)
                run.add_cell(method, lr, seed, tuned, measured)
    run.measure_figure2(make_target, Choice)            # the paper's, of the base model alone


# Read once: a file that is edited during a run is not the code that runs.
CODE = {"training": code_of(Path(__file__), "tune"),
        "cells": code_of(Path(__file__), "carry_out")}


def compare(options, task):
    """Base and methods on one task, from questions to the table -> results (None for --plan)."""
    base = open_model(options)
    selected = select(options, task, base, ask, rewrite)
    rows = METHODS | PAGES
    methods = {name: complete(name, rows[name], options) for name in options.methods}
    with Run(options, task, base, selected, methods, ask, CODE) as run:
        carry_out(run, task, options)                   # while it plans, only counts
        run.plan.show()
        if options.plan:
            return None
        run.begin()                                     # ends the plan
        carry_out(run, task, options)                   # makes what is lacking
        results = run.results()
        if options.show or options.html:
            show.show(options.show or 3, run)
    print(final_table(results))
    print(run.last_lines())
    return results


def main(argv=None):
    methods = with_pages(METHODS)
    options = cli.parse(argv, methods, SOURCES)
    if options.ask:
        print(show.answer_question(options))
        return
    if options.report:
        report(options.report, options.out)
        return
    tasks = open_tasks(options, methods, SAMPLED)       # [(options, task)]: one, or those of "all"
    results = [compare(its_options, task) for its_options, task in tasks]
    if options.task == "all" and not options.plan:
        print(three_tables(results))


if __name__ == "__main__":
    sys.exit(cli.guard(main))
