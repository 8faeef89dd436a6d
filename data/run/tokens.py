"""tokens.py - one example token by token: the paper's Figure 2 for a single question.

For own answer, paraphrase and gold side by side each token, its id, how likely the base model finds
it after the question and what stands before it, and whether it is in the loss of a method. As text
below `--show N`, and with `--html FILE` as a page that needs nothing else.
"""
import html
import itertools
import math
from dataclasses import dataclass


@dataclass
class Column:
    """One text of an example."""
    title: str                   # "own, accepted: s3ft trains on it"
    tokens: list                 # of Token

    def surprise(self):
        """A line: the mean of -log p over its tokens, the one that ends it included."""
        nats = [-math.log(max(token.p, 1e-30)) for token in self.tokens]
        return f"mean surprise {sum(nats) / len(nats):.3f} nats per token"


@dataclass
class Token:
    text: str
    id: int
    p: float                     # under the base model
    in_loss: bool                # of the methods that train on this text


def columns_of(run, example, attempts, lines):
    """The columns of one example: its first own answer and paraphrase, and its gold.

    attempts: {(id, kind): [attempt, ..]}. lines: {method: its lines of the targets file}.
    """
    tokenizer = run.tokenizer
    texts = []                   # (title, ids)
    for kind in ("own", "paraphrase"):
        for attempt in attempts.get((example.id, kind), [])[:1]:
            word = "cut off"
            if attempt["finish_reason"] == "end":
                verdict = run.verdicts.accept(example, attempt["text"], kind)
                word = "accepted" if verdict.ok else f"refused ({verdict.rule})"
            texts.append((f"{kind}, {word}", [*attempt["ids"], tokenizer.close_id]))
    gold = tokenizer.encode_answer(run.task.gold(example))
    texts.append(("gold", [*gold, tokenizer.close_id]))

    prompt_ids = tokenizer.encode_chat(run.ask(run.task, example))
    logprobs = run.logprobs_of([(prompt_ids, ids) for _, ids in texts])
    columns = []
    for (title, ids), its_logprobs in zip(texts, logprobs):
        weights = [0.0] * len(ids)
        trained_by = []
        for method, its_lines in lines.items():
            for line in its_lines:
                if line["ids"] == ids and method not in trained_by:
                    trained_by.append(method)
                    weights = line["weights"][len(line["prompt_ids"]):]
        if trained_by:
            title += f"; trained on by {', '.join(trained_by)}"
        tokens = []
        for id, logprob, weight in zip(ids, its_logprobs, weights):
            text = tokenizer.bpe.decode([id], skip_special_tokens=False)
            tokens.append(Token(text, id, math.exp(logprob), weight > 0))
        columns.append(Column(title, tokens))
    return columns


# ---------------------------------------------------------------- as text

WIDTH = 24                       # of a token's field: "0.93 * 1234 'First'"


def as_text(columns):
    """Lines: the titles, then the columns side by side."""
    lines = [f"{number}: {column.title}; {column.surprise()}"
             for number, column in enumerate(columns, 1)]
    lines.append("probability under the base model, * in the loss, id, token:")
    fields = []
    for column in columns:
        fields.append([f"{token.p:.2f} {'*' if token.in_loss else ' '} {token.id:6} {token.text!r}"
                       for token in column.tokens])
    for row in itertools.zip_longest(*fields, fillvalue=""):
        lines.append("  " + "  ".join(field.ljust(WIDTH) for field in row).rstrip())
    return lines


# ---------------------------------------------------------------- as a page

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem;
       padding: 0 1rem; }}
.example {{ border-top: 1px solid #8888; margin-top: 1.5rem; }}
.question {{ white-space: pre-wrap; }}
.columns {{ display: flex; flex-wrap: wrap; gap: 1.5rem; }}
.column {{ flex: 1 1 18rem; }}
h3 {{ font-size: 1rem; margin: .5rem 0; }}
.text {{ font: 15px/2 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }}
.text span {{ border-radius: 3px; padding: .15em 0; }}
.loss {{ border-bottom: 3px solid #26c; }}
</style></head><body>
<h1>{title}</h1>
<p>How likely the base model finds each token after the question: surely,
<span style="background:{half}">perhaps</span>,
<span style="background:{never}">hardly</span>. <span class="loss">Underlined</span>: in the loss of
the method that trains on it. Point at a token for its id and probability.</p>
{examples}
</body></html>
"""


def as_page(title, examples):
    """examples: [(question, [Column, ..]), ..] -> a page of HTML that needs no other file."""
    parts = []
    for question, columns in examples:
        parts.append(f'<div class="example"><p class="question">{html.escape(question)}</p>'
                     '<div class="columns">')
        for column in columns:
            spans = "".join(span_of(token) for token in column.tokens)
            parts.append(f'<div class="column"><h3>{html.escape(column.title)}</h3>'
                         f'<div class="text">{spans}</div><p>{column.surprise()}</p></div>')
        parts.append("</div></div>")
    return PAGE.format(title=html.escape(title), examples="\n".join(parts),
                       half=colour(0.3), never=colour(0.01))


def span_of(token):
    kind = ' class="loss"' if token.in_loss else ""
    return (f'<span{kind} style="background:{colour(token.p)}" title="id {token.id}, '
            f'p = {token.p:.3f}">{html.escape(token.text)}</span>')


def colour(p):
    """The less likely, the more orange: none for 1, most for 0.01 and less. One hue, for eyes that
    do not tell red from green; transparent, for light and dark pages."""
    surprise = min(2.0, -math.log10(max(p, 1e-9))) / 2              # 0 for 1, 1 for 0.01
    return f"rgb(255 130 0 / {0.75 * surprise:.2f})"
