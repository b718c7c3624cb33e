/** A real gateway in a process of its own, to be killed and started again: with this repository's Python, or `STENOGRAM_PYTHON`. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export class Gateway {
  #process
  #folder = mkdtempSync(join(tmpdir(), 'stenogram-js-'))

  /** @param {string[]} options @param {Record<string, string>} env */
  static async start(options = [], env = {}) {
    const gateway = new Gateway()
    gateway.options = options
    gateway.env = env
    gateway.port = await freePort()
    gateway.url = `http://127.0.0.1:${gateway.port}`
    await gateway.begin()
    return gateway
  }

  async begin() {
    const python = process.env.STENOGRAM_PYTHON ?? fileURLToPath(new URL('../../../.venv/bin/python', import.meta.url))
    const place = ['--log', join(this.#folder, 'log.db'), '--port', String(this.port)]
    this.#process = spawn(python, ['-m', 'stenogram', 'serve', ...place, ...this.options], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...this.env },
    })
    const said = []
    for await (const line of createInterface(this.#process.stderr)) {
      said.push(line)
      if (line.includes('http://')) return void this.#process.stderr.resume()
    }
    throw new Error(said.join('\n'))
  }

  /** @param {NodeJS.Signals} signal */
  async stop(signal = 'SIGTERM') {
    const ended = once(this.#process, 'exit')
    this.#process.kill(signal)
    await ended
  }

  async close() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.stop('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
