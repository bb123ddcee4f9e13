"""The attentive LSTM in PyTorch, with the algebra of circumplex: K and P for the whole chunk at once, then a loop."""
from typing import Tuple

import torch


class Attentive(torch.nn.Module):
    """Two LSTM layers behind a window of general dot-product attention, queried by the top layer's last state."""

    def __init__(self, d: int, h: int, window: int):
        super().__init__()
        k = h ** -0.5
        new = lambda *shape: torch.nn.Parameter(torch.empty(*shape).uniform_(-k, k))
        self.wa, self.wx = new(h, d), new(4 * h, d)
        self.u1, self.w2, self.u2 = new(4 * h, h), new(4 * h, h), new(4 * h, h)
        self.b1, self.b2 = new(4 * h), new(4 * h)
        self.window: int = window

    def step(self, keys, inputs, h1, c1, h2, c2) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """One frame. keys [lane, feature, window], inputs [lane, 4 hidden, window]"""
        a = torch.softmax(torch.bmm(h2.unsqueeze(1), keys), 2)
        x = torch.bmm(inputs, a.transpose(1, 2)).squeeze(2)
        z = x + torch.addmm(self.b1, h1, self.u1.t())
        i, f, g, o = z.chunk(4, 1)
        c1 = torch.sigmoid(f) * c1 + torch.sigmoid(i) * torch.tanh(g)
        h1 = torch.sigmoid(o) * torch.tanh(c1)
        z = torch.addmm(self.b2, h1, self.w2.t()) + h2 @ self.u2.t()
        i, f, g, o = z.chunk(4, 1)
        c2 = torch.sigmoid(f) * c2 + torch.sigmoid(i) * torch.tanh(g)
        h2 = torch.sigmoid(o) * torch.tanh(c2)
        return h1, c1, h2, c2

    def forward(self, v, h1, c1, h2, c2):
        frames = v.size(0) - self.window + 1
        # [time, lane, feature, window]: views of the sliding window
        keys = (v @ self.wa.t()).unfold(0, self.window, 1)
        inputs = (v @ self.wx.t()).unfold(0, self.window, 1)
        out = []
        for t in range(frames):
            h1, c1, h2, c2 = self.step(keys[t], inputs[t], h1, c1, h2, c2)
            out.append(h2)
        return torch.stack(out), h1, c1, h2, c2
