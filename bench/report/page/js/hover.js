// What a hover over a point says: who it is, where it stands, and what tells it apart. The rest is in the details.

const MOST_APART = 3; // settings beside those in its name
const LINE_LETTERS = { wide: 60, narrow: 38 }; // plotly drops a label that does not fit into its chart
const MOST_LINES = 2; // of one text

/** The settings whose values differ among the drawn searches of the same plugin: 'role plugin name'. */
const settingsThatDiffer = once(() => {
  const values = new Map();
  for (const [name, value] of drawable().flatMap(namedSettings))
    values.set(name, (values.get(name) || new Set()).add(value));
  return new Set([...values].filter(([, found]) => found.size > 1).map(([name]) => name));
});

/** The settings of a row: [what it is of, its value]. */
function namedSettings(row) {
  return settingsOf(row).flatMap(([role, { plugin, ...values }]) =>
    Object.entries(values).map(([name, value]) => [`${role} ${plugin} ${name}`, String(value)]),
  );
}

/** What a row is set to where others in this view are set otherwise; what its names say already is left out. */
function apart(row) {
  const said = `${methodOf(row).name}, ${row.setting}`;
  return namedSettings(row)
    .filter(([name]) => settingsThatDiffer().has(name))
    .map(([name, value]) => `${name.split(' ').at(-1)} = ${value}`)
    .filter((text, at, all) => !said.includes(text) && all.indexOf(text) === at)
    .slice(0, MOST_APART);
}

/** Where a row stands upwards, with the spread over seeds; and across, with the interval. */
function standing(row) {
  const spread = (row.spread || {})[measure().id];
  const ends = across().ends(row);
  const where = `${number(across().of(row))} ${across().unit}`;
  return [
    `${qualityText()} ${share(quality(row))}${isNumber(spread) ? ` ± ${printed(spread)}` : ''}`,
    ends ? `${where} (${number(ends[0])}–${number(ends[1])})` : where,
  ];
}

/** A text in lines that fit; what a line too many would hold is left out. */
function folded(text) {
  const most = isNarrow() ? LINE_LETTERS.narrow : LINE_LETTERS.wide;
  const lines = [''];
  for (const word of text.split(' ').map((one) => cutOff(one, most))) {
    const line = lines.at(-1);
    if (line && line.length + 1 + word.length > most) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES - 1), `${lines[MOST_LINES - 1]} …`] : lines;
}

const cutOff = (word, most) => (word.length > most ? `${word.slice(0, most - 1)}…` : word);

function hoverText(row) {
  const bold = folded(methodOf(row).name).map((line) => `<b>${plotText(line)}</b>`);
  const lines = [row.setting, ...standing(row), apart(row).join(', ')].filter(Boolean).map(unbroken).flatMap(folded);
  return [...bold, ...lines.map(plotText)].join('<br>');
}
