// What is asked of the changes, as they were written into the page.

const DATA = JSON.parse(byId('data').textContent);
const OLD_VALUE = 'before';

const figureOf = (id) => DATA.figures.find((one) => one.id === id);
const figureTitle = (figure) => (figure.unit ? `${figure.name}, ${figure.unit}` : figure.name);

/** The data set that the chart shows. */
const currentSet = () => state.set || DATA.sets[0];

/** The changes of one data set that have both figures, by cell and then by figure. */
function pairsOf(set) {
  const cells = new Map();
  for (const one of DATA.changes) {
    if (!one.judged || DATA.cells[one.cell].set !== set) continue;
    if (!cells.has(one.cell)) cells.set(one.cell, {});
    cells.get(one.cell)[DATA.figures[one.figure].id] = one;
  }
  return cells;
}

const isTime = (figure) => figure.kind !== 'quality';

/** The figures that some cell of the data set has on both sides: qualities first, then times. */
function figuresOf(set) {
  const known = new Set([...pairsOf(set).values()].flatMap((changes) => Object.keys(changes)));
  const figures = DATA.figures.filter((one) => known.has(one.id));
  return [...figures.filter((one) => !isTime(one)), ...figures.filter(isTime)];
}

/** A number as the command prints it: with four significant digits, and a quality rounded down. */
const fourDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const fourDigitsDown = new Intl.NumberFormat('en', { maximumSignificantDigits: 4, roundingMode: 'floor' });
const NOISE = 1e-12;
const oneDecimal = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** The figure of a change before or after it (`when`). */
function figureText(one, when) {
  const x = one[when];
  if (!isNumber(x)) return '';
  return isTime(DATA.figures[one.figure]) ? fourDigits.format(x) : fourDigitsDown.format(x + NOISE);
}

/** A change as a share, in percent and with its sign. */
function percent(x) {
  if (!isNumber(x)) return '';
  const text = oneDecimal.format(Math.abs(100 * x));
  return `${Number(text) === 0 ? '' : x < 0 ? '−' : '+'}${text} %`;
}

/** The interval of a change: its ends, or else in words why it has none. */
function intervalText(one) {
  const isTold = isNumber(one.low) && isNumber(one.high) && one.low < one.high && !one.vague;
  return isTold ? `${percent(one.low)} to ${percent(one.high)}` : one.interval;
}
