// The look that all charts share.

const CHART_FONT = { family: 'system-ui, sans-serif', size: 12.5 };
const CHART_CONFIG = { displayModeBar: false, responsive: true };
const NARROW_PIXELS = 672;
const TICK_STEPS = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]];
const LEAST_TICKS = 4;
const LETTER = 7; // pixels
const TICK_GAP = 10; // pixels between the texts of two ticks
const RESIZE_MS = 150;
const MOST_SHARE = 1;
const LEAST_SPAN = 0.05; // of an axis of shares

const isNarrow = () => innerWidth < NARROW_PIXELS;
/** The width of a chart inside its axes, in pixels. */
const planeWidth = (id) => Math.max(0, byId(id).clientWidth - 70);
const hasPlotly = () => typeof window.Plotly === 'object';

/** The title of an axis. */
function axisTitle(text) {
  return { text: plotText(text), font: { ...CHART_FONT, color: colour('soft') }, standoff: 10 };
}

function axisLook() {
  return {
    showgrid: false,
    zeroline: false,
    showline: true,
    fixedrange: true,
    automargin: true,
    ticks: 'outside',
    ticklen: 4,
    tickcolor: colour('faint'),
    linecolor: colour('faint'),
    tickfont: { ...CHART_FONT, color: colour('soft') },
  };
}

/** A layout in the page's look; `extra` goes over it, axis by axis. */
function baseLayout(extra = {}) {
  const axes = Object.fromEntries(
    Object.entries(extra)
      .filter(([name]) => /^[xy]axis\d*$/.test(name))
      .map(([name, axis]) => [name, { ...axisLook(), ...axis }]),
  );
  return {
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { ...CHART_FONT, color: colour('ink') },
    showlegend: false,
    dragmode: false,
    hovermode: 'closest',
    margin: { l: 56, r: 14, t: 12, b: 48 },
    hoverlabel: {
      align: 'left',
      namelength: -1,
      bgcolor: colour('paper'),
      bordercolor: colour('faint'),
      font: { ...CHART_FONT, color: colour('ink') },
    },
    xaxis: axisLook(),
    yaxis: axisLook(),
    ...extra,
    ...axes,
  };
}

/** Where an axis of shares ends: at 1, unless one is larger, as codes learned with labels may pass exact search. */
const shareEnd = (high, room) => (high > MOST_SHARE ? high + room : Math.min(high + room, MOST_SHARE));

/** An axis of shares. */
function shareAxis(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.06 * (high - low), LEAST_SPAN / 2);
  const top = shareEnd(high, room);
  return { range: [Math.max(0, Math.min(low - room, top - LEAST_SPAN)), top] };
}

/** Ticks between two values of a logarithmic axis: the roundest of which there are enough to read others between, and
 * which stand apart on `width` pixels, if it is an axis across. */
function logTicks(low, high, width) {
  const least = Math.floor(Math.log10(low));
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - least + 1 }, (_, more) => least + more);
  const at = (steps) =>
    powers
      .flatMap((power) => steps.map((step) => Number((step * 10 ** power).toPrecision(2))))
      .filter((value) => value >= low && value <= high);
  const enough = TICK_STEPS.map(at).find((ticks) => ticks.length >= LEAST_TICKS) || evenTicks(low, high);
  const tickvals = width ? ticksApart(enough, low, high, width) : enough;
  return { tickvals, ticktext: tickvals.map(tickText), tickangle: 0 };
}

const tickText = (value) => value.toLocaleString('en', { maximumFractionDigits: 9 });

/** The first of TICK_STEPS that has a value. */
function roundness(value) {
  const lead = Number((value / 10 ** Math.floor(Math.log10(value))).toPrecision(6));
  const found = TICK_STEPS.findIndex((steps) => steps.includes(lead));
  return found < 0 ? TICK_STEPS.length : found;
}

/** The ticks whose texts do not meet: of two that would, the rounder one. */
function ticksApart(ticks, low, high, width) {
  const middle = (value) => (width * Math.log(value / low)) / Math.log(high / low);
  const room = (one, other) => (LETTER * (tickText(one).length + tickText(other).length)) / 2 + TICK_GAP;
  const kept = [];
  for (const value of [...ticks].sort((a, b) => roundness(a) - roundness(b))) {
    if (kept.every((one) => Math.abs(middle(one) - middle(value)) >= room(one, value))) kept.push(value);
  }
  return kept.sort((a, b) => a - b);
}

/** Ticks at equal steps of 1, 2 or 5 times a power of ten. */
function evenTicks(low, high) {
  const rough = (high - low) / LEAST_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [5, 2, 1].find((one) => one * power <= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, at) =>
    Number(((first + at) * step).toPrecision(6)),
  );
}

/** Draw anew once the window has another size, on which names and ticks depend. */
function drawOnResize(draw) {
  let waiting = null;
  addEventListener('resize', () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, RESIZE_MS);
  });
}

/** Draw a chart in an element, where plotly is there and the element can be seen. */
function chart(id, traces, layout) {
  const element = byId(id);
  if (!hasPlotly() || element.offsetParent === null) return;
  window.Plotly.react(element, traces, layout, CHART_CONFIG);
}
