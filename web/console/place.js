/** Where one is: every view is a link. `/console/`, `/console/s/trip-7?v=397&tab=log`, `/console/operations`. */

import { useEffect, useReducer } from './vendor/htm-preact.js'

const moved = new Set()

export function placeNow() {
  const [, , screen = '', id = ''] = location.pathname.split('/')
  const query = new URLSearchParams(location.search)
  const version = Number(query.get('v'))
  return {
    screen: screen === 's' ? 'session' : screen || 'sessions',
    session: decodeURIComponent(id),
    version: Number.isInteger(version) && version > 0 ? version : null,
    tab: query.get('tab') ?? 'agents',
    selected: query.get('sel'),
  }
}

/** Go somewhere; `null` takes a member of the query away. `replace`: not a step for the browser's "back". */
export function go(path, query = {}, replace = false) {
  const search = new URLSearchParams(path === location.pathname ? location.search : '')
  for (const [name, value] of Object.entries(query)) value === null ? search.delete(name) : search.set(name, value)
  history[replace ? 'replaceState' : 'pushState'](null, '', search.size ? `${path}?${search}` : path)
  for (const tell of moved) tell()
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
