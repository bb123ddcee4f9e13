// A plugin of typedoc: guides are called by their headings and stand in groups, what the main entry exports stands by the
// room that it comes from, and every page has a description of its own width.
import { Comment, CommentTag, Converter } from 'typedoc';

/** Documents by group; typedoc.json has them in the order of reading. */
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
  ],
  'When something fails': ['troubleshooting'],
  Reference: ['data', 'checkpoint', 'paper', 'performance', 'compatibility', 'architecture'],
  Project: ['CONTRIBUTING', 'CHANGELOG'],
};

/** What a directory of lib/ is called. */
const ROOMS = {
  models: 'Models and prediction',
  training: 'Training',
  data: 'Data',
  features: 'Features of recordings',
  evaluation: 'Scores and statistics',
  graph: 'Graphs and devices',
  ops: 'Operators',
};

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
    const group = Object.keys(GROUPS).find((name) => GROUPS[name].includes(document.name));
    if (!group) app.logger.error(`${document.name}.md is in no group of scripts/typedoc.mjs`);
    document.frontmatter.group = group;
    document.name = /^# (.+)$/m.exec(document.content[0].text)[1];
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const main = project.children.find(({ name }) => name === 'circumplex');
    for (const exported of main.children) {
      const room = /^lib\/(\w+)\//.exec(exported.sources?.[0]?.fileName)?.[1];
      for (const of of exported.signatures ?? [exported]) {
        of.comment ??= new Comment();
        of.comment.blockTags.push(
          new CommentTag('@category', [{ kind: 'text', text: ROOMS[room] ?? 'Errors and version' }]),
        );
      }
    }
  });
}
