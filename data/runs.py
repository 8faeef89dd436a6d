"""runs.py - the run folder: what was made from what, what must be made again, and how long it takes.

    OUT/run.json               task, model and data that this folder belongs to
    OUT/attempts.jsonl         own answers and paraphrases, each with the key of what it was made from
    OUT/targets-METHOD.jsonl   what each method trains on, as ids and as chat messages
    OUT/CELL/result.json       one trained and measured model (method, rate, epochs, seed) with its key; answers.jsonl beside it
    OUT/verdicts.jsonl         what the judge said of every attempt; code-verdicts.jsonl: of programs, kept (data/verdicts.py)
    OUT/results.json           everything that the table shows

A key is a digest of all that a thing depends on: ids, settings, model files, and the code of the functions that make it (as a
syntax tree, so that a comment costs nothing). A thing whose key still fits is used, any other is made again and the run says
why. Every file is written whole to a temporary name and then renamed, so a kill leaves the old or the new one.
"""
import copy
import difflib
import fcntl
import shutil
import sys
import time
from pathlib import Path

import torch

import judge
import model
from data import TASKS, TINY, UserError, benchmarks, hub, report, training
from data.checkpoint import read_adapter, weight_files
from data.files import code_of, digest, file_digest, number_of, read_json, read_jsonl, write_json, write_jsonl
from data.look import ask, show                                              # noqa: F401 (s3ft.py calls them)
from data.training import Progress, minutes, within_memory                   # noqa: F401
from data.verdicts import Verdicts, check_sandbox                            # noqa: F401

CHUNK = 300                      # attempts or test answers in a chunk, the unit that a killed run loses at most;
SMALL_CHUNK = 64                 # for a model above 50M parameters on a CPU, where 300 would be a quarter of an hour



UNFINISHED = judge.Verdict(False, "unfinished", None, "cut off at the length limit, never a target")
TOO_LONG = judge.Verdict(False, "too long", None, "the prompt fills the model's context", {"em": 0, "f1": 0, "recall": 0})
ATTEMPT = ("id", "source", "sample", "text", "gold", "finish_reason", "prompt_ids", "ids", "key", "base", "seconds")
ANSWER = ("split", "id", "text", "finish_reason", "prompt_ids", "ids")
RESULT = ("key", "method", "lr", "epochs", "seed", "targets", "target_tokens", "benchmarks", "benchmark_ids", "kl", "seconds")


# ---------------------------------------------------------------- what main asks for before it samples

def fitting(examples, task, tokenizer, context, max_new_tokens):
    """(examples that fit the context with their gold, rewrite prompt and answer; how many do not). The same for all methods."""
    def words(messages):
        return "".join(m["content"] for m in messages)
    kept = []
    if not examples:                 # nothing is trained on
        return [], 0
    for e in examples:
        # a token is at least one character or byte, so short texts need no counting
        if len((words(task.ask(e)) + words(task.rewrite(e)) + task.gold(e)).encode()) + max_new_tokens + 300 > context:
            ask, gold = len(tokenizer.encode_chat(task.ask(e))), len(tokenizer.encode(task.gold(e)))
            if max(len(tokenizer.encode_chat(task.rewrite(e))), ask) + max_new_tokens > context or ask + gold + 2 > context:
                continue
        kept.append(e)
    if not kept:
        raise UserError(f"no training example fits the model's context of {context} tokens with {max_new_tokens} new ones; lower --max-new-tokens")
    for e in {len(task.ask(e)): e for e in kept}.values():                   # one chat of each shape
        prompt, chat = (tokenizer.encode_chat(task.ask(e) + more) for more in ([], [{"role": "assistant", "content": "1"}]))
        if chat[:len(prompt)] != prompt or tokenizer.close_id not in chat[len(prompt):]:
            raise UserError("the model's chat template does not close an answer with a token of its own, or changes the question "
                            "once it is answered; take another model")
    return kept, len(examples) - len(kept)


def find_files(options):
    """Where model and data are: options.folder, .commit (of a hub id), .data. May fetch them."""
    options.folder, options.commit = hub.find(options.model)
    if options.data is None and options.task in TASKS:
        if options.bundled and options.task == "squad":
            raise UserError("the bundled model's own readings are tiny-nq: --task nq; for SQuAD 2.0 name a public checkpoint with --model")
        if options.bundled and options.test:
            raise UserError("the bundled model has one reading set, tiny-nq; --test with another needs --data FOLDER or a public checkpoint in --model")
        options.data = str(TINY if options.bundled else getattr(hub, options.task)())
        if options.test:                 # the other reading set, in the folder beside
            options.data = str(getattr(hub, options.test)().parent)


def model_key(folder):
    """Fingerprint of the files that decide what a model says; an adapter's with those of its base."""
    files = [p for p in folder.iterdir() if p.suffix in (".json", ".jinja") and p.name not in ("result.json", "keys.json")]
    if (folder / "adapter_config.json").is_file():
        return digest(file_digest([*files, folder / "adapter_model.safetensors"]), model_key(hub.find(read_adapter(folder).base)[0]))
    return file_digest([*files, *weight_files(folder)])


def needed(stage, examples, methods, attempts, accept, sampled):
    """The examples for which some method comes to ask for an attempt of this stage ("own" or "paraphrase")."""
    def asks(sources, example):
        for source in sources:
            if sampled.get(source) == stage:
                return True
            if source not in sampled or any(a["finish_reason"] == "end" and accept(example, a["text"], source).ok
                                            for a in attempts.get((example.id, sampled[source]), [])):
                return False         # settled before it comes to that
    return [e for e in examples if any(asks(sources, e) for sources in methods.values())]


# ---------------------------------------------------------------- the run folder

def open_run(options, task, base, tokenizer, method_code):
    """Find or make the run folder and make sure that it belongs to this task, model and data."""
    data_files = list(task.files) + (list((TINY / "benchmarks").glob("*.jsonl")) if options.bundled else [])
    identity = {"task": options.task if options.task in TASKS else f"{task.title} judged by {task.name}",
                "model": model_key(options.folder), "data": file_digest(data_files)}
    out = Path(options.out) if options.out else Path("runs") / f"{task.title.removeprefix('tiny-')}-{digest(identity)[:8]}"
    try:
        if TINY.resolve() in (out.resolve(), *out.resolve().parents):
            raise UserError(f"--out {out} lies inside the bundled model's folder; name another")
        if out.exists() and not out.is_dir():
            raise UserError(f"--out {out} is a file; name a folder")
        if (out / "run.json").is_file():
            other = read_json(out / "run.json")
            if not other:
                raise UserError(f"{out / 'run.json'} is damaged, so this folder's run is unknown; delete the folder or give another --out")
            if differ := [name for name in identity if other.get(name) != identity[name]]:
                raise UserError(f"{out} holds a run with another {' and '.join(differ)}; give another --out, or leave it out")
        elif out.is_dir() and any(p.name != "lock" and ".tmp" not in p.name for p in out.iterdir()):   # those a killed start leaves
            raise UserError(f"{out} holds other things and no run; give another --out")
        lock = None
        if not options.plan:
            out.mkdir(parents=True, exist_ok=True)
            lock = open(out / "lock", "w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{out} is in use by another run; wait for it or give --out") from None
            if options.fresh:
                for path in out.iterdir():
                    if any((path / name).is_file() for name in ("result.json", "state.safetensors", "answers-part.jsonl")):
                        shutil.rmtree(path)
                    elif path.is_file() and path.name not in ("lock", "run.json"):
                        path.unlink()
            write_json(out / "run.json", identity)
    except OSError as error:
        raise UserError(f"--out {out} cannot be written ({error.strerror}); give another folder") from None
    return Run(out, options, identity, task, base, tokenizer, method_code, lock)


WHOLE, MERGED, ADAPTER = "model.safetensors", "merged/model.safetensors", "adapter_model.safetensors"


class Cell:
    """One model while it is trained and measured: its folder, its progress, and the state of its training on the way."""

    def __init__(self, run, folder, key, lr, keep):
        self.run, self.folder, self.key, self.lr, self.kept = run, folder, key, lr, keep
        self.state, self.part, self.bars = folder / "state.safetensors", folder / "answers-part.jsonl", []
        if folder.is_dir():
            for path in folder.iterdir():                                    # of an older key, or half-made
                if path.is_dir():
                    shutil.rmtree(path)
                elif path not in (self.state, self.part):
                    path.unlink()
        else:
            folder.unlink(missing_ok=True)                                   # if somebody put a file there
        folder.mkdir(parents=True, exist_ok=True)

    def progress(self, label, total):
        self.bars.append([label, Progress(label, total), time.time()])
        return self.bars[-1][1]

    def train(self, lm, steps, targets):
        """Run finetune's steps to the end, through kills and shortage of memory -> {"losses", "train_seconds"}."""
        longest = max((len(t.prompt_ids) + len(t.ids) for t in targets), default=1)
        budget, lm.checkpointing = training.micro_budget(lm, self.run.train_dtype, longest)
        if not self.state.is_file():                                         # trained anew: so are the answers
            self.part.unlink(missing_ok=True)
        result = training.train(lm, steps, self.progress, lambda lm: self.run.method_code.optimiser_of(lm, self.lr), budget,
                                self.state, self.key)
        lm.checkpointing = False
        return result

    def answers(self, split, jobs, answer):
        """The model's answers to jobs (example, sample), in fixed chunks that a kill leaves behind: answer(jobs, progress) -> rows."""
        done = [a for a in read_jsonl(self.part, ("cell", "split", "id", "sample")) if a["cell"] == self.key]
        mine = [a for a in done if a["split"] == split]
        if [(a["id"], a["sample"]) for a in mine] != [(e.id, sample) for e, sample in jobs[:len(mine)]]:      # damaged: all of it anew
            mine, done = [], [a for a in done if a["split"] != split]
        bar, chunk = self.progress(split, len(jobs)), self.run.chunk
        bar(len(mine))
        for i in range(len(mine), len(jobs), chunk):
            made = [{"cell": self.key, "split": split} | a for a in answer(jobs[i:i + chunk], bar)]
            self.run.verdicts.ahead(jobs[i:i + chunk], made)
            mine, done = mine + made, done + made
            write_jsonl(self.part, done)
        return [{k: v for k, v in a.items() if k not in ("cell", "split")} for a in mine]

    def keep(self, lm):
        """Store the tuned model: an adapter always, whole checkpoints as --keep says."""
        o = self.run.options
        if o.lora:
            model.save_adapter(lm, self.folder, o.model if o.commit is None else f"{o.model.partition('@')[0]}@{o.commit}")
        if self.kept:
            model.save(lm, self.run.tokenizer, self.folder / "merged" if o.lora else self.folder)


class Run:
    def __init__(self, out, options, identity, task, base, tokenizer, method_code, lock):
        self.out, self.options, self.identity = out, options, identity
        self.task, self.base, self.tokenizer, self.method_code = task, base, tokenizer, method_code
        device = next(base.parameters()).device
        self.sample_dtype, why_sample = model.precision(device, "sample")
        self.train_dtype, why_train = model.precision(device, "train")
        if options.dtype:
            self.sample_dtype = self.train_dtype = getattr(torch, options.dtype)
            why_sample = why_train = "asked for"
        self.dtypes = [str(self.sample_dtype), str(self.train_dtype)]
        self.why = f"{device.type}: sampling in {short(self.sample_dtype)} ({why_sample}); training in {short(self.train_dtype)} ({why_train})"
        self.code = {"model.py": code_of(model), "train": code_of(method_code, "finetune"),
                     "measure": digest(code_of(method_code, "measure"), code_of(benchmarks))}
        self.big = sum(p.numel() for p in base.parameters()) > 50e6
        self.chunk = SMALL_CHUNK if self.big and device.type == "cpu" else CHUNK
        self.code["attempt"] = digest(code_of(method_code, "attempt"), self.code["model.py"])
        self.machine = [torch.__version__, device.type]
        self.seconds = {"sampling": [0, 0.0], "training": [0, 0.0], "scoring": [0, 0.0]}       # tokens, seconds of this run
        self.began = time.time()
        self.keys = read_json(out / "keys.json")
        self.lock = lock             # held as long as this object lives
        self.verdicts = Verdicts(task, out, options.plan)

    # ---- the plan

    def plan(self, drawn, measured, methods, accept, sampled, sampler):
        """Print what this run is and what is left to do, with minutes, memory and disk."""
        o, c = self.options, self.base.config
        parameters = sum(p.numel() for p in self.base.parameters())
        name = "the bundled teaching model" if o.bundled else o.model if o.commit else o.folder.resolve().name
        print(f"{self.task.title} on {name} ({parameters / 1e6:.1f}M parameters)"
              + (f". This is no {o.task} figure of the literature; for the real thing:\n  python s3ft.py --task {o.task} "
                 "--model Qwen/Qwen2.5-0.5B-Instruct   (any checkpoint of a supported family; fetches it and the official data)"
                 if self.task.title.startswith("tiny-") and o.task in TASKS else ""))
        for line in ([f"{o.task}: {self.task.fields}"] if self.task.fields else []) + self.task.notes:
            print(line)
        if self.task.name == "exact":
            print("the exact judge accepts a paraphrase only if it equals the gold, so rewriting can hardly add anything")
        print(self.why + "; " + (f"LoRA of rank {o.lora} (alpha {o.lora_alpha:g}, dropout {o.lora_dropout:g}) on {', '.join(o.lora_targets)}"
                                 if o.lora else "all weights are tuned, in fp32"))
        questions = list({e.id: e for examples in drawn.values() for e in examples}.values())
        have = {}
        for a in read_jsonl(self.out / "attempts.jsonl", ATTEMPT):
            if a["base"] == self.attempt_key()[0]:
                have.setdefault((a["id"], a["source"]), []).append(a)
        rows = {m: methods[m] for m in o.methods}
        todo = {stage: [e for e in needed(stage, questions, rows, have, accept, sampled) if (e.id, stage) not in have] for stage in ("own", "paraphrase")}
        own = len(todo["own"])
        # of the paraphrases that a refused own answer would call for, half, while those answers are still to be sampled
        unsure = {e.id for e in todo["own"]} if all(row[0] != "paraphrase" for row in rows.values()) else set()
        rewrites = sum(0.5 if e.id in unsure else 1 for e in todo["paraphrase"])
        cells = [(m, lr, s) for s in o.seeds for m in o.methods for lr in o.lr]
        left = [x for x in cells if not (self.out / self.name(*x) / "result.json").is_file()]
        bases = [s for s in o.seeds if not (self.out / self.name("base", None, s) / "result.json").is_file()]
        if not (own or rewrites or left or bases):
            return print(f"all cells are there: {self.out}")

        # tokens from the files (a public model answers at about twice a gold's length), speeds from a few seconds of the real thing
        seed = o.seeds[0]
        items = measured[seed]
        some = (drawn[seed] or items["test"])[:64]
        ask = mean(len(self.tokenizer.encode_chat(self.task.ask(e))) for e in some)
        gold = mean(len(self.tokenizer.encode(self.task.gold(e))) for e in some)
        answer = mean(len(self.tokenizer.encode(e.extra.get("voice", e.answer))) for e in some) if o.bundled else min(2 * gold, o.max_new_tokens)
        if have:
            answer = mean(len(a["ids"]) for tries in have.values() for a in tries)
        speed = self.try_speed(sampler, some, max(1, int(answer)))
        tests = len(items["test"]) * o.test_samples + len(items["validation"])
        options = [(i, k) for rows in items["benchmarks"].values() for i in rows[:16] for k in range(len(i.endings))]
        scored = sum(len(i.endings) for rows in items["benchmarks"].values() for i in rows) * mean(
            len(self.tokenizer.encode(i.endings[k])) + len(self.tokenizer.encode(i.contexts[k])) / len(i.endings) for i, k in options) if options else 0
        each = answer / speed["sample"] + ask / speed["read"]                # seconds for one answer
        t_attempts = (own * o.samples * each + rewrites * o.samples * (each + gold / speed["read"]))
        t_measure = tests * each + (scored + min(100, tests) * 2 * (ask + answer)) / speed["read"]
        t_train = len(drawn[seed]) * o.epochs * (ask + (answer + gold) / 2) / speed["train"]
        total = t_attempts + len(bases) * t_measure + len(left) * (t_train + t_measure)
        print(f"plan: {len(questions)} questions; {own} own answers and {'about ' * bool(unsure)}{rewrites:.0f} paraphrases to sample ({minutes(t_attempts)}); "
              f"{len(bases) + len(left)} of {len(o.seeds) + len(cells)} cells to do ({minutes(t_train)} training and {minutes(t_measure)} measuring each)")
        kept = {"none": 0, "last": len(o.methods), "all": len(cells)}[o.keep]
        size = sum(p.numel() * p.element_size() for p in self.base.parameters()) if o.lora else 4 * parameters
        disk = kept * size + len(questions) * 6000 + (len(cells) * speed["trainable"] * 4 if o.lora else 0)
        memory = self.memory(sampler, speed["trainable"], ask + gold)
        print(f"plan: about {minutes(total)} in all, {memory / 1e9:.1f} GB memory, {disk / 1e6:.0f} MB disk in {self.out}", flush=True)

    def memory(self, sampler, trainable, length):
        """Bytes at the peak, which is training: the weights as held, what is trained four times over (weight, gradient, two
        moments), a micro-batch, some logits, torch itself and what it compiles for each shape."""
        held = {id(lm): sum(p.numel() * p.element_size() for p in lm.parameters()) for lm in (self.base, sampler)}
        budget, checkpointed = training.micro_budget(sampler, self.train_dtype, length)
        step = min(budget, self.options.batch * length) * training.bytes_per_token(self.base.config, self.train_dtype)
        # a processor's bf16 kernels are compiled for each shape and kept
        kernels = (1.2e9 if self.train_dtype == torch.bfloat16 else 0.6e9) if not sampler.model["embed_tokens"].weight.is_cuda else 0.6e9
        return sum(held.values()) + trainable * 16 + step * (0.2 if checkpointed else 1) + 6 * 2**26 + kernels

    def try_speed(self, lm, examples, answer):
        """Tokens per second of sampling, reading (prompts, options) and training, tried for a few seconds; trainable parameters."""
        o = self.options
        prompts = [self.tokenizer.encode_chat(self.task.ask(e)) for e in examples]
        some = prompts[:4] if self.big else prompts
        model.generate(lm, some[:2], 2)
        began = time.time()
        model.loglikelihood(lm, some, [[0]] * len(some))
        read = sum(map(len, some)) / (time.time() - began)
        began = time.time()
        if self.big:                                     # short prompts: decoding alone
            made = sum(len(c.ids) for c in model.generate(lm, [p[:8] for p in prompts] , 5)) * 0.8
        else:
            made = sum(len(c.ids) for c in model.generate(lm, (prompts * 5)[:300], min(answer, 12)))
        sample = made / (time.time() - began)
        if not o.methods:                                # nothing will be trained
            return {"sample": sample, "read": read, "train": read, "trainable": 0}
        batch = 2 if self.big else o.batch
        targets = [self.method_code.make_target(self.tokenizer, self.task, e, "gold", None) for e in examples[:(2 if self.big else 3) * batch]]
        trained = model.add_lora(lm, o.lora, o.lora_alpha, o.lora_dropout, o.lora_targets) if o.lora else copy.deepcopy(self.base).float()
        trainable = sum(p.numel() for p in trained.parameters() if p.requires_grad)
        began, times = time.time(), []
        steps = lambda **how: self.method_code.finetune(trained, targets, 1e-5, 1, batch, 0, self.train_dtype, **how)
        training.train(trained, steps, lambda label, total: lambda n=1: n and times.append(time.time() - began), None,
                       training.micro_budget(trained, self.train_dtype, 0)[0], None, None)
        model.remove_lora(lm)
        rate = batch * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else len(targets) / times[-1]   # the first warms up
        return {"sample": sample, "read": read, "train": rate * mean(len(t.prompt_ids) + len(t.ids) for t in targets), "trainable": trainable}

    # ---- attempts

    def attempt_key(self):
        o = self.options
        parts = {"the model": self.identity["model"], "the sampling settings": [o.max_new_tokens, o.temperature, self.dtypes[0]],
                 "the code that samples": self.code["attempt"], "torch or the device": self.machine}
        return digest(parts), {k: digest(v) for k, v in parts.items()}

    def attempts(self, jobs, make):
        """Attempts for all jobs [(example, source, sample)], sampled in chunks where they are not there yet.

        -> {(example id, source): [attempt, ...]}
        """
        if not jobs:
            return {}
        base, parts = self.attempt_key()
        path, source = self.out / "attempts.jsonl", jobs[0][1]
        have = {(a["id"], a["source"], a["sample"]): a for a in read_jsonl(path, ATTEMPT)}
        keys = {(e.id, source, sample): digest(base, self.tokenizer.encode_chat(self.task.ask(e) if source == "own" else self.task.rewrite(e)))
                for e, source, sample in jobs}
        missing = [job for job in jobs if have.get((job[0].id, *job[1:]), {}).get("key") != keys[(job[0].id, *job[1:])]]
        stale = [job for job in missing if (job[0].id, *job[1:]) in have]
        if stale:
            before = self.keys.get("attempts") or {}
            changed = [name for name in parts if before.get(name) not in (None, parts[name])] or ["the prompts"]
            print(f"{source}: {len(stale)} attempts are sampled again, because {' and '.join(changed)} changed", flush=True)
        if missing:
            bar, began, tokens = Progress(f"{source} answers" if source == "own" else "paraphrases", len(missing)), time.time(), 0
            for i in range(0, len(missing), self.chunk):
                start = time.time()
                made = make(missing[i:i + self.chunk], bar)
                share = (time.time() - start) / len(made)
                tokens += sum(len(a["ids"]) + 1 for a in made)
                have |= {(a["id"], a["source"], a["sample"]): a | {"key": keys[a["id"], a["source"], a["sample"]], "base": base, "seconds": round(share, 4)}
                         for a in made}
                write_jsonl(path, have.values())
                self.verdicts.ahead(missing[i:i + self.chunk], made, source)
            self.keys["attempts"] = parts
            write_json(self.out / "keys.json", self.keys)
            self.note("sampling", tokens, time.time() - began)
        self.verdicts.ahead(jobs, [have[e.id, source, sample] for e, _, sample in jobs], source)     # those of an earlier run too
        found = {}
        for e, source, sample in jobs:
            found.setdefault((e.id, source), []).append(have[e.id, source, sample])
        return found

    def note(self, kind, tokens, seconds):
        self.seconds[kind][0] += tokens
        self.seconds[kind][1] += seconds

    # ---- targets and cells

    def write_targets(self, method, seed, chosen, targets):
        """targets-METHOD.jsonl: of all seeds of this run, ids for us, `prompt` and `completion` as chat messages for others.

        same_ids: whether those messages, put through the chat template, encode to our ids again (a model may have sampled a word
        in other pieces than the tokenizer would cut it).
        """
        path = self.out / f"targets-{method}.jsonl"
        rows = [r for r in read_jsonl(path, ("seed",)) if r["seed"] != seed and r["seed"] in self.options.seeds]
        for (example, source, attempt), t in zip(chosen, targets):
            text = self.task.text(example, source) if attempt is None else attempt["text"]
            said = [{"role": "assistant", "content": text}]
            ids = t.prompt_ids + t.ids
            same = attempt is None or self.tokenizer.encode_chat(self.task.ask(example) + said)[:len(ids)] == ids
            rows.append({"seed": seed, "id": t.id, "source": source, "prompt_ids": t.prompt_ids, "ids": t.ids,
                         "prompt": self.task.ask(example), "completion": said, "same_ids": same})
        write_jsonl(path, sorted(rows, key=lambda r: r["seed"]))

    def name(self, method, lr, seed):
        o = self.options
        return f"{method}-s{seed}" if lr is None else f"{method}-lr{lr:g}{f'-lora{o.lora}' if o.lora else ''}-e{o.epochs}-s{seed}"

    def keeps(self, method, lr, seed):
        o = self.options
        twice = o.lora and (o.folder / "adapter_config.json").is_file()      # an adapter on an adapter opens only when merged
        return lr is not None and (twice or o.keep == "all" or o.keep == "last" and (lr, seed) == (o.lr[-1], o.seeds[-1]))

    def cell(self, method, lr, seed, targets, items, make):
        """One trained and measured model: read from its folder if its key still fits, else made again.

        targets None: the base model. make(cell) -> what `measure` returns, and what cell.train does.
        """
        o, folder = self.options, self.out / self.name(method, lr, seed)
        ids = {split: [self.tokenizer.encode_chat(self.task.ask(e)) for e in items[split]] for split in ("validation", "test")}
        parts = {"the items it is measured on": [ids, {name: [[i.id, i.contexts, i.endings] for i in rows] for name, rows in items["benchmarks"].items()}],
                 "the sampling settings": [o.max_new_tokens, self.dtypes[0], o.test_samples, o.test_temperature], "the model": self.identity["model"],
                 "the code that measures": [self.code["measure"], self.code["model.py"]], "torch or the device": self.machine}
        if targets is not None:
            parts |= {"the targets": [[t.prompt_ids, t.ids] for t in targets], "the code that trains": self.code["train"],
                      "the training settings": [lr, o.epochs, o.batch, o.schedule, seed, self.dtypes[1],
                                                  [o.lora, o.lora_alpha, o.lora_dropout, o.lora_targets] if o.lora else None],
                      "the base model's answers": [a["ids"] for a in items["probe"]]}
        parts = {name: digest(value) for name, value in parts.items()}
        keep = self.keeps(method, lr, seed)
        if result := read_json(folder / "result.json"):
            old, answers = result.get("key"), self.answers(folder)
            times = {"validation": 1, "test": o.test_samples}
            whole = (isinstance(old, dict) and all(name in result for name in RESULT)
                     and all([a["id"] for a in answers[split]] == [e.id for e in items[split] for _ in range(times[split])] for split in answers)
                     and result["benchmark_ids"] == {name: [i.id for i in rows] for name, rows in items["benchmarks"].items()})
            changed = [name for name in parts if isinstance(old, dict) and old.get(name) != parts[name]]
            lost = [name for name, size in (result.get("weights") or {}).items()
                    if not (folder / name).is_file() or (folder / name).stat().st_size != size]
            weights = MERGED if o.lora else WHOLE
            if changed:
                why = f"{' and '.join(changed)} changed"
            elif not whole:
                why = "its files are damaged"
            elif lost or keep and weights not in result["weights"]:
                why = "its checkpoint is not there"
            else:
                return result | {"answers": answers}
            print(f"{folder.name} is done again, because {why}", flush=True)
        print(f"{folder.name}" + (f": {len(targets)} targets" if targets is not None else ""), flush=True)
        cell = Cell(self, folder, digest(parts), lr, keep)
        began, bars = time.time(), cell.bars
        result = make(cell)
        ends = [bar[2] for bar in bars[1:]] + [time.time()]
        spent = {bar[0]: end - bar[2] for bar, end in zip(bars, ends)}
        for split in ("validation", "test"):
            if split in spent:
                self.note("sampling", sum(len(a["ids"]) + 1 for a in result["answers"][split]), spent[split])
        if targets is not None and targets:
            self.note("training", o.epochs * sum(len(t.prompt_ids) + len(t.ids) for t in targets), result.pop("train_seconds"))
        for name, rows in items["benchmarks"].items():
            texts = {c for i in rows for c in i.contexts} | {i.id + e for i in rows for e in i.endings}
            self.note("scoring", sum(len(self.tokenizer.encode(t)) for t in texts), spent.get(name, 0))
        answers = result.pop("answers")
        write_jsonl(folder / "answers.jsonl", [{"split": split} | a for split in answers for a in answers[split]])
        result |= {"key": parts, "method": method, "lr": lr, "epochs": o.epochs if lr else None, "seed": seed,
                   "targets": len(targets) if targets is not None else None,
                   "target_tokens": sum(len(t.ids) for t in targets) if targets is not None else None,
                   "benchmark_ids": {name: [i.id for i in rows] for name, rows in items["benchmarks"].items()},
                   "weights": {name: (folder / name).stat().st_size for name in (WHOLE, MERGED, ADAPTER) if (folder / name).is_file()},
                   "seconds": round(time.time() - began, 2)}
        write_json(folder / "result.json", result)
        for path in (cell.state, cell.part):
            path.unlink(missing_ok=True)
        return result | {"answers": answers}

    def answers(self, folder):
        splits = {"validation": [], "test": []}
        for a in read_jsonl(folder / "answers.jsonl", ANSWER):
            splits.setdefault(a.pop("split"), []).append(a)
        return splits

    # ---- results.json

    def results(self, cells, accept, attempts, drawn, dropped, methods):
        """Judge everything anew, write verdicts.jsonl and results.json, and return the latter: all that the table shows."""
        o, task = self.options, self.task
        examples = {e.id: e for x in drawn.values() for e in x}
        gold = {split: {e.id: e for e in task.load(split)} for split in ("validation", "test") if any(c["answers"].get(split) for c in cells)}
        items = benchmarks.load(TINY) if o.bundled else {}
        by_id = {i.id: i for rows in items.values() for i in rows}
        rows = []
        for cell in cells:                               # those of an earlier run are not judged yet
            for split, answers in cell["answers"].items():
                self.verdicts.ahead([(gold[split][a["id"]],) for a in answers], answers)
        for cell in cells:
            method, seed = cell["method"], cell["seed"]
            row = {k: cell[k] for k in ("method", "lr", "epochs", "seed", "targets", "target_tokens", "kl")}
            for split, answers in cell["answers"].items():
                judged = [TOO_LONG if a["finish_reason"] == "too long" else self.verdicts.score(gold[split][a["id"]], a["text"]) for a in answers]
                if answers:
                    row[split] = report.split_row([a["id"] for a in answers], [v.ok for v in judged]) | {
                        "ids": digest([a["id"] for a in answers]), "cut_off": mean(a["finish_reason"] != "end" for a in answers)}
                    if hasattr(task, "summary"):
                        row[split]["summary"] = task.summary([gold[split][a["id"]] for a in answers], judged)
            row["benchmarks"] = {}
            for name, scores in cell["benchmarks"].items():
                ids = [by_id[i] for i in cell["benchmark_ids"][name]]
                right = benchmarks.right(ids, scores)
                row["benchmarks"][name] = {"right": "".join("01"[r] for r in right), "accuracy": mean(right), "chance": mean(i.chance for i in ids),
                                           "ids": digest([i.id for i in ids])}
            if method != "base":
                row["loss"] = cell["losses"][-1] if cell["losses"] else None
                row["sources"] = {}
                for t in read_jsonl(self.out / f"targets-{method}.jsonl"):
                    if t["seed"] == seed:
                        row["sources"][t["source"]] = row["sources"].get(t["source"], 0) + 1
                row["dropped"] = len(drawn[seed]) - sum(row["sources"].values())
                asked = [(e.id, stage) for stage in ("own", "paraphrase")      # what this method alone would have sampled
                         for e in needed(stage, drawn[seed], {method: methods[method]}, attempts[seed], accept, self.method_code.SAMPLED)]
                spent = sum(a["seconds"] for pair in asked for a in attempts[seed][pair])
            row["times"] = {"minutes": round((cell["seconds"] + (spent if method != "base" else 0)) / 60, 2)}
            rows.append(row)
        verdicts, rules = [], {}
        sampled = {(a["id"], a["source"], a["sample"]): a for mine in attempts.values() for tries in mine.values() for a in tries}
        for (id, stage, sample), a in sampled.items():
            v = accept(examples[id], a["text"], stage) if a["finish_reason"] == "end" else UNFINISHED
            verdicts.append({"id": id, "source": stage, "sample": sample, "ok": v.ok, "rule": v.rule, "extracted": v.extracted, "reason": v.reason})
            count = rules.setdefault(stage, {}).setdefault(v.rule, [0, 0])
            count[0] += v.ok
            count[1] += 1
        write_jsonl(self.out / "verdicts.jsonl", verdicts)
        same = [r["same_ids"] for m in o.methods for r in read_jsonl(self.out / f"targets-{m}.jsonl", ("same_ids",)) if r["source"] in self.method_code.SAMPLED]
        results = {"task": task.title, "task_name": o.task if o.task in TASKS else None,
                   "model": "bundled teaching model" if o.bundled else o.model if o.commit else o.folder.resolve().name,
                   "commit": o.commit, "encode_back": {"sampled": len(same), "same": mean(same)},
                   "cells": rows, "verdicts": rules, "copies": copies(sampled.values(), task, examples, accept),
                   "do_not_fit": dropped,
                   "settings": {k: getattr(o, k) for k in ("methods", "lr", "epochs", "batch", "limit", "test_limit", "benchmark_limit", "seeds", "samples",
                                                           "temperature", "max_new_tokens", "schedule", "lora", "lora_alpha", "lora_dropout",
                                                           "lora_targets", "test_samples", "test_temperature", "all_asserts", "unsafe_code")}
                   | {"dtypes": self.dtypes, "judge": task.name}, "notes": task.notes,
                   "versions": {"python": sys.version.split()[0], "torch": torch.__version__}, "device": self.machine[1],
                   "identity": self.identity,
                   "times": {"minutes": round((time.time() - self.began) / 60, 2),
                             "tokens_per_second": {k: round(n / s) for k, (n, s) in self.seconds.items() if s > 0}}}
        write_json(self.out / "results.json", results)
        return results


def copies(attempts, task, examples, accept):
    """Do rewrites merely copy? Of the accepted paraphrases: how many, the share equal to the gold but for white space (code: and
    comments; `renamed`: and the names of variables), and the mean similarity to it (0 to 1, difflib)."""
    pairs, renamed = [], []
    for a in attempts:
        if a["source"] == "paraphrase" and a["finish_reason"] == "end":
            verdict = accept(examples[a["id"]], a["text"], "paraphrase")
            if verdict.ok and hasattr(task, "alike"):
                pair, other = task.alike(examples[a["id"]], verdict)
                renamed.append(other[0] == other[1])
                pairs.append(pair)
            elif verdict.ok:
                pairs.append((" ".join(a["text"].split()), " ".join(a["gold"].split())))
    return {"accepted": len(pairs), "equal": mean(a == b for a, b in pairs), **({"renamed": mean(renamed)} if renamed else {}),
            "similarity": mean(difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() for a, b in pairs)}


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def short(dtype):
    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
