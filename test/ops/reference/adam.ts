export interface Moments {
  parameters: Float64Array;
  first: Float64Array;
  second: Float64Array;
  steps: number;
}

export interface Settings {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
}

/** One step in place: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, p -= lr m^ / (sqrt(v^) + eps), ^ = / (1 - b^t). */
export function adam(state: Moments, gradients: ArrayLike<number>, { learningRate, beta1, beta2, epsilon }: Settings) {
  const { parameters, first, second } = state;
  state.steps++;
  for (let i = 0; i < parameters.length; i++) {
    const g = gradients[i]!;
    first[i] = beta1 * first[i]! + (1 - beta1) * g;
    second[i] = beta2 * second[i]! + (1 - beta2) * g * g;
    const mean = first[i]! / (1 - beta1 ** state.steps);
    const square = second[i]! / (1 - beta2 ** state.steps);
    parameters[i]! -= (learningRate * mean) / (Math.sqrt(square) + epsilon);
  }
}
