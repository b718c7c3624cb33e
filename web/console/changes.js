/** What changed between two moments: the one that was marked, and the one that is shown. */

import { Failure, brief, html, useAnswer, useEffect, useRef, useState } from './ui.js'

const EVERY_MS = 1000
const SHOWN = 200

/** What is compared: where a view keeps what it tells apart, and what says only that something has changed. */
const COMPARED = [
  { name: 'state', under: ['value'], left_out: [], whole: true },
  { name: 'tasks', under: [], left_out: ['session', 'task', 'since', 'created', 'changed', 'audience'] },
  { name: 'agents', under: ['agents'], left_out: ['id', 'since', 'at', 'joined', 'lease', 'evidence', 'last', 'instances'] },
]

export function ChangesPanel({ session, version, head, mark, setMark, at }) {
  const here = useSlowly(version ?? head)
  if (mark === null) {
    return html`<p class="empty">Mark a moment, then go to another one: what has changed between the two in the state, the tasks and the agents is shown here.</p>
      <p><button type="button" onClick=${() => setMark(version ?? head)}>Mark this moment (m)</button></p>`
  }
  if (!head) return html`<p class="empty">Reading …</p>`
  const [from, to] = [Math.min(mark, here), Math.max(mark, here)]
  const moment = (each) => html`<button type="button" class="plain number" title="show that moment" onClick=${() => at(each)}>event ${each}</button>`
  return html`<div class="row wrap heading"><span>from ${moment(from)} to ${moment(to)}${version === null && mark <= here ? (session.client.recorded ? ', the end' : ', now') : ''}</span><span class="grow"></span>
      ${from !== to && html`<button type="button" onClick=${() => setMark(version ?? head)}>mark this one</button>`}
      <button type="button" onClick=${() => setMark(null)}>unmark</button></div>
    ${from === to
      ? html`<p class="empty">This is the moment that is marked. Go to another one.</p>`
      : to > head
      ? html`<p class="empty">The session has no event ${to} yet.</p>`
      : COMPARED.map((each) => html`<${Compared} key=${each.name} session=${session} compared=${each} from=${from} to=${to} />`)}`
}

/** A number that changes often, at most once a second. */
function useSlowly(value) {
  const [shown, setShown] = useState(value)
  const last = useRef(0)
  useEffect(() => {
    if (value === shown) return
    const timer = setTimeout(() => ((last.current = Date.now()), setShown(value)), Math.max(0, last.current + EVERY_MS - Date.now()))
    return () => clearTimeout(timer)
  }, [value, shown])
  return shown
}

function Compared({ session, compared, from, to }) {
  const { value, error, loading } = useAnswer(() => read(session, compared, from, to), [session, from, to])
  return html`<section class="changes" aria-label=${`changes in ${compared.name}`} aria-busy=${loading === true}><h3>${compared.name} ${value && html`<small>${value.length}</small>`}</h3>
    ${error && html`<${Failure} error=${error} />`}
    ${!value && !error && html`<p class="quiet">Reading …</p>`}
    ${value && !value.length && html`<p class="quiet">the same at both</p>`}
    <ul>${value?.slice(0, SHOWN).map((each) => html`<${Change} key=${each.key} change=${each} />`)}</ul>
    ${value?.length > SHOWN && html`<p class="quiet">and ${value.length - SHOWN} more: choose moments that are nearer to each other</p>`}
  </section>`
}

const SHAPES = { added: '+', changed: '~', removed: '−' }

function Change({ change }) {
  const { key, name, what, fields } = change
  return html`<li class="change" data-change=${what}><p><span class="shape" aria-hidden="true">${SHAPES[what]}</span> <code class="who">${key}</code> <span class="quiet">${what}</span>${name ? ` ${name}` : ''}</p>
    ${fields.map(([field, before, after]) => html`<p class="field">${field && html`<span class="quiet">${field}</span>`} ${what !== 'added' && (before === undefined ? said(before) : html`<del>${said(before)}</del>`)} ${what === 'changed' && html`<span aria-hidden="true">→</span>`} ${what !== 'removed' && html`<ins>${said(after)}</ins>`}</p>`)}</li>`
}

const said = (value) => (value === undefined ? html`<span class="quiet">nothing</span>` : html`<code>${brief(JSON.stringify(value), 300)}</code>`)

/** The changes in a view, from the patches of the gateway: the one forth has what came to be, the one back what was. */
async function read(session, compared, from, to) {
  const path = `/v1/views/${compared.name}/${encodeURIComponent(session.id)}/difference`
  const forth = (await session.client.read(path, { from, to })).patch
  if (!forth.length) return []
  const back = (await session.client.read(path, { from: to, to: from })).patch
  return changesOf(forth, back, compared)
}

/** What was and what came to be at each path, by what it is in: a name of the state, a task, an agent. */
function changesOf(forth, back, { under, left_out, whole }) {
  const pairs = new Map()
  const take = (patch, side) => patch.forEach(({ op, path, value }) => op !== 'remove' && pairOf(pairs, path).splice(side, 1, value))
  take(back, 0)
  take(forth, 1)
  const found = new Map()
  const put = ([key, ...rest], before, after) => {
    if (!found.has(key)) found.set(key, { key, fields: [] })
    const change = found.get(key)
    if (!rest.length) Object.assign(change, { before, after, replaced: true })
    else if (!left_out.includes(rest[0])) change.fields.push([rest.join('/'), before, after])
  }
  for (const [path, [before, after]] of pairs) spread(path.split('/').slice(1).map(unescaped), before, after, under, put)
  return [...found.values()].map((each) => shown(each, left_out, whole)).filter((each) => each.fields.length).sort((a, b) => (a.key < b.key ? -1 : 1))
}

function pairOf(pairs, path) {
  if (!pairs.has(path)) pairs.set(path, [undefined, undefined])
  return pairs.get(path)
}

const unescaped = (part) => part.replaceAll('~1', '/').replaceAll('~0', '~')

/** A change of what holds the things that are told apart is one of each of them. */
function spread(path, before, after, under, put) {
  if (path.length > under.length) {
    if (under.every((each, index) => path[index] === each)) put(path.slice(under.length), before, after)
    return
  }
  for (const name of members(before, after)) spread([...path, name], memberOf(before, name), memberOf(after, name), under, put)
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)
const members = (...values) => new Set(values.filter(isObject).flatMap((each) => Object.keys(each)))
const memberOf = (value, name) => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined)
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other)
const NONE = (value) => value === undefined || value === null || value === false || value === 0 || (typeof value === 'object' && !Object.keys(value).length)

/** A change as it is shown: the whole value of a name of the state; of a task or an agent what differs, or what it is. */
function shown({ key, fields, replaced, before, after }, left_out, whole) {
  if (!replaced) return { key, what: 'changed', fields }
  const what = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
  const name = !whole && what !== 'added' ? (after ?? before).title : null
  if (whole && !(isObject(before) && isObject(after))) return { key, what, fields: [['', before, after]] }
  const differing = [...members(before, after)].filter((name) => whole || !left_out.includes(name)).map((name) => [name, memberOf(before, name), memberOf(after, name)])
  return { key, name, what, fields: differing.filter(([, one, other]) => !same(one, other) && !(NONE(one) && NONE(other))) }
}
