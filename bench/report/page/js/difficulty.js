// Recall by the difficulty of the query: tenths of the queries, the hardest first.

const DIFFICULTY_ROWS = 6;
const TENTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

function drawDifficulty() {
  const part = partOfSet('difficulty');
  if (!part) return false;
  const known = focusEntries(DIFFICULTY_ROWS, part.searches);
  const missing = missingText(part.missing, 'search', 'searches');
  if (!known.length && !missing) return false;
  const several = aboutSeeds(known, part.searches);
  const groups = distinct(known.map(([, { group }]) => group)).map((at) => part.groups[at]);
  byId('difficulty-note').textContent = sentences(
    known.length && difficultyText(),
    ...groups.map(groupText),
    several,
    missing,
  );
  byId('difficulty-shown').hidden = !known.length;
  if (!known.length) return true;
  describeChart('difficulty', 'Recall by tenths of the queries. Its ends are in the table beside it.');
  fillSmallTable(
    'difficulty-table',
    'Recall on the hardest and on the easiest tenth of the queries',
    [recallName(), 'hardest tenth', 'easiest tenth', several ? 'all queries and seeds' : 'all queries'],
    known.map(([row, { recall }]) => [
      methodHead(row, part.searches),
      ...[recall[0], recall.at(-1), row[`recall_at_${DATA.grid.k}`]].map(share),
    ]),
  );
  chart('difficulty', known.map(difficultyTrace), difficultyLayout(known.flatMap(([, { recall }]) => recall)));
  return true;
}

const recallName = () => `recall@${DATA.grid.k}`;

/** "1st", "2nd", "10th". */
function ordinal(n) {
  const ending = n % 100 > 10 && n % 100 < 14 ? 'th' : { 1: 'st', 2: 'nd', 3: 'rd' }[n % 10] || 'th';
  return `${count(n)}${ending}`;
}

function difficultyText() {
  return (
    'A query is hard where its nearest hardly stand out. Its relative contrast is the mean distance of the items ' +
    `over that of the ${ordinal(DATA.grid.k)} nearest (He, Kumar and Chang, ICML 2012).`
  );
}

/** Which queries were judged, and how hard they are. */
function groupText({ by, queries, drawn, items, rows, contrast: [hardest, middle, easiest] }) {
  const kind = { codes: 'codes', features: 'items' };
  const over = `Over ${drawnText(drawn, queries, 'queries')}, and ${drawnText(rows, items, kind[by])}`;
  const end = isNumber(easiest) ? `, and from ${number(easiest)} in the easiest` : '';
  return `${over}: it is up to ${number(hardest)} in the hardest tenth, ${number(middle)} in the middle${end}.`;
}

function difficultyTrace([row, { recall }]) {
  const method = methodOf(row);
  return {
    x: TENTHS,
    y: recall,
    mode: 'lines+markers',
    cliponaxis: false,
    line: { color: inkOf(method), width: 2, dash: dashOf(method) },
    marker: markerOf(method, inkOf(method), 8),
    hovertemplate: `recall %{y:.3f} on tenth %{x} of the queries<extra>${plotText(method.name)}</extra>`,
  };
}

function difficultyLayout(recalls) {
  const ends = { 1: 'hardest', 10: 'easiest' };
  return baseLayout({
    xaxis: {
      range: [0.7, 10.3],
      tickvals: TENTHS,
      ticktext: TENTHS.map((at) => ends[at] || (isNarrow() ? '' : String(at))),
      title: axisTitle('tenths of the queries by relative contrast'),
    },
    yaxis: { ...shareAxis(recalls), title: axisTitle(recallName()) },
  });
}

addPanel({ id: 'difficulty', draw: drawDifficulty });
