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

from data import TASKS, TINY, UserError

EPILOG = """examples
  python s3ft.py --task gsm8k                                    base, SFT and S3FT on the bundled model: minutes, no network
  python s3ft.py --task gsm8k --methods sft,ssr,sdft,s3ft        two more methods; what is finished is not done again
  python s3ft.py --task gsm8k --seeds 3 --lr 1e-4 3e-4 1e-3      three seeds; each method's rate chosen on validation
  python s3ft.py --task gsm8k --plan                             what it would do, and how long it would take
  python s3ft.py --task gsm8k --show 3                           three examples from question to coloured target
  python s3ft.py --ask "How many legs do 3 cats have?" --model runs/RUN/CELL
  python s3ft.py --task gsm8k --model FOLDER --data FOLDER       a Llama-style checkpoint and the official files from disk

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


def count(text):
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text[:40]!r}")
    return value


def positive(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text[:40]!r}")
    return value


def nonnegative(text):
    return 0.0 if text.strip() in ("0", "0.0") else positive(text)


def parser():
    p = Parser(prog="s3ft.py", description="Compare base, SFT and S3FT: the model's own right answers as targets, instead of one gold wording.",
               epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    g = p.add_argument_group("what to run")
    g.add_argument("--task", metavar="NAME", help=f"the task to learn: {', '.join(TASKS)}")
    g.add_argument("--model", default=str(TINY), metavar="FOLDER", help="checkpoint in Hugging Face layout (default: the bundled teaching model)")
    g.add_argument("--data", default=str(TINY), metavar="FOLDER", help="folder with gsm8k/train.jsonl and gsm8k/test.jsonl (default: the bundled tiny-gsm8k)")
    g.add_argument("--methods", default="sft,s3ft", metavar="LIST", help="rows of METHODS in s3ft.py, with commas; base is always measured (default sft,s3ft)")
    g = p.add_argument_group("how much")
    g.add_argument("--limit", type=count, default=600, metavar="N", help="training examples (default 600)")
    g.add_argument("--test-limit", type=count, default=400, metavar="N", help="test examples (default 400)")
    g.add_argument("--benchmark-limit", type=count, default=250, metavar="N", help="items of each benchmark (default 250)")
    g.add_argument("--seeds", type=count, default=1, metavar="N", help="seeds 0 to N-1: which examples are drawn, and their order (default 1)")
    g = p.add_argument_group("attempts")
    g.add_argument("--samples", type=count, default=1, metavar="K", help="own answers and paraphrases per question; the first accepted wins (default 1)")
    g.add_argument("--temperature", type=nonnegative, default=0.0, metavar="T", help="of the attempts; 0 is greedy (default 0)")
    g.add_argument("--max-new-tokens", type=count, metavar="N", help="length limit of an answer (default 96 for the bundled model, else 400)")
    g = p.add_argument_group("training")
    g.add_argument("--epochs", type=count, default=2, metavar="N", help="times every example is seen (default 2)")
    g.add_argument("--batch", type=count, default=8, metavar="N", help="examples in a step (default 8)")
    g.add_argument("--lr", type=positive, nargs="+", default=[3e-4], metavar="RATE",
                   help="learning rates, the same for every method; of several, each method takes the smallest within one standard error of its best on validation (default 3e-4)")
    g = p.add_argument_group("machine and files")
    g.add_argument("--device", metavar="NAME", help="cpu, cuda, ... (default: cuda if there is one)")
    g.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="to compute in (default: what is faster here; the run says why)")
    g.add_argument("--out", metavar="FOLDER", help="run folder (default runs/TASK-HASH)")
    g.add_argument("--fresh", action="store_true", help="start anew: drop what the run folder holds of this run")
    g.add_argument("--keep", choices=("none", "last", "all"), default="last", help="checkpoints of tuned cells (default: the last of each method)")
    g = p.add_argument_group("look")
    g.add_argument("--plan", action="store_true", help="print what would be done, minutes, memory and disk, and stop")
    g.add_argument("--show", type=count, default=0, metavar="N", help="after the run print N examples: question, attempts, verdicts, coloured target")
    g.add_argument("--ask", metavar="TEXT", help="ask the model in --model one question and stop")
    return p


def parse(argv, methods, sources):
    """argv -> options, checked. UserError for everything that a user can mend."""
    o = parser().parse_args(argv)
    for name in ("model", "data", "out", "device", "ask"):
        value = getattr(o, name)
        if value is not None and (not value.strip() or any("\ud800" <= c <= "\udfff" for c in value)):
            raise UserError(f"--{name} is empty or no text; leave it out or give a value")
    if o.ask is not None:
        return o
    if o.task is None:
        raise UserError(f"which task? give --task NAME, one of: {', '.join(TASKS)}")
    known("task", o.task, TASKS)
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
    o.lr = sorted(set(o.lr))
    o.seeds = list(range(o.seeds))
    o.bundled = Path(o.model).resolve() == TINY.resolve()
    o.max_new_tokens = o.max_new_tokens or (96 if o.bundled else 400)
    if o.samples > 1 and o.temperature == 0:
        raise UserError(f"--samples {o.samples} at temperature 0 would be {o.samples} times the same answer; add --temperature 0.7")
    return o


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
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        message, code = f"cannot write ({error.strerror}: {error.filename or 'run folder'}); make room or give --out; what is finished is kept", 2
    print("s3ft: " + " ".join(message.split()), file=sys.stderr)
    return code
