"""text.py - words for numbers, and tables of texts, plain or in Markdown."""
import re

import numpy as np

from data import plural

NAMES = {"sft": "SFT", "ssr": "SSR", "sdft": "SDFT", "s3ft": "S3FT"}


def method_title(method):
    """sft -> SFT; "sft (RUN)" -> "SFT (RUN)", where several runs have the method."""
    name, space, run = method.partition(" ")
    return NAMES.get(name, name) + space + run


def control_of(method):
    """mine -> mine_random; "mine (ada)" -> "mine_random (ada)": a row's control, by its name."""
    name, space, run = method.partition(" ")
    return f"{name}_random{space}{run}"


def listed(word, values):
    """seed, [0, 1] -> seeds 0, 1"""
    return f"{plural(word, len(values))} {', '.join(str(value) for value in values)}"


def percent(values):
    """The mean of shares in %: "61.0"; "-" where there are none."""
    return f"{100 * np.mean(values):.1f}" if len(values) else "-"


def with_interval(score):
    """(0.61, 0.58, 0.64) -> 61.0 [58.0, 64.0]"""
    mean, low, high = score
    return f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def points(gap, unit=" points"):
    """(0.112, 0.062, 0.162) -> +11.2 points [+6.2, +16.2]; None -> -"""
    if gap is None:
        return "-"
    mean, low, high = gap
    return f"{100 * mean:+.1f}{unit} [{100 * low:+.1f}, {100 * high:+.1f}]"


# ---------------------------------------------------------------- tables

def aligned(rows, separator="  "):
    """Rows of texts as lines. The first column stands to the left, the others to the right."""
    widths = [max(len(text) for text in column) for column in zip(*rows)]
    lines = []
    for row in rows:
        padded = [row[0].ljust(widths[0])]
        padded += [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append(separator.join(padded).rstrip())
    return lines


def plain_table(rows):
    """Rows of texts as lines, with a rule under the first."""
    head, *others = aligned(rows)
    return [head, "-" * len(head), *others]


def markdown_table(rows):
    """Rows of texts as lines of a Markdown table, which is aligned on the terminal too."""
    escaped = [[text.replace("|", "\\|") for text in row] for row in rows]
    rule = ["---"] + ["--:"] * (len(rows[0]) - 1)
    return [f"| {line} |" for line in aligned([escaped[0], rule, *escaped[1:]], " | ")]


# ---------------------------------------------------------------- other people's text

def clean(text):
    """Text of a model or a data set without what could steer a terminal.

    A tab becomes spaces, any other invisible character a space.
    """
    text = str(text).replace("\r\n", "\n").expandtabs(4)
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text)


def md(text):
    """A name or a note inside Markdown: on one line, its special characters as they are."""
    one_line = " ".join(clean(text).split())
    return re.sub(r"([\\`*<>\[\]~]|^[#+-])", r"\\\1", one_line)


def fence(text):
    """A block of plain text, as lines. Its fence is longer than any row of backticks in it."""
    longest = max([len(row) for row in re.findall("`+", text)], default=0)
    ticks = "`" * max(3, longest + 1)
    return [f"{ticks}text", *clean(text).split("\n"), ticks]
