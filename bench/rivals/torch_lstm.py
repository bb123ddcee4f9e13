"""PyTorch's side of bench/lstm.ts and bench/inference.ts; serve.py says how it is asked.

A training chunk is forward, backward and Adam (fused), state carried and detached. The attentive cases use the same
algebra as circumplex (K and P computed for the whole chunk at once); only the recurrence is a loop: eager, scripted, or
compiled. Inference is nn.LSTM with a linear head over whole sequences.
"""
import torch

from attentive import attentive_of, plain_of
from serve import serve


def training(case, tensors):
    b, h, window = case['lanes'], case['hidden'], case['window']
    x, dy = tensors['x'], tensors['dy']
    if window == 0:
        model = plain_of(tensors)
        state = (torch.zeros(2, b, h), torch.zeros(2, b, h))
        gradients = lambda: {'gradient.' + name: p.grad for name, p in model.named_parameters()}

        def forward(state):
            y, (hn, cn) = model(x, state)
            return y, (hn.detach(), cn.detach())
    else:
        module = attentive_of(tensors, window)
        gradients = lambda: {'gradient.' + name: p.grad for name, p in module.named()}
        model = module.made(case['variant'])
        state = tuple(torch.zeros(b, h) for _ in range(4))

        def forward(state):
            y, *after = model(x, *state)
            return y, tuple(s.detach() for s in after)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def check():
        y, _ = forward(state)
        y.backward(dy)
        found = {'y': y, **gradients()}
        optimiser.zero_grad(set_to_none=True)
        return found

    carried = state

    def step():
        nonlocal carried
        y, carried = forward(carried)
        y.backward(dy)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return check, step


def inference(case, tensors):
    model = plain_of(tensors)
    head, bias, x = tensors['head.weight'], tensors['head.bias'], tensors['x']

    @torch.inference_mode()
    def run():
        return {'y': torch.nn.functional.linear(model(x)[0], head, bias)}

    return run, run


serve(lambda case, tensors: (inference if case['task'] == 'inference' else training)(case, tensors))
