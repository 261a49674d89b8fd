/** How far it is: a bar that is drawn over on a terminal, a line now and then in a pipe. */

const WIDTH = 30
/** In a pipe a line for each fifth. */
const STEPS = 5

export interface Progress {
  /** Prints a line of its own. */
  readonly say: (line: string) => void
  readonly update: (done: number, note: string) => void
  /** Leaves what is drawn where it is, and goes on below. */
  readonly end: () => void
}

export const makeProgress = (total: number, out: NodeJS.WriteStream = process.stdout): Progress =>
  out.isTTY ? bar(total, out) : lines(total, out)

const bar = (total: number, out: NodeJS.WriteStream): Progress => {
  let drawn = ''
  const draw = (): void => {
    out.write(`\r\x1b[K${drawn}`)
  }
  return {
    say: (line) => {
      out.write(`\r\x1b[K${line}\n`)
      draw()
    },
    update: (done, note) => {
      const filled = Math.round((done / total) * WIDTH)
      drawn = `  ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${done}/${total} ${note}`
      draw()
    },
    end: () => {
      out.write(drawn === '' ? '' : '\n')
      drawn = ''
    },
  }
}

const lines = (total: number, out: NodeJS.WriteStream): Progress => {
  let step = 0
  return {
    say: (line) => {
      out.write(`${line}\n`)
    },
    update: (done, note) => {
      const reached = Math.floor((done / total) * STEPS)
      if (reached === step) return
      step = reached
      out.write(`  ${done}/${total} ${note}\n`)
    },
    end: () => {},
  }
}
