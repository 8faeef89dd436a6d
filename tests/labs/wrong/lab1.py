"""Wrong solutions of lab 1, as students write them. In quotes: words of the hint that they get."""


def trained_on__paraphrase_first(own, paraphrase):
    """where the own answer is accepted, it is trained on"""
    if paraphrase and paraphrase["ok"]:
        return "paraphrase"
    if own and own["ok"]:
        return "own"
    return "gold"


def trained_on__asked_is_enough(own, paraphrase):
    """where the own answer is refused and the paraphrase accepted"""
    if own:
        return "own"
    if paraphrase:
        return "paraphrase"
    return "gold"


def trained_on__never_gold(own, paraphrase):
    """where both are refused, the gold is trained on"""
    if own and own["ok"]:
        return "own"
    return "paraphrase"


def trained_on__none_forgotten(own, paraphrase):
    """None: the model was not asked"""
    if own["ok"]:
        return "own"
    if paraphrase["ok"]:
        return "paraphrase"
    return "gold"


def trained_on__none_is_accepted(own, paraphrase):
    """None: the model was not asked, so there is nothing to accept"""
    if own is None or own["ok"]:
        return "own"
    if paraphrase is None or paraphrase["ok"]:
        return "paraphrase"
    return "gold"


def tokens_in_loss__prompt_too(target):
    """the prompt carries no loss"""
    return len(target["weights"]) - 1


def tokens_in_loss__without_end(target):
    """every token of the target does, the first and the one that ends it too"""
    return len(target["ids"]) - 1


def tokens_in_loss__whole_target(target):
    """a token of the target whose weight is 0 carries no loss"""
    return len(target["ids"])


def tokens_in_loss__weights_added_up(target):
    """tokens are counted, weights are not added up"""
    return sum(target["weights"][1:])


def tokens_in_loss__whole_weights_alone(target):
    """a token with a weight between 0 and 1 carries loss"""
    return target["weights"][1:].count(1.0)


def tokens_in_loss__very_first(target):
    """the very first token carries no loss"""
    return sum(weight != 0 for weight in target["weights"])


def surprise__without_minus(logprobs):
    """one token: minus its log-probability"""
    return sum(logprobs) / len(logprobs)


def surprise__perplexity(logprobs):
    """as it is (no exp, no other log)"""
    import math
    return math.exp(-sum(logprobs) / len(logprobs))


def surprise__in_bits(logprobs):
    """as it is (no exp, no other log)"""
    import math
    return -sum(logprobs) / len(logprobs) / math.log(2)


def surprise__log_of_a_log(logprobs):
    """as it is (no exp, no other log)"""
    import math
    return -sum(math.log(logprob) for logprob in logprobs) / len(logprobs)


def surprise__sum(logprobs):
    """the mean of its tokens' log-probabilities, not their sum"""
    return -sum(logprobs)


def surprise__log_of_the_mean(logprobs):
    """and not the log of a mean"""
    import math
    return -math.log(sum(math.exp(logprob) for logprob in logprobs) / len(logprobs))


def surprise__copied_from_one_check(logprobs):
    """one token: minus its log-probability"""
    return 0.3541
