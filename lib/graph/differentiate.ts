import type { Backward, Graph, Value } from './graph.ts';

/**
 * Appends the backward calls of a graph: from its losses, and from `seeds` (a value and the buffer that holds its
 * gradient). Returns the gradient of each value in `inputs` that has one. The gradients of trainable parameters go to the
 * store's gradient block. A value used more than once gets the sum of its uses' gradients, in the calls' reverse order.
 */
export function differentiate(graph: Graph, seeds: [Value, Value][] = [], inputs: Value[] = []): Map<Value, Value> {
  const forward = graph.calls.length;
  const parts = new Map<Value, Value[]>();
  const sums = new Map<Value, Value>();
  for (const [value, gradient] of seeds) parts.set(value, [...(parts.get(value) ?? []), gradient]);
  const uses = countUses(graph, inputs);

  const total = (value: Value): Value | null => {
    const known = sums.get(value);
    if (known) return known;
    const list = parts.get(value);
    if (!list) return null;
    let sum = list[0] as Value;
    // A parameter's gradient has its place in the store even when only one of its uses reaches a loss.
    if (list.length > 1 || (value.parameter !== null && sum.gradientOf !== value.parameter)) {
      sum = target(graph, value);
      graph.call('accumulate', list, [sum]);
    }
    sums.set(value, sum);
    return sum;
  };

  for (let i = forward - 1; i >= 0; i--) {
    const call = graph.calls[i] as Graph['calls'][number];
    if (!call.gradient) continue;
    const reached = call.loss || call.outputs.some((output) => output !== null && parts.has(output));
    if (!reached) continue;
    const wanted = new Map<number, Value>();
    const backward: Backward = {
      graph,
      upstream: (index) => {
        const output = call.outputs[index];
        return output ? total(output) : null;
      },
      want: (index) => {
        const input = call.inputs[index];
        if (!input || !uses.has(input)) return null;
        let gradient = wanted.get(index);
        if (!gradient) {
          gradient = uses.get(input) === 1 ? target(graph, input) : graph.value('f32', [...input.dims]);
          wanted.set(index, gradient);
        }
        return gradient;
      },
    };
    call.gradient(backward);
    for (const [index, gradient] of wanted) {
      const input = call.inputs[index] as Value;
      parts.set(input, [...(parts.get(input) ?? []), gradient]);
    }
  }

  for (const { value } of graph.parameters.values()) {
    if (value.trainable) total(value);
  }
  const result = new Map<Value, Value>();
  for (const input of inputs) {
    const gradient = total(input);
    if (gradient) result.set(input, gradient);
  }
  return result;
}

/** Where a value's whole gradient goes: a parameter's has its place in the store. */
function target(graph: Graph, value: Value): Value {
  return graph.value('f32', [...value.dims], { gradientOf: value.parameter });
}

/** How often each value that needs a gradient is an input of a differentiable call. */
function countUses(graph: Graph, inputs: Value[]): Map<Value, number> {
  const needed = new Set<Value>(inputs);
  const uses = new Map<Value, number>();
  for (const call of graph.calls) {
    if (!call.gradient) continue;
    const flows = call.inputs.some((input) => input && (input.trainable || needed.has(input)));
    if (!flows) continue;
    for (const output of call.outputs) if (output) needed.add(output);
    for (const input of call.inputs) {
      if (input && (input.trainable || needed.has(input))) uses.set(input, (uses.get(input) ?? 0) + 1);
    }
  }
  return uses;
}
