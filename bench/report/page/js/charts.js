// The look that all charts share.

const CHART_FONT = { family: 'system-ui, sans-serif', size: 12.5 };
const CHART_CONFIG = { displayModeBar: false, responsive: true };
const NARROW_PIXELS = 672;

const isNarrow = () => innerWidth < NARROW_PIXELS;
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

/** Ticks at 1, 2 and 5 times each power of ten between two values; at 1 alone where that is many. */
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const steps = decades > 4 ? [1] : decades > 2 ? [1, 3] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  const tickvals = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    steps
      .map((step) => Number((step * 10 ** power).toPrecision(2)))
      .filter((value) => value >= low && value <= high)
      .forEach((value) => tickvals.push(value));
  }
  return { tickvals, ticktext: tickvals.map((value) => value.toLocaleString('en', { maximumFractionDigits: 9 })) };
}

/** Draw a chart in an element, where plotly is there and the element can be seen. */
function chart(id, traces, layout) {
  const element = byId(id);
  if (!hasPlotly() || element.offsetParent === null) return;
  window.Plotly.react(element, traces, layout, CHART_CONFIG);
}
