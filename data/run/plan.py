"""plan.py - what a run is, what of it is left to do and why, and what that takes.

s3ft.carry_out goes through the whole comparison once without making anything. What it asks for and
does not find is counted here, under the very keys by which the run will look for it. Tokens come
from the files, speeds from a few seconds of the real thing.
"""
import time

import torch

import model
from data import TASKS, benchmarks
from data.files import mean
from data.run import training
from data.run.progress import minutes

ATTEMPTS = ("own answers", "paraphrases")


class Plan:
    def __init__(self, run):
        self.run = run
        self.lacking = {}            # label -> {(weights, name, digest of what is asked): job}
        self.anew = {}               # lines on what was made before, from something else
        self.trainings = {}          # models that have to be trained -> Weights
        self.wanted = 0              # rows that the run is made of

    def count(self, weights, label, wanted, made_from):
        """Rows that are asked for: which of them are lacking?"""
        self.wanted += len(wanted)
        missing = weights.store.missing(wanted, made_from)
        if not missing:
            return
        rows = self.lacking.setdefault(label, {})
        for name, part, job in missing:
            rows[weights.key, name, part] = job
        changed = weights.store.what_changed(missing, made_from)
        if changed:
            self.anew[f"{weights.label}: {label}: {changed}"] = True
        if weights.train and not weights.kept():
            self.trainings[weights.folder.name] = weights

    def count_checkpoint(self, weights):
        """A checkpoint that is to be kept and is not there has to be made."""
        if weights.lacks_checkpoint():
            self.lacking.setdefault("checkpoint", {})[weights.key] = weights
            if not weights.kept():
                self.trainings[weights.folder.name] = weights

    def number(self, *labels):
        return sum(len(self.lacking.get(label, {})) for label in labels)

    def paraphrases(self):
        """How many are lacking; of those that a lacking own answer may make needless, half are counted."""
        own = {job.example.id for job in self.lacking.get("own answers", {}).values()}
        unsure = [job for job in self.lacking.get("paraphrases", {}).values() if job.example.id in own]
        methods = self.run.lacking(self.run.options.seeds[0]).values()
        if any(sources[0].startswith("paraphrase") for sources in methods):
            unsure = []
        return self.number("paraphrases") - len(unsure) / 2, bool(unsure)

    def show(self, questions):
        """Print what this run is and what is left to do, with minutes, memory and disk. questions: {seed: s3ft.Questions}."""
        self.say_what_it_is()
        run, o = self.run, self.run.options
        if not self.lacking:
            return print(f"all cells are there: {run.out}")
        for line in self.anew:
            print(line)
        for name, weights in self.trainings.items():
            if why := weights.why_trained():
                print(f"{name}: will be trained again, because {why}")

        mine = questions[o.seeds[0]]
        some = (mine.train or mine.test)[:64]
        speed, ask, gold, answer = self.estimate(some)
        own = self.number("own answers")
        paraphrases, unsure = self.paraphrases()
        each = answer / speed["sample"] + ask / speed["read"]                    # seconds for one answer
        t_attempts = own * each + paraphrases * (each + gold / speed["read"])
        t_train = len(mine.train) * o.epochs * (ask + (answer + gold) / 2) / speed["train"]
        t_measure = self.number("KL") * min(100, len(mine.test)) * 2 * (ask + answer) / speed["read"]
        for label, rows in self.lacking.items():
            if label not in (*ATTEMPTS, "KL", "checkpoint"):
                t_measure += self.seconds(label, list(rows.values()), each, speed, mine.benchmarks)
        total = t_attempts + len(self.trainings) * t_train + t_measure
        number = len({e.id for q in questions.values() for e in q.train})
        print(f"plan: {number} questions; {own} own answers and {'about ' if unsure else ''}{paraphrases:.0f} paraphrases "
              f"to sample ({minutes(t_attempts)}); {len(self.trainings)} model{'' if len(self.trainings) == 1 else 's'} "
              f"to train ({minutes(t_train)} each); "
              f"{minutes(t_measure)} of measuring")
        cells = len(o.seeds) * len(o.methods) * len(o.lr)
        kept = {"none": 0, "last": len(o.methods), "all": cells}[o.keep]
        size = run.parameters * (run.sample_dtype.itemsize if o.lora else 4)
        disk = kept * size + number * 6000 + (cells * speed["trainable"] * 4 if o.lora else 0)
        most = memory(run, speed["trainable"], ask + gold)
        print(f"plan: about {minutes(total)} in all, {most / 1e9:.1f} GB memory, {disk / 1e6:.0f} MB disk in {run.out}", flush=True)

    def say_what_it_is(self):
        run, o = self.run, self.run.options
        name = "the bundled teaching model" if o.bundled else o.model if o.commit else o.folder.resolve().name
        print(f"{run.task.title} on {name} ({run.parameters / 1e6:.1f}M parameters)"
              + (f". This is no {o.task} figure of the literature; for the real thing:\n  python s3ft.py --task {o.task} "
                 "--model Qwen/Qwen2.5-0.5B-Instruct   (any checkpoint of a supported family; fetches it and the official data)"
                 if run.task.title.startswith("tiny-") and o.task in TASKS else ""))
        for line in ([f"{o.task}: {run.task.fields}"] if run.task.fields else []) + run.task.notes:
            print(line)
        if run.task.name == "exact":
            print("the exact judge accepts a paraphrase only if it equals the gold, so rewriting can hardly add anything")
        tuned = "all weights are tuned, in fp32"
        if o.lora:
            tuned = (f"LoRA of rank {o.lora} (alpha {o.lora_alpha:g}, dropout {o.lora_dropout:g}) on "
                     f"{', '.join(o.lora_targets)}")
        print(f"{run.why}; {tuned}", flush=True)

    def estimate(self, some):
        """(speeds, tokens of a prompt, of a gold, of an answer), on some of the questions."""
        run, o = self.run, self.run.options
        encode = run.tokenizer.encode
        ask = mean(len(run.tokenizer.encode_chat(run.method_code.ask(run.task, e))) for e in some)
        gold = mean(len(encode(run.task.gold(e))) for e in some)
        answer = min(2 * gold, o.max_new_tokens)         # of a public model, before any is there
        if o.bundled:
            answer = mean(len(encode(e.extra.get("voice", e.answer))) for e in some)
        there = [a for used in run.used.values() for tries in used.values() for a in tries]
        if there:
            answer = mean(len(a["ids"]) for a in there)
        return try_speed(run, some, max(1, int(answer))), ask, gold, answer

    def seconds(self, label, jobs, each, speed, sets):
        """To measure what is lacking of the test, the validation or a benchmark."""
        if label in ("validation", "test"):
            return len(jobs) * each
        if label == "Figure 2" or label not in sets:
            return 0.0
        if sets[label].task is None:
            return benchmarks.tokens(self.run.tokenizer, jobs, self.run.config.max_position_embeddings) / speed["read"]
        asked = mean(len(job.prompt_ids) for job in jobs[:16])
        return len(jobs) * (sets[label].max_new_tokens / 2 / speed["sample"] + asked / speed["read"])


def memory(run, trainable, length):
    """Bytes at the peak, which is training: the weights as held, what is trained four times over (weight, gradient, two
    moments), a micro-batch, some logits, torch itself and what it compiles for each shape."""
    held = {id(lm): sum(p.numel() * p.element_size() for p in lm.parameters()) for lm in (run.models.base(), run.models.sampler())}
    budget, checkpointed = training.micro_budget(run.models.sampler(), run.train_dtype, length)
    step = min(budget, run.options.batch * length) * training.bytes_per_token(run.config, run.train_dtype)
    # a processor's bf16 kernels are compiled for each shape and kept
    on_cpu = run.models.base().device.type == "cpu"
    kernels = 1.2e9 if on_cpu and run.train_dtype == torch.bfloat16 else 0.6e9
    return sum(held.values()) + trainable * 16 + step * (0.2 if checkpointed else 1) + 6 * 2**26 + kernels


def try_speed(run, examples, answer):
    """Tokens per second of sampling, reading (prompts, options) and training, tried for a few seconds; trainable parameters."""
    o, s3ft, lm = run.options, run.method_code, run.models.sampler()
    big = run.parameters > 50e6
    most = run.config.max_position_embeddings - max(answer, 12) - 1          # of a prompt that would not fit, its end
    prompts = [run.tokenizer.encode_chat(s3ft.ask(run.task, e))[-max(1, most):] for e in examples]
    some = prompts[:4] if big else prompts
    model.generate(lm, some[:2], 2)
    began = time.time()
    model.loglikelihood(lm, some, [[0]] * len(some))
    read = sum(map(len, some)) / (time.time() - began)
    began = time.time()
    if big:                                          # short prompts: decoding alone
        made = sum(len(c.ids) for c in model.generate(lm, [p[:8] for p in prompts], 5)) * 0.8
    else:
        made = sum(len(c.ids) for c in model.generate(lm, (prompts * 5)[:300], min(answer, 12)))
    sample = made / (time.time() - began)
    if not o.methods:                                # nothing will be trained
        return {"sample": sample, "read": read, "train": read, "trainable": 0}
    batch = 2 if big else o.batch
    choices = [s3ft.Choice(e, "gold", None) for e in examples[:(2 if big else 3) * batch]]
    targets = [s3ft.make_target(run.tokenizer, run.task, choice) for choice in choices]
    settings = s3ft.Training(1e-5, 1, batch, lora=o.lora, lora_alpha=o.lora_alpha, lora_dropout=o.lora_dropout,
                             lora_targets=tuple(o.lora_targets))
    trained = s3ft.trainable_model(run.models.base(), lm, settings)
    trainable = sum(p.numel() for p in trained.parameters() if p.requires_grad)
    began, times = time.time(), []

    def stepped(_, total):
        return lambda n: n and times.append(time.time() - began)
    journal = training.Journal(progress=stepped)
    training.train(s3ft.finetune, trained, targets, run.tokenizer.close_id, settings, run.train_dtype, journal)
    model.remove_lora(lm)
    rate = batch * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else len(targets) / times[-1]   # the first warms up
    return {"sample": sample, "read": read, "train": rate * mean(len(t.prompt_ids) + len(t.ids) for t in targets), "trainable": trainable}
