"""Right solutions of lab 3 that are written otherwise than the project's own."""
import torch

from s3ft import SAMPLED, Choice, Target, ask


def choose_targets__example_by_example(sources, examples, verdicts, attempts_of, choice=None):
    chosen = []
    for example in examples:
        for source in sources:
            if source not in SAMPLED:
                chosen.append(Choice(example, source, None))
                break
            accepted = []
            for one in attempts_of(SAMPLED[source], [example])[example.id]:
                if one["finish_reason"] != "end":
                    continue
                if verdicts.accept(example, one["text"], source).ok:
                    accepted.append(one)
            if accepted:
                some = choice(accepted) if choice else [accepted[0]]
                chosen.extend(Choice(example, source, one) for one in some)
                break
    return chosen


def choose_targets__lists_that_shrink(sources, examples, verdicts, attempts_of, choice=None):
    chosen = [[] for _ in examples]
    left = list(range(len(examples)))
    for source in sources:
        attempts = None
        if source in SAMPLED:
            attempts = attempts_of(SAMPLED[source], [examples[number] for number in left])
        still_left = []
        for number in left:
            example = examples[number]
            if attempts is None:
                chosen[number].append(Choice(example, source, None))
                continue
            accepted = [one for one in attempts[example.id] if one["finish_reason"] == "end"
                        and verdicts.accept(example, one["text"], source).ok]
            if not accepted:
                still_left.append(number)
            elif choice is None:
                chosen[number].append(Choice(example, source, accepted[0]))
            else:
                chosen[number] = [Choice(example, source, one) for one in choice(accepted)]
        left = still_left
    return sum(chosen, [])


def make_target__star(tokenizer, task, choice):
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is None:
        answer = tokenizer.encode_answer(task.text(choice.example, choice.source))
    else:
        answer = choice.attempt["ids"]
    return Target(id=choice.example.id, source=choice.source, prompt_ids=prompt_ids,
                  ids=[*answer, tokenizer.close_id])


def make_target__says_the_weights(tokenizer, task, choice):
    example = choice.example
    ids = []
    if choice.attempt:
        ids.extend(choice.attempt["ids"])
    else:
        ids.extend(tokenizer.encode_answer(task.text(example, choice.source)))
    ids.append(tokenizer.close_id)
    prompt_ids = tokenizer.encode_chat(ask(task, example))
    weights = [0.0] * len(prompt_ids) + [1.0] * len(ids)
    return Target(example.id, choice.source, prompt_ids, ids, weights)


def in_one_row__tensors(targets, device):
    tokens = sum(len(target) for target in targets)
    padded = (tokens + 31) // 32 * 32
    ids = torch.zeros(1, padded, dtype=torch.long, device=device)
    weights = torch.zeros(padded, device=device)
    lengths = []
    place = 0
    for target in targets:
        n = len(target)
        ids[0, place:place + n] = torch.tensor(target.prompt_ids + target.ids)
        weights[place:place + n - 1] = torch.tensor(target.weights[1:])
        lengths.append(n)
        place += n
    if padded > tokens:
        lengths.append(padded - tokens)
    return ids, lengths, weights


def in_one_row__token_by_token(targets, device):
    ids, weights, lengths = [], [], []
    for target in targets:
        whole = target.prompt_ids + target.ids
        for i, token in enumerate(whole):
            ids.append(token)
            is_last = i == len(whole) - 1
            weights.append(0.0 if is_last else float(target.weights[i + 1]))
        lengths.append(len(whole))
    padding = 0
    while (len(ids) + padding) % 32:
        padding += 1
    if padding:
        lengths.append(padding)
    ids = torch.tensor(ids + [0] * padding, device=device)
    weights = torch.tensor(weights + [0.0] * padding, device=device)
    return ids.unsqueeze(0), lengths, weights
