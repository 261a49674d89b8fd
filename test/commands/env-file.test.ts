/** `--env-file`: on every command, and down to the workers. */
import { mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { EXECUTABLE } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'

const TELL = `import { task } from 'ztask'
export const tell = task((name: string) => console.log(name + '=' + process.env[name]))
`

test('reaches the master and the workers; the environment wins over it, and a later file over an earlier', async () => {
  const project = await makeProject({ files: { 'src/tell.ts': TELL } })
  project.write('one.env', `ZTASKD_PROJECT=from-file\nFIRST="one, quoted"\nBOTH=one\nSET=one\n`)
  project.write('two.env', 'BOTH=two\n')
  const files = ['--env-file', 'one.env', '--env-file=two.env']
  const daemon = await project.daemon(files, { SET: 'by the environment' })
  const refused = await project.start([EXECUTABLE, 'run', 'tell', '["FIRST"]']).ended
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('from-file') })
  for (const [name, line] of [
    ['FIRST', 'FIRST=one, quoted'],
    ['BOTH', 'BOTH=two'],
    ['SET', 'SET=by the environment'],
  ]) {
    const { code, stderr } = await project.ztask('run', 'tell', `["${name}"]`, ...files)
    expect(code, stderr).toBe(0)
    await daemon.prints(new RegExp(`^${line}$`))
  }
})

const COMMANDS = [
  ['init'],
  ['generate'],
  ['daemon'],
  ['status'],
  ['list'],
  ['show', 'an-id'],
  ['retry', 'an-id'],
  ['cancel', 'an-id'],
  ['delete', 'an-id'],
  ['run', 'note'],
  ['migrate'],
]

test('a file that is not there, or cannot be read, is one sentence with the cure, on every command', async () => {
  const project = await makeProject()
  mkdirSync(project.path('folder.env'))
  for (const argv of COMMANDS) {
    const { code, stdout, stderr } = await project.ztask(...argv, '--envfile', 'missing.env')
    expect({ code, stdout }, argv[0]).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      `The file of variables ${project.path('missing.env')} is not there. Name one that can be read, or leave --env-file out.\n`,
    )
  }
  const folder = await project.ztask('status', '--envfile', 'folder.env')
  expect(folder.code).toBe(1)
  expect(folder.stderr).toMatch(
    /^The file of variables .*folder\.env cannot be read: .*EISDIR.*leave --env-file out\.\n$/,
  )
})

test('spelled as Node spells it, a missing file is named by Node itself', async () => {
  const project = await makeProject()
  const { code, stderr } = await project.ztask('status', '--env-file', 'missing.env')
  expect(code).not.toBe(0)
  expect(stderr).toContain('missing.env')
})
