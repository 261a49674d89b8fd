/** Before all tests: a folder that their processes share, for what generate wrote for them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    generated: string
  }
}

export default ({ provide }: TestProject): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), 'ztask-generated-'))
  provide('generated', folder)
  return () => rmSync(folder, { recursive: true })
}
