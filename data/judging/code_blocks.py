"""code_blocks.py - find the program in a text: in a code block, between markers, or bare.

The text is only searched. Nothing that a model wrote is parsed or run here.
"""
import re
import textwrap

LONGEST_ANSWER = 20_000       # characters; what is longer is no answer and would only cost time

# A line that opens or closes a block.
#   accepted   ```python      ~~~      "  ```py"
#   refused    use ```x``` here        (something stands before it, or more backticks after it)
FENCE = re.compile(r"""
    (?P<indent> [ \t]* )
    (?P<fence> `{3,} | ~{3,} ) [ \t]*
    (?P<language> [^\s`]* )
    [^`]*""", re.VERBOSE)
PYTHON = ("", "python", "py", "python3")

# The paper's markers, and CodeLlama's. Without an end marker `program` is None: the text was cut.
#   accepted   [BEGIN] f = 1 [DONE]       [PYTHON] f = 1 [/PYTHON]
#   refused    BEGIN f = 1 DONE
MARKED = re.compile(r"""
    \[ (?P<marker> BEGIN | PYTHON ) \]
    (?: (?P<program> .*? ) (?: \[DONE\] | \[ / (?P=marker) \] ) | .* )""", re.VERBOSE | re.DOTALL)

# A line with which code may begin in a text without blocks and markers.
#   accepted   def f(x):       import math       from math import pi       f = 1
#   refused    define f        important: ..      from here on              f(1) = 1
BARE = re.compile(r"""
    ^ (?: from[ ]\S+[ ]import[ ]
        | import[ ]\w
        | def[ ]\w+[ ]?\(
        | class[ ]\w+[ ]?[:(]
        | async[ ]def[ ]
        | @\w
        | \w+[ ]?=[ ]?\S )""", re.VERBOSE | re.MULTILINE)

# Where prose goes on after bare code.
#   accepted   an empty line, then "This function doubles x."
#   refused    an empty line, then "Total = 3"
PROSE = re.compile(r"\n\n[A-Z][a-z]+ [a-z]+[ :.]")


def extract_code(text, names=()):
    """The program in a text -> (rule, program or None). names: what the program has to define.

    block         the last closed block that defines all of the names, or the only block
    markers       without any block: what stands between [BEGIN] and [DONE]
    bare          without either: code that stands in the text by itself
    unclosed      a block or marker without its end: the answer was cut off
    no function   several blocks, none of which defines the names
    no code       nothing that looks like Python
    too long      over LONGEST_ANSWER characters
    """
    if len(text) > LONGEST_ANSWER:
        return "too long", None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    blocks, unclosed = closed_blocks(text)
    defining = [block for block in blocks if defines(block, names)]
    if defining:
        return "block", defining[-1]
    if len(blocks) == 1:
        return "block", blocks[0]              # it may import what it has to define
    if unclosed:
        return "unclosed", None
    if blocks:
        return "no function", None
    marked = MARKED.search(text)
    if marked and marked["program"] is None:
        return "unclosed", None
    if marked:
        return "markers", marked["program"].strip("\n")
    program = bare_code(text)
    if program is None:
        return "no code", None
    return "bare", program


def closed_blocks(text):
    """The Python blocks of a text -> (programs in order, is a block left open at the end?).

    As in Markdown a block ends at a fence of the same kind, at least as long as the one that opened
    it and with nothing behind it. Blocks in other languages are left out.
    """
    programs = []
    opened = None                        # the match of the fence that opened the present block
    lines = []                           # the lines of the present block
    for line in text.split("\n"):
        fence = FENCE.fullmatch(line)
        if fence and not opened:
            opened = fence
            lines = []
        elif fence and closes(opened, fence):
            if opened["language"].lower() in PYTHON:
                program = "\n".join(lines)
                if opened["indent"]:                             # a block inside a list
                    program = textwrap.dedent(program)
                programs.append(program)
            opened = None
        else:
            lines.append(line)
    return programs, opened is not None


def closes(opened, fence):
    """Does this fence close the block that the fence `opened` began?"""
    long_enough = fence["fence"].startswith(opened["fence"])
    nothing_else = not fence[0].strip(" \t" + opened["fence"][0])
    return long_enough and nothing_else


def defines(program, names):
    """Does a program define all of these names, at the start of a line? def f, class f, or f = ..

    Else f is imported, perhaps: then the block has to be the only one.
    """
    for name in names:
        defines_name = re.compile(rf"""
              ^ [ \t]* (?: async [ \t]+ )? (?: def | class ) [ \t]+ {name} \b
            | ^ {name} [ \t]* =""", re.VERBOSE | re.MULTILINE)
        if not defines_name.search(program):
            return False
    return True


def bare_code(text):
    """Code that stands in a text by itself, up to a [DONE] or to prose; None if there is none."""
    start = BARE.search(text)
    if not start:
        return None
    program = text[start.start():].split("[DONE]")[0]
    return PROSE.split(program)[0]
