"""ia3.py - scale keys, values and the MLP's inner channels.

Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context
Learning" ((IA)^3, arXiv 2205.05638), multiply keys, values and the inner activations of the MLP by
vectors that start as ones, and train these alone (rate 3e-3). T0-3B: full tuning 60.7 %, with two
more losses for multiple choice 63.3 %, (IA)^3 64.6 %. These losses are left out here.

Seam: parameters. Afterwards the vectors are multiplied into the weights, so the tuned model is an
ordinary one. Control: `sft`, the same golds with all weights.
"""
import torch
from torch import nn

from data.methods.method import Method


class Scaled(nn.Module):
    """A linear layer whose outputs, or inputs, are multiplied channel by channel."""

    def __init__(self, layer, inputs=False):
        super().__init__()
        self.layer = layer
        self.inputs = inputs
        size = layer.in_features if inputs else layer.out_features
        self.scale = nn.Parameter(torch.ones(size, device=layer.weight.device))

    def forward(self, x):
        if self.inputs:
            return self.layer(x * self.scale)
        return self.layer(x) * self.scale

    @torch.no_grad()
    def folded(self):
        """The layer with the scale in its weights."""
        if self.inputs:
            self.layer.weight *= self.scale                 # (out, in) * (in,)
            return self.layer
        self.layer.weight *= self.scale[:, None]            # (out, in) * (out, 1)
        if self.layer.bias is not None:
            self.layer.bias *= self.scale
        return self.layer


def scales(lm, targets, settings):
    """One phase, in which only the vectors move."""
    lm.requires_grad_(False)
    for block in lm.model["layers"]:
        block.self_attn.k_proj = Scaled(block.self_attn.k_proj)
        block.self_attn.v_proj = Scaled(block.self_attn.v_proj)
        block.mlp.down_proj = Scaled(block.mlp.down_proj, inputs=True)
    yield targets, settings
    for block in lm.model["layers"]:
        block.self_attn.k_proj = block.self_attn.k_proj.folded()
        block.self_attn.v_proj = block.self_attn.v_proj.folded()
        block.mlp.down_proj = block.mlp.down_proj.folded()
    lm.requires_grad_(True)


METHODS = {
    "ia3": Method(("gold",), parameters=scales, rates=(1e-3, 3e-3, 1e-2)),
}
