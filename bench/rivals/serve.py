"""What the PyTorch rivals share. They read questions, a JSON line each, and answer each with a JSON line.

A question names a case and the file of its tensors, and asks either by how much the results differ from those in the
file ('check') or for the seconds of a unit of work. An answer with 'error' says what went wrong; the next question
may go well.
"""
import json
import math
import sys
import time

import torch


def read(file):
    """The tensors of a file that harness.ts wrote: float32, one after the other."""
    sizes = [math.prod(dims) for dims in file['dims'].values()]
    parts = torch.from_file(file['path'], size=sum(sizes), dtype=torch.float32).split(sizes)
    return {name: part.reshape(dims).clone() for (name, dims), part in zip(file['dims'].items(), parts)}


def difference(found, expected):
    """The largest difference, relative to the largest value of each tensor."""
    return max(float((found[n].detach() - expected[n]).abs().max() / expected[n].abs().max()) for n in found)


def seconds(step, budget=0.15):
    """Of one step: the mean of as many as the budget allows, one at least."""
    count, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < budget or count == 0:
        step()
        count += 1
    return passed / count


def serve(make):
    """make(case, tensors) returns check(), results by name from the initial state, and step(), one unit of work."""
    print(json.dumps({'torch': torch.__version__}), flush=True)
    name, made = None, {}
    for line in sys.stdin:
        question = json.loads(line)
        case = question['case']
        torch.set_num_threads(case['threads'])
        try:
            if case['name'] != name:
                name, made = case['name'], {}
            key = case['variant']
            if key not in made:
                tensors = read(question['tensors'])
                made[key] = (*make(case, tensors), tensors)
            check, step, tensors = made[key]
            if 'check' in question:
                answer = {'difference': difference(check(), tensors)}
            else:
                answer = {'seconds': seconds(step)}
        except Exception as error:
            answer = {'error': f'{type(error).__name__}: {error}'.splitlines()[0][:200]}
        print(json.dumps(answer), flush=True)
