"""Do the official GSM8K golds survive judge.number, and do spoilt ones not? (Not part of the test suite: needs the files.)

    python tests/check_gsm8k_golds.py FOLDER        FOLDER holds the official train.jsonl and test.jsonl

1. extraction: the final number of every clean gold is the official one
2. check_steps on the clean golds: the refused ones are listed
3. check_steps on the same golds with one step spoilt: of every gold, one of the steps `a = b` that have a marker
   <<a=b>> and stand in the text as plain arithmetic is chosen by seed, and the number after its `=` is moved by 1 to
   9. "Plain" is decided from the marker alone, without the judge: the text just before the marker spells a (currency
   signs, commas, spaces and the operators' shapes apart) and `=`, the text after it spells b. Golds without such a
   step are counted by reason.
Exit code 1 if a bar of the project is missed: all of (1), below 0.5 % of (2), at least 90 % of (3).
"""
import json
import random
import re
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import judge

MARKER = re.compile(r"<<([^<>]*)>>")
SHAPES = {"*": "[*xX×]", "/": "[/÷]", "-": "[-−–]", "+": r"\+", "(": r"\(", ")": r"\)", ".": r"\."}


def clean(answer):
    return re.sub(r"\n#### (.*)", r"\nThe answer is \1.", MARKER.sub("", answer))


def spelled(expression):
    """Pattern: this expression and an `=` at the end of a text, and nothing more of it before."""
    parts = re.findall(r"[0-9]+|\S", expression)
    pattern = r"[\s$€£]*".join(",?".join(part) if part.isdigit() else SHAPES.get(part, re.escape(part)) for part in parts)
    return re.compile(rf"(?:^|[^\w.,)%*/+-])[$€£]?(?<![-−–+*/×÷(] )(?<![-−–+*/×÷]){pattern}\s*=\s*[$€£]?\s*$")


def spoilable(answer, marker):
    """(start, end) of the shown result of a step that stands there as plain arithmetic, or the reason why it does not."""
    expression, _, result = marker[1].rpartition("=")
    if not re.search(r"[0-9)%]\s*[-+*/]\s*[-(.0-9]", expression):
        return "the marker holds no arithmetic"
    if re.search("[^-+*/().0-9%\\s]", expression):
        return "the marker holds words or signs"
    if not spelled(expression).search(MARKER.sub("", answer[:marker.start()]).split("\n")[-1]):
        return "the text spells the step otherwise (words, units, another form)"
    shown = re.match(r"\s*[$€£]?\s*([0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?![0-9/%:])(?!\.[0-9])(?!,[0-9])", answer[marker.end():])
    if not shown or not result.strip() or Fraction(shown[1].replace(",", "")) != Fraction(re.sub("[^-.0-9]", "", result) or "0.5"):
        return "the text shows the result otherwise"
    return marker.end() + shown.start(1), marker.end() + len(shown[0])


def spoil(answer, place, rng):
    start, end = place
    shown = answer[start:end]
    digits = len(shown.partition(".")[2])
    value = Fraction(shown.replace(",", ""))
    moved = value + rng.choice([d for d in range(-9, 10) if d and value + d >= 0])
    return answer[:start] + (f"{float(moved):,.{digits}f}" if "," in shown else f"{float(moved):.{digits}f}") + answer[end:]


def main(folder):
    misread, refused, missed, reasons, tried, rng = [], [], [], Counter(), 0, random.Random(0)
    golds = [(f"{split}:{n}", json.loads(line)["answer"]) for split in ("train", "test")
             for n, line in enumerate(open(Path(folder) / f"{split}.jsonl", encoding="utf-8"), 1)]
    for name, answer in golds:
        official = answer.rpartition("####")[2].strip()
        verdict = judge.number(clean(answer), official, check_steps=True)
        value = judge.final_number(clean(answer)).value
        if value != Fraction(official.replace(",", "")):
            misread.append(f"{name}  {verdict}")
        elif not verdict.ok:
            refused.append(f"{name:11} {verdict.reason}")
        places = [spoilable(answer, marker) for marker in MARKER.finditer(answer)]
        plain = [place for place in places if not isinstance(place, str)]
        if not plain:
            reasons[Counter(places).most_common(1)[0][0] if places else "no marker at all"] += 1
            continue
        tried += 1
        place = rng.choice(plain)
        if judge.number(clean(spoil(answer, place, rng)), official, check_steps=True).ok:
            missed.append(f"{name:11} {clean(answer[:place[1]]).split(chr(10))[-1][-60:]!r}")
    print("\n".join(["extracted wrong:", *misread, "refused by check_steps:", *refused, "spoilt and yet accepted:", *missed]))
    print(f"\n{len(golds)} golds: final number right on {len(golds) - len(misread)}; check_steps refuses {len(refused)} "
          f"({len(refused) / len(golds):.2%})")
    print(f"one plain step spoilt in {tried} golds: refused {tried - len(missed)} ({1 - len(missed) / tried:.2%})")
    print(f"no plain step in {sum(reasons.values())} golds, by the commonest reason:")
    print("\n".join(f"  {n:5}  {reason}" for reason, n in reasons.most_common()))
    return bool(misread) or len(refused) >= 0.005 * len(golds) or len(missed) > 0.1 * tried


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
