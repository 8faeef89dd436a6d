"""Does a public checkpoint mean the same here and in transformers, TRL and PEFT? Needs a model and data.

    python tests/check_public_model.py MODEL_FOLDER --data FOLDER [--run RUN] [--only logits,greedy,chat,trl,peft,ask]

FOLDER holds the official gsm8k/train.jsonl and gsm8k/test.jsonl. RUN is a run of s3ft.py on this model, for example

    python s3ft.py --task gsm8k --model MODEL_FOLDER --data FOLDER --limit 8 --test-limit 4 --max-new-tokens 64 \\
        --epochs 1 --lora 4 --keep last --out RUN

All in fp32, on the CPU, without network:
logits  20 test questions: |ours - transformers'| over the spread (standard deviation over the vocabulary) of the same
        position, worst of all positions and tokens: below 1e-3
greedy  64 new tokens for 50 train questions, ours in one call of `generate`, transformers' one prompt at a time with
        nothing but argmax and our end ids (what the checkpoint's generation_config.json adds is listed): equal on 49,
        and a near-tie wherever not
chat    encode_chat against apply_chat_template, all questions, as a prompt and with the gold as answer: the same ids
trl     RUN/targets-*.jsonl as they are in TRL's SFTTrainer: its labels against our mask on every row whose text encodes
        back to the sampled ids; ten steps with finite losses, after which the loss on the first eight rows is lower
peft    every adapter cell of RUN opened by PeftModel without a warning (of unknown keys, of missing tensors); logits on
        5 questions as by model.load(CELL, merge=False), within 1e-5 of the spread; and they do differ from the base's
ask     the first cell of RUN with whole weights: transformers' greedy answer to 3 questions is what s3ft.py --ask
        prints (of CELL, or CELL/merged). With LoRA the same for CELL itself, the adapter, against PEFT; and how many
        answers are the same before and after merging, for information (merged weights are rounded to the file's dtype)
Prints numbers and ids, never text. Ends with one JSON line; exit code 1 if something fails. Needs transformers, trl,
peft, datasets.
"""
import argparse
import contextlib
import functools
import gc
import io
import json
import math
import os
import statistics
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
               "CUDA_VISIBLE_DEVICES": ""}
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import transformers

import model
import s3ft
from data.tasks import load_task
from data.checkpoints.chat import TODAY
from data.files import undamaged_rows

CHECKS = ("logits", "greedy", "chat", "trl", "peft", "ask")
TOLERANCE, ADAPTED = 1e-3, 1e-5         # of logits, relative to their spread
ASKED, NEW = 3, 128                     # questions and new tokens of `ask`


# ---------------------------------------------------------------- both sides

def theirs(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def ours(folder, **how):
    return model.load(folder, "cpu", torch.float32, **how)


@functools.lru_cache(1)
def both(folder):
    return *ours(folder), theirs(folder)


@torch.no_grad()
def apart(lm, hf, ids):
    """The largest difference of logits (T, V), relative to its position's spread; how often the argmax is the same."""
    x = torch.tensor([ids])
    a, b = lm(x)[0], hf(x).logits[0].float()
    return ((a - b).abs().amax(-1) / b.std(-1)).max().item(), (a.argmax(-1) == b.argmax(-1)).float().mean().item()


@torch.no_grad()
def moved_by_adapter(hf, ids):
    """How far an adapter moves the logits, in the same measure."""
    tuned = hf(torch.tensor([ids])).logits[0]
    with hf.disable_adapter():
        base = hf(torch.tensor([ids])).logits[0]
    return ((tuned - base).abs().amax(-1) / base.std(-1)).max().item()


@torch.no_grad()
def greedy(hf, ids, n, end_ids):
    """transformers' argmax answer to one prompt -> ids before the end token."""
    hf.generation_config = transformers.GenerationConfig()      # the checkpoint's own may hold penalties: off
    config = transformers.GenerationConfig(do_sample=False, num_beams=1, repetition_penalty=1.0, max_new_tokens=n,
                                           eos_token_id=list(end_ids), pad_token_id=end_ids[0])
    x = torch.tensor([ids])
    out = hf.generate(input_ids=x, attention_mask=torch.ones_like(x), generation_config=config)[0, len(ids):].tolist()
    return out[:next((i for i, t in enumerate(out) if t in end_ids), len(out))]


# ---------------------------------------------------------------- the checks: each returns {"ok": bool, numbers}

def logits(o, task):
    lm, tokenizer, hf = both(o.model)
    pairs = [apart(lm, hf, tokenizer.encode_chat(s3ft.ask(task, e))) for e in task.read("test")[:20]]
    worst = max(d for d, _ in pairs)
    same = statistics.mean(s for _, s in pairs)
    return {"ok": worst < TOLERANCE, "questions": len(pairs), "worst": worst, "same_argmax": same}


def check_greedy(o, task):
    lm, tokenizer, hf = both(o.model)
    penalties = {k: v for k, v in hf.generation_config.to_diff_dict().items()
                 if not k.endswith("_token_id") and k != "transformers_version" and k[0] != "_"}
    prompts = [tokenizer.encode_chat(s3ft.ask(task, e)) for e in task.read("train")[:o.prompts]]
    began = time.time()
    here = model.generate(lm, prompts, 64, end_ids=tokenizer.end_ids)
    seconds = [time.time() - began]
    began, there = time.time(), []
    for i, prompt in enumerate(prompts):
        there.append(greedy(hf, prompt, 64, tokenizer.end_ids))
        if i % 10 == 9:
            print(f"  greedy: {i + 1} of {len(prompts)}, {time.time() - began:.0f} s", file=sys.stderr, flush=True)
    seconds.append(time.time() - began)
    ties = []
    for n, (prompt, a, b) in enumerate(zip(prompts, here, there)):
        if a.ids != b:
            at = next((i for i, (x, y) in enumerate(zip(a.ids, b)) if x != y), min(len(a.ids), len(b)))
            tokens = [(ids[at:at + 1] or [None])[0] for ids in (a.ids, b)]          # None: an end token
            gaps = []
            with torch.no_grad():
                for f in (lm, lambda x: hf(x).logits):
                    row = f(torch.tensor([prompt + b[:at]]))[0, -1].float()
                    value = [row[t].item() if t is not None else row[tokenizer.end_ids].max().item() for t in tokens]
                    gaps.append((value[0] - value[1]) / row.std().item())
            ties.append({"prompt": n, "step": at, "tokens": tokens, "gap_ours": gaps[0], "gap_theirs": gaps[1]})
    same = len(prompts) - len(ties)
    near = all(max(abs(t["gap_ours"]), abs(t["gap_theirs"])) < TOLERANCE for t in ties)
    lengths = [len(p) for p in prompts]
    return {"ok": same >= 0.98 * len(prompts) and near, "equal": same, "prompts": len(prompts),
            "tokens": sum(len(a.ids) for a in here), "ended": sum(a.finish_reason == "end" for a in here),
            "prompt_lengths": [min(lengths), max(lengths)], "near_ties": ties,
            "seconds_ours_theirs": [round(s, 1) for s in seconds], "generation_config_adds": penalties}


def chat(o, task):
    tokenizer, hf = model.Tokenizer(o.model), transformers.AutoTokenizer.from_pretrained(o.model)
    # today's date is pinned, as here
    how = {"return_dict": False, "enable_thinking": False, "strftime_now": TODAY.strftime}
    examples, wrong = task.read("train") + task.read("test"), {"prompt": [], "with_answer": []}
    for e in examples:
        asked = s3ft.ask(task, e)
        said = asked + [{"role": "assistant", "content": task.gold(e)}]
        if tokenizer.encode_chat(asked) != list(hf.apply_chat_template(asked, add_generation_prompt=True, **how)):
            wrong["prompt"].append(e.id)
        if tokenizer.encode_chat(said) != list(hf.apply_chat_template(said, **how)):
            wrong["with_answer"].append(e.id)
    unequal = {f"unequal_{k}": len(v) for k, v in wrong.items()}
    return {"ok": not any(wrong.values()), "questions": len(examples), **unequal,
            "first_unequal": (wrong["prompt"] + wrong["with_answer"])[:5]}


def trl(o, task):
    both.cache_clear()
    gc.collect()
    import datasets
    from trl import SFTConfig, SFTTrainer
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore", FutureWarning)
    hf, tokenizer = theirs(o.model), model.Tokenizer(o.model)
    # s3ft last: it is trained on
    files = sorted(o.run.glob("targets-*.jsonl"), key=lambda p: (p.stem == "targets-s3ft", p.stem))
    if not files:
        return {"ok": False, "error": "no targets in this run"}
    result = {"ok": True, "files": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for path in files:
            dataset = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=scratch)
            args = SFTConfig(output_dir=scratch, use_cpu=True, bf16=False, max_steps=10, per_device_train_batch_size=2,
                             logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
                             dataloader_pin_memory=False)
            with contextlib.redirect_stdout(io.StringIO()):             # losses go to log_history as well
                trainer = SFTTrainer(model=hf, args=args, train_dataset=dataset,
                                     processing_class=transformers.AutoTokenizer.from_pretrained(o.model))
            count = {"rows": len(dataset), "kept_by_trl": len(trainer.train_dataset), "sampled": 0, "compared": 0,
                     "unequal": 0, "not_same_ids": 0, "extra_tokens": 0, "longest": 0, "first_unequal": []}
            prepared = {(r["seed"], r["id"]): r for r in trainer.train_dataset}
            for row in undamaged_rows(path):
                count["sampled"] += row["source"] in s3ft.SAMPLED
                trained_on = row["prompt_ids"] + row["ids"]
                if tokenizer.encode_chat(row["prompt"] + row["completion"])[:len(trained_on)] != trained_on:
                    count["not_same_ids"] += 1           # sampled in other pieces than the tokenizer would cut the text
                    continue
                batch = trainer.data_collator([prepared[row["seed"], row["id"]]])
                ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
                p, scored = len(row["prompt_ids"]), [i for i, label in enumerate(labels) if label != -100]
                fits = (ids[:p] == row["prompt_ids"] and scored == list(range(p, len(ids))) and labels[p:] == ids[p:]
                        and labels[p:p + len(row["ids"])] == row["ids"] and row["ids"][-1] == tokenizer.close_id)
                count["compared"] += 1
                count["unequal"] += not fits
                count["first_unequal"] += [] if fits else [row["id"]][:5 - len(count["first_unequal"])]
                extra = len(scored) - len(row["ids"])       # that a template writes after its end
                count["extra_tokens"] = max(count["extra_tokens"], extra)
                count["longest"] = max(count["longest"], len(ids))
            result["files"][path.name] = count
            result["ok"] &= count["compared"] > 0 and not count["unequal"] and count["kept_by_trl"] == count["rows"]
        some = trainer.train_dataset.select(range(min(8, len(trainer.train_dataset))))
        began = time.time()
        with contextlib.redirect_stdout(io.StringIO()):
            before = trainer.evaluate(some)["eval_loss"]
            trainer.train()
            after = trainer.evaluate(some)["eval_loss"]
        losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    result |= {"trained_on": path.name, "losses": [round(loss, 4) for loss in losses],
               "eight_rows_before_after": [round(before, 4), round(after, 4)], "seconds": round(time.time() - began, 1)}
    result["ok"] &= len(losses) == 10 and all(map(math.isfinite, losses)) and after < before
    return result


def peft(o, task):
    from peft import PeftModel
    cells = sorted(path.parent for path in o.run.glob("models/*/adapter_config.json"))
    result = {"ok": bool(cells), "cells": {}} | ({} if cells else {"error": "no adapter cell in this run"})
    for cell in cells:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            hf = PeftModel.from_pretrained(theirs(o.model), cell).eval()
        lm, tokenizer = ours(cell, merge=False)
        prompts = [tokenizer.encode_chat(s3ft.ask(task, e)) for e in task.read("test")[:5]]
        worst, moved = max(apart(lm, hf, ids)[0] for ids in prompts), max(moved_by_adapter(hf, ids) for ids in prompts)
        named = hf.peft_config["default"].base_model_name_or_path
        problems = set()
        for warning in said:
            if not issubclass(warning.category, (FutureWarning, DeprecationWarning)):       # those are not ours
                problems.add(f"{warning.category.__name__}: {' '.join(str(warning.message).split())[:150]}")
        count = {"worst": worst, "adapter_moves": moved, "layers": len(model.adapters(lm)),
                 "names_this_base": Path(named).resolve() == o.model.resolve(), "warnings": sorted(problems)}
        result["cells"][cell.name] = count
        result["ok"] &= worst < ADAPTED < moved and not count["warnings"]
    return result


def ask(o, task):
    whole = sorted(o.run.glob("models/*/model.safetensors")) + sorted(o.run.glob("models/*/merged/model.safetensors"))
    if not whole:
        return {"ok": False, "error": "no cell with whole weights in this run; make it with --keep last"}
    folder = whole[0].parent
    questions = [s3ft.ask(task, e)[0]["content"] for e in task.read("test")[:ASKED]]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    result = {"cell": folder.relative_to(o.run).as_posix(), "questions": ASKED}

    def printed(path, question):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            s3ft.main(["--ask", question, "--model", str(path), "--dtype", "float32", "--device", "cpu",
                       "--max-new-tokens", str(NEW)])
        return out.getvalue().removesuffix("\n").removesuffix(" [cut off]")

    def answered(hf, question, ends):
        chat = [{"role": "user", "content": question}]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        answer = greedy(hf, list(ids), NEW, ends)
        return tokenizer.decode(answer, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    ends = model.Tokenizer(folder).end_ids
    hf = theirs(folder)
    named = hf.generation_config.eos_token_id
    result["end_ids_as_saved"] = sorted([named] if isinstance(named, int) else named or []) == sorted(ends)
    there = [answered(hf, q, ends) for q in questions]
    here = [printed(folder, q) for q in questions]
    result |= {"equal": sum(a == b for a, b in zip(here, there)), "characters": sum(map(len, here))}
    result["ok"] = result["equal"] == ASKED and all(here) and result["end_ids_as_saved"]
    if folder.name == "merged":
        from peft import PeftModel
        hf = PeftModel.from_pretrained(theirs(o.model), folder.parent).eval()
        there = [answered(hf, q, ends) for q in questions]
        adapted = [printed(folder.parent, q) for q in questions]
        result |= {"adapter_equal": sum(a == b for a, b in zip(adapted, there)),
                   "same_after_merging": sum(a == b for a, b in zip(here, adapted))}
        result["ok"] &= result["adapter_equal"] == ASKED
    return result


def main(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, metavar="MODEL_FOLDER")
    p.add_argument("--data", required=True, metavar="FOLDER")
    p.add_argument("--run", type=Path, metavar="RUN")
    p.add_argument("--only", metavar="LIST",
                   help=f"of {','.join(CHECKS)} (default: all; without --run the first three)")
    p.add_argument("--prompts", type=int, default=50, metavar="N", help="of the greedy check (default 50)")
    o = p.parse_args(argv)
    chosen = o.only.split(",") if o.only else CHECKS if o.run else CHECKS[:3]
    if unknown := set(chosen) - set(CHECKS):
        p.error(f"no such check: {', '.join(sorted(unknown))}")
    if not o.run and set(chosen) & set(CHECKS[3:]):
        p.error("trl, peft and ask need --run")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    task, results = load_task("gsm8k", o.data), {}
    functions = dict(zip(CHECKS, (logits, check_greedy, chat, trl, peft, ask)))
    for name in chosen:
        began = time.time()
        try:
            results[name] = functions[name](o, task)
        except Exception as error:
            traceback.print_exc()
            first_line = (str(error).splitlines() or [""])[0][:200]
            results[name] = {"ok": False, "error": f"{type(error).__name__}: {first_line}"}
        print(f"{name:7} {'ok  ' if results[name]['ok'] else 'FAIL'} {time.time() - began:5.0f} s  "
              + "; ".join(f"{k} {v}" for k, v in results[name].items() if k != "ok"), flush=True)
    failed = [name for name in results if not results[name]["ok"]]
    outcome = f"failed: {', '.join(failed)}" if failed else f"all of {', '.join(chosen)} hold"
    print(f"\n{o.model.resolve().name}: {outcome}")
    used = ("torch", "transformers", "tokenizers", *(name for name in ("trl", "peft") if name in chosen))
    print(json.dumps({"model": o.model.resolve().name, "run": o.run and o.run.resolve().name, "failed": failed,
                      "versions": {name: __import__(name).__version__ for name in used}, "checks": results}))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
