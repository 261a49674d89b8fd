/** docs/guide/frameworks.md: a real request to each of its handlers, whose job runs. */
import { readFileSync, symlinkSync } from 'node:fs'
import { beforeEach, expect, test } from 'vitest'
import { REPOSITORY, type RunningProcess, TSX } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { blocksOf } from './blocks.ts'

const PAGE = readFileSync(`${REPOSITORY}docs/guide/frameworks.md`, 'utf8')
const samples = blocksOf(PAGE).filter(({ language }) => language === 'ts')
const files = Object.fromEntries(samples.map(({ file = '', text }) => [file, text]))

/** Serves with fastify, makes a request, says what came back, and ends. */
const FASTIFY = `
import { server } from './src/server.js'
const address = await server.listen({ port: 0, host: '127.0.0.1' })
const response = await fetch(address + '/welcome', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ to: 'fastify@b.c' }),
})
console.log(response.status, response.headers.get('retry-after'), await response.text())
await server.close()
`
/** Calls the route handler as Next does. */
const NEXT = `
import { POST } from './app/api/welcome/route.ts'
const request = new Request('http://localhost/api/welcome', { method: 'POST', body: JSON.stringify({ to: 'next@b.c' }) })
const response = await POST(request)
console.log(response.status, response.headers.get('retry-after'), await response.text())
`

let project: TestProject
beforeEach(async () => {
  project = await makeProject({ files })
  symlinkSync(`${REPOSITORY}node_modules/fastify`, project.path('node_modules/fastify'))
})

const run = (script: string, env = {}): RunningProcess => {
  project.write('request.mts', script)
  return project.start(['--import', TSX, 'request.mts'], env)
}

test.each([
  ['fastify', FASTIFY],
  ['Next', NEXT],
])('a request to the handler in %s is answered with a job, which runs', async (name, script) => {
  const daemon = await project.daemon()
  const { stdout, stderr, code } = await run(script).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^202 null \{"job":"[0-9a-f-]{36}"\}\n$/)
  const said = `Welcome, ${name.toLowerCase()}@b.c`
  await until(`the daemon to say ${said}`, () => daemon.stdout.includes(said))
})

test.each([
  ['fastify', FASTIFY],
  ['Next', NEXT],
])('with no daemon the handler in %s answers 503, and the server can end', async (_name, script) => {
  const { stdout, code } = await run(script, { ZTASKD_CALL_TIMEOUT: '0.3' }).ended
  expect({ code, stdout }).toEqual({ code: 0, stdout: '503 5 \n' })
})
