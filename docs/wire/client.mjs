// A whole client, in plain zeromq: node client.mjs URL PROJECT TASK ['[args]'] [ID]
// Prints the job's id. Exits 0: stored, 1: not stored, 2: nobody knows; run it again with that id.
import { randomUUID } from 'node:crypto'
import { Dealer } from 'zeromq'

const [url, project, task, args = '[]', id = randomUUID()] = process.argv.slice(2)
const timeout = 1000 * Number(process.env.ZTASKD_CALL_TIMEOUT ?? 5)

// immediate: a message never waits in the socket for a daemon that is not there; the send fails with EAGAIN instead.
const socket = new Dealer({ immediate: true, linger: 0, sendTimeout: 0, receiveTimeout: 150 })
socket.connect(url)

const unlessAgain = (error) => {
  if (error.code !== 'EAGAIN') throw error
}
const send = (message) => socket.send(['ztask/1', JSON.stringify({ project, ...message })]).catch(unlessAgain)

const end = (code, text) => {
  console[code === 0 ? 'log' : 'error'](text)
  socket.close()
  process.exit(code)
}

let link
for (const deadline = Date.now() + timeout; Date.now() < deadline; ) {
  const frames = await socket.receive().catch(unlessAgain)
  if (frames === undefined) {
    await send({ kind: 'hello' }) // Silence: is anybody there?
    continue
  }
  const answer = JSON.parse(frames[1].toString())
  if (answer.kind === 'welcome' && answer.link !== link) {
    link = answer.link // The first welcome, or another daemon: what it was sent before may be lost.
    await send({ kind: 'enqueue', seq: 1, jobs: [[id, task, args]] })
  }
  const error = answer.kind === 'refused' ? answer.error : answer.refused?.[0]?.[1]
  if (error !== undefined) end(1, `refused: ${error.code}: ${error.message}`)
  if (answer.kind === 'stored' && answer.seq === 1) end(0, id)
}
if (link === undefined) end(1, `not sent: no daemon answers at ${url}`)
end(2, `no answer: ${id} may be stored or not`)
