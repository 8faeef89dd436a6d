"""run.py - one run of the comparison: its keys, its attempts, its cells. README.md: its files."""
import time
from dataclasses import asdict

from data.files import digest, write_jsonl
from data.methods import page_code
from data.methods.base import token_logprobs
from data.results import cells
from data.run import figure2, folder, lab, results
from data.run.machine import choose_machine
from data.run.plan import Plan
from data.run.progress import Speeds
from data.run.verdicts import Verdicts, judging_code
from data.run.weights import Models, TunedWeights, Weights, model_code
from data.tiny import new_items

CHUNK = 300                      # rows in a chunk, which is the most that a kill loses
SMALL_CHUNK = 64                 # of a large model on a CPU, where 300 take a quarter of an hour
LARGE = 50e6                     # parameters of a large model: more than this


class Run:
    """What one command works with. s3ft.carry_out goes through it twice: while `plan` is there,
    nothing is made and what is lacking is counted; afterwards it is made."""

    def __init__(self, options, task, base, selected, methods, ask, code):
        """base: folder.BaseModel. selected: from selection.select. methods: {name: Method}.

        ask(task, example) -> the chat that poses a question. code: fingerprints of s3ft.py's code:
        {"training": what trained weights depend on, "cells": what cells depend on}.
        UserError where --results or the folder belongs to another task, model or data.
        """
        self.options = options
        self.task = task
        self.ask = ask
        self.methods = methods
        self.pages = {name: page_code(row.examples, row.choice, row.weights, row.loss,
                                      row.parameters) for name, row in methods.items()}
        self.tokenizer = base.tokenizer
        self.config = base.config
        self.parameters = base.parameters
        self.trainable = base.trainable
        self.identity = folder.identify(options, task)
        self.out, begun = folder.folder_of(options, task, self.identity)
        self.machine = choose_machine(options, begun)
        self.training_code = digest(model_code(), code["training"])
        self.made = self.machine.made() | {"code": digest(model_code(), code, judging_code(task))}

        # The files: those of --results, and this run's folder.
        self.world = folder.world_of(options, self.identity)
        self.shared = None           # the file in --results, or None
        self.records = {}            # {name: record} of finished cells, and of attempts of a seed
        self.measured = set()        # names of the cells that this command has measured
        if options.results:
            self.shared, self.records = cells.open_results(options, task, self.world, methods)
        self.lock, self.about_threads = folder.open_folder(self.out, options, self.identity,
                                                           self.machine, begun)
        records, _ = cells.read(self.out / "cells.jsonl")
        self.listed = cells.latest(records)

        self.questions, self.do_not_fit, new_files = selected   # questions: {seed: Questions}
        if new_files is not None:
            self.questions = new_items.read(options, self.out, new_files, self.questions)
        results.check_cells(self)

        self.models = Models(options, self.machine.sample_dtype)
        self.base = Weights(self, "base", {
            "the model": self.identity["model"],
            "the sampling dtype": str(self.machine.sample_dtype),
            "torch or the device": self.machine.versions(),
        }, lab.shipped_rows(self.world) if options.lab else ())
        self.chunk = CHUNK
        if self.parameters > LARGE and self.machine.device.type == "cpu":
            self.chunk = SMALL_CHUNK
        self.verdicts = Verdicts(task, self.out, options.plan)
        self.judges = {}             # {benchmark that is another task: its Verdicts}
        self.speeds = Speeds(self.tokenizer, self.config.max_position_embeddings)
        self.plan = Plan(self)       # None once the plan is made
        self.used = {seed: {} for seed in options.seeds}    # {seed: {(id, kind): [attempt, ...]}}
        self.target_lines = {}       # {method: lines of its targets file}
        self.seconds_asked = 0.0     # of the attempts that were asked for since the last targets
        self.attempt_seconds = {}    # {(method, seed): seconds of the attempts that it asked for}
        self.logprobs = None         # Figure 2, see `measure_figure2`
        self.began = time.time()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Let the folder and the models go: another run may follow in this process."""
        if self.lock is not None:
            self.lock.close()
        self.models = None

    def begin(self):
        """The plan is made and shown: from now on what is lacking is made."""
        self.plan = None
        self.seconds_asked = 0.0
        self.used = {seed: {} for seed in self.options.seeds}

    # ---- attempts and targets

    def attempts(self, seed, kind, examples, rows, sampling):
        """Rows of attempts -> {example id: [attempt, ...]}, judged, and noted for attempts.jsonl.

        sampling: s3ft.Sampling.
        """
        by_id = {example.id: example for example in examples}
        attempts = {id: [] for id in by_id}
        for row in rows:
            attempts[row["id"]].append(row | {"settings": asdict(sampling)})
        self.verdicts.prepare([by_id[row["id"]] for row in rows], rows, kind)
        for id, tries in attempts.items():           # rows may sample otherwise: all are noted once
            noted = self.used[seed].setdefault((id, kind), [])
            if not any(one["settings"] == asdict(sampling) for one in noted):
                noted += tries
            noted.sort(key=lambda one: not self.as_options_say(one))
        self.seconds_asked += sum(row["seconds"] for row in rows)
        return attempts

    def as_options_say(self, attempt):
        """Was it sampled as --samples and --temperature say, and not as a row of its own says?"""
        settings = attempt["settings"]
        o = self.options
        return (settings["samples"], settings["temperature"]) == (o.samples, o.temperature)

    def shares_failed(self, examples, attempts):
        """{example id: the share of its attempts, own answers, that the judge refuses}."""
        shares = {}
        for example in examples:
            tries = attempts[example.id]
            right = [self.verdicts.accept(example, one["text"], "own").ok for one in tries
                     if one["finish_reason"] == "end"]
            shares[example.id] = 1 - sum(right) / max(1, len(tries))
        return shares

    def logprobs_of(self, pairs):
        """The log-probabilities (nats) that base gives to ids after a prompt: a list for each pair
        (prompt ids, ids). Zeros while the run plans and not all are known yet."""
        wanted = []
        for pair in pairs:
            asked = digest(pair)
            wanted.append((f"log-probabilities {asked}", asked, pair))

        rows = self.base.rows("log-probabilities", wanted, [], [token_logprobs], token_logprobs)
        self.seconds_asked += sum(row["seconds"] for row in rows)
        if len(rows) < len(pairs):
            return [[0.0] * len(ids) for _, ids in pairs]
        return [row["logprobs"] for row in rows]

    def write_targets(self, method, seed, chosen, targets):
        """Write targets-METHOD.jsonl: ids, which we train on, and chat messages for other tools."""
        if self.plan:
            return
        self.attempt_seconds[method, seed] = self.seconds_asked
        self.seconds_asked = 0.0
        lines = self.target_lines.setdefault(method, [])
        for choice, target in zip(chosen, targets):
            if choice.attempt:
                text = choice.attempt["text"]
            else:
                text = self.task.text(choice.example, choice.source)
            lines.append({"seed": seed, "id": target.id, "source": target.source,
                          "prompt_ids": target.prompt_ids, "ids": target.ids,
                          "weights": target.weights,
                          "prompt": self.ask(self.task, choice.example),
                          "completion": [{"role": "assistant", "content": text}]})
        write_jsonl(self.out / f"targets-{method}.jsonl", lines)
        if self.shared:
            results.share_attempts(self, seed)

    # ---- tuned models

    def merges_all(self):
        """Is every checkpoint kept, merged? An adapter that was trained on top of another one opens
        only so."""
        return bool(self.options.lora) and (self.options.folder / "adapter_config.json").is_file()

    def tuned(self, method, settings, targets, tune):
        """The Weights of a tuned model. settings: s3ft.Training. tune: s3ft.tune."""
        o = self.options
        row = self.methods[method]
        parts = {
            "the base model": self.base.key,
            "the targets": [[target.prompt_ids, target.ids, target.weights] for target in targets],
            "the training settings": [asdict(settings), str(self.machine.train_dtype)],
            "the code that trains": [self.training_code, *page_code(row.loss, row.parameters)],
            "torch or the device": self.machine.versions(),
        }
        is_last = (settings.lr, settings.seed) == (row.rates[-1], o.seeds[-1])
        keep = self.merges_all() or o.keep == "all" or (o.keep == "last" and is_last)
        name = cells.cell_name(o, method, settings.lr, settings.seed)
        return TunedWeights(self, name, parts, row, settings, targets, tune, keep and row.kept)

    # ---- cells

    def has_cell(self, method, lr, seed):
        """Is this cell finished? At the start those are that --results has."""
        return cells.cell_name(self.options, method, lr, seed) in self.records

    def unfinished(self, seed):
        """{name: Method} of those that have a cell of this seed to be made."""
        unfinished = {}
        for name, row in self.methods.items():
            if not all(self.has_cell(name, lr, seed) for lr in row.rates):
                unfinished[name] = row
        return unfinished

    def add_cell(self, method, lr, seed, weights, measured):
        """Judge what was measured, and write the cell down. measured: from s3ft.measure."""
        if self.plan:
            self.plan.count_checkpoint(weights)
            return
        if weights.lacks_checkpoint():
            self.models.of(weights)                      # which writes it
        name = cells.cell_name(self.options, method, lr, seed)
        row = None if lr is None else self.methods[method]
        cell = results.make_cell(self, name, method, lr, seed, weights, measured)
        # All that was wanted of the model is measured, so the state of its training can go.
        # So can what a kill left of it half written.
        for pattern in ("state*.safetensors", "*.tmp*"):
            for left in weights.folder.rglob(pattern):
                left.unlink()
        made = self.made
        if row is not None and self.pages[method]:
            made = made | {"page": digest(self.pages[method])}
        about = results.about(self, seed)
        if self.options.lab and row is not None:
            about["targets"] = weights.parts["the targets"]     # for data/report/hand_ins.py
        record = {"key": cells.cell_key(self.options, self.world, method, row),
                  "made": made, "about": about, "cell": cell}
        cells.append_new(self.out / "cells.jsonl", self.listed, name, record)
        if self.shared:
            cells.append(self.shared, name, record)
        self.records[name] = record
        self.measured.add(name)

    def all_cells(self):
        """The rows of results.json: the cells of this run, in the order of their seeds."""
        o = self.options
        names = []
        for seed in o.seeds:
            names.append(cells.cell_name(o, "base", None, seed))
            names += [cells.cell_name(o, name, lr, seed)
                      for name, row in self.methods.items() for lr in row.rates]
        return [self.records[name]["cell"] for name in names]

    # ---- the end

    def measure_figure2(self, make_target, choice):
        self.logprobs = figure2.measure(self, make_target, choice)

    def results(self):
        if self.options.name:
            lab.hand_in(self)
        return results.write_results(self)

    def last_lines(self):
        """Where to look now: the last lines that a run prints."""
        text = (f"attempts, targets, cells and results.json: {self.out}; more of it, with figures: "
                f"python s3ft.py --report {self.out}")
        of_other_code = [record for record in self.records.values()
                         if "cell" in record and record["made"].get("code") != self.made["code"]]
        if of_other_code:
            text = f"of other code than this one: {len(of_other_code)} of the cells above\n{text}"
        if self.options.name:
            text += f"\nhand in: {lab.hand_in_file(self)}"
        return text
