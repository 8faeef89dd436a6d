"""Scoring speed: multiple choice by data/benchmarks/multiple_choice.py against lm-evaluation-harness 0.4.13.

Same items, same processor, same dtype.

    python tests/bench_score.py MODEL DATA [--rounds 3] [--work mmlu hellaswag draw] [--dtype bfloat16] [--batches 1 8]
    python tests/bench_score.py MODEL DATA --items 8 --rounds 1 --work mmlu hellaswag        # does it run?
    python tests/bench_score.py --tiny [--items 1000]           # the bundled sets (600 of two) on the bundled model

mmlu       five shots; the first 100 items of each of --subjects, four whose prompts are on average as long as all are
draw       five shots; 200 items drawn from all subjects, as --benchmark-limit draws them: few share their examples
hellaswag  200 items

DATA holds the publishers' files. Each side is a process of its own, so that its memory is its own; the sides take
turns, round by round. Timed are tokenisation and scoring, not imports, loading the model or building the texts. Ours
scores 256 items at once, as a run does; lm-eval gets all its requests in one call and its best batch size of --batches,
which is looked for first, on --try items. Memory is the process's peak (resident), and how much of it came after the
model was loaded. Medians; the last line is JSON. Needs lm-eval, or only ours is timed.
"""
import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

import model
from data import TINY, benchmarks
from data.benchmarks import multiple_choice

COUNTS = {"mmlu": 400, "draw": 200, "hellaswag": 200}
FAMILY = {"mmlu": "mmlu", "draw": "mmlu", "hellaswag": "hellaswag"}
SUBJECTS = "anatomy,moral_scenarios,professional_accounting,professional_medicine"
TARGETS = {"mmlu": 4.0, "hellaswag": 1.5}           # times lm-eval's rate
SIDES = ("ours", "lm-eval")
MOST = {"myths": 600, "referents": 600}             # the world has few more; it would look for more for ever


def choose(work, data, subjects, n):
    """The items of a work."""
    family = FAMILY[work]
    items = multiple_choice.load(family, data)
    if work != "mmlu":
        return multiple_choice.sample_by_subject(items, n, family)
    subjects = subjects.split(",")
    each = -(-n // len(subjects))
    chosen = []
    for subject in subjects:
        chosen += [item for item in items if item.subject == subject][:each]
    return chosen[:n]


def in_chunks(lm, tokenizer, items):
    """Score as a run does."""
    for a in range(0, len(items), benchmarks.CHOICES):
        multiple_choice.loglikelihoods(lm, tokenizer, items[a:a + benchmarks.CHOICES])


def matmul(dtype, n=2048):
    """TFLOP/s of a matrix product on this machine, now: the best of eight, or of what fits ten seconds."""
    a = torch.randn(n, n).to(dtype)
    fastest = float("inf")
    start = time.perf_counter()
    for _ in range(8):
        began = time.perf_counter()
        a @ a
        fastest = min(fastest, time.perf_counter() - began)
        if time.perf_counter() - start > 10:            # bf16 where it is slow
            break
    return 2 * n**3 / fastest / 1e12


def count_tokens(owner, name):
    """Count the tokens, padded ones too, that owner.name is called with -> [count], which grows."""
    seen = [0]
    call = getattr(owner, name)

    def counting(ids, *rest, **more):
        seen[0] += ids.numel()
        return call(ids, *rest, **more)
    setattr(owner, name, counting)
    return seen


def resident():
    """MiB of this process, now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def peak():
    """MiB of this process, at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def short(dtype):
    return str(dtype).removeprefix("torch.")


# ---------------------------------------------------------------- one side, in a process of its own

def side(options):
    """Score once (lm-eval: once for each of --batches) and print seconds, tokens read, memory as JSON."""
    items = choose(options.work[0], options.data, options.subjects, options.items)
    if options.few:
        items = items[::max(1, len(items) // options.few)][:options.few]
    if options.side == "ours":
        lm, tokenizer = model.load(options.model, "cpu", getattr(torch, options.dtype))
        batches = [0]
        seen = count_tokens(lm, "hidden")
    else:
        import lm_eval_reference as reference
        requests = []
        for task in reference.tasks(FAMILY[options.work[0]], options.data, {i.id for i in items}).values():
            task.build_all_requests()
            requests += task.instances
        assert len(requests) == sum(len(i.endings) for i in items)
        lm = reference.hflm(options.model, options.dtype)
        batches = options.batches
        seen = count_tokens(lm, "_model_call")

    loaded = resident()
    runs = []
    for batch in batches:
        seen[0] = 0
        began = time.perf_counter()
        if options.side == "ours":
            in_chunks(lm, tokenizer, items)
        else:
            lm.batch_size_per_gpu = batch
            lm.loglikelihood(requests, disable_tqdm=True)
        seconds = time.perf_counter() - began
        runs.append({"batch": batch, "items": len(items), "seconds": seconds, "tokens": seen[0], "peak": peak(),
                     "rise": max(0, peak() - loaded)})
    print(json.dumps(runs))


def run_side(options, name, work, batches, few=0):
    """Run a side in a process -> its runs."""
    command = [sys.executable, __file__, options.model, options.data, "--side", name, "--work", work,
               "--dtype", options.dtype, "--try", str(few), "--items", str(options.items or COUNTS[work]),
               "--subjects", options.subjects, "--batches", *map(str, batches)]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{name} on {work} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


# ---------------------------------------------------------------- taking turns

def best_batch(options, work):
    """The batch size of --batches with which lm-eval is fastest."""
    tried = run_side(options, "lm-eval", work, options.batches, options.few or 12)
    rates = {run["batch"]: round(run["items"] / run["seconds"], 3) for run in tried}
    print(f"{work:10} lm-eval, {tried[0]['items']} items, items/s by batch size: {rates}", flush=True)
    return max(rates, key=rates.get)


def summary(runs, batch):
    """Medians and peaks of a side's runs."""
    return {"items_per_s": round(statistics.median(run["items"] / run["seconds"] for run in runs), 3),
            "items": runs[0]["items"], "tokens": runs[0]["tokens"], "batch": batch,
            "peak_mib": round(max(run["peak"] for run in runs)), "rise_mib": round(max(run["rise"] for run in runs))}


def compare(options):
    sides = SIDES if importlib.util.find_spec("lm_eval") else SIDES[:1]
    report = {"benchmark": "score", "unit": "items/s", "model": Path(options.model).name, "dtype": options.dtype,
              "rounds": options.rounds, "threads": torch.get_num_threads(), "torch": torch.__version__, "work": {},
              "matmul_tflops": round(matmul(getattr(torch, options.dtype)), 3)}
    print(f"{options.dtype} matrix product here: {report['matmul_tflops']} TFLOP/s, {report['threads']} threads",
          flush=True)
    for work in options.work:
        batch = {"ours": 0, "lm-eval": options.batches[0]}
        if len(sides) > 1 and len(options.batches) > 1:
            batch["lm-eval"] = best_batch(options, work)
        runs = {name: [] for name in sides}
        for turn in range(options.rounds):
            for name in sides if turn % 2 == 0 else sides[::-1]:
                run = run_side(options, name, work, [batch[name]])[0]
                runs[name].append(run)
                print(f"{work:10} round {turn + 1} {name:8} {run['items']} items {run['seconds']:8.1f} s "
                      f"{run['tokens']:8} tokens {run['peak']:7.0f} MiB at most, {run['rise']:6.0f} of them after "
                      "loading", flush=True)
        row = {name: summary(runs[name], batch[name]) for name in sides}
        report["work"][work] = row
        if len(sides) > 1:
            ours, other = row["ours"], row["lm-eval"]
            ratio = ours["items_per_s"] / other["items_per_s"]
            row["ratio"] = round(ratio, 2)
            row["memory_ratio"] = round(ours["peak_mib"] / other["peak_mib"], 2)
            target = ""
            if work in TARGETS and not options.items:
                target = f" (target {TARGETS[work]}: {'met' if ratio >= TARGETS[work] else 'MISSED'})"
            more = ": MORE" if row["memory_ratio"] > 1 else ""
            print(f"{work:10} {ours['items_per_s']} against {other['items_per_s']} items/s: {ratio:.2f} times{target}; "
                  f"{ours['peak_mib']} against {other['peak_mib']} MiB{more}", flush=True)
    print(json.dumps(report))


def tiny(options):
    """The bundled sets, drawn by world.py, on the bundled model as a run measures it."""
    sys.path.insert(0, str(TINY))
    import world
    dtype, why = model.precision("cpu")
    speeds = {short(d): round(matmul(d), 3) for d in (torch.float32, torch.bfloat16)}
    print(f"scored in {short(dtype)} ({why}); matrix product here, TFLOP/s: {speeds}", flush=True)
    lm, tokenizer = model.load(TINY, "cpu", dtype)
    sets = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in multiple_choice.BUNDLED:
            path = Path(folder) / f"{name}.jsonl"
            rows = world.benchmark_items(name, min(options.items or 1000, MOST.get(name, 1000)))
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            sets[name] = multiple_choice.bundled(path)
    times = {name: [] for name in sets}
    for _ in range(options.rounds):
        for name, items in sets.items():
            began = time.perf_counter()
            in_chunks(lm, tokenizer, items)
            times[name].append(time.perf_counter() - began)
    seconds = {name: round(statistics.median(values), 2) for name, values in times.items()}
    together = sum(seconds.values())
    for name, value in seconds.items():
        print(f"{name:10} {len(sets[name])} items {value:6.2f} s")
    count = sum(map(len, sets.values()))
    print(f"{'together':10} {count} items {together:6.2f} s at {speeds['bfloat16']} bf16 TFLOP/s")
    print(json.dumps({"benchmark": "score-tiny", "unit": "s", "items": {n: len(s) for n, s in sets.items()},
                      "rounds": options.rounds, "dtype": short(dtype), "matmul_tflops": speeds, "seconds": seconds,
                      "threads": torch.get_num_threads(), "torch": torch.__version__, "together": round(together, 2),
                      "peak_mib": round(peak())}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--work", nargs="+", choices=list(COUNTS), default=list(COUNTS))
    parser.add_argument("--items", type=int, default=0, help="of each work (0: 400, 200, 200)")
    parser.add_argument("--subjects", default=SUBJECTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    parser.add_argument("--try", type=int, default=0, dest="few",
                        help="items on which lm-eval's batch size is chosen (0: 12)")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.tiny and not (options.model and options.data):
        parser.error("needs MODEL and DATA, or --tiny")
    if options.side:
        side(options)
    elif options.tiny:
        tiny(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
