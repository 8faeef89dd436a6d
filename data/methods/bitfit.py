"""bitfit.py - train the biases and the gains of the norms, and nothing else.

Ben Zaken et al. 2022 tune only biases; a study of small ways of tuning (2024, arXiv 2401.04051)
finds that with 30 % of the data biases alone equal full tuning.

The trap: a Llama has no biases at all, Qwen2.5 only those of queries, keys and values. Who trains
what is named "bias" trains nothing of the one and little of the other, and may not notice. So the
gains of the RMSNorms are trained too, as T-Few's code does: of the bundled model 3,328 numbers of
4.8 million.

Seam: parameters. Control: `sft`, the same golds with all weights.
"""
from data.methods.method import Method


def norms_and_biases(lm, targets, settings):
    """One phase, in which only gains of norms and biases move."""
    for name, parameter in lm.named_parameters():
        parameter.requires_grad = name.endswith(("norm.weight", "bias"))
    yield targets, settings
    lm.requires_grad_(True)


METHODS = {
    "bitfit": Method(("gold",), parameters=norms_and_biases, rates=(1e-3, 3e-3, 1e-2)),
}
