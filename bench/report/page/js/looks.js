// A method's look: the hue is its family, the shade its plugin; the shape, its dot and the dashes tell the methods of a
// family apart; hollow with a dotted line are codes shorter than the longest that the plugin searches here.

/** The two shapes of each hue, by the names that plotly has for them. */
const SHAPES = [
  ['x', 'cross'],
  ['circle', 'pentagon'],
  ['square', 'bowtie'],
  ['triangle-up', 'triangle-right'],
  ['diamond', 'diamond-wide'],
  ['star', 'hexagram'],
  ['hexagon', 'hourglass'],
  ['triangle-down', 'triangle-left'],
];
/** The same shapes beside names, about the middle of a box 16 wide. */
const OUTLINES = {
  x: 'M-5.5,-2.8L-2.8,-5.5L0,-2.7L2.8,-5.5L5.5,-2.8L2.7,0L5.5,2.8L2.8,5.5L0,2.7L-2.8,5.5L-5.5,2.8L-2.7,0Z',
  cross: 'M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z',
  circle: 'M-5.5,0A5.5,5.5,0,1,1,5.5,0A5.5,5.5,0,1,1,-5.5,0Z',
  pentagon: 'M0,-6.5L6.2,-2L3.8,5.3L-3.8,5.3L-6.2,-2Z',
  square: 'M-5,-5H5V5H-5Z',
  bowtie: 'M-6,-5V5L6,-5V5Z',
  'triangle-up': 'M0,-6.5L5.6,3.2L-5.6,3.2Z',
  'triangle-right': 'M6.5,0L-3.2,5.6L-3.3,-5.6Z',
  diamond: 'M0,-6.5L6.5,0L0,6.5L-6.5,0Z',
  'diamond-wide': 'M0,-4.3L7,0L0,4.3L-7,0Z',
  star: 'M0,-7L1.9,-2.5L6.7,-2.2L3,1L4.1,5.7L0,3.1L-4.1,5.7L-3,1L-6.7,-2.2L-1.9,-2.5Z',
  hexagram: 'M0,-7L2,-3.5L6.1,-3.5L4.1,0L6.1,3.5L2,3.5L0,7L-2,3.5L-6.1,3.5L-4.1,0L-6.1,-3.5L-2,-3.5Z',
  hexagon: 'M0,-6.5L5.6,-3.2L5.6,3.2L0,6.5L-5.6,3.2L-5.6,-3.3Z',
  hourglass: 'M-5,-6H5L-5,6H5Z',
  'triangle-down': 'M0,6.5L-5.6,-3.3L5.6,-3.3Z',
  'triangle-left': 'M-6.5,0L3.3,-5.6L3.2,5.6Z',
};

const inkName = (method) => `hue-${method.hue}-${method.shade}`;
const inkVariable = (method) => `var(--${inkName(method)})`;
const inkOf = (method) => colour(inkName(method));
const shapeOf = (method) => SHAPES[method.hue][method.shape || 0];
const dashOf = (method) =>
  method.open ? 'dot' : ['solid', 'dash', 'longdash', 'dashdot'][(method.shape || 0) + (method.dotted ? 2 : 0)];

/** How plotly draws a method's points. A full mark has its dot, and therefore its edge, in the colour of the paper. */
function markerOf(method, ink, size) {
  const symbol = `${shapeOf(method)}${method.open ? '-open' : ''}${method.dotted ? '-dot' : ''}`;
  const edge = method.dotted && !method.open ? colour('paper') : ink;
  return { symbol, size, color: ink, line: { color: edge, width: 1.5 } };
}

/** A method's mark beside its name: as it is in the charts, or of another shape that a chart gives it. */
function dot(method, shape = shapeOf(method)) {
  const ink = inkVariable(method);
  const [fill, spot] = method.open ? ['none', ink] : [ink, 'var(--paper)'];
  return svg(
    'svg',
    { class: 'dot', viewBox: '-8 -8 16 16', 'aria-hidden': 'true' },
    svg('path', { d: OUTLINES[shape], style: { fill, stroke: ink, 'stroke-width': '2' } }),
    method.dotted ? svg('circle', { r: '2.2', style: { fill: spot } }) : null,
  );
}
