import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { StenogramError, connect } from '../src/index.js'
import { Document, Subscriptions } from '../src/subscriptions.js'
import { Gateway } from './gateway.js'

let gateway
const clients = []
let number = 0

before(async () => {
  gateway = await Gateway.start()
})
after(async () => {
  for (const client of clients) client.close()
  await gateway.close()
})

/** A client of its own for this participant. */
function as(participant, kind = 'user') {
  const client = connect(gateway.url, { participant, kind })
  clients.push(client)
  return client
}

/** A new session, as seen by a person and by an agent. */
async function opened(title = 'A weekend in Lisbon') {
  const id = `trip-${++number}`
  const maya = as('maya').session(id)
  const hotels = as('hotels', 'agent').session(id)
  await maya.open({ title })
  await hotels.join({ name: 'Hotels' })
  return { maya, hotels }
}

/** Observe a store for as long as the test takes. */
function observed(context, store) {
  const values = []
  context.after(store.subscribe(() => values.push(store.value)))
  return values
}

test('what is said is seen, and a message grows while it streams', async (context) => {
  const { maya, hotels } = await opened()
  observed(context, maya.messages)
  await maya.post('Find us a hotel.')
  await hotels.do('message.start', { message: 'm1' })
  await maya.messages.when((all) => all.length === 2)
  for (const [index, text] of ['The Tivoli ', 'has ', 'rooms.'].entries()) {
    await hotels.do('message.delta', { message: 'm1', index, text })
    await maya.messages.when((all) => all[1].text.endsWith(text))
  }
  assert.equal(maya.messages.value[1].status, 'open')
  await hotels.do('message.complete', { message: 'm1', deltas: 3 })
  const [asked, answered] = await maya.messages.when((all) => all[1].status === 'completed')
  assert.deepEqual([asked.author, asked.text], ['maya', 'Find us a hotel.'])
  assert.deepEqual([answered.author, answered.text], ['hotels', 'The Tivoli has rooms.'])
})

test('who comes in the middle of a sentence sees it from its beginning', async (context) => {
  const { hotels } = await opened()
  await hotels.do('message.start', { message: 'm1' })
  await hotels.do('message.delta', { message: 'm1', index: 0, text: 'Once ' })
  await hotels.do('message.delta', { message: 'm1', index: 1, text: 'I thought', part: 'reasoning' })
  const late = as('late').session(hotels.id)
  observed(context, late.messages)
  await late.messages.when((all) => all[0]?.text === 'Once ')
  await hotels.do('message.delta', { message: 'm1', index: 2, text: 'upon a time' })
  const [message] = await late.messages.when((all) => all[0].text.endsWith('time'))
  assert.deepEqual([message.text, message.reasoning], ['Once upon a time', 'I thought'])
  await hotels.do('message.abort', { message: 'm1', reason: 'Enough.' })
  assert.equal((await late.messages.when((all) => all[0].status === 'aborted'))[0].text, 'Once upon a time')
})

test('the output of a tool grows while it works, also for who comes late, and at a moment', async (context) => {
  const { maya, hotels } = await opened()
  observed(context, maya.messages)
  await hotels.do('tool.call', { call: 't1', tool: 'search', arguments: { city: 'Lisbon' } })
  const [called] = await maya.messages.when((all) => all[0]?.kind === 'tool')
  assert.equal(called.output, null)
  await hotels.do('tool.output', { call: 't1', index: 0, text: 'one\n' })
  await maya.messages.when((all) => all[0].output === 'one\n')
  const { versions } = await hotels.do('tool.output', { call: 't1', index: 1, text: 'two\n' })
  const late = as('late').session(hotels.id)
  observed(context, late.messages)
  const [seen] = await late.messages.when((all) => all[0]?.output)
  assert.deepEqual([seen.status, seen.output, seen.text, seen.parts], ['open', 'one\ntwo\n', '', []])
  await hotels.do('tool.output', { call: 't1', index: 2, text: 'three\n' })
  for (const session of [maya, late]) await session.messages.when((all) => all[0].output === 'one\ntwo\nthree\n')
  await hotels.do('tool.return', { call: 't1', deltas: 3, result: 3 })
  for (const session of [maya, late]) {
    const [returned] = await session.messages.when((all) => all[0].status === 'returned')
    assert.deepEqual([returned.output, returned.result], ['one\ntwo\nthree\n', 3])
  }
  const then = maya.at(versions[0])
  observed(context, then.messages)
  const [was] = await then.messages.when((all) => all.length)
  assert.deepEqual([was.status, was.output], ['open', 'one\ntwo\n'])
})

test('what is too large for a message is read instead', async (context) => {
  const { maya, hotels } = await opened()
  const Base = globalThis.WebSocket ?? (await import('ws')).WebSocket
  class Small extends Base {
    send(text) {
      super.send(text.replace('{"frame":"hello",', '{"frame":"hello","frame_bytes":131072,'))
    }
  }
  const client = connect(gateway.url, { participant: 'ben', WebSocket: Small })
  clients.push(client)
  const session = client.session(hotels.id)
  const large = 'x'.repeat(100_000)
  await hotels.do('tool.call', { call: 't1', tool: 'search' })
  for (const index of [0, 1]) await hotels.do('tool.output', { call: 't1', index, text: large })
  observed(context, session.messages)
  observed(context, session.state)
  await session.messages.when((all) => all[0]?.output.length === 200_000)
  for (const name of ['a', 'b']) {
    await maya.do('state.merge', { patch: { [name]: large } })
    await maya.post(name + large)
  }
  await session.state.when(({ a, b }) => a && b?.length === 100_000)
  const seen = await session.messages.when((all) => all.length === 3)
  assert.deepEqual(seen.map((each) => each.text.length), [0, 100_001, 100_001])
  await maya.do('state.merge', { patch: { c: 1 } })
  await session.state.when(({ a, c }) => a && c === 1)
  await maya.do('state.merge', { patch: { a: null, b: null } })
  await session.state.when(({ a, c }) => !a && c === 1)
  const events = []
  const last = (await hotels.do('tool.return', { call: 't1', deltas: 2 })).versions[0]
  context.after(session.events((event) => events.push(event), { after: last - 1 }))
  while (!events.length) await sleep(10)
  assert.equal(events[0].data, undefined)
  assert.ok(events[0].omitted > 200_000)
  assert.equal((await session.event(last)).data.output.length, 200_000)
})

test('a message that does not change stays the same object', async (context) => {
  const { maya, hotels } = await opened()
  observed(context, maya.messages)
  await maya.post('First.')
  await hotels.do('message.start', { message: 'm1' })
  const before = (await maya.messages.when((all) => all.length === 2))[0]
  await hotels.do('message.delta', { message: 'm1', index: 0, text: 'Second.' })
  const after = await maya.messages.when((all) => all[1].text === 'Second.')
  assert.equal(after[0], before)
})

test('agents, people and tasks are as the gateway has them', async (context) => {
  const { maya, hotels } = await opened()
  for (const store of [maya.agents, maya.people, maya.tasks, maya.overview]) observed(context, store)
  await maya.join({ name: 'Maya' })
  await hotels.do('presence.status', { status: 'working', activity: 'Looking for rooms' })
  await maya.do('task.create', { task: 't-1', title: 'Find rooms' })
  await hotels.do('task.claim', { task: 't-1' })
  const [agent] = await maya.agents.when((all) => all[0]?.tasks.length)
  assert.deepEqual([agent.id, agent.status, agent.activity, agent.tasks], ['hotels', 'working', 'Looking for rooms', ['t-1']])
  assert.deepEqual((await maya.people.when((all) => all.length)).map((each) => each.name), ['Maya'])
  const [task] = await maya.tasks.when((all) => all[0]?.owner)
  assert.deepEqual([task.id, task.title, task.status, task.owner], ['t-1', 'Find rooms', 'claimed', 'hotels'])
  assert.equal((await maya.overview.when((value) => value.title)).title, 'A weekend in Lisbon')
})

test('a signal is raised, delivered and honoured', async (context) => {
  const { maya, hotels } = await opened()
  const seen = observed(context, maya.signals)
  await maya.signals.when()
  await maya.steer('agent:hotels', 'With a view, please.')
  const [raised] = await maya.signals.when((all) => all.length)
  assert.deepEqual([raised.kind, raised.status, raised.target], ['steer', 'raised', 'agent:hotels'])
  await hotels.do('signal.deliver', { signal: raised.id })
  await maya.signals.when((all) => all[0].status === 'delivered')
  await hotels.do('signal.honour', { signal: raised.id, reason: 'So be it.' })
  const [honoured] = await maya.signals.when((all) => all[0].status === 'honoured')
  assert.deepEqual([honoured.kind, honoured.reason, honoured.by], ['steer', 'So be it.', 'hotels'])
  assert.ok(seen.length >= 3)
})

test('a question is asked and answered', async (context) => {
  const { maya, hotels } = await opened()
  observed(context, maya.approvals)
  observed(context, maya.messages)
  await hotels.do('approval.request', { approval: 'a-1', question: 'The Tivoli at 210 €?' })
  const [asked] = await maya.approvals.when((all) => all.length)
  assert.deepEqual([asked.question, asked.requester, asked.options], ['The Tivoli at 210 €?', 'hotels', ['yes', 'no']])
  await maya.answer('a-1', 'yes', 'Go ahead.')
  await maya.approvals.when((all) => !all.length)
  const [entry] = await maya.messages.when((all) => all[0]?.status === 'answered')
  assert.deepEqual([entry.kind, entry.answer, entry.comment], ['approval', 'yes', 'Go ahead.'])
})

test('the shared state shows what was set at once, and takes it back after a conflict', async (context) => {
  const { maya, hotels } = await opened()
  const price = maya.state.at('/price')
  observed(context, price)
  await price.when()
  const done = maya.state.set('/price', 680)
  assert.equal(maya.state.value.price, 680)
  assert.deepEqual(await price.when(({ pending }) => pending), { value: 680, pending: true, conflict: null })
  await done
  assert.deepEqual(await price.when(({ pending }) => !pending), { value: 680, pending: false, conflict: null })
  // Of what is set in one go the last one is sent.
  await Promise.all([1, 2, 3].map((value) => maya.state.set('/price', value)))
  assert.equal(maya.state.value.price, 3)
  await maya.state.set('/hotel', { name: 'Tivoli' })
  await maya.state.set('/hotel/name', undefined)
  assert.deepEqual(maya.state.value.hotel, {})
  assert.ok(hotels)
})

test('of two who set the same at once the second one gets both values', async (context) => {
  const { maya, hotels } = await opened()
  const price = maya.state.at('/price')
  observed(context, price)
  await price.when()
  let theirs = 700
  let error
  // The view may be quicker than the second one: then nothing was overlooked, and there is no conflict.
  for (; !error && theirs < 750; theirs++) {
    await hotels.do('state.merge', { patch: { price: theirs } })
    error = await maya.state.set('/price', 650).then(() => undefined, (refusal) => refusal)
  }
  assert.equal(error.code, 'conflict')
  const seen = await price.when(({ conflict }) => conflict)
  assert.deepEqual([seen.conflict.mine, seen.conflict.theirs], [650, theirs - 1])
  maya.state.yield('/price')
  assert.deepEqual(await price.when(({ conflict, value }) => !conflict && value === theirs - 1), {
    value: theirs - 1,
    pending: false,
    conflict: null,
  })
})

test('a moment has the same stores as the session', async (context) => {
  const { maya, hotels } = await opened()
  await maya.post('Find us a hotel.')
  await hotels.do('message.start', { message: 'm1' })
  const { versions } = await hotels.do('message.delta', { message: 'm1', index: 0, text: 'The Tivoli' })
  await hotels.do('message.complete', { message: 'm1' })
  await hotels.do('state.merge', { patch: { hotel: 'Tivoli' } })
  await hotels.do('task.create', { task: 't-1', title: 'Find rooms' })
  const then = maya.at(versions[0])
  for (const store of [then.messages, then.agents, then.tasks, then.state, then.page]) observed(context, store)
  const messages = await then.messages.when((all) => all.length)
  assert.deepEqual(messages.map((each) => [each.text, each.status]), [['Find us a hotel.', 'completed'], ['The Tivoli', 'open']])
  assert.deepEqual(await then.state.when(), {})
  assert.deepEqual(await then.tasks.when(), [])
  assert.equal((await then.agents.when((all) => all.length))[0].id, 'hotels')
  assert.equal((await then.page.when()).version, versions[0])
})

test('a moment says when all that is looked at is read, and can be given up', async (context) => {
  const { maya } = await opened()
  const { versions } = await maya.post('Find us a hotel.')
  const then = maya.at(versions[0])
  for (const store of [then.messages, then.agents, then.page]) observed(context, store)
  await then.settled(10_000)
  assert.deepEqual([then.messages, then.agents, then.page].map((store) => store.loaded), [true, true, true])
  const other = maya.at(versions[0])
  observed(context, other.page)
  other.end()
  await other.settled(10_000)
  assert.deepEqual([other.page.loaded, other.page.error], [false, undefined])
})

test('a fork goes on by itself', async () => {
  const { maya } = await opened()
  const { versions } = await maya.post('Lisbon.')
  await maya.post('Or Porto?')
  const fork = await maya.fork({ version: versions[0] })
  const messages = await fork.messages.when((all) => all.length)
  assert.deepEqual(messages.map((each) => each.text), ['Lisbon.'])
})

test('refusals have the code of the gateway', async () => {
  const { maya } = await opened()
  await assert.rejects(maya.do('message.post', { message: 'm 1', text: 'x' }), { code: 'invalid', status: 400 })
  await assert.rejects(maya.do('no.such', {}), { code: 'unknown_command' })
  await assert.rejects(maya.do('message.post', { message: 'm1', text: 'x'.repeat(1_048_577) }), { code: 'too_large' })
  await assert.rejects(maya.client.read('/v1/sessions/nowhere'), { code: 'not_found', status: 404 })
  await maya.post('It still works.')
})

test('a store is closed a second after its last observer has gone', async () => {
  const { maya } = await opened()
  const end = maya.tasks.subscribe(() => {})
  await maya.tasks.when()
  end()
  await sleep(1200)
  await maya.do('task.create', { task: 't-1', title: 'Unseen' })
  await sleep(200)
  assert.deepEqual(maya.tasks.value, [])
  assert.equal((await maya.tasks.when((all) => all.length))[0].id, 't-1')
})

test('a closed client says so', async () => {
  const client = as('maya')
  const session = client.session('trip-1')
  await session.messages.when()
  client.close()
  assert.equal(client.state.value, 'closed')
  await assert.rejects(session.post('Too late.'), { code: 'closed' })
  await assert.rejects(client.session('trip-2').tasks.when(), { code: 'closed' })
})

test('what is refused for now is read again, and nothing is read for nobody', { timeout: 30_000 }, async () => {
  const refused = (status, more = {}) => new StenogramError({ code: 'refused', status, detail: 'No.', ...more })
  const answers = []
  let asked = 0
  const read = async () => {
    asked++
    const answer = answers.shift() ?? refused(503)
    if (answer instanceof Error) throw answer
    return answer
  }
  const values = []
  const errors = []
  const onValue = (value) => values.push(value)
  const document = new Document('sessions', 'trip', { client: { read }, onValue, onError: (error) => errors.push(error) })
  const tooLarge = { frame: 'view', omitted: 2_000_000 }
  answers.push(refused(429, { retry_after: 0.1 }), { value: 1 })
  document.onFrame(tooLarge)
  await until(() => values.length === 1)
  await sleep(1100) // it has seen that nothing came meanwhile
  answers.push(refused(403), { value: 2 })
  document.onFrame(tooLarge)
  await until(() => errors.length === 1)
  document.onFrame(tooLarge)
  await until(() => values.length === 2)
  await sleep(1100)
  const subscriptions = new Subscriptions(() => {})
  const end = subscriptions.add(document)
  const before = asked
  document.onFrame(tooLarge)
  await until(() => asked > before)
  end()
  await sleep(2100)
  assert.equal(asked, before + 1)
  assert.deepEqual([values, errors.length], [[1, 2], 1])
})

test('rows that are read are told apart as those that are sent', async () => {
  const rows = [{ span: 'task:t1#1', task: 't1' }, { span: 'task:t1#2', task: 't1' }]
  for (const [view, keys] of [['timeline', ['task:t1#1', 'task:t1#2']], ['bills', ['0', '1']]]) {
    const values = []
    const client = { read: async () => ({ rows }) }
    const document = new Document(view, 'trip', { client, onValue: (value) => values.push(value), onError: assert.fail })
    document.onFrame({ frame: 'view', omitted: 2_000_000 })
    await until(() => values.length === 1)
    assert.deepEqual(Object.keys(values[0]), keys)
  }
})

async function until(test) {
  while (!test()) await sleep(10)
}
