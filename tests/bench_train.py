"""Training speed and memory: s3ft.finetune against TRL's SFTTrainer on the same targets, weights, batch and arithmetic.

    python tests/bench_train.py --model FOLDER --data FOLDER [--lora 16] [--steps 6] [--rounds 5]

Workload: the golds of the first GSM8K training questions, 8 examples a step, AdamW, bf16 where this processor has it
(weights fp32 when all are tuned, frozen ones bf16 under LoRA: on both sides). Each turn is a process of its own, ours
and TRL's taking turns; the first step warms up and does not count. Tokens are those of prompts and targets, without
padding. Memory is the peak of the resident set above what it was before the model was loaded; weights, gradients and
optimiser state are the same on both sides and shown apart. TRL gets several settings, and its best one counts. Ends
with one JSON line. Needs trl (and peft for --lora).
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
BATCH = 8
TRL = {"padded": {}, "grouped by length": {"train_sampling_strategy": "group_by_length"}}


class Peak(threading.Thread):
    """The largest resident set from now on (what the kernel keeps is that of the whole life of the process)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.start_bytes = self.bytes = self.now()
        self.start()

    def now(self):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    def run(self):
        while True:
            self.bytes = max(self.bytes, self.now())
            time.sleep(0.01)


def examples(o):
    from data.tasks import load_task
    task = load_task("gsm8k", o.data)
    return task, task.load("train")[:BATCH * o.steps]


class Clock:
    """A journal for s3ft.finetune that notes the time of every step."""

    def take_up(self, lm, optimiser):
        self.times = [time.time()]
        return []

    def step(self, losses, steps):
        self.times.append(time.time())


def ours(o):
    import torch

    import model
    import s3ft
    from data.run import training
    task, rows = examples(o)
    dtype = model.precision("cpu")[0]
    peak = Peak()
    lm, tokenizer = model.load(o.model, "cpu", dtype if o.lora else torch.float32)
    if o.lora:
        model.add_lora(lm, o.lora)
    targets = [s3ft.make_target(tokenizer, task, s3ft.Choice(e, "gold", None)) for e in rows]
    budget, lm.checkpointing = training.micro_budget(lm, dtype, max(len(t.prompt_ids) + len(t.ids) for t in targets))
    clock = Clock()
    settings = s3ft.Training(lr=1e-5, epochs=1, batch=BATCH)
    s3ft.finetune(lm, targets, tokenizer.close_id, settings, dtype, budget, clock)
    times = clock.times
    tokens = sum(len(t.prompt_ids) + len(t.ids) for t in targets) / len(targets) * BATCH
    return report(lm, tokens, times, peak)


def theirs(o):
    import datasets
    import torch
    import transformers
    import trl

    import model
    import s3ft
    transformers.logging.set_verbosity_error()
    task, rows = examples(o)
    dtype = model.precision("cpu")[0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(o.model)
    data = datasets.Dataset.from_list([
        {"prompt": s3ft.ask(task, e), "completion": [{"role": "assistant", "content": task.gold(e)}]} for e in rows])
    peak, times = Peak(), []

    class Clock(transformers.TrainerCallback):
        def on_train_begin(self, *args, **kwargs):
            times.append(time.time())

        def on_step_end(self, *args, **kwargs):
            times.append(time.time())
    lm = transformers.AutoModelForCausalLM.from_pretrained(o.model, dtype=dtype if o.lora else torch.float32)
    adapter = None
    if o.lora:
        import peft
        adapter = peft.LoraConfig(r=o.lora, lora_alpha=2 * o.lora, target_modules=list(model.LINEAR),
                                  task_type="CAUSAL_LM")
    config = trl.SFTConfig(output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=dtype == torch.bfloat16,
                           per_device_train_batch_size=BATCH, max_steps=o.steps, report_to="none", save_strategy="no",
                           logging_strategy="no", gradient_checkpointing=False, learning_rate=1e-5,
                           max_length=None, disable_tqdm=True, optim="adamw_torch_fused", **TRL[o.setting])
    trainer = trl.SFTTrainer(model=lm, args=config, train_dataset=data, processing_class=tokenizer, callbacks=[Clock()],
                             peft_config=adapter)
    trainer.train()
    tokens = sum(len(r["input_ids"]) for r in trainer.train_dataset) / len(rows) * BATCH
    return report(trainer.model, tokens, times, peak)


def report(lm, tokens, times, peak):
    held = 0
    for p in lm.parameters():
        tensors = 4 if p.requires_grad else 1           # weight, gradient, two moments; or the weight alone
        held += tensors * p.numel() * p.element_size()
    steps = [b - a for a, b in zip(times[1:], times[2:])]
    above = peak.bytes - peak.start_bytes - held
    return {"tokens_per_second": tokens / statistics.median(steps), "above": above / 1e6, "held": held / 1e6}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--lora", type=int, default=0)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--settings", nargs="+", default=list(TRL), choices=list(TRL))
    p.add_argument("--who", choices=("ours", "theirs"))
    p.add_argument("--setting", default="padded")
    o = p.parse_args()
    if o.who:
        return print("RESULT " + json.dumps((ours if o.who == "ours" else theirs)(o)))
    found = {}
    for turn in range(o.rounds):
        for label in ("ours", *o.settings):
            who = ["--who", "ours"] if label == "ours" else ["--who", "theirs", "--setting", label]
            done = subprocess.run([sys.executable, __file__, *sys.argv[1:], *who], capture_output=True, text=True,
                                  env=os.environ | {"HF_HUB_OFFLINE": "1"})
            line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
            if line is None:
                print(f"{label}: failed\n{done.stderr[-800:]}")
                continue
            result = json.loads(line[7:])
            found.setdefault(label, []).append(result)
            print(f"round {turn + 1}  {label:20} {result['tokens_per_second']:7.0f} tokens/s  "
                  f"{result['above']:7.0f} MB above {result['held']:.0f} MB of weights and optimiser", flush=True)
    median = {}
    for label, rows in found.items():
        median[label] = {k: round(statistics.median(r[k] for r in rows), 1) for k in rows[0]}
    print(json.dumps({"benchmark": "train", "lora": o.lora, "steps": o.steps, "rounds": o.rounds, "median": median}))


if __name__ == "__main__":
    main()
