"""PyTorch's side of bench/lstm.ts: reads a case as a JSON line, answers with seconds a chunk as a JSON line.

A chunk is forward, backward and Adam (fused), state carried and detached. The attentive cases use the same algebra as
circumplex (K and P computed for the whole chunk at once); only the recurrence is a loop, eager or scripted.
"""
import json
import sys
import time

import torch

from attentive import Attentive


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
