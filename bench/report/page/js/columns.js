// The columns of the table: what each shows of a row, and where there is something to show.

/** The published column beside each quality and each time. */
const PUBLISHED_COLUMNS = { map: 'reference_map', [`precision_at_${DATA.grid.k}`]: 'reference_precision_at_10' };
const compares = (row) => row.reference_compares === true;
const offBy = (row, own, published) =>
  compares(row) && isNumber(row[own]) && isNumber(row[published]) ? row[own] - row[published] : undefined;
const hasSome = (column) => chosenRows().some((row) => isNumber(row[column]));

/** Whether something was timed beside another search: a search over itself is 1. */
const isAgainstOther = () => finishedRows().some((row) => isNumber(row.ratio) && row.ratio !== 1);

const references = () => distinct(finishedRows().filter((row) => row.ratio_to).map(referenceName));
const referenceHead = () => (references().every((name) => / scan$/.test(name)) ? 'the scan' : 'the reference');

const column = (id, head, unit, name, more = {}) => ({
  id,
  head,
  unit,
  of: (row) => row[name],
  show: number,
  when: () => hasSome(name),
  ...more,
});
const scaled = (name, factor) => (row) => (isNumber(row[name]) ? row[name] * factor : undefined);

const between = (low, high) => (row) => (isNumber(row[low]) && isNumber(row[high]) ? [row[low], row[high]] : null);
/** The interval of the column with each id, as [low, high], where a row has one, whether or not it says anything. */
const INTERVALS = {
  time: between('latency_ms_low', 'latency_ms_high'),
  qps: between('throughput_qps_low', 'throughput_qps_high'),
  build: between('build_seconds_low', 'build_seconds_high'),
  encoding: between('encode_ms_low', 'encode_ms_high'),
  speed: ({ ratio_low: low, ratio_high: high }) => (low && high ? [1 / high, 1 / low] : null),
};

/** The interval of a column in words; '' where a row has none. */
function rangeText(id, row) {
  const [low, high] = (INTERVALS[id] && INTERVALS[id](row)) || [];
  return intervalWords(low, high);
}

/**
 * The columns there are; those that no row has anything in are left out. `part`: narrower pages leave it out;
 * `costs`: the cost that it shows, and stays for longer where that is the chosen one.
 */
const TABLE_COLUMNS = [
  { id: 'method', head: 'Method', text: true, of: (row) => methodOf(row).name },
  {
    id: 'setting',
    head: 'Setting',
    text: true,
    of: (row) => row.setting,
    part: 'mid',
    when: () => chosenRows().some((row) => row.setting),
  },
  {
    id: 'ending',
    head: 'Without a result',
    text: true,
    of: (row) => (row.status === 'ok' ? '' : endingOf(row)),
    when: () => finishedRows().length === 0 && chosenRows().length > 0,
  },
  column('bits', 'Length', 'bits', 'bits', { show: count, when: () => RANKS_CODES && hasSome('bits') }),
  { id: 'quality', head: () => measure().brief, of: quality, show: shareAndSpread, when: () => hasSome(measure().id) },
  {
    id: 'published',
    head: 'Published',
    of: (row) => row[PUBLISHED_COLUMNS[measure().id]],
    show: asPublished,
    part: 'mid',
    when: () => hasSome(PUBLISHED_COLUMNS[measure().id]),
  },
  {
    id: 'off',
    head: 'Ours minus it',
    of: (row) => offBy(row, measure().id, PUBLISHED_COLUMNS[measure().id]),
    show: difference,
    part: 'wide',
    when: () => chosenRows().some((row) => isNumber(offBy(row, measure().id, PUBLISHED_COLUMNS[measure().id]))),
  },
  ...DATA.sets
    .flatMap((set) => set.measures)
    .filter((one, at, every) => every.findIndex(({ id }) => id === one.id) === at)
    .flatMap((one) => {
      const also = (name) => hasSome(name) && one.id !== measure().id;
      const published = PUBLISHED_COLUMNS[one.id];
      return [
        column(one.id, one.brief, null, one.id, { show: share, part: 'wide', when: () => also(one.id) }),
        column(`published-${one.id}`, 'Published', one.brief, published, {
          show: asPublished,
          part: 'wide',
          when: () => also(published),
        }),
      ];
    }),
  column('time', 'Time', 'ms, median', 'latency_ms_p50', { rising: true }),
  column('published-time', 'Published', 'ms, mean', 'reference_ms', { rising: true, part: 'wide' }),
  {
    id: 'time-off',
    head: 'Ours minus it',
    unit: 'ms, mean',
    of: (row) => offBy(row, 'latency_ms_mean', 'reference_ms'),
    show: difference,
    part: 'wide',
    when: () => chosenRows().some((row) => isNumber(offBy(row, 'latency_ms_mean', 'reference_ms'))),
  },
  column('p99', 'Slow query', 'ms, 99 %', 'latency_ms_p99', { rising: true, part: 'wide' }),
  {
    id: 'speed',
    head: () => `Against ${referenceHead()}`,
    unit: 'times as fast',
    of: (row) => (row.ratio ? 1 / row.ratio : undefined),
    show: number,
    part: 'mid',
    when: isAgainstOther,
  },
  {
    id: 'speed-range',
    head: null,
    unit: 'interval',
    of: (row) => (row.ratio_high ? 1 / row.ratio_high : undefined),
    show: (_, row) => rangeText('speed', row),
    part: 'wide',
    when: () => isAgainstOther() && hasSome('ratio_low'),
  },
  column('qps', 'Batch', 'queries/s', 'throughput_qps', { costs: 'throughput', part: 'wide' }),
  column('build', 'Build', 's', 'build_seconds', { costs: 'build', rising: true, part: 'wide' }),
  column('memory', 'Memory', 'MB', 'index_bytes', { of: scaled('index_bytes', 1e-6), rising: true, part: 'mid' }),
  column('training', 'Training', 's', 'fit_seconds', {
    rising: true,
    part: 'mid',
    when: () => RANKS_CODES && hasSome('fit_seconds'),
  }),
  {
    id: 'trainer',
    head: 'Trained on',
    text: true,
    of: (row) => (row.trainers || []).join(', '),
    part: 'mid',
    when: () => RANKS_CODES && trainers().length > 1,
  },
  column('encoding', 'Encoding', 'ms a query', 'encode_ms', {
    rising: true,
    part: 'wide',
    when: () => RANKS_CODES && hasSome('encode_ms'),
  }),
  column('codes', 'Codes', 'MB', 'code_bytes', {
    of: scaled('code_bytes', 1e-6),
    rising: true,
    part: 'wide',
    when: () => RANKS_CODES && hasSome('code_bytes'),
  }),
];

function shareAndSpread(value, row) {
  const spread = (row.spread || {})[measure().id];
  return share(value) + (isNumber(spread) ? ` ± ${printed(spread)}` : '');
}

const shownColumns = once(() => TABLE_COLUMNS.filter(({ when }) => !when || when()));
const headOf = ({ head }) => (typeof head === 'function' ? head() : head);
const partOf = ({ costs, part }) => (part === 'wide' && costs === costName() ? 'mid' : part);
const textOf = (one, row) => (one.text ? one.of(row) || '' : one.show(one.of(row), row));
