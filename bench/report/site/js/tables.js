// Tables of a page that are sorted by their headings.

/** What a cell is sorted by: its number where it has one, or else its text. */
function sortValue(row, column) {
  const cell = row.cells[column];
  if (!cell) return '';
  return cell.dataset.number === undefined ? cell.textContent : Number(cell.dataset.number);
}

/** Numbers stand before texts, which are what is said where there is no number. */
function compareValues(a, b) {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return typeof a === 'number' ? a - b : a.localeCompare(b, 'en', { numeric: true });
}

function sortTable(table, column) {
  const head = table.tHead.rows[0].cells[column];
  const isUp = head.getAttribute('aria-sort') !== 'ascending';
  [...table.tHead.rows[0].cells].forEach((one) => one.removeAttribute('aria-sort'));
  head.setAttribute('aria-sort', isUp ? 'ascending' : 'descending');
  const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains('failed'));
  const undone = [...table.tBodies[0].rows].filter((row) => row.classList.contains('failed'));
  rows.sort((a, b) => (isUp ? 1 : -1) * compareValues(sortValue(a, column), sortValue(b, column)));
  table.tBodies[0].replaceChildren(...rows, ...undone);
}

/** Make the headings of a table buttons that sort it. */
function wireTable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = el('button', { type: 'button', onclick: () => sortTable(table, column) }, head.textContent);
    head.replaceChildren(button);
  });
}
