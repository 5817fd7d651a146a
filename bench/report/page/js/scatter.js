// Quality against cost: a point a setting, a line a method's best settings, and the front of them all.

const MOST_NAMED = 14;
const MARK = 6; // pixels from the middle of a point to its edge
/** The ends of the slice's line: across as a share of the chart, and down in half lines of text. */
const SLICE_ENDS = [
  { x: 1, down: -1 },
  { x: 1, down: 1 },
  { x: 0, down: -1 },
  { x: 0, down: 1 },
];
function drawScatter() {
  const rows = drawable();
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
  const names = [...edgeNames(frame), ...namesOf(lines, frame)];
  byId('key').classList.toggle('needed', new Set(names.map(({ name }) => name)).size < methodsOf(rows).length);
  chart(
    'scatter',
    [frontTrace(rows, frame), ...lines.flatMap(tracesOf), sliceTrace(frame)],
    scatterLayout(frame, names),
  );
  wireClicks(byId('scatter'));
  return true;
}

const methodsOf = (rows) => currentSet().methods.filter(({ id }) => rows.some((row) => row.method === id));

/** The methods as buttons: for the keyboard, and where there is no room for all names in the chart. */
function drawKey(rows) {
  byId('key').replaceChildren(
    ...methodsOf(rows).map((method) =>
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
          el('span', { class: 'name' }, unbroken(method.name)),
        ),
      ),
    ),
  );
}

/** The chart inside its axes, in pixels. */
function planeSize() {
  const element = byId('scatter');
  return [planeWidth('scatter'), element.clientHeight - 74];
}

const sliceText = () => (isNarrow() ? levelText(level()) : `the slice: ${levelText(level())}`);

/** Where the name of the slice covers least: at an end of its own line, above or below. */
function sliceEnd(frame) {
  const [width, tall] = planeSize();
  const pixels = pixelsOf(frame, width, tall);
  const points = [
    ...frame.inside.map(pixels.of),
    ...frame.inside.flatMap((row) => intervalSpots(row, pixels)),
    ...linesOf(frame.inside, frame).flatMap(({ line }) => spotsAlong(line.map(pixels.of))),
  ];
  const [size, y] = [sliceText().length * LETTER, pixels.y(level())];
  const covers = ({ x, down }) =>
    points.filter(
      ([right, under]) =>
        Math.abs(right - (x * (width - size) + size / 2)) < size / 2 + MARK &&
        Math.abs(under - y - (down * LINE_HEIGHT) / 2) < LINE_HEIGHT / 2 + MARK,
    ).length;
  const inside = SLICE_ENDS.filter(({ down }) => down < 0 || y + LINE_HEIGHT < tall);
  return inside.reduce((best, one) => (covers(one) < covers(best) ? one : best));
}

function scatterLayout(frame, names) {
  const end = sliceEnd(frame);
  const ticks = logTicks(10 ** frame.x[0], 10 ** frame.x[1], planeWidth('scatter'));
  return baseLayout({
    margin: { l: 56, r: 14, t: 26, b: 48 },
    xaxis: {
      type: 'log',
      range: frame.x,
      ...ticks,
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
        x: end.x,
        y: height(level()),
        xanchor: end.x ? 'right' : 'left',
        yanchor: end.down < 0 ? 'bottom' : 'top',
        showarrow: false,
        text: sliceText(),
        font: { size: 11.5, color: colour('soft') },
      },
      ...names,
    ],
  });
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

/** Where costs and qualities stand, in pixels from the upper left corner of a plane of that size. */
function pixelsOf(frame, width, tall) {
  const x = (value) => width * ((Math.log10(value) - frame.x[0]) / (frame.x[1] - frame.x[0]));
  const y = (value) => tall * (1 - (height(value) - frame.y[0]) / (frame.y[1] - frame.y[0]));
  return { x, y, of: (row) => [x(across().of(row)), y(quality(row))] };
}

/** What a name must not cover: lines and points, intervals, and what is written at the slice and at the edge. */
function obstacles(lines, named, frame, pixels, width) {
  const intervals = named.flatMap(({ line }) => line.flatMap((row) => intervalSpots(row, pixels)));
  const edges = edgeNames(frame).map(({ text, yshift }) => ({
    size: text.length * LETTER,
    y: LINE_HEIGHT / 2 - yshift,
  }));
  const end = sliceEnd(frame);
  const ofSlice = sliceText().length * LETTER;
  const atSlice = { size: ofSlice, y: pixels.y(level()) + (end.down * LINE_HEIGHT) / 2, x: end.x * (width - ofSlice) };
  return {
    lines: [...lines.map(({ line }) => line.map(pixels.of)), [0, width].map((x) => [x, pixels.y(level())])],
    marks: [...lines.flatMap(({ others }) => others.map(pixels.of)), ...intervals],
    written: [...edges.map((one) => ({ ...one, x: width - one.size })), atSlice],
  };
}

/** The names beside their lines: of the selected methods, or of those that the slice ranks first, where they fit. */
function namesOf(lines, frame) {
  const [width, tall] = planeSize();
  if (isNarrow() || width <= 0) return [];
  const order = [...slice().reached, ...slice().short].map((row) => row.method);
  const named = [...lines]
    .sort((a, b) => order.indexOf(a.method.id) - order.indexOf(b.method.id))
    .filter(({ method }) => isSelected(method.id))
    .slice(0, MOST_NAMED);
  const pixels = pixelsOf(frame, width, tall);
  const placed = placeNames(
    named.map(({ method, line }) => ({ text: method.name, points: line.map(pixels.of) })),
    obstacles(lines, named, frame, pixels, width),
    width,
    tall,
  );
  return placed.flatMap((place, at) => {
    if (!place) return [];
    const { point, dx, dy } = place;
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
