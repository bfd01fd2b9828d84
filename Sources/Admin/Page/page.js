'use strict';
// The page: what the server tells is kept, drawn, and begun anew when a connection or the sidecar itself has ended.

const view = {
  range: 'fine',
  columns: {},
  // By range: rows of [end, length, values…] as objects, the oldest first.
  rows: { fine: [], coarse: [] },
  steps: { fine: 1000, coarse: 30000 },
  capacity: { fine: 600, coarse: 720 },
  present: null,
  started: null,
  restarts: [],
  heardAt: 0,
  lostAt: null,
};
const element = id => document.getElementById(id);

// ---- What a row says

// A number of a row; null where there is none.
const get = (row, name) => {
  const place = view.columns[name];
  return place === undefined ? null : row.values[place];
};
const level = name => row => get(row, name);
const sum = (row, names) => names.reduce((total, name) => total + (get(row, name) || 0), 0);
const count = (...names) => row => sum(row, names);
const rate = (...names) => row => sum(row, names) / (row.elapsed / 1000);

const colors = name => `var(--${name})`;
const answered = [
  { name: 'local', color: colors('local'), value: count('local_fresh', 'local_stale', 'local_absent') },
  { name: 'Redis', color: colors('redis'), value: count('redis_fresh', 'redis_absent') },
  { name: 'warm', color: colors('warm'), value: count('warm_fresh', 'warm_stale', 'warm_absent') },
  { name: 'journal', color: colors('journal'), value: count('journal_reads') },
  { name: 'default', color: colors('default'), value: count('default_default') },
  { name: 'nobody', color: colors('none'), value: count('unknown', 'unavailable') },
];
const percentiles = tier => ['p50', 'p95', 'p99'].map(name =>
  ({ name, color: colors(name), value: level(`${tier}_${name}`) }));

const charts = [
  new Chart({ title: 'Who answered the reads', kind: 'stack', series: answered,
    note: 'Warm copies that were promoted, and what is known to be absent, count as answers.' }),
  new Chart({ title: 'Breaker', kind: 'lanes', series: [
    { name: 'reads', value: level('breaker_reads') }, { name: 'writes', value: level('breaker_writes') }],
    states: [
      { name: 'closed', color: colors('closed') }, { name: 'forced closed', color: colors('forced') },
      { name: 'half-open', color: colors('half') }, { name: 'open', color: colors('open') },
      { name: 'forced open', color: colors('forced') }],
    note: 'Green closed, amber half-open, red open, violet forced. Of several states in one interval, the worst.' }),
  new Chart({ title: 'Requests', format: Format.rate, series: [
    { name: 'all', color: colors('local'), value: rate('commands') },
    { name: 'writes', color: colors('warm'), value: rate('writes', 'journal_accepted') },
    { name: 'stale', color: colors('default'), value: rate('local_stale', 'warm_stale') },
    { name: 'unavailable', color: colors('none'), value: rate('unavailable', 'journal_refused') }] }),
  new Chart({ title: 'Journal: writes that wait for Redis', series: [
    { name: 'entries', color: colors('journal'), value: level('journal_entries') }] }),
  new Chart({ title: 'Journal: age of the oldest', format: Format.span, series: [
    { name: 'age', color: colors('journal'), value: level('journal_age_ms') }] }),
  new Chart({ title: 'Conflicts', format: Format.number, series: [
    { name: 'found at replay', color: colors('none'), value: count('journal_conflicts') },
    { name: 'versions of records', color: colors('redis'), value: count('record_conflicts') }] }),
  ...Object.entries({ local: 'Local memory', redis: 'Redis', warm: 'Warm tier', journal: 'Journal' })
    .map(([tier, name]) => new Chart({
      title: `${name}: time to answer`, log: true, format: Format.time, series: percentiles(tier) })),
  new Chart({ title: 'Changes in Redis', kind: 'lanes', series: [{ name: 'heard', value: level('coherence') }],
    states: [{ name: 'heard of', color: colors('closed') }, { name: 'not heard of', color: colors('half') }],
    note: 'While they are not heard of, reads are as old as max_staleness allows, and Redis is asked more often.' }),
  new Chart({ title: 'Changes in Redis: not heard of for', format: Format.span, series: [
    { name: 'any', color: colors('none'), value: level('coherence_gap_ms') },
    { name: 'deletions (their stream)', color: colors('redis'), value: level('deletions_age_ms') }] }),
  new Chart({ title: 'Changes in Redis: invalidations', format: Format.rate, series: [
    { name: 'told of', color: colors('redis'), value: rate('invalidations_received') },
    { name: 'held here', color: colors('local'), value: rate('invalidations_applied') },
    { name: 'of every key', color: colors('none'), value: rate('invalidations_flushes') },
    { name: 'answers that came too late', color: colors('default'), value: rate('late_fills') }] }),
  new Chart({ title: 'Kept too long', format: Format.number, series: [
    { name: 'past their retention', color: colors('none'), value: count('retention_overdue') },
    { name: 'lives shortened', color: colors('warm'), value: count('retention_shortened') },
    { name: 'of no policy here', color: colors('default'), value: count('orphaned') }],
    note: 'Found by walks and reads; what is past its retention is removed.' }),
  new Chart({ title: 'Turns of conversations', format: Format.number, series: [
    { name: 'archived', color: colors('warm'), value: count('turns_archived') },
    { name: 'archive refused', color: colors('half'), value: count('archive_refused') },
    { name: 'dropped', color: colors('none'), value: count('turns_dropped') },
    { name: 'archives let go', color: colors('redis'), value: count('archive_evicted') },
    { name: 'archives read', color: colors('local'), value: count('archive_reads') }] }),
  new Chart({ title: 'What became of entries', format: Format.rate, series: [
    { name: 'local evicted', color: colors('local'), value: rate('local_evicted') },
    { name: 'local expired', color: colors('redis'), value: rate('local_expired') },
    { name: 'warm evicted', color: colors('warm'), value: rate('warm_evicted') },
    { name: 'warm expired', color: colors('default'), value: rate('warm_expired') },
    { name: 'promoted', color: colors('journal'), value: rate('warm_promoted') }] }),
  new Chart({ title: 'Memory', format: Format.bytes, series: [
    { name: 'process', color: colors('local'), value: level('resident_bytes') },
    { name: 'local entries', color: colors('redis'), value: level('local_bytes') },
    { name: 'warm index', color: colors('warm'), value: level('warm_index_bytes') }] }),
  new Chart({ title: 'Disk', format: Format.bytes, series: [
    { name: 'warm', color: colors('warm'), value: level('warm_disk_bytes') },
    { name: 'of it archives', color: colors('redis'), value: level('archive_bytes') },
    { name: 'journal', color: colors('journal'), value: level('journal_disk_bytes') }] }),
];
const sizes = new Bars({
  title: 'Sizes of values', note: 'Read from below local memory, or written, since the start.' });
element('charts').append(...charts.map(chart => chart.element), sizes.element);
for (const chart of charts) chart.onCursor = at => charts.forEach(one => one.point(at));

// ---- Being told

const toRows = rows => rows.map(([at, elapsed, ...values]) => ({ at, elapsed, values }));

function takePast(past) {
  const isRestart = view.started !== null && view.started !== past.started;
  if (isRestart) view.restarts.push(past.started);
  const columns = Object.fromEntries(past.columns.map((name, index) => [name, index]));
  // After an upgrade the columns may be others: what was known can't be read by them.
  const isSame = JSON.stringify(columns) === JSON.stringify(view.columns);
  for (const range of ['fine', 'coarse']) {
    const rows = toRows(past[range].rows);
    // What an earlier process told is kept: it forgot it, and it is what led here.
    const older = isRestart && isSame
      ? view.rows[range].filter(row => !rows.length || row.at < rows[0].at) : [];
    view.rows[range] = [...older, ...rows].slice(-past[range].capacity);
    view.steps[range] = past[range].step;
    view.capacity[range] = past[range].capacity;
  }
  view.columns = columns;
  view.started = past.started;
  element('version').textContent = past.version;
  takePresent(past);
}

function takeNews(news) {
  for (const range of ['fine', 'coarse']) {
    const rows = view.rows[range];
    // One that the past had already, or nothing new.
    if (!news[range] || rows.length && news[range][0] <= rows[rows.length - 1].at) continue;
    rows.push(...toRows([news[range]]));
    if (rows.length > view.capacity[range]) rows.shift();
  }
  takePresent(news);
}

function takePresent(told) {
  view.heardAt = Date.now();
  view.lostAt = null;
  view.present = told.present;
  if (told.transitions) showTransitions(told.transitions);
  if (told.lines) showLines(told.lines);
  if (told.policies) showPolicies(told.policies);
  draw();
}

function connect() {
  const source = new EventSource('events');
  source.addEventListener('past', event => takePast(JSON.parse(event.data)));
  source.addEventListener('news', event => takeNews(JSON.parse(event.data)));
  source.addEventListener('error', () => {
    view.lostAt ??= Date.now();
    showConnection();
    // The browser tries again by itself, unless it was told no: then we ask why, and do it.
    if (source.readyState === EventSource.CLOSED) explain();
  });
}

async function explain() {
  const stop = new AbortController();
  try {
    const answer = await fetch('events', { signal: stop.signal });
    if (!answer.ok) view.refusal = (await answer.text()).trim();
  } catch {
    view.refusal = null;
  }
  stop.abort();
  showConnection();
  setTimeout(connect, 3000);
}

// ---- Showing

function table(id, head, rows, empty) {
  const cell = value => value instanceof Node ? value : make('td', {}, value);
  element(id).replaceChildren(...rows.length
    ? [make('thead', {}, make('tr', {}, ...head.map(name => make('th', { scope: 'col' }, name)))),
      make('tbody', {}, ...rows.map(row => make('tr', {}, ...row.map(cell))))]
    : [make('tbody', {}, make('tr', {}, make('td', { class: 'quiet' }, empty)))]);
}

const stateClass = state => ({ closed: 'good', open: 'bad', 'forced-open': 'bad' })[state] || 'warn';

function showTransitions(transitions) {
  table('transitions', ['time', 'side', 'to', 'why'], [...transitions].reverse().map(one => [
    Format.clock(one.at), one.side, make('td', { class: stateClass(one.to) }, one.to),
    make('td', { class: 'text' }, one.times > 1 ? `${one.cause}, ${one.times} times in a row` : one.cause)]), 'None since the start.');
}

function showLines(lines) {
  const known = new Set(['time', 'level', 'event']);
  table('lines', ['time', 'event', ''], [...lines].reverse().map(line => {
    const rest = Object.entries(line).filter(([name]) => !known.has(name))
      .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
    return [Format.clock(Date.parse(line.time)),
      make('td', { class: line.level === 'error' ? 'bad' : 'warn' }, line.event),
      make('td', { class: 'text' }, rest.join(' · '))];
  }), 'None since the start.');
}

function showPolicies(policies) {
  const names = Object.keys(policies[0]).filter(name => name !== 'prefix');
  table('policies', ['prefix', ...names], policies.map(policy => [
    make('td', {}, make('code', {}, policy.prefix === '' ? 'every other key' : policy.prefix)),
    ...names.map(name => policy[name])]), '');
}

function showTiles(rows) {
  const last = rows[rows.length - 1], { present } = view;
  const reads = last ? answered.reduce((total, one) => total + one.value(last), 0) : 0;
  const share = reads ? answered[0].value(last) / reads * 100 : null;
  const tiles = [
    ['requests', Format.rate(last ? rate('commands')(last) : null)],
    ['reads from local memory', Format.percent(share)],
    ['p99 of local memory', Format.time(last ? get(last, 'local_p99') : null)],
    ['p99 of Redis', Format.time(last ? get(last, 'redis_p99') : null)],
    ['Redis', present.breaker ? present.breaker.reads : 'none',
      present.breaker ? stateClass(present.breaker.reads) : ''],
    ['waits for Redis', present.journal ? Format.number(present.journal.entries) : '–',
      present.journal && present.journal.entries > 0 ? 'warn' : ''],
    ['oldest of it', present.journal && present.journal.entries ? Format.span(present.journal.age_ms) : '–'],
    ['conflicts kept', present.journal ? Format.number(present.journal.conflicts_kept) : '–'],
    ['clients', Format.number(present.clients)],
    ['memory', Format.bytes(present.resident_bytes)],
    ['entries in memory', Format.number(present.local.entries)],
    ['entries on disk', Format.number(present.warm.entries)],
  ];
  element('tiles').replaceChildren(...tiles.map(([name, value, kind = '']) =>
    make('div', { class: 'tile' }, make('b', { class: kind }, value), make('span', {}, name))));
}

function showConnection() {
  const silent = view.heardAt ? Date.now() - view.heardAt : 0;
  const isLost = view.lostAt !== null || silent > 5000;
  const notice = element('notice');
  notice.hidden = !isLost && view.heardAt !== 0;
  if (view.heardAt === 0) {
    notice.textContent = view.refusal || 'Connecting.';
  } else if (isLost) {
    notice.textContent = `${view.refusal || `Nothing heard since ${Format.clock(view.heardAt)}.`} `
      + 'What is shown ends there; this page tries again by itself.';
  }
  const pill = element('status');
  const status = isLost || !view.present ? 'not connected' : view.present.status;
  pill.textContent = status;
  pill.className = `pill ${({ ready: 'good', degraded: 'warn' })[status] || 'bad'}`;
  document.title = `Hearth: ${status}`;
  if (!isLost) view.refusal = null;
}

function draw() {
  showConnection();
  if (!view.present || document.hidden) return;
  const { present } = view;
  element('uptime').textContent = `up ${Format.span(present.uptime_seconds * 1000)}, `
    + (present.mode === 'redis' ? 'in front of Redis' : 'without Redis');
  element('components').replaceChildren(...present.components.filter(one => one.state !== 'ok').map(one =>
    make('li', {}, make('b', {}, one.name), ` ${one.state}${one.text ? `: ${one.text}` : ''}`)));
  showTiles(view.rows.fine);
  const step = view.steps[view.range], rows = view.rows[view.range];
  const to = rows.length ? rows[rows.length - 1].at : Date.now();
  // What is shown grows with what is known, from a tenth of the range on.
  const full = step * view.capacity[view.range], known = rows.length ? to - rows[0].at + rows[0].elapsed : 0;
  const span = { step, from: to - Math.min(full, Math.max(full / 10, known)), to, restarts: view.restarts };
  const shown = rows.filter(row => row.at >= span.from);
  for (const chart of charts) chart.draw(shown, span);
  sizes.draw(present.value_bytes.map(([bound, count]) => [bound === null ? 'more' : short(bound), count]));
}

// A size in few letters: 64, 1K, 8M.
function short(bytes) {
  const [unit, size] = [['M', 2 ** 20], ['K', 2 ** 10], ['', 1]].find(([, size]) => bytes >= size);
  return `${bytes / size}${unit}`;
}

element('ranges').addEventListener('click', event => {
  const range = event.target.dataset.range;
  if (!range) return;
  view.range = range;
  for (const button of element('ranges').children) {
    button.setAttribute('aria-pressed', String(button.dataset.range === range));
  }
  draw();
});
document.addEventListener('visibilitychange', draw);
window.addEventListener('resize', draw);
setInterval(showConnection, 1000);
connect();
