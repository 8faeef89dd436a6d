"""Sampling speed: model.generate against one row at a time and, where it is installed, transformers' generate.

    python tests/bench_generate.py [--model data/tiny] [--prompts 600] [--new 80] [--rounds 3] [--dtype float32]
    python tests/bench_generate.py --model FOLDER --data FOLDER --prompts 96 --new 128 --work ends --batches 32 96

Workloads: "full" are prompts of 40 to 100 random ids, greedy, exactly --new tokens each. "ends" are training
questions of --data (default: the bundled ones) with the model's own end tokens, so that rows finish at different
times. The rivals take turns round by round; the median counts. Tokens are sampled ones, end tokens included.
transformers gets left-padded batches sorted by length, in several sizes. Ends with one JSON line.
"""
import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import model  # noqa: E402
import s3ft  # noqa: E402
from data.tasks import load_task  # noqa: E402

try:
    import transformers
except ImportError:
    transformers = None


def theirs(lm, prompts, new, end_ids, batch):
    """Sample with transformers -> tokens sampled. Rows that ended are padded; padding does not count."""
    total = 0
    ordered = sorted(prompts, key=len)
    for a in range(0, len(ordered), batch):
        part = ordered[a:a + batch]
        width = max(map(len, part))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in part], device=lm.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part], device=lm.device)
        out = lm.generate(ids, attention_mask=mask, max_new_tokens=new, do_sample=False, pad_token_id=0,
                          eos_token_id=end_ids or None)
        for row in out[:, width:].tolist():
            stops = [row.index(end) + 1 for end in end_ids if end in row]
            total += min(stops, default=len(row))
    return total


def ours(lm, prompts, new, end_ids):
    """Sample with model.generate, all prompts at once -> tokens sampled."""
    answers = model.generate(lm, prompts, new, end_ids=end_ids)
    return sum(len(answer.ids) + (answer.finish_reason == "end") for answer in answers)


def ours_singly(lm, prompts, new, end_ids):
    """The same, a prompt at a time."""
    return sum(ours(lm, [prompt], new, end_ids) for prompt in prompts)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="data/tiny")
    parser.add_argument("--data", default="data/tiny")
    parser.add_argument("--prompts", type=int, default=600)
    parser.add_argument("--new", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default=None)
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0], help="values of lm.batch_share to compare")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256], help="batch sizes of transformers")
    parser.add_argument("--work", nargs="+", default=["full", "ends"])
    parser.add_argument("--skip-single", action="store_true")
    return parser.parse_args()


def workloads(options, lm, tokenizer):
    """{name: (prompts, end ids)}."""
    rng = random.Random(0)
    lengths = [rng.randint(40, 100) for _ in range(options.prompts)]
    full = [[rng.randrange(3, lm.vocab_limit) for _ in range(length)] for length in lengths]
    task = load_task("gsm8k", options.data)
    questions = [tokenizer.encode_chat(s3ft.ask(task, e)) for e in task.load("train")[:options.prompts]]
    return {"full": (full, []), "ends": (questions, tokenizer.end_ids)}


def main():
    options = parse()
    device = model.usable(options.device)
    dtype = getattr(torch, options.dtype) if options.dtype else model.precision(device)[0]
    lm, tokenizer = model.load(options.model, device, dtype)
    other = None
    if transformers:
        transformers.logging.set_verbosity_error()
        other = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype).to(device)
        other.generation_config.eos_token_id = None

    works = workloads(options, lm, tokenizer)
    rates = {}
    for name in options.work:
        prompts, ends = works[name]
        few = prompts[:max(1, len(prompts) // 40)]
        runs = []                               # (label, batch share of ours, function, arguments)
        for share in options.shares:
            runs.append((f"ours, share {share:g}", share, ours, (lm, prompts, options.new, ends)))
        if not options.skip_single:
            runs.append(("ours, one row at a time", 1.0, ours_singly, (lm, few, options.new, ends)))
        if other:
            for batch in options.batches:
                label = f"transformers, batch {batch}"
                runs.append((label, 1.0, theirs, (other, prompts, options.new, ends, batch)))

        measured = {label: [] for label, *_ in runs}
        for _ in range(options.rounds):
            for label, share, function, arguments in runs:
                lm.batch_share = share
                began = time.perf_counter()
                tokens = function(*arguments)
                measured[label].append(tokens / (time.perf_counter() - began))
        rates[name] = {label: round(statistics.median(values)) for label, values in measured.items()}
        for label, rate in rates[name].items():
            print(f"{name:5} {label:28} {rate:7} tokens/s", flush=True)

    print(json.dumps({
        "benchmark": "generate", "unit": "tokens/s", "prompts": options.prompts, "new": options.new,
        "dtype": str(dtype).removeprefix("torch."), "device": str(device), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "transformers": transformers and transformers.__version__, "rates": rates}))


if __name__ == "__main__":
    main()
