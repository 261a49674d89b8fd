/** docs/from-django-ztask.md: complete, and what it names is there. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fromEnvironment, KEYS } from '../../src/settings.ts'
import { EXECUTABLE, REPOSITORY, RunningProcess } from '../harness/process.ts'
import { tableOf } from './blocks.ts'

const read = (file: string): string => readFileSync(`${REPOSITORY}docs/${file}`, 'utf8')
const PAGE = read('from-django-ztask.md')
const part = (heading: string): string => PAGE.split(`## ${heading}\n`)[1]?.split(/^## /m)[0] ?? ''

test('it speaks of every behaviour that was kept, and of every fault that was mended', () => {
  const ids = [...read('ancestor-tests.md').matchAll(/^\| ([KB]\d+) /gm)].map(([, id]) => id)
  expect([...tableOf(part('Kept')), ...tableOf(part('Mended'))].map(([, id]) => id)).toEqual(ids)
})

test('the flags that it names are flags of the commands', async () => {
  for (const [, , here = ''] of tableOf(part('Commands'))) {
    const [, command = 'daemon'] = /ztask (\w+)/.exec(here) ?? []
    const help = (await new RunningProcess([EXECUTABLE, command, '--help'], REPOSITORY).ended).stdout
    for (const [flag] of here.matchAll(/(?<!\w)--?[a-z]+/g)) expect(help, here).toContain(flag)
  }
})

test('the settings that it names are settings, by the variables of the ancestor', () => {
  for (const [, there = '', here = ''] of tableOf(part('Settings'))) {
    expect(KEYS).toContain(here)
    if (/^\w+$/.test(there))
      expect(() => fromEnvironment({ [there]: 'no callable' })).toThrow(
        expect.objectContaining({ data: expect.objectContaining({ setting: here }) }),
      )
  }
})
