// Rankings by codes: mAP against the length of the code, beside what was published of it.

const SERIES_SYMBOLS = ['circle', 'square', 'diamond', 'triangle-up', 'x', 'star', 'hexagon', 'triangle-down'];
const SERIES_DASHES = ['solid', 'dash', 'dot', 'dashdot', 'longdash'];

const isPlaceIn = (part, value) => Boolean(part) && part.sections.some((_, at) => String(at) === value);

STATE_FIELDS.ranking = textField('', (value) => DATA.sets.some(({ panels }) => isPlaceIn(panels.rankings, value)));

function drawRankings() {
  const part = partOfSet('rankings');
  const sections = part ? rankingSections(part) : [];
  if (!sections.length) return false;
  const section = sections.find(({ id }) => id === state.ranking) || sections[0];
  drawRadios(
    'rankings-section-choice',
    sections.map(({ id, name }) => [id, name]),
    section.id,
    (value) => change({ ranking: value }),
  );
  drawMap(section);
  drawCurves(part, section);
  return true;
}

/** The sections of codes with the series that the filters leave, those of features in each; or those of features. */
function rankingSections(part) {
  const found = part.sections
    .map((section, at) => ({ ...section, id: String(at), series: section.series.map(rankingSeries).filter(Boolean) }))
    .filter(({ series }) => series.length);
  const coded = found.filter(({ series }) => series.some(({ ofFeatures }) => !ofFeatures));
  const uncoded = found.flatMap(({ series }) => series.filter(({ ofFeatures }) => ofFeatures));
  const beside = uncoded.map((series) => ({ ...series, name: `${series.name}, features by distance` }));
  const sections = coded.map((section) => ({ ...section, series: [...section.series, ...beside] }));
  return (sections.length ? sections : found).map(toldApart);
}

/** A section whose series differ in dash and symbol, as colours are those of families. */
function toldApart(section) {
  const look = (at) => ({
    symbol: SERIES_SYMBOLS[at % SERIES_SYMBOLS.length],
    dash: SERIES_DASHES[at % SERIES_DASHES.length],
  });
  return { ...section, series: section.series.map((series, at) => ({ ...series, ...look(at) })) };
}

/** The mark of a series as the chart has it, beside its name; features have a line alone. */
const seriesMark = ({ method, symbol, ofFeatures }) =>
  ofFeatures ? null : dot({ ...method, open: false, dotted: false }, symbol);

/** A series with its method, and with the points that the filters leave; null where none is left. */
function rankingSeries(series) {
  const points = series.points.filter(({ key }) => {
    const row = rowOfKey(key);
    return row && row.protocol === protocol() && isOfChosen(state.family, families(), methodOf(row).family);
  });
  if (!points.length) return null;
  return { ...series, points, method: methodOf(rowOfKey(points[0].key)), ofFeatures: points[0].bits === null };
}

function lengthsIn(section) {
  return distinct(section.series.flatMap(({ points }) => points.map(({ bits }) => bits))).sort((a, b) => a - b);
}

/** The points with a published value, of our data or of other data. */
function publishedPoints({ points }, ofOurs) {
  return points.filter((point) => isNumber(point.published) && point.same_data === ofOurs);
}

function drawMap(section) {
  const bits = lengthsIn(section);
  byId('rankings-note').textContent = mapText(section);
  describeChart('map', 'mAP against the length of the code. The values are in the table below.');
  fillSmallTable(
    'map-table',
    'mAP by method and length of the code',
    ['mAP', ...(bits.length ? bits.map((length) => `${length} bits`) : ['features'])],
    section.series.map((series) => mapRow(series, bits)),
  );
  chart(
    'map',
    section.series.flatMap((series) => mapTraces(series, bits)),
    mapLayout(bits, section.series.flatMap(mapEnds)),
  );
}

function mapText({ series }) {
  const papers = distinct(series.filter((one) => publishedPoints(one, false).length).map(({ paper }) => paper));
  return sentences(
    'mAP over the whole ranking, items at one distance in random order. Bars are the standard deviation over seeds.',
    series.some((one) => publishedPoints(one, true).length) &&
      'In brackets the value published for these data, and ours less it; hollow marks in the chart.',
    papers.length > 0 && `Pale dotted lines are what was published for other data (${papers.join('; ')}).`,
  );
}

function mapRow(series, bits) {
  const places = bits.length ? bits : [null];
  const pointAt = (length) => series.points.find((point) => series.ofFeatures || point.bits === length);
  const head = el('th', { scope: 'row' }, seriesMark(series), series.name);
  return [head, ...places.map((length) => mapCell(pointAt(length)))];
}

function mapCell(point) {
  if (!point) return el('td', {}, '–');
  const spread = isNumber(point.spread) ? ` ± ${printed(point.spread)}` : '';
  const published =
    isNumber(point.published) && point.same_data
      ? `(${asPublished(point.published)}, ${difference(point.map - point.published)})`
      : null;
  return el('td', {}, `${share(point.map)}${spread}`, published && el('span', { class: 'unit' }, published));
}

/** A series; hollow what was published of the same data, and pale what was published of other data. */
function mapTraces(series, bits) {
  const ink = inkOf(series.method);
  if (series.ofFeatures) {
    const points = bits.map((length) => ({ bits: length, value: series.points[0].map }));
    return [mapTrace(points, series.name, { mode: 'lines', line: { color: ink, width: 1.5, dash: series.dash } })];
  }
  const own = mapTrace(
    series.points.map((point) => ({ ...point, value: point.map })),
    series.name,
    {
      mode: 'lines+markers',
      cliponaxis: false,
      line: { color: ink, width: 2, dash: series.dash },
      marker: { color: ink, size: 8, symbol: series.symbol },
      error_y: {
        type: 'data',
        symmetric: false,
        array: series.points.map(({ map, spread }) => mapTop(map, spread) - map),
        arrayminus: series.points.map(({ spread }) => spread || 0),
        thickness: 1.2,
        width: 3,
        color: ink,
      },
    },
  );
  const published = (ofOurs) => publishedPoints(series, ofOurs).map((point) => ({ ...point, value: point.published }));
  const hollow = mapTrace(published(true), `${series.name}, published`, {
    mode: 'lines+markers',
    showlegend: false,
    line: { color: ink, width: 1, dash: 'dot' },
    marker: { color: ink, size: 9, symbol: `${series.symbol}-open` },
  });
  const pale = mapTrace(published(false), `${series.name}, ${series.paper}`, {
    mode: 'lines',
    showlegend: false,
    opacity: 0.45,
    line: { color: ink, width: 1.5, dash: 'dot' },
  });
  return [own, hollow, pale].filter(({ x }) => x.length);
}

function mapTrace(points, name, look) {
  return {
    x: points.map(({ bits }) => String(bits)),
    y: points.map(({ value }) => value),
    name: plotText(name),
    ...look,
    hovertemplate: `mAP %{y:.3f} at %{x} bits<extra>${plotText(name)}</extra>`,
  };
}

/** The upper end of a bar of the spread, which no share goes beyond. */
const mapTop = (map, spread) => Math.max(map, Math.min(MOST_SHARE, map + (spread || 0)));

/** The values that a series shows, with the ends of its bars. */
function mapEnds({ points }) {
  const ends = points.flatMap(({ map, spread }) => [map - (spread || 0), mapTop(map, spread)]);
  return [...ends, ...points.map(({ published }) => published)].filter(isNumber);
}

function mapLayout(bits, values) {
  return baseLayout({
    ...legendAbove(),
    xaxis: {
      type: 'category',
      categoryorder: 'array',
      categoryarray: bits.map(String),
      title: axisTitle('length of the code, bits'),
    },
    yaxis: { ...shareAxis(values), title: axisTitle('mAP') },
  });
}

addPanel({ id: 'rankings', draw: drawRankings });
