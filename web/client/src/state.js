/** The shared state: what the session has, and on top what this client has set and not yet heard of. */

import { StenogramError } from './errors.js'
import { applyPatch, parsePointer, valueAt } from './patch.js'
import { Store } from './store.js'

/** @typedef {Record<string, any>} Json */

/**
 * @typedef {object} Conflict Somebody else has changed the value in the meantime.
 * @property {any} mine What was to be set.
 * @property {any} theirs What is there.
 * @property {number} version Since when.
 */

/**
 * @typedef {object} Shared A value at a path of the shared state.
 * @property {any} value What it is, or will be as soon as the gateway agrees. Undefined: nothing is there.
 * @property {boolean} pending Whether what was set is still on its way.
 * @property {Conflict | null} conflict
 */

/** @typedef {{path: string, value: any, version?: number}} Write One that is on its way, or done and not yet seen (`version`). */
/** @typedef {{path: string, value: any, wake: {settle: () => void, fail: (error: unknown) => void}[]}} Wish What is to be set as soon as it can. */

/** @extends {Store<any>} */
export class SharedState extends Store {
  /** @type {Store<{value: any, version: number}>} */
  #view
  /** @type {Set<Write>} Of places that overlap one is on its way at a time. */
  #writes = new Set()
  /** @type {Set<Wish>} In the order in which they were set. */
  #wishes = new Set()
  /** @type {Map<string, Conflict>} */
  #conflicts = new Map()
  /** @type {Map<string, Store<Shared>>} */
  #places = new Map()

  /** @param {import('./session.js').Session} session */
  constructor(session) {
    super({}, () => {
      const end = view.subscribe(() => this.#onView())
      this.#onView()
      return end
    })
    const view = session.view('state')
    this.#view = view
    this.#session = session
  }

  #session

  /** The version of the session that changed it last. */
  get version() {
    return this.#view.value?.version ?? 0
  }

  /**
   * The value at a path (a JSON Pointer; `''` is all of it), to observe.
   * @param {string} path
   * @returns {Store<Shared>}
   */
  at(path) {
    parsePointer(path)
    let place = this.#places.get(path)
    if (!place) this.#places.set(path, (place = this.#place(path)))
    return place
  }

  /**
   * Set the value at a path; undefined removes it. It shows at once, and is taken back when somebody else has changed
   * the place since the version that is here: then this rejects with `conflict`, and `at(path)` has both values.
   * Of several that follow each other quickly the last one is sent.
   *
   * @param {string} path
   * @param {any} value
   * @returns {Promise<void>}
   */
  set(path, value) {
    parsePointer(path)
    this.#conflicts.delete(path)
    const wish = /** @type {Wish} */ ({ path, value, wake: [] })
    for (const each of this.#wishes) {
      if (!isAtOrBelow(each.path, path)) continue
      // It would be written over at once: it comes about, or not, with this one.
      wish.wake.push(...each.wake)
      this.#wishes.delete(each)
    }
    this.#wishes.add(wish)
    const end = this.subscribe(() => {}) // what is there must be known: it is what is compared
    return /** @type {Promise<void>} */ (new Promise((resolve, fail) => {
      wish.wake.push({ settle: () => resolve(), fail })
      this.#go()
    })).finally(end)
  }

  /**
   * Apply a JSON Patch, whole or not at all. Rejects with `conflict` if something in it changed since the version here.
   * @param {import('./patch.js').Operation[]} patch
   */
  patch(patch) {
    const touched = Object.fromEntries(patch.map(({ path }) => [path, this.version]))
    return this.#session.do('state.patch', { patch, if_unchanged: touched })
  }

  /**
   * Apply a merge patch (RFC 7386); null removes a member. Never conflicts.
   * @param {Json} patch
   */
  merge(patch) {
    return this.#session.do('state.merge', { patch })
  }

  /**
   * Add to a number. Never conflicts.
   * @param {string} path
   */
  increment(path, by = 1) {
    return this.#session.do('state.increment', { path, by })
  }

  /**
   * Forget a conflict: what is there holds.
   * @param {string} path
   */
  yield(path) {
    if (this.#conflicts.delete(path)) this.changed()
  }

  /** Send what can be sent, and show what is to be. */
  #go() {
    if (!this.#view.loaded) return
    /** @type {Wish[]} */
    const waiting = []
    for (const wish of this.#wishes) {
      if (waiting.some((each) => overlap(each.path, wish.path)) || this.#blocked(wish.path)) waiting.push(wish)
      else {
        this.#wishes.delete(wish)
        void this.#send(wish)
      }
    }
    this.#show()
  }

  /**
   * Whether a place must wait: for what is on its way, and for what was written below it and is not seen yet, since
   * what others have changed beside that may not be overlooked.
   * @param {string} path
   */
  #blocked(path) {
    return [...this.#writes].some(
      (each) => overlap(each.path, path) && (each.version === undefined || !isAtOrBelow(path, each.path)),
    )
  }

  /** @param {Wish} wish */
  async #send({ path, value, wake }) {
    const above = [...this.#writes].filter((each) => isAtOrBelow(path, each.path))
    const known = Math.max(this.version, ...above.map((each) => each.version ?? 0))
    /** @type {Write} */
    const write = { path, value }
    this.#writes.add(write)
    try {
      const patch = [value === undefined ? { op: 'remove', path } : { op: path ? 'add' : 'replace', path, value }]
      const { versions } = await this.#session.do('state.patch', { patch, if_unchanged: { [path]: known } })
      write.version = versions.at(-1)
      wake.forEach(({ settle }) => settle())
    } catch (error) {
      this.#undo(write, /** @type {StenogramError} */ (error))
      wake.forEach(({ fail }) => fail(error))
    }
    this.#onView()
  }

  /**
   * @param {Write} write
   * @param {StenogramError} error
   */
  #undo(write, error) {
    const { path } = write
    this.#writes.delete(write)
    if (error.code !== 'conflict') return
    const after = [...this.#wishes].find((each) => each.path === path)
    if (after) {
      this.#wishes.delete(after) // it was set on top of what did not come about
      after.wake.forEach(({ fail }) => fail(error))
    }
    const { problem } = error
    const theirs = problem.path === path ? problem.value : valueAt(this.#view.value?.value, path)
    this.#conflicts.set(path, { mine: (after ?? write).value, theirs, version: problem.version ?? this.version })
  }

  #onView() {
    if (this.#view.error) {
      for (const { wake } of this.#wishes) wake.forEach(({ fail }) => fail(this.#view.error))
      this.#wishes.clear()
      return this.fail(this.#view.error)
    }
    for (const write of this.#writes) {
      if (write.version !== undefined && write.version <= this.version) this.#writes.delete(write)
    }
    this.#go()
  }

  /** What is on its way on top of what is there. */
  #show() {
    let value = this.#view.value?.value ?? EMPTY
    for (const { path, value: mine } of [...this.#writes, ...this.#wishes]) {
      try {
        value = applyPatch(value, [mine === undefined ? { op: 'remove', path } : { op: 'add', path, value: mine }])
      } catch {
        // what it was in is gone: the gateway is about to refuse it
      }
    }
    this.put(value)
    this.changed() // also when only how it goes has changed
  }

  /** @param {string} path */
  #place(path) {
    /** @type {Shared | undefined} */
    let last
    const look = () => {
      const value = valueAt(this.value, path)
      const pending = [.../** @type {Iterable<Write>} */ (this.#writes), ...this.#wishes].some((/** @type {Write} */ each) => each.path === path && each.version === undefined)
      const conflict = this.#conflicts.get(path) ?? null
      if (last && Object.is(last.value, value) && last.pending === pending && last.conflict === conflict) return last
      return (last = { value, pending, conflict })
    }
    const store = /** @type {Store<Shared>} */ (
      new Store(look(), () => {
        const update = () => {
          if (this.error) store.fail(this.error)
          else if (this.loaded) store.put(look())
        }
        const end = this.subscribe(update)
        update()
        return end
      })
    )
    return store
  }
}

/**
 * @param {string} path
 * @param {string} other
 */
function isAtOrBelow(path, other) {
  return path === other || path.startsWith(`${other}/`)
}

/**
 * @param {string} a
 * @param {string} b
 */
function overlap(a, b) {
  return isAtOrBelow(a, b) || isAtOrBelow(b, a)
}

const EMPTY = Object.freeze({})
