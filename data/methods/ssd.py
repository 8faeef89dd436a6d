"""ssd.py - own answers that nobody judged.

"Simple self-distillation" (2026, arXiv 2604.01193) samples a model's answers, asks nobody whether
they are right, and trains on them. Qwen3-30B rises on LiveCodeBench v6 from 42.4 to 55.3 %.

Seam: source, own answers with a judge that accepts every finished one. Control: `own_only`
(controls.py), where the judge looks. It shows what the judge of S3FT is worth, but has fewer
targets, and so fewer steps.

Otherwise than the paper: by default one greedy sample a question, not several at a temperature.
Being the model's likeliest words, such targets can hardly teach it anything but to be surer.
"""
from data.methods.method import Method

METHODS = {
    "ssd": Method(("own_unjudged",)),
}
