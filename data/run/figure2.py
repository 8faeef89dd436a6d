"""figure2.py - the paper's Figure 2: how likely base finds own answer, paraphrase and gold."""
import model
from data.files import digest

ITEMS = 84                       # training questions, as in the paper


def measure(run, make_target, choice):
    """Log-probabilities on training questions of the first seed -> {"items", "note"}.

    They are taken of the first questions that have a finished own answer and a finished paraphrase.
    make_target, choice: s3ft.make_target, s3ft.Choice.
    """
    seed = run.options.seeds[0]
    examples = run.questions[seed].train
    used = run.used[seed]
    wanted = []
    for example in examples:
        pair = {}                    # of each kind the first finished attempt
        for kind in ("own", "paraphrase"):
            for attempt in used.get((example.id, kind), []):
                if attempt["finish_reason"] == "end":
                    pair.setdefault(kind, attempt)
        if len(pair) == 2 and len(wanted) < ITEMS:
            choices = [choice(example, s, pair.get(s)) for s in ("own", "paraphrase", "gold")]
            targets = [make_target(run.tokenizer, run.task, one) for one in choices]
            asked = digest([[target.prompt_ids, target.ids] for target in targets])
            wanted.append((f"Figure 2 {example.id}", asked, targets))

    rows = run.base.rows("Figure 2", wanted, [], [log_probabilities], log_probabilities)
    items = []
    for row in rows:
        items.append({name: value for name, value in row.items() if name != "seconds"})
    note = (f"{len(wanted)} training questions with a finished own answer and a finished "
            "paraphrase")
    if not all((example.id, "paraphrase") in used for example in examples):
        note += ("; paraphrases were only asked for where the own answer was refused: "
                 "--methods s3ft,sdft asks for all")
    return {"items": items, "note": note}


def log_probabilities(lm, groups, progress=None):
    """How likely lm finds the targets of each question.

    groups: [[s3ft.Target, ...] of a question, ...]. -> [{"id", SOURCE: [sum in nats, tokens]}, ..]
    """
    targets = [target for group in groups for target in group]
    sums = model.loglikelihood(lm, [target.prompt_ids for target in targets],
                               [target.ids for target in targets])
    rows = {}
    for target, total in zip(targets, sums):
        row = rows.setdefault(target.id, {"id": target.id})
        row[target.source] = [total, len(target.ids)]
    return list(rows.values())
