/** The process that generates, beside a daemon: whatever ends it, the next save is generated. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadProject } from '../../dist/src/config.js'
import { Generator } from '../../dist/src/daemon/generator.js'
import { processesIn } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { saying } from './code.ts'

test('a process that has died unseen is replaced by another, which answers; once it is stopped none is', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('one') } })
  const generator = new Generator(project.dir, 30_000)
  const settings = await loadProject(project.dir, {})
  const kill = (): void => {
    const pids = processesIn(project.dir)
    expect(pids).toHaveLength(1)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
  }
  await generator.generate(settings)
  project.write('src/greet.ts', saying('two').replace('const greet', 'const hail'))
  kill()
  // Of its end nothing can have been heard yet.
  await generator.generate(settings)
  expect(readFileSync(join(project.dir, 'src/ztask/client.ts'), 'utf8')).toContain('hail')
  const cut = generator.generate(settings)
  generator.stop()
  await expect(cut).rejects.toThrow('The process that generates has ended.')
  await expect(generator.generate(settings)).rejects.toThrow('The daemon is ending')
  await until('it to be gone', () => processesIn(project.dir).length === 0)
})
