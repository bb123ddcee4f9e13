/** Where a command writes: results to stdout; logs, progress and errors to stderr. */
export interface Io {
  /** What it reads; default: this process' own. */
  stdin?: NodeJS.ReadableStream;
  stdout: Output;
  stderr: Output;
}

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
}

/** The standard streams of this process. */
export const standardIo: Io = { stdout: process.stdout, stderr: process.stderr };

/** Prints a command's result: with `--json` the document alone, else the text. */
export function printResult(io: Io, json: boolean | undefined, document: unknown, text: string): void {
  io.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : text.endsWith('\n') ? text : `${text}\n`);
}

/** A line for people, on stderr. */
export function log(io: Io, line: string): void {
  io.stderr.write(`${line}\n`);
}

export function warn(io: Io, line: string): void {
  log(io, `warning: ${line}`);
}

/** The command failed and has said all there is to say: only the exit code is left. */
export class Failed extends Error {}
