// The marks of the scatter chart: points, lines, intervals, the front and the slice.

/** Each method's points: those of its own front make its line, its others are small. */
function linesOf(rows, frame) {
  const methods = currentSet().methods.filter(({ id }) => frame.inside.some((row) => row.method === id));
  return methods.map((method) => {
    const own = frame.inside.filter((row) => row.method === method.id);
    const line = frontOf(own, across().of);
    return { method, line, others: own.filter((row) => !line.includes(row)) };
  });
}

function tracesOf({ method, line, others }) {
  const chosen = isSelected(method.id);
  const ink = chosen ? inkOf(method) : colour('faint');
  const base = {
    meta: method.id,
    type: 'scatter',
    hoverlabel: { bordercolor: ink },
    hovertemplate: '%{text}<extra></extra>',
  };
  const points = (rows) => ({
    x: rows.map(across().of),
    y: rows.map((row) => height(quality(row))),
    text: rows.map(hoverText),
  });
  return [
    {
      ...base,
      ...points(others),
      mode: 'markers',
      marker: { ...markerOf(method, ink, 4), opacity: chosen ? 0.55 : 0.35 },
    },
    {
      ...base,
      ...points(line),
      mode: 'lines+markers',
      line: { color: ink, width: chosen ? 1.8 : 1, dash: dashOf(method) },
      marker: markerOf(method, ink, method.dotted ? 10 : 8),
      error_x: errorBars(line, chosen, ink),
      error_y: spreadBars(line, chosen, ink),
    },
  ];
}

/** The interval of the cost of a row, as spots in pixels. */
const intervalSpots = (row, pixels) =>
  spotsAlong((across().ends(row) || []).map((value) => [pixels.x(value), pixels.y(quality(row))]));

/** The intervals of the cost, strong where a method was selected. */
function errorBars(line, chosen, ink) {
  const reach = line.map((row) => across().ends(row) || [across().of(row), across().of(row)]);
  return {
    type: 'data',
    symmetric: false,
    visible: chosen,
    thickness: selectedHere().length ? 1.4 : 0.7,
    width: selectedHere().length ? 3 : 0,
    color: ink,
    array: line.map((row, at) => Math.max(0, reach[at][1] - across().of(row))),
    arrayminus: line.map((row, at) => Math.max(0, across().of(row) - reach[at][0])),
  };
}

/** The spread of the quality over seeds, where there are several. */
function spreadBars(line, chosen, ink) {
  const spread = line.map((row) => (row.spread || {})[measure().id] || 0);
  return {
    type: 'data',
    symmetric: false,
    visible: chosen && spread.some((value) => value > 0),
    thickness: 0.8,
    width: 0,
    color: ink,
    array: line.map((row, at) => height(Math.min(1, quality(row) + spread[at])) - height(quality(row))),
    arrayminus: line.map((row, at) => height(quality(row)) - height(Math.max(0, quality(row) - spread[at]))),
  };
}

function frontTrace(rows, frame) {
  const steps = frontOf(frame.inside, across().of);
  const end = steps.at(-1);
  return {
    x: [...steps.map(across().of), 10 ** frame.x[1]],
    y: [...steps, end].map((row) => height(quality(row))),
    type: 'scatter',
    mode: 'lines',
    hoverinfo: 'skip',
    line: { shape: 'hv', width: 9, color: colour('front') },
  };
}

function sliceTrace(frame) {
  const y = height(level());
  return {
    x: frame.x.map((power) => 10 ** power),
    y: [y, y],
    type: 'scatter',
    mode: 'lines',
    hoverinfo: 'skip',
    line: { width: 1, dash: 'dot', color: colour('soft') },
  };
}
