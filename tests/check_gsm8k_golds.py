"""Do the official GSM8K golds survive judge.number, and do spoilt ones not?

It needs the official files, so it is no part of the test suite.

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
    patterns = []
    for part in re.findall(r"[0-9]+|\S", expression):
        if part.isdigit():
            patterns.append(",?".join(part))
        else:
            patterns.append(SHAPES.get(part, re.escape(part)))
    pattern = r"[\s$€£]*".join(patterns)
    no_operator_before = r"(?:^|[^\w.,)%*/+-])[$€£]?(?<![-−–+*/×÷(] )(?<![-−–+*/×÷])"
    return re.compile(rf"{no_operator_before}{pattern}\s*=\s*[$€£]?\s*$")


def spoilable(answer, marker):
    """(start, end) of the result that the text shows for a step in plain arithmetic, or why it is not plain."""
    expression, _, result = marker[1].rpartition("=")
    if not re.search(r"[0-9)%]\s*[-+*/]\s*[-(.0-9]", expression):
        return "the marker holds no arithmetic"
    if re.search("[^-+*/().0-9%\\s]", expression):
        return "the marker holds words or signs"
    if not spelled(expression).search(MARKER.sub("", answer[:marker.start()]).split("\n")[-1]):
        return "the text spells the step otherwise (words, units, another form)"
    otherwise = "the text shows the result otherwise"
    number = r"\s*[$€£]?\s*([0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)"
    shown = re.match(number + r"(?![0-9/%:])(?!\.[0-9])(?!,[0-9])", answer[marker.end():])
    digits = re.sub("[^-.0-9]", "", result)
    if not shown or not digits or Fraction(shown[1].replace(",", "")) != Fraction(digits):
        return otherwise
    return marker.end() + shown.start(1), marker.end() + len(shown[0])


def spoil(answer, place, rng):
    start, end = place
    shown = answer[start:end]
    digits = len(shown.partition(".")[2])
    value = Fraction(shown.replace(",", ""))
    moved = value + rng.choice([d for d in range(-9, 10) if d and value + d >= 0])
    comma = "," if "," in shown else ""
    return answer[:start] + f"{float(moved):{comma}.{digits}f}" + answer[end:]


def read_golds(folder):
    """[("train:1", answer), ..]"""
    golds = []
    for split in ("train", "test"):
        lines = (Path(folder) / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        golds += [(f"{split}:{n}", json.loads(line)["answer"]) for n, line in enumerate(lines, 1)]
    return golds


def main(folder):
    misread = []
    refused = []
    missed = []
    reasons = Counter()
    tried = 0
    rng = random.Random(0)
    golds = read_golds(folder)
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
    print("extracted wrong:", *misread, sep="\n")
    print("refused by check_steps:", *refused, sep="\n")
    print("spoilt and yet accepted:", *missed, sep="\n")
    print(f"\n{len(golds)} golds: final number right on {len(golds) - len(misread)}; "
          f"check_steps refuses {len(refused)} ({len(refused) / len(golds):.2%})")
    print(f"one plain step spoilt in {tried} golds: refused {tried - len(missed)} ({1 - len(missed) / tried:.2%})")
    print(f"no plain step in {sum(reasons.values())} golds, by the commonest reason:")
    print("\n".join(f"  {n:5}  {reason}" for reason, n in reasons.most_common()))
    return bool(misread) or len(refused) >= 0.005 * len(golds) or len(missed) > 0.1 * tried


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
