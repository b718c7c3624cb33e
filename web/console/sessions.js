/** The list of sessions: what needs somebody first. */

import { Sparkline, barsOf, useActivity } from './activity.js'
import { moveFocus, useKeys } from './keys.js'
import { sessionPath } from './place.js'
import { scopesOf } from './sign_in.js'
import { Failure, Status, ago, html, useEffect, useNow, useRef, useState } from './ui.js'

const EVERY_MS = 2000
const PAGE = 100
const WATCHED = 40

/** Sessions, looked up again every other second while the page is shown; `next` pages behind the first. */
function useSessions(client, title, pages) {
  const [found, setFound] = useState({ loading: true })
  useEffect(() => {
    let gone = false
    let timer
    const look = async () => {
      try {
        if (document.visibilityState !== 'hidden') {
          const value = await read(client, title, pages)
          if (!gone) setFound({ value })
        }
      } catch (error) {
        if (!gone) setFound((before) => ({ ...before, error, loading: false }))
      }
      if (!gone) timer = setTimeout(look, EVERY_MS)
    }
    void look()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [client, title, pages])
  return found
}

async function read(client, title, pages) {
  const sessions = []
  let after
  for (let page = 0; page < pages; page++) {
    const query = { order: '-changed', limit: PAGE, after, ...(title && { title }) }
    const found = await client.read('/v1/search', query)
    sessions.push(...found.documents.map(({ key, value }) => ({ key, ...value })))
    if ((after = found.next) === undefined) break
  }
  return { sessions, more: after !== undefined }
}

/** What sessions need of people, live: the first ones of the list, for a connection has so many subscriptions. */
function useNeeds(client, sessions) {
  const [, again] = useState(0)
  const keys = sessions.filter((each) => each.status !== 'closed').slice(0, WATCHED).map((each) => each.key)
  const stores = keys.map((key) => ['attention', 'agents'].map((name) => client.session(key).view(name)))
  useEffect(() => {
    const ends = stores.flat().map((store) => store.subscribe(() => again((count) => count + 1)))
    return () => ends.forEach((end) => end())
  }, [client, keys.join('\n')])
  return new Map(keys.map((key, index) => [key, judge(...stores[index].map((store) => store.value))]))
}

function judge(attention, board) {
  const agents = Object.values(board?.agents ?? {})
  const [approval] = Object.values(attention?.approvals ?? {})
  if (approval) return { level: 0, status: 'waiting-for-human', text: `${approval.requester} asks: “${approval.question}”`, since: approval.since }
  const stalled = agents.find((each) => each.present && Object.keys(each.stalled).length)
  if (stalled) return { level: 1, status: 'stalled', text: `${stalled.id} stalled in “${Object.keys(stalled.stalled)[0]}”` }
  const [blocked] = Object.entries(attention?.blocked ?? {})
  if (blocked) return { level: 1, status: 'blocked', text: `“${blocked[0]}” is blocked by “${blocked[1]}”` }
  const busy = agents.find((each) => each.present && each.kind !== 'user' && (each.tasks.length || !['idle', 'joined'].includes(each.status)))
  if (busy) return { level: 2, status: busy.status, text: `${busy.id}: ${busy.activity ?? busy.status}` }
  return { level: 3, status: 'idle', text: '' }
}

const GROUPS = [
  ['needs you', (each) => each.need && each.need.level < 2],
  ['working', (each) => each.need?.level === 2],
  ['quiet', (each) => each.status !== 'closed' && (!each.need || each.need.level > 2)],
  ['closed', (each) => each.status === 'closed'],
]

export function Sessions({ client, who }) {
  const [title, setTitle] = useState('')
  const [pages, setPages] = useState(1)
  const { value, error, loading } = useSessions(client, title, pages)
  const needs = useNeeds(client, value?.sessions ?? [])
  const counts = useActivity(client, value?.sessions[0]?.changed)
  const list = useRef(null)
  const now = useNow(5000)
  const activity = barsOf(counts, now)
  useKeys({ j: () => moveFocus(list.current, 1), k: () => moveFocus(list.current, -1) })
  return html`<main class="sessions">
    <div class="row">
      <h1>Sessions</h1>
      <span class="grow"></span>
      <input type="search" data-search placeholder="title (/)" aria-label="search by title" onInput=${(event) => setTitle(event.target.value)} />
    </div>
    ${error && !(value && client.state.value === 'reconnecting') && html`<${Failure} error=${error} />`}
    ${loading && !value && html`<p class="empty">Reading …</p>`}
    ${value && !value.sessions.length && html`<p class="empty">${title
      ? `No session has “${title}” in its title.`
      : who.token
      ? html`No session that your token lets you read. Its scopes are <code>${scopesOf(who).join(' ') || 'none'}</code>.`
      : html`No session yet. One begins when an agent or a person opens it; <code>stenogram demo</code> shows a team at work.`}</p>`}
    <div ref=${list}>
      ${GROUPS.map(([name, test]) => html`<${Group} key=${name} name=${name} now=${now} activity=${activity} sessions=${(value?.sessions ?? []).map((each) => ({ ...each, need: needs.get(each.key) })).filter(test)} />`)}
    </div>
    ${value?.more && html`<button type="button" onClick=${() => setPages(pages + 1)}>Show more</button>`}
  </main>`
}

function Group({ name, sessions, now, activity }) {
  if (!sessions.length) return null
  return html`<section aria-label=${name}>
    <h2>${name} <small>${sessions.length}</small></h2>
    <ul class="lines">${sessions.map((each) => html`<li key=${each.key}><a data-item class="line" href=${sessionPath(each.key)}>
      <span class="title">${each.title || each.key}</span>
      <span class="need">${each.need?.text && html`<${Status} status=${each.need.status}>${each.need.text}<//>`}</span>
      <span class="who">${present(each)}</span>
      <${Sparkline} ...${activity} bars=${activity.drawn.get(each.key)} />
      <span class="number">${each.messages} ${each.messages === 1 ? 'message' : 'messages'}</span>
      <time class="number" datetime=${each.changed}>${ago(each.changed, now)}</time>
    </a></li>`)}</ul>
  </section>`
}

function present({ participants }) {
  const here = Object.entries(participants ?? {}).filter(([, each]) => each.present)
  return here.map(([id, each]) => each.name ?? id).slice(0, 4).join(', ') + (here.length > 4 ? ` +${here.length - 4}` : '')
}
