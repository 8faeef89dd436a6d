"""cli.py - the command line: options, their checks, and what a mistake prints (one line, exit code 2)."""
import argparse
import difflib
import errno
import math
import os
import re
import signal
import sys
from pathlib import Path

from data import ALL, SKILLS, TASKS, TINY, UserError

BUNDLED, PUBLIC = ("facts", "myths", "endings", "referents"), ("mmlu", "truthfulqa", "hellaswag", "winogrande")      # as in data/benchmarks/multiple_choice.py
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")      # model.LINEAR, without importing torch

NEW_TOKENS = {"mbpp": (128, 400), "nq": (48, 64), "squad": (48, 64)}         # of the bundled model, of others; else 96 and 400

EPILOG = """examples
  python s3ft.py --task gsm8k                                    base, SFT and S3FT on the bundled model: minutes, no network
  python s3ft.py --task gsm8k --methods sft,ssr,sdft,s3ft        two more methods; what is finished is not done again
  python s3ft.py --task gsm8k --seeds 3 --lr 1e-4 3e-4 1e-3      three seeds; each method's rate chosen on validation
  python s3ft.py --task gsm8k --plan                             what it would do, and how long it would take
  python s3ft.py --task gsm8k --show 3                           three examples from question to coloured target
  python s3ft.py --ask "Ben has 12 coins. Ben finds 4 more. How many coins does Ben have now?" --model runs/RUN/models/MODEL
  python s3ft.py --task gsm8k --model Qwen/Qwen2.5-0.5B-Instruct --plan
                                                                 a public checkpoint on the official data, with LoRA: how long?
  python s3ft.py --task gsm8k --model FOLDER --data FOLDER       both from disk
  python s3ft.py --task gsm8k --model FOLDER --benchmarks mmlu,hellaswag,mbpp
                                                                 and what does it cost elsewhere?
  python s3ft.py --report runs/RUN                               everything that a run says, with figures
  python s3ft.py --task mine.jsonl --judge number                your own questions and answers (or --judge code, span, exact)
  python s3ft.py --task all                                      word problems, code and readings, and the paper's three tables

Kill it at any time and give the same command again: it goes on where it was. Edit a judge, a prompt, METHODS or the
training and run again: what depends on the edit is done again, with a line that says why, and nothing else is."""


def quiet_interrupt(signum, frame):
    print("s3ft: stopped before anything was begun", file=sys.stderr)
    os._exit(130)


if os.path.basename(sys.argv[0]) == "s3ft.py":                  # until guard() takes over
    signal.signal(signal.SIGINT, quiet_interrupt)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UserError(f"{message[0].lower()}{message[1:]}; see python s3ft.py --help")


def option(kind, fits, what):
    """What argparse makes an option's text into: a number of this kind that fits, or an error that says what it has to be."""
    def read(text):
        try:
            if fits(value := kind(text)):                        # nan and inf fit nowhere
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"must be {what}, not {text[:40]!r}")
    return read


count = option(int, lambda n: n >= 1, "a whole number of at least 1")
count_or_none = option(int, lambda n: n >= 0, "a whole number of at least 0")
positive = option(float, lambda x: 0 < x < math.inf, "a number above 0")
temperature = option(float, lambda x: x == 0 or 0.01 <= x < math.inf, "0 (greedy) or a number of at least 0.01")
share = option(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")


def parser():
    p = Parser(prog="s3ft.py", description="Compare base, SFT and S3FT: the model's own right answers as targets, instead of one gold wording.",
               epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    g = p.add_argument_group("what to run")
    g.add_argument("--task", metavar="NAME", help=f"the task to learn: {', '.join(TASKS)}, all ({', '.join(ALL)}, one after another), or your own "
                   "FILE.jsonl with question/answer, prompt/completion, instruction/output or messages on every line")
    g.add_argument("--judge", choices=("number", "code", "span", "exact"), help="what makes an answer to your own data right: its final number, a program "
                   "that passes the asserts of the line's test_list, a short answer that holds one of the golds, or the whole text")
    g.add_argument("--test", metavar="FILE", help="test questions for your own data (default: a fifth of them is held back); for nq and squad the name "
                   "of the other, to train on one reading set and test on another")
    g.add_argument("--all-asserts", action="store_true", help="mbpp: show every assert in the prompt, as the paper does (default: hold the last one back)")
    g.add_argument("--unsafe-code", action="store_true", help="run generated programs although nothing contains them here: they could read and delete "
                   "your files; limits on time and memory alone remain")
    g.add_argument("--model", default=str(TINY), metavar="MODEL", help="folder in Hugging Face layout, hub id (owner/name, owner/name@revision), or folder "
                   "with a LoRA adapter; families: llama, mistral, qwen2, qwen3 (default: the bundled teaching model)")
    g.add_argument("--data", metavar="FOLDER", help="folder with gsm8k/train.jsonl and test.jsonl, mbpp/mbpp.jsonl, nq/ or squad/, and for --benchmarks "
                   "mmlu/, truthfulqa/, hellaswag/, winogrande/ (default: the bundled files for the bundled model; for any other the official ones, "
                   "fetched once)")
    g.add_argument("--methods", default="sft,s3ft", metavar="LIST", help="rows of METHODS or CONTROLS in s3ft.py, with commas; base is always measured "
                   "(default sft,s3ft)")
    g = p.add_argument_group("how much")
    g.add_argument("--limit", type=count, default=600, metavar="N", help="training examples (default 600)")
    g.add_argument("--test-limit", type=count, default=400, metavar="N", help="test examples (default 400)")
    g.add_argument("--validation-limit", type=count_or_none, default=500, metavar="N", help="validation examples, on which several --lr are compared and which "
                   "--results keeps too (default 500; 0: none)")
    g.add_argument("--benchmarks", metavar="LIST", help=f"what else is measured on every model: {', '.join(PUBLIC)} (as lm-evaluation-harness asks and scores "
                   f"them), mmlu-0shot, other tasks ({', '.join(TASKS)}), all (the four), none "
                   f"(default: for the bundled model its own four, {', '.join(BUNDLED)}, and its small skills, {', '.join(SKILLS)}; for others "
                   "none); can be added to a run whose weights are kept")
    g.add_argument("--benchmark-limit", type=count, default=250, metavar="N", help="items of each (default 250), of mmlu from all subjects in proportion")
    g.add_argument("--test-samples", type=count, default=1, metavar="K", help="answers to each test question, for pass@1 to pass@K (default 1)")
    g.add_argument("--test-temperature", type=temperature, default=0.0, metavar="T", help="of the test answers; 0 is greedy (default 0)")
    g.add_argument("--new-items", action="store_true", help="every seed draws training, test and benchmark items of its own from the bundled model's world, "
                   "none of which stands in the files (bundled model, gsm8k, mbpp, nq)")
    g.add_argument("--seeds", type=count, default=1, metavar="N", help="how many seeds, from 0 on: which examples are drawn, their order, dropout (default 1)")
    g.add_argument("--first-seed", type=count_or_none, default=0, metavar="K", help="begin with seed K, so that machines can share a comparison (default 0)")
    g = p.add_argument_group("attempts")
    g.add_argument("--samples", type=count, default=1, metavar="K", help="own answers and paraphrases per question; the first accepted wins (default 1)")
    g.add_argument("--temperature", type=temperature, default=0.0, metavar="T", help="of the attempts; 0 is greedy (default 0)")
    g.add_argument("--max-new-tokens", type=count, metavar="N", help="length limit of the task's answers (default 96 for the bundled model, else 400; "
                   "mbpp and --judge code 128 and 400; nq, squad and --judge span 48 and 64)")
    g.add_argument("--thinking", action="store_true", help="let a model that can think aloud first (Qwen3) do so (default: off)")
    g = p.add_argument_group("training")
    g.add_argument("--epochs", type=count, metavar="N", help="times every example is seen (default 2)")
    g.add_argument("--batch", type=count, metavar="N", help="examples in a step (default 8)")
    g.add_argument("--lr", type=positive, nargs="+", metavar="RATE", help="learning rates, the same for every method; of several, each method takes "
                   "the smallest within one standard error of its best on validation (default 3e-4 for the bundled model; others 1e-4 with LoRA, 1e-5 without)")
    g.add_argument("--schedule", choices=("linear", "cosine"), help="how the rate falls after the warm-up (default linear)")
    g.add_argument("--lora", type=count_or_none, metavar="RANK", help="tune adapters of this rank beside frozen weights; 0 tunes all weights "
                   "(default 0 for the bundled model, 16 for others)")
    g.add_argument("--lora-alpha", type=positive, metavar="A", help="their scale is alpha / rank (default twice the rank)")
    g.add_argument("--lora-dropout", type=share, metavar="P", help="dropout before an adapter (default 0)")
    g.add_argument("--lora-targets", metavar="LIST", help=f"which layers have one (default all: {','.join(LINEAR)})")
    g.add_argument("--paper", action="store_true", help="the paper's LoRA (rank 8, alpha 16, dropout 0.1), and what the paper does not say borrowed from "
                   "SDFT's code: on q_proj,v_proj, rate 1e-4 with cosine decay, batch 8, 5 epochs; options given beside it win")
    g = p.add_argument_group("machine and files")
    g.add_argument("--device", metavar="NAME", help="cpu, cuda, ... (default: cuda if there is one)")
    g.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="to compute in (default: what is faster here; the run says why)")
    g.add_argument("--out", metavar="FOLDER", help="run folder (default runs/TASK-HASH)")
    g.add_argument("--results", metavar="FOLDER", help="append every finished cell to FOLDER/TASK.jsonl, a line of a few KB; one that is there already, "
                   "from whatever machine, is not made again; --report FOLDER/TASK.jsonl reports all of them")
    g.add_argument("--fresh", action="store_true", help="start anew: drop what the run folder holds of this run")
    g.add_argument("--keep", choices=("none", "last", "all"), help="whole checkpoints of tuned cells (default last: of each method the highest rate of "
                   "the last seed; with LoRA none, as its adapters are always kept: --keep last writes the merged weights too)")
    g = p.add_argument_group("look")
    g.add_argument("--plan", action="store_true", help="print what would be done, minutes, memory and disk, and stop")
    g.add_argument("--show", type=count, default=0, metavar="N", help="after the run print N examples: question, attempts, verdicts, coloured target")
    g.add_argument("--report", nargs="+", metavar="RUN", help="a run's folder (or several): gain and drop with intervals, the frontier, log-probabilities, KL, "
                   "answers that changed; printed, and written with figures to RUN/report (or --out)")
    g.add_argument("--ask", metavar="TEXT", help="ask the model in --model one question and stop")
    return p


def parse(argv, methods, sources):
    """argv -> options, checked. UserError for everything that a user can mend."""
    o = parser().parse_args(argv)
    for name in ("task", "test", "model", "data", "out", "results", "device", "ask"):
        value = getattr(o, name)
        if value is not None and (not value.strip() or any("\ud800" <= c <= "\udfff" for c in value)):
            raise UserError(f"--{name} is empty or no text; leave it out or give a value")
    if o.ask is not None or o.report:
        return o
    if o.task is None:
        raise UserError(f"which task? give --task NAME, one of: all, {', '.join(TASKS)}")
    own = o.task.endswith((".jsonl", ".json")) or os.path.exists(o.task) and o.task not in ("all", *TASKS)
    if own and not o.task.endswith((".jsonl", ".json")):
        raise UserError(f"--task {o.task}: your own data come as a file FILE.jsonl; known tasks: all, {', '.join(TASKS)}")
    if own and (o.judge is None or o.data):
        raise UserError(f"--task {o.task}: which judge? add --judge number (the final number decides), code (the asserts of test_list), span (a short answer "
                        "that holds a gold) or exact (the whole text)" if not o.data
                        else "--data goes with a named task; your own data stand in --task FILE.jsonl and --test FILE")
    if not own:
        known("task", o.task, ["all", *TASKS])
        if o.test and o.task in ("nq", "squad"):
            known("--test: with --task nq or squad it names a reading set, and", o.test, ("nq", "squad"))
        elif o.judge or o.test:
            raise UserError(f"--judge and --test go with --task FILE.jsonl (or --test squad with --task nq); "
                            f"{'each task has its' if o.task == 'all' else f'{o.task} has its'} own")
        if o.judge:
            raise UserError(f"--judge goes with --task FILE.jsonl; {o.task} has its own")
        o.test = None if o.test == o.task else o.test
    if o.all_asserts and o.task not in ("mbpp", "all"):
        raise UserError("--all-asserts is about the prompts of mbpp; leave it out")
    names = [m.strip() for m in o.methods.split(",") if m.strip()]
    for name in names:
        known("method", name, ["base", *methods])
    o.methods = list(dict.fromkeys(m for m in names if m != "base"))
    if not names:
        raise UserError(f"--methods is empty; known: base, {', '.join(methods)}")
    for method in o.methods:
        row = methods[method]
        if not isinstance(row, tuple) or not row or not re.fullmatch(r"[\w-]+", method):
            raise UserError(f"METHODS in s3ft.py: {method!r} must be a plain name with a tuple of sources, such as (\"own\",), not {row!r}")
        for source in row:
            known(f"METHODS in s3ft.py, row {method!r}: source", source, sources)
    o.bundled = Path(o.model).resolve() == TINY.resolve()
    if o.new_items and (not o.bundled or o.data or o.test or o.task not in ("all", *ALL)):
        raise UserError(f"--new-items draws from the bundled model's world, so it goes with the bundled model, its own data and {', '.join(ALL)}; leave it out")
    paper = {"lora": 8, "lora_alpha": 16.0, "lora_dropout": 0.1, "lora_targets": "q_proj,v_proj", "lr": [1e-4], "schedule": "cosine", "batch": 8, "epochs": 5}
    for name, value in (paper if o.paper else {}).items():
        if getattr(o, name) is None:
            setattr(o, name, value)
    own = (*BUNDLED, *SKILLS) if o.bundled else PUBLIC
    wanted = [name.strip() for name in (("all" if o.bundled else "none") if o.benchmarks is None else o.benchmarks).split(",") if name.strip()]
    o.benchmarks = list(dict.fromkeys(name for w in wanted for name in (own if w == "all" else () if w == "none" else (w,))))
    for name in o.benchmarks:
        known("--benchmarks:", name, (*(own if o.bundled else ()), *PUBLIC, "mmlu-0shot", *TASKS, "all", "none"))
        if name == o.task:
            raise UserError(f"--benchmarks {name}: that is the task itself, measured anyway; leave it out")
    o.given, o.new_tokens = o.data, {name: NEW_TOKENS.get(name, (96, 400))[not o.bundled] for name in TASKS}
    o.lora = (0 if o.bundled else 16) if o.lora is None else o.lora
    if not o.lora and (o.lora_alpha or o.lora_dropout or o.lora_targets):
        raise UserError("--paper tunes LoRA adapters, --lora 0 all weights; leave one of them out" if o.paper else
                        "--lora-alpha, --lora-dropout and --lora-targets need adapters: add --lora 16")
    o.lora_alpha = o.lora_alpha or 2.0 * o.lora
    o.lora_dropout = o.lora_dropout or 0.0
    o.lora_targets = [name.strip() for name in (o.lora_targets or ",".join(LINEAR)).split(",") if name.strip()]
    for name in o.lora_targets:
        known("--lora-targets: layer", name, LINEAR)
    o.lora_targets = [name for name in LINEAR if name in o.lora_targets]
    if not o.lora_targets:
        raise UserError(f"--lora-targets names no layer; known: {', '.join(LINEAR)}")
    o.lr = sorted(set(o.lr or [3e-4 if o.bundled else 1e-4 if o.lora else 1e-5]))
    o.epochs, o.batch, o.schedule = o.epochs or 2, o.batch or 8, o.schedule or "linear"
    o.keep = o.keep or ("none" if o.lora else "last")
    o.seeds = list(range(o.first_seed, o.first_seed + o.seeds))
    if o.max_new_tokens is None and o.task != "all":
        o.max_new_tokens = NEW_TOKENS.get({"span": "nq", "code": "mbpp"}.get(o.judge, o.task), (96, 400))[not o.bundled]
    if o.test_samples > 1 and o.test_temperature == 0:
        raise UserError(f"--test-samples {o.test_samples} at temperature 0 would be {o.test_samples} times the same answer; add --test-temperature 0.8")
    if o.samples > 1 and o.temperature == 0:
        raise UserError(f"--samples {o.samples} at temperature 0 would be {o.samples} times the same answer; add --temperature 0.7")
    return o


def each_task(options):
    """The options of --task all, once for every task."""
    for task in ALL:
        o = argparse.Namespace(**vars(options))
        o.task, o.out = task, options.out and os.path.join(options.out, task)
        o.benchmarks = [name for name in options.benchmarks if name != task]
        o.max_new_tokens = options.max_new_tokens or NEW_TOKENS.get(task, (96, 400))[not o.bundled]
        yield o


def known(what, name, names):
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        raise UserError(f"{what} {name!r} is not known{f'; did you mean {near[0]!r}?' if near else ''} (known: {', '.join(names)})")


def guard(main):
    """Run main; a mistake of the user's is one line and exit code 2, Ctrl-C says how to go on and exits with 130."""
    if signal.getsignal(signal.SIGINT) is quiet_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
        return 0
    except UserError as error:
        message, code = str(error), 2
    except KeyboardInterrupt:
        message, code = "stopped; what is finished is kept: the same command goes on from there", 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (RuntimeError, MemoryError) as error:
        if type(error).__name__ not in ("OutOfMemoryError", "MemoryError") and "allocate memory" not in str(error):
            raise
        message, code = "out of memory; take a smaller model, a smaller --lora RANK, or --device cpu; what is finished is kept", 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        message, code = f"cannot write ({error.strerror}: {error.filename or 'run folder'}); make room or give --out; what is finished is kept", 2
    print("s3ft: " + " ".join(message.split()), file=sys.stderr)
    return code
