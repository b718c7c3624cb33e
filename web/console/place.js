/**
 * Where one is: every view is a link. `/console/`, `/console/s/trip-7?v=397&tab=log`, `/console/operations`. In a file,
 * which holds one session, the place is behind the `#`.
 */

import { useEffect, useReducer } from './vendor/htm-preact.js'

const moved = new Set()
const recorded = document.getElementById('recorded')
const inFile = recorded !== null

const queryNow = () => new URLSearchParams(inFile ? location.hash.slice(1) : location.search)

export function placeNow() {
  const [, , screen = '', id = ''] = inFile ? ['', '', 's', recorded.dataset.session] : location.pathname.split('/')
  const query = queryNow()
  const versionIn = (name) => {
    const version = Number(query.get(name))
    return Number.isInteger(version) && version > 0 ? version : null
  }
  return {
    screen: screen === 's' ? 'session' : screen || 'sessions',
    session: inFile ? id : decodeURIComponent(id),
    version: versionIn('v'),
    mark: versionIn('from'),
    tab: query.get('tab') ?? 'agents',
    selected: query.get('sel'),
  }
}

/** Go to another screen, or with `''` stay; `null` takes a member of the query away. `replace`: not a step for "back". */
export function go(path, query = {}, replace = false) {
  history[replace ? 'replaceState' : 'pushState'](null, '', addressOf(path, query))
  for (const tell of moved) tell()
}

/** The address of a place; of another place here, where the path is `''`. */
export function addressOf(path, query = {}) {
  const search = path === '' || path === location.pathname ? queryNow() : new URLSearchParams()
  for (const [name, value] of Object.entries(query)) value === null ? search.delete(name) : search.set(name, value)
  if (inFile) return `#${search}`
  return search.size ? `${path || location.pathname}?${search}` : path || location.pathname
}

export const sessionPath = (id) => `/console/s/${encodeURIComponent(id)}`

export function usePlace() {
  const [, again] = useReducer((count) => count + 1, 0)
  useEffect(() => {
    moved.add(again)
    addEventListener('popstate', again)
    return () => {
      moved.delete(again)
      removeEventListener('popstate', again)
    }
  }, [])
  return placeNow()
}

/** A link within the console. */
export function follow(event) {
  const link = event.target.closest?.('a[href^="/console"]')
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return
  event.preventDefault()
  const url = new URL(link.href)
  go(url.pathname, Object.fromEntries(url.searchParams))
}
