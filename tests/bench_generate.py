"""Sampling speed: model.generate against one row at a time and, where it is installed, transformers' generate.

    python tests/bench_generate.py [--model data/tiny] [--prompts 600] [--new 80] [--rounds 3] [--dtype float32]
    python tests/bench_generate.py --model FOLDER --data FOLDER --prompts 96 --new 128 --work ends --batches 32 96

Workload: prompts of 40 to 100 random ids, greedy, exactly --new tokens each ("full"), then training
questions of --data (default: the bundled ones) with the model's own end tokens ("ends"), where rows finish at
different times. The rivals take turns round by round; the median counts. Tokens are sampled ones, end tokens included. transformers gets
left-padded batches sorted by length and its best batch size of several. Ends with one JSON line.
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
from data import load_task  # noqa: E402

try:
    import transformers
except ImportError:
    transformers = None


def theirs(lm, prompts, new, end_ids, batch):
    """transformers' generate; returns sampled tokens. Rows that ended are padded with -1 tokens: not counted."""
    order, total = sorted(prompts, key=len), 0
    for a in range(0, len(order), batch):
        part = order[a:a + batch]
        width = max(map(len, part))
        ids = torch.tensor([[0] * (width - len(p)) + p for p in part], device=lm.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part], device=lm.device)
        out = lm.generate(ids, attention_mask=mask, max_new_tokens=new, do_sample=False, pad_token_id=0,
                          eos_token_id=end_ids or None)[:, width:].tolist()
        for row in out:
            stops = [row.index(e) + 1 for e in end_ids if e in row]
            total += min(stops, default=len(row))
    return total


def ours(lm, prompts, new, end_ids):
    return sum(len(a.ids) + (a.finish_reason == "end") for a in model.generate(lm, prompts, new, end_ids=end_ids))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="data/tiny")
    parser.add_argument("--data", default="data/tiny")
    parser.add_argument("--prompts", type=int, default=600)
    parser.add_argument("--new", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default=None)
    parser.add_argument("--slots", type=int, nargs="+", default=[model.SLOTS])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--work", nargs="+", default=["full", "ends"])
    parser.add_argument("--skip-single", action="store_true")
    options = parser.parse_args()
    device = model.usable(options.device)
    dtype = getattr(torch, options.dtype) if options.dtype else model.precision(device, "sample")[0]
    lm, tokenizer = model.load(options.model, device, dtype)
    task = load_task("gsm8k", options.data)
    rng = random.Random(0)
    works = {
        "full": ([[rng.randrange(3, lm.vocab_limit) for _ in range(rng.randint(40, 100))]
                  for _ in range(options.prompts)], []),
        "ends": ([tokenizer.encode_chat(task.ask(e)) for e in task.load("train")[:options.prompts]],
                 tokenizer.end_ids)}
    other = None
    if transformers:
        transformers.logging.set_verbosity_error()
        other = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype).to(device)
        other.generation_config.eos_token_id = None

    rates = {}
    for name in options.work:
        prompts, ends = works[name]
        few = prompts[:max(1, len(prompts) // 40)]
        runs = {f"ours, {n} slots": (n, lambda: ours(lm, prompts, options.new, ends)) for n in options.slots}
        if not options.skip_single:
            runs["ours, one row at a time"] = (1, lambda: ours(lm, few, options.new, ends))
        if other:
            runs |= {f"transformers, batch {b}": (0, lambda b=b: theirs(other, prompts, options.new, ends, b))
                     for b in options.batches}
        found = {}
        for turn in range(options.rounds):
            for label, (slots, run) in runs.items():
                model.SLOTS = slots
                began = time.perf_counter()
                tokens = run()
                found.setdefault(label, []).append(tokens / (time.perf_counter() - began))
        rates[name] = {label: round(statistics.median(values)) for label, values in found.items()}
        for label, rate in rates[name].items():
            print(f"{name:5} {label:28} {rate:7} tokens/s", flush=True)
    print(json.dumps({"benchmark": "generate", "unit": "tokens/s", "prompts": options.prompts, "new": options.new,
                      "dtype": str(dtype).removeprefix("torch."), "device": str(device),
                      "threads": torch.get_num_threads(), "torch": torch.__version__,
                      "transformers": transformers and transformers.__version__, "rates": rates}))


if __name__ == "__main__":
    main()
