"""figure2.py - the paper's Figure 2: how likely base finds own answer, paraphrase and gold."""
import model
from data.files import digest
from data.run.training import within_memory

ITEMS = 84                       # training questions, as in the paper


def measure(run, all_targets):
    """Log-probabilities on training questions of the first seed -> {"items", "note"}.

    They are taken of the first questions that have a finished own answer and a finished paraphrase.
    all_targets(example, {"own": attempt, "paraphrase": attempt}) -> the s3ft.Target of each source.
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
            targets = all_targets(example, pair)
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
    sums = within_memory(model.loglikelihood, lm, [target.prompt_ids for target in targets],
                         [target.ids for target in targets])
    rows = {}
    for target, total in zip(targets, sums):
        row = rows.setdefault(target.id, {"id": target.id})
        row[target.source] = [total, len(target.ids)]
    return list(rows.values())
