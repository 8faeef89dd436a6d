"""cli - the command line: the options and their checks.

s3ft.py imports this file before torch, which takes seconds to import. So --help, a wrong option and
Ctrl-C are answered at once.
"""
import argparse
import difflib
import math
import os
import re
import signal
import sys
from pathlib import Path

from data import (
    ALL, BUNDLED, LINEAR, OWN_DATA, PUBLIC, SKILLS, TASKS, TINY, UserError, has_half_character)
from data.cli.ending import guard, interrupted_at_start
from data.cli.lab import LAB, check_lab

JUDGES = ("number", "code", "span", "exact")

# --paper: the paper's LoRA, and what it does not say borrowed from SDFT's code.
PAPER_LORA = {"lora": 8, "lora_alpha": 16.0, "lora_dropout": 0.1, "lora_targets": "q_proj,v_proj",
         "lr": [1e-4], "schedule": "cosine", "batch": 8, "epochs": 5}

EPILOG = """examples, each after `python s3ft.py`
  --task gsm8k                                  base, SFT, S3FT on the bundled model; no network
  --task gsm8k --methods sft,ssr,sdft,s3ft      two more methods; finished ones are kept
  --task gsm8k --seeds 3 --lr 1e-4 3e-4 1e-3    each method's rate is chosen on validation
  --task gsm8k --show 3                         three examples, from question to target
  --lab --name ada                              a smaller one for a class; a file to hand in
  --task gsm8k --model Qwen/Qwen2.5-0.5B-Instruct --plan
                                                a public checkpoint, with LoRA: how long?
  --task gsm8k --model FOLDER --data FOLDER --benchmarks mmlu,hellaswag
                                                both from disk; what is forgotten?
  --task mine.jsonl --judge number              your own questions and answers
  --task all                                    word problems, code, readings; three tables
  --ask "Ben has 12 coins and finds 4. How many coins does Ben have?"
  --report runs/RUN                             everything that a run says, with figures

Stop it at any time and give the same command again: it goes on where it was. Edit a judge, a
prompt, METHODS or the training and run again: what depends on the edit is made again, with a line
that says why, and nothing else is."""


# ---------------------------------------------------------------- the options

class Parser(argparse.ArgumentParser):
    """argparse, but a wrong option is a UserError."""

    def error(self, message):
        raise UserError(f"{message[0].lower()}{message[1:]}; see python s3ft.py --help")


def number(kind, fits, what):
    """A type for argparse: reads a number of this kind, and refuses one that does not fit."""
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan                    # nan fits nowhere
        if not fits(value):
            raise argparse.ArgumentTypeError(f"must be {what}, not {text[:40]!r}")
        return value
    return read


COUNT = number(int, lambda n: n >= 1, "a whole number of at least 1")
COUNT_OR_NONE = number(int, lambda n: n >= 0, "a whole number of at least 0")
SEED = number(int, lambda n: 0 <= n < 10**9, "a whole number from 0 to below 1000000000")
POSITIVE = number(float, lambda x: 0 < x < math.inf, "a number above 0")
TEMPERATURE = number(float, lambda x: x == 0 or 0.01 <= x < math.inf,
                     "0 (greedy) or a number of at least 0.01")
SHARE = number(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")


def parser():
    p = Parser(prog="s3ft.py", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
               description="Compare base, SFT and S3FT: the model's own right answers as targets, "
                           "instead of one gold wording.")
    add_what(p.add_argument_group("what to run").add_argument)
    add_how_much(p.add_argument_group("how much").add_argument)
    add_training(p.add_argument_group("attempts and training").add_argument)
    add_machine(p.add_argument_group("machine and files").add_argument)
    add_look(p.add_argument_group("look").add_argument)
    return p


def add_what(add):
    add("--lab", action="store_true",
        help=f"for a class: --task gsm8k with --limit {LAB['limit']}, --test-limit "
             f"{LAB['test_limit']}, --benchmark-limit {LAB['benchmark_limit']}, --lr "
             f"{LAB['lr'][0]:g}, one of the small skills, in runs/lab; what the base model says "
             "comes with the project; other options win")
    add("--name", metavar="STUDENT",
        help="with --lab: write the table's cells to OUT/hand-in/STUDENT.jsonl; --report FOLDER "
             "makes one table of the files of a class")
    add("--task", metavar="NAME",
        help=f"the task to learn: {', '.join(TASKS)}, all ({', '.join(ALL)}, one after another), "
             "or your own FILE (.jsonl, .json or .csv) whose rows have question/answer, "
             "prompt/completion, instruction/output, messages, conversations or their like, and "
             "perhaps context, options, system, history (data/tasks/README.md)")
    add("--judge", choices=JUDGES,
        help="what makes an answer to your own data right: its final number, a program that passes "
             "the asserts of test_list, a short answer that holds a gold, or the whole text")
    add("--test", metavar="FILE",
        help="test questions for your own data (default: a fifth is held back); for nq and squad "
             "the name of the other, to train on one and test on the other")
    add("--all-asserts", action="store_true",
        help="mbpp: show every assert in the prompt, as the paper does (default: hold one back)")
    add("--unsafe-code", action="store_true",
        help="run generated programs uncontained: they could read and delete your files")
    add("--model", default=str(TINY), metavar="MODEL",
        help="folder in Hugging Face layout, hub id (owner/name, owner/name@revision), or folder "
             "with a LoRA adapter; families: llama, mistral, qwen2, qwen3, ministral, smollm3 "
             "(default: the bundled teaching model)")
    add("--data", metavar="FOLDER",
        help="folder with gsm8k/, mbpp/, nq/ or squad/, and for --benchmarks mmlu/, truthfulqa/, "
             "hellaswag/, winogrande/, each with the official files (default: the bundled files "
             "for the bundled model; for any other the official ones, fetched once)")
    add("--methods", default="sft,s3ft", metavar="LIST",
        help="rows of s3ft.py and of data/methods, with commas (default sft,s3ft)")


def add_how_much(add):
    add("--limit", type=COUNT, default=600, metavar="N", help="training examples (default 600)")
    add("--test-limit", type=COUNT, default=400, metavar="N", help="test examples (default 400)")
    add("--validation-limit", type=COUNT_OR_NONE, default=500, metavar="N",
        help="validation examples, on which several --lr are compared (default 500; 0: none)")
    add("--benchmarks", metavar="LIST",
        help=f"what else is measured: {', '.join(PUBLIC)} (as lm-evaluation-harness does), "
             f"mmlu-0shot, other tasks ({', '.join(TASKS)}), all (the four), none (default: of the "
             f"bundled model {', '.join((*BUNDLED, *SKILLS))}; of others none); can be added to a "
             "run whose weights are kept")
    add("--benchmark-limit", type=COUNT, default=250, metavar="N",
        help="items of each (default 250), of mmlu from all subjects in proportion")
    add("--test-samples", type=COUNT, default=1, metavar="K",
        help="answers to each test question, for pass@1 to pass@K (default 1)")
    add("--test-temperature", type=TEMPERATURE, default=0.0, metavar="T",
        help="of the test answers; 0 is greedy (default 0)")
    add("--new-items", action="store_true",
        help="every seed draws items of its own from the bundled model's world, none of which "
             "stands in the files (bundled model; gsm8k, mbpp, nq)")
    add("--seeds", type=COUNT, default=1, metavar="N",
        help="how many seeds: which examples are drawn, their order, dropout (default 1)")
    add("--first-seed", type=SEED, default=0, metavar="K",
        help="begin with seed K, so that machines can share a comparison (default 0)")


def add_training(add):
    add("--samples", type=COUNT, default=1, metavar="K",
        help="own answers and paraphrases per question; the first accepted wins (default 1)")
    add("--temperature", type=TEMPERATURE, default=0.0, metavar="T",
        help="of the attempts; 0 is greedy (default 0)")
    add("--max-new-tokens", type=COUNT, metavar="N",
        help="length limit of the task's answers (default 96 for the bundled model, else 400; mbpp "
             "and --judge code 128 and 400; nq, squad and --judge span 48 and 64)")
    add("--thinking", action="store_true",
        help="let a model that can think aloud first (Qwen3) do so (default: off)")
    add("--epochs", type=COUNT, metavar="N", help="times every example is seen (default 2)")
    add("--batch", type=COUNT, metavar="N", help="examples in a step (default 8)")
    add("--lr", type=POSITIVE, nargs="+", metavar="RATE",
        help="learning rates; of several, each method takes the smallest within one standard "
             "error of its best on validation (default 3e-4 for the bundled model; others 1e-4 "
             "with LoRA, 1e-5 without)")
    add("--schedule", choices=("linear", "cosine"),
        help="how the rate falls after the warm-up (default linear)")
    add("--lora", type=COUNT_OR_NONE, metavar="RANK",
        help="rank of adapters; 0 tunes all weights (default 0 for the bundled model, else 16)")
    add("--lora-alpha", type=POSITIVE, metavar="A",
        help="their scale is alpha / rank (default twice the rank)")
    add("--lora-dropout", type=SHARE, metavar="P", help="dropout before an adapter (default 0)")
    add("--lora-targets", metavar="LIST",
        help=f"which layers have one (default all: {','.join(LINEAR)})")
    add("--paper", action="store_true",
        help="the paper's LoRA (rank 8, alpha 16, dropout 0.1); what it does not say is SDFT's: "
             "q_proj,v_proj, rate 1e-4, cosine decay, batch 8, 5 epochs; other options win")


def add_machine(add):
    add("--device", metavar="NAME", help="cpu, cuda, ... (default: cuda if there is one)")
    add("--dtype", choices=("float32", "bfloat16", "float16"), help="(default: the faster one)")
    add("--out", metavar="FOLDER", help="run folder (default runs/TASK-HASH)")
    add("--results", metavar="FOLDER",
        help="append every finished cell to FOLDER/TASK.jsonl, a line of a few KB; what is there "
             "already, from whatever machine, is not made again; --report reads the file")
    add("--fresh", action="store_true", help="delete what the run folder holds, and start again")
    add("--keep", choices=("none", "last", "all"),
        help="whole checkpoints of tuned models (default last: of each method the highest rate of "
             "the last seed; with LoRA none, as adapters are always kept)")


def add_look(add):
    add("--plan", action="store_true",
        help="print what would be done, minutes, memory and disk, and stop")
    add("--show", type=COUNT, default=0, metavar="N",
        help="after the run print N examples: question, attempts, verdicts, target, tokens")
    add("--html", metavar="FILE", help="these tokens as a page, coloured by how likely they are")
    add("--report", nargs="+", metavar="RUN",
        help="folders of runs, files of --results, or a folder of files that a class handed in "
             "(--lab --name): gain and drop with intervals, KL, answers "
             "that changed; printed, and written with figures to RUN/report (or --out)")
    add("--ask", metavar="TEXT",
        help="ask the model in --model one question and stop; --temperature 0.7 --samples 10 asks "
             "it ten times")


# ---------------------------------------------------------------- checks and defaults

def parse(argv, methods=None, sources=()):
    """argv -> options, checked. UserError for everything that a user can mend.

    methods, sources: METHODS in s3ft.py with the pages' rows, and what they may name. Without
    them, which is before torch is imported, --methods is not checked.
    """
    options = parser().parse_args(argv)
    check_lab(options, usual=parser().parse_args([]))
    if options.lab:
        in_lab = parser()
        in_lab.set_defaults(**LAB)
        options = in_lab.parse_args(argv)               # what is given wins
    for name in ("task", "test", "model", "data", "out", "results", "device", "html", "ask"):
        text = getattr(options, name)
        if text is not None and (not text.strip() or has_half_character(text)):
            raise UserError(f"--{name} is empty or no text; leave it out or give a value")
    if options.ask is not None or options.report:
        return options
    if options.plan and options.fresh:
        raise UserError("--plan deletes nothing, so it cannot plan what --fresh would leave to do; "
                        "leave one out")
    if options.html and not Path(options.html).absolute().parent.is_dir():
        raise UserError(f"--html {options.html}: its folder is not there; make it or name another")
    if options.html and Path(options.html).is_dir():
        raise UserError(f"--html {options.html} is a folder; name a file in it")
    check_task(options)
    if methods is not None:
        check_methods(options, methods, sources)
    options.bundled = Path(options.model).resolve() == TINY.resolve()
    its_own_world = options.bundled and not options.data and not options.test
    if options.new_items and not (its_own_world and options.task in ("all", *ALL)):
        raise UserError("--new-items draws from the bundled model's world, so it goes with the "
                        f"bundled model, its own data and {', '.join(ALL)}; leave it out")
    set_benchmarks(options)
    set_training(options)
    options.given = options.data
    options.new_tokens = {task: new_tokens(task, options.bundled) for task in TASKS}
    if options.max_new_tokens is None and options.task != "all":
        task = {"span": "nq", "code": "mbpp"}.get(options.judge, options.task)
        options.max_new_tokens = new_tokens(task, options.bundled)
    options.seeds = list(range(options.first_seed, options.first_seed + options.seeds))
    for prefix, advice in (("test_", "--test-temperature 0.8"), ("", "--temperature 0.7")):
        n = getattr(options, f"{prefix}samples")
        if n > 1 and getattr(options, f"{prefix}temperature") == 0:
            name = f"--{prefix}samples".replace("_", "-")
            raise UserError(f"{name} {n} at temperature 0 would be {n} times the same answer; add "
                            f"{advice}")
    return options


def check_task(options):
    """--task, --judge, --test, --data and --all-asserts must go together."""
    task = options.task
    if task is None:
        raise UserError(f"which task? give --task NAME, one of: all, {', '.join(TASKS)}")
    if task.lower().endswith(OWN_DATA):
        if options.data:
            raise UserError("--data goes with a named task; your own data stand in "
                            "--task FILE and --test FILE")
        if options.judge is None:
            raise UserError(f"--task {task}: which judge? add --judge number (the final number "
                            "decides), code (the asserts of test_list), span (a short answer that "
                            "holds a gold) or exact (the whole text)")
    else:
        if os.path.exists(task) and task not in ("all", *TASKS):
            raise UserError(f"--task {task}: your own data come as a file whose name ends in "
                            f"{', '.join(OWN_DATA)}; known tasks: all, {', '.join(TASKS)}")
        known("task", task, ["all", *TASKS])
        reading = task in ("nq", "squad")
        if options.test and reading:
            known("--test: with --task nq or squad it names a reading set, and", options.test,
                  ("nq", "squad"))
        if options.judge or options.test and not reading:
            raise UserError("--judge and --test go with --task FILE (or --test squad with "
                            "--task nq); every named task has its own")
        if options.test == task:
            options.test = None
    if options.all_asserts and task not in ("mbpp", "all"):
        raise UserError("--all-asserts is about the prompts of mbpp; leave it out")


def check_methods(options, methods, sources):
    """Make options.methods a list, without base, and check its rows."""
    names = names_in(options.methods)
    if not names:
        raise UserError(f"--methods is empty; known: base, {', '.join(methods)}")
    for name in names:
        known("method", name, ["base", *methods])
    options.methods = [name for name in names if name != "base"]
    options.own_rates = any(len(getattr(methods[m], "rates", ())) > 1 for m in options.methods)
    for name in options.methods:
        row = getattr(methods[name], "sources", methods[name])
        if not isinstance(row, tuple) or not row or not re.fullmatch(r"[\w-]+", name):
            raise UserError(f"the row {name!r} must have a plain name and a tuple of sources, such "
                            f"as (\"own\",), not {row!r}")
        for source in row:
            known(f"the row {name!r}: source", source, sources)


def set_benchmarks(options):
    """Make options.benchmarks a list of names."""
    if options.benchmarks is None:
        options.benchmarks = "all" if options.bundled else "none"
    own = (*BUNDLED, *SKILLS) if options.bundled else ()
    meant_by_all = own or PUBLIC
    names = []
    for name in names_in(options.benchmarks):
        known("--benchmarks:", name, (*own, *PUBLIC, "mmlu-0shot", *TASKS, "all", "none"))
        if name == "all":
            names += meant_by_all
        elif name == options.task:
            raise UserError(f"--benchmarks {name}: that is the task itself, measured anyway; "
                            "leave it out")
        elif name != "none":
            names.append(name)
    options.benchmarks = list(dict.fromkeys(names))


def set_training(options):
    """The settings of training that were not given."""
    if options.paper:
        for name, value in PAPER_LORA.items():
            if getattr(options, name) is None:
                setattr(options, name, value)
    if options.lora is None:
        options.lora = 0 if options.bundled else 16
    if not options.lora and (options.lora_alpha or options.lora_dropout or options.lora_targets):
        raise UserError("--paper, --lora-alpha, --lora-dropout and --lora-targets need adapters: "
                        "add --lora 16 or leave them out")
    options.lora_alpha = options.lora_alpha or 2.0 * options.lora
    options.lora_dropout = options.lora_dropout or 0.0
    layers = LINEAR
    if options.lora_targets is not None:
        layers = names_in(options.lora_targets)
        if not layers:
            raise UserError(f"--lora-targets names no layer; known: {', '.join(LINEAR)}")
    for layer in layers:
        known("--lora-targets: layer", layer, LINEAR)
    options.lora_targets = [layer for layer in LINEAR if layer in layers]

    rate = 1e-5                                 # all weights of a public model
    if options.bundled:
        rate = 3e-4
    elif options.lora:
        rate = 1e-4
    options.lr = sorted(set(options.lr or [rate]))
    if len({f"{rate:g}" for rate in options.lr}) < len(options.lr):
        raise UserError("two of the --lr are equal in their first six digits, and would bear one "
                        "name; leave one out")
    options.epochs = options.epochs or 2
    options.batch = options.batch or 8
    options.schedule = options.schedule or "linear"
    options.keep = options.keep or ("none" if options.lora else "last")


def new_tokens(task, bundled):
    """The length limit of a task's answers, in tokens, if none is given."""
    if task == "mbpp":
        return 128 if bundled else 400
    if task in ("nq", "squad"):
        return 48 if bundled else 64
    return 96 if bundled else 400


def names_in(text):
    """"sft, s3ft" -> ["sft", "s3ft"], each name once."""
    names = [name.strip() for name in text.split(",")]
    return list(dict.fromkeys(name for name in names if name))


def known(what, name, names):
    """UserError where the name is not one of the names; it says which one may be meant."""
    if name in names:
        return
    near = difflib.get_close_matches(name, names, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise UserError(f"{what} {name!r} is not known{meant} (known: {', '.join(names)})")


def each_task(options):
    """The options of --task all, once for every task."""
    for task in ALL:
        its_own = argparse.Namespace(**vars(options) | {"task": task})
        if options.out:
            its_own.out = os.path.join(options.out, task)
        its_own.benchmarks = [name for name in options.benchmarks if name != task]
        if options.max_new_tokens is None:
            its_own.max_new_tokens = options.new_tokens[task]
        yield its_own


if os.path.basename(sys.argv[0]) == "s3ft.py":
    signal.signal(signal.SIGINT, interrupted_at_start)
    exit_code = guard(lambda: parse(sys.argv[1:]))     # --help ends here
    if exit_code:
        sys.exit(exit_code)
    signal.signal(signal.SIGINT, interrupted_at_start)
