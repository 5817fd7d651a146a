// The codes themselves: balance of their bits, distinct codes, and Hamming distances within and between classes.

const HALF = 0.5;
const PAIRS = {
  within: { name: 'of one class', ink: 'right', dash: 'solid' },
  between: { name: 'of different classes', ink: 'wrong', dash: 'dash' },
  all: { name: 'of a query and an item', ink: 'accent', dash: 'solid' },
};

const isOfCodes = ({ panels: { codes } }, key) => Boolean(codes) && Object.hasOwn(codes.sets, key);

STATE_FIELDS.codes = textField('', (value) => DATA.sets.some((set) => isOfCodes(set, value)));

function drawCodes() {
  const part = partOfSet('codes');
  if (!part) return false;
  const used = new Set(chosenRows().flatMap((row) => row.keys.map((key) => part.same[key])));
  const sets = Object.entries(part.sets).filter(([key]) => used.has(key));
  const missing = missingText(part.missing, 'set of codes', 'sets of codes');
  if (!sets.length && !missing) return false;
  byId('codes-note').textContent = sentences(
    sets.length && codesText(sets),
    currentSet().rows.some((row) => seedOf(row, part.same)) && 'Of several seeds the codes of the first are shown.',
    missing,
  );
  byId('codes-shown').hidden = !sets.length;
  if (!sets.length) return true;
  const [key, shown] = shownCodes(part, sets);
  drawCodesTable(sets, key);
  describeChart('ones', `${shown.name}: the share of codes in which each bit is 1. Its extreme is in the table above.`);
  describeChart('distances', `${shown.name}: Hamming distances of pairs. Their means are in the table above.`);
  chart('ones', [onesTrace(shown)], onesLayout(shown));
  chart('distances', distanceTraces(shown), distancesLayout(shown));
  return true;
}

/** The codes that were asked for, or those of a selected method, or the first: their key and what is known of them. */
function shownCodes(part, sets) {
  const own = state.selected.length ? focusRows(1).map((row) => entryOf(row, part.same)) : [];
  const wanted = [state.codes, ...own].find((key) => sets.some(([one]) => one === key));
  return sets.find(([key]) => key === wanted) || sets[0];
}

function codesText(sets) {
  const over = distinct(sets.map(([, { queries, drawn }]) => drawnText(drawn, queries, 'queries')));
  return (
    'A good code uses its bits evenly, and puts items of one class near each other. Distances are those between ' +
    `every item of the database and ${over.join(' or ')}. A name shows its codes below.`
  );
}

function drawCodesTable(sets, shownKey) {
  const labelled = sets.some(([, { distances }]) => distances.within || distances.between);
  const means = labelled ? ['mean distance in a class', 'to other classes'] : ['mean distance'];
  fillSmallTable(
    'codes-table',
    'Every set of codes',
    ['Codes', 'items', 'distinct codes', 'least balanced bit', ...means],
    sets.map(([key, one]) => [codesHead(key, one, shownKey), ...codesCells(one, labelled)]),
  );
}

function codesHead(key, { name }, shownKey) {
  return el(
    'th',
    { scope: 'row' },
    el(
      'button',
      {
        type: 'button',
        id: `codes-${key}`,
        'aria-pressed': String(key === shownKey),
        onclick: () => change({ codes: key }),
      },
      name,
    ),
  );
}

function codesCells({ items, counted, distinct: differing, ones, distances }, labelled) {
  const least = ones.reduce((a, b) => (Math.abs(b - HALF) > Math.abs(a - HALF) ? b : a));
  const means = labelled ? [distances.within, distances.between] : [distances.all];
  return [
    count(items),
    counted < items ? `${count(differing)} of ${count(counted)} drawn` : count(differing),
    `${number(least * 100)} % ones`,
    ...means.map((shares) => number(meanDistance(shares))),
  ];
}

const meanDistance = (shares) => (shares ? shares.reduce((sum, one, distance) => sum + one * distance, 0) : null);

function onesTrace({ ones }) {
  return {
    type: 'bar',
    x: ones.map((_, bit) => bit),
    y: ones.map((one) => one * 100),
    marker: { color: colour('soft') },
    hovertemplate: 'bit %{x}: 1 in %{y:.1f} % of the codes<extra></extra>',
  };
}

function onesLayout({ ones }) {
  return baseLayout({
    bargap: 0.15,
    xaxis: { range: [-0.6, ones.length - 0.4], title: axisTitle('bit') },
    yaxis: { range: [0, 100], tickvals: [0, 25, 50, 75, 100], title: axisTitle('codes in which it is 1, %') },
    shapes: [{ ...ruleAt(50), layer: 'above', line: { color: colour('ink'), width: 1, dash: 'dot' } }],
  });
}

function distanceTraces({ distances }) {
  return Object.entries(distances).map(([kind, shares]) => ({
    x: shares.map((_, distance) => distance),
    y: shares.map((one) => one * 100),
    mode: 'lines',
    name: PAIRS[kind].name,
    line: { color: colour(PAIRS[kind].ink), dash: PAIRS[kind].dash, width: 2, shape: 'hvh' },
    hovertemplate: `%{y:.2f} % of the pairs ${PAIRS[kind].name} at distance %{x}<extra></extra>`,
  }));
}

function distancesLayout({ bits }) {
  return baseLayout({
    ...legendAbove(),
    xaxis: { range: [-0.5, bits + 0.5], title: axisTitle('Hamming distance') },
    yaxis: { rangemode: 'tozero', title: axisTitle('pairs, %') },
  });
}

addPanel({ id: 'codes', draw: drawCodes });
