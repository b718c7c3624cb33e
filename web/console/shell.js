/** What is around every screen: the keys that work everywhere, light and dark. */

import { HELP } from './keys.js'
import { html, useEffect, useFocus, useState } from './ui.js'

const THEME = 'stenogram.theme'

/** Whether the keys are shown, and what turns that; with the keys that work everywhere. */
export function useShell() {
  const [help, setHelp] = useState(false)
  useEffect(() => {
    const onKey = (event) => {
      if (event.target.matches?.('input, textarea, select') || event.metaKey || event.ctrlKey || event.altKey) return
      if (event.key === '?') setHelp((shown) => !shown)
      else if (event.key === 'Escape') setHelp(false)
      else if (event.key === 't') turnTheme()
      else if (event.key === '/') {
        event.preventDefault()
        document.querySelector('[data-search]')?.focus()
      } else return
      event.stopPropagation()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  return [help, setHelp]
}

export function ShellButtons({ setHelp }) {
  return html`<button type="button" class="plain" title="light or dark (t)" onClick=${turnTheme}>◐<span class="unseen"> theme</span></button>
    <button type="button" class="plain" title="keys (?)" onClick=${() => setHelp(true)}>?<span class="unseen"> keys</span></button>`
}

export function Help({ close }) {
  const button = useFocus()
  return html`<dialog open class="help" aria-label="Keys">
    <h2>Keys</h2>
    <dl>${HELP.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <button type="button" ref=${button} onClick=${close}>Close</button>
  </dialog>`
}

/** The theme that was chosen before. */
export function restoreTheme() {
  const theme = stored()?.getItem(THEME)
  if (theme) document.documentElement.dataset.theme = theme
}

function turnTheme() {
  const root = document.documentElement
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  root.dataset.theme = dark ? 'light' : 'dark'
  stored()?.setItem(THEME, root.dataset.theme)
}

/** What the browser keeps; a file may have none. */
function stored() {
  try {
    return localStorage
  } catch {
    return null
  }
}
