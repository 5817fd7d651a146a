// The head of the page: whose data, what the slice says in a sentence and how sure that is, and the filters.

const NOT_RECORDED = 'not recorded'; // the class of what was timed before classes were kept
const MOVED = 'the speed of the machine itself moved by more than 10 %';

function drawHead() {
  const set = currentSet();
  byId('sets').hidden = DATA.sets.length < 2;
  byId('sets').replaceChildren(
    ...DATA.sets.map((one) =>
      el(
        'button',
        {
          type: 'button',
          id: `set-${one.id}`,
          'aria-current': one === set ? 'true' : null,
          onclick: () => change({ set: one.id, selected: [], open: [], level: '' }),
        },
        one.name,
      ),
    ),
  );
  byId('facts').textContent = facts(set);
  byId('notes').textContent = [`Grid ${DATA.grid.name}, recipe ${DATA.grid.recipe}`, ...set.notes]
    .map((note) => (note.endsWith('.') ? note : `${note}.`))
    .join(' ');
  byId('answer').replaceChildren(...(RANKS_CODES ? answerOfCodes() : answerOfSearches()));
  drawFilters(set);
  return true;
}

function facts(set) {
  const rows = comparedRows();
  const largest = (column) => Math.max(...rows.map((row) => row[column]).filter(isNumber));
  const counts = [
    ['database_items', 'items'],
    ['queries', 'queries'],
  ]
    .filter(([column]) => isNumber(largest(column)))
    .map(([column, word]) => `${count(largest(column))} ${word}`);
  const kind = set.features.find(({ id }) => id === features());
  if (kind && kind.id) counts.push(kind.name);
  return [`${[set.name, ...counts].join(', ')}.`, machine(rows), lastDay(rows)].filter(Boolean).join(' ');
}

/** The machines that the rows were measured on: their classes, or else as the environments say. */
function machine(rows) {
  const texts = distinct(rows.flatMap(classesOf));
  if (texts.length > 1) return `${count(texts.length)} machines.`;
  return texts.length ? `${texts[0]}.` : '';
}

/** The machine classes of a row, whose cores are those that it could use; of a failed row as its environment says. */
function classesOf(row) {
  const classes = distinct([row.machine, ...(row.trainers || [])]).filter((name) => name !== NOT_RECORDED);
  if (classes.length) return row.machine ? classes.slice(0, 1) : classes;
  return isNumber(row.environment) ? [machineText(DATA.environments[row.environment])] : [];
}

function machineText({ cpu, cores, usable_cores: usable = cores, memory_bytes: bytes }) {
  const of = usable === cores ? '' : `${usable} of `;
  const parts = [
    cpu,
    isNumber(cores) && of + plural(cores, 'core', 'cores'),
    isNumber(bytes) && `${count(bytes / GIBIBYTE)} GiB`,
  ];
  return parts.filter(Boolean).join(', ');
}

function lastDay(rows) {
  const last = rows
    .map((row) => row.finished)
    .filter(Boolean)
    .sort()
    .at(-1);
  const date = new Date(last || '');
  if (Number.isNaN(date.getTime())) return '';
  const form = { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' };
  return `${date.toLocaleDateString('en-GB', form).replace(/ /g, '\u00a0')}.`;
}

/** A name that no line is broken in. */
const whole = (text) => el('span', { class: 'nobreak' }, unbroken(text));

function answerOfSearches() {
  const [first, ...others] = slice().reached;
  if (!first) return [nothingReached()];
  const value = `${costText(costOf(first))}\u00a0${cost().unit}`;
  return [
    isSplit()
      ? `Of the settings chosen on the tune half for ${levelPhrase()}, the ${cost().best} here is `
      : `At ${levelPhrase()} the ${cost().best} here is `,
    whole(methodOf(first).name),
    first.setting ? ` with ${unbroken(first.setting)}: ${value}` : `: ${value}`,
    againstReference(first),
    isSplit() ? `. It has ${qualityPhrase(share(quality(first)))}${ofHalf('report')}.` : '.',
    el('small', {}, [doubt(first, others), unsteady()].filter(Boolean).join(' ')),
  ];
}

function nothingReached() {
  const rows = chosenRows();
  const failed = rows.filter((row) => row.status && row.status !== 'ok').length;
  if (slice().short.length) return `Nothing here reaches ${levelPhrase()}${ofHalf('tune')}.`;
  if (!rows.length) return 'Nothing was searched here.';
  if (finishedRows().length) return 'Of what finished here, nothing has both this quality and this cost.';
  return failed
    ? `Nothing here has a result: ${plural(failed, 'search', 'searches')} ended without one, for the reasons below.`
    : 'Nothing here was run yet.';
}

/** How many times as fast as the search that all are timed beside. */
function againstReference(row) {
  if (costName() !== 'latency' || !isNumber(row.ratio) || row.ratio === 1 || !row.ratio_to) return '';
  const times = 1 / row.ratio; // to the digits of the table, or it would stand outside its own interval
  return times >= 1.05
    ? `, ${number(times)} times as fast as ${referenceName(row)}`
    : `, no faster than ${referenceName(row)}`;
}

/** What keeps the first of the slice from being surely the best. */
function doubt(first, others) {
  if (!cost().low || !others.length) return '';
  const own = interval(first);
  if (!own)
    return `It has ${isCostVague(first) ? TOO_FEW : 'no interval'}, so nothing says how sure its lead is.`;
  const unknown = others.filter(isCostVague).length;
  const meets = (row) => {
    if (isCostVague(row)) return false;
    const other = interval(row) || [costOf(row), costOf(row)];
    return cost().more ? other[1] >= own[0] : other[0] <= own[1];
  };
  const close = others.filter(meets).length;
  if (!close && !unknown) return 'Its lead is beyond the intervals of all others.';
  if (!close) return `How sure its lead is, nothing says: ${plural(unknown, 'other has', 'others have')} ${TOO_FEW}.`;
  const whose =
    close === others.length
      ? close === 1
        ? 'the only other method'
        : `all ${close} others`
      : plural(close, 'other method', 'others');
  const overlap = close === 1 ? `the interval of ${whose} overlaps` : `the intervals of ${whose} overlap`;
  return `Its lead is not certain: ${overlap} its own.`;
}

function unsteady() {
  if (!cost().low) return '';
  const timed = cost().column === 'encode_ms' ? 'encode_' : '';
  return [during(`${timed}unstable`, MOVED), during(`${timed}loaded`, 'other programs kept the machine busy')]
    .filter(Boolean)
    .join(' ');
}

/** During how many timings, of which a row has one a seed, something was so; '' for none. */
function during(flag, words) {
  const known = finishedRows()
    .map((row) => row[flag])
    .filter(Boolean);
  const [some, all] = [0, 1].map((at) => known.reduce((sum, counts) => sum + counts[at], 0));
  if (!some) return '';
  if (all === 1) return `During the timing ${words}.`;
  if (some === all) return `During ${all === 2 ? 'both' : `all ${count(all)}`} timings ${words}.`;
  return `During ${count(some)} of ${count(all)} timings ${words}.`;
}

/** The best method at each length of the codes. */
function answerOfCodes() {
  const rows = finishedRows().filter((row) => isNumber(quality(row)));
  const best = lengths()
    .map((bits) => rows.filter((row) => row.bits === bits))
    .filter((some) => some.length)
    .map((some) => some.reduce((a, b) => (quality(b) > quality(a) ? b : a)));
  if (!best.length)
    return [rows.length ? `Features alone: ${measure().name} ${share(quality(bestRows()[0]))}.` : nothingReached()];
  const names = distinct(best.map((row) => methodOf(row).name));
  const text =
    best.length > 1 && names.length === 1
      ? [
          `At every length ${measure().name} is best with `,
          whole(names[0]),
          `: ${best.map((row) => `${share(quality(row))} at ${row.bits}`).join(', ')}\u00a0bits.`,
        ]
      : [
          `The best ${measure().name}: `,
          ...best.flatMap((row, at) => [
            at ? ', ' : '',
            whole(methodOf(row).name),
            ` ${share(quality(row))} at ${row.bits}`,
          ]),
          '\u00a0bits.',
        ];
  return [...text, el('small', {}, ofSeeds(rows))];
}

/** How many seeds stand behind the figures, and what that means for a lead. */
function ofSeeds(rows) {
  const counts = rows.map((row) => row.seeds.length - row.failed);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (most <= 1) return 'One seed each: no spread is known, and a small lead may be luck.';
  return `Means over ${least === most ? most : `${least} to ${most}`} seeds; the table has their spread.`;
}

function drawFilters(set) {
  const options = (items) => items.map(({ id, name }) => [id, name || 'codes only']);
  drawRadios('protocol', options(set.protocols), protocol(), (value) => change({ protocol: value, open: [] }));
  drawRadios('features', options(offeredFeatures()), features(), (value) => change({ features: value, open: [] }));
  drawRadios('machine', options(offeredMachines()), machineClass(), (value) => change({ machine: value, open: [] }));
  drawToggles(
    'family',
    families().map((name) => [name, name]),
    state.family.filter((name) => families().includes(name)),
    (family) => change({ family }),
  );
  drawToggles(
    'bits',
    lengths().map((bits) => [String(bits), String(bits)]),
    state.bits.filter((bits) => lengths().includes(Number(bits))),
    (bits) => change({ bits }),
  );
  byId('filters').hidden = [...byId('filters').children].every((group) => group.hidden);
}

addPanel({ id: 'head', draw: drawHead });
