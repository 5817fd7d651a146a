// The table of all changes: filtered, sorted, saved.

STATE_FIELDS.only = textField('', (id) => ONLY.some((one) => one.id === id));
STATE_FIELDS.find = textField('');
STATE_FIELDS.sort = textField('', (id) => LIST_COLUMNS.some((one) => one.id === id));
STATE_FIELDS.dir = textField('up', oneOf('up', 'down'));
STATE_FIELDS.all = textField('', oneOf('1'));

const ONLY = [
  { id: '', name: 'all', holds: () => true },
  { id: 'moved', name: 'moved', holds: (one) => one.judged && one.verdict !== 'same' },
  { id: 'lost', name: 'lost', holds: (one) => one.lost },
  { id: 'others', name: 'not comparable', holds: (one) => !one.judged },
];
const FIRST_ROWS = 100;

const cellOf = (one) => DATA.cells[one.cell];
const figureName = (one) => (one.figure === null ? '' : figureTitle(DATA.figures[one.figure]));
const verdictWord = (one) => (one.verdict !== 'same' ? one.verdict : one.vague ? 'not known' : MARKS.same.name);
const verdictText = (one) => (one.note ? `${verdictWord(one)} (${one.note})` : verdictWord(one));

const LIST_COLUMNS = [
  { id: 'set', head: 'Data set', isText: true, of: (one) => cellOf(one).set, when: () => DATA.sets.length > 1 },
  { id: 'cell', head: 'Cell', isText: true, of: (one) => cellOf(one).name },
  { id: 'figure', head: 'Figure', isText: true, of: figureName },
  { id: 'before', head: 'Before', of: (one) => one.before, show: (one) => figureText(one, 'before') },
  { id: 'after', head: 'After', of: (one) => one.after, show: (one) => figureText(one, 'after') },
  { id: 'change', head: 'Change', of: (one) => one.change, show: (one) => percent(one.change) },
  { id: 'low', head: 'Interval', of: (one) => one.low, show: intervalText },
  { id: 'verdict', head: 'Verdict', isText: true, of: verdictText },
];

const listColumns = () => LIST_COLUMNS.filter((one) => !one.when || one.when());
const shownText = (column, one) => (column.show ? column.show(one) : column.of(one));

/** All by which a change can be found: a figure also by the name of its column. */
function textOf(one) {
  const column = one.figure === null ? '' : DATA.figures[one.figure].id;
  return [cellOf(one).set, cellOf(one).name, figureName(one), column, verdictText(one)].join(' ').toLowerCase();
}

/** The changes that the filters leave, in the order that is asked for, or else as the command prints them. */
function listedChanges() {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const { holds } = ONLY.find((one) => one.id === state.only);
  const kept = DATA.changes.filter((one) => holds(one) && words.every((word) => textOf(one).includes(word)));
  const column = LIST_COLUMNS.find((one) => one.id === state.sort);
  return column ? [...kept].sort((a, b) => compareBy(column, a, b)) : kept;
}

/** What has no number stands last, whichever way the others go. */
function compareBy(column, a, b) {
  const sign = state.dir === 'down' ? -1 : 1;
  const [p, q] = [column.of(a), column.of(b)];
  if (column.isText) return sign * p.localeCompare(q, 'en', { numeric: true });
  if (!isNumber(p) || !isNumber(q)) return Number(isNumber(q)) - Number(isNumber(p));
  return sign * (p - q);
}

function sortBy(column) {
  const isSorted = state.sort === column.id;
  change({ sort: column.id, dir: isSorted && state.dir === 'up' ? 'down' : 'up' });
}

function headCell(column) {
  const isSorted = state.sort === column.id;
  const arrow = isSorted ? (state.dir === 'up' ? '\u00a0↑' : '\u00a0↓') : '';
  const direction = isSorted ? (state.dir === 'up' ? 'ascending' : 'descending') : null;
  return el(
    'th',
    { scope: 'col', class: column.isText ? `text ${column.id}` : null, 'aria-sort': direction },
    el('button', { type: 'button', id: `sort-${column.id}`, onclick: () => sortBy(column) }, column.head + arrow),
  );
}

function listRow(one) {
  const moved = one.judged && one.verdict !== 'same';
  const look = moved ? `moved ${one.verdict}` : one.judged ? null : 'apart';
  return el(
    'tr',
    { class: look },
    ...listColumns().map((column) => {
      const text = shownText(column, one);
      if (column.id === 'cell') return el('th', { scope: 'row' }, unbroken(text));
      const of = { class: column.isText ? `text ${column.id}` : null, 'data-head': column.isText ? null : column.head };
      if (column.id !== 'verdict') return el('td', of, text);
      const sign = moved ? el('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[one.verdict].sign) : null;
      return el('td', of, sign, text, one.lost ? ' · loss' : null);
    }),
  );
}

function drawOnly() {
  const choices = ONLY.map((one) => [one.id, `${one.name} (${count(DATA.changes.filter(one.holds).length)})`]);
  drawRadios('only', choices, state.only, (only) => change({ only, all: '' }));
}

function drawList() {
  const listed = listedChanges();
  const cut = state.all ? listed : listed.slice(0, FIRST_ROWS);
  drawOnly();
  if (byId('find').value !== state.find) byId('find').value = state.find;
  byId('count').textContent = plural(listed.length, 'row', 'rows');
  byId('list').tHead.replaceChildren(el('tr', {}, ...listColumns().map(headCell)));
  byId('list').tBodies[0].replaceChildren(...cut.map(listRow));
  sayCut('more', listed.length - cut.length, listed.length);
  byId('more').hidden = listed.length <= FIRST_ROWS;
  byId('more').textContent = state.all ? `Show the first ${FIRST_ROWS}` : `Show all ${count(listed.length)}`;
}

/** The rows that are listed as CSV, with every digit. */
function listAsCsv() {
  const names = ['dataset', 'cell', 'figure', 'before', 'after', 'change', 'low', 'high', 'verdict', 'note'];
  const rows = listedChanges().map((one) => [
    cellOf(one).set,
    cellOf(one).name,
    one.figure === null ? '' : DATA.figures[one.figure].id,
    one.before,
    one.after,
    one.change,
    one.low,
    one.high,
    one.verdict,
    one.note,
  ]);
  return `${[names, ...rows].map((row) => row.map(csvValue).join(',')).join('\r\n')}\r\n`;
}
