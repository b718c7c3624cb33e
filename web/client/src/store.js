/** Values that are observed. What feeds one runs while somebody observes it. */

const LINGER_MS = 1000

/**
 * A value, and whoever wants to know of its changes. Reading costs nothing; observing it opens what feeds it, and the
 * last observer to go closes that a second later (a component that is mounted again finds it open).
 *
 * `get` and `subscribe` are bound: hand them to React's `useSyncExternalStore` as they are.
 *
 * @template T
 */
export class Store {
  /** @type {Set<() => void>} */
  #listeners = new Set()
  /** @type {T} */
  #value
  /** @type {(() => () => void) | undefined} */
  #open
  /** @type {(() => void) | undefined} */
  #close
  /** @type {any} */
  #leaving
  #told = true

  /**
   * @param {T} value What it holds until there is more to know.
   * @param {() => () => void} [open] Begins to feed it; what it returns ends that.
   */
  constructor(value, open) {
    this.#value = value
    this.#open = open
    /** Whether it holds what the session has, and not what it began with. */
    this.loaded = false
    /** @type {import('./errors.js').StenogramError | undefined} Why nothing more comes. */
    this.error = undefined
  }

  /** The value now. The same object until it changes. */
  get = () => this.#value

  get value() {
    return this.#value
  }

  /**
   * Call `listener` after each change, at most once for all that one message of the gateway brings.
   * @param {() => void} listener
   * @returns {() => void} Ends it.
   */
  subscribe = (listener) => {
    const one = () => listener() // the same function may observe twice
    this.#listeners.add(one)
    clearTimeout(this.#leaving)
    if (this.#open && !this.#close) this.#close = this.#open()
    return () => {
      this.#listeners.delete(one)
      if (this.#listeners.size || !this.#close) return
      clearTimeout(this.#leaving)
      this.#leaving = setTimeout(() => this.#stop(), LINGER_MS)
      this.#leaving.unref?.()
    }
  }

  /**
   * The value as soon as it is loaded and `test` holds. Rejects with the error that ended it.
   * @param {(value: T) => unknown} [test]
   * @returns {Promise<T>}
   */
  when(test = () => true) {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.error) reject(this.error)
        else if (this.loaded && test(this.#value)) resolve(this.#value)
        else return
        queueMicrotask(() => end())
      }
      const end = this.subscribe(look)
      look()
    })
  }

  /**
   * Every value from now on, the present one first once there is one. A slow reader gets the newest only.
   * @returns {AsyncGenerator<T, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    let wake = () => {}
    let fresh = this.loaded
    const end = this.subscribe(() => {
      fresh = true
      wake()
    })
    try {
      for (;;) {
        while (!fresh) await new Promise((resolve) => (wake = () => resolve(undefined)))
        fresh = false
        if (this.error) throw this.error
        if (this.loaded) yield this.#value
      }
    } finally {
      end()
    }
  }

  /** Feed it. @param {T} value The new value; the same one is no change. */
  put(value) {
    if (this.loaded && Object.is(value, this.#value)) return
    this.#value = value
    this.loaded = true
    this.changed()
  }

  /** @param {import('./errors.js').StenogramError} error Nothing more will come. */
  fail(error) {
    this.error = error
    this.changed()
  }

  /** Tell those who observe, once this turn is over: a message with hundreds of events is one change. */
  changed() {
    if (!this.#told) return
    this.#told = false
    queueMicrotask(() => {
      this.#told = true
      for (const listener of [...this.#listeners]) listener()
    })
  }

  #stop() {
    const close = this.#close
    this.#close = undefined
    this.error = undefined
    close?.()
  }
}

/**
 * A value made of others: made again when one of them has another value, and kept otherwise.
 *
 * @template T
 * @param {Store<any>[]} sources
 * @param {(...values: any[]) => T} make
 * @returns {Store<T>}
 */
export function derived(sources, make) {
  /** @type {any[]} */
  let seen = []
  const store = /** @type {Store<T>} */ (
    new Store(make(...sources.map((each) => each.value)), () => {
      const look = () => {
        const failed = sources.find((each) => each.error)
        if (failed?.error) return store.fail(failed.error)
        if (!sources.every((each) => each.loaded)) return
        const values = sources.map((each) => each.value)
        if (store.loaded && values.every((value, index) => Object.is(value, seen[index]))) return
        seen = values
        store.put(make(...values))
      }
      const ends = sources.map((each) => each.subscribe(look))
      look()
      return () => ends.forEach((end) => end())
    })
  )
  return store
}
