"""ual.py - the less the model can do a question, the softer its gold.

"Uncertainty Aware Learning" (2024, arXiv 2406.04854) smooths the labels of a sample by how
uncertain it is, which GPT-4 rates: a share of the wanted probability is spread over the whole
vocabulary. AlpacaEval rises by 10.6 %, GSM8K (MetaMath) by 1.8 %.

Seam: weight and loss. A token's weight is 1 minus the smoothing; the loss gives the rest to all
tokens alike. Control: `ual_even`, where every gold is smoothed by the mean.

Otherwise than the paper: no other model rates anything. Uncertain is what the model itself fails
at: the share of 8 own answers that are refused or cut off. The most that is spread, 0.1, is ours.
"""
import torch.nn.functional as F

from data.files import mean
from data.methods.mask import with_weights
from data.methods.method import Method

MOST = 0.1                               # of the probability, where every own answer fails


def by_failures(targets, logprobs, failed):
    """Weight 1 - MOST * the share of own answers that failed."""
    shares = failed()
    return [smoothed(target, MOST * shares[target.id]) for target in targets]


def evenly(targets, logprobs, failed):
    """The mean of these weights for every target."""
    shares = failed()
    everywhere = MOST * mean(shares[target.id] for target in targets)
    return [smoothed(target, everywhere) for target in targets]


def smoothed(target, spread):
    return with_weights(target, [1.0 - spread] * len(target.ids))


def smoothed_loss(logits, wanted, weights):
    """`weights` of the loss is on the wanted ids, the rest on all of the vocabulary alike."""
    logprobs = F.log_softmax(logits, -1)                                # (N, V)
    of_wanted = logprobs.gather(1, wanted[:, None])[:, 0]               # (N,)
    of_all = logprobs.mean(-1)                                          # (N,)
    return -(weights * of_wanted + (1 - weights) * of_all).sum()


METHODS = {
    "ual": Method(("gold",), weights=by_failures, loss=smoothed_loss, samples=8, temperature=0.7),
    "ual_even": Method(("gold",), weights=evenly, loss=smoothed_loss, samples=8, temperature=0.7),
}
