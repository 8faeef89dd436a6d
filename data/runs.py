"""runs.py - the run folder: what was made from what, what must be made again, and how long it takes.

    OUT/run.json               task, model and data that this folder belongs to
    OUT/attempts.jsonl         own answers and paraphrases, each with the key of what it was made from
    OUT/targets-METHOD.jsonl   what each method trains on, as ids and as chat messages
    OUT/CELL/result.json       one trained and measured model (method, rate, epochs, seed) with its key; answers.jsonl beside it
    OUT/results.json           everything that the table shows

A key is a digest of all that a thing depends on: ids, settings, model files, and the code of the functions that make it (as a
syntax tree, so that a comment costs nothing). A thing whose key still fits is used, any other is made again and the run says
why. Every file is written whole to a temporary name and then renamed, so a kill leaves the old or the new one.
"""
import ast
import copy
import difflib
import fcntl
import hashlib
import inspect
import json
import os
import shutil
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

import judge
import model
from data import TINY, UserError, benchmarks
from data.chat import write_atomic

CHUNK = 300                      # attempts in a chunk, the unit that a killed run loses at most
ROOT = Path(__file__).resolve().parent.parent


# ---------------------------------------------------------------- keys

def digest(*things):
    """A short fingerprint of JSON-able things."""
    return hashlib.sha256(json.dumps(things, sort_keys=True).encode()).hexdigest()[:16]


def number_of(text):
    """A number below 2^53 that belongs to a text: names a job's row of random numbers."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:13], 16)


def file_digest(paths):
    """Fingerprint of files' names and contents."""
    total = hashlib.sha256()
    for path in sorted(paths):
        with open(path, "rb") as f:
            total.update(path.name.encode())
            for block in iter(lambda: f.read(1 << 20), b""):
                total.update(block)
    return total.hexdigest()[:16]


def code_of(module, *names):
    """Fingerprint of top-level functions of a module and of everything in it that they use, as syntax trees without docstrings.

    Without names: of the whole module.
    """
    tree = ast.parse(inspect.getsource(module) if not isinstance(module, Path) else module.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and node.body and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    defined = {}
    for node in tree.body:
        for name in ([node.name] if hasattr(node, "name") else [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]):
            defined[name] = node
    used, ahead = {}, list(names or defined)
    while ahead:
        name = ahead.pop()
        if name in defined and name not in used:
            used[name] = ast.dump(defined[name])
            ahead += [n.id for n in ast.walk(defined[name]) if isinstance(n, ast.Name)]
    return digest(used)


def write_json(path, value):
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def write_jsonl(path, rows):
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def read_json(path):
    """The JSON object in a file of ours; {} where it is missing or damaged, so that what it told is made again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_jsonl(path, fields=()):
    """The rows of a file of ours that are whole: JSON objects with these fields. Damaged ones are left out, to be made again."""
    rows = []
    for line in path.read_bytes().decode("utf-8", errors="replace").split("\n") if path.is_file() else []:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and all(name in row for name in fields):
            rows.append(row)
    return rows


ATTEMPT = ("id", "source", "sample", "text", "gold", "finish_reason", "prompt_ids", "ids", "key", "base", "seconds")
ANSWER = ("split", "id", "text", "finish_reason", "prompt_ids", "ids")
RESULT = ("key", "method", "lr", "epochs", "seed", "targets", "target_tokens", "benchmarks", "benchmark_ids", "kl", "seconds")


# ---------------------------------------------------------------- progress

class Progress:
    """Call it with the number of things newly done. A bar on a terminal, else a line per ten per cent (and per five seconds)."""

    def __init__(self, label, total):
        self.label, self.total, self.done, self.began = label, total, 0, time.time()
        self.told, self.last = 0, self.began
        self.bar = tqdm(total=total, desc=label, leave=False, dynamic_ncols=True) if sys.stderr.isatty() else None

    def __call__(self, n=1):
        self.done += n
        now = time.time()
        if self.bar is not None:
            self.bar.update(n)
            if self.done >= self.total:
                self.bar.close()
        elif self.done < self.total and self.done * 10 // self.total > self.told and now - self.last > 5:
            self.told, self.last = self.done * 10 // self.total, now
            left = (now - self.began) / self.done * (self.total - self.done)
            print(f"  {self.label}: {self.done} of {self.total}, {minutes(left)} to go", file=sys.stderr, flush=True)


def minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


# ---------------------------------------------------------------- what main asks for before it samples

def fitting(examples, task, tokenizer, context, max_new_tokens):
    """(examples that fit the context with their gold, rewrite prompt and answer; how many do not). The same for all methods."""
    ask = task.ask(examples[0])
    prompt, chat = tokenizer.encode_chat(ask), tokenizer.encode_chat(ask + [{"role": "assistant", "content": "1"}])
    if chat[:len(prompt)] != prompt or tokenizer.close_id not in chat[len(prompt):]:
        raise UserError("the model's chat template does not close an answer with a token of its own, or changes the question "
                        "once it is answered; take another model")
    kept = []
    for e in examples:
        # a token is at least one character or byte, so short texts need no counting
        size = len((task.ask(e)[0]["content"] + task.rewrite(e)[0]["content"] + task.gold(e)).encode())
        if size + max_new_tokens + 100 > context:
            ask, gold = len(tokenizer.encode_chat(task.ask(e))), len(tokenizer.encode(task.gold(e)))
            if max(len(tokenizer.encode_chat(task.rewrite(e))), ask) + max_new_tokens > context or ask + gold + 2 > context:
                continue
        kept.append(e)
    if not kept:
        raise UserError(f"no training example fits the model's context of {context} tokens with {max_new_tokens} new ones; lower --max-new-tokens")
    return kept, len(examples) - len(kept)


class Verdicts:
    """task.accept, each text judged once a run."""

    def __init__(self, task):
        self.task, self.known = task, {}

    def __call__(self, example, text, source):
        key = (example.id, source, text)
        if key not in self.known:
            self.known[key] = self.task.accept(example, text, source)
        return self.known[key]


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


def train(lm, steps, progress, budget=4096):
    """Run finetune's steps to the end -> loss of every step. When memory runs out, begin again with half the micro-batch."""
    start = copy.deepcopy(lm.state_dict()) if next(lm.parameters()).is_cuda else None
    while True:
        losses, bar = [], None
        try:
            for step in steps(lm, budget):
                bar = bar or progress("fine-tuning, steps", step["steps"])
                losses.append(round(step["loss"], 5))
                bar()
            return losses
        except torch.OutOfMemoryError:
            if budget < 256 or start is None:
                raise UserError("the model does not fit this device's memory for training; take a smaller one or --device cpu") from None
            budget //= 2
            lm.load_state_dict(start)
            lm.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            print(f"out of memory: trying micro-batches of {budget} tokens", file=sys.stderr)


# ---------------------------------------------------------------- the run folder

def open_run(options, task, base, tokenizer, method_code):
    """Find or make the run folder and make sure that it belongs to this task, model and data."""
    folder = Path(options.model)
    model_key = file_digest(p for p in folder.iterdir() if p.is_file() and p.suffix in (".json", ".safetensors", ".jinja") and p.name != "result.json")
    data_files = list(task.folder.glob("*.jsonl")) + list((TINY / "benchmarks").glob("*.jsonl"))
    identity = {"task": options.task, "model": model_key, "data": file_digest(data_files)}
    out = Path(options.out) if options.out else Path("runs") / f"{options.task}-{digest(identity)[:8]}"
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
                    if (path / "result.json").is_file():
                        shutil.rmtree(path)
                    elif path.is_file() and path.name not in ("lock", "run.json"):
                        path.unlink()
            write_json(out / "run.json", identity)
    except OSError as error:
        raise UserError(f"--out {out} cannot be written ({error.strerror}); give another folder") from None
    return Run(out, options, identity, task, base, tokenizer, method_code, lock)


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
        self.code["attempt"] = digest(code_of(method_code, "attempt"), self.code["model.py"])
        self.machine = [torch.__version__, device.type]
        self.seconds = {"sampling": [0, 0.0], "training": [0, 0.0], "scoring": [0, 0.0]}       # tokens, seconds of this run
        self.began = time.time()
        self.keys = read_json(out / "keys.json")
        self.lock = lock             # held as long as this object lives

    # ---- the plan

    def plan(self, drawn, measured, methods, accept, sampled):
        """Print what this run is and what is left to do, with minutes, memory and disk."""
        o, c = self.options, self.base.config
        parameters = sum(p.numel() for p in self.base.parameters())
        bundled_data = Path(o.data).resolve() == TINY.resolve()
        name = "the bundled teaching model" if o.bundled else Path(o.model).name
        print(f"{'tiny-' if bundled_data else ''}{o.task} on {name} ({parameters / 1e6:.1f}M parameters)"
              + (". This is no GSM8K figure; for the real thing:\n  python s3ft.py --task gsm8k --model FOLDER --data FOLDER   "
                 "(a Llama-style checkpoint and the official files; see README)" if bundled_data else ""))
        print(self.why)
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

        # tokens from the files, speeds from two seconds of the real thing on this machine
        seed = o.seeds[0]
        some = drawn[seed][:64]
        ask = mean(len(self.tokenizer.encode_chat(self.task.ask(e))) for e in some)
        answer = mean(len(self.tokenizer.encode(e.extra.get("voice", e.answer))) for e in some)
        speed = self.try_speed(some, int(answer))
        items = measured[seed]
        tests = len(items["test"]) + len(items["validation"])
        options = [(i, k) for rows in items["benchmarks"].values() for i in rows[:16] for k in range(len(i.endings))]
        scored = sum(len(i.endings) for rows in items["benchmarks"].values() for i in rows) * mean(
            len(self.tokenizer.encode(i.endings[k])) + len(self.tokenizer.encode(i.contexts[k])) / len(i.endings) for i, k in options) if options else 0
        t_attempts = (own + rewrites) * answer * o.samples / speed["sample"]
        t_measure = tests * answer / speed["sample"] + scored / speed["score"]
        t_train = len(drawn[seed]) * o.epochs * (ask + answer) / speed["train"]
        total = t_attempts + len(bases) * t_measure + len(left) * (t_train + t_measure)
        copies = parameters * (4 * 4 + 4 + self.base.model["embed_tokens"].weight.element_size() + 2)
        # weights, optimiser and copies; a micro-batch; torch itself and what it compiles for each shape
        memory = copies + 4096 * (c.vocab_size * 8 + c.num_hidden_layers * c.hidden_size * 60) + 1.2e9
        kept = {"none": 0, "last": len(o.methods), "all": len(cells)}[o.keep]
        print(f"plan: {len(questions)} questions; {own} own answers and {'about ' * bool(unsure)}{rewrites:.0f} paraphrases to sample ({minutes(t_attempts)}); "
              f"{len(bases) + len(left)} of {len(o.seeds) + len(cells)} cells to do ({minutes(t_train)} training and {minutes(t_measure)} measuring each)")
        disk = kept * parameters * 4 + len(questions) * 6000
        print(f"plan: about {minutes(total)} in all, {memory / 1e9:.1f} GB memory, {disk / 1e6:.0f} MB disk in {self.out}", flush=True)

    def try_speed(self, examples, answer):
        """Tokens per second of sampling, training and scoring, tried on a few examples (the model is not changed)."""
        prompts = [self.tokenizer.encode_chat(self.task.ask(e)) for e in examples]
        lm = copy.deepcopy(self.base).to(self.sample_dtype)
        model.generate(lm, prompts[:4], 4)
        began = time.time()
        made = sum(len(c.ids) for c in model.generate(lm, (prompts * 5)[:300], min(answer, 12)))
        sample = made / (time.time() - began)
        targets = [self.method_code.make_target(self.tokenizer, self.task, e, "gold", None) for e in examples[:3 * self.options.batch]]
        trained = copy.deepcopy(self.base).float()
        began, times = time.time(), []
        for _ in self.method_code.finetune(trained, targets, 1e-5, 1, self.options.batch, 0, self.train_dtype):
            times.append(time.time() - began)
        rate = self.options.batch * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 2 else len(targets) / times[-1]   # the first warms up
        train_rate = rate * mean(len(t.prompt_ids) + len(t.ids) for t in targets)
        began = time.time()
        model.loglikelihood(lm, prompts, [t.ids for t in targets][:1] * len(prompts))
        return {"sample": sample, "train": train_rate, "score": sum(map(len, prompts)) / (time.time() - began)}

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
        missing = [job for job in jobs if have.get((job[0].id, *job[1:]), {}).get("key") != keys[job[0].id, *job[1:]]]
        stale = [job for job in missing if (job[0].id, *job[1:]) in have]
        if stale:
            before = self.keys.get("attempts") or {}
            changed = [name for name in parts if before.get(name) not in (None, parts[name])] or ["the prompts"]
            print(f"{source}: {len(stale)} attempts are sampled again, because {' and '.join(changed)} changed", flush=True)
        if missing:
            bar, began, tokens = Progress(f"{source} answers" if source == "own" else "paraphrases", len(missing)), time.time(), 0
            for i in range(0, len(missing), CHUNK):
                start = time.time()
                made = make(missing[i:i + CHUNK], bar)
                share = (time.time() - start) / len(made)
                tokens += sum(len(a["ids"]) + 1 for a in made)
                have |= {(a["id"], a["source"], a["sample"]): a | {"key": keys[a["id"], a["source"], a["sample"]], "base": base, "seconds": round(share, 4)}
                         for a in made}
                write_jsonl(path, have.values())
            self.keys["attempts"] = parts
            write_json(self.out / "keys.json", self.keys)
            self.note("sampling", tokens, time.time() - began)
        found = {}
        for e, source, sample in jobs:
            found.setdefault((e.id, source), []).append(have[e.id, source, sample])
        return found

    def note(self, kind, tokens, seconds):
        self.seconds[kind][0] += tokens
        self.seconds[kind][1] += seconds

    # ---- targets and cells

    def write_targets(self, method, seed, chosen, targets):
        """targets-METHOD.jsonl: of all seeds of this run, ids for us, `prompt` and `completion` as chat messages for others."""
        path = self.out / f"targets-{method}.jsonl"
        rows = [r for r in read_jsonl(path, ("seed",)) if r["seed"] != seed and r["seed"] in self.options.seeds]
        for (example, source, attempt), t in zip(chosen, targets):
            text = self.task.text(example, source) if attempt is None else attempt["text"]
            rows.append({"seed": seed, "id": t.id, "source": source, "prompt_ids": t.prompt_ids, "ids": t.ids,
                         "prompt": self.task.ask(example), "completion": [{"role": "assistant", "content": text}]})
        write_jsonl(path, sorted(rows, key=lambda r: r["seed"]))

    def name(self, method, lr, seed):
        return f"{method}-s{seed}" if lr is None else f"{method}-lr{lr:g}-e{self.options.epochs}-s{seed}"

    def keeps(self, method, lr, seed):
        o = self.options
        return lr is not None and (o.keep == "all" or o.keep == "last" and (lr, seed) == (o.lr[-1], o.seeds[-1]))

    def cell(self, method, lr, seed, targets, items, make):
        """One trained and measured model: read from its folder if its key still fits, else made again.

        targets None: the base model. make(progress, keep) -> what `measure` returns, and losses; keep(lm) stores the checkpoint.
        """
        o, folder = self.options, self.out / self.name(method, lr, seed)
        ids = {split: [self.tokenizer.encode_chat(self.task.ask(e)) for e in items[split]] for split in ("validation", "test")}
        parts = {"the items it is measured on": [ids, {name: [[i.id, i.contexts, i.endings] for i in rows] for name, rows in items["benchmarks"].items()}],
                 "the sampling settings": [o.max_new_tokens, self.dtypes[0]], "the model": self.identity["model"],
                 "the code that measures": [self.code["measure"], self.code["model.py"]], "torch or the device": self.machine}
        if targets is not None:
            parts |= {"the targets": [[t.prompt_ids, t.ids] for t in targets], "the code that trains": self.code["train"],
                      "the training settings": [lr, o.epochs, o.batch, seed, self.dtypes[1]], "the base model's answers": [a["ids"] for a in items["probe"]]}
        parts = {name: digest(value) for name, value in parts.items()}
        keep = self.keeps(method, lr, seed)
        if result := read_json(folder / "result.json"):
            old, answers = result.get("key"), self.answers(folder)
            whole = (isinstance(old, dict) and all(name in result for name in RESULT)
                     and all([a["id"] for a in answers[split]] == [e.id for e in items[split]] for split in answers)
                     and result["benchmark_ids"] == {name: [i.id for i in rows] for name, rows in items["benchmarks"].items()})
            changed = [name for name in parts if isinstance(old, dict) and old.get(name) != parts[name]]
            weights = folder / "model.safetensors"
            if changed:
                why = f"{' and '.join(changed)} changed"
            elif not whole:
                why = "its files are damaged"
            elif keep and (not weights.is_file() or weights.stat().st_size != result.get("weights")):
                why = "its checkpoint is not there"
            else:
                return result | {"answers": answers}
            print(f"{folder.name} is done again, because {why}", flush=True)
        print(f"{folder.name}" + (f": {len(targets)} targets" if targets is not None else ""), flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.unlink(missing_ok=True)                               # if somebody put a file there
        folder.mkdir(parents=True)
        began, bars = time.time(), []

        def progress(label, total):
            bars.append([label, Progress(label, total), time.time()])
            return bars[-1][1]
        result = make(progress, lambda lm: model.save(lm, self.tokenizer, folder) if keep else None)
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
                   "weights": (folder / "model.safetensors").stat().st_size if keep else None, "seconds": round(time.time() - began, 2)}
        write_json(folder / "result.json", result)
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
        gold = {split: {e.id: e for e in task.load(split)} for split in ("validation", "test")}
        items = benchmarks.load(TINY) if o.bundled else {}
        by_id = {i.id: i for rows in items.values() for i in rows}
        rows = []
        for cell in cells:
            method, seed = cell["method"], cell["seed"]
            row = {k: cell[k] for k in ("method", "lr", "epochs", "seed", "targets", "target_tokens", "kl")}
            for split, answers in cell["answers"].items():
                right = [task.score(gold[split][a["id"]], a["text"]).ok for a in answers]
                if answers:
                    row[split] = {"right": bits(right), "accuracy": mean(right), "ids": digest([a["id"] for a in answers]),
                                  "cut_off": mean(a["finish_reason"] != "end" for a in answers)}
            row["benchmarks"] = {}
            for name, scores in cell["benchmarks"].items():
                ids = [by_id[i] for i in cell["benchmark_ids"][name]]
                right = benchmarks.right(ids, scores)
                row["benchmarks"][name] = {"right": bits(right), "accuracy": mean(right), "chance": mean(i.chance for i in ids),
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
            v = accept(examples[id], a["text"], stage)
            ok = v.ok and a["finish_reason"] == "end"
            rule = v.rule if a["finish_reason"] == "end" else "unfinished"
            verdicts.append({"id": id, "source": stage, "sample": sample, "ok": ok, "rule": rule, "extracted": v.extracted, "reason": v.reason})
            count = rules.setdefault(stage, {}).setdefault(rule, [0, 0])
            count[0] += ok
            count[1] += 1
        write_jsonl(self.out / "verdicts.jsonl", verdicts)
        results = {"task": ("tiny-" if Path(o.data).resolve() == TINY.resolve() else "") + o.task,
                   "model": "bundled teaching model" if o.bundled else Path(o.model).name,
                   "cells": rows, "verdicts": rules, "copies": copies(sampled.values(), examples, accept),
                   "do_not_fit": dropped,
                   "settings": {k: getattr(o, k) for k in ("methods", "lr", "epochs", "batch", "limit", "test_limit", "benchmark_limit", "seeds", "samples",
                                                           "temperature", "max_new_tokens")} | {"dtypes": self.dtypes},
                   "versions": {"python": sys.version.split()[0], "torch": torch.__version__}, "device": self.machine[1],
                   "identity": self.identity,
                   "times": {"minutes": round((time.time() - self.began) / 60, 2),
                             "tokens_per_second": {k: round(n / s) for k, (n, s) in self.seconds.items() if s > 0}}}
        write_json(self.out / "results.json", results)
        return results


def copies(attempts, examples, accept):
    """Do rewrites merely copy? Of the accepted paraphrases: how many, the share equal to the gold but for white space, and the
    mean similarity to it (0 to 1, difflib)."""
    pairs = [(" ".join(a["text"].split()), " ".join(a["gold"].split())) for a in attempts if a["source"] == "paraphrase"
             and a["finish_reason"] == "end" and accept(examples[a["id"]], a["text"], "paraphrase").ok]
    return {"accepted": len(pairs), "equal": mean(a == b for a, b in pairs),
            "similarity": mean(difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() for a, b in pairs)}


def bits(flags):
    return "".join("01"[bool(f)] for f in flags)


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def short(dtype):
    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]


# ---------------------------------------------------------------- looking

def ask(options):
    """The answer of the model in --model to the question in --ask."""
    lm, tokenizer = model.load(options.model, options.device)
    lm = lm.to(model.precision(next(lm.parameters()).device, "sample")[0])
    prompt = tokenizer.encode_chat([{"role": "user", "content": options.ask}])
    room = lm.config.max_position_embeddings - len(prompt)
    if room < 1:
        raise UserError(f"the question fills the model's context of {lm.config.max_position_embeddings} tokens; ask a shorter one")
    done = model.generate(lm, [prompt], min(room, options.max_new_tokens or 400), options.temperature, end_ids=tokenizer.end_ids)[0]
    return tokenizer.decode(done.ids) + (" [cut off]" if done.finish_reason == "length" else "")


def show(n, run, drawn, attempts, accept, cells):
    """Print n training examples from question to target (green: in the loss; grey: the masked prompt), and n test answers."""
    task, tokenizer, colour = run.task, run.tokenizer, sys.stdout.isatty()
    paint = lambda text, code: f"\033[{code}m{text}\033[0m" if colour else text
    seed = run.options.seeds[0]
    targets = {m: {t["id"]: t for t in read_jsonl(run.out / f"targets-{m}.jsonl") if t["seed"] == seed} for m in run.options.methods}
    kinds = {}                   # one example of each source of the last method, then the next of each
    for e in drawn[seed]:
        kinds.setdefault(next((rows[e.id]["source"] for rows in reversed(targets.values()) if e.id in rows), "none"), []).append(e)
    turns = [kinds[k][i] for i in range(n) for k in kinds if i < len(kinds[k])]
    for e in turns[:n]:
        print(paint(f"\n=== {e.id}", 1) + f"\nquestion:   {e.question}")
        for source in ("own", "paraphrase"):
            for a in attempts[seed].get((e.id, source), []):
                v = accept(e, a["text"], source)
                verdict = f"{'accepted' if v.ok else 'refused'} ({v.rule}: {v.extracted}) {v.reason}"
                if a["finish_reason"] != "end":
                    verdict = "unfinished, never a target"
                print(f"{source + ':':11} {a['text']}\n            -> {verdict}")
            if (e.id, source) not in attempts[seed]:
                print(f"{source + ':':11} (no method came to need one)")
        print(f"gold:       " + task.gold(e).replace("\n", "\n            "))
        for method, rows in targets.items():
            if t := rows.get(e.id):
                prompt, answer = (tokenizer.bpe.decode(ids, skip_special_tokens=False) for ids in (t["prompt_ids"], t["ids"]))
                print(f"{method} trains on {t['source']}, {len(t['ids'])} tokens in the loss, {len(t['prompt_ids'])} masked:")
                print(paint(prompt, 90) + (paint(answer, 32) if colour else f"[{answer}]"))
            else:
                print(f"{method}: dropped, no source was accepted")
    examples = {e.id: e for e in task.load("test")}
    for i in range(min(n, run.options.test_limit)):
        here = [(c, c["answers"]["test"][i]) for c in cells if c["seed"] == seed]
        e = examples[here[0][1]["id"]]
        print(paint(f"\n=== test {e.id}", 1) + f"\nquestion:   {e.question}\ngold:       " + task.gold(e).replace("\n", "\n            "))
        for c, a in here:
            v = task.score(e, a["text"])
            print(f"{run.name(c['method'], c['lr'], seed)}: {a['text']}\n            -> {'right' if v.ok else 'wrong'} ({v.rule}: {v.extracted})")
    print()
