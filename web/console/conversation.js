/** What is said and done: as the team sees it, or as people do. */

import { Component, Failure, Status, brief, clock, html, useFollowing, useState, useStore } from './ui.js'

const DRAWN = 200

const VIEWS = { team: () => true, people: (each) => forPeople(each), streams: (each) => each.status === 'open' && each.kind !== 'approval' }

function forPeople({ kind, audience }) {
  return kind !== 'tool' && (!audience || audience.includes('users') || audience.includes('everyone'))
}

export function Conversation({ shown, selected, select }) {
  const messages = useStore(shown.messages)
  const [as, setAs] = useState('team')
  const [most, setMost] = useState(DRAWN)
  const wanted = messages.filter(VIEWS[as])
  const entries = wanted.slice(-most)
  const older = () => {
    setMost(most + DRAWN)
    if (wanted.length <= most) void shown.messages.loadOlder()
  }
  const { box, behind, onScroll, toEnd } = useFollowing(wanted.length)
  return html`<div class="row heading">
      <h2>conversation</h2>
      <span class="grow"></span>
      <label>as <select value=${as} onChange=${(event) => setAs(event.target.value)}>
        <option value="team">the team sees it</option><option value="people">people see it</option><option value="streams">it streams</option>
      </select></label>
    </div>
    <div class="lines talk-lines ${as}" ref=${box} onScroll=${onScroll} tabindex="0" role="log" aria-label="Messages">
      ${(wanted.length > most || shown.messages.hasOlder) && html`<button type="button" onClick=${older}>Older</button>`}
      ${shown.messages.error && html`<${Failure} error=${shown.messages.error} />`}
      ${!shown.messages.loaded && !shown.messages.error && html`<p class="empty">Reading …</p>`}
      ${!messages.length && shown.messages.loaded && html`<p class="empty">Nothing has been said yet.</p>`}
      ${entries.map((each) => html`<${Entry} key=${each.entry} entry=${each} selected=${selected === each.entry} select=${select} />`)}
    </div>
    ${behind > 0 && html`<button type="button" class="behind" onClick=${toEnd}>${behind} new ↓</button>`}`
}

/** Drawn again when it has changed: beside it others may stream. */
class Entry extends Component {
  shouldComponentUpdate(next) {
    return next.entry !== this.props.entry || next.selected !== this.props.selected
  }

  render({ entry, selected, select }) {
    const { kind, author, status } = entry
    const Body = { tool: Tool, approval: Question }[kind] ?? Said
    return html`<article class="entry ${kind} ${status} ${selected ? 'selected' : ''}" data-status=${status}>
      <button type="button" class="plain who" title="select" aria-pressed=${selected} onClick=${() => select(entry.entry)}>${author}</button>
      <div class="body"><${Body} entry=${entry} /></div>
      <span class="number quiet" title=${`event ${entry.since}`}>${entry.audience ? `for ${entry.audience.join(', ')} · ` : ''}${clock(entry.began)}</span>
    </article>`
  }
}

function Said({ entry }) {
  const others = entry.parts.filter((part) => part.kind !== 'text' && part.kind !== 'reasoning')
  return html`${entry.reasoning && html`<details class="reasoning"><summary>reasoning</summary><p class="text">${entry.reasoning}</p></details>`}
    <p class="text">${entry.text}${entry.status === 'open' && html`<span class="cursor" aria-label="still streaming">▌</span>`}</p>
    ${others.map((part) => html`<p class="quiet">${part.kind}: ${brief(part.data ?? part.source ?? part)}</p>`)}
    ${entry.status === 'aborted' && html`<p><${Status} status="aborted">ended early${entry.reason ? `: ${entry.reason}` : ''}<//></p>`}`
}

/** A line; while it works its last lines of output, too, and when opened all there is. */
function Tool({ entry }) {
  const { status, output } = entry
  const open = status === 'open'
  return html`<details><summary><${Status} status=${open ? 'waiting-for-tool' : status}>${entry.tool}<//> <code>${brief(entry.arguments ?? '', 80)}</code>${output && html` <span class="quiet number">${lineCount(output)}</span>`}</summary>
    <pre>${JSON.stringify(entry.arguments, null, 2)}</pre>
    ${output && html`<pre role="group" aria-label="output">${output}</pre>`}
    ${entry.result !== null && entry.result !== undefined && html`<pre role="group" aria-label="result">${JSON.stringify(entry.result, null, 2)}</pre>`}
  </details>
  ${open && output && html`<pre class="tail" role="group" aria-label="the last lines of its output">${tailOf(output)}</pre>`}
  ${entry.error && html`<p class="error">${entry.error}</p>`}
  ${status === 'abandoned' && html`<p><${Status} status="abandoned">cut off${entry.reason ? `: ${entry.reason}` : ''}<//></p>`}`
}

const TAIL_LINES = 6
const TAIL_CHARACTERS = 2000

function tailOf(output) {
  return output.slice(-TAIL_CHARACTERS).trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
}

function lineCount(output) {
  const count = output.trimEnd().split('\n').length
  return count === 1 ? '1 line' : `${count.toLocaleString()} lines`
}

/** What a question was answered with; of several, each with its name. */
function answersOf({ answer, words, value, answers }) {
  const one = [answer, words, value === null || value === undefined ? null : brief(value)]
  const several = Object.entries(answers ?? {}).map(([name, each]) =>
    `${name}: ${[...each.options, each.words, each.value === null || each.value === undefined ? null : brief(each.value)].filter(Boolean).join(' + ')}`)
  return [...one.filter(Boolean), ...several]
}

function Question({ entry }) {
  const answer = answersOf(entry).join(' · ')
  return html`<p class="text"><${Status} status=${entry.status === 'open' ? 'waiting-for-human' : entry.status}>${entry.question}<//></p>
    ${entry.status !== 'open' && html`<p>${answer ? html`<b>${answer}</b>` : entry.status}${entry.answered_by ? `, ${entry.answered_by}` : ''}${entry.comment ? `: ${entry.comment}` : ''}</p>`}`
}
