/** Jobs that die one at a time in each worker. */
import { testDeaths } from './matrix.ts'

testDeaths(1)
