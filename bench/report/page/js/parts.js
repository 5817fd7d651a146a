// What the panels share: their part of the data, a row's share of it, and what they say of what is missing.

/** A panel's part of the data set that is seen; null where it has nothing to show. */
const partOfSet = (name) => currentSet().panels[name] || null;

/** A row's entry in a table by record key: that of its first seed which has one. */
function entryOf(row, table) {
  const key = row.keys.find((one) => Object.hasOwn(table, one));
  return key === undefined ? null : table[key];
}

const rowsByKey = once(() => new Map(currentSet().rows.flatMap((row) => row.keys.map((key) => [key, row]))));
const rowOfKey = (key) => rowsByKey().get(key);

/** The rows in focus that have an entry in a table, each with it. */
function focusEntries(most, table) {
  return focusRows(most)
    .map((row) => [row, entryOf(row, table)])
    .filter(([, entry]) => entry);
}

/** What can't be shown, and why: a sentence for each reason. */
function missingText(missing, one, many) {
  const whom = (cells) => (isNumber(cells) ? ` for ${plural(cells, one, many)}` : '');
  return missing.map(({ cells, reason }) => `Not shown${whom(cells)}: ${reason}.`).join(' ');
}

/** Sentences in one text; those that are '' or false are left out. */
const sentences = (...texts) => texts.filter(Boolean).join(' ');

/** How many of something were drawn, where these are not all. */
function drawnText(drawn, all, what) {
  return drawn < all ? `${count(drawn)} of ${count(all)} ${what}, drawn by seed` : `all ${count(all)} ${what}`;
}

/** Whose entry of a table that is, of a row of several seeds; '' where there is only one. */
function seedOf(row, table) {
  const at = row.keys.findIndex((one) => Object.hasOwn(table, one));
  return row.keys.length > 1 && at >= 0 ? `seed ${row.seeds[at]}` : '';
}

/** What a panel of single seeds says of that, where some of its entries are of rows of several. */
const aboutSeeds = (known, table) =>
  known.some(([row]) => seedOf(row, table))
    ? 'Each is of one seed, named below it; the figures of the other tables are means over all seeds.'
    : '';

/** A method's name with its mark, and below it its setting and whose entry of the table it has. */
function methodHead(row, table) {
  const below = [row.setting, seedOf(row, table)].filter(Boolean).join(', ');
  return el(
    'th',
    { scope: 'row' },
    dot(methodOf(row)),
    unbroken(methodOf(row).name),
    below ? el('span', { class: 'unit' }, unbroken(below)) : null,
  );
}

/** Fill a small table: a hidden caption, the heads, of which the first is of texts, and rows of [head, ...texts]. */
function fillSmallTable(id, caption, heads, rows) {
  const [first, ...others] = heads;
  byId(id).replaceChildren(
    el('caption', { class: 'hidden' }, caption),
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        el('th', { scope: 'col', class: 'text' }, first),
        ...others.map((text) => el('th', { scope: 'col' }, text)),
      ),
    ),
    el(
      'tbody',
      {},
      ...rows.map(([head, ...cells]) =>
        el('tr', {}, head, ...cells.map((cell) => (typeof cell === 'string' ? el('td', {}, cell) : cell))),
      ),
    ),
  );
}

/** Name a chart for those who don't see it. */
const describeChart = (id, text) => byId(id).setAttribute('aria-label', text);

/** A horizontal line behind a chart's marks, from edge to edge. */
function ruleAt(y) {
  return {
    type: 'line',
    xref: 'paper',
    x0: 0,
    x1: 1,
    y0: y,
    y1: y,
    layer: 'below',
    line: { color: colour('rule'), width: 1 },
  };
}

/** Of a layout: the names of the lines stand above the chart. */
function legendAbove() {
  return {
    showlegend: true,
    legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom' },
    margin: { l: 56, r: 14, t: 34, b: 48 },
  };
}
