// The slice: the methods that reach a level of quality, ranked by what they cost there.

const PRESETS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995];
const MOST_PRESETS = 5;
const MOST_RANKED = 20;
const MOST_SHORT = 12;
const FAR = 4; // times the median: what costs more is cut at the edge, with its number beside it
const WIDEST = 2; // times the longest bar: where the scale ends at most, for an interval beyond it

STATE_FIELDS.ranked = textField('', oneOf('all'));

function drawSlice() {
  const { reached, short } = slice();
  if (!rankable().length) return false;
  byId('slice-heading').textContent = cost().question;
  drawControls();
  const shown = state.ranked ? reached : reached.slice(0, MOST_RANKED);
  const end = scaleEnd(reached);
  byId('slice').className = `slice${selectedHere().length ? ' some' : ''}${isSplit() ? ' split' : ''}`;
  byId('slice').replaceChildren(sliceHead(), ...shown.map((row) => el('li', {}, bar(row, end))));
  byId('ranked').hidden = reached.length <= MOST_RANKED;
  byId('ranked').textContent = state.ranked ? 'Show fewer' : `Show all ${count(reached.length)} methods`;
  sayCut('ranked', reached.length - shown.length, reached.length);
  byId('short').replaceChildren(...shortOf(short));
  const isCut = shown.some((row) => Math.max(costOf(row), upperEnd(row)) > end);
  const fading = isCut ? ' What fades at its end goes on beyond the page.' : '';
  const split = isSplit() && DATA.halves ? ` ${DATA.halves}` : '';
  byId('slice-note').textContent = cost().note + fading + split;
  return true;
}

function drawControls() {
  const [low, high] = levelRange();
  drawRadios(
    'quality',
    measures().map(({ id, brief }) => [id, brief]),
    measure().id,
    (value) => change({ quality: value, level: '' }),
  );
  drawRadios(
    'cost',
    costNames().map((name) => [name, COSTS[name].name]),
    costName(),
    (value) => change({ cost: value }),
  );
  Object.assign(byId('level'), { min: low, max: high, value: level(), hidden: low >= high });
  byId('level').setAttribute('aria-valuetext', levelPhrase());
  byId('level-out').textContent = levelText(level());
  byId('level-half').textContent = ofHalf('tune');
  const presets = PRESETS.filter((value) => value >= low && value <= high).slice(-MOST_PRESETS);
  byId('presets').replaceChildren(
    ...presets.map((value) =>
      el(
        'button',
        {
          type: 'button',
          id: `preset-${value}`,
          'aria-current': value === level() ? 'true' : null,
          onclick: () => change({ level: String(value) }),
        },
        levelText(value),
      ),
    ),
  );
}

/** Where the scale ends, which starts at zero: at the largest, or where the largest would hide the rest. Intervals are
 * inside, unless one is longer than all bars. */
function scaleEnd(rows) {
  const values = rows.map(costOf).sort((a, b) => a - b);
  const middle = values[Math.floor((values.length - 1) / 2)];
  const near = cost().more ? rows : rows.filter((row) => costOf(row) <= FAR * middle);
  const longest = Math.max(...near.map(costOf));
  const room = near.length === rows.length ? 1.02 : 1.25;
  return Math.max(room * longest, Math.min(1.02 * Math.max(...near.map(upperEnd)), WIDEST * longest));
}

function upperEnd(row) {
  return (interval(row) || [0, 0])[1];
}

function sliceHead() {
  const better = cost().more ? 'Longer is better.' : 'Shorter is better.';
  return el(
    'li',
    { class: 'head', 'aria-hidden': 'true' },
    el('span', { class: 'name' }, 'Method'),
    el('span', { class: 'track' }, `${capital(cost().head)}. ${better}`),
    el('span', { class: 'value' }, cost().short),
    el('span', { class: 'range' }, cost().low ? 'interval' : ''),
    el('span', { class: 'got' }, measure().brief),
    el('span', { class: 'setting' }, RANKS_CODES ? '' : `${isSplit() ? 'chosen' : 'best'} setting`),
  );
}

function bar(row, end) {
  const method = methodOf(row);
  const ends = interval(row);
  const place = (value) => Math.min(100, (100 * value) / end);
  const thin =
    ends &&
    el('b', {
      class: ends[1] > end ? 'cut' : null,
      style: { left: `${place(ends[0])}%`, width: `${place(ends[1]) - place(ends[0])}%` },
    });
  return el(
    'button',
    {
      type: 'button',
      id: `bar-${method.id}`,
      class: method.open ? 'open' : null,
      style: { '--c': inkVariable(method) },
      'aria-pressed': String(state.selected.includes(method.id)),
      'data-key': rowId(row),
      onclick: () => select(method.id),
    },
    el('span', { class: 'name' }, unbroken(method.name)),
    el(
      'span',
      { class: 'track', 'aria-hidden': 'true' },
      el('i', { class: costOf(row) > end ? 'cut' : null, style: { width: `${place(costOf(row))}%` } }),
      thin,
    ),
    el('span', { class: 'value' }, costText(costOf(row)), el('span', { class: 'hidden' }, ` ${cost().short}`)),
    el('span', { class: 'range' }, intervalWords(...(bounds(row) || []))),
    el('span', { class: 'got', 'data-of': measure().brief }, share(quality(row))),
    el('span', { class: 'setting' }, unbroken(row.setting) || (RANKS_CODES ? '' : 'nothing to set')),
  );
}

/** Who does not reach the level, with the most that it reached; and whose cost is not known, with its quality. */
function shortOf(rows) {
  const ranked = new Set([...slice().reached, ...rows].map((row) => row.method));
  const others = bestRows().filter((row) => !ranked.has(row.method));
  return [
    ...namedAfter(`Below ${levelText(level())} at every setting${ofHalf('tune')}: `, rows, (row) =>
      `at most ${share(decisive(row))}${isSplit() ? ' there' : ''}`,
    ),
    ...namedAfter(`${rows.length ? ' ' : ''}Without a figure of this cost: `, others, (row) => share(quality(row))),
  ];
}

function namedAfter(words, rows, said) {
  if (!rows.length) return [];
  const named = rows.slice(0, MOST_SHORT).flatMap((row, at) => [
    at ? ', ' : '',
    el(
      'button',
      {
        type: 'button',
        id: `bar-${row.method}`,
        'aria-pressed': String(state.selected.includes(row.method)),
        onclick: () => select(row.method),
      },
      unbroken(methodOf(row).name),
    ),
    ` (${said(row)})`,
  ]);
  const more = rows.length > MOST_SHORT ? [` and ${plural(rows.length - MOST_SHORT, 'other', 'others')}`] : [];
  return [words, ...named, ...more, '.'];
}

function wireSlice() {
  byId('level').addEventListener('input', () => change({ level: byId('level').value }));
  byId('ranked').addEventListener('click', () => change({ ranked: state.ranked ? '' : 'all' }));
}

addPanel({ id: 'slice', draw: drawSlice });
