/** What the team is doing, what there is to do, and what it has come to. */

import { Lives, Signals } from './acting.js'
import { Act, Status, ago, brief, clock, html, notYet, useEffect, useFocus, useNow, useRef, useState, useStore } from './ui.js'

export function AgentsPanel({ session, shown, rights, version, selected, select, at }) {
  const everyone = useStore(shown.everyone)
  const signals = useStore(shown.signals)
  const now = useNow(5000)
  const here = everyone.filter((each) => each.present)
  const away = everyone.filter((each) => !each.present)
  const wait = notYet(shown.everyone)
  if (wait) return wait
  if (!everyone.length) return html`<p class="empty">Nobody has joined yet.</p>`
  return html`<ul class="cards">${[...here, ...away].map((each) => {
    const id = `agent:${each.id}`
    const stalled = Object.keys(each.stalled)
    const status = stalled.length ? 'stalled' : each.present ? each.status : each.evidence.type.split('.')[1]
    return html`<li key=${each.id} class=${`card ${selected === id ? 'selected' : ''} ${each.present ? '' : 'away'}`}>
      <div class="row"><button type="button" class="plain who" aria-pressed=${selected === id} onClick=${() => select(id)}>${each.name ?? each.id}</button>
        <${Status} status=${status}>${status}${each.activity ? `: ${each.activity}` : ''}<//>
        <span class="grow"></span><span class="number quiet">${version === null && !session.client.recorded ? ago(each.evidence.time, now) : clock(each.evidence.time)}</span></div>
      <p class="quiet">known by <button type="button" class="plain" title="show that moment" onClick=${() => at(each.evidence.version)}>${each.evidence.type}, event ${each.evidence.version}</button>${each.reason ? `: ${each.reason}` : ''}</p>
      ${stalled.map((task) => html`<p><${Status} status="stalled">nothing under ${task} (<button type="button" class="plain" onClick=${() => at(each.stalled[task])}>event ${each.stalled[task]}</button>)<//></p>`)}
      ${each.tasks.length > 0 && html`<p>${each.tasks.map((task) => html`<button type="button" class="plain" onClick=${() => select(`task:${task}`)}><${Status} status="claimed">${task}<//></button> `)}</p>`}
      <${Lives} signals=${signals} target=${id} />
      ${each.kind !== 'user' && each.present && rights('signal') && html`<${Signals} session=${session} target=${id} compact />`}
    </li>`
  })}</ul>`
}

const COLUMNS = [
  ['open', (each) => each.status === 'open'],
  ['under way', (each) => each.status === 'claimed'],
  ['ended', (each) => !['open', 'claimed'].includes(each.status)],
]

export function TasksPanel({ session, shown, rights, selected, select }) {
  const tasks = useStore(shown.tasks)
  const signals = useStore(shown.signals)
  const wait = notYet(shown.tasks)
  if (wait) return wait
  if (!tasks.length) return html`<p class="empty">No task has been created yet.</p>`
  return html`<div class="board">${COLUMNS.map(([name, test]) => html`<section key=${name} aria-label=${name}><h3>${name} <small>${tasks.filter(test).length}</small></h3>
    <ul class="cards">${tasks.filter(test).map((each) => html`<li key=${each.id} class=${`card ${selected === `task:${each.id}` ? 'selected' : ''}`}>
      <div class="row"><button type="button" class="plain who" aria-pressed=${selected === `task:${each.id}`} onClick=${() => select(`task:${each.id}`)}>${each.title}</button></div>
      <p><${Status} status=${each.blocked_by ? 'blocked' : each.status === 'open' ? 'idle' : each.status}>${each.blocked_by ? `blocked by ${each.blocked_by}` : each.status}<//> ${each.owner ?? each.worker ?? ''}${each.attempt > 1 ? html` <span class="number quiet">attempt ${each.attempt}</span>` : ''}</p>
      ${each.share !== null && each.share !== undefined && html`<progress max="1" value=${each.share} aria-label="progress"></progress>`}
      ${(each.note || each.last_error || each.reason) && html`<p class="quiet">${each.note || each.last_error || each.reason}</p>`}
      ${each.output !== null && each.output !== undefined && html`<p><code>${brief(each.output)}</code></p>`}
      <${Lives} signals=${signals} target=${`task:${each.id}`} />
      ${['open', 'claimed'].includes(each.status) && rights('signal') && html`<${Signals} session=${session} target=${`task:${each.id}`} compact />`}
    </li>`)}</ul></section>`)}</div>`
}

export function StatePanel({ session, shown, rights }) {
  const state = useStore(shown.state)
  const view = useStore(shown.view('state'))
  const [path, setPath] = useState(null)
  const wait = notYet(shown.state)
  if (wait) return wait
  return html`<div class="row heading"><span class="quiet">${view?.version ? `changed last by event ${view.version}` : 'empty'}</span><span class="grow"></span>
      ${rights('state') && html`<button type="button" data-key="edit" title="edit (e)" onClick=${() => setPath('')}>edit</button>`}</div>
    ${path !== null && html`<${Edit} key=${path} session=${session} path=${path} done=${() => setPath(null)} />`}
    <${Tree} value=${state} path="" edit=${rights('state') ? setPath : null} />`
}

const escaped = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** A value as a tree; what has changed glows once. */
function Tree({ value, path, name, edit }) {
  const fresh = useFresh(value)
  const label = name === undefined ? null : html`<span class="name">${name}</span>`
  if (value === null || typeof value !== 'object') {
    return html`<div class="leaf ${fresh ? 'fresh' : ''}">${label} ${edit
      ? html`<button type="button" class="plain" title=${`edit ${path}`} onClick=${() => edit(path)}><code>${JSON.stringify(value)}</code></button>`
      : html`<code>${JSON.stringify(value)}</code>`}</div>`
  }
  const entries = Object.entries(value)
  return html`<details open=${path.split('/').length < 4} class=${fresh ? 'fresh' : ''}>
    <summary>${label ?? 'state'} <span class="quiet">${Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`}</span></summary>
    ${entries.slice(0, 500).map(([key, each]) => html`<${Tree} key=${key} name=${key} value=${each} path=${`${path}/${escaped(key)}`} edit=${edit} />`)}
    ${entries.length > 500 && html`<p class="quiet">and ${entries.length - 500} more</p>`}
  </details>`
}

function useFresh(value) {
  const before = useRef(value)
  const [fresh, setFresh] = useState(false)
  useEffect(() => {
    if (Object.is(before.current, value)) return
    before.current = value
    setFresh(true)
    const timer = setTimeout(() => setFresh(false), 600)
    return () => clearTimeout(timer)
  }, [value])
  return fresh
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other)

/** One value, compared with what was there when its editing began: if that has changed since, both are shown. */
function Edit({ session, path, done }) {
  const { value, pending, conflict } = useStore(session.state.at(path))
  const field = useFocus()
  const [known, setKnown] = useState(value)
  const [text, setText] = useState(JSON.stringify(value ?? {}, null, 2))
  const [error, setError] = useState(null)
  const meddled = conflict !== null || (!pending && !same(value, known))
  const set = async (anyway) => {
    if (meddled && !anyway) return
    setError(null)
    setKnown(value)
    try {
      await session.state.set(path, JSON.parse(text))
      done()
    } catch (failure) {
      setError(failure.code === 'conflict' ? null : failure)
    }
  }
  const submit = (event) => {
    event.preventDefault()
    void set(false)
  }
  return html`<form class="edit" onSubmit=${submit}>
    <label><code>${path || 'the whole state'}</code>
      <textarea rows="4" ref=${field} spellcheck="false" value=${text} aria-busy=${pending} onInput=${(event) => setText(event.target.value)}></textarea></label>
    ${meddled && html`<div class="conflict" role="alert"><p>Somebody has changed it in the meantime${conflict ? ` (event ${conflict.version})` : ''}.</p>
      <p>theirs <code>${brief(conflict ? conflict.theirs : value)}</code> <button type="button" onClick=${() => (session.state.yield(path), done())}>take theirs</button></p>
      <p>yours <code>${brief(text)}</code> <button type="button" onClick=${() => void set(true)}>set yours</button></p></div>`}
    ${error && html`<p class="error" role="alert">${error.message}</p>`}
    <div class="row"><button disabled=${pending || meddled}>Set</button><button type="button" onClick=${done}>Cancel</button></div>
  </form>`
}

export function SignalsPanel({ shown, at }) {
  const signals = useStore(shown.signals)
  const attention = useStore(shown.view('attention'))
  const wait = notYet(shown.signals)
  if (wait) return wait
  const fenced = Object.entries(attention?.fenced ?? {})
  return html`${!signals.length && html`<p class="empty">No interruption is open.</p>`}
    <ul class="cards">${signals.map((each) => html`<li class="card" key=${each.id}><div class="row"><${Status} status=${each.status}>${each.kind} ${each.status}<//><code>${each.target ?? ''}</code>
      <span class="grow"></span>${each.since && html`<button type="button" class="plain number quiet" onClick=${() => at(each.since)}>event ${each.since}</button>`}</div>
      ${each.body !== null && each.body !== undefined && html`<p>${brief(each.body)}</p>`}
      <p class="quiet">${each.raiser ? `raised by ${each.raiser}` : ''}${each.by ? ` answered by ${each.by}` : ''}${each.reason ? `: ${each.reason}` : ''}</p></li>`)}</ul>
    ${fenced.length > 0 && html`<h3>fenced</h3><ul>${fenced.map(([agent, signal]) => html`<li><${Status} status="refused">${agent}<//> <span class="quiet">by ${signal}</span></li>`)}</ul>`}`
}

const EMPTY = (value) => value === null || value === undefined || value === 0 || (typeof value === 'object' && !Object.keys(value).length)

/** Of each kind of use a table: of its members those that somewhere say something. */
export function UsagePanel({ shown }) {
  const usage = useStore(shown.view('usage'))
  const wait = notYet(shown.view('usage'))
  if (wait) return wait
  const kinds = Object.entries(usage ?? {}).map(([name, rows]) => [name, Array.isArray(rows) ? rows : []]).filter(([, rows]) => rows.length)
  if (!kinds.length) return html`<p class="empty">Nothing has been used yet, or no agent says so.</p>`
  return kinds.map(([name, rows]) => {
    const members = [...new Set(rows.flatMap((row) => Object.keys(row).filter((member) => !EMPTY(row[member]))))]
    return html`<h3>${name}</h3><div class="scrolls" tabindex="0" role="region" aria-label=${name}><table class="usage"><thead><tr>${members.map((member) => html`<th class=${isFigure(rows, member) ? 'figure' : ''}>${member}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr>${members.map((member) => html`<td class=${isFigure(rows, member) ? 'figure' : ''}>${said(row[member])}</td>`)}</tr>`)}</tbody></table></div>`
  })
}

const isFigure = (rows, member) => rows.every((row) => typeof row[member] === 'number')

function said(value) {
  if (EMPTY(value)) return ''
  if (typeof value === 'number') return value.toLocaleString([], { maximumFractionDigits: 1 })
  if (typeof value !== 'object') return brief(value, 60)
  return Array.isArray(value) ? value.join(', ') : Object.entries(value).map(([name, count]) => `${name} ${said(count)}`).join(', ')
}
