import { describe, expect, test } from 'vitest'
import { isTask, task } from '../../src/index.ts'
import { TaskNameNeededError } from '../../src/model/errors.ts'
import { TASK } from '../../src/model/task.ts'

describe('task()', () => {
  test('leaves a function what it is when it is called', async () => {
    const add = task((a: number, b: number) => a + b)
    expect(add(1, 2)).toBe(3)
    const later = task({ retryCount: 1 }, async (a: string) => a)
    expect(await later('x')).toBe('x')
    const thrown = new Error('mine')
    const fails = task((): void => {
      throw thrown
    })
    expect(fails).toThrow(thrown)
  })

  test('keeps the name and the length', () => {
    function sendEmail(_to: string, _subject: string): void {}
    const { name, length } = task(sendEmail) as { name: string; length: number }
    expect([name, length]).toEqual(['sendEmail', 2])
  })

  test('leaves the function itself unmarked', () => {
    const fn = (): number => 1
    expect([isTask(task(fn)), isTask(fn), isTask(undefined), isTask({ [TASK]: {} })]).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  test('holds its options, which nobody can change', () => {
    const options = { name: 'mine', retryCount: 2 }
    const mine = task(options, () => 1)
    options.retryCount = 3
    expect(mine[TASK].options).toEqual({ name: 'mine', retryCount: 2 })
    expect(Object.isFrozen(mine[TASK].options)).toBe(true)
  })

  test.each([
    [{ retryCount: -1 }, "The option 'retryCount' is -1. It must be a whole number, 0 to 1,000,000."],
    [{ retryCont: 1 }, "There is no option 'retryCont'. Did you mean 'retryCount'?"],
    [{ name: 'a b' }, "The option 'name' is 'a b'. It must be an identifier, such as 'sendEmail'."],
    [
      { toString: 1 },
      "There is no option 'toString'. The options are name, aliases, retryCount, retryAfter, timeout, priority, expiresIn, keepResult, keepFailed.",
    ],
    [null, 'The options of task() must be an object, such as { retryCount: 3 }.'],
  ])('refuses the options %j', (options, message) => {
    expect(() => task(options as object, () => 1)).toThrow(
      expect.objectContaining({ code: 'ZTASK_CONFIG', message }),
    )
  })

  test('refuses what is no function', () => {
    expect(() => task({} as never)).toThrow(
      'task() was given no function. Write task(fn) or task({ … }, fn).',
    )
  })
})

test.each(['async', 'after', 'at', 'delay'])(
  '.%s of a task without a name says what to write',
  async (verb) => {
    function resize(_width: number): void {}
    const call = (task(resize) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[verb]
    const error = await call?.(1).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TaskNameNeededError)
    expect((error as Error).message).toBe(
      `.${verb}() needs the task's name, which its options do not give: write task({ name: 'resize' }, …), or call tasks.resize.${verb}() of the generated client.`,
    )
  },
)
