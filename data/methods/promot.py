"""promot.py - learn the format in a prompt that is thrown away, then the task.

Wang et al. 2022, "Two-stage LLM Fine-tuning with Less Specialization" (ProMoT, arXiv 2211.00635):
first a soft prompt of 100 vectors is trained with the model frozen, and learns the format.
Then the prompt is frozen and the model trained behind it. Other tasks are asked without the prompt.
mT5-XXL on RTE: tuned 92.1 %, other tasks -2.1; ProMoT 92.8 %, other tasks +2.6.

Seam: parameters, in two phases. The vectors are rows of the embedding behind the vocabulary, so no
prompt of a user can hold one and none is ever sampled; at the end they are cut off. Control: `sft`.

Otherwise than the paper: 20 vectors, trained at the rate 0.03 (there 0.2), and as many steps in
each phase as every row here has in all, so twice as many together. The task too is asked without
the prompt, since the tuned model is an ordinary one. The vectors make a text longer; one that just
fitted the context without them is read a little past it in training.
"""
from dataclasses import replace

import torch
from torch import nn

from data.methods.method import Method

VECTORS = 20
PROMPT_RATE = 0.03


def prompt_then_model(lm, targets, settings):
    """Two phases: the soft prompt with the model frozen, then the model with the prompt frozen."""
    embedding = lm.model["embed_tokens"]
    vocabulary = len(embedding.weight)
    # The vectors start as those of tokens spread over the vocabulary; the first three are mostly
    # special ones.
    start = embedding.weight[torch.linspace(3, vocabulary - 1, VECTORS).long()]
    embedding.weight = nn.Parameter(torch.cat((embedding.weight, start)).detach())
    soft = list(range(vocabulary, vocabulary + VECTORS))
    prompted = []
    for target in targets:
        weights = [0.0] * VECTORS + target.weights
        prompted.append(replace(target, prompt_ids=soft + target.prompt_ids, weights=weights))

    # Where the head is the embedding, the vectors are no words that could be predicted.
    head = lm.head
    lm.head = lambda hidden: head(hidden)[..., :vocabulary]
    lm.requires_grad_(False)
    embedding.weight.requires_grad = True
    only_soft = embedding.weight.register_hook(lambda gradient: rows(gradient, vocabulary, None))
    yield prompted, replace(settings, lr=PROMPT_RATE)
    only_soft.remove()

    lm.requires_grad_(True)
    all_but_soft = embedding.weight.register_hook(lambda gradient: rows(gradient, 0, vocabulary))
    yield prompted, settings
    all_but_soft.remove()
    del lm.head                                             # the method of its class is back
    embedding.weight = nn.Parameter(embedding.weight[:vocabulary].detach().clone())


def rows(gradient, first, last):
    """The gradient of these rows; of all others 0."""
    kept = torch.zeros_like(gradient)
    kept[first:last] = gradient[first:last]
    return kept


METHODS = {
    "promot": Method(("gold",), parameters=prompt_then_model),
}
