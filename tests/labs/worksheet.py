"""worksheet.py - small functions of the labs that have no place in the project itself.

README.md beside this file is the handout. Check your work with `python tests/labs/check.py LAB`.
"""
import torch


# ---------------------------------------------------------------- lab 1: follow one example

def trained_on(own, paraphrase):
    """Which text does S3FT train on: "own", "paraphrase" or "gold"?

    own, paraphrase: lines of verdicts.jsonl, as {"ok": True, "rule": "hash", ..}, of the model's
    own answer and of its paraphrase; None where the model was not asked for it.
    """
    if own and own["ok"]:
        return "own"
    if paraphrase and paraphrase["ok"]:
        return "paraphrase"
    return "gold"


def tokens_in_loss(target):
    """How many tokens of a target carry loss?

    target: a line of targets-s3ft.jsonl. Its "weights" has a number for each token of
    "prompt_ids" and "ids", one behind the other. A token carries loss where its weight is not 0.
    But the very first token of all never does: nothing stands before it that could predict it.
    """
    return sum(weight != 0 for weight in target["weights"][1:])


def surprise(logprobs):
    """How surprising is a text to the model, in nats per token?

    logprobs: the natural logarithm of the probability that the model gave to each token. A text
    that the model was sure of comes near 0; none is below 0.
    """
    return -sum(logprobs) / len(logprobs)


# ---------------------------------------------------------------- lab 2: fool the judge

def fool(question, gold):
    """A text that judge.target_number accepts as an own answer, and that is no right solution.

    question: a word problem. gold: its solution, which ends in "#### NUMBER".
    A right solution uses numbers of the question and what it has computed from them, every step
    is right, and the last one gives the answer. So think: what does the judge not look at?
    """
    answer = gold.split("####")[1].strip()
    return f"First, 0 + {answer} = {answer}. The answer is {answer}."


# ---------------------------------------------------------------- lab 5: what was forgotten

def kl(base_logits, tuned_logits):
    """KL(base || tuned) per token, in nats: how far the tuned model moved from the base model.

    base_logits, tuned_logits (N, V): what both say of the next token at the same N places.
    At each place it is the sum over the vocabulary of p (log p - log q), where p are the base
    model's probabilities and q the tuned model's. -> their mean over the N places, a float.
    """
    log_p = torch.log_softmax(base_logits, -1)                              # (N, V)
    log_q = torch.log_softmax(tuned_logits, -1)
    of_each_place = (log_p.exp() * (log_p - log_q)).sum(-1)                 # (N,)
    return of_each_place.mean().item()


def drop(base, tuned):
    """What was forgotten: base's accuracy minus the tuned model's, in percentage points.

    base, tuned: {benchmark: [was the item answered right?, ..]}. -> the mean over the benchmarks,
    each of which counts once, whether it has many items or few. Above 0 is lost, below 0 gained.
    """
    lost = []
    for name in base:
        before = sum(base[name]) / len(base[name])
        after = sum(tuned[name]) / len(tuned[name])
        lost.append(100 * (before - after))
    return sum(lost) / len(lost)
