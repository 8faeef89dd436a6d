"""Wrong solutions of lab 3, as students write them. In quotes: words of the hint that they get."""
import torch

from s3ft import SAMPLED, Choice, Target, ask, rewrite


def choose_targets__verdict_is_always_true(sources, examples, verdicts, attempts_of, choice=None):
    """the first that the judge accepts (verdict.ok) is trained on"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            for example in left:
                chosen[example.id] = [Choice(example, source, None)]
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], source)]
            accepted = choice(accepted) if choice and accepted else accepted[:1]
            if accepted:
                chosen[example.id] = [Choice(example, source, one) for one in accepted]
    return [one for example in examples for one in chosen.get(example.id, [])]


def choose_targets__goes_on_after_the_first(sources, examples, verdicts, attempts_of, choice=None):
    """is trained on, once"""
    chosen = []
    for source in sources:
        if source not in SAMPLED:
            chosen += [Choice(example, source, None) for example in examples]
            continue
        attempts = attempts_of(SAMPLED[source], examples)
        for example in examples:
            for one in attempts[example.id]:
                if verdicts.accept(example, one["text"], source).ok:
                    chosen.append(Choice(example, source, one))
                    break
    return chosen


def choose_targets__paraphrase_left_out(sources, examples, verdicts, attempts_of, choice=None):
    """the sources of the row have their turn one after the other"""
    chosen = []
    attempts = attempts_of("own", examples)
    for example in examples:
        accepted = [one for one in attempts[example.id]
                    if verdicts.accept(example, one["text"], "own").ok]
        if accepted:
            chosen.append(Choice(example, "own", accepted[0]))
        else:
            chosen.append(Choice(example, "gold", None))
    return chosen


def choose_targets__source_by_source(sources, examples, verdicts, attempts_of, choice=None):
    """the targets come in the order of the examples"""
    chosen = []
    left = list(examples)
    for source in sources:
        if source not in SAMPLED:
            chosen += [Choice(example, source, None) for example in left]
            continue
        attempts = attempts_of(SAMPLED[source], left)
        still_left = []
        for example in left:
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], source).ok]
            if accepted:
                chosen.append(Choice(example, source, accepted[0]))
            else:
                still_left.append(example)
        left = still_left
    return chosen


def choose_targets__paraphrase_asked_for_all(sources, examples, verdicts, attempts_of, choice=None):
    """a paraphrase is asked for only where the own answer was refused"""
    chosen = {}
    for source in sources:
        if source not in SAMPLED:
            for example in examples:
                if example.id not in chosen:
                    chosen[example.id] = [Choice(example, source, None)]
            continue
        attempts = attempts_of(SAMPLED[source], examples)
        for example in examples:
            if example.id in chosen:
                continue
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], source).ok]
            if accepted:
                chosen[example.id] = [Choice(example, source, accepted[0])]
    return [one for example in examples for one in chosen.get(example.id, [])]


def choose_targets__sources_of_its_own(sources, examples, verdicts, attempts_of, choice=None):
    """the row alone says which sources there are"""
    chosen = {}
    for source in ("own", "paraphrase"):
        left = [example for example in examples if example.id not in chosen]
        attempts = attempts_of(source, left)
        for example in left:
            for one in attempts[example.id]:
                accepted = verdicts.accept(example, one["text"], source).ok
                if accepted and one["finish_reason"] == "end":
                    chosen.setdefault(example.id, Choice(example, source, one))
    return [chosen.get(example.id, Choice(example, "gold", None)) for example in examples]


def choose_targets__last_accepted(sources, examples, verdicts, attempts_of, choice=None):
    """the first accepted one is trained on"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            for example in left:
                chosen[example.id] = Choice(example, source, None)
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            for one in attempts[example.id]:
                if one["finish_reason"] != "end":
                    continue
                if verdicts.accept(example, one["text"], source).ok:
                    chosen[example.id] = Choice(example, source, one)
    return [chosen[example.id] for example in examples if example.id in chosen]


def choose_targets__first_attempt_alone(sources, examples, verdicts, attempts_of, choice=None):
    """of several attempts the first accepted one"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            for example in left:
                chosen[example.id] = Choice(example, source, None)
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            for one in attempts[example.id][:1]:
                ended = one["finish_reason"] == "end"
                if ended and verdicts.accept(example, one["text"], source).ok:
                    chosen[example.id] = Choice(example, source, one)
    return [chosen[example.id] for example in examples if example.id in chosen]


def choose_targets__cut_off_too(sources, examples, verdicts, attempts_of, choice=None):
    """an attempt that was cut off"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            for example in left:
                chosen[example.id] = [Choice(example, source, None)]
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            accepted = [one for one in attempts[example.id]
                        if verdicts.accept(example, one["text"], source).ok]
            accepted = choice(accepted) if choice and accepted else accepted[:1]
            if accepted:
                chosen[example.id] = [Choice(example, source, one) for one in accepted]
    return [one for example in examples for one in chosen.get(example.id, [])]


def choose_targets__gold_for_the_rest(sources, examples, verdicts, attempts_of, choice=None):
    """it gets no gold that its row does not name"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], source).ok]
            if accepted:
                chosen[example.id] = Choice(example, source, accepted[0])
    return [chosen.get(example.id, Choice(example, "gold", None)) for example in examples]


def choose_targets__choice_forgotten(sources, examples, verdicts, attempts_of, choice=None):
    """`choice` is handed the accepted attempts"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            for example in left:
                chosen[example.id] = Choice(example, source, None)
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], source).ok]
            if accepted:
                chosen[example.id] = Choice(example, source, accepted[0])
    return [chosen[example.id] for example in examples if example.id in chosen]


def choose_targets__choice_among_all(sources, examples, verdicts, attempts_of, choice=None):
    """`choice` is handed the accepted attempts, and no others"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            for example in left:
                chosen[example.id] = [Choice(example, source, None)]
            continue
        attempts = attempts_of(SAMPLED[source], left)
        for example in left:
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], source).ok]
            if accepted and choice:
                accepted = choice(attempts[example.id])
            if accepted:
                some = accepted if choice else accepted[:1]
                chosen[example.id] = [Choice(example, source, one) for one in some]
    return [one for example in examples for one in chosen.get(example.id, [])]


def choose_targets__judge_is_told_the_kind(sources, examples, verdicts, attempts_of, choice=None):
    """the judge is told the source itself"""
    chosen = {}
    for source in sources:
        left = [example for example in examples if example.id not in chosen]
        if source not in SAMPLED:
            for example in left:
                chosen[example.id] = [Choice(example, source, None)]
            continue
        kind = SAMPLED[source]
        attempts = attempts_of(kind, left)
        for example in left:
            ended = [one for one in attempts[example.id] if one["finish_reason"] == "end"]
            accepted = [one for one in ended if verdicts.accept(example, one["text"], kind).ok]
            accepted = choice(accepted) if choice and accepted else accepted[:1]
            if accepted:
                chosen[example.id] = [Choice(example, source, one) for one in accepted]
    return [one for example in examples for one in chosen.get(example.id, [])]


def make_target__text_encoded_again(tokenizer, task, choice):
    """keeps the very ids that were sampled"""
    if choice.attempt is not None:
        text = choice.attempt["text"]
    else:
        text = task.text(choice.example, choice.source)
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    ids = tokenizer.encode_answer(text) + [tokenizer.close_id]
    return Target(choice.example.id, choice.source, prompt_ids, ids)


def make_target__close_forgotten(tokenizer, task, choice):
    """and then comes close_id, once"""
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"]
    else:
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
    return Target(choice.example.id, choice.source, prompt_ids, ids)


def make_target__close_twice(tokenizer, task, choice):
    """and then comes close_id, once"""
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"] + [tokenizer.close_id]
    else:
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
    return Target(choice.example.id, choice.source, prompt_ids, ids + [tokenizer.close_id])


def make_target__first_end_token(tokenizer, task, choice):
    """and then comes close_id, once"""
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"]
    else:
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
    return Target(choice.example.id, choice.source, prompt_ids, ids + [tokenizer.end_ids[0]])


def make_target__always_the_gold(tokenizer, task, choice):
    """any other source is task.text(example, source)"""
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"]
    else:
        ids = tokenizer.encode_answer(choice.example.answer)
    return Target(choice.example.id, choice.source, prompt_ids, ids + [tokenizer.close_id])


def make_target__gold_is_the_only_text(tokenizer, task, choice):
    """any other source is task.text(example, source)"""
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.source == "gold":
        ids = tokenizer.encode_answer(task.text(choice.example, "gold"))
    else:
        ids = choice.attempt["ids"]
    return Target(choice.example.id, choice.source, prompt_ids, ids + [tokenizer.close_id])


def make_target__prompt_of_the_attempt(tokenizer, task, choice):
    """the prompt is the plain question (ask), for a paraphrase too"""
    if choice.attempt is not None:
        prompt_ids = choice.attempt["prompt_ids"]
        ids = choice.attempt["ids"]
    else:
        prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
    return Target(choice.example.id, choice.source, prompt_ids, ids + [tokenizer.close_id])


def make_target__always_shows_the_gold(tokenizer, task, choice):
    """the prompt is the plain question (ask)"""
    prompt_ids = tokenizer.encode_chat(rewrite(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"]
    else:
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
    return Target(choice.example.id, choice.source, prompt_ids, ids + [tokenizer.close_id])


def make_target__grows_the_attempt(tokenizer, task, choice):
    """the attempt itself is not changed"""
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"]
    else:
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
    ids.append(tokenizer.close_id)
    return Target(choice.example.id, choice.source, prompt_ids, ids)


def make_target__loss_over_the_prompt(tokenizer, task, choice):
    """0 for the prompt, 1 for the rest"""
    prompt_ids = tokenizer.encode_chat(ask(task, choice.example))
    if choice.attempt is not None:
        ids = choice.attempt["ids"] + [tokenizer.close_id]
    else:
        ids = tokenizer.encode_answer(task.text(choice.example, choice.source))
        ids = ids + [tokenizer.close_id]
    weights = [1.0] * (len(prompt_ids) + len(ids))
    return Target(choice.example.id, choice.source, prompt_ids, ids, weights)


def in_one_row__a_row_for_each(targets, device):
    """ids are (1, T) whole numbers"""
    longest = max(len(target) for target in targets)
    ids = []
    weights = []
    for target in targets:
        spare = longest - len(target)
        ids.append(target.prompt_ids + target.ids + [0] * spare)
        weights.append(target.weights[1:] + [0.0] * (spare + 1))
    lengths = [len(target) for target in targets]
    return torch.tensor(ids, device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__lists(targets, device):
    """ids are (1, T) whole numbers, weights are (T,) in fp32"""
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += target.weights[1:] + [0.0]
    return ids, [len(target) for target in targets], weights


def in_one_row__answer_first(targets, device):
    """each prompt before its target"""
    spare = -sum(len(target) for target in targets) % 32
    ids = []
    weights = []
    for target in targets:
        ids += target.ids + target.prompt_ids
        weights += target.weights[1:] + [0.0]
    lengths = [len(target) for target in targets] + [spare]
    return (torch.tensor([ids + [0] * spare], device=device), lengths,
            torch.tensor(weights + [0.0] * spare, device=device))


def in_one_row__not_shifted(targets, device):
    """a position's weight is that of the NEXT token"""
    spare = -sum(len(target) for target in targets) % 32
    if spare:
        targets = [*targets, Target("", "padding", [0] * spare, [])]
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += target.weights
    lengths = [len(target) for target in targets]
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__shifted_the_other_way(targets, device):
    """a position's weight is that of the NEXT token"""
    spare = -sum(len(target) for target in targets) % 32
    if spare:
        targets = [*targets, Target("", "padding", [0] * spare, [])]
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += [0.0] + target.weights[:-1]
    lengths = [len(target) for target in targets]
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__loss_over_the_prompt(targets, device):
    """the prompt is masked"""
    spare = -sum(len(target) for target in targets) % 32
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += [1.0] * (len(target) - 1) + [0.0]
    lengths = [len(target) for target in targets]
    if spare:
        ids += [0] * spare
        weights += [0.0] * spare
        lengths.append(spare)
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__first_token_masked_too(targets, device):
    """its last position predicts the first token of the target"""
    spare = -sum(len(target) for target in targets) % 32
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += [0.0] * len(target.prompt_ids) + [1.0] * (len(target.ids) - 1) + [0.0]
    lengths = [len(target) for target in targets]
    if spare:
        ids += [0] * spare
        weights += [0.0] * spare
        lengths.append(spare)
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__shifted_as_a_whole(targets, device):
    """the last token of a text does not predict the first of the next"""
    spare = -sum(len(target) for target in targets) % 32
    if spare:
        targets = [*targets, Target("", "padding", [0] * spare, [])]
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += target.weights
    weights = weights[1:] + [0.0]
    lengths = [len(target) for target in targets]
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__weights_of_its_own(targets, device):
    """the weights are those of the target"""
    spare = -sum(len(target) for target in targets) % 32
    ids = []
    weights = []
    for target in targets:
        of_target = [0.0] * len(target.prompt_ids) + [1.0] * len(target.ids)
        ids += target.prompt_ids + target.ids
        weights += of_target[1:] + [0.0]
    lengths = [len(target) for target in targets]
    if spare:
        ids += [0] * spare
        weights += [0.0] * spare
        lengths.append(spare)
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__not_padded(targets, device):
    """the row is padded to a multiple of 32"""
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += target.weights[1:] + [0.0]
    lengths = [len(target) for target in targets]
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__padding_without_a_length(targets, device):
    """the padding is one more text"""
    spare = -sum(len(target) for target in targets) % 32
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += target.weights[1:] + [0.0]
    lengths = [len(target) for target in targets]
    ids += [0] * spare
    weights += [0.0] * spare
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__padded_when_full(targets, device):
    """a row that is a multiple of 32 already is not padded"""
    spare = 32 - sum(len(target) for target in targets) % 32
    targets = [*targets, Target("", "padding", [0] * spare, [])]
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += target.weights[1:] + [0.0]
    lengths = [len(target) for target in targets]
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)


def in_one_row__grows_the_list(targets, device):
    """the targets that were passed are not changed"""
    spare = -sum(len(target) for target in targets) % 32
    if spare:
        targets.append(Target("", "padding", [0] * spare, []))
    ids = []
    weights = []
    for target in targets:
        ids += target.prompt_ids + target.ids
        weights += target.weights[1:] + [0.0]
    lengths = [len(target) for target in targets]
    return torch.tensor([ids], device=device), lengths, torch.tensor(weights, device=device)
