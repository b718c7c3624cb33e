/** Prints what is posted in the session `trip`, until it is told to end. */

import { connect } from '../src/index.js'

const client = connect(process.argv[2], { participant: 'maya' })
process.on('SIGTERM', () => process.exit(client.close()))
client.session('trip').events(({ data }) => console.log(data.parts[0].text), {
  types: ['message.posted'],
  onCaughtUp: () => console.log('following'),
})
