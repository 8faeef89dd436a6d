"""code_blocks.py - find the program in a text: in a code block, between markers, or bare.

The text is only searched. Nothing that a model wrote is parsed or run here.
"""
import keyword
import re
import textwrap

LONGEST_ANSWER = 20_000       # characters; what is longer is no answer and would only cost time

# A line that opens or closes a block.
#   accepted   ```python      ~~~      "  ```py"      ```{python}      ```Python title="x"
#   refused    use ```x``` here        (something stands before it, or more backticks after it)
FENCE = re.compile(r"""
    (?P<indent> [ \t]* )
    (?P<fence> `{3,} | ~{3,} )
    (?P<info> [^`]* )""", re.VERBOSE)
PYTHON = re.compile(r"\bpy|python")         # in lower case
NO_LANGUAGE = ("text", "txt", "plain", "plaintext", "code", "none", "output")

# Where an answer ends although its text goes on. In a program a quote would follow.
#   accepted   <|im_end|>      <|endoftext|>      </s>
#   refused    "<b></s>"
END_OF_ANSWER = re.compile(r"""
    (?<= . ) (?: <[|｜] [^\s|｜]+ [|｜]> | </s> | <eos> | <end_of_turn> | \[/INST\] ) (?! ['"] )""",
                       re.VERBOSE | re.DOTALL)

# The paper's markers, and CodeLlama's. Without an end marker `program` is None: the text was cut.
#   accepted   [BEGIN] f = 1 [DONE]       [PYTHON] f = 1 [/PYTHON]       [[BEGIN]] f = 1 [[DONE]]
#   refused    BEGIN f = 1 DONE
MARKED = re.compile(r"""
    \[ [ ]? (?P<marker> BEGIN | PYTHON ) [ ]? \]{1,2}
    (?: (?P<program> .*? ) \[{1,2} [ ]? (?: DONE | END | / (?P=marker) ) [ ]? \] | .* )""",
                    re.VERBOSE | re.DOTALL)

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

# Where bare code ends: a marker, a fence, or a line of prose.
#   accepted   [[DONE]]      This function doubles x.      Explanation:      **Note**      1. It ..
#   refused    Total = 3     a, b = b, a     if a in b:    else:
BARE_END = re.compile(rf"""
      \[{{1,2}} [ ]? (?: DONE | END ) [ ]? \]
    | ``` [ \t]* $
    | ^ (?! (?: {'|'.join(keyword.kwlist)} ) \b ) [A-Za-z]\w*
        (?: [:.!] $ | [,:]? [ ] (?: \w+[ ]\w | [\w`"'] [^=\n]* $ ) )
    | ^ [-*(0-9.]+ [ ]? [A-Z][a-z]+ [ ] [a-z]
    | ^ (?: \*\*\w | ` | --- )""", re.VERBOSE | re.MULTILINE)

# What a block defines.
#   accepted   def g(x):       class G:       import g       import numpy as g       from m import g
DEFINED = re.compile(r"""
    ^ (?: (?:async[ ])? def | class | (?: from[ ]\S+[ ] )? import )
    [ ]+ (?: \S+[ ]as[ ] )? (\w+)""", re.VERBOSE | re.MULTILINE)


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
    text = END_OF_ANSWER.split(text, maxsplit=1)[0]
    blocks, outside, closed = read_blocks(text, names)
    if not closed:                             # one of its texts may hold a triple quote
        blocks, outside, closed = read_blocks(text, names, docstrings=False)
    defining = [block for block in blocks if defines(block, names)]
    program = bare_code(outside)
    if defining:
        return "block", with_helpers(defining[-1], blocks)
    if len(blocks) == 1:
        return "block", blocks[0]              # it may import what it has to define
    if not closed and program and defines(program, names):
        return "bare", program                 # a closing fence without its opening one
    if not closed:
        return "unclosed", None
    if blocks:
        return "no function", None
    marked = MARKED.search(text)
    if marked and marked["program"] is None:
        return "unclosed", None
    if marked:
        return "markers", marked["program"].strip("\n")
    if program is None:
        return "no code", None
    return "bare", program


def read_blocks(text, names, docstrings=True):
    """The Python blocks of a text -> (programs in order, text outside, is every block closed?).

    As in Markdown a block ends at a fence of the same kind, at least as long as the one that opened
    it and with nothing behind it. Blocks in other languages are left out, and of those in none
    ("text") what does not define the names. docstrings: a fence inside one is no fence.
    """
    programs = []
    outside = []
    opened = None                        # the match of the fence that opened the present block
    lines = []                           # the lines of the present block
    in_docstring = False
    for line in text.split("\n"):
        fence = None if in_docstring else FENCE.fullmatch(line)
        if fence and not opened:
            opened = fence
            lines = []
            outside.append("```")
        elif fence and closes(opened, fence):
            info = opened["info"].strip().lower()
            program = "\n".join(lines)
            if opened["indent"]:                                 # a block inside a list
                program = textwrap.dedent(program)
            if (not info or PYTHON.search(info)
                    or info in NO_LANGUAGE and defines(program, names)):
                programs.append(program)
            opened = None
        else:
            place = lines if opened else outside
            place.append(line)
            if docstrings and triple_quotes(line) % 2:
                in_docstring = not in_docstring
    return programs, "\n".join(outside), not opened and not in_docstring


def closes(opened, fence):
    """Does this fence close the block that the fence `opened` began?"""
    long_enough = fence["fence"].startswith(opened["fence"])
    nothing_else = not fence[0].strip(" \t" + opened["fence"][0])
    return long_enough and nothing_else


def triple_quotes(text):
    return text.count('"""') + text.count("'''")


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


def with_helpers(program, blocks):
    """The program, and in their order the blocks that define something else that it uses."""
    missing = set(re.findall(r"\w+", program)) - set(DEFINED.findall(program))
    parts = [block for block in blocks
             if block is program or missing.intersection(DEFINED.findall(block))]
    return "\n".join(parts)


def bare_code(text):
    """Code that stands in a text by itself, up to where BARE_END reads its end; None if none."""
    start = BARE.search(text)
    if not start:
        return None
    program = text[start.start():]
    quotes = 0
    counted = 0                                          # characters whose quotes are counted
    for end in BARE_END.finditer(program):
        quotes += triple_quotes(program[counted:end.start()])
        counted = end.start()
        if quotes % 2 == 0:                              # else it is prose in a docstring
            return program[:end.start()].rstrip("\n")
    return program
