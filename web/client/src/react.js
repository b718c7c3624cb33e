/**
 * Hooks. Each renders again when what it returns has changed, and only then; none renders on a server before there is
 * something to show. Inside a `SessionProvider` they show that session, inside a `MomentProvider` that moment of it.
 *
 *     <SessionProvider client={client} session="trip-7"><Page /></SessionProvider>
 */

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { Store } from './store.js'

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./moment.js').Moment} Moment */
/** @typedef {import('./messages.js').Message} Message */

const SessionContext = createContext(/** @type {Session | null} */ (null))
const MomentContext = createContext(/** @type {Moment | null} */ (null))

/**
 * What is inside shows this session.
 * @param {{client: import('./client.js').Client, session: string, children?: any}} props
 */
export function SessionProvider({ client, session, children }) {
  const value = useMemo(() => client.session(session), [client, session])
  return createElement(SessionContext.Provider, { value }, createElement(MomentContext.Provider, { value: null }, children))
}

/**
 * What is inside shows the session as it was at a version or a time; now, without one.
 * @param {{at?: number | string | Date | null, children?: any}} props
 */
export function MomentProvider({ at, children }) {
  return createElement(MomentContext.Provider, { value: useMoment(at ?? null) }, children)
}

/**
 * The session: its stores and its actions.
 * @returns {Session}
 */
export function useSession() {
  const session = useContext(SessionContext)
  if (!session) throw new Error('There is no SessionProvider around this component.')
  return session
}

/**
 * The session as it was, with the same stores; null for null.
 * @param {number | string | Date | null} at
 * @returns {Moment | null}
 */
export function useMoment(at) {
  const session = useSession()
  const when = at instanceof Date ? at.toISOString() : at
  return useMemo(() => (when === null ? null : session.at(when)), [session, when])
}

/**
 * What a store holds.
 * @template T
 * @param {Store<T>} store
 * @returns {T}
 */
export function useStore(store) {
  return useSyncExternalStore(store.subscribe, store.get, store.get)
}

/** Whether there is a connection: `idle`, `connecting`, `connected`, `reconnecting`, `closed`. */
export function useConnection() {
  return useStore(useSession().client.state)
}

/** Title, status, labels. */
export function useOverview() {
  return useStore(useShown().overview)
}

/** What is said and done, oldest first; a message that has not changed is the same object. @returns {Message[]} */
export function useMessages() {
  return useStore(/** @type {Store<Message[]>} */ (useShown().messages))
}

/**
 * Messages that are being streamed, by who speaks. Renders again while somebody speaks only.
 * @returns {Record<string, Message[]>}
 */
export function useStreams() {
  return useSelected(/** @type {Store<Message[]>} */ (useShown().messages), streamsOf, sameStreams)
}

/** Agents and services, and what each does. */
export function useAgents() {
  return useStore(useShown().agents)
}

/** People. */
export function usePeople() {
  return useStore(useShown().people)
}

/**
 * Everyone who is here now. Joins the session, and leaves it with the component, if it is given something about you.
 * @param {{name?: string, about?: Record<string, any>}} [me]
 */
export function usePresence(me) {
  const session = useSession()
  const said = me && JSON.stringify(me)
  useEffect(() => {
    if (said === undefined) return
    void session.join(JSON.parse(said)).catch(() => {})
    return () => void session.leave().catch(() => {})
  }, [session, said])
  return useSelected(useShown().everyone, presentOf, sameItems)
}

/** The board: tasks, oldest first. */
export function useTasks() {
  return useStore(useShown().tasks)
}

/** Interruptions: `raised`, `delivered`, and how they ended. */
export function useSignals() {
  return useStore(useShown().signals)
}

/** Questions that wait for an answer. */
export function useApprovals() {
  return useStore(useShown().approvals)
}

/**
 * The value at a path of the shared state, a function that sets it, and how that goes.
 * @param {string} path A JSON Pointer.
 * @returns {[any, (value: any) => Promise<void>, {pending: boolean, conflict: import('./state.js').Conflict | null}]}
 */
export function useShared(path) {
  const session = useSession()
  const shared = useStore(useShown().state.at(path))
  const set = useCallback((/** @type {any} */ value) => session.state.set(path, value), [session, path])
  return [shared.value, set, shared]
}

/**
 * A document of a view, or its rows by key.
 * @param {string} name
 */
export function useView(name) {
  return useStore(useShown().view(name))
}

/**
 * Actions that say how they go: `[act, {pending, error}]`.
 * @template {any[]} A
 * @param {(session: Session, ...given: A) => Promise<any>} action
 * @returns {[(...given: A) => Promise<void>, {pending: boolean, error: Error | null}]}
 */
export function useAction(action) {
  const session = useSession()
  const [going, setGoing] = useState(/** @type {{pending: boolean, error: Error | null}} */ ({ pending: false, error: null }))
  const act = async (/** @type {A} */ ...given) => {
    setGoing({ pending: true, error: null })
    try {
      await action(session, ...given)
      setGoing({ pending: false, error: null })
    } catch (error) {
      setGoing({ pending: false, error: /** @type {Error} */ (error) })
    }
  }
  return [act, going]
}

/** `post`, `stop`, `pause`, `resume`, `steer`, `reroute`, `answer`, `fork`, `close`: the same functions at each render. */
export function useActions() {
  const session = useSession()
  return useMemo(() => actionsOf(session), [session])
}

/** @param {Session} session */
function actionsOf(session) {
  return {
    post: session.post.bind(session),
    stop: session.stop.bind(session),
    pause: session.pause.bind(session),
    resume: session.resume.bind(session),
    steer: session.steer.bind(session),
    reroute: session.reroute.bind(session),
    answer: session.answer.bind(session),
    fork: session.fork.bind(session),
    close: session.close.bind(session),
  }
}

/** The moment around this component, or else the session. */
function useShown() {
  const session = useSession()
  return useContext(MomentContext) ?? session
}

/**
 * A part of what a store holds: renders again when that has changed.
 * @template T, U
 * @param {Store<T>} store
 * @param {(value: T) => U} select
 * @param {(a: U, b: U) => boolean} same
 * @returns {U}
 */
function useSelected(store, select, same) {
  const get = useMemo(() => {
    /** @type {U | undefined} */
    let last
    return () => {
      const now = select(store.get())
      if (last === undefined || !same(last, now)) last = now
      return last
    }
  }, [store, select, same])
  return useSyncExternalStore(store.subscribe, get, get)
}

/** @param {any[]} everyone */
function presentOf(everyone) {
  return everyone.filter((each) => each.present)
}

/**
 * @param {any[]} a
 * @param {any[]} b
 */
function sameItems(a, b) {
  return a.length === b.length && a.every((each, index) => each === b[index])
}

/**
 * @param {Message[]} messages
 * @returns {Record<string, Message[]>}
 */
function streamsOf(messages) {
  /** @type {Record<string, Message[]>} */
  const streams = {}
  for (const each of messages) {
    if (each.status === 'open' && each.kind !== 'tool' && each.kind !== 'approval') (streams[each.author] ??= []).push(each)
  }
  return streams
}

/**
 * @param {Record<string, Message[]>} a
 * @param {Record<string, Message[]>} b
 */
function sameStreams(a, b) {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => b[name] && sameItems(a[name], b[name]))
}
