// All parts together: drawn from the address at first, and at each change of it.

let isReady = false; // whether plotly, which stands last in the page, had its turn

function drawAll() {
  const { id } = document.activeElement || {};
  drawTheme();
  drawPanels();
  // Controls were made anew: the focus goes to the one of the same name.
  if (id && document.activeElement.id !== id && byId(id)) byId(id).focus({ preventScroll: true });
}

function wirePage() {
  wireTheme();
  wireSlice();
  wireScatter();
  wireTable();
  byId('controls').addEventListener('submit', (event) => event.preventDefault());
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    byId('main').focus();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && state.selected.length) change({ selected: [] });
  });
  addEventListener('hashchange', () => {
    readAddress();
    drawAll();
  });
}

/** Once plotly is there: the charts, and what is done with them. */
function wireCharts() {
  isReady = true;
  document.documentElement.classList.toggle('without-charts', !hasPlotly());
  drawAll();
  wireExport();
  drawOnResize(drawAll);
}

readAddress();
wirePage();
drawAll();
addEventListener('DOMContentLoaded', wireCharts);
