/** A session: timeline, conversation and panels, all at the same moment; live is that moment's right end. */

import { Acting, Menu } from './acting.js'
import { ChangesPanel } from './changes.js'
import { Conversation } from './conversation.js'
import { useKeys } from './keys.js'
import { Log } from './log.js'
import { AgentsPanel, SignalsPanel, StatePanel, TasksPanel, UsagePanel } from './panels.js'
import { addressOf, go } from './place.js'
import { Scrubber, useHead, usePlaying, useShown } from './scrubber.js'
import { Timeline } from './timeline.js'
import { Trouble, troubleOf } from './trouble.js'
import { Failure, Status, html, useMemo, useRef, useStore } from './ui.js'

const TABS = { agents: AgentsPanel, tasks: TasksPanel, state: StatePanel, signals: SignalsPanel, usage: UsagePanel, log: Log, changes: ChangesPanel }

export function SessionScreen({ client, may, place }) {
  const session = useMemo(() => client.session(place.session), [client, place.session])
  const known = useHead(session)
  const head = known.version
  const shown = useShown(session, place.version)
  const moves = useRef(0)
  const at = (version, replace = true) => {
    moves.current++
    go('', { v: version === null || version > head ? null : Math.max(1, version) }, replace)
  }
  const playing = usePlaying(session, place.version, head, at)
  const writable = !client.welcome.read_only && head > 0
  const rights = (right) => writable && place.version === null && may(right, session.id)
  const mayFork = writable && may('session', session.id)
  useStore(session.overview)
  const select = (selected) => go('', { sel: selected === place.selected ? null : selected }, true)
  const setMark = (version) => go('', version === null ? { from: null } : { from: version, tab: 'changes' }, true)
  const turnMark = () => {
    const here = place.version ?? head
    if (here) setMark(place.mark === here ? null : here)
  }
  const step = (by) => at((place.version ?? head) + by)
  const stepToMessage = async (way) => {
    const move = ++moves.current
    const version = await messageBeside(session, place.version ?? head, way)
    if (move === moves.current) at(version) // unless somebody has gone elsewhere meanwhile
  }
  useKeys({
    ' ': playing.toggle,
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    'Shift+ArrowLeft': () => void stepToMessage(-1),
    'Shift+ArrowRight': () => void stepToMessage(1),
    l: () => at(null),
    m: turnMark,
    v: () => void copyLink(place.version ?? head),
    '.': () => press('stop'),
    s: () => press('steer'),
    a: () => document.querySelector('[data-answer] button')?.focus(),
    e: () => (go('', { tab: 'state' }, true), press('edit')),
    f: () => press('fork'),
  })
  const trouble = troubleOf({ session, head: known, version: place.version, mayOpen: !client.welcome.read_only && may('session', session.id) })
  if (trouble) return html`<main class="session"><${Trouble} trouble=${trouble} /></main>`
  const withoutViews = session.overview.error
  const Panel = withoutViews ? Log : (TABS[place.tab] ?? AgentsPanel)
  return html`<main class="session ${place.version === null ? '' : 'past'}" data-shown=${shown.when ?? ''}>
    <${Title} session=${session} shown=${shown} rights=${rights} mayFork=${mayFork} version=${place.version} head=${head} selected=${place.selected} />
    ${withoutViews && html`<div class="trouble"><${Failure} error=${withoutViews} title="The views of this session cannot be read"><p class="quiet">What happened is in its log.</p><//></div>`}
    ${!withoutViews && html`<${Timeline} session=${session} version=${place.version} selected=${place.selected} select=${select} at=${at} />`}
    <div class=${withoutViews ? 'halves alone' : 'halves'}>
      ${!withoutViews && html`<section class="talk" aria-label="Conversation">
        <${Conversation} shown=${shown} selected=${place.selected} select=${select} />
        <${Acting} session=${session} shown=${shown} rights=${rights} selected=${place.selected} />
      </section>`}
      <section class="panel" aria-label="Details">
        <nav class="tabs" aria-label="Details">${(withoutViews ? ['log'] : Object.keys(TABS)).map(
          (name) => html`<a href=${addressOf('', { tab: name })} aria-current=${TABS[name] === Panel ? 'page' : null}>${name}</a>`,
        )}</nav>
        <${Panel} session=${session} shown=${shown} rights=${rights} version=${place.version} selected=${place.selected} select=${select} at=${at} head=${head} mark=${place.mark} setMark=${setMark} />
      </section>
    </div>
    <${Scrubber} session=${session} version=${place.version} head=${head} at=${at} playing=${playing} mark=${place.mark} turnMark=${turnMark} />
  </main>`
}

function Title({ session, shown, rights, mayFork, version, head, selected }) {
  const overview = useStore(session.overview)
  const everyone = useStore(shown.everyone)
  const approvals = useStore(shown.approvals)
  const looksOnly = head > 0 && version === null && !session.client.recorded && !RIGHTS.some(rights)
  const busy = everyone.filter((each) => each.present && each.kind !== 'user' && each.tasks.length).length
  return html`<div class="row title-row">
    <h1>${overview.title || session.id}</h1>
    ${overview.status === 'closed' && html`<${Status} status="left">closed<//>`}
    ${busy > 0 && html`<${Status} status="working">${busy} working<//>`}
    ${approvals.length > 0 && html`<${Status} status="waiting-for-human">${approvals.length} ${approvals.length === 1 ? 'needs' : 'need'} you<//>`}
    ${looksOnly && html`<span class="quiet">for reading only</span>`}
    <span class="grow"></span>
    <${Menu} session=${session} rights=${rights} mayFork=${mayFork} version=${version} head=${head} selected=${selected} closed=${overview.status === 'closed'} />
  </div>`
}

const RIGHTS = ['speak', 'state', 'tasks', 'signal', 'session', 'floor', 'answer']

function press(name) {
  document.querySelector(`[data-key="${name}"]`)?.click()
}

async function copyLink(version) {
  await navigator.clipboard?.writeText(new URL(addressOf('', { v: version }), location.href).href)
}

/** Where the message before or after a version begins. */
async function messageBeside(session, version, way) {
  const types = 'message.posted,message.started'
  const query = way < 0 ? { before: version, limit: 1, types } : { after: version, limit: 1, types }
  const page = await session.client.read(`${session.path}/events`, query)
  return page.events.at(-1)?.version ?? version
}
