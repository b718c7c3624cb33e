// In a worker: follows what is said in a session, says something itself, and tells the page.
import { connect } from 'stenogram'

self.onmessage = async ({ data: url }) => {
  const session = connect(url, { participant: 'maya', keep: 'worker' }).session('trip')
  const end = session.messages.subscribe(() => {})
  await session.post('From a worker.')
  const messages = await session.messages.when((all) => all.length === 2)
  end()
  self.postMessage(messages.map((each) => each.text))
}
