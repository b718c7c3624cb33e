/** Commands without an answer, kept in IndexedDB: a page that is loaded again sends them under the same ids. */

const STORE = 'commands'

export class Journal {
  /** @type {Promise<IDBDatabase> | undefined} */
  #database

  /** @param {string} name Pages of one origin that share a name share what is kept. */
  constructor(name) {
    this.name = `stenogram:${name}`
  }

  /**
   * What was left by earlier pages, oldest first.
   * @returns {Promise<[string, string][]>}
   */
  async open() {
    this.#database = new Promise((resolve, reject) => {
      const asked = indexedDB.open(this.name, 1)
      asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { autoIncrement: true }).createIndex('key', 'key')
      asked.onsuccess = () => resolve(asked.result)
      asked.onerror = () => reject(asked.error)
    })
    const all = await this.#run('readonly', (store) => store.getAll())
    return all.map((/** @type {any} */ each) => [each.key, each.text])
  }

  /**
   * Resolves when it is on the disk.
   * @param {string} key
   * @param {string} text
   */
  async add(key, text) {
    await this.#run('readwrite', (store) => store.add({ key, text }))
  }

  /** @param {string} key */
  async remove(key) {
    const database = await this.#database
    const store = database?.transaction(STORE, 'readwrite').objectStore(STORE)
    const cursor = store?.index('key').openCursor(IDBKeyRange.only(key))
    if (cursor) cursor.onsuccess = () => cursor.result && (cursor.result.delete(), cursor.result.continue())
  }

  /**
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} use
   * @returns {Promise<any>}
   */
  async #run(mode, use) {
    const database = /** @type {IDBDatabase} */ (await this.#database)
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode)
      const asked = use(transaction.objectStore(STORE))
      transaction.oncomplete = () => resolve(asked.result)
      transaction.onerror = () => reject(transaction.error)
    })
  }
}
