"""run.py - one run of the comparison: its keys, its attempts, its cells, and its files.

    OUT/run.json               the task, model and data that this folder belongs to, and its threads
    OUT/models/MODEL/rows.jsonl    one folder a model (weights.py), rows found by key (store.py)
    OUT/verdicts/rows.jsonl    what the judge said of programs (verdicts.py)

From these a run writes, for people and other tools, what it has used itself (results.py has the
functions for what is written at the end):

    OUT/attempts.jsonl         own answers and paraphrases, each with its sampling settings
    OUT/targets-METHOD.jsonl   what each method trains on, as ids and as chat messages
    OUT/verdicts.jsonl         what the judge said of every attempt
    OUT/items.jsonl            what was asked: test questions and benchmark items
    OUT/CELL/answers.jsonl     answers to test and validation questions
    OUT/CELL/NAME.jsonl        answers to a benchmark that is another task
    OUT/cells.jsonl            every finished cell of this folder (data/results/cells.py)
    OUT/results.json           everything that the table shows
"""
import dataclasses
import json
import sys
import time

import torch

import judge
import model
from data.benchmarks import multiple_choice
from data.checkpoints import config as config_file
from data.checkpoints import lora
from data.checkpoints.lora import read_adapter_weights
from data.checkpoints.weights import check_weights
from data.judging import arithmetic, asserts
from data.results import cells
from data.fast import prefixes
from data.files import code_of, digest, write_jsonl
from data.judging import code_blocks, spans
from data.run import folder, results
from data.run.plan import Plan
from data.run.verdicts import Verdicts
from data.run.weights import Models, Weights

CHUNK = 300                      # rows in a chunk, which is the most that a kill loses
SMALL_CHUNK = 64                 # of a large model on a CPU, where 300 take a quarter of an hour
LARGE = 50e6                     # parameters of a large model: more than this
SHORT = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}

# What trained weights do not depend on: all the other code of s3ft.py and model.py is in their key.
# Sources, prompts and attempts are seen in the targets; how a model is measured is in the keys of
# its rows.
NOT_TRAINING = ("METHODS", "CONTROLS", "SAMPLED", "SOURCES", "Sampling", "Measuring", "Choice",
                "Job", "ask", "rewrite", "chat", "make_jobs", "for_store", "answers",
                "choose_targets", "make_target", "probe_of", "divergence", "log_probabilities",
                "test_answers", "score_options", "open_task", "main")


class Run:
    """One run: what it depends on, what it finds on disk or makes, and where it is in the walk."""

    def __init__(self, options, task, tokenizer, config, parameters, method_code):
        """config, tokenizer, parameters: of open_model. method_code: the module s3ft.

        UserError where --results or the folder belongs to another task, model or data.
        """
        self.options = options
        self.task = task
        self.tokenizer = tokenizer
        self.config = config
        self.parameters = parameters
        self.method_code = method_code

        # The device and its dtypes.
        machine = model.usable(options.device)
        self.sample_dtype, why_sample = model.precision(machine, "sample")
        self.train_dtype, why_train = model.precision(machine, "train")
        if options.dtype:
            self.sample_dtype = getattr(torch, options.dtype)
            self.train_dtype = self.sample_dtype
            why_sample = "asked for"
            why_train = "asked for"
        if self.train_dtype == torch.float16:
            self.train_dtype = torch.float32
            why_train = "small gradients would vanish in fp16"
        sample_name = SHORT[self.sample_dtype]
        train_name = SHORT[self.train_dtype]
        self.dtypes = [str(self.sample_dtype), str(self.train_dtype)]
        self.machine = [torch.__version__, machine.type]

        # What cells are made with (data/results/cells.py, "made").
        self.model_code = digest(code_of(model), code_of(config_file), code_of(lora),
                                 code_of(prefixes))
        all_code = digest(self.training_code(), self.code(method_code.answers),
                          self.code(method_code.divergence), self.judging_code(),
                          code_of(method_code, "choose_targets", "make_target"))
        self.made = {"python": sys.version.split()[0], "torch": torch.__version__,
                     "device": machine.type, "dtypes": f"{sample_name}/{train_name}",
                     "code": all_code}

        # The files of this run.
        self.identity = folder.identify(options, task)
        self.shared = None           # the file in --results
        self.done = {}               # what it has of this run: {name of a cell or attempts: record}
        if options.results:
            methods = method_code.METHODS | method_code.CONTROLS
            self.shared, self.done = cells.open_results(options, task, self.identity, methods)
        self.out, self.lock, why_threads = folder.open_folder(options, task, self.identity,
                                                              machine)
        records, _ = cells.read(self.out / "cells.jsonl")
        self.listed = cells.latest(records)
        self.why = (f"{machine.type}: sampling in {sample_name} ({why_sample}); "
                    f"training in {train_name} ({why_train}){why_threads}")

        # Models, verdicts, plan.
        self.chunk = CHUNK
        if parameters > LARGE and machine.type == "cpu":
            self.chunk = SMALL_CHUNK
        self.models = Models(self)
        parts = {"the model": self.identity["model"], "the sampling dtype": self.dtypes[0],
                 "torch or the device": self.machine}
        self.base = Weights(self, "base", parts)
        self.verdicts = Verdicts(task, self.out, options.plan)
        self.judges = {}             # {benchmark that is another task: its Verdicts}

        # What changes on the way: see `start`.
        self.plan = None
        self.planning = None         # True: make nothing, count what is lacking
        self.used = None             # attempts: {seed: {(id, kind): [attempt, ...]}}
        self.rows = None             # of results.json: one a cell
        self.logprobs = None         # of results.json: Figure 2
        # {kind of work: [tokens, seconds]}
        self.seconds = {"sampling": [0, 0.0], "training": [0, 0.0], "scoring": [0, 0.0]}
        self.counted = {}            # tokens of benchmark items
        self.began = time.time()
        self.dropped = 0             # training examples that do not fit the context

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
        self.written = set()         # methods whose targets were written
        self.plan = Plan(self)       # lets go what the plan counted: jobs, and models' targets

    def note(self, jobs, rows, seconds):
        """Count tokens and seconds of sampling and scoring, for tokens per second."""
        if not rows:
            return
        if "ids" in rows[0]:
            kind = "sampling"
            tokens = sum(len(row["ids"]) + 1 for row in rows)
        elif "loglikelihoods" in rows[0]:
            kind = "scoring"
            tokens = self.tokens_of(jobs)
        else:
            return
        self.seconds[kind][0] += tokens
        self.seconds[kind][1] += seconds

    def tokens_of(self, items):
        """About how many tokens it takes to score items of multiple choice.

        Each set is counted once, since prompts with five examples are long.
        """
        key = (items[0].id, items[-1].id, len(items))
        if key not in self.counted:
            context = self.config.max_position_embeddings
            self.counted[key] = multiple_choice.tokens(self.tokenizer, items, context)
        return self.counted[key]

    def note_training(self, targets, seconds):
        """Count tokens and seconds of a training, for tokens per second."""
        tokens = sum(len(target.prompt_ids) + len(target.ids) for target in targets)
        self.seconds["training"][0] += self.options.epochs * tokens
        self.seconds["training"][1] += seconds

    # ---- keys

    def code(self, *functions):
        """Fingerprint of functions with all that they use in their modules, and of model.py."""
        fingerprints = []
        for function in functions:
            module = sys.modules[function.__module__]
            fingerprints.append(code_of(module, function.__name__))
        return digest(self.model_code, fingerprints)

    def training_code(self):
        """Fingerprint of the code that trained weights depend on."""
        return digest(self.model_code, code_of(self.method_code, without=NOT_TRAINING))

    def judging_code(self):
        """Fingerprint of the code that judges attempts and answers."""
        task_module = sys.modules[type(self.task).__module__]
        modules = (judge, arithmetic, asserts, code_blocks, spans, task_module)
        return digest([code_of(module) for module in modules])

    def name(self, method, lr, seed):
        return cells.name(self.options, method, lr, seed)

    def tuned(self, method, settings, targets, train):
        """The Weights of a tuned model.

        settings: s3ft.Training. train(base, sampler, journal) -> the model.
        """
        o = self.options
        parts = {
            "the base model": self.base.key,
            "the targets": [[target.prompt_ids, target.ids] for target in targets],
            "the training settings": [dataclasses.asdict(settings), self.dtypes[1]],
            "the code that trains": self.training_code(),
            "torch or the device": self.machine,
        }
        # An adapter that was trained on top of another one opens only when both are merged.
        on_adapter = o.lora and (o.folder / "adapter_config.json").is_file()
        is_last = (settings.lr, settings.seed) == (o.lr[-1], o.seeds[-1])
        keep = bool(on_adapter) or o.keep == "all" or (o.keep == "last" and is_last)
        name = self.name(method, settings.lr, settings.seed)
        return Weights(self, name, parts, train, keep, targets)

    # ---- attempts and targets

    def attempts(self, seed, wanted, settings, code, sample):
        """The base model's attempts -> {example id: [attempt, ...]}; sample what is lacking.

        wanted: of jobs of one kind, as for Weights.rows. settings: s3ft.Sampling.
        """
        if not wanted:
            return {}
        examples = {job.example.id: job.example for _, _, job in wanted}
        kind = wanted[0][2].kind
        label = "own answers" if kind == "own" else "paraphrases"
        made_with = [settings.max_new_tokens, settings.temperature]
        rows = self.base.rows(label, wanted, made_with, code, sample)
        attempts = {id: [] for id in examples}
        for row in rows:
            attempts[row["id"]].append(row | {"settings": dataclasses.asdict(settings)})
        self.verdicts.prepare([examples[row["id"]] for row in rows], rows, kind)
        for id, tries in attempts.items():
            self.used[seed][id, kind] = tries
        return attempts

    def write_targets(self, method, seed, chosen, targets):
        """Write a seed's lines of targets-METHOD.jsonl, which has all seeds one after another.

        A line has the ids, which we train on, and chat messages for other tools.
        """
        if self.planning:
            return
        lines = []
        for choice, target in zip(chosen, targets):
            if choice.attempt:
                text = choice.attempt["text"]
            else:
                text = self.task.text(choice.example, choice.source)
            line = {"seed": seed, "id": target.id, "source": target.source,
                    "prompt_ids": target.prompt_ids, "ids": target.ids,
                    "prompt": self.method_code.ask(self.task, choice.example),
                    "completion": [{"role": "assistant", "content": text}]}
            lines.append(json.dumps(line) + "\n")
        mode = "a" if method in self.written else "w"
        self.written.add(method)
        with open(self.out / f"targets-{method}.jsonl", mode, encoding="utf-8") as file:
            file.writelines(lines)

    # ---- cells

    def lacking(self, seed):
        """{method: sources} of those that have a cell of this seed to be made.

        These are all methods, but for those whose cells --results has.
        """
        o = self.options
        sources = self.method_code.METHODS | self.method_code.CONTROLS
        lacking = {}
        for method in o.methods:
            names = [self.name(method, lr, seed) for lr in o.lr]
            if any(name not in self.done for name in names):
                lacking[method] = sources[method]
        return lacking

    def has(self, method, lr, seed):
        """Is this cell in --results? Then its row is taken from there."""
        name = self.name(method, lr, seed)
        if name in self.done and not self.planning:
            self.rows.append(self.done[name]["cell"])
        return name in self.done

    def add_cell(self, method, lr, questions, weights, measured, sources=None):
        """Take a finished cell into the results: judge what was measured, and write it down.

        lr, sources: None for the base model; sources: a row of METHODS. questions: a seed's.
        measured: what s3ft.measure returned.
        """
        if self.planning:
            self.plan.count_checkpoint(weights)
            return
        if weights.lacks_checkpoint():
            self.models.of(weights)                      # which writes it
        seed = questions.seed
        name = self.name(method, lr, seed)
        row = results.beginning_of_row(self, name, method, lr, seed, weights, measured["kl"])

        # Validation and test. One file has the answers to both.
        lines = []
        for split, examples in (("validation", questions.validation), ("test", questions.test)):
            if not examples:
                continue
            answers = measured[split]
            row[split] = results.judged_split(self, examples, answers)
            lines += [{"split": split} | answer for answer in answers]
        (self.out / name).mkdir(exist_ok=True)
        write_jsonl(self.out / name / "answers.jsonl", lines)

        # Benchmarks. Some are other tasks, whose answers are judged too.
        row["benchmarks"] = {}
        for benchmark, ability in questions.benchmarks.items():
            answers = measured["benchmarks"][benchmark]
            verdicts = None
            if ability.task is not None:
                if benchmark not in self.judges:
                    self.judges[benchmark] = Verdicts(ability.task, self.out)
                verdicts = self.judges[benchmark]
                verdicts.prepare(ability.items, answers, None)
                write_jsonl(self.out / name / f"{benchmark}.jsonl", answers)
            row["benchmarks"][benchmark] = ability.result(answers, verdicts)

        if lr is not None:
            row |= results.training_of_row(weights, questions.train)
        seconds = results.seconds_of_cell(self, questions, weights, measured, sources)
        row["times"] = {"minutes": round(seconds / 60, 2)}
        if lr is not None:
            weights.done()
        self.rows.append(row)

        # The lists of cells: this folder's, and that of --results.
        source_names = None if sources is None else list(sources)
        record = {"key": cells.key(self.options, self.identity, method, source_names),
                  "made": self.made, "about": results.about(self, questions), "cell": row}
        cells.append_new(self.out / "cells.jsonl", self.listed, name, record)
        if self.shared:
            self.done[name] = cells.append(self.shared, name, record)

    def check_cells(self, questions):
        """UserError where a cell of --results was measured on other items than this run draws."""
        results.check_cells(self, questions)

    # ---- the end

    def measure_figure2(self, questions, make):
        """Figure 2, on training questions of the first seed. make: as in results.figure2."""
        first = questions[self.options.seeds[0]]
        self.logprobs = results.figure2(self, first.train, make)

    def results(self, questions):
        """Write what this run used, and results.json -> its content (results.py)."""
        return results.write_results(self, questions)


def open_model(options):
    """Open a model without reading its weights, and check its files.

    -> (config, tokenizer, number of parameters).
    """
    lm, tokenizer, folder, adapter = model.open_without_weights(options.folder, options.thinking)
    shapes = {name: tensor.shape for name, tensor in lm.state_dict().items()}
    check_weights(folder, shapes, lm.config.tie_word_embeddings)
    if adapter:
        read_adapter_weights(adapter, dict(lm.named_modules()))
    parameters = sum(weight.numel() for weight in lm.parameters())
    return lm.config, tokenizer, parameters
