import { AsyncLocalStorage } from 'node:async_hooks';

const scopes = new AsyncLocalStorage<Set<Disposable> | undefined>();

/**
 * Runs `body` and disposes, last made first, of every device, store, program, data set and stream of predictions that was
 * made inside and not yet disposed of: also where it throws and, where it returns a promise, once that has settled. What
 * it returns, or resolves to, is left to the scope around, or to the caller.
 *
 * @returns what `body` returns
 */
export function scope<T>(body: () => T): T {
  const made = new Set<Disposable>();
  const outer = scopes.getStore();
  const end = (kept: unknown) => {
    for (const each of [...made].reverse()) {
      if (each === kept) outer?.add(each);
      else each[Symbol.dispose]();
    }
  };
  let result: T;
  try {
    result = scopes.run(made, body);
  } catch (error) {
    end(undefined);
    throw error;
  }
  if (!(result instanceof Promise)) {
    end(result);
    return result;
  }
  return result.then(
    (value: unknown) => {
      end(value);
      return value;
    },
    (error: unknown) => {
      end(undefined);
      throw error;
    },
  ) as T;
}

/** Takes into the scope that the caller stands in, if any, what it has made, and returns it. */
export function made<T extends Disposable>(one: T): T {
  scopes.getStore()?.add(one);
  return one;
}

/** What dispose() has ended needs no scope any more. */
export function gone(one: Disposable): void {
  scopes.getStore()?.delete(one);
}

/** Runs `body` outside of all scopes: for what serves the whole process, and for the parts of what is made as one. */
export function outsideScopes<T>(body: () => T): T {
  return scopes.run(undefined, body);
}
