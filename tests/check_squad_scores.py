"""Do judge.em and judge.f1 give the official SQuAD scores, and how does judge.span decide? (Not part of the test suite: needs the files.)

    python tests/check_squad_scores.py FOLDER      FOLDER/squad/scored_predictions.jsonl {"id", "prediction", "golds", "em", "f1"}

1. EM and F1 of every prediction equal the official script's figures (six decimals in the file); ids of others are listed
2. judge.span on the same predictions: the share it takes for right, by rule, beside the official EM; the two may differ
   only by answers that hold a gold among other words ("contained"), and others are listed
Exit code 1 if a figure differs, or if span and EM differ in another way.
"""
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import judge


def main(folder):
    rows = [json.loads(line) for line in open(Path(folder) / "squad" / "scored_predictions.jsonl", encoding="utf-8")]
    differ = [f"{row['id']}: {name} {score(row['prediction'], row['golds'])} where the official script has {row[name]}" for row in rows
              for name, score in (("em", judge.em), ("f1", judge.f1)) if round(score(row["prediction"], row["golds"]), 6) != row[name]]
    verdicts = [judge.span(row["prediction"], row["golds"]) for row in rows]
    odd = [f"{row['id']}: span says {verdict.rule}, EM is {row['em']}" for row, verdict in zip(rows, verdicts)
           if verdict.ok != bool(row["em"]) and verdict.rule != "contained"]
    same = len(rows) - len({line.split(":")[0] for line in differ})
    print("\n".join(differ + odd + [f"{len(rows)} predictions: EM and F1 equal to the official ones on {same}"]))
    print(f"official: EM {sum(row['em'] for row in rows) / len(rows):.2%}, F1 {sum(row['f1'] for row in rows) / len(rows):.2%}; "
          f"judge.span takes {sum(verdict.ok for verdict in verdicts) / len(rows):.2%} for right:")
    for (ok, rule), n in sorted(Counter((verdict.ok, verdict.rule) for verdict in verdicts).items(), key=lambda item: (not item[0][0], -item[1])):
        print(f"    {'right' if ok else 'wrong'}  {rule:26} {n:5} {n / len(rows):7.2%}")
    return bool(differ or odd)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
