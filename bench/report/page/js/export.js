// What is shown now as a file: the table as CSV or LaTeX, a chart as PNG.

const PNG_SCALE = 2;

const fileName = (ending) => `${DATA.grid.name}-${currentSet().id}`.replace(/[^\w.-]+/g, '_') + ending;

const columnTitle = (one) => [headOf(one), one.unit].filter(Boolean).join(', ');

/** The rows of the table as they are sorted and filtered, unrounded, with how each ended and its record's key. */
function tableAsCsv() {
  const columns = shownColumns().filter(({ head }) => head);
  const { done, undone } = tableRows();
  const lines = [
    [...columns.map(columnTitle), 'status', 'key'],
    ...[...done, ...undone].map((row) => [...columns.map((one) => one.of(row)), row.status, row.keys.join(' ')]),
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
const latex = (text) => String(text).replace(/[\\~^−±–<>&%$#_{}]/g, (sign) => LATEX_SIGNS[sign] || `\\${sign}`);

/** The rows of the table as they are shown, for the package booktabs. */
function tableAsLatex() {
  const columns = shownColumns().filter(({ head }) => head);
  const line = (cells) => `${cells.map(latex).join(' & ')} \\\\`;
  return [
    `% ${location.href.replace(/[\r\n]/g, '')}`,
    `\\begin{tabular}{${columns.map((one) => (one.text ? 'l' : 'r')).join('')}}`,
    '\\toprule',
    line(columns.map(columnTitle)),
    '\\midrule',
    ...tableRows().done.map((row) => line(columns.map((one) => textOf(one, row)))),
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
