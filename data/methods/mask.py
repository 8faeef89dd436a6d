"""mask.py - no loss on the gold's surprising tokens.

Wu et al. 2025 (arXiv 2501.14315) found why own answers forget less: they hold few tokens that the
model finds unlikely. So they train on golds, but tokens whose perplexity under the base model is
above 2.5 carry no loss. That keeps nearly as much as training on own answers.

Seam: weight, 0 or 1 for each token of a gold. Control: `mask_random`, where as many tokens of each
gold carry no loss, drawn at random.

Otherwise than the paper: the same threshold, on golds that are far shorter. The token that closes
an answer counts as any other.
"""
import math
import random
from dataclasses import replace

from data.methods.method import Method

HIGHEST_PERPLEXITY = 2.5
LOWEST_LOGPROB = -math.log(HIGHEST_PERPLEXITY)


def surprising_masked(targets, logprobs, failed):
    """Weight 0 for target tokens that base finds unlikely, given the question."""
    masked = []
    for target, its_logprobs in zip(targets, logprobs([(t.prompt_ids, t.ids) for t in targets])):
        kept = [float(logprob >= LOWEST_LOGPROB) for logprob in its_logprobs]
        masked.append(with_weights(target, kept))
    return masked


def random_masked(targets, logprobs, failed):
    """As many tokens of each target without loss, but any."""
    masked = []
    for target in surprising_masked(targets, logprobs, failed):
        kept = target.weights[len(target.prompt_ids):]
        shuffled = random.Random(f"mask {target.id}").sample(kept, len(kept))
        masked.append(with_weights(target, shuffled))
    return masked


def with_weights(target, weights):
    """The target with these weights of its own tokens; its prompt stays masked."""
    return replace(target, weights=[0.0] * len(target.prompt_ids) + weights)


METHODS = {
    "mask": Method(("gold",), weights=surprising_masked),
    "mask_random": Method(("gold",), weights=random_masked),
}
