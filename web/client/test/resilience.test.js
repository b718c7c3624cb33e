/** What holds when the network is cut, the gateway is killed, tokens expire and machines sleep. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '../src/index.js'
import { Gateway } from './gateway.js'
import { Proxy } from './proxy.js'

const CUTS = Number(process.env.STENOGRAM_CUTS ?? 40)
const SLEEP_S = Number(process.env.STENOGRAM_SLEEP ?? 5)

/** Everything that comes: versions without a gap or a repeat, and what the messages say in the end. */
function follow(session) {
  const seen = { versions: [], ids: new Set(), posted: [] }
  seen.end = session.events((event) => {
    seen.versions.push(event.version)
    seen.ids.add(event.id)
    if (event.type === 'message.posted') seen.posted.push(event.data.message)
  })
  return seen
}

function assertWhole(seen, commands) {
  assert.deepEqual(seen.versions, seen.versions.map((_, index) => index + 1))
  assert.equal(seen.ids.size, seen.versions.length)
  assert.equal(new Set(seen.posted).size, seen.posted.length)
  assert.deepEqual(new Set(seen.posted), new Set(commands))
}

async function reached(seen, version) {
  for (let turns = 0; (seen.versions.at(-1) ?? 0) < version; turns++) {
    assert.ok(turns < 3000, `it stays at ${seen.versions.at(-1)} of ${version}`)
    await sleep(10)
  }
}

async function until(done) {
  for (let turns = 0; !done(); turns++) {
    assert.ok(turns < 3000, 'it takes too long')
    await sleep(10)
  }
}

test('four restarts in the middle of a stream, two by SIGKILL: no gap, no repeat, no command twice', async (context) => {
  const gateway = await Gateway.start()
  const [writing, reading] = ['hotels', 'maya'].map((participant) => connect(gateway.url, { participant }))
  context.after(async () => {
    writing.close()
    reading.close()
    await gateway.close()
  })
  const session = writing.session('trip')
  await session.open()
  const seen = follow(reading.session('trip'))
  const watched = reading.session('trip').messages
  context.after(watched.subscribe(() => {}))
  const commands = []
  let going = true
  let last = 0
  const writer = async (name) => {
    for (let number = 0; going; number++) {
      const message = `${name}-${number}`
      commands.push(message)
      const { versions } = await session.post(`This is ${message}.`, { message })
      last = Math.max(last, versions[0])
      await sleep(2)
    }
  }
  const streamer = async () => {
    await session.do('message.start', { message: 'long' })
    let text = ''
    for (let index = 0; going; index++) {
      text += `${index} `
      await session.do('message.delta', { message: 'long', index, text: `${index} ` })
    }
    const { versions } = await session.do('message.complete', { message: 'long' })
    last = Math.max(last, versions[0])
    return text
  }
  const work = Promise.all([streamer(), ...['a', 'b', 'c'].map(writer)])
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGTERM']) {
    await sleep(400)
    await gateway.stop(signal)
    await sleep(100)
    await gateway.begin()
  }
  await sleep(400)
  going = false
  const [text] = await work
  await reached(seen, last)
  assertWhole(seen, commands)
  const all = await watched.when((messages) => messages.filter((each) => each.status === 'completed').length === commands.length + 1)
  assert.equal(all.find((each) => each.id === 'long').text, text)
  assert.deepEqual(new Set(all.map((each) => each.id)), new Set([...commands, 'long']))
})

test(`${CUTS} random cuts: no gap, no repeat, no command twice`, { timeout: 3_600_000 }, async (context) => {
  const gateway = await Gateway.start()
  const proxy = await Proxy.to(gateway.port)
  const clients = ['hotels', 'maya'].map((participant) => connect(proxy.url, { participant }))
  context.after(async () => {
    for (const client of clients) client.close()
    proxy.close()
    await gateway.close()
  })
  const [session, reader] = clients.map((client) => client.session('trip'))
  await session.open()
  const seen = follow(reader)
  const commands = []
  let going = true
  let last = 0
  const write = async (name) => {
    for (let number = 0; going; number++) {
      const message = `${name}-${number}`
      commands.push(message)
      last = Math.max(last, (await session.post(message, { message })).versions[0])
      await sleep(Math.random() * 8)
    }
  }
  const work = Promise.all(['a', 'b'].map(write))
  for (let cuts = 0; cuts < CUTS; ) {
    await sleep(Math.random() * 60)
    cuts += proxy.cut(Math.random() < 0.5)
  }
  going = false
  await work
  await reached(seen, last)
  assertWhole(seen, commands)
})

test('a document is the same after cuts as without', async (context) => {
  const gateway = await Gateway.start()
  const proxy = await Proxy.to(gateway.port)
  const near = connect(gateway.url, { participant: 'hotels', kind: 'agent' })
  const far = connect(proxy.url, { participant: 'maya' })
  context.after(async () => {
    near.close()
    far.close()
    proxy.close()
    await gateway.close()
  })
  await near.session('trip').open()
  const board = far.session('trip').tasks
  context.after(board.subscribe(() => {}))
  for (let number = 0; number < 40; number++) {
    await near.session('trip').do('task.create', { task: `t-${number}`, title: `Task ${number}` })
    if (number % 4 === 0) proxy.cut(number % 8 === 0)
    if (number === 20) proxy.open = false
    if (number === 30) proxy.open = true
  }
  const tasks = await board.when((all) => all.length === 40)
  assert.deepEqual(tasks.map((each) => each.title), [...Array(40).keys()].map((number) => `Task ${number}`))
})

test('a token of four seconds is replaced in time, over the socket and over HTTP', async (context) => {
  const secret = 'a secret of at least thirty-two bytes'
  const gateway = await Gateway.start([], { STENOGRAM_JWT_SECRET: secret })
  let fetched = 0
  const token = async () => {
    fetched++
    return minted(secret, { sub: 'maya', kind: 'user', exp: Math.floor(Date.now() / 1000) + 4 })
  }
  const client = connect(gateway.url, { token })
  context.after(async () => {
    client.close()
    await gateway.close()
  })
  const session = client.session('trip')
  await session.open()
  const seen = follow(session)
  const commands = []
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    const message = `m${commands.length}`
    commands.push(message)
    await session.post(message, { message })
    assert.equal((await client.read(session.path)).session, 'trip')
    await sleep(100)
  }
  await reached(seen, commands.length + 1)
  assertWhole(seen, commands)
  assert.ok(fetched >= 3 && fetched < 12, `${fetched} tokens`)
})

test('a token that is refused ends the client, and says so', async (context) => {
  const gateway = await Gateway.start([], { STENOGRAM_JWT_SECRET: 'a secret of at least thirty-two bytes' })
  context.after(() => gateway.close())
  const wrong = minted('another secret of thirty-two bytes', { sub: 'maya', exp: Math.floor(Date.now() / 1000) + 60 })
  const client = connect(gateway.url, { token: wrong })
  await assert.rejects(client.session('trip').post('Hello?'), { code: 'unauthenticated' })
  assert.equal(client.state.value, 'closed')
})

test('a command that waits for the gateway is done when there is one', async (context) => {
  const gateway = await Gateway.start()
  const client = connect(gateway.url, { participant: 'maya' })
  context.after(async () => {
    client.close()
    await gateway.close()
  })
  await gateway.stop()
  const opened = client.session('trip').open()
  const posted = client.session('trip').post('Hello?')
  await sleep(300)
  assert.equal(client.unanswered, 2)
  await gateway.begin()
  await opened
  assert.deepEqual((await posted).versions, [2])
})

test(`a machine that sleeps for ${SLEEP_S} seconds goes on where it was`, { timeout: 600_000 }, async (context) => {
  const gateway = await Gateway.start(['--heartbeat', '1'])
  const near = connect(gateway.url, { participant: 'hotels', kind: 'agent' })
  const program = [...(process.versions.deno ? ['run', '--allow-all'] : []), fileURLToPath(new URL('sleeper.js', import.meta.url))]
  const sleeper = spawn(process.execPath, [...program, gateway.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  context.after(async () => {
    sleeper.kill('SIGKILL')
    near.close()
    await gateway.close()
  })
  const lines = createInterface(sleeper.stdout)[Symbol.asyncIterator]()
  const session = near.session('trip')
  await session.open()
  assert.equal((await lines.next()).value, 'following')
  await session.post('Before.')
  assert.equal((await lines.next()).value, 'Before.')
  process.kill(sleeper.pid, 'SIGSTOP') // `sleeper.kill` says in Deno that it has ended
  await session.post('Meanwhile.')
  await sleep(SLEEP_S * 1000)
  process.kill(sleeper.pid, 'SIGCONT')
  assert.equal((await lines.next()).value, 'Meanwhile.')
  await session.post('After.')
  assert.equal((await lines.next()).value, 'After.')
  process.kill(sleeper.pid, 'SIGTERM')
  await once(sleeper, 'exit')
})

test('presence is said again after it was lost', async (context) => {
  const gateway = await Gateway.start()
  const proxy = await Proxy.to(gateway.port)
  const near = connect(gateway.url, { participant: 'hotels', kind: 'agent' })
  const far = connect(proxy.url, { participant: 'maya' })
  context.after(async () => {
    near.close()
    far.close()
    proxy.close()
    await gateway.close()
  })
  await near.session('trip').open()
  const { people } = near.session('trip')
  context.after(people.subscribe(() => {}))
  await far.session('trip').join({ name: 'Maya', lease: 1 })
  await people.when((all) => all[0]?.present)
  proxy.open = false
  proxy.cut(true)
  await people.when((all) => all[0] && !all[0].present)
  proxy.open = true
  await people.when((all) => all[0]?.present)
  await until(() => far.state.value === 'connected')
})

function minted(secret, claims) {
  const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map((each) => Buffer.from(JSON.stringify(each)).toString('base64url'))
  const signature = createHmac('sha256', secret).update(parts.join('.')).digest('base64url')
  return [...parts, signature].join('.')
}
