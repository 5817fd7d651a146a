// The points of the chart: where each cell stood, where it stands, and whether it moved.

STATE_FIELDS.set = textField('', (id) => DATA.sets.includes(id));
STATE_FIELDS.quality = textField('', (id) => figureOf(id) !== undefined);
STATE_FIELDS.against = textField('', (id) => id === OLD_VALUE || figureOf(id) !== undefined);

const MARKS = {
  worse: { name: 'worse', sign: '▼', symbol: 'triangle-down', ink: 'wrong', size: 12 },
  better: { name: 'better', sign: '▲', symbol: 'triangle-up', ink: 'right', size: 12 },
  mixed: { name: 'better in one, worse in the other', sign: '◆', symbol: 'diamond', ink: 'ink', size: 11 },
  same: { name: 'not moved', sign: '●', symbol: 'circle', ink: 'accent', size: 8 },
};

/** The figure that goes upwards: the one that was chosen, or else the first quality, or else the first time. */
function upFigure() {
  const choices = figuresOf(currentSet());
  return choices.find((one) => one.id === state.quality) || choices[0];
}

/** The figure that goes across; null where that is the old value of the one that goes upwards. */
function acrossFigure() {
  const up = upFigure();
  if (!up || isTime(up) || state.against === OLD_VALUE) return null;
  const choices = figuresOf(currentSet()).filter(isTime);
  return choices.find((one) => one.id === state.against) || choices[0] || null;
}

/** The mark of a point, from the verdicts on its figures. */
function markOf(changes) {
  const moved = new Set(changes.map((one) => one.verdict).filter((verdict) => verdict !== 'same'));
  if (moved.size === 2) return 'mixed';
  return moved.size ? [...moved][0] : 'same';
}

/** Where a change stands on its axis: old, new, and the interval, if it tells anything, put at the old value. */
function placeOf(one, figure) {
  const onAxis = figure.kind === 'rate' ? (value) => 1000 / value : (value) => value;
  const ends = [one.low, one.high].map((end) => (isNumber(end) && !one.vague ? onAxis(one.before * (1 + end)) : NaN));
  const now = onAxis(one.after);
  const known = [...ends, now].filter(Number.isFinite);
  return { old: onAxis(one.before), now, low: Math.min(...known), high: Math.max(...known) };
}

const axisName = (figure) => (figure.kind === 'rate' ? `${figure.name}, ms a query` : figureTitle(figure));

/** A point from the changes of a cell: against a time, or against the old value of the figure that goes upwards. */
function pointOf(cell, changes, up, across) {
  const y = placeOf(changes[up.id], up);
  const { name } = DATA.cells[cell];
  if (across) {
    const shown = [changes[up.id], changes[across.id]];
    return { cell, name, shown, mark: markOf(shown), x: placeOf(changes[across.id], across), y };
  }
  const shown = [changes[up.id]];
  const x = { old: y.old, now: y.old, low: y.old, high: y.old };
  return { cell, name, shown, mark: markOf(shown), x, y: { ...y, old: y.now } };
}

/** The points of the chart: of each cell that has the figures on both sides. */
function points() {
  const [up, across] = [upFigure(), acrossFigure()];
  return [...pairsOf(currentSet())]
    .filter(([, changes]) => changes[up.id] && (!across || changes[across.id]))
    .map(([cell, changes]) => pointOf(cell, changes, up, across));
}

/** The largest share by which a figure of a point moved. */
function largestMove(point) {
  return Math.max(...point.shown.filter((one) => one.verdict !== 'same').map((one) => Math.abs(one.change || 0)));
}
