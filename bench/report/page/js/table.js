// Every search or ranking in a table: sorted, found, and with what was published of it.

const SHORT_TABLE = 12;
const SLACK = 3; // rows that are shown rather than hidden behind a button

Object.assign(STATE_FIELDS, {
  sort: textField(''), dir: textField('', oneOf('up', 'down')), find: textField(''),
  reach: textField('', oneOf('yes')), all: textField('', oneOf('yes')), open: listField(),
});

/** The published column beside each quality and each time. */
const PUBLISHED_COLUMNS = { map: 'reference_map', [`precision_at_${DATA.grid.k}`]: 'reference_precision_at_10' };
const publishedColumn = () => PUBLISHED_COLUMNS[measure().id];
const compares = (row) => row.reference_compares === true;
const offBy = (row, own, published) => (compares(row) && isNumber(row[own]) && isNumber(row[published]) ? row[own] - row[published] : undefined);
const hasSome = (column) => chosenRows().some((row) => isNumber(row[column]));

const column = (id, head, unit, name, more = {}) => ({
  id, head, unit, of: (row) => row[name], show: number, when: () => hasSome(name), ...more,
});
const scaled = (name, factor) => (row) => (isNumber(row[name]) ? row[name] * factor : undefined);

/** The columns there are; those that no row has anything in are left out. `part`: narrower pages leave it out. */
const TABLE_COLUMNS = [
  { id: 'method', head: 'Method', text: true, of: (row) => methodOf(row).name },
  { id: 'setting', head: 'Setting', text: true, of: (row) => row.setting, part: 'mid', when: () => chosenRows().some((row) => row.setting) },
  column('bits', 'Length', 'bits', 'bits', { show: count, when: () => RANKS_CODES && hasSome('bits') }),
  { id: 'quality', head: () => measure().brief, of: quality, show: shareAndSpread, when: () => hasSome(measure().id) },
  { id: 'published', head: 'Published', of: (row) => row[publishedColumn()], show: printed, part: 'mid', when: () => hasSome(publishedColumn()) },
  {
    id: 'off', head: 'Ours minus it', of: (row) => offBy(row, measure().id, publishedColumn()), show: difference, part: 'wide',
    when: () => chosenRows().some((row) => isNumber(offBy(row, measure().id, publishedColumn()))),
  },
  ...DATA.sets.flatMap((set) => set.measures).filter((one, at, every) => every.findIndex(({ id }) => id === one.id) === at).map((one) => column(
    one.id, one.brief, null, one.id, { show: share, part: 'wide', when: () => hasSome(one.id) && one.id !== measure().id },
  )),
  column('time', 'Time', 'ms, median', 'latency_ms_p50', { rising: true }),
  column('published-time', 'Published', 'ms, mean', 'reference_ms', { rising: true, part: 'wide' }),
  {
    id: 'time-off', head: 'Ours minus it', unit: 'ms, mean', of: (row) => offBy(row, 'latency_ms_mean', 'reference_ms'), show: difference, part: 'wide',
    when: () => chosenRows().some((row) => isNumber(offBy(row, 'latency_ms_mean', 'reference_ms'))),
  },
  column('p99', 'Slow query', 'ms, 99 %', 'latency_ms_p99', { rising: true, part: 'wide' }),
  {
    id: 'speed', head: 'Against the scan', unit: 'times as fast', of: (row) => (row.ratio ? 1 / row.ratio : undefined), show: number, part: 'mid',
    when: () => hasSome('ratio'),
  },
  { id: 'speed-range', head: null, unit: 'interval', of: (row) => (row.ratio_high ? 1 / row.ratio_high : undefined), show: speedRange, part: 'wide', when: () => hasSome('ratio_low') },
  column('qps', 'Batch', 'queries/s', 'throughput_qps', { part: 'wide' }),
  column('build', 'Build', 's', 'build_seconds', { rising: true, part: 'wide' }),
  column('memory', 'Memory', 'MB', 'index_bytes', { of: scaled('index_bytes', 1e-6), rising: true, part: 'mid' }),
  column('training', 'Training', 's', 'fit_seconds', { rising: true, part: 'mid', when: () => RANKS_CODES && hasSome('fit_seconds') }),
  column('encoding', 'Encoding', 'ms a query', 'encode_ms', { rising: true, part: 'wide', when: () => RANKS_CODES && hasSome('encode_ms') }),
  column('codes', 'Codes', 'MB', 'code_bytes', { of: scaled('code_bytes', 1e-6), rising: true, part: 'wide', when: () => RANKS_CODES && hasSome('code_bytes') }),
];

function shareAndSpread(value, row) {
  const spread = (row.spread || {})[measure().id];
  return share(value) + (isNumber(spread) ? ` ± ${printed(spread)}` : '');
}

function speedRange(value, row) {
  return isNumber(row.ratio_low) && row.ratio_low < row.ratio_high ? `${number(1 / row.ratio_high)}–${number(1 / row.ratio_low)}` : '';
}

const shownColumns = once(() => TABLE_COLUMNS.filter(({ when }) => !when || when()));
const headOf = ({ head }) => (typeof head === 'function' ? head() : head);
const textOf = (one, row) => (one.text ? one.of(row) || '' : one.show(one.of(row), row));
const sortColumn = once(() => shownColumns().find(({ id, head }) => id === state.sort && head) || shownColumns().find(({ id }) => id === 'quality') || shownColumns()[0]);
const isRising = once(() => (state.dir ? state.dir === 'up' : Boolean(sortColumn().rising || sortColumn().text)));

/** The rows that the table is about, sorted: those with a result, and below them the others. */
const tableRows = once(() => {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const isFound = (row) => {
    const text = [methodOf(row).name, methodOf(row).family, row.setting, row.status, row.reason].join(' ').toLowerCase();
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
  byId('table-heading').textContent = `Every ${word}`;
  if (byId('find').value !== state.find) byId('find').value = state.find;
  byId('reach').checked = Boolean(state.reach);
  byId('reach-text').textContent = `only what reaches ${levelText(level())}`;
  byId('reach-label').hidden = !finishedRows().length;
  byId('count').textContent = plural(done.length, word, words) + (undone.length ? `, and ${count(undone.length)} without a result` : '');
  const hidden = done.length + undone.length - cutTo(done).length - cutTo(undone).length;
  byId('more').hidden = !hidden && !(state.all && done.length + undone.length > SHORT_TABLE + SLACK);
  byId('more').textContent = state.all ? 'Show fewer' : `Show all ${count(done.length + undone.length)}`;
  byId('table-note').textContent = [aboutPublished(), ...(RANKS_CODES ? [] : [aboutReference()])].filter(Boolean).join(' ');
  byId('table').tHead.replaceChildren(el('tr', {}, ...shownColumns().map(headCell)));
  byId('table').tBodies[0].replaceChildren(...cutTo(done).flatMap(doneRow), ...cutTo(undone).flatMap(undoneRow));
  return true;
}

function headCell(one) {
  const sorted = one === sortColumn();
  const unit = one.unit ? el('span', { class: 'unit' }, one.unit) : null;
  const attributes = { scope: 'col', class: classOf(one), 'aria-sort': sorted ? (isRising() ? 'ascending' : 'descending') : null };
  if (!one.head) return el('th', attributes, unit);
  const mark = sorted ? (isRising() ? '\u00a0↑' : '\u00a0↓') : '';
  return el('th', attributes, el('button', {
    type: 'button', id: `sort-${one.id}`,
    onclick: () => change({ sort: one.id, dir: (sorted ? !isRising() : Boolean(one.rising || one.text)) ? 'up' : 'down' }),
  }, headOf(one) + mark, unit));
}

const classOf = (one) => [one.text ? 'text' : '', one.part || ''].filter(Boolean).join(' ') || null;

function nameCell(row) {
  const open = state.open.includes(rowId(row));
  return el('th', { scope: 'row' }, el('button', {
    type: 'button', id: `row-${rowId(row)}`, 'aria-expanded': String(open), 'aria-controls': open ? `details-${rowId(row)}` : null,
    onclick: () => change({ open: toggled(state.open, rowId(row)) }),
  }, dot(methodOf(row)), methodOf(row).name));
}

function doneRow(row) {
  const chosen = selectedHere().length ? (isSelected(row.method) ? 'chosen' : 'muted') : null;
  const cells = shownColumns().slice(1).map((one) => el('td', {
    class: [classOf(one), /^(published|off)/.test(one.id) && !compares(row) ? 'stranger' : ''].filter(Boolean).join(' ') || null,
  }, textOf(one, row)));
  return [el('tr', { class: chosen }, nameCell(row), ...cells), ...opened(row)];
}

/** A row without a result, with its reason. */
function undoneRow(row) {
  const hasSetting = shownColumns().some(({ id }) => id === 'setting');
  const reason = row.status ? `${row.status}: ${row.reason || 'no reason was kept'}` : 'not run yet';
  const setting = RANKS_CODES && isNumber(row.bits) ? [row.setting, `${row.bits} bits`].filter(Boolean).join(', ') : row.setting;
  return [el('tr', { class: 'undone' }, nameCell(row), hasSetting ? el('td', { class: 'text mid' }, setting || '') : null,
    el('td', { class: 'text', colspan: shownColumns().length - (hasSetting ? 2 : 1) }, hasSetting || !setting ? reason : `${setting}; ${reason}`)), ...opened(row)];
}

function opened(row) {
  if (!state.open.includes(rowId(row))) return [];
  return [el('tr', { class: 'details', id: `details-${rowId(row)}` }, el('td', { colspan: shownColumns().length }, details(row)))];
}

/** Whose the published figures are. */
function aboutPublished() {
  const rows = chosenRows().filter((row) => isNumber(row[publishedColumn()]) || isNumber(row.reference_ms));
  if (!rows.length) return '';
  const others = rows.filter((row) => !compares(row));
  const names = [...new Set(others.map((row) => row.reference_name).filter(Boolean))];
  return others.length ? `Published: the paper's values, of other data${names.length ? ` (${names.join(', ')})` : ''}, so no difference is shown.`
    : 'Published: the paper\'s values, of the same data.';
}

function aboutReference() {
  const names = [...new Set(finishedRows().map((row) => row.ratio_to).filter(Boolean))];
  return names.length && hasSome('ratio') ? `Against the scan: time over that of ${names.join(' or ')} in the same rounds, with its 95 % interval.` : '';
}

function wireTable() {
  byId('find').addEventListener('input', () => change({ find: byId('find').value }));
  byId('reach').addEventListener('change', () => change({ reach: byId('reach').checked ? 'yes' : '' }));
  byId('more').addEventListener('click', () => change({ all: state.all ? '' : 'yes' }));
}

addPanel({ id: 'table', draw: drawTable });
