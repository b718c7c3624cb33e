/** What all screens are made of: hooks over the client's stores, marks of status, times, and who may do what. */

import { html, useEffect, useLayoutEffect, useReducer, useRef, useState } from './vendor/htm-preact.js'

export { html, useEffect, useLayoutEffect, useRef, useState }
export { Component, createContext, render, useCallback, useContext, useMemo } from './vendor/htm-preact.js'

const waiting = new Set()
let asked = false

/** Do it before the next frame is drawn, once for all that comes until then; of a page that nobody sees, in a while. */
export function atFrame(work) {
  waiting.add(work)
  if (asked) return
  asked = true
  const all = () => {
    if (!asked) return
    asked = false
    clearTimeout(late)
    cancelAnimationFrame(frame)
    const now = [...waiting]
    waiting.clear()
    for (const each of now) each()
  }
  const frame = requestAnimationFrame(all)
  const late = setTimeout(all, 250) // hidden pages have no frames
}

/** What a store holds; renders again when that changes, once a frame at most. */
export function useStore(store) {
  const [, again] = useReducer((count) => count + 1, 0)
  useEffect(() => {
    const render = () => again()
    render()
    const end = store.subscribe(() => atFrame(render))
    return () => {
      end()
      waiting.delete(render)
    }
  }, [store])
  return store.value
}

/** The same as it was at most `every` milliseconds ago: for what takes long to draw, and changes with each event. */
export function useNowAndThen(store, every) {
  const [value, setValue] = useState(store.value)
  useEffect(() => {
    let timer = 0
    const look = () => {
      timer = 0
      atFrame(show)
    }
    const show = () => setValue(store.value)
    show()
    const end = store.subscribe(() => (timer ||= setTimeout(look, store.loaded ? every : 0)))
    return () => {
      end()
      clearTimeout(timer)
      waiting.delete(show)
    }
  }, [store])
  return value
}

/** The result of an asynchronous question, asked again when `inputs` change: `{value, error, loading}`. */
export function useAnswer(ask, inputs) {
  const [answer, setAnswer] = useState({ loading: true })
  useEffect(() => {
    let gone = false
    setAnswer((before) => ({ ...before, loading: true }))
    ask().then(
      (value) => gone || setAnswer({ value }),
      (error) => gone || setAnswer({ error }),
    )
    return () => (gone = true)
  }, inputs)
  return answer
}

/** The time, now and every second. */
export function useNow(every = 1000) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every)
    return () => clearInterval(timer)
  }, [every])
  return now
}

/** Each status has a colour and a shape: nobody depends on the colour. */
const MARKS = {
  thinking: ['working', '●'], working: ['working', '●'], claimed: ['working', '●'], open: ['working', '●'], raised: ['person', '◆'],
  'waiting-for-tool': ['tool', '◐'], 'waiting-for-human': ['person', '◆'], blocked: ['stalled', '▲'], stalled: ['stalled', '▲'],
  delivered: ['person', '◆'], lost: ['failed', '✕'], failed: ['failed', '✕'], refused: ['failed', '✕'], aborted: ['failed', '✕'],
  expired: ['failed', '✕'], abandoned: ['failed', '✕'], completed: ['done', '✓'], returned: ['done', '✓'], honoured: ['done', '✓'],
  answered: ['done', '✓'],
}

export function markOf(status) {
  return MARKS[status] ?? ['quiet', '○']
}

export function Status({ status, children }) {
  const [kind, shape] = markOf(status)
  return html`<span class="status ${kind}"><span aria-hidden="true">${shape}</span> ${children ?? status}</span>`
}

/** How long ago, in two characters and a unit. */
export function ago(time, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`
}

// Made once: `toLocaleTimeString` makes one for each call, which takes longer than all else in a line.
const CLOCK = new Intl.DateTimeFormat([], { hour: 'numeric', minute: 'numeric', second: 'numeric', hour12: false })

export function clock(time) {
  return time ? CLOCK.format(new Date(time)) : ''
}

/** JSON in one line, cut. */
export function brief(value, most = 120) {
  const text = typeof value === 'string' ? value : JSON.stringify(value) ?? ''
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** Bytes, for people. */
export function sized(bytes) {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** A button that shows how what it does goes: pending, then nothing, or why not. */
export function Act({ label, act, title, danger, ...more }) {
  const [going, setGoing] = useState({})
  const [sure, setSure] = useState(false)
  const run = async () => {
    if (danger && !sure) return setSure(true)
    setSure(false)
    setGoing({ pending: true })
    try {
      await act()
      setGoing({})
    } catch (error) {
      setGoing({ error })
    }
  }
  return html`<span class="act">
    <button type="button" title=${title} disabled=${going.pending} class=${danger ? 'danger' : ''} onClick=${run}
      onBlur=${() => setSure(false)} ...${more}>${sure ? `${label}: sure?` : label}</button>
    ${going.error && html`<span class="error" role="alert">${going.error.message}</span>`}
  </span>`
}

/** What problems are called that are not the gateway's own, or that it calls by a colder name. */
const TITLES = {
  unreachable: 'The gateway cannot be reached',
  not_found: 'That is not here',
  no_document: 'That is not here',
  forbidden: 'You may not see this',
  unauthenticated: 'You are not signed in',
  bad_cursor: 'There is no such moment',
}

/** What went wrong, in words; its code is for who is asked about it. `calm`: there is nothing, and nothing has failed. */
export function Failure({ error, title, calm, children }) {
  return html`<div class="failure ${calm ? 'calm' : ''}" role="alert">
    <p><span class="status ${calm ? '' : 'failed'}"><span aria-hidden="true">${calm ? '○' : '✕'}</span> <b>${title ?? TITLES[error.code] ?? error.problem?.title ?? 'Something went wrong'}</b></span> ${error.code && html`<code class="quiet">${error.code}</code>`}</p>
    <p>${error.code === 'unreachable' ? `${location.host} does not answer. It is asked again every few seconds.` : marked(error.message)}</p>
    ${children}
  </div>`
}

/** Text of the gateway's, in which what is between backticks is to be typed. */
function marked(text) {
  return String(text).split('`').map((piece, index) => (index % 2 ? html`<code>${piece}</code>` : piece))
}

/** What to show in place of what a store will have: why it has nothing, or that it is being read; null once it is there. */
export function notYet(store) {
  if (store.error) return html`<${Failure} error=${store.error} />`
  return store.loaded ? null : html`<p class="empty">Reading …</p>`
}

/** A ref for the field that is to be written in at once. (`autofocus` counts for what a page begins with alone.) */
export function useFocus() {
  const field = useRef(null)
  useLayoutEffect(() => field.current?.focus(), []) // at once: the next key is for it
  return field
}

/** A list that follows its end until its reader scrolls up, and again once they are back there. */
export function useFollowing(length) {
  const box = useRef(null)
  const [behind, setBehind] = useState(0)
  const seen = useRef(length)
  const following = useRef(true)
  const place = useRef(0)
  const atEnd = () => !box.current || box.current.scrollHeight - box.current.scrollTop - box.current.clientHeight < 40
  const follow = () => {
    if (following.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }
  useEffect(() => {
    const watching = new ResizeObserver(follow) // what is below it comes and goes
    watching.observe(box.current)
    return () => watching.disconnect()
  }, [])
  useLayoutEffect(() => {
    follow() // before it is drawn, or it would be drawn twice
    seen.current = following.current ? length : Math.min(seen.current, length)
    setBehind(length - seen.current)
  })
  const onScroll = () => {
    // It has also been scrolled by `follow`, and more may have come since: only up is away.
    if (atEnd()) {
      following.current = true
      seen.current = length
      setBehind(0)
    } else if (box.current.scrollTop < place.current) following.current = false
    place.current = box.current.scrollTop
  }
  const toEnd = () => {
    following.current = true
    follow()
  }
  return { box, behind, onScroll, toEnd }
}
