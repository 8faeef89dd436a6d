"""run.py - one run of the comparison: what there is, what is lacking, and what the run says of it.

    OUT/run.json               the task, model and data that this folder belongs to, and its threads
    OUT/models/MODEL/rows.jsonl    one folder a model (weights.py), rows found by key (store.py)
    OUT/verdicts/rows.jsonl    what the judge said of programs (verdicts.py)

From these a run writes, for people and other tools, what it has used itself:

    OUT/attempts.jsonl         own answers and paraphrases, each with the settings it was sampled with
    OUT/targets-METHOD.jsonl   what each method trains on, as ids and as chat messages
    OUT/verdicts.jsonl         what the judge said of every attempt
    OUT/items.jsonl            what was asked: test questions and benchmark items
    OUT/CELL/answers.jsonl     answers to test and validation questions; NAME.jsonl: to a benchmark's
    OUT/cells.jsonl            every finished cell of this folder (data/cells.py)
    OUT/results.json           everything that the table shows
"""
import dataclasses
import json
import sys
import time

import torch

import judge
import model
from data import TASKS, UserError, abilities, arithmetic, asserts, benchmarks, cells, checkpoint, tables
from data.fast import prefixes
from data.files import code_of, digest, mean, write_json, write_jsonl
from data.judging import code_blocks, spans
from data.run import folder
from data.run.plan import Plan
from data.run.statistics import asked_for, copies, judge_errors, thinned
from data.run.verdicts import Verdicts
from data.run.weights import Models, Weights

CHUNK = 300                      # rows in a chunk, which is what a kill loses at most;
SMALL_CHUNK = 64                 # of a model above 50M parameters on a CPU, where 300 take a quarter of an hour
FORMAT = 2                       # of results.json; data/report.py reads this one
FIGURE2 = 84                     # training items whose log-probabilities are taken, as many as the paper's
UNFINISHED = judge.Verdict(False, "unfinished", None, "cut off at the length limit, never a target")
TOO_LONG = judge.Verdict(False, "too long", None, "the prompt fills the model's context", {"em": 0, "f1": 0, "recall": 0})
SHORT = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}

# What trained weights do not depend on: their key has all the code of s3ft.py and model.py but this.
# Sources, prompts and attempts are seen in the targets; how a model is measured, in its rows' keys.
NOT_TRAINING = ("METHODS", "CONTROLS", "SAMPLED", "SOURCES", "Sampling", "Measuring", "Choice", "Job",
                "ask", "rewrite", "chat", "make_jobs", "wanted", "answers", "choose_targets", "make_target",
                "probe_of", "divergence", "log_probabilities", "test_answers", "score_options", "open_task", "main")


class Run:
    def __init__(self, options, task, tokenizer, config, parameters, method_code):
        """config, tokenizer, parameters: of open_model. method_code: the module s3ft."""
        self.options, self.task, self.tokenizer, self.config = options, task, tokenizer, config
        self.method_code = method_code
        machine = model.usable(options.device)
        self.sample_dtype, why_sample = model.precision(machine, "sample")
        self.train_dtype, why_train = model.precision(machine, "train")
        if options.dtype:
            self.sample_dtype = self.train_dtype = getattr(torch, options.dtype)
            why_sample = why_train = "asked for"
        if self.train_dtype == torch.float16:
            self.train_dtype, why_train = torch.float32, "small gradients would vanish in fp16"
        self.dtypes = [str(self.sample_dtype), str(self.train_dtype)]
        self.machine = [torch.__version__, machine.type]
        self.model_code = digest(code_of(model), code_of(prefixes))
        self.made = {
            "python": sys.version.split()[0], "torch": torch.__version__, "device": machine.type,
            "dtypes": f"{SHORT[self.sample_dtype]}/{SHORT[self.train_dtype]}",
            "code": digest(self.training_code(), self.code(method_code.answers), self.code(method_code.divergence),
                           self.judging_code(), code_of(method_code, "choose_targets", "make_target"))}

        self.identity = folder.identify(options, task)
        self.shared = None                               # --results: its file,
        self.done = {}                                   # and what it has of this run: {name: record}
        if options.results:
            self.shared, self.done = cells.open_results(options, task, self.identity, method_code.METHODS | method_code.CONTROLS)
        self.out, self.lock, why_threads = folder.open_folder(options, task, self.identity, machine)
        self.listed = cells.latest(cells.read(self.out / "cells.jsonl")[0])
        self.why = (f"{machine.type}: sampling in {SHORT[self.sample_dtype]} ({why_sample}); "
                    f"training in {SHORT[self.train_dtype]} ({why_train})" + why_threads)
        self.parameters = parameters
        self.chunk = SMALL_CHUNK if self.parameters > 50e6 and machine.type == "cpu" else CHUNK
        self.models = Models(self)
        self.base = Weights(self, "base", {"the model": self.identity["model"], "the sampling dtype": self.dtypes[0],
                                           "torch or the device": self.machine})
        self.verdicts = Verdicts(task, self.out, options.plan)
        self.judges = {}                                 # verdicts of other tasks, which are benchmarks here
        self.plan = Plan(self)
        self.planning = None                             # True: nothing is made, what is lacking is counted
        self.used = None                                 # attempts: {seed: {(id, kind): [attempt, ..]}}
        self.rows = None                                 # of results.json: one a cell
        self.seconds = {"sampling": [0, 0.0], "training": [0, 0.0], "scoring": [0, 0.0]}    # tokens, seconds
        self.counted = {}                                # tokens of benchmark items
        self.began = time.time()
        self.dropped = 0                                 # training examples that do not fit the context

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Let the folder and the models go: another run may follow in this process."""
        if self.lock is not None:
            self.lock.close()
        self.models = None

    def start(self, planning):
        """Begin a walk through the comparison: the plan's, which makes nothing, or the real one."""
        self.planning = planning
        self.used = {seed: {} for seed in self.options.seeds}
        self.rows = []
        self.written = set()                             # methods whose targets were written

    def note(self, jobs, rows, seconds):
        """Tokens and seconds of sampling and scoring, for tokens per second."""
        if rows and "ids" in rows[0]:
            kind, tokens = "sampling", sum(len(row["ids"]) + 1 for row in rows)
        elif rows and "loglikelihoods" in rows[0]:
            kind, tokens = "scoring", self.tokens_of(jobs)
        else:
            return
        self.seconds[kind][0] += tokens
        self.seconds[kind][1] += seconds

    def tokens_of(self, items):
        """About how many tokens it takes to score items of multiple choice, counted once: five shots are long."""
        key = items[0].id, items[-1].id, len(items)
        if key not in self.counted:
            self.counted[key] = benchmarks.tokens(self.tokenizer, items, self.config.max_position_embeddings)
        return self.counted[key]

    def note_training(self, targets, seconds):
        self.seconds["training"][0] += self.options.epochs * sum(len(t.prompt_ids) + len(t.ids) for t in targets)
        self.seconds["training"][1] += seconds

    # ---- keys

    def code(self, *functions):
        """Fingerprint of functions with all that they use in their modules, and of model.py."""
        return digest(self.model_code, [code_of(sys.modules[f.__module__], f.__name__) for f in functions])

    def training_code(self):
        return digest(self.model_code, code_of(self.method_code, without=NOT_TRAINING))

    def judging_code(self):
        modules = (judge, arithmetic, asserts, code_blocks, spans, sys.modules[type(self.task).__module__])
        return digest([code_of(module) for module in modules])

    def name(self, method, lr, seed):
        return cells.name(self.options, method, lr, seed)

    def tuned(self, method, settings, targets, train):
        """The Weights of a tuned model. settings: s3ft.Training. train(base, sampler, journal) -> the model."""
        o = self.options
        parts = {"the base model": self.base.key, "the targets": [[t.prompt_ids, t.ids] for t in targets],
                 "the training settings": [dataclasses.asdict(settings), self.dtypes[1]],
                 "the code that trains": self.training_code(), "torch or the device": self.machine}
        last = (settings.lr, settings.seed) == (o.lr[-1], o.seeds[-1])
        on_adapter = o.lora and (o.folder / "adapter_config.json").is_file()        # it opens only when merged
        keep = bool(on_adapter or o.keep == "all" or o.keep == "last" and last)
        return Weights(self, self.name(method, settings.lr, settings.seed), parts, train, keep, targets)

    # ---- attempts and targets

    def attempts(self, seed, wanted, settings, code, sample):
        """The base model's attempts -> {example id: [attempt, ...]}; what is lacking is sampled now.

        wanted: of jobs of one kind, as for Weights.rows. settings: s3ft.Sampling.
        """
        if not wanted:
            return {}
        kind = wanted[0][2].kind
        label = "own answers" if kind == "own" else "paraphrases"
        found = {job.example.id: [] for _, _, job in wanted}
        rows = self.base.rows(label, wanted, [settings.max_new_tokens, settings.temperature], code, sample)
        for row in rows:
            found[row["id"]].append(row | {"settings": dataclasses.asdict(settings)})
        examples = {job.example.id: job.example for _, _, job in wanted}
        self.verdicts.prepare([examples[row["id"]] for row in rows], rows, kind)
        self.used[seed] |= {(id, kind): tries for id, tries in found.items()}
        return found

    def write_targets(self, method, seed, chosen, targets):
        """targets-METHOD.jsonl of all seeds of this run, one after another.

        Ids for us, `prompt` and `completion` as chat messages for others.
        """
        if self.planning:
            return
        lines = []
        for choice, target in zip(chosen, targets):
            text = choice.attempt["text"] if choice.attempt else self.task.text(choice.example, choice.source)
            lines.append(json.dumps({
                "seed": seed, "id": target.id, "source": target.source, "prompt_ids": target.prompt_ids,
                "ids": target.ids, "prompt": self.method_code.ask(self.task, choice.example),
                "completion": [{"role": "assistant", "content": text}]}) + "\n")
        mode = "a" if method in self.written else "w"
        self.written.add(method)
        with open(self.out / f"targets-{method}.jsonl", mode, encoding="utf-8") as file:
            file.writelines(lines)

    # ---- cells

    def lacking(self, seed):
        """{method: sources} of those that have a cell of this seed to be made: all, but for cells that --results has."""
        o = self.options
        rows = self.method_code.METHODS | self.method_code.CONTROLS
        return {m: rows[m] for m in o.methods if any(self.name(m, lr, seed) not in self.done for lr in o.lr)}

    def has(self, method, lr, seed):
        """Is this cell in --results? Then its row is taken from there."""
        name = self.name(method, lr, seed)
        if name in self.done and not self.planning:
            self.rows.append(self.done[name]["cell"])
        return name in self.done

    def add_cell(self, method, lr, questions, weights, measured, sources=None):
        """Take a finished cell into the results: judge what was measured, and write it down.

        measured: what s3ft.measure returned. sources: a row of METHODS; None for the base model.
        """
        if self.planning:
            self.plan.count_checkpoint(weights)
            return
        if weights.lacks_checkpoint():
            self.models.of(weights)                      # which writes it
        o, task, seed = self.options, self.task, questions.seed
        name = self.name(method, lr, seed)
        row = {"folder": name, "method": method, "lr": lr, "epochs": o.epochs if lr else None, "seed": seed,
               "targets": len(weights.targets) if lr else None,
               "target_tokens": sum(len(t.ids) for t in weights.targets) if lr else None, "kl": measured["kl"]}
        seconds = sum(r["seconds"] for part in ("validation", "test") for r in measured[part])
        answers = []
        for split, examples in (("validation", questions.validation), ("test", questions.test)):
            if not examples:
                continue
            rows, by_id = measured[split], {e.id: e for e in examples}
            self.verdicts.prepare([by_id[r["id"]] for r in rows], rows, None)
            judged = [TOO_LONG if r["finish_reason"] == "too long" else self.verdicts.score(by_id[r["id"]], r["text"]) for r in rows]
            row[split] = tables.split_row([r["id"] for r in rows], [v.ok for v in judged]) | {
                "ids": digest([e.id for e in examples]), "cut_off": mean(r["finish_reason"] != "end" for r in rows)}
            if hasattr(task, "summary"):
                row[split]["summary"] = task.summary([by_id[r["id"]] for r in rows], judged)
            answers += [{"split": split} | r for r in rows]
        (self.out / name).mkdir(exist_ok=True)
        write_jsonl(self.out / name / "answers.jsonl", answers)
        row["benchmarks"] = {}
        for other, ability in questions.benchmarks.items():
            rows = measured["benchmarks"][other]
            if ability.task is not None:
                if other not in self.judges:
                    self.judges[other] = Verdicts(ability.task, self.out)
                self.judges[other].prepare(ability.items, rows, None)
                write_jsonl(self.out / name / f"{other}.jsonl", rows)
            row["benchmarks"][other] = ability.result(rows, self.judges.get(other))
            seconds += sum(r["seconds"] for r in rows)
        if lr is not None:
            losses = weights.record["losses"]
            row |= {"loss": losses[-1] if losses else None, "curve": thinned(losses), "sources": {}}
            source_of = {t.id: t.source for t in weights.targets}
            for source in source_of.values():
                row["sources"][source] = row["sources"].get(source, 0) + 1
            row["dropped"] = len(questions.train) - len(source_of)
            seconds += weights.record["seconds"]
            for kind, examples in asked_for(sources, questions.train, source_of).items():      # by this method alone
                seconds += sum(a["seconds"] for e in examples for a in self.used[seed][e.id, kind])
            weights.done()
        row["times"] = {"minutes": round(seconds / 60, 2)}
        self.rows.append(row)
        key = cells.key(o, self.identity, method, None if sources is None else list(sources))
        record = {"key": key, "made": self.made, "about": self.about(questions), "cell": row}
        cells.append_new(self.out / "cells.jsonl", self.listed, name, record)
        if self.shared:
            self.done[name] = cells.append(self.shared, name, record)

    # ---- what is written at the end

    def about(self, questions):
        """What results.json says of the run as a whole, that is not made of its cells."""
        o, task = self.options, self.task
        names = ("epochs", "batch", "limit", "test_limit", "new_items", "benchmarks", "benchmark_limit", "samples", "temperature",
                 "max_new_tokens", "schedule", "lora", "lora_alpha", "lora_dropout", "lora_targets", "test_samples",
                 "test_temperature", "all_asserts", "unsafe_code")
        settings = {name: getattr(o, name) for name in names} | {"dtypes": self.dtypes, "judge": task.name}
        return {"task": task.title, "task_name": o.task if o.task in TASKS else None,
                "model": "bundled teaching model" if o.bundled else o.model if o.commit else o.folder.resolve().name,
                "commit": o.commit, "settings": settings, "notes": task.notes,
                "benchmark_notes": abilities.notes(questions.benchmarks),
                "versions": {"python": sys.version.split()[0], "torch": torch.__version__}, "device": self.machine[1],
                "identity": self.identity, "do_not_fit": self.dropped}

    def tried(self, questions):
        """The attempts of some seeds, {seed: Questions}, as results.json counts them; and the lines of verdicts.jsonl."""
        examples = {e.id: e for mine in questions.values() for e in mine.train}
        sampled = {(a["id"], a["source"], a["sample"]): a for seed in questions for tries in self.used[seed].values() for a in tries}
        lines, rules = [], {}
        for (id, kind, sample), a in sampled.items():
            v = self.verdicts.accept(examples[id], a["text"], kind) if a["finish_reason"] == "end" else UNFINISHED
            lines.append({"id": id, "source": kind, "sample": sample, "ok": v.ok, "rule": v.rule, "extracted": v.extracted, "reason": v.reason})
            count = rules.setdefault(kind, {}).setdefault(v.rule, [0, 0])
            count[0] += v.ok
            count[1] += 1
        return {"verdicts": rules, "copies": copies(sampled.values(), self.task, examples, self.verdicts.accept),
                "judge_errors": judge_errors(sampled.values(), self.task, examples, self.verdicts.accept)}, lines

    def figure2(self, examples, make):
        """The first training examples that have an own answer and a paraphrase, both finished, and their log-probabilities.

        make(lm, pairs, progress): s3ft.log_probabilities of pairs (example, {"own": attempt, "paraphrase": attempt}).
        """
        used, wanted = self.used[self.options.seeds[0]], []
        for e in examples:
            found = {kind: [a for a in used.get((e.id, kind), []) if a["finish_reason"] == "end"] for kind in ("own", "paraphrase")}
            if all(found.values()) and len(wanted) < FIGURE2:
                pair = {kind: tries[0] for kind, tries in found.items()}
                wanted.append((f"Figure 2 {e.id}", digest([pair[k]["ids"] for k in pair], self.task.gold(e)), (e, pair)))
        rows = self.base.rows("Figure 2", wanted, [], [self.method_code.log_probabilities], make)
        every = sum((e.id, "paraphrase") in used for e in examples) == len(examples)
        note = f"{len(wanted)} training questions with a finished own answer and a finished paraphrase"
        if not every:
            note += "; paraphrases were only asked for where the own answer was refused: --methods s3ft,sdft asks for all"
        return {"items": [{k: v for k, v in row.items() if k != "seconds"} for row in rows], "note": note}

    def results(self, questions, make):
        """Write what this run used, and results.json -> results. make: as for `figure2`."""
        o, task, ids, items = self.options, self.task, {}, {}
        for mine in questions.values():
            for split, examples in (("validation", mine.validation), ("test", mine.test)):
                if examples:
                    ids[digest([e.id for e in examples])] = [e.id for e in examples]
                for e in examples:
                    text = self.method_code.ask(task, e)[-1]["content"]
                    items[split, e.id] = {"set": split, "id": e.id, "text": text, "answer": task.gold(e)}
            for name, ability in mine.benchmarks.items():
                ids[ability.content] = [i.id for i in ability.items]
                items |= {(name, line["id"]): line for line in ability.shown()}
        figure2 = self.figure2(questions[o.seeds[0]].train, make)
        tried, lines = self.tried(questions)
        attempts = {(a["id"], a["source"], a["sample"]): a for used in self.used.values() for tries in used.values() for a in tries}
        write_jsonl(self.out / "attempts.jsonl", attempts.values())
        write_jsonl(self.out / "verdicts.jsonl", lines)
        write_jsonl(self.out / "items.jsonl", items.values())
        if self.shared:
            tried, figure2 = self.share_attempts(questions, figure2)
        about = self.about(questions[o.seeds[0]])
        results = {"format": FORMAT, **about, "settings": about["settings"] | {k: getattr(o, k) for k in ("methods", "lr", "seeds")},
                   "cells": self.rows, **tried, "logprobs": figure2, "items": ids, "fill": None,
                   "times": {"minutes": round((time.time() - self.began) / 60, 2),
                             "tokens_per_second": {k: round(n / s) for k, (n, s) in self.seconds.items() if s > 0}}}
        write_json(self.out / "results.json", results)
        return results

    def share_attempts(self, questions, figure2):
        """Write the counts of each seed's attempts to --results -> those of all seeds together, and Figure 2.

        The cells that were taken from there go into this folder's own list.
        """
        for row in self.rows:
            cells.append_new(self.out / "cells.jsonl", self.listed, row["folder"], self.done[row["folder"]])
        rounded = [{k: v if k == "id" else [round(v[0], 3), v[1]] for k, v in item.items()} for item in figure2["items"]]
        for seed, mine in questions.items():
            if not self.used[seed]:
                continue
            made = self.tried({seed: mine})[0] | {"logprobs": {"items": []}}
            if seed == self.options.seeds[0]:
                made["logprobs"] = figure2 | {"items": rounded}
            name = f"attempts-s{seed}"
            kept = self.done.get(name, {}).get("attempts")
            fuller = cells.fuller(kept, made)
            if fuller != kept:
                key = cells.key(self.options, self.identity, "attempts", None)
                self.done[name] = cells.append(self.shared, name, {"key": key, "made": self.made, "attempts": fuller})
        kept = [one["attempts"] for one in self.done.values() if "attempts" in one]
        return cells.together(kept), max([*(k["logprobs"] for k in kept), figure2], key=lambda f: len(f["items"]))

    def check_cells(self, questions):
        """UserError where a cell of --results was measured on other items than this run draws: a file has changed."""
        for one in self.done.values():
            if "cell" not in one:
                continue
            mine = questions[one["cell"]["seed"]]
            drawn = {"test": digest([e.id for e in mine.test])} | {n: a.content for n, a in mine.benchmarks.items()}
            for what, ids in drawn.items():
                row = tables.measured(one["cell"], what)
                if row and row["ids"] != ids:
                    title = self.task.title if what == "test" else what
                    raise UserError(f"{one['where']} was measured on other items of {title}; take it out or give another --results")


def open_model(options):
    """Config, tokenizer and number of parameters of the model, its files checked, without reading its weights."""
    base_folder, adapter = model.find(options.folder)
    config, tokenizer = model.read_config(base_folder, options.thinking)
    with torch.device("meta"), model.NoRandomWeights():
        lm = model.Transformer(config)
    shapes = {name: tensor.shape for name, tensor in lm.state_dict().items()}
    checkpoint.find_weights(base_folder, shapes, config.tie_word_embeddings)
    if adapter:
        checkpoint.read_adapter_weights(adapter, dict(lm.named_modules()))
    return config, tokenizer, sum(p.numel() for p in lm.parameters())
