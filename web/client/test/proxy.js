/** A way to the gateway that can be cut. */

import { connect, createServer } from 'node:net'

export class Proxy {
  #pairs = new Set()
  #server
  open = true

  static async to(port) {
    const proxy = new Proxy()
    proxy.#server = createServer((near) => {
      if (!proxy.open) return near.resetAndDestroy()
      const far = connect(port, '127.0.0.1')
      const pair = [near, far]
      proxy.#pairs.add(pair)
      for (const each of pair) {
        each.on('error', () => {})
        each.on('close', () => {
          proxy.#pairs.delete(pair)
          for (const other of pair) other.destroy()
        })
      }
      near.pipe(far)
      far.pipe(near)
    })
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`
    return proxy
  }

  /** Cut what goes through: by RST, or by FIN, which lets what is under way arrive. Returns how many ways that were. */
  cut(abruptly) {
    const ways = this.#pairs.size
    for (const [near, far] of this.#pairs) {
      if (abruptly) near.resetAndDestroy()
      else near.end()
      far.destroy()
    }
    return ways
  }

  close() {
    this.cut(true)
    this.#server.close()
  }
}
