"""prefixes.py - the fast log-likelihood: what rows have in common at the beginning is read once.

In multiple choice most tokens stand in many rows: five examples before every question, a question
before each of its answers. So rows become a tree whose nodes are read once for all rows below them.
E are examples, Q and R two questions, a, b, c answers (drawn as if SHARE, see below, were 1):

    rows                               nodes                        what their tokens predict

    item 0   E E E E Q Q Q a1 a2       E E E E                      (nothing that is scored)
    item 1   E E E E Q Q Q b1 b2       |-- Q Q Q                    a1 for item 0, b1 for item 1
    item 2   E E E E R R c1            |   |-- a1                   a2 for item 0
                                       |   `-- b1                   b2 for item 1
                                       `-- R R                      c1 for item 2

The last token of a row is only predicted, so it is not read: answers of one token cost nothing. A
node is read after its parent, whose keys and values are in a cache (model.py explains caches under
"padding, positions, cache"). `model.loglikelihood_plain` computes the same for one row.
"""
import math
from dataclasses import dataclass

import torch

SHARE = 8           # so many tokens in common make a node; fewer save nothing
WIDTHS = 4          # widths are padded to multiples, as the CPU library compiles a kernel for each


# ---------------------------------------------------------------- the tree

@dataclass
class Row:
    """The tokens of an item."""
    item: int                       # its number
    ids: tuple                      # all but the last one, which is not read
    last: int
    first: int                      # position of its first token to be scored


@dataclass
class Target:
    """A token to be scored."""
    position: int                   # in its node, of the token before it, which predicts it
    token: int
    item: int


@dataclass
class Node:
    """Tokens that rows have in common behind those of their parent."""
    start: int                      # position of the first of them in the row
    ids: tuple
    targets: list                   # of Target: what these tokens predict
    complete: int                   # how many items have their whole score once this node is read
    children: list                  # of Node: how the rows go on
    parent_row: int = 0             # where its parent is in the cache, once that was read


def tree(prompts, continuations, context):
    """Lists of ids -> the nodes at the root.

    An item that is longer than context + 1 tokens loses some on the left. Empty continuations are
    left out. ValueError for an empty prompt, and for a continuation longer than the context.
    """
    rows = []
    for item, (prompt, continuation) in enumerate(zip(prompts, continuations, strict=True)):
        if not prompt or len(continuation) > context:
            raise ValueError(f"item {item}: prompt of {len(prompt)}, continuation of "
                             f"{len(continuation)} tokens; want at least 1, and at most {context}")
        if continuation:
            ids = (list(prompt) + list(continuation))[-context - 1:]
            rows.append(Row(item, tuple(ids[:-1]), ids[-1], len(ids) - len(continuation)))
    rows.sort(key=lambda row: row.ids)
    return branches(rows, 0)


def branches(rows, start):
    """Sorted rows that are equal before `start` -> their nodes from there on."""
    groups = []                     # of rows that share a node
    for row in rows:
        before = groups[-1][-1].ids if groups else None
        if before == row.ids or (before and common(before, row.ids, start) >= start + SHARE):
            groups[-1].append(row)
        else:
            groups.append([row])

    nodes = []
    for group in groups:
        ids = group[0].ids
        end = common(ids, group[-1].ids, start)     # rows are sorted, so all between share it
        targets = []
        for row in group:
            tokens = row.ids + (row.last,)
            for position in range(max(start, row.first - 1), end):
                targets.append(Target(position - start, tokens[position + 1], row.item))
        longer = [row for row in group if len(row.ids) > end]
        complete = len(group) - len(longer)
        nodes.append(Node(start, ids[start:end], targets, complete, branches(longer, end)))
    return nodes


def common(a, b, start):
    """How many tokens two rows have in common at the beginning; at least `start`."""
    for i, (x, y) in enumerate(zip(a[start:], b[start:]), start):
        if x != y:
            return i
    return min(len(a), len(b))


# ---------------------------------------------------------------- reading it

def read(lm, nodes, found, progress=None, parents=None):
    """Read sibling nodes, then their children, and append log p of every target to its item's list.

    found: a list for each item, which gets the log-probabilities of its tokens in their order.
    parents: the cache with what stands before the nodes, a row for each parent; None at the root.
    progress: called with the number of newly completed items.
    """
    for batch in batches(lm, nodes, in_cache=parents is not None):
        start = [node.start for node in batch]
        ids = pad([node.ids for node in batch], lm.device, WIDTHS)          # (B, T)
        T = ids.size(1)
        children = []
        for row, node in enumerate(batch):
            for child in node.children:
                child.parent_row = row
                children.append(child)

        if parents is not None:
            before = max(start)
            above = [node.parent_row for node in batch]
            cache = lm.new_cache(len(batch), before + T)        # (layers, 2, B, G, before + T, E)
            cache[:, :, :, :, :before] = parents[:, :, above, :, :before]
            hidden = lm.hidden(ids, cache, start)               # (B, T, D)
        elif children:
            cache = lm.new_cache(len(batch), T)
            hidden = lm.hidden(ids, cache)
        else:
            cache = None                                        # nothing comes behind: keep nothing
            hidden = lm.hidden(ids)
        add_scores(lm, batch, hidden, found)
        if progress:
            progress(sum(node.complete for node in batch))
        if children:
            read(lm, children, found, progress, cache)


def batches(lm, nodes, in_cache):
    """Cut nodes into batches that fit the memory, of like lengths, since padding costs time."""
    tokens = lm.tokens_at_once()
    rows = len(nodes)
    if in_cache:
        longest = max(node.start + len(node.ids) for node in nodes)
        share = lm.cache_bytes() // 4           # the caches of the nodes above are in memory, too
        rows = max(1, share // lm.new_cache(1, longest).nbytes)
    batch = []
    for node in sorted(nodes, key=lambda node: len(node.ids)):
        length = len(node.ids)
        too_many = (len(batch) + 1) * length > tokens or len(batch) >= rows
        if batch and (too_many or length > 1.3 * len(batch[0].ids) + 8):
            yield batch
            batch = []
        batch.append(node)
    if batch:
        yield batch


def pad(rows, device, multiple=1):
    """Lists of ids -> (B, T), padded on the right with 0. T: the longest, or the next multiple."""
    longest = max(len(row) for row in rows)
    width = math.ceil(longest / multiple) * multiple
    return torch.tensor([list(row) + [0] * (width - len(row)) for row in rows], device=device)


def in_fp32(x):
    """x in fp32, or better where it is already: bf16 has 8 bits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def add_scores(lm, batch, hidden, found):
    """Score the targets of a batch of nodes, given its hidden states (B, T, D)."""
    # A place may predict several targets, as the answers A, B, C, D: one row of logits serves all.
    targets_at = {}                 # (row, position) -> [Target, ..]
    for row, node in enumerate(batch):
        for target in node.targets:
            targets_at.setdefault((row, target.position), []).append(target)
    places = sorted(targets_at)     # so a row's come in the order of its tokens
    step = lm.logit_rows()
    for a in range(0, len(places), step):
        part = places[a:a + step]
        rows, positions = zip(*part)
        logits = in_fp32(lm.head(hidden[rows, positions]))                  # (N, V)
        totals = logits.logsumexp(-1)                                       # (N,)
        targets = [target for place in part for target in targets_at[place]]
        numbers = [number for number, place in enumerate(part) for _ in targets_at[place]]
        tokens = [target.token for target in targets]
        logprobs = logits[numbers, tokens] - totals[numbers]                # one for each target
        for target, logprob in zip(targets, logprobs.tolist()):
            found[target.item].append(logprob)
