"""Writes tests/golden/benchmarks.json: what lm-eval 0.4.13 asks and scores on our own items, with a random model.

    python tests/make_golden_benchmarks.py      # needs lm-eval and transformers, which the tests do not

The items, written by us in the publishers' layouts, and a tokenizer (of an earlier bundled model) are in
golden/benchmarks/, and the model's weights, made here from a seed (bf16, to stay small). Its five shapes are
test_benchmarks.CASES. `requests` are contexts and continuations as lm-eval builds them, the same for every case; each
case has log-likelihoods by item and option (truthfulqa: mc2's), scores by item and in all, and the items that were cut.
"""
import json
import re
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

import conftest     # noqa: F401, it puts the project on the path
import lm_eval_reference as reference
from test_benchmarks import CASES, GOLDEN, ITEMS, NAMES, SIZES, dressed


def make_weights():
    """Spread out, so that a wrong detail shows, and all options get chosen."""
    rng = torch.Generator().manual_seed(2)
    lm = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES))
    weights = {}
    for name, p in lm.named_parameters():
        mean = 1 if p.ndim == 1 else 0
        weights[name] = (0.25 * torch.randn(p.shape, generator=rng) + mean).bfloat16()
    save_file(weights, ITEMS / "model.safetensors", {"format": "pt"})
    (ITEMS / "model.safetensors").chmod(0o644)


def was_cut(lm, asked):
    sizes = [sum(map(len, lm._encode_pair(context, continuation))) for context, continuation in asked]
    return max(sizes) > lm.max_length + 1


def score(case):
    with tempfile.TemporaryDirectory() as folder:
        lm = reference.hflm(dressed(Path(folder), case), batch_size=3)
        found = {name: reference.run(lm, name, ITEMS) for name in NAMES}
        # mc1 by itself gives the scores made from mc2's requests
        apart = reference.run(lm, "truthfulqa", ITEMS, mc1_apart=True)
        assert apart["metrics"]["mc1"] == found["truthfulqa"]["metrics"]["mc1"]
    for name, f in found.items():
        print(f"{case:7} {name:11}", {m: round(float(s), 4) for m, s in f["scores"].items()})
    scored = {}
    for name, f in found.items():
        scored[name] = {
            "loglikelihoods": {i: [round(v, 6) for v in row] for i, row in zip(f["ids"], f["loglikelihoods"])},
            "items": {m: [round(float(v), 7) for v in values] for m, values in f["metrics"].items()},
            "scores": {m: round(float(v), 7) for m, v in f["scores"].items()},
            "cut": [i for i, asked in zip(f["ids"], f["requests"]) if was_cut(lm, asked)]}
    return scored


if __name__ == "__main__":
    make_weights()
    golden = {"lm_eval": "0.4.13", "requests": {name: reference.requests(name, ITEMS) for name in NAMES},
              "cases": {case: score(case) for case in CASES}}
    text = json.dumps(golden, indent=0, ensure_ascii=False)
    # Numbers stand side by side.
    text = re.sub(r"(?<=[\d\[]),?\n(?=[-\d\]])", lambda m: ", " if "," in m[0] else "", text)
    (GOLDEN / "benchmarks.json").write_text(text + "\n", encoding="utf-8")
