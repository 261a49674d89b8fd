/** `ztask completion`: what a real bash completes, and that the other shells get all commands and flags. */
import { spawnSync } from 'node:child_process'
import { beforeAll, expect, test } from 'vitest'
import { EXECUTABLE, RunningProcess } from '../harness/process.ts'

const scripts: Record<string, string> = {}

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await new RunningProcess([EXECUTABLE, 'completion', shell], process.cwd()).ended
    expect(code).toBe(0)
    scripts[shell] = stdout
  }
})

/** What a bash that has nothing but the script offers at a TAB behind these words. */
const offered = (...words: string[]): string[] => {
  const quoted = ['ztask', ...words].map((word) => `'${word}'`).join(' ')
  const tab = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _ztask; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', `${scripts.bash}\n${tab}`], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.split('\n').filter((line) => line !== '')
}

test.each([
  [['st'], ['status']],
  [['re'], ['retry', 'reload']],
  [['list', '--fa'], ['--failed']],
  [['list', '--failed', '--js'], ['--json']],
  [['show', '--env'], ['--env-file']],
  [
    ['daemon', '--loglevel', ''],
    ['CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'NOTSET'],
  ],
  [['daemon', '-l', 'W'], ['WARNING']],
  [['daemon', '--logfile', ''], []],
  [['daemon', '--env'], ['--env-file']],
  [['completion', 'f'], ['fish']],
  [['nonsense', '--'], []],
])('bash completes ztask %j', (words, expected) => {
  expect(offered(...words)).toEqual(expected)
})

test('an empty word offers all commands, and each script holds each of them', async () => {
  const { stdout } = await new RunningProcess([EXECUTABLE, '--help'], process.cwd()).ended
  const commands = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}(\w+)/gm)].map(
    ([, name]) => name,
  )
  expect(commands).toContain('completion')
  expect(offered('')).toEqual(commands)
  for (const command of commands) {
    expect(scripts.zsh).toContain(`'${command}:`)
    expect(scripts.fish).toContain(`-a ${command} -d '`)
  }
  expect(scripts.zsh).toContain(`'--replayfailed:give failed jobs their attempts back'`)
  expect(scripts.fish).toContain(`from daemon' -l replayfailed -d 'give failed jobs their attempts back'`)
  expect(scripts.fish).toContain(`-l loglevel -s l -x -a 'CRITICAL ERROR WARNING INFO DEBUG NOTSET' -d`)
})
