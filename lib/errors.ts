/** The stable codes of every error that circumplex throws. */
export type CircumplexErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_CHECKPOINT'
  | 'ERR_CONFIG'
  | 'ERR_CUDA'
  | 'ERR_DATA'
  | 'ERR_DISPOSED'
  | 'ERR_DRIVER'
  | 'ERR_FILE'
  | 'ERR_MEDIA'
  | 'ERR_NATIVE_NOT_FOUND'
  | 'ERR_NO_DEVICE'
  | 'ERR_NOT_FINITE'
  | 'ERR_NOT_INSTALLED'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_SHAPE';

/**
 * The one error class of circumplex. `code` is stable across versions; the message says what happened, where (file,
 * line, sequence, tensor) and what to do.
 *
 * @example
 * ```ts
 * import { CircumplexError, Device } from 'circumplex';
 *
 * try {
 *   new Device({ device: 'cuda' }).dispose();
 * } catch (error) {
 *   if (!(error instanceof CircumplexError)) throw error;
 *   console.log(error.code, error.message); // ERR_NO_DEVICE: what is missing, and what to do
 * }
 * ```
 */
export class CircumplexError extends Error {
  /** By which it is known where classes are not, as after a message between threads. */
  override readonly name = 'CircumplexError';

  /**
   * An error of this code.
   *
   * @param options `cause`: what it came of
   */
  constructor(
    /** What kind of failure: stable across versions. */
    readonly code: CircumplexErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Plain data, which JSON and messages between threads carry; {@link CircumplexError.from} makes an error of it again. */
  toJSON(): CircumplexErrorJson {
    const { name, code, message, stack, cause } = this;
    return { name, code, message, stack, ...(cause === undefined ? {} : { cause: String(cause) }) };
  }

  /**
   * The error that {@link CircumplexError.toJSON} was called on: a message to another thread clones an Error without its
   * `code`, and fails where the `cause` cannot be cloned.
   */
  static from({ code, message, stack, cause }: CircumplexErrorJson): CircumplexError {
    const error = new CircumplexError(code, message, cause === undefined ? undefined : { cause });
    if (stack !== undefined) error.stack = stack;
    return error;
  }
}

/** A {@link CircumplexError} as plain data. */
export interface CircumplexErrorJson {
  /** By which it is known for one. */
  name: 'CircumplexError';
  /** As in the error. */
  code: CircumplexErrorCode;
  /** As in the error. */
  message: string;
  /** Where it was thrown. */
  stack?: string | undefined;
  /** In words. */
  cause?: string;
}

/** A value of any kind as messages show it: its JSON, of at most 80 letters. */
export function brief(value: unknown): string {
  let json: string;
  try {
    json = JSON.stringify(value) ?? String(value);
  } catch {
    // What JSON.parse reads may be nested more deeply than JSON.stringify can follow.
    return 'nested too deeply';
  }
  return json.length > 80 ? `${json.slice(0, 77)}...` : json;
}
