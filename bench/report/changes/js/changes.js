// The whole page: what stands above, what is drawn when the state changes, and what the controls do.

function sideWords(side) {
  const revisions = side.revisions.length ? `revision ${side.revisions.join(', ')}` : null;
  return [side.name, side.days, side.machines.join('; '), revisions].filter(Boolean).join(' · ');
}

function drawSides() {
  const sides = [
    ['Before', DATA.before],
    ['After', DATA.after],
  ];
  const items = sides.flatMap(([title, side]) => [el('dt', {}, title), el('dd', {}, sideWords(side))]);
  byId('sides').replaceChildren(...items);
}

function setButton(name) {
  const current = String(name === currentSet());
  const choose = () => change({ set: name });
  return el('button', { type: 'button', id: `set-${name}`, 'aria-current': current, onclick: choose }, name);
}

function drawSets() {
  byId('sets').hidden = DATA.sets.length < 2;
  byId('sets').replaceChildren(...DATA.sets.map(setButton));
}

/** Draw all anew. Controls are made anew too: the focus goes to the one with the same id. */
function drawAll() {
  const id = document.activeElement ? document.activeElement.id : '';
  drawTheme();
  drawSets();
  drawAxes();
  drawPoints();
  drawList();
  if (id && document.activeElement.id !== id && byId(id)) byId(id).focus({ preventScroll: true });
}

function wireControls() {
  wireTheme();
  document.querySelectorAll('form').forEach((form) => {
    form.addEventListener('submit', (event) => event.preventDefault());
  });
  byId('find').addEventListener('input', () => change({ find: byId('find').value, all: '' }));
  byId('more').addEventListener('click', () => change({ all: state.all ? '' : '1' }));
  byId('csv').addEventListener('click', () => download('changes.csv', 'text/csv', listAsCsv()));
  addEventListener('hashchange', () => {
    readAddress();
    drawAll();
  });
}

readAddress();
wireControls();
drawSides();
drawAll();
drawOnResize(drawPoints);
addEventListener('DOMContentLoaded', drawPoints); // plotly stands last in the page: all else is there before
