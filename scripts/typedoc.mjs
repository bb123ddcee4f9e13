// A plugin of typedoc: documents are called by their headings and stand in groups; what the main entry exports stands by the
// room that it comes from; parameters that are taken apart where they come in have a name.
import { basename, join, relative } from 'node:path';
import { Comment, CommentTag, Converter, ReflectionKind } from 'typedoc';

const LIB = join(import.meta.dirname, '..', 'lib');

/** Documents by group. Those of a group stand in the order of typedoc.json. */
const GROUPS = {
  Guides: [
    'start',
    'own_data',
    'recola',
    'report',
    'streaming',
    'pipeline',
    'features',
    'faces',
    'watch',
    'bridges',
    'gpu',
    'troubleshooting',
  ],
  Reference: ['data', 'checkpoint', 'paper', 'performance', 'compatibility', 'architecture'],
  Project: ['CONTRIBUTING', 'CHANGELOG'],
};

/** What a directory of lib/ is called, or a file. */
const ROOMS = {
  models: 'Models and prediction',
  training: 'Training',
  data: 'Data',
  features: 'Features of recordings',
  evaluation: 'Scores and statistics',
  graph: 'Graphs and devices',
  binding: 'Graphs and devices',
  ops: 'Operators',
  errors: 'Errors and version',
  version: 'Errors and version',
};

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
    const file = basename(document.name);
    const group = Object.keys(GROUPS).find((name) => GROUPS[name].includes(file));
    if (!group) app.logger.error(`${file}.md is in no group of scripts/typedoc.mjs`);
    document.frontmatter.group = group;
    document.name = /^# (.+)$/m.exec(document.content[0].text)[1];
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children) tag(module, '@group', 'API');
    for (const exported of project.children.find(({ name }) => name === 'circumplex').children) {
      const [room] = /^\w+/.exec(relative(LIB, (exported.signatures?.[0] ?? exported).sources[0].fullFileName));
      if (!ROOMS[room]) app.logger.error(`lib/${room} has no name in scripts/typedoc.mjs`);
      for (const each of exported.signatures ?? [exported]) tag(each, '@category', ROOMS[room]);
    }
  });
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const parameter of project.getReflectionsByKind(ReflectionKind.Parameter)) {
      if (parameter.name === '__namedParameters') parameter.name = nameOf(parameter.type);
    }
  });
}

/** `ReadOptions`: options; `LinearArguments`: input. */
function nameOf({ name = 'Options' }) {
  const [last] = /[A-Z][a-z]+$/.exec(name);
  return last === 'Arguments' ? 'input' : last.toLowerCase();
}

function tag(reflection, name, text) {
  reflection.comment ??= new Comment();
  reflection.comment.blockTags.push(new CommentTag(name, [{ kind: 'text', text }]));
}
