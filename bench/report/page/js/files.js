// Files that the browser keeps: a text under a name, a value of CSV.

/** Let the browser keep a text as a file. */
function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const CSV_DIGITS = 12; // what is behind them is rounding of the machine, as in 0.8929999999999999

/** A value of a CSV file: a number as shortly as its digits allow, a text in quotes where it has to be. */
function csvValue(value) {
  const plain = isNumber(value) ? Number(value.toPrecision(CSV_DIGITS)) : value;
  const text = plain === undefined || plain === null ? '' : String(plain);
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
