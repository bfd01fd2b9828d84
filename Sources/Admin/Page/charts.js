'use strict';
// Charts over time as SVG: lines, stacked shares, and lanes of states. They know nothing of Hearth.

const Format = {
  number(value) {
    if (value === null) return '–';
    for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]]) {
      if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
    }
    return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(2);
  },
  rate(value) { return value === null ? '–' : `${Format.number(value)}/s`; },
  percent(value) { return value === null ? '–' : `${value.toFixed(value < 10 && value > 0 ? 1 : 0)} %`; },
  bytes(value) {
    if (value === null) return '–';
    for (const [unit, size] of [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]]) {
      if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
    }
    return `${value.toFixed(0)} B`;
  },
  // Nanoseconds.
  time(value) {
    if (value === null) return '–';
    for (const [unit, size] of [['s', 1e9], ['ms', 1e6], ['µs', 1e3]]) {
      if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
    }
    return `${value.toFixed(0)} ns`;
  },
  span(milliseconds) {
    if (milliseconds === null) return '–';
    const seconds = Math.floor(milliseconds / 1000);
    if (seconds < 1) return `${milliseconds.toFixed(0)} ms`;
    const parts = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
    const first = parts.findIndex(([, size]) => seconds >= size);
    return parts.slice(first, first + 2).map(([unit, size], index) =>
      [Math.floor((index ? seconds % parts[first][1] : seconds) / size), unit])
      .filter(([count], index) => index === 0 || count > 0).map(pair => pair.join(' ')).join(' ');
  },
  clock(at, withSeconds = true) {
    return new Date(at).toLocaleTimeString('en-GB',
      withSeconds ? {} : { hour: '2-digit', minute: '2-digit' });
  },
};

// An element with attributes and children; text is only ever text.
function make(name, attributes = {}, ...children) {
  const element = name in make.svg
    ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
make.svg = { svg: 1, path: 1, line: 1, rect: 1, text: 1, g: 1, title: 1 };

class Chart {
  // series: [{name, color, value: row => number|null}]. kind: lines, stack or lanes.
  // states: of lanes, what each number means, as {name, color}.
  constructor({ title, series, kind = 'lines', format = Format.number, max = null, log = false, note = '', states }) {
    Object.assign(this, { title, series, kind, format, max, log, states });
    this.svg = make('svg', { role: 'img', tabindex: '0', class: kind === 'lanes' ? 'short' : '' });
    this.cursorLine = make('line', { class: 'cursor', visibility: 'hidden' });
    this.outputs = series.map(() => make('output'));
    const legend = make('ul', { class: 'legend' }, ...series.map((one, index) => {
      const item = make('li', {}, `${one.name} `, this.outputs[index]);
      item.style.setProperty('--mark', one.color || 'transparent');
      return item;
    }));
    this.element = make('article', {}, make('h2', {}, title), this.svg, legend);
    if (note) this.element.append(make('p', { class: 'quiet' }, note));
    this.onCursor = () => {};
    this.svg.addEventListener('pointermove', event => {
      const box = this.svg.getBoundingClientRect();
      this.onCursor(this.timeAt(event.clientX - box.left));
    });
    this.svg.addEventListener('pointerleave', () => this.onCursor(null));
    this.svg.addEventListener('keydown', event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || !this.view) return;
      event.preventDefault();
      const now = this.cursor ?? this.view.to;
      this.onCursor(Math.min(this.view.to, Math.max(this.view.from, now + step * this.view.step)));
    });
    this.svg.addEventListener('blur', () => this.onCursor(null));
  }

  timeAt(x) {
    const { from, to, left, width } = this.view;
    return from + Math.min(1, Math.max(0, (x - left) / width)) * (to - from);
  }

  // view: {from, to, step, restarts}; rows between them, the oldest first, each with `at`.
  draw(rows, view) {
    const box = this.svg.getBoundingClientRect();
    if (!box.width) return;
    const left = this.kind === 'lanes' ? 44 : 50;
    this.view = { ...view, left, width: Math.max(1, box.width - left - 4), height: box.height - 18 };
    this.rows = rows;
    const values = this.series.map(one => rows.map(one.value));
    const drawing = { lines: this.lines, stack: this.stack, lanes: this.lanes }[this.kind];
    this.svg.replaceChildren(...drawing.call(this, values), ...this.timeAxis(), this.cursorLine);
    this.point(this.cursor ?? null);
  }

  x(at) { return this.view.left + (at - this.view.from) / (this.view.to - this.view.from) * this.view.width; }

  timeAxis() {
    const { from, to, height, left, width, restarts } = this.view;
    const marks = [0, 0.5, 1].map(part => {
      const anchor = ['start', 'middle', 'end'][part * 2];
      return make('text', { x: left + part * width, y: height + 15, 'text-anchor': anchor },
        Format.clock(from + part * (to - from), to - from < 3600e3));
    });
    const lines = restarts.filter(at => at > from && at < to).map(at =>
      make('line', { class: 'restart', x1: this.x(at), x2: this.x(at), y1: 0, y2: height }));
    return [...marks, ...lines];
  }

  valueAxis(ticks, y) {
    return ticks.flatMap(tick => [
      make('line', {
        class: 'grid', x1: this.view.left, x2: this.view.left + this.view.width, y1: y(tick), y2: y(tick) }),
      make('text', { x: this.view.left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, this.format(tick)),
    ]);
  }

  // Runs of rows without a gap in time or a value that is not there.
  runs(values) {
    const runs = [];
    let last = null;
    values.forEach((value, index) => {
      const at = this.rows[index].at;
      if (value === null) { last = null; return; }
      if (last === null || at - last > 3.5 * this.view.step) runs.push([]);
      runs[runs.length - 1].push(index);
      last = at;
    });
    return runs;
  }

  lines(values) {
    const known = values.flat().filter(value => value !== null);
    const { height } = this.view;
    let y, ticks;
    if (this.log) {
      const least = Math.max(100, Math.min(...known.length ? known : [1000])), most = Math.max(least, ...known);
      const low = Math.floor(Math.log10(least)), high = Math.max(low + 1, Math.ceil(Math.log10(most)));
      y = value => height - (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low) * (height - 8);
      ticks = [];
      const stride = Math.ceil((high - low) / 4);
      for (let power = low; power <= high; power += stride) ticks.push(10 ** power);
    } else {
      const most = this.max ?? Chart.ceiling(Math.max(0, ...known), this.format === Format.bytes ? 2 : 10);
      y = value => height - value / most * (height - 8);
      // Half of one is no number of things.
      ticks = most > 1 || this.format === Format.rate ? [0, most / 2, most] : [0, most];
    }
    const paths = values.map((series, number) => {
      const d = this.runs(series).map(run => {
        const points = run.map(index => `${this.x(this.rows[index].at).toFixed(1)},${y(series[index]).toFixed(1)}`);
        // A lone point would have no length; it is drawn as a dot by its round ends.
        return `M${points.join('L')}${points.length === 1 ? 'h.01' : ''}`;
      }).join('');
      const path = make('path', { class: 'path', d });
      path.style.stroke = this.series[number].color;
      return path;
    });
    return [...this.valueAxis(ticks, y), ...paths];
  }

  // Shares of 100 %, one upon the other.
  stack(values) {
    const { height } = this.view;
    const totals = this.rows.map((_, index) => values.reduce((sum, series) => sum + (series[index] || 0), 0));
    const present = totals.map(total => total > 0 ? total : null);
    const runs = this.runs(present);
    const y = share => height - share / 100 * (height - 8);
    const below = this.rows.map(() => 0);
    const areas = values.map((series, number) => {
      const bottom = [...below];
      series.forEach((value, index) => { if (totals[index]) below[index] += (value || 0) / totals[index] * 100; });
      const d = runs.map(run => {
        const half = this.view.step / (this.view.to - this.view.from) * this.view.width / 2;
        const edge = (index, side, height) =>
          `${(this.x(this.rows[index].at) + side).toFixed(1)},${y(height[index]).toFixed(1)}`;
        const first = run[0], last = run[run.length - 1];
        const up = run.map(index => edge(index, 0, below)), down = run.map(index => edge(index, 0, bottom)).reverse();
        return `M${edge(first, -half, below)}L${up.join('L')}L${edge(last, half, below)}`
          + `L${edge(last, half, bottom)}L${down.join('L')}L${edge(first, -half, bottom)}Z`;
      }).join('');
      const area = make('path', { class: 'area', d });
      area.style.fill = this.series[number].color;
      return area;
    });
    return [...this.valueAxis([0, 50, 100], y), ...areas];
  }

  // A lane for each series, coloured by the state that its value names.
  lanes(values) {
    const { height, width, from, to, step } = this.view;
    const pitch = height / values.length;
    return values.flatMap((series, lane) => {
      const bars = [];
      for (const run of this.runs(series)) {
        let begin = 0;
        for (let place = 1; place <= run.length; place++) {
          if (place < run.length && series[run[place]] === series[run[begin]]) continue;
          // A row tells of the time before it.
          const start = Math.max(from, this.rows[run[begin]].at - step), end = this.rows[run[place - 1]].at;
          const bar = make('rect', {
            x: this.x(start), y: lane * pitch + 2, height: pitch - 5,
            width: Math.max(1, (end - start) / (to - from) * width + 0.4),
          });
          bar.style.fill = this.states[series[run[begin]]].color;
          bars.push(bar);
          begin = place;
        }
      }
      const name = make('text', { x: this.view.left - 6, y: lane * pitch + pitch / 2 + 3, 'text-anchor': 'end' },
        this.series[lane].name);
      return [name, ...bars];
    });
  }

  // Shows what was at a time, or with null what is now.
  point(at) {
    this.cursor = at;
    if (!this.view) return;
    let row = this.rows[this.rows.length - 1];
    if (at !== null) {
      const near = this.rows.reduce((best, one) =>
        best && Math.abs(best.at - at) <= Math.abs(one.at - at) ? best : one, null);
      row = near && Math.abs(near.at - at) <= 2 * this.view.step ? near : null;
      const x = this.x(row ? row.at : at);
      for (const [key, value] of [['x1', x], ['x2', x], ['y1', 0], ['y2', this.view.height]]) {
        this.cursorLine.setAttribute(key, value);
      }
    }
    this.cursorLine.setAttribute('visibility', at === null ? 'hidden' : 'visible');
    const values = this.series.map(one => row ? one.value(row) : null);
    const total = values.reduce((sum, value) => sum + (value || 0), 0);
    values.forEach((value, index) => {
      let text = this.format(value);
      if (this.kind === 'stack') text = Format.percent(total > 0 ? (value || 0) / total * 100 : null);
      if (this.kind === 'lanes') text = value === null ? '–' : this.states[value].name;
      this.outputs[index].textContent = text;
    });
    const said = this.series.map((one, index) => `${one.name} ${this.outputs[index].textContent}`).join(', ');
    this.svg.setAttribute('aria-label', `${this.title}${row ? ` at ${Format.clock(row.at)}` : ''}: ${said}`);
  }

  // The next number above `value` that reads well.
  static ceiling(value, base) {
    if (value <= 0) return 1;
    const power = base ** Math.floor(Math.log(value) / Math.log(base) + 1e-9);
    const step = (base === 2 ? [1, 1.5, 2] : [1, 2, 5, 10]).find(one => value <= one * power * (1 + 1e-9));
    return (step ?? base) * power;
  }
}

// How often each size came, as bars.
class Bars {
  constructor({ title, note }) {
    this.svg = make('svg', { role: 'img' });
    this.title = title;
    this.element = make('article', {}, make('h2', {}, title), this.svg, make('p', { class: 'quiet' }, note));
  }

  // bars: [[label, count]].
  draw(bars) {
    const box = this.svg.getBoundingClientRect();
    if (!box.width) return;
    const height = box.height - 18, total = bars.reduce((sum, [, count]) => sum + count, 0);
    const most = Math.max(1, ...bars.map(([, count]) => count)), pitch = box.width / bars.length;
    this.svg.replaceChildren(...bars.flatMap(([label, count], index) => {
      const tall = count ? Math.max(2, count / most * (height - 16)) : 0;
      const bar = make('rect', { x: index * pitch + 2, width: pitch - 4, y: height - tall, height: tall, rx: 2 });
      bar.style.fill = 'var(--local)';
      const middle = (index + 0.5) * pitch;
      const share = count ? Format.percent(count / total * 100).replace(' ', '') : '';
      return [bar, make('text', { x: middle, y: height - tall - 4, 'text-anchor': 'middle' }, share),
        make('text', { x: middle, y: height + 15, 'text-anchor': 'middle' }, label)];
    }));
    const said = bars.filter(([, count]) => count).map(([label, count]) => `${label}: ${count}`).join(', ');
    this.svg.setAttribute('aria-label', `${this.title}: ${said || 'none yet'}`);
  }
}
