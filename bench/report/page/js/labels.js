// Where names stand in a chart: beside a point of their own line, where they cover least of everything else.

const LETTER = 7; // pixels
const LINE_HEIGHT = 16;
const STEP = 6; // pixels between the spots by which a line is known to be covered
const COSTS_OF_PLACE = { covered: 10, strange: 70, middle: 30, outside: 10000 };

/**
 * A place for each name. `names`: { text, points: [[x, y]] } in pixels, in order of importance; `lines`: the points of
 * all lines; `marks`: single points. Returns { point, dx, dy } for each name: which of its points it stands beside, and
 * how far to the right and below it its left middle is.
 */
function placeNames(names, lines, marks, width, tall) {
  const taken = [...marks, ...lines.flatMap(spotsAlong)];
  return names.map(({ text, points }) => {
    const size = text.length * LETTER;
    const strangers = lines.filter((line) => !samePoints(line, points)).flat();
    const places = points.flatMap((_, point) => placesBeside(points, point, size));
    const costs = places.map((place) => costOfPlace(place, size, points, strangers, taken, width, tall));
    const best = places[costs.indexOf(Math.min(...costs))];
    for (let x = best.x; x <= best.x + size; x += STEP) taken.push([x, best.y], [x, best.y], [x, best.y]);
    return best;
  });
}

const samePoints = (one, other) =>
  one.length === other.length && one.every(([x, y], at) => x === other[at][0] && y === other[at][1]);

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

function costOfPlace({ point, rank, x, y }, size, points, strangers, taken, width, tall) {
  const covered = taken.filter(
    (spot) => spot[0] > x - 3 && spot[0] < x + size + 3 && Math.abs(spot[1] - y) < LINE_HEIGHT / 2 + 2,
  ).length;
  const away = (spot) => Math.hypot(Math.max(x - spot[0], 0, spot[0] - x - size), spot[1] - y);
  const isStrange = strangers.some((spot) => away(spot) < away(points[point]) + 6);
  const isMiddle = point > 0 && point < points.length - 1;
  const isOutside = x < 0 || x + size > width + 10 || y < 6 || y > tall - 6;
  return (
    covered * COSTS_OF_PLACE.covered +
    rank +
    (points.length - 1 - point) +
    (isStrange ? COSTS_OF_PLACE.strange : 0) +
    (isMiddle ? COSTS_OF_PLACE.middle : 0) +
    (isOutside ? COSTS_OF_PLACE.outside : 0)
  );
}
