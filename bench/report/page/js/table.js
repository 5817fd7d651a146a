// Every search or ranking in a table: sorted, found, and with what was published of it.

const SHORT_TABLE = 12;
const SLACK = 3; // rows that are shown rather than hidden behind a button

Object.assign(STATE_FIELDS, {
  sort: textField('', (value) => TABLE_COLUMNS.some(({ id, head }) => id === value && head)),
  dir: textField('', oneOf('up', 'down')),
  find: textField(''),
  reach: textField('', oneOf('yes')),
  all: textField('', oneOf('yes')),
  open: listField((value) => inSome('rows', (row) => rowId(row) === value)),
});

const sortColumn = once(
  () =>
    shownColumns().find(({ id, head }) => id === state.sort && head) ||
    shownColumns().find(({ id }) => id === 'quality') ||
    shownColumns()[0],
);
const isRising = once(() => (state.dir ? state.dir === 'up' : Boolean(sortColumn().rising || sortColumn().text)));

/** The rows that the table is about, sorted: those with a result, and below them the others. */
const tableRows = once(() => {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const isFound = (row) => {
    const text = [methodOf(row).name, methodOf(row).family, row.setting, row.status, row.reason]
      .join(' ')
      .toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const found = chosenRows().filter(isFound);
  const done = found.filter((row) => row.status === 'ok' && (!state.reach || quality(row) >= level() - SMALL));
  return { done: done.sort(bySortColumn), undone: found.filter((row) => row.status !== 'ok') };
});

/** In the order that was asked for; what has no value stands last in either. */
function bySortColumn(a, b) {
  const one = sortColumn();
  const [p, q] = [one.of(a), one.of(b)];
  const sign = isRising() ? 1 : -1;
  if (one.text) return sign * String(p || '').localeCompare(String(q || ''), 'en', { numeric: true });
  if (!isNumber(p) || !isNumber(q)) return Number(isNumber(q)) - Number(isNumber(p));
  return sign * (p - q);
}

const cutTo = (rows) => (state.all || rows.length <= SHORT_TABLE + SLACK ? rows : rows.slice(0, SHORT_TABLE));

function drawTable() {
  const { done, undone } = tableRows();
  const [word, words] = RANKS_CODES ? ['ranking', 'rankings'] : ['search', 'searches'];
  const [shown, all] = [chosenRows().length, currentSet().rows.length];
  byId('table-heading').textContent =
    shown === all ? `Every ${word}` : `${count(shown)} of ${plural(all, word, words)}: those chosen above`;
  if (byId('find').value !== state.find) byId('find').value = state.find;
  byId('reach').checked = Boolean(state.reach);
  byId('reach-text').textContent = `only what reaches ${levelText(level())}${ofHalf('report')}`;
  byId('reach-label').hidden = !finishedRows().length;
  byId('count').textContent =
    plural(done.length, word, words) + (undone.length ? `, and ${count(undone.length)} without a result` : '');
  const hidden = done.length + undone.length - cutTo(done).length - cutTo(undone).length;
  byId('more').hidden = !hidden && !(state.all && done.length + undone.length > SHORT_TABLE + SLACK);
  byId('more').textContent = state.all ? 'Show fewer' : `Show all ${count(done.length + undone.length)}`;
  sayCut('more', hidden, done.length + undone.length);
  byId('table-note').replaceChildren(
    ...noteOf('published', aboutPublished()),
    ...noteOf('speed', aboutReference()),
    ...aboutIntervals(),
  );
  byId('table').tHead.replaceChildren(el('tr', {}, ...shownColumns().map(headCell)));
  byId('table').tBodies[0].replaceChildren(...cutTo(done).flatMap(doneRow), ...cutTo(undone).flatMap(undoneRow));
  return true;
}

function headCell(one) {
  const sorted = one === sortColumn();
  const unit = one.unit ? el('span', { class: 'unit' }, one.unit) : null;
  const attributes = {
    scope: 'col',
    class: classOf(one),
    'aria-sort': sorted ? (isRising() ? 'ascending' : 'descending') : null,
  };
  if (!one.head) return el('th', attributes, unit);
  const mark = sorted ? (isRising() ? '\u00a0↑' : '\u00a0↓') : '';
  return el(
    'th',
    attributes,
    el(
      'button',
      {
        type: 'button',
        id: `sort-${one.id}`,
        onclick: () =>
          change({ sort: one.id, dir: (sorted ? !isRising() : Boolean(one.rising || one.text)) ? 'up' : 'down' }),
      },
      headOf(one) + mark,
      unit,
    ),
  );
}

const classOf = (one) => [one.text ? 'text' : '', partOf(one) || ''].filter(Boolean).join(' ') || null;

function nameCell(row) {
  const open = state.open.includes(rowId(row));
  return el(
    'th',
    { scope: 'row' },
    el(
      'button',
      {
        type: 'button',
        id: `row-${rowId(row)}`,
        'aria-expanded': String(open),
        'aria-controls': open ? `details-${rowId(row)}` : null,
        onclick: () => change({ open: toggled(state.open, rowId(row)) }),
      },
      dot(methodOf(row)),
      unbroken(methodOf(row).name),
      row.setting ? el('span', { class: 'unit narrow' }, unbroken(row.setting)) : null,
    ),
  );
}

function doneRow(row) {
  const chosen = selectedHere().length ? (isSelected(row.method) ? 'chosen' : 'muted') : null;
  const cells = shownColumns()
    .slice(1)
    .map((one) =>
      el(
        'td',
        {
          class:
            [classOf(one), /^(published|off)/.test(one.id) && !compares(row) ? 'stranger' : '']
              .filter(Boolean)
              .join(' ') || null,
          title: rangeText(one.id, row) ? `95 % interval: ${rangeText(one.id, row)}` : null,
        },
        one.text ? unbroken(textOf(one, row)) : textOf(one, row),
      ),
    );
  return [el('tr', { class: chosen }, nameCell(row), ...cells), ...opened(row)];
}

/** How a row ended that has no result. */
const endingOf = (row) => (row.status ? `${row.status}: ${row.reason || 'no reason was kept'}` : 'not run yet');

/** A row without a result, with its reason. */
function undoneRow(row) {
  const hasSetting = shownColumns().some(({ id }) => id === 'setting');
  const setting =
    RANKS_CODES && isNumber(row.bits) ? [row.setting, `${row.bits} bits`].filter(Boolean).join(', ') : row.setting;
  return [
    el(
      'tr',
      { class: 'undone' },
      nameCell(row),
      hasSetting ? el('td', { class: 'text mid' }, unbroken(setting || '')) : null,
      el(
        'td',
        { class: 'text', colspan: shownColumns().length - (hasSetting ? 2 : 1) },
        unbroken(hasSetting || !setting ? endingOf(row) : `${setting}; ${endingOf(row)}`),
      ),
    ),
    ...opened(row),
  ];
}

function opened(row) {
  if (!state.open.includes(rowId(row))) return [];
  return [
    el(
      'tr',
      { class: 'details', id: `details-${rowId(row)}` },
      el('td', { colspan: shownColumns().length }, details(row)),
    ),
  ];
}

/** What is said of some columns, which leaves a narrow page together with the last of them. */
function noteOf(id, text) {
  const parts = shownColumns()
    .filter((one) => one.id.startsWith(id))
    .map(partOf);
  if (!parts.length || !text) return [];
  return [el('span', { class: parts.includes('mid') ? 'mid' : 'wide' }, `${text} `)];
}

/** Whose the published figures are. */
function aboutPublished() {
  const rows = chosenRows().filter((row) =>
    [...Object.values(PUBLISHED_COLUMNS), 'reference_ms'].some((name) => isNumber(row[name])),
  );
  if (!rows.length) return '';
  const others = rows.filter((row) => !compares(row));
  if (!others.length) return "Published: the paper's values, of the same data.";
  const names = distinct(others.map((row) => row.reference_name)).join(', ');
  return `Published: the paper's values, of other data${names && ` (${names})`}, so no difference is shown.`;
}

function aboutReference() {
  const names = references().join(' or ');
  if (!names) return '';
  return `Against ${referenceHead()}: the time of ${names} over a method’s own in the same rounds.`;
}

/** Where intervals are that have no column. */
function aboutIntervals() {
  const some = Object.keys(INTERVALS).some((id) => tableRows().done.some((row) => rangeText(id, row)));
  if (!some) return [];
  return [el('span', { class: 'hint' }, 'Intervals stand at a figure on hovering, and in what a name opens.')];
}

function wireTable() {
  byId('find').addEventListener('input', () => change({ find: byId('find').value }));
  byId('reach').addEventListener('change', () => change({ reach: byId('reach').checked ? 'yes' : '' }));
  byId('more').addEventListener('click', () => change({ all: state.all ? '' : 'yes' }));
}

addPanel({ id: 'table', draw: drawTable });
