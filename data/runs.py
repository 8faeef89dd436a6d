"""runs.py - the run folder: what was made from what, what must be made again, and how long it takes.

    OUT/run.json               task, model and data that this folder belongs to
    OUT/attempts.jsonl         own answers and paraphrases, each with the key of what it was made from
    OUT/targets-METHOD.jsonl   what each method trains on, as ids and as chat messages
    OUT/CELL/result.json       one trained and measured model (method, rate, epochs, seed) with its key; answers.jsonl beside it, and
                               NAME.jsonl for every benchmark (data/abilities.py)
    OUT/log-probabilities.json how likely the base model finds own answers, paraphrases and golds
    OUT/items.jsonl            what was asked: test questions and benchmark items
    OUT/verdicts.jsonl         what the judge said of every attempt; code-verdicts.jsonl: of programs, kept (data/verdicts.py)
    OUT/results.json           everything that the table shows

A key is a digest of all that a thing depends on: ids, settings, model files, and the code of the functions that make it (as a
syntax tree, so that a comment costs nothing). A thing whose key still fits is used, any other is made again and the run says
why. Every file is written whole to a temporary name and then renamed, so a kill leaves the old or the new one.
"""
import dataclasses
import difflib
try:
    import fcntl
except ImportError:               # native Windows
    fcntl = None
import shutil
import sys
import time
from pathlib import Path

import torch

import judge
import model
from data import TASKS, TINY, UserError, abilities, arithmetic, asserts, benchmarks, cells, checkpoint, device
from data import hub, tables, training
from data.fast import prefixes
from data.files import code_of, digest, file_digest, mean, number_of, read_json, read_jsonl, write_json, write_jsonl
from data.judging import code_blocks, spans
from data.look import ask, show                                              # noqa: F401 (s3ft.py calls them)
from data.tiny import world_truth
from data.training import Progress, minutes, within_memory                   # noqa: F401
from data.verdicts import Verdicts, check_sandbox                            # noqa: F401

CHUNK = 300                      # attempts or test answers in a chunk, the unit that a killed run loses at most;
SMALL_CHUNK = 64                 # for a model above 50M parameters on a CPU, where 300 would be a quarter of an hour



UNFINISHED = judge.Verdict(False, "unfinished", None, "cut off at the length limit, never a target")
TOO_LONG = judge.Verdict(False, "too long", None, "the prompt fills the model's context", {"em": 0, "f1": 0, "recall": 0})
ATTEMPT = ("id", "source", "sample", "text", "gold", "finish_reason", "prompt_ids", "ids", "key", "base", "seconds")
ANSWER = ("split", "id", "text", "finish_reason", "prompt_ids", "ids")
RESULT = ("key", "method", "lr", "epochs", "seed", "targets", "target_tokens", "kl", "seconds")
FORMAT = 2                       # of results.json; report.py reads this one
FIGURE2 = 84                     # training items whose log-probabilities are taken, as many as the paper's


# ---------------------------------------------------------------- what main asks for before it samples

def load_validation(options, task):
    """The questions on which several rates are compared, and which --results keeps too; else none."""
    if len(options.lr) > 1 or options.results:
        return task.load("validation")[:options.validation_limit]
    return []


def check_rates(options, validation):
    """UserError where several rates are given and there is nothing to compare them on."""
    if len(options.lr) < 2 or validation:
        return
    if not options.validation_limit:
        raise UserError("several --lr are compared on validation, which --validation-limit 0 leaves out; give one --lr")
    raise UserError("several --lr are compared on validation, and these data are too few to hold any back; give one --lr")


def fitting(examples, task, tokenizer, context, max_new_tokens, ask, rewrite):
    """The examples that fit the context with their gold, rewrite prompt and answer, the same for all methods; and how many do not.

    ask, rewrite: s3ft's, (task, example) -> a chat.
    """
    if not examples:                 # nothing is trained on
        return [], 0

    def size(chat):
        return sum(len(message["content"].encode()) for message in chat)

    kept = []
    for example in examples:
        question = ask(task, example)
        again = rewrite(task, example)
        gold = task.gold(example)
        # A token is at least a byte, so short texts need no counting (300: a chat template's own words).
        most = max(size(again) + max_new_tokens, size(question) + max(max_new_tokens, len(gold.encode())))
        if most + 300 > context:
            asked = len(tokenizer.encode_chat(question))
            answered = max(asked, len(tokenizer.encode_chat(again))) + max_new_tokens
            trained = asked + len(tokenizer.encode(gold)) + 2
            if max(answered, trained) > context:
                continue
        kept.append(example)
    if not kept:
        raise UserError(f"no training example fits the model's context of {context} tokens with {max_new_tokens} new ones; lower --max-new-tokens")

    one_of_each_shape = {len(ask(task, example)): example for example in kept}
    for example in one_of_each_shape.values():
        question = ask(task, example)
        prompt = tokenizer.encode_chat(question)
        chat = tokenizer.encode_chat(question + [{"role": "assistant", "content": "1"}])
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
        return digest(file_digest([*files, folder / "adapter_model.safetensors"]), model_key(hub.find(checkpoint.read_adapter(folder).base)[0]))
    return file_digest([*files, *checkpoint.weight_files(folder)])


def asked_for(sources, examples, source_of):
    """{"own" or "paraphrase": examples} that a method asks for, when source_of {id: source} is what it ended with: an
    example is asked for until a source serves it."""
    asked = {}
    earlier = set()
    for source in sources:
        kind = source.removesuffix("_number")
        if kind in ("own", "paraphrase"):
            asked[kind] = [e for e in examples if source_of.get(e.id) not in earlier]
        earlier.add(source)
    return asked


# ---------------------------------------------------------------- the run folder

def open_run(options, task, base, tokenizer, method_code, dropped):
    """Find or make the run folder and make sure that it belongs to this task, model and data.

    method_code: the module s3ft. dropped: how many training examples do not fit the context.
    """
    data_files = list(task.files) + (list((TINY / "benchmarks").glob("*.jsonl")) if options.bundled else [])
    identity = {"task": options.task if options.task in TASKS else f"{task.title} judged by {task.name}",
                "model": model_key(options.folder), "data": file_digest(data_files)}
    done, shared = {}, None
    if options.results:
        shared = Path(options.results) / task.title.removeprefix("tiny-")
        done = cells.find(options, shared, identity, method_code.METHODS | method_code.CONTROLS)
    out = Path(options.out) if options.out else Path("runs") / f"{task.title.removeprefix('tiny-')}-{digest(identity)[:8]}"
    if fcntl is None:
        raise UserError("a run's folder cannot be locked on this system; on Windows run this under WSL")
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
                    known = ("result.json", "state.safetensors", "answers-part.jsonl", *(f"{n}.jsonl" for n in abilities.NAMES))
                    if any((path / name).is_file() for name in known):
                        shutil.rmtree(path)
                    elif path.is_file() and path.name not in ("lock", "run.json"):
                        path.unlink()
        threads, why_threads = threads_of(out, base, options.fresh)
        if not options.plan:
            write_json(out / "run.json", identity | {"threads": threads})
    except OSError as error:
        raise UserError(f"--out {out} cannot be written ({error.strerror}); give another folder") from None
    run = Run(out, options, identity, task, base, tokenizer, method_code, lock)
    run.done, run.shared, run.dropped = done, shared, dropped
    run.why += why_threads
    for line in cells.otherwise([held for held in done.values() if "cell" in held], run.made):
        print(line, flush=True)
    return run


def threads_of(out, base, fresh):
    """Compute with as many threads as this folder's run began with, as others add up numbers in another order; else with as many
    as this machine has free -> (threads, a few words about it)."""
    if next(base.parameters()).device.type != "cpu":
        return None, ""
    kept = None if fresh else read_json(out / "run.json").get("threads")
    if isinstance(kept, int) and kept > 0:
        threads, why = kept, " (as this run began)"
    else:
        threads, most = device.free_threads()
        why = "" if threads == most else f" of {most}, as other work keeps this machine busy"
    torch.set_num_threads(threads)
    return threads, f"; {threads} thread{'s' if threads > 1 else ''}{why}"


WHOLE, MERGED, ADAPTER = "model.safetensors", "merged/model.safetensors", "adapter_model.safetensors"


class Cell:
    """One model while it is trained and measured: its folder, its progress, and the state of its training on the way."""

    def __init__(self, run, method, settings, seed, benchmarks):
        """settings: s3ft.Training, None for the base model. benchmarks: {name: Ability} to be measured."""
        self.run, self.method, self.settings, self.seed, self.benchmarks = run, method, settings, seed, benchmarks
        self.lr = None if settings is None else settings.lr
        self.folder = run.out / run.name(method, self.lr, seed)
        self.state, self.part = self.folder / "state.safetensors", self.folder / "answers-part.jsonl"
        self.to_make = False        # nothing of it is there
        self.lacking = {}            # benchmarks that a finished cell lacks and that its weights can still be measured on
        self.targets = None
        self.result, self.splits, self.kl = None, {}, None
        self.losses, self.train_seconds = [], 0.0
        self.bars, self.new = [], {}
        self.began = time.time()

    def clear(self):
        """Leave nothing of an older cell in the folder, but what has a key of its own."""
        if self.folder.is_dir():
            stay = [self.state, self.part, *(self.path(name) for name in abilities.NAMES)]
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path not in stay:
                    path.unlink()
        else:
            self.folder.unlink(missing_ok=True)                              # if somebody put a file there
        self.folder.mkdir(parents=True, exist_ok=True)

    def progress(self, label, total):
        self.bars.append([label, Progress(label, total), time.time()])
        return self.bars[-1][1]

    def train(self, finetune, lm, targets, close_id, settings):
        """finetune(lm, targets, ..) to its end, through kills and shortage of memory; then the weights are kept."""
        longest = max((len(t.prompt_ids) + len(t.ids) for t in targets), default=1)
        budget, lm.checkpointing = training.micro_budget(lm, self.run.train_dtype, longest)
        if not self.state.is_file():                                         # trained anew: so are the answers
            self.part.unlink(missing_ok=True)
        journal = training.Journal(lm, budget, self.progress, self.state, self.key)
        losses = training.train(finetune, lm, targets, close_id, settings, self.run.train_dtype, journal)
        self.losses = [round(loss, 5) for loss in losses]
        self.train_seconds = time.time() - journal.began
        lm.checkpointing = False
        self.keep(lm)

    def answers(self, split, jobs, answer):
        """The model's answers to jobs, in fixed chunks that a kill leaves behind: answer(jobs, progress) -> rows."""
        if not jobs:
            return
        done = [a for a in read_jsonl(self.part, ("cell", "split", "id", "sample")) if a["cell"] == self.key]
        mine = [a for a in done if a["split"] == split]
        if [(a["id"], a["sample"]) for a in mine] != [(j.example.id, j.sample) for j in jobs[:len(mine)]]:    # damaged: all of it anew
            mine, done = [], [a for a in done if a["split"] != split]
        bar, chunk = self.progress(split, len(jobs)), self.run.chunk
        bar(len(mine))
        for i in range(len(mine), len(jobs), chunk):
            made = [{"cell": self.key, "split": split} | a for a in answer(jobs[i:i + chunk], bar)]
            self.run.verdicts.ahead([job.example for job in jobs[i:i + chunk]], made)
            mine, done = mine + made, done + made
            write_jsonl(self.part, done)
        self.splits[split] = [{k: v for k, v in a.items() if k not in ("cell", "split")} for a in mine]

    def path(self, name):
        return self.folder / f"{name}.jsonl"

    def ability_key(self, ability):
        run, code = self.run, self.run.code["choices" if ability.task is None else "answers"]
        return digest(self.trained, ability.key(run.tokenizer), code, run.code["model.py"], run.dtypes[0], run.machine)

    def measured(self, ability):
        """The rows of a benchmark as they are on disk; None if they are not whole."""
        rows = abilities.kept(self.path(ability.name), self.ability_key(ability), [i.id for i in ability.items])
        return rows if len(rows) == len(ability.items) else None

    def fill(self, ability, answer):
        """Measure what is not there of a benchmark. The base model is the same for every seed, so its seeds share what they share."""
        bar = self.progress(ability.name, sum(ability.weight(i) for i in ability.items))
        self.new[ability.name] = 0

        def counted(items, progress):
            self.new[ability.name] += len(items)
            return answer(items, progress)
        others = self.run.out.glob(f"base-s*/{ability.name}.jsonl") if self.lr is None else ()
        abilities.fill(self.path(ability.name), self.ability_key(ability), ability, others,
                       abilities.CHOICES if ability.task is None else self.run.chunk, counted, bar)

    def reopen(self, sampler):
        """The tuned model from what the folder keeps, as it was when it was measured: adapters on the sampling copy, or all weights."""
        o = self.run.options
        if not o.lora:
            return model.load(self.folder, o.device)[0].to(self.run.sample_dtype)
        weights = checkpoint.read_adapter_weights(checkpoint.read_adapter(self.folder), dict(sampler.named_modules()))
        layers = model.adapters(model.add_lora(sampler, o.lora, o.lora_alpha, o.lora_dropout, o.lora_targets))
        for name, (A, B) in weights.items():
            layers[name].lora_A.weight.data.copy_(A)
            layers[name].lora_B.weight.data.copy_(B)
        return sampler.eval()

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
        if self.train_dtype == torch.float16:
            self.train_dtype, why_train = torch.float32, "small gradients would vanish in fp16"
        self.dtypes = [str(self.sample_dtype), str(self.train_dtype)]
        self.why = f"{device.type}: sampling in {short(self.sample_dtype)} ({why_sample}); training in {short(self.train_dtype)} ({why_train})"
        self.code = {"model.py": digest(code_of(model), code_of(prefixes)),
                     "train": code_of(method_code, "finetune", "trainable_model"),
                     "measure": code_of(method_code, "answers", "divergence"), "answers": code_of(method_code, "answers"),
                     "choices": code_of(benchmarks, "loglikelihoods")}
        self.big = sum(p.numel() for p in base.parameters()) > 50e6
        self.chunk = SMALL_CHUNK if self.big and device.type == "cpu" else CHUNK
        self.code["attempt"] = digest(code_of(method_code, "answers"), self.code["model.py"])
        self.machine = [torch.__version__, device.type]
        self.made = {"python": sys.version.split()[0], "torch": torch.__version__, "device": device.type,
                     "dtypes": f"{short(self.sample_dtype)}/{short(self.train_dtype)}",
                     "code": digest(self.code, *map(code_of, (judge, arithmetic, asserts, code_blocks, spans, sys.modules[type(task).__module__])),
                                    code_of(method_code, "choose_targets", "make_target"))}
        self.done, self.shared = {}, None                                    # what --results has, and its folder
        self.judges, self.dropped = {}, 0                                    # other tasks' verdicts; training examples that do not fit
        self.seconds = {"sampling": [0, 0.0], "training": [0, 0.0], "scoring": [0, 0.0]}       # tokens, seconds of this run
        self.began, self.counted = time.time(), {}
        self.keys = read_json(out / "keys.json")
        self.lock = lock             # held as long as this object lives
        self.verdicts = Verdicts(task, out, options.plan)
        self.used = {seed: {} for seed in options.seeds}                     # {seed: {(example id, kind): [attempt, ..]}}
        self.rows = []                                                       # what results.json says of the finished cells

    def tokens_of(self, ability):
        """About how many tokens it takes to score a benchmark (counted once: five shots are long)."""
        key = ability.name, len(ability.items), ability.items[0].id
        if key not in self.counted:
            self.counted[key] = benchmarks.tokens(self.tokenizer, ability.items, self.base.config.max_position_embeddings)
        return self.counted[key]

    # ---- attempts

    def attempt_key(self):
        o = self.options
        parts = {"the model": self.identity["model"], "the sampling settings": [o.max_new_tokens, o.temperature, self.dtypes[0]],
                 "the code that samples": self.code["attempt"], "torch or the device": self.machine}
        return digest(parts), {k: digest(v) for k, v in parts.items()}

    def attempts(self, seed, jobs, make):
        """Attempts for all jobs, of one kind, sampled in chunks where they are not there yet: make(jobs, progress) -> rows.

        -> {example id: [attempt, ...]}; run.used keeps them too.
        """
        if not jobs:
            return {}
        base, parts = self.attempt_key()
        path, source = self.out / "attempts.jsonl", jobs[0].kind
        have = {(a["id"], a["source"], a["sample"]): a for a in read_jsonl(path, ATTEMPT)}
        keys = {(job.example.id, job.kind, job.sample): digest(base, job.prompt_ids) for job in jobs}
        missing = [job for job, (name, key) in zip(jobs, keys.items()) if have.get(name, {}).get("key") != key]
        stale = [job for job in missing if (job.example.id, job.kind, job.sample) in have]
        if stale:
            before = self.keys.get("attempts") or {}
            changed = [name for name in parts if before.get(name) not in (None, parts[name])] or ["the prompts"]
            print(f"{source}: {len(stale)} attempts are sampled again, because {' and '.join(changed)} changed", flush=True)
        if missing:
            bar, began, tokens = Progress(f"{source} answers" if source == "own" else "paraphrases", len(missing)), time.time(), 0
            for i in range(0, len(missing), self.chunk):
                chunk, start = missing[i:i + self.chunk], time.time()
                made = make(chunk, bar)
                share = (time.time() - start) / len(made)
                tokens += sum(len(a["ids"]) + 1 for a in made)
                for a in made:
                    name = (a["id"], a["source"], a["sample"])
                    have[name] = a | {"key": keys[name], "base": base, "seconds": round(share, 4)}
                write_jsonl(path, have.values())
                self.verdicts.ahead([job.example for job in chunk], made, source)
            self.keys["attempts"] = parts
            write_json(self.out / "keys.json", self.keys)
            self.note("sampling", tokens, time.time() - began)
        attempts = [have[name] for name in keys]
        self.verdicts.ahead([job.example for job in jobs], attempts, source)                   # those of an earlier run too
        found = {}
        for a in attempts:
            found.setdefault(a["id"], []).append(a)
        self.used[seed] |= {(id, source): tries for id, tries in found.items()}
        return found

    def log_probabilities(self, examples, make):
        """The first training examples of the first seed that have an own answer and a paraphrase, both finished, and what
        make(pairs) says of them (s3ft.log_probabilities), kept in OUT/log-probabilities.json."""
        used, pairs = self.used[self.options.seeds[0]], []
        for e in examples:
            found = {kind: [a for a in used.get((e.id, kind), []) if a["finish_reason"] == "end"] for kind in ("own", "paraphrase")}
            if all(found.values()) and len(pairs) < FIGURE2:
                pairs.append((e, {kind: tries[0] for kind, tries in found.items()}))
        path, key = self.out / "log-probabilities.json", digest(self.attempt_key()[0], [[a["key"] for a in found.values()] for _, found in pairs],
                                                                [self.task.gold(e) for e, _ in pairs], code_of(self.method_code, "log_probabilities"))
        if not pairs or (kept := read_json(path)).get("key") != key:
            kept = {"key": key, "items": make(pairs) if pairs else []}
            write_json(path, kept)
        every = sum((e.id, "paraphrase") in used for e in examples) == len(examples)
        return {"items": kept["items"], "note": f"{len(pairs)} training questions with a finished own answer and a finished paraphrase"
                + ("" if every else "; paraphrases were only asked for where the own answer was refused: --methods s3ft,sdft asks for all")}

    def note(self, kind, tokens, seconds):
        self.seconds[kind][0] += tokens
        self.seconds[kind][1] += seconds

    # ---- targets and cells

    def write_targets(self, method, seed, chosen, targets):
        """targets-METHOD.jsonl: of all seeds of this run, ids for us, `prompt` and `completion` as chat messages for others."""
        path = self.out / f"targets-{method}.jsonl"
        rows = [r for r in read_jsonl(path, ("seed",)) if r["seed"] != seed and r["seed"] in self.options.seeds]
        for choice, t in zip(chosen, targets):
            question = self.method_code.ask(self.task, choice.example)
            text = self.task.text(choice.example, choice.source) if choice.attempt is None else choice.attempt["text"]
            said = [{"role": "assistant", "content": text}]
            rows.append({"seed": seed, "id": t.id, "source": t.source, "prompt_ids": t.prompt_ids, "ids": t.ids,
                         "prompt": question, "completion": said})
        write_jsonl(path, sorted(rows, key=lambda r: r["seed"]))

    def name(self, method, lr, seed):
        return cells.name(self.options, method, lr, seed)

    def keeps(self, method, lr, seed):
        o = self.options
        twice = o.lora and (o.folder / "adapter_config.json").is_file()      # an adapter on an adapter opens only when merged
        return lr is not None and (twice or o.keep == "all" or o.keep == "last" and (lr, seed) == (o.lr[-1], o.seeds[-1]))

    def cell(self, method, settings, seed, targets, questions, probe=None):
        """One trained and measured model, as far as it is there: what is left to do is in cell.to_make and cell.lacking.

        settings: s3ft.Training. targets: what it is trained on, None for the base model and for a cell that --results has.
        questions: s3ft.Questions. probe: the base model's answers on which KL is measured.
        """
        o = self.options
        cell = Cell(self, method, settings, seed, questions.benchmarks)
        if cell.folder.name in self.done:
            return cell
        cell.targets = targets
        encode = self.tokenizer.encode_chat
        prompts = {split: [encode(self.method_code.ask(self.task, e)) for e in examples]
                   for split, examples in (("validation", questions.validation), ("test", questions.test))}
        parts = {"the model": self.identity["model"], "torch or the device": self.machine}
        if targets is not None:
            parts |= {"the targets": [[t.prompt_ids, t.ids] for t in targets], "the code that trains": self.code["train"],
                      "the training settings": [dataclasses.asdict(settings), self.dtypes[1]]}
        cell.trained = digest(parts, self.code["model.py"])
        parts |= {"the items it is measured on": prompts["test"], "the validation items": prompts["validation"],
                  "the sampling settings": [o.max_new_tokens, self.dtypes[0], o.test_samples, o.test_temperature],
                  "the code that measures": [self.code["measure"], self.code["model.py"]]}
        if targets is not None:
            parts["the base model's answers"] = [a["ids"] for a in probe]
        cell.parts = {name: digest(value) for name, value in parts.items()}
        cell.key = digest(cell.parts)
        cell.kept = self.keeps(method, cell.lr, seed)
        cell.result = self.finished(cell.folder, cell.parts, questions, cell.kept)
        if cell.result is None:
            cell.to_make = True
            cell.clear()
            print(f"{cell.folder.name}" + (f": {len(targets)} targets" if targets is not None else ""), flush=True)
            return cell
        cell.splits, cell.kl = cell.result.pop("answers"), cell.result["kl"]
        missing = {name: a for name, a in questions.benchmarks.items() if cell.measured(a) is None}
        if missing and (targets is None or (cell.folder / (ADAPTER if o.lora else WHOLE)).is_file()):
            cell.lacking = missing
            again = [name for name in missing if cell.path(name).is_file()]
            print(f"{cell.folder.name}: {', '.join(missing)}" + (f" ({', '.join(again)}: taken up again, or anew because items, settings or code changed)"
                                                                if again else ""), flush=True)
        return cell

    def finish(self, cell, questions):
        """Write what was made of a cell, and take it into the results -> the cell."""
        o, targets = self.options, cell.targets
        if cell.to_make:
            self.spent(cell)
            if targets:
                self.note("training", o.epochs * sum(len(t.prompt_ids) + len(t.ids) for t in targets), cell.train_seconds)
            write_jsonl(cell.folder / "answers.jsonl", [{"split": split} | a for split in cell.splits for a in cell.splits[split]])
            weights = {name: cell.folder / name for name in (WHOLE, MERGED, ADAPTER)}
            cell.result = {"kl": cell.kl, "losses": cell.losses, "key": cell.parts, "method": cell.method, "lr": cell.lr,
                           "epochs": o.epochs if cell.lr else None, "seed": cell.seed,
                           "targets": len(targets) if targets is not None else None,
                           "target_tokens": sum(len(t.ids) for t in targets) if targets is not None else None,
                           "weights": {name: path.stat().st_size for name, path in weights.items() if path.is_file()},
                           "seconds": round(time.time() - cell.began, 2)}
            write_json(cell.folder / "result.json", cell.result)
            for path in (cell.state, cell.part):
                path.unlink(missing_ok=True)
        elif cell.lacking:
            cell.result["seconds"] = round(cell.result["seconds"] + time.time() - cell.began, 2)
            write_json(cell.folder / "result.json", cell.result)
            self.spent(cell)
        self.rows.append(self.row(cell, questions))
        return cell

    def finished(self, folder, parts, questions, keep):
        """The cell in this folder if it is whole and all that it depends on is as it was; else None, and a line that says why."""
        result, o = read_json(folder / "result.json"), self.options
        if not result:
            return None
        old, answers = result.get("key"), self.answers(folder)
        times = {"validation": 1, "test": o.test_samples}
        if not questions.validation:                 # not wanted, so those that there are do no harm
            answers, parts = answers | {"validation": []}, {name: part for name, part in parts.items() if name != "the validation items"}
        whole = (isinstance(old, dict) and all(name in result for name in RESULT)
                 and all([a["id"] for a in answers[split]] == [e.id for e in getattr(questions, split) for _ in range(times[split])]
                         for split in answers))
        changed = [name for name in parts if isinstance(old, dict) and old.get(name) != parts[name]]
        lost = [name for name, size in (result.get("weights") or {}).items()
                if not (folder / name).is_file() or (folder / name).stat().st_size != size]
        if changed:
            why = f"{' and '.join(changed)} changed"
        elif not whole:
            why = "its files are damaged"
        elif lost or keep and (MERGED if o.lora else WHOLE) not in result["weights"]:
            why = "its checkpoint is not there"
        else:
            return result | {"answers": answers}
        print(f"{folder.name} is done again, because {why}", flush=True)
        return None

    def spent(self, cell):
        """Note what sampling and scoring took, for tokens per second."""
        ends = [bar[2] for bar in cell.bars[1:]] + [time.time()]
        spent = {bar[0]: end - bar[2] for bar, end in zip(cell.bars, ends)}
        for split in ("validation", "test"):
            if split in spent:
                self.note("sampling", sum(len(a["ids"]) + 1 for a in cell.splits[split]), spent[split])
        for name, ability in cell.benchmarks.items():
            if ability.task is None and name in spent:
                self.note("scoring", self.tokens_of(ability) * cell.new[name] / len(ability.items), spent[name])

    def answers(self, folder):
        splits = {"validation": [], "test": []}
        for a in read_jsonl(folder / "answers.jsonl", ANSWER):
            splits.setdefault(a.pop("split"), []).append(a)
        return splits

    # ---- results.json, and the files of --results

    def check_cells(self, questions):
        """UserError, one line, where a cell that --results has was measured on other items than this run draws: a benchmark's file changed."""
        for name, cell in [(name, held["cell"]) for name, held in self.done.items() if "cell" in held]:
            mine = questions[cell["seed"]]
            drawn = {"test": digest([e.id for e in mine.test])} | {n: a.content for n, a in mine.benchmarks.items()}
            for what in drawn:
                if (row := tables.measured(cell, what)) and row["ids"] != drawn[what]:
                    raise UserError(f"{self.shared / name}.json was measured on other items of {self.task.title if what == 'test' else what}; "
                                    "move it away or give another --results")

    def missing(self, seed):
        """The methods that have a cell of this seed still to be made (all, but for those that --results has)."""
        o = self.options
        return {m: self.method_code.METHODS.get(m) or self.method_code.CONTROLS[m] for m in o.methods
                if any(self.name(m, lr, seed) not in self.done for lr in o.lr)}

    def row(self, cell, questions):
        """What results.json says of a cell, judged anew; with --results it is written there as well, unless a benchmark is lacking."""
        o, task, method, seed = self.options, self.task, cell.method, cell.seed
        name = cell.folder.name
        if name in self.done:
            return self.done[name]["cell"]
        row = {"folder": name} | {k: cell.result[k] for k in ("method", "lr", "epochs", "seed", "targets", "target_tokens", "kl")}
        for split, examples in (("validation", questions.validation), ("test", questions.test)):
            if not examples:
                continue
            answers, gold = cell.splits[split], {e.id: e for e in examples}
            self.verdicts.ahead([gold[a["id"]] for a in answers], answers)           # those of an earlier run are not judged yet
            judged = [TOO_LONG if a["finish_reason"] == "too long" else self.verdicts.score(gold[a["id"]], a["text"]) for a in answers]
            row[split] = tables.split_row([a["id"] for a in answers], [v.ok for v in judged]) | {
                "ids": digest([e.id for e in examples]), "cut_off": mean(a["finish_reason"] != "end" for a in answers)}
            if hasattr(task, "summary"):
                row[split]["summary"] = task.summary([gold[a["id"]] for a in answers], judged)
        row["benchmarks"] = {}
        for other, ability in questions.benchmarks.items():
            if ability.task is not None and other not in self.judges:
                self.judges[other] = Verdicts(ability.task, self.out)
            measured = cell.measured(ability)
            row["benchmarks"][other] = measured and ability.result(measured, self.judges.get(other))
        sources, seconds = None, cell.result["seconds"]
        if method != "base":
            losses = cell.result["losses"]
            row |= {"loss": losses[-1] if losses else None, "curve": thinned(losses), "sources": {}}
            source_of = {t["id"]: t["source"] for t in read_jsonl(self.out / f"targets-{method}.jsonl") if t["seed"] == seed}
            for source in source_of.values():
                row["sources"][source] = row["sources"].get(source, 0) + 1
            row["dropped"] = len(questions.train) - len(source_of)
            sources = self.missing(seed)[method]
            for kind, examples in asked_for(sources, questions.train, source_of).items():      # what this method alone would have sampled
                seconds += sum(a["seconds"] for e in examples for a in self.used[seed][e.id, kind])
        row["times"] = {"minutes": round(seconds / 60, 2)}
        if self.shared and None not in row["benchmarks"].values():
            cells.write(self.shared / f"{name}.json", {"key": cells.key(o, self.identity, method, sources and list(sources)), "made": self.made,
                                                       "about": self.about(questions), "cell": row})
        return row

    def about(self, questions):
        """What results.json says of the run as a whole, that is not made of its cells."""
        o, task = self.options, self.task
        return {"task": task.title, "task_name": o.task if o.task in TASKS else None,
                "model": "bundled teaching model" if o.bundled else o.model if o.commit else o.folder.resolve().name, "commit": o.commit,
                "settings": {k: getattr(o, k) for k in ("epochs", "batch", "limit", "test_limit", "new_items", "benchmarks", "benchmark_limit", "samples",
                                                        "temperature", "max_new_tokens", "schedule", "lora", "lora_alpha", "lora_dropout",
                                                        "lora_targets", "test_samples", "test_temperature", "all_asserts", "unsafe_code")}
                | {"dtypes": self.dtypes, "judge": task.name}, "notes": task.notes, "benchmark_notes": abilities.notes(questions.benchmarks),
                "versions": {"python": sys.version.split()[0], "torch": torch.__version__}, "device": self.machine[1], "identity": self.identity,
                "do_not_fit": self.dropped}

    def tried(self, questions):
        """The attempts of some seeds, {seed: Questions}, as results.json counts them; and the lines of verdicts.jsonl."""
        examples = {e.id: e for mine in questions.values() for e in mine.train}
        sampled = {(a["id"], a["source"], a["sample"]): a for seed in questions for tries in self.used[seed].values() for a in tries}
        lines, rules = [], {}
        for (id, stage, sample), a in sampled.items():
            v = self.verdicts.accept(examples[id], a["text"], stage) if a["finish_reason"] == "end" else UNFINISHED
            lines.append({"id": id, "source": stage, "sample": sample, "ok": v.ok, "rule": v.rule, "extracted": v.extracted, "reason": v.reason})
            count = rules.setdefault(stage, {}).setdefault(v.rule, [0, 0])
            count[0] += v.ok
            count[1] += 1
        return {"verdicts": rules, "copies": copies(sampled.values(), self.task, examples, self.verdicts.accept),
                "judge_errors": judge_errors(sampled.values(), self.task, examples, self.verdicts.accept)}, lines

    def keep_attempts(self, seed, questions, make):
        """With --results, the statistics of a seed's attempts in FOLDER/TASK/attempts-s0.json, what is there and of more stays.

        make(pairs): s3ft.log_probabilities, as in `log_probabilities`.
        """
        if not self.shared:
            return
        name, o = f"attempts-s{seed}", self.options
        made = self.tried({seed: questions[seed]})[0] | {"logprobs": {"items": []}}
        if seed == o.seeds[0]:
            figure2 = self.log_probabilities(questions[seed].train, make)
            made["logprobs"] = figure2 | {"items": [{k: v if k == "id" else [round(v[0], 3), v[1]] for k, v in i.items()} for i in figure2["items"]]}
        path = self.shared / f"{name}.json"
        kept = (cells.read(path) or {}).get("attempts") if path.is_file() else None      # anew: another run may have written meanwhile
        if (made := cells.fuller(kept, made)) != kept:
            self.done[name] = {"key": cells.key(o, self.identity, "attempts", None), "made": self.made, "attempts": made}
            cells.write(path, self.done[name])

    def results(self, questions, make):
        """Write verdicts.jsonl, items.jsonl and results.json, and return the latter: all that the table shows.

        make(pairs): s3ft.log_probabilities, as in `log_probabilities`.
        """
        o, task, ids, shown = self.options, self.task, {}, {}
        for mine in questions.values():
            for split, examples in (("validation", mine.validation), ("test", mine.test)):
                if named := [e.id for e in examples]:
                    ids[digest(named)] = named
                for e in examples:
                    text = self.method_code.ask(task, e)[-1]["content"]
                    shown[split, e.id] = {"set": split, "id": e.id, "text": text, "answer": task.gold(e)}
            for name, ability in mine.benchmarks.items():
                ids[ability.content] = [i.id for i in ability.items]
                shown |= {(name, line["id"]): line for line in ability.shown()}
        figure2 = self.log_probabilities(questions[o.seeds[0]].train, make)
        tried, lines = self.tried(questions)
        if self.shared:
            kept = [held["attempts"] for name, held in self.done.items() if "attempts" in held]
            tried, figure2 = cells.together(kept), max([*(k["logprobs"] for k in kept), figure2], key=lambda f: len(f["items"]))
        write_jsonl(self.out / "verdicts.jsonl", lines)
        write_jsonl(self.out / "items.jsonl", shown.values())
        about = self.about(questions[o.seeds[0]])
        lacking = any(b is None for row in self.rows for b in row["benchmarks"].values())
        results = {"format": FORMAT, **about, "settings": about["settings"] | {k: getattr(o, k) for k in ("methods", "lr", "seeds")},
                   "cells": self.rows, **tried, "logprobs": figure2, "items": ids, "fill": "the same command with --keep all" if lacking else None,
                   "times": {"minutes": round((time.time() - self.began) / 60, 2),
                             "tokens_per_second": {k: round(n / s) for k, (n, s) in self.seconds.items() if s > 0}}}
        write_json(self.out / "results.json", results)
        return results


def thinned(losses, most=40):
    """The losses of a training's steps as a curve of at most 40 points [step, loss], each the mean of a few steps in a row."""
    cuts = [i * len(losses) // most for i in range(most + 1)] if len(losses) > most else range(len(losses) + 1)
    return [[(a + 1 + b) / 2, round(mean(losses[a:b]), 4)] for a, b in zip(cuts, cuts[1:])]


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


def judge_errors(attempts, task, examples, accept):
    """How often does the judge err? Known of tiny-gsm8k alone, whose world has a solution to each problem (data/tiny/world_truth.py).

    -> {"own" | "paraphrase": {"unfinished": attempts that nobody judges, "same", "other", "wrong": what the world says of the rest,
    "steps" (the judge) and "number" (one that looks at the final number alone): {"accepted", "false_accepts": of these what the
    world calls wrong, "false_accept_share", "refused", "false_rejects": of these what it calls right, "false_reject_share"}}}
    """
    found = {}
    for a in attempts if task.title == "tiny-gsm8k" else ():
        e, zero = examples[a["id"]], {"accepted": 0, "false_accepts": 0, "refused": 0, "false_rejects": 0}
        row = found.setdefault(a["source"], {"unfinished": 0, "same": 0, "other": 0, "wrong": 0, "steps": dict(zero), "number": dict(zero)})
        if a["finish_reason"] != "end":
            row["unfinished"] += 1
            continue
        truth = world_truth.compare(e.extra["voice"], a["text"], e.question)
        row[truth] += 1
        for judged, source in (("steps", a["source"]), ("number", f"{a['source']}_number")):
            ok = accept(e, a["text"], source).ok
            row[judged]["accepted" if ok else "refused"] += 1
            row[judged]["false_accepts"] += ok and truth == "wrong"
            row[judged]["false_rejects"] += not ok and truth != "wrong"
    for row in found.values():
        for of in (row["steps"], row["number"]):
            of["false_accept_share"] = of["false_accepts"] / max(1, of["accepted"])
            of["false_reject_share"] = of["false_rejects"] / max(1, of["refused"])
    return found


def short(dtype):
    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
