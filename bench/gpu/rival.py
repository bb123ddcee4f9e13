"""PyTorch's side of bench/gpu/lstm.ts: reads cases, a JSON line each, and answers each with a JSON line.

An answer has the seconds of a chunk, forward alone (with what the backward pass needs) and as a training step: forward,
backward, fused Adam, the state carried and detached. The plain LSTM is nn.LSTM, on a GPU cuDNN's, in float32, TF32 or
bfloat16. The attentive LSTM is a loop over frames: eager, its step compiled, and either of them with the whole chunk captured
as a CUDA graph.
"""
import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'rivals'))
from attentive import Attentive  # noqa: E402

device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def wait():
    if device.type == 'cuda':
        torch.cuda.synchronize()


def seconds(run, budget=0.4):
    """The median of timed rounds, after warming up."""
    for _ in range(3):
        run()
    wait()
    times = []
    started = time.perf_counter()
    while time.perf_counter() - started < budget or len(times) < 3:
        begun = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2]


def many(run, count):
    """Several chunks without a wait in between, as a training loop has them."""
    def repeated():
        for _ in range(count):
            run()
    return repeated


def captured(run):
    """Replays `run` as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def measure(case):
    variant = case['variant']
    t, b, d, h, window = case['chunk'], case['lanes'], case['input'], case['hidden'], case['window']
    torch.manual_seed(0)
    tf32 = variant == 'cuDNN tf32'
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    dtype = torch.bfloat16 if variant == 'cuDNN bf16' else torch.float32
    make = lambda *shape: torch.randn(*shape, device=device, dtype=dtype)
    zeros = lambda *shape: torch.zeros(*shape, device=device, dtype=dtype)
    dy = make(t, b, h)
    if window == 0:
        model = torch.nn.LSTM(d, h, 2).to(device, dtype)
        x = make(t, b, d)
        state = [zeros(2, b, h), zeros(2, b, h)]

        def forward():
            # The backward pass needs the initial state: it is replaced, not written.
            y, after = model(x, tuple(state))
            state[:] = [s.detach() for s in after]
            return y
    else:
        model = Attentive(d, h, window).to(device)
        if 'compiled' in variant:
            model = model.made('compile step')
        x = make(t + window - 1, b, d)
        state = [zeros(b, h) for _ in range(4)]

        def forward():
            # In place, as a CUDA graph needs it; the backward pass has its copies.
            y, *after = model(x, *[s.clone() for s in state])
            for old, new in zip(state, after):
                old.copy_(new.detach())
            return y

    graph = 'CUDA graph' in variant
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True, capturable=graph)

    def training():
        forward().backward(dy)
        optimiser.step()
        optimiser.zero_grad(set_to_none=not graph)

    runs = {'forward': forward, 'training': training}
    count = case['repeats']
    if graph:
        runs = {name: captured(run) for name, run in runs.items()}
    return {name: seconds(many(run, count)) / count for name, run in runs.items()}


versions = {'torch': torch.__version__}
if device.type == 'cuda':
    versions |= {'cuda': torch.version.cuda, 'cudnn': torch.backends.cudnn.version(), 'gpu': torch.cuda.get_device_name()}
print(json.dumps(versions), flush=True)
for line in sys.stdin:
    case = json.loads(line)
    try:
        answer = measure(case)
    except Exception as error:  # an answer all the same: the next case may do
        answer = {'error': f'{type(error).__name__}: {error}'.splitlines()[0]}
    print(json.dumps(answer), flush=True)
