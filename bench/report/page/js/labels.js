// Where names stand in a chart: beside a point of their own line, where they cover least of everything else.

const LINE_HEIGHT = 16;
const STEP = 6; // pixels between the spots by which a line is known to be covered
const LAST_POINTS = 4; // of a line, beside which its name may stand, and beside its first
const MOST_COVERED = 5; // spots behind a name that can still be read: a line that crosses it
const COSTS_OF_PLACE = { covered: 10, strange: 70, middle: 30 };

/**
 * A place for each name, null where there is none that leaves it legible. `names`: { text, points: [[x, y]] } in
 * pixels, in order of importance; `lines`: the points of all lines; `marks`: single points; `written`: { x, y, size }
 * of other texts, by their left middle. Returns { point, dx, dy } for each name: which of its points it stands beside,
 * and how far to the right and below it its left middle is.
 */
function placeNames(names, { lines, marks, written }, width, tall) {
  const taken = byHeight([...marks, ...lines.flatMap(spotsAlong)]);
  const texts = [...written];
  return names.map(({ text, points }) => {
    const size = text.length * LETTER;
    const strangers = byHeight(lines.filter((line) => !samePoints(line, points)).flat());
    const near = points.map((_, point) => point).filter((point) => point === 0 || point >= points.length - LAST_POINTS);
    const costed = near
      .flatMap((point) => placesBeside(points, point, size))
      .filter((place) => isLegible(place, size, taken, texts, width, tall))
      .map((place) => [costOfPlace(place, size, points, strangers, taken), place]);
    if (!costed.length) return null;
    const [, best] = costed.reduce((one, other) => (other[0] < one[0] ? other : one));
    texts.push({ x: best.x, y: best.y, size });
    return best;
  });
}

/** Whether a name would stand inside the chart, over no other text and over little else. */
function isLegible({ x, y }, size, taken, texts, width, tall) {
  const isOver = (text) => Math.abs(text.y - y) < LINE_HEIGHT && text.x < x + size + 3 && x < text.x + text.size + 3;
  const isInside = x >= 0 && x + size <= width + 10 && y >= 6 && y <= tall - 6;
  return isInside && !texts.some(isOver) && covered(taken, x, y, size) <= MOST_COVERED;
}

/** How many spots lie behind a name. */
function covered(taken, x, y, size) {
  const isBehind = (spot) => spot[0] > x - 3 && spot[0] < x + size + 3 && Math.abs(spot[1] - y) < LINE_HEIGHT / 2 + 2;
  return about(taken, y).filter(isBehind).length;
}

const samePoints = (one, other) =>
  one.length === other.length && one.every(([x, y], at) => x === other[at][0] && y === other[at][1]);

/** Spots by the line of text that they would lie in, so that those about a place are found at once. */
function byHeight(spots) {
  const bands = new Map();
  spots.forEach((spot) => put(bands, spot));
  return bands;
}

function put(bands, spot) {
  const band = Math.floor(spot[1] / LINE_HEIGHT);
  if (!bands.has(band)) bands.set(band, []);
  bands.get(band).push(spot);
}

/** The spots less than a line and a half of text above or below. */
function about(bands, y) {
  const band = Math.floor(y / LINE_HEIGHT);
  return [-1, 0, 1].flatMap((step) => bands.get(band + step) || []);
}

/** Points along a line, close enough together that no name passes between them. */
function spotsAlong(points) {
  return points.flatMap(([x, y], at) => {
    const [toX, toY] = points[at + 1] || [x, y];
    const steps = Math.max(1, Math.ceil(Math.hypot(toX - x, toY - y) / STEP));
    return Array.from({ length: steps }, (_, step) => [x + ((toX - x) * step) / steps, y + ((toY - y) * step) / steps]);
  });
}

/** Right of a point, left of it, and above and below on both sides. */
function placesBeside(points, point, size) {
  const [x, y] = points[point];
  const shifts = [
    [12, 0],
    [9, 13],
    [9, -13],
    [-size - 12, 0],
    [-size - 9, -13],
    [-size - 9, 13],
    [-size / 2, -17],
    [-size / 2, 17],
  ];
  return shifts.map(([dx, dy], rank) => ({ point, dx, dy, rank, x: x + dx, y: y + dy }));
}

function costOfPlace({ point, rank, x, y }, size, points, strangers, taken) {
  const away = (spot) => Math.hypot(Math.max(x - spot[0], 0, spot[0] - x - size), spot[1] - y);
  const own = away(points[point]) + 6;
  const isMiddle = point > 0 && point < points.length - 1;
  return (
    covered(taken, x, y, size) * COSTS_OF_PLACE.covered +
    rank +
    (points.length - 1 - point) +
    (about(strangers, y).some((spot) => away(spot) < own) ? COSTS_OF_PLACE.strange : 0) +
    (isMiddle ? COSTS_OF_PLACE.middle : 0)
  );
}
