// Precision against recall, and against N, of the codes of one length.

const CURVE_NUMBERS = [1, 10, 100, 1000];

STATE_FIELDS.length = textField('', isLength);

/** `part`: that of the rankings; `section`: the one that is seen. */
function drawCurves(part, section) {
  const found = curvesOf(part, section);
  const bits = distinct(found.map((point) => point.bits)).sort((a, b) => a - b);
  const length = bits.includes(Number(state.length)) ? Number(state.length) : bits.at(-1);
  const shown = found.filter((point) => point.bits === length);
  const missing = missingText(part.missing, 'ranking', 'rankings');
  byId('curves').hidden = !shown.length && !missing;
  byId('curves-shown').hidden = !shown.length;
  byId('curves-note').textContent = sentences(shown.length && curvesText(shown, length), missing);
  if (!shown.length) return;
  drawRadios(
    'curves-length',
    bits.map((one) => [String(one), `${one} bits`]),
    String(length),
    (value) => change({ length: value }),
  );
  drawCurveTable(shown);
  drawCurveCharts(shown);
}

/** The points of a section that have curves, each with its method and name. */
function curvesOf(part, section) {
  return section.series
    .flatMap(({ points, ...series }) =>
      points.map((point) => ({ ...series, ...point, curve: part.curves[point.key] })),
    )
    .filter(({ curve }) => curve);
}

function curvesText(shown, length) {
  const { queries, drawn } = shown[0].curve;
  return (
    `Codes of ${length} bits: precision and recall among the first N items, means over ` +
    `${drawnText(drawn, queries, 'queries')}; items at one distance in random order.`
  );
}

function drawCurveTable(shown) {
  const numbers = CURVE_NUMBERS.filter((n) => shown.every(({ curve }) => curve.numbers.includes(n)));
  fillSmallTable(
    'curves-table',
    'Precision among the first N items',
    ['Precision', ...numbers.map((n) => `N = ${count(n)}`)],
    shown.map((one) => [
      el('th', { scope: 'row' }, seriesMark(one), one.name),
      ...numbers.map((n) => share(one.curve.precision[one.curve.numbers.indexOf(n)])),
    ]),
  );
}

function drawCurveCharts(shown) {
  const largest = Math.max(...shown.map(({ curve }) => curve.numbers.at(-1)));
  const powers = Array.from({ length: Math.floor(Math.log10(largest)) + 1 }, (_, power) => 10 ** power);
  describeChart('precision-recall', 'Precision against recall. Some of its values are in the table below.');
  describeChart('precision-at', 'Precision among the first N items. Some of its values are in the table below.');
  chart(
    'precision-recall',
    shown.map((one) => curveTrace(one, one.curve.recall, 'recall %{x:.3f}')),
    curveLayout({ range: [0, 1.01], title: axisTitle('recall') }),
  );
  chart(
    'precision-at',
    shown.map((one) => curveTrace(one, one.curve.numbers, 'the first %{x:,}')),
    curveLayout({
      type: 'log',
      range: [0, Math.log10(largest) + 0.02],
      tickvals: powers,
      ticktext: powers.map(count),
      title: axisTitle('N, log scale'),
    }),
  );
}

function curveTrace({ name, method, dash, curve }, x, where) {
  return {
    x,
    y: curve.precision,
    mode: 'lines',
    name: plotText(name),
    line: { color: inkOf(method), width: 2, dash },
    hovertemplate: `precision %{y:.3f}, ${where}<extra>${plotText(name)}</extra>`,
  };
}

const curveLayout = (xaxis) =>
  baseLayout({ ...legendAbove(), xaxis, yaxis: { range: [0, 1.02], title: axisTitle('precision') } });
