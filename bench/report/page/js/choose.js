// What is chosen of the data: the set, the filters, quality, level and cost, and the ranking that follows from them.

const DATA = JSON.parse(byId('data').textContent);
/** The settings of each plugin of a row, [role, settings]; the page has those that are equal once. */
function settingsOf(row) {
  return Object.entries(row.settings || {}).map(([role, place]) => [role, DATA.settings[place]]);
}

const RANKS_CODES = ['codes', 'models'].includes(DATA.grid.layout);

/** What a search costs. `more`: whether more of it is better. `low` and `high` are the columns of the interval. */
const COSTS = {
  latency: {
    name: 'time, one by one',
    head: 'ms per query, median',
    unit: 'ms a query',
    short: 'ms',
    best: 'fastest',
    column: 'latency_ms_p50',
    low: 'latency_ms_low',
    high: 'latency_ms_high',
    scale: 1,
    more: false,
    question: 'Which is fastest at the quality you need?',
    note: 'One query after another on one thread. The thin line is the 95 % interval over replicates.',
  },
  throughput: {
    name: 'throughput of a batch',
    head: 'queries per second',
    unit: 'queries a second',
    short: '1/s',
    best: 'fastest in a batch',
    column: 'throughput_qps',
    low: 'throughput_qps_low',
    high: 'throughput_qps_high',
    scale: 1,
    more: true,
    question: 'Which answers most queries at the quality you need?',
    note: 'Many queries in one call, on all threads. The thin line is the 95 % interval over replicates.',
  },
  memory: {
    name: 'memory',
    head: 'MB of index and vectors',
    unit: 'MB',
    short: 'MB',
    best: 'smallest',
    column: 'index_bytes',
    scale: 1e-6,
    more: false,
    question: 'Which is smallest at the quality you need?',
    note: 'What must stay in memory to answer queries, the vectors that are read included. 1 MB is 1,000,000 bytes.',
  },
  build: {
    name: 'build',
    head: 's to build the index',
    unit: 's to build',
    short: 's',
    best: 'quickest to build',
    column: 'build_seconds',
    low: 'build_seconds_low',
    high: 'build_seconds_high',
    scale: 1,
    more: false,
    question: 'Which is built quickest at the quality you need?',
    note: 'From features and codes to an index that answers. The thin line is the 95 % interval over replicates.',
  },
  bits: {
    name: 'length of the code',
    head: 'bits',
    unit: 'bits',
    short: 'bits',
    best: 'shortest code',
    column: 'bits',
    scale: 1,
    more: false,
    whole: true,
    question: 'Which code is shortest at the quality you need?',
    note: 'Of codes of equal length the better one stands first.',
  },
  training: {
    name: 'training',
    head: 's to train',
    unit: 's to train',
    short: 's',
    best: 'quickest to train',
    column: 'fit_seconds',
    scale: 1,
    more: false,
    question: 'Which is trained quickest at the quality you need?',
    note: 'Every network in front of the codes. A training may have found a part of it made before.',
  },
};
const SMALL = 1e-9;

/** Whether some row, or something else of a set, is so. */
const inSome = (kind, isMeant) => DATA.sets.some((set) => set[kind].some(isMeant));
const isLength = (value) => inSome('rows', ({ bits }) => isNumber(bits) && String(bits) === value);
const isLevel = (value) => value !== '' && Number(value) >= 0 && Number(value) <= 1;

Object.assign(STATE_FIELDS, {
  set: textField('', (value) => DATA.sets.some((set) => set.id === value)),
  protocol: textField('', (value) => inSome('protocols', ({ id }) => id === value)),
  features: textField('', (value) => inSome('features', ({ id }) => id === value)),
  machine: textField('', (value) => inSome('rows', (row) => row.machine === value)),
  family: listField((value) => inSome('methods', ({ family }) => family === value)),
  bits: listField(isLength),
  quality: textField('', (value) => inSome('measures', ({ id }) => id === value)),
  level: textField('', isLevel),
  cost: textField('', (value) => Object.hasOwn(COSTS, value)),
  selected: listField((value) => inSome('methods', ({ id }) => id === value)),
});

/** A function of the state alone, computed once for each state. */
function once(compute) {
  let known = null;
  let value;
  return () => {
    if (known !== state) [known, value] = [state, compute()];
    return value;
  };
}

const currentSet = once(() => DATA.sets.find((set) => set.id === state.set) || DATA.sets[0]);
const methodsById = once(() => new Map(currentSet().methods.map((method) => [method.id, method])));
const rowId = (row) => row.keys[0];
const methodOf = (row) => methodsById().get(row.method);

const chosenOf = (options, id) => (options.find((one) => one.id === id) || options[0]).id;
const protocol = once(() => chosenOf(currentSet().protocols, state.protocol));

/** How many searches rows have by what they hold in a field. */
function searchesBy(field, rows) {
  const counts = new Map();
  for (const { [field]: value, keys } of rows) {
    counts.set(value, (counts.get(value) || 0) + keys.length);
  }
  return counts;
}

/** The features over which something of the protocol was searched, those with most searches first. */
const offeredFeatures = once(() => {
  const counts = searchesBy(
    'features',
    currentSet().rows.filter((row) => row.protocol === protocol()),
  );
  return currentSet()
    .features.filter(({ id }) => counts.has(id))
    .sort((a, b) => counts.get(b.id) - counts.get(a.id));
});
const features = once(() => chosenOf(offeredFeatures(), state.features));

const rowsOfFeatures = once(() =>
  currentSet().rows.filter((row) => row.protocol === protocol() && row.features === features()),
);

/** The machine classes that searched these features, those with most searches first. Rankings name none. */
const offeredMachines = once(() => {
  const counts = searchesBy(
    'machine',
    rowsOfFeatures().filter((row) => row.machine),
  );
  return [...counts].sort((a, b) => b[1] - a[1]).map(([id]) => ({ id, name: id }));
});
const machineClass = once(() => (offeredMachines().length ? chosenOf(offeredMachines(), state.machine) : ''));

/** The rows of one machine class over the same features in the same protocol, which alone are compared. */
const comparedRows = once(() => rowsOfFeatures().filter((row) => !row.machine || row.machine === machineClass()));

const families = once(() => distinct(comparedRows().map((row) => methodOf(row).family)));
const lengths = once(() => distinct(comparedRows().map((row) => row.bits)).sort((a, b) => a - b));

function isOfChosen(chosen, offered, value) {
  const meant = chosen.filter((one) => offered.includes(one));
  return meant.length === 0 || meant.includes(value);
}

/** The rows that the filters leave, however they ended. */
const chosenRows = once(() =>
  comparedRows().filter(
    (row) =>
      isOfChosen(state.family, families(), methodOf(row).family) &&
      isOfChosen(state.bits.map(Number), lengths(), row.bits),
  ),
);
const finishedRows = once(() => chosenRows().filter((row) => row.status === 'ok'));

const measures = once(() => currentSet().measures.filter(({ id }) => finishedRows().some((row) => isNumber(row[id]))));
const measure = once(
  () => measures().find(({ id }) => id === state.quality) || measures()[0] || currentSet().measures[0],
);
const quality = (row) => row[measure().id];
const qualityText = () => measure().name;

/** The machine classes that trained what finished: the times of two are not compared. */
const trainers = once(() => distinct(finishedRows().flatMap((row) => row.trainers || [])));

const costNames = once(() =>
  Object.keys(COSTS).filter(
    (name) =>
      (name !== 'bits' || RANKS_CODES) &&
      (name !== 'training' || (RANKS_CODES && trainers().length < 2)) &&
      finishedRows().some((row) => isNumber(row[COSTS[name].column])),
  ),
);
const costName = once(() =>
  costNames().includes(state.cost) ? state.cost : costNames()[0] || (RANKS_CODES ? 'bits' : 'latency'),
);
const cost = () => COSTS[costName()];
const costOf = (row) => (isNumber(row[cost().column]) ? row[cost().column] * cost().scale : undefined);
const costText = (value) => (cost().whole ? count(value) : number(value));

/** Where queries were split, settings are chosen by what their first half says, and reported with the other's. */
const decidedBy = (row, column) => (isNumber(row[`tune_${column}`]) ? row[`tune_${column}`] : row[column]);
const isSplit = once(() => finishedRows().some((row) => isNumber(row[`tune_${measure().id}`])));
const decisive = (row) => decidedBy(row, measure().id);
const ofHalf = (half) => (isSplit() ? ` on the ${half} half` : '');

const rankable = once(() => finishedRows().filter((row) => isNumber(quality(row)) && isNumber(costOf(row))));

/** The least and the largest level to ask for, in hundredths: one that all reach, and the last that any reaches. */
const levelRange = once(() => {
  const values = rankable().map(decisive);
  if (!values.length) return [0, 1];
  const high = Math.floor(Math.max(...values) * 100 + 1e-7) / 100;
  return [Math.floor(Math.min(...values) * 100 + 1e-7) / 100, high];
});
const level = once(() => {
  const [low, high] = levelRange();
  const asked = state.level === '' ? measure().level : Math.round(Number(state.level) * 1000) / 1000;
  return Math.min(high, Math.max(low, asked));
});
const levelText = (value) => value.toFixed(3).replace(/0$/, '');
/** "recall@10 of 0.95", "0.97 of exact search's P@10". */
const qualityPhrase = (text) => (measure().share ? `${text} of ${measure().share}` : `${qualityText()} of ${text}`);
const levelPhrase = () => qualityPhrase(levelText(level()));

const byCost = (value) => (a, b) =>
  (cost().more ? value(b) - value(a) : value(a) - value(b)) || quality(b) - quality(a);

/**
 * The best row of each method that reaches the level, ranked by cost; and the highest of each that does not. Where
 * queries were split, the first half says who reaches it and which row of a method is best, as in the tables, and the
 * other half ranks the methods.
 */
const slice = once(() => {
  const rowsOf = new Map();
  rankable().forEach((row) => rowsOf.set(row.method, [...(rowsOf.get(row.method) || []), row]));
  const reached = [];
  const short = [];
  for (const rows of rowsOf.values()) {
    const enough = rows.filter((row) => decisive(row) >= level() - SMALL);
    if (enough.length) reached.push(enough.sort(byCost(decidingCost(enough)))[0]);
    else short.push(rows.reduce((best, row) => (decisive(row) > decisive(best) ? row : best)));
  }
  return { reached: reached.sort(byCost(costOf)), short: short.sort((a, b) => decisive(b) - decisive(a)) };
});

/** The cost that a method's row is chosen by: that of the first half, if it is known of all of them. */
function decidingCost(rows) {
  const tuned = `tune_${cost().column}`;
  return rows.every((row) => isNumber(row[tuned])) ? (row) => row[tuned] : costOf;
}

/** The search that a row was timed beside, by the name that it has here. */
function referenceName(row) {
  const own = comparedRows().find((one) => one.ratio_to === row.ratio_to && one.ratio === 1);
  if (!own) return row.ratio_to;
  return own.setting ? `${methodOf(own).name} with ${own.setting}` : methodOf(own).name;
}

const isCostVague = (row) => isVague(row[cost().low], row[cost().high]);

/** The ends of the interval of a row's cost, whether or not they say anything; null where it has none. */
function bounds(row) {
  const [low, high] = [row[cost().low], row[cost().high]];
  return isNumber(low) && isNumber(high) && low < high ? [low * cost().scale, high * cost().scale] : null;
}

/** The ends of an interval that says something; null where there is none. */
function interval(row) {
  const ends = bounds(row);
  return ends && !isVague(...ends) ? ends : null;
}

/** The selected methods that the filters leave. */
const selectedHere = once(() => state.selected.filter((id) => chosenRows().some((row) => row.method === id)));
const isSelected = (id) => selectedHere().length === 0 || selectedHere().includes(id);
const select = (id) => change({ selected: toggled(state.selected, id) });

/** The rows that a panel is about: those of the selected methods in the slice, or else the first `n` of the slice. */
function focusRows(n) {
  const { reached, short } = slice();
  const ranked = reached.length + short.length ? [...reached, ...short] : bestRows();
  const own = ranked.filter((row) => state.selected.includes(row.method));
  return own.length ? own : ranked.slice(0, n);
}

/** The best row of each method by quality, where nothing was timed. */
function bestRows() {
  const best = new Map();
  for (const row of finishedRows().filter((one) => isNumber(quality(one)))) {
    if (!best.has(row.method) || quality(row) > quality(best.get(row.method))) best.set(row.method, row);
  }
  return [...best.values()].sort((a, b) => quality(b) - quality(a));
}

/** The points that none beats: with less cost, none is as good. In order of cost. */
function frontOf(rows, costs) {
  let best = -Infinity;
  const ordered = [...rows].sort((a, b) => costs(a) - costs(b) || quality(b) - quality(a));
  return ordered.filter((row) => {
    const better = quality(row) > best;
    best = Math.max(best, quality(row));
    return better;
  });
}
