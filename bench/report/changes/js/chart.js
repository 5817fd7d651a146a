// The chart as plotly draws it: old figures grey, new ones by their mark, and a line from each old to its new one.

const MOST_NAMES = 12;
const NAME_LETTERS = { first: 20, last: 22 };
const NAME_ROOM = { across: 260, up: 16 }; // pixels that a name keeps from the next

function hoverText(point) {
  const lines = point.shown.map((one) => {
    const title = figureTitle(DATA.figures[one.figure]);
    const moved = `${figureText(one, 'before')} → ${figureText(one, 'after')}, ${percent(one.change)}`;
    return `${title}: ${moved} (${intervalText(one)}), ${one.verdict}`;
  });
  return [`<b>${plotText(point.name)}</b>`, ...lines.map(plotText)].join('<br>');
}

/** The ends of a bar on its axis, cut where the chart ends; what is exact, or not known, has no bar. */
function barEnds(one, { range, type }) {
  if (!(one.high > one.low)) return null;
  const [first, last] = type === 'log' ? range.map((end) => 10 ** end) : range;
  return { low: Math.max(one.low, first), high: Math.min(one.high, last), first, last };
}

/** The error bars of points along one axis. */
function barsOf(shown, axis, scale, ink) {
  const ends = shown.map((one) => barEnds(one[axis], scale));
  const reach = (length) => shown.map((one, at) => (ends[at] ? Math.max(0, length(ends[at], one[axis].now)) : null));
  return {
    type: 'data',
    symmetric: false,
    thickness: 1.3,
    width: 4,
    color: ink,
    array: reach((end, now) => end.high - now),
    arrayminus: reach((end, now) => now - end.low),
  };
}

/** An arrow at each end of the chart behind which a bar goes on. */
function cutTrace(all, axes) {
  const arrows = [];
  const add = (point, axis, value, symbol) => {
    const at = { x: point.x.now, y: point.y.now };
    arrows.push({ ...at, [axis]: value, symbol, ink: colour(MARKS[point.mark].ink) });
  };
  for (const point of all) {
    for (const [axis, scale, before, behind] of [
      ['x', axes.xaxis, 'triangle-left', 'triangle-right'],
      ['y', axes.yaxis, 'triangle-down', 'triangle-up'],
    ]) {
      const ends = barEnds(point[axis], scale);
      if (ends && point[axis].low < ends.first) add(point, axis, ends.first, before);
      if (ends && point[axis].high > ends.last) add(point, axis, ends.last, behind);
    }
  }
  return {
    x: arrows.map(({ x }) => x),
    y: arrows.map(({ y }) => y),
    mode: 'markers',
    hoverinfo: 'skip',
    cliponaxis: false,
    marker: { symbol: arrows.map(({ symbol }) => symbol), size: 9, color: arrows.map(({ ink }) => ink) },
  };
}

/** The new figures of the points with one mark. */
function newTrace(mark, shown, { xaxis, yaxis }) {
  const { symbol, size } = MARKS[mark];
  const ink = colour(MARKS[mark].ink);
  return {
    x: shown.map((one) => one.x.now),
    y: shown.map((one) => one.y.now),
    text: shown.map(hoverText),
    customdata: shown.map((one) => one.cell),
    hovertemplate: '%{text}<extra></extra>',
    mode: 'markers',
    cliponaxis: false,
    marker: { symbol, size, color: ink, line: { width: 1, color: colour('paper') } },
    error_x: barsOf(shown, 'x', xaxis, ink),
    error_y: barsOf(shown, 'y', yaxis, ink),
  };
}

/** The lines from old to new, and the old ones as grey rings. */
function oldTraces(all) {
  const joined = (axis, shown) => shown.flatMap((one) => [one[axis].old, one[axis].now, null]);
  const line = (shown, width, ink) => ({
    x: joined('x', shown),
    y: joined('y', shown),
    mode: 'lines',
    hoverinfo: 'skip',
    line: { width, color: colour(ink) },
  });
  const rings = {
    x: all.map((one) => one.x.old),
    y: all.map((one) => one.y.old),
    mode: 'markers',
    hoverinfo: 'skip',
    cliponaxis: false,
    marker: { symbol: 'circle-open', size: 8, color: colour('soft'), line: { width: 1.5 } },
  };
  const [still, moved] = [all.filter((one) => one.mark === 'same'), all.filter((one) => one.mark !== 'same')];
  return [line(still, 1, 'faint'), line(moved, 2, 'soft'), rings];
}

/** An axis with some room around its values, but none beyond the most of a quality; `width`: of one across. */
function axisFor(values, title, isLog, width) {
  const scaled = isLog ? values.map(Math.log10) : values;
  const [low, high] = [Math.min(...scaled), Math.max(...scaled)];
  const least = isLog ? 0.05 : 0.005 * Math.max(Math.abs(high), Math.abs(low));
  const room = Math.max(0.08 * (high - low), least, 1e-9);
  const range = [low - room, isLog ? high + room : shareEnd(high, room)];
  const ticks = isLog ? logTicks(10 ** range[0], 10 ** range[1], width) : {};
  return { ...ticks, range, type: isLog ? 'log' : 'linear', title: axisTitle(isLog ? `${title}, log scale` : title) };
}

/** The axes of the chart; where a figure stands against its old value both are one. */
function axesOf(all) {
  const [up, across] = [upFigure(), acrossFigure()];
  const [xs, ys] = ['x', 'y'].map((axis) => all.flatMap((one) => [one[axis].old, one[axis].now]));
  const width = planeWidth('points');
  if (across) {
    return { xaxis: axisFor(xs, axisName(across), true, width), yaxis: axisFor(ys, axisName(up), isTime(up)) };
  }
  const both = (title, room) => axisFor([...xs, ...ys], title, isTime(up), room);
  return { xaxis: both(`${axisName(up)}, before`, width), yaxis: both(`${axisName(up)}, after`) };
}

/** The line on which nothing has changed. */
function unchangedLine({ range, type }) {
  const [low, high] = range.map((end) => (type === 'log' ? 10 ** end : end));
  const look = { layer: 'below', line: { color: colour('rule'), width: 1 } };
  return { type: 'line', x0: low, x1: high, y0: low, y1: high, ...look };
}

/** The names of the points that moved most, each where no other stands already. */
function namesOn({ xaxis, yaxis }, all) {
  if (isNarrow()) return [];
  const { clientWidth, clientHeight } = byId('points');
  const scaled = (value, axis) => (axis.type === 'log' ? Math.log10(value) : value);
  const along = (value, { range }) => (value - range[0]) / (range[1] - range[0]);
  const taken = [];
  const moved = all.filter((one) => one.mark !== 'same').sort((a, b) => largestMove(b) - largestMove(a));
  for (const point of moved) {
    const at = { x: scaled(point.x.now, xaxis), y: scaled(point.y.now, yaxis) };
    const [left, top] = [clientWidth * along(at.x, xaxis), clientHeight * along(at.y, yaxis)];
    const isNear = (one) => Math.abs(one.left - left) < NAME_ROOM.across && Math.abs(one.top - top) < NAME_ROOM.up;
    if (taken.length < MOST_NAMES && !taken.some(isNear)) taken.push({ point, at, left, top });
  }
  return taken.map(({ point, at, left }) => nameNote(point, at, left > clientWidth / 2));
}

function nameNote({ name, mark }, at, isRight) {
  const { first, last } = NAME_LETTERS;
  const short = name.length > first + last ? `${name.slice(0, first)} … ${name.slice(-last)}` : name;
  return {
    ...at,
    text: plotText(short),
    showarrow: false,
    font: { color: colour(MARKS[mark].ink), size: 12 },
    xanchor: isRight ? 'right' : 'left',
    xshift: isRight ? -9 : 9,
    yshift: 11,
  };
}

function keyItem(sign, ink, text) {
  const mark = el('span', { class: 'mark', style: { color: `var(--${ink})` }, 'aria-hidden': 'true' }, sign);
  return el('li', {}, mark, text);
}

function drawKey(all) {
  const items = Object.entries(MARKS)
    .map(([mark, look]) => [look, all.filter((one) => one.mark === mark).length])
    .filter(([, found]) => found)
    .map(([look, found]) => keyItem(look.sign, look.ink, `${look.name}: ${count(found)}`));
  byId('points-key').replaceChildren(...(acrossFigure() ? [keyItem('○', 'soft', 'before')] : []), ...items);
}

const BAR = 'A bar is the interval of the change, put at the old value';

function drawPointsText(all) {
  const [up, across] = [upFigure(), acrossFigure()];
  const about = across ? `${up.name} against ${across.name}` : `${up.name}, new against old`;
  byId('points-heading').textContent = `Old and new: ${about}`;
  byId('points-note').textContent = across
    ? `A line leads from the old figures to the new ones. ${BAR}: where a figure moved it leaves that out.`
    : `On the thin line nothing has changed. ${BAR}: where the figure moved it does not meet the line.`;
  const vague = all.filter((one) => one.shown.some((figure) => figure.vague)).length;
  byId('points-note').textContent +=
    ' It is cut, with an arrow, where the chart ends.' +
    (vague
      ? ` ${plural(vague, 'cell has', 'cells have')} too few replicates or seeds for any interval, and no bar.`
      : '');
  const cells = new Set(DATA.changes.map((one) => one.cell).filter((cell) => DATA.cells[cell].set === currentSet()));
  const left = cells.size - all.length;
  byId('points-left-out').hidden = left === 0;
  byId('points-left-out').textContent =
    `${plural(left, 'cell has', 'cells have')} no such figures on both sides: ` +
    'the table says what is known of them.';
  const moved = all.filter((one) => one.mark !== 'same').length;
  byId('points').setAttribute(
    'aria-label',
    `Chart of ${about}: ${plural(all.length, 'cell', 'cells')}, ` +
      `${count(moved)} of them moved. The table below has the same figures.`,
  );
}

function drawPoints() {
  byId('points-section').hidden = !upFigure();
  if (!upFigure()) return;
  const all = points();
  drawKey(all);
  drawPointsText(all);
  byId('points').hidden = !all.length;
  if (!all.length) return;
  const axes = axesOf(all);
  const across = acrossFigure();
  const traces = Object.keys(MARKS)
    .reverse()
    .map((mark) =>
      newTrace(
        mark,
        all.filter((one) => one.mark === mark),
        axes,
      ),
    );
  chart(
    'points',
    [...(across ? oldTraces(all) : []), ...traces, cutTrace(all, axes)],
    baseLayout({
      margin: { l: 56, r: 14, t: 26, b: 48 },
      ...axes,
      shapes: across ? [] : [unchangedLine(axes.xaxis)],
      annotations: namesOn(axes, all),
    }),
  );
  answerClicks(byId('points'));
}

/** Let a click on a point show its cell in the table. */
function answerClicks(element) {
  if (!element.on || element.dataset.answers) return;
  element.dataset.answers = 'yes';
  element.on('plotly_click', (event) => {
    const cell = event.points.map((one) => one.customdata).find((one) => one !== undefined);
    if (cell !== undefined) change({ find: DATA.cells[cell].name, only: '', all: '' });
  });
}

function drawAxes() {
  const [up, across] = [upFigure(), acrossFigure()];
  if (!up) return;
  const figures = figuresOf(currentSet());
  drawRadios(
    'quality',
    figures.map((one) => [one.id, one.name]),
    up.id,
    (quality) => change({ quality }),
  );
  const times = isTime(up) ? [] : figures.filter(isTime).map((one) => [one.id, one.name]);
  const choices = [...times, [OLD_VALUE, 'its old value']];
  drawRadios('against', choices, across ? across.id : OLD_VALUE, (against) => change({ against }));
}
