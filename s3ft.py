"""s3ft.py - Selective Self-to-Supervised Fine-Tuning (Gupta et al. 2025, arXiv 2502.08130), from scratch.

Plain fine-tuning (SFT) forces one gold wording on a model although many answers are right. That drags the model away from
its own distribution, and it forgets. S3FT asks the model first. For every training question:

    1. own         the model's own answer. If the judge accepts it, train on that;
    2. paraphrase  else the model sees the gold and tells it in its own words. If the judge accepts that, train on it;
    3. gold        else train on the gold.

Then ordinary fine-tuning, with the loss on the target alone. To see it beside SFT, on a laptop, without network:

    python s3ft.py --task gsm8k              # base, SFT and S3FT on the bundled teaching model, with the table at the end
    python s3ft.py --task gsm8k --show 3     # three examples: own answer, paraphrase, gold, verdicts, and what was chosen
    python s3ft.py --task gsm8k --model Qwen/Qwen2.5-0.5B-Instruct      # a public checkpoint, the official data, LoRA
    python s3ft.py --help

Three choices:
- the method is one table, METHODS, and one function, `choose_targets`; everything else serves them;
- text stays out of training: a target is made of the very ids that were sampled, never of re-encoded text;
- every artifact (attempts, targets, cells, results) is a file that can be read, replaced, or made by another tool.

model.py is the model and its sampling, judge.py says what is right, data/ holds prompts, files, options and the table.
"""
import copy
import math
import random
import sys
from dataclasses import dataclass

from data import cli             # first, so that Ctrl-C is quiet while torch is being imported

import torch
import torch.nn.functional as F

import model
from data import UserError, abilities, benchmarks, load_task, new_items, plan, report, runs, tables

METHODS = {                      # sources of a target in order of preference: the first that the judge accepts is trained on
    "sft": ("gold",),
    "ssr": ("own", "gold"),                                                  # Gupta et al. 2024, arXiv 2409.04787
    "sdft": ("paraphrase", "gold"),                                          # Yang et al. 2024, arXiv 2402.13669
    "s3ft": ("own", "paraphrase", "gold"),
}
# What else --methods takes, to see what the gain is made of.
CONTROLS = {"raw": ("raw",), "own_only": ("own",), "voice": ("voice",), "s3ft_number": ("own_number", "paraphrase_number", "gold")}
# A source is "own" or "paraphrase" (sampled), "gold", and for experiments "raw" (the gold with its markers), "voice" (the
# bundled gold in the model's own voice), "own_number" and "paraphrase_number" (the same attempts, judged by the number alone).
SAMPLED = {"own": "own", "own_number": "own", "paraphrase": "paraphrase", "paraphrase_number": "paraphrase"}
SOURCES = (*SAMPLED, "gold", "raw", "voice")


@dataclass
class Target:
    """What one example teaches: after prompt_ids, say ids."""
    id: str                      # of the example
    source: str                  # where the target comes from
    prompt_ids: list             # the question as a chat, up to where the answer begins
    ids: list                    # the target and the token that closes it


# ---------------------------------------------------------------- 1. attempts: own answers and paraphrases

def attempt(lm, tokenizer, task, jobs, options, progress=None):
    """Sample one answer for each job (example, "own" | "paraphrase", sample number) -> list of dicts for attempts.jsonl."""
    asked = [task.ask(e) if source == "own" else task.rewrite(e) for e, source, _ in jobs]
    prompts = [tokenizer.encode_chat(messages) for messages in asked]
    rows = [runs.number_of(f"{e.id} {source} {sample}") for e, source, sample in jobs]      # noise of its own for each job
    completions = runs.within_memory(model.generate, lm, prompts, options.max_new_tokens, options.temperature, seed=0, rows=rows,
                                 end_ids=tokenizer.end_ids, progress=progress)
    return [{"id": e.id, "source": source, "sample": sample, "text": tokenizer.decode(c.ids), **task.truth(e),
             "finish_reason": c.finish_reason, "logprob": c.logprob, "prompt_ids": prompt, "ids": c.ids}
            for (e, source, sample), prompt, c in zip(jobs, prompts, completions)]


# ---------------------------------------------------------------- 2. targets: the method itself

def choose_targets(sources, examples, attempts, accept):
    """For every example the first source that the judge accepts: the whole of the paper's method.

    sources: a row of METHODS. attempts: {(example id, "own" | "paraphrase"): [attempt, ...]}; of several, the first accepted one
    wins. accept(example, text, source) -> Verdict. Returns [(example, source, attempt or None)]; an example none of whose
    sources is accepted is left out. An answer that was cut off by the length limit is never a target.
    """
    chosen = []
    for example in examples:
        for source in sources:
            if source not in SAMPLED:                                        # gold and its variants are right by definition
                chosen.append((example, source, None))
                break
            tries = attempts.get((example.id, SAMPLED[source]), [])
            good = [a for a in tries if a["finish_reason"] == "end" and accept(example, a["text"], source).ok]
            if good:
                chosen.append((example, source, good[0]))
                break
    return chosen


def make_target(tokenizer, task, example, source, attempt):
    """Ids to train on: the prompt's, then the target's, then the token that closes an answer in the chat template.

    A sampled answer keeps its sampled ids. A gold is the suffix of the whole chat's encoding, cut at the closing token.
    """
    prompt_ids = tokenizer.encode_chat(task.ask(example))
    if attempt is not None:
        return Target(example.id, source, prompt_ids, attempt["ids"] + [tokenizer.close_id])
    chat = tokenizer.encode_chat(task.ask(example) + [{"role": "assistant", "content": task.text(example, source)}])
    assert chat[:len(prompt_ids)] == prompt_ids, f"{example.id}: the prompt's ids are no prefix of the chat's"
    answer = chat[len(prompt_ids):]
    end = len(answer) - 1 - answer[::-1].index(tokenizer.close_id)
    return Target(example.id, source, prompt_ids, answer[:end + 1])


# ---------------------------------------------------------------- 3. fine-tuning with the prompt masked

def target_loss(lm, targets):
    """Summed negative log-likelihood (nats) of the targets' tokens, given prompt and earlier target tokens; and their number.

    The head is applied at the positions that predict a target token and nowhere else, so logits of prompts never exist.
    """
    device = next(lm.parameters()).device
    # attention is causal, so padding on the right is unseen; to multiples of 16, as a processor compiles kernels for each width
    ids = model.pad([t.prompt_ids + t.ids for t in targets], device, 16)                    # (B, T)
    mask = model.pad([[0] * len(t.prompt_ids) + [1] * len(t.ids) for t in targets], device, 16).bool()       # of the targets' tokens
    hidden = lm.hidden(ids)[:, :-1][mask[:, 1:]]                                            # (N, D): one before each target token
    return model.head_loss(lm, hidden, ids[:, 1:][mask[:, 1:]]), len(hidden)


def micro_batches(targets, budget):
    """Cut targets, sorted by length, into groups of at most `budget` tokens with padding: nearly no padding, no packing."""
    targets, group = sorted(targets, key=lambda t: len(t.prompt_ids) + len(t.ids)), []
    for t in targets:
        if group and (len(group) + 1) * (len(t.prompt_ids) + len(t.ids)) > budget:
            yield group
            group = []
        group.append(t)
    yield group


def learning_rate(step, steps, top, schedule="linear"):
    """Linear warm-up over a twentieth of the steps, then linear or cosine decay to zero."""
    warmup = max(1, steps // 20)
    left = (steps - step) / max(1, steps - warmup)                           # of the decay, 1 to 0
    if schedule == "cosine":
        left = (1 - math.cos(math.pi * min(1, left))) / 2
    return top * min((step + 1) / warmup, left)


def optimiser_of(lm, lr):
    """AdamW over what is trainable: all weights, or the adapters alone."""
    trainable = [p for p in lm.parameters() if p.requires_grad]
    return torch.optim.AdamW(trainable, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=trainable[0].device.type in ("cpu", "cuda"))


def finetune(lm, targets, lr, epochs=2, batch=8, seed=0, dtype=torch.float32, budget=4096, schedule="linear", done=0, optimiser=None):
    """Train lm's trainable weights (fp32, in place) on the targets; a generator that yields after every step of `batch` examples.

    dtype: what to compute in (autocast); the weights stay fp32, or updates smaller than 1/256 of a weight would be lost.
    budget: tokens in a micro-batch; it changes memory and speed, not the gradient, which is divided once by the step's tokens
    (with --lora-dropout another budget drops other units).
    done, optimiser: go on after so many steps with this optimiser. A step depends on the weights, the optimiser and its own
    number (which draws the dropout), so a run that was cut off ends as an undisturbed one.
    """
    device = next(lm.parameters()).device
    optimiser = optimiser or optimiser_of(lm, lr)
    order = random.Random(f"order {seed}")
    plan = [order.sample(targets, len(targets)) for _ in range(epochs)]
    plan = [shuffled[i:i + batch] for shuffled in plan for i in range(0, len(shuffled), batch)]
    lm.train()                                                               # dropout, where there is any
    for number, step in list(enumerate(plan))[done:]:
        torch.manual_seed(runs.number_of(f"dropout {seed} {number}"))
        tokens = sum(len(t.ids) for t in step)
        total = 0.0
        for group in micro_batches(step, budget):
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                loss, scored = target_loss(lm, group)
            if number == done:                                               # prompt masked, closing token in the loss
                assert scored == sum(len(t.ids) for t in group), "the loss must cover the targets' tokens and no others"
                assert len({t.ids[-1] for t in group}) == 1, "every target must end with the closing token"
            (loss / tokens).backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
        if not torch.isfinite(norm):
            raise UserError(f"training broke down in step {number + 1} (the gradient is not finite); lower --lr or take --dtype float32")
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(number, len(plan), lr, schedule)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        yield {"step": number + 1, "steps": len(plan), "loss": total / tokens, "tokens": tokens, "optimiser": optimiser}
    lm.eval()


# ---------------------------------------------------------------- 4. what was learnt, what was forgotten

def evaluate(lm, tokenizer, task, jobs, max_new_tokens, temperature=0.0, progress=None):
    """The model's answers to jobs (example, sample number) -> list of dicts for answers.jsonl; greedy unless a temperature is given.
    Judged apart from this, so a judge can change."""
    prompts = [tokenizer.encode_chat(task.ask(e)) for e, _ in jobs]
    fits = [i for i, p in enumerate(prompts) if len(p) < lm.config.max_position_embeddings]
    rows = [runs.number_of(f"{jobs[i][0].id} answer {jobs[i][1]}") for i in fits]           # noise of its own for each job
    answers = runs.within_memory(model.generate, lm, [prompts[i] for i in fits], max_new_tokens, temperature, seed=0, rows=rows,
                                 end_ids=tokenizer.end_ids, progress=progress)
    answers = dict(zip(fits, answers))
    nothing = model.Completion([], "too long", 0.0)                          # the prompt fills the context: a wrong answer, counted
    return [{"id": e.id, "source": "answer", "sample": sample, "text": tokenizer.decode(a.ids), **task.truth(e),
             "finish_reason": a.finish_reason, "logprob": a.logprob, "prompt_ids": p, "ids": a.ids}
            for (e, sample), p, a in zip(jobs, prompts, (answers.get(i, nothing) for i in range(len(jobs))))]


@torch.no_grad()
def divergence(base, tuned, answers):
    """KL(base || tuned) per token, in nats, over the base model's own answers to test prompts: it predicts forgetting
    (Shenfeld et al. 2025, arXiv 2509.04259). Under LoRA base and tuned are one model, without and with its adapters."""
    total = count = 0
    targets = [Target(a["id"], "answer", a["prompt_ids"], a["ids"]) for a in answers if a["ids"]]
    at_once = max(1, 2**25 // base.config.vocab_size)                        # rows of logits: 128 MiB in fp32
    for group in micro_batches(targets, 4096) if targets else []:
        width = max(len(t.prompt_ids) + len(t.ids) for t in group)
        ids = torch.tensor([(t.prompt_ids + t.ids + [0] * width)[:width] for t in group], device=next(base.parameters()).device)
        said = torch.zeros_like(ids, dtype=torch.bool)
        for row, t in enumerate(group):
            said[row, len(t.prompt_ids) - 1:len(t.prompt_ids) + len(t.ids) - 1] = True      # positions that predict an answer token
        q_hidden = tuned.hidden(ids)[said]                                                  # (N, D)
        with model.without_lora(base):
            p_hidden = base.hidden(ids)[said]
        for a in range(0, len(p_hidden), at_once):
            p, q = (F.log_softmax(lm.head(h[a:a + at_once]).float(), -1) for lm, h in ((base, p_hidden), (tuned, q_hidden)))   # (n, V)
            total += F.kl_div(q, p, reduction="sum", log_target=True).item()
        count += len(p_hidden)
    return total / max(1, count)


def log_probabilities(lm, tokenizer, task, pairs):
    """The paper's Figure 2: how likely lm finds own answer, paraphrase and gold after the question alone.

    pairs: [(example, {"own": attempt, "paraphrase": attempt})]. -> [{"id", "own": [sum in nats, tokens], "paraphrase", "gold"}]
    """
    rows = [(e, source, make_target(tokenizer, task, e, source, found.get(source))) for e, found in pairs
            for source in ("own", "paraphrase", "gold")]
    sums = runs.within_memory(model.loglikelihood, lm, [t.prompt_ids for _, _, t in rows], [t.ids for _, _, t in rows])
    table = {e.id: {"id": e.id} for e, _ in pairs}
    for (e, source, t), total in zip(rows, sums):
        table[e.id][source] = [total, len(t.ids)]
    return list(table.values())


def test_jobs(items, options):
    """[(example, sample number), ...] of the test."""
    first = items["seed"] * options.test_samples if options.test_temperature else 0         # every seed's noise is its own
    return [(e, first + k) for e in items["test"] for k in range(options.test_samples)]


def measure(lm, base, tokenizer, task, items, options, cell):
    """Everything that is measured on one model. items: {"seed", "validation", "test": examples, "beside": {name: Ability},
    "probe": the base model's answers, or None for the base model itself}. cell: keeps answers as they come, and shows progress."""
    answers = {}
    for split, jobs, temperature in (("validation", [(e, 0) for e in items["validation"]], 0.0), ("test", test_jobs(items, options), options.test_temperature)):
        if jobs:
            answers[split] = cell.answers(split, jobs, lambda some, progress: evaluate(lm, tokenizer, task, some, options.max_new_tokens,
                                                                                       temperature, progress))
    kl = divergence(base, lm, items["probe"]) if items["probe"] else 0.0
    measure_beside(lm, tokenizer, items["beside"], cell)
    return {"answers": answers, "kl": kl}


def measure_beside(lm, tokenizer, abilities, cell):
    """What else the model can do: log-likelihoods of options, answers to the questions of other tasks. cell: keeps them."""
    def score(jobs, progress):
        items = [item for item, _ in jobs]
        scores, cut = runs.within_memory(benchmarks.loglikelihoods, lm, tokenizer, items, progress)
        return [{"id": i.id, "loglikelihoods": s, "cut": c} for i, s, c in zip(items, scores, cut)]
    for ability in abilities.values():
        cell.fill(ability, score if ability.task is None else
                  lambda jobs, progress: evaluate(lm, tokenizer, ability.task, jobs, ability.max_new_tokens, progress=progress))


# ---------------------------------------------------------------- 5. one command: from questions to the table

def draw(items, n, seed):
    """n of the items: the first for seed 0, a sample drawn by the seed for every other."""
    return items[:n] if seed == 0 or n >= len(items) else random.Random(f"draw {seed}").sample(items, n)


PROBE = 100                      # questions on which KL is measured, at most


def probe(answers, tokens=8000):
    """The base model's first answers, one a question, on which KL is measured: at most PROBE, fewer where they are long."""
    chosen, answers = [], [a for i, a in enumerate(answers) if i == 0 or a["id"] != answers[i - 1]["id"]]
    while answers[len(chosen):] and len(chosen) < PROBE and sum(len(a["ids"]) for a in chosen) < tokens:
        chosen.append(answers[len(chosen)])
    return chosen


def open_task(options):
    """Find the files (which may fetch them), read the task, and see that generated code can be contained if it has to be run."""
    runs.find_files(options)
    task = load_task(options.task, options.data, options.judge, options.test, options.all_asserts)
    for source in {s for m in options.methods for s in (METHODS | CONTROLS)[m]} - {"gold", *SAMPLED}:
        task.text(task.load("train")[0], source)                             # "voice" is in the bundled data alone: said now, not after hours
    runs.check_sandbox(task, options)
    return task


def compare(options, task):
    """Base and methods on one task: attempts, targets, training, measuring, the table -> results (None if only planned)."""
    test, train = task.load("test"), task.load("train") if options.methods else []
    validation = task.load("validation")[:options.validation_limit] if len(options.lr) > 1 or options.results else []
    beside = abilities.load(options)
    base, tokenizer = model.load(options.folder, options.device, thinking=options.thinking)
    if len(options.lr) > 1 and not validation:
        raise UserError("several --lr are compared on validation, which --validation-limit 0 leaves out; give one --lr" if not options.validation_limit
                        else "several --lr are compared on validation, and these data are too few to hold any back; give one --lr")
    new = new_items.draw(options, beside) if options.new_items else None
    train, dropped = runs.fitting(train, task, tokenizer, base.config.max_position_embeddings, options.max_new_tokens)
    run = runs.open_run(options, task, base, tokenizer, sys.modules[__name__])
    accept, run.dropped = run.verdicts.accept, dropped
    if options.lora:                                                         # the weights stay as they are: one copy serves all
        base = base.to(run.sample_dtype)
    sampler = base if base.dtype == run.sample_dtype else copy.deepcopy(base).to(run.sample_dtype)

    # The questions: training examples, and what every model is measured on. Each seed draws its own.
    drawn = {seed: draw(train, options.limit, seed) for seed in options.seeds}
    measured = {seed: {"seed": seed, "test": draw(test, options.test_limit, seed), "validation": validation,
                       "beside": abilities.limited(beside, options.benchmark_limit, seed, draw)} for seed in options.seeds}
    if options.new_items:
        for seed, (own_train, own_test, own_beside) in new_items.read(options, run.out, new, measured[options.seeds[0]]["beside"]).items():
            drawn[seed], measured[seed] = own_train, measured[seed] | {"test": own_test, "beside": own_beside}
    run.check_cells(measured)
    plan.show(run, drawn, measured, METHODS | CONTROLS, accept, SAMPLED, sampler)
    if options.plan:
        return None

    # Attempts: own answers to every question, paraphrases where a method comes to need one.
    attempts = {seed: {} for seed in options.seeds}
    for stage in ("own", "paraphrase"):
        for seed in options.seeds:
            needed = runs.needed(stage, drawn[seed], run.missing(seed), attempts[seed], accept, SAMPLED)
            first = seed * options.samples if options.temperature else 0         # greedy answers are the same for every seed
            jobs = [(e, stage, first + k) for e in needed for k in range(options.samples)]
            attempts[seed] |= run.attempts(jobs, lambda jobs, progress: attempt(sampler, tokenizer, task, jobs, options, progress))
    figure2 = run.log_probabilities(drawn, attempts, lambda pairs: log_probabilities(sampler, tokenizer, task, pairs))

    # Cells: the base model, then each method at each rate, for every seed: choose targets, fine-tune, measure.
    # run.cell(.., make, more) -> make(cell), unless the run folder holds that cell's result already: read on as if it always made it.
    cells, rows = [], []
    for seed in options.seeds:
        items = measured[seed] | {"probe": None}
        cells.append(run.cell("base", None, seed, None, items,
                              lambda cell: measure(sampler, None, tokenizer, task, items, options, cell),
                              lambda cell, lacking: measure_beside(sampler, tokenizer, lacking, cell)))
        rows.append(run.row(cells[-1], items, drawn[seed], attempts[seed]))
        to_do, targets_of = run.missing(seed), {}                            # with --results some cells are there, made elsewhere
        for method, sources in to_do.items():
            chosen = choose_targets(sources, drawn[seed], attempts[seed], accept)
            targets_of[method] = [make_target(tokenizer, task, *choice) for choice in chosen]
            run.write_targets(method, seed, chosen, targets_of[method])
        if to_do:
            run.keep_attempts(seed, attempts, drawn, figure2)                # for --results
            said = cells[-1]["answers"]["test"] if "answers" in cells[-1] else evaluate(          # of base; --results keeps no texts
                sampler, tokenizer, task, test_jobs(items, options)[:PROBE * options.test_samples:options.test_samples],
                options.max_new_tokens, options.test_temperature)
            items = items | {"probe": probe(said)}
        for method in options.methods:
            targets = targets_of.get(method)
            for lr in options.lr:
                def train_and_measure(cell):
                    if options.lora:                                         # adapters on the one frozen copy, taken off at the end
                        lm = model.add_lora(sampler, options.lora, options.lora_alpha, options.lora_dropout, options.lora_targets, seed)
                    else:
                        lm = copy.deepcopy(base).float()
                    steps = lambda **how: finetune(lm, targets, lr, options.epochs, options.batch, seed, run.train_dtype,
                                                   schedule=options.schedule, **how)
                    try:
                        tuned = cell.train(lm, steps, targets)
                        cell.keep(lm)
                        lm = lm if options.lora else lm.to(run.sample_dtype)
                        return tuned | measure(lm, sampler, tokenizer, task, items, options, cell)
                    finally:
                        model.remove_lora(sampler)

                def measure_more(cell, lacking):                             # benchmarks, of a finished cell whose weights are there
                    try:
                        measure_beside(cell.reopen(sampler), tokenizer, lacking, cell)
                    finally:
                        model.remove_lora(sampler)
                cells.append(run.cell(method, lr, seed, targets, items, train_and_measure, measure_more))
                rows.append(run.row(cells[-1], items, drawn[seed], attempts[seed]))

    results = run.results(rows, attempts, drawn, figure2, measured)
    if options.show:
        runs.show(options.show, run, drawn, measured, attempts, accept, cells)
    print(tables.table(results))
    print(f"attempts, targets, cells and results.json: {run.out}; more of it, with figures: python s3ft.py --report {run.out}")
    return results


def main(argv=None):
    options = cli.parse(argv, METHODS | CONTROLS, SOURCES)
    if options.ask:
        return print(runs.ask(options))
    if options.report:
        return report.report(options.report, options.out)
    if options.task != "all":
        return compare(options, open_task(options))
    tasks = [(each, open_task(each)) for each in cli.each_task(options)]     # what the last one lacks is said before the first begins
    results = [compare(each, task) for each, task in tasks]
    if not options.plan:
        print(tables.three_tables(results))


if __name__ == "__main__":
    sys.exit(cli.guard(main))
