"""base.py - what a page may ask of the base model."""
import torch

from data.fast import prefixes


@torch.inference_mode()
def token_logprobs(lm, pairs, progress=None):
    """The log-probability, in nats, that lm gives to each of the ids after a prompt.

    pairs: [(prompt ids, ids), ..]. -> a row for each: {"logprobs": [float, ..]}. Beginnings that
    several pairs share are read once.
    """
    prompts = [prompt_ids for prompt_ids, _ in pairs]
    continuations = [ids for _, ids in pairs]
    nodes = prefixes.tree(prompts, continuations, lm.config.max_position_embeddings)
    found = [[] for _ in pairs]
    prefixes.read(lm, nodes, found, progress)
    return [{"logprobs": [round(logprob, 5) for logprob in its_own]} for its_own in found]
