/** Nothing that a client sends may end the master. */
import { expect, test } from 'vitest'
import { Dealer } from 'zeromq'
import { makeProject } from '../harness/project.ts'

/** Deep enough for JSON.stringify to overflow the stack, which JSON.parse does not. */
const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`

test.each([
  ['a kind', `{"project":"fixture","kind":${DEEP}}`],
  ['an id', `{"project":"fixture","kind":"ask","seq":1,"verb":"show","params":{"id":${DEEP}}}`],
  ['a list of ids', `{"project":"fixture","kind":"ask","seq":1,"verb":"cancel","params":{"ids":[${DEEP}]}}`],
])('%s that is nested a hundred thousand deep is answered, and the daemon serves on', async (_, body) => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const dealer = new Dealer({ linger: 0 })
  dealer.connect(project.url)
  await dealer.send(['ztask/1', body])
  const [name, answer] = await dealer.receive()
  dealer.close()
  expect(name?.toString()).toBe('ztask/1')
  expect(JSON.parse(String(answer)).kind).toMatch(/refused|answer/)
  await project.client().note.async('good')
  await project.hasRun('good')
  expect(daemon.hasEnded).toBe(false)
})
