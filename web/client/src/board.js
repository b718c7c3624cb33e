/** What views say of a session, as stores: the same now and at a moment. */

import { derived } from './store.js'

/** @typedef {Record<string, any>} Json */

/**
 * @typedef {object} Agent Who takes part: an agent, a person or a service.
 * @property {string} id
 * @property {'agent' | 'user' | 'service'} kind
 * @property {string | null} name
 * @property {boolean} present
 * @property {string} status `idle`, `thinking`, `working`, `waiting-for-tool`, `waiting-for-human`, `blocked`, `left`, `lost`
 * @property {string | null} activity
 * @property {Record<string, number>} stalled The tasks for which it shows nothing, and the versions that say so.
 * @property {string[]} tasks What it holds.
 * @property {number} since The version of the transition by which it came to be as it is.
 */

/** @typedef {Json & {id: string, title: string, status: string, owner: string | null, attempt: number, since: number}} Task */
/** @typedef {Json & {id: string, kind: string, target: string, raiser: string, status: string, since: number}} Signal */
/** @typedef {Json & {id: string, requester: string, question: string, options: string[], due: string | null, since: number}} Approval */

/**
 * @param {(name: string) => import('./store.js').Store<any>} view
 * @param {import('./store.js').Store<any>} rows Of the view `tasks`, by task.
 */
export function boardOf(view, rows) {
  const everyone = derived([view('agents')], everyoneOf)
  return {
    overview: derived([view('sessions')], (value) => /** @type {Json} */ (value ?? {})),
    everyone,
    agents: derived([everyone], (/** @type {Agent[]} */ all) => all.filter((each) => each.kind !== 'user')),
    people: derived([everyone], (/** @type {Agent[]} */ all) => all.filter((each) => each.kind === 'user')),
    tasks: derived([rows], tasksOf),
    approvals: derived([view('attention')], (value) => /** @type {Approval[]} */ (bySince(value?.approvals ?? {}))),
  }
}

/**
 * @param {Json | undefined} value
 * @returns {Agent[]}
 */
function everyoneOf(value) {
  return Object.values(value?.agents ?? {})
}

/**
 * @param {Record<string, Json> | undefined} rows
 * @returns {Task[]}
 */
function tasksOf(rows = {}) {
  return bySince(rows).map((row) => ({ ...row, id: row.task }))
}

/**
 * @param {Json | undefined} attention
 * @param {Map<string, Json>} [ended] Those that are no longer open, by id.
 * @returns {Signal[]}
 */
export function signalsOf(attention, ended = new Map()) {
  const open = bySince(attention?.signals ?? {}).map((each) => {
    const got = Object.values(each.waiting)
    return { ...each, status: got.length && got.every(Boolean) ? 'delivered' : 'raised' }
  })
  const waiting = new Set(open.map((each) => each.id))
  return [...[...ended.values()].filter((each) => !waiting.has(each.id)), .../** @type {any[]} */ (open)]
}

/**
 * @param {Record<string, Json>} known
 * @returns {any[]}
 */
function bySince(known) {
  return Object.values(known).sort((a, b) => a.since - b.since)
}
