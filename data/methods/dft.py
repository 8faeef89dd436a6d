"""dft.py - tokens weigh as much as the model believes in them.

Wu et al. 2025, "On the Generalization of SFT" (DFT, arXiv 2508.05629), multiply the loss of each
token by the probability that the model gives it at that moment, taken as a constant (no gradient).
Tokens that the model finds unlikely pull less. Qwen2.5-Math-1.5B on MATH500: base 31.7, SFT 41.5,
DFT 64.9 %. "Mind the Gap" (2025, arXiv 2509.15157) joins it with a cascade like S3FT's: mean of
five sets, Qwen2.5-Math-7B: SFT 23.2, DFT 36.6, rewriting 30.3, rewriting with DFT 42.0 %.

Seam: loss. Rows: `dft` on golds, control `sft`; `s3ft_dft` on S3FT's targets, control `s3ft`.

Otherwise than the papers: nothing in the loss; all else is what every row here has. A loss that is
multiplied by p is smaller, so DFT may want a higher rate than SFT; it gets the same to choose from.
"""
import torch.nn.functional as F

from data.methods.method import Method


def weighted_by_belief(logits, wanted, weights):
    """-p log p of the wanted ids, with p as a constant, summed."""
    losses = F.cross_entropy(logits, wanted, reduction="none")          # -log p, (N,)
    belief = (-losses).exp().detach()                                   # p, (N,)
    return (weights * belief * losses).sum()


METHODS = {
    "dft": Method(("gold",), loss=weighted_by_belief),
    "s3ft_dft": Method(("own", "paraphrase", "gold"), loss=weighted_by_belief),
}
