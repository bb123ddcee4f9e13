import { THEME } from '../report/html.ts';

/** The page's frame; its script fills in what the server tells. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>circumplex watch</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="page.css">
<script type="module" src="page.js"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1 id="title">circumplex watch</h1>
<p id="source"></p>
</header>
<p id="trouble" role="alert" hidden></p>
<main id="content" tabindex="-1">
<ul id="notes" class="notes" hidden></ul>
<p id="empty" hidden></p>
<section id="recording" aria-labelledby="recording-heading" hidden>
<div class="bar">
<h2 id="recording-heading">Recording</h2>
<label id="chooser" for="choose">Choose <select id="choose"></select></label>
</div>
<div id="loading" class="loading" hidden><p id="phase"></p><progress id="share" max="1" aria-labelledby="phase"></progress></div>
<div id="viewer" hidden>
<ul id="recording-notes" class="notes"></ul>
<div id="stage" class="stage">
<div class="player">
<div id="media"></div>
<div class="bar transport">
<button id="play" type="button">Play</button>
<span class="time" id="time"></span>
<label for="speed">Speed <select id="speed"><option>0.5</option><option selected>1</option><option>1.5</option><option>2</option><option>4</option></select></label>
<span class="zoom"><button id="zoom-out" type="button">Zoom out</button> <button id="zoom-in" type="button">Zoom in</button>
<span id="view"></span></span>
</div>
</div>
<figure id="plane-figure" class="plane" hidden><div id="plane"></div><figcaption id="plane-caption"></figcaption></figure>
<div id="now" class="now"></div>
</div>
<div id="curves" class="curves"></div>
<details class="keys"><summary>Keys</summary>
<dl>
<div><dt>Space</dt><dd>play, pause</dd></div>
<div><dt>Left, Right</dt><dd>a second back, on</dd></div>
<div><dt>, and .</dt><dd>a frame back, on</dd></div>
<div><dt>Page Up, Page Down</dt><dd>ten seconds on, back, with a curve in focus</dd></div>
<div><dt>Home, End</dt><dd>the beginning, the end, with a curve in focus</dd></div>
<div><dt>+ and -</dt><dd>zoom in, out</dd></div>
</dl>
</details>
</div>
</section>
<section id="training" aria-labelledby="training-heading" hidden>
<h2 id="training-heading">Training</h2>
<p id="training-state"></p>
<progress id="training-share" aria-labelledby="training-state"></progress>
<label id="fold-chooser" for="fold" hidden>Fold <select id="fold"></select></label>
<div id="learning" class="learning"></div>
<p id="learning-note" class="soft" hidden></p>
<div class="table" role="region" aria-label="Replicas" tabindex="0"><table id="replicas"></table></div>
</section>
</main>
<p id="said" class="unseen" role="status"></p>
</body>
</html>
`;

export const STYLE = `${THEME}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; padding: .5rem 1rem 2rem; max-width: 90rem; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.05rem; margin: 0; }
h3 { font-size: .9rem; margin: .75rem 0 .25rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin: .5rem 0; }
header p { margin: 0; color: var(--soft); }
main:focus { outline: none; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; padding: .5rem 1rem; background: var(--page); color: var(--link); z-index: 1; }
.skip:focus { left: 1rem; top: .5rem; }
.unseen { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }
#trouble { white-space: pre-wrap; padding: .5rem .75rem; border: 2px solid currentColor; font-weight: 600; }
.notes { margin: .5rem 0; padding: .5rem .75rem .5rem 1.75rem; background: var(--block); color: var(--ink); }
.notes:empty { display: none; }
section { border-top: 1px solid var(--line); padding: .75rem 0; }
.bar { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; }
button, select { font: inherit; color: inherit; background: var(--block); border: 1px solid var(--soft); border-radius: 4px;
  min-height: 2.1rem; padding: .2rem .7rem; }
button:disabled { color: var(--soft); border-color: var(--line); }
#play { min-width: 5.5rem; font-weight: 600; }
.time { font-variant-numeric: tabular-nums; min-width: 9.5rem; }
.zoom { display: inline-flex; flex-wrap: wrap; gap: .4rem; align-items: center; font-variant-numeric: tabular-nums; }
.loading { margin: .75rem 0; }
.loading p { margin: 0 0 .25rem; }
progress { width: min(28rem, 100%); accent-color: var(--link); }
.stage { display: grid; gap: .75rem 1.25rem; grid-template-columns: minmax(0, 1fr); margin: .6rem 0; }
.player video { display: block; width: 100%; max-height: 21rem; background: #000000; }
.player audio { display: block; width: 100%; }
.player p { margin: 0; padding: .75rem; background: var(--block); }
.transport { margin-top: .5rem; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .8rem; }
svg { display: block; max-width: 100%; overflow: visible; }
svg text { fill: var(--soft); font-size: 12px; }
svg .axis { stroke: var(--line); fill: none; }
svg .zero { stroke: var(--soft); stroke-dasharray: 2 3; }
svg .label { fill: var(--ink); font-weight: 600; }
svg .gold { stroke: var(--ink); fill: none; }
svg .ring { stroke: var(--ink); fill: var(--page); }
svg .cursor { stroke: var(--link); }
.plane svg { max-width: 19rem; margin: 0 auto; }
.now table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
.now caption { text-align: left; font-weight: 600; padding-bottom: .2rem; }
th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: left; }
thead th { vertical-align: bottom; }
th[scope=row] { font-weight: 400; color: var(--soft); }
.number { text-align: right; white-space: nowrap; }
.now p, .now ul { margin: .2rem 0; font-size: .875rem; }
.now td svg { margin-left: auto; }
.windows svg { max-width: 17rem; }
.windows { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); gap: .25rem 1rem; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1rem; margin: .25rem 0; padding: 0; list-style: none; font-size: .85rem; }
.legend li { display: inline-flex; align-items: center; gap: .35rem; }
.legend svg { flex: none; }
.curve { position: relative; overflow: hidden; margin-bottom: .4rem; touch-action: pan-y; cursor: crosshair; }
.curve .cursor, .curve .reach { position: absolute; left: 0; pointer-events: none; transform-origin: 0 0; will-change: transform; }
.curve .cursor { width: 2px; background: var(--link); }
.curve .reach { width: 1px; background: var(--link); opacity: .22; }
.learning { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: .5rem 1.25rem; margin: .5rem 0; }
.learned { overflow: hidden; touch-action: pan-y; cursor: crosshair; }
.learned p { margin: 0 0 .2rem; font-size: 12px; font-weight: 600; }
.soft { margin: .25rem 0 .5rem; color: var(--soft); font-size: .85rem; }
.table { overflow-x: auto; max-height: 24rem; overflow-y: auto; }
.table table { overflow-wrap: normal; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
.keys { margin-top: .5rem; font-size: .875rem; }
.keys dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(16rem, 100%), 1fr)); gap: .25rem 1rem; }
.keys dl div { display: flex; gap: .6rem; }
.keys dt { font-weight: 600; }
.keys dd { margin: 0; }
@media (min-width: 48rem) {
  .stage { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .player { grid-column: 1 / -1; }
}
@media (min-width: 70rem) {
  .stage { grid-template-columns: minmax(0, 1.5fr) minmax(0, .85fr) minmax(0, 1fr); align-items: start; }
  .player { grid-column: auto; }
  .stage.unheard { grid-template-columns: minmax(0, 1fr) minmax(0, 2fr); }
  .stage.unheard .player { grid-column: 1 / -1; }
}
`;

export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.5" fill="#fff" stroke="#0b4f9e"/><path d="M8 2v12M2 8h12" stroke="#888"/><circle cx="11" cy="5" r="2.4" fill="#D55E00"/></svg>
`;
