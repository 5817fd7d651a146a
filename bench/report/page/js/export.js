// What is shown now as a file: the table as CSV or LaTeX, a chart as PNG.

const PNG_SCALE = 2;

const fileName = (ending) => `${DATA.grid.name}-${currentSet().id}`.replace(/[^\w.-]+/g, '_') + ending;

const columnTitle = (one) => [headOf(one), one.unit].filter(Boolean).join(', ');

/** The columns of the table, and why rows have no result: on the page a row says it across the columns. */
function savedColumns() {
  const isSaved = (one) => shownColumns().includes(one) || (one.id === 'ending' && tableRows().undone.length > 0);
  return TABLE_COLUMNS.filter(isSaved);
}

/** The columns with a name, and behind each the columns that `ofInterval` makes of its interval, if any row has one. */
function columnsToSave(ofInterval) {
  const hasInterval = (one) => INTERVALS[one.id] && chosenRows().some(INTERVALS[one.id]);
  const named = savedColumns().filter(({ head }) => head);
  return named.flatMap((one) => [
    { title: columnTitle(one), isText: one.text, of: one.of, text: (row) => textOf(one, row) },
    ...(hasInterval(one) ? ofInterval(columnTitle(one), INTERVALS[one.id]) : []),
  ]);
}

const savedRows = () => [...tableRows().done, ...tableRows().undone];

/** The rows of the table as they are sorted and filtered, unrounded, with how each ended and its record's key. Of an
 * interval that says nothing no end is there. */
function tableAsCsv() {
  const told = (pair, row) => (isVague(...(pair(row) || [])) ? [] : pair(row) || []);
  const ends = (title, pair) => [
    { title: `${title}, low`, of: (row) => told(pair, row)[0] },
    { title: `${title}, high`, of: (row) => told(pair, row)[1] },
  ];
  const columns = columnsToSave(ends);
  const lines = [
    [...columns.map(({ title }) => title), 'status', 'key'],
    ...savedRows().map((row) => [...columns.map((one) => one.of(row)), row.status, row.keys.join(' ')]),
  ];
  return lines.map((line) => line.map(csvValue).join(',')).join('\r\n') + '\r\n';
}

const LATEX_SIGNS = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '−': '$-$',
  '±': '$\\pm$',
  '–': '--',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
};
/** A text in LaTeX, on one line: an empty line would end the paragraph and so break the table. */
const latex = (text) =>
  String(text)
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(/[\\~^−±–<>&%$#_{}]/g, (sign) => LATEX_SIGNS[sign] || `\\${sign}`);

/** Where the table is from: the page's address, of a file on this machine only its name and what is seen in it. */
function origin() {
  const { protocol: scheme, href, pathname, hash } = location;
  const address = scheme === 'file:' ? pathname.split('/').at(-1) + hash : href;
  return `${DATA.grid.name} on ${currentSet().id}: ${address}`.replace(/[\r\n]/g, '');
}

/** The rows of the table as they are shown, for the package booktabs. */
function tableAsLatex() {
  const asText = (_, of) => [{ title: 'interval', text: (row) => intervalWords(...(of(row) || [])) }];
  const columns = columnsToSave(asText);
  const line = (cells) => `${cells.map(latex).join(' & ')} \\\\`;
  return [
    `% ${origin()}`,
    `\\begin{tabular}{${columns.map((one) => (one.isText ? 'l' : 'r')).join('')}}`,
    '\\toprule',
    line(columns.map(({ title }) => title)),
    '\\midrule',
    ...savedRows().map((row) => line(columns.map((one) => one.text(row)))),
    '\\bottomrule',
    '\\end{tabular}',
    '',
  ].join('\n');
}

/** Keep a chart as it is shown, on its background. */
function chartAsPng(id) {
  const element = byId(id);
  const figure = { data: element.data, layout: { ...element.layout, paper_bgcolor: colour('paper') } };
  return window.Plotly.downloadImage(figure, {
    format: 'png',
    scale: PNG_SCALE,
    width: element.clientWidth,
    height: element.clientHeight,
    filename: fileName(`-${id}`),
  });
}

function wireExport() {
  byId('csv').addEventListener('click', () => download(fileName('.csv'), 'text/csv', tableAsCsv()));
  byId('latex').addEventListener('click', () => download(fileName('.tex'), 'text/x-tex', tableAsLatex()));
  document.querySelectorAll('[data-png]').forEach((button) => {
    button.hidden = !hasPlotly();
    button.addEventListener('click', () => chartAsPng(button.dataset.png));
  });
}
