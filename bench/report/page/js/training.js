// mAP over the training: the models that were judged on the test queries, step by step.

STATE_FIELDS.trained = textField('', isLength);

function drawTraining() {
  const part = partOfSet('training');
  if (!part) return false;
  const known = part.series.map((series) => trainingSeries(part, series)).filter(Boolean);
  const missing = missingText(part.missing, 'training', 'trainings');
  if (!known.length && !missing) return false;
  const bits = distinct(known.map((one) => one.bits)).sort((a, b) => a - b);
  const length = bits.includes(Number(state.trained)) ? Number(state.trained) : bits.at(-1);
  const shown = known
    .filter((one) => one.bits === length)
    .map((one, at) => ({ ...one, dash: SERIES_DASHES[at % SERIES_DASHES.length] }));
  byId('training-note').textContent = sentences(shown.length && trainingText(shown, length), missing);
  byId('training-shown').hidden = !shown.length;
  if (!shown.length) return true;
  drawRadios(
    'training-length',
    bits.map((one) => [String(one), `${one} bits`]),
    String(length),
    (value) => change({ trained: value }),
  );
  drawTrainingTable(shown);
  describeChart('training', 'mAP over the steps of the training. Its peaks and ends are in the table below.');
  chart('training', shown.flatMap(trainingTraces), trainingLayout(shown.flatMap(({ map }) => map)));
  return true;
}

/** A series with its method, curve and peak; null where the filters leave it out. */
function trainingSeries({ curves }, series) {
  const row = rowOfKey(series.key);
  if (!row || row.protocol !== protocol()) return null;
  const method = methodOf(row);
  if (!isOfChosen(state.family, families(), method.family)) return null;
  const { steps, map } = curves[series.key];
  const at = map.indexOf(Math.max(...map));
  return { ...series, method, steps, map, peak: { step: steps[at], map: map[at] } };
}

function trainingText(shown, length) {
  const seen = currentSet().protocols.find(({ id }) => id === protocol());
  return sentences(
    `Codes of ${length} bits, ${seen.name}, the first seed: each model that was judged on the test queries.`,
    'A step is an epoch, or an outer iteration of an alternating method. A ring is the highest.',
    'To stop there would be to choose by the test queries.',
  );
}

function drawTrainingTable(shown) {
  fillSmallTable(
    'training-table',
    'mAP at its peak and at the end of the training',
    ['mAP', 'highest', 'after step', 'at the end', 'lost since'],
    shown.map(({ name, method, map, peak }) => [
      el('th', { scope: 'row' }, dot(method), name),
      share(peak.map),
      count(peak.step),
      share(map.at(-1)),
      share(peak.map - map.at(-1)),
    ]),
  );
}

function trainingTraces({ name, method, dash, steps, map, peak }) {
  const ink = inkOf(method);
  const hovertemplate = `mAP %{y:.3f} after step %{x:,}<extra>${plotText(name)}</extra>`;
  const line = { color: ink, width: 2, dash };
  return [
    { x: steps, y: map, mode: 'lines', name: plotText(name), line, hovertemplate },
    {
      x: [peak.step],
      y: [peak.map],
      mode: 'markers',
      cliponaxis: false,
      showlegend: false,
      marker: { color: ink, size: 10, symbol: 'circle-open', line: { width: 2, color: ink } },
      hovertemplate,
    },
  ];
}

const trainingLayout = (qualities) =>
  baseLayout({
    ...legendAbove(),
    xaxis: { title: axisTitle('steps done'), rangemode: 'tozero' },
    yaxis: { range: [0, shareAxis(qualities).range[1]], title: axisTitle('mAP') },
  });

addPanel({ id: 'training', draw: drawTraining });
