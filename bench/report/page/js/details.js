// What a row opens: all that is known of it.

const MEGA = 1e6;
const MILLI = 1e3;

const withUnit = (value, unit) => (isNumber(value) ? `${number(value)} ${unit}` : '');

/** What disturbed a row's timings, of which it has one a seed; '' where nothing is known of it. */
function disturbed([some, all] = [0, 0], yes, no) {
  if (!some) return all ? no : '';
  return all > 1 ? `${yes} in ${some === all ? `all ${count(all)}` : `${count(some)} of ${count(all)}`} timings` : yes;
}

function range(row, name, unit) {
  const value = row[name];
  const stem = name.replace(/_p50$/, '');
  const [low, high] = [row[`${stem}_low`], row[`${stem}_high`]];
  if (!isNumber(value)) return '';
  const words = intervalWords(low, high);
  return `${number(value)} ${unit}${words && ` (${words})`}`.trim();
}

/** A moment to the minute, in which no line is broken, however narrow; as it is where it is no moment. */
function dateText(text) {
  const date = new Date(text || '');
  if (Number.isNaN(date.getTime())) return text;
  return whole(`${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`);
}

/** The queries of the whole split, of which those that were timed may be a part: their time over that of one. */
const queriesInAll = (row) => Math.round((MILLI * row.seconds_all_queries) / row.latency_ms_mean);

/** A list of names and values under a heading; null where no value is known. */
function detailsGroup(title, pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  if (!known.length) return null;
  const list = known.flatMap(([name, value]) => [
    el('dt', {}, name),
    el('dd', {}, typeof value === 'object' ? value : String(value)),
  ]);
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
    ['published P@10', asPublished(row.reference_precision_at_10)],
    ['published mAP', asPublished(row.reference_map)],
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
    [`all ${count(queriesInAll(row))} queries, one by one`, withUnit(row.seconds_all_queries, 's')],
    ['batch, all threads', range(row, 'throughput_qps', 'queries/s')],
    ['batch, one thread', range(row, 'throughput_one_thread_qps', 'queries/s')],
    ['encoding a query', range(row, 'encode_ms', 'ms')],
    ['training', withUnit(row.fit_seconds, 's')],
    ['trained on', (row.trainers || []).join(', ')],
    [row.status === 'ok' ? 'timed on' : 'failed on', row.machine],
    ['host', (row.hosts || []).join(', ')],
    ['floor of the machine', floor],
    ['speed of the machine', disturbed(row.unstable, 'moved by more than 10 %', 'steady')],
    ['others on the machine', disturbed(row.loaded, 'kept it busy', 'quiet')],
    ['its speed while encoding', disturbed(row.encode_unstable, 'moved by more than 10 %', 'steady')],
    ['others while encoding', disturbed(row.encode_loaded, 'kept it busy', 'quiet')],
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
