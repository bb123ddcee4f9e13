"""The LSTMs in PyTorch. The attentive one has the algebra of circumplex: K and P for the whole chunk at once, then a loop."""
from typing import Optional, Tuple

import torch


class Attentive(torch.nn.Module):
    """Two LSTM layers behind a window of general dot-product attention, queried by the top layer's last state."""

    def __init__(self, d: int, h: int, window: int, dropout: float = 0.0):
        super().__init__()
        k = h ** -0.5
        new = lambda *shape: torch.nn.Parameter(torch.empty(*shape).uniform_(-k, k))
        self.wa, self.wx = new(h, d), new(4 * h, d)
        self.u1, self.w2, self.u2 = new(4 * h, h), new(4 * h, h), new(4 * h, h)
        self.b1, self.b2 = new(4 * h), new(4 * h)
        self.window: int = window
        self.dropout: float = dropout
        self.frames: int = 0  # of a span; 0: the whole chunk

    def step(
        self, keys, inputs, h1, c1, h2, c2, mask: Optional[torch.Tensor] = None
    ) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """One frame. keys [lane, feature, window], inputs [lane, 4 hidden, window], mask [lane, hidden] between layers"""
        a = torch.softmax(torch.bmm(h2.unsqueeze(1), keys), 2)
        x = torch.bmm(inputs, a.transpose(1, 2)).squeeze(2)
        z = x + torch.addmm(self.b1, h1, self.u1.t())
        i, f, g, o = z.chunk(4, 1)
        c1 = torch.sigmoid(f) * c1 + torch.sigmoid(i) * torch.tanh(g)
        h1 = torch.sigmoid(o) * torch.tanh(c1)
        below = h1 if mask is None else h1 * mask
        z = torch.addmm(self.b2, below, self.w2.t()) + h2 @ self.u2.t()
        i, f, g, o = z.chunk(4, 1)
        c2 = torch.sigmoid(f) * c2 + torch.sigmoid(i) * torch.tanh(g)
        h2 = torch.sigmoid(o) * torch.tanh(c2)
        return h1, c1, h2, c2

    def span(self, keys, inputs, h1, c1, h2, c2, masks: Optional[torch.Tensor] = None):
        """Some frames, one after the other. keys, inputs and masks [time, ..] as in step"""
        out = []
        for t in range(keys.size(0)):
            h1, c1, h2, c2 = self.step(keys[t], inputs[t], h1, c1, h2, c2, None if masks is None else masks[t])
            out.append(h2)
        return torch.stack(out), h1, c1, h2, c2

    def forward(self, v, h1, c1, h2, c2):
        frames = v.size(0) - self.window + 1
        # [time, lane, feature, window]: views of the sliding window
        keys = (v @ self.wa.t()).unfold(0, self.window, 1)
        inputs = (v @ self.wx.t()).unfold(0, self.window, 1)
        masks: Optional[torch.Tensor] = None
        if self.dropout > 0:
            masks = torch.dropout(torch.ones(frames, h1.size(0), h1.size(1), device=h1.device), self.dropout, self.training)
        out = []
        length = frames if self.frames == 0 else self.frames
        for t in range(0, frames, length):
            e = t + length
            part = None if masks is None else masks[t:e]
            y, h1, c1, h2, c2 = self.span(keys[t:e], inputs[t:e], h1, c1, h2, c2, part)
            out.append(y)
        return torch.cat(out), h1, c1, h2, c2

    def named(self):
        """The parameters by the names that circumplex gives them; of its two biases a layer this is the sum."""
        return {
            'attention.weight': self.wa,
            'weight_ih_l0': self.wx,
            'weight_hh_l0': self.u1,
            'bias_ih_l0': self.b1,
            'weight_ih_l1': self.w2,
            'weight_hh_l1': self.u2,
            'bias_ih_l1': self.b2,
        }.items()

    def made(self, variant):
        """'eager', 'script', 'compile step' or 'compile 10 frames': one frame compiled, or ten unrolled."""
        if variant == 'script':
            return torch.jit.script(self)
        if variant == 'compile step':
            self.step = torch.compile(self.step, dynamic=False)
        if variant == 'compile 10 frames':
            self.frames = 10
            self.span = torch.compile(self.span, dynamic=False)
        return self


def attentive_of(tensors, window, dropout=0.0):
    """The module with the weights of circumplex's tensors."""
    h, d = tensors['attention.weight'].shape
    module = Attentive(d, h, window, dropout)
    with torch.no_grad():
        for name, parameter in module.named():
            second = tensors[name.replace('_ih', '_hh')] if name.startswith('bias') else 0
            parameter.copy_(tensors[name] + second)
    return module


def plain_of(tensors, dropout=0.0):
    """nn.LSTM with the weights of circumplex's tensors."""
    width, d = tensors['weight_ih_l0'].shape
    model = torch.nn.LSTM(d, width // 4, 2, dropout=dropout)
    model.load_state_dict({name: tensors[name] for name in model.state_dict()})
    return model
