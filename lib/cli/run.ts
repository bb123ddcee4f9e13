import { Command, CommanderError } from 'commander';
import { CircumplexError } from '../errors.ts';
import { version } from '../version.ts';
import { compareCommand, sweepCommand } from './compare.ts';
import { dataCommand } from './data.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { embedCommand } from './embed.ts';
import { evaluateCommand } from './evaluate.ts';
import { exportCommand } from './export.ts';
import { Failed, type Io, standardIo } from './io.ts';
import { predictCommand } from './predict.ts';
import { reproduceCommand } from './reproduce.ts';
import { scoreCommand } from './score.ts';
import { trainCommand } from './train.ts';
import { watchCommand } from './watch.ts';

/** What the process exits with. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/**
 * The command line in this process: 0 done, 1 failed, 2 wrong usage.
 *
 * @param argv without node and script
 */
export async function run(argv: readonly string[], io: Io = standardIo): Promise<number> {
  const json = argv.includes('--json');
  try {
    await program(io).parseAsync(argv, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    if (error instanceof Failed) return EXIT.failed;
    const { code, message, exit, shown } = failureOf(error);
    if (!shown) io.stderr.write(`circumplex: ${message}${code === null ? '' : ` (${code})`}\n`);
    if (json && exit !== EXIT.done) io.stdout.write(`${JSON.stringify({ error: { code, message } }, null, 2)}\n`);
    return exit;
  }
}

function program(io: Io): Command {
  const root = new Command('circumplex')
    .description('Time-continuous emotion recognition: valence and arousal for every frame of a recording.')
    .version(version);
  for (const make of [
    demoCommand,
    embedCommand,
    trainCommand,
    predictCommand,
    evaluateCommand,
    scoreCommand,
    compareCommand,
    sweepCommand,
    reproduceCommand,
    watchCommand,
    dataCommand,
    exportCommand,
    doctorCommand,
  ]) {
    root.addCommand(make(io));
  }
  root.addHelpText(
    'after',
    '\nExit codes: 0 done, 1 failed, 2 wrong usage. circumplex <command> --help explains a command.',
  );
  adopt(root, io);
  return root;
}

/** Commander exits and writes by itself unless every command is told otherwise. */
function adopt(command: Command, io: Io): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(`circumplex: ${usageMessage(text)} (ERR_CONFIG)\n`),
    })
    .showHelpAfterError(`See ${pathOf(command)} --help.`);
  for (const child of command.commands) adopt(child, io);
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

interface Failure {
  code: string | null;
  message: string;
  exit: number;
  /** Already on stderr. */
  shown: boolean;
}

function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) {
    const exit = error.exitCode === 0 ? EXIT.done : EXIT.usage;
    return { code: 'ERR_CONFIG', message: usageMessage(error.message), exit, shown: true };
  }
  if (error instanceof CircumplexError) {
    const exit = error.code === 'ERR_CONFIG' ? EXIT.usage : EXIT.failed;
    return { code: error.code, message: error.message, exit, shown: false };
  }
  // Not foreseen: where it happened is the only lead.
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: null, message, exit: EXIT.failed, shown: false };
}

function usageMessage(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ');
}
