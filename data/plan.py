"""plan.py - what a run is, what of it is left to do, and what that takes: tokens from the files, speeds from a few seconds of the real thing."""
import time

import torch

import model
from data import TASKS, runs, training
from data.files import mean, read_jsonl
from data.training import minutes


def show(run, drawn, methods, sampler):
    """Print what this run is and what is left to do, with minutes, memory and disk.

    drawn: {seed: s3ft.Questions}. methods: {name: sources}.
    """
    o = run.options
    parameters = sum(p.numel() for p in run.base.parameters())
    name = "the bundled teaching model" if o.bundled else o.model if o.commit else o.folder.resolve().name
    print(f"{run.task.title} on {name} ({parameters / 1e6:.1f}M parameters)"
          + (f". This is no {o.task} figure of the literature; for the real thing:\n  python s3ft.py --task {o.task} "
             "--model Qwen/Qwen2.5-0.5B-Instruct   (any checkpoint of a supported family; fetches it and the official data)"
             if run.task.title.startswith("tiny-") and o.task in TASKS else ""))
    for line in ([f"{o.task}: {run.task.fields}"] if run.task.fields else []) + run.task.notes:
        print(line)
    if run.task.name == "exact":
        print("the exact judge accepts a paraphrase only if it equals the gold, so rewriting can hardly add anything")
    print(run.why + "; " + (f"LoRA of rank {o.lora} (alpha {o.lora_alpha:g}, dropout {o.lora_dropout:g}) on {', '.join(o.lora_targets)}"
                             if o.lora else "all weights are tuned, in fp32"))
    cells = [(m, lr, s) for s in o.seeds for m in o.methods for lr in o.lr if run.name(m, lr, s) not in run.done]
    seeds_left = {s for _, _, s in cells}
    questions = list({e.id: e for s in o.seeds if s in seeds_left for e in drawn[s].train}.values())
    have, own, rewrites, unsure = attempts_left(run, questions, {m: methods[m] for m in o.methods})
    weights = lambda x: [run.out / run.name(*x) / name for name in ((runs.MERGED,) if o.lora else (runs.WHOLE,))]
    left = [x for x in cells if not (run.out / run.name(*x) / "result.json").is_file() or run.keeps(*x) and not all(p.is_file() for p in weights(x))]
    bases = [s for s in o.seeds if run.name("base", None, s) not in run.done and not (run.out / run.name("base", None, s) / "result.json").is_file()]
    def lacks(folder, ability):
        rows = read_jsonl(folder / f"{ability.name}.jsonl", ("id",))[1:]
        return [r["id"] for r in rows] != [i.id for i in ability.items]
    there = [("base", None, s) for s in o.seeds if s not in bases and run.name("base", None, s) not in run.done]
    there += [x for x in cells if x not in left and (run.out / run.name(*x) / (runs.ADAPTER if o.lora else runs.WHOLE)).is_file()]
    more = [(x[2], a) for x in there for a in drawn[x[2]].benchmarks.values() if lacks(run.out / run.name(*x), a)]
    if not (own or rewrites or left or bases or more):
        return print(f"all cells are there: {run.out}")

    # tokens from the files (a public model answers at about twice a gold's length), speeds from a few seconds of the real thing
    seed = o.seeds[0]
    mine, asks = drawn[seed], run.method_code.ask
    some = (mine.train or mine.test)[:64]
    ask = mean(len(run.tokenizer.encode_chat(asks(run.task, e))) for e in some)
    gold = mean(len(run.tokenizer.encode(run.task.gold(e))) for e in some)
    answer = mean(len(run.tokenizer.encode(e.extra.get("voice", e.answer))) for e in some) if o.bundled else min(2 * gold, o.max_new_tokens)
    if have:
        answer = mean(len(a["ids"]) for tries in have.values() for a in tries)
    speed = try_speed(run, sampler, some, max(1, int(answer)))
    tests = len(mine.test) * o.test_samples + len(mine.validation)
    def seconds(ability):                            # to measure it on one model
        if ability.task is None:
            return run.tokens_of(ability) / speed["read"]
        asked = mean(len(run.tokenizer.encode_chat(asks(ability.task, e))) for e in ability.items[:16])
        return len(ability.items) * (ability.max_new_tokens / 2 / speed["sample"] + asked / speed["read"])
    each = answer / speed["sample"] + ask / speed["read"]                # seconds for one answer
    t_attempts = (own * o.samples * each + rewrites * o.samples * (each + gold / speed["read"]))
    t_measure = tests * each + min(100, tests) * 2 * (ask + answer) / speed["read"] + sum(map(seconds, mine.benchmarks.values()))
    t_more = sum(seconds(a) for _, a in more)
    t_train = len(mine.train) * o.epochs * (ask + (answer + gold) / 2) / speed["train"]
    total = t_attempts + len(bases) * t_measure + len(left) * (t_train + t_measure) + t_more
    print(f"plan: {len(questions)} questions; {own} own answers and {'about ' if unsure else ''}{rewrites:.0f} paraphrases to sample ({minutes(t_attempts)}); "
          f"{len(bases) + len(left)} of {len(o.seeds) + len(cells)} cells to do ({minutes(t_train)} training and {minutes(t_measure)} measuring each)"
          + (f"; {len(more)} benchmarks to add to others ({minutes(t_more)})" if more else ""))
    kept = {"none": 0, "last": len(o.methods), "all": len(cells)}[o.keep]
    size = sum(p.numel() * p.element_size() for p in run.base.parameters()) if o.lora else 4 * parameters
    disk = kept * size + len(questions) * 6000 + (len(cells) * speed["trainable"] * 4 if o.lora else 0)
    most = memory(run, sampler, speed["trainable"], ask + gold)
    print(f"plan: about {minutes(total)} in all, {most / 1e9:.1f} GB memory, {disk / 1e6:.0f} MB disk in {run.out}", flush=True)


def attempts_left(run, questions, methods):
    """What is still to be sampled -> (attempts that are there, own answers, paraphrases, whether the latter are a guess).

    The method itself tells: choose_targets is asked, on the attempts that are there, what it comes to need. Where an own answer
    is lacking it is taken for refused; then half of the paraphrases that follow from that are counted.
    """
    have = {}
    for a in read_jsonl(run.out / "attempts.jsonl", runs.ATTEMPT):
        if a["base"] == run.attempt_key()[0]:
            have.setdefault((a["id"], a["source"]), []).append(a)
    left = {"own": set(), "paraphrase": set()}
    certain = set()              # paraphrases that no own answer can make needless

    for sources in methods.values():
        def attempts_there(kind, examples, sources=sources):
            lacking = {e.id for e in examples if (e.id, kind) not in have}
            left[kind] |= lacking
            if kind == "paraphrase":
                certain.update(lacking if sources[0].startswith("paraphrase") else lacking - left["own"])
            return {e.id: have.get((e.id, kind), []) for e in examples}
        run.method_code.choose_targets(sources, questions, run.verdicts, attempts_there)
    guessed = left["paraphrase"] - certain
    return have, len(left["own"]), len(certain) + len(guessed) / 2, bool(guessed)


def memory(run, sampler, trainable, length):
    """Bytes at the peak, which is training: the weights as held, what is trained four times over (weight, gradient, two
    moments), a micro-batch, some logits, torch itself and what it compiles for each shape."""
    held = {id(lm): sum(p.numel() * p.element_size() for p in lm.parameters()) for lm in (run.base, sampler)}
    budget, checkpointed = training.micro_budget(sampler, run.train_dtype, length)
    step = min(budget, run.options.batch * length) * training.bytes_per_token(run.base.config, run.train_dtype)
    # a processor's bf16 kernels are compiled for each shape and kept
    kernels = (1.2e9 if run.train_dtype == torch.bfloat16 else 0.6e9) if not sampler.model["embed_tokens"].weight.is_cuda else 0.6e9
    return sum(held.values()) + trainable * 16 + step * (0.2 if checkpointed else 1) + 6 * 2**26 + kernels


def try_speed(run, lm, examples, answer):
    """Tokens per second of sampling, reading (prompts, options) and training, tried for a few seconds; trainable parameters."""
    o = run.options
    most = lm.config.max_position_embeddings - max(answer, 12) - 1                      # of a prompt that would not fit, its end
    prompts = [run.tokenizer.encode_chat(run.method_code.ask(run.task, e))[-max(1, most):] for e in examples]
    some = prompts[:4] if run.big else prompts
    model.generate(lm, some[:2], 2)
    began = time.time()
    model.loglikelihood(lm, some, [[0]] * len(some))
    read = sum(map(len, some)) / (time.time() - began)
    began = time.time()
    if run.big:                                     # short prompts: decoding alone
        made = sum(len(c.ids) for c in model.generate(lm, [p[:8] for p in prompts] , 5)) * 0.8
    else:
        made = sum(len(c.ids) for c in model.generate(lm, (prompts * 5)[:300], min(answer, 12)))
    sample = made / (time.time() - began)
    if not o.methods:                                # nothing will be trained
        return {"sample": sample, "read": read, "train": read, "trainable": 0}
    batch = 2 if run.big else o.batch
    choices = [run.method_code.Choice(e, "gold", None) for e in examples[:(2 if run.big else 3) * batch]]
    targets = [run.method_code.make_target(run.tokenizer, run.task, choice) for choice in choices]
    settings = run.method_code.Training(1e-5, 1, batch, lora=o.lora, lora_alpha=o.lora_alpha, lora_dropout=o.lora_dropout,
                                        lora_targets=tuple(o.lora_targets))
    trained = run.method_code.trainable_model(run.base, lm, settings)
    trainable = sum(p.numel() for p in trained.parameters() if p.requires_grad)
    began, times = time.time(), []

    def stepped(_, total):
        return lambda n: n and times.append(time.time() - began)
    budget = training.micro_budget(trained, run.train_dtype, 0)[0]
    training.train(run.method_code.finetune, trained, targets, run.tokenizer.close_id, settings, run.train_dtype,
                   training.Journal(trained, budget, stepped))
    model.remove_lora(lm)
    rate = batch * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else len(targets) / times[-1]   # the first warms up
    return {"sample": sample, "read": read, "train": rate * mean(len(t.prompt_ids) + len(t.ids) for t in targets), "trainable": trainable}
