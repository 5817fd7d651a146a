// Quality against cost: a point a setting, a line a method's best settings, and the front of them all.

STATE_FIELDS.scale = textField('', oneOf('even'));

const STRETCH_FROM = 0.97; // with less quality than this the top of the axis is no more crowded than the rest
const STRETCH_TOP = 3.45; // where 1 stands, of which -log10(1 - q) is infinite
const MOST_NAMED = 14;
const FEW_POINTS = 5;
const SHARE_LEFT_OUT = 0.1;
const FAR_APART = 2.5;
const QUALITY_TICKS = [0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 1];

/** Where a quality stands on the axis. */
function height(value) {
  return isStretched() ? Math.min(STRETCH_TOP, -Math.log10(Math.max(1e-9, 1 - value))) : value;
}
const isCrowdedAtTop = once(() => Math.max(...rankable().map(quality)) > STRETCH_FROM);
const isStretched = () => isCrowdedAtTop() && state.scale !== 'even';

/** Against the throughput time goes across as well: milliseconds of a batch over its queries. */
const ACROSS = {
  latency: { title: 'ms per query, median, log scale', words: 'time, one query at a time', of: costOf, ends: interval },
  throughput: {
    title: 'ms per query of a batch, log scale',
    words: 'time, all queries in a batch',
    of: (row) => 1e3 / costOf(row),
    ends: (row) => {
      const ends = interval(row);
      return ends && [1e3 / ends[1], 1e3 / ends[0]];
    },
  },
  memory: { title: 'MB, log scale', words: 'memory', of: costOf, ends: () => null },
  build: { title: 's to build, log scale', words: 'the time to build', of: costOf, ends: interval },
  training: { title: 's to train, log scale', words: 'the time to train', of: costOf, ends: () => null },
};
const across = () => ACROSS[costName()];

function drawScatter() {
  const rows = across() ? rankable().filter((row) => across().of(row) > 0) : [];
  if (!rows.length) return false;
  byId('scatter-heading').textContent = `${capital(qualityText())} against ${across().words}`;
  byId('stretch-label').hidden = !isCrowdedAtTop();
  byId('stretch').checked = isStretched();
  byId('scatter').setAttribute(
    'aria-label',
    `Scatter chart of ${qualityText()} against ${across().words}; the same numbers are in the table below.`,
  );
  drawKey(rows);
  byId('scatter-missing').hidden = hasPlotly() || !isReady;
  const frame = frameOf(rows);
  const lines = linesOf(rows, frame);
  chart(
    'scatter',
    [frontTrace(rows, frame), ...lines.flatMap(tracesOf), sliceTrace(frame)],
    scatterLayout(frame, lines),
  );
  wireClicks(byId('scatter'));
  return true;
}

/** The methods as buttons: for the keyboard, and where there is no room for names in the chart. */
function drawKey(rows) {
  const methods = currentSet().methods.filter(({ id }) => rows.some((row) => row.method === id));
  byId('key').replaceChildren(
    ...methods.map((method) =>
      el(
        'li',
        {},
        el(
          'button',
          {
            type: 'button',
            id: `key-${method.id}`,
            'aria-pressed': String(state.selected.includes(method.id)),
            onclick: () => select(method.id),
          },
          dot(method),
          el('span', { class: 'name' }, method.name),
        ),
      ),
    ),
  );
}

/** The part of the plane that is shown. What costs far more than the rest is left out, and named at the edge. */
function frameOf(rows) {
  const costs = rows.map(across().of).sort((a, b) => a - b);
  const limit = widest(costs);
  const inside = rows.filter((row) => across().of(row) <= limit);
  const values = inside.map(quality);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.06 * (high - low), 0.004);
  return {
    inside,
    outside: rows.filter((row) => !inside.includes(row)),
    x: [Math.log10(0.85 * costs[0]), Math.log10(limit * (isNarrow() ? 1.15 : 1.45))],
    y: isStretched() ? [height(low) - 0.08, STRETCH_TOP + 0.08] : [low - room, high + room],
  };
}

/** The largest cost that is shown, of costs in order: a few that lie far beyond the others would halve their room. */
function widest(costs) {
  if (costs.length < FEW_POINTS) return costs.at(-1);
  const first = Math.floor((1 - SHARE_LEFT_OUT) * costs.length);
  const gap = costs.findIndex((value, at) => at >= first && value > FAR_APART * costs[at - 1]);
  return gap < 0 ? costs.at(-1) : costs[gap - 1];
}

/** Each method's points: those of its own front make its line, its others are small. */
function linesOf(rows, frame) {
  const methods = currentSet().methods.filter(({ id }) => frame.inside.some((row) => row.method === id));
  return methods.map((method) => {
    const own = frame.inside.filter((row) => row.method === method.id);
    const line = frontOf(own, across().of);
    return { method, line, others: own.filter((row) => !line.includes(row)) };
  });
}

function tracesOf({ method, line, others }) {
  const chosen = isSelected(method.id);
  const ink = chosen ? inkOf(method) : colour('faint');
  const marker = { symbol: symbolOf(method), color: ink, line: { color: ink, width: 1.5 } };
  const base = {
    meta: method.id,
    type: 'scatter',
    hoverlabel: { bordercolor: ink },
    hovertemplate: '%{text}<extra></extra>',
  };
  const points = (rows) => ({
    x: rows.map(across().of),
    y: rows.map((row) => height(quality(row))),
    text: rows.map(hoverText),
  });
  return [
    { ...base, ...points(others), mode: 'markers', marker: { ...marker, size: 4, opacity: chosen ? 0.55 : 0.35 } },
    {
      ...base,
      ...points(line),
      mode: 'lines+markers',
      line: { color: ink, width: chosen ? 1.8 : 1, dash: dashOf(method) },
      marker: { ...marker, size: 8 },
      error_x: errorBars(line, chosen, ink),
      error_y: spreadBars(line, chosen, ink),
    },
  ];
}

/** The intervals of the cost, strong where a method was selected. */
function errorBars(line, chosen, ink) {
  const reach = line.map((row) => across().ends(row) || [across().of(row), across().of(row)]);
  return {
    type: 'data',
    symmetric: false,
    visible: chosen,
    thickness: selectedHere().length ? 1.4 : 0.7,
    width: selectedHere().length ? 3 : 0,
    color: ink,
    array: line.map((row, at) => Math.max(0, reach[at][1] - across().of(row))),
    arrayminus: line.map((row, at) => Math.max(0, across().of(row) - reach[at][0])),
  };
}

/** The spread of the quality over seeds, where there are several. */
function spreadBars(line, chosen, ink) {
  const spread = line.map((row) => (row.spread || {})[measure().id] || 0);
  return {
    type: 'data',
    symmetric: false,
    visible: chosen && spread.some((value) => value > 0),
    thickness: 0.8,
    width: 0,
    color: ink,
    array: line.map((row, at) => height(Math.min(1, quality(row) + spread[at])) - height(quality(row))),
    arrayminus: line.map((row, at) => height(quality(row)) - height(Math.max(0, quality(row) - spread[at]))),
  };
}

function frontTrace(rows, frame) {
  const steps = frontOf(frame.inside, across().of);
  const end = steps.at(-1);
  return {
    x: [...steps.map(across().of), 10 ** frame.x[1]],
    y: [...steps, end].map((row) => height(quality(row))),
    type: 'scatter',
    mode: 'lines',
    hoverinfo: 'skip',
    line: { shape: 'hv', width: 9, color: colour('front') },
  };
}

function sliceTrace(frame) {
  const y = height(level());
  return {
    x: frame.x.map((power) => 10 ** power),
    y: [y, y],
    type: 'scatter',
    mode: 'lines',
    hoverinfo: 'skip',
    line: { width: 1, dash: 'dot', color: colour('soft') },
  };
}

/** All that is known of a row, in the lines of a hover. */
function hoverText(row) {
  const method = methodOf(row);
  const ends = interval(row);
  const settings = Object.entries(row.settings || {}).flatMap(([role, values]) =>
    Object.entries(values).map(([name, value]) => `${role} ${name}: ${value}`),
  );
  const lines = [
    row.setting,
    `${qualityText()} ${share(quality(row))}`,
    `${costText(costOf(row))} ${cost().unit}${ends ? ` (${costText(ends[0])}–${costText(ends[1])})` : ''}`,
    isNumber(row.latency_ms_p99) && `${number(row.latency_ms_p50)} ms median, ${number(row.latency_ms_p99)} ms at 99 %`,
    isNumber(row.throughput_qps) && `${number(row.throughput_qps)} queries/s in a batch`,
    isNumber(row.index_bytes) && `${number(row.index_bytes / 1e6)} MB`,
    isNumber(row.build_seconds) && `built in ${number(row.build_seconds)} s`,
    ...settings.slice(0, 24),
    settings.length > 24 && `and ${settings.length - 24} more, in the table`,
  ];
  return [`<b>${plotText(method.name)}</b>`, ...lines.filter(Boolean).map((line) => plotText(shorten(line)))].join(
    '<br>',
  );
}

const shorten = (text) => (text.length > 80 ? `${text.slice(0, 79)}…` : text);

function scatterLayout(frame, lines) {
  const ticks = logTicks(10 ** frame.x[0], 10 ** frame.x[1]);
  const few = isNarrow() ? ticks.tickvals.filter((value) => /^0*\.?0*[135]/.test(String(value))) : ticks.tickvals;
  return baseLayout({
    margin: { l: 56, r: 14, t: 26, b: 48 },
    xaxis: {
      type: 'log',
      range: frame.x,
      tickvals: few,
      ticktext: few.map((value) => value.toLocaleString('en', { maximumFractionDigits: 9 })),
      title: axisTitle(across().title),
    },
    yaxis: { range: frame.y, ...qualityTicks(frame) },
    annotations: [
      {
        xref: 'paper',
        yref: 'paper',
        x: 0,
        y: 1,
        xanchor: 'left',
        yanchor: 'bottom',
        yshift: 6,
        xshift: -44,
        showarrow: false,
        text: plotText(qualityText()),
        font: { size: 12.5, color: colour('soft') },
      },
      {
        xref: 'paper',
        x: 1,
        y: height(level()),
        xanchor: 'right',
        yanchor: 'bottom',
        showarrow: false,
        text: isNarrow() ? levelText(level()) : `the slice: ${levelText(level())}`,
        font: { size: 11.5, color: colour('soft') },
      },
      ...edgeNames(frame),
      ...namesOf(lines, frame),
    ],
  });
}

function qualityTicks(frame) {
  if (!isStretched()) return { tickformat: '.2~f', nticks: 8 };
  const shown = QUALITY_TICKS.filter((value) => height(value) >= frame.y[0] && height(value) <= frame.y[1]);
  return { tickvals: shown.map(height), ticktext: shown.map(String) };
}

/** What is too far right for the frame, at its edge: the least of each method. */
function edgeNames(frame) {
  const named = new Map();
  for (const row of frame.outside) {
    const known = named.get(row.method);
    if (!frame.inside.some((one) => one.method === row.method) && (!known || across().of(row) < across().of(known)))
      named.set(row.method, row);
  }
  return [...named.values()].slice(0, 4).map((row, at) => ({
    xref: 'paper',
    yref: 'paper',
    x: 1,
    y: 1,
    xanchor: 'right',
    yanchor: 'top',
    yshift: 18 - 16 * at,
    showarrow: false,
    captureevents: true,
    name: row.method,
    text: plotText(`${methodOf(row).name}: ${number(across().of(row))} →`),
    font: { size: 12.5, color: isSelected(row.method) ? inkOf(methodOf(row)) : colour('faint') },
  }));
}

/** The names beside their lines: of the selected methods, or of those that the slice ranks first. */
function namesOf(lines, frame) {
  const element = byId('scatter');
  const [width, tall] = [element.clientWidth - 70, element.clientHeight - 74];
  if (isNarrow() || width <= 0) return [];
  const order = [...slice().reached, ...slice().short].map((row) => row.method);
  const named = [...lines]
    .sort((a, b) => order.indexOf(a.method.id) - order.indexOf(b.method.id))
    .filter(({ method }) => isSelected(method.id))
    .slice(0, MOST_NAMED);
  const pixel = (row) => [
    width * ((Math.log10(across().of(row)) - frame.x[0]) / (frame.x[1] - frame.x[0])),
    tall * (1 - (height(quality(row)) - frame.y[0]) / (frame.y[1] - frame.y[0])),
  ];
  const placed = placeNames(
    named.map(({ method, line }) => ({ text: method.name, points: line.map(pixel) })),
    lines.map(({ line }) => line.map(pixel)),
    lines.flatMap(({ others }) => others.map(pixel)),
    width,
    tall,
  );
  return placed.map(({ point, dx, dy }, at) => {
    const { method, line } = named[at];
    return {
      x: Math.log10(across().of(line[point])),
      y: height(quality(line[point])),
      xshift: dx,
      yshift: -dy,
      xanchor: 'left',
      yanchor: 'middle',
      showarrow: false,
      captureevents: true,
      name: method.id,
      text: plotText(method.name),
      font: { size: 12.5, color: inkOf(method) },
    };
  });
}

/** A click on a line, a point or a name selects its method, once plotly has drawn into the element. */
function wireClicks(element) {
  if (!element.on || element.dataset.wired) return;
  element.dataset.wired = 'yes';
  element.on('plotly_click', ({ points }) => points[0].data.meta && select(points[0].data.meta));
  element.on('plotly_clickannotation', ({ annotation }) => annotation.name && select(annotation.name));
}

function wireScatter() {
  byId('stretch').addEventListener('change', () => change({ scale: byId('stretch').checked ? '' : 'even' }));
}

addPanel({ id: 'scatter', draw: drawScatter });
