// The chart of a method: quality against time, or against the length of its codes, a look for each variant or report.

const SERIES_INKS = ['hue-1-2', 'hue-2-2', 'hue-3-2', 'hue-4-2', 'hue-6-2', 'hue-5-2'];
const SERIES_SIGNS = [
  { symbol: 'circle', sign: '●' },
  { symbol: 'square', sign: '■' },
  { symbol: 'triangle-up', sign: '▲' },
  { symbol: 'diamond', sign: '◆' },
  { symbol: 'triangle-down', sign: '▼' },
  { symbol: 'star', sign: '★' },
];

/** The look of a series: after six colours the signs change places. */
function seriesLook(at) {
  const round = Math.floor(at / SERIES_INKS.length);
  return { ink: SERIES_INKS[at % SERIES_INKS.length], ...SERIES_SIGNS[(at + round) % SERIES_SIGNS.length] };
}

const ACROSS = {
  time: { name: 'time of a query', title: 'ms per query, median, log scale', isLog: true },
  bits: { name: 'length of the codes', title: 'bits', isLog: false },
};

const methodData = byId('data') ? JSON.parse(byId('data').textContent) : { measures: [], series: [] };

STATE_FIELDS.measure = textField('', (name) => methodData.measures.includes(name));
STATE_FIELDS.against = textField('', (name) => Object.hasOwn(ACROSS, name));

const shownMeasure = () => state.measure || methodData.measures[0];

/** The points of a series that have the quality and what it stands against, from left to right. */
function pointsFor(series, across) {
  const known = series.points.filter((one) => isNumber(one.qualities[shownMeasure()]) && isNumber(one[across]));
  return known.sort((a, b) => a[across] - b[across]);
}

const knownAcross = () =>
  Object.keys(ACROSS).filter((name) => methodData.series.some((series) => pointsFor(series, name).length));

function shownAcross() {
  const known = knownAcross();
  return known.includes(state.against) ? state.against : known[0];
}

function pointText(series, point) {
  const quality = `${shownMeasure()} ${share(point.qualities[shownMeasure()])}`;
  const lines = [series.name === point.name ? null : series.name, point.setting, quality];
  if (isNumber(point.time)) lines.push(`${number(point.time)} ms a query`);
  return [`<b>${plotText(point.name)}</b>`, ...lines.filter(Boolean).map(plotText)].join('<br>');
}

/** The points of a series; a time has its interval. */
function seriesTrace(series, look, across) {
  const shown = pointsFor(series, across);
  const ink = colour(look.ink);
  const reach = (one, end) => (isNumber(one.low) && isNumber(one.high) ? Math.abs(end - one.time) : null);
  const bars =
    across === 'time'
      ? {
          type: 'data',
          symmetric: false,
          thickness: 1.2,
          width: 3,
          color: ink,
          array: shown.map((one) => reach(one, one.high)),
          arrayminus: shown.map((one) => reach(one, one.low)),
        }
      : { visible: false };
  return {
    x: shown.map((one) => one[across]),
    y: shown.map((one) => one.qualities[shownMeasure()]),
    text: shown.map((one) => pointText(series, one)),
    hovertemplate: '%{text}<extra></extra>',
    mode: 'markers',
    cliponaxis: false,
    marker: { size: 9, color: ink, symbol: look.symbol },
    error_x: bars,
  };
}

/** The ends of a time's interval for the axis, which a point has only if it says something. */
const timeEnds = ({ low, high }) => (isNumber(low) && isNumber(high) ? [low, high] : []);

/** The series that have something to show, each with its look, which it keeps whatever is chosen. */
function shownSeries(across) {
  return methodData.series
    .map((series, at) => ({ series, look: seriesLook(at) }))
    .filter(({ series }) => pointsFor(series, across).length);
}

function seriesKey({ series, look }) {
  const style = { color: `var(--${look.ink})` };
  return el('li', {}, el('span', { class: 'mark', style, 'aria-hidden': 'true' }, look.sign), series.name);
}

function drawMethodControls(across) {
  const measures = methodData.measures.map((name) => [name, name]);
  drawRadios('measure', measures, shownMeasure(), (measure) => change({ measure }));
  const choices = knownAcross().map((name) => [name, ACROSS[name].name]);
  drawRadios('against', choices, across, (against) => change({ against }));
}

function methodAxis(values, { isLog, title }) {
  const [low, high] = [Math.min(...values) / 1.3, Math.max(...values) * 1.3];
  const scale = isLog
    ? { type: 'log', range: [Math.log10(low), Math.log10(high)], ...logTicks(low, high, planeWidth('chart')) }
    : { tickvals: [...new Set(values)] };
  return { ...scale, title: axisTitle(title) };
}

function drawMethod() {
  const across = methodData.series.length ? shownAcross() : undefined;
  if (!across || !hasPlotly()) return;
  byId('chart-section').hidden = false;
  drawMethodControls(across);
  const shown = shownSeries(across);
  const points = shown.flatMap(({ series }) => pointsFor(series, across));
  const values = points.map((one) => one[across]);
  const ends = across === 'time' ? points.flatMap(timeEnds) : [];
  const qualities = points.map((one) => one.qualities[shownMeasure()]);
  byId('chart-key').replaceChildren(...shown.map(seriesKey));
  byId('chart').setAttribute(
    'aria-label',
    `Chart of ${shownMeasure()} against ${ACROSS[across].name}: ` +
      `${plural(values.length, 'point', 'points')}, all of them in the tables below.`,
  );
  chart(
    'chart',
    shown.map(({ series, look }) => seriesTrace(series, look, across)),
    baseLayout({
      xaxis: methodAxis([...values, ...ends], ACROSS[across]),
      yaxis: { ...shareAxis(qualities), title: axisTitle(shownMeasure()) },
    }),
  );
}
