/** Every action has a key. */

import { useEffect, useRef } from './ui.js'

export const HELP = [
  ['space', 'play the past, or pause'],
  ['← →', 'step an event'],
  ['⇧← ⇧→', 'step a message'],
  ['l', 'live'],
  ['/', 'search'],
  ['j k', 'move in a list'],
  ['enter', 'open'],
  ['.', 'stop what is selected, or the session'],
  ['s', 'steer'],
  ['a', 'answer the oldest question'],
  ['e', 'edit the state'],
  ['f', 'fork here'],
  ['v', 'copy a link to this moment'],
  ['t', 'light or dark'],
  ['?', 'these keys'],
]

/** Act on keys while a screen is shown, unless somebody writes: `{'.': stop, 'Shift+ArrowLeft': …}`. */
export function useKeys(actions) {
  const now = useRef(actions)
  now.current = actions // at once: the next key is about what is shown
  useEffect(() => {
    const onKey = (event) => {
      if (event.target.matches?.('input:not([type=range]), textarea, select') || event.metaKey || event.ctrlKey || event.altKey) return
      if (event.key === ' ' && event.target.matches?.('button')) return
      const act = now.current[`${event.shiftKey && event.key.length > 1 ? 'Shift+' : ''}${event.key}`]
      if (!act) return
      event.preventDefault()
      act()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
}

/** `j` and `k` move the focus among the links of a list. */
export function moveFocus(box, step) {
  const items = [...(box?.querySelectorAll('[data-item]') ?? [])]
  const at = items.indexOf(document.activeElement)
  items[Math.min(items.length - 1, Math.max(0, at + step))]?.focus()
}
