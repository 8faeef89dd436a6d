"""SQuAD's scores: of a file of predictions, and are ours those of the official script? (Not part of the test suite.)

    python tests/check_squad_scores.py DATA.json PREDICTIONS.json
    python tests/check_squad_scores.py FOLDER

With two files it prints the figures of SQuAD 2.0's own script, in per cent, for predictions {id: text} (or a .jsonl
with "id" and "prediction" a line) on a data file in SQuAD's or MRQA's layout.

With a folder, which holds squad/scored_predictions.jsonl {"id", "prediction", "golds", "em", "f1"}, it compares:
1. EM and F1 of every prediction equal the official script's figures (six decimals in the file); others are listed
2. judge.span on the same predictions: the share it takes for right, by rule, beside the official EM; the two may differ
   only by answers that hold a gold among other words ("contained"), and others are listed
Exit code 1 if a figure differs, or if span and EM differ in another way; 2 for files that cannot be used.
"""
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import judge
from data import UserError, parse_json, read_text
from data.judging import spans
from data.tasks import reading
from data.files import mean


# ---------------------------------------------------------------- the figures of a file of predictions

def official_scores(examples, predictions):
    """{"exact", "f1", "total", ..} in per cent as SQuAD 2.0's own script prints them; predictions: {id: text}."""
    answerable = [e for e in examples if e.extra["golds"]]
    unanswerable = [e for e in examples if not e.extra["golds"]]
    figures = {}
    for prefix, part in (("", examples), ("HasAns_", answerable), ("NoAns_", unanswerable)):
        if part:
            scores = [spans.squad_scores(predictions[e.id], e.extra["golds"]) for e in part]
            figures[f"{prefix}exact"] = 100 * mean(one["em"] for one in scores)
            figures[f"{prefix}f1"] = 100 * mean(one["f1"] for one in scores)
            figures[f"{prefix}total"] = len(part)
    return figures


def read_predictions(path):
    """{id: text} from a file that holds just that, or from a .jsonl with id and prediction."""
    text = read_text(path)
    if str(path).endswith(".jsonl"):
        rows = [parse_json(line, path, n) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows):
            raise UserError(f"{path}: every line needs the text field 'id'")
        predictions = {row["id"]: row.get("prediction") for row in rows}
        if len(predictions) < len(rows):
            raise UserError(f"{path}: an id stands there twice; make ids unique")
    else:
        predictions = parse_json(text, path)
        if not isinstance(predictions, dict):
            raise UserError(f"{path}: is no JSON object {{id: text}}")
    for id, prediction in predictions.items():
        if not isinstance(prediction, str):
            raise UserError(f"{path}: the prediction for {id[:60]!r} is no text")
    return predictions


def print_scores(data, predictions_file):
    examples = reading.read(data)
    predictions = read_predictions(predictions_file)
    ids = [e.id for e in examples]
    missing = [id for id in ids if id not in predictions]
    unknown = sorted(set(predictions) - set(ids))
    if missing:
        raise UserError(f"{predictions_file}: has no prediction for {len(missing)} of the {len(ids)} questions; "
                        f"the first is {missing[0][:60]!r}")
    if unknown:
        raise UserError(f"{predictions_file}: {len(unknown)} of its ids are not in {data}; "
                        f"the first is {unknown[0][:60]!r}")
    print(json.dumps(official_scores(examples, predictions), indent=2))


# ---------------------------------------------------------------- compared with the official script's

def compare(folder):
    """Print what differs, and how judge.span decides -> does anything differ that should not?"""
    with open(Path(folder) / "squad" / "scored_predictions.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    differ, odd, rules, same = [], [], Counter(), 0
    for row in rows:
        scores = spans.squad_scores(row["prediction"], row["golds"])
        em, f1 = scores["em"], scores["f1"]
        if (em, round(f1, 6)) == (row["em"], row["f1"]):
            same += 1
        else:
            differ.append(f"{row['id']}: EM {em} and F1 {f1} where the official script has {row['em']} and {row['f1']}")
        verdict = judge.span(row["prediction"], row["golds"])
        rules[verdict.ok, verdict.rule] += 1
        if verdict.ok != bool(row["em"]) and verdict.rule != "contained":
            odd.append(f"{row['id']}: span says {verdict.rule}, EM is {row['em']}")

    print("\n".join(differ + odd + [f"{len(rows)} predictions: EM and F1 equal to the official ones on {same}"]))
    right = sum(n for (ok, _), n in rules.items() if ok)
    print(f"official: EM {mean(row['em'] for row in rows):.2%}, F1 {mean(row['f1'] for row in rows):.2%}; "
          f"judge.span takes {right / len(rows):.2%} for right:")
    for wanted in (True, False):
        for (ok, rule), n in rules.most_common():
            if ok == wanted:
                print(f"    {'right' if ok else 'wrong'}  {rule:26} {n:5} {n / len(rows):7.2%}")
    return bool(differ or odd)


def main(arguments):
    if len(arguments) not in (1, 2) or any(name.startswith("-") for name in arguments):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if len(arguments) == 1:
        return int(compare(arguments[0]))
    try:
        print_scores(*arguments)
        return 0
    except UserError as error:
        print(f"check_squad_scores: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
