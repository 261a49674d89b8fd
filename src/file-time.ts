/** When a file was changed last, by which it is told whether what was made of it still holds. */
import { statSync } from 'node:fs'

/** The clock of a file system may be so much behind, ms: a file that was changed within it may change again at the same time. */
export const TICK = 20

/** @returns epoch ms, of its content, its name or its rights; 0 where there is no such file */
export const changedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0
