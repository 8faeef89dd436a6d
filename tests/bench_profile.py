"""Where the time of the default run goes: sampling and training on the bundled model, or on another one.

    python tests/bench_profile.py [--model data/tiny] [--data data/tiny] [--questions 300] [--new 96] [--steps 30]
    python tests/bench_profile.py --run runs/gsm8k-1a2b3c4d

Prints the rate of a 2,048-square matrix product and the read bandwidth that this machine reaches now. Then for sampling
(answers to the task's training questions) and training (steps of eight golds) the seconds by kind of work:

    products     the linear layers
    attention    keys, values and what is done with them
    head         the last product, over the vocabulary
    choice       of the next token, and the bookkeeping of rows; in training the optimiser
    rest         norms, rotary angles, gates, copies, Python

and the share of the limit: the time that the operations of the matrix products would take at that rate, plus the time
to read the weights, keys and values of every step at that bandwidth, over the time taken. With --run instead: the
seconds of a finished run by stage, as its files tell them.
"""
import argparse
import json
import sys
from collections import Counter
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import model  # noqa: E402
import s3ft  # noqa: E402
from data.tasks import load_task  # noqa: E402

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm")
KINDS = ("products", "attention", "head", "choice", "rest")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="data/tiny")
    parser.add_argument("--data", default=None, help="folder with gsm8k/ (default: the bundled questions)")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--new", type=int, default=96)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--run", default=None, help="a run folder: seconds by stage, and nothing else")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def stages(folder):
    """Print the seconds of each stage of a run, by model: training, and rows by the first word of their names."""
    total = Counter()
    for path in sorted(Path(folder).glob("models/*/")):
        seconds = Counter()
        weights = path / "weights.json"
        if weights.is_file():
            seconds["training"] = json.loads(weights.read_text())["seconds"]
        if (path / "rows.jsonl").is_file():
            for line in (path / "rows.jsonl").read_text().splitlines():
                chunk = json.loads(line)
                words = {row[0].split()[0] for row in chunk["rows"]}
                kind = words.pop() if len(words) == 1 else "benchmarks"
                seconds[kind if kind in ("own", "paraphrase", "answer", "KL") else "benchmarks"] += chunk["seconds"]
        print(f"{path.name}: " + "  ".join(f"{kind} {taken:.1f} s" for kind, taken in seconds.items()))
        total += seconds
    print("in all: " + "  ".join(f"{kind} {taken:.1f} s" for kind, taken in total.items()) + f"  {total.total():.1f} s")


def product_rate(size=2048, rounds=5):
    """Floating-point operations a second of a square matrix product."""
    a = torch.randn(size, size)
    a @ a
    best = min(seconds(lambda: a @ a) for _ in range(rounds))
    return 2 * size ** 3 / best


def bandwidth(megabytes=512, rounds=5):
    """Bytes a second that are read from memory."""
    numbers = torch.zeros(megabytes * 2 ** 18)
    numbers.sum()
    return 4 * len(numbers) / min(seconds(numbers.sum) for _ in range(rounds))


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def kind_of(event):
    """The kind of work of a profiled event, by its own name and by what it was called from."""
    names = [event.name]
    parent = event.cpu_parent
    while parent is not None:
        names.append(parent.name)
        parent = parent.cpu_parent
    for kind in ("head", "attention", "choice"):
        if kind in names:
            return kind
    return "products" if event.name in PRODUCTS else "rest"


def named(kind, function):
    """The function, profiled under the name of a kind."""
    def call(*arguments, **options):
        with record_function(kind):
            return function(*arguments, **options)
    return call


def by_kind(work):
    """{kind: seconds of one thread} of work, from a profile."""
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        with record_function("all"):
            work()
    shares = dict.fromkeys(KINDS, 0.0)
    for event in recorded.events():
        shares[kind_of(event)] += event.self_cpu_time_total / 1e6
    return shares


def report(title, taken, limit, shares):
    whole = sum(shares.values())
    parts = "  ".join(f"{kind} {shares[kind] / whole:.0%}" for kind in KINDS)
    print(f"{title}: {taken:.2f} s, limit {limit:.2f} s, {limit / taken:.0%} of it reached; {parts}")


def profile_sampling(lm, tokenizer, task, questions, options, rate, bytes_per_second):
    jobs = s3ft.make_jobs(task, tokenizer, questions, "own")
    prompts = [job.prompt_ids for job in jobs]
    answers = []

    def work():
        answers[:] = model.generate(lm, prompts, options.new, end_ids=tokenizer.end_ids)

    work()                                              # the first calls choose kernels
    taken = seconds(work)
    c = lm.config
    linear = sum(p.numel() for name, p in lm.named_parameters() if p.dim() == 2 and "embed" not in name)
    head = c.vocab_size * c.hidden_size
    new = sum(len(answer.ids) + 1 for answer in answers)
    read = sum(map(len, prompts)) + new
    operations = 2 * linear * read + 2 * head * new
    position = 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_dim * 4     # bytes of keys and values
    looks = sum(len(prompt) * len(answer.ids) + len(answer.ids) ** 2 // 2 for prompt, answer in zip(prompts, answers))
    steps = max(len(answer.ids) for answer in answers)  # fewest: all rows at once
    limit = operations / rate + (looks * position + steps * 4 * (linear + head)) / bytes_per_second
    report(f"sampling, {new} tokens of {len(prompts)} answers, {new / taken:.0f} tokens/s", taken, limit, by_kind(work))


def profile_training(lm, tokenizer, task, questions, options, rate, bytes_per_second):
    choices = [s3ft.Choice(example, "gold", None) for example in questions[:8 * options.steps]]
    targets = [s3ft.make_target(tokenizer, task, choice) for choice in choices]
    settings = s3ft.Training(lr=1e-5, epochs=1)

    def work():
        s3ft.finetune(lm, targets, tokenizer.close_id, settings)

    work()
    taken = seconds(work)
    tokens = sum(map(len, targets))
    wanted = sum(len(target.ids) for target in targets)
    linear = sum(p.numel() for name, p in lm.named_parameters() if p.dim() == 2 and "embed" not in name)
    head = lm.config.vocab_size * lm.config.hidden_size
    operations = 6 * linear * tokens + 6 * head * wanted
    limit = operations / rate + options.steps * 7 * 4 * (linear + head) / bytes_per_second      # AdamW: 7 passes
    report(f"training, {options.steps} steps, {tokens / taken:.0f} tokens/s", taken, limit, by_kind(work))


def main():
    options = parse()
    if options.run:
        return stages(options.run)
    torch.set_num_threads(options.threads)
    rate = product_rate()
    bytes_per_second = bandwidth()
    print(f"torch {torch.__version__}, {options.threads} threads: {rate / 1e12:.2f} TFLOP/s in a 2,048-square product, "
          f"{bytes_per_second / 1e9:.1f} GB/s read")
    lm, tokenizer = model.load(options.model, "cpu", getattr(torch, options.dtype))
    task = load_task("gsm8k", options.data or "data/tiny")
    questions = task.load("train")[:options.questions]

    attention = torch.nn.functional.scaled_dot_product_attention
    torch.nn.functional.scaled_dot_product_attention = named("attention", attention)
    lm.head = named("head", lm.head)
    model.head_loss = named("head", model.head_loss)
    model.pick = named("choice", model.pick)
    model.logprob_of = named("choice", model.logprob_of)
    model.Batch.retire = named("choice", model.Batch.retire)
    torch.optim.AdamW.step = named("choice", torch.optim.AdamW.step)
    profile_sampling(lm, tokenizer, task, questions, options, rate, bytes_per_second)
    profile_training(lm, tokenizer, task, questions, options, rate, bytes_per_second)


if __name__ == "__main__":
    main()
