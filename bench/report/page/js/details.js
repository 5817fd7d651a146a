// What a row opens: all that is known of it.

const MEGA = 1e6;

const withUnit = (value, unit) => (isNumber(value) ? `${number(value)} ${unit}` : '');
const yesOrNo = (value, yes, no) => (typeof value === 'boolean' ? (value ? yes : no) : '');

function range(row, name, unit) {
  const value = row[name];
  const stem = name.replace(/_p50$/, '');
  const [low, high] = [row[`${stem}_low`], row[`${stem}_high`]];
  if (!isNumber(value)) return '';
  const isKnown = isNumber(low) && low < high;
  const ends = isVague(low, high) ? TOO_FEW : isKnown ? `${number(low)}–${number(high)}` : '';
  return `${number(value)} ${unit}${ends ? ` (${ends})` : ''}`.trim();
}

/** A moment to the minute, in which no line is broken; as it is where it is no moment. */
function dateText(text) {
  const date = new Date(text || '');
  if (Number.isNaN(date.getTime())) return text;
  return `${date.toISOString().slice(0, 16).replace('T', '\u00a0')}\u00a0UTC`.replace(/-/g, '\u2011');
}

/** A list of names and values under a heading; null where no value is known. */
function detailsGroup(title, pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  if (!known.length) return null;
  const list = known.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, String(value))]);
  return el('section', {}, el('h3', {}, title), el('dl', {}, ...list));
}

function details(row) {
  const groups = [
    resultGroup(row),
    timeGroup(row),
    memoryGroup(row),
    ...settingsGroups(row),
    environmentGroup(row),
    versionsGroup(row),
    detailsGroup(
      row.keys.length > 1 ? 'Records' : 'Record',
      row.keys.map((key, at) => [`seed ${row.seeds[at]}`, key]),
    ),
  ];
  return el('div', {}, ...groups);
}

function resultGroup(row) {
  return detailsGroup('Result', [
    ['status', row.status || 'not run'],
    ['reason', row.reason],
    ['seeds that failed', row.failed || ''],
    ['remarks', row.remarks],
    ['collapse', row.collapse],
    ['database codes that differ', number(row.distinct_codes)],
    ['bits the same in all of them', number(row.constant_bits)],
    ...currentSet().measures.map(({ id, name }) => [name, share(row[id])]),
    ['mAP, ties at best', share(row.map_best)],
    ['mAP, ties at worst', share(row.map_worst)],
    ['mAP, ties by index', share(row.map_by_index)],
    ['published P@10', printed(row.reference_precision_at_10)],
    ['published mAP', printed(row.reference_map)],
    ['published of', row.reference_name ? `${row.reference_name}${compares(row) ? '' : ', other data'}` : ''],
    ['model', row.model],
    ['database codes', row.database_codes],
    ['finished', dateText(row.finished)],
  ]);
}

function timeGroup(row) {
  const floor = isNumber(row.floor_percent)
    ? `${withUnit(row.floor_ms, 'ms')}, ${number(row.floor_percent)} % of the time`
    : withUnit(row.floor_ms, 'ms');
  return detailsGroup('Time', [
    ['a query, median', range(row, 'latency_ms_p50', 'ms')],
    ['95 %', withUnit(row.latency_ms_p95, 'ms')],
    ['99 %', withUnit(row.latency_ms_p99, 'ms')],
    ['mean', withUnit(row.latency_ms_mean, 'ms')],
    ['published, mean', withUnit(row.reference_ms, 'ms')],
    [`over ${row.ratio_to ? referenceName(row) : 'the reference'}`, range(row, 'ratio', '')],
    ['all queries one by one', withUnit(row.seconds_all_queries, 's')],
    ['batch, all threads', range(row, 'throughput_qps', 'queries/s')],
    ['batch, one thread', range(row, 'throughput_one_thread_qps', 'queries/s')],
    ['encoding a query', range(row, 'encode_ms', 'ms')],
    ['training', withUnit(row.fit_seconds, 's')],
    ['trained on', (row.trainers || []).join(', ')],
    ['timed on', row.machine],
    ['host', (row.hosts || []).join(', ')],
    ['floor of the machine', floor],
    ['speed of the machine', yesOrNo(row.unstable, 'moved by more than 10 %', 'steady')],
    ['others on the machine', yesOrNo(row.loaded, 'kept it busy', 'quiet')],
  ]);
}

function memoryGroup(row) {
  const megabytes = (value) => withUnit(isNumber(value) ? value / MEGA : undefined, 'MB');
  return detailsGroup('Build and memory', [
    ['build', range(row, 'build_seconds', 's')],
    ['needed to answer', megabytes(row.index_bytes)],
    ['codes', megabytes(row.code_bytes)],
    ['as the paper counts', megabytes(row.paper_bytes)],
    ['taken while building', megabytes(row.build_bytes)],
    ['peak while building', megabytes(row.build_peak_bytes)],
    ['database', isNumber(row.database_items) ? plural(row.database_items, 'item', 'items') : ''],
    ['queries', isNumber(row.queries) ? count(row.queries) : ''],
  ]);
}

function settingsGroups(row) {
  return settingsOf(row).map(([role, { plugin, ...values }]) =>
    detailsGroup(`${capital(role)} ${plugin || ''}`, Object.entries(values)),
  );
}

const ENVIRONMENT_NAMES = { memory_bytes: 'memory', cores: 'cores in all', dirty: 'edited since' };

function environmentText(name, value) {
  if (name === 'memory_bytes') return `${count(value / GIBIBYTE)} GiB`;
  if (name === 'dirty') return value ? 'yes' : 'no';
  return name === 'revision' ? String(value).slice(0, 10) : value;
}

function environmentGroup(row) {
  const known = DATA.environments[row.environment];
  if (!known) return null;
  return detailsGroup(
    'Environment',
    Object.entries(known)
      .filter(([name]) => name !== 'libraries')
      .map(([name, value]) => [ENVIRONMENT_NAMES[name] || name, environmentText(name, value)]),
  );
}

function versionsGroup(row) {
  const known = DATA.environments[row.environment];
  return detailsGroup('Versions', Object.entries((known && known.libraries) || {}));
}
