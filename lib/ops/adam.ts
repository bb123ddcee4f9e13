import type { Graph, Value } from '../graph/graph.ts';
import type { Store } from '../graph/store.ts';

/** Settings of Adam that hold for all runs. */
export interface AdamOptions {
  /** Decay of the first moment; default 0.9. */
  beta1?: number;
  /** Decay of the second moment; default 0.999. */
  beta2?: number;
  /** Added to the root of the second moment; default 1e-8. */
  epsilon?: number;
  /** Global norm to which each replica's gradient is clipped; absent: no clipping. */
  clip?: number | undefined;
}

/**
 * Adam (Kingma and Ba 2015), as torch.optim.Adam computes it, over all trainable parameters of the store. The learning
 * rate is the run's, a value a replica. Every tensor counts its own steps; one that is frozen, or bypassed in this run,
 * stands still. A chunk whose loss has no labelled frame (`sums[1]` = 0) is no step.
 */
export function adam(graph: Graph, store: Store, sums: Value, options: AdamOptions = {}): void {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, clip } = options;
  const block = (name: string) => graph.value('f32', [store.total], { parameter: `*${name}` });
  const gradients = block('gradients');
  if (clip !== undefined) {
    graph.call('clip', [gradients], [gradients, graph.value('f64', [1])], { attributes: { norm: clip } });
  }
  const steps = graph.value('i32', [store.segments.length], { parameter: '*steps' });
  // Segments keep their index in the step counts; one that is not trained has size 0.
  const segments = store.segments.flatMap(({ spec, offset, size }) => [
    offset,
    spec.trainable ? size : 0,
    spec.bypassed ? 1 : 0,
  ]);
  graph.call('adam', [gradients, sums], [block('parameters'), block('first'), block('second'), steps], {
    attributes: { beta1, beta2, epsilon, segments },
  });
}
