"""Right solutions of lab 6 that are written otherwise than the project's own."""
import random

from data.methods.mine import mine


def mine__likeliest(accepted):
    return [max(accepted, key=lambda attempt: attempt["logprob"] / len(attempt["ids"]))]


def mine__two_shortest(accepted):
    by_length = sorted(accepted, key=lambda attempt: (len(attempt["text"]), attempt["text"]))
    return by_length[:2]


def mine__more_steps_than_the_middle(accepted):
    counts = sorted(attempt["text"].count("=") for attempt in accepted)
    middle = counts[len(counts) // 2]
    return [attempt for attempt in accepted if attempt["text"].count("=") >= middle]


def mine__most_different_words(accepted):
    best = accepted[0]
    for attempt in accepted:
        if len(set(attempt["text"].split())) > len(set(best["text"].split())):
            best = attempt
    return [best]


def mine__least_like_the_gold(accepted):
    def shared_words(attempt):
        return len(set(attempt["text"].split()) & set(attempt["gold"].split()))

    return sorted(accepted, key=lambda attempt: (shared_words(attempt), attempt["ids"]))[:1]


def mine_random__by_choice(accepted):
    draw = random.Random(accepted[0]["id"] + " blind")
    copy = list(accepted)
    taken = []
    for _ in mine(accepted):
        one = draw.choice(copy)
        copy.remove(one)
        taken.append(one)
    return taken


def mine_random__shuffled_copy(accepted):
    some = accepted[:]
    random.Random("control of " + accepted[0]["id"]).shuffle(some)
    return some[:len(mine(accepted))]


def mine_random__by_a_digest(accepted):
    import hashlib
    place = int(hashlib.sha256(accepted[0]["id"].encode()).hexdigest(), 16) % len(accepted)
    return (accepted[place:] + accepted[:place])[:len(mine(accepted))]
