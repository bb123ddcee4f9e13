// A search over units and dropout. Each point is one run of five replicas, so that what a setting does can be told from
// what the initial weights do. The choice looks at sessions held out of train; dev is scored once, at the end.
import { predict, presetSettings, presets, score, synthesize, train } from 'circumplex';

const data = synthesize({ seed: 3 });
const base = { ...presetSettings.lucas2020, epochs: 6, patience: 6, bypass: 1, replicas: 5, selection: 'inner:0.3' };

/** Mean and standard deviation. */
function spread(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / (values.length - 1)) };
}

let best = null;
for (const hidden of [8, 24]) {
  for (const dropout of [0, 0.3]) {
    const model = presets.lucas2020(data);
    for (const stream of model.streams) stream.hidden = hidden;
    const run = await train(model, data, { ...base, dropout });
    for await (const _ of run);
    const reached = Array.from({ length: base.replicas }, (_, replica) => run.selectionScore(replica));
    const { mean, sd } = spread(reached);
    const checkpoint = run.best(0);
    run.dispose();
    console.log(
      `hidden ${hidden}, dropout ${dropout}: ${mean.toFixed(3)} ± ${sd.toFixed(3)} over ${base.replicas} seeds`,
    );
    if (!best || mean > best.mean) best = { hidden, dropout, mean, checkpoint };
  }
}

const dev = data.sequences.filter(({ partition }) => partition === 'dev');
const curves = [];
for (const recording of dev) curves.push(await predict(best.checkpoint, recording));
const { arousal, valence } = score(
  dev.map(({ targets }) => targets),
  curves,
);
console.log(`chosen: hidden ${best.hidden}, dropout ${best.dropout}`);
console.log(
  `dev, mean CCC over recordings: arousal ${arousal.cccMean.toFixed(3)}, valence ${valence.cccMean.toFixed(3)}`,
);
