"""adapter.py - small layers between the layers.

Houlsby et al. 2019 put a bottleneck behind attention and MLP of every block, and train it and the
norms: down to a few channels, a bend, up again, added to what came in. A study of small ways of
tuning (2024, arXiv 2401.04051) finds that their results vary much.

Seam: parameters. `up` starts at zero, so at first nothing changes. The layers stay in the model,
and no ordinary checkpoint can hold them: the row is measured and not kept. Control: `sft`.

Otherwise than the paper: the norms are not trained.
"""
import torch
from torch import nn

from data.methods.method import Method

CHANNELS = 32


class Bottleneck(nn.Module):
    """A linear layer, and behind it a small detour that is added."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.out_features, CHANNELS)
        self.up = nn.Linear(CHANNELS, layer.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x):
        y = self.layer(x)
        return y + self.up(torch.relu(self.down(y)))


def bottlenecks(lm, targets, settings):
    """One phase, in which only the new layers move."""
    torch.manual_seed(settings.seed)                        # `down` starts at random
    lm.requires_grad_(False)
    for block in lm.model["layers"]:
        block.self_attn.o_proj = Bottleneck(block.self_attn.o_proj).to(lm.device)
        block.mlp.down_proj = Bottleneck(block.mlp.down_proj).to(lm.device)
    yield targets, settings


METHODS = {
    "adapter": Method(("gold",), parameters=bottlenecks, rates=(3e-4, 1e-3, 3e-3), kept=False),
}
