// How the time varies from query to query: the distribution of each search's times.

const ECDF_ROWS = 3;
const ECDF_TICKS = [0, 25, 50, 75, 95];

function drawEcdf() {
  const part = partOfSet('ecdf');
  if (!part) return false;
  const known = focusEntries(ECDF_ROWS, part.searches);
  const missing = missingText(part.missing, 'search', 'searches');
  if (!known.length && !missing) return false;
  byId('ecdf-note').textContent = sentences(
    known.length && ecdfText(known.map(([row]) => row)),
    aboutSeeds(known, part.searches),
    missing,
  );
  byId('ecdf-shown').hidden = !known.length;
  if (!known.length) return true;
  describeChart('ecdf', 'Distribution of the time of a query. Its percentiles are in the table beside it.');
  fillSmallTable(
    'ecdf-table',
    'Percentiles of the time of a query, in milliseconds',
    ['ms per query', 'median', '95 %', '99 %', 'slowest'],
    known.map(([row, { p50, p95, p99, slowest }]) => [
      methodHead(row, part.searches),
      ...[p50, p95, p99, slowest].map(number)]),
  );
  chart(
    'ecdf',
    known.map((one) => ecdfTrace(part.shares, one)),
    ecdfLayout(known),
  );
  return true;
}

function ecdfText(rows) {
  const { reached, short } = slice();
  const isChosen = rows.some((row) => state.selected.includes(row.method));
  return sentences(
    'The share of queries, one after another on one thread, that were answered within a time.',
    isChosen ? 'The methods that are selected.' : 'The first methods; select others by their bars.',
    rows.some((row) => reached.includes(row)) && 'Each that reaches the chosen level is at its setting in the slice.',
    rows.some((row) => short.includes(row)) && 'Each that misses it is at its setting with the best quality.',
  );
}

function ecdfTrace(shares, [row, { ms }]) {
  const method = methodOf(row);
  return {
    x: ms,
    y: shares.map((one) => one * 100),
    mode: 'lines',
    line: { color: inkOf(method), width: 2, dash: dashOf(method) },
    hovertemplate: `%{y:.1f} % of the queries within %{x:.3g} ms<extra>${plotText(method.name)}</extra>`,
  };
}

function ecdfLayout(known) {
  const low = Math.min(...known.map(([, { ms }]) => ms[0])) * 0.9;
  const high = Math.max(...known.map(([, { ms }]) => ms.at(-2))) * 1.1; // the slowest one stands in the table
  return baseLayout({
    xaxis: {
      type: 'log',
      range: [Math.log10(low), Math.log10(high)],
      ...logTicks(low, high, planeWidth('ecdf')),
      title: axisTitle('ms per query, log scale'),
    },
    yaxis: { range: [0, 101], tickvals: ECDF_TICKS, ticktext: ECDF_TICKS.map((tick) => `${tick} %`) },
    shapes: [ruleAt(50), ruleAt(95)],
  });
}

addPanel({ id: 'ecdf', draw: drawEcdf });
