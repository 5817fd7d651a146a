// The plane of the scatter chart: what goes across and upwards, and which part of it is shown.

STATE_FIELDS.scale = textField('', oneOf('even'));

const STRETCH_FROM = 0.97; // with less quality than this the top of the axis is no more crowded than the rest
const STRETCH_TOP = 3.45; // where 1 stands, of which -log10(1 - q) is infinite
const QUALITY_TICKS = [0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 1];
const LEAST_GAP = 0.04; // between two ticks, of the height of the chart
const FEW_POINTS = 5;
const SHARE_LEFT_OUT = 0.1;
const FAR_APART = 2.5;

/** Against the throughput time goes across as well: milliseconds of a batch over its queries. */
const ACROSS = {
  latency: {
    title: 'ms per query, median, log scale',
    words: 'time, one query at a time',
    unit: 'ms a query',
    of: costOf,
    ends: interval,
  },
  throughput: {
    title: 'ms per query of a batch, log scale',
    words: 'time, all queries in a batch',
    unit: 'ms a query of a batch',
    of: (row) => 1e3 / costOf(row),
    ends: (row) => {
      const ends = interval(row);
      return ends && [1e3 / ends[1], 1e3 / ends[0]];
    },
  },
  memory: { title: 'MB, log scale', words: 'memory', unit: 'MB', of: costOf, ends: () => null },
  build: { title: 's to build, log scale', words: 'the time to build', unit: 's to build', of: costOf, ends: interval },
  training: {
    title: 's to train, log scale',
    words: 'the time to train',
    unit: 's to train',
    of: costOf,
    ends: () => null,
  },
};
const across = () => ACROSS[costName()];

/** The rows that can be drawn. */
const drawable = once(() => (across() ? rankable().filter((row) => across().of(row) > 0) : []));

/** The largest cost that is shown: a few that lie far beyond the others would halve their room. */
const widest = once(() => {
  const costs = drawable()
    .map(across().of)
    .sort((a, b) => a - b);
  if (costs.length < FEW_POINTS) return costs.at(-1);
  const first = Math.floor((1 - SHARE_LEFT_OUT) * costs.length);
  const gap = costs.findIndex((value, at) => at >= first && value > FAR_APART * costs[at - 1]);
  return gap < 0 ? costs.at(-1) : costs[gap - 1];
});
const isInside = (row) => across().of(row) <= widest();

/** Whether many stand near 1. Shares of exact search may lie above it, where there is nothing to stretch. */
const isCrowdedAtTop = once(() => {
  const qualities = drawable().filter(isInside).map(quality);
  return qualities.some((value) => value > STRETCH_FROM) && qualities.every((value) => value <= 1);
});
const isStretched = () => isCrowdedAtTop() && state.scale !== 'even';

/** Where a quality stands on the axis. */
function height(value) {
  return isStretched() ? Math.min(STRETCH_TOP, -Math.log10(Math.max(1e-9, 1 - value))) : value;
}

/** The rows inside and outside, and the ranges of the axes: across in powers of ten, upwards as `height` has it. */
function frameOf(rows) {
  const inside = rows.filter(isInside);
  const heights = [...inside.map(quality), level()].map(height);
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  const room = Math.max(0.06 * (high - low), 0.004);
  const ends = inside.flatMap((row) => across().ends(row) || [across().of(row)]).filter((value) => value > 0);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  return {
    inside,
    outside: rows.filter((row) => !isInside(row)),
    x: [Math.log10(0.85 * least), Math.log10(Math.max(1.05 * most, widest() * (isNarrow() ? 1.15 : 1.45)))],
    y: [low - room, high + room],
  };
}

function qualityTicks(frame) {
  const [low, high] = frame.y;
  if (!isStretched()) {
    const tickvals = evenTicks(low, Math.min(high, Math.max(MOST_SHARE, ...frame.inside.map(quality))));
    return { tickformat: `.${Math.max(2, Math.ceil(1 - Math.log10(high - low)))}~f`, tickvals };
  }
  const shown = [];
  for (const value of QUALITY_TICKS.filter((one) => height(one) >= low && height(one) <= high).reverse()) {
    const last = shown.length ? height(shown.at(-1)) : Infinity;
    if (last - height(value) > LEAST_GAP * (high - low)) shown.push(value);
  }
  return { tickvals: shown.map(height), ticktext: shown.map(String) };
}
