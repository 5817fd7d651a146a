// What the index and the pages of methods do: light and dark, the link, the chart, and tables that sort.

function drawAll() {
  const id = document.activeElement ? document.activeElement.id : '';
  drawTheme();
  drawMethod();
  if (id && document.activeElement.id !== id && byId(id)) byId(id).focus({ preventScroll: true });
}

readAddress();
wireTheme();
drawAll();
byId('theme').hidden = false;
byId('copy').hidden = false;
document.querySelectorAll('table.sortable').forEach(wireTable);
document.querySelectorAll('form').forEach((form) => {
  form.addEventListener('submit', (event) => event.preventDefault());
});
drawOnResize(drawMethod);
addEventListener('DOMContentLoaded', drawMethod); // plotly comes last
addEventListener('hashchange', () => {
  readAddress();
  drawAll();
});
