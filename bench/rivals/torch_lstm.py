"""PyTorch's side of bench/lstm.ts: reads a case as a JSON line, answers with seconds a chunk as a JSON line.

A chunk is forward, backward and Adam (fused), state carried and detached. The attentive cases use the same algebra as
circumplex (K and P computed for the whole chunk at once); only the recurrence is a loop, eager or scripted.
"""
import json
import sys
import time

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

    def forward(self, v, h1, c1, h2, c2):
        frames = v.size(0) - self.window + 1
        keys = v @ self.wa.t()
        inputs = v @ self.wx.t()
        # [time, lane, window, feature]: views of the sliding window
        keys = keys.unfold(0, self.window, 1)
        inputs = inputs.unfold(0, self.window, 1)
        out = []
        for t in range(frames):
            a = torch.softmax(torch.bmm(h2.unsqueeze(1), keys[t]), 2)
            x = torch.bmm(inputs[t], a.transpose(1, 2)).squeeze(2)
            z = x + torch.addmm(self.b1, h1, self.u1.t())
            i, f, g, o = z.chunk(4, 1)
            c1 = torch.sigmoid(f) * c1 + torch.sigmoid(i) * torch.tanh(g)
            h1 = torch.sigmoid(o) * torch.tanh(c1)
            z = torch.addmm(self.b2, h1, self.w2.t()) + h2 @ self.u2.t()
            i, f, g, o = z.chunk(4, 1)
            c2 = torch.sigmoid(f) * c2 + torch.sigmoid(i) * torch.tanh(g)
            h2 = torch.sigmoid(o) * torch.tanh(c2)
            out.append(h2)
        return torch.stack(out), h1, c1, h2, c2


def make(case):
    torch.set_num_threads(case['threads'])
    torch.manual_seed(0)
    t, b, d, h, window = case['chunk'], case['lanes'], case['input'], case['hidden'], case['window']
    dy = torch.randn(t, b, h)
    if window == 0:
        model = torch.nn.LSTM(d, h, 2)
        x = torch.randn(t, b, d)
        state = (torch.zeros(2, b, h), torch.zeros(2, b, h))

        def forward(state):
            y, (hn, cn) = model(x, state)
            return y, (hn.detach(), cn.detach())
    else:
        module = Attentive(d, h, window)
        model = torch.jit.script(module) if case['variant'] == 'script' else module
        x = torch.randn(t + window - 1, b, d)
        state = tuple(torch.zeros(b, h) for _ in range(4))

        def forward(state):
            y, *after = model(x, *state)
            return y, tuple(s.detach() for s in after)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step(state):
        y, state = forward(state)
        y.backward(dy)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return state

    return step, state


cases = {}
print(json.dumps({'torch': torch.__version__}), flush=True)
for line in sys.stdin:
    case = json.loads(line)
    key = json.dumps({k: case[k] for k in case if k != 'repeats'}, sort_keys=True)
    if key not in cases:
        step, state = make(case)
        for _ in range(3):
            state = step(state)
        cases[key] = (step, state)
    step, state = cases[key]
    torch.set_num_threads(case['threads'])
    started = time.perf_counter()
    for _ in range(case['repeats']):
        state = step(state)
    seconds = (time.perf_counter() - started) / case['repeats']
    cases[key] = (step, state)
    print(json.dumps({'seconds': seconds}), flush=True)
